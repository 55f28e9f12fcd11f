"""The thirteen features of hand-made pictures are what arithmetic says."""

import numpy as np
import pytest
from PIL import Image, ImageStat

from lib.artworks import features, palettes, texture
from lib.compendium.errors import ParameterError


def test_brightness_is_the_published_formula_on_pillows_root_mean_squares():
    """The square root of the weighted squares of the channels' root mean squares, as Pillow measures them."""
    picture = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    red, green, blue = ImageStat.Stat(Image.fromarray(picture)).rms
    assert features.brightness(picture) == pytest.approx((0.241 * red**2 + 0.691 * green**2 + 0.068 * blue**2) ** 0.5, rel=1e-5)
    assert features.brightness(picture, "hsp") == pytest.approx((0.299 * red**2 + 0.587 * green**2 + 0.114 * blue**2) ** 0.5, rel=1e-5)


def test_brightness_of_plain_pictures_is_in_closed_form():
    """A grey picture is as bright as its level, black is 0, white 255, pure green 255 √.691."""
    for level in (0, 60, 255):
        assert features.brightness(np.full((8, 9, 3), level, np.uint8)) == pytest.approx(level, abs=1e-3)
    green = np.zeros((4, 4, 3), np.uint8)
    green[..., 1] = 255
    assert features.brightness(green) == pytest.approx(255 * 0.691**0.5, rel=1e-6)


def test_there_are_thirteen_and_each_has_its_name():
    """The default layout is 1 + 8 + 4; other layouts count as they say."""
    layout = features.Layout()
    assert len(layout.names()) == len(set(layout.names())) == 13
    assert layout.names()[0] == "brightness" and layout.names()[-4:] == [f"palette_{group}" for group in range(4)]
    assert len(features.Layout(maps=8, summary=False).names()) == 13
    assert len(features.Layout(maps=2, summary=False, each=2).names()) == 1 + 2 + 8


def pictures() -> np.ndarray:
    """Return eight textured pictures in four pairs of colours, two of each group."""
    made = []
    for number in range(8):
        relief = texture.texture_map((number // 2) / 3, 96, seed=number)[..., None].astype(float)
        tint = np.array([[200, 40, 40], [40, 60, 190], [60, 170, 60], [230, 200, 80]])[number // 2]
        made.append(np.clip(tint + (relief - 128) * 0.7, 0, 255).astype(np.uint8))
    return np.stack(made)


def test_a_picture_is_nearest_to_the_palette_of_its_own_group_and_as_hard_as_it_was_made():
    """Planted colours and grains come out in the columns of palettes and of texture; published distances keep only the closest."""
    found = features.measured(pictures())
    groups = np.repeat(range(4), 2)
    learned = features.learn_palettes(found, groups, range(8))
    values = features.table(features.features(found, learned))
    near = values[[f"palette_{group}" for group in range(4)]].to_numpy()
    assert (near.argmin(axis=1) == groups).all() and ((near == palettes.FARTHEST).sum(axis=1) == 3).all()
    hard = values["hard_soft"].to_numpy().reshape(4, 2).mean(axis=1)
    assert (np.diff(hard) > 0.1).all()
    far = features.features(found, learned, features.Layout(distances="all"))[:, -4:]
    assert (far < palettes.FARTHEST).all() and (far.argmin(axis=1) == groups).all()


def test_pictures_of_any_size_are_measured_and_poor_ones_named():
    """A greyscale, a tiny and an ordinary picture in one list: finite numbers for all, a note where features say less."""
    grey = np.repeat(texture.texture_map(0.5)[..., None], 3, axis=2)
    tiny = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    found = features.measured([grey, tiny, pictures()[0], grey[:20]])
    assert list(found.notes) == ["greyscale", "tiny", "", "greyscale, tiny"]
    assert np.isfinite(found.texture).all() and np.isfinite(found.colours).all()


def test_a_colour_histogram_counts_every_pixel_once():
    """Shares add up to 1 and lie where the colours are."""
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0] = 255
    counts = features.histogram(picture)
    assert counts.shape == (64,) and counts[0] == pytest.approx(0.75) and counts[63] == pytest.approx(0.25)


def test_what_cannot_be_measured_is_named():
    """Unknown names, no pictures and palettes of another layout are refused."""
    with pytest.raises(ParameterError, match="brightness='lum'"):
        features.Layout(brightness="lum")
    with pytest.raises(ParameterError, match="0 maps"):
        features.Layout(maps=0)
    with pytest.raises(ParameterError, match="no pictures"):
        features.measured([])
    found = features.measured(pictures()[:1])
    with pytest.raises(ParameterError, match="learn them with"):
        features.features(found, np.zeros((4, 2, 5, 3)))
