"""Losses of several tasks against closed forms in numpy; missing labels count nowhere; distillation; concordance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax

from lib.compendium.errors import ParameterError
from lib.training import losses

N = 12
RNG = np.random.default_rng(7)
LABELS = {
    "expression": RNG.integers(0, 7, (N, 1)).astype(np.float32),
    "action_units": RNG.integers(0, 2, (N, 8)).astype(np.float32),
    "affect": RNG.uniform(-1, 1, (N, 2)).astype(np.float32),
}
LOGITS = {task: RNG.normal(0, 2, (N, count)).astype(np.float32) for task, count in (("expression", 7), ("action_units", 8), ("affect", 40))}


def value(loss, *arguments):
    import keras

    return float(loss(*map(keras.ops.convert_to_tensor, arguments)))


def gradient(loss, labels, logits):
    """The loss's derivative by the logits, numerically: the backend's own way would be another for each."""
    result, step = np.zeros_like(logits, dtype=float), 1e-2
    for place in np.ndindex(*logits.shape):
        up, down = logits.copy(), logits.copy()
        up[place], down[place] = up[place] + step, down[place] - step
        result[place] = (value(loss, labels, up) - value(loss, labels, down)) / (2 * step)
    return result


def expected_expression(labels, logits):
    return -np.mean([log_softmax(row)[int(label)] for label, row in zip(labels[:, 0], logits, strict=True)])


def expected_units(labels, logits):
    return -np.mean(labels * np.log(expit(logits)) + (1 - labels) * np.log(expit(-logits)))


def expected_affect(labels, logits):
    """The published code in numpy: `digitize` with 21 edges, unbiased standard deviations, Pearson's correlation."""
    loss = 0.0
    for axis in (0, 1):
        mine, truth = logits[:, 20 * axis:20 * axis + 20].astype(float), labels[:, axis].astype(float)
        bins = np.minimum(np.digitize(truth, np.linspace(-1, 1, 21)) - 1, 19)
        loss -= np.mean(log_softmax(mine, axis=1)[np.arange(len(mine)), bins])
        guess = softmax(mine, axis=1) @ np.linspace(-1, 1, 20)
        rho, a, b = np.corrcoef(guess, truth)[0, 1], guess.std(ddof=1), truth.std(ddof=1)
        loss += 1 - 2 * rho * a * b / (a**2 + b**2 + (guess.mean() - truth.mean()) ** 2)
    return loss


EXPECTED = {"expression": expected_expression, "action_units": expected_units, "affect": expected_affect}


@pytest.mark.parametrize("task", EXPECTED)
def test_losses_equal_their_closed_forms(task):
    """Each task's loss equals the formula worked out in numpy."""
    assert value(losses.TASKS[task], LABELS[task], LOGITS[task]) == pytest.approx(EXPECTED[task](LABELS[task], LOGITS[task]), rel=1e-5)


@pytest.mark.parametrize("task", EXPECTED)
def test_missing_labels_count_nowhere(task):
    """With every third face unknown, the loss is that of the others alone, whatever the network says of the unknown."""
    labels, logits = LABELS[task].copy(), LOGITS[task].copy()
    labels[::3], logits[::3] = np.nan, 50.0
    rest = np.arange(N) % 3 != 0
    assert value(losses.TASKS[task], labels, logits) == pytest.approx(EXPECTED[task](labels[rest], logits[rest]), rel=1e-5)


@pytest.mark.parametrize("task", EXPECTED)
def test_a_batch_without_a_label_costs_and_moves_nothing(task):
    """Without any label the loss is 0 and so is its derivative: not NaN."""
    nothing = np.full_like(LABELS[task], np.nan)
    assert value(losses.TASKS[task], nothing, LOGITS[task]) == 0
    assert np.all(gradient(losses.TASKS[task], nothing[:2], LOGITS[task][:2]) == 0)


@pytest.mark.slow
def test_a_network_survives_batches_without_labels():
    """One step on a batch without labels leaves every weight as it was and finite; a labelled batch moves them."""
    import keras

    from lib.training.fitting import compiled

    picture = keras.Input((5,), name="x")
    outputs = {task: keras.layers.Dense(logits.shape[1], name=task)(picture) for task, logits in LOGITS.items()}
    model = compiled(keras.Model(picture, outputs), losses.TASKS)
    x = RNG.normal(size=(N, 5)).astype(np.float32)
    before = [weight.copy() for weight in model.get_weights()]
    model.train_on_batch(x, {task: np.full_like(labels, np.nan) for task, labels in LABELS.items()})
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.train_on_batch(x, LABELS)
    assert all(np.isfinite(b).all() for b in model.get_weights())
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_one_face_with_affect_has_no_concordance():
    """One known face costs its bins only; perfect certainty about it then costs nothing."""
    labels = np.full((3, 2), np.nan, np.float32)
    labels[1] = [0.97, -1.0]
    logits = np.zeros((3, 40), np.float32)
    logits[1, 19], logits[1, 20] = 60, 60
    assert value(losses.affect_loss, labels, logits) == pytest.approx(0, abs=1e-5)


def test_bins_include_both_ends():
    """-1 is in the first bin, 1 in the last, 0 in the eleventh, as `digitize` with 21 edges says."""
    import keras

    bins = losses._bin(keras.ops.convert_to_tensor(np.array([-1.0, 0.0, 0.9999, 1.0], np.float32)), 20)
    assert list(np.array(bins)) == [0, 10, 19, 19]


def divergence(teacher, student, temperature=1.5):
    there, here = log_softmax(teacher / temperature, axis=1), log_softmax(student / temperature, axis=1)
    return np.sum(np.exp(there) * (there - here), axis=1)


def distance(task, teacher, student):
    if task == "action_units":
        return -np.mean(expit(teacher) * np.log(expit(student)) + expit(-teacher) * np.log(expit(-student)), axis=1)
    if task == "expression":
        return divergence(teacher, student)
    return divergence(teacher[:, :20], student[:, :20]) + divergence(teacher[:, 20:], student[:, 20:])


@pytest.mark.parametrize("task", EXPECTED)
def test_distillation_follows_the_published_sum(task):
    """On a batch of three sets of faces, one labelled for the task, the loss is the published mean over sets of .4 / .6 and 1.0."""
    teacher, student = RNG.normal(0, 2, LOGITS[task].shape).astype(np.float32), LOGITS[task]
    labels = LABELS[task].copy()
    labels[N // 3:] = np.nan
    apart = distance(task, teacher, student)
    third = N // 3
    labelled = 0.4 * apart[:third].mean() + 0.6 * EXPECTED[task](labels[:third], student[:third])
    expected = (labelled + apart[third:2 * third].mean() + apart[2 * third:].mean()) / 3
    both = np.concatenate([student, teacher], axis=1)
    assert value(losses.distillation_loss(task), labels, both) == pytest.approx(expected, rel=1e-4)


def test_a_student_like_its_teacher_pays_for_labels_only():
    """Where student and teacher agree, the divergence is 0 and .6 of the labels' loss remains."""
    both = np.concatenate([LOGITS["expression"]] * 2, axis=1)
    expected = 0.6 * expected_expression(LABELS["expression"], LOGITS["expression"])
    assert value(losses.distillation_loss("expression"), LABELS["expression"], both) == pytest.approx(expected, rel=1e-4)


def test_an_unknown_task_is_refused():
    """A task that is none of the three is named with them."""
    with pytest.raises(ParameterError, match="'gender'.*expression, action_units, affect"):
        losses.distillation_loss("gender")


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 3), st.floats(-2, 2))
def test_concordance_falls_with_scale_and_shift(seed, scale, shift):
    """Lin's concordance of x and a·x + b is 2a / (1 + a² + b²) for a standardised x, and symmetric."""
    x = np.random.default_rng(seed).normal(size=30)
    x = (x - x.mean()) / x.std()
    other = scale * x + shift
    assert losses.concordance(other, x) == pytest.approx(2 * scale / (1 + scale**2 + shift**2))
    assert losses.concordance(x, other) == pytest.approx(losses.concordance(other, x))


def test_concordance_of_equal_opposite_and_constant_series():
    """1 for equal, -1 for opposite, 0 against a constant; unknown pairs are left out; no pair is an error."""
    x = np.array([-1.0, 0, 1])
    assert losses.concordance(x, x) == 1 and losses.concordance(-x, x) == -1 and losses.concordance(x * 0, x) == 0
    assert losses.concordance([1, 2, np.nan, 9], [1, 2, 3, np.nan]) == 1
    with pytest.raises(ParameterError, match="no pair"):
        losses.concordance([np.nan], [1.0])
    with pytest.raises(ParameterError, match="2 predictions for 3"):
        losses.concordance([1, 2], [1, 2, 3])
