"""Labellers: the two real-time networks of Arriaga, Valdenegro-Toro and Plöger (2017), and their network of women and men.

mini_XCEPTION answers with the weights its authors trained on FER2013; the sequential network, whose weights they did not publish, is
trained here. Both see grey pictures cut as tight as FER2013's, from brows to chin.
"""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lib.compendium import weights
from lib.compendium.compute import progress
from lib.compendium.errors import ParameterError, WeightsError, did_you_mean
from lib.compendium.fingerprints import sha256_of
from lib.compendium.kept import kept, record_of
from lib.compendium.places import relative
from lib.expressions import EXPRESSIONS, ORDERS, reorder
from lib.faces.detectors import check_picture, haar
from lib.labellers.multitask import lesson, parted
from lib.labellers.settings import checked as checked_training

NAME_XCEPTION, NAME_SEQUENTIAL = "realtime_xception", "realtime_sequential"
TITLE_XCEPTION, TITLE_SEQUENTIAL = "Real-time CNN (mini_XCEPTION)", "Real-time CNN (sequential)"
NEEDS_XCEPTION = "mini_XCEPTION's published weights for FER2013: `make weights` fetches them (0.9 MB)."
NEEDS_SEQUENTIAL = "training, once: minutes on two processor cores, from the atelier's faces or your own."
WEIGHTS = "mini_xception_fer2013"
NETWORKS = ("xception", "sequential")
SIDES = {"xception": 64, "sequential": 48}  # pixels of the network's input
BATCH = 64  # faces sent through a network at once: always this many, so that it is compiled once

# Where FER2013's pictures end, as squares around the landmarks. Not stated in the paper, which cuts Haar's boxes: chosen on the
# atelier's faces with seeds from 200,000 for mini_XCEPTION's macro-F1: .65; a fixed square of the crop .61, the whole crop .57.
TALL, UP = 1.08, 0.10  # the square's side over the landmarks' height, and how far above their middle its own middle lies
FIXED = (0.5, 0.6, 1.05)  # middle (x, y) and side of the square, as shares of the crop, where a face has no landmarks
VIEWS = ((1.0, 0.0, 0.0), (0.9, 0.0, 0.0), (1.1, 0.0, 0.0), (1.0, 0.04, 0.03), (1.0, -0.04, -0.03))  # size, right, down
MARGIN = 0.3  # of the crop's side, for Haar: it finds 71 % of the development faces with it, 24 % without
NO_BOX = "OpenCV's Haar detector finds no frontal face in the crop (preprocessing as published)"

DEFAULTS = {
    "network": "xception",  # or sequential
    "preprocessing": "aligned",  # or as_published: the box of OpenCV's Haar detector, or no answer
    "views": 1,  # cuts whose probabilities are averaged, 1 to 5; the paper uses 1. macro-F1 on development faces .65 with 1 and with 5
    "weights": None,  # file of mini_XCEPTION's weights; None: the registered one
    "folder": None,  # what `trained` returned, for the sequential network
    "gender_weights": None,  # file of a mini_XCEPTION of women and men; None: not asked
}

class TrainingSettings(BaseModel):
    """What the sequential network learns from and how; Arriaga's regime, with what a small lesson needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(2500, ge=28, description="faces of the atelier; the paper: FER2013's 35,887")
    seed: int = Field(100_000, ge=0, le=2**31 - 1, description="another seed, other people")
    material: str = Field("skin", description="of the atelier's heads, or mixed")
    corpus: str = Field("", description="a folder instead of the atelier; see lib.training.corpus")
    side: int = Field(112, ge=48, le=448, description="pixels of the crops it is cut from")
    epochs: int = Field(16, ge=1, description="the paper: up to 10,000, until 50 brought nothing better")
    # differs from the paper: Adam's default of 1e-3 gives .84 after 16 epochs on two thousand faces, half of it .95.
    rate: float = Field(5e-4, gt=0, le=1, description="learning rate at first; it falls along half a cosine. The paper: 1e-3")
    batch: int = Field(32, ge=2, description="as in the published code")
    # differs from the paper: with its .5 two thousand faces are not learned in tens of epochs (macro-F1 .60 after 12 epochs).
    dropout: float = Field(0.1, ge=0, lt=1, description="the paper's code: .5")
    held_out: float = Field(0.1, gt=0, lt=0.9, description="share of people held out; the published code: the last fifth of the file")
    start: int = Field(0, ge=0, description="seed of the first weights, the order and the changes of pictures")


def label_batch(crops: np.ndarray, landmarks: np.ndarray, settings: dict | None = None) -> pd.DataFrame:
    """Return one row a crop: the seven scores (a probability each, NaN without an answer), `woman` where asked for, and `reason`.

    `crops`: uint8 RGB (n, side, side, 3); `landmarks`: (n, 68, 2) in crop pixels, NaN where there are none; `settings`: over DEFAULTS.
    `woman` is the probability of the authors' class woman against man, learned from portraits of film actors: on a sculpture it says
    which of these two groups of photographs it resembles, never whom the piece shows, and the compendium judges nothing by it.
    Raises ParameterError for unknown settings, WeightsError where a network's weights are missing or another's.
    """
    settings = checked(settings)
    crops, squares = np.asarray(crops), _squares(crops, landmarks, settings)
    answered = np.isfinite(squares[:, 0])
    scores = np.full((len(crops), len(EXPRESSIONS)), np.nan)
    if answered.any():
        name = settings["network"]
        network = _network(name, settings["weights"] if name == "xception" else settings["folder"])
        seen = _mean_of_views(crops[answered], squares[answered], SIDES[name], settings, network)
        scores[answered] = reorder(seen, "realtime", "sculpture")
    table = pd.DataFrame(scores, columns=list(EXPRESSIONS))
    if settings["gender_weights"]:
        table["woman"] = np.nan
        if answered.any():
            network = _gender(str(settings["gender_weights"]))
            table.loc[answered, "woman"] = _mean_of_views(crops[answered], squares[answered], 64, settings, network)[:, 0]
    return table.assign(reason=np.where(answered, "", NO_BOX))


def label_batch_xception(crops, landmarks, settings: dict | None = None) -> pd.DataFrame:
    """Return mini_XCEPTION's answers; see `label_batch`."""
    return label_batch(crops, landmarks, {**(settings or {}), "network": "xception"})


def label_batch_sequential(crops, landmarks, settings: dict | None = None) -> pd.DataFrame:
    """Return the sequential network's answers; see `label_batch`."""
    return label_batch(crops, landmarks, {**(settings or {}), "network": "sequential"})


def checked(settings: dict | None) -> dict:
    """Return settings filled up from DEFAULTS. Raises ParameterError for an unknown name or value."""
    settings = settings or {}
    if unknown := [name for name in settings if name not in DEFAULTS]:
        hint = did_you_mean(unknown[0], DEFAULTS)
        raise ParameterError(f"Unknown setting {unknown[0]!r} of the real-time networks; expected some of {', '.join(DEFAULTS)}.{hint}")
    settings = {**DEFAULTS, **settings}
    for name, known in (("network", NETWORKS), ("preprocessing", ("aligned", "as_published"))):
        if settings[name] not in known:
            raise ParameterError(f"Received {name} {settings[name]!r}; expected one of {', '.join(known)}.")
    if settings["views"] not in range(1, len(VIEWS) + 1):
        raise ParameterError(f"Received views {settings['views']!r}; expected a whole number from 1 to {len(VIEWS)}.")
    return settings


# ---- what the networks see


def prepared(picture: np.ndarray, side: int) -> np.ndarray:
    """Return a picture or part of one as the authors prepare it: grey (OpenCV's weights), resized bilinearly, float32 (side, side, 1).

    The levels stay 0 to 255: the networks bring them to -1 to 1 by (x / 255 - .5) · 2 themselves.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    return cv2.resize(grey, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.float32)[..., None]


def square_of(landmarks: np.ndarray, crop_side: int) -> tuple[float, float, float]:
    """Return middle x, y and side, in crop pixels, of the square to cut around landmarks (68, 2), or the fixed one where a point is NaN."""
    if not np.isfinite(landmarks).all():
        return tuple(float(share * crop_side) for share in FIXED)
    (x0, y0), (x1, y1) = landmarks.min(axis=0), landmarks.max(axis=0)
    side = max(x1 - x0, TALL * (y1 - y0))
    return float((x0 + x1) / 2), float((y0 + y1) / 2 - UP * side), float(side)


def cut(picture: np.ndarray, x: float, y: float, side: float, size: int) -> np.ndarray:
    """Return the square with middle (x, y) and `side` of a picture uint8 (h, w, 3) as the network sees it: float32 (size, size, 1), grey.

    What lies beyond the picture repeats its edge. differs from the paper: a reduced square is smoothed first, since resizing
    bilinearly skips pixels of a large face.
    """
    grey, zoom = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size / side
    if zoom < 0.9:
        grey = cv2.GaussianBlur(grey, (0, 0), 0.35 / zoom)
    # Pixel centres: column j of the result is x - side / 2 + (j + 1/2) / zoom - 1/2 of the picture.
    view = np.float64([[zoom, 0, size / 2 - zoom * x + (zoom - 1) / 2], [0, zoom, size / 2 - zoom * y + (zoom - 1) / 2]])
    result = cv2.warpAffine(grey, view, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return result.astype(np.float32)[..., None]


def with_margin(crop: np.ndarray) -> np.ndarray:
    """Return a crop with its edges repeated by MARGIN of its side all around."""
    width = round(MARGIN * len(crop))
    return cv2.copyMakeBorder(crop, width, width, width, width, cv2.BORDER_REPLICATE)


def haar_square(crop: np.ndarray) -> tuple[float, float, float] | None:
    """Return middle and side, in crop pixels, of the largest frontal face OpenCV's Haar detector finds with the authors' settings (1.3, 5).

    differs from the paper: they searched the whole picture; a crop ends where the face does, so its edges are repeated (MARGIN).
    """
    check_picture(crop)
    found = [face["box"] for face in haar(with_margin(crop), scale_factor=1.3, neighbours=5, minimum_size=0)]
    if not found:
        return None
    x, y, width, height = max(found, key=lambda box: box[2] * box[3])
    away = round(MARGIN * len(crop))
    return x + width / 2 - away, y + height / 2 - away, float(max(width, height))


def _squares(crops, landmarks, settings: dict) -> np.ndarray:
    """Return middle x, y and side of each crop's square (n, 3); NaN where Haar finds none."""
    if settings["preprocessing"] == "as_published":
        return np.array([haar_square(crop) or (np.nan,) * 3 for crop in crops], float).reshape(-1, 3)
    return np.array([square_of(points, len(crop)) for crop, points in zip(crops, landmarks, strict=True)], float).reshape(-1, 3)


# ---- networks


def _mean_of_views(crops, squares, size: int, settings: dict, model) -> np.ndarray:
    """Return a model's probabilities (n, classes), the mean over the cuts of each crop."""
    return predicted(model, np.concatenate([_cuts(*pair, size, settings) for pair in zip(crops, squares, strict=True)])).reshape(
        len(crops), -1, model.output_shape[-1]
    ).mean(axis=1)


def _cuts(crop: np.ndarray, square: np.ndarray, size: int, settings: dict) -> np.ndarray:
    """Return what a network sees of a crop, float32 (views, size, size, 1): as published the box alone, resized."""
    x, y, side = square
    if settings["preprocessing"] == "as_published":
        away = round(MARGIN * len(crop))
        left, top = round(x - side / 2) + away, round(y - side / 2) + away
        return prepared(with_margin(crop)[top : top + round(side), left : left + round(side)], size)[None]
    views = VIEWS[: settings["views"]]
    return np.stack([cut(crop, x + right * side, y + down * side, side * times, size) for times, right, down in views])


def predicted(model, pictures: np.ndarray) -> np.ndarray:
    """Return a model's probabilities for float32 pictures (n, …), BATCH at a time, the last batch filled up: one compiled shape."""
    parts = []
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        filled = np.concatenate([batch, np.repeat(batch[-1:], BATCH - len(batch), axis=0)])
        parts.append(np.asarray(model.predict_on_batch(filled))[: len(batch)])
    return np.concatenate(parts)


def predict_grey(images: np.ndarray, network: str = "xception", folder: Path | str | None = None) -> np.ndarray:
    """Return probabilities (n, 7) in the order of EXPRESSIONS for pictures as FER2013 has them: uint8 grey (n, 48, 48), cut already.

    mini_XCEPTION sees them resized to 64 pixels, as in its training. `folder`: of the trained sequential network.
    """
    images = np.asarray(images)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ParameterError(f"Received {images.dtype} {images.shape}; expected grey pictures, uint8 (n, height, width).")
    model = _network(checked({"network": network})["network"], folder)
    if not len(images):
        return np.empty((0, len(EXPRESSIONS)))
    pictures = np.stack([prepared(image, SIDES[network]) for image in images])
    return reorder(predicted(model, pictures), "realtime", "sculpture")


def _network(network: str, place: Path | str | None):
    if network == "xception":
        return _published(str(place) if place else None)
    if not place:
        raise WeightsError("The sequential network has no published weights and no folder was given; train it first with `trained`.")
    return _sequential(str(place))


@lru_cache(maxsize=2)
def _published(path: str | None):
    from lib.networks import realtime

    return realtime.load_published(Path(path) if path else weights.path(WEIGHTS))


@lru_cache(maxsize=2)
def _gender(path: str):
    from lib.networks import realtime

    return realtime.load_published(Path(path), classes=2)  # the authors' order: woman, man


@lru_cache(maxsize=2)
def _sequential(folder: str):
    from lib.networks import realtime

    file = Path(folder) / FILE
    if not file.exists() or sha256_of(file) != record_of(Path(folder)).get("weights", {}).get(FILE):
        raise WeightsError(f"{relative(file)} is missing or was changed since it was trained. Delete its folder to train it again.")
    model = realtime.sequential()
    model.load_weights(file)
    return model


# ---- training the sequential network

FILE = "sequential.weights.h5"
SOURCES = ("lib.labellers.realtime", "lib.networks.realtime", "lib.training.augmentation", "lib.training.fitting")


def trained(settings: dict | None = None) -> Path:
    """Return the folder of the sequential network, trained now if this machine has not kept it. `settings`: some of TrainingSettings.

    Faces without an expression are left out. The folder holds FILE, history.csv and record.json with the share it got right of the
    people held out. A killed training goes on with the epoch it was in.
    """
    asked = checked_training(settings, TrainingSettings)
    faces_are, faces, sources = lesson(asked)
    made_of = asked.model_dump(mode="json", exclude={"count", "seed", "material", "corpus"}) | {"faces": faces_are}
    return kept(NAME_SEQUENTIAL, made_of, (*SOURCES, *sources), lambda folder: _train(folder, asked, faces()))


def _train(folder: Path, asked: TrainingSettings, faces) -> dict:
    """Fit with the authors' augmentation.

    differs from the paper: its learning rate falls by 10 when 12 epochs brought nothing; ours falls along half a cosine, since a few
    epochs leave no time to wait.
    """
    import keras

    from lib.networks import realtime
    from lib.training import augmentation, fitting

    side = SIDES["sequential"]
    pictures, numbers, subjects = _lesson(faces)
    learn, held = parted(subjects, asked.held_out, asked.start)
    network = fitting.initialised(realtime.sequential(dropout=asked.dropout, seed=asked.start), asked.start)
    inputs, changed = augmentation.augmented(side, 1)
    model = keras.Model(inputs, {"probabilities": network(changed)})
    fitting.compiled(model, {"probabilities": "sparse_categorical_crossentropy"})

    def draws(epoch, indices):
        return augmentation.draw(augmentation.ARRIAGA, side, asked.start, epoch, indices)

    curves = fitting.fit(
        model, {"picture": pictures[learn]}, {"probabilities": numbers[learn]}, asked.epochs, folder, asked.start, batch=asked.batch,
        rate=fitting.falling(asked.rate, asked.epochs), draws=draws, progress=progress("epochs of the sequential network"),
    )  # fmt: skip
    network.save_weights(folder / FILE)
    (folder / fitting.CHECKPOINT).unlink()
    right = predicted(network, pictures[held].astype(np.float32)).argmax(axis=1) == numbers[held]
    return {"faces": len(learn), "held_out": len(held), "accuracy_held_out": round(float(right.mean()), 4),
            "seconds": round(float(curves["seconds"].sum()), 1), "weights": {FILE: sha256_of(folder / FILE)}}  # fmt: skip


def _lesson(faces) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return grey pictures uint8 (n, 48, 48, 1), class numbers (n,) in the realtime order, and subjects, of faces with an expression."""
    named = np.flatnonzero((faces.table["expression"] != "").to_numpy())
    if not len(named):
        raise ParameterError("None of the faces to learn from has an expression; expected some that have.")
    squares = [square_of(faces.landmarks[row], faces.crops.shape[1]) for row in named]
    pictures = np.stack([cut(faces.crops[row], *square, SIDES["sequential"]) for row, square in zip(named, squares, strict=True)])
    numbers = [ORDERS["realtime"].index(name) for name in faces.table["expression"].iloc[named]]
    return np.round(pictures).astype(np.uint8), np.array(numbers, np.int32), faces.table["subject"].to_numpy()[named]
