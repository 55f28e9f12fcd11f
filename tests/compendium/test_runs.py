"""What a notebook holds while it runs: journals that follow the science in use, and variants of an earlier notebook."""

import json

import pytest

import lib.faces  # noqa: F401  a room in use
from lib.compendium import places
from lib.compendium.errors import CompendiumError
from lib.compendium.parameters import StartHereParameters
from lib.compendium.runs import Run


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run in a made-up repository with a room in use, one that is not, and the machinery."""
    monkeypatch.setattr(places, "ROOT", tmp_path)
    for room in ("faces", "nowhere", "compendium"):
        (tmp_path / "lib" / room).mkdir(parents=True)
        (tmp_path / "lib" / room / "module.py").write_text("1")
    return Run("00_start_here", StartHereParameters(), tmp_path / "run", tmp_path / "runs", tmp_path / "work", "demo")


def test_a_journal_follows_the_rooms_in_use(run, tmp_path):
    """Another setting or a changed room in use is another journal; a room not imported, or the machinery, changes nothing."""
    first = run.journal("detect", {"a": 1})
    assert run.journal("detect", {"a": 1}) == first and run.journal("detect", {"a": 2}) != first
    for room, same in (("nowhere", True), ("compendium", True), ("faces", False)):
        (tmp_path / "lib" / room / "module.py").write_text("2")
        assert (run.journal("detect", {"a": 1}) == first) is same


def test_variants_of_an_earlier_notebook(run, tmp_path):
    """Finished variants are listed in order and become an input; where there is none, the message says what to run."""
    with pytest.raises(CompendiumError, match="make 04"):
        run.variants("04_training")
    for name in ("vgg16", "mobilenet"):
        (tmp_path / "runs" / "04_training" / name).mkdir(parents=True)
        (tmp_path / "runs" / "04_training" / name / "run.json").write_text(json.dumps({}))
    (tmp_path / "runs" / "04_training" / "unfinished").mkdir()
    assert run.variants("04_training") == ["04_training/mobilenet", "04_training/vgg16"]
    assert "runs/04_training" in run._used
