"""Machinery: a figure is a PNG, a sidecar (.json) that says what made it, and the plotted numbers (.csv)."""

import hashlib
import io
import json
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from lib.compendium.errors import CompendiumError
from lib.compendium.places import write_atomically

LARGE = 250_000  # bytes; a PNG above it is mostly photographs, and the notebook shows a JPEG of it to stay small


def save(figure: Figure, folder: Path, name: str, *, caption: str, alt: str, data: pd.DataFrame, made_by: dict) -> Path:
    """Write `<name>.png`, `<name>.json`, `<name>.csv` into a folder and return the PNG's path.

    The PNG carries no time stamp, so the same numbers give the same bytes. made_by: notebook, profile, parameters.
    """
    if not caption.strip() or not alt.strip():
        raise CompendiumError(f"Figure {name!r} has no caption or no alt text. Say what it shows, for readers who cannot see it.")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white", metadata={"Software": None})
    numbers = data.to_csv(index=False, lineterminator="\n").encode()
    sidecar = {
        "figure": f"{name}.png",
        "caption": caption,
        "alt": alt,
        "data": f"{name}.csv",
        "data_sha256": hashlib.sha256(numbers).hexdigest(),
        "png_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        **made_by,
    }
    write_atomically(folder / f"{name}.csv", numbers)
    write_atomically(folder / f"{name}.json", json.dumps(sidecar, indent=1, ensure_ascii=False) + "\n")
    write_atomically(folder / f"{name}.png", buffer.getvalue())
    return folder / f"{name}.png"


def for_notebook(path: Path) -> tuple[bytes, str]:
    """Return the picture to embed in a notebook and its format: the PNG itself, or a JPEG of it where the PNG is large."""
    content = path.read_bytes()
    if len(content) <= LARGE:
        return content, "png"
    buffer = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(buffer, "JPEG", quality=82)
    return buffer.getvalue(), "jpeg"
