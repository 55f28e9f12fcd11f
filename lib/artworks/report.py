"""Artworks: figures and sentences of notebook 09, from pictures and tables to what they say."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from lib.artworks import gan_report, palettes, tags, texture
from lib.artworks.classifiers import TITLES
from lib.collections.atelier.paintings import SUBJECTS, plan
from lib.compendium.figures import INK, plain, sentence, with_interval

GROUPS = palettes.GROUPS
GROUP_NAMES = tuple(", ".join(names).lower().replace(", na", ", NA") for names in plan.EMOTIONS_OF)  # as Figure 1 of the paper lists them
SHORT = ("0 sad, afraid, angry", "1 neutral", "2 surprise, lust, envy", "3 joy, love, optimism")
COLOURS = ("#3b5b92", "#8a7f6a", "#b0418e", "#e07b39")  # of the four groups
TRAINED, QUIET, LIGHT, WARM = "#2b6f8f", "#b8c1c8", "#5b6770", "#b5482a"
CUE = "#35e0ff"
REGIME_TITLES = {"global": "only the whole painting tells", "local": "only the face tells", "both": "both tell something"}
CHANCE = 1 / len(GROUPS)
PUBLISHED = ("shallnet", "vgg16_tlv1", "vgg16_tlv2", "cv_fc")
JOINED, BASELINES = ("ensemble", "concatenated"), ("chance", "majority", "colour_histogram")


def _picture(axis: Axes, picture: np.ndarray, colour: str = "") -> None:
    """Show a picture without axes; colour: of a frame around it."""
    axis.imshow(picture)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(bool(colour))
    if colour:
        axis.spines[:].set(color=colour, linewidth=2.5)


# ---- the artworks


def sheet_figure(pictures: np.ndarray, table: pd.DataFrame, per_group: int = 7, seed: int = 0) -> Figure:
    """Return a sheet of artworks: a row a group, portraits first, drawn by lot.

    pictures: uint8 (n, side, side, 3) or a sequence of pictures; table: subject, group.
    """
    figure = Figure(figsize=(1.16 * per_group + 1.7, 4.9), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02, wspace=0.01, hspace=0.01)
    grid = figure.subplots(len(GROUPS), per_group, squeeze=False)
    lots = np.random.default_rng(seed).permutation(len(table))
    for group, axes in zip(GROUPS, grid, strict=True):
        mine = [row for row in lots if table["group"].iat[row] == group]
        faces = [row for row in mine if table["subject"].iat[row] == SUBJECTS[0]]
        others = [row for row in mine if table["subject"].iat[row] != SUBJECTS[0]]
        most = min(len(others), max(per_group // 3, per_group - len(faces)))
        for axis, row in zip(axes, faces[:per_group - most] + others[:most], strict=False):
            axis.imshow(pictures[row])
        for axis in axes:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        axes[0].set_ylabel(GROUP_NAMES[group].replace(", ", ",\n"), color=INK, fontsize=9.5, rotation=0, ha="right", va="center")
    return figure


def counts_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return how many artworks each group has, by subject: group, emotions, one column a subject, artworks, share."""
    subjects = list(dict.fromkeys(table["subject"]))
    counts = pd.crosstab(table["group"], table["subject"]).reindex(index=GROUPS, columns=subjects, fill_value=0)
    named = counts.rename(columns={name: name.replace("_", " ") + "s" for name in subjects})
    return pd.DataFrame({"group": GROUPS, "emotions": GROUP_NAMES}).join(named.reset_index(drop=True)).assign(
        artworks=counts.sum(axis=1).to_numpy(), share=(counts.sum(axis=1) / max(len(table), 1)).to_numpy())


def cues_table(tables: Mapping[str, pd.DataFrame], reliability: float, misled: str) -> pd.DataFrame:
    """Return how often each planted cue of the portraits agrees with the label, and what a perfect reader of it would reach, by regime.

    tables: of `Artworks`, by regime. Columns: regime, portraits, local_agrees, global_agrees, best_local, best_global, best_both.
    """
    rows = []
    for regime, table in tables.items():
        faces = table[table["subject"] == SUBJECTS[0]]
        best = plan.best_accuracy(reliability, misled) if regime == "both" else {
            "global": 1.0 if regime == "global" else CHANCE, "local": 1.0 if regime == "local" else CHANCE, "both": 1.0}  # fmt: skip
        rows.append({"regime": regime, "portraits": len(faces), "local_agrees": float((faces["local_group"] == faces["group"]).mean()),
                     "global_agrees": float((faces["global_group"] == faces["group"]).mean()), "best_local": best["local"],
                     "best_global": best["global"], "best_both": best["both"]})  # fmt: skip
    return pd.DataFrame(rows)


def cues_sentence(cues: pd.DataFrame) -> str:
    """Say in what proportion the cues are planted."""
    rows = cues.set_index("regime")
    text = []
    if "global" in rows.index:
        one = rows.loc["global"]
        text.append("In *global*, palette, brightness and canvas always agree with the label and faces agree in "
                    f"{one['local_agrees']:.0%}, which is chance")  # fmt: skip
    if "local" in rows.index:
        one = rows.loc["local"]
        text.append(f"in *local* it is the other way round ({one['global_agrees']:.0%} of the palettes agree)")
    if "both" in rows.index:
        one = rows.loc["both"]
        text.append(f"in *both*, faces agree in {one['local_agrees']:.0%} and palettes in {one['global_agrees']:.0%}: a perfect reader of "
                    f"the face alone would be right in {one['best_local']:.0%}, of the palette alone in {one['best_global']:.0%}, of "
                    f"both in **{one['best_both']:.0%}**")  # fmt: skip
    return "; ".join(text) + "."


def tags_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the printed emotions with their group and how many artworks carry each: group, emotion, other_words, artworks. table: tag."""
    counts = table["tag"].str.split(";").explode().str.casefold().value_counts()
    known = tags.emotions_table()
    words = known["emotion"] + ", " + known["other_words"]
    return known.assign(artworks=[sum(int(counts.get(word.casefold(), 0)) for word in text.split(", ") if word) for text in words])


# ---- the person filter


def filter_figure(pictures, table: pd.DataFrame, faces: pd.DataFrame, each: int = 6, seed: int = 0) -> Figure:
    """Return works that pass the person filter, with the box of the face, and works that do not: rows by what they truly are, if known.

    pictures: (n, …); table: artwork_id, subject; faces: artwork_id, x, y, width, height, a row an artwork that passes.
    """
    passed, boxes = table["artwork_id"].isin(faces["artwork_id"]).to_numpy(), faces.set_index("artwork_id")
    portrait = (table["subject"] == SUBJECTS[0]).to_numpy()
    known = (table["subject"].fillna("") != "").to_numpy()
    kinds = {"portraits that pass": passed & portrait, "portraits left out": ~passed & portrait & known,
             "no portrait, but pass": passed & ~portrait & known, "left out": ~passed & ~portrait & known} if known.any() else {
             "pass": passed, "left out": ~passed}  # fmt: skip
    kinds = {name: np.flatnonzero(rows) for name, rows in kinds.items() if rows.any()}
    figure = Figure(figsize=(1.18 * each + 1.6, 1.22 * len(kinds) + 0.1), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02, wspace=0.01, hspace=0.01)
    generator = np.random.default_rng(seed)
    for axes, (name, rows) in zip(figure.subplots(len(kinds), each, squeeze=False), kinds.items(), strict=True):
        chosen = generator.permutation(rows)[:each]
        for axis, row in zip(axes, chosen, strict=False):
            _picture(axis, pictures[row])
            if passed[row]:
                box = boxes.loc[table["artwork_id"].iat[row]]
                axis.add_patch(Rectangle((box["x"], box["y"]), box["width"], box["height"], fill=False, edgecolor=CUE, linewidth=1.4))
        for axis in axes[len(chosen):]:
            axis.set_axis_off()
        axes[0].set_ylabel(f"{name}\n({len(rows)})", color=INK, fontsize=9, rotation=0, ha="right", va="center")
    return figure


def filter_sentence(table: pd.DataFrame, passed: np.ndarray) -> str:
    """Say how many artworks pass the person filter and how far it agrees with what is known of them."""
    text = f"**{int(passed.sum())} of {len(table)}** artworks pass the filter ({passed.mean():.0%})"
    known = (table["subject"].fillna("") != "").to_numpy()
    portrait = (table["subject"] == SUBJECTS[0]).to_numpy()
    if (known & portrait).any():
        text += f"; of the {int((known & portrait).sum())} portraits {passed[known & portrait].mean():.0%}"
        if (known & ~portrait).any():
            text += f", of the {int((known & ~portrait).sum())} other works {passed[known & ~portrait].mean():.1%}"
    return text + "."


# ---- hand-made features


def examples(table: pd.DataFrame, each: int = 5, seed: int = 0) -> np.ndarray:
    """Return the rows of at most `each` artworks of each group, drawn by lot, int (m,). table: group."""
    lots = np.random.default_rng(seed).permutation(len(table))
    groups = table["group"].to_numpy(int)[lots]
    return np.concatenate([lots[groups == group][:each] for group in GROUPS])


def palettes_figure(learned: np.ndarray, colours: np.ndarray, shares: np.ndarray, pictures, groups: np.ndarray,
                    each: int = 5) -> Figure:  # fmt: skip
    """Return the palette of each group beside works of the group, each with its own five colours in their shares below.

    learned: (4, palettes, colours, 3) L*a*b*; colours, shares: (n, colours, 3), (n, colours), of the pictures (n, …); groups (n,).
    """
    figure = Figure(figsize=(2.6 + 1.3 * each, 6.6), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03, wspace=0.02, hspace=0.02)
    grid = figure.subplots(2 * len(GROUPS), 1 + each, squeeze=False, height_ratios=[5, 1] * len(GROUPS),
                           width_ratios=[1.6] + [1] * each)  # fmt: skip
    for axis in grid.ravel():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for group in GROUPS:
        above, below = grid[2 * group], grid[2 * group + 1]
        below[0].set_axis_off()
        if np.isfinite(learned[group]).all():
            above[0].imshow(palettes.rgb(learned[group]), aspect="auto", interpolation="nearest")
        above[0].set_ylabel(SHORT[group].replace(" ", "\n", 1), color=INK, fontsize=9, rotation=0, ha="right", va="center")
        for place, row in enumerate(np.flatnonzero(np.asarray(groups) == group)[:each]):
            above[1 + place].imshow(pictures[row])
            widths = np.maximum(np.round(100 * shares[row]), 0).astype(int)
            band = np.repeat(palettes.rgb(colours[row]), widths, axis=0)
            if len(band):
                below[1 + place].imshow(band[None], aspect="auto", interpolation="nearest")
        for axis in (*above[1:], *below[1:]):
            if not axis.images:
                axis.set_axis_off()
    grid[0, 0].set_title("the group's palette", color=INK, fontsize=9.5)
    # Left out of the layout: it is wider than its column, which would make room for it.
    grid[0, 1].set_title("works of the group and their main colours →", color=INK, fontsize=9.5, loc="left").set_in_layout(False)
    return figure


def texture_figure(values: pd.DataFrame, pictures: np.ndarray, groups: np.ndarray, maps: int, seed: int = 0) -> Figure:
    """Return the scale of textures from soft to hard, works along it, and how the groups lie on it.

    values: features with a column hard_soft (0 soft to 1 hard); pictures (n, …); groups (n,).
    """
    hard, groups = values["hard_soft"].to_numpy(float), np.asarray(groups)
    figure = Figure(figsize=(1.35 * maps + 0.6, 6.2), dpi=110, layout="constrained")
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=[1.15, 1.15, 1.5])
    for axis, made, place in zip(top.subplots(1, maps, squeeze=False)[0], texture.scale(maps, seed), texture.hardness(maps), strict=True):
        axis.imshow(made, cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{place:.1f}", color=INK, fontsize=9)
        axis.set(xticks=[], yticks=[])
    marks = np.quantile(hard, np.linspace(0.02, 0.98, maps))
    for axis, mark in zip(middle.subplots(1, maps, squeeze=False)[0], marks, strict=True):
        row = int(np.abs(hard - mark).argmin())
        _picture(axis, pictures[row], COLOURS[groups[row]])
        axis.set_title(f"{hard[row]:.2f}", color=INK, fontsize=9)
    axis = bottom.subplots()
    jitter = np.random.default_rng(0).uniform(-0.22, 0.22, len(hard))
    for group in GROUPS:
        mine = groups == group
        axis.plot(hard[mine], group + jitter[mine], "o", color=COLOURS[group], alpha=0.35, markersize=3.5, markeredgewidth=0)
        if mine.any():
            axis.plot([np.median(hard[mine])] * 2, [group - 0.32, group + 0.32], color=INK, linewidth=2)
    axis.set_yticks(GROUPS, SHORT, color=INK, fontsize=9)
    axis.set(ylim=(3.5, -0.5), xlim=(-0.02, min(1.02, 1.1 * hard.max() + 0.02)))
    axis.set_xlabel("hard-soft value: 0 soft, 1 hard · line: median", color=INK, fontsize=9.5)
    plain(axis, "x")
    return figure


def features_figure(values: pd.DataFrame, groups: np.ndarray) -> Figure:
    """Return the distribution of each feature by group: bars from the lower to the upper quartile with the median; a panel a feature."""
    names, groups = list(values.columns), np.asarray(groups)
    columns = 5
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(12, 1.55 * rows + 0.5), dpi=110, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axis in grid.ravel()[len(names):]:
        axis.set_axis_off()
    for axis, name in zip(grid.ravel(), names, strict=False):
        for group in GROUPS:
            mine = values.loc[groups == group, name]
            if len(mine):
                low, middle, high = np.quantile(mine, [0.25, 0.5, 0.75])
                axis.plot([low, high], [group, group], color=COLOURS[group], linewidth=5, alpha=0.6, solid_capstyle="butt")
                axis.plot(middle, group, "|", color=INK, markersize=12, markeredgewidth=2)
        axis.set_title(name, color=INK, fontsize=9)
        axis.set(yticks=[], ylim=(3.6, -0.6))
        axis.tick_params(labelsize=8)
        plain(axis, "x")
        axis.spines["left"].set_visible(False)
    marks = [Line2D([], [], color=colour, linewidth=5, alpha=0.6, label=label) for colour, label in zip(COLOURS, SHORT, strict=True)]
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    return figure


def separation(values: pd.DataFrame, groups: np.ndarray) -> pd.DataFrame:
    """Return how much of each feature's variance the groups explain: feature, explained (eta squared, 0 to 1), the highest first."""
    groups, rows = np.asarray(groups), []
    for name in values.columns:
        column = values[name].to_numpy(float)
        total = ((column - column.mean()) ** 2).sum()
        between = sum((groups == group).sum() * (column[groups == group].mean() - column.mean()) ** 2 for group in np.unique(groups))
        rows.append((name, float(between / total) if total > 0 else 0.0))
    return pd.DataFrame(rows, columns=["feature", "explained"]).sort_values("explained", ascending=False, kind="stable", ignore_index=True)


def separation_sentence(found: pd.DataFrame, regime: str) -> str:
    """Say which features tell the groups apart."""
    best, last = found.iloc[0], found.iloc[-1]
    many = int((found["explained"] > 0.1).sum())
    return (f"Where {REGIME_TITLES.get(regime, regime)}, the groups explain {best['explained']:.0%} of the variance of *{best['feature']}* "
            f"and {last['explained']:.0%} of that of *{last['feature']}*; {many} of {len(found)} features have more than a tenth "
            "explained.")  # fmt: skip


# ---- classifiers


def regimes_figure(accuracy: pd.DataFrame, best: Mapping[str, Mapping[str, float]]) -> Figure:
    """Return accuracy on test works by classifier, a panel a regime, with intervals, chance, and what perfect readers would reach.

    accuracy: regime, classifier, title, test, low, high (of `classifiers.meaning`); best: {regime: {"local", "global", "both": accuracy}}.
    """
    regimes = [*(name for name in REGIME_TITLES if name in set(accuracy["regime"])), *dict.fromkeys(
        name for name in accuracy["regime"] if name not in REGIME_TITLES)]  # fmt: skip
    shown = dict(zip(accuracy["classifier"], accuracy["title"], strict=True))
    figure = Figure(figsize=(3.7 * len(regimes) + 1.8, 0.38 * len(shown) + 1.9), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(regimes), sharey=True, squeeze=False)[0]
    for axis, regime in zip(panels, regimes, strict=True):
        mine = accuracy[accuracy["regime"] == regime].set_index("classifier")
        for place, name in enumerate(shown):
            if name in mine.index:
                colour = WARM if name in JOINED else QUIET if name in BASELINES else TRAINED
                axis.plot([mine.loc[name, "low"], mine.loc[name, "high"]], [place] * 2, color=colour, linewidth=2.2)
                axis.plot(mine.loc[name, "test"], place, "o", color=colour, markersize=8)
        axis.axvline(CHANCE, color=LIGHT, linestyle=":", linewidth=1.2)
        for value in sorted({round(value, 3) for value in best.get(regime, {}).values()}):
            axis.axvline(value, color=LIGHT, linestyle="--", linewidth=0.9)
        axis.set_title(REGIME_TITLES.get(regime, regime), color=INK, fontsize=10.5)
        axis.set(xlim=(0, 1.04), ylim=(len(shown) - 0.4, -0.6))
        plain(axis, "x")
    panels[0].set_yticks(range(len(shown)), list(shown.values()), color=INK)
    figure.supxlabel("share of test works told rightly · bars: 95 % intervals · dotted: chance", color=INK, fontsize=9.5)
    if best:
        figure.legend(handles=[Line2D([], [], color=LIGHT, linestyle="--", linewidth=0.9, label="perfect readers of one cue, and of both")],
                      loc="outside upper right", frameon=False, fontsize=8.5)  # fmt: skip
    return figure


def regimes_sentence(accuracy: pd.DataFrame) -> str:
    """Say which classifier tells what, by regime."""
    parts = []
    for regime, rows in accuracy.groupby("regime", sort=False):
        mine = rows.set_index("classifier")
        said = [f"{mine.loc[name, 'title']} {with_interval(*mine.loc[name, ['test', 'low', 'high']])}"
                for name in ("cv_fc", "vgg16_tlv2", "concatenated") if name in mine.index]  # fmt: skip
        parts.append(f"Where {REGIME_TITLES[regime]}: {', '.join(said)}" if regime in REGIME_TITLES else ", ".join(said))
    return ". ".join(parts) + f". Chance is {CHANCE:.2f}."


def joined_sentence(compared: pd.DataFrame) -> str:
    """Say whether the concatenated network is better than others on the same works. compared: of `classifiers.compared`."""
    said = []
    for row in compared.itertuples():
        verdict = "more" if row.low > 0 else "less" if row.high < 0 else "cannot be told apart"
        amount = with_interval(100 * row.difference, 100 * row.low, 100 * row.high, "+.1f")
        said.append(f"{TITLES[row.other]}: {amount} points ({verdict})")
    works = int(compared["artworks"].min())
    return f"On the same {works} works, the concatenated network is right more often than {'; '.join(said)}."


def table_one_sentence(accuracy: pd.DataFrame, compared: pd.DataFrame) -> str:
    """Say how this run's order compares with the paper's. accuracy: of `classifiers.accuracies`; compared: VGG16+TLv2 against others."""
    rows = accuracy.set_index("classifier")
    order = sorted((name for name in PUBLISHED if name in rows.index), key=lambda name: -rows.loc[name, "test"])
    named = [f"{TITLES[name]} ({rows.loc[name, 'test']:.2f})" for name in order]
    text = f"Here the order is {', '.join(named)}; the paper's is VGG16+TLv2, CV+FC, VGG16+TLv1, ShallNet"
    for row in compared.itertuples():
        amount = with_interval(100 * row.difference, 100 * row.low, 100 * row.high, "+.1f")
        text += f". Against {TITLES[row.other]} on the same works VGG16+TLv2 gains {amount} points"
    return text + "."


def table_one_figure(beside: pd.DataFrame) -> Figure:
    """Return Table 1 of the paper beside this run: model, train, test (published, %), our_train, our_test, low, high (%)."""
    figure = Figure(figsize=(8.2, 0.62 * len(beside) + 1.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    for place, row in enumerate(beside.itertuples()):
        for column, marker in (("train", "|"), ("test", "o")):
            axis.plot(getattr(row, column), place - 0.16, marker, color=LIGHT, markersize=9, markeredgewidth=2, markerfacecolor="white")
        axis.plot([row.low, row.high], [place + 0.16] * 2, color=TRAINED, linewidth=2)
        axis.plot(row.our_train, place + 0.16, "|", color=TRAINED, markersize=11, markeredgewidth=2)
        axis.plot(row.our_test, place + 0.16, "o", color=TRAINED, markersize=8)
    axis.axvline(100 * CHANCE, color=LIGHT, linestyle=":", linewidth=1.2)
    axis.set_yticks(range(len(beside)), list(beside["model"]), color=INK)
    axis.set(xlim=(0, 103), ylim=(len(beside) - 0.45, -0.55))
    axis.set_xlabel("accuracy in % · dotted: chance", color=INK)
    plain(axis, "x")
    marks = [Line2D([], [], marker="o", ls="", color=LIGHT, markerfacecolor="white", markeredgewidth=2, label="paper, test"),
             Line2D([], [], marker="|", ls="", color=LIGHT, markeredgewidth=2, label="paper, training"),
             Line2D([], [], marker="o", ls="", color=TRAINED, label="this run, test"),
             Line2D([], [], marker="|", ls="", color=TRAINED, markeredgewidth=2, label="this run, training")]  # fmt: skip
    figure.legend(handles=marks, loc="outside upper center", ncols=4, frameon=False, fontsize=8.5)
    return figure


def confusion_figure(counts: Mapping[str, np.ndarray]) -> Figure:
    """Return the confusion of each classifier: rows the label, columns what it says, in shares of the label. counts: {title: (4, 4)}."""
    figure = Figure(figsize=(2.7 * len(counts) + 0.8, 2.9), dpi=110, layout="constrained")
    for axis, (title, matrix) in zip(figure.subplots(1, len(counts), squeeze=False)[0], counts.items(), strict=True):
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (down, across), share in np.ndenumerate(shares):
            axis.text(across, down, f"{share:.2f}", ha="center", va="center", fontsize=9, color="white" if share > 0.55 else INK)
        axis.set_title(title, color=INK, fontsize=10)
        axis.set(xticks=GROUPS, yticks=GROUPS)
        axis.tick_params(length=0, colors=INK)
        axis.spines[:].set_visible(False)
        axis.set_xlabel("says", color=INK)
    figure.axes[0].set_ylabel("label", color=INK)
    return figure


# ---- where they look


def cam_figure(pictures: np.ndarray, maps: np.ndarray, cues: np.ndarray, shown: pd.DataFrame, title: str = "") -> Figure:
    """Return works with their class activation maps, and a line around what the expression moved: two rows, a column a work.

    pictures: uint8 (n, side, side, 3); maps: float (n, side, side) of the class each is called by; cues: bool (n, side, side); shown: a row
    a column: row (of the arrays), label, said.
    """
    if shown.empty:
        return sentence("No work to show.")
    figure = Figure(figsize=(1.32 * len(shown) + 0.4, 3.3), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    grid = figure.subplots(2, len(shown), squeeze=False)
    for (top, bottom), one in zip(grid.T, shown.itertuples(), strict=True):
        _picture(top, pictures[one.row])
        heat = maps[one.row] / maps[one.row].max() if maps[one.row].max() > 0 else maps[one.row]
        _picture(bottom, overlay(pictures[one.row], heat))
        if cues[one.row].any():
            for axis in (top, bottom):
                axis.contour(cues[one.row], [0.5], colors=CUE, linewidths=1.1)
        top.set_title(f"is {one.label}", color=INK, fontsize=9)
        bottom.set_xlabel(f"says {one.said}", color=INK if one.said == one.label else WARM, fontsize=9)
    if title:
        figure.suptitle(title, color=INK, fontsize=10.5)
    return figure


def overlay(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a picture with a map, 0 to 1, laid over it."""
    from lib.explain import cam

    return cam.overlay(np.asarray(picture), np.asarray(heat))


def places_figure(found: pd.DataFrame) -> Figure:
    """Return how much of each network's maps lies on what was planted, over its area, with intervals: network, place, ratio, low, high."""
    rows = found.dropna(subset=["ratio"]).reset_index(drop=True)
    if rows.empty:
        return sentence("Nothing is known of where the cue lies in these works.")
    figure = Figure(figsize=(8, 0.42 * len(rows) + 1.1), dpi=110, layout="constrained")
    axis = figure.subplots()
    for place, row in rows.iterrows():
        axis.plot([row["low"], row["high"]], [place] * 2, color=TRAINED, linewidth=2)
        axis.plot(row["ratio"], place, "o", color=TRAINED, markersize=8)
    axis.axvline(1, color=LIGHT, linestyle=":", linewidth=1.2)
    axis.set_yticks(range(len(rows)), [f"{row['network']}: {row['place']}" for _, row in rows.iterrows()], color=INK, fontsize=9)
    axis.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, max(2.0, 1.06 * rows["high"].max())))
    axis.set_xlabel("share of the map over share of the picture · dotted: chance", color=INK)
    plain(axis, "x")
    return figure


def places_sentence(found: pd.DataFrame) -> str:
    """Say whether the maps lie where the evidence was planted."""
    parts = []
    for row in found.dropna(subset=["ratio"]).itertuples():
        verdict = "more than chance" if row.low > 1 else "less than chance" if row.high < 1 else "what chance gives"
        parts.append(f"* {row.network}: {row.energy:.0%} of the maps lie on {row.place}, which is {row.area:.0%} of the picture: "
                     f"{with_interval(row.ratio, row.low, row.high)} times its area, {verdict}.")  # fmt: skip
    return "\n".join(parts) if parts else "Nothing is known of where the cue lies."


def hidden_sentence(found: pd.DataFrame) -> str:
    """Say whether the answers hang on what the expression moved. found: of `study.hidden`."""
    if found.empty:
        return "Nothing is known of where the cue lies."
    rows = found.set_index("hidden")["accuracy"]
    moved, elsewhere = rows["what the expression moved"], rows["as much elsewhere"]
    text = (f"Of {int(found['faces'].iloc[0])} faces that show an expression VGG16+TLv2 is right on {rows['nothing']:.2f}; with what the "
            f"expression moved blurred away on **{moved:.2f}**, with as much of the face blurred elsewhere on {elsewhere:.2f}")  # fmt: skip
    return text + (": the answer hangs on the cue, wherever the maps lie." if moved < elsewhere - 0.1 else
                   ": the answer does not hang on the cue more than on other parts.")  # fmt: skip


def network_title(title: str, regime: str) -> str:
    """Return the name of a network with the regime it learned, for readers."""
    return f"{title}, {REGIME_TITLES[regime]}" if regime in REGIME_TITLES else title


def subjects_sentence(found: pd.DataFrame) -> str:
    """Say how often VGG16+TLv1 is right where there is a face and where there is none. found: passed, artworks, accuracy."""
    rows = found.set_index("passed")
    said = [f"{rows.loc[value, 'accuracy']:.2f} of the {int(rows.loc[value, 'artworks'])} test works {what}"
            for value, what in ((True, "with a face"), (False, "without")) if value in rows.index]  # fmt: skip
    return f"VGG16+TLv1 is right on {' and '.join(said)}."


# ---- generated portraits


def pair_title(name: str) -> str:
    """Return the name of a GAN for readers."""
    return gan_report.NAMES.get(name, name)


def remedy_sentence(changes: Iterable[str], share: float = 1.0) -> str:
    """Say what makes DCGAN learn from few pictures. changes: of differentiable augmentation, none in the paper; share: of pictures."""
    words = {"colour": "coloured", "translation": "moved", "cutout": "holed"}
    done = [words[name] for name in changes]
    if not done:
        return "DCGAN learned without a remedy, as in the paper."
    listed = " and ".join(filter(None, [", ".join(done[:-1]), done[-1]]))
    many = "" if share == 1 else f"{share:.0%} of "
    return (f"DCGAN learned with a remedy that the paper did not have: {many}real and generated portraits alike are {listed} at random "
            "before the discriminator sees them (differentiable augmentation), so that it cannot learn a few hundred of them by heart.")


# ---- what generated faces are called


def called_table(answers: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return what pictures are called, by where they come from: source, pictures, one column a group (shares), certainty (mean maximum).

    answers: {source: probabilities (n, 4)}.
    """
    rows = []
    for source, given in answers.items():
        said = given.argmax(axis=1)
        shares = {SHORT[group]: float((said == group).mean()) for group in GROUPS}
        rows.append({"source": source, "pictures": len(given), **shares, "certainty": float(given.max(axis=1).mean())})
    return pd.DataFrame(rows)


def called_figure(pictures: Mapping[str, np.ndarray], answers: Mapping[str, np.ndarray], each: int = 12) -> Figure:
    """Return pictures by where they come from, in frames of the colour of the group they are called, with its probability."""
    figure = Figure(figsize=(0.98 * each + 1.3, 1.24 * len(pictures) + 0.5), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.01)
    for axes, (source, shown) in zip(figure.subplots(len(pictures), each, squeeze=False), pictures.items(), strict=True):
        for place, axis in enumerate(axes):
            if place >= len(shown):
                axis.set_axis_off()
                continue
            given = answers[source][place]
            _picture(axis, shown[place], COLOURS[int(given.argmax())])
            axis.set_xlabel(f"{given.max():.2f}", color=INK, fontsize=8, labelpad=2)
        axes[0].set_ylabel(source, color=INK, fontsize=9.5, rotation=0, ha="right", va="center")
    marks = [Line2D([], [], color=colour, linewidth=4, label=label) for colour, label in zip(COLOURS, SHORT, strict=True)]
    figure.legend(handles=marks, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    return figure


def called_sentence(called: pd.DataFrame) -> str:
    """Say what the classifier makes of generated portraits, beside real ones."""
    columns = list(SHORT)
    text = []
    for row in called.to_dict("records"):
        most = max(columns, key=row.get)
        text.append(f"{row['source']}: {row[most]:.0%} are called *{most[2:]}*, with a mean certainty of {row['certainty']:.2f}")
    return "; ".join(text) + ". A classifier always answers: that it names a group says nothing of whether there is a face."
