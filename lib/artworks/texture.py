"""Artworks: texture on a scale from soft to hard: procedural noise textures, and how much a picture's texture is like each of them.

Lucassen, Gevers and Gijsenij (2011) found that how hard or soft a texture feels follows from the texture alone; the study compared
pictures with Perlin noise along that scale by structural similarity. Its maps were not published: ours are Perlin's gradient noise
(2002) from large, smooth clouds (soft) to small, sharp grains (hard).
"""

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces.detectors import check_picture

Measure = Literal["autocorrelation", "pixels"]
MEASURES = ("autocorrelation", "pixels")
SIDE = 128  # pixels of the grey square on which texture is measured
SOFTEST, HARDEST = 4.0, 64.0  # cells of the noise across the square: grains of 32 and of 2 pixels
EDGE = 2.5  # how much steeper the hardest map's steps are than the softest's
LAGS = 12  # pixels to either side that the autocorrelation looks at
DETAIL = 8.0  # pixels: what is larger than this is subject, not texture, and is taken out before the autocorrelation
DEVIATION = 40.0  # grey levels: contrast of the maps and, for "pixels", of the picture
WINDOW, SIGMA = 11, 1.5  # SSIM's Gaussian window (Wang et al. 2004)
K1, K2, RANGE = 0.01, 0.03, 255.0
FLAT = 0.5  # grey levels: a picture with less contrast has no texture


def perlin(side: int, cells: float, seed: int) -> np.ndarray:
    """Return Perlin's gradient noise with his quintic fade (2002), float32 (side, side), about -1 to 1.

    cells: of the lattice across the side, at least 1; grains are about side / cells pixels large. seed: of the gradients.
    """
    if side < 8 or not 1 <= cells <= side:
        raise ParameterError(f"Received side {side} and {cells} cells, expected at least 8 pixels and 1 to {side} cells.")
    place = (np.arange(side) + 0.5) * (cells / side)
    corner = np.floor(place).astype(int)
    within = place - corner
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, (int(np.ceil(cells)) + 2,) * 2)
    gradients = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    reached = {(down, across): gradients[np.ix_(corner + down, corner + across)] for down in (0, 1) for across in (0, 1)}
    y, x = np.meshgrid(within, within, indexing="ij")
    value = {key: g[..., 0] * (y - key[0]) + g[..., 1] * (x - key[1]) for key, g in reached.items()}
    fade_y, fade_x = (t * t * t * (t * (6 * t - 15) + 10) for t in (y, x))
    top = value[0, 0] + fade_x * (value[0, 1] - value[0, 0])
    bottom = value[1, 0] + fade_x * (value[1, 1] - value[1, 0])
    return (np.sqrt(2) * (top + fade_y * (bottom - top))).astype(np.float32)


def hardness(maps: int) -> np.ndarray:
    """Return the places of `maps` textures on the scale, float64 (maps,), from 0 (soft) to 1 (hard)."""
    if not 2 <= maps <= 32:
        raise ParameterError(f"Received {maps} texture maps, expected 2 to 32: a scale has two ends.")
    return np.linspace(0, 1, maps)


def texture_map(hard: float, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Return the texture at a place of the scale, uint8 (side, side), mean about 128: 0 soft (large, smooth) to 1 hard (small, sharp)."""
    if not 0 <= hard <= 1:
        raise ParameterError(f"Received hardness {hard}, expected 0 (soft) to 1 (hard).")
    noise = perlin(side, min(side, SOFTEST * (HARDEST / SOFTEST) ** hard), seed)
    noise = (noise - noise.mean()) / noise.std()
    steep = 0.5 + (EDGE - 0.5) * hard
    edged = np.tanh(steep * noise)
    return np.clip(128 + DEVIATION * edged / edged.std(), 0, 255).round().astype(np.uint8)


@lru_cache(maxsize=8)
def scale(maps: int, seed: int = 0) -> np.ndarray:
    """Return the scale of textures, uint8 (maps, SIDE, SIDE), from soft to hard; read-only."""
    made = np.stack([texture_map(hard, SIDE, seed + number) for number, hard in enumerate(hardness(maps))])
    made.setflags(write=False)
    return made


def grey(picture: np.ndarray) -> np.ndarray:
    """Return the middle square of a picture uint8 RGB (h, w, 3) as grey levels, float32 (SIDE, SIDE).

    A larger picture is shrunk by areas, a smaller one enlarged, whose grains then look softer than they are: `is_coarse` names it.
    """
    check_picture(picture)
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    levels = cv2.cvtColor(np.ascontiguousarray(picture[top:top + side, left:left + side]), cv2.COLOR_RGB2GRAY)
    if side != SIDE:
        levels = cv2.resize(levels, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR)
    return levels.astype(np.float32)


def is_coarse(picture: np.ndarray) -> bool:
    """Tell whether a picture has fewer pixels than texture is measured on: its hardness is then not to be trusted."""
    return min(picture.shape[:2]) < SIDE


def ssim(one: np.ndarray, other: np.ndarray, value_range: float = RANGE, window: int = WINDOW, sigma: float = SIGMA) -> float:
    """Return the mean structural similarity of two arrays (h, w), -1 to 1, with a Gaussian window (Wang et al. 2004).

    Windows that would reach beyond the edge are left out, as in the authors' code. value_range: L of the paper.
    """
    one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
    if one.shape != other.shape or one.ndim != 2 or min(one.shape) < window:
        raise ParameterError(f"Received arrays of shapes {one.shape} and {other.shape}, expected two of one shape (h, w), at least "
                             f"{window} pixels each way.")  # fmt: skip
    margin = window // 2
    inside = (slice(margin, one.shape[0] - margin), slice(margin, one.shape[1] - margin))
    mean = [cv2.GaussianBlur(part, (window, window), sigma)[inside] for part in (one, other, one * one, other * other, one * other)]
    across = mean[4] - mean[0] * mean[1]
    spread = mean[2] - mean[0] ** 2 + mean[3] - mean[1] ** 2
    c1, c2 = (K1 * value_range) ** 2, (K2 * value_range) ** 2
    similar = (2 * mean[0] * mean[1] + c1) * (2 * across + c2) / ((mean[0] ** 2 + mean[1] ** 2 + c1) * (spread + c2))
    return float(similar.mean())


def autocorrelation(levels: np.ndarray) -> np.ndarray:
    """Return how a texture (h, w) is like itself shifted by up to LAGS pixels, float32 (2·LAGS + 1, 2·LAGS + 1), 1 in the middle.

    Forms larger than DETAIL are taken out first, and what is left is brought to the same contrast everywhere, so that one strong outline
    does not speak for the whole. A picture without texture gives zeros.
    """
    levels = np.asarray(levels, np.float32)
    fine = levels - cv2.GaussianBlur(levels, (0, 0), DETAIL)
    contrast = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), DETAIL))
    if contrast.mean() < FLAT:
        return np.zeros((2 * LAGS + 1,) * 2, np.float32)
    even = fine / (contrast + 0.25 * contrast.mean() + FLAT)
    even = even - even.mean()
    height, width = even.shape
    power = np.abs(np.fft.rfft2(even, (height + LAGS, width + LAGS))) ** 2
    both = np.fft.irfft2(power, (height + LAGS, width + LAGS))
    lags = np.arange(-LAGS, LAGS + 1)
    found = both[np.ix_(lags, lags)] / ((height - np.abs(lags))[:, None] * (width - np.abs(lags)))
    return (found / found[LAGS, LAGS]).astype(np.float32)


@lru_cache(maxsize=8)
def _scale_autocorrelations(maps: int, seed: int) -> tuple:
    return tuple(autocorrelation(made) for made in scale(maps, seed))


def similarities(picture: np.ndarray, maps: int = 6, measure: Measure = "autocorrelation", seed: int = 0) -> np.ndarray:
    """Return the structural similarity of a picture's texture to each map of the scale, float32 (maps,), -1 to 1, from soft to hard.

    "pixels": SSIM of the grey picture and the map, point by point, as the paper says. "autocorrelation": SSIM of what each looks like
    shifted against itself. differs from the paper, and is the default: where the grains lie is chance, and two patches of one and the
    same texture have a point-by-point SSIM near 0.
    """
    if measure not in MEASURES:
        raise ParameterError(f"Received the measure {measure!r} of texture, expected one of {', '.join(MEASURES)}.")
    levels = grey(picture)
    if measure == "pixels":
        spread = float(levels.std())
        even = 128 + (levels - levels.mean()) * (DEVIATION / spread if spread > FLAT else 0)
        return np.array([ssim(even, made) for made in scale(maps, seed)], np.float32)
    mine = autocorrelation(levels)
    return np.array([ssim(mine, other, 2.0) for other in _scale_autocorrelations(maps, seed)], np.float32)


def hard_soft(similar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hard-soft value, 0 (soft) to 1 (hard), and the best similarity, from similarities (…, maps): HS and S of Figure 5.

    The value is the place of the most similar map, moved towards the better of its neighbours by a parabola through the three. How HS
    is read off the maps is not stated in the paper.
    """
    similar = np.asarray(similar, float)
    flat = similar.reshape(-1, similar.shape[-1])
    places, rows, best = hardness(flat.shape[1]), np.arange(len(flat)), flat.argmax(axis=1)
    inner = np.clip(best, 1, flat.shape[1] - 2) if flat.shape[1] > 2 else np.zeros(len(flat), int)
    moved = np.zeros(len(flat))
    if flat.shape[1] > 2:
        before, here, after = (flat[rows, inner + step] for step in (-1, 0, 1))
        bend = before - 2 * here + after
        moved = np.divide(0.5 * (before - after), bend, out=np.zeros(len(flat)), where=np.abs(bend) > 1e-9)
        moved = np.where(best == inner, np.clip(moved, -0.5, 0.5), 0.0)
    value = places[best] + moved * (places[1] - places[0])
    shape = similar.shape[:-1]
    return value.reshape(shape), flat[rows, best].reshape(shape)
