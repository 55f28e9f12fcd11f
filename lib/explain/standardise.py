"""Explanations: the standard face: what lies at a landmark of one face is brought to the same place for all, so that maps can be averaged.

Gaya-Morey et al., section 4.2: 68 landmarks and 21 points of the border, triangles between them, and in each triangle the affine map
from the standard face to the picture. The canvas is 224 wide and 275 high. Here the map of a face is made once for all its pixels
(`warp_map`) and OpenCV carries any number of pictures and heat maps over (`warp`).

Coordinates count from a picture's corner, as everywhere in the compendium: the middle of the first pixel is (.5, .5).
"""

from collections.abc import Hashable, Iterable
from functools import lru_cache

import cv2
import numpy as np
from matplotlib.figure import Figure
from scipy.spatial import Delaunay

from lib.compendium.errors import ParameterError, PictureError, did_you_mean
from lib.compendium.figures import INK

WIDTH, HEIGHT = 224, 275  # the canvas, in pixels
BELOW = 25  # rows of the canvas below the face's box; the authors' setting, not stated in the paper
JAW = 17  # the first landmarks, ear to ear: copied to the upper border
BORDER = JAW + 4
OUTSIDE = -10.0  # a map's value where the picture has nothing
TRIANGULATIONS = ("as_published", "as_coded")
METHODS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR}
TINY = 1e-9
LINES, POINTS = "#2b6f8f", "#b5482a"

# The landmarks that dlib's 68-point predictor gives for a black picture of the canvas with the box (0, 0, 224, 250): with nothing to see,
# its mean face after as many steps of the trees. The paper shows the standard face (Fig. 2) without its coordinates. These are computed
# by us as the authors' program does; with them its drawing gives the authors' masks of disgust and surprise to the pixel.
_PIXELS = (
    (16, 90), (17, 119), (20, 148), (27, 176), (37, 204), (52, 229), (69, 250), (90, 265), (114, 269), (138, 265), (159, 249), (176, 227),
    (191, 201), (201, 173), (206, 144), (208, 115), (207, 86),  # jaw
    (37, 61), (50, 52), (66, 50), (83, 53), (97, 61), (121, 61), (135, 53), (152, 49), (168, 50), (182, 58),  # brows
    (109, 79), (110, 99), (110, 118), (110, 138), (89, 151), (100, 156), (111, 159), (122, 155), (132, 151),  # nose
    (53, 81), (63, 74), (75, 74), (86, 81), (75, 84), (63, 85), (134, 80), (145, 73), (157, 73), (167, 79), (157, 83), (145, 83),  # eyes
    (73, 193), (86, 185), (101, 182), (111, 184), (121, 181), (137, 184), (152, 192), (139, 207), (124, 215), (112, 216), (101, 216),
    (85, 208), (79, 193), (101, 191), (111, 192), (121, 190), (145, 192), (122, 199), (112, 201), (101, 200),  # mouth
)  # fmt: skip
STANDARD = np.array(_PIXELS, np.float64) + 0.5  # (68, 2), iBUG order; dlib counts from pixel centres
STANDARD.flags.writeable = False


def from_predictor(weights: str | None = None) -> np.ndarray:
    """Return STANDARD as dlib's predictor gives it, float64 (68, 2), for the authors' black picture.

    weights: path of the predictor; None takes it from the registry. Raises WeightsError where it is not there.
    """
    from lib.faces import landmarks

    predictor = landmarks.predictor(weights)  # says what is missing before dlib is needed
    import dlib

    shape = predictor(np.zeros((HEIGHT, WIDTH, 3), np.uint8), dlib.rectangle(0, 0, WIDTH, HEIGHT - BELOW))
    return np.array([(point.x + 0.5, point.y + 0.5) for point in shape.parts()])


def framed(landmarks: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the 89 points of a face, float64 (89, 2): its landmarks, the jaw's 17 points at the upper border, the four corners.

    landmarks: (68, 2) in pixels; shape: (height, width) of their picture. Points may lie outside it: a chin cut off stays where it is.
    Corners in the order upper left, lower left, upper right, lower right.
    Raises PictureError for a face without landmarks (NaN), ParameterError for anything that is not 68 points.
    """
    points = np.asarray(landmarks, np.float64)
    height, width = _checked_shape(shape)
    if points.shape != (68, 2):
        raise ParameterError(f"Received landmarks {points.shape}; expected (68, 2), x and y of one face in iBUG order.")
    if not np.isfinite(points).all():
        raise PictureError("A face has no landmarks (NaN); expected 68 points. Leave it out: without them nothing says where its eyes are.")
    above = np.stack([points[:JAW, 0], np.zeros(JAW)], axis=1)
    corners = [(0, 0), (0, height), (width, 0), (width, height)]
    return np.concatenate([points, above, corners])


def triangles(points: np.ndarray) -> np.ndarray:
    """Return the Delaunay triangles of `framed` points (89, 2), int (t, 3): places of their corners. Points that coincide count once."""
    # Of a corner of the picture and a point that lies on it the corner counts, or the canvas's own corner would belong to no triangle.
    doubled = (points[:-4, None] == points[-4:]).all(axis=2).any(axis=1)
    kept = np.flatnonzero(np.append(~doubled, [True] * 4))
    return kept[Delaunay(points[kept]).simplices]


@lru_cache(maxsize=1)
def _standard() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the standard face's points (89, 2), triangles (t, 3) and which triangle each pixel lies in (275, 224)."""
    points = framed(STANDARD, (HEIGHT, WIDTH))
    corners = triangles(points)
    return points, corners, _labels(points[corners])


def warp_map(landmarks: np.ndarray, shape: tuple[int, int], triangulation: str = "as_published") -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel of the standard face comes from: (map_x, map_y), float32 (275, 224) each, for `warp`.

    landmarks: (68, 2) in pixels of a picture of shape (height, width). triangulation: "as_published", the triangles of the standard face
    (section 4.2: "for each triangle in the standard image"), or "as_coded", those of the picture's own points, as the authors' program has
    them. The latter may fold over on the standard face; as in the program, the first triangle that holds a pixel has it.
    Values are OpenCV's, which counts from pixel centres; OUTSIDE where the picture has nothing. Raises as `framed` does.
    """
    if triangulation not in TRIANGULATIONS:
        hint = did_you_mean(str(triangulation), TRIANGULATIONS)
        raise ParameterError(f"Received the triangulation {triangulation!r}, expected one of {', '.join(TRIANGULATIONS)}.{hint}")
    source = framed(landmarks, shape)
    target, corners, labels = _standard()
    if triangulation == "as_coded":
        corners = triangles(source)
        labels = _labels(target[corners])
    matrices = _affine(target[corners], source[corners]).astype(np.float32)
    x, y = np.arange(WIDTH, dtype=np.float32) + 0.5, np.arange(HEIGHT, dtype=np.float32)[:, None] + 0.5
    found, none = [], labels < 0
    for axis, size in enumerate((shape[1], shape[0])):
        across, down, start = (np.take(matrices[:, axis, column], labels) for column in range(3))
        place = across * x + down * y + start
        # differs from the authors' program: it looks up pixel corners, whose pixels lie half a pixel up and to the left.
        none = none | (place < 0) | (place > size)
        found.append(np.clip(place - 0.5, 0, size - 1))
    for place in found:
        place[none] = OUTSIDE
    return found[0], found[1]


def _affine(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the affine maps (t, 2, 3) from triangles (t, 3, 2) of the standard face to those of a picture; zeros for flat ones."""
    square = np.concatenate([target, np.ones((len(target), 3, 1))], axis=2)
    flat = np.abs(np.linalg.det(square)) <= TINY
    square[flat] = np.eye(3)
    matrices = np.linalg.solve(square, source).transpose(0, 2, 1)
    matrices[flat] = 0
    return matrices


def _labels(corners: np.ndarray, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Return the first triangle of (t, 3, 2) that each pixel's centre lies in, int (height, width), -1 for none.

    Each edge allows the columns on one side of it. Row by row, three edges leave one run of columns, and all runs are filled at once.
    """
    edges = np.roll(corners, -1, axis=1) - corners
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    which = np.flatnonzero(np.abs(area) > TINY)  # a flat triangle holds nothing
    first = np.clip(np.ceil(corners[which, :, 1].min(axis=1) - 0.5 - TINY), 0, size[0]).astype(int)
    last = np.clip(np.floor(corners[which, :, 1].max(axis=1) - 0.5 + TINY), -1, size[0] - 1).astype(int)
    count = np.maximum(last - first + 1, 0)
    which, row = np.repeat(which, count)[::-1], _runs(first, count)[::-1]  # backwards, so that the first triangle is written last
    sign = np.sign(area[which])[:, None]
    slope = -sign * edges[which, :, 1]
    level = sign * (edges[which, :, 0] * (row[:, None] + 0.5 - corners[which, :, 1]) + edges[which, :, 1] * corners[which, :, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -level / slope
    low = np.where(slope > 0, crossing, -np.inf).max(axis=1)
    high = np.where(slope < 0, crossing, np.inf).min(axis=1)
    first = np.clip(np.ceil(low - 0.5 - TINY), 0, size[1]).astype(int)
    last = np.clip(np.floor(high - 0.5 + TINY), -1, size[1] - 1).astype(int)
    count = np.maximum(last - first + 1, 0)
    labels = np.full(size[0] * size[1], -1)
    labels[_runs(row * size[1] + first, count)] = np.repeat(which, count)
    return labels.reshape(size)


def _runs(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return first, first + 1, … of each run after the other."""
    return np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())


def warp(picture: np.ndarray, maps: tuple[np.ndarray, np.ndarray], method: str = "nearest") -> np.ndarray:
    """Return a picture (h, w, 3) or heat map (h, w) on the standard face, (275, 224, …) of the same type; 0 where there is nothing.

    maps: of `warp_map`, made for this picture's shape. method: "nearest" copies pixels, as the study does; "linear" goes between them.
    """
    picture = np.asarray(picture)
    if method not in METHODS:
        raise ParameterError(f"Received the method {method!r}, expected one of {', '.join(METHODS)}.{did_you_mean(str(method), METHODS)}")
    if picture.ndim not in (2, 3) or 0 in picture.shape or picture.dtype not in (np.uint8, np.float32, np.float64):
        raise ParameterError(f"Received a picture {picture.shape} of {picture.dtype}; expected (h, w) or (h, w, 3) of uint8 or float32.")
    return cv2.remap(picture, *maps, METHODS[method], borderMode=cv2.BORDER_CONSTANT, borderValue=0)


def standardised(maps: np.ndarray, landmarks: np.ndarray, side: float | None = None, triangulation: str = "as_published",
                 method: str = "nearest") -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return heat maps on the standard face, float32 (m, 275, 224), and which of the n faces they are, int (m,).

    maps: (n, h, w). landmarks: (n, 68, 2), in pixels of crops whose width is `side` (by default that of the maps). Faces without
    landmarks (NaN) are left out, so m may be less than n.
    """
    maps, landmarks = np.asarray(maps, np.float32), np.asarray(landmarks, np.float64)
    if maps.ndim != 3 or landmarks.shape != (len(maps), 68, 2):
        raise ParameterError(f"Received maps {maps.shape} and landmarks {landmarks.shape}; expected (n, h, w) and (n, 68, 2).")
    known = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
    scale = maps.shape[2] / side if side else 1.0
    result = np.zeros((len(known), HEIGHT, WIDTH), np.float32)
    for place, face in enumerate(known):
        result[place] = warp(maps[face], warp_map(landmarks[face] * scale, maps.shape[1:], triangulation), method)
    return result, known


def heat_maps(maps: Iterable[np.ndarray], keys: Iterable[Hashable]) -> dict[Hashable, np.ndarray]:
    """Return the mean of the standardised maps of each key, {key: float32 (275, 224)} (Eqs. 1 and 2).

    maps: one (275, 224) after the other, a generator where they are many; keys: what each belongs to, such as (network, fold, expression).
    """
    sums, counts = {}, {}
    for one, key in zip(maps, keys, strict=True):
        one = np.asarray(one, np.float64)
        if one.shape != (HEIGHT, WIDTH) or not np.isfinite(one).all():
            raise ParameterError(f"Received a map {one.shape} for {key!r}, or numbers that are not finite; expected ({HEIGHT}, {WIDTH}).")
        sums[key] = sums[key] + one if key in sums else one.copy()
        counts[key] = counts.get(key, 0) + 1
    return {key: (total / counts[key]).astype(np.float32) for key, total in sums.items()}


def _checked_shape(shape) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 1:
        raise ParameterError(f"Received the shape {tuple(shape)}; expected (height, width) of a picture, in pixels.")
    return shape[0], shape[1]


def face_figure(picture: np.ndarray | None = None, landmarks: np.ndarray | None = None, triangulation: str = "as_published") -> Figure:
    """Return the standard face with its 89 points and triangles (Fig. 2); with a picture, the picture and its standardised form before it.

    picture: uint8 (h, w, 3); landmarks: (68, 2) in its pixels.
    """
    target = _standard()[0]
    if picture is None:
        panels = [(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), target, _standard()[1], "standard face")]
    else:
        source = framed(landmarks, picture.shape[:2])
        corners = _standard()[1] if triangulation == "as_published" else triangles(source)
        moved = warp(picture, warp_map(landmarks, picture.shape[:2], triangulation))
        panels = [(picture, source, corners, "picture"), (moved, target, corners, "standardised")]
    figure = Figure(figsize=(3.4 * len(panels), 4.2), layout="constrained")
    for axes, (shown, points, corners, title) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        height, width = shown.shape[:2]
        axes.imshow(shown, extent=(0, width, height, 0))
        axes.triplot(*points.T, corners, color=LINES, lw=0.6)
        axes.plot(*points.T, "o", color=POINTS, ms=2.4, clip_on=False)
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[0, width], yticks=[0, height])
        axes.set_title(title, color=INK, fontsize=10)
    return figure
