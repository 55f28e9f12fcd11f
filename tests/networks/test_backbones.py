"""The backbones: published parameter counts, the study's head, each family's own range of pixels, weights put in or refused."""

import urllib.error
import zipfile

import numpy as np
import pytest

from lib.compendium.errors import ParameterError, WeightsError
from lib.faces.detectors import silent
from lib.networks import backbones

with silent():
    import keras

TRUNKS = {"mobilenet": 3_228_864, "mobilenet_v2": 2_257_984, "efficientnet_b0": 4_049_571, "efficientnet_b1": 6_575_239,
          "efficientnet_b4": 17_673_823, "efficientnet_b6": 40_960_143, "vgg16": 14_714_688}  # fmt: skip
WIDTHS = {"mobilenet": 1024, "efficientnet_b4": 1792, "efficientnet_b6": 2304, "vgg16": 512}
SLOW = ("efficientnet_b1", "efficientnet_b4", "efficientnet_b6")


def pictures(side=32, count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def same(model, other):
    return all(np.array_equal(one, two) for one, two in zip(model.get_weights(), other.get_weights(), strict=True))


# ---- sizes


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in TRUNKS])
def test_trunks_have_their_published_sizes_and_the_head_its_closed_form(name):
    """Each trunk has the known number of parameters; the head k·h (dense) + 4h (norm) + 7(h + 1); no layer is itself a network."""
    model, hidden = backbones.build(name, 32, hidden=100), 100
    row = backbones.describe(model).iloc[0]
    assert row["trunk"] == TRUNKS[name]
    assert row["parameters"] == TRUNKS[name] + WIDTHS.get(name, 1280) * hidden + 4 * hidden + 7 * (hidden + 1)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)


def test_the_studys_millions_are_the_classifiers_of_imagenet():
    """MobileNet's "4.2 million" (4,253,864, cut, not rounded) and VGG16's "138 million" (138,357,544) hold ImageNet's thousand classes."""
    assert TRUNKS["mobilenet"] + backbones.imagenet_top("mobilenet") == 4_253_864
    assert TRUNKS["vgg16"] + backbones.imagenet_top("vgg16") == 138_357_544
    assert keras.applications.MobileNet(weights=None).count_params() == 4_253_864


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "efficientnet_b1", "efficientnet_b4"])
def test_tops_of_imagenet_are_those_of_keras(name):
    """Trunk and top together count what Keras' own classifier counts."""
    whole = getattr(keras.applications, backbones.BACKBONES[name])(weights=None)
    assert TRUNKS[name] + backbones.imagenet_top(name) == whole.count_params()


def test_the_custom_network_is_smaller_than_mobilenet_by_its_closed_form():
    """Four 3 x 3 convolutions of 9·in·out weights and a norm four a map, fewer than MobileNet's; half the width, about a quarter."""
    sizes = [3, 32, 64, 128, 256]
    expected = sum(9 * i * o + 4 * o for i, o in zip(sizes, sizes[1:], strict=False))
    table = backbones.parameter_table(["custom", "mobilenet"])
    assert table["trunk"].tolist() == [expected, TRUNKS["mobilenet"]] and expected < TRUNKS["mobilenet"] / 8
    assert table["with_imagenet_top"].tolist()[1] == 4_253_864 and table["with_imagenet_top"].isna().tolist() == [True, False]
    narrow = [3, 16, 32, 64, 128]
    trunk = backbones.describe(backbones.build("custom", 32, alpha=0.5))["trunk"][0]
    assert trunk == sum(9 * i * o + 4 * o for i, o in zip(narrow, narrow[1:], strict=False))


@pytest.mark.parametrize("name", ["vgg16", "efficientnet_b0", pytest.param("efficientnet_b4", marks=pytest.mark.slow)])
def test_a_narrow_network_of_whole_width_is_the_published_one(name):
    """What builds narrow trunks gives, with a share of 1, Keras' own layers and weights; with a quarter, far fewer weights."""
    picture, make = keras.Input((32, 32, 3)), {"vgg16": lambda x, alpha: backbones._narrow_vgg(x, alpha)}
    make = make.get(name, lambda x, alpha: backbones._narrow_efficientnet(name, x, alpha))
    whole = keras.Model(picture, make(picture, 1.0))
    published = getattr(keras.applications, backbones.BACKBONES[name])(include_top=False, weights=None, input_shape=(32, 32, 3))
    shapes = [[tuple(weight.shape) for weight in model.weights] for model in (whole, published)]
    assert shapes[0] == shapes[1] and whole.count_params() == TRUNKS[name]
    names = [[layer.name for layer in model.layers if layer.weights and not isinstance(layer, keras.layers.Normalization)]
             for model in (whole, published)]  # fmt: skip
    assert names[0] == names[1]
    narrow = backbones.describe(backbones.build(name, 32, alpha=0.25)).iloc[0]
    assert narrow["trunk"] < TRUNKS[name] / 8 and narrow["last_convolution"] == backbones.last_convolution(published).name


def test_multiplications_are_those_of_the_papers():
    """MobileNet takes the published 569 million at 224 pixels with ImageNet's top; a small network is counted by hand."""
    trunk = backbones.multiplications(backbones.build("mobilenet", 224, hidden=1)) - 1024 - 7
    assert round((trunk + 1024 * 1000) / 1e6) == 569
    x = picture = keras.Input((8, 8, 3))
    x = keras.layers.SeparableConv2D(5, 3, strides=2, padding="same")(x)
    x = keras.layers.Dense(2)(keras.layers.Flatten()(x))
    assert backbones.multiplications(keras.Model(picture, x)) == 16 * (3 * 9 + 3 * 5) + 80 * 2


def test_the_description_names_the_last_convolution_and_its_map():
    """VGG16 at 64 pixels ends in a convolution with 4 x 4 maps of 512 channels; a nested network is refused and explained."""
    row = backbones.describe(backbones.build("vgg16", 64)).iloc[0]
    assert (row["last_convolution"], row["map_height"], row["map_width"], row["channels"]) == ("block5_conv3", 4, 4, 512)
    assert row["parameters"] - row["trainable"] == 2 * backbones.HIDDEN  # the norm's running statistics
    picture = keras.Input((32, 32, 3))
    inner = keras.Model(picture, keras.layers.Conv2D(2, 3)(picture), name="inner")
    outside = keras.Input((32, 32, 3))
    with pytest.raises(ParameterError, match=r"inner is itself a network: build on its `\.output`"):
        backbones.describe(keras.Model(outside, keras.layers.GlobalAveragePooling2D()(inner(outside))))


# ---- pictures


def feed(name, model, ready):
    """Return what a network without preprocessing of its own gives for pictures made ready by other means."""
    width = {"alpha": 0.25} if name == "mobilenet" else {"alpha": 0.35} if name == "mobilenet_v2" else {}
    plain = getattr(keras.applications, backbones.BACKBONES[name])(include_top=False, weights=None, input_shape=(32, 32, 3), **width)
    for layer, own in zip([layer for layer in plain.layers if layer.weights],
                          [layer for layer in backbones.trunk_layers(model) if layer.weights], strict=True):
        layer.set_weights(own.get_weights())
    return np.asarray(plain(ready))


@pytest.mark.parametrize(("name", "alpha"), [("mobilenet", 0.25), ("mobilenet_v2", 0.35), ("vgg16", 1.0)])
def test_pictures_are_brought_to_the_familys_range(name, alpha):
    """Bytes through our graph give what Keras' own preprocessing and network give."""
    model, faces = backbones.build(name, 32, alpha=alpha), pictures()
    family = {"vgg16": keras.applications.vgg16, "mobilenet": keras.applications.mobilenet, "mobilenet_v2": keras.applications.mobilenet_v2}
    expected = feed(name, model, family[name].preprocess_input(faces.astype(np.float32)))
    maps = keras.Model(model.inputs, model.get_layer(backbones.POOL).input)(faces)
    assert np.abs(np.asarray(maps) - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


def test_bytes_and_floats_are_the_same_picture_and_answers_are_probabilities():
    """uint8 and float pictures from 0 to 255 give the same seven numbers from 0 to 1, which need not sum to one."""
    model = backbones.build("custom", 48, dropout=0.3)
    faces = pictures(48)
    answer = np.asarray(model(faces))
    assert answer.shape == (2, 7) and answer.min() > 0 and answer.max() < 1
    assert np.array_equal(answer, np.asarray(model(faces.astype(np.float32))))
    assert model.output_names == ["expression"] and model.input.name == "picture"


def test_answers_are_float32_under_mixed_precision():
    """With half-precision layers the probabilities are still float32, and the pixels are made ready in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = backbones.build("custom", 32)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("block_2").compute_dtype == "bfloat16"
    assert keras.backend.standardize_dtype(model(pictures()).dtype) == "float32"
    assert model.get_layer("ready").compute_dtype == "float32"


def test_the_same_seed_gives_the_same_network():
    """Weights and the dropouts' counters depend on the seed alone."""
    first, again, other = (backbones.build("mobilenet_v2", 32, alpha=0.35, dropout=0.2, seed=seed) for seed in (4, 4, 5))
    assert same(first, again) and not same(first, other)
    states = [np.asarray(model.get_layer("hidden_dropout").seed_generator.state) for model in (first, again, other)]
    assert np.array_equal(states[0], states[1]) and not np.array_equal(states[0], states[2])


def test_running_statistics_settle_within_an_epoch_or_two():
    """Every normalisation, of the trunk and of the head, forgets its first value in tens of steps, not in Keras' hundreds."""
    for momentum in (0.9, 0.5):
        model = backbones.build("mobilenet_v2", 32, alpha=0.35, momentum=momentum)
        norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert len(norms) == 53 and {layer.momentum for layer in norms} == {momentum}
    model = backbones.build("custom", 32, alpha=0.25, hidden=8)
    faces = pictures(count=32)
    for _ in range(60):
        trained = np.asarray(model(faces, training=True))
    assert np.asarray(model(faces, training=False)) == pytest.approx(trained, abs=0.02)


# ---- weights


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_weights_of_the_same_network_come_back(tmp_path, ending):
    """A saved network's weights go into a fresh one, whose answers are then the same."""
    model, path = backbones.build("mobilenet_v2", 32, alpha=0.35, seed=1), tmp_path / f"net{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    loaded = backbones.build("mobilenet_v2", 32, alpha=0.35, weights=path, seed=2)
    assert same(model, loaded)


def test_a_trunk_comes_from_a_network_with_another_head(tmp_path):
    """The part before the average is taken from a file with 16 outputs and a dropout; the head stays as it was."""
    model, path = backbones.build("custom", 32, classes=16, hidden=32, dropout=0.1, seed=1), tmp_path / "pretrained.weights.h5"
    model.save_weights(path)
    fresh = backbones.build("custom", 32, seed=2)
    before = fresh.get_layer("hidden").get_weights()[0]
    backbones.load(fresh, path, part="trunk")
    assert np.array_equal(fresh.get_layer("block_4").get_weights()[0], model.get_layer("block_4").get_weights()[0])
    assert np.array_equal(fresh.get_layer("block_4_norm").get_weights()[2], model.get_layer("block_4_norm").get_weights()[2])
    assert np.array_equal(fresh.get_layer("hidden").get_weights()[0], before)


def test_weights_of_another_network_are_refused_with_the_first_layer_that_differs(tmp_path):
    """The layer and both shapes are named, and nothing was changed; so for another hidden width, another family, a longer network."""
    small, path = backbones.build("custom", 32, hidden=8), tmp_path / "small.weights.h5"
    small.save_weights(path)
    model = backbones.build("custom", 32)
    before = model.get_weights()
    with pytest.raises(WeightsError, match=r"layer hidden: received \[\(256, 8\)\], expected \[\(256, 256\)\]"):
        backbones.load(model, path)
    assert all(np.array_equal(one, two) for one, two in zip(before, model.get_weights(), strict=True))
    with pytest.raises(WeightsError, match=r"another network than mobilenet \(layer conv1: received \[\(3, 3, 3, 32\)\], expected .*8\)\]"):
        backbones.build("mobilenet", 32, alpha=0.25, weights=path)
    backbones.build("mobilenet", 32, hidden=8).save_weights(tmp_path / "long.weights.h5")
    with pytest.raises(WeightsError, match="another network than custom"):
        backbones.build("custom", 32, hidden=8, weights=tmp_path / "long.weights.h5")


def test_files_that_are_no_weights_are_refused(tmp_path):
    """A missing file, a damaged one, an archive without weights and an unknown word each say what to do."""
    for name, content, message in (("none.weights.h5", None, "There is no file"), ("bad.weights.h5", b"stone", "cannot be read"),
                                   ("bad.keras", b"stone", "cannot be read"), ("net.h5", b"", r"ending in \.weights\.h5 or \.keras")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=message):
            backbones.build("custom", 32, weights=tmp_path / name)
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(WeightsError, match="cannot be read"):
        backbones.build("custom", 32, weights=tmp_path / "empty.keras")
    with pytest.raises(WeightsError, match="learned on this machine"):
        backbones.build("custom", 32, weights="atelier")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keras' cache in a folder of its own."""
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    return file_utils


def test_without_a_network_the_address_and_the_alternatives_are_named(cache, monkeypatch):
    """Where ImageNet weights cannot be fetched, the address that was not reached and what to give instead are said."""
    def unreachable(*_):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(cache, "urlretrieve", unreachable)
    with pytest.raises(WeightsError, match=r"MobileNet v1.*https://\S+/mobilenet_1_0_224_tf_no_top\.h5 \(.*not known.*'none'.*'atelier'"):
        backbones.build("mobilenet", 96, weights="imagenet")


def test_a_damaged_download_is_refused(cache, monkeypatch):
    """A file with another hash than Keras expects, or that is no HDF5, is not taken for weights."""
    def wrong(_, target, *__):
        with open(target, "wb") as file:  # noqa: PTH123
            file.write(b"not what was asked for")

    monkeypatch.setattr(cache, "urlretrieve", wrong)
    for name in ("vgg16", "mobilenet"):
        with pytest.raises(WeightsError, match=r"could not be had from Keras' cache.*deleted first"):
            backbones.build(name, 32, weights="imagenet")


@pytest.mark.slow
def test_imagenet_weights_land_in_their_places(cache, monkeypatch, tmp_path):
    """The graph with ImageNet weights answers as Keras' own with the same file: same pixels, same maps, for MobileNet and EfficientNet."""
    faces, rng = pictures(), np.random.default_rng(3)
    for name in ("mobilenet", "efficientnet_b0"):
        function = getattr(keras.applications, backbones.BACKBONES[name])
        published = function(include_top=False, weights=None, input_shape=(32, 32, 3))
        published.set_weights([weight + (rng.random(weight.shape) / 100).astype(weight.dtype) for weight in published.get_weights()])
        for layer in published.layers:
            if isinstance(layer, keras.layers.Normalization):  # as in the published file: deviations where variances belong
                layer.set_weights([np.array(backbones.MEAN), np.array(backbones.DEVIATION), np.array(0)])
        published.save_weights(tmp_path / f"{name}.weights.h5")
        monkeypatch.setattr(cache, "get_file", lambda *_, name=name, **__: str(tmp_path / f"{name}.weights.h5"))
        theirs = function(include_top=False, weights="imagenet", input_shape=(32, 32, 3))
        ready = faces / 127.5 - 1 if name == "mobilenet" else faces.astype(np.float32)
        expected = np.asarray(theirs(ready.astype(np.float32)))
        ours = backbones.build(name, 32, weights="imagenet")
        maps = np.asarray(keras.Model(ours.inputs, ours.get_layer(backbones.POOL).input)(faces))
        assert np.abs(maps - expected).max() <= 1e-4 * np.abs(expected).max() and expected.std() > 0


def test_a_clone_of_an_efficientnet_sees_the_same_picture():
    """Nothing of the preprocessing is lost when a network is cloned and its weights are copied."""
    model = backbones.build("efficientnet_b0", 32)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert np.asarray(clone(pictures())) == pytest.approx(np.asarray(model(pictures())), abs=1e-6)


# ---- bad input


@pytest.mark.parametrize(("settings", "message"), [
    ({"name": "mobilnet"}, "Did you mean 'mobilenet'"),
    ({"side": 16}, "side 16"),
    ({"classes": 0}, "classes 0"),
    ({"dropout": 1.0}, "dropout 1.0"),
    ({"name": "vgg16", "alpha": -0.5}, "alpha -0.5 for vgg16"),
    ({"name": "vgg16", "alpha": 0.5, "weights": "imagenet"}, "exist for 1.0"),
    ({"name": "custom", "weights": "imagenet"}, "no ImageNet weights for the custom network"),
    ({"alpha": 0.3, "weights": "imagenet"}, "exist for 0.25, 0.5, 0.75, 1.0"),
])  # fmt: skip
def test_settings_that_make_no_network_are_refused(settings, message):
    """An unknown name is answered with the nearest one; sizes, shares and widths out of range with what is expected."""
    with pytest.raises(ParameterError, match=message):
        backbones.build(**{"name": "mobilenet", "side": 32} | settings)


def test_parts_and_tops_that_do_not_exist_are_refused(tmp_path):
    """There is no ImageNet classifier of the custom network, and a file has no part but the network and its trunk."""
    with pytest.raises(ParameterError, match="Received 'custom'"):
        backbones.imagenet_top("custom")
    with pytest.raises(ParameterError, match="'network' or 'trunk'"):
        backbones.load(backbones.build("custom", 32), tmp_path, part="head")
