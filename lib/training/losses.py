"""Training: losses of several tasks of which a face may lack labels, distillation from a teacher, and the concordance of two series.

After Deng, Chen and Shi (FG 2020) and, where the paper is short, the code they published. Every loss takes labels and logits of a
batch and returns one number. A label that is missing is NaN and counts nowhere: a batch without any label of a task costs 0 and moves
nothing. Only `keras.ops`, so any backend will do.
"""

import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces.detectors import silent

with silent():
    from keras import ops

BINS = 20  # of valence and of arousal
TEMPERATURE = 1.5  # as published
TO_TEACHER, TO_LABELS = 0.4, 0.6  # a student's shares on the faces whose labels are known, as published
SMALL = 1e-8


def expression_loss(labels, logits):
    """Return the mean cross-entropy. `labels` (n, 1): number of the class, NaN unknown; `logits` (n, classes)."""
    numbers = labels[:, 0]
    known, numbers = _known(numbers)
    target = ops.one_hot(ops.cast(numbers, "int32"), logits.shape[-1])
    return _mean(-ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1), known)


def action_units_loss(labels, logits):
    """Return the mean binary cross-entropy over known (face, unit) pairs. `labels` (n, units): 0 or 1, NaN unknown; `logits` alike."""
    known, labels = _known(labels)
    return _mean(_binary(labels, logits), known)


def affect_loss(labels, logits, concordance_weight: float = 1.0):
    """Return the sum over valence and arousal of the bins' cross-entropy plus `concordance_weight` · (1 - concordance).

    `labels` (n, 2): valence, arousal in -1 to 1, NaN unknown; `logits` (n, 2 · bins). The concordance is that of the bins' expectation
    (`expectation`) with the labels, over the faces of the batch. A batch with fewer than two known faces has none, and costs only bins.
    """
    bins = logits.shape[-1] // 2
    loss = 0.0
    for axis in (0, 1):
        mine = logits[:, axis * bins:(axis + 1) * bins]
        known, values = _known(labels[:, axis])
        target = ops.one_hot(_bin(values, bins), bins)
        loss = loss + _mean(-ops.sum(target * ops.log_softmax(mine, axis=-1), axis=-1), known)
        agreement, enough = _concordance(expectation(mine), values, known)
        loss = loss + concordance_weight * enough * (1.0 - agreement)
    return loss


def expectation(logits):
    """Return the mean of `linspace(-1, 1, bins)` under the softmax of the logits (…, bins). Shape (…,)."""
    places = ops.convert_to_tensor(np.linspace(-1, 1, logits.shape[-1]).astype("float32"))
    return ops.sum(ops.softmax(logits, axis=-1) * places, axis=-1)


def _bin(values, bins: int):
    """Return the number of the bin of values in -1 to 1: `bins` of equal width, 1 itself in the last."""
    return ops.cast(ops.clip(ops.floor((values + 1.0) * (bins / 2)), 0, bins - 1), "int32")


def _concordance(predicted, values, known):
    """Return Lin's concordance of the known faces and 1.0, or (0, 0.0) where fewer than two are known.

    As coded by the authors with unbiased variances (divided by n - 1), where Lin (1989) and the metric divide by n.
    """
    count = ops.sum(known)
    enough = ops.cast(count >= 2, "float32")
    total, degrees = ops.maximum(count, 1.0), ops.maximum(count - 1.0, 1.0)
    mean_p, mean_v = ops.sum(predicted * known) / total, ops.sum(values * known) / total
    p, v = (predicted - mean_p) * known, (values - mean_v) * known
    both, spread = ops.sum(p * v) / degrees, (ops.sum(p * p) + ops.sum(v * v)) / degrees
    return enough * 2 * both / (spread + ops.square(mean_p - mean_v) + SMALL), enough


def distillation_loss(task: str, temperature: float = TEMPERATURE, to_teacher: float = TO_TEACHER, to_labels: float = TO_LABELS):
    """Return the student's loss of a task: a function of labels and of both networks' logits, side by side: student's, then teacher's.

    Faces without a label of the task follow the teacher alone; labelled ones `to_teacher` of the teacher plus `to_labels` of the labels'
    loss. The authors draw a batch from each task's own faces and average the three; on a mixed batch with as many of each this is the
    same number: mean over faces of the weighted distance + share of labelled faces · `to_labels` · loss of the labelled.
    """
    if task not in TASKS:
        raise ParameterError(f"Unknown task {task!r}; expected one of {', '.join(TASKS)}.")

    def loss(labels, logits):
        count = logits.shape[-1] // 2
        student, teacher = logits[:, :count], ops.stop_gradient(logits[:, count:])
        known = ops.max(_known(labels)[0], axis=-1)
        distance = _distance(task, teacher, student, temperature)
        weights = 1.0 - (1.0 - to_teacher) * known
        return ops.mean(weights * distance) + to_labels * ops.mean(known) * TASKS[task](labels, student)

    loss.__name__ = f"{task}_distillation"
    return loss


def _distance(task: str, teacher, student, temperature: float):
    """Return each face's distance from the teacher (n,): cross-entropy of units, Kullback-Leibler divergence of classes and bins.

    As coded: no factor temperature² on the divergences, and no temperature on the units, whose distance is the mean over units.
    """
    if task == "action_units":
        return ops.mean(_binary(ops.sigmoid(teacher), student), axis=-1)
    if task == "expression":
        return _divergence(teacher, student, temperature)
    bins = teacher.shape[-1] // 2
    return _divergence(teacher[:, :bins], student[:, :bins], temperature) + _divergence(teacher[:, bins:], student[:, bins:], temperature)


def _divergence(teacher, student, temperature: float):
    there, here = ops.log_softmax(teacher / temperature, axis=-1), ops.log_softmax(student / temperature, axis=-1)
    return ops.sum(ops.exp(there) * (there - here), axis=-1)


def _binary(labels, logits):
    return ops.maximum(logits, 0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def _known(labels):
    """Return 1.0 where a label is known and 0.0 where it is NaN, and the labels with 0 for NaN."""
    missing = ops.isnan(labels)
    return 1.0 - ops.cast(missing, "float32"), ops.where(missing, ops.zeros_like(labels), labels)


def _mean(values, known):
    """Return the mean of the values that count, 0 where none does."""
    return ops.sum(values * known) / ops.maximum(ops.sum(known), 1.0)


def flattened(loss):
    """Return a loss of faces as a loss of sequences: labels and logits (n, frames, …), every frame a face."""

    def over_frames(labels, logits):
        return loss(ops.reshape(labels, (-1, labels.shape[-1])), ops.reshape(logits, (-1, logits.shape[-1])))

    return over_frames


TASKS = {"expression": expression_loss, "action_units": action_units_loss, "affect": affect_loss}
WEIGHTS = {"expression": 1.0, "action_units": 8.0, "affect": 1.0}  # of a teacher's losses, as published; a student's are not weighted


def concordance(predicted, truth) -> float:
    """Return Lin's (1989) concordance of two series as the study reports it: biased variances; pairs with a NaN are left out.

    1 is equality, 0 no relation. Constant and equal series agree fully (1). Raises ParameterError for different lengths or no pair.
    """
    predicted, truth = np.asarray(predicted, float).ravel(), np.asarray(truth, float).ravel()
    if predicted.shape != truth.shape:
        raise ParameterError(f"Received {len(predicted)} predictions for {len(truth)} values; expected one each.")
    known = np.isfinite(predicted) & np.isfinite(truth)
    if not known.any():
        raise ParameterError("Received no pair of known values; expected at least one to compare.")
    predicted, truth = predicted[known], truth[known]
    both = np.mean((predicted - predicted.mean()) * (truth - truth.mean()))
    whole = predicted.var() + truth.var() + (predicted.mean() - truth.mean()) ** 2
    return float(2 * both / whole) if whole > 0 else 1.0
