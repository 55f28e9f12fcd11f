"""Surfaces are seen where they are: nearest first, normals toward the eye, light and shadow between 0 and 1, tones that never clip."""

import numpy as np
import pytest

from lib.collections.atelier import geometry, materials, rendering
from lib.collections.atelier.geometry import ball, rotation, slab, tube
from lib.compendium.errors import ParameterError

CAMERA = rendering.Camera(40.0, 80.0, 80.0, 10.0, 160, 160)
LIGHT = rendering.Light(-40, 40)


def test_ball_covers_its_disc_without_holes():
    """A ball of one unit covers about the disc perspective promises, and no pixel inside is empty."""
    buffers = rendering.raster([ball((0, 0, 0), (1, 1, 1), 40, 60)], CAMERA)
    y, x = np.mgrid[0:160, 0:160] + 0.5
    radius = np.hypot(x - 80, y - 80)
    assert buffers.cover[radius < 38].all() and not buffers.cover[radius > 43].any()
    assert buffers.depth[80, 80] == pytest.approx(1, abs=0.02)


def test_normals_point_outward():
    """On a ball the normal equals the place."""
    buffers = rendering.raster([ball((0, 0, 0), (1, 1, 1), 60, 90)], CAMERA)
    assert buffers.normal[80, 80] @ (0, 0, 1) > 0.99
    assert buffers.normal[80, 100, 0] > 0.3 and buffers.normal[60, 80, 1] > 0.3


def test_nearest_wins():
    """What is in front hides what is behind, in whatever order they come."""
    front, back = slab((-1, 1), (-1, 1), 0.5, stuff="ground"), slab((-2, 2), (-2, 2), 0.0)
    for order in ([front, back], [back, front]):
        buffers = rendering.raster(order, CAMERA)
        assert buffers.depth[80, 80] == pytest.approx(0.5, abs=0.01) and buffers.depth[80, 150] == pytest.approx(0, abs=0.01)


def test_light_and_shadow_lie_between_nothing_and_all():
    """A ball before a wall shades it on the side away from the light, and open ground is not occluded."""
    buffers = rendering.raster([ball((0, 0, 0.8), (0.5, 0.5, 0.5), 40, 60), slab((-3, 3), (-3, 3), 0.0)], CAMERA)
    lit = rendering.shadow(buffers, LIGHT, CAMERA.scale)
    assert lit.min() >= 0 and lit.max() <= 1
    assert lit[115, 115] < 0.7 < lit[20, 20]
    open_share, _ = rendering.occlusion(buffers, CAMERA.scale)
    assert open_share.min() >= 0 and open_share[10:20, 10:20].min() > 0.9


def test_tones_never_clip():
    """However bright the light, display values stay below 1 and keep their order."""
    values = rendering.develop(np.linspace(0, 5, 50, dtype=np.float32))
    assert values.max() < 1 and np.all(np.diff(values) > 0)


def test_rotations_turn_as_they_say():
    """Positive yaw turns the face to the picture's right, positive pitch upward, positive roll clockwise."""
    nose, crown = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert (rotation(30, 0, 0) @ nose)[0] > 0.4 and (rotation(0, 30, 0) @ nose)[1] > 0.4 and (rotation(0, 0, 30) @ crown)[0] > 0.4


def test_tubes_end_round_and_tiles_are_seamless():
    """A tube closes at both ends, and noise repeats without a step."""
    grid = tube([(0, 0, 0), (0, 1, 0)], 0.2)
    assert np.ptp(grid.points[0], axis=0).max() < 0.05
    field = geometry.tile(0, 2.0)
    assert abs(field[0] - field[-1]).mean() < 3 * abs(np.diff(field, axis=0)).mean() and abs(field.std() - 1) < 1e-3


@pytest.mark.parametrize("name", materials.MATERIALS)
def test_materials_can_be_drawn(name):
    """Each material gives colours between black and white for drawn pieces."""
    piece = materials.draw_material(name, np.random.default_rng(1))
    buffers = rendering.raster([ball((0, 0, 0), (1, 1, 1), 30, 40)], CAMERA)
    surface = materials.surface(piece, buffers, *rendering.occlusion(buffers, CAMERA.scale))
    assert surface["albedo"].shape == (160, 160, 3) and surface["albedo"].min() > 0 and surface["albedo"].max() < 1.2
    assert np.isfinite(rendering.shade(buffers, surface, LIGHT, CAMERA.scale, np.ones((160, 160), np.float32))).all()


def test_unknown_materials_are_refused():
    """A material that is not there is refused with those that are."""
    with pytest.raises(ParameterError, match="marble"):
        materials.check_material("butter")
