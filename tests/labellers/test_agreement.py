"""Agreement between labellers: published examples, peers (scikit-learn, krippendorff), planted noise, cases that say nothing."""

import time

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import cohen_kappa_score, jaccard_score

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.labellers import agreement
from lib.labellers.target import votes

# Fleiss (1971), table 1: six psychiatrists put thirty patients into one of five diagnoses.
FLEISS = """00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
            00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"""
# Krippendorff (2011), Computing Krippendorff's alpha-reliability, section C: four observers, twelve units, missing answers (0).
KRIPPENDORFF = np.array([[1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
                         [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0]])  # fmt: skip


def said(choices: np.ndarray, rule="argmax", threshold=0.5, second=None):
    """Return the votes of labellers whose largest score is EXPRESSIONS[choice]; -1 is no answer. choices: (faces, labellers)."""
    rows = []
    for (face, labeller), choice in np.ndenumerate(np.asarray(choices)):
        if choice >= 0:
            scores = np.zeros(7)
            scores[choice] = 0.6
            scores[(choice + 1) % 7 if second is None else second[face, labeller]] += 0.4
            rows += [(f"f{face}", f"l{labeller}", name, score) for name, score in zip(EXPRESSIONS, scores, strict=True)]
    labels = pd.DataFrame(rows, columns=["face_id", "labeller", "expression", "score"])
    faces, labellers = ([f"{letter}{k}" for k in range(count)] for letter, count in zip("fl", np.shape(choices), strict=True))
    return votes(labels, rule, threshold, faces=faces, labellers=labellers)


def noisy(faces: int, accuracies, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return truth (n,) and choices (n, m): each labeller is right with its accuracy, else says one of the other six."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(7, size=faces)
    wrong = (truth[:, None] + generator.integers(1, 7, size=(faces, len(accuracies)))) % 7
    return truth, np.where(generator.random((faces, len(accuracies))) < accuracies, truth[:, None], wrong)


# ---- closed forms, published examples and peers


def test_fleiss_kappa_of_the_published_example():
    """Fleiss (1971): observed .556, chance .220, kappa .430."""
    counts = [[int(digit) for digit in word] for word in FLEISS.split()]
    assert agreement.fleiss_kappa(counts) == pytest.approx((0.430, 0.556, 0.220), abs=0.0006)
    with pytest.raises(ParameterError, match="the same number"):
        agreement.fleiss_kappa([[2, 1], [1, 1]])
    with pytest.raises(ParameterError, match="two or more"):
        agreement.fleiss_kappa([[1, 0], [0, 1]])


def test_alpha_of_the_published_example():
    """Krippendorff (2011): nominal alpha .743 with missing answers; our sums give the library's number to the last digit."""
    values, known = KRIPPENDORFF.T, KRIPPENDORFF.T > 0
    assert agreement.alpha(values, known) == pytest.approx(0.743, abs=0.0006)
    parts, distances = agreement.alpha_parts(values, known)
    assert agreement.alpha_of(parts.sum(axis=0), distances)[0] == pytest.approx(agreement.alpha(values, known), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(int, (12, 4), elements=st.integers(-1, 6)))
def test_our_numbers_equal_the_libraries(choices):
    """Cohen's kappa equals scikit-learn's and alpha the library's, on any choices with any gaps."""
    votes_ = said(choices)
    for row in agreement.pairwise(votes_, resamples=2).itertuples():
        first, second = (choices[:, int(name[1:])] for name in (row.first, row.second))
        both = (first >= 0) & (second >= 0)
        assert row.faces == both.sum()
        if np.isfinite(row.kappa):
            assert row.kappa == pytest.approx(cohen_kappa_score(first[both], second[both]), abs=1e-9)
        else:
            assert row.reason
    for distance in (agreement.nominal_distance, agreement.jaccard_distance, agreement.masi_distance):
        value = agreement.alpha(choices + 1, choices >= 0, distance)
        parts, distances = agreement.alpha_parts(choices + 1, choices >= 0, distance)
        assert agreement.alpha_of(parts.sum(axis=0), distances)[0] == pytest.approx(value, abs=1e-9, nan_ok=True)


def test_alpha_with_gaps_equals_the_library_on_reliability_data():
    """The same faces given to the library as a table with NaN."""
    _, choices = noisy(200, [0.8, 0.6, 0.4])
    choices[np.random.default_rng(1).random(choices.shape) < 0.2] = -1
    peer = krippendorff.alpha(np.where(choices < 0, np.nan, choices).T, level_of_measurement="nominal")
    row = agreement.overall(said(choices), resamples=5).set_index("measure").loc["Krippendorff's alpha"]
    assert row["value"] == pytest.approx(peer, abs=1e-12) and row["faces"] == ((choices >= 0).sum(axis=1) > 1).sum()
    assert (row["observed"] - row["chance"]) / (1 - row["chance"]) == pytest.approx(peer, abs=1e-9)


def test_ac1_in_closed_form():
    """Gwet (2008): of 100 faces 90 agree on one class and 5 + 5 differ; kappa falls below 0, AC1 stays high."""
    table = np.zeros((2, 2))
    table[0, 0], table[0, 1], table[1, 0] = 90, 5, 5
    share = (0.95 + 0.95) / 2
    chance = 2 * share * (1 - share)
    assert agreement.ac1_of(table) == pytest.approx((0.90 - chance) / (1 - chance))
    assert agreement.kappa_of(table)[0] < 0 < 0.85 < agreement.ac1_of(table)


def test_set_distances():
    """Jaccard and MASI of {happy} and {happy, sad} (nested), {happy, sad} and {happy, fear} (crossing), equal, disjoint, empty."""
    happy, sad, fear = (int(agreement.BITS[EXPRESSIONS.index(name)]) for name in ("happy", "sad", "fear"))
    first, second = np.array([happy, happy + sad, happy, happy, 0, 0]), np.array([happy + sad, happy + fear, happy, sad, 0, sad])
    assert agreement.jaccard_distance(first, second) == pytest.approx([1 / 2, 2 / 3, 0, 1, 0, 1])
    assert agreement.masi_distance(first, second) == pytest.approx([1 - 1 / 2 * 2 / 3, 1 - 1 / 3 * 1 / 3, 0, 1, 0, 1])


def test_overlap_of_sets_equals_scikit_learn():
    """The mean Jaccard of two labellers' sets of votes, against the peer."""
    generator = np.random.default_rng(5)
    votes_ = said(generator.integers(7, size=(50, 2)), "threshold", 0.4, generator.integers(7, size=(50, 2)))
    peer = jaccard_score(votes_.given[:, 0], votes_.given[:, 1], average="samples")
    assert agreement.pairwise(votes_, resamples=2).loc[0, "jaccard"] == pytest.approx(peer)
    assert 1 < votes_.given.sum(axis=2).mean() < 2


# ---- planted noise


def test_planted_agreement_is_found():
    """Labellers right with chance p and q on seven equal classes: kappa is the closed form, and the interval holds it."""
    p, q = 0.8, 0.6
    _, choices = noisy(3000, [p, q, 0.8], seed=2)
    observed = p * q + (1 - p) * (1 - q) / 6
    row = agreement.pairwise(said(choices)).iloc[0]
    kappa = (observed - 1 / 7) / (6 / 7)
    assert row["kappa"] == pytest.approx(kappa, abs=0.04) and row["low"] < kappa < row["high"]
    assert row["observed"] == pytest.approx(observed, abs=0.03) and row["chance"] == pytest.approx(1 / 7, abs=0.01)


def test_unrelated_labellers_do_not_agree():
    """Labellers that guess: every measure is near 0 and its interval holds 0."""
    table = agreement.overall(said(np.random.default_rng(4).integers(7, size=(1500, 4))))
    assert (table["value"].abs() < 0.03).all() and (table["low"] < 0.01).all() and (table["high"] > -0.01).all()


def test_alpha_of_sets_differs_only_where_there_are_sets():
    """With one vote an answer the three alphas are one number; where second votes are shared, sets agree more than largest scores."""
    truth, choices = noisy(300, [0.7, 0.7, 0.7])
    one = agreement.overall(said(choices), resamples=5).set_index("measure")["value"]
    assert one["Krippendorff's alpha"] == pytest.approx(one["alpha of sets, Jaccard"]) == pytest.approx(one["alpha of sets, MASI"])
    second = np.repeat(truth[:, None], 3, axis=1)  # a labeller that is wrong gives the truth its second vote
    several = agreement.overall(said(choices, "threshold", 0.4, second), resamples=5).set_index("measure")["value"]
    assert several["alpha of sets, Jaccard"] > several["alpha of sets, MASI"] > several["Krippendorff's alpha"] + 0.02
    both = agreement.overall(said(choices), resamples=5, several=said(choices, "threshold", 0.4, second)).set_index("measure")["value"]
    assert both.to_dict() == pytest.approx(several.to_dict()), "largest scores of the one, sets of the other"


def test_intervals_are_over_objects_not_faces():
    """Ten photographs of each object say no more than one: the interval does not shrink."""
    _, choices = noisy(60, [0.7, 0.7], seed=7)
    single = agreement.pairwise(said(choices)).iloc[0]
    tenfold = said(np.repeat(choices, 10, axis=0))
    objects = {face: f"object {number // 10}" for number, face in enumerate(tenfold.faces)}
    copied = agreement.pairwise(tenfold, objects).iloc[0]
    fooled = agreement.pairwise(tenfold).iloc[0]
    assert copied["kappa"] == pytest.approx(single["kappa"]) and copied["objects"] == 60 and copied["faces"] == 600
    assert copied["high"] - copied["low"] == pytest.approx(single["high"] - single["low"], rel=0.05)
    assert fooled["high"] - fooled["low"] < 0.5 * (copied["high"] - copied["low"])


def test_each_expression_has_its_own_agreement():
    """Labellers that agree on happy and guess among the others: alpha is 1 for happy, near 0 for the rest; never voted is a reason."""
    generator = np.random.default_rng(8)
    choices = generator.choice([0, 2, 5], size=(900, 3))
    choices[:300] = EXPRESSIONS.index("happy")
    table = agreement.per_expression(said(choices), resamples=100).set_index("expression")
    assert table.loc["happy", "alpha"] == pytest.approx(1) and table.loc["happy", "share"] == pytest.approx(1 / 3)
    assert (table.loc[["angry", "fear", "sad"], "alpha"] < 0.3).all()
    peer = np.mean([cohen_kappa_score(choices[:, a] == 5, choices[:, b] == 5) for a, b in ((0, 1), (0, 2), (1, 2))])
    assert table.loc["sad", "kappa"] == pytest.approx(peer)
    assert np.isnan(table.loc["surprise", "alpha"]) and table.loc["surprise", "reason"] == "nobody ever votes for it"


def test_weights_follow_agreement():
    """The labeller that guesses gets the least weight, and none below 0."""
    _, choices = noisy(800, [0.9, 0.9, 1 / 7])
    weights = agreement.weights(said(choices))
    assert weights["l0"] > 0.3 and weights["l1"] > 0.3 and 0 <= weights["l2"] < 0.1
    assert agreement.weights(said(choices[:, :1])) == {"l0": 0.0}


def test_confusion_is_what_the_other_says():
    """Rows sum to 1; a labeller that calls every sad face neutral is seen."""
    choices = np.array([[5, 4], [5, 4], [3, 3], [3, -1]])
    table = agreement.confusion(said(choices)).set_index(["first", "second", "said", "answered"])
    assert table.loc[("l0", "l1", "sad", "neutral"), ["faces", "share"]].tolist() == [2, 1]
    assert table.loc[("l0", "l1", "happy", "happy"), "faces"] == 1, "no answer is not counted"
    assert table.loc[("l1", "l0", "neutral", "sad"), "share"] == 1
    assert agreement.confusion(said(choices[:, :1])).empty


def test_unanimity_of_a_face():
    """Three of three agree: 1; two of three: a third of the pairs; one answer: NaN."""
    table = agreement.unanimity(said([[3, 3, 3], [3, 3, 5], [3, -1, -1], [-1, -1, -1]]))
    assert table["agreement"].tolist()[:2] == pytest.approx([1, 1 / 3]) and table["agreement"].iloc[2:].isna().all()
    assert table["plurality"].tolist() == ["happy", "happy", "happy", ""] and table["answers"].tolist() == [3, 3, 1, 0]


# ---- groups


def test_agreement_by_group():
    """Marble faces agree, wooden ones do not; a group below the minimum is left out; files of one object are one."""
    _, close = noisy(100, [1, 1, 1], seed=1)
    _, apart = noisy(100, [1 / 7] * 3, seed=2)
    votes_ = said(np.vstack([close, apart, close[:5]]))
    images = pd.DataFrame({"image_id": [f"i{k}" for k in range(205)], "object": [f"o{k // 2}" for k in range(205)],
                           "material": ["marble"] * 100 + ["wood"] * 100 + ["gold"] * 5,
                           "yaw": ["-3"] * 100 + ["30"] * 105, "damage": [""] * 200 + ["chips 0.5"] * 5})  # fmt: skip
    faces = pd.DataFrame({"face_id": votes_.faces, "image_id": images["image_id"]})
    table = agreement.by_group(votes_, agreement.described(faces, images), minimum=20, resamples=50).set_index(["by", "group"])
    assert table.loc[("material", "marble"), "alpha"] == pytest.approx(1) and abs(table.loc[("material", "wood"), "alpha"]) < 0.1
    assert ("material", "gold") not in table.index and table.loc[("material", "wood"), ["faces", "objects"]].tolist() == [100, 50]
    assert table.loc[("turn", "under 20°"), "faces"] == 100 and set(table.reset_index()["by"]) == {"material", "turn", "damage"}
    with pytest.raises(ParameterError, match="picture 'i0'"):
        agreement.described(faces, images.iloc[1:])


def test_the_object_is_identity_then_object_then_picture():
    """What each picture shows, from the best column that says it."""
    images = pd.DataFrame({"image_id": ["a", "b", "c"], "object": ["o", "p", ""], "identity": ["x", None, ""]})
    assert agreement.object_of(images).tolist() == ["x", "p", "c"]
    assert agreement.object_of(images[["image_id"]]).tolist() == ["a", "b", "c"]


# ---- nothing to say


@pytest.mark.parametrize(("choices", "reason"), [
    (np.full((30, 1), 3), agreement.ONE),
    (np.full((30, 3), 3), agreement.ALWAYS),
    (np.full((30, 3), -1), agreement.NEVER),
    (np.tile([[3, -1], [-1, 5]], (10, 1)), agreement.NEVER),
    (np.zeros((0, 3), int), agreement.NEVER),
])  # fmt: skip
def test_what_cannot_be_said_is_nan_with_a_reason(choices, reason):
    """One labeller, one expression only, no answer, no common face, no face at all: NaN, a reason, no error and no warning."""
    votes_ = said(choices)
    table = agreement.overall(votes_, resamples=5).set_index("measure")
    assert table[["value", "low", "high"]].isna().all(axis=None) and (table["reason"] != "").all()
    assert table.loc["Krippendorff's alpha", "reason"] == reason
    assert agreement.pairwise(votes_, resamples=5)["kappa"].isna().all()
    assert agreement.per_expression(votes_, resamples=5)["alpha"].isna().all()
    assert set(agreement.weights(votes_).values()) <= {0.0}


def test_one_object_has_no_interval():
    """Photographs of a single object: the value stands, the interval is unknown."""
    _, choices = noisy(40, [0.8, 0.8])
    votes_ = said(choices)
    row = agreement.pairwise(votes_, dict.fromkeys(votes_.faces, "o")).iloc[0]
    assert np.isfinite(row["kappa"]) and np.isnan(row["low"])
    with pytest.raises(ParameterError, match="no object for the face 'f0'"):
        agreement.pairwise(votes_, {"f1": "o"})


def test_the_bootstrap_is_fast():
    """500 resamples of 2,000 faces and five labellers, everything the notebook asks for, within ten seconds."""
    _, choices = noisy(2000, [0.8, 0.7, 0.6, 0.5, 0.4])
    votes_ = said(choices)
    start = time.perf_counter()
    for measured in (agreement.pairwise, agreement.overall, agreement.per_expression):
        measured(votes_)
    assert time.perf_counter() - start < 10
