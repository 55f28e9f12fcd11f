"""Action Units become expressions by documented formulas: hand calculations, planted units, properties and bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from lib.collections.atelier.expression import UNITS, prototype
from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS, OPENFACE_PRESENCE_UNITS, action_units
from lib.labellers import rules
from lib.labellers.settings import VARIANTS

TABLE = action_units("lime_ekman", UNITS)


def face(intensities: dict, fill: float = 0.0) -> np.ndarray:
    return np.array([[intensities.get(unit, fill) for unit in UNITS]], float)


def named(row) -> dict:
    return dict(zip(EXPRESSIONS, row, strict=True))


def planted(count: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return intensities (n, 16) of prototypes at full intensity with gaussian noise, clipped to 0 to 5, and the expressions meant."""
    generator = np.random.default_rng(seed)
    rows = [list(prototype(name, 1.0, generator).values()) for name in EXPRESSIONS for _ in range(count)]
    values = np.clip(np.array(rows) + generator.normal(0, noise, (len(rows), len(UNITS))), 0, 5)
    return values, np.repeat(np.arange(len(EXPRESSIONS)), count)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_beats_chance_on_planted_units_and_match_is_good(variant):
    """Every variant beats chance (1/7) on planted units by far, and match recognises nearly all."""
    intensity, meant = planted(100, 70_001, noise=0.5)
    score = f1_score(meant, rules.scores(None, intensity, UNITS, {"rule": variant}).argmax(axis=1), average="macro")
    assert score > (0.9 if variant == "match" else 0.5), score


def test_match_stands_an_estimator_that_errs_by_a_whole_point():
    """Match keeps macro-F1 at .9 when units are estimated with an error of one point."""
    intensity, meant = planted(100, 70_002, noise=1.0)
    assert f1_score(meant, rules.scores(None, intensity, UNITS).argmax(axis=1), average="macro") > 0.9


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_exact_rule_is_recognised_by_every_variant(variant, name):
    """A face that shows exactly the units of one rule, fully, gets that expression; soft may tie with a rule contained in it."""
    result = rules.evidence(None, face(dict.fromkeys(TABLE.get(name, ()), 5.0)), UNITS, {"rule": variant})[0]
    assert named(result)[name] == pytest.approx(1.0) == result.max()
    if variant != "soft":
        assert EXPRESSIONS[result.argmax()] == name


def test_match_follows_its_formula():
    """Match equals Dice's overlap worked out by hand, companions outside of all rules saying nothing."""
    result = named(rules.evidence(None, face({1: 2.0, 4: 3.0, 12: 4.0, 25: 5.0}), UNITS, {"full": 4.0})[0])
    total = 0.5 + 0.75 + 1.0
    assert result["sad"] == pytest.approx(2 * 1.25 / (3 + total))
    assert result["happy"] == pytest.approx(2 * 1.0 / (2 + total))
    assert result["surprise"] == pytest.approx(2 * 0.5 / (4 + total))
    assert result["disgust"] == 0
    assert result["neutral"] == pytest.approx(1 - 2 * 1.25 / (3 + total))


def test_soft_hard_and_threshold_follow_their_formulas():
    """Soft, hard and threshold equal their formulas worked out by hand."""
    intensity, presence = face({1: 2.0, 4: 3.0, 15: 0.5}), face({1: 1, 4: 1, 15: 1, 6: 1})
    soft = named(rules.evidence(presence, intensity, UNITS, {"rule": "soft"})[0])
    assert soft["sad"] == pytest.approx(5.5 / 15) and soft["angry"] == pytest.approx(3 / 20) and soft["happy"] == 0
    hard = named(rules.evidence(presence, intensity, UNITS, {"rule": "hard", "floor": 0.6})[0])
    assert hard["sad"] == pytest.approx(0.6 + 0.4 * 5.5 / 15) and hard["neutral"] == pytest.approx(1 - hard["sad"])
    assert all(hard[name] == 0 for name in ("angry", "disgust", "fear", "happy", "surprise"))
    most = named(rules.evidence(presence, intensity, UNITS, {"rule": "threshold", "floor": 0.6})[0])
    assert most["sad"] == pytest.approx(0.6 + 0.4 * 5 / 15)  # unit 15 is below the threshold of 1, two of three remain
    assert most["disgust"] == 0 and named(rules.evidence(presence, intensity, UNITS, {"rule": "threshold", "share": 0.7})[0])["sad"] == 0


def test_fear_is_not_taken_for_the_surprise_it_contains():
    """Fear's units contain surprise's; hard and threshold drop the shorter rule only where the longer fires as completely."""
    for variant in ("hard", "threshold", "match"):
        fear = named(rules.evidence(None, face(dict.fromkeys(TABLE["fear"], 3.0)), UNITS, {"rule": variant})[0])
        surprise = named(rules.evidence(None, face(dict.fromkeys(TABLE["surprise"], 3.0)), UNITS, {"rule": variant})[0])
        assert fear["fear"] > fear["surprise"] and surprise["surprise"] > surprise["fear"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_units_is_neutral(variant):
    """Where no rule fires neutral has all the evidence and wins."""
    assert rules.evidence(face({}), face({}), UNITS, {"rule": variant}).tolist() == [[0, 0, 0, 0, 1, 0, 0]]
    assert rules.scores(face({}), face({}), UNITS, {"rule": variant})[0, rules.NEUTRAL] == 1


def test_presence_and_intensity_are_combined():
    """A unit counts with its intensity where it is present; either alone can be asked for, and fills in where the other is unknown."""
    presence, intensity = face({6: 1, 12: 0}), face({6: 5.0, 12: 5.0})

    def happy(presence, intensity, combine="both"):
        return named(rules.evidence(presence, intensity, UNITS, {"rule": "soft", "combine": combine})[0])["happy"]

    assert happy(presence, intensity) == 0.5
    assert happy(presence, intensity, "intensity") == 1
    assert happy(presence, face({6: 1.0}), "presence") == 0.5
    assert happy(presence, None) == 0.5
    assert happy(None, face({6: 0.9, 12: 5})) == 0.5  # .9 is below the threshold
    assert happy(face({6: 1, 12: np.nan}), face({6: np.nan, 12: 2.5})) == pytest.approx(0.75)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_unknown_unit_is_left_out_and_not_read_as_zero(variant):
    """NaN in a unit's column gives the same as an instrument that does not have the unit."""
    intensity, _ = planted(5, 70_003, noise=0.5)
    gone = UNITS.index(20)
    masked = intensity.copy()
    masked[:, gone] = np.nan
    fewer = rules.evidence(None, np.delete(intensity, gone, axis=1), np.delete(UNITS, gone), {"rule": variant})
    assert np.allclose(rules.evidence(None, masked, UNITS, {"rule": variant}), fewer)
    full = rules.evidence(None, face({6: np.nan, 12: 5.0}), UNITS, {"rule": variant})
    assert named(full[0])["happy"] == pytest.approx(1)


@pytest.mark.parametrize(("known", "cheeks"), [(0.0, np.nan), (0.5, 5.0)])
def test_a_face_of_which_too_little_is_known_has_no_answer_and_leaves_the_others_alone(known, cheeks):
    """A face with all units of a rule unknown gets NaN, or with no more than half of them known if so asked; its neighbours stay."""
    values = np.vstack([face({6: cheeks, 12: np.nan}), face({6: 5, 12: 5}), np.full((1, len(UNITS)), np.nan)])
    result = rules.scores(None, values, UNITS, {"known": known})
    assert np.isnan(result[[0, 2]]).all() and EXPRESSIONS[result[1].argmax()] == "happy"


def test_openface_has_no_intensity_of_unit_28_and_none_is_needed():
    """OpenFace's eighteen units work as they come, unit 28 without intensity."""
    units = OPENFACE_PRESENCE_UNITS
    intensity = np.array([[np.nan if unit == 28 else 4.0 * (unit in (9, 15)) for unit in units]])
    presence = np.array([[float(unit in (9, 15)) for unit in units]])
    assert EXPRESSIONS[rules.scores(presence, intensity, units)[0].argmax()] == "disgust"


@settings(max_examples=60, deadline=None)
@given(arrays(float, (3, len(UNITS)), elements=st.floats(0, 5)), arrays(float, (3, len(UNITS)), elements=st.sampled_from([0, 1, np.nan])),
       st.sampled_from(VARIANTS), st.sampled_from(["both", "presence", "intensity"]), st.permutations(range(len(UNITS))))
def test_scores_are_distributions_that_depend_on_the_face_alone(intensity, presence, variant, combine, order):
    """Scores are distributions, whatever else is in the batch and in whatever order the columns come."""
    chosen = {"rule": variant, "combine": combine}
    result = rules.scores(presence, intensity, UNITS, chosen)
    answered = ~np.isnan(result).any(axis=1)
    assert (result[answered] >= 0).all() and np.allclose(result[answered].sum(axis=1), 1)
    alone = np.vstack([rules.scores(presence[[row]], intensity[[row]], UNITS, chosen) for row in range(3)])
    assert np.array_equal(result, alone, equal_nan=True)
    shuffled = rules.scores(presence[:, order], intensity[:, order], np.array(UNITS)[order], chosen)
    assert np.allclose(result, shuffled, equal_nan=True)
    found = rules.evidence(presence, intensity, UNITS, chosen)[answered]
    assert np.allclose(found[:, rules.NEUTRAL], 1 - np.delete(found, rules.NEUTRAL, axis=1).max(axis=1, initial=0))


def test_distribution_is_the_power_rule():
    """A distribution is evidence to a power, divided by its sum; NaN rows stay, and tiny evidence does not vanish."""
    rows = [[0.2, 0, 0, 0, 0.6, 0, 0], [np.nan] * 7, [1e-200, 0, 0, 0, 0, 0, 0]]
    result = rules.distribution(rows, sharpness=2)
    assert result[0].tolist() == pytest.approx([0.1, 0, 0, 0, 0.9, 0, 0]) and np.isnan(result[1]).all() and result[2, 0] == 1
    assert rules.distribution(rows[:1], sharpness=1)[0, 4] == pytest.approx(0.75)
    assert rules.distribution(np.empty((0, 7))).shape == (0, 7)


def test_no_faces_give_an_empty_table():
    """No faces give no rows."""
    assert rules.scores(np.empty((0, 16)), np.empty((0, 16)), UNITS).shape == (0, 7)


ZEROS = np.zeros((2, len(UNITS)))


@pytest.mark.parametrize(("presence", "intensity", "units", "chosen", "said"), [
    (None, ZEROS + 5.1, UNITS, {}, "intensity 5.1 of unit 1 for face 0"),
    (None, ZEROS - 0.1, UNITS, {}, "intensity -0.1"),
    (None, ZEROS + np.inf, UNITS, {}, "intensity inf"),
    (ZEROS + 2, ZEROS, UNITS, {}, "presence 2"),
    (None, ZEROS[:, :3], UNITS, {}, r"shape \(2, 3\) for 16"),
    (None, ZEROS[0], UNITS, {}, r"shape \(16,\)"),
    (ZEROS[:1], ZEROS, UNITS, {}, "same faces"),
    (None, [["a"] * 16], UNITS, {}, "not a table of numbers"),
    (None, None, UNITS, {}, "neither presence nor intensity"),
    (None, ZEROS, (*UNITS[:-1], 99), {}, "Action Unit 99"),
    (None, ZEROS, ["AU01_r", *UNITS[1:]], {}, "'AU01_r'"),
    (None, ZEROS, (*UNITS[:-1], 1), {}, "comes twice"),
    (None, ZEROS[:, :2], (1, 2), {}, "leave no unit"),
    (None, ZEROS, UNITS, {"rule": "sofd"}, "Did you mean 'soft'"),
    (None, ZEROS, UNITS, {"rul": "soft"}, "Did you mean 'rule'"),
    (None, ZEROS, UNITS, {"table": "lime"}, "expected one of lime_ekman"),
    (None, ZEROS, UNITS, {"share": 0}, "share = 0"),
    (None, ZEROS, UNITS, {"threshold": "much"}, "threshold = 'much'"),
])
def test_what_cannot_be_judged_is_refused_with_the_culprit(presence, intensity, units, chosen, said):
    """Wrong units, ranges, shapes and settings are refused, and the message names the culprit."""
    with pytest.raises(ParameterError, match=said):
        rules.evidence(presence, intensity, units, chosen)


@pytest.mark.parametrize("wrong", [[[0.5] * 6], [0.5] * 7, [[1.5] + [0] * 6], [[0] * 7], [[-0.1] + [1] * 6]])
def test_what_is_no_evidence_is_refused(wrong):
    """Other shapes, values outside of 0 to 1 and rows of zeros are no evidence."""
    with pytest.raises(ParameterError, match="evidence"):
        rules.distribution(wrong)
    with pytest.raises(ParameterError, match="sharpness"):
        rules.distribution([[1] + [0] * 6], sharpness=0)
