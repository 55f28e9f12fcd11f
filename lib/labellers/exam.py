"""Labellers: the examination: full-strength expressions of people nobody learned from, with known truth, labelled by everyone.

What is examined is each method, on the kind of face it was made for: living skin, seen nearly from the front. How it fares on sculpture
is another question, and the notebook's.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.compendium.figures import INK
from lib.expressions import EXPRESSIONS
from lib.faces.crops import CROPS, LANDMARKS
from lib.labellers import panel, truth
from lib.labellers.report import title
from lib.labellers.target import votes
from lib.training.faces import UNIT_COLUMNS, TrainingFaces, atelier_faces

SIDE = 224  # pixels of a crop, as the detection notebook cuts them
CHANCE = 1 / len(EXPRESSIONS)
COLUMNS = ["labeller", "measure", "faces", "value", "low", "high", "target", "met"]
# What each labeller is held to, by measure: macro F1 of its best expression over the seven; means over the units it has.
TARGETS = {
    ("action_units", "macro F1"): 0.75,
    ("action_units", "Action Units: mean AUC"): 0.90,
    ("multitask", "macro F1"): 0.80,
    ("multitask", "Action Units: mean F1"): 0.75,
    ("multitask", "valence: concordance"): 0.60,
    ("multitask", "arousal: concordance"): 0.60,
    ("realtime_sequential", "macro F1"): 0.80,
}


def examine(members: dict[str, Callable], count: int, seed: int, folder: Path, journal: Callable | None = None,
            resamples: int = 500) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return how every labeller does on `count` prototypes of the atelier.

    Three tables: measures (COLUMNS), Action Units (`truth.UNIT_COLUMNS`) and what the neutral ones are called (`truth.called`).

    `members`: as for `panel.ask`; `seed`: of people nobody learned from; `folder`: where the crops are written; `resamples`: draws of
    whole subjects behind the 95 % intervals. A labeller that cannot run has no row.
    """
    taken = atelier_faces(count, seed, SIDE, prototypes=True)
    faces, meant = sitters(taken, seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / CROPS, taken.crops)
    np.save(folder / LANDMARKS, taken.landmarks)
    answers = panel.ask(faces, folder, members, journal)
    units = truth.units(answers.action_units, meant, resamples=resamples, seed=seed)
    rows = _expressions(answers.labels, meant, resamples, seed) + _units(units) + _affect(answers.affect, meant, resamples, seed)
    table = pd.DataFrame(rows, columns=COLUMNS[:6])
    table["target"] = [TARGETS.get(key, np.nan) for key in zip(table["labeller"], table["measure"], strict=True)]
    table["met"] = [None if np.isnan(goal) else bool(value >= goal) for value, goal in zip(table["value"], table["target"], strict=True)]
    return table, units, truth.called(votes(answers.labels), meant)


def sitters(taken: TrainingFaces, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of faces (face_id, crop_index) and their truth as `truth.planted` gives it for pictures."""
    ids = [hashlib.sha256(f"examined:{seed}:{row}".encode()).hexdigest()[:16] for row in range(len(taken))]
    table = taken.table
    meant = table[["expression", "intensity", "valence", "arousal", *UNIT_COLUMNS]].assign(face_id=ids, object=table["subject"])
    for name in EXPRESSIONS:
        meant[name] = (table["expression"] == name).astype(float)
    return pd.DataFrame({"face_id": ids, "crop_index": range(len(ids))}), meant


def _expressions(labels: pd.DataFrame, meant: pd.DataFrame, resamples: int, seed: int) -> list[tuple]:
    table = truth.quality(votes(labels), meant, resamples, seed)
    table = table[table["measure"].isin(["macro F1", "accuracy"])]
    return list(table[["labeller", "measure", "faces", "value", "low", "high"]].itertuples(index=False, name=None))


def _units(units: pd.DataFrame) -> list[tuple]:
    rows = []
    for name, mine in units[units["auc"].notna()].groupby("labeller", sort=False):
        for column, what in (("auc", "mean AUC"), ("f1", "mean F1")):
            rows.append((name, f"Action Units: {what}", int(mine["faces"].max()), float(mine[column].mean()), np.nan, np.nan))
    return rows


def _affect(affect: pd.DataFrame, meant: pd.DataFrame, resamples: int, seed: int) -> list[tuple]:
    table = truth.affect(affect, meant, resamples, seed)
    return [(row.labeller, f"{row.dimension}: concordance", row.faces, row.ccc, row.low, row.high) for row in table.itertuples()]


def sentence(table: pd.DataFrame) -> str:
    """Return how many targets are met and which are missed, in words."""
    held = table[table["met"].notna()]
    missed = held[~held["met"].astype(bool)]
    text = f"**{len(held) - len(missed)} of {len(held)}** targets are met"
    listed = "; ".join(f"{title(row.labeller)}, {row.measure}: {row.value:.3f} (at least {row.target:g})" for row in missed.itertuples())
    return f"{text}. Missed: {listed}." if listed else f"{text}."


def exam_figure(table: pd.DataFrame) -> Figure:
    """Return each measure as a panel: a dot a labeller with its interval, the target as a mark; red dots miss it."""
    panels = [(name, rows) for name, rows in table.groupby("measure", sort=False)]
    heights = [len(rows) + 1.4 for _, rows in panels]
    figure = Figure(figsize=(9, 0.30 * sum(heights) + 0.5), dpi=110, layout="constrained")
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False, sharex=True).ravel()
    for axis, (name, rows) in zip(axes, panels, strict=True):
        places = np.arange(len(rows))
        axis.hlines(places, rows["low"], rows["high"], color="#b9c4cc", linewidth=3)
        axis.scatter(rows["target"], places, marker="|", s=160, color=INK, zorder=2)
        axis.scatter(rows["value"], places, s=44, color=np.where(rows["met"].eq(False), "#d4402a", "#2b6f8f"), zorder=3)
        for place, value in zip(places, rows["value"], strict=True):
            axis.annotate(f"{value:.2f}", (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        axis.set_yticks(places, [title(name) for name in rows["labeller"]], fontsize=9)
        axis.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1))
        axis.set_title(name, loc="left", fontsize=10, fontweight="bold", color=INK)
        axis.spines[["top", "right"]].set_visible(False)
        if name in ("macro F1", "accuracy"):
            axis.axvline(CHANCE, color="#8a949b", linewidth=1, linestyle=":")
    return figure
