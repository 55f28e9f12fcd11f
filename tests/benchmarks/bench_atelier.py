"""How real the atelier's synthetic faces are to detectors and networks, and what a picture costs: on seeds kept for reporting.

`lib.faces.realism` says what is measured and why. COMPENDIUM_BENCH_SHARE=0.3 takes part of the pictures; COMPENDIUM_BENCH_SEED=70000
takes other seeds. Nothing fails on a missed target: the table is the result.
"""

import os

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from lib.collections import atelier
from lib.faces import evaluate, realism
from lib.faces.detectors import mtcnn

SHARE = float(os.environ.get("COMPENDIUM_BENCH_SHARE", "1"))
SEED = int(os.environ.get("COMPENDIUM_BENCH_SEED", str(realism.REPORTING)))


def show(rows) -> None:
    table = Table("measure", "of", "value", "target", "met")
    for measure, group, value, target, met in rows:
        table.add_row(measure, group, f"{value:.3f}", target, "" if met is None else "yes" if met else "NO")
    Console(width=130).print(table)


@pytest.mark.parametrize("name", realism.MEASURES)
def test_realism(name):
    """Detectors, landmarks, an expression network and a linear read-out on fresh faces."""
    show(realism.MEASURES[name](SHARE, SEED))


def test_traditions_as_they_come():
    """MTCNN on every tradition with its damage, groups, turns and empty pictures: recall, and false faces a picture."""
    rows = []
    for name in atelier.names()[1:]:
        true, met, false, pictures = 0, 0, 0, max(7, int(30 * SHARE))
        for spec in atelier.collection(name, pictures, SEED):
            piece = atelier.sculpt(spec, realism.SIDE)
            found = [face["box"] for face in mtcnn(piece.picture) if face["confidence"] > realism.SURE]
            boxes = [face["box"] for face in piece.truth["faces"]]
            hits = len(evaluate.match(found, boxes, realism.MEETS))
            true, met, false = true + len(boxes), met + hits, false + len(found) - hits
        rows += [("MTCNN recall", name, met / max(1, true), "", None), ("false faces a picture", name, false / pictures, "", None)]
    show(rows)


def test_cost_and_memory(tmp_path):
    """Pictures a second of processor time on two cores, and the memory that many pictures take (it must not grow with their number)."""
    import psutil

    show(realism.cost(SHARE, SEED))
    process, grown = psutil.Process(), []
    for total in (100, 400):
        for spec in atelier.collection("sculpture", int(total * max(SHARE, 0.2)), SEED + 1):
            atelier.sculpt(spec, realism.SIDE)
        grown.append(process.memory_info().rss / 2**20)
    show([(f"MiB of memory after {total} more pictures", "this process", value, "at most 1536", bool(value < 1536))
          for total, value in zip((100, 400), grown, strict=True)])  # fmt: skip
    assert np.diff(grown)[0] < 200
