"""Faces: the 68 landmarks of a face in iBUG order, by dlib's regression trees (Kazemi and Sullivan 2014; weights trained on 300-W).

The weights are for research use only (300-W's terms); they come through the registry of weights, never with this repository.
dlib is imported when it is first used.
"""

from functools import lru_cache

import numpy as np

from lib.compendium.errors import ParameterError, WeightsError
from lib.faces import transforms
from lib.faces.detectors import check_picture

RIGHT_EYE = slice(36, 42)  # the sitter's right eye, on the picture's left (numbers from 0)
LEFT_EYE = slice(42, 48)
SIDE = 400  # pixels of the working region, MARGIN boxes wide: a face of 200 pixels, as large as the training faces
MARGIN = 2.0
# dlib's trees start from the box of dlib's own detector: a square from the brows to below the chin. Its side as a part of our box's
# height, and how far its centre lies below our box's centre (as a part of the height): measured with dlib's own detector on two
# portraits that come with scikit-image and matplotlib. Hand-drawn boxes run from hairline to chin, as MTCNN's do.
CONVENTIONS = {"mtcnn": (0.85, 0.05), "haar": (0.90, 0.08), "hand": (0.85, 0.05)}


def predictor(weights: str | None = None):
    """Return dlib's predictor, loaded once; `weights`: its path, None takes it from the registry. Raises WeightsError."""
    return _loaded(str(weights) if weights else _registered())


@lru_cache(maxsize=2)
def _loaded(path: str):
    import dlib

    try:
        return dlib.shape_predictor(path)
    except RuntimeError as error:
        raise WeightsError(f"Received {path!r}, expected dlib's 68-landmark predictor ({error}): fetch the weights again.") from error


def _registered() -> str:
    from lib.compendium import weights

    return str(weights.path("dlib_68_landmarks"))


def dlib_box(box, detector: str = "mtcnn") -> tuple:
    """Return the square x, y, width, height that dlib's own detector would have given for a box of `detector`."""
    if detector not in CONVENTIONS:
        raise ParameterError(f"Received detector {detector!r}, expected one of {', '.join(CONVENTIONS)}: pass the face's detector.")
    part, below = CONVENTIONS[detector]
    x, y, width, height = (float(value) for value in box)
    side = part * height
    return x + width / 2 - side / 2, y + height / 2 + below * height - side / 2, side, side


def landmarks(picture: np.ndarray, box, detector: str = "mtcnn", roll: float = 0.0, weights: str | None = None) -> np.ndarray:
    """Return the landmarks of the face in a box, float32 (68, 2), x and y in pixels of `picture`, iBUG order.

    `picture`: uint8 RGB (h, w, 3); `box`: x, y, width, height; `detector`: whose convention the box follows (mtcnn, haar, hand);
    `roll`: lean of the face in degrees (the `roll` of a found face): the trees know upright faces, so the region is turned first;
    `weights`: path of the predictor, None takes it from the registry. The trees always give 68 points: whether there is a face is
    not their question. Raises WeightsError when the weights are not there.
    """
    check_picture(picture)
    trees = predictor(weights)
    view = transforms.upright(box, SIDE, MARGIN, roll)
    x, y, width, height = (float(value) for value in box)
    scale = SIDE / (MARGIN * max(width, height))
    centred = (SIDE / 2 - width * scale / 2, SIDE / 2 - height * scale / 2, width * scale, height * scale)
    points = _predict(trees, transforms.apply(picture, view), dlib_box(centred, detector))
    return transforms.map_points_back(points, view).astype(np.float32)


def _predict(trees, picture: np.ndarray, box) -> np.ndarray:
    import dlib

    left, top, width, height = (round(value) for value in box)
    shape = trees(picture, dlib.rectangle(left, top, left + width - 1, top + height - 1))
    return np.array([(point.x + 0.5, point.y + 0.5) for point in shape.parts()])  # dlib counts from pixel centres


def eye_centres(points: np.ndarray) -> np.ndarray:
    """Return the centres of the eye on the picture's left and of the other one, (2, 2), from landmarks (68, 2)."""
    points = np.asarray(points, float)
    return np.stack([points[RIGHT_EYE].mean(axis=0), points[LEFT_EYE].mean(axis=0)])
