"""Pictures a second of which the thirteen features of the art-emotion study are measured, on two cores."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from lib.artworks import features, palettes, texture
from tests.benchmarks.timing import seconds

PICTURES, SIDE = 40, 256
A_SECOND = 40  # what is promised, on two cores
CORES = 2


def pictures() -> np.ndarray:
    """Return textured pictures of several colours."""
    generator = np.random.default_rng(0)
    relief = np.stack([texture.texture_map(hard, SIDE, seed) for seed, hard in enumerate(np.linspace(0, 1, PICTURES))])
    tint = generator.uniform(60, 200, (PICTURES, 1, 1, 3))
    return np.clip(tint + relief[..., None].astype(float) - 128, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("measure", texture.MEASURES)
def test_pictures_a_second(measure):
    """Brightness, texture and colour of pictures of 256 x 256: as many a second on two cores as promised."""
    shown, layout = pictures(), features.Layout(measure=measure)
    learned = palettes.learned(features.measured(shown, layout).colours, np.arange(PICTURES) % 4)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        halves = np.array_split(shown, CORES)
        with ThreadPoolExecutor(CORES) as pool:
            elapsed = seconds(lambda: [features.features(found, learned, layout)
                                       for found in pool.map(lambda half: features.measured(half, layout), halves)])  # fmt: skip
        alone = seconds(lambda: features.measured(shown[:10], layout)) / 10
    finally:
        cv2.setNumThreads(threads)
    print(f"\n{measure}: {PICTURES / elapsed:.0f} pictures a second on {CORES} threads, {1 / alone:.0f} on one; promised {A_SECOND}")
    assert PICTURES / elapsed >= A_SECOND
