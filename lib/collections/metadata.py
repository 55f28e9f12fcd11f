"""Collections: joins what a museum's own `metadata.csv` says about its pictures to the files, whatever its columns are called."""

import csv
import os
import re
import unicodedata
from collections import Counter, defaultdict
from io import StringIO
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pandas as pd

from lib.collections.folder import list_folder, sharing_longest_end
from lib.compendium.errors import CollectionError

METADATA_NAMES = ("metadata.csv", "manifest.csv")  # the first one found in a folder holds
FILE_COLUMNS = (
    "file", "filename", "file_name", "file_path", "filepath", "path", "image", "image_file", "imagefile", "image_name", "image_filename",
    "image_path", "img", "photo", "photograph", "picture", "picture_file", "relative_path", "name",
)  # fmt: skip
OWN_COLUMNS = (
    "image_id", "collection", "file", "status", "reason", "width", "height", "format", "mode", "bytes", "sha256", "perceptual_hash",
    "duplicate_of", "near_duplicate_group", "note", "box_source",
)  # fmt: skip
DESCRIPTIVE_COLUMNS = ("face_boxes", "face_views", "object", "culture", "material", "licence", "date", "title")
SYNONYMS = {  # ours: the names museums give it, the first one present is taken
    "object": ("object", "object_id", "accession_number", "accession_no", "inventory_number", "object_number", "statue", "identity",
               "individual", "subject_id", "person", "sculpture"),
    "culture": ("culture", "cultures", "civilisation", "civilization"),
    "material": ("material", "materials", "medium"),
    "licence": ("licence", "license", "rights", "copyright", "usage_rights"),
    "date": ("date", "dated", "object_date", "date_text", "creation_date", "period"),
    "title": ("title", "object_title", "object_name", "caption"),
    "face_boxes": ("face_boxes", "face_box", "boxes"),
    "face_views": ("face_views",),
}  # fmt: skip
BOX_COLUMNS = (
    ("face_x", "face_y", "face_w", "face_h"),
    ("face_x", "face_y", "face_width", "face_height"),
    ("face_left", "face_top", "face_width", "face_height"),
)
UNKNOWN = ("?", "unknown", "n/a", "na", "nan", "null", "not annotated")  # nobody has looked for faces
NO_FACE = ("", "none", "no face", "[]", "-", "0")  # somebody has looked, there is none
FRONTAL_DEGREES = 25  # up to here a face is called frontal ...
THREE_QUARTER_DEGREES = 60  # ... up to here three-quarter, beyond that profile
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def find_metadata(folder: Path | str) -> list[str]:
    """Return the metadata files of a folder and its subfolders as relative paths, outermost first; one a folder.

    In each folder `metadata.csv` holds, or `manifest.csv` where there is none (any case). Raises CollectionError for a bad folder.
    """
    found = {}
    for name in list_folder(folder).metadata:
        path = PurePosixPath(name)
        if path.name.lower() in METADATA_NAMES:
            rank = METADATA_NAMES.index(path.name.lower())
            found[path.parent] = min(found.get(path.parent, (9, "")), (rank, name))
    return [name for _, name in sorted(found.values(), key=lambda item: (item[1].count("/"), item[1]))]


def read_metadata(path: Path | str) -> tuple[pd.DataFrame, list[str]]:
    """Return a metadata file as a table of text (empty cells are ""), and plain sentences about rows that are not as they should be.

    Understands a byte order mark, UTF-16, Latin-1, commas, semicolons and tabs. Raises CollectionError if it is no table of text.
    """
    path = Path(path)
    rows = _rows(_text(path), path)
    if not rows:
        raise CollectionError(f"{path.name!r} is empty. Expected column names and a line for each picture. Fill or remove it.")
    header, problems = _header(rows[0]), []
    table = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            problems.append(f"{path.name}, row {number}: {len(row)} cells where the header has {len(header)}")
        table.append((row + [""] * len(header))[: len(header)])
    return pd.DataFrame(table, columns=header, dtype=object), problems


def join_metadata(folder: Path | str, files: list[str]) -> tuple[pd.DataFrame, dict]:
    """Return what the metadata says about each picture: one row per file of `files` (relative paths), in their order, and a report.

    The table has `file`, every column of DESCRIPTIVE_COLUMNS (missing where nothing is known) and all other columns as they were;
    a column named like one of the image table's gets the suffix `_metadata`. `face_boxes` is "x,y,w,h;x,y,w,h" in pixels, "" where
    someone has looked and there is no face, missing where nobody has looked. The report has `metadata_files`, `rows`,
    `pictures_with_metadata`, `pictures_without_metadata`, `rows_without_picture` (names), `problems` (sentences).
    Raises CollectionError if there are metadata files and none matches any picture.
    """
    folder, sources = Path(folder).expanduser(), find_metadata(folder)
    records, problems, unmatched, rows, seen = {}, [], [], 0, []
    for source in sources:
        table, said = read_metadata(folder / source)
        problems += said
        rows += len(table)
        found, lost, said = _match_source(source, table, files)
        problems += said
        unmatched += lost
        seen.append((source, list(table.columns), table))
        for file, record in found.items():
            records[file] = {**records.get(file, {}), **record}
    if sources and not records:
        raise CollectionError(_no_match_message(seen, files))
    joined = _tidy(files, records)
    report = {
        "metadata_files": sources,
        "rows": rows,
        "pictures_with_metadata": len(records),
        "pictures_without_metadata": len(files) - len(records),
        "rows_without_picture": unmatched,
        "problems": problems,
    }
    return joined, report


def parse_boxes(text: str | None) -> list[tuple[float, float, float, float]] | None:
    """Return face boxes as (x, y, width, height) in pixels; [] for "no face"; None for "not known".

    Raises ValueError if the text is no list of four numbers each, with widths and heights above 0.
    """
    if text is None or (isinstance(text, float) and text != text) or text is pd.NA:
        return None
    words = str(text).strip().lower()
    if words in UNKNOWN:
        return None
    if words in NO_FACE:
        return []
    if re.sub(r"[\d.,;|\[\]()\seE+-]", "", words):
        raise ValueError(f"{text!r} is no list of boxes x,y,width,height;...")
    numbers = [float(number) for number in _NUMBER.findall(words)]
    boxes = [tuple(numbers[start : start + 4]) for start in range(0, len(numbers), 4)]
    if not numbers or len(numbers) % 4 or any(box[2] <= 0 or box[3] <= 0 for box in boxes):
        raise ValueError(f"{text!r} is no list of boxes x,y,width,height;... with sizes above 0")
    return boxes


def boxes_text(boxes: list | None) -> str | None:
    """Return boxes as "x,y,w,h;x,y,w,h" with at most two decimals; "" for none; None for "not known"."""
    if boxes is None:
        return None
    return ";".join(",".join(f"{float(value):.2f}".rstrip("0").rstrip(".") for value in box) for box in boxes)


def view_of_yaw(degrees: float) -> str:
    """Return the view of a head turned by so many degrees from the camera, either way: frontal, three-quarter or profile."""
    turned = abs((float(degrees) + 180) % 360 - 180)
    return "frontal" if turned <= FRONTAL_DEGREES else "three-quarter" if turned <= THREE_QUARTER_DEGREES else "profile"


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CollectionError(f"{path.name!r} cannot be read ({error.strerror}). Expected a CSV file. Change its permissions.") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4096]:
        raise CollectionError(f"{path.name!r} holds no text. Expected a CSV file (an Excel file? save it as CSV UTF-8).")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _rows(text: str, path: Path) -> list[list[str]]:
    text = text.lstrip("\ufeff")
    hint = re.match(r"\s*sep=(.)\s*\r?\n", text)  # Excel's own first line
    text = text[hint.end() :] if hint else text
    delimiter = hint.group(1) if hint else _delimiter(text)
    try:
        rows = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise CollectionError(f"{path.name!r} cannot be read as a table ({error}). Expected CSV. Save it again as CSV UTF-8.") from None
    return [row for row in rows if any(cell.strip() for cell in row)]


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max((",", ";", "\t", "|"), key=lambda letter: len(next(csv.reader([first], delimiter=letter), [])))


def _header(cells: list[str]) -> list[str]:
    names, seen = [], Counter()
    for number, cell in enumerate(cells, start=1):
        name = " ".join(cell.split()) or f"column_{number}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names if len(set(names)) == len(names) else [f"{name}_{number}" for number, name in enumerate(names, start=1)]


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", unicodedata.normalize("NFC", str(name)).strip().lower()).strip("_")


class _Finder:
    """Finds the picture a metadata cell means: by its path, by the end of its path, by its name, by its name without extension."""

    def __init__(self, files: list[str], below: str):
        self.files = [file for file in files if file.startswith(below)]
        self.exact = {file[len(below) :]: file for file in self.files}  # before anything else: A.jpg is not a.jpg
        self.by_path = {_path_key(file): file for file in self.files}
        self.by_path.update({_path_key(name): file for name, file in self.exact.items()})  # a path seen from its own folder wins
        self.by_name, self.by_stem = defaultdict(list), defaultdict(list)
        for file in self.files:
            self.by_name[_path_key(file).rsplit("/", 1)[-1]].append(file)
            self.by_stem[_stem(_path_key(file))].append(file)

    def find(self, cell: str) -> tuple[str | None, bool]:
        """Return (file or None, whether it was ambiguous)."""
        if cell in self.exact:
            return self.exact[cell], False
        if re.search("%[0-9A-Fa-f]{2}", cell) and unquote(cell) != cell:  # copied from an address: try both spellings
            found = self.find(unquote(cell))
            if found[0]:
                return found
        key = _path_key(cell)
        if not key:
            return None, False
        if key in self.by_path:
            return self.by_path[key], False
        candidates = self.by_name.get(key.rsplit("/", 1)[-1], []) or self.by_stem.get(_stem(key), [])
        nearest = sharing_longest_end(unicodedata.normalize("NFC", str(cell)).replace("\\", "/"), candidates)
        return nearest, nearest is None and len(candidates) > 1


def _path_key(text: str) -> str:
    path = unicodedata.normalize("NFC", str(text)).strip().replace("\\", "/").casefold()
    return re.sub(r"^(?:[a-z]:)?(?:\.?/)+", "", path)


def _stem(key: str) -> str:
    return os.path.splitext(key.rsplit("/", 1)[-1])[0]  # noqa: PTH122


def _match_source(source: str, table: pd.DataFrame, files: list[str]) -> tuple[dict, list[str], list[str]]:
    """Return {file: record}, the cells that match no picture, and sentences about what is wrong, for one metadata file."""
    finder = _Finder(files, source.rpartition("/")[0] + "/" if "/" in source else "")
    column = _file_column(table, finder)
    if column is None:
        return {}, [], [f"{source}: no column names pictures (columns: {', '.join(map(str, table.columns[:8]))})"]
    found, lost, problems = {}, [], []
    for number, row in enumerate(table.to_dict("records"), start=2):
        cell = row.pop(column) if _plain(column) == "file" else row[column]
        file, ambiguous = finder.find(cell)
        if file is None:
            lost.append(str(cell))
            if ambiguous:
                problems.append(f"{source}, row {number}: {cell!r} is the name of several pictures; give its path")
            continue
        record = _record(row, f"{source}, row {number}", problems)
        if file in found:
            _merge_second_row(found[file], record, f"{source}, row {number}: a second row for {file!r}", problems)
        else:
            found[file] = record
    return found, lost, problems


def _merge_second_row(first: dict, second: dict, where: str, problems: list[str]) -> None:
    """Keep the first row of a picture; a table with one row per face gives its further boxes."""
    boxes, views = (first.get("face_boxes"), second.get("face_boxes")), (first.get("face_views"), second.get("face_views"))
    if all(boxes) and boxes[0] != boxes[1]:
        first["face_boxes"] = ";".join(boxes)
        first["face_views"] = ";".join(view or "" for view in views) if any(views) else None
        problems.append(f"{where}; its face box was added to the first row's")
    else:
        problems.append(f"{where} was left out")


def _file_column(table: pd.DataFrame, finder: _Finder) -> str | None:
    """Return the column whose cells name the most pictures; a column called like one comes before any other."""
    named = [column for wanted in FILE_COLUMNS for column in table.columns if _plain(column) == wanted]
    for columns in (named, [column for column in table.columns if column not in named]):
        matches = [sum(finder.find(cell)[0] is not None for cell in table[column]) for column in columns]
        if matches and max(matches) > 0:
            return columns[matches.index(max(matches))]
    return named[0] if named else None


def _record(row: dict, where: str, problems: list[str]) -> dict:
    """Return one metadata row as text, empty cells missing, with our own columns derived and clashing names changed."""
    names = {_plain(column): column for column in reversed(row)}
    ours = {target: _first(row, names, synonyms) for target, synonyms in SYNONYMS.items()}
    ours["face_boxes"] = _boxes_of(row, names, where, problems)
    ours["face_views"] = _views_of(row, names, ours["face_boxes"], where, problems)
    kept = {}
    for column, cell in row.items():
        if _plain(column) in DESCRIPTIVE_COLUMNS:
            continue
        kept[f"{column}_metadata" if column in OWN_COLUMNS else column] = cell.strip() or None
    return {**ours, **kept}


def _first(row: dict, names: dict, synonyms: tuple) -> str | None:
    return next((row[names[name]].strip() or None for name in synonyms if name in names), None)


def _boxes_of(row: dict, names: dict, where: str, problems: list[str]) -> str | None:
    text = next((row[names[name]] for name in SYNONYMS["face_boxes"] if name in names), None)
    if text is None:
        columns = next((four for four in BOX_COLUMNS if all(name in names for name in four)), None)
        if columns is None:
            return None
        text = ",".join(row[names[name]].strip().replace(",", ".") for name in columns).strip(",")  # 10,5 is a number, too
    try:
        return boxes_text(parse_boxes(text))
    except ValueError as error:
        problems.append(f"{where}: {error}; taken as not known")
        return None


def _views_of(row: dict, names: dict, boxes: str | None, where: str, problems: list[str]) -> str | None:
    """Return a view per box: as given, or for the largest box from a column `view` or `yaw`."""
    if not boxes:
        return boxes
    count = boxes.count(";") + 1
    given = row[names["face_views"]].strip() if "face_views" in names else ""
    if given:
        views = [view.strip() for view in re.split("[;|]", given)]
        if len(views) == count:
            return ";".join(views)
        problems.append(f"{where}: {len(views)} face views for {count} face boxes; views taken as not known")
        return None
    view = _single_view(row, names)
    if not view:
        return None
    sizes = [box[2] * box[3] for box in parse_boxes(boxes)]
    return ";".join(view if number == sizes.index(max(sizes)) else "" for number in range(count))


def _single_view(row: dict, names: dict) -> str:
    view = row[names["view"]].strip() if "view" in names else ""
    if view or "yaw" not in names:
        return view
    try:
        degrees = float(row[names["yaw"]].replace(",", "."))
    except ValueError:
        return ""
    return view_of_yaw(degrees) if abs(degrees) < 1e6 else ""


def _tidy(files: list[str], records: dict) -> pd.DataFrame:
    others = list(dict.fromkeys(column for record in records.values() for column in record if column not in DESCRIPTIVE_COLUMNS))
    stems = Counter(PurePosixPath(file).stem for file in files)
    rows = []
    for file in files:
        record = records.get(file, {})
        path = PurePosixPath(file)
        own_name = path.stem if stems[path.stem] == 1 else path.with_suffix("").as_posix()  # two folders may count from 1
        cells = {column: record.get(column) for column in (*DESCRIPTIVE_COLUMNS, *others)}
        rows.append({**cells, "object": cells["object"] or own_name})
    table = pd.DataFrame(rows, columns=[*DESCRIPTIVE_COLUMNS, *others], dtype=object)
    table.insert(0, "file", files)
    return table


def _no_match_message(seen: list, files: list[str]) -> str:
    source, columns, table = max(seen, key=lambda item: len(item[2]))
    cells = [str(cell) for column in columns if _plain(column) in FILE_COLUMNS for cell in table[column].head(2)]
    example = f"for example {cells[0]!r}" if cells else f"its columns are {', '.join(map(repr, columns[:6]))}"
    picture = f", for example {files[0]!r}" if files else ""
    return (
        f"{source!r} has {len(table)} rows and none names a picture of this folder ({example}). "
        f"Expected a column `file` with names of pictures{picture}. Correct that column, or remove the file."
    )
