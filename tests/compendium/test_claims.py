"""Claims: the verdict on each published number."""

import pytest

from lib.compendium import claims
from lib.compendium.errors import CompendiumError

NUMBER = claims.Claim(id="n", statement="s", where="Table I", value=10, tolerance=0.5)
DIRECTION = claims.Claim(id="d", statement="s", where="Section IV", value="a < b", kind="direction")


@pytest.mark.parametrize(
    ("claim", "measured", "evidence", "expected"),
    [
        (NUMBER, 10.5, "real", "reproduced"),
        (NUMBER, 10.51, "real", "not reproduced"),
        (NUMBER, 11, "published", "paper inconsistent"),
        (NUMBER, 10, "published", "reproduced"),
        (NUMBER, None, "real", "needs data"),
        (DIRECTION, 0.1, "real", "direction"),
        (DIRECTION, 0.0, "real", "not reproduced"),
        (DIRECTION, -1, "real", "not reproduced"),
        (DIRECTION, None, "real", "needs data"),
    ],
)
def test_verdicts(claim, measured, evidence, expected):
    """Each combination of kind, value and evidence has the one verdict DESIGN gives it."""
    assert claims.verdict(claim, measured, evidence) == expected


@pytest.mark.parametrize("claim", [NUMBER, DIRECTION])
@pytest.mark.parametrize("measured", [10, 0, 99])
def test_synthetic_data_never_judges(claim, measured):
    """Whatever the number, synthetic evidence earns `synthetic` and never `reproduced`."""
    assert claims.verdict(claim, measured, "synthetic") == "synthetic"


def test_the_printed_total_of_table_one_contradicts_its_rows():
    """Table I prints 1,855; its fifteen rows, as claims, add up to 1,797."""
    sculpture = claims.load("sculpture")
    rows = [claim.value for name, claim in sculpture.items() if name.startswith("table_one_") and name[-1].isdigit()]
    assert len(rows) == 15 and sum(rows) == 1797
    table = claims.compare("sculpture", {"table_one_total": (sum(rows), "published")})
    assert list(table["verdict"]) == ["paper inconsistent"]
    assert list(table["paper"]) == ["1,855 images"] and list(table["this run"]) == ["1,797 images"]


def test_an_unknown_claim_is_refused():
    """A misspelt claim id names the nearest one."""
    with pytest.raises(CompendiumError, match="Did you mean 'table_one_total'"):
        claims.compare("sculpture", {"table_one_totl": (1, "real")})


def test_needs_data_says_what_is_needed():
    """A claim that cannot be tested shows a dash and how to get the data."""
    table = claims.compare("sculpture", {"table_one_03": (None, "real")})
    assert table["this run"][0] == "–" and "folder named as the source" in table["note"][0]


def test_numbers_have_the_decimals_they_are_compared_by():
    """Four decimals where the fourth decides, zeros at the end too; else three at most, and thousands in groups."""
    measured = {"table_three_average_sad": 0.2456, "table_three_average_surprise": 0.26, "table_one_weinet_parameters": 1.728230}
    table = claims.compare("lime_ekman", {name: (value, "published") for name, value in measured.items()})
    assert table["paper"].tolist() == ["0.2458", "0.2600", "1.7 million"]
    assert table["this run"].tolist() == ["0.2456", "0.2600", "1.728 million"]
