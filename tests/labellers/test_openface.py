"""OpenFace's tables of any build are read, its faces found among ours, and its program run as it wants to be run: here a stand-in."""

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.compendium.errors import CollectionError, CompendiumError, ParameterError, PictureError
from lib.expressions import EXPRESSIONS, OPENFACE_INTENSITY_UNITS, OPENFACE_PRESENCE_UNITS
from lib.faces.evaluate import pairwise_overlap
from lib.labellers import openface, tables

HAPPY, SAD = (6, 12), (1, 4, 15)

# A whole table of the image tool of OpenFace 2.2 and the same of 2.1, written by hand after the format: two units and two landmarks only.
SMALL_22 = "face,confidence,AU06_r,AU12_r,AU06_c,AU12_c,AU28_c\n0,0.975,2.50,4.00,1.0,1.0,0.0\n1,0.310,0.00,0.12,0.0,0.0,1.0\n"
SMALL_21 = SMALL_22.replace(",", ", ")
SEQUENCE = ("frame, face_id, timestamp, confidence, success, AU06_r, AU12_r\n"
            "1, 0, 0.000, 0.98, 1, 2.50, 4.00\n1, 1, 0.000, 0.03, 0, 0.00, 0.12\n")


def table_text(faces: list, comma: str = ",", landmarks: bool = True) -> str:
    """Return a table as of `-aus -2Dfp -pose`; faces: (x, y, width, height of the landmarks, {unit: intensity}, confidence)."""
    points = np.random.default_rng(5).uniform(0, 1, (68, 2))
    points[:4] = [[0, 0.5], [1, 0.5], [0.5, 0], [0.5, 1]]
    names = ["face", "confidence", "pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"]
    names += [f"{axis}_{point}" for axis in "xy" for point in range(68)] * landmarks
    names += [f"AU{unit:02d}_r" for unit in OPENFACE_INTENSITY_UNITS] + [f"AU{unit:02d}_c" for unit in OPENFACE_PRESENCE_UNITS]
    lines = [comma.join(names)]
    for number, (x, y, width, height, units, confidence) in enumerate(faces):
        cells = [str(number), f"{confidence:.3f}", *["0.0"] * 6]
        cells += [f"{value:.1f}" for value in np.concatenate([x + width * points[:, 0], y + height * points[:, 1]])] * landmarks
        cells += [f"{units.get(unit, 0):.2f}" for unit in OPENFACE_INTENSITY_UNITS]
        cells += [f"{float(unit in units):.1f}" for unit in OPENFACE_PRESENCE_UNITS]
        lines.append(comma.join(cells))
    return "\n".join(lines) + "\n"


def units_of(numbers, intensity: float = 4.0) -> dict:
    return dict.fromkeys(numbers, intensity)


def faces_of(*rows) -> pd.DataFrame:
    """Return a table of faces from (file, x, y, width, height)."""
    table = pd.DataFrame(rows, columns=["file", "x", "y", "width", "height"]).astype({name: float for name in openface.BOX})
    ids = [f"{number:016x}" for number in range(len(table))]
    return table.assign(face_id=ids, image_id=[f"id of {file}" for file in table["file"]], detector="mtcnn")


def written(folder: Path, **texts) -> dict:
    folder.mkdir(exist_ok=True)
    for stem, text in texts.items():
        (folder / f"{stem}.csv").write_text(text)
    return {"output_folder": str(folder)}


def top(answers: pd.DataFrame) -> list:
    return [EXPRESSIONS[row.argmax()] if not np.isnan(row).any() else None for row in answers[list(EXPRESSIONS)].to_numpy()]


# Reading tables


@pytest.mark.parametrize("text", [SMALL_22, SMALL_21, "\ufeff" + SMALL_22.replace("\n", "\r\n"), SMALL_22.replace("\n", ",\n")])
def test_builds_with_and_without_spaces_read_the_same(tmp_path, text):
    """Tables of 2.2, of 2.1 with spaces, with a byte order mark and with trailing commas read the same."""
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    table = openface.read_csv(tmp_path / "a.csv")
    assert table["confidence"].tolist() == [0.975, 0.31] and table["success"].tolist() == [1, 1]
    assert table["AU06_r"].tolist() == [2.5, 0] and table["AU12_c"].tolist() == [1, 0] and table["AU28_c"].tolist() == [0, 1]
    assert table[["AU01_r", "AU01_c", "x", "width"]].isna().all(axis=None) and "AU28_r" not in table


def test_the_sequence_tools_columns_are_read(tmp_path):
    """The sequence tool's frame, face_id and success are understood; several frames are no picture."""
    path = tmp_path / "a.csv"
    path.write_text(SEQUENCE)
    assert openface.read_csv(path)[["confidence", "success", "AU12_r"]].to_numpy().tolist() == [[0.98, 1, 4], [0.03, 0, 0.12]]
    path.write_text(SEQUENCE.replace("\n1, 1,", "\n2, 0,"))
    with pytest.raises(PictureError, match="2 frames"):
        openface.read_csv(path)


def test_the_extent_of_the_landmarks_is_the_place_of_a_face(tmp_path):
    """The extent of the 68 landmarks gives x, y, width and height; with one landmark column missing there is none."""
    text = table_text([(100, 50, 80, 90, {}, 0.9), (300, 60, 40.5, 44, {}, 0.9)], comma=", ")
    (tmp_path / "a.csv").write_text(text)
    assert openface.read_csv(tmp_path / "a.csv")[openface.BOX].to_numpy().tolist() == [[100, 50, 80, 90], [300, 60, 40.5, 44]]
    (tmp_path / "a.csv").write_text(text.replace(" x_67,", " somewhere,"))
    assert openface.read_csv(tmp_path / "a.csv")[openface.BOX].isna().all(axis=None)


@pytest.mark.parametrize("text", ["", "\n \n", "face,confidence,AU12_r\n", "face, confidence, AU12_c\n\n"])
def test_an_empty_table_or_a_header_alone_is_no_face(tmp_path, text):
    """An empty file and a header without rows have no faces."""
    (tmp_path / "a.csv").write_text(text)
    assert len(openface.read_csv(tmp_path / "a.csv")) == 0


@pytest.mark.parametrize("cell", ["nan", "-nan(ind)", "-nan", ""])
def test_unknown_cells_become_nan(tmp_path, cell):
    """What C++ writes for no number becomes NaN."""
    (tmp_path / "a.csv").write_text(f"face,confidence,AU06_r,AU12_r\n0,0.9,{cell},3\n")
    assert openface.read_csv(tmp_path / "a.csv")[["AU06_r", "AU12_r"]].isna().to_numpy().tolist() == [[True, False]]


def test_another_scale_of_intensity_can_be_named(tmp_path):
    """With intensity_top 1 intensities of 0 to 1 become 0 to 5; presence is as it is."""
    (tmp_path / "a.csv").write_text("face,confidence,AU06_r,AU06_c\n0,0.9,0.5,1\n")
    assert openface.read_csv(tmp_path / "a.csv", 1.0)[["AU06_r", "AU06_c"]].to_numpy().tolist() == [[2.5, 1]]


@pytest.mark.parametrize(("text", "error", "said"), [
    ("face,confidence,gaze_0_x\n0,0.9,1\n", PictureError, "no Action Unit column .*-aus"),
    ("<html>not found</html>\n", PictureError, "no Action Unit column"),
    ("face,confidence,AU06_r\n0,0.9,strong\n", PictureError, "'strong' in column AU06_r, row 1"),
    ("face,confidence,AU06_r\n0,0.9,inf\n", PictureError, "'inf' in column AU06_r"),
    ("face,confidence,AU06_r,AU12_r\n0,0.9,1,2\n1,0.9,1\n", PictureError, "3 cells in row 2 under 4 names"),
    ("face,confidence,AU06_r, AU06_r\n0,0.9,1,2\n", PictureError, "'AU06_r' twice"),
    ("face,confidence,AU06_r\n0,0.9,62.5\n", CollectionError, "AU06_r = 62.5 in a.csv; expected 0 to 5"),
    ("face,confidence,AU06_r\n0,0.9,-0.5\n", CollectionError, "AU06_r = -0.5"),
    ("face,confidence,AU06_c\n0,0.9,100\n", CollectionError, "AU06_c = 100 in a.csv; expected 0 to 1"),
    ("face,confidence,AU06_r\n0,98,1\n", CollectionError, "confidence = 98"),
])
def test_a_damaged_table_is_refused_with_the_culprit(tmp_path, text, error, said):
    """Missing columns, cells that are no numbers, cut rows and wrong units of measure are named."""
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(error, match=said):
        openface.read_csv(tmp_path / "a.csv")


def test_a_table_that_is_not_there_is_refused(tmp_path):
    """A missing table is an error of the picture."""
    with pytest.raises(PictureError, match="a.csv cannot be read"):
        openface.read_csv(tmp_path / "a.csv")


BLANKS = st.text(" \t", max_size=3)
UNITS = st.lists(st.sampled_from(openface.UNIT_COLUMNS), min_size=1, unique=True)


@settings(max_examples=40, deadline=None)
@given(st.data(), UNITS, st.integers(0, 3), st.lists(st.sampled_from(["gaze_0_x", "pose_Tx", "p_0", "X_3", "face"]), unique=True))
def test_neither_order_nor_spaces_nor_other_columns_matter(tmp_path_factory, data, units, count, others):
    """Values come back as written, whatever the order of the columns, the spaces and the other columns."""
    names = data.draw(st.permutations([*units, *others, "confidence"]))
    limit = {name: 500 if name.endswith("_r") else 100 for name in names}
    values = [[data.draw(st.integers(0, limit[name])) / 100 for name in names] for _ in range(count)]

    def line(cells) -> str:
        return ",".join(data.draw(BLANKS) + str(cell) + data.draw(BLANKS) for cell in cells)

    path = tmp_path_factory.mktemp("tables") / "a.csv"
    path.write_text("\n".join(map(line, [names, *values])))
    table = openface.read_csv(path)
    assert len(table) == count and list(table.columns) == ["confidence", "success", *openface.UNIT_COLUMNS, *openface.BOX]
    for place, name in enumerate(names):
        if name in table:
            assert table[name].tolist() == [row[place] for row in values]
    assert table[[name for name in openface.UNIT_COLUMNS if name not in units]].isna().all(axis=None)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_a_table_or_a_clear_error(tmp_path_factory, text):
    """Whatever the file holds, it is read or refused with one of the compendium's errors."""
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    path.write_text("face,confidence,AU06_r\n" + text, encoding="utf-8", errors="replace")
    try:
        assert openface.read_csv(path)["AU06_r"].dropna().between(0, 5).all()
    except CompendiumError as error:
        assert "a.csv" in str(error)


# Finding our faces


@pytest.mark.parametrize(("detector", "box", "extent"), [
    ("mtcnn", (178.36, 109.90, 173.06, 219.92), (177.47, 159.93, 172.64, 171.54)),
    ("haar", (155, 105, 222, 222), (176.65, 159.95, 175.38, 170.94)),
    ("mtcnn", (181.60, 63.73, 82.95, 107.35), (179.87, 87.61, 92.32, 91.25)),
    ("haar", (177, 66, 95, 95), (179.61, 87.61, 92.63, 91.20)),
])
def test_a_face_box_expects_landmarks_where_they_are(detector, box, extent):
    """In two portraits the landmarks lie where they are expected in MTCNN's and Haar's boxes (boxes and dlib's landmarks as measured)."""
    assert pairwise_overlap([openface.landmark_box(box, detector)], [extent])[0, 0] > 0.75


def test_rows_find_their_faces_in_any_order_and_extra_faces_are_counted(tmp_path):
    """Three faces of ours in another order than OpenFace's four: each gets its own, the fourth is extra."""
    boxes = [(10, 10, 100, 130), (200, 20, 100, 130), (120, 15, 90, 120)]
    found = [(*openface.landmark_box(boxes[1]), units_of(SAD), 0.9), (400, 300, 50, 50, units_of((9, 15)), 0.9),
             (*openface.landmark_box(boxes[2]), {}, 0.9), (*openface.landmark_box(boxes[0]), units_of(HAPPY), 0.9)]
    faces = faces_of(*[("a.jpg", *box) for box in boxes])
    answers = openface.label_faces(faces, settings=written(tmp_path / "out", a=table_text(found)))
    assert top(answers) == ["happy", "sad", "neutral"] and answers["reason"].tolist() == ["", "", ""]
    assert "1 face(s) more" in answers.attrs["notes"][0]
    assert answers["AU12_r"].tolist() == [4, 0, 0] and answers["AU28_c"].tolist() == [0, 0, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.randoms(use_true_random=False), st.floats(-0.08, 0.08))
def test_matching_undoes_any_order(count, random, shift):
    """Faces side by side are found again in any order, with landmarks off by up to 8 % of the face."""
    boxes = [(120 * place, 30, 100, 125) for place in range(count)]
    order = list(range(count))
    random.shuffle(order)
    places = [np.add(openface.landmark_box(boxes[place]), [100 * shift, 125 * shift, 0, 0]) for place in order]
    rows = pd.DataFrame(places, columns=openface.BOX)
    rows = rows.assign(confidence=1.0, success=1.0, **{name: 0.0 for name in openface.UNIT_COLUMNS})
    found = openface.attribute(rows, faces_of(*[("a.jpg", *box) for box in boxes]))
    assert [order[row] for row, _ in found] == list(range(count))


def test_a_face_elsewhere_or_much_smaller_is_not_ours(tmp_path):
    """A row beside our face or a small one inside of it is not ours: no answer rather than a wrong one."""
    for place in ((300, 40, 100, 100), (50, 60, 30, 30)):
        answers = openface.label_faces(faces_of(("a.jpg", 10, 10, 100, 130)), settings=written(tmp_path, a=table_text([(*place, {}, 0.9)])))
        assert top(answers) == [None] and "overlaps this one" in answers["reason"][0] and "1 face(s) more" in answers.attrs["notes"][-1]


def test_without_landmarks_only_one_face_and_one_row_belong_together(tmp_path):
    """Without landmark columns one row is one face; with more of either nothing is guessed."""
    one, two = faces_of(("a.jpg", 0, 0, 50, 60)), faces_of(("a.jpg", 0, 0, 50, 60), ("a.jpg", 80, 0, 50, 60))
    row = (0, 0, 1, 1, units_of(HAPPY), 0.9)
    single, double = (table_text([row] * count, landmarks=False) for count in (1, 2))
    assert top(openface.label_faces(one, settings=written(tmp_path, a=single))) == ["happy"]
    for faces, text in ((two, single), (one, double), (two, double)):
        answers = openface.label_faces(faces, settings=written(tmp_path, a=text))
        assert set(top(answers)) == {None} and answers["reason"].str.contains("no landmarks").all()


# A finished folder


def test_a_folder_of_tables_answers_or_says_why(tmp_path):
    """Each face gets an answer or its own reason, in the order and with the index of the table of faces."""
    box = (10, 10, 100, 130)
    place = openface.landmark_box(box)
    chosen = written(
        tmp_path / "out", good=table_text([(*place, units_of(SAD), 0.9)], ", "), unsure=table_text([(*place, {}, 0.42)]), empty="",
        header="face,confidence,AU12_r\n", broken="face,confidence,AU12_r\n0,0.9,x\n", gaze="face,confidence,gaze_0_x\n0,1,1\n",
        lost="frame,confidence,success,AU12_r\n1,0.9,0,1\n", nothing="face,confidence,AU12_r\n0,0.9,nan\n",
        few="face,confidence,AU12_r\n0,0.9,3\n",
    )
    stems = ["missing", "good", "unsure", "empty", "header", "broken", "gaze", "lost", "nothing", "few"]
    faces = faces_of(*[(f"{stem}.jpg", *box) for stem in stems])
    faces.index = range(100, 110)
    answers = openface.label_faces(faces, settings=chosen | {"minimum_confidence": 0.8})
    assert list(answers.columns) == list(openface.COLUMNS) and answers.index.tolist() == list(range(100, 110))
    said = dict(zip(stems, answers["reason"], strict=True))
    assert said.pop("good") == "" and top(answers)[1] == "sad" and answers.loc[101, list(EXPRESSIONS)].sum() == pytest.approx(1)
    expected = {"missing": "no face", "unsure": "confidence 0.42", "empty": "no face", "header": "no face",
                "broken": "'x' in column AU12_r", "gaze": "no Action Unit column", "lost": "success 0",
                "nothing": "no Action Units", "few": "too few Action Units"}
    assert {stem: words in said[stem] for stem, words in expected.items()} == dict.fromkeys(expected, True)
    assert answers.drop(index=101)[list(EXPRESSIONS)].isna().all(axis=None)
    labels, units, *_, reasons = tables.tidy(faces["face_id"], openface.NAME, answers)
    assert len(labels) == 7 and set(units["face_id"]) >= {faces["face_id"][101]} and len(reasons) == 9


def test_duplicated_stems_cannot_be_told_apart(tmp_path):
    """Two pictures of one stem share a table: neither gets an answer, also where the other picture has no face of ours."""
    box = (10, 10, 100, 130)
    chosen = written(tmp_path / "out", a=table_text([(*openface.landmark_box(box), units_of(SAD), 0.9)]))
    faces = faces_of(("a.jpg", *box), ("a.png", *box))
    answers = openface.label_faces(faces, settings=chosen)
    assert top(answers) == [None, None] and answers["reason"].str.contains("a.csv may be the table of a.jpg or of a.png").all()
    assert top(openface.label_faces(faces[:1], settings=chosen)) == ["sad"]
    assert top(openface.label_faces(faces[:1], settings=chosen, pictures=["a.jpg", "more/a.png"])) == [None]


def test_a_folder_that_mirrors_the_pictures_subfolders_keeps_stems_apart(tmp_path):
    """Where the folder has the pictures' subfolders, the same stem in two of them is no clash."""
    box = (10, 10, 100, 130)
    for name, units in (("rome", SAD), ("greece", HAPPY)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.b.csv").write_text(table_text([(*openface.landmark_box(box), units_of(units), 0.9)]))
    faces = faces_of(("rome/a.b.jpg", *box), ("greece/a.b.jpg", *box))
    assert top(openface.label_faces(faces, settings={"output_folder": str(tmp_path)})) == ["sad", "happy"]


def test_wrong_units_of_measure_stop_the_labeller(tmp_path):
    """One intensity beyond 5 makes all tables of the folder suspect: nothing is answered from them."""
    chosen = written(tmp_path, a=SMALL_22, b=SMALL_22.replace("4.00", "80.0"))
    with pytest.raises(CollectionError, match="AU12_r = 80 in b.csv.*intensity_top"):
        openface.label_faces(faces_of(("a.jpg", 0, 0, 9, 9), ("b.jpg", 0, 0, 9, 9)), settings=chosen)


def test_intensities_that_never_exceed_one_are_remarked_on(tmp_path):
    """Twenty faces with units present and no intensity beyond 1 look like another scale, and the notes say so."""
    box = (10, 10, 100, 130)
    faces = faces_of(*[(f"p{number}.jpg", *box) for number in range(openface.ENOUGH_FACES)])
    for intensity, count in ((0.9, 1), (3.0, 0)):
        text = table_text([(*openface.landmark_box(box), units_of(HAPPY, intensity), 0.9)])
        answers = openface.label_faces(faces, settings=written(tmp_path, **{f"p{number}": text for number in range(openface.ENOUGH_FACES)}))
        assert len(answers.attrs["notes"]) == count


def test_columns_that_the_rules_need_and_that_are_missing_are_named(tmp_path):
    """Without the lips' column raised cheeks are no smile: no answer, with the unit's name; where the rules can go without, a note."""
    box, place = (10, 10, 100, 130), openface.landmark_box((10, 10, 100, 130))
    text = table_text([(*place, units_of(HAPPY), 0.9)])
    lips, lids = ("\n".join(",".join(cell for name, cell in zip(text.splitlines()[0].split(","), line.split(","), strict=True)
                                    if not name.strip().startswith(gone)) for line in text.splitlines()) for gone in ("AU12", "AU05"))
    answers = openface.label_faces(faces_of(("a.jpg", *box)), settings=written(tmp_path / "lips", a=lips))
    assert top(answers) == [None] and "AU12 missing" in answers["reason"][0]
    answers = openface.label_faces(faces_of(("a.jpg", *box)), settings=written(tmp_path / "lids", a=lids))
    assert top(answers) == ["happy"] and "no column of AU05" in answers.attrs["notes"][0]


def test_rounding_beyond_a_scale_is_cut_off(tmp_path):
    """5.01 counts as 5 and a confidence of 1.002 as 1; farther out the units of measure are wrong."""
    (tmp_path / "a.csv").write_text("face,confidence,AU06_r\n0,1.002,5.01\n0,-0.001,-0.01\n")
    assert openface.read_csv(tmp_path / "a.csv")[["confidence", "AU06_r"]].to_numpy().tolist() == [[1, 5], [0, 0]]


def test_the_rule_is_a_setting(tmp_path):
    """The settings of the rules are the labeller's too."""
    box = (10, 10, 100, 130)
    chosen = written(tmp_path, a=table_text([(*openface.landmark_box(box), {1: 0.4, 4: 0.4, 15: 0.4}, 0.9)]))
    faces = faces_of(("a.jpg", *box))
    assert top(openface.label_faces(faces, settings=chosen)) == ["neutral"]
    assert top(openface.label_faces(faces, settings=chosen | {"rule": "hard"})) == ["sad"]


def test_no_faces_give_an_empty_table_with_all_columns(tmp_path):
    """No faces give no rows."""
    answers = openface.label_faces(faces_of(), settings=written(tmp_path, a=SMALL_22))
    assert len(answers) == 0 and list(answers.columns) == list(openface.COLUMNS)


@pytest.mark.parametrize(("chosen", "error", "said"), [
    ({"output_folder": "nowhere"}, CompendiumError, "'nowhere', which is no folder"),
    ({"output_folder": "."}, CompendiumError, "no .csv"),
    ({"executable": "nowhere/FaceLandmarkImg"}, CompendiumError, "Found no nowhere/Face.*TadasBaltrusaitis.*non-commercial.*our own"),
    ({}, CompendiumError, "Found no FaceLandmarkImg"),
    ({"outputfolder": "x"}, ParameterError, "Did you mean 'output_folder'"),
    ({"minimum_overlap": 0}, ParameterError, "minimum_overlap = 0"),
    ({"scales": []}, ParameterError, "scales"),
    ({"scales": [1, -1]}, ParameterError, "scales"),
])
def test_without_openface_the_reader_hears_what_to_do(tmp_path, monkeypatch, chosen, error, said):
    """A missing program or folder and wrong settings are named, with the one thing to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (lambda: openface.label_faces(faces_of(), settings=chosen), lambda: openface.digest(chosen)):
        with pytest.raises(error, match=said):
            call()


def test_missing_columns_of_faces_are_named(tmp_path):
    """A table that is none of faces is refused."""
    with pytest.raises(CollectionError, match="face_id, file"):
        openface.label_faces(faces_of(("a.jpg", 0, 0, 9, 9))[["image_id", *openface.BOX]], settings=written(tmp_path, a=SMALL_22))


def test_the_digest_follows_the_tables_and_the_settings(tmp_path):
    """The digest changes with a table's content and with a setting that changes answers, and not with where things are."""
    one, two = written(tmp_path / "one", a=SMALL_22), written(tmp_path / "two", a=SMALL_22)
    first = openface.digest(one)
    assert len(first) == 16 and first == openface.digest(two) == openface.digest(one | {"batch": 5, "work": "x"})
    assert first != openface.digest(one | {"rule": "soft"})
    written(tmp_path / "two", a=SMALL_21)
    assert first != openface.digest(two)


# Running the program: a stand-in that reads the same command line

STAND_IN = '''#!{python}
import pathlib, sys, time
from PIL import Image, ImageStat
arguments, said = sys.argv[1:], pathlib.Path(__file__).with_name("calls.txt")
given = dict(zip(arguments[0:6:2], arguments[1:6:2]))
pictures, boxes, out = (pathlib.Path(given[name]) for name in ("-fdir", "-bboxdir", "-out_dir"))
files = sorted(path for path in pictures.iterdir() if path.suffix in (".jpg", ".jpeg", ".png", ".bmp"))
with said.open("a") as log:
    sizes = ",".join("x".join(map(str, Image.open(path).size)) for path in files)
    log.write(" ".join(arguments[6:]) + f" | {{len(files)}} {{sizes}}\\n")
out.mkdir(exist_ok=True)
units = {units}
for path in files:
    place = boxes / (path.stem + ".txt")
    if not place.is_file():
        sys.exit("bounding boxes of " + str(path) + " cannot be read")
    picture = Image.open(path)
    blue = picture.getpixel((0, 0))[2]
    if blue == 255:
        sys.exit("could not do it in " + str(pictures))
    if blue == 254:
        time.sleep(30)
    (out / (path.stem + "_of_details.txt")).write_text("details")
    rows = []
    for line in place.read_text().split("\\n"):
        if not line.strip():
            continue
        left, top, right, bottom = map(float, line.split())
        happy = ImageStat.Stat(picture.crop((left, top, right, bottom))).mean[0] > 128
        sure = 0.95 if right - left >= {smallest} else 0.1
        cells = [len(rows), sure] + [round(a + (b - a) * k / 67, 1) for a, b in ((left, right), (top, bottom)) for k in range(68)]
        rows.append(cells + [4.0 if unit in ((6, 12) if happy else (1, 4, 15)) else 0.0 for unit in units])
    if rows:
        names = ["face", "confidence"] + [f"{{axis}}_{{k}}" for axis in "xy" for k in range(68)] + ["AU%02d_r" % unit for unit in units]
        (out / (path.stem + ".csv")).write_text("\\n".join("{comma}".join(map(str, row)) for row in [names, *rows]) + "\\n")
'''


@pytest.fixture
def program(tmp_path):
    """Return a maker of stand-ins for FaceLandmarkImg: red faces are happy, others sad; as the real program they write a row for every
    box whatever is in it, and are sure only of faces of at least `smallest` pixels."""
    def make(smallest: int = 30, comma: str = ",", text: str = STAND_IN) -> Path:
        folder = tmp_path / "OpenFace"
        folder.mkdir(exist_ok=True)
        path = folder / openface.PROGRAM
        path.write_text(text.format(python=sys.executable, units=OPENFACE_INTENSITY_UNITS, smallest=smallest, comma=comma))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def calls(program: Path) -> list[str]:
    log = program.with_name("calls.txt")
    return log.read_text().splitlines() if log.is_file() else []


def reader(pictures: dict):
    """Return read(row) over {file: picture}; text in place of a picture is why it cannot be read."""
    def read(row):
        if isinstance(pictures[row["file"]], str):
            raise PictureError(pictures[row["file"]])
        return pictures[row["file"]]

    return read


def picture(*faces, side: int = 200, mark: int = 0) -> np.ndarray:
    """Return a dark picture; faces: (x, y, width, height, red). `mark` tells the stand-in to fail (255) or to sleep (254)."""
    result = np.zeros((side, side + 40, 3), np.uint8)
    for x, y, width, height, red in faces:
        result[y:y + height, x:x + width, 0] = red
    result[0, 0, 2] = mark
    return result


BOX_A, BOX_B = (10, 10, 80, 100), (120, 60, 60, 80)


def test_the_command_line_is_openfaces_own(tmp_path):
    """Folders of pictures, boxes and tables, the outputs wanted, then the user's own options."""
    words = openface.command("FaceLandmarkImg", "work", ("-wild",))
    places = [str(Path("work") / name) for name in ("in", "boxes", "out")]
    assert words == ["FaceLandmarkImg", "-fdir", places[0], "-bboxdir", places[1], "-out_dir", places[2], "-aus", "-2Dfp", "-pose", "-wild"]


@pytest.mark.parametrize("comma", [",", ", "])
def test_the_program_answers_for_each_face_whatever_pictures_are_called(program, comma):
    """Faces get their own answers from builds with and without spaces; clashing names, suffixes and ids do not matter."""
    path = program(comma=comma)
    pictures = {"a.jpg": picture((*BOX_A, 250), (*BOX_B, 0)), "a.PNG": picture((*BOX_B, 250)), "sub dir/ä.tiff": picture()}
    faces = faces_of(("a.jpg", *BOX_A), ("a.PNG", *BOX_B), ("sub dir/ä.tiff", *BOX_A), ("a.jpg", *BOX_B))
    for named in (path, path.parent):
        answers = openface.label_faces(faces, reader(pictures), {"executable": str(named), "extra": ["-wild"]})
        assert top(answers) == ["happy", "happy", "sad", "sad"] and answers["reason"].eq("").all()
    assert calls(path) == ["-aus -2Dfp -pose -wild | 3 240x200,240x200,240x200"] * 2


def test_the_program_is_found_on_the_path(program, monkeypatch):
    """A program on the PATH is used, also through a link, and its models beside the real file belong to the digest."""
    path = program()
    link = path.parent.parent / "bin"
    link.mkdir()
    (link / openface.PROGRAM).symlink_to(path)
    monkeypatch.setenv("PATH", f"{link}{os.pathsep}{os.environ['PATH']}")
    assert openface.missing() == "" and openface.missing({"executable": "other"}) != ""
    first = openface.digest()
    (path.parent / "model").mkdir()
    (path.parent / "model" / "main_ceclm_general.txt").write_text("a model")
    assert openface.digest() not in (first, "")
    assert top(openface.label_faces(faces_of(("a.jpg", *BOX_A)), reader({"a.jpg": picture((*BOX_A, 250))}))) == ["happy"]


def test_undetected_faces_are_shown_at_the_next_scales(program):
    """Only pictures with faces still missing climb the scales, only the missing faces do, and places come back to the picture."""
    path = program(smallest=100)
    first = picture((10, 10, 80, 100, 250), (100, 20, 40, 50, 0))
    pictures = {"a.jpg": first, "b.jpg": picture((10, 10, 120, 150, 250)), "c.jpg": picture()}
    faces = faces_of(("a.jpg", 10, 10, 80, 100), ("a.jpg", 100, 20, 40, 50), ("b.jpg", 10, 10, 120, 150), ("c.jpg", 5, 5, 20, 25))
    seen = []
    answers = openface.label_faces(faces, reader(pictures), {"executable": str(path)}, progress=lambda *numbers: seen.append(numbers))
    assert top(answers) == ["happy", "sad", "happy", None]
    said = "OpenFace is unsure of this face (confidence 0.10, asked 0.725) (shown at the scales 1, 2, 0.5, 3)"
    assert answers["reason"][3] == said and answers.loc[3, list(openface.UNIT_COLUMNS)].isna().all()
    sizes = [sorted(line.split(" | ")[1].split(" ")[1].split(",")) for line in calls(path)]
    assert sizes == [["240x200"] * 3, ["480x400"] * 2, ["120x100"] * 2, ["720x600"] * 2]
    assert seen[-1] == (3, 3) and all(first <= second for first, second in zip(seen, seen[1:], strict=False))


def test_scales_that_make_no_sense_for_a_picture_are_skipped(program):
    """Enlargements beyond longest_side and tiny copies are not shown, and the reason tells where nothing could be shown."""
    path = program(smallest=500)
    faces, read = faces_of(("a.jpg", *BOX_A)), reader({"a.jpg": picture()})
    chosen = {"executable": str(path), "longest_side": 300, "scales": [1, 2, 0.05]}
    assert "unsure of this face" in openface.label_faces(faces, read, chosen)["reason"][0] and len(calls(path)) == 1
    assert "at any of the scales" in openface.label_faces(faces, read, chosen | {"scales": [2]})["reason"][0]


def test_an_unreadable_picture_costs_itself_only(program):
    """A picture that cannot be read gives its faces a reason and is not tried at other scales."""
    faces = faces_of(("bad.jpg", *BOX_A), ("good.jpg", *BOX_A))
    read = reader({"bad.jpg": "truncated", "good.jpg": picture((*BOX_A, 250))})
    answers = openface.label_faces(faces, read, {"executable": str(program())})
    assert top(answers) == [None, "happy"] and answers["reason"][0] == "the picture cannot be read: truncated"


def test_a_picture_the_program_stops_at_costs_itself_only(program):
    """Where a call fails, each picture of it is shown alone; the culprit's reason carries what the program said, without places."""
    faces = faces_of(("a.jpg", *BOX_A), ("bad.jpg", *BOX_A), ("c.jpg", *BOX_A))
    pictures = {"a.jpg": picture((*BOX_A, 250)), "bad.jpg": picture(mark=255), "c.jpg": picture((*BOX_A, 250))}
    answers = openface.label_faces(faces, reader(pictures), {"executable": str(program()), "scales": [1]})
    assert top(answers) == ["happy", None, "happy"]
    assert "ended with 1 (could not do it in …" in answers["reason"][1]


@pytest.mark.parametrize("count", [1, 3])
def test_a_program_that_never_works_is_an_error(program, count):
    """A program that stops at every picture is itself at fault, and the error carries the end of what it said."""
    faces = faces_of(*[(f"{number}.jpg", *BOX_A) for number in range(count)])
    read = reader({f"{number}.jpg": picture(mark=255) for number in range(count)})
    with pytest.raises(CompendiumError, match=r"FaceLandmarkImg ended with 1 \(could not do it"):
        openface.label_faces(faces, read, {"executable": str(program())})


def test_a_program_that_hangs_is_ended(program):
    """A call that takes too long is ended, and the error says what to change."""
    chosen = {"executable": str(program()), "timeout": 0.5}
    with pytest.raises(CompendiumError, match="in 0.5 seconds and was ended.*raise timeout in `openface`"):
        openface.label_faces(faces_of(("a.jpg", *BOX_A)), reader({"a.jpg": picture(mark=254)}), chosen)


def test_a_program_that_is_no_program_is_named(program):
    """A file that cannot be started is an error with its reason."""
    path = program(text="not a program")
    with pytest.raises(CompendiumError, match="FaceLandmarkImg cannot be started"):
        openface.label_faces(faces_of(("a.jpg", *BOX_A)), reader({"a.jpg": picture()}), {"executable": str(path)})


def test_the_program_without_pictures_is_refused(program):
    """Running OpenFace needs a way to read pictures."""
    with pytest.raises(ParameterError, match="read"):
        openface.label_faces(faces_of(("a.jpg", *BOX_A)), settings={"executable": str(program())})


def test_the_box_files_are_there_and_the_stand_in_insists_on_them(program, tmp_path):
    """The stand-in ends with an error on a missing box file as the real program does, and we never give it the occasion."""
    path = program()
    for name in ("in", "boxes", "out"):
        (tmp_path / "by hand" / name).mkdir(parents=True)
    Image.fromarray(picture()).save(tmp_path / "by hand" / "in" / "a.png")
    with pytest.raises(openface._Stopped, match="ended with 1 .*bounding boxes"):
        openface._call(path, tmp_path / "by hand", 1, openface.OpenFaceSettings())


def test_a_killed_run_goes_on_where_it_was(program, tmp_path):
    """What is finished is kept in `work` a batch at a time: a second run shows only the rest, and a line cut short does no harm."""
    path, files = program(), [f"{number}.jpg" for number in range(5)]
    faces, pictures = faces_of(*[(file, *BOX_A) for file in files]), {file: picture((*BOX_A, 250)) for file in files}
    chosen = {"executable": str(path), "batch": 2, "work": str(tmp_path / "work")}

    def killed(row):
        if row["file"] == "3.jpg":
            raise KeyboardInterrupt
        return pictures[row["file"]]

    with pytest.raises(KeyboardInterrupt):
        openface.label_faces(faces, killed, chosen)
    with (tmp_path / "work" / "openface.jsonl").open("a") as journal:
        journal.write('{"key": "cut sho')
    answers = openface.label_faces(faces, reader(pictures), chosen)
    assert top(answers) == ["happy"] * 5 and [line.split(" | ")[1][0] for line in calls(path)] == ["2", "2", "1"]
    again = openface.label_faces(faces, reader({}), chosen | {"rule": "soft"})  # another rule needs no new look
    assert again[list(openface.UNIT_COLUMNS)].equals(answers[list(openface.UNIT_COLUMNS)]) and len(calls(path)) == 3
    moved = faces.assign(x=faces["x"] + 1)
    assert top(openface.label_faces(moved, reader(pictures), chosen)) == ["happy"] * 5 and len(calls(path)) == 6
    assert [entry.name for entry in (tmp_path / "work").iterdir()] == ["openface.jsonl"]


def test_answers_do_not_depend_on_the_batch(program):
    """One picture a call or all in one give the same table."""
    faces = faces_of(("a.jpg", *BOX_A), ("b.jpg", *BOX_B), ("a.jpg", *BOX_B))
    read = reader({"a.jpg": picture((*BOX_A, 250)), "b.jpg": picture((*BOX_B, 250))})
    tables_ = [openface.label_faces(faces, read, {"executable": str(program()), "batch": batch}) for batch in (1, 32)]
    pd.testing.assert_frame_equal(*tables_)
