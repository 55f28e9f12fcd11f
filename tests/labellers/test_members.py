import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.compendium.errors import ParameterError, WeightsError
from lib.compendium.parameters import validated
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


def test_a_folder_with_both_tests_in_one_cannot_judge_the_claim(tmp_path, monkeypatch):
    """Kaggle's folder layout is measured, and the sentence says why the claim still waits."""
    for label in EXPRESSIONS:
        (tmp_path / "test" / label).mkdir(parents=True)
        Image.fromarray(np.full((48, 48), 9, np.uint8)).save(tmp_path / "test" / label / "1.png")
    monkeypatch.setattr(members.realtime, "predict_grey", lambda images: np.tile(np.eye(7)[0], (len(images), 1)))
    table = members.fer2013(LabellerParameters(fer2013=str(tmp_path)))
    assert set(table["part"]) == {"test"}
    assert "14.3%" in members.fer2013_sentence(table) and "fer2013.csv tells apart" in members.fer2013_sentence(table)
    assert members.fer2013_sentence(pd.DataFrame()) == ""


def test_truth_in_words():
    """How many faces have a known expression, that none has, and why pictures that name one give none."""
    nothing, none = pd.DataFrame({"expression": []}), pd.DataFrame({"file": [], "expression": [], "reason": []})
    assert "no truth" in members.truth_sentence(nothing, 3, none)
    assert "2 of 3 faces" in members.truth_sentence(pd.DataFrame({"expression": ["neutral", "sad"]}), 3, none)
    left = pd.DataFrame({"file": ["a", "b", "c"], "expression": ["sad", "sad", "serene"], "reason": ["no face.", "no face.", "no name"]})
    said = members.truth_sentence(nothing, 3, left)
    assert "0 of 3 faces" in said and "3 pictures name an expression" in said and "2 × no face; 1 × no name." in said


def test_what_people_wrote_in_vain_is_remarked_on(tmp_path, no_openface):
    """A row that means no face becomes a note with its place and reason."""
    (tmp_path / "mine.csv").write_text("file,expression\na.jpg,sadness\nb.jpg,happy\n")
    seated = members.panel_of(LabellerParameters(human_labels=str(tmp_path / "mine.csv")), FACES, None, ["a.jpg"])
    assert seated["human"]().attrs["notes"][0].startswith("mine.csv, row 3 (b.jpg): no face was found in such a picture")


def test_answers_follow_the_weights_and_not_where_they_lie(tmp_path, monkeypatch):
    """The digest of mini_XCEPTION's answers changes with the content of its weights, and not with their place."""
    one, two = tmp_path / "one.hdf5", tmp_path / "two.hdf5"
    one.write_bytes(b"weights")
    two.write_bytes(b"weights")

    def digest(path):
        monkeypatch.setattr(members.weights, "path", lambda name: path)
        return members._xception(LabellerParameters()).digest

    assert digest(one) == digest(two)
    two.write_bytes(b"other weights")
    assert digest(one) != digest(two)


def test_rules_of_the_notebook_reach_openface_and_our_own_models(monkeypatch, tmp_path):
    """Settings given in `openface` are those of both; what is OpenFace's alone stays with it."""
    parameters = LabellerParameters(openface={"minimum_confidence": 0.8, "combine": "presence"}, rule="soft")
    asked = members._openface_settings(parameters)
    assert openface.checked(asked, openface.OpenFaceSettings).minimum_confidence == 0.8
    monkeypatch.setattr(members.action_units, "trained", lambda lesson: tmp_path)
    (tmp_path / "record.json").write_text("{}")
    assert members._action_units(parameters).settings["rule_settings"] == {"combine": "presence"}


@pytest.mark.parametrize(("wrong", "said"), [
    ({"openface": {"minimum_confidnce": 0.8}}, "Did you mean 'minimum_confidence'"), ({"openface": {"rule": "soft"}}, "of its own"),
    ({"exam_seed": 100_000}, "nobody is examined on those they learned from"),
])
def test_wrong_parameters_are_named(wrong, said):
    """Unknown settings, those with a parameter of their own, and an examination of the teachers are refused before a kernel starts."""
    with pytest.raises(ParameterError, match=said):
        validated("03_labeller_agreement", wrong)


def test_what_was_missing_and_is_there_now_is_an_input(tmp_path, monkeypatch):
    """Putting OpenFace's program on the PATH changes what the run is made of, so that the next `make` runs it again."""
    monkeypatch.setenv("PATH", str(tmp_path))
    before = LabellerParameters().input_files()
    (tmp_path / "FaceLandmarkImg").write_text("#!/bin/sh\n")
    (tmp_path / "FaceLandmarkImg").chmod(0o755)
    assert set(LabellerParameters().input_files()) - set(before) == {tmp_path / "FaceLandmarkImg"}
    LabellerParameters(openface_executable="FaceLandmarkImg").check_inputs()
