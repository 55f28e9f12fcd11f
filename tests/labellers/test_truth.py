"""Labellers against planted truth: matching of faces, peers (scikit-learn, scipy), planted noise, whether uniting helps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as peer

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS, circumplex
from lib.labellers import truth as t
from lib.labellers.target import votes

HAPPY, NEUTRAL, SAD = (EXPRESSIONS.index(name) for name in ("happy", "neutral", "sad"))


def said(choices, sure=0.7):
    """Return the votes of labellers l0, l1, … that are `sure` of EXPRESSIONS[choice] and share the rest; -1: no answer."""
    rows = []
    for (face, labeller), choice in np.ndenumerate(np.asarray(choices)):
        if choice >= 0:
            scores = np.full(7, (1 - sure) / 6)
            scores[choice] = sure
            rows += [(f"f{face}", f"l{labeller}", name, score) for name, score in zip(EXPRESSIONS, scores, strict=True)]
    labels = pd.DataFrame(rows, columns=["face_id", "labeller", "expression", "score"])
    faces, labellers = ([f"{letter}{k}" for k in range(count)] for letter, count in zip("fl", np.shape(choices), strict=True))
    return votes(labels, faces=faces, labellers=labellers)


def true(expressions, objects=None, **more) -> pd.DataFrame:
    """Return a table of truth for the faces f0, f1, …; expressions as places in EXPRESSIONS."""
    names = [EXPRESSIONS[place] for place in expressions]
    table = pd.DataFrame({"face_id": [f"f{k}" for k in range(len(names))], "expression": names, "intensity": 1.0, **more})
    table["object"] = table["face_id"] if objects is None else objects
    table[list(EXPRESSIONS)] = np.eye(7)[list(expressions)].reshape(-1, 7)
    return table


def noisy(faces: int, accuracies, seed: int = 0):
    """Return truth and choices of independent labellers, right with their accuracy, else one of the other six."""
    generator = np.random.default_rng(seed)
    planted = generator.integers(7, size=faces)
    wrong = (planted[:, None] + generator.integers(1, 7, size=(faces, len(accuracies)))) % 7
    return planted, np.where(generator.random((faces, len(accuracies))) < accuracies, planted[:, None], wrong)


# ---- the truth of found faces


@pytest.fixture
def images():
    """Picture p has two planted faces, the first is meant; q says a mixture; r says nothing; s was misfound."""
    return pd.DataFrame({
        "image_id": list("pqrs"), "face_boxes": ["0,0,100,100;200,0,40,40", "10,10,50,50", "0,0,50,50", "0,0,20,20"],
        "expression": ["happy", "Sadness", "", "fear"], "soft_label": ["", "sad=0.600;neutral=0.400", "", "fear=1"],
        "intensity": ["0.8", "0.25", "", "1"], "identity": ["x", "x", "", "y"], "AU12": ["4.5", "0", "", ""], "material": ["wood"] * 4,
    })  # fmt: skip


@pytest.fixture
def faces():
    """The small face of p comes first; the face of s is elsewhere in the picture."""
    boxes = [("p", 200, 2), ("p", 5, 0), ("q", 12, 12), ("r", 0, 0), ("s", 300, 300)]
    sizes = [40, 90, 45, 50, 20]
    return pd.DataFrame([(f"f{k}", name, x, y, size, size) for k, ((name, x, y), size) in enumerate(zip(boxes, sizes, strict=True))],
                        columns=["face_id", "image_id", "x", "y", "width", "height"])  # fmt: skip


def test_only_the_planted_face_has_truth(faces, images):
    """The face that meets the first box has the picture's truth; a second face, a miss and a silent picture have none."""
    table = t.planted(faces, images).set_index("face_id")
    assert table.index.tolist() == ["f1", "f2"] and table["expression"].tolist() == ["happy", "sad"]
    assert table["object"].tolist() == ["x", "x"] and table["AU12"].tolist() == [4.5, 0]
    assert table.loc["f2", ["sad", "neutral", "happy"]].tolist() == [0.6, 0.4, 0]
    assert table["by intensity"].tolist() == [t.STRONG, t.FAINT] and table["by material"].tolist() == ["wood", "wood"]
    assert table.loc["f1", ["valence", "arousal"]].tolist() == pytest.approx(circumplex("happy", 0.8))
    assert table.loc["f2", "valence"] == pytest.approx(circumplex({"sad": 0.6, "neutral": 0.4}, 0.25)[0])
    assert t.planted(faces, images, 0.99).empty


def test_a_collection_without_truth_has_none(faces, images):
    """No expression column, or no face: an empty table with all columns."""
    full = t.planted(faces, images)
    empty = t.planted(faces, images.drop(columns="expression"))
    assert empty.empty and list(empty.columns) == list(full.columns)
    assert t.unused(faces, images.drop(columns="expression")).empty
    assert t.planted(faces.iloc[:0], images).empty


def test_without_boxes_a_pictures_only_face_has_its_truth(faces, images):
    """Nobody drew boxes: one face found is the face meant; of two, nobody knows which, and that is said."""
    for unboxed in (images.drop(columns="face_boxes"), images.assign(face_boxes=None)):
        assert t.planted(faces, unboxed)["face_id"].tolist() == ["f2", "f4"]
        assert t.unused(faces, unboxed)["reason"].tolist() == ["several faces were found, and no face_boxes say which is meant"]
    said = t.unused(faces, images)
    assert said["file"].tolist() == ["s"] and said["reason"].tolist() == [t.NO_FACE]
    assert t.unused(faces, images.assign(face_boxes=""))["reason"].tolist() == [t.NO_FACE] * 3  # somebody looked, and saw no face


@pytest.mark.parametrize(("named", "reason"), [("contempt", "none of the seven"), ("serene", "Unknown expression 'serene'")])
def test_what_is_none_of_the_seven_is_left_out_and_said(faces, images, named, reason):
    """A museum's own word or an eighth expression costs its own picture, and its reason names it."""
    images.loc[0, "expression"] = named
    assert t.planted(faces, images)["face_id"].tolist() == ["f2"]
    assert reason in t.unused(faces, images)["reason"][0]


def test_clear_and_planted_sets(faces, images):
    """A quarter of intensity is not clear, neutral always is; shares from .3 belong to the set, and the expression always does."""
    table = t.planted(faces, images)
    assert t.clear(table)["face_id"].tolist() == ["f1"]
    assert t.clear(true([NEUTRAL, HAPPY], intensity=0.0))["expression"].tolist() == ["neutral"]
    assert t.planted_sets(table).sum(axis=1).tolist() == [1, 2] and t.planted_sets(table, 0.5).sum(axis=1).tolist() == [1, 1]
    assert t.planted_sets(table, 0.9)[1, SAD] == 1


@pytest.mark.parametrize("text", ["happy", "happy=much", "hapy=1", "happy=-1;sad=2", "happy=0", "contempt=1"])
def test_wrong_mixtures_are_named(text):
    """Anything but expression=share is refused."""
    with pytest.raises(ParameterError, match="soft label|Unknown expression"):
        t.parse_mixture(text)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(EXPRESSIONS), st.floats(0.01, 1), min_size=1))
def test_mixtures_are_read_back(mixture):
    """What the atelier writes is read, with shares that sum to 1."""
    read = t.parse_mixture("; ".join(f"{name}={share:.6f}" for name, share in mixture.items()))
    assert sum(read.values()) == pytest.approx(1)
    assert read == {name: pytest.approx(share / sum(mixture.values()), abs=1e-4) for name, share in mixture.items()}


# ---- peers


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(bool, (20, 7)), arrays.arrays(bool, (20, 7)))
def test_measures_of_sets_equal_scikit_learn(predicted, planted):
    """Jaccard by sample, micro and macro F1, micro precision and recall, on any sets."""
    planted[:, 0] |= ~planted.any(axis=1)
    ours, there = t.measures(t.parts(predicted, planted).sum(axis=0)), list(np.flatnonzero(planted.any(axis=0)))
    options = {"zero_division": 0}
    assert ours["Jaccard"] == pytest.approx(peer.jaccard_score(planted, predicted, average="samples", **options))
    assert ours["micro F1"] == pytest.approx(peer.f1_score(planted, predicted, average="micro", **options))
    assert ours["macro F1"] == pytest.approx(peer.f1_score(planted, predicted, average="macro", labels=there, **options))
    assert ours["weighted F1"] == pytest.approx(peer.f1_score(planted, predicted, average="weighted", **options))
    assert ours["recall"] == pytest.approx(peer.recall_score(planted, predicted, average="micro", **options))
    assert np.nan_to_num(ours["precision"]) == pytest.approx(peer.precision_score(planted, predicted, average="micro", **options))
    assert ours["labels"] == pytest.approx(predicted.sum(axis=1).mean())


def test_quality_equals_scikit_learn():
    """Accuracy, balanced accuracy and F1 of single labels; unanswered faces do not count."""
    planted, choices = noisy(400, [0.8, 0.3], seed=1)
    choices[:50, 0] = -1
    table = t.quality(said(choices), true(planted), resamples=50).pivot(index="labeller", columns="measure", values="value")
    assert table.loc["l0", "accuracy"] == pytest.approx(peer.accuracy_score(planted[50:], choices[50:, 0]))
    assert table.loc["l0", "balanced accuracy"] == pytest.approx(peer.balanced_accuracy_score(planted[50:], choices[50:, 0]))
    assert table.loc["l1", "macro F1"] == pytest.approx(peer.f1_score(planted, choices[:, 1], average="macro"))
    each = t.per_expression(said(choices), true(planted), resamples=50).set_index(["labeller", "expression"])
    columns = np.column_stack(peer.precision_recall_fscore_support(planted, choices[:, 1]))
    assert each.loc["l1", ["precision", "recall", "f1", "faces"]].to_numpy() == pytest.approx(columns)
    counts = t.confusion(said(choices), true(planted)).query("labeller == 'l1'")["faces"].to_numpy().reshape(7, 7)
    assert (counts == peer.confusion_matrix(planted, choices[:, 1])).all()


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(float, 30, elements=st.sampled_from([0, 0.25, 0.5, 1])), arrays.arrays(bool, 30),
       arrays.arrays(int, 30, elements=st.integers(0, 3)))  # fmt: skip
def test_weighted_auc_equals_scikit_learn(scores, positive, weights):
    """With ties and weights, as a resample gives them; NaN where one kind is missing."""
    ours = t.weighted_auc(scores, positive, weights[None].astype(float))[0]
    if weights[positive].sum() and weights[~positive].sum():
        assert ours == pytest.approx(peer.roc_auc_score(positive, scores, sample_weight=weights))
    else:
        assert np.isnan(ours)


def test_concordance_in_closed_form():
    """Lin's concordance of equal values is 1, of values shifted by d it is 2 var / (2 var + d²); Pearson stays 1."""
    x = np.random.default_rng(0).normal(size=500)

    def of(y):
        return t.concordance(np.column_stack([np.ones(500), x, y, x**2, y**2, x * y]).sum(axis=0))

    assert of(x) == pytest.approx((1, 1))
    assert of(x + 0.5) == pytest.approx((2 * x.var() / (2 * x.var() + 0.25), 1))
    assert of(-x)[0] == pytest.approx(-2 * x.var() / (2 * x.var() + 4 * x.mean() ** 2)) and np.isnan(of(np.ones(500))[1])


# ---- planted noise


def test_planted_accuracy_is_found_with_the_interval_theory_gives():
    """Two labellers of known accuracy, found within three standard errors; the interval is as wide as the binomial's, copies or not."""
    planted, choices = noisy(1000, [0.8, 0.4], seed=2)
    table = t.quality(said(choices), true(planted)).query("measure == 'accuracy'").set_index("labeller")
    for name, chance in (("l0", 0.8), ("l1", 0.4)):
        error = np.sqrt(chance * (1 - chance) / 1000)
        assert abs(table.loc[name, "value"] - chance) < 3 * error
        assert table.loc[name, "high"] - table.loc[name, "low"] == pytest.approx(2 * 1.96 * error, rel=0.15)
    again = np.repeat(np.arange(1000), 3)
    copied = t.quality(said(choices[again]), true(planted[again], again)).query("measure == 'accuracy'").set_index("labeller")
    assert copied.loc["l0", "objects"] == 1000 and copied.loc["l0", "faces"] == 3000
    width = (table["high"] - table["low"])["l0"]
    assert (copied["high"] - copied["low"])["l0"] == pytest.approx(width, rel=0.1)


def test_uniting_independent_labellers():
    """Four independent labellers right with chance r: the union's recall is 1 - (1 - r)^4 and its precision falls below one labeller's;
    most votes beat the best labeller, and the interval of the difference says so."""
    chance = 0.6
    planted, choices = noisy(1500, [chance] * 4, seed=3)
    table, differences = t.compare(said(choices), true(planted))
    values = table.set_index(["way", "measure"])["value"]
    assert values["union", "recall"] == pytest.approx(1 - (1 - chance) ** 4, abs=0.02)
    assert values["union", "precision"] < chance - 0.1 and values["union", "labels"] > 1.5
    assert values["most votes", "Jaccard"] > values["l0", "Jaccard"] + 0.08 and values["l0", "labels"] == 1
    gain = differences.set_index(["way", "measure"])
    assert gain.loc[("most votes", "Jaccard"), "low"] > 0
    assert gain.loc[("union", "precision"), "high"] < 0 < gain.loc[("union", "recall"), "low"]
    row = gain.loc[("union", "Jaccard")]
    assert row["difference"] == pytest.approx(values["union", "Jaccard"] - values[row["best"], "Jaccard"])
    assert set(table.query("kind == 'labeller'")["way"]) == {"l0", "l1", "l2", "l3"}


def test_saying_the_commonest_is_the_least_to_beat():
    """Six of ten faces are neutral: saying so of every face overlaps with six tenths, whoever the labellers are."""
    planted = np.repeat([NEUTRAL, SAD], [60, 40])
    table, differences = t.compare(said(planted[:, None]), true(planted), resamples=20)
    row = table.query("kind == 'baseline' and measure == 'Jaccard'").iloc[0]
    assert row["way"] == "always neutral" and row["value"] == pytest.approx(0.6)
    assert "always neutral" not in set(differences["way"])


def test_uniting_copies_changes_nothing():
    """Four labellers that say the same: every difference is exactly 0, and so is its interval."""
    planted, choices = noisy(200, [0.5], seed=4)
    _, differences = t.compare(said(np.repeat(choices, 4, axis=1)), true(planted), resamples=50)
    assert (differences[["difference", "low", "high"]].abs() < 1e-12).all(axis=None)


def test_agreement_weights_silence_the_guesser():
    """Two good labellers and two that guess, louder: weighting by agreement beats the plain mean."""
    planted, choices = noisy(1200, [0.8, 0.8, 1 / 7, 1 / 7], seed=5)
    votes_ = said(choices)
    scores = votes_.scores.copy()
    scores[:, 2:] = np.where(scores[:, 2:] > 0.5, 0.97, 0.005)
    louder = type(votes_)(votes_.faces, votes_.labellers, scores, votes_.given, votes_.answered, votes_.choice)
    values = t.compare(louder, true(planted), resamples=20)[0].set_index(["way", "measure"])["value"]
    assert values["agreement-weighted", "Jaccard"] > values["soft mean", "Jaccard"] + 0.1


def test_all_are_compared_on_the_same_faces():
    """Faces that one labeller did not answer are left out, or are an empty set where that is asked for."""
    planted, choices = noisy(100, [1, 1])
    choices[:40, 1] = -1
    table, _ = t.compare(said(choices), true(planted), resamples=5)
    assert (table["faces"] == 60).all()
    whole, _ = t.compare(said(choices), true(planted), resamples=5, common=False)
    values = whole.set_index(["way", "measure"])["value"]
    assert (whole["faces"] == 100).all() and values["l1", "recall"] == 0.6 and values["union", "recall"] == 1


def test_a_labeller_that_always_says_sad_is_seen():
    """Its share of sad over the planted share; what it calls neutral faces; without truth the reference is the other labellers."""
    planted = np.repeat([NEUTRAL, SAD], [90, 10])
    choices = np.column_stack([np.full(100, SAD), planted])
    table = t.bias(said(choices), true(planted)).set_index(["labeller", "expression"])
    assert table.loc[("l0", "sad"), "ratio"] == pytest.approx(10) and table.loc[("l0", "neutral"), "ratio"] == 0
    assert table.loc[("l1", "sad"), "ratio"] == 1 and np.isnan(table.loc[("l1", "happy"), "ratio"])
    others = t.bias(said(choices)).set_index(["labeller", "expression"])
    assert others.loc[("l0", "sad"), "ratio"] == pytest.approx(10) and (others["against"] == "the others").all()
    assert t.called(said(choices), true(planted)).iloc[0].to_dict() == {"labeller": "l0", "called": "sad", "faces": 90, "share": 1.0}
    shares = t.distribution(said(choices), true(planted)).set_index(["labeller", "expression"])["share"]
    assert shares["planted", "neutral"] == 0.9 and shares["l0", "sad"] == 1
    assert "planted" not in set(t.distribution(said(choices))["labeller"])
    with pytest.raises(ParameterError, match="Did you mean 'neutral'"):
        t.called(said(choices), true(planted), "neutrl")


def test_accuracy_by_group():
    """Clear faces are read, faint ones are not; small groups are left out."""
    planted = np.full(105, HAPPY)
    choices = np.r_[np.full(50, HAPPY), np.full(50, NEUTRAL), np.full(5, HAPPY)][:, None]
    strength = np.repeat([t.STRONG, t.FAINT, t.MIDDLE], [50, 50, 5])
    table = t.by_group(said(choices), true(planted, **{"by intensity": strength}), resamples=20).set_index("group")
    assert table["accuracy"].to_dict() == {t.STRONG: 1.0, t.FAINT: 0.0} and (table["by"] == "intensity").all()


def test_calibration_of_a_labeller_that_knows_how_sure_it_is():
    """Right as often as it says: error near 0. Always sure and right half of the time: error one half."""
    generator = np.random.default_rng(6)
    sure = generator.uniform(0.3, 0.95, size=4000)
    planted = generator.integers(7, size=4000)
    choices = np.where(generator.random(4000) < sure, planted, (planted + 1) % 7)[:, None]
    votes_ = said(choices)
    scores = np.where(np.arange(7) == choices, sure[:, None], (1 - sure[:, None]) / 6)[:, None]
    honest = type(votes_)(votes_.faces, votes_.labellers, scores, votes_.given, votes_.answered, votes_.choice)
    summary = t.calibration_summary(honest, true(planted), resamples=20).iloc[0]
    assert summary["ece"] < 0.03 and summary["confidence"] == pytest.approx(summary["accuracy"], abs=0.02)
    assert summary["brier"] == pytest.approx(((scores[:, 0] - np.eye(7)[planted]) ** 2).sum(axis=1).mean())
    table = t.calibration(honest, true(planted))
    assert table["faces"].sum() == 4000 and (table["confidence"].between(table["from"], table["to"])).all()
    loud = t.calibration_summary(said(noisy(4000, [0.5])[1], sure=1), true(noisy(4000, [0.5])[0]), resamples=20).iloc[0]
    assert loud["ece"] == pytest.approx(0.5, abs=0.03) and loud["brier"] == pytest.approx(1.0, abs=0.06)
    with pytest.raises(ParameterError, match="0 bins"):
        t.calibration(honest, true(planted), 0)


def test_units_against_planted_units():
    """A labeller that sees a unit with noise has an AUC near 1 and a small error; one that guesses .5; absent units say so."""
    generator, count = np.random.default_rng(7), 300
    truth = true(generator.integers(7, size=count), AU12=generator.uniform(0, 5, count), AU04=0.0)
    seen = truth["AU12"] + generator.normal(0, 0.3, count)
    long = pd.concat([
        pd.DataFrame({"face_id": truth["face_id"], "labeller": "l0", "unit": 12, "presence": np.nan, "intensity": seen}),
        pd.DataFrame({"face_id": truth["face_id"], "labeller": "l1", "unit": 12, "presence": generator.random(count), "intensity": np.nan}),
        pd.DataFrame({"face_id": truth["face_id"], "labeller": "l0", "unit": 4, "presence": 0.0, "intensity": 0.0}),
        pd.DataFrame({"face_id": truth["face_id"], "labeller": "l0", "unit": 45, "presence": 0.0, "intensity": 0.0}),
    ])  # fmt: skip
    table = t.units(long, truth, resamples=100).set_index(["labeller", "unit"])
    assert set(table.index) == {("l0", 12), ("l1", 12), ("l0", 4)}
    assert table.loc[("l0", 12), "auc"] == pytest.approx(peer.roc_auc_score(truth["AU12"] >= 1, seen))
    assert table.loc[("l0", 12), "f1"] == pytest.approx(peer.f1_score(truth["AU12"] >= 1, seen >= 1))
    assert table.loc[("l0", 12), "correlation"] > 0.95 and table.loc[("l0", 12), "mean_error"] < 0.3
    guess = table.loc[("l1", 12)]
    assert guess["low"] < 0.5 < guess["high"] and np.isnan(guess["correlation"])
    assert np.isnan(table.loc[("l0", 4), "auc"]) and table.loc[("l0", 4), "reason"] == "planted on no face"


def test_affect_against_the_circumplex():
    """Exact values concord fully; the same values on other faces do not."""
    generator = np.random.default_rng(8)
    truth = true(generator.integers(7, size=200), valence=generator.uniform(-1, 1, 200), arousal=generator.uniform(-1, 1, 200))
    exact = truth[["face_id", "valence", "arousal"]].assign(labeller="l0")
    mixed = exact.assign(labeller="l1", valence=exact["valence"].to_numpy()[::-1])
    table = t.affect(pd.concat([exact, mixed]), truth, resamples=50).set_index(["labeller", "dimension"])
    assert table.loc[("l0", "valence"), ["ccc", "correlation", "mean_error"]].tolist() == pytest.approx([1, 1, 0])
    assert abs(table.loc[("l1", "valence"), "ccc"]) < 0.3 and table.loc[("l1", "arousal"), "ccc"] == pytest.approx(1)


# ---- nothing to say


@pytest.mark.parametrize("choices", [np.zeros((0, 2), int), np.full((5, 2), -1), np.full((5, 1), 3), np.zeros((4, 0), int)])
def test_nothing_to_measure_is_no_error(choices):
    """No face, no answer, one labeller, no labeller: tables with their columns, values NaN at worst."""
    votes_, truth = said(choices), true(np.full(len(choices), SAD), **{"by intensity": t.STRONG})
    for measured in (t.quality, t.per_expression, t.by_group, t.confusion, t.calibration, t.calibration_summary, t.bias, t.distribution):
        assert list(measured(votes_, truth).columns)
    table, differences = t.compare(votes_, truth, resamples=5)
    assert list(table.columns) == t.COMPARISON_COLUMNS and list(differences.columns) == t.DIFFERENCE_COLUMNS
    assert list(t.bias(votes_).columns) == t.BIAS_COLUMNS
    nothing = pd.DataFrame(columns=["face_id", "labeller", "unit", "presence", "intensity", "valence", "arousal"])
    assert t.units(nothing, truth).empty and t.affect(nothing, truth.assign(valence=0.0, arousal=0.0)).empty
