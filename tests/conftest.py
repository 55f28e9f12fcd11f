"""Fast tests first: whoever breaks something small hears of it within seconds. Fresh networks are the same in every run.

Where several processes share the tests, a file stays with one of them, and the longest file comes first, so that all end together.
"""

import sys

import pytest

SEED = 1
LONGEST = "test_reproduce.py"


@pytest.fixture(autouse=True)
def same_fresh_weights():
    """Seed Keras before each test that may build a network: by chance a small fresh one can be dead, whatever is tested on it."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(SEED)


def pytest_collection_modifyitems(config, items):
    shared = hasattr(config, "workerinput")
    items.sort(key=lambda item: (not (shared and item.path.name == LONGEST), item.get_closest_marker("slow") is not None))
