"""Collections: small geometry for the atelier: smooth steps and unions, surface grids, simple solids, rotations, noise tiles.

One unit is about 70 mm (the pupils are .9 apart); x to the viewer's right, y up, z toward the viewer. A grid is a surface given by
rows and columns of points; every solid of a picture is one grid or a few.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

# What can be painted on a surface, each a weight from 0 to 1 at every point of a grid.
PAINTS = ("lip", "brow", "white", "iris", "pupil", "line", "teeth", "hollow", "hair", "blush", "beard", "cloth")
STUFFS = ("body", "ornament", "ground", "cloth", "hair")  # what a grid is made of; the material gives each its colour


class Grid(NamedTuple):
    """A surface: points (rows, columns, 3), texture coordinates (rows, columns, 2), paints {name: (rows, columns)}, its stuff."""

    points: np.ndarray
    texture: np.ndarray
    paints: dict
    stuff: str = "body"
    name: str = ""


def step(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """Return the smooth step from 0 at `low` to 1 at `high` (which may be the smaller)."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def bump(x: np.ndarray, y: np.ndarray, centre: tuple, radii: tuple) -> np.ndarray:
    """Return a smooth hill of height 1 around `centre` that is exactly 0 beyond about 2.2 `radii`."""
    distance = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2
    return np.maximum(0, 1 - distance * 0.2) ** 5


def ridge(distance: np.ndarray, width: float) -> np.ndarray:
    """Return a smooth ridge of height 1 along distance 0, exactly 0 beyond 2.2 widths."""
    return np.maximum(0, 1 - (distance / width) ** 2 * 0.2) ** 5


def union(one: np.ndarray, other: np.ndarray, softness: float) -> np.ndarray:
    """Return the larger of two heights, rounded where they meet over `softness` units."""
    share = np.clip(0.5 + 0.5 * (one - other) / softness, 0, 1)
    return other + (one - other) * share + softness * share * (1 - share)


def curve(value: np.ndarray, at, heights) -> np.ndarray:
    """Return the piecewise linear curve through (at, heights) as float32."""
    return np.interp(value, at, heights).astype(np.float32)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the (3, 3) rotation for angles in degrees.

    Positive yaw turns the face to the picture's right, positive pitch upward, positive roll leans it clockwise as seen.
    """
    a, b, c = np.radians([yaw, -pitch, -roll])
    around_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    around_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (around_z @ around_y @ around_x).astype(np.float32)


def moved(grid: Grid, turn: np.ndarray | None = None, shift=(0, 0, 0), scale: float = 1.0) -> Grid:
    """Return a grid scaled, turned and shifted, in this order."""
    points = grid.points * np.float32(scale)
    points = points if turn is None else points @ turn.T
    return grid._replace(points=(points + np.asarray(shift, np.float32)).astype(np.float32))


def with_paint(grid: Grid, **paints) -> Grid:
    """Return a grid with one weight per named paint everywhere."""
    shape = grid.points.shape[:2]
    return grid._replace(paints={**grid.paints, **{name: np.full(shape, value, np.float32) for name, value in paints.items()}})


# ---- solids


def lathe(profile, columns: int = 48, flat: float = 2.0, stuff: str = "body", name: str = "", arc=(-180.0, 180.0)) -> Grid:
    """Return a turned solid. `profile`: rows of (y, half width, half depth[, x, z of the centre]); `flat`: 2 round, 4 nearly square.

    `arc`: degrees around the upright axis, 0 is the front; a part of the full turn gives an open sheet.
    """
    profile = _divided(np.asarray([(*row, 0, 0)[:5] for row in profile], np.float32))
    angle = np.radians(np.linspace(*arc, columns)).astype(np.float32)
    reach = (np.abs(np.sin(angle)) ** flat + np.abs(np.cos(angle)) ** flat) ** (-1 / flat)
    y, wide, deep, shift, forward = profile.T[:, :, None]
    x, z = wide * reach * np.sin(angle) + shift, deep * reach * np.cos(angle) + forward
    points = np.stack(np.broadcast_arrays(x, y, z), axis=2).astype(np.float32)
    along = np.broadcast_to(angle * max(0.3, float(profile[:, 1].max())), x.shape)
    return Grid(points, np.stack([along, np.broadcast_to(y, x.shape)], axis=2).astype(np.float32), {}, stuff, name)


def _divided(profile: np.ndarray, longest: float = 0.2) -> np.ndarray:
    """Return a profile with rows put in between, at most `longest` apart: textures are read with 1/32 of a row's precision."""
    counts = np.clip(np.ceil(np.abs(np.diff(profile[:, :3], axis=0)).max(axis=1) / longest), 1, 30).astype(int)
    at = np.append(np.concatenate([k + np.arange(count) / count for k, count in enumerate(counts)]), len(counts))
    return np.stack([np.interp(at, np.arange(len(profile)), column) for column in profile.T], axis=1).astype(np.float32)


def smooth_lathe(profile, rows: int = 40, **others) -> Grid:
    """Return a lathe through the given profile rows, rounded by a smooth curve with `rows` rows."""
    from scipy.interpolate import PchipInterpolator

    profile = np.asarray([(*row, 0, 0)[:5] for row in profile], float)
    at = np.linspace(0, len(profile) - 1, rows)
    return lathe(PchipInterpolator(np.arange(len(profile)), profile)(at), **others)


def ball(centre, radii, rows: int = 16, columns: int = 24, stuff: str = "body", name: str = "") -> Grid:
    """Return an ellipsoid."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, rows)
    profile = [(np.sin(a) * radii[1], np.cos(a) * radii[0] + 1e-3, np.cos(a) * radii[2] + 1e-3) for a in angle]
    return moved(lathe(profile, columns, stuff=stuff, name=name), shift=centre)


def tube(path, radii, columns: int = 14, stuff: str = "body", name: str = "", rows: int = 24) -> Grid:
    """Return a rounded tube along `path` (n, 3) with `radii` (n,) or one radius."""
    path = np.asarray(path, float)
    at, fine = np.linspace(0, 1, len(path)), np.linspace(0, 1, rows)
    if len(path) > 2:
        from scipy.interpolate import PchipInterpolator

        centre = PchipInterpolator(at, path)(fine)
    else:
        centre = np.stack([np.interp(fine, at, path[:, axis]) for axis in range(3)], axis=1)
    radius = np.interp(fine, at, np.broadcast_to(radii, len(path)))
    along = np.gradient(centre, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0, 0, 1.0]], [[0, 1.0, 0]])
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    other = np.cross(along, side)
    end = np.sqrt(np.clip(1 - np.maximum(0, np.abs(2 * fine - 1) - 0.9) ** 2 * 100, 0, 1))
    angle = np.linspace(-np.pi, np.pi, columns)
    ring = side[:, None] * np.cos(angle)[None, :, None] + other[:, None] * np.sin(angle)[None, :, None]
    points = centre[:, None] + ring * (radius * end)[:, None, None]
    texture = np.stack(np.broadcast_arrays(angle[None] * radius.mean(), (fine * len(path) * 0.5)[:, None]), axis=2)
    return Grid(points.astype(np.float32), texture.astype(np.float32), {}, stuff, name)


def slab(x_range, y_range, z: float, columns: int = 48, rows: int = 48, relief=None, stuff: str = "body", name: str = "") -> Grid:
    """Return an upright sheet at depth z with a relief(x, y) added."""
    x, y = np.meshgrid(np.linspace(*x_range, columns), np.linspace(*y_range, rows))
    height = np.full_like(x, z) if relief is None else z + relief(x, y)
    return Grid(np.stack([x, y, height], axis=2).astype(np.float32), np.stack([x, y], axis=2).astype(np.float32), {}, stuff, name)


# ---- noise


@lru_cache(maxsize=24)
def tile(kind: int, slope: float = 2.0, side: int = 512, stretch: float = 1.0) -> np.ndarray:
    """Return a seamless square of fractal noise, mean 0, standard deviation 1; `slope` 0 is white, 2 cloudy; `stretch` along y."""
    generator = np.random.default_rng([7919, kind])
    spectrum = np.fft.rfft2(generator.standard_normal((side, side)))
    down, across = np.fft.fftfreq(side)[:, None] * side, np.fft.rfftfreq(side)[None] * side
    radius = np.hypot(down * stretch, across)
    spectrum *= np.maximum(radius, 1.0) ** (-slope)
    spectrum[radius < 1.5] = 0
    field = np.fft.irfft2(spectrum, (side, side))
    return (field / field.std()).astype(np.float32)


def sample(field: np.ndarray, u: np.ndarray, v: np.ndarray, scale: float, offset=(0.0, 0.0)) -> np.ndarray:
    """Return a seamless tile read at texture coordinates u, v; `scale` is pixels of the tile per unit."""
    across = np.mod(u * scale + offset[0], field.shape[1]).astype(np.float32)
    down = np.mod(v * scale + offset[1], field.shape[0]).astype(np.float32)
    if across.ndim == 1:
        return cv2.remap(field, across[None], down[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)[0]
    return cv2.remap(field, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
