"""Labellers: what people say a face shows, from a plain CSV or from tags drawn with VoTT, as one labeller beside the others.

Each annotator of a face has one vote; who names several expressions divides it among them. A face's scores are the mean of its
annotators' votes, so that people weigh no more than any other labeller.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from lib.collections.corpora import find_column, meant_files, read_strictly, why_not_meant
from lib.collections.metadata import FILE_COLUMNS
from lib.collections.vott import CSV_COLUMNS, LABEL_SEPARATOR, read_vott
from lib.compendium.errors import CollectionError, ParameterError, did_you_mean
from lib.expressions import CONTEMPT, EXPRESSIONS, SYNONYMS, canonical
from lib.faces.evaluate import BOX, MINIMUM_OVERLAP, match, pairwise_overlap

NAME = "human"
TITLE = "Human annotation"
NEEDS = "A CSV with the columns file and expression, or a VoTT export whose tags are expressions: give its place in the parameters."

EXPRESSION_COLUMNS = ("expression", "expressions", "emotion", "emotions", "label", "labels")
ANNOTATOR_COLUMNS = ("annotator", "annotator_id", "rater", "coder")
MARK_COLUMNS = ["row", "face_id", "file", "annotator", "expressions", *BOX]
UNMATCHED_COLUMNS = ["row", "file", "reason"]
NO_LABEL = "no person labelled this face"
ONLY_CONTEMPT = f"people named only {CONTEMPT}, which is not one of the seven expressions"


def label_faces(faces: pd.DataFrame, path: Path | str, settings: dict | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return people's labels of the faces, one row a face of `faces` in its order, and what could not be used.

    `faces`: columns face_id, file, x, y, width, height (pixels of the original picture). `path`: see `read_marks`. `settings`:
    `minimum_overlap` (0 to 1, default 0.4), the intersection over union from which a person's box means a found face.
    A mark belongs to the face with its face_id; else to the face its box fits best, one to one within a picture and annotator; else
    to the picture's only face. The first table has the seven scores (0 to 1, summing to 1; NaN without any annotator),
    `annotators` (their number) and `reason` ("" where there is a label); the second has row (0: of the whole file), file and reason.
    Raises CollectionError where the file is not as expected or none of its pictures is known, ParameterError for a wrong setting.
    """
    minimum_overlap = _minimum_overlap(settings or {})
    missing = [name for name in ("face_id", "file", *BOX) if name not in faces]
    if missing:
        raise CollectionError(f"Received faces without {', '.join(missing)}, expected face_id, file, {', '.join(BOX)}: give the table of "
                              "faces.")
    marks, unused = read_marks(path)
    faces = faces.reset_index(drop=True)
    marks, lost = _with_files(marks, faces, Path(path).name)
    places, reasons = _places(marks, faces, minimum_overlap)
    found = np.array([place is not None for place in places], bool)
    lost += [(row, file, reason) for row, file, reason, good in zip(marks["row"], marks["file"], reasons, found, strict=True) if not good]
    unmatched = pd.DataFrame([*unused, *lost], columns=UNMATCHED_COLUMNS).sort_values("row", kind="stable", ignore_index=True)
    return _shares(marks[found], [place for place in places if place is not None], len(faces)), unmatched


def read_marks(path: Path | str) -> tuple[pd.DataFrame, list[tuple]]:
    """Return what people marked, and what of it is unused as a list of (row, file, reason).

    `path` is a CSV with the columns `file` or `face_id`, `expression` (several separated by ; or |), and optionally `annotator` and
    x, y, width, height (the face meant, in pixels of the original picture); or a VoTT export (CSV, JSON) or project. Without
    annotators all rows are one person's. Of VoTT's tags those that are expressions count; others are unused. Columns of the marks: row
    (of the CSV, its header being 1; of VoTT's boxes, from 1), face_id, file, annotator, expressions (a set), x, y, width, height (NaN
    without a box). Raises CollectionError naming the row for an unknown expression, half a box, or wrong columns.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise _no_file(path)
    if path.suffix.lower() in (".json", ".vott"):
        return _vott_marks(path)
    table = read_strictly(path)
    if set(CSV_COLUMNS) <= {column.strip().lower() for column in table}:
        return _vott_marks(path)
    return _csv_marks(table, path.name)


def _minimum_overlap(settings: dict) -> float:
    unknown = [name for name in settings if name != "minimum_overlap"]
    if unknown:
        raise ParameterError(f"Unknown setting {unknown[0]!r} of human labels; expected minimum_overlap."
                             f"{did_you_mean(str(unknown[0]), ['minimum_overlap'])}")
    value = settings.get("minimum_overlap", MINIMUM_OVERLAP)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ParameterError(f"Received minimum_overlap {value!r}, expected a number above 0 and at most 1: change the setting.")
    return float(value)


def _no_file(path: Path) -> CollectionError:
    if path.is_dir():
        there = sorted(entry.name for entry in path.iterdir() if entry.suffix.lower() in (".csv", ".json", ".vott"))[:5]
        return CollectionError(f"{path.name!r} is a folder. Expected a CSV of labels or a VoTT export: give the file itself"
                               f"{' (there: ' + ', '.join(there) + ')' if there else ''}.")
    near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return CollectionError(f"There is no file {path.name!r}. Expected a CSV of labels or a VoTT export: give its place."
                           f"{did_you_mean(path.name, near)}")


# VoTT


def _vott_marks(path: Path) -> tuple[pd.DataFrame, list[tuple]]:
    boxes = read_vott(path)
    rows, unused, others = [], [], Counter()
    for number, box in enumerate(boxes.to_dict("records"), start=1):
        expressions = set()
        for tag in filter(None, box["label"].split(LABEL_SEPARATOR)):
            name = _tag_expression(tag)
            if name is None:
                others[tag] += 1
            else:
                expressions.add(name)
        if expressions:
            rows.append((number, "", box["file"], "", expressions, *(box[name] for name in BOX)))
        else:
            unused.append((number, box["file"], "its box has no tag that is an expression"))
    known = (*EXPRESSIONS, *SYNONYMS)
    unused += [(0, "", f"tag {tag!r} is no expression (boxes with it: {count}).{did_you_mean(tag.lower(), known)}")
               for tag, count in others.items()]
    if not rows:
        seen = ", ".join(repr(tag) for tag in list(others)[:6]) or "none"
        raise CollectionError(f"{path.name!r} has {len(boxes)} boxes and none is tagged with an expression (tags: {seen}). Expected tags "
                              f"such as {', '.join(EXPRESSIONS)}: tag the faces in VoTT and export again.")
    return pd.DataFrame(rows, columns=MARK_COLUMNS), unused


def _tag_expression(tag: str) -> str | None:
    """Return one of the seven, contempt, or None: VoTT's tags may say anything (face, marble, profile)."""
    try:
        return canonical(tag)
    except ParameterError:
        return None


# The plain CSV


def _csv_marks(table: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[tuple]]:
    columns = _columns(table, source)
    if table.empty:
        raise CollectionError(f"{source!r} has no rows below its header. Expected a row for each label: fill it, or give another file.")
    cells = {name: [cell.strip() for cell in table[column]] for name, column in columns.items()}
    blank = [""] * len(table)
    rows, unused = [], []
    for index in range(len(table)):
        row, where = index + 2, f"{source!r}, row {index + 2}"
        face_id, file, annotator = (cells.get(name, blank)[index] for name in ("face_id", "file", "annotator"))
        if not face_id and not file:
            raise CollectionError(f"{where}: received neither a file nor a face_id, expected one of them: fill the cell.")
        expressions = _expressions(cells["expression"][index], where)
        box = _box([cells[name][index] for name in BOX] if "x" in cells else [""] * 4, where)
        if expressions:
            rows.append((row, face_id, file, annotator.casefold(), expressions, *box))
        else:
            unused.append((row, file or face_id, "no expression is given"))
    return pd.DataFrame(rows, columns=MARK_COLUMNS), unused


def _columns(table: pd.DataFrame, source: str) -> dict[str, str]:
    """Return {our name: column}; width and height alone are a picture's size, not a box."""
    wanted = {"face_id": ("face_id",), "file": FILE_COLUMNS, "expression": EXPRESSION_COLUMNS, "annotator": ANNOTATOR_COLUMNS}
    found = {name: find_column(table.columns, spellings) for name, spellings in wanted.items()}
    if found["expression"] is None or (found["file"] is None and found["face_id"] is None):
        given = ", ".join(map(repr, table.columns[:8]))
        hint = "".join(did_you_mean(str(column).lower(), ["file", "face_id", "expression"]) for column in table.columns[:4])
        raise CollectionError(f"{source!r} has the columns {given}. Expected file (or face_id) and expression, and if wanted annotator, "
                              f"x, y, width, height: rename them.{hint}")
    box = {name: find_column(table.columns, (name,)) for name in BOX}
    if box["x"] is not None or box["y"] is not None:
        missing = [name for name, column in box.items() if column is None]
        if missing:
            raise CollectionError(f"{source!r} has columns of a box without {', '.join(missing)}. Expected all four: add them.")
        found |= box
    return {name: column for name, column in found.items() if column is not None}


def _expressions(cell: str, where: str) -> set[str]:
    names = [name.strip() for name in re.split("[;|]", cell) if name.strip()]
    try:
        return {canonical(name) for name in names}
    except ParameterError as error:
        raise CollectionError(f"{where}: {error} Correct the cell (several expressions are separated by ; or |).") from None


def _box(cells: list[str], where: str) -> list[float]:
    if not any(cells):
        return [np.nan] * 4
    try:
        box = [float(cell.replace(",", ".")) for cell in cells]
    except ValueError:
        box = [np.nan]
    if not np.isfinite(box).all() or min(box[2:]) <= 0:
        raise CollectionError(f"{where}: received the box {', '.join(cell or '?' for cell in cells)}, expected x, y, width, height in "
                              "pixels with positive width and height, or four empty cells: correct the row.")
    return box


# Marks to faces


def _with_files(marks: pd.DataFrame, faces: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[tuple]]:
    """Return the marks whose picture or face is known, with `file` as in `faces`, and the others as (row, file, reason)."""
    files = list(dict.fromkeys(faces["file"]))
    named = marks["face_id"] == ""
    meant = meant_files(marks.loc[named, "file"], files)
    known = ~named | marks["file"].isin(list(meant))
    if len(marks) and len(faces) and not known.any():
        raise CollectionError(f"{source!r} has labels of {marks['file'].nunique()} pictures, and no face was found in any: "
                              f"{why_not_meant(marks['file'].iloc[0], files)} Expected names such as "
                              f"{files[0]!r}: correct the column of files.")
    lost = [(row, name, f"no face was found in such a picture: {why_not_meant(name, files)}")
            for row, name in zip(marks.loc[~known, "row"], marks.loc[~known, "file"], strict=True)]
    marks = marks[known].reset_index(drop=True)
    return marks.assign(file=marks["file"].where(marks["face_id"] != "", marks["file"].map(meant))), lost


def _places(marks: pd.DataFrame, faces: pd.DataFrame, minimum_overlap: float) -> tuple[list, list]:
    """Return for each mark the row of its face (None where in doubt) and the reason why there is none."""
    places, reasons = [None] * len(marks), [""] * len(marks)
    by_id = {face_id: place for place, face_id in enumerate(faces["face_id"])}
    in_file = faces.groupby("file", sort=False).indices
    boxed = defaultdict(list)
    for index, mark in enumerate(marks.to_dict("records")):
        if mark["face_id"]:
            places[index] = by_id.get(mark["face_id"])
            reasons[index] = f"there is no face {mark['face_id']!r} (ids change with the settings of face detection)"
        elif np.isfinite(mark["x"]):
            boxed[mark["file"], mark["annotator"]].append(index)
        elif len(in_file[mark["file"]]) == 1:
            places[index] = int(in_file[mark["file"]][0])
        else:
            reasons[index] = f"{len(in_file[mark['file']])} faces were found in this picture; give x, y, width, height of the one meant"
    for (file, _), indices in boxed.items():
        _place_boxes(marks[BOX].to_numpy(float)[indices], indices, faces, in_file[file], minimum_overlap, places, reasons)
    return places, reasons


def _place_boxes(boxes, indices, faces, candidates, minimum_overlap: float, places: list, reasons: list) -> None:
    """Match one annotator's boxes in one picture to its faces; a box in several rows, one for each expression, is one box."""
    unique, which = np.unique(boxes, axis=0, return_inverse=True)
    found = faces[BOX].to_numpy(float)[candidates]
    hits = {box: face for box, face, _ in match(unique, found, minimum_overlap)}
    best = pairwise_overlap(unique, found).max(axis=1)
    for index, box in zip(indices, which.ravel(), strict=True):
        if box in hits:
            places[index] = int(candidates[hits[box]])
        elif best[box] < minimum_overlap:
            reasons[index] = f"its box overlaps no face found here by {minimum_overlap:g} or more (at best {best[box]:.2f})"
        else:
            reasons[index] = "another box of the same person fits its face better"


def _shares(marks: pd.DataFrame, places: list[int], count: int) -> pd.DataFrame:
    """Return the seven scores, annotators and reason of `count` faces from marks and the face of each."""
    said = [defaultdict(set) for _ in range(count)]
    for place, annotator, expressions in zip(places, marks["annotator"], marks["expressions"], strict=True):
        said[place][annotator] |= expressions
    scores = np.full((count, len(EXPRESSIONS)), np.nan)
    for place, people in enumerate(said):
        ballots = [sorted(named & set(EXPRESSIONS)) for named in people.values()]  # contempt is no vote for any of the seven
        votes = np.array([[(name in named) / len(named) for name in EXPRESSIONS] for named in ballots if named])
        if len(votes):
            scores[place] = votes.mean(axis=0)
    table = pd.DataFrame(scores, columns=list(EXPRESSIONS))
    answered = np.isfinite(scores[:, 0])
    table["annotators"] = [len(people) for people in said]
    table["reason"] = ["" if has else ONLY_CONTEMPT if people else NO_LABEL for has, people in zip(answered, said, strict=True)]
    return table
