"""Training: GANimation, the network by which the terracotta study moves the warriors' faces (Pumarola et al., ECCV 2018, as coded).

Losses, weights and schedule are those of the code the authors published. Pictures are 0 to 255 and Action Units 0 to 5 outside; all
losses are of pictures in -1 to 1 and units in 0 to 1, so that the published weights mean what they meant there. What a step sees depends
on (seed, epoch, number of the batch) alone, so a killed training goes on and ends where an uninterrupted one does.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lib.compendium.errors import CompendiumError, ParameterError
from lib.compendium.places import write_atomically
from lib.faces.detectors import silent
from lib.networks import ganimation as networks
from lib.training import fitting
from lib.training.faces import UNIT_COLUMNS

with silent():
    import keras
    from keras import ops

SOURCES = ("lib.networks.ganimation", "lib.training.ganimation", "lib.training.fitting")
CHECK_EVERY = 50  # steps after which the losses are looked at: a training that became NaN must not go on for an epoch
PROBES = 8  # pictures on which the generator is watched
OCTAVES = (4, 8, 16, 32)  # parts of the side: the grids of coarse noise in what the critic reads units from, beside one of pixels
CONSTANT = 0.005  # of 0..1: where the answers to different pictures differ by less than this part of what the pictures do
EXPLODED = 100
COLUMNS = ("epoch", "rate", "critic", "critic_units", "penalty", "generator", "generator_units", "cycle", "attention", "smooth",
           "kept", "changed", "moved", "variety", "seconds")  # fmt: skip


class Diverged(CompendiumError):
    """A training came to NaN, to a generator that paints the same whatever it is given, or to a critic that exploded."""


class Settings(BaseModel):
    """How a pair of networks is built and trained; the defaults are the published code's, which the terracotta study does not restate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(128, ge=16, description="pixels of a picture's side")
    width: int = Field(64, ge=1, description="filters of the generator's first layer")
    blocks: int = Field(6, ge=0, description="residual blocks of the generator")
    kernel: int = Field(7, ge=1, description="side of the generator's first and last convolutions")
    critic_width: int = Field(64, ge=1, description="filters of the critic's first layer")
    critic_layers: int = Field(6, ge=1, description="convolutions of the critic")
    deviation: float | None = Field(0.02, gt=0, description="of the fresh kernels; None draws as He et al. (2015), for narrow networks")
    epochs: int = Field(30, ge=1, description="epochs in all, after the critic's own")
    constant: int = Field(20, ge=0, description="epochs before the learning rate falls along a line to 0")
    critic_first: int = Field(0, ge=0, description="epochs before all others in which only the critic learns, of real pictures, to read "
                              "their Action Units; 0 in the published code")
    resized: bool = Field(False, description="the generator grows by interpolation instead of by transposed convolutions")
    shift: int = Field(0, ge=0, description="pixels by which what the critic reads units from is moved at most; 0 in the published code")
    grain: float = Field(0.0, ge=0, description="deviation of noise in what it reads units from, of pictures in -1 to 1; 0 as published")
    batch: int = Field(25, ge=1, description="pictures a step")
    rate: float = Field(1e-4, gt=0, description="learning rate of both networks")
    beta_1: float = Field(0.5, ge=0, lt=1, description="of Adam")
    beta_2: float = Field(0.999, ge=0, lt=1, description="of Adam")
    clip: float = Field(0.0, ge=0, description="length to which the slopes of a network's weights are cut; 0: never, as published")
    critic_steps: int = Field(5, ge=1, description="steps of the critic for one of the generator")
    tint: float = Field(0.0, ge=0, description="deviation by which colours are mixed in what it reads units from; 0 as published")
    doubt: float = Field(0.0, ge=0, description="weight, in parts of `units`, of reading generated pictures as their sources; "
                         "0 in the published code")
    real: float = Field(1.0, ge=0, description="weight of the critic's answer real or not")
    units: float = Field(4000.0, ge=0, description="weight of the Action Units' squared error, which is divided by the batch once more")
    cycle: float = Field(10.0, ge=0, description="weight of the way there and back")
    attention: float = Field(0.1, description="weight of the attention mask's mean; below 0 rewards keeping the picture")
    smooth: float = Field(1e-5, ge=0, description="weight of the mask's differences between neighbours, summed over the batch")
    penalty: float = Field(10.0, ge=0, description="weight of the gradient penalty")
    average: float = Field(0.0, ge=0, lt=1, description="share that the generator's running mean of weights keeps a step, and that mean is "
                           "what is returned; 0: the last weights, as published")
    noise: float = Field(0.5, ge=0, description="largest change of a wanted intensity (0 to 5), uniform; .1 of 0 to 1 in the code")
    mirrored: bool = Field(True, description="half of the pictures mirrored")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of fresh weights, order and draws")


# Minutes on two cores: a narrow pair on pictures of 64 pixels. `critic_first`: a generator of few steps learns from nothing but a critic
# that already reads units well, which costs little to learn alone. `shift`, `grain` and `tint`: so that it reads them off the form of
# brows and mouths. `doubt`: so that a pattern which pleases the critic and nobody else stops doing so. `resized`: no pattern of strides.
# `average`, `clip` and a rate that falls at once: few steps do not come to rest by themselves, and without the clip they may diverge.
# `smooth` weighs a sum over the batch's pixels, of which there are ten times fewer here. `attention` above 0, as published, rewards
# painting over, which few steps do not learn to do faithfully in the background; below 0 it rewards keeping the picture. None of this is
# in the paper.
DEMO = {"side": 64, "width": 16, "blocks": 2, "kernel": 3, "critic_width": 32, "critic_layers": 4, "deviation": None, "epochs": 4,
        "constant": 0, "critic_first": 14, "batch": 10, "rate": 1e-3, "critic_steps": 1, "units": 3000.0, "smooth": 1e-4,
        "attention": -1.2, "real": 25.0, "resized": True, "shift": 3, "grain": 0.07, "tint": 0.25, "doubt": 0.1, "average": 0.99,
        "clip": 100.0}  # fmt: skip


class Trained(NamedTuple):
    """A trained pair of networks with the learning curves (COLUMNS, one row an epoch) and the settings they were made with."""

    generator: keras.Model
    critic: keras.Model
    history: pd.DataFrame
    settings: Settings


# ---- losses


def critic_loss(pair: tuple, wanted: Settings, pictures, units, desired, *look) -> tuple:
    """Return the critic's loss without the penalty, and its parts by name; `fake` among them: what the generator made of the pictures.

    pictures (n, S, S, 3) 0..255; units, desired (n, k) 0..5. -mean D(real) + mean D(fake) + MSE of the units of the real.
    """
    generator, critic = pair
    fake = ops.stop_gradient(generator({"picture": pictures, "units": desired})["picture"])
    said, of_fake = (judged(critic, wanted, one, *look) for one in (pictures, fake))
    distance = wanted.real * (ops.mean(of_fake["realness"]) - ops.mean(said["realness"]))
    error = wanted.units * units_error(said["units"], units)
    if wanted.doubt:  # not in the paper: what the generator painted is not yet a unit, so that what only pleases the critic stops doing so
        error = error + wanted.doubt * wanted.units * units_error(of_fake["units"], units)
    return distance + error, {"critic": distance, "critic_units": error, "fake": fake}


def reading_loss(pair: tuple, wanted: Settings, pictures, units, *look) -> tuple:
    """Return the critic's loss of its first epochs, and it by name: of the units it reads in real pictures alone."""
    error = wanted.units * units_error(pair[1](shown(wanted, pictures, *look))["units"], units)
    return error, {"critic_units": error}


def judged(critic: keras.Model, wanted: Settings, pictures, *look) -> dict:
    """Return the critic's answers: how real pictures (n, S, S, 3) are as they are, and the units of what is `shown` of them."""
    if not look or not (wanted.shift or wanted.grain or wanted.tint):
        return critic(pictures)
    return {"realness": critic(pictures)["realness"], "units": critic(shown(wanted, pictures, *look))["units"]}


def shown(wanted: Settings, pictures, moved=None, grain=None, mixed=None):
    """Return what the critic reads units from, of pictures (n, S, S, 3) 0..255: moved by `moved` (2,) rows and columns, tinted, with noise.

    grain: (n, S, S, 3), of deviation 1 in each octave; mixed: (n, 3, 3), what becomes of the colours. A critic that reads units whatever
    the noise, the colours and the place cannot be pleased by a pattern that nobody else sees, which few steps leave in what a generator
    paints. Not in the paper: its critic reads the pictures themselves.
    """
    if wanted.shift and moved is not None:
        for axis in (1, 2):  # the border goes on beyond
            places = ops.arange(wanted.side) + ops.cast(moved[axis - 1], "int32")
            pictures = ops.take(pictures, ops.clip(places, 0, wanted.side - 1), axis=axis)
    if wanted.tint and mixed is not None:
        flat = ops.reshape(pictures - networks.GREY, (-1, wanted.side * wanted.side, 3))
        pictures = ops.reshape(ops.matmul(flat, mixed), (-1, wanted.side, wanted.side, 3)) + networks.GREY
    return pictures + wanted.grain * networks.GREY * grain if wanted.grain and grain is not None else pictures


def units_error(said, units):
    """Return the squared error of intensities (n, k) 0..5 on the scale 0 to 1: the mean over all, divided by n once more, as coded."""
    count = ops.cast(ops.shape(said)[0], "float32")
    return ops.mean(ops.square((said - units) / networks.STRONGEST)) / count


def penalty_loss(pair: tuple, wanted: Settings, pictures, fake, mix) -> tuple:
    """Return the gradient penalty (Gulrajani et al. 2017) between real and fake pictures; mix (n, 1, 1, 1): 0..1, the share of the real.

    The gradient is of the sum of all patches' answers, with respect to pictures in -1 to 1.
    """
    between = mix * pictures + (1.0 - mix) * fake
    slopes = input_gradient(lambda picture: ops.sum(pair[1](picture)["realness"]), between) * networks.GREY
    length = ops.sqrt(ops.sum(ops.square(slopes), axis=(1, 2, 3)) + 1e-12)
    loss = wanted.penalty * ops.mean(ops.square(length - 1.0))
    return loss, {"penalty": loss}


def generator_loss(pair: tuple, wanted: Settings, pictures, units, desired, *look) -> tuple:
    """Return the generator's loss and its parts: seem real, show the units desired, find the way back, look where it must, smoothly."""
    generator, critic = pair
    there = generator({"picture": pictures, "units": desired})
    back = generator({"picture": there["picture"], "units": units})
    said = judged(critic, wanted, there["picture"], *look)
    masks = (there["attention"], back["attention"])
    parts = {
        "generator": -wanted.real * ops.mean(said["realness"]),
        "generator_units": wanted.units * units_error(said["units"], desired),
        "cycle": wanted.cycle * ops.mean(ops.abs(back["picture"] - pictures)) / networks.GREY,
        "attention": wanted.attention * sum(ops.mean(mask) for mask in masks),  # as coded the plain mean, not the paper's norm
        "smooth": wanted.smooth * sum(roughness(mask) for mask in masks),
    }
    return sum(parts.values()), parts


def roughness(masks):
    """Return the sum of absolute differences between neighbours, along rows and columns, of masks (n, h, w, 1), over all of them."""
    down, across = masks[:, 1:] - masks[:, :-1], masks[:, :, 1:] - masks[:, :, :-1]
    return ops.sum(ops.abs(down)) + ops.sum(ops.abs(across))


# ---- gradients: the only lines that know the backend


def input_gradient(function: Callable, points):
    """Return the gradient of a function of points that gives one number, itself a thing to learn from. Shape of `points`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(points)
            value = function(points)
        return tape.gradient(value, points)
    if backend == "jax":
        import jax

        return jax.grad(function)(points)
    import torch

    points = points.detach().requires_grad_()
    return torch.autograd.grad(function(points), points, create_graph=True)[0]


def stepper(loss: Callable, trained: keras.Model, optimiser, pair: tuple) -> Callable:
    """Return step(*arrays): one step of the optimiser on a network's weights down `loss(*arrays)` → (number, parts); it gives the parts.

    pair: all networks the loss uses. The optimiser must be built for the trained network's weights.
    """
    makers = {"tensorflow": _tensorflow_step, "jax": _jax_step, "torch": _torch_step}
    return makers[keras.backend.backend()](loss, list(trained.trainable_variables), optimiser, pair)


def _tensorflow_step(loss: Callable, weights: list, optimiser, pair: tuple) -> Callable:
    import tensorflow as tf

    @tf.function(jit_compile=False, reduce_retracing=True)
    def step(*arrays):
        with tf.GradientTape() as tape:
            total, parts = loss(*arrays)
        # Weights a loss does not reach (the units' head in the penalty) get 0, as in the published code: Adam's moments move them on.
        slopes = tape.gradient(total, [weight.value for weight in weights], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        optimiser.apply(slopes, weights)
        return parts

    return step


def _jax_step(loss: Callable, weights: list, optimiser, pair: tuple) -> Callable:
    """Return a step; what layers themselves change while they learn (moving means) is taken along."""
    import jax

    mine = {id(weight) for weight in weights}
    others = [variable for network in pair for variable in network.variables if id(variable) not in mine]

    @jax.jit
    def pure(values, fixed, state, *arrays):
        def with_values(values):
            mapping = [*zip(weights, values, strict=True), *zip(others, fixed, strict=True)]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                total, parts = loss(*arrays)
            return total, (parts, [scope.get_current_value(variable) for variable in others])

        (_, (parts, fixed)), slopes = jax.value_and_grad(with_values, has_aux=True)(values)
        return *optimiser.stateless_apply(state, slopes, values), fixed, parts

    def step(*arrays):
        owned = (weights, optimiser.variables, others)
        values, state, fixed = ([variable.value for variable in part] for part in owned)
        *made, parts = pure(values, fixed, state, *arrays)
        for variables, new in zip(owned, made, strict=True):
            for variable, value in zip(variables, new, strict=True):
                variable.assign(value)
        return parts

    return step


def _torch_step(loss: Callable, weights: list, optimiser, pair: tuple) -> Callable:
    import torch

    def step(*arrays):
        total, parts = loss(*(ops.convert_to_tensor(array) for array in arrays))
        slopes = torch.autograd.grad(total, [weight.value for weight in weights], materialize_grads=True)
        with torch.no_grad():
            optimiser.apply(list(slopes), weights)
        return {name: part.detach() for name, part in parts.items()}

    return step


# ---- training


def train(pictures, units, folder, settings: Settings | dict | None = None, progress: Callable | None = None) -> Trained:
    """Train a generator and a critic, or go on with what a killed call left in `folder`, and return them.

    pictures: uint8 RGB (n, S, S, 3), S as in the settings. units: (n, k) intensities 0 to 5, or a table of n rows with columns AU01 … .
    folder: takes checkpoint.npz after every epoch and history.csv. settings: `Settings` or some of its fields. progress(done, total): after
    each epoch. Raises ParameterError for pictures and units that do not match, Diverged where the training came to NaN or to a constant
    picture (the last good epoch's checkpoint stays), WeightsError for a checkpoint of other networks.
    """
    wanted = settings if isinstance(settings, Settings) else Settings(**(settings or {}))
    pictures, units = check_faces(pictures, units, wanted.side)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pair, optimisers, steps = assembled(wanted, units.shape[1])
    steady = _steady(pair[0], wanted, units.shape[1])
    state = _state(pair, optimisers, steady)
    history = fitting.take_state(folder / fitting.CHECKPOINT, state) if (folder / fitting.CHECKPOINT).exists() else []
    total = wanted.critic_first + wanted.epochs
    for epoch in range(len(history), total):
        history.append(_epoch(pair, optimisers, steps, wanted, pictures, units, epoch, steady))
        write_atomically(folder / fitting.HISTORY, pd.DataFrame(history, columns=COLUMNS).to_csv(index=False))
        check_going(history[-1], history[0])
        fitting.write_state(folder / fitting.CHECKPOINT, state, history)
        if progress:
            progress(epoch + 1, total)
    return Trained(steady or pair[0], pair[1], pd.DataFrame(history, columns=COLUMNS), wanted)


def read(folder, settings: Settings, units: int = len(UNIT_COLUMNS)) -> Trained:
    """Return what `train` left in a folder, for as many Action Units. Raises WeightsError where the checkpoint is missing or another's."""
    pair, optimisers, _ = assembled(settings, units)
    steady = _steady(pair[0], settings, units)
    history = fitting.take_state(Path(folder) / fitting.CHECKPOINT, _state(pair, optimisers, steady))
    return Trained(steady or pair[0], pair[1], pd.DataFrame(history, columns=COLUMNS), settings)


def check_faces(pictures, units, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures uint8 (n, side, side, 3) and intensities float32 (n, k), or raise ParameterError naming what does not fit."""
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.shape[1:] != (side, side, 3) or pictures.dtype != np.uint8:
        raise ParameterError(f"Received pictures {pictures.shape} of type {pictures.dtype}; expected uint8 (n, {side}, {side}, 3). Cut "
                             "them to this side, or give another `side`.")  # fmt: skip
    units = check_units(units)
    if len(units) != len(pictures) or len(units) < 2:
        raise ParameterError(f"Received {len(pictures)} pictures and {len(units)} rows of Action Units; expected one row a picture, and at "
                             "least two: what one face shows is what another is asked for.")  # fmt: skip
    return pictures, units


def check_units(units) -> np.ndarray:
    """Return intensities as float32 (n, k), from numbers (n, k) or a table with columns AU01 …; raise ParameterError outside 0 to 5."""
    if isinstance(units, pd.DataFrame):
        if missing := [name for name in UNIT_COLUMNS if name not in units.columns]:
            raise ParameterError(f"Received a table without {', '.join(missing)}; expected the columns {', '.join(UNIT_COLUMNS)}.")
        units = units[list(UNIT_COLUMNS)]
    units = np.asarray(units, np.float32)
    if units.ndim != 2 or not units.shape[1]:
        raise ParameterError(f"Received Action Units of shape {units.shape}; expected (n, units), one row a picture.")
    wrong = ~((units >= 0) & (units <= networks.STRONGEST))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ParameterError(f"Received {wrong.sum()} Action Units outside 0 to {networks.STRONGEST:g}, the first {units[row, column]:g} "
                             f"in row {row}, column {column}; expected intensities on OpenFace's scale. Leave such faces out.")  # fmt: skip
    return units


def assembled(wanted: Settings, units: int) -> tuple:
    """Return (generator, critic), their optimisers, and the steps by name: critic, penalty, generator."""
    pair = (_generator(wanted, units),
            networks.critic(wanted.side, wanted.critic_width, wanted.critic_layers, units, wanted.deviation, wanted.seed + 1))  # fmt: skip
    optimisers = tuple(keras.optimizers.Adam(wanted.rate, wanted.beta_1, wanted.beta_2, global_clipnorm=wanted.clip or None) for _ in pair)
    for network, optimiser in zip(pair, optimisers, strict=True):
        optimiser.build(network.trainable_variables)
    # The penalty is a step of its own, as coded, on the critic's own moments.
    parts = {"reading": (reading_loss, 1), "critic": (critic_loss, 1), "penalty": (penalty_loss, 1), "generator": (generator_loss, 0)}
    return pair, optimisers, {name: stepper(_bound(loss, pair, wanted), pair[which], optimisers[which], pair)
                              for name, (loss, which) in parts.items()}  # fmt: skip


def _generator(wanted: Settings, units: int) -> keras.Model:
    return networks.generator(wanted.side, wanted.width, wanted.blocks, units, wanted.kernel, wanted.deviation, wanted.seed, wanted.resized)


def _steady(generator: keras.Model, wanted: Settings, units: int) -> keras.Model | None:
    """Return a generator that is to hold the running mean of another's weights, so far the same; None where the settings want none."""
    if not wanted.average:
        return None
    steady = _generator(wanted, units)
    steady.set_weights(generator.get_weights())
    return steady


def _averaged(means: list[np.ndarray], generator: keras.Model, share: float) -> None:
    """Move the running means of a generator's weights a step toward what the weights are now."""
    for mean, weight in zip(means, generator.weights, strict=True):
        mean += (1 - share) * (ops.convert_to_numpy(weight) - mean)


def _bound(loss: Callable, pair: tuple, wanted: Settings) -> Callable:
    return lambda *arrays: loss(pair, wanted, *(ops.cast(array, "float32") for array in arrays))


def rate_of(wanted: Settings, epoch: int) -> float:
    """Return the learning rate of an epoch (from 0, the critic's own first): constant, then down a line that reaches 0 after the last."""
    falling = max(0, epoch - wanted.critic_first - wanted.constant)
    return wanted.rate * (1 - falling / max(wanted.epochs - wanted.constant, 1))


def batches(wanted: Settings, pictures, units, epoch: int) -> Iterator[tuple]:
    """Yield (pictures, units, desired, mix, moved, grain, mixed) of an epoch; a smaller last batch is left out. All is drawn from (seed,
    epoch, number).

    desired: the units of another face with a little noise, not clipped, as coded; mix: (n, 1, 1, 1) for the penalty; the rest
    for `shown`.
    """
    size, order = min(wanted.batch, len(pictures)), fitting.order(len(pictures), wanted.seed, epoch)
    for number in range(len(order) // size):
        rows, generator = np.sort(order[number * size:(number + 1) * size]), np.random.default_rng([wanted.seed, epoch, number])
        others = units[generator.integers(len(units), size=size)]
        desired = others + generator.uniform(-wanted.noise, wanted.noise, others.shape)
        taken, turned = np.array(pictures[rows]), generator.random(size) < 0.5 * wanted.mirrored
        taken[turned] = taken[turned, :, ::-1]
        mix = generator.random((size, 1, 1, 1)).astype(np.float32)
        moved = generator.integers(-wanted.shift, wanted.shift + 1, 2).astype(np.float32)
        mixed = (np.eye(3) + wanted.tint * generator.standard_normal((size, 3, 3))).astype(np.float32)
        yield taken, units[rows], desired.astype(np.float32), mix, moved, noise(generator, size, wanted), mixed


def noise(generator: np.random.Generator, count: int, wanted: Settings) -> np.ndarray:
    """Return noise float32 (count, S, S, 3) that has deviation 1 at the nodes of each of OCTAVES grids, interpolated; 0 without grain."""
    if not wanted.grain:
        return np.zeros((1, 1, 1, 1), np.float32)
    found = np.zeros((count, wanted.side, wanted.side, 3), np.float32)
    for nodes in (wanted.side, *(max(wanted.side // part, 1) for part in OCTAVES)):
        for one in found:
            one += cv2.resize(generator.standard_normal((nodes, nodes, 3), np.float32), (wanted.side, wanted.side))
    return found


def _epoch(pair, optimisers, steps: dict, wanted: Settings, pictures, units, epoch: int, steady=None) -> dict:
    """Train an epoch and return its row of the learning curves: means of the losses, and what the generator does to the probes."""
    started, rate = time.monotonic(), rate_of(wanted, epoch)
    for optimiser in optimisers:
        optimiser.learning_rate.assign(rate)
    size = max(len(pictures) // min(wanted.batch, len(pictures)), 1)
    found, means = {}, [np.array(weight) for weight in steady.get_weights()] if steady else []
    for number, (taken, real, desired, mix, *look) in enumerate(batches(wanted, pictures, units, epoch)):
        if epoch < wanted.critic_first:
            parts = steps["reading"](taken, real, *look)
        else:
            parts = dict(steps["critic"](taken, real, desired, *look))
            parts |= steps["penalty"](taken, parts.pop("fake"), mix)
            # Counted through all epochs, so that an epoch of fewer batches than critic steps trains the generator too.
            if (epoch * size + number + 1) % wanted.critic_steps == 0:
                parts |= steps["generator"](taken, real, desired, *look)
                if steady:
                    _averaged(means, pair[0], wanted.average)
        for name, value in parts.items():
            found.setdefault(name, []).append(value)
        if number % CHECK_EVERY == 0:
            _check_numbers({name: float(value) for name, value in parts.items()}, epoch, rate)
    if steady:
        steady.set_weights(means)
    losses = {name: float(np.mean([float(value) for value in values])) for name, values in found.items()}
    seen = watched(steady or pair[0], pictures[:PROBES], units[:PROBES])
    _check_numbers(losses | seen, epoch, rate)
    return {"epoch": epoch + 1, "rate": rate, **{name: losses.get(name, np.nan) for name in COLUMNS[2:10]},
            **seen, "seconds": round(time.monotonic() - started, 3)}  # fmt: skip


def watched(generator: keras.Model, pictures, units) -> dict[str, float]:
    """Return what a generator does to some pictures, each asked for the next one's units, as shares of 0..255 unless said.

    kept: mean attention, 1 where all stays. changed: mean change. moved: mean difference between asking for the next one's and for no unit.
    variety: how far answers to different pictures differ, over how far the pictures do: 0 is one picture for all, the collapse.
    """
    shown = np.asarray(pictures, np.float32)
    answers = [generator({"picture": shown, "units": wanted}) for wanted in (np.roll(units, 1, axis=0), np.zeros_like(units))]
    made, rest = (ops.convert_to_numpy(answer["picture"]) for answer in answers)
    spread = shown.std(axis=0).mean()
    return {"kept": float(np.mean(ops.convert_to_numpy(answers[0]["attention"]))), "changed": float(np.abs(made - shown).mean() / 255),
            "moved": float(np.abs(made - rest).mean() / 255), "variety": float(made.std(axis=0).mean() / max(spread, 1e-6))}  # fmt: skip


def check_going(row: dict, first: dict | None = None) -> None:
    """Raise Diverged where a row of the learning curves says that the generator paints one picture for all, or that the critic exploded.

    The critic exploded where it reads units EXPLODED times as badly as in the first epoch, whose row is `first`.
    """
    if first and row["critic_units"] > EXPLODED * first["critic_units"]:
        raise Diverged(f"The critic reads Action Units {row['critic_units'] / first['critic_units']:.0f} times as badly in epoch "
                       f"{row['epoch']} as in the first; expected it to get better. The last good epoch is kept. Train again in another "
                       "folder with a smaller `rate`, or with `clip`.")  # fmt: skip
    if row["variety"] < CONSTANT:
        raise Diverged(f"The generator paints the same picture for all in epoch {row['epoch']} (answers differ {row['variety']:.4f} "
                       f"times as much as the pictures; expected at least {CONSTANT}). The last good epoch is kept. Train again in another "
                       "folder with a smaller `rate` or another `seed`.")  # fmt: skip


def _check_numbers(row: dict, epoch: int, rate: float) -> None:
    if bad := [name for name, value in row.items() if not np.isfinite(value)]:
        raise Diverged(f"The training of GANimation became {row[bad[0]]} ({bad[0]}) in epoch {epoch + 1} at learning rate {rate:g}; "
                       "expected a number. The last good epoch is kept. Give a smaller `rate` or weight of the units.")  # fmt: skip


def _state(pair: tuple, optimisers: tuple, steady=None) -> dict:
    """Return all that decides how the training goes on, by a name that says its place."""
    found = dict(zip(("generator", "critic", "generator_optimiser", "critic_optimiser"), (*pair, *optimisers), strict=True))
    found |= {"steady": steady} if steady else {}
    return {f"{part}/{number:04d}": variable for part, owner in found.items() for number, variable in enumerate(owner.variables)}
