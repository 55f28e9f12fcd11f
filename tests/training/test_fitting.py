"""Fitting epoch by epoch: a killed training equals the uninterrupted one; order and rates by formula; damaged checkpoints refused."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.compendium.errors import ParameterError, WeightsError
from lib.training import augmentation, fitting

RNG = np.random.default_rng(11)
X = RNG.normal(size=(50, 6)).astype(np.float32)
Y = (X[:, :1] * 2 - X[:, 1:2] + 0.3).astype(np.float32)


def network(dropout=0.3, width=8, seed=5):
    import keras

    x = keras.Input((6,), name="x")
    hidden = keras.layers.Dense(width, activation="relu", name="hidden")(x)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    hidden = keras.layers.Dropout(dropout, seed=1, name="dropout")(hidden)
    model = keras.Model({"x": x}, {"y": keras.layers.Dense(1, name="y")(hidden)})
    return fitting.compiled(fitting.initialised(model, seed), {"y": "mse"})


def train(folder, epochs, model=None, **others):
    model = model or network()
    return model, fitting.fit(model, {"x": X}, {"y": Y}, epochs, folder, 3, batch=8, rate=fitting.steps(0.05, 2), **others)


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_like_an_uninterrupted_one(tmp_path):
    """Two epochs, then a new process's model, then two more: weights, moments and curves equal those of four in one go."""
    whole, curves = train(tmp_path / "whole", 4)
    train(tmp_path / "parts", 2)
    again, resumed = train(tmp_path / "parts", 4, network(seed=99))
    for a, b in zip(whole.variables + whole.optimizer.variables, again.variables + again.optimizer.variables, strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-6)
    pd.testing.assert_frame_equal(curves.drop(columns="seconds"), resumed.drop(columns="seconds"), atol=1e-6)
    (tmp_path / "parts" / fitting.HISTORY).unlink()
    assert len(train(tmp_path / "parts", 4)[1]) == 4  # nothing left to do: the curves are written again
    assert list(curves["epoch"]) == [1, 2, 3, 4] and list(curves["rate"]) == pytest.approx([0.05, 0.05, 0.005, 0.005])
    assert pd.read_csv(tmp_path / "parts" / fitting.HISTORY)["loss"].to_numpy() == pytest.approx(resumed["loss"].to_numpy())


@pytest.mark.slow
def test_training_does_not_depend_on_the_global_state_of_random_numbers(tmp_path):
    """Whatever was drawn elsewhere before, the same seed trains the same network."""
    import keras

    keras.utils.set_random_seed(1)
    one, _ = train(tmp_path / "one", 1)
    keras.utils.set_random_seed(2)
    np.random.rand(5)
    two, _ = train(tmp_path / "two", 1)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


@pytest.mark.slow
def test_training_learns_and_validation_is_told(tmp_path):
    """The loss falls below a half; validation has its own columns; progress hears every epoch; nothing is left but two files."""
    heard = []
    curves = fitting.fit(network(0.0, 32), {"x": X}, {"y": Y}, 10, tmp_path, 3, batch=5, rate=0.03, validation=({"x": X}, {"y": Y}),
                         progress=lambda *told: heard.append(told))  # fmt: skip
    assert curves["loss"].iloc[-1] < 0.5 * curves["loss"].iloc[0] and curves["val_loss"].iloc[-1] < curves["val_loss"].iloc[0]
    assert heard[0] == (1, 10) and len(heard) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [fitting.CHECKPOINT, fitting.HISTORY]


@pytest.mark.slow
def test_a_training_that_dies_in_the_middle_of_an_epoch_keeps_the_whole_ones(tmp_path):
    """What dies during its third epoch leaves two whole epochs, from which the next one goes on."""

    def draws(epoch, indices):
        if epoch == 2:
            raise OSError("the lights went out")
        return {}

    with pytest.raises(Exception, match="the lights went out"):
        train(tmp_path, 4, draws=draws)
    assert len(pd.read_csv(tmp_path / fitting.HISTORY)) == 2
    assert list(train(tmp_path, 4)[1]["epoch"]) == [1, 2, 3, 4]


def test_every_epoch_shows_every_example_in_its_own_order():
    """An order is a permutation, the same for the same (seed, epoch), another for another."""
    for epoch in range(3):
        assert sorted(fitting.order(20, 1, epoch)) == list(range(20))
        assert np.array_equal(fitting.order(20, 1, epoch), fitting.order(20, 1, epoch))
    assert not np.array_equal(fitting.order(20, 1, 0), fitting.order(20, 1, 1))
    assert not np.array_equal(fitting.order(20, 1, 0), fitting.order(20, 2, 0))


def test_batches_carry_inputs_draws_and_targets_of_the_same_examples():
    """Row by row, a batch's picture, draw and target belong together; a smaller rest is left out; fewer examples are one batch."""
    numbers = np.arange(10, dtype=np.float32)[:, None]
    draws = lambda epoch, indices: {"z": 100 * epoch + np.asarray(indices, np.float32)[:, None]}  # noqa: E731
    examples = fitting.Examples({"x": numbers}, {"y": -numbers}, 4, 0, 2, draws)
    assert len(examples) == 2
    for number in range(2):
        inputs, targets = examples[number]
        assert np.array_equal(inputs["x"], -targets["y"]) and np.array_equal(inputs["z"], 200 + inputs["x"])
    assert len(fitting.Examples({"x": numbers}, {"y": numbers}, 64, 0, 0)) == 1


def test_rates_fall_as_stated():
    """Steps divide by ten every three epochs; the falling rate ends at its last share."""
    assert [fitting.steps(1.0)(epoch) for epoch in (0, 2, 3, 6)] == pytest.approx([1, 1, 0.1, 0.01])
    rate = fitting.falling(1.0, 5, last=0.1)
    assert [rate(0), rate(2), rate(4)] == pytest.approx([1.0, 0.55, 0.1])


def test_kernels_are_drawn_within_glorots_limit():
    """Uniform within sqrt(6 / (in + out)), the same for the same seed; biases stay 0; recurrent kernels are orthogonal squares."""
    import keras

    model = keras.Sequential([keras.Input((4, 6)), keras.layers.GRU(5, name="gru"), keras.layers.Dense(7, name="dense")])
    first = [weight.copy() for weight in fitting.initialised(model, 1).get_weights()]
    again = fitting.initialised(model, 1).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    kernel, bias = model.get_layer("dense").get_weights()
    assert 0.8 * np.sqrt(6 / 12) < np.abs(kernel).max() <= np.sqrt(6 / 12) and not bias.any()
    recurrent = model.get_layer("gru").get_weights()[1]
    for gate in np.split(recurrent, 3, axis=1):
        assert gate @ gate.T == pytest.approx(np.eye(5), abs=1e-5)


def test_arrays_of_different_lengths_are_refused(tmp_path):
    """Ten pictures with nine labels, or no example at all, are refused before anything is trained."""
    with pytest.raises(ParameterError, match=r"'x': 50, 'y': 49"):
        fitting.fit(network(), {"x": X}, {"y": Y[1:]}, 1, tmp_path, 0)
    with pytest.raises(ParameterError, match="one or more examples"):
        fitting.fit(network(), {"x": X[:0]}, {"y": Y[:0]}, 1, tmp_path, 0)


@pytest.mark.slow
def test_checkpoints_of_other_networks_and_damaged_ones_are_refused(tmp_path):
    """A checkpoint of a wider network is refused with both shapes, a cut one with what to do; neither is overwritten."""
    train(tmp_path, 1)
    with pytest.raises(WeightsError, match=r"another network .*received \(6, 8\), expected \(6, 9\)"):
        train(tmp_path, 2, network(width=9))
    file = tmp_path / fitting.CHECKPOINT
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(WeightsError, match="Delete it"):
        train(tmp_path, 2)
    assert file.stat().st_size == 100


@pytest.mark.slow
def test_a_training_that_leaves_the_numbers_stops(tmp_path):
    """Targets of NaN with a plain loss end the training with the epoch and what to do; no checkpoint is written."""
    with pytest.raises(ParameterError, match="nan .*epoch 1.*smaller learning rate"):
        fitting.fit(network(), {"x": X}, {"y": np.full_like(Y, np.nan)}, 2, tmp_path, 0)
    assert not (tmp_path / fitting.CHECKPOINT).exists()


@pytest.mark.slow
def test_a_training_may_be_stopped_by_its_curves(tmp_path):
    """A rule that sees two epochs and says stop ends it there."""
    assert len(train(tmp_path, 9, stop=lambda history: len(history) >= 2)[1]) == 2


@pytest.mark.slow
def test_draws_reach_the_network_in_training(tmp_path):
    """A network trained on changed pictures takes its draws by name."""
    import keras

    inputs, pictures = augmentation.augmented(16, 1)
    x = keras.layers.Dense(1, name="y")(keras.layers.Flatten()(pictures))
    model = fitting.compiled(fitting.initialised(keras.Model(inputs, {"y": x}), 0), {"y": "mse"})
    stack = RNG.integers(0, 256, (12, 16, 16, 1), dtype=np.uint8)
    draws = lambda epoch, indices: augmentation.draw(augmentation.FACES, 16, 7, epoch, indices)  # noqa: E731
    curves = fitting.fit(model, {"picture": stack}, {"y": np.ones((12, 1))}, 2, tmp_path, 7, batch=4, draws=draws)
    assert len(curves) == 2 and np.isfinite(curves["loss"]).all()
    assert json.loads(str(np.load(tmp_path / fitting.CHECKPOINT)["history"]))[1]["epoch"] == 2


@pytest.mark.slow
def test_the_best_epochs_weights_come_back_also_after_a_kill(tmp_path):
    """Rates that spoil the third and fourth epoch: the second is best, training stops two later, and a kill changes nothing of it."""
    rate = lambda epoch: 0.02 if epoch < 2 else 5.0  # noqa: E731
    inputs, targets = {"x": X}, {"y": Y}

    def run(folder, epochs, seed=5):
        model = network(0.0, seed=seed)
        curves = fitting.fit(model, inputs, targets, epochs, folder, 3, batch=8, rate=rate, validation=(inputs, targets), best="val_loss",
                             stop=fitting.patience("val_loss", 2))  # fmt: skip
        return model, curves

    whole, curves = run(tmp_path / "whole", 9)
    run(tmp_path / "parts", 3)
    again, resumed = run(tmp_path / "parts", 9, seed=99)
    best = int(curves["val_loss"].argmin()) + 1
    assert len(curves) == best + 2 < 9
    assert fitting.take_best(whole, tmp_path / "whole") == fitting.take_best(again, tmp_path / "parts") == best
    pd.testing.assert_frame_equal(curves.drop(columns="seconds"), resumed.drop(columns="seconds"), atol=1e-6)
    assert all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(whole.get_weights(), again.get_weights(), strict=True))
    assert whole.evaluate(inputs, targets, verbose=0) == pytest.approx(curves["val_loss"].min(), rel=1e-5)
    (tmp_path / "parts" / fitting.BEST).unlink()
    with pytest.raises(WeightsError, match="train again"):
        fitting.take_best(again, tmp_path / "parts")


def test_patience_counts_from_the_first_smallest_value():
    """Three epochs after the first of two equal minima it is over, not before; a falling curve never is."""
    rule = fitting.patience("val_loss", 3)
    assert not rule(pd.DataFrame({"val_loss": [3, 1, 2, 1]})) and rule(pd.DataFrame({"val_loss": [3, 1, 2, 1, 2]}))
    assert not rule(pd.DataFrame({"val_loss": [9, 8, 7, 6, 5]}))


def test_examples_in_order_are_all_there_once():
    """Ten rows in batches of four are rows 0 to 9 in their order, the last batch smaller; without targets there are inputs alone."""
    numbers = np.arange(10)
    batches = fitting.InOrder({"x": numbers}, {"y": -numbers}, 4)
    got = [batches[number] for number in range(len(batches))]
    assert np.concatenate([inputs["x"] for inputs, _ in got]).tolist() == numbers.tolist()
    assert all(np.array_equal(inputs["x"], -targets["y"]) for inputs, targets in got) and len(got[-1][0]["x"]) == 2
    assert len(fitting.InOrder({"x": numbers}, None, 4)[0]) == 1
