"""Networks: the twelve networks of the LIME study (Gaya-Morey et al. 2024, Table 1), each as one flat graph with named layers.

AlexNet, WeiNet, SongNet and SilNet layer by layer, as in the code published with the study; VGG16, VGG19, ResNet50, ResNet101V2,
InceptionV3, Xception, MobileNetV3 (Large) and EfficientNetV2 (B0) as `keras.applications` builds them, under an average and one dense
layer. Pictures are 0 to 255, (n, side, side, 3); rescaling happens inside. Answers are probabilities of EMOTIONS, which sum to one.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lib.compendium.errors import ParameterError, did_you_mean
from lib.expressions import ORDERS
from lib.faces.detectors import silent
from lib.networks import backbones

with silent():
    import keras
    from keras import layers

EMOTIONS = ORDERS["lime_ekman"]  # the six, in the order of the study's classes: no neutral
TITLES = {
    "silnet": "SilNet", "weinet": "WeiNet", "alexnet": "AlexNet", "songnet": "SongNet", "vgg16": "VGG16", "vgg19": "VGG19",
    "resnet50": "ResNet50", "resnet101v2": "ResNet101V2", "inceptionv3": "InceptionV3", "xception": "Xception",
    "mobilenetv3": "MobileNetV3", "efficientnetv2": "EfficientNetV2",
}  # fmt: skip
FAMILIES = {  # of those with ImageNet weights: the function of keras.applications, and which pixels it was trained with
    "vgg16": ("VGG16", "caffe"), "vgg19": ("VGG19", "caffe"), "resnet50": ("ResNet50", "caffe"), "resnet101v2": ("ResNet101V2", "signed"),
    "inceptionv3": ("InceptionV3", "signed"), "xception": ("Xception", "signed"), "mobilenetv3": ("MobileNetV3Large", "signed"),
    "efficientnetv2": ("EfficientNetV2B0", "imagenet"),
}  # fmt: skip
OWN_RANGE = ("mobilenetv3", "efficientnetv2")  # Keras' graphs of these rescale 0..255 themselves, whatever they are given
PLAIN = ("alexnet", "weinet", "songnet", "silnet", "vgg16", "vgg19")  # without normalisation: narrow ones start as He et al. say
INPUT_MODES = ("as_coded", "corrected")
SMALLEST = {"inceptionv3": 75, "xception": 71}  # pixels of the input's side that `keras.applications` asks for; 32 of the others
LEAST = 8  # filters of a narrowed layer

ALEXNET = ((96, 11, 4, True), (256, 5, 1, True), (384, 3, 1, False), (384, 3, 1, False), (256, 3, 1, True))  # filters, kernel, stride, pool
SONGNET = ((64, 5, False), (64, 5, False), (32, 3, True), (32, 3, True))  # filters, kernel, a dropout after the pool
SILNET = ((32, 11, 2), (32, 7, 0), (32, 7, 1), (64, 5, 0), (64, 5, 1))  # filters, kernel, stride of the pool (0: none)
WEINET = ((32, 7), (32, 7), (64, 7))  # filters, kernel


class Regime(NamedTuple):
    """How the study trained a network: pixels of the input's side, start, optimiser, learning rate, epochs (paper, code), batch."""

    side: int
    pretrained: bool
    optimiser: str
    rate: float
    epochs: int
    epochs_as_coded: int
    batch: int = 128


# Sides and starts: Table 1. Epochs: section 3.4. Optimisers, rates, batch: not stated in the paper, taken from the published code, where
# MobileNetV3 learns for 15 epochs, not for the 10 of section 3.4. No early stopping; the loss is the categorical cross-entropy.
REGIME = {
    "silnet": Regime(150, False, "adam", 1e-4, 10, 10),
    "weinet": Regime(64, False, "rmsprop", 1e-4, 10, 10),
    "alexnet": Regime(224, False, "rmsprop", 1e-4, 10, 10),
    "songnet": Regime(224, False, "rmsprop", 1e-4, 25, 25),
    "vgg16": Regime(224, True, "adam", 1e-4, 2, 2),
    "vgg19": Regime(224, True, "adam", 1e-4, 2, 2),
    "resnet50": Regime(224, True, "adam", 1e-4, 2, 2),
    "resnet101v2": Regime(224, True, "adam", 1e-4, 2, 2),
    "inceptionv3": Regime(224, True, "adam", 1e-4, 2, 2),
    "xception": Regime(224, True, "adam", 1e-4, 2, 2),
    "mobilenetv3": Regime(224, True, "adam", 1e-6, 10, 15),
    "efficientnetv2": Regime(224, True, "adam", 1e-6, 10, 10),
}


def build(name: str, side: int | None = None, width: float = 1.0, classes: int = len(EMOTIONS), input_mode: str = "as_coded",
          weights: str | Path = "none", seed: int = 0, momentum: float | None = None) -> keras.Model:  # fmt: skip
    """Return one of the study's networks: pictures (n, side, side, 3), 0..255, to probabilities float32 (n, classes).

    name: one of TITLES. side: pixels; default: Table 1's. width: share of every layer's filters, at least 8 a layer, for small computers;
    1 is the study's network. input_mode: "as_coded" (every network is fed x/255, and MobileNetV3 and EfficientNetV2, which rescale 0..255
    themselves, once more: their pictures are almost constant) or "corrected" (each is fed what its ImageNet weights were trained with;
    the four without such weights x/255 as before). weights: "none", "imagenet", or a `.weights.h5` or `.keras` file of this network.
    seed: of fresh weights and dropouts. momentum: of the normalisations' running statistics; default: Keras', as published, which takes
    hundreds of steps to settle: give .9 where a training has fewer.
    Raises ParameterError, and WeightsError where weights cannot be had.
    """
    side = REGIME[name].side if side is None and name in REGIME else side
    _check(name, side, width, classes, input_mode, weights)
    picture = layers.Input((side, side, 3), name="picture")
    if name in FAMILIES:
        picture, features = _trunk(name, picture, width, side, input_mode)
    else:
        features = FROM_SCRATCH[name](_ready(name, picture, input_mode), width)
    last = layers.Dense(classes, activation="softmax", dtype="float32", name="expression", **_glorot(name))
    model = keras.Model(picture, last(features), name=name)
    if weights in ("none", "imagenet"):
        backbones.drawn(model, seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization) and momentum is not None:
            layer.momentum = momentum
    if weights == "imagenet":
        _take_imagenet(model, name, side)
    elif weights != "none":
        backbones.load(model, Path(weights))
    return model


def _check(name, side, width, classes, input_mode, weights) -> None:
    if name not in TITLES:
        raise ParameterError(f"Unknown network {name!r}; expected one of {', '.join(TITLES)}.{did_you_mean(str(name), TITLES)}")
    least = SMALLEST.get(name, backbones.SMALLEST)
    if side < least or classes < 1 or not 0 < width <= 1:
        raise ParameterError(f"Received side {side}, width {width} and classes {classes} for {TITLES[name]}; expected a side of at least "
                             f"{least} pixels, a width above 0 and at most 1, at least 1 class.")  # fmt: skip
    if input_mode not in INPUT_MODES:
        raise ParameterError(f"Received input_mode {input_mode!r}; expected {' or '.join(INPUT_MODES)}."
                             f"{did_you_mean(str(input_mode), INPUT_MODES)}")  # fmt: skip
    if weights == "imagenet" and name not in FAMILIES:
        raise ParameterError(f"There are no ImageNet weights for {TITLES[name]}, which the study trained from nothing (Table 1); give "
                             "weights 'none' or a file.")  # fmt: skip
    if weights == "imagenet" and width != 1:
        raise ParameterError(f"Received width {width} with ImageNet weights, which exist for width 1 only; give width 1 or weights 'none'.")


def table() -> pd.DataFrame:
    """Return Table 1 and section 3.4 as a table, one row a network: network, title, and the fields of Regime."""
    return pd.DataFrame([{"network": name, "title": TITLES[name], **regime._asdict()} for name, regime in REGIME.items()])


# ---- pixels


def _ready(name: str, picture, input_mode: str):
    """Return the picture in the range the network is fed: by the study's generator (x/255), then by the family itself where it does so."""
    family = FAMILIES.get(name, (None, "unit"))[1]
    if input_mode == "corrected":
        return _ranged(picture, family, "ready")
    x = _ranged(picture, "unit", "ready")
    return _ranged(x, family, "ready_again") if name in OWN_RANGE else x


def _ranged(picture, kind: str, layer: str):
    """Return 0..255 as 0..1 ("unit"), -1..1 ("signed"), about 0 as VGG and ResNet ("caffe") or by ImageNet's colours ("imagenet")."""
    if kind == "caffe":
        return backbones.CaffeColours(name=layer, dtype="float32")(picture)
    scale, offset = {"unit": (1 / 255, 0.0), "signed": (1 / 127.5, -1.0)}.get(kind, (None, None))
    if kind == "imagenet":
        scale = [1 / (255 * deviation) for deviation in backbones.DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(backbones.MEAN, backbones.DEVIATION, strict=True)]
    return layers.Rescaling(scale, offset, name=layer, dtype="float32")(picture)


# ---- the four from nothing


def _alexnet(x, width: float):
    """Return AlexNet's 4096 features (Krizhevsky et al. 2012). Three layers of 4096 and padding "same", as published with the study."""
    for number, (filters, kernel, stride, pool) in enumerate(ALEXNET, 1):
        x = _convolution(x, filters, kernel, width, f"conv{number}", strides=stride)
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"pool{number}")(x) if pool else x
    x = layers.Flatten(name="flatten")(x)
    for number, dropout in enumerate((0.4, 0.0, 0.4), 6):
        x = layers.Dense(_narrow(4096, width), activation="relu", name=f"dense{number}", **_he(width))(x)
        x = layers.Dropout(dropout, name=f"dropout{number}")(x) if dropout else x
    return x


def _weinet(x, width: float):
    """Return WeiNet's features (Li et al. 2015): pools of stride 1 keep every pixel's place."""
    for number, (filters, kernel) in enumerate(WEINET, 1):
        x = _convolution(x, filters, kernel, width, f"conv{number}")
        x = layers.MaxPooling2D(2, strides=1, padding="same", name=f"pool{number}")(x)
    return layers.Flatten(name="flatten")(x)


def _songnet(x, width: float):
    """Return SongNet's features (Song et al. 2014)."""
    for number, (filters, kernel, dropout) in enumerate(SONGNET, 1):
        x = _convolution(x, filters, kernel, width, f"conv{number}")
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"pool{number}")(x)
        x = layers.Dropout(0.5, name=f"dropout{number}")(x) if dropout else x
    return layers.Flatten(name="flatten")(x)


def _silnet(x, width: float):
    """Return SilNet's 512 features (Ramis et al. 2022), drawn by Glorot's normal distribution as published with the study."""
    for number, (filters, kernel, stride) in enumerate(SILNET, 1):
        x = _convolution(x, filters, kernel, width, f"conv{number}", "glorot_normal")
        x = layers.MaxPooling2D(2, strides=stride, padding="same", name=f"pool{number}")(x) if stride else x
    x = layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        drawn = _he(width) or _glorot("silnet")
        x = layers.Dense(_narrow(512, width), activation="relu", name=f"dense{number}", **drawn)(x)
        x = layers.Dropout(0.5, name=f"dropout{number}")(x)
    return x


FROM_SCRATCH = {"alexnet": _alexnet, "weinet": _weinet, "songnet": _songnet, "silnet": _silnet}


def _convolution(x, filters: int, kernel: int, width: float, name: str, initialiser: str = "glorot_uniform", strides: int = 1):
    drawn = _he(width) or {"kernel_initializer": initialiser}
    return layers.Conv2D(_narrow(filters, width), kernel, strides=strides, padding="same", activation="relu", name=name, **drawn)(x)


def _narrow(count: int, width: float) -> int:
    return count if width == 1 else max(min(LEAST, count), round(width * count))


def _he(width: float) -> dict:
    """Return how a narrowed layer is drawn: as He et al. (2015) do, since Glorot's signal fades through layers without normalisation."""
    return {} if width == 1 else {"kernel_initializer": "he_uniform"}


def _glorot(name: str) -> dict:
    return {"kernel_initializer": "glorot_normal"} if name == "silnet" else {}


# ---- the eight of ImageNet


def _trunk(name: str, picture, width: float, side: int, input_mode: str):
    """Return the averaged maps of one of the eight, all layers in one graph."""
    maps = _application(name, side, None, _ready(name, picture, input_mode)).output
    if width != 1:
        whole = keras.Model(picture, maps)
        narrow = keras.models.clone_model(whole, clone_function=lambda layer: _narrowed(layer, name, width))
        picture, maps = narrow.input, narrow.output
    return picture, layers.GlobalAveragePooling2D(name=backbones.POOL)(maps)


def _application(name: str, side: int, weights: str | None, x=None) -> keras.Model:
    """Return the trunk of `keras.applications`, without its own rescaling: ours stands in front."""
    own = {"include_preprocessing": False} if name in OWN_RANGE else {}
    place = {"input_shape": (side, side, 3)} if x is None else {"input_tensor": x}
    return getattr(keras.applications, FAMILIES[name][0])(include_top=False, weights=weights, **place, **own)


def _narrowed(layer, name: str, width: float):
    """Return a layer with a share of its filters. Equal counts stay equal, so that sums and products of maps still fit."""
    config = layer.get_config()
    if "filters" in config:
        config["filters"] = _narrow(config["filters"], width)
    if isinstance(layer, layers.Reshape):  # (1, 1, filters) of a squeeze
        config["target_shape"] = (*config["target_shape"][:-1], _narrow(config["target_shape"][-1], width))
    if name in PLAIN and "kernel_initializer" in config:
        config["kernel_initializer"] = "he_uniform"
    return type(layer).from_config(config)


def _take_imagenet(model: keras.Model, name: str, side: int) -> None:
    """Put the published ImageNet weights into the part of a network before the average."""
    with backbones.fetching(TITLES[name]):
        published = _application(name, side, "imagenet")
    own, theirs = ([layer for layer in part if layer.weights] for part in (backbones.trunk_layers(model), published.layers))
    for layer, other in zip(own, theirs, strict=True):
        layer.set_weights(other.get_weights())
