"""The head is symmetric where it should be, each Action Unit moves its own region only, and landmarks lie on the features."""

import numpy as np
import pytest

from lib.collections.atelier import form
from lib.collections.atelier.expression import UNITS, check_units

# Where each unit moves the surface most: least and most height y (the pupils are at 0, the mouth at -1), and reach from the middle.
REGIONS = {
    1: (0.0, 1.0), 2: (0.0, 1.0), 4: (-0.2, 0.9), 5: (-0.3, 0.4), 6: (-0.8, 0.4), 7: (-0.4, 0.4), 9: (-1.2, 0.5), 10: (-1.3, -0.3),
    12: (-1.5, 0.2),
    14: (-1.4, -0.7), 15: (-1.6, -0.4), 17: (-1.9, -0.7), 20: (-1.6, -0.4), 23: (-1.4, -0.6), 25: (-1.5, -0.8), 26: (-2.3, -0.4),
}  # fmt: skip


def height(units: dict) -> np.ndarray:
    return form.head(form.plain_shape(), check_units(units))[0].points


def test_plain_head_is_its_mirror_image():
    """Without asymmetry, left and right mirror each other, landmarks included."""
    grid, marks, _ = form.head(form.plain_shape(), check_units({4: 3, 12: 5}))
    mirrored = grid.points[:, ::-1] * (-1, 1, 1)
    assert np.abs(grid.points - mirrored).max() < 1e-5
    other = marks[[*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41,
                   40]]
    assert np.allclose(marks[:48], other * (-1, 1, 1), atol=1e-5)


def test_real_heads_are_not():
    """A drawn head is a little uneven."""
    shape = form.draw_shape(np.random.default_rng(3))
    points = form.head(shape, check_units({}))[0].points
    assert 0.002 < np.abs(points - points[:, ::-1] * (-1, 1, 1)).max() < 0.2


@pytest.mark.parametrize("unit", UNITS)
def test_each_unit_moves_its_region(unit):
    """A unit moves the surface where its muscle is, more with more intensity, and nowhere else."""
    rest = height({})
    moved, half = (np.linalg.norm(height({unit: value}) - rest, axis=2) for value in (5, 2.5))
    assert moved.max() > 0.015 and moved.sum() > 1.2 * half.sum() > 0
    low, high = REGIONS[unit]
    outside = (rest[..., 1] < low) | (rest[..., 1] > high) | (rest[..., 2] < -0.4)
    assert moved[outside].max(initial=0) < (0.02 if unit != 26 else 0.12)


def test_landmarks_follow_the_smile_and_the_jaw():
    """Mouth corners rise with unit 12 and fall with 15, the chin falls with 26, inner brows rise with 1."""
    rest, smile, frown, jaw, brow = (form.head(form.plain_shape(),
                                               check_units(units))[1] for units in ({}, {12: 5}, {15: 5}, {26: 5}, {1: 5}))
    assert smile[48, 1] > rest[48, 1] + 0.05 > frown[48, 1] + 0.1
    assert jaw[8, 1] < rest[8, 1] - 0.2 and brow[21, 1] > rest[21, 1] + 0.08
    assert smile[48, 0] < rest[48, 0]


def test_landmarks_lie_on_the_surface():
    """Every landmark from the brows on is within .02 units of the head's grid."""
    grid, marks, _ = form.head(form.plain_shape(), check_units({12: 3, 25: 2}))
    points = grid.points.reshape(-1, 3)
    for number in range(17, 68):
        near = np.hypot(*(points - marks[number])[:, :2].T) < 0.03
        assert np.abs(points[near & (points[:, 2] > 0), 2] - marks[number, 2]).min() < 0.05, number


@pytest.mark.parametrize("face", ["haniwa", "jomon", "idol"])
def test_stylised_faces_have_landmarks_too(face):
    """Signs rather than likenesses still say where eyes and mouth are."""
    grid, marks, _ = form.head({**form.plain_shape(), "face": face}, check_units({}))
    assert np.isfinite(grid.points).all() and np.isfinite(marks).all() and marks[45, 0] > marks[36, 0]
