"""Training: how good a network is: the sculpture study's Table II, ranking, calibration, comparisons, with intervals over objects.

Truth and decisions are zeros and ones (n, 7), scores 0 to 1 (n, 7), in the order of EXPRESSIONS. Point values are those of scikit-learn.
Intervals are 95 % percentiles of a bootstrap that draws whole objects (several photographs of one object are not independent). Counts add
up over objects, so a thousand resamples cost one product of matrices. What cannot be said is NaN, with the reason in a column.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, roc_auc_score

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.training.splits import validation_of

CLASSES = len(EXPRESSIONS)
AVERAGES = ("Weighted Avg.", "Macro Avg.", "Micro Avg.")
ROWS = (*(name.capitalize() for name in EXPRESSIONS), *AVERAGES)  # of Table II, in its order
MEASURES = ("precision", "recall", "f1")
RESAMPLES, LEVEL = 1000, 0.95
AT_ONCE = 4_000_000  # numbers a step of the bootstrap holds: 32 MB
NOBODY, EVERYBODY, NEVER = "no face shows it", "every face shows it", "never predicted"
SINGLE = "one object only: no interval"


# ---- what comes in


def _truth(truth) -> np.ndarray:
    """Return the truth as bool (n, 7). Raises ParameterError for no faces, another shape, or anything but zeros and ones."""
    truth = np.asarray(truth)
    if truth.ndim != 2 or truth.shape[1] != CLASSES:
        raise ParameterError(f"Received labels of shape {truth.shape}, expected (faces, {CLASSES}) in the order {', '.join(EXPRESSIONS)}.")
    if not len(truth):
        raise ParameterError("Received no faces, expected at least one: look at the split, this part of it is empty.")
    if not np.isin(truth, (0, 1)).all():
        raise ParameterError("Received labels that are no zeros and ones, expected those: harden the target, give scores to `decided`.")
    return truth.astype(bool)


def _pair(truth, decided) -> tuple[np.ndarray, np.ndarray]:
    truth, decided = _truth(truth), _truth(decided)
    if truth.shape != decided.shape:
        raise ParameterError(f"Received {len(truth)} labels and {len(decided)} decisions, expected as many: one row a face in both.")
    return truth, decided


def _scores(scores, faces: int | None = None) -> np.ndarray:
    """Return scores as float64 (n, 7). Raises ParameterError for another shape, NaN, or anything outside 0 to 1."""
    scores = np.asarray(scores, float)
    if scores.ndim != 2 or scores.shape[1] != CLASSES or (faces is not None and len(scores) != faces):
        expected = f"({'faces' if faces is None else faces}, {CLASSES})"
        raise ParameterError(f"Received scores of shape {scores.shape}, expected {expected}: one row a face, a column an expression.")
    if np.isnan(scores).any():
        raise ParameterError(f"Received NaN scores for {np.isnan(scores).any(axis=1).sum()} of {len(scores)} faces, expected numbers: "
                             "leave out faces without an answer; a network that gives NaN has diverged, train it more slowly.")  # fmt: skip
    if len(scores) and (scores.min() < 0 or scores.max() > 1):
        raise ParameterError(f"Received scores from {scores.min():g} to {scores.max():g}, expected 0 to 1: apply the sigmoid first.")
    return scores


def decided(scores, thresholds=0.5) -> np.ndarray:
    """Return which expressions a face is said to show, uint8 (n, 7): scores of at least the threshold.

    thresholds: one number (0.5 by default, not stated in the paper), seven in the order of EXPRESSIONS, or the table of
    `tuned_thresholds`.
    """
    if isinstance(thresholds, pd.DataFrame):
        thresholds = thresholds.set_index("expression")["threshold"].reindex(EXPRESSIONS)
    limits = np.asarray(thresholds, float)
    if limits.shape not in ((), (CLASSES,)) or not ((limits > 0) & (limits <= 1)).all():
        raise ParameterError(f"Received thresholds {np.round(limits, 3).tolist()}, expected one or {CLASSES} above 0 and at most 1.")
    return (_scores(scores) >= limits).astype(np.uint8)


# ---- objects and their resampling


def _objects(objects, faces: int) -> np.ndarray:
    """Return the number of the object of each face, int (n,). None: each face its own."""
    if objects is None:
        return np.arange(faces)
    codes = pd.factorize(np.asarray(objects, object))[0]
    if len(codes) != faces or (codes < 0).any():
        raise ParameterError(f"Received {len(codes)} names of objects, {(codes < 0).sum()} of them missing, for {faces} faces; expected "
                             "one each: take the column `group` of the split.")  # fmt: skip
    return codes


def _drawn(codes: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return how often each object is drawn in each resample, float64 (resamples, objects)."""
    count = int(codes.max()) + 1
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)


def _summed(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the sums by object (objects, m) of values of faces (n, m)."""
    sums = np.zeros((int(codes.max()) + 1, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums


def _interval(values: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval over the first axis of resamples (r, …); NaN with one object or where half of the resamples say nothing."""
    low, high = np.full((2, *values.shape[1:]), np.nan)
    known = np.isfinite(values).mean(axis=0) >= 0.5 if len(values) and objects > 1 else np.zeros(values.shape[1:], bool)
    if known.any():
        low[known], high[known] = np.nanquantile(values[:, known], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def _divided(top, bottom) -> np.ndarray:
    top, bottom = np.broadcast_arrays(np.asarray(top, float), np.asarray(bottom, float))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is defined, NaN where nothing is."""
    known = np.isfinite(values)
    return _divided(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


# ---- Table II


def _counts(truth: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """Return hits, false alarms and misses of each face, float64 (n, 21): seven of each."""
    return np.concatenate([truth & decisions, ~truth & decisions, truth & ~decisions], axis=1).astype(float)


def _table_two(counts: np.ndarray) -> np.ndarray:
    """Return precision, recall and F1 (…, 10, 3) in the order of ROWS from hits, false alarms and misses (…, 21).

    An expression nobody shows has none of them and no weight in the averages. One that is never predicted has precision 0, as in
    scikit-learn.
    """
    hits, alarms, misses = np.moveaxis(counts.reshape(*counts.shape[:-1], 3, CLASSES), -2, 0)
    shown = hits + misses
    precision = np.where(hits + alarms > 0, _divided(hits, hits + alarms), 0.0)
    parts = np.stack([precision, _divided(hits, shown), _divided(2 * hits, 2 * hits + alarms + misses)], axis=-1)
    parts = np.where(shown[..., None] > 0, parts, np.nan)
    weighted = _divided((np.nan_to_num(parts) * shown[..., None]).sum(axis=-2), shown.sum(axis=-1)[..., None])
    hits, alarms, misses = hits.sum(axis=-1), alarms.sum(axis=-1), misses.sum(axis=-1)
    micro = np.stack([np.where(hits + alarms > 0, _divided(hits, hits + alarms), 0.0), _divided(hits, hits + misses),
                      _divided(2 * hits, 2 * hits + alarms + misses)], axis=-1)  # fmt: skip
    micro = np.where((hits + misses)[..., None] > 0, micro, np.nan)
    return np.concatenate([parts, np.stack([weighted, _mean(np.swapaxes(parts, -1, -2)), micro], axis=-2)], axis=-2)


def classification(truth, decisions, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return Table II: one row a class, then "Weighted Avg.", "Macro Avg." and "Micro Avg." (ROWS).

    objects: the name of the object of each face, (n,), or the group of the split; None: every face is its own.
    Columns: row, precision, recall, f1 (0 to 1), faces (that show it; all faces in the averages), predicted (faces said to show it),
    precision_low, precision_high, … f1_high, reason. The weighted average weighs by `faces`; macro is over the classes somebody shows.
    With few objects percentile intervals are a little narrow: on planted data with 120 objects they cover 90 to 97 % (see the tests).
    """
    truth, decisions = _pair(truth, decisions)
    codes = _objects(objects, len(truth))
    sums = _summed(_counts(truth, decisions), codes)
    values = _table_two(sums.sum(axis=0))
    low, high = _interval(_table_two(_drawn(codes, resamples, seed) @ sums), len(sums))
    table = pd.DataFrame(values, columns=list(MEASURES))
    table.insert(0, "row", ROWS)
    table["faces"] = [*truth.sum(axis=0), *[len(truth)] * len(AVERAGES)]
    table["predicted"] = [*decisions.sum(axis=0), *[int(decisions.any(axis=1).sum())] * len(AVERAGES)]
    for place, name in enumerate(MEASURES):
        table[f"{name}_low"], table[f"{name}_high"] = low[:, place], high[:, place]
    table["reason"] = [_why(row, len(sums)) for row in table.itertuples()]
    return table


def _why(row, objects: int) -> str:
    if row.row in AVERAGES:
        return NOBODY if np.isnan(row.f1) else SINGLE if objects < 2 else ""
    return NOBODY if not row.faces else NEVER if not row.predicted else SINGLE if objects < 2 else ""


def table_two(results: dict[str, pd.DataFrame], digits: int = 2) -> pd.DataFrame:
    """Return Table II as it is printed: a row a class and average, under each name its precision, recall and F1, rounded.

    results: {name of the network: `classification`}. Columns: "Class", then pairs (name, measure) as "name · precision".
    """
    table = pd.DataFrame({"Class": ROWS})
    for name, result in results.items():
        for measure in MEASURES:
            table[f"{name} · {measure}"] = result.set_index("row").loc[list(ROWS), measure].round(digits).to_numpy()
    return table


# ---- several labels at once


OVERALL = {
    "subset accuracy": "share of faces whose labels are all right",
    "hamming loss": "share of wrong decisions among all faces and classes",
    "jaccard": "shared over united labels of a face, on average; no label on both sides counts as 1",
    "any right": "share of labelled faces with at least one right label",
    "labels": "labels a face, true",
    "labels predicted": "labels a face, predicted",
}


def overall(truth, decisions, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return what Table II does not show: measure, value, low, high, meaning, reason. One row for each of OVERALL."""
    truth, decisions = _pair(truth, decisions)
    codes = _objects(objects, len(truth))
    tops, bottoms = _per_face(truth, decisions)
    sums = _summed(np.concatenate([tops, bottoms], axis=1), codes)
    values = _halved(sums.sum(axis=0))
    low, high = _interval(_halved(_drawn(codes, resamples, seed) @ sums), len(sums))
    reasons = ["" if np.isfinite(value) else "no face has a label" for value in values]
    return pd.DataFrame({"measure": list(OVERALL), "value": values, "low": low, "high": high, "meaning": list(OVERALL.values()),
                         "reason": [why or (SINGLE if len(sums) < 2 else "") for why in reasons]})  # fmt: skip


def _per_face(truth: np.ndarray, decisions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numerators and denominators of OVERALL for each face, float64 (n, 6) each."""
    shared, united = (truth & decisions).sum(axis=1), (truth | decisions).sum(axis=1)
    one = np.ones(len(truth))
    tops = [(truth == decisions).all(axis=1), (truth != decisions).mean(axis=1), np.where(united > 0, shared / np.maximum(united, 1), 1.0),
            shared > 0, truth.sum(axis=1), decisions.sum(axis=1)]  # fmt: skip
    return np.stack(tops, axis=1).astype(float), np.stack([one, one, one, truth.any(axis=1), one, one], axis=1)


def _halved(sums: np.ndarray) -> np.ndarray:
    """Return the first half of the last axis divided by the second."""
    half = sums.shape[-1] // 2
    return _divided(sums[..., :half], sums[..., half:])


# ---- ranking


def ranking(truth, scores, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return how well scores rank faces, whatever the threshold; one row for each of ROWS.

    Columns: row, auc (area under the ROC curve), average_precision, faces, auc_low, auc_high, average_precision_low,
    average_precision_high, reason. Averages are over the classes that some faces show and some do not; micro ranks all pairs of face and
    class.
    """
    truth = _truth(truth)
    scores, codes = _scores(scores, len(truth)), _objects(objects, len(truth))
    drawn = _drawn(codes, resamples, seed)
    columns = [(truth[:, place], scores[:, place], codes) for place in range(CLASSES)]
    columns.append((truth.ravel(), scores.ravel(), np.repeat(codes, CLASSES)))
    points = np.array([_ranked(*column[:2]) for column in columns])
    draws = np.stack([_ranked_draws(*column, drawn) for column in columns], axis=1)
    positives = truth.sum(axis=0)
    values = _with_averages(points, positives)
    # a class keeps its weight in all resamples: they differ in the scores, not in how common a class is said to be
    low, high = _interval(_with_averages(draws, positives), drawn.shape[1])
    table = pd.DataFrame({"row": ROWS, "auc": values[:, 0], "average_precision": values[:, 1], "faces": [*positives, *[len(truth)] * 3]})
    for place, name in enumerate(("auc", "average_precision")):
        table[f"{name}_low"], table[f"{name}_high"] = low[:, place], high[:, place]
    single = SINGLE if drawn.shape[1] < 2 else ""
    table["reason"] = [*(NOBODY if not count else EVERYBODY if count == len(truth) else single for count in positives), *[single] * 3]
    return table


def _ranked(truth: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    if truth.all() or not truth.any():
        return np.nan, np.nan
    return roc_auc_score(truth, scores), average_precision_score(truth, scores)


def _with_averages(values: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Return values (…, 8, 2) of seven classes and micro as (…, 10, 2) in the order of ROWS."""
    classes = values[..., :CLASSES, :]
    weight = np.where(np.isfinite(classes), positives[:, None], 0)
    weighted = _divided((np.nan_to_num(classes) * weight).sum(axis=-2), weight.sum(axis=-2))
    averages = np.stack([weighted, _mean(np.swapaxes(classes, -1, -2)), values[..., CLASSES, :]], axis=-2)
    return np.concatenate([classes, averages], axis=-2)


def _ranked_draws(truth: np.ndarray, scores: np.ndarray, codes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return AUC and average precision in each resample (r, 2): faces weigh as often as their object is drawn; ties count as half."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(scores[order]) != 0]))
    truth, codes = truth[order], codes[order]
    step = max(1, AT_ONCE // len(scores))
    parts = []
    for first in range(0, len(drawn), step):
        weights = drawn[first : first + step][:, codes]
        hits = np.add.reduceat(weights * truth, starts, axis=1)
        alarms = np.add.reduceat(weights * ~truth, starts, axis=1)
        above, below = hits.cumsum(axis=1), alarms.cumsum(axis=1)
        positives, negatives = above[:, -1:], below[:, -1:]
        auc = _divided((hits * (negatives - below + alarms / 2)).sum(axis=1), (positives * negatives)[:, 0])
        precision = np.nan_to_num(_divided(above, above + below))
        average = _divided((hits * precision).sum(axis=1), np.where(negatives > 0, positives, 0)[:, 0])
        parts.append(np.stack([auc, average], axis=1))
    return np.concatenate(parts) if parts else np.zeros((0, 2))


# ---- thresholds


def tuned_thresholds(splits: pd.DataFrame, face_ids, truth, scores, fold: int = 0, fewest: int = 5) -> pd.DataFrame:
    """Return the threshold of each expression with the largest F1 on the validation part of a split (not in the paper).

    splits: table SPLITS; face_ids: the face of each row of truth and scores. Only rows of the validation part are looked at, whatever else
    is handed over. An expression with fewer than `fewest` positives or negatives there keeps 0.5: a threshold tuned on less is noise.
    Columns: expression, threshold, f1 (there, and so too good), fixed_f1 (at 0.5), faces (positives), reason.
    """
    rows = validation_of(splits, face_ids, fold)
    truth, scores = np.asarray(truth), np.asarray(scores)
    if not len(truth) == len(scores) == len(face_ids):
        raise ParameterError(f"Received {len(face_ids)} faces, {len(truth)} labels and {len(scores)} scores, expected as many of each.")
    truth, scores = _truth(truth[rows]), _scores(scores[rows])
    table = []
    for place, name in enumerate(EXPRESSIONS):
        positives = int(truth[:, place].sum())
        enough = min(positives, len(truth) - positives) >= fewest
        fixed = _f1_at(truth[:, place], scores[:, place], 0.5)
        threshold, best = best_threshold(truth[:, place], scores[:, place]) if enough else (0.5, fixed)
        reason = "" if enough else f"fewer than {fewest} faces with or without it: kept at 0.5"
        table.append((name, threshold, best, fixed, positives, reason))
    return pd.DataFrame(table, columns=["expression", "threshold", "f1", "fixed_f1", "faces", "reason"])


def best_threshold(truth: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return the threshold with the largest F1 and that F1: half-way between two neighbouring scores, of equal ones the nearest to 0.5.

    truth: bool (n,) with at least one positive; scores: (n,).
    """
    values, places = np.unique(scores, return_inverse=True)
    hits, all_ = (np.bincount(places, weights, len(values))[::-1].cumsum()[::-1] for weights in (truth.astype(float), np.ones(len(truth))))
    f1 = 2 * hits / (all_ + truth.sum())  # of the threshold that lets through values[i] and above
    middle = (values[:-1] + values[1:]) / 2
    lowest = np.concatenate([[values[0] / 2], np.where(middle > values[:-1], middle, values[1:])])  # neighbours may have no middle
    limits = np.clip(lowest, np.finfo(float).tiny, 1)
    f1 = np.where(values > 0, f1, 0.0)  # no threshold lets a score of 0 through
    best = np.flatnonzero((f1 >= f1.max() - 1e-12) & (values > 0))
    if not len(best):
        return 0.5, 0.0
    chosen = best[np.abs(limits[best] - 0.5).argmin()]
    return float(limits[chosen]), float(f1[chosen])


def _f1_at(truth: np.ndarray, scores: np.ndarray, threshold: float) -> float:
    said = scores >= threshold
    return float(_divided(2 * (truth & said).sum(), truth.sum() + said.sum())) if truth.any() else np.nan


# ---- comparing networks


COMPARED = ("macro F1", "micro F1", "weighted F1", "subset accuracy")


def compared(truth, answers: dict, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return, for every pair of networks and each measure of COMPARED, the difference on the same faces.

    answers: {name: decisions (n, 7)}. Columns: first, second, measure, first_value, second_value, difference (first - second), low, high
    (bootstrap over objects, the same draw for both), p (two-sided, approximate randomisation that swaps the two answers of whole objects,
    Yeh 2000), holm (p corrected over the pairs, by measure).
    """
    names = list(answers)
    pairs = {name: _pair(truth, decisions) for name, decisions in answers.items()}
    codes = _objects(objects, len(_truth(truth)))
    one = np.ones(len(codes))
    sums = {name: _summed(np.column_stack([_counts(labels, said), (labels == said).all(axis=1), one]), codes)
            for name, (labels, said) in pairs.items()}  # fmt: skip
    drawn = _drawn(codes, resamples, seed)
    resampled = {name: _compared_values(drawn @ table) for name, table in sums.items()}
    swaps = np.random.default_rng([seed, 1]).integers(0, 2, drawn.shape).astype(float)
    rows = []
    for first, second in combinations(names, 2):
        values = _compared_values(sums[first].sum(axis=0)), _compared_values(sums[second].sum(axis=0))
        low, high = _interval(resampled[first] - resampled[second], drawn.shape[1])
        swapped = swaps @ (sums[second] - sums[first])
        chance = _compared_values(sums[first].sum(axis=0) + swapped) - _compared_values(sums[second].sum(axis=0) - swapped)
        difference = values[0] - values[1]
        p = (1 + (np.abs(chance) >= np.abs(difference) - 1e-12).sum(axis=0)) / (1 + resamples)
        p = np.where(np.isfinite(difference), p, np.nan)
        rows += zip([first] * 4, [second] * 4, COMPARED, *values, difference, low, high, p, strict=True)
    table = pd.DataFrame(rows, columns=["first", "second", "measure", "first_value", "second_value", "difference", "low", "high", "p"])
    return table.assign(holm=table.groupby("measure")["p"].transform(holm) if len(table) else [])


def _compared_values(sums: np.ndarray) -> np.ndarray:
    """Return the values of COMPARED (…, 4) from sums of counts (…, 21), right faces and faces."""
    weighted, macro, micro = np.moveaxis(_table_two(sums[..., :-2])[..., CLASSES:, 2], -1, 0)
    return np.stack([macro, micro, weighted, _divided(sums[..., -2], sums[..., -1])], axis=-1)


def mcnemar(truth, answers: dict) -> pd.DataFrame:
    """Return the exact test of McNemar (1947) for every pair of networks, by what counts as a right face.

    Columns: first, second, right ("all labels" or "any label"; the second only over faces with a label), faces, only_first, only_second
    (faces only one has right), p (two-sided binomial), holm (corrected over the pairs). It takes faces for independent: where objects have
    several, `compared` is the safer test.
    """
    right = {}
    for name, decisions in answers.items():
        labels, said = _pair(truth, decisions)
        labelled = labels.any(axis=1)
        right[name] = {"all labels": (labels == said).all(axis=1), "any label": (labels & said).any(axis=1)[labelled]}
    rows = []
    for first, second in combinations(right, 2):
        for kind in ("all labels", "any label"):
            one, other = right[first][kind], right[second][kind]
            b, c = int((one & ~other).sum()), int((~one & other).sum())
            rows.append((first, second, kind, len(one), b, c, float(binomtest(b, b + c).pvalue) if b + c else 1.0))
    table = pd.DataFrame(rows, columns=["first", "second", "right", "faces", "only_first", "only_second", "p"])
    return table.assign(holm=table.groupby("right")["p"].transform(holm) if len(table) else [])


def holm(p) -> np.ndarray:
    """Return p-values corrected for their number by Holm (1979), same shape (n,); NaN is no test and stays NaN."""
    p = np.asarray(p, float)
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return corrected


# ---- calibration


def calibration(truth, scores, bins: int = 10, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return the reliability of scores: are faces with a score of 0.7 right in 70 %? One row an expression (and "all") and bin.

    bins: of equal width from 0 to 1, the last one closed. Columns: expression, bin, start, end, faces (pairs of face and class in "all"),
    score (mean, NaN in an empty bin), share (that shows it), low, high.
    """
    truth = _truth(truth)
    scores, codes = _scores(scores, len(truth)), _objects(objects, len(truth))
    sums = _summed(_binned(truth, scores, _bins(bins)), codes)
    shape = (3, CLASSES + 1, bins)
    faces, total, shown = _with_all(sums.sum(axis=0), bins).reshape(shape)
    draws = _with_all(_drawn(codes, resamples, seed) @ sums, bins).reshape(-1, *shape)
    low, high = _interval(_divided(draws[:, 2], draws[:, 0]), len(sums))
    edges = np.linspace(0, 1, bins + 1)
    expression = np.repeat([*EXPRESSIONS, "all"], bins)
    return pd.DataFrame({"expression": expression, "bin": np.tile(np.arange(bins), CLASSES + 1), "start": np.tile(edges[:-1], CLASSES + 1),
                         "end": np.tile(edges[1:], CLASSES + 1), "faces": faces.ravel().astype(int),
                         "score": _divided(total, faces).ravel(), "share": _divided(shown, faces).ravel(),
                         "low": low.ravel(), "high": high.ravel()})  # fmt: skip


def _bins(bins: int) -> int:
    if not 2 <= bins <= 100:
        raise ParameterError(f"Received {bins} bins, expected 2 to 100: change the parameter.")
    return bins


def _binned(truth: np.ndarray, scores: np.ndarray, bins: int) -> np.ndarray:
    """Return faces, scores and positives by class and bin for each face, float64 (n, 3 · 7 · bins)."""
    inside = np.minimum((scores * bins).astype(int), bins - 1)[:, :, None] == np.arange(bins)
    return np.stack([inside, inside * scores[:, :, None], inside & truth[:, :, None]], axis=1).reshape(len(truth), -1).astype(float)


def _with_all(sums: np.ndarray, bins: int) -> np.ndarray:
    """Return sums (…, 3 · 7 · bins) with an eighth class: all seven together."""
    sums = sums.reshape(*sums.shape[:-1], 3, CLASSES, bins)
    return np.concatenate([sums, sums.sum(axis=-2, keepdims=True)], axis=-2)


def calibration_errors(truth, scores, bins: int = 10, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return numbers on calibration, one row an expression and "all" (every face and class pooled).

    Columns: expression, faces (that show it), ece (expected calibration error: mean distance of score and share over the bins, weighted by
    their faces; Naeini et al. 2015), brier (mean squared distance of score and truth) with low and high, brier_of_share (of always saying
    the share of faces that show it), skill (1 - brier / brier_of_share; below 0: worse than that), reason.
    """
    truth = _truth(truth)
    scores, codes = _scores(scores, len(truth)), _objects(objects, len(truth))
    counts, total, shown = _with_all(_binned(truth, scores, _bins(bins)).sum(axis=0), bins)
    ece = np.abs(total - shown).sum(axis=-1) / counts.sum(axis=-1)
    squares = (scores - truth) ** 2
    sums = _summed(np.column_stack([squares, squares.mean(axis=1), np.ones(len(truth))]), codes)
    brier = sums.sum(axis=0)[:-1] / len(truth)
    draws = _drawn(codes, resamples, seed) @ sums
    low, high = _interval(_divided(draws[:, :-1], draws[:, -1:]), len(sums))
    share = truth.mean(axis=0)
    base = np.append(share * (1 - share), (share * (1 - share)).mean())
    positives = np.append(truth.sum(axis=0), truth.sum())
    reasons = [NOBODY if value == 0 else EVERYBODY if value == 1 else "" for value in share] + [""]
    return pd.DataFrame({"expression": [*EXPRESSIONS, "all"], "faces": positives, "ece": ece, "brier": brier, "low": low, "high": high,
                         "brier_of_share": base, "skill": 1 - _divided(brier, base), "reason": reasons})  # fmt: skip


# ---- by collection, tradition, material


def breakdown(truth, decisions, table: pd.DataFrame, by, minimum: int = 20, objects=None, resamples: int = RESAMPLES,
              seed: int = 0) -> pd.DataFrame:  # fmt: skip
    """Return the quality within each group of one or more columns of `table` (one row a face): collection, tradition, material, …

    Columns: by, group, faces, objects, classes (that its faces show), micro_f1, micro_low, micro_high, macro_f1, macro_low, macro_high
    (over `classes`: groups that show different ones are not comparable by it), reason. A group of fewer than `minimum` faces is listed
    with NaN; a missing value is the group "not stated".
    """
    truth, decisions = _pair(truth, decisions)
    codes, columns = _objects(objects, len(truth)), [by] if isinstance(by, str) else list(by)
    if missing := [name for name in columns if name not in table]:
        raise ParameterError(f"Received the column {missing[0]!r}, expected one of {', '.join(map(str, table.columns))}: name another.")
    if len(table) != len(truth):
        raise ParameterError(f"Received a table of {len(table)} rows for {len(truth)} faces, expected one a face in the same order.")
    rows = []
    for column in columns:
        values = table[column].fillna("").astype(str).str.strip().replace("", "not stated").to_numpy()
        for group in sorted(set(values), key=lambda name: (name == "not stated", name)):
            inside = values == group
            quality = _of_group(truth[inside], decisions[inside], codes[inside], minimum, resamples, seed)
            rows.append({"by": column, "group": group, **quality})
    columns = ["by", "group", "faces", "objects", "classes", "micro_f1", "micro_low", "micro_high", "macro_f1", "macro_low", "macro_high",
               "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _of_group(truth, decisions, codes, minimum: int, resamples: int, seed: int) -> dict:
    row = {"faces": len(truth), "objects": len(set(codes)), "classes": int(truth.any(axis=0).sum()), "reason": ""}
    if len(truth) < minimum:
        return {**row, "reason": f"fewer than {minimum} faces"}
    result = classification(truth, decisions, codes, resamples, seed).set_index("row")
    for name, average in (("micro", "Micro Avg."), ("macro", "Macro Avg.")):
        row |= {f"{name}_f1": result.loc[average, "f1"], f"{name}_low": result.loc[average, "f1_low"],
                f"{name}_high": result.loc[average, "f1_high"]}  # fmt: skip
    return {**row, "reason": "no face has a label" if not truth.any() else SINGLE if row["objects"] < 2 else ""}


# ---- against the truth that was planted


AGAINST = ["answer", "faces", "answered", "accuracy", "low", "high", "macro_f1", "macro_low", "macro_high", "hit", "hit_low", "hit_high",
           "exact", "labels", "reason"]  # fmt: skip


def against_truth(planted, answers: dict, objects=None, thresholds=0.5, common: bool = False, resamples: int = RESAMPLES,
                  seed: int = 0) -> pd.DataFrame:  # fmt: skip
    """Return how often networks, labellers and targets name the one expression a face was made with.

    planted: name of the expression of each face, (n,), "" or missing where unknown (left out). answers: {name: scores or zeros and ones
    (n, 7)}; a row with NaN is no answer and is left out of that answer's figures, or of all of them where `common`. thresholds: a value
    for `decided`, or {name: value}; answers without one have 0.5.

    One row an answer: answer, faces (with a known expression), answered, accuracy with low and high and macro_f1 with macro_low and
    macro_high (of the largest score; where k are equally large, as many votes of 1/k), hit with its interval (the planted expression is
    among those above the threshold), exact (it is the only one), labels (above the threshold, a face), reason.
    """
    names = pd.Series(planted, dtype=object).fillna("").astype(str).to_numpy()
    if strange := sorted(set(names) - {"", *EXPRESSIONS}):
        raise ParameterError(f"Received the planted expression {strange[0]!r}, expected one of {', '.join(EXPRESSIONS)}, or '' if unknown.")
    truth, known = names[:, None] == np.array(EXPRESSIONS), names != ""
    codes = _objects(objects, len(names))
    arrays = {name: np.asarray(scores, float) for name, scores in answers.items()}
    for name, scores in arrays.items():
        if scores.shape != truth.shape:
            raise ParameterError(f"Received an answer {name!r} of shape {scores.shape}, expected {truth.shape}: one row a face.")
    complete = {name: known & np.isfinite(scores).all(axis=1) for name, scores in arrays.items()}
    if common:
        complete = dict.fromkeys(arrays, np.logical_and.reduce(list(complete.values()) or [known]))
    rows = []
    for name, scores in arrays.items():
        limits = thresholds.get(name, 0.5) if isinstance(thresholds, dict) else thresholds
        of = complete[name]
        row = {"answer": name, "faces": int(known.sum()), "answered": int(of.sum())}
        reason = "" if of.any() else "no answer for a face with a known expression"
        rows.append({**row, "reason": reason, **(_single(truth[of], scores[of], codes[of], limits, resamples, seed) if of.any() else {})})
    return pd.DataFrame(rows, columns=AGAINST)


def _single(truth: np.ndarray, scores: np.ndarray, codes: np.ndarray, limits, resamples: int, seed: int) -> dict:
    said, choice = decided(scores, limits).astype(bool), chosen(scores)
    codes = pd.factorize(codes)[0]
    right = (choice * truth).sum(axis=1)
    hit, exact = (said & truth).any(axis=1), (said == truth).all(axis=1)
    counts = np.concatenate([choice * truth, choice * ~truth, (1 - choice) * truth], axis=1)  # hits, alarms, misses: shares of votes
    sums = _summed(np.column_stack([counts, right, hit, exact, said.sum(axis=1), np.ones(len(truth))]), codes)

    def values(sums: np.ndarray) -> np.ndarray:
        return np.concatenate([sums[..., -5:-1] / sums[..., -1:], _table_two(sums[..., :-5])[..., [ROWS.index("Macro Avg.")], 2]], axis=-1)

    accuracy, hits, exactly, labels, macro = values(sums.sum(axis=0))
    low, high = _interval(values(_drawn(codes, resamples, seed) @ sums), len(sums))
    return {"accuracy": accuracy, "low": low[0], "high": high[0], "macro_f1": macro, "macro_low": low[4], "macro_high": high[4],
            "hit": hits, "hit_low": low[1], "hit_high": high[1], "exact": exactly, "labels": labels}  # fmt: skip


def chosen(scores: np.ndarray) -> np.ndarray:
    """Return the vote of each face for its largest score, float64 (n, 7): 1, shares of 1/k where k are equally large, 0 where all are 0."""
    scores = np.asarray(scores, float)
    largest = (scores == scores.max(axis=1, keepdims=True)) & (scores > 0)
    return largest / np.maximum(largest.sum(axis=1, keepdims=True), 1)
