"""Artworks: generating portraits as the art-emotion study does (section 4.2): cut, learn, look whether the result has a face.

The study cuts nothing and looks by eye; here portraits are cut to head and shoulders, and a face detector that never saw them judges.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lib.compendium.errors import ParameterError
from lib.compendium.kept import kept
from lib.faces import transforms
from lib.faces.detectors import silent
from lib.training import gans

with silent():
    import keras

MARGIN = 1.3  # side of the cut over the longer side of the face's box: head and shoulders; not stated in the paper
LOOKED_AT = 192  # pixels: a generated picture with its frame is enlarged to this before the detectors look
FRAME = 0.25  # of the side, all around: a head that fills the picture gets the surroundings detectors are used to
# The ladder's two first rungs, a find of either believed where MTCNN sees it in a second look, plain or mirrored: a fraction of the
# ladder's time, and no face in noise or paint.
DETECTOR = {"rungs": ("haar", "mtcnn"), "minimum_face": 40.0, "witness_sizes": (48,), "witnesses_haar": 1, "witnesses_mtcnn": 1}

# The remedy in minutes: of differentiable augmentation the colour alone, for one picture in ten. With all of it for all pictures, faces
# were found in fewer of what came of the few steps here; it is meant for a discriminator that sees each picture many hundred times.
REMEDY = ("colour",)
# Minutes on two cores: narrower pairs, smaller batches and a faster rate for more and larger steps; a discriminator wider than the
# generator, which learns from nothing else; a running mean of its weights, since the last ones swing from epoch to
# epoch. None of this is in the paper.
DEMO = {
    "dcgan": {"width": 16, "discriminator_width": 24, "batch": 16, "epochs": 20, "passes": 4, "rate": 6e-4, "generator_steps": 1,
              "augmentation": REMEDY, "share": 0.1, "averaged": 0.98},
    "baseline": {"width": 32, "batch": 32, "epochs": 12, "passes": 2, "generator_steps": 1},
    "complex": {"width": 12, "batch": 32, "epochs": 12, "passes": 1, "generator_steps": 1},
}  # fmt: skip


class Generation(NamedTuple):
    """A trained generator, its curves (lib.training.gans.COLUMNS), its samples {epoch: uint8 (fixed, S, S, 3)}, settings and folder."""

    generator: keras.Model
    curves: pd.DataFrame
    samples: dict[int, np.ndarray]
    settings: gans.Settings
    folder: Path


def portraits(artworks, side: int = 64, margin: float = MARGIN, boxes: Iterable | None = None) -> np.ndarray:
    """Return the heads of artworks, uint8 (m, side, side, 3): cut square around the face's box, scaled to `side` pixels.

    artworks: `lib.collections.atelier.paintings.Artworks`, or any with `pictures` and `table`. margin: side of the cut over the box's
    longer side. boxes: (n, 4) x, y, width, height, NaN for artworks to leave out, as a detector found them; None takes the table's true
    ones. Raises ParameterError where no artwork has a box.
    """
    names = ["box_x", "box_y", "box_width", "box_height"]
    boxes = artworks.table[names].to_numpy(float) if boxes is None else np.asarray(list(boxes), float).reshape(-1, 4)
    if len(boxes) != len(artworks.pictures):
        raise ParameterError(f"Received {len(boxes)} boxes for {len(artworks.pictures)} artworks; expected one each, NaN where no face is.")
    rows = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    if not len(rows):
        raise ParameterError(f"Received {len(boxes)} artworks without a face's box; expected portraits to learn from. Detect faces first.")
    return np.stack([_head(np.asarray(artworks.pictures[row]), boxes[row], side, margin) for row in rows])


def _head(picture: np.ndarray, box: np.ndarray, side: int, margin: float) -> np.ndarray:
    return transforms.apply(picture, transforms.region(tuple(box), side, margin))


def generation(pictures, settings: gans.Settings | Mapping, progress: Callable | None = None) -> Generation:
    """Return a pair trained on pictures, uint8 (n, S, S, 3), made once and kept on this machine; a killed training goes on.

    settings: of `lib.training.gans`, or some of its fields, such as `DEMO["dcgan"]` with `kind`. progress(done, total): after each epoch.
    Raises what `lib.training.gans.train` raises.
    """
    wanted = settings if isinstance(settings, gans.Settings) else gans.Settings(**settings)
    pictures = gans.check_pictures(pictures, wanted)
    made_of = {**wanted.model_dump(mode="json"), "pictures": _digest(pictures)}
    folder = kept(f"gan-{wanted.kind}", made_of, gans.SOURCES, lambda making: _learn(making, pictures, wanted, progress))
    # Epochs are all done: this only builds the networks and takes the weights.
    trained = gans.train(pictures, folder, wanted)
    return Generation(trained.generator, trained.history, trained.samples, wanted, folder)


def demo(kind: str, **changes) -> gans.Settings:
    """Return the settings of a pair for minutes on two cores, with some of them changed."""
    return gans.Settings(**{"kind": kind, **DEMO.get(kind, {}), **changes})


def _learn(folder: Path, pictures: np.ndarray, wanted: gans.Settings, progress: Callable | None) -> dict:
    trained = gans.train(pictures, folder, wanted, progress)
    return {"pictures": len(pictures), "seconds": round(float(trained.history["seconds"].sum()), 1)}


def _digest(pictures: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pictures).tobytes() + str(pictures.shape).encode()).hexdigest()[:16]


# ---- is there a face?


def found_faces(pictures, side: int = LOOKED_AT) -> np.ndarray:
    """Return for each picture, uint8 (n, S, S, 3), whether the face detector finds a face in it, bool (n,).

    A picture is framed with its own border pixels and, where that is smaller than `side` pixels, enlarged to it, for detectors seek
    faces of some 40 pixels with something around them. The detectors are the ladder's cheap rungs (`DETECTOR`).
    """
    from lib.faces.ladder import detect

    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or pictures.dtype != np.uint8:
        raise ParameterError(f"Received pictures {pictures.shape} of type {pictures.dtype}; expected uint8 (n, S, S, 3).")
    return np.array([bool(detect(_framed(picture, side), DETECTOR).faces) for picture in pictures], bool)


def _framed(picture: np.ndarray, side: int) -> np.ndarray:
    down, across = (round(FRAME * length) for length in picture.shape[:2])
    framed = cv2.copyMakeBorder(np.ascontiguousarray(picture), down, down, across, across, cv2.BORDER_REPLICATE)
    factor = side / max(framed.shape[:2])
    return framed if factor <= 1 else cv2.resize(framed, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def face_share(generations: Mapping[str, Generation], real: np.ndarray, count: int = 100, seed: int = 1) -> pd.DataFrame:
    """Return the share of generated pictures in which a face is found: pair, pictures, found, share, low, high (Wilson's 95 %).

    generations: by kind. real: pictures learned from, uint8 (n, S, S, 3), of which up to `count` are looked at as well (row "real").
    seed: of the codes; they are other ones than those watched in training.
    """
    stacks = {name: gans.sampled(made.generator, gans.codes_of(count, seed + made.settings.seed + 1000, made.settings.code))
              for name, made in generations.items()}  # fmt: skip
    stacks["real"] = np.asarray(real[np.sort(np.random.default_rng(seed).permutation(len(real))[:count])])
    rows = []
    for name, pictures in stacks.items():
        found = int(found_faces(pictures).sum())
        low, high = binomtest(found, len(pictures)).proportion_ci(0.95, "wilson")
        rows.append({"pair": name, "pictures": len(pictures), "found": found, "share": found / len(pictures), "low": low, "high": high})
    return pd.DataFrame(rows)
