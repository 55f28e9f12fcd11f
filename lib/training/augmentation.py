"""Training: small random changes of pictures, drawn from (seed, epoch, index) and applied by the network's own graph.

The draws are a few numbers a picture, made in numpy, so they are the same on every backend, in any order and after a resumed run. The
pixels are moved where the network runs, with `keras.ops` alone.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import ops

PLACE, LIGHT = "place", "light"  # names of the two extra inputs: (n, 8) transforms and (n, 2) contrast and brightness


@dataclass(frozen=True)
class Changes:
    """How far a picture may be changed, each to either side: turn in degrees, shift and zoom as shares, contrast and brightness as shares.

    `flip`: chance of a mirror image. All 0 changes nothing.
    """

    turn: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    flip: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0

    def __post_init__(self):
        for name, value in vars(self).items():
            limit = 180 if name == "turn" else 1
            if not 0 <= value <= limit:
                raise ParameterError(f"Received {name} {value!r} for the changes of pictures; expected a number from 0 to {limit}.")


ARRIAGA = Changes(turn=10, shift=0.1, zoom=0.1, flip=0.5)  # as in the code published with the real-time networks
FACES = Changes(turn=8, shift=0.05, zoom=0.1, flip=0.5, contrast=0.25, brightness=0.15)  # not stated in the paper: aligned faces, any light


def draw(changes: Changes, size: int, seed: int, epoch: int, indices) -> dict[str, np.ndarray]:
    """Return the draws of pictures by number: {PLACE: float32 (n, 8), LIGHT: float32 (n, 2)}.

    PLACE is a transform from pixels of the result to pixels of the picture of `size` pixels, (a, b, c, d, e, f, g, h) as in
    `keras.ops.image.affine_transform`: x' = a·x + b·y + c, y' = d·x + e·y + f (g = h = 0). LIGHT is (contrast, brightness):
    grey level v becomes (v - 128) · contrast + 128 + 255 · brightness. A picture's draw depends on (seed, epoch, index) alone.
    """
    numbers = np.asarray(indices, np.int64)
    unit = _units(seed, epoch, int(np.max(numbers, initial=0)).bit_length())[numbers]
    side = 2 * unit - 1
    angle, size_of = np.radians(changes.turn * side[:, 0]), 1 / (1 + changes.zoom * side[:, 1])
    mirror = np.where(unit[:, 4] < changes.flip, -1.0, 1.0)
    a, b, d, e = np.cos(angle) * size_of * mirror, -np.sin(angle) * size_of, np.sin(angle) * size_of * mirror, np.cos(angle) * size_of
    middle = (size - 1) / 2  # pixels are turned about the middle, which flips onto itself
    c = middle + changes.shift * size * side[:, 2] - (a + b) * middle
    f = middle + changes.shift * size * side[:, 3] - (d + e) * middle
    nothing = np.zeros(len(unit))
    place = np.stack([a, b, c, d, e, f, nothing, nothing], axis=1)
    light = np.stack([1 + changes.contrast * side[:, 5], changes.brightness * side[:, 6]], axis=1)
    return {PLACE: place.astype(np.float32), LIGHT: light.astype(np.float32)}


@lru_cache(maxsize=4)
def _units(seed: int, epoch: int, bits: int) -> np.ndarray:
    """Return numbers from 0 to 1 of the first 2^bits pictures, (2^bits, 7); a longer table begins with the shorter one's rows.

    Drawn for an epoch at once: a generator for each picture would take longer than a small network does with it.
    """
    return np.random.default_rng([seed, epoch]).random((2**bits, 7))


def changed(pictures, place, light):
    """Return pictures float32 (n, size, size, channels), 0..255, moved by PLACE (bilinear, edges repeated) and lit by LIGHT."""
    moved = ops.image.affine_transform(ops.cast(pictures, "float32"), place, interpolation="bilinear", fill_mode="nearest")
    lit = (moved - 128.0) * light[:, :1, None, None] + 128.0 + 255.0 * light[:, 1:, None, None]
    return ops.clip(lit, 0.0, 255.0)


@keras.saving.register_keras_serializable(package="faces_in_stone")
class Change(keras.layers.Layer):
    """`changed` as a layer of a graph; it has no weights."""

    def call(self, pictures, place, light):
        return changed(pictures, place, light)

    def compute_output_spec(self, pictures, place, light):
        return keras.KerasTensor(pictures.shape, "float32")


def augmented(size: int, channels: int = 3) -> tuple[list, object]:
    """Return the inputs (`picture`, PLACE, LIGHT) of a graph for training and its changed pictures, to go into a network."""
    inputs = [keras.Input((size, size, channels), name="picture"), keras.Input((8,), name=PLACE), keras.Input((2,), name=LIGHT)]
    return inputs, Change(name="change")(*inputs)
