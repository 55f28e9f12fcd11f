"""Published numbers: how many parameters the studies' networks have, summed layer by layer. No network is built for it.

Layers are those of the networks' papers and of their Keras versions. A batch normalisation holds four numbers a channel, of which two
(moving mean and variance) are not trained; some authors count them, some do not.
"""

from collections.abc import Callable

from lib.compendium.errors import ParameterError, did_you_mean

EMOTIONS = 6  # classes of the LIME study


def convolution(into: int, out: int, height: int, width: int | None = None, bias: bool = True) -> int:
    """Return the parameters of a convolution from `into` to `out` channels; `width` is `height` unless given."""
    return into * out * height * (width or height) + bias * out


def depthwise(channels: int, kernel: int) -> int:
    """Return the parameters of a depth-wise convolution without bias: one kernel a channel."""
    return channels * kernel * kernel


def separable(into: int, out: int, kernel: int = 3) -> int:
    """Return the parameters of a separable convolution without bias and its batch normalisation."""
    return depthwise(into, kernel) + convolution(into, out, 1, bias=False) + normalisation(out)


def normalised(into: int, out: int, height: int, width: int | None = None, bias: bool = False, numbers: int = 4) -> int:
    """Return the parameters of a convolution and its batch normalisation (`numbers` a channel: 3 without the learned scale)."""
    return convolution(into, out, height, width, bias) + normalisation(out, numbers)


def normalisation(channels: int, numbers: int = 4) -> int:
    """Return the parameters of a batch normalisation: scale, shift, moving mean, moving variance."""
    return numbers * channels


def dense(into: int, out: int) -> int:
    """Return the parameters of a fully connected layer."""
    return into * out + out


def chain(channels: list[int], kernels: list[int]) -> int:
    """Return the parameters of convolutions with bias, one after the other: `channels` has one more entry than `kernels`."""
    return sum(convolution(*pair, kernel) for *pair, kernel in zip(channels, channels[1:], kernels, strict=False))


# ---- the sculpture study

MOBILENET_STEPS = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]


def mobilenet(classes: int = 1000) -> int:
    """Return the size of MobileNet v1 (Howard et al. 2017, Table 1); classes = 0 leaves the classifier away."""
    body = normalised(3, 32, 3)
    for into, out in zip(MOBILENET_STEPS, MOBILENET_STEPS[1:], strict=False):
        body += depthwise(into, 3) + normalisation(into) + normalised(into, out, 1)
    return body + (dense(1024, classes) if classes else 0)


def mobilenet_moving() -> int:
    """Return how many of MobileNet v1's parameters are moving means and variances, which no gradient trains."""
    pairs = zip(MOBILENET_STEPS, MOBILENET_STEPS[1:], strict=False)
    return 2 * (32 + sum(into + out for into, out in pairs))


def perceptron(into: int, width: int, classes: int = 7) -> int:
    """Return the size of the sculpture study's head: dense, batch normalisation, ReLU; dense, sigmoid."""
    return dense(into, width) + normalisation(width) + dense(width, classes)


VGG = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions a block
VGG_WIDTHS = (64, 128, 256, 512, 512)


def vgg_body(layers: int) -> int:
    """Return the size of VGG's convolutions (Simonyan and Zisserman 2015, Table 1, D and E)."""
    channels = [3, *(out for out, times in zip(VGG_WIDTHS, VGG[layers], strict=True) for _ in range(times))]
    return chain(channels, [3] * (len(channels) - 1))


def vgg(layers: int, classes: int = 1000) -> int:
    """Return the size of VGG with its three fully connected layers."""
    return vgg_body(layers) + dense(7 * 7 * 512, 4096) + dense(4096, 4096) + dense(4096, classes)


# ---- the LIME study: four networks trained from scratch, as in the authors' public code (the paper gives no layer list)


def alexnet() -> int:
    """AlexNet on 224 pixels: five convolutions, 7 x 7 x 256 values, three layers of 4,096."""
    return chain([3, 96, 256, 384, 384, 256], [11, 5, 3, 3, 3]) + dense(7 * 7 * 256, 4096) + 2 * dense(4096, 4096) + dense(4096, EMOTIONS)


def weinet() -> int:
    """WeiNet on 64 pixels: pooling of stride 1 keeps 64 x 64 x 64 values for one fully connected layer."""
    return chain([3, 32, 32, 64], [7, 7, 7]) + dense(64 * 64 * 64, EMOTIONS)


def songnet() -> int:
    """SongNet on 224 pixels: four convolutions, 14 x 14 x 32 values, one fully connected layer."""
    return chain([3, 64, 64, 32, 32], [5, 5, 3, 3]) + dense(14 * 14 * 32, EMOTIONS)


def silnet() -> int:
    """SilNet on 150 pixels: five convolutions, 75 x 75 x 64 values, two layers of 512."""
    return chain([3, 32, 32, 32, 64, 64], [11, 7, 7, 5, 5]) + dense(75 * 75 * 64, 512) + dense(512, 512) + dense(512, EMOTIONS)


# ---- the LIME study: eight networks from Keras, averaged over the picture, one fully connected layer


def resnet50() -> int:
    """ResNet50 (He et al. 2015): convolutions with bias, each normalised."""
    body, into = normalised(3, 64, 7, bias=True), 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            body += normalised(into, 4 * width, 1, bias=True) if block == 0 else 0
            body += normalised(into, width, 1, bias=True) + normalised(width, width, 3, bias=True)
            body += normalised(width, 4 * width, 1, bias=True)
            into = 4 * width
    return body + dense(into, EMOTIONS)


def resnet101v2() -> int:
    """ResNet101V2 (He et al. 2016): normalised before each convolution."""
    body, into = convolution(3, 64, 7), 64
    for width, blocks in ((64, 3), (128, 4), (256, 23), (512, 3)):
        for block in range(blocks):
            body += normalisation(into) + (convolution(into, 4 * width, 1) if block == 0 else 0)
            body += normalised(into, width, 1) + normalised(width, width, 3) + convolution(width, 4 * width, 1)
            into = 4 * width
    return body + normalisation(into) + dense(into, EMOTIONS)


def xception() -> int:
    """Xception (Chollet 2017): separable convolutions, four of the fourteen blocks with a convolution beside them."""
    body, into = normalised(3, 32, 3) + normalised(32, 64, 3), 64
    for out in (128, 256, 728):
        body += normalised(into, out, 1) + separable(into, out) + separable(out, out)
        into = out
    body += 8 * 3 * separable(728, 728)
    body += normalised(728, 1024, 1) + separable(728, 728) + separable(728, 1024) + separable(1024, 1536) + separable(1536, 2048)
    return body + dense(2048, EMOTIONS)


def _path(into: int, *steps: tuple[int, ...]) -> int:
    """Return the size of one path through an Inception module; a step is (channels, height[, width])."""
    size = 0
    for out, *kernel in steps:
        size += normalised(into, out, *kernel, numbers=3)
        into = out
    return size


def inceptionv3() -> int:
    """InceptionV3 (Szegedy et al. 2015): normalised without the learned scale."""
    body = _path(3, (32, 3), (32, 3), (64, 3), (80, 1), (192, 3))
    for into, pooled in ((192, 32), (256, 64), (288, 64)):
        body += _path(into, (64, 1)) + _path(into, (48, 1), (64, 5)) + _path(into, (64, 1), (96, 3), (96, 3)) + _path(into, (pooled, 1))
    body += _path(288, (384, 3)) + _path(288, (64, 1), (96, 3), (96, 3))
    for mid in (128, 160, 160, 192):
        body += 2 * _path(768, (192, 1)) + _path(768, (mid, 1), (mid, 1, 7), (192, 7, 1))
        body += _path(768, (mid, 1), (mid, 7, 1), (mid, 1, 7), (mid, 7, 1), (192, 1, 7))
    body += _path(768, (192, 1), (320, 3)) + _path(768, (192, 1), (192, 1, 7), (192, 7, 1), (192, 3))
    for into in (1280, 2048):
        body += _path(into, (320, 1)) + _path(into, (192, 1))
        body += _path(into, (384, 1)) + _path(into, (448, 1), (384, 3)) + 2 * (_path(384, (384, 1, 3)) + _path(384, (384, 3, 1)))
    return body + dense(2048, EMOTIONS)


def _eighths(channels: float) -> int:
    """Round to a multiple of eight, losing at most a tenth, as MobileNet's authors do."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _squeeze(channels: int, narrow: int) -> int:
    return dense(channels, narrow) + dense(narrow, channels)


def mobilenetv3() -> int:
    """MobileNetV3 Large (Howard et al. 2019, Table 1)."""
    body, into = normalised(3, 16, 3), 16
    steps = [(1, 16, 3, 0), (4, 24, 3, 0), (3, 24, 3, 0), *[(3, 40, 5, 1)] * 3, (6, 80, 3, 0), (2.5, 80, 3, 0), *[(2.3, 80, 3, 0)] * 2,
             *[(6, 112, 3, 1)] * 2, *[(6, 160, 5, 1)] * 3]
    for expansion, out, kernel, squeezed in steps:
        wide = _eighths(into * expansion)
        body += normalised(into, wide, 1) if expansion != 1 else 0
        body += depthwise(wide, kernel) + normalisation(wide) + (_squeeze(wide, _eighths(wide / 4)) if squeezed else 0)
        body += normalised(wide, out, 1)
        into = out
    return body + normalised(160, 960, 1) + dense(960, EMOTIONS)


def efficientnetv2() -> int:
    """EfficientNetV2 B0 (Tan and Le 2021): three stages of fused blocks, three of squeezed ones."""
    body, into = normalised(3, 32, 3) + normalised(32, 16, 3), 16
    for out, blocks, expansion, fused in ((32, 2, 4, 1), (48, 2, 4, 1), (96, 3, 4, 0), (112, 5, 6, 0), (192, 8, 6, 0)):
        for _ in range(blocks):
            wide = into * expansion
            body += normalised(into, wide, 3 if fused else 1)
            body += 0 if fused else depthwise(wide, 3) + normalisation(wide) + _squeeze(wide, into // 4)
            body += normalised(wide, out, 1)
            into = out
    return body + normalised(192, 1280, 1) + dense(1280, EMOTIONS)


# The networks of the LIME study's Table 1, by the name printed there.
LIME_NETWORKS: dict[str, Callable[[], int]] = {
    "AlexNet": alexnet, "WeiNet": weinet, "SongNet": songnet, "SilNet": silnet,
    "VGG16": lambda: vgg_body(16) + dense(512, EMOTIONS), "VGG19": lambda: vgg_body(19) + dense(512, EMOTIONS),
    "ResNet50": resnet50, "ResNet101V2": resnet101v2, "InceptionV3": inceptionv3, "Xception": xception,
    "MobileNetV3": mobilenetv3, "EfficientNetV2": efficientnetv2,
}  # fmt: skip


def lime_network(name: str) -> int:
    """Return the size of a network of the LIME study by its printed name, with six classes. Raises ParameterError for another name."""
    if name not in LIME_NETWORKS:
        raise ParameterError(f"No network of the LIME study is called {name!r}.{did_you_mean(name, LIME_NETWORKS)} "
                             f"There are: {', '.join(LIME_NETWORKS)}.")
    return LIME_NETWORKS[name]()
