"""Training: MixUp and CutMix, drawn from (seed, epoch, index) and applied by the network's own graph.

Zhang et al. (2018) and Yun et al. (2019). Our own few lines rather than keras-cv's layers, which draw from a generator of their own: a
resumed training would see other pictures than an uninterrupted one, and TensorFlow would be the only backend.
"""

import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import ops

MIX = "mix"  # name of the extra input (n, 6): own weight, box (top, bottom, left, right; pixels), own share of the labels


def draw(mixup: float, cutmix: float, side: int, seed: int, epoch: int, indices) -> dict[str, np.ndarray]:
    """Return how each picture is mixed with the one before it in its batch: {MIX: float32 (n, 6)}, by (seed, epoch, index) alone.

    mixup, cutmix: the α of the Beta distribution the shares come from, 0: off; with both, a coin chooses for each picture. MixUp keeps the
    picture with weight λ and has no box; CutMix takes a box of 1 - λ of the area from the other picture, cut off at the border. The share
    of the own labels is λ, or the share of pixels outside the box.
    """
    if min(mixup, cutmix) < 0 or not mixup + cutmix:
        raise ParameterError(f"Received mixup {mixup} and cutmix {cutmix}; expected one of them above 0, none below.")
    return {MIX: np.array([_one(mixup, cutmix, side, np.random.default_rng([seed, epoch, int(index), 1])) for index in indices],
                          np.float32).reshape(-1, 6)}  # fmt: skip


def _one(mixup: float, cutmix: float, side: int, generator: np.random.Generator) -> tuple:
    box = generator.random() * (mixup > 0) < 0.5 if cutmix else False
    share = generator.beta(*[cutmix if box else mixup] * 2)
    if not box:
        return share, 0, 0, 0, 0, share
    half = side * np.sqrt(1 - share) / 2
    (top, bottom), (left, right) = (np.clip(np.round([middle - half, middle + half]), 0, side) for middle in side * generator.random(2))
    return 1, top, bottom, left, right, 1 - (bottom - top) * (right - left) / side**2


def unmixed(count: int) -> dict[str, np.ndarray]:
    """Return the draws that leave `count` pictures as they are: for validation."""
    return {MIX: np.tile(np.array([1, 0, 0, 0, 0, 1], np.float32), (count, 1))}


def mixed_labels(labels: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """Return labels (n, classes) of a batch mixed as its pictures are."""
    own = mix[:, 5:6]
    return (own * labels + (1 - own) * np.roll(labels, 1, axis=0)).astype(np.float32)


def mixed(pictures, mix):
    """Return pictures (n, side, side, channels) of a batch, float32, each mixed with the one before it as MIX says."""
    pictures = ops.cast(pictures, "float32")
    other, own = ops.roll(pictures, 1, axis=0), mix[:, 0][:, None, None, None]
    place = ops.arange(pictures.shape[1], dtype="float32")
    rows = ops.logical_and(place >= mix[:, 1:2], place < mix[:, 2:3])[:, :, None, None]
    columns = ops.logical_and(place >= mix[:, 3:4], place < mix[:, 4:5])[:, None, :, None]
    return ops.where(ops.logical_and(rows, columns), other, own * pictures + (1 - own) * other)


@keras.saving.register_keras_serializable(package="faces_in_stone")
class Mix(keras.layers.Layer):
    """`mixed` as a layer of a graph; it has no weights."""

    def call(self, pictures, mix):
        return mixed(pictures, mix)

    def compute_output_spec(self, pictures, mix):
        return keras.KerasTensor(pictures.shape, "float32")
