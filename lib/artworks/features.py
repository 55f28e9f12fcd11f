"""Artworks: the study's thirteen hand-made features of the whole picture: brightness, texture, colour.

The paper names the three families and the number, not how many features each has. Ours is 1 + 8 + 4: perceived brightness; structural
similarity to six textures from soft to hard, the hard-soft value and the best similarity (HS and S of its Figure 5); the distance to the
palette of each of the four emotion groups. `Layout` gives others.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.artworks import palettes, texture
from lib.compendium.errors import ParameterError
from lib.faces.detectors import check_picture

# Of squared red, green and blue. "rms": the widely copied weights with the paper's formula; "hsp": those of Rec. 601.
WEIGHTS = {"rms": (0.241, 0.691, 0.068), "hsp": (0.299, 0.587, 0.114)}
DISTANCES = ("closest", "all")
GREY = 3.0  # mean chroma (L*a*b*) up to which a work counts as greyscale
TINY = 48  # pixels: a side below which neither texture nor palette says much


@dataclass(frozen=True)
class Layout:
    """Which features there are. The default gives the paper's thirteen; only their number is stated in the paper.

    brightness: "rms" or "hsp" (WEIGHTS). maps: textures from soft to hard, 2 to 32. summary: whether the hard-soft value and the best
    similarity follow. measure: of `texture.similarities`. each: palettes a group. distances: "closest", as published, all others set to a
    large number, or "all". colours: main colours of a picture, as in the paper. seed: of the textures and of k-means.
    """

    brightness: str = "rms"
    maps: int = 6
    summary: bool = True
    measure: texture.Measure = "autocorrelation"
    each: int = 1
    distances: str = "closest"
    colours: int = palettes.COLOURS
    seed: int = 0

    def __post_init__(self):
        for name, known in (("brightness", WEIGHTS), ("measure", texture.MEASURES), ("distances", DISTANCES)):
            if getattr(self, name) not in known:
                raise ParameterError(f"Received {name}={getattr(self, name)!r} for the features, expected one of {', '.join(known)}.")
        if not (2 <= self.maps <= 32 and 1 <= self.each <= 8 and 1 <= self.colours <= 7):
            raise ParameterError(f"Received {self.maps} maps, {self.each} palettes a group and {self.colours} colours for the features, "
                                 "expected 2 to 32, 1 to 8 and 1 to 7.")  # fmt: skip

    def texture_names(self) -> list[str]:
        """Return the names of the texture features, soft first."""
        named = [f"texture_{round(100 * place):03d}" for place in texture.hardness(self.maps)]
        return named + (["hard_soft", "similarity"] if self.summary else [])

    def names(self) -> list[str]:
        """Return the names of all features in their order."""
        each = [f"_{number}" for number in range(self.each)] if self.each > 1 else [""]
        closeness = [f"palette_{group}{number}" for group in palettes.GROUPS for number in each]
        return ["brightness", *self.texture_names(), *closeness]

    def settings(self) -> dict:
        """Return the layout as JSON-able values."""
        return asdict(self)


class Measured(NamedTuple):
    """What was measured of n pictures before any palette is known: what needs no training.

    brightness (n,): 0 to 255; texture (n, maps [+ 2]); colours (n, colours, 3): L*a*b*, the commonest first; shares (n, colours).
    notes: object (n,), "" or why a picture's features say less: "greyscale", "tiny", both.
    """

    brightness: np.ndarray
    texture: np.ndarray
    colours: np.ndarray
    shares: np.ndarray
    notes: np.ndarray


def brightness(picture: np.ndarray, weights: str = "rms") -> float:
    """Return the perceived brightness of a picture uint8 RGB (h, w, 3), 0 to 255.

    The square root of a linear combination of the channels' squared root mean squares (paper, section 3). Equal channels give their own
    root mean square, as the weights add up to 1. The paper credits Nguyen and Brown (2017) for it and states no weights.
    """
    check_picture(picture)
    if weights not in WEIGHTS:
        raise ParameterError(f"Received the weights {weights!r} of brightness, expected one of {', '.join(WEIGHTS)}.")
    flat = picture.reshape(-1, 3).astype(np.float32)
    squares = np.einsum("ij,ij->j", flat, flat, dtype=np.float64) / len(flat)
    return float(np.sqrt(squares @ np.array(WEIGHTS[weights])))


def measured(pictures, layout: Layout = Layout(), progress: Callable | None = None) -> Measured:  # noqa: B008
    """Measure pictures, an array (n, h, w, 3) or any sequence of uint8 RGB pictures of any sizes. progress(done, total).

    Raises ParameterError for no picture.
    """
    if not len(pictures):
        raise ParameterError("Received no pictures to measure, expected one or more: look at the collection.")
    rows = []
    for number in range(len(pictures)):
        rows.append(_one(np.asarray(pictures[number]), layout))
        if progress:
            progress(number + 1, len(pictures))
    bright, textures, colours, shares, notes = zip(*rows, strict=True)
    return Measured(np.array(bright), np.stack(textures), np.stack(colours), np.stack(shares), np.array(notes, object))


def _one(picture: np.ndarray, layout: Layout) -> tuple:
    colours, shares = palettes.main_colours(picture, layout.colours, layout.seed)
    similar = texture.similarities(picture, layout.maps, layout.measure, layout.seed)
    if layout.summary:
        value, best = texture.hard_soft(similar)
        similar = np.append(similar, [value, best]).astype(np.float32)
    chroma = float(np.hypot(colours[:, 1], colours[:, 2]) @ shares)
    notes = ["greyscale"] * (chroma < GREY) + ["tiny"] * (min(picture.shape[:2]) < TINY)
    return brightness(picture, layout.brightness), similar, colours, shares, ", ".join(notes)


def features(found: Measured, learned: np.ndarray, layout: Layout = Layout()) -> np.ndarray:  # noqa: B008
    """Return the features of measured pictures, float32 (n, len(layout.names())), with palettes (4, each, colours, 3) of the groups."""
    learned = np.asarray(learned)
    if learned.shape[:2] != (len(palettes.GROUPS), layout.each):
        raise ParameterError(f"Received palettes of shape {learned.shape}, expected {len(palettes.GROUPS)} groups of {layout.each}: learn "
                             "them with the layout's `each`.")  # fmt: skip
    apart = palettes.to_palettes(found.colours, learned)
    if layout.distances == "closest":
        apart = palettes.only_closest(apart)
    return np.column_stack([found.brightness, found.texture, apart.reshape(len(apart), -1)]).astype(np.float32)


def learn_palettes(found: Measured, groups, rows, layout: Layout = Layout(), seed: int = 0) -> np.ndarray:  # noqa: B008
    """Return the groups' palettes (4, each, colours, 3) from the pictures at `rows`, those that train."""
    rows = np.asarray(rows)
    return palettes.learned(found.colours[rows], np.asarray(groups)[rows], layout.each, seed)


def table(values: np.ndarray, layout: Layout = Layout()) -> pd.DataFrame:  # noqa: B008
    """Return features (n, d) as a table with a column for each."""
    return pd.DataFrame(values, columns=layout.names())


def histogram(picture: np.ndarray, bins: int = 4) -> np.ndarray:
    """Return a picture's colour histogram, float32 (bins³,), adding up to 1: the baseline that knows colours and nothing else."""
    check_picture(picture)
    codes = picture.reshape(-1, 3).astype(np.int64) * bins // 256
    counts = np.bincount(codes @ np.array([bins * bins, bins, 1]), minlength=bins**3)
    return (counts / counts.sum()).astype(np.float32)
