"""Networks: the two small real-time networks of Arriaga, Valdenegro-Toro and Plöger (2017): mini_XCEPTION and the sequential CNN.

Both end in a global average of one map a class, without dense layers. Structure after the paper's Figures 1 and 3 and, where these
are silent (kernel sizes, strides, bias), after the code the authors published with it. The networks take grey levels from 0 to 255
and bring them to their range, (x / 255 - .5) · 2, themselves.
"""

import re
from pathlib import Path

import numpy as np

from lib.compendium.errors import ParameterError, WeightsError
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers

SIDES = {"xception": 64, "sequential": 48}  # pixels of the input's side
MODULES = (16, 32, 64, 128)  # filters of mini_XCEPTION's four residual modules
BLOCKS = ((16, 7), (32, 5), (64, 3), (128, 3))  # filters and kernel size of the sequential network's four blocks
KINDS = {"conv2d": "Conv2D", "separable_conv2d": "SeparableConv2D", "batch_normalization": "BatchNormalization"}


def mini_xception(classes: int = 7, side: int = 64, channels: int = 1, regularisation: float = 0.01) -> keras.Model:
    """Return mini_XCEPTION with fresh weights: float (n, side, side, channels), 0..255, to probabilities (n, classes).

    58,423 parameters for 7 classes and one channel, 56,951 of them trainable. `regularisation`: weight of the L2 penalty on the two
    first convolutions. Not stated in the paper: the published code asks for it on the separable convolutions too, through an argument
    they do not have.
    """
    _check(classes, side, channels)
    penalty = keras.regularizers.L2(regularisation) if regularisation else None
    picture = layers.Input((side, side, channels), name="picture")
    x = _rescaled(picture)
    for number in (1, 2):
        x = layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=penalty, name=f"stem_{number}")(x)
        x = layers.BatchNormalization(name=f"stem_{number}_norm")(x)
        x = layers.Activation("relu", name=f"stem_{number}_relu")(x)
    for number, filters in enumerate(MODULES, 1):
        x = _module(x, filters, f"module_{number}")
    x = layers.Conv2D(classes, 3, padding="same", name="maps")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(picture, layers.Activation("softmax", name="probabilities")(x), name="mini_xception")


def _module(x, filters: int, name: str):
    """Return a residual module: two separable convolutions and a pooling beside a strided 1 x 1 convolution. No ReLU after the sum."""
    short = layers.Conv2D(filters, 1, strides=2, padding="same", use_bias=False, name=f"{name}_short")(x)
    short = layers.BatchNormalization(name=f"{name}_short_norm")(short)
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_first")(x)
    x = layers.BatchNormalization(name=f"{name}_first_norm")(x)
    x = layers.Activation("relu", name=f"{name}_relu")(x)
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_second")(x)
    x = layers.BatchNormalization(name=f"{name}_second_norm")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return layers.Add(name=f"{name}_sum")([x, short])


def sequential(classes: int = 7, side: int = 48, channels: int = 1, dropout: float = 0.5, seed: int = 0) -> keras.Model:
    """Return the sequential fully-convolutional network with fresh weights: float (n, side, side, channels), 0..255, to (n, classes).

    642,935 parameters for 7 classes and one channel, 632,978 for 2 classes and three. There is no activation between the two
    convolutions of a block. `seed`: of the dropout.
    """
    _check(classes, side, channels)
    picture = layers.Input((side, side, channels), name="picture")
    x = _rescaled(picture)
    for number, (filters, kernel) in enumerate(BLOCKS, 1):
        for place in ("first", "second"):
            x = layers.Conv2D(filters, kernel, padding="same", name=f"block_{number}_{place}")(x)
            x = layers.BatchNormalization(name=f"block_{number}_{place}_norm")(x)
        x = layers.Activation("relu", name=f"block_{number}_relu")(x)
        x = layers.AveragePooling2D(2, padding="same", name=f"block_{number}_pool")(x)
        x = layers.Dropout(dropout, seed=seed + number, name=f"block_{number}_dropout")(x)
    x = layers.Conv2D(256, 3, padding="same", name="last")(x)
    x = layers.BatchNormalization(name="last_norm")(x)
    x = layers.Conv2D(classes, 3, padding="same", name="maps")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(picture, layers.Activation("softmax", name="probabilities")(x), name="sequential")


def _rescaled(picture):
    return layers.Rescaling(2 / 255, offset=-1.0, name="rescaled")(picture)


def _check(classes: int, side: int, channels: int) -> None:
    if classes < 2 or side < 16 or channels not in (1, 3):
        raise ParameterError(
            f"Received {classes} classes, a side of {side} pixels and {channels} channels; expected at least 2, at least 16, and 1 or 3."
        )


def load_published(path: Path, classes: int = 7) -> keras.Model:
    """Return mini_XCEPTION with the weights of a file as its authors published it (a whole Keras 2 model in HDF5).

    The network is built anew and the arrays are copied by kind and number of layer, so no code of the file runs. `classes`: 7 for
    expressions (FER2013's order), 2 for the network of women and men. Raises WeightsError for a file that is no such model, naming
    the first layer that differs with its shapes, received and expected.
    """
    model = mini_xception(classes)
    received = _arrays(Path(path))
    for kind, names in _by_kind(model).items():
        found = received.get(kind, [])
        if len(found) != len(names):
            raise WeightsError(
                f"{Path(path).name} has {len(found)} layers of kind {KINDS[kind]}; mini_XCEPTION has {len(names)}. "
                "Give the file of a mini_XCEPTION with 64 pixels."
            )
        for name, (theirs, arrays) in zip(names, found, strict=True):
            _fill(model.get_layer(name), theirs, arrays, Path(path).name)
    return model


def _by_kind(model: keras.Model) -> dict[str, list[str]]:
    """Return the layers with weights by kind, in the order in which the authors' code made them (and Keras numbered them)."""
    modules = [f"module_{number}" for number in range(1, len(MODULES) + 1)]
    return {
        "conv2d": ["stem_1", "stem_2", *(f"{name}_short" for name in modules), "maps"],
        "separable_conv2d": [f"{name}_{place}" for name in modules for place in ("first", "second")],
        "batch_normalization": ["stem_1_norm", "stem_2_norm"]
        + [f"{name}_{place}_norm" for name in modules for place in ("short", "first", "second")],
    }


def _arrays(path: Path) -> dict[str, list]:
    """Return {kind: [(layer's name, its arrays)]} of a Keras 2 HDF5 file, layers of a kind by their number."""
    import h5py

    found = {}
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            for layer in _texts(group.attrs["layer_names"]):
                if names := _texts(group[layer].attrs["weight_names"]):
                    kind, number = re.fullmatch(r"(.+?)(?:_(\d+))?", layer).groups()
                    arrays = [np.asarray(group[layer][name]) for name in names]
                    found.setdefault(kind, []).append((int(number or 0), layer, arrays))
    except (OSError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path.name} cannot be read as the weights of a network ({type(error).__name__}: {error}); expected a Keras 2 model in HDF5. "
            "Fetch it again with `make weights`."
        ) from None
    return {kind: [(layer, arrays) for _, layer, arrays in sorted(rows, key=lambda row: row[0])] for kind, rows in found.items()}


def _texts(names) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _fill(layer, theirs: str, arrays: list, file: str) -> None:
    received, expected = [array.shape for array in arrays], [tuple(weight.shape) for weight in layer.weights]
    if received != expected:
        raise WeightsError(
            f"{file}, layer {theirs}: received weights of shapes {received}, expected {expected} for {layer.name}. "
            "The file belongs to another network or another number of classes."
        )
    layer.set_weights(arrays)
