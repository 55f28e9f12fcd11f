"""The standard face: against scikit-image's warp and a search pixel by pixel; identity, borders, folds, flat triangles, no landmarks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import PiecewiseAffineTransform

from lib.compendium import weights
from lib.compendium.errors import ParameterError, PictureError
from lib.explain import standardise
from lib.explain.standardise import HEIGHT, OUTSIDE, STANDARD, WIDTH

COLUMNS, ROWS = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))


def someone(seed=0, spread=3.0, shape=(224, 224)):
    """Return the landmarks (68, 2) of a face like the standard one, in a picture of a shape, each moved at random."""
    generator = np.random.default_rng(seed)
    scale = np.array([shape[1] / WIDTH, shape[0] / (HEIGHT - standardise.BELOW) * 0.9])
    return np.clip(STANDARD * scale + generator.normal(0, spread, (68, 2)), 1, np.array(shape[::-1]) - 1)


def searched(landmarks, shape, corners, pixels):
    """Return the source (x, y) of pixels of the standard face by trying each triangle in turn, as the authors' program; NaN for none."""
    source, target = standardise.framed(landmarks, shape), standardise.framed(STANDARD, (HEIGHT, WIDTH))
    places = np.full((len(pixels), 2), np.nan)
    for pixel, (row, column) in enumerate(pixels):
        for triangle in corners:
            square = np.vstack([target[triangle].T, np.ones(3)])
            if abs(np.linalg.det(square)) < 1e-9:
                continue
            parts = np.linalg.solve(square, [column + 0.5, row + 0.5, 1])
            if (parts >= -1e-9).all():
                places[pixel] = parts @ source[triangle]
                break
    return places


# ---- the standard face


def test_the_coordinates_are_the_predictors():
    """The stored landmarks are what dlib's predictor says of the authors' black picture, to the pixel."""
    if weights.check("dlib_68_landmarks") != "ok":
        pytest.skip("the landmark weights are not here: make weights")
    assert np.array_equal(standardise.from_predictor(), STANDARD)


def test_a_face_is_framed_by_89_points():
    """68 landmarks, the jaw's at the upper border, and the corners in the authors' order."""
    points = standardise.framed(STANDARD, (HEIGHT, WIDTH))
    assert points.shape == (89, 2) and np.array_equal(points[:68], STANDARD)
    assert np.array_equal(points[68:85, 0], STANDARD[:17, 0]) and not points[68:85, 1].any()
    assert points[85:].tolist() == [[0, 0], [0, HEIGHT], [WIDTH, 0], [WIDTH, HEIGHT]]


def test_triangles_cover_the_standard_face():
    """Every pixel of the canvas lies in a triangle."""
    assert (standardise._standard()[2] >= 0).all()


# ---- the map


@pytest.mark.parametrize("triangulation", standardise.TRIANGULATIONS)
def test_the_standard_face_stays_as_it_is(triangulation):
    """A picture whose face is the standard one is copied pixel by pixel."""
    x, y = standardise.warp_map(STANDARD, (HEIGHT, WIDTH), triangulation)
    assert np.abs(x - COLUMNS).max() < 1e-4 and np.abs(y - ROWS).max() < 1e-4 and x.dtype == y.dtype == np.float32
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert np.array_equal(standardise.warp(picture, (x, y)), picture)
    heat = picture[..., 0].astype(np.float32) / 9
    assert np.array_equal(standardise.warp(heat, (x, y)), heat)


@given(st.integers(0, 2**32 - 1), st.floats(0, 6), st.sampled_from([(224, 224), (112, 112), (275, 224), (300, 180)]))
@settings(max_examples=8, deadline=None)
def test_within_half_a_pixel_of_scikit_image(seed, spread, shape):
    """Every pixel comes from where scikit-image's piecewise affine transform takes it from, within half a pixel of the picture."""
    landmarks = someone(seed, spread, shape)
    peer = PiecewiseAffineTransform.from_estimate(standardise.framed(STANDARD, (HEIGHT, WIDTH)), standardise.framed(landmarks, shape))
    expected = peer(np.column_stack([COLUMNS.ravel(), ROWS.ravel()]) + 0.5).reshape(HEIGHT, WIDTH, 2) - 0.5
    found = np.stack(standardise.warp_map(landmarks, shape), axis=2)
    inside = found[..., 0] != OUTSIDE
    # Half a pixel along the picture's edge: nothing is looked up beyond the centres of its outermost pixels.
    assert np.abs(found - expected)[inside].max() <= 0.5 + 1e-3 and inside.mean() > 0.99
    middle = inside & (expected > 0).all(axis=2) & (expected < np.array(shape[::-1]) - 1).all(axis=2)
    assert np.abs(found - expected)[middle].max() < 1e-2


@given(st.integers(0, 2**32 - 1), st.floats(0, 12), st.sampled_from(standardise.TRIANGULATIONS))
@settings(max_examples=10, deadline=None)
def test_both_triangulations_against_a_search(seed, spread, triangulation):
    """Pixels come from the first triangle that holds them, in a search through all; also for faces so distorted that some fold over."""
    landmarks = someone(seed, spread)
    source = standardise.framed(landmarks, (224, 224))
    corners = standardise._standard()[1] if triangulation == "as_published" else standardise.triangles(source)
    pixels = np.random.default_rng(seed).integers(0, (HEIGHT, WIDTH), (40, 2))
    expected = searched(landmarks, (224, 224), corners, pixels)
    found = np.stack(standardise.warp_map(landmarks, (224, 224), triangulation), axis=2)[tuple(pixels.T)]
    outside = ~((expected >= 0) & (expected <= 224)).all(axis=1)
    assert (found[outside] == OUTSIDE).all()
    assert found[~outside] == pytest.approx(np.clip(expected[~outside] - 0.5, 0, 223), abs=2e-3)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_landmarks_arrive_at_their_standard_places(seed):
    """What lies at a landmark of the face lies at its standard place afterwards."""
    landmarks = someone(seed, 2)
    x, y = standardise.warp_map(landmarks, (224, 224))
    # A landmark lies on a pixel's centre, exactly: the map's value there is the landmark itself.
    at = tuple((STANDARD - 0.5).astype(int).T[::-1])
    assert np.column_stack([x[at], y[at]]) + 0.5 == pytest.approx(np.clip(landmarks, 0.5, 223.5), abs=1e-3)


def test_a_coordinate_picture_tells_where_pixels_come_from():
    """Warped linearly, a picture of its own columns gives the map back; the nearest pixel is never more than half a pixel off."""
    landmarks = someone(4)
    maps = standardise.warp_map(landmarks, (224, 224))
    columns = np.tile(np.arange(224, dtype=np.float32), (224, 1))
    assert np.abs(standardise.warp(columns, maps, "linear") - maps[0]).max() < 0.04  # OpenCV counts in thirty-seconds
    assert np.abs(standardise.warp(columns, maps) - maps[0]).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("triangulation", standardise.TRIANGULATIONS)
def test_flat_triangles(triangulation):
    """Landmarks that coincide, or lie on one line, make flat triangles and no harm: every number is finite and the corners stay."""
    line = np.column_stack([np.linspace(20, 200, 68), np.full(68, 90.0)])
    for landmarks in (np.full((68, 2), 112.0), line, np.round(someone(1) / 40) * 40):
        x, y = standardise.warp_map(landmarks, (224, 224), triangulation)
        assert np.isfinite(x).all() and np.isfinite(y).all()
        assert (x[0, 0], y[0, 0]) == pytest.approx((0, 0), abs=4) and (x[-1, -1], y[-1, -1]) == pytest.approx((223, 223), abs=4)


@pytest.mark.parametrize("triangulation", standardise.TRIANGULATIONS)
def test_a_face_that_reaches_beyond_its_picture(triangulation):
    """Where a chin is cut off, the standard face stays empty; nothing is made up from the picture's edge."""
    landmarks = someone(2, 0)
    landmarks[6:11, 1] = 250
    warped = standardise.warp(np.full((224, 224), 7, np.uint8), standardise.warp_map(landmarks, (224, 224), triangulation))
    chin = STANDARD[8].astype(int)
    assert warped[chin[1] - 2, chin[0]] == 0 and warped[150, 112] == 7 and set(np.unique(warped)) == {0, 7}


@pytest.mark.parametrize(("landmarks", "shape", "error", "said"), [
    (np.full((68, 2), np.nan), (224, 224), PictureError, "no landmarks"), (np.zeros((5, 2)), (224, 224), ParameterError, r"\(5, 2\)"),
    (STANDARD, (224, 224, 3), ParameterError, "height, width"), (STANDARD, (0, 224), ParameterError, "height, width"),
])  # fmt: skip
def test_faces_that_cannot_be_standardised(landmarks, shape, error, said):
    """A face without landmarks is a picture's fault; five points or a wrong shape is the caller's."""
    with pytest.raises(error, match=said):
        standardise.warp_map(landmarks, shape)


def test_words_that_are_unknown():
    """Unknown triangulations and methods are named with the known ones; what is no picture is refused."""
    with pytest.raises(ParameterError, match="'as_code'.*Did you mean 'as_coded'"):
        standardise.warp_map(STANDARD, (224, 224), "as_code")
    maps = standardise.warp_map(STANDARD, (HEIGHT, WIDTH))
    with pytest.raises(ParameterError, match="'cubic'.*nearest, linear"):
        standardise.warp(np.zeros((9, 9), np.uint8), maps, "cubic")
    with pytest.raises(ParameterError, match="int64"):
        standardise.warp(np.zeros((9, 9), int), maps)


# ---- many maps


def test_maps_of_several_faces():
    """Faces without landmarks are left out and the others named; landmarks may count in crops of another size than the maps."""
    maps = np.random.default_rng(0).random((3, 112, 112)).astype(np.float32)
    landmarks = np.stack([someone(0), np.full((68, 2), np.nan), someone(2)])
    found, which = standardise.standardised(maps, landmarks, side=224)
    assert found.shape == (2, HEIGHT, WIDTH) and found.dtype == np.float32 and which.tolist() == [0, 2]
    alone = standardise.warp(maps[2], standardise.warp_map(landmarks[2] / 2, (112, 112)))
    assert np.array_equal(found[1], alone)
    assert standardise.standardised(maps[:0], landmarks[:0])[0].shape == (0, HEIGHT, WIDTH)
    with pytest.raises(ParameterError, match=r"\(2, 68, 2\)"):
        standardise.standardised(maps, landmarks[:2])


def test_heat_maps_are_means_by_key():
    """Each key's map is the mean of its own, however they are mixed; a stream is read once. Other sizes and NaN are refused."""
    maps = np.random.default_rng(1).random((5, HEIGHT, WIDTH)).astype(np.float32)
    keys = [("a", 1), ("b", 1), ("a", 1), ("a", 2), ("a", 1)]
    found = standardise.heat_maps((one for one in maps), keys)
    assert list(found) == [("a", 1), ("b", 1), ("a", 2)] and found["a", 1] == pytest.approx(maps[[0, 2, 4]].mean(axis=0), abs=1e-6)
    assert np.array_equal(found["b", 1], maps[1]) and found["b", 1].dtype == np.float32
    for wrong in (np.zeros((224, 224)), np.full((HEIGHT, WIDTH), np.nan)):
        with pytest.raises(ParameterError, match="'x'"):
            standardise.heat_maps([wrong], ["x"])


def test_figures_are_drawn():
    """The standard face alone is one panel; with a picture there are two, before and after."""
    assert len(standardise.face_figure().axes) == 1
    titles = [axes.get_title() for axes in standardise.face_figure(np.zeros((224, 224, 3), np.uint8), someone(), "as_coded").axes]
    assert titles == ["picture", "standardised"]
