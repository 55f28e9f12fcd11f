"""Figures: a PNG without time stamps, its sidecar and its numbers."""

import hashlib
import io
import json

import numpy
import pandas
import pytest
from matplotlib import colors, pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
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


def test_a_sentence_stands_where_there_is_nothing_to_draw():
    """The words are drawn once, in ink, inside the picture and without axes."""
    figure = figures.sentence("nobody was found")
    (axis,) = figure.axes
    (text,) = axis.texts
    assert text.get_text() == "nobody was found" and text.get_color() == figures.INK and not axis.axison
    box = text.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and figures.drawn(figure)[1][1] == "png"


@pytest.mark.parametrize(("grid", "across", "up"), [("", 0, 0), ("x", 3, 0), ("y", 0, 3), ("both", 3, 3)])
def test_a_plain_frame_has_two_sides_and_the_grid_asked_for(grid, across, up):
    """Left and bottom stay, ticks are of ink, and grid lines, where asked for, lie behind bars and in their own colour."""
    axis = Figure().subplots()
    axis.set(xticks=[0, 1, 2], yticks=[0, 1, 2])
    below = axis.get_axisbelow()
    figures.plain(axis, grid)
    assert {side for side, spine in axis.spines.items() if spine.get_visible()} == {"left", "bottom"}
    assert {tick.get_color() for tick in axis.get_xticklabels() + axis.get_yticklabels()} == {figures.INK}
    lines = [[line for line in of.get_gridlines() if line.get_visible()] for of in (axis.xaxis, axis.yaxis)]
    assert [len(found) for found in lines] == [across, up]
    assert all(colors.same_color(line.get_color(), figures.LINES) for found in lines for line in found)
    assert axis.get_axisbelow() == (True if grid else below)


def test_numbers_carry_their_interval_where_it_is_known():
    """Two decimals unless told otherwise; without an interval the number stands alone."""
    assert figures.with_interval(0.5, 0.414, numpy.float64(0.58)) == "0.50 [0.41, 0.58]"
    assert figures.with_interval(0.5, 0.41, 0.58, ".0%") == "50% [41%, 58%]"
    assert figures.with_interval(0.5, numpy.nan, numpy.nan) == "0.50"
