"""Training: the art-emotion study's three GANs, with the non-saturating losses (Charkhabi and Garrido, section 4.2), and a remedy.

Both networks see codes, pictures and changes that depend on (seed, epoch, number of the batch) alone, so a killed training goes on and
ends where an uninterrupted one does. The remedy for few pictures, differentiable augmentation (Zhao et al. 2020), changes real and
generated pictures alike before the discriminator sees them, so that it cannot learn the few pictures by heart; not in the paper.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lib.compendium.errors import ParameterError
from lib.compendium.places import write_atomically
from lib.faces.detectors import silent
from lib.networks import gans as networks
from lib.networks.ganimation import GREY
from lib.training import fitting, ganimation
from lib.training.ganimation import CONSTANT, Diverged

with silent():
    import keras
    from keras import ops

SOURCES = ("lib.networks.gans", "lib.training.gans", "lib.training.ganimation", "lib.training.fitting")
CHANGES = ("colour", "translation", "cutout")  # of differentiable augmentation
DRAWS = 8  # numbers from which a picture's changes follow: brightness, saturation, contrast, two shifts, two places of the hole, whether
SHIFT, HOLE = 0.125, 0.5  # of the side: the farthest translation; the cutout's side (Zhao et al.)
CALL = 32  # codes a call
CHECK_EVERY = 50  # steps after which the losses are looked at
SHEETS = "samples.npz"  # what the generator makes of the fixed codes, by epoch
WINS, HELPLESS = 0.9, 0.1  # share of its pictures the discriminator gets right, and of generated ones it takes for real, when it has won
COLUMNS = ("epoch", "discriminator", "generator", "real_seen", "fooled", "variety", "verdict", "seconds")
WON, ONE_FOR_ALL = "discriminator wins", "one picture for all"


class Settings(BaseModel):
    """How a pair is built and trained; the defaults are DCGAN's code's, for the study gives no numbers of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["baseline", "complex", "dcgan"] = Field("dcgan", description="the pair; section 4.2")
    side: int = Field(64, ge=8, description="pixels of a picture's side; not stated in the paper, the code's")
    width: int = Field(64, ge=1, description="filters of the generator's layer next to the picture")
    discriminator_width: int | None = Field(None, ge=1, description="the same of the discriminator; None: as the generator")
    kernel: int = Field(5, ge=1, description="side of the convolutions")
    code: int = Field(networks.CODE, ge=1, description="numbers of a code")
    deviation: float | None = Field(None, gt=0, description="of fresh kernels; None: .02 for DCGAN, Glorot's for the others")
    epochs: int = Field(25, ge=1, description="epochs in all")
    passes: int = Field(1, ge=1, description="times an epoch shows every picture; more where pictures are few")
    batch: int = Field(64, ge=2, description="pictures a step")
    rate: float = Field(2e-4, gt=0, description="learning rate of the generator")
    discriminator_rate: float | None = Field(None, gt=0, description="of the discriminator; None: the generator's")
    last: float = Field(1.0, gt=0, le=1, description="part of both learning rates left in the last epoch, along half a cosine; 1: constant")
    beta_1: float = Field(0.5, ge=0, lt=1, description="of Adam")
    beta_2: float = Field(0.999, ge=0, lt=1, description="of Adam")
    generator_steps: int = Field(2, ge=1, description="steps of the generator for one of the discriminator")
    augmentation: tuple[Literal["colour", "translation", "cutout"], ...] = Field((), description="the remedy's changes; none in the paper")
    share: float = Field(1.0, gt=0, le=1, description="of the pictures a batch shows the discriminator that the remedy changes")
    averaged: float = Field(0.0, ge=0, lt=1, description="the generator given is a running mean of its weights; 0 in the paper: the last")
    mirrored: bool = Field(True, description="half of the real pictures mirrored")
    fixed: int = Field(16, ge=2, description="codes at which the generator is watched over the epochs")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of fresh weights, order and draws")


class Trained(NamedTuple):
    """The generator (averaged where asked for), the discriminator, the curves (COLUMNS), samples {epoch: uint8 (fixed, S, S, 3)}."""

    generator: keras.Model
    discriminator: keras.Model
    history: pd.DataFrame
    samples: dict[int, np.ndarray]
    settings: Settings


# ---- losses


def discriminator_loss(pair: tuple, wanted: Settings, pictures, codes, draws) -> tuple:
    """Return L_D = -E log D(x) - E log(1 - D(G(z))), and its parts: also the shares of real and of generated pictures taken for real.

    pictures (n, S, S, 3) 0..255; codes (n, code); draws (2, n, DRAWS) 0..1: of the changes of the real and of the generated.
    """
    generator, discriminator = pair
    made = ops.stop_gradient(generator(codes, training=True))
    real = discriminator(changed(pictures, draws[0], wanted.augmentation, wanted.share), training=True)
    false = discriminator(changed(made, draws[1], wanted.augmentation, wanted.share), training=True)
    loss = ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(false))  # -log D and -log(1 - D) of a logit
    return loss, {"discriminator": loss, "real_seen": share_real(real), "fooled": share_real(false)}


def generator_loss(pair: tuple, wanted: Settings, codes, draws) -> tuple:
    """Return the non-saturating L_G = -E log D(G(z)), and its part by name; draws (n, DRAWS)."""
    generator, discriminator = pair
    said = discriminator(changed(generator(codes, training=True), draws, wanted.augmentation, wanted.share), training=True)
    loss = ops.mean(ops.softplus(-said))
    return loss, {"generator": loss}


def share_real(logits):
    """Return the share of logits above 0: of pictures for which D(x) > .5."""
    return ops.mean(ops.cast(logits > 0, "float32"))


# ---- the remedy


def changed(pictures, draws, kinds=CHANGES, share: float = 1.0):
    """Return pictures (n, S, S, 3) 0..255 as differentiable augmentation changes them; gradients pass through (Zhao et al. 2020).

    draws: (n, DRAWS), uniform 0 to 1, which decide each picture's change. kinds: of CHANGES: colour (brightness ± .5 of half the range,
    saturation times 0 to 2, contrast times .5 to 1.5), translation (up to an eighth of the side), cutout (a hole of half the side). What
    comes from outside is mid-grey, 0 of -1 to 1. share: chance that a picture is changed at all; below about .8 what the changes do does
    not show in what is generated (Karras et al. 2020). Results may leave 0..255, as in the paper.
    """
    start = x = (ops.cast(pictures, "float32") - GREY) / GREY
    draws = ops.cast(draws, "float32")
    if "colour" in kinds:
        x = _coloured(x, *(ops.reshape(draws[:, place], (-1, 1, 1, 1)) for place in range(3)))
    if "translation" in kinds:
        x = _shifted(x, draws[:, 3], draws[:, 4])
    if "cutout" in kinds:
        x = _holed(x, draws[:, 5], draws[:, 6])
    if share < 1:
        x = ops.where(ops.reshape(draws[:, 7], (-1, 1, 1, 1)) < share, x, start)
    return x * GREY + GREY


def _coloured(x, brightness, saturation, contrast):
    x = x + (brightness - 0.5)
    grey = ops.mean(x, axis=3, keepdims=True)
    x = (x - grey) * (2.0 * saturation) + grey
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    return (x - mean) * (contrast + 0.5) + mean


def _shifted(x, down, across):
    """Return pictures moved by whole pixels, by matrices that pick rows and columns: they have gradients on every backend."""
    rows, columns = (_picking(x.shape[axis], draw) for axis, draw in ((1, down), (2, across)))
    n, side, other, channels = (-1, *x.shape[1:])
    x = ops.reshape(ops.matmul(rows, ops.reshape(x, (n, side, other * channels))), (n, side, other, channels))
    x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (n, other, side * channels))
    return ops.transpose(ops.reshape(ops.matmul(columns, x), (n, other, side, channels)), (0, 2, 1, 3))


def _picking(side: int, draw):
    """Return matrices (n, side, side) that move by round((2 · draw - 1) · SHIFT · side) places, with 0 from outside."""
    moved = ops.round((2.0 * draw - 1.0) * SHIFT * side)
    places = ops.arange(side, dtype="float32")
    return ops.cast(ops.equal(places[None, None, :] - places[None, :, None], ops.reshape(moved, (-1, 1, 1))), "float32")


def _holed(x, down, across):
    inside = [_between(x.shape[axis], draw) for axis, draw in ((1, down), (2, across))]
    return x * (1.0 - ops.expand_dims(ops.expand_dims(inside[0], 2) * ops.expand_dims(inside[1], 1), 3))


def _between(side: int, draw):
    """Return (n, side): 1 within HOLE · side of places about a centre anywhere in the picture, as coded by Zhao et al."""
    first = ops.floor(draw[:, None] * side) - side * HOLE / 2
    places = ops.arange(side, dtype="float32")[None]
    return ops.cast(ops.logical_and(places >= first, places < first + side * HOLE), "float32")


# ---- training


def train(pictures, folder, settings: Settings | Mapping | None = None, progress: Callable | None = None) -> Trained:
    """Train a pair on pictures, or go on with what a killed call left in `folder`, and return it.

    pictures: uint8 RGB (n, S, S, 3), S as in the settings. folder: takes checkpoint.npz, history.csv and samples.npz after every epoch.
    settings: `Settings` or some of its fields. progress(done, total): after each epoch. An epoch in which the discriminator wins, or
    after which all codes give one picture, is named in the curves (`verdict`), and training goes on: the study's baseline does just that.
    Raises ParameterError for pictures that do not fit, Diverged where a loss is no number (the last good epoch's checkpoint stays),
    WeightsError for a checkpoint of other networks.
    """
    wanted = settings if isinstance(settings, Settings) else Settings(**(settings or {}))
    pictures = check_pictures(pictures, wanted)
    folder = Path(folder)
    pair, optimisers, steps = assembled(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    mean = keras.models.clone_model(pair.generator)
    mean.set_weights(pair.generator.get_weights())
    state = _state(pair, mean, optimisers)
    history = fitting.take_state(folder / fitting.CHECKPOINT, state) if (folder / fitting.CHECKPOINT).exists() else []
    samples = _samples(folder / SHEETS, len(history)) or {0: sampled(mean, fixed_codes(wanted))}
    for epoch in range(len(history), wanted.epochs):
        row = _epoch(pair, mean, optimisers, steps, wanted, pictures, epoch)
        samples[epoch + 1] = sampled(mean, fixed_codes(wanted))
        history.append(_judged(row, samples[epoch + 1], pictures))
        # Before the checkpoint: a kill in between leaves a picture too many, which the repeated epoch makes anew.
        _write_samples(folder / SHEETS, samples)
        write_atomically(folder / fitting.HISTORY, pd.DataFrame(history, columns=COLUMNS).to_csv(index=False))
        fitting.write_state(folder / fitting.CHECKPOINT, state, history)
        if progress:
            progress(epoch + 1, wanted.epochs)
    return Trained(mean, pair.discriminator, pd.DataFrame(history, columns=COLUMNS), samples, wanted)


def check_pictures(pictures, wanted: Settings) -> np.ndarray:
    """Return pictures uint8 (n, S, S, 3) of the settings' side, at least two, or raise ParameterError naming what does not fit."""
    pictures, side = np.asanyarray(pictures), wanted.side
    if pictures.ndim != 4 or pictures.shape[1:] != (side, side, 3) or pictures.dtype != np.uint8 or len(pictures) < 2:
        raise ParameterError(f"Received pictures {pictures.shape} of type {pictures.dtype}; expected at least two, uint8 (n, {side}, "
                             f"{side}, 3). Cut them to this side, or give another `side`.")  # fmt: skip
    if (pictures == pictures[:1]).all():
        raise ParameterError(f"Received {len(pictures)} pictures that are all the same; expected different ones to learn from.")
    return pictures


def assembled(wanted: Settings) -> tuple:
    """Return the pair, the optimisers, and the steps by name: discriminator(pictures, codes, draws), generator(codes, draws)."""
    pair = networks.pair(wanted.kind, wanted.side, wanted.width, wanted.discriminator_width, wanted.kernel, wanted.code, wanted.deviation,
                         wanted.seed)  # fmt: skip
    optimisers = tuple(keras.optimizers.Adam(rate, wanted.beta_1, wanted.beta_2) for rate in rates(wanted, 0))
    for network, optimiser in zip(pair, optimisers, strict=True):
        optimiser.build(network.trainable_variables)
    losses = {"generator": (generator_loss, 0), "discriminator": (discriminator_loss, 1)}
    return pair, optimisers, {name: ganimation.stepper(_bound(loss, pair, wanted), pair[which], optimisers[which], pair)
                              for name, (loss, which) in losses.items()}  # fmt: skip


def rates(wanted: Settings, epoch: int) -> tuple[float, float]:
    """Return the learning rates of the generator and of the discriminator in an epoch (from 0)."""
    share = fitting.falling(1.0, wanted.epochs, wanted.last)(epoch)
    return wanted.rate * share, (wanted.discriminator_rate or wanted.rate) * share


def _bound(loss: Callable, pair: tuple, wanted: Settings) -> Callable:
    return lambda *arrays: loss(pair, wanted, *(ops.cast(array, "float32") for array in arrays))


def batches(wanted: Settings, pictures, epoch: int) -> Iterator[tuple]:
    """Yield (pictures, codes, draws) of an epoch; all draws are of (seed, epoch, number), and a smaller last batch is left out.

    codes: (1 + generator_steps, n, code) uniform in -1 to 1, first the discriminator's; draws: (2 + generator_steps, n, DRAWS) 0 to 1.
    """
    size = min(wanted.batch, len(pictures))
    turns = [fitting.order(len(pictures), wanted.seed, epoch * wanted.passes + turn) for turn in range(wanted.passes)]
    order = np.concatenate(turns)
    for number in range(len(order) // size):
        rows, generator = order[number * size:(number + 1) * size], np.random.default_rng([wanted.seed, epoch, number])
        shown, turned = np.array(pictures[rows]), generator.random(size) < 0.5 * wanted.mirrored
        shown[turned] = shown[turned, :, ::-1]
        codes = generator.uniform(-1, 1, (1 + wanted.generator_steps, size, wanted.code))
        yield shown, codes.astype(np.float32), generator.random((2 + wanted.generator_steps, size, DRAWS)).astype(np.float32)


def _epoch(pair: networks.Pair, mean: keras.Model, optimisers: tuple, steps: dict, wanted: Settings, pictures, epoch: int) -> dict:
    """Train an epoch; return the means of its losses and shares."""
    started, found = time.monotonic(), {}
    for optimiser, rate in zip(optimisers, rates(wanted, epoch), strict=True):
        optimiser.learning_rate.assign(rate)
    count = max(wanted.passes * len(pictures) // min(wanted.batch, len(pictures)), 1) * wanted.generator_steps
    for number, (shown, codes, draws) in enumerate(batches(wanted, pictures, epoch)):
        rows = [steps["discriminator"](shown, codes[0], draws[:2])]
        for turn in range(wanted.generator_steps):
            rows.append(steps["generator"](codes[1 + turn], draws[2 + turn]))
            _take_mean(mean, pair.generator, wanted.averaged, epoch * count + number * wanted.generator_steps + turn)
        for name, value in ((name, value) for row in rows for name, value in row.items()):
            found.setdefault(name, []).append(value)
        if number % CHECK_EVERY == 0:
            _check_numbers({name: float(values[-1]) for name, values in found.items()}, wanted, epoch)
    means = {name: float(np.mean([float(value) for value in values])) for name, values in found.items()}
    _check_numbers(means, wanted, epoch)
    return {"epoch": epoch + 1, **means, "seconds": round(time.monotonic() - started, 3)}


def _take_mean(mean: keras.Model, generator: keras.Model, decay: float, steps: int) -> None:
    """Bring the averaged generator nearer to the last; early on faster, so that the fresh weights are forgotten."""
    decay = min(decay, (1 + steps) / (10 + steps)) if decay else 0.0
    for old, new in zip(mean.variables, generator.variables, strict=True):
        old.assign(new.value if not decay else old.value * decay + new.value * (1 - decay))


def _check_numbers(row: dict, wanted: Settings, epoch: int) -> None:
    if bad := [name for name, value in row.items() if not np.isfinite(value)]:
        raise Diverged(f"The training of {networks.TITLES[wanted.kind]} became {row[bad[0]]} ({bad[0]}) in epoch {epoch + 1} at learning "
                       f"rate {wanted.rate:g}; expected a number. The last good epoch is kept. Give a smaller `rate`.")  # fmt: skip


def _judged(row: dict, samples: np.ndarray, pictures: np.ndarray) -> dict:
    """Return the row with how far pictures of different codes differ, over how far real ones do, and what is wrong with the epoch."""
    row = {**row, "variety": variety(samples, pictures[:256])}
    return {**row, "verdict": verdict(row)}


def variety(samples: np.ndarray, pictures: np.ndarray) -> float:
    """Return how far some pictures (n, S, S, 3) differ from each other, pixel by pixel, over how far others do; 0 is one for all."""
    spread = [np.asarray(part, np.float32).std(axis=0).mean() for part in (samples, pictures)]
    return float(spread[0] / max(spread[1], 1e-6))


def verdict(row: Mapping) -> str:
    """Return what is wrong with a row of the curves, "" if nothing: WON or ONE_FOR_ALL.

    The discriminator has won where it sees at least WINS of the real pictures and takes at most HELPLESS of the generated ones for real:
    what the study saw ("the generator failed to trick the discriminator most of the times"); the numbers are ours.
    """
    if row["variety"] < CONSTANT:
        return ONE_FOR_ALL
    return WON if row["real_seen"] >= WINS and row["fooled"] <= HELPLESS else ""


# ---- pictures from codes


def fixed_codes(wanted: Settings) -> np.ndarray:
    """Return the codes at which a training is watched, float32 (fixed, code) in -1 to 1, of the seed alone."""
    return codes_of(wanted.fixed, wanted.seed, wanted.code)


def codes_of(count: int, seed: int, code: int = networks.CODE) -> np.ndarray:
    """Return codes float32 (count, code), uniform in -1 to 1."""
    return np.random.default_rng([seed, 20]).uniform(-1, 1, (count, code)).astype(np.float32)


def sampled(generator: keras.Model, codes) -> np.ndarray:
    """Return the pictures of codes (n, code) as uint8 (n, S, S, 3), each by itself (normalised by moving means)."""
    codes = np.asarray(codes, np.float32)
    if codes.ndim != 2 or codes.shape[1] != generator.input_shape[1]:
        raise ParameterError(f"Received codes {codes.shape}; expected (n, {generator.input_shape[1]}), as the generator was built for.")
    # A plain call, a few pictures at a time: `predict` would compile a function anew for each of the short-lived generators.
    parts = [generator(codes[start:start + CALL], training=False) for start in range(0, len(codes), CALL)]
    made = np.concatenate([ops.convert_to_numpy(part) for part in parts])
    return np.clip(np.round(made), 0, 255).astype(np.uint8)


def _samples(path: Path, epochs: int) -> dict[int, np.ndarray]:
    if not epochs or not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as kept:
        return {int(name): kept[name] for name in kept.files if int(name) <= epochs}


def _write_samples(path: Path, samples: dict) -> None:
    part = path.with_name(f".{path.name}.part.npz")
    np.savez(part, **{str(epoch): pictures for epoch, pictures in samples.items()})
    part.replace(path)


def _state(pair: networks.Pair, mean: keras.Model, optimisers: tuple) -> dict:
    """Return all that decides how the training goes on, by a name that says its place."""
    owners = {"generator": pair.generator, "discriminator": pair.discriminator, "mean": mean, "generator_optimiser": optimisers[0],
              "discriminator_optimiser": optimisers[1]}  # fmt: skip
    return {f"{part}/{number:04d}": variable for part, owner in owners.items() for number, variable in enumerate(owner.variables)}
