import json
import threading
import time

import pytest

from lib.compendium import kept as module
from lib.compendium.errors import CompendiumError, WeightsError
from lib.compendium.kept import RECORD, kept, record_of, source_digest

SOURCES = ("lib.compendium.kept",)


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FOLDER", tmp_path / "models")
    return tmp_path / "models"


def write(text):
    def make(folder):
        (folder / "made.txt").write_text(text)
        return {"note": text}

    return make


def test_makes_once():
    """The same name, settings and sources are made once; afterwards the finished folder is returned."""
    first = kept("thing", {"a": 1}, SOURCES, write("one"))
    again = kept("thing", {"a": 1}, SOURCES, write("two"))
    assert again == first and (again / "made.txt").read_text() == "one"
    assert record_of(again)["note"] == "one" and record_of(again)["settings"] == {"a": 1}


def test_other_settings_other_folder():
    """Another setting is another folder; the first is left alone."""
    first, second = kept("thing", {"a": 1}, SOURCES, write("one")), kept("thing", {"a": 2}, SOURCES, write("two"))
    assert first != second and (first / "made.txt").read_text() == "one" and (second / "made.txt").read_text() == "two"


def test_resumes_in_the_same_folder(models):
    """What a broken-off making had written is there when it is tried again, and nothing counts as kept before it is complete."""

    def broken(folder):
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept("thing", {}, SOURCES, broken)
    assert not list(models.glob("thing-*"))
    seen = []
    place = kept("thing", {}, SOURCES, lambda folder: seen.append((folder / "half.txt").read_text()))
    assert seen == ["half"] and (place / RECORD).exists()


def test_two_at_once_make_once():
    """Of two that ask at the same time one makes and the other waits for it."""
    made = []

    def slow(folder):
        made.append(1)
        time.sleep(0.3)

    threads = [threading.Thread(target=kept, args=("thing", {}, SOURCES, slow)) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(made) == 1


def test_source_digest_follows_packages():
    """A package's digest covers all its modules, and an unknown module is named."""
    assert source_digest(["lib.training"]) != source_digest(["lib.compendium.kept"])
    with pytest.raises(CompendiumError, match="lib.nothing"):
        source_digest(["lib.nothing"])


def test_damaged_record_is_named(tmp_path):
    """A folder without a readable record is refused with what to do."""
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(WeightsError, match="Delete it"):
        record_of(tmp_path)
    (tmp_path / RECORD).write_text(json.dumps({"a": 1}))
    assert record_of(tmp_path) == {"a": 1}
