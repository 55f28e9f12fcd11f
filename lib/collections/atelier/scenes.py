"""Collections: where atelier heads are shown: busts, masks, reliefs and figures, plinths and museum backgrounds."""

import cv2
import numpy as np

from lib.collections.atelier import form
from lib.collections.atelier.geometry import Grid, ball, bump, lathe, moved, rotation, sample, slab, smooth_lathe, step, tile, tube

PRESENTATIONS = ("bust", "head", "mask", "relief", "seated", "standing", "tube")
GARMENTS = ("bare", "robe", "toga", "tunic", "armour", "collar", "shawl")
BACKGROUNDS = ("wall", "dark", "gallery", "niche", "paper", "outdoors", "cave")
POSTURES = ("standing infantry", "kneeling archer", "standing archer", "charioteer", "general")


def dressed(grid: Grid, garment: str) -> Grid:
    """Return shoulders with a garment: folds added, cloth painted."""
    points = grid.points.copy()
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    angle = grid.texture[..., 0]
    cloth = np.zeros_like(x)
    fold = np.zeros_like(x)
    if garment in ("robe", "shawl"):
        neckline = -2.32 - 0.55 * np.maximum(0, 1 - np.abs(x) / 0.75) * (z > -0.3)
        cloth = step(0.03, -0.03, y - neckline)
        fold = np.cos(16 * (y + 0.42 * np.abs(x)) + 2 * np.sin(2 * x)) * (0.030 if garment == "robe" else 0.018)
        fold = fold + 0.05 * np.exp(-(((y - neckline + 0.04) / 0.05) ** 2))
    elif garment == "toga":
        edge = -2.5 - 0.62 * x
        cloth = step(-0.05, 0.05, edge - y + 0.2)
        fold = 0.045 * np.cos(13 * (y + 0.75 * x + 0.08 * np.sin(4 * x))) + 0.05 * np.exp(-(((y - edge) / 0.08) ** 2))
    elif garment == "tunic":
        neckline = -2.42 - 0.18 * (z > -0.3) * np.maximum(0, 1 - (np.abs(x) / 0.9) ** 2)
        cloth = step(0.03, -0.03, y - neckline)
        fold = 0.022 * np.cos(9 * x + 3 * np.sin(2 * y)) + 0.04 * np.exp(-(((y - neckline + 0.03) / 0.04) ** 2))
    elif garment == "armour":
        cloth = step(0.03, -0.03, y + 2.36)
        lames = np.abs(np.mod(y * 2.9, 1) - 0.5)
        plates = np.abs(np.mod(angle * 1.3 + 0.5 * np.floor(y * 2.9), 1) - 0.5)
        fold = 0.09 - 0.05 * step(0.12, 0.02, 0.5 - lames) - 0.04 * step(0.10, 0.02, 0.5 - plates)
        collar = np.exp(-(((y + 2.30) / 0.10) ** 2))
        fold = fold + 0.12 * collar
        cloth = np.maximum(cloth, step(0.3, 0.6, collar))
    elif garment == "collar":
        cloth = step(0.0, 0.03, y + 2.95 - 0.1 * np.cos(angle)) * step(-2.22, -2.28, y)
        fold = 0.05 + 0.018 * np.cos(angle * 26) * np.cos(y * 42)
    out = np.stack([0.9 * x, 0 * y, z + 0.3], axis=2)
    out /= np.linalg.norm(out, axis=2, keepdims=True) + 1e-6
    points = points + out * (cloth * fold)[..., None]
    return grid._replace(points=points.astype(np.float32), paints={**grid.paints, "cloth": cloth.astype(np.float32)})


def torso(presentation: str, garment: str, shape: dict, generator: np.random.Generator) -> list[Grid]:
    """Return what is below the head, in the head's units, upright and facing the viewer."""
    if presentation == "bust":
        rounded = garment in ("bare", "toga", "robe") and generator.random() < 0.5
        body = [form.neck(shape), dressed(form.shoulders(cut=-3.9 if rounded else -3.7, rounded=rounded), garment)]
        return body + (socle(-4.1) if rounded else plinth(-3.7, 2.1))
    if presentation == "head":
        return [form.neck(shape, bottom=-2.5), *mount(-2.4)]
    if presentation == "seated":
        return seated(shape, garment)
    if presentation == "standing":
        return standing(shape, garment)
    if presentation == "tube":
        return tube_body(generator)
    return []


def socle(top: float) -> list[Grid]:
    rows = [(top + 0.15, 0.42, 0.40), (top, 0.36, 0.34), (top - 0.2, 0.30, 0.28), (top - 0.5, 0.48, 0.46), (top - 0.6, 0.85, 0.8),
            (top - 0.8, 0.9, 0.85), (top - 2, 0.9, 0.85)]
    return [smooth_lathe(rows, rows=40, columns=40, stuff="body")]


def plinth(top: float, wide: float) -> list[Grid]:
    return [lathe([(top + 0.02, 0.02, 0.02), (top, wide, 1.3), (top - 0.25, wide, 1.3), (top - 0.27, wide * 1.05, 1.35),
                   (top - 4, wide * 1.05, 1.35)], 48, 7, "ground")]


def mount(top: float) -> list[Grid]:
    """A steel rod and a block, as museums mount a head."""
    return [lathe([(top + 0.3, 0.13, 0.13, 0, -0.3), (top - 1.2, 0.13, 0.13, 0, -0.3)], 16, stuff="ground"),
            lathe([(top - 0.52, 0.02, 0.02), (top - 0.53, 1.0, 0.9), (top - 3.2, 1.0, 0.9)], 48, 8, "ground")]  # fmt: skip


def limb(path, radii, stuff="body", rows=26) -> Grid:
    return tube(path, radii, columns=16, stuff=stuff, rows=rows)


def seated(shape: dict, garment: str) -> list[Grid]:
    """A figure in meditation: crossed legs, hands in the lap, on a lotus seat."""
    body = smooth_lathe([(-2.15, 0.55, 0.5, 0, -0.3), (-2.5, 1.45, 0.72, 0, -0.3), (-3.0, 1.80, 0.86, 0, -0.3),
                         (-4.0, 1.50, 0.85, 0, -0.25), (-5.2, 1.35, 0.9, 0, -0.2),
                         (-6.2, 1.55, 1.0, 0, -0.1)], rows=70, columns=72, flat=2.3)  # fmt: skip
    x, y = body.points[..., 0], body.points[..., 1]
    folds = 0.05 * np.cos(7 * (y + 0.5 * x)) * step(-2.6, -3.0, y + 0.5 * x)
    body.points[..., 2] += folds
    grids = [form.neck(shape), body]
    for s in (-1, 1):
        grids.append(limb([(s * 1.6, -2.85, -0.3), (s * 2.05, -4.2, -0.1), (s * 1.75, -5.3, 0.6), (s * 0.35, -5.75, 1.5)],
                          [0.50, 0.44, 0.40, 0.26]))
        grids.append(limb([(s * 0.9, -6.25, 0.0), (s * 2.9, -6.55, 0.9), (s * 1.6, -6.7, 1.9), (-s * 0.9, -6.6, 1.9)],
                          [0.7, 0.72, 0.52, 0.34]))
    seat = lathe([(-7.0, 3.2, 2.4, 0, 0.4), (-7.25, 3.5, 2.6, 0, 0.4), (-7.9, 2.9, 2.2, 0, 0.4), (-8.1, 3.3, 2.5, 0, 0.4),
                  (-9.5, 3.3, 2.5, 0, 0.4)], 97, 2.4)
    seat.points[..., 0] *= 1 + 0.02 * np.cos(np.linspace(-np.pi, np.pi, 97) * 22)[None]
    return [*grids, seat]


def standing(shape: dict, garment: str, posture: str = "standing infantry") -> list[Grid]:
    """A clothed figure; `posture` moves the arms and may kneel."""
    low = -7.4 if posture == "kneeling archer" else -12.5
    coat = smooth_lathe([(-2.1, 0.5, 0.45, 0, -0.3), (-2.45, 1.30, 0.65, 0, -0.3), (-2.9, 1.72, 0.8, 0, -0.3),
                         (-4.2, 1.45, 0.85, 0, -0.25), (-5.2, 1.32, 0.85, 0, -0.2),
                         (-6.8, 1.75, 1.15, 0, -0.2), (max(low, -9.2), 2.05, 1.3, 0, -0.2)], rows=90, columns=72, flat=2.3)  # fmt: skip
    coat = dressed(coat, garment)
    y = coat.points[..., 1]
    coat.points[..., 2] += 0.05 * np.cos(coat.texture[..., 0] * 5) * step(-5.2, -6.5, y)
    belt = lathe([(-5.1, 1.42, 0.95, 0, -0.2), (-5.45, 1.44, 0.97, 0, -0.2)], 40, 2.3, "ornament")
    arms = {
        "standing infantry": ([(-1.65, -2.8, -0.3), (-2.1, -4.5, -0.2), (-1.9, -6.2, 0.5)], [(1.65, -2.8, -0.3), (2.1, -4.5, -0.2),
                                                                                             (1.9, -6.2, 0.5)]),
        "standing archer": ([(-1.65, -2.8, -0.3), (-2.5, -4.2, 0.2), (-3.1, -5.4, 0.9)], [(1.65, -2.8, -0.3), (2.0, -4.3, 0.3),
                                                                                          (0.4, -4.3, 1.5)]),
        "kneeling archer": ([(-1.65, -2.8, -0.3), (-2.1, -4.4, 0.2), (-0.6, -5.2, 1.4)], [(1.65, -2.8, -0.3), (2.1, -4.4, 0.2),
                                                                                          (0.9, -4.6, 1.5)]),
        "charioteer": ([(-1.65, -2.8, -0.3), (-1.9, -4.4, 0.3), (-1.4, -4.8, 1.9)], [(1.65, -2.8, -0.3), (1.9, -4.4, 0.3),
                                                                                     (1.4, -4.8, 1.9)]),
        "general": ([(-1.65, -2.8, -0.3), (-2.1, -4.4, 0.2), (-0.15, -5.8, 1.5)], [(1.65, -2.8, -0.3), (2.1, -4.4, 0.2),
                                                                                   (0.15, -5.8, 1.5)]),
    }[posture]  # fmt: skip
    grids = [form.neck(shape), coat, belt, *(limb(path, [0.55, 0.46, 0.3], rows=30) for path in arms)]
    grids += [ball(path[-1], (0.28, 0.32, 0.3), 12, 14) for path in arms]
    if posture == "kneeling archer":
        return [*grids, limb([(-0.8, -6.8, 0.0), (-1.2, -6.9, 1.8), (-1.2, -9.0, 1.9)], [0.8, 0.7, 0.5]),
                limb([(0.9, -6.8, 0), (1.1, -8.6, 0.9), (1.1, -9.0, -1.4)], [0.8, 0.65, 0.45]),
                *plinth(-9.2, 2.6)]  # fmt: skip
    legs = [limb([(s * 0.75, -8.8, -0.2), (s * 0.8, -10.8, -0.1), (s * 0.8, -12.6, 0.1)], [0.62, 0.52, 0.45]) for s in (-1, 1)]
    feet = [ball((s * 0.8, -12.7, 0.35), (0.42, 0.25, 0.8), 12, 14) for s in (-1, 1)]
    return [*grids, *legs, *feet, *plinth(-12.9, 2.6)]


def tube_body(generator: np.random.Generator) -> list[Grid]:
    """The hollow cylinder a haniwa stands on, with its band and stub arms."""
    flare = generator.uniform(0.0, 0.5)
    body = smooth_lathe([(-1.2, 0.78, 0.75, 0, -0.1), (-2.1, 0.74, 0.72, 0, -0.1), (-2.5, 1.15, 0.95, 0, -0.1),
                         (-3.4, 1.35, 1.15, 0, -0.1), (-5.0, 1.25 + flare, 1.15 + flare, 0, -0.1),
                         (-5.2, 1.6 + flare, 1.5 + flare, 0, -0.1), (-5.5, 1.2, 1.2, 0, -0.1), (-9, 1.25, 1.25, 0, -0.1)], rows=80,
                        columns=56)  # fmt: skip
    band = lathe([(-4.4, 1.40 + flare * 0.7, 1.28 + flare * 0.7, 0, -0.1), (-4.75, 1.42 + flare * 0.8, 1.30 + flare * 0.8, 0, -0.1)], 40)
    lift = float(generator.uniform(-1, 1.6))
    arms = [limb([(1.1, -2.7, 0), (1.9, -3.2 + 0.4 * lift, 0.2), (2.1, -3.9 + lift, 0.5)], [0.34, 0.30, 0.2]),
            limb([(-1.1, -2.7, 0), (-1.8, -3.5, 0.2), (-1.5, -4.3, 0.8)], [0.34, 0.30, 0.2])]  # fmt: skip
    beads = [ball((0.98 * np.sin(a), -2.15 - 0.16 * np.cos(a), -0.1 + 0.95 * np.cos(a)), (0.10, 0.10, 0.10), 8,
                  10) for a in np.radians(range(-75, 76, 15))]
    return [body, band, *arms, *beads]


# ---- what stands where nobody looks at a face


def objects(kind: str, generator: np.random.Generator) -> list[Grid]:
    """Return grids of a faceless exhibit: "vase", "column", "stele", "torso" or "ring"."""
    wide = generator.uniform(0.9, 1.4)
    if kind == "vase":
        rows = [(1.6, 0.5, 0.5), (1.5, 0.62, 0.62), (1.2, 0.38, 0.38), (0.9, 0.42, 0.42), (0.2, wide, wide),
                (-0.8, wide * 0.95, wide * 0.95), (-1.9, 0.45, 0.45), (-2.1, 0.62, 0.62)]
        return [smooth_lathe(rows, rows=80, columns=64), *plinth(-2.1, 1.6)]
    if kind == "column":
        grid = lathe([(3.0, 0.95, 0.95), (1.6, 0.95, 0.95), (-4.0, 1.05, 1.05)], 121)
        grid.points[..., [0, 2]] *= (1 - 0.05 * np.abs(np.cos(np.linspace(-np.pi, np.pi, 121) * 10)))[None, :, None]
        return [grid]
    if kind == "ring":
        angle = np.linspace(0, 2 * np.pi, 33)
        return [tube(np.stack([1.2 * np.cos(angle), 1.2 * np.sin(angle) - 0.3, 0 * angle], axis=1), 0.32, rows=90, columns=20),
                *plinth(-1.9, 1.3)]
    if kind == "torso":
        shape = form.plain_shape()
        return [dressed(form.shoulders(cut=-5.5), "bare"), form.neck(shape, top=-1.75)]
    carve = tile(int(generator.integers(0, 4)), 2.0)

    def relief(x, y):
        marks = sample(carve, x.astype(np.float32), y.astype(np.float32), 40)
        rows = np.abs(np.mod(y * 2.4, 1) - 0.5)
        return 0.05 * step(0.4, 0.5, marks) * step(0.1, 0.2, rows) - 0.04 * step(0.08, 0.02, rows)

    return [slab((-1.6, 1.6), (-2.8, 1.8), 0.2, 120, 160, relief), *plinth(-2.7, 2.0)]


# ---- backgrounds


def background(kind: str, height: int, width: int, generator: np.random.Generator, light) -> np.ndarray:
    """Return linear light (height, width, 3) of what is behind the pieces."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x / width - 0.5, y / height - 0.5
    hue = generator.uniform(0, 1)
    tint = np.array(_TINTS[int(generator.integers(len(_TINTS)))], np.float32)
    side = np.sin(np.radians(light.azimuth))
    glow = np.exp(-(((u - 0.25 * side) ** 2 + (v + 0.12) ** 2) / 0.32))
    if kind == "dark":
        picture = tint * 0.10 * (0.25 + glow[..., None])
    elif kind == "paper":
        picture = np.array((0.62, 0.61, 0.59), np.float32) * (0.50 + 0.42 * glow[..., None]) * (0.75 + 0.4 * hue)
    elif kind == "gallery":
        picture = _gallery(u, v, tint, generator) * (0.55 + 0.6 * glow[..., None])
    elif kind == "niche":
        inside = step(0.40, 0.36, np.hypot(u, np.minimum(v + 0.05, 0) * 0.9)) * (np.abs(u) < 0.42)
        picture = tint * (0.50 * (0.6 + 0.5 * glow) * (1 - inside) + inside * (0.10 + 0.22 * step(-0.4 * side, 0.5 * side + 1e-3,
                                                                                                  -u)))[..., None]
    elif kind == "outdoors":
        sky = np.array((0.42, 0.52, 0.62), np.float32) * (0.9 - 0.5 * v[..., None])
        trees = step(-0.7, 0.9, cv2.GaussianBlur(sample(tile(1, 1.8), u, v, 190, generator.integers(0, 512, 2)), (0, 0), 4) + 2.2 * v + 0.1)
        picture = sky * (1 - trees[..., None]) + np.array((0.07, 0.10, 0.04), np.float32) * (1 + glow[..., None]) * trees[..., None]
    elif kind == "cave":
        rock = sample(tile(2, 1.7), u, v, 260, generator.integers(0, 512, 2))
        picture = np.array((0.24, 0.20, 0.15), np.float32) * ((0.35 + 0.55 * glow) * np.clip(1 + 0.35 * rock, 0.2, 2))[..., None]
    else:
        picture = tint * (0.30 + 0.45 * glow[..., None]) * (0.6 + 0.5 * hue)
        floor = step(0.30, 0.33, v + 0.02 * hue)[..., None]
        picture = picture * (1 - 0.35 * floor)
    grain = sample(tile(3, 0.7), u, v, 400, generator.integers(0, 512, 2))
    return np.maximum(picture * (1 + 0.025 * grain[..., None]), 0.002).astype(np.float32)


_TINTS = ((0.62, 0.60, 0.56), (0.30, 0.33, 0.37), (0.46, 0.38, 0.30), (0.40, 0.12, 0.10), (0.14, 0.20, 0.30), (0.20, 0.26, 0.20),
          (0.55, 0.50, 0.42), (0.22, 0.21, 0.22),
          (0.36, 0.30, 0.38))


def _gallery(u, v, tint, generator):
    """A room out of focus: wall, floor, a doorway, cases and other pieces as soft shapes."""
    picture = np.broadcast_to(tint * 0.55, (*u.shape, 3)).copy()
    for _ in range(int(generator.integers(4, 8))):
        cx, wide, top = generator.uniform(-0.55, 0.55), generator.uniform(0.04, 0.16), generator.uniform(-0.4, 0.25)
        colour = np.array(_TINTS[int(generator.integers(len(_TINTS)))], np.float32) * generator.uniform(0.15, 1.0)
        shape = (np.abs(u - cx) < wide) & (v > top) & (v < generator.uniform(0.25, 0.6))
        picture[shape] = colour
    picture[v > 0.36] *= 0.45
    sigma = u.shape[1] * generator.uniform(0.015, 0.04)
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def placed(grids: list[Grid], turn: np.ndarray, shift, scale: float) -> list[Grid]:
    return [moved(grid, turn, shift, scale) for grid in grids]


def body_turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return the turn of the body below a head turned so: it follows, less."""
    return rotation(0.62 * yaw, 0.25 * pitch, 0.2 * roll)


def slab_relief(generator: np.random.Generator):
    """Return a carved ground for a relief: a border, a few petals or rays, chisel marks."""
    kind, count = int(generator.integers(3)), int(generator.integers(12, 26))

    def relief(x, y):
        radius, turn = np.hypot(x, y - 0.1), np.arctan2(x, y - 0.1)
        ring = 0.12 * np.exp(-(((radius - 2.25) / 0.10) ** 2))
        petals = 0.10 * np.sqrt(np.maximum(0, np.cos(turn * count / 2) ** 2)) * bump(radius, 0 * radius, (2.75, 0), (0.35, 1))
        chisel = 0.006 * np.cos(x * 17 + y * 8 + 2 * np.sin(1.3 * y))
        border = 0.25 * step(3.2, 3.4, np.abs(x))
        return chisel + border + (ring + petals if kind == 0 else ring if kind == 1 else 0)

    return relief
