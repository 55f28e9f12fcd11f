"""Training: one network of the study from data to predictions, and many of them side by side.

A finished training is a folder: `model.keras`, `predictions` and `history` as tables, `record.json`. A training that was killed goes on
in the same folder where it was; a finished one with the same settings is read, not repeated.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lib.compendium import compute, fingerprints
from lib.compendium.errors import ParameterError
from lib.compendium.kept import source_digest
from lib.compendium.places import relative, write_atomically
from lib.expressions import EXPRESSIONS
from lib.networks import backbones
from lib.training import pretraining, regime, splits
from lib.training.data import Data, Rows, opened
from lib.training.parameters import TrainingParameters

MODEL, PREDICTIONS, HISTORY, RECORD = "model.keras", "predictions", "history", "record.json"
WORK = "training"  # folder of checkpoints while it lasts
SOURCES = ("lib.training.study", "lib.training.regime", "lib.training.data", "lib.training.fitting", "lib.training.augmentation",
           "lib.training.mixing", "lib.training.pretraining", "lib.networks.backbones")  # fmt: skip
# Parameters that decide the data, or count only later.
NOT_LEARNING = ("threshold", "fewest_faces", "folds", "seeds", "leave_out", "validation_share", "test_share", "lacking", "labels")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Trained:
    """What became of a training: predictions (face_id, part, the seven EXPRESSIONS 0 to 1), history (a row an epoch), record, folder."""

    predictions: pd.DataFrame
    history: pd.DataFrame
    record: dict
    folder: Path

    def model(self) -> keras.Model:
        """Return the network, ready to answer."""
        return keras.models.load_model(self.folder / MODEL, compile=False)


# ---- splitting


def split(table: pd.DataFrame, target: pd.DataFrame, wanted: TrainingParameters) -> pd.DataFrame:
    """Return the splits the parameters ask for, as a table SPLITS: one, `folds`, or by what is left out. See `lib.training.splits`.

    table: `splits.described` of the faces to split, all with a label; target: zeros and ones of the same faces in the same order.
    """
    validation, test, lacking = wanted.validation_share, wanted.test_share, wanted.lacking
    if wanted.leave_out:
        return splits.leave_one_out(table, target, wanted.leave_out, wanted.seed, validation / (1 - test), lacking=lacking)
    if wanted.folds > 1:
        return splits.folds(table, target, wanted.folds, wanted.seed, validation, lacking)
    return splits.split(table, target, (1 - validation - test, validation, test), wanted.seed, lacking)


# ---- one network


def train(data: Data, wanted: TrainingParameters, folder: Path, fold: int = 0, seed: int | None = None,
          progress: Callable | None = None) -> Trained:  # fmt: skip
    """Train one backbone on a fold and return what became of it; everything is written into `folder`.

    data: from `lib.training.data.prepare`, at the parameters' side. Faces without a label are left out of training and validation, and
    predicted. seed: of the head's fresh weights and the order of training; default: the parameters'. progress(done, total): after each
    epoch; default: the run's heartbeat. Raises ParameterError for data of another side, parts without faces or without positives, too
    little memory and a training that becomes NaN; WeightsError for weights that cannot be had and checkpoints of another network.
    """
    folder, seed = Path(folder), wanted.seed if seed is None else seed
    if data.about["side"] != wanted.side:
        raise ParameterError(f"Received pictures of {data.about['side']} pixels for side={wanted.side}; expected the same: prepare the "
                             "data with the parameters' side.")  # fmt: skip
    learning, validating = (data.part(part, fold) for part in PARTS[:2])
    _check_positives(learning[1], validating[1], fold, wanted.lacking)
    weights = pretraining.pretrained(wanted, progress) if wanted.weights == "atelier" else wanted.weights
    settings = _settings(wanted, fold, seed)
    of = _digest([settings, data.about["digest"], str(Path(weights).parent.name) if wanted.weights == "atelier" else _of_file(weights)])
    if (found := read(folder)) and found.record["of"] == of:
        return found
    device = regime.spread(wanted)
    model = regime.network(wanted, weights if wanted.weights in ("atelier", *backbones.WEIGHTS) else Path(weights).expanduser(), seed)
    work = folder / WORK / of
    progress = progress or compute.progress(f"epochs of {backbones.TITLES[wanted.backbone]}")
    history = regime.trained(model, wanted, learning[:2], validating[:2], work, seed, progress=progress)
    predictions = _predicted(model, data, fold, wanted.batch)
    record = {"of": of, "settings": settings, "weights": _named(weights), "device": device, "backend": keras.backend.backend(),
              **_numbers(model, history, learning, validating, data), "peak_memory_mib": round(peak_memory() / 2**20)}
    _write(folder, model, predictions, history, record)
    shutil.rmtree(folder / WORK, ignore_errors=True)
    return Trained(predictions, history, record, folder)


def _settings(wanted: TrainingParameters, fold: int, seed: int) -> dict:
    values = wanted.model_dump(mode="json")
    return {name: value for name, value in values.items() if name not in NOT_LEARNING} | {"fold": fold, "seed": seed}


def _digest(of) -> str:
    return fingerprints.digest(json.dumps([of, source_digest(SOURCES)], sort_keys=True))[:12]


def _of_file(weights: str) -> str:
    path = Path(weights).expanduser()
    return fingerprints.file_digest(path) if path.is_file() else weights


def _named(weights) -> str:
    return relative(weights) if isinstance(weights, Path) else str(weights)


def _check_positives(learning: np.ndarray, validating: np.ndarray, fold: int, lacking: tuple) -> None:
    for part, target in (("train", learning), ("validation", validating)):
        if not len(target):
            raise ParameterError(f"Fold {fold}: the part {part} has no labelled face, expected some: make the split again.")
        for name, shown in zip(EXPRESSIONS, (target > 0).any(axis=0), strict=True):
            if not shown and name not in lacking:
                raise ParameterError(f"Fold {fold}: the part {part} has no face with {name!r}, expected each expression in it: make the "
                                     f"split again from this target, or give lacking=[{name}].")  # fmt: skip


def _predicted(model: keras.Model, data: Data, fold: int, batch: int) -> pd.DataFrame:
    parts = {part: data.part(part, fold, labelled=False) for part in PARTS}
    rows = np.concatenate([pictures.rows for pictures, _, _ in parts.values()])
    table = pd.DataFrame(regime.scores(model, Rows(data.pictures, rows), batch), columns=list(EXPRESSIONS))
    table.insert(0, "face_id", np.concatenate([ids for *_, ids in parts.values()]))
    table.insert(1, "part", np.repeat(list(parts), [len(ids) for *_, ids in parts.values()]))
    return table


def _numbers(model: keras.Model, history: pd.DataFrame, learning: tuple, validating: tuple, data: Data) -> dict:
    """Return what a training was: sizes, cost, and where it stopped."""
    best = int(history[regime.MEASURE].argmin())
    seconds = history["seconds"].iloc[1:] if len(history) > 1 else history["seconds"]  # the first epoch also builds the step
    return {
        "parameters": model.count_params(), "trainable": sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
        "multiplications": backbones.multiplications(model), "faces": data.about["faces"], "without_label": data.about["without_label"],
        "learned_from": len(learning[0]), "validated_on": len(validating[0]), "epochs": len(history), "best_epoch": best + 1,
        "loss": float(history["loss"].iloc[best]), "val_loss": float(history[regime.MEASURE].iloc[best]),
        "seconds": round(float(history["seconds"].sum()), 1), "pictures_a_second": round(len(learning[0]) / float(seconds.median()), 1),
    }  # fmt: skip


def peak_memory() -> int:
    """Return the largest memory this process has held so far, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _write(folder: Path, model: keras.Model, predictions: pd.DataFrame, history: pd.DataFrame, record: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".part-{MODEL}"
    model.save(part)
    part.replace(folder / MODEL)
    for name, table in ((PREDICTIONS, predictions), (HISTORY, history)):
        write_atomically(folder / f"{name}.parquet", table.to_parquet(index=False))
        write_atomically(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    write_atomically(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")  # last: it says the folder is complete


def read(folder: Path) -> Trained | None:
    """Return a finished training, None where the folder holds none."""
    folder = Path(folder)
    try:
        record = json.loads((folder / RECORD).read_text())
        tables = [pd.read_parquet(folder / f"{name}.parquet") for name in (PREDICTIONS, HISTORY)]
    except (OSError, ValueError):
        return None
    return Trained(*tables, record, folder) if (folder / MODEL).exists() else None


# ---- many networks


def sweep(data: Data, wanted: TrainingParameters, folder: Path, names: Iterable[str] | None = None, folds: Iterable[int] | None = None,
          seeds: Iterable[int] | None = None, workers: int | None = None, scheduler: str | None = None) -> pd.DataFrame:  # fmt: skip
    """Train backbones × folds × seeds side by side and return one row each: backbone, fold, seed, folder, error, and the record's numbers.

    names: default the parameters' backbone; folds: all of the splits; seeds: `seeds` from `seed` on. Each goes into a folder of its own
    under `folder`; what is finished there is read. An error costs its own training. The same results in this process (workers=1), in local
    processes, and on the machines of a Dask scheduler that see the same disk.
    """
    names = [wanted.backbone] if names is None else list(names)
    folds = sorted(set(data.splits["fold"])) if folds is None else list(folds)
    seeds = [wanted.seed + number for number in range(wanted.seeds)] if seeds is None else list(seeds)
    jobs = {f"{name}-fold{fold}-seed{seed}": {"backbone": name, "fold": int(fold), "seed": int(seed)}
            for name in names for fold in folds for seed in seeds}  # fmt: skip
    if wanted.weights == "atelier":
        pretraining.people(wanted)  # once, on all cores, before many ask for them at once
    settings = {"parameters": wanted.model_dump(mode="json"), "data": str(data.folder.resolve()), "folder": str(Path(folder).resolve())}
    done = compute.run_all(train_job, jobs, settings=settings, workers=workers, scheduler=scheduler, what="networks")
    rows = [{**jobs[key], "folder": key, "error": outcome.error or "", **(outcome.value or {})} for key, outcome in done.items()]
    return pd.DataFrame(rows)


def train_job(item: dict, settings: dict) -> dict:
    """Train one network of a sweep, in a worker process; returns the plain numbers of its record."""
    wanted = TrainingParameters(**settings["parameters"] | {"backbone": item["backbone"]})
    name = f"{item['backbone']}-fold{item['fold']}-seed{item['seed']}"
    made = train(opened(Path(settings["data"])), wanted, Path(settings["folder"]) / name, item["fold"], item["seed"], _silent)
    return {key: value for key, value in made.record.items() if isinstance(value, (int, float, str))}


def _silent(done: int, total: int) -> None:
    """Report nothing: a sweep counts its networks, not their epochs."""
