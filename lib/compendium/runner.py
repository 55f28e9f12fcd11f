"""Machinery: executes one run safely: skip if nothing differs, else a fresh folder, swapped into place when it is whole."""

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path

import psutil

from lib.compendium import fingerprints, places
from lib.compendium.errors import CompendiumError
from lib.compendium.parameters import NotebookParameters

OUTPUTS = {".csv", ".parquet", ".npy"}


def record_of(runs: Path, run: str) -> dict | None:
    """Return a run's record, or None when it never ran to its end."""
    try:
        return json.loads((runs / run / "run.json").read_text())
    except (OSError, ValueError):
        return None


def reasons(runs: Path, run: str, parameters: NotebookParameters) -> list[str]:
    """Return why a run would execute: one line an ingredient that differs; empty when it is up to date."""
    record = record_of(runs, run)
    if record is None:
        return ["it has not run yet"]
    now = fingerprints.ingredients(run.split("/")[0], parameters, record["used"], work_folder(runs, run) / "inputs.json")
    return fingerprints.difference(record["ingredients"], now)


def work_folder(runs: Path, run: str) -> Path:
    """Return where a run keeps what is not part of its result: journals, heartbeat, the folder in the making."""
    return runs / ".work" / run


def execute(runs: Path, run: str, profile: str, parameters: NotebookParameters, say=print) -> bool:
    """Bring one run up to date. Returns True when it executed, False when nothing differed and its record was touched.

    runs: the profile's (and collection's) run folder. Raises CompendiumError with one clear message when the notebook failed.
    """
    parameters.check_inputs()
    work = work_folder(runs, run)
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work / "lock", run):
        _recover(runs / run, work)
        why = reasons(runs, run, parameters)
        if not why:
            os.utime(runs / run / "run.json")
            say(f"{run}: up to date")
            return False
        say(f"{run}: running, because {why[0]}" + (f" (and {len(why) - 1} more)" if len(why) > 1 else ""))
        fresh = work / f"making-{os.getpid()}"
        started = time.time()
        _papermill(runs, run, profile, parameters, fresh, work)
        _write_record(runs, run, profile, parameters, fresh, started)
        _swap(fresh, runs / run, work)
    return True


@contextlib.contextmanager
def _alone(lock: Path, run: str):
    """Hold a lock that the system itself lets go when this process dies, however it dies."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CompendiumError(f"{run} is already being run by another `make`. Wait for it, or stop it.") from None
        yield


def _recover(final: Path, work: Path) -> None:
    """Tidy after a killed run: put back an old result caught between two renames, drop half-made folders."""
    before = work / "before"
    if before.exists() and not final.exists():
        before.rename(final)
    for folder in [before, *work.glob("making-*")]:
        if folder.name == "before" or not psutil.pid_exists(int(folder.name.split("-")[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _swap(fresh: Path, final: Path, work: Path) -> None:
    """Put the whole new folder where the old one was; `_recover` mends a death between the two renames."""
    before = work / "before"
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        final.rename(before)
    fresh.rename(final)
    shutil.rmtree(before, ignore_errors=True)


def _papermill(runs: Path, run: str, profile: str, parameters: NotebookParameters, fresh: Path, work: Path) -> None:
    """Execute the notebook into a fresh folder in a fresh kernel."""
    import papermill  # a second to import: only when something runs
    from papermill.exceptions import PapermillExecutionError

    from lib.compendium import engine

    notebook = run.split("/")[0]
    fresh.mkdir(parents=True)
    heartbeat = work / "heartbeat.json"
    heartbeat.unlink(missing_ok=True)
    environment = {
        "COMPENDIUM_RUN_FOLDER": places.relative(fresh),
        "COMPENDIUM_RUNS": places.relative(runs),
        "COMPENDIUM_WORK": places.relative(work),
        "COMPENDIUM_PROFILE": profile,
        "COMPENDIUM_HEARTBEAT": str(heartbeat.resolve()),
        "PYTHONPATH": str(places.ROOT),
        "PYTHONHASHSEED": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    os.environ.update(environment)  # the kernel inherits it; paths given to papermill itself stay relative
    output = fresh / f"{notebook}.ipynb"
    earlier = {cell["id"]: cell["seconds"] for cell in (record_of(runs, run) or {}).get("cells", [])}
    try:
        with contextlib.chdir(places.ROOT):
            papermill.execute_notebook(
                places.relative(places.NOTEBOOKS / f"{notebook}.ipynb"), places.relative(output),
                parameters=parameters.model_dump(mode="json", exclude_defaults=True), engine_name=engine.NAME, kernel_name="python3",
                progress_bar=False, autosave_cell_every=0, label=notebook, heartbeat=heartbeat, earlier=earlier,
                extra_arguments=["--log-level=ERROR"],  # ipykernel would warn on every start that its loopback port is not encrypted
            )
    except PapermillExecutionError as error:
        failed = work / "failed.ipynb"
        output.replace(failed)
        shutil.rmtree(fresh, ignore_errors=True)
        raise CompendiumError(_explained(error, run, failed)) from None


def _explained(error, run: str, failed: Path) -> str:
    """Return what went wrong in a notebook: our own errors in one line, others with the end of their trace."""
    if error.ename in {kind.__name__ for kind in _family(CompendiumError)}:
        return f"{run}: {error.evalue}"
    trace = "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)).splitlines()[-12:])  # without colours
    return f"{run} failed in cell {error.exec_count} with {error.ename}: {error.evalue}\n{trace}\nWhole notebook: {places.relative(failed)}"


def _family(kind: type) -> list[type]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _family(child))]


def _write_record(runs: Path, run: str, profile: str, parameters: NotebookParameters, fresh: Path, started: float) -> None:
    """Write `run.json` and `deps.mk` into the fresh folder and tidy the executed notebook's metadata."""
    import nbformat

    notebook = run.split("/")[0]
    used_file = fresh / "used.json"
    if not used_file.exists():
        raise CompendiumError(f"{notebook} never closed its run. End the notebook with `run.conclude(…)` or `run.close(…)`.")
    used = json.loads(used_file.read_text())
    used_file.unlink()
    executed = fresh / f"{notebook}.ipynb"
    book = nbformat.read(executed, as_version=4)
    book.metadata.papermill.output_path = places.relative(runs / run / f"{notebook}.ipynb")
    cells = [
        {"id": cell.id, "seconds": round(cell.metadata.papermill.duration or 0.0, 3)}
        for cell in book.cells
        if cell.cell_type == "code" and "papermill" in cell.metadata
    ]
    nbformat.write(book, executed)
    parts = fingerprints.ingredients(notebook, parameters, used, work_folder(runs, run) / "inputs.json")
    record = {
        "notebook": notebook,
        "run": run,
        "profile": profile,
        "status": "finished",
        "fingerprint": fingerprints.digest(json.dumps(parts, sort_keys=True)),
        "parameters": parameters.model_dump(mode="json"),
        "started": round(started, 1),
        "seconds": round(time.time() - started, 1),
        "cells": cells,
        "used": used,
        "ingredients": parts,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "outputs": {file.name: fingerprints.file_digest(file) for file in sorted(fresh.iterdir()) if file.suffix in OUTPUTS},
    }
    places.write_atomically(fresh / "deps.mk", dependency_rules(f"{places.relative(runs / run)}/run.json", notebook, used))
    places.write_atomically(fresh / "run.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def dependency_rules(target: str, notebook: str, used: list[str]) -> str:
    """Return Make rules as compilers write them: the target needs what it used; a used file gone later is no error."""
    needs = [f"notebooks/{notebook}.ipynb", *(path for path in used if (places.ROOT / path).exists())]
    return f"{target}: {' '.join(needs)}\n" + "".join(f"{path}:\n" for path in needs)


def tidy_exit(error: CompendiumError) -> None:
    """Print an error as one message and leave with status 2, as a refused command does."""
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2)
