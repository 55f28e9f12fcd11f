"""Explanations: where the evidence of an expression was planted: how far the atelier's Action Units moved what each crop pixel shows.

Only the atelier knows. Each piece's spec is drawn again from the collection's own recipe, its head is carved with and without each Action
Unit, and the distance between the two goes through the same turn, scale and shift that made the crop. Displacements are in units of form,
.9 between the pupils: .1 is about 7 mm on a living face.

A falling jaw moves more surface, and further, than brows ever do. Where evidence lies is therefore told unit by unit: a place's rank among
all that the unit moved, from 0 to 1, and of several units the highest rank.
"""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lib.collections import atelier
from lib.collections.atelier.expression import COMPANIONS, TABLE, UNITS
from lib.collections.pictures import read_picture
from lib.compendium.compute import run_all
from lib.compendium.errors import CollectionError, ParameterError
from lib.expressions import ACTION_UNIT_TABLES, EXPRESSIONS
from lib.faces import transforms
from lib.faces.align import alignment
from lib.faces.landmarks import landmarks
from lib.faces.tables import points_of

SIDE = 112  # pixels of a planted map's side: a network's maps are coarser by far
QUANTILE = 0.5  # of what a unit moved: the further moved half counts as planted; not from the paper
STEPS = 50_000  # of a stored number in 1: sixteen bits reach 1.3, three times the widest open jaw
KINDS = ("expression", "all", "moved")
UNIT_COLUMNS = tuple(f"AU{unit:02d}" for unit in UNITS)
AGREE = 1.0  # pixels of the crop by which landmarks found again may differ from those kept
UNIT_ERROR = 0.002  # the metadata's Action Units are rounded


def units_of(expression: str) -> tuple[int, ...]:
    """Return the Action Units by which the atelier plants an expression: those of its table and those that often come along."""
    if expression not in EXPRESSIONS:
        raise ParameterError(f"Received the expression {expression!r}, expected one of {', '.join(EXPRESSIONS)}.")
    core = ACTION_UNIT_TABLES[TABLE].get(expression, ())
    return tuple(sorted({*core, *(unit for unit, _, _ in COMPANIONS[expression])} & set(UNITS)))


def recipe(folder: Path) -> dict:
    """Return how an atelier collection was built (its `atelier.json`): name, total, seed, size [height, width], kind.

    Raises CollectionError for any other collection: nobody knows what moved in a real face, and where.
    """
    note = Path(folder) / "atelier.json"
    try:
        found = json.loads(note.read_text())
        return {key: found[key] for key in ("name", "total", "seed", "size", "kind")}
    except OSError:
        raise CollectionError(
            f"The collection {Path(folder).name!r} was not made by the atelier (it has no atelier.json); expected one that was, for only "
            "there is it known what moved in a face. Use `make 06 COLLECTION=atelier`, or look at the regions of the face instead."
        ) from None
    except (ValueError, KeyError) as error:
        raise CollectionError(
            f"The atelier.json of {Path(folder).name!r} cannot be read ({error!r}); expected name, total, seed, size and kind. Build the "
            "collection again with `make 01`."
        ) from None


def specs(folder: Path) -> dict[str, dict]:
    """Return {file: spec} of all pictures of an atelier collection, as its metadata names the files."""
    built = recipe(folder)
    made = atelier.collection(built["name"], built["total"], built["seed"])
    return {f"{spec['collection']}/{spec['collection']}_{spec['index']:05d}.{built['kind']}": spec for spec in made}


def planted(folder: Path, faces: pd.DataFrame, marks: np.ndarray, crop_side: int, side: int = SIDE, journal: Path | None = None,
            workers: int | None = None) -> dict[str, np.ndarray]:  # fmt: skip
    """Return what was planted under each pixel of each face's crop, {kind of KINDS: float32 (n, side, side)}, 0 where nothing moved.

    `expression`: the highest rank, 0 to 1, that the pixel has in any unit of the planted expression (`units_of`); `all`: in any unit,
    traces of other expressions included; `moved`: the largest displacement by a unit of the expression, in units of form.
    folder: of an atelier collection. faces: one row a face that has truth (the largest of its picture): file, x, y, width, height,
    roll, detector, points (table of faces), identity, expression and AU01 … (what was planted). marks: (n, 68, 2) landmarks in crop
    pixels as kept with the crops, NaN where alignment did without. crop_side: of the crops in pixels. journal: keeps finished faces.
    Raises CollectionError for a collection that the atelier did not make, or made or cut otherwise than these tables say.
    """
    if len(marks) != len(faces) or np.shape(marks)[1:] != (68, 2):
        raise ParameterError(f"Received landmarks {np.shape(marks)} for {len(faces)} faces; expected ({len(faces)}, 68, 2).")
    known = specs(folder)
    items = {str(place): _item(row, points, known) for place, (row, points) in
             enumerate(zip(faces.to_dict("records"), np.asarray(marks, float), strict=True))}  # fmt: skip
    settings = {"folder": str(Path(folder).absolute()), "size": recipe(folder)["size"], "crop": int(crop_side), "side": int(side)}
    done = run_all(displacement_job, items, settings=settings, journal=journal, workers=workers, what="planted maps")
    if failed := [outcome.error for outcome in done.values() if outcome.error]:
        raise CollectionError(f"{len(failed)} of {len(items)} planted maps could not be made: {failed[0]}")
    return {kind: np.stack([_unpacked(outcome.value[kind]) for outcome in done.values()]) if done else np.zeros((0, side, side), np.float32)
            for kind in KINDS}  # fmt: skip


def evidence(folder: Path, asked: pd.DataFrame, faces: pd.DataFrame, images: pd.DataFrame, truth: pd.DataFrame, marks: np.ndarray,
             crop_side: int, side: int = SIDE, journal: Path | None = None) -> np.ndarray | None:  # fmt: skip
    """Return the ranks (n, side, side) of `planted` for questions, zeros for neutral ones; None where the atelier made nothing.

    asked: of `report.questions`: row (place in `faces`), face_id, expression. images: image_id, identity. truth: of
    `lib.labellers.truth.planted`. marks: (n, 68, 2) of the questions' faces.
    """
    if not (Path(folder) / "atelier.json").exists():
        return None
    identity = images.drop_duplicates("image_id").set_index("image_id")["identity"]
    rows = faces.iloc[asked["row"]].reset_index(drop=True)
    rows = rows.assign(identity=rows["image_id"].map(identity)).drop(columns=["expression", *UNIT_COLUMNS], errors="ignore")
    rows = rows.merge(truth[["face_id", "expression", *UNIT_COLUMNS]], on="face_id", how="left", validate="many_to_one")
    moving = np.array([bool(units_of(name)) for name in rows["expression"]], bool)
    ranks = np.zeros((len(rows), side, side), np.float32)
    ranks[moving] = planted(folder, rows[moving], np.asarray(marks)[moving], crop_side, side, journal)["expression"]
    return ranks


def _item(row: dict, points: np.ndarray, known: dict) -> dict:
    """Return what a worker needs for one face, the head's figure alone moving in its spec."""
    spec = known.get(row["file"])
    figures = [] if spec is None else [one for one in spec["figures"] if one["identity"] == row["identity"]]
    said = {unit: float(row[f"AU{unit:02d}"]) for unit in UNITS}
    if not figures or any(abs(figures[0]["units"].get(str(unit), 0.0) - value) > UNIT_ERROR for unit, value in said.items()):
        raise CollectionError(
            f"The picture {row['file']!r} shows something else than the atelier now makes for it ({row['identity']}); expected the same "
            "Action Units. Build the collection again with `make 01`."
        )
    # Others in the picture keep still, so that only this face is evidence.
    moving = [one if one is figures[0] else {**one, "units": dict.fromkeys(one["units"], 0.0)} for one in spec["figures"]]
    face = {name: float(row[name]) for name in ("x", "y", "width", "height", "roll")}
    return {"file": row["file"], "spec": {**spec, "figures": moving}, "expression": row["expression"], **face,
            "detector": row["detector"], "points": row["points"],
            "marks": points.round(2).tolist() if np.isfinite(points).all() else None}  # fmt: skip


def displacement_job(item: dict, settings: dict) -> dict[str, str]:
    """Return one face's planted maps {kind: base64 of a 16-bit PNG}, in a worker process."""
    height, width = settings["size"]
    transform = _transform(item, settings)
    # Nothing is painted: the evidence needs the shape alone.
    moved = atelier.Piece(item["spec"], np.empty((height, width, 3), np.uint8), {}).evidence
    mine = units_of(item["expression"])
    moved = {unit: warped(one, transform, settings["side"]) for unit, one in moved.items() if one.any()}
    expressive = [one for unit, one in moved.items() if unit in mine]
    found = {"expression": map(ranked, expressive), "all": map(ranked, moved.values()), "moved": expressive}
    return {kind: _packed(_highest(parts, settings["side"])) for kind, parts in found.items()}


def _transform(item: dict, settings: dict) -> transforms.Transform:
    """Return the transform from picture to crop, made as notebook 02 made it. Raises CollectionError where the landmarks differ."""
    box, kept = tuple(item[name] for name in ("x", "y", "width", "height")), item["marks"]
    found = None
    if kept is not None:
        picture = read_picture(Path(settings["folder"]) / item["file"])
        found = landmarks(picture, box, item["detector"], item["roll"])
    transform, _ = alignment(box, settings["crop"], found, points_of(item["points"]), item["roll"])
    if kept is not None and np.abs(transforms.map_points(found, transform) - np.asarray(kept)).max() > AGREE:
        raise CollectionError(f"The face in {item['file']!r} was cut otherwise than it is now; expected the same landmarks. Run `make 02`.")
    return transform


def of_piece(piece: atelier.Piece, expression: str, transform: transforms.Transform, side: int = SIDE) -> np.ndarray:
    """Return the ranks (`planted`'s kind "expression") of one piece of the atelier as a crop sees them, float32 (side, side)."""
    moved = [ranked(warped(piece.evidence[unit], transform, side)) for unit in units_of(expression) if piece.evidence[unit].any()]
    return _highest(moved, side)


def _highest(maps, side: int) -> np.ndarray:
    """Return the highest value of several maps at each place, float32 (side, side); 0 where there is none."""
    return np.maximum.reduce([np.zeros((side, side), np.float32), *maps])


def warped(displacement: np.ndarray, transform: transforms.Transform, side: int) -> np.ndarray:
    """Return a map of a picture (h, w) as the crop sees it, float32 (side, side); beyond the picture nothing moved."""
    shrink = side / transform.width
    matrix = np.diag([shrink, shrink, 1.0]) @ np.asarray(transform.matrix)
    size = abs(np.linalg.det(matrix[:2, :2])) ** 0.5
    displacement = np.asarray(displacement, np.float32)
    if size < 1:  # averaged before it shrinks, as the crop is
        displacement = cv2.GaussianBlur(displacement, (0, 0), 0.4 / size)
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    centres = np.linalg.inv(half) @ matrix @ half  # OpenCV counts from pixel centres
    return cv2.warpAffine(displacement, centres[:2], (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)


def ranked(displacement: np.ndarray) -> np.ndarray:
    """Return the rank of each place among those that moved, float32 (h, w), above 0 to 1 for the furthest; 0 where nothing moved."""
    ranks, moved = np.zeros(displacement.shape, np.float32), displacement > 0
    if moved.any():
        ranks[moved] = rankdata(displacement[moved]) / moved.sum()
    return ranks


def _packed(values: np.ndarray) -> str:
    stored = np.clip(np.ceil(values * STEPS), 0, 2**16 - 1).astype(np.uint16)  # upwards, so that what moved stays above 0
    return base64.b64encode(cv2.imencode(".png", stored)[1].tobytes()).decode()


def _unpacked(text: str) -> np.ndarray:
    stored = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_UNCHANGED)
    return (stored / STEPS).astype(np.float32)


def places(ranks: np.ndarray, quantile: float = QUANTILE) -> np.ndarray:
    """Return where evidence was planted, bool (n, side, side), from ranks (n, side, side): what some unit moved further than `quantile`.

    quantile: of the places each unit moved, 0 (all of them) to below 1. A face in which nothing moved has an empty mask.
    """
    ranks = np.asarray(ranks)
    if ranks.ndim != 3 or not 0 <= quantile < 1:
        raise ParameterError(f"Received ranks {ranks.shape} and quantile {quantile!r}; expected (n, side, side) and 0 to below 1.")
    return ranks > quantile
