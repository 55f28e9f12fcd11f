"""Training GANimation: losses by their formulas, the schedule as coded, a killed training ends like a whole one, collapse is named."""

import numpy as np
import pandas as pd
import pytest

from lib.compendium.errors import ParameterError, WeightsError
from lib.training import fitting, ganimation
from lib.training.faces import UNIT_COLUMNS

RNG = np.random.default_rng(7)
SMALL = {"side": 16, "width": 4, "blocks": 1, "kernel": 3, "critic_width": 4, "critic_layers": 2, "deviation": None, "batch": 4,
         "rate": 1e-3, "critic_steps": 2, "epochs": 2, "constant": 1}  # fmt: skip
WANTED = ganimation.Settings(**SMALL)
PICTURES = RNG.integers(0, 256, (10, 16, 16, 3)).astype(np.uint8)
UNITS = RNG.uniform(0, 5, (10, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    return ganimation.assembled(WANTED, 3)[0]


def one_batch():
    """Return the first batch as tensors float32: pictures, units, desired units, mix, moved, grain, mixed."""
    import keras

    return [keras.ops.convert_to_tensor(part, "float32") for part in next(ganimation.batches(WANTED, PICTURES, UNITS, 0))]


def signed(values):
    return np.asarray(values, float) / 127.5 - 1


# ---- losses


def test_the_critics_loss_is_the_distance_of_real_and_fake_and_the_units_error(pair):
    """Each number worked out in numpy from what the two networks answer; the units' error is divided by the batch once more."""
    shown, units, desired, *_ = one_batch()
    fake = np.asarray(pair[0]({"picture": shown, "units": desired})["picture"])
    real_said, fake_said = ({name: np.asarray(value) for name, value in pair[1](x).items()} for x in (shown, fake))
    total, parts = ganimation.critic_loss(pair, WANTED, shown, units, desired)
    distance = -real_said["realness"].mean() + fake_said["realness"].mean()
    error = 4000 * np.mean((real_said["units"] / 5 - units / 5) ** 2) / 4
    assert float(parts["critic"]) == pytest.approx(distance, abs=1e-5)
    assert float(parts["critic_units"]) == pytest.approx(error, rel=1e-4)
    assert float(total) == pytest.approx(distance + error, rel=1e-4)
    assert np.allclose(parts["fake"], fake, atol=1e-2)


def test_the_generators_loss_has_its_five_parts_at_their_weights(pair):
    import keras

    shown, units, desired, *_ = one_batch()
    there = {name: np.asarray(value) for name, value in pair[0]({"picture": shown, "units": desired}).items()}
    back = {name: np.asarray(value) for name, value in pair[0](
        {"picture": keras.ops.convert_to_tensor(there["picture"]), "units": units}).items()}  # fmt: skip
    said = {name: np.asarray(value) for name, value in pair[1](there["picture"]).items()}
    masks = [there["attention"].astype(float), back["attention"].astype(float)]
    rough = sum(np.abs(np.diff(mask, axis=1)).sum() + np.abs(np.diff(mask, axis=2)).sum() for mask in masks)
    expected = {"generator": -said["realness"].mean(), "generator_units": 4000 * np.mean((said["units"] - desired) ** 2) / 25 / 4,
                "cycle": 10 * np.abs(signed(back["picture"]) - signed(shown)).mean(),
                "attention": 0.1 * sum(mask.mean() for mask in masks), "smooth": 1e-5 * rough}  # fmt: skip
    total, parts = ganimation.generator_loss(pair, WANTED, shown, units, desired)
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(expected, rel=1e-3)
    assert float(total) == pytest.approx(sum(expected.values()), rel=1e-3)


def test_the_penalty_is_of_the_slope_with_respect_to_pictures_in_minus_one_to_one():
    """A critic that sums pixels in -1 to 1 with known weights has the length of those weights as its slope everywhere."""
    import keras

    weights = RNG.normal(0, 0.1, (4, 4, 3)).astype("float32")
    picture = keras.Input((4, 4, 3))
    value = keras.ops.sum((picture / 127.5 - 1) * weights, axis=(1, 2, 3), keepdims=True)
    linear = keras.Model(picture, {"realness": value})
    real, fake = (RNG.uniform(0, 255, (5, 4, 4, 3)).astype("float32") for _ in range(2))
    mix = RNG.random((5, 1, 1, 1)).astype("float32")
    loss, parts = ganimation.penalty_loss((None, linear), WANTED, *map(keras.ops.convert_to_tensor, (real, fake, mix)))
    assert float(loss) == float(parts["penalty"]) == pytest.approx(10 * (np.linalg.norm(weights) - 1) ** 2, rel=1e-4)


def test_the_slope_is_that_of_finite_differences(pair):
    import keras

    point = RNG.uniform(0, 255, (1, 16, 16, 3)).astype("float32")
    found = np.asarray(ganimation.input_gradient(lambda x: keras.ops.sum(pair[1](x)["realness"]), keras.ops.convert_to_tensor(point)))
    toward = np.sign(found)  # the direction in which it changes most, so that float32 can tell
    ends = [float(np.sum(pair[1](point + step * toward)["realness"])) for step in (0.5, -0.5)]
    assert ends[0] - ends[1] == pytest.approx(np.abs(found).sum(), rel=0.05)


def test_roughness_of_a_mask_is_the_sum_over_neighbours():
    mask = np.zeros((2, 3, 4, 1), "float32")
    mask[1, 1, 2] = 1  # an inner pixel differs from its four neighbours
    mask[0, 0, 0] = 0.5  # a corner from two
    assert float(ganimation.roughness(mask)) == pytest.approx(4 * 1 + 2 * 0.5)
    assert float(ganimation.roughness(np.ones((2, 3, 4, 1), "float32"))) == 0


LOOKING = WANTED.model_copy(update={"shift": 3, "grain": 0.2, "tint": 0.3})


def test_what_the_critic_is_shown_is_moved_tinted_and_grained_and_by_default_left_alone():
    """Against numpy: edges go on beyond, colours are mixed about grey, noise of pictures in -1 to 1 is added."""
    shown = RNG.uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    grain, mixed = RNG.normal(0, 1, shown.shape).astype("float32"), RNG.normal(0, 1, (2, 3, 3)).astype("float32")
    look = (np.float32([2, -3]), grain, mixed)
    rows, columns = np.clip(np.arange(16) + 2, 0, 15), np.clip(np.arange(16) - 3, 0, 15)
    expected = np.einsum("nhwc,ncd->nhwd", shown[:, rows][:, :, columns] / 127.5 - 1, mixed) + 0.2 * grain
    assert np.allclose(np.asarray(ganimation.shown(LOOKING, shown, *look)) / 127.5 - 1, expected, atol=1e-4)
    assert ganimation.shown(WANTED, shown, *look) is shown and ganimation.shown(LOOKING, shown) is shown


def test_the_noise_has_every_octave_and_a_seed():
    """At its own nodes each octave has deviation 1; interpolated it has less, and whole fields are not white."""
    one, again = (ganimation.noise(np.random.default_rng(3), 30, LOOKING) for _ in range(2))
    assert np.array_equal(one, again) and one.shape == (30, 16, 16, 3) and abs(one.mean()) < 0.5
    assert 1.2 < one.std() < np.sqrt(5) + 0.1
    neighbours = np.corrcoef(one[:, :, 1:].ravel(), one[:, :, :-1].ravel())[0, 1]
    assert 0.2 < neighbours < 0.9
    assert not ganimation.noise(np.random.default_rng(3), 30, WANTED).any()


def test_reading_is_of_real_pictures_alone_and_doubt_adds_the_error_of_fakes_read_as_their_sources(pair):
    shown, units, desired, _, *look = one_batch()
    read, fake = (np.asarray(pair[1](x)["units"]) for x in (shown, pair[0]({"picture": shown, "units": desired})["picture"]))
    real_error, fake_error = (4000 * np.mean((said / 5 - np.asarray(units) / 5) ** 2) / 4 for said in (read, fake))
    assert float(ganimation.reading_loss(pair, WANTED, shown, units, *look)[0]) == pytest.approx(real_error, rel=1e-4)
    plain, doubting = (float(ganimation.critic_loss(pair, wanted, shown, units, desired)[0])
                       for wanted in (WANTED, WANTED.model_copy(update={"doubt": 0.3})))  # fmt: skip
    assert doubting - plain == pytest.approx(0.3 * fake_error, rel=1e-3)


# ---- schedule and draws


def test_the_learning_rate_is_constant_and_then_falls_to_nothing_after_the_last_epoch():
    published = ganimation.Settings()
    rates = [ganimation.rate_of(published, epoch) for epoch in range(31)]
    assert rates[:21] == [1e-4] * 21 and rates[29] == pytest.approx(1e-5) and rates[30] == pytest.approx(0)
    later = ganimation.Settings(critic_first=4)
    assert [ganimation.rate_of(later, epoch + 4) for epoch in range(31)] == rates


def test_the_settings_are_the_published_ones():
    s = ganimation.Settings()
    assert (s.real, s.units, s.cycle, s.attention, s.smooth, s.penalty) == (1, 4000, 10, 0.1, 1e-5, 10)
    assert (s.epochs, s.constant, s.critic_first, s.batch, s.critic_steps) == (30, 20, 0, 25, 5)
    assert (s.rate, s.beta_1, s.beta_2) == (1e-4, 0.5, 0.999)
    ganimation.Settings(**ganimation.DEMO)


def test_an_epochs_batches_are_drawn_from_seed_and_epoch_and_show_every_face_once():
    one, again = (list(ganimation.batches(WANTED, PICTURES, UNITS, 3)) for _ in range(2))
    assert all(np.array_equal(a, b) for first, second in zip(one, again, strict=True) for a, b in zip(first, second, strict=True))
    other = list(ganimation.batches(WANTED, PICTURES, UNITS, 4))
    assert not np.array_equal(one[0][2], other[0][2])
    rows = np.concatenate([batch[1] for batch in one])
    assert len(one) == 2 and len(np.unique(rows, axis=0)) == 8  # the smaller last batch is left out
    for shown, units, desired, mix, *_ in one:
        place = [int(np.abs(UNITS - row).sum(axis=1).argmin()) for row in units]
        assert all(np.array_equal(x, PICTURES[n]) or np.array_equal(x, PICTURES[n][:, ::-1]) for x, n in zip(shown, place, strict=True))
        nearest = np.abs(desired[:, None] - UNITS[None]).max(axis=2).min(axis=1)
        assert (nearest <= 0.5).all() and mix.shape == (4, 1, 1, 1)


def test_the_generator_learns_once_in_so_many_steps_of_the_critic(monkeypatch):
    """Counted over epochs of two batches each: with five critic steps, the generator's turns are the 5th and the 10th batch."""
    wanted = WANTED.model_copy(update={"critic_steps": 5, "critic_first": 0})
    turns = []
    steps = {"critic": lambda *a: {"critic": 0.0, "critic_units": 0.0, "fake": 0.0}, "penalty": lambda *a: {"penalty": 0.0},
             "generator": lambda *a: turns.append(1) or {"generator": 0.0}}  # fmt: skip
    monkeypatch.setattr(ganimation, "watched", lambda *a: dict.fromkeys(("kept", "changed", "moved", "variety"), 1.0))
    counts = []
    for epoch in range(5):
        ganimation._epoch((None, None), (), steps, wanted, PICTURES, UNITS, epoch)
        counts.append(len(turns))
    assert counts == [0, 0, 1, 1, 2]


def test_the_critics_own_epochs_only_read(monkeypatch):
    """Neither the generator nor the critic's answer real or not is asked for before `critic_first` epochs are over."""
    turns = []
    steps = {name: lambda *a, name=name: turns.append(name) or {"critic_units": 1.0, "fake": 0.0} for name in
             ("reading", "critic", "penalty", "generator")}  # fmt: skip
    monkeypatch.setattr(ganimation, "watched", lambda *a: dict.fromkeys(("kept", "changed", "moved", "variety"), 1.0))
    wanted = WANTED.model_copy(update={"critic_first": 1, "critic_steps": 1})
    row = ganimation._epoch((None, None), (), steps, wanted, PICTURES, UNITS, 0)
    assert turns == ["reading"] * 2 and np.isnan(row["critic"]) and row["critic_units"] == 1
    steps["critic"] = lambda *a: {"critic": 1.0, "fake": 0.0}
    ganimation._epoch((None, None), (), steps, wanted, PICTURES, UNITS, 1)
    assert turns[2:] == ["penalty", "generator"] * 2


def test_the_running_mean_of_weights_follows_its_formula():
    """After k equal steps from 0 toward 1 the mean is 1 - share^k."""

    class Still:
        weights = (np.ones(3, np.float32), np.ones((2, 2), np.float32))

    means = [np.zeros_like(weight) for weight in Still.weights]
    for _ in range(5):
        ganimation._averaged(means, Still, 0.9)
    assert all(np.allclose(mean, 1 - 0.9**5) for mean in means)


@pytest.mark.slow
def test_the_mean_of_weights_is_what_is_returned_kept_and_gone_on_with(tmp_path):
    """A share of nearly 1 leaves the generator as it was drawn, though it was trained; a killed training ends the same."""
    wanted = WANTED.model_copy(update={"average": 0.999999, "clip": 1.0})

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ganimation.train(PICTURES, UNITS, tmp_path, wanted, interrupt)
    ended = ganimation.train(PICTURES, UNITS, tmp_path, wanted).generator.get_weights()
    fresh = ganimation.assembled(wanted, 3)[0][0].get_weights()
    assert all(np.allclose(one, other, atol=1e-4) for one, other in zip(ended, fresh, strict=True))
    again = ganimation.read(tmp_path, wanted, 3).generator.get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(ended, again, strict=True))
    with np.load(tmp_path / fitting.CHECKPOINT) as kept:
        assert not np.allclose(kept["generator/0000"], kept["steady/0000"], atol=1e-4)


# ---- training


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return ganimation.train(PICTURES, UNITS, folder, WANTED), folder


@pytest.mark.slow
def test_a_killed_training_ends_like_an_uninterrupted_one(whole, tmp_path, monkeypatch):
    """Killed after its first epoch, by an interrupt, then called again: weights and curves are those of two epochs in one go."""

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ganimation.train(PICTURES, UNITS, tmp_path, WANTED, progress=interrupt)
    resumed = ganimation.train(PICTURES, UNITS, tmp_path, WANTED)
    for one, other in zip(whole[0][:2], resumed[:2], strict=True):
        assert all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
    same = {"check_exact": False, "atol": 1e-4}
    pd.testing.assert_frame_equal(whole[0].history.drop(columns="seconds"), resumed.history.drop(columns="seconds"), **same)


@pytest.mark.slow
def test_the_learning_curves_are_whole_and_kept_beside_the_checkpoint(whole):
    trained, folder = whole
    assert tuple(trained.history.columns) == ganimation.COLUMNS and list(trained.history["epoch"]) == [1, 2]
    assert np.isfinite(trained.history.to_numpy(float)).all() and (trained.history["variety"] > ganimation.CONSTANT).all()
    assert len(pd.read_csv(folder / fitting.HISTORY)) == 2 and (folder / fitting.CHECKPOINT).exists()


@pytest.mark.slow
def test_a_checkpoint_of_other_networks_is_refused(whole, tmp_path):
    (tmp_path / fitting.CHECKPOINT).write_bytes((whole[1] / fitting.CHECKPOINT).read_bytes())
    with pytest.raises(WeightsError, match="belongs to another network"):
        ganimation.train(PICTURES, UNITS, tmp_path, {**SMALL, "width": 5})


@pytest.mark.slow
def test_the_penalty_step_moves_the_critic_alone(whole):
    pair, _, steps = ganimation.assembled(WANTED, 3)
    before = [network.get_weights() for network in pair]
    shown, _, _, mix, *_ = one_batch()
    steps["penalty"](shown, shown[::-1], mix)
    same = [all(np.array_equal(a, b) for a, b in zip(old, network.get_weights(), strict=True))
            for old, network in zip(before, pair, strict=True)]  # fmt: skip
    assert same == [True, False]


@pytest.mark.slow
def test_a_training_that_becomes_nan_stops_is_named_and_keeps_the_last_good_epoch(tmp_path):
    with pytest.raises(ganimation.Diverged, match="became (nan|inf).*learning rate"):
        ganimation.train(PICTURES, UNITS, tmp_path, {**SMALL, "rate": 1e12})
    one = ganimation.train(PICTURES, UNITS, tmp_path / "good", {**SMALL, "epochs": 1})
    assert len(one.history) == 1 and (tmp_path / "good" / fitting.CHECKPOINT).exists()


def test_one_picture_for_all_is_named():
    row = dict.fromkeys(ganimation.COLUMNS, 1.0) | {"epoch": 3}
    ganimation.check_going(row)
    with pytest.raises(ganimation.Diverged, match="same picture for all in epoch 3"):
        ganimation.check_going({**row, "variety": 0.001})
    before = row | dict.fromkeys(("generator", "generator_units", "cycle", "attention", "smooth"), np.nan)
    ganimation.check_going(before)  # the critic's own epochs: the generator has not learned yet


def test_a_critic_that_explodes_without_nan_is_named():
    """Reading units a thousand times as badly as at first stops the training; ten times, which noise may do, does not."""
    first = dict.fromkeys(ganimation.COLUMNS, 1.0) | {"epoch": 1}
    ganimation.check_going({**first, "epoch": 2, "critic_units": 10.0}, first)
    with pytest.raises(ganimation.Diverged, match="1000 times as badly in epoch 2.*clip"):
        ganimation.check_going({**first, "epoch": 2, "critic_units": 1000.0}, first)


def test_any_loss_that_is_no_number_is_named_with_what_to_do():
    with pytest.raises(ganimation.Diverged, match=r"nan \(cycle\) in epoch 5 at learning rate 0.1.*smaller `rate`"):
        ganimation._check_numbers({"critic": 1.0, "cycle": np.nan}, 4, 0.1)
    ganimation._check_numbers({"critic": 1.0}, 4, 0.1)


def test_a_constant_generator_has_no_variety_and_an_unmoved_one_moves_nothing(pair):
    import keras

    picture, units = keras.Input((16, 16, 3), name="picture"), keras.Input((3,), name="units")
    grey = keras.Model({"picture": picture, "units": units}, {"picture": picture * 0 + 90.0, "attention": picture[..., :1] * 0})
    found = ganimation.watched(grey, PICTURES, UNITS)
    assert found["variety"] == 0 and found["moved"] == 0 and found["kept"] == 0
    assert found["changed"] == pytest.approx(np.abs(PICTURES - 90.0).mean() / 255, rel=1e-4)
    still = keras.Model({"picture": picture, "units": units}, {"picture": picture * 1.0, "attention": picture[..., :1] * 0 + 1})
    assert ganimation.watched(still, PICTURES, UNITS) == pytest.approx({"kept": 1, "changed": 0, "moved": 0, "variety": 1}, abs=1e-5)


# ---- bad input


@pytest.mark.parametrize("pictures, units, message", [
    (PICTURES, UNITS[:9], "10 pictures and 9 rows"),
    (PICTURES[:1], UNITS[:1], "at least two"),
    (PICTURES[:, :8], UNITS, r"expected uint8 \(n, 16, 16, 3\)"),
    (PICTURES.astype(float), UNITS, "expected uint8"),
    (PICTURES, UNITS + 1, "outside 0 to 5"),
    (PICTURES, UNITS - 4, "outside 0 to 5"),
    (PICTURES, np.where(UNITS > 4, np.nan, UNITS), "outside 0 to 5, the first nan"),
    (PICTURES, UNITS[:, 0], "expected \\(n, units\\)"),
])  # fmt: skip
def test_faces_that_do_not_fit_are_refused_before_anything_is_built(pictures, units, message, tmp_path):
    with pytest.raises(ParameterError, match=message):
        ganimation.train(pictures, units, tmp_path / "none", WANTED)
    assert not (tmp_path / "none").exists()


def test_a_table_gives_its_units_in_order_and_one_without_them_is_refused():
    table = pd.DataFrame(RNG.uniform(0, 5, (4, len(UNIT_COLUMNS))), columns=UNIT_COLUMNS)
    shuffled = table[list(reversed(UNIT_COLUMNS))].assign(expression="happy")
    assert np.allclose(ganimation.check_units(shuffled), table)
    with pytest.raises(ParameterError, match="without AU12"):
        ganimation.check_units(table.drop(columns="AU12"))


def test_unknown_or_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="lenght"):
        ganimation.Settings(lenght=3)
    with pytest.raises(ValueError, match="batch"):
        ganimation.Settings(batch=0)
