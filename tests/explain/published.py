"""Published heat maps for tests: the authors' own where the environment says so, else a made-up set in their layout with known overlaps."""

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from lib.explain import published_maps
from lib.explain.ekman import EMOTIONS, SHAPE

VARIABLE = "FACES_EKMAN_MAPS"


def real() -> published_maps.Published:
    """Return the authors' maps from the folder that the environment names, or skip the test."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} names no folder with the published heat maps")
    return published_maps.load(folder)


def rectangle(top, bottom, low=0, high=255):
    """Return a picture of two values: `high` in rows from top to below bottom, in the left half."""
    picture = np.full(SHAPE, low, np.uint8)
    picture[top:bottom, :112] = high
    return picture


def made(folder: Path) -> pd.DataFrame:
    """Write 444 files in the authors' layout and return their list. Masks are rows 100 to 200; overlaps follow from `rows_of`."""
    rows = []
    for name in published_maps.pinned()["file"]:
        word = Path(name).name
        if "GROUND_TRUTH" in name:
            picture = cv2.cvtColor(rectangle(100, 200), cv2.COLOR_GRAY2BGR)
        else:
            picture = rectangle(*rows_of(word), low=10, high=200)
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        content = cv2.imencode(".png", picture)[1].tobytes()
        place.write_bytes(content)
        rows.append((name, len(content), hashlib.sha256(content).hexdigest()))
    return pd.DataFrame(rows, columns=["file", "bytes", "sha256"])


def rows_of(word: str) -> tuple[int, int]:
    """Return the rows that a made-up map marks: each network, fold and expression its own."""
    networks = [f"{name}_" for name in published_maps.NETWORKS.values()]
    network = next((place for place, name in enumerate(networks) if word.startswith(name)), 0)
    fold = next((fold for fold in published_maps.FOLDS if f"_CV{fold}_" in word), 0)
    expression = next(place for place, name in enumerate(EMOTIONS) if published_maps.WORDS[name] in word)
    return 100 + 2 * network + 5 * fold, 200 + expression


def iou_of(network: int, fold: int, expression: int) -> float:
    """Return the IoU of a made-up map with its mask: rows in common over rows in either."""
    start, end = 100 + 2 * network + 5 * fold, 200 + expression
    return (200 - start) / (end - 100)
