"""Machinery: what the front page shows: the notebooks with their aims, and the verdicts of a profile's runs."""

import json
from pathlib import Path

import nbformat
import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure

from lib.compendium import places
from lib.compendium.claims import VERDICTS
from lib.compendium.doctor import examine
from lib.compendium.parameters import SCHEMAS

# A colour a verdict, told apart by people who see no difference between red and green (Okabe and Ito's palette).
COLOURS = dict(zip(VERDICTS, ("#009E73", "#56B4E9", "#D55E00", "#BBBBBB", "#CC79A7", "#E69F00"), strict=True))


def contents(runs: Path) -> pd.DataFrame:
    """Return one row a notebook: its number, title, aim (the first paragraph) and how long its last run took."""
    rows = []
    for notebook in SCHEMAS:
        title, aim = title_and_aim(places.NOTEBOOKS / f"{notebook}.ipynb")
        record = runs / notebook / "run.json"
        took = f"{json.loads(record.read_text())['seconds']:.0f} s" if record.exists() else f"not run yet: make {notebook[:2]}"
        rows.append({"notebook": notebook[:2], "title": title, "shows": aim, "last run": took if notebook[:2] != "00" else "this one"})
    return pd.DataFrame(rows)


def title_and_aim(path: Path) -> tuple[str, str]:
    """Return the heading and the first paragraph of a notebook's first cell."""
    title, _, rest = nbformat.read(path, as_version=4).cells[0].source.strip().partition("\n")
    return title.lstrip("# "), " ".join(rest.strip().partition("\n\n")[0].split())


def claim_files(runs: Path) -> list[Path]:
    """Return where each run's claims are or will be; a file that appears later is a reason to gather again."""
    found = set(runs.glob("*/claims.json")) | set(runs.glob("*/*/claims.json"))
    expected = {runs / notebook / "claims.json" for notebook in SCHEMAS}
    return sorted(path for path in found | expected if path.parent.name != "00_start_here")


def verdicts(runs: Path) -> pd.DataFrame:
    """Return every claim judged so far: notebook, claim, where, paper, this run, verdict, note."""
    rows = []
    for path in claim_files(runs):
        if path.exists():
            run = path.parent.relative_to(runs).as_posix()
            rows += [{"notebook": run.split("_")[0], **row} for row in json.loads(path.read_text())]
    return pd.DataFrame(rows, columns=["notebook", "id", "claim", "where", "paper", "this run", "verdict", "note"])


def verdict_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Return a stacked bar of verdicts a notebook, and the plotted counts."""
    counts = pd.crosstab(table["notebook"], table["verdict"]).reindex(columns=VERDICTS, fill_value=0)
    figure, axes = pyplot.subplots(figsize=(9, 0.9 + 0.5 * max(1, len(counts))))
    left = pd.Series(0, index=counts.index)
    for verdict in [name for name in VERDICTS if counts[name].sum()]:
        bars = axes.barh(counts.index, counts[verdict], left=left, color=COLOURS[verdict], label=verdict)
        axes.bar_label(bars, labels=[str(n) if n else "" for n in counts[verdict]], label_type="center")
        left = left + counts[verdict]
    axes.invert_yaxis()
    axes.set(xlabel="claims", ylabel="notebook")
    axes.spines[["top", "right"]].set_visible(False)
    if len(counts):
        axes.legend(ncols=3, frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return figure, counts.reset_index()


def readiness() -> pd.DataFrame:
    """Return the findings of `make doctor` as a table: name, state, detail, cure. The kernel needs no test: it is running this."""
    return pd.DataFrame([finding._asdict() for finding in examine(kernel=lambda: "")])
