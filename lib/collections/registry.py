"""Collections: opens a collection by its name, or a folder of photographs by its address."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from lib.collections.folder import existing_folder
from lib.collections.parameters import EMBEDDED, is_embedded
from lib.collections.samples import samples_folder
from lib.compendium.errors import CollectionError, did_you_mean
from lib.compendium.places import DATA, ROOT, relative, write_atomically


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


def _atelier(name: str, pictures: int, side: int, seed: int) -> Collection:
    """Build an atelier collection under data/ where it is not there yet; its folder's name says everything that decides its content."""
    from lib.collections import atelier

    made_by = digest_of_sources(Path(atelier.__file__).parent)
    title, part = ("atelier (synthetic)", "sculpture") if name == "atelier" else (f"atelier {name} (synthetic)", name)
    folder = DATA / "collections" / f"{name}-{pictures}-{side}-{seed}-{made_by}"
    atelier.build(folder, pictures, seed, side, part)
    note = "Every face is made up, in the manner of the study's sources, and its truth is known. No number here judges a paper."
    return Collection(name, title, folder, synthetic=True, note=note)


def digest_of_sources(package: Path) -> str:
    """Return eight hexadecimal digits of the source of a package: another sculptor, another collection."""
    sources = b"".join(path.read_bytes() for path in sorted(package.glob("*.py")))
    return hashlib.sha256(sources).hexdigest()[:8]


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


def open_collection(name_or_folder: str | Path, pictures: int = 400, side: int = 200, seed: int = 0) -> Collection:
    """Return a collection by its name ("atelier", "samples") or a folder's address ("~" is understood; relative to the current directory).

    `pictures`, `side` (pixels) and `seed` concern the collections the atelier makes. An existing folder comes before a name.
    Raises CollectionError, with the nearest name, if it is neither.
    """
    given = str(name_or_folder).strip()
    if is_embedded(given):
        return _samples() if given == "samples" else _atelier(given, pictures, side, seed)
    folder = Path(given).expanduser()
    if not given or (not folder.exists() and not did_you_mean(folder.name, _siblings(folder))):
        raise CollectionError(
            f"There is no collection or folder {given!r}. Expected one of {', '.join(EMBEDDED)}, or a folder of pictures."
            + did_you_mean(given, EMBEDDED)
        )
    folder = existing_folder(given)
    name = folder.resolve().name or "folder"
    if (folder / "atelier.json").exists():  # made by the atelier, whoever moved it here: no number on it judges a paper
        return Collection(name, f"{name} (synthetic)", folder.resolve(), synthetic=True)
    return Collection(name, name, folder.resolve())


def _siblings(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.parent.iterdir() if entry.is_dir()]
    except OSError:
        return []
