"""Similar faces are aligned alike; histograms of gradients follow the published formula; each face's features depend on it alone."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import hog
from skimage.transform import SimilarityTransform

from lib.compendium.errors import ParameterError
from lib.labellers import appearance


def moved(points, degrees, scale, x, y):
    """Points turned, scaled and shifted."""
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ matrix.T + (x, y)


def face(generator, side=96):
    """A crop of smooth noise with landmarks like the mean face's."""
    noise = generator.integers(0, 256, (side, side, 3)).astype(np.uint8)
    points = (appearance.mean_shape() / appearance.SIDE * 0.8 + 0.1) * side + generator.normal(0, 0.7, (68, 2))
    return cv2.GaussianBlur(noise, (0, 0), 1.5), points.astype(np.float32)


# ---- alignment


def test_the_mean_face_is_a_symmetric_face():
    """The mean face is symmetric, upright, leaves room for a forehead, and its pupils are about 63 mm apart."""
    points = appearance.mean_shape()
    assert points.shape == (68, 2) and points[:, 0].min() > 0 and points[:, 0].max() < appearance.SIDE
    assert np.allclose(points[:17, 0] + points[16::-1, 0], appearance.SIDE) and np.allclose(points[:17, 1], points[16::-1, 1])
    assert points[8, 1] > points[57, 1] > points[30, 1] > points[27, 1] > points[19, 1]  # chin, lip, nose, brow: downwards
    between = (points[42:48].mean(axis=0)[0] - points[36:42].mean(axis=0)[0]) / appearance.PIXELS_PER_MILLIMETRE
    assert 54 < between < 70
    assert points[:, 1].min() == pytest.approx(appearance.BROWS) and points[48:, 1].max() < 0.9 * appearance.SIDE


def test_the_rigid_points_are_openfaces():
    """The 24 rigid points: jaw sides, nose and eye corners, none of brows or mouth."""
    assert len(appearance.RIGID) == 24 and appearance.RIGID.tolist() == sorted(
        [1, 2, 3, 4, 12, 13, 14, 15, 27, 28, 29, 31, 32, 33, 34, 35, 36, 39, 40, 41, 42, 45, 46, 47])  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.floats(-180, 180), st.floats(0.2, 8), st.floats(-300, 300), st.floats(-300, 300))
def test_alignment_undoes_any_similarity(degrees, scale, x, y):
    """A mean face that was turned, scaled and shifted comes back exactly."""
    _, points = appearance.aligned(moved(appearance.mean_shape(), degrees, scale, x, y)[None])
    assert np.allclose(points[0], appearance.mean_shape(), atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(-180, 180), st.floats(0.3, 4))
def test_aligned_points_do_not_depend_on_where_the_face_was(seed, degrees, scale):
    """Any face, however it lay in its crop, has the same aligned landmarks."""
    points = appearance.mean_shape() + np.random.default_rng(seed).normal(0, 4, (68, 2))
    both = np.stack([points, moved(points, degrees, scale, 31.0, -12.0)])
    _, found = appearance.aligned(both)
    assert np.allclose(found[0], found[1], atol=1e-7)


def test_alignment_is_the_least_squares_one():
    """The closed form equals scikit-image's estimate (Umeyama)."""
    generator = np.random.default_rng(5)
    points, target = generator.normal(50, 20, (3, 24, 2)), generator.normal(60, 25, (24, 2))
    for mine, cloud in zip(appearance.similarity(points, target), points, strict=True):
        assert np.allclose(mine, SimilarityTransform.from_estimate(cloud, target).params[:2], atol=1e-9)


def test_the_picture_moves_with_its_landmarks():
    """Bright spots at five landmarks of a turned face lie at the aligned landmarks of the aligned picture."""
    points = moved(appearance.mean_shape() - 56, 25, 1.6, 112, 112)
    crop = np.zeros((224, 224, 3), np.uint8)
    spots = (30, 36, 45, 48, 54)  # a nose, eye corners, mouth corners
    for spot in spots:
        cv2.circle(crop, tuple(np.round((points[spot] - 0.5) * 16).astype(int).tolist()), 3 * 16, (255, 255, 255), -1, shift=4)
    matrices, places = appearance.aligned(points[None])
    picture = appearance.aligned_picture(crop, matrices[0], places[0])[..., 0].astype(float)
    for spot in spots:
        x, y = np.floor(places[0, spot]).astype(int)
        window = picture[y - 4 : y + 5, x - 4 : x + 5]
        rows, columns = np.mgrid[y - 4 : y + 5, x - 4 : x + 5] + 0.5
        centre = np.array([(columns * window).sum(), (rows * window).sum()]) / window.sum()
        assert np.abs(centre - places[0, spot]).max() < 0.35


def test_where_a_crop_ends_is_no_edge():
    """A crop that ends above the chin goes on in the colours of its border: columns of one colour stay of one colour down to the chin."""
    crop = np.repeat(np.linspace(20, 220, 60).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    matrices, points = appearance.aligned(appearance.mean_shape()[None] / 1.7 - (0, 2))
    picture = appearance.aligned_picture(crop, matrices[0], points[0])[..., 0].astype(int)
    kept = appearance.mask(points[0]) == 1
    assert np.array_equal(np.flatnonzero(kept.any(axis=1)), np.arange(appearance.SIDE)) and not picture[~kept].any()
    assert np.abs(np.diff(picture, axis=0))[kept[1:] & kept[:-1]].max() <= 1


def test_the_mask_keeps_the_face_and_the_forehead():
    """Chin, cheeks and forehead above the brows are kept, the picture's corners are not."""
    points = appearance.mean_shape() * 0.7 + 0.15 * appearance.SIDE
    kept = appearance.mask(points)
    brow = points[19].astype(int)
    assert kept[brow[1] - 25, brow[0]] == 1 and kept[points[30].astype(int)[1], points[30].astype(int)[0]] == 1
    assert kept[-1, 0] == kept[-1, -1] == kept[0, 0] == kept[0, -1] == 0
    assert set(np.unique(kept)) == {0, 1}


# ---- histograms of gradients


def by_the_book(picture):
    """Felzenszwalb and others 2010, section 6.2, written pixel by pixel."""
    height, width = picture.shape[0] // 8, picture.shape[1] // 8
    cells = np.zeros((height, width, 18))
    value = picture.astype(float)
    units = [(np.cos(k * np.pi / 9), np.sin(k * np.pi / 9)) for k in range(18)]
    for y, x in itertools.product(range(1, 8 * height - 1), range(1, 8 * width - 1)):
        across, down = value[y, x + 1] - value[y, x - 1], value[y + 1, x] - value[y - 1, x]
        channel = int(np.argmax(across**2 + down**2))
        dx, dy = across[channel], down[channel]
        # Straight down (90 degrees) is as near to 80 as to 100, straight up likewise: the first of the two, as in the authors' loop.
        direction = int(np.argmax([dx * a + dy * b for a, b in units])) if dx else 4 if dy > 0 else 13
        for cy, cx in itertools.product(range(height), range(width)):
            share = max(0, 1 - abs(y + 0.5 - 8 * (cy + 0.5)) / 8) * max(0, 1 - abs(x + 0.5 - 8 * (cx + 0.5)) / 8)
            cells[cy, cx, direction] += share * np.hypot(dx, dy)
    unsigned = cells[..., :9] + cells[..., 9:]
    energy = (unsigned**2).sum(axis=2)
    result = np.zeros((height - 2, width - 2, 31))
    for cy, cx in itertools.product(range(1, height - 1), range(1, width - 1)):
        corners = [(-1, -1), (-1, 0), (0, -1), (0, 0)]
        norms = [np.sqrt(energy[cy + a : cy + a + 2, cx + b : cx + b + 2].sum() + 1e-4) for a, b in corners]
        signed = [np.minimum(cells[cy, cx] / norm, 0.2) for norm in norms]
        result[cy - 1, cx - 1, :18] = sum(signed) / 2
        result[cy - 1, cx - 1, 18:27] = sum(np.minimum(unsigned[cy, cx] / norm, 0.2) for norm in norms) / 2
        result[cy - 1, cx - 1, 27:] = [part.sum() / np.sqrt(18) for part in signed]
    return result


def test_histograms_follow_the_published_formula():
    """The fast histograms equal the formula written out pixel by pixel."""
    generator = np.random.default_rng(2)
    picture = cv2.GaussianBlur(generator.integers(0, 256, (32, 40, 3)).astype(np.uint8), (0, 0), 1.1)
    found = appearance.histograms(picture[None])[0]
    assert found.shape == (2, 3, 31)
    assert np.abs(found - by_the_book(picture)).max() < 1e-5


@pytest.mark.parametrize(("axis", "sign", "direction"), [(1, 1, 0), (1, -1, 9), (0, 1, 4), (0, -1, 13)])
def test_a_ramp_has_one_direction(axis, sign, direction):
    """On a ramp all of an inner cell lies in one direction: four neighbourhoods of four equal cells give half each, cut off at .2."""
    ramp = np.arange(48, dtype=np.uint8) * 4
    ramp = ramp if sign > 0 else ramp[::-1]
    picture = np.repeat(np.broadcast_to(ramp[:, None] if axis == 0 else ramp[None], (48, 48))[..., None], 3, axis=2)
    found = appearance.histograms(np.ascontiguousarray(picture)[None])[0, 1:3, 1:3]
    expected = np.zeros(31)
    expected[[direction, 18 + direction % 9]] = 4 * 0.2 / 2
    expected[27:] = 0.2 / np.sqrt(18)
    assert np.allclose(found, expected, atol=1e-6)


def test_orientations_have_the_shares_scikit_image_finds():
    """Over a whole picture every orientation without sign has the share of gradient that scikit-image's histogram gives it."""
    generator = np.random.default_rng(8)
    grey = np.zeros((112, 112), np.uint8)  # dark at the border, so that no pixel's share falls outside the cells
    grey[20:90, 20:90] = cv2.GaussianBlur(generator.integers(0, 256, (70, 70)).astype(np.uint8), (0, 0), 1.5)
    cells = appearance._cells(np.repeat(grey[..., None], 3, axis=2)).sum(axis=(0, 1))
    mine = (cells[:9] + cells[9:]) / cells.sum()
    fine = hog(grey, 36, grey.shape, (1, 1), "L1", feature_vector=False).ravel()  # 5 degrees a bin, from 0
    peer = np.roll(fine, 2).reshape(9, 4).sum(axis=1)  # 20 degrees a bin, from -10
    mine[4], peer[4] = mine[4:6].sum(), peer[4:6].sum()  # 90 degrees lies between the two
    assert np.allclose(np.delete(mine, 5), np.delete(peer, 5), atol=1e-4)


def test_a_flat_picture_has_no_histogram():
    """A flat picture gives zeros, not NaN."""
    assert not appearance.histograms(np.full((1, 112, 112, 3), 90, np.uint8)).any()


# ---- features


def test_features_depend_on_one_face_only():
    """A face has the same numbers alone, in a batch and in another order."""
    generator = np.random.default_rng(1)
    crops, points = (np.stack(part) for part in zip(*[face(generator) for _ in range(5)], strict=True))
    together = appearance.features(crops, points)
    assert together.shape == (5, appearance.FEATURES) == (5, 4464 + 136) and together.dtype == np.float32
    assert np.array_equal(appearance.features(crops[3:4], points[3:4])[0], together[3])
    assert np.array_equal(appearance.features(crops[::-1], points[::-1])[::-1], together)


def test_the_geometry_is_the_aligned_face_less_the_mean_face():
    """The last 136 features are zero for the mean face and show a raised brow as a smaller y."""
    points = np.stack([appearance.mean_shape()] * 2)
    points[1, 17:22, 1] -= 5
    shown = appearance.features(np.zeros((2, 112, 112, 3), np.uint8), points)[:, appearance.HISTOGRAMS :].reshape(2, 68, 2)
    expected = np.zeros((2, 68, 2))
    expected[1, 17:22] = 0, -5
    assert np.allclose(shown, expected, atol=1e-4)


def test_faces_without_landmarks_have_no_features():
    """Unknown landmarks, or all in one place, give NaN and leave the neighbours as they were."""
    crop, points = face(np.random.default_rng(3))
    unknown, one_place = np.full_like(points, np.nan), np.full_like(points, 40)
    found = appearance.features(np.stack([crop] * 3), np.stack([points, unknown, one_place]))
    assert appearance.usable(np.stack([points, unknown, one_place])).tolist() == [True, False, False]
    assert np.isfinite(found[0]).all() and np.isnan(found[1:]).all()
    assert appearance.features(np.zeros((0, 96, 96, 3), np.uint8), np.zeros((0, 68, 2))).shape == (0, appearance.FEATURES)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: appearance.features(np.zeros((2, 96, 96, 3), np.uint8), np.zeros((3, 68, 2))), "as many sets"),
        (lambda: appearance.features(np.zeros((2, 96, 96, 3)), np.zeros((2, 68, 2))), "uint8"),
        (lambda: appearance.features(np.zeros((2, 96, 96, 3), np.uint8), np.zeros((2, 5, 2))), "68, 2"),
        (lambda: appearance.histograms(np.zeros((1, 100, 112, 3), np.uint8)), "multiples of 8"),
        (lambda: appearance.histograms(np.zeros((1, 16, 16, 3), np.uint8)), "at least 24"),
    ],
)
def test_wrong_shapes_are_named(call, says):
    """Wrong shapes are refused with what was expected."""
    with pytest.raises(ParameterError, match=says):
        call()
