"""Places: run folders of their own, atomic writes, no absolute path."""

import os

import pytest

from lib.compendium import places


def test_default_collection_has_no_suffix():
    """Without COLLECTION= the run folder is the profile's own."""
    assert places.run_folder_suffix("") == ""


def test_named_collection_keeps_its_name():
    """A known name is readable in the run folder's name."""
    assert places.run_folder_suffix("samples") == "--samples"


def test_two_folders_of_one_name_do_not_share_runs(tmp_path):
    """Two folders called alike get run folders of their own; the same folder always gets the same."""
    for place in ("a", "b"):
        (tmp_path / place / "my photos").mkdir(parents=True)
    first, second = (places.run_folder_suffix(str(tmp_path / place / "my photos")) for place in ("a", "b"))
    assert first.startswith("--my_photos-") and first != second
    assert first == places.run_folder_suffix(str(tmp_path / "a" / "." / "my photos"))


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    """A write that breaks before the rename leaves the old content and no temporary file."""
    target = tmp_path / "table.csv"
    places.write_atomically(target, "old")
    monkeypatch.setattr(os, "fdopen", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        places.write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]
