"""Arithmetic of printed numbers: ranges hold what they should and nothing else, against brute force and planted truth."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError
from lib.published import arithmetic
from lib.published.arithmetic import AVERAGES, METRICS, grim, interval


def printed(value, places):
    """Print a fraction with so many decimals, ties upwards, by whole-number arithmetic alone."""
    units = (2 * value * 10**places + 1) // 2
    return f"{units // 10**places}.{units % 10**places:0{places}d}" if places else str(units)


@given(st.fractions(0, 1, max_denominator=5000), st.integers(0, 6))
def test_a_rounded_number_lies_in_its_interval(value, places):
    """Whatever number was rounded, the interval of what was printed holds it; with `either` as well."""
    for rounding in ("nearest", "either"):
        low, high = interval(printed(value, places), rounding, 1)
        assert low <= value <= high


@given(st.fractions(0, 1, max_denominator=5000), st.integers(1, 6))
def test_a_number_cut_off_lies_in_its_interval(value, places):
    """Digits cut off instead of rounded: `truncated` and `either` hold the number."""
    units = value * 10**places // 1
    text = f"{units // 10**places}.{units % 10**places:0{places}d}"
    for rounding in ("truncated", "either"):
        low, high = interval(text, rounding, 1)
        assert low <= value <= high


def test_trailing_zeros_are_a_statement():
    """0.50 is ten times as narrow as 0.5, and a share is never above 1."""
    assert interval("0.5") == (Fraction(45, 100), Fraction(55, 100))
    assert interval("0.50") == (Fraction(495, 1000), Fraction(505, 1000))
    assert interval("1.0", largest=1) == (Fraction(95, 100), 1)
    assert interval("0.42", "truncated")[1] < Fraction(43, 100)


@pytest.mark.parametrize("text", ["", "abc", "-0.5", "1/2", "1e-3", "0,5", None])
def test_what_is_no_printed_number_is_refused(text):
    """Text that a table would not print as a number is refused with an example."""
    with pytest.raises(ParameterError, match="0.50"):
        interval(text)


def test_an_unknown_rounding_is_refused():
    """A misspelt rounding names the nearest one."""
    with pytest.raises(ParameterError, match="Did you mean 'nearest'"):
        interval("0.5", "nearrest")


@settings(max_examples=150)
@given(st.integers(1, 120), st.integers(0, 1000), st.integers(0, 3))
def test_grim_finds_what_counting_finds(n, value, places):
    """Every count of n is tried and printed; those that look like the printed share are the ones GRIM names (ties both ways)."""
    text = printed(Fraction(min(value, 10**places), 10**places), places)
    expected = [k for k in range(n + 1) if abs(Fraction(k, n) - Fraction(text)) <= Fraction(1, 2 * 10**places)]
    assert grim(text, n) == expected


@given(st.integers(1, 400), st.data())
def test_a_true_percentage_is_never_called_impossible(n, data):
    """A percentage that was really counted is possible for its n, and n is among the possible sizes."""
    count = data.draw(st.integers(0, n))
    text = printed(Fraction(100 * count, n), 1)
    assert count in grim(text, n, percent=True)
    assert n in arithmetic.possible_sizes([text], n, percent=True)


def test_known_grim_cases():
    """Brown and Heathers' own example kind: 5.19 cannot be a mean of whole numbers of 28, here as the share 0.19 of 28."""
    assert grim("0.19", 28) == []
    assert grim("38.9", 18, percent=True) == [7]
    with pytest.raises(ParameterError, match="at least one"):
        grim("0.5", 0)


cells = st.lists(st.integers(0, 100).map(lambda cent: f"{cent / 100:.2f}"), min_size=2, max_size=8)


@given(cells, st.data())
def test_the_mean_of_unrounded_numbers_lies_in_the_interval(texts, data):
    """Numbers are planted anywhere within their roundings; their mean, plain and weighted, lies in the interval, which is also tight."""
    spans = [interval(text, largest=1) for text in texts]
    hidden = [low + (high - low) * data.draw(st.fractions(0, 1)) for low, high in spans]
    sizes = data.draw(st.lists(st.integers(1, 50), min_size=len(texts), max_size=len(texts)))
    low, high = arithmetic.mean_interval(spans)
    assert low <= sum(hidden) / len(hidden) <= high
    assert (low, high) == tuple(sum(span[end] for span in spans) / len(spans) for end in (0, 1))
    low, high = arithmetic.weighted_interval(spans, sizes)
    assert low <= sum(value * size for value, size in zip(hidden, sizes, strict=True)) / sum(sizes) <= high


@given(st.integers(0, 100), st.integers(0, 100), st.fractions(0, 1), st.fractions(0, 1))
def test_the_f1_of_unrounded_numbers_lies_in_the_interval(p, r, at, also_at):
    """Precision and recall are planted within their roundings; the F1-score computed from them lies in the interval."""
    spans = [interval(f"{cent / 100:.2f}", largest=1) for cent in (p, r)]
    precision, recall = (low + (high - low) * where for (low, high), where in zip(spans, (at, also_at), strict=True))
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
    low, high = arithmetic.harmonic_interval(*spans)
    assert low <= f1 <= high


def test_the_least_imbalance_is_that_of_a_linear_programme():
    """The greedy answer equals the least total variation from equal weights that an independent solver finds."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(3)
    for _ in range(60):
        texts = [f"{value:.2f}" for value in rng.uniform(0, 1, rng.integers(2, 8))]
        target = f"{rng.uniform(0, 1):.2f}"
        spans, goal = [interval(text, largest=1) for text in texts], interval(target, largest=1)
        n = len(texts)
        # weights w, parts taken away t >= 1/n - w; the mean within rounding reaches the goal
        lows, highs = ([float(span[end]) for span in spans] for end in (0, 1))
        upper = [[*lows, *[0] * n], [*[-high for high in highs], *[0] * n], *[[*(-np.eye(n)[i]), *(-np.eye(n)[i])] for i in range(n)]]
        bounds = [float(goal[1]), -float(goal[0]), *[-1 / n] * n]
        solved = linprog([*[0] * n, *[1] * n], A_ub=upper, b_ub=bounds, A_eq=[[*[1] * n, *[0] * n]], b_eq=[1], bounds=(0, None))
        found = arithmetic.least_imbalance(spans, goal)
        assert (found is None) == (solved.status == 2)
        if found is not None:
            assert found == pytest.approx(solved.fun, abs=1e-7)


def made_up(seed, classes=7, places=2):
    """Return printed class rows and printed averages computed from confusion counts drawn at random, with the labels' true shares."""
    rng = np.random.default_rng(seed)
    support = rng.integers(20, 120, classes)
    hits = np.maximum(1, (support * rng.uniform(0.2, 0.9, classes)).astype(int))
    answers = hits + rng.integers(5, 60, classes)
    precision, recall = hits / answers, hits / support
    f1 = 2 * precision * recall / (precision + recall)
    rows = np.stack([precision, recall, f1], axis=1)
    p, r = hits.sum() / answers.sum(), hits.sum() / support.sum()
    averages = {"weighted": (rows * support[:, None]).sum(0) / support.sum(), "macro": rows.mean(0), "micro": (p, r, 2 * p * r / (p + r))}
    as_text = {name: [f"{value:.{places}f}" for value in values] for name, values in averages.items()}
    texts = [[f"{value:.{places}f}" for value in row] for row in rows]
    table = pd.DataFrame(texts, columns=METRICS, index=[f"class {i}" for i in range(classes)])
    return table, pd.DataFrame(as_text, index=METRICS).T, support / support.sum()


@pytest.mark.parametrize("seed", range(12))
def test_the_true_names_are_always_possible(seed):
    """Averages computed from real counts are never contradicted by the identities; their F1-scores all fit."""
    table, averages, _ = made_up(seed)
    tried = arithmetic.readings(table, averages)
    assert len(tried) == 6 and tried.iloc[0][list(AVERAGES)].tolist() == list(AVERAGES)
    assert tried.iloc[0]["possible"], tried.iloc[0]["against"]
    assert arithmetic.f1_table(table)["fits"].all()


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_a_planted_permutation_is_found(order):
    """Rows are given each other's names on purpose; the one reading left says which."""
    found = 0
    for seed in range(12):
        table, averages, _ = made_up(seed, places=4)
        swapped = averages.iloc[list(order)].set_axis(averages.index)  # the row called AVERAGES[i] is really AVERAGES[order[i]]
        tried = arithmetic.readings(table, swapped)
        possible = tried[tried["possible"]]
        truth = {AVERAGES[order[place]]: name for place, name in enumerate(AVERAGES)}
        assert truth in possible[list(AVERAGES)].to_dict("records")
        found += len(possible) == 1
    assert found >= 10  # with four decimals hardly another reading survives


@pytest.mark.parametrize("seed", range(6))
def test_the_class_shares_hold_the_truth(seed):
    """The labels' true shares lie within the bounds, and more decimals make the bounds narrower."""
    widths = []
    for places in (2, 4):
        table, averages, truth = made_up(seed, places=places)
        shares = arithmetic.class_shares([(table, averages)])
        assert ((shares["low"] <= truth + 1e-9) & (truth <= shares["high"] + 1e-9)).all()
        widths.append((shares["high"] - shares["low"]).sum())
    assert widths[1] < widths[0]


def test_averages_that_no_class_sizes_explain_are_noticed():
    """A weighted row above the best class cannot be, whatever the sizes."""
    table, averages, _ = made_up(0)
    averages.loc["weighted", "precision"] = "0.99"
    assert arithmetic.class_shares([(table, averages)]) is None
    assert not arithmetic.readings(table, averages).iloc[0]["possible"]


def test_averaging_runs_lowers_f1_and_never_raises_it():
    """The means of several runs' scores contradict each other only on the low side; a raised F1 is named as such."""
    rng = np.random.default_rng(8)
    p, r = rng.uniform(0.05, 0.95, (2, 40, 5))
    scores = np.stack([p, r, 2 * p * r / (p + r)], axis=2).mean(1)
    rows = pd.DataFrame([[f"{value:.3f}" for value in row] for row in scores], columns=METRICS)
    table = arithmetic.f1_table(rows)
    assert set(table["deviation"]) <= {"", "below"} and (table["deviation"] == "below").any()
    rows["f1"] = "0.999"
    assert set(arithmetic.f1_table(rows)["deviation"]) == {"above"}


def test_whole_numbers():
    """Shares of a split, and whether a number can be shared equally."""
    assert arithmetic.split_shares([70, 10, 20]) == pytest.approx([0.7, 0.1, 0.2])
    assert arithmetic.equal_parts(18690, 7) and not arithmetic.equal_parts(2960, 7) and not arithmetic.equal_parts(12, 8)
