"""Each rung finds a face the rungs before it miss, boxes come back in pixels of the original, and everything is on record."""

import json
import sys
import types

import cv2
import numpy as np
import pytest

from lib.compendium.errors import ParameterError, PictureError
from lib.faces import ladder, tables, transforms
from lib.faces.evaluate import pairwise_overlap
from lib.faces.settings import RETRIES, LadderSettings

SETTINGS = LadderSettings()


def overlap(face, box):
    return pairwise_overlap([[face[name] for name in ("x", "y", "width", "height")]], [box])[0, 0]


def on_canvas(picture, box, width, height, left, top):
    """Paste a picture on a smooth canvas. Returns it and the box there."""
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = np.linspace(90, 150, width).astype(np.uint8)[None, :, None]
    canvas[top:top + picture.shape[0], left:left + picture.shape[1]] = picture
    return canvas, (box[0] + left, box[1] + top, box[2], box[3])


@pytest.mark.slow
def test_the_first_rungs_find_both_portraits_and_stop(astronaut, hopper, boxes):
    """The first rungs find both portraits and stop."""
    for picture, name in ((astronaut, "astronaut"), (hopper, "hopper")):
        found = ladder.detect(picture)
        assert len(found.faces) == 1 and overlap(found.faces[0], boxes[name]) > 0.5
        face = found.faces[0]
        assert face["rung"] == "haar" and face["detector"] == "mtcnn" and face["witnesses"] >= 4 and len(face["points"]) == 5
        assert {one["rung"] for one in found.attempts} == {"haar", "mtcnn"} and set(found.seconds) == {"haar", "mtcnn"}


@pytest.mark.slow
@pytest.mark.parametrize("rung", RETRIES)
def test_each_retry_rung_finds_the_face_alone_and_maps_it_back(astronaut, boxes, rung):
    """Each retry rung finds the face alone and maps it back."""
    face_box, picture = boxes["astronaut"], astronaut
    if rung == "rotate":
        turn = transforms.rotate(512, 512, 60)
        picture, face_box = transforms.apply(astronaut, turn), transforms.map_box(face_box, turn)
    elif rung in ("crop", "zoom"):
        picture, face_box = on_canvas(astronaut[20:300, 80:360], (face_box[0] - 80, face_box[1] - 20, *face_box[2:]), 900, 800, 310, 260)
    found = ladder.detect(picture, {"rungs": [rung]})
    assert len(found.faces) == 1
    assert found.faces[0]["rung"] == rung and overlap(found.faces[0], face_box) > 0.45
    if rung == "rotate":
        assert found.faces[0]["roll"] == pytest.approx(60)  # turned back by -60 it stood upright
        eyes = transforms.map_points_back(found.faces[0]["points"], turn)[:2]
        assert np.allclose(eyes, [[203, 100], [245, 102]], atol=8)


@pytest.mark.slow
def test_a_turned_face_needs_the_rotation_rung(astronaut):
    """A turned face needs the rotation rung."""
    picture = transforms.apply(astronaut, transforms.rotate(512, 512, -75))
    found = ladder.detect(picture)
    assert [face["rung"] for face in found.faces] == ["rotate"]
    assert abs(found.faces[0]["roll"] + 75) <= 20


@pytest.mark.slow
def test_shrunk_and_pasted_faces_are_found_where_they_are(astronaut, boxes):
    """Shrunk and pasted faces are found where they are."""
    small = transforms.apply(astronaut, transforms.scale(512, 512, 0.5))
    picture, box = on_canvas(small, tuple(value / 2 for value in boxes["astronaut"]), 1000, 700, 600, 300)
    found = ladder.detect(picture)
    assert len(found.faces) == 1 and overlap(found.faces[0], box) > 0.5


@pytest.mark.slow
def test_a_large_picture_is_worked_on_small_and_answered_in_its_own_pixels(hopper, boxes):
    """A large picture is worked on small and answered in its own pixels."""
    large = cv2.resize(hopper, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    found = ladder.detect(large, {"longest_side": 800})
    assert len(found.faces) == 1 and overlap(found.faces[0], tuple(4 * value for value in boxes["hopper"])) > 0.5


@pytest.mark.slow
def test_texture_without_a_face_gives_no_face_and_says_why():
    """Texture without a face gives no face and says why."""
    noise = np.random.default_rng(3).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    found = ladder.detect(texture, {"haar_neighbours": 0})
    assert found.faces == []
    assert all(one["reason"] and not one["accepted"] for one in found.attempts)
    assert list(found.seconds) == list(SETTINGS.rungs)


def test_a_blank_picture_gives_only_what_was_drawn_by_hand():
    """A blank picture gives only what was drawn by hand."""
    blank = np.full((100, 200, 3), 9, np.uint8)
    assert ladder.detect(blank).faces == []
    found = ladder.detect(blank, hand_boxes=[[10, 20, 30, 40], [190, 90, 50, 50], [500, 500, 5, 5]])
    assert [(face["rung"], face["x"], face["width"]) for face in found.faces] == [("hand", 10, 30), ("hand", 190, 10)]
    assert found.attempts[2]["reason"] == "outside the picture"


def row(x, y, width, height, **more):
    return {"x": x, "y": y, "width": width, "height": height, "confidence": 0.9, "detector": "mtcnn", "rung": "mtcnn", "witnesses": 3,
            "roll": 0.0, "points": None, "transform": {"name": "none"}, **more}


def test_a_face_found_twice_is_kept_once_with_its_earliest_rung():
    """A face found twice is kept once with its earliest rung."""
    faces = [row(10, 10, 50, 60), row(12, 8, 52, 60, rung="haar", witnesses=5), row(200, 10, 50, 60), row(15, 20, 20, 20)]
    merged = ladder.merge(faces, SETTINGS)
    assert [(face["x"], face["rung"], face["witnesses"]) for face in merged] == [(10, "haar", 5), (200, "mtcnn", 3)]
    assert sorted(ladder.merge(merged, SETTINGS), key=lambda face: face["x"]) == merged
    assert sorted(face["x"] for face in ladder.merge(faces[::-1], SETTINGS)) == [10, 200]


def test_a_hand_drawn_box_replaces_the_found_one():
    """A hand drawn box replaces the found one."""
    merged = ladder.merge([row(10, 10, 50, 60), row(11, 11, 50, 60, detector="hand", rung="hand")], SETTINGS)
    assert [(face["x"], face["detector"], face["rung"]) for face in merged] == [(11, "hand", "hand")]


def test_every_view_of_every_rung_comes_straight_from_the_original():
    """Every view of every rung comes straight from the original."""
    for rung in SETTINGS.rungs:
        for width, height in ((4000, 3000), (300, 200), (640, 640)):
            for view in ladder.views(width, height, rung, SETTINGS):
                corners = transforms.map_points_back([[0, 0], [view.width, view.height]], view)
                centre = corners.mean(axis=0)
                assert np.allclose(centre, [width / 2, height / 2], atol=max(width, height) / 500)
                assert max(view.width, view.height) <= 1.42 * SETTINGS.longest_side


@pytest.mark.parametrize(("width", "height"), [(1, 1), (12, 12), (40, 25), (60000, 200), (30000, 40000)])
def test_every_size_of_picture_has_its_views(width, height):
    """Every size of picture has its views."""
    for rung in SETTINGS.rungs:
        assert all(view.width >= 1 and view.height >= 1 for view in ladder.views(width, height, rung, SETTINGS))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(12, 12), (30, 45), (14, 3000)])
def test_tiny_and_thin_pictures_climb_to_the_end(shape):
    """Tiny and thin pictures climb to the end."""
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert ladder.detect(picture).faces == []


@pytest.mark.slow
def test_second_looks_tell_a_face_from_texture(astronaut, boxes):
    """Second looks tell a face from texture."""
    looks = 2 * len(SETTINGS.witness_sizes)
    face = ladder.second_looks(astronaut, boxes["astronaut"], 0.0, SETTINGS)
    assert len(face) >= looks - 1 and all(overlap(dict(zip(("x", "y", "width", "height"), one["box"], strict=True)),
                                                  boxes["astronaut"]) > 0.4 for one in face)
    eyes = np.array([one["points"][:2] for one in face])  # mirrored looks name the eyes as the picture shows them
    assert np.allclose(eyes, [[203, 101], [245, 102]], atol=6)
    assert ladder.second_looks(astronaut, (330, 330, 120, 120), 0.0, SETTINGS) == []


@pytest.mark.slow
def test_small_boxes_are_rejected_by_both_limits(monkeypatch):
    """Small boxes are rejected by both limits."""
    picture = np.random.default_rng(0).integers(0, 256, (100, 1000, 3), dtype=np.uint8)
    monkeypatch.setattr(ladder, "haar", lambda *_: [{"box": (5.0, 5.0, 30.0, 30.0), "confidence": 1.0, "detector": "haar", "points": None}])
    for settings in ({"minimum_size": 31}, {"minimum_fraction": 0.031}):
        found = ladder.detect(picture, {"rungs": ["haar"], **settings})
        assert found.faces == [] and found.attempts[0]["reason"] == "smaller than 31 pixels"
    assert len(ladder.detect(picture, {"rungs": ["haar"], "witnesses_haar": 0, "minimum_size": 30, "minimum_fraction": 0.03}).faces) == 1


@pytest.mark.parametrize(("values", "message"), [
    ({"haar_neighbors": 5}, "Did you mean 'haar_neighbours'"), ({"rungs": ["harr"]}, "Did you mean 'haar'"),
    ({"minimum_confidence": 2}, "minimum_confidence = 2"), ({"longest_side": "big"}, "longest_side"),
])
def test_wrong_settings_are_refused_with_their_name(values, message):
    """Wrong settings are refused with their name."""
    with pytest.raises(ParameterError, match=message):
        ladder.settings_from(values)


@pytest.fixture
def reader(monkeypatch, astronaut):
    """A stand-in for the reader of pictures: one good file, one broken."""
    def read_picture(path, maximum_megapixels=200.0):
        if "broken" in str(path):
            raise PictureError("the file is empty")
        return astronaut

    module = types.ModuleType("lib.collections.pictures")
    module.read_picture = read_picture
    monkeypatch.setitem(sys.modules, "lib.collections.pictures", module)


@pytest.mark.slow
def test_a_job_is_plain_values_and_the_same_every_time(reader):
    """A job is plain values and the same every time."""
    item = {"path": "a.png", "image_id": "abc", "file": "a.png", "hand_boxes": [[300, 300, 50, 50]]}
    first, second = ladder.detect_picture_job(item, {}), ladder.detect_picture_job(item, {})
    assert json.loads(json.dumps(first)) == first
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    faces, attempts = tables.faces_table([first]), tables.attempts_table([first])
    assert faces["rung"].tolist() == ["haar", "hand"] and faces["image_id"].tolist() == ["abc", "abc"]
    assert len(tables.points_of(faces["points"][0])) == 5 and tables.points_of(faces["points"][1]) is None
    assert {"haar", "mtcnn", "hand"} == set(attempts["rung"])


def test_a_broken_file_is_a_row_with_a_reason(reader):
    """A broken file is a row with a reason."""
    result = ladder.detect_picture_job({"path": "broken.png", "image_id": "b", "file": "broken.png"})
    assert result["status"] == "broken" and "empty" in result["reason"] and result["faces"] == []
    assert tables.faces_table([result]).empty and tables.attempts_table([result]).empty
