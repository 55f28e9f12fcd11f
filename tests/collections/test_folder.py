"""A folder's pictures are listed whatever their names; a folder that cannot be used gives one clear line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lib.collections.folder import list_folder, list_pictures
from lib.compendium.errors import CollectionError
from tests.collections.making import save


def test_listing_takes_every_picture_and_nothing_else(tmp_path):
    """Any case and depth, spaces, accents, signs and line ends; no hidden or system files; no linked folders."""
    names = ["b/A b.JPG", "b/é#1;50%.Png", "line\nend.tiff", "z.webp", "deep/er/x.gif", "y.BMP"]
    skipped = [".hidden.jpg", "._z.jpg", "__MACOSX/a.jpg", ".git/a.png", "Thumbs.db"]
    others = ["notes.txt", "raw.HEIC", "more.txt", "README", "metadata.csv"]
    for name in names + skipped + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "linked").symlink_to(tmp_path / "b", target_is_directory=True)
    assert list_pictures(tmp_path) == sorted(names)
    assert list_folder(tmp_path).others == {"": 1, ".csv": 1, ".heic": 1, ".txt": 2}
    assert list_folder(tmp_path).metadata == ["metadata.csv"]


def test_names_that_are_no_text_are_reported(tmp_path):
    """A file name in no known encoding cannot be written into a table: it is reported, not fatal."""
    save(tmp_path / "a.png")
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.png"))).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system keeps only proper text as names")
    listing = list_folder(tmp_path)
    assert listing.pictures == ["a.png"] and len(listing.unreadable) == 1
    listing.unreadable[0].encode("utf-8")


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda place: None, ["There is no folder", "pictures"]),
        (lambda place: place.write_text("x"), ["is a file", "folder"]),
        (lambda place: place.mkdir(), ["empty", "photographs"]),
        (lambda place: (place.mkdir(), (place / "a.heic").touch()), ["no pictures", "1 .heic", "JPEG"]),
    ],
)
def test_unusable_folders_give_one_clear_line(tmp_path, make, words):
    """Missing, a file, empty, without pictures: one line saying what was received, expected, and what to do."""
    make(tmp_path / "photos")
    with pytest.raises(CollectionError) as caught:
        list_pictures(tmp_path / "photos")
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


def test_a_misspelt_folder_is_guessed(tmp_path):
    """The nearest sibling folder is suggested."""
    (tmp_path / "photographs").mkdir()
    with pytest.raises(CollectionError, match="Did you mean 'photographs'"):
        list_pictures(tmp_path / "photografs")


def test_an_unreadable_folder_says_so(tmp_path, monkeypatch):
    """A folder without permission gives one clear line; an unreadable subfolder is reported and skipped."""
    save(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def guarded(path):
        if Path(path).name in forbidden:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    forbidden = ["locked"]
    assert list_folder(tmp_path).unreadable == ["locked"] and list_pictures(tmp_path) == ["a.png"]
    forbidden = [tmp_path.name]
    with pytest.raises(CollectionError, match="cannot be read"):
        list_pictures(tmp_path)


def test_listing_needs_only_the_standard_library():
    """The digest can be asked by a Python without any of the compendium's packages."""
    code = "import sys; import lib.collections.folder; print(any(name in sys.modules for name in ('numpy', 'pandas', 'PIL')))"
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
