"""Networks that look alike: against OpenCV's and SciPy's own numbers, planted clusters and splits, and what cannot be compared."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import linkage

from lib.compendium.errors import ParameterError
from lib.explain import published_maps, similarity
from lib.explain.ekman import EMOTIONS
from tests.explain import published

GROUPS = np.array([True] * 8 + [False] * 4)  # as the study's networks are divided


def planted(seed=0, noise=0.3, count=12, side=(22, 18)):
    """Return maps (count, h, w) of two groups, the first two thirds and the others, each like its own pattern but for noise."""
    generator = np.random.default_rng(seed)
    patterns = generator.random((2, *side))
    which = (np.arange(count) >= 2 * count // 3).astype(int)
    return np.clip(patterns[which] + noise * generator.normal(size=(count, *side)), 0, None)


# ---- correlations


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_correlations_are_opencvs(seed):
    """On bytes, both kinds are the two measures of template matching that the paper's equation and the authors' program stand for."""
    maps = np.random.default_rng(seed).integers(0, 256, (3, 21, 17), dtype=np.uint8)
    for kind, method in (("as_published", cv2.TM_CCORR_NORMED), ("as_coded", cv2.TM_CCOEFF_NORMED)):
        expected = [[cv2.matchTemplate(one, other, method)[0, 0] for other in maps] for one in maps]
        assert similarity.correlations(maps, kind) == pytest.approx(np.array(expected), abs=1e-5)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 50), st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_what_each_kind_ignores(seed, factor, shift):
    """Neither kind notices a factor; only Pearson's ignores what is added everywhere."""
    maps = np.random.default_rng(seed).random((2, 9, 8))
    moved = np.stack([maps[0], factor * maps[1] + shift])
    assert similarity.correlations(moved, "as_coded") == pytest.approx(similarity.correlations(maps, "as_coded"), abs=1e-9)
    moved[1] -= shift
    assert similarity.correlations(moved) == pytest.approx(similarity.correlations(maps), abs=1e-9)


def test_an_inverse_map_is_not_at_zero():
    """The paper says a map has correlation 0 with its inverse. By its equation that holds for black and white maps alone."""
    black_and_white = np.eye(8)
    assert similarity.correlations(np.stack([black_and_white, 1 - black_and_white]))[0, 1] == 0
    ramp = np.linspace(0, 1, 64).reshape(8, 8)
    pair = np.stack([ramp, 1 - ramp])
    assert similarity.correlations(pair)[0, 1] == pytest.approx(0.49, abs=0.01)
    assert similarity.correlations(pair, "as_coded")[0, 1] == pytest.approx(-1)


def test_flat_and_empty_maps():
    """A flat map has no Pearson correlation (0); a map of zeros has no direction and is refused where means stay in."""
    maps = np.stack([np.full((4, 4), 3.0), np.eye(4)])
    assert similarity.correlations(maps, "as_coded").tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ParameterError, match="1 maps of zeros"):
        similarity.correlations(np.stack([np.zeros((4, 4)), np.eye(4)]))


@pytest.mark.parametrize(("maps", "kind", "said"), [
    (np.zeros((1, 3, 3)), "as_coded", "two maps"), (np.full((2, 3, 3), np.nan), "as_coded", "finite"),
    (np.zeros((2, 9)), "as_coded", r"\(2, 9\)"), (np.ones((2, 3, 3)), "pearson", "'pearson'.*as_published, as_coded"),
])  # fmt: skip
def test_what_cannot_be_correlated(maps, kind, said):
    """One map, NaN, flat rows and an unknown kind are named."""
    with pytest.raises(ParameterError, match=said):
        similarity.correlations(maps, kind)


# ---- clusters


@pytest.mark.parametrize("kind", similarity.KINDS)
def test_the_tree_is_average_linkage_of_distances(kind):
    """The linkage is SciPy's on the condensed distances, pair by pair in the authors' order."""
    maps = planted(3)
    correlation = similarity.correlations(maps, kind)
    condensed = [1 - correlation[i, j] for i in range(12) for j in range(i + 1, 12)]
    assert similarity.tree(correlation) == pytest.approx(linkage(condensed, "average"))


def test_planted_groups_are_found():
    """Cut in two, the dendrogram gives the planted groups; the groups join where their cophenetic distances say."""
    links = similarity.tree(similarity.correlations(planted(), "as_coded"))
    assert similarity.cut(links).tolist() == [0] * 8 + [1] * 4
    made = similarity.clusters(links)
    assert made[-1] == frozenset(range(12)) and frozenset(range(8)) in made and frozenset(range(8, 12)) in made and len(made) == 11
    assert similarity.joined_at(links, range(12)) == links[-1, 2]
    assert similarity.joined_at(links, range(8)) == links[made.index(frozenset(range(8))), 2]
    assert similarity.joined_at(links, [2, 9]) == links[-1, 2]


def test_stable_and_chance_clusters():
    """Planted groups come back in every resampling; which networks of a group come together first does not."""
    units = np.stack([planted(seed, noise=0.5) for seed in (1, 1, 1, 1, 1)], axis=1)
    units = units + 0.4 * np.random.default_rng(5).random(units.shape)
    found = similarity.stability(units, "as_coded", resamples=60)
    support = dict(zip(found["members"], found["support"], strict=True))
    assert len(found) == 10 and found["height"].is_monotonic_increasing
    assert support[tuple(range(8))] == support[tuple(range(8, 12))] == 1 and found["support"].min() < 0.9
    assert found.equals(similarity.stability(units, "as_coded", resamples=60))
    others = similarity.tree(similarity.correlations(np.roll(units.mean(axis=1), 1, axis=0), "as_coded"))
    assert tuple(range(8)) not in similarity.stability(units, "as_coded", others, resamples=5)["members"].tolist()


@pytest.mark.parametrize("kind", similarity.KINDS)
@pytest.mark.parametrize("paired", [True, False])
def test_resampling_by_products_is_resampling_of_maps(kind, paired):
    """The shortcut through products of units gives the correlations that weighted means of the maps have."""
    generator = np.random.default_rng(2)
    units = generator.random((4, 3, 7, 6)).astype(np.float32)
    weights = np.broadcast_to(generator.integers(1, 4, (1 if paired else 4, 3)), (4, 3))
    means = np.einsum("nuhw,nu->nhw", units, weights)
    shortcut = similarity._weighted(similarity._crossed(units, kind), weights)
    assert shortcut == pytest.approx(similarity.correlations(means, kind), abs=1e-6)
    assert len(similarity.stability(units, kind, paired=paired, resamples=3)) == 2


def test_too_few_units():
    """One unit cannot be drawn again."""
    with pytest.raises(ParameterError, match=r"\(3, 1, 4, 4\)"):
        similarity.stability(np.ones((3, 1, 4, 4)))


# ---- the split


def test_a_planted_split_has_the_smallest_p():
    """Of all 495 divisions into 8 and 4 the planted one stands out alone, and cutting the dendrogram gives it."""
    correlation = similarity.correlations(planted(), "as_coded")
    found = similarity.split_test(correlation, GROUPS)
    assert found["divisions"] == 495 and found["p"] == 1 / 495 and found["cut_agrees"] == 1
    same = np.equal.outer(GROUPS, GROUPS) & ~np.eye(12, dtype=bool)
    assert found["within"] == pytest.approx(correlation[same].mean())
    assert found["between"] == pytest.approx(correlation[~np.equal.outer(GROUPS, GROUPS)].mean())
    assert found["difference"] == pytest.approx(found["within"] - found["between"])
    assert found["within_first"] == pytest.approx(correlation[:8, :8][np.triu_indices(8, 1)].mean())
    assert similarity.split_test(correlation, ~GROUPS)["difference"] == pytest.approx(found["difference"])


def test_without_a_split_p_is_even():
    """For networks that all look at the same, p is spread evenly: a twentieth lies below .05."""
    drawn = [similarity.split_test(similarity.correlations(np.random.default_rng(seed).random((8, 6, 6)), "as_coded"),
                                   [True] * 4 + [False] * 4)["p"] for seed in range(120)]  # fmt: skip
    assert 0.4 < np.mean(drawn) < 0.62 and np.mean(np.array(drawn) <= 0.05) < 0.12


def test_many_networks_are_divided_at_random(monkeypatch):
    """Above EXACT divisions, as many are drawn, and the division itself counts as one of them."""
    monkeypatch.setattr(similarity, "EXACT", 200)
    found = similarity.split_test(similarity.correlations(planted(), "as_coded"), GROUPS, seed=1)
    assert found["divisions"] == 200 and 1 / 201 <= found["p"] <= 4 / 201


@pytest.mark.parametrize("first", [[True] * 11 + [False], [True] * 12, [True] * 5])
def test_groups_that_cannot_be_compared(first):
    """A group of one has no pairs, and the groups must be as many as the networks."""
    with pytest.raises(ParameterError, match="groups of"):
        similarity.split_test(np.eye(12), first)


# ---- the authors' own maps


def test_the_published_dendrograms():
    """As in the paper, the pre-trained networks form a cluster for four expressions, at the heights read off there (section 5.4)."""
    found = published.real()
    first = [network in published_maps.PRETRAINED for network in published_maps.NETWORKS]
    table = similarity.split_table({name: found.stack(name) for name in EMOTIONS}, first, "as_coded").set_index("expression")
    assert table.index[table["cut_agrees"] == 1].tolist() == ["disgust", "happy", "sad", "surprise"]
    printed = {"disgust": (0.2, 0.35), "happy": (0.05, 0.2), "sad": (0.15, 0.25), "surprise": (0.2, 0.5)}
    for name, heights in printed.items():
        assert table.loc[name, ["height_first", "height_second"]].to_numpy(float) == pytest.approx(heights, abs=0.05)
    assert (table["p"] == 1 / 495).all()
    by_equation = similarity.split_table({"surprise": found.stack("surprise")}, first).iloc[0]
    assert by_equation["height_second"] < 0.25  # half of what the paper has: it drew Pearson's coefficient, not Eq. 4


# ---- figures


def test_dendrograms_and_grids_are_drawn():
    """A panel an expression, names in the colours of their group, support beside the clusters of the dendrogram that is drawn."""
    stacks = {name: planted(seed) for seed, name in enumerate(("fear", "sad", "happy", "angry"))}
    names = [f"net {place}" for place in range(12)]
    support = {"fear": similarity.stability(np.stack([stacks["fear"]] * 3, axis=1), "as_coded", resamples=4)}
    figure = similarity.dendrogram_figure(stacks, names, GROUPS, "as_coded", support)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == list(stacks) and len(shown[0].texts) == 10 and not shown[1].texts
    colours = {label.get_text(): label.get_color() for label in shown[0].get_yticklabels()}
    assert colours["net 0"] == similarity.COLOURS[True] and colours["net 11"] == similarity.COLOURS[False]
    grid = similarity.correlation_figure(similarity.correlations(stacks["sad"]), names, GROUPS)
    assert sorted(label.get_text() for label in grid.axes[0].get_yticklabels()) == sorted(names)


def test_no_dendrogram_is_cut_off():
    """Panels share one axis, and the highest tree fits into it, whichever panel it is in."""
    generator = np.random.default_rng(3)
    same, apart = np.repeat(generator.random((1, 12, 10)), 4, axis=0), generator.random((4, 12, 10))
    apart[0] = 1 - apart[1]  # joined at 1 and more
    low = same + 0.05 * generator.random((4, 12, 10))
    stacks = {"low": low, "high": apart}
    figure = similarity.dendrogram_figure(stacks, list("abcd"), [True, True, False, False], "as_coded")
    heights = [similarity.tree(similarity.correlations(stack, "as_coded"))[-1, 2] for stack in stacks.values()]
    assert heights[1] > 3 * heights[0]
    for axes in figure.axes[:2]:
        left, right = axes.get_xlim()
        assert left == 0 and right > heights[1]
