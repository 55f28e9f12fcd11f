"""Faces: the detection ladder of the sculpture study, every rung and every rejected box on record.

The paper: OpenCV's detector often fails on sculpture, so MTCNN as well; where no face is found, zooming in the centre, rotation and
cropping; last, boxes drawn by hand in VoTT. Here `haar` and `mtcnn` look at every picture; while there is no face `scale`, `zoom`,
`rotate` and `crop` follow; boxes drawn by hand are added as rung `hand`.

# differs from the paper: the scale of the picture is a rung of its own, before zooming. MTCNN samples large faces without averaging,
so fine texture hides a face from it that it sees in a smaller picture; and very small faces want a larger one.

# differs from the paper: no person looks over the result here, so boxes need witnesses. A face that is there is found again when it is
looked at a little larger, a little smaller or in a mirror; an accident of texture seldom is. MTCNN looks again at the neighbourhood of
every box, in `2 * len(witness_sizes)` such views, and each rung states how many witnesses it asks for. In a retry rung the other views
of the rung that found the same face are witnesses too. A single Haar box is the weakest evidence and needs a majority of the second
looks; so does a box of a retry rung, for every further try is a further chance of an accident; a box that MTCNN found in the picture
as it is needs one.
"""

import json
import time
from dataclasses import dataclass, field

import numpy as np

from lib.compendium.errors import PictureError
from lib.faces import transforms
from lib.faces.detectors import check_picture, haar, is_blank, mtcnn
from lib.faces.evaluate import pairwise_overlap, shared_area
from lib.faces.settings import RETRIES, LadderSettings, settings_from
from lib.faces.tables import RUNGS, face_id

WITNESS_MARGIN = 2.5  # the neighbourhood's side over the box's: enough around a face for MTCNN to see it as one
WITNESS_SMALLEST = 0.6  # the second look seeks faces from this part of the expected size on, so it costs little
MOST_ZOOM = 4.0  # a small picture is not enlarged further: four times is more than the pixels can tell


@dataclass(frozen=True)
class Detection:
    """What the ladder says about one picture; only plain Python values inside.

    `faces`, `attempts`: lists of dicts with x, y, width, height (floats, pixels of the original), confidence, detector, rung,
    transform (dict: name and parameters), witnesses, roll (degrees), points (five (x, y) of the original, or None). Attempts also have
    accepted (bool) and reason. `width`, `height`: of the picture. `seconds`: time by rung, the only part that differs between runs.
    """

    faces: list
    attempts: list
    width: int
    height: int
    seconds: dict = field(default_factory=dict, compare=False)


# Decimals of what a table holds: a hundredth of a pixel is enough, and rounding noise does not tell one machine from another.
DECIMALS = {"x": 2, "y": 2, "width": 2, "height": 2, "confidence": 4, "roll": 2}


def detect(picture: np.ndarray, settings: LadderSettings | dict | None = None, hand_boxes=()) -> Detection:
    """Climb the ladder with one picture, uint8 RGB (h, w, 3).

    `hand_boxes`: boxes drawn by hand, (n, 4) x, y, width, height in pixels of the picture; they are taken as they are and replace
    found boxes of the same face. A face's `rung` is the first rung that found it and was believed; `detector` tells whose box it is:
    where MTCNN found or confirmed a face its box is kept, since it has five points and one convention.
    """
    check_picture(picture)
    settings = settings_from(settings)
    height, width = picture.shape[:2]
    attempts, faces, seconds = [], [], {}
    if not is_blank(picture):
        for rung in settings.rungs:
            if rung in RETRIES and faces:
                break
            began = time.perf_counter()
            tried = _climb(picture, rung, settings)
            attempts += tried
            faces = merge(faces + [_face(one) for one in tried if one["accepted"]], settings)
            seconds[rung] = time.perf_counter() - began
    hand = [_hand(box, width, height) for box in hand_boxes]
    faces = merge([_face(one) for one in hand if one["accepted"]] + faces, settings)
    tried = [{key: value for key, value in one.items() if key not in ("seen", "refined", "points")} for one in attempts + hand]
    return Detection(sorted(faces, key=lambda face: (face["x"], face["y"])), tried, int(width), int(height), seconds)


def _face(attempt: dict) -> dict:
    """Return the row of a believed face: the attempt, with the box of its witnesses where they gave one."""
    return {**{key: value for key, value in attempt.items() if key not in ("accepted", "reason", "seen", "refined")},
            **attempt.get("refined", {})}


def merge(faces: list, settings: LadderSettings) -> list:
    """Return each face once: of boxes of one face the hand-drawn, else the best witnessed, else the surest is kept.

    The kept row takes the earliest rung and the largest number of witnesses of those it stands for.
    """
    kept = []
    for face in sorted(faces, key=_worth):
        twin = next((other for other in kept if _same(face, other, settings)), None)
        if twin is None:
            kept.append(dict(face))
        elif twin["detector"] != "hand":
            twin["rung"] = min(twin["rung"], face["rung"], key=RUNGS.index)
            twin["witnesses"] = max(twin["witnesses"], face["witnesses"])
    return kept


def _worth(face: dict) -> tuple:
    """Sort key, best first; a box found in the whole picture goes before one that Haar proposed and witnesses corrected."""
    return (face["detector"] != "hand", face["detector"] == "haar", face["rung"] == "haar", -face["witnesses"], -face["confidence"],
            face["x"], face["y"])


def _hand(box, width: int, height: int) -> dict:
    """Return a hand-drawn box as an attempt; it is believed unless nothing of it lies inside the picture."""
    clipped = transforms.clip_box(box, width, height)
    x, y, box_width, box_height = clipped or (float(value) for value in box)
    return {"x": x, "y": y, "width": box_width, "height": box_height, "confidence": 1.0, "detector": "hand", "rung": "hand",
            "transform": {"name": "none"}, "witnesses": 0, "roll": 0.0, "points": None, "accepted": clipped is not None,
            "reason": "accepted" if clipped else "outside the picture"}


def detect_picture_job(item: dict, settings: dict | None = None) -> dict:
    """Detect the faces of one picture file: a top-level function of plain values, for worker processes.

    `item`: `path` (of the file), `image_id`, `file` (as in the table of images), optional `hand_boxes` (list of [x, y, width, height]
    in pixels) and `maximum_megapixels` (200). `settings`: fields of LadderSettings. Returns a JSON-able dict: image_id, file, status
    ("ok" or "broken"), reason, width, height, seconds (by rung), `faces` and `attempts` (rows of the tables, `transform` and `points`
    as JSON text). A picture that cannot be read gives status "broken", its reason and no rows.
    """
    from lib.collections.pictures import read_picture

    checked = settings_from(settings)
    result = {"image_id": str(item["image_id"]), "file": str(item["file"]), "status": "ok", "reason": "", "width": 0, "height": 0,
              "seconds": {}, "faces": [], "attempts": []}
    try:
        picture = read_picture(item["path"], item.get("maximum_megapixels", 200.0))
    except PictureError as error:
        return {**result, "status": "broken", "reason": str(error)}
    found = detect(picture, checked, item.get("hand_boxes") or ())
    whose = {"image_id": result["image_id"], "file": result["file"]}
    return {**result, "width": found.width, "height": found.height, "seconds": found.seconds,
            "faces": [_row(face, {"face_id": face_id(whose["image_id"], _box(face)), **whose}) for face in found.faces],
            "attempts": [_row(one, whose) for one in found.attempts]}


def _row(one: dict, whose: dict) -> dict:
    """Return a face or attempt as a row of its table: sensible decimals (a hundredth of a pixel), nested values as JSON text."""
    row = {**whose, **one, "transform": json.dumps(one["transform"], sort_keys=True)}
    row |= {name: round(one[name], decimals) for name, decimals in DECIMALS.items()}
    if "points" in one:
        row["points"] = json.dumps([[round(x, 2), round(y, 2)] for x, y in one["points"]]) if one["points"] else ""
    return row


def _climb(picture: np.ndarray, rung: str, settings: LadderSettings) -> list:
    """Try one rung. Returns its attempts: every box found in any view of the rung, with its witnesses and what became of it."""
    looks = [_look(picture, rung, view, settings) for view in views(picture.shape[1], picture.shape[0], rung, settings)]
    found = [one for look in looks for one in look]
    found.sort(key=lambda one: (-one["confidence"], one["x"], one["y"]))
    kept = []
    for one in found:
        if any(_same(one, other, settings) for other in kept):
            one["reason"] = "found twice in this rung"
            continue
        kept.append(one)
        _judge(picture, one, _seen_elsewhere(one, looks, settings), settings)
    return found


def views(width: int, height: int, rung: str, settings: LadderSettings) -> list:
    """Return the transforms of one rung for a picture of `width` x `height` pixels, each straight from the original picture."""
    longest = max(width, height)
    working = min(1.0, settings.longest_side / longest)
    if rung not in RETRIES:
        return [_scaled(width, height, working)]
    if rung == "scale":
        factors = [factor for factor in settings.scale_factors if factor < 1 or longest * working * factor <= settings.longest_side]
        return _with_mirrors([_scaled(width, height, working * factor) for factor in factors])
    if rung == "zoom":
        return [transforms.centre_zoom(width, height, fraction, min(MOST_ZOOM, side / (fraction * longest)))
                for fraction in settings.zoom_fractions for side in settings.retry_sides]
    if rung == "rotate":
        small = [_scaled(width, height, side / longest) for side in settings.retry_sides if side <= longest * working] or \
                [_scaled(width, height, working)]
        return [transforms.compose(one, transforms.rotate(one.width, one.height, degrees))
                for degrees in settings.rotations for one in small]
    crops = [transforms.centre_crop(width, height, fraction) for fraction in settings.crop_fractions]
    return [transforms.compose(crop, _scaled(crop.width, crop.height, working)) for crop in crops]


def _with_mirrors(plain: list) -> list:
    """Return each view and its mirror image: MTCNN is not symmetric, and a face just missed in one may be seen in the other."""
    return [view for one in plain for view in (one, transforms.compose(one, transforms.mirror(one.width, one.height)))]


def _scaled(width: int, height: int, factor: float) -> transforms.Transform:
    return transforms.scale(width, height, factor) if factor != 1 else transforms.identity(width, height)


def _look(picture: np.ndarray, rung: str, view: transforms.Transform, settings: LadderSettings) -> list:
    """Run the rung's detector on one view and map what it finds back into the picture."""
    seen = transforms.apply(picture, view)
    if rung == "haar":
        found = haar(seen, settings.haar_scale_factor, settings.haar_neighbours)
    else:
        found = _mtcnn(seen, settings.minimum_face, settings)
    return [_attempt(face, rung, view) for face in found]


def _mtcnn(picture: np.ndarray, minimum_face: float, settings: LadderSettings) -> list:
    return mtcnn(picture, minimum_face, (*settings.proposal_confidences, settings.minimum_confidence), threads=settings.threads)


def _attempt(face: dict, rung: str, view: transforms.Transform) -> dict:
    box = transforms.map_box_back(face["box"], view)
    return {**dict(zip(("x", "y", "width", "height"), box, strict=True)), "confidence": face["confidence"],
            "detector": face["detector"], "rung": rung, "transform": {"name": view.name, **view.parameters}, "witnesses": 0,
            "roll": transforms.roll(view), "points": _points_back(face["points"], view), "accepted": False, "reason": "", "seen": []}


def _points_back(points, view: transforms.Transform) -> list | None:
    """Map five points back; in a mirror image the left eye and mouth corner are the right ones of the picture."""
    if points is None:
        return None
    back = transforms.map_points_back(points, view)
    order = [1, 0, 2, 4, 3] if transforms.is_mirrored(view) else [0, 1, 2, 3, 4]
    return [[float(x), float(y)] for x, y in back[order]]


def _box(one: dict) -> tuple:
    return one["x"], one["y"], one["width"], one["height"]


def _seen_elsewhere(one: dict, looks: list, settings: LadderSettings) -> list:
    """Return what the rung's other views found in the same place, at most one find a view: its first witnesses."""
    agreed = []
    for look in looks:
        if look and not any(other is one for other in look):
            overlaps = pairwise_overlap([_box(other) for other in look], [_box(one)])[:, 0]
            best = look[int(overlaps.argmax())]
            if overlaps.max() >= settings.witness_overlap:
                agreed.append({"box": _box(best), "confidence": best["confidence"], "points": best["points"]})
    return agreed


def _judge(picture: np.ndarray, one: dict, elsewhere: list, settings: LadderSettings) -> None:
    """Decide about one attempt in place: size, then witnesses (`elsewhere`: those of the rung's other views)."""
    height, width = picture.shape[:2]
    smallest = max(settings.minimum_size, settings.minimum_fraction * max(width, height))
    if max(one["width"], one["height"]) < smallest:
        one["reason"] = f"smaller than {smallest:.0f} pixels"
        return
    needed = {"haar": settings.witnesses_haar, "mtcnn": settings.witnesses_mtcnn}.get(one["rung"], settings.witnesses_retry)
    one["seen"] = elsewhere + second_looks(picture, _box(one), one["roll"], settings)
    one["witnesses"] = len(one["seen"])
    one["accepted"] = one["witnesses"] >= needed
    one["reason"] = "accepted" if one["accepted"] else f"{one['witnesses']} witnesses, {needed} needed"
    if one["accepted"] and one["rung"] != "mtcnn" and one["seen"]:
        _take_box_of_witnesses(one)


def second_looks(picture: np.ndarray, box, roll: float, settings: LadderSettings) -> list:
    """Look again at the neighbourhood of a box, upright, at each of `witness_sizes`, plain and mirrored, with MTCNN.

    Returns the finds that agree with the box (at most one a look), mapped back into the picture: dicts of box, confidence, points.
    """
    agreed = []
    for size in settings.witness_sizes:
        for mirrored in (False, True):
            view = transforms.upright(box, round(size * WITNESS_MARGIN), WITNESS_MARGIN, roll)
            view = transforms.compose(view, transforms.mirror(view.width, view.height)) if mirrored else view
            agreed += _agreeing(picture, view, transforms.map_box(box, view), size, settings)
    return agreed


def _agreeing(picture: np.ndarray, view: transforms.Transform, box, size: int, settings: LadderSettings) -> list:
    found = _mtcnn(transforms.apply(picture, view), max(12.0, size * WITNESS_SMALLEST), settings)
    overlaps = pairwise_overlap([face["box"] for face in found], [box])[:, 0]
    if not len(found) or overlaps.max() < settings.witness_overlap:
        return []
    face = found[int(overlaps.argmax())]
    return [{"box": transforms.map_box_back(face["box"], view), "confidence": face["confidence"],
             "points": _points_back(face["points"], view)}]


def _take_box_of_witnesses(one: dict) -> None:
    """Give a believed face of any rung but `mtcnn` the median box of its witnesses and the points of the surest.

    One look at an odd scale or angle places a box badly; the median of several places it well, and gives Haar's faces MTCNN's
    convention, so that all boxes mean the same. Faces of the rung `mtcnn` stay as the package gives them.
    """
    own = [{"box": _box(one), "confidence": one["confidence"], "points": one["points"]}] if one["detector"] == "mtcnn" else []
    median = np.median([look["box"] for look in own + one["seen"]], axis=0)
    surest = max(own + one["seen"], key=lambda look: look["confidence"])
    one["refined"] = {**dict(zip(("x", "y", "width", "height"), median.tolist(), strict=True)), "detector": "mtcnn",
                      "confidence": surest["confidence"], "points": surest["points"]}


def _same(one: dict, other: dict, settings: LadderSettings) -> bool:
    """Tell whether two boxes are the same face: they overlap, or one lies in the other."""
    first, second = np.array([_box(one)]), np.array([_box(other)])
    shared = float(shared_area(first, second)[0, 0])
    smaller = min(one["width"] * one["height"], other["width"] * other["height"])
    return pairwise_overlap(first, second)[0, 0] >= settings.same_overlap or shared >= settings.same_containment * smaller
