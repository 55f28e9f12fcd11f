"""Figures: a PNG without time stamps, its sidecar and its numbers."""

import hashlib
import io
import json

import numpy
import pandas
import pytest
from matplotlib import pyplot
from PIL import Image

from lib.compendium import figures
from lib.compendium.errors import CompendiumError


def draw():
    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3])
    return figure


def save(folder, **changes):
    words = {"caption": "Three numbers.", "alt": "A rising line.", "data": pandas.DataFrame({"y": [1, 2, 3]}), "made_by": {"profile": "x"}}
    return figures.save(figures.drawn(draw())[0], folder, "line", **words | changes)


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    """Two saves of one figure are byte-identical: no time stamp, no software version."""
    first, second = save(tmp_path / "a"), save(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_the_sidecar_tells_of_the_figure_and_its_numbers(tmp_path):
    """Caption, alt text, and the hashes of picture and data are in the sidecar."""
    path = save(tmp_path)
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["caption"] == "Three numbers." and sidecar["alt"] == "A rising line." and sidecar["profile"] == "x"
    assert sidecar["png_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sidecar["data_sha256"] == hashlib.sha256((tmp_path / "line.csv").read_bytes()).hexdigest()


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_a_figure_without_words_is_refused(tmp_path, missing):
    """No caption or no alt text: nothing is written."""
    with pytest.raises(CompendiumError, match="alt text"):
        save(tmp_path, **{missing: " "})
    assert not list(tmp_path.iterdir())


def test_figures_full_of_pictures_stay_small(tmp_path):
    """Such a figure is kept in 256 colours and embedded as JPEG; a chart stays the PNG it is."""
    assert figures.drawn(draw())[1][1] == "png"
    figure, axes = pyplot.subplots(figsize=(8, 8))
    smooth = numpy.add.outer(numpy.arange(600), numpy.arange(600))[..., None] * numpy.array([0.2, 0.1, 0.15])
    noise = numpy.random.default_rng(0).integers(0, 9, (600, 600, 3))
    axes.imshow((smooth + noise).astype(numpy.uint8))
    whole, (embedded, kind) = figures.drawn(figure)
    path = figures.save(whole, tmp_path, "noise", caption="c", alt="a", data=pandas.DataFrame({"x": []}), made_by={})
    assert kind == "jpeg" and len(embedded) < len(whole) and path.stat().st_size < len(whole)
    difference = numpy.asarray(Image.open(path).convert("RGB"), float) - numpy.asarray(Image.open(io.BytesIO(whole)).convert("RGB"), float)
    assert abs(difference).mean() < 6
