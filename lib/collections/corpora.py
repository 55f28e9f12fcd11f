"""Collections: reads facial-expression corpora that the reader brings: FER2013 in its published layouts, and any labelled folder.

FER2013 (Goodfellow et al., 2013, "Challenges in representation learning") is 35,887 grey faces of 48 x 48 pixels in three splits:
28,709 Training, 3,589 PublicTest and 3,589 PrivateTest. Labels are truth, so these readers are strict where the census is tolerant:
a label in doubt is an error that names its place, and only a damaged picture becomes a row with a reason.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import binomtest

from lib.collections.folder import PICTURE_SUFFIXES, list_folder, list_pictures
from lib.collections.metadata import FILE_COLUMNS, UNKNOWN, read_metadata
from lib.collections.pictures import read_picture
from lib.collections.vott import match_vott
from lib.compendium.errors import CollectionError, CompendiumError, ParameterError, PictureError, did_you_mean
from lib.expressions import EXPRESSIONS, ORDERS, canonical

SIDE = 48  # pixels of a FER2013 picture, either way
FER2013_FILES = ("fer2013.csv", "icml_face_data.csv")
FER2013_COLUMNS = ("emotion", "pixels", "usage")
CSV_USAGES = ("Training", "PublicTest", "PrivateTest")
FOLDER_USAGES = {  # what folder layouts call the splits (without blanks, dashes, underscores), and their name here
    "train": "Training", "training": "Training", "publictest": "PublicTest", "privatetest": "PrivateTest",
    "test": "test", "testing": "test", "validation": "validation", "valid": "validation", "val": "validation",
}  # fmt: skip
SPLITS = {  # of any labelled folder; both tests of FER2013 are tests
    name: {"Training": "train", "validation": "validation"}.get(usage, "test") for name, usage in FOLDER_USAGES.items()
}
LABELS_FILE = "labels.csv"
LABEL_COLUMNS = {  # ours: the names corpora give it
    "expression": ("expression", "emotion", "label"),
    "subject": ("subject", "subject_id", "person", "identity", "participant"),
    "split": ("split", "usage", "set", "partition"),
    "valence": ("valence",),
    "arousal": ("arousal",),
}
_UNIT = re.compile(r"au_?(\d{1,2})(_[rc])?")


@dataclass(frozen=True, eq=False)
class Corpus:
    """Grey faces with one expression each. `left_out` has the columns file and reason: pictures that could not be read."""

    images: np.ndarray  # uint8 (n, 48, 48)
    expression: np.ndarray  # text (n,), names of EXPRESSIONS
    usage: np.ndarray  # text (n,): Training, PublicTest, PrivateTest, or in folder layouts also test and validation
    source: str  # name of the file or folder
    left_out: pd.DataFrame


def read_fer2013(path: Path | str, *, resize: bool = False) -> Corpus:
    """Return FER2013 from either of its tables or from a folder of pictures.

    `path`: `fer2013.csv` (emotion,pixels,Usage), `icml_face_data.csv` (emotion, Usage, pixels), a folder with one of them, or a folder
    train/<expression>/… and test/<expression>/… (also validation, PublicTest, PrivateTest). Tables are read line by line: memory stays
    near the 2,304 bytes a picture of the result. `resize` squeezes pictures of another size to 48 x 48; without it they are an error.
    Raises CollectionError naming file and line or picture for anything a corpus must not have.
    """
    path = Path(path).expanduser()
    if not path.exists():
        there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise CollectionError(f"There is no {path.name!r}. Expected {' or '.join(FER2013_FILES)}, or the folder with train and test: give "
                              f"its place.{did_you_mean(path.name, there)}")
    if path.is_dir():
        tables = {entry.name.lower(): entry for entry in path.iterdir() if entry.is_file()}
        table = next((tables[name] for name in FER2013_FILES if name in tables), None)
        return _read_folder(path, resize) if table is None else _read_table(table)
    if path.suffix.lower() != ".csv":
        raise CollectionError(f"Received the file {path.name!r}. Expected {' or '.join(FER2013_FILES)}, or a folder. If it is an archive, "
                              "unpack it and give what is inside.")
    return _read_table(path)


def select(corpus: Corpus, usage: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images, uint8 (n, 48, 48), and expressions (n,) of one split. Raises CollectionError if the corpus lacks it."""
    chosen = corpus.usage == usage
    if chosen.any():
        return corpus.images[chosen], corpus.expression[chosen]
    there = Counter(corpus.usage.tolist())
    if usage in ("PublicTest", "PrivateTest") and "test" in there:
        advice = f"Kaggle's folder layout merges the two tests as 'test': ask for that, or give {FER2013_FILES[0]}, which tells them apart."
    else:
        advice = f"Ask for one that is there.{did_you_mean(usage, there)}"
    found = ", ".join(f"{name} ({count})" for name, count in there.items())
    raise CollectionError(f"{corpus.source!r} has no pictures of the split {usage!r}. Found {found}. {advice}")


def accuracy(corpus: Corpus, usage: str, predict: Callable, *, level: float = 0.95, batch: int = 1024) -> pd.DataFrame:
    """Return how often the highest score is the labelled expression: a row per expression, and a last row "all".

    `predict` takes uint8 (n, 48, 48) and returns scores (n, 7) in the order of EXPRESSIONS; it is given `batch` pictures at a time.
    Columns: expression, n, correct, unanswered (rows of NaN, counted as wrong), recall (of "all": the accuracy; 0 to 1) and low, high,
    Wilson's interval at `level` (Wilson 1927, "Probable inference"). An expression without pictures has NaN there.
    """
    images, truth = select(corpus, usage)
    scores = np.concatenate([_scores(predict, images[start : start + batch]) for start in range(0, len(images), batch)])
    answered = np.isfinite(scores).all(axis=1)
    best = np.array(EXPRESSIONS)[np.where(answered[:, None], scores, 0).argmax(axis=1)]
    correct = answered & (best == truth)
    rows = []
    for name in (*EXPRESSIONS, "all"):
        chosen = np.ones(len(truth), bool) if name == "all" else truth == name
        n, hits = int(chosen.sum()), int(correct[chosen].sum())
        low, high = binomtest(hits, n).proportion_ci(level, "wilson") if n else (np.nan, np.nan)
        rows.append((name, n, hits, int((~answered[chosen]).sum()), hits / n if n else np.nan, float(low), float(high)))
    return pd.DataFrame(rows, columns=["expression", "n", "correct", "unanswered", "recall", "low", "high"])


def labelled_folder(folder: Path | str, *, subject_pattern: str = "", ignore: tuple = ()) -> pd.DataFrame:
    """Return the pictures of a folder with what is known about each, one row a picture; pictures are not opened.

    With a `labels.csv` in the folder: its column `file` (a path below the folder), and any of expression, subject, split, AU01 … AU45
    (intensity 0 to 5, also spelled AU1 or AU01_r), AU01_c … (presence, 0 or 1), valence and arousal (-1 to 1). An empty cell is unknown,
    so labels may be incomplete; pictures without a row are left out. Otherwise each picture lies in a folder named after its expression,
    and a folder train, validation or test above it is the split.
    `subject_pattern` is a regular expression whose first group is the subject in a picture's relative path ("S(\\d+)_"). `ignore` names
    expressions to leave out, such as contempt. Columns: path, file, subject, expression, split ("" is unknown), the AU columns given,
    valence, arousal (float, NaN is unknown). Raises CollectionError naming the row for anything in doubt.
    """
    folder = Path(folder).expanduser()
    listing = list_folder(folder)
    labels = next((name for name in listing.metadata if name.lower() == LABELS_FILE), None)
    pictures = list_pictures(folder)
    table = _from_class_folders(folder, pictures, ignore) if labels is None else _from_labels(folder, labels, pictures, ignore)
    if subject_pattern:
        table["subject"] = _subjects(table["file"], subject_pattern)
    if table.empty:
        raise CollectionError(f"{folder.name!r} has no labelled picture left. Expected at least one: fill {LABELS_FILE}, or ignore less.")
    table.insert(0, "path", [str(folder / name) for name in table["file"]])
    units = sorted(column for column in table if column.startswith("AU"))
    return table[["path", "file", "subject", "expression", "split", *units, "valence", "arousal"]].reset_index(drop=True)


def meant_files(names, files) -> dict[str, str]:
    """Return {name: file} for the names that mean exactly one of `files` (relative paths).

    Any case; whole paths, ends of paths and file names; slashes either way. A name that means none or several is not in the result.
    """
    names = list(dict.fromkeys(names))
    asked = pd.DataFrame({"file": [name.strip().replace("\\", "/") for name in names], "label": names})
    asked = asked.assign(x=np.arange(len(asked)), y=0, width=1, height=1)  # `match_vott` tells rows apart by their boxes
    exact = set(files)
    matched, _ = match_vott(asked[~asked["file"].isin(exact)], list(files))
    same = asked[asked["file"].isin(exact)]  # A.jpg is not a.jpg where both are there
    return dict(zip(same["label"], same["file"], strict=True)) | dict(zip(matched["label"], matched["file"], strict=True))


def why_not_meant(name: str, files) -> str:
    """Return the reason why a name means no single one of `files`: it is not there, or it is the name of several."""
    last = PurePosixPath(name.strip().replace("\\", "/")).name.casefold()
    same = sum(PurePosixPath(file).name.casefold() == last for file in files)
    if same > 1:
        return f"{name!r} is the name of {same} pictures; give its path."
    hint = did_you_mean(name, files) if len(files) <= 5000 else ""  # comparing with every name of a large corpus takes minutes
    return f"{name!r} is not there.{hint}"


def read_strictly(path: Path) -> pd.DataFrame:
    """Return a CSV of labels as text (any encoding and delimiter of `read_metadata`). A row of another length raises CollectionError."""
    table, ragged = read_metadata(path)
    if ragged:
        raise CollectionError(f"Received {ragged[0]}. Expected as many cells as the header has: put quotation marks around cells that "
                              "hold the delimiter, so that no label slips into another column.")
    return table


def find_column(columns, wanted: tuple) -> str | None:
    """Return the first column whose name is one of `wanted`, in the order of `wanted`; case, spaces and dashes do not matter."""
    plain = {_plain(column): column for column in reversed(list(columns))}
    return next((plain[name] for name in wanted if name in plain), None)


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", str(name).strip().lower()).strip("_")


def _joined(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())


# FER2013 as a table


def _read_table(path: Path) -> Corpus:
    """Read line by line into one growing buffer of bytes: the text is seven times larger than the pictures."""
    pixels, expression, usage = bytearray(), [], []
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        first = file.readline(4096)
        delimiter = max((",", ";", "\t"), key=first.count)
        places = _places(next(csv.reader([first], delimiter=delimiter), []), path)
        reader = csv.reader(file, delimiter=delimiter)
        for row in _rows(reader, path):
            where = f"{path.name!r}, line {reader.line_num + 1}"
            cells = _cells(row, places, where)
            expression.append(_fer2013_expression(cells["emotion"], where))
            usage.append(_usage(cells["usage"], where))
            pixels += _pixels(cells["pixels"], where).tobytes()
    if not expression:
        raise CollectionError(f"{path.name!r} has no pictures below its header. Expected a line a picture: fetch the file again.")
    images = np.frombuffer(pixels, np.uint8).reshape(-1, SIDE, SIDE)
    return Corpus(images, np.array(expression), np.array(usage), path.name, pd.DataFrame(columns=["file", "reason"]))


def _places(header: list[str], path: Path) -> dict[str, int]:
    names = [cell.strip().lower() for cell in header]
    missing = [name for name in FER2013_COLUMNS if name not in names]
    if not missing:
        return {name: names.index(name) for name in FER2013_COLUMNS}
    advice = "fetch the file again."
    if "pixels" in names:
        advice = f"train.csv and test.csv of the competition lack labels or splits; give {' or '.join(FER2013_FILES)}."
    raise CollectionError(f"{path.name!r} lacks the column(s) {', '.join(missing)}. Received {', '.join(names)[:60] or 'nothing'}; "
                          f"expected emotion, pixels and Usage: {advice}")


def _rows(reader, path: Path):
    try:
        yield from (row for row in reader if any(cell.strip() for cell in row))
    except csv.Error as error:
        raise CollectionError(f"{path.name!r}, line {reader.line_num + 1}: received text that is no table ({error}). Expected a line a "
                              "picture: fetch the file again.") from None


def _cells(row: list[str], places: dict[str, int], where: str) -> dict[str, str]:
    if len(row) <= max(places.values()):
        raise CollectionError(f"{where}: received {len(row)} cells, expected {len(places)}. The file may be cut off: fetch it again.")
    return {name: row[place].strip() for name, place in places.items()}


def _fer2013_expression(text: str, where: str) -> str:
    if re.fullmatch(r"[0-6]", text):
        return ORDERS["fer2013"][int(text)]
    meaning = ", ".join(f"{number} {name}" for number, name in enumerate(ORDERS["fer2013"]))
    raise CollectionError(f"{where}: received the label {text!r}, expected a number from 0 to 6 ({meaning}). Correct or remove the line.")


def _usage(text: str, where: str) -> str:
    known = {name.lower(): name for name in CSV_USAGES}
    if text.lower() in known:
        return known[text.lower()]
    raise CollectionError(f"{where}: received the Usage {text!r}, expected {', '.join(CSV_USAGES)}.{did_you_mean(text, CSV_USAGES)} "
                          "Correct the line.")


def _pixels(text: str, where: str) -> np.ndarray:
    """Return the grey values of one line, uint8 (2304,), row by row from the top left."""
    try:
        values = np.fromstring(text, dtype=np.int64, sep=" ")
    except ValueError:
        values = np.array([-1])
    if len(values) == SIDE * SIDE and values.min() >= 0 and values.max() <= 255:
        return values.astype(np.uint8)
    words = text.split()
    wrong = next((word for word in words if not re.fullmatch(r"[0-9]+", word) or int(word) > 255), None)
    received = f"{len(words)} pixels" if wrong is None else f"the pixel {wrong[:20]!r}"
    raise CollectionError(f"{where}: received {received}, expected {SIDE * SIDE} whole numbers from 0 to 255, separated by blanks. Correct "
                          "or remove the line, or fetch the file again.")


# FER2013 as folders


def _read_folder(folder: Path, resize: bool) -> Corpus:
    files = list_pictures(folder)
    labels = [_folder_labels(file, folder) for file in files]
    tops = sorted({top for top, _, _ in labels})
    if len(tops) > 1:
        raise CollectionError(f"{folder.name!r} holds the corpus more than once, in {', '.join(map(repr, tops[:3]))}. Expected one: give "
                              "one of these folders.")
    images, left_out, kept = np.empty((len(files), SIDE, SIDE), np.uint8), [], []
    for index, file in enumerate(files):
        try:
            images[len(kept)] = _grey(folder / file, file, resize)
            kept.append(index)
        except PictureError as error:
            left_out.append((file, str(error)))
    if not kept:
        raise CollectionError(f"None of the {len(files)} pictures of {folder.name!r} can be read ({left_out[0][0]!r}: {left_out[0][1]}). "
                              "Expected grey faces of 48 x 48 pixels: fetch the corpus again.")
    usage, expression = (np.array([labels[index][place] for index in kept]) for place in (1, 2))
    return Corpus(images[: len(kept)], expression, usage, folder.name, pd.DataFrame(left_out, columns=["file", "reason"]))


def _folder_labels(file: str, folder: Path) -> tuple[str, str, str]:
    """Return (folders above the split, usage, expression) of a picture <…>/train/happy/1.png."""
    parts = PurePosixPath(file).parts
    usage = FOLDER_USAGES.get(_joined(parts[-3])) if len(parts) > 2 else None
    if usage is None:
        raise CollectionError(f"{folder.name!r}: received the picture {file!r}, expected it in a folder of its split and expression, "
                              "such as train/happy or test/sad. Move it, or give the folder that holds train and test.")
    name = parts[-2]
    expression = ORDERS["fer2013"][int(name)] if re.fullmatch("[0-6]", name) else _expression(name, f"{folder.name!r}, folder of {file!r}")
    return "/".join(parts[:-3]), usage, expression


def _expression(text: str, where: str) -> str:
    """Return one of the seven expressions; anything else is a CollectionError that names the place."""
    text = text.strip()
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise CollectionError(f"{where}: received the expression {text!r}, expected a name ({', '.join(EXPRESSIONS)}): numbers mean other "
                              "expressions in every corpus. Write the name, or leave the cell empty if it is unknown.")
    try:
        name = canonical(text)
    except ParameterError as error:
        raise CollectionError(f"{where}: {error} Correct it, or leave this expression out.") from None
    if name not in EXPRESSIONS:
        raise CollectionError(f"{where}: received {text!r}, expected one of the seven ({', '.join(EXPRESSIONS)}). Leave it out.")
    return name


def _grey(path: Path, file: str, resize: bool) -> np.ndarray:
    picture = np.asarray(Image.fromarray(read_picture(path)).convert("L"))
    if picture.shape == (SIDE, SIDE):
        return picture
    if not resize:
        raise CollectionError(f"Received the picture {file!r} of {picture.shape[1]} x {picture.shape[0]} pixels, expected {SIDE} x {SIDE}. "
                              "Is it FER2013? If it is meant so, read it with resize=True.")
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _scores(predict: Callable, images: np.ndarray) -> np.ndarray:
    scores = np.asarray(predict(images), float)
    if scores.shape != (len(images), len(EXPRESSIONS)):
        raise ParameterError(f"Received scores of shape {scores.shape} for {len(images)} pictures, expected ({len(images)}, 7), one for "
                             f"each of {', '.join(EXPRESSIONS)}: change `predict`.")
    return scores


# Any labelled folder


def _from_class_folders(folder: Path, pictures: list[str], ignore: tuple) -> pd.DataFrame:
    ignored, rows = {_ignored(name) for name in ignore}, []
    for file in pictures:
        parts = PurePosixPath(file).parts
        if len(parts) < 2:
            raise CollectionError(f"{folder.name!r}: received the picture {file!r} outside any expression's folder, and no {LABELS_FILE}. "
                                  f"Expected folders such as happy and sad: move it, or write {LABELS_FILE} with columns file, expression.")
        if _ignored(parts[-2]) in ignored:
            continue
        split = next((SPLITS[_joined(part)] for part in parts[:-2] if _joined(part) in SPLITS), "")
        rows.append((file, "", _expression(parts[-2], f"{folder.name!r}, folder of {file!r}"), split, np.nan, np.nan))
    return pd.DataFrame(rows, columns=["file", "subject", "expression", "split", "valence", "arousal"])


def _ignored(name: str) -> str:
    try:
        return canonical(name)
    except CompendiumError:
        return str(name).strip().lower()


def _from_labels(folder: Path, labels: str, pictures: list[str], ignore: tuple) -> pd.DataFrame:
    given = read_strictly(folder / labels)
    columns = _label_columns(list(given.columns), labels)
    table = pd.DataFrame({"file": _files(given[columns["file"]], labels, pictures)})
    for name in ("subject", "split"):
        table[name] = [cell.strip() for cell in given[columns[name]]] if name in columns else ""
    table["split"] = [SPLITS.get(_joined(split), split) for split in table["split"]]
    for name in ("valence", "arousal", *(name for name in columns if name.startswith("AU"))):
        low = -1 if name in ("valence", "arousal") else 0
        high = 5 if name.startswith("AU") and not name.endswith("_c") else 1
        table[name] = _numbers(given[columns[name]], name, low, high, labels) if name in columns else np.nan
    ignored = {_ignored(name) for name in ignore}
    cells = given[columns["expression"]] if "expression" in columns else [""] * len(given)
    keep = [_ignored(cell) not in ignored for cell in cells]
    table["expression"] = [
        _expression(cell, f"{labels}, row {row}") if kept and not _is_unknown(cell) else ""
        for row, (cell, kept) in enumerate(zip(cells, keep, strict=True), start=2)
    ]
    return table[keep]


def _label_columns(columns: list[str], labels: str) -> dict[str, str]:
    """Return {our name: column}. Columns that mean nothing here are passed over, unless one looks like a slip of the pen."""
    found = {name: find_column(columns, spellings) for name, spellings in {"file": FILE_COLUMNS, **LABEL_COLUMNS}.items()}
    found = {name: column for name, column in found.items() if column is not None}
    for column in columns:
        match = _UNIT.fullmatch(_plain(column))
        if match and 1 <= int(match[1]) <= 45:
            name = f"AU{int(match[1]):02d}" + ("_c" if match[2] == "_c" else "")
            if name in found:
                raise CollectionError(f"{labels}: received {name} in the columns {found[name]!r} and {column!r}. Expected one.")
            found[name] = column
        elif match:
            raise CollectionError(f"{labels}: received the column {column!r}, expected Action Units AU01 to AU45. Rename or remove it.")
    for column in set(columns) - set(found.values()):
        for name in ("file", *LABEL_COLUMNS):
            if name not in found and _differ_by_one(_plain(column), name):
                raise CollectionError(f"{labels}: received the column {column!r}, which is not read. Did you mean {name!r}? Rename it.")
    if "file" not in found or len(found) == 1:
        raise CollectionError(f"{labels}: received the columns {', '.join(map(repr, columns[:8]))}. Expected file and at least one of "
                              f"{', '.join(LABEL_COLUMNS)}, AU01 … AU45: name the columns so.")
    return found


def _differ_by_one(first: str, second: str) -> bool:
    """Tell whether two words differ by one letter: changed, missing or too many."""
    shorter, longer = sorted((first, second), key=len)
    if len(shorter) == len(longer):
        return sum(one != other for one, other in zip(first, second, strict=True)) == 1
    return any(longer[:place] + longer[place + 1 :] == shorter for place in range(len(longer)))


def _files(cells, labels: str, pictures: list[str]) -> list[str]:
    meant, seen = meant_files(cells, pictures), {}
    lost = [(row, cell) for row, cell in enumerate(cells, start=2) if cell not in meant]
    if lost:
        row, cell = lost[0]
        kind = "" if not cell.strip() or PurePosixPath(cell).suffix.lower() in PICTURE_SUFFIXES else " Its extension is no picture's."
        raise CollectionError(f"{labels}, row {row} (and {len(lost) - 1} more): {why_not_meant(cell, pictures)}{kind} Expected a picture "
                              "below this folder: put it there, or remove the row.")
    for row, cell in enumerate(cells, start=2):
        first = seen.setdefault(meant[cell], row)
        if first != row:
            raise CollectionError(f"{labels}: received the picture {meant[cell]!r} in rows {first} and {row}. Expected one row a picture: "
                                  "remove one.")
    return [meant[cell] for cell in cells]


def _is_unknown(cell: str) -> bool:
    return not cell.strip() or cell.strip().lower() in UNKNOWN


def _numbers(cells, name: str, low: float, high: float, labels: str) -> np.ndarray:
    """Return a column as float64, NaN where unknown; presence (`_c`) must be 0 or 1."""
    values = np.full(len(cells), np.nan)
    for index, cell in enumerate(cells):
        if _is_unknown(cell):
            continue
        try:
            values[index] = float(cell.strip().replace(",", "."))
        except ValueError:
            values[index] = np.inf
        if not low <= values[index] <= high or (name.endswith("_c") and values[index] not in (0, 1)):
            expected = "0 or 1" if name.endswith("_c") else f"a number from {low} to {high}"
            raise CollectionError(f"{labels}, row {index + 2}: received {name} {cell.strip()!r}, expected {expected}. Rescale the column, "
                                  "and leave the cell empty where it is unknown (some corpora write 9, -2 or -5 there).")
    return values


def _subjects(files, pattern: str) -> list[str]:
    try:
        searched = re.compile(pattern)
    except re.error as error:
        raise ParameterError(f"Received subject_pattern {pattern!r}, expected a regular expression ({error}): correct it.") from None
    if searched.groups < 1:
        raise ParameterError(f"Received subject_pattern {pattern!r} without a group, expected one around the subject, as in 'S(\\d+)_'.")
    found = {file: searched.search(file) for file in files}
    lost = [file for file, match in found.items() if not match or not match[1]]
    if lost:
        raise CollectionError(f"The subject_pattern {pattern!r} finds no subject in {len(lost)} pictures, for example {lost[0]!r}. "
                              "Expected one in each, or people could end up in two splits: change the pattern.")
    return [match[1] for match in found.values()]
