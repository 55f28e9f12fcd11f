"""Faces: how real the atelier's synthetic faces are to detectors and networks that never saw one, measured on seeds kept for reporting.

The sculptor was tuned on seeds below 1,000; everything here starts at REPORTING. Each measure is a row: what, of which group, the value,
and the target it is held to ("" where it is only reported). Misses are shown, never hidden.
"""

import time
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.collections import atelier
from lib.collections.atelier import expression, form, specs
from lib.compendium.compute import run_all
from lib.compendium.errors import CompendiumError
from lib.compendium.figures import INK
from lib.expressions import EXPRESSIONS, ORDERS
from lib.faces import evaluate
from lib.faces.detectors import mtcnn, silent
from lib.faces.landmarks import predictor

REPORTING = 70_000  # seeds from here on were never looked at while the sculptor was made
SIDE = 160  # pixels
MATERIALS = ("skin", "marble", "limestone", "granite", "bronze", "gold", "terracotta", "wood", "clay", "sandstone")
WORN = {"skin": "humans", "terracotta": "warriors", "clay": "warriors", "gold": "buddha_dataset", "wood": "fitzwilliam",
        "sandstone": "fitzwilliam"}  # fmt: skip
SURE, MEETS = 0.5, 0.35  # MTCNN's confidence and the overlap that make a hit
CROPS = ((1, 0, 0), (0.9, 0, 0), (1.1, 0, 0), (1, 0.04, 0.03), (1, -0.04, -0.03))  # size, right, down: five views of a face
LESSON = 1000  # faces the linear read-out of Action Units learns from
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
COLUMNS = ["measure", "group", "value", "target", "met"]


def measured(share: float = 1.0, seed: int = REPORTING, journal: Path | None = None) -> pd.DataFrame:
    """Return every measure as a table (COLUMNS). `share`: of the full number of pictures (about 3,300), at least seven of each kind."""
    settings = {"share": share, "seed": seed}
    outcomes = run_all(measure_job, {name: name for name in MEASURES}, settings=settings, journal=journal, what="measures")
    if failed := [f"{name}: {outcome.error}" for name, outcome in outcomes.items() if outcome.error]:
        raise CompendiumError(f"The atelier's realism could not be measured ({'; '.join(failed)}).")
    return pd.DataFrame([row for outcome in outcomes.values() for row in outcome.value], columns=COLUMNS)


def measure_job(name: str, settings: dict) -> list:
    """Return the rows of one of MEASURES, in a worker process."""
    return MEASURES[name](settings["share"], settings["seed"])


def _row(measure: str, group: str, value: float, target: float | None = None, at_most: bool = False) -> tuple:
    if target is None:
        return measure, group, float(value), "", None
    met = value <= target if at_most else value >= target
    return measure, group, float(value), f"{'at most' if at_most else 'at least'} {target:g}", bool(met)


def _some(count: int, share: float) -> int:
    return max(7, int(count * share))


# ---- detectors and landmarks


def detection(share: float, seed: int) -> list[tuple]:
    """Return MTCNN's recall by material, and the error of dlib's 68 landmarks, for straight and turned heads."""
    straight, turned, errors = {}, {}, {False: [], True: []}
    for material in MATERIALS:
        for aside, found in ((False, straight), (True, turned)):
            pieces = [_posed(material, index, seed, aside) for index in range(_some(20 if aside else 40, share))]
            found[material] = np.mean([_is_met(piece) for piece in pieces])
            errors[aside] += [landmark_error(piece) for piece in pieces]
    rows = [_row("MTCNN recall, head turned under 20°", material, value, 0.96) for material, value in straight.items()]
    rows += [_row("MTCNN recall, head turned 20 to 50°", material, value) for material, value in turned.items()]
    rows.append(_row("MTCNN recall, head turned under 20°", "all materials", np.mean(list(straight.values())), 0.99))
    rows.append(_row("68 landmarks: mean error", "turned under 20°", np.mean(errors[False]), 0.055, at_most=True))
    rows.append(_row("68 landmarks: mean error", "turned under 50°", np.mean(errors[False] + errors[True]), 0.070, at_most=True))
    return rows


def _posed(material: str, index: int, seed: int, turned: bool) -> atelier.Piece:
    """Return one undamaged bust or mask of a material with a mixed expression."""
    generator = specs.generator_of(seed, material, index, int(turned))
    yaw = float(generator.choice([-1, 1]) * generator.uniform(20, 50) if turned else generator.uniform(-20, 20))
    presentation = "mask" if index % 8 == 7 and not turned else "bust"
    return atelier.sculpt(
        int(generator.integers(2**31)), SIDE, tradition=WORN.get(material, "british_museum"), material=material, damaged={}, yaw=yaw,
        expression_of=EXPRESSIONS[index % 7], intensity=float(generator.uniform(0.3, 1)), presentation=presentation,
    )  # fmt: skip


def _is_met(piece: atelier.Piece) -> bool:
    boxes = [face["box"] for face in mtcnn(piece.picture) if face["confidence"] > SURE]
    return bool(len(evaluate.match(boxes, [piece.truth["faces"][0]["box"]], MEETS)))


def landmark_error(piece: atelier.Piece) -> float:
    """Return dlib's mean landmark error over the distance of the outer eye corners.

    The box is fitted to the truth and then to the predictor's own answer, so that the box's convention does not count.
    """
    import dlib

    truth, enlarge = piece.truth["faces"][0]["landmarks"], 3
    large = cv2.resize(piece.picture, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC)
    points = truth * enlarge
    for _ in range(2):
        x, y, side = _dlib_box(points)
        found = predictor()(large, dlib.rectangle(round(x), round(y), round(x + side), round(y + side)))
        points = np.array([(part.x + 0.5, part.y + 0.5) for part in found.parts()])
    return float(np.linalg.norm(points / enlarge - truth, axis=1).mean() / np.linalg.norm(truth[36] - truth[45]))


@lru_cache(maxsize=1)
def _mean_face() -> np.ndarray:
    """Return the landmarks of the average head, looking straight ahead, y down (68, 2)."""
    return form.head(form.plain_shape(), {})[1][:, :2] * (1, -1)


def _dlib_box(points: np.ndarray) -> tuple[float, float, float]:
    """Return left, top, side of the square dlib's own detector would have drawn: the average head fitted by size and place."""
    mean = _mean_face()
    a, b = mean - mean.mean(axis=0), points - points.mean(axis=0)
    scale = (a * b).sum() / (a * a).sum()
    x, y = points.mean(axis=0) - scale * mean.mean(axis=0) + scale * 0.9 * np.array([-1.197, -0.688])
    return float(x), float(y), float(2.379 * 0.9 * scale)


# ---- expressions


def expressions(share: float, seed: int) -> list[tuple]:
    """Return how well mini_XCEPTION, trained on photographs of people, reads the planted expressions, and whether it follows intensity."""
    from sklearn.metrics import f1_score, roc_auc_score

    rows = []
    for tradition, material, target in (("humans", "skin", 0.60), ("british_museum", "marble", 0.55), ("warriors", "terracotta", None)):
        pieces = [(number, _prototype(tradition, material, name, index, 1.0, seed))
                  for number, name in enumerate(EXPRESSIONS) for index in range(_some(40, share))]  # fmt: skip
        truth = np.array([number for number, _ in pieces])
        scores = _read(np.stack([_crops(piece) for _, piece in pieces]))
        rows.append(_row("mini_XCEPTION macro-F1", material, f1_score(truth, scores.argmax(axis=1), average="macro"), target))
        for number, name in enumerate(EXPRESSIONS):
            goal = {"happy": 0.97, "surprise": 0.97, "disgust": 0.90}.get(name) if material in ("skin", "marble") else None
            rows.append(_row(f"mini_XCEPTION AUC, {material}", name, roc_auc_score(truth == number, scores[:, number]), goal))
    return rows


def intensities(share: float, seed: int) -> list[tuple]:
    """Return the smallest step of the mean probability of the planted expression as its intensity grows by a quarter (skin)."""
    rows = []
    for name in EXPRESSIONS:
        if name != "neutral":
            number = EXPRESSIONS.index(name)
            pieces = [[_prototype("humans", "skin", name, index, step, seed + 1) for index in range(_some(16, share))] for step in STEPS]
            means = [float(_read(np.stack([_crops(piece) for piece in at_step]))[:, number].mean()) for at_step in pieces]
            rows.append(_row("smallest rise of p(expression) with intensity", name, min(np.diff(means)), 0.0))
    return rows


def _prototype(tradition: str, material: str, name: str, index: int, intensity: float, seed: int) -> atelier.Piece:
    generator = specs.generator_of(seed, material, name, index)
    return atelier.sculpt(
        int(generator.integers(2**31)), SIDE, tradition=tradition, material=material, expression_of=name, intensity=intensity, damaged={},
        yaw=float(generator.uniform(-12, 12)), pitch=float(generator.normal(0, 4)), presentation="bust", beard="none", moustache="none",
    )  # fmt: skip


def _crops(piece: atelier.Piece) -> np.ndarray:
    """Return five square grey crops uint8 (5, 64, 64) around brows to chin, as FER2013's are cut."""
    marks = piece.truth["faces"][0]["landmarks"]
    (x0, y0), (x1, y1) = marks.min(axis=0), marks.max(axis=0)
    side = max(x1 - x0, 1.08 * (y1 - y0))
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2 - 0.06 * side
    grey = cv2.cvtColor(piece.picture, cv2.COLOR_RGB2GRAY)
    crops = []
    for times, right, down in CROPS:
        zoom = 64 / (side * times)
        smooth = cv2.GaussianBlur(grey, (0, 0), 0.35 / zoom) if zoom < 0.9 else grey
        view = np.float32([[zoom, 0, 32 - zoom * (cx + right * side)], [0, zoom, 32 - zoom * (cy + down * side)]])
        crops.append(cv2.warpAffine(smooth, view, (64, 64), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return np.stack(crops)


@lru_cache(maxsize=1)
def _network():
    from lib.compendium import weights

    with silent():
        import keras

    return keras.models.load_model(weights.path("mini_xception_fer2013"), compile=False)


def _read(crops: np.ndarray) -> np.ndarray:
    """Return probabilities (n, 7) in the order of EXPRESSIONS, the mean over each face's crops (n, 5, 64, 64)."""
    order = [ORDERS["realtime"].index(name) for name in EXPRESSIONS]
    flat = crops.reshape(-1, 64, 64, 1).astype(np.float32) / 127.5 - 1  # x / 255, minus .5, times 2 (Arriaga et al.)
    return _network().predict(flat, batch_size=256, verbose=0).reshape(len(crops), -1, 7).mean(axis=1)[:, order]


# ---- Action Units


def action_units(share: float, seed: int) -> list[tuple]:
    """Return the AUC of a linear read-out (HOG and logistic regression) of each unit; no identity is on both sides.

    It always learns from its 1,000 faces, whatever the share: fewer would measure the lesson, not the faces.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    hog = cv2.HOGDescriptor((128, 128), (16, 16), (8, 8), (8, 8), 9)
    faces = [_with_units(index, seed) for index in range(LESSON + _some(400, share))]
    features = np.array([hog.compute(_aligned(piece)).ravel() for piece, _ in faces], np.float32)
    labels = np.array([[units[unit] > 0 for unit in expression.UNITS] for _, units in faces])
    read = make_pipeline(StandardScaler(), PCA(min(500, LESSON - 1), random_state=0))
    features = np.concatenate([read.fit_transform(features[:LESSON]), read.transform(features[LESSON:])])
    areas = {}
    for number, unit in enumerate(expression.UNITS):
        model = LogisticRegression(C=1e-3, max_iter=400).fit(features[:LESSON], labels[:LESSON, number])
        areas[unit] = roc_auc_score(labels[LESSON:, number], model.decision_function(features[LESSON:]))
    rows = [_row("Action Unit read by HOG and logistic regression, AUC", f"AU {unit}", value, 0.75) for unit, value in areas.items()]
    return [*rows, _row("Action Units with an AUC of .90 or more", "of 16", sum(value >= 0.90 for value in areas.values()), 12)]


def _with_units(index: int, seed: int) -> tuple[atelier.Piece, dict]:
    """Return a bust in some material with a random handful of Action Units."""
    generator = specs.generator_of(seed, "units", index)
    units = {unit: float(generator.uniform(2, 5)) if generator.random() < 0.25 else 0.0 for unit in expression.UNITS}
    material = str(generator.choice(["skin", "marble", "limestone", "bronze", "terracotta", "wood", "clay"]))
    piece = atelier.sculpt(
        int(generator.integers(2**31)), SIDE, tradition=WORN.get(material, "british_museum"), material=material, units=units, damaged={},
        yaw=float(generator.uniform(-12, 12)), pitch=float(generator.normal(0, 3)), presentation="bust", beard="none", moustache="none",
    )  # fmt: skip
    return piece, units


def _aligned(piece: atelier.Piece, side: int = 128) -> np.ndarray:
    """Return the grey face with the eyes at fixed places, uint8 (side, side)."""
    marks = piece.truth["faces"][0]["landmarks"]
    eyes = np.stack([marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)])
    across = eyes[1] - eyes[0]
    zoom, turn = 0.40 * side / np.linalg.norm(across), np.arctan2(across[1], across[0])
    rotate = zoom * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    shift = np.array([side / 2, side * 0.34]) - rotate @ eyes.mean(axis=0)
    grey = cv2.cvtColor(piece.picture, cv2.COLOR_RGB2GRAY)
    return cv2.warpAffine(grey, np.column_stack([rotate, shift]), (side, side), flags=cv2.INTER_AREA)


# ---- cost


def cost(share: float, seed: int) -> list[tuple]:
    """Return the processor seconds of a picture of 160 pixels, as the pictures two quiet cores make in a second."""
    made = atelier.collection("sculpture", _some(200, share), seed)
    for spec in made[:5]:
        atelier.sculpt(spec, SIDE)
    started = time.process_time()
    for spec in made:
        atelier.sculpt(spec, SIDE)
    return [_row("pictures a second", "two cores", 2 * len(made) / (time.process_time() - started), 20)]


MEASURES = {"action units": action_units, "expressions": expressions, "intensities": intensities, "detection": detection}


def sentence(table: pd.DataFrame) -> str:
    """Return how many targets are met and which are missed, in words."""
    held = table[table["met"].notna()]
    missed = held[~held["met"].astype(bool)]
    text = f"**{len(held) - len(missed)} of {len(held)}** targets are met"
    if missed.empty:
        return text + "."
    listed = "; ".join(f"{row.measure}, {row.group}: {row.value:.3f} ({row.target})" for row in missed.itertuples())
    return f"{text}. Missed: {listed}."


# ---- figure


def realism_figure(table: pd.DataFrame) -> Figure:
    """Return every measure with a target as a dot on its scale, the target as a mark: red dots miss it."""
    held = table[table["met"].notna()]
    panels = [(name, rows) for name, rows in held.groupby("measure", sort=False)]
    heights = [len(rows) + 1.4 for _, rows in panels]
    figure = Figure(figsize=(9, 0.27 * sum(heights) + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False).ravel()
    for axis, (name, rows) in zip(axes, panels, strict=True):
        targets = rows["target"].str.split().str[-1].astype(float)
        places = np.arange(len(rows))
        colours = np.where(rows["met"].astype(bool), "#2b6f8f", "#d4402a")
        axis.hlines(places, np.minimum(rows["value"], targets), np.maximum(rows["value"], targets), color="#d5dbe0", linewidth=2)
        axis.scatter(targets, places, marker="|", s=130, color=INK)
        axis.scatter(rows["value"], places, s=42, color=colours, zorder=3)
        for place, value in zip(places, rows["value"], strict=True):
            text = f"{value:.3f}".rstrip("0").rstrip(".")
            axis.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        axis.set_yticks(places, rows["group"], fontsize=9)
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(name, loc="left", fontsize=10, fontweight="bold", color=INK)
        axis.spines[["top", "right"]].set_visible(False)
    return figure
