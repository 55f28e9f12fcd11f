"""Expressions become Action Units by the published tables, soft labels sum to one, and impossible requests are refused with the range."""

import numpy as np
import pytest

from lib.collections.atelier import expression
from lib.compendium.errors import ParameterError
from lib.expressions import ACTION_UNIT_TABLES, EXPRESSIONS


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_prototypes_hold_the_units_of_the_table(name):
    """Every unit of the table is there at full intensity, nothing is at intensity 0, and all lie between 0 and 5."""
    full = expression.prototype(name)
    core = ACTION_UNIT_TABLES[expression.TABLE].get(name, ())
    assert all(full[unit] > 1 for unit in core)
    assert all(0 <= value <= 5 for value in full.values())
    assert not any(expression.prototype(name, 0.0).values())
    drawn = expression.prototype(name, 1.0, np.random.default_rng(4))
    assert all(drawn[unit] > 0 for unit in core)


def test_neutral_moves_nothing():
    """Neutral is the absence of all units."""
    assert not any(expression.prototype("neutral").values())
    assert not np.any(expression.movement(expression.check_units({}))["brow_y"])


@pytest.mark.parametrize("mixture", ["happy", {"happy": 2, "sad": 1}, {"angry": 0.2, "disgust": 0.2, "neutral": 0.1}])
def test_soft_labels_sum_to_one(mixture):
    """A label covers the seven expressions and sums to one."""
    label = expression.soft_label(mixture)
    assert tuple(label) == EXPRESSIONS and sum(label.values()) == pytest.approx(1)


def test_mixtures_show_both_parts():
    """A compound face carries the units of each part, those of the weaker part more weakly."""
    units = expression.mixed({"happy": 1.0, "surprise": 0.5})
    assert units[12] == 5 and 1 < units[1] < 4


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: expression.check_units({12: 7}), "0 to 5"),
        (lambda: expression.check_units({13: 1}), "1, 2, 4, 5"),
        (lambda: expression.check_units({12: float("nan")}), "0 to 5"),
        (lambda: expression.prototype("joy"), "happy"),
        (lambda: expression.prototype("happy", 1.5), "0 to 1"),
        (lambda: expression.soft_label({"happy": 0}), "above 0"),
        (lambda: expression.soft_label({"happy": -1}), "0 or more"),
    ],
)
def test_impossible_requests_name_the_range(call, says):
    """Bad units, intensities and names are refused with what is allowed."""
    with pytest.raises(ParameterError, match=says):
        call()


def test_columns_of_openface_are_understood():
    """Units may be named as OpenFace names them."""
    assert expression.check_units({"AU06_r": 2.0, "12": 1})[6] == 2.0
