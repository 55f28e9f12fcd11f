"""Labellers: OpenFace 2: reads its tables or runs the user's `FaceLandmarkImg`, finds our faces in them, and applies the rules.

OpenFace (Baltrušaitis and others, FG 2018) is free for academic, non-commercial use and is not part of the compendium. Its image tool
writes `<stem>.csv` for a picture, one row a face; a picture without a face has no table. What was found where is told by the extent of
the 68 landmarks, which a face box is compared with after it has been brought to the same convention.
"""

import contextlib
import csv
import functools
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from lib.compendium.errors import CollectionError, CompendiumError, ParameterError, PictureError
from lib.compendium.fingerprints import sha256_of
from lib.expressions import (
    EXPRESSIONS,
    OPENFACE_INTENSITY_COLUMNS,
    OPENFACE_PRESENCE_COLUMNS,
    OPENFACE_PRESENCE_UNITS,
    action_units,
)
from lib.faces.evaluate import BOX, match
from lib.labellers import rules
from lib.labellers.settings import PROGRAM, STRONGEST, OpenFaceSettings, checked, program

NAME = "openface"
TITLE = "OpenFace 2"
NEEDS = ("OpenFace 2 (github.com/TadasBaltrusaitis/OpenFace; licence: academic, non-commercial): put its FaceLandmarkImg on the PATH or "
         "name it in `openface_executable`, or give a folder of its tables in `openface_output`. Without it our own Action Unit models "
         "stand in.")  # fmt: skip
UNIT_COLUMNS = (*OPENFACE_PRESENCE_COLUMNS, *OPENFACE_INTENSITY_COLUMNS)
COLUMNS = (*EXPRESSIONS, *UNIT_COLUMNS, "reason")
LANDMARKS_X, LANDMARKS_Y = ([f"{axis}_{point}" for point in range(68)] for axis in "xy")
NOT_A_NUMBER = ("", "nan", "-nan", "nan(ind)", "-nan(ind)", "na")  # as C++ writes it on Linux and on Windows

# Where the landmarks' extent lies in a face box: its left and top edge, width and height as parts of the box. OpenFace expects boxes
# of this kind. MTCNN's: the numbers OpenFace corrects its own MTCNN boxes with (FaceDetectorMTCNN.cpp); Haar's: measured with dlib's
# landmarks on two portraits that come with scikit-image and matplotlib. Hand-drawn boxes run from hairline to chin, as MTCNN's do.
CONVENTIONS = {"mtcnn": (-0.0075, 0.2459, 1.0323, 0.7751), "haar": (0.06, 0.24, 0.88, 0.865)}

NO_FACE = "OpenFace found no face in this picture"
SLIGHTLY = 0.01  # of a scale: rounding beyond its ends is cut off; more means other units of measure
SMALLEST_SIDE = 16  # pixels; smaller copies are not worth a try
ENOUGH_FACES = 20  # from so many faces on, a folder in which no intensity exceeds 1 is suspicious


# Reading tables ------------------------------------------------------------------------------------------------------------------


def read_csv(path, intensity_top: float = 5.0) -> pd.DataFrame:
    """Return the faces of one of OpenFace's tables, one row each, of any 2.x build and of the image and the sequence tools.

    Columns: confidence (0 to 1, NaN where not written), success (1, or 0 for a face lost), the 18 columns AUxx_c (0 to 1) and the 17
    columns AUxx_r (0 to 5), NaN where not there, and x, y, width, height: the extent of the 68 landmarks in pixels, NaN without them.
    Only Action Unit columns are required, presence or intensity; their order, other columns and spaces do not matter. An empty file or
    one with a header only has no rows. `intensity_top`: what the table writes for the strongest intensity.
    Raises PictureError for a table that cannot be read (damaged, no units, several frames), CollectionError for other units of measure.
    """
    path = Path(path)
    header, rows = _cells(path)
    table = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    if header and not set(table) & set(UNIT_COLUMNS):
        raise PictureError(f"{path.name} has no Action Unit column ({', '.join(header[:6])}, …); expected AU01_r, AU01_c and so on: run "
                           "OpenFace with -aus")
    if len(frames := set(table.get("frame", ()))) > 1:
        raise PictureError(f"{path.name} holds {len(frames)} frames of a film; expected the faces of one picture: run {PROGRAM} on it")
    columns = {name: _numbers(table, name, path, len(rows)) for name in ("confidence", "success", *UNIT_COLUMNS)}
    result = pd.DataFrame(columns | dict(zip(BOX, _extent(table, path, len(rows)), strict=True)))
    result["success"] = result["success"].fillna(1.0)
    _limit(result, ("confidence", "success", *OPENFACE_PRESENCE_COLUMNS), 1.0, path, "0 to 1")
    _limit(result, OPENFACE_INTENSITY_COLUMNS, intensity_top, path, f"0 to {intensity_top:g}")
    result[list(OPENFACE_INTENSITY_COLUMNS)] *= STRONGEST / intensity_top
    return result


def _cells(path: Path) -> tuple[list, list]:
    """Return the names and the rows of cells, all stripped: older builds put a space after each comma."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        lines = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    except (OSError, csv.Error) as error:
        raise PictureError(f"{path.name} cannot be read ({getattr(error, 'strerror', None) or error}); expected OpenFace's table: run "
                           "OpenFace again") from None
    lines = [line for line in lines if any(line)]
    header, rows = (lines[0], lines[1:]) if lines else ([], [])
    if header and not header[-1]:  # a comma at the end of each line
        header, rows = header[:-1], [row[:-1] if len(row) == len(header) and not row[-1] else row for row in rows]
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise PictureError(f"{path.name} has {len(row)} cells in row {number} under {len(header)} names; expected as many (was "
                               "OpenFace interrupted?): run it again")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise PictureError(f"{path.name} has the column {twice!r} twice; expected each once: run OpenFace again")
    return header, rows


def _numbers(table: dict, name: str, path: Path, count: int) -> np.ndarray:
    """Return a column of `count` cells as numbers, NaN where it is not there."""
    values = np.full(count, np.nan)
    for row, cell in enumerate(table.get(name, ())):
        if cell.lower() in NOT_A_NUMBER:
            continue
        try:
            values[row] = float(cell)
        except ValueError:
            values[row] = np.inf
        if np.isinf(values[row]):
            raise PictureError(f"{path.name} has {cell[:20]!r} in column {name}, row {row + 1}; expected a number: run OpenFace again")
    return values


def _limit(table: pd.DataFrame, columns, most: float, path: Path, expected: str) -> None:
    """Cut off what lies SLIGHTLY beyond 0 or `most`. Raises CollectionError for what lies farther out."""
    values = table[list(columns)].to_numpy(float)
    for row, column in np.argwhere((values < -SLIGHTLY * most) | (values > (1 + SLIGHTLY) * most)):
        raise CollectionError(f"Received {columns[column]} = {values[row, column]:g} in {path.name}; expected {expected}: the units of "
                              "measure are not OpenFace's. For intensities on another scale, give its end in `openface`: intensity_top.")
    table[list(columns)] = np.clip(values, 0, most)


def _extent(table: dict, path: Path, count: int) -> np.ndarray:
    """Return x, y, width, height of the landmarks, (4, count); NaN where a landmark column is missing or not a number."""
    if not count or not set(LANDMARKS_X + LANDMARKS_Y) <= set(table):
        return np.full((4, count), np.nan)
    x, y = (np.array([_numbers(table, name, path, count) for name in names]) for names in (LANDMARKS_X, LANDMARKS_Y))
    return np.array([x.min(0), y.min(0), np.ptp(x, 0), np.ptp(y, 0)])


# Finding our faces ---------------------------------------------------------------------------------------------------------------


def landmark_box(box, detector: str = "mtcnn") -> tuple:
    """Return x, y, width, height of the 68 landmarks expected in a face box of `detector` (an unknown one counts as mtcnn)."""
    left, top, wide, high = CONVENTIONS.get(detector, CONVENTIONS["mtcnn"])
    x, y, width, height = (float(value) for value in box)
    return x + left * width, y + top * height, wide * width, high * height


def _expected(faces: pd.DataFrame) -> np.ndarray:
    """Return the expected extent of the landmarks of each face of a table, float64 (n, 4)."""
    rows = faces.reindex(columns=[*BOX, "detector"]).to_numpy(object)
    return np.array([landmark_box(row[:4], row[4]) for row in rows], float).reshape(-1, 4)


def attribute(rows: pd.DataFrame, faces: pd.DataFrame, settings=None) -> list:
    """Return for each of a picture's faces (row number, "") of the table that `read_csv` gave, or (None, the reason there is none).

    `faces`: x, y, width, height in pixels of the same picture and, if there, detector. A row belongs to the face whose expected
    landmark extent (`landmark_box`) it overlaps: one to one, most pairs first, then the largest overlap, at least `minimum_overlap`.
    Other rows are ignored. Without landmarks, one row and one face belong together and nothing else does.
    """
    settings = checked(settings, OpenFaceSettings)
    if rows.empty:
        return [(None, NO_FACE)] * len(faces)
    placed = np.flatnonzero(rows[BOX].notna().all(axis=1))
    if not len(placed) and len(rows) == len(faces) == 1:
        pairs = {0: 0}
    elif not len(placed):
        reason = f"OpenFace's table has no landmarks to tell which of {len(rows)} faces this is: run OpenFace with -2Dfp"
        return [(None, reason)] * len(faces)
    else:
        found = match(rows[BOX].to_numpy(float)[placed], _expected(faces), settings.minimum_overlap)
        pairs = {face: int(placed[row]) for row, face, _ in found}
    return [_judged(rows, pairs.get(face), settings) for face in range(len(faces))]


def _judged(rows: pd.DataFrame, number: int | None, settings: OpenFaceSettings) -> tuple:
    if number is None:
        return None, f"none of OpenFace's {len(rows)} face(s) in this picture overlaps this one by {settings.minimum_overlap:g}"
    row = rows.iloc[number]
    if row["success"] < 1:
        return None, "OpenFace lost this face (success 0)"
    if row["confidence"] < settings.minimum_confidence:
        return None, f"OpenFace is unsure of this face (confidence {row['confidence']:.2f}, asked {settings.minimum_confidence:g})"
    if row[list(UNIT_COLUMNS)].isna().all():
        return None, "OpenFace gave no Action Units for this face"
    return number, ""


# The labeller --------------------------------------------------------------------------------------------------------------------


def missing(settings=None) -> str:
    """Return why OpenFace cannot answer here and the one thing to do, or "" where it can."""
    settings = checked(settings, OpenFaceSettings)
    if settings.output_folder:
        folder = Path(settings.output_folder).expanduser()
        if next(folder.rglob("*.csv"), None) is not None:
            return ""
        wrong = "in which there is no .csv" if folder.is_dir() else "which is no folder"
        return f"Received openface_output {settings.output_folder!r}, {wrong}; expected a folder of OpenFace's tables: correct it."
    if program(settings.executable) is None:
        return f"Found no {settings.executable or PROGRAM}; expected {NEEDS}"
    return ""


def digest(settings=None) -> str:
    """Return 16 hexadecimal digits that change with OpenFace's program and models, or the tables given, and with the settings.

    Where things are, and how many pictures a call has, does not count. Raises CompendiumError where there is no OpenFace.
    """
    settings = checked(settings, OpenFaceSettings)
    _demand(settings)
    found = hashlib.sha256(_answering(settings).encode())
    for name, content in _source(settings):
        found.update(f"\n{name} {content}".encode())
    return found.hexdigest()[:16]


def _answering(settings: OpenFaceSettings) -> str:
    """Return, as text, the settings that change answers."""
    values = settings.model_dump(exclude={"executable", "output_folder", "batch", "timeout", "work"})
    return json.dumps(values, sort_keys=True)


def _source(settings: OpenFaceSettings) -> list:
    """Return names and contents (the models': sizes) of what the answers come from."""
    if settings.output_folder:
        folder = Path(settings.output_folder).expanduser()
        return [(path.relative_to(folder).as_posix(), sha256_of(path)) for path in sorted(folder.rglob("*.csv")) if path.is_file()]
    found = program(settings.executable)
    models = [path for name in ("model", "AU_predictors") for path in sorted((found.parent / name).rglob("*")) if path.is_file()]
    return [("program", sha256_of(found)), *((path.relative_to(found.parent).as_posix(), path.stat().st_size) for path in models)]


def _demand(settings: OpenFaceSettings) -> None:
    if why := missing(settings):
        raise CompendiumError(why)


def label_faces(faces: pd.DataFrame, read=None, settings=None, pictures=None, progress=None) -> pd.DataFrame:
    """Return OpenFace's answer for each face of a table, in its order and with its index.

    faces: columns face_id, image_id, file, x, y, width, height (pixels of the original picture) and, if there, detector.
    read(row): returns the picture of a face's row, uint8 RGB (h, w, 3), upright, or raises PictureError; used where OpenFace is run.
    settings: a dict of some fields of OpenFaceSettings. pictures: all files of the collection, with faces or without, so that two whose
    tables have the same name are noticed. progress(done, all): called with numbers of pictures.
    Columns of the result: the seven EXPRESSIONS (a distribution, all NaN without an answer), AUxx_c (0 to 1), AUxx_r (0 to 5), and
    reason ("" with an answer). Its `attrs` hold `notes`, a list of sentences for the reader. Raises CompendiumError where there is no
    OpenFace, or where it fails on everything; CollectionError for tables in other units of measure.
    """
    settings = checked(settings, OpenFaceSettings)
    absent = [name for name in ("face_id", "image_id", "file", *BOX) if name not in faces]
    if absent:
        raise CollectionError(f"Received faces without the column(s) {', '.join(absent)}; expected those of the table of faces.")
    _demand(settings)
    if settings.output_folder:
        answers, extra = _from_folder(faces, settings, pictures, progress)
    else:
        answers, extra = _from_program(faces, read, settings, progress)
    return _labelled(faces, answers, extra, settings)


def _labelled(faces: pd.DataFrame, answers: dict, extra: int, settings: OpenFaceSettings) -> pd.DataFrame:
    """Return the table of `label_faces` from {place in faces: (units, "") or (None, reason)}."""
    rows = [answers[place][0] or {} for place in range(len(faces))]
    units = pd.DataFrame(rows, index=faces.index, columns=list(UNIT_COLUMNS), dtype=float)
    reasons = [answers[place][1] for place in range(len(faces))]
    presence = units[list(OPENFACE_PRESENCE_COLUMNS)].to_numpy(float)
    intensity = units.reindex(columns=[name.replace("_c", "_r") for name in OPENFACE_PRESENCE_COLUMNS]).to_numpy(float)
    scores = rules.scores(presence, intensity, OPENFACE_PRESENCE_UNITS, settings)
    unknown = np.isnan(presence) & np.isnan(intensity)
    reasons = [reason or (_too_few(gone, settings) if np.isnan(row).any() else "")
               for reason, row, gone in zip(reasons, scores, unknown, strict=True)]
    result = pd.concat([pd.DataFrame(scores, index=faces.index, columns=list(EXPRESSIONS)), units], axis=1).assign(reason=reasons)
    result.attrs["notes"] = _notes(units, unknown, extra, settings)
    return result


def _ruled(unknown: np.ndarray, settings: OpenFaceSettings) -> str:
    """Return the names of the units that some rule needs and that are unknown, bool (18,); "" for none."""
    needed = {unit for units in action_units(settings.table, OPENFACE_PRESENCE_UNITS).values() for unit in units}
    return ", ".join(f"AU{unit:02d}" for unit, gone in zip(OPENFACE_PRESENCE_UNITS, unknown, strict=True) if gone and unit in needed)


def _too_few(unknown: np.ndarray, settings: OpenFaceSettings) -> str:
    return f"OpenFace's table has too few Action Units for the rules: {_ruled(unknown, settings)} missing; run OpenFace with -aus"


def _notes(units: pd.DataFrame, unknown: np.ndarray, extra: int, settings: OpenFaceSettings) -> list[str]:
    notes, intensity, seen = [], units[list(OPENFACE_INTENSITY_COLUMNS)], units.notna().any(axis=1).to_numpy()
    if extra:
        notes.append(f"OpenFace saw {extra} face(s) more that are none of ours; they are left out.")
    if seen.any() and (gone := _ruled(unknown[seen].all(axis=0), settings)):
        notes.append(f"OpenFace's tables have no column of {gone}, so the rules go without: run OpenFace with -aus.")
    known = intensity.notna().any(axis=1).sum()
    if known >= ENOUGH_FACES and intensity.max().max() <= 1 and (units[list(OPENFACE_PRESENCE_COLUMNS)] == 1).any().any():
        notes.append(f"No intensity of {known} faces exceeds 1, though units are present: if the tables run from 0 to 1, set "
                     "intensity_top to 1 in `openface`.")  # fmt: skip
    return notes


# A finished folder ---------------------------------------------------------------------------------------------------------------


def _from_folder(faces: pd.DataFrame, settings: OpenFaceSettings, pictures, progress) -> tuple[dict, int]:
    folder = Path(settings.output_folder).expanduser()
    files = faces["file"].astype(str)
    owners = _owners(folder, [*files, *map(str, pictures if pictures is not None else ())])
    answers, extra = {}, 0
    groups = list(faces.assign(_place=range(len(faces))).groupby(files.to_numpy(), sort=False))
    for done, (file, group) in enumerate(groups, 1):
        path = _table_of(folder, file)
        found, more = _read_table(path, sorted(owners[path]), group, settings)
        answers.update(zip(group["_place"], found, strict=True))
        extra += more
        if progress:
            progress(done, len(groups))
    return answers, extra


def _table_of(folder: Path, file: str) -> Path:
    """Return where a picture's table is: in the same subfolder as the picture where the folder mirrors them, else at the top."""
    file = Path(file)
    mirrored = folder / file.parent / f"{file.stem}.csv"
    inside = not file.is_absolute() and ".." not in file.parts
    return mirrored if inside and mirrored.is_file() else folder / f"{file.stem}.csv"


def _owners(folder: Path, files: list) -> dict[Path, set]:
    """Return for each table the pictures that would have written it: OpenFace names tables after the stem, and the last one wins."""
    owners: dict[Path, set] = {}
    for file in files:
        owners.setdefault(_table_of(folder, file), set()).add(file)
    return owners


def _read_table(path: Path, owners: list, group: pd.DataFrame, settings: OpenFaceSettings) -> tuple[list, int]:
    """Return the answers for a picture's faces and how many faces of the table are none of ours."""
    if not path.is_file():
        return [(None, NO_FACE)] * len(group), 0
    if len(owners) > 1:
        return [(None, f"{path.name} may be the table of {' or of '.join(owners[:3])}: give the pictures different names")] * len(group), 0
    try:
        rows = read_csv(path, settings.intensity_top)
    except PictureError as error:
        return [(None, str(error))] * len(group), 0
    return _answers(rows, group, settings)


def _answers(rows: pd.DataFrame, group: pd.DataFrame, settings: OpenFaceSettings) -> tuple[list, int]:
    pairs = attribute(rows, group, settings)
    found = [(None if number is None else rows.iloc[number][list(UNIT_COLUMNS)].to_dict(), reason) for number, reason in pairs]
    return found, max(0, len(rows) - sum(number is not None for number, _ in pairs))


# Running the program -------------------------------------------------------------------------------------------------------------


class _Stopped(CompendiumError):
    """FaceLandmarkImg ended with an error or (slow) took too long."""

    slow = False


class _Seen(NamedTuple):
    """What became of one picture at one scale."""

    answers: list  # for each of its faces (units, "") or (None, reason)
    extra: int = 0  # faces in the table that are none of ours
    status: str = "seen"  # or skipped: useless at this scale; stopped: the program failed; unreadable: useless at any scale


def command(program, folder, extra=()) -> list[str]:
    """Return the exact command line for the pictures `in/` and boxes `boxes/` of a folder; tables go to `out/`.

    Naming outputs restricts OpenFace to them: the units, the landmarks in the picture and the pose.
    """
    folder = Path(folder)
    return [str(program), "-fdir", str(folder / "in"), "-bboxdir", str(folder / "boxes"), "-out_dir", str(folder / "out"),
            "-aus", "-2Dfp", "-pose", *extra]


def _from_program(faces: pd.DataFrame, read, settings: OpenFaceSettings, progress) -> tuple[dict, int]:
    """Show every picture at the first scale, those with faces still unanswered at the next one, and so on."""
    if read is None:
        raise ParameterError("Received no way to read the pictures; expected read(row): pass one, or give `output_folder`.")
    journal = _Journal(settings)
    show = functools.partial(_careful, program(settings.executable), read, settings, {"worked": bool(journal.known)})
    groups = dict(tuple(faces.assign(_place=range(len(faces))).groupby("image_id", sort=False)))
    answers, tried, extra, settled = {}, {}, 0, set()
    for turn, scale in enumerate(settings.scales):
        waiting = [(image, _unanswered(group, answers)) for image, group in groups.items() if image not in settled]
        for start in range(0, len(waiting), settings.batch):
            batch = waiting[start:start + settings.batch]
            for (image, group), seen in zip(batch, journal.around(batch, scale, show), strict=True):
                if seen.status != "skipped":
                    _add(group["_place"], seen.answers, scale, answers, tried)
                extra += seen.extra * (turn == 0)
                if turn + 1 == len(settings.scales) or seen.status == "unreadable" or not len(_unanswered(group, answers)):
                    settled.add(image)
            if progress:
                progress(len(settled), len(groups))
    return {place: _with_scales(answers.get(place), tried.get(place)) for place in range(len(faces))}, extra


def _unanswered(group: pd.DataFrame, answers: dict) -> pd.DataFrame:
    return group[[answers.get(place, (None, ""))[0] is None for place in group["_place"]]]


def _add(places, found: list, scale: float, answers: dict, tried: dict) -> None:
    """Note the answers of one look. An answer replaces a reason; of several reasons the first, at the first scale, stays."""
    for place, (units, reason) in zip(places, found, strict=True):
        tried.setdefault(place, []).append(scale)
        if units is not None or place not in answers:
            answers[place] = (units, reason)


def _with_scales(answer: tuple | None, scales: list | None) -> tuple:
    if answer is None:
        return None, "the picture is too large or too small to be shown to OpenFace at any of the scales"
    units, reason = answer
    if units is not None or len(scales) < 2:
        return answer
    return None, f"{reason} (shown at the scales {', '.join(f'{scale:g}' for scale in scales)})"


def _careful(program: Path, read, settings: OpenFaceSettings, state: dict, batch: list, scale: float) -> list[_Seen]:
    """Show a batch. Where the program stops, each picture is shown alone, so that a bad picture costs itself only.

    A program that has never worked and stops at every picture is at fault itself: then the error is raised.
    """
    try:
        return _shown(program, read, settings, state, batch, scale)
    except _Stopped as error:
        if not state["worked"] and (error.slow or len(batch) == 1):
            raise
        if len(batch) == 1:
            return [_Seen([(None, str(error))] * len(batch[0][1]), 0, "stopped")]
        failed = error
    results = []
    for one in batch:
        try:
            results += _shown(program, read, settings, state, [one], scale)
        except _Stopped as error:
            if error.slow and not state["worked"]:
                raise
            results.append(_Seen([(None, str(error))] * len(one[1]), 0, "stopped"))
    if not state["worked"]:
        raise failed
    return results


def _shown(program: Path, read, settings: OpenFaceSettings, state: dict, batch: list, scale: float) -> list[_Seen]:
    """Write upright PNG copies of a batch of (image, faces) with their boxes, call the program once and read its tables."""
    work = Path(settings.work).expanduser() if settings.work else None
    if work:
        work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="openface-", dir=work) as folder:
        folder = Path(folder).resolve()
        for name in ("in", "boxes", "out"):
            (folder / name).mkdir()
        prepared = [_prepare(read, folder, image, group, scale, settings) for image, group in batch]
        count = sum(isinstance(one, np.ndarray) for one in prepared)
        if count:
            _call(program, folder, count, settings)
            state["worked"] = True
        return [_collect(folder, image, group, one, settings) if isinstance(one, np.ndarray) else one
                for (image, group), one in zip(batch, prepared, strict=True)]


def _stem(image) -> str:
    """Return a file name for a picture that no other picture has, whatever its id is made of."""
    return hashlib.sha256(str(image).encode()).hexdigest()[:16]


def _prepare(read, folder: Path, image, group: pd.DataFrame, scale: float, settings: OpenFaceSettings) -> np.ndarray | _Seen:
    """Write a picture's copy and boxes; return how many pixels of the copy one of the picture is, for x, y, width and height.

    A picture that cannot be shown gives what is to be said of it instead.
    """
    try:
        picture = np.ascontiguousarray(read(group.iloc[0]))
    except PictureError as error:
        return _Seen([(None, f"the picture cannot be read: {error}")] * len(group), 0, "unreadable")
    height, width = picture.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if scale != 1 and (min(size) < SMALLEST_SIDE or max(size) > max(settings.longest_side, width, height)):
        return _Seen([], 0, "skipped")
    if size != (width, height):
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    Image.fromarray(picture).save(folder / "in" / f"{_stem(image)}.png", compress_level=1)
    factors = np.tile([size[0] / width, size[1] / height], 2)
    boxes = _expected(group) * factors
    lines = [f"{x:.2f} {y:.2f} {x + wide:.2f} {y + high:.2f}\n" for x, y, wide, high in boxes]
    (folder / "boxes" / f"{_stem(image)}.txt").write_text("".join(lines))
    return factors


def _call(program: Path, folder: Path, count: int, settings: OpenFaceSettings) -> None:
    said, limit = folder / "said.txt", settings.timeout * count
    try:
        with said.open("wb") as output:
            done = subprocess.run(command(program, folder, settings.extra), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=output, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        stopped = _Stopped(f"{PROGRAM} gave no result for {count} picture(s) in {limit:g} seconds and was ended; expected it to finish: "
                           "raise timeout in `openface`.")
        stopped.slow = True
        raise stopped from None
    except OSError as error:
        raise _Stopped(f"{program.name} cannot be started ({error.strerror}); expected OpenFace's program: correct "
                       "`openface_executable`.") from None  # fmt: skip
    if done.returncode:
        tail = " / ".join(line.strip() for line in said.read_text(errors="replace").splitlines()[-5:] if line.strip())[-400:]
        tail = tail.replace(f"{folder}", "…") or "it said nothing"
        raise _Stopped(f"{PROGRAM} ended with {done.returncode} ({tail}); expected 0: call it by hand on a picture to see why.")


def _collect(folder: Path, image, group: pd.DataFrame, factors: np.ndarray, settings: OpenFaceSettings) -> _Seen:
    """Return the answers for a picture that was shown, its table's places brought back to the original picture."""
    path = folder / "out" / f"{_stem(image)}.csv"
    if not path.is_file():
        return _Seen([(None, NO_FACE)] * len(group))
    try:
        rows = read_csv(path)
    except PictureError as error:
        return _Seen([(None, str(error))] * len(group))
    rows[BOX] = rows[BOX] / factors
    return _Seen(*_answers(rows, group, settings))


class _Journal:
    """What is finished already, one JSON line a picture and scale; lines are only added, so a killed run loses its last batch.

    A look counts for the same program, picture, boxes, scale and finding of faces; where the program stopped it is tried again.
    """

    def __init__(self, settings: OpenFaceSettings):
        self.path = Path(settings.work).expanduser() / "openface.jsonl" if settings.work else None
        finding = settings.model_dump(include={"longest_side", "minimum_confidence", "minimum_overlap", "extra"})
        self.source = json.dumps([[f"{name} {content}" for name, content in _source(settings)], finding], sort_keys=True)
        self.known: dict[str, _Seen] = {}
        for line in self.path.read_text(errors="replace").splitlines() if self.path and self.path.is_file() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a kill cut short
                entry = json.loads(line)
                self.known[entry["key"]] = _Seen([tuple(answer) for answer in entry["answers"]], entry["extra"], entry["status"])

    def around(self, batch: list, scale: float, show) -> list[_Seen]:
        """Return what became of a batch, showing only the pictures of which it is not known."""
        keys = [self._key(image, group, scale) for image, group in batch]
        new = [place for place, key in enumerate(keys) if key not in self.known]
        results = dict(zip(new, show([batch[place] for place in new], scale) if new else [], strict=True))
        lines = [json.dumps({"key": keys[place], **seen._asdict()}) for place, seen in results.items() if seen.status != "stopped"]
        if self.path and lines:
            with self.path.open("a") as file:
                file.write("\n".join(["", *lines, ""]))
        return [results[place] if place in results else self.known[key] for place, key in enumerate(keys)]

    def _key(self, image, group: pd.DataFrame, scale: float) -> str:
        boxes = group.reindex(columns=["face_id", *BOX, "detector"]).astype(str).to_numpy().tolist()
        return hashlib.sha256(json.dumps([self.source, scale, str(image), boxes]).encode()).hexdigest()[:24]
