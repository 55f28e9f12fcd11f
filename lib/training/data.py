"""Training: what networks learn from: crops on disk read a batch at a time, labels, and who learns, validates and is tested.

One folder holds all of it, so that many trainings, also in other processes, share it. Crops are brought to a network's side once.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lib.compendium import fingerprints
from lib.compendium.errors import CollectionError, ParameterError
from lib.compendium.places import write_atomically
from lib.expressions import EXPRESSIONS
from lib.faces.crops import open_crops
from lib.training.splits import SPLITS, rows_of, training_of, validation_of

FACES, PARTS_OF, ABOUT = "learning.parquet", "splits.parquet", "data.json"
STEP = 64  # pictures resized at a time


class Rows:
    """Some rows of an array on disk, as an array of their own: `len`, and `rows[numbers]` for the rows with these numbers.

    They are read from the file, in its order, and not through the memory map, whose pages would stay in this process' memory: it holds a
    batch, however many pictures there are. An array that is no whole memory-mapped file is indexed.
    """

    def __init__(self, array: np.ndarray, rows):
        self.array, self.rows = array, np.asarray(rows, np.int64)
        self.shape, self.dtype = (len(self.rows), *array.shape[1:]), array.dtype
        whole = isinstance(array, np.memmap) and not isinstance(array.base, np.ndarray)
        self.on_disk = whole and array.filename and array.flags.c_contiguous

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, numbers) -> np.ndarray:
        wanted = self.rows[numbers]
        if not self.on_disk:
            return np.asarray(self.array[wanted])
        made = np.empty((len(wanted), *self.array.shape[1:]), self.dtype)
        size = made[:1].nbytes
        with Path(self.array.filename).open("rb", buffering=0) as file:
            for place in np.argsort(wanted, kind="stable"):
                file.seek(self.array.offset + int(wanted[place]) * size)
                if file.readinto(memoryview(made[place]).cast("B")) != size:
                    raise CollectionError(f"{Path(self.array.filename).name} is shorter than it was; make it again.")
        return made


@dataclass(frozen=True)
class Data:
    """pictures uint8 (m, side, side, 3) memory-mapped; table: face_id, row (in them), the seven EXPRESSIONS, labelled; splits.

    `about`: faces, without_crop, without_label, side, crop_side, soft (scores, not zeros and ones), digest of everything.
    """

    folder: Path
    pictures: np.ndarray
    table: pd.DataFrame
    splits: pd.DataFrame
    about: dict

    def part(self, part: str, fold: int = 0, labelled: bool = True) -> tuple[Rows, np.ndarray, np.ndarray]:
        """Return the pictures, the targets float32 (n, 7) and the face_ids of a part of a fold; `labelled`: only of faces with a label.

        "train" and "validation" are for fitting; "test" is for reporting only, and for predictions.
        """
        chosen = {"train": training_of, "validation": validation_of}.get(part)
        ids = self.table["face_id"]
        rows = chosen(self.splits, ids, fold) if chosen else rows_of(self.splits, ids, part, fold)
        table = self.table.iloc[rows]
        table = table[table["labelled"]] if labelled else table
        return Rows(self.pictures, table["row"]), table[list(EXPRESSIONS)].to_numpy(np.float32), table["face_id"].to_numpy()


def labelled(target: pd.DataFrame) -> np.ndarray:
    """Return which rows of a target have a label, bool (n,): a score above 0 and none missing."""
    values = target[list(EXPRESSIONS)].to_numpy(float)
    return np.isfinite(values).all(axis=1) & (np.nan_to_num(values) > 0).any(axis=1)


def prepare(folder: Path, crops: Path, faces: pd.DataFrame, target: pd.DataFrame, splits: pd.DataFrame, side: int) -> Data:
    """Write what networks learn from into a folder and return it; done again only where something differs.

    crops: `crops.npy` of the detection notebook, or its folder. faces: face_id, crop_index (-1: no crop). target: face_id and the seven
    EXPRESSIONS, zeros and ones or scores from 0 to 1. splits: table SPLITS. side: pixels networks see; crops of another side are resized
    once, by the area a pixel covers where they shrink. Raises ParameterError where a face of the splits has no crop or no row in the
    target, and CollectionError for crops that cannot be opened.
    """
    folder, stack = Path(folder), open_crops(crops)
    folder.mkdir(parents=True, exist_ok=True)
    splits = SPLITS.validate(splits)
    table = faces.loc[faces["crop_index"] >= 0, ["face_id", "crop_index"]].rename(columns={"crop_index": "row"})
    table = table.merge(target[["face_id", *EXPRESSIONS]], on="face_id", how="inner", validate="one_to_one").reset_index(drop=True)
    if missing := sorted(set(splits["face_id"]) - set(table["face_id"])):
        raise ParameterError(f"Received a split with the face {missing[0]!r}, which has no crop or no row in the target; expected faces "
                             "with both: make the split again.")  # fmt: skip
    table = table.assign(labelled=labelled(table))
    values = table.loc[table["labelled"], list(EXPRESSIONS)].to_numpy(float)
    if len(values) and (values.min() < 0 or values.max() > 1):
        raise ParameterError(f"Received a target from {values.min():g} to {values.max():g}; expected 0 to 1: rescale it.")
    if len(table) and table["row"].max() >= len(stack):
        raise ParameterError(f"Received {len(stack)} crops, but a face with crop {table['row'].max()}; expected crops of the same run.")
    source = fingerprints.file_digest(stack.filename)  # not its time: the same crops cut again teach the same
    pictures = Path(stack.filename) if stack.shape[1] == side else resized(stack, side, folder / f"crops_{side}_{_short(source)}.npy")
    about = {"faces": len(faces), "with_crop": int((faces["crop_index"] >= 0).sum()), "without_label": int((~table["labelled"]).sum()),
             "side": side, "crop_side": int(stack.shape[1]), "soft": bool(len(values) and not np.isin(values, (0, 1)).all()),
             "pictures": str(pictures.resolve()), "digest": _short([source, side, table.to_csv(index=False), splits.to_csv(index=False)])}
    write_atomically(folder / FACES, table.to_parquet(index=False))
    write_atomically(folder / PARTS_OF, splits.to_parquet(index=False))
    write_atomically(folder / ABOUT, json.dumps(about, indent=1) + "\n")
    return opened(folder)


def _short(of) -> str:
    return fingerprints.digest(json.dumps(of))[:12]


def opened(folder: Path) -> Data:
    """Return what `prepare` wrote into a folder. Raises CollectionError where it is not all there."""
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text())
        table, splits = (pd.read_parquet(folder / name) for name in (FACES, PARTS_OF))
    except (OSError, ValueError) as error:
        raise CollectionError(f"{folder.name} does not hold what networks learn from ({error}); prepare it again.") from None
    return Data(folder, open_crops(about["pictures"]), table, splits, about)


def resized(stack: np.ndarray, side: int, path: Path) -> Path:
    """Write a stack uint8 (n, s, s, 3) with another side as a `.npy` file, a few pictures in memory at a time; done once."""
    path = Path(path)
    if path.exists():
        return path
    part = path.with_name(f".{path.stem}.{np.random.default_rng().integers(2**40):x}.npy")  # two processes may write at once
    how = cv2.INTER_AREA if side < stack.shape[1] else cv2.INTER_LINEAR
    made = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(len(stack), side, side, 3))
    source = Rows(stack, range(len(stack)))
    for start in range(0, len(stack), STEP):
        numbers = np.arange(start, min(start + STEP, len(stack)))
        made[numbers] = [cv2.resize(picture, (side, side), interpolation=how) for picture in source[numbers]]
    made.flush()
    del made
    part.replace(path)
    return path
