"""Explanations: figures and sentences of notebook 07, from pictures and tables to what they say."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.compendium.figures import INK, plain, with_interval
from lib.explain.terracotta_study import Data, Examined
from lib.expressions import EXPRESSIONS
from lib.training import warriors
from lib.training.animation import SHOWN, STILL
from lib.training.faces import TrainingFaces

OURS, OTHER, QUIET, LIGHT = "#2b6f8f", "#b5482a", "#b8c1c8", "#5b6770"
GUESSING = 1 / len(EXPRESSIONS)
COLOURS = {"angry": "#b5482a", "disgust": "#7a8b3c", "fear": "#6d4c8c", "happy": "#e0a82e", "neutral": "#b8c1c8", "sad": "#2b6f8f",
           "surprise": "#3aa6a0"}  # fmt: skip
SETS = {"tw58": "general (TW58)", "postures": "in five postures", "han": "of the Han dynasty"}
WAYS = {"none": "nothing", "changes": "small changes", "mixup": "MixUp", "cutmix": "CutMix", "gan": "GANimation",
        "rendered": "carved, the perfect generator"}  # fmt: skip
TRUE = 0.6  # correlation of requested and read units that is asked of a generator; ours
RATIO = 2.0  # of attention inside what moves to outside; ours
STEADY = 0.04  # of 0..255: largest mean change where nothing moves; ours


def _picture(axis: Axes, picture: np.ndarray, title: str = "", **others) -> None:
    axis.imshow(picture, **others)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    if title:
        axis.set_title(title, fontsize=8, color=INK)


def _grid(rows: int, columns: int, size: float = 1.0, extra: float = 0.4) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(size * columns + extra, size * rows + extra), dpi=110, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


# ---- the warriors


def counts_table(data: Data) -> pd.DataFrame:
    """Return the sets of warriors: set, pictures, published, and what they are."""
    rows = []
    for name, some in data.warriors.items():
        what = "your photographs" if name in data.real else "atelier (synthetic)"
        rows.append({"set": SETS[name], "pictures": len(some), "published": warriors.SETS[name], "what": what})
    return pd.DataFrame(rows)


def warriors_figure(data: Data, each: int = 12) -> tuple[Figure, pd.DataFrame]:
    """Return the first warriors of each set, and one of each posture among its own, with the table of those shown."""
    rows = {name: _spread(some.table, each) for name, some in data.warriors.items()}
    widest = max(map(len, rows.values()))
    figure, grid = _grid(len(rows), widest, 0.85, 0.6)
    shown = []
    for axes, (name, places) in zip(grid, rows.items(), strict=True):
        some = data.warriors[name]
        for axis in axes:
            axis.set_axis_off()
        for axis, place in zip(axes, places, strict=False):
            row = some.table.iloc[place]
            axis.set_axis_on()
            _picture(axis, some.crops[place], row["posture"] or row["expression"])
            axis.title.set_fontsize(6.5)
            shown.append({"set": name, **row[["face_id", "posture", "expression"]].to_dict()})
        axes[0].set_ylabel(SETS[name], fontsize=8, color=INK, rotation=0, ha="right", va="center")
    return figure, pd.DataFrame(shown)


def frontal(some: TrainingFaces, count: int) -> np.ndarray:
    """Return the row numbers of the faces that look most straight ahead, the straightest first: noses in the middle between the ears."""
    marks = np.nan_to_num(np.asarray(some.landmarks, float), nan=1e6)
    left, right, nose = (marks[:, place, 0] for place in (0, 16, 30))
    return np.argsort(np.abs((nose - left) / np.where(right == left, 1, right - left) - 0.5), kind="stable")[:count]


def _spread(table: pd.DataFrame, each: int) -> list[int]:
    """Return rows to show: the first of every posture in turn where there are postures, else the first ones."""
    turn = table.groupby("posture", sort=False).cumcount().to_numpy()
    return np.sort(np.lexsort((np.arange(len(table)), turn))[:each]).tolist()


def votes_figure(labels: pd.DataFrame, majority: pd.DataFrame) -> Figure:
    """Return how many annotators named each expression of each face (a column a face), faces in the order of their majority."""
    named = (labels["score"] > 0).groupby([labels["expression"], labels["face_id"]]).sum().unstack().loc[list(EXPRESSIONS)]
    order = majority.assign(place=majority["expression"].map(EXPRESSIONS.index)).sort_values(["place", "named"], ascending=[True, False])
    figure = Figure(figsize=(10, 2.5), dpi=110, layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(named[order["face_id"]].to_numpy(), cmap="Blues", vmin=0, vmax=labels["labeller"].nunique(), aspect="auto")
    axis.set_yticks(range(len(EXPRESSIONS)), EXPRESSIONS, color=INK)
    axis.set_xticks([])
    axis.set_xlabel("warriors, by the expression of the majority", color=INK)
    axis.spines[:].set_visible(False)
    figure.colorbar(shown, ax=axis, label="annotators", shrink=0.9)
    return figure


def votes_sentence(labels: pd.DataFrame, majority: pd.DataFrame, agreed: pd.DataFrame) -> str:
    """Say how far the annotators agree and how firm the majority is."""
    sizes = (labels["score"] > 0).groupby([labels["face_id"], labels["labeller"]]).sum()
    alpha = agreed.set_index("measure").loc["Krippendorff's alpha"]
    counts = majority["expression"].value_counts()
    return (f"**{labels['labeller'].nunique()} annotators** name {sizes.mean():.1f} expressions a face on average ({sizes.min()} to "
            f"{sizes.max()}). They agree by a Krippendorff's alpha of {with_interval(alpha['value'], alpha['low'], alpha['high'])} (1: "
            f"always, 0: by chance). {majority['more_than_half'].mean():.0%} of the faces have an expression that more than half of them "
            f"name; for {majority['tied'].mean():.0%} two are named as often. The majority calls most of them "
            + " and ".join(f"{name} ({count})" for name, count in counts.head(2).items()) + ".")  # fmt: skip


# ---- accuracies


def accuracies_shown(beside: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies beside the paper's for people: whole per cents, "–" where there is no such picture."""
    numbers = [*EXPRESSIONS, "average"]
    return beside.assign(**{name: beside[name].map(lambda value: "–" if pd.isna(value) else f"{value:.1%}") for name in numbers})


def accuracy_said(table: pd.DataFrame, row: str) -> str:
    """Return one row's share of all pictures with its interval, as text."""
    one = table.set_index("row").loc[row]
    return with_interval(one["of_pictures"], one["low"], one["high"])


def transfer_sentence(learned: pd.DataFrame, living: pd.DataFrame, stone: pd.DataFrame, planted: pd.DataFrame) -> str:
    """Say how far what was learned on living faces goes on warriors. Tables of `terracotta.accuracies`, a row ARM each."""
    falls = living.iloc[0]["of_pictures"] - stone.iloc[0]["of_pictures"]
    known = stone.iloc[0][list(EXPRESSIONS)].dropna().astype(float)
    says = f", of {', '.join(known[known == 0].index)} none" if (known == 0).any() else ""
    text = (f"ARM knows {accuracy_said(learned, 'ARM')} of the faces it learned from, {accuracy_said(living, 'ARM')} of people it never "
            f"saw, and **{accuracy_said(stone, 'ARM')} of the warriors** by the annotators' majority{says}")  # fmt: skip
    if len(planted):
        text += f" ({accuracy_said(planted, 'ARM')} by what was planted)"
    guess = " Guessing would give .14." if stone.iloc[0]["low"] < GUESSING else ""
    return text + (f". It loses {falls:.0%} of all faces on the way to stone.{guess}" if falls > 0 else ".")


def generated_sentence(table: pd.DataFrame) -> str:
    """Say whether a classifier takes generated faces as it takes real ones (Table 7)."""
    real, made = (table.set_index("row").loc[name] for name in ("RAFDB", "GANimation"))
    gaps = (made[list(EXPRESSIONS)] - real[list(EXPRESSIONS)]).astype(float).dropna()
    gap = made["of_classes"] - real["of_classes"]
    verdict = "as well as" if abs(gap) < 0.05 else "better than" if gap > 0 else "less often than"
    blind = "" if real["low"] > GUESSING else " Of real faces it knows no more than guessing would, so this compares nothing."
    return (f"The classifier recognises what GANimation was asked for **{verdict}** what people show: {made['of_classes']:.1%} against "
            f"{real['of_classes']:.1%}, means of the seven classes. It is furthest apart in {gaps.abs().idxmax()} "
            f"({gaps[gaps.abs().idxmax()]:+.0%}).{blind} The paper has 78.4 against 80.3 %.")  # fmt: skip


# ---- GANimation


def curves_figure(history: pd.DataFrame) -> Figure:
    """Return the learning curves of GANimation: errors of the units, and what the generator does to a few watched pictures."""
    figure = Figure(figsize=(10, 3.2), dpi=110, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for name, colour, label in (("critic_units", OURS, "of real faces, by the critic"), ("generator_units", OTHER, "of generated faces")):
        left.plot(history["epoch"], history[name], "o-", color=colour, markersize=3.5, label=label)
    left.set_title("error of the Action Units", fontsize=9, color=INK)
    for name, colour, label in (("cycle", OURS, "there and back"), ("penalty", QUIET, "gradient penalty")):
        middle.plot(history["epoch"], history[name], "o-", color=colour, markersize=3.5, label=label)
    middle.set_title("other losses", fontsize=9, color=INK)
    for name, colour, label in (("kept", OURS, "of the picture kept"), ("variety", LIGHT, "variety of the answers"),
                                ("moved", OTHER, "moved by the request")):  # fmt: skip
        right.plot(history["epoch"], history[name], "o-", color=colour, markersize=3.5, label=label)
    right.set_title("watched: shares", fontsize=9, color=INK)
    for axis in (left, middle, right):
        axis.set_ylim(bottom=0)
        axis.set_xlabel("epoch", color=INK)
        axis.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axis, "y")
    return figure


def collapse_sentence(history: pd.DataFrame, constant: float) -> str:
    """Say whether the generator paints one picture for all (mode collapse)."""
    least, last = history["variety"].min(), history["variety"].iloc[-1]
    return (f"Answers to different pictures differ {last:.2f} times as much as the pictures do at the end, never less than {least:.2f} "
            f"times: {'no sign of one picture for all' if least > 0.5 else 'less than the pictures do'} (training stops below {constant}). "
            f"It kept {history['kept'].iloc[-1]:.0%} of a watched picture, and what is asked moves its pixels by "
            f"{history['moved'].iloc[-1]:.1%} of their range on average.")  # fmt: skip


def sheet_figure(sheets: np.ndarray, names: list[str], originals: np.ndarray, dropped: int) -> Figure:
    """Return one face on its way to every expression, a row an expression; columns left out are behind a line. sheets: (e, c, S, S, 3)."""
    expressions, columns = sheets.shape[:2]
    figure, grid = _grid(expressions, columns + 1, 0.95, 0.7)
    for axes, name, way in zip(grid, names, sheets, strict=True):
        _picture(axes[0], originals)
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=INK)
        for place, (axis, one) in enumerate(zip(axes[1:], way, strict=True)):
            _picture(axis, one)
            if place >= columns - dropped:
                axis.spines[:].set(visible=True, color=OTHER, linewidth=2.2)
    for place, axis in enumerate(grid[0]):
        axis.set_title("picture" if not place else f"{place / columns:.0%}", fontsize=8, color=INK)
    return figure


def everybody_figure(originals: np.ndarray, made: np.ndarray, names: list[str]) -> Figure:
    """Return several faces with the seven expressions at one column: originals (n, S, S, 3), made (n, e, S, S, 3)."""
    figure, grid = _grid(len(originals), len(names) + 1, 0.95, 0.4)
    for axes, one, ways in zip(grid, originals, made, strict=True):
        for axis, picture in zip(axes, (one, *ways), strict=True):
            _picture(axis, picture)
    for axis, name in zip(grid[0], ("picture", *names), strict=True):
        axis.set_title(name, fontsize=8.5, color=INK)
    return figure


def attention_figure(seen: Examined, rows: int = 6) -> tuple[Figure, pd.DataFrame]:
    """Return heads, answers, the same carved, where pixels changed, where the generator painted, and what was to move; a head a row."""
    made, heads = seen.again.made, len(seen.heads.crops)
    each = len(seen.before) // heads
    chosen = [(row % heads) * each + row % each for row in range(min(rows, heads, each))]  # another head and another request a row
    figure, grid = _grid(len(chosen), 6, 1.15, 0.4)
    for axes, row in zip(grid, chosen, strict=True):
        change = np.abs(made.pictures[row].astype(int) - seen.before[row]).mean(axis=-1)
        moved = seen.carved.displacements[row]
        for axis, picture in zip(axes, (seen.before[row], made.pictures[row], seen.carved.pictures[row]), strict=False):
            _picture(axis, picture)
        for axis, shown, most in zip(axes[3:], (change, 1 - made.attention[row], moved), (80, 1, max(moved.max(), STILL)), strict=True):
            _picture(axis, shown, cmap="magma", vmin=0, vmax=most)
    for axis, name in zip(grid[0], ("at rest", "answer", "carved so", "change", "painted over", "was to move"), strict=True):
        axis.set_title(name, fontsize=8.5, color=INK)
    return figure, seen.places.iloc[chosen].reset_index(drop=True)


def fidelity_figure(fidelity: pd.DataFrame) -> Figure:
    """Return how the units read follow those asked for, unit by unit, beside what the judge reaches on carved faces."""
    figure = Figure(figsize=(9, 2.7), dpi=110, layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(fidelity))
    judged = fidelity["unit"].isin(SHOWN)
    axis.bar(places, fidelity["correlation"], color=np.where(judged, OURS, QUIET), width=0.62)
    axis.plot(places, fidelity["ceiling"], "_", color=OTHER, markersize=17, markeredgewidth=2, label="carved faces: the judge's ceiling")
    axis.axhline(TRUE, color=LIGHT, linestyle=":", linewidth=1.2)
    axis.set_xticks(places, [f"AU {unit}" for unit in fidelity["unit"]], fontsize=8, color=INK)
    axis.set_ylabel("correlation", color=INK)
    axis.set_ylim(min(-0.05, np.nanmin([*fidelity["correlation"], 0]) - 0.03), 1)
    axis.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.98))
    plain(axis, "y")
    return figure


def fidelity_sentence(fidelity: pd.DataFrame, places: pd.DataFrame) -> str:
    """Say how true the generator is, with what is asked of it: units, attention, background."""
    seven = fidelity[fidelity["unit"].isin(SHOWN)]
    mean, background = seven["correlation"].mean(), places["background"].mean()
    ratio = places["inside"].mean() / max(places["outside"].mean(), 1e-6)
    best, worst = (seven.loc[getattr(seven["correlation"], which)()] if seven["correlation"].notna().any() else None
                   for which in ("idxmax", "idxmin"))  # fmt: skip
    text = (f"Asked for and read again, the seven units correlate by **{mean:.2f}** on average ({_met(mean >= TRUE)} {TRUE} asked for; the "
            f"judge itself reaches {seven['ceiling'].mean():.2f} on carved faces of that size)")  # fmt: skip
    if best is not None:
        text += f", AU {best['unit']:.0f} best ({best['correlation']:.2f}), AU {worst['unit']:.0f} worst ({worst['correlation']:.2f})"
    return (text + f". It paints over **{ratio:.1f}** times as much of what is to move as of the rest ({_met(ratio >= RATIO)} {RATIO:g}), "
            f"and changes pixels where nothing is to move by **{background:.1%}** ({'below' if background < STEADY else 'above'} the "
            f"{STEADY:.0%} allowed).")  # fmt: skip


def _met(held: bool) -> str:
    return "at least the" if held else "below the"


def distances_sentence(table: pd.DataFrame, identity: Mapping[str, float], variety: Mapping[str, float]) -> str:
    """Say how far the answers are from carved ones, whether people stay who they are, and whether answers differ."""
    far = table["Fréchet distance"].tolist()
    nearer = "nearer to them than the unchanged heads" if far[0] < far[1] else "**further from them than heads left unchanged**"
    return (f"By a Fréchet distance of {far[0]:.3g} the answers are {nearer} ({far[1]:.3g}); two halves of the carved ones differ by "
            f"{far[2]:.3g}, which so few pictures alone make. An answer lies {identity['own'] / identity['between']:.2f} times as far from "
            f"its own head as heads lie from one another, and {identity['share']:.0%} are nearest to their own. Answers vary over people "
            f"{variety['people']:.2f} times as much as the heads do, and over requests by {variety['wishes']:.1%} of the pixels' range: "
            f"{'no collapse' if variety['people'] > 0.5 and variety['wishes'] > 0.001 else 'a collapse'}.")  # fmt: skip


# ---- splits and their leak


def split_sentence(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say how much the classifiers lose from training to test, by split. tables: parts of `terracotta.PARTS`."""
    train, test = tables["train"].set_index("row")["of_pictures"], tables["test"].set_index("row")["of_pictures"]
    said = [f"{name} {train[name]:.0%} and {test[name]:.0%}" for name in test.index]
    return "On the pictures learned from, and on those held out: " + "; ".join(said) + "."


def leak_figure(quick: pd.DataFrame, trained: pd.DataFrame, published: tuple[float, float]) -> Figure:
    """Return the leak, lenient minus strict accuracy, with intervals: quick classifiers by columns shown, ARM's, and the paper's."""
    rows = [(f"{row['classifier']}, {row['columns']} picture{'s' * (row['columns'] > 1)} each", row["accuracy"], row["low"], row["high"],
             OURS) for row in quick[quick["row"] == "lenient minus strict"].to_dict("records")]  # fmt: skip
    one = trained.set_index("row").loc["lenient minus strict"]
    rows.append(("ARM-2 minus ARM-1, this run", one["accuracy"], one["low"], one["high"], OTHER))
    rows.append(("ARM-2 minus ARM-1, the paper", published[1] - published[0], np.nan, np.nan, LIGHT))
    figure = Figure(figsize=(8, 0.38 * len(rows) + 0.9), dpi=110, layout="constrained")
    axis = figure.subplots()
    for place, (_, value, low, high, colour) in enumerate(rows):
        if np.isfinite(low):
            axis.plot([low, high], [place] * 2, color=colour, linewidth=2)
        axis.plot(value, place, "o", color=colour, markersize=7)
    axis.axvline(0, color=LIGHT, linestyle=":", linewidth=1.2)
    axis.set_yticks(range(len(rows)), [row[0] for row in rows], color=INK, fontsize=8.5)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel("lenient minus strict accuracy (95 % interval over sources)", color=INK)
    plain(axis, "x")
    return figure


def leak_sentence(quick: pd.DataFrame, trained: pd.DataFrame) -> str:
    """Say how much of the lenient accuracy is memory of faces."""
    differences = quick[quick["row"] == "lenient minus strict"]
    most = differences[differences["columns"] == differences["columns"].max()]
    text = "; ".join(f"{with_interval(row['accuracy'], row['low'], row['high'], '+.2f')} for {_article(row['classifier'])}"
                     for row in most.to_dict("records"))  # fmt: skip
    arm = trained.set_index("row").loc["lenient minus strict"]
    above = [row for row in (*most.to_dict("records"), arm.to_dict()) if row["low"] > 0]
    told = "All" if len(above) == len(most) + 1 else f"{len(above)} of {len(most) + 1}" if above else "None"
    return (f"With {differences['columns'].max()} pictures of each source and expression the lenient split adds {text}, and "
            f"{with_interval(arm['accuracy'], arm['low'], arm['high'], '+.2f')} for ARM. {told} of these intervals "
            f"{'lies' if len(above) == 1 else 'lie'} above 0: there, accuracy is partly memory of faces.")  # fmt: skip


def _article(name: str) -> str:
    return f"the {name}" if "nearest" in name else f"a {name} classifier"


def batch_sentence(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say whether ARM's answers hang on the other pictures of their batch. tables: {mode: `terracotta.batch_effect`}."""
    coded, free = tables["as_coded"], tables["batch_independent"]
    return (f"As coded, {coded['changed'].max():.0%} of the warriors get another expression when they are shown in other company, and a "
            f"probability moves by up to {coded['moved'].max():.2f}; with the mean of training in its place, {free['changed'].max():.0%} "
            f"and {free['moved'].max():.4f}.")  # fmt: skip


# ---- postures, similarity, comparison


def posture_figure(table: pd.DataFrame) -> Figure:
    """Return the share of each expression within each posture, a panel a source of the expressions."""
    sources = list(dict.fromkeys(table["source"]))
    postures = list(dict.fromkeys(table["posture"]))
    figure = Figure(figsize=(10, 0.4 * len(postures) + 1.3), dpi=110, layout="constrained")
    for axis, source in zip(figure.subplots(1, len(sources), sharey=True, squeeze=False)[0], sources, strict=True):
        left = np.zeros(len(postures))
        mine = table[table["source"] == source].pivot(index="posture", columns="expression", values="share")
        for name in EXPRESSIONS:
            width = mine[name].reindex(postures).fillna(0).to_numpy()
            axis.barh(range(len(postures)), width, left=left, color=COLOURS[name], label=name, height=0.68)
            left += width
        sizes = table.drop_duplicates("posture").set_index("posture")["pictures"]
        axis.set_yticks(range(len(postures)), [f"{name} ({sizes[name]})" for name in postures], color=INK, fontsize=8.5)
        axis.set_title("as planted or labelled" if source == "shown" else f"as {source} says", fontsize=9, color=INK)
        axis.set_xlim(0, 1)
        axis.invert_yaxis() if axis.get_ylim()[0] < axis.get_ylim()[1] else None
        plain(axis)
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(EXPRESSIONS), frameon=False, fontsize=8)
    return figure


def posture_sentence(table: pd.DataFrame) -> str:
    """Say which expression a posture shows most by the classifier, and how wide six pictures leave that open."""
    said = table[table["source"] == table["source"].iloc[-1]]
    first = said.groupby("posture", sort=False).head(1)
    listed = "; ".join(f"{row['posture']}: {row['expression']} {with_interval(row['share'], row['low'], row['high'])}"
                       for row in first.to_dict("records"))  # fmt: skip
    sizes = first["pictures"]
    return (f"Most often seen, with Wilson's interval: {listed}. Groups of {sizes.min()} to {sizes.max()} pictures cannot be told apart "
            "by less than that.")  # fmt: skip


def similarity_figure(table: pd.DataFrame) -> Figure:
    """Return the mean similarity of two faces among warriors and among living faces, by measure, and the paper's."""
    measures = list(dict.fromkeys(table["measure"]))
    figure = Figure(figsize=(8, 0.5 * (len(measures) + 1) + 0.9), dpi=110, layout="constrained")
    axis = figure.subplots()
    for place, measure in enumerate(measures):
        mine = table[table["measure"] == measure].set_index("set")
        for name, colour in (("warriors", OTHER), ("living", OURS)):
            axis.plot([mine.loc[name, "low"], mine.loc[name, "high"]], [place] * 2, color=colour, linewidth=2.5, alpha=0.5)
            axis.plot(mine.loc[name, "similarity"], place, "o", color=colour, label=name if not place else None)
    for value, colour in ((0.54, OTHER), (0.28, OURS)):
        axis.plot(value, len(measures), "D", color="white", markeredgecolor=colour, markeredgewidth=1.8)
    axis.set_yticks(range(len(measures) + 1), [*measures, "the paper (measure not named)"], color=INK)
    axis.set_ylim(len(measures) + 0.6, -0.6)
    axis.set_xlabel("mean similarity of two faces", color=INK)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    plain(axis, "x")
    return figure


def similarity_sentence(table: pd.DataFrame) -> str:
    """Say by which measures warriors are more alike than living faces."""
    gaps = table[table["set"] == "warriors minus living"]
    more = gaps[gaps["low"] > 0]["measure"].tolist()
    less = gaps[gaps["high"] < 0]["measure"].tolist()
    listed = "; ".join(f"{row['measure']} {with_interval(row['similarity'], row['low'], row['high'], '+.2f')}"
                       for row in gaps.to_dict("records"))  # fmt: skip
    verdict = f"by {', '.join(more)} they are more alike" if more else "by none of the measures are they surely more alike"
    return (f"Warriors minus living faces: {listed}; {verdict}" + (f", by {', '.join(less)} less" if less else "")
            + ". The paper's .54 and .28 name no measure, and the answer hangs on it.")  # fmt: skip


def compared_figure(table: pd.DataFrame) -> Figure:
    """Return the accuracy on other warriors by the way in which pictures were made more: mean of the classes, and (ring) of pictures."""
    figure = Figure(figsize=(8, 0.4 * len(table) + 1), dpi=110, layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(table.to_dict("records")):
        colour = OTHER if row["way"] == "gan" else OURS
        axis.plot([row["classes_low"], row["classes_high"]], [place] * 2, color=colour, linewidth=2)
        axis.plot(row["of_classes"], place, "o", color=colour, markersize=8)
        axis.plot(row["of_pictures"], place, "o", color="white", markeredgecolor=QUIET, markersize=7)
    axis.axvline(GUESSING, color=LIGHT, linestyle=":", linewidth=1.2)
    axis.set_yticks(range(len(table)), [WAYS[way] for way in table["way"]], color=INK)
    furthest = table[["classes_high", "of_pictures"]].max().max()
    axis.set(xlim=(0, max(0.6, furthest + 0.03)), ylim=(len(table) - 0.4, -0.6))
    axis.set_xlabel("told rightly among other warriors: mean of the classes · ring: share of all · dotted: guessing", color=INK)
    plain(axis, "x")
    return figure


def compared_sentence(table: pd.DataFrame) -> str:
    """Say whether GANimation's pictures help more than others at the same number of steps."""
    if table.empty or "gan" not in set(table["way"]):
        return "GANimation was not among the ways compared."
    ordered = table.set_index("way")["of_classes"].sort_values(ascending=False)
    own, best = table.set_index("way").loc["gan"], ordered.index[0]
    share = with_interval(own["of_classes"], own["classes_low"], own["classes_high"])
    text = (f"With GANimation's pictures the classifier is right on {share} of {int(own['pictures'])} other warriors, mean of the "
            "classes")  # fmt: skip
    if "none" in ordered:
        gain = own["of_classes"] - ordered["none"]
        chance = abs(gain) < (own["classes_high"] - own["classes_low"]) / 2
        apart = "which may be chance" if chance else "which is more than chance would make"
        text += f", {abs(gain):.0%} {'more' if gain >= 0 else 'less'} than with the few alone, {apart}"
    last = f", last {WAYS[ordered.index[-1]]} ({ordered.iloc[-1]:.0%})" if len(ordered) > 1 else ""
    return text + f". Best is {WAYS[best]} ({ordered.iloc[0]:.0%}){last}."
