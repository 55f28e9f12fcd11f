"""Sizes of networks summed layer by layer equal those of the networks built with Keras, as measured once and written down here."""

import pytest

from lib.compendium.errors import ParameterError
from lib.published import sizes


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        ("AlexNet", 88_718_726), ("WeiNet", 1_728_230), ("SongNet", 172_678), ("SilNet", 184_852_038), ("VGG16", 14_717_766),
        ("VGG19", 20_027_462), ("ResNet50", 23_600_006), ("ResNet101V2", 42_638_854), ("InceptionV3", 21_815_078), ("Xception", 20_873_774),
        ("MobileNetV3", 3_002_118), ("EfficientNetV2", 5_926_998),
    ],
)  # fmt: skip
def test_the_networks_of_the_lime_study(network, parameters):
    """Each of the twelve, to the last parameter."""
    assert sizes.lime_network(network) == parameters


def test_the_networks_of_the_sculpture_study():
    """MobileNet v1 and VGG16 with ImageNet's classifier, MobileNet's body, and what of it no gradient trains."""
    assert sizes.mobilenet() == 4_253_864 and sizes.vgg(16) == 138_357_544
    assert sizes.mobilenet(classes=0) == 3_228_864
    assert sizes.mobilenet() - sizes.mobilenet_moving() == 4_231_976  # "4.2 million"


def test_layers_against_counting_by_hand():
    """A 3 x 3 convolution from RGB to 8 channels, its normalisation, a 1 x 7 convolution, a fully connected layer."""
    assert sizes.convolution(3, 8, 3) == 3 * 3 * 3 * 8 + 8
    assert sizes.normalised(3, 8, 3) == 3 * 3 * 3 * 8 + 4 * 8
    assert sizes.convolution(4, 5, 1, 7, bias=False) == 4 * 5 * 7
    assert sizes.dense(10, 3) == 33 and sizes.perceptron(10, 4, 3) == 44 + 16 + 15
    assert sizes.separable(4, 6) == 4 * 9 + 24 + 24


def test_an_unknown_network_is_refused():
    """A misspelt name gets the nearest and the list."""
    with pytest.raises(ParameterError, match="Did you mean 'AlexNet'"):
        sizes.lime_network("AlexNett")


@pytest.mark.slow
def test_mobilenet_and_vgg_against_keras():
    """The two that the sculpture study names, built with Keras without weights, have the same size."""
    from lib.faces.detectors import silent

    with silent():
        import keras

        mobile, big = keras.applications.MobileNet(weights=None), keras.applications.VGG16(weights=None)
    assert sizes.mobilenet() == mobile.count_params()
    assert sizes.mobilenet_moving() == sum(weight.size for layer in mobile.layers for weight in map(_numpy, layer.non_trainable_weights))
    assert sizes.vgg(16) == big.count_params()


def _numpy(weight):
    return weight.numpy()
