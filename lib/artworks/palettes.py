"""Artworks: palettes: the five main colours of a picture, one palette for each emotion group, and how far one is from the other.

Colours are compared in CIE L*a*b* (D65), where a distance of 2 or so is just seen. The study's own palettes were not published: here a
group's palette is learned from the pictures that train, and from no others.
"""

from itertools import permutations

import cv2
import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError
from lib.faces.detectors import check_picture

COLOURS = 5  # main colours of a picture (paper, Figure 5)
FARTHEST = 300.0  # "an arbitrarily large maximum distance" (paper, section 3): no two colours of sRGB are farther apart than 259
SAMPLE = 32  # side of the grid of pixels that k-means looks at
ROUNDS = 20  # of Lloyd's algorithm, at most
STARTS = 8  # of k-means where a palette is learned
STILL = 0.5  # ends the rounds: no centre moved farther than this (L*a*b*)
GROUPS = (0, 1, 2, 3)


def lab(pictures: np.ndarray) -> np.ndarray:
    """Return sRGB colours uint8 (…, 3) in CIE L*a*b*, float32 (…, 3): L* 0 to 100, a* and b* about -128 to 127."""
    pictures = np.ascontiguousarray(pictures, dtype=np.uint8)
    flat = pictures.reshape(1, -1, 3).astype(np.float32) / 255
    return cv2.cvtColor(flat, cv2.COLOR_RGB2LAB).reshape(pictures.shape)


def rgb(colours: np.ndarray) -> np.ndarray:
    """Return colours in L*a*b* (…, 3) as sRGB, uint8 (…, 3); what no screen shows is brought to the nearest edge."""
    colours = np.asarray(colours, np.float32)
    made = cv2.cvtColor(np.ascontiguousarray(colours.reshape(1, -1, 3)), cv2.COLOR_LAB2RGB)
    return (np.clip(made, 0, 1) * 255).round().astype(np.uint8).reshape(colours.shape)


def main_colours(picture: np.ndarray, count: int = COLOURS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture's main colours, float32 (count, 3) L*a*b*, and their shares (count,), the commonest first.

    k-means (Lloyd 1982) with k-means++ starts (Arthur and Vassilvitskii 2007) on a regular grid of pixels. picture: uint8 RGB (h, w, 3),
    any size; count: 1 to 32; seed: of the start. A picture with fewer colours repeats them with share 0.
    """
    check_picture(picture)
    if not 1 <= count <= 32:
        raise ParameterError(f"Received count={count} main colours, expected 1 to 32: the paper takes {COLOURS}.")
    rows, columns = (np.linspace(0, side - 1, min(side, SAMPLE)).round().astype(int) for side in picture.shape[:2])
    return clustered(lab(picture[np.ix_(rows, columns)]).reshape(-1, 3), count, seed)


def clustered(points: np.ndarray, count: int, seed: int = 0, starts: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return k-means centres of points (n, d), float32 (count, d), and the share of the points nearest to each, the largest first.

    starts: how often it is begun; the centres with the smallest sum of squares count.
    """
    points, generator = np.asarray(points, np.float32), np.random.default_rng(seed)
    tried = [_settled(points, _starts(points, count, generator)) for _ in range(starts)]
    centres = min(tried, key=lambda one: _squares(points, one).min(axis=1).sum()) if starts > 1 else tried[0]
    shares = np.bincount(_squares(points, centres).argmin(axis=1), minlength=count) / len(points)
    order = np.lexsort((*centres.T, -shares))
    return centres[order].astype(np.float32), shares[order].astype(np.float32)


def _settled(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return centres (k, d) after Lloyd's rounds."""
    for _ in range(ROUNDS):
        nearest = _squares(points, centres).argmin(axis=1)
        belongs = np.eye(len(centres), dtype=np.float32)[nearest]
        counts = belongs.sum(axis=0)
        moved = np.where(counts[:, None] > 0, belongs.T @ points / np.maximum(counts, 1)[:, None], centres)
        still = np.abs(moved - centres).max() < STILL
        centres = moved
        if still:
            break
    return centres


def _starts(points: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return k-means++ starts: each next one a point drawn with odds of its squared distance to those there are."""
    chosen = [points[generator.integers(len(points))]]
    nearest = ((points - chosen[0]) ** 2).sum(axis=1).astype(float)
    for _ in range(count - 1):
        reached = np.cumsum(nearest)
        place = int(np.searchsorted(reached, generator.random() * reached[-1], side="right")) if reached[-1] > 0 else 0
        chosen.append(points[min(place, len(points) - 1)])
        nearest = np.minimum(nearest, ((points - chosen[-1]) ** 2).sum(axis=1))
    return np.array(chosen, np.float32)


def _squares(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return squared distances (n, k), but for a term of the point alone, which no comparison of centres needs."""
    return (centres**2).sum(axis=1) - 2 * points @ centres.T


def distance(one: np.ndarray, other: np.ndarray) -> float | np.ndarray:
    """Return how far palettes are apart: the root mean square distance of their colours, each paired with one of the other, at best.

    one: (colours, 3) or (n, colours, 3) in L*a*b*; other: (colours, 3). 0: the same colours in any order. The paper says "euclidean
    distance" between five colours and five; how they are paired is not stated in the paper: here so that the distance is smallest.
    """
    one, other = np.asarray(one, float), np.asarray(other, float)
    if one.shape[-2:] != other.shape or other.ndim != 2 or not 1 <= len(other) <= 7:
        raise ParameterError(f"Received palettes of shapes {one.shape} and {other.shape}, expected as many colours (1 to 7) in both, "
                             "three numbers each.")  # fmt: skip
    squares = ((one[..., :, None, :] - other) ** 2).sum(axis=-1)
    pairs = np.array(list(permutations(range(len(other)))))
    sums = squares[..., np.arange(len(other)), pairs].sum(axis=-1)  # (…, ways to pair)
    best = np.sqrt(sums.min(axis=-1) / len(other))
    return float(best) if best.ndim == 0 else best


def learned(colours: np.ndarray, groups, each: int = 1, seed: int = 0) -> np.ndarray:
    """Return palettes of the emotion groups from pictures that train, float32 (4, each, colours, 3), commonest colours first.

    colours: main colours of the pictures (n, colours, 3) in L*a*b*; groups: 0 to 3 (n,). `each`: palettes a group, for groups of several
    looks. A palette's colours are the k-means centres of its pictures' main colours. differs from the paper: the study made its
    "standard color maps" for each class by a way it does not state. A group without pictures has NaN, and nothing comes near it. Raises
    ParameterError for a group with fewer pictures than palettes.
    """
    colours, groups = np.asarray(colours, np.float32), np.asarray(groups)
    made = []
    for group in GROUPS:
        mine = colours[groups == group]
        if not len(mine):
            made.append(np.full((each, *colours.shape[1:]), np.nan, np.float32))
            continue
        if len(mine) < each:
            raise ParameterError(f"Received {len(mine)} pictures of group {group} to learn {each} palettes from, expected at least as "
                                 "many: tag more artworks, or learn fewer palettes.")  # fmt: skip
        made.append(_of_group(mine, each, seed))
    return np.stack(made)


def _of_group(mine: np.ndarray, each: int, seed: int) -> np.ndarray:
    """Return `each` palettes of a group's pictures (n, colours, 3): pictures of a look together, then the colours of each look."""
    looks = np.zeros(len(mine), int)
    if each > 1:  # a picture is described by its colours from dark to light
        sorted_by_light = np.take_along_axis(mine, mine[..., :1].argsort(axis=1), axis=1).reshape(len(mine), -1)
        centres, _ = clustered(sorted_by_light, each, seed, STARTS)
        looks = ((sorted_by_light[:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
    parts = [mine[looks == look] if (looks == look).any() else mine for look in range(each)]
    return np.stack([clustered(part.reshape(-1, 3), mine.shape[1], seed, STARTS)[0] for part in parts])


def to_palettes(colours: np.ndarray, palettes: np.ndarray) -> np.ndarray:
    """Return distances of pictures' main colours (n, colours, 3) to palettes (groups, each, colours, 3), float32 (n, groups, each).

    FARTHEST where there is no palette (NaN).
    """
    each = [[distance(colours, palette) for palette in group] for group in palettes]
    return np.nan_to_num(np.moveaxis(np.array(each, np.float32), -1, 0), nan=FARTHEST)


def only_closest(distances: np.ndarray, farthest: float = FARTHEST) -> np.ndarray:
    """Return distances (n, …) with all but each row's smallest set to a large one, as published (section 3)."""
    flat = distances.reshape(len(distances), -1)
    kept = np.full_like(flat, farthest)
    rows, closest = np.arange(len(flat)), flat.argmin(axis=1)
    kept[rows, closest] = flat[rows, closest]
    return kept.reshape(distances.shape)


def described(palettes: np.ndarray) -> pd.DataFrame:
    """Return palettes (4, each, colours, 3) as a table, a row a colour: group, palette, colour, lightness, a, b, red, green, blue."""
    rows = []
    for group, palette, colour in np.argwhere(np.isfinite(palettes).all(axis=-1)).tolist():
        lightness, a, b = (float(value) for value in palettes[group, palette, colour])
        red, green, blue = (int(value) for value in rgb(palettes[group, palette, colour]))
        rows.append((group, palette, colour, round(lightness, 2), round(a, 2), round(b, 2), red, green, blue))
    return pd.DataFrame(rows, columns=["group", "palette", "colour", "lightness", "a", "b", "red", "green", "blue"])
