"""GANimation's networks have the published numbers of parameters, compose as published, and refuse what cannot be built."""

import numpy as np
import pytest

from lib.compendium.errors import ParameterError
from lib.networks import ganimation

RNG = np.random.default_rng(3)
SMALL = {"side": 16, "width": 4, "blocks": 1, "units": 5, "kernel": 3, "deviation": None}


@pytest.fixture(scope="module")
def small():
    return ganimation.generator(**SMALL)


def inputs(count=3, side=16, units=5):
    return {"picture": RNG.uniform(0, 255, (count, side, side, 3)).astype("float32"),
            "units": RNG.uniform(0, 5, (count, units)).astype("float32")}  # fmt: skip


def answered(model, given):
    return {name: np.asarray(value) for name, value in model(given).items()}


def test_the_published_sizes_have_exactly_the_published_numbers_of_parameters():
    assert ganimation.generator().count_params() == 8_471_296
    assert ganimation.critic().count_params() == 44_860_352


def test_parameters_follow_the_layers_of_the_paper_for_other_sizes():
    """Counted here by hand: kernels without bias, two numbers a channel for each normalisation; the critic's convolutions with bias."""
    side, width, blocks, units, kernel = 32, 6, 2, 16, 5
    convolutions = [(3 + units, width, kernel), (width, 2 * width, 4), (2 * width, 4 * width, 4)]
    convolutions += [(4 * width, 4 * width, 3)] * 2 * blocks + [(4 * width, 2 * width, 4), (2 * width, width, 4)]
    heads = kernel**2 * width * (3 + 1)
    expected = sum(a * b * k * k + 2 * b for a, b, k in convolutions) + heads
    assert ganimation.generator(side, width, blocks, units, kernel).count_params() == expected
    halves = [(3, width), (width, 2 * width), (2 * width, 4 * width)]
    expected = sum(a * b * 16 + b for a, b in halves) + 4 * width * 9 + 4 * width * 4 * 4 * units
    assert ganimation.critic(side, width, 3, units).count_params() == expected


def test_a_generator_that_grows_by_interpolation_has_kernels_of_three_instead_of_four():
    plain, resized = (ganimation.generator(16, 4, 1, 3, 3, None, resized=how) for how in (False, True))
    assert plain.count_params() - resized.count_params() == (16 - 9) * (16 * 8 + 8 * 4)


def test_the_answer_is_the_picture_where_attention_is_and_the_colour_elsewhere(small):
    given = inputs()
    found = answered(small, given)
    mask = found["attention"]
    assert mask.shape == (3, 16, 16, 1) and mask.min() >= 0 and mask.max() <= 1
    assert found["colour"].shape == (3, 16, 16, 3) and found["colour"].min() >= 0 and found["colour"].max() <= 255
    assert np.allclose(found["picture"], mask * given["picture"] + (1 - mask) * found["colour"], atol=1e-2)


def test_attention_of_one_keeps_the_picture(small):
    """With a head that sees nothing the mask is one half everywhere; the answer lies half-way between picture and colour."""
    model = ganimation.generator(**SMALL)
    model.get_layer("attention").kernel.assign(np.zeros(model.get_layer("attention").kernel.shape))
    given = inputs()
    found = answered(model, given)
    assert np.allclose(found["attention"], 0.5)
    assert np.allclose(found["picture"], (given["picture"] + found["colour"]) / 2, atol=1e-2)


def test_the_answer_depends_on_units_and_on_each_picture_alone(small):
    given = inputs(4)
    whole, alone = answered(small, given), answered(small, {name: values[2:3] for name, values in given.items()})
    assert np.allclose(whole["picture"][2:3], alone["picture"], atol=1e-2)  # normalised picture by picture, not over the batch
    other = answered(small, {**given, "units": 5 - given["units"]})
    assert np.abs(other["picture"] - whole["picture"]).max() > 1


def test_the_normalisation_is_each_channels_own_mean_and_deviation():
    """Compared with numpy: over the pixels of one picture and one channel."""
    import keras

    layer = keras.layers.GroupNormalization(groups=-1, epsilon=ganimation.EPSILON)
    values = RNG.normal(3, 2, (2, 6, 6, 4)).astype("float32")
    expected = (values - values.mean((1, 2), keepdims=True)) / np.sqrt(values.var((1, 2), keepdims=True) + ganimation.EPSILON)
    assert np.allclose(np.asarray(layer(values)), expected, atol=1e-4)


def test_the_critic_judges_patches_and_sees_units_of_each_picture_alone():
    critic = ganimation.critic(32, 4, 3, 5, deviation=None)
    pictures = inputs(3, 32)["picture"]
    found, alone = answered(critic, pictures), answered(critic, pictures[1:2])
    assert found["realness"].shape == (3, 4, 4, 1) and found["units"].shape == (3, 5)
    assert all(np.allclose(found[name][1:2], alone[name], atol=1e-3) for name in found)


def test_fresh_weights_are_normal_with_the_published_deviation_and_depend_on_the_seed_alone():
    import keras

    keras.utils.set_random_seed(1)
    one = ganimation.critic(32, 32, 3, 17)
    keras.utils.set_random_seed(2)
    two, other = ganimation.critic(32, 32, 3, 17), ganimation.critic(32, 32, 3, 17, seed=9)
    kernel = np.asarray(one.get_layer("half_3").kernel)
    assert kernel.std() == pytest.approx(0.02, rel=0.02) and abs(kernel.mean()) < 0.001
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))
    assert not np.array_equal(kernel, np.asarray(other.get_layer("half_3").kernel))


def test_saturation_follows_its_formula_and_keeps_the_middle():
    masks = np.linspace(0, 1, 11)
    expected = np.clip(0.55 * np.tanh(3 * (masks - 0.5)) + 0.5, 0, 1)
    assert np.allclose(np.asarray(ganimation.saturated(masks.astype("float32"))), expected, atol=1e-6)
    assert np.asarray(ganimation.saturated(np.float32([0.0, 0.5, 1.0]))) == pytest.approx([0, 0.5, 1], abs=0.003)


@pytest.mark.parametrize("wrong", [{"side": 30}, {"side": 8}, {"width": 0}, {"units": 0}, {"blocks": -1}, {"kernel": 4}, {"kernel": 0}])
def test_a_generator_that_cannot_be_built_is_refused(wrong):
    with pytest.raises(ParameterError, match="generator; expected"):
        ganimation.generator(**{**SMALL, **wrong})


@pytest.mark.parametrize("wrong", [{"side": 100}, {"layers": 0}, {"layers": 9}, {"width": 0}, {"units": 0}])
def test_a_critic_that_cannot_be_built_is_refused(wrong):
    with pytest.raises(ParameterError, match="critic; expected"):
        ganimation.critic(**{"side": 64, "layers": 4, **wrong})
