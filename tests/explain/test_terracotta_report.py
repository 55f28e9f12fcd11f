"""Notebook 07's figures and sentences: each says what its table says, and no more."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lib.explain import terracotta_report as report
from lib.explain import terracotta_study as study
from lib.expressions import EXPRESSIONS
from lib.training import animation, terracotta
from lib.training.ganimation import COLUMNS
from tests.explain import terracotta_world as world


def drawn(figure: Figure) -> Figure:
    """Draw a figure, which is where most go wrong, and return it."""
    figure.draw_without_rendering()
    return figure


def accuracies(**shares) -> pd.DataFrame:
    """Return accuracies of ten pictures of each expression, that share of which is told rightly."""
    truth = np.repeat(np.array(EXPRESSIONS, object), 10)
    found = {name.replace("_", "-"): (truth, np.where(np.tile(np.arange(10), 7) < 10 * share, truth, "none"), None)
             for name, share in shares.items()}  # fmt: skip
    return terracotta.accuracies(found, 50)


def leak(value: float, low: float, high: float) -> pd.DataFrame:
    rows = [("strict", 10, 5, 0.5, 0.4, 0.6), ("lenient", 10, 5, 0.5 + value, 0.4, 0.9), ("lenient minus strict", 10, 5, value, low, high)]
    return pd.DataFrame(rows, columns=terracotta.LEAK_COLUMNS)


def test_warriors_are_shown_posture_by_posture():
    """The first of every posture come before the second of any; the counts stand beside those published."""
    data = world.data({"han"})
    figure, shown = report.warriors_figure(data, 5)
    drawn(figure)
    assert shown.loc[shown["set"] == "postures", "posture"].nunique() == 5 and len(shown) == 15
    counts = report.counts_table(data).set_index("set")
    assert counts["published"].tolist() == [58, 85, 43]
    assert counts["what"].tolist() == ["atelier (synthetic)", "atelier (synthetic)", "your photographs"]


def test_votes_in_words_and_as_a_figure():
    """Annotators without doubt agree wholly, and every label has more than half of them behind it."""
    table = world.people(14, "tw58").table
    labels = terracotta.annotators(table, doubt=0)
    majority = terracotta.majority(labels)
    said = report.votes_sentence(labels, majority, terracotta.agreed(labels, resamples=50))
    assert "6 annotators" in said and "1.00" in said and "100% of the faces" in said and "for 0% two are named" in said
    drawn(report.votes_figure(labels, majority))


def test_the_transfer_in_words():
    """How far accuracy falls is said; where it does not fall nothing is claimed; guessing is named where nothing more is known."""
    said = report.transfer_sentence(accuracies(ARM=1), accuracies(ARM=0.9), accuracies(ARM=0.1), accuracies(ARM=0.2))
    assert "1.00" in said and "0.90" in said and "0.10" in said and "loses 80%" in said and "Guessing" in said and "planted" in said
    said = report.transfer_sentence(accuracies(ARM=1), accuracies(ARM=0.5), accuracies(ARM=0.6), pd.DataFrame())
    assert "loses" not in said and "planted" not in said


@pytest.mark.parametrize(("real", "made", "word"), [(0.8, 0.8, "as well as"), (0.8, 0.5, "less often than"), (0.3, 0.8, "better than")])
def test_table_seven_in_words(real, made, word):
    """As well as, better or worse, within five points of the averages."""
    assert f"**{word}**" in report.generated_sentence(accuracies(RAFDB=real, GANimation=made))


def test_a_classifier_that_guesses_compares_nothing():
    """As often wrong on both is no success of the generator."""
    assert "compares nothing" in report.generated_sentence(accuracies(RAFDB=0.1, GANimation=0.1))
    assert "compares nothing" not in report.generated_sentence(accuracies(RAFDB=0.8, GANimation=0.8))


def test_accuracies_are_whole_per_cents_and_gaps_are_dashes():
    """What was not shown has no accuracy."""
    table = study.beside(accuracies(ARM=0.5).assign(fear=np.nan), "table_one")
    shown = report.accuracies_shown(table)
    assert shown.iloc[1]["fear"] == "–" and shown.iloc[1]["average"] == "50.0%" and shown.iloc[0]["fear"] == "99.9%"


def curves(variety=(1.0, 0.9)) -> pd.DataFrame:
    table = pd.DataFrame({name: [1.0, 0.5] for name in COLUMNS})
    return table.assign(epoch=[1, 2], variety=variety, generator_units=[np.nan, 2.0])


def test_curves_and_collapse():
    """One picture for all is called so; epochs in which the generator rests are gaps."""
    drawn(report.curves_figure(curves()))
    assert "no sign of one picture for all" in report.collapse_sentence(curves(), 0.005)
    assert "less than the pictures do" in report.collapse_sentence(curves((1.0, 0.2)), 0.005)


def test_sheets_as_figures():
    """Seven expressions in three columns beside the picture; framed those left out."""
    sheets = world.sheets(2)
    figure = drawn(report.sheet_figure(sheets[0], list(EXPRESSIONS), sheets[0, 0, 0], 1))
    framed = [axis for axis in figure.axes if axis.spines["left"].get_visible()]
    assert len(figure.axes) == 7 * 4 and len(framed) == 7
    assert len(drawn(report.everybody_figure(sheets[:, 0, 0], sheets[:, :, 1], list(EXPRESSIONS))).axes) == 2 * 8


def seen(heads: int = 3, each: int = 2):
    """Return what an examination gives, of noise."""
    generator, count, side = np.random.default_rng(0), heads * each, 16
    pictures = generator.integers(0, 255, (count, side, side, 3), dtype=np.uint8)
    made = animation.Animated(pictures, generator.random((count, side, side)).astype(np.float32), pictures)
    again = SimpleNamespace(made=made, head=np.repeat(np.arange(heads), each))
    carved = SimpleNamespace(pictures=pictures, displacements=generator.random((count, side, side)))
    places = animation.places_changed(pictures, made, carved.displacements)
    return study.Examined(SimpleNamespace(crops=pictures[:heads]), pictures, again, carved, None, places)


def test_attention_shows_another_head_and_request_in_each_row():
    """Three heads, two requests: two rows; of the first head the first request, of the second the second."""
    figure, shown = report.attention_figure(seen())
    drawn(figure)
    assert len(figure.axes) == 12 and len(shown) == 2
    pd.testing.assert_frame_equal(shown, seen().places.iloc[[0, 3]].reset_index(drop=True))


def fidelity(correlation) -> pd.DataFrame:
    units = [1, 2, 4, 5, 12, 15, 25, 26]
    return pd.DataFrame({"unit": units, "pictures": 9, "correlation": correlation, "mean_error": 1.0, "ceiling": 0.8})


@pytest.mark.parametrize(("correlation", "inside", "words"), [
    (0.7, 0.4, ("by **0.70** on average (at least the 0.6", "**4.0** times", "at least the 2", "below the 4%")),
    (0.3, 0.1, ("by **0.30** on average (below the 0.6", "**1.0** times", "below the 2", "below the 4%"))])
def test_fidelity_in_words(correlation, inside, words):
    """What is asked of a generator is met or not, by the seven units that are judged."""
    places = pd.DataFrame({"inside": [inside], "outside": [0.1], "background": [0.012]})
    said = report.fidelity_sentence(fidelity([correlation] * 8), places)
    assert all(word in said for word in words), said
    drawn(report.fidelity_figure(fidelity([correlation] * 7 + [np.nan])))


def test_fidelity_of_a_generator_that_does_nothing():
    """Without any variation there is no correlation, and no best unit is named."""
    places = pd.DataFrame({"inside": [0.0], "outside": [0.0], "background": [0.05]})
    said = report.fidelity_sentence(fidelity([np.nan] * 8), places)
    assert "best" not in said and "above the 4%" in said


def test_distances_in_words():
    """Nearer than the unchanged heads or further; people kept; a collapse is called one."""
    table = pd.DataFrame({"pictures": ["answers", "rest", "halves"], "Fréchet distance": [2.0, 4.0, 1.0]})
    identity, variety = {"own": 1.0, "others": 4.0, "between": 4.0, "share": 1.0}, {"people": 0.9, "wishes": 0.02}
    said = report.distances_sentence(table, identity, variety)
    assert "nearer to them" in said and "0.25 times" in said and "100% are nearest" in said and "no collapse" in said
    said = report.distances_sentence(table.iloc[[1, 0, 2]], identity, {"people": 0.1, "wishes": 0.02})
    assert "further" in said and ": a collapse." in said


@pytest.mark.parametrize(("low", "told"), [(0.05, "All of these"), (-0.05, "None of these")])
def test_the_leak_in_words_and_as_a_figure(low, told):
    """Memory is claimed where the interval lies above 0, and nowhere else."""
    quick = pd.concat([leak(0.2, low, 0.4).assign(classifier=name, columns=count) for name in study.QUICK for count in (1, 4)])
    said = report.leak_sentence(quick, leak(0.1, low, 0.3))
    assert told in said and "With 4 pictures" in said and "+0.20" in said and "+0.10" in said
    assert len(drawn(report.leak_figure(quick, leak(0.1, low, 0.3), (0.707, 0.776))).axes[0].get_yticks()) == 6


def test_splits_and_batches_in_words():
    """Training and test side by side; what other company changes."""
    said = report.split_sentence({"train": accuracies(ARM_1=1, ARM_2=1), "test": accuracies(ARM_1=0.5, ARM_2=0.7)})
    assert "ARM-1 100% and 50%; ARM-2 100% and 70%" in said
    effect = {mode: pd.DataFrame({"batch": [1, 8], "changed": [0, share], "moved": [0, share]})
              for mode, share in (("as_coded", 0.25), ("batch_independent", 0.0))}  # fmt: skip
    assert "25% of the warriors" in report.batch_sentence(effect) and "0% and 0.0000" in report.batch_sentence(effect)


def test_postures_in_words_and_as_a_figure():
    """The commonest expression of each posture by the classifier, with its interval."""
    table = study.posture_tables(world.wanted(), world.data(), world.Grey())
    assert "Generals: " in report.posture_sentence(table) and "[" in report.posture_sentence(table)
    assert len(drawn(report.posture_figure(table)).axes) == 2


@pytest.mark.parametrize(("low", "high", "word"), [(0.1, 0.3, "they are more alike"), (-0.1, 0.3, "by none of the measures"),
                                                   (-0.3, -0.1, "by pixels less")])
def test_similarity_in_words_and_as_a_figure(low, high, word):
    """More alike only where the interval of the difference says so."""
    rows = [("warriors", 10, 45, 0.5, 0.4, 0.6), ("living", 10, 45, 0.3, 0.2, 0.4),
            ("warriors minus living", 0, 0, (low + high) / 2, low, high)]  # fmt: skip
    table = pd.DataFrame(rows, columns=terracotta.SIMILARITY_COLUMNS).assign(measure="pixels")
    assert word in report.similarity_sentence(table)
    drawn(report.similarity_figure(table))


def test_ways_in_words_and_as_a_figure():
    """GANimation's gain over the few alone, and whether chance explains it; best and last by name."""
    ways = accuracies(none=0.3, gan=0.8, rendered=0.9).rename(columns={"row": "way"}).assign(classes_low=0.2, classes_high=0.95)
    said = report.compared_sentence(ways)
    assert "50% more than with the few alone, which is more than chance" in said
    assert "Best is carved" in said and "last nothing (30%)" in said
    near = accuracies(none=0.3, gan=0.3).rename(columns={"row": "way"}).assign(classes_low=0.2, classes_high=0.4)
    assert "which may be chance" in report.compared_sentence(near)
    assert "not among" in report.compared_sentence(pd.DataFrame(columns=["way"]))
    drawn(report.compared_figure(ways))
