"""Small pictures for the tests of the collections room, made on the spot."""

from pathlib import Path

import numpy as np
from PIL import Image


def scene(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """Return a smooth coloured picture, uint8 RGB, with no two sides alike, so that any wrong turn shows."""
    generator = np.random.default_rng(seed)
    small = Image.fromarray(generator.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, seed: int = 0, height: int = 60, width: int = 80, **options) -> Path:
    """Save a scene under a path (its folder is made) and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(height, width, seed)).save(path, **options)
    return path


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference of two pictures in grey levels; infinite if their shapes differ."""
    if first.shape != second.shape:
        return float("inf")
    return float(np.abs(first.astype(int) - second.astype(int)).max())
