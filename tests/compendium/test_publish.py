"""Publishing: reading copies with their seal, staleness, the README's generated table."""

import json
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lib.compendium import fingerprints, parameters, places, publish
from lib.compendium.errors import CompendiumError

RUN = "01_dataset_census"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Return a folder of finished runs and a repository with one notebook, one module and a README."""
    for name, value in {"ROOT": tmp_path, "NOTEBOOKS": tmp_path / "notebooks"}.items():
        monkeypatch.setattr(places, name, value)
    monkeypatch.setattr(publish, "EXECUTED", tmp_path / "notebooks" / "executed" / "demo")
    monkeypatch.setattr(publish, "FIGURES", tmp_path / "figures" / "demo")
    monkeypatch.setattr(publish, "README", tmp_path / "README.md")
    monkeypatch.setattr(parameters, "SCHEMAS", {RUN: "lib.compendium.parameters:StartHereParameters"})
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "one.py").write_text("x = 1\n")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "README.md").write_text("before\n<!-- generated: claims -->\nold\n<!-- end generated -->\nafter\n")
    book = new_notebook(cells=[new_markdown_cell("# Title\n\nAim."), new_code_cell("1", execution_count=1)])
    nbformat.write(book, tmp_path / "notebooks" / f"{RUN}.ipynb")
    runs = tmp_path / "runs" / "demo"
    (runs / RUN / "figures").mkdir(parents=True)
    (runs / RUN / "figures" / "a.png").write_bytes(b"png")
    book.metadata["papermill"] = {"output_path": "somewhere"}
    book.cells[1].metadata["papermill"] = {"duration": 1}
    nbformat.write(book, runs / RUN / f"{RUN}.ipynb")
    claim = {"id": "s.a", "claim": "A | B", "where": "Table I", "paper": "1", "this run": "2", "verdict": "not reproduced", "note": ""}
    (runs / RUN / "claims.json").write_text(json.dumps([claim, {**claim, "id": "s.b", "verdict": "needs data"}]))
    parts = {"notebook source": fingerprints.notebook_digest(places.NOTEBOOKS / f"{RUN}.ipynb"), "parameter a": "1",
             "lib/one.py": fingerprints.file_digest(tmp_path / "lib" / "one.py")}
    (runs / RUN / "run.json").write_text(json.dumps({"parameters": {}, "ingredients": parts, "seconds": 3.0}))
    publish.publish_all(runs, say=lambda text: None)
    return tmp_path


def test_a_reading_copy_is_sealed_and_free_of_one_executions_traces(published):
    """The seal is that of source and parameters; papermill's times and paths are gone; figures come along."""
    book = nbformat.read(publish.EXECUTED / f"{RUN}.ipynb", as_version=4)
    assert "papermill" not in book.metadata and "papermill" not in book.cells[1].metadata
    assert book.metadata["compendium"]["seal"] == fingerprints.seal(places.NOTEBOOKS / f"{RUN}.ipynb", {})
    assert (publish.FIGURES / RUN / "a.png").read_bytes() == b"png"


def test_a_changed_module_makes_the_copy_stale(published):
    """Fresh at first; an edited module is named; parameters and tables of the run itself are not code."""
    assert publish.stale(RUN) == []
    (published / "lib" / "one.py").write_text("x = 2\n")
    assert [line.split(":")[0] for line in publish.stale(RUN)] == ["lib/one.py"]
    shutil.rmtree(publish.EXECUTED)
    assert publish.stale(RUN) == ["there is no reading copy"]


def test_the_readme_table_is_made_from_the_copies(published):
    """Judged claims become rows, waiting ones a count; the text around the marks stays."""
    text = publish.README.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "**not reproduced**" in text and "1 more claim" in text
    assert publish.with_generated_tables(text) == text


def test_many_numbers_of_one_verdict_are_counted(published, monkeypatch):
    """Many synthetic or many reproduced numbers of a notebook are one line of the README; one judged twice stands once, as last judged."""
    text = publish.README.read_text()
    rows = [{"id": f"s.{number}", "claim": f"cell {number}", "where": "", "paper": "1", "this run": "2", "verdict": "synthetic", "note": ""}
            for number in range(publish.LISTED["synthetic"] + 1)]  # fmt: skip
    judged = {**rows[0], "id": "s.z", "claim": "twice"}
    rows += [{**judged, "verdict": "reproduced"}, {**judged, "verdict": "paper inconsistent"}]
    monkeypatch.setattr(publish, "stamp", lambda run: {"claims": rows})
    made = publish.with_generated_tables(text)
    assert "13 more claims ran on synthetic faces" in made and "cell 3" not in made
    assert made.count("twice") == 1 and "paper inconsistent" in made and "**reproduced**" not in made
    agreeing = [{**row, "verdict": "reproduced", "id": f"{row['id']}.{again}"} for row in rows[:13] for again in range(4)]
    monkeypatch.setattr(publish, "stamp", lambda run: {"claims": agreeing})
    made = publish.with_generated_tables(text)
    assert "52 more claims are reproduced in notebook" in made and "cell 3" not in made


def test_an_unfinished_run_is_not_published(published):
    """Publishing before running names the command."""
    with pytest.raises(CompendiumError, match="make reproduce"):
        publish.publish_all(published / "nowhere")


def test_a_copy_that_is_too_large_is_refused(published, monkeypatch):
    """More than the allowed bytes is an error, not a heavy repository."""
    monkeypatch.setattr(publish, "LARGEST", 10)
    with pytest.raises(CompendiumError, match="fewer figures"):
        publish.publish_all(published / "runs" / "demo")


def test_copies_of_what_the_profile_no_longer_has_are_removed(published):
    """A variant that was taken out leaves no reading copy and no figures behind; the others stay."""
    (publish.EXECUTED / "04_training").mkdir()
    shutil.copy(publish.EXECUTED / f"{RUN}.ipynb", publish.EXECUTED / "04_training" / "old.ipynb")
    shutil.copytree(publish.FIGURES / RUN, publish.FIGURES / "04_training" / "old")
    publish.publish_all(published / "runs" / "demo", say=lambda text: None)
    assert not list(publish.EXECUTED.rglob("old*")) and not list(publish.FIGURES.rglob("old*"))
    assert (publish.EXECUTED / f"{RUN}.ipynb").exists() and (publish.FIGURES / RUN / "a.png").exists()
