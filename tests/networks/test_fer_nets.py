"""The twelve networks of the LIME study: exact sizes, pixels as coded and corrected, narrow ones, seeds, weights, bad input."""

import urllib.error

import numpy as np
import pytest

from lib.compendium.errors import ParameterError, WeightsError
from lib.faces.detectors import silent
from lib.networks import backbones, fer_nets
from lib.published import sizes

with silent():
    import keras

PARAMETERS = {"alexnet": 88_718_726, "weinet": 1_728_230, "songnet": 172_678, "silnet": 184_852_038, "vgg16": 14_717_766,
              "vgg19": 20_027_462, "resnet50": 23_600_006, "resnet101v2": 42_638_854, "inceptionv3": 21_815_078, "xception": 20_873_774,
              "mobilenetv3": 3_002_118, "efficientnetv2": 5_926_998}  # fmt: skip
MODULES = {"vgg16": "vgg16", "vgg19": "vgg19", "resnet50": "resnet50", "resnet101v2": "resnet_v2", "inceptionv3": "inception_v3",
           "xception": "xception", "mobilenetv3": "mobilenet_v3", "efficientnetv2": "efficientnet_v2"}  # fmt: skip
LARGE = ("resnet50", "resnet101v2", "inceptionv3", "xception", "vgg19")
slowly = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in fer_nets.FAMILIES]


def least(name):
    return fer_nets.SMALLEST.get(name, 32)


def pictures(side=32, count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def same(model, other):
    return all(np.array_equal(one, two) for one, two in zip(model.get_weights(), other.get_weights(), strict=True))


@pytest.fixture
def unallocated(monkeypatch):
    """Graphs without memory for their weights: SilNet's would take 740 MB."""
    monkeypatch.setattr(backbones, "drawn", lambda model, seed: model)
    with keras.StatelessScope(initialize_variables=False):
        yield
    keras.utils.clear_session()  # forgets the variables that were never made


# ---- sizes


@pytest.mark.parametrize("name", fer_nets.TITLES)
def test_every_network_has_the_studys_number_of_parameters(unallocated, name):
    """At Table 1's side and six classes: the exact count, which is also that of the sum over the layers of the papers."""
    model = fer_nets.build(name)
    assert model.count_params() == PARAMETERS[name] == sizes.lime_network(fer_nets.TITLES[name])
    assert model.input.shape == (None, *[fer_nets.REGIME[name].side] * 2, 3) and model.output.shape == (None, 6)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)


def test_the_regime_is_table_one_and_section_three():
    """Eight start from ImageNet at 224 pixels; WeiNet sees 64 and SilNet 150; batch 128; only MobileNetV3's epochs differ in the code."""
    table = fer_nets.table().set_index("network")
    assert table.index[table["pretrained"]].tolist() == list(fer_nets.FAMILIES) and list(table.index) == list(fer_nets.TITLES)
    assert table.loc[["weinet", "silnet"], "side"].tolist() == [64, 150] and (table.drop(["weinet", "silnet"])["side"] == 224).all()
    assert table.index[table["epochs"] != table["epochs_as_coded"]].tolist() == ["mobilenetv3"] and (table["batch"] == 128).all()
    assert table.index[table["optimiser"] == "rmsprop"].tolist() == ["weinet", "alexnet", "songnet"]
    assert table.index[table["rate"] == 1e-6].tolist() == ["mobilenetv3", "efficientnetv2"]
    assert fer_nets.EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise")


def test_a_narrow_network_has_a_share_of_the_filters():
    """A quarter of SongNet by hand: 3-16-16-8-8 filters; of every family far fewer weights, and at least eight filters a layer."""
    filters, kernels = [3, 16, 16, 8, 8], [5, 5, 3, 3]
    by_hand = sum(k * k * i * o + o for k, i, o in zip(kernels, filters, filters[1:], strict=False)) + 4 * 4 * 8 * 6 + 6
    assert fer_nets.build("songnet", 64, 0.25).count_params() == by_hand
    for name in ("vgg16", "mobilenetv3"):
        model = fer_nets.build(name, 32, 0.25)
        assert model.count_params() < PARAMETERS[name] / 8
        assert min(layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)) >= fer_nets.LEAST
        assert np.asarray(model(pictures())).sum(axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in fer_nets.FAMILIES if name not in ("vgg16", "mobilenetv3")])
def test_narrow_families_keep_their_layers(name):
    """A quarter and the whole have the same kinds of layers in the same order, in one flat graph that answers."""
    narrow, whole = (fer_nets.build(name, least(name), width) for width in (0.25, 1.0))
    assert [type(layer) for layer in narrow.layers] == [type(layer) for layer in whole.layers]
    assert narrow.count_params() < whole.count_params() / 8
    assert np.isfinite(np.asarray(narrow(pictures(least(name))))).all()


# ---- pixels


def keras_own(name, model, faces, given):
    """Return what Keras' own network, with the weights of ours, gives for pictures in a range: its averaged maps."""
    function, _ = fer_nets.FAMILIES[name]
    plain = getattr(keras.applications, function)(include_top=False, weights=None, input_shape=faces.shape[1:], pooling="avg")
    theirs = [layer for layer in plain.layers if layer.weights and not isinstance(layer, keras.layers.Normalization)]
    for layer, own in zip(theirs, [layer for layer in backbones.trunk_layers(model) if layer.weights], strict=True):
        layer.set_weights(own.get_weights())
    return np.asarray(plain(given))


@pytest.mark.parametrize("name", slowly)
def test_pictures_are_fed_as_coded_or_as_the_family_was_trained(name):
    """As coded, Keras' own network gets x/255; corrected, it gets its own preprocessing. MobileNetV3 and EfficientNetV2 then rescale."""
    faces, module = pictures(least(name)), getattr(keras.applications, MODULES[name])
    for mode, given in (("as_coded", faces / np.float32(255)), ("corrected", module.preprocess_input(faces.astype(np.float32)))):
        model = fer_nets.build(name, least(name), input_mode=mode)
        expected = keras_own(name, model, faces, given)
        ours = np.asarray(keras.Model(model.inputs, model.get_layer(backbones.POOL).output)(faces))
        assert np.abs(ours - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


def test_networks_from_nothing_see_the_same_pixels_in_both_modes():
    """WeiNet gets x/255 either way; bytes and floats are the same picture."""
    coded, corrected = (fer_nets.build("weinet", 32, 0.25, input_mode=mode) for mode in fer_nets.INPUT_MODES)
    faces = pictures()
    assert np.array_equal(np.asarray(coded(faces)), np.asarray(corrected(faces.astype(np.float32))))
    assert np.asarray(coded.get_layer("ready")(faces)) == pytest.approx(faces / 255, abs=1e-6)


def test_as_coded_pictures_of_mobilenetv3_are_almost_constant():
    """Rescaled twice, black and white differ by less than a hundredth of what they should."""
    model = fer_nets.build("mobilenetv3", 32, 0.25)
    seen = keras.Model(model.inputs, model.get_layer("ready_again").output)
    black, white = np.asarray(seen(np.array([0, 255], np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)))
    assert np.ptp(white) == 0 and 0 < (white - black).max() < 0.02


# ---- seeds and weights


@pytest.mark.parametrize("name", ["silnet", "alexnet", "mobilenetv3", pytest.param("xception", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_network(name):
    """Kernels (separable ones too) and dropouts depend on the seed alone."""
    first, again, other = (fer_nets.build(name, least(name), 0.1, seed=seed) for seed in (4, 4, 5))
    assert same(first, again)
    kernels = [pair for pair in zip(first.weights, other.weights, strict=True) if "kernel" in pair[0].path]
    assert kernels and not any(np.array_equal(one, two) for one, two in kernels)


def test_layers_are_drawn_as_published():
    """SilNet by Glorot's normal distribution, AlexNet by his uniform one; narrowed layers without normalisation as He et al. say."""
    def kinds(name, width):
        model = fer_nets.build(name, 32, width)
        return {type(layer.kernel_initializer).__name__ for layer in model.layers[:-1] if hasattr(layer, "kernel")}

    assert kinds("silnet", 1.0) == {"GlorotNormal"} and kinds("songnet", 1.0) == {"GlorotUniform"}
    assert kinds("silnet", 0.5) == kinds("vgg16", 0.5) == {"HeUniform"}


def test_a_momentum_reaches_every_normalisation():
    """Given, it is that of all; not given, Keras' own stays, as published."""
    norms = [[layer.momentum for layer in fer_nets.build("mobilenetv3", 32, 0.25, momentum=momentum).layers
              if isinstance(layer, keras.layers.BatchNormalization)] for momentum in (0.9, None)]  # fmt: skip
    assert set(norms[0]) == {0.9} and set(norms[1]) == {0.999}


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_weights_of_a_file_come_back(tmp_path, ending):
    """A saved network's weights go into a fresh one; those of another width are refused, with the layer that differs."""
    model, path = fer_nets.build("songnet", 32, 0.25, seed=1), tmp_path / f"net{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    assert same(model, fer_nets.build("songnet", 32, 0.25, weights=path, seed=2))
    with pytest.raises(WeightsError, match="layer conv1: received"):
        fer_nets.build("songnet", 32, 0.5, weights=path)


def test_without_a_network_imagenet_weights_are_a_clear_error(tmp_path, monkeypatch):
    """The network, the address that was not reached and what to give instead are said."""
    from keras.src.utils import file_utils

    def unreachable(*_):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setattr(file_utils, "urlretrieve", unreachable)
    with pytest.raises(WeightsError, match=r"MobileNetV3 could not be had from https://\S+ \(.*not known.*'none'"):
        fer_nets.build("mobilenetv3", 96, weights="imagenet")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv3", "efficientnetv2"])
def test_imagenet_weights_land_in_their_places(tmp_path, monkeypatch, name):
    """With a file in the published layout, our graph answers as Keras' own network with the same file."""
    from keras.src.utils import file_utils

    function, faces, rng = getattr(keras.applications, fer_nets.FAMILIES[name][0]), pictures(), np.random.default_rng(3)
    published = function(include_top=False, weights=None, input_shape=(32, 32, 3))
    published.set_weights([weight + (rng.random(weight.shape) / 100).astype(weight.dtype) for weight in published.get_weights()])
    path = tmp_path / f"{name}.weights.h5"
    bare = function(include_top=False, weights=None, input_shape=(32, 32, 3), include_preprocessing=False)
    bare.set_weights(published.get_weights())
    bare.save_weights(path)
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(path))
    ours = fer_nets.build(name, 32, input_mode="corrected", weights="imagenet")
    expected = np.asarray(published(faces.astype(np.float32))).mean(axis=(1, 2))
    maps = np.asarray(keras.Model(ours.inputs, ours.get_layer(backbones.POOL).output)(faces))
    assert np.abs(maps - expected).max() <= 1e-4 * np.abs(expected).max() and expected.std() > 0


# ---- bad input


@pytest.mark.parametrize(("settings", "message"), [
    ({"name": "vgg17"}, "Did you mean 'vgg1"),
    ({"name": "inceptionv3", "side": 64}, "InceptionV3; expected a side of at least 75"),
    ({"name": "silnet", "width": 0}, "width 0"),
    ({"name": "silnet", "width": 2}, "width 2"),
    ({"name": "silnet", "input_mode": "corected"}, "Did you mean 'corrected'"),
    ({"name": "silnet", "weights": "imagenet"}, "no ImageNet weights for SilNet"),
    ({"name": "vgg16", "weights": "imagenet", "width": 0.5}, "width 1 only"),
    ({"name": "vgg16", "classes": 0}, "at least 1 class"),
])  # fmt: skip
def test_settings_that_make_no_network_are_refused(settings, message):
    """Each in one line that names what was received and what to give."""
    with pytest.raises(ParameterError, match=message):
        fer_nets.build(**settings)
