"""The art-emotion study's networks have the published sizes, answer with probabilities and can be explained."""

import numpy as np
import pytest

from lib.compendium.errors import ParameterError
from lib.explain.cam import gradcam_all
from lib.networks import art_nets, backbones

SIDE, NARROW = 32, 0.05


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Return three pictures of noise."""
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)


def test_shallnet_has_the_size_of_its_layers():
    """Four 5 x 5 convolutions of 64 to 512 filters, three normalisations, one dense layer: counted by hand."""
    filters, before, expected = (64, 128, 256, 512), 3, 0
    for number, count in enumerate(filters):
        expected += 25 * before * count + count + (4 * count if number else 0)
        before = count
    expected += 4 * 4 * 512 * 4 + 4
    model = art_nets.shallnet()
    assert model.count_params() == expected == 4_342_916
    assert len([layer for layer in model.layers if layer.name.startswith("conv") and layer.name[-1].isdigit()]) == 4


def test_the_trunk_is_vgg16_without_its_last_pooling():
    """All 14,714,688 parameters of the published convolutions, frozen; a map at a sixteenth of the side is averaged, not pooled first."""
    trunk = art_nets.vgg16_trunk(SIDE, 1.0, "none")
    assert trunk.count_params() == 14_714_688 and not trunk.trainable_weights
    assert trunk.get_layer("block5_conv3").output.shape[1:] == (SIDE // 16, SIDE // 16, 512)
    assert "block5_pool" not in [layer.name for layer in trunk.layers] and trunk.output.shape[1:] == (512,)


def test_only_the_dense_layer_learns_unless_more_is_asked_for():
    """As published 516 weights of a quarter-width network learn; with block5 that block's too."""
    trunk = art_nets.vgg16_trunk(SIDE, NARROW, "none")
    channels = trunk.output.shape[1]
    learns = lambda fine: sorted({weight.path.split("/")[0] for weight in art_nets.vgg16_transfer(trunk, fine=fine).trainable_weights})  # noqa: E731
    assert learns("none") == ["group"]
    assert learns("block5") == ["block5_conv1", "block5_conv2", "block5_conv3", "group"]
    model = art_nets.vgg16_transfer(trunk)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 4 * channels + 4


def test_the_two_halves_are_the_network(pictures):
    """What stays and what learns, one after the other, answer as the whole; what the second half learns changes the whole."""
    model = art_nets.vgg16_transfer(art_nets.vgg16_trunk(SIDE, NARROW, "none"), fine="block5", hidden=3)
    still, learner = art_nets.halves(model, "block5")
    said = learner.predict({"maps": still.predict(pictures, verbose=0)}, verbose=0)["group"]
    assert np.allclose(said, model.predict(pictures, verbose=0), atol=1e-6)
    assert len(learner.trainable_weights) == 2 * 5 and not still.trainable_weights
    learner.get_layer("group").set_weights([np.zeros((3, 4)), np.array([0, 0, 9, 0])])
    assert (model.predict(pictures, verbose=0).argmax(axis=1) == 2).all()
    with pytest.raises(ParameterError, match="fine='none'"):
        art_nets.halves(model, "none")


def test_a_file_of_another_head_gives_its_trunk(tmp_path, pictures):
    """Weights of a backbone under the sculpture study's head are taken over: the maps are the same."""
    whole = backbones.build("vgg16", SIDE, alpha=NARROW, seed=5)
    whole.save_weights(tmp_path / "a.weights.h5")
    trunk = art_nets.vgg16_trunk(SIDE, NARROW, tmp_path / "a.weights.h5")
    for name in ("block1_conv1", "block5_conv3"):
        theirs, ours = (model.get_layer(name).get_weights() for model in (whole, trunk))
        assert all(np.array_equal(*pair) for pair in zip(theirs, ours, strict=True))


def test_maps_are_exact_and_answers_probabilities(pictures):
    """Transfer networks end in a global average and a dense layer, so that maps of all classes come from one pass."""
    model = art_nets.vgg16_transfer(art_nets.vgg16_trunk(SIDE, NARROW, "none"))
    maps, answers = gradcam_all(model, pictures)
    assert maps.shape[:2] == (3, 4) and np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    for net in (art_nets.shallnet(SIDE, NARROW), model):
        assert np.allclose(net.predict(pictures, verbose=0).sum(axis=1), 1, atol=1e-5)


def test_features_and_averages_meet_in_the_concatenated_network(pictures):
    """Changing the features alone and the picture alone both change the answer; both heads take a hidden layer."""
    trunk = art_nets.vgg16_trunk(SIDE, NARROW, "none")
    model = art_nets.concatenated(trunk, 13, hidden=6)
    told = np.zeros((3, 13), np.float32)
    base = model.predict({"picture": pictures, "features": told}, verbose=0)
    assert not np.allclose(base, model.predict({"picture": pictures, "features": told + 1}, verbose=0))
    assert not np.allclose(base, model.predict({"picture": pictures[::-1].copy(), "features": told}, verbose=0))
    assert art_nets.features_net(13).count_params() == 13 * 4 + 4 + 2 * 13 + 1
    assert art_nets.features_net(13, 8).layers[-2].name == "hidden"


def test_the_same_seed_is_the_same_network(pictures):
    """Fresh weights come from the seed alone."""
    one, again, other = (art_nets.shallnet(SIDE, NARROW, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(*pair) for pair in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_what_cannot_be_built_is_named():
    """Sides, widths, blocks and counts out of range are refused."""
    with pytest.raises(ParameterError, match="side 50"):
        art_nets.shallnet(50)
    with pytest.raises(ParameterError, match="fine='block9'"):
        art_nets.vgg16_transfer(art_nets.vgg16_trunk(SIDE, NARROW, "none"), fine="block9")
    with pytest.raises(ParameterError, match="0 features"):
        art_nets.features_net(0)
