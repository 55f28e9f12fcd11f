"""Collections: plain procedural paintings without a person: landscapes and still lifes. Synthetic."""

import cv2
import numpy as np

from lib.collections.atelier.geometry import sample, tile


def landscape(side: int, generator: np.random.Generator) -> np.ndarray:
    """Return a landscape, uint8 RGB (side, side, 3): sky with clouds and a sun, receding hills, a field, trees."""
    x, y = _grid(side)
    horizon = generator.uniform(0.42, 0.62)
    sky = _blend((0.44, 0.60, 0.80), (0.88, 0.86, 0.78), np.clip(y / horizon, 0, 1))
    clouds = np.clip(sample(tile(1, 1.9), x, 2.2 * y, 120, generator.integers(0, 512, 2)) - 0.2, 0, 1.2)[..., None]
    picture = sky + (0.96 - sky) * 0.55 * clouds
    sun = np.hypot(x - generator.uniform(0.15, 0.85), y - generator.uniform(0.1, horizon - 0.12))
    picture = picture + 0.6 * (1 - picture) * np.exp(-((sun / 0.07) ** 2))[..., None]
    for depth in range(int(generator.integers(2, 4))):
        picture = _hill(picture, x, y, horizon + 0.11 * depth, depth, generator)
    for _ in range(int(generator.integers(1, 7))):
        picture = _tree(picture, x, y, generator.uniform(0.05, 0.95), generator.uniform(horizon + 0.12, 0.95), generator)
    return _finished(picture, generator)


def still_life(side: int, generator: np.random.Generator) -> np.ndarray:
    """Return a still life, uint8 RGB (side, side, 3): a wall, a table, a bowl or a jug, fruit with light and shadow."""
    x, y = _grid(side)
    edge = generator.uniform(0.52, 0.66)
    light = generator.choice([-1.0, 1.0])
    wall = np.asarray(_WALLS[int(generator.integers(len(_WALLS)))], np.float32)
    picture = wall * (0.75 + 0.45 * np.exp(-(((x - 0.5 - 0.3 * light) ** 2 + (y - 0.3) ** 2) / 0.25)))[..., None]
    cloth = np.asarray(_CLOTHS[int(generator.integers(len(_CLOTHS)))], np.float32)
    folds = 1 + 0.10 * np.sin(18 * x + 9 * y + 3 * np.sin(7 * y)) * np.clip((y - edge) * 3, 0, 1)
    picture = np.where((y > edge + 0.01 * np.sin(5 * x))[..., None], cloth * folds[..., None], picture)
    if generator.random() < 0.5:
        picture = _jug(picture, x, y, generator.uniform(0.2, 0.8), edge, light, generator)
    fruit = sorted(((generator.uniform(0.12, 0.88), generator.uniform(edge + 0.06, 0.88)) for _ in range(int(generator.integers(3, 8)))),
                   key=lambda place: place[1])
    for across, down in fruit:
        picture = _fruit(picture, x, y, across, down, light, generator)
    return _finished(picture, generator)


_WALLS = ((0.30, 0.27, 0.22), (0.42, 0.38, 0.32), (0.22, 0.26, 0.28), (0.50, 0.46, 0.40))
_CLOTHS = ((0.55, 0.42, 0.28), (0.78, 0.74, 0.66), (0.40, 0.22, 0.16), (0.34, 0.38, 0.36))
_FRUIT = ((0.78, 0.20, 0.14), (0.90, 0.58, 0.14), (0.86, 0.78, 0.24), (0.46, 0.58, 0.20), (0.34, 0.16, 0.34))


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    return columns / side, rows / side


def _blend(one, other, share: np.ndarray) -> np.ndarray:
    one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
    return one + (other - one) * share[..., None]


def _hill(picture, x, y, base: float, depth: int, generator) -> np.ndarray:
    waves = sum(generator.uniform(-0.05, 0.05) * np.sin(2 * np.pi * (k * x + generator.random())) / k**0.5 for k in (1, 2, 3, 5))
    inside = np.clip((y - base - waves) * 90, 0, 1)[..., None]
    tone = np.asarray(((0.46, 0.54, 0.60), (0.36, 0.46, 0.32), (0.50, 0.48, 0.24))[min(depth, 2)], np.float32)
    rough = sample(tile(2, 1.5), x, y, 200, generator.integers(0, 512, 2))[..., None]
    return picture * (1 - inside) + inside * np.clip(tone * (1 + 0.16 * rough + 0.4 * (y - base)[..., None]), 0, 1)


def _tree(picture, x, y, across: float, foot: float, generator) -> np.ndarray:
    size = generator.uniform(0.05, 0.10) * (0.6 + foot)
    trunk = np.clip(1.5 - np.abs(x - across) / (0.10 * size), 0, 1) * ((y < foot) & (y > foot - 1.3 * size))
    picture = picture * (1 - trunk[..., None]) + trunk[..., None] * np.array([0.22, 0.16, 0.11], np.float32)
    ragged = 0.25 * sample(tile(1, 1.2), x, y, 500, generator.integers(0, 512, 2))
    if generator.random() < 0.4:  # a poplar or cypress, else a round crown
        crown = np.hypot((x - across) / (0.4 * size), (y - foot + 1.7 * size) / (1.3 * size))
    else:
        crown = np.hypot((x - across) / size, (y - foot + 1.7 * size) / (0.9 * size))
    leaf = np.clip((1 - crown - ragged) * 6, 0, 1)[..., None]
    shade = np.array([0.16, 0.26, 0.12], np.float32) * (1 + 0.7 * np.clip((foot - 1.6 * size - y) / size, -1, 1))[..., None]
    return picture * (1 - leaf) + leaf * shade


def _fruit(picture, x, y, across: float, down: float, light: float, generator) -> np.ndarray:
    size = generator.uniform(0.06, 0.10)
    u, v = (x - across) / size, (y - down) / (size * generator.uniform(0.85, 1.05))
    round_ = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
    shadow = np.exp(-(((x - across + 0.7 * size * light) / (1.1 * size)) ** 2 + ((y - down - 0.85 * size) / (0.35 * size)) ** 2))
    picture = picture * (1 - 0.55 * shadow[..., None])
    lit = np.clip(0.25 + 0.75 * (0.55 * light * u - 0.55 * v + 0.6 * round_), 0.12, 1.15)
    shine = 0.5 * np.exp(-(((u - 0.4 * light) ** 2 + (v + 0.45) ** 2) / 0.03))
    colour = np.asarray(_FRUIT[int(generator.integers(len(_FRUIT)))], np.float32) * lit[..., None] + shine[..., None]
    inside = np.clip((1 - np.hypot(u, v)) * 12, 0, 1)[..., None]
    return picture * (1 - inside) + inside * np.clip(colour, 0, 1)


def _jug(picture, x, y, across: float, edge: float, light: float, generator) -> np.ndarray:
    tall, wide = generator.uniform(0.30, 0.42), generator.uniform(0.08, 0.13)
    foot = edge + 0.07
    up = np.clip((foot - y) / tall, 0, 1)
    outline = wide * (0.62 + 0.5 * np.sin(np.pi * np.clip(up * 1.15, 0, 1)) - 0.2 * up + 0.25 * np.clip((up - 0.93) / 0.07, 0, 1))
    u = (x - across) / outline
    inside = (np.clip((1 - np.abs(u)) * 14, 0, 1) * ((y < foot) & (y > foot - tall)))[..., None]
    clay = np.asarray(((0.55, 0.34, 0.22), (0.72, 0.70, 0.64), (0.24, 0.34, 0.46))[int(generator.integers(3))], np.float32)
    lit = np.clip(0.35 + 0.6 * (0.6 * light * u + 0.8 * np.sqrt(np.clip(1 - u**2, 0, 1))), 0.1, 1.1)
    return picture * (1 - inside) + inside * np.clip(clay * lit[..., None], 0, 1)


def _finished(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return uint8 RGB with a few strokes: edges wander a little, as those of the portraits do."""
    side = len(picture)
    x, y = _grid(side)
    du, dv = (sample(tile(k, 1.1), x, y, 330, generator.integers(0, 512, 2)) for k in (3, 4))
    wide = 0.6 * side / 160
    strokes = cv2.remap(picture.astype(np.float32), x * side + wide * du, y * side + wide * dv, cv2.INTER_LINEAR,
                        borderMode=cv2.BORDER_REFLECT)
    return (np.clip(strokes, 0, 1) * 255 + 0.5).astype(np.uint8)
