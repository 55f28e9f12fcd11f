"""The multi-task network as a labeller: orders, thresholds, labels of one task, the chain of students, the recurrent half."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from lib.compendium import kept as keeping
from lib.compendium.errors import ParameterError, WeightsError
from lib.expressions import EXPRESSIONS, circumplex
from lib.labellers import multitask
from lib.training.faces import COLUMNS, UNIT_COLUMNS, TrainingFaces

RNG = np.random.default_rng(5)
SMALL = {"trunk": "small", "side": 48, "width": 4, "students": 1, "teacher_epochs": 8, "student_epochs": 6, "rate": 5e-3,
         "schedule": "falling", "batch": 24, "count": 210, "complete_labels": True}  # fmt: skip


def table(count, seed=0):
    """Labels of made-up faces: expressions in turn, seven of a person; units 12 and 25 show happy, 1 and 2 surprise."""
    names = [EXPRESSIONS[number % 7] for number in range(count)]
    rows = pd.DataFrame(index=range(count), columns=list(COLUMNS))
    rows["expression"], rows["intensity"] = names, [0.0 if name == "neutral" else 1.0 for name in names]
    rows["subject"] = [f"s{seed}-{number // 7}" for number in range(count)]
    for column in UNIT_COLUMNS:
        rows[column] = 0.0
    rows.loc[rows["expression"] == "happy", ["AU12", "AU25"]] = 4.0
    rows.loc[rows["expression"] == "surprise", ["AU01", "AU02"]] = 3.0
    rows[["valence", "arousal"]] = [circumplex(name) for name in names]
    rows["sequence"], rows["frame"] = -1, 0
    return rows


def bars(count, seed):
    """Crops with a bright bar whose height is the expression's number."""
    crops = np.random.default_rng(seed).integers(90, 110, (count, 48, 48, 3), dtype=np.uint8)
    for number in range(count):
        crops[number, 5 * (number % 7) + 8 : 5 * (number % 7) + 12] = 250
    return TrainingFaces(crops, np.full((count, 68, 2), np.nan, np.float32), table(count, seed))


def raw(count):
    return {name: RNG.normal(0, 2, (count, size)).astype(np.float32) for name, size in
            (("expression", 7), ("action_units", 8), ("affect", 40))}  # fmt: skip


@pytest.mark.parametrize(("number", "name"), list(enumerate(["neutral", "angry", "disgust", "fear", "happy", "sad", "surprise"])))
def test_classes_are_the_studys(number, name):
    """Output 0 is neutral, 1 angry and so on to 6, surprise."""
    said = raw(1)
    said["expression"] = 50 * np.eye(7)[[number]]
    answer = multitask.answers(said)
    assert list(answer.columns) == list(multitask.COLUMNS)
    assert answer[list(EXPRESSIONS)].idxmax(axis=1).tolist() == [name] and answer[name][0] == pytest.approx(1)


def test_units_come_in_the_studys_order_and_affect_is_an_expectation():
    """AU 1, 2, 4, 6, 12, 15, 20, 25; valence is the first half's mean of linspace(-1, 1, 20), arousal the second's."""
    said = raw(4)
    answer = multitask.answers(said)
    assert multitask.UNIT_COLUMNS == ("AU01_c", "AU02_c", "AU04_c", "AU06_c", "AU12_c", "AU15_c", "AU20_c", "AU25_c")
    assert answer[list(multitask.UNIT_COLUMNS)].to_numpy() == pytest.approx(expit(said["action_units"]), abs=1e-6)
    places = np.linspace(-1, 1, 20)
    assert answer["valence"].to_numpy() == pytest.approx(softmax(said["affect"][:, :20], axis=1) @ places, abs=1e-5)
    assert answer["arousal"].to_numpy() == pytest.approx(softmax(said["affect"][:, 20:], axis=1) @ places, abs=1e-5)


def test_a_probability_at_its_threshold_becomes_one_half():
    """A probability above the published threshold is above one half, one at it is one half, and the order stays."""
    for unit, limit in enumerate(multitask.PUBLISHED):
        said = raw(3)
        said["action_units"][:, unit] = np.log([limit / (1 - limit)] * 3) + [-0.5, 0, 0.5]
        below, at, above = multitask.answers(said, multitask.PUBLISHED)[multitask.UNIT_COLUMNS[unit]]
        assert below < 0.5 < above and at == pytest.approx(0.5)


def test_an_ensemble_is_the_mean_of_raw_outputs():
    """Two networks' logits are averaged before the softmax: not their probabilities."""
    one, two = raw(3), raw(3)
    mean = multitask.ensemble([one, two])
    assert mean["expression"] == pytest.approx((one["expression"] + two["expression"]) / 2)
    expected = softmax((one["expression"] + two["expression"]) / 2, axis=1)
    assert multitask.answers(mean)["neutral"].to_numpy() == pytest.approx(expected[:, 0], abs=1e-6)


def test_labels_are_the_tables():
    """Happy is class 4 of the study, units count from intensity 1, what is unknown is NaN."""
    rows = table(7)
    rows.loc[0, "expression"], rows.loc[1, "AU04"], rows.loc[2, "valence"] = "", np.nan, np.nan
    rows.loc[3, "AU06"], rows.loc[4, "AU06"] = 1.0, 0.99
    labels = multitask.targets(rows)
    assert np.isnan(labels["expression"][0, 0]) and labels["expression"][3, 0] == 4
    assert np.isnan(labels["action_units"][1, 2]) and np.isnan(labels["affect"][2, 0]) and not np.isnan(labels["affect"][2, 1])
    assert labels["action_units"][3].tolist() == [0, 0, 0, 1, 1, 0, 0, 1] and labels["action_units"][4, 3] == 0


def test_a_face_keeps_the_labels_of_one_task_it_has():
    """Each face keeps one task of those it has labels of, about a third each; the draw depends on the seed alone."""
    rows = table(600)
    rows.loc[:199, "expression"] = ""
    rows.loc[:199, ["valence", "arousal"]] = np.nan
    keep = multitask.one_task_each(rows, 3)
    assert set(keep[:200]) == {1} and np.array_equal(keep, multitask.one_task_each(rows, 3))
    assert all(0.25 < share < 0.42 for share in np.bincount(keep[200:], minlength=3) / 400)
    labels = multitask.targets(rows, keep)
    known = np.stack([~np.isnan(values).all(axis=1) for values in labels.values()], axis=1)
    assert (known.sum(axis=1) == 1).all() and np.array_equal(known.argmax(axis=1), keep)


def test_thresholds_have_the_best_f1():
    """No other threshold of the grid does better; a unit that nobody shows keeps one half; unknown labels count nowhere."""
    truth = RNG.integers(0, 2, (200, 8)).astype(float)
    said = RNG.normal(0, 1, (200, 8)) + 1.5 * truth - 1
    truth[:, 7], truth[::5, 0] = 0, np.nan
    found = multitask.tuned_thresholds(said, truth)
    assert found[7] == 0.5

    def f1(unit, limit):
        known = ~np.isnan(truth[:, unit])
        yes, really = expit(said[known, unit]) > limit, truth[known, unit] == 1
        return 2 * np.sum(yes & really) / (np.sum(yes) + np.sum(really))

    for unit in range(7):
        assert f1(unit, found[unit]) == pytest.approx(max(f1(unit, limit) for limit in np.arange(0.02, 0.985, 0.01)), abs=0.01)


def test_nobody_is_learned_from_and_held_out():
    """People are held out with all their faces; one person alone cannot be parted."""
    subjects = np.repeat([f"s{number}" for number in range(25)], 4)
    learn, held = multitask.parted(subjects, 0.12, 0)
    assert len(held) == 12 and not set(subjects[learn]) & set(subjects[held]) and len(learn) + len(held) == 100
    with pytest.raises(ParameterError, match="two or more"):
        multitask.parted(np.array(["a", "a"]), 0.5, 0)


def test_crops_of_any_size_are_brought_to_the_networks():
    """A crop twice as large is averaged over 2 x 2 pixels; an empty stack stays empty."""
    crops = RNG.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    expected = crops.reshape(2, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(multitask.resized(crops, 32) - expected).max() <= 0.51
    assert multitask.resized(crops[:0], 32).shape == (0, 32, 32, 3)


def test_windows_go_up_and_down_within_their_sequence():
    """Every window stays in its sequence, moves by one frame at a time, and not all begin at rest."""
    rows = pd.DataFrame({"sequence": np.repeat(np.arange(30), 6), "frame": np.tile(np.arange(6), 30)})
    found = multitask.windows(rows, 16, 2, 0)
    assert found.shape == (60, 16)
    assert all(set(rows["sequence"].to_numpy()[row]) == {number // 2} for number, row in enumerate(found))
    frames = rows["frame"].to_numpy()[found]
    assert (np.abs(np.diff(frames, axis=1)) == 1).all() and len(set(frames[:, 0])) > 3
    assert multitask.windows(rows[rows["frame"] == 0], 4, 1, 0).shape == (30, 4)  # sequences of one frame repeat it


def test_faint_expressions_of_a_sequence_are_unknown():
    """At no strength a frame is neutral, below FAINT unknown, above it what it shows."""
    rows = pd.DataFrame({"expression": ["happy"] * 3 + ["neutral"], "intensity": [0.0, 0.2, 0.8, 0.0]})
    assert multitask._as_seen(rows)["expression"].tolist() == ["neutral", "", "happy", "neutral"]


@pytest.mark.parametrize(("settings", "said"), [
    ({"folder": "x", "treshold": "tuned"}, "Did you mean 'thresholds'"),
    ({"folder": ""}, "folder"),
    ({}, "folder"),
])  # fmt: skip
def test_wrong_settings_are_refused(settings, said):
    """Unknown and missing settings are named."""
    with pytest.raises(ParameterError, match=said):
        multitask.label_batch(np.zeros((1, 48, 48, 3), np.uint8), None, settings)


def test_a_folder_without_networks_is_refused(tmp_path):
    """A folder that training did not make is named with what to do; the CNN-RNN asks for its own."""
    crops = np.zeros((1, 48, 48, 3), np.uint8)
    with pytest.raises(WeightsError, match="expected a folder made by training"):
        multitask.label_batch(crops, None, {"folder": str(tmp_path)})
    with pytest.raises(ParameterError, match="trained_recurrent"):
        multitask.label_batch_recurrent(crops, None, {"folder": str(tmp_path)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A teacher and a student trained on bars, kept in a folder of the tests."""
    from lib.training import faces

    patch = pytest.MonkeyPatch()
    patch.setattr(keeping, "FOLDER", tmp_path_factory.mktemp("models"))
    patch.setattr(faces, "atelier_faces", lambda count, *_: bars(count, 0))
    yield multitask.trained(SMALL)
    patch.undo()


@pytest.mark.slow
def test_the_chain_learns_and_is_kept(folder):
    """The student tells bars apart on other pictures; the record has eight thresholds; only weights, curves and the record stay."""
    names = ["history.csv", "record.json", "student_1.weights.h5", "teacher.weights.h5"]
    assert sorted(path.name for path in folder.iterdir()) == names
    record = json.loads((folder / "record.json").read_text())
    assert len(record["thresholds"]) == 8 and record["faces"] + record["held_out"] == 210
    curves = pd.read_csv(folder / "history.csv")
    assert curves.groupby("network").size().to_dict() == {"teacher": 8, "student_1": 6}
    test = bars(70, 1)
    answer = multitask.label_batch(test.crops, test.landmarks, {"folder": str(folder)})
    right = answer[list(EXPRESSIONS)].idxmax(axis=1).to_numpy() == test.table["expression"].to_numpy()
    assert right.mean() > 0.6 and answer[list(EXPRESSIONS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
    assert answer["valence"].corr(test.table["valence"].astype(float)) > 0.5


@pytest.mark.slow
def test_answers_do_not_depend_on_the_company(folder):
    """A face alone, among others, twice: the same answer."""
    crops = bars(5, 2).crops
    together = multitask.label_batch(crops, None, {"folder": str(folder)})
    alone = multitask.label_batch(crops[3:4], None, {"folder": str(folder)})
    assert alone.iloc[0, :-1].to_numpy(float) == pytest.approx(together.iloc[3, :-1].to_numpy(float), abs=1e-5)
    assert len(multitask.label_batch(crops[:0], None, {"folder": str(folder)})) == 0


@pytest.mark.slow
def test_changed_weights_are_refused(folder, tmp_path):
    """A weights file that is not the one trained is refused by its hash."""
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "student_1.weights.h5").write_bytes((copy / "teacher.weights.h5").read_bytes())
    with pytest.raises(WeightsError, match="student_1.weights.h5 is missing or was changed"):
        multitask.label_batch(bars(1, 0).crops, None, {"folder": str(copy)})


@pytest.mark.slow
def test_the_recurrent_half_learns_from_sequences(folder, monkeypatch):
    """Trained on sequences of bars that brighten, it answers stills with all columns; other settings give other answers."""
    from lib.training import faces

    def sequences(count, frames, seed, side):
        made = bars(count, seed).part(np.repeat(np.arange(count), frames))
        made.table["sequence"] = np.repeat(np.arange(count), frames)
        made.table["intensity"] = np.where(made.table["expression"] == "neutral", 0.0, np.tile(np.linspace(0.4, 1, frames), count))
        return made

    monkeypatch.setattr(faces, "atelier_sequences", sequences)
    monkeypatch.setattr(keeping, "FOLDER", folder.parent)
    settings = {"sequences": 42, "frames": 3, "length": 4, "epochs": 3, "rate": 5e-3, "batch": 8}
    recurrent = multitask.trained_recurrent(settings, folder)
    test = bars(35, 4)
    answer = multitask.label_batch_recurrent(test.crops, None, {"folder": str(folder), "recurrent": str(recurrent)})
    assert list(answer.columns) == list(multitask.COLUMNS)
    right = answer[list(EXPRESSIONS)].idxmax(axis=1).to_numpy() == test.table["expression"].to_numpy()
    assert right.mean() > 0.5
