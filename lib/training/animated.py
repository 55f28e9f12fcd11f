"""Training: the study's GANimation, learned once from faces with Action Units and kept; neutral heads to try it on; and how true it is.

Who reads Action Units and whose features compare pictures is passed in as a function: the judges stand in rooms above this one.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lib.collections.atelier import expression as muscles
from lib.collections.atelier import specs
from lib.compendium import fingerprints
from lib.compendium.compute import run_all
from lib.compendium.errors import CompendiumError, ParameterError
from lib.compendium.kept import kept
from lib.expressions import EXPRESSIONS
from lib.training import animation, faces, ganimation
from lib.training.faces import UNIT_COLUMNS, TrainingFaces

SOURCES = (*faces.SOURCES, *ganimation.SOURCES)  # of the networks; how pictures are made smaller is the module below's
REDUCED = 1  # version of `reduced`, which decides what the networks learn
HEADS_SOURCES = (*faces.SOURCES, "lib.training.animated")
TURN, NOD = 12.0, 4.0  # degrees: the heads' largest turn, as the reference faces', and the spread of their nod
NEUTRAL = "animated"  # kind of the heads' draws: nobody of the faces to learn from
JUDGED_SIDE = 112  # pixels of the pictures the judge is given, as the Action Unit models see them


class Learning(BaseModel):
    """What a GANimation learns from and how; the defaults are the published code's and the atelier's faces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(2500, ge=2, description="faces of the atelier; notebook 03's Action Unit models learn from the same")
    seed: int = Field(100_000, ge=0, le=2**31 - 1, description="another seed, other people")
    cut: int = Field(112, ge=16, description="pixels of the crops that are made, before they are brought to the networks' side")
    material: str = Field("skin", description="of the atelier's heads, or mixed")
    network: ganimation.Settings = ganimation.Settings()


class Heads(NamedTuple):
    """Neutral heads nobody learned from: crops uint8 (n, S, S, 3), the faces' boxes (n, 4) in their pixels, and how each was made and cut.

    boxes: x, y, width, height, as drawn by hand, in which landmarks are found. pieces: the atelier's specs, one a head.
    matrices: (n, 3, 3), from pixels of the picture (`lib.training.faces.PICTURE_SIDE` wide) to pixels of the crop.
    """

    crops: np.ndarray
    boxes: np.ndarray
    pieces: list
    matrices: np.ndarray


class Remeasured(NamedTuple):
    """What a generator made of n heads asked for m rows of units, head after head, and what the judge read there.

    made: `Animated` of n · m pictures. head: (n · m,) which head. requested, measured: (n · m, k) intensities 0 to 5; NaN unknown.
    fidelity: `animation.fidelity`, one row a unit. mean: of the correlations of animation.SHOWN.
    """

    made: animation.Animated
    head: np.ndarray
    requested: np.ndarray
    measured: np.ndarray
    fidelity: pd.DataFrame
    mean: float


# ---- learning


def demo(**changes) -> Learning:
    """Return the settings for minutes on two cores (`ganimation.DEMO`), with changes of the networks' settings."""
    return Learning(network=ganimation.Settings(**{**ganimation.DEMO, **changes}))


def trained_ganimation(settings: Learning | dict | None = None, given: TrainingFaces | None = None,
                       progress: Callable | None = None) -> ganimation.Trained:  # fmt: skip
    """Return a generator and a critic with their learning curves, trained once on this machine and read ever after.

    settings: `Learning`, or some of its fields; None: the published code's, which wants a GPU; `demo()` takes minutes on two cores.
    given: faces of the user's with Action Units (columns AU01 …, 0 to 5) instead of the atelier's; those with unknown ones are left out.
    progress(done, total): after each epoch. A killed training goes on after its last epoch. Raises Diverged, ParameterError.
    """
    wanted = settings if isinstance(settings, Learning) else Learning(**(settings or {}))
    made_of = wanted.model_dump(mode="json") | {"reduced": REDUCED}
    if given is not None:
        made_of = {"network": made_of["network"], "reduced": REDUCED, "of": _digest_of(given)}

    def make(folder: Path) -> dict:
        pictures, units = to_learn_from(wanted, given)
        trained = ganimation.train(pictures, units, folder, wanted.network, progress)
        return {"faces": len(pictures), "units": units.shape[1], "synthetic": given is None,
                "seconds": round(float(trained.history["seconds"].sum()), 1)}  # fmt: skip

    folder = kept("ganimation", made_of, SOURCES, make)
    return ganimation.read(folder, wanted.network)


def to_learn_from(wanted: Learning, given: TrainingFaces | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures uint8 (n, S, S, 3) of the networks' side and their Action Units (n, k): the atelier's, or of the faces given."""
    found = faces.atelier_faces(wanted.count, wanted.seed, wanted.cut, wanted.material) if given is None else given
    units = found.table[list(UNIT_COLUMNS)].to_numpy(np.float32)
    known = np.isfinite(units).all(axis=1)
    if known.sum() < 2:
        raise ParameterError(f"Received {len(found)} faces, {known.sum()} of which with all of {UNIT_COLUMNS[0]} … {UNIT_COLUMNS[-1]}; "
                             "expected at least two. Measure their Action Units with OpenFace first.")  # fmt: skip
    return reduced(found.crops[known], wanted.network.side), ganimation.check_units(units[known])


def reduced(crops, side: int) -> np.ndarray:
    """Return crops uint8 (n, S, S, 3) with another side, areas averaged where they shrink, interpolated (cubic) where they grow."""
    crops = np.asarray(crops)
    if crops.ndim != 4 or crops.dtype != np.uint8 or crops.shape[1] != crops.shape[2] or crops.shape[3] != 3:
        raise ParameterError(f"Received crops {crops.shape} of type {crops.dtype}; expected uint8 (n, S, S, 3).")
    if crops.shape[1] == side:
        return crops
    how = cv2.INTER_AREA if side < crops.shape[1] else cv2.INTER_CUBIC
    return np.array([cv2.resize(crop, (side, side), interpolation=how) for crop in crops], np.uint8).reshape(-1, side, side, 3)


def _digest_of(given: TrainingFaces) -> str:
    return fingerprints.digest(given.table.to_csv(index=False) + hashlib.sha256(np.ascontiguousarray(given.crops)).hexdigest())


# ---- heads to try it on


def heads(count: int = 12, seed: int = 920_000, side: int = 64) -> Heads:
    """Return neutral heads of the atelier (synthetic), made once: `count` people of a seed, cut as the faces to learn from, `side` pixels.

    Everybody is at rest, turned by at most 12°, as the reference faces are (`faces.atelier_faces(…, prototypes=True)`).
    """
    specs.check_count(count, "count of heads", 1), specs.check_count(seed, "seed", 0, 2**31 - 1), specs.check_count(side, "side", 8, 1024)
    settings = {"count": count, "seed": seed}
    folder = kept("heads", settings, HEADS_SOURCES, lambda making: _make_heads(making, settings))
    rows = json.loads((folder / "heads.json").read_text())
    crops, matrices = reduced(np.load(folder / "crops.npy"), side), np.array([row["matrix"] for row in rows])
    share = side / JUDGED_SIDE
    boxes = np.array([row["box"] for row in rows]) * share
    return Heads(crops, boxes, [row["spec"] for row in rows], np.diag([share, share, 1.0]) @ matrices)


def _make_heads(folder: Path, settings: dict) -> dict:
    items = {str(number): number for number in range(settings["count"])}
    done = run_all(head_job, items, settings=settings | {"folder": str(folder)}, journal=folder / "heads.jsonl", what="heads")
    if failed := [outcome.error for outcome in done.values() if outcome.error]:
        raise CompendiumError(f"{len(failed)} heads could not be made ({failed[0]}). Run again to go on.")
    np.save(folder / "crops.npy", np.stack([np.load(folder / f"{key}.npy", allow_pickle=False) for key in items]))
    (folder / "heads.json").write_text(json.dumps([outcome.value for outcome in done.values()]))
    for key in items:
        (folder / f"{key}.npy").unlink()
    return {"heads": len(items), "synthetic": True}


def head_job(number: int, settings: dict) -> dict:
    """Make one head, in a worker process: its crop goes to a file; spec, box and matrix are returned."""
    from lib.faces import transforms
    from lib.faces.align import align
    from lib.faces.landmarks import landmarks

    wanted = {"seed": settings["seed"], "kind": NEUTRAL, "material": "skin"}
    drawn, generator = faces._draw(wanted, number)
    turned = {"yaw": float(generator.uniform(-TURN, TURN)), "pitch": float(generator.normal(0, NOD))}
    piece = faces._sat(wanted, drawn, number, "neutral", 0.0, None, **turned)
    box = piece.truth["faces"][0]["box"]
    found = landmarks(piece.picture, box, "hand")
    crop, transform, _ = align(piece.picture, box, JUDGED_SIDE, found)
    np.save(Path(settings["folder"]) / f"{number}.npy", crop)
    there = [round(float(value), 3) for value in transforms.map_box(box, transform)]
    return {"spec": piece.spec, "box": there, "matrix": np.asarray(transform.matrix, float).tolist()}


def wishes(each: int = 2, free: int = 0, seed: int = 0) -> pd.DataFrame:
    """Return Action Units to ask for, a table (expression, AU01 …): of each expression `each` at full strength as the atelier poses it,
    then `free` rows of units drawn one by one as in the faces to learn from (expression "").
    """
    specs.check_count(each, "count of each expression", 0), specs.check_count(free, "count of free rows", 0)
    rows = []
    for name in [*EXPRESSIONS] * each + [""] * free:
        generator = specs.generator_of(seed, "wishes", len(rows))
        drawn = muscles.prototype(name, 1.0, generator) if name else {
            unit: float(generator.uniform(0.6, 5)) if generator.random() < faces.FREE_UNIT else 0.0 for unit in muscles.UNITS}  # fmt: skip
        rows.append([name, *(round(drawn[unit], 3) for unit in muscles.UNITS)])
    return pd.DataFrame(rows, columns=["expression", *UNIT_COLUMNS])


# ---- how true


def remeasured(generator, pictures, requested, judge: Callable, boxes=None) -> Remeasured:
    """Return what a generator makes of every head for every row of units, and what a judge reads there.

    pictures: uint8 (n, S, S, 3). requested: (m, k) intensities 0 to 5, or a table with columns AU01 …. boxes: (n, 4) the heads' boxes
    in pixels of S, or None. judge(pictures uint8 (n · m, S, S, 3), boxes) gives intensities (n · m, k), NaN unknown; boxes are the heads'
    own, one for each picture: where the judge is to look for landmarks. Raises ParameterError where it gives another shape.
    """
    asked = ganimation.check_units(requested)
    head = np.repeat(np.arange(len(pictures)), len(asked))
    asked = np.tile(asked, (len(pictures), 1))
    made = animation.animate(generator, np.asarray(pictures)[head], asked)
    measured = np.asarray(judge(made.pictures, None if boxes is None else np.asarray(boxes)[head]), float)
    if measured.shape != asked.shape:
        raise ParameterError(f"Received a judge that gives {measured.shape} for {len(asked)} pictures; expected {asked.shape}.")
    numbers = [int(name[2:]) for name in UNIT_COLUMNS] if asked.shape[1] == len(UNIT_COLUMNS) else list(range(1, asked.shape[1] + 1))
    table = animation.fidelity(asked, measured, numbers)
    shown = table.loc[table["unit"].isin(animation.SHOWN), "correlation"]
    return Remeasured(made, head, asked, measured, table, float(shown.mean()))


def frechet(first, second) -> float:
    """Return the Fréchet distance of two sets of features (n, d) and (m, d) seen as normal distributions (Heusel et al. 2017).

    |mean difference|² + trace(A + B - 2 (A B)^½), squared units of the features, 0 for equal ones. Small sets make it larger than it is:
    compare sets of one size. Raises ParameterError for fewer than two rows, other widths, or values that are no numbers.
    """
    sets = [np.asarray(one, float) for one in (first, second)]
    fits = all(one.ndim == 2 and len(one) > 1 and np.isfinite(one).all() for one in sets)
    if not fits or sets[0].shape[1] != sets[1].shape[1]:
        raise ParameterError(f"Received features {sets[0].shape} and {sets[1].shape}; expected (n, d) and (m, d), two rows or more, all "
                             "finite.")  # fmt: skip
    (here, one), (there, other) = ((part.mean(axis=0), np.atleast_2d(np.cov(part, rowvar=False))) for part in sets)
    # The trace of (A B)^½ is that of (A^½ B A^½)^½, which is symmetric: no complex root, and ranks below d do no harm.
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ other @ root), 0, None)).sum()
    return float(max(np.square(here - there).sum() + np.trace(one) + np.trace(other) - 2 * cross, 0.0))


def identity_kept(before, after, head) -> dict[str, float]:
    """Return how far generated faces lie from their own head and from the others, in any features: before (n, d), after (m, d), head (m,).

    own: mean distance to the head a face was made of; others: to the other heads; between: of the heads among each other; share: of faces
    whose nearest head is their own. Distances are Euclidean, in the features' units. Needs two heads.
    """
    before, after, head = np.asarray(before, float), np.asarray(after, float), np.asarray(head, int)
    fits = before.ndim == after.ndim == 2 and before.shape[1:] == after.shape[1:] and head.shape == after.shape[:1]
    if not fits or len(before) < 2 or not len(after) or head.min() < 0 or head.max() >= len(before):
        raise ParameterError(f"Received features {before.shape} of heads and {after.shape} of faces, and {head.shape} numbers of heads; "
                             "expected (n, d) with n at least 2, (m, d) and (m,) from 0 to n - 1.")  # fmt: skip
    far = np.linalg.norm(after[:, None] - before[None], axis=2)
    mine = np.arange(len(before)) == head[:, None]
    apart = np.linalg.norm(before[:, None] - before[None], axis=2)[~np.eye(len(before), dtype=bool)]
    return {"own": float(far[mine].mean()), "others": float(far[~mine].mean()), "between": float(apart.mean()),
            "share": float((far.argmin(axis=1) == head).mean())}  # fmt: skip


def variety(before, made, head) -> dict[str, float]:
    """Return whether a generator still tells faces and wishes apart: `people`, `wishes`, both 0 where it has collapsed.

    before: uint8 (n, S, S, 3) heads. made: uint8 (n · m, S, S, 3). head: (n · m,). people: mean deviation of pixels between heads for one
    wish, over that of the heads themselves (1: as varied). wishes: mean deviation of pixels between the wishes of one head, 0 to 1.
    """
    before, made, head = np.asarray(before, float), np.asarray(made, float), np.asarray(head, int)
    count, each = len(before), len(made) // max(len(before), 1)
    if count < 2 or not each or made.shape[1:] != before.shape[1:] or not np.array_equal(head, np.repeat(np.arange(count), each)):
        raise ParameterError(f"Received {before.shape} heads and {made.shape} pictures; expected as many pictures of each head, in order.")
    sets = made.reshape(count, each, *made.shape[1:])
    return {"people": float(sets.std(axis=0).mean() / max(before.std(axis=0).mean(), 1e-6)), "wishes": float(sets.std(axis=1).mean() / 255)}
