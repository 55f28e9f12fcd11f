"""The multi-label target: votes by rule, ways of uniting, missing answers, statistics in closed form."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.labellers import target as t

ANGRY, DISGUST, FEAR, HAPPY, NEUTRAL, SAD, SURPRISE = np.eye(7)


def labels_of(scores: dict) -> pd.DataFrame:
    """Return the long table of {(face, labeller): seven scores}."""
    rows = [(face, labeller, name, score) for (face, labeller), values in scores.items()
            for name, score in zip(EXPRESSIONS, values, strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=t.COLUMNS)


@pytest.fixture
def labels():
    """Three labellers: face a split two to one, b unanimous, c answered by one only, d by none (NaN)."""
    return labels_of({
        ("a", "one"): 0.6 * HAPPY + 0.4 * SAD, ("a", "two"): 0.9 * SAD + 0.1 * HAPPY, ("a", "three"): 0.6 * HAPPY + 0.4 * NEUTRAL,
        ("b", "one"): SAD, ("b", "two"): 0.5 * SAD + 0.5 * FEAR - 0.01 * FEAR, ("b", "three"): SAD,
        ("c", "two"): 0.7 * FEAR + 0.3 * SURPRISE,
        ("d", "one"): np.full(7, np.nan),
    })  # fmt: skip


def names(table: pd.DataFrame) -> dict:
    return {row.face_id: [name for name in EXPRESSIONS if getattr(row, name) == 1] for row in table.itertuples()}


def test_a_vote_is_the_largest_score_or_all_above_a_threshold(labels):
    """Arg-max gives one vote an answer; a threshold gives several or none."""
    said = t.votes(labels)
    assert said.faces == tuple("abcd") and said.labellers == ("one", "two", "three")
    assert said.given.sum(axis=2).tolist() == [[1, 1, 1], [1, 1, 1], [0, 1, 0], [0, 0, 0]]
    several = t.votes(labels, "threshold", 0.4)
    assert several.given.sum(axis=2).tolist() == [[2, 1, 2], [1, 2, 1], [0, 1, 0], [0, 0, 0]]
    assert t.votes(labels, "threshold", 0.95).given.sum(axis=2).tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert (several.choice == said.choice).all(), "the largest score does not depend on the rule"


def test_two_equal_best_expressions_are_two_votes():
    """Who names two expressions votes for both, also where their scores are sums of fractions; the choice is the first."""
    said = t.votes(labels_of({("a", "one"): 0.5 * HAPPY + 0.5 * SAD, ("b", "one"): (0.1 + 0.2) * FEAR + 0.3 * SAD}))
    assert said.given.sum(axis=2).tolist() == [[2], [2]] and said.choice.tolist() == [[3], [2]]
    assert names(t.target(said)) == {"a": ["happy", "sad"], "b": ["fear", "sad"]}


def test_who_answered_few_faces_is_not_heard_where_all_have_to_answer(labels):
    """Of labellers with 2, 3 and 2 answers all are heard at a half, at nine tenths the busiest alone."""
    said = t.votes(labels)
    assert said.heard().labellers == ("one", "two", "three") and said.heard(0.9).labellers == ("two",)
    nobody = t.votes(labels[labels["face_id"] == "d"], faces=["d"])
    assert nobody.heard().labellers == nobody.labellers


def test_a_missing_answer_is_missing_not_zero(labels):
    """Absent rows and NaN are no answer: no choice, no vote, and no part in a mean."""
    said = t.votes(labels)
    assert said.answered.tolist() == [[True] * 3, [True] * 3, [False, True, False], [False] * 3]
    assert np.isnan(said.scores[2, 0]).all() and said.choice[2].tolist() == [-1, 2, -1]
    soft = t.target(said, "soft_mean").set_index("face_id")
    assert soft.loc["c", "fear"] == pytest.approx(0.7), "the mean is over the one labeller that answered"
    assert soft.loc["d"].isna().all()


def test_the_ways_of_uniting_on_a_small_table(labels):
    """Each kind, by hand: union, more than half, most votes, mean, threshold on the mean."""
    said = t.votes(labels)
    assert names(t.target(said)) == {"a": ["happy", "sad"], "b": ["sad"], "c": ["fear"], "d": []}
    assert names(t.target(said, "majority")) == {"a": ["happy"], "b": ["sad"], "c": ["fear"], "d": []}
    assert names(t.target(said, "plurality")) == {"a": ["happy"], "b": ["sad"], "c": ["fear"], "d": []}
    soft = t.target(said, "soft_mean").set_index("face_id")
    assert soft.loc["a", ["happy", "sad", "neutral"]].tolist() == pytest.approx([1.3 / 3, 1.3 / 3, 0.4 / 3])
    assert names(t.target(said, "threshold", 0.4)) == {"a": ["happy", "sad"], "b": ["sad"], "c": ["fear"], "d": []}
    assert names(t.target(said, "threshold", 0.75)) == {"a": [], "b": ["sad"], "c": [], "d": []}


def test_a_tie_of_votes_goes_to_the_larger_mean_score():
    """Two labellers, one vote each: no majority, and the plurality is the surer one's."""
    said = t.votes(labels_of({("a", "one"): 0.6 * HAPPY + 0.4 * FEAR, ("a", "two"): 0.9 * SAD + 0.1 * FEAR}))
    assert names(t.target(said, "majority")) == {"a": []} and names(t.target(said, "plurality")) == {"a": ["sad"]}
    assert names(t.target(t.votes(labels_of({("a", "one"): 0.4 * HAPPY}), "threshold"), "plurality")) == {"a": []}, "no vote, no label"


def test_agreement_weights_move_the_mean(labels):
    """The weighted mean is the closed form over those that answered; weights of 0 for all of them count equally."""
    said = t.votes(labels)
    soft = t.target(said, "agreement_weighted", weights={"one": 0.5, "two": 0.0, "three": 0.25}).set_index("face_id")
    assert soft.loc["a", "sad"] == pytest.approx(0.4 * 0.5 / 0.75) and soft.loc["a", "happy"] == pytest.approx(0.6)
    assert soft.loc["c", "fear"] == pytest.approx(0.7), "the only one that answered has weight 0"
    assert soft.loc["d"].isna().all()
    equal = t.target(said, "agreement_weighted", weights=dict.fromkeys(said.labellers, 3.0))
    pd.testing.assert_frame_equal(equal, t.target(said, "soft_mean"))


def test_an_answer_of_zeros_votes_for_nothing():
    """A labeller whose seven scores are 0 has answered, and says none of the seven."""
    said = t.votes(labels_of({("a", "one"): np.zeros(7), ("a", "two"): HAPPY}))
    assert said.answered.all() and said.choice.tolist() == [[-1, EXPRESSIONS.index("happy")]]
    assert names(t.target(said)) == {"a": ["happy"]}


def test_faces_and_labellers_can_be_asked_for(labels):
    """Faces without any answer are kept as rows; an order can be asked for; a part keeps its numbers."""
    said = t.votes(labels, faces=["z", "b", "a"], labellers=["two", "one"])
    assert said.faces == ("z", "b", "a") and said.labellers == ("two", "one") and not said.answered[0].any()
    part = said.of(["a"], ["one"])
    assert part.faces == ("a",) and part.given.shape == (1, 1, 7) and part.given[0, 0, 3] == 1
    assert said.of(np.array([True, False, True])).faces == ("z", "a")
    with pytest.raises(ParameterError, match="Received the labeller 'tow', expected one.*'two'"):
        said.of(labellers=["tow"])


def test_hardened_keeps_faces_without_an_answer_empty(labels):
    """A soft target becomes its largest score; NaN becomes no label."""
    hard = t.hardened(t.target(t.votes(labels), "soft_mean"))
    assert names(hard)["d"] == [] and names(hard)["b"] == ["sad"] and hard[list(EXPRESSIONS)].dtypes.eq(np.uint8).all()


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(float, (6, 3, 7), elements=st.floats(0, 1)), arrays.arrays(bool, (6, 3)))
def test_the_union_contains_every_other_way(scores, missing):
    """Whatever the scores: majority and plurality lie within the union, and the soft mean between the least and the largest score."""
    scores[missing] = np.nan
    labels = labels_of({(f"f{face}", f"l{number}"): scores[face, number] for face in range(6) for number in range(3)})
    said = t.votes(labels)
    united = t.multi_hot(t.target(said))
    assert (t.multi_hot(t.target(said, "majority")) <= united).all() and (t.multi_hot(t.target(said, "plurality")) <= united).all()
    soft = t.target(said, "soft_mean")[list(EXPRESSIONS)].to_numpy()
    known = ~missing.all(axis=1)
    assert np.isnan(soft[~known]).all()
    if known.any():
        assert (soft[known] <= np.nanmax(scores[known], axis=1) + 1e-12).all()
        assert (soft[known] >= np.nanmin(scores[known], axis=1) - 1e-12).all()


def test_the_union_finds_what_any_finds():
    """Independent labellers that each find an expression with chance r: the union finds it with chance 1 - product of (1 - r)."""
    generator, chances, count = np.random.default_rng(3), (0.3, 0.5, 0.6), 4000
    scores = {}
    for number, chance in enumerate(chances):
        found = generator.random(count) < chance
        scores |= {(f"f{face}", f"l{number}"): HAPPY if found[face] else NEUTRAL for face in range(count)}
    share = t.target(t.votes(labels_of(scores)))["happy"].mean()
    assert share == pytest.approx(1 - np.prod(1 - np.array(chances)), abs=0.02)


# ---- statistics


@pytest.fixture
def small():
    """Five faces: {happy}, {happy, sad}, {happy, sad, fear}, {neutral}, {}."""
    rows = [HAPPY, HAPPY + SAD, HAPPY + SAD + FEAR, NEUTRAL, np.zeros(7)]
    table = pd.DataFrame(np.array(rows, np.uint8), columns=list(EXPRESSIONS))
    table.insert(0, "face_id", list("abcde"))
    return table


def test_statistics_in_closed_form(small):
    """Cardinality 7/4, density a seventh of it, imbalance the mean of 3/1, 3/3, 3/1, 3/2; faces without a label are counted apart."""
    values = t.statistics(small).set_index("statistic")["value"]
    assert values["faces"] == 5 and values["without a label"] == 1 and values["distinct sets"] == 4
    assert values["cardinality"] == 7 / 4 and values["density"] == 1 / 4 and values["several labels"] == 0.5
    assert values["mean imbalance"] == pytest.approx((3 + 1 + 3 + 1.5) / 4)
    assert t.sizes(small)["faces"].tolist() == [1, 2, 1, 1]
    assert t.frequencies(small).set_index("expression")["share"].to_dict()["happy"] == 3 / 4


def test_sets_and_co_occurrence(small):
    """Sets are named in the vocabulary's order; of three happy faces two are also sad, of two sad faces both are happy."""
    sets = t.sets(small).set_index("labels")
    assert sets.loc["fear + happy + sad", "size"] == 3 and sets.loc["none", "size"] == 0 and sets["faces"].sum() == 5
    assert len(t.sets(small, most=2)) == 2
    both = t.co_occurrence(small).set_index(["first", "second"])
    assert both.loc[("happy", "sad"), "share"] == pytest.approx(2 / 3) and both.loc[("sad", "happy"), "share"] == 1
    assert both.loc[("happy", "happy"), "faces"] == 3 and np.isnan(both.loc[("disgust", "happy"), "share"])


def test_an_empty_target_has_statistics():
    """No face, or no label at all: NaN, never an error."""
    empty = t.target(t.votes(labels_of({}), faces=["a", "b"]))
    assert t.statistics(empty).set_index("statistic")["value"].isna().sum() == 4
    assert t.sets(empty)["labels"].tolist() == ["none"] and t.sizes(empty)["faces"].tolist() == [2]
    assert t.statistics(t.target(t.votes(labels_of({}))))["value"].iloc[0] == 0
    assert t.target(t.votes(labels_of({})), "soft_mean").empty


# ---- bad input


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda table: table.drop(columns="score"), "without score, expected face_id"),
    (lambda table: table.replace("happy", "hapy"), "Received the expression 'hapy'.*Did you mean 'happy'"),
    (lambda table: pd.concat([table, table.iloc[:1]]), "twice, expected one score"),
    (lambda table: table.assign(score=table["score"] * 100), "expected a number from 0 to 1"),
    (lambda table: table.assign(score="much"), "Received the score 'much'"),
    (lambda table: table.iloc[1:], "Received 6 scores of 'one' for the face 'a', expected all 7 or none"),
])  # fmt: skip
def test_wrong_labels_are_named(labels, spoil, message):
    """Each wrong table is refused with what was received and what to do."""
    with pytest.raises(ParameterError, match=message):
        t.votes(spoil(labels))


def test_wrong_parameters_are_named(labels):
    """Unknown rules and kinds get a hint; weights are asked for; soft targets have no sets."""
    said = t.votes(labels)
    with pytest.raises(ParameterError, match="Did you mean 'argmax'"):
        t.votes(labels, "arg_max")
    with pytest.raises(ParameterError, match="Did you mean 'majority'"):
        t.target(said, "majorty")
    with pytest.raises(ParameterError, match="threshold 0"):
        t.target(said, "threshold", 0)
    with pytest.raises(ParameterError, match="pass weights=agreement.weights"):
        t.target(said, "agreement_weighted")
    with pytest.raises(ParameterError, match="the weight None for the labeller 'two'"):
        t.target(said, "agreement_weighted", weights={"one": 1})
    with pytest.raises(ParameterError, match="harden it"):
        t.statistics(t.target(said, "soft_mean"))
