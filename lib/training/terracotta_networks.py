"""Training: the terracotta study's classifiers, trained as it says or with what it is compared with, and kept on this machine.

ResNet-18 and ARM (`lib.networks.arm`) with focal loss and Adam (Tian et al., section 3.4). What the study had not: small changes of
pictures, MixUp and CutMix, a number of steps in the place of epochs, and a start from a network trained before.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lib.compendium.errors import ParameterError
from lib.compendium.kept import kept, record_of
from lib.faces.detectors import silent
from lib.networks import arm
from lib.training import fitting, regime, terracotta

with silent():
    import keras

OUTPUT = "expression"
WEIGHTS, HISTORY, WORK = "network.weights.h5", "history.parquet", "work"
SOURCES = ("lib.networks.arm", "lib.networks.backbones", "lib.training.terracotta_networks", "lib.training.terracotta",
           "lib.training.fitting", "lib.training.augmentation", "lib.training.mixing", "lib.training.regime")  # fmt: skip


class Wanted(BaseModel):
    """A training of one of the study's classifiers; the defaults are the study's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Literal["resnet18", "arm"] = Field("arm", description="of `lib.networks.arm`")
    side: int = Field(arm.SIDE, description="pixels of a picture's side (section 3.4)")
    width: float = Field(1.0, description="share of each layer's published filters")
    mode: Literal["as_coded", "batch_independent"] = Field("as_coded", description="what ARM's sharing affinity adds at test time")
    epochs: int = Field(70, ge=1, description="not stated in the paper; from the code published with ARM")
    steps: int = Field(0, ge=0, description="batches in all, in the place of epochs, whatever the number of pictures; 0: epochs decide")
    batch: int = Field(terracotta.BATCH, ge=1, description="pictures a step (section 3.4)")
    rate: float = Field(terracotta.RATE, gt=0, description="learning rate (section 3.4)")
    decay: float = Field(terracotta.DECAY, gt=0, le=1, description="factor of the rate an epoch; the paper says only that it decays")
    schedule: Literal["decay", "falling"] = Field("decay", description="as published, or along half a cosine to nearly 0")
    changes: bool = Field(False, description="small random changes of each picture (`augmentation.FACES`)")
    mixup: float = Field(0.0, ge=0, description="α of MixUp; 0: none")
    cutmix: float = Field(0.0, ge=0, description="α of CutMix; 0: none")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of fresh weights, order and draws")
    precision: ClassVar[str] = "float32"  # as published; `regime` asks

    @property
    def augmentation(self) -> str:
        """The name under which `regime` knows the changes."""
        return "faces" if self.changes else "none"


class Trained(NamedTuple):
    """A trained classifier, its learning curves (one row an epoch), and the kept folder."""

    model: keras.Model
    history: pd.DataFrame
    folder: Path

    def says(self, crops: np.ndarray, batch: int = terracotta.BATCH) -> np.ndarray:
        """Return the most probable expression of crops uint8 (n, side, side, 3), object (n,)."""
        return terracotta.predicted(self.model, crops, batch)


def trained(wanted: Wanted, crops: np.ndarray, expressions, start: Path | None = None, progress: Callable | None = None) -> Trained:
    """Train a classifier on crops uint8 (n, side, side, 3) and their expressions (n,), or read what was trained before on the same.

    start: kept folder of a ResNet-18 of the same side and width, whose trunk the network begins with (all of it where it is one itself);
    None: drawn anew. A killed training goes on where it was. Raises ParameterError for crops that do not fit, WeightsError for another
    trunk.
    """
    crops, names = _checked(wanted, crops, expressions)
    settings = {**wanted.model_dump(mode="json"), "of": digest(crops, names), "start": Path(start).name if start else ""}
    folder = kept(f"terracotta-{wanted.network}", settings, SOURCES,
                  lambda making: _learn(making, wanted, crops, names, start, progress))  # fmt: skip
    return opened(folder)


def opened(folder: Path) -> Trained:
    """Return a kept training."""
    folder = Path(folder)
    wanted = _wanted_of(folder)
    return Trained(_built(wanted, folder / WEIGHTS), pd.read_parquet(folder / HISTORY), folder)


def digest(*arrays) -> str:
    """Return a digest of arrays: pictures, names."""
    found = hashlib.sha256()
    for array in arrays:
        array = np.asarray(array)
        found.update(f"{array.shape}".encode())
        found.update("\n".join(array).encode() if array.dtype == object else np.ascontiguousarray(array))
    return found.hexdigest()[:16]


def _checked(wanted: Wanted, crops, expressions) -> tuple[np.ndarray, np.ndarray]:
    crops, names = np.asarray(crops), np.asarray(expressions, object)
    if crops.ndim != 4 or crops.shape[1:] != (wanted.side, wanted.side, 3) or crops.dtype != np.uint8 or len(names) != len(crops):
        raise ParameterError(f"Received crops {crops.shape} of type {crops.dtype} and {len(names)} expressions; expected uint8 "
                             f"(n, {wanted.side}, {wanted.side}, 3) and one name each. Cut them to this side.")  # fmt: skip
    terracotta.one_hot(names)
    return crops, names


def _wanted_of(folder: Path) -> Wanted:
    return Wanted(**{name: value for name, value in record_of(folder)["settings"].items() if name in Wanted.model_fields})


def _built(wanted: Wanted, weights: str | Path = "none") -> keras.Model:
    if wanted.network == "arm":
        return arm.arm(wanted.side, width=wanted.width, mode=wanted.mode, weights=weights, seed=wanted.seed)
    return arm.resnet18(wanted.side, width=wanted.width, weights=weights, seed=wanted.seed)


def _begun(wanted: Wanted, start: Path | None) -> keras.Model:
    model = _built(wanted)
    if start is None:
        return model
    before = opened(start)
    arm.take_trunk(model, before.model)
    if wanted.network == _wanted_of(start).network:
        model.set_weights(before.model.get_weights())
    return model


def _learn(folder: Path, wanted: Wanted, crops: np.ndarray, names: np.ndarray, start: Path | None, progress: Callable | None) -> dict:
    model = _begun(wanted, start)
    epochs = epochs_of(wanted, len(crops))
    rate = fitting.falling(wanted.rate, epochs) if wanted.schedule == "falling" else fitting.steps(wanted.rate, 1, wanted.decay)
    graph = fitting.compiled(regime.graph(model, wanted), {OUTPUT: terracotta.focal_loss()})
    history = fitting.fit(graph, {"picture": crops}, {OUTPUT: terracotta.one_hot(names)}, epochs, folder / WORK, wanted.seed,
                          batch=wanted.batch, rate=rate, draws=regime.draws_of(wanted, wanted.seed), progress=progress,
                          examples=regime.Batches)  # fmt: skip
    model.save_weights(folder / WEIGHTS)
    history.to_parquet(folder / HISTORY, index=False)
    shutil.rmtree(folder / WORK)
    return {"parameters": model.count_params(), "learned_from": len(crops), "epochs": epochs,
            "seconds": round(float(history["seconds"].sum()), 1), "backend": keras.backend.backend()}  # fmt: skip


def epochs_of(wanted: Wanted, count: int) -> int:
    """Return the epochs of a training on `count` pictures: as asked, or as many as make the nearest number of steps, at least one."""
    a_round = max(count // min(wanted.batch, count), 1)
    return max(1, round(wanted.steps / a_round)) if wanted.steps else wanted.epochs
