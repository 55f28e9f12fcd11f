"""Collections: the atelier's camera and light: grids become buffers, buffers and a material become a picture.

Surfaces are splatted: every grid is sampled finer than the pixels, the nearest sample of each pixel wins. Occlusion and cast shadow
come from the depth buffer, so they cost the same whatever is shown.
"""

from typing import NamedTuple

import cv2
import numpy as np

from lib.collections.atelier.geometry import PAINTS, STUFFS, Grid, step

SUPERSAMPLE = 2
SPACING = 0.66  # largest distance of neighbouring samples, in supersampled pixels
SHADOW_STEPS = 22


class Camera(NamedTuple):
    """Weak perspective. `scale`: pixels per unit, `x`, `y`: where the origin falls, `distance`: of the eye in units."""

    scale: float
    x: float
    y: float
    distance: float
    width: int
    height: int

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return pixels (..., 2) of points (..., 3); pixel centres lie at .5."""
        nearer = self.scale * self.distance / np.maximum(self.distance - points[..., 2], 0.5)
        return np.stack([self.x + points[..., 0] * nearer, self.y - points[..., 1] * nearer], axis=-1)

    def times(self, factor: int) -> "Camera":
        """Return the same view with `factor` times the pixels."""
        return Camera(self.scale * factor, self.x * factor, self.y * factor, self.distance, self.width * factor, self.height * factor)


class Buffers(NamedTuple):
    """What is seen at each pixel: covered?, depth (units), normal, texture coordinates, stuff (index), paints, which grid, its place."""

    cover: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    texture: np.ndarray
    stuff: np.ndarray
    paints: dict
    grid: np.ndarray
    row: np.ndarray
    column: np.ndarray


class Light(NamedTuple):
    """Key light by azimuth and elevation in degrees, its strength, fill and ambient strengths, colour temperatures (RGB)."""

    azimuth: float
    elevation: float
    key: float = 1.0
    fill: float = 0.2
    ambient: float = 0.22
    warmth: float = 0.0  # -1 a cold key, 1 a warm one
    softness: float = 0.16

    def direction(self) -> np.ndarray:
        a, e = np.radians([self.azimuth, self.elevation])
        return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


def normals(points: np.ndarray) -> np.ndarray:
    """Return unit normals (rows, columns, 3) of a grid of points."""
    down, across = np.empty_like(points), np.empty_like(points)
    down[1:-1], down[0], down[-1] = points[2:] - points[:-2], points[1] - points[0], points[-1] - points[-2]
    across[:, 1:-1], across[:, 0], across[:, -1] = points[:, 2:] - points[:, :-2], points[:,
                                                                                          1] - points[:, 0], points[:, -1] - points[:, -2]
    a, b = across, down
    normal = np.stack([a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1], a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
                       a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]], axis=-1)  # fmt: skip
    return unit(normal)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3) of length 1."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return vectors / (np.sqrt(x * x + y * y + z * z) + 1e-9)[..., None]


def _finer(places: np.ndarray, axis: int) -> np.ndarray:
    """Return sample coordinates along an axis so that (nearly) all neighbouring samples lie at most SPACING pixels apart."""
    thin = places if axis == 0 else places.transpose(1, 0, 2)
    thin = thin[:, ::max(1, thin.shape[1] // 40)]
    apart = np.abs(np.diff(thin, axis=0))
    apart = np.sort(np.maximum(apart[..., 0], apart[..., 1]), axis=1)
    widest = apart[:, int(0.97 * (apart.shape[1] - 1))]
    count = np.clip(np.ceil(widest / SPACING), 1, 400).astype(int)
    starts = np.repeat(np.arange(len(count)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.append(starts + within / np.repeat(count, count), len(count)).astype(np.float32)


def raster(grids: list[Grid], camera: Camera) -> Buffers:
    """Return the buffers of grids already placed in front of the camera."""
    pixels = camera.width * camera.height
    best = np.full(pixels, -1, np.int64)
    offset, samples = 0, []
    for number, grid in enumerate(grids):
        found = _splat(grid.points, camera)
        if found is None:
            continue
        pixel, key, row, column = found
        np.maximum.at(best, pixel, key + offset)
        samples.append((offset, number, row, column))
        offset += len(row) * len(column)
    best = _fill_pinholes(best.reshape(camera.height, camera.width)).ravel()
    return _resolve(best, grids, samples, camera)


DEPTH_BITS = 28  # of the key: samples below, depth above


def _splat(points: np.ndarray, camera: Camera):
    places = camera.project(points).astype(np.float32)
    low, high = places.min(axis=(0, 1)), places.max(axis=(0, 1))
    if high[0] < 0 or high[1] < 0 or low[0] >= camera.width or low[1] >= camera.height:
        return None
    row, column = _finer(places, 0), _finer(places, 1)
    across, down = np.meshgrid(column, row)
    stacked = np.concatenate([places, points[..., 2:]], axis=2)
    fine = cv2.remap(stacked, across, down, cv2.INTER_LINEAR)
    x, y = np.floor(fine[..., 0]).astype(np.int32), np.floor(fine[..., 1]).astype(np.int32)
    inside = ((x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)).ravel()
    depth = np.clip((fine[..., 2].ravel() + 30) * 20000, 0, 2**31).astype(np.int64)
    key = (depth << DEPTH_BITS) + np.arange(depth.size)
    return (y * camera.width + x).ravel()[inside], key[inside], row, column


def _fill_pinholes(best: np.ndarray) -> np.ndarray:
    """Give an empty pixel between covered ones its neighbour's sample: splatting leaves a few where a surface is steep."""
    empty = best < 0
    for shift, axis in ((1, 0), (1, 1)):
        before, after = np.roll(best, shift, axis), np.roll(best, -shift, axis)
        hole = empty & (before >= 0) & (after >= 0)
        best = np.where(hole, np.maximum(before, after), best)
        empty = best < 0
    return best


def _resolve(best: np.ndarray, grids: list[Grid], samples: list, camera: Camera) -> Buffers:
    shape = (camera.height, camera.width)
    cover = best >= 0
    index = best & ((1 << DEPTH_BITS) - 1)
    tops, atlas = _atlas(grids, [number for _, number, _, _ in samples])
    across, down = np.zeros(best.size, np.float32), np.zeros(best.size, np.float32)
    which = np.full(best.size, -1, np.int16)
    stuff = np.zeros(best.size, np.int8)
    rows, columns = np.zeros(best.size, np.float32), np.zeros(best.size, np.float32)
    for (offset, number, row, column), top in zip(samples, tops, strict=True):
        mine = np.flatnonzero(cover & (index >= offset) & (index < offset + len(row) * len(column)))
        local = index[mine] - offset
        rows[mine], columns[mine] = row[local // len(column)], column[local % len(column)]
        across[mine], down[mine] = columns[mine], rows[mine] + top
        which[mine], stuff[mine] = number, STUFFS.index(grids[number].stuff)
    maps = across.reshape(shape), down.reshape(shape)
    read = [cv2.remap(layer, *maps, cv2.INTER_LINEAR) for layer in atlas]
    paints = {name: read[1 + i // 4][..., i % 4] for i, name in enumerate(PAINTS)}
    depth = np.where(cover, (best >> DEPTH_BITS) / 20000.0 - 30, -np.inf).reshape(shape).astype(np.float32)
    normal = read[0][..., :3]
    normal = np.where(normal[..., 2:] < -0.4, -normal, normal)  # thin sheets are seen from both sides
    normal[..., 2] = np.maximum(normal[..., 2], 0.03)  # what is seen faces the eye
    normal = unit(normal)
    return Buffers(cover.reshape(shape), depth, normal, read[-1][..., :2], stuff.reshape(shape), paints, which.reshape(shape),
                   rows.reshape(shape), columns.reshape(shape))  # fmt: skip


def _atlas(grids: list[Grid], numbers: list[int]) -> tuple[list[int], list[np.ndarray]]:
    """Return the first row of each grid in the atlas, and its layers of four channels: normals, paints, texture coordinates."""
    heights = [grids[number].points.shape[0] for number in numbers]
    tops = [int(value) for value in np.cumsum([0, *heights])[:-1]]
    shape = (sum(heights) or 1, max([grids[number].points.shape[1] for number in numbers], default=1), 4)
    layers = [np.zeros(shape, np.float32) for _ in range(2 + (len(PAINTS) + 3) // 4)]
    for top, number in zip(tops, numbers, strict=True):
        grid = grids[number]
        box = np.s_[top:top + grid.points.shape[0], :grid.points.shape[1]]
        layers[0][box][..., :3] = normals(grid.points)
        layers[-1][box][..., :2] = grid.texture
        for i, name in enumerate(PAINTS):
            if name in grid.paints:
                layers[1 + i // 4][box][..., i % 4] = grid.paints[name]
    return tops, layers


# ---- light


def occlusion(buffers: Buffers, pixels_per_unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return ambient occlusion (1 open, toward 0 enclosed) and a fine cavity measure (above 0 in grooves, below on edges)."""
    small = cv2.resize(np.where(buffers.cover, buffers.depth, np.nan), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    low = np.isnan(small)
    floor = float(np.nanmin(small)) - 0.4 if not low.all() else 0.0
    known = (~low).astype(np.float32)
    depth = np.where(low, floor, small).astype(np.float32)
    open_share = np.ones_like(depth)
    cavity = np.zeros_like(depth)
    for radius, strength in ((0.035, 2.4), (0.10, 1.7), (0.26, 0.8)):
        sigma = max(0.45, radius * pixels_per_unit / 2)
        weight = cv2.GaussianBlur(known, (0, 0), sigma) + 1e-3
        mean = cv2.GaussianBlur(depth * known, (0, 0), sigma) / weight
        below = np.where(low, 0, mean - depth) / radius
        open_share *= np.exp(-0.55 * strength * np.clip(below, 0, 4))
        if radius < 0.05:
            cavity = below
    size = (buffers.depth.shape[1], buffers.depth.shape[0])
    return cv2.resize(open_share, size, interpolation=cv2.INTER_LINEAR), cv2.resize(cavity, size, interpolation=cv2.INTER_LINEAR)


def shadow(buffers: Buffers, light: Light, pixels_per_unit: float) -> np.ndarray:
    """Return how much of the key light arrives, 0 to 1, by walking the depth buffer toward the light."""
    height, width = buffers.depth.shape
    depth = cv2.resize(np.where(buffers.cover, buffers.depth, -50).astype(np.float32), (width // 2, height // 2),
                       interpolation=cv2.INTER_NEAREST)
    toward, scale = light.direction(), pixels_per_unit / 2
    blocked = np.zeros_like(depth)
    start = np.where(depth > -40, depth, 50)
    for share in np.linspace(0.02, 1, SHADOW_STEPS) ** 1.6:
        reach = share * 2.6
        move = np.float32([[1, 0, reach * toward[0] * scale], [0, 1, -reach * toward[1] * scale]])
        there = cv2.warpAffine(depth, move, (width // 2, height // 2), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                               borderMode=cv2.BORDER_CONSTANT, borderValue=-50)  # fmt: skip
        above = there - (start + reach * toward[2]) - 0.02
        blocked = np.maximum(blocked, np.clip(above / (light.softness * reach + 0.05), 0, 1) * np.where(above > 1.6, 0.35, 1))
    blocked = cv2.GaussianBlur(blocked, (0, 0), max(0.8, 0.022 * scale))
    return np.clip(1 - cv2.resize(blocked, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)


def bumped(buffers: Buffers, height: np.ndarray | None, pixels_per_unit: float) -> np.ndarray:
    """Return normals disturbed by a relief too fine for the grids, `height` in units."""
    if height is None:
        return buffers.normal
    across, down = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    normal = buffers.normal.copy()
    facing = np.clip(normal[..., 2], 0.2, 1)
    normal[..., 0] -= np.clip(across * pixels_per_unit, -1.2, 1.2) * facing
    normal[..., 1] += np.clip(down * pixels_per_unit, -1.2, 1.2) * facing
    return unit(normal)


def shade(buffers: Buffers, surface: dict, light: Light, pixels_per_unit: float, ao: np.ndarray) -> np.ndarray:
    """Return linear light (h, w, 3) leaving the surfaces. `surface`: see `materials.surface`."""
    normal = bumped(buffers, surface["bump"], pixels_per_unit)
    arriving = shadow(buffers, light, pixels_per_unit)
    key = light.direction()
    warm = np.array([1 + 0.10 * light.warmth, 1.0, 1 - 0.14 * light.warmth], np.float32)
    cool = np.array([1 - 0.05 * light.warmth, 1.0, 1 + 0.08 * light.warmth], np.float32)
    facing = normal @ key
    wrap = surface["wrap"]
    lit = np.clip((facing[..., None] + wrap) / (1 + wrap), 0, 1)
    lit = lit * (arriving[..., None] ** (1 - 0.5 * wrap))
    away = np.array([-key[0], 0.15, 0.75], np.float32)
    fill = np.clip(normal @ (away / np.linalg.norm(away)), 0, 1) * light.fill
    sky = light.ambient * (0.80 + 0.26 * normal[..., 1])
    bounce = 0.10 * np.clip(-normal[..., 1], 0, 1)
    ambient = (sky + bounce + fill) * ao
    result = surface["albedo"] * (light.key * lit * warm + ambient[..., None] * cool)
    half = key + np.array([0, 0, 1], np.float32)
    shine = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1)
    gleam = surface["gloss"] * shine ** surface["sharpness"] * arriving * (0.35 + 0.65 * ao)
    edge = (1 - np.clip(normal[..., 2], 0, 1)) ** 3
    result += (gleam * light.key + 0.16 * surface["rim"] * edge * ao)[..., None] * warm
    if surface["metal"] is not None:
        result += surface["metal"] * _reflected(normal, key, light)[..., None] * (ao * (0.45 + 0.55 * arriving))[..., None]
    return result + surface.get("glow", 0)


def _reflected(normal: np.ndarray, key: np.ndarray, light: Light) -> np.ndarray:
    """Return the brightness of a gallery mirrored by polished metal: a bright ceiling, a lamp, a dark floor, a window strip."""
    mirrored = 2 * normal[..., 2:] * normal - np.array([0, 0, 1], np.float32)
    up = mirrored[..., 1]
    lamp = np.clip(mirrored @ key, 0, 1)
    room = 0.10 + 0.30 * step(-0.1, 0.75, up) + 0.18 * step(0.75, 1.0, -mirrored[..., 0] * np.sign(key[0] + 1e-6))
    return room * (0.4 + light.ambient) + light.key * (0.45 * lamp**5 + 0.9 * lamp**30)


def develop(linear: np.ndarray, exposure: float = 1.0) -> np.ndarray:
    """Return display values 0 to 1 from linear light: a shoulder that never clips, then gamma 2.2."""
    return (1 - np.exp(-np.float32(1.30 * exposure) * np.maximum(linear, 0))) ** np.float32(1 / 1.75)
