"""Collections: the portraits that the atelier's painter starts from: sitters who show every group of expressions. Synthetic."""

from pathlib import Path

import cv2
import numpy as np

from lib.collections.atelier import expression, rendering, sculptor, specs
from lib.collections.atelier.paintings.plan import EXPRESSIONS_OF, GROUPS

PICTURES_EACH = 8  # of a sitter: two of each group
STRENGTHS = (0.75, 1.0)  # of expressions: well visible
FURTHEST = 14.0  # degrees that a sitter turns aside
MOVED = 0.03  # units of .9 between the pupils, about 2 mm: from here on the surface counts as moved by the expression


def sitting(index: int, seed: int) -> dict:
    """Return the spec of portrait number `index`: groups take turns, a sitter sits PICTURES_EACH times, group 0's expressions rotate."""
    sitter, sitting_ = divmod(index, PICTURES_EACH)
    generator = specs.generator_of(seed, "artworks", index)
    names = EXPRESSIONS_OF[index % GROUPS]
    name = names[(2 * sitter + sitting_ // GROUPS) % len(names)]
    who = int(specs.generator_of(seed, "artworks sitter", sitter).integers(2**31))
    strength = 0.0 if name == "neutral" else float(generator.uniform(*STRENGTHS))
    turned = {"yaw": float(generator.uniform(-FURTHEST, FURTHEST)), "pitch": float(generator.normal(0, 3))}
    spec = sculptor.commission(int(generator.integers(2**31)), "portraits", identity=who, expression_of=name, intensity=strength,
                               damaged={}, **turned)  # fmt: skip
    spec["figures"][0]["identity"] = f"{sitter:05d}"
    return spec


def moved_by_expression(spec: dict, side: int) -> np.ndarray:
    """Return where the expression moved what is seen of the face, bool (side, side); empty where nothing moved (neutral).

    The same head at rest is held against it, as `sculptor.Piece.evidence` does for each unit; half the resolution is enough here.
    """
    if not any(expression.check_units(spec["figures"][0]["units"]).values()):
        return np.zeros((side, side), bool)
    camera = sculptor._camera(spec, side // 2, side // 2)
    grids, (place,), _ = sculptor._scene(spec, camera)
    buffers = rendering.raster(grids, camera.times(rendering.SUPERSAMPLE))
    one = spec["figures"][0]
    posed, rest = (sculptor._head(spec, one, 0, units)[0] for units in (None, dict.fromkeys(expression.UNITS, 0.0)))
    apart = np.linalg.norm(posed.points - rest.points, axis=2).astype(np.float32) * one["scale"]
    apart[(apart < sculptor.MOVED) | (posed.paints["hair"] > 0.5)] = 0
    seen = cv2.remap(apart, buffers.column, buffers.row, cv2.INTER_NEAREST) * (buffers.grid == place)
    moved = cv2.resize(seen, (side, side), interpolation=cv2.INTER_AREA) >= MOVED
    # Samples of a head seen at this size are as far apart as pixels: holes between them are closed.
    return cv2.morphologyEx(moved.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((round(side / 25),) * 2, np.uint8)).astype(bool)


def portraits_job(item: list, settings: dict) -> list[list]:
    """Paint the portraits of one batch, in a worker process: arrays go to a file; [identity, expression, intensity, box] are returned."""
    start, stop = item
    pictures, maps, rows = [], [], []
    for index in range(start, stop):
        spec = sitting(index, settings["seed"])
        picture, truth = sculptor.sculpt(spec, settings["side"])
        face = truth["faces"][0]
        pictures.append(picture), maps.append(moved_by_expression(spec, settings["side"]))
        rows.append([int(face["identity"]), face["expression"], face["intensity"], *face["box"]])
    path = Path(settings["folder"]) / f"{start:05d}.npz"
    part = path.with_name(f".{path.stem}.part.npz")
    np.savez(part, pictures=np.stack(pictures), maps=np.stack(maps))
    part.replace(path)
    return rows
