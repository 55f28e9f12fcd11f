"""Collections: faces of the atelier that are signs rather than likenesses: haniwa, Jomon figurines, plain marble idols.

They use the same eye, brow and mouth curves as `features`, so their landmarks follow from the same plan.
"""

import numpy as np

from lib.collections.atelier.features import Mouth, brow_line, eye_curves, eye_place
from lib.collections.atelier.geometry import bump, curve, ridge, step


def _opening(x, y, s, m):
    """Return the weight of the eye's opening, the signed heights over its lids, and the place along it (-1 to 1)."""
    cx, cy, half, cant = eye_place(s)
    t = (x - cx) / half
    upper, lower = eye_curves(t, s, m)
    over, under = y - cy - cant * t - upper, y - cy - cant * t - lower
    inside = np.clip(0.5 - over / 0.018, 0, 1) * np.clip(0.5 + under / 0.018, 0, 1) * step(1.02, 0.94, np.abs(t))
    return inside, over, under, t


def _slit(x, y, s, m, least: float):
    """Return the weight of a mouth opened by at least `least` units."""
    curves = Mouth(s, {**m, "gap_lower": max(m["gap_lower"], least)})
    q = np.minimum(x / curves.half, 1)
    _, upper, lower, _, line = curves.curves(q)
    return np.clip(0.5 + (upper - y) / 0.018, 0, 1) * np.clip(0.5 + (y - lower) / 0.018, 0, 1) * step(1.0, 0.95, x / curves.half), line


def _wedge(x, y, s, low: float = -0.62, high: float = 0.26):
    height = curve(y, [low - 0.10, low, low + 0.12, -0.1, high], [0.0, 0.22, 0.27, 0.13, 0.02]) * s["nose_height"]
    wide = curve(y, [low, low + 0.1, high], [0.15, 0.13, 0.07]) * s["nose_width"]
    return height * np.exp(-((x / wide) ** 4))


def haniwa(x, y, z, paints, s, m):
    """A tube of clay with eyes and mouth cut through, a pinched nose and one ridge for both brows; cheeks may be painted."""
    line = brow_line(x, s, m)
    z += 0.055 * ridge(y - line, 0.050) * step(0.95, 0.8, x)
    z += _wedge(x, y, s)
    hole, over, under, t = _opening(x, y, s, m)
    z += 0.018 * (ridge(over, 0.03) + ridge(under, 0.03)) * step(1.15, 0.9, np.abs(t))
    mouth, line = _slit(x, y, s, m, 0.05)
    cut = np.clip(hole + mouth, 0, 1)
    z -= 0.14 * cut
    paints["hollow"] = cut
    paints["lip"] = 0.9 * step(0.2, 0.0, np.abs(x - 0.62) + 0.8 * np.abs(y + 0.42) - 0.12) * (1 - cut)


def jomon(x, y, z, paints, s, m):
    """Goggle eyes like coffee beans under roped brows, a button nose, a small ringed mouth."""
    cx, cy, half, _ = eye_place(s)
    radius = np.sqrt(((x - cx) / (half * 1.12)) ** 2 + ((y - cy) / (half * 0.86)) ** 2)
    z += 0.17 * np.sqrt(np.maximum(0, 1 - radius**2)) + 0.07 * ridge(radius - 1.08, 0.10)
    slit = ridge(y - cy - 0.02 * ((x - cx) / half) ** 2, 0.016 + 0.03 * max(0.0, m["upper_lid"])) * step(0.92, 0.75, np.abs(x - cx) / half)
    z -= 0.07 * slit
    brow = ridge(y - brow_line(x, s, m) - 0.10, 0.045) * step(1.0, 0.85, x)
    z += (0.085 + 0.03 * np.cos(60 * x + 25 * y)) * brow
    z += 0.16 * np.sqrt(np.maximum(0, 1 - (x / 0.12) ** 2 - ((y + 0.46) / 0.12) ** 2))
    z += 0.06 * ridge(x, 0.05) * step(-0.46, -0.2, y) * step(0.35, 0.2, y)
    hole = bump(x, y, (0.05, -0.50), (0.02, 0.02))
    ring = np.sqrt((x / 0.17) ** 2 + ((y + 0.95 + 0.5 * m["jaw"]) / (0.10 + 0.4 * m["jaw"])) ** 2)
    z += 0.07 * ridge(ring - 1.0, 0.2)
    mouth = step(0.85, 0.6, ring)
    z -= 0.10 * mouth + 0.05 * hole
    cords = ridge(np.mod(y * 2.6 + 0.6 * x, 0.5) - 0.25, 0.05) * step(0.55, 0.8, x) * step(-0.45, -0.6, y)
    z -= 0.02 * cords
    paints["line"] = np.maximum.reduce([0.95 * slit, hole, 0.35 * cords, 0.3 * ridge(radius - 0.98, 0.05)])
    paints["hollow"] = mouth


def idol(x, y, z, paints, s, m):
    """A smooth shield of marble with a nose and hardly more; traces of paint where eyes and mouth were."""
    z += 1.15 * _wedge(x, y, s, low=-0.60, high=0.42)
    z += 0.020 * ridge(y - brow_line(x, s, m), 0.05) * step(0.9, 0.7, x)
    hole, *_ = _opening(x, y, s, m)
    mouth, line = _slit(x, y, s, m, 0.02)
    z += 0.012 * hole - 0.014 * ridge(y - line, 0.016) * step(0.26, 0.18, x)
    paints["line"] = 0.22 * np.maximum(ridge(y - line, 0.018) * step(0.26, 0.18, x), 0.6 * hole)


FACES = {"haniwa": haniwa, "jomon": jomon, "idol": idol}
