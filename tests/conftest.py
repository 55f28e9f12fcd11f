"""Fast tests first: whoever breaks something small hears of it within seconds. Fresh networks are the same in every run."""

import sys

import pytest

SEED = 1


@pytest.fixture(autouse=True)
def same_fresh_weights():
    """Seed Keras before each test that may build a network: by chance a small fresh one can be dead, whatever is tested on it."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(SEED)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
