import numpy as np
import pandas as pd
import pytest

from lib.compendium.errors import CompendiumError, ParameterError, WeightsError
from lib.expressions import EXPRESSIONS
from lib.labellers import panel
from lib.labellers.panel import Member, ask

CALLS = []


def brightness(crops, landmarks, settings):
    """A labeller for tests: bright crops are happy, dark ones sad; without landmarks there is no answer."""
    CALLS.append(len(crops))
    if settings.get("fails"):
        raise ValueError("broken")
    light = crops.mean(axis=(1, 2, 3)) / 255
    answers = pd.DataFrame(0.0, index=range(len(crops)), columns=list(EXPRESSIONS))
    answers["happy"], answers["sad"] = light, 1 - light
    lost = np.isnan(landmarks).any(axis=(1, 2))
    answers.loc[lost, list(EXPRESSIONS)] = np.nan
    return answers.assign(AU12_r=5 * light, reason=np.where(lost, "no landmarks", ""))


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """Six faces, grey levels 0 to 250; the third without landmarks, the last without a crop."""
    monkeypatch.setattr(panel, "FOLDER", tmp_path / "labels")
    monkeypatch.setenv("COMPENDIUM_JOBS", "1")
    monkeypatch.setattr(panel, "BATCH", 2)
    CALLS.clear()
    crops = np.stack([np.full((8, 8, 3), 50 * number, np.uint8) for number in range(5)])
    landmarks = np.zeros((5, 68, 2), np.float32)
    landmarks[2] = np.nan
    np.save(tmp_path / "crops.npy", crops)
    np.save(tmp_path / "landmarks.npy", landmarks)
    faces = pd.DataFrame({"face_id": [f"{number:016x}" for number in range(6)], "crop_index": [0, 1, 2, 3, 4, -1]})
    return faces, tmp_path


def member(**settings):
    return lambda: Member("multitask", "tests.labellers.test_panel:brightness", settings, panel.digest_of(**settings))


def test_every_face_is_labelled_in_order(scene):
    """Scores follow the crops; faces without landmarks or crop have a reason instead."""
    answers = ask(*scene, {"multitask": member()})
    happy = answers.labels[answers.labels["expression"] == "happy"].set_index("face_id")["score"]
    assert {int(key, 16): round(value * 255) for key, value in happy.items()} == {0: 0, 1: 50, 3: 150, 4: 200}
    assert [reason.split(":")[0] for reason in answers.reasons["reason"]] == ["no landmarks", "the picture of this face cannot be read"]
    assert answers.panel.loc[0, ["status", "answered"]].tolist() == ["ran", 4]
    assert len(answers.action_units) == 5


def test_answers_are_remembered(scene):
    """A second asking labels nothing; a changed crop is labelled again, alone; other weights label all again."""
    faces, folder = scene
    first = ask(faces, folder, {"multitask": member()})
    assert sum(CALLS) == 5
    again = ask(faces, folder, {"multitask": member()})
    assert sum(CALLS) == 5 and again.labels.equals(first.labels)
    crops = np.load(folder / "crops.npy")
    crops[1] = 255
    np.save(folder / "crops.npy", crops)
    changed = ask(faces, folder, {"multitask": member()})
    assert sum(CALLS) == 6 and changed.labels.query("face_id == @faces.face_id[1] and expression == 'happy'")["score"].item() == 1
    ask(faces, folder, {"multitask": member(other=1)})
    assert sum(CALLS) == 11


def test_one_that_cannot_run_is_left_out(scene):
    """A labeller without weights says what to do and the others go on; when none can run that is an error."""

    def missing():
        raise WeightsError("fetch the weights")

    answers = ask(*scene, {"openface": missing, "multitask": member()})
    assert set(answers.labels["labeller"]) == {"multitask"}
    left_out = answers.panel.set_index("labeller").loc["openface"]
    assert left_out["status"] == "left out" and left_out["note"] == "fetch the weights"
    with pytest.raises(CompendiumError, match="openface: fetch the weights"):
        ask(*scene, {"openface": missing})


def test_failed_batches_have_a_reason_and_are_tried_again(scene):
    """An exception in a labeller costs its answers, not the run, and is not remembered."""
    answers = ask(*scene, {"multitask": member(fails=True)})
    assert answers.labels.empty and answers.reasons["reason"].str.contains("ValueError: broken").sum() == 5
    before = sum(CALLS)
    ask(*scene, {"multitask": member(fails=True)})
    assert sum(CALLS) == 2 * before


def test_answers_given_at_once(scene):
    """A labeller that does not work on crops gives its table itself."""
    faces, folder = scene
    table = pd.DataFrame(1 / 7, index=range(6), columns=list(EXPRESSIONS)).assign(reason="")
    answers = ask(faces, folder, {"human": lambda: table})
    assert answers.panel.loc[0, "answered"] == 6 and len(answers.labels) == 42


def test_table_without_crops_is_named(scene):
    """A table that no crops were written for is refused."""
    with pytest.raises(ParameterError, match="crop_index"):
        ask(scene[0].drop(columns="crop_index"), scene[1], {})
