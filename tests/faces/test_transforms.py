"""Every transform of the ladder maps points and boxes there and back exactly, and its pixels agree with its matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError
from lib.faces import transforms as t

SIZES = st.integers(20, 400)
NUMBERS = st.floats(-500, 500, allow_nan=False, width=32)


@st.composite
def any_transform(draw):
    """One of the ladder's transforms, or two of them in a row."""
    width, height = draw(SIZES), draw(SIZES)

    def one(width, height):
        kind = draw(st.sampled_from(["scale", "crop", "zoom", "rotate", "mirror", "upright"]))
        if kind == "scale":
            return t.scale(width, height, draw(st.floats(0.1, 3)))
        if kind == "crop":
            return t.centre_crop(width, height, draw(st.floats(0.2, 1)))
        if kind == "zoom":
            return t.centre_zoom(width, height, draw(st.floats(0.2, 1)))
        if kind == "rotate":
            return t.rotate(width, height, draw(st.floats(-180, 180)))
        if kind == "upright":
            return t.upright((3, 4, width / 2, height / 3), 64, 1.5, draw(st.floats(-90, 90)))
        return t.mirror(width, height)

    first = one(width, height)
    return t.compose(first, one(first.width, first.height)) if draw(st.booleans()) else first


@settings(max_examples=150, deadline=None)
@given(any_transform(), st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5))
def test_points_come_back_exactly(transform, points):
    """Points come back exactly."""
    back = t.map_points_back(t.map_points(points, transform), transform)
    assert np.allclose(back, points, atol=1e-8)


@settings(max_examples=150, deadline=None)
@given(any_transform(), NUMBERS, NUMBERS, st.floats(1, 100), st.floats(1, 100))
def test_boxes_come_back_exactly(transform, x, y, width, height):
    """Boxes come back exactly."""
    there = t.map_box(((x, y, width, height)), transform)
    back = t.map_box_back(there, transform)
    # a turned box whose two axes are scaled by a hair differently (whole pixels) keeps its centre exactly, its size nearly
    loose = 0.03 * max(width, height) if t.is_turned(transform) else 1e-7
    centre = np.array(back[:2]) + np.array(back[2:]) / 2
    assert np.allclose(centre, [x + width / 2, y + height / 2], atol=1e-7)
    assert np.allclose(back, (x, y, width, height), atol=loose)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.floats(-180, 180), st.floats(1, 100), st.floats(1, 100))
def test_a_rotation_keeps_a_box_size_and_centre(width, height, degrees, box_width, box_height):
    """A rotation keeps a box size and centre."""
    transform = t.rotate(width, height, degrees)
    x, y, new_width, new_height = t.map_box_back((5, 7, box_width, box_height), transform)
    centre = t.map_points_back([[5 + box_width / 2, 7 + box_height / 2]], transform)[0]
    assert np.allclose([new_width, new_height], [box_width, box_height])
    assert np.allclose([x + new_width / 2, y + new_height / 2], centre)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.floats(-180, 180))
def test_a_rotated_canvas_holds_the_whole_picture(width, height, degrees):
    """A rotated canvas holds the whole picture."""
    transform = t.rotate(width, height, degrees)
    corners = t.map_points([[0, 0], [width, 0], [0, height], [width, height]], transform)
    assert corners.min() > -1e-6 and np.all(corners.max(axis=0) < np.array([transform.width, transform.height]) + 1e-6)


def dot_picture(width=160, height=120, centre=(60, 44)):
    """A dark picture with one bright 8 x 8 square about `centre`."""
    picture = np.full((height, width, 3), 20, np.uint8)
    picture[centre[1] - 4:centre[1] + 4, centre[0] - 4:centre[0] + 4] = 250
    return picture


def bright_centre(picture):
    """Centre of brightness in continuous pixel coordinates."""
    weight = picture[..., 0].astype(float) - 20
    rows, columns = np.mgrid[:picture.shape[0], :picture.shape[1]] + 0.5
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("make", [
    lambda w, h: t.scale(w, h, 0.43), lambda w, h: t.scale(w, h, 1.9), lambda w, h: t.centre_crop(w, h, 0.7),
    lambda w, h: t.centre_zoom(w, h, 0.6), lambda w, h: t.rotate(w, h, 33), lambda w, h: t.rotate(w, h, -90), t.mirror,
    lambda w, h: t.region((50, 30, 20, 20), 64, 2.0), lambda w, h: t.upright((50, 30, 20, 20), 64, 2.0, 25),
    lambda w, h: t.compose(t.scale(w, h, 0.5), t.rotate(80, 60, 20)),
])
def test_the_pixels_go_where_the_matrix_says(make):
    """The pixels go where the matrix says."""
    picture = dot_picture()
    transform = make(160, 120)
    moved = t.apply(picture, transform)
    assert moved.shape == (transform.height, transform.width, 3) and moved.dtype == np.uint8
    assert np.allclose(bright_centre(moved), t.map_points([[60, 44]], transform)[0], atol=0.1)


def test_a_crop_keeps_pixels_untouched():
    """A crop keeps pixels untouched."""
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    assert np.array_equal(t.apply(picture, t.centre_crop(120, 90, 0.5)), picture[22:67, 30:90])
    assert np.array_equal(t.apply(picture, t.mirror(120, 90)), picture[:, ::-1])
    assert np.array_equal(t.apply(picture, t.identity(120, 90)), picture)


def test_shrinking_averages_fine_texture_away():
    """Shrinking averages fine texture away."""
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255  # one pixel on, one off: sampled without averaging it would stay black and white
    small = t.apply(stripes, t.scale(128, 128, 0.25))
    assert small.min() > 120 and small.max() < 136
    turned = t.apply(stripes, t.compose(t.scale(128, 128, 0.25), t.rotate(32, 32, 10)))
    assert np.ptp(turned[10:22, 10:22].astype(int)) < 20


@pytest.mark.parametrize("degrees", [-120, -30, 0, 45, 90])
def test_the_roll_is_the_lean_of_a_face_found_upright(degrees):
    """The roll is the lean of a face found upright."""
    transform = t.rotate(100, 80, degrees)
    assert t.roll(transform) == pytest.approx(-degrees)
    assert t.roll(t.compose(transform, t.mirror(transform.width, transform.height))) == pytest.approx(-degrees)
    upright = t.upright((20, 20, 30, 30), 64, 2.0, -degrees)  # standing a face up again that leans by its roll
    assert t.roll(upright) == pytest.approx(-degrees)


@pytest.mark.parametrize("call", [
    lambda: t.scale(10, 10, 0), lambda: t.scale(10, 10, float("nan")), lambda: t.centre_crop(10, 10, 1.5), lambda: t.mirror(0, 5),
    lambda: t.rotate(10, 10, 1000), lambda: t.region((0, 0, 0, 5), 10, 2), lambda: t.centre_zoom(10, 10, 0),
])
def test_impossible_values_are_refused(call):
    """Impossible values are refused."""
    with pytest.raises(ParameterError, match="expected"):
        call()


def test_clipping_to_the_picture():
    """Clipping to the picture."""
    assert t.clip_box((-5, -5, 20, 20), 10, 8) == (0, 0, 10, 8)
    assert t.clip_box((20, 0, 5, 5), 10, 8) is None
