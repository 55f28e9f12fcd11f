"""What requested Action Units move on the atelier's heads: nothing where nothing is asked, the jaw where it falls; carved once."""

import numpy as np
import pytest

from lib.collections import atelier
from lib.compendium import kept
from lib.compendium.errors import ParameterError
from lib.explain import displacements
from lib.training.faces import PICTURE_SIDE, UNIT_COLUMNS

MATRIX = np.diag([32 / PICTURE_SIDE, 32 / PICTURE_SIDE, 1.0])  # the whole picture, made small


def head() -> dict:
    return atelier.commission(3, "humans", units=dict.fromkeys((1, 2), 0.0), damaged={}, presentation="bust", yaw=0.0, pitch=0.0)


def test_the_jaw_moves_what_lies_below_the_eyes_and_rest_moves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    units = np.zeros((2, len(UNIT_COLUMNS)), np.float32)
    units[1, UNIT_COLUMNS.index("AU26")] = 5
    piece = head()
    found = displacements.requested([piece], MATRIX[None], units, 32)
    assert found.pictures.shape == (2, 32, 32, 3) and found.pictures.dtype == np.uint8 and not found.displacements[0].any()
    moved = found.displacements[1] > 0.01
    changed = np.abs(found.pictures[1].astype(int) - found.pictures[0]).mean(axis=2)
    assert 0.01 < moved.mean() < 0.5 and changed[moved].mean() > 3 * changed[~moved].mean()
    eyes = MATRIX @ [*np.asarray(atelier.sculpt(piece, PICTURE_SIDE).truth["faces"][0]["landmarks"])[36:48].mean(axis=0), 1]
    assert np.flatnonzero(moved.any(axis=1)).min() > eyes[1]
    monkeypatch.setattr(displacements, "run_all", lambda *a, **k: pytest.fail("carved again"))
    again = displacements.requested([piece], MATRIX[None], units, 32)
    assert np.array_equal(again.pictures, found.pictures) and np.array_equal(again.displacements, found.displacements)


@pytest.mark.parametrize("pieces, matrices, units", [
    ([], np.zeros((0, 3, 3)), np.zeros((1, 16))), ([{}], MATRIX, np.zeros((1, 16))), ([{}], MATRIX[None], np.zeros((1, 3))),
    ([{}], MATRIX[None], np.full((1, 16), 6.0)),
])  # fmt: skip
def test_what_does_not_fit_is_refused(pieces, matrices, units):
    with pytest.raises(ParameterError, match="expected"):
        displacements.requested(pieces, matrices, units)
