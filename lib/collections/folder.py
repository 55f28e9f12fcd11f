"""Collections: what lies in a folder of photographs. Standard library only, so asking costs nothing."""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from lib.compendium.errors import CollectionError, did_you_mean

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif"})
METADATA_SUFFIXES = frozenset({".csv", ".json", ".vott"})  # metadata.csv, manifest.csv, VoTT projects and exports
SKIPPED_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information"})
SKIPPED_FILES = frozenset({"thumbs.db", "desktop.ini"})
UNREAD_PICTURE_SUFFIXES = frozenset(
    ".heic .heif .avif .jp2 .psd .svg .eps .raw .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .pdf".split()  # noqa: SIM905 (a list to read)
)  # pictures, but not of a kind read here: the census says how many were left aside
READ_FORMATS = "JPEG, PNG, WebP, TIFF, BMP or GIF"


class Listing(NamedTuple):
    """What a folder and its subfolders hold; paths are relative to the folder, with forward slashes, sorted."""

    pictures: list[str]
    metadata: list[str]
    others: dict[str, int]  # extension in lower case ("" if none) to number of files
    unreadable: list[str]  # subfolders without permission to look inside, and names that are no proper text


def list_folder(folder: Path | str) -> Listing:
    """Return everything in a folder and its subfolders. Hidden files, system files and linked folders are left out.

    Raises CollectionError if the folder does not exist, is a file or cannot be read.
    """
    folder = existing_folder(folder)
    entries, unreadable = _walk(folder)
    pictures, metadata, others = [], [], Counter()
    for name, _ in entries:
        suffix = _suffix(name)
        if suffix in PICTURE_SUFFIXES:
            pictures.append(name)
        else:
            others[suffix] += 1
            if suffix in METADATA_SUFFIXES:
                metadata.append(name)
    return Listing(pictures, metadata, dict(sorted(others.items())), unreadable)


def list_pictures(folder: Path | str) -> list[str]:
    """Return the picture files of a folder and its subfolders, by extension, as sorted relative paths with forward slashes.

    Raises CollectionError if the folder is missing, a file, unreadable, empty or without pictures.
    """
    listing = list_folder(folder)
    if listing.pictures:
        return listing.pictures
    if not listing.others and not listing.unreadable:
        raise CollectionError(f"The folder {str(folder)!r} is empty. Expected photographs ({READ_FORMATS}). Put some in, or give another.")
    found = ", ".join(f"{count} {suffix or 'without extension'}" for suffix, count in list(listing.others.items())[:8])
    found = found or f"{len(listing.unreadable)} that could not be opened"
    raise CollectionError(
        f"The folder {str(folder)!r} holds no pictures (found: {found}). Expected {READ_FORMATS} files, also in subfolders. "
        "Convert them, or give the folder they are in."
    )


def existing_folder(folder: Path | str) -> Path:
    """Return the folder as a path ("~" is understood). Raises CollectionError if it is missing, a file or unreadable."""
    path = Path(folder).expanduser()
    if not path.exists():
        nearest = did_you_mean(path.name, _folder_names(path.parent))
        raise CollectionError(f"There is no folder {str(folder)!r} (seen from {Path.cwd().name!r}). Expected one of pictures.{nearest}")
    if not path.is_dir():
        raise CollectionError(f"{str(folder)!r} is a file. Expected a folder of pictures. Give its folder: {str(path.parent)!r}.")
    try:
        with os.scandir(path):
            return path
    except OSError as error:
        reason = error.strerror or "no permission"
        raise CollectionError(
            f"The folder {str(folder)!r} cannot be read ({reason}). Expected a folder you may open. Change its permissions or copy it."
        ) from None


def sharing_longest_end(path: str, candidates: list[str]) -> str | None:
    """Return the candidate whose path has the longest end in common with `path`, folder by folder in any case; None if two tie."""
    wanted = path.casefold().split("/")[::-1]
    scored = []
    for candidate in candidates:
        same = [one == other for one, other in zip(wanted, candidate.casefold().split("/")[::-1], strict=False)]
        scored.append((same + [False]).index(False))
    best = [candidate for candidate, score in zip(candidates, scored, strict=True) if score == max(scored)]
    return best[0] if len(best) == 1 else None


def _walk(folder: Path) -> tuple[list[tuple[str, os.stat_result]], list[str]]:
    """Return (relative path, stat) of every visible regular file, sorted, and the places that could not be looked into."""
    files, unreadable, waiting = [], [], [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(folder / prefix) as entries:
                for entry in entries:
                    _sort_entry(entry, prefix + entry.name, files, waiting, unreadable)
        except OSError:
            unreadable.append(prefix.rstrip("/"))
    return sorted(files, key=lambda item: item[0]), sorted(unreadable)


def _sort_entry(entry: os.DirEntry, name: str, files: list, waiting: list, unreadable: list) -> None:
    lower = entry.name.lower()
    if lower.startswith(".") or lower in SKIPPED_FILES:
        return
    if not _is_text(name):
        unreadable.append(name.encode("utf-8", "backslashreplace").decode())  # could not be written into any table
        return
    try:
        if entry.is_dir(follow_symlinks=False):
            if lower not in SKIPPED_FOLDERS:
                waiting.append(name + "/")
        elif entry.is_file():  # a linked file counts, a linked folder does not: it might lead back here
            files.append((name, entry.stat()))
    except OSError:
        unreadable.append(name)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (pathlib would be ten times slower over thousands of names)


def _folder_names(parent: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(parent) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
