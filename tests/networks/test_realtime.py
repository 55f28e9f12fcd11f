"""The real-time networks: exact sizes, the published weights in their places, files of other networks refused."""

import h5py
import numpy as np
import pytest

from lib.compendium import weights
from lib.compendium.errors import ParameterError, WeightsError
from lib.networks import realtime

NAME = "mini_xception_fer2013"


def published():
    if weights.check(NAME) != "ok":
        pytest.skip("the expression weights are not here: make weights")
    return weights.path(NAME)


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(("build", "classes", "channels", "count"), [
    (realtime.mini_xception, 7, 1, 58_423),
    (realtime.mini_xception, 2, 1, 52_658),
    (realtime.sequential, 7, 1, 642_935),
    (realtime.sequential, 2, 3, 632_978),
])  # fmt: skip
def test_the_networks_have_their_published_sizes(build, classes, channels, count):
    """The networks have exactly as many parameters as the authors' own."""
    assert build(classes, channels=channels).count_params() == count


def test_all_but_the_running_statistics_can_be_trained():
    """56,951 of mini_XCEPTION's parameters can be trained; the rest are running means and variances."""
    assert trainable(realtime.mini_xception(7)) == 56_951


def test_size_of_the_sequential_network_does_not_depend_on_the_picture():
    """The sequential network has the same parameters whatever its picture's side."""
    assert realtime.sequential(side=64).count_params() == realtime.sequential(side=48).count_params()


def test_the_graphs_are_flat_and_end_in_probabilities():
    """No layer is itself a model, and each face's probabilities sum to one."""
    for build, side in ((realtime.mini_xception, 64), (realtime.sequential, 48)):
        model = build()
        assert not any(hasattr(layer, "layers") for layer in model.layers)
        assert np.sum(model(np.full((2, side, side, 1), 90.0)), axis=1) == pytest.approx(1, abs=1e-5)


def test_grey_levels_are_brought_to_minus_one_to_one():
    """0, 51, 255 become -1, -.6 and 1: (x / 255 - .5) · 2."""
    layer = realtime.mini_xception().get_layer("rescaled")
    assert np.array(layer(np.array([0.0, 51.0, 255.0]))) == pytest.approx([-1, -0.6, 1], abs=1e-6)


@pytest.mark.slow
def test_published_weights_land_in_their_places():
    """The network built here with the published weights answers as the authors' own model file does."""
    import keras

    path = published()
    theirs = keras.models.load_model(path, compile=False)
    grey = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 1)).astype(np.float32)
    ours = np.array(realtime.load_published(path)(grey))
    assert np.abs(ours - np.array(theirs((grey / 255 - 0.5) * 2))).max() < 1e-5
    assert ours.std(axis=0).max() > 1e-3  # the pictures are told apart at all


def test_weights_for_other_classes_are_refused_with_both_shapes():
    """The weights for 7 classes do not go into a network for 2: the layer and both shapes are named."""
    path = published()
    with pytest.raises(WeightsError, match=r"conv2d_7.*\(3, 3, 128, 7\).*\(3, 3, 128, 2\)"):
        realtime.load_published(path, classes=2)


def write(path, layers):
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in layers]
        for name, arrays in layers.items():
            group.create_group(name).attrs["weight_names"] = [f"{name}/{number}".encode() for number in range(len(arrays))]
            for number, array in enumerate(arrays):
                group[name][f"{name}/{number}"] = array


def test_a_file_of_another_network_is_refused(tmp_path):
    """A file with one convolution is no mini_XCEPTION: how many layers came and how many were expected is said."""
    write(tmp_path / "other.h5", {"conv2d_1": [np.zeros((3, 3, 1, 8))]})
    with pytest.raises(WeightsError, match="other.h5 has 1 layers of kind Conv2D; mini_XCEPTION has 7"):
        realtime.load_published(tmp_path / "other.h5")


def test_layers_are_taken_by_kind_and_number_not_by_name(tmp_path):
    """A file whose layers are numbered from elsewhere (8, 9, 10, …) gives the same network."""
    model = realtime.mini_xception(2)
    rng = np.random.default_rng(1)
    made = {}
    for kind, names in realtime._by_kind(model).items():
        for number, name in enumerate(names, 8):
            made[f"{kind}_{number}"] = [rng.uniform(0.1, 1, weight.shape).astype(np.float32) for weight in model.get_layer(name).weights]
    write(tmp_path / "gender.h5", dict(reversed(made.items())))
    loaded = realtime.load_published(tmp_path / "gender.h5", classes=2)
    assert np.array_equal(loaded.get_layer("maps").get_weights()[0], made["conv2d_14"][0])
    assert np.array_equal(loaded.get_layer("module_1_short_norm").get_weights()[2], made["batch_normalization_10"][2])


@pytest.mark.parametrize("content", [b"", b"not an HDF5 file"])
def test_a_damaged_file_is_refused(tmp_path, content):
    """A file that is no HDF5 says so and what to do."""
    (tmp_path / "broken.hdf5").write_bytes(content)
    with pytest.raises(WeightsError, match="broken.hdf5 cannot be read.*make weights"):
        realtime.load_published(tmp_path / "broken.hdf5")


@pytest.mark.parametrize(("classes", "side", "channels"), [(1, 64, 1), (7, 8, 1), (7, 64, 2)])
def test_sizes_that_make_no_network_are_refused(classes, side, channels):
    """One class, a side below 16 pixels or two channels are refused."""
    with pytest.raises(ParameterError, match="expected at least 2"):
        realtime.mini_xception(classes, side, channels)
