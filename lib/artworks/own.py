"""Artworks: the reader's own tagged pictures as artworks, for the same study as the atelier's."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lib.artworks.people import SMALLEST, note
from lib.artworks.tags import Tagged
from lib.collections.atelier.paintings import BOX, COLUMNS, Artworks
from lib.collections.pictures import read_thumbnail
from lib.compendium import fingerprints
from lib.compendium.errors import CollectionError, ParameterError, PictureError
from lib.training.kept import kept

SOURCES = ("lib.artworks.own", "lib.artworks.people", "lib.collections.pictures")


def own_artworks(tagged: Tagged, side: int = 128, progress: Callable | None = None) -> tuple[Artworks, pd.DataFrame]:
    """Return tagged pictures as artworks of side × side pixels, and what was left out (file, reason); made once and kept.

    Proportions are not kept, nothing is cut off; not stated in the paper. The table has the atelier's columns and `file`, `who`, `note`
    ("greyscale", "tiny", "one colour"); no expression, no cue and no face box is known, so maps are empty. A picture that cannot be read is
    left out with its reason. progress(done, total). Raises CollectionError where none can be read, ParameterError for a side below 32.
    """
    if isinstance(side, bool) or not isinstance(side, int) or not 32 <= side <= 1024:
        raise ParameterError(f"Received side {side!r}; expected pixels from 32 to 1024.")
    files = [[path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in tagged.table["path"]]
    settings = {"side": side, "of": fingerprints.digest(json.dumps(files) + tagged.table.to_csv())}
    folder = kept("own-artworks", settings, SOURCES, lambda making: _make(making, tagged.table, side, progress))
    pictures, table = np.load(folder / "pictures.npy", mmap_mode="r"), pd.read_parquet(folder / "table.parquet")
    left = pd.concat([tagged.left_out, pd.read_parquet(folder / "left_out.parquet")], ignore_index=True)
    return Artworks(pictures, table, np.zeros(pictures.shape[:3], bool)), left


def _make(folder: Path, table: pd.DataFrame, side: int, progress: Callable | None) -> dict:
    whole = np.lib.format.open_memmap(folder / "all.npy", "w+", np.uint8, (len(table), side, side, 3))
    notes, left = {}, []
    for number, (path, file) in enumerate(zip(table["path"], table["file"], strict=True)):
        try:
            whole[number], notes[number] = _read(Path(path), side)
        except PictureError as error:
            left.append((file, str(error)))
        if progress:
            progress(number + 1, len(table))
    if not notes:
        raise CollectionError(f"None of the {len(table)} tagged pictures can be read ({left[0][0]!r}: {left[0][1]}). Expected pictures.")
    np.save(folder / "pictures.npy", whole[list(notes)])
    (folder / "all.npy").unlink()
    _tidy(table.iloc[list(notes)].reset_index(drop=True), list(notes.values())).to_parquet(folder / "table.parquet", index=False)
    pd.DataFrame(left, columns=["file", "reason"]).to_parquet(folder / "left_out.parquet", index=False)
    return {"artworks": len(notes), "synthetic": False}


def _read(path: Path, side: int) -> tuple[np.ndarray, str]:
    """Return a picture of side × side pixels and the note on the work as it was."""
    small, scale = read_thumbnail(path, max(2 * side, 320))
    said = [part for part in note(small).split("; ") if part and part != "tiny"]
    if min(small.shape[:2]) / scale < SMALLEST:
        said.insert(0, "tiny")
    shrinks = min(small.shape[:2]) > side
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), "; ".join(said)


def _tidy(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    known = {name: table[name] for name in ("artwork_id", "subject", "identity", "group", "tag")}
    made = pd.DataFrame({**known, "expression": "", "local_group": -1, "global_group": -1, **dict.fromkeys(BOX, np.nan)})
    return made[list(COLUMNS)].assign(file=table["file"], who=table["who"], note=notes)
