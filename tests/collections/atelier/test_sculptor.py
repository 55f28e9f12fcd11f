"""Pictures and truth agree: landmarks lie on rendered features, boxes hold the face, evidence is zero where nothing moved, seeds repeat."""

import json

import numpy as np
import pytest

from lib.collections import atelier
from lib.collections.atelier import specs
from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS

PLAIN = {"damaged": {}, "headgear": "none", "beard": "none", "moustache": "none", "presentation": "bust"}


def portrait(**wishes):
    return atelier.sculpt(5, 160, tradition="humans", **{"yaw": 0, "pitch": 0, "roll": 0, **PLAIN, **wishes})


def test_same_spec_same_bytes():
    """A spec gives the same picture and truth whenever and in whatever order it is made, also after a way through JSON."""
    first, second = atelier.collection("sculpture", 40, 3)[11:13]
    one = atelier.sculpt(first, 96)
    atelier.sculpt(second, 96)
    again = atelier.sculpt(json.loads(json.dumps(first)), 96)
    assert np.array_equal(one.picture, again.picture)
    assert all(np.array_equal(a["landmarks"], b["landmarks"]) for a, b in zip(one.truth["faces"], again.truth["faces"], strict=True))


def test_other_seeds_give_other_pictures():
    """Two seeds, two pictures."""
    assert not np.array_equal(atelier.sculpt(1, 64).picture, atelier.sculpt(2, 64).picture)


def test_picture_is_uint8_rgb_of_the_size_asked_for():
    """Sizes may be one side or height and width."""
    assert atelier.sculpt(1, (80, 60)).picture.shape == (80, 60, 3) and atelier.sculpt(1, 64).picture.dtype == np.uint8


def test_landmarks_lie_on_what_is_drawn():
    """On skin the pupils are dark between bright whites, and the lips are redder than the chin below."""
    piece = portrait(units={5: 2, 25: 1})
    picture, marks = piece.picture.astype(float), piece.truth["faces"][0]["landmarks"]

    def at(point, radius=1):
        x, y = np.round(point - 0.5).astype(int)
        return picture[y - radius:y + radius + 1, x - radius:x + radius + 1].mean(axis=(0, 1))

    for eye in (range(36, 42), range(42, 48)):
        middle = marks[list(eye)].mean(axis=0)
        aside = 0.6 * (marks[eye[3]] - marks[eye[0]]) / 2
        assert at(middle, 0).mean() < 0.9 * (at(middle + aside, 0).mean() + at(middle - aside, 0).mean()) / 2
    lower_lip, chin = at((marks[57] + marks[66]) / 2), at(marks[57] + (0, 8))
    assert lower_lip[0] / lower_lip[1:].mean() > chin[0] / chin[1:].mean()
    assert piece.truth["faces"][0]["visible"][17:].all()


def test_boxes_hold_the_face():
    """Every landmark inside the picture lies in the box, and boxes lie in the picture."""
    for spec in atelier.collection("met", 12, 7):
        for face in atelier.sculpt(spec, 96).truth["faces"]:
            x, y, width, height = face["box"]
            assert x >= 0 and y >= 0 and x + width <= 96.05 and y + height <= 96.05
            inside = (face["landmarks"] >= 0).all(axis=1) & (face["landmarks"] <= 96).all(axis=1)
            marks = face["landmarks"][inside]
            assert (marks >= np.array([x, y]) - 0.2).all() and (marks <= np.array([x + width, y + height]) + 0.2).all()


def test_turned_heads_hide_landmarks():
    """At 60 degrees the far side cannot be seen, and the nose has gone to the side the face is turned to."""
    face = portrait(yaw=60).truth["faces"][0]
    assert not face["visible"].all() and face["view"] != "frontal"
    assert face["landmarks"][30, 0] > portrait(yaw=0).truth["faces"][0]["landmarks"][30, 0] + 5


def test_evidence_is_zero_where_nothing_moved():
    """Planted maps are exactly zero for units at rest and off the face, and lie where the unit works."""
    piece = portrait(units={12: 5, 1: 0})
    smile = piece.evidence[12]
    assert set(piece.evidence) == set(piece.truth["faces"][0]["action_units"]) and smile.dtype == np.float32
    assert not piece.evidence[1].any() and not smile[:20].any() and not smile[:, :8].any()
    marks = piece.truth["faces"][0]["landmarks"]
    rows, columns = np.nonzero(smile > 0.5 * smile.max())
    assert marks[30, 1] - 8 < rows.mean() < marks[8, 1] and marks[2, 0] < columns.min() and columns.max() < marks[14, 0]


def test_intensity_moves_more():
    """More intensity plants more evidence."""
    weak, strong = (portrait(units={4: value}).evidence[4].sum() for value in (1, 5))
    assert 0 < weak < 0.6 * strong


def test_wishes_are_granted():
    """Expression, units, material, pose and identity are as asked for."""
    piece = atelier.sculpt(9, 64, expression_of={"happy": 3, "surprise": 1}, intensity=0.5, material="bronze", yaw=-20, identity=77,
                           damaged={})
    face = piece.truth["faces"][0]
    assert piece.truth["material"] == "bronze" and piece.truth["synthetic"] is True
    assert face["yaw"] == -20 and face["identity"] == "british_museum-77"
    assert face["expression"] == "happy" and face["soft_label"]["surprise"] == pytest.approx(0.25) and face["action_units"][12] > 0


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"size": 0}, "32 to 2048"), ({"size": (10, 50000)}, "32 to 2048"), ({"size": "big"}, "32 to 2048"),
        ({"units": {12: 7}}, "0 to 5"), ({"intensity": 7}, "0 to 1"),
        ({"tradition": "hanniwa"}, "haniwa"), ({"material": "cheese"}, "marble"), ({"yaw": 120}, "-75 to 75"), ({"spec": -1}, "from 0"),
        ({"hair": "mohawk"}, "bald"),
        ({"hat": "cap"}, "headgear"), ({"damaged": {"broken nose": 2}}, "0 to 1"), ({"damaged": {"dent": 1}}, "chips"),
        ({"expression_of": "joyful"}, "happy"),
        ({"identity": -3}, "from 0"),
    ],
)  # fmt: skip
def test_impossible_wishes_are_refused(wishes, says):
    """What cannot be made is refused, naming what can."""
    with pytest.raises(ParameterError, match=says):
        atelier.sculpt(**{"spec": 1, "size": 64, **wishes})


def test_specs_are_checked():
    """A spec with parts missing or out of range is refused."""
    spec = atelier.commission(3)
    with pytest.raises(ParameterError, match="figures"):
        atelier.sculpt({key: value for key, value in spec.items() if key != "figures"})
    spec["figures"][0]["units"]["12"] = 9
    with pytest.raises(ParameterError, match="0 to 5"):
        atelier.sculpt(spec)
    with pytest.raises(ParameterError, match="one or the other"):
        atelier.sculpt(atelier.commission(3), yaw=3)


def test_pictures_neither_clip_nor_drown():
    """Hardly any pixel is pure white or black in any material."""
    for material in ("marble", "skin", "bronze", "granite"):
        picture = atelier.sculpt(4, 96, material=material, damaged={}).picture
        assert (picture == 255).mean() < 0.002 and (picture == 0).mean() < 0.02


@pytest.mark.parametrize("name", [name for name in specs.names() if name != specs.ALL])
def test_every_tradition_can_be_made(name):
    """The first pictures of each tradition come out with complete truth."""
    for spec in atelier.collection(name, 2, 1):
        piece = atelier.sculpt(spec, 64)
        assert piece.picture.shape == (64, 64, 3) and "synthetic" in piece.truth["title"]
        for face in piece.truth["faces"]:
            assert tuple(face["soft_label"]) == EXPRESSIONS and len(face["landmarks"]) == len(face["visible"]) == 68
