"""Explanations: heat maps against Ekman's masks: where the Action Units of an expression show, and how far a map agrees.

Everything lies on the standard face of `lib.explain.standardise`: maps and masks are (275, 224), rows first. `masks` are our own
construction from the study's table of Action Units (Gaya-Morey et al., Table 2); the authors' six come with `lib.explain.published_maps`.

An overlap (IoU, Eq. 3) means little alone: a large mask is met by any map. So `alignment` puts beside it what chance gives a map of the
same area (pixels or segments at random, the middle of the canvas, what is looked at whatever the expression) and, where something is known
to have moved, the overlap of a map that shows exactly that. And whoever looks at faces, whatever they show, meets masks that lie in faces:
`specific` tells how much more a network's maps agree with their own expressions' masks than with those of the others.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import permutations

import cv2
import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lib.compendium.errors import ParameterError, did_you_mean
from lib.compendium.figures import INK
from lib.explain.standardise import HEIGHT, STANDARD, WIDTH, framed
from lib.expressions import ORDERS, action_units

EMOTIONS = ORDERS["lime_ekman"]
SHAPE = (HEIGHT, WIDTH)
SEGMENTS = 30  # cells of a random map, as many as the study asks SLIC for (section 4.6)
DRAWS = 200  # random maps
LEAST = 4  # expressions whose maps can be dealt out anew: of three there are six ways, and no p below .17
CHANCES = ("pixels", "segments", "centre", "face")
MEASURES = ("iou", "f1", "precision", "recall")
MASK, EDGE, LIGHT = "#2b6f8f", "#b5482a", "#e3e7ea"

# Where each Action Unit shows: convex hulls of landmarks, numbered from 1 as iBUG does; `masks` adds the mirror image of each.
# "20^" is the point above 20 at the canvas's upper edge, "37/30" has the column of 37 and the row of 30, "5~49" lies midway.
# The study marks "the landmark and its vicinity" or the triangles around it after Perveen and Mohan (section 4.4); which ones, its program
# says and the paper does not. Ours follow the Facial Action Coding System (Ekman, Friesen and Hager 2002): the skin that a unit moves,
# folds or uncovers.
UNIT_REGIONS = {
    1: (("20", "22", "23", "25", "20^", "25^"),),  # inner brows and the middle of the forehead
    2: (("18", "19", "20", "18^", "20^"),),  # outer brow and the forehead above it
    4: (("18", "19", "20", "21", "22", "37", "38", "39", "40"), ("22", "23", "40", "43", "28"), ("22", "23", "22^", "23^")),  # brows, frown
    5: (("37", "40", "41", "42", "19~38", "20~38", "21~39", "22~40"),),  # the eye and its upper lid
    6: (("37", "40", "41", "42", "40/30", "37/30"), ("1", "2", "37", "37/30")),  # cheek below the eye, crow's feet
    7: (("37", "38", "39", "40", "41", "42", "37/29", "40/29"),),  # the lids and the fold below
    9: (("22", "23", "40", "43"), ("40", "43", "32", "36", "34"), ("32", "36", "50", "54", "52"), ("40", "42", "50", "32")),  # nose to lip
    12: (("49", "50", "32", "40/30", "37/30", "5~49"), ("49", "50", "60", "61", "5~49")),  # corner of the mouth up to the cheek
    15: (("49", "60", "61", "59", "6", "7", "5~49"),),  # corner of the mouth and what lies below it
    20: (("49", "50", "52", "54", "55", "56", "58", "60"), ("49", "60", "5", "6", "5~49")),  # the mouth, and beside its corners
    23: (("49", "50", "52", "54", "55", "56", "58", "60"), ("32", "36", "50", "54"), ("56", "60", "60~7", "56~11", "58~9")),  # lips
    26: (("49", "50", "52", "54", "55", "56", "58", "60"), ("56", "58", "60", "7", "8", "9", "10", "11")),  # mouth and chin
}

# Landmarks that change places in a mirror; the others lie on the middle line.
_RIGHT = (*range(1, 9), *range(18, 23), 32, 33, 37, 38, 39, 40, 41, 42, 49, 50, 51, 59, 60, 61, 62, 68)
_LEFT = (*range(17, 9, -1), *range(27, 22, -1), 36, 35, 46, 45, 44, 43, 48, 47, 55, 54, 53, 57, 56, 65, 64, 66)
MIRROR = {number: number for number in range(1, 69)} | dict(zip(_RIGHT + _LEFT, _LEFT + _RIGHT, strict=True))


# ---- masks


def masks(table: str = "lime_ekman") -> dict[str, np.ndarray]:
    """Return our mask of each of the six expressions, {expression: bool (275, 224)}: the regions of its Action Units together.

    table: of `lib.expressions.ACTION_UNIT_TABLES`; the study's (Table 2) by default. Raises ParameterError where a unit has no region.
    """
    units = action_units(table)
    missing = sorted({unit for name in EMOTIONS for unit in units[name]} - set(UNIT_REGIONS))
    if missing:
        raise ParameterError(f"The Action Units {missing} of {table!r} have no region; expected units among {sorted(UNIT_REGIONS)}.")
    return {name: np.logical_or.reduce([unit_mask(unit) for unit in units[name]]) for name in EMOTIONS}


@lru_cache(maxsize=len(UNIT_REGIONS))
def unit_mask(unit: int) -> np.ndarray:
    """Return where an Action Unit shows on the standard face, on both sides, bool (275, 224), read-only. Raises ParameterError."""
    if unit not in UNIT_REGIONS:
        raise ParameterError(f"Received the Action Unit {unit!r}, which has no region; expected one of {sorted(UNIT_REGIONS)}.")
    canvas = np.zeros(SHAPE, np.uint8)
    for region in UNIT_REGIONS[unit]:
        for side in (region, [re.sub(r"\d+", lambda number: str(MIRROR[int(number[0])]), name) for name in region]):
            points = np.array([_point(name) for name in side]) - 0.5  # OpenCV counts from pixel centres
            cv2.fillConvexPoly(canvas, cv2.convexHull(points.round().astype(np.int32)), 1)
    found = canvas.astype(bool)
    found.flags.writeable = False
    return found


def _point(name: str) -> np.ndarray:
    """Return a named point of the standard face (x, y), as UNIT_REGIONS spells it."""
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    first, last = STANDARD[numbers[0] - 1], STANDARD[numbers[-1] - 1]
    if "^" in name:
        return np.array([first[0], 0.5])
    return np.array([first[0], last[1]]) if "/" in name else (first + last) / 2


# ---- from a heat map to a mask, and two masks beside each other


def stretched(heat: np.ndarray) -> np.ndarray:
    """Return a heat map (h, w) with its values from 0 to 255, uint8, cut off as the authors' program does; zeros for a flat one."""
    heat = _checked_map(heat).astype(np.float64)
    low, high = heat.min(), heat.max()
    return ((heat - low) / (high - low) * 255).astype(np.uint8) if high > low else np.zeros(heat.shape, np.uint8)


def otsu(heat: np.ndarray) -> int:
    """Return Otsu's threshold (1979) of a heat map (h, w): uint8 as it is, any other type first `stretched`."""
    return int(cv2.threshold(_grey(heat), 0, 255, cv2.THRESH_OTSU)[0])


def threshold(heat: np.ndarray) -> np.ndarray:
    """Return where a heat map (h, w) lies above Otsu's threshold (section 4.6), bool; nowhere, where it is all one value."""
    grey = _grey(heat)
    return grey > otsu(grey) if grey.min() < grey.max() else np.zeros(grey.shape, bool)


def _grey(heat: np.ndarray) -> np.ndarray:
    return _checked_map(heat) if np.asarray(heat).dtype == np.uint8 else stretched(heat)


def overlap(mask: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Return the agreement of what was found with a mask, both bool (h, w): iou (Eq. 3), f1, precision and recall, 0 to 1.

    NaN where there is nothing to divide by: both empty (iou, f1), nothing found (precision), an empty mask (recall).
    Raises ParameterError for masks of two sizes or of another type.
    """
    mask, found = np.asarray(mask), np.asarray(found)
    if mask.shape != found.shape or mask.dtype != bool or found.dtype != bool:
        raise ParameterError(
            f"Received masks {mask.shape} of {mask.dtype} and {found.shape} of {found.dtype}; expected two of one size, bool. "
            "Bring maps to the standard face (`standardise.warp`) and `threshold` them."
        )
    both, all_of_mask, all_found = (int(np.count_nonzero(part)) for part in (mask & found, mask, found))
    either = all_of_mask + all_found - both
    parts = ((both, either), (2 * both, all_of_mask + all_found), (both, all_found), (both, all_of_mask))
    return {name: part / whole if whole else np.nan for name, (part, whole) in zip(MEASURES, parts, strict=True)}


def iou(mask: np.ndarray, found: np.ndarray) -> float:
    """Return intersection over union of two masks, bool (h, w), 0 to 1 (Eq. 3); NaN where both are empty."""
    return overlap(mask, found)["iou"]


def f1(mask: np.ndarray, found: np.ndarray) -> float:
    """Return the F1 score of two masks, bool (h, w), 0 to 1; NaN where both are empty."""
    return overlap(mask, found)["f1"]


def _checked_map(heat: np.ndarray) -> np.ndarray:
    heat = np.asarray(heat)
    if heat.ndim != 2 or not heat.size or not np.isfinite(heat).all():
        raise ParameterError(f"Received a heat map {heat.shape}, or numbers in it that are not finite; expected (h, w) of finite numbers.")
    return heat


# ---- what chance gives, what an exact map would, and what is the expression's own


def area_matched(score: np.ndarray, area: int) -> np.ndarray:
    """Return the `area` pixels with the highest score (h, w) as a mask; of equal ones those that come first, row by row."""
    score = _checked_map(score)
    if not 0 <= area <= score.size:
        raise ParameterError(f"Received the area {area}; expected 0 to {score.size} pixels.")
    found = np.zeros(score.size, bool)
    found[np.argsort(-score.astype(np.float64).ravel(), kind="stable")[:area]] = True
    return found.reshape(score.shape)


def iou_of_random_pixels(mask: np.ndarray, area: int) -> float:
    """Return the IoU that `area` pixels scattered over the canvas have with a mask on average (from the mean intersection)."""
    both = area * np.count_nonzero(mask) / mask.size
    either = area + np.count_nonzero(mask) - both
    return both / either if either else np.nan


def centre_prior(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Return a score (h, w) that falls from the canvas's middle in ellipses of its proportions: what looking at the middle would give."""
    y, x = ((np.arange(size) + 0.5) / size - 0.5 for size in shape)
    return -(y[:, None] ** 2 + x**2)


@lru_cache(maxsize=4)
def random_scores(draws: int = DRAWS, segments: int = SEGMENTS, seed: int = 0) -> np.ndarray:
    """Return random maps on the standard face, uint8 (draws, 275, 224), read-only: the rank of each pixel's cell, 255 the highest.

    Each has its own cells, `segments` of them: the pixels nearest to points drawn evenly over the canvas, ranked at random. As in a single
    explanation by superpixels, neighbouring pixels go together; how a mean over many pictures blurs them is not imitated.
    """
    if not (draws >= 1 and 2 <= segments <= 256):
        raise ParameterError(f"Received {draws} draws of {segments} segments; expected at least 1 draw and 2 to 256 segments.")
    generator = np.random.default_rng(seed)
    scores = np.empty((draws, *SHAPE), np.uint8)
    for score in scores:
        points = np.ones(score.size, np.uint8)
        points[generator.choice(score.size, segments, replace=False)] = 0
        cells = cv2.distanceTransformWithLabels(points.reshape(SHAPE), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)[1]
        score[:] = (255 - generator.permutation(segments)).astype(np.uint8)[cells - 1]
    scores.flags.writeable = False
    return scores


def iou_of_random_segments(mask: np.ndarray, area: int, scores: np.ndarray | None = None) -> np.ndarray:
    """Return the IoU of random maps with a mask, (draws,): of each the best-ranked segments, the last one in part, until `area` is full.

    scores: of `random_scores`, or maps of your own, uint8 (draws, h, w).
    """
    scores = random_scores() if scores is None else np.asarray(scores)
    if scores.shape[1:] != mask.shape or scores.dtype != np.uint8:
        raise ParameterError(f"Received random maps {scores.shape} of {scores.dtype}, a mask {mask.shape}; expected uint8 (draws, h, w).")
    return _iou_at(area, int(np.count_nonzero(mask)), *_by_rank(mask, scores))


def _by_rank(mask: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many pixels the best segments hold together, and how many of them in the mask, both (draws, 257), from 0."""
    flat, inside = scores.reshape(len(scores), -1), mask.ravel()
    counts = [[np.bincount(part, minlength=256)[::-1] for part in (score, score[inside])] for score in flat]
    sums = np.zeros((len(flat), 2, 257))
    np.cumsum(counts, axis=2, out=sums[:, :, 1:])
    return sums[:, 0], sums[:, 1]


def _iou_at(area: int, total: int, sizes: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Return the IoU of the best `area` pixels with a mask of `total`; the segment that no longer fits whole counts in proportion."""
    both = np.array([np.interp(area, size[keep], hit[keep]) for size, hit in zip(sizes, hits, strict=True)
                     for keep in [np.diff(size, prepend=-1) > 0]])  # fmt: skip
    return both / np.maximum(area + total - both, 1)


def face_prior(heats: Mapping[tuple, np.ndarray], expression: str) -> np.ndarray:
    """Return what is looked at whatever the expression: the mean of all maps of the other expressions, each `stretched`, float64 (h, w).

    heats: {(…, expression): map}, expressions last in the keys. Where there are maps of one expression only, those are used.
    """
    others = [stretched(heat) for key, heat in heats.items() if key[-1] != expression] or [stretched(heat) for heat in heats.values()]
    return np.mean(others, axis=0)


def exact_overlaps(planted: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the IoU with each mask of a map that shows exactly what moved, {expression: 0 to 1}: averaged and thresholded as others are.

    planted: {expression: (n, 275, 224)} or (275, 224): displacements or their ranks (`lib.explain.planted`) on the standard face.
    Expressions for which nothing moved are NaN. No upper bound: a mask is a reading of the Action Units, and a map that knows nothing of
    what moved may lie nearer to it.
    """
    result = {}
    for name, moved in planted.items():
        moved = np.asarray(moved, np.float64)
        moved = moved.mean(axis=0) if moved.ndim == 3 and len(moved) else moved
        result[name] = iou(_of(masks, name), threshold(moved)) if moved.size and moved.any() else np.nan
    return result


def corrected(observed, chance):
    """Return agreement beyond chance, (observed − chance) / (1 − chance): 0 at chance, 1 for the same places, negative below chance.

    Numbers or arrays, NaN where chance is 1. It has the form of Cohen's kappa. Ours.
    """
    observed, chance = np.asarray(observed, np.float64), np.asarray(chance, np.float64)
    room = 1 - chance
    return np.divide(observed - chance, room, out=np.full(np.broadcast(observed, room).shape, np.nan), where=room > 0)[()]


def alignment(heats: Mapping[tuple, np.ndarray], masks: Mapping[str, np.ndarray], exact: Mapping[str, float] | None = None, *,
              against: str = "segments", draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:  # fmt: skip
    """Return how far each heat map agrees with its expression's mask, beside what knows less or more; one row a map.

    heats: {(network, expression): (275, 224)}, or longer keys such as (network, fold, expression), whose middle parts become `fold`.
    masks: {expression: bool (275, 224)}; or planted evidence, thresholded. exact: of `exact_overlaps`, where it is known what moved.
    Columns: network, [fold], expression, area (share of the canvas found), mask_area, iou, f1; chance_pixels, chance_segments (mean of the
    random maps), chance_centre, chance_face: the IoU of a map of this area that knows nothing of the expression; p: share of the random
    segment maps that do as well (plus one in both counts); exact, NaN where not known; corrected: `corrected` for the chance named by
    `against`. A map that is empty or all one value finds nothing (area 0): that is no agreement by chance, and p and corrected are NaN.
    Raises ParameterError for another size, an expression without a mask or an unknown chance.
    """
    if against not in CHANCES:
        raise ParameterError(f"Received the chance {against!r}, expected one of {', '.join(CHANCES)}.{did_you_mean(str(against), CHANCES)}")
    scores, centre, known = random_scores(draws, SEGMENTS, seed), centre_prior(), {}
    rows = []
    for key, heat in heats.items():
        name, mask, found = key[-1], _of(masks, key[-1]), threshold(heat)
        measured = overlap(mask, found)
        area = int(found.sum())
        if name not in known:
            known[name] = face_prior(heats, name), _by_rank(mask, scores)
        prior, ranks = known[name]
        random = _iou_at(area, int(np.count_nonzero(mask)), *ranks)
        chances = {"pixels": iou_of_random_pixels(mask, area), "segments": random.mean(),
                   "centre": iou(mask, area_matched(centre, area)), "face": iou(mask, area_matched(prior, area))}  # fmt: skip
        there = np.nan if area == 0 else 1.0  # what is told of maps that find something only
        rows.append({
            "network": key[0], **({"fold": key[1]} if len(key) > 2 else {}), "expression": name, "area": area / found.size,
            "mask_area": mask.mean(), "iou": measured["iou"], "f1": measured["f1"], **{f"chance_{one}": chances[one] for one in CHANCES},
            "p": there * (1 + np.count_nonzero(random >= measured["iou"])) / (1 + len(random)),
            "exact": (exact or {}).get(name, np.nan), "corrected": there * float(corrected(measured["iou"], chances[against])),
        })  # fmt: skip
    return pd.DataFrame(rows)


def specific(heats: Mapping[tuple, np.ndarray], masks: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return whether each network's maps agree with the masks of their own expressions beyond those of the others; one row a network.

    heats, masks: as for `alignment`; with folds in the keys, one row a network and fold. Columns: network, [fold], expressions (k, those
    whose map finds anything), own (mean IoU of a map with its own mask), others (with the masks of the other expressions), specific
    (own − others), p, and a column for each expression: how much its map and its mask agree beyond what both do on average, scaled so that
    their mean is `specific`. NaN with fewer than LEAST expressions. Ours.

    Maps that are the same whatever the expression have specific = 0 exactly, wherever they lie. For any others it is 0 on average over all
    k! ways to deal the maps out to the expressions, and p is the share of these with at least this mean of own overlaps (a permutation
    test, exact). A network taught shuffled labels is such a deal: no name of an expression meant anything more than another to it. Pictures
    are not permuted: even that network has its own reason for each of its answers, and its maps of one answer are alike.
    """
    groups = {}
    for (*who, name), heat in heats.items():
        groups.setdefault(tuple(who), {})[name] = threshold(heat)
    rows = []
    for (network, *fold), found in groups.items():
        names = [name for name, area in found.items() if area.any()]
        overlaps = np.array([[iou(_of(masks, name), found[other]) for name in names] for other in names])
        place = {"network": network, **({"fold": fold[0]} if fold else {})}
        rows.append({**place, "expressions": len(names), **_beyond_others(overlaps, names)})
    return pd.DataFrame(rows)


def _beyond_others(overlaps: np.ndarray, names: list[str]) -> dict[str, float]:
    """Return own, others, specific, p and each expression's part from overlaps (k, k), a row a map and a column a mask."""
    count = len(names)
    if count < LEAST:
        return dict.fromkeys(("own", "others", "specific", "p", *EMOTIONS), np.nan)
    own, others = np.trace(overlaps) / count, (overlaps.sum() - np.trace(overlaps)) / count / (count - 1)
    dealt = overlaps[np.arange(count), np.array(list(permutations(range(count))))].mean(axis=1)
    average = overlaps.mean(axis=1) + overlaps.mean(axis=0) - overlaps.mean()
    parts = dict(zip(names, (np.diag(overlaps) - average) * count / (count - 1), strict=True))
    return {"own": own, "others": others, "specific": own - others, "p": np.mean(dealt >= own - 1e-12),
            **{name: parts.get(name, np.nan) for name in EMOTIONS}}  # fmt: skip


def _of(masks: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in masks:
        raise ParameterError(f"Received a map of {name!r}, for which there is no mask; expected one of {', '.join(masks)}.")
    return masks[name]


# ---- figures


def masks_figure(masks: Mapping[str, np.ndarray], outlines: Mapping[str, np.ndarray] | None = None) -> Figure:
    """Return the masks on the standard face with its landmarks, a panel an expression; outlines: a second set, drawn as lines over them.

    masks, outlines: {expression: bool (275, 224)}. Below each the share of the canvas, and the IoU of the two where there are two.
    """
    figure = Figure(figsize=(2.1 * len(masks), 3.1), layout="constrained")
    points = framed(STANDARD, SHAPE)[:68]
    for axes, (name, mask) in zip(figure.subplots(1, len(masks), squeeze=False)[0], masks.items(), strict=True):
        axes.imshow(mask, cmap=ListedColormap([LIGHT, MASK]), vmin=0, vmax=1, extent=(0, WIDTH, HEIGHT, 0), interpolation="nearest")
        axes.plot(*points.T, "o", color=INK, ms=1.4)
        words = f"{mask.mean():.0%} of the canvas"
        if outlines is not None:
            axes.contour(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5, outlines[name], [0.5], colors=EDGE, linewidths=1.4)
            words += f"\nIoU {iou(mask, outlines[name]):.2f}"
        axes.set(xticks=[], yticks=[], xlim=(0, WIDTH), ylim=(HEIGHT, 0))
        axes.set_title(name, color=INK, fontsize=10)
        axes.set_xlabel(words, color=INK, fontsize=9)
    return figure


def grid_figure(heats: Mapping[tuple, np.ndarray], names: Mapping[str, str] | None = None,
                masks: Mapping[str, np.ndarray] | None = None) -> Figure:  # fmt: skip
    """Return heat maps as a grid, a row a network and a column an expression, each from its lowest to its highest value (Figs. 8 and 9).

    heats: {(network, expression): (275, 224)}; names: {network: title}; masks: {expression: mask}, outlined over the maps.
    Raises ParameterError where there are none.
    """
    if not heats:
        raise ParameterError("Received no heat maps; expected one at least: explain pictures whose faces have landmarks.")
    networks, expressions = (list(dict.fromkeys(key[part] for key in heats)) for part in (0, -1))
    figure = Figure(figsize=(1.15 * len(expressions) + 1.2, 1.45 * len(networks) + 0.3), layout="constrained")
    grid = figure.subplots(len(networks), len(expressions), squeeze=False)
    for row, network in zip(grid, networks, strict=True):
        for axes, name in zip(row, expressions, strict=True):
            axes.set(xticks=[], yticks=[])
            if (network, name) in heats:
                axes.imshow(stretched(heats[network, name]), cmap="inferno", vmin=0, vmax=255)
                if masks is not None:
                    axes.contour(masks[name], [0.5], colors="white", linewidths=0.7)
            if network == networks[0]:
                axes.set_title(name, color=INK, fontsize=10)
        row[0].set_ylabel((names or {}).get(network, network), color=INK, fontsize=9, rotation=0, ha="right", va="center")
    return figure
