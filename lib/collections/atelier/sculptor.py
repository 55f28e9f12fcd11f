"""Collections: the atelier's door: sculpt one piece, describe a collection, build a folder of pictures with their truth.

Every picture is synthetic. The same spec gives the same bytes on the same machine, in any order and any process.
"""

import csv
import json
from functools import cached_property
from io import BytesIO, StringIO
from pathlib import Path

import cv2
import numpy as np

from lib.collections.atelier import attributes, damage, expression, form, materials, rendering, scenes, specs, traditions, truth
from lib.collections.atelier.geometry import Grid, moved, rotation
from lib.compendium.errors import ParameterError, did_you_mean
from lib.compendium.places import write_atomically

LEAST, MOST = 32, 2048  # pixels of a picture's side
TOLERANCE = 0.10  # units a landmark may lie behind the seen surface and still count as visible
MOVED = 0.004  # units (.3 mm) below which the surface counts as not moved
FLAT = 0.42  # depth left to a head in relief


class Piece:
    """A picture (uint8 RGB, h x w x 3) with its truth (a dict, see `sculpt`) and the evidence of its Action Units, made when asked for."""

    def __init__(self, spec: dict, picture: np.ndarray, record: dict):
        self.spec, self.picture, self.truth = spec, picture, record

    def __iter__(self):
        return iter((self.picture, self.truth))

    @cached_property
    def evidence(self) -> dict[int, np.ndarray]:
        """Return {unit: float32 (h, w)}: how far each Action Unit moved the surface seen at a pixel, in units of .9 between the pupils.

        Exactly 0 where nothing moved, on hair, body and background, and for units at 0. Compared with the same face without that unit.
        """
        return _evidence(self.spec, self.picture.shape[:2])


# ---- public


def sculpt(spec=0, size=160, **wishes) -> Piece:
    """Return a piece: from a spec (of `collection` or `commission`), or from a seed and wishes.

    `size`: pixels of the side, or (height, width), 32 to 2048. `wishes`: see `commission`. The truth has: synthetic, collection, tradition,
    title, culture, date, index, seed, material, eyes, light, background, damage, object, faces (largest first). Each face has: identity,
    expression, soft_label {7 names: probability}, intensity 0..1, action_units {16 units: 0..5}, landmarks float32 (68, 2), visible
    bool (68,), box [x, y, width, height], yaw, pitch, roll (degrees: right, up, clockwise), view, style, presentation, posture, hair,
    headgear, beard, moustache. Raises ParameterError with the allowed range for anything impossible.
    """
    height, width = check_size(size)
    if isinstance(spec, dict):
        if wishes:
            raise ParameterError(f"Received a spec and the wishes {', '.join(wishes)}; expected one or the other: pass a seed with wishes.")
        _check_spec(spec)
    else:
        spec = commission(spec, **wishes)
    return Piece(spec, *_make(spec, height, width))


def commission(seed: int = 0, tradition: str = "british_museum", expression_of=None, intensity: float = 1.0, units=None,
               material: str | None = None,
               yaw: float | None = None, pitch: float | None = None, roll: float | None = None, damaged: dict | None = None,
               **changes) -> dict:  # fmt: skip
    """Return the spec of one piece with one face, as wished.

    `expression_of`: an expression or {expression: weight}; `intensity`: 0 to 1; `units`: {Action Unit: 0 to 5}, replaces the expression's;
    `material`: a name of `materials.MATERIALS`; `yaw`, `pitch`, `roll`: degrees within 75; `damaged`: {kind: 0 to 1}, {} for none.
    `changes`: presentation, hair, headgear, beard, moustache, pendants, garment, background, identity (a seed: the same head again).
    """
    specs.check_count(seed, "seed", 0, 2**31 - 1)
    if tradition not in traditions.MANNERS:
        hint = did_you_mean(str(tradition), traditions.MANNERS)
        raise ParameterError(f"Received tradition {tradition!r}; expected one of {', '.join(traditions.MANNERS)}.{hint}")
    spec = _single(tradition, seed)
    one = spec["figures"][0]
    if "identity" in changes:
        who = specs.check_count(changes.pop("identity"), "identity", 0, 2**31 - 1)
        twin = _single(tradition, who)
        one.update({key: twin["figures"][0][key] for key in ("identity", "shape", "hair", "headgear", "beard", "moustache", "pendants",
                                                             "garment", "recede", "strands")})
        spec["material"] = twin["material"]
    if not (isinstance(intensity, int | float) and 0 <= intensity <= 1):
        raise ParameterError(f"Received intensity {intensity!r}; expected a number from 0 to 1 (Action Units take 0 to 5).")
    generator = specs.generator_of(seed, tradition, "units")
    if expression_of is not None:
        label = expression.soft_label(expression_of)
        one["expression"], one["intensity"] = {name: value for name, value in label.items() if value > 0}, float(intensity)
        one["units"] = {str(unit): round(value, 3) for unit, value in expression.mixed(label, float(intensity), generator).items()}
    if units is not None:
        one["units"] = {str(unit): value for unit, value in expression.check_units(units).items()}
    if material is not None:
        materials.check_material(material)
        spec["material"] = materials.draw_material(material, specs.generator_of(seed, tradition, "material"))
    for place, angle in enumerate((yaw, pitch, roll)):
        if angle is not None:
            one["pose"][place] = _within(angle, ("yaw", "pitch", "roll")[place], specs.FURTHEST_TURN)
    if damaged is not None:
        spec["damage"] = damage.check_damage(damaged)
    _apply(spec, one, changes)
    return spec


def collection(name: str, total: int, seed: int = 0) -> list[dict]:
    """Return the specs of a collection; see `specs.collection`."""
    return specs.collection(name, total, seed)


def build(folder, total: int, seed: int = 0, size=160, name: str = specs.ALL, workers: int | None = None, kind: str = "jpg") -> Path:
    """Write a collection folder: pictures in a subfolder for each tradition and `metadata.csv`, and return its path.

    Each file is written beside its place and renamed; a picture that is there already is kept, so a stopped build goes on where it was.
    The folder's `atelier.json` says what it holds; a folder built otherwise is refused. `kind`: jpg or png; `workers`: processes.
    """
    from lib.compendium.compute import run_all

    if kind not in ("jpg", "png"):
        raise ParameterError(f"Received kind {kind!r}; expected jpg or png.")
    height, width = check_size(size)
    folder = Path(folder).expanduser()
    made = collection(name, total, seed)
    recipe = {"synthetic": True, "name": name, "total": total, "seed": seed, "size": [height, width], "kind": kind, "version": VERSION}
    _claim(folder, recipe)
    items = {f"{spec['collection']}/{spec['collection']}_{spec['index']:05d}.{kind}": spec for spec in made}
    settings = {"folder": str(folder.absolute()), "size": [height, width]}
    done = run_all(_write, {file: [file, spec] for file, spec in items.items()}, settings=settings, journal=folder / ".rows.jsonl",
                   workers=workers)
    failed = [f"{file}: {outcome.error}" for file, outcome in done.items() if outcome.error]
    if failed:
        raise ParameterError(f"{len(failed)} pictures could not be made, the first: {failed[0]}. Build again to go on.")
    text = StringIO()
    writer = csv.DictWriter(text, truth.METADATA_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(outcome.value for outcome in done.values())
    write_atomically(folder / "metadata.csv", text.getvalue())
    return folder


VERSION = 1  # raise it whenever the same spec gives another picture


def encoded(picture: np.ndarray, kind: str = "jpg") -> bytes:
    """Return a picture as the bytes of a JPEG (quality 93) or PNG file."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, **({"format": "JPEG", "quality": 93} if kind == "jpg" else {"format": "PNG"}))
    return buffer.getvalue()


def check_size(size) -> tuple[int, int]:
    """Return (height, width) from a side or a pair, or raise ParameterError with the range."""
    pair = (size, size) if isinstance(size, int | np.integer) and not isinstance(size, bool) else size
    try:
        sides = tuple(int(value) for value in pair)
        if len(sides) != 2 or any(int(value) != value for value in pair) or not all(LEAST <= side <= MOST for side in sides):
            raise ValueError
    except (TypeError, ValueError):
        raise ParameterError(f"Received size {size!r}; expected pixels from {LEAST} to {MOST}, one number or (height, width).") from None
    return sides


# ---- making


def _single(tradition: str, seed: int) -> dict:
    """Return a picture of a tradition with exactly one face, close by."""
    manner = {**traditions.manner(tradition), "none": 0.0, "several": 0.0}
    view, piece = specs.generator_of(seed, tradition, "single"), specs.generator_of(seed, tradition, "single object")
    base = specs.photograph(tradition, manner, seed, 0, view)
    base["material"] = specs.matter(manner, piece)
    one = specs.figure(tradition, piece, f"{tradition}-{seed}")
    if one["presentation"] in ("seated", "standing"):
        one["presentation"] = "bust"
    base["damage"] = damage.draw_damage(piece, manner["damage"])
    specs.pose([one], manner, view)
    specs.arrange(base, [one], {**manner, "close": (4.0, 4.8)}, view)
    return base


def _within(value, what: str, most: float) -> float:
    if not (isinstance(value, int | float | np.number) and -most <= value <= most):
        raise ParameterError(f"Received {what} {value!r}; expected degrees from {-most:g} to {most:g}.")
    return float(value)


def _apply(spec: dict, one: dict, changes: dict) -> None:
    allowed = {"presentation": scenes.PRESENTATIONS, "hair": attributes.HAIRS, "headgear": attributes.HEADGEAR, "garment": scenes.GARMENTS,
               "background": scenes.BACKGROUNDS,
               "beard": ("none", "short", "curly", "long", "goatee"), "moustache": ("none", "thin", "full", "drooping"),
               "pendants": ("none", "drop", "ring", "plug")}  # fmt: skip
    for key, value in changes.items():
        if key not in allowed:
            raise ParameterError(f"Unknown wish {key!r}; expected one of {', '.join(allowed)}.{did_you_mean(key, allowed)}")
        if value not in allowed[key]:
            hint = did_you_mean(str(value), allowed[key])
            raise ParameterError(f"Received {key} {value!r}; expected one of {', '.join(allowed[key])}.{hint}")
        (spec if key == "background" else one)[key] = value


def _check_spec(spec: dict) -> None:
    missing = [key for key in ("collection", "index", "seed", "noise", "light", "background", "damage", "material", "figures",
                               "units_high") if key not in spec]
    if missing:
        raise ParameterError(f"The spec has no {', '.join(missing)}; take one from `collection` or `commission`.")
    materials.check_material(spec["material"]["name"])
    damage.check_damage(spec["damage"])
    for one in spec["figures"]:
        expression.check_units(one["units"])
        expression.soft_label(one["expression"])
        for place, angle in enumerate(one["pose"]):
            _within(angle, ("yaw", "pitch", "roll")[place], specs.FURTHEST_TURN)


def _camera(spec: dict, height: int, width: int) -> rendering.Camera:
    scale = height / spec["units_high"]
    x, y = spec.get("centre", [0.0, -0.3])
    return rendering.Camera(scale, width / 2 - x * scale, height / 2 + y * scale, spec.get("distance", 10.0), width, height)


def _turn(one: dict) -> np.ndarray:
    turn = rotation(*one["pose"])
    return np.diag([1, 1, FLAT]).astype(np.float32) @ turn if one["presentation"] == "relief" else turn


def _head(spec: dict, one: dict, number: int, units: dict | None = None, worn=()) -> tuple:
    """Return the head's grid before it is turned, landmarks, jaw rows, lost landmarks and what it wears, damaged with it."""
    values = expression.check_units(one["units"]) if units is None else units
    covered = one["headgear"] in attributes.COVERING
    grow = attributes.wear(one["hair"], one["beard"], one["moustache"], one.get("hair_amount", 1.0), one["strands"],
                           one.get("recede", 0.0), covered)
    grid, marks, jaw = form.head(one["shape"], values, grow)
    lost = np.zeros(68, bool)
    if spec["damage"]:
        grid, lost, worn = damage.suffered(grid, marks, spec["damage"], specs.generator_of(spec["seed"], one["identity"], number,
                                                                                           "damage"), worn)
    if one["presentation"] == "mask":
        grid = _front_only(grid)
    return grid, marks, jaw, lost, list(worn)


def _front_only(grid: Grid) -> Grid:
    keep = np.abs(grid.texture[0, :, 0]) < 1.15 * np.radians(97)
    return grid._replace(points=grid.points[:, keep], texture=grid.texture[:, keep], paints={name: paint[:, keep] for name,
                                                                                             paint in grid.paints.items()})


def _figure_grids(spec: dict, one: dict, number: int):
    """Return (grids placed before the camera, landmarks placed, lost landmarks, the camera's projection is applied later)."""
    generator = specs.generator_of(spec["seed"], one["identity"], number, "attributes")
    worn = attributes.headgear(one["headgear"], one["shape"], generator)
    if one["presentation"] not in ("mask",) and one["shape"].get("face") != "idol":
        worn += form.ears(one["shape"])
        if one["pendants"] != "none":
            worn += attributes.pendants(one["pendants"], one["shape"])
    grid, marks, jaw, lost, worn = _head(spec, one, number, worn=worn)
    turn, shift, scale = _turn(one), np.asarray(one["place"], np.float32), one["scale"]
    heads = scenes.placed([grid, *worn], turn, shift, scale)
    body_turn = scenes.body_turn(*one["pose"])
    if one["presentation"] == "standing" and one.get("posture"):
        below = scenes.standing(one["shape"], one["garment"], one["posture"])
    elif one["presentation"] == "relief":
        body_turn = np.diag([1, 1, 0.30]).astype(np.float32) @ body_turn
        below = [form.neck(one["shape"]), scenes.dressed(form.shoulders(cut=-5.5), one["garment"])]
    else:
        below = scenes.torso(one["presentation"], one["garment"], one["shape"], generator)
    return heads + scenes.placed(below, body_turn, shift, scale), (marks, jaw, turn, shift, scale, lost)


def _scene(spec: dict, camera: rendering.Camera):
    """Return all grids, the index of each figure's head among them, and each figure's placed landmarks and lost ones."""
    grids, heads, placed = [], [], []
    for number, one in enumerate(spec["figures"]):
        more, (marks, jaw, turn, shift, scale, lost) = _figure_grids(spec, one, number)
        heads.append(len(grids))
        grids += more
        marks = form.slide_jaw(marks, jaw, turn, lambda line, s=scale, t=shift: camera.project(line * s + t))
        placed.append((marks * scale + shift, lost))
    if any(one["presentation"] == "relief" for one in spec["figures"]):
        ground = attributes.sheet_behind(-0.22, scenes.slab_relief(specs.generator_of(spec["seed"], spec["collection"], "ground",
                                                                                      spec["noise"])))
        grids.append(moved(ground, None, (0, 0, 0), max(1.0, spec["units_high"] / 6)))
    if not spec["figures"]:
        grids += scenes.objects(spec.get("object") or "vase", specs.generator_of(spec["noise"], "object"))
    return grids, heads, placed


def _make(spec: dict, height: int, width: int) -> tuple[np.ndarray, dict]:
    camera = _camera(spec, height, width)
    grids, _, placed = _scene(spec, camera)
    fine = camera.times(rendering.SUPERSAMPLE)
    buffers = rendering.raster(grids, fine)
    light = rendering.Light(**spec["light"])
    linear = _lit(spec, buffers, light, fine)
    linear = cv2.resize(linear, (width, height), interpolation=cv2.INTER_AREA)
    shown = _printed(spec, rendering.develop(linear, spec.get("exposure", 1.0)))
    faces = []
    for one, (marks, lost) in zip(spec["figures"], placed, strict=True):
        seen = _visible(marks, lost, buffers, fine)
        faces.append(truth.face_truth(one, camera.project(marks), seen, height, width))
    manner = traditions.manner(spec["collection"])
    return shown, truth.picture_truth(spec, traditions.title(spec["collection"]), manner["culture"], manner["date"], faces)


def _lit(spec: dict, buffers, light, fine) -> np.ndarray:
    generator = specs.generator_of(spec["noise"], "background")
    height, width = buffers.cover.shape
    behind = scenes.background(spec["background"], height // 2, width // 2, generator, light)
    behind = cv2.resize(behind, (width, height), interpolation=cv2.INTER_LINEAR)
    if not buffers.cover.any():
        return behind
    ao, cavity = rendering.occlusion(buffers, fine.scale)
    surface = materials.surface(spec["material"], buffers, ao, cavity)
    lit = rendering.shade(buffers, surface, light, fine.scale, ao)
    return np.where(buffers.cover[..., None], lit, behind)


def _printed(spec: dict, shown: np.ndarray) -> np.ndarray:
    """Return uint8 RGB: photographs get a little grain, portraits become paint on a panel."""
    generator = specs.generator_of(spec["noise"], "film")
    if spec["material"]["name"] == "paint":
        shown = _painted(shown, generator)
    grain = generator.standard_normal(shown.shape[:2]).astype(np.float32)
    shown = shown + 0.007 * cv2.GaussianBlur(grain, (0, 0), 0.7)[..., None]
    return (np.clip(shown, 0, 1) * 255 + 0.5).astype(np.uint8)


def _painted(shown: np.ndarray, generator) -> np.ndarray:
    """Return a picture as if painted: strokes, a palette of few pigments, the weave or boards of the panel, old varnish."""
    from lib.collections.atelier.geometry import sample, tile

    height, width = shown.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    size = max(height, width) / 160
    wide = generator.uniform(0.3, 0.8) * size
    soft = cv2.bilateralFilter(shown.astype(np.float32), 0, 0.10, 1.6 * size)
    du, dv = (sample(tile(k, 1.1), x / width, y / height, 330, generator.integers(0, 512, 2)) for k in (3, 4))
    strokes = cv2.remap(soft, x + wide * du, y + wide * dv, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    grey = strokes.mean(axis=2, keepdims=True)
    strokes = grey + (strokes - grey) * generator.uniform(0.75, 1.25)
    bristle = sample(tile(5, 0.8, 512, 12.0), x / width, y / height, 300, generator.integers(0, 512, 2))
    weave = np.sin(x * 2.1 / size) * np.sin(y * 2.1 / size)
    strokes = strokes * (1 + 0.035 * bristle + 0.02 * weave)[..., None]
    varnish = np.array([(1.03, 0.97, 0.84), (1.0, 1.0, 0.98), (1.02, 0.95, 0.80)][int(generator.integers(3))], np.float32)
    edge = np.clip(np.minimum.reduce([x, y, width - 1 - x, height - 1 - y]) / (0.06 * width), 0, 1)[..., None]
    return strokes * varnish * (0.82 + 0.18 * edge)


def _visible(marks: np.ndarray, lost: np.ndarray, buffers, fine) -> np.ndarray:
    """Return which landmarks can be seen: inside the picture, before or on the seen surface, not broken off."""
    places = fine.project(marks)
    height, width = buffers.depth.shape
    column, row = (np.floor(places[:, axis]).astype(int) for axis in (0, 1))
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    nearest = cv2.erode(np.where(buffers.cover, buffers.depth, -99).astype(np.float32), np.ones((5, 5)))
    seen = nearest[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return inside & (marks[:, 2] >= seen - TOLERANCE) & ~lost


def _evidence(spec: dict, size: tuple[int, int]) -> dict[int, np.ndarray]:
    height, width = size
    camera = _camera(spec, height, width)
    grids, heads, _ = _scene(spec, camera)
    fine = camera.times(rendering.SUPERSAMPLE)
    buffers = rendering.raster(grids, fine)
    maps = {unit: np.zeros(size, np.float32) for unit in expression.UNITS}
    for number, (one, place) in enumerate(zip(spec["figures"], heads, strict=True)):
        units = expression.check_units(one["units"])
        mine = buffers.grid == place
        whole = _head(spec, one, number)[0]
        for unit, value in units.items():
            if value > 0 and mine.any():
                without = _head(spec, one, number, {**units, unit: 0.0})[0]
                apart = np.linalg.norm(whole.points - without.points, axis=2).astype(np.float32) * one["scale"]
                apart[(apart < MOVED) | (whole.paints["hair"] > 0.5)] = 0
                seen = cv2.remap(apart, buffers.column, buffers.row, cv2.INTER_NEAREST) * mine
                maps[unit] = np.maximum(maps[unit], cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA))
    return maps


# ---- writing


def _claim(folder: Path, recipe: dict) -> None:
    note = folder / "atelier.json"
    if note.exists():
        found = json.loads(note.read_text())
        if found != recipe:
            changed = [key for key in recipe if found.get(key) != recipe[key]]
            raise ParameterError(
                f"The folder {folder.name!r} holds another build ({', '.join(changed)} differ); expected {recipe}. "
                "Give another folder or remove it."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise ParameterError(f"The folder {folder.name!r} holds other files; expected an empty or new folder. Give another one.")
    write_atomically(note, json.dumps(recipe, indent=2) + "\n")


def _write(item: list, settings: dict) -> dict[str, str]:
    """Make one picture, write it, and return its row of metadata."""
    file, spec = item
    path = Path(settings["folder"]) / file
    piece = sculpt(spec, tuple(settings["size"]))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encoded(piece.picture, path.suffix[1:]))
    return truth.metadata_row(file, piece.truth)
