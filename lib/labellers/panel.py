"""Labellers: asks a panel of labellers about every face, remembers their answers, and goes on without one that cannot run.

Answers are remembered under data/labels/ by labeller, weights and face (its id and the bytes of its crop), whatever collection or run
asks: labelling again after a change costs only what changed.
"""

import hashlib
import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.compendium import places
from lib.compendium.compute import run_all
from lib.compendium.errors import CompendiumError, ParameterError
from lib.expressions import EXPRESSIONS
from lib.faces.crops import LANDMARKS, open_crops
from lib.labellers.tables import tidy

FOLDER = places.DATA / "labels"
BATCH = 128  # faces a job labels: large enough to be worth loading a network, small enough to show progress


class Member(NamedTuple):
    """A labeller that is ready: its name, the function that labels crops ("module:function"), its settings and a digest of its weights."""

    name: str
    function: str
    settings: dict
    digest: str


class Answers(NamedTuple):
    """Everything a panel said: long tables (see `tables`), one row a labeller of how it went, and what they had to remark on.

    notes: labeller, note. From the list `notes` in the `attrs` of answers given at once.
    """

    labels: pd.DataFrame
    action_units: pd.DataFrame
    affect: pd.DataFrame
    gender: pd.DataFrame
    reasons: pd.DataFrame
    panel: pd.DataFrame
    notes: pd.DataFrame


def ask(faces: pd.DataFrame, crops_folder: Path, members: dict[str, Callable[[], "Member | pd.DataFrame"]],
        journal: Callable[[str, dict], Path] | None = None) -> Answers:  # fmt: skip
    """Return what every labeller says of every face.

    `faces`: the table of the detection notebook; `crops_folder`: where its `crops.npy` and `landmarks.npy` are; `members`: for each
    labeller's name a function that makes it ready (trains it, fetches its weights) and returns a Member, or its answers at once (one row
    a face) where it does not work on crops; `journal(step, settings)`: where finished batches are kept. A labeller whose function
    raises a CompendiumError is left out with that reason, and the others go on. A face without a crop has no answer.
    """
    prints = _prints(faces, crops_folder)
    parts, rows, notes = [], [], []
    for name, ready in members.items():
        started = time.perf_counter()
        try:
            found = ready()
            answers = _labelled(faces, prints, Path(crops_folder), found, journal) if isinstance(found, Member) else found
        except CompendiumError as error:
            rows.append({"labeller": name, "status": "left out", "faces": len(faces), "answered": 0, "seconds": 0.0, "note": str(error)})
            continue
        notes += [(name, note) for note in answers.attrs.get("notes", ())]
        parts.append(tidy(faces["face_id"], name, answers))
        answered = int(answers[list(EXPRESSIONS)].notna().all(axis=1).sum())
        rows.append({"labeller": name, "status": "ran", "faces": len(faces), "answered": answered,
                     "seconds": round(time.perf_counter() - started, 1), "note": _commonest(answers["reason"])})  # fmt: skip
    if not parts:
        said = "; ".join(f"{row['labeller']}: {row['note']}" for row in rows)
        raise CompendiumError(f"None of the labellers {', '.join(members)} could run ({said}). Follow what one of them says.")
    tables = [pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True)]
    return Answers(*tables, pd.DataFrame(rows), pd.DataFrame(notes, columns=["labeller", "note"]))


def label_job(item: list, settings: dict) -> dict:
    """Label one batch of crops, in a worker process: returns the answers column by column."""
    module, name = settings["function"].split(":")
    folder, rows = Path(item[0]), item[1]
    crops = np.stack([open_crops(folder)[row] for row in rows])
    landmarks = np.load(folder / LANDMARKS, mmap_mode="r", allow_pickle=False)[rows]
    answers = getattr(importlib.import_module(module), name)(crops, np.asarray(landmarks), settings["settings"])
    return answers.to_dict("list")


def _labelled(faces: pd.DataFrame, prints: list, folder: Path, member: Member, journal) -> pd.DataFrame:
    """Return the answers for all faces in their order: remembered ones, and new ones labelled in batches."""
    place = FOLDER / f"{member.name}-{member.digest}.parquet"
    known = pd.read_parquet(place).set_index("print") if place.exists() else pd.DataFrame()
    missing = [number for number, key in enumerate(prints) if key and key not in known.index]
    if missing:
        made, failed = _in_batches(faces, prints, missing, folder, member, journal)
        known = pd.concat([known, made])
        if len(made):
            places.write_atomically(place, known.reset_index(names="print").to_parquet(index=False))
        known = pd.concat([known, failed])
    answers = known.reindex([key or "" for key in prints]).reset_index(drop=True)
    for name in (*EXPRESSIONS, "reason"):
        if name not in answers:
            answers[name] = np.nan
    answers["reason"] = answers["reason"].astype(object).fillna("the picture of this face cannot be read: there is no crop")
    return answers


def _in_batches(faces, prints, missing: list, folder: Path, member: Member, journal) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (answers, answers of failed batches) indexed by print."""
    settings = {"function": member.function, "settings": member.settings, "digest": member.digest}
    rows = faces["crop_index"].astype(int).tolist()
    batches = {prints[batch[0]]: batch for batch in (missing[start : start + BATCH] for start in range(0, len(missing), BATCH))}
    items = {key: [str(folder.resolve()), [rows[number] for number in batch]] for key, batch in batches.items()}
    path = journal(f"label-{member.name}", {**settings, "faces": sorted(filter(None, prints))}) if journal else None
    done = run_all(label_job, items, settings=settings, journal=path, what=f"batches of faces for {member.name}")
    made, failed = [pd.DataFrame()], [pd.DataFrame()]
    for key, outcome in done.items():
        index = [prints[number] for number in batches[key]]
        if outcome.error:
            failed.append(pd.DataFrame({"reason": outcome.error}, index=index))
        else:
            made.append(pd.DataFrame(outcome.value, index=index))
    return pd.concat(made), pd.concat(failed)


def _prints(faces: pd.DataFrame, folder: Path) -> list[str | None]:
    """Return for each face a digest of its id and its crop's bytes, or None where it has no crop."""
    if "crop_index" not in faces:
        raise ParameterError("The table of faces has no column 'crop_index'; expected the table that `write_crops` returns.")
    crops = open_crops(folder)
    landmarks = np.load(Path(folder) / LANDMARKS, mmap_mode="r", allow_pickle=False)
    return [
        hashlib.sha256(row.face_id.encode() + crops[row.crop_index].tobytes() + landmarks[row.crop_index].tobytes()).hexdigest()[:24]
        if row.crop_index >= 0 else None
        for row in faces[["face_id", "crop_index"]].itertuples()
    ]  # fmt: skip


def _commonest(reasons: pd.Series) -> str:
    """Return why most unanswered faces have no answer, with their number."""
    given = reasons[reasons.astype(str) != ""]
    if given.empty:
        return ""
    counts = given.value_counts()
    return f"{counts.iloc[0]} × {counts.index[0]}" + (f" (and {len(given) - counts.iloc[0]} other)" if len(counts) > 1 else "")


def digest_of(**parts) -> str:
    """Return ten hexadecimal digits of JSON-able parts: what decides a labeller's answers."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:10]
