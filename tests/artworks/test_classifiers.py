"""The study's classifiers learn what is planted, nobody is on both sides of a fold, and networks answer as the predictions say."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.artworks import classifiers, features
from lib.artworks.classifiers import Settings
from lib.compendium import kept as keeping
from lib.compendium.errors import ParameterError

SMALL = Settings(folds=2, weights="none", width=0.05, side=32, epochs=200, rate=2e-2, shallnet_side=16, shallnet_width=0.02,
                 shallnet_epochs=1, layout=features.Layout(maps=2))  # fmt: skip
TINTS = np.array([[190, 40, 40], [40, 60, 190], [60, 170, 60], [230, 200, 80]], float)


def artworks(count=48, sitters=8, seed=0) -> SimpleNamespace:
    """Return pictures whose colour tells the group: the first half portraits of `sitters` people, the others nobody's."""
    generator = np.random.default_rng(seed)
    group = np.arange(count) % 4
    pictures = np.clip(TINTS[group][:, None, None] + generator.normal(0, 25, (count, 40, 40, 3)), 0, 255).astype(np.uint8)
    half = count // 2
    table = pd.DataFrame({
        "artwork_id": [f"work-{number}" for number in range(count)], "group": group,
        "identity": [number // 4 % sitters for number in range(half)] + [-1] * (count - half),
        "box_x": [8.0] * half + [np.nan] * (count - half), "box_y": 8.0, "box_width": 22.0, "box_height": 24.0,
    })  # fmt: skip
    return SimpleNamespace(pictures=pictures, table=table)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return a small study of planted colours, kept in a folder of its own."""
    before, keeping.FOLDER = keeping.FOLDER, tmp_path_factory.mktemp("models")
    patch = pytest.MonkeyPatch()
    patch.setattr("lib.faces.landmarks.landmarks", lambda *_: None)
    try:
        works = artworks()
        yield classifiers.study(works, classifiers.truth_faces(works.table), SMALL), works
    finally:
        keeping.FOLDER = before
        patch.undo()


def test_features_learn_planted_colours_and_answers_are_in_the_table(done):
    """CV+FC and the histogram find colours; every classifier answers once for every artwork it may answer for."""
    study, works = done
    table = classifiers.accuracies(study.predictions).set_index("classifier")
    assert list(table.index) == list(classifiers.CLASSIFIERS)
    assert table.loc["cv_fc", "test"] > 0.9 and table.loc["colour_histogram", "test"] > 0.9
    assert table.loc["chance", "low"] < 0.25 < table.loc["chance", "high"]
    assert (table["artworks"].drop(["shallnet", *classifiers.OF_FACES]) == 48).all()
    assert (table.loc[list(classifiers.OF_FACES), "artworks"] == 24).all()
    tested = study.predictions.query("part == 'test'")
    assert not tested.duplicated(["artwork_id", "classifier"]).any()
    assert (tested.groupby("classifier")["passed"].sum().drop("shallnet") == 24).all()
    both = classifiers.accuracies(study.predictions, only_passed=True).set_index("classifier")
    assert both.drop("shallnet")["artworks"].eq(24).all()
    assert (table["low"] <= table["test"]).all() and (table["test"] <= table["high"]).all()


def test_a_second_call_reads_what_is_kept(done, monkeypatch):
    """The same artworks and settings are trained once."""
    study, works = done
    monkeypatch.setattr(classifiers, "_make", lambda *_: pytest.fail("trained again"))
    again = classifiers.study(works, classifiers.truth_faces(works.table), SMALL)
    pd.testing.assert_frame_equal(again.predictions, study.predictions)
    assert again.features.shape == (48, len(SMALL.layout.names())) and again.crops.shape == (24, 32, 32, 3)


@pytest.mark.parametrize("name", ["shallnet", "vgg16_tlv1", "vgg16_tlv2", "cv_fc", "concatenated"])
def test_networks_answer_as_the_predictions_do(done, name):
    """The Keras network of a fold gives the probabilities of the table for artworks that were tested in it."""
    study, works = done
    model = classifiers.network(study, name, 0)
    mine = study.predictions.query("classifier == @name and fold == 0 and part == 'test'")
    rows = [int(one.split("-")[1]) for one in mine["artwork_id"]]
    crops = study.crops[np.searchsorted(study.rows, rows)] if name in classifiers.OF_FACES else None
    side = 16 if name == "shallnet" else 32
    whole = np.stack([classifiers.squared(works.pictures[row], side) for row in rows])
    given = {"cv_fc": study.features[rows], "vgg16_tlv2": crops, "concatenated": {"picture": crops, "features": study.features[rows]}}
    said = model.predict(given.get(name, whole), verbose=0)
    assert np.allclose(said, mine[list(classifiers.PROBABILITIES)].to_numpy(), atol=2e-3)


def test_a_block_that_learns_too_is_kept_with_its_network(tmp_path, monkeypatch):
    """With fine=block5 the network of a fold answers as the predictions, and a killed study goes on to the same answers."""
    monkeypatch.setattr(keeping, "FOLDER", tmp_path / "one")
    monkeypatch.setattr("lib.faces.landmarks.landmarks", lambda *_: None)
    works, wanted = artworks(24, 6), replace(SMALL, fine="block5", fine_epochs=2, shallnet_folds=0, trunk_hidden=2, epochs=5)
    faces = classifiers.truth_faces(works.table)
    study = classifiers.study(works, faces, wanted)
    mine = study.predictions.query("classifier == 'vgg16_tlv2' and fold == 1")
    said = classifiers.network(study, "vgg16_tlv2", 1).predict(study.crops, verbose=0)
    assert np.allclose(said, mine[list(classifiers.PROBABILITIES)].to_numpy(), atol=1e-3)
    monkeypatch.setattr(keeping, "FOLDER", tmp_path / "two")
    whole, calls = classifiers.fitting.fit, []

    def dies(*given, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*given, **named)

    monkeypatch.setattr(classifiers.fitting, "fit", dies)
    with pytest.raises(KeyboardInterrupt):
        classifiers.study(works, faces, wanted)
    monkeypatch.setattr(classifiers, "_pictures", lambda *_: pytest.fail("cut again"))
    again = classifiers.study(works, faces, wanted)
    assert len(calls) == 3
    numbers = list(classifiers.PROBABILITIES)
    assert np.allclose(again.predictions[numbers], study.predictions[numbers], atol=1e-4)


def test_only_networks_that_were_trained_can_be_had(done):
    """Unknown classifiers and folds that were not trained are named."""
    for name, fold in (("ensemble", 0), ("shallnet", 1), ("cv_fc", 2)):
        with pytest.raises(ParameterError, match="expected one of shallnet"):
            classifiers.network(done[0], name, fold)


def test_nobody_is_on_both_sides_of_a_fold():
    """A sitter's portraits are tested together; labels and sizes are even over the folds."""
    table = artworks(200, 10).table
    fold = classifiers.folds_of(table, 5, 0)
    assert table.assign(fold=fold).query("identity >= 0").groupby("identity")["fold"].nunique().eq(1).all()
    assert np.ptp(np.bincount(fold)) <= 8
    assert np.ptp(pd.crosstab(fold, table["group"]).to_numpy()) <= 4
    assert not np.array_equal(fold, classifiers.folds_of(table, 5, 1))


def test_a_levelled_face_tells_nothing_of_colour_light_and_contrast():
    """Tinted, brightened and flattened copies of a face are prepared alike, and the surroundings are one grey."""
    levels = np.random.default_rng(0).integers(60, 190, (64, 64), dtype=np.uint8)
    one = np.repeat(levels[..., None], 3, axis=2)
    other = (0.5 * one + 70).round().astype(np.uint8)
    prepared = classifiers.prepared(one)
    assert np.abs(prepared.astype(int) - classifiers.prepared(other)).max() <= 3
    assert (prepared[0, 0] == 128).all() and prepared[20:44, 20:44].std() > 30
    assert np.array_equal(classifiers.prepared(one, "colour"), one)


def test_the_ensemble_multiplies_or_averages():
    """Two answers are joined as stated; a product that agrees is surer than either."""
    one, other = np.array([[0.7, 0.1, 0.1, 0.1]]), np.array([[0.4, 0.4, 0.1, 0.1]])
    assert np.allclose(classifiers.together(one, other, "mean"), [[0.55, 0.25, 0.1, 0.1]])
    assert np.allclose(classifiers.together(one, other), np.array([[28, 4, 1, 1]]) / 34)


def test_differences_are_paired_and_groups_counted(done):
    """A classifier against itself differs by 0 exactly; against chance by more; the confusion counts every tested artwork."""
    predictions = done[0].predictions
    table = classifiers.compared(predictions, "cv_fc", ["chance", "vgg16_tlv2"]).set_index("other")
    assert table.loc["chance", "low"] > 0 and table.loc["vgg16_tlv2", "artworks"] == 24
    counts = classifiers.confusion(predictions, "cv_fc")
    assert counts.to_numpy().sum() == 48 and np.trace(counts.to_numpy()) / 48 > 0.9
    with pytest.raises(ParameterError, match="no predictions of nobody"):
        classifiers.compared(predictions, "cv_fc", ["nobody"])
    regimes = classifiers.meaning({"global": done[0], "both": done[0]})
    assert list(regimes["regime"].unique()) == ["global", "both"] and regimes.columns[0] == "regime"


def test_the_trunk_is_the_one_of_notebook_04s_demo(monkeypatch):
    """The default pretraining has exactly the settings of VGG16's variant of the training notebook, so that it is made once."""
    import yaml

    from lib.compendium import places
    from lib.training import pretraining
    from lib.training.parameters import TrainingParameters

    folder = places.ROOT / "params" / "demo"
    given = {}
    for path in (folder / "04_training.yaml", folder / "04_training" / "vgg16.yaml"):
        given |= yaml.safe_load(path.read_text()) or {}
    theirs, asked = TrainingParameters(**given | {"backbone": "vgg16"}), []
    monkeypatch.setattr(pretraining, "pretrained", lambda wanted, progress=None: asked.append(wanted))
    classifiers.atelier_trunk()
    assert [getattr(asked[0], name) for name in pretraining.SETTINGS] == [getattr(theirs, name) for name in pretraining.SETTINGS]


def test_what_cannot_be_studied_is_named():
    """Classes too small to split, boxes of unknown artworks, missing columns and unknown words are refused."""
    works = artworks()
    few = works.table.assign(group=np.where(np.arange(48) == 0, 3, np.arange(48) % 3))
    with pytest.raises(ParameterError, match="1 sitters or works of group 3, too few to split into 2"):
        classifiers.folds_of(few, 2, 0)
    with pytest.raises(ParameterError, match="at least two of"):
        classifiers.folds_of(works.table.assign(group=1), 2, 0)
    faces = classifiers.truth_faces(works.table)
    with pytest.raises(ParameterError, match="'elsewhere'"):
        classifiers.study(works, faces.assign(artwork_id="elsewhere"), SMALL)
    with pytest.raises(ParameterError, match="without width"):
        classifiers.study(works, faces.drop(columns="width"), SMALL)
    with pytest.raises(ParameterError, match="lets|pass the person filter"):
        classifiers.study(works, faces.head(3), SMALL)
    with pytest.raises(ParameterError, match="Did you mean 'product'"):
        Settings(combine="prodct")
    with pytest.raises(ParameterError, match="folds=1"):
        Settings(folds=1)
