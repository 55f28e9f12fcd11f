"""Published numbers: what a printed number can stand for, and what follows from it. Exact fractions, no tolerances.

A printed 0.42 says that the number behind it lay between 0.415 and 0.425. Everything here carries such intervals along: a mean of
printed values is an interval, so is a harmonic mean, and a printed result contradicts its ingredients only where the two intervals
have no point in common. Ties count as possible, whichever way the authors' software turned them.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product
from math import ceil, floor, gcd

import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError, did_you_mean

Interval = tuple[Fraction, Fraction]
ROUNDINGS = ("nearest", "truncated", "either")
AVERAGES = ("weighted", "macro", "micro")
METRICS = ("precision", "recall", "f1")
HAIR = Fraction(1, 10**12)  # a number cut off to 0.42 lies below 0.43, however little


# ---- one printed number


def decimals(printed: str) -> int:
    """Return how many decimals a number was printed with: 2 for "0.50"."""
    return len(printed.partition(".")[2])


def interval(printed: str, rounding: str = "nearest", largest: Fraction | int | None = None) -> Interval:
    """Return the smallest and the largest number that a printed one can stand for.

    printed: the digits as they are in the paper, because "0.5" is a wider statement than "0.50". largest: what the number cannot
    exceed (1 for a share, 100 for a percentage); the result is then also kept from falling below 0.
    Raises ParameterError for text that is no plain decimal number and for an unknown rounding.
    """
    if rounding not in ROUNDINGS:
        raise ParameterError(f"rounding = {rounding!r}; expected one of {', '.join(ROUNDINGS)}.{did_you_mean(rounding, ROUNDINGS)}")
    try:
        value = Fraction(printed)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{printed!r} is not a printed number. Expected its digits as text, like \"0.50\".") from error
    if value < 0 or "/" in printed or "e" in printed.lower():
        raise ParameterError(f"{printed!r} is not a plain decimal number, 0 or more. Expected digits as printed, like \"0.50\".")
    unit = Fraction(1, 10 ** decimals(printed))
    low = value if rounding == "truncated" else value - unit / 2
    high = value + unit / 2 if rounding == "nearest" else value + unit - HAIR
    if largest is not None:
        low, high = max(low, Fraction(0)), min(high, Fraction(largest))
    return low, high


def overlap(one: Interval, other: Interval) -> bool:
    """Return whether two intervals have a point in common."""
    return max(one[0], other[0]) <= min(one[1], other[1])


def middle(span: Interval) -> float:
    """Return the middle of an interval."""
    return float(span[0] + span[1]) / 2


# ---- shares of a count: the GRIM test


def grim(printed: str, n: int, rounding: str = "nearest", percent: bool = False) -> list[int]:
    """Return every count k for which k of n would be printed so; an empty list means the printed share is impossible for n.

    The test of granularity (Brown and Heathers 2017, "GRIM"): with n pictures only n + 1 shares exist. percent: the number is printed as
    a percentage. Raises ParameterError for n below 1.
    """
    if n < 1:
        raise ParameterError(f"n = {n}; expected at least one picture.")
    whole = 100 if percent else 1
    low, high = interval(printed, rounding, whole)
    return list(range(ceil(low * n / whole), floor(high * n / whole) + 1))


def possible_sizes(printed: Sequence[str], largest: int, rounding: str = "nearest", percent: bool = False) -> list[int]:
    """Return every n up to `largest` for which each of the printed shares is a whole count of n."""
    return [n for n in range(1, largest + 1) if all(grim(value, n, rounding, percent) for value in printed)]


# ---- averages


def mean_interval(parts: Sequence[Interval]) -> Interval:
    """Return the interval of the plain mean of numbers known to lie in intervals."""
    return sum(low for low, _ in parts) / len(parts), sum(high for _, high in parts) / len(parts)


def weighted_interval(parts: Sequence[Interval], weights: Sequence[int]) -> Interval:
    """Return the interval of the mean weighted with known whole numbers (class sizes)."""
    total = sum(weights)
    return (sum(low * weight for (low, _), weight in zip(parts, weights, strict=True)) / total,
            sum(high * weight for (_, high), weight in zip(parts, weights, strict=True)) / total)


def harmonic_interval(precision: Interval, recall: Interval) -> Interval:
    """Return the interval of the F1-score, the harmonic mean of precision and recall, which grows with both; 0 where both are 0."""
    return _harmonic(precision[0], recall[0]), _harmonic(precision[1], recall[1])


def _harmonic(precision: Fraction, recall: Fraction) -> Fraction:
    return 2 * precision * recall / (precision + recall) if precision + recall else Fraction(0)


def least_imbalance(parts: Sequence[Interval], printed: Interval) -> float | None:
    """Return the smallest share of pictures that must change class before classes of one size average to the printed number.

    0 where the plain mean fits; None where no weighting at all can reach it. Moving a share of weight from the best class to the worst
    changes the mean fastest, so that the answer is a lower bound for any unequal classes.
    """
    low, high = mean_interval(parts)
    if overlap((low, high), printed):
        return 0.0
    below = printed[1] < low
    gap = low - printed[1] if below else printed[0] - high
    ends = [part[0] if below else part[1] for part in parts]
    moved, best = Fraction(0), max(ends) if below else min(ends)
    goal = min(ends) if below else max(ends)
    for end in sorted(ends, reverse=below):  # empty the classes farthest from the goal, one after the other
        step = abs(end - goal) / len(parts)
        if step >= gap and end != goal:
            return float(moved + gap / abs(end - goal))
        moved, gap = moved + Fraction(1, len(parts)), gap - step
    return None if best == goal or gap > 0 else float(moved)


# ---- the three summary rows of a table of precision, recall and F1


def f1_table(classes: pd.DataFrame, rounding: str = "nearest") -> pd.DataFrame:
    """Compare every printed F1-score with the harmonic mean of its precision and recall.

    classes: printed text, columns precision, recall, f1. Returns its index and columns `precision`, `recall`, `f1` (as printed), `low`,
    `high` (what precision and recall allow), `fits`, and `deviation`: "" where it fits, else "below" or "above" what is allowed. F1 is
    concave in precision and recall, so the mean of several runs' F1-scores lies below the harmonic mean of their mean precision and
    recall: averaging explains "below" and never "above".
    """
    rows = []
    for name, row in classes.iterrows():
        low, high = harmonic_interval(*(interval(row[metric], rounding, 1) for metric in METRICS[:2]))
        printed = interval(row["f1"], rounding, 1)
        deviation = "" if overlap((low, high), printed) else ("below" if printed[1] < low else "above")
        rows.append({"class": name, **{metric: row[metric] for metric in METRICS}, "low": float(low), "high": float(high),
                     "fits": not deviation, "deviation": deviation})
    return pd.DataFrame(rows)


def macro_table(classes: pd.DataFrame, rounding: str = "nearest") -> dict[str, Interval]:
    """Return the macro averages that the class rows allow: metric -> interval of the plain mean."""
    return {metric: mean_interval([interval(text, rounding, 1) for text in classes[metric]]) for metric in METRICS}


def readings(classes: pd.DataFrame, summary: pd.DataFrame, rounding: str = "nearest") -> pd.DataFrame:
    """Try every way of giving three printed summary rows the names weighted, macro and micro, and say what speaks against each.

    classes, summary: printed text, columns precision, recall, f1. Returns one row a reading in a fixed order, columns `weighted`, `macro`,
    `micro` (the summary's index label that would be it), `against` (a list of reasons) and `possible`. The tests are identities:
    macro is the plain mean of the class rows; weighted recall equals micro recall, because class sizes cancel (sum of n_c · TP_c / n_c
    over sum of n_c); micro F1 is the harmonic mean of micro precision and recall; and some class sizes must explain the rest.
    """
    rows = []
    for names in permutations(summary.index):
        naming = dict(zip(AVERAGES, names, strict=True))
        against = _against(classes, summary.loc[list(names)].set_axis(AVERAGES), rounding)
        rows.append({**naming, "against": against, "possible": not against})
    return pd.DataFrame(rows)


def _against(classes: pd.DataFrame, named: pd.DataFrame, rounding: str) -> list[str]:
    """Return what contradicts summary rows that are called weighted, macro and micro."""
    spans = {average: {metric: interval(named.loc[average, metric], rounding, 1) for metric in METRICS} for average in AVERAGES}
    macro = macro_table(classes, rounding)
    wrong = [metric for metric in METRICS if not overlap(macro[metric], spans["macro"][metric])]
    against = [f"macro {', '.join(wrong)}: not the mean of the classes"] if wrong else []
    if not overlap(spans["weighted"]["recall"], spans["micro"]["recall"]):
        against.append("weighted recall is not micro recall")
    if not overlap(harmonic_interval(spans["micro"]["precision"], spans["micro"]["recall"]), spans["micro"]["f1"]):
        against.append("micro F1 is not the harmonic mean of its precision and recall")
    if not against and class_shares([(classes, named)], rounding) is None:
        against.append("no class sizes explain the weighted and the micro row")
    return against


def class_shares(tables: Sequence[tuple[pd.DataFrame, pd.DataFrame]], rounding: str = "nearest") -> pd.DataFrame | None:
    """Return how large each class can be, as a share of all labels in the test set, or None where no class sizes fit.

    tables: (classes, named) of one or several networks examined on the same test set; `named` has the index weighted, macro, micro.
    Returns one row a class: `class`, `low`, `high`. The bounds come from linear programmes: with shares w, weighted averages are
    sums of w · score, and micro precision p means that the sum of w · recall · (1 - p / precision) is zero; each holds within rounding.
    The coefficients are bounded one by one, so the true range may be narrower, and None is certain.
    """
    from scipy.optimize import linprog

    bounds = np.array([row for classes, named in tables for row in _conditions(classes, named, rounding)], float)
    names = list(tables[0][0].index)
    rows = []
    for place, name in enumerate(names):
        ends = []
        for sign in (1, -1):
            goal = np.zeros(len(names))
            goal[place] = sign
            solved = linprog(goal, A_ub=bounds[:, :-1], b_ub=bounds[:, -1], A_eq=np.ones((1, len(names))), b_eq=[1], bounds=(0, 1))
            if solved.status != 0:
                return None
            ends.append(sign * solved.fun)
        rows.append({"class": name, "low": max(0.0, ends[0]), "high": min(1.0, ends[1])})
    return pd.DataFrame(rows)


def _conditions(classes: pd.DataFrame, named: pd.DataFrame, rounding: str) -> list[list[float]]:
    """Return inequalities on the class shares: coefficients and, last, what their sum must not exceed."""
    spans = {metric: [interval(text, rounding, 1) for text in classes[metric]] for metric in METRICS}
    rows = []
    for average, metric in [*(("weighted", metric) for metric in METRICS), ("micro", "recall")]:
        low, high = interval(named.loc[average, metric], rounding, 1)
        rows.append([*(float(span[0]) for span in spans[metric]), float(high)])
        rows.append([*(-float(span[1]) for span in spans[metric]), -float(low)])
    overall = interval(named.loc["micro", "precision"], rounding, 1)
    ends = [_excess(*pair, overall) for pair in zip(spans["precision"], spans["recall"], strict=True)]
    return [*rows, [*(low for low, _ in ends), 0.0], [*(-high for _, high in ends), 0.0]]


def _excess(precision: Interval, recall: Interval, overall: Interval) -> tuple[float, float]:
    """Return the bounds of recall · (1 - overall / precision): what a class adds to the right answers beyond its part of the answers."""
    values = [float(r) - float(o) * float(r) / max(float(p), 1e-9) for p, r, o in product(precision, recall, overall)]
    return min(values), max(values)


# ---- whole numbers


def split_shares(parts: Sequence[int]) -> list[float]:
    """Return the share of each part in the sum of all."""
    return [part / sum(parts) for part in parts]


def equal_parts(total: int, classes: int) -> bool:
    """Return whether a total can be shared equally among the classes."""
    return gcd(total, classes) == classes
