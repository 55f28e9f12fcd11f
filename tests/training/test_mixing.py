"""MixUp and CutMix: pixels and labels by their closed forms, draws keyed by picture, shares as the papers distribute them."""

import numpy as np
import pytest
from scipy import stats

from lib.compendium.errors import ParameterError
from lib.training import mixing

RNG = np.random.default_rng(4)
PICTURES = RNG.integers(0, 256, (6, 10, 10, 3), dtype=np.uint8)
LABELS = RNG.random((6, 7)).astype(np.float32)


def test_mixup_weighs_pictures_and_labels_alike():
    """Each picture is λ of itself and 1 - λ of the one before it, and so are its labels."""
    mix = mixing.draw(0.4, 0, 10, 1, 0, range(6))[mixing.MIX]
    share, before = mix[:, 0].reshape(-1, 1, 1, 1), np.roll(LABELS, 1, axis=0)
    expected = share * PICTURES + (1 - share) * np.roll(PICTURES, 1, axis=0).astype(float)
    assert np.abs(np.asarray(mixing.mixed(PICTURES, mix)) - expected).max() < 1e-3
    assert mixing.mixed_labels(LABELS, mix) == pytest.approx(mix[:, :1] * LABELS + (1 - mix[:, :1]) * before)


def test_cutmix_takes_a_box_and_the_labels_by_its_area():
    """Pixels inside the box are the other picture's, the rest its own; the labels' share is the share of pixels outside."""
    mix = mixing.draw(0, 1.0, 10, 3, 2, range(6))[mixing.MIX]
    found = np.asarray(mixing.mixed(PICTURES, mix))
    for number, (_, top, bottom, left, right, share) in enumerate(mix):
        expected = PICTURES[number].copy()
        box = slice(int(top), int(bottom)), slice(int(left), int(right))
        expected[box] = PICTURES[number - 1][box]
        assert np.array_equal(found[number], expected)
        inside = np.zeros((10, 10))
        inside[box] = 1
        assert share == pytest.approx(1 - inside.mean(), abs=1e-6)
    assert mix[:, 5].min() < 1


def test_draws_depend_on_seed_epoch_and_picture_alone():
    """In another order and another batch a picture has the same draw; another epoch or seed gives another."""
    whole = mixing.draw(0.3, 1.0, 32, 5, 1, range(20))[mixing.MIX]
    assert np.array_equal(mixing.draw(0.3, 1.0, 32, 5, 1, [7, 3])[mixing.MIX], whole[[7, 3]])
    assert not np.array_equal(mixing.draw(0.3, 1.0, 32, 5, 2, range(20))[mixing.MIX], whole)
    assert not np.array_equal(mixing.draw(0.3, 1.0, 32, 6, 1, range(20))[mixing.MIX], whole)
    boxes = (whole[:, 2] > whole[:, 1]).sum()
    assert 3 <= boxes <= 17  # a coin chooses


def test_shares_follow_the_beta_distribution():
    """A thousand shares of MixUp with α .4 pass a Kolmogorov-Smirnov test against Beta(.4, .4)."""
    shares = mixing.draw(0.4, 0, 10, 9, 0, range(1000))[mixing.MIX][:, 5]
    assert stats.kstest(shares, stats.beta(0.4, 0.4).cdf).pvalue > 0.001


def test_pictures_for_validation_stay_as_they_are():
    """Without mixing, pictures and labels come out unchanged."""
    mix = mixing.unmixed(6)[mixing.MIX]
    assert np.array_equal(np.asarray(mixing.mixed(PICTURES, mix)), PICTURES) and np.array_equal(mixing.mixed_labels(LABELS, mix), LABELS)


def test_nothing_to_mix_is_refused():
    """Both off, or one below 0, is no mixing."""
    for mixup, cutmix in ((0, 0), (-1, 1)):
        with pytest.raises(ParameterError, match="one of them above 0"):
            mixing.draw(mixup, cutmix, 10, 0, 0, [0])
