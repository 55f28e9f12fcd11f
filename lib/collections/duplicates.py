"""Collections: finds the same picture twice, byte for byte or nearly (another size, another compression)."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

PAIRS_AT_ONCE = 2_000_000  # bounds memory: about 50 MB however many pictures there are
FEWEST_BITS = 8  # a hash with fewer (or all but fewer) bits set belongs to a flat or plainly shaded picture


def exact_duplicates(files: list[str], sha256: list[str]) -> list[str | None]:
    """Return for each file the first file (in sorted order of names) with the same bytes, or None if it is itself the first.

    Files without a hash ("" or None: unreadable) are duplicates of nothing.
    """
    originals = {}
    for file, digest in sorted(zip(files, sha256, strict=True)):
        if digest:
            originals.setdefault(digest, file)
    return [None if not digest or originals[digest] == file else originals[digest] for file, digest in zip(files, sha256, strict=True)]


def near_duplicate_labels(hashes: list[str], distance: int = 4, same: list[str] | None = None) -> np.ndarray:
    """Return an integer label per picture; pictures chained by perceptual hashes at most `distance` bits apart share one.

    `hashes` are 16 hexadecimal digits, or "" for pictures that can be like no other (broken, blank). With `same`, pictures
    with an equal non-empty entry (a content hash) share a label too. Labels are the position of the first picture of the group.
    """
    values = np.array([int(text, 16) if text else 0 for text in hashes], dtype=np.uint64)
    bits = np.bitwise_count(values)
    usable = np.flatnonzero((bits >= FEWEST_BITS) & (bits <= 64 - FEWEST_BITS))
    labels = np.arange(len(hashes))
    if same is not None:
        first = {}
        labels = np.array([first.setdefault(digest, place) if digest else place for place, digest in enumerate(same)], dtype=int)
    unique, inverse = np.unique(values[usable], return_inverse=True)
    groups = _connected(unique, distance)[inverse]
    return _merge(labels, usable, groups)


def hamming_distance(first: str, second: str) -> int | None:
    """Return the number of bits (0 to 64) two perceptual hashes differ in; None if either is empty."""
    return (int(first, 16) ^ int(second, 16)).bit_count() if first and second else None


def _connected(values: np.ndarray, distance: int) -> np.ndarray:
    """Return a group number per distinct hash value. Found groups are folded together chunk by chunk, so memory stays linear."""
    labels = np.arange(len(values))
    rows = max(1, PAIRS_AT_ONCE // max(1, len(values)))
    for start in range(0, len(values), rows):
        near = np.bitwise_count(values[start : start + rows, None] ^ values[None, start:]) <= distance
        first, second = np.nonzero(near)
        labels = _components(labels, labels[first + start], labels[second + start])
    return labels


def _components(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    size = len(labels)
    graph = coo_matrix((np.ones(len(first), dtype=bool), (first, second)), shape=(size, size))
    return connected_components(graph, directed=False)[1][labels] if size else labels


def _merge(labels: np.ndarray, usable: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Join two partitions (labels of all, groups of the usable) and name each group by its first place."""
    count = len(labels)
    if not count:
        return labels
    nodes = count + int(groups.max(initial=-1)) + 1
    first = np.concatenate([np.arange(count), usable])
    second = np.concatenate([labels, count + groups])
    graph = coo_matrix((np.ones(len(first), dtype=bool), (first, second)), shape=(nodes, nodes))
    parts = connected_components(graph, directed=False)[1][:count]
    firsts = np.full(parts.max() + 1, count)
    np.minimum.at(firsts, parts, np.arange(count))
    return firsts[parts]
