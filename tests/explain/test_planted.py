"""Where evidence was planted: against the sculptor's own landmarks, warps with a known answer, and collections that cannot tell."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.collections import atelier
from lib.compendium.errors import CollectionError, ParameterError
from lib.explain import planted
from lib.expressions import EXPRESSIONS
from lib.faces import transforms
from lib.faces.align import alignment
from lib.faces.landmarks import eye_centres

CROP = 112


def one_face(units, expression, yaw=0.0, seed=5):
    """Return (job, settings, landmarks in the crop) of a face aligned by its true eyes."""
    spec = atelier.commission(seed, "humans", units=units, yaw=yaw, pitch=0.0, roll=0.0, damaged={}, headgear="none", beard="none")
    face = atelier.sculpt(spec, 160).truth["faces"][0]
    eyes = eye_centres(face["landmarks"]).tolist()
    box = dict(zip(("x", "y", "width", "height"), face["box"], strict=True))
    job = {"file": "none", "spec": spec, "expression": expression, **box, "roll": 0.0, "detector": "hand",
           "points": json.dumps([*eyes, [0, 0], [0, 0], [0, 0]]), "marks": None}  # fmt: skip
    transform, status = alignment(face["box"], CROP, None, [*eyes, [0, 0], [0, 0], [0, 0]])
    assert status == "points"
    return job, {"folder": ".", "size": [160, 160], "crop": CROP, "side": CROP}, transforms.map_points(face["landmarks"], transform)


def maps_of(job, settings):
    return {kind: planted._unpacked(text) for kind, text in planted.displacement_job(job, settings).items()}


def centre(values):
    y, x = np.mgrid[0 : values.shape[0], 0 : values.shape[1]] + 0.5
    return np.array([(x * values).sum(), (y * values).sum()]) / values.sum()


@pytest.mark.parametrize("yaw", [0.0, 25.0])
def test_a_smile_lies_around_the_mouths_corners(yaw):
    """Of the lower face the lip corner puller moves a mouth corner most, in the crop and however the head is turned; the brows not at all.

    Above the nose's base it also lifts the cheeks: in a full smile they bulge as far as the corners go.
    """
    job, wanted, marks = one_face({12: 5.0}, "happy", yaw)
    found = maps_of(job, wanted)
    eyes = np.hypot(*np.diff(eye_centres(marks), axis=0)[0])
    lower = found["moved"].copy()
    lower[: int(marks[33, 1])] = 0
    y, x = np.unravel_index(lower.argmax(), lower.shape)
    assert min(np.hypot(*(marks[corner] - (x + 0.5, y + 0.5))) for corner in (48, 54)) < 0.15 * eyes
    assert planted.places(found["expression"][None], 0.9)[0][y, x]
    assert lower[:, : int(marks[30, 0])].max() > 0.015 < lower[:, int(marks[30, 0]) :].max()  # on both sides
    assert found["expression"][: int(marks[17:27, 1].max())].max() == 0


def test_each_unit_lies_where_its_muscle_is():
    """Raised brows lie above the eyes, a raised chin below the mouth's middle, a wrinkled nose between them."""
    heights = {}
    for unit, expression in ((1, "sad"), (9, "disgust"), (17, "sad")):
        job, wanted, marks = one_face({unit: 5.0}, expression)
        heights[unit] = centre(maps_of(job, wanted)["moved"])[1]
    assert heights[1] < eye_centres(marks)[:, 1].mean() < heights[9] < marks[48:60, 1].mean() < heights[17]


@pytest.mark.slow
def test_only_the_expressions_own_units_count():
    """A trace of another expression is in `all` and not in `expression`; a face at rest has nothing anywhere."""
    job, wanted, _ = one_face({12: 4.0, 4: 2.0}, "happy")
    found = maps_of(job, wanted)
    smile = maps_of(*one_face({12: 4.0}, "happy")[:2])
    assert 4 not in planted.units_of("happy") and 12 in planted.units_of("happy")
    assert np.count_nonzero(found["all"]) > np.count_nonzero(found["expression"])
    assert np.abs(found["moved"] - smile["moved"]).max() < 0.02  # of form: 1 mm
    rest = maps_of(*one_face({}, "neutral")[:2])
    assert all(part.max() == 0 for part in rest.values())
    assert planted.units_of("neutral") == () and not planted.places(rest["expression"][None], 0).any()


def test_units_of_an_unknown_expression():
    """An expression that is none of the seven is named."""
    with pytest.raises(ParameterError, match="'joy'"):
        planted.units_of("joy")


@given(st.floats(0.4, 2.5), st.floats(-40, 40), st.tuples(st.floats(20, 44), st.floats(20, 44)))
@settings(max_examples=40, deadline=None)
def test_maps_travel_as_points_do(factor, degrees, place):
    """A blob of a picture arrives where the transform of points says, whatever the turn and the scale; the crop's own side may differ."""
    turn = transforms.rotate(64, 64, degrees)
    transform = transforms.compose(turn, transforms.scale(turn.width, turn.height, factor))
    y, x = np.mgrid[0:64, 0:64] + 0.5
    blob = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / 18).astype(np.float32)
    square = transforms.Transform("square", transform.matrix, 2 * transform.width, 2 * transform.width)  # wide enough for every turn
    side = transform.width
    arrived = centre(planted.warped(blob, square, side)) * 2
    expected = transforms.map_points([place], square)[0]
    assert np.abs(arrived - expected).max() < 0.35 * max(1, factor)


def test_nothing_moves_beyond_the_picture():
    """A crop that reaches beyond the picture has zeros there, not the picture's edge repeated."""
    found = planted.warped(np.ones((20, 20), np.float32), transforms.region((0, 0, 20, 20), 40, 2.0), 40)
    assert found[:8].max() == found[:, :8].max() == found[-8:].max() == 0 and found[12:28, 12:28].min() == 1


def test_ranks_are_shares_of_what_moved():
    """Ranks rise with the displacement up to 1, ties share theirs, and what did not move stays 0."""
    ranks = planted.ranked(np.array([[0, 0.1, 0.2], [0.4, 0.2, 0]], np.float32))
    assert ranks.tolist() == pytest.approx(np.array([[0, 0.25, 0.625], [1, 0.625, 0]]))
    assert planted.ranked(np.zeros((3, 3))).max() == 0


@pytest.mark.parametrize("quantile", [0.0, 0.25, 0.5, 0.9])
def test_places_are_the_further_moved_share(quantile):
    """Of what one unit moved, the share above the quantile counts as planted; each face by itself."""
    moved = np.random.default_rng(0).uniform(0.1, 1, (40, 50))
    moved[:10] = 0
    masks = planted.places(np.stack([planted.ranked(moved), planted.ranked(moved / 7), np.zeros_like(moved)]), quantile)
    assert masks[0].sum() == pytest.approx(1500 * (1 - quantile), abs=1)
    assert np.array_equal(masks[0], masks[1]) and not masks[2].any()


@pytest.mark.parametrize(("ranks", "quantile"), [(np.zeros((4, 4)), 0.5), (np.zeros((1, 4, 4)), 1.0), (np.zeros((1, 4, 4)), -0.1)])
def test_places_refuses_what_it_cannot_read(ranks, quantile):
    """A single map and a quantile outside 0 to below 1 are refused."""
    with pytest.raises(ParameterError, match="quantile"):
        planted.places(ranks, quantile)


# ---- a whole collection


@pytest.fixture(scope="module")
def humans(tmp_path_factory):
    """Seven faces of one head, an expression each, and their tables as notebooks 01 and 02 leave them."""
    folder = atelier.build(tmp_path_factory.mktemp("made") / "humans", 7, 3, 96, "humans", workers=1)
    faces = pd.read_csv(folder / "metadata.csv", keep_default_na=False)
    boxes = faces["face_boxes"].str.split(",", expand=True).astype(float)
    faces = faces.assign(x=boxes[0], y=boxes[1], width=boxes[2], height=boxes[3], detector="hand", points="", roll=0.0)
    return folder, faces, np.full((7, 68, 2), np.nan)


@pytest.mark.slow
def test_a_collection_is_carved_again(humans, tmp_path):
    """Every expression but neutral has evidence in its crop, kept in the journal: the second call carves nothing."""
    folder, faces, marks = humans
    journal = tmp_path / "planted.jsonl"
    found = planted.planted(folder, faces, marks, CROP, side=56, journal=journal, workers=1)
    assert set(found) == set(planted.KINDS) and all(part.shape == (7, 56, 56) for part in found.values())
    evident = planted.places(found["expression"]).mean(axis=(1, 2))
    assert dict(zip(faces["expression"], evident > 0.02, strict=True)) == {name: name != "neutral" for name in EXPRESSIONS}
    assert 0.02 < found["moved"].max() < 1 and found["expression"].max() <= 1
    before = journal.read_text()
    again = planted.planted(folder, faces, marks, CROP, side=56, journal=journal, workers=1)
    assert journal.read_text() == before and all(np.array_equal(again[kind], found[kind]) for kind in found)


@pytest.mark.slow
def test_evidence_of_questions(humans, tmp_path):
    """Ranks come in the order of the questions, zeros for neutral ones, and nothing at all for a folder of photographs."""
    folder, table, marks = humans
    faces = table.assign(face_id=[f"{k:016x}" for k in range(7)], image_id=[str(k) for k in range(7)])
    asked = pd.DataFrame({"row": [6, 4, 3], "face_id": faces["face_id"].iloc[[6, 4, 3]], "expression": ["surprise", "neutral", "happy"]})
    images = faces[["image_id", "identity"]]
    found = planted.evidence(folder, asked, faces.drop(columns="identity"), images, faces, marks[:3], CROP, 28, tmp_path / "j.jsonl")
    alone = planted.planted(folder, faces.iloc[[3]], marks[:1], CROP, 28, workers=1)["expression"][0]
    assert np.array_equal(found[2], alone) and not found[1].any() and found[0].any()
    assert planted.evidence(tmp_path, asked, faces, images, faces, marks[:3], CROP) is None


@pytest.mark.slow
def test_crops_cut_otherwise_are_refused(humans, monkeypatch):
    """Where the landmarks found again are not those kept with the crops, the map would lie beside the face: refused."""
    folder, faces, marks = humans
    points = np.random.default_rng(0).uniform(30, 60, (68, 2))
    monkeypatch.setattr(planted, "landmarks", lambda *_: points)
    box = faces.loc[0, ["x", "y", "width", "height"]].tolist()
    transform, _ = alignment(box, CROP, points, None, 0.0)
    kept = transforms.map_points(points, transform)[None]
    assert planted.planted(folder, faces[:1], kept, CROP, workers=1)["moved"].max() > 0
    with pytest.raises(CollectionError, match="cut otherwise"):
        planted.planted(folder, faces[:1], kept + 3, CROP, workers=1)


def test_others_in_the_picture_keep_still():
    """In a picture of several figures only the one with truth moves; its neighbours' expressions are no evidence."""
    several = next(spec for spec in atelier.collection("british_museum", 200, 0) if len(spec["figures"]) > 1)
    who = several["figures"][1]
    row = {"file": "a.jpg", "identity": who["identity"], "expression": "happy", "detector": "hand", "points": ""}
    row |= dict.fromkeys(("x", "y", "width", "height", "roll"), 1.0) | {f"AU{int(unit):02d}": value for unit, value in who["units"].items()}
    figures = planted._item(row, np.full((68, 2), np.nan), {"a.jpg": several})["spec"]["figures"]
    assert figures[1] == who and not any(figures[0]["units"].values()) and figures[0]["shape"] == several["figures"][0]["shape"]
    row["AU12"] += 1
    with pytest.raises(CollectionError, match="make 01"):  # the metadata tells of another face
        planted._item(row, np.full((68, 2), np.nan), {"a.jpg": several})


def test_a_collection_of_photographs_has_nothing_planted(tmp_path):
    """A folder the atelier did not make is refused, saying what can be done; a damaged recipe too, and landmarks that do not fit."""
    with pytest.raises(CollectionError, match="was not made by the atelier.*COLLECTION=atelier"):
        planted.planted(tmp_path, pd.DataFrame(), np.zeros((0, 68, 2)), CROP)
    (tmp_path / "atelier.json").write_text('{"name": "humans"')
    with pytest.raises(CollectionError, match="cannot be read"):
        planted.recipe(tmp_path)
    with pytest.raises(ParameterError, match="for 0 faces"):
        planted.planted(tmp_path, pd.DataFrame(), np.zeros((3, 68, 2)), CROP)
