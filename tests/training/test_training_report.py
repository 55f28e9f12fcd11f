"""What notebooks 04 and 05 show: tables with the numbers they claim, sentences that follow them, figures for every case."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.stats import permutation_test, spearmanr

from lib.compendium.errors import ParameterError
from lib.compendium.figures import drawn
from lib.expressions import EXPRESSIONS
from lib.training import metrics as m
from lib.training import report as r

# Table II of the sculpture study as printed: precision, recall, F1 by row.
PRINTED = {
    "MobileNet-v1": ".50 .42 .42 .36 .19 .24 .40 .34 .37 .53 .52 .53 .81 .81 .80 .64 .48 .54 .39 .36 .37 "
                    ".61 .55 .56 .52 .45 .47 .61 .55 .58",
    "VGG16": ".37 .30 .33 .33 .08 .12 .39 .37 .37 .56 .42 .44 .76 .87 .81 .56 .48 .51 .36 .29 .31 "
             ".59 .53 .55 .56 .53 .53 .48 .40 .41",
}
PAPER = {name: pd.DataFrame(np.array(text.split(), float).reshape(10, 3), columns=list(m.MEASURES)).assign(row=m.ROWS)
         for name, text in PRINTED.items()}  # fmt: skip


@pytest.fixture(scope="module")
def evaluated():
    """Three networks of falling skill on 240 faces: truth, scores by name, objects."""
    random = np.random.default_rng(0)
    truth = (random.random((240, 7)) < [0.3, 0.12, 0.1, 0.3, 0.5, 0.25, 0.12]).astype(int)
    noise = random.normal(size=truth.shape)
    names = ("MobileNet-v1", "VGG16", "custom CNN")
    scores = {name: 1 / (1 + np.exp(-(skill * (truth - 0.6) + noise))) for name, skill in zip(names, (3.0, 1.5, 0.5), strict=True)}
    return truth, scores, random.integers(0, 150, 240)


@pytest.fixture(scope="module")
def results(evaluated):
    truth, scores, objects = evaluated
    return {name: m.classification(truth, m.decided(values), objects, 60) for name, values in scores.items()}


def curves(**best) -> pd.DataFrame:
    """Return learning curves over ten epochs whose validation loss is smallest at the epoch given by name."""
    rows = [(name, epoch, 1 / epoch, 0.5 + 0.01 * abs(epoch - at)) for name, at in best.items() for epoch in range(1, 11)]
    return pd.DataFrame(rows, columns=["network", "epoch", "loss", "val_loss"])


def networks(gaps, tests, parameters=None) -> pd.DataFrame:
    count = len(gaps)
    return pd.DataFrame({"network": [f"net {number}" for number in range(count)],
                         "parameters": parameters or [10**6 * (number + 1) for number in range(count)],
                         "train_f1": 0.6 + np.array(gaps), "validation_f1": 0.6, "test_f1": tests, "seconds": np.arange(count) + 1.0,
                         "images_per_second": 100.0 / (np.arange(count) + 1)})  # fmt: skip


# ---- tables


def test_the_best_epoch_has_the_smallest_validation_loss():
    """The first epoch of the smallest validation loss is named for each network and run, whatever the order of rows."""
    table = curves(a=4, b=10).sample(frac=1, random_state=0)
    best = r.best_epochs(table).set_index("network")
    assert best["best_epoch"].to_dict() == {"a": 4, "b": 10} and (best["epochs"] == 10).all()
    assert best.loc["a", "val_loss"] == 0.5 and best.loc["a", "loss"] == 0.25
    runs = pd.concat([curves(a=3).assign(run="fold 0"), curves(a=5).assign(run="fold 1")])
    assert r.best_epochs(runs)["best_epoch"].tolist() == [3, 5]
    with pytest.raises(ParameterError, match="without val_loss"):
        r.best_epochs(table.drop(columns="val_loss"))
    with pytest.raises(ParameterError, match="loss of a that is no number"):
        r.best_epochs(curves(a=3).assign(val_loss=np.nan))


def test_table_two_stands_beside_the_papers(results):
    """Every cell of both sides is there once, with the difference; networks of one side only have NaN on the other."""
    table = r.beside(results, PAPER).set_index(["network", "measure", "row"])
    assert len(table) == 3 * 3 * 10 and table.index.is_unique
    cell = table.loc[("VGG16", "recall", "Disgust")]
    assert cell["paper"] == 0.08 and cell["value"] == results["VGG16"].set_index("row").loc["Disgust", "recall"]
    assert cell["difference"] == cell["value"] - 0.08 and cell["low"] <= cell["value"] <= cell["high"]
    custom = table.xs("custom CNN")
    assert custom["paper"].isna().all() and custom["value"].notna().all()
    assert r.beside({}, PAPER)["value"].isna().all()
    with pytest.raises(ParameterError, match="Total"):
        r.beside({"VGG16": results["VGG16"].replace("Macro Avg.", "Total")})


def test_sizes_are_means_over_runs():
    """Networks come from the fewest parameters, with the mean of their runs and the gap; one name has one size."""
    one = networks([0.3, 0.1], [0.5, 0.7], [5, 2])
    table = r.sizes(pd.concat([one, one.assign(train_f1=one["train_f1"] + 0.1)]))
    assert table["network"].tolist() == ["net 1", "net 0"] and table["runs"].tolist() == [2, 2]
    assert table["gap"].tolist() == pytest.approx([0.15, 0.35])
    with pytest.raises(ParameterError, match="several numbers of parameters"):
        r.sizes(one.assign(network="same"))
    with pytest.raises(ParameterError, match="without test_f1"):
        r.sizes(one.drop(columns="test_f1"))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=4, max_size=6))
def test_rank_correlations_are_exact(values):
    """ρ is SciPy's and p counts all permutations, with ties too."""
    found = r.size_correlations(networks(np.array(values) / 10, [0.5] * len(values))).set_index("measure")
    assert np.isnan(found.loc["test_f1", "rho"]), "equal values have no ranks"
    if len(set(values)) == 1:
        assert np.isnan(found.loc["gap", "rho"])
        return
    rho = lambda y: spearmanr(np.arange(len(values)), y).statistic  # noqa: E731
    expected = permutation_test((np.array(values),), rho, permutation_type="pairings", n_resamples=np.inf)
    assert found.loc["gap", "rho"] == pytest.approx(expected.statistic)
    two_sided = (np.abs(expected.null_distribution) >= abs(expected.statistic) - 1e-9).mean()
    assert found.loc["gap", "p"] == pytest.approx(two_sided) and found.loc["gap", "networks"] == len(values)


# ---- sentences


@pytest.mark.parametrize("gaps, tests, said", [
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], "Both go the way"),
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.4, 0.5, 0.6, 0.7, 0.8, 0.9], "Only the gap goes the way"),
    ([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], "Only the test part goes the way"),
    ([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.4, 0.5, 0.6, 0.7, 0.8, 0.9], "Neither goes the way"),
])  # fmt: skip
def test_whether_smaller_generalises_better(gaps, tests, said):
    """The sentence follows the signs of both correlations, states n and p, and calls a clear order beyond chance."""
    text = r.size_sentence(networks(gaps, tests))
    assert said in text and "n = 6" in text and text.count("p = 0.0028: beyond chance") == 2


def test_few_networks_say_nothing_about_size():
    """Under four networks there is no correlation; with four, the smallest p possible is stated."""
    assert "With 3 networks nothing can be said" in r.size_sentence(networks([0.1, 0.2, 0.3], [0.5, 0.4, 0.3]))
    assert "With 1 network nothing" in r.size_sentence(networks([0.1], [0.5]))
    assert "not all alike" in r.size_sentence(networks([0.1] * 5, [0.5] * 5))
    four = r.size_sentence(networks([0.1, 0.2, 0.3, 0.4], [0.5, 0.4, 0.3, 0.2]))
    assert "may be chance" in four and "With 4 networks p cannot be below 0.083" in four


def test_the_sentence_about_table_two(results):
    """It names the best with its interval, the paper's order by its rows, and the printed averages that contradict them."""
    text = r.table_two_sentence(results, PAPER)
    macro = results["MobileNet-v1"].set_index("row").loc["Macro Avg."]
    assert f"**MobileNet-v1** is best: {macro['f1']:.2f} [{macro['f1_low']:.2f}, {macro['f1_high']:.2f}]" in text
    assert "MobileNet-v1 (0.47) and VGG16 (0.41): the same order" in text
    assert "printed macro averages would give another order" in text
    turned = {"VGG16": results["MobileNet-v1"], "MobileNet-v1": results["VGG16"]}
    assert "another order. (" in r.table_two_sentence(turned, PAPER)
    assert "paper" not in r.table_two_sentence({"VGG16": results["VGG16"]}, PAPER)


def test_sentences_about_truth_comparison_calibration_and_cost(evaluated):
    """Each sentence says what its table says: the verdict by intervals, pairs after correction, numbers of all."""
    truth, scores, objects = evaluated
    planted = np.array(EXPRESSIONS)[np.random.default_rng(1).integers(0, 7, 240)]
    one = (planted[:, None] == np.array(EXPRESSIONS)).astype(float)
    wrong = np.roll(one, 1, axis=1)
    half = np.where(np.arange(240)[:, None] % 2, one, wrong)
    against = m.against_truth(planted, {"net": one, "union": half, "bad": wrong}, objects, resamples=50)
    assert "sees through their noise" in r.truth_sentence(against, "net", "union")
    assert "adds its own" in r.truth_sentence(against, "bad", "union")
    assert "mistakes included" in r.truth_sentence(pd.concat([against[:2], against[1:2].assign(answer="same")]), "same", "union")
    assert "No face has both" in r.truth_sentence(m.against_truth([""] * 240, {"net": one, "union": half}), "net")
    pairs = m.compared(truth, {name: m.decided(values) for name, values in scores.items()}, objects, 200)
    assert r.comparison_sentence(pairs).startswith("Of 3 pairs") and "MobileNet-v1 is better than VGG16 by" in r.comparison_sentence(pairs)
    assert "no two networks differ" in r.comparison_sentence(pairs.assign(holm=1.0))
    assert "nothing to compare" in r.comparison_sentence(pairs[:0])
    errors = {name: m.calibration_errors(truth, values, resamples=10) for name, values in scores.items()}
    assert f"VGG16 {errors['VGG16']['ece'].iloc[-1]:.2f} (Brier" in r.calibration_sentence(errors)
    two = r.cost_sentence(networks([0.1, 0.2], [0, 0]))
    assert two == "net 0 learns from 100 pictures a second (1.0 s an epoch), net 1 from 50 (2.0 s)."
    assert r.cost_sentence(networks([0.1], [0])).endswith("(1.0 s an epoch).")
    assert "VGG16 was best after epoch 10 of 10" in r.learning_sentence(curves(MobileNet=4, VGG16=10))
    assert "VGG16 still improved in the last epoch" in r.learning_sentence(curves(MobileNet=4, VGG16=10), patience=5)


# ---- figures


@pytest.mark.slow
def test_every_figure_is_drawn_and_without_warnings(evaluated, results, recwarn):
    """Many networks, one network, several runs, missing values and nothing at all give figures."""
    truth, scores, objects = evaluated
    table = pd.DataFrame({"tradition": np.where(np.arange(240) < 5, "tiny", "large"), "material": "stone"})
    breakdowns = {name: m.breakdown(truth, m.decided(values), table, ["tradition", "material"], objects=objects, resamples=20)
                  for name, values in scores.items()}  # fmt: skip
    reliability = {name: m.calibration(truth, values, objects=objects, resamples=20) for name, values in scores.items()}
    errors = {name: m.calibration_errors(truth, values, resamples=5) for name, values in scores.items()}
    against = m.against_truth(np.array(EXPRESSIONS)[truth.argmax(axis=1)], scores, objects, resamples=20)
    many = networks(np.arange(8) / 20, np.arange(8) / 10)
    figures = [
        r.learning_figure(curves(a=4, b=10)), r.learning_figure(curves(a=1).head(1)), r.learning_figure(curves(a=1)[:0]),
        r.learning_figure(pd.concat([curves(a=3).assign(run="0"), curves(a=5).assign(run="1")])),
        r.table_two_figure(results, PAPER, "this run (atelier)"), r.table_two_figure({"one": results["VGG16"]}),
        r.table_two_figure({}, PAPER), r.classes_figure(results, PAPER), r.classes_figure(results), r.classes_figure({}),
        r.overfitting_figure(many), r.overfitting_figure(pd.concat([many, many])), r.overfitting_figure(many[:1]),
        r.overfitting_figure(many.assign(test_low=many["test_f1"] - 0.1, test_high=np.nan)),
        r.calibration_figure(reliability, errors), r.calibration_figure({"one": reliability["VGG16"]}), r.calibration_figure({}),
        r.groups_figure(breakdowns), r.groups_figure(breakdowns, "macro"), r.groups_figure({}),
        r.truth_figure(against, ["VGG16"]), r.truth_figure(against[:0]),
        r.cost_figure(many), r.cost_figure(many.assign(memory=np.nan)[:1]), r.cost_figure(many[:0]),
    ]  # fmt: skip
    for figure in figures:
        assert isinstance(figure, Figure)
        png, _ = drawn(figure)
        assert len(png) > 2000
    assert not [str(one.message) for one in recwarn if issubclass(one.category, UserWarning | RuntimeWarning | FutureWarning)]


def test_a_figure_shows_the_numbers_of_its_table(results):
    """The dots of the classes lie at the F1 of the table, the marks of learning at the best epoch, every cell of Table II is printed."""
    axis = r.classes_figure(results, PAPER).axes[0]
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    for line, result in zip(dots, results.values(), strict=True):
        assert np.allclose(line.get_xdata(), result["f1"])
    hollow = [line for line in axis.lines if line.get_marker() == "D"]
    assert np.allclose(hollow[0].get_xdata(), PAPER["MobileNet-v1"]["f1"])
    marks = [line for line in r.learning_figure(curves(a=4)).axes[0].lines if line.get_marker() == "o"]
    assert marks[0].get_xdata() == [4]
    texts = [text.get_text() for text in r.table_two_figure({}, PAPER).axes[0].texts]
    assert [text for text in texts if text.startswith(".")] != [] and texts.count("paper") == 2
    printed = [text for text in texts if text.startswith(".")]
    assert sorted(printed) == sorted(f"{float(value):.2f}"[1:] for text in PRINTED.values() for value in text.split())


def test_table_two_keeps_both_sides_of_a_network_together(results):
    """Lines break between networks, never between the paper's columns and ours."""
    blocks = [(f"n{number}", side) for number in range(5) for side in ("paper", "value")] + [("last", "value")] * 1
    lines = [blocks[start:end] for start, end in r._lines(blocks, 5)]
    assert sum(lines, []) == blocks and all(len(line) <= 5 for line in lines)
    for line in lines:
        assert all((name, "value") in line for name, side in line if side == "paper")


def test_networks_keep_their_colour():
    """The same names in the same order have the same colours; ten networks have ten."""
    assert r.colours(["a", "b", "a"]) == r.colours(["a", "b"]) and len(set(r.colours(map(str, range(10))).values())) == 10
