"""Collections: the features of an atelier face: brows, eyes, nose, mouth, cheeks, chin, folds, as heights over a half face.

Everything here works on the half with x >= 0 and is mirrored by `form`. Rest places come from the mean 68-point face of 300-W.
`s` is the shape of the head (see `form.SHAPE`), `m` the movement (see `expression.movement`).
"""

import numpy as np

from lib.collections.atelier.expression import BROW_X
from lib.collections.atelier.geometry import bump, curve, ridge, step, union

BROW_Y = np.array([0.19, 0.224, 0.295, 0.325, 0.298, 0.200, 0.02], np.float32)  # the brow's middle at BROW_X
NOSE_Y = [-0.86, -0.79, -0.735, -0.69, -0.63, -0.57, -0.50, -0.40, -0.25, -0.10, 0.05, 0.16, 0.30]
NOSE_Z = [0.0, 0.02, 0.085, 0.195, 0.300, 0.330, 0.310, 0.258, 0.182, 0.110, 0.062, 0.04, 0.0]
NOSE_WIDE = [0.13, 0.13, 0.13, 0.135, 0.142, 0.140, 0.128, 0.112, 0.100, 0.096, 0.098, 0.115, 0.13]


class Mouth:
    """The four lip curves of one face; q is the distance from the middle over the half width, 0 to 1."""

    def __init__(self, s: dict, m: dict):
        self.half = s["mouth_width"] * 0.370 + m["corner_x"]
        self.middle = -1.020 + s["mouth_y"] + m["mouth_y"]
        self.corner = m["corner_y"] + s["mouth_curve"]
        self.upper_gap = m["gap_upper"] + s["parted"] * 0.02
        self.lower_gap = m["gap_lower"] + s["parted"] * 0.03
        self.upper, self.lower = 0.098 * s["lip_upper"] * m["lip_upper"], 0.140 * s["lip_lower"] * m["lip_lower"]
        self.lift, self.smile = m["lift_lip"], m["smile"]

    def curves(self, q):
        """Return the heights of (outer upper, inner upper, inner lower, outer lower) at q, and the middle line."""
        e = np.maximum(0, 1 - q * q)
        line = self.middle + self.corner * np.abs(q) ** (2.0 + 0.3 * self.smile) - 0.012 * np.exp(-((q / 0.16) ** 2))
        inner_upper = line + self.upper_gap * e**0.8 + self.lift * 0.35 * e * np.exp(-((q - 0.45) ** 2) * 9)
        inner_lower = line - self.lower_gap * e**0.72
        bow = 1 - 0.30 * np.exp(-((q / 0.13) ** 2))
        return inner_upper + self.upper * bow * e**0.85, inner_upper, inner_lower, inner_lower - self.lower * e**0.8, line


def eye_curves(t, s: dict, m: dict):
    """Return heights of the upper and lower lid over the line through the corners, at t = -1 (inner) to 1 (outer corner)."""
    size = s["eye_size"]
    high = 0.088 * size * (1 - 0.85 * s["lowered"]) + m["upper_lid"] * (1 - s["lowered"]) - 0.035 * s["lowered"]
    low = 0.037 * size - m["lower_lid"] * (1 - 0.5 * s["lowered"]) + 0.006 * s["lowered"]
    e = np.maximum(0, 1 - np.abs(t) ** 2.4) ** 0.7
    droop = m["lid_droop"] * np.clip(0.5 + 0.5 * t, 0, 1) ** 1.5
    upper = (high + 0.012 * (1 - t * t) * -np.clip(t, -1, 1) - droop) * e
    lower = -low * np.maximum(0, 1 - t * t) ** 0.75
    return np.maximum(upper, lower + 0.004), lower


def eye_place(s: dict) -> tuple[float, float, float, float]:
    """Return centre x, centre y, half width and rise of the outer corner."""
    return 0.426 + s["eye_spacing"], 0.002, 0.177 * s["eye_size"], 0.012 + s["eye_cant"]


def brow_line(x, s: dict, m: dict):
    """Return the height of the middle of the brow at x."""
    rest = curve(x - curve(x, BROW_X, m["brow_x"]), BROW_X,
                 BROW_Y + s["brow_y"] + s["brow_arch"] * np.array([-0.2, -0.2, 0.3, 1, 0.5, -0.5, -0.5]))
    return rest + curve(x, BROW_X, m["brow_y"])


# ---- relief: each adds to z and may paint


def forehead(x, y, z, paints, s, m):
    lift = curve(x, BROW_X, m["brow_y"])
    window = step(0.30, 0.44, y - lift) * step(1.05, 0.75, y)
    raised = m["inner_brow"] * bump(x, y, (0, 0.62), (0.33, 0.28)) + m["outer_brow"] * bump(x, y, (0.52, 0.66), (0.26, 0.26))
    waves = np.cos((y - 0.22 * x * x - 0.6 * lift) * (2 * np.pi / 0.125))
    lines = waves * window * (0.9 * raised + 0.30 * s["age"] * bump(x, y, (0, 0.62), (0.5, 0.26)))
    z += 0.017 * lines
    paints["line"] = np.maximum(paints["line"], 0.30 * np.maximum(0, -lines - 0.35))
    z += 0.018 * bump(x, y, (0.27, 0.62), (0.26, 0.2)) - 0.035 * bump(x, y, (0.95, 0.35), (0.2, 0.3))
    between = bump(x, y, (0.0, 0.19), (0.14, 0.15))
    furrow = ridge(x - 0.062 - 0.10 * np.maximum(0, y - 0.22), 0.022) * bump(x, y, (0.07, 0.25), (0.2, 0.12))
    knit = np.maximum(m["frown"], 0.35 * m["wrinkle_nose"])
    z += (0.05 * knit + 0.02 * s["brow_ridge"]) * between - (0.065 * knit + 0.008 * s["age"]) * furrow
    paints["line"] = np.maximum(paints["line"], 0.55 * knit * furrow)


def brows(x, y, z, paints, s, m):
    line = brow_line(x, s, m)
    offset = y - line
    ends = step(0.04, 0.16, x) * step(0.98, 0.80, x)
    under = step(-0.15, 0.0, offset) * step(0.22, 0.02, offset)
    heavy = (0.032 + 0.02 * s["brow_ridge"]) * (1 + 0.7 * m["frown"] * bump(x, y, (0.25, 0.2), (0.25, 0.2)))
    z += heavy * under * ends
    thick = curve(x, [0.1, 0.2, 0.4, 0.7, 0.9], [0.036, 0.046, 0.040, 0.028, 0.014]) * s["brow_thick"]
    hairs = np.exp(-((offset / thick) ** 4)) * step(0.09, 0.17, x - 0.6 * np.interp(0.173, BROW_X, m["brow_x"])) * step(0.87, 0.77, x)
    strokes = 0.82 + 0.18 * np.sin(70 * x + 45 * offset)
    paints["brow"] = (hairs * strokes).astype(np.float32)
    z += 0.012 * s["brow_carved"] * hairs * strokes
    return line


def orbits(x, y, z, line, s, m):
    deep = s["orbit"] * (1 + 0.9 * m["frown"] * (1 - 0.6 * m["inner_brow"]) + 0.6 * m["wrinkle_nose"])
    cx = eye_place(s)[0]
    dig = 0.065 * bump(x, y, (cx, 0.0), (0.26, 0.15)) + 0.105 * bump(x, y, (0.235, 0.02), (0.10, 0.15))
    dig = dig + 0.045 * bump(x, y, (cx + 0.02, 0.15), (0.26, 0.075)) + 0.030 * bump(x, y, (cx, -0.19), (0.24, 0.08))
    z -= deep * dig * step(0.05, -0.06, y - line)


def eyes(x, y, z, paints, s, m):
    cx, cy, half, cant = eye_place(s)
    near = (np.abs(x - cx) < 0.36) & (np.abs(y - cy) < 0.36)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if not len(rows):
        return
    box = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    bx, by = x[box], y[box]
    t = (bx - cx) / half
    axis = cy + cant * t
    upper, lower = eye_curves(t, s, m)
    over, under = by - axis - upper, by - axis - lower
    dx, dy = bx - cx, by - cy
    depth = s["eye_depth"] + 0.02 * m["wide_eye"]
    white = depth + 0.20 * np.sqrt(np.maximum(0, 1 - (dx / 0.245) ** 2 - (dy / 0.235) ** 2))
    dome = np.maximum(0, 1 - (dx / 0.268) ** 2 - (dy / (0.245 + 0.02 * s["lowered"])) ** 2)
    lid = np.where(dome > 0, depth + 0.237 * np.sqrt(dome), -1)
    skin = union(z[box], lid, 0.035)
    corner = step(1.05, 0.85, np.abs(t))
    crease = over - 0.052 - 0.02 * (1 - np.minimum(1, t * t)) + 0.03 * m["frown"] - 0.012 * m["upper_lid"]
    crease_here = ridge(crease, 0.016) * step(1.3, 0.9, np.abs(t)) * step(-0.06, 0.0, over)
    skin -= (0.030 + 0.012 * s["age"]) * crease_here
    bag = ridge(under + 0.075 - 0.02 * m["lower_lid"], 0.022) * step(1.15, 0.6, np.abs(t))
    puff = ridge(under + 0.038, 0.026) * corner
    skin += (0.012 + 0.055 * m["squint"] + 0.03 * m["cheek_raise"]) * puff
    skin -= (0.010 * s["age"] + 0.050 * m["squint"] + 0.028 * m["cheek_raise"]) * bag
    feather = 0.012
    gap = np.clip(0.5 - over / feather, 0, 1) * np.clip(0.5 + under / feather, 0, 1) * step(1.02, 0.97, np.abs(t))
    rim = 0.014 * ridge(over - 0.012, 0.014) * corner + 0.010 * ridge(under + 0.010, 0.012) * corner
    z[box] = skin + rim - gap * np.maximum(0, skin + rim - white)
    _paint_eye(paints, box, gap, over, under, crease_here, bag, dx, dy, t, s, m)
    crows = ridge(by - 0.02 - 0.45 * (bx - 0.66), 0.016) + ridge(by + 0.035, 0.014) + ridge(by + 0.085 + 0.4 * (bx - 0.66), 0.014)
    fan = crows * bump(bx, by, (0.74, -0.02), (0.075, 0.11)) * (0.9 * m["cheek_raise"] + 0.3 * s["age"])
    z[box] -= 0.022 * fan
    paints["line"][box] = np.maximum(paints["line"][box], 0.35 * fan)


def _paint_eye(paints, box, gap, over, under, crease, bag, dx, dy, t, s, m):
    centre_y = 0.008 - 0.03 * s["lowered"] + s["gaze"]
    radius = np.hypot(dx, dy - centre_y)
    paints["white"][box] = gap
    paints["iris"][box] = gap * step(0.094, 0.082, radius)
    paints["pupil"][box] = gap * step(0.046, 0.036, radius)
    along = step(1.1, 0.9, np.abs(t))
    lash = np.maximum(ridge(over + 0.002, 0.013) * along, 0.45 * ridge(under - 0.001, 0.010) * along)
    lash = np.maximum(lash, 0.40 * gap * step(0.055, 0.0, -over))  # the upper lid's shadow on the ball
    folds = np.maximum(0.5 * crease, (0.12 + 0.4 * m["squint"] + 0.2 * m["cheek_raise"]) * bag)
    tear = bump(dx, dy, (-0.19, -0.012), (0.02, 0.018)) * 0.4
    paints["line"][box] = np.maximum.reduce([paints["line"][box], lash, folds, tear])


def nose(x, y, z, paints, s, m):
    long = s["nose_length"]
    base = -0.02 + (y + 0.02) / long if long != 1 else y
    yy = np.where(y < 0, base - 0.035 * m["wrinkle_nose"] * step(-0.1, -0.5, y), y)
    height = curve(yy, NOSE_Y, NOSE_Z) * s["nose_height"] * (1 + s["nose_hook"] * bump(0 * y, yy, (0, -0.22), (1, 0.14)))
    wide = curve(yy, NOSE_Y, NOSE_WIDE) * s["nose_width"]
    z += height * np.exp(-0.8 * (x / wide) ** 2.0) * step(0.62, 0.3, x)
    lift = 0.035 * m["wrinkle_nose"] + 0.012 * m["raise_lip"] - 0.006 * m["smile"]
    ax, ay = 0.158 * s["nose_width"] * (1 + 0.10 * m["wrinkle_nose"] + 0.05 * m["smile"]), -0.625 * long + lift
    wing = 0.205 * s["nose_height"] * np.sqrt(np.maximum(0, 1 - ((x - ax) / 0.088) ** 2 - ((y - ay) / 0.098) ** 2))
    base_z = z - height * np.exp(-0.8 * (x / wide) ** 2.0)
    z[:] = np.where(wing > 0, union(z, base_z + wing - 0.03, 0.03), z)
    z -= 0.022 * ridge(np.hypot((x - ax) / 0.098, (y - ay) / 0.105) - 1.12, 0.14) * step(0.02, 0.1, x - 0.08) * step(-0.8, -0.7, y)
    hole = bump(x, y, (0.085 * s["nose_width"], -0.705 * long + 0.6 * lift), (0.034, 0.017))
    z -= 0.10 * hole
    paints["line"] = np.maximum(paints["line"], np.minimum(1, 1.4 * hole))
    wrinkles = (ridge(y + 0.03 - 0.5 * x, 0.024) + ridge(y + 0.12 - 0.6 * x, 0.022) + 0.6 * ridge(y - 0.06 - 0.3 * x,
                                                                                                  0.02)) * step(0.19, 0.10, x)
    z -= 0.036 * m["wrinkle_nose"] * wrinkles
    paints["line"] = np.maximum(paints["line"], 0.4 * m["wrinkle_nose"] * wrinkles)
    z += 0.035 * m["wrinkle_nose"] * bump(x, y, (0.20, -0.24), (0.09, 0.15))


def cheeks(x, y, z, s, m):
    rise = 0.075 * m["cheek_raise"] + 0.06 * m["smile"]
    z += (0.030 * s["cheekbone"] + 0.030) * bump(x, y, (0.66, -0.26 + 0.6 * rise), (0.24, 0.16))
    z += (0.070 * m["smile"] + 0.055 * m["cheek_raise"] + 0.02 * m["wrinkle_nose"]) * bump(x, y, (0.50, -0.42 + rise), (0.20, 0.15))
    z += (s["fullness"] * 0.05 - 0.020) * bump(x, y, (0.62, -0.78), (0.24, 0.24))
    z += 0.02 * m["stretch"] * bump(x, y, (0.62, -1.0), (0.1, 0.16)) + 0.03 * s["jaw"] * bump(x, y, (0.82, -1.0), (0.2, 0.22))
    z += 0.03 * bump(x, y, (0.0, -1.0), (0.42, 0.26))  # the barrel of the teeth


def folds(x, y, z, paints, s, m):
    """The nasolabial fold, from the wing of the nose past the mouth's corner."""
    strength = m["fold"] + 0.22 * s["age"] + 0.10
    far = 0.235 + 0.06 * m["smile"] + 0.02 * m["stretch"] + 0.02 * m["wrinkle_nose"]
    down = np.clip((-0.58 - y) / 0.5, 0, 1.3)
    path = 0.225 * s["nose_width"] ** 0.5 + (far + 0.05) * down ** (0.85 + 0.3 * m["smile"])
    along = step(-0.50, -0.62, y) * step(-1.16, -0.92, y - 0.1 * m["smile"])
    aside = (x - path)
    groove = ridge(aside, 0.030) * along
    z -= 0.042 * strength * groove
    z += 0.040 * strength * bump(aside, y, (0.085, -0.76), (0.085, 0.18))
    paints["line"] = np.maximum(paints["line"], 0.42 * np.minimum(1, strength) * groove)
    gutter = ridge(x - 0.43 - 0.1 * (-1.05 - y), 0.035) * step(-1.02, -1.1, y) * step(-1.42, -1.25, y)
    z -= (0.030 * m["corner_depth"] + 0.016 * s["age"] + 0.012 * m["chin"]) * gutter
    paints["line"] = np.maximum(paints["line"], 0.35 * m["corner_depth"] * gutter)


def mouth(x, y, z, paints, s, m):
    curves = Mouth(s, m)
    q = np.minimum(x / curves.half, 1.0)
    top, upper, lower, bottom, line = curves.curves(q)
    inside = step(1.04, 0.985, x / curves.half)
    end = np.maximum(0, 1 - q**4)
    z -= 0.05 * m["smile"] * bump(x, y, (curves.half, curves.middle + curves.corner), (0.14, 0.12))  # corners are drawn back
    z += 0.025 * m["tight"] * bump(x, y, (0.3, curves.middle), (0.2, 0.14))
    thick_upper, thick_lower = np.maximum(top - upper, 0.004), np.maximum(lower - bottom, 0.004)
    part_upper, part_lower = (y - upper) / thick_upper, (lower - y) / thick_lower
    full_upper, full_lower = min(1.0, curves.upper / 0.08), min(1.0, curves.lower / 0.1)
    roll_upper = np.where((part_upper >= 0) & (part_upper <= 1), np.sqrt(np.clip(part_upper * (1 - part_upper), 0,
                                                                                 1)) + 0.25 * (1 - part_upper), 0)
    roll_lower = np.where((part_lower >= 0) & (part_lower <= 1), np.sqrt(np.clip(part_lower * (1 - part_lower), 0,
                                                                                 1)) + 0.15 * (1 - part_lower), 0)
    z += (0.075 * full_upper * roll_upper + (0.105 + 0.03 * m["chin"]) * full_lower * roll_lower) * inside * end
    z += 0.014 * ridge(y - top - 0.008, 0.016) * inside * end  # the crisp edge of the upper lip
    red = np.clip(0.5 + (top - y) / 0.016, 0, 1) * np.clip(0.5 + (y - bottom) / 0.016, 0, 1) * inside
    gap = np.maximum(upper - lower, 0)
    open_here = np.clip((upper - y) / 0.018, 0, 1) * np.clip((y - lower) / 0.018, 0, 1) * step(1.0, 0.95,
                                                                                               x / curves.half) * step(0.006, 0.022, gap)
    seam = ridge(y - line, 0.013) * step(1.12, 1.0, x / curves.half) * step(0.03, 0.01, gap)
    z -= 0.034 * seam
    _inside_of_mouth(x, y, z, paints, open_here, curves, m)
    paints["lip"] = red * (1 - open_here)
    edges = 0.5 * ridge(y - upper, 0.012) * step(0.01, 0.03, gap) * inside
    pit = bump(x, y, (curves.half + 0.012, curves.middle + curves.corner), (0.026, 0.024))
    z -= (0.03 + 0.03 * m["dimple"] + 0.02 * m["corner_depth"]) * pit
    paints["line"] = np.maximum.reduce([paints["line"], 0.9 * seam, edges, 0.55 * pit])
    _around_mouth(x, y, z, paints, curves, m)


def _inside_of_mouth(x, y, z, paints, open_here, curves, m):
    tooth_edge = -1.050 - 0.012 * np.exp(-((x / 0.12) ** 2)) + 0.01 * m["smile"] + 0.4 * m["lift_lip"]
    floor = -1.10 - 0.95 * m["jaw"]
    bright = np.clip(0.5 + (y - tooth_edge) / 0.014, 0, 1) * step(0.34, 0.26, x) + 0.8 * np.clip(0.5 + (floor - y) / 0.014, 0,
                                                                                                 1) * step(0.26, 0.2, x)
    bright = np.clip(bright, 0, 1)
    cut = 1 - 0.35 * ridge(np.mod(x + 0.0375, 0.075) - 0.0375, 0.008) * (x > 0.02)
    paints["teeth"] = open_here * bright * cut
    paints["hollow"] = open_here * (1 - bright)
    z -= open_here * (0.05 * bright + 0.14 * (1 - bright))


def _around_mouth(x, y, z, paints, curves, m):
    corner = curves.middle + curves.corner
    dent = ridge(x - curves.half - 0.065 - 1.1 * (y - corner) ** 2, 0.022) * step(0.16, 0.08, np.abs(y - corner))
    z += 0.055 * m["dimple"] * (bump(x, y, (curves.half + 0.135, corner),
                                     (0.07, 0.12)) + 0.5 * bump(x, y, (curves.half - 0.02, corner), (0.06, 0.07)))
    z -= 0.092 * m["dimple"] * dent
    pleats = np.cos(x * (2 * np.pi / 0.085)) * bump(x, y, (0.0, curves.middle), (0.26, 0.17)) * step(0.03, 0.07, np.abs(y - curves.middle))
    z += 0.008 * m["tight"] * pleats
    stretch = ridge(x - curves.half - 0.055, 0.02) * step(0.22, 0.1, np.abs(y - corner + 0.05))
    z -= 0.055 * m["stretch"] * stretch
    z += 0.035 * m["raise_lip"] * bump(x, y, (0.26, -0.82), (0.12, 0.07))
    paints["line"] = np.maximum.reduce([paints["line"], 0.6 * m["dimple"] * dent, 0.45 * m["stretch"] * stretch,
                                        0.15 * m["tight"] * np.maximum(0, -pleats)])
    philtrum = bump(x, y, (0, -0.83), (0.035, 0.06))
    z += 0.016 * bump(x, y, (0.06, -0.84), (0.028, 0.06)) - 0.022 * philtrum


def chin(x, y, v, z, paints, s, m):
    up = 0.055 * m["chin"]
    z += (0.035 + 0.02 * s["chin"]) * bump(x, v, (0, -1.50), (0.26, 0.15)) * (1 - 0.4 * m["jaw"])
    z -= 0.05 * bump(x, y, (0, curves_bottom(s, m) - 0.055 + 0.3 * up), (0.27, 0.07)) * (1 + 0.9 * m["chin"])
    ball = bump(x, v, (0, -1.42 + up), (0.20, 0.13)) * m["chin"]
    z += 0.085 * ball
    dimples = np.cos(x * 41 + 9 * v) * np.cos(v * 43 - 7 * x + 2 * np.sin(13 * x)) * ball
    z += 0.009 * dimples
    arch = ridge(v + 1.255 + 0.55 * x * x - up * 0.5, 0.028) * step(0.34, 0.2, x) * m["chin"]
    z -= 0.045 * arch
    paints["line"] = np.maximum.reduce([paints["line"], 0.6 * arch, 0.12 * np.maximum(0, -dimples)])
    z -= 0.02 * s["cleft"] * bump(x, v, (0, -1.55), (0.025, 0.1))


def curves_bottom(s: dict, m: dict) -> float:
    """Return the lower edge of the lower lip in the middle of the face."""
    return float(Mouth(s, m).curves(np.zeros(1))[3][0])


def landmark_plan(s: dict, m: dict) -> dict[int, tuple[float, float]]:
    """Return x, y of the landmarks 17 to 67 that lie on the viewer's right half or in the middle, {iBUG index: (x, y)}."""
    places = {}
    for number, x in zip(range(22, 27), (0.158, 0.306, 0.472, 0.635, 0.765), strict=True):
        moved_x = x + float(np.interp(x, BROW_X, m["brow_x"]))
        places[number] = (moved_x, float(brow_line(np.array([moved_x], np.float32), s, m)[0]))
    long, lift = s["nose_length"], 0.035 * m["wrinkle_nose"]
    places |= {number: (0.0, y) for number, y in zip((27, 28, 29), (0.010, -0.185 * long, -0.375 * long), strict=True)}
    places |= {30: (0.0, -0.565 * long + 0.5 * lift), 33: (0.0, -0.725 * long + 0.5 * lift)}
    places |= {34: (0.105 * s["nose_width"], -0.700 * long + lift), 35: (0.200 * s["nose_width"], -0.660 * long + lift)}
    cx, cy, half, cant = eye_place(s)
    for number, t, lid in ((42, -0.98, 0), (43, -0.38, 1), (44, 0.38, 1), (45, 0.96, 0), (46, 0.38, 2), (47, -0.38, 2)):
        upper, lower = eye_curves(np.array([t], float), s, m)
        places[number] = (cx + t * half, cy + cant * t + (0.0, float(upper[0]), float(lower[0]))[lid])
    curves = Mouth(s, m)
    for number, q, part in ((51, 0, 0), (52, 0.28, 0), (53, 0.66, 0), (54, 1, 4), (55, 0.66, 3), (56, 0.29, 3), (57, 0, 3),
                            (62, 0, 1), (63, 0.28, 1), (64, 0.87, 4), (65, 0.29, 2), (66, 0, 2)):  # fmt: skip
        places[number] = (q * curves.half, float(curves.curves(np.array([float(q)]))[part][0]))
    return places


# ---- marks on the skin


def markings(x, y, z, paints, s):
    """Cut or painted signs: scars, tattoos, painted spirals and bands, a third eye, the urna."""
    kind = s.get("markings", "none")
    if kind == "urna":
        z += 0.045 * np.sqrt(np.maximum(0, 1 - (x / 0.055) ** 2 - ((y - 0.34) / 0.055) ** 2))
    elif kind == "third eye":
        upright = np.sqrt((x / 0.075) ** 2 + ((y - 0.58) / 0.17) ** 2)
        z += 0.035 * np.sqrt(np.maximum(0, 1 - upright**2)) + 0.02 * ridge(upright - 1.0, 0.16)
        paints["line"] = np.maximum(paints["line"], 0.7 * ridge(upright - 0.95, 0.10))
        paints["white"] = np.maximum(paints["white"], step(1.0, 0.85, upright))
        paints["pupil"] = np.maximum(paints["pupil"], step(0.05, 0.035, np.hypot(x, y - 0.58)))
    elif kind == "scars":
        rows = np.maximum(0, np.cos((y + 0.42 + 0.4 * x) * (2 * np.pi / 0.09))) ** 3 * bump(x, y, (0.62, -0.45), (0.13, 0.16))
        dots = np.maximum(0, np.cos(x * 60)) * ridge(y - 0.55 + 0.25 * x * x, 0.03) * step(0.62, 0.5, x)
        z += 0.030 * rows + 0.025 * dots
        paints["line"] = np.maximum(paints["line"], 0.4 * rows)
    elif kind == "tattoo":
        turn, radius = np.arctan2(y + 0.55, x - 0.6), np.hypot(x - 0.6, y + 0.55)
        spiral = np.maximum(0, np.cos(turn + radius * 42)) ** 2 * step(0.30, 0.24, radius)
        rays = np.maximum(0, np.cos(np.arctan2(x, y - 0.05) * 16)) ** 2 * step(0.48, 0.56, y) * step(1.0, 0.85, y)
        cut = np.maximum(spiral, rays)
        z -= 0.020 * cut
        paints["line"] = np.maximum(paints["line"], 0.45 * cut)
    elif kind in ("spirals", "bands"):
        if kind == "spirals":
            turn, radius = np.arctan2(y + 0.42, x - 0.60), np.hypot(x - 0.60, y + 0.42)
            sign = np.maximum(0, np.cos(turn - radius * 34)) * step(0.31, 0.27, radius)
            turn, radius = np.arctan2(y - 0.66, x - 0.26), np.hypot(x - 0.26, y - 0.66)
            sign = np.maximum(sign, np.maximum(0, np.cos(turn - radius * 36)) * step(0.24, 0.20, radius))
        else:
            sign = np.maximum(step(0.035, 0.02, np.abs(y + 0.30)), step(0.035, 0.02,
                                                                        np.abs(y - 0.55))) + step(0.05, 0.03, np.abs(x)) * (y > 0.4)
        paints["lip"] = np.maximum(paints["lip"], np.clip(1.4 * sign, 0, 1) * (1 - paints["line"]))
