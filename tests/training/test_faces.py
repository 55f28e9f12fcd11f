import numpy as np
import pandas as pd
import pytest

from lib.compendium import kept as kept_module
from lib.compendium.errors import ParameterError
from lib.expressions import ACTION_UNIT_TABLES, CIRCUMPLEX, EXPRESSIONS
from lib.faces.landmarks import eye_centres
from lib.training.faces import COLUMNS, UNIT_COLUMNS, TrainingFaces, atelier_faces, atelier_sequences


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    folder, kept_module.FOLDER = kept_module.FOLDER, tmp_path_factory.mktemp("models")
    yield
    kept_module.FOLDER = folder


@pytest.fixture(scope="module")
def few():
    return atelier_faces(28, 90_100, side=64)


@pytest.mark.slow
def test_faces_have_their_labels(few):
    """Expressions carry units and a place on the circumplex; free faces carry units only; numbers are on their scales."""
    table = few.table
    assert tuple(table.columns) == COLUMNS and few.crops.shape == (28, 64, 64, 3) and few.crops.dtype == np.uint8
    assert set(table["expression"]) <= {*EXPRESSIONS, ""} and (table["expression"] == "").any()
    free = table["expression"] == ""
    assert table.loc[free, ["intensity", "valence", "arousal"]].isna().all(axis=None)
    assert table.loc[~free, ["intensity", "valence", "arousal"]].notna().all(axis=None)
    assert table[list(UNIT_COLUMNS)].to_numpy().min() >= 0 and table[list(UNIT_COLUMNS)].to_numpy().max() <= 5
    for row in table[~free & (table["expression"] != "neutral")].itertuples():
        assert min(getattr(row, f"AU{unit:02d}") for unit in ACTION_UNIT_TABLES["lime_ekman"][row.expression]) > 0
        assert row.valence == pytest.approx(CIRCUMPLEX[row.expression][0] * row.intensity, abs=1e-6)


@pytest.mark.slow
def test_crops_are_aligned_by_the_eyes(few):
    """In nearly every crop the eyes found lie where alignment puts them: .38 from the top, .36 of the side apart."""
    eyes = np.stack([eye_centres(marks) for marks in few.landmarks]) / 64
    right = np.abs(eyes.mean(axis=1) - (0.5, 0.38)).max(axis=1) < 0.02
    assert right.mean() >= 0.9


@pytest.mark.slow
def test_seeds_and_subjects(few):
    """The same seed gives the same bytes; another seed shares no subject; a subject sits for seven pictures."""
    other = atelier_faces(7, 90_101, side=64)
    assert not set(other.table["subject"]) & set(few.table["subject"])
    assert few.table.groupby("subject").size().tolist() == [7] * 4
    again = atelier_faces(28, 90_100, side=64)
    assert np.array_equal(again.crops, few.crops)


@pytest.mark.slow
def test_sequences_rise():
    """A sequence shows one head from rest to full strength: every unit rises evenly and the pictures differ more and more from rest."""
    made = atelier_sequences(2, 4, 90_100, side=64)
    assert made.table["frame"].tolist() == [0, 1, 2, 3] * 2 and made.table["sequence"].tolist() == [0] * 4 + [1] * 4
    units = made.table[list(UNIT_COLUMNS)].to_numpy().reshape(2, 4, -1)
    assert np.allclose(units[:, 1:3], units[:, 3:] * np.array([1 / 3, 2 / 3])[None, :, None], atol=0.01) and (units[:, 0] == 0).all()
    apart = np.abs(made.crops.reshape(2, 4, -1).astype(float) - made.crops.reshape(2, 4, -1)[:, :1]).mean(axis=2)
    assert (apart[:, 3] > apart[:, 1]).all() and (apart[:, 0] == 0).all()


@pytest.mark.slow
def test_prototypes_show_each_expression_once():
    """Prototypes are the seven expressions at full strength, in order, heads nearly straight."""
    made = atelier_faces(7, 90_100, side=64, prototypes=True)
    assert tuple(made.table["expression"]) == EXPRESSIONS and (made.table["intensity"] == 1).all()


def test_wrong_counts_are_named():
    """A count, a seed or arrays of unlike length are refused before anything is made."""
    with pytest.raises(ParameterError, match="count of faces"):
        atelier_faces(0, 1)
    with pytest.raises(ParameterError, match="seed"):
        atelier_faces(1, -1)
    with pytest.raises(ParameterError, match="2 crops, 1 sets of landmarks"):
        TrainingFaces(np.zeros((2, 4, 4, 3), np.uint8), np.zeros((1, 68, 2)), pd.DataFrame(index=range(2)))
