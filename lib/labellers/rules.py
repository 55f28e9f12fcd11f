"""Labellers: from Action Units to expressions by rule: match, hard, soft and threshold, from presence and intensity together.

A rule is the list of units a published table gives for an expression. The sculpture study says that presence and intensity were
combined and not how, so each way is a variant with its formula. OpenFace's author calls the route easy and not very accurate: rules
share units (surprise's are all among fear's), and units are estimated with errors.
"""

import numpy as np

from lib.compendium.errors import ParameterError
from lib.expressions import ACTION_UNIT_NAMES, EXPRESSIONS, action_units
from lib.labellers.settings import STRONGEST, RuleSettings, checked

NEUTRAL = EXPRESSIONS.index("neutral")
MOVED = tuple(name for name in EXPRESSIONS if name != "neutral")  # the six that have units
HALF = 0.5  # a presence given as a probability counts from here


def scores(presence, intensity, units, settings=None) -> np.ndarray:
    """Return a distribution over the seven EXPRESSIONS, float64 (n, 7), from Action Units: `distribution` of `evidence`.

    Arguments and errors as in `evidence`. A face of which too little is known has seven NaN.
    """
    settings = checked(settings)
    return distribution(evidence(presence, intensity, units, settings), settings.sharpness)


def evidence(presence, intensity, units, settings=None) -> np.ndarray:
    """Return how strongly each of the seven EXPRESSIONS is shown, float64 (n, 7), 0 to 1 each and not summing to 1.

    presence: (n, units), 0 absent to 1 present (a probability counts from .5), NaN unknown; or None.
    intensity: (n, units) on OpenFace's scale, 0 to 5, NaN unknown; or None.
    units: the Action Unit number of each column. settings: a dict of some fields of RuleSettings, or one.

    A unit's strength s is its intensity / 5 where it is present, else 0. Known by presence alone it is 0 or 1; known by intensity
    alone it is present from `threshold` on. Unknown units are left out of the rules, not read as 0. With R the known units of a rule:

    - match: 2 Σ_R m / (|R| + Σ_all m), m = min(1, 5 s / `full`), over all units that any rule uses: Dice's overlap of the face with
      the rule. A unit of R that is missing and a present unit outside of R both count against it: the lowered brow, tight lids and
      stretched lips speak for fear and against surprise (1 2 5 26), whose units fear has too. Units in no rule (25 parts the lips
      of several expressions) say nothing.
    - soft: Σ_R s / |R|, that is the sum of intensities over present units / (5 |R|). OpenDBM divides by 6 and by the number of
      present units; 5 is the strongest intensity there is, so that a complete rule is worth 1.
    - hard: if all of R is present, floor + (1 - floor) Σ_R s / |R|, else 0.
    - threshold: as hard, but a unit counts as present only from `threshold` on, and the rule fires when at least `share` of R is present.

    In hard and threshold, a rule is dropped where a rule that contains all its units and more fires with as large a share: else no fear
    could be told from surprise. Neutral's evidence is one minus the strongest other: 1 when no rule fires. A face gets seven NaN if of
    some rule's units no more than the part `known` is known (by default: none). Raises ParameterError for shapes, ranges, unknown units
    and settings.
    """
    settings = checked(settings)
    units = _checked_units(units)
    presence, intensity = _checked_pair(presence, intensity, units)
    rules = action_units(settings.table, units)
    member = np.array([[unit in rules[name] for unit in units] for name in MOVED])
    present, strength, known = _observed(presence, intensity, settings)
    counts = _over(known, member)
    judged = (counts > settings.known * member.sum(axis=1)).all(axis=1)
    found = _rule_evidence(present, strength, known, member, np.maximum(counts, 1), settings)
    result = np.insert(found, NEUTRAL, 1 - found.max(axis=1), axis=1)
    result[~judged] = np.nan
    return result


def distribution(evidence, sharpness: float = 4.0) -> np.ndarray:
    """Return evidence (n, 7), 0 to 1, as a distribution over the seven: evidence to the power `sharpness`, divided by the row's sum.

    The order of the expressions in a row stays; 1 only divides. Rows of NaN stay NaN. Raises ParameterError.
    """
    evidence = np.asarray(evidence, float)
    if evidence.ndim != 2 or evidence.shape[1] != len(EXPRESSIONS):
        raise ParameterError(f"Received evidence of shape {evidence.shape}; expected (n, {len(EXPRESSIONS)}), one for each expression.")
    if not 0 < sharpness < np.inf:
        raise ParameterError(f"Received sharpness {sharpness!r}; expected a number above 0: change the parameter.")
    if ((evidence < 0) | (evidence > 1)).any() or (evidence.max(axis=1, initial=0) == 0).any():
        raise ParameterError("Received evidence outside of 0 to 1, or a face with none at all; pass what `evidence` returns.")
    with np.errstate(invalid="ignore", divide="ignore"):
        powers = (evidence / evidence.max(axis=1, keepdims=True)) ** sharpness  # by the largest first, so that no row underflows
    return powers / powers.sum(axis=1, keepdims=True)


def _rule_evidence(present, strength, known, member, counts, settings: RuleSettings) -> np.ndarray:
    """Return the evidence for the six expressions that have units, (n, 6)."""
    if settings.rule == "match":
        shown = np.minimum(1.0, strength * STRONGEST / settings.full) * (known & member.any(axis=0))
        return 2 * _over(shown, member) / (counts + shown.sum(axis=1, keepdims=True))
    mean = _over(strength, member) / counts
    if settings.rule == "soft":
        return mean
    share = _over(present, member) / counts
    fires = share >= (1.0 if settings.rule == "hard" else settings.share) - 1e-9
    fires &= ~_subsumed(fires, share, member)
    return np.where(fires, settings.floor + (1 - settings.floor) * mean, 0.0)


def _subsumed(fires: np.ndarray, share: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return, (n, 6), where a rule is contained in a longer one that fires with as large a share of its units."""
    result = np.zeros_like(fires)
    for short, units in enumerate(member):
        for long, others in enumerate(member):
            if (units <= others).all() and units.sum() < others.sum():
                result[:, short] |= fires[:, long] & (share[:, long] >= share[:, short])
    return result


def _observed(presence: np.ndarray, intensity: np.ndarray, settings: RuleSettings) -> tuple:
    """Return, (n, units) each: is the unit present, its strength 0 to 1 (0 where not present), and is it known at all."""
    if settings.combine == "presence":
        intensity = np.full_like(intensity, np.nan)
    if settings.combine == "intensity":
        presence = np.full_like(presence, np.nan)
    traced = intensity >= settings.threshold  # False where unknown
    present = np.where(np.isnan(presence), traced, presence >= HALF)
    if settings.rule == "threshold":
        present &= traced | np.isnan(intensity)
    strength = np.where(np.isnan(intensity), 1.0, intensity / STRONGEST) * present
    return present, strength, ~(np.isnan(presence) & np.isnan(intensity))


def _over(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return the sum of (n, units) over each rule's units, (n, 6); summed a face at a time, so a face's answer is its own."""
    return (np.asarray(values, float)[:, None, :] * member).sum(axis=2)


def _checked_units(units) -> list:
    units = list(units)
    for unit in units:
        if isinstance(unit, bool) or not isinstance(unit, int | np.integer) or unit not in ACTION_UNIT_NAMES:
            raise ParameterError(f"Received the Action Unit {unit!r}; expected numbers such as 1, 2, 4 among "
                                 f"{', '.join(map(str, ACTION_UNIT_NAMES))}.")
    if len(set(units)) < len(units):
        raise ParameterError(f"Received the Action Units {units}, in which one comes twice; name each column's unit once.")
    return [int(unit) for unit in units]


def _checked_pair(presence, intensity, units: list) -> tuple:
    given = [values for values in (presence, intensity) if values is not None]
    if not given:
        raise ParameterError("Received neither presence nor intensity of Action Units; expected at least one of them.")
    absent = np.full(np.shape(given[0]), np.nan)
    presence = absent if presence is None else _checked(presence, units, "presence", 1.0)
    intensity = absent if intensity is None else _checked(intensity, units, "intensity", STRONGEST)
    if presence.shape != intensity.shape:
        raise ParameterError(f"Received presence of shape {presence.shape} and intensity of shape {intensity.shape}; expected the same "
                             "faces in both.")
    return presence, intensity


def _checked(values, units: list, what: str, most: float) -> np.ndarray:
    try:
        values = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ParameterError(f"Received a {what} of Action Units that is not a table of numbers; expected (n, {len(units)}).") from None
    if values.ndim != 2 or values.shape[1] != len(units):
        raise ParameterError(f"Received a {what} of shape {values.shape} for {len(units)} Action Units; expected (n, {len(units)}), "
                             "one column a unit.")
    wrong = np.argwhere((values < 0) | (values > most))
    if len(wrong):
        row, column = wrong[0]
        raise ParameterError(f"Received {what} {values[row, column]:g} of unit {units[column]} for face {row}; expected 0 to {most:g}: "
                             "rescale the column to OpenFace's scale.")
    return values
