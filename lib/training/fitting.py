"""Training: fitting a network epoch by epoch, so that a killed training goes on and ends where an uninterrupted one does.

What a network sees depends on (seed, epoch, index) alone: the order of the examples and how each is changed are drawn anew from
these, never from what went before. After each epoch all state is written under a temporary name and renamed: weights, the optimiser's
moments, the dropout's counters, the learning curves.
"""

import json
import time
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError, WeightsError
from lib.compendium.places import relative, write_atomically
from lib.faces.detectors import silent

with silent():
    import keras

CHECKPOINT, HISTORY, BEST = "checkpoint.npz", "history.csv", "best.npz"


class Examples(keras.utils.PyDataset):
    """Batches of one epoch: arrays by name, in the epoch's order, with the epoch's draws. The rest of a last, smaller batch is left out.

    `inputs`, `targets`: {name: array (n, …)}, memory-mapped ones too; `draws(epoch, indices)`: further inputs by name, or None.
    """

    def __init__(self, inputs: Mapping, targets: Mapping, batch: int, seed: int, epoch: int, draws: Callable | None = None):
        super().__init__(workers=1)
        self.inputs, self.targets, self.epoch, self.draws = inputs, targets, epoch, draws
        count = _count(inputs, targets)
        self.batch = min(batch, count)
        self.order = order(count, seed, epoch)

    def __len__(self) -> int:
        return len(self.order) // self.batch

    def __getitem__(self, number: int) -> tuple[dict, dict]:
        indices = self.order[number * self.batch:(number + 1) * self.batch]
        further = self.draws(self.epoch, indices) if self.draws else {}
        inputs = {name: np.asarray(array[indices]) for name, array in self.inputs.items()}
        return inputs | further, {name: np.asarray(array[indices]) for name, array in self.targets.items()}


class InOrder(keras.utils.PyDataset):
    """Batches of examples one after the other, the smaller last one too, to measure or predict: arrays by name, only a batch in memory.

    `inputs`, `targets`: as in `Examples`; without targets a batch has inputs only.
    """

    def __init__(self, inputs: Mapping, targets: Mapping | None, batch: int):
        super().__init__(workers=1)
        self.inputs, self.targets, self.batch = inputs, targets or {}, batch
        self.count = _count(inputs, self.targets)

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __getitem__(self, number: int) -> tuple:
        rows = np.arange(number * self.batch, min((number + 1) * self.batch, self.count))
        parts = [{name: np.asarray(array[rows]) for name, array in part.items()} for part in (self.inputs, self.targets)]
        return tuple(part for part in parts if part)


def order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order in which an epoch shows `count` examples: a permutation drawn from (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def _count(inputs: Mapping, targets: Mapping) -> int:
    counts = {name: len(array) for name, array in {**inputs, **targets}.items()}
    if not counts or len(set(counts.values())) != 1 or not next(iter(counts.values())):
        raise ParameterError(f"Received arrays of lengths {counts}; expected one or more examples, as many in every array.")
    return next(iter(counts.values()))


def steps(rate: float, every: int = 3, factor: float = 0.1) -> Callable[[int], float]:
    """Return a learning rate by epoch (from 0): `rate`, multiplied by `factor` after every `every` epochs."""
    return lambda epoch: rate * factor ** (epoch // every)


def falling(rate: float, epochs: int, last: float = 0.02) -> Callable[[int], float]:
    """Return a learning rate by epoch that falls along half a cosine from `rate` to `last` · `rate` in the last of `epochs`."""
    share = lambda epoch: min(epoch / max(epochs - 1, 1), 1.0)  # noqa: E731
    return lambda epoch: rate * (last + (1 - last) * 0.5 * (1 + float(np.cos(np.pi * share(epoch)))))


def patience(measure: str, epochs: int) -> Callable[[pd.DataFrame], bool]:
    """Return a rule for `fit`'s `stop`: the smallest value of a measure is `epochs` epochs old. Of equal values the first counts."""
    return lambda history: len(history) - 1 - int(np.argmin(history[measure])) >= epochs


def compiled(model: keras.Model, losses, weights: dict | None = None, betas: tuple = (0.9, 0.999)) -> keras.Model:
    """Return the model compiled for `fit`: Adam, the losses and their weights by output, never by XLA.

    XLA is off because on processors it takes half a minute to start, and small networks are slower with it afterwards.
    """
    model.compile(keras.optimizers.Adam(beta_1=betas[0], beta_2=betas[1]), loss=losses, loss_weights=weights, jit_compile=False)
    return model


def initialised(model: keras.Model, seed: int) -> keras.Model:
    """Return the model with kernels drawn anew from a seed by numpy, the same on every backend: Glorot's uniform (2010), Keras' default.

    Recurrent kernels become orthogonal (Saxe et al. 2014); biases, norms and embeddings stay as they are.
    """
    for number, weight in enumerate(model.weights):
        generator, shape = np.random.default_rng([seed, number]), tuple(weight.shape)
        if weight.path.endswith("recurrent_kernel"):
            weight.assign(_orthogonal(generator, shape))
        elif weight.path.endswith("kernel") and len(shape) >= 2:
            field = int(np.prod(shape[:-2]))
            limit = np.sqrt(6 / (field * (shape[-2] + shape[-1])))
            weight.assign(generator.uniform(-limit, limit, shape))
    return model


def _orthogonal(generator: np.random.Generator, shape: tuple) -> np.ndarray:
    """Return (rows, k · rows) as k orthogonal squares side by side: one for each gate of a recurrent layer."""
    rows, columns = shape
    squares = []
    for _ in range(-(-columns // rows)):
        q, r = np.linalg.qr(generator.normal(size=(rows, rows)))
        squares.append(q * np.sign(np.diag(r)))
    return np.concatenate(squares, axis=1)[:, :columns]


def fit(model: keras.Model, inputs: Mapping, targets: Mapping, epochs: int, folder: Path, seed: int, *, batch: int = 32, rate=1e-3,
        draws: Callable | None = None, validation: tuple | None = None, progress: Callable | None = None,
        stop: Callable | None = None, best: str | None = None, examples: Callable = Examples) -> pd.DataFrame:
    """Train a compiled model and return its learning curves, one row an epoch; they are also in `folder`/history.csv as they grow.

    inputs, targets: {name: array} with one row an example, names as in the model; draws(epoch, indices): further inputs by name, such
        as `lib.training.augmentation.draw` gives. epochs: in all, those of an earlier, killed call with the same folder counted in.
    rate: learning rate, a number or a function of the epoch (from 0). validation: (inputs, targets), measured after each epoch, with
        `draws`' inputs included. progress(done, total): called after each epoch. stop(history): true ends the training.
    best: a measure of the curves ("val_loss"); the weights of the epoch with its smallest value are kept in `folder` for `take_best`.
    examples: what makes an epoch's batches, called like `Examples`.
    Raises ParameterError for arrays of different lengths, WeightsError where the folder's checkpoint is of another network.
    """
    _count(inputs, targets)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.optimizer.build(model.trainable_variables)
    history = _resumed(model, folder / CHECKPOINT)
    if history:  # a kill between the two files leaves the checkpoint ahead
        write_atomically(folder / HISTORY, pd.DataFrame(history).to_csv(index=False))
    for epoch in range(len(history), epochs):
        if stop and history and stop(pd.DataFrame(history)):
            break
        rate_now = float(rate(epoch) if callable(rate) else rate)
        model.optimizer.learning_rate.assign(rate_now)
        started = time.monotonic()
        values = _one_epoch(model, examples(inputs, targets, batch, seed, epoch, draws), epoch)
        if validation:
            values |= {f"val_{name}": value for name, value in _evaluated(model, *validation, batch).items()}
        history.append({"epoch": epoch + 1, "rate": rate_now, **values, "seconds": round(time.monotonic() - started, 3)})
        _check_finite(history[-1])
        if best and history[-1][best] < min((row[best] for row in history[:-1]), default=np.inf):
            write_state(folder / BEST, _state(model, ("model",)), history)  # before the checkpoint: a kill in between repeats the epoch
        _save(model, history, folder / CHECKPOINT)
        write_atomically(folder / HISTORY, pd.DataFrame(history).to_csv(index=False))
        if progress:
            progress(epoch + 1, epochs)
    return pd.DataFrame(history)


def take_best(model: keras.Model, folder: Path) -> int:
    """Put the weights of the best epoch back, which `fit` kept under `best`, and return its number (from 1). Raises WeightsError."""
    path = Path(folder) / BEST
    if not path.exists():
        raise WeightsError(f"There is no {relative(path)}; expected the best epoch's weights. Delete {CHECKPOINT} there and train again.")
    return len(take_state(path, _state(model, ("model",))))


def _one_epoch(model: keras.Model, examples, epoch: int) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*ran out of data.*")
        done = model.fit(examples, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
    return {name: float(values[-1]) for name, values in done.history.items()}


def _evaluated(model: keras.Model, inputs: Mapping, targets: Mapping, batch: int) -> dict[str, float]:
    return {name: float(value) for name, value in model.evaluate(InOrder(inputs, targets, batch), verbose=0, return_dict=True).items()}


def _check_finite(row: dict) -> None:
    if bad := [name for name, value in row.items() if not np.isfinite(value)]:
        raise ParameterError(
            f"The training became {row[bad[0]]} ({bad[0]}) in epoch {row['epoch']} at learning rate {row['rate']:g}; expected a number. "
            "Give a smaller learning rate; missing labels are NaN in the targets and need a loss that leaves them out."
        )


def _state(model: keras.Model, parts: tuple = ("model", "optimiser")) -> dict:
    """Return everything that decides how training goes on, by a name that says its place: weights, dropout counters, optimiser."""
    found = {"model": model, "optimiser": model.optimizer}
    return {f"{part}/{number:04d}": variable for part in parts for number, variable in enumerate(found[part].variables)}


def _save(model: keras.Model, history: list, path: Path) -> None:
    write_state(path, _state(model), history)


def write_state(path: Path, state: dict, history: list) -> None:
    """Write variables by name ({name: variable}) and learning curves as one `.npz` file, under a temporary name first."""
    arrays = {name: np.asarray(keras.ops.convert_to_numpy(variable)) for name, variable in state.items()}
    part = path.with_name(f".{path.name}.part.npz")
    np.savez(part, history=np.array(json.dumps(history)), **arrays)
    part.replace(path)


def _resumed(model: keras.Model, path: Path) -> list[dict]:
    """Return the learning curves of a checkpoint, its state put into the model; [] where there is none."""
    return take_state(path, _state(model)) if path.exists() else []


def take_state(path: Path, state: dict) -> list[dict]:
    """Put the arrays of a file of `write_state` into the variables and return the learning curves it holds. Raises WeightsError."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
            history = json.loads(str(arrays.pop("history")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{relative(path)} cannot be read ({error}); expected a checkpoint. Delete it to start again.") from None
    received, expected = ({name: tuple(value.shape) for name, value in part.items()} for part in (arrays, state))
    for name in {**expected, **received}:
        if received.get(name) != expected.get(name):
            raise WeightsError(
                f"{relative(path)} belongs to another network ({name}: received {received.get(name, 'nothing')}, "
                f"expected {expected.get(name, 'nothing')}). Delete it to start again."
            )
    for name, variable in state.items():
        variable.assign(arrays[name])
    return history
