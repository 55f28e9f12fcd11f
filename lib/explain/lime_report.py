"""Explanations: figures and sentences of notebook 08, from tables and maps to what they say."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from skimage.segmentation import find_boundaries

from lib.compendium.figures import INK, LINES, plain, sentence, with_interval
from lib.explain import ekman, lime, standardise
from lib.explain.lime_study import EMOTIONS, FEWEST, SHUFFLED, Networks, plain_name, title

LIME_COLOUR, CAM_COLOUR, QUIET, LIGHT = "#2b6f8f", "#b5482a", "#b8c1c8", "#5b6770"
LEVELS = {"chance_segments": ("|", "random segments"), "chance_face": ("D", "other expressions' maps"),
          "chance_centre": ("x", "an ellipse")}  # fmt: skip
GUESSING = 1 / len(EMOTIONS)
SURE = 0.05  # below which p counts as beyond chance
NAMED = 3  # files named in a sentence
TREE = 3  # networks of which there is more than one tree


# ---- networks and pictures


def accuracy_figure(accuracy: pd.DataFrame) -> Figure:
    """Return the accuracy of each network (`fer_study.accuracy`): all folds with their interval, and single folds."""
    names = list(dict.fromkeys(accuracy["network"]))
    figure = Figure(figsize=(8, 0.36 * len(names) + 1.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    for place, name in enumerate(names):
        mine = accuracy[accuracy["network"] == name]
        whole, folds = mine[mine["fold"] < 0].iloc[0], mine[mine["fold"] >= 0]
        colour = CAM_COLOUR if name.endswith(SHUFFLED) else LIME_COLOUR
        axis.plot(folds["accuracy"], [place] * len(folds), "o", color="white", markeredgecolor=QUIET, markersize=6)
        axis.plot([whole["low"], whole["high"]], [place] * 2, color=colour, linewidth=2)
        axis.plot(whole["accuracy"], place, "o", color=colour, markersize=8)
    axis.axvline(GUESSING, color=LIGHT, linestyle=":", linewidth=1.2)
    axis.set_yticks(range(len(names)), [title(name) for name in names], color=INK)
    axis.set(xlim=(0, 1.02), ylim=(len(names) - 0.4, -0.6))
    axis.set_xlabel("share of test pictures told rightly · rings: single folds · dotted: guessing", color=INK)
    plain(axis, "x")
    return figure


def accuracy_sentence(accuracy: pd.DataFrame) -> str:
    """Say how well the networks tell the six expressions on people they never saw."""
    whole, learned = _whole_and_learned(accuracy)
    best, last = learned.iloc[0], learned.iloc[-1]
    text = f"**{title(best['network'])}** tells {with_interval(best['accuracy'], best['low'], best['high'])} of the test pictures rightly"
    if len(learned) > 1:
        text += f", {title(last['network'])} {with_interval(last['accuracy'], last['low'], last['high'])}"
    guessers = learned[learned["low"] <= GUESSING]
    if len(guessers):
        names = ", ".join(title(name) for name in guessers["network"])
        text += f". {names} cannot be told from guessing ({GUESSING:.2f}): what such maps show is not what is known of expressions"
    control = whole[whole["network"].str.endswith(SHUFFLED)]
    if len(control):
        one = control.iloc[0]
        text += f". The network taught shuffled labels reaches {with_interval(one['accuracy'], one['low'], one['high'])}"
    return text + "."


def _whole_and_learned(accuracy: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of all folds together, the best first, of every network, and without control and twins."""
    whole = accuracy[accuracy["fold"] < 0].sort_values("accuracy", ascending=False)
    return whole, _learned(whole)


def _learned(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the networks themselves, without control and twins."""
    return table[table["network"] == table["network"].map(plain_name)]


def trainings_table(trainings: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings for people: a row a network with its size, side, what it learned from, and errors, if any."""
    rows = []
    for name, mine in trainings.groupby("name", sort=False):
        done = mine[mine["error"] == ""]
        numbers = {column: done[column].iloc[0] if len(done) and column in done else np.nan for column in ("parameters", "epochs")}
        means = {column: done[column].mean() if len(done) and column in done else np.nan
                 for column in ("learned_from", "tested_on", "accuracy_train", "accuracy", "seconds")}  # fmt: skip
        means |= {column: round(means[column]) for column in ("learned_from", "tested_on") if pd.notna(means[column])}
        reasons = "; ".join(dict.fromkeys(mine.loc[mine["error"] != "", "error"]))
        rows.append({"network": title(name), "folds": len(done), **numbers, **means, "not trained": reasons})
    table = pd.DataFrame(rows)
    return table if table["not trained"].any() else table.drop(columns="not trained")


def chosen_sentence(counts: pd.DataFrame, explained: pd.DataFrame) -> str:
    """Say how many pictures are explained, and where a network offered fewer than asked."""
    failed, done = explained[explained["error"] != ""], explained[explained["error"] == ""]
    text = f"**{len(done):,} explanations** of {done['face_id'].nunique():,} pictures"
    fewer = counts[counts["chosen"] < counts["asked"]]
    if len(fewer):
        worst = fewer.sort_values("predicted").iloc[0]
        text += (f"; {len(fewer)} of {len(counts)} groups have fewer than the {worst['asked']} asked for, since a network named the "
                 f"expression less often ({title(worst['network'])} in fold {worst['fold']} says {worst['expression']} of "
                 f"{worst['predicted']} pictures)")  # fmt: skip
    if len(failed):
        text += f"; {len(failed)} failed, the first because: {failed['error'].iloc[0]}"
    unmarked = list(dict.fromkeys(done.loc[~done["landmarks"], "picture"]))
    if unmarked:
        text += (f"; {len(unmarked)} of these pictures have no landmarks, which say where a face lies on the standard face, and are in no "
                 f"mean map: {_named(unmarked)}")  # fmt: skip
    return text + "."


def _named(things: list[str]) -> str:
    return ", ".join(map(str, things[:NAMED])) + (f" and {len(things) - NAMED} more" if len(things) > NAMED else "")


def left_out_sentence(left_out: pd.DataFrame) -> str:
    """Say how many pictures were left out, by reason with the files it is of. left_out: file, reason; "" where none was."""
    if left_out.empty:
        return ""
    plain_reasons = left_out["reason"].str.replace(r"^\w+Error: ", "", regex=True)
    reasons = [f"{reason} ({len(mine)}: {_named(list(mine['file']))})" for reason, mine in left_out.groupby(plain_reasons, sort=False)]
    return f"{len(left_out)} picture{'s were' if len(left_out) > 1 else ' was'} left out: {'; '.join(reasons)}."


# ---- single explanations


def steps(explained: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return one explanation an expression to show, of a picture told rightly if any.

    They are of the network that is right most often among those with explanations of the most expressions.
    """
    _, learned = _whole_and_learned(accuracy)
    usable = explained[(explained["error"] == "") & explained["landmarks"]]
    shown = max(learned["network"], key=lambda name: usable.loc[usable["network"] == name, "expression"].nunique())  # the first of equals
    mine = usable[usable["network"] == shown]
    mine = mine.assign(wrong=mine["true"] != mine["expression"], place=mine["expression"].map(EMOTIONS.index))
    return mine.sort_values(["place", "wrong", "face_id"], kind="stable").groupby("expression", sort=False).head(1).reset_index(drop=True)


def steps_figure(networks: Networks, shown: pd.DataFrame, triangulation: str = "as_published") -> Figure:
    """Return the study's steps for one picture an expression: picture, landmarks, segments, LIME, standard face, standardised map."""
    heads = ("picture", "landmarks, triangles", "segments", "LIME", "standard face", "its map there")
    if shown.empty:
        return sentence("No picture with landmarks was explained.")
    figure = Figure(figsize=(9.6, 1.72 * len(shown) + 0.4), dpi=110, layout="constrained")
    grid = figure.subplots(len(shown), len(heads), squeeze=False)
    for axes, (_, row) in zip(grid, shown.iterrows(), strict=True):
        found, parts = lime.read(Path(row["path"]))
        side = len(parts)
        picture, marks = (array[0] for array in networks.pictures.at(side, networks.pictures.rows([row["face_id"]])))
        heat = lime.heat(found.coefficients, parts, row["expression"])
        maps = standardise.warp_map(marks, (side, side), triangulation)
        points = standardise.framed(marks, (side, side))
        drawn = standardise.framed(standardise.STANDARD, ekman.SHAPE) if triangulation == "as_published" else points
        corners = standardise.triangles(drawn)
        cut = np.where(find_boundaries(parts, mode="inner")[..., None], np.array([255, 210, 63], np.uint8), picture)
        shares = heat / heat.max() if heat.max() > 0 else heat
        for axis, what in zip(axes, (picture, picture, cut, picture, standardise.warp(picture, maps), standardise.warp(picture, maps)),
                              strict=True):  # fmt: skip
            axis.imshow(what)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        axes[1].triplot(*(points.T - 0.5), corners, color=LIME_COLOUR, lw=0.4)
        axes[1].set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
        axes[3].imshow(shares, cmap="inferno", alpha=0.65, vmin=0, vmax=1)
        axes[5].imshow(standardise.warp(shares, maps), cmap="inferno", alpha=0.65, vmin=0, vmax=1)
        told = row["expression"] if row["true"] == row["expression"] else f"{row['expression']}\n(is {row['true']})"
        axes[0].set_ylabel(told, color=INK, fontsize=9, rotation=0, ha="right", va="center")
    for axis, head in zip(grid[0], heads, strict=True):
        axis.set_title(head, color=INK, fontsize=9)
    return figure


def again_sentence(again: pd.DataFrame, samples: int, stream: str) -> str:
    """Say how much of an explanation is chance: of the samples alone."""
    means = again.groupby("network", sort=False)[["correlation", "error"]].mean().dropna()
    if means.empty:
        return ""
    best, worst = means["correlation"].idxmax(), means["correlation"].idxmin()
    text = (f"Explained twice from {samples:,} other samples ({stream}), two explanations of the same picture correlate by "
            f"{means.loc[best, 'correlation']:.2f} ({title(best)})")  # fmt: skip
    if worst != best:
        text += f" to {means.loc[worst, 'correlation']:.2f} ({title(worst)})"
    errors = list(dict.fromkeys(f"{value:.0%}" for value in (means["error"].min(), means["error"].max())))
    return text + (f" on average; the standard error of a segment is {' to '.join(errors)} of the spread between segments. What differs "
                   "between two maps by less than that means nothing.")  # fmt: skip


DIFFERENCES = {"seed": "the seed alone", "fold": "people and pictures (another fold)", "network": "the network",
               "labels": "right or shuffled labels"}  # fmt: skip


def likeness_figure(likeness: pd.DataFrame) -> Figure:
    """Return how alike the maps of two trainings are by what differs between them (`lime_study.likeness`): a ring a pair, bars: means."""
    kinds = [kind for kind in DIFFERENCES if kind in set(likeness["differs"])]
    figure = Figure(figsize=(8, 0.5 * len(kinds) + 1.1), dpi=110, layout="constrained")
    axis = figure.subplots()
    for place, kind in enumerate(kinds):
        values = likeness.loc[likeness["differs"] == kind, "correlation"]
        axis.plot(values, [place] * len(values), "o", color="none", markeredgecolor=LIME_COLOUR, alpha=0.7, markersize=7)
        axis.plot([values.mean()] * 2, [place - 0.28, place + 0.28], color=LIME_COLOUR, linewidth=3)
    axis.set_yticks(range(len(kinds)), [DIFFERENCES[kind] for kind in kinds], color=INK)
    axis.set(xlim=(min(0, likeness["correlation"].min() - 0.05), 1.02), ylim=(len(kinds) - 0.4, -0.6))
    axis.set_xlabel("correlation of two trainings' mean maps · bar: mean", color=INK)
    plain(axis, "x")
    return figure


def likeness_sentence(likeness: pd.DataFrame) -> str:
    """Say how much of the difference between two networks' maps another seed would make as well."""
    means = likeness.groupby("differs")["correlation"].mean()
    words = {"seed": "the seed alone", "fold": "the fold", "network": "the network", "labels": "what the labels mean"}
    said = [f"{means[kind]:.2f} where {what} differs" for kind, what in words.items() if kind in means]
    text = f"Mean maps of two trainings correlate by {', '.join(said)}"
    if {"seed", "network"} <= set(means.index):
        gap = means["seed"] - means["network"]
        who = " and ".join(title(name) for name in likeness.loc[likeness["differs"] == "seed", "first"])
        text += (f". Trained again from another seed, {who} stays closer to its own map than networks are to each other" if gap > 0.1 else
                 f". Another seed changes the map of {who} about as much as another network does: differences that small say nothing")
    return text + "."


# ---- agreement with masks and with what moved


def alignment_figure(table: pd.DataFrame) -> Figure:
    """Return the overlap of each network's maps with the masks (`ekman.alignment`), a panel an expression, beside maps that know less."""
    names = list(dict.fromkeys(table["network"]))
    figure = Figure(figsize=(12.5, 0.3 * len(names) + 1.9), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(EMOTIONS), sharey=True)
    furthest = float(np.nanmax(table[["iou", *LEVELS, "exact"]].to_numpy()))
    for axis, expression in zip(panels, EMOTIONS, strict=True):
        mine = table[table["expression"] == expression].set_index("network")
        for place, name in enumerate(names):
            if name in mine.index:
                _overlaps(axis, place, mine.loc[name])
        axis.axvline(mine["exact"].mean(), color=CAM_COLOUR, linewidth=1.2, linestyle="--")
        axis.set_title(expression, color=INK, fontsize=10)
        axis.set(xlim=(0, furthest + 0.05), ylim=(len(names) - 0.4, -0.6))
        axis.hlines(range(len(names)), 0, 1, color=LINES, linewidth=0.6, zorder=0)
        plain(axis)
    panels[0].set_yticks(range(len(names)), [title(name) for name in names], color=INK)
    figure.supxlabel("overlap with the mask (IoU)", color=INK, fontsize=10)
    marks = [Line2D([], [], marker="o", ls="", color=LIME_COLOUR, label="LIME")]
    marks += [Line2D([], [], marker=mark, ls="", color=LIGHT, markerfacecolor="none", label=f"{word}, same area")
              for mark, word in LEVELS.values()]  # fmt: skip
    if table["exact"].notna().any():
        marks.append(Line2D([], [], color=CAM_COLOUR, ls="--", label="exactly what moved"))
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), frameon=False, fontsize=8.5)
    return figure


def _overlaps(axis, place: int, row: pd.Series) -> None:
    """Draw the overlap of one map and what maps of its area reach that know nothing; a map that finds nothing is none."""
    if row["area"] == 0:
        axis.text(0.01, place, "no map", color=LIGHT, fontsize=7, va="center")
        return
    axis.plot(row["iou"], place, "o", color=LIME_COLOUR, markersize=6.5, zorder=3)
    for column, (mark, _) in LEVELS.items():
        axis.plot(row[column], place, mark, color=LIGHT, markersize=5, markerfacecolor="none", zorder=2)


def alignment_sentence(table: pd.DataFrame, what: str) -> str:
    """Say how much of the overlap chance would give, and what exact knowledge would. what: of whom the maps are."""
    found = table[table["area"] > 0]
    learned, control = _learned(found), found[found["network"].str.endswith(SHUFFLED)]
    if learned.empty:
        return f"None of {what} has a map."
    mean = learned[["iou", *LEVELS]].mean()
    beaten = int((learned["iou"] > learned["chance_centre"]).sum())
    also = f", those of the network taught shuffled labels by {control['iou'].mean():.3f}" if len(control) else ""
    text = (f"The maps of {what} overlap with their masks by **{mean['iou']:.3f}** on average{also}. Random segments of the same area "
            f"reach {mean['chance_segments']:.3f}, the mean of the *other* expressions' maps {mean['chance_face']:.3f}, and an ellipse in "
            f"the middle of the canvas {mean['chance_centre']:.3f}: {beaten} of {len(learned)} maps beat the ellipse.")  # fmt: skip
    known = learned.dropna(subset="exact").groupby("expression", sort=False)[["exact", "chance_face", "chance_centre"]].mean()
    if len(known):
        passed = known.index[known[["chance_face", "chance_centre"]].max(axis=1) > known["exact"]]
        text += (f" A map that shows exactly what moved would reach {known['exact'].mean():.3f} with these masks" +
                 (f"; in {', '.join(passed)} one that knows nothing of the expression passes even that" if len(passed) else "") + ".")
    return text


def specific_figure(table: pd.DataFrame, what: str) -> Figure:
    """Return how far maps agree with their own expression (dots) and with the others (rings), a line a network; a panel a method.

    table: of `ekman.specific` or `lime_study.evidence`. what: what they agree with, for the axis. Folds but the first are drawn small; p is
    of the first. Where chance is known, of random segments, it is a stroke.
    """
    names = list(dict.fromkeys(table["network"]))
    panels = table.groupby(table["method"] if "method" in table else pd.Series("", table.index), sort=False)
    figure = Figure(figsize=(4.9 * len(panels) + 1.8, 0.42 * len(names) + 1.7), dpi=110, layout="constrained")
    for axis, (method, mine) in zip(figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)[0], panels, strict=True):
        first = _first_fold(mine)
        for place, name in enumerate(names):
            for _, row in mine[mine["network"] == name].iterrows():
                _own_and_others(axis, place, row, small=row.name not in first.index)
        axis.set_yticks(range(len(names)), [title(name) for name in names], color=INK)
        axis.set_title(method, color=INK, fontsize=10)
        axis.set(xlim=(0, 1.22 * np.nanmax([*table["own"], *table["others"], 0.1])), ylim=(len(names) - 0.4, -0.6))
        plain(axis, "x")
    figure.supxlabel(f"overlap with {what} (IoU)", color=INK, fontsize=9.5)
    marks = [Line2D([], [], marker="o", ls="", color=LIME_COLOUR, label="its own expression"),
             Line2D([], [], marker="o", ls="", color="white", markeredgecolor=LIME_COLOUR, label="the other expressions")]  # fmt: skip
    if "chance" in table:
        marks.append(Line2D([], [], marker="|", ls="", color=LIGHT, label="random segments"))
    figure.legend(handles=marks, loc="outside upper center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _own_and_others(axis, place: int, row: pd.Series, small: bool) -> None:
    colour, height = (CAM_COLOUR if row["network"].endswith(SHUFFLED) else LIME_COLOUR), place + 0.26 * small
    if np.isnan(row["own"]):
        if not small:
            axis.text(0.01, height, _lacking(row), color=LIGHT, fontsize=7.5, va="center")
        return
    axis.plot([row["others"], row["own"]], [height] * 2, color=colour, linewidth=1 if small else 2, zorder=2)
    axis.plot(row["others"], height, "o", color="white", markeredgecolor=colour, markersize=3.5 if small else 7, zorder=3)
    axis.plot(row["own"], height, "o", color=colour, markersize=3.5 if small else 7, zorder=4)
    if not small:
        if "chance" in row:
            axis.plot(row["chance"], height, "|", color=LIGHT, markersize=9)
        axis.text(0.995, height, _p(row), color=INK if row["p"] < SURE else LIGHT, fontsize=8, ha="right", va="center",
                  transform=axis.get_yaxis_transform())  # fmt: skip


def _lacking(row: pd.Series) -> str:
    return "no map" if row["expressions"] == 0 else f"maps of {row['expressions']:.0f} expressions only"


def _p(row: pd.Series) -> str:
    return f"p = {row['p']:.3f}"


def _first_fold(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first fold, which control and twins have too; all, where folds are not told apart."""
    return table[table["fold"] == table["fold"].min()] if "fold" in table else table


def specific_sentence(table: pd.DataFrame, what: str) -> str:
    """Say how much of the agreement is the expression's own. table: of `ekman.specific`, or `lime_study.evidence` of one method."""
    first = _first_fold(table).dropna(subset="specific")
    learned, control = _learned(first).sort_values("specific", ascending=False), first[first["network"].str.endswith(SHUFFLED)]
    if learned.empty:
        return f"No network has maps of at least {ekman.LEAST} expressions, so nothing can be said of what is an expression's own."
    best, last, beyond = learned.iloc[0], learned.iloc[-1], int((learned["p"] < SURE).sum())
    text = (f"With {what} maps overlap by **{learned['own'].mean():.3f}** where the expression is their own, and by "
            f"{learned['others'].mean():.3f} where it is another. {title(best['network'])} tells them apart best, {best['specific']:+.3f} "
            f"({_p(best)})")  # fmt: skip
    if len(learned) > 1:
        text += f", {title(last['network'])} least, {last['specific']:+.3f} ({_p(last)})"
    text += (f". {beyond} of {len(learned)} networks {'is' if beyond == 1 else 'are'} beyond what the same maps reach when they are dealt "
             f"out to the expressions at random (p below {SURE})")  # fmt: skip
    if len(control):
        one = control.iloc[0]
        text += (f". The network taught shuffled labels gets {one['specific']:+.3f} ({_p(one)}): " +
                 ("it has learned nothing of expressions, and its maps know nothing of them" if one["p"] >= SURE else
                  f"it has learned nothing of expressions, and {SURE:.0%} of such networks come out so by chance"))  # fmt: skip
    return text + "."


def evidence_sentence(found: pd.DataFrame) -> str:
    """Say which networks look where something moved in the expression they name, and whether another method says so too."""
    if found.empty:
        return "No network has a map, so nothing can be said of what moved."
    methods = list(dict.fromkeys(found["method"]))
    text = f"By {methods[0]}. " + specific_sentence(found[found["method"] == methods[0]], "what moved")
    for method in methods[1:]:
        mine = _learned(_first_fold(found[found["method"] == method]))
        told = mine.dropna(subset="specific")
        beyond = int((told["p"] < SURE).sum())
        parts = [f"{beyond} of {len(told)} {'is' if beyond == 1 else 'are'} beyond that"] if len(told) else []
        lacking = [f"{title(row['network'])} ({_lacking(row)})" for _, row in mine[mine["specific"].isna()].iterrows()]
        parts += [f"nothing can be said of {', '.join(lacking)}"] if lacking else []
        text += f" By {method} {'; '.join(parts)}."
    return text


def compared_sentence(maps: Mapping[tuple, np.ndarray], names: list[str], folds: int) -> str:
    """Say whose maps dendrograms compare, who is left out for want of a map, and what few networks or folds cannot tell.

    maps: {(network, expression): map}; names: those compared; folds: how many there are.
    """
    others = [name for name in dict.fromkeys(key[0] for key in maps) if name == plain_name(name) and name not in names]
    parts = []
    for name in others:
        lacking = [one for one in EMOTIONS if not ((name, one) in maps and maps[name, one].any())]
        parts.append(f"{title(name)} is left out: it has no map of {', '.join(lacking)}.")
    if len(names) < TREE:
        parts.append(f"Of {len(names)} network{'s' * (len(names) != 1)} there is no tree to draw: it takes {TREE} with maps of everything.")
    elif folds < FEWEST:
        parts.append(f"With {folds} folds it cannot be asked how firm a branch is: give folds={FEWEST} or more.")
    return " ".join(parts)


# ---- the authors' own maps


def table_three_figure(cells: pd.DataFrame) -> Figure:
    """Return Table 3 as found in the authors' maps, coloured by overlap; cells that differ from print show both. cells: of `beside`."""
    rows, columns = list(dict.fromkeys(cells["network"])), list(dict.fromkeys(cells["expression"]))
    found, same = (cells.pivot(index="network", columns="expression", values=name).loc[rows, columns] for name in ("found", "same"))
    printed = cells.pivot(index="network", columns="expression", values="printed").loc[rows, columns]
    figure = Figure(figsize=(1.12 * len(columns) + 1.8, 0.36 * len(rows) + 0.9), dpi=110, layout="constrained")
    axis = figure.subplots()
    axis.imshow(found.to_numpy(float), cmap="YlGnBu", vmin=0, vmax=0.8, aspect="auto")
    for (down, across), value in np.ndenumerate(found.to_numpy(float)):
        differs = not same.iat[down, across]
        text = f"{value:.4f}" + (f"\nprinted {printed.iat[down, across]:.4f}" if differs else "")
        look = {"fontsize": 6.5, "color": CAM_COLOUR, "fontweight": "bold"} if differs else {"fontsize": 8.5, "color": INK}
        axis.text(across, down, text, ha="center", va="center", linespacing=0.95, **look | ({"color": "white"} if value > 0.45 else {}))
    axis.set_xticks(range(len(columns)), columns, color=INK, fontsize=9)
    axis.set_yticks(range(len(rows)), [name if name == "average" else title(name) for name in rows], color=INK, fontsize=9)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def table_three_sentence(cells: pd.DataFrame, folds: pd.DataFrame) -> str:
    """Say which cells of Table 3 follow from the authors' maps, and whether their README's table does."""
    inner, means = cells[cells["network"] != "average"], cells[cells["network"] == "average"]
    rows = inner.groupby("network", sort=False)["same"].all()
    text = f"**{int(rows.sum())} of {len(rows)} rows** of Table 3 follow from the published maps to four decimals"
    for name in rows[~rows].index:
        last = inner[(inner["network"] == name) & (inner["expression"] == "average")].iloc[0]
        text += f"; {title(name)}'s does not: the maps give {last['found']:.4f} on average where {last['printed']:.4f} is printed"
    if not rows.all():
        text += f", and {int((~means['same']).sum())} of {len(means)} averages over networks differ with that. Why is not known"
    whole = means[means["expression"] == "average"].iloc[0]
    text += f". The mean of all is {whole['found']:.4f}, printed {whole['printed']:.4f}"
    share = f"{int(folds['same'].sum())} of {len(folds)}"
    return text + f". Of the table in their repository, means over single folds, {share} cells follow."


def split_sentence(split: pd.DataFrame, names: list[str], groups: str = "networks trained on ImageNet before and the others") -> str:
    """Say whether networks of one group look alike. split: of `similarity.split_table`; groups: which two they are."""
    agree = [row["expression"] for _, row in split.iterrows() if row["cut_agrees"]]
    where = ", ".join(agree) if agree else "no expression"
    least = f"{split['p'].min():.3f} to {split['p'].max():.3f}" if split["p"].nunique() > 1 else f"{split['p'].iloc[0]:.3f}"
    return (f"Within the two groups, {groups}, maps correlate by {split['within'].mean():.2f} "
            f"on average, across them by {split['between'].mean():.2f}; of all ways to divide the {len(names)} networks into groups of "
            f"these sizes {least} of them set these apart as far. Cut in two, the dendrogram gives these groups for {where}.")  # fmt: skip

