"""Artworks: the figures of the art-emotion study's three GANs: sheets over epochs, loss curves, where the discriminator wins, faces found.

Figures 6 to 8 and 10 of Charkhabi and Garrido beside ours; all pictures here are synthetic where the pictures learned from are.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.artworks.generation import Generation
from lib.compendium.figures import INK, LINES, plain
from lib.networks.gans import TITLES
from lib.training.gans import HELPLESS, ONE_FOR_ALL, WON

GENERATOR, DISCRIMINATOR, MARK = "#c8553d", "#2a6f97", "#f3dcd6"  # the two networks; epochs the discriminator has won
REAL = "real"
NAMES = {**TITLES, "dcgan_plain": "DCGAN without the remedy", REAL: "the portraits learned from"}  # of the rows of tables


def sheet_figure(made: Generation, epochs: int = 5, codes: int = 8) -> Figure:
    """Return what a generator makes of the same codes as it learns: a row an epoch, evenly chosen, the fresh weights first."""
    rows = chosen_epochs(made.samples, epochs)
    codes = min(codes, len(made.samples[rows[0]]))
    figure = Figure(figsize=(0.82 * codes + 0.9, 0.82 * len(rows) + 0.45), dpi=110, layout="constrained")
    axes = figure.subplots(len(rows), codes, squeeze=False, gridspec_kw={"wspace": 0.02, "hspace": 0.02})
    for line, epoch in zip(axes, rows, strict=True):
        for axis, picture in zip(line, made.samples[epoch][:codes], strict=True):
            _picture(axis, picture)
        line[0].set_ylabel("fresh" if epoch == 0 else f"epoch {epoch}", color=INK, rotation=0, ha="right", va="center", fontsize=9)
    figure.suptitle(f"{TITLES[made.settings.kind]}: the same {codes} codes", color=INK, fontsize=11)
    return figure


def chosen_epochs(samples: Mapping[int, np.ndarray], count: int) -> list[int]:
    """Return at most `count` of the epochs with samples, evenly spread, first and last among them."""
    known = sorted(samples)
    return [known[place] for place in sorted({round(x) for x in np.linspace(0, len(known) - 1, min(count, len(known)))})]


def _picture(axis, picture: np.ndarray) -> None:
    axis.imshow(picture, interpolation="nearest")
    axis.set_xticks([]), axis.set_yticks([])
    axis.spines[:].set_visible(False)


def sheet_data(made: Generation, epochs: int = 5) -> pd.DataFrame:
    """Return the numbers behind `sheet_figure`: epoch, code, brightness (mean, 0 to 255) and contrast (deviation) of each picture."""
    rows = [(epoch, code, round(float(picture.mean()), 2), round(float(picture.std()), 2))
            for epoch in chosen_epochs(made.samples, epochs) for code, picture in enumerate(made.samples[epoch])]  # fmt: skip
    return pd.DataFrame(rows, columns=["epoch", "code", "brightness", "contrast"])


def curves_table(generations: Mapping[str, Generation]) -> pd.DataFrame:
    """Return the learning curves of all pairs, one below the other, with a column `pair` in front."""
    tables = [made.curves.assign(pair=name)[["pair", *made.curves.columns]] for name, made in generations.items()]
    return pd.concat(tables, ignore_index=True)


def curves_figure(curves: pd.DataFrame) -> Figure:
    """Return the losses (above) and who is taken for real (below) of each pair by epoch, epochs the discriminator wins shaded.

    curves: of `curves_table`.
    """
    pairs = list(dict.fromkeys(curves["pair"]))
    figure = Figure(figsize=(3.6 * len(pairs) + 0.6, 5.2), dpi=110, layout="constrained")
    axes = figure.subplots(2, len(pairs), squeeze=False, sharex="col", sharey="row")
    for (upper, lower), (name, table) in zip(axes.T, curves.groupby("pair", sort=False), strict=True):
        for axis in (upper, lower):
            _shade(axis, table)
            plain(axis, "y")
        upper.plot(table["epoch"], table["generator"], color=GENERATOR, label="generator")
        upper.plot(table["epoch"], table["discriminator"], color=DISCRIMINATOR, label="discriminator")
        upper.set_title(NAMES.get(name, name), color=INK, fontsize=10)
        lower.plot(table["epoch"], table["real_seen"], color=DISCRIMINATOR, label="of the real ones")
        lower.plot(table["epoch"], table["fooled"], color=GENERATOR, label="of the generated ones")
        lower.axhline(HELPLESS, color=INK, linewidth=0.8, linestyle=":")
        lower.set_ylim(-0.03, 1.03)
        lower.set_xlabel("epoch", color=INK)
    axes[0, 0].set_ylabel("loss", color=INK)
    axes[1, 0].set_ylabel("share taken for real", color=INK)
    for axis in axes[:, -1]:
        axis.legend(frameon=False, fontsize=8, labelcolor=INK, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _shade(axis, table: pd.DataFrame) -> None:
    for epoch in table.loc[table["verdict"] == WON, "epoch"]:
        axis.axvspan(epoch - 0.5, epoch + 0.5, color=MARK, linewidth=0, zorder=0)


def wins_sentence(curves: pd.DataFrame) -> str:
    """Return in words in how many epochs each pair's discriminator won and what became of the generator's variety."""
    parts = []
    for name, table in curves.groupby("pair", sort=False):
        won, one = ((table["verdict"] == what).sum() for what in (WON, ONE_FOR_ALL))
        said = f"the discriminator wins in {won or 'none'} of {len(table)} epochs"
        said += f", all codes give one picture after {one}" if one else ""
        parts.append(f"{NAMES.get(name, name)}: {said}; in the last it takes {table['fooled'].iloc[-1]:.0%} of the generated pictures for "
                     f"real, and they vary {table['variety'].iloc[-1]:.2f} times as much as real ones.")  # fmt: skip
    return " ".join(parts)


def shares_figure(shares: pd.DataFrame, wanted: float = 0.6) -> Figure:
    """Return the share of pictures in which a face is found, by pair, with 95 % intervals; a line at the share aimed at.

    shares: of `lib.artworks.generation.face_share`.
    """
    figure = Figure(figsize=(6.4, 0.55 * len(shares) + 1.0), dpi=110, layout="constrained")
    axis, places = figure.subplots(), np.arange(len(shares))[::-1]
    colours = [DISCRIMINATOR if name == REAL else GENERATOR for name in shares["pair"]]
    axis.barh(places, shares["share"], color=colours, height=0.6)
    axis.hlines(places, shares["low"], shares["high"], color=INK, linewidth=1.4)
    axis.axvline(wanted, color=INK, linewidth=0.9, linestyle=":")
    for place, row in zip(places, shares.itertuples(), strict=True):
        axis.text(min(row.high + 0.015, 1.02), place, f"{row.share:.2f}", va="center", color=INK, fontsize=9)
    axis.set_yticks(places, [NAMES.get(name, name) for name in shares["pair"]])
    axis.set_xlim(0, 1.1)
    axis.set_xlabel("share in which the detector finds a face", color=INK)
    plain(axis, "x")
    axis.spines["left"].set_color(LINES)
    return figure


def shares_sentence(shares: pd.DataFrame) -> str:
    """Return in words where faces are found, with intervals."""
    parts = [f"{row.share:.2f} [{row.low:.2f}, {row.high:.2f}] of {NAMES.get(row.pair, row.pair)}"
             for row in shares.itertuples()]  # fmt: skip
    return "The detector finds a face in " + ", ".join(parts) + "."
