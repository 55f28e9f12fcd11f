"""Networks: the backbones of the sculpture study, each under the study's head, as one flat graph with named layers.

VGG16 (Simonyan and Zisserman 2015), MobileNet v1 (Howard et al. 2017) and v2 (Sandler et al. 2018), EfficientNet B0, B1, B4 and B6
(Tan and Le 2019) as `keras.applications` builds them, and a small convolutional network of our own. Pictures are RGB, uint8 or float,
0 to 255; each graph brings them to its family's range itself.
"""

import io
import math
import re
import socket
import sys
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError, WeightsError, did_you_mean
from lib.compendium.places import relative
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers, ops

BACKBONES = {  # the function of keras.applications; None: ours
    "custom": None,
    "mobilenet_v2": "MobileNetV2",
    "mobilenet": "MobileNet",
    "efficientnet_b0": "EfficientNetB0",
    "efficientnet_b1": "EfficientNetB1",
    "vgg16": "VGG16",
    "efficientnet_b4": "EfficientNetB4",
    "efficientnet_b6": "EfficientNetB6",
}
TITLES = {"custom": "custom CNN", "mobilenet": "MobileNet v1", "mobilenet_v2": "MobileNet v2", "vgg16": "VGG16"} | {
    f"efficientnet_b{size}": f"EfficientNet-B{size}" for size in (0, 1, 4, 6)
}
WEIGHTS = ("none", "imagenet", "atelier")
WIDTHS = {"mobilenet": (0.25, 0.5, 0.75, 1.0), "mobilenet_v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)}  # with ImageNet weights
HIDDEN = 256  # width of the head's first layer; not stated in the paper
CUSTOM = (32, 64, 128, 256)  # filters of the custom network's blocks
VGG = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # filters of VGG16's blocks
SCALED = {"efficientnet_b0": (1.0, 1.0), "efficientnet_b1": (1.0, 1.1), "efficientnet_b4": (1.4, 1.8), "efficientnet_b6": (1.8, 2.6)}
# Of the normalisations' running statistics; not stated in the paper. Keras' .99 and .999 (MobileNet v2) forget their first value only
# after hundreds or thousands of steps, more than a small collection gives: a network then answers at random once it is trained.
MOMENTUM = 0.9
SMALLEST = 32  # pixels of the input's side
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, from 0 to 1
CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red, 0 to 255: what the published VGG16 was trained with
POOL = "average"  # the layer between trunk and head
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
TIMEOUT = 30  # seconds of silence after which a download is given up


@keras.saving.register_keras_serializable(package="faces_in_stone")
class CaffeColours(layers.Layer):
    """Red, green, blue from 0 to 255 to blue, green, red about 0, as the published VGG16 was trained; it has no weights."""

    def call(self, pictures):
        return ops.flip(pictures, axis=-1) - ops.convert_to_tensor(CAFFE_MEAN, dtype=pictures.dtype)

    def compute_output_spec(self, pictures):
        return keras.KerasTensor(pictures.shape, self.compute_dtype)


def build(name: str, side: int = 224, classes: int = 7, weights: str | Path = "none", hidden: int = HIDDEN, dropout: float = 0.0,
          alpha: float = 1.0, seed: int = 0, momentum: float = MOMENTUM) -> keras.Model:
    """Return a backbone under the study's head: pictures (n, side, side, 3), 0..255, to a probability for each class (n, classes).

    The head as published (section V): global average pooling, a dense layer with batch normalisation and ReLU, a dense layer with
    sigmoids (float32 under mixed precision too). name: one of BACKBONES. side: pixels; not stated in the paper. hidden: width of the
    head's first layer; not stated in the paper. dropout: before the last layer; the study names none. alpha: share of the published
    width of every convolution, for small computers; 1 is the study's network. seed: of the fresh weights and of every dropout.
    momentum: of every normalisation's running statistics.
    weights: "none"; "imagenet" (Keras' own file, fetched once into Keras' cache); or the path of a `.weights.h5` or `.keras` file of
    this network, such as one pretrained on the atelier's humans. Raises ParameterError, and WeightsError where weights cannot be had.
    """
    _check(name, side, classes, weights, hidden, dropout, alpha)
    picture = layers.Input((side, side, 3), name="picture")
    model = keras.Model(picture, head(trunk(name, picture, alpha), classes, hidden, dropout), name=name)
    drawn(model, seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = momentum
    if weights == "imagenet":
        _take_imagenet(model, name, side, alpha)
    elif weights != "none":
        load(model, Path(weights))
    return model


def _check(name, side, classes, weights, hidden, dropout, alpha) -> None:
    if name not in BACKBONES:
        raise ParameterError(f"Unknown backbone {name!r}; expected one of {', '.join(BACKBONES)}.{did_you_mean(str(name), BACKBONES)}")
    if side < SMALLEST or classes < 1 or hidden < 1 or not 0 <= dropout < 1:
        raise ParameterError(
            f"Received side {side}, classes {classes}, hidden {hidden} and dropout {dropout}; expected a side of at least {SMALLEST} "
            "pixels, at least 1, at least 1, and a share from 0 to below 1."
        )
    if not 0 < alpha <= 4:
        raise ParameterError(f"Received alpha {alpha} for {name}; expected above 0 and at most 4: 1 is the published width.")
    if weights == "imagenet" and name == "custom":
        raise ParameterError("There are no ImageNet weights for the custom network; give weights 'none' or a file.")
    if weights == "imagenet" and alpha not in WIDTHS.get(name, (1.0,)):
        widths = ", ".join(map(str, WIDTHS.get(name, (1.0,))))
        raise ParameterError(f"Received alpha {alpha}; ImageNet weights of {name} exist for {widths}: choose one, or weights 'none'.")
    if weights == "atelier":
        raise WeightsError("Weights 'atelier' are learned on this machine and handed over as a file; received no file. Give its path.")


# ---- graphs


def trunk(name: str, picture, alpha: float = 1.0):
    """Return the feature maps (n, h, w, channels) of a backbone on its input, a tensor (n, side, side, 3) of 0..255.

    The last maps are 1/32 of the side (1/16 for the custom network).
    """
    x = _ready(name, picture)
    if name == "custom":
        return _custom(x, alpha)
    if alpha != 1 and name not in WIDTHS:
        return _narrow_vgg(x, alpha) if name == "vgg16" else _narrow_efficientnet(name, x, alpha)
    width = {"alpha": alpha} if name in WIDTHS else {}
    return getattr(keras.applications, BACKBONES[name])(include_top=False, weights=None, input_tensor=x, **width).output


def _narrow_vgg(x, alpha: float):
    """Return VGG16's maps with a share of its filters, layers named as in `keras.applications`, which knows only the whole.

    Drawn as He et al. (2015) do, since narrow ones learn from nothing: thirteen layers without normalisation let Glorot's signal fade.
    """
    as_he = {"padding": "same", "activation": "relu", "kernel_initializer": "he_uniform"}
    for block, filters in enumerate(VGG, 1):
        for place, count in enumerate(filters, 1):
            x = layers.Conv2D(max(1, round(alpha * count)), 3, name=f"block{block}_conv{place}", **as_he)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return x


def _narrow_efficientnet(name: str, x, alpha: float):
    """Return an EfficientNet's maps, its width multiplied by `alpha`, as its family is made (Tan and Le 2019): in steps of 8 filters."""
    family = sys.modules[getattr(keras.applications, BACKBONES[name]).__module__]  # the common function has no public name
    width, depth = SCALED[name]
    return family.EfficientNet(alpha * width, depth, 224, include_top=False, weights=None, input_tensor=x, name=name).output


def _ready(name: str, picture):
    """Return the picture in the range of the family's ImageNet weights, so that all weights of a family find the same graph."""
    if name == "vgg16":
        return CaffeColours(name="ready", dtype="float32")(picture)
    if name.startswith("efficientnet"):
        # Keras' EfficientNet divides by 255 itself; with ImageNet weights it also subtracts the mean and divides by the deviation, in
        # a layer whose numbers a cloned model forgets. Ours carries them in its configuration, and that layer stays the identity.
        scale = [1 / deviation for deviation in DEVIATION]
        offset = [-255 * mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
        return layers.Rescaling(scale, offset, name="ready", dtype="float32")(picture)
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="ready", dtype="float32")(picture)


def _custom(x, alpha: float):
    """Return the maps of a plain network: four 3 x 3 convolutions with batch normalisation and ReLU, halved between them.

    Not stated in the paper, which says no more than "custom CNN's backbones with fewer parameters than MobileNet-v1": 390 thousand.
    """
    for number, filters in enumerate(CUSTOM, 1):
        if number > 1:
            x = layers.MaxPooling2D(2, name=f"block_{number - 1}_pool")(x)
        count = max(1, round(alpha * filters))
        x = layers.Conv2D(count, 3, strides=2 if number == 1 else 1, padding="same", use_bias=False, name=f"block_{number}")(x)
        x = layers.BatchNormalization(name=f"block_{number}_norm")(x)
        x = layers.Activation("relu", name=f"block_{number}_relu")(x)
    return x


def head(features, classes: int = 7, hidden: int = HIDDEN, dropout: float = 0.0):
    """Return probabilities (n, classes) from feature maps (n, h, w, channels): the study's head.

    The first dense layer has no bias: the batch normalisation after it would take it out again.
    """
    x = layers.GlobalAveragePooling2D(name=POOL)(features)
    x = layers.Dense(hidden, use_bias=False, name="hidden")(x)
    x = layers.BatchNormalization(name="hidden_norm")(x)
    x = layers.Activation("relu", name="hidden_relu")(x)
    if dropout:
        x = layers.Dropout(dropout, name="hidden_dropout")(x)
    return layers.Dense(classes, activation="sigmoid", dtype="float32", name="expression")(x)


def drawn(model: keras.Model, seed: int) -> keras.Model:
    """Draw kernels anew by each layer's own initialiser and set each dropout's counter, all from the seed: the same network each time."""
    for number, layer in enumerate(model.layers):
        states = np.random.SeedSequence([seed, number]).generate_state(2) >> 1
        for (kernel, initialiser), state in zip(_kernels(layer), states, strict=False):
            fresh = type(initialiser).from_config(initialiser.get_config() | {"seed": int(state)})
            kernel.assign(fresh(kernel.shape, dtype="float32"))
        if isinstance(layer, layers.Dropout) and getattr(layer, "seed_generator", None) is not None:
            layer.seed_generator.state.assign(np.array([int(states[0]), 0], layer.seed_generator.state.dtype))
    return model


def _kernels(layer) -> list[tuple]:
    """Return the kernels of a layer, each with its initialiser."""
    if isinstance(layer, layers.SeparableConv2D):
        return [(layer.depthwise_kernel, layer.depthwise_initializer), (layer.pointwise_kernel, layer.pointwise_initializer)]
    name = "depthwise_initializer" if isinstance(layer, layers.DepthwiseConv2D) else "kernel_initializer"
    return [(layer.kernel, getattr(layer, name))] if hasattr(layer, "kernel") and hasattr(layer, name) else []


# ---- weights


def _take_imagenet(model: keras.Model, name: str, side: int, alpha: float) -> None:
    """Put the published ImageNet weights into the trunk of a network."""
    width = {"alpha": alpha} if name in WIDTHS else {}
    function = getattr(keras.applications, BACKBONES[name])
    with fetching(TITLES[name]):
        published = function(include_top=False, weights="imagenet", input_shape=(side, side, 3), **width)
    own = [layer for layer in trunk_layers(model) if layer.weights]
    theirs = [layer for layer in published.layers if layer.weights]
    for layer, other in zip(own, theirs, strict=True):
        if not isinstance(layer, layers.Normalization):  # its part is done by the layer `ready`
            layer.set_weights(other.get_weights())


@contextmanager
def fetching(title: str):
    """Turn what Keras raises when a download fails or a cached file is damaged into a WeightsError; give silent connections up.

    title: the network's name for readers.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with silent(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*Weights for input shape.*")  # MobileNets at other sides take those of 224
            yield
    except Exception as error:  # Keras raises a plain Exception
        address = re.search(r"https?://\S+?(?=:?\s|$)", str(error))
        if not address and not isinstance(error, (OSError, ValueError)):
            raise
        source = address.group() if address else "Keras' cache (~/.keras/models, or under KERAS_HOME)"
        reason = str(error).rpartition(source)[2].strip(" :")[:200]
        raise WeightsError(
            f"The ImageNet weights of {title} could not be had from {source} ({reason}). With a network, run "
            "again (a damaged file in Keras' cache has to be deleted first); without one, set weights to 'none' (train from nothing), "
            "'atelier' (pretrain on the atelier's humans) or the path of a file of this network."
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def load(model: keras.Model, path: Path, part: str = "network") -> keras.Model:
    """Put the weights of a file into a network and return it. No code of the file runs, only its arrays are read.

    path: a `.weights.h5` or `.keras` file as Keras 3 writes it. part: "network", or "trunk" for all layers before the average, whatever
    head the file's network had. Raises WeightsError, with the model left as it was, for a file of another network: the first layer
    that differs is named, with its shapes received and expected.
    """
    path = Path(path)
    if part not in ("network", "trunk"):
        raise ParameterError(f"Received part {part!r}; expected 'network' or 'trunk'.")
    received, wanted = _arrays(path), trunk_layers(model) if part == "trunk" else model.layers
    keys = {layer.name: key for layer, key in zip(model.layers, _keys(model), strict=True)}
    pairs = [(layer, received.pop(keys[layer.name], [])) for layer in wanted if layer.weights]
    for layer, arrays in pairs:
        expected, shapes = [tuple(weight.shape) for weight in layer.weights], [array.shape for array in arrays]
        if shapes != expected:
            raise WeightsError(_of_another(path, model, f"layer {layer.name}: received {shapes or 'nothing'}, expected {expected}"))
    if part == "network" and received:
        first = next(iter(received))
        raise WeightsError(_of_another(path, model, f"{first} holds {[array.shape for array in received[first]]}, expected no such layer"))
    for layer, arrays in pairs:
        layer.set_weights(arrays)
    return model


def _of_another(path: Path, model: keras.Model, what: str) -> str:
    return f"{relative(path)} belongs to another network than {model.name} ({what}). Give the file of a network with the same settings."


def _keys(model: keras.Model) -> list[str]:
    """Return the name each layer has in a Keras 3 file: its class in snake case, numbered from the second one on."""
    seen, keys = {}, []
    for layer in model.layers:
        word = re.sub(r"\W+", "", type(layer).__name__)
        word = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", word)
        word = re.sub("([a-z])([A-Z])", r"\1_\2", word).lower()
        keys.append(f"{word}_{seen[word]}" if word in seen else word)
        seen[word] = seen.get(word, 0) + 1
    return keys


def _arrays(path: Path) -> dict[str, list]:
    """Return {key of a layer: its arrays} of a `.weights.h5` file, or of the one inside a `.keras` file."""
    import h5py

    if not path.name.endswith((".weights.h5", ".keras")):
        raise WeightsError(f"Received weights {path.name!r}; expected {', '.join(WEIGHTS[:2])}, or a file ending in .weights.h5 or .keras.")
    if not path.is_file():
        raise WeightsError(f"There is no file {relative(path)}. Give the path of the weights, or train the network first.")
    try:
        if path.name.endswith(".keras"):
            with zipfile.ZipFile(path) as archive:
                source = io.BytesIO(archive.read("model.weights.h5"))
        else:
            source = path
        with h5py.File(source, "r") as file:
            groups = {key: group["vars"] for key, group in file["layers"].items() if "vars" in group and len(group["vars"])}
            return {key: [np.asarray(group[str(number)]) for number in range(len(group))] for key, group in groups.items()}
    except (OSError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{relative(path)} cannot be read as the weights of a network ({type(error).__name__}: {error}); expected a file written by "
            "Keras 3's save or save_weights. Write it again."
        ) from None


# ---- numbers


def trunk_layers(model: keras.Model) -> list:
    """Return the layers before the average that divides trunk and head; all layers where there is none."""
    names = [layer.name for layer in model.layers]
    return model.layers[:names.index(POOL)] if POOL in names else model.layers


def last_convolution(model: keras.Model):
    """Return the last convolution of a flat network. Raises ParameterError where there is none."""
    found = [layer for layer in model.layers if isinstance(layer, CONVOLUTIONS)]
    if not found:
        inner = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
        hint = f" The layer {inner[0]} is itself a network: build on its `.output`, so that the graph is flat." if inner else ""
        raise ParameterError(f"The network {model.name} has no convolution among its layers; expected one or more.{hint}")
    return found[-1]


def multiplications(model: keras.Model) -> int:
    """Return the multiplications with weights that one picture takes (multiply-adds of convolutions and dense layers, as papers count)."""
    total = 0
    for layer in model.layers:
        places = math.prod(layer.output.shape[1:-1]) if isinstance(layer, CONVOLUTIONS) else 1
        if isinstance(layer, layers.SeparableConv2D):
            total += places * (math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))
        elif hasattr(layer, "kernel"):
            total += places * math.prod(layer.kernel.shape)
    return int(total)


def describe(*models: keras.Model) -> pd.DataFrame:
    """Return one row a network: `network`, `side`, `parameters`, `trainable`, `trunk` (parameters before the average), `multiplications`.

    Also `last_convolution` (its layer's name) and its `map_height`, `map_width`, `channels`: what an explanation has to look at.
    """
    rows = []
    for model in models:
        convolution = last_convolution(model)
        height, width, channels = convolution.output.shape[1:]
        rows.append({
            "network": TITLES.get(model.name, model.name), "side": model.input.shape[1], "parameters": model.count_params(),
            "trainable": _count(model.trainable_weights), "trunk": sum(_count(layer.weights) for layer in trunk_layers(model)),
            "multiplications": multiplications(model), "last_convolution": convolution.name, "map_height": height, "map_width": width,
            "channels": channels,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _count(weights) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def imagenet_top(name: str, classes: int = 1000) -> int:
    """Return how many parameters the classifier has that was published with a backbone for ImageNet.

    VGG16's three dense layers hold 123.6 million of its 138.4 million; MobileNet's one holds 1.0 of 4.3. The study's "4.2 million" and
    "138 million" are these whole classifiers, not the networks with its own head, which has a global average instead.
    """
    if BACKBONES.get(name) is None:
        raise ParameterError(f"Received {name!r}; expected one of {', '.join(name for name, made in BACKBONES.items() if made)}.")
    if name == "vgg16":
        widths = (7 * 7 * 512, 4096, 4096, classes)
        return sum((before + 1) * after for before, after in zip(widths, widths[1:], strict=False))
    features = {"mobilenet": 1024, "efficientnet_b4": 1792, "efficientnet_b6": 2304}.get(name, 1280)
    return (features + 1) * classes


def parameter_table(names=tuple(BACKBONES), classes: int = 7, hidden: int = HIDDEN) -> pd.DataFrame:
    """Return one row a backbone: `network`, `trunk`, `head`, `parameters` (both), `with_imagenet_top` (as published for ImageNet).

    Counts do not depend on the picture's side, so the smallest is built, one network at a time.
    """
    rows = []
    for name in names:
        row = describe(build(name, SMALLEST, classes, hidden=hidden)).iloc[0]
        published = row["trunk"] + imagenet_top(name) if BACKBONES[name] else None
        rows.append({"network": row["network"], "trunk": row["trunk"], "head": row["parameters"] - row["trunk"],
                     "parameters": row["parameters"], "with_imagenet_top": published})
    return pd.DataFrame(rows).astype({"with_imagenet_top": "Int64"})
