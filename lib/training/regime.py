"""Training: how a backbone learns: the sculpture study's regime, and the changes to it that are off unless asked for.

As published (section V): Adam at 1e-4 with betas .9 and .99, binary cross-entropy, early stopping with a patience of 5 on the loss and
the best weights back, a start from ImageNet. What the study had not: class weights, focal loss, changes of pictures, MixUp, CutMix,
RandAugment, epochs with a frozen trunk, mixed precision, several devices.
"""

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.faces.detectors import silent
from lib.networks import backbones
from lib.training import augmentation, fitting, mixing
from lib.training.parameters import TrainingParameters

with silent():
    import keras
    from keras import ops

OUTPUT, MEASURE = "expression", "val_loss"
CHANGES = {"faces": augmentation.FACES, "arriaga": augmentation.ARRIAGA}
HEAVIEST = 20.0  # of a rare class's weight: beyond it a few faces would decide everything
SMALL = 1e-7
RESERVE = 0.15  # share of free memory left alone


# ---- network and loss


@contextmanager
def precision(policy: str):
    """Make the layers built inside under a Keras policy: float32, mixed_bfloat16 or mixed_float16."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def network(wanted: TrainingParameters, weights: str | Path = "none", seed: int = 0) -> keras.Model:
    """Return the backbone under its head as the parameters say, with weights "none", "imagenet" or of a file."""
    with precision(wanted.precision):
        return backbones.build(wanted.backbone, wanted.side, len(EXPRESSIONS), weights, wanted.hidden, wanted.dropout, wanted.width, seed)


def loss_of(wanted: TrainingParameters, target: np.ndarray) -> Callable:
    """Return the loss for a training target (n, 7): the study's binary cross-entropy, or a focal or weighted one.

    Raises ParameterError for a focal loss with scores as target, whose least value would not be at the scores.
    """
    if wanted.loss == "focal" and not np.isin(target, (0, 1)).all():
        raise ParameterError("Received loss=focal with a target of scores; expected zeros and ones, which it is made for. Give "
                             "loss=binary_crossentropy, or harden the target in notebook 03 (target=union).")  # fmt: skip
    gamma = wanted.focal_gamma if wanted.loss == "focal" else 0.0
    if wanted.class_weights:
        return weighted(class_weights(target), gamma)
    return keras.losses.BinaryFocalCrossentropy(gamma=gamma) if gamma else keras.losses.BinaryCrossentropy()


def class_weights(target: np.ndarray) -> np.ndarray:
    """Return how much a face with an expression counts, float32 (7,): faces without it over faces with it, at most HEAVIEST.

    Raises ParameterError for an expression no face has.
    """
    target = np.asarray(target, float)
    shown = target.sum(axis=0)
    if (shown == 0).any():
        name = EXPRESSIONS[int(np.argmin(shown))]
        raise ParameterError(f"Received a training part without {name!r}, expected faces of each expression for class_weights: leave them "
                             "out, or make another split.")  # fmt: skip
    return np.minimum((len(target) - shown) / shown, HEAVIEST).astype(np.float32)


def weighted(weights: np.ndarray, gamma: float = 0.0) -> Callable:
    """Return a binary cross-entropy in which label 1 of a class counts `weights` times, and with gamma the focal one (Lin et al. 2017)."""

    def loss(truth, said):
        said, counts = ops.clip(said, SMALL, 1 - SMALL), ops.convert_to_tensor(weights)
        each = -(counts * truth * ops.log(said) + (1 - truth) * ops.log(1 - said))
        if gamma:
            each = each * ops.power(1 - truth * said - (1 - truth) * (1 - said), gamma)
        return ops.mean(each, axis=-1)

    loss.__name__ = "weighted_binary_crossentropy"
    return loss


# ---- what a network sees


class Batches(fitting.Examples):
    """Batches of an epoch with labels mixed as the pictures will be, and pictures through RandAugment where asked for."""

    def __init__(self, *args, randaugment: Callable | None = None, **others):
        super().__init__(*args, **others)
        self.seed, self.randaugment = args[3], randaugment

    def __getitem__(self, number: int) -> tuple[dict, dict]:
        inputs, targets = super().__getitem__(number)
        if self.randaugment:
            inputs["picture"] = self.randaugment(inputs["picture"], [self.seed, self.epoch, number])
        if mixing.MIX in inputs:
            targets = {name: mixing.mixed_labels(values, inputs[mixing.MIX]) for name, values in targets.items()}
        return inputs, targets


def randaugment(magnitude: float) -> Callable:
    """Return a function (pictures uint8 (n, side, side, 3), key) → float32, keras-cv's RandAugment with its draws from the key.

    Only with the TensorFlow backend, else ParameterError. About 30 ms a picture of 64 pixels.
    """
    if keras.backend.backend() != "tensorflow":
        raise ParameterError(f"Received randaugment={magnitude:g} with the backend {keras.backend.backend()}; keras-cv draws with "
                             "TensorFlow only. Give augmentation=faces, which works everywhere, or KERAS_BACKEND=tensorflow.")  # fmt: skip
    with silent():
        import keras_cv
        import tensorflow

        layer = keras_cv.layers.RandAugment(value_range=(0, 255), magnitude=magnitude)

    def changed(pictures: np.ndarray, key: list[int]) -> np.ndarray:
        # Without a seed its layers share one generator and TensorFlow's global seed: both are set anew for every batch, so that a resumed
        # training sees the same. Our networks draw from neither.
        drawn = int(np.random.SeedSequence([*key, 2]).generate_state(1)[0] >> 1)
        layer._random_generator.reset_from_seed(drawn)
        tensorflow.random.set_seed(drawn)
        return np.asarray(layer(pictures.astype(np.float32), training=True))

    return changed


def draws_of(wanted: TrainingParameters, seed: int) -> Callable | None:
    """Return draws(epoch, indices) for `fitting.fit`: how each picture is changed and mixed, None where none is."""
    parts = []
    if wanted.augmentation != "none":
        parts.append(partial(augmentation.draw, CHANGES[wanted.augmentation], wanted.side, seed))
    if wanted.mixup or wanted.cutmix:
        parts.append(partial(mixing.draw, wanted.mixup, wanted.cutmix, wanted.side, seed))
    if not parts:
        return None
    return lambda epoch, indices: {name: values for part in parts for name, values in part(epoch, indices).items()}


def undrawn(wanted: TrainingParameters, count: int) -> dict[str, np.ndarray]:
    """Return the draws that leave `count` pictures as they are: for validation."""
    still = augmentation.draw(augmentation.Changes(), wanted.side, 0, 0, [0]) if wanted.augmentation != "none" else {}
    found = {name: np.repeat(values, count, axis=0) for name, values in still.items()}
    return found | (mixing.unmixed(count) if wanted.mixup or wanted.cutmix else {})


def graph(model: keras.Model, wanted: TrainingParameters, stored: int | None = None) -> keras.Model:
    """Return the network with what changes its pictures in front, sharing its weights: inputs by name to {OUTPUT: probabilities}.

    stored: pixels of the pictures given, where they are not the network's; the graph resizes them.
    """
    side = wanted.side
    picture = keras.Input((stored or side, stored or side, 3), name="picture")
    inputs, x = {"picture": picture}, picture
    if stored and stored != side:
        x = keras.layers.Resizing(side, side, dtype="float32", name="resize")(x)
    if wanted.augmentation != "none":
        inputs |= {name: keras.Input((size,), name=name) for name, size in ((augmentation.PLACE, 8), (augmentation.LIGHT, 2))}
        x = augmentation.Change(name="change", dtype="float32")(x, inputs[augmentation.PLACE], inputs[augmentation.LIGHT])
    if wanted.mixup or wanted.cutmix:
        inputs[mixing.MIX] = keras.Input((6,), name=mixing.MIX)
        x = mixing.Mix(name="mix_pictures", dtype="float32")(x, inputs[mixing.MIX])
    with precision(wanted.precision):  # decides whether compiling scales the loss
        return keras.Model(inputs, {OUTPUT: model(x)})


def compiled(model: keras.Model, wanted: TrainingParameters, loss: Callable) -> keras.Model:
    """Return a graph compiled with Adam; under mixed_float16 the loss is scaled."""
    optimiser = keras.optimizers.Adam(wanted.rate, wanted.beta_1, wanted.beta_2)
    if wanted.precision == "mixed_float16":
        optimiser = keras.optimizers.LossScaleOptimizer(optimiser)
    model.compile(optimiser, loss={OUTPUT: loss}, jit_compile=wanted.jit_compile, auto_scale_loss=False)
    return model


# ---- devices and memory


def spread(wanted: TrainingParameters) -> str:
    """Spread batches over all devices where asked for and possible; return in words what training runs on.

    Keras distributes on JAX. Elsewhere, or with one device, the first is used. To be called before a network is built.
    """
    try:
        devices = keras.distribution.list_devices("gpu") or keras.distribution.list_devices("cpu")
    except Exception:  # a backend that cannot tell, each in its own way
        devices = []
    kind = devices[0].split(":")[0] if devices else "one device"
    if not wanted.all_devices or len(devices) < 2:
        return f"{kind} with {keras.backend.backend()}"
    if keras.backend.backend() != "jax":
        return f"one of {len(devices)} {kind} with {keras.backend.backend()}: several need KERAS_BACKEND=jax"
    if wanted.batch % len(devices):
        raise ParameterError(f"Received batch={wanted.batch} for {len(devices)} devices; expected a multiple: {len(devices)} or more.")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return f"{len(devices)} {kind} with jax"


def memory_needed(model: keras.Model, precision: str = "float32") -> tuple[int, int]:
    """Return the bytes training takes whatever the batch, and the bytes a picture of the batch adds: an estimate from the layers' sizes.

    Weights, gradients, Adam's two moments and the best weights; then every layer's output and the gradient of the half of them that is
    alive at once.
    """
    weights, trainable = model.count_params(), sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    numbers = sum(int(np.prod(shape[1:])) for layer in model.layers for shape in _shapes(layer))
    return 4 * (2 * weights + 3 * trainable), round(numbers * 1.5 * (4 if precision == "float32" else 2))


def _shapes(layer) -> list[tuple]:
    output = layer.output
    return [tuple(one.shape) for one in (output if isinstance(output, (list, tuple)) else [output])]


def check_memory(model: keras.Model, wanted: TrainingParameters, available: int | None = None) -> int:
    """Return the estimated bytes of training. Raises ParameterError where main memory has less, saying which batch or side would fit.

    available: bytes; default: what is free now. Where there is a GPU its own memory counts, of which nothing is known here.
    """
    fixed, each = memory_needed(model, wanted.precision)
    needed = fixed + wanted.batch * each
    free = psutil.virtual_memory().available if available is None else available
    usable = int(free * (1 - RESERVE))
    if needed <= usable or (available is None and _has_gpu()):
        return needed
    batch = (usable - fixed) // each
    side = int(wanted.side * np.sqrt(max(0, usable - fixed) / (wanted.batch * each)))
    cures = [f"batch={batch}"] * (batch > 0) + [f"side={side // 8 * 8}"] * (side >= backbones.SMALLEST) or ["a smaller width or backbone"]
    what = f"{wanted.backbone} at {wanted.side} pixels with batch={wanted.batch}"
    raise ParameterError(f"Training {what} takes about {needed / 2**30:.1f} GiB; expected at most {usable / 2**30:.1f} of the "
                         f"{free / 2**30:.1f} GiB that are free. Give {' or '.join(cures)}.")  # fmt: skip


def _has_gpu() -> bool:
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except Exception:
        return False


# ---- training


def trained(model: keras.Model, wanted: TrainingParameters, learning: tuple, validating: tuple, folder: Path, seed: int, *,
            rate=None, epochs: int | None = None, progress: Callable | None = None) -> pd.DataFrame:  # fmt: skip
    """Train a network, leave the weights of its best epoch in it, and return its learning curves: phase, epoch (from 1), loss, val_loss, …

    learning, validating: (pictures (n, s, s, 3), targets (n, 7)), arrays or `data.Rows`. folder: where it goes on after a kill. rate,
    epochs: instead of the parameters'; rate may be a function of the epoch. progress(done, total): after each epoch. With frozen epochs
    the head learns first, the trunk's normalisations as at test time, then everything at `fine_factor` of the rate; each phase has its own
    patience, and the best epoch of both counts. Raises ParameterError for parts without a face and where `check_memory` does.
    """
    for name, part in (("learn from", learning), ("validate on", validating)):
        if not len(part[0]):
            raise ParameterError(f"Received no labelled face to {name}, expected some: look at the target and at the split.")
    check_memory(model, wanted)
    rate, epochs = wanted.rate if rate is None else rate, epochs or wanted.epochs
    phases = [("frozen", wanted.frozen_epochs, 1.0)] * (wanted.frozen_epochs > 0)
    phases.append(("all", epochs, wanted.fine_factor if phases else 1.0))
    total, curves = sum(count for _, count, _ in phases), []
    for number, (phase, count, factor) in enumerate(phases):
        before = sum(most for _, most, _ in phases[:number])
        told = progress and (lambda done, _, before=before: progress(before + done, total))
        curve = _phase(model, wanted, learning, validating, folder / phase, [seed, number], phase, count, _scaled(rate, factor), told)
        curves.append(curve.assign(phase=phase))
    best = min(range(len(curves)), key=lambda number: curves[number][MEASURE].min())
    if best < len(curves) - 1:
        fitting.take_best(compiled(graph(model, wanted, _stored(learning)), wanted, "mse"), folder / phases[best][0])
    together = pd.concat(curves, ignore_index=True).assign(epoch=lambda table: range(1, len(table) + 1))
    return together[["phase", *[name for name in together if name != "phase"]]]


def _phase(model, wanted, learning, validating, folder, key, phase, epochs, rate, progress) -> pd.DataFrame:
    """Train one phase; leaves its best weights in the model and all layers trainable."""
    trunk, seed = backbones.trunk_layers(model), int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)
    for layer in trunk:
        layer.trainable = phase != "frozen"  # a frozen normalisation also uses its running statistics
    try:
        network = compiled(graph(model, wanted, _stored(learning)), wanted, loss_of(wanted, learning[1]))
        curve = fitting.fit(
            network, {"picture": learning[0]}, {OUTPUT: np.asarray(learning[1], np.float32)}, epochs, folder, seed, batch=wanted.batch,
            rate=rate, draws=draws_of(wanted, seed), progress=progress, stop=fitting.patience(MEASURE, wanted.patience), best=MEASURE,
            validation=({"picture": validating[0], **undrawn(wanted, len(validating[0]))}, {OUTPUT: np.asarray(validating[1], np.float32)}),
            examples=partial(Batches, randaugment=randaugment(wanted.randaugment) if wanted.randaugment else None),
        )  # fmt: skip
        fitting.take_best(network, folder)
    finally:
        for layer in trunk:
            layer.trainable = True
    return curve


def _scaled(rate, factor: float):
    return (lambda epoch: factor * rate(epoch)) if callable(rate) else factor * rate


def _stored(learning: tuple) -> int:
    return int(learning[0].shape[1])


def scores(model: keras.Model, pictures, batch: int = 32) -> np.ndarray:
    """Return what a network says of pictures, float32 (n, 7), a batch at a time; independent of the batch."""
    if not len(pictures):
        return np.empty((0, len(EXPRESSIONS)), np.float32)
    answering = keras.Model({"picture": model.input}, model.output)
    answering.compile(jit_compile=False)
    return np.asarray(answering.predict(fitting.InOrder({"picture": pictures}, None, batch), verbose=0), np.float32)
