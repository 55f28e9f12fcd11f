"""Boxes are parsed tolerantly, matched one to one in the best way, and counted with intervals over objects."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import CollectionError, ParameterError
from lib.faces import evaluate

BOXES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40)), max_size=4)
FLOATS = st.floats(0.001, 5000, allow_nan=False)


@given(st.lists(st.tuples(FLOATS, FLOATS, FLOATS, FLOATS), max_size=5))
def test_text_of_boxes_reads_back_to_the_same_numbers(boxes):
    """Text of boxes reads back to the same numbers."""
    assert np.array_equal(evaluate.parse_boxes(";".join(",".join(map(repr, box)) for box in boxes)), np.array(boxes, float).reshape(-1, 4))


@pytest.mark.parametrize("text", ["", None, float("nan"), " ; ", pd.NA])
def test_no_text_is_no_face(text):
    """No text is no face."""
    assert evaluate.parse_boxes(text).shape == (0, 4)


def test_blanks_and_trailing_semicolons_are_tolerated():
    """Blanks and trailing semicolons are tolerated."""
    assert evaluate.parse_boxes(" 1, 2 ,3,4 ; 5 6 7 8.5;").tolist() == [[1, 2, 3, 4], [5, 6, 7, 8.5]]


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,0,4", "1,2,3,-4", "1,2,3,inf", "1,2,3,4;x"])
def test_anything_else_is_refused_with_the_culprit(text):
    """Anything else is refused with the culprit."""
    with pytest.raises(CollectionError, match="face_boxes"):
        evaluate.parse_boxes(text)


def test_names_go_with_boxes():
    """Names go with boxes."""
    assert evaluate.parse_names("frontal; profile", 2) == ["frontal", "profile"]
    assert evaluate.parse_names("", 2) == ["", ""]
    with pytest.raises(CollectionError, match="one name per box"):
        evaluate.parse_names("frontal", 2)


@settings(max_examples=100, deadline=None)
@given(BOXES, BOXES)
def test_matching_is_as_good_as_trying_everything(found, truth):
    """Matching is as good as trying everything."""
    overlap = evaluate.pairwise_overlap(found, truth)
    best = (0, 0.0)
    few, many = (found, truth) if len(found) <= len(truth) else (truth, found)
    for chosen in itertools.permutations(range(len(many)), len(few)):
        values = [overlap[pair if few is found else pair[::-1]] for pair in enumerate(chosen)]
        values = [value for value in values if value >= 0.4]
        best = max(best, (len(values), sum(values)))
    pairs = evaluate.match(found, truth, 0.4)
    assert len(pairs) == best[0] and sum(pair[2] for pair in pairs) == pytest.approx(best[1])
    assert len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs}) == len(pairs)


def test_overlap_of_known_boxes():
    """Overlap of known boxes."""
    overlap = evaluate.pairwise_overlap([(0, 0, 10, 10)], [(0, 0, 10, 10), (5, 0, 10, 10), (10, 0, 5, 5)])
    assert np.allclose(overlap, [[1, 1 / 3, 0]])
    with pytest.raises(ParameterError):
        evaluate.match([], [], 0)


def example():
    truth = pd.DataFrame({
        "image_id": ["a", "b", "c"], "object": ["A", "A", "C"], "kind": ["amber", "amber", "bronze"],
        "face_boxes": ["0,0,10,10;50,50,20,20", "", "5,5,10,10"], "face_views": ["frontal;profile", "", "frontal"],
    })
    faces = pd.DataFrame({
        "image_id": ["a", "a", "b", "c"], "x": [1.0, 200, 3, 5], "y": [0.0, 0, 3, 5], "width": [10.0, 5, 9, 10],
        "height": [10.0, 5, 9, 10], "rung": ["haar", "scale", "mtcnn", "scale"], "detector": ["haar", "mtcnn", "mtcnn", "mtcnn"],
    })
    return truth, faces


def test_comparison_counts_hits_misses_and_false_positives():
    """Comparison counts hits misses and false positives."""
    boxes, pictures = evaluate.compare(*example(), columns=("kind",))
    assert boxes["hit"].tolist() == [True, False, True]
    assert boxes["view"].tolist() == ["frontal", "profile", "frontal"] and boxes["rung"].tolist() == ["haar", "", "scale"]
    assert pictures["false_positives"].tolist() == [1, 1, 0] and pictures["misses"].tolist() == [1, 0, 0]
    by_view = evaluate.recall(boxes, ("view",)).set_index("view")
    assert by_view.loc["frontal", "recall"] == 1 and by_view.loc["profile", "recall"] == 0
    assert by_view.loc["frontal", "objects"] == 2
    rate = evaluate.false_positives(pictures).iloc[0]
    assert rate["per_picture"] == pytest.approx(2 / 3) and rate["low"] <= 2 / 3 <= rate["high"]
    assert len(evaluate.false_positives(pictures, ("kind",))) == 2


def test_empty_tables_give_empty_answers():
    """Empty tables give empty answers."""
    truth, faces = example()
    boxes, pictures = evaluate.compare(truth, faces.iloc[:0])
    assert not boxes["hit"].any() and pictures["false_positives"].sum() == 0
    boxes, _ = evaluate.compare(truth.iloc[1:2], faces)
    assert boxes.empty and np.isnan(evaluate.recall(boxes).iloc[0]["recall"])


def test_missing_columns_and_double_pictures_are_named():
    """Missing columns and double pictures are named."""
    truth, faces = example()
    with pytest.raises(CollectionError, match="face_boxes"):
        evaluate.compare(truth.drop(columns="face_boxes"), faces)
    with pytest.raises(CollectionError, match="twice"):
        evaluate.compare(pd.concat([truth, truth]), faces)


def test_intervals_are_over_objects_not_files():
    # ten objects, ten identical files each: files are copies, so the interval must be that of ten, not of a hundred
    """Intervals are over objects not files."""
    hit = np.repeat([1, 1, 1, 1, 1, 1, 0, 0, 0, 0], 10)
    objects = np.repeat(list("abcdefghij"), 10)
    ratio, low, high = evaluate.ratio_interval(hit, np.ones(100), objects)
    _, few_low, few_high = evaluate.ratio_interval(hit[::10], np.ones(10), objects[::10])
    assert ratio == pytest.approx(0.6) and (low, high) == (few_low, few_high) and high - low > 0.4
    assert np.isnan(evaluate.ratio_interval([1], [1], ["a"])[1])
