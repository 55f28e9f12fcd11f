"""Collections: what atelier heads wear: hair, curls, topknots, caps, helmets, crowns, beards, moustaches, pendants, headcloths."""

import numpy as np

from lib.collections.atelier.geometry import (
    Grid,
    ball,
    bump,
    curve,
    lathe,
    moved,
    ridge,
    rotation,
    sample,
    slab,
    smooth_lathe,
    step,
    tile,
    tube,
    with_paint,
)

HAIRLINE = ((0, 22, 40, 50, 58, 68, 78, 95, 106, 122, 180), (0.90, 0.94, 0.80, 0.48, 0.12, -0.06, 0.10, 0.10, -0.35, -0.78, -0.85))
ACROSS = ((-1.8, -0.5, 0.4, 0.8, 1.1, 1.3, 1.5, 1.65), (1.0, 1.1, 1.12, 1.05, 0.92, 0.72, 0.45, 0.2))  # half width of the skull at a height
HAIRS = ("bald", "cropped", "curls", "snails", "waves", "strands", "locks", "bob", "long", "rows", "bun")
HEADGEAR = ("none", "topknot", "ushnisha", "cap", "flat cap", "helmet", "crown", "mukuta", "wreath", "diadem", "headcloth", "turban",
            "polos", "loops",
            "crest", "hood", "band", "tilted knot", "halo", "horns")  # fmt: skip


COVERING = ("cap", "flat cap", "helmet", "mukuta", "polos", "turban", "hood", "headcloth", "crown", "band")  # worn over the hair


def knobs(angle, v, size: float) -> np.ndarray:
    """Return domes of height 0 to 1 in staggered rows over the skull: curls."""
    row = v / (size * 0.86)
    line = np.floor(row)
    across = angle * curve(v, *ACROSS) / size + 0.5 * np.mod(line, 2)
    dx, dy = across - np.round(across), row - line - 0.5
    return np.sqrt(np.maximum(0, 1 - 3.4 * (dx * dx + dy * dy)))


def wear(hair: str, beard: str, moustache: str, amount: float, offset, recede: float = 0.0, covered: bool = False):
    """Return a function (angle, v, points) -> (thickness, paints) that grows hair, a beard and a moustache on a head.

    `covered`: something is worn over the hair, which lies flat beneath it.
    """

    def grow(angle, v, points):
        degrees = np.abs(np.degrees(angle))
        thick, paint = _hair(hair, angle, degrees, v, amount, offset, recede)
        if covered:
            thick = thick * (1 - 0.85 * step(0.42, 0.58, v))
        more, beard_paint = _beard(beard, moustache, angle, degrees, v, points, offset)
        return (thick + more).astype(np.float32), {"hair": np.maximum(paint, beard_paint).astype(np.float32)}

    return grow


def _hair(hair, angle, degrees, v, amount, offset, recede):
    line = curve(degrees, *HAIRLINE) + recede * step(60, 30, degrees)
    if hair in ("bob", "long"):
        line = np.where(degrees > 56, -1.15 if hair == "bob" else -1.5, line)
    wobble = 0.025 * np.sin(9 * angle + offset[0]) + 0.015 * np.sin(23 * angle + offset[1])
    temple = step(34, 46, degrees) * step(74, 62, degrees)  # the line runs steeply there: a soft edge keeps it from tearing
    mask = step(0.0, 1.0, (v - line - wobble) / (0.07 + 0.20 * temple))
    grain = sample(tile(4, 0.8), *np.broadcast_arrays(angle * 1.15, v), 90, offset)
    if hair == "bald":
        return 0 * mask, 0 * mask
    if hair == "cropped":
        return mask * (0.030 + 0.010 * grain) * amount, 0.92 * mask
    if hair == "curls":
        bumps = np.maximum(knobs(angle + 0.05 * np.sin(3 * v), v + 0.03 * np.sin(5 * angle), 0.21),
                           0.8 * knobs(angle + 0.11, v + 0.07, 0.17))
        return mask * (0.05 + 0.11 * bumps) * amount, mask
    if hair == "snails":
        return mask * (0.035 + 0.085 * knobs(angle, v, 0.185)) * amount, mask
    if hair == "rows":
        return mask * (0.04 + 0.04 * np.abs(np.cos(angle * 11))) * amount, mask
    fall = np.abs(angle) * 1.1
    if hair == "waves":  # parted in the middle, combed aside in waves
        strand = np.sin(9.5 * (v + 0.55 * fall * fall - 0.9 * fall) + 2.2 * np.sin(5.0 * fall + offset[0])) + 0.3 * grain
        part = 1 - 0.65 * ridge(angle, 0.05) * step(0.8, 1.0, v)
        return mask * (0.11 + 0.032 * strand) * part * amount * (1 + 0.5 * bump(degrees, 0 * v, (75, 0), (32, 1))), mask
    if hair == "locks":
        swirl = np.sin(angle * 15 + 3.2 * np.sin(v * 4.4 + offset[0]) + offset[1]) * 0.7 + 0.5 * np.sin(angle * 31 + 5 * v)
        return mask * (0.10 + 0.035 * swirl + 0.02 * grain) * amount, mask
    strand = np.cos(angle * 34 + 1.6 * grain * 0.5 + 0.8 * np.sin(3 * v))
    full = 0.07 + (0.10 if hair in ("bob", "long") else 0.0) * step(30, 65, degrees)
    return mask * (full + 0.014 * strand) * amount, mask


def _beard(beard, moustache, angle, degrees, v, points, offset):
    x, y = np.abs(points[..., 0]), points[..., 1]
    nothing = np.zeros_like(x)
    thick, paint = nothing, nothing
    grain = sample(tile(4, 0.8), *np.broadcast_arrays(angle * 1.15, v), 90, offset)
    if beard != "none":
        cheek = step(0.0, 0.10, -0.62 - 0.20 * step(0.5, 0.2, x) - y + 0.35 * step(0.7, 1.0, x)) * step(90, 80, degrees)
        lips = step(0.85, 1.15, (x / 0.47) ** 2 + ((y + 1.02 + 0.5 * np.maximum(0, -1.06 - y) * (y > -1.5)) / 0.21) ** 2)
        only_chin = step(0.38, 0.26, x) * step(-1.16, -1.26, y) if beard == "goatee" else 1.0
        mask = cheek * lips * only_chin
        pattern = {"short": 0.025 + 0.012 * grain, "curly": 0.03 + 0.05 * knobs(angle + 0.04 * np.sin(9 * v), v + 0.03 * np.sin(7 * angle),
                                                                                0.125),
                   "long": 0.10 + 0.03 * np.cos(angle * 30 + 2 * np.sin(6 * v)),
                   "goatee": 0.10 + 0.02 * np.cos(angle * 40)}[beard]  # fmt: skip
        drop = 1 + (1.4 if beard in ("long", "goatee") else 0.5 if beard == "curly" else 0) * step(-1.2, -1.7, v) * step(45, 10, degrees)
        thick, paint = mask * pattern * drop, mask
    if moustache != "none":
        droop = {"thin": 0.25, "full": 0.45, "drooping": 1.1}[moustache]
        reach = {"thin": 0.36, "full": 0.40, "drooping": 0.46}[moustache]
        width = {"thin": 0.020, "full": 0.042, "drooping": 0.028}[moustache]
        path = -0.815 - droop * x * x - 0.03 * step(0.06, 0.0, x)
        hairs = ridge(y - path, width) * step(reach, reach - 0.06, x) * step(0.012, 0.05, x) * (points[..., 2] > 0.5)
        thick, paint = np.maximum(thick, (0.055 + 0.01 * grain) * hairs), np.maximum(paint, hairs)
    return thick, paint


# ---- things worn: grids in the head's own space


def headgear(name: str, shape: dict, generator: np.random.Generator) -> list[Grid]:
    """Return the grids of one of HEADGEAR for a head of `shape`."""
    wide = shape["face_width"]
    makers = {"topknot": _topknot, "tilted knot": _tilted_knot, "ushnisha": _ushnisha, "cap": _cap, "flat cap": _flat_cap,
              "helmet": _helmet,
              "crown": _crown, "mukuta": _mukuta, "wreath": _wreath, "diadem": _diadem, "headcloth": _headcloth, "turban": _turban,
              "polos": _polos,
              "loops": _loops, "crest": _crest, "hood": _hood, "band": _band, "halo": _halo, "horns": _horns}  # fmt: skip
    return makers[name](wide, generator) if name in makers else []


def _dome(rows, wide, stuff="ornament", columns=56, **others) -> Grid:
    return smooth_lathe([(y, w * wide, d, 0, -0.05) for y, w, d in rows], rows=26, columns=columns, stuff=stuff, **others)


def _ring(height, wide, thick, stuff="ornament", grow=0.0, tilt=0.0):
    angle = np.linspace(-np.pi, np.pi, 49)
    radius = float(curve(np.float32(height), *ACROSS)) * wide + 0.02 + grow
    path = np.stack([radius * np.sin(angle), height + tilt * np.cos(angle), -0.05 + (radius + 0.33) * np.cos(angle)], axis=1)
    return tube(path, thick, columns=12, stuff=stuff, rows=97)


def _topknot(wide, generator):
    knot = ball((0, 1.86, -0.25), (0.30, 0.34, 0.30), 16, 24, stuff="hair")
    return [knot, lathe([(1.55, 0.26, 0.26, 0, -0.25), (1.64, 0.30, 0.30, 0, -0.25), (1.72, 0.25, 0.25, 0, -0.25)], 24, stuff="ornament")]


def _tilted_knot(wide, generator):
    side = 1 if generator.random() < 0.5 else -1
    knot = moved(ball((0, 0, 0), (0.24, 0.36, 0.26), 16, 24, stuff="hair"), rotation(0, 0, side * 25), (side * 0.36, 1.78, -0.3))
    tie = moved(tube([(-0.22, 0, 0), (0, 0, 0.22), (0.22, 0, 0)], 0.055, stuff="ornament"), None, (side * 0.27, 1.60, -0.25))
    return [knot, tie]


def _ushnisha(wide, generator):
    grid = smooth_lathe([(1.30, 0.70, 0.72, 0, -0.2), (1.60, 0.68, 0.70, 0, -0.2), (1.90, 0.54, 0.56, 0, -0.2), (2.12, 0.28, 0.30, 0, -0.2),
                         (2.22, 0.02, 0.02, 0, -0.2)], rows=34, columns=72, stuff="hair")  # fmt: skip
    angle, y = grid.texture[..., 0], grid.texture[..., 1]
    domes = knobs(angle * 0.92, y, 0.185)
    away = grid.points - np.array([0, 1.4, -0.2], np.float32)
    away /= np.linalg.norm(away, axis=2, keepdims=True) + 1e-6
    return [with_paint(grid._replace(points=grid.points + away * (0.075 * domes)[..., None]), hair=1.0)]


def _cap(wide, generator):
    rows = [(0.60, 1.16, 1.48), (0.72, 1.18, 1.50), (0.95, 1.13, 1.45), (1.25, 0.98, 1.26), (1.5, 0.70, 0.90), (1.68, 0.36, 0.45),
            (1.74, 0.02, 0.02)]
    return [_dome(rows, wide, "cloth"), _ring(0.66, wide, 0.055, "cloth", 0.10)]


def _flat_cap(wide, generator):
    rows = [(0.66, 1.14, 1.47), (0.9, 1.13, 1.45), (1.2, 1.04, 1.3), (1.45, 0.92, 1.08), (1.62, 0.82, 0.95), (1.66, 0.02, 0.02)]
    return [_dome(rows, wide, "cloth"), moved(tube([(-0.9, 0, 0), (0, 0.12, 0), (0.9, 0, 0)], 0.09, stuff="cloth"), None, (0, 1.72, -0.2))]


def _helmet(wide, generator):
    rows = [(0.52, 1.18, 1.50), (0.9, 1.15, 1.46), (1.25, 0.98, 1.25), (1.55, 0.66, 0.82), (1.85, 0.26, 0.3), (2.02, 0.05, 0.05),
            (2.06, 0.01, 0.01)]
    comb = tube([(0, 0.9, 1.35), (0, 1.6, 0.9), (0, 2.05, -0.05), (0, 1.6, -1.0), (0, 0.8, -1.5)], [0.04, 0.07, 0.10, 0.07, 0.04],
                stuff="ornament", rows=40)
    guards = [lathe([(0.6, 1.17 * wide, 1.40), (0.0, 1.18 * wide, 1.34), (-0.5, 1.17 * wide, 1.28), (-1.0, 1.05 * wide, 1.20)], 12,
                    stuff="ornament", arc=arc)
              for arc in ((62, 128), (-128, -62))]  # fmt: skip
    return [_dome(rows, wide), comb, *guards, _ring(0.56, wide, 0.06, grow=0.13)]


def _crown(wide, generator):
    count = int(generator.integers(5, 10))
    grid = lathe([(y, (1.13 + 0.06 * t) * wide, 1.46 + 0.06 * t, 0, -0.05) for t, y in zip(np.linspace(0, 1, 16),
                                                                                           np.linspace(0.70, 1.25, 16), strict=True)],
                 97, stuff="ornament")  # fmt: skip
    angle = np.linspace(-np.pi, np.pi, 97)
    tip = 0.55 + 0.45 * np.abs(np.cos(angle * count / 2))
    grid.points[..., 1] = 0.70 + (grid.points[..., 1] - 0.70) * tip[None]
    gems = [ball((1.17 * wide * np.sin(a), 0.86, -0.05 + 1.52 * np.cos(a)), (0.07, 0.07, 0.05), 8, 10,
                 stuff="ornament") for a in np.radians((-50, -25, 0, 25, 50))]
    return [grid, _ring(0.72, wide, 0.05, grow=0.12), *gems]


def _mukuta(wide, generator):
    """The tall jewelled crown of South and Southeast Asia."""
    rows = [(0.74, 1.14, 1.47), (0.95, 1.14, 1.46), (1.0, 1.02, 1.28), (1.3, 0.86, 1.02), (1.34, 0.74, 0.86), (1.65, 0.62, 0.68),
            (1.68, 0.5, 0.54),
            (2.0, 0.36, 0.38), (2.3, 0.10, 0.10), (2.36, 0.01, 0.01)]  # fmt: skip
    grid = _dome(rows, wide, columns=73)
    lumps = 1 + 0.035 * np.abs(np.cos(np.linspace(-np.pi, np.pi, 73) * 9))[None]
    grid.points[..., 0] *= lumps
    leaf = moved(ball((0, 0, 0), (0.26, 0.40, 0.07), 14, 18, stuff="ornament"), rotation(0, 12, 0), (0, 1.18, 1.34))
    return [grid, leaf, _ring(0.78, wide, 0.05, grow=0.12), _ring(0.96, wide, 0.035, grow=0.11)]


def _wreath(wide, generator):
    grids = [_ring(0.86, wide, 0.035, grow=0.06, tilt=-0.06)]
    for a in np.radians(np.arange(-160, 161, 16)):
        for up in (-1, 1):
            place = ((1.16 * wide) * np.sin(a), 0.86 + 0.09 * up - 0.06 * np.cos(a), -0.05 + 1.47 * np.cos(a))
            leaf = ball((0, 0, 0), (0.19, 0.065, 0.035), 8, 10, stuff="ornament")
            grids.append(moved(leaf, rotation(np.degrees(a), 0, 0) @ rotation(0, 0, -28.0 * up * np.sign(a + 1e-6)), place))
    return grids


def _diadem(wide, generator):
    return [_ring(0.92, wide, 0.05, grow=0.05, tilt=-0.04), ball((0, 0.92, 1.40), (0.10, 0.12, 0.05), 10, 12, stuff="ornament")]


def _band(wide, generator):
    return [lathe([(0.66, 1.12 * wide, 1.45, 0, -0.05), (0.86, 1.13 * wide, 1.45, 0, -0.05), (0.90, 1.06 * wide, 1.38, 0, -0.05)], 56,
                  stuff="cloth")]


def _headcloth(wide, generator):
    """The striped royal headcloth of Egypt with its lappets."""
    rows = [(-2.6, 1.15, 0.75), (-2.0, 1.45, 0.95), (-1.2, 1.62, 1.1), (-0.4, 1.58, 1.25), (0.3, 1.38, 1.38), (0.75, 1.20, 1.48),
            (1.2, 1.02, 1.28),
            (1.55, 0.66, 0.85), (1.72, 0.02, 0.02)]  # fmt: skip
    back = smooth_lathe([(y, w * wide, d, 0, -0.1) for y, w, d in rows], rows=90, columns=81, stuff="cloth", arc=(72, 288))
    stripes = np.cos(back.texture[..., 1] * 34)
    back.points[..., 0] *= 1 + 0.012 * stripes
    top = smooth_lathe([(y, w * wide, d, 0, -0.1) for y, w, d in rows[5:]], rows=30, columns=49, stuff="cloth", arc=(-76, 76))
    laps = [lathe([(-0.5, 0.22, 0.16, s * 1.22, 0.22), (-1.2, 0.30, 0.18, s * 1.14, 0.40), (-1.9, 0.36, 0.18, s * 0.98, 0.56),
                   (-3.0, 0.32, 0.18, s * 0.82, 0.86)], 20, 4, "cloth") for s in (-1, 1)]
    snake = tube([(0, 0.72, 1.36), (0, 0.95, 1.55), (0, 1.15, 1.45)], [0.05, 0.09, 0.06], stuff="ornament")
    return [back, top, *laps, _ring(0.72, wide, 0.05, "cloth", 0.13), snake]


def _turban(wide, generator):
    turns = [_ring(h, wide, 0.20, "cloth", 0.10 + 0.05 * k, tilt=t) for k, (h, t) in enumerate(((0.78, 0.06), (0.98, -0.10), (1.16, 0.10),
                                                                                                (1.32, -0.06)))]
    return [*turns, ball((0, 1.4, -0.1), (0.62 * wide, 0.36, 0.8), 14, 24, stuff="cloth")]


def _polos(wide, generator):
    grid = lathe([(y, 1.08 * wide + 0.008 * k, 1.36 + 0.008 * k, 0, -0.05) for k, y in enumerate(np.linspace(0.82, 1.75, 10))] +
                 [(1.77, 0.02, 0.02, 0, -0.05)], 64, stuff="ornament")  # fmt: skip
    grid.points[..., 0] *= 1 + 0.02 * np.cos(np.linspace(-np.pi, np.pi, 64) * 20)[None]
    return [grid]


def _loops(wide, generator):
    """Hair dressed in loops beside the ears, as haniwa warriors wear it."""
    return [tube([(s * 1.12 * wide, 0.25, 0.0), (s * 1.38, -0.2, 0.05), (s * 1.36, -0.9, 0.08), (s * 1.15, -1.25, 0.05)],
                 [0.12, 0.20, 0.22, 0.12],
                 stuff="hair", rows=30) for s in (-1, 1)] + [_ring(0.35, wide, 0.07, "body", 0.08)]  # fmt: skip


def _crest(wide, generator):
    height = generator.uniform(0.35, 0.8)
    path = [(0, 0.98, 1.22), (0, 1.48 + height * 0.2, 0.75), (0, 1.58 + 0.4 * height, -0.1), (0, 1.3 + height * 0.2, -1.0), (0, 0.4, -1.42)]
    return [tube(path, [0.08, 0.17, 0.22, 0.17, 0.08], stuff="body", rows=44, columns=12)]


def _hood(wide, generator):
    rows = [(-2.6, 1.7, 1.15), (-1.9, 1.35, 1.12), (-1.0, 1.30, 1.22), (0.0, 1.34, 1.42), (0.7, 1.30, 1.56), (1.25, 1.08, 1.34),
            (1.6, 0.68, 0.85), (1.84, 0.02, 0.02)]
    back = smooth_lathe([(y, w * wide, d, 0, -0.12) for y, w, d in rows], rows=64, columns=81, stuff="cloth", arc=(58, 302))
    top = smooth_lathe([(y, w * wide, d, 0, -0.12) for y, w, d in [(0.95, 1.24, 1.52), *rows[5:]]], rows=26, columns=40, stuff="cloth",
                       arc=(-62, 62))
    edge = [tube([(s * 0.0, 0.97, 1.42), (s * 0.75, 0.75, 1.12), (s * 1.16, 0.1, 0.72), (s * 1.12, -0.9, 0.62), (s * 1.2, -2.0, 0.6)],
                 0.09, stuff="cloth", rows=44) for s in (-1, 1)]
    folded = back.points
    folded[..., 0] *= 1 + 0.02 * np.cos(back.texture[..., 0] * 13 + back.texture[..., 1] * 2)
    return [back, top, *edge]


def _halo(wide, generator):
    """A disc of light behind the head."""
    ring = lathe([(-0.03, 0.02, 0.02), (-0.03, 2.0, 2.0), (0.03, 2.04, 2.04), (0.05, 1.85, 1.85), (0.0, 1.8, 1.8), (0.0, 0.02, 0.02)], 64,
                 stuff="ornament")
    turned = ring.points[..., [0, 2, 1]]
    return [ring._replace(points=(turned + np.array([0, 0.25, -1.5], np.float32)).astype(np.float32))]


def _horns(wide, generator):
    return [tube([(s * 0.55, 1.2, 0.5), (s * 0.85, 1.7, 0.55), (s * 0.75, 2.2, 0.4)], [0.20, 0.13, 0.03], stuff="body") for s in (-1, 1)]


def pendants(kind: str, shape: dict) -> list[Grid]:
    """Return ear ornaments: "drop", "ring" or "plug"."""
    x, low = 1.13 * shape["face_width"] + 0.05, -0.52 - 0.28 * shape["ear_lobe"]
    grids = []
    for side in (-1, 1):
        if kind == "drop":
            grids += [ball((side * x, low - 0.14, -0.02), (0.075, 0.13, 0.075), 12, 14, stuff="ornament"),
                      ball((side * x, low + 0.03, -0.02), (0.04, 0.05, 0.04), 8, 8, stuff="ornament")]
        elif kind == "ring":
            angle = np.linspace(0, 2 * np.pi, 17)
            path = np.stack([np.full(17, side * x), low - 0.12 + 0.15 * np.cos(angle), 0.15 * np.sin(angle)], axis=1)
            grids.append(tube(path, 0.035, columns=8, stuff="ornament"))
        else:
            grids.append(ball((side * (x + 0.02), low + 0.06, 0.0), (0.05, 0.13, 0.13), 12, 14, stuff="ornament"))
    return grids


def urna(depth: float) -> Grid:
    """Return the small round mark between the brows of a Buddha."""
    return ball((0, 0.30, depth), (0.045, 0.045, 0.03), 8, 12, stuff="body")


def sheet_behind(z: float, relief=None, stuff: str = "body") -> Grid:
    """Return the ground of a relief."""
    return slab((-4.2, 4.2), (-4.2, 3.6), z, 90, 90, relief, stuff, "slab")
