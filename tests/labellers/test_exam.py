import numpy as np
import pandas as pd
import pytest

from lib.compendium import places
from lib.expressions import EXPRESSIONS, circumplex
from lib.labellers import exam, panel
from lib.labellers.panel import Member
from lib.training.faces import COLUMNS, UNIT_COLUMNS, TrainingFaces


def telling(crops, landmarks, settings):
    """A labeller for tests: the first pixel of a crop says which expression it shows; `wrong` of every ten answers are shifted by one."""
    told = crops[:, 0, 0, 0].astype(int)
    said = (told + (np.arange(len(told)) % 10 < settings["wrong"])) % 7
    table = pd.DataFrame(np.eye(7)[said], columns=list(EXPRESSIONS)).assign(reason="")
    points = np.array([circumplex(EXPRESSIONS[number]) for number in told])
    return table.assign(AU12_c=(said == EXPRESSIONS.index("happy")).astype(float), valence=points[:, 0], arousal=-points[:, 1])


@pytest.fixture
def prototypes(monkeypatch, tmp_path):
    """Seventy prototypes of ten people, each crop telling its expression; unit 12 is there in happy faces."""

    def made(count, seed, side, prototypes):
        number = np.arange(count) % 7
        crops = np.zeros((count, 8, 8, 3), np.uint8)
        crops[:, 0, 0, 0] = number
        table = pd.DataFrame(0.0, index=range(count), columns=list(COLUMNS))
        table["subject"] = [f"person-{row // 7}" for row in range(count)]
        table["expression"], table["intensity"] = np.array(EXPRESSIONS)[number], 1.0
        table["AU12"] = np.where(table["expression"] == "happy", 5.0, 0.0)
        points = np.array([circumplex(name) for name in table["expression"]])
        table["valence"], table["arousal"] = points.T
        return TrainingFaces(crops, np.zeros((count, 68, 2), np.float32), table)

    monkeypatch.setattr(exam, "atelier_faces", made)
    monkeypatch.setattr(panel, "FOLDER", tmp_path / "labels")
    monkeypatch.setenv("COMPENDIUM_JOBS", "1")
    return tmp_path / "exam"


def member(name, wrong):
    return lambda: Member(name, "tests.labellers.test_exam:telling", {"wrong": wrong}, panel.digest_of(wrong=wrong))


def test_marks_follow_the_answers(prototypes):
    """Who is always right gets 1 and meets the target; three wrong in ten get .7; arousal told upside down is concordant with -1."""
    asked = {"multitask": member("multitask", 0), "realtime_sequential": member("realtime_sequential", 3)}
    table, units, called = exam.examine(asked, 70, 1, prototypes, resamples=50)
    value = table.set_index(["labeller", "measure"])["value"]
    assert value["multitask", "macro F1"] == value["multitask", "valence: concordance"] == 1
    assert value["realtime_sequential", "accuracy"] == pytest.approx(0.7) and value["multitask", "arousal: concordance"] < 0
    met = table.set_index(["labeller", "measure"])["met"]
    assert met["multitask", "macro F1"] is True and met["realtime_sequential", "macro F1"] is False
    assert met["multitask", "arousal: concordance"] is False and met["multitask", "accuracy"] is None
    assert units[units["labeller"] == "multitask"].set_index("unit").loc[12, "auc"] == 1
    assert called.set_index(["labeller", "called"]).loc[("multitask", "neutral"), "share"] == 1
    assert "3 of 5** targets" in exam.sentence(table) and "sequential CNN, macro F1: 0.7" in exam.sentence(table)
    exam.exam_figure(table)


def test_sitters_keep_their_truth():
    """Every face keeps its expression as a share of 1, its person and its units; ids differ between seeds."""
    table = pd.DataFrame(0.0, index=range(2), columns=list(COLUMNS)).assign(subject=["a", "b"], expression=["sad", "fear"])
    taken = TrainingFaces(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 68, 2), np.float32), table)
    faces, meant = exam.sitters(taken, 5)
    assert meant["sad"].tolist() == [1, 0] and meant["object"].tolist() == ["a", "b"] and set(UNIT_COLUMNS) <= set(meant)
    assert not set(faces["face_id"]) & set(exam.sitters(taken, 6)[0]["face_id"])


def test_the_reading_copy_meets_every_target():
    """In the examination that is committed nobody misses what it is held to, and everybody is held to it."""
    table = pd.read_csv(places.ROOT / "figures/demo/03_labeller_agreement/exam.csv")
    held = table[table["target"].notna()]
    assert (held["value"] >= held["target"]).all()
    assert set(zip(held["labeller"], held["measure"], strict=True)) == set(exam.TARGETS)
