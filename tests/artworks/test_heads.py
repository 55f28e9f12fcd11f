"""Dense layers written out in NumPy learn as they should: the gradient is the numerical one, the answer scikit-learn's."""

import numpy as np
import pytest

from lib.artworks import heads
from lib.compendium.errors import ParameterError


def clouds(count=200, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, 6) of four overlapping clouds and their labels."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 4, count)
    return (generator.normal(0, 1, (4, 6))[label] * 0.6 + generator.normal(0, 1, (count, 6))) * [1, 5, 0.1, 1, 1, 1] + 3, label


@pytest.mark.parametrize("hidden", [0, 5])
def test_the_gradient_is_the_numerical_one(hidden):
    """Every weight's slope agrees with the change of the cross-entropy when it is moved."""
    generator = np.random.default_rng(1)
    layers = [array.astype(float) for array in heads._fresh([6, *[hidden] * (hidden > 0), 4], generator)]
    x, target = generator.normal(size=(7, 6)), np.eye(4)[generator.integers(0, 4, 7)]

    def loss() -> float:
        seen = np.maximum(x @ layers[0] + layers[1], 0) if hidden else x
        return float(-(target * np.log(heads._softmax(seen @ layers[-2] + layers[-1]))).sum(axis=1).mean())

    for array, slope in zip(layers, heads.gradients(layers, x, target), strict=True):
        flat = array.reshape(-1)
        for place in range(0, flat.size, 3):
            flat[place] += 1e-5
            up = loss()
            flat[place] -= 2e-5
            down = loss()
            flat[place] += 1e-5
            assert slope.reshape(-1)[place] == pytest.approx((up - down) / 2e-5, abs=1e-6)


def test_a_softmax_learned_long_answers_as_logistic_regression():
    """Without a hidden layer the probabilities come near those of scikit-learn's unregularised regression."""
    from sklearn.linear_model import LogisticRegression

    values, label = clouds()
    head = heads.learn(values, label, 0, 300, 32, 2e-2, 0.0, 0)
    theirs = LogisticRegression(C=1e6, max_iter=2000).fit((values - values.mean(axis=0)) / values.std(axis=0), label)
    said = theirs.predict_proba((values - values.mean(axis=0)) / values.std(axis=0))
    assert np.abs(heads.answer(head, values) - said).max() < 0.06


@pytest.mark.parametrize("hidden", [0, 7])
def test_standardising_can_be_taken_into_the_layer(hidden):
    """Kernels and biases of `plain` give the same answers from raw values."""
    values, label = clouds()
    head = heads.learn(values, label, hidden, 5, 32, 1e-2, 1e-2, 0)
    kernel, bias, *last = heads.plain(head)
    scores = values @ kernel + bias
    if hidden:
        scores = np.maximum(scores, 0) @ last[0] + last[1]
    assert np.allclose(heads._softmax(scores), heads.answer(head, values), atol=1e-4)


def test_a_constant_input_does_no_harm_and_seeds_decide():
    """Columns that never change are ignored; the same seed gives the same layers, another one others."""
    values, label = clouds()
    values[:, 2] = 300.0
    one, again, other = (heads.learn(values, label, 3, 2, 32, 1e-3, 0.0, seed) for seed in (1, 1, 2))
    assert all(np.isfinite(array).all() for array in one.values())
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["kernel_0"], other["kernel_0"])


def test_values_that_are_not_numbers_are_refused():
    """NaN, no rows and labels of another length are named."""
    for values, label in ((np.full((3, 2), np.nan), [0, 1, 2]), (np.zeros((0, 2)), []), (np.zeros((3, 2)), [0, 1])):
        with pytest.raises(ParameterError, match="finite numbers"):
            heads.learn(values, np.array(label), 0, 1, 8, 1e-3, 0.0, 0)
