"""A collection is opened by its name or its folder; anything else is one clear line with the nearest name."""

import pytest

from lib.collections import registry
from lib.collections.parameters import EMBEDDED
from lib.collections.registry import open_collection
from lib.compendium.errors import CollectionError
from tests.collections.making import save


def test_samples_open_by_name():
    """The samples are a collection of real photographs."""
    collection = open_collection("samples")
    assert collection.name == "samples" and not collection.synthetic and (collection.folder / "metadata.csv").is_file()
    assert "samples" in EMBEDDED


def test_a_folder_opens_by_its_address(tmp_path, monkeypatch):
    """Absolute, relative to the current directory, with "~", with spaces and accents; an existing folder comes before a name."""
    save(tmp_path / "My Büsten/a.png")
    save(tmp_path / "samples/a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("My Büsten", tmp_path / "My Büsten", "~/My Büsten", "./My Büsten/", " My Büsten "):
        collection = open_collection(given)
        assert collection.name == collection.title == "My Büsten" and str(tmp_path) not in repr(collection)
        assert collection.folder.resolve() == (tmp_path / "My Büsten").resolve()
    assert open_collection("samples").folder.resolve() == (tmp_path / "samples").resolve()


@pytest.mark.parametrize(
    "given, words",
    [
        ("sampels", "Did you mean 'samples'"), ("no/such/place", "Expected one of"), ("", "There is no collection or folder"),
        ("Bustes", "Did you mean 'Busts'"),
    ],
)  # fmt: skip
def test_anything_else_is_one_clear_line(tmp_path, monkeypatch, given, words):
    """Misspelt names and folders are guessed; nothing is created."""
    (tmp_path / "Busts").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CollectionError, match=words):
        open_collection(given)
    assert [path.name for path in tmp_path.iterdir()] == ["Busts"]


def test_a_file_is_not_a_collection(tmp_path):
    """A picture given instead of its folder: the folder is named."""
    with pytest.raises(CollectionError, match="is a file"):
        open_collection(save(tmp_path / "a.png"))


def test_a_collection_is_remembered_for_later_notebooks(tmp_path, monkeypatch):
    """What a census wrote comes back equal, with a relative folder; pictures that are gone are named."""
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    monkeypatch.setattr(registry, "relative", lambda path: path.relative_to(tmp_path).as_posix())
    (tmp_path / "photos").mkdir()
    collection = registry.Collection("photos", "Photos", tmp_path / "photos", True, "a note")
    registry.remember(collection, tmp_path / "run")
    assert str(tmp_path) not in (tmp_path / "run" / "collection.json").read_text()
    assert registry.recalled(tmp_path / "run" / "collection.json") == collection
    (tmp_path / "photos").rmdir()
    with pytest.raises(CollectionError, match="make 01"):
        registry.recalled(tmp_path / "run" / "collection.json")


def test_the_atelier_is_built_once_and_says_it_is_synthetic(tmp_path, monkeypatch):
    """Same wishes, same folder, nothing written again; another seed or other sources, another folder."""
    monkeypatch.setattr(registry, "DATA", tmp_path)
    first = open_collection("atelier", 17, 48, 3)
    assert first.synthetic and "synthetic" in first.title and len(list(first.folder.rglob("*.jpg"))) == 17
    times = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*.jpg")}
    assert open_collection("atelier", 17, 48, 3).folder == first.folder
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*.jpg")} == times
    assert open_collection("warriors", 2, 48, 3).folder != first.folder
    monkeypatch.setattr(registry, "digest_of_sources", lambda package: "0" * 8)
    assert registry._atelier("atelier", 17, 48, 3).folder != first.folder


def test_a_folder_the_atelier_made_stays_synthetic(tmp_path):
    """Opened by its address like any folder, it is still known to be made up."""
    from lib.collections import atelier

    folder = atelier.build(tmp_path / "moved", 2, 0, 48, "warriors", workers=1)
    collection = open_collection(str(folder))
    assert collection.synthetic and "synthetic" in collection.title
