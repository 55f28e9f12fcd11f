"""Changes of pictures: drawn from (seed, epoch, index) alone, applied as a transform worked out by hand says."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError
from lib.training import augmentation
from lib.training.augmentation import LIGHT, PLACE, Changes, draw

ALL = Changes(turn=20, shift=0.1, zoom=0.2, flip=0.5, contrast=0.3, brightness=0.2)


def apply(pictures, draws):
    return np.array(augmentation.changed(pictures, draws[PLACE], draws[LIGHT]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 100), st.permutations(range(8)))
def test_a_draw_depends_on_seed_epoch_and_index_alone(seed, epoch, indices):
    """In whatever company and order, a picture is changed alike; another seed, epoch or index changes it otherwise."""
    together = draw(ALL, 48, seed, epoch, range(8))
    shuffled = draw(ALL, 48, seed, epoch, indices)
    for name in (PLACE, LIGHT):
        assert np.array_equal(shuffled[name], together[name][list(indices)])
        assert not np.array_equal(together[name][0], together[name][1])
        assert not np.array_equal(together[name], draw(ALL, 48, seed + 1, epoch, range(8))[name])
        assert not np.array_equal(together[name], draw(ALL, 48, seed, epoch + 1, range(8))[name])


def test_a_draw_does_not_depend_on_how_many_pictures_there_are():
    """A picture is changed alike beside neighbours and beside one whose number is a thousand times its own."""
    beside = draw(ALL, 48, 5, 2, [3, 5000])
    assert all(np.array_equal(draw(ALL, 48, 5, 2, [3])[name][0], beside[name][0]) for name in (PLACE, LIGHT))


def test_no_change_leaves_pictures_as_they_are():
    """With all changes 0 each picture comes back, as float."""
    pictures = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    assert apply(pictures, draw(Changes(), 24, 1, 0, range(3))) == pytest.approx(pictures.astype(float), abs=1e-3)


def test_a_flip_is_the_mirror_image():
    """With a flip for certain, columns come in reverse, exactly."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, 25, 25, 3), dtype=np.uint8)
    assert apply(pictures, draw(Changes(flip=1), 25, 1, 0, range(2))) == pytest.approx(pictures[:, :, ::-1].astype(float), abs=1e-2)


def test_half_of_the_pictures_are_flipped():
    """At a chance of one half, about half of 400 pictures have a mirrored first axis."""
    share = np.mean(draw(Changes(flip=0.5), 24, 3, 0, range(400))[PLACE][:, 0] < 0)
    assert 0.42 < share < 0.58


def test_pictures_move_as_opencv_moves_them():
    """Turn, shift, zoom and flip equal cv2.warpAffine with the inverse map, away from the edge."""
    picture = cv2.GaussianBlur(np.random.default_rng(4).integers(0, 256, (48, 48, 3), dtype=np.uint8), (0, 0), 3)
    draws = draw(Changes(turn=15, shift=0.05, zoom=0.1, flip=0.5), 48, 9, 2, range(6))
    ours = apply(np.stack([picture] * 6), draws)
    for result, place in zip(ours, draws[PLACE], strict=True):
        matrix = place[:6].reshape(2, 3)
        theirs = cv2.warpAffine(picture.astype(np.float32), matrix, (48, 48), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        assert np.abs(result - theirs)[8:-8, 8:-8].mean() < 0.5


def test_the_middle_stays_when_turned_and_zoomed():
    """Turning, zooming and flipping keep the centre of the picture where it is."""
    for row in draw(Changes(turn=30, zoom=0.2, flip=0.5), 33, 5, 0, range(10))[PLACE].astype(float):
        assert row[:6].reshape(2, 3) @ [16, 16, 1] == pytest.approx([16, 16], abs=1e-4)


def test_light_follows_its_formula():
    """(v - 128) · contrast + 128 + 255 · brightness, held to 0 and 255."""
    pictures = np.full((2, 8, 8, 1), 100, np.uint8)
    place = draw(Changes(), 8, 0, 0, range(2))[PLACE]
    result = np.array(augmentation.changed(pictures, place, np.float32([[1.5, 0.1], [1.0, -0.9]])))
    assert result[0] == pytest.approx(-28 * 1.5 + 128 + 25.5, abs=1e-3) and result[1] == pytest.approx(0)


def test_strengths_stay_within_what_was_asked():
    """Of 300 draws no shift exceeds a tenth of the side and no contrast three tenths; both come near."""
    draws = draw(Changes(shift=0.1, contrast=0.3), 50, 2, 1, range(300))
    assert 4.5 < np.abs(draws[PLACE][:, [2, 5]]).max() <= 5.001
    assert 0.27 < np.abs(draws[LIGHT][:, 0] - 1).max() <= 0.3001 and np.all(draws[LIGHT][:, 1] == 0)


@pytest.mark.parametrize("wrong", [{"turn": 200}, {"flip": 1.5}, {"zoom": -0.1}])
def test_strengths_out_of_range_are_refused(wrong):
    """A strength out of range is named with its range."""
    with pytest.raises(ParameterError, match=f"{next(iter(wrong))}.*expected a number from 0"):
        Changes(**wrong)


def test_a_graph_takes_the_draws_as_inputs():
    """The graph's inputs are picture, place and light, and its pictures equal those changed directly."""
    import keras

    inputs, pictures = augmentation.augmented(16)
    model = keras.Model(inputs, pictures)
    assert [tensor.name for tensor in model.inputs] == ["picture", PLACE, LIGHT]
    stack = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    draws = draw(ALL, 16, 1, 1, range(4))
    assert np.array(model([stack, draws[PLACE], draws[LIGHT]])) == pytest.approx(apply(stack, draws), abs=1e-3)
