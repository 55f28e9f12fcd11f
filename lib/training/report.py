"""Training: what notebooks 04 and 05 show: learning curves, Table II beside the paper's, over-fitting, calibration, groups, cost.

Figures and sentences are made from tables, never from a network. `results` are {name: table of `metrics.classification`}, names as
readers should see them; `paper` are {name: table with row, precision, recall, f1}, the published values, by the same names.
`networks` has one row a trained network: network, parameters, train_f1, validation_f1, test_f1 (macro F1), and where there are several
folds or seeds one row for each.
"""

from itertools import permutations
from math import factorial

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.stats import rankdata, spearmanr

from lib.compendium.errors import ParameterError
from lib.compendium.figures import INK, LINES, plain, sentence, with_interval
from lib.training.metrics import AVERAGES, CLASSES, MEASURES, ROWS

OURS, PAPER, QUIET = "#b5482a", "#2b6f8f", "#a3aeb6"
PALETTE = ("#b5482a", "#2b6f8f", "#d9a441", "#5f8f4e", "#7a5c99", "#3fa7a0", "#c26a8d", "#8c6d53", "#22303c", "#93a1ab")
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#f3d9b8", "#e09f6b"])
ENOUGH = 4  # networks below which a rank correlation says nothing
MANY = 8  # networks up to which all permutations are tried


def colours(names) -> dict[str, str]:
    """Return a colour for each network, the same wherever the same names come in the same order."""
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(dict.fromkeys(names))}


# ---- tables


def best_epochs(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the epoch with the smallest validation loss, whose weights are kept: network, run, epochs, best_epoch, loss, val_loss.

    curves: network, epoch (from 1), loss, val_loss and, where there are several folds or seeds, run. The first of equal epochs counts.
    """
    rows = []
    for (network, run), curve in _runs(curves):
        best = curve.loc[curve["val_loss"].idxmin()]
        rows.append((network, run, len(curve), int(best["epoch"]), best["loss"], best["val_loss"]))
    return pd.DataFrame(rows, columns=["network", "run", "epochs", "best_epoch", "loss", "val_loss"])


def _runs(curves: pd.DataFrame):
    if missing := [name for name in ("network", "epoch", "loss", "val_loss") if name not in curves]:
        raise ParameterError(f"Received learning curves without {', '.join(missing)}, expected network, epoch, loss and val_loss: train "
                             "with a validation part.")  # fmt: skip
    if wrong := curves.loc[~np.isfinite(curves["val_loss"].astype(float)), "network"].tolist():
        raise ParameterError(f"Received a validation loss of {wrong[0]} that is no number, expected one an epoch: train it more slowly.")
    return curves.assign(run=curves.get("run", "")).sort_values("epoch", kind="stable").groupby(["network", "run"], sort=False)


def beside(results: dict, paper: dict | None = None) -> pd.DataFrame:
    """Return Table II of the paper and of this run, one row a cell: network, row, measure, paper, value, low, high, difference.

    Networks that only one side has are there too, with NaN on the other. difference: value - paper.
    """
    paper, parts = paper or {}, []
    for network in dict.fromkeys([*results, *paper]):
        for measure in MEASURES:
            ours, theirs = _by_row(results.get(network), network), _by_row(paper.get(network), network)
            parts.append(pd.DataFrame({"network": network, "row": ROWS, "measure": measure, "paper": theirs[measure].to_numpy(),
                                       "value": ours[measure].to_numpy(), "low": ours[f"{measure}_low"].to_numpy(),
                                       "high": ours[f"{measure}_high"].to_numpy()}))  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    return table.assign(difference=table["value"] - table["paper"])


def _by_row(table: pd.DataFrame | None, network: str) -> pd.DataFrame:
    """Return a table by row in the order of ROWS; all NaN for None. Raises ParameterError for rows that are not those of Table II."""
    columns = [*MEASURES, *(f"{name}_{end}" for name in MEASURES for end in ("low", "high"))]
    if table is None:
        return pd.DataFrame(np.nan, index=list(ROWS), columns=columns)
    if set(table["row"]) != set(ROWS):
        strange = sorted(set(ROWS) ^ set(table["row"]))
        raise ParameterError(f"The table of {network} differs from Table II in the row(s) {', '.join(map(str, strange))}; expected each of "
                             f"{', '.join(ROWS)} once.")  # fmt: skip
    return table.set_index("row").reindex(index=list(ROWS), columns=columns).astype(float)


def sizes(networks: pd.DataFrame) -> pd.DataFrame:
    """Return one row a network, from the fewest parameters: network, parameters, runs, train_f1, validation_f1, test_f1, gap (means).

    gap: train_f1 - validation_f1, the over-fitting of macro F1. A network whose runs have different numbers of parameters is refused.
    """
    needed = ["network", "parameters", "train_f1", "validation_f1", "test_f1"]
    if missing := [name for name in needed if name not in networks]:
        raise ParameterError(f"Received networks without {', '.join(missing)}, expected {', '.join(needed)}: evaluate all three parts.")
    by_network = networks.groupby("network", sort=False)
    if (by_network["parameters"].nunique() > 1).any():
        raise ParameterError("Received one network with several numbers of parameters, expected one each: give each variant its own name.")
    table = by_network[needed[1:]].mean()
    table.insert(1, "runs", by_network.size())
    return table.assign(gap=table["train_f1"] - table["validation_f1"]).sort_values("parameters", kind="stable").reset_index()


def size_correlations(networks: pd.DataFrame) -> pd.DataFrame:
    """Return how over-fitting and quality go with the number of parameters: measure (gap, test_f1), rho, p, networks.

    rho: Spearman's rank correlation over networks (means over their runs); p: two-sided, over all permutations for up to MANY networks.
    NaN with fewer than three networks, or where all values are equal.
    """
    table = sizes(networks)
    rows = []
    for measure in ("gap", "test_f1"):
        known = table[np.isfinite(table[measure])]
        rows.append((measure, *_rank_correlation(known["parameters"].to_numpy(float), known[measure].to_numpy(float)), len(known)))
    return pd.DataFrame(rows, columns=["measure", "rho", "p", "networks"])


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan, np.nan
    rho, p = spearmanr(x, y)
    if len(x) <= MANY:
        ranks, others = rankdata(x) - (len(x) + 1) / 2, rankdata(y) - (len(x) + 1) / 2
        sums = np.array(list(permutations(others))) @ ranks
        p = (np.abs(sums) >= abs(others @ ranks) - 1e-9).mean()
    return float(rho), float(p)


# ---- sentences


def learning_sentence(curves: pd.DataFrame, patience: int | None = None) -> str:
    """Return when the networks learnt best, in words."""
    best = best_epochs(curves)
    parts = []
    for row in best.itertuples():
        name = f"{row.network} {row.run}".strip()
        parts.append(f"{name} was best after epoch {row.best_epoch} of {row.epochs} (validation loss {row.val_loss:.3f}, training loss "
                     f"{row.loss:.3f})")  # fmt: skip
    late = [row.network for row in best.itertuples() if row.best_epoch == row.epochs]
    text = "; ".join(parts) + "."
    if patience is not None and late:
        text += f" {_listed(late)} still improved in the last epoch: more epochs may help."
    return text[:1].upper() + text[1:]


def table_two_sentence(results: dict, paper: dict | None = None) -> str:
    """Return which network is best by macro F1, with its interval, and how the order compares with the paper's, in words."""
    table = pd.DataFrame({name: _by_row(result, name).loc["Macro Avg."] for name, result in results.items()}).T
    order = table["f1"].sort_values(ascending=False, kind="stable")
    best = table.loc[order.index[0]]
    text = f"By macro F1, **{order.index[0]}** is best: {with_interval(best['f1'], best['f1_low'], best['f1_high'])}"
    text += (f", ahead of {_listed([f'{name} ({value:.2f})' for name, value in order[1:].items()])}." if len(order) > 1 else ".")
    both = [name for name in order.index if name in (paper or {})]
    if len(both) < 2:
        return text
    rows = {name: _by_row(paper[name], name)["f1"] for name in both}
    means = pd.Series({name: values.iloc[:CLASSES].mean() for name, values in rows.items()})
    said = _listed([f"{name} ({means[name]:.2f})" for name in _falling(means)])
    same = both == _falling(means)
    text += f" The paper's rows of classes give {said}: {'the same order' if same else 'another order'}."
    if _falling(pd.Series({name: values["Macro Avg."] for name, values in rows.items()})) != _falling(means):
        text += " (Its printed macro averages would give another order; they are not the means of its rows.)"
    return text


def _falling(values: pd.Series) -> list[str]:
    return values.sort_values(ascending=False, kind="stable").index.tolist()


def size_sentence(networks: pd.DataFrame) -> str:
    """Return whether "smaller generalises better" holds here, in words: rank correlations with the number of networks and p stated."""
    table, found = sizes(networks), size_correlations(networks).set_index("measure")
    smallest, largest = table.iloc[0], table.iloc[-1]
    count = int(found.loc["gap", "networks"])
    ends = (f"{smallest['network']} ({_short(smallest['parameters'])} parameters) loses {smallest['gap']:.2f} of macro F1 from training to "
            f"validation, {largest['network']} ({_short(largest['parameters'])}) {largest['gap']:.2f}")  # fmt: skip
    if count < ENOUGH or not np.isfinite(found["rho"]).all():
        return (f"{ends}. With {count} network{'s' if count != 1 else ''} nothing can be said about size and over-fitting: a rank "
                f"correlation needs at least {ENOUGH}, not all alike.")  # fmt: skip
    gap, test = found.loc["gap"], found.loc["test_f1"]
    as_said = {(True, True): "Both go", (True, False): "Only the gap goes", (False, True): "Only the test part goes",
               (False, False): "Neither goes"}[gap["rho"] > 0, test["rho"] < 0]  # fmt: skip
    fewest = 2 / factorial(count)
    few = f" With {count} networks p cannot be below {fewest:.2g}, however clear the order." if fewest >= 0.05 else ""
    return (f"{ends}. With more parameters, over n = {count} networks, the gap {_goes(gap)}, and macro F1 on the test part {_goes(test)}. "
            f"{as_said} the way of “smaller generalises better”.{few}")  # fmt: skip


def _goes(found: pd.Series) -> str:
    way = "rises" if found["rho"] > 0 else "falls" if found["rho"] < 0 else "neither rises nor falls"
    sure = "beyond chance" if found["p"] < 0.05 else "may be chance"
    return f"{way} (Spearman's ρ = {found['rho']:+.2f}, p = {found['p']:.2g}: {sure})"


def truth_sentence(against: pd.DataFrame, network: str, target: str | None = None) -> str:
    """Return whether a network learnt the truth through its noisy labels, in words. against: `metrics.against_truth`.

    network, target: names among its answers; the target (default: the most accurate other answer) is what it was trained on.
    """
    rows = against[against["accuracy"].notna()].set_index("answer")
    if network not in rows.index or len(rows) < 2:
        return "No face has both a known expression and answers to compare."
    others = rows.drop(index=network)
    name = target if target in others.index else others["accuracy"].idxmax()
    ours, theirs = rows.loc[network], others.loc[name]
    verdict = ("more often than the labels it learnt from: it sees through their noise" if ours["low"] > theirs["accuracy"] else
               "less often than them: it passes on their mistakes and adds its own" if ours["high"] < theirs["accuracy"] else
               "about as often as them: it learnt its labels, mistakes included")  # fmt: skip
    said = f"{with_interval(ours['accuracy'], ours['low'], ours['high'], '.0%')}"
    return (f"The largest score of **{network}** names the expression a face was made with in {said} of {int(ours['answered'])} faces; "
            f"{name} in {theirs['accuracy']:.0%}. That is {verdict}.")  # fmt: skip


def comparison_sentence(compared: pd.DataFrame, measure: str = "macro F1") -> str:
    """Return which pairs of networks differ, in words. compared: `metrics.compared`."""
    rows = compared[compared["measure"] == measure]
    if rows.empty:
        return "There is one network only: nothing to compare."
    sure = rows[rows["holm"] < 0.05]
    parts = []
    for row in sure.itertuples():
        better, worse = (row.first, row.second) if row.difference > 0 else (row.second, row.first)
        parts.append(f"{better} is better than {worse} by {abs(row.difference):.2f} (p = {row.holm:.2g})")
    said = "; ".join(parts) if parts else f"no two networks differ by {measure} beyond chance"
    text = f"Of {len(rows)} pairs, compared on the same faces with Holm's correction: {said}."
    return text + ("" if len(parts) in (0, len(rows)) else f" The other {len(rows) - len(parts)} may be chance.")


def calibration_sentence(errors: dict[str, pd.DataFrame]) -> str:
    """Return how honest the scores are, in words. errors: {name: `metrics.calibration_errors`}."""
    rows = {name: table.set_index("expression").loc["all"] for name, table in errors.items()}
    parts = [f"{name} {row['ece']:.2f} (Brier {row['brier']:.3f}, skill {row['skill']:+.2f})" for name, row in rows.items()]
    return (f"Scores are off by this much on average (expected calibration error): {'; '.join(parts)}. Skill 1 is perfect, 0 is always "
            "saying how common an expression is.")  # fmt: skip


def cost_sentence(networks: pd.DataFrame) -> str:
    """Return what training costs, in words. networks: network, seconds (an epoch), images_per_second, epochs."""
    table = networks.groupby("network", sort=False)[["seconds", "images_per_second"]].mean().dropna()
    if table.empty:
        return "Nobody measured what the training costs."
    fast, slow = table["images_per_second"].idxmax(), table["images_per_second"].idxmin()
    text = f"{fast} learns from {table.loc[fast, 'images_per_second']:,.0f} pictures a second ({table.loc[fast, 'seconds']:.1f} s an epoch)"
    pictures, seconds = table.loc[slow, ["images_per_second", "seconds"]]
    return text + ("." if fast == slow else f", {slow} from {pictures:,.0f} ({seconds:.1f} s).")


def _listed(names) -> str:
    names = [str(name) for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def _short(count: float) -> str:
    return f"{count / 1e6:.1f}".removesuffix(".0") + " M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e3 else f"{count:.0f}"


# ---- figures


def learning_figure(curves: pd.DataFrame, loss: str = "binary cross-entropy") -> Figure:
    """Return a panel a network: loss on the training and validation parts by epoch, the best epoch marked. curves: see `best_epochs`."""
    if curves.empty:
        return sentence("no network was trained")
    best, runs = best_epochs(curves), list(_runs(curves))
    names = list(dict.fromkeys(curves["network"]))
    panels, figure = _panels(len(names), 4, 3.3, 2.9)
    for axis, name in zip(panels, names, strict=False):
        mine = [(run, curve) for (network, run), curve in runs if network == name]
        for run, curve in mine:
            mark = best[(best["network"] == name) & (best["run"] == run)].iloc[0]
            thin = {"linewidth": 2.0 if len(mine) == 1 else 1.1, "alpha": 1 if len(mine) == 1 else 0.75}
            dot = {"marker": "." if len(curve) < 3 else None}
            axis.plot(curve["epoch"], curve["loss"], color=QUIET, label="training", **thin, **dot)
            axis.plot(curve["epoch"], curve["val_loss"], color=OURS, label="validation", **thin, **dot)
            axis.plot(mark["best_epoch"], mark["val_loss"], "o", color=OURS, markeredgecolor="white", markersize=8, label="best epoch")
        if len(mine) == 1:
            axis.axvline(mark["best_epoch"], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
            late = mark["best_epoch"] > 0.6 * mark["epochs"]
            axis.annotate(f"epoch {mark['best_epoch']:.0f}", (mark["best_epoch"], 1), (-3 if late else 3, -3), va="top",
                          xycoords=("data", "axes fraction"), textcoords="offset points", ha="right" if late else "left", fontsize=10,
                          color=INK)  # fmt: skip
        axis.set_title(name, loc="left", fontsize=12, color=INK, fontweight="bold")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.margins(x=0.06)
        plain(axis)
    values = curves[["loss", "val_loss"]].to_numpy(float)
    for place, axis in enumerate(panels):
        axis.set_ylim(0, np.nanmax(values) * 1.15)
        axis.set_xlabel("epoch", fontsize=11)
        if place % 4 == 0:
            axis.set_ylabel(loss, fontsize=11)
    handles = [Line2D([], [], color=QUIET, linewidth=2, label="training"), Line2D([], [], color=OURS, linewidth=2, label="validation"),
               Line2D([], [], marker="o", color=OURS, linewidth=0, markersize=8, label="best epoch: its weights are kept")]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=11)
    return figure


def table_two_figure(results: dict, paper: dict | None = None, ours: str = "this run") -> Figure:
    """Return Table II as a picture: for each network the paper's three columns beside ours, shaded by value, the best F1 in bold.

    Networks the paper does not have stand with our columns only. ours: what to call this run, "this run (atelier, synthetic)" say.
    """
    table, paper = beside(results, paper), paper or {}
    blocks = [(name, side) for name in dict.fromkeys(table["network"]) for side in ("paper", "value")
              if name in (paper if side == "paper" else results)]  # fmt: skip
    lines = [blocks[start:end] for start, end in _lines(blocks, 6)]
    widest = max(len(line) for line in lines)
    figure = Figure(figsize=(1.6 + 1.62 * widest, 3.7 * len(lines)), dpi=110, layout="constrained")
    for axis, line in zip(figure.subplots(len(lines), 1, squeeze=False).ravel(), lines, strict=True):
        _draw_blocks(axis, line, table, ours, widest)
    return figure


def _lines(blocks: list, most: int) -> list[tuple[int, int]]:
    """Return start and end of lines of at most `most` blocks, the two sides of a network never torn apart."""
    lines, start = [], 0
    for place, (name, _) in enumerate(blocks):
        end = place + 1
        while end < len(blocks) and blocks[end][0] == name:
            end += 1
        if end - start > most:
            lines.append((start, place))
            start = place
    return [*lines, (start, len(blocks))]


def _draw_blocks(axis, blocks: list, table: pd.DataFrame, ours: str, widest: int) -> None:
    best = {side: table[table["measure"] == "f1"].groupby("row")[side].max().round(2) for side in ("paper", "value")}
    axis.set(xlim=(-3.0, 3.25 * widest - 0.2), ylim=(len(ROWS) + 0.1, -2.6))
    axis.set_axis_off()
    for place, name in enumerate(ROWS):
        axis.text(-2.95, place + 0.5, name, va="center", fontsize=11, color=INK, fontweight="bold" if name in AVERAGES else "normal")
    for number, (network, side) in enumerate(blocks):
        left = 3.25 * number
        colour = PAPER if side == "paper" else OURS
        if number == 0 or blocks[number - 1][0] != network:
            axis.text(left, -2.1, network, va="center", fontsize=12, color=INK, fontweight="bold")
        axis.text(left, -1.3, "paper" if side == "paper" else ours, va="center", fontsize=10, color=colour)
        axis.plot([left, left + 3], [-0.9, -0.9], color=colour, linewidth=2, solid_capstyle="butt")
        for column, measure in enumerate(MEASURES):
            axis.text(left + column + 0.5, -0.45, ("P", "R", "F1")[column], ha="center", va="center", fontsize=10, color=INK)
            values = table[(table["network"] == network) & (table["measure"] == measure)].set_index("row")[side]
            for place, row in enumerate(ROWS):
                _cell(axis, left + column, place, values[row], measure == "f1" and round(values[row], 2) == best[side].get(row))
    axis.plot([-2.95, 3.25 * len(blocks) - 0.25], [7, 7], color=INK, linewidth=0.8)


def _cell(axis, x: float, y: float, value: float, bold: bool) -> None:
    if np.isfinite(value):
        axis.fill([x + 0.02, x + 0.98, x + 0.98, x + 0.02], [y + 0.04, y + 0.04, y + 0.96, y + 0.96], color=SHADES(value), linewidth=0)
    text = f"{value:.2f}".replace("0.", ".", 1) if np.isfinite(value) and value < 0.995 else "1.0" if np.isfinite(value) else "–"
    axis.text(x + 0.5, y + 0.53, text, ha="center", va="center", fontsize=10, color=INK, fontweight="bold" if bold else "normal")


def classes_figure(results: dict, paper: dict | None = None, measure: str = "f1") -> Figure:
    """Return a dot a network and class with its 95 % interval over objects, averages below; hollow: the paper's value."""
    if not results:
        return sentence("no network was evaluated")
    table, shades = beside(results, paper), colours([*results, *(paper or {})])
    table = table[table["measure"] == measure]
    step = min(0.8 / len(shades), 0.2)
    heights = np.array([place + (0.45 if row in AVERAGES else 0) for place, row in enumerate(ROWS)])
    figure = Figure(figsize=(9.5, 1.4 + len(ROWS) * max(0.45, 0.17 * len(shades))), dpi=110, layout="constrained")
    axis = figure.subplots()
    for number, (name, colour) in enumerate(shades.items()):
        rows = table[table["network"] == name].set_index("row").loc[list(ROWS)]
        places = heights + step * (number - (len(shades) - 1) / 2)
        axis.hlines(places, rows["low"], rows["high"], color=colour, linewidth=1.6, alpha=0.8)
        axis.plot(rows["value"], places, "o", color=colour, markersize=6.5, label=name if name in results else f"{name} (paper only)")
        axis.plot(rows["paper"], places, "D", color="white", markeredgecolor=colour, markersize=5.5, markeredgewidth=1.4)
    faces = next(iter(results.values())).set_index("row")["faces"]
    axis.set_yticks(heights, [row if row in AVERAGES else f"{row} ({faces[row]:.0f})" for row in ROWS], fontsize=11)
    axis.set(xlim=(-0.02, 1.02), ylim=(heights[-1] + 0.6, -0.6))
    axis.axhline(heights[7] - 0.72, color=INK, linewidth=0.8)
    axis.set_xlabel({"f1": "F1"}.get(measure, measure), fontsize=12)
    axis.grid(axis="x", color=LINES, linewidth=0.8)
    handles, labels = axis.get_legend_handles_labels()
    if table["paper"].notna().any():
        handles.append(Line2D([], [], marker="D", color="white", markeredgecolor=INK, markersize=5.5, linewidth=0))
        labels.append("the paper's value")
    figure.legend(handles, labels, loc="outside upper left", frameon=False, fontsize=11, ncols=min(4, len(handles)))
    plain(axis)
    return figure


def overfitting_figure(networks: pd.DataFrame) -> Figure:
    """Return over-fitting (training minus validation macro F1, left) and macro F1 on the test part (right) by number of parameters.

    networks: see the module; small dots are single runs. test_low and test_high, where there and a network has one run, are drawn.
    """
    table = sizes(networks)
    shades = colours(networks["network"])
    runs = networks.assign(gap=networks["train_f1"] - networks["validation_f1"])
    figure = Figure(figsize=(11, 4.3), dpi=110, layout="constrained")
    titles = {"gap": "over-fitting: macro F1, training − validation", "test_f1": "macro F1 on the test part"}
    for axis, (measure, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        axis.plot(table["parameters"], table[measure], color=QUIET, linewidth=1, zorder=1)
        for row in table.itertuples():
            mine = runs[runs["network"] == row.network]
            if row.runs > 1:
                axis.plot(mine["parameters"], mine[measure], ".", color=shades[row.network], alpha=0.5, markersize=6, zorder=2)
            elif measure == "test_f1" and {"test_low", "test_high"} <= set(mine) and mine[["test_low", "test_high"]].notna().all(axis=None):
                axis.vlines(row.parameters, mine["test_low"], mine["test_high"], color=shades[row.network], linewidth=1.6, zorder=2)
            at = row.parameters, getattr(row, measure)
            axis.plot(*at, "o", color=shades[row.network], markersize=9, markeredgecolor="white", zorder=3)
        axis.set_xscale("log")
        low, high = table["parameters"].min(), table["parameters"].max()
        axis.set_xlim(low / 2.2, high * 2.2)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axis.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        axis.set_xlabel("parameters", fontsize=12)
        axis.set_title(title, loc="left", fontsize=12, color=INK, fontweight="bold")
        axis.grid(axis="y", color=LINES, linewidth=0.8)
        plain(axis)
        if measure == "gap":
            axis.axhline(0, color=INK, linewidth=0.8)
        else:
            highest = runs.filter(["test_f1", "test_high"]).max(axis=None)
            axis.set_ylim(0, min(1.02, highest * 1.15) if highest > 0 else 1.02)
    handles = [Line2D([], [], marker="o", color=shades[name], linewidth=0, markersize=8, label=f"{name} ({_short(parameters)})")
               for name, parameters in zip(table["network"], table["parameters"], strict=True)]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False, fontsize=10.5)
    return figure


def calibration_figure(reliability: dict[str, pd.DataFrame], errors: dict[str, pd.DataFrame] | None = None) -> Figure:
    """Return a panel a network: share of faces that show an expression by score, all classes pooled, single classes thin; diagonal: honest.

    reliability: {name: `metrics.calibration`}; errors: {name: `metrics.calibration_errors`}, to print the calibration error. Areas of dots
    go with the number of scores.
    """
    if not reliability:
        return sentence("no network was evaluated")
    panels, figure = _panels(len(reliability), 4, 3.1, 3.35)
    for axis, (name, table) in zip(panels, reliability.items(), strict=False):
        axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        for expression, rows in table[table["faces"] >= 5].groupby("expression", sort=False):
            if expression != "all":
                axis.plot(rows["score"], rows["share"], color=QUIET, linewidth=0.9, zorder=1)
        rows = table[(table["expression"] == "all") & (table["faces"] > 0)]
        axis.vlines(rows["score"], rows["low"], rows["high"], color=OURS, linewidth=1.4, zorder=2)
        axis.plot(rows["score"], rows["share"], color=OURS, linewidth=1.6, zorder=3)
        area = 14 + 150 * rows["faces"] / rows["faces"].max()
        axis.scatter(rows["score"], rows["share"], s=area, color=OURS, edgecolor="white", zorder=4)
        axis.set_title(name, loc="left", fontsize=12, color=INK, fontweight="bold")
        if errors and name in errors:
            every = errors[name].set_index("expression").loc["all"]
            axis.text(0.04, 0.97, f"calibration error {every['ece']:.2f}\nBrier {every['brier']:.3f}", transform=axis.transAxes, va="top",
                      fontsize=10, color=INK)  # fmt: skip
        axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axis.set_xlabel("score", fontsize=11)
        plain(axis)
    panels[0].set_ylabel("share that shows it", fontsize=11)
    handles = [Line2D([], [], color=OURS, marker="o", label="all expressions, 95 % interval"),
               Line2D([], [], color=QUIET, label="one expression"),
               Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="honest scores")]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=11)
    return figure


def groups_figure(breakdowns: dict[str, pd.DataFrame], measure: str = "micro") -> Figure:
    """Return a panel for each grouping (tradition, material, …): F1 by group and network with intervals; small groups are listed, empty.

    breakdowns: {name: `metrics.breakdown`}. measure: "micro" (comparable between groups) or "macro" (over the classes a group shows).
    """
    if not breakdowns or all(table.empty for table in breakdowns.values()):
        return sentence("the metadata names no collection, tradition or material to compare")
    shades = colours(breakdowns)
    first = next(iter(breakdowns.values()))
    groupings = list(dict.fromkeys(first["by"]))
    high = max(0.34, 0.15 * len(shades))
    heights = [(first["by"] == by).sum() * high + 0.7 for by in groupings]
    figure = Figure(figsize=(9.5, sum(heights) + 0.9), dpi=110, layout="constrained")
    panels = figure.subplots(len(groupings), 1, height_ratios=heights, squeeze=False, sharex=True).ravel()
    step = min(0.8 / len(shades), 0.26)
    for axis, by in zip(panels, groupings, strict=True):
        order = first[first["by"] == by].sort_values("faces", ascending=False, kind="stable")
        names = order["group"].tolist()
        for number, (network, table) in enumerate(breakdowns.items()):
            rows = table[table["by"] == by].set_index("group").reindex(names)
            places = np.arange(len(names)) + step * (number - (len(shades) - 1) / 2)
            axis.hlines(places, rows[f"{measure}_low"], rows[f"{measure}_high"], color=shades[network], linewidth=1.5, alpha=0.85)
            axis.plot(rows[f"{measure}_f1"], places, "o", color=shades[network], markersize=6, label=network)
        for place, row in enumerate(order.itertuples()):
            if row.reason and not np.isfinite(getattr(row, f"{measure}_f1")):
                axis.text(0.01, place, row.reason, va="center", fontsize=9, color="#7a858d")
        axis.set_yticks(range(len(names)), [f"{name} ({faces})" for name, faces in zip(names, order["faces"], strict=True)], fontsize=10)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.set_title(by, loc="left", fontsize=11, color=INK, fontweight="bold")
        axis.grid(axis="x", color=LINES, linewidth=0.8)
        plain(axis)
    panels[-1].set(xlim=(-0.02, 1.02))
    panels[-1].set_xlabel(f"{measure} F1 (number of faces in brackets)", fontsize=12)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(5, len(labels)), frameon=False, fontsize=11)
    return figure


def truth_figure(against: pd.DataFrame, networks=()) -> Figure:
    """Return how often each answer names the expression a face was made with: largest score (left), among the labels given (right).

    against: `metrics.against_truth`; networks: names of the answers that are networks, drawn in colour.
    """
    rows = against[against["accuracy"].notna()].sort_values("accuracy", kind="stable")
    if rows.empty:
        return sentence("the collection does not know which expression its faces were made with")
    figure = Figure(figsize=(10.5, 1.3 + 0.4 * len(rows)), dpi=110, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    tints = [OURS if name in networks else PAPER for name in rows["answer"]]
    titles = ("its largest score is the truth", "the truth is among its labels")
    for axis, (value, low, high), title in zip(panels, (("accuracy", "low", "high"), ("hit", "hit_low", "hit_high")), titles, strict=True):
        places = np.arange(len(rows))
        axis.hlines(places, rows[low], rows[high], color=tints, linewidth=1.6)
        axis.scatter(rows[value], places, color=tints, s=46, zorder=3)
        for place, row in zip(places, rows.itertuples(), strict=True):
            more = f"   {row.labels:.1f} labels a face" if value == "hit" else ""
            edge = np.nanmax([getattr(row, value), getattr(row, high)])
            axis.annotate(f"{getattr(row, value):.0%}{more}", (edge, place), (7, 0), textcoords="offset points", va="center", fontsize=10,
                          color=INK)  # fmt: skip
        axis.set(xlim=(0, 1.28 if value == "hit" else 1.12), ylim=(-0.6, len(rows) - 0.4))
        axis.set_xticks(np.linspace(0, 1, 6))
        axis.set_title(title, loc="left", fontsize=12, color=INK, fontweight="bold")
        axis.set_xlabel("share of faces", fontsize=11)
        axis.grid(axis="x", color=LINES, linewidth=0.8)
        plain(axis)
    panels[0].axvline(1 / 7, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    panels[0].annotate("chance", (1 / 7, 0), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=9, color=INK)
    panels[0].set_yticks(range(len(rows)), [f"{row.answer} ({row.answered})" for row in rows.itertuples()], fontsize=11)
    return figure


def cost_figure(networks: pd.DataFrame) -> Figure:
    """Return what training costs, a bar a network: seconds an epoch, pictures a second, and memory in MB where the table has it.

    networks: network, seconds (an epoch, without the first where that compiles), images_per_second, memory; means over several runs.
    """
    wanted = {"seconds": "seconds an epoch", "images_per_second": "pictures a second", "memory": "memory, MB"}
    there = [name for name in wanted if name in networks and networks[name].notna().any()]
    if networks.empty or not there:
        return sentence("no network was trained")
    table = networks.groupby("network", sort=False)[there].mean()
    shades = colours(networks["network"])
    figure = Figure(figsize=(1.6 + 3.2 * len(there), 1.1 + 0.42 * len(table)), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(there), sharey=True, squeeze=False).ravel()
    for axis, name in zip(panels, there, strict=True):
        axis.barh(range(len(table)), table[name], color=[shades[network] for network in table.index], height=0.66)
        for place, value in enumerate(table[name]):
            if np.isfinite(value):
                text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
                axis.annotate(text, (value, place), (4, 0), textcoords="offset points", va="center", fontsize=10, color=INK)
        axis.set_title(wanted[name], loc="left", fontsize=12, color=INK, fontweight="bold")
        axis.set_xlim(0, np.nanmax(table[name]) * 1.25)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        plain(axis)
    panels[0].set_yticks(range(len(table)), table.index, fontsize=11)
    panels[0].invert_yaxis()
    return figure


def _panels(count: int, columns: int, width: float, height: float) -> tuple:
    """Return the axes in use and their figure: a grid of `count` panels, at most `columns` in a row."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(width * columns + 0.6, 6.2), height * rows + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.set_axis_off()
    return axes[:count], figure
