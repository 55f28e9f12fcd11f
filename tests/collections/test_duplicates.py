"""Repeated pictures are found by content and by look, the first in order is the original, and memory stays small."""

import itertools

import imagehash
import numpy as np
import pytest
from PIL import Image

from lib.collections.duplicates import exact_duplicates, hamming_distance, near_duplicate_labels
from tests.collections.making import scene


def test_the_first_name_is_the_original():
    """Of equal files the first in sorted order is kept, whatever order they come in; unreadable ones repeat nothing."""
    assert exact_duplicates(["c", "a", "b", "d", "e"], ["1", "1", "2", "", ""]) == ["a", None, None, None, None]


def test_distance_is_imagehash_distance():
    """Hamming distance equals the library's own subtraction."""
    first, second = (imagehash.phash(Image.fromarray(scene(seed=seed))) for seed in (1, 2))
    assert hamming_distance(str(first), str(second)) == first - second
    assert hamming_distance("", str(first)) is None


@pytest.mark.parametrize("distance", [0, 4, 10])
def test_groups_are_those_of_the_definition(distance):
    """Labels equal the connected groups found by comparing all pairs one by one."""
    generator = np.random.default_rng(3)
    base = [int(value) for value in generator.integers(0, 2**63, 12)]
    values = [value ^ sum(1 << int(bit) for bit in set(generator.integers(0, 64, 5))) for value in base for _ in range(8)]
    hashes = [f"{value:016x}" for value in values]
    labels = list(range(len(hashes)))
    for _ in hashes:  # spread the smallest label along close pairs until nothing changes
        before = labels[:]
        for one, other in itertools.combinations(range(len(hashes)), 2):
            if bin(values[one] ^ values[other]).count("1") <= distance:
                labels[one] = labels[other] = min(labels[one], labels[other])
        if labels == before:
            break
    assert near_duplicate_labels(hashes, distance).tolist() == labels


def test_flat_and_broken_pictures_stay_alone():
    """Pictures without a hash, or with the hash of a flat picture, are near nothing, unless their bytes are equal."""
    hashes = ["", "", "0000000000000000", "8000000000000000", "ffffffffffffffff", "ffffffffffffffff"]
    assert near_duplicate_labels(hashes).tolist() == [0, 1, 2, 3, 4, 5]
    assert near_duplicate_labels(hashes, same=["x", "x", "y", "z", "", ""]).tolist() == [0, 0, 2, 3, 4, 5]


def test_none_and_one_picture():
    """No picture and one picture are no special case."""
    assert near_duplicate_labels([]).tolist() == []
    assert near_duplicate_labels(["00ff00ff00ff00ff"]).tolist() == [0]


def test_twenty_thousand_alike_fit_into_memory():
    """Even if all pictures are alike, groups are folded together chunk by chunk."""
    hashes = ["00ff00ff00ff00ff", "00ff00ff00ff00fe"] * 10_000
    generator = np.random.default_rng(0)
    hashes += [f"{0x5555555555555555 ^ (1 << int(a)) ^ (1 << int(b)):016x}" for a, b in generator.integers(0, 64, (3000, 2))]
    labels = near_duplicate_labels(hashes, 6)
    assert set(labels[:20_000]) == {0} and set(labels[20_000:]) == {20_000}
