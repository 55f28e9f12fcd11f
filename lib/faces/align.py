"""Faces: alignment by the eye line: each face turned, scaled and shifted so that its eyes lie at stated places of a square crop.

Where the eyes come from is recorded: "landmarks" (68 points), else "points" (MTCNN's five), else "box" (no eyes: the box alone, turned
by the face's roll). The studies do not state their eye places; these keep the face from brow to chin with a margin.
"""

import math

import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces import transforms
from lib.faces.landmarks import eye_centres

EYE_HEIGHT = 0.38  # of the crop's side, from the top; not stated in the paper
EYE_DISTANCE = 0.36  # of the crop's side, between the two eyes; not stated in the paper
BOX_MARGIN = 1.2  # crop's side over the box's longer side when only the box is known; not stated in the paper
STATUSES = ("landmarks", "points", "box")


def align(picture: np.ndarray, box, size: int = 224, landmarks=None, points=None, roll: float = 0.0) -> tuple:
    """Cut one face out, aligned by its eyes.

    `picture`: uint8 RGB (h, w, 3); `box`: x, y, width, height; `size`: side of the crop in pixels (at least 8); `landmarks`: (68, 2)
    or None; `points`: MTCNN's five (5, 2) or None; `roll`: lean in degrees, used when there are no eyes. Returns (crop uint8
    (size, size, 3), transform from picture to crop, status: landmarks, points or box).
    """
    transform, status = alignment(box, size, landmarks, points, roll)
    return transforms.apply(picture, transform), transform, status


def alignment(box, size: int = 224, landmarks=None, points=None, roll: float = 0.0) -> tuple:
    """Return the similarity transform from picture to crop and its status, without touching pixels; see `align`."""
    if size < 8:
        raise ParameterError(f"Received a crop size of {size} pixels, expected at least 8: change the parameter.")
    for status, eyes in (("landmarks", None if landmarks is None else eye_centres(landmarks)),
                         ("points", None if points is None else np.asarray(points, float)[:2])):
        if eyes is not None and plausible(eyes, box, roll):
            return from_eyes(eyes, size), status
    return transforms.upright(box, size, BOX_MARGIN, roll), "box"


def plausible(eyes: np.ndarray, box, roll: float = 0.0) -> bool:
    """Tell whether two eyes (2, 2) can belong to the box: finite, inside it (a tenth of slack), apart, not far from its roll.

    Eyes less than a fifth of the box apart belong to a profile; scaling by them would blow a nose up to the whole crop.
    """
    eyes = np.asarray(eyes, float)
    if not np.all(np.isfinite(eyes)):
        return False
    x, y, width, height = (float(value) for value in box)
    slack = 0.1 * max(width, height)
    inside = np.all(eyes >= [x - slack, y - slack]) and np.all(eyes <= [x + width + slack, y + height + slack])
    across, down = eyes[1] - eyes[0]
    apart = 0.2 * max(width, height) <= math.hypot(across, down) <= max(width, height)
    tilt = (-math.degrees(math.atan2(down, across)) - roll + 180) % 360 - 180
    return bool(inside and apart and abs(tilt) <= 45)


def from_eyes(eyes: np.ndarray, size: int) -> transforms.Transform:
    """Return the similarity transform that puts two eyes (2, 2) of the picture at their places in a crop of `size` pixels."""
    eyes = np.asarray(eyes, float)
    across, down = eyes[1] - eyes[0]
    distance, angle = math.hypot(across, down), math.atan2(down, across)
    factor = EYE_DISTANCE * size / distance
    cosine, sine = factor * math.cos(angle), factor * math.sin(angle)
    matrix = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1.0]])
    matrix[:2, 2] = np.array([0.5, EYE_HEIGHT]) * size - matrix[:2, :2] @ eyes.mean(axis=0)
    rows = tuple(tuple(float(value) for value in row) for row in matrix)
    return transforms.Transform("eyes", rows, size, size, {"factor": float(factor), "degrees": float(math.degrees(angle))})
