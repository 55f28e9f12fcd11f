"""Eyes land at their stated places; without plausible eyes the five points, then the box alone, and the status says which."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError
from lib.faces import align, transforms

POINTS = [[203, 100], [245, 102], [224, 126], [202, 139], [244, 140]]  # of the astronaut, as MTCNN gives them
PLACES = np.array([[0.5 - align.EYE_DISTANCE / 2, align.EYE_HEIGHT], [0.5 + align.EYE_DISTANCE / 2, align.EYE_HEIGHT]])


def landmarks_with_eyes(eyes):
    """68 landmarks whose eye rings lie about two given centres."""
    points = np.zeros((68, 2))
    ring = np.array([[-3, 0], [-1, -2], [1, -2], [3, 0], [1, 2], [-1, 2]], float)
    points[36:42], points[42:48] = ring + eyes[0], ring + eyes[1]
    return points


@settings(max_examples=100, deadline=None)
@given(st.floats(50, 500), st.floats(50, 500), st.floats(20, 200), st.floats(-170, 170), st.integers(16, 300))
def test_eyes_land_at_their_places(x, y, distance, degrees, size):
    """Eyes land at their places."""
    half = distance / 2 * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    eyes = np.array([[x, y] - half, [x, y] + half])
    transform = align.from_eyes(eyes, size)
    assert np.allclose(transforms.map_points(eyes, transform), PLACES * size, atol=1e-6)
    assert np.allclose(transforms.map_points_back(PLACES * size, transform), eyes, atol=1e-6)


def test_the_best_source_of_eyes_is_used_and_recorded(boxes):
    """The best source of eyes is used and recorded."""
    box = boxes["astronaut"]
    good, far = landmarks_with_eyes(np.array(POINTS[:2])), landmarks_with_eyes(np.array([[0, 0], [500, 0]]))
    assert align.alignment(box, 64, good, POINTS)[1] == "landmarks"
    assert align.alignment(box, 64, far, POINTS)[1] == "points"
    assert align.alignment(box, 64, None, POINTS)[1] == "points"
    assert align.alignment(box, 64, np.full((68, 2), np.nan), None)[1] == "box"


@pytest.mark.parametrize("eyes", [[[203, 100], [208, 100]], [[245, 100], [203, 100]], [[203, 70], [205, 140]], [[203, 100], [500, 100]]])
def test_implausible_eyes_are_not_used(boxes, eyes):
    """Implausible eyes are not used."""
    assert not align.plausible(np.array(eyes), boxes["astronaut"])


def test_a_leaning_face_may_have_a_leaning_eye_line(boxes):
    """A leaning face may have a leaning eye line."""
    eyes = np.array([[203.0, 140], [240, 90]])
    assert not align.plausible(eyes, boxes["astronaut"]) and align.plausible(eyes, boxes["astronaut"], roll=45)


def test_the_crop_shows_the_face_upright(astronaut, boxes):
    """The crop shows the face upright."""
    upright, _, status = align.align(astronaut, boxes["astronaut"], 96, None, POINTS)
    assert upright.shape == (96, 96, 3) and upright.dtype == np.uint8 and status == "points"
    turn = transforms.rotate(512, 512, 40)
    turned = transforms.apply(astronaut, turn)
    points, box = transforms.map_points(POINTS, turn), transforms.map_box(boxes["astronaut"], turn)
    again, _, status = align.align(turned, box, 96, None, points, roll=40)
    assert status == "points" and np.abs(again.astype(int) - upright).mean() < 6
    by_box = [align.align(picture, where, 96, roll=roll)[0] for picture, where, roll in
              ((astronaut, boxes["astronaut"], 0), (turned, box, 40))]
    assert np.abs(by_box[0].astype(int) - by_box[1]).mean() < 8


def test_a_crop_too_small_is_refused(boxes):
    """A crop too small is refused."""
    with pytest.raises(ParameterError, match="at least 8"):
        align.alignment(boxes["astronaut"], 4)
