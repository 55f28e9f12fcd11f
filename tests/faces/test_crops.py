"""Crops and landmarks land in memory-mapped arrays, row by row, one picture read at a time; a killed run leaves the old file."""

import numpy as np
import pandas as pd
import pytest

from lib.compendium.errors import CollectionError, PictureError
from lib.faces import crops, tables


def pictures():
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 256, (80, 120, 3), dtype=np.uint8) for name in "abc"}


def faces():
    rows = [(name, x) for name in "aabbc" for x in (5.0,)]
    table = pd.DataFrame({"image_id": [name for name, _ in rows], "file": [name + ".png" for name, _ in rows],
                          "x": [5.0, 40, 5, 40, 5], "y": 10.0, "width": 30.0, "height": 30.0, "roll": 0.0, "detector": "mtcnn",
                          "points": ""})
    return table.assign(face_id=[tables.face_id(row.image_id, (row.x, row.y, 30, 30)) for row in table.itertuples()])


def test_each_picture_is_read_once_and_every_row_is_its_face(tmp_path):
    """Each picture is read once and every row is its face."""
    source, read = pictures(), []
    table = crops.write_crops(faces(), tmp_path, lambda row: read.append(row["file"]) or source[row["image_id"]], size=36)
    stack = crops.open_crops(tmp_path)
    assert read == ["a.png", "b.png", "c.png"]
    assert stack.shape == (5, 36, 36, 3) and isinstance(stack, np.memmap) and not stack.flags.writeable
    assert table["crop_index"].tolist() == [0, 1, 2, 3, 4] and set(table["alignment"]) == {"box"}
    # size over box is 1.2, the margin of a box without eyes: the crop is the picture itself, pixel for pixel
    assert np.array_equal(stack[1], source["a"][7:43, 37:73])
    assert np.isnan(np.load(tmp_path / crops.LANDMARKS)).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crops.npy", "landmarks.npy"]


def test_landmarks_come_in_pixels_of_the_crop(tmp_path):
    """Landmarks come in pixels of the crop."""
    def found(picture, box, detector, roll):
        return np.full((68, 2), (box[0], box[1]), np.float32)  # the box's corner: no plausible eyes, so the box aligns

    source = pictures()
    crops.write_crops(faces(), tmp_path, lambda row: source[row["image_id"]], 36, found)
    assert np.allclose(np.load(tmp_path / crops.LANDMARKS), 3)  # a margin of 3 pixels around a box of 30


def test_an_unreadable_picture_costs_its_faces_only(tmp_path):
    """An unreadable picture costs its faces only."""
    source = pictures()

    def read(row):
        if row["image_id"] == "b":
            raise PictureError("damaged")
        return source[row["image_id"]]

    table = crops.write_crops(faces(), tmp_path, read, size=36)
    assert table["crop_index"].tolist() == [0, 1, -1, -1, 2]
    assert table["alignment"].tolist() == ["box", "box", "unreadable", "unreadable", "box"]
    stack = crops.open_crops(tmp_path / crops.CROPS)
    assert stack.shape == (3, 36, 36, 3) and np.array_equal(stack[2], source["c"][7:43, 2:38])


def test_no_faces_give_empty_arrays(tmp_path):
    """No faces give empty arrays."""
    table = crops.write_crops(faces().iloc[:0], tmp_path, None, size=36)
    assert table.empty and crops.open_crops(tmp_path).shape == (0, 36, 36, 3)


def test_a_killed_run_leaves_the_old_crops(tmp_path):
    """A killed run leaves the old crops."""
    source = pictures()
    crops.write_crops(faces(), tmp_path, lambda row: source[row["image_id"]], size=36)
    before = (tmp_path / crops.CROPS).read_bytes()

    def killed(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crops.write_crops(faces(), tmp_path, killed, size=36)
    assert (tmp_path / crops.CROPS).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crops.npy", "landmarks.npy"]


def test_damaged_or_foreign_arrays_are_refused(tmp_path):
    """Damaged or foreign arrays are refused."""
    with pytest.raises(CollectionError, match="detection notebook"):
        crops.open_crops(tmp_path / "crops.npy")
    np.save(tmp_path / "crops.npy", np.zeros((2, 3)))
    with pytest.raises(CollectionError, match="expected uint8"):
        crops.open_crops(tmp_path)
    (tmp_path / "crops.npy").write_bytes(b"")
    with pytest.raises(CollectionError, match="cannot be opened"):
        crops.open_crops(tmp_path)
