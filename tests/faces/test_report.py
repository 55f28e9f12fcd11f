"""What notebook 02 shows: tables that add up, methods compared on the same pictures, figures for every case."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.collections.registry import Collection
from lib.faces import report, tables

TRUE = {"a": "10,10,40,40", "b": "10,10,40,40;100,10,40,40", "c": "", "d": None, "e": "10,10,40,40"}
VIEWS = {"a": "frontal", "b": "frontal;profile", "c": "", "d": None, "e": "profile"}


@pytest.fixture
def images():
    """Five readable pictures, one nobody has looked at, one copy of the first and one broken file."""
    rows = [
        {"image_id": name, "file": f"{name}.png", "status": "ok", "duplicate_of": None, "face_boxes": TRUE[name],
         "face_views": VIEWS[name], "object": f"object {name}", "box_source": "metadata"}
        for name in "abcde"
    ]  # fmt: skip
    rows.append({**rows[0], "file": "copy.png", "duplicate_of": "a.png"})
    rows.append({**rows[0], "image_id": "z", "file": "broken.png", "status": "broken"})
    return pd.DataFrame(rows)


def box(image_id, rung, x=12.0, detector="mtcnn", **more):
    row = {"image_id": image_id, "file": f"{image_id}.png", "x": x, "y": 12.0, "width": 38.0, "height": 38.0, "confidence": 0.9,
           "detector": detector, "rung": rung, "transform": "{}", "witnesses": 4, "roll": 0.0}
    return {**row, **more}


@pytest.fixture
def results():
    """Haar finds a, MTCNN a and one face of b, a retry finds e, and there is one false face on c."""
    attempts = {
        "a": [box("a", "haar", detector="haar"), box("a", "mtcnn")],
        "b": [box("b", "mtcnn")],
        "c": [box("c", "haar", detector="haar"), box("c", "scale", x=60.0)],
        "d": [],
        "e": [box("e", "scale")],
    }
    kept = {"a": ["haar"], "b": ["mtcnn"], "c": ["scale"], "d": [], "e": ["scale"]}
    out = []
    for name, tried in attempts.items():
        believed = [{**one, "accepted": one["rung"] in kept[name], "reason": "accepted"} for one in tried]
        faces = [{**one, "face_id": tables.face_id(name, (one["x"], 0, 0, 0)), "points": ""} for one in tried if one["rung"] in kept[name]]
        rungs = ["haar", "mtcnn"] + (["scale"] if name in "cde" else [])
        out.append({"image_id": name, "file": f"{name}.png", "status": "ok", "reason": "", "seconds": dict.fromkeys(rungs, 0.1),
                    "faces": faces, "attempts": believed})
    return out


@pytest.fixture
def comparison(images, results):
    return report.compared(images, tables.attempts_table(results), tables.faces_table(results), 0.4)


def test_each_content_is_looked_at_once(images):
    """Copies and broken files are left out; "no face" is truth, "nobody looked" is not."""
    assert list(report.usable(images)["image_id"]) == list("abcde")
    assert list(report.truth_of(images)["image_id"]) == list("abce")


def test_methods_are_compared_on_the_same_pictures(comparison):
    """Four true faces: Haar finds one, MTCNN two, the ladder three; Haar and the ladder each report one false face."""
    table = report.overall_table(comparison).set_index("method")
    assert table["hits"].to_dict() == {"Haar alone": 1, "MTCNN alone": 2, "the ladder": 3}
    assert table["false_positives"].to_dict() == {"Haar alone": 1, "MTCNN alone": 0, "the ladder": 1}
    assert (table["faces"] == 4).all() and (table["pictures"] == 4).all()
    assert table.loc["the ladder", "per_picture"] == 0.25


def test_hand_drawn_faces_do_not_count_as_found(images, results):
    """A face given by hand is no success of the ladder."""
    results[1]["faces"].append({**box("b", "hand", x=102.0, detector="hand"), "face_id": "0" * 16, "points": ""})
    comparison = report.compared(images, tables.attempts_table(results), tables.faces_table(results), 0.4)
    assert report.overall_table(comparison).set_index("method").loc["the ladder", "hits"] == 3


def test_recall_by_view_comes_in_a_sensible_order(comparison):
    """Frontal before profile; the table for readers has a column a method."""
    grouped = report.grouped_table(comparison, "view")
    assert list(dict.fromkeys(grouped["view"])) == ["frontal", "profile"]
    wide = report.side_by_side(grouped, "view").set_index("view")
    assert wide.loc["frontal", "faces"] == 2 and wide.loc["frontal", "the ladder"].startswith("1.00")
    assert wide.loc["profile", "the ladder"].startswith("0.50") and wide.loc["profile", "Haar alone"].startswith("0.00")
    assert report.grouped_table(comparison, "legibility").empty


def test_rungs_add_up(results, comparison):
    """Every kept face is on one rung; true and false add up; pictures tried are counted by rung."""
    faces = tables.faces_table(results)
    table = report.rung_table(results, faces, comparison).set_index("rung")
    assert table["faces"].sum() == len(faces) == 4
    assert table.loc["scale", ["pictures", "boxes", "faces", "true", "false"]].tolist() == [3, 2, 2, 1, 1]
    assert (table["true"] + table["false"] == table["faces"]).all()
    by_view = report.rungs_by_view(comparison).set_index("rung")
    assert by_view.loc["faces"].tolist() == ["2", "2", "4"] and by_view.loc["recall", "all"] == "0.750"
    assert by_view.loc["not found", "profile"] == "1"


def test_claims_wait_for_enough_faces(comparison):
    """Four boxed faces judge nothing; twenty do, and the difference in recall is the measured value."""
    assert set(report.verdict_values(comparison).values()) == {(None, "real")}
    assert set(report.verdict_values(None).values()) == {(None, "real")}
    many = {method: (pd.concat([boxes] * 5), pictures) for method, (boxes, pictures) in comparison.items()}
    assert report.verdict_values(many)["retries_add_faces"] == (pytest.approx(0.25), "real")
    assert report.verdict_values(many)["haar_often_fails"] == (pytest.approx(0.5), "real")


def test_sentences_say_the_numbers(results, comparison):
    """Totals, recall and the bound are in the sentences; a broken bound is said."""
    faces = tables.faces_table(results)
    assert "**4 faces** in 4 of 5 pictures: 2 on the first two rungs, 2 when" in report.summary(report.pictures_table(results), faces)
    said = report.comparison_sentence(comparison)
    assert "**4 hand-drawn faces**" in said and "1 more than MTCNN alone" in said and "**not kept**" in said


def test_a_failed_job_is_a_picture_with_a_reason(images, tmp_path, monkeypatch):
    """An item whose worker failed stands in the table of pictures as broken, with the error."""
    from lib.compendium.compute import Outcome

    monkeypatch.setattr(report, "run_all", lambda job, items, **more: {key: Outcome(None, "MemoryError: too large") for key in items})
    table = report.pictures_table(report.detect_collection(Collection("c", "C", tmp_path), images, {}, tmp_path / "journal"))
    assert (table["status"] == "broken").all() and (table["reason"] == "MemoryError: too large").all() and (table["rung"] == "none").all()


def test_boxes_drawn_with_vott_are_handed_over(images, tmp_path, monkeypatch):
    """Only boxes whose source is VoTT go to the ladder as faces; boxes of the metadata stay truth."""
    seen = {}
    monkeypatch.setattr(report, "run_all", lambda job, items, **more: seen.update(items) or {})
    images = images.assign(box_source=["vott"] + ["metadata"] * 6)
    report.detect_collection(Collection("c", "C", tmp_path), images, {}, tmp_path / "journal")
    assert seen["a"]["hand_boxes"] == [[10, 10, 40, 40]] and seen["b"]["hand_boxes"] == []


def test_false_faces_are_those_that_meet_nothing(images, results, comparison):
    """The one false face, on picture c."""
    mistaken, on_pictures = report.false_faces(images, tables.faces_table(results), comparison, 0.4)
    assert list(mistaken["image_id"]) == ["c"] and list(on_pictures["image_id"]) == ["c"]
    assert report.false_faces(images, tables.faces_table(results), None, 0.4)[0].empty


def test_missed_faces_come_first_among_the_empty_pictures(images, results):
    """Pictures without a found face: those with a hand-drawn one first."""
    faces = tables.faces_table(results)
    assert list(report.left_empty(images, faces[faces["image_id"] == "a"])["image_id"]) == ["b", "e", "c", "d"]


def test_figures_are_drawn_with_and_without_truth(images, results, comparison, tmp_path):
    """Every figure exists for a full comparison, for none, and for no picture at all."""
    for name in "abcde":
        Image.fromarray(np.full((60, 150, 3), 90, np.uint8)).save(tmp_path / f"{name}.png")
    faces = tables.faces_table(results).assign(crop_index=[0, 1, 2, -1])
    collection = Collection("c", "C", tmp_path)
    crops = np.zeros((3, 32, 32, 3), np.uint8)
    for judged in (comparison, None):
        figures = [
            report.rungs_figure(report.rung_table(results, faces, judged)),
            report.recall_figure(report.grouped_table(judged, "view"), report.overall_table(judged)),
            report.boxes_gallery(collection, report.usable(images), faces),
            report.boxes_gallery(collection, images.iloc[:0], faces),
            report.faces_gallery(crops, faces),
            report.faces_gallery(crops, faces.iloc[:0]),
        ]
        for figure in figures:
            figure.savefig(tmp_path / "figure.png")
    shown = report.faces_gallery(crops, faces)
    assert sum(bool(axis.images) for axis in shown.axes) == 3, "a face without a crop is not shown"


def test_results_travel_as_json(results):
    """What a worker returns is JSON, so that it can be kept in a journal."""
    assert json.loads(json.dumps(results)) == results


def test_recall_is_grouped_by_what_the_metadata_knows(images, results):
    """Material, turn of the head and worst damage become groups; no damage is one too, what nobody wrote down is none."""
    images = images.assign(
        material=["marble", "wood", "wood", "wood", "marble", "", ""],
        yaw=["-5", "30", "0", "0", "55.5", "", "to the left"],
        damage=["", "chips 0.2; broken nose 0.50", "", "", "eroded", "", ""],
    )
    comparison = report.compared(images, tables.attempts_table(results), tables.faces_table(results), 0.4)
    assert report.groups_of(comparison) == ["by material", "by turn", "by damage"]
    ladder = {by: report.grouped_table(comparison, by).query("method == 'the ladder'").set_index(by)["recall"].to_dict()
              for by in report.groups_of(comparison)}  # fmt: skip
    assert ladder["by material"] == {"marble": 1.0, "wood": 0.5}
    assert ladder["by turn"] == {"under 20°": 1.0, "20 to 50°": 0.5, "over 50°": 1.0}
    assert ladder["by damage"] == {"none": 1.0, "broken nose": 0.5, "eroded": 1.0}
    assert set(report.stacked([report.grouped_table(comparison, "by turn")])["grouping"]) == {"by turn"}
    assert len(report.groups_figure(comparison).axes) == 3
    assert report.groups_figure(None).axes and report.stacked([]).empty
