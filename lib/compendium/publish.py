"""Machinery: the reading copies: executed notebooks of the `demo` profile, sealed and committed with their figures."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd

from lib.compendium import fingerprints, places
from lib.compendium.errors import CompendiumError
from lib.compendium.parameters import runs_of
from lib.compendium.runner import record_of

PROFILE = "demo"
EXECUTED = places.NOTEBOOKS / "executed" / PROFILE
FIGURES = places.ROOT / "figures" / PROFILE
README = places.ROOT / "README.md"
LARGEST = 2_000_000  # bytes of a reading copy
# Numbers of a notebook with one verdict that are listed one by one: nobody reads a hundred rows that judge nothing, or agree.
LISTED = {"synthetic": 12, "reproduced": 40}
SAID = {"synthetic": "ran on synthetic faces in notebook {}, which shows them without judging",
        "reproduced": "are reproduced in notebook {}"}  # fmt: skip


def publish_all(runs: Path, say=print) -> None:
    """Copy every finished run of the profile to the reading copies, with its figures, and refresh the README's tables.

    Copies of runs that the profile no longer has are removed.
    """
    asked = runs_of(PROFILE)
    for run in asked:
        if record_of(runs, run) is None:
            raise CompendiumError(f"{run} has not run in profile {PROFILE}. Run `make reproduce` first.")
        _publish(runs, run)
        say(f"published {places.relative(EXECUTED / run)}.ipynb")
    for copy in EXECUTED.rglob("*.ipynb"):
        if (run := copy.relative_to(EXECUTED).with_suffix("").as_posix()) not in asked:
            copy.unlink()
            shutil.rmtree(FIGURES / run, ignore_errors=True)
            say(f"removed {places.relative(copy)}, which the profile no longer has")
    README.write_text(with_generated_tables(README.read_text()))


def _publish(runs: Path, run: str) -> None:
    notebook, record = run.split("/")[0], record_of(runs, run)
    book = nbformat.read(runs / run / f"{notebook}.ipynb", as_version=4)
    book.metadata.pop("papermill", None)  # times and paths of one execution; the seal says what was executed
    for cell in book.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    source = places.NOTEBOOKS / f"{notebook}.ipynb"
    book.metadata["compendium"] = {
        "seal": fingerprints.seal(source, record["parameters"]),
        "parameters": record["parameters"],
        "ingredients": record["ingredients"],
        "seconds": record["seconds"],
        "claims": json.loads((runs / run / "claims.json").read_text()),
    }
    target = EXECUTED / f"{run}.ipynb"
    text = nbformat.writes(book) + "\n"
    if len(text) > LARGEST:
        raise CompendiumError(f"{run}: the reading copy has {len(text):,} bytes, more than {LARGEST:,}. Show smaller or fewer figures.")
    places.write_atomically(target, text)
    shutil.rmtree(FIGURES / run, ignore_errors=True)
    if (runs / run / "figures").is_dir():
        shutil.copytree(runs / run / "figures", FIGURES / run)


def stamp(run: str) -> dict:
    """Return what a reading copy says of itself: seal, parameters, ingredients, seconds, claims."""
    return nbformat.read(EXECUTED / f"{run}.ipynb", as_version=4).metadata["compendium"]


def stale(run: str) -> list[str]:
    """Return what changed behind a reading copy since it was executed, one line an ingredient (empty: it is fresh)."""
    if not (EXECUTED / f"{run}.ipynb").exists():
        return ["there is no reading copy"]
    old = stamp(run)["ingredients"]
    new = {name: fingerprints.file_digest(places.ROOT / name) for name in old if name.startswith(("lib/", "params/"))}
    new["notebook source"] = fingerprints.notebook_digest(places.NOTEBOOKS / f"{run.split('/')[0]}.ipynb")
    return fingerprints.difference({name: old[name] for name in new}, new)


def claims_table() -> pd.DataFrame:
    """Return the claims of all reading copies as one table, with the notebook; of a claim judged twice, the later notebook's verdict."""
    rows = {row["id"]: {"notebook": run.split("/")[0], **row} for run in runs_of(PROFILE) for row in stamp(run)["claims"]}
    return pd.DataFrame(list(rows.values()))


def with_generated_tables(text: str) -> str:
    """Return the README with the block between its `generated` marks made anew from the reading copies.

    What waits for data is counted; so is what a notebook has more of than LISTED.
    """
    table = claims_table()
    sizes = table.groupby(["notebook", "verdict"], sort=False).size()
    many = {(name, verdict): count for (name, verdict), count in sizes.items() if count > LISTED.get(verdict, count)}
    counted = (table["verdict"] == "needs data") | pd.Series([key in many for key in zip(table["notebook"], table["verdict"], strict=True)])
    rows = ["| the paper says | where | paper | this run | verdict |", "|---|---|---|---|---|"]
    rows += [
        f"| {row['claim']} | {row['where']} | {row['paper']} | {row['this run']} | **{row['verdict']}** |"
        for row in table[~counted].to_dict("records")
    ]
    notes = [f"{count} more claims {SAID[verdict].format(name[:2])}." for (name, verdict), count in many.items()]
    waiting = (table["verdict"] == "needs data").sum()
    notes += [f"{waiting} more claims wait for data: each names in its notebook what it needs."] if waiting else []
    rows += ["", *notes] if notes else []
    block = "<!-- generated: claims -->\n" + "\n".join(rows) + "\n<!-- end generated -->"
    return re.sub(r"<!-- generated: claims -->.*?<!-- end generated -->", lambda _: block, text, flags=re.DOTALL)
