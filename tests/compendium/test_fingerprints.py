"""Fingerprints: what makes a run differ, and what does not."""

import json
import os

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.compendium import fingerprints
from lib.compendium.parameters import NotebookParameters


def write(path, cells):
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_outputs_do_not_change_a_notebook(tmp_path):
    """Executing a notebook leaves its digest; editing a line, some prose or a tag changes it."""
    clean = write(tmp_path / "clean.ipynb", [new_markdown_cell("# a"), new_code_cell("1 + 1")])
    executed = new_code_cell("1 + 1", execution_count=3, outputs=[new_output("execute_result", {"text/plain": "2"})])
    digest = fingerprints.notebook_digest(clean)
    assert fingerprints.notebook_digest(write(tmp_path / "executed.ipynb", [new_markdown_cell("# a"), executed])) == digest
    for number, cells in enumerate([
        [new_markdown_cell("# b"), new_code_cell("1 + 1")],
        [new_markdown_cell("# a"), new_code_cell("1 + 2")],
        [new_markdown_cell("# a"), new_code_cell("1 + 1", metadata={"tags": ["parameters"]})],
    ]):
        assert fingerprints.notebook_digest(write(tmp_path / f"{number}.ipynb", cells)) != digest


def test_the_first_difference_is_named_old_to_new():
    """Changed, new and gone ingredients each give a line; equal ones none."""
    old, new = {"a": "1", "b": "2", "gone": "3"}, {"a": "1", "b": "5", "new": "4"}
    assert fingerprints.difference(old, new) == ["b: 2 → 5", "new: none → 4", "gone: 3 → none"]
    assert fingerprints.difference(old, dict(old)) == []


class Pictures(NotebookParameters):
    folder: str

    def input_files(self):
        from pathlib import Path

        return sorted(Path(self.folder).glob("*.jpg"))


def test_files_are_known_by_content_not_by_time(tmp_path):
    """Touching a picture changes nothing; changing, adding or renaming one does; unchanged ones are not read again."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    memory = tmp_path / "memory.json"
    for name in "ab":
        (folder / f"{name}.jpg").write_bytes(name.encode())
    parameters = Pictures(folder=str(folder))
    first = fingerprints.files_digest(parameters, memory)
    assert first.startswith("2 files ")
    os.utime(folder / "a.jpg", (1, 1))
    assert fingerprints.files_digest(parameters, memory) == first
    planted = json.loads(memory.read_text())
    planted[str(folder / "b.jpg")][2] = "planted"
    memory.write_text(json.dumps(planted))
    assert fingerprints.files_digest(parameters, memory) != first, "the remembered digest of an unchanged file is used"
    memory.unlink()
    (folder / "a.jpg").rename(folder / "c.jpg")
    assert fingerprints.files_digest(parameters, memory) != first
    (folder / "d.jpg").write_bytes(b"d")
    assert fingerprints.files_digest(parameters, memory).startswith("3 files ")


class Tree(Pictures):
    def input_files(self):
        from pathlib import Path

        return sorted(Path(self.folder).rglob("*.jpg"))


def test_a_picture_moved_to_another_subfolder_is_noticed(tmp_path):
    """The same files under the same names, one of them in another subfolder, are another collection."""
    for name in ("a/x.jpg", "c/y.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(name.encode())
    before = fingerprints.files_digest(Tree(folder=str(tmp_path)), tmp_path / "memory.json")
    (tmp_path / "a").rename(tmp_path / "b")
    assert fingerprints.files_digest(Tree(folder=str(tmp_path)), tmp_path / "memory.json") != before


def test_a_missing_file_is_an_ingredient_too(tmp_path):
    """An input that is gone differs from one that is there."""
    assert fingerprints.file_digest(tmp_path / "nowhere") == "absent"
    (tmp_path / "there").write_bytes(b"abc")
    # SHA-256 of "abc" begins so (FIPS 180-2, appendix B.1)
    assert fingerprints.file_digest(tmp_path / "there") == "ba7816bf8f01cfea"


def test_the_whole_hash_is_that_of_the_content(tmp_path):
    """All 64 digits, as published for "abc" (FIPS 180-2, appendix B.1); a missing file is an error, not a digest."""
    (tmp_path / "there").write_bytes(b"abc")
    whole = fingerprints.sha256_of(tmp_path / "there")
    assert whole == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert whole.startswith(fingerprints.file_digest(tmp_path / "there"))
    with pytest.raises(FileNotFoundError):
        fingerprints.sha256_of(tmp_path / "nowhere")


@pytest.mark.parametrize("change", [{"seed": 2}, {"other": 1}])
def test_the_seal_holds_source_and_parameters(tmp_path, change):
    """Another parameter value breaks the seal."""
    path = write(tmp_path / "n.ipynb", [new_code_cell("x = 1")])
    assert fingerprints.seal(path, {"seed": 1}) == fingerprints.seal(path, {"seed": 1})
    assert fingerprints.seal(path, {"seed": 1}) != fingerprints.seal(path, change)


def test_a_folder_of_runs_changes_with_its_finished_runs(tmp_path):
    """One more finished variant changes the folder's digest; a change within a variant, or an unfinished one, does not."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "run.json").write_text("{}")
    one = fingerprints.file_digest(tmp_path)
    (tmp_path / "a" / "run.json").write_text('{"changed": 1}')
    assert fingerprints.file_digest(tmp_path) == one
    (tmp_path / "b" / "run.json").write_text("{}")
    assert fingerprints.file_digest(tmp_path) != one
