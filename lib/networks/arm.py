"""Networks: the terracotta study's two classifiers, ResNet-18 and ARM on it, each as one flat graph with named layers.

ResNet-18: He, Zhang, Ren and Sun (2016), Table 1, basic blocks (Tian et al., section 3.4, Eq. 1). ARM: Shi and Zhu (arXiv 2103.10189),
which puts three blocks in the place of the average: feature arrangement, de-albino and sharing affinity. The terracotta study states none
of ARM's numbers; they are those of the code published with ARM. Pictures are 0 to 255, (n, side, side, 3); rescaling happens inside.
Answers are probabilities of EXPRESSIONS, which sum to one.
"""

from pathlib import Path

from lib.compendium.errors import ParameterError, WeightsError, did_you_mean
from lib.expressions import EXPRESSIONS
from lib.faces.detectors import silent
from lib.networks import backbones

with silent():
    import keras
    from keras import layers, ops

TITLES = {"resnet18": "ResNet-18", "arm": "ARM"}
STAGES = (64, 128, 256, 512)  # filters of the four stages; each has two blocks
SIDE = 224  # pixels; section 3.4
WIDTHS = (1.0, 0.5, 0.25, 0.125)  # shares of the published filters that feature arrangement can still divide
MODES = ("as_coded", "batch_independent")
STRIDE = 32  # pixels of the picture a place of the last maps stands for
EPSILON, MOMENTUM = 1e-5, 0.9  # of every normalisation, and of the running maps; the library's defaults in the published code
AFFINITY = "sharing_affinity"
PACKAGE = "faces_in_stone"


def resnet18(side: int = SIDE, classes: int = len(EXPRESSIONS), width: float = 1.0, weights: str | Path = "none",
             seed: int = 0) -> keras.Model:  # fmt: skip
    """Return ResNet-18: pictures (n, side, side, 3), 0..255, to probabilities float32 (n, classes).

    side: pixels, at least 33; the study's is 224. width: share of every layer's filters, one of WIDTHS; 1 is the study's network. weights:
    "none", or a `.weights.h5` or `.keras` file of this network. seed: of fresh weights. differs from the paper: ImageNet weights are not
    offered, because none are published in a form that is read without running code. Raises ParameterError, WeightsError.
    """
    _check(side, classes, width)
    picture = layers.Input((side, side, 3), name="picture")
    x = layers.GlobalAveragePooling2D(name=backbones.POOL)(_trunk(picture, width))
    return _started(keras.Model(picture, _answer(x, classes), name="resnet18"), weights, seed)


def arm(side: int = SIDE, classes: int = len(EXPRESSIONS), width: float = 1.0, mode: str = "as_coded", weights: str | Path = "none",
        seed: int = 0) -> keras.Model:  # fmt: skip
    """Return ARM on ResNet-18: pictures (n, side, side, 3), 0..255, to probabilities float32 (n, classes).

    mode: what sharing affinity adds at test time: "as_coded", the mean over the pictures that happen to be in the same batch, so that an
    answer depends on its batch; "batch_independent", the running mean of training. differs from the paper: the second is ours. Both have
    the same weights (see `in_mode`). Other arguments: see `resnet18`; a file must be of ARM, for ResNet-18's see `take_trunk`.
    Extra parameters over ResNet-18 without its last layer, 7 classes, side 224: 1,024 + 4 + 1 + 854 = 1,883.
    """
    _check(side, classes, width)
    if mode not in MODES:
        raise ParameterError(f"Received the mode {mode!r}, expected one of {', '.join(MODES)}.{did_you_mean(str(mode), MODES)}")
    picture = layers.Input((side, side, 3), name="picture")
    x = _trunk(picture, width)
    step = arranged(x.shape[-1])
    x = FeatureArrangement(step, name="feature_arrangement")(x)
    # The window spans two places of ResNet's maps and moves by half a place. Padding erodes features at the border; as there is none here,
    # the border falls into fewer windows than the middle and weighs less (what the block is for: Tian et al., section 1).
    x = SharedConvolution(2 * step, step // 2, name="de_albino")(x)
    x = layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, name="de_albino_norm")(x)
    x = SharingAffinity(mode, name=AFFINITY)(x)
    return _started(keras.Model(picture, _answer(layers.Flatten(name="flatten")(x), classes), name="arm"), weights, seed)


def in_mode(model: keras.Model, mode: str) -> keras.Model:
    """Return ARM with the same weights (copies) and what sharing affinity adds at test time changed: one of MODES."""
    if mode not in MODES:
        raise ParameterError(f"Received the mode {mode!r}, expected one of {', '.join(MODES)}.{did_you_mean(str(mode), MODES)}")
    if AFFINITY not in [layer.name for layer in model.layers]:
        raise ParameterError(f"Received the network {model.name}, which has no sharing affinity; expected ARM: leave the mode out.")

    def changed(layer):
        config = layer.get_config()
        return type(layer).from_config(config | {"mode": mode} if layer.name == AFFINITY else config)

    other = keras.models.clone_model(model, clone_function=changed)
    other.set_weights(model.get_weights())
    return other


def take_trunk(model: keras.Model, other: keras.Model) -> keras.Model:
    """Copy ResNet-18's trunk (layers of the same names up to the last block) from another network of this module; return the first.

    ARM of the study starts from a ResNet-18 trained before. Raises WeightsError where the trunks differ in width.
    """
    given = {layer.name: layer for layer in other.layers if layer.weights}
    for layer in model.layers:
        if not layer.weights or not layer.name.startswith(("stem", "stage")):
            continue
        expected = [tuple(weight.shape) for weight in layer.weights]
        received = [tuple(weight.shape) for weight in given[layer.name].weights] if layer.name in given else "nothing"
        if received != expected:
            raise WeightsError(f"Received another trunk than {model.name}'s ({layer.name}: received {received}, expected {expected}); "
                               "build both with the same width.")  # fmt: skip
        layer.set_weights(given[layer.name].get_weights())
    return model


def arranged(channels: int) -> int:
    """Return by how much feature arrangement makes maps of `channels` wider: 16 for 512 (as coded), else as much as leaves two or more.

    A power of two whose square divides the channels; 512 / 16² = 2 maps are left.
    """
    step = 16
    while step > 1 and (channels % step**2 or channels < 2 * step**2):
        step //= 2
    return step


def _check(side: int, classes: int, width: float) -> None:
    if width not in WIDTHS:
        raise ParameterError(f"Received width {width!r}, expected one of {', '.join(map(str, WIDTHS))}: 1 is the study's network.")
    if side <= STRIDE or classes < 2:
        raise ParameterError(f"Received side {side} and classes {classes}; expected more than {STRIDE} pixels, so that the last maps have "
                             "two places either way, and 2 classes or more.")  # fmt: skip


def _started(model: keras.Model, weights: str | Path, seed: int) -> keras.Model:
    backbones.drawn(model, seed)
    if weights == "imagenet":
        raise WeightsError("Received weights 'imagenet', which Keras does not have for ResNet-18; give 'none' or a file of this network.")
    return model if weights == "none" else backbones.load(model, Path(weights))


# ---- ResNet-18


def _trunk(picture, width: float):
    """Return the last maps (n, ⌈side / 32⌉, ⌈side / 32⌉, 512 · width). Zeros are padded on all sides alike, as in the published network.

    ("same" padding of Keras at stride 2 pads below and to the right only: maps would lie half a place off from published weights'.)
    """
    filters = [int(width * count) for count in STAGES]
    scale = [1 / (255 * deviation) for deviation in backbones.DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(backbones.MEAN, backbones.DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset, name="ready", dtype="float32")(picture)
    x = _convolution(x, filters[0], 7, 2, "stem")
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)
    for stage, count in enumerate(filters, 1):
        x = _block(x, count, 1 if stage == 1 else 2, f"stage{stage}_block1")
        x = _block(x, count, 1, f"stage{stage}_block2")
    return x


def _block(x, filters: int, stride: int, name: str):
    """Return a basic block, Eq. 1: y = F(x) + x; where size or filters change, x passes a 1 × 1 convolution (He et al., option B)."""
    y = _convolution(x, filters, 3, stride, f"{name}_1")
    y = _convolution(y, filters, 3, 1, f"{name}_2", activation=None)
    if stride != 1 or x.shape[-1] != filters:
        x = _convolution(x, filters, 1, stride, f"{name}_shortcut", activation=None)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_sum")([y, x]))


def _convolution(x, filters: int, kernel: int, stride: int, name: str, activation: str | None = "relu"):
    """Return a convolution without bias, normalised; drawn as He et al. (2015) do, by the fan of what goes out, as the published code."""
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    drawn = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    x = layers.Conv2D(filters, kernel, strides=stride, use_bias=False, kernel_initializer=drawn, name=name)(x)
    x = layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.Activation(activation, name=f"{name}_relu")(x) if activation else x


def _answer(x, classes: int):
    return layers.Dense(classes, activation="softmax", dtype="float32", name="expression")(x)


# ---- ARM's blocks


@keras.saving.register_keras_serializable(package=PACKAGE)
class FeatureArrangement(layers.Layer):
    """Many small maps become few large ones: (n, h, w, c · step²) to (n, h · step, w · step, c); it has no weights.

    The order of the channels is that of the published code (and of its weights): place (h · step + i, w · step + j) of map c is channel
    c · step² + i · step + j at (h, w). TensorFlow's `depth_to_space` has another order.
    """

    def __init__(self, step: int = 16, **others):
        super().__init__(**others)
        self.step = step

    def call(self, maps):
        _, height, width, channels = maps.shape
        left = channels // self.step**2
        parts = ops.reshape(maps, (-1, height, width, left, self.step, self.step))
        return ops.reshape(ops.transpose(parts, (0, 1, 4, 2, 5, 3)), (-1, height * self.step, width * self.step, left))

    def get_config(self):
        return super().get_config() | {"step": self.step}


@keras.saving.register_keras_serializable(package=PACKAGE)
class SharedConvolution(layers.Layer):
    """One single-channel convolution without bias and padding for every map alike: (n, h, w, c) to (n, h', w', c)."""

    def __init__(self, size: int = 32, stride: int = 8, **others):
        super().__init__(**others)
        self.size, self.stride = size, stride
        # As the published code's library draws a convolution: uniform within 1 / √(kernel's numbers).
        self.kernel_initializer = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")

    def build(self, shape):
        self.kernel = self.add_weight(shape=(self.size, self.size, 1, 1), initializer=self.kernel_initializer, name="kernel")

    def call(self, maps):
        _, height, width, channels = maps.shape
        one_by_one = ops.reshape(ops.transpose(maps, (0, 3, 1, 2)), (-1, height, width, 1))
        seen = ops.conv(one_by_one, self.kernel, strides=self.stride, padding="valid", data_format="channels_last")
        return ops.transpose(ops.reshape(seen, (-1, channels, *seen.shape[1:3])), (0, 2, 3, 1))

    def compute_output_shape(self, shape):
        height, width = ((side - self.size) // self.stride + 1 for side in shape[1:3])
        return shape[0], height, width, shape[-1]

    def get_config(self):
        return super().get_config() | {"size": self.size, "stride": self.stride}


@keras.saving.register_keras_serializable(package=PACKAGE)
class SharingAffinity(layers.Layer):
    """The mean over maps plus a learned share (`affinity`, 1 at first) of its mean over the batch: (n, h, w, c) to (n, h, w, 1).

    As coded, plus; the study's paper does not say. mode: "as_coded" takes the batch's mean at test time too, "batch_independent" the
    running mean, which training keeps in either mode.
    """

    def __init__(self, mode: str = "as_coded", momentum: float = MOMENTUM, **others):
        super().__init__(**others)
        self.mode, self.momentum = mode, momentum

    def build(self, shape):
        self.affinity = self.add_weight(shape=(), initializer="ones", name="affinity")
        self.running = self.add_weight(shape=(1, *shape[1:3], 1), initializer="zeros", trainable=False, name="running")

    def call(self, maps, training=None):
        own = ops.mean(maps, axis=-1, keepdims=True)
        shared = ops.mean(own, axis=0, keepdims=True)
        if training:
            kept = ops.cast(ops.stop_gradient(shared), self.running.dtype)
            self.running.assign(self.running * self.momentum + kept * (1 - self.momentum))
        elif self.mode == "batch_independent":
            shared = ops.cast(self.running, own.dtype)
        return own + ops.cast(self.affinity, own.dtype) * shared

    def compute_output_shape(self, shape):
        return *shape[:-1], 1

    def get_config(self):
        return super().get_config() | {"mode": self.mode, "momentum": self.momentum}
