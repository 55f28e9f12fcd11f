"""Contact sheets: every tradition, expression, Action Unit and damage is on one, with the numbers behind it."""

import pandas as pd
import pytest

from lib.collections import atelier, metadata
from lib.collections.atelier import damage, expression, sheets
from lib.collections.registry import Collection
from lib.expressions import EXPRESSIONS


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return Collection("atelier", "atelier (synthetic)", atelier.build(tmp_path_factory.mktemp("atelier") / "a", 30, 5, 64, workers=1), True)


@pytest.fixture(scope="module")
def images(collection):
    files = sorted(path.relative_to(collection.folder).as_posix() for path in collection.folder.rglob("*.jpg"))
    return metadata.join_metadata(collection.folder, files)[0].assign(status="ok")


def test_the_sheet_of_traditions_shows_each(collection, images):
    """One row a tradition; the counts add up to the collection."""
    (sheet,) = sheets.of_collection(collection, images)
    assert sheet.data["pictures"].sum() == 30 and "synthetic" in sheet.caption
    assert len(sheet.figure.axes) == 9 * images["tradition"].nunique()


def test_the_sitter_poses_everything(collection):
    """Seven expressions at four intensities, sixteen units, five kinds of damage; the planted numbers come along."""
    expressions, units, broken = sheets.of_sitter(collection, 4)
    assert set(expressions.data["expression"]) == set(EXPRESSIONS) and len(expressions.data) == 28
    rising = expressions.data[expressions.data["expression"] == "happy"]["AU12"]
    assert rising.is_monotonic_increasing and rising.iloc[-1] > 3
    assert list(units.data["unit"]) == list(expression.UNITS) and (units.data["largest_movement"] > 0).all()
    assert (units.data["share_of_picture_moved"] < 0.6).all()
    assert set(broken.data["damage"]) == set(damage.KINDS)


def test_photographs_have_no_sheets(collection):
    """A folder of photographs was not planted: no sheet, and the sentence says so."""
    photographs = Collection("photos", "Photos", collection.folder)
    assert sheets.of_collection(photographs, pd.DataFrame()) == [] and sheets.of_sitter(photographs, 0) == []
    assert "photographs" in sheets.planted(pd.DataFrame({"file": ["a"]}))


def test_what_was_planted_is_said(images):
    """Counts by expression and the share of compound faces are in the sentence."""
    said = sheets.planted(images)
    assert "neutral" in said and "%" in said
