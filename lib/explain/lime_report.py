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
from lib.explain.lime_study import EMOTIONS, SHUFFLED, TWIN, Networks, title

LIME_COLOUR, CAM_COLOUR, QUIET, LIGHT = "#2b6f8f", "#b5482a", "#b8c1c8", "#5b6770"
LEVELS = {"chance_segments": ("|", "random segments"), "chance_face": ("D", "other expressions' maps"),
          "chance_centre": ("x", "an ellipse")}  # fmt: skip
GUESSING = 1 / len(EMOTIONS)


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
    return whole, whole[~whole["network"].str.endswith((SHUFFLED, TWIN))]


def trainings_table(trainings: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings for people: a row a network with its size, side, what it learned from, and errors, if any."""
    rows = []
    for name, mine in trainings.groupby("name", sort=False):
        done = mine[mine["error"] == ""]
        numbers = {column: done[column].iloc[0] if len(done) and column in done else np.nan for column in ("parameters", "epochs")}
        means = {column: done[column].mean() if len(done) and column in done else np.nan
                 for column in ("learned_from", "tested_on", "accuracy_train", "accuracy", "seconds")}  # fmt: skip
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
    return text + "."


# ---- single explanations


def steps(networks: Networks, explained: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return one explanation an expression to show, of a picture told rightly if any.

    They are of the network that is right most often among those with explanations of the most expressions.
    """
    _, learned = _whole_and_learned(accuracy)
    marked = np.isfinite(networks.pictures.landmarks[networks.pictures.rows(explained["face_id"])]).all(axis=(1, 2))
    usable = explained[(explained["error"] == "") & marked]
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
        text += (". Trained again from another seed, a network stays closer to its own map than to those of others" if gap > 0.1 else
                 ". Another seed changes a map about as much as another network does: differences between networks that small say nothing")
    return text + "."


# ---- agreement with masks and with what moved


def alignment_figure(table: pd.DataFrame, second: pd.DataFrame | None = None, labels=("LIME", "Grad-CAM")) -> Figure:
    """Return the overlap of each network's maps with the masks (`ekman.alignment`), a panel an expression, beside chance and ceiling.

    second: the same of another method, as rings.
    """
    names = list(dict.fromkeys(table["network"]))
    figure = Figure(figsize=(12.5, 0.3 * len(names) + 1.9), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(EMOTIONS), sharey=True)
    levels = [*LEVELS, *(["ceiling"] if (table["ceiling"] < 1).any() else [])]
    furthest = float(np.nanmax([*table["iou"], *table[levels].to_numpy().ravel(), *([] if second is None else second["iou"])]))
    for axis, expression in zip(panels, EMOTIONS, strict=True):
        mine = table[table["expression"] == expression].set_index("network")
        for place, name in enumerate(names):
            if name not in mine.index:
                continue
            row = mine.loc[name]
            axis.plot(row["iou"], place, "o", color=LIME_COLOUR, markersize=6.5, zorder=3)
            for column, (mark, _) in LEVELS.items():
                axis.plot(row[column], place, mark, color=LIGHT, markersize=5, markerfacecolor="none", zorder=2)
        if second is not None:
            other = second[(second["expression"] == expression) & second["network"].isin(names)]
            axis.plot(other["iou"], [names.index(name) for name in other["network"]], "o", color="none", markeredgecolor=CAM_COLOUR,
                      markersize=7.5, zorder=3)  # fmt: skip
        top = mine["ceiling"].iloc[0] if len(mine) else 1.0
        if top < 1:
            axis.axvline(top, color=CAM_COLOUR, linewidth=1.2, linestyle="--")
        axis.set_title(expression, color=INK, fontsize=10)
        axis.set(xlim=(0, furthest + 0.05), ylim=(len(names) - 0.4, -0.6))
        axis.hlines(range(len(names)), 0, 1, color=LINES, linewidth=0.6, zorder=0)
        plain(axis)
    panels[0].set_yticks(range(len(names)), [title(name) for name in names], color=INK)
    figure.supxlabel("overlap with the mask (IoU)", color=INK, fontsize=10)
    marks = [Line2D([], [], marker="o", ls="", color=LIME_COLOUR, label=labels[0])]
    if second is not None:
        marks.append(Line2D([], [], marker="o", ls="", color="none", markeredgecolor=CAM_COLOUR, label=labels[1]))
    marks += [Line2D([], [], marker=mark, ls="", color=LIGHT, markerfacecolor="none", label=f"{word}, same area")
              for mark, word in LEVELS.values()]  # fmt: skip
    if (table["ceiling"] < 1).any():
        marks.append(Line2D([], [], color=CAM_COLOUR, ls="--", label="what moved, known exactly"))
    figure.legend(handles=marks, loc="outside upper center", ncols=len(marks), frameon=False, fontsize=8.5)
    return figure


def alignment_sentence(table: pd.DataFrame, what: str) -> str:
    """Say how much of the overlap chance would give. what: of whom the maps are."""
    learned = table[~table["network"].str.endswith(SHUFFLED)]
    mean = learned[["iou", *LEVELS]].mean()
    beaten = int((learned["iou"] > learned["chance_centre"]).sum())
    text = (f"The maps of {what} overlap with their masks by **{mean['iou']:.3f}** on average. Random segments of the same area reach "
            f"{mean['chance_segments']:.3f}, the mean of the *other* expressions' maps {mean['chance_face']:.3f}, and an ellipse in the "
            f"middle of the canvas {mean['chance_centre']:.3f}: {beaten} of {len(learned)} maps beat the ellipse.")  # fmt: skip
    known = learned[(learned["ceiling"] < 1) & learned["corrected"].notna()]
    if len(known):
        text += (f" A map that knew exactly what moved would reach {known['ceiling'].mean():.3f} with these masks; from random segments "
                 f"(0) to there (1), the maps come {known['corrected'].mean():+.2f} of the way.")  # fmt: skip
    return text


def evidence_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how far each network's maps agree with what moved, by method: means over expressions.

    tables: {method: of `ekman.alignment` with planted evidence as masks}. Columns: network, method, expressions, corrected, iou, chance,
    beyond_chance (expressions in which fewer than one in twenty random maps do as well).
    """
    rows = []
    for method, table in tables.items():
        for name, mine in table.groupby("network", sort=False):
            rows.append({"network": name, "method": method, "expressions": len(mine), "corrected": mine["corrected"].mean(),
                         "iou": mine["iou"].mean(), "chance": mine["chance_segments"].mean(),
                         "beyond_chance": int((mine["p"] < 0.05).sum())})  # fmt: skip
    return pd.DataFrame(rows)


def evidence_figure(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Return agreement with what moved, corrected for chance: a line a network, a dot an expression, the mean as a bar; by method."""
    names = list(dict.fromkeys(name for table in tables.values() for name in table["network"]))
    figure = Figure(figsize=(4.6 * len(tables) + 1.4, 0.42 * len(names) + 1.5), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True, sharex=True, squeeze=False)[0]
    for axis, (method, table) in zip(panels, tables.items(), strict=True):
        for place, name in enumerate(names):
            mine = table[table["network"] == name]
            colour = CAM_COLOUR if name.endswith(SHUFFLED) else LIME_COLOUR
            axis.plot(mine["corrected"], [place] * len(mine), "o", color="none", markeredgecolor=colour, alpha=0.6, markersize=6)
            axis.plot([mine["corrected"].mean()] * 2, [place - 0.28, place + 0.28], color=colour, linewidth=3)
        axis.axvline(0, color=LIGHT, linestyle=":", linewidth=1.2)
        axis.set_title(method, color=INK, fontsize=10)
        plain(axis, "x")
    panels[0].set_yticks(range(len(names)), [title(name) for name in names], color=INK)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    figure.supxlabel("agreement with what moved: 0 random segments, 1 the same places · rings: expressions · bar: mean", color=INK,
                     fontsize=9.5)
    return figure


def evidence_sentence(found: pd.DataFrame) -> str:
    """Say which networks look where something moved, and what one that knows nothing gets."""
    first = found[found["method"] == found["method"].iloc[0]]
    learned = first[~first["network"].str.endswith(SHUFFLED)].dropna(subset="corrected").sort_values("corrected", ascending=False)
    if learned.empty:
        return "Nothing is known of what moved where a network has maps."
    best, last = learned.iloc[0], learned.iloc[-1]
    text = (f"By {best['method']}, **{title(best['network'])}** agrees most with what moved: {best['corrected']:+.2f}, beyond chance in "
            f"{best['beyond_chance']} of {best['expressions']} expressions")  # fmt: skip
    if len(learned) > 1:
        text += f"; {title(last['network'])} least: {last['corrected']:+.2f}"
    control = first[first["network"].str.endswith(SHUFFLED)]
    if len(control):
        one = control.iloc[0]
        text += (f". The network taught shuffled labels gets {one['corrected']:+.2f} ({one['beyond_chance']} of {one['expressions']} "
                 "beyond chance): it has learned nothing about expressions, so this much comes with looking at a face at all")  # fmt: skip
    others = found[(found["method"] != best["method"]) & (found["network"] == best["network"])]
    if len(others):
        text += f". By {others['method'].iloc[0]} the same network gets {others['corrected'].iloc[0]:+.2f}"
    return text + "."


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
    inner = cells[(cells["network"] != "average")]
    rows = inner.groupby("network", sort=False)["same"].all()
    text = f"**{int(rows.sum())} of {len(rows)} rows** of Table 3 follow from the published maps to four decimals"
    for name in rows[~rows].index:
        last = inner[(inner["network"] == name) & (inner["expression"] == "average")].iloc[0]
        text += (f"; {title(name)}'s does not: the maps give {last['found']:.4f} on average where {last['printed']:.4f} is printed, so the "
                 "published maps and the printed row are of different trainings or states of the data")  # fmt: skip
    whole = cells[(cells["network"] == "average") & (cells["expression"] == "average")].iloc[0]
    text += f". The mean of all is {whole['found']:.4f}, printed {whole['printed']:.4f}"
    share = f"{int(folds['same'].sum())} of {len(folds)}"
    return text + f". Of the table in their repository, means over single folds, {share} cells follow."


def split_sentence(split: pd.DataFrame, names: list[str]) -> str:
    """Say whether networks trained on ImageNet before look alike. split: of `similarity.split_table`."""
    agree = [row["expression"] for _, row in split.iterrows() if row["cut_agrees"]]
    where = ", ".join(agree) if agree else "no expression"
    least = f"{split['p'].min():.3f} to {split['p'].max():.3f}" if split["p"].nunique() > 1 else f"{split['p'].iloc[0]:.3f}"
    return (f"Within the two groups, networks trained on ImageNet before and the others, maps correlate by {split['within'].mean():.2f} "
            f"on average, across them by {split['between'].mean():.2f}; of all ways to divide the {len(names)} networks into groups of "
            f"these sizes {least} of them set these apart as far. Cut in two, the dendrogram gives these groups for {where}.")  # fmt: skip

