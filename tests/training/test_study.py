"""One training from data to predictions: a killed one equals an uninterrupted one, sweeps agree, bad input stops."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from lib.compendium.errors import ParameterError
from lib.compendium.kept import record_of
from lib.expressions import EXPRESSIONS
from lib.training import data, fitting, pretraining, study
from lib.training.faces import TrainingFaces
from lib.training.parameters import TrainingParameters

SMALL = {"backbone": "custom", "side": 32, "width": 0.125, "hidden": 8, "weights": "none", "batch": 8, "epochs": 4, "rate": 0.01,
         "augmentation": "faces", "dropout": 0.2, "mixup": 0.2}  # fmt: skip
COUNT = 70


def coloured_as(which, rng):
    """Return noisy pictures in one of seven colours."""
    colours = 95 * np.stack([which & 1, which >> 1 & 1, which >> 2], axis=1)
    return (rng.integers(0, 60, (len(which), 32, 32, 3)) + colours[:, None, None]).astype(np.uint8)


def colourful(folder, folds=1):
    """Return data on disk: each expression is a colour, ten faces each, the last without a label."""
    rng = np.random.default_rng(1)
    which = np.arange(COUNT) % 7
    crops = coloured_as(which, rng)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "crops.npy", crops)
    ids = [f"f{number:02d}" for number in range(COUNT)]
    target = pd.DataFrame(np.eye(7, dtype=np.uint8)[which], columns=list(EXPRESSIONS))
    target.iloc[-1] = 0
    target.insert(0, "face_id", ids)
    parts = np.array(["train"] * 42 + ["validation"] * 14 + ["test"] * 14)
    splits = pd.concat([pd.DataFrame({"face_id": ids, "fold": fold, "part": np.roll(parts, 14 * fold), "group": ids})
                        for fold in range(folds)])  # fmt: skip
    faces = pd.DataFrame({"face_id": ids, "crop_index": range(COUNT)})
    return data.prepare(folder / "data", folder, faces, target, splits, 32)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    return colourful(tmp_path_factory.mktemp("coloured"), folds=2)


def same(one, other):
    return all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(one.model().get_weights(), other.model().get_weights(), strict=True))


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_network(coloured, tmp_path):
    """Killed after its second epoch and in its fourth, then again: weights, curves and predictions of one never killed; no remains."""
    wanted = TrainingParameters(**SMALL)
    whole = study.train(coloured, wanted, tmp_path / "whole")

    def die(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.train(coloured, wanted, tmp_path / "parts", progress=die)
    assert study.read(tmp_path / "parts") is None
    genuine, fitting.Examples.__getitem__ = fitting.Examples.__getitem__, lambda self, number: (
        (_ for _ in ()).throw(OSError("the lights went out")) if (self.epoch, number) == (3, 2) else genuine(self, number))  # fmt: skip
    try:
        with pytest.raises(Exception, match="the lights went out"):
            study.train(coloured, wanted, tmp_path / "parts")
    finally:
        fitting.Examples.__getitem__ = genuine
    heard = []
    parts = study.train(coloured, wanted, tmp_path / "parts", progress=lambda *told: heard.append(told))
    assert heard == [(4, 4)] and same(whole, parts)
    pd.testing.assert_frame_equal(whole.history.drop(columns="seconds"), parts.history.drop(columns="seconds"), atol=1e-6)
    pd.testing.assert_frame_equal(whole.predictions, parts.predictions, atol=1e-5)
    names = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert names == ["history.csv", "history.parquet", "model.keras", "predictions.csv", "predictions.parquet", "record.json"]
    again = study.train(coloured, wanted, tmp_path / "parts", progress=lambda *told: pytest.fail("trained again"))
    assert again.record == json.loads((tmp_path / "parts" / "record.json").read_text()) == parts.record
    other = study.train(coloured, wanted.model_copy(update={"rate": 0.02, "epochs": 1}), tmp_path / "parts")
    assert len(other.history) == 1  # other settings: trained anew, not read


@pytest.mark.slow
def test_a_training_learns_and_says_what_it_was(coloured, tmp_path):
    """Colours are told apart on the test part; every face of the split has seven scores; the record counts faces and cost by hand."""
    wanted = TrainingParameters(**SMALL | {"epochs": 40, "mixup": 0.0, "rate": 0.02})
    made = study.train(coloured, wanted, tmp_path)
    table = made.predictions.merge(coloured.table[["face_id", "labelled", *EXPRESSIONS]], on="face_id", suffixes=("", "_true"))
    tested = table[(table["part"] == "test") & table["labelled"]]
    truth = tested[[f"{name}_true" for name in EXPRESSIONS]].to_numpy().argmax(axis=1)
    assert (tested[list(EXPRESSIONS)].to_numpy().argmax(axis=1) == truth).mean() > 0.8
    assert list(made.predictions.columns) == ["face_id", "part", *EXPRESSIONS]
    assert made.predictions["part"].value_counts().to_dict() == {"train": 42, "validation": 14, "test": 14}
    record = made.record
    assert (record["learned_from"], record["validated_on"], record["without_label"]) == (42, 14, 1)
    assert record["best_epoch"] == made.history["val_loss"].argmin() + 1 <= record["epochs"] == len(made.history)
    assert record["parameters"] == made.model().count_params() and record["peak_memory_mib"] > 100 and record["pictures_a_second"] > 1
    said = made.model().predict(coloured.part("test", labelled=False)[0][np.arange(14)], verbose=0)
    assert said == pytest.approx(made.predictions.loc[made.predictions["part"] == "test", list(EXPRESSIONS)].to_numpy(), abs=1e-5)


@pytest.mark.slow
def test_a_sweep_in_processes_equals_one_in_this_process(coloured, tmp_path):
    """Two folds trained by two workers are the networks this process trains; an error costs its own training."""
    wanted = TrainingParameters(**SMALL | {"epochs": 1})
    here = study.sweep(coloured, wanted, tmp_path / "here", workers=1)
    there = study.sweep(coloured, wanted, tmp_path / "there", workers=2)
    assert here["fold"].tolist() == there["fold"].tolist() == [0, 1] and (here["error"] == "").all()
    for name in here["folder"]:
        assert same(study.read(tmp_path / "here" / name), study.read(tmp_path / "there" / name))
    assert there["val_loss"].to_numpy() == pytest.approx(here["val_loss"].to_numpy(), abs=1e-6)
    mixed = study.sweep(coloured, wanted, tmp_path / "here", ["custom", "vgg19"], [0], workers=1)
    assert mixed["error"].str.contains("vgg19").tolist() == [False, True]


@pytest.mark.slow
def test_weights_of_the_atelier_are_learned_once_and_start_the_network(coloured, tmp_path, monkeypatch):
    """A few people teach the network; a second call reads the file; the trained network says where it started."""
    monkeypatch.setattr("lib.compendium.kept.FOLDER", tmp_path / "models")
    which = np.arange(140) % 8  # the eighth is a face whose expression is unknown
    table = pd.DataFrame({"expression": [(*EXPRESSIONS, "")[number] for number in which], "subject": [f"p{n // 7}" for n in range(140)]})
    finer = coloured_as(which, np.random.default_rng(2)).repeat(2, axis=1).repeat(2, axis=2)  # than the network sees
    people = TrainingFaces(finer, np.zeros((140, 68, 2)), table)
    monkeypatch.setattr(pretraining, "atelier_faces", lambda *asked: people)
    settings = SMALL | {"weights": "atelier", "pretraining_faces": 140, "pretraining_epochs": 2, "epochs": 1, "rate": 1e-9}
    wanted = TrainingParameters(**settings)
    path = pretraining.pretrained(wanted)
    assert path.name.endswith(".weights.h5") and pretraining.pretrained(wanted, lambda *told: pytest.fail("learned again")) == path
    assert not (path.parent / "crops.npy").exists()
    record = record_of(path.parent)
    assert record["synthetic"] and record["faces"] == (which < 7).sum() and record["best_epoch"] in (1, 2) and 0 <= record["accuracy"] <= 1
    made = study.train(coloured, wanted, tmp_path / "made")
    start = study.regime.network(wanted, path)
    kernels = [weight for weight in start.weights if weight.path.endswith("kernel")]
    found = {weight.path: weight for weight in made.model().weights}
    assert all(np.allclose(weight, found[weight.path], atol=1e-6) for weight in kernels)
    assert made.record["weights"].endswith(path.name)
    other = pretraining.pretrained(wanted.model_copy(update={"pretraining_epochs": 1}))
    assert other != path


def test_splits_are_those_asked_for():
    """One split of the shares, five folds that test each face once, or a fold for each tradition left out."""
    count = 200
    ids = [f"f{number:03d}" for number in range(count)]
    table = pd.DataFrame({"face_id": ids, "image_id": ids, "object": "", "near_duplicate_group": "", "tradition": np.arange(count) % 3})
    table["tradition"] = table["tradition"].map({0: "greek", 1: "roman", 2: "khmer"})
    target = pd.DataFrame(np.eye(7, dtype=int)[np.arange(count) % 7], columns=list(EXPRESSIONS))
    one = study.split(table, target, TrainingParameters())
    assert one["part"].value_counts(normalize=True).to_dict() == pytest.approx({"train": 0.7, "validation": 0.15, "test": 0.15}, abs=0.03)
    five = study.split(table, target, TrainingParameters(folds=5))
    assert five[five["part"] == "test"]["face_id"].value_counts().eq(1).all() and five["fold"].nunique() == 5
    out = study.split(table, target, TrainingParameters(leave_out="tradition"))
    assert sorted(out["held_out"].unique()) == ["greek", "khmer", "roman"]


def test_what_cannot_be_trained_with_stops_at_once(coloured, tmp_path):
    """Pictures of another side, a part without an expression, an unknown fold are refused in one line each; nothing is written."""
    with pytest.raises(ParameterError, match="32 pixels for side=64"):
        study.train(coloured, TrainingParameters(**SMALL | {"side": 64}), tmp_path)
    with pytest.raises(ParameterError, match="fold 7"):
        study.train(coloured, TrainingParameters(**SMALL), tmp_path, fold=7)
    table = coloured.table.assign(fear=0.0)
    lacking = data.Data(coloured.folder, coloured.pictures, table.assign(labelled=data.labelled(table)), coloured.splits, coloured.about)
    with pytest.raises(ParameterError, match="train has no face with 'fear'"):
        study.train(lacking, TrainingParameters(**SMALL), tmp_path)
    nobody = data.Data(coloured.folder, coloured.pictures, coloured.table.assign(labelled=False), coloured.splits, coloured.about)
    with pytest.raises(ParameterError, match="no labelled face"):
        study.train(nobody, TrainingParameters(**SMALL), tmp_path)
    assert not list(tmp_path.iterdir())


def test_training_stops_before_memory_runs_out(coloured, tmp_path, monkeypatch):
    """With little free memory a training is refused before its first epoch, with a batch that fits."""
    wanted = TrainingParameters(**SMALL)
    fixed, each = study.regime.memory_needed(study.regime.network(wanted))
    free = (fixed + 3.5 * each) / (1 - study.regime.RESERVE)
    monkeypatch.setattr(study.regime.psutil, "virtual_memory", lambda: type("Free", (), {"available": free})())
    monkeypatch.setattr(study.regime, "_has_gpu", lambda: False)
    with pytest.raises(ParameterError, match=r"that are free\. Give batch=3\b"):
        study.train(coloured, wanted, tmp_path)
    assert keras.config.dtype_policy().name == "float32"
