"""Training: the terracotta study's three sets of warriors: stand-ins that the atelier carves, with published counts, or a user's folder.

Tian et al., section 3.1: TW58 (58 pictures), 85 pictures in five postures, 43 of the Han dynasty. None of them is published. The atelier's
are synthetic: what each face shows was planted, as a mixture of expressions (the soft label).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.collections import atelier
from lib.collections.atelier import expression as muscles
from lib.collections.atelier import specs
from lib.collections.corpora import find_column, meant_files, read_strictly, why_not_meant
from lib.collections.folder import existing_folder, list_folder
from lib.compendium.errors import CollectionError, ParameterError, did_you_mean
from lib.compendium.kept import kept
from lib.expressions import EXPRESSIONS, canonical, circumplex
from lib.training import corpus, faces
from lib.training.faces import PICTURE_SIDE, TrainingFaces


class Posture(NamedTuple):
    """Pictures of a posture in the study, and how the atelier dresses it: body, headgear, garment."""

    pictures: int
    body: str
    headgear: str
    garment: str


# Names and counts: section 3.1. How the atelier dresses them is ours; it has no horseman and no official: a charioteer and a robe stand in.
POSTURES = {
    "kneeling soldiers": Posture(18, "kneeling archer", "tilted knot", "armour"),
    "Generals": Posture(25, "general", "cap", "armour"),
    "vertical soldiers": Posture(17, "standing infantry", "topknot", "tunic"),
    "cavalries": Posture(6, "charioteer", "flat cap", "armour"),
    "civil servants": Posture(19, "standing archer", "flat cap", "robe"),
}
SETS = {"tw58": 58, "postures": sum(posture.pictures for posture in POSTURES.values()), "han": 43}
HAN = {"material": "grey clay", "garment": "robe"}  # how the atelier tells the Han dynasty's from the Qin's; ours
COLUMNS = ("face_id", "set", "file", *faces.COLUMNS, "posture", *EXPRESSIONS)
RENDERED = "rendered"
SHARD = 12  # pictures a job makes
LABELS = "labels.csv"
SPELLINGS = {"file": ("file", "filename", "image", "picture"), "subject": ("subject", "source", "warrior", "identity"),
             "posture": ("posture",), "expression": ("expression", "emotion", "label")}  # fmt: skip
SOURCES = (*faces.SOURCES, "lib.training.warriors")


# ---- the atelier's


def atelier_warriors(which: str = "tw58", side: int = 112, seed: int = 0, count: int | None = None) -> TrainingFaces:
    """Return one of the study's SETS as the atelier carves it, every picture another warrior, made once and kept on this machine.

    which: "tw58" (general), "postures" (in the order of POSTURES) or "han". side: pixels of a crop, cut as at test time. count: pictures
    to make, at most the published number (default). The table has COLUMNS: `expression` is the largest share of the planted mixture,
    whose shares are in the seven EXPRESSIONS (summing to 1); `posture` "" but in "postures". Raises ParameterError.
    """
    if which not in SETS:
        raise ParameterError(f"Received the set {which!r}, expected one of {', '.join(SETS)}.{did_you_mean(str(which), SETS)}")
    count = specs.check_count(SETS[which] if count is None else count, "count of warriors", 1, SETS[which])
    specs.check_count(seed, "seed", 0, 2**31 - 1), specs.check_count(side, "side", 8, 1024)
    settings = {"which": which, "side": side, "seed": seed, "count": count}
    return _opened(kept("warriors", settings, SOURCES, lambda making: _make(making, settings)))


def rendered_warriors(sources: int = 58, steps: int = 3, side: int = 112, seed: int = 0) -> TrainingFaces:
    """Return what a perfect generator would make of the first `sources` warriors of "tw58": the seven expressions of each in `steps` steps.

    The photograph stays as it is (light, pose, background, grain); only the face moves, a step nearer each time, from the Action Units it
    shows to those of the expression (section 3.3: the columns of Figure 7). Rows are in order: source, expression, step. `subject` is the
    source, `face_id` the picture, `intensity` how far the face has moved, 1 / steps to 1. Steps of neutral from a neutral warrior are equal
    pictures, as they would be a generator's. Not in the paper: rendering is what its GAN stands for where real warriors cannot be carved.
    """
    specs.check_count(sources, "count of sources", 1, SETS["tw58"]), specs.check_count(steps, "count of steps", 1, 100)
    specs.check_count(seed, "seed", 0, 2**31 - 1), specs.check_count(side, "side", 8, 1024)
    settings = {"which": RENDERED, "side": side, "seed": seed, "steps": steps, "count": sources * len(EXPRESSIONS) * steps}
    return _opened(kept("warriors", settings, SOURCES, lambda making: _make(making, settings)))


def _opened(folder: Path) -> TrainingFaces:
    table = pd.read_parquet(folder / "table.parquet")
    return TrainingFaces(np.load(folder / "crops.npy", mmap_mode="r"), np.load(folder / "landmarks.npy"), table)


def _make(folder: Path, settings: dict) -> dict:
    batches = [[settings, start, min(start + SHARD, settings["count"])] for start in range(0, settings["count"], SHARD)]
    return faces.made_in_batches(folder, warriors_job, batches, COLUMNS, "warriors")


def warriors_job(item: list, settings) -> list[list]:
    """Carve and cut the warriors of one batch, in a worker process: arrays go to a file, the rows of the table are returned."""
    folder, wanted, start, stop = item
    return faces.written(folder, start, [_carved(wanted, index) for index in range(start, stop)])


def specification(which: str, seed: int, index: int) -> dict:
    """Return the spec of one warrior of a set, for `atelier.sculpt`."""
    number = int(specs.generator_of(seed, "warriors", which, index).integers(2**31))
    wishes, name = {"presentation": "bust"}, ""
    if which == "postures":
        name = posture_of(index)
        wishes |= {"headgear": POSTURES[name].headgear, "garment": POSTURES[name].garment}
    spec = atelier.commission(number, "warriors", **wishes | (HAN if which == "han" else {}))
    spec["figures"][0] |= {"identity": f"{which}-{seed}-{index:03d}", "posture": POSTURES[name].body if name else ""}
    return spec


def moved(seed: int, index: int, steps: int) -> dict:
    """Return the spec of one picture of `rendered_warriors` by its number."""
    source, name, step = np.unravel_index(index, (SETS["tw58"], len(EXPRESSIONS), steps))
    spec, name, share = specification("tw58", seed, int(source)), EXPRESSIONS[name], float(step + 1) / steps
    one = spec["figures"][0]
    aim = muscles.prototype(name, 1.0, specs.generator_of(seed, RENDERED, int(source), name))
    units = {str(unit): round((1 - share) * one["units"][str(unit)] + share * aim[unit], 3) for unit in muscles.UNITS}
    one |= {"expression": {name: 1.0}, "intensity": round(share, 3), "units": units}
    return spec


def posture_of(index: int) -> str:
    """Return the posture of a picture of the set "postures" by its number, 0 to 84."""
    ends = np.cumsum([posture.pictures for posture in POSTURES.values()])
    return list(POSTURES)[int(np.searchsorted(ends, index, side="right"))]


def _carved(settings: dict, index: int) -> tuple[np.ndarray, np.ndarray, list]:
    """Return crop, landmarks and row of the table of one warrior, found and aligned as the detection notebook does it."""
    from lib.faces import transforms
    from lib.faces.align import align
    from lib.faces.landmarks import landmarks

    which = settings["which"]
    spec = moved(settings["seed"], index, settings["steps"]) if which == RENDERED else specification(which, settings["seed"], index)
    piece = atelier.sculpt(spec, PICTURE_SIDE)
    face = piece.truth["faces"][0]
    found = landmarks(piece.picture, face["box"], "hand")
    crop, transform, _ = align(piece.picture, face["box"], settings["side"], found)
    soft, strength = face["soft_label"], face["intensity"]
    units = [face["action_units"][unit] for unit in muscles.UNITS]
    face_id = f"{face['identity']}-{face['expression']}-{index:05d}" if which == RENDERED else face["identity"]
    row = [face_id, which, "", face["identity"], face["expression"], strength, *units, *circumplex(soft, strength), -1, 0,
           posture_of(index) if which == "postures" else "", *(soft[name] for name in EXPRESSIONS)]  # fmt: skip
    return crop, transforms.map_points(found, transform).astype(np.float32), row


# ---- a user's


def folder_warriors(folder: Path | str, side: int = 112, name: str = "folder") -> TrainingFaces:
    """Return the warriors in a folder of the user's pictures, the largest face of each, found, cut, aligned and kept.

    A `labels.csv` in the folder may say of each file (column file) its subject (which warrior: pictures of one are never on two sides),
    posture and expression; without a subject, a picture is its own. Without it, the folder a picture lies in is its posture. Expressions
    may be missing: annotators give them (`terracotta.people`). Pictures without a face or that cannot be read are left out and counted in
    the kept record. `face_id` is the file. name: of the column `set`. Raises CollectionError.
    """
    table = _listed(existing_folder(folder))
    settings = {"side": side, "name": name, "of": corpus.contents(table)}
    sources = (*corpus.SOURCES, "lib.training.warriors")
    return _opened(kept("warriors", settings, sources, lambda making: _cut(making, table, settings)))


def _listed(folder: Path) -> pd.DataFrame:
    """Return path, file, subject, posture and expression of a folder's pictures ("" where unknown)."""
    listing = list_folder(folder)
    if not listing.pictures:
        raise CollectionError(f"{folder.name!r} holds no pictures, expected photographs of warriors: give another folder.")
    labels = next((file for file in listing.metadata if file.lower() == LABELS), None)
    rows = _labelled(folder / labels, listing.pictures) if labels else [
        (file, file, Path(file).parent.name, "") for file in listing.pictures]  # fmt: skip
    table = pd.DataFrame(rows, columns=["file", "subject", "posture", "expression"])
    table.insert(0, "path", [str(folder / file) for file in table["file"]])
    return table


def _labelled(path: Path, pictures: list[str]) -> list[tuple]:
    said = read_strictly(path)
    columns = {name: find_column(said.columns, spellings) for name, spellings in SPELLINGS.items()}
    if columns["file"] is None:
        raise CollectionError(f"{path.name!r} has the columns {', '.join(map(repr, said.columns[:6]))}, expected file, and if known "
                              "subject, posture, expression: rename them.")  # fmt: skip
    meant, rows = meant_files(said[columns["file"]], pictures), []
    for number, row in enumerate(said.to_dict("records"), 2):
        file = meant.get(row[columns["file"]])
        if file is None:
            raise CollectionError(f"{path.name!r}, row {number}: {why_not_meant(row[columns['file']], pictures)} Correct the row.")
        subject, posture, shown = (row[columns[name]].strip() if columns[name] else "" for name in ("subject", "posture", "expression"))
        rows.append((file, subject or file, posture, _expression(shown, f"{path.name!r}, row {number}")))
    twice = pd.Series([file for file, *_ in rows])
    if twice.duplicated().any():
        raise CollectionError(f"{path.name!r} names {twice[twice.duplicated()].iloc[0]!r} twice, expected each picture once: drop a row.")
    return rows


def _expression(text: str, where: str) -> str:
    try:
        name = canonical(text) if text else ""
    except ParameterError as error:
        raise CollectionError(f"{where}: {error} Correct the cell.") from None
    if name and name not in EXPRESSIONS:
        raise CollectionError(f"{where}: received the expression {text!r}, expected one of {', '.join(EXPRESSIONS)}, or nothing.")
    return name


def _cut(folder: Path, table: pd.DataFrame, settings: dict) -> dict:
    with corpus.cut(folder, list(table["path"]), settings["side"], "pictures of warriors") as made:
        np.save(folder / "crops.npy", made.crops)
        np.save(folder / "landmarks.npy", made.landmarks)
        _table(table[made.found].reset_index(drop=True), settings["name"]).to_parquet(folder / "table.parquet", index=False)
    left = {row.file: made.reasons[row.path] for row in table[~made.found].itertuples()}
    return {"faces": len(made.crops), "synthetic": False, "left out": left}


def _table(known: pd.DataFrame, name: str) -> pd.DataFrame:
    shares = {one: np.where(known["expression"] == "", np.nan, known["expression"] == one) for one in EXPRESSIONS}
    made = known.assign(face_id=known["file"], set=name, sequence=-1, frame=0, **shares).reindex(columns=COLUMNS)
    numbers = [one for one in COLUMNS if one not in ("face_id", "set", "file", "subject", "expression", "posture", "sequence", "frame")]
    return made.astype(dict.fromkeys(numbers, float))
