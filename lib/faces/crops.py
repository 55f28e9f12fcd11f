"""Faces: crops of all faces as one memory-mapped array, written one picture at a time.

`crops.npy`: uint8 (n, size, size, 3); `landmarks.npy`: float32 (n, 68, 2) in pixels of the crop, NaN where there are none. Row i of
both belongs to the face with `crop_index` i.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from lib.compendium.errors import CollectionError, PictureError
from lib.faces import transforms
from lib.faces.align import align
from lib.faces.tables import points_of

CROPS, LANDMARKS = "crops.npy", "landmarks.npy"


def write_crops(faces: pd.DataFrame, folder: Path, read, size: int = 224, landmarks=None) -> pd.DataFrame:
    """Cut out all faces of a table and write `crops.npy` and `landmarks.npy` into `folder`; returns the table with two columns more.

    `faces`: columns image_id, x, y, width, height, roll, detector, points; `read(row)`: returns the picture of a face's row, uint8 RGB
    (h, w, 3), called once a picture, raising PictureError where it cannot; `size`: side in pixels; `landmarks(picture, box, detector,
    roll)`: returns (68, 2), or None for no landmarks. New columns: `crop_index` (row of the arrays; -1 and no crop for a picture that
    cannot be read) and `alignment` (landmarks, points, box or unreadable). Memory holds one picture, whatever the number of faces.
    Both arrays are written under temporary names and renamed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    faces = faces.assign(crop_index=-1, alignment="unreadable")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".crops.") as temporary:
        crops = _new(Path(temporary) / CROPS, (len(faces), size, size, 3), np.uint8)
        points = _new(Path(temporary) / LANDMARKS, (len(faces), 68, 2), np.float32)
        written = 0
        for _, group in faces.groupby("image_id", sort=False):
            written = _write_picture(faces, group, read, size, landmarks, crops, points, written)
        for name, array in ((CROPS, crops), (LANDMARKS, points)):
            _finish(array, written, Path(temporary) / name, folder / name)
    return faces


def _write_picture(faces: pd.DataFrame, group: pd.DataFrame, read, size: int, landmarks, crops, points, written: int) -> int:
    """Write the faces of one picture, note their rows in `faces`, and return how many rows are written now."""
    try:
        picture = read(group.iloc[0])
    except PictureError:
        return written
    for label, row in group.iterrows():
        crops[written], points[written], faces.loc[label, "alignment"] = _one(picture, row, size, landmarks)
        faces.loc[label, "crop_index"] = written
        written += 1
    return written


def _one(picture: np.ndarray, row: pd.Series, size: int, landmarks) -> tuple:
    """Return a face's crop, its landmarks in crop pixels (NaN without) and where its eyes came from."""
    box = tuple(float(row[name]) for name in ("x", "y", "width", "height"))
    roll = float(row.get("roll", 0.0))
    found = None if landmarks is None else landmarks(picture, box, row.get("detector", "mtcnn"), roll)
    crop, transform, status = align(picture, box, size, found, points_of(row.get("points", "")), roll)
    return crop, np.nan if found is None else transforms.map_points(found, transform), status


def _new(path: Path, shape: tuple, dtype) -> np.ndarray:
    """Return a new array on disk, or in memory when it is empty (an empty file cannot be mapped)."""
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape) if shape[0] else np.empty(shape, dtype)


def _finish(array: np.ndarray, written: int, temporary: Path, path: Path) -> None:
    """Write what is still in memory, shorten the array to the rows written, and rename it into its place."""
    if written < len(array) or not len(array):
        short = temporary.with_suffix(".short")
        with short.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False,
                                                        "shape": (written, *array.shape[1:])})
            for start in range(0, written, 64):
                file.write(np.ascontiguousarray(array[start:min(start + 64, written)]).tobytes())
        temporary = short
    else:
        array.flush()
    temporary.replace(path)


def open_crops(path: Path) -> np.ndarray:
    """Open `crops.npy` (or the folder it is in) read-only, memory-mapped: uint8 (n, size, size, 3). Raises CollectionError."""
    path = Path(path) / CROPS if Path(path).is_dir() else Path(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CollectionError(f"Received {path.name}, which cannot be opened ({error}), expected an array of crops: run the detection "
                              "notebook again.") from error
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] != array.shape[2] or array.shape[3] != 3:
        raise CollectionError(f"Received {path.name} with {array.dtype} {array.shape}, expected uint8 (n, size, size, 3): "
                              "run the detection notebook again.")
    return array
