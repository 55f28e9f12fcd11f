"""Face ids depend on the picture and the rounded box alone; tables refuse what does not fit."""

import re

import pandera.errors
import pytest

from lib.faces import tables


def test_ids_are_stable_and_differ_between_faces():
    """Ids are stable and differ between faces."""
    first = tables.face_id("abc", (10.2, 20.4, 30.0, 40.1))
    assert re.fullmatch("[0-9a-f]{16}", first) and first == tables.face_id("abc", (10, 20, 30, 40))
    assert len({first, tables.face_id("abd", (10, 20, 30, 40)), tables.face_id("abc", (11, 20, 30, 40))}) == 3
    assert first == "ab524ee5ff4261d2"  # never changes: ids are in published tables


def face(**more):
    return {"face_id": "0" * 16, "image_id": "a", "file": "a.png", "x": 1, "y": 2, "width": 3, "height": 4, "confidence": 0.9,
            "detector": "mtcnn", "rung": "scale", "transform": "{}", "witnesses": 4, "roll": 0, "points": "", **more}


def test_a_good_row_passes_with_the_right_types():
    """A good row passes with the right types."""
    table = tables.faces_table([{"faces": [face()]}])
    assert table["x"].dtype == float and table["witnesses"].dtype == int


@pytest.mark.parametrize("wrong", [{"width": 0}, {"rung": "ladder"}, {"detector": "yolo"}, {"roll": 500}, {"face_id": "xyz"}])
def test_wrong_rows_are_refused(wrong):
    """Wrong rows are refused."""
    with pytest.raises(pandera.errors.SchemaError):
        tables.faces_table([{"faces": [face(**wrong)]}])


def test_no_faces_give_an_empty_table_with_all_columns():
    """No faces give an empty table with all columns."""
    assert list(tables.faces_table([]).columns)[:4] == ["face_id", "image_id", "file", "x"]
