"""Labellers: what a face looks like to an Action Unit model: aligned to a mean face, masked, histograms of gradients, its geometry.

The recipe is OpenFace 2's (Baltrušaitis, Mahmoud and Robinson, FG 2015; Baltrušaitis and others, FG 2018) with our own code: 24 points
that hardly move with expression are laid on a mean face of .7 pixels a millimetre in a picture of 112 x 112; what is not face is black;
Felzenszwalb's histograms of gradients (PAMI 2010) with cells of 8 pixels give 12 x 12 x 31 numbers; the aligned landmarks the rest.
"""

from functools import lru_cache

import cv2
import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces import transforms

SIDE = 112  # pixels of the aligned picture
PIXELS_PER_MILLIMETRE = 0.7
MILLIMETRES = 70.0  # of the atelier's unit, .9 of which lie between the pupils: 63 mm, an adult's
BROWS = 19.0  # pixels from the upper edge to the mean face's brows, so that a forehead's wrinkles are seen; not stated in the paper
RIGID = np.array([*range(1, 5), *range(12, 16), *range(27, 30), *range(31, 37), *range(39, 43), *range(45, 48)])  # numbers from 0
RAISED = np.array([0, 16, *range(17, 27)])  # brows and temples: the mask's points that are moved up to keep the forehead
FOREHEAD = 30.0  # pixels of the aligned picture they are moved up
CELL = 8  # pixels
BINS = 31  # 18 directions, 9 without sign, 4 energies of the neighbourhoods
CELLS = SIDE // CELL - 2  # the outermost cells have no full neighbourhood
HISTOGRAMS = CELLS * CELLS * BINS
GEOMETRY = 2 * 68
FEATURES = HISTOGRAMS + GEOMETRY
LARGEST = 0.2  # at which a normalised histogram is cut off; Felzenszwalb and others, section 6.2
FLAT = 1e-4  # added to the energy of a neighbourhood, so that a flat one gives 0


@lru_cache(maxsize=1)
def mean_shape() -> np.ndarray:
    """Return the mean face: 68 points (68, 2) float64 in pixels of the aligned picture, iBUG order, symmetric. Do not write to it.

    It is the atelier's plain head seen from the front from far away, at rest. Its chin lies at the lower edge or just beyond.
    """
    from lib.collections.atelier import form

    # differs from the paper: OpenFace's mean face comes from its shape model, fitted on photographs; this one is our own.
    points = form.head(form.plain_shape(), {})[1][:, :2].astype(float) * (1, -1) * MILLIMETRES * PIXELS_PER_MILLIMETRE
    points += (SIDE / 2, BROWS) - np.array([points[:, 0].mean(), points[:, 1].min()])
    points.setflags(write=False)
    return points


# ---- alignment


def similarity(points, target) -> np.ndarray:
    """Return the turn, scale and shift, float64 (n, 2, 3), that bring points (n, k, 2) closest to target (k, 2) in least squares.

    The closed form of Umeyama (PAMI 1991) in the plane, without mirroring: with points as complex numbers about their centre the
    factor is a quotient of two sums. NaN where points are NaN or all in one place.
    """
    here, there = np.asarray(points, float), np.asarray(target, float)
    centre, goal = here.mean(axis=1), there.mean(axis=0)
    p = (here - centre[:, None]) @ (1, 1j)
    q = (there - goal) @ (1, 1j)
    energy = (np.abs(p) ** 2).sum(axis=1)
    factor = (p.conj() @ q) * np.divide(1, energy, where=energy > 1e-12, out=np.full(len(p), np.nan))
    turn = np.stack([factor.real, -factor.imag, factor.imag, factor.real], axis=-1).reshape(-1, 2, 2)
    shift = goal - (turn @ centre[..., None])[..., 0]
    return np.concatenate([turn, shift[..., None]], axis=2)


def aligned(landmarks) -> tuple[np.ndarray, np.ndarray]:
    """Return the transforms to the aligned picture (n, 2, 3) and the landmarks there (n, 68, 2), from landmarks (n, 68, 2) in pixels."""
    landmarks = check_landmarks(landmarks)
    # differs from the paper: OpenFace takes the shift from its shape model's pose; here it belongs to the same least squares.
    matrices = similarity(landmarks[:, RIGID], mean_shape()[RIGID])
    return matrices, np.einsum("nij,nkj->nki", matrices[:, :, :2], landmarks) + matrices[:, None, :, 2]


def check_landmarks(landmarks) -> np.ndarray:
    """Return landmarks as float64 (n, 68, 2), or raise ParameterError."""
    landmarks = np.asarray(landmarks, float)
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2):
        raise ParameterError(f"Received landmarks of shape {landmarks.shape}; expected (n, 68, 2), 68 points in iBUG order a face.")
    return landmarks


def usable(landmarks) -> np.ndarray:
    """Return (n,) true where all 68 points are known and the rigid ones span a face that can be laid on the mean face."""
    landmarks = check_landmarks(landmarks)
    return np.isfinite(landmarks).all(axis=(1, 2)) & np.isfinite(similarity(landmarks[:, RIGID], mean_shape()[RIGID])).all(axis=(1, 2))


def mask(points) -> np.ndarray:
    """Return the face's mask, uint8 (112, 112) of 0 and 1: the convex hull of aligned landmarks (68, 2), forehead included."""
    points = np.array(points, float)
    points[RAISED, 1] -= FOREHEAD
    filled = np.zeros((SIDE, SIDE), np.uint8)
    # Points far outside would overflow OpenCV's integers; within these bounds the hull inside the picture is as good as the same.
    hull = cv2.convexHull(np.round(np.clip(points, -4 * SIDE, 5 * SIDE) - 0.5).astype(np.int32))
    return cv2.fillConvexPoly(filled, hull, 1)


def aligned_picture(crop: np.ndarray, matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return a crop (uint8 RGB) in the aligned picture, uint8 (112, 112, 3), black beyond the mask of aligned landmarks."""
    # Crops may end above the chin: their border goes on beyond, so that where a crop ends is no edge of the face.
    beyond = max(crop.shape[:2]) // 3
    wider = cv2.copyMakeBorder(crop, beyond, beyond, beyond, beyond, cv2.BORDER_REPLICATE)
    rows = np.vstack([matrix, (0, 0, 1)]) @ np.array([(1, 0, -beyond), (0, 1, -beyond), (0, 0, 1)])
    whole = transforms.Transform("aligned", tuple(tuple(map(float, row)) for row in rows), SIDE, SIDE)
    return transforms.apply(wider, whole) * mask(points)[..., None]


# ---- histograms of gradients


def histograms(pictures) -> np.ndarray:
    """Return Felzenszwalb's histograms of gradients, float32 (n, 12, 12, 31), of pictures uint8 (n, 112, 112, 3).

    Any sides that are multiples of 8 and at least 24 will do: (n, height/8 - 2, width/8 - 2, 31). Of a cell: 18 directions of the
    gradient (20 degrees apart, the first is right, then clockwise as seen), 9 orientations without sign, and the
    energy in its four neighbourhoods of 2 x 2 cells (upper left, upper right, lower left, lower right). Each picture on its own.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.dtype != np.uint8 or any(side % CELL or side < 3 * CELL for side in pictures.shape[1:3]):
        raise ParameterError(
            f"Received pictures of shape {pictures.shape} and type {pictures.dtype}; expected uint8 (n, height, width, 3) with sides that "
            f"are multiples of {CELL} and at least {3 * CELL}."
        )
    down, right = pictures.shape[1] // CELL - 2, pictures.shape[2] // CELL - 2
    result = np.empty((len(pictures), down, right, BINS), np.float32)
    for number, picture in enumerate(pictures):  # one at a time: a picture's numbers stay in the processor's cache
        result[number] = _normalised(_cells(picture))
    return result


def _cells(picture: np.ndarray) -> np.ndarray:
    """Return gradient magnitudes gathered by cell and direction (rows, columns, 18); each pixel is shared by its four nearest cells."""
    height, width = picture.shape[:2]
    x, y = _gradient(picture)
    # The nearest of 18 directions. Straight up and down lie between two; both go the same way, so that they share an orientation.
    direction = np.ceil(np.arctan2(y, x) * np.float32(9 / np.pi) - np.float32(0.5001)).astype(np.int64) % 18
    magnitude = np.hypot(x, y).ravel()
    rows, columns = height // CELL, width // CELL
    total = np.zeros((rows + 2) * (columns + 2) * 18)
    for place, weight in _shares(height, width):
        total += np.bincount(place + direction.ravel(), magnitude * weight, total.size)
    return total.reshape(rows + 2, columns + 2, 18)[1:-1, 1:-1].astype(np.float32)


def _gradient(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the gradient inside the picture (height - 2, width - 2): of the colour that changes most at each pixel."""
    values = picture.astype(np.float32)
    x = values[1:-1, 2:] - values[1:-1, :-2]
    y = values[2:, 1:-1] - values[:-2, 1:-1]
    if x.ndim == 3:
        most = np.argmax(x * x + y * y, axis=2)[..., None]
        x, y = (np.take_along_axis(part, most, 2)[..., 0] for part in (x, y))
    return x, y


@lru_cache(maxsize=4)
def _shares(height: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for the four cells about each inner pixel their first place in the table of cells and the pixel's share (bilinear)."""
    columns = width // CELL + 2
    (upper, below), (left, beside) = (_between(side) for side in (height, width))
    result = []
    for down, row_share in ((0, 1 - below), (1, below)):
        for across, column_share in ((0, 1 - beside), (1, beside)):
            cell = (upper + down)[:, None] * columns + (left + across)[None]
            result.append((18 * cell.ravel(), (row_share[:, None] * column_share[None]).astype(np.float32).ravel()))
    return result


def _between(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, for pixels 1 to side - 2, the cell (one is added for the frame) whose centre lies before it, and how far beyond it lies."""
    place = (np.arange(1, side - 1) + 0.5) / CELL - 0.5
    first = np.floor(place).astype(np.int64)
    return first + 1, place - first


def _normalised(cells: np.ndarray) -> np.ndarray:
    """Return (rows - 2, columns - 2, 31) from cells (rows, columns, 18): each over the energy of its four neighbourhoods, cut off."""
    unsigned = cells[..., :9] + cells[..., 9:]
    energy = (unsigned**2).sum(axis=2)
    block = energy[:-1, :-1] + energy[1:, :-1] + energy[:-1, 1:] + energy[1:, 1:]
    norm = 1 / np.sqrt(block + FLAT)
    around = np.stack([norm[:-1, :-1], norm[:-1, 1:], norm[1:, :-1], norm[1:, 1:]], axis=-1)[..., None, :]
    signed = np.minimum(cells[1:-1, 1:-1, :, None] * around, LARGEST)
    plain = np.minimum(unsigned[1:-1, 1:-1, :, None] * around, LARGEST)
    energies = signed.sum(axis=2) / np.sqrt(np.float32(18))
    return np.concatenate([signed.sum(axis=3) / 2, plain.sum(axis=3) / 2, energies], axis=2)


# ---- together


def features(crops, landmarks) -> np.ndarray:
    """Return what the models see, float32 (n, 4600): 4464 histograms, then 68 aligned points less the mean face, x and y in turn.

    `crops`: uint8 RGB (n, S, S, 3), any S; `landmarks`: (n, 68, 2) in crop pixels. A face whose landmarks are not `usable` gets NaN.
    Each face's numbers depend on that face alone. Raises ParameterError for wrong shapes.
    """
    landmarks = check_landmarks(landmarks)
    if np.ndim(crops) != 4 or len(crops) != len(landmarks) or np.shape(crops)[3] != 3 or crops.dtype != np.uint8:
        raise ParameterError(f"Received crops of shape {np.shape(crops)} and {len(landmarks)} sets of landmarks; expected uint8 "
                             "(n, S, S, 3) and as many sets of landmarks.")  # fmt: skip
    result = np.full((len(landmarks), FEATURES), np.nan, np.float32)
    good = np.flatnonzero(usable(landmarks))
    matrices, points = aligned(landmarks[good])
    result[good, HISTOGRAMS:] = (points - mean_shape()).reshape(len(good), GEOMETRY)
    for row, matrix, shape in zip(good, matrices, points, strict=True):
        picture = aligned_picture(np.asarray(crops[row]), matrix, shape)
        result[row, :HISTOGRAMS] = histograms(picture[None]).ravel()
    return result
