"""Ratios against a peer or a floor in the same run (`make bench`); printed, and asserted only where a ratio is a promise."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image
from skimage import data

from lib.collections.pictures import inspect_picture
from lib.compendium.compute import run_all
from tests.benchmarks.timing import seconds


def say(what: str, ours: float, peer: float, named: str) -> float:
    print(f"\n{what}: {ours * 1000:.1f} ms, {named}: {peer * 1000:.1f} ms, ratio {ours / peer:.2f}")
    return ours / peer


@pytest.fixture(scope="module")
def portraits() -> list[np.ndarray]:
    hopper = Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    return [data.astronaut(), np.asarray(hopper), np.asarray(hopper.resize((256, 300))), data.coffee()]


def test_mtcnn_against_the_package(portraits):
    """Our MTCNN, which mends the pyramid and compiles once, is not slower than the package it takes its networks from."""
    from mtcnn import MTCNN

    from lib.faces.detectors import mtcnn

    package = MTCNN(device="CPU:0")
    ratio = say("MTCNN on four pictures", seconds(lambda: [mtcnn(picture) for picture in portraits]),
                seconds(lambda: [package.detect_faces(picture) for picture in portraits]), "the mtcnn package")
    assert ratio < 1.2


def test_the_ladder_against_one_look(portraits):
    """What the whole ladder costs over one look by MTCNN, for pictures with a face and one without."""
    from lib.faces import ladder
    from lib.faces.detectors import mtcnn

    for name, pictures in (("with a face", portraits[:3]), ("without", portraits[3:])):
        say(f"ladder, pictures {name}", seconds(lambda pictures=pictures: [ladder.detect(picture) for picture in pictures]),
            seconds(lambda pictures=pictures: [mtcnn(picture) for picture in pictures]), "one look by MTCNN")


def test_inspecting_against_decoding(portraits, tmp_path):
    """The census of a file against the floor of decoding it once."""
    files = []
    for number, picture in enumerate(portraits):
        files.append(tmp_path / f"{number}.jpg")
        Image.fromarray(picture).resize((2400, 1800)).save(files[-1])
    ratio = say("inspecting four 4-megapixel JPEGs", seconds(lambda: [inspect_picture(file) for file in files]),
                seconds(lambda: [np.asarray(Image.open(file).convert("RGB")) for file in files]), "decoding them whole")
    assert ratio < 1.5


def shout(item: str, settings: str) -> str:
    return item.upper() + settings


def test_scale_out_against_a_plain_loop(tmp_path: Path):
    """What the journal and the exchange as text cost over a plain loop, an item."""
    items = {str(number): "stone" for number in range(5000)}
    ours = seconds(lambda: run_all(shout, items, settings="!", workers=1))
    plain = seconds(lambda: [shout(item, "!") for item in items.values()])
    print(f"\nrun_all in this process: {(ours - plain) / len(items) * 1e6:.0f} microseconds an item over a plain loop")
