"""What people say a face shows is read from tables and VoTT, given to the face they meant, and doubts are told, never guessed away."""

import csv
import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.compendium.errors import CollectionError, ParameterError
from lib.expressions import EXPRESSIONS
from lib.faces.tables import face_id
from lib.labellers.human import NAME, label_faces, read_marks
from lib.labellers.tables import tidy

SLOW_DISK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FACES = [  # one face in a.jpg, two beside each other in b.jpg, one in each of two pictures called 1.jpg
    ("a.jpg", 10, 10, 40, 40), ("b.jpg", 0, 0, 50, 50), ("b.jpg", 100, 0, 50, 50), ("x/1.jpg", 5, 5, 20, 20), ("y/1.jpg", 5, 5, 20, 20),
]  # fmt: skip


def faces_table(rows=FACES):
    table = pd.DataFrame(rows, columns=["file", "x", "y", "width", "height"])
    table.insert(0, "face_id", [face_id(row[0], row[1:]) for row in rows])
    return table.set_index(table.index + 7)  # the index of a part of a larger table


def said(answers):
    """Return {row: {expression: share}} of the faces with a label, shares above 0 only."""
    return {row: {name: score for name, score in scores.items() if score > 0}
            for row, scores in enumerate(answers[list(EXPRESSIONS)].to_dict("records")) if not np.isnan(scores["happy"])}  # fmt: skip


def labelled(tmp_path, text, name="labels.csv", **options):
    (tmp_path / name).write_text(text if isinstance(text, str) else json.dumps(text))
    return label_faces(faces_table(), tmp_path / name, options)


def reasons(unmatched):
    return {row.row: row.reason for row in unmatched.itertuples()}


def test_one_row_a_face_in_the_order_of_the_faces(tmp_path):
    """A name, a synonym and several expressions are read; a face nobody labelled has NaN and the reason."""
    answers, unmatched = labelled(tmp_path, "file,expression\ny/1.jpg,Happiness\na.jpg,sad; FEAR|angry\n")
    assert said(answers) == {0: {"angry": 1 / 3, "fear": 1 / 3, "sad": 1 / 3}, 4: {"happy": 1}}
    assert answers["reason"].tolist() == ["", *["no person labelled this face"] * 3, ""]
    assert answers["annotators"].tolist() == [1, 0, 0, 0, 1]
    assert answers.loc[1, list(EXPRESSIONS)].isna().all() and unmatched.empty and list(unmatched.columns) == ["row", "file", "reason"]


def test_the_answers_fit_the_tables_of_the_room(tmp_path):
    """The long table gives back the same scores, face by face, and reasons for the others."""
    answers, _ = labelled(tmp_path, "file,expression\na.jpg,sad|happy\n")
    ids = faces_table()["face_id"]
    labels, units, affect, _, without = tidy(ids, NAME, answers)
    assert set(labels["labeller"]) == {NAME}
    back = labels.pivot(index="face_id", columns="expression", values="score").reindex(index=ids, columns=list(EXPRESSIONS))
    assert np.array_equal(back, answers[list(EXPRESSIONS)], equal_nan=True)
    assert len(without) == 4 and units.empty and affect.empty


def test_each_annotator_has_one_vote(tmp_path):
    """Of three people two say sad and one says sad and fear; one who wrote two rows is one person, and without names all rows are one."""
    text = "file,expression,annotator\na.jpg,sad,Ann\na.jpg,sad|fear,Bob\na.jpg,neutral,Cem\nx/1.jpg,sad,Ann\nx/1.jpg,angry, ann \n"
    answers, _ = labelled(tmp_path, text)
    assert said(answers) == {0: {"sad": 1 / 2, "fear": pytest.approx(1 / 6), "neutral": 1 / 3}, 3: {"sad": 1 / 2, "angry": 1 / 2}}
    assert answers["annotators"].tolist() == [3, 0, 0, 1, 0]
    assert said(labelled(tmp_path, "file,expression\na.jpg,sad\na.jpg,happy\n")[0]) == {0: {"sad": 0.5, "happy": 0.5}}


def test_boxes_say_which_face(tmp_path):
    """Each box goes to the face it fits, from each annotator alone; two rows with one box are one box."""
    text = ("file;expression;annotator;x;y;width;height\n"
            "b.jpg;sad;1;98,5;2;52;50\nb.jpg;fear;1;98,5;2;52;50\nb.jpg;happy;1;1;1;50;50\nb.jpg;disgust;2;3;3;50;50\na.jpg;sad;2;;;;\n")
    answers, unmatched = labelled(tmp_path, text)
    assert said(answers) == {0: {"sad": 1}, 1: {"happy": 0.5, "disgust": 0.5}, 2: {"sad": 0.5, "fear": 0.5}} and unmatched.empty


def test_the_face_id_goes_before_everything(tmp_path):
    """A face named by its id needs no picture and no box; an id that is not there is told."""
    ids = faces_table()["face_id"].tolist()
    answers, unmatched = labelled(tmp_path, f"face_id,expression,file\n{ids[2]},happy,elsewhere.jpg\n0123456789abcdef,sad,\n")
    assert said(answers) == {2: {"happy": 1}} and "no face '0123456789abcdef'" in reasons(unmatched)[3]


def test_rows_that_mean_no_single_face_are_counted_with_reasons(tmp_path):
    """No such picture, several of its name, several faces, a box elsewhere, a face taken by a better box, no expression."""
    text = ("file,expression,x,y,width,height\n"
            "a.jpg,sad,,,,\nc.jpg,sad,,,,\n1.jpg,sad,,,,\nb.jpg,sad,,,,\na.jpg,happy,200,200,40,40\n"
            "b.jpg,happy,0,0,50,50\nb.jpg,fear,2,2,50,50\na.jpg,,,,,\n")
    answers, unmatched = labelled(tmp_path, text)
    assert said(answers) == {0: {"sad": 1}, 1: {"happy": 1}}
    expected = {3: "'c.jpg' is not there", 4: "the name of 2 pictures", 5: "2 faces were found", 6: "at best 0.00", 8: "another box",
                9: "no expression"}  # fmt: skip
    assert reasons(unmatched).keys() == expected.keys() and all(part in reasons(unmatched)[row] for row, part in expected.items())


def test_the_overlap_asked_for_decides(tmp_path):
    """A box of overlap one third is the face or not, as `minimum_overlap` says."""
    text = "file,expression,x,y,width,height\na.jpg,sad,30,10,40,40\n"  # shares 20 x 40 of 2400 square pixels: one third
    assert said(labelled(tmp_path, text, minimum_overlap=0.33)[0]) == {0: {"sad": 1}}
    answers, unmatched = labelled(tmp_path, text, minimum_overlap=0.34)
    assert not said(answers) and "at best 0.33" in reasons(unmatched)[2]


def test_contempt_is_no_answer_among_seven(tmp_path):
    """Contempt is a vote for none of the seven; alone it leaves the face without an answer, and says why."""
    answers, _ = labelled(tmp_path, "file,expression,annotator\na.jpg,contempt,1\na.jpg,sad,2\nx/1.jpg,contemptuous,1\n")
    assert said(answers) == {0: {"sad": 1}} and "only contempt" in answers["reason"][3] and answers["annotators"][3] == 1


def vott(*regions):
    """Return VoTT's JSON of (picture, tags, left, top, width, height)."""
    assets = {}
    for number, (picture, tags, left, top, width, height) in enumerate(regions):
        box = {"left": left, "top": top, "width": width, "height": height}
        described = {"id": str(number), "name": picture.split("/")[-1], "path": f"file:C:/photos/{picture}"}
        asset = assets.setdefault(picture, {"asset": described, "regions": []})
        asset["regions"].append({"id": str(number), "type": "RECTANGLE", "tags": tags, "boundingBox": box})
    return {"name": "p", "assets": assets}


REGIONS = [
    ("b.jpg", ["face", "Sad", "fear"], 101, 0, 50, 50), ("b.jpg", ["face", "hapy"], 0, 0, 50, 50), ("x/1.jpg", ["neutral"], 5, 6, 20, 20),
    ("c.jpg", ["sad"], 1, 1, 9, 9),
]  # fmt: skip


def test_tags_of_vott_are_labels(tmp_path):
    """Expressions among the tags count, others are counted and told (with a hint at a slip), in JSON and CSV alike."""
    answers, unmatched = labelled(tmp_path, vott(*REGIONS), "p-export.json")
    assert said(answers) == {2: {"sad": 0.5, "fear": 0.5}, 3: {"neutral": 1}}
    told = unmatched["reason"].str.cat(sep="\n")
    assert "tag 'face' is no expression (boxes with it: 2)" in told and "Did you mean 'happy'" in told and "c.jpg' is not there" in told
    assert unmatched.loc[unmatched["reason"].str.contains("no tag"), "file"].str.endswith("b.jpg").all()
    lines = [f'"{file}",{left},{top},{left + width},{top + height},"{tag}"'
             for file, tags, left, top, width, height in REGIONS for tag in tags]  # fmt: skip
    from_csv, _ = labelled(tmp_path, "\n".join(['"image","xmin","ymin","xmax","ymax","label"', *lines]), "p-export.csv")
    pd.testing.assert_frame_equal(from_csv, answers)


def test_vott_without_expressions_is_refused(tmp_path):
    """An export with boxes of faces only says which tags it has."""
    with pytest.raises(CollectionError, match=r"1 boxes and none is tagged with an expression \(tags: 'face'\)"):
        labelled(tmp_path, vott(("a.jpg", ["face"], 1, 1, 9, 9)), "p.json")


@pytest.mark.parametrize(
    "text, words",
    [
        ("file,expression\na.jpg,hapy\n", "'labels.csv', row 2.*Did you mean 'happy'"), ("file,expression\na.jpg,sad;x\n", "row 2.*'x'"),
        ("file,expression\na.jpg,3\n", "'3'"), ("", "empty"), ("file,expression\n", "no rows"), ("colour,size\nred,1\n", "Expected file"),
        ("file,expresion\na.jpg,sad\n", "Did you mean 'expression'"), ("expression\nsad\n", "Expected file"),
        ("file,expression\n,sad\n", "neither a file nor a face_id"), ("file,expression,x,y\na.jpg,sad,1,2\n", "without width, height"),
        ("file,expression,x,y,width,height\na.jpg,sad,1,2,,4\n", "received the box 1, 2, \\?, 4"),
        ("file,expression,x,y,width,height\na.jpg,sad,1,2,0,4\n", "positive"),
        ("file,expression,x,y,width,height\na.jpg,sad,1,2,q,4\n", "1, 2, q, 4"),
        ("file,expression,x,y,width,height\na.jpg,sad,1,2,inf,4\n", "inf"), ("file;expression\na.jpg;sad;happy\n", "row 2: 3 cells"),
        ("file,expression\nd.jpg,sad\nelse.jpg,sad\n", "labels of 2 pictures.*Expected names such as 'a.jpg'"),
    ],
)  # fmt: skip
def test_files_in_doubt_are_refused(tmp_path, text, words):
    """Unknown expressions, wrong columns, half a box, shifted cells, nothing at all, and no picture of ours."""
    with pytest.raises(CollectionError, match=words) as caught:
        labelled(tmp_path, text)
    assert "xpected" in str(caught.value) and "\n" not in str(caught.value)


def test_a_picture_size_is_no_box(tmp_path):
    """Columns width and height without x and y are the picture's, as in the table of images."""
    assert said(labelled(tmp_path, "file,expression,width,height\na.jpg,sad,800,600\n")[0]) == {0: {"sad": 1}}


def test_places_and_settings_in_doubt_are_refused(tmp_path):
    """A missing file, a folder, an unknown setting, an overlap out of range, a table that has no boxes."""
    (tmp_path / "people.csv").write_text("file,expression\na.jpg,sad\n")
    with pytest.raises(CollectionError, match="Did you mean 'people.csv'"):
        label_faces(faces_table(), tmp_path / "peple.csv")
    with pytest.raises(CollectionError, match="is a folder.*there: people.csv"):
        label_faces(faces_table(), tmp_path)
    with pytest.raises(ParameterError, match="Did you mean 'minimum_overlap'"):
        label_faces(faces_table(), tmp_path / "people.csv", {"minimum_overlp": 0.5})
    for wrong in (0, 1.5, "a", True):
        with pytest.raises(ParameterError, match="minimum_overlap"):
            label_faces(faces_table(), tmp_path / "people.csv", {"minimum_overlap": wrong})
    with pytest.raises(CollectionError, match="without x, y"):
        label_faces(faces_table()[["face_id", "file", "width", "height"]], tmp_path / "people.csv")


def test_no_faces_is_an_empty_answer(tmp_path):
    """Where no face was found there is nothing to label, and every label is told as unused."""
    (tmp_path / "labels.csv").write_text("file,expression\na.jpg,sad\n")
    answers, unmatched = label_faces(faces_table().iloc[:0], tmp_path / "labels.csv")
    assert answers.empty and set(EXPRESSIONS) <= set(answers.columns) and len(unmatched) == 1
    (tmp_path / "labels.csv").write_text("file,expression\na.jpg,\n")
    answers, unmatched = label_faces(faces_table(), tmp_path / "labels.csv")
    assert not said(answers) and unmatched["reason"].tolist() == ["no expression is given"]


opinions = st.tuples(
    st.sampled_from(["a.jpg", "x/1.jpg", "y/1.jpg"]), st.sampled_from("ABC"), st.sets(st.sampled_from(EXPRESSIONS), min_size=1)
)


@SLOW_DISK
@given(st.lists(opinions, min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]), st.sampled_from([";", "|", " ; "]))
def test_scores_equal_a_count_by_hand(tmp_path, rows, delimiter, separator):
    """For any opinions and any spelling of the table, a score is the mean over people of their votes, and a face's scores sum to one."""
    text = StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["file", "annotator", "expression"], *([file, who, separator.join(sorted(named))] for file, who, named in rows)])
    answers, unmatched = labelled(tmp_path, text.getvalue())
    assert unmatched.empty
    for place, (file, *_) in enumerate(FACES):
        people = {who for name, who, _ in rows if name == file}
        for expression in EXPRESSIONS:
            said_by = {who: set().union(*(named for name, one, named in rows if (name, one) == (file, who))) for who in people}
            score = answers.loc[place, expression]
            by_hand = sum(1 / len(named) for named in said_by.values() if expression in named) / max(1, len(people))
            assert np.isnan(score) if not people else score == pytest.approx(by_hand)


@SLOW_DISK
@given(st.binary(max_size=200), st.sampled_from(["x.csv", "x.json", "x.vott"]))
def test_any_bytes_are_marks_or_a_clear_line(tmp_path, content, name):
    """Whatever lies in the file, the answer is marks or a CollectionError."""
    (tmp_path / name).write_bytes(content)
    try:
        marks, _ = read_marks(tmp_path / name)
    except CollectionError:
        return
    assert set(marks["expressions"].explode()) <= {*EXPRESSIONS, "contempt"}
