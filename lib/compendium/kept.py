"""Machinery: what this machine has trained or made and keeps under data/models/, so that no notebook does the same thing twice.

A kept folder's name ends in a digest of everything that decides its content: the settings, the source of the modules that make it and
the versions in the lock file. Another of these, another folder; the old one stays until somebody deletes it.
"""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from lib.compendium import fingerprints, places
from lib.compendium.errors import CompendiumError, WeightsError

FOLDER = places.DATA / "models"
RECORD = "record.json"  # what a kept folder was made of; the file that says it is complete


def kept(name: str, settings: dict, sources: Iterable[str], make: Callable[[Path], dict | None]) -> Path:
    """Return the folder of something trained before with the same settings and sources, or train it now.

    `name`: what it is, for people ("multitask"); `settings`: JSON-able; `sources`: names of the modules or packages that decide the
    result; `make(folder)`: fills the folder and may return a JSON-able record to keep beside the settings. A killed `make` finds what
    it had written in the same folder the next time; a finished folder is renamed into its place. Two processes never train at once.
    """
    made_of = {"name": name, "settings": settings, "sources": source_digest(sources)}
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:10]
    place = FOLDER / f"{name}-{digest}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    if (place / RECORD).exists():
        return place
    with places.locked(FOLDER / f".{name}-{digest}.lock"):
        if (place / RECORD).exists():  # another process made it while this one waited
            return place
        making = FOLDER / f".{name}-{digest}.making"
        making.mkdir(exist_ok=True)
        record = make(making) or {}
        shutil.rmtree(place, ignore_errors=True)
        places.write_atomically(making / RECORD, json.dumps({**made_of, **record}, indent=1, ensure_ascii=False) + "\n")
        making.replace(place)
    return place


def record_of(folder: Path) -> dict:
    """Return what `kept` wrote about a folder. Raises WeightsError where that is missing or damaged."""
    try:
        return json.loads((Path(folder) / RECORD).read_text())
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"Received {places.relative(folder)}, which holds no readable {RECORD} ({error}); expected a folder made by training. "
            "Delete it, and the next run trains again."
        ) from None


def source_digest(sources: Iterable[str]) -> str:
    """Return the digest of the source of modules and packages (all their modules) by name, and of the lock file."""
    parts = [fingerprints.file_digest(fingerprints.lock_file())]
    for name in sorted(sources):
        file = Path(importlib.util.find_spec(name).origin) if importlib.util.find_spec(name) else None
        if file is None:
            raise CompendiumError(f"Received the module {name!r}, which does not exist; expected the name of a module of `lib`.")
        files = sorted(file.parent.glob("*.py")) if file.name == "__init__.py" else [file]
        parts += [fingerprints.file_digest(path) for path in files]
    return fingerprints.digest("\n".join(parts))
