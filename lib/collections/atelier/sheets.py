"""Collections: contact sheets of the atelier: by tradition, by expression and intensity, by Action Unit, by damage. All synthetic."""

from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.collections.atelier import damage, expression, sculptor
from lib.collections.pictures import read_thumbnail
from lib.collections.registry import Collection
from lib.compendium.errors import PictureError
from lib.expressions import ACTION_UNIT_NAMES, EXPRESSIONS

INK = "#22303c"
INTENSITIES = (0.25, 0.5, 0.75, 1.0)
AMOUNTS = (0.3, 0.65, 1.0)
SITTER = {"yaw": 8.0, "pitch": 2.0, "roll": 0.0, "damaged": {}, "headgear": "none", "beard": "none", "moustache": "none"}


class Sheet(NamedTuple):
    """A contact sheet with its words and the numbers behind it."""

    name: str
    figure: Figure
    data: pd.DataFrame
    caption: str
    alt: str


def of_collection(collection: Collection, images: pd.DataFrame) -> list[Sheet]:
    """Return the sheet of a synthetic collection's pictures by tradition; none for photographs."""
    if not collection.synthetic:
        return []
    figure, data = by_tradition(collection, images)
    caption = f"{collection.title}: pictures by tradition, each in the manner of one source, evenly chosen. All are made up."
    return [Sheet("by_tradition", figure, data, caption, "A grid of synthetic sculptures, a tradition a row.")]


def of_sitter(collection: Collection, seed: int) -> list[Sheet]:
    """Return sheets of one made-up sitter: expressions, Action Units, damage; none where the collection is photographs."""
    if not collection.synthetic:
        return []
    words = {
        "by_expression": (by_expression, "One synthetic marble head, seven expressions, from hinted to full intensity."),
        "by_action_unit": (by_action_unit, "Each Action Unit alone at its strongest (5) on one synthetic head, and in red how far it moved "
                           "the surface: the planted evidence that later notebooks hold explanations against."),
        "by_damage": (by_damage, "The same synthetic head whole and with each kind of damage, growing from left to right."),
    }  # fmt: skip
    return [Sheet(name, *make(seed), caption, caption) for name, (make, caption) in words.items()]


def planted(images: pd.DataFrame) -> str:
    """Return what expressions a collection's truth holds, in words; for photographs, that nothing is known."""
    if "soft_label" not in images:
        return "These are photographs: what their sculptors meant is not known, and nothing was planted."
    labels = images["expression"].fillna("").replace("", np.nan).dropna()
    mixed = images.loc[labels.index, "soft_label"].str.count(";").ge(1).mean()
    counts = ", ".join(f"{name} {count:,}" for name, count in labels.value_counts().items())
    return (
        f"Of {len(images):,} pictures {len(labels):,} show a face with a planted expression: {counts}. As in the study neutral dominates, "
        f"and **{mixed:.0%}** of the faces are compound or ambiguous: their label is shared between two or three expressions."
    )


def by_tradition(collection: Collection, images: pd.DataFrame, each: int = 9, side: int = 160) -> tuple[Figure, pd.DataFrame]:
    """Return a row of pictures for each tradition of a collection's table, evenly chosen, and which pictures they are."""
    rows = []
    for tradition, group in images[images["status"] == "ok"].groupby("tradition", sort=False):
        chosen = group.iloc[np.unique(np.linspace(0, len(group) - 1, each).round().astype(int))]
        name = f"{tradition.replace('_', ' ')}\n{len(group)} pictures"
        rows.append((name, [_thumbnail(collection, file, side) for file in chosen["file"]]))
    shown = pd.DataFrame({"tradition": images["tradition"].value_counts().index, "pictures": images["tradition"].value_counts().to_numpy()})
    return _sheet(rows, each, 1.0), shown


def by_expression(seed: int, side: int = 200, manner: str = "british_museum", material: str = "marble") -> tuple[Figure, pd.DataFrame]:
    """Return one sitter posing the seven expressions (rows) from hinted to full (columns), and the planted Action Units."""
    rows, planted = [], []
    for name in EXPRESSIONS:
        pieces = [_pose(seed, side, manner, material, expression_of=name, intensity=intensity) for intensity in INTENSITIES]
        rows.append((name, [piece.picture for piece in pieces]))
        for intensity, piece in zip(INTENSITIES, pieces, strict=True):
            units = {f"AU{unit:02d}": value for unit, value in piece.truth["faces"][0]["action_units"].items()}
            planted.append({"expression": name, "intensity": intensity, **units})
    return _sheet(rows, len(INTENSITIES), 1.7, [f"intensity {value:g}" for value in INTENSITIES]), pd.DataFrame(planted)


def by_action_unit(seed: int, side: int = 200, manner: str = "british_museum", material: str = "limestone") -> tuple[Figure, pd.DataFrame]:
    """Return one sitter with each Action Unit alone at 5, the planted evidence in red: how far the surface moved, and by how much."""
    shown, moved = [], []
    for unit in expression.UNITS:
        piece = _pose(seed, side, manner, material, units={unit: expression.STRONGEST})
        evidence = np.abs(piece.evidence[unit])
        shown.append((f"AU {unit}: {ACTION_UNIT_NAMES[unit]}", piece.picture, _overlaid(piece.picture, evidence)))
        moved.append({"unit": unit, "name": ACTION_UNIT_NAMES[unit], "largest_movement": float(evidence.max()),
                      "share_of_picture_moved": float((evidence > 0).mean())})  # fmt: skip
    figure = Figure(figsize=(13.2, 8.2), dpi=110, layout="constrained")
    axes = figure.subplots(4, 4).ravel()
    for axis, (title, picture, overlay) in zip(axes, shown, strict=True):
        axis.imshow(np.hstack([picture, overlay]))
        axis.set_title(title, fontsize=11, color=INK, pad=3)
        axis.set_axis_off()
    return figure, pd.DataFrame(moved)


def by_damage(seed: int, side: int = 200, manner: str = "british_museum", material: str = "marble") -> tuple[Figure, pd.DataFrame]:
    """Return one sitter whole and with each kind of damage, growing from left to right."""
    rows = []
    for kind in damage.KINDS:
        wishes = [{kind: amount} for amount in AMOUNTS]
        rows.append((kind, [_pose(seed, side, manner, material, expression_of="neutral", damaged=wish).picture for wish in [{}, *wishes]]))
    shown = pd.DataFrame([{"damage": kind, "amount": amount} for kind in damage.KINDS for amount in (0.0, *AMOUNTS)])
    return _sheet(rows, len(AMOUNTS) + 1, 1.7, ["whole", *(f"amount {value:g}" for value in AMOUNTS)]), shown


def _pose(seed: int, side: int, manner: str, material: str, **wishes) -> sculptor.Piece:
    wishes = {**SITTER, "presentation": "bust", "background": "dark", **wishes}
    return sculptor.sculpt(seed, side, tradition=manner, material=material, **wishes)


def _overlaid(picture: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Return a grey copy of a picture with the moved places in red, the stronger the further they moved."""
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB).astype(np.float32)
    strength = (evidence / max(float(evidence.max()), 1e-9))[..., None] ** 0.7 * 0.85
    return (grey * (1 - strength) + np.array([214, 64, 38], np.float32) * strength).round().astype(np.uint8)


def _thumbnail(collection: Collection, file: str, side: int) -> np.ndarray | None:
    try:
        return read_thumbnail(collection.folder / file, side)[0]
    except PictureError:
        return None


def _sheet(rows: list, columns: int, cell: float, heads: list[str] | None = None) -> Figure:
    """Return a grid with a name before each row and, where given, a head over each column."""
    figure = Figure(figsize=(cell * columns + 1.4, (cell + 0.04) * len(rows) + 0.2), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, pictures) in zip(axes, rows, strict=True):
        for axis in line:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, picture in zip(line, pictures, strict=False):
            if picture is not None:
                axis.imshow(picture)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, color=INK, labelpad=6)
    for axis, head in zip(axes[0], heads or [], strict=False):
        axis.set_title(head, fontsize=10, color=INK, pad=3)
    return figure
