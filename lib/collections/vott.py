"""Collections: reads face boxes drawn with Microsoft's VoTT: its CSV and JSON exports, its project file, its files per picture."""

import csv
import json
import math
import re
from collections import defaultdict
from io import StringIO
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pandas as pd

from lib.collections.folder import list_folder, sharing_longest_end
from lib.compendium.errors import CollectionError

COLUMNS = ["file", "x", "y", "width", "height", "label"]
CSV_COLUMNS = ("image", "xmin", "ymin", "xmax", "ymax", "label")
LABEL_SEPARATOR = "; "
RANKS = ("json export", "csv export", "project", "asset")  # which source is believed where several speak of one picture
LARGEST = 200_000_000  # bytes; a larger JSON file in a folder of pictures is something else


def read_vott(path: Path | str) -> pd.DataFrame:
    """Return the boxes of one VoTT file: columns `file` (as VoTT knew it), `x`, `y`, `width`, `height` (pixels, float), `label`.

    Understands the CSV export, the JSON export, the project file `*.vott` (with its `*-asset.json` beside it) and one `*-asset.json`.
    A box with two tags is one row with both in `label`, joined by "; ". Boxes without size are left out.
    Raises CollectionError if the file is anything else.
    """
    path = Path(path)
    text = _text(path)
    rows = _csv_boxes(text, path) if path.suffix.lower() == ".csv" else _json_boxes(text, path)
    return _table(rows)


def find_vott(folder: Path | str) -> list[str]:
    """Return the VoTT files in a folder and its subfolders as sorted relative paths. Raises CollectionError for a bad folder."""
    folder = Path(folder).expanduser()
    return [name for name in list_folder(folder).metadata if _kind(folder / name)]


def match_vott(boxes: pd.DataFrame, files: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the boxes with `file` replaced by the picture meant, and the sorted names that mean none or several.

    `files` are relative paths. The longest common end of the paths decides, so `C:/photos/a/1.jpg` finds `a/1.jpg`, not `b/1.jpg`.
    """
    by_name = defaultdict(list)
    for file in files:
        by_name[PurePosixPath(file).name.casefold()].append(file)
    meant = {name: _meant(name, by_name) for name in boxes["file"].unique()}
    matched = boxes.assign(file=boxes["file"].map(meant))
    matched = matched[matched["file"].notna()].drop_duplicates(["file", "x", "y", "width", "height"])
    return matched.sort_values(["file", "y", "x"], kind="stable").reset_index(drop=True), sorted(k for k, v in meant.items() if v is None)


def folder_boxes(folder: Path | str, files: list[str]) -> tuple[pd.DataFrame, dict]:
    """Return all VoTT boxes of a folder's pictures (columns as `read_vott`), and a JSON-able report.

    Where several VoTT files speak of one picture, an export is believed before the project it came from. The report has
    `vott_files`, `boxes`, `pictures` (with boxes), `unmatched` (names that mean no picture here) and `problems` (files not readable).
    """
    folder, found = Path(folder).expanduser(), find_vott(folder)
    by_rank, table, unmatched, problems = defaultdict(list), _table([]), set(), []
    for name in found:
        try:
            by_rank[_kind(folder / name)].append(read_vott(folder / name))
        except CollectionError as error:  # one damaged file among many is no reason to stop the census
            problems.append(str(error))
    for rank in RANKS:
        boxes, lost = match_vott(_joined(by_rank[rank]), files)
        unmatched.update(lost)
        table = _joined([table, boxes[~boxes["file"].isin(set(table["file"]))]])
    table = table.sort_values(["file", "y", "x"], ignore_index=True)
    pictures = int(table["file"].nunique())
    return table, {
        "vott_files": found, "boxes": len(table), "pictures": pictures, "unmatched": sorted(unmatched), "problems": problems,
    }  # fmt: skip


def boxes_by_file(boxes: pd.DataFrame) -> dict[str, str]:
    """Return {file: "x,y,w,h;..."} of a table of boxes, in its order, as in the image table's `face_boxes`."""
    from lib.collections.metadata import boxes_text

    return {file: boxes_text(rows[["x", "y", "width", "height"]].to_numpy().tolist()) for file, rows in boxes.groupby("file", sort=False)}


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else _table([])


def _table(rows: list[tuple]) -> pd.DataFrame:
    """Gather rows (file, x, y, width, height, label), joining the labels of one box."""
    labels = {}
    for *box, label in rows:
        found = labels.setdefault(tuple(box), [])
        if label and label not in found:
            found.append(label)
    table = pd.DataFrame([(*box, LABEL_SEPARATOR.join(found)) for box, found in labels.items()], columns=COLUMNS)
    return table.astype({"file": object, "x": float, "y": float, "width": float, "height": float, "label": object})


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise CollectionError(f"{path.name!r} cannot be read ({error.strerror}). Expected a VoTT export.") from None


def _refuse(path: Path, what: str) -> CollectionError:
    return CollectionError(f"{path.name!r} {what}. Expected a VoTT export (CSV with {', '.join(CSV_COLUMNS)}; or JSON). Export it again.")


def _csv_boxes(text: str, path: Path) -> list[tuple]:
    try:
        rows = [row for row in csv.reader(StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise _refuse(path, f"is no table ({error})") from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if any(column not in header for column in CSV_COLUMNS):
        raise _refuse(path, f"has the columns {', '.join(header[:8]) or '(none)'}")
    places = [header.index(column) for column in CSV_COLUMNS]
    boxes = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) <= max(places):
            raise _refuse(path, f"has too few cells in row {number}")
        image, *corners, label = (row[place].strip() for place in places)
        box = _corners(corners)
        if box is None:
            raise _refuse(path, f"has a box that is no four numbers in row {number} ({', '.join(corners)})")
        if image and box[2] > 0 and box[3] > 0:
            boxes.append((_clean_path(image), *box, label))
    return boxes


def _corners(cells: list) -> tuple | None:
    try:
        left, top, right, bottom = (float(cell) for cell in cells)
    except (TypeError, ValueError, OverflowError):
        return None
    if not all(map(math.isfinite, (left, top, right, bottom))):
        return None
    return min(left, right), min(top, bottom), abs(right - left), abs(bottom - top)


def _json_boxes(text: str, path: Path) -> list[tuple]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refuse(path, f"is no JSON ({str(error)[:60]})") from None
    if isinstance(content, dict) and isinstance(content.get("asset"), dict):
        return _asset_boxes(content, path)
    assets = content.get("assets") if isinstance(content, dict) else None
    if not isinstance(assets, dict):
        raise _refuse(path, "has no `assets`")
    boxes = []
    for asset_id, entry in assets.items():
        boxes += _asset_boxes(_whole_entry(str(asset_id), entry, path), path)
    return boxes


def _whole_entry(asset_id: str, entry: object, path: Path) -> dict:
    """Return an asset with its regions; a project file (`.vott`) keeps them in a file of their own beside it."""
    if isinstance(entry, dict) and "asset" in entry:
        return entry
    beside = path.with_name(f"{asset_id}-asset.json")
    if re.fullmatch(r"[\w-]+", asset_id) and beside.is_file():
        try:
            return json.loads(_text(beside))
        except (ValueError, RecursionError):
            raise _refuse(beside, "is no JSON") from None
    return {"asset": entry, "regions": []}


def _asset_boxes(entry: object, path: Path) -> list[tuple]:
    asset = entry.get("asset") if isinstance(entry, dict) else None
    regions = entry.get("regions") or [] if isinstance(entry, dict) else None
    if not isinstance(asset, dict) or not isinstance(regions, list):
        raise _refuse(path, "has an asset without a description or with regions that are no list")
    name = asset.get("path") or asset.get("name")
    if not isinstance(name, str) or not name:
        raise _refuse(path, "has an asset without a path or name")
    boxes = []
    for region in regions:
        box = _region_box(region)
        if box is None:
            raise _refuse(path, f"has a region without a box or points (picture {_clean_path(name)!r})")
        given = region.get("tags")
        tags = [str(tag) for tag in given] if isinstance(given, list) and given else [""]
        if box[2] > 0 and box[3] > 0:
            boxes += [(_clean_path(name), *box, tag) for tag in tags]
    return boxes


def _region_box(region: object) -> tuple | None:
    """Return (x, y, width, height) of a region: its bounding box, or the extent of its points."""
    if not isinstance(region, dict):
        return None
    box = region.get("boundingBox")
    if isinstance(box, dict):
        try:
            left, top, width, height = (float(box[key]) for key in ("left", "top", "width", "height"))
            return _corners([left, top, left + width, top + height])
        except (KeyError, TypeError, ValueError, OverflowError):
            pass
    try:
        xs, ys = zip(*((float(point["x"]), float(point["y"])) for point in region.get("points") or []), strict=True)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return _corners([min(xs), min(ys), max(xs), max(ys)])


def _clean_path(text: str) -> str:
    """Turn `file:C:/My%20photos/a.jpg` into `C:/My photos/a.jpg`, with forward slashes; other names stay as they are."""
    path = text.strip()
    if re.match(r"(?i)(file|https?):", path):
        path = unquote(re.sub(r"[?#].*$", "", re.sub(r"(?i)^file:(//)?", "", path)))
    path = path.replace("\\", "/")
    return re.sub(r"^/+(?=[A-Za-z]:/)", "", path)


def _meant(name: str, by_name: dict) -> str | None:
    """Return the file a VoTT path means: of those with its name, the one sharing the longest end of the path; None if in doubt."""
    for spelled in dict.fromkeys((name, unquote(name))):
        candidates = by_name.get(PurePosixPath(spelled).name.casefold(), [])
        if candidates:
            return sharing_longest_end(spelled, candidates)
    return None


def _kind(path: Path) -> str | None:
    """Tell what sort of VoTT file this is, one of RANKS, or None."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".vott":
            return "project"
        if suffix == ".csv":
            with path.open("rb") as file:
                first = file.readline(4096).decode("utf-8-sig", errors="replace")
            header = [cell.strip().strip('"').lower() for cell in first.split(",")]
            return "csv export" if all(column in header for column in CSV_COLUMNS) else None
        if path.name.lower().endswith("-asset.json"):
            return "asset"
        with path.open("rb") as file:
            large, head = path.stat().st_size > LARGEST, file.read(65536)
        return "json export" if not large and b'"assets"' in head and b'"asset"' in head else None
    except OSError:
        return None
