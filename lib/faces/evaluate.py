"""Faces: found boxes against boxes drawn by hand: hits, false positives, misses, recall with intervals over objects.

Truth comes as text: `face_boxes` "x,y,w,h;x,y,w,h" (pixels of the original picture; empty: no face) and, in the same order, columns of
names per box such as `face_views` "frontal;profile".
"""

import re

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from lib.compendium.errors import CollectionError, ParameterError

BOX = ["x", "y", "width", "height"]
MINIMUM_OVERLAP = 0.4  # hand-drawn boxes and detectors' boxes follow different conventions; one half would be too strict


def parse_boxes(text) -> np.ndarray:
    """Parse "x,y,w,h;x,y,w,h" into float64 (n, 4). Blanks, a trailing semicolon, None, NaN and "" (no face) are accepted.

    Raises CollectionError for anything else: not four numbers, not finite, or a width or height that is not positive.
    """
    return np.array([_parse_box(part) for part in _parts(text)], float).reshape(-1, 4)


def _parts(text) -> list:
    if text is None or (isinstance(text, float) and np.isnan(text)) or text is pd.NA:
        return []
    return [part.strip() for part in str(text).split(";") if part.strip()]


def _parse_box(part: str) -> list:
    words = re.split(r"\s*,\s*|\s+", part.strip("()[] "))
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 4 or not np.all(np.isfinite(values)) or min(values[2:], default=0) <= 0:
        raise CollectionError(f"Received the face box {part!r}, expected x,y,width,height in pixels with positive width and height: "
                              "correct the face_boxes column.")
    return values


def parse_names(text, count: int) -> list:
    """Parse "frontal;profile" into `count` names. "" gives `count` empty names; another number of names raises CollectionError."""
    names = _parts(text)
    if names and len(names) != count:
        raise CollectionError(f"Received {len(names)} names ({text!r}) for {count} face boxes, expected one name per box, separated by "
                              "semicolons: correct the row.")
    return names or [""] * count


def pairwise_overlap(first, second) -> np.ndarray:
    """Return intersection over union of every box (n, 4) with every box (m, 4), x, y, width, height. Float64 (n, m), 0 to 1."""
    first, second = (np.asarray(boxes, float).reshape(-1, 4) for boxes in (first, second))
    shared = shared_area(first, second)
    union = np.prod(first[:, 2:], axis=1)[:, None] + np.prod(second[:, 2:], axis=1)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def shared_area(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the area in square pixels that every box (n, 4) shares with every box (m, 4). Float64 (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, :2] + first[:, None, 2:], second[None, :, :2] + second[None, :, 2:])
    return np.prod(np.maximum(0.0, high - low), axis=2)


def match(found, truth, minimum_overlap: float = MINIMUM_OVERLAP) -> list:
    """Pair found boxes (n, 4) with true boxes (m, 4), one to one: most pairs first, then the largest overlap in all.

    Returns a list of (found index, truth index, overlap), each overlap at least `minimum_overlap` (above 0 to 1).
    """
    if not 0 < minimum_overlap <= 1:
        raise ParameterError(f"Received minimum_overlap {minimum_overlap}, expected above 0 and at most 1: change the parameter.")
    overlap = pairwise_overlap(found, truth)
    worth = np.where(overlap >= minimum_overlap, 1 + min(overlap.shape) + overlap, 0.0)  # one more pair outweighs any overlap
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(row), int(column), float(overlap[row, column])) for row, column in zip(rows, columns, strict=True)
            if overlap[row, column] >= minimum_overlap]


def compare(truth: pd.DataFrame, faces: pd.DataFrame, minimum_overlap: float = MINIMUM_OVERLAP, key: str = "image_id",
            object_column: str = "object", names: tuple = ("face_views",), columns: tuple = ()) -> tuple:
    """Compare a table of truth (one row a picture) with a table of found faces (one row a face).

    `truth`: columns `key`, `object_column`, `face_boxes`, the columns of `names` (one name per box, optional) and `columns` (kept as
    they are). `faces`: columns `key`, x, y, width, height and, if there, rung and detector. Returns two tables: true boxes (`key`,
    object, box_index, x, y, width, height, overlap, hit, rung, detector, + names and columns; a name column `face_views` becomes
    `view`, `face_legibility` becomes `legibility`) and pictures (`key`, object, faces, found, hits, misses, false_positives + columns).
    """
    missing = [name for name in (key, object_column, "face_boxes", *columns) if name not in truth] + \
              [name for name in (key, *BOX) if name not in faces]
    if missing:
        raise CollectionError(f"Received tables without the column(s) {', '.join(missing)}, expected {key}, {object_column}, face_boxes "
                              f"in the truth and {key}, x, y, width, height in the faces: name the columns.")
    if truth[key].duplicated().any():
        twice = truth.loc[truth[key].duplicated(), key].iloc[0]
        raise CollectionError(f"Received the picture {twice!r} twice in the truth, expected one row a picture: join its boxes with ';'.")
    groups = dict(tuple(faces.groupby(key, sort=False)))
    pairs = [_compare_picture(row, groups.get(row[key], faces.iloc[:0]), minimum_overlap, key, object_column, names, columns)
             for row in truth.to_dict("records")]
    boxes = pd.DataFrame([box for picture in pairs for box in picture[0]], columns=_box_columns(key, names, columns))
    return boxes, pd.DataFrame([picture[1] for picture in pairs])


def _box_columns(key: str, names, columns) -> list:
    return [key, "object", "box_index", *BOX, "overlap", "hit", "rung", "detector", *map(_singular, names), *columns]


def _singular(name: str) -> str:
    return {"face_views": "view", "face_legibility": "legibility"}.get(name, name)


def _compare_picture(row: dict, found: pd.DataFrame, minimum_overlap: float, key: str, object_column: str, names, columns) -> tuple:
    boxes = parse_boxes(row["face_boxes"])
    of_box = {_singular(name): parse_names(row.get(name), len(boxes)) for name in names}
    hits = {column: (index, overlap) for index, column, overlap in match(found[BOX].to_numpy(float), boxes, minimum_overlap)}
    kept = {name: row[name] for name in columns}
    rows = []
    for index, box in enumerate(boxes):
        face, overlap = hits.get(index, (None, 0.0))
        which = {name: "" if face is None or name not in found else str(found[name].iloc[face]) for name in ("rung", "detector")}
        rows.append({key: row[key], "object": row[object_column], "box_index": index, **dict(zip(BOX, box.tolist(), strict=True)),
                     "overlap": overlap, "hit": face is not None, **which,
                     **{name: values[index] for name, values in of_box.items()}, **kept})
    counts = {"faces": len(boxes), "found": len(found), "hits": len(hits), "misses": len(boxes) - len(hits),
              "false_positives": len(found) - len(hits)}
    return rows, {key: row[key], "object": row[object_column], **counts, **kept}


def ratio_interval(numerator, denominator, objects, resamples: int = 2000, seed: int = 0, level: float = 0.95) -> tuple:
    """Return a ratio of sums with a bootstrap percentile interval that resamples objects, not files.

    `numerator`, `denominator`: (n,) numbers of each row; `objects`: (n,) names. Several photographs of one object are not independent,
    so whole objects are drawn. Returns (ratio, low, high); with fewer than two objects the interval is NaN, without rows the ratio too.
    """
    table = pd.DataFrame({"n": np.asarray(numerator, float), "d": np.asarray(denominator, float), "o": np.asarray(objects, object)})
    sums = table.groupby("o")[["n", "d"]].sum().to_numpy()
    total = sums.sum(axis=0) if len(sums) else np.zeros(2)
    ratio = float(total[0] / total[1]) if total[1] else float("nan")
    if len(sums) < 2:
        return ratio, float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    tops, bottoms = sums[drawn, 0].sum(axis=1), sums[drawn, 1].sum(axis=1)
    ratios = tops[bottoms > 0] / bottoms[bottoms > 0]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2]) if len(ratios) else (np.nan, np.nan)
    return ratio, float(low), float(high)


def recall(boxes: pd.DataFrame, by: tuple = (), resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return the recall of true boxes (first table of `compare`), one row per group of the columns `by`.

    Columns: those of `by`, objects, faces, hits, recall (0 to 1), low, high (95 % interval over objects).
    """
    return _ratios(boxes, by, "hit", ("faces", "hits", "recall"), resamples, seed)


def false_positives(pictures: pd.DataFrame, by: tuple = (), resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return false positives per picture (second table of `compare`), one row per group of the columns `by`.

    Columns: those of `by`, objects, pictures, false_positives, per_picture, low, high (95 % interval over objects).
    """
    return _ratios(pictures, by, "false_positives", ("pictures", "false_positives", "per_picture"), resamples, seed)


def _ratios(table: pd.DataFrame, by: tuple, counted: str, names: tuple, resamples: int, seed: int) -> pd.DataFrame:
    """Return, by group, the rows of a table, the sum of a column over them and their ratio, under `names`, with its interval."""
    groups = table.groupby(list(by), sort=True, dropna=False) if by else [((), table)]
    rows = []
    for keys, group in groups:
        ratio, low, high = ratio_interval(group[counted], np.ones(len(group)), group["object"], resamples, seed)
        rows.append((*keys, group["object"].nunique(), len(group), int(group[counted].sum()), ratio, low, high))
    return pd.DataFrame(rows, columns=[*by, "objects", *names, "low", "high"])
