"""Collections: opens a collection by its name, or a folder of photographs by its address."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lib.collections.folder import existing_folder
from lib.collections.samples import samples_folder
from lib.compendium.errors import CollectionError, did_you_mean
from lib.compendium.places import ROOT, relative, write_atomically


@dataclass(frozen=True)
class Collection:
    """A source of pictures: its short name, a title for captions, the folder its files lie in, and whether they are synthetic."""

    name: str
    title: str
    folder: Path = field(repr=False)  # absolute, for workers that run elsewhere; hidden, so that no notebook shows it
    synthetic: bool = False
    note: str = ""


def _samples() -> Collection:
    note = "Photographs shipped with matplotlib, scikit-image and scikit-learn; faces boxed by hand. For trying out, not for results."
    return Collection("samples", "Sample photographs", samples_folder(), note=note)


OPENERS: dict[str, Callable[[], Collection]] = {"samples": _samples}


def remember(collection: Collection, folder: Path) -> None:
    """Write what a collection is into a run's folder, for the notebooks that build on its census."""
    record = {"name": collection.name, "title": collection.title, "synthetic": collection.synthetic, "note": collection.note}
    record["folder"] = relative(collection.folder)
    write_atomically(Path(folder) / "collection.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def recalled(path: Path) -> Collection:
    """Return the collection that `remember` wrote. Raises CollectionError where its pictures are gone."""
    record = json.loads(Path(path).read_text())
    folder = ROOT / record.pop("folder")
    if not folder.is_dir():
        raise CollectionError(f"The pictures of {record['title']!r} are gone from {relative(folder)!r}. Run `make 01` again.")
    return Collection(folder=folder, **record)


def known_collections() -> list[str]:
    """Return the names `open_collection` knows, sorted."""
    return sorted(OPENERS)


def open_collection(name_or_folder: str | Path) -> Collection:
    """Return a collection by its name ("samples") or a folder's address ("~" is understood; relative to the current directory).

    An existing folder comes before a name. Raises CollectionError, with the nearest name, if it is neither.
    """
    given = str(name_or_folder).strip()
    if not given:
        raise CollectionError(f"No collection was given. Expected one of {', '.join(known_collections())}, or a folder of pictures.")
    folder = Path(given).expanduser()
    if not folder.is_dir() and given in OPENERS:
        return OPENERS[given]()
    if not folder.exists() and not did_you_mean(folder.name, _siblings(folder)):
        raise CollectionError(
            f"There is no collection or folder {given!r}. Expected one of {', '.join(known_collections())}, or a folder of pictures."
            + did_you_mean(given, known_collections())
        )
    folder = existing_folder(given)
    name = folder.resolve().name or "folder"
    return Collection(name, name, folder.absolute())


def _siblings(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.parent.iterdir() if entry.is_dir()]
    except OSError:
        return []
