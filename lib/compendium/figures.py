"""Machinery: a figure is a PNG, a sidecar (.json) that says what made it, and the plotted numbers (.csv); and the look all share."""

import hashlib
import io
import json
import math
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from lib.compendium.errors import CompendiumError
from lib.compendium.places import write_atomically

LARGE = 250_000  # bytes; a PNG above it is mostly pictures: it is kept in 256 colours, and the notebook shows a JPEG
INK, LINES = "#22303c", "#e3e7ea"  # text and marks; the lines of a grid


def save(png: bytes, folder: Path, name: str, *, caption: str, alt: str, data: pd.DataFrame, made_by: dict) -> Path:
    """Write `<name>.png` (of `drawn`), `<name>.json`, `<name>.csv` into a folder and return the PNG's path.

    The PNG carries no time stamp, so the same numbers give the same bytes. made_by: notebook, profile, parameters.
    """
    if not caption.strip() or not alt.strip():
        raise CompendiumError(f"Figure {name!r} has no caption or no alt text. Say what it shows, for readers who cannot see it.")
    if len(png) > LARGE:
        png = _in_256_colours(png)
    numbers = data.to_csv(index=False, lineterminator="\n").encode()
    sidecar = {
        "figure": f"{name}.png",
        "caption": caption,
        "alt": alt,
        "data": f"{name}.csv",
        "data_sha256": hashlib.sha256(numbers).hexdigest(),
        "png_sha256": hashlib.sha256(png).hexdigest(),
        **made_by,
    }
    write_atomically(folder / f"{name}.csv", numbers)
    write_atomically(folder / f"{name}.json", json.dumps(sidecar, indent=1, ensure_ascii=False) + "\n")
    write_atomically(folder / f"{name}.png", png)
    return folder / f"{name}.png"


def drawn(figure: Figure) -> tuple[bytes, tuple[bytes, str]]:
    """Return a figure as PNG, and what to embed in a notebook with its format: the PNG itself, or a JPEG of it where the PNG is large."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white", metadata={"Software": None})
    png = buffer.getvalue()
    if len(png) <= LARGE:
        return png, (png, "png")
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "JPEG", quality=78)
    return png, (buffer.getvalue(), "jpeg")


def sentence(text: str) -> Figure:
    """Return a figure that says in words why there is nothing to draw."""
    figure = Figure(figsize=(7, 0.7), dpi=110)
    axis = figure.subplots()
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=13, color=INK, transform=axis.transAxes)
    return figure


def plain(axis: Axes, grid: str = "") -> None:
    """Take the upper and the right line of a frame away and draw ticks in INK; grid: "x", "y" or "both", lines behind everything."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=INK)
    if grid:
        axis.grid(axis=grid, color=LINES, linewidth=0.8)
        axis.set_axisbelow(True)


def with_interval(value: float, low: float, high: float, style: str = ".2f") -> str:
    """Return a number and its interval as text, "0.50 [0.41, 0.58]"; the number alone where the interval is not known (NaN)."""
    return f"{value:{style}} [{low:{style}}, {high:{style}}]" if math.isfinite(low) else f"{value:{style}}"


def _in_256_colours(png: bytes) -> bytes:
    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB")
    palette = image.quantize(256, kmeans=1)  # without means, rare highlights share a colour far off and come out speckled
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
