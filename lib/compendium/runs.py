"""Machinery: what a notebook holds while it runs: its parameters, its folder, tables of earlier notebooks, figures, claims.

Under `make`, the runner says through the environment where the run's folder is; opened by hand in Jupyter, a notebook runs into
`runs/lab/` and reads the earlier notebooks of the `demo` profile.
"""

import json
import os
import sys
from pathlib import Path

import pandas as pd
from IPython.display import Image, Markdown, display
from matplotlib import pyplot

from lib.compendium import claims, figures, fingerprints, places
from lib.compendium.errors import CompendiumError
from lib.compendium.parameters import NotebookParameters, schema, validated

LISTED = 16  # claims without data named one by one, for each thing they need


class Run:
    """One execution of a notebook. Make one with `begin`; close it with `conclude`."""

    def __init__(self, notebook: str, parameters: NotebookParameters, folder: Path, upstream: Path, work: Path, profile: str):
        self.notebook, self.parameters, self.profile = notebook, parameters, profile
        self.folder, self.upstream, self.work = folder, upstream, work
        self.mark = ""  # written on every figure; a synthetic collection sets it to its title
        self._used: set[str] = set()

    def show_parameters(self) -> None:
        """Show the effective parameters as a table: value, default, meaning."""
        rows = []
        for name, field in type(self.parameters).model_fields.items():
            value, default = getattr(self.parameters, name), field.get_default(call_default_factory=True)
            rows.append({"parameter": name, "value": _plain(value), "default": "" if value == default else _plain(default),
                         "meaning": field.description})
        self.show_table(pd.DataFrame(rows, columns=["parameter", "value", "default", "meaning"]), len(rows))

    def show_table(self, table: pd.DataFrame, rows: int = 40) -> None:
        """Show a table without its index, at most `rows` rows, saying how many were left out; nothing where it is empty."""
        if table.empty:
            return
        shown = table.head(rows).style.hide(axis="index").format(precision=3, na_rep="–", thousands=",")
        shown = shown.format("{:.1%}", subset=[name for name in table.columns if name == "share"], na_rep="–")
        shown = shown.set_table_styles([{"selector": "td, th", "props": "text-align: left; vertical-align: top"}])
        shown.set_uuid(fingerprints.digest(table.to_csv() + self.notebook)[:6])  # pandas would draw a random one
        display(shown)
        if len(table) > rows:
            display(Markdown(f"*{len(table) - rows:,} more rows are in the run's tables.*"))

    def say(self, text: str) -> None:
        """Show a sentence (Markdown) made from what was just computed; nothing where it is empty."""
        if text:
            display(Markdown(text))

    def table(self, notebook: str, name: str) -> pd.DataFrame:
        """Return a table an earlier notebook saved; it becomes an input of this run."""
        return pd.read_parquet(self.file(notebook, f"{name}.parquet"))

    def file(self, notebook: str, name: str) -> Path:
        """Return the path of a file an earlier notebook wrote; it becomes an input of this run."""
        path = self.upstream / notebook / name
        if not path.exists():
            raise CompendiumError(f"There is no {name!r} of {notebook} in {places.relative(self.upstream)}. "
                                  f"Run `make {notebook[:2]}` first, with the same PROFILE and COLLECTION.")
        return self.uses(path)

    def variants(self, notebook: str) -> list[str]:
        """Return an earlier notebook's finished variants as `notebook/variant`, for `table` and `file`; which there are is an input."""
        folder = self.upstream / notebook
        found = [f"{notebook}/{record.parent.name}" for record in sorted(folder.glob("*/run.json"))]
        if not found:
            raise CompendiumError(f"There is no run of {notebook} in {places.relative(self.upstream)}. Run `make {notebook[:2]}` first.")
        self.uses(folder)
        return found

    def uses(self, path: Path) -> Path:
        """Record a file this run depends on, besides the `lib` modules, which are found by themselves."""
        self._used.add(places.relative(path))
        return Path(path)

    def save_table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Save a table twice: CSV for people, Parquet for the next notebook (exact types, missing apart from empty)."""
        places.write_atomically(self.folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
        places.write_atomically(self.folder / f"{name}.parquet", table.to_parquet(index=False))
        return table

    def journal(self, step: str, settings: dict) -> Path:
        """Return where a long step keeps its finished items, so that a killed run resumes and a re-run reuses them.

        The name carries a digest of the step's settings, of the source of the rooms in use (whole rooms, since some modules are imported
        late; not the machinery) and of the lock: another of these, another journal.
        """
        sources = [fingerprints.file_digest(path) for path in _rooms_in_use()]
        made_of = json.dumps([step, settings, sources, fingerprints.file_digest(fingerprints.lock_file())], sort_keys=True, default=str)
        self.work.mkdir(parents=True, exist_ok=True)
        return self.work / f"{step}-{fingerprints.digest(made_of)}.jsonl"

    def show_figure(self, figure, name: str, *, caption: str, alt: str, data: pd.DataFrame) -> None:
        """Save a figure with its sidecar and plotted numbers, show it with its caption, and close it."""
        made_by = {"notebook": self.notebook, "profile": self.profile, "parameters": self.parameters.model_dump(mode="json")}
        if self.mark:
            figure.text(1, 0, self.mark, ha="right", va="top", fontsize=9, color="#8a949b")
        png, (content, kind) = figures.drawn(figure)
        pyplot.close(figure)
        figures.save(png, self.folder / "figures", name, caption=caption, alt=alt, data=data, made_by=made_by)
        display(Image(content, format=kind, alt=alt, width=min(960, round(80 * figure.get_figwidth()))))
        display(Markdown(f"*{caption}*"))

    def conclude(self, study: str, measured: dict[str, tuple[float | None, str]]) -> pd.DataFrame:
        """Close the run: judge the claims, show "paper and this run", and leave word of the modules and inputs really used."""
        self.uses(places.CLAIMS / f"{study}.yaml")
        table = claims.compare(study, measured)
        self.show_claims(table)
        self.close(table)
        return table

    def show_claims(self, table: pd.DataFrame) -> None:
        """Show judged claims as a table, and those that need data in a line for each thing they need."""
        waiting = table["verdict"] == "needs data"
        self.show_table(table[~waiting].drop(columns=["id", "note"]), rows=100)
        for note, rows in table[waiting].groupby("note", sort=False):
            listed = "; ".join(f"{row.claim} ({row.where}: {row.paper})" for row in rows.head(LISTED).itertuples())
            more = f"; and {len(rows) - LISTED} more" if len(rows) > LISTED else ""
            self.say(f"**{len(rows)} claim{'s' * (len(rows) > 1)} need{'s' * (len(rows) == 1)} data**: {note}.\n\n{listed}{more}.")

    def close(self, table: pd.DataFrame) -> None:
        """Write the claims and the used files (the runner turns them into `run.json` and `deps.mk`)."""
        places.write_atomically(self.folder / "claims.json", table.to_json(orient="records", indent=1, force_ascii=False) + "\n")
        self._used |= {places.relative(file) for file in _library_files()}
        places.write_atomically(self.folder / "used.json", json.dumps(sorted(self._used), indent=1) + "\n")


def begin(notebook: str, cell: dict) -> Run:
    """Start a run from inside a notebook. cell: the notebook's `globals()`, holding its parameters' values.

    Raises ParameterError when a value is not accepted.
    """
    os.chdir(places.ROOT)  # opened by hand, Jupyter starts in the notebook's own folder; a relative collection means the same in both
    parameters = validated(notebook, {name: cell[name] for name in schema(notebook).model_fields if name in cell})
    pd.set_option("display.max_colwidth", None)
    environment = os.environ.get
    folder = places.ROOT / environment("COMPENDIUM_RUN_FOLDER", f"runs/lab/{notebook}")
    upstream = places.ROOT / environment("COMPENDIUM_RUNS", "runs/demo")
    work = places.ROOT / environment("COMPENDIUM_WORK", f"runs/lab/.work/{notebook}")
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(notebook, parameters, folder, upstream, work, environment("COMPENDIUM_PROFILE", "lab"))
    run.show_parameters()
    return run


def _rooms_in_use() -> list[Path]:
    """Return all source files of the rooms of `lib` of which a module is imported, the machinery left out, and `lib`'s own modules."""
    rooms = {name.split(".")[1] for name in list(sys.modules) if name.startswith("lib.")} - {"compendium"}
    library = places.ROOT / "lib"
    return sorted([*library.glob("*.py"), *(file for room in rooms for file in (library / room).rglob("*.py"))])


def _library_files() -> list[Path]:
    """Return the source files of the `lib` modules imported so far in this process."""
    loaded = [module for name, module in list(sys.modules.items()) if name == "lib" or name.startswith("lib.")]
    return [Path(module.__file__) for module in loaded if getattr(module, "__file__", None)]


def _plain(value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
