"""A small world for tests of the LIME study: bright squares say the expression, others say nothing, and one network knows them by heart."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib.compendium import fingerprints
from lib.explain import standardise
from lib.explain.lime_parameters import LimeEkmanParameters
from lib.expressions import ORDERS
from lib.faces.detectors import silent
from lib.training import fer_pictures, fer_study

with silent():
    import keras
    from keras import layers

EMOTIONS = ORDERS["lime_ekman"]
SIDE, CELL = 32, 8
CELLS = [(down, across) for down in range(0, SIDE, CELL) for across in range(0, SIDE, CELL)]
TELLING = [1, 7, 4, 10, 13, 15]  # the cell of each expression; a square in any other says nothing
MARKS = (standardise.STANDARD / (standardise.WIDTH, standardise.HEIGHT) * SIDE).astype(np.float32)  # a crop maps on the canvas as it is
BROKEN, HALF = "songnet", "alexnet"  # `job` cannot train these; the latter it can, with shuffled labels


def wanted(**changes) -> LimeEkmanParameters:
    """Return settings in which everything is quick."""
    small = {"networks": ["weinet"], "folds": 2, "side": SIDE, "width": 0.25, "epochs": 12, "rate": 1e-3, "batch": 16, "copies": 0,
             "schedule": "falling", "weights": "none", "per_expression": 3, "samples": 80, "segments": 16, "stream": "sobol", "again": 4,
             "draws": 100}  # fmt: skip
    return LimeEkmanParameters(**{"twins": 0} | small | changes)


def pictures(folder: Path, people: int = 8, unmarked: int | None = None) -> fer_pictures.Pictures:
    """Write people who show the six expressions and return them as the study opens them. Row `unmarked` has no landmarks.

    Each picture has a square in the cell of its expression and four in cells that say nothing.
    """
    rng, count, folder = np.random.default_rng(0), people * 6, folder / "pictures"
    folder.mkdir(parents=True)
    silent_cells = [cell for number, cell in enumerate(CELLS) if number not in TELLING]
    grey = rng.integers(0, 60, (count, SIDE, SIDE))
    for number, picture in enumerate(grey):
        others = [silent_cells[place] for place in rng.permutation(len(silent_cells))[:4]]
        for down, across in [CELLS[TELLING[number % 6]], *others]:
            picture[down:down + CELL, across:across + CELL] += 180
    marks = np.stack([MARKS] * count)
    marks[[] if unmarked is None else unmarked] = np.nan
    table = pd.DataFrame({
        "face_id": [f"f{(7 * number) % count:04d}" for number in range(count)], "file": [f"{number}.png" for number in range(count)],
        "subject": [f"p{number // 6:02d}" for number in range(count)], "expression": [EMOTIONS[number % 6] for number in range(count)],
        "corpus": "one",
    })  # fmt: skip
    np.save(folder / fer_pictures.GREY, grey.astype(np.uint8))
    np.save(folder / fer_pictures.LANDMARKS, marks)
    table.to_parquet(folder / fer_pictures.TABLE, index=False)
    pd.DataFrame(columns=["file", "reason"], dtype=str).to_parquet(folder / fer_pictures.LEFT_OUT, index=False)
    about = {"settings": {}, "synthetic": False, "digest": fingerprints.digest(table.to_csv() + str(unmarked))}
    (folder / "record.json").write_text(json.dumps(about))
    return fer_pictures.opened(folder)


def masks() -> dict[str, np.ndarray]:
    """Return where each expression's square lies on the standard face, bool (275, 224)."""
    found = {}
    for name, number in zip(EMOTIONS, TELLING, strict=True):
        (down, across), scale = CELLS[number], np.array([standardise.HEIGHT, standardise.WIDTH]) / SIDE
        rows, columns = (np.round(np.array([start, start + CELL]) * each).astype(int) for start, each in zip((down, across), scale,
                         strict=True))  # fmt: skip
        found[name] = np.zeros((standardise.HEIGHT, standardise.WIDTH), bool)
        found[name][slice(*rows), slice(*columns)] = True
    return found


def network(turned: int = 0) -> keras.Model:
    """Return a network that tells each expression by its square; turned: it takes each for the one so many places on."""
    picture = layers.Input((SIDE, SIDE, 3), name="picture")
    bright = layers.Conv2D(1, CELL, strides=CELL, activation="relu", name="bright")(picture)
    model = keras.Model(picture, layers.Dense(6, activation="softmax", name="expression")(layers.Flatten()(bright)))
    model.get_layer("bright").set_weights([np.full((CELL, CELL, 3, 1), 1 / 192, np.float32), np.float32([-100])])
    weights = np.zeros((16, 6), np.float32)
    for number, cell in enumerate(TELLING):
        weights[cell, (number + turned) % 6] = 0.03
    model.get_layer("expression").set_weights([weights, np.zeros(6, np.float32)])
    return model


def job(item: dict, settings: dict) -> dict:
    """Take the place of `fer_study.train_job`: the network known by heart, or one turned for shuffled labels."""
    if item["network"] == BROKEN or (item["network"] == HALF and not item["shuffled"]):
        raise ValueError("no weights to be had")
    opened = fer_pictures.opened(Path(settings["pictures"]))
    model, tested = network(1 if item["shuffled"] else 0), np.array(settings["tested"])
    folder = opened.folder.parent / f"{item['network']}-{item['fold']}{'-shuffled' * item['shuffled']}"
    folder.mkdir(exist_ok=True)
    model.save(folder / fer_study.MODEL)
    said = np.array(EMOTIONS)[np.asarray(model(opened.at(SIDE)[0].astype(np.float32))).argmax(axis=1)]
    table = opened.table[["face_id", "corpus", "subject", "expression"]].assign(predicted=said, network=item["network"], fold=item["fold"])
    table.assign(part=np.where(tested == item["fold"], "test", "train")).to_parquet(folder / fer_study.PREDICTIONS, index=False)
    pd.DataFrame({"epoch": [1]}).to_parquet(folder / fer_study.HISTORY, index=False)
    (folder / "record.json").write_text("{}")
    return {"folder": str(folder), "parameters": model.count_params(), "epochs": 1, "accuracy": 1.0}
