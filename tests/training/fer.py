"""Small pictures for the tests of the LIME study: bright squares at a place for each expression, and people who pose all six."""

import json

import numpy as np
import pandas as pd

from lib.compendium import fingerprints
from lib.expressions import ORDERS
from lib.training import fer_pictures

EMOTIONS = ORDERS["lime_ekman"]


def marks_of(side, left=0.3, top=0.35, right=0.7, bottom=0.85):
    """Return landmarks (68, 2) that fill a rectangle, given as shares of the side, corners included."""
    points = np.random.default_rng(5).random((68, 2))
    points[[27, 28]] = (0, 0), (1, 1)
    return (side * (np.array([left, top]) + points * np.array([right - left, bottom - top]))).astype(np.float32)


def posing(folder, people=10, side=32, corpora=("one",), seed=0):
    """Write pictures in which each expression is a bright square at a place of its own, and return them as the study opens them."""
    rng, folder = np.random.default_rng(seed), folder / "pictures"
    folder.mkdir(parents=True)
    count, places = people * 6, [(4, 4), (4, 20), (20, 4), (20, 20), (12, 12), (4, 12)]
    grey = rng.integers(0, 60, (count, side, side))
    for number in range(count):
        down, across = places[number % 6]
        grey[number, down:down + 8, across:across + 8] += 180
    table = pd.DataFrame({
        "face_id": [f"f{number:04d}" for number in range(count)], "file": [f"{number}.png" for number in range(count)],
        "subject": [f"p{number // 6:02d}" for number in range(count)], "expression": [EMOTIONS[number % 6] for number in range(count)],
        "corpus": [corpora[(number // 6) % len(corpora)] for number in range(count)],
    })  # fmt: skip
    np.save(folder / fer_pictures.GREY, grey.astype(np.uint8))
    np.save(folder / fer_pictures.LANDMARKS, np.stack([marks_of(side)] * count))
    table.to_parquet(folder / fer_pictures.TABLE, index=False)
    pd.DataFrame(columns=["file", "reason"], dtype=str).to_parquet(folder / fer_pictures.LEFT_OUT, index=False)
    about = {"settings": {}, "synthetic": True, "digest": fingerprints.digest(table.to_csv() + str(seed))}
    (folder / "record.json").write_text(json.dumps(about))
    return fer_pictures.opened(folder)
