"""Training against its bounds: the same compiled step fed with one resident batch, and memory with few and many pictures on disk.

COMPENDIUM_BENCH_NETWORKS="mobilenet,vgg16" and COMPENDIUM_BENCH_SIDE=224 take other networks and pictures (on a GPU, say, with
KERAS_BACKEND=jax); COMPENDIUM_BENCH_WIDTH=1 the published width. Nothing fails on a missed target: the numbers are the result.
"""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from lib.compendium.places import ROOT
from lib.faces.detectors import silent
from lib.training import data, regime
from lib.training.parameters import TrainingParameters

with silent():
    import keras

NETWORKS = os.environ.get("COMPENDIUM_BENCH_NETWORKS", "mobilenet,vgg16,custom").split(",")
SIDE = int(os.environ.get("COMPENDIUM_BENCH_SIDE", "64"))
WIDTH = float(os.environ.get("COMPENDIUM_BENCH_WIDTH", "0.5"))
PICTURES = int(os.environ.get("COMPENDIUM_BENCH_PICTURES", "1920"))
ROUNDS = 5


def stack(path, count: int, side: int):
    """Write made-up crops a few at a time and return them memory-mapped."""
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, side, side, 3))
    rng = np.random.default_rng(0)
    for start in range(0, count, 500):
        made[start:start + 500] = rng.integers(0, 256, made[start:start + 500].shape, dtype=np.uint8)
    made.flush()
    del made
    return np.load(path, mmap_mode="r")


def target(count: int) -> np.ndarray:
    return np.eye(7, dtype=np.float32)[np.arange(count) % 7]


def resident(network: keras.Model, batch: tuple, steps: int) -> float:
    """Return the seconds of `steps` steps of a compiled network on one batch that is already where it runs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        given = tensorflow.data.Dataset.from_tensors(batch).cache().repeat(steps)
    else:
        given = ((batch[0], batch[1]) for _ in range(steps))
    started = time.perf_counter()
    network.fit(given, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
    return time.perf_counter() - started


@pytest.mark.parametrize("augmentation", ["none", "faces"])
@pytest.mark.parametrize("name", NETWORKS)
def test_feeding_from_disk_against_one_resident_batch(tmp_path, name, augmentation):
    """Pictures a second of an epoch read from disk, shuffled and with its draws, over those of the same step on one batch (≥ .95)."""
    wanted = TrainingParameters(backbone=name, side=SIDE, width=WIDTH, weights="none", augmentation=augmentation)
    pictures = data.Rows(stack(tmp_path / "crops.npy", PICTURES, SIDE), range(PICTURES))
    network = regime.compiled(regime.graph(regime.network(wanted), wanted), wanted, keras.losses.BinaryCrossentropy())
    draws, steps = regime.draws_of(wanted, 0), PICTURES // wanted.batch

    def epoch(number: int) -> regime.Batches:
        return regime.Batches({"picture": pictures}, {regime.OUTPUT: target(PICTURES)}, wanted.batch, 0, number, draws)

    batch = epoch(0)[0]
    network.fit(epoch(0), epochs=1, verbose=0, shuffle=False)
    resident(network, batch, 2)
    fed, bound = [], []
    for number in range(ROUNDS):  # in turn, so that a busy machine slows both
        started = time.perf_counter()
        network.fit(epoch(number), epochs=1, verbose=0, shuffle=False)
        fed.append(time.perf_counter() - started)
        bound.append(resident(network, batch, steps))
    rates = [PICTURES / min(fed), PICTURES / min(bound)]
    what = f"{name}, width {WIDTH:g}, {SIDE} px, augmentation {augmentation}"
    print(f"\n{what}: {rates[0]:.0f} pictures a second from disk, {rates[1]:.0f} with one resident batch, "
          f"ratio {rates[0] / rates[1]:.3f} (medians {np.median(bound) / np.median(fed):.3f})")


def test_memory_does_not_grow_with_the_pictures(tmp_path):
    """Peak memory of a training on 20,000 pictures on disk over one on 2,000 (≤ 1.2), each in a process of its own."""
    peaks = []
    for count in (2_000, 20_000):
        stack(tmp_path / f"{count}.npy", count, SIDE)
        command = [sys.executable, __file__, str(tmp_path / f"{count}.npy"), str(count), str(tmp_path / f"work{count}")]
        told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        peaks.append(json.loads(told.stdout.splitlines()[-1]))
    print(f"\npeak memory with 2,000 and 20,000 pictures of {SIDE} px: {peaks[0]:.0f} and {peaks[1]:.0f} MiB, "
          f"ratio {peaks[1] / peaks[0]:.3f}")  # fmt: skip


def once(path: str, count: int, folder: str) -> float:
    """Train a small network for an epoch on nine tenths of the pictures and validate on the rest; return the peak memory in MiB."""
    from pathlib import Path

    from lib.training.study import peak_memory

    pictures, labels = np.load(path, mmap_mode="r"), target(count)
    wanted = TrainingParameters(backbone="custom", side=pictures.shape[1], width=0.25, weights="none", epochs=1, augmentation="faces")
    cut = count * 9 // 10
    parts = [(data.Rows(pictures, rows), labels[rows]) for rows in (np.arange(cut), np.arange(cut, count))]
    model = regime.network(wanted)
    regime.trained(model, wanted, *parts, Path(folder), 0)
    regime.scores(model, parts[1][0])
    return peak_memory() / 2**20


if __name__ == "__main__":
    print(json.dumps(once(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
