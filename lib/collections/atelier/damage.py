"""Collections: what time does to atelier pieces: broken noses, chips, worn surfaces, cracks, missing parts."""

import cv2
import numpy as np

from lib.collections.atelier.geometry import Grid, bump, sample, step, tile
from lib.compendium.errors import ParameterError, did_you_mean

KINDS = ("broken nose", "chips", "erosion", "cracks", "missing part")


def check_damage(damage: dict) -> dict[str, float]:
    """Return {kind: amount 0 to 1}, or raise ParameterError naming kinds and range."""
    for kind, amount in damage.items():
        if kind not in KINDS:
            raise ParameterError(f"Received damage {kind!r}; expected one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
        if not (isinstance(amount, int | float) and 0 <= amount <= 1):
            raise ParameterError(f"Received amount {amount!r} of damage {kind!r}; expected a number from 0 to 1.")
    return {kind: float(amount) for kind, amount in damage.items() if amount > 0}


def draw_damage(generator: np.random.Generator, likely: float = 0.35) -> dict[str, float]:
    """Return random damage: with probability `likely` one or two kinds."""
    if generator.random() >= likely:
        return {}
    count = 1 + int(generator.random() < 0.35)
    kinds = generator.choice(KINDS, count, replace=False, p=[0.25, 0.25, 0.2, 0.2, 0.1])
    return {str(kind): round(float(generator.uniform(0.4, 1.0)), 3) for kind in kinds}


def suffered(grid: Grid, marks: np.ndarray, damage: dict, generator: np.random.Generator, worn=()) -> tuple[Grid, np.ndarray, list[Grid]]:
    """Return the damaged head, which landmarks are lost (68,), and what it wears, broken with it.

    A break is a plane: whatever lies beyond it is cut down to it, roughened by noise.
    """
    breaks = [plane for kind, amount in damage.items() for plane in _planes(kind, amount, generator)]
    offset = generator.integers(0, 512, 2)
    lost = np.zeros(len(marks), bool)
    for normal, distance, _, middle, radius in breaks:
        lost |= ((marks @ normal - distance) > 0.06) & (np.linalg.norm(marks - middle, axis=1) < 0.9 * radius)
    whole = [_broken(each, breaks, offset) for each in worn]
    return _worn_down(_broken(_weathered(grid, damage, offset), breaks, offset), damage, offset), lost, whole


def _weathered(grid: Grid, damage: dict, offset) -> Grid:
    if "erosion" not in damage:
        return grid
    points = _eroded(grid.points, grid.texture, damage["erosion"], offset)
    keep = 1 - 0.5 * damage["erosion"]
    return grid._replace(points=points, paints={name: paint * keep if name in ("line", "brow") else paint for name,
                                                paint in grid.paints.items()})


def _broken(grid: Grid, breaks: list, offset) -> Grid:
    """Return a grid cut down to every plane of `breaks` within its reach."""
    points, paints = grid.points, dict(grid.paints)
    for normal, distance, rough, middle, radius in breaks:
        noise = rough * sample(tile(1, 1.5), grid.texture[..., 0], grid.texture[..., 1], 90, offset)
        near = step(radius, 0.8 * radius, np.linalg.norm(points - middle, axis=2))
        beyond = np.maximum(0, points @ normal - distance - noise) * near
        points = points - beyond[..., None] * normal
        gone = step(0.0, 0.03, beyond)
        paints = {name: paint * (1 - gone) for name, paint in paints.items()}
    return grid._replace(points=points.astype(np.float32), paints=paints)


def _worn_down(grid: Grid, damage: dict, offset) -> Grid:
    points, paints = grid.points, dict(grid.paints)
    if "cracks" in damage:
        field = sample(tile(2, 2.0), grid.texture[..., 0], grid.texture[..., 1], 45, offset)
        limit = sample(tile(0, 2.0), grid.texture[..., 0], grid.texture[..., 1], 30, offset)
        crack = np.maximum(0, 1 - np.abs(field) / 0.045) * step(0.3, 0.8, limit + damage["cracks"])
        paints["line"] = np.maximum(paints["line"], 1.3 * crack)
        points = points - np.array([0, 0, 0.03], np.float32) * crack[..., None]
    return grid._replace(points=points.astype(np.float32), paints=paints)


def _planes(kind, amount, generator):
    def plane(direction, through, rough, radius):
        normal = np.asarray(direction, np.float32)
        normal = normal / np.linalg.norm(normal)
        return normal, float(np.dot(normal, through)), rough, np.asarray(through, np.float32), radius

    if kind == "broken nose":
        tip = (0, -0.52, 1.60 - 0.17 * amount)
        return [plane((generator.normal(0, 0.15), -0.10 + generator.normal(0, 0.12), 1.0), tip, 0.012, 0.42)]
    if kind == "chips":
        result = []
        for _ in range(1 + int(amount * 5)):
            angle, height = generator.uniform(-1.3, 1.3), generator.choice([-1.6, -1.2, 0.3, 0.9, 1.2]) + generator.normal(0, 0.15)
            out = np.array([np.sin(angle), 0.45 * height, np.cos(angle) * 0.9])
            reach = 1.08 if abs(height) < 0.8 else 1.0
            through = np.array([1.06 * np.sin(angle), height, 1.36 * np.cos(angle)]) * (reach - 0.02 * amount)
            result.append(plane(out, through, 0.02, 0.55))
        return result
    if kind == "missing part":
        side = generator.choice([-1, 1])
        choices = [((0.25 * side, 1.0, 0.15), (0.2 * side, 0.95, 0)), ((side, 0.45, 0.2), (0.86 * side, 0.1, 0.4)),
                   ((0.5 * side, -0.9, 0.35), (0.35 * side, -1.36, 0.9))]
        direction, through = choices[int(generator.integers(3))]
        return [plane(direction, np.array(through) * (1.12 - 0.12 * amount), 0.045, 5.0)]
    return []


def _eroded(points, texture, amount, offset):
    """Blur the relief and roughen it: what weather does to soft stone."""
    soft = cv2.GaussianBlur(points, (0, 0), 0.8 + 3.2 * amount, borderType=cv2.BORDER_REPLICATE)
    fine = sample(tile(3, 1.2), texture[..., 0], texture[..., 1], 70, offset)
    front = bump(points[..., 0], points[..., 1], (0, -0.2), (1.2, 1.6))[..., None]
    away = np.stack([0.5 * np.sign(points[..., 0]) * np.minimum(1, np.abs(points[..., 0])), 0 * fine, np.ones_like(fine)], axis=2)
    return points + front * (soft - points) + away * (0.007 * amount * fine)[..., None]
