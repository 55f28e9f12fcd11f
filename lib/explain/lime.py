"""Explanations: LIME for pictures (Ribeiro et al. 2016) as Gaya-Morey et al. used it, all classes at once, with standard errors.

A picture is cut into k segments. In each of n samples every segment is shown or hidden at random; a linear model with weights near the
whole picture then says how much each segment adds to each class. The network answers for whole batches that are put together inside
one compiled function, and the linear model is solved in closed form, so an explanation costs hardly more than n forward passes.
Pictures are uint8 RGB (h, w, 3); segments are numbered maps (h, w), 0 to k - 1; answers are probabilities (n, classes).
"""

import hashlib
import importlib
import io
import json
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from PIL import Image
from scipy.special import ndtr
from scipy.stats import qmc
from skimage.segmentation import slic

from lib.collections.pictures import read_picture
from lib.compendium import fingerprints
from lib.compendium.compute import alone_unless_asked, run_all
from lib.compendium.errors import CompendiumError, ParameterError, PictureError, WeightsError, did_you_mean
from lib.compendium.kept import source_digest
from lib.compendium.places import relative, write_atomically
from lib.expressions import ORDERS
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers, ops

EXPRESSIONS = ORDERS["lime_ekman"]
SEGMENTS = 30  # regions asked of SLIC (section 4.1)
COMPACTNESS = 20.0  # of SLIC; not stated in the paper, from its code
SAMPLES = 1000  # a picture (section 4.1)
WIDTH = 0.25  # of the kernel on the cosine distance, lime's default; not stated in the paper
ALPHA = 1.0  # of the ridge, lime's default; not stated in the paper
BATCH = 50  # samples sent through a network at once: divides the 1000 of the paper; on processors more are no faster
KINDS = {"coin": 1, "antithetic": 2, "sobol": 2, "factorial": 1}  # streams, and how many samples in a row are drawn together
SPARE = 8  # segments that are not there, in factorial samples: what the regression finds for them is its error
SLOTS = 16  # segments are padded to a multiple of this, so that pictures with 21 and 30 share one compiled function
FEWEST = 4  # samples a segment before the ranking is looked at
LOOKS = 2  # looks in a row that must find the ranking settled
_kept: WeakKeyDictionary = WeakKeyDictionary()  # {network: {(slots, shape, plain): explainer}}


class Explanation(NamedTuple):
    """What LIME says of one picture, for all classes.

    coefficients: (k, classes), what showing a segment adds to the probability of a class. errors: (k, classes), their standard errors,
    from drawing other samples. intercepts: (classes,). fit: (classes,) weighted R², NaN where the answer never changes. answer:
    (classes,), of the network for the whole picture. samples: how many were used. agreement: expected Kendall tau, -1 to 1, of the
    ranking of segments with that of endless samples, for the explained class.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    intercepts: np.ndarray
    fit: np.ndarray
    answer: np.ndarray
    samples: int
    agreement: float


# ---- pictures and segments


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """Return a picture (h, w, 3) as (side, side, 3) by the nearest pixel, as the paper's code resizes what it explains."""
    return np.asarray(Image.fromarray(picture).resize((side, side), resample=Image.Resampling.NEAREST))


def segments(picture: np.ndarray, wanted: int = SEGMENTS, compactness: float = COMPACTNESS) -> np.ndarray:
    """Return SLIC's segments of a picture (Achanta et al. 2012), int (h, w), numbered from 0 without gaps.

    wanted: about how many; SLIC gives fewer or more. Numbers start at 0: scikit-image counts from 1 by itself, and lime 0.2.0.1, which
    counts from 0, then never hides the last segment and shifts all others by one.
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ParameterError(f"Received a picture of {picture.dtype} {picture.shape}; expected uint8 (height, width, 3), RGB, 0 to 255.")
    if wanted < 2 or compactness <= 0:
        raise ParameterError(f"Received wanted {wanted} and compactness {compactness}; expected at least 2 segments and a value above 0.")
    found = slic(picture / 255, n_segments=wanted, compactness=compactness, start_label=0)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)


def _checked(picture: np.ndarray, segments: np.ndarray) -> int:
    """Return how many segments there are. Raises ParameterError or PictureError for those that cannot be explained."""
    if picture.dtype != np.uint8 or picture.ndim != 3:
        raise ParameterError(f"Received a picture of {picture.dtype} {picture.shape}; expected uint8 (height, width, channels), 0 to 255.")
    if segments.shape != picture.shape[:2] or not np.issubdtype(segments.dtype, np.integer):
        raise ParameterError(
            f"Received segments {segments.dtype} {segments.shape} for a picture {picture.shape}; expected integers of the same height and "
            "width: cut the resized picture that the network sees."
        )
    numbers = np.unique(segments)
    if not np.array_equal(numbers, np.arange(len(numbers))):
        raise ParameterError(
            f"Received segments numbered {numbers[0]} to {numbers[-1]}, {len(numbers)} of them; expected 0, 1, 2 … without gaps. Pass "
            "start_label=0 to scikit-image, or use `segments`."
        )
    if len(numbers) == 1:
        raise PictureError(
            "The picture has one segment; expected two or more, since LIME compares segments. Ask for more, or lower the compactness."
        )
    return len(numbers)


def _occluded(picture: np.ndarray, segments: np.ndarray, occlusion) -> np.ndarray:
    """Return what is seen where segments are hidden, uint8 of the picture's shape. occlusion: a grey, a colour or "mean"."""
    if isinstance(occlusion, str) and occlusion == "mean":
        sizes = np.bincount(segments.ravel())
        sums = np.stack([np.bincount(segments.ravel(), channel.ravel()) for channel in np.moveaxis(picture, 2, 0)], axis=1)
        return (sums / sizes[:, None]).astype(np.uint8)[segments]  # fractions are cut off, as in lime
    colour = np.asarray(occlusion if not isinstance(occlusion, str) else np.nan, float)
    if colour.shape not in ((), (picture.shape[2],)) or not np.all((colour >= 0) & (colour <= 255) & (colour == np.floor(colour))):
        raise ParameterError(
            f"Received occlusion {occlusion!r}; expected a whole number from 0 (black, as published) to 255, {picture.shape[2]} of them "
            'for a colour, or "mean" for the mean colour of each segment.'
        )
    return np.broadcast_to(colour.astype(np.uint8), picture.shape)


# ---- samples


def samples(kind: str, count: int, segments: int, seed: int) -> np.ndarray:
    """Return which segments are shown in each sample, uint8 (count, segments) of 0 and 1; the first sample shows all, as in lime.

    kind: "coin", fair and independent, as published: equal to what lime 0.2.0.1 draws with `random_state=seed`. "antithetic": each
    sample is followed by its complement. "sobol": the halves of a scrambled Sobol sequence, which also come as complements, and in which
    any two segments are shown together as often as not. These three streams begin as shorter ones do. "factorial": fractional factorial
    designs (Box and Hunter 1961), in which what two or three segments do together is not taken for what one does; of all four the least
    error, best with a power of two.
    """
    return _drawn(kind, count, segments, seed)[:, :segments]


def _drawn(kind: str, count: int, segments: int, seed: int) -> np.ndarray:
    """Return the rows of `samples`, and for factorial ones SPARE columns more, drawn like the others, that hide nothing."""
    if kind not in KINDS:
        raise ParameterError(f"Received samples {kind!r}; expected one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    if segments < 2 or count < segments + 2:
        raise ParameterError(
            f"Received {count} samples for {segments} segments; expected at least 2 segments and 2 samples more than segments: with fewer "
            "the regression has nothing left to judge itself by."
        )
    rows = {"coin": _coin, "antithetic": _antithetic, "sobol": _sobol, "factorial": _factorial}[kind](count, segments, seed)
    rows[0] = 1
    return rows


def _coin(count: int, segments: int, seed: int) -> np.ndarray:
    state = np.random.RandomState(seed)
    state.randint(0, high=1000)  # lime draws a seed for its segmentation first
    return state.randint(0, 2, count * segments).reshape(count, segments).astype(np.uint8)


def _antithetic(count: int, segments: int, seed: int) -> np.ndarray:
    half = np.random.default_rng(seed).integers(0, 2, (count // 2, segments), dtype=np.uint8)
    pairs = np.stack([half, 1 - half], axis=1).reshape(-1, segments)
    return np.concatenate([pairs[:1], pairs])[:count]


def _sobol(count: int, segments: int, seed: int) -> np.ndarray:
    """Return the first binary digits of a scrambled Sobol sequence, its dimensions given to the segments at random.

    Scrambling a first digit can only flip it throughout, so dimensions that agree over the first samples would always be hidden
    together: those are passed over.
    """
    generator = np.random.default_rng(seed)
    power = max(1, int(np.ceil(np.log2(count))))
    dimensions = 2 * segments
    digits = qmc.Sobol(dimensions, scramble=True, seed=generator).random_base2(power) >= 0.5
    start = digits[:4 * segments] ^ digits[0]
    _, first = np.unique(start, axis=1, return_index=True)
    chosen = np.concatenate([np.sort(first), np.setdiff1d(np.arange(dimensions), first)])[:segments]
    points = digits[:count - 1, generator.permutation(chosen)].astype(np.uint8)
    return np.concatenate([points[:1], points])


def _factorial(count: int, segments: int, seed: int) -> np.ndarray:
    """Return designs of the power of two nearest to `count`, each with its segments, runs and signs at random, one after the other.

    A run is a number x, a segment or spare a number c, and shown where the bits that both have are odd in number; a sign turns a whole
    column over.
    """
    generator, columns = np.random.default_rng(seed), segments + SPARE
    power = max(round(np.log2(count)), int(np.ceil(np.log2(columns + 1))) + 1)
    chosen, rows = np.array(_code(columns, power)), [np.ones((1, columns), np.uint8)]
    while sum(map(len, rows)) < count:
        mine = np.concatenate([generator.permutation(chosen[:segments]), chosen[segments:]])
        runs = generator.permutation(2**power)[:, None]
        odd = np.bitwise_count(runs & mine) % 2
        rows.append((odd ^ generator.integers(2, size=columns)).astype(np.uint8))
    return np.concatenate(rows)[:count]


@lru_cache(maxsize=64)
def _code(columns: int, power: int) -> tuple[int, ...]:
    """Return numbers below 2^power for the columns of a design, each chosen so that it cancels against as few others as can be.

    Where three columns cancel (c1 ^ c2 ^ c3 = 0), the third's effect cannot be told from what the first two do together; where four do,
    from what three do together. So a column costs most where it is the sum of two, a little where it is the sum of three.
    """
    numbers = np.arange(2**power)
    sums_of_two, sums_of_three = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
    tie, chosen = np.random.default_rng(0).random(len(numbers)), []
    for _ in range(columns):
        cost = len(numbers) * sums_of_two + sums_of_three + tie
        cost[[0, *chosen]] = np.inf
        found = int(cost.argmin())
        sums_of_three += sums_of_two[numbers ^ found]
        sums_of_two[np.array(chosen, int) ^ found] += 1
        chosen.append(found)
    return tuple(chosen)


def closeness(rows: np.ndarray, width: float = WIDTH) -> np.ndarray:
    """Return lime's weight of each sample (n,), 0 to 1: exp(-d² / (2 width²)), d the cosine distance to the whole picture.

    For samples of 0 and 1 that distance is 1 - sqrt(share of segments shown).
    """
    distance = 1 - np.sqrt(rows.mean(axis=1, dtype=float))
    return np.exp(-(distance**2) / (2 * width**2))


# ---- the linear model


class Regression(NamedTuple):
    """A weighted ridge regression of all classes: coefficients (k, classes), intercepts, fit (classes,), jackknife (groups, k, classes)."""

    coefficients: np.ndarray
    intercepts: np.ndarray
    fit: np.ndarray
    jackknife: np.ndarray


def regression(rows: np.ndarray, answers: np.ndarray, width: float = WIDTH, alpha: float = ALPHA, group: int = 1,
               spare: np.ndarray | None = None) -> Regression:  # fmt: skip
    """Return the ridge regression of answers (n, classes) on samples (n, k), in closed form and float64; the intercept is not penalised.

    It minimises Σ w_i (y_i - a - x_i b)² + alpha |b|² with lime's weights. jackknife: how much each group of samples in a row changed
    the coefficients, exactly what leaving it out would: b - b_without = G⁻¹ Z' W (I - H W)⁻¹ e for the group's rows Z and residuals e.
    spare: (n, s), columns of the design that hide nothing; by what they are found to do the jackknife is set right (see `_inflated`).
    """
    rows, answers = np.asarray(rows, float), np.asarray(answers, float)
    weights = closeness(rows, width)
    mean, level = weights @ rows / weights.sum(), weights @ answers / weights.sum()
    centred, change = rows - mean, answers - level
    inverse = np.linalg.inv(centred.T @ (weights[:, None] * centred) + alpha * np.eye(rows.shape[1]))
    coefficients = inverse @ (centred.T @ (weights[:, None] * change))
    residuals = change - centred @ coefficients
    lost, all_of_it = weights @ residuals**2, weights @ change**2
    fit = np.full(len(level), np.nan)
    np.divide(lost, all_of_it, out=fit, where=all_of_it > 0)
    left_out = _left_out(centred, weights, residuals, inverse, group)
    if spare is not None and spare.shape[1]:
        left_out = left_out / np.sqrt(_inflated(np.asarray(spare, float), weights, residuals))
    return Regression(coefficients, level - mean @ coefficients, 1 - fit, left_out)


def _left_out(centred, weights, residuals, inverse, group: int) -> np.ndarray:
    """Return what each group changes in the coefficients (groups, k, classes); the first sample, the whole picture, is always in."""
    count = -(-(len(centred) - 1) // group)
    rows, weights, residuals = (_grouped(values[1:], count, group) for values in (centred, weights, residuals))
    total = weights.sum() + 1  # the whole picture weighs 1
    reach = (rows @ inverse @ np.swapaxes(rows, 1, 2) + 1 / total) * weights[:, None, :]
    raised = np.linalg.solve(np.eye(group) - reach, residuals)
    return np.einsum("gsk,gsc->gkc", rows @ inverse, weights[:, :, None] * raised)


def _inflated(spare: np.ndarray, weights: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Return how much larger than the truth the jackknife's variances are (classes,), from columns that hide nothing (n, s).

    The jackknife takes the runs of a design for independent, and so for error what the design has balanced away. What is found for a
    column without an effect is nothing but error: its mean square over the columns, against the variance expected of independent runs.
    """
    centred = weights[:, None] * (spare - weights @ spare / weights.sum())
    found, expected = ((centred.T @ residuals) ** 2).mean(axis=0), (centred.T**2 @ residuals**2).mean(axis=0)
    return np.divide(expected, found, out=np.ones(len(found)), where=found > 0)


def _grouped(values: np.ndarray, count: int, group: int) -> np.ndarray:
    """Return values (n, …) as (groups, group, …); the last group is filled up with zeros: samples without weight."""
    missing = np.zeros((count * group - len(values), *values.shape[1:]))
    return np.concatenate([values, missing]).reshape(count, group, *values.shape[1:])


def covariance(jackknife: np.ndarray, number: int) -> np.ndarray:
    """Return the covariance (k, k) of one class's coefficients over other draws of the samples, from `Regression.jackknife`."""
    apart = jackknife[:, :, number] - jackknife[:, :, number].mean(axis=0)
    return (len(apart) - 1) / len(apart) * apart.T @ apart


def standard_errors(jackknife: np.ndarray) -> np.ndarray:
    """Return the standard errors (k, classes) of the coefficients over other draws of the samples, from `Regression.jackknife`.

    The answers have no noise given the samples, but the linear model is wrong: residuals depend on the sample and its weight, which
    textbook errors do not allow. The jackknife is the sandwich estimator for random samples, residuals raised by their leverage (HC3;
    MacKinnon and White 1985), and leaves pairs of complements out together. Intervals of 95 % were
    found to hold the mean of other draws in 95 to 96 % for coins and pairs and 95 to 97 % for Sobol, whose order beyond pairs is not
    counted; in 82 to 94 % where few samples give a class any probability at all. For factorial samples see `_inflated`.
    """
    apart = jackknife - jackknife.mean(axis=0)
    return np.sqrt((len(apart) - 1) / len(apart) * (apart**2).sum(axis=0))


def rank_agreement(coefficients: np.ndarray, covariance: np.ndarray) -> float:
    """Return the expected Kendall tau, -1 to 1, between the ranking of coefficients (k,) and the one endless samples would give.

    For two segments the difference found is d with variance s²; differences in truth spread with variance t², the mean of d² - s². Then
    the truth has the other sign with probability Φ(-|d| sqrt(t² / (t² + s²)) / s) (normal prior and noise), and tau is 1 - 2 · its mean.
    """
    first, second = np.triu_indices(len(coefficients), 1)
    found = np.abs(coefficients[first] - coefficients[second])
    noise = np.maximum(np.diag(covariance)[first] + np.diag(covariance)[second] - 2 * covariance[first, second], 0)
    spread = max(float(np.mean(found**2) - np.mean(noise)), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        surely = np.nan_to_num(found * np.sqrt(spread / (spread + noise) / noise), nan=0.0, posinf=np.inf)
    surely = np.where((noise == 0) & (found > 0), np.inf, surely)
    return float(1 - 2 * np.mean(ndtr(-surely)))


# ---- explanations


class _Perturbed(layers.Layer):
    """From which segments are shown, uint8 (batch, slots), to pictures (batch, h, w, c): one matrix product on the device.

    Each pixel is a sum over segments of which one alone is not zero, and values are whole numbers up to 255, so even the ten bits that
    graphics processors keep of a factor make it exact.
    """

    def __init__(self, slots: int, shape: tuple, plain: bool, dtype: str):
        super().__init__(dtype=dtype, trainable=False)
        self.shape, self.slots = shape, slots
        self.shown = self.add_weight(shape=(slots, int(np.prod(shape))), initializer="zeros", trainable=False)
        self.hidden = None if plain else self.add_weight(shape=(1, int(np.prod(shape))), initializer="zeros", trainable=False)

    def show(self, picture: np.ndarray, hidden: np.ndarray, segments: np.ndarray) -> None:
        """Take the picture to perturb, what is seen where it is hidden (both uint8) and its segments."""
        pixels = np.arange(segments.size)
        shown = np.zeros((self.slots, segments.size, self.shape[2]), self.compute_dtype)
        shown[segments.ravel(), pixels] = picture.reshape(-1, self.shape[2]).astype(shown.dtype) - hidden.reshape(-1, self.shape[2])
        self.shown.assign(shown.reshape(self.slots, -1))
        if self.hidden is not None:
            self.hidden.assign(hidden.reshape(1, -1).astype(shown.dtype))

    def call(self, rows):
        pixels = ops.matmul(ops.cast(rows, self.compute_dtype), self.shown)
        return ops.reshape(pixels if self.hidden is None else pixels + self.hidden, (-1, *self.shape))

    def compute_output_spec(self, rows):
        return keras.KerasTensor((rows.shape[0], *self.shape), self.compute_dtype)


def explain(network, pictures: np.ndarray, segments: np.ndarray, *, count: int = SAMPLES, kind: str = "coin", seed: int = 0, occlusion=0,
            settled: float | None = None, classes=None, width: float = WIDTH, alpha: float = ALPHA,
            batch: int = BATCH) -> Explanation | list[Explanation]:  # fmt: skip
    """Return the explanation of a picture, for all classes, or a list of them for a stack.

    network: a Keras network with one picture and one answer, on any backend, or any function from pictures uint8 (batch, h, w, c) to
    answers (batch, classes). pictures: uint8 (h, w, c), of the network's size, or (n, h, w, c); segments: (h, w) or (n, h, w).
    count, kind, seed: of `samples`; the pictures of a stack get streams of their own (`seed_of`). occlusion: what hides, 0 to 255 or a
    colour (0, black, as published; section 4.1), or "mean": each segment's mean colour. batch: samples at once, always as many.
    settled: stop before `count` samples once `rank_agreement` has reached this value, below 1, at two looks in a row, one a batch, for
    the most probable class or, if given, all `classes` (numbers). None, as published: never.
    Raises ParameterError for sizes that do not fit, PictureError for one segment, WeightsError where the network answers no numbers.
    """
    pictures, segments = np.asarray(pictures), np.asarray(segments)
    options = {"count": count, "kind": kind, "occlusion": occlusion, "settled": settled, "classes": classes, "width": width,
               "alpha": alpha, "batch": batch}  # fmt: skip
    _check(**options)
    if pictures.ndim != 4:
        return _one(network, pictures, segments, seed=seed, **options)
    if len(segments) != len(pictures) or segments.ndim != 3:
        raise ParameterError(f"Received segments {segments.shape} for pictures {pictures.shape}; expected {pictures.shape[:3]}.")
    return [_one(network, picture, parts, seed=seed_of(seed, place), **options)
            for place, (picture, parts) in enumerate(zip(pictures, segments, strict=True))]  # fmt: skip


def seed_of(seed: int, key) -> int:
    """Return the seed of one picture of many, 0 to 2³² - 1, from the seed of all and its place or name."""
    return int(hashlib.sha256(f"{seed} {key}".encode()).hexdigest()[:8], 16)


def _check(count, kind, occlusion, settled, classes, width, alpha, batch) -> None:
    if batch < 1 or width <= 0 or alpha < 0:
        raise ParameterError(f"Received batch {batch}, width {width} and alpha {alpha}; expected at least 1, above 0 and at least 0.")
    if settled is not None and not 0 < settled < 1:
        raise ParameterError(f"Received settled {settled}; expected a Kendall tau above 0 and below 1, or None to use all samples.")


def _one(network, picture, segments, *, count, kind, seed, occlusion, settled, classes, width, alpha, batch) -> Explanation:
    parts = _checked(picture, segments)
    drawn = _drawn(kind, count, parts, seed)
    rows, spare = drawn[:, :parts], drawn[:, parts:]
    ask = _asker(network, picture, _occluded(picture, segments, occlusion), segments, parts, batch)
    answers, looks, done = np.zeros((0, 0)), 0, 0
    while done < count:
        found = _numbers(ask(rows[done:done + batch]))
        answers = np.concatenate([answers.reshape(-1, found.shape[1]), found])
        done = len(answers)
        if done == count or (settled is not None and done >= FEWEST * parts):
            fit = regression(rows[:done], answers, width, alpha, KINDS[kind], spare[:done])
            agreement = min(rank_agreement(fit.coefficients[:, number], covariance(fit.jackknife, number))
                            for number in _explained(classes, answers[0]))  # fmt: skip
            looks = looks + 1 if settled is not None and agreement >= settled else 0
            if looks == LOOKS:
                break
    return Explanation(fit.coefficients, standard_errors(fit.jackknife), fit.intercepts, fit.fit, answers[0], done, agreement)


def _explained(classes, answer: np.ndarray) -> list[int]:
    chosen = [int(answer.argmax())] if classes is None else np.atleast_1d(classes).tolist()
    if not chosen or any(not isinstance(number, int) or not 0 <= number < len(answer) for number in chosen):
        raise ParameterError(f"Received classes {classes}; expected one or more whole numbers from 0 to {len(answer) - 1}.")
    return chosen


def _numbers(answers: np.ndarray) -> np.ndarray:
    answers = np.asarray(answers, float)
    if wrong := int((~np.isfinite(answers)).any(axis=1).sum()):
        raise WeightsError(
            f"The network answers {wrong} of {len(answers)} perturbed pictures with something that is no number; expected probabilities. "
            "Its weights are damaged or its training diverged: train it again."
        )
    return answers


def _asker(network, picture, hidden, segments, parts: int, batch: int):
    """Return a function from samples (up to `batch`, k) to the network's answers, which always gets batches of one size."""
    if isinstance(network, keras.Model):
        explainer = _explainer(network, parts, picture.shape, not hidden.any())
        explainer.perturbed.show(picture, hidden, segments)
        width, ask = explainer.perturbed.slots, explainer.model.predict_on_batch
    else:
        width, ask = parts, lambda rows: network(np.where(rows[:, segments, None] == 1, picture, hidden))

    def filled(rows):
        whole = np.zeros((batch, width), np.uint8)
        whole[:len(rows), :parts] = rows
        answers = np.asarray(ask(whole))
        if answers.ndim != 2 or len(answers) != batch:
            raise ParameterError(f"The network answers {batch} pictures with {answers.shape}; expected ({batch}, classes).")
        return answers[:len(rows)]

    return filled


class _Explainer(NamedTuple):
    """A network behind the layer that perturbs, compiled."""

    perturbed: _Perturbed
    model: keras.Model


def _explainer(network: keras.Model, parts: int, shape: tuple, plain: bool) -> _Explainer:
    slots = -(-parts // SLOTS) * SLOTS
    made = _kept.setdefault(network, {})
    if (slots, shape, plain) not in made:
        ends = [len(getattr(network, name, None) or ()) for name in ("inputs", "outputs")]
        if ends != [1, 1]:
            raise ParameterError(
                f"Received a network with {ends[0]} inputs and {ends[1]} outputs; expected one of each. Make one with `keras.Model(input, "
                "output)`, naming the answer to explain, or pass a function from pictures to answers."
            )
        expected = tuple(network.inputs[0].shape[1:])
        if len(expected) != 3 or any(wanted not in (None, size) for wanted, size in zip(expected, shape, strict=True)):
            raise ParameterError(f"Received a picture {shape}; {network.name} expects {expected}. Use `fitted` before cutting it.")
        made[slots, shape, plain] = _compiled(network, slots, shape, plain)
    return made[slots, shape, plain]


def _compiled(network: keras.Model, slots: int, shape: tuple, plain: bool) -> _Explainer:
    perturbed = _Perturbed(slots, shape, plain, "float64" if network.inputs[0].dtype == "float64" else "float32")
    rows = layers.Input((slots,), dtype="uint8")
    # A graph of the same layers, not the network itself, so that a network nobody needs any more is freed with what is kept for it.
    answer = keras.Model(network.inputs[0], network.outputs[0])(perturbed(rows))
    model = keras.Model(rows, answer, name="lime")
    model.compile(jit_compile=keras.backend.backend() == "jax")  # XLA takes half a minute to start on processors; JAX has nothing else
    return _Explainer(perturbed, model)


# ---- maps


def heat(coefficients: np.ndarray, segments: np.ndarray, expression: str | int, as_published: bool = False) -> np.ndarray:
    """Return the map of an expression, float32 (h, w): each pixel's segment's coefficient where positive, else 0 (section 4.1).

    coefficients: (k, classes); expression: a name of EXPRESSIONS, for networks with these six classes, or a class's number.
    as_published: uint8 as the paper's code stores maps, 255 times the coefficient in half precision, fractions cut off.
    """
    coefficients, number = _one_class(coefficients, segments, expression)
    positive = np.maximum(coefficients[:, number], 0)
    if as_published:
        # not stated in the paper, which has maps from 0 to 1; differs from its code above 1, where that starts again from 0.
        positive = np.minimum(positive.astype(np.float16) * np.float16(255), 255).astype(np.uint8)
    return (positive if as_published else positive.astype(np.float32))[segments]


def error_map(errors: np.ndarray, segments: np.ndarray, expression: str | int) -> np.ndarray:
    """Return each pixel's standard error, float32 (h, w), from errors (k, classes); the other arguments are those of `heat`."""
    errors, number = _one_class(errors, segments, expression)
    return errors[:, number].astype(np.float32)[segments]


def _one_class(values: np.ndarray, segments: np.ndarray, expression: str | int) -> tuple[np.ndarray, int]:
    values, segments = np.asarray(values), np.asarray(segments)
    if values.ndim != 2 or segments.ndim != 2 or segments.min() < 0 or segments.max() + 1 != len(values):
        raise ParameterError(
            f"Received values {values.shape} for segments {segments.shape} numbered {segments.min()} to {segments.max()}; expected "
            "(segments, classes) and (height, width), of the same picture."
        )
    if isinstance(expression, str):
        if expression not in EXPRESSIONS or values.shape[1] != len(EXPRESSIONS):
            raise ParameterError(
                f"Received the expression {expression!r} for {values.shape[1]} classes; expected one of {', '.join(EXPRESSIONS)} for these "
                f"{len(EXPRESSIONS)}, or a class's number.{did_you_mean(expression, EXPRESSIONS)}"
            )
        expression = EXPRESSIONS.index(expression)
    if not 0 <= expression < values.shape[1]:
        raise ParameterError(f"Received class {expression}; expected a number from 0 to {values.shape[1] - 1}.")
    return values, int(expression)


# ---- many pictures


def explain_all(network: str | Path | dict, pictures: Mapping, folder: Path, *, seed: int = 0, wanted: int = SEGMENTS,
                compactness: float = COMPACTNESS, journal: Path | None = None, workers: int | None = None, scheduler: str | None = None,
                **options) -> pd.DataFrame:  # fmt: skip
    """Explain many pictures, resumably, and return one row each: key, file, segments, samples, agreement, predicted, error.

    network: path of a `.keras` file, or {"function": "module:name", "arguments": {…}} that builds it. pictures: {key: path of a picture,
    or [path of an .npy stack, row]}; each is resized by `fitted` to the network's side. folder: takes one file a picture, which `read`
    opens; named after all that decides its content, so that another setting, picture or network never meets an old file.
    seed: each picture's own stream follows from it and the key. options: those of `explain`. journal: default one in the folder.
    workers, scheduler: as for `compute.run_all`; with nothing asked, this process alone, since a network uses all cores anyway. An error
    costs its own picture: its row has the reason in `error`. Machines of a scheduler have to see the same paths.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"network": _spec(network), "folder": str(folder), "wanted": wanted, "compactness": compactness, "options": options}
    places = {str(key): _place(where) for key, where in pictures.items()}
    items = {key: {"picture": where, "of": _content(where), "seed": seed_of(seed, key)} for key, where in places.items()}
    if workers is None and scheduler is None:
        workers = alone_unless_asked()
    asked = {"settings": settings, "workers": workers, "scheduler": scheduler, "what": "explanations"}
    done = run_all(explain_job, items, journal=journal or folder / "journal.jsonl", **asked)
    lost = {key: items[key] for key, outcome in done.items() if not outcome.error and not _readable(folder / outcome.value["file"])}
    done |= run_all(explain_job, lost, **asked) if lost else {}
    columns = ["file", "segments", "samples", "agreement", "predicted"]
    rows = [{"key": key, **dict.fromkeys(columns), **(outcome.value or {}), "error": outcome.error or ""} for key, outcome in done.items()]
    return pd.DataFrame(rows, columns=["key", *columns, "error"])


def explain_job(item: dict, settings: dict) -> dict:
    """Explain one picture, in a worker process: writes its file and returns its row. Item and settings are those `explain_all` makes."""
    name = fingerprints.digest(json.dumps([item, settings], sort_keys=True)) + ".npz"
    place = Path(settings["folder"]) / name
    if not _readable(place):
        network = _network(json.dumps(settings["network"], sort_keys=True))
        picture = _picture(item["picture"])
        side = network.inputs[0].shape[1]
        picture = fitted(picture, side) if side else picture
        parts = segments(picture, settings["wanted"], settings["compactness"])
        found = explain(network, picture, parts, seed=item["seed"], **settings["options"])
        buffer = io.BytesIO()
        np.savez(buffer, segments=parts.astype(np.uint16), **found._asdict())
        write_atomically(place, buffer.getvalue())
    found, parts = read(place)
    return {"file": name, "segments": len(found.coefficients), "samples": found.samples, "agreement": found.agreement,
            "predicted": int(found.answer.argmax())}  # fmt: skip


def read(path: Path) -> tuple[Explanation, np.ndarray]:
    """Return the explanation of a file of `explain_all` and its segments, int (h, w). Raises CompendiumError for a damaged file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in (*Explanation._fields, "segments")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CompendiumError(
            f"{relative(path)} cannot be read as an explanation ({type(error).__name__}: {error}); expected a file of `explain_all`. "
            "Delete it and explain again."
        ) from None
    parts = values.pop("segments").astype(np.int64)
    return Explanation(**values | {"samples": int(values["samples"]), "agreement": float(values["agreement"])}), parts


def _readable(path: Path) -> bool:
    try:
        return bool(read(path))
    except CompendiumError:
        return False


def _spec(network) -> dict:
    """Return a network as JSON, with the digest of what decides its answers: its file, or the sources and files that build it."""
    if not isinstance(network, Mapping):
        path = Path(network).resolve()
        if not path.is_file() or path.suffix != ".keras":
            raise WeightsError(f"Received the network {relative(path)}; expected a .keras file that exists. Train it first.")
        return {"file": str(path), "of": [fingerprints.file_digest(path), source_digest([__name__])]}
    if set(network) != {"function", "arguments"} or ":" not in str(network["function"]):
        raise ParameterError(f'Received the network {dict(network)}; expected {{"function": "module:name", "arguments": {{…}}}}.')
    files = [fingerprints.file_digest(Path(value)) for value in network["arguments"].values() if _is_file(value)]
    return {**network, "of": [source_digest([__name__, network["function"].split(":")[0]]), *files]}


def _is_file(value) -> bool:
    return isinstance(value, str) and Path(value).is_file()


@lru_cache(maxsize=1)
def _network(spec: str) -> keras.Model:
    wanted = json.loads(spec)
    if "function" in wanted:
        module, name = wanted["function"].split(":")
        return getattr(importlib.import_module(module), name)(**wanted["arguments"])
    try:
        return keras.models.load_model(wanted["file"], compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{relative(Path(wanted['file']))} cannot be read as a network ({type(error).__name__}: {str(error)[:200]}); expected a file "
            "that Keras 3 saved. Train it again, or name the function that builds it, with its weights among the arguments."
        ) from None


def _place(where) -> str | list:
    return [str(Path(where[0]).resolve()), int(where[1])] if isinstance(where, (list, tuple)) else str(Path(where).resolve())


def _picture(where: str | list) -> np.ndarray:
    if isinstance(where, str):
        return read_picture(where)
    try:
        return np.array(np.load(where[0], mmap_mode="r", allow_pickle=False)[where[1]])
    except (OSError, ValueError, IndexError) as error:
        raise PictureError(
            f"Row {where[1]} of {relative(Path(where[0]))} cannot be read ({error}); expected a row of a stack of pictures in an .npy file."
        ) from None


def _content(where: str | list) -> str:
    """Return the digest of a picture's content, or "absent": a picture that is not there becomes a row with a reason."""
    if isinstance(where, str):
        return fingerprints.file_digest(Path(where))
    try:
        return fingerprints.digest(_picture(where).tobytes())
    except PictureError:
        return "absent"
