"""Machinery: what a run was made of. Two runs with equal ingredients give equal results; one that differs says why to run again."""

import hashlib
import json
import sys
from pathlib import Path

from lib.compendium import places
from lib.compendium.parameters import NotebookParameters


def digest(content: bytes | str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of some content."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a whole file, 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """Return the digest of a file's bytes, of a folder of runs (the names of its finished ones), or "absent"."""
    if Path(path).is_dir():
        return digest("\n".join(sorted(record.parent.name for record in Path(path).glob("*/run.json"))))
    try:
        return sha256_of(path)[:16]
    except FileNotFoundError:
        return "absent"


def notebook_digest(path: Path) -> str:
    """Return the digest of a notebook's cells (type, source, tags), without outputs: executing it does not change it."""
    cells = json.loads(path.read_text())["cells"]  # a notebook is JSON; importing nbformat would take most of a second
    content = [[cell["cell_type"], "".join(cell["source"]), sorted(cell["metadata"].get("tags", []))] for cell in cells]
    return digest(json.dumps(content))


def seal(notebook: Path, parameters: dict) -> str:
    """Return the seal of a reading copy: notebook source and parameters, in one digest."""
    return digest(notebook_digest(notebook) + json.dumps(parameters, sort_keys=True))


def lock_file() -> Path:
    """Return the lock file this environment was made from (`.venv/.device` says which)."""
    marker = Path(sys.prefix) / ".device"
    return places.ROOT / f"requirements-{marker.read_text().strip() if marker.exists() else 'cpu'}.lock"


def listing(parameters: NotebookParameters) -> dict[str, list[int]]:
    """Return size and modification time of each input file outside the repository: cheap, to notice that something changed."""
    files = {}
    for path in parameters.input_files():
        status = path.stat()
        files[str(path)] = [status.st_size, status.st_mtime_ns]
    return files


def files_digest(parameters: NotebookParameters, memory: Path) -> str:
    """Return how many input files there are and the digest of their paths and contents, or "" without any.

    `memory` remembers digests by size and modification time, so only new and changed files are read.
    """
    known = json.loads(memory.read_text()) if memory.exists() else {}
    seen = {}
    for path, status in listing(parameters).items():
        seen[path] = known[path] if known.get(path, [None])[:2] == status else [*status, file_digest(Path(path))]
    if not seen:
        return ""
    if seen != known:
        places.write_atomically(memory, json.dumps(seen))
    return f"{len(seen)} files {digest(json.dumps([[path, entry[2]] for path, entry in seen.items()]))}"


def ingredients(notebook: str, parameters: NotebookParameters, used: list[str], memory: Path) -> dict[str, str]:
    """Return everything a run depends on, by name.

    notebook: whole name. used: paths relative to the repository of the `lib` modules and input files the last run really used.
    """
    parts = {"notebook source": notebook_digest(places.NOTEBOOKS / f"{notebook}.ipynb")}
    parts |= {f"parameter {key}": json.dumps(value) for key, value in parameters.model_dump(mode="json").items()}
    parts["environment lock"] = file_digest(lock_file())
    if collection := files_digest(parameters, memory):
        parts["collection"] = collection
    parts |= {path: file_digest(places.ROOT / path) for path in sorted(used)}
    return parts


def difference(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return one line for each ingredient that differs, `name: old → new`, in the order of the ingredients."""
    names = list(new) + [name for name in old if name not in new]
    return [f"{name}: {old.get(name, 'none')} → {new.get(name, 'none')}" for name in names if old.get(name) != new.get(name)]
