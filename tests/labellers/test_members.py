import numpy as np
import pandas as pd
import pytest

from lib.compendium.errors import WeightsError
from lib.expressions import EXPRESSIONS
from lib.labellers import members, openface
from lib.labellers.panel import Member
from lib.labellers.parameters import LabellerParameters

FACES = pd.DataFrame({"face_id": ["0" * 16], "image_id": ["a"], "file": ["a.jpg"], "x": [1.0], "y": [1.0], "width": [9.0], "height": [9.0]})


@pytest.fixture
def no_openface(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_openfaces_seat_is_taken_where_it_is_absent(no_openface):
    """Without OpenFace our own Action Unit models sit in its place, under their own name, and a sentence says so."""
    parameters = LabellerParameters()
    seated = members.panel_of(parameters, FACES, None, ["a.jpg"])
    assert list(seated) == ["action_units", "multitask", "realtime_xception", "realtime_sequential"]
    assert "OpenFace" in members.absence(parameters) and "TadasBaltrusaitis" in members.absence(parameters)
    assert members.absence(LabellerParameters(labellers=("multitask",))) == ""


def test_openface_sits_where_its_tables_are(tmp_path):
    """A folder of OpenFace's tables is read; crops without their pictures cannot be shown to it, so our own models are examined."""
    units = ",".join(f"{column}" for column in openface.OPENFACE_PRESENCE_COLUMNS)
    ones = ",".join("1" if column in ("AU06_c", "AU12_c") else "0" for column in openface.OPENFACE_PRESENCE_COLUMNS)
    (tmp_path / "a.csv").write_text(f"face, confidence,{units}\n0,0.9,{ones}\n")
    parameters = LabellerParameters(openface_output=str(tmp_path), labellers=("openface",))
    seated = members.panel_of(parameters, FACES, None, ["a.jpg"])
    assert list(seated) == ["openface"] and members.absence(parameters) == ""
    answers = seated["openface"]()
    assert answers[list(EXPRESSIONS)].iloc[0].idxmax() == "happy"
    assert list(members.panel_of(parameters)) == ["action_units"]


def test_people_sit_on_the_panel(tmp_path, no_openface):
    """A file of human labels adds one labeller."""
    (tmp_path / "mine.csv").write_text("file,expression\na.jpg,sadness\n")
    seated = members.panel_of(LabellerParameters(human_labels=str(tmp_path / "mine.csv")), FACES, None, ["a.jpg"])
    assert list(seated)[-1] == "human" and seated["human"]()["sad"].tolist() == [1]


def test_what_cannot_be_made_ready_is_said():
    """A labeller without its weights is left out in the table, and fails with the same words when it is asked."""

    def missing():
        raise WeightsError("fetch them")

    ready = Member("multitask", "a:b", {}, "0")
    made, table = members.prepared({"multitask": lambda: ready, "realtime_xception": missing, "human": missing})
    assert made["multitask"]() is ready
    assert table["status"].tolist() == ["ready", "left out: fetch them", "answers by itself"] and table["needs"].str.len().min() > 10
    with pytest.raises(WeightsError, match="fetch them"):
        made["realtime_xception"]()


def test_claims_about_labels():
    """Three of four labelled faces with two labels are a quarter above one half; without FER2013 its claim waits for data."""
    target = pd.DataFrame(0, index=range(5), columns=list(EXPRESSIONS)).assign(face_id=[f"{row:016x}" for row in range(5)])
    target.loc[:3, "sad"] = 1
    target.loc[:2, "fear"] = 1
    values = members.verdict_values(target, pd.DataFrame(), synthetic=False)
    assert values == {"expressions_overlap": (0.25, "real"), "realtime_fer2013": (None, "real")}


def test_fer2013_is_measured(tmp_path, monkeypatch):
    """The user's copy gives a row an expression and one for all, a part at a time; the published accuracy is PrivateTest's."""
    pixels = " ".join(["7"] * 2304)
    lines = [f"{label},{pixels},{usage}" for usage in ("PublicTest", "PrivateTest") for label in range(7)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(members.realtime, "predict_grey", lambda images: np.tile(np.eye(7)[EXPRESSIONS.index("happy")], (len(images), 1)))
    table = members.fer2013(LabellerParameters(fer2013=str(tmp_path / "fer2013.csv")))
    everything = table[table["expression"] == "all"].set_index("part")["recall"]
    assert everything["PrivateTest"] == everything["PublicTest"] == pytest.approx(1 / 7) and len(table) == 16
    target = pd.DataFrame(0, index=range(1), columns=list(EXPRESSIONS)).assign(face_id=["0" * 16])
    assert members.verdict_values(target, table, True)["realtime_fer2013"] == (pytest.approx(1 / 7), "real")


def test_truth_in_words():
    """How many faces have a known expression, or that none has."""
    assert "no truth" in members.truth_sentence(pd.DataFrame({"expression": []}), 3)
    assert "2 of 3 faces" in members.truth_sentence(pd.DataFrame({"expression": ["neutral", "sad"]}), 3)
