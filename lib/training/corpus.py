"""Training: a user's own labelled pictures as faces to learn from, found, cut and aligned as at test time."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib.collections.corpora import labelled_folder
from lib.collections.pictures import read_picture
from lib.compendium import fingerprints
from lib.compendium.compute import run_all
from lib.compendium.errors import CollectionError
from lib.faces import transforms
from lib.faces.align import align
from lib.faces.ladder import detect
from lib.faces.landmarks import landmarks
from lib.training.faces import COLUMNS, UNIT_COLUMNS, TrainingFaces
from lib.training.kept import kept

CUT_OUT = 128  # pixels: a square picture up to this side is a face already cut out
SOURCES = ("lib.collections.corpora", "lib.faces.align", "lib.faces.landmarks", "lib.faces.ladder", "lib.faces.transforms",
           "lib.training.corpus")  # fmt: skip


def corpus_faces(folder: Path | str, side: int = 112) -> TrainingFaces:
    """Return the faces of a user's labelled folder (see `lib.collections.corpora.labelled_folder`), found, cut and aligned, and kept.

    The largest face of each picture is taken; a square picture of at most 128 pixels is taken for a face already cut out, as in FER2013.
    Pictures without a face or that cannot be read are left out and counted in the kept record. A subject that is not named is the
    picture itself. Presence without intensity counts as 0 or as 2.5, the middle of the scale. Raises CollectionError, also where no face
    is found at all.
    """
    table = labelled_folder(folder)
    files = [[path, Path(path).stat().st_size, Path(path).stat().st_mtime_ns] for path in table["path"]]
    settings = {"kind": "corpus", "side": side, "of": fingerprints.digest(json.dumps(files) + table.to_csv())}
    made = kept("corpus", settings, SOURCES, lambda making: _make(making, table, side))
    landmarks, table = np.load(made / "landmarks.npy"), pd.read_parquet(made / "table.parquet")
    return TrainingFaces(np.load(made / "crops.npy", mmap_mode="r"), landmarks, table)


def _make(folder: Path, table: pd.DataFrame, side: int) -> dict:
    done = run_all(corpus_job, {path: path for path in table["path"]}, settings={"side": side, "folder": str(folder)},
                   journal=folder / "faces.jsonl", what="pictures of the corpus")  # fmt: skip
    found = [outcome.error is None for outcome in done.values()]
    if not any(found):
        first = next(iter(done.values())).error
        raise CollectionError(f"No face was found in the {len(table)} pictures of the corpus ({first}); expected pictures of faces.")
    arrays = [np.load(folder / outcome.value, allow_pickle=False) for outcome in done.values() if outcome.error is None]
    np.save(folder / "crops.npy", np.stack([array["crop"] for array in arrays]))
    np.save(folder / "landmarks.npy", np.stack([array["landmarks"] for array in arrays]))
    _table(table[found].reset_index(drop=True)).to_parquet(folder / "table.parquet", index=False)
    for outcome in done.values():
        if outcome.error is None:
            (folder / outcome.value).unlink()
    return {"faces": sum(found), "synthetic": False, "left out": {key: outcome.error for key, outcome in done.items() if outcome.error}}


def corpus_job(path: str, settings: dict) -> str:
    """Find, cut and align the largest face of one picture, in a worker process; returns the name of the file it is written to."""
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
    found = landmarks(picture, box, detector, roll)
    crop, transform, _ = align(picture, box, settings["side"], found, points, roll)
    name = f"{fingerprints.digest(path)}.npz"
    np.savez(Path(settings["folder"]) / name, crop=crop, landmarks=transforms.map_points(found, transform).astype(np.float32))
    return name


def _table(table: pd.DataFrame) -> pd.DataFrame:
    made = pd.DataFrame({name: table.get(name, np.nan) for name in COLUMNS}, index=table.index)
    made["subject"] = table["subject"].where(table["subject"] != "", table["file"])
    made["sequence"], made["frame"] = -1, 0
    for name in UNIT_COLUMNS:
        if f"{name}_c" in table:
            made[name] = made[name].fillna(table[f"{name}_c"] * 2.5)
    return made
