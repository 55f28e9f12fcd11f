"""Artworks: the person filter: which paintings show somebody, and where the face is; how far a filter agrees with what is known.

The paper keeps what YOLO calls "person" or is tagged "portrait" (section 3). YOLOv8 needs trained weights, which this repository does not
have: `yolo` takes the reader's, or a preset where the network allows. What always works is `by_face`: the two detectors at the foot of the
face ladder. A filter that seeks faces passes no figure seen from behind: it is a stand-in, and stricter.
"""

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError, WeightsError, did_you_mean
from lib.faces.detectors import check_picture, haar, is_blank, mtcnn, silent
from lib.faces.evaluate import pairwise_overlap
from lib.labellers.agreement import kappa_of

COLUMNS = ("artwork_id", "x", "y", "width", "height", "confidence", "detector", "roll", "view")
LONGEST = 640  # pixels: larger works are looked at in a smaller copy, as a filter of thousands must
SMALLEST = 48  # pixels of the shorter side: below it a work is called tiny; detectors see no face in it
SMALLEST_FACE = 0.2  # of the picture's longer side: smaller heads are staffage, not a portrait
LEAST_FACE = 20.0  # pixels: where MTCNN's pyramid starts at the earliest, the package's default
HAAR_NEIGHBOURS = 3  # overlapping hits that make a face; OpenCV's default
GREY_WITHIN = 3  # levels that the channels of a greyscale work may differ by (scanning, compression)
SAME = 0.3  # intersection over union from which two views mean the same face
PERSON = 14  # "Person" among the twenty classes of Pascal VOC in keras-cv's order
# Sizes of YOLOv8's backbone, as (channels, depths, blocks of the feature pyramid); "m" is that of the preset.
SIZES = {"xs": ((32, 64, 128, 256), (1, 2, 2, 1), 1), "s": ((64, 128, 256, 512), (1, 2, 2, 1), 1),
         "m": ((96, 192, 384, 576), (2, 4, 4, 2), 2)}  # fmt: skip
PRESET = "yolo_v8_m_pascalvoc"
YOLO_SIDE = 640  # pixels of YOLO's square input, a multiple of 32


# ---- what a work is like


def note(picture: np.ndarray) -> str:
    """Return what may trouble a filter or the features of colour: "", "tiny", "one colour", "greyscale", joined by "; "."""
    check_picture(picture)
    said = []
    if min(picture.shape[:2]) < SMALLEST:
        said.append("tiny")
    if picture.min() == picture.max():
        said.append("one colour")
    if is_greyscale(picture):
        said.append("greyscale")
    return "; ".join(said)


def is_greyscale(picture: np.ndarray) -> bool:
    """Tell whether a work has no colour: its channels differ by GREY_WITHIN levels at most, but for one pixel in a hundred."""
    apart = picture.max(axis=2).astype(np.int16) - picture.min(axis=2)
    return bool(np.quantile(apart, 0.99) <= GREY_WITHIN)


# ---- filters: each returns the faces or persons of one picture


def by_face(picture: np.ndarray) -> list[dict]:
    """Return the faces of a work, surest first: dicts of x, y, width, height (pixels of the work), confidence, detector, roll, view.

    MTCNN looks at the work, then at its levelled grey values (strong colours and flat light on a painted face mislead it); where neither
    shows a face the largest of Haar's finds is believed. differs from the ladder of notebook 02: no witnesses and no retries, so that
    thousands of works are filtered in minutes. A picture that is too small or of one colour has no face.
    """
    check_picture(picture)
    if is_blank(picture, SMALLEST):
        return []
    small, scale = _within(picture, LONGEST)
    smallest = max(LEAST_FACE, SMALLEST_FACE * max(small.shape[:2]))
    for view, seen in _views(small):
        if found := [one for one in mtcnn(seen, 0.8 * smallest, threads=1) if _size(one["box"]) >= smallest]:
            return [_row(one, scale, view) for one in found]
    found = haar(small, neighbours=HAAR_NEIGHBOURS, minimum_size=int(smallest))
    return [_row(one, scale, "colour") for one in sorted(found, key=lambda one: -_size(one["box"]))[:1]]


def _views(picture: np.ndarray):
    yield "colour", picture
    yield "levelled", levelled(picture)


def levelled(picture: np.ndarray) -> np.ndarray:
    """Return a picture's grey values with the contrast of each quarter levelled (CLAHE: Zuiderveld 1994), uint8 RGB of equal channels."""
    grey = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(2, 2)).apply(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def _within(picture: np.ndarray, longest: int) -> tuple[np.ndarray, float]:
    """Return a copy no longer than `longest` pixels and its scale (at most 1)."""
    scale = min(1.0, longest / max(picture.shape[:2]))
    if scale == 1:
        return np.ascontiguousarray(picture), 1.0
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), scale


def _size(box) -> float:
    return max(box[2], box[3])


def _row(one: dict, scale: float, view: str) -> dict:
    x, y, width, height = (value / scale for value in one["box"])
    return {"x": x, "y": y, "width": width, "height": height, "confidence": one["confidence"], "detector": one["detector"], "roll": 0.0,
            "view": view}  # fmt: skip


def yolo(weights: Path | str | None = None, size: str = "m", classes: int = 20, person: int = PERSON, least: float = 0.4,
         side: int = YOLO_SIDE, preset: str | None = None) -> Callable[[np.ndarray], list[dict]]:  # fmt: skip
    """Return a filter that finds persons with keras-cv's YOLOv8: a function of a picture like `by_face`. Needs the TensorFlow backend.

    weights: a file of weights (.weights.h5) for YOLOv8 of `size` (of SIZES) with `classes` classes, of which number `person` is a person;
    least: confidence from which a find counts. preset: "yolo_v8_m_pascalvoc" instead of a file, fetched by keras-cv from Kaggle. Nothing
    in a file is executed. Raises WeightsError where there are no weights or they do not fit, ParameterError for an unknown size.
    """
    if (weights is None) == (preset is None):
        raise WeightsError("Received neither weights nor a preset for YOLOv8, or both; expected a .weights.h5 file of yours, or the preset "
                           f"{PRESET!r} where the network allows. `by_face` needs neither.")  # fmt: skip
    if not 0 < least < 1 or side % 32 or side < 64:
        raise ParameterError(f"Received least={least!r}, side={side!r}; expected a confidence between 0 and 1, a multiple of 32 from 64.")
    model = _preset(preset) if preset else _loaded(_existing(weights), size, classes, side)
    model.prediction_decoder = _decoder(least)
    return lambda picture: _persons(model, picture, side, person, least)


def yolo_network(size: str = "m", classes: int = 20, side: int = YOLO_SIDE):
    """Return an untrained YOLOv8 detector of keras-cv (Keras model) of a size of SIZES, by its explicit constructor.

    Every preset of keras-cv asks the network even with load_weights=False; this does not. Boxes are x, y, width, height.
    """
    if size not in SIZES:
        raise ParameterError(f"Received YOLOv8's size {size!r}; expected one of {', '.join(SIZES)}.{did_you_mean(str(size), SIZES)}")
    keras_cv = _keras_cv()
    channels, depths, pyramid = SIZES[size]
    backbone = keras_cv.models.YOLOV8Backbone(stackwise_channels=list(channels), stackwise_depth=list(depths), activation="swish",
                                              include_rescaling=True, input_shape=(side, side, 3))  # fmt: skip
    return keras_cv.models.YOLOV8Detector(backbone, num_classes=classes, bounding_box_format="xywh", fpn_depth=pyramid)


def _keras_cv():
    with silent():
        import keras

        if keras.backend.backend() != "tensorflow":
            raise ParameterError(f"Received the backend {keras.backend.backend()}; expected tensorflow: keras-cv's YOLOv8 needs it. "
                                 "Start again with KERAS_BACKEND=tensorflow, or use `by_face`.")  # fmt: skip
        import keras_cv

    return keras_cv


def _preset(name: str):
    try:
        return _keras_cv().models.YOLOV8Detector.from_preset(name, bounding_box_format="xywh")
    except Exception as error:  # keras-cv raises whatever its downloader raises
        raise WeightsError(f"Received the preset {name!r}, which could not be fetched ({type(error).__name__}); expected a network that "
                           "reaches Kaggle. Give `weights`, a file of yours, or use `by_face`.") from error  # fmt: skip


def _existing(weights: Path | str) -> Path:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(f"There is no {path.name!r}; expected YOLOv8's weights as .weights.h5. Give their place, or use `by_face`.")
    return path


def _loaded(path: Path, size: str, classes: int, side: int):
    model = yolo_network(size, classes, side)
    try:
        # Keras warns of a container that holds no weights of its own; all of the network's are loaded (a test holds it).
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Skipping nested container")
            model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        why = str(error).splitlines()[0][:80]
        raise WeightsError(f"Received {path.name!r}, which holds no weights of YOLOv8 {size!r} with {classes} classes ({why}); expected "
                           "what `save_weights` of such a network wrote.") from None  # fmt: skip
    return model


def _decoder(least: float):
    keras_cv = _keras_cv()
    return keras_cv.layers.NonMaxSuppression(bounding_box_format="xywh", from_logits=False, confidence_threshold=least, iou_threshold=0.7)


def _persons(model, picture: np.ndarray, side: int, person: int, least: float) -> list[dict]:
    check_picture(picture)
    if is_blank(picture):
        return []
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    seen = np.full((side, side, 3), 114, np.uint8)  # YOLO's own grey for what is outside the picture
    seen[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    found = model.predict(seen[None].astype(np.float32), verbose=0)
    rows = zip(found["boxes"][0], found["confidence"][0], found["classes"][0], strict=True)
    return [_row({"box": [float(value) for value in box], "confidence": float(sure), "detector": "yolo"}, scale, "colour")
            for box, sure, kind in rows if int(kind) == person and sure >= least]  # fmt: skip


# ---- many works


def filtered(artworks, detect: Callable[[np.ndarray], list[dict]] = by_face, progress: Callable | None = None) -> pd.DataFrame:
    """Return what a filter finds in artworks, one row a find (COLUMNS; pixels of the work), in the order of the works, surest first.

    artworks: `pictures` uint8 (n, h, w, 3) or a list of pictures, and `table` with artwork_id. detect: `by_face` or what `yolo` returns.
    progress(done, total). A work without a row is left out by the filter; `passed` says which pass.
    """
    names = artworks.table["artwork_id"].to_numpy()
    if len(names) != len(artworks.pictures):
        raise ParameterError(f"Received {len(artworks.pictures)} pictures and {len(names)} rows; expected as many each.")
    rows = []
    for number, (name, picture) in enumerate(zip(names, artworks.pictures, strict=True)):
        found = sorted(detect(np.asarray(picture)), key=lambda one: (-one["confidence"], one["x"], one["y"]))
        rows += [{"artwork_id": name, **one} for one in found]
        if progress:
            progress(number + 1, len(names))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({name: float for name in COLUMNS[1:6]} | {"roll": float})


def passed(table: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    """Return which artworks of a table pass the filter, bool (n,)."""
    return table["artwork_id"].isin(set(found["artwork_id"])).to_numpy()


def agreement(table: pd.DataFrame, found: pd.DataFrame, of: str = "all") -> pd.DataFrame:
    """Return how far a filter agrees with the tag "portrait": one row.

    Columns: of, artworks, portraits, passed, agreeing (portraits that pass), precision (of those that pass, the share of portraits),
    recall (of portraits, the share that pass), kappa (Cohen's), boxed (of agreeing ones with a known face, the share where a find
    overlaps it by SAME; NaN: no box known). Artworks whose subject is "" (unknown) do not count. NaN where nothing can be said.
    """
    table = table[table["subject"].fillna("") != ""]
    truth, pass_ = (table["subject"] == "portrait").to_numpy(), passed(table, found)
    both = int((truth & pass_).sum())
    counts = np.array([[(truth & pass_).sum(), (truth & ~pass_).sum()], [(~truth & pass_).sum(), (~truth & ~pass_).sum()]], float)
    row = {"of": of, "artworks": len(table), "portraits": int(truth.sum()), "passed": int(pass_.sum()), "agreeing": both,
           "precision": both / pass_.sum() if pass_.any() else np.nan, "recall": both / truth.sum() if truth.any() else np.nan,
           "kappa": float(kappa_of(counts)[0]), "boxed": _boxed(table[truth & pass_], found)}  # fmt: skip
    return pd.DataFrame([row])


def agreement_by(table: pd.DataFrame, found: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return `agreement` of all artworks and of each value of a column of the table (group, global_group, expression …), in order."""
    if by not in table:
        hint = did_you_mean(by, table.columns)
        raise ParameterError(f"Received the column {by!r}; expected one of {', '.join(map(str, table.columns))}.{hint}")
    parts = [agreement(part, found, f"{by} {value}") for value, part in table.groupby(by, sort=True)]
    return pd.concat([agreement(table, found), *parts], ignore_index=True)


def _boxed(table: pd.DataFrame, found: pd.DataFrame) -> float:
    """Return the share of works with a known box in which some find overlaps it by SAME; NaN where none is known."""
    if "box_x" not in table or table["box_x"].notna().sum() == 0:
        return np.nan
    finds = {name: part[["x", "y", "width", "height"]].to_numpy(float) for name, part in found.groupby("artwork_id")}
    known = table[table["box_x"].notna()]
    truth = known[["box_x", "box_y", "box_width", "box_height"]].to_numpy(float)
    pairs = zip(known["artwork_id"], truth, strict=True)
    return float(np.mean([pairwise_overlap(finds[name], [box]).max() >= SAME for name, box in pairs]))


def notes(pictures: Iterable[np.ndarray]) -> list[str]:
    """Return `note` of each picture."""
    return [note(np.asarray(picture)) for picture in pictures]
