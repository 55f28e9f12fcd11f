"""ResNet-18 and ARM: published counts, the blocks against slow loops, answers that do and do not depend on their batch, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError, WeightsError
from lib.faces.detectors import silent
from lib.networks import arm, backbones

with silent():
    import keras

PUBLISHED = 11_689_512  # ResNet-18 with ImageNet's thousand classes, as its publishers count (trained parameters)
RNG = np.random.default_rng(7)


def pictures(count=3, side=64):
    return RNG.integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def trained(weights) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.fixture(scope="module")
def narrow():
    """A small ARM as coded whose running map is not zero, as after some training."""
    model = arm.arm(64, width=0.125, seed=3)
    model.get_layer(arm.AFFINITY).running.assign(RNG.normal(size=(1, 1, 1, 1)))
    return model


# ---- sizes


def test_resnet18_has_the_published_number_of_parameters():
    """With a thousand classes; the trunk with moving statistics is 11,186,112, as keras-cv's explicit ResNet-18 has it."""
    model = arm.resnet18(64, classes=1000)
    assert trained(model.trainable_weights) == PUBLISHED
    trunk = [weight for layer in backbones.trunk_layers(model) for weight in layer.weights]
    assert trained(trunk) == 11_186_112 and 11_186_112 - trained(model.non_trainable_weights) == PUBLISHED - 513_000


def test_arm_has_1883_parameters_more_than_the_trunk():
    """At 224 pixels and seven classes: 1,024 of the kernel, 4 of the normalisation, 1 affinity, 854 of the last layer; 11 × 11 places."""
    model = arm.arm()
    extra = [layer for layer in model.layers if layer.weights and not layer.name.startswith(("stem", "stage"))]
    assert {layer.name: trained(layer.trainable_weights) for layer in extra} == {
        "de_albino": 1024, "de_albino_norm": 4, arm.AFFINITY: 1, "expression": 854}  # fmt: skip
    assert trained(model.trainable_weights) == PUBLISHED - 513_000 + 1_883
    assert model.get_layer("feature_arrangement").output.shape == (None, 112, 112, 2)
    assert model.get_layer("de_albino").output.shape == (None, 11, 11, 2)
    assert model.get_layer(arm.AFFINITY).output.shape == (None, 11, 11, 1)
    assert model.input.shape == (None, 224, 224, 3) and model.output.shape == (None, 7)


@pytest.mark.parametrize(("width", "side"), [(0.5, 96), (0.25, 112), (0.125, 64)])
def test_a_narrow_arm_keeps_its_geometry(width, side):
    """The window spans two places of the trunk's maps and moves by half of one, whatever the width: 2 · places - 3 answers either way."""
    model = arm.arm(side, width=width)
    places = -(-side // 32)
    assert model.get_layer("de_albino").output.shape[1:3] == (2 * places - 3,) * 2
    assert model.get_layer("feature_arrangement").output.shape[-1] >= 2


# ---- the blocks against slow loops


@settings(deadline=None, max_examples=20)
@given(step=st.sampled_from([1, 2, 4]), left=st.integers(1, 3), height=st.integers(1, 3), width=st.integers(1, 3))
def test_feature_arrangement_puts_each_channel_in_its_place(step, left, height, width):
    """Against the definition of the published code, one number at a time."""
    maps = np.arange(2 * height * width * left * step**2, dtype=np.float32).reshape(2, height, width, -1)
    made = np.asarray(arm.FeatureArrangement(step)(maps))
    assert made.shape == (2, height * step, width * step, left)
    for n, y, x, c in np.ndindex(made.shape):
        channel = c * step**2 + (y % step) * step + x % step
        assert made[n, y, x, c] == maps[n, y // step, x // step, channel]


def test_the_shared_convolution_is_one_kernel_for_every_map():
    """Against sums over windows; every map is treated alike, and corners lie in fewer windows than the middle."""
    layer, maps = arm.SharedConvolution(4, 2), RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)
    made, kernel = np.asarray(layer(maps)), np.asarray(layer.kernel)[:, :, 0, 0]
    assert made.shape == layer.compute_output_shape((2, 8, 8, 3)) == (2, 3, 3, 3)
    for n, y, x, c in np.ndindex(made.shape):
        assert made[n, y, x, c] == pytest.approx((maps[n, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4, c] * kernel).sum(), abs=1e-5)
    layer.kernel.assign(np.ones((4, 4, 1, 1)))
    places = np.eye(64, dtype=np.float32).reshape(64, 8, 8, 1)
    windows = np.asarray(layer(places)).sum(axis=(1, 2, 3)).reshape(8, 8)
    assert windows[0, 0] == 1 and windows[4, 4] == 4


def test_sharing_affinity_adds_a_share_of_the_batchs_mean():
    """As coded by hand; at test time the other mode adds the running mean, which training has kept."""
    maps = RNG.normal(size=(4, 3, 3, 2)).astype(np.float32)
    own = maps.mean(axis=-1, keepdims=True)
    for mode in arm.MODES:
        layer = arm.SharingAffinity(mode)
        layer.build(maps.shape)
        layer.affinity.assign(0.5)
        assert np.allclose(layer(maps, training=True), own + 0.5 * own.mean(axis=0), atol=1e-6)
        assert np.allclose(layer.running, 0.1 * own.mean(axis=0, keepdims=True), atol=1e-6)
        shared = own.mean(axis=0) if mode == "as_coded" else 0.1 * own.mean(axis=0)
        assert np.allclose(layer(maps, training=False), own + 0.5 * shared, atol=1e-6)


def test_a_block_adds_what_came_in():
    """With the last normalisation's scale at 0, F(x) is 0 and a block without shortcut passes its (positive) input on, as Eq. 1 says."""
    model = arm.resnet18(64, width=0.125)
    model.get_layer("stage1_block1_2_norm").gamma.assign(np.zeros(8))
    both = keras.Model(model.input, [model.get_layer(name).output for name in ("stem_pool", "stage1_block1_relu")])
    before, after = both(pictures())
    assert np.array_equal(before, after) and np.asarray(before).max() > 0


def test_pictures_are_rescaled_by_imagenets_colours():
    """ImageNet's mean colour becomes 0, and one deviation more becomes 1; bytes and floats are the same picture."""
    model, mean, deviation = arm.resnet18(64, width=0.125), np.array(backbones.MEAN), np.array(backbones.DEVIATION)
    ready = keras.Model(model.input, model.get_layer("ready").output)
    for steps in (0, 1):
        shown = np.broadcast_to(255 * (mean + steps * deviation), (1, 64, 64, 3)).astype(np.float32)
        assert np.asarray(ready(shown)) == pytest.approx(steps, abs=1e-5)
    faces = pictures()
    assert np.array_equal(model(faces), model(faces.astype(np.float32)))


# ---- batches


def test_as_coded_an_answer_depends_on_the_batch(narrow):
    """The same picture alone and beside two others gets different probabilities; each batch's sum to one."""
    faces = pictures()
    together, alone = np.asarray(narrow(faces)), np.asarray(narrow(faces[:1]))
    assert np.abs(together[:1] - alone).max() > 1e-4
    assert together.sum(axis=1) == pytest.approx(1, abs=1e-6) and together.shape == (3, 7)


def test_batch_independent_an_answer_does_not_depend_on_the_batch(narrow):
    """Alone, beside others, in another order: the same; and the change of mode copies weights, leaving the first network as it was."""
    steady, faces = arm.in_mode(narrow, "batch_independent"), pictures()
    together = np.asarray(steady(faces))
    assert np.concatenate([np.asarray(steady(face[None])) for face in faces]) == pytest.approx(together, abs=1e-5)
    assert np.asarray(steady(faces[::-1]))[::-1] == pytest.approx(together, abs=1e-5)
    assert narrow.get_layer(arm.AFFINITY).mode == "as_coded" and steady.get_layer(arm.AFFINITY).mode == "batch_independent"
    assert all(np.array_equal(one, two) for one, two in zip(narrow.get_weights(), steady.get_weights(), strict=True))


# ---- weights


def test_a_seed_draws_the_same_network():
    """All kernels, ARM's shared one too, follow from the seed."""
    one, same, other = (arm.arm(64, width=0.125, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), same.get_weights(), strict=True))
    kernels = [(a, b) for a, b in zip(one.weights, other.weights, strict=True) if a.path.endswith("kernel")]
    assert len(kernels) == 22 and not any(np.array_equal(a, b) for a, b in kernels)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_a_saved_arm_comes_back(tmp_path, narrow, ending):
    """Through `backbones.load` in either mode, and in safe mode through Keras itself."""
    path = tmp_path / f"arm{ending}"
    (narrow.save if ending == ".keras" else narrow.save_weights)(path)
    faces, again = pictures(), arm.arm(64, width=0.125, mode="batch_independent", weights=path)
    assert np.asarray(arm.in_mode(again, "as_coded")(faces)) == pytest.approx(np.asarray(narrow(faces)), abs=1e-6)
    if ending == ".keras":
        assert np.asarray(keras.models.load_model(path, safe_mode=True)(faces)) == pytest.approx(np.asarray(narrow(faces)), abs=1e-6)


def test_arm_starts_from_a_trained_resnet18():
    """The trunk is copied layer by layer, the head is not; another width is refused with the layer that differs."""
    resnet, model = arm.resnet18(64, width=0.125, seed=5), arm.arm(64, width=0.125, seed=6)
    last = model.get_layer("expression").get_weights()
    arm.take_trunk(model, resnet)
    for layer in backbones.trunk_layers(resnet):
        assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), model.get_layer(layer.name).get_weights(), strict=True))
    assert np.array_equal(last[0], model.get_layer("expression").get_weights()[0])
    with pytest.raises(WeightsError, match="stem: received"):
        arm.take_trunk(model, arm.resnet18(64, width=0.25))


# ---- bad input


@pytest.mark.parametrize(("wanted", "message"), [
    ({"width": 0.3}, "width 0.3, expected one of 1.0, 0.5"),
    ({"side": 32}, "side 32"),
    ({"classes": 1}, "classes 1"),
    ({"mode": "as_code"}, "Did you mean 'as_coded'"),
])  # fmt: skip
def test_settings_that_make_no_network_are_refused(wanted, message):
    """What was received and what is expected are said."""
    with pytest.raises(ParameterError, match=message):
        arm.arm(**{"side": 64, "width": 0.125} | wanted)


def test_weights_that_are_not_there_are_refused(tmp_path):
    """ImageNet's, a missing file, ResNet-18 asked for a mode."""
    with pytest.raises(WeightsError, match="'imagenet', which Keras does not have"):
        arm.resnet18(64, width=0.125, weights="imagenet")
    with pytest.raises(WeightsError, match="no file"):
        arm.resnet18(64, width=0.125, weights=tmp_path / "none.keras")
    with pytest.raises(ParameterError, match="resnet18, which has no sharing affinity"):
        arm.in_mode(arm.resnet18(64, width=0.125), "as_coded")
