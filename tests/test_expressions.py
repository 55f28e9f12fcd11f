"""Expressions: names, class orders, Action Unit tables and multi-hot labels."""

from itertools import permutations, product

import numpy as np
import pytest

from lib import expressions
from lib.compendium.errors import ParameterError

# Typed by hand from each source's own publication or code, in its own spelling; kept apart from the library on purpose.
AS_PUBLISHED = {
    "sculpture": "Angry Disgust Fear Happy Neutral Sad Surprise",
    "fer2013": "angry disgust fear happy sad surprise neutral",
    "realtime": "angry disgust fear happy sad surprise neutral",
    "multitask": "Neutral Anger Disgust Fear Happiness Sadness Surprise",
    "raf_db": "Surprise Fear Disgust Happiness Sadness Anger Neutral",
    "arm": "Surprise Fear Disgust Happiness Sadness Anger Neutral",
    "lime_ekman": "Anger Disgust Fear Happiness Sadness Surprise",
    "openface_3": "neutral happy sad surprise fear disgust anger contempt",
}
ONE_WORD = {"anger": "angry", "happiness": "happy", "sadness": "sad"}
PAIRS = list(product(AS_PUBLISHED, repeat=2))


def published(source):
    return [ONE_WORD.get(word.lower(), word.lower()) for word in AS_PUBLISHED[source].split()]


def test_there_are_no_orders_but_the_published_ones():
    """Every order of the library has a hand-typed counterpart here."""
    assert set(expressions.ORDERS) == set(AS_PUBLISHED)


@pytest.mark.parametrize("source", AS_PUBLISHED)
def test_an_order_is_the_published_one(source):
    """Each source's class order equals the hand-typed one, and its own spelling is understood."""
    assert list(expressions.order(source)) == published(source)
    assert list(expressions.order(AS_PUBLISHED[source].split())) == published(source)


def test_table_two_order_is_the_canonical_one():
    """The seven expressions are in the order of the sculpture study's Table II."""
    assert expressions.EXPRESSIONS == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert sorted(expressions.EXPRESSIONS) == list(expressions.EXPRESSIONS)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_reordered_scores_follow_their_names(source, target):
    """A score stays with its name in every pair of orders, and classes the source lacks get the fill."""
    scores = {name: place + 1 for place, name in enumerate(published(source))}
    moved = expressions.reorder([list(scores.values())], source, target, fill=0, drop=True)
    assert moved.tolist() == [[scores.get(name, 0) for name in published(target)]]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_round_trip_changes_nothing(source, target):
    """Scores sent to another order and back are the same wherever that order has their class."""
    scores = np.random.default_rng(7).random((2, 3, len(published(source)))).astype(np.float32)
    there = expressions.reorder(scores, source, target, fill=np.nan, drop=True)
    back = expressions.reorder(there, target, source, fill=np.nan, drop=True)
    shared = [name in published(target) for name in published(source)]
    np.testing.assert_array_equal(back[..., shared], scores[..., shared])
    assert np.isnan(back[..., ~np.array(shared)]).all() and back.dtype == np.float32


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_missing_classes_are_refused_by_name(source, target):
    """Without fill and drop, a class that one of the two orders lacks raises an error naming it."""
    different = set(published(source)) ^ set(published(target))
    scores = np.zeros(len(published(source)))
    if not different:
        assert expressions.reorder(scores, source, target).shape == scores.shape
        return
    with pytest.raises(ParameterError) as failure:
        expressions.reorder(scores, source, target)
    assert any(name in str(failure.value) for name in different)


def test_every_permutation_of_the_seven_is_inverted():
    """Any order of the seven expressions, given as names, is brought back to the canonical one."""
    for names in permutations(expressions.EXPRESSIONS):
        scores = [expressions.EXPRESSIONS.index(name) for name in names]
        assert expressions.reorder(scores, names, "sculpture").tolist() == list(range(7))


def test_reordering_keeps_the_type_and_the_input():
    """Reordering copies: the input stays as it was and whole numbers stay whole numbers."""
    scores = np.arange(7, dtype=np.uint8)
    moved = expressions.reorder(scores, "sculpture", "fer2013")
    assert moved.dtype == np.uint8 and scores.tolist() == list(range(7)) and not np.shares_memory(moved, scores)
    assert expressions.reorder(np.zeros((0, 7)), "sculpture", "arm").shape == (0, 7)


@pytest.mark.parametrize("scores", [0.5, [1, 2, 3], [[1], [2]]])
def test_scores_of_the_wrong_width_are_refused(scores):
    """Scores whose last axis is not the number of classes raise an error that states both."""
    with pytest.raises(ParameterError, match=r"shape \(.*expected \(…, 7\)"):
        expressions.reorder(scores, "fer2013", "sculpture")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("anger", "angry"), ("Anger", "angry"), ("angry", "angry"), ("happiness", "happy"), ("Sadness", "sad"), ("surprised", "surprise"),
     (" FEAR ", "fear"), ("Contempt", "contempt"), ("Disgusted", "disgust"), ("neutral", "neutral")],
)  # fmt: skip
def test_synonyms_have_one_name(name, expected):
    """Spellings of the papers and corpora lead to the compendium's one name."""
    assert expressions.canonical(name) == expected


def test_synonyms_lead_only_to_known_names_and_hide_none():
    """No synonym is itself a canonical name, and each leads to one."""
    known = {*expressions.EXPRESSIONS, "contempt"}
    assert set(expressions.SYNONYMS.values()) <= known and not known & set(expressions.SYNONYMS)


@pytest.mark.parametrize(
    ("call", "hint"),
    [(lambda: expressions.canonical("hapy"), "'happy'"), (lambda: expressions.order("fer2031"), "'fer2013'"),
     (lambda: expressions.order(["happy", "supprise"]), "'surprise'"), (lambda: expressions.action_units("lime_ekmann"), "'lime_ekman'")],
)  # fmt: skip
def test_a_misspelt_name_gets_a_suggestion(call, hint):
    """An unknown expression, order or table is refused with the closest known name."""
    with pytest.raises(ParameterError, match=f"Did you mean {hint}"):
        call()


def test_joy_is_not_taken_for_happy():
    """Joy, an emotion of the art emotion study, is refused and not mapped to happy in silence."""
    with pytest.raises(ParameterError):
        expressions.canonical("joy")


def test_an_order_with_a_name_twice_is_refused():
    """Two spellings of one expression in an order are found out."""
    with pytest.raises(ParameterError, match="twice"):
        expressions.order(["anger", "angry"])


@pytest.mark.parametrize("source", AS_PUBLISHED)
def test_multi_hot_round_trip_over_all_subsets(source):
    """Every subset of every order's names becomes zeros and ones and the same set again."""
    names = published(source)
    subsets = [frozenset(name for place, name in enumerate(names) if bits >> place & 1) for bits in range(2 ** len(names))]
    labels = expressions.to_multi_hot(subsets, source)
    assert labels.dtype == np.uint8 and labels.sum(axis=1).tolist() == [len(subset) for subset in subsets]
    assert expressions.from_multi_hot(labels, source) == subsets


def test_multi_hot_columns_follow_the_order():
    """The column of a name is its place in the order, and synonyms are understood."""
    assert expressions.to_multi_hot([{"Happiness", "sad"}, set()], "raf_db").tolist() == [[0, 0, 0, 1, 1, 0, 0], [0] * 7]
    assert expressions.to_multi_hot([], "raf_db").shape == (0, 7)


def test_multi_hot_refuses_what_it_cannot_hold():
    """A class the order lacks, a bare text, a wrong shape and scores instead of labels are refused."""
    with pytest.raises(ParameterError, match="neutral"):
        expressions.to_multi_hot([{"neutral"}], "lime_ekman")
    with pytest.raises(ParameterError, match="set of names"):
        expressions.to_multi_hot(["happy"])
    with pytest.raises(ParameterError, match="n_faces, 7"):
        expressions.from_multi_hot(np.zeros((2, 6)))
    with pytest.raises(ParameterError, match="0.5"):
        expressions.from_multi_hot(np.full((1, 7), 0.5))


def test_union_keeps_what_any_labeller_gave():
    """The union of labellers has an expression when at least one labeller has it."""
    one, other = expressions.to_multi_hot([{"happy"}, {"sad"}]), expressions.to_multi_hot([{"sad"}, {"sad"}])
    assert expressions.from_multi_hot(expressions.union(one, other)) == [{"happy", "sad"}, {"sad"}]
    np.testing.assert_array_equal(expressions.union(one), one)


def test_union_refuses_unlike_labellers():
    """Labellers of different shapes, none at all, and scores are refused."""
    for labellers in ([], [np.zeros((2, 7)), np.zeros((3, 7))], [np.full((1, 7), np.nan)]):
        with pytest.raises(ParameterError):
            expressions.union(*labellers)


def test_action_unit_tables_are_the_published_ones():
    """Each table equals the hand-typed one of its publication."""
    shared = {"happy": "6 12", "sad": "1 4 15", "surprise": "1 2 5 26", "fear": "1 2 4 5 7 20 26", "angry": "4 5 7 23"}
    typed = {
        "lime_ekman": {**shared, "disgust": "9 15"},
        "emfacs": {**shared, "disgust": "9 15 16", "contempt": "12 14"},
        "open_dbm": {**shared, "disgust": "9 15", "contempt": "12 14"},
    }
    assert set(typed) == set(expressions.ACTION_UNIT_TABLES)
    for table, rules in typed.items():
        assert expressions.action_units(table) == {name: tuple(map(int, units.split())) for name, units in rules.items()}


def test_openface_units_are_seventeen_and_eighteen():
    """OpenFace 2 writes 17 intensities and 18 presences; only unit 28 lacks an intensity."""
    numbers = [1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45]
    assert list(expressions.OPENFACE_INTENSITY_UNITS) == numbers
    assert expressions.OPENFACE_INTENSITY_COLUMNS[:2] == ("AU01_r", "AU02_r")
    assert len(expressions.OPENFACE_PRESENCE_COLUMNS) == 18
    assert {*expressions.OPENFACE_PRESENCE_UNITS} - {*expressions.OPENFACE_INTENSITY_UNITS} == {28}
    assert list(expressions.OPENFACE_PRESENCE_UNITS) == sorted(expressions.OPENFACE_PRESENCE_UNITS)
    assert expressions.OPENFACE_PRESENCE_COLUMNS[-2:] == ("AU28_c", "AU45_c")
    assert expressions.MULTITASK_UNITS == (1, 2, 4, 6, 12, 15, 20, 25)


def test_rules_keep_only_the_units_an_instrument_measures():
    """OpenFace has no unit 16, so disgust keeps 9 and 15; a rule left without units is refused."""
    assert expressions.action_units("emfacs", expressions.OPENFACE_INTENSITY_UNITS)["disgust"] == (9, 15)
    with pytest.raises(ParameterError, match="surprise"):
        expressions.action_units("emfacs", (4, 6, 9, 12))


def test_every_unit_has_a_name():
    """Every unit of every table and instrument has its FACS name."""
    used = {unit for table in expressions.ACTION_UNIT_TABLES.values() for units in table.values() for unit in units}
    used |= {*expressions.OPENFACE_PRESENCE_UNITS, *expressions.MULTITASK_UNITS}
    assert used <= set(expressions.ACTION_UNIT_NAMES)
    assert expressions.ACTION_UNIT_NAMES[12] == "lip corner puller"


def test_circumplex_moves_with_intensity():
    """Valence and arousal start at rest and reach the published point at full intensity; mixtures lie between; nonsense is refused."""
    assert expressions.circumplex("happy") == (0.81, 0.51) and expressions.circumplex("Sadness", 0.5) == (-0.315, -0.135)
    assert expressions.circumplex("angry", 0) == (0, 0) and expressions.circumplex("neutral") == (0, 0)
    assert expressions.circumplex({"happy": 1, "surprise": 3}) == pytest.approx(((0.81 + 3 * 0.40) / 4, (0.51 + 3 * 0.67) / 4))
    for wrong in (("happy", 1.5), ({"happy": -1}, 1), ({}, 1), ("contempt", 1)):
        with pytest.raises(ParameterError):
            expressions.circumplex(*wrong)
