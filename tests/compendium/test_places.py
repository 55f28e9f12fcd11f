"""Places: run folders of their own, atomic writes, no absolute path."""

import os
import threading

import pytest

from lib.compendium import places

WAIT = 10  # seconds after which a test gives up


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


def test_a_lock_lets_in_one_at_a_time(tmp_path):
    """A second one waits until the first has left, also where the first left by an error; what the file held stays."""
    lock, waiting, inside, order = tmp_path / "one.lock", threading.Event(), threading.Event(), []
    lock.write_text("kept")

    def second():
        waiting.set()
        with places.locked(lock):
            order.append("second")
            inside.set()

    with pytest.raises(OSError, match="broken"), places.locked(lock):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(WAIT) and not inside.wait(0.3)
        order.append("first")
        raise OSError("broken")
    thread.join(WAIT)
    assert order == ["first", "second"] and lock.read_text() == "kept"


def test_without_locks_of_the_system_nobody_waits(tmp_path, monkeypatch):
    """On Windows, which has no such lock, two may be inside at once; the file is made all the same."""
    monkeypatch.setattr(places, "fcntl", None)
    with places.locked(tmp_path / "one.lock"), places.locked(tmp_path / "one.lock"):
        assert (tmp_path / "one.lock").exists()
