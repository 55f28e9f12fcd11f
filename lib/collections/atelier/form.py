"""Collections: the atelier's form: the head as a grid of points, its shape, ears, neck and shoulders, landmarks in space."""

from functools import lru_cache

import numpy as np
from scipy.interpolate import PchipInterpolator

from lib.collections.atelier import features, stylised
from lib.collections.atelier.expression import movement
from lib.collections.atelier.geometry import PAINTS, Grid, ball, bump, moved, rotation, smooth_lathe, step

# Half width and front depth of the head at heights y: the mean 68-point face below the eyes, an average skull above.
WIDE = ((-1.765, -1.70, -1.55, -1.36, -1.12, -0.86, -0.58, -0.28, 0.0, 0.45, 0.8, 1.05, 1.28, 1.46, 1.57, 1.62),
        (0.08, 0.29, 0.52, 0.705, 0.865, 0.962, 1.008, 1.035, 1.045, 1.05, 1.005, 0.915, 0.745, 0.51, 0.27, 0.02))  # fmt: skip
DEEP = ((-1.765, -1.70, -1.60, -1.48, -1.25, -0.98, -0.72, -0.30, 0.0, 0.30, 0.55, 0.85, 1.1, 1.3, 1.47, 1.57, 1.62),
        (1.02, 1.23, 1.315, 1.345, 1.29, 1.345, 1.340, 1.300, 1.275, 1.345, 1.385, 1.34, 1.18, 0.94, 0.62, 0.34, 0.02))  # fmt: skip
BACK = ((-1.765, -1.2, -0.6, 0.0, 0.6, 1.0, 1.3, 1.5, 1.62), (0.30, 0.75, 1.05, 1.36, 1.46, 1.32, 0.98, 0.58, 0.02))
NEARER = 0.075  # the outline lies behind the features, so perspective makes it smaller: widths are given back here
SQUARE = 2.2  # exponent of the head's cross-section: 2 would be an ellipse
FRONT = 82  # columns of a half from the middle to 58 degrees
JAW_ROWS = (0.13, -0.18, -0.48, -0.77, -1.04, -1.29, -1.50, -1.66, -1.715)  # heights of the landmarks 0 to 8 along the jaw

JAW_ANGLES = (84, 84, 82, 78, 71, 60, 46, 25, 0)  # degrees from the front beyond which the landmarks 0 to 8 never slide

JAW_YIELD = (0.15, 0.18, 0.25, 0.35, 0.5, 0.6, 0.6)  # of which, for each degree of yaw, the near side gives up so much

# The shape of a head: name -> (usual value, spread, least, most). `age` 0 young to 1 old; `lowered` lids 0 open to 1 closed.
SHAPE = {
    "face_width": (1.0, 0.030, 0.90, 1.12), "jaw": (0.0, 0.55, -1.2, 1.6), "chin": (0.0, 0.6, -1.2, 1.5), "cleft": (0.0, 0.0, 0, 1),
    "chin_length": (-0.02, 0.03, -0.1, 0.12), "cheekbone": (0.5, 0.5, -0.5, 1.8), "fullness": (0.0, 0.6, -1.3, 1.6),
    "eye_size": (0.98, 0.045, 0.85, 1.25), "eye_spacing": (0.0, 0.010, -0.03, 0.03), "eye_cant": (0.0, 0.012, -0.03, 0.06),
    "eye_depth": (0.915, 0.012, 0.86, 0.95), "orbit": (0.6, 0.10, 0.3, 1.5), "lowered": (0.0, 0.0, 0, 1), "gaze": (0.0, 0.008, -0.03, 0.03),
    "brow_y": (0.015, 0.018, -0.06, 0.08), "brow_arch": (0.0, 0.018, -0.06, 0.08), "brow_thick": (1.0, 0.15, 0.35, 1.6),
    "brow_ridge": (0.0, 0.5, -1.2, 1.8), "brow_carved": (0.5, 0.4, 0, 2.0), "nose_length": (1.035, 0.025, 0.9, 1.12),
    "nose_width": (1.0, 0.08, 0.75, 1.4), "nose_height": (1.0, 0.08, 0.5, 1.35), "nose_hook": (0.0, 0.12, -0.3, 0.5),
    "mouth_width": (1.0, 0.045, 0.75, 1.2), "mouth_y": (0.0, 0.015, -0.05, 0.05), "mouth_curve": (0.0, 0.006, -0.03, 0.05),
    "lip_upper": (1.0, 0.13, 0.4, 1.6), "lip_lower": (1.0, 0.12, 0.4, 1.6), "parted": (0.0, 0.0, 0, 1), "age": (0.25, 0.2, 0, 1),
    "ear_size": (1.0, 0.07, 0.8, 1.25), "ear_lobe": (0.0, 0.1, 0, 1.6), "skull": (1.0, 0.02, 0.9, 1.1), "relief": (1.0, 0.0, 0.05, 1.4),
    "asymmetry": (1.0, 0.0, 0, 2),
}  # fmt: skip


def draw_shape(generator: np.random.Generator, **fixed) -> dict[str, float]:
    """Return a head's shape drawn from SHAPE; values of `fixed` replace the usual value (the spread stays)."""
    shape = {}
    for name, (usual, spread, least, most) in SHAPE.items():
        value = fixed.get(name, usual) + spread * generator.standard_normal()
        shape[name] = round(float(np.clip(value, least, most)), 4)
    shape["lean"] = [round(float(value), 4) for value in generator.normal(0, 1, 6)]
    return shape


def plain_shape(**changed) -> dict[str, float]:
    """Return the average, symmetric head with some values changed."""
    return {**{name: row[0] for name, row in SHAPE.items()}, "lean": [0.0] * 6, "asymmetry": 0.0, **changed}


@lru_cache(maxsize=1)
def _canvas() -> dict[str, np.ndarray]:
    """Return what all heads share, over a half: angle, height of rows, width and depth tables, where the face is."""
    across = np.concatenate([np.linspace(0, 58, FRONT), np.linspace(58, 112, 30)[1:], np.linspace(112, 180, 18)[1:]])
    density_at = np.linspace(-1.765, 0.70, 600)
    density = 0.75 + np.exp(-(((density_at - 0.04) / 0.22) ** 2)) + 0.8 * np.exp(-(((density_at + 1.02) / 0.22) ** 2))
    total = np.concatenate([[0], np.cumsum(density[:-1])])
    rows = np.interp(np.linspace(0, total[-1], 168), total, density_at)
    crown = 0.70 + 0.92 * np.sin(np.linspace(0, np.pi / 2, 34))[1:]
    v = np.concatenate([rows, crown]).astype(np.float32)[:, None]
    angle = np.radians(across).astype(np.float32)[None]
    sunk = v - 0.34 * step(np.radians(55), np.radians(105), angle) * step(-0.35, -0.95, v)
    tables = {name: PchipInterpolator(*table)(np.clip(sunk, -1.765, 1.62)).astype(np.float32) for name, table in
              (("wide", WIDE), ("deep", DEEP), ("back", BACK))}
    deep = np.where(angle <= np.pi / 2, tables["deep"], tables["back"])
    hinge = 1 - 0.8 * step(np.radians(50), np.radians(100), angle)
    return {"angle": angle, "v": v, "wide": tables["wide"], "deep": deep, "hinge": hinge,
            "face": step(np.radians(84), np.radians(62), angle), "sin": np.abs(np.sin(angle)), "cos": np.cos(angle),
            "jaw_ramp": np.clip((-0.45 - v) / 1.27, 0, 1.05).astype(np.float32)}  # fmt: skip


def bare_half(shape: dict, drop: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y, z of the right half of the head before its features; `drop` lowers the jaw."""
    c = _canvas()
    low = step(-0.55, -1.25, c["v"])
    nothing = c["v"] * 0
    wide = c["wide"] * (1 + NEARER * step(-1.55, -1.0, c["v"])) * shape["face_width"]
    wide = wide * (1 + 0.05 * shape["jaw"] * bump(c["v"], nothing, (-1.25, 0), (0.26, 1)))
    wide = wide * (1 + 0.03 * shape["fullness"] * bump(c["v"], c["v"] * 0, (-0.85, 0), (0.3, 1)))
    deep = c["deep"] * (1 + (shape["skull"] - 1) * step(0.35, 1.0, c["v"]))
    wide, deep = np.maximum(wide, 1e-3), np.maximum(deep, 1e-3)
    reach = ((c["sin"] / wide) ** SQUARE + (np.abs(c["cos"]) / deep) ** SQUARE) ** (-1 / SQUARE)
    y = c["v"] - drop * c["jaw_ramp"] * c["hinge"] - shape["chin_length"] * low * c["jaw_ramp"]
    return reach * c["sin"], y.astype(np.float32), reach * c["cos"]


def half_head(shape: dict, m: dict) -> tuple[np.ndarray, dict, np.ndarray, np.ndarray]:
    """Return points (rows, columns, 3) of the right half with features, its paints, and x and z before the features."""
    c = _canvas()
    x, y, z = bare_half(shape, m["jaw"])
    columns = int((c["face"] > 0).sum())
    paints = {name: np.zeros(x.shape, np.float32) for name in PAINTS}
    fx, fy, fz = x[:, :columns], y[:, :columns], z[:, :columns].copy()
    part = {name: paint[:, :columns] for name, paint in paints.items()}
    _features(fx, fy, fz, part, c["v"], shape, m)
    fade = c["face"][:, :columns] * step(1.3, 1.0, c["v"])
    full = z.copy()
    full[:, :columns] += (fz - z[:, :columns]) * fade * shape["relief"]
    for name, paint in part.items():
        paints[name][:, :columns] = paint
    return np.stack([x, y, full], axis=2), paints, x, z


def _features(x, y, z, paints, v, s, m) -> None:
    if s.get("face", "human") != "human":
        stylised.FACES[s["face"]](x, y, z, paints, s, m)
        return
    features.cheeks(x, y, z, s, m)
    features.forehead(x, y, z, paints, s, m)
    line = features.brows(x, y, z, paints, s, m)
    features.orbits(x, y, z, line, s, m)
    features.eyes(x, y, z, paints, s, m)
    features.nose(x, y, z, paints, s, m)
    features.folds(x, y, z, paints, s, m)
    features.chin(x, y, v, z, paints, s, m)
    features.mouth(x, y, z, paints, s, m)
    features.markings(x, y, z, paints, s)
    paints["blush"] = bump(x, y, (0.6, -0.40), (0.24, 0.2)) + 0.8 * bump(x, y, (0, -0.56), (0.12, 0.1))
    paints["beard"] = step(-0.42, -0.75, y - 0.22 * (x - 0.5)) * step(0.2, 0.45, x + 1.4 * step(-0.72, -0.80, y)) * step(-1.9, -1.2, v)


def mirror(half: np.ndarray) -> np.ndarray:
    """Return the whole surface of a right half (rows, columns[, 3]): the left half first, x negated for points."""
    left = half[:, :0:-1].copy()
    if half.ndim == 3:
        left[..., 0] *= -1
    return np.concatenate([left, half], axis=1)


def lean(points: np.ndarray, shape: dict) -> np.ndarray:
    """Return points (..., 3) of a symmetric face made uneven: no face is quite its own mirror image. Amounts in `shape["lean"]`."""
    amount = shape["asymmetry"]
    if not amount:
        return points
    a = np.asarray(shape["lean"], np.float32) * amount
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    front = step(0.2, 0.8, z)
    side = np.tanh(2.5 * x) * front
    nose, lips = np.exp(-(((y + 0.5) / 0.3) ** 2)), np.exp(-(((y + 1.05) / 0.28) ** 2))
    new_x = x + front * (0.012 * a[0] * nose + 0.016 * a[1] * lips)
    brows, eyes = np.exp(-(((y - 0.28) / 0.16) ** 2)), np.exp(-(((y + 0.01) / 0.12) ** 2))
    new_y = y + side * (0.010 * a[2] * brows + 0.008 * a[3] * eyes + 0.012 * a[4] * lips)
    return np.stack([new_x, new_y, z * (1 + 0.006 * a[5] * side)], axis=-1).astype(np.float32)


def angles() -> tuple[np.ndarray, np.ndarray]:
    """Return the angle around the head (1, columns), negative on the viewer's left, and the height of the rows (rows, 1)."""
    c = _canvas()
    return np.concatenate([-c["angle"][:, :0:-1], c["angle"]], axis=1), c["v"]


def head(shape: dict, units: dict, outward=None) -> tuple[Grid, np.ndarray, np.ndarray]:
    """Return the head's grid, the landmarks in space (68, 3), and the jaw's candidates (9, columns, 3) for landmarks 0 to 8.

    `outward(angle, v, points)` may add hair or a beard: it returns (thickness, paints) over the whole head, the thickness in units along
    the surface's outward direction. Landmarks 0 to 16 are the jaw at rest; `rendering` slides them to the visible outline.
    """
    m = movement(units)
    half, paints, _, _ = half_head(shape, m)
    points = mirror(half)
    whole = {name: mirror(paint) for name, paint in paints.items()}
    angle, v = angles()
    marks = landmarks(half, shape, m)
    if outward is not None:
        thickness, more = outward(angle, v, points)
        points = points + directions(points) * thickness[..., None]
        whole.update({name: np.maximum(whole[name], paint) for name, paint in more.items()})
    texture = np.stack(np.broadcast_arrays(1.15 * angle, v), axis=2).astype(np.float32)
    rows = [int(np.argmin(np.abs(v[:, 0] - at))) for at in JAW_ROWS]
    side = np.degrees(_canvas()["angle"][0]) < JAW_ANGLES[0]
    return Grid(lean(points, shape), texture, whole, "body", "head"), lean(marks, shape), lean(half[rows][:, side], shape)


def directions(points: np.ndarray) -> np.ndarray:
    """Return roughly outward unit vectors of the skull at its points."""
    centre = np.array([0, 0.1, -0.05], np.float32)
    away = (points - centre) / np.array([1.05, 1.45, 1.35], np.float32) ** 2
    return away / (np.linalg.norm(away, axis=2, keepdims=True) + 1e-6)


def depth_at(half: np.ndarray, x: float, y: float) -> float:
    """Return the height z of the half head's front at x, y (the nearest grid points, averaged)."""
    front = half[:, :FRONT + 20]
    row = int(np.argmin(np.abs(front[:, 0, 1] - y)))
    near = front[max(0, row - 1): row + 2]
    return float(np.mean([np.interp(abs(x), line[:, 0], line[:, 2]) for line in near]))


MIRRORED = {**{number: 16 - number for number in range(17)}, **{22 + k: 21 - k for k in range(5)}, 34: 32, 35: 31,
            42: 39, 43: 38, 44: 37, 45: 36, 46: 41, 47: 40, 52: 50, 53: 49, 54: 48, 55: 59, 56: 58, 63: 61, 64: 60, 65: 67}  # fmt: skip


def landmarks(half: np.ndarray, shape: dict, m: dict) -> np.ndarray:
    """Return the 68 landmarks in space (68, 3), iBUG order (0 is the jaw on the picture's left)."""
    marks = np.zeros((68, 3), np.float32)
    for number, (x, y) in features.landmark_plan(shape, m).items():
        marks[number] = (x, y, depth_at(half, x, y))
        if number in MIRRORED:
            marks[MIRRORED[number]] = marks[number] * (-1, 1, 1)
    c = _canvas()
    for number, v in enumerate(JAW_ROWS):
        row = int(np.argmin(np.abs(c["v"][:, 0] - v)))
        column = int(np.argmin(np.abs(np.degrees(c["angle"][0]) - JAW_ANGLES[number])))
        marks[16 - number] = half[row, column]
        marks[number] = half[row, column] * (-1, 1, 1)
    return marks


def slide_jaw(marks: np.ndarray, jaw: np.ndarray, turn: np.ndarray, project) -> np.ndarray:
    """Return landmarks in space (68, 3) after `turn`, those of the jaw slid along their rows to the visible outline.

    `jaw` (9, columns, 3): the right half's rows at landmarks 16 to 8, before the turn; `project` gives pixels of points. On the side
    turned away the outline runs over the cheek; on the near side it is the edge before the ear.
    """
    placed = marks @ turn.T
    angles = np.degrees(_canvas()["angle"][0])
    yaw = np.degrees(np.arctan2(turn[0, 2], turn[0, 0]))
    for number in range(7):
        for side, index in ((1, 16 - number), (-1, number)):
            near = max(0.0, -side * yaw) * JAW_YIELD[number]  # on the near side the lower jaw's border comes forward
            reach = int((angles < JAW_ANGLES[number] - near).sum())
            share = min(0.5, 0.012 * max(0.0, -side * yaw)) if number else 0.0  # ... and down along it
            row = jaw[number] * (1 - share) + jaw[number + 1] * share
            line = (row[:reach] * (side, 1, 1)) @ turn.T
            placed[index] = line[int(np.argmax(side * project(line)[:, 0]))]
    for side, index, outer in ((1, 9, 10), (-1, 7, 6)):  # between the chin and the outline, as it is seen
        line = (jaw[7, : len(angles[angles < 60])] * (side, 1, 1)) @ turn.T
        middle = 0.5 * (project(placed[8])[0] + project(placed[outer])[0])
        placed[index] = line[int(np.argmin(np.abs(project(line)[:, 0] - middle)))]
    return placed.astype(np.float32)


# ---- ears, neck, shoulders


def ears(shape: dict) -> list[Grid]:
    """Return the two ears as grids: helix, hollow and lobe on a dished disc; `ear_lobe` lengthens the lobe."""
    turn, out = np.meshgrid(np.linspace(-np.pi, np.pi, 44), np.linspace(0, 1, 16))
    long = 1 + 0.75 * shape["ear_lobe"] * step(0.1, -1, np.sin(turn))
    narrow = 1 - 0.42 * step(0.2, -0.9, np.sin(turn)) + 0.1 * np.cos(turn)
    along = out * np.cos(turn) * 0.215 * narrow
    up = out * np.sin(turn) * 0.37 * long + 0.02
    rim = np.maximum(0, 1 - ((out - 0.84) / 0.13) ** 2) * step(-0.95, -0.3, np.sin(turn))
    inner = np.maximum(0, 1 - ((out - 0.48) / 0.14) ** 2) * step(0.9, -0.2, np.cos(turn + 0.7))
    hollow = bump(along, up, (0.04, -0.06), (0.085, 0.11))
    lift = 0.05 + 0.055 * rim + 0.045 * inner - 0.10 * hollow + 0.11 * out * step(0.5, -0.6, np.cos(turn)) - 0.10 * step(0.9, 1.0, out)
    right = np.stack([lift, up - 0.20, along], axis=2).astype(np.float32) * np.float32(shape["ear_size"])
    angle = rotation(-12, 0, 0)
    paints = {"line": (0.5 * hollow).astype(np.float32), "blush": np.full(lift.shape, 0.5, np.float32)}
    grid = Grid(right, np.stack([along * 1.15, up], axis=2).astype(np.float32), paints, "body", "ear")
    placed = moved(grid, angle, (1.045 * (1 + NEARER) * shape["face_width"], 0.0, -0.12))
    other = placed._replace(points=placed.points * np.array([-1, 1, 1], np.float32))
    return [placed, other]


def neck(shape: dict, top: float = -0.9, bottom: float = -2.75, thick: float = 1.0) -> Grid:
    """Return the neck, inside the head at its top and inside the shoulders at its bottom."""
    profile = [(top, 0.60 * thick, 0.62 * thick, 0, -0.22), (-1.5, 0.60 * thick, 0.56 * thick, 0, -0.16),
               (-1.95, 0.585 * thick, 0.55 * thick, 0, -0.20), (-2.3, 0.66 * thick, 0.60 * thick, 0, -0.26),
               (bottom, 0.95 * thick, 0.70 * thick, 0, -0.30)]  # fmt: skip
    grid = smooth_lathe(profile, rows=34, columns=49, name="neck")
    x, y, z = (grid.points[..., axis] for axis in range(3))
    cord = bump(x - 0.28 - 0.12 * (y + 2.0), y, (0, -2.0), (0.08, 0.5)) + bump(-x - 0.28 - 0.12 * (y + 2.0), y, (0, -2.0), (0.08, 0.5))
    grid.points[..., 2] = z + (z > -0.2) * (0.05 * cord + 0.045 * bump(x, y, (0, -1.95),
                                                                       (0.09, 0.11)) - 0.06 * bump(x, y, (0, -2.42), (0.1, 0.1)))
    return grid


def shoulders(width: float = 1.0, cut: float = -3.7, rounded: bool = False) -> Grid:
    """Return chest and shoulders down to `cut`; `rounded` gives the classical bust its curved lower edge."""
    profile = [(-2.02, 0.50, 0.42, 0, -0.30), (-2.22, 0.66, 0.50, 0, -0.31), (-2.40, 0.98, 0.58, 0, -0.33),
               (-2.54, 1.42 * width, 0.66, 0, -0.34),
               (-2.72, 1.80 * width, 0.74, 0, -0.33), (-3.0, 2.0 * width, 0.86, 0, -0.30), (-3.4, 2.02 * width, 0.98, 0, -0.24),
               (cut, 1.94 * width, 1.0, 0, -0.2)]
    grid = smooth_lathe(profile, rows=56, columns=81, flat=2.3, name="shoulders")
    x, y, z = (grid.points[..., axis] for axis in range(3))
    front = step(-0.4, 0.2, z)
    collar = bump(np.abs(x) - 0.62, y - 0.10 * (np.abs(x) - 0.6), (0, -2.60), (0.34, 0.05))
    chest = bump(np.abs(x), y, (0.62, -3.25), (0.5, 0.36)) - 0.6 * bump(x, y, (0, -3.2), (0.07, 0.4))
    grid.points[..., 2] = z + front * (0.05 * collar + 0.10 * chest)
    if rounded:
        low = np.clip((-2.9 - y) / (-2.9 - cut), 0, 1)
        grid.points[..., 0] *= 1 - 0.62 * low**2
        grid.points[..., 1] -= 0.25 * low * np.clip(1 - np.abs(x) / 2.0, 0, 1)
    return grid


def knob(y: float, wide: float, tall: float, z: float = -0.1) -> Grid:
    """Return a rounded knob on the crown: a topknot or the base of one."""
    return ball((0, y, z), (wide, tall, wide), 18, 28, name="knob")
