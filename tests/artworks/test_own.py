"""A reader's tagged pictures become artworks of one size; greyscale and tiny works are noted, broken ones left out with a reason."""

import numpy as np
import pytest
from PIL import Image

from lib.artworks import own, tags
from lib.collections.atelier.paintings import COLUMNS
from lib.compendium.errors import CollectionError, ParameterError
from lib.training import kept as kept_module


@pytest.fixture
def tagged(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_module, "FOLDER", tmp_path / ".models")
    home = tmp_path / "mine"
    home.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    Image.fromarray(noise).save(home / "colour.png")
    Image.fromarray(noise[..., 0]).save(home / "grey.png")
    Image.fromarray(noise[:20, :30]).save(home / "small.png")
    (home / "broken.jpg").write_bytes(b"no picture at all")
    (home / "tags.csv").write_text("file,tag,subject\ncolour.png,Joy,portrait\ngrey.png,Fear,\nsmall.png,Love,\nbroken.jpg,Envy,\n")
    return tags.read_folder(home)


def test_own_pictures_become_artworks(tagged):
    """One size, the atelier's columns, nothing planted; notes name what is odd; what cannot be read is left out with its reason."""
    told = []
    made, left = own.own_artworks(tagged, 64, lambda *counts: told.append(counts))
    assert made.pictures.shape == (3, 64, 64, 3) and not made.cue_maps.any() and told[-1] == (4, 4)
    assert list(made.table.columns[: len(COLUMNS)]) == list(COLUMNS) and made.table["box_x"].isna().all()
    assert dict(zip(made.table["file"], made.table["note"], strict=True)) == {
        "colour.png": "", "grey.png": "greyscale", "small.png": "tiny"}  # fmt: skip
    assert made.table["group"].tolist() == [3, 0, 3] and left["file"].tolist() == ["broken.jpg"] and left["reason"].iloc[0]


def test_own_pictures_are_made_once(tagged):
    """The second time nothing is read; another tag or side is another set."""
    first, _ = own.own_artworks(tagged, 64)
    told = []
    again, _ = own.own_artworks(tagged, 64, lambda *counts: told.append(counts))
    assert not told and (first.pictures == again.pictures).all()
    own.own_artworks(tagged, 32, lambda *counts: told.append(counts))
    assert told


def test_what_cannot_be_used_is_named(tagged):
    """A side out of range, and a folder in which nothing can be read."""
    with pytest.raises(ParameterError, match="side 8"):
        own.own_artworks(tagged, 8)
    only = tags.Tagged(tagged.table[tagged.table["file"] == "broken.jpg"], tagged.left_out, tagged.unknown)
    with pytest.raises(CollectionError, match="None of the 1 tagged pictures"):
        own.own_artworks(only, 64)
