"""Portraits are cut about the face, trainings are kept, and a face is found where one is and not in noise."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.artworks import gan_report, generation
from lib.compendium import kept
from lib.compendium.errors import ParameterError
from lib.training import gans

RNG = np.random.default_rng(5)
NAMES = ["box_x", "box_y", "box_width", "box_height"]
PICTURES = RNG.integers(0, 256, (6, 16, 16, 3)).astype(np.uint8)


def artworks(boxes, side=64):
    """Return pictures that are black with a white square at each box."""
    pictures = np.zeros((len(boxes), side, side, 3), np.uint8)
    for picture, box in zip(pictures, boxes, strict=True):
        if np.isfinite(box).all():
            x, y, width, height = (int(value) for value in box)
            picture[y:y + height, x:x + width] = 255
    return SimpleNamespace(pictures=pictures, table=pd.DataFrame(boxes, columns=NAMES))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(kept, "FOLDER", tmp_path_factory.mktemp("models"))
    settings = {"side": 16, "width": 3, "code": 4, "batch": 3, "epochs": 2, "passes": 1, "fixed": 5}
    yield {kind: generation.generation(PICTURES, generation.demo(kind, **settings)) for kind in ("baseline", "complex")}
    patch.undo()


def test_a_head_is_the_box_with_its_margin_and_pictures_without_a_box_are_left_out():
    """A box of 20 pixels cut at margin 1.6 fills 1/1.6 of the side, in the middle."""
    found = generation.portraits(artworks([[20, 16, 20, 20], [np.nan] * 4, [12, 30, 20, 20]]), side=32, margin=1.6)
    assert found.shape == (2, 32, 32, 3) and found.dtype == np.uint8
    for picture in found:
        assert (picture[8:24, 8:24] == 255).all() and (picture[:5] == 0).all() and (picture[:, 27:] == 0).all()


def test_found_boxes_may_stand_in_for_the_true_ones():
    whole = artworks([[20, 16, 20, 20]] * 2)
    one, other = (generation.portraits(whole, 32, boxes=boxes) for boxes in ([[20, 16, 20, 20], [10, 10, 9, 9]], None))
    assert np.array_equal(one[0], other[0]) and not np.array_equal(one[1], other[1])


@pytest.mark.parametrize("boxes, message", [([[np.nan] * 4] * 2, "2 artworks without a face"), ([[1, 2, 3, 4]], "1 boxes for 2")])
def test_artworks_without_faces_are_refused(boxes, message):
    with pytest.raises(ParameterError, match=message):
        generation.portraits(artworks([[20, 16, 20, 20]] * 2), boxes=boxes)


def test_a_training_is_kept_and_not_done_again(made, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", made["complex"].folder.parent)
    monkeypatch.setattr(gans, "_epoch", lambda *a: pytest.fail("trained again"))
    again = generation.generation(PICTURES, made["complex"].settings)
    assert again.folder == made["complex"].folder
    pd.testing.assert_frame_equal(again.curves, made["complex"].curves, check_dtype=False)
    assert all(np.array_equal(again.samples[n], made["complex"].samples[n]) for n in (0, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(again.generator.get_weights(), made["complex"].generator.get_weights(), strict=True))


def test_other_pictures_are_another_training(made):
    assert generation._digest(PICTURES) != generation._digest(PICTURES[::-1])


def test_the_demo_settings_are_valid_for_every_pair():
    for kind in ("baseline", "complex", "dcgan"):
        assert generation.demo(kind).kind == kind and generation.demo(kind, epochs=3).epochs == 3


def test_no_face_is_found_in_noise_or_in_one_colour():
    noise = RNG.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    flat = np.full((1, 64, 64, 3), 120, np.uint8)
    assert not generation.found_faces(np.concatenate([noise, flat])).any()


def test_a_face_is_found_in_a_head_of_the_atelier():
    from lib.collections import atelier

    piece = atelier.sculpt(atelier.commission(3, "humans", presentation="bust", yaw=0.0, pitch=0.0, damaged={}), 160)
    box = piece.truth["faces"][0]["box"]
    head = generation.portraits(SimpleNamespace(pictures=[piece.picture], table=pd.DataFrame([box], columns=NAMES)))
    assert generation.found_faces(head).all()


def test_pictures_that_are_none_are_refused():
    with pytest.raises(ParameterError, match="expected uint8"):
        generation.found_faces(np.zeros((2, 8, 8)))


def test_shares_are_counts_with_wilsons_interval(made, monkeypatch):
    """Planted finds: every picture of the generator, none of the real; of 4, Wilson's interval ends at z² / (4 + z²)."""
    monkeypatch.setattr(generation, "found_faces", lambda pictures: np.full(len(pictures), pictures.shape[0] == 4))
    table = generation.face_share({"complex": made["complex"]}, PICTURES[:3], count=4).set_index("pair")
    assert table.loc["complex", "share"] == 1 and table.loc["real", "share"] == 0 and table.loc["real", "pictures"] == 3
    assert table.loc["complex", "low"] == pytest.approx(4 / (4 + 1.959964**2), rel=1e-4)


# ---- report


def test_sheets_show_the_first_and_the_last_epoch(made):
    assert gan_report.chosen_epochs(dict.fromkeys(range(11)), 4) == [0, 3, 7, 10]
    assert gan_report.chosen_epochs({0: 1, 5: 1}, 6) == [0, 5]
    figure = gan_report.sheet_figure(made["complex"], epochs=3, codes=4)
    assert len(figure.axes) == 12 and [axis.get_ylabel() for axis in figure.axes[::4]] == ["fresh", "epoch 1", "epoch 2"]
    data = gan_report.sheet_data(made["complex"], 3)
    brightness = data.loc[data["epoch"] == 2, "brightness"].to_numpy()
    assert len(data) == 15 and np.allclose(brightness, made["complex"].samples[2].mean(axis=(1, 2, 3)), atol=0.01)


def test_epochs_the_discriminator_wins_are_shaded_and_counted(made):
    curves = gan_report.curves_table(made)
    assert list(curves["pair"]) == ["baseline"] * 2 + ["complex"] * 2
    curves["verdict"] = [gans.WON, gans.WON, "", gans.ONE_FOR_ALL]
    said = gan_report.wins_sentence(curves)
    assert "wins in 2 of 2 epochs" in said and "wins in none of 2 epochs" in said and "one picture after 1" in said
    upper, other = gan_report.curves_figure(curves).axes[:2]
    assert (len(upper.patches), len(other.patches)) == (2, 0)


def test_the_shares_figure_has_a_bar_a_pair():
    table = pd.DataFrame({"pair": ["baseline", "real"], "share": [0.1, 0.9], "low": [0.05, 0.8], "high": [0.2, 0.95]})
    axis = gan_report.shares_figure(table).axes[0]
    assert [patch.get_width() for patch in axis.patches] == [0.1, 0.9]
    assert "0.10 [0.05, 0.20] of Baseline" in gan_report.shares_sentence(table)
