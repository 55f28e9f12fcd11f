"""The regime: losses by closed form and against Keras, phases, memory said beforehand, devices, what a network sees."""

import numpy as np
import pytest

from lib.compendium.errors import ParameterError
from lib.faces.detectors import silent
from lib.networks import backbones
from lib.training import augmentation, mixing, regime
from lib.training.parameters import TrainingParameters

with silent():
    import keras

RNG = np.random.default_rng(8)
TRUTH = (RNG.random((20, 7)) < 0.4).astype(np.float32)
SAID = RNG.uniform(0.02, 0.98, (20, 7)).astype(np.float32)
SMALL = {"backbone": "custom", "side": 32, "width": 0.125, "hidden": 8, "weights": "none", "batch": 8, "epochs": 3, "rate": 0.01}


def value(loss):
    return float(np.mean(loss(TRUTH, SAID)))


def test_the_studys_loss_is_the_mean_of_seven_binary_cross_entropies():
    """By hand: -(t log p + (1 - t) log(1 - p)), averaged over faces and expressions."""
    by_hand = -(TRUTH * np.log(SAID) + (1 - TRUTH) * np.log(1 - SAID)).mean()
    assert value(regime.loss_of(TrainingParameters(), TRUTH)) == pytest.approx(by_hand, rel=1e-5)
    assert value(regime.weighted(np.ones(7, np.float32))) == pytest.approx(by_hand, rel=1e-5)


def test_the_focal_loss_is_keras_own_and_ours_with_weights_of_one():
    """Lin et al.: (1 - p of the truth)^γ times the cross-entropy, by hand and by both."""
    by_hand = -(TRUTH * (1 - SAID) ** 2 * np.log(SAID) + (1 - TRUTH) * SAID**2 * np.log(1 - SAID)).mean()
    assert value(regime.loss_of(TrainingParameters(loss="focal"), TRUTH)) == pytest.approx(by_hand, rel=1e-4)
    assert value(regime.weighted(np.ones(7, np.float32), 2.0)) == pytest.approx(by_hand, rel=1e-4)


def test_class_weights_count_faces_without_over_faces_with():
    """Three of twenty weigh 17/3; the loss of a positive is multiplied by it, that of a negative is not; one in fifty is capped."""
    target = np.ones((20, 7))
    target[3:, 0] = 0
    assert regime.class_weights(target)[:2] == pytest.approx([17 / 3, 0])
    assert regime.class_weights(np.eye(7)[np.r_[np.zeros(60, int), np.arange(7)]])[1] == regime.HEAVIEST
    weights = np.array([3, 1, 1, 1, 1, 1, 1], np.float32)
    truth, said = np.zeros((1, 7), np.float32), np.full((1, 7), 0.5, np.float32)
    negative = float(np.mean(regime.weighted(weights)(truth, said)))
    truth[0, 0] = 1
    assert 7 * float(np.mean(regime.weighted(weights)(truth, said))) == pytest.approx(9 * np.log(2))
    assert negative == pytest.approx(np.log(2))
    with pytest.raises(ParameterError, match="without 'disgust'"):
        regime.class_weights(target * (np.arange(7) != 1))


def test_a_focal_loss_refuses_scores():
    """Soft targets are not what it is made for, and the message says so."""
    with pytest.raises(ParameterError, match="zeros and ones"):
        regime.loss_of(TrainingParameters(loss="focal"), TRUTH * 0.5)


def test_a_graph_without_draws_says_what_the_network_says():
    """With neutral draws the changed, mixed and resized graph equals the bare network; outputs are named."""
    wanted = TrainingParameters(**SMALL | {"augmentation": "faces", "mixup": 0.2, "cutmix": 1.0})
    model = regime.network(wanted)
    pictures = RNG.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    graph = regime.graph(model, wanted)
    assert set(graph.input) == {"picture", augmentation.PLACE, augmentation.LIGHT, mixing.MIX}
    found = graph({"picture": pictures, **regime.undrawn(wanted, 4)})
    assert np.allclose(found[regime.OUTPUT], model(pictures), atol=1e-4)
    larger = np.repeat(np.repeat(pictures, 2, axis=1), 2, axis=2)
    resized = regime.graph(model, TrainingParameters(**SMALL), 64)({"picture": larger}, training=False)
    assert np.allclose(resized[regime.OUTPUT], model(pictures), atol=1e-4)
    assert np.allclose(regime.scores(model, pictures, 3), model(pictures), atol=1e-5) and len(regime.scores(model, pictures[:0])) == 0


def test_draws_depend_on_the_epoch_and_the_picture_alone():
    """A picture's draws are the same in another batch, other in another epoch; none where nothing is changed."""
    draws = regime.draws_of(TrainingParameters(**SMALL | {"augmentation": "faces", "mixup": 0.2}), 3)
    one, other = draws(2, [5, 6, 7]), draws(2, [7])
    assert set(one) == {augmentation.PLACE, augmentation.LIGHT, mixing.MIX}
    assert all(np.array_equal(one[name][2:], other[name]) for name in one) and not np.array_equal(draws(3, [7])["mix"], other["mix"])
    assert regime.draws_of(TrainingParameters(**SMALL), 3) is None


def test_memory_is_said_before_training():
    """Weights and pictures are counted by hand; with too little the message names a batch and a side that fit, and both do."""
    wanted = TrainingParameters(**SMALL | {"batch": 64})
    model = regime.network(wanted)
    fixed, each = regime.memory_needed(model)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert fixed == 4 * (2 * model.count_params() + 3 * trainable)
    assert each > 4 * 1.5 * 32 * 32 * 3 and regime.memory_needed(model, "mixed_bfloat16")[1] == pytest.approx(each / 2, abs=1)
    enough = (fixed + 64 * each) / (1 - regime.RESERVE) + 1
    assert regime.check_memory(model, wanted, int(enough)) == fixed + 64 * each
    with pytest.raises(ParameterError, match=r"batch=31\b") as caught:
        regime.check_memory(model, wanted, int((fixed + 31.5 * each) / (1 - regime.RESERVE)))
    assert "batch=64 takes about" in str(caught.value)
    with pytest.raises(ParameterError, match="a smaller width or backbone"):
        regime.check_memory(model, wanted, fixed)


def test_several_devices_are_asked_for_only_where_keras_has_them():
    """With one device, or not asked, training runs on it, in words; nothing is distributed."""
    assert regime.spread(TrainingParameters()).endswith(keras.backend.backend())
    assert keras.distribution.distribution() is None
    assert keras.backend.backend() in regime.spread(TrainingParameters(all_devices=True)) and keras.distribution.distribution() is None


def faces(count=32):
    """Return pictures whose brightness says one of two expressions, and their target."""
    which = np.arange(count) % 2
    pictures = RNG.integers(0, 60, (count, 32, 32, 3)) + 150 * which[:, None, None, None]
    return pictures.astype(np.uint8), np.eye(7, dtype=np.float32)[np.where(which, 3, 5)]


@pytest.mark.slow
def test_a_frozen_phase_moves_the_head_only_and_its_norms_stay_as_they_are(tmp_path):
    """With frozen epochs alone the trunk's weights and statistics do not move and the head's do; afterwards all is trainable again."""
    wanted = TrainingParameters(**SMALL | {"frozen_epochs": 2, "epochs": 1, "fine_factor": 1e-7})
    model = regime.network(wanted)
    before = {weight.path: np.array(weight) for weight in model.weights}
    curves = regime.trained(model, wanted, faces(), faces(16), tmp_path, 0)
    assert curves["phase"].tolist() == ["frozen", "frozen", "all"] and curves["epoch"].tolist() == [1, 2, 3]
    assert curves["rate"].to_numpy() == pytest.approx([0.01, 0.01, 1e-9])
    moved = {weight.path for weight in model.weights if np.abs(before[weight.path] - weight).max() > 1e-6}
    assert any("hidden" in path for path in moved) and not any("block" in path and "moving" not in path for path in moved)
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.slow
def test_the_best_epoch_of_both_phases_is_kept(tmp_path):
    """A second phase that only spoils leaves the first one's weights."""
    wanted = TrainingParameters(**SMALL | {"frozen_epochs": 3, "epochs": 2, "fine_factor": 1.0})
    model, validating = regime.network(wanted), (faces(16)[0], TRUTH[:16])  # labels nobody can be sure of: the loss stays far from 0
    curves = regime.trained(model, wanted, faces(), validating, tmp_path, 0, rate=lambda epoch: 0.003 if epoch else 0.2)
    assert curves.loc[curves[regime.MEASURE].idxmin(), "phase"] == "frozen"
    said = regime.scores(model, validating[0])
    loss = float(np.mean(keras.losses.BinaryCrossentropy()(validating[1], said)))
    assert loss == pytest.approx(curves[regime.MEASURE].min(), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"precision": "mixed_bfloat16"}, {"precision": "mixed_float16"}, {"mixup": 0.3, "cutmix": 1.0},
                                  {"augmentation": "arriaga", "class_weights": True, "dropout": 0.2}, {"loss": "focal"}])  # fmt: skip
def test_every_change_of_the_regime_still_learns(tmp_path, more):
    """With each of them the loss falls and the two expressions are told apart; answers are float32; no policy stays behind."""
    wanted = TrainingParameters(**SMALL | {"epochs": 6} | more)
    model, learning = regime.network(wanted), faces(64)
    target = learning[1].copy()
    target[:5] = np.eye(7)[[0, 1, 2, 4, 6]]  # class weights want every expression
    curves = regime.trained(model, wanted, (learning[0], target), faces(16), tmp_path, 0)
    assert curves["loss"].iloc[-1] < curves["loss"].iloc[0]
    said = regime.scores(model, faces(16)[0])
    assert said.dtype == np.float32 and (said[::2, 5] > said[::2, 3]).all() and (said[1::2, 3] > said[1::2, 5]).all()
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_randaugment_is_keyed_and_for_tensorflow_only(monkeypatch):
    """The same key gives the same pictures whatever was drawn in between; another backend is refused with what to do."""
    change = regime.randaugment(0.5)
    pictures = RNG.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    first, other, again = change(pictures, [1, 0, 0]), change(pictures, [1, 0, 1]), change(pictures, [1, 0, 0])
    assert np.array_equal(first, again) and not np.array_equal(first, other) and first.dtype == np.float32
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ParameterError, match="KERAS_BACKEND=tensorflow"):
        regime.randaugment(0.5)


def test_parts_without_faces_are_refused(tmp_path):
    """Nothing to learn from and nothing to validate on stop at once."""
    wanted = TrainingParameters(**SMALL)
    model, nobody = backbones.build("custom", 32, alpha=0.125, hidden=8), (np.empty((0, 32, 32, 3), np.uint8), np.empty((0, 7)))
    with pytest.raises(ParameterError, match="to learn from"):
        regime.trained(model, wanted, nobody, faces(4), tmp_path, 0)
    with pytest.raises(ParameterError, match="to validate on"):
        regime.trained(model, wanted, faces(4), nobody, tmp_path, 0)
