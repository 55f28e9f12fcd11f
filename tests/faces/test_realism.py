"""How real the atelier's faces are: what is measured, held to which target, and shown."""

import numpy as np
import pandas as pd
import pytest

from lib.collections import atelier
from lib.faces import realism


def table(*rows):
    return pd.DataFrame(rows, columns=realism.COLUMNS)


def test_targets_are_bounds_from_below_or_above():
    """At least and at most are both met at equality; without a target nothing is judged."""
    assert realism._row("recall", "all", 0.99, 0.99)[3:] == ("at least 0.99", True)
    assert realism._row("recall", "all", 0.98, 0.99)[4] is False
    assert realism._row("error", "all", 0.07, 0.07, at_most=True)[3:] == ("at most 0.07", True)
    assert realism._row("error", "all", 0.08, 0.07, at_most=True)[4] is False
    assert realism._row("seen", "all", 1)[3:] == ("", None)


def test_misses_are_said():
    """The sentence counts the targets and lists each miss with its value and target."""
    rows = [("recall", "wood", 0.9, "at least 0.96", False), ("recall", "clay", 1.0, "at least 0.96", True), ("seen", "x", 1.0, "", None)]
    said = realism.sentence(table(*rows))
    assert "**1 of 2** targets are met" in said and "wood: 0.900 (at least 0.96)" in said
    assert realism.sentence(table(rows[1])) == "**1 of 1** targets are met."
    assert len(realism.realism_figure(table(*rows)).axes) == 1


def test_the_box_for_dlib_is_fitted_to_the_points():
    """Points of the average head, scaled and moved, give the box scaled and moved alike."""
    mean = realism._mean_face()
    one = np.array(realism._dlib_box(mean * 40 + 100))
    other = np.array(realism._dlib_box(mean * 80 + 200))
    assert mean.shape == (68, 2) and other == pytest.approx(one * 2)


@pytest.mark.slow
def test_a_straight_marble_face_is_found_and_its_landmarks_too():
    """MTCNN meets the planted box of four of five plain faces at least; dlib's landmarks lie within a tenth of the eyes' distance."""
    from lib.compendium import weights

    pieces = [realism._posed("marble", index, 900, False) for index in range(5)]
    assert sum(realism._is_met(piece) for piece in pieces) >= 4
    if weights.check("dlib_68_landmarks") != "ok":
        pytest.skip("the landmark weights are not here: make weights")
    assert np.mean([realism.landmark_error(piece) for piece in pieces]) < 0.1


@pytest.mark.slow
def test_a_network_for_people_reads_a_made_up_smile():
    """mini_XCEPTION finds a full smile likelier than a blank face's."""
    from lib.compendium import weights

    if weights.check("mini_xception_fer2013") != "ok":
        pytest.skip("the expression weights are not here: make weights")
    happy = realism.EXPRESSIONS.index("happy")
    faces = [realism._prototype("humans", "skin", "happy", 0, intensity, 900) for intensity in (0.0, 1.0)]
    blank, smiling = realism._read(np.stack([realism._crops(piece) for piece in faces]))[:, happy]
    assert smiling > blank + 0.2


def test_crops_and_aligned_faces_have_their_sizes():
    """Five crops of 64 pixels for the network, one grey face of 128 for the read-out."""
    piece = atelier.sculpt(3, 160, tradition="humans")
    assert realism._crops(piece).shape == (5, 64, 64) and realism._aligned(piece).shape == (128, 128)
    assert set(realism.MEASURES) == {"action units", "expressions", "intensities", "detection"}
