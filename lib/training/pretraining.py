"""Training: weights `atelier`: a backbone taught expressions by the atelier's people before it sees a collection.

It stands in for ImageNet where that cannot be fetched, and knows faces and materials besides. Not in the paper. Done once for the same
network, faces and settings, and kept on this machine.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lib.compendium.errors import ParameterError
from lib.compendium.kept import kept, record_of
from lib.expressions import EXPRESSIONS
from lib.faces.crops import open_crops
from lib.training import fitting, regime
from lib.training.data import Rows, resized
from lib.training.faces import SOURCES as OF_FACES
from lib.training.faces import TrainingFaces, atelier_faces
from lib.training.parameters import TrainingParameters

WEIGHTS = "network.weights.h5"
FINEST = 112  # pixels: the atelier's faces are cut no finer, and a larger network's graph enlarges them
VALIDATING = 8  # every eighth person validates
BATCH, BETAS = 32, (0.9, 0.99)
SOURCES = ("lib.training.pretraining", "lib.training.regime", "lib.training.fitting", "lib.training.augmentation",
           "lib.training.data", "lib.networks.backbones", *OF_FACES)  # fmt: skip
SETTINGS = ("backbone", "side", "width", "hidden", "pretraining_faces", "pretraining_material", "pretraining_epochs", "pretraining_rate",
            "pretraining_seed", "precision")  # fmt: skip


def pretrained(wanted: TrainingParameters, progress: Callable | None = None) -> Path:
    """Return the file of a network's weights learned from the atelier's people, for `backbones.build(weights=…)`.

    The parameters' backbone, side, width and hidden say which network, `pretraining_…` what it learns from. Faces whose expression is
    unknown are left out; every eighth person validates, and the best epoch's weights are kept. Learned now if never before: a killed one
    goes on where it was. progress(done, total): after each epoch.
    """
    settings = {name: getattr(wanted, name) for name in SETTINGS}
    folder = kept(f"backbone-{wanted.backbone}", settings, SOURCES, lambda making: _learn(wanted, making, progress))
    return folder / WEIGHTS


def record(path: Path) -> dict:
    """Return what was kept about a file of `pretrained`: settings, faces, seconds, best epoch, losses, accuracy on people it never saw."""
    return record_of(Path(path).parent)


def people(wanted: TrainingParameters) -> TrainingFaces:
    """Return the faces behind the weights `atelier`, made now if never before: cut once, at the finest side, for networks of any side."""
    return atelier_faces(wanted.pretraining_faces, wanted.pretraining_seed, FINEST, wanted.pretraining_material)


def _learn(wanted: TrainingParameters, folder: Path, progress: Callable | None) -> dict:
    faces = people(wanted)
    crops = faces.crops  # what is larger than a network sees is brought to its side beforehand, as the collection's crops are
    if wanted.side < FINEST:
        crops = open_crops(resized(crops, wanted.side, folder / "crops.npy"))
    known = np.flatnonzero((faces.table["expression"] != "").to_numpy())
    target = faces.table["expression"].to_numpy()[known, None] == np.array(EXPRESSIONS)
    validating = _validating(faces.table["subject"].iloc[known])
    if not target[~validating].any(axis=0).all() or not validating.any():
        raise ParameterError(f"Received pretraining_faces={wanted.pretraining_faces}, expected enough for every expression to learn from "
                             "and to validate on: give 70 or more.")  # fmt: skip
    learner = wanted.model_copy(update={
        "augmentation": "faces", "batch": BATCH, "beta_1": BETAS[0], "beta_2": BETAS[1], "loss": "binary_crossentropy", "dropout": 0.0,
        "class_weights": False, "mixup": 0.0, "cutmix": 0.0, "randaugment": 0.0, "frozen_epochs": 0, "patience": wanted.pretraining_epochs,
    })  # fmt: skip
    model = regime.network(learner)
    parts = [(Rows(crops, known[rows]), target[rows].astype(np.float32)) for rows in (~validating, validating)]
    rate = fitting.falling(wanted.pretraining_rate, wanted.pretraining_epochs)
    curves = regime.trained(model, learner, *parts, folder / "training", 0, rate=rate, epochs=wanted.pretraining_epochs, progress=progress)
    said = regime.scores(model, parts[1][0], BATCH)
    model.save_weights(folder / WEIGHTS)
    curves.to_csv(folder / "history.csv", index=False, lineterminator="\n")
    (folder / "crops.npy").unlink(missing_ok=True)
    best = int(curves[regime.MEASURE].argmin())
    return {"faces": len(known), "validated_on": int(validating.sum()), "seconds": round(float(curves["seconds"].sum()), 1),
            "best_epoch": best + 1, "loss": float(curves["loss"].iloc[best]), "val_loss": float(curves[regime.MEASURE].iloc[best]),
            "accuracy": float((said.argmax(axis=1) == parts[1][1].argmax(axis=1)).mean()), "synthetic": True}


def _validating(subjects) -> np.ndarray:
    """Return which faces validate, bool (n,): those of every eighth person."""
    people = {name: place for place, name in enumerate(sorted(set(subjects)))}
    return np.array([people[name] % VALIDATING == 0 for name in subjects])
