"""Networks: the art-emotion study's classifiers: ShallNet, VGG16 with transfer, dense layers on hand-made features, and the two joined.

Pictures are RGB 0 to 255; answers are the probabilities of the four emotion groups. Every graph is flat, and the convolutional ones with
transfer end in a global average and one dense layer, so that class activation maps are exact.
"""

from pathlib import Path

import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces.detectors import silent
from lib.networks import backbones

with silent():
    import keras
    from keras import layers

GROUPS = 4
FEATURES = 13
SHALLNET = (64, 128, 256, 512)  # filters; the body of the DCGAN discriminator (paper, section 4.1; code by T. Kim, 2018)
KERNEL, SLOPE, EPSILON = 5, 0.2, 1e-5  # of the same code
FINE_FROM = {"none": None, "block5": "block5_conv1", "block4": "block4_conv1", "all": "block1_conv1"}  # the first layer that learns
OUTPUT = "group"


def shallnet(side: int = 64, width: float = 1.0, classes: int = GROUPS, seed: int = 0) -> keras.Model:
    """Return ShallNet: four convolutions and one dense layer (Table 1), pictures (n, side, side, 3) to probabilities (n, classes).

    The discriminator of DCGAN with a softmax instead of its one answer: 5 x 5 convolutions with stride 2 and leaky ReLU, batch
    normalisation in all but the first. side: pixels, a multiple of 16; the picture's size is not stated in the paper, 64 is DCGAN's.
    width: share of the filters, 1 as in the code. seed: of the fresh weights (Glorot's). At side 64 and width 1: 4,342,916 parameters.
    """
    if side < 16 or side % 16 or not 0 < width <= 4 or classes < 2:
        raise ParameterError(f"Received side {side}, width {width} and {classes} classes for ShallNet; expected a side that is a multiple "
                             "of 16, above 0 to 4, and 2 or more.")  # fmt: skip
    picture = layers.Input((side, side, 3), name="picture")
    x = layers.Rescaling(1 / 127.5, -1.0, name="ready")(picture)
    for number, filters in enumerate(SHALLNET, 1):
        count = max(1, round(width * filters))
        x = layers.Conv2D(count, KERNEL, strides=2, padding="same", name=f"conv_{number}")(x)
        if number > 1:
            x = layers.BatchNormalization(epsilon=EPSILON, momentum=backbones.MOMENTUM, name=f"conv_{number}_norm")(x)
        x = layers.LeakyReLU(negative_slope=SLOPE, name=f"conv_{number}_relu")(x)
    x = layers.Flatten(name="flat")(x)
    answer = layers.Dense(classes, activation="softmax", dtype="float32", name=OUTPUT)(x)
    return backbones.drawn(keras.Model(picture, answer, name="shallnet"), seed)


def vgg16_trunk(side: int = 64, width: float = 1.0, weights: str | Path = "imagenet", seed: int = 0) -> keras.Model:
    """Return VGG16 up to its last convolution, whose last max pooling gives way to a global average: pictures to (n, channels).

    As published (section 4.1). The layer `block5_conv3` holds the maps, `average` their mean. side: pixels, not stated in the paper.
    width: share of the published filters, for small computers. weights: "imagenet" (as published; fetched once, only at width 1), "none",
    or the file of a network of `backbones.build("vgg16", …)` of the same width: only its trunk is read. seed: of fresh weights. All
    layers are frozen. Raises ParameterError, and WeightsError where weights cannot be had.
    """
    if weights == "imagenet":
        whole = backbones.build("vgg16", side, weights="imagenet", alpha=width, seed=seed)
    else:
        whole = backbones.build("vgg16", side, alpha=width, seed=seed)
        if weights != "none":
            backbones.load(whole, Path(weights), part="trunk")
    maps = whole.get_layer("block5_conv3").output
    model = keras.Model(whole.input, layers.GlobalAveragePooling2D(name=backbones.POOL)(maps), name="vgg16_trunk")
    model.trainable = False
    return model


def vgg16_transfer(trunk: keras.Model, classes: int = GROUPS, seed: int = 0, fine: str = "none", hidden: int = 0) -> keras.Model:
    """Return VGG16+TL: a trunk of `vgg16_trunk` under a dense part that ends in a softmax (section 4.1).

    The paper "used one FC layer rather than two with a softmax on top": the softmax's own layer (hidden 0), or a layer of `hidden` units
    with ReLU and the softmax above it, as VGG16 has two; which, and how wide, is not stated. The trunk's layers are shared, not copied.
    fine: which of them learn: "none" as published; "block5", "block4": from that block on; "all". differs from the paper where it is not
    "none".
    """
    _check_fine(fine), _check_counts(1, hidden)
    model = _answered(trunk.input, trunk.output, hidden, classes, seed, "vgg16_transfer")
    learning = False
    for layer in model.layers:
        learning = learning or layer.name in (FINE_FROM[fine], "hidden")
        layer.trainable = learning or layer.name == OUTPUT
    return model


def halves(model: keras.Model, fine: str) -> tuple[keras.Model, keras.Model]:
    """Return a network of `vgg16_transfer` in two: what stays as it is, pictures to maps, and what learns, {"maps": …} to {"group": …}.

    Both share the network's layers: what the second learns, the whole knows. The first half's maps are computed once for all epochs.
    """
    _check_fine(fine)
    names = [layer.name for layer in model.layers]
    if fine == "none":
        raise ParameterError("Received fine='none', with which nothing but the dense layers learns; expected block5, block4 or all.")
    place = names.index(FINE_FROM[fine])
    given = layers.Input(model.layers[place].input.shape[1:], name="maps")
    x = given
    for layer in model.layers[place:]:
        x = layer(x)
    return keras.Model(model.input, model.layers[place].input, name="still"), keras.Model({"maps": given}, {OUTPUT: x}, name="learning")


def features_net(count: int = FEATURES, hidden: int = 0, classes: int = GROUPS, seed: int = 0) -> keras.Model:
    """Return CV+FC: hand-made features (n, count), standardised inside, to probabilities: "13 CV motivated features + 1FC" (Table 1).

    hidden: width of a dense layer with ReLU before the softmax, 0: none. What the one dense layer is (the softmax itself, or one before
    it) is not stated in the paper.
    """
    _check_counts(count, hidden)
    given = layers.Input((count,), name="features")
    x = layers.Normalization(name="standard")(given)
    return _answered(given, x, hidden, classes, seed, "cv_fc")


def concatenated(trunk: keras.Model, count: int = FEATURES, hidden: int = 0, classes: int = GROUPS, seed: int = 0) -> keras.Model:
    """Return the network the study wished for (section 5): VGG16's averages beside the hand-made features under one common dense part.

    Inputs {"picture": (n, side, side, 3), "features": (n, count)}; both halves are standardised inside. hidden: as in `features_net`.
    """
    _check_counts(count, hidden)
    given = layers.Input((count,), name="features")
    local = layers.Normalization(name="local_standard")(trunk.output)
    x = layers.Concatenate(name="both")([local, layers.Normalization(name="standard")(given)])
    inputs = {"picture": trunk.input, "features": given}
    return _answered(inputs, x, hidden, classes, seed, "concatenated")


def _answered(inputs, x, hidden: int, classes: int, seed: int, name: str) -> keras.Model:
    if hidden:
        x = layers.Dense(hidden, activation="relu", name="hidden")(x)
    answer = layers.Dense(classes, activation="softmax", dtype="float32", name=OUTPUT)(x)
    model = keras.Model(inputs, answer, name=name)
    _drawn_answer(model, seed)
    return model


def _drawn_answer(model: keras.Model, seed: int) -> None:
    """Draw the dense layers' kernels from the seed (Glorot 2010), and leave the trunk as it is."""
    for number, name in enumerate(("hidden", OUTPUT)):
        found = [layer for layer in model.layers if layer.name == name]
        if found:
            rows, columns = found[0].kernel.shape
            limit = np.sqrt(6 / (rows + columns))
            drawn = np.random.default_rng([seed, number]).uniform(-limit, limit, (rows, columns))
            found[0].set_weights([drawn.astype(np.float32), np.zeros(columns, np.float32)])


def _check_fine(fine: str) -> None:
    if fine not in FINE_FROM:
        raise ParameterError(f"Received fine={fine!r}, expected one of {', '.join(FINE_FROM)}: 'none' is the paper's.")


def _check_counts(count: int, hidden: int) -> None:
    if count < 1 or hidden < 0:
        raise ParameterError(f"Received {count} features and a hidden layer of {hidden}; expected 1 or more, and 0 (none) or more.")
