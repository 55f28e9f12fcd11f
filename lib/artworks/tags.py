"""Artworks: emotion tags of paintings, grouped into four classes; readers for a folder with a table of tags and for WikiArt-Emotions.

Charkhabi and Garrido (section 3) speak of 16 emotions and print twelve of them, in four groups (Figure 1). A tag they do not print is
unknown here: it is listed with the nearest known one, and a reader may give it a group (`also`). A picture nobody tagged, or whose tags
point to several groups, is a row with its reason and never stops a run.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from lib.collections.atelier.paintings import plan
from lib.collections.corpora import find_column, meant_files, read_strictly, why_not_meant
from lib.collections.folder import existing_folder, list_folder, list_pictures
from lib.compendium.errors import CollectionError, ParameterError, did_you_mean

# Figure 1, as `params/claims/art_emotion.yaml` prints it (a test holds them equal).
EMOTIONS = plan.EMOTIONS_OF
GROUPS = tuple(range(len(EMOTIONS)))
# Other words for the twelve: forms of the word, and the seven expressions' names. Ours.
SAME = {
    "sad": "Sadness", "afraid": "Fear", "fearful": "Fear", "disgusted": "Disgust", "angry": "Anger", "n/a": "NA", "none": "NA",
    "lustful": "Lust", "envious": "Envy", "surprised": "Surprise", "optimistic": "Optimism", "happy": "Joy", "happiness": "Joy",
    "joyful": "Joy", "loving": "Love",
}  # fmt: skip
TABLES = ("tags.csv", "labels.csv", "metadata.csv")  # the first one found in the folder holds
FILE = ("file", "filename", "file_name", "path", "image", "picture", "img")
TAG = ("tag", "tags", "emotion", "emotions", "label", "labels")
WHO = ("identity", "sitter", "artist", "subject_id", "person")
SUBJECT = ("subject", "genre", "kind")
COLUMNS = ["artwork_id", "path", "file", "subject", "identity", "who", "tag", "group"]
# WikiArt-Emotions, by the README of its distribution of August 2018 and the header of its tables.
WIKIART = ("agreeableness", "anger", "anticipation", "arrogance", "disagreeableness", "disgust", "fear", "gratitude", "happiness",
           "humility", "love", "optimism", "pessimism", "regret", "sadness", "shame", "shyness", "surprise", "trust",
           "neutral")  # fmt: skip
WIKIART_TABLES = ("WikiArt-Emotions-Ag4.tsv", "WikiArt-Emotions-All.tsv", "WikiArt-Emotions-Ag3.tsv", "WikiArt-Emotions-Ag5.tsv")
WIKIART_GET = ("its authors ask that it is not passed on: get the annotations from saifmohammad.com/WebPages/wikiartemotions.html, put one "
               f"of {', '.join(WIKIART_TABLES)} into the folder, and fetch each row's 'Image URL' as <ID>.jpg beside it")  # fmt: skip
SCENARIOS = ("ImageOnly", "Art (image+title)", "TitleOnly")
AGREED = 0.4  # share of people who name an emotion from which it counts: what the corpus' authors recommend (Ag4)
FEWEST = 10  # artworks that a class needs to be split into learning, choosing and testing


@dataclass(frozen=True)
class Tagged:
    """Tagged pictures. `table` has COLUMNS; `left_out`: file, reason; `unknown`: tag, pictures, nearest ("" where none is near).

    `identity`: number of whoever belongs together (sitter, artist; -1 unknown), `who` the name; `subject`: "portrait", another word of
    the table, or "" (unknown); `tag`: the emotions that decided, joined by ";"; `group` 0 to 3. Sorted by file.
    """

    table: pd.DataFrame
    left_out: pd.DataFrame
    unknown: pd.DataFrame


def known(also: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return {plain tag: group} of the published emotions, their other words, and the reader's own tags in `also` ({tag: group 0 to 3})."""
    groups = {_plain(name): group for group, names in enumerate(EMOTIONS) for name in names}
    groups |= {_plain(word): groups[_plain(name)] for word, name in SAME.items()}
    for tag, group in (also or {}).items():
        if isinstance(group, bool) or group not in GROUPS:
            raise ParameterError(f"Received the group {group!r} for the tag {tag!r}; expected 0, 1, 2 or 3 (see `tags.EMOTIONS`).")
        if groups.get(_plain(tag), group) != group:
            raise ParameterError(f"Received the group {group} for the tag {tag!r}, which the study puts into group {groups[_plain(tag)]}; "
                                 "leave it out.")  # fmt: skip
        groups[_plain(tag)] = group
    return groups


def emotions_table() -> pd.DataFrame:
    """Return the published emotions: group, emotion, other_words (accepted as well)."""
    words = {name: ", ".join(word for word, meant in SAME.items() if meant == name) for names in EMOTIONS for name in names}
    return pd.DataFrame([(group, name, words[name]) for group, names in enumerate(EMOTIONS) for name in names],
                        columns=["group", "emotion", "other_words"])  # fmt: skip


def split_tags(text) -> list[str]:
    """Return the tags of a cell: separated by semicolons, commas, bars or slashes between blanks; [] for an empty cell."""
    if text is None or text != text:
        return []
    return [part.strip() for part in re.split(r"[;,|]|\s/\s", str(text)) if part.strip()]


def group_of(tags: Iterable[str], also: Mapping[str, int] | None = None) -> tuple[int | None, str]:
    """Return (group, "") of a picture's tags, or (None, the reason): no tag, none known, or as many for one group as for another.

    The group with most tags holds. Not stated in the paper; a picture with several emotions of one group is the usual case.
    """
    tags, groups = list(tags), known(also)
    if not tags:
        return None, "no tag"
    votes = Counter(groups[_plain(tag)] for tag in tags if _plain(tag) in groups)
    if not votes:
        return None, f"no known tag ({', '.join(tags)})"
    (first, most), *rest = votes.most_common()
    if rest and rest[0][1] == most:
        return None, f"tags of several groups ({', '.join(tags)})"
    return first, ""


def unknown_tags(tags: Iterable[str], also: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Return the tags that have no group: tag, pictures (how often), nearest ("" where none is near), most frequent first."""
    groups = known(also)
    names = [name for names in EMOTIONS for name in names] + list(SAME) + list(also or {})
    counts = Counter(tag for tag in tags if _plain(tag) not in groups)
    rows = [(tag, count, _nearest(tag, names)) for tag, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
    return pd.DataFrame(rows, columns=["tag", "pictures", "nearest"])


def check_groups(groups, fewest: int = FEWEST) -> list[str]:
    """Return warnings (plain sentences) about classes: those of the four that are missing. Raises CollectionError naming classes that
    have fewer than `fewest` artworks, too few to split, and where fewer than two classes are left."""
    counts = Counter(int(group) for group in groups)
    if wrong := sorted(set(counts) - set(GROUPS)):
        raise CollectionError(f"Received the group {wrong[0]}; expected 0, 1, 2 or 3. Correct the table.")
    said = ", ".join(f"{group}: {counts[group]}" for group in GROUPS)
    if small := [group for group in GROUPS if 0 < counts[group] < fewest]:
        raise CollectionError(f"Received {_classes(small)} with fewer than {fewest} artworks ({said}); expected enough to learn from, "
                              "choose and test on. Tag more of them, or leave these out.")  # fmt: skip
    present = [group for group in GROUPS if counts[group]]
    if len(present) < 2:
        raise CollectionError(f"Received artworks of {len(present)} class(es) ({said}); expected at least two of the four. Tag others too.")
    missing = [group for group in GROUPS if not counts[group]]
    what = f"Of the four classes only {len(present)} occur ({said}): {_classes(missing)} ({_emotions(missing)}) cannot be learned."
    return [what] if missing else []


# ---- a folder with a table of tags


def read_folder(folder: Path | str, also: Mapping[str, int] | None = None) -> Tagged:
    """Return the pictures of a folder (and its subfolders) with the tags of its table, tags.csv, labels.csv or metadata.csv.

    The table needs a column file (or filename, path, image …) and a column tag (or emotion, label …), one or several tags in a cell.
    Optional: subject ("portrait" and others), identity (or sitter, artist): whose pictures never lie on both sides of a split. `also`:
    groups for tags the study does not print. Raises CollectionError for a folder or table that cannot be used as it is.
    """
    folder = existing_folder(folder)
    pictures, name = list_pictures(folder), _table_of(folder)
    rows = read_strictly(folder / name)
    file, tag = (_column(rows, wanted, name, what) for wanted, what in ((FILE, "file"), (TAG, "tag")))
    who, subject = find_column(rows, WHO), find_column(rows, SUBJECT)
    meant = meant_files(rows[file], pictures)
    found, left = {}, []
    for number, row in enumerate(rows.to_dict("records"), 2):
        if row[file] not in meant:
            left.append((row[file], why_not_meant(row[file], pictures)))
            continue
        one = {"tags": split_tags(row[tag]), "who": row[who].strip() if who else "", "subject": row[subject].strip() if subject else ""}
        if found.setdefault(meant[row[file]], one) != one:
            raise CollectionError(f"{name!r}, row {number}: received {row[file]!r} again with other tags; expected a row a picture. "
                                  "Remove one.")  # fmt: skip
    found |= {picture: {"tags": [], "who": "", "subject": ""} for picture in pictures if picture not in found}
    return _tagged(folder, found, left, also, f"Fill the column {tag!r} of {name!r}.")


def _table_of(folder: Path) -> str:
    there = list_folder(folder).metadata
    for wanted in TABLES:
        for name in there:
            if name.lower() == wanted:
                return name
    tables = [name for name in there if name.lower().endswith(".csv")]
    found = f"found {', '.join(tables[:3])}" if tables else "found no table"
    raise CollectionError(f"{folder.name!r} holds none of {', '.join(TABLES)} ({found}); expected a table with the columns file and tag. "
                          "Write or rename it.")  # fmt: skip


def _column(rows: pd.DataFrame, wanted: tuple, name: str, what: str) -> str:
    column = find_column(rows, wanted)
    if column is None:
        raise CollectionError(f"{name!r} has no column {what} (or {', '.join(wanted[1:4])} …); received {', '.join(rows.columns)}. "
                              "Name it so.")  # fmt: skip
    return column


# ---- WikiArt-Emotions


def read_wikiart(folder: Path | str, scenario: str = "ImageOnly", agreed: float = AGREED, also: Mapping[str, int] | None = None) -> Tagged:
    """Return the artworks of WikiArt-Emotions (Mohammad and Kiritchenko 2018) whose pictures the reader has fetched as <ID>.jpg (.png …).

    folder: holds one of the corpus' tables and the pictures, also in subfolders. scenario: whose emotions count, of SCENARIOS. agreed:
    share of people from which an emotion counts, for the table with shares (…-All.tsv); the others hold 0 and 1. Of its twenty emotions
    eight are of the study's four groups; the others are unknown unless `also` gives them one. `subject` is "portrait" where the corpus says
    that a face is shown; people or animals without a face are "body", others "none". `who` is the artist. Raises CollectionError, with how
    to get the corpus, and ParameterError.
    """
    if scenario not in SCENARIOS:
        hint = did_you_mean(str(scenario), SCENARIOS)
        raise ParameterError(f"Received the scenario {scenario!r}; expected one of {', '.join(SCENARIOS)}.{hint}")
    if not 0 < agreed <= 1:
        raise ParameterError(f"Received agreed={agreed!r}; expected a share above 0, at most 1 ({AGREED:g} is what its authors recommend).")
    folder = existing_folder(folder)
    path = _wikiart_table(folder)
    rows = _wikiart_rows(path, scenario)
    listed = list_folder(folder).pictures
    pictures = {PurePosixPath(name).stem: name for name in listed}
    found, left = {}, []
    for row in rows.to_dict("records"):
        if row["ID"] not in pictures:
            left.append((f"{row['ID']}.jpg", "picture not fetched"))
            continue
        tags = [name for name in WIKIART if row[f"{scenario}: {name}"] >= agreed]
        shown = {"face": "portrait"}.get(row["Face/body"].lower(), row["Face/body"].lower())
        found[pictures[row["ID"]]] = {"tags": tags, "who": row["Artist"], "subject": shown}
    if not found:
        raise CollectionError(f"{folder.name!r} has none of the {len(rows)} pictures of {path.name}; expected <ID>.jpg: {WIKIART_GET}.")
    left += [(name, f"not in {path.name}") for name in listed if name not in found]
    return _tagged(folder, found, left, also, "Fetch more pictures.")


def _wikiart_table(folder: Path) -> Path:
    there = {path.name.lower(): path for path in folder.rglob("*.tsv")}
    for name in WIKIART_TABLES:
        if name.lower() in there:
            return there[name.lower()]
    raise CollectionError(f"{folder.name!r} holds no table of WikiArt-Emotions; {WIKIART_GET}.")


def _wikiart_rows(path: Path, scenario: str) -> pd.DataFrame:
    """Return the table with IDs as text and the scenario's emotions as numbers."""
    rows = read_strictly(path)
    columns = [f"{scenario}: {name}" for name in WIKIART]
    if missing := [name for name in ("ID", "Artist", "Face/body", *columns) if name not in rows]:
        raise CollectionError(f"{path.name} lacks {', '.join(map(repr, missing[:3]))}; expected the table as published. Fetch it again.")
    for name in columns:
        values = pd.to_numeric(rows[name], errors="coerce")
        if not values.between(0, 1).all():
            first = rows.index[~values.between(0, 1)][0]
            raise CollectionError(f"{path.name}, row {first + 2}: received {rows[name][first]!r} as {name!r}; expected a share, 0 to 1. "
                                  "Fetch it again.")  # fmt: skip
        rows[name] = values
    if (again := rows["ID"].duplicated()).any():
        raise CollectionError(f"{path.name} has the ID {rows['ID'][again].iloc[0]!r} twice; expected each once. Fetch it again.")
    return rows


# ---- both


def _tagged(folder: Path, found: dict, left: list, also, advice: str) -> Tagged:
    rows = []
    for file, one in sorted(found.items()):
        group, reason = group_of(one["tags"], also)
        if group is None:
            left.append((file, reason))
            continue
        deciding = [tag for tag in one["tags"] if known(also).get(_plain(tag)) == group]
        rows.append((file, str(folder / file), file, one["subject"].lower(), one["who"], ";".join(deciding), group))
    unknown = unknown_tags([tag for one in found.values() for tag in dict.fromkeys(one["tags"])], also)
    left_out = pd.DataFrame(sorted(left), columns=["file", "reason"])
    if not rows:
        why = _listed(unknown) or left_out["reason"].iloc[0]
        raise CollectionError(f"{folder.name!r} has no picture with a known tag: {why}. Expected "
                              f"emotions such as {', '.join(name for names in EMOTIONS for name in names[:2])}. {advice}")  # fmt: skip
    table = pd.DataFrame(rows, columns=["artwork_id", "path", "file", "subject", "who", "tag", "group"])
    numbers = {name: number for number, name in enumerate(sorted(set(table["who"]) - {""}))}
    table["identity"] = [numbers.get(name, -1) for name in table["who"]]
    return Tagged(table[COLUMNS], left_out, unknown)


def _listed(unknown: pd.DataFrame) -> str:
    return "; ".join(f"unknown tag {row.tag!r}" + (f", did you mean {row.nearest!r}?" if row.nearest else "")
                     for row in unknown.head(5).itertuples())  # fmt: skip


def _plain(tag: str) -> str:
    return re.sub(r"[\s_-]+", " ", str(tag)).strip().casefold()


def _nearest(tag: str, names: list[str]) -> str:
    found = did_you_mean(_plain(tag), [_plain(name) for name in names])
    plain = found.removeprefix(" Did you mean ").removesuffix("?").strip("'\"")
    return next((SAME.get(name, name) for name in names if _plain(name) == plain), "") if found else ""


def _classes(groups: list[int]) -> str:
    return ("class " if len(groups) == 1 else "classes ") + " and ".join(map(str, groups))


def _emotions(groups: list[int]) -> str:
    return "; ".join(", ".join(EMOTIONS[group]).lower() for group in groups)


def shares(artworks: pd.DataFrame) -> pd.DataFrame:
    """Return how many artworks each class has: group, emotions, artworks, share (0 to 1)."""
    counts = np.bincount(artworks["group"].to_numpy(int), minlength=len(GROUPS))
    return pd.DataFrame({"group": GROUPS, "emotions": [", ".join(names) for names in EMOTIONS], "artworks": counts,
                         "share": counts / max(counts.sum(), 1)})  # fmt: skip
