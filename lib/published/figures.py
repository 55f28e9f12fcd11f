"""Published numbers: the figures of notebook 10. Each function returns a figure and the numbers plotted in it."""

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.compendium.figures import INK
from lib.expressions import EXPRESSIONS
from lib.published import sculpture
from lib.published.arithmetic import AVERAGES, METRICS, grim, interval, macro_table

QUIET, FITS, WRONG = "#b8c1c8", "#2b6f8f", "#b5482a"
ROWS = {"weighted": "#8a5ba6", "macro": "#5b8c3a", "micro": "#c99a1b"}  # a colour a printed row
MARKS = {"weighted": "s", "macro": "o", "micro": "D"}
Drawn = tuple[Figure, pd.DataFrame]


def _plain(axes: Axes, *sides: str) -> None:
    """Take away the frame but for the named sides."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in sides)
        spine.set_color(QUIET)
    axes.tick_params(color=QUIET, labelcolor=INK, length=3)


def table_one() -> Drawn:
    """Draw Table I as a staircase: each source begins where the one before ended; the last step is in no row."""
    rows, total, printed = sculpture.table_one()
    names, counts = [*rows["name"], "in no row"], [*rows["published_count"], printed - total]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    figure, axes = pyplot.subplots(figsize=(10, 5.6))
    axes.barh(names, counts, left=starts, color=[FITS] * len(rows) + [WRONG], height=0.72)
    for place, (start, count) in enumerate(zip(starts, counts, strict=True)):
        last = place == len(rows)
        late = not last and start + count > 0.9 * total  # to the left of its bar, clear of the two lines
        axes.text(start - 12 if late else start + count + 12, place, str(count), va="center", ha="right" if late else "left",
                  color=WRONG if last else INK, fontweight="bold" if last else None)
    for value, label, side in ((total, f"sum of the rows {total:,}", "right"), (printed, f"printed total {printed:,}", "left")):
        axes.axvline(value, color=WRONG if value == printed else FITS, lw=1, ls=":")
        axes.text(value + (-8 if side == "right" else 8), -1.0, label, ha=side, va="center", color=WRONG if value == printed else FITS)
    axes.set(xlim=(0, printed * 1.2), ylim=(len(names) - 0.4, -1.6), xlabel="pictures, added up from the first row to the last")
    _plain(axes, "bottom")
    axes.tick_params(axis="y", length=0)
    return figure, pd.DataFrame({"source": names, "pictures": counts, "sum before": starts})


def f1_scores(scores: pd.DataFrame, rounding: str) -> Drawn:
    """Draw each class's printed F1-score beside the range that its precision and recall allow, as a distance from that range's middle."""
    networks = list(scores["network"].unique())
    figure, panels = pyplot.subplots(1, len(networks), figsize=(12, 4.2), sharey=True, sharex=True, layout="constrained")
    data = []
    for axes, network in zip(panels, networks, strict=True):
        for place, row in enumerate(scores[scores["network"] == network].to_dict("records")):
            middle = (row["low"] + row["high"]) / 2
            low, high = (float(end) - middle for end in interval(row["f1"], rounding, 1))
            axes.plot([row["low"] - middle, row["high"] - middle], [place, place], lw=15, color=QUIET, solid_capstyle="butt", zorder=1)
            axes.plot([low, high], [place, place], lw=6, color=FITS if row["fits"] else WRONG, solid_capstyle="butt", zorder=2)
            told = row["f1"] if row["fits"] else f"{row['f1']}, not {row['low']:.3f} to {row['high']:.3f}"
            axes.text(0.013, place, told, va="center", fontsize=9, color=INK if row["fits"] else WRONG)
            data.append({key: row[key] for key in ("network", "class", *METRICS, "low", "high", "fits")})
        axes.set(yticks=range(len(EXPRESSIONS)), yticklabels=EXPRESSIONS, ylim=(len(EXPRESSIONS) - 0.4, -0.6), xlim=(-0.052, 0.056),
                 xticks=[-0.04, -0.02, 0], xlabel="F1-score, distance from what it should be")
        axes.set_title(network, loc="left", fontsize=11, color=INK)
        axes.grid(axis="x", color="#eef1f3")
        axes.set_axisbelow(True)
        _plain(axes, "bottom")
        axes.tick_params(axis="y", length=0)
    kinds = ((QUIET, 10, "what precision and recall allow"), (FITS, 6, "printed, fits"), (WRONG, 6, "printed, does not"))
    handles = [pyplot.Line2D([], [], color=colour, lw=width, label=label) for colour, width, label in kinds]
    figure.legend(handles=handles, ncols=3, loc="outside upper center", frameon=False)
    return figure, pd.DataFrame(data)


def summary_rows(tried: pd.DataFrame, rounding: str) -> Drawn:
    """Draw the three printed summary rows against the mean of the class rows; below, what each row is called and what it is."""
    named = sculpture.rightly_named(tried)
    figure, panels = pyplot.subplots(1, 3, figsize=(12, 4.9), sharey=True, layout="constrained")
    data = []
    for axes, (network, (classes, printed)) in zip(panels, sculpture.table_two().items(), strict=True):
        means = macro_table(classes, rounding)
        for place, metric in enumerate(METRICS):
            low, high = map(float, means[metric])
            axes.fill_between([place - 0.33, place + 0.33], low - 0.001, high + 0.001, color="#5b8c3a", alpha=0.28, lw=0)
            axes.text(place + 0.34, (low + high) / 2, f"{(low + high) / 2:.3f}", fontsize=8, color="#41682a", va="center")
            for shift, name in zip((-0.22, 0, 0.22), AVERAGES, strict=True):
                value = float(printed.loc[name, metric])
                axes.plot(place + shift, value, MARKS[name], ms=7, color=ROWS[name], mec="white", mew=0.8)
                data.append({"network": network, "row": name, "metric": metric, "printed": value, "mean, low": low, "mean, high": high})
        axes.set(xticks=range(3), xticklabels=["precision", "recall", "F1-score"], xlim=(-0.5, 2.75))
        axes.set_title(network, loc="left", fontsize=11, color=INK)
        _truth(axes, named.get(network))
        axes.grid(axis="y", color="#eef1f3")
        axes.set_axisbelow(True)
        _plain(axes, "left" if axes is panels[0] else "")
    panels[0].set_ylabel("score")
    marks = [pyplot.Line2D([], [], color=ROWS[name], marker=MARKS[name], ls="", label=f"row printed “{name}”") for name in AVERAGES]
    band = pyplot.Rectangle((0, 0), 1, 1, color="#5b8c3a", alpha=0.28, label="mean of the seven class rows")
    figure.legend(handles=[*marks, band], ncols=4, loc="outside upper center", frameon=False)
    return figure, pd.DataFrame(data)


def _truth(axes: Axes, names: dict[str, str] | None) -> None:
    """Write under a panel what each printed row is."""
    if names is None:
        axes.text(0, -0.16, "no single reading", transform=axes.transAxes, color=WRONG)
        return
    ordered = sorted(names.items(), key=lambda pair: AVERAGES.index(pair[1]))
    for line, (average, printed) in enumerate(ordered):
        right = average == printed
        axes.text(0, -0.17 - 0.075 * line, f"“{printed}” is the {average} average", transform=axes.transAxes, fontsize=9.5,
                  color=INK if right else WRONG, fontweight=None if right else "bold")


def class_shares(shares: pd.DataFrame) -> Drawn:
    """Draw how large a part of the test set's labels each class can be."""
    figure, axes = pyplot.subplots(figsize=(9, 3.2))
    for place, row in enumerate(shares.to_dict("records")):
        axes.plot([100 * row["low"], 100 * row["high"]], [place, place], lw=11, color=FITS, solid_capstyle="butt")
        told = f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"
        axes.text(100 * row["high"] + 0.8, place, told, va="center", fontsize=9, color=INK)
    axes.axvline(100 / 7, color=QUIET, ls=":", zorder=0)
    axes.text(100 / 7, -0.95, "equal classes", ha="center", va="center", fontsize=9, color="#6b7780")
    axes.set(yticks=range(len(shares)), yticklabels=shares["class"], ylim=(max(len(shares), 1) - 0.4, -1.3), xlim=(0, 50),
             xlabel="share of all labels in the test set, %")
    _plain(axes, "bottom")
    axes.tick_params(axis="y", length=0)
    return figure, shares


def whole_counts(shares: pd.DataFrame, odd: pd.DataFrame, rounding: str) -> Drawn:
    """Draw every share that is possible for a count as a tick, and the printed percentages: on a tick, or between two."""
    figure, panels = pyplot.subplots(1, 3, figsize=(12.5, 4), width_ratios=[5, 2.2, 2.2], layout="constrained")
    groups = list(shares.groupby("posture", sort=False))
    for place, (_, rows) in enumerate(groups):
        n = int(rows["pictures"].iloc[0])
        _ticks(panels[0], place, n)
        for row in rows.to_dict("records"):
            value, colour = float(row["printed"]), FITS if row["fits"] else WRONG
            panels[0].plot(value, place, "o", ms=8, mfc="none", mec=colour, mew=1.8)
        values = sorted(rows["printed"].unique(), key=float)
        for value in values:
            same = rows[rows["printed"] == value]
            told = f"{' and '.join(same['expression'])} {value}" + (f" = {same['counts'].iloc[0][0]} of {n}" if same["fits"].all() else "")
            side = "center" if len(values) == 1 else "right" if value == values[0] else "left"
            shift = {"center": 0, "right": 1, "left": -1}[side]
            panels[0].text(float(value) + shift, place - 0.3, told, ha=side, fontsize=8.5, color=INK)
    labels = [f"{name} ({int(rows['pictures'].iloc[0])})" for name, rows in groups]
    panels[0].set(yticks=range(len(groups)), yticklabels=labels, ylim=(len(groups) - 0.5, -0.75), xlim=(-2, 102))
    right = f"{int(shares['fits'].sum())} of {len(shares)} percentages are whole counts"
    panels[0].set_title(f"expressions of a posture: {right}", loc="left", fontsize=10, color=INK)
    for axes, row in zip(panels[1:], odd.to_dict("records"), strict=True):
        _between(axes, row, rounding)
    for axes in panels:
        axes.set_xlabel("percent")
        _plain(axes, "bottom")
        axes.tick_params(axis="y", length=0)
    data = [{"what": f"{row['posture']}, {row['expression']}", "printed, %": row["printed"], "pictures": row["pictures"],
             "possible counts": " ".join(map(str, row["counts"]))} for row in shares.to_dict("records")]
    data += [{"what": row["what"], "printed, %": f"{100 * float(row['printed']):.1f}", "pictures": row["pictures"],
              "possible counts": " ".join(map(str, grim(row["printed"], row["pictures"], rounding)))} for row in odd.to_dict("records")]
    return figure, pd.DataFrame(data).astype({"pictures": int})


def _ticks(axes: Axes, place: float, n: int, height: float = 0.16) -> None:
    shares = [100 * count / n for count in range(n + 1)]
    axes.vlines(shares, place - height, place + height, color="#8a949b", lw=1)
    axes.plot([0, 100], [place, place], color="#e3e8eb", lw=1, zorder=0)


def _between(axes: Axes, row: dict, rounding: str) -> None:
    """Draw a printed share of n pictures, magnified, with the possible shares around it."""
    n, printed = row["pictures"], 100 * float(row["printed"])
    low, high = (100 * float(end) for end in interval(row["printed"], rounding, 1))
    _ticks(axes, 0, n, 0.35)
    axes.axvspan(low, high, color=FITS if row["fits"] else WRONG, alpha=0.35, lw=0)
    axes.text(printed, 0.62, f"printed\n{printed:.1f}", ha="center", va="center", fontsize=9, color=FITS if row["fits"] else WRONG)
    step = 100 / n
    left, right = printed - 1.6 * step, min(printed + 1.6 * step, 100 + 0.6 * step)
    for count in range(n + 1):
        if left < 100 * count / n < right:
            axes.text(100 * count / n, -0.42, f"{count} of {n}", ha="center", va="bottom", fontsize=8.5, color=INK)
    axes.set(xlim=(left, right), ylim=(1, -0.75), yticks=[])
    axes.set_title(row["what"].replace(" (", "\n("), loc="left", fontsize=10, color=INK)


def averages(rows: pd.DataFrame, rounding: str) -> Drawn:
    """Draw each row of the terracotta study's tables: its seven accuracies, their mean, and the average printed."""
    figure, axes = pyplot.subplots(figsize=(10.5, 5))
    for place, row in enumerate(rows.to_dict("records")):
        low, high = map(float, interval(row["printed"], rounding, 1))
        axes.plot(row["cells"], [place] * len(row["cells"]), "o", ms=5, color=QUIET, zorder=1)
        axes.plot([row["low"], row["high"]], [place, place], lw=12, color=INK, alpha=0.35, solid_capstyle="butt", zorder=2)
        axes.plot([(low + high) / 2], [place], "|", ms=17, mew=3, color=FITS if row["fits"] else WRONG, zorder=3)
    names = [f"Table {row.table}: {row.row}" for row in rows.itertuples(name="Row")]
    axes.set(yticks=range(len(rows)), yticklabels=names, ylim=(len(rows) - 0.4, -0.6), xlim=(-0.02, 1.03), xlabel="accuracy")
    handles = [pyplot.Line2D([], [], color=QUIET, marker="o", ls="", label="the seven classes"),
               pyplot.Line2D([], [], color=INK, alpha=0.35, lw=8, label="their mean"),
               pyplot.Line2D([], [], color=FITS, marker="|", ms=12, mew=3, ls="", label="average printed, fits"),
               pyplot.Line2D([], [], color=WRONG, marker="|", ms=12, mew=3, ls="", label="average printed, does not")]
    axes.legend(handles=handles, ncols=4, loc="lower left", bbox_to_anchor=(-0.02, 1.0), frameon=False)
    _plain(axes, "bottom")
    axes.tick_params(axis="y", length=0)
    cells = pd.DataFrame(rows["cells"].tolist(), index=rows.index, columns=list(EXPRESSIONS))
    return figure, rows.drop(columns="cells").join(cells)


def sizes_of_test_sets(found: pd.DataFrame, largest: int) -> Drawn:
    """Draw which sizes of a test set explain both accuracies of a pair of classifiers."""
    figure, axes = pyplot.subplots(figsize=(10.5, 2.1))
    for place, row in enumerate(found.to_dict("records")):
        axes.vlines(row["sizes"], place - 0.3, place + 0.3, color=FITS, lw=1.6)
    names = [f"{row['classifiers']}\n{row['accuracies']}" for row in found.to_dict("records")]
    axes.set(yticks=range(len(found)), yticklabels=names, ylim=(len(found) - 0.5, -0.5), xlim=(0, largest * 1.01),
             xlabel="pictures in the test set: each line is a size that can give both percentages")
    _plain(axes, "bottom")
    axes.tick_params(axis="y", length=0)
    data = [(row["data"], row["accuracies"], size) for row in found.to_dict("records") for size in row["sizes"]]
    return figure, pd.DataFrame(data, columns=["data", "accuracies", "size"])
