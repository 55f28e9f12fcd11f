"""The person filter finds painted faces and passes no landscape; agreement equals counts by hand; odd works are handled and named."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.artworks import people
from lib.collections.atelier import paintings
from lib.collections.atelier.paintings import repaint, scenery
from lib.compendium import kept as kept_module
from lib.compendium.errors import ParameterError, WeightsError


@pytest.fixture(scope="module")
def works(tmp_path_factory):
    """Eight portraits and four scenes."""
    kept, jobs = kept_module.FOLDER, pytest.MonkeyPatch()
    jobs.setenv("COMPENDIUM_JOBS", "1")
    kept_module.FOLDER = tmp_path_factory.mktemp("models")
    yield paintings.atelier_artworks(8, 4, 128, "both", seed=3)
    kept_module.FOLDER = kept
    jobs.undo()


def test_painted_faces_pass_and_scenes_do_not(works):
    """Most portraits pass, with a box on the face; no scene does."""
    found = people.filtered(works)
    row = people.agreement(works.table, found).iloc[0]
    assert row["recall"] >= 0.75 and row["precision"] == 1 and row["boxed"] == 1
    assert tuple(found.columns) == people.COLUMNS and (found["detector"].isin(["mtcnn", "haar"])).all()


def test_greyscale_large_and_tiny_works(works):
    """A work without colour is named and its face found; a large one has its box in its own pixels; tiny and plain ones have no face."""
    found = people.filtered(works)
    index = works.table.index[works.table["artwork_id"] == found.iloc[0]["artwork_id"]][0]
    colour = np.array(works.pictures[index])
    grey = np.repeat((colour @ repaint.LUMA)[..., None], 3, axis=2).astype(np.uint8)
    assert people.note(grey) == "greyscale" and people.note(colour) == ""
    assert people.by_face(people.levelled(colour)) or people.by_face(grey)
    large = colour.repeat(8, axis=0).repeat(8, axis=1)
    box = people.by_face(large)[0]
    assert 0.5 < box["width"] / (8 * found.iloc[0]["width"]) < 2
    tiny, plain = colour[:30, :30], np.full((100, 100, 3), 90, np.uint8)
    assert people.note(tiny).startswith("tiny") and people.by_face(tiny) == []
    assert people.note(plain) == "one colour; greyscale" and people.by_face(plain) == []
    assert people.notes([grey, colour]) == ["greyscale", ""]


def test_scenes_have_nobody():
    """Ten scenes in every manner: no face."""
    generator = np.random.default_rng(0)
    for number in range(10):
        scene = (scenery.landscape, scenery.still_life)[number % 2](128, generator)
        assert people.by_face(repaint.repaint(scene, number % 4, generator)) == []


# ---- agreement


def table(subjects, **more):
    return pd.DataFrame({"artwork_id": [f"w{number}" for number in range(len(subjects))], "subject": subjects, **more})


def finds(*names, box=(0, 0, 10, 10)):
    return pd.DataFrame([(name, *box) for name in names], columns=people.COLUMNS[:5])


def test_agreement_equals_counts_by_hand():
    """3 portraits pass of 4, 1 scene of 4: precision .75, recall .75, kappa (6/8 - 1/2) / (1 - 1/2) = .5; unknown subjects do not count."""
    known = table(["portrait"] * 4 + ["landscape"] * 4 + [""])
    row = people.agreement(known, finds("w0", "w1", "w2", "w5", "w8")).iloc[0]
    assert row[["artworks", "portraits", "passed", "agreeing"]].tolist() == [8, 4, 4, 3]
    assert row[["precision", "recall", "kappa"]].tolist() == pytest.approx([0.75, 0.75, 0.5]) and np.isnan(row["boxed"])


def test_agreement_without_anything_is_unknown():
    """No find, no portrait: NaN, not zero."""
    row = people.agreement(table(["landscape"] * 3), finds()).iloc[0]
    assert np.isnan(row["precision"]) and np.isnan(row["recall"]) and row["passed"] == 0


def test_boxes_are_compared_with_the_truth():
    """A find on the face counts, one beside it does not; the best of several finds counts."""
    known = table(["portrait"] * 2, box_x=[0.0, 50.0], box_y=0.0, box_width=10.0, box_height=10.0)
    found = pd.concat([finds("w0", "w1"), finds("w0", box=(80, 80, 5, 5))])
    assert people.agreement(known, found).iloc[0]["boxed"] == 0.5


def test_agreement_by_a_column():
    """A row for all, then one for each value; an unknown column is named with the nearest."""
    known = table(["portrait"] * 2 + ["landscape"] * 2, group=[0, 1, 0, 1])
    made = people.agreement_by(known, finds("w0"), "group")
    assert made["of"].tolist() == ["all", "group 0", "group 1"] and made["recall"].tolist() == [0.5, 1, 0]
    with pytest.raises(ParameterError, match="Did you mean 'group'"):
        people.agreement_by(known, finds("w0"), "grup")


def test_any_detector_serves():
    """A filter is a function of a picture; finds are sorted, works without one left out, progress told, counts checked."""
    works = SimpleNamespace(pictures=np.zeros((2, 8, 8, 3), np.uint8), table=table(["portrait", ""]))
    works.pictures[0] = 9
    one = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "detector": "mine", "roll": 0, "view": "colour"}
    told = []
    found = people.filtered(works, lambda picture: [{**one, "confidence": 0.2}, {**one, "confidence": 0.9}] if picture.any() else [],
                            lambda *counts: told.append(counts))  # fmt: skip
    assert found["confidence"].tolist() == [0.9, 0.2] and told == [(1, 2), (2, 2)]
    assert people.passed(works.table, found).tolist() == [True, False]
    with pytest.raises(ParameterError, match="2 pictures and 1 rows"):
        people.filtered(SimpleNamespace(pictures=works.pictures, table=works.table[:1]))


# ---- YOLOv8


def test_yolo_without_weights_is_refused(tmp_path):
    """Neither or both of weights and preset, a missing file, an unknown size, odd settings: named before anything is built."""
    with pytest.raises(WeightsError, match="neither weights nor a preset"):
        people.yolo()
    with pytest.raises(ParameterError, match="multiple of 32"):
        people.yolo("x.weights.h5", side=100)
    with pytest.raises(ParameterError, match="size 'z'"):
        people.yolo_network("z")
    with pytest.raises(WeightsError, match="There is no 'none.weights.h5'"):
        people.yolo(tmp_path / "none.weights.h5")


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    """A file that is not weights, and one of a network with other layers."""
    import keras

    dense = lambda size, classes, side: keras.Sequential([keras.Input((4,)), keras.layers.Dense(classes)])  # noqa: E731
    monkeypatch.setattr(people, "yolo_network", dense)
    people.yolo_network("xs", 2, 64).save_weights(tmp_path / "two.weights.h5")
    (tmp_path / "text.weights.h5").write_text("no weights")
    for name in ("two", "text"):
        with pytest.raises(WeightsError, match="holds no weights of YOLOv8 'xs' with 3 classes"):
            people.yolo(tmp_path / f"{name}.weights.h5", "xs", classes=3)


@pytest.mark.slow
def test_yolo_runs_with_weights_of_ones_own(tmp_path):
    """Every weight of a file saved from a network of the same size is loaded; boxes come in pixels of the work. Parameters: as measured."""
    model = people.yolo_network("xs", classes=2, side=64)
    assert model.count_params() == 3_432_758
    model.save_weights(tmp_path / "mine.weights.h5")
    again = people._loaded(tmp_path / "mine.weights.h5", "xs", 2, 64)
    assert all((np.asarray(one) == np.asarray(other)).all() for one, other in zip(model.weights, again.weights, strict=True))
    again.prediction_decoder = people._decoder(0.01)
    found = people._persons(again, np.random.default_rng(0).integers(0, 255, (90, 60, 3), np.uint8), 64, 1, 0.01)
    assert all(set(one) == set(people.COLUMNS[1:]) and one["detector"] == "yolo" for one in found)
