import numpy as np
import pytest
from PIL import Image

from lib.collections import atelier
from lib.compendium import kept as kept_module
from lib.compendium.errors import CollectionError
from lib.faces.landmarks import eye_centres
from lib.training import corpus
from lib.training.corpus import corpus_faces
from lib.training.faces import UNIT_COLUMNS


@pytest.mark.slow
def test_a_corpus_of_ones_own(tmp_path, monkeypatch):
    """Pictures in class folders become aligned faces with their expression; one without a face or unreadable is left out with a reason."""
    monkeypatch.setattr(kept_module, "FOLDER", tmp_path / ".models")
    for number, name in enumerate(("happy", "sad")):
        (tmp_path / name).mkdir()
        piece = atelier.sculpt(number, 200, tradition="humans", material="skin", expression_of=name, damaged={}, yaw=0.0)
        Image.fromarray(piece.picture).save(tmp_path / name / f"{name}.png")
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "sad" / "wall.png")
    (tmp_path / "sad" / "torn.png").write_bytes(b"no picture")
    made = corpus_faces(tmp_path, side=64)
    assert sorted(made.table["expression"]) == ["happy", "sad"] and made.crops.shape == (2, 64, 64, 3)
    eyes = np.stack([eye_centres(marks) for marks in made.landmarks]) / 64
    assert np.abs(eyes.mean(axis=1) - (0.5, 0.38)).max() < 0.02
    assert made.table[list(UNIT_COLUMNS)].isna().all(axis=None) and (made.table["subject"] != "").all()


@pytest.mark.slow
def test_a_corpus_without_faces_is_named(tmp_path, monkeypatch):
    """A folder in which no face is found is refused, with the first reason."""
    monkeypatch.setattr(kept_module, "FOLDER", tmp_path / ".models")
    (tmp_path / "happy").mkdir()
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "happy" / "wall.png")
    with pytest.raises(CollectionError, match="no face found"):
        corpus_faces(tmp_path, side=64)


def test_a_test_split_is_never_learned_from(tmp_path, monkeypatch):
    """Of a corpus with a train and a test part the faces to learn from are the train part's; with a test part alone it is refused."""
    seen = []
    monkeypatch.setattr(corpus, "kept", lambda name, settings, sources, make: seen.append(settings["of"]) or tmp_path)
    monkeypatch.setattr(corpus, "contents", lambda table: table["file"].tolist())
    for part in ("train", "test"):
        (tmp_path / part / "sad").mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(tmp_path / part / "sad" / "1.png")
    with pytest.raises(FileNotFoundError):  # nothing was made: only the choice is looked at
        corpus_faces(tmp_path)
    assert seen == [["train/sad/1.png"]]
    (tmp_path / "train" / "sad" / "1.png").unlink()
    with pytest.raises(CollectionError, match="test split only"):
        corpus_faces(tmp_path)
