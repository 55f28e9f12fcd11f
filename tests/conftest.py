"""Fast tests first: whoever breaks something small hears of it within seconds."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
