"""Labellers: what notebook 03 shows: its figures, each from the table it is drawn from, and its sentences, made from the same tables."""

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from lib.compendium.figures import INK, LINES, plain, sentence, with_interval
from lib.expressions import EXPRESSIONS
from lib.labellers.agreement import unanimity
from lib.labellers.target import Votes
from lib.labellers.truth import COMPARED, PLANTED, WAYS

RUST, TEAL, GREY = "#b5482a", "#2b6f8f", "#b8c1c8"
EXPRESSION_COLOURS = {"angry": "#8c2d19", "disgust": "#6f8f3a", "fear": "#6b5b95", "happy": "#f0b429", "neutral": "#d3d9dd",
                      "sad": "#2b6f8f", "surprise": "#e58a6f"}  # fmt: skip
TITLES = {"openface": "OpenFace", "action_units": "Action Units", "multitask": "multi-task CNN", "cnn_rnn": "CNN-RNN",
          "realtime_xception": "mini_XCEPTION", "realtime_sequential": "sequential CNN", "human": "people",
          PLANTED: "planted truth"}  # fmt: skip
LABELLER_COLOURS = {"openface": "#5b6770", "action_units": "#b5482a", "multitask": "#2b6f8f", "cnn_rnn": "#6b5b95",
                    "realtime_xception": "#d89a1d", "realtime_sequential": "#6f8f3a", "human": "#22303c"}  # fmt: skip
OTHERS = ("#b5482a", "#2b6f8f", "#d89a1d", "#6f8f3a", "#6b5b95", "#5b6770")  # for labellers without a colour of their own
HEAT = LinearSegmentedColormap.from_list("heat", ["#ffffff", "#f3d9c9", "#d98a63", "#b5482a", "#6e2414"])
ORDER = ("neutral", "under 0.3", "0.3 to 0.6", "0.6 and more", "under 20°", "20 to 50°", "over 50°")  # groups that have one
WRITTEN = 0.1  # share of a row from which a confusion matrix has it in figures; below, they hide the habits
TENTATIVE = 0.667  # alpha below which Krippendorff (2004, p. 241) draws no conclusion, not even a tentative one
FACE_COLUMNS = ["face_id", "crop_index", "labeller", "kind", "name", "value", "chosen"]
SHORT = {"angry": "ang", "disgust": "dis", "fear": "fea", "happy": "hap", "neutral": "neu", "sad": "sad", "surprise": "sur"}


def title(labeller: str) -> str:
    """Return what people call a labeller, or a way of uniting."""
    return TITLES.get(labeller, labeller)


def _colours(labellers) -> dict[str, str]:
    taken = {LABELLER_COLOURS[name] for name in labellers if name in LABELLER_COLOURS}
    spare = iter([*(colour for colour in OTHERS if colour not in taken), *OTHERS * len(labellers)])
    return {name: LABELLER_COLOURS.get(name) or next(spare) for name in labellers}


# ---- faces with all votes


def chosen_faces(votes: Votes, faces: pd.DataFrame, count: int = 12) -> list[str]:
    """Return face ids that show the range: expressions in turn, and within each the most agreed on, the most split and what lies between.

    faces: face_id, crop_index (-1: no crop, never chosen). Only faces with at least two answers are chosen, at most `count`.
    """
    with_crop = faces.loc[faces["crop_index"] >= 0, "face_id"]
    table = unanimity(votes).query("answers > 1")
    table = table[table["face_id"].isin(with_crop)].sort_values(["agreement", "answers", "face_id"], ascending=[False, False, True])
    queues = {name: _spread(list(table.loc[table["plurality"] == name, "face_id"]), start) for start, name in enumerate(EXPRESSIONS)}
    chosen = []
    while len(chosen) < count and any(queues.values()):
        chosen += [queue.pop(0) for queue in queues.values() if queue]
    kept = table[table["face_id"].isin(chosen[:count])]
    return list(kept["face_id"])


def _spread(names: list, start: int) -> list:
    """Return names with the first, the last and the middle one in front, beginning with another of them for each start."""
    ends = list(dict.fromkeys(names[place] for place in (0, -1, len(names) // 2))) if names else []
    turned = ends[start % len(ends) :] + ends[: start % len(ends)] if ends else []
    return turned + [name for name in names if name not in ends]


def faces_table(chosen: list, faces: pd.DataFrame, votes: Votes, action_units: pd.DataFrame | None = None,
                truth: pd.DataFrame | None = None) -> pd.DataFrame:  # fmt: skip
    """Return what `faces_figure` draws, one row a number (FACE_COLUMNS): kind "score" (0 to 1, NaN: no answer), "unit" (intensity, 0 to
    5) or "presence" (0 to 1, of a labeller that knows no intensities).

    chosen: face ids in the order to show. action_units: long table face_id, labeller, unit, presence, intensity. truth: as
    `truth.planted`; its numbers come as labeller "planted".
    """
    votes, places = votes.of(chosen), faces.set_index("face_id")["crop_index"]
    rows = [(face, places[face], labeller, "score", name, votes.scores[row, column, place], bool(votes.given[row, column, place]))
            for row, face in enumerate(chosen) for column, labeller in enumerate(votes.labellers)
            for place, name in enumerate(EXPRESSIONS)]  # fmt: skip
    if action_units is not None and len(action_units):
        for row in action_units[action_units["face_id"].isin(chosen)].to_dict("records"):
            kind, value = ("unit", row["intensity"]) if pd.notna(row["intensity"]) else ("presence", row["presence"])
            rows.append((row["face_id"], places[row["face_id"]], row["labeller"], kind, f"AU{int(row['unit']):02d}", value, False))
    if truth is not None:
        units = [name for name in truth if name.startswith("AU") and name[2:].isdigit()]
        for row in truth[truth["face_id"].isin(chosen)].to_dict("records"):
            start = (row["face_id"], places[row["face_id"]], PLANTED)
            rows += [(*start, "score", name, row[name], row["expression"] == name) for name in EXPRESSIONS]
            rows += [(*start, "unit", name, row[name], False) for name in units if pd.notna(row[name])]
    return pd.DataFrame(rows, columns=FACE_COLUMNS)


def faces_figure(crops: np.ndarray, table: pd.DataFrame, columns: int = 4) -> Figure:
    """Return the crops with, under each, the scores of every labeller (dark: high; framed: its vote) and the Action Units (0 to 5).

    crops: uint8 (n, height, width, 3). table: of `faces_table`. Bars are the intensities of the first labeller that has them, dots those
    of others, rings the chance that a unit is there (0 at the bottom, 1 at the top), dashes what was planted.
    """
    chosen = list(dict.fromkeys(table["face_id"]))
    if not chosen:
        return sentence("no face has two answers to compare")
    scores, units = table[table["kind"] == "score"], table[table["kind"] != "score"]
    labellers = list(dict.fromkeys(scores["labeller"]))
    labellers = [*(name for name in labellers if name == PLANTED), *(name for name in labellers if name != PLANTED)]
    numbers, reading = sorted(units["name"].unique()), _reading(units, labellers)
    columns = min(columns, len(chosen))
    figure, cells = _cells(len(chosen), columns, 0.2 * len(labellers), bool(numbers))
    for place, (face, axes) in enumerate(zip(chosen, cells, strict=True)):
        of_face, first = scores[scores["face_id"] == face], place % columns == 0
        axes[0].imshow(crops[of_face["crop_index"].iloc[0]])
        axes[0].set_axis_off()
        axes[0].set_title(_said_of(of_face), fontsize=10, color=INK, pad=3)
        _votes_heat(axes[1], of_face, labellers, first)
        if numbers:
            _unit_bars(axes[2], units[units["face_id"] == face], numbers, reading, first)
    _faces_legend(figure, reading, PLANTED in set(units["labeller"]))
    return figure


def _reading(units: pd.DataFrame, labellers: list) -> dict[str, str]:
    """Return how the units of each labeller that reads them are drawn: bars, dots or rings."""
    kinds = units[units["labeller"] != PLANTED].groupby("labeller")["kind"].first()
    measuring = [name for name in labellers if kinds.get(name) == "unit"]
    ways = dict.fromkeys(measuring, "dots") | dict.fromkeys(measuring[:1], "bars")
    return ways | {name: "rings" for name in labellers if kinds.get(name) == "presence"}


def _cells(count: int, columns: int, heat: float, bars: bool) -> tuple[Figure, list[list]]:
    """Return a figure and, for each face, its axes from top to bottom: crop, scores (`heat` inches high) and, with `bars`, units.

    Placed by hand, in inches: a layout engine would shrink the column that carries the labellers' names.
    """
    margin, across, crop, rows = 1.25, 2.4, 1.75, -(-count // columns)
    height = 0.45 + crop + 0.08 + heat + (0.28 + 0.5 if bars else 0) + 0.24
    width, tall = margin + across * columns, height * rows + 0.55
    figure, cells = Figure(figsize=(width, tall), dpi=110), []
    for place in range(count):
        left, top = margin + across * (place % columns), tall - height * (place // columns) - 0.45
        parts = [(left + (across - 0.15 - crop) / 2, top - crop, crop, crop), (left, top - crop - 0.08 - heat, across - 0.15, heat)]
        parts += [(left, top - crop - 0.08 - heat - 0.28 - 0.5, across - 0.15, 0.5)] if bars else []
        cells.append([figure.add_axes((x / width, y / tall, w / width, h / tall)) for x, y, w, h in parts])
    return figure, cells


def _said_of(scores: pd.DataFrame) -> str:
    """Return a face's heading: what was planted, and how the votes fall."""
    chosen = scores[scores["chosen"]]
    votes = chosen.loc[chosen["labeller"] != PLANTED, "name"].value_counts()
    true = chosen.loc[chosen["labeller"] == PLANTED, "name"]
    answers = scores[(scores["labeller"] != PLANTED) & scores["value"].notna()]["labeller"].nunique()
    most = votes.iloc[0] if len(votes) else 0
    said = "no vote" if not most else "all differ" if most == 1 < answers else f"{most} of {answers}: {votes.index[0]}"
    return f"planted {true.iloc[0]}\n{said}" if len(true) else said


def _votes_heat(axis, scores: pd.DataFrame, labellers: list, names: bool) -> None:
    wide = scores.pivot(index="labeller", columns="name", values="value").reindex(index=labellers, columns=list(EXPRESSIONS))
    axis.imshow(np.ma.masked_invalid(wide.to_numpy(float)), cmap=HEAT, vmin=0, vmax=1, aspect="auto")
    votes = scores[scores["chosen"]]
    for labeller, name in zip(votes["labeller"], votes["name"], strict=True):
        corner = (EXPRESSIONS.index(name) - 0.5, labellers.index(labeller) - 0.5)
        axis.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.6, clip_on=False, zorder=3))
    for row in np.flatnonzero(wide.isna().all(axis=1)):
        axis.text(3, row, "–" if labellers[row] == PLANTED else "no answer", ha="center", va="center", fontsize=8, color="#7a858d")
    axis.set_xticks(range(7), [SHORT[name] for name in EXPRESSIONS], fontsize=8)
    axis.set_yticks(range(len(labellers)), [title(name) for name in labellers] if names else [], fontsize=9)
    if PLANTED in labellers:
        axis.axhline(0.5, color=INK, linewidth=0.8)
    axis.set_xticks(np.arange(-0.5, 7), minor=True)
    axis.set_yticks(np.arange(-0.5, len(labellers)), minor=True)
    axis.grid(which="minor", color=LINES, linewidth=0.6)
    axis.tick_params(which="both", length=0, colors=INK)
    axis.spines[:].set_color(LINES)


def _unit_bars(axis, units: pd.DataFrame, numbers: list, reading: dict[str, str], names: bool) -> None:
    places = np.arange(len(numbers))
    wide = units.pivot(index="labeller", columns="name", values="value").reindex(columns=numbers)
    colours = _colours(list(reading))
    for name, way in reading.items():
        if name not in wide.index:
            continue
        if way == "bars":
            axis.bar(places, wide.loc[name], color=colours[name], width=0.72)
        else:
            filled, top = ("white", 5) if way == "rings" else (colours[name], 1)
            axis.plot(places, wide.loc[name] * top, "o", markersize=3.2, color=filled, markeredgecolor=colours[name], clip_on=False)
    if PLANTED in wide.index:
        axis.hlines(wide.loc[PLANTED], places - 0.46, places + 0.46, color=INK, linewidth=1.5, zorder=3, clip_on=False)
    axis.set(xlim=(-0.6, len(numbers) - 0.4), ylim=(0, 5))
    axis.set_xticks(places, [name[2:].lstrip("0") for name in numbers], fontsize=6.5)
    axis.set_yticks([0, 5], ["0", "5"] if names else [], fontsize=7)
    axis.set_ylabel("AU" if names else "", fontsize=8, color=INK, rotation=0, va="center", labelpad=2)
    axis.tick_params(length=0, colors=INK, pad=1.5)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(GREY)


def _faces_legend(figure: Figure, reading: dict[str, str], planted: bool) -> None:
    colours = _colours(list(reading))
    handles = [Patch(facecolor=HEAT(1.0), label="score 1"), Patch(facecolor="white", edgecolor=GREY, label="score 0"),
               Patch(facecolor="white", edgecolor=INK, linewidth=1.6, label="vote")]  # fmt: skip
    for name, way in reading.items():
        label = f"{'chance of AU, 0 to 1' if way == 'rings' else 'AU 0 to 5'}, {title(name)}"
        filled = "white" if way == "rings" else colours[name]
        handles.append(Patch(facecolor=colours[name], label=label) if way == "bars" else
                       Line2D([], [], linestyle="", marker="o", markersize=4, color=filled, markeredgecolor=colours[name],
                              label=label))  # fmt: skip
    if planted:
        handles.append(Line2D([], [], color=INK, linewidth=1.5, label="AU, planted"))
    across = -(-len(handles) // 2) if len(handles) > 6 else len(handles)  # in two rows where one would reach the mark at the right
    figure.legend(handles=handles, loc="lower left", ncols=across, frameon=False, fontsize=9)


# ---- agreement


def agreement_figure(pairs: pd.DataFrame, overall: pd.DataFrame) -> Figure:
    """Return Cohen's kappa of every pair with its interval (left) and the measures of all labellers at once (right).

    pairs: of `agreement.pairwise`; overall: of `agreement.overall`.
    """
    labellers = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    if not labellers:
        return sentence("one labeller alone agrees with nobody")
    figure = Figure(figsize=(12, max(4.0, 0.85 * len(labellers) + 1.2)), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
    values = np.full((len(labellers), len(labellers)), np.nan)
    for row in pairs.itertuples():
        a, b = labellers.index(row.first), labellers.index(row.second)
        values[a, b] = values[b, a] = row.kappa
        for x, y in ((a, b), (b, a)):
            text = f"{row.kappa:.2f}\n{_between(row.low, row.high)}" if np.isfinite(row.kappa) else "n/a"
            left.text(x, y, text, ha="center", va="center", fontsize=10, color=_readable(row.kappa))
    left.imshow(np.ma.masked_invalid(values), cmap=HEAT, vmin=0, vmax=1, aspect="auto")
    _square(left, [title(name) for name in labellers], [title(name) for name in labellers], rotation=20)
    left.set_title("Cohen's kappa of each pair", loc="left", fontsize=11, color=INK, fontweight="bold")
    known = overall.iloc[::-1]
    _dots(right, np.arange(len(known)), known, RUST, "value")
    for place, row in enumerate(known.itertuples()):
        if np.isfinite(row.value):
            _over(right, f"{row.value:.2f}", row.value, place, 10)
        else:
            right.annotate(row.reason, (0, place), (4, 0), textcoords="offset points", va="center", fontsize=10, color=INK)
    right.axvline(0, color=GREY, linewidth=1)
    right.axvline(TENTATIVE, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    right.text(TENTATIVE - 0.01, len(known) - 0.45, "Krippendorff's .667", ha="right", fontsize=9, color=INK)
    right.set_yticks(range(len(known)), known["measure"], fontsize=11)
    right.set(ylim=(-0.6, len(known) - 0.2), xlim=(min(-0.05, _lowest(known["low"]) - 0.05), 1.02))
    right.set_title("all labellers together", loc="left", fontsize=11, color=INK, fontweight="bold")
    plain(right, "x")
    return figure


def expressions_figure(table: pd.DataFrame) -> Figure:
    """Return Krippendorff's alpha of each expression against the rest, with intervals. table: of `agreement.per_expression`."""
    table = table.iloc[::-1]
    figure = Figure(figsize=(9, 4.4), dpi=110, layout="constrained")
    axis, places = figure.subplots(), np.arange(len(table))
    axis.barh(places, table["alpha"].fillna(0), color=[EXPRESSION_COLOURS[name] for name in table["expression"]], height=0.66)
    axis.hlines(places, table["low"], table["high"], color=INK, linewidth=1.6)
    right = max(0.0, float(np.nanmax(table[["alpha", "high"]].to_numpy(float), initial=0)))
    for place, row in zip(places, table.itertuples(), strict=True):
        known = np.isfinite(row.alpha)
        at = max(0.0, np.nanmax([row.alpha, row.high])) if known else 0
        text = f"{row.alpha:.2f}" if known else row.reason
        axis.annotate(text, (at, place), (6, 0), textcoords="offset points", va="center", fontsize=10, color=INK)
    labels = [f"{row.expression} ({row.share:.0%} of answers)" if np.isfinite(row.share) else row.expression for row in table.itertuples()]
    axis.set_yticks(places, labels, fontsize=11)
    axis.set_xlim(min(0.0, _lowest(table["low"])) - 0.02, min(1.1, max(0.3, right * 1.2)))
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_xlabel("Krippendorff's alpha, this expression against the rest", fontsize=12)
    plain(axis, "x")
    return figure


def groups_figure(table: pd.DataFrame) -> Figure:
    """Return a panel a grouping: Krippendorff's alpha by group, with intervals. table: of `agreement.by_group`."""
    if table.empty:
        return sentence("no tradition, material, turn or damage with enough faces to compare")
    groupings = list(dict.fromkeys(table["by"]))
    heights = [(table["by"] == by).sum() * 0.3 + 0.5 for by in groupings]
    figure = Figure(figsize=(9, sum(heights) + 0.6), dpi=110, layout="constrained")
    panels = figure.subplots(len(groupings), 1, height_ratios=heights, squeeze=False, sharex=True).ravel()
    for axis, by in zip(panels, groupings, strict=True):
        mine = table[table["by"] == by].sort_values("group", key=lambda names: names.map(_place))
        _dots(axis, np.arange(len(mine)), mine, RUST, "alpha", size=6)
        axis.set_yticks(range(len(mine)), [f"{row.group} ({row.faces})" for row in mine.itertuples()], fontsize=10)
        axis.set_ylim(len(mine) - 0.4, -0.6)
        axis.set_title(by, loc="left", fontsize=11, color=INK, fontweight="bold")
        plain(axis, "x")
    panels[-1].set_xlabel("Krippendorff's alpha", fontsize=12)
    panels[-1].set_xlim(min(-0.02, _lowest(table["low"]) - 0.02), 1.02)
    return figure


def accuracy_figure(table: pd.DataFrame) -> Figure:
    """Return the accuracy of each labeller (columns) within each group (rows). table: of `truth.by_group`, which has the intervals."""
    if table.empty:
        return sentence("no planted truth, or no group with enough faces to compare")
    labellers = list(dict.fromkeys(table["labeller"]))
    groupings = sorted(dict.fromkeys(table["by"]), key=lambda by: by != "intensity")  # what was planted comes first
    names = {by: sorted(table.loc[table["by"] == by, "group"].unique(), key=_place) for by in groupings}
    heights = [len(names[by]) * 0.28 + 0.3 for by in groupings]
    figure = Figure(figsize=(1.9 + 1.25 * len(labellers), sum(heights) + 0.4), dpi=110, layout="constrained")
    panels = figure.subplots(len(groupings), 1, height_ratios=heights, squeeze=False).ravel()
    for axis, by in zip(panels, groupings, strict=True):
        mine = table[table["by"] == by]
        values = mine.pivot(index="group", columns="labeller", values="accuracy").reindex(index=names[by], columns=labellers)
        axis.imshow(np.ma.masked_invalid(values.to_numpy(float)), cmap=HEAT, vmin=0, vmax=1, aspect="auto")
        for row in mine.itertuples():
            axis.text(labellers.index(row.labeller), names[by].index(row.group), f"{row.accuracy:.2f}", ha="center", va="center",
                      fontsize=9, color=_readable(row.accuracy))  # fmt: skip
        faces = mine.groupby("group")["faces"].max()
        _square(axis, [], [f"{name} ({faces[name]})" for name in names[by]])
        axis.set_title(by, loc="left", fontsize=11, color=INK, fontweight="bold", x=-0.02, ha="right", y=1.0)
    panels[0].xaxis.tick_top()
    panels[0].set_xticks(range(len(labellers)), [title(name) for name in labellers], fontsize=11)
    panels[0].tick_params(length=0, colors=INK)
    return figure


def _place(name: str) -> tuple:
    return (ORDER.index(name), "") if name in ORDER else (len(ORDER), str(name))


# ---- votes and truth


def distribution_figure(table: pd.DataFrame) -> Figure:
    """Return a stacked bar a labeller: the shares of the expressions it says, the planted shares on top. table: of `truth.distribution`."""
    if table.empty:
        return sentence("no labeller, no votes")
    names = list(dict.fromkeys(table["labeller"]))
    figure = Figure(figsize=(11, 0.55 * len(names) + 1.3), dpi=110, layout="constrained")
    axis = figure.subplots()
    wide = table.pivot(index="labeller", columns="expression", values="share").reindex(index=names, columns=list(EXPRESSIONS)).fillna(0)
    places = np.array([place + (0.25 if PLANTED in names and place else 0) for place in range(len(names))])
    left = np.zeros(len(names))
    for expression in EXPRESSIONS:
        shares = wide[expression].to_numpy()
        axis.barh(places, shares, 0.74, left, color=EXPRESSION_COLOURS[expression], label=expression, edgecolor="white", linewidth=0.8)
        for place, start, share in zip(places, left, shares, strict=True):
            if share >= 0.035:
                dark = expression in ("angry", "fear", "sad", "disgust")
                axis.text(start + share / 2, place, f"{share:.0%}", ha="center", va="center", fontsize=9, color="white" if dark else INK)
        left = left + shares
    faces = table.groupby("labeller")["faces"].first()
    axis.set_yticks(places, [f"{title(name)} ({faces[name]:,})" for name in names], fontsize=11)
    axis.set(xlim=(0, 1), ylim=(places[-1] + 0.5, -0.5))
    axis.set_xticks([])
    axis.legend(frameon=False, fontsize=11, ncols=7, loc="lower center", bbox_to_anchor=(0.45, 1.0), handlelength=1, columnspacing=1.2)
    axis.spines[:].set_visible(False)
    axis.tick_params(colors=INK, length=0)
    return figure


def confusions_figure(table: pd.DataFrame, down: str = PLANTED, across: str = "called", columns: int = 3) -> Figure:
    """Return a panel a labeller: the share of faces planted as the row that it calls the column. table: of `truth.confusion`.

    Also draws what two labellers say of the same faces: a `between_table`, with down="said", across="answered".
    """
    names = list(dict.fromkeys(table["labeller"]))
    if not names:
        return sentence("no planted truth to compare with")
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(0.9 + 3.3 * columns, 3.3 * rows + 0.2), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for number, (axis, name) in enumerate(zip(axes, names, strict=False)):
        mine = table[table["labeller"] == name].set_index([down, across])
        shares = mine["share"].unstack().reindex(index=EXPRESSIONS, columns=EXPRESSIONS)
        planted = mine["faces"].groupby(level=0).sum().reindex(EXPRESSIONS)
        axis.imshow(np.ma.masked_invalid(shares.to_numpy(float)), cmap=HEAT, vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares.to_numpy(float)):
            if share >= WRITTEN:
                axis.text(column, row, f"{share * 100:.0f}", ha="center", va="center", fontsize=9, color=_readable(share))
        labels = [f"{expression} ({count})" for expression, count in planted.items()] if number % columns == 0 else []
        _square(axis, [SHORT[expression] for expression in EXPRESSIONS], labels)
        axis.set_title(title(name), loc="left", fontsize=10, color=INK, fontweight="bold")
        if number % columns == 0:
            axis.set_ylabel(f"{down} (faces)", fontsize=11)
        if number + columns >= len(names):
            axis.set_xlabel(f"{across}, % of the row (if {WRITTEN:.0%} or more)", fontsize=10)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    return figure


def quality_figure(table: pd.DataFrame) -> Figure:
    """Return F1 of every labeller on every expression with intervals, a panel an expression. table: of `truth.per_expression`."""
    if table.empty:
        return sentence("no planted truth to compare with")
    labellers = list(dict.fromkeys(table["labeller"]))
    figure = Figure(figsize=(12, 0.32 * len(labellers) + 1.4), dpi=110, layout="constrained")
    axes = figure.subplots(1, 7, sharex=True, sharey=True)
    for axis, expression in zip(axes, EXPRESSIONS, strict=True):
        mine = table[table["expression"] == expression].set_index("labeller").reindex(labellers)
        for place, labeller in enumerate(labellers):
            _dots(axis, np.array([place]), mine.iloc[[place]], _colours(labellers)[labeller], "f1")
        count = int(mine["faces"].max())
        axis.set_title(f"{expression}\n{count} {'face' if count == 1 else 'faces'}", fontsize=10, color=INK)
        axis.set(xlim=(-0.05, 1.05), ylim=(len(labellers) - 0.5, -0.5))
        axis.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        plain(axis, "x")
    axes[0].set_yticks(range(len(labellers)), [title(name) for name in labellers], fontsize=11)
    figure.supxlabel("F1", fontsize=12, color=INK)
    return figure


def headline_figure(table: pd.DataFrame) -> Figure:
    """Return each labeller alone and each way of uniting, a panel a measure, with intervals; the dashed line is the best labeller alone,
    grey what it takes to say the commonest expression of every face.

    table: the first of `truth.compare`.
    """
    if table.empty or not table["faces"].max():
        return sentence("no planted truth: whether uniting helps cannot be said here")
    alone = list(dict.fromkeys(table.loc[table["kind"] == "labeller", "way"]))
    joined = list(dict.fromkeys(table.loc[table["kind"] == "united", "way"]))
    always = list(dict.fromkeys(table.loc[table["kind"] == "baseline", "way"]))
    names, places = alone + joined + always, []
    for gap, group in ((0, alone), (0.6, joined), (1.2, always)):
        places += [len(places) + gap + number for number in range(len(group))]
    colours = {"labeller": TEAL, "united": RUST, "baseline": GREY}
    shown = [measure for measure in COMPARED if measure != "labels"]
    figure = Figure(figsize=(12.5, 0.36 * len(names) + 1.5), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True)
    drawn = table[table["measure"].isin(shown)]
    reach = (max(-0.04, _lowest(drawn["low"], drawn["value"]) - 0.08), 1.06)  # one scale, so that panels can be compared
    for axis, measure in zip(axes, shown, strict=True):
        mine = table[table["measure"] == measure].set_index("way").reindex(names)
        for place, (name, row) in zip(places, mine.iterrows(), strict=True):
            _dots(axis, np.array([place]), mine.loc[[name]], colours[row["kind"]], "value", size=9 if name == "union" else 7)
            _over(axis, f"{row['value']:.2f}", row["value"], place, 9)
        if alone:
            axis.axvline(mine.loc[alone, "value"].max(), color=TEAL, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axis.set_xlim(*reach)
        axis.set_title(measure, loc="left", fontsize=11, color=INK, fontweight="bold")
        axis.set_ylim(places[-1] + 0.5, -0.75)
        plain(axis, "x")
    counts = table[table["measure"] == "labels"].set_index("way")["value"]
    axes[0].set_yticks(places, [f"{title(name)} ({counts[name]:.2f})" for name in names], fontsize=11)
    for label, name in zip(axes[0].get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name == "union" else "normal")
    figure.supxlabel("against the planted set; in brackets: expressions a face gets", fontsize=11, color=INK)
    return figure


def calibration_figure(table: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Return how often each labeller is right by how sure it is, a panel a labeller; the size of a dot is its number of faces.

    table: of `truth.calibration`; summary: of `truth.calibration_summary`.
    """
    names = [name for name in summary["labeller"] if name in set(table["labeller"])]
    if not names:
        return sentence("no planted truth to compare with")
    figure = Figure(figsize=(max(5.0, 2.75 * len(names)), 3.5), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False).ravel()
    colours = _colours(names)
    for axis, name in zip(axes, names, strict=True):
        mine, row = table[table["labeller"] == name], summary.set_index("labeller").loc[name]
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        axis.plot(mine["confidence"], mine["accuracy"], color=colours[name], linewidth=1.2, alpha=0.6)
        area = 14 + 220 * mine["faces"] / max(1, mine["faces"].sum())
        axis.scatter(mine["confidence"], mine["accuracy"], s=area, color=colours[name], zorder=3)
        axis.set_title(title(name), loc="left", fontsize=11, color=INK, fontweight="bold", pad=20)
        axis.text(0, 1.03, f"ECE {row['ece']:.2f}, Brier {row['brier']:.2f}", transform=axis.transAxes, fontsize=10, color=INK)
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.05))
        axis.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        axis.set_aspect("equal")
        plain(axis)
    axes[0].set_ylabel("share that is right", fontsize=11)
    figure.supxlabel("how sure it is (its largest score)", fontsize=11, color=INK)
    return figure


def units_figure(table: pd.DataFrame) -> Figure:
    """Return the area under the ROC curve of each planted Action Unit, one colour a labeller, with intervals. table: of `truth.units`."""
    table = table[table["auc"].notna()]
    if table.empty:
        return sentence("no planted Action Unit to compare with")
    names, numbers = list(dict.fromkeys(table["labeller"])), sorted(table["unit"].unique())
    figure = Figure(figsize=(11, 3.9), dpi=110, layout="constrained")
    axis, colours = figure.subplots(), _colours(names)
    for number, name in enumerate(names):
        mine = table[table["labeller"] == name].set_index("unit").reindex(numbers)
        places = np.arange(len(numbers)) + 0.5 / len(names) * (number - (len(names) - 1) / 2)
        label = f"{title(name)} (mean of {mine['auc'].notna().sum()}: {mine['auc'].mean():.2f})"
        axis.vlines(places, mine["low"], mine["high"], color=colours[name], linewidth=1.6)
        axis.plot(places, mine["auc"], "o", color=colours[name], markersize=6, label=label)
    present = table.groupby("unit")["present"].max()
    axis.set_xticks(range(len(numbers)), [f"AU{unit}\n({present[unit]})" for unit in numbers], fontsize=10)
    axis.axhline(0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axis.annotate("chance", (-0.45, 0.5), (0, 3), textcoords="offset points", fontsize=9, color=INK)
    axis.set(ylim=(min(0.4, _lowest(table["low"]) - 0.02), 1.03), xlim=(-0.5, len(numbers) - 0.5))
    axis.set_ylabel("area under ROC curve", fontsize=12)
    axis.set_xlabel("Action Unit (faces on which it is planted)", fontsize=11)
    axis.legend(frameon=False, fontsize=11, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    plain(axis, "y")
    return figure


def target_figure(sizes: pd.DataFrame, frequencies: pd.DataFrame, pairs: pd.DataFrame) -> Figure:
    """Return the target: how many labels a face gets, how often each expression comes, and which come together.

    sizes, frequencies, pairs: of `target.sizes`, `target.frequencies` and `target.co_occurrence`.
    """
    figure = Figure(figsize=(12.5, 4.2), dpi=110, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[0.8, 1, 1.15])
    left.bar(sizes["labels"].astype(str), sizes["faces"], color=[GREY if labels == 0 else RUST for labels in sizes["labels"]], width=0.7)
    for place, row in enumerate(sizes.itertuples()):
        left.annotate(f"{row.share:.0%}", (place, row.faces), (0, 3), textcoords="offset points", ha="center", fontsize=10, color=INK)
    left.set_ylim(0, max(1, sizes["faces"].max()) * 1.12)
    left.set_xlabel("labels a face", fontsize=11)
    left.set_ylabel("faces", fontsize=11)
    rows = frequencies.iloc[::-1]
    middle.barh(rows["expression"], rows["faces"], color=[EXPRESSION_COLOURS[name] for name in rows["expression"]], height=0.7)
    for place, row in enumerate(rows.itertuples()):
        middle.annotate(f"{row.share:.0%}", (row.faces, place), (4, 0), textcoords="offset points", va="center", fontsize=10, color=INK)
    middle.set_xlim(0, max(1, rows["faces"].max()) * 1.15)
    middle.set_xlabel("faces with the label", fontsize=11)
    shares = pairs.pivot(index="first", columns="second", values="share").reindex(index=EXPRESSIONS, columns=EXPRESSIONS).to_numpy(float)
    counts = pairs.pivot(index="first", columns="second", values="faces").reindex(index=EXPRESSIONS, columns=EXPRESSIONS).to_numpy()
    shares[np.eye(7, dtype=bool)] = np.nan
    right.imshow(np.ma.masked_invalid(shares), cmap=HEAT, vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            right.text(column, row, f"{share * 100:.0f}", ha="center", va="center", fontsize=10, color=_readable(share))
    _square(right, [SHORT[name] for name in EXPRESSIONS], [f"{name} ({counts[k, k]:.0f})" for k, name in enumerate(EXPRESSIONS)])
    for axis, text in ((left, "size of the label set"), (middle, "how often"), (right, "also labelled, % of the row")):
        axis.set_title(text, loc="left", fontsize=11, color=INK, fontweight="bold")
    for axis in (left, middle):
        plain(axis)
    return figure


# ---- drawing


def _dots(axis, places, table: pd.DataFrame, colour: str, value: str, size: float = 7, label: str | None = None) -> None:
    """Draw values as dots at heights `places` with their intervals; without an interval the dot stands alone."""
    axis.hlines(places, table["low"].fillna(table[value]), table["high"].fillna(table[value]), color=colour, linewidth=1.6)
    axis.plot(table[value], places, "o", color=colour, markersize=size, label=label)


def _over(axis, text: str, x: float, y: float, size: float) -> None:
    """Write a number just above a dot, readable where lines pass behind it."""
    box = {"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axis.annotate(text, (x, y), (0, 6), textcoords="offset points", ha="center", fontsize=size, color=INK, bbox=box)


def _square(axis, across: list, down: list, rotation: float = 0) -> None:
    axis.set_xticks(range(len(across)), across, fontsize=10, rotation=rotation, ha="right" if rotation else "center")
    axis.set_yticks(range(len(down)), down, fontsize=10)
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_color(LINES)


def _readable(value: float) -> str:
    return "white" if np.isfinite(value) and value > 0.55 else INK


def _between(low: float, high: float) -> str:
    return f"[{low:.2f}, {high:.2f}]" if np.isfinite(low) else ""


def _lowest(*columns) -> float:
    values = np.concatenate([np.asarray(column, float) for column in columns])
    return float(np.nanmin(values)) if np.isfinite(values).any() else 0.0


# ---- sentences


def target_sentence(statistics: pd.DataFrame, frequencies: pd.DataFrame) -> str:
    """Return the target in words. statistics, frequencies: of `target.statistics` and `target.frequencies`."""
    value = statistics.set_index("statistic")["value"]
    empty = int(value["without a label"])
    labelled = int(value["faces"]) - empty
    if not labelled:
        return f"None of the {int(value['faces']):,} faces has a label."
    common, rare = (frequencies.loc[frequencies["faces"].agg(pick), "expression"] for pick in ("idxmax", "idxmin"))
    shares = frequencies.set_index("expression")["share"]
    text = f"**{labelled:,} faces** have a label, {value['cardinality']:.2f} expressions each on average; "
    text += f"{value['several labels']:.0%} have more than one. The commonest is {common} ({shares[common]:.0%} of the labelled faces), "
    text += f"the rarest {rare} ({shares[rare]:.0%})."
    return text + (f" {empty:,} {'face has' if empty == 1 else 'faces have'} none." if empty else "")


def agreement_sentence(overall: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Return the agreement in words. overall, pairs: of `agreement.overall` and `agreement.pairwise`."""
    row = overall.set_index("measure").loc["Krippendorff's alpha"]
    if not np.isfinite(row["value"]):
        return f"The agreement of the labellers cannot be measured: {row['reason']}."
    text = f"Krippendorff's alpha is **{with_interval(row['value'], row['low'], row['high'])}** over {row['faces']:,} faces of "
    text += f"{row['objects']:,} objects: two labellers say the same about {row['observed']:.0%} of the faces, and would about "
    text += f"{row['chance']:.0%} by chance. "
    text += f"Krippendorff asks for {TENTATIVE} before even tentative conclusions are drawn: "
    text += "reached" if row["value"] >= TENTATIVE else "**not reached**"
    known = pairs[pairs["kappa"].notna()]
    if len(known) < 2:
        return text + "."
    most, least = known.loc[known["kappa"].idxmax()], known.loc[known["kappa"].idxmin()]
    return text + (f". Closest are {title(most['first'])} and {title(most['second'])} (kappa {most['kappa']:.2f}), furthest apart "
                   f"{title(least['first'])} and {title(least['second'])} ({least['kappa']:.2f}).")  # fmt: skip


def prevalence_sentence(pairs: pd.DataFrame) -> str:
    """Return, in words, the pair whose kappa hides the most agreement: where one expression is common, chance agreement is high."""
    known = pairs[pairs["kappa"].notna()]
    if known.empty:
        return "No pair of labellers has a kappa."
    row = known.loc[(known["ac1"] - known["kappa"]).idxmax()]
    return (f"{title(row['first'])} and {title(row['second'])} say the same about {row['observed']:.0%} of the faces, yet their kappa is "
            f"{row['kappa']:.2f}, because {row['chance']:.0%} would be expected by chance. Gwet's AC1, whose chance agreement a common "
            f"expression does not raise, is {row['ac1']:.2f}.")  # fmt: skip


def expressions_sentence(table: pd.DataFrame) -> str:
    """Return on which expressions the labellers agree most and least, in words. table: of `agreement.per_expression`."""
    known = table[table["alpha"].notna()].sort_values("alpha")
    if known.empty:
        return "Agreement on single expressions cannot be measured."
    best, worst = known.iloc[-1], known.iloc[0]
    text = f"They agree most on {best['expression']} (alpha {with_interval(best['alpha'], best['low'], best['high'])}) and least on "
    text += f"{worst['expression']} ({with_interval(worst['alpha'], worst['low'], worst['high'])})."
    never = list(table.loc[table["share"] == 0, "expression"])
    return text + (f" Nobody ever says {_listed(never)}." if never else "")


def quality_sentence(quality: pd.DataFrame, measure: str = "macro F1") -> str:
    """Return how good each labeller is, in words, the best first. quality: of `truth.quality`."""
    table = quality[(quality["measure"] == measure) & quality["value"].notna()].sort_values("value", ascending=False)
    if table.empty:
        return "No labeller can be compared with planted truth."
    parts = [f"{title(row.labeller)} {with_interval(row.value, row.low, row.high)}" for row in table.itertuples()]
    return f"Against what was planted, {measure} is: {'; '.join(parts)}."


def units_sentence(units: pd.DataFrame, affect: pd.DataFrame) -> str:
    """Return how well Action Units, valence and arousal are read, in words. units, affect: of `truth.units` and `truth.affect`."""
    parts = []
    for name, mine in units[units["auc"].notna()].groupby("labeller", sort=False):
        worst = mine.loc[mine["auc"].idxmin()]
        parts.append(f"{title(name)} ranks {len(mine)} Action Units with a mean AUC of {mine['auc'].mean():.2f} (least for "
                     f"AU{worst['unit']}, {worst['auc']:.2f}) and a mean F1 of {mine['f1'].mean():.2f}")  # fmt: skip
    for name, mine in affect[affect["ccc"].notna()].groupby("labeller", sort=False):
        said = " and ".join(f"{row.dimension} {with_interval(row.ccc, row.low, row.high)}" for row in mine.itertuples())
        parts.append(f"{title(name)} follows the planted circumplex with a concordance of {said}")
    return f"{'; '.join(parts)}." if parts else "No Action Unit, valence or arousal was planted and read."


def bias_sentence(bias: pd.DataFrame, least: float = 0.05, times: float = 1.25) -> str:
    """Return which expression each labeller says too often, in words. bias: of `truth.bias`.

    Named are expressions with at least `least` of a labeller's answers, said at least `times` as often as the reference.
    """
    parts = []
    for name, mine in bias.groupby("labeller", sort=False):
        mine = mine[(mine["share"] >= least) & (mine["share"] > times * mine["reference"])]
        if len(mine):
            row = mine.loc[(mine["share"] - mine["reference"]).idxmax()]
            often = f", {row['ratio']:.1f} times as often" if np.isfinite(row["ratio"]) else ""
            instead = f"{row['share']:.0%} of the faces instead of {row['reference']:.0%}"
            parts.append(f"{title(name)} says {row['expression']} of {instead}{often}")
    reference = "what was planted" if len(bias) and (bias["against"] == PLANTED).all() else "the mean of the other labellers"
    if not parts:
        return f"No labeller says an expression much more often than {reference}." if len(bias) else "There are no votes."
    return f"Measured against {reference}: {'; '.join(parts)}."


def called_sentence(called: pd.DataFrame, expression: str = "neutral", people: pd.DataFrame | None = None) -> str:
    """Return what the labellers call faces planted as one expression, in words. called: of `truth.called`.

    people: the same of the examination's living people; how many of them a labeller calls by that expression stands in brackets.
    """
    parts, living = [], {} if people is None else people[people["called"] == expression].set_index("labeller")["share"].to_dict()
    for name, mine in called.groupby("labeller", sort=False):
        shares = mine.set_index("called")["share"]
        wrong = shares.drop(expression, errors="ignore")
        mistake = f", {wrong.idxmax()} {wrong.max():.0%}" if len(wrong) else ""
        of_people = f" (of living people {living.get(name, 0.0):.0%})" if living else ""
        parts.append(f"{title(name)} calls {shares.get(expression, 0.0):.0%} of them {expression}{of_people}{mistake}")
    return f"Faces planted as {expression}: {'; '.join(parts)}." if parts else f"No face was planted as {expression}."


def verdict(table: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Return in words whether uniting the labellers helps or hurts, by the overlap of sets and with every expression counted alike.

    table, differences: of `truth.compare`. A difference counts where its interval does not hold 0.
    """
    rows = differences[differences["measure"] == "Jaccard"].set_index("way")
    if rows.empty or not rows["faces"].max() or rows["difference"].isna().all():
        return "Nothing was planted here, so whether uniting helps or hurts cannot be said."
    value = table.set_index(["way", "measure"])["value"]
    best, union = rows["best"].iloc[0], rows.loc["union"]
    text = f"On {int(union['faces']):,} faces with planted truth, the union of all votes **{_effect(union)}**: it finds "
    fewer = value["union", "precision"] < value[best, "precision"]
    text += f"{value['union', 'recall']:.0%} of what was planted ({title(best)} alone {value[best, 'recall']:.0%}), "
    text += f"{'but only' if fewer else 'and'} {value['union', 'precision']:.0%} of its labels are right "
    text += f"({title(best)} {value[best, 'precision']:.0%}), at {value['union', 'labels']:.2f} expressions a face; the overlap with the "
    text += f"planted set (Jaccard) changes by {_signed(union)} against {title(best)}, the best labeller alone. {_best_other(rows)}."
    alike = differences[differences["measure"] == "macro F1"].set_index("way")
    text += f" Counting every expression alike (macro F1), the union {_effect(alike.loc['union'])} ({_signed(alike.loc['union'])} against "
    text += f"{title(alike['best'].iloc[0])}); {_best_other(alike, 'the best other way')}."
    return text + _beaten_by_habit(table)


def _best_other(rows: pd.DataFrame, called: str = "The best other way of uniting") -> str:
    others = rows.loc[[way for way in WAYS if way != "union" and way in rows.index]]
    way = others["difference"].idxmax()
    return f"{called}, {_article(way)}, {_effect(others.loc[way])} ({_signed(others.loc[way])})"


def _beaten_by_habit(table: pd.DataFrame) -> str:
    """Return what saying the commonest expression of every face reaches, and who stays below it; "" without such a baseline."""
    overlap = table[table["measure"] == "Jaccard"]
    for row in overlap[overlap["kind"] == "baseline"].itertuples():
        below = [title(other.way) for other in overlap.itertuples() if other.kind != "baseline" and other.value < row.value]
        said = f" Whoever says {row.way.removeprefix('always ')} of every face overlaps by {row.value:.2f}"
        return said + (f", more than {_listed(below, 'and')}." if below else ".")
    return ""


def _effect(row: pd.Series) -> str:
    return "helps" if row["low"] > 0 else "hurts" if row["high"] < 0 else "makes no clear difference"


def _article(way: str) -> str:
    return {"majority": "the majority", "most votes": "most votes", "soft mean": "the mean of the scores",
            "agreement-weighted": "the mean weighted by agreement"}.get(way, way)  # fmt: skip


def _signed(row: pd.Series) -> str:
    between = f" [{row['low']:+.3f}, {row['high']:+.3f}]" if np.isfinite(row["low"]) else ""
    return f"{row['difference']:+.3f}{between}".replace("-", "−")


def _listed(names: list, word: str = "or") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def unheard_sentence(said: Votes, heard: Votes) -> str:
    """Return which labellers answered too few faces to be compared with the others on the same ones (`Votes.heard`), "" for none."""
    counts = dict(zip(said.labellers, said.answered.sum(axis=0), strict=True))
    parts = [f"{title(name)} answered {counts[name]:,}" for name in said.labellers if name not in heard.labellers]
    listed = _listed(parts, "and") if parts else ""
    return f"Left out here, since all are compared on the same faces: {listed} of {len(said.faces):,} faces." if parts else ""


def gender_sentence(gender: pd.DataFrame) -> str:
    """Return what the network of women and men says, in words; "" where it was not asked. gender: face_id, labeller, woman (0 to 1)."""
    if gender.empty:
        return ""
    likely = (gender["woman"] > 0.5).mean()
    return (f"The gender network finds {likely:.0%} of {len(gender):,} faces more like its photographs of actresses than of actors (table "
            "`gender`). Whom a piece shows it cannot know, and nothing here rests on it.")  # fmt: skip


def between_table(confusion: pd.DataFrame) -> pd.DataFrame:
    """Return what `confusions_figure` draws of two labellers' answers, one panel a pair. confusion: of `agreement.confusion`."""
    order = list(dict.fromkeys(confusion["first"]))
    pairs = [(one, two) for place, one in enumerate(order) for two in order[place + 1:]]
    parts = [confusion[(confusion["first"] == one) & (confusion["second"] == two)].assign(labeller=f"{title(one)} ↓, {title(two)} →")
             for one, two in pairs]  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else confusion.assign(labeller="")
