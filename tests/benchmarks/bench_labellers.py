"""What labelling costs: the study's 1,855 crops through all four labellers, and the real-time one beside the package that ships it.

The labellers are those of the `demo` profile, trained first where this machine has not kept them (not counted). For the peer:
`pip install --no-deps fer==25.10.3` with `requests` and a setuptools that has pkg_resources; without it, its line is left out.
"""

import contextlib
import time

import numpy as np
import pandas as pd
import pytest

from lib.compendium.parameters import effective
from lib.faces.crops import CROPS, LANDMARKS
from lib.labellers import members, panel, realtime
from lib.training.faces import atelier_faces

CROPS_OF_THE_STUDY = 1855
PROMISED = 600  # seconds on two cores


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Return a folder with as many crops as the study's, of 224 pixels, and their table: 350 prototypes, each several times lit anew."""
    folder, faces = tmp_path_factory.mktemp("crops"), atelier_faces(350, 200_000, 224, prototypes=True)
    light = np.random.default_rng(0).uniform(0.8, 1.0, CROPS_OF_THE_STUDY)  # no two crops are the same, so none is remembered
    rows = np.arange(CROPS_OF_THE_STUDY) % len(faces)
    np.save(folder / CROPS, np.stack([(faces.crops[row] * share).astype(np.uint8) for row, share in zip(rows, light, strict=True)]))
    np.save(folder / LANDMARKS, faces.landmarks[rows])
    table = pd.DataFrame({"face_id": [f"{number:016x}" for number in range(CROPS_OF_THE_STUDY)], "crop_index": range(CROPS_OF_THE_STUDY)})
    return table, folder


def test_all_four_over_the_studys_crops(crops, tmp_path, monkeypatch):
    """The four labellers, one after the other, each started afresh in its worker processes."""
    monkeypatch.setattr(panel, "FOLDER", tmp_path)
    seated, _ = members.prepared(members.panel_of(effective("03_labeller_agreement", "demo")))
    started = time.perf_counter()
    answers = panel.ask(*crops, seated)
    total = time.perf_counter() - started
    for row in answers.panel.itertuples():
        print(f"\n{row.labeller}: {row.seconds:.1f} s, {row.faces / row.seconds:.0f} crops a second", end="")
    print(f"\nall four: {total:.0f} s (promised: {PROMISED})")
    assert set(answers.panel["status"]) == {"ran"} and total < PROMISED


def test_mini_xception_beside_its_package(crops):
    """Our mini_XCEPTION with one view beside `fer`'s own pipeline without its detector, both on crops given as pictures, in one process."""
    with contextlib.suppress(ImportError):
        from fer.fer import FER

        peer = FER()
        table, folder = crops
        pictures, landmarks = np.load(folder / CROPS)[:256], np.load(folder / LANDMARKS)[:256]
        box = [(28, 28, 168, 168)]
        peer.detect_emotions(pictures[0], box), realtime.label_batch(pictures[:64], landmarks[:64], {"views": 1})
        started = time.perf_counter()
        theirs = [peer.detect_emotions(picture[..., ::-1].copy(), box)[0]["emotions"] for picture in pictures]
        between = time.perf_counter()
        ours = realtime.label_batch(pictures, landmarks, {"views": 1})
        ended = time.perf_counter()
        best = ours.drop(columns="reason").idxmax(axis=1)
        same = np.mean([max(one, key=one.get) == mine for one, mine in zip(theirs, best, strict=True)])
        print(f"\nours: {256 / (ended - between):.0f} crops a second, fer: {256 / (between - started):.0f}, "
              f"ratio of time {(ended - between) / (between - started):.3f}; same best expression on {same:.0%}")  # fmt: skip
        return
    pytest.skip("the package fer is not installed: nothing to compare with")
