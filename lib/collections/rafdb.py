"""Collections: RAF-DB's single-label pictures (Li, Deng and Du 2017), the living faces of the terracotta study, in their published layout.

Given to researchers on request; nothing of it comes with this repository. 15,339 faces with one of seven expressions, divided by the
corpus itself: 12,271 to learn from, 3,068 to be tested on. Labels are truth, so whatever is in doubt is an error that names its place.
"""

import re
from pathlib import Path

import pandas as pd

from lib.collections.folder import existing_folder
from lib.compendium.errors import CollectionError, ParameterError, did_you_mean
from lib.expressions import EXPRESSIONS, ORDERS

ORDER = ORDERS["raf_db"]  # labels 1 to 7
LIST = "list_patition_label.txt"  # spelled so by its publishers
KINDS = {"aligned": "_aligned.jpg", "original": ".jpg"}  # folders below Image/, and how a picture's name ends there
COLUMNS = ["path", "file", "subject", "expression", "split", "corpus"]
LAYOUT = f"EmoLabel/{LIST} (lines such as 'train_00001.jpg 5') and Image/aligned/train_00001_aligned.jpg"
GET = ("ask its authors for access, for non-commercial research only, as http://www.whdeng.cn/RAF/model1.html says; unpack EmoLabel and "
       "Image/aligned of its part 'basic' and give that folder")  # fmt: skip
# Pictures in all (Tian et al., section 3.2), and those of the corpus's own test part.
WHOLE = {"surprise": 1619, "fear": 355, "disgust": 877, "happy": 5957, "sad": 2460, "angry": 867, "neutral": 3204}
TEST = {"surprise": 329, "fear": 74, "disgust": 160, "happy": 1185, "sad": 478, "angry": 162, "neutral": 680}
_LINE = re.compile(r"((train|test)_\d+)(?:_aligned)?\.jpg\s+(\S+)", re.IGNORECASE)


def read(folder: Path | str, kind: str = "aligned", split: str = "") -> pd.DataFrame:
    """Return RAF-DB's pictures, one row each: path, file (below the folder), subject, expression, split (train or test), corpus.

    folder: "basic" of the corpus, or one that holds it. kind: "aligned" (100 × 100 pixels; not stated in the paper which, this is what ARM
    was published with) or "original". split: "train" or "test"; "" both. Pictures are not opened. Who is shown is not published: `subject`
    is the picture, so people may be on both sides of any split. Raises ParameterError, and CollectionError, with how to get the corpus,
    for a folder that is not there or holds something else, a label that is not 1 to 7, a picture that is missing or named twice.
    """
    if kind not in KINDS:
        raise ParameterError(f"Received the kind {kind!r}, expected one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    if split not in ("", "train", "test"):
        raise ParameterError(f"Received the split {split!r}, expected train, test, or nothing for both: change the parameter.")
    if not folder:
        raise CollectionError(f"Received no folder of RAF-DB. To get it, {GET}.")
    try:
        folder = existing_folder(folder)
        labels, home = _found(folder)
        rows = [row for row in _rows(labels) if not split or row[1] == split]
        return _table(rows, folder, home / "Image" / kind, KINDS[kind])
    except CollectionError as error:
        raise CollectionError(f"{error} RAF-DB is laid out as {LAYOUT}; to get it, {GET}.") from None


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row an expression, in RAF-DB's order: expression, label, train, test, and as published: train, test (see WHOLE, TEST).

    The published columns are `train_published` and `test_published`; what is left out of your copy shows in the difference.
    """
    rows = []
    for label, name in enumerate(ORDER, 1):
        mine = table.loc[table["expression"] == name, "split"]
        rows.append({"expression": name, "label": label, "train": int((mine == "train").sum()), "test": int((mine == "test").sum()),
                     "train_published": WHOLE[name] - TEST[name], "test_published": TEST[name]})  # fmt: skip
    return pd.DataFrame(rows)


def _found(folder: Path) -> tuple[Path, Path]:
    """Return the list of labels and the folder Image/ lies in: `folder`, one above it, or one below."""
    places = (folder, folder / "basic", folder.parent)
    for home in places:
        for labels in (home / "EmoLabel" / LIST, home / LIST):
            if labels.is_file():
                return labels, home
    numbered = (folder / "train" / "1").is_dir()
    hint = " Folders train/1 … are somebody's rearrangement, whose labels cannot be checked." if numbered else ""
    raise CollectionError(f"{folder.name!r} holds no EmoLabel/{LIST}, expected the corpus as published.{hint}")


def _rows(labels: Path) -> list[tuple[str, str, str]]:
    """Return (name without ending, split, expression) of each line of the list."""
    rows, seen = [], set()
    for number, line in enumerate(labels.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if not match or match[3] not in "1234567" or len(match[3]) != 1:
            meaning = ", ".join(f"{label} {name}" for label, name in enumerate(ORDER, 1))
            raise CollectionError(f"{labels.name!r}, line {number}: received {line.strip()[:60]!r}, expected 'train_00001.jpg' or "
                                  f"'test_0001.jpg' and one number ({meaning}).")  # fmt: skip
        if match[1].lower() in seen:
            raise CollectionError(f"{labels.name!r}, line {number}: received {match[1]!r} twice, expected each picture once.")
        seen.add(match[1].lower())
        rows.append((match[1], match[2].lower(), ORDER[int(match[3]) - 1]))
    if not rows:
        raise CollectionError(f"{labels.name!r} has no lines, expected one a picture.")
    return rows


def _table(rows: list[tuple], folder: Path, pictures: Path, ending: str) -> pd.DataFrame:
    there = {entry.name.lower(): entry for entry in pictures.iterdir()} if pictures.is_dir() else {}
    found = [there.get(f"{name}{ending}".lower()) for name, *_ in rows]
    if missing := [name for (name, *_), path in zip(rows, found, strict=True) if path is None]:
        archive = f"{pictures.name}.zip"
        hint = f" Unpack {archive}." if (pictures.parent / archive).is_file() else ""
        raise CollectionError(f"Received {len(rows) - len(missing)} of the {len(rows)} listed pictures in Image/{pictures.name}, expected "
                              f"all ({missing[0]}{ending} is missing).{hint}")  # fmt: skip
    root = folder if pictures.is_relative_to(folder) else folder.parent
    return pd.DataFrame([(str(path), path.relative_to(root).as_posix(), f"raf_db:{name}", shown, split, "raf_db")
                         for (name, split, shown), path in zip(rows, found, strict=True)], columns=COLUMNS)  # fmt: skip


assert set(WHOLE) == set(TEST) == set(EXPRESSIONS)
