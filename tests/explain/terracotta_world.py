"""A small world for the tests of notebook 07: warriors and living people of noise, whose grey level tells the expression; a tiny pair."""

import numpy as np
import pandas as pd

from lib.explain.terracotta_parameters import TerracottaParameters
from lib.explain.terracotta_study import CUT, Data
from lib.expressions import EXPRESSIONS
from lib.training import warriors
from lib.training.faces import UNIT_COLUMNS, TrainingFaces

SMALL = {"each": 10, "side": 34, "width": 0.125, "epochs": 1, "rate": 1e-3, "columns": 3, "steps": 2, "similar": 10, "bootstrap": 50,
         "folds": 2, "gan": "small", "ways": ["none", "gan"]}  # fmt: skip
STEP = 30  # of grey from one expression to the next


def wanted(**changes) -> TerracottaParameters:
    return TerracottaParameters(**SMALL | changes)


def people(count: int, name: str, side: int = CUT, seed: int = 0, postures: bool = False) -> TrainingFaces:
    """Return faces of as many people, expressions in turn, Action Units drawn."""
    generator = np.random.default_rng([seed, len(name)])
    expressions = [EXPRESSIONS[number % 7] for number in range(count)]
    grey = np.array([EXPRESSIONS.index(one) * STEP for one in expressions])[:, None, None, None]
    crops = (grey + generator.integers(0, 20, (count, side, side, 3))).astype(np.uint8)
    table = pd.DataFrame({"face_id": [f"{name}-{number}" for number in range(count)], "set": name, "file": "",
                          "subject": [f"{name} person {number}" for number in range(count)], "expression": expressions,
                          **{unit: generator.uniform(0, 5, count) for unit in UNIT_COLUMNS},
                          "posture": [list(warriors.POSTURES)[number % 5] if postures else "" for number in range(count)],
                          **{one: [float(one == shown) for shown in expressions] for one in EXPRESSIONS}})  # fmt: skip
    return TrainingFaces(crops, np.full((count, 68, 2), np.nan, np.float32), table)


def data(real=frozenset()) -> Data:
    sets = {name: people(14, name, postures=name == "postures") for name in warriors.SETS}
    return Data(people(28, "living"), people(14, "tested", 2 * CUT), sets, frozenset(real), "made up")


class Grey:
    """A classifier that tells an expression by the grey level, right on all pictures of this world."""

    model = None

    def says(self, crops, batch=32):
        level = np.clip(np.round((crops.reshape(len(crops), -1).mean(axis=1) - 10) / STEP), 0, 6).astype(int)
        return np.array(EXPRESSIONS, object)[level]


def sheets(count: int = 14, columns: int = 3, side: int = 34) -> np.ndarray:
    """Return generated faces (count, 7, columns, side, side, 3): each source's own noise, and a little more of the expression a column."""
    generator = np.random.default_rng(3)
    own = generator.integers(0, 40, (count, 1, 1, side, side, 3))
    grey = np.arange(7)[None, :, None, None, None, None] * np.arange(1, columns + 1)[None, None, :, None, None, None] * 8
    return (own + grey).astype(np.uint8)
