"""Explanations: what requested Action Units would move on the atelier's heads, and what a perfect generator would have painted.

A head's spec is carved again with the units requested: how far each place of its crop moves says where an animated picture should
differ from the head's own, and the picture itself is what the judge can at best be shown.
"""

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.collections import atelier
from lib.compendium.compute import run_all
from lib.compendium.errors import CompendiumError, ParameterError
from lib.compendium.kept import kept
from lib.explain.planted import warped
from lib.faces import transforms
from lib.training.faces import PICTURE_SIDE, UNIT_COLUMNS
from lib.training.ganimation import check_units

SOURCES = ("lib.collections.atelier", "lib.explain.displacements", "lib.explain.planted", "lib.faces.transforms", "lib.training.faces")


class Carved(NamedTuple):
    """What was asked of n heads in m rows, head after head: pictures uint8 (n · m, S, S, 3) and displacements float32 (n · m, S, S).

    displacements: the largest by which any unit moved what a pixel shows, in units of form (.9 between the pupils), 0 where none did.
    """

    pictures: np.ndarray
    displacements: np.ndarray


def requested(pieces: list, matrices, units, side: int = 64) -> Carved:
    """Return what rows of Action Units move on the atelier's heads (synthetic), carved once and kept on this machine.

    pieces, matrices: of `lib.training.animated.heads` (n, each with one figure; (n, 3, 3) from pixels of the picture to pixels of a crop
    of `side`). units: (m, k) intensities 0 to 5, or a table with columns AU01 …. Pose, light and grain stay; only the face moves.
    Raises ParameterError where these do not fit.
    """
    asked, matrices = check_units(units), np.asarray(matrices, float)
    if matrices.shape != (len(pieces), 3, 3) or not len(pieces) or asked.shape[1] != len(UNIT_COLUMNS):
        raise ParameterError(f"Received {len(pieces)} pieces, matrices {matrices.shape} and units {asked.shape}; expected as many matrices "
                             f"(3, 3) as pieces, at least one, and {len(UNIT_COLUMNS)} units a row.")  # fmt: skip
    items = [[piece, matrix.tolist(), [round(float(value), 3) for value in row]]
             for piece, matrix in zip(pieces, matrices, strict=True) for row in asked]  # fmt: skip
    folder = kept("carved", {"side": side, "items": items}, SOURCES, lambda making: _make(making, items, side))
    return Carved(np.load(folder / "pictures.npy"), np.load(folder / "displacements.npy"))


def _make(folder: Path, items: list, side: int) -> dict:
    keyed = {f"{number:04d}": [f"{number:04d}", *item] for number, item in enumerate(items)}
    done = run_all(carve_job, keyed, settings={"folder": str(folder), "side": side}, journal=folder / "carved.jsonl", what="carved faces")
    if failed := [outcome.error for outcome in done.values() if outcome.error]:
        raise CompendiumError(f"{len(failed)} faces could not be carved ({failed[0]}). Run again to go on.")
    for name in ("pictures", "displacements"):
        np.save(folder / f"{name}.npy", np.stack([np.load(folder / f"{key}.npz", allow_pickle=False)[name] for key in keyed]))
    for key in keyed:
        (folder / f"{key}.npz").unlink()
    return {"faces": len(items), "synthetic": True}


def carve_job(item: list, settings: dict) -> str:
    """Carve one head with the units asked for, in a worker process: its crop and its displacements go to a file."""
    key, spec, matrix, units = item
    side, spec = settings["side"], copy.deepcopy(spec)
    spec["figures"][0]["units"] = {name[2:].lstrip("0"): value for name, value in zip(UNIT_COLUMNS, units, strict=True)}
    piece = atelier.sculpt(spec, PICTURE_SIDE)
    cut = transforms.Transform("crop", tuple(map(tuple, matrix)), side, side)
    moved = [warped(one, cut, side) for one in piece.evidence.values() if one.any()]
    path = Path(settings["folder"]) / f"{key}.npz"
    part = path.with_name(f".{key}.part.npz")
    np.savez(part, pictures=transforms.apply(piece.picture, cut),
             displacements=np.maximum.reduce([np.zeros((side, side), np.float32), *moved]))  # fmt: skip
    part.replace(path)
    return key
