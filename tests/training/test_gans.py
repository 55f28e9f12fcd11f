"""Training the three GANs: losses by the study's formulas, the remedy by hand, a killed training ends like a whole one, failure named."""

import numpy as np
import pandas as pd
import pytest

from lib.compendium.errors import ParameterError, WeightsError
from lib.training import fitting, gans

RNG = np.random.default_rng(11)
SMALL = {"side": 16, "width": 3, "code": 5, "batch": 4, "epochs": 3, "passes": 2, "fixed": 3, "rate": 1e-3, "deviation": 0.1,
         "generator_steps": 2, "augmentation": gans.CHANGES, "averaged": 0.9}  # fmt: skip
WANTED = gans.Settings(**SMALL)
LIGHT = WANTED.model_copy(update={"kind": "baseline", "augmentation": ()})  # built in a moment, where any pair will do
PICTURES = RNG.integers(0, 256, (10, 16, 16, 3)).astype(np.uint8)


class Fixed:
    """A network that answers what it was given beforehand, whatever it is asked."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self, given, training=False):
        import keras

        return keras.ops.convert_to_tensor(np.asarray(self.answers.pop(0), "float32"))


# ---- losses


def test_the_losses_are_the_studys_formulas_of_the_probability():
    """L_D = -E log D(x) - E log(1 - D(x̂)) and L_G = -E log D(x̂), worked out from probabilities."""
    plain = WANTED.model_copy(update={"augmentation": ()})
    real, false = np.array([[2.0], [-1.0], [0.5]]), np.array([[-3.0], [0.2], [-0.1]])
    chance = {name: 1 / (1 + np.exp(-value)) for name, value in {"real": real, "false": false}.items()}
    pair = Fixed(np.zeros((3, 16, 16, 3))), Fixed(real, false)
    loss, parts = gans.discriminator_loss(pair, plain, np.zeros((3, 16, 16, 3), "float32"), np.zeros((3, 5)), np.zeros((2, 3, gans.DRAWS)))
    assert float(loss) == pytest.approx(-np.log(chance["real"]).mean() - np.log(1 - chance["false"]).mean(), rel=1e-5)
    assert float(parts["real_seen"]) == pytest.approx(2 / 3) and float(parts["fooled"]) == pytest.approx(1 / 3)
    pair = Fixed(np.zeros((3, 16, 16, 3))), Fixed(false)
    loss, parts = gans.generator_loss(pair, plain, np.zeros((3, 5)), np.zeros((3, gans.DRAWS)))
    assert float(loss) == float(parts["generator"]) == pytest.approx(-np.log(chance["false"]).mean(), rel=1e-5)


def test_a_step_moves_its_own_network_alone():
    pair, _, steps = gans.assembled(LIGHT)
    shown, codes, draws = next(gans.batches(LIGHT, PICTURES, 0))
    for name, place in (("discriminator", 1), ("generator", 0)):
        before = [[np.array(variable) for variable in network.trainable_variables] for network in pair]
        steps[name](shown, codes[0], draws[:2]) if place else steps[name](codes[1], draws[2])
        same = [all(np.array_equal(a, b) for a, b in zip(old, network.trainable_variables, strict=True))
                for old, network in zip(before, pair, strict=True)]  # fmt: skip
        assert same == [bool(place), not place]


# ---- the remedy


def one_change(picture, kinds, **draws):
    """Return what the remedy makes of one picture with named draws; the others leave it as it is."""
    names = ("brightness", "saturation", "contrast", "down", "across", "hole_down", "hole_across", "chosen")
    values = {"brightness": 0.5, "saturation": 0.5, "contrast": 0.5, "down": 0.5, "across": 0.5, "hole_down": 0, "hole_across": 0,
              "chosen": 0} | draws
    return np.asarray(gans.changed(picture[None], np.array([[values[name] for name in names]], "float32"), kinds))[0]


def test_nothing_asked_changes_nothing_and_middle_draws_neither():
    assert np.allclose(one_change(PICTURES[0], ()), PICTURES[0], atol=1e-3)
    assert np.allclose(one_change(PICTURES[0], ("colour", "translation")), PICTURES[0], atol=1e-3)


def test_translation_moves_whole_pixels_and_fills_with_mid_grey():
    """A 16-pixel picture moves by up to 2: each shift compared with numpy's."""
    for draw, shift in ((0.0, -2), (0.25, -1), (0.75, 1), (1.0, 2)):
        padded = np.pad(PICTURES[1].astype(float), ((2, 2), (2, 2), (0, 0)), constant_values=127.5)
        expected = padded[2 + shift:18 + shift, 2:18]
        assert np.allclose(one_change(PICTURES[1], ("translation",), down=draw), expected, atol=1e-3)
        assert np.allclose(one_change(PICTURES[1], ("translation",), across=draw), padded[2:18, 2 + shift:18 + shift], atol=1e-3)


def test_cutout_leaves_a_grey_hole_of_half_the_side():
    found = one_change(np.zeros((16, 16, 3), np.uint8), ("cutout",), hole_down=0.5, hole_across=0.25)
    expected = np.zeros((16, 16, 3))
    expected[4:12, 0:8] = 127.5
    assert np.allclose(found, expected, atol=1e-3)


def test_colour_changes_brightness_saturation_and_contrast():
    picture = PICTURES[2].astype(float)
    assert np.allclose(one_change(PICTURES[2], ("colour",), brightness=1.0), picture + 0.5 * 127.5, atol=1e-2)
    grey = one_change(PICTURES[2], ("colour",), saturation=0.0)
    assert np.allclose(grey, picture.mean(axis=2, keepdims=True).repeat(3, 2), atol=1e-2)
    assert np.allclose(one_change(PICTURES[2], ("colour",), contrast=0.0), (picture - picture.mean()) / 2 + picture.mean(), atol=1e-2)


def test_only_a_share_of_the_pictures_is_changed():
    draws = RNG.random((10, gans.DRAWS)).astype("float32")
    draws[:, 2] = 0.9  # contrast: every changed picture shows it
    found = np.asarray(gans.changed(PICTURES, draws, ("colour",), 0.4))
    same = np.array([np.allclose(a, b, atol=1e-3) for a, b in zip(found, PICTURES, strict=True)])
    assert np.array_equal(same, draws[:, 7] >= 0.4) and 0 < same.sum() < 10


def test_gradients_pass_through_the_remedy():
    """The slope of the mean of changed pixels with respect to a picture: contrast and translation scale and drop, never stop it."""
    import keras

    from lib.training.ganimation import input_gradient

    draws = RNG.random((2, gans.DRAWS)).astype("float32")
    start = keras.ops.convert_to_tensor(PICTURES[:2].astype("float32"))
    slopes = np.asarray(input_gradient(lambda x: keras.ops.sum(gans.changed(x, draws)), start))
    assert np.isfinite(slopes).all() and (np.abs(slopes).sum(axis=(1, 2, 3)) > 1).all()


# ---- draws


def test_an_epochs_batches_are_drawn_from_seed_and_epoch_and_show_every_picture_as_often_as_asked():
    one, again, other = (list(gans.batches(WANTED, PICTURES, epoch)) for epoch in (2, 2, 3))
    assert len(one) == 5  # twice ten pictures in fours
    assert all(np.array_equal(a, b) for first, second in zip(one, again, strict=True) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(one[0][1], other[0][1])
    shown = np.concatenate([batch[0] for batch in one])
    counts = [sum(np.array_equal(x, face) or np.array_equal(x, face[:, ::-1]) for x in shown) for face in PICTURES]
    assert counts == [2] * 10
    for _, codes, draws in one:
        assert codes.shape == (3, 4, 5) and draws.shape == (4, 4, gans.DRAWS)
        assert np.abs(codes).max() <= 1 and codes.min() < 0 and draws.min() >= 0 and draws.max() <= 1


def test_codes_are_of_the_seed_alone_and_the_first_do_not_depend_on_how_many():
    assert np.array_equal(gans.codes_of(3, 5), gans.codes_of(8, 5)[:3])
    assert not np.array_equal(gans.codes_of(3, 5), gans.codes_of(3, 6))


def test_learning_rates_are_constant_as_published_or_fall_to_a_part():
    published = gans.Settings()
    assert all(gans.rates(published, epoch) == pytest.approx((2e-4, 2e-4)) for epoch in (0, 10, 24))
    falling = gans.Settings(rate=1e-3, discriminator_rate=2e-3, last=0.1, epochs=5)
    assert gans.rates(falling, 0) == pytest.approx((1e-3, 2e-3)) and gans.rates(falling, 4) == pytest.approx((1e-4, 2e-4))
    assert gans.rates(falling, 2) == pytest.approx((5.5e-4, 1.1e-3))  # half way along half a cosine


# ---- training


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return gans.train(PICTURES, folder, WANTED), folder


def test_a_killed_training_ends_like_an_uninterrupted_one(whole, tmp_path):
    """Killed after its first epoch, by an interrupt, then called again: weights, curves and samples are those of one go."""

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gans.train(PICTURES, tmp_path, WANTED, progress=interrupt)
    resumed = gans.train(PICTURES, tmp_path, WANTED)
    for one, other in zip(whole[0][:2], resumed[:2], strict=True):
        assert all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
    same = {"check_exact": False, "atol": 1e-4}
    pd.testing.assert_frame_equal(whole[0].history.drop(columns="seconds"), resumed.history.drop(columns="seconds"), **same)
    assert list(resumed.samples) == [0, 1, 2, 3]
    assert all(np.abs(whole[0].samples[n].astype(int) - resumed.samples[n]).max() <= 1 for n in resumed.samples)


def test_curves_and_samples_are_whole_and_kept_beside_the_checkpoint(whole):
    trained, folder = whole
    assert tuple(trained.history.columns) == gans.COLUMNS and list(trained.history["epoch"]) == [1, 2, 3]
    assert trained.history[["real_seen", "fooled"]].stack().between(0, 1).all()
    assert all(pictures.shape == (3, 16, 16, 3) and pictures.dtype == np.uint8 for pictures in trained.samples.values())
    assert len(pd.read_csv(folder / fitting.HISTORY)) == 3
    again = gans.train(PICTURES, folder, WANTED)  # nothing left to do: what was kept is read
    assert np.array_equal(gans.sampled(again.generator, gans.fixed_codes(WANTED)), trained.samples[3])


def test_the_averaged_generator_is_the_running_mean_of_the_last(tmp_path):
    """One step from fresh weights: decay (1 + 0) / (10 + 0) of the old and the rest of the new; without averaging it is the last."""
    wanted = LIGHT.model_copy(update={"epochs": 1, "passes": 1, "batch": 10, "generator_steps": 1})
    trained = gans.train(PICTURES, tmp_path / "mean", wanted)
    last = gans.train(PICTURES, tmp_path / "last", wanted.model_copy(update={"averaged": 0.0}))
    fresh = gans.assembled(wanted)[0].generator.get_weights()
    for start, mean, end in zip(fresh, trained.generator.get_weights(), last.generator.get_weights(), strict=True):
        assert np.allclose(mean, 0.1 * start + 0.9 * end, atol=1e-6)


def test_a_checkpoint_of_other_networks_is_refused(whole, tmp_path):
    (tmp_path / fitting.CHECKPOINT).write_bytes((whole[1] / fitting.CHECKPOINT).read_bytes())
    with pytest.raises(WeightsError, match="belongs to another network"):
        gans.train(PICTURES, tmp_path, {**SMALL, "width": 4})


def test_a_training_that_becomes_nan_stops_and_is_named(tmp_path):
    with pytest.raises(gans.Diverged, match="Baseline.*became (nan|inf).*learning rate"):
        gans.train(PICTURES, tmp_path, LIGHT.model_copy(update={"rate": 1e30}))
    assert not (tmp_path / fitting.CHECKPOINT).exists()


# ---- failure is named


def test_the_discriminator_wins_where_it_sees_the_real_and_is_not_fooled():
    row = {"real_seen": 0.95, "fooled": 0.05, "variety": 0.5}
    assert gans.verdict(row) == gans.WON
    assert gans.verdict({**row, "fooled": 0.3}) == gans.verdict({**row, "real_seen": 0.6}) == ""
    assert gans.verdict({**row, "variety": 0.001}) == gans.ONE_FOR_ALL


def test_a_discriminator_far_ahead_wins_in_training(tmp_path):
    """Planted: a generator that hardly learns against a discriminator that does, pictures that are easy to tell."""
    bright = np.clip(PICTURES.astype(int) // 8 + 220, 0, 255).astype(np.uint8)
    wanted = {"width": 8, "rate": 1e-9, "discriminator_rate": 1e-2, "deviation": None, "epochs": 6}
    trained = gans.train(bright, tmp_path, LIGHT.model_copy(update=wanted))
    assert trained.history["verdict"].iloc[-1] == gans.WON and trained.history["fooled"].iloc[-1] <= gans.HELPLESS


def test_variety_is_zero_for_one_picture_and_one_for_the_pictures_themselves():
    assert gans.variety(PICTURES[:1].repeat(4, 0), PICTURES) == 0
    assert gans.variety(PICTURES, PICTURES) == pytest.approx(1)


# ---- bad input


@pytest.mark.parametrize("pictures, message", [
    (PICTURES[:, :8], r"uint8 \(n, 16, 16, 3\)"), (PICTURES.astype(float), "of type float64"), (PICTURES[:1], "at least two"),
    (PICTURES[:1].repeat(5, 0), "all the same"), (PICTURES[..., 0], r"\(10, 16, 16\)"),
])  # fmt: skip
def test_pictures_that_do_not_fit_are_refused_before_anything_is_written(pictures, message, tmp_path):
    with pytest.raises(ParameterError, match=message):
        gans.train(pictures, tmp_path / "none", WANTED)
    assert not (tmp_path / "none").exists()


def test_codes_of_another_length_are_refused(whole):
    with pytest.raises(ParameterError, match=r"\(n, 5\)"):
        gans.sampled(whole[0].generator, np.zeros((2, 6)))


@pytest.mark.parametrize("wrong", [{"kind": "stylegan"}, {"batch": 1}, {"augmentation": ("blur",)}, {"averaged": 1.0}, {"lenght": 3}])
def test_unknown_or_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        gans.Settings(**wrong)


def test_the_settings_are_those_of_the_code_the_study_names():
    s = gans.Settings()
    assert (s.kind, s.side, s.width, s.kernel, s.code, s.epochs, s.batch) == ("dcgan", 64, 64, 5, 100, 25, 64)
    assert (s.rate, s.beta_1, s.generator_steps, s.augmentation, s.averaged, s.last) == (2e-4, 0.5, 2, (), 0, 1)
