"""Collections: the atelier's paintings: portraits, landscapes and still lifes with planted cues, global and local. Synthetic.

What the art-emotion study asks (is an emotion in the whole painting or in the face?) can be answered against truth here: the painter's
palette, brightness and canvas are one cue, the sitter's expression is the other, and which of them tells the label is planted.
A package of its own, so that paintings do not decide what other kept faces of the atelier are made of.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.collections.atelier import specs
from lib.collections.atelier.paintings import plan, portraits, repaint, scenery
from lib.compendium.compute import run_all
from lib.compendium.errors import CompendiumError, ParameterError
from lib.compendium.kept import kept

SUBJECTS = ("portrait", "landscape", "still_life")
BOX = ("box_x", "box_y", "box_width", "box_height")
COLUMNS = ("artwork_id", "subject", "identity", "expression", "local_group", "global_group", "group", "tag", *BOX)
SHARD = 16  # portraits a job paints
RENDERED_BY = ("lib.collections.atelier", "lib.collections.atelier.paintings.portraits", "lib.expressions")
PAINTED_BY = ("lib.collections.atelier.paintings", *RENDERED_BY)


@dataclass(frozen=True)
class Artworks:
    """Pictures uint8 (n, side, side, 3) RGB, a table of n rows (COLUMNS) and `cue_maps` bool (n, side, side).

    `subject` of SUBJECTS; `identity`: the sitter (-1: nobody); `expression` "" and `local_group` -1 where there is no face;
    `global_group`: whose palette, brightness and canvas; `group`: the label, 0 to 3; `tag`: one of its emotions; the face's true box in
    pixels (NaN: no face). `cue_maps`: where the expression moved the face, empty for neutral faces and where there is none.
    """

    pictures: np.ndarray
    table: pd.DataFrame
    cue_maps: np.ndarray

    def __post_init__(self):
        counts = len(self.pictures), len(self.table), len(self.cue_maps)
        if len(set(counts)) != 1:
            raise ParameterError(f"Received {counts[0]} pictures, {counts[1]} rows and {counts[2]} maps; expected as many each.")

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, rows) -> "Artworks":
        """Return the artworks at row numbers, or where a mask is true."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Artworks(self.pictures[rows], self.table.iloc[rows].reset_index(drop=True), self.cue_maps[rows])


def atelier_artworks(portraits: int = 480, others: int = 240, side: int = 128, regime: str = "both", reliability: float = 0.75,
                     seed: int = 0, misled: str = "partner") -> Artworks:  # fmt: skip
    """Return paintings whose label is told by the whole painting, by the face, or by both; made once and kept on this machine.

    `portraits`, `others`: paintings with and without a person, 0 or more, together at least one; `side`: pixels, 64 to 512. `regime`:
    "global": the label is the palette's group and independent of the expression; "local": the label is the expression's group and
    independent of the palette; "both": each cue agrees with the label in the share `reliability`, else it takes the group for its
    `misled` "partner" (plan.GLOBAL_PARTNER, plan.LOCAL_PARTNER) or for "any" other. `plan.best_accuracy` says what a perfect reader
    reaches. All regimes of one (portraits, side, seed) share one rendering. Rows: portraits first. Raises ParameterError.
    """
    plan.check(regime, reliability, misled)
    specs.check_count(portraits, "portraits", 0, 100_000), specs.check_count(others, "others", 0, 100_000)
    specs.check_count(portraits + others, "portraits and others together", 1)
    specs.check_count(side, "side", 64, 512), specs.check_count(seed, "seed", 0, 2**31 - 1)
    settings = {"portraits": portraits, "others": others, "side": side, "regime": regime, "seed": seed}
    if regime == "both":
        settings |= {"reliability": float(reliability), "misled": misled}
    folder = kept("artworks", settings, PAINTED_BY, lambda making: _paint(making, settings))
    return Artworks(np.load(folder / "pictures.npy", mmap_mode="r"), pd.read_parquet(folder / "table.parquet"),
                    np.load(folder / "cue_maps.npy", mmap_mode="r"))  # fmt: skip


def rendered(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Return portraits before they are repainted (count, side, side, 3), cue maps, and a table of identity, expression, intensity, box."""
    settings = {"count": count, "side": side, "seed": seed}
    folder = kept("portraits", settings, RENDERED_BY, lambda making: _render(making, settings))
    return (np.load(folder / "pictures.npy", mmap_mode="r"), np.load(folder / "cue_maps.npy", mmap_mode="r"),
            pd.read_parquet(folder / "table.parquet"))  # fmt: skip


def _render(folder: Path, settings: dict) -> dict:
    ranges = {f"{start:05d}": [start, min(start + SHARD, settings["count"])] for start in range(0, settings["count"], SHARD)}
    done = run_all(portraits.portraits_job, ranges, settings=settings | {"folder": str(folder)}, journal=folder / "shards.jsonl",
                   what="portraits")  # fmt: skip
    if failed := [f"{key}: {outcome.error}" for key, outcome in done.items() if outcome.error]:
        raise CompendiumError(f"{len(failed)} batches of portraits could not be painted ({failed[0]}). Run again to go on.")
    parts = [np.load(folder / f"{key}.npz", allow_pickle=False) for key in ranges]
    np.save(folder / "pictures.npy", np.concatenate([part["pictures"] for part in parts]))
    np.save(folder / "cue_maps.npy", np.concatenate([part["maps"] for part in parts]))
    rows = [row for outcome in done.values() for row in outcome.value]
    pd.DataFrame(rows, columns=["identity", "expression", "intensity", *BOX]).to_parquet(folder / "table.parquet", index=False)
    for key in ranges:
        (folder / f"{key}.npz").unlink()
    return {"portraits": len(rows), "synthetic": True}


def _paint(folder: Path, settings: dict) -> dict:
    """Repaint the rendered portraits, paint the others, and write pictures, maps and table."""
    side, seed, count, others = (settings[key] for key in ("side", "seed", "portraits", "others"))
    starts, maps, faces = rendered(count, side, seed) if count else _nobody(side)
    table = _planned(faces, settings)
    pictures = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.uint8, (count + others, side, side, 3))
    for index, row in enumerate(table.itertuples()):
        start = starts[index] if index < count else _scene(row.subject, side, seed, index - count)
        # The same hand whatever the regime: only the group decides what differs between two regimes' pictures.
        pictures[index] = repaint.repaint(start, row.global_group, specs.generator_of(seed, "repaint", index),
                                          [getattr(row, name) for name in BOX])  # fmt: skip
    pictures.flush()
    np.save(folder / "cue_maps.npy", np.concatenate([maps, np.zeros((others, side, side), bool)]))
    table.to_parquet(folder / "table.parquet", index=False)
    return {"artworks": len(table), "synthetic": True}


def _scene(subject: str, side: int, seed: int, number: int) -> np.ndarray:
    return getattr(scenery, subject)(side, specs.generator_of(seed, "scenery", number))


def _nobody(side: int) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    return np.zeros((0, side, side, 3), np.uint8), np.zeros((0, side, side), bool), pd.DataFrame(columns=["identity", "expression", *BOX])


def _planned(faces: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Return the table: what is shown, which cue says what, the label and its tag."""
    generator = specs.generator_of(settings["seed"], "plan", settings["regime"])
    others = settings["others"]
    group_of = {name: group for group, names in enumerate(plan.EXPRESSIONS_OF) for name in names}
    local = np.array([group_of[name] for name in faces["expression"]] + [-1] * others, int)
    if settings["regime"] == "both":
        label, palette = plan.both(local, settings["reliability"], settings["misled"], generator)
    else:
        label, palette = (plan.global_only if settings["regime"] == "global" else plan.local_only)(local, generator)
    subject = ["portrait"] * len(faces) + [SUBJECTS[1 + number % 2] for number in range(others)]
    expressions = [*faces["expression"], *[""] * others]
    boxes = {name: np.concatenate([faces[name].to_numpy(float), np.full(others, np.nan)]) for name in BOX}
    return pd.DataFrame({
        "artwork_id": [f"{what}-{number:05d}" for number, what in enumerate(subject)], "subject": subject,
        "identity": np.concatenate([faces["identity"].to_numpy(int), np.full(others, -1)]), "expression": expressions,
        "local_group": local, "global_group": palette, "group": label,
        "tag": [_tag(*row, generator) for row in zip(label, local, expressions, strict=True)], **boxes,
    })[list(COLUMNS)]  # fmt: skip


def _tag(label: int, local: int, shown: str, generator: np.random.Generator) -> str:
    """Return an emotion of the label's group: that of the face where the face agrees, else any."""
    if label == local:
        return plan.EMOTION_OF[shown]
    return str(generator.choice(plan.EMOTIONS_OF[label]))
