"""Main colours, distances of palettes and learned palettes are those of pictures painted with known colours."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from lib.artworks import palettes
from lib.compendium.errors import ParameterError

PAINTS = np.array([[200, 30, 30], [20, 60, 180], [240, 220, 60], [30, 140, 70], [10, 10, 12]], np.uint8)


def striped(colours=PAINTS, widths=(40, 30, 20, 15, 10), height=60) -> np.ndarray:
    """Return a picture of upright stripes."""
    return np.repeat(np.repeat(np.asarray(colours, np.uint8), widths, axis=0)[None], height, axis=0)


def test_colours_in_lab_are_those_of_scikit_image():
    """Conversion to L*a*b* agrees with scikit-image's, and back with itself."""
    drawn = np.random.default_rng(0).integers(0, 256, (50, 3), dtype=np.uint8)
    assert np.abs(palettes.lab(drawn) - rgb2lab(drawn[None])[0]).max() < 0.6
    assert np.abs(palettes.rgb(palettes.lab(drawn)).astype(int) - drawn).max() <= 1


def test_the_main_colours_of_stripes_are_their_paints_in_order_of_width():
    """Five stripes of known colours and widths give these colours and shares."""
    colours, shares = palettes.main_colours(striped())
    assert np.abs(colours - palettes.lab(PAINTS)).max() < 0.5
    assert np.abs(shares - np.array([40, 30, 20, 15, 10]) / 115).max() < 0.03


def test_a_picture_of_one_colour_repeats_it():
    """Where there are fewer colours than asked for, the rest has share 0 and no colour is invented."""
    colours, shares = palettes.main_colours(np.full((9, 7, 3), 77, np.uint8))
    assert np.allclose(colours, palettes.lab(np.full(3, 77, np.uint8)), atol=0.1)
    assert shares.tolist() == [1, 0, 0, 0, 0]


def test_k_means_is_as_good_as_scikit_learns():
    """The sum of squares within clusters comes near that of scikit-learn with many starts."""
    from sklearn.cluster import KMeans

    generator = np.random.default_rng(3)
    points = np.concatenate([generator.normal(middle, 3, (80, 3)) for middle in ([0, 0, 0], [40, 0, 0], [0, 40, 0], [40, 40, 40])])
    centres, shares = palettes.clustered(points, 4)
    within = ((points[:, None] - centres) ** 2).sum(axis=-1).min(axis=1).sum()
    assert within < 1.02 * KMeans(4, n_init=5, random_state=0).fit(points).inertia_
    assert np.allclose(shares, 0.25, atol=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(5)))
def test_the_distance_of_palettes_is_the_best_pairing(seed, order):
    """Any order of the same colours is at distance 0; else the distance is the least over all pairings, and symmetric."""
    generator = np.random.default_rng(seed)
    one, other = generator.uniform(0, 100, (2, 5, 3))
    assert palettes.distance(one, one[list(order)]) == pytest.approx(0, abs=1e-9)
    least = min(np.sqrt(((one - other[list(pairing)]) ** 2).sum() / 5) for pairing in permutations(range(5)))
    assert palettes.distance(one, other) == pytest.approx(least)
    assert palettes.distance(one, other) == pytest.approx(palettes.distance(other, one))


def test_a_shifted_palette_is_as_far_away_as_it_was_shifted():
    """A palette whose colours all move by (3, 0, 4) is at distance 5, one picture or many."""
    one = palettes.lab(PAINTS)
    assert palettes.distance(one + np.array([3, 0, 4]), one) == pytest.approx(5, abs=1e-4)
    assert np.allclose(palettes.distance(np.stack([one, one + 1]), one), [0, 3**0.5], atol=1e-4)


def test_learned_palettes_are_those_the_groups_were_painted_with():
    """Pictures painted with four known palettes and some noise give these palettes back; distances point to the right group."""
    generator = np.random.default_rng(0)
    planted = generator.uniform([20, -50, -50], [90, 50, 50], (4, 5, 3))
    groups = np.repeat(range(4), 12)
    colours = planted[groups] + generator.normal(0, 1, (48, 5, 3))
    learned = palettes.learned(colours, groups)
    assert learned.shape == (4, 1, 5, 3)
    assert max(palettes.distance(learned[group, 0], planted[group]) for group in range(4)) < 1.5
    apart = palettes.only_closest(palettes.to_palettes(colours, learned))
    assert (apart[..., 0].argmin(axis=1) == groups).all()
    assert ((apart == palettes.FARTHEST).sum(axis=(1, 2)) == 3).all()
    assert len(palettes.described(learned)) == 20


def test_nothing_comes_near_a_group_without_pictures():
    """Fewer than four classes: the missing one's palette is as far away as can be, and is not in the table."""
    colours = np.random.default_rng(0).uniform(0, 60, (9, 5, 3))
    learned = palettes.learned(colours, np.repeat([0, 1, 3], 3))
    assert (palettes.to_palettes(colours, learned)[:, 2] == palettes.FARTHEST).all()
    assert sorted(set(palettes.described(learned)["group"])) == [0, 1, 3]


def test_a_group_of_two_looks_has_two_palettes():
    """With two palettes a group, each of two looks is learned; a mixture of both is not."""
    generator = np.random.default_rng(1)
    looks = generator.uniform([0, -50, -50], [0, 50, 50], (4, 2, 5, 3))
    looks[..., 0] = [15, 35, 55, 75, 95]  # noise changes no order from dark to light
    groups, which = np.repeat(range(4), 20), np.tile([0, 1], 40)
    colours = looks[groups, which] + generator.normal(0, 0.5, (80, 5, 3))
    learned = palettes.learned(colours, groups, each=2)
    assert all(min(palettes.distance(made, look) for made in learned[group]) < 1 for group in range(4) for look in looks[group])


def test_no_two_colours_are_as_far_apart_as_the_largest_distance():
    """The arbitrarily large distance is larger than any between colours of sRGB."""
    corners = palettes.lab(np.array(np.meshgrid(*[[0, 255]] * 3), np.uint8).reshape(3, -1).T)
    assert np.linalg.norm(corners[:, None] - corners, axis=-1).max() < palettes.FARTHEST


def test_palettes_that_cannot_be_are_refused():
    """Too few pictures of a group, unequal palettes and a count of 0 are named."""
    with pytest.raises(ParameterError, match="1 pictures of group 3"):
        palettes.learned(np.zeros((7, 5, 3)), [0, 0, 1, 1, 2, 2, 3], each=2)
    with pytest.raises(ParameterError, match="as many colours"):
        palettes.distance(np.zeros((5, 3)), np.zeros((4, 3)))
    with pytest.raises(ParameterError, match="count=0"):
        palettes.main_colours(striped(), 0)
