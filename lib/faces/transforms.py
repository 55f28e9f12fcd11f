"""Faces: the ladder's picture transforms as exact affine maps, and the way back for points and boxes.

Coordinates are continuous: the pixel in column i covers [i, i + 1), so a box `x, y, width, height` covers exactly its pixels and a
picture of width w reaches from 0 to w. In these coordinates scaling is `x' = s x` without half-pixel terms; `apply` adds the half
pixels where OpenCV, which counts from pixel centres, needs them.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from lib.compendium.errors import ParameterError


@dataclass(frozen=True)
class Transform:
    """A map from an original picture to a transformed one.

    `name`: scale, crop, zoom, rotate, mirror, shift, region, or several joined by "+"; `matrix`: three rows of three floats, original
    to transformed, continuous pixel coordinates; `width`, `height`: size of the transformed picture in pixels; `parameters`: what it
    was made from, plain numbers, for tables.
    """

    name: str
    matrix: tuple
    width: int
    height: int
    parameters: dict = field(default_factory=dict)


def _transform(name: str, matrix, width: int, height: int, **parameters) -> Transform:
    rows = tuple(tuple(float(value) for value in row) for row in np.asarray(matrix, float))
    return Transform(name, rows, int(width), int(height), {key: float(value) for key, value in parameters.items()})


def _check(width: int, height: int, value: float, name: str, low: float, high: float) -> None:
    if width < 1 or height < 1:
        raise ParameterError(f"Received a picture size of {width} x {height} pixels, expected at least 1 x 1: check the picture.")
    if not (math.isfinite(value) and low <= value <= high):
        raise ParameterError(f"Received {name} = {value}, expected a number from {low} to {high}: change the ladder's settings.")


def identity(width: int, height: int) -> Transform:
    """Return the transform that leaves a picture of `width` x `height` pixels as it is."""
    return _transform("none", np.eye(3), width, height)


def scale(width: int, height: int, factor: float) -> Transform:
    """Return the scaling of a picture by `factor` (0.0001 to 64; below 1 shrinks).

    The size is rounded to whole pixels; the matrix carries the scale really reached on each axis, so the way back is exact.
    """
    _check(width, height, factor, "scale factor", 0.0001, 64.0)
    new_width, new_height = max(1, round(width * factor)), max(1, round(height * factor))
    return _transform("scale", np.diag([new_width / width, new_height / height, 1.0]), new_width, new_height, factor=factor)


def centre_crop(width: int, height: int, fraction: float) -> Transform:
    """Return the crop of the central `fraction` (0.01 to 1) of each side, in whole pixels, at the same scale."""
    _check(width, height, fraction, "crop fraction", 0.01, 1.0)
    new_width, new_height = max(1, round(width * fraction)), max(1, round(height * fraction))
    left, top = (width - new_width) // 2, (height - new_height) // 2
    return _transform("crop", [[1, 0, -left], [0, 1, -top], [0, 0, 1]], new_width, new_height, fraction=fraction)


def centre_zoom(width: int, height: int, fraction: float, enlargement: float | None = None) -> Transform:
    """Return the central `fraction` of each side enlarged by `enlargement` (None: back to about the size of the whole picture)."""
    enlargement = 1.0 / fraction if enlargement is None and fraction else enlargement
    crop = centre_crop(width, height, fraction)
    both = compose(crop, scale(crop.width, crop.height, enlargement))
    return _transform("zoom", both.matrix, both.width, both.height, fraction=fraction, enlargement=enlargement)


def rotate(width: int, height: int, degrees: float) -> Transform:
    """Return the rotation by `degrees` (-360 to 360, positive: counter-clockwise as seen) about the centre, canvas enlarged to hold it."""
    _check(width, height, degrees, "rotation in degrees", -360.0, 360.0)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    new_width = math.ceil(abs(width * cosine) + abs(height * sine) - 1e-9)
    new_height = math.ceil(abs(width * sine) + abs(height * cosine) - 1e-9)
    turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    turn[:2, 2] = np.array([new_width, new_height]) / 2 - turn[:2, :2] @ (np.array([width, height]) / 2)
    return _transform("rotate", turn, new_width, new_height, degrees=degrees)


def mirror(width: int, height: int) -> Transform:
    """Return the left-right mirror image."""
    _check(width, height, 1.0, "mirror", 1.0, 1.0)
    return _transform("mirror", [[-1, 0, width], [0, 1, 0], [0, 0, 1]], width, height)


def region(box, side: int, margin: float) -> Transform:
    """Return the square neighbourhood of a box, scaled so that the neighbourhood is `side` pixels wide.

    `box`: x, y, width, height; the neighbourhood is `margin` times the box's longer side, about the box's centre, and may reach
    beyond the picture (`apply` fills with the picture's border colour).
    """
    x, y, width, height = (float(value) for value in box)
    if not (width > 0 and height > 0 and side >= 1 and margin > 0):
        raise ParameterError(f"Received box {tuple(box)}, side {side}, margin {margin}, expected positive sizes: check the box.")
    factor = side / (margin * max(width, height))
    left, top = x + width / 2 - side / factor / 2, y + height / 2 - side / factor / 2
    return _transform("region", [[factor, 0, -factor * left], [0, factor, -factor * top], [0, 0, 1]], side, side, factor=factor)


def upright(box, side: int, margin: float, degrees: float = 0.0) -> Transform:
    """Return the neighbourhood of a box (see `region`) turned so that a face leaning by `degrees` (its `roll`) stands upright.

    Always `side` x `side` pixels: when the neighbourhood is turned its corners come from further out, the scale stays.
    """
    near = region(box, side, margin)
    if not degrees:
        return near
    turn = rotate(side, side, -degrees)
    off = (turn.width - side) / 2, (turn.height - side) / 2
    cut = np.array([[1, 0, -off[0]], [0, 1, -off[1]], [0, 0, 1.0]])
    matrix = cut @ np.asarray(turn.matrix) @ np.asarray(near.matrix)
    return _transform("region+rotate", matrix, side, side, **near.parameters, degrees=-degrees)


def compose(first: Transform, second: Transform) -> Transform:
    """Return `first` followed by `second` as one transform; the pixels are then interpolated once, not twice."""
    parts = [part for part in (first, second) if part.name != "none"]
    name = "+".join(part.name for part in parts) or "none"
    matrix = np.asarray(second.matrix) @ np.asarray(first.matrix)
    return _transform(name, matrix, second.width, second.height, **{**first.parameters, **second.parameters})


def border_colour(picture: np.ndarray) -> tuple:
    """Return the median colour of the outermost pixels, (3,) integers 0 to 255.

    Rotated corners and regions beyond the edge are filled with it: black corners would add strong edges that are not in the picture,
    and mirrored filling would show a face twice.
    """
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return tuple(int(value) for value in np.median(edge, axis=0))


def apply(picture: np.ndarray, transform: Transform) -> np.ndarray:
    """Return the transformed picture, uint8 RGB (transform.height, transform.width, 3).

    Shrinking averages areas first (antialiasing): without it fine texture folds into coarse false texture, which detectors see.
    """
    part, matrix = _needed_part(picture, transform)
    small, shrunk = _shrink(part, matrix)
    rest = matrix @ np.linalg.inv(shrunk)
    if small.shape[:2] == (transform.height, transform.width) and np.allclose(rest, np.eye(3), atol=1e-9):
        return np.ascontiguousarray(small)
    if np.allclose(rest[:2, :2], np.eye(2), atol=1e-12) and np.allclose(rest[:2, 2], np.round(rest[:2, 2]), atol=1e-9):
        crop = _crop(small, np.round(rest[:2, 2]).astype(int), transform)
        if crop is not None:
            return crop
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    centres = np.linalg.inv(half) @ rest @ half  # OpenCV counts from pixel centres
    return cv2.warpAffine(small, centres[:2], (transform.width, transform.height), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_CONSTANT, borderValue=border_colour(picture))


def _needed_part(picture: np.ndarray, transform: Transform) -> tuple:
    """Return the part of the picture that the transform shows, whole pixels with some slack, and the matrix from that part.

    Second looks at a small face of a large photograph then cost what the face costs, not what the photograph costs.
    """
    height, width = picture.shape[:2]
    matrix = np.asarray(transform.matrix)
    corners = map_points_back([[0, 0], [transform.width, 0], [0, transform.height], [transform.width, transform.height]], transform)
    slack = 4 * max(1.0, 1 / math.sqrt(abs(np.linalg.det(matrix[:2, :2]))))  # a few pixels of the transformed picture
    left, top = (int(max(0, math.floor(value - slack))) for value in corners.min(axis=0))
    right, bottom = (int(min(limit, math.ceil(value + slack))) for value, limit in zip(corners.max(axis=0), (width, height), strict=True))
    if (right - left) * (bottom - top) > 0.8 * width * height or right - left < 1 or bottom - top < 1:
        return picture, matrix
    return picture[top:bottom, left:right], matrix @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1.0]])


def _crop(picture: np.ndarray, offset: np.ndarray, transform: Transform) -> np.ndarray | None:
    """Return whole pixels cut out when the cut lies inside the picture, else None."""
    left, top = -offset
    height, width = picture.shape[:2]
    if left < 0 or top < 0 or left + transform.width > width or top + transform.height > height:
        return None
    return np.ascontiguousarray(picture[top:top + transform.height, left:left + transform.width])


def _shrink(picture: np.ndarray, matrix: np.ndarray) -> tuple:
    """Return the picture shrunk by area averaging as far as the matrix shrinks each axis, and the shrinking as a (3, 3) matrix."""
    height, width = picture.shape[:2]
    across, down = (min(1.0, math.hypot(*matrix[:2, axis])) for axis in (0, 1))
    new_width, new_height = max(1, round(width * across)), max(1, round(height * down))
    if (new_width, new_height) == (width, height):
        return picture, np.eye(3)
    small = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_AREA)
    return small, np.diag([new_width / width, new_height / height, 1.0])


def map_points(points, transform: Transform) -> np.ndarray:
    """Map points (n, 2), x and y in pixels of the original, into the transformed picture. Returns float64 (n, 2)."""
    matrix = np.asarray(transform.matrix)
    return np.asarray(points, float).reshape(-1, 2) @ matrix[:2, :2].T + matrix[:2, 2]


def map_points_back(points, transform: Transform) -> np.ndarray:
    """Map points (n, 2) of the transformed picture back into the original: the exact inverse of `map_points`."""
    inverse = np.linalg.inv(np.asarray(transform.matrix))
    return np.asarray(points, float).reshape(-1, 2) @ inverse[:2, :2].T + inverse[:2, 2]


def is_turned(transform: Transform) -> bool:
    """Tell whether the transform mixes the axes, so that upright boxes do not stay upright."""
    matrix = np.asarray(transform.matrix)
    return bool(abs(matrix[0, 1]) > 1e-12 or abs(matrix[1, 0]) > 1e-12)


def map_box(box, transform: Transform) -> tuple:
    """Map a box x, y, width, height of the original into the transformed picture; see `map_box_back` for rotations."""
    return _upright(box, transform, map_points, np.asarray(transform.matrix))


def map_box_back(box, transform: Transform) -> tuple:
    """Map a box x, y, width, height found in the transformed picture back into the original. Returns four floats.

    Without rotation this is exact: the corners are mapped. Under a rotation an upright box becomes a turned one; what is returned is
    the upright box of the same size (divided by the scale) about the mapped centre, and `roll` keeps the angle. The upright box
    around the turned corners would be larger than the face by up to the square root of two.
    """
    return _upright(box, transform, map_points_back, np.linalg.inv(np.asarray(transform.matrix)))


def _upright(box, transform: Transform, mapping, matrix: np.ndarray) -> tuple:
    x, y, width, height = (float(value) for value in box)
    if not is_turned(transform):
        corners = mapping([[x, y], [x + width, y + height]], transform)
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        return float(left), float(top), float(right - left), float(bottom - top)
    centre_x, centre_y = mapping([[x + width / 2, y + height / 2]], transform)[0]
    size = math.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    return float(centre_x - width * size / 2), float(centre_y - height * size / 2), float(width * size), float(height * size)


def is_mirrored(transform: Transform) -> bool:
    """Tell whether left and right change places."""
    return bool(np.linalg.det(np.asarray(transform.matrix)[:2, :2]) < 0)


def roll(transform: Transform) -> float:
    """Return the angle in degrees, -180 to 180, by which a face upright in the transformed picture is turned in the original.

    Positive: the head leans counter-clockwise as seen. A picture turned counter-clockwise by 30 degrees to make its face upright
    had the face leaning clockwise: roll -30.
    """
    inverse = np.linalg.inv(np.asarray(transform.matrix))
    right = inverse[:2, 0] * (-1.0 if is_mirrored(transform) else 1.0)  # the face's own horizontal, in the original
    angle = -math.degrees(math.atan2(right[1], right[0]))
    return 0.0 if angle == 0 else float(angle)


def clip_box(box, width: int, height: int) -> tuple | None:
    """Return the part of a box inside a picture of `width` x `height` pixels, or None where they do not meet."""
    left, top = max(0.0, float(box[0])), max(0.0, float(box[1]))
    right, bottom = min(float(width), float(box[0]) + float(box[2])), min(float(height), float(box[1]) + float(box[3]))
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None
