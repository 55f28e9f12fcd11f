"""The fifteen sources of Table I are as printed, and so is the total, which the rows do not reach."""

import re
from pathlib import Path

import pandas as pd
import pytest

from lib.collections.sources import PRINTED_TOTAL, counts_by_source, table_one

PRINTED = [51, 346, 100, 151, 184, 99, 155, 306, 61, 74, 67, 14, 35, 125, 29]  # Table I, read by eye from the page
PAPER = Path(__file__).resolve().parents[3] / "shared" / "papers"


def test_counts_are_the_printed_ones():
    """Fifteen rows, numbered, adding up to 1797 and not to the printed 1855."""
    table = table_one()
    assert list(table["number"]) == list(range(1, 16)) and list(table["published_count"]) == PRINTED
    assert (table["published_count"].sum(), PRINTED_TOTAL) == (1797, 1855)
    assert not table.drop(columns="count_in_text").isna().any(axis=None)


def test_prose_and_table_agree_where_both_speak():
    """Where the text gives a number it is the table's; for two museums it gives none."""
    table = table_one()
    told = table[table["count_in_text"].notna()]
    assert (told["count_in_text"] == told["published_count"]).all()
    assert set(table[table["count_in_text"].isna()]["name"]) == {"Maa Museum", "Tokyo National Museum"}


def test_against_the_papers_own_text():
    """Every row stands in the paper's text with that name and number (only where the paper's text is at hand)."""
    papers = sorted(PAPER.glob("000_*.txt")) if PAPER.is_dir() else []
    if not papers:
        pytest.skip("the paper's text is not beside this repository")
    text = papers[0].read_text(encoding="utf-8")
    for row in table_one().itertuples():
        assert re.search(rf"\b{row.number}\t{re.escape(row.name)}\t{row.published_count}\b", text), row.name
    assert "1,855" in text


def test_pictures_are_counted_by_the_source_they_are_named_after():
    """A metadata column comes before the subfolder, that before the collection's name; broken pictures do not count."""
    images = pd.DataFrame(
        {
            "file": ["a.jpg", "British museum/b.jpg", "british_museum/c.jpg", "d.jpg", "elsewhere/e.jpg"],
            "status": ["ok", "ok", "broken", "ok", "ok"],
            "source": [None, None, None, "RUBIN MUSEUM", None],
        }
    )
    assert counts_by_source(images, "palace_museum") == {3: 1, 9: 2, 10: 1}
    assert counts_by_source(images.drop(columns="source"), "my pictures") == {3: 1}
