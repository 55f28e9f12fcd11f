"""Training: a user's own labelled pictures as faces to learn from, found, cut and aligned as at test time."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.collections.corpora import labelled_folder
from lib.collections.pictures import read_picture
from lib.compendium import fingerprints
from lib.compendium.compute import run_all
from lib.compendium.errors import CollectionError
from lib.compendium.kept import kept
from lib.faces import transforms
from lib.faces.align import align
from lib.faces.ladder import detect
from lib.faces.landmarks import landmarks
from lib.training.faces import COLUMNS, UNIT_COLUMNS, TrainingFaces

CUT_OUT = 128  # pixels: a square picture up to this side is a face already cut out
SOURCES = ("lib.collections.corpora", "lib.faces.align", "lib.faces.landmarks", "lib.faces.ladder", "lib.faces.transforms",
           "lib.training.corpus")  # fmt: skip


def corpus_faces(folder: Path | str, side: int = 112) -> TrainingFaces:
    """Return the faces of a user's labelled folder (see `lib.collections.corpora.labelled_folder`), found, cut and aligned, and kept.

    The largest face of each picture is taken; a square picture of at most 128 pixels is taken for a face already cut out, as in FER2013.
    Pictures of its test split are never learned from. Pictures without a face or that cannot be read are left out and counted in the kept
    record. A subject that is not named is the picture itself. Presence without intensity counts as 0 or as 2.5, the middle of the scale.
    Raises CollectionError, also where there is nothing but a test split, or where no face is found at all.
    """
    table = labelled_folder(folder)
    table = table[table["split"] != "test"].reset_index(drop=True)
    if table.empty:
        raise CollectionError(f"{Path(folder).name!r} has pictures of a test split only; expected some to learn from: give its train part.")
    settings = {"kind": "corpus", "side": side, "of": contents(table)}
    made = kept("corpus", settings, SOURCES, lambda making: make(making, table, side))
    landmarks, table = np.load(made / "landmarks.npy"), pd.read_parquet(made / "table.parquet")
    return TrainingFaces(np.load(made / "crops.npy", mmap_mode="r"), landmarks, table)


def make(folder: Path, table: pd.DataFrame, side: int) -> dict:
    """Write the faces of a table of `labelled_folder`'s columns into a folder that is being kept, and return its record."""
    with cut(folder, list(table["path"]), side, "pictures of the corpus") as made:
        np.save(folder / "crops.npy", made.crops)
        np.save(folder / "landmarks.npy", made.landmarks)
        _table(table[made.found].reset_index(drop=True)).to_parquet(folder / "table.parquet", index=False)
    return {"faces": len(made.crops), "synthetic": False, "left out": made.reasons}


# ---- any list of pictures


class Cut(NamedTuple):
    """Faces cut from n pictures: found bool (n,), crops uint8 (m, side, side, …) as the job makes them, landmarks (m, 68, 2), and
    {path: why there is none}."""

    found: np.ndarray
    crops: np.ndarray
    landmarks: np.ndarray
    reasons: dict[str, str]


def contents(table: pd.DataFrame) -> str:
    """Return a digest of a table with the column path, and of the size and time of each of its files."""
    files = [[path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in table["path"]]
    return fingerprints.digest(json.dumps(files) + table.to_csv(index=False))


@contextlib.contextmanager
def cut(folder: Path, paths: list[str], side: int, what: str, job: Callable | None = None) -> Iterator[Cut]:
    """Find, cut and align the largest face of each picture, in worker processes; a killed call with the same folder goes on.

    what: for the progress line. job: cuts one, in place of `corpus_job`; it writes what it made by `written`. What the workers wrote into
    the folder is removed when the block ends well. Raises CollectionError where no face is found at all.
    """
    done = run_all(job or corpus_job, {path: path for path in paths}, settings={"side": side, "folder": str(folder)},
                   journal=folder / "faces.jsonl", what=what)  # fmt: skip
    reasons = {path: done[path].error for path in paths if done[path].error}
    if len(reasons) == len(set(paths)):
        raise CollectionError(f"No face was found in the {len(paths)} {what} ({reasons[paths[0]]}); expected pictures of faces.")
    found = np.array([path not in reasons for path in paths])
    files = [folder / done[path].value for path in paths if path not in reasons]
    arrays = [np.load(file, allow_pickle=False) for file in files]
    yield Cut(found, *(np.stack([one[name] for one in arrays]) for name in ("crop", "landmarks")), reasons)
    for file in set(files):
        file.unlink()


def corpus_job(path: str, settings: dict) -> str:
    """Find, cut and align the largest face of one picture, in a worker process; returns the name of the file it is written to."""
    face = located(path)
    crop, transform, _ = align(face.picture, face.box, settings["side"], face.landmarks, face.points, face.roll)
    return written(settings["folder"], path, crop, transforms.map_points(face.landmarks, transform))


class Located(NamedTuple):
    """A picture (uint8 RGB) and its largest face: box x, y, width, height, landmarks (68, 2), MTCNN's points or None, roll in degrees."""

    picture: np.ndarray
    box: tuple
    landmarks: np.ndarray
    points: list | None
    roll: float


def located(path: str) -> Located:
    """Return the largest face of a picture. Raises CollectionError where there is none, PictureError where there is no picture."""
    picture = read_picture(path)
    height, width = picture.shape[:2]
    if height == width <= CUT_OUT:
        box, detector, roll, points = (0, 0, width, height), "hand", 0.0, None
    else:
        faces = detect(picture, {"rungs": ("haar", "mtcnn")}).faces
        if not faces:
            raise CollectionError("no face found")
        face = max(faces, key=lambda one: one["width"] * one["height"])
        box, detector = tuple(face[name] for name in ("x", "y", "width", "height")), face["detector"]
        roll, points = face["roll"], face["points"]
    return Located(picture, box, landmarks(picture, box, detector, roll), points, roll)


def written(folder: str, path: str, crop: np.ndarray, marks: np.ndarray) -> str:
    """Write the crop of a picture and its landmarks (68, 2) for `cut` and return the name of the file."""
    name = f"{fingerprints.digest(path)}.npz"
    np.savez(Path(folder) / name, crop=crop, landmarks=marks.astype(np.float32))
    return name


def _table(table: pd.DataFrame) -> pd.DataFrame:
    made = pd.DataFrame({name: table.get(name, np.nan) for name in COLUMNS}, index=table.index)
    made["subject"] = table["subject"].where(table["subject"] != "", table["file"])
    made["sequence"], made["frame"] = -1, 0
    for name in UNIT_COLUMNS:
        if f"{name}_c" in table:
            made[name] = made[name].fillna(table[f"{name}_c"] * 2.5)
    return made
