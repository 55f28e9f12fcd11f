"""Metrics: equal to scikit-learn, closed forms, planted coverage of the intervals, sound answers where nothing can be said."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import binom
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.training import metrics as m

CHANCES = np.array([0.3, 0.12, 0.1, 0.3, 0.5, 0.25, 0.12])


def made(n: int = 300, seed: int = 0, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return truth, scores that know it by `skill`, and objects of about two faces."""
    random = np.random.default_rng(seed)
    truth = (random.random((n, 7)) < CHANCES).astype(np.uint8)
    scores = 1 / (1 + np.exp(-(skill * (truth - 0.6) + random.normal(size=(n, 7)))))
    return truth, scores, np.array([f"o{number}" for number in random.integers(0, max(1, n // 2), n)])


# ---- Table II


def test_table_two_is_that_of_scikit_learn():
    """Rows, order and all thirty values are those of scikit-learn's report where every class is shown."""
    truth, scores, _ = made()
    decisions = m.decided(scores)
    table = m.classification(truth, decisions, resamples=0)
    assert table["row"].tolist() == ["Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise", "Weighted Avg.", "Macro Avg.",
                                     "Micro Avg."]  # fmt: skip
    ours = table[list(m.MEASURES)].to_numpy()
    assert np.allclose(ours[:7], np.transpose(sk.precision_recall_fscore_support(truth, decisions)[:3]))
    for row, average in zip(ours[7:], ("weighted", "macro", "micro"), strict=True):
        assert np.allclose(row, sk.precision_recall_fscore_support(truth, decisions, average=average)[:3])
    assert table["faces"].tolist() == [*truth.sum(axis=0), 300, 300, 300]
    assert table["predicted"].tolist()[:7] == decisions.sum(axis=0).tolist()
    assert (table["reason"] == "").all()


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.just(14)), elements=st.integers(0, 1)))
def test_table_two_of_any_labels(both):
    """Whatever the labels: as scikit-learn for classes somebody shows, NaN and left out of the averages for others."""
    truth, decisions = both[:, :7], both[:, 7:]
    table = m.classification(truth, decisions, resamples=3)
    shown = truth.any(axis=0)
    values = table[list(m.MEASURES)].to_numpy()
    expected = np.transpose(sk.precision_recall_fscore_support(truth, decisions, zero_division=0)[:3])
    assert np.allclose(values[:7][shown], expected[shown]) and np.isnan(values[:7][~shown]).all()
    assert (table["reason"][:7][~shown] == m.NOBODY).all()
    if shown.any():
        for row, average in ((7, "weighted"), (8, "macro"), (9, "micro")):
            labels = None if average == "micro" else np.flatnonzero(shown)
            expected = sk.precision_recall_fscore_support(truth, decisions, average=average, labels=labels, zero_division=0)[:3]
            assert np.allclose(values[row], expected)
    else:
        assert np.isnan(values).all() and (table["reason"] == m.NOBODY).all()


def test_what_cannot_be_said_has_its_reason():
    """A class never predicted has precision 0; one object gives no interval; each says why."""
    truth, scores, objects = made(60)
    decisions = m.decided(scores)
    decisions[:, 3] = 0
    truth[:, 1] = 0
    table = m.classification(truth, decisions, objects).set_index("row")
    assert table.loc["Happy", "reason"] == m.NEVER and table.loc["Happy", "precision"] == table.loc["Happy", "f1"] == 0
    assert table.loc["Disgust", "reason"] == m.NOBODY and np.isnan(table.loc["Disgust", "f1_low"])
    single = m.classification(truth, decisions, np.full(60, "one"))
    assert single["f1_low"].isna().all() and single["reason"].iloc[-1] == m.SINGLE


def test_table_two_side_by_side():
    """Several networks stand beside each other, three columns each, rounded as in print."""
    truth, scores, _ = made()
    result = m.classification(truth, m.decided(scores), resamples=0)
    table = m.table_two({"VGG16": result, "MobileNet-v1": result})
    assert table.columns.tolist()[:4] == ["Class", "VGG16 · precision", "VGG16 · recall", "VGG16 · f1"] and table.shape == (10, 7)
    assert table["VGG16 · f1"].tolist() == result["f1"].round(2).tolist()


@pytest.mark.parametrize("change, said", [
    (lambda t, d: (t[:0], d[:0]), "no faces"),
    (lambda t, d: (t[:5], d), "as many"),
    (lambda t, d: (t[:, :6], d[:, :6]), "shape"),
    (lambda t, d: (t * 0.5, d), "no zeros and ones"),
    (lambda t, d: (t, np.where(d, np.nan, 0)), "no zeros and ones"),
])  # fmt: skip
def test_labels_that_cannot_be_judged(change, said):
    """Empty parts, misshapen, soft and missing labels are refused."""
    truth, scores, _ = made(20)
    with pytest.raises(ParameterError, match=said):
        m.classification(*change(truth, m.decided(scores)))


def test_scores_that_cannot_be_judged():
    """NaN scores, logits and strange thresholds are refused with what to do; missing objects too."""
    truth, scores, _ = made(20)
    for wrong, said in [(np.where(scores > 0.9, np.nan, scores), "NaN scores for"), (scores * 5, "sigmoid"), (scores[:, :3], "shape")]:
        with pytest.raises(ParameterError, match=said):
            m.decided(wrong)
        with pytest.raises(ParameterError, match=said):
            m.ranking(truth, wrong)
    for limits in (0.0, 1.5, np.nan, [0.5] * 6):
        with pytest.raises(ParameterError, match="thresholds"):
            m.decided(scores, limits)
    with pytest.raises(ParameterError, match="1 of them missing"):
        m.overall(truth, m.decided(scores), [None, *["o"] * 19])
    assert m.decided(np.full((1, 7), 0.5)).all(), "a score at the threshold counts"


# ---- intervals


def test_intervals_draw_whole_objects():
    """Copies of a face within its object change no interval; the same copies as objects of their own make it narrower."""
    truth, scores, _ = made(80)
    decisions, names = m.decided(scores), np.arange(80)
    once = m.classification(truth, decisions, names)
    repeated = m.classification(np.repeat(truth, 4, 0), np.repeat(decisions, 4, 0), np.repeat(names, 4))
    alone = m.classification(np.repeat(truth, 4, 0), np.repeat(decisions, 4, 0))
    columns = ["f1_low", "f1", "f1_high"]
    assert np.allclose(once[columns], repeated[columns])
    width = lambda table: table["f1_high"] - table["f1_low"]  # noqa: E731
    assert (width(alone)[7:] < 0.7 * width(once)[7:]).all()


def test_the_bootstrap_equals_a_plain_one():
    """The interval is that of drawing objects, gathering their faces and calling scikit-learn again and again."""
    truth, scores, objects = made(60, 4)
    decisions, (codes, names) = m.decided(scores), pd.factorize(objects)
    drawn = np.random.default_rng(5).multinomial(len(names), np.full(len(names), 1 / len(names)), size=60)
    plain = []
    for counts in drawn:
        faces = np.repeat(np.arange(60), counts[codes])
        plain.append([sk.f1_score(truth[faces], decisions[faces], average="micro"),
                      sk.roc_auc_score(truth[faces].ravel(), scores[faces].ravel()),
                      sk.average_precision_score(truth[faces].ravel(), scores[faces].ravel()),
                      sk.jaccard_score(truth[faces], decisions[faces], average="samples", zero_division=1.0),
                      ((scores[faces] - truth[faces]) ** 2).mean()])  # fmt: skip
    expected = np.quantile(plain, [0.025, 0.975], axis=0).T
    two = m.classification(truth, decisions, objects, 60, 5).iloc[-1]
    ranks = m.ranking(truth, scores, objects, 60, 5).iloc[-1]
    several = m.overall(truth, decisions, objects, 60, 5).iloc[2]
    squares = m.calibration_errors(truth, scores, objects=objects, resamples=60, seed=5).iloc[-1]
    ours = [(two.f1_low, two.f1_high), (ranks.auc_low, ranks.auc_high), (ranks.average_precision_low, ranks.average_precision_high),
            (several.low, several.high), (squares.low, squares.high)]  # fmt: skip
    assert np.allclose(ours, expected)


@pytest.mark.slow
def test_intervals_cover_the_planted_value():
    """Of 150 samples of 120 objects with dependent faces, about 95 % of the intervals contain the population's F1 and AUC."""
    random = np.random.default_rng(0)

    def population(objects: int, seed: int) -> tuple:
        random = np.random.default_rng(seed)
        owner = np.repeat(np.arange(objects), 3)
        truth = (random.random((objects, 7)) < CHANCES)[owner]
        noise = random.normal(size=(objects, 7))[owner] + 0.5 * random.normal(size=(len(owner), 7))  # faces of an object err alike
        scores = 1 / (1 + np.exp(-(2 * truth - 1.2 + noise)))
        return truth.astype(np.uint8), scores, owner

    truth, scores, _ = population(40_000, 1)
    planted = m.classification(truth, m.decided(scores), resamples=0).set_index("row")["f1"]
    auc = sk.roc_auc_score(truth[:, 4], scores[:, 4])
    inside = []
    for seed in random.integers(2, 10**6, 150):
        truth, scores, owner = population(120, int(seed))
        table = m.classification(truth, m.decided(scores), owner, 200, 1).set_index("row")
        rank = m.ranking(truth, scores, owner, 200, 1).set_index("row").loc["Neutral"] if len(inside) < 40 else None
        rows = [table.loc[row, "f1_low"] <= planted[row] <= table.loc[row, "f1_high"] for row in ("Neutral", "Macro Avg.", "Micro Avg.")]
        inside.append([*rows, np.nan if rank is None else rank["auc_low"] <= auc <= rank["auc_high"]])
    coverage = np.nanmean(np.array(inside, float), axis=0)
    assert (coverage[:3] > 0.885).all() and (coverage[:3] < 0.995).all() and coverage[3] > 0.82, coverage  # 150 and 40 samples


# ---- several labels, ranking


def test_overall_is_that_of_scikit_learn():
    """Subset accuracy, Hamming loss and Jaccard are scikit-learn's; the rest are plain means."""
    truth, scores, objects = made()
    decisions = m.decided(scores)
    values = m.overall(truth, decisions, objects, 50).set_index("measure")["value"]
    assert np.isclose(values["subset accuracy"], sk.accuracy_score(truth, decisions))
    assert np.isclose(values["hamming loss"], sk.hamming_loss(truth, decisions))
    assert np.isclose(values["jaccard"], sk.jaccard_score(truth, decisions, average="samples", zero_division=1.0))
    labelled = truth.any(axis=1)
    assert np.isclose(values["any right"], (truth & decisions)[labelled].any(axis=1).mean())
    assert np.isclose(values["labels"], truth.sum(axis=1).mean()) and np.isclose(values["labels predicted"], decisions.sum(axis=1).mean())
    nothing = m.overall(np.zeros((3, 7)), np.zeros((3, 7))).set_index("measure")
    assert nothing.loc["jaccard", "value"] == 1 and nothing.loc["any right", "reason"] == "no face has a label"


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10**6), st.integers(1, 12))
def test_ranking_is_that_of_scikit_learn_with_weights(n, seed, steps):
    """AUC and average precision, also of resamples and with many ties, are scikit-learn's with integer weights."""
    random = np.random.default_rng(seed)
    truth = random.random(n) < 0.4
    scores = random.integers(0, steps + 1, n) / steps
    drawn = random.integers(0, 4, (5, n)).astype(float)
    ours = m._ranked_draws(truth, scores, np.arange(n), drawn)
    for row, weights in zip(ours, drawn, strict=True):
        if weights[truth].sum() and weights[~truth].sum():
            expected = [f(truth, scores, sample_weight=weights) for f in (sk.roc_auc_score, sk.average_precision_score)]
            assert np.allclose(row, expected)
        else:
            assert np.isnan(row).all()


def test_ranking_of_classes_and_averages():
    """Averages are over the classes that can be ranked; one-class columns are NaN with their reason."""
    truth, scores, objects = made()
    table = m.ranking(truth, scores, objects, 50).set_index("row")
    assert np.isclose(table.loc["Macro Avg.", "auc"], sk.roc_auc_score(truth, scores, average="macro"))
    assert np.isclose(table.loc["Weighted Avg.", "average_precision"], sk.average_precision_score(truth, scores, average="weighted"))
    assert np.isclose(table.loc["Micro Avg.", "auc"], sk.roc_auc_score(truth, scores, average="micro"))
    assert (table["auc_low"] < table["auc"]).all() and (table["auc"] < table["auc_high"]).all()
    truth[:, 0], truth[:, 1] = 0, 1
    table = m.ranking(truth, scores, objects, 20).set_index("row")
    assert table["reason"].tolist()[:3] == [m.NOBODY, m.EVERYBODY, ""]
    assert table.loc[["Angry", "Disgust"], "auc"].isna().all() and np.isfinite(table.loc["Macro Avg.", "auc"])


# ---- thresholds


def splits_of(parts) -> tuple[pd.DataFrame, list]:
    ids = [f"f{number}" for number in range(len(parts))]
    return pd.DataFrame({"face_id": ids, "fold": 0, "part": parts, "group": ids}), ids


def test_thresholds_never_see_the_test_part():
    """Whatever the test and training faces are, the thresholds are the same; they are better on validation than 0.5."""
    truth, scores, _ = made(400, 3)
    parts = np.random.default_rng(0).choice(["train", "validation", "test"], 400)
    splits, ids = splits_of(parts)
    table = m.tuned_thresholds(splits, ids, truth, scores)
    other = np.where((parts == "validation")[:, None], scores, np.random.default_rng(1).random(scores.shape))
    swapped = np.where((parts == "validation")[:, None], truth, 1 - truth)
    assert table.equals(m.tuned_thresholds(splits, ids, swapped, other))
    nothing = np.where((parts == "validation")[:, None], scores, np.nan)
    assert table.equals(m.tuned_thresholds(splits, ids, truth, nothing)), "the other parts may even be missing"
    assert (table["f1"] >= table["fixed_f1"]).all() and (table["f1"] > table["fixed_f1"]).any()
    rows = parts == "validation"
    achieved = sk.f1_score(truth[rows], m.decided(scores[rows], table), average=None)
    assert np.allclose(achieved, table["f1"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10)), min_size=1, max_size=25).filter(lambda rows: any(y for y, _ in rows)))
def test_the_best_threshold_is_the_best_of_all(rows):
    """No threshold has a larger F1, found by trying all."""
    truth, scores = np.array([y for y, _ in rows]), np.array([score for _, score in rows]) / 10
    threshold, f1 = m.best_threshold(truth, scores)
    assert 0 < threshold <= 1
    tried = {limit: 2 * (truth & (scores >= limit)).sum() / (truth.sum() + (scores >= limit).sum())
             for limit in (threshold, *np.arange(0.05, 1.05, 0.05))}  # fmt: skip
    assert np.isclose(f1, max(tried.values())) and np.isclose(f1, tried[threshold])


def test_rare_expressions_keep_their_threshold():
    """With fewer positives than asked for, 0.5 stays, and the table says why; mismatched arrays are refused."""
    truth, scores, _ = made(60, 1)
    truth[:, 2] = 0
    truth[:3, 2] = 1
    splits, ids = splits_of(["validation"] * 60)
    table = m.tuned_thresholds(splits, ids, truth, scores).set_index("expression")
    assert table.loc["fear", "threshold"] == 0.5 and "fewer than 5" in table.loc["fear", "reason"]
    with pytest.raises(ParameterError, match="60 faces, 59 labels"):
        m.tuned_thresholds(splits, ids, truth[1:], scores)


# ---- comparing


def test_compared_networks_differ_by_what_was_planted():
    """A better network is better with a small p, an equal one is not, and the difference is that of the single tables."""
    truth, good, objects = made(400, 0, 3.0)
    _, weak, _ = made(400, 0, 1.5)
    answers = {"good": m.decided(good), "weak": m.decided(weak), "same": m.decided(good)}
    table = m.compared(truth, answers, objects, 500).set_index(["first", "second", "measure"])
    row = table.loc[("good", "weak", "macro F1")]
    of = {name: sk.f1_score(truth, decisions, average="macro") for name, decisions in answers.items()}
    assert np.isclose(row["difference"], of["good"] - of["weak"])
    assert row["low"] > 0 and row["p"] < 0.01 and row["holm"] >= row["p"]
    same = table.xs(("good", "same"), level=("first", "second"))
    assert (same[["difference", "low", "high"]] == 0).all(axis=None) and (same["p"] == 1).all()
    assert np.isclose(table.loc[("weak", "same", "subset accuracy"), "second_value"], sk.accuracy_score(truth, answers["same"]))
    assert m.compared(truth, {"good": answers["good"]}).empty


def test_the_randomisation_test_is_true_to_its_level():
    """Two equally good networks are called different in about 5 % of samples, though their faces depend on objects."""
    wrong = []
    for seed in range(150):
        random = np.random.default_rng(seed)
        owner = np.repeat(np.arange(50), 3)
        truth = (random.random((50, 7)) < CHANCES)[owner]
        flips = (random.random((2, 50, 7)) < 0.2)[:, owner]
        table = m.compared(truth, {"a": truth ^ flips[0], "b": truth ^ flips[1]}, owner, 199, seed)
        wrong.append(table["p"].iloc[1] <= 0.05)
    assert binom.cdf(sum(wrong), 150, 0.05) > 0.005 and binom.sf(sum(wrong) - 1, 150, 0.05) > 0.005, sum(wrong)


def test_mcnemar_is_exact():
    """The p is the binomial tail of the faces only one of them has right; without any it is 1."""
    truth = np.tile(np.eye(7, dtype=int), (5, 1))[:30]
    first, second = truth.copy(), truth.copy()
    second[:9] = 0
    first[9:11] = 0
    table = m.mcnemar(truth, {"one": first, "two": second}).set_index("right")
    assert table.loc["all labels", ["faces", "only_first", "only_second"]].tolist() == [30, 9, 2]
    assert np.isclose(table.loc["all labels", "p"], 2 * binom.cdf(2, 11, 0.5))
    assert m.mcnemar(truth, {"one": first, "two": first})["p"].tolist() == [1, 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=8))
def test_holm_rejects_what_its_steps_reject(p):
    """At every level the corrected p rejects exactly what Holm's step-down procedure rejects; NaN stays NaN."""
    corrected = m.holm(p)
    known = [number for number in range(len(p)) if np.isfinite(p[number])]
    assert np.isnan(corrected[[number for number in range(len(p)) if number not in known]]).all()
    for level in (0.01, 0.05, 0.3, 0.9):
        rejected, left = set(), len(known)
        for number in sorted(known, key=lambda number: p[number]):
            if p[number] * left > level:
                break
            rejected.add(number)
            left -= 1
        assert {number for number in known if corrected[number] <= level} == rejected
    assert m.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


# ---- calibration


def test_calibration_of_honest_scores():
    """Scores that are the chances have an ECE near 0 and intervals around the diagonal; shifted ones have the shift as ECE."""
    random = np.random.default_rng(0)
    scores = random.random((20_000, 7)) * 0.8
    truth = (random.random(scores.shape) < scores).astype(np.uint8)
    table = m.calibration_errors(truth, scores, resamples=0).set_index("expression")
    assert (table["ece"] < 0.02).all() and (table["skill"] > 0).all()
    shifted = m.calibration_errors(truth, scores + 0.2, resamples=0)
    assert np.allclose(shifted["ece"], 0.2, atol=0.015)
    few = slice(0, 2000)
    bins = m.calibration(truth[few], scores[few], resamples=200).dropna()
    inside = (bins["low"] <= bins["score"]) & (bins["score"] <= bins["high"])
    assert 0.85 < inside.mean() <= 1


def test_calibration_is_that_of_scikit_learn():
    """Bins hold scikit-learn's calibration curve, Brier scores and a hand-made ECE; empty bins are NaN."""
    truth, scores, objects = made()
    table = m.calibration(truth, scores, 10, objects, 20)
    assert len(table) == 80 and table[table["expression"] == "all"]["faces"].sum() == 2100
    shares, means = calibration_curve(truth[:, 4], scores[:, 4], n_bins=10)
    neutral = table[table["expression"] == "neutral"].dropna(subset="share")
    assert np.allclose(neutral["share"], shares) and np.allclose(neutral["score"], means)
    errors = m.calibration_errors(truth, scores, 10, objects, 20).set_index("expression")
    assert np.isclose(errors.loc["neutral", "brier"], sk.brier_score_loss(truth[:, 4], scores[:, 4]))
    assert np.isclose(errors.loc["neutral", "ece"], np.sum(neutral["faces"] * np.abs(neutral["share"] - neutral["score"])) / 300)
    assert np.isclose(errors.loc["all", "brier"], ((scores - truth) ** 2).mean())
    constant = m.calibration_errors(np.zeros((5, 7)), np.zeros((5, 7))).set_index("expression")
    assert constant.loc["fear", "reason"] == m.NOBODY and np.isnan(constant.loc["fear", "skill"]) and constant.loc["fear", "brier"] == 0
    with pytest.raises(ParameterError, match="1 bins"):
        m.calibration(truth, scores, 1)


# ---- groups


def test_breakdown_is_the_table_of_each_group():
    """Each group has the averages of its own table, missing values are a group, small groups say so."""
    truth, scores, objects = made(200)
    decisions = m.decided(scores)
    table = pd.DataFrame({"tradition": ["a"] * 90 + ["b"] * 90 + ["c"] * 5 + [None] * 15, "material": ["stone"] * 200})
    rows = m.breakdown(truth, decisions, table, ("tradition", "material"), minimum=10, objects=objects).set_index(["by", "group"])
    assert rows.index.tolist() == [("tradition", name) for name in ("a", "b", "c", "not stated")] + [("material", "stone")]
    own = m.classification(truth[:90], decisions[:90], objects[:90]).set_index("row")
    first = rows.loc[("tradition", "a")]
    assert first["macro_f1"] == own.loc["Macro Avg.", "f1"] and first["micro_low"] == own.loc["Micro Avg.", "f1_low"]
    assert first["objects"] == len(set(objects[:90])) and first["classes"] == 7
    small = rows.loc[("tradition", "c")]
    assert np.isnan(small["micro_f1"]) and small["reason"] == "fewer than 10 faces" and small["faces"] == 5
    with pytest.raises(ParameterError, match="'traditions'"):
        m.breakdown(truth, decisions, table, "traditions")
    with pytest.raises(ParameterError, match="199 rows"):
        m.breakdown(truth, decisions, table[1:], "tradition")


# ---- planted truth


def test_against_the_planted_truth():
    """Accuracy and macro F1 of the largest score are scikit-learn's; hit and exact judge the labels above the threshold."""
    random = np.random.default_rng(0)
    planted = random.choice(EXPRESSIONS, 200).astype(object)
    truth = planted[:, None] == np.array(EXPRESSIONS)
    scores = np.clip(0.4 * truth + 0.6 * random.random((200, 7)), 0, 1)
    missing = scores.copy()
    missing[:50] = np.nan
    planted[-10:] = ["", None] * 5
    table = m.against_truth(planted, {"network": scores, "labeller": missing}, thresholds={"network": 0.45}).set_index("answer")
    choice = np.array(EXPRESSIONS)[scores.argmax(axis=1)]
    row = table.loc["network"]
    assert row["faces"] == row["answered"] == 190 and table.loc["labeller", "answered"] == 140
    assert np.isclose(row["accuracy"], sk.accuracy_score(planted[:-10].astype(str), choice[:-10]))
    assert np.isclose(row["macro_f1"], sk.f1_score(planted[:-10].astype(str), choice[:-10], average="macro"))
    said = scores >= 0.45
    assert np.isclose(row["hit"], (said & truth)[:-10].any(axis=1).mean()) and row["hit_low"] < row["hit"] < row["hit_high"]
    assert np.isclose(row["exact"], (said == truth)[:-10].all(axis=1).mean()) and np.isclose(row["labels"], said[:-10].sum(axis=1).mean())
    shared = m.against_truth(planted, {"network": scores, "labeller": missing}, common=True)
    assert shared["answered"].tolist() == [140, 140] and shared["accuracy"].nunique() == 1


def test_sets_share_their_vote():
    """A set of k labels votes 1/k for each; the empty set votes for nothing; strange names and shapes are refused."""
    planted = ["happy", "sad", "fear"]
    sets = np.zeros((3, 7))
    sets[0, [3, 5]] = sets[1, 5] = 1
    row = m.against_truth(planted, {"union": sets}).iloc[0]
    assert row[["accuracy", "hit", "exact"]].tolist() == pytest.approx([(0.5 + 1 + 0) / 3, 2 / 3, 1 / 3])
    nobody = m.against_truth(["", "", ""], {"union": sets}).iloc[0]
    assert np.isnan(nobody["accuracy"]) and nobody["reason"]
    with pytest.raises(ParameterError, match="'joy'"):
        m.against_truth(["joy", "sad", "fear"], {"union": sets})
    with pytest.raises(ParameterError, match="'union' of shape"):
        m.against_truth(planted, {"union": sets[:2]})


def test_a_perfect_network_is_perfect_everywhere():
    """Truth as scores gives 1 in every table, whatever the label sets."""
    for rows in itertools.islice(itertools.product((0, 1), repeat=7), 1, 128, 21):
        truth = np.array([rows, *np.eye(7, dtype=int), np.zeros(7, int)])
        table = m.classification(truth, m.decided(truth.astype(float)))
        assert (table[list(m.MEASURES)] == 1).all(axis=None)
        assert m.overall(truth, truth).set_index("measure").loc["subset accuracy", "value"] == 1
        assert np.allclose(m.ranking(truth, truth.astype(float), resamples=5)["auc"], 1)
