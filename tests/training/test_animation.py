"""Animating faces: ways and sheets in order, columns kept before too human, measures by hand, bad input refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError
from lib.networks import ganimation
from lib.training import animation
from lib.training.faces import UNIT_COLUMNS

RNG = np.random.default_rng(5)
PICTURES = RNG.integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
K = 3


@pytest.fixture(scope="module")
def generator():
    return ganimation.generator(16, 4, 1, K, 3, None)


@pytest.fixture(scope="module")
def painter():
    """Stand-in of a generator whose answer is known: the upper half keeps the picture, the lower becomes 50 times the first unit."""
    import keras

    picture, units = keras.Input((16, 16, 3), name="picture"), keras.Input((K,), name="units")
    keep = np.zeros((1, 16, 16, 1), "float32")
    keep[:, :8] = 1
    attention = picture[..., :1] * 0 + keep
    # A product, no sum: Keras with TensorFlow adds (n, 1, 1, 1) along the channels where n is their number.
    colour = (picture * 0 + 1) * keras.layers.Reshape((1, 1, 1))(units[:, :1]) * 50
    composed = attention * picture + (1 - attention) * colour
    return keras.Model({"picture": picture, "units": units}, {"picture": composed, "attention": attention, "colour": colour})


# ---- animate


def test_animated_pictures_keep_and_paint_as_the_generator_says(painter):
    made = animation.animate(painter, PICTURES, np.float32([[1, 0, 0], [2, 0, 0], [5, 0, 0]]))
    assert made.pictures.dtype == np.uint8 and made.attention.shape == (3, 16, 16)
    assert np.array_equal(made.pictures[:, :8], PICTURES[:, :8])
    assert [set(np.unique(one[8:])) for one in made.pictures] == [{50}, {100}, {250}]


def test_one_picture_takes_many_units_and_many_pictures_one(painter):
    many = animation.animate(painter, PICTURES[0], np.float32([[0, 0, 0], [3, 0, 0]]))
    assert len(many.pictures) == 2 and np.array_equal(many.pictures[0][:8], many.pictures[1][:8])
    assert len(animation.animate(painter, PICTURES, [1.0, 0, 0]).pictures) == 3


def test_one_call_equals_the_generators_own_answer_and_more_than_a_batch_works(generator):
    units = RNG.uniform(0, 5, (70, K)).astype("float32")
    made = animation.animate(generator, PICTURES[0], units)
    own = np.asarray(generator({"picture": np.repeat(PICTURES[:1], 70, 0).astype("float32"), "units": units})["picture"])
    assert np.abs(made.pictures - np.round(own)).max() <= 1


def test_saturation_pushes_attention_to_its_ends(generator):
    plain, pushed = (animation.animate(generator, PICTURES, [1.0, 2, 3], saturate=which) for which in (False, True))
    assert (np.abs(pushed.attention - 0.5) >= np.abs(plain.attention - 0.5) - 1e-5).all()
    expected = pushed.attention[..., None] * PICTURES + (1 - pushed.attention[..., None]) * pushed.colour
    assert np.abs(pushed.pictures - expected).max() <= 1.01


@pytest.mark.parametrize("picture, units, message", [
    (PICTURES[:, :8], [0.0, 0, 0], r"expected uint8 \(16, 16, 3\)"),
    (PICTURES.astype(float), [0.0, 0, 0], "expected uint8"),
    (PICTURES, [0.0, 0], "2 Action Units a picture; expected 3"),
    (PICTURES, [0.0, 0, 5.1], "outside 0 to 5"),
    (PICTURES, [0.0, 0, np.nan], "outside 0 to 5"),
    (PICTURES, np.zeros((2, K)), "3 pictures and 2 rows"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(generator, picture, units, message):
    with pytest.raises(ParameterError, match=message):
        animation.animate(generator, picture, units)


# ---- ways and sheets


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=2, max_size=6), st.integers(2, 9))
def test_a_way_is_even_and_stays_in_range(start, steps):
    end = list(reversed(start))
    way = animation.way(start, end, steps)
    assert way.shape == (steps, len(start)) and np.allclose(way[0], start, atol=1e-5) and np.allclose(way[-1], end, atol=1e-5)
    assert np.allclose(np.diff(way, axis=0), (np.array(end) - start) / (steps - 1), atol=1e-5)
    assert way.min() >= -1e-6 and way.max() <= 5 + 1e-5


def test_a_path_shows_the_way_picture_by_picture(painter):
    shown = animation.path(painter, PICTURES[0], [0.0, 0, 0], [4.0, 0, 0], 5)
    assert shown.shape == (5, 16, 16, 3) and [one[12, 3, 0] for one in shown] == [0, 50, 100, 150, 200]
    with pytest.raises(ParameterError, match="1 steps"):
        animation.path(painter, PICTURES[0], [0.0, 0, 0], [4.0, 0, 0], 1)


def test_sheets_go_by_picture_expression_and_column(painter):
    targets = {"happy": np.float32([4, 0, 0]), "sad": np.float32([2, 0, 0])}
    made = animation.sheets(painter, PICTURES, targets, 4)
    assert made.shape == (3, 2, 4, 16, 16, 3)
    assert made[1, 0, :, 12, 0, 0].tolist() == [50, 100, 150, 200] and made[1, 1, :, 12, 0, 0].tolist() == [25, 50, 75, 100]
    assert np.array_equal(made[2, 1, 0, :8], PICTURES[2, :8])
    with pytest.raises(ParameterError, match="Did you mean 'happy'"):
        animation.sheets(painter, PICTURES, {"hapy": np.zeros(K)}, 4)
    with pytest.raises(ParameterError, match="0 targets"):
        animation.sheets(painter, PICTURES, {}, 4)


def test_the_last_columns_are_left_out_and_those_after_a_face_looks_too_human():
    made = np.zeros((2, 1, 4, 1, 1, 3))
    assert animation.keep_before_too_human(made).tolist() == [[[True, True, True, False]]] * 2
    assert animation.keep_before_too_human(made, 0).all()
    score = np.array([[[0.1, 0.6, 0.2, 0.1]], [[0.9, 0.1, 0.1, 0.1]]])
    kept = animation.keep_before_too_human(made, 0, score, 0.5)
    assert kept.tolist() == [[[True, False, False, False]]] * 2  # the first always, and none after one that is too human
    assert animation.keep_before_too_human(made, 1, score * 0, 0.5).tolist() == [[[True, True, True, False]]] * 2


@pytest.mark.parametrize("keeping, message", [({"dropped": 4}, "4 columns to drop"), ({"dropped": -1}, "-1 columns"),
                                              ({"limit": 0.5}, "without a score"), ({"humanness": np.zeros((2, 1, 4))}, "without a limit"),
                                              ({"humanness": np.zeros((2, 4)), "limit": 1}, "a number for each")])  # fmt: skip
def test_columns_that_cannot_be_kept_are_refused(keeping, message):
    with pytest.raises(ParameterError, match=message):
        animation.keep_before_too_human(np.zeros((2, 1, 4, 1, 1, 3)), **keeping)


def test_an_animated_set_names_every_pictures_source_expression_and_column(painter):
    targets = {"happy": np.float32([4, 0, 0]), "sad": np.float32([2, 0, 0])}
    made, table = animation.animated_set(painter, PICTURES, ["a", "b", "c"], targets, 4)
    assert len(made) == len(table) == 3 * 2 * 3 and tuple(table.columns) == animation.SET_COLUMNS
    for picture, row in zip(made, table.itertuples(), strict=True):
        assert np.array_equal(picture[:8], PICTURES["abc".index(row.source), :8])
        assert picture[12, 0, 0] == round(50 * row.share * targets[row.expression][0]) and row.share == (row.column + 1) / 4
    assert len(animation.animated_set(painter, PICTURES, ["a", "b", "c"], targets, 4, dropped=3)[0]) == 6
    with pytest.raises(ParameterError, match="3 pictures and 2 names"):
        animation.animated_set(painter, PICTURES, ["a", "b"], targets, 4)


def test_references_are_the_clearest_faces_and_the_stillest_neutral_one():
    table = pd.DataFrame(0.0, index=range(5), columns=UNIT_COLUMNS).assign(expression=["happy", "happy", "neutral", "neutral", ""])
    table.loc[:, "AU12"] = [2.0, 4, 1, 0.5, 5]
    found = animation.references(table)
    place = UNIT_COLUMNS.index("AU12")
    assert list(found) == ["happy", "neutral"] and found["happy"][place] == 4 and found["neutral"][place] == 0.5
    assert animation.references(table, strongest=False)["happy"][place] == 3
    with pytest.raises(ParameterError, match="no face shows"):
        animation.references(table.assign(expression=""))


# ---- measures


def test_fidelity_is_pearsons_correlation_unit_by_unit():
    asked = RNG.uniform(0, 5, (40, 3))
    said = np.stack([2 * asked[:, 0] + 1, -asked[:, 1], np.full(40, 2.0)], axis=1)
    said[3, 0] = np.nan
    found = animation.fidelity(asked, said, (1, 12, 26))
    assert found["unit"].tolist() == [1, 12, 26] and found["pictures"].tolist() == [39, 40, 40]
    assert found["correlation"].to_numpy() == pytest.approx([1, -1, np.nan], nan_ok=True)
    assert found["mean_error"][2] == pytest.approx(np.abs(asked[:, 2] - 2).mean())
    with pytest.raises(ParameterError, match="intensities of 2 units"):
        animation.fidelity(asked, said, (1, 2))


def test_places_changed_are_weighed_inside_and_outside_what_was_to_move():
    before = np.full((2, 4, 4, 3), 100, np.uint8)
    after, attention, moved = before.copy(), np.full((2, 4, 4), 0.9, np.float32), np.zeros((2, 4, 4))
    moved[0, :2] = 0.1
    attention[0, :2], after[0, :2], after[0, 2:] = 0.4, 151, 105
    found = animation.places_changed(before, animation.Animated(after, attention, after), moved)
    expected = {"inside": 0.6, "outside": 0.1, "ratio": 6, "changed_inside": 0.2, "background": 5 / 255}
    assert found.loc[0].to_dict() == pytest.approx(expected, rel=1e-3)
    assert np.isnan(found["ratio"][1]) and found["background"][1] == 0  # nothing was to move in the second
    with pytest.raises(ParameterError, match="displacements"):
        animation.places_changed(before, animation.Animated(after, attention, after), moved[:1])


def test_a_table_on_the_scale_of_one_is_noticed():
    table = pd.DataFrame(RNG.random((30, len(UNIT_COLUMNS))), columns=UNIT_COLUMNS)
    with pytest.raises(ParameterError, match="none of which is above 1"):
        animation.checked_scale(table)
    animation.checked_scale(table * 5)
    animation.checked_scale(table[:5])
