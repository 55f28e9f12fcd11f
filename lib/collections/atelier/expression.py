"""Collections: the atelier's expressions: Action Units move the face, published tables say which units make an expression.

Intensities follow OpenFace: 0 is nothing, 5 the strongest. A face is described by a mixture of the seven expressions (the soft label)
and by its sixteen intensities; the first is what was meant, the second what was carved.
"""

import numpy as np

from lib.compendium.errors import ParameterError, did_you_mean
from lib.expressions import ACTION_UNIT_TABLES, EXPRESSIONS

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26)
STRONGEST = 5.0
TABLE = "lime_ekman"  # Gaya-Morey et al., Table 2
BROW_X = np.array([0.0, 0.170, 0.332, 0.505, 0.67, 0.795, 1.05], np.float32)  # where the brow is moved; rest places are in `features`

# What often comes along with an expression, as (unit, share of the expression's intensity, how often). The tables name the core only;
# FACS lists these as common variants: parted lips, a raised lip in disgust, a raised chin in sadness and anger.
COMPANIONS = {
    "angry": ((10, 0.5, 0.3), (17, 0.6, 0.35), (25, 0.6, 0.3), (9, 0.35, 0.25)),
    "disgust": ((10, 1.0, 0.9), (17, 0.5, 0.4), (4, 0.4, 0.3), (7, 0.6, 0.5), (6, 0.5, 0.3)),
    "fear": ((25, 0.9, 0.9),),
    "happy": ((25, 0.9, 0.75), (14, 0.4, 0.2), (26, 0.25, 0.2)),
    "neutral": (),
    "sad": ((17, 0.6, 0.5), (6, 0.25, 0.15)),
    "surprise": ((25, 1.0, 1.0),),
}


# How strongly a unit of the table usually shows at full intensity, where that is less than fully (the tables name units only).
USUAL = {("fear", 26): 0.6, ("fear", 4): 0.6, ("fear", 7): 0.3, ("surprise", 5): 0.95, ("angry", 5): 0.7}


def check_unit(unit, intensity) -> tuple[int, float]:
    """Return a unit and its intensity, or raise ParameterError naming the sixteen units and the range 0 to 5."""
    known = str(unit).strip().upper().removeprefix("AU").removesuffix("_R").lstrip("0")
    if not known.isdigit() or int(known) not in UNITS:
        raise ParameterError(f"Received Action Unit {unit!r}; expected one of {', '.join(map(str, UNITS))}.")
    try:
        value = float(intensity)
    except (TypeError, ValueError):
        value = np.nan
    if not 0 <= value <= STRONGEST:
        raise ParameterError(f"Received intensity {intensity!r} for Action Unit {unit}; expected a number from 0 to {STRONGEST:g}.")
    return int(known), value


def check_units(units) -> dict[int, float]:
    """Return {unit: intensity} for all sixteen units, the unnamed ones 0."""
    if units is None:
        units = {}
    if not hasattr(units, "items"):
        expected = f"expected a mapping such as {{12: 3.5}}, intensities from 0 to {STRONGEST:g}."
        raise ParameterError(f"Received Action Units {units!r}; {expected}")
    checked = dict(check_unit(unit, intensity) for unit, intensity in units.items())
    return {unit: checked.get(unit, 0.0) for unit in UNITS}


def soft_label(mixture) -> dict[str, float]:
    """Return {expression: probability} over the seven, summing to 1, from weights per expression (or one expression's name)."""
    mixture = {mixture: 1.0} if isinstance(mixture, str) else dict(mixture)
    for name, weight in mixture.items():
        if name not in EXPRESSIONS:
            raise ParameterError(
                f"Received expression {name!r}; expected one of {', '.join(EXPRESSIONS)}.{did_you_mean(str(name), EXPRESSIONS)}"
            )
        if not (isinstance(weight, int | float) and 0 <= weight < np.inf):
            raise ParameterError(f"Received weight {weight!r} for {name!r}; expected a number of 0 or more.")
    total = float(sum(mixture.values()))
    if total <= 0:
        raise ParameterError(f"Received the expression mixture {mixture}; expected at least one weight above 0.")
    return {name: float(mixture.get(name, 0.0)) / total for name in EXPRESSIONS}


def prototype(expression: str, intensity: float = 1.0, generator=None, spread: float = 0.12) -> dict[int, float]:
    """Return {unit: 0..5} of an expression at an intensity from 0 to 1.

    The core units come from the published table. With a generator, each varies by about `spread` of itself and common companions join
    (in surprise and fear the lips part with the jaw); without one, companions join that come along at least half of the time.
    """
    soft_label(expression)
    if not 0 <= intensity <= 1:
        raise ParameterError(f"Received expression intensity {intensity!r}; expected a number from 0 to 1.")
    units = dict.fromkeys(UNITS, 0.0)
    for unit in ACTION_UNIT_TABLES[TABLE].get(expression, ()):
        units[unit] = 1.0 if generator is None else float(np.clip(generator.normal(0.95, spread), 0.5, 1.0))
        units[unit] *= USUAL.get((expression, unit), 1.0)
    for unit, share, often in COMPANIONS[expression]:
        if (often >= 0.5) if generator is None else generator.random() < often:
            vary = 1.0 if generator is None else generator.uniform(0.8, 1.15)
            units[unit] = max(units[unit], share * vary)
    return {unit: float(np.clip(value, 0, 1)) * intensity * STRONGEST for unit, value in units.items()}


def mixed(mixture: dict, intensity: float = 1.0, generator=None) -> dict[int, float]:
    """Return {unit: 0..5} of a mixture of expressions: each at its weight over the largest weight, the stronger unit wins."""
    label = soft_label(mixture)
    largest = max(label.values())
    units = dict.fromkeys(UNITS, 0.0)
    for name, weight in label.items():
        if weight > 0 and name != "neutral":
            part = prototype(name, intensity * weight / largest, generator)
            units = {unit: max(units[unit], part[unit]) for unit in UNITS}
    return units


def movement(units: dict[int, float]) -> dict[str, float | np.ndarray]:
    """Return how far the features move, in units of form (.9 between the pupils), for intensities 0 to 5.

    `brow_y` and `brow_x` are displacements at BROW_X; the others are single numbers named after what they move.
    """
    a = {unit: units.get(unit, 0.0) / STRONGEST for unit in UNITS}
    frown = a[4] * (1 - 0.75 * a[1])
    brow_y = (
        a[1] * np.array([0.145, 0.150, 0.105, 0.035, -0.01, -0.01, 0])
        + a[2] * np.array([0.015, 0.03, 0.08, 0.13, 0.145, 0.12, 0.02])
        - frown * np.array([0.135, 0.14, 0.115, 0.055, 0.005, -0.01, 0])
        - a[9] * np.array([0.095, 0.09, 0.055, 0.01, 0, 0, 0])
    )
    brow_x = -a[4] * np.array([0, 0.055, 0.045, 0.02, 0.005, 0, 0])
    opening = a[25] + 0.25 * min(1.0, 1.6 * a[26]) * (1 - a[25])
    smile = a[12]
    return {
        "brow_y": brow_y.astype(np.float32),
        "brow_x": brow_x.astype(np.float32),
        "frown": a[4], "oblique": a[1] * a[4], "inner_brow": a[1], "outer_brow": a[2],
        "upper_lid": (0.062 * a[5] - 0.030 * a[7] - 0.012 * a[6] - 0.016 * a[9] - 0.012 * frown - 0.022 * a[1] * a[15]
                      + 0.008 * a[1] * (1 - a[4])),
        "lower_lid": -0.020 * a[5] + 0.030 * a[7] + 0.020 * a[6] + 0.010 * a[9] + 0.006 * smile,
        "lid_droop": 0.040 * a[1] * a[4] * (1 - 0.7 * a[5]) + 0.022 * a[15] * a[1],
        "squint": a[7], "cheek_raise": a[6], "wide_eye": a[5],
        "wrinkle_nose": a[9], "raise_lip": a[10], "smile": smile, "dimple": a[14], "chin": 1.25 * a[17], "tight": a[23], "stretch": a[20],
        "corner_x": (0.120 * smile + 0.132 * a[20] - 0.070 * a[23] + 0.035 * a[14] - 0.045 * a[17] - 0.01 * a[15]
                     - 0.105 * a[26] * (1 - smile) * (1 - 0.8 * a[20])),
        "corner_y": 0.125 * smile - 0.140 * a[15] - 0.040 * a[20] - 0.14 * a[26] * (1 - 0.6 * smile) + 0.022 * a[14] - 0.045 * a[17],
        "mouth_y": 0.072 * a[17] + 0.02 * a[9] + 0.014 * a[10],
        "lip_upper": (1 - 0.32 * smile) * (1 - 0.65 * a[23]) * (1 - 0.18 * a[20]) * (1 - 0.25 * a[14]),
        "lip_lower": (1 - 0.28 * smile) * (1 - 0.62 * a[23]) * (1 - 0.15 * a[20]) * (1 - 0.2 * a[14]) * (1 + 0.2 * a[17]),
        "gap_upper": 0.062 * opening * (1 - 0.35 * a[17]) + 0.065 * a[10] + 0.045 * a[9] * (0.4 + 0.6 * a[10]) + 0.080 * smile * opening,
        "gap_lower": (0.090 * opening + 0.045 * smile * opening) * (1 - 0.4 * a[17]) + 0.30 * a[26],
        "lift_lip": 0.055 * a[10] + 0.060 * a[9], "jaw": 0.36 * a[26],
        "fold": min(1.3, 0.85 * smile + 0.95 * a[9] + 0.75 * a[10] + 0.25 * a[15] + 0.25 * a[20]),
        "corner_depth": a[15], "open": opening,
    }  # fmt: skip
