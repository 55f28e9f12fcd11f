"""Faces: the two detectors of the sculpture study, Haar cascades (OpenCV) and MTCNN, with plain numbers in and out.

A found face is a dict: `box` (x, y, width, height, floats, pixels of the picture given), `confidence` (float), `detector` ("haar" or
"mtcnn") and `points` (None, or five (x, y) pairs: the eye on the picture's left, the eye on its right, nose, mouth corner on the
left, mouth corner on the right). TensorFlow is imported when MTCNN is first used, not before.
"""

import contextlib
import logging
import os
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from lib.compendium.errors import ParameterError

CELL = 12  # pixels: the window of MTCNN's first network
STRIDE = 2  # pixels between neighbouring windows
STEEPNESS = 0.709  # ratio of neighbouring levels of the scale pyramid, the package's default: half the area each level
THRESHOLDS = (0.6, 0.7, 0.8)  # the package's defaults for its three networks
BATCH = 256  # patches sent through a network at once: bounds the memory whatever the picture holds


def check_picture(picture: np.ndarray) -> None:
    """Raise ParameterError unless `picture` is uint8 RGB (height, width, 3)."""
    if not (isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3):
        what = f"{getattr(picture, 'dtype', type(picture).__name__)} {getattr(picture, 'shape', '')}"
        raise ParameterError(f"Received {what}, expected a uint8 RGB picture (height, width, 3): read it with read_picture.")


def is_blank(picture: np.ndarray, minimum_side: int = CELL) -> bool:
    """Tell whether a picture is too small for any detector (a side below `minimum_side` pixels) or of one colour."""
    return min(picture.shape[:2]) < minimum_side or bool(picture.min() == picture.max())


# ---- Haar


@lru_cache(maxsize=1)
def _cascade() -> cv2.CascadeClassifier:
    path = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise ParameterError(f"OpenCV {cv2.__version__} has no {path.name}, expected OpenCV 4 (version 5 has none): pin opencv below 5.")
    return cascade


def haar(picture: np.ndarray, scale_factor: float = 1.1, neighbours: int = 5, minimum_size: int = 24) -> list:
    """Find frontal faces with OpenCV's `haarcascade_frontalface_default` (Viola and Jones 2001; Lienhart and Maydt 2002).

    `picture`: uint8 RGB (h, w, 3). `scale_factor` above 1: step of the sizes searched. `neighbours` at least 0: overlapping hits that
    make a face. `minimum_size`: smallest face in pixels (the cascade's window is 24). Not stated in the paper: these are the values
    of OpenCV's own examples. Returns found faces, strongest first; `confidence` is the weight of the cascade's last stage (about 0 to
    10, no probability). A blank or tiny picture gives [].
    """
    check_picture(picture)
    if scale_factor <= 1 or neighbours < 0:
        raise ParameterError(f"Received scale_factor {scale_factor}, neighbours {neighbours}, expected above 1 and at least 0.")
    if is_blank(picture, 24):
        return []
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    size = (int(minimum_size), int(minimum_size))
    boxes = _cascade().detectMultiScale(grey, scaleFactor=scale_factor, minNeighbors=int(neighbours), minSize=size)
    found = [_haar_face(grey, [float(value) for value in box]) for box in boxes]
    return sorted(found, key=lambda face: (-face["confidence"], face["box"]))


def _haar_face(grey: np.ndarray, box: list) -> dict:
    return {"box": tuple(box), "confidence": _haar_weight(grey, box), "detector": "haar", "points": None}


def _haar_weight(grey: np.ndarray, box: list) -> float:
    """Return the last stage's weight for one box.

    OpenCV gives weights only in a mode that also lets windows through which failed the last stages, and so finds other boxes. The
    boxes are therefore taken from the plain mode, and the weight from a second, small search around each of them.
    """
    x, y, width, height = (int(value) for value in box)
    margin = max(2, width // 4)
    around = grey[max(0, y - margin):y + height + margin, max(0, x - margin):x + width + margin]
    low, high = int(width * 0.8), int(width * 1.25) + 1
    weights = _cascade().detectMultiScale3(around, scaleFactor=1.05, minNeighbors=1, minSize=(low, low), maxSize=(high, high),
                                           outputRejectLevels=True)[2]
    return max([0.0, *(float(value) for value in np.ravel(weights))])


# ---- MTCNN


def scale_pyramid(width: int, height: int, minimum_face: float = 20.0, steepness: float = STEEPNESS) -> list:
    """Return the scales at which MTCNN's first network looks at a picture, largest first.

    A face of `minimum_face` pixels fills the network's 12-pixel window at the first scale. The package (1.0.0) counts its levels
    without regard to `minimum_face`: from about 30 pixels on, its last levels are smaller than the window, the network fails and the
    package answers "no face". Here the pyramid ends before its shorter side falls below the window.
    """
    if not (minimum_face > 0 and 0 < steepness < 1):
        raise ParameterError(f"Received minimum_face {minimum_face}, steepness {steepness}, expected above 0 and between 0 and 1.")
    scales, value = [], CELL / minimum_face
    while int(value * min(width, height)) >= CELL:
        scales.append(value)
        value *= steepness
    return scales


@contextlib.contextmanager
def silent():
    """Send what the process writes to stderr nowhere: TensorFlow's compiled parts greet there before any log level counts."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _worth_reading(record: logging.LogRecord) -> bool:
    """Tell whether TensorFlow has more to say than that many networks were compiled, each once: it takes that for a mistake."""
    return "triggered tf.function retracing" not in record.getMessage()


logging.getLogger("tensorflow").addFilter(_worth_reading)


def _tensorflow(threads: int = 0):
    """Import TensorFlow quietly; `threads` above 0 bounds its threads, which is possible only before its first use in a process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent():
        import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    if threads:
        with contextlib.suppress(RuntimeError):  # already running: its threads stay as they are
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


@lru_cache(maxsize=1)
def _networks() -> tuple:
    """Load MTCNN's three networks once per process, each as one compiled function that takes any size without tracing again.

    On the processor even where there is a GPU: the pictures are small, and worker processes would fight for the GPU's memory.
    """
    tf = _tensorflow()
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    with tf.device("CPU:0"):
        models = [stage().model for stage in (StagePNet, StageRNet, StageONet)]
    shapes = [(1, None, None, 3), (None, 24, 24, 3), (None, 48, 48, 3)]
    return tuple(_compiled(tf, model, shape) for model, shape in zip(models, shapes, strict=True))


def _compiled(tf, model, shape):
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)
    def run(batch):
        with tf.device("CPU:0"):
            return model(batch, training=False)

    return lambda batch: [output.numpy() for output in run(tf.constant(batch, tf.float32))]


def mtcnn(picture: np.ndarray, minimum_face: float = 20.0, thresholds: tuple = THRESHOLDS, steepness: float = STEEPNESS,
          threads: int = 0) -> list:
    """Find faces with MTCNN (Zhang, Zhang, Li and Qiao 2016; networks and weights of the `mtcnn` package 1.0.0).

    `picture`: uint8 RGB (h, w, 3). `minimum_face`: smallest face in pixels. `thresholds`: three probabilities, one per network.
    `threads`: processor threads of TensorFlow, 0 leaves its own choice (it can be set only before TensorFlow's first use). The
    defaults are the package's; not stated in the paper. Returns found faces, surest first; `confidence` is the last network's
    probability. A blank or tiny picture gives [].

    The steps are the package's, so that "MTCNN alone" means what its users get; differences: the pyramid's end (`scale_pyramid`),
    networks compiled once, boxes compared in blocks and patches sent in batches (memory stays bounded), no rounding to whole pixels.
    """
    check_picture(picture)
    if is_blank(picture):
        return []
    if threads and not _networks.cache_info().currsize:
        _tensorflow(threads)
    first, second, third = _networks()
    normal = (picture.astype(np.float32) - 127.5) / 128
    proposals = _propose(normal, first, scale_pyramid(picture.shape[1], picture.shape[0], minimum_face, steepness), thresholds[0])
    boxes, scores = _refine(normal, second, proposals, thresholds[1])
    return _decide(normal, third, boxes, thresholds[2]) if len(scores) else []


def _propose(normal: np.ndarray, network, scales: list, threshold: float) -> np.ndarray:
    """First network: square proposals (n, 4) as x1, y1, x2, y2 from every level of the pyramid."""
    levels = [_propose_level(normal, network, scale, threshold) for scale in scales]
    boxes, scores = (np.concatenate([level[part] for level in levels]) if levels else np.empty((0, 4)[:2 - part]) for part in (0, 1))
    keep = _suppress(boxes, scores, 0.7)
    return _square(boxes[keep])


def _propose_level(normal: np.ndarray, network, scale: float, threshold: float) -> tuple:
    """Return boxes (n, 4) and probabilities (n,) of one level of the pyramid, overlaps above one half removed."""
    height, width = normal.shape[:2]
    size = (int(width * scale), int(height * scale))
    level = cv2.resize(normal, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    offsets, probabilities = network(level[None])
    scores = probabilities[0, :, :, 1]
    rows, columns = np.nonzero(scores > threshold)
    corner = np.stack([columns, rows], axis=1) * STRIDE + 1.0
    windows = np.concatenate([corner, corner + CELL - 1.0], axis=1)
    boxes = (windows + offsets[0, rows, columns] * (CELL - 1)) / scale
    scores = scores[rows, columns]
    keep = _suppress(boxes, scores, 0.5)
    return boxes[keep], scores[keep]


def _refine(normal: np.ndarray, network, boxes: np.ndarray, threshold: float) -> tuple:
    """Second network: square boxes (m, 4) and probabilities (m,) of the proposals that pass."""
    if not len(boxes):
        return boxes, np.empty(0)
    offsets, probabilities = _in_batches(normal, network, boxes, 24)
    boxes, scores = _moved(boxes, offsets), probabilities[:, 1]
    passed = scores > threshold
    boxes, scores = boxes[passed], scores[passed]
    keep = _suppress(boxes, scores, 0.7)
    return _square(boxes[keep]), scores[keep]


def _decide(normal: np.ndarray, network, boxes: np.ndarray, threshold: float) -> list:
    """Third network: found faces with their five points."""
    offsets, points, probabilities = _in_batches(normal, network, boxes, 48)
    size = boxes[:, 2:] - boxes[:, :2] + 1
    points = np.stack([points[:, :5] * size[:, :1] + boxes[:, :1] - 1, points[:, 5:] * size[:, 1:] + boxes[:, 1:2] - 1], axis=2)
    boxes, scores = _moved(boxes, offsets), probabilities[:, 1]
    passed = scores > threshold
    boxes, scores, points = boxes[passed], scores[passed], points[passed]
    keep = _suppress(boxes, scores, 0.7, smaller=True)
    height, width = normal.shape[:2]
    boxes = np.clip(boxes[keep], 0, np.array([width, height, width, height]))
    rows = zip(boxes, scores[keep], points[keep], strict=True)
    return [_mtcnn_face(*row) for row in rows if row[0][2] > row[0][0] and row[0][3] > row[0][1]]


def _mtcnn_face(corners: np.ndarray, score: float, points: np.ndarray) -> dict:
    x1, y1, x2, y2 = (float(value) for value in corners)
    return {"box": (x1, y1, x2 - x1, y2 - y1), "confidence": float(score), "detector": "mtcnn",
            "points": tuple((float(x), float(y)) for x, y in points)}


def _in_batches(normal: np.ndarray, network, boxes: np.ndarray, size: int) -> list:
    """Send the patches of all boxes through a network, at most BATCH at a time. Returns its outputs, joined."""
    parts = []
    for start in range(0, len(boxes), BATCH):
        patches = np.stack([_patch(normal, box, size) for box in boxes[start:start + BATCH]])
        parts.append(network(patches))
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def _patch(normal: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """Cut a box out at `size` x `size` pixels by bilinear samples, zero beyond the picture, as the package does (`crop_and_resize`).

    No antialiasing: a face of 480 pixels is sampled at one pixel in ten. That is the package's behaviour and one reason why the
    scale of the picture is a rung of the ladder.
    """
    height, width = normal.shape[:2]
    x1, y1, x2, y2 = box / np.array([width, height, width, height])
    steps = np.arange(size) / (size - 1)
    columns = (x1 + steps * (x2 - x1)) * (width - 1)
    rows = (y1 + steps * (y2 - y1)) * (height - 1)
    return _bilinear(normal, rows, columns)


def _bilinear(normal: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    height, width = normal.shape[:2]
    inside = ((rows >= 0) & (rows <= height - 1))[:, None] & ((columns >= 0) & (columns <= width - 1))[None]
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, across = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = normal[top[:, None], left] * (1 - across) + normal[top[:, None], right] * across
    lower = normal[bottom[:, None], left] * (1 - across) + normal[bottom[:, None], right] * across
    return ((upper * (1 - down) + lower * down) * inside[..., None]).astype(np.float32)


def _moved(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    size = np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)
    return boxes + offsets * size


def _square(boxes: np.ndarray) -> np.ndarray:
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True) if len(boxes) else size[:, :1]
    start = boxes[:, :2] + size / 2 - side / 2
    return np.concatenate([start, start + side], axis=1)


def _suppress(boxes: np.ndarray, scores: np.ndarray, limit: float, smaller: bool = False) -> np.ndarray:
    """Return the indices, best first, of boxes x1, y1, x2, y2 that no better box overlaps by more than `limit`.

    Overlap: intersection over union, or over the smaller box. As in the package a box is dropped by any better box, even one that is
    itself dropped. Compared in blocks, so that ten thousand boxes need no matrix of a hundred million.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    keep = np.ones(len(boxes), bool)
    for start in range(0, len(boxes), BATCH):
        block = slice(start, min(start + BATCH, len(boxes)))
        better = slice(0, block.stop)
        low = np.maximum(boxes[block, None, :2], boxes[None, better, :2])
        high = np.minimum(boxes[block, None, 2:], boxes[None, better, 2:])
        shared = np.prod(np.maximum(0, high - low), axis=2)
        mine, other = areas[block, None], areas[None, better]
        whole = np.minimum(mine, other) if smaller else mine + other - shared
        earlier = np.arange(better.stop)[None] < np.arange(block.start, block.stop)[:, None]
        keep[block] = ~((shared > limit * whole) & earlier).any(axis=1)
    return order[keep]
