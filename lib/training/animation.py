"""Training: what a trained GANimation makes of faces: one expression, a way from one to another, a set to learn from; and how true it is.

The terracotta study (Tian et al., section 3.3) moves each neutral picture along the way to the Action Units of a reference face of each
expression, and keeps only the columns before the warrior becomes too human.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError, did_you_mean
from lib.expressions import EXPRESSIONS
from lib.faces.detectors import silent
from lib.networks.ganimation import ANSWERS, STRONGEST, saturated
from lib.training.faces import UNIT_COLUMNS
from lib.training.ganimation import check_units

with silent():
    import keras
    from keras import ops

BATCH = 32  # pictures a call of the generator
COLUMNS = 5  # of the way to a reference, as many as the study's figures 5 and 7 seem to show; not stated in the paper
STILL = 0.004  # units of form below which a place counts as not moved: the atelier's own
SHOWN = (1, 2, 4, 12, 15, 25, 26)  # Action Units on which a generator is judged
SET_COLUMNS = ("source", "expression", "column", "share")


class Animated(NamedTuple):
    """Pictures uint8 (n, S, S, 3), attention float32 (n, S, S) 0..1 (1: the picture was kept), and the colour put elsewhere, uint8."""

    pictures: np.ndarray
    attention: np.ndarray
    colour: np.ndarray


def animate(generator: keras.Model, picture, units, saturate: bool = False) -> Animated:
    """Return pictures as the generator shows them with other Action Units.

    picture: uint8 RGB (S, S, 3), or (n, S, S, 3). units: intensities 0 to 5 (k,), or (n, k), or a table of n rows with columns AU01 … ;
    one picture may be given many rows and many pictures one. saturate: push the attention to its ends first (`networks.saturated`).
    Raises ParameterError where these do not fit each other or the generator.
    """
    pictures, units = _paired(generator, picture, units)
    if not generator.compiled:
        generator.compile(jit_compile=False)  # XLA takes half a minute to start on processors
    found = generator.predict({"picture": pictures.astype(np.float32), "units": units}, batch_size=BATCH, verbose=0)
    made, attention, colour = (found[name] for name in ANSWERS)
    if saturate:
        attention = ops.convert_to_numpy(saturated(attention))
        made = attention * pictures + (1 - attention) * colour
    return Animated(_rounded(made), attention[..., 0].astype(np.float32), _rounded(colour))


def _paired(generator: keras.Model, picture, units) -> tuple[np.ndarray, np.ndarray]:
    side, count = generator.input["picture"].shape[1], generator.input["units"].shape[1]
    pictures = np.asarray(picture)
    pictures = pictures[None] if pictures.ndim == 3 else pictures
    if pictures.ndim != 4 or pictures.shape[1:] != (side, side, 3) or pictures.dtype != np.uint8:
        raise ParameterError(f"Received pictures {pictures.shape} of type {pictures.dtype}; expected uint8 ({side}, {side}, 3), one or "
                             "a stack, as the generator was built for.")  # fmt: skip
    units = check_units(units if isinstance(units, pd.DataFrame) else np.atleast_2d(np.asarray(units, np.float32)))
    if units.shape[1] != count:
        raise ParameterError(f"Received {units.shape[1]} Action Units a picture; expected {count}, as the generator was built for.")
    if len(pictures) != len(units) and 1 not in (len(pictures), len(units)):
        raise ParameterError(f"Received {len(pictures)} pictures and {len(units)} rows of Action Units; expected as many, or one.")
    size = max(len(pictures), len(units))
    return np.broadcast_to(pictures, (size, *pictures.shape[1:])), np.broadcast_to(units, (size, count))


def _rounded(values) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def path(generator: keras.Model, picture, start, end, steps: int = COLUMNS) -> np.ndarray:
    """Return one picture on its way from some Action Units to others, uint8 (steps, S, S, 3): evenly spaced, both ends included.

    picture: uint8 (S, S, 3). start, end: (k,) intensities 0 to 5. steps: at least 2.
    """
    return animate(generator, picture, way(start, end, steps)).pictures


def way(start, end, steps: int = COLUMNS) -> np.ndarray:
    """Return intensities (steps, k) evenly spaced from start (k,) to end (k,), both included."""
    ends = check_units(np.stack(np.broadcast_arrays(np.asarray(start, np.float32), np.asarray(end, np.float32))))
    if not isinstance(steps, int | np.integer) or steps < 2:
        raise ParameterError(f"Received {steps!r} steps; expected a whole number of at least 2: the two ends.")
    return np.linspace(*ends, steps).astype(np.float32)


# ---- sets to learn from


def references(table: pd.DataFrame, strongest: bool = True) -> dict[str, np.ndarray]:
    """Return {expression: intensities (k,)} of a reference face of each expression in a table (expression, AU01 …), as in the study.

    strongest: the face whose units sum to most, for the study found that clearer references are recognised better; else the mean of all.
    Of neutral faces the one that moves least. Expressions that no face shows are left out.
    """
    units = check_units(table)
    sums, found = units.sum(axis=1), {}
    for name in EXPRESSIONS:
        rows = np.flatnonzero(table["expression"].to_numpy() == name)
        if len(rows):
            pick = np.argmin if name == "neutral" else np.argmax
            found[name] = units[rows[pick(sums[rows])]] if strongest else units[rows].mean(axis=0)
    if not found:
        raise ParameterError(f"Received a table in which no face shows an expression; expected some of {', '.join(EXPRESSIONS)}.")
    return found


def sheets(generator: keras.Model, pictures, targets: Mapping, columns: int = COLUMNS, start=None) -> np.ndarray:
    """Return every picture on its way to every target, uint8 (n, expressions, columns, S, S, 3).

    pictures: uint8 (n, S, S, 3), neutral ones in the study. targets: {expression: intensities (k,)}. columns: of the way; the last is the
    target itself. start: intensities where the way begins, (k,); None: at rest. Its first point is left out: it is the picture itself.
    """
    if unknown := [name for name in targets if name not in EXPRESSIONS]:
        raise ParameterError(f"Received the expression {unknown[0]!r}; expected some of {', '.join(EXPRESSIONS)}."
                             f"{did_you_mean(str(unknown[0]), EXPRESSIONS)}")  # fmt: skip
    if not targets or not isinstance(columns, int | np.integer) or columns < 1:
        raise ParameterError(f"Received {len(targets)} targets and {columns!r} columns; expected at least one of each.")
    goals = check_units(np.stack(list(targets.values())))
    rest = np.zeros(goals.shape[1], np.float32) if start is None else start
    ways = np.stack([way(rest, goal, columns + 1)[1:] for goal in goals])
    rows = [animate(generator, picture, ways.reshape(-1, goals.shape[1])).pictures for picture in pictures]
    return np.stack(rows).reshape(len(rows), len(goals), columns, *np.shape(pictures)[1:])


def keep_before_too_human(made: np.ndarray, dropped: int = 1, humanness=None, limit: float | None = None) -> np.ndarray:
    """Return which columns of `sheets` are kept, bool (n, expressions, columns): those before a warrior becomes too human.

    made: (n, expressions, columns, …). dropped: last columns left out of every row; the study leaves out the last and says no more.
    humanness, limit: any score (n, expressions, columns) that grows as a face looks more alive, and where it ends: the columns before the
    first that reaches it are kept, and the first column always. Our own: the study chose by eye.
    """
    shape = np.shape(made)[:3]
    if len(shape) < 3 or not 0 <= dropped < shape[2]:
        raise ParameterError(f"Received pictures {np.shape(made)} and {dropped!r} columns to drop; expected (n, expressions, columns, …) "
                             "and 0 to one less than the columns.")  # fmt: skip
    kept = np.broadcast_to(np.arange(shape[2]) < shape[2] - dropped, shape).copy()
    if (humanness is None) != (limit is None):
        raise ParameterError("Received a score of humanness without a limit, or a limit without a score; expected both or neither.")
    if humanness is not None:
        if np.shape(humanness) != shape:
            raise ParameterError(f"Received humanness {np.shape(humanness)}; expected a number for each of {shape}.")
        early = np.logical_and.accumulate(np.asarray(humanness) < limit, axis=2)
        early[:, :, 0] = True
        kept &= early
    return kept


def animated_set(generator: keras.Model, pictures, sources, targets: Mapping, columns: int = COLUMNS,
                 **keeping) -> tuple[np.ndarray, pd.DataFrame]:  # fmt: skip
    """Return generated faces to learn from, uint8 (m, S, S, 3), and a table of m rows: SET_COLUMNS.

    sources: n names, one a picture: whatever has the same name must not be on both sides of a strict split. `share`: how far on the way
    to the target (0..1]; `column` counts from 0. keeping: `dropped`, `humanness`, `limit` of `keep_before_too_human`.
    """
    if len(sources) != len(pictures):
        raise ParameterError(f"Received {len(pictures)} pictures and {len(sources)} names of sources; expected one each.")
    made = sheets(generator, pictures, targets, columns)
    places, names = np.argwhere(keep_before_too_human(made, **keeping)), list(targets)
    rows = [(sources[n], names[e], int(c), (c + 1) / columns) for n, e, c in places]
    return made[tuple(places.T)], pd.DataFrame(rows, columns=SET_COLUMNS)


# ---- how true


def fidelity(requested, measured, units=None) -> pd.DataFrame:
    """Return for each Action Unit how the measured intensities follow the requested: unit, pictures, correlation (Pearson), mean_error.

    requested, measured: (n, k) intensities 0 to 5, NaN unknown. units: their k numbers; None: the atelier's. The correlation is NaN where
    either does not vary.
    """
    numbers = [int(name[2:]) for name in UNIT_COLUMNS] if units is None else list(units)
    requested, measured = np.asarray(requested, float), np.asarray(measured, float)
    if requested.shape != measured.shape or requested.ndim != 2 or requested.shape[1] != len(numbers):
        raise ParameterError(f"Received {requested.shape} requested and {measured.shape} measured intensities of {len(numbers)} units; "
                             "expected (pictures, units) of both.")  # fmt: skip
    rows = []
    for unit, asked, said in zip(numbers, requested.T, measured.T, strict=True):
        known = np.isfinite(asked) & np.isfinite(said)
        asked, said = asked[known], said[known]
        varied = len(asked) > 1 and asked.std() > 0 and said.std() > 0
        rows.append({"unit": unit, "pictures": len(asked), "correlation": np.corrcoef(asked, said)[0, 1] if varied else np.nan,
                     "mean_error": np.abs(asked - said).mean() if len(asked) else np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def places_changed(before, made: Animated, displacement, still: float = STILL) -> pd.DataFrame:
    """Return for each picture where the generator looked and what it changed, against where the surface was to move.

    before: uint8 (n, S, S, 3). displacement: (n, S, S), how far the requested units move what a pixel shows, in units of form (0: not).
    Columns: inside, outside (mean 1 - attention where it was to move and where not), ratio of the two; changed_inside, background (mean
    change of pixels there, as a share of 0..255). NaN where one of the two places is empty.
    """
    before, moved = np.asarray(before, float), np.asarray(displacement) > still
    if before.shape != made.pictures.shape or moved.shape != before.shape[:3]:
        raise ParameterError(f"Received pictures {before.shape} before and {made.pictures.shape} after, and displacements {moved.shape}; "
                             "expected (n, S, S, 3) twice and (n, S, S).")  # fmt: skip
    change, put = np.abs(made.pictures - before).mean(axis=-1) / 255, 1.0 - made.attention
    rows = []
    for one, its_change, its_put in zip(moved, change, put, strict=True):
        inside, outside = _mean(its_put, one), _mean(its_put, ~one)
        rows.append({"inside": inside, "outside": outside, "ratio": inside / max(outside, 1e-6), "changed_inside": _mean(its_change, one),
                     "background": _mean(its_change, ~one)})  # fmt: skip
    return pd.DataFrame(rows)


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean()) if where.any() else np.nan


def checked_scale(units) -> None:
    """Raise ParameterError where a table's intensities look like OpenFace's 0 to 1 instead of 0 to 5: none above 1 among many."""
    values = check_units(units)
    if len(values) >= 20 and 0 < values.max() <= 1.0:
        raise ParameterError(f"Received {len(values)} rows of Action Units none of which is above 1 (largest {values.max():.2f}); "
                             f"expected intensities 0 to {STRONGEST:g}. Multiply them by 5 if they were divided by it.")  # fmt: skip
