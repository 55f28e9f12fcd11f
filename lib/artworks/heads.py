"""Artworks: dense layers on numbers that stay as they are: the averages of a frozen trunk, hand-made features, colour histograms.

A softmax on fixed inputs, with at most one layer before it, has its gradient in closed form. Written out in NumPy, an epoch takes
milliseconds, so every classifier is trained for every fold, and answers are the same on every Keras backend. Adam (Kingma and Ba 2015).
"""

import numpy as np

from lib.compendium.errors import ParameterError

BETAS, EPSILON = (0.9, 0.999), 1e-7  # Keras' Adam
LAST = 0.02  # share of the learning rate at the end of its half cosine
SMALL = 1e-6
CLASSES = 4


def learn(values: np.ndarray, label: np.ndarray, hidden: int, epochs: int, batch: int, rate: float, decay: float, seed) -> dict:
    """Return the layers learned from values (n, d) and labels 0 to 3 (n,): {"mean", "deviation" (d,), "kernel_0", "bias_0", …}.

    Inputs are standardised by what was learned from. hidden: width of a layer with ReLU, 0: none. Cross-entropy, Adam with `rate` falling
    along half a cosine, and kernels that shrink by `decay` times the rate each step (Loshchilov and Hutter 2019). seed: of fresh kernels
    (Glorot 2010) and of the order. Raises ParameterError for values that are not finite or of another length than the labels.
    """
    values, label = np.asarray(values, np.float32), np.asarray(label, int)
    if values.ndim != 2 or len(values) != len(label) or not len(label) or not np.isfinite(values).all():
        raise ParameterError(f"Received values {values.shape} and {len(label)} labels to learn from, expected finite numbers (n, d) and n "
                             "labels, n at least 1.")  # fmt: skip
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation = np.where(deviation < SMALL * np.maximum(np.abs(mean), 1), 1, deviation).astype(np.float32)  # constants stay 0
    x, target = (values - mean) / deviation, np.eye(CLASSES, dtype=np.float32)[label]
    generator = np.random.default_rng(seed)
    layers = _fresh([values.shape[1], *[hidden] * (hidden > 0), CLASSES], generator)
    moments = [[np.zeros_like(array) for array in layers] for _ in range(2)]
    steps, step = epochs * -(-len(x) // batch), 0
    for _ in range(epochs):
        order = generator.permutation(len(x))
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            now = rate * (LAST + (1 - LAST) * 0.5 * (1 + np.cos(np.pi * step / steps)))
            step += 1
            _step(layers, gradients(layers, x[chosen], target[chosen]), moments, now, decay, step)
    named = {f"{'bias' if number % 2 else 'kernel'}_{number // 2}": array for number, array in enumerate(layers)}
    return {"mean": mean, "deviation": deviation, **named}


def _fresh(widths: list, generator: np.random.Generator) -> list:
    layers = []
    for rows, columns in zip(widths, widths[1:], strict=False):
        limit = np.sqrt(6 / (rows + columns))
        layers += [generator.uniform(-limit, limit, (rows, columns)).astype(np.float32), np.zeros(columns, np.float32)]
    return layers


def gradients(layers: list, x: np.ndarray, target: np.ndarray) -> list:
    """Return the gradient of the mean cross-entropy with respect to [kernel, bias, …] for inputs x (n, d) and one-hot targets (n, 4)."""
    seen = np.maximum(x @ layers[0] + layers[1], 0) if len(layers) == 4 else x
    error = (_softmax(seen @ layers[-2] + layers[-1]) - target) / len(x)
    last = [seen.T @ error, error.sum(axis=0)]
    if len(layers) == 2:
        return last
    back = (error @ layers[2].T) * (seen > 0)
    return [x.T @ back, back.sum(axis=0), *last]


def _step(layers: list, slopes: list, moments: list, rate: float, decay: float, step: int) -> None:
    for array, slope, first, second in zip(layers, slopes, *moments, strict=True):
        first += (1 - BETAS[0]) * (slope - first)
        second += (1 - BETAS[1]) * (slope * slope - second)
        if array.ndim == 2:
            array *= 1 - rate * decay
        array -= rate * (first / (1 - BETAS[0] ** step)) / (np.sqrt(second / (1 - BETAS[1] ** step)) + EPSILON)


def answer(head: dict, values: np.ndarray) -> np.ndarray:
    """Return the probabilities (n, 4) of values (n, d) by the layers of `learn`."""
    x = (np.asarray(values, np.float32) - head["mean"]) / head["deviation"]
    if "kernel_1" in head:
        x = np.maximum(x @ head["kernel_0"] + head["bias_0"], 0)
        return _softmax(x @ head["kernel_1"] + head["bias_1"])
    return _softmax(x @ head["kernel_0"] + head["bias_0"])


def plain(head: dict) -> list[np.ndarray]:
    """Return [kernel, bias] of each layer that give the same answers from values that are not standardised: the first takes it in."""
    kernel = head["kernel_0"] / head["deviation"][:, None]
    later = [head[name] for name in ("kernel_1", "bias_1") if name in head]
    return [kernel, head["bias_0"] - head["mean"] @ kernel, *later]


def _softmax(scores: np.ndarray) -> np.ndarray:
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)
