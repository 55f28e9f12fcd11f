"""The three pairs have the layers the study names, DCGAN the published numbers of parameters, and what cannot be built is refused."""

import numpy as np
import pytest

from lib.compendium.errors import ParameterError
from lib.networks import gans

RNG = np.random.default_rng(3)


def trained_parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def kinds_of(model, *names):
    return [type(layer).__name__ for layer in model.layers if type(layer).__name__ in names]


def test_dcgan_of_the_published_size_has_exactly_the_parameters_of_its_code():
    """Counted by hand from the code: 5 × 5 kernels with bias, a scale and a shift for each channel of a normalisation."""
    pair = gans.pair("dcgan")
    up = [(512, 256), (256, 128), (128, 64)]
    generator = 100 * 8192 + 8192 + 2 * 512 + sum(25 * a * b + b + 2 * b for a, b in up) + 25 * 64 * 3 + 3
    down = [(64, 128), (128, 256), (256, 512)]
    discriminator = 25 * 3 * 64 + 64 + sum(25 * a * b + b + 2 * b for a, b in down) + 8192 + 1
    assert (generator, discriminator) == (5_135_363, 4_316_545)
    assert (trained_parameters(pair.generator), trained_parameters(pair.discriminator)) == (generator, discriminator)


def test_parameters_of_the_other_pairs_follow_their_layers():
    full, other = gans.pair("baseline", 16, 8), gans.pair("complex", 16, 8)
    sizes = [100, 32, 64, 16 * 16 * 3]
    assert trained_parameters(full.generator) == sum(a * b + b for a, b in zip(sizes, sizes[1:], strict=False))
    sizes = [16 * 16 * 3, 64, 32, 1]
    assert trained_parameters(full.discriminator) == sum(a * b + b for a, b in zip(sizes, sizes[1:], strict=False))
    expected = 100 * 128 + 128 + sum(25 * a * b + b for a, b in ((32, 16), (16, 8), (8, 3)))
    assert trained_parameters(other.generator) == expected
    assert trained_parameters(other.discriminator) == 25 * 3 * 8 + 8 + 25 * 8 * 16 + 16 + 4 * 4 * 16 + 1


def test_layers_are_those_the_study_counts():
    """Three fully connected on both sides; one and three deconvolutions against two convolutions, pooled, and one; four against four."""
    told = ("Dense", "Conv2D", "Conv2DTranspose", "MaxPooling2D")
    made = {kind: gans.pair(kind, 16, 4) for kind in gans.KINDS}
    assert [kinds_of(network, *told) for network in made["baseline"]] == [["Dense"] * 3] * 2
    assert kinds_of(made["complex"].generator, *told) == ["Dense", *["Conv2DTranspose"] * 3]
    assert kinds_of(made["complex"].discriminator, *told) == ["Conv2D", "MaxPooling2D"] * 2 + ["Dense"]
    assert kinds_of(made["dcgan"].generator, *told) == ["Dense", *["Conv2DTranspose"] * 4]
    assert kinds_of(made["dcgan"].discriminator, *told) == ["Conv2D"] * 4 + ["Dense"]
    normals = [kinds_of(network, "BatchNormalization") for network in made["dcgan"]]
    assert [len(names) for names in normals] == [4, 3]  # none at the pictures' ends, as coded
    normal = made["dcgan"].generator.get_layer("up_1_norm")
    assert (normal.momentum, normal.epsilon) == (0.9, 1e-5)


@pytest.mark.parametrize("kind", gans.KINDS)
def test_codes_become_pictures_in_range_and_pictures_one_number(kind):
    pair = gans.pair(kind, 32, 3, discriminator_width=5, code=7)
    made = np.asarray(pair.generator(RNG.uniform(-1, 1, (3, 7)).astype("float32"), training=True))
    assert made.shape == (3, 32, 32, 3) and made.min() >= 0 and made.max() <= 255
    said = np.asarray(pair.discriminator(made))
    assert said.shape == (3, 1) and np.isfinite(said).all()


def test_a_discriminator_sees_the_picture_in_minus_one_to_one():
    """Mid-grey is 0 inside: with fresh weights, whose biases are 0, only the last bias is left."""
    said = gans.pair("complex", 16, 4).discriminator(np.full((1, 16, 16, 3), 127.5, "float32"))
    assert np.asarray(said) == pytest.approx(0, abs=1e-5)


def test_fresh_kernels_of_dcgan_have_the_published_deviation_and_depend_on_the_seed_alone():
    import keras

    keras.utils.set_random_seed(1)
    one = gans.pair("dcgan", 32, 16)
    keras.utils.set_random_seed(2)
    two, other = gans.pair("dcgan", 32, 16), gans.pair("dcgan", 32, 16, seed=9)
    kernel = np.asarray(one.generator.get_layer("up_1").kernel)
    assert kernel.std() == pytest.approx(0.02, rel=0.02) and np.abs(kernel).max() > 0.04
    cut = np.asarray(one.discriminator.get_layer("convolution_3").kernel)
    assert np.abs(cut).max() <= 0.04 and cut.std() == pytest.approx(0.0176, rel=0.02)  # truncated at two deviations
    for first, second in zip(one, two, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))
    assert not np.array_equal(kernel, np.asarray(other.generator.get_layer("up_1").kernel))


def test_other_pairs_are_drawn_by_glorots_rule():
    kernel = np.asarray(gans.pair("complex", 32, 16).discriminator.get_layer("convolution_2").kernel)
    limit = np.sqrt(6 / (25 * (16 + 32)))
    assert np.abs(kernel).max() <= limit and kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.03)


@pytest.mark.parametrize("kind, wrong, message", [
    ("dcgam", {}, "dcgam"), ("dcgan", {"side": 40}, "multiple of 16"), ("complex", {"side": 20}, "multiple of 8"),
    ("baseline", {"side": 4}, "at least 8"), ("baseline", {"width": 0}, "at least 1"), ("dcgan", {"kernel": 0}, "at least 1"),
    ("dcgan", {"code": 0}, "at least 1"), ("dcgan", {"discriminator_width": 0}, "at least 1"),
])  # fmt: skip
def test_a_pair_that_cannot_be_built_is_refused(kind, wrong, message):
    with pytest.raises(ParameterError, match=message):
        gans.pair(kind, **wrong)
