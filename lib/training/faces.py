"""Training: faces to learn from, cut and aligned as at test time, with whatever is known about each.

The atelier's faces carry every label: expression, sixteen Action Units, valence and arousal. A user's corpus may carry some of them;
what is unknown is "" or NaN, and whoever learns from the faces leaves it out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib.collections import atelier
from lib.collections.atelier import expression as muscles
from lib.collections.atelier import specs
from lib.compendium.compute import run_all
from lib.compendium.errors import CompendiumError, ParameterError
from lib.compendium.kept import kept
from lib.expressions import EXPRESSIONS, circumplex

UNIT_COLUMNS = tuple(f"AU{unit:02d}" for unit in muscles.UNITS)
COLUMNS = ("subject", "expression", "intensity", *UNIT_COLUMNS, "valence", "arousal", "sequence", "frame")
PICTURE_SIDE = 176  # pixels of the picture a face is cut from: eyes about 36 pixels apart, as in a crop of 100
POSES = 7  # faces a subject sits for
FREE = 0.3  # share of faces whose Action Units are drawn one by one, without an expression: units that always come together
FREE_UNIT = 0.22  # in expressions cannot be told apart otherwise; chance of each unit in such a face
STONES = ("skin", "marble", "limestone", "granite", "bronze", "terracotta", "wood", "clay")  # what "mixed" chooses from
SHARD = 48  # faces a job makes
SOURCES = ("lib.collections.atelier", "lib.faces.align", "lib.faces.landmarks", "lib.faces.transforms", "lib.training.faces",
           "lib.expressions")  # fmt: skip


@dataclass(frozen=True)
class TrainingFaces:
    """Crops uint8 (n, side, side, 3) RGB, landmarks float32 (n, 68, 2) in crop pixels (NaN: none), and a table of n rows (COLUMNS).

    `subject` keeps the pictures of a person together; expression "" and numbers NaN are unknown; Action Units 0 to 5; `intensity` 0 to
    1; `valence`, `arousal` -1 to 1; `sequence`, `frame`: which sequence a frame belongs to (-1: none) and its place there.
    """

    crops: np.ndarray
    landmarks: np.ndarray
    table: pd.DataFrame

    def __post_init__(self):
        counts = len(self.crops), len(self.landmarks), len(self.table)
        if len(set(counts)) != 1:
            raise ParameterError(f"Received {counts[0]} crops, {counts[1]} sets of landmarks and {counts[2]} rows; expected as many each.")

    def __len__(self) -> int:
        return len(self.crops)

    def part(self, rows) -> "TrainingFaces":
        """Return the faces at row numbers, or where a mask is true."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return TrainingFaces(self.crops[rows], self.landmarks[rows], self.table.iloc[rows].reset_index(drop=True))


def atelier_faces(count: int, seed: int, side: int = 112, material: str = "skin", prototypes: bool = False) -> TrainingFaces:
    """Return faces of the atelier's `humans` (or the same heads in another material), made once and kept on this machine.

    `count`: faces; `seed`: another seed, other people, so learning and testing on different seeds shares nobody; `side`: pixels of a
    crop; `material`: of `lib.collections.atelier.materials`, or "mixed" for skin and seven kinds of stone, metal and wood. Seven in ten
    show an expression at .35 to 1 of its strength, three in ten any Action Units (expression unknown). `prototypes`: for testing, only
    expressions at full strength, heads turned by at most 12°.
    """
    specs.check_count(count, "count of faces", 1), specs.check_count(seed, "seed", 0, 2**31 - 1)
    settings = {"count": count, "seed": seed, "side": side, "material": material, "kind": "prototypes" if prototypes else "faces"}
    return _kept(settings, [[settings, start, min(start + SHARD, count)] for start in range(0, count, SHARD)])


def atelier_sequences(count: int, frames: int, seed: int, side: int = 112) -> TrainingFaces:
    """Return `count` sequences of one head each, `frames` pictures from rest to the full strength of an expression.

    Rows are in order: frame k of sequence s is row s · frames + k. Valence, arousal and units rise with it; so does `intensity`.
    """
    specs.check_count(count, "count of sequences", 1), specs.check_count(frames, "count of frames", 1, 1000)
    settings = {"count": count, "frames": frames, "seed": seed, "side": side, "material": "skin", "kind": "sequences"}
    step = max(1, SHARD // frames) * frames
    return _kept(settings, [[settings, start, min(start + step, count * frames)] for start in range(0, count * frames, step)])


def _kept(settings: dict, shards: list) -> TrainingFaces:
    making = lambda folder: made_in_batches(folder, make_job, shards, COLUMNS, "faces to learn from")  # noqa: E731
    folder = kept("faces", settings, SOURCES, making)
    table = pd.read_parquet(folder / "table.parquet")
    return TrainingFaces(np.load(folder / "crops.npy", mmap_mode="r"), np.load(folder / "landmarks.npy"), table)


def made_in_batches(folder: Path, job: Callable, batches: list, columns: Sequence[str], what: str) -> dict:
    """Make faces in worker processes and write crops.npy, landmarks.npy and table.parquet into a folder; returns its record.

    batches: [settings, start, stop], asked of `job` with the folder before them; it writes its arrays by `written` and returns their rows.
    columns: of the rows. what: for the progress line. A killed call goes on. Raises CompendiumError where a batch fails.
    """
    items = {f"{start:07d}": [str(folder), wanted, start, stop] for wanted, start, stop in batches}
    done = run_all(job, items, journal=folder / "shards.jsonl", what=what)
    if failed := [f"{key}: {outcome.error}" for key, outcome in done.items() if outcome.error]:
        raise CompendiumError(f"{len(failed)} batches of {what} could not be made ({failed[0]}). Run again to go on.")
    parts = [np.load(folder / f"{key}.npz", allow_pickle=False) for key in items]
    for name in ("crops", "landmarks"):
        np.save(folder / f"{name}.npy", np.concatenate([part[name] for part in parts]))
    rows = [row for outcome in done.values() for row in outcome.value]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "table.parquet", index=False)
    for key in items:
        (folder / f"{key}.npz").unlink()
    (folder / "shards.jsonl").unlink(missing_ok=True)
    return {"faces": len(rows), "synthetic": True}


def written(folder: str, start: int, made: list[tuple]) -> list[list]:
    """Write the crops and landmarks of a batch, (crop, landmarks, row) each, to its file and return its rows."""
    crops, landmarks, rows = zip(*made, strict=True)
    part = Path(folder) / f".{start:07d}.part.npz"
    np.savez(part, crops=np.stack(crops), landmarks=np.stack(landmarks))
    part.replace(Path(folder) / f"{start:07d}.npz")
    return list(rows)


def make_job(item: list, settings) -> list[list]:
    """Make the faces of one batch, in a worker process: arrays go to a file, the rows of the table are returned."""
    folder, wanted, start, stop = item
    makers = {"faces": _face, "prototypes": prototype, "sequences": _frame}
    return written(folder, start, [_cut(makers[wanted["kind"]](wanted, index), wanted["side"]) for index in range(start, stop)])


def _face(wanted: dict, index: int) -> tuple:
    """Return (piece, row) of one face to learn from."""
    seed, generator = _draw(wanted, index)
    subject, pose = divmod(index, POSES)
    name, intensity, units = "", np.nan, None
    if generator.random() < FREE:
        units = {unit: float(generator.uniform(0.6, 5)) if generator.random() < FREE_UNIT else 0.0 for unit in muscles.UNITS}
    else:
        name = EXPRESSIONS[(pose + subject) % len(EXPRESSIONS)]
        intensity = 0.0 if name == "neutral" else float(generator.uniform(0.35, 1.0))
    return _sat(wanted, seed, subject, name, intensity, units), name, intensity


def prototype(wanted: dict, index: int) -> tuple:
    """Return (piece, expression, strength) of a face of `atelier_faces(…, prototypes=True)` by its number: wanted: seed, material, kind."""
    seed, generator = _draw(wanted, index)
    subject, pose = divmod(index, len(EXPRESSIONS))
    turned = {"yaw": float(generator.uniform(-12, 12)), "pitch": float(generator.normal(0, 4))}
    return _sat(wanted, seed, subject, EXPRESSIONS[pose], 1.0, None, **turned), EXPRESSIONS[pose], 1.0


def _frame(wanted: dict, index: int) -> tuple:
    sequence, frame = divmod(index, wanted["frames"])
    seed, generator = _draw(wanted, sequence)
    name = EXPRESSIONS[sequence % len(EXPRESSIONS)]
    intensity = 0.0 if name == "neutral" else frame / max(wanted["frames"] - 1, 1)
    # The same hand throughout: one prototype, drawn once and scaled, so that nothing but the strength changes.
    units = {unit: value * intensity for unit, value in muscles.prototype(name, 1.0, generator).items()}
    return _sat(wanted, seed, sequence, name, intensity, units), name, intensity, sequence, frame


def _draw(wanted: dict, index: int) -> tuple[int, np.random.Generator]:
    generator = specs.generator_of(wanted["seed"], wanted["kind"], wanted["material"], index)
    return int(generator.integers(2**31)), generator


def _sat(wanted: dict, seed: int, subject: int, name: str, intensity: float, units: dict | None, **pose) -> atelier.Piece:
    who = int(specs.generator_of(wanted["seed"], "subject", wanted["kind"], subject).integers(2**31))
    pose["expression_of"], pose["intensity"] = name or None, 0.0 if np.isnan(intensity) else intensity
    spec = atelier.commission(seed, "humans", identity=who, units=units, damaged={}, presentation="bust", **pose)
    spec["figures"][0]["identity"] = f"{wanted['kind']}-{wanted['seed']}-{subject:05d}"
    material = wanted["material"]
    if material == "mixed":
        material = str(specs.generator_of(who, "material").choice(STONES))
    if material != "skin":
        spec["material"] = atelier.commission(seed, "british_museum", material=material)["material"]
    return atelier.sculpt(spec, PICTURE_SIDE)


def _cut(made: tuple, side: int) -> tuple[np.ndarray, np.ndarray, list]:
    """Return crop, landmarks and row of the table, found and aligned as the detection notebook does it."""
    from lib.faces import transforms
    from lib.faces.align import align
    from lib.faces.landmarks import landmarks

    piece, name, intensity, sequence, frame = (*made, -1, 0)[:5]
    face = piece.truth["faces"][0]
    found = landmarks(piece.picture, face["box"], "hand")
    crop, transform, _ = align(piece.picture, face["box"], side, found)
    units = [face["action_units"][unit] for unit in muscles.UNITS]
    # Where only the units are known, what the face feels is not: neither is how it would be placed on the circumplex.
    feeling = circumplex(name, intensity) if name else (np.nan, np.nan)
    return crop, transforms.map_points(found, transform), [face["identity"], name, intensity, *units, *feeling, sequence, frame]
