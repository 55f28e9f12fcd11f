"""What networks learn from: rows read from disk are the rows, crops are resized once, faces without labels counted."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.compendium.errors import CollectionError, ParameterError
from lib.expressions import EXPRESSIONS
from lib.training import data


def made(folder, count=12, side=16, soft=False):
    """Return crops on disk, faces, target and splits of made-up faces; face 3 has no crop, face 5 no label."""
    rng = np.random.default_rng(2)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "crops.npy", rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8))
    ids = [f"f{number:02d}" for number in range(count)]
    faces = pd.DataFrame({"face_id": ids, "crop_index": np.arange(count)[::-1]})
    faces.loc[3, "crop_index"] = -1
    values = np.eye(7)[np.arange(count) % 7] * (0.5 if soft else 1)
    values[5] = np.nan if soft else 0
    target = pd.DataFrame(values, columns=list(EXPRESSIONS))
    target.insert(0, "face_id", ids)
    parts = ["train"] * (count - 4) + ["validation", "validation", "test", "test"]
    splits = pd.DataFrame({"face_id": ids, "fold": 0, "part": parts, "group": ids})
    return folder / "crops.npy", faces, target, splits[splits["face_id"] != "f03"]


@given(st.lists(st.integers(0, 19), max_size=12), st.lists(st.integers(0, 29), min_size=20, max_size=20))
def test_rows_read_from_the_file_are_the_rows_of_the_array(tmp_path_factory, numbers, rows):
    """Any numbers of any rows, in any order and with repeats, are what indexing the array in memory gives."""
    path = tmp_path_factory.getbasetemp() / "stack.npy"
    stack = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
    if not path.exists():
        np.save(path, stack)
    mapped = np.load(path, mmap_mode="r")
    expected = stack[np.array(rows)][np.array(numbers, int)]
    for source in (mapped, stack, mapped[:]):  # a view of a map is indexed, not read with the file's beginning
        found = data.Rows(source, rows)
        assert len(found) == 20 and np.array_equal(found[np.array(numbers, int)], expected)
    part = data.Rows(mapped[5:], [0, 3])[np.array([1, 0])]
    assert np.array_equal(part, stack[[8, 5]])


def test_a_file_that_was_cut_is_refused(tmp_path):
    """Rows of a file that became shorter are never made up."""
    np.save(tmp_path / "s.npy", np.ones((8, 4, 4, 3), np.uint8))
    rows = data.Rows(np.load(tmp_path / "s.npy", mmap_mode="r"), range(8))
    (tmp_path / "s.npy").write_bytes((tmp_path / "s.npy").read_bytes()[:-10])
    with pytest.raises(CollectionError, match="shorter"):
        rows[np.array([7])]


def test_pictures_targets_and_names_belong_together(tmp_path):
    """A part's picture is its face's crop by crop_index, its target the face's; faces without a label are in no part to learn from."""
    crops, faces, target, splits = made(tmp_path / "run")
    prepared = data.prepare(tmp_path / "data", crops, faces, target, splits, 16)
    stack, where = np.load(crops), faces.set_index("face_id")["crop_index"]
    pictures, labels, ids = prepared.part("train")
    assert list(ids) == [f"f{number:02d}" for number in (0, 1, 2, 4, 6, 7)]
    assert np.array_equal(pictures[np.arange(6)], stack[where[ids]])
    assert np.array_equal(labels.argmax(axis=1), [0, 1, 2, 4, 6, 0])
    assert "f05" in prepared.part("train", labelled=False)[2]
    assert (prepared.about["with_crop"], prepared.about["without_label"], prepared.about["soft"]) == (11, 1, False)
    again = data.opened(tmp_path / "data")
    pd.testing.assert_frame_equal(again.table, prepared.table)


def test_crops_are_resized_once_by_the_area_they_cover(tmp_path):
    """Halved pictures are means of 2 x 2 pixels (OpenCV rounds half up or down); a second call, and other labels, read the same file."""
    crops, faces, target, splits = made(tmp_path / "run")
    first = data.prepare(tmp_path / "data", crops, faces, target, splits, 8)
    stack = np.load(crops).astype(float)
    means = stack.reshape(12, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    assert first.pictures.shape == (12, 8, 8, 3) and np.abs(first.pictures - means).max() <= 0.5
    when = (tmp_path / "data").glob("crops_8_*.npy")
    stamp = [path.stat().st_mtime_ns for path in when]
    other = data.prepare(tmp_path / "data", crops, faces, target.assign(happy=1), splits, 8)
    assert [path.stat().st_mtime_ns for path in (tmp_path / "data").glob("crops_8_*.npy")] == stamp and len(stamp) == 1
    assert other.about["digest"] != first.about["digest"]


@pytest.mark.parametrize("side", [16, 8])
def test_the_same_crops_written_again_are_the_same_to_learn_from(tmp_path, side):
    """The digest follows the crops' content: cut again later they change nothing; others of the same size and time are other data."""
    crops, *rest = made(tmp_path / "run")
    first = data.prepare(tmp_path / "data", crops, *rest, side)
    small = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").glob("crops_*.npy")}
    stack, before = np.load(crops), crops.stat()
    np.save(crops, stack)
    os.utime(crops, ns=(before.st_atime_ns, before.st_mtime_ns + 10**10))
    assert data.prepare(tmp_path / "data", crops, *rest, side).about["digest"] == first.about["digest"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").glob("crops_*.npy")} == small
    stack[4, 0, 0] ^= 255
    np.save(crops, stack)
    os.utime(crops, ns=(before.st_atime_ns, before.st_mtime_ns))
    other = data.prepare(tmp_path / "data", crops, *rest, side)
    assert other.about["digest"] != first.about["digest"] and crops.stat().st_size == before.st_size
    fresh = data.prepare(tmp_path / "fresh", crops, *rest, side)
    assert np.array_equal(other.pictures, fresh.pictures) and other.about["digest"] == fresh.about["digest"]


def test_scores_are_a_target_too(tmp_path):
    """A soft target keeps its scores; a face with missing scores is without a label."""
    prepared = data.prepare(tmp_path / "data", *made(tmp_path / "run", soft=True), 16)
    assert prepared.about["soft"] and prepared.about["without_label"] == 1
    assert prepared.part("train")[1].max() == 0.5


def test_the_test_part_is_handed_out_by_its_name_only(tmp_path):
    """Every face of the split is in one part; an unknown part and an unknown fold are refused."""
    prepared = data.prepare(tmp_path / "data", *made(tmp_path / "run"), 16)
    ids = [face for part in ("train", "validation", "test") for face in prepared.part(part, labelled=False)[2]]
    assert sorted(ids) == sorted(prepared.splits["face_id"])
    with pytest.raises(ParameterError, match="Did you mean 'test'"):
        prepared.part("tests")
    with pytest.raises(ParameterError, match="fold 3"):
        prepared.part("train", 3)


def test_inputs_that_do_not_fit_are_refused(tmp_path):
    """A split with a face that has no crop, scores above 1, crops of another run, and a folder without data each get a clear line."""
    crops, faces, target, splits = made(tmp_path / "run")
    folder = tmp_path / "data"
    more = pd.concat([splits, splits.iloc[:1].assign(face_id="f03", group="f03")])
    with pytest.raises(ParameterError, match="'f03', which has no crop"):
        data.prepare(folder, crops, faces, target, more, 16)
    with pytest.raises(ParameterError, match="from 0 to 7"):
        data.prepare(folder, crops, faces, target.assign(happy=7.0), splits, 16)
    with pytest.raises(ParameterError, match="crops of the same run"):
        data.prepare(folder, crops, faces.assign(crop_index=faces["crop_index"] + 3), target, splits, 16)
    with pytest.raises(CollectionError, match="prepare it again"):
        data.opened(tmp_path / "nothing")
    data.prepare(folder, crops, faces, target, splits, 16)
    (folder / data.ABOUT).write_text(json.dumps(json.loads((folder / data.ABOUT).read_text()))[:-20])
    with pytest.raises(CollectionError, match="prepare it again"):
        data.opened(folder)
