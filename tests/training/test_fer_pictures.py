"""The LIME study's pictures: cut from corpora or sat by the atelier's humans, kept once, varied without losing a feature."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.collections import atelier, fer_corpora
from lib.compendium import kept
from lib.compendium.errors import CollectionError, ParameterError
from lib.faces import transforms
from lib.faces.align import EYE_DISTANCE
from lib.faces.landmarks import eye_centres
from lib.training import fer_pictures
from lib.training.fer_pictures import FEATURES, FRAME, Shown, Variations, varied
from tests.training.fer import EMOTIONS, marks_of, posing


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "models")


# ---- where they come from


@pytest.mark.slow
def test_pictures_of_a_corpus_are_found_levelled_and_grey(tmp_path, models):
    """Leaning faces of a corpus come out level, with their labels; a wall, a torn file and a copy are left out with their reasons."""
    for number, (name, roll) in enumerate((("AN", 0.0), ("HA", 15.0))):
        piece = atelier.sculpt(number, 220, tradition="humans", material="skin", expression_of=dict(AN="angry", HA="happy")[name],
                               damaged={}, yaw=0.0, roll=roll)  # fmt: skip
        Image.fromarray(piece.picture).save(tmp_path / f"K{'AB'[number]}.{name}1.{number}.tiff")
    Image.fromarray(piece.picture).save(tmp_path / "KB.HA2.7.tiff")
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "KC.SA1.8.tiff")
    (tmp_path / "KC.SA2.9.tiff").write_bytes(b"no picture")
    table = fer_corpora.read("jaffe", tmp_path)
    made = fer_pictures.corpus_pictures(table, side=64)
    assert made.table[["file", "subject", "expression", "corpus"]].values.tolist() == [
        ["KA.AN1.0.tiff", "jaffe:KA", "angry", "jaffe"], ["KB.HA1.1.tiff", "jaffe:KB", "happy", "jaffe"]]  # fmt: skip
    assert made.pictures.shape == (2, 64, 64) and made.pictures.dtype == np.uint8 and not made.about["synthetic"]
    eyes = np.stack([eye_centres(marks) for marks in made.landmarks]) / 64
    assert np.abs(eyes.mean(axis=1) - (0.5, FRAME["eye_height"])).max() < 0.02
    assert np.abs(eyes[:, 1] - eyes[:, 0] - (FRAME["eye_distance"], 0)).max() < 0.02
    reasons = made.left_out.set_index("file")["reason"]
    assert "no face found" in reasons["KC.SA1.8.tiff"] and "KC.SA2.9.tiff" in reasons and "same picture" in reasons["KB.HA2.7.tiff"]
    again = fer_pictures.corpus_pictures(table, side=64)
    assert again.folder == made.folder and "path" not in again.table


@pytest.mark.slow
def test_the_ateliers_people_stand_in_with_what_was_planted(models, monkeypatch):
    """Two people pose the six expressions; neutral is not among them; the piece behind a picture is the one that was cut; chins are shown.

    People are the same in whatever number they are asked for, across the batches in which they are made.
    """
    made = fer_pictures.atelier_pictures(2, side=64, seed=90_100)
    assert made.table["expression"].tolist() == list(EMOTIONS) * 2 and made.table["subject"].nunique() == 2
    assert made.about["synthetic"] and len(made.left_out) == 0 and (made.table["AU12"] > 0)[made.table["expression"] == "happy"].all()
    piece, transform = fer_pictures.atelier_piece(made, made.table["face_id"][3])
    cut = transforms.apply(piece.picture, transform)
    grey = np.asarray(Image.fromarray(cut).convert("L"), int)
    assert np.abs(grey - made.pictures[3]).max() <= 1 and 12 in piece.evidence
    chins = made.landmarks[:, 8, 1] / 64  # surprise and fear drop the jaw
    assert (chins < 1).all() and chins[made.table["expression"] == "surprise"].min() > chins[made.table["expression"] == "happy"].max()
    monkeypatch.setattr(fer_pictures, "PEOPLE", 1)
    more = fer_pictures.atelier_pictures(3, side=64, seed=90_100)
    assert more.table[:12].equals(made.table) and np.array_equal(more.pictures[:12], made.pictures) and len(more) == 18


def test_a_corpus_and_the_atelier_are_framed_alike():
    """Eyes that the alignment finds come to lie where FRAME says, at any side; a face without eyes in its box is cut as much wider."""
    marks = np.full((68, 2), 50.0)
    marks[36:42], marks[42:48], marks[8] = (40, 40), (60, 45), (49, 90)
    for side in (64, 200):
        moved = transforms.map_points(marks, fer_pictures.framed(side, (20, 20, 60, 80), marks)) / side
        apart, high = FRAME["eye_distance"], FRAME["eye_height"]
        assert moved[[36, 42]] == pytest.approx(np.array([(0.5 - apart / 2, high), (0.5 + apart / 2, high)]), abs=1e-6)
        assert np.linalg.norm(moved[8] - moved[36]) == pytest.approx(apart * np.hypot(9, 50) / np.hypot(20, 5))
    near, wide = transforms.upright((20, 20, 60, 80), 64, 1.2), fer_pictures.framed(64, (20, 20, 60, 80), np.full((68, 2), np.nan))
    assert np.asarray(wide.matrix)[0, 0] == pytest.approx(np.asarray(near.matrix)[0, 0] * FRAME["eye_distance"] / EYE_DISTANCE)


def test_corpora_that_give_nothing_are_refused(tmp_path, models):
    """A table without its columns or rows, and pictures without any face, are named."""
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "KC.SA1.8.tiff")
    table = fer_corpora.read("jaffe", tmp_path)
    with pytest.raises(ParameterError, match="without corpus"):
        fer_pictures.corpus_pictures(table.drop(columns="corpus"))
    with pytest.raises(ParameterError, match="0 pictures"):
        fer_pictures.corpus_pictures(table.iloc[:0])
    with pytest.raises(CollectionError, match="No face was found in the 1 pictures .*no face found"):
        fer_pictures.corpus_pictures(table, 64)
    (tmp_path / "KC.SA1.8.tiff").unlink()
    with pytest.raises(CollectionError, match="'KC.SA1.8.tiff' .* is gone"):
        fer_pictures.corpus_pictures(table, 64)
    with pytest.raises(CollectionError, match="does not hold the study's pictures"):
        fer_pictures.opened(tmp_path)


# ---- how they are shown


def test_pictures_and_landmarks_come_at_any_side(tmp_path):
    """Three equal channels; stored side is untouched; landmarks scale along; an unknown face is named."""
    made = posing(tmp_path)
    stack, marks = made.at(32)
    assert np.array_equal(stack, np.repeat(made.pictures[..., None], 3, axis=-1)) and np.array_equal(marks, made.landmarks)
    small, scaled = made.at(16, [5, 2])
    assert small.shape == (2, 16, 16, 3) and scaled == pytest.approx(made.landmarks[[5, 2]] / 2)
    assert small[0, ..., 0].mean() == pytest.approx(made.pictures[5].mean(), abs=0.6)
    assert made.rows(["f0007", "f0000"]).tolist() == [7, 0]
    with pytest.raises(ParameterError, match="'nobody'"):
        made.rows(["nobody"])


def test_variations_are_the_same_whenever_they_are_asked_for(tmp_path):
    """Number v·m + i is variation v of row i, the first m as they are; drawn from seed, row and v alone, in any order and batch."""
    made, rows = posing(tmp_path), np.array([8, 3, 30])
    shown = Shown(made, rows, 32, Variations(copies=2), seed=4)
    assert len(shown) == 9 and shown.shape == (9, 32, 32, 3)
    everything = shown[np.arange(9)]
    assert np.array_equal(everything[:3, ..., 0], made.pictures[rows])
    assert np.array_equal(shown[np.array([7, 4])], everything[[7, 4]])
    alone = Shown(made, [3], 32, Variations(copies=2), seed=4)
    assert np.array_equal(alone[np.array([1, 2])], everything[[4, 7]])
    assert not np.array_equal(everything[3:6], everything[6:9]) and not np.array_equal(everything[0], everything[3])
    assert not np.array_equal(Shown(made, rows, 32, Variations(copies=2), seed=5)[np.arange(3, 9)], everything[3:])
    assert shown[np.array([], int)].shape == (0, 32, 32, 3)


def test_without_variation_nothing_changes():
    """No crop, shift, mirror or gamma: the picture itself; only gamma: each grey level by the formula; only mirror: the mirror image."""
    picture = np.random.default_rng(1).integers(0, 256, (40, 40), dtype=np.uint8)
    still = {"gamma": 1.0, "shift": 0.0, "crop": 0.0, "mirror": 0.0}
    vary = lambda **changed: varied(picture, marks_of(40), Variations(**still | changed), 40, np.random.default_rng(3))  # noqa: E731
    assert np.array_equal(vary(), picture)
    assert np.array_equal(vary(mirror=1.0), picture[:, ::-1])
    drawn = np.random.default_rng(3)
    drawn.random(6)
    power = 2.0 ** (2 * drawn.random() - 1)
    assert np.array_equal(vary(gamma=2.0), np.round(255 * (picture / 255) ** power).astype(np.uint8)) and power != 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.9), st.floats(0, 0.5), st.tuples(*[st.floats(0.05, 0.45)] * 2),
       st.tuples(*[st.floats(0.55, 0.95)] * 2))  # fmt: skip
def test_eyes_nose_and_mouth_stay_in_every_variation(seed, crop, shift, low, high):
    """Wherever the features lie and however far cut and shift may go: bright dots at their two corners are in the picture."""
    side = 60
    marks = marks_of(side, *low, *high)
    picture = np.zeros((side, side), np.uint8)
    for x, y in marks[[27, 28]]:
        picture[int(np.clip(y, 1, side - 2)) - 1:int(y) + 2, int(np.clip(x, 1, side - 2)) - 1:int(x) + 2] = 255
    made = varied(picture, marks, Variations(gamma=1.0, crop=crop, shift=shift), 60, np.random.default_rng(seed))
    found = cv2.connectedComponents((made > 60).astype(np.uint8))[0] - 1
    assert found == 2


def test_faces_without_landmarks_are_cut_about_the_middle():
    """Where eyes, nose and mouth are not known, the middle of the aligned crop stays inside."""
    picture = np.zeros((50, 50), np.uint8)
    left, top, right, bottom = (np.array(FEATURES) * 50).round().astype(int)
    picture[top:bottom, left:right] = 200
    for seed in range(20):
        made = varied(picture, np.full((68, 2), np.nan), Variations(gamma=1.0, crop=0.9, shift=0.3), 50, np.random.default_rng(seed))
        assert (made > 100).sum() >= (picture > 100).sum()


@pytest.mark.parametrize("wrong", [{"copies": -1}, {"gamma": 0.5}, {"shift": 2}, {"crop": 0.95}, {"mirror": -0.1}])
def test_variations_out_of_range_are_refused(wrong):
    """Each is named with what is expected."""
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        Variations(**wrong)
