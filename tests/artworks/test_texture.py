"""Noise of known grain has the place on the scale it was made for, and structural similarity is the published measure."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from lib.artworks import texture
from lib.compendium.errors import ParameterError


def picture_of(levels: np.ndarray) -> np.ndarray:
    """Return grey levels as an RGB picture."""
    return np.repeat(levels[..., None], 3, axis=2)


def test_structural_similarity_is_scikit_images():
    """Mean SSIM equals that of scikit-image with the paper's window."""
    one, other = texture.texture_map(0.3), texture.texture_map(0.35, seed=2)
    theirs = structural_similarity(one, other, gaussian_weights=True, win_size=11, sigma=1.5, use_sample_covariance=False, data_range=255)
    assert texture.ssim(one, other) == pytest.approx(theirs, abs=1e-5)
    assert texture.ssim(one, one) == pytest.approx(1, abs=1e-6)


def test_perlin_noise_is_zero_on_its_lattice_and_smooth():
    """Gradient noise vanishes at lattice points, keeps to its range, and comes from its seed."""
    fine = texture.perlin(400, 4, 1)
    assert 0.5 < np.abs(fine).max() <= 1.01
    lattice = fine[99:101, 99:101]  # half a pixel from the lattice point (1, 1)
    assert np.abs(lattice).max() < 0.02
    assert np.abs(np.diff(fine, axis=0)).max() < 0.06
    assert np.array_equal(fine, texture.perlin(400, 4, 1)) and not np.array_equal(fine, texture.perlin(400, 4, 2))


def test_autocorrelation_of_a_grating_is_a_grating():
    """Stripes with a period of 8 pixels are like themselves at 8, and unlike at 4."""
    columns = np.arange(128)
    levels = np.broadcast_to(128 + 40 * np.cos(2 * np.pi * columns / 8), (128, 128))
    found = texture.autocorrelation(levels)
    middle = found[texture.LAGS]
    assert middle[texture.LAGS] == pytest.approx(1)
    assert middle[texture.LAGS + 8] == pytest.approx(1, abs=0.05) and middle[texture.LAGS + 4] == pytest.approx(-1, abs=0.05)


def test_a_texture_finds_its_place_on_the_scale():
    """Textures drawn from other seeds are placed where they were made, from soft to hard, whatever their light and contrast."""
    planted = np.linspace(0, 1, 9)
    values = []
    for hard in planted:
        levels = 0.5 * texture.texture_map(hard, seed=71).astype(float) + 20
        values.append(float(texture.hard_soft(texture.similarities(picture_of(levels.astype(np.uint8))))[0]))
    assert spearmanr(planted, values)[0] > 0.95
    assert np.abs(np.array(values) - planted).max() < 0.15


def test_point_by_point_two_patches_of_one_texture_have_nothing_in_common():
    """As published, another patch of the same texture is hardly similar; by autocorrelation it is the most similar."""
    patch = picture_of(texture.texture_map(0.6, seed=5))
    assert texture.similarities(patch, measure="pixels").max() < 0.2
    found = texture.similarities(patch)
    assert found.argmax() == 3 and found.max() > 0.7
    same = picture_of(texture.scale(6)[3])
    assert texture.similarities(same, measure="pixels").argmax() == 3


def test_hard_soft_reads_the_best_map_and_its_neighbours():
    """The value is the best map's place, moved towards the better neighbour; ends stay ends."""
    rows = [[0.1, 0.2, 0.9, 0.2, 0.1], [0.1, 0.2, 0.9, 0.8, 0.1], [0.9, 0.2, 0.1, 0, 0], [0, 0, 0, 0, 1]]
    value, best = texture.hard_soft(np.array(rows))
    assert value[0] == pytest.approx(0.5) and 0.5 < value[1] < 0.75 and value[2] == 0 and value[3] == 1
    assert best.tolist() == [0.9, 0.9, 0.9, 1]


def test_a_blank_and_a_tiny_picture_are_measured():
    """A picture of one colour has no texture and a tiny one is enlarged, and said to be coarse."""
    assert np.isfinite(texture.similarities(np.full((50, 60, 3), 9, np.uint8))).all()
    tiny = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    assert np.isfinite(texture.similarities(tiny)).all() and texture.is_coarse(tiny)
    assert np.isfinite(texture.similarities(np.full((50, 60, 3), 9, np.uint8), measure="pixels")).all()


@pytest.mark.parametrize(("call", "words"), [
    (lambda: texture.similarities(np.zeros((9, 9, 3), np.uint8), measure="pixel"), "measure"),
    (lambda: texture.hardness(1), "two ends"), (lambda: texture.texture_map(1.1), "0 .soft. to 1"),
    (lambda: texture.perlin(4, 2, 0), "side 4"),
    (lambda: texture.ssim(np.zeros((5, 5)), np.zeros((5, 5))), "11 pixels"),
])  # fmt: skip
def test_what_is_out_of_range_is_named(call, words):
    """Unknown measures, scales of one map and pictures below the window are refused with the reason."""
    with pytest.raises(ParameterError, match=words):
        call()
