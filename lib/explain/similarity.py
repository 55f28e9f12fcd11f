"""Explanations: do two networks look at the same places? Correlation of their heat maps, dendrograms, and how far both can be believed.

Maps of one expression are a stack (networks, 275, 224) on the standard face, in an order the caller knows. The study draws a dendrogram an
expression (Fig. 10) and reads two clusters off it, networks trained on ImageNet before and the others. Here a cluster also gets the
share of resamplings in which it comes back, and the split is tested against all other ways to divide the networks.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.cluster.hierarchy import cophenet, dendrogram, fcluster, linkage
from scipy.spatial.distance import squareform

from lib.compendium.errors import ParameterError, did_you_mean
from lib.compendium.figures import INK, LINES, plain

KINDS = ("as_published", "as_coded")
RESAMPLES = 500
EXACT = 20_000  # ways to divide the networks up to which all are counted; above, as many are drawn
COLOURS = {True: "#2b6f8f", False: "#b5482a"}
QUIET = "#7d8a94"


def correlations(maps: np.ndarray, kind: str = "as_published") -> np.ndarray:
    """Return the correlation of each two heat maps, float64 (n, n), 1 on the diagonal.

    maps: (n, h, w). kind: "as_published", Eq. 4, the cosine of the maps as they are, 0 to 1 for maps without negative values; "as_coded",
    Pearson's coefficient, -1 to 1, which the authors' program uses. differs from the paper: Eq. 4 takes no means away, and on maps that are
    nowhere negative it hardly falls below one half. A map that is all one value has a Pearson correlation of 0 with any other.
    Raises ParameterError for another kind, fewer than two maps, numbers that are not finite, or an empty map with "as_published".
    """
    if kind not in KINDS:
        raise ParameterError(f"Received the kind {kind!r}, expected one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    flat = _checked(maps).reshape(len(maps), -1)
    if kind == "as_coded":
        flat = flat - flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    if kind == "as_published" and not lengths.all():
        raise ParameterError(f"Received {int((lengths == 0).sum())} maps of zeros, which have no direction; leave them out.")
    unit = np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 0)
    result = np.clip(unit @ unit.T, -1, 1)
    np.fill_diagonal(result, 1)
    return (result + result.T) / 2


def _checked(maps) -> np.ndarray:
    maps = np.asarray(maps, np.float64)
    if maps.ndim != 3 or len(maps) < 2 or not maps[0].size or not np.isfinite(maps).all():
        raise ParameterError(f"Received maps {maps.shape}, or numbers that are not finite; expected two maps or more, (n, h, w).")
    return maps


# ---- clusters


def tree(correlation: np.ndarray) -> np.ndarray:
    """Return SciPy's linkage (n - 1, 4) of networks whose distance is 1 - correlation (n, n), by average linkage.

    The linkage is the authors' program's; not stated in the paper.
    """
    return linkage(squareform(1 - np.asarray(correlation), checks=False), "average")


def clusters(links: np.ndarray) -> list[frozenset[int]]:
    """Return the cluster that each step of a linkage (n - 1, 4) makes, as places of its networks; the last holds all."""
    found = [frozenset([place]) for place in range(len(links) + 1)]
    for first, second, *_ in links:
        found.append(found[int(first)] | found[int(second)])
    return found[len(links) + 1 :]


def cut(links: np.ndarray, count: int = 2) -> np.ndarray:
    """Return which of `count` clusters each network falls into, int (n,) from 0, numbered by their first network."""
    return pd.factorize(fcluster(links, count, "maxclust"))[0]


def joined_at(links: np.ndarray, members: Sequence[int]) -> float:
    """Return the height (1 - correlation) at which the given networks first lie in one cluster; others may lie in it as well."""
    distances = squareform(cophenet(links))
    return float(distances[np.ix_(members, members)].max())


def stability(units: np.ndarray, kind: str = "as_published", links: np.ndarray | None = None, *, paired: bool = True,
              resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:  # fmt: skip
    """Return how often each cluster of the dendrogram comes back when the units behind each network's map are drawn again.

    units: (networks, units, h, w), maps of single folds or pictures of one expression; a network's map is the mean over its units, and each
    resampling draws as many with replacement. links: the dendrogram whose clusters are looked for, by default that of the means. paired:
    draw the same units for all networks (folds are shared); switch it off where each network explained pictures of its own. With five
    folds a resampling is coarse: there are 126 different ones.
    Returns one row a cluster but the last: members (places, in order), height (1 - correlation), support (share of resamplings, 0 to 1).
    """
    units = np.asarray(units, np.float32)
    if units.ndim != 4 or units.shape[1] < 2 or resamples < 1:
        raise ParameterError(f"Received units {units.shape}, {resamples} resamplings; expected (networks, 2 or more, h, w), 1 or more.")
    _checked(units[:, 0])
    links = tree(correlations(units.mean(axis=1), kind)) if links is None else links
    known = clusters(links)[:-1]
    counts, generator = np.zeros(len(known)), np.random.default_rng(seed)
    crossed, (networks, size) = _crossed(units, kind), units.shape[:2]
    for _ in range(resamples):
        drawn = generator.multinomial(size, np.full(size, 1 / size), size=1 if paired else networks)
        again = set(clusters(tree(_weighted(crossed, np.broadcast_to(drawn, (networks, size))))))
        counts += [cluster in again for cluster in known]
    return pd.DataFrame({"members": [tuple(sorted(cluster)) for cluster in known], "height": links[:-1, 2], "support": counts / resamples})


def _crossed(units: np.ndarray, kind: str) -> np.ndarray:
    """Return the products of all maps of all units, (networks, units, networks, units): all that any weighted mean's correlation needs."""
    flat = units.reshape(*units.shape[:2], -1)
    if kind == "as_coded":
        flat = flat - flat.mean(axis=2, keepdims=True)
    rows = flat.reshape(-1, flat.shape[2]).astype(np.float64)
    return (rows @ rows.T).reshape(*units.shape[:2], *units.shape[:2])


def _weighted(crossed: np.ndarray, weights: np.ndarray) -> np.ndarray:
    products = np.einsum("iujv,iu,jv->ij", crossed, weights.astype(np.float64), weights.astype(np.float64), optimize=True)
    lengths = np.sqrt(np.diag(products))
    scale = np.outer(lengths, lengths)
    result = np.clip(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0), -1, 1)
    np.fill_diagonal(result, 1)
    return (result + result.T) / 2


# ---- the split


def split_test(correlation: np.ndarray, first: Sequence[bool], seed: int = 0) -> dict[str, float]:
    """Return whether networks of one group look more alike than networks of different groups, against all ways to divide them.

    correlation: (n, n); first: (n,) whether a network belongs to the first group (such as: trained on ImageNet before).
    `within` and `between`: mean correlation of pairs in one group, and of pairs across; `within_first`, `within_second`; `difference`:
    within - between; `p`: share of all divisions into groups of these sizes with at least this difference (the division itself among them;
    where there are more than EXACT, of as many drawn at random); `divisions`: how many were looked at; `cut_agrees`: 1 where cutting the
    dendrogram in two gives just these groups, else 0. With 4 of 12 the smallest p is 1 in 495.
    """
    correlation, first = np.asarray(correlation, np.float64), np.asarray(first, bool)
    count, size = len(first), int(first.sum())
    if correlation.shape != (count, count) or not 2 <= size <= count - 2:
        raise ParameterError(f"Received correlations {correlation.shape} and groups of {size} and {count - size}; expected (n, n) and two "
                             "groups of 2 or more.")  # fmt: skip
    upper = np.triu_indices(count, 1)
    pairs = correlation[upper]

    def difference(group: np.ndarray) -> float:
        same = group[upper[0]] == group[upper[1]]
        return pairs[same].mean() - pairs[~same].mean()

    observed, labels = difference(first), cut(tree(correlation))
    found = np.array([difference(group) for group in _divisions(count, size, seed)])
    both = {name: pairs[(first[upper[0]] == value) & (first[upper[1]] == value)].mean() for name, value in
            (("within_first", True), ("within_second", False))}  # fmt: skip
    same = first[upper[0]] == first[upper[1]]
    exact = comb(count, size) <= EXACT
    beyond = int(np.count_nonzero(found >= observed - 1e-12))
    return {
        "within": pairs[same].mean(), "between": pairs[~same].mean(), **both, "difference": observed,
        "p": beyond / len(found) if exact else (1 + beyond) / (1 + len(found)), "divisions": len(found),
        "cut_agrees": float(len(set(zip(labels, first, strict=True))) == 2),
    }  # fmt: skip


def _divisions(count: int, size: int, seed: int):
    """Yield groups, bool (count,) with `size` members: all of them, or EXACT drawn at random."""
    generator = np.random.default_rng(seed)
    drawn = (generator.permutation(count)[:size] for _ in range(EXACT))
    for members in combinations(range(count), size) if comb(count, size) <= EXACT else drawn:
        group = np.zeros(count, bool)
        group[list(members)] = True
        yield group


def split_table(stacks: Mapping[str, np.ndarray], first: Sequence[bool], kind: str = "as_published", seed: int = 0) -> pd.DataFrame:
    """Return `split_test` of each expression, one row each (column `expression`), and the heights at which the groups are whole.

    stacks: {expression: maps (n, h, w)}. Columns `height_first` and `height_second`: `joined_at` of the groups, the numbers that the study
    reads off its dendrograms (section 5.4).
    """
    rows = []
    for name, maps in stacks.items():
        correlation = correlations(maps, kind)
        links = tree(correlation)
        heights = {f"height_{word}": joined_at(links, np.flatnonzero(np.asarray(first, bool) == value)) for word, value in
                   (("first", True), ("second", False))}  # fmt: skip
        rows.append({"expression": name, **split_test(correlation, first, seed), **heights})
    return pd.DataFrame(rows)


# ---- figures


def dendrogram_figure(stacks: Mapping[str, np.ndarray], names: Sequence[str], first: Sequence[bool], kind: str = "as_published",
                      supports: Mapping[str, pd.DataFrame] | None = None, groups=("pre-trained", "not pre-trained"),
                      columns: int = 3) -> Figure:  # fmt: skip
    """Return a dendrogram for each expression (Fig. 10), networks in the colours of their group.

    stacks: {expression: maps (n, h, w)}; names: (n,) titles of the networks; first: (n,) who belongs to the first group; supports:
    {expression: table of `stability`}, made with this dendrogram's `links`, written at each cluster in per cent.
    """
    lines = -(-len(stacks) // columns)
    figure = Figure(figsize=(3.7 * columns, 0.22 * len(names) * lines + 0.9 * lines + 0.4), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True)
    trees = {name: tree(correlations(maps, kind)) for name, maps in stacks.items()}
    for axes, (name, links) in zip(grid.flat, trees.items(), strict=False):
        _dendrogram(axes, links, names, first, (supports or {}).get(name))
        axes.set_title(name, color=INK, fontsize=10)
    grid[0, 0].set_xlim(0, 1.07 * max(links[-1, 2] for links in trees.values()))  # shared by all panels: once, for the highest tree
    for axes in grid.flat[len(stacks) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("1 − correlation", color=INK, fontsize=9)
    marks = [Line2D([], [], ls="", marker="s", color=COLOURS[value], label=label)
             for value, label in zip((True, False), groups, strict=True)]  # fmt: skip
    figure.legend(handles=marks, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def _dendrogram(axes, links: np.ndarray, names, first, support: pd.DataFrame | None) -> None:
    drawn = dendrogram(links, orientation="right", no_plot=True)
    for heights, places in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        axes.plot(heights, places, color=INK, lw=1.1)
    leaves = drawn["leaves"]
    plain(axes, "x")
    axes.set_yticks([10 * place + 5 for place in range(len(leaves))], [names[leaf] for leaf in leaves], fontsize=8)
    for label, leaf in zip(axes.get_yticklabels(), leaves, strict=True):
        label.set_color(COLOURS[bool(first[leaf])])
    if support is not None:
        middles = _middles(links, {leaf: 10 * place + 5 for place, leaf in enumerate(leaves)})
        for row in support.itertuples():
            if (cluster := frozenset(row.members)) in middles:
                axes.text(row.height, middles[cluster], f" {100 * row.support:.0f}", fontsize=6.5, color=QUIET, va="bottom", ha="left")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_ylim(0, 10 * len(leaves))


def _middles(links: np.ndarray, leaves: Mapping[int, float]) -> dict[frozenset[int], float]:
    """Return where each cluster's line leaves it: half-way between those of the two it was made of. leaves: {network: its place}."""
    made, count = [frozenset([place]) for place in range(len(links) + 1)] + clusters(links), len(links) + 1
    middles = {made[leaf]: place for leaf, place in leaves.items()}
    for step, (first, second, *_) in enumerate(links):
        middles[made[count + step]] = (middles[made[int(first)]] + middles[made[int(second)]]) / 2
    return middles


def correlation_figure(correlation: np.ndarray, names: Sequence[str], first: Sequence[bool]) -> Figure:
    """Return the correlations (n, n) as a grid, networks in the dendrogram's order and the colours of their group."""
    order = dendrogram(tree(correlation), no_plot=True)["leaves"]
    figure = Figure(figsize=(0.36 * len(names) + 2.4, 0.36 * len(names) + 1.4), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(np.asarray(correlation)[np.ix_(order, order)], cmap="viridis", vmin=min(0, np.min(correlation)), vmax=1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(order)), [names[place] for place in order], fontsize=8)
        for label, place in zip(axis.get_ticklabels(), order, strict=True):
            label.set_color(COLOURS[bool(first[place])])
    axes.tick_params(axis="x", rotation=90)
    axes.tick_params(length=0)
    figure.colorbar(shown, ax=axes, shrink=0.7, label="correlation").outline.set_edgecolor(LINES)
    return figure

