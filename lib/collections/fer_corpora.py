"""Collections: the five corpora of the LIME study (Gaya-Morey et al. 2024, section 3.1), read from the folders they are published in.

CK+, BU-4DFE, JAFFE, WSEFEP and FEGA are given to researchers on request; none comes with this repository. Each reader returns one row a
picture of one of the six expressions; neutral and contempt, which the study does not use, are left out. Pictures are not opened.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from lib.collections.corpora import find_column, labelled_folder, meant_files, read_strictly, why_not_meant
from lib.collections.folder import existing_folder, list_folder, list_pictures
from lib.compendium.errors import CollectionError, CompendiumError, ParameterError, did_you_mean
from lib.expressions import ORDERS, canonical

EMOTIONS = ORDERS["lime_ekman"]
COLUMNS = ["path", "file", "subject", "expression", "corpus"]
CK_CODES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")  # numbers 0 to 7 of CK+'s Emotion files
JAFFE_CODES = {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"}
_CK_LABEL = re.compile(r"(S\d+)_(\d+)_(\d+)_emotion\.txt")
_CK_FRAME = re.compile(r"(S\d+)_(\d+)_(\d+)\.(?:png|tiff?|jpe?g)", re.IGNORECASE)
_BU_SUBJECT = re.compile(r"[FM]\d{3}", re.IGNORECASE)
_JAFFE_NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})(\d+)\.\d+\.(?:tiff?|png|jpe?g|bmp)", re.IGNORECASE)
_WSEFEP_SUBJECT = r"^([A-Za-z]+)"  # the letters a file's name begins with
_PARTS = re.compile(r"(train|training|test|testing|val|valid|validation|dev|eval|evaluation)(set|[_ -]?\d+)?", re.IGNORECASE)  # no person


class About(NamedTuple):
    """A corpus for readers: its title, the people the paper counts in it, its layout, and how to get it."""

    title: str
    people: int
    layout: str
    get: str


CORPORA = {
    "ck_plus": About("CK+", 123, "cohn-kanade-images/S005/001/S005_001_00000011.png and Emotion/S005/001/S005_001_00000011_emotion.txt",
                     "sign the agreement at http://www.jeffcohn.net/Resources/ and unpack images and emotion labels into one folder"),
    "bu_4dfe": About("BU-4DFE", 101, "F001/Angry/000.jpg",
                     "sign Binghamton University's agreement (https://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html)"),
    "jaffe": About("JAFFE", 10, "KA.AN1.39.tiff", "ask for access at https://zenodo.org/records/3451524 and unpack it"),
    "wsefep": About("WSEFEP", 30, "the pictures and their table 'WSEFEP - norms & FACS' saved as CSV (columns Picture ID and Display)",
                    "ask for it at http://www.emotional-face.org"),
    "fega": About("FEGA", 51, "labels.csv (file, subject, expression), or pictures in S01/happy/ or happy/S01/, a folder a subject",
                  "ask its authors (Ramis et al. 2022, doi 10.1007/s11042-022-13117-2)"),
}  # fmt: skip


def gather(folders: Mapping[str, Path | str], frames: int = 1) -> pd.DataFrame:
    """Return the pictures of several corpora as one table (COLUMNS), one row each; `folders`: {name of CORPORA: its folder}.

    Corpora without a folder ("" or None) are left out. People of different corpora are different: `subject` is "corpus:name".
    frames: see `read`. Raises CollectionError where no corpus has a folder, and as `read` does.
    """
    given = {name: folder for name, folder in folders.items() if folder}
    if not given:
        raise CollectionError("Received no corpus, expected the folder of at least one. " + how_to_get())
    return pd.concat([read(name, folder, frames) for name, folder in given.items()], ignore_index=True)


def read(name: str, folder: Path | str, frames: int = 1) -> pd.DataFrame:
    """Return the pictures of one corpus as a table: path, file (below the folder), subject, expression (of EMOTIONS), corpus.

    name: a key of CORPORA. frames: pictures taken from each sequence of CK+ (the last ones, where the expression is strongest) and
    BU-4DFE (those about the middle: sequences go from rest to rest); not stated in the paper.
    Raises ParameterError for an unknown corpus; CollectionError, with how to get it, for a folder that is not there or holds something
    else, and naming the file for a label that cannot be read.
    """
    if name not in CORPORA:
        raise ParameterError(f"Unknown corpus {name!r}; expected one of {', '.join(CORPORA)}.{did_you_mean(str(name), CORPORA)}")
    if frames < 1:
        raise ParameterError(f"Received {frames} frames a sequence, expected 1 or more.")
    if not folder:
        raise CollectionError(f"Received no folder of {CORPORA[name].title}. To get it, {CORPORA[name].get}.")
    try:
        folder = existing_folder(folder)
        rows = READERS[name](folder, frames)
    except CollectionError as error:
        raise CollectionError(f"{error} {_described(name)}") from None
    kept = [row for row in rows if row[2] in EMOTIONS]
    if not kept:
        raise CollectionError(f"{folder.name!r} holds no picture of {', '.join(EMOTIONS)}. {_described(name)}")
    return pd.DataFrame([(str(folder / file), file, f"{name}:{subject}", shown, name) for file, subject, shown in kept], columns=COLUMNS)


def _described(name: str) -> str:
    return f"{CORPORA[name].title} is laid out as {CORPORA[name].layout}; to get it, {CORPORA[name].get}."


def how_to_get() -> str:
    """Return, for readers, how each of the five corpora is had."""
    return " ".join(f"{about.title}: {about.get}." for about in CORPORA.values())


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a corpus: corpus, title, people, pictures, the six EMOTIONS (pictures), people_published."""
    rows = []
    for name, part in table.groupby("corpus", sort=False):
        about = CORPORA.get(name)
        rows.append({"corpus": name, "title": about.title if about else name, "people": part["subject"].nunique(), "pictures": len(part),
                     **{one: int((part["expression"] == one).sum()) for one in EMOTIONS},
                     "people_published": about.people if about else None})  # fmt: skip
    return pd.DataFrame(rows).astype({"people_published": "Int64"})


# ---- CK+ (Lucey et al. 2010)


def _ck_plus(folder: Path, frames: int) -> list[tuple]:
    """Return (file, subject, expression) of the last frames of each labelled sequence; 327 of 593 sequences have a label."""
    listing, sequences, places, labelled = list_folder(folder), {}, {}, {}
    for file in listing.pictures:
        if match := _CK_FRAME.fullmatch(PurePosixPath(file).name):
            sequence = match[1], match[2]
            _in_one_place(places, sequence, file)
            sequences.setdefault(sequence, []).append((int(match[3]), file))
    labels = [path for path in sorted(folder.rglob("*_emotion.txt")) if _CK_LABEL.fullmatch(path.name)]
    if not labels or not sequences:
        raise CollectionError(f"{folder.name!r} holds {len(sequences)} sequences and {len(labels)} emotion labels, expected both.")
    rows = []
    for path in labels:
        sequence = _CK_LABEL.fullmatch(path.name).groups()[:2]
        _in_one_place(labelled, sequence, path.relative_to(folder).as_posix())
        expression = _ck_expression(path)
        if sequence not in sequences:
            raise CollectionError(f"There is a label {path.name!r} but no picture of its sequence, expected some: unpack the images again.")
        rows += [(file, sequence[0], expression) for _, file in sorted(sequences[sequence])[-frames:]]
    return rows


def _in_one_place(places: dict, thing: tuple, file: str) -> None:
    """Note the folder of a thing's file in `places`. Raises CollectionError where another of its files lies in another folder."""
    place = PurePosixPath(file).parent.as_posix()
    if places.setdefault(thing, place) != place:
        raise CollectionError(f"{' '.join(thing)} is there twice, in {places[thing]!r} and in {place!r}, expected once: what was unpacked "
                              "twice would be taken for two. Delete one of them.")  # fmt: skip


def _ck_expression(path: Path) -> str:
    text = path.read_text(errors="replace").strip()
    try:
        code = float(text)
        return CK_CODES[int(code)] if code == int(code) and code >= 0 else CK_CODES[8]
    except (ValueError, IndexError, OverflowError):
        meaning = ", ".join(f"{number} {name}" for number, name in enumerate(CK_CODES))
        raise CollectionError(f"{path.name}: received the label {text[:30]!r}, expected one number ({meaning}): unpack the labels "
                              "again.") from None  # fmt: skip


# ---- BU-4DFE (Yin et al. 2008), the texture pictures


def _bu_4dfe(folder: Path, frames: int) -> list[tuple]:
    """Return (file, subject, expression) of the frames about the middle of each sequence <subject>/<expression>/<number>.jpg."""
    sequences, places, rows = {}, {}, []
    for file in list_pictures(folder):
        parts = PurePosixPath(file).parts
        if len(parts) != 3 or not _BU_SUBJECT.fullmatch(parts[0]):
            raise CollectionError(f"Received the picture {file!r}, expected each in a folder of its expression in one of its subject, as "
                                  "F001/Angry/000.jpg: give the folder that holds the subjects.")  # fmt: skip
        sequence = parts[0].upper(), _named(parts[1], file)
        _in_one_place(places, sequence, file)
        sequences.setdefault(sequence, []).append(file)
    for (subject, expression), files in sequences.items():
        files = sorted(files, key=lambda file: (len(PurePosixPath(file).stem), file))
        first = max(0, (len(files) - frames) // 2)
        rows += [(file, subject, expression) for file in files[first:first + frames]]
    return rows


# ---- JAFFE (Lyons et al. 1998)


def _jaffe(folder: Path, frames: int) -> list[tuple]:
    """Return (file, subject, expression) by the names: initials of the model, code of the posed expression with a number, number."""
    rows, places = [], {}
    for file in list_pictures(folder):
        _in_one_place(places, (PurePosixPath(file).name.casefold(),), file)
        match = _JAFFE_NAME.fullmatch(PurePosixPath(file).name)
        if not match or match[2].upper() not in JAFFE_CODES:
            raise CollectionError(f"Received the picture {file!r}, whose name does not say model and expression, expected "
                                  f"<two letters>.<{', '.join(JAFFE_CODES)}><number>.<number>.tiff.")  # fmt: skip
        rows.append((file, match[1].upper(), JAFFE_CODES[match[2].upper()]))
    return rows


# ---- WSEFEP (Olszanowski et al. 2015)


def _wsefep(folder: Path, frames: int) -> list[tuple]:
    """Return (file, subject, expression) by the set's own table of norms. Everybody is in it once with each expression, which is checked.

    How the files are named is not documented: the subject is taken to be the letters a name begins with.
    """
    listing = list_folder(folder)
    tables = [name for name in listing.metadata if name.lower().endswith(".csv")]
    if len(tables) != 1:
        hint = " Save the table of norms (.xlsx) as CSV." if ".xlsx" in listing.others else ""
        raise CollectionError(f"{folder.name!r} holds {len(tables)} CSV files, expected one: the table of norms.{hint}")
    table = read_strictly(folder / tables[0])
    columns = [find_column(table.columns, (name,)) for name in ("picture_id", "display")]
    if None in columns:
        raise CollectionError(f"{tables[0]!r} has the columns {', '.join(map(repr, table.columns[:6]))}, expected Picture ID and Display.")
    table = table[table[columns[0]].astype(str).str.strip() != ""]
    files = _pictures_of(table[columns[0]].astype(str), listing.pictures, tables[0])
    rows = [(file, _subject(file), _named("happy" if shown.strip().lower() == "joy" else shown, file))
            for file, shown in zip(files, table[columns[1]].astype(str), strict=True)]  # fmt: skip
    twice = pd.DataFrame(rows, columns=["file", "subject", "expression"]).loc[lambda rows: rows.duplicated(["subject", "expression"])]
    if len(twice):
        row = twice.iloc[0]
        raise CollectionError(f"The subject {row['subject']!r} would show {row['expression']!r} twice ({row['file']!r}), expected once: "
                              "files are named otherwise than expected. Write labels.csv (file, subject, expression), read it as 'fega'.")
    return rows


def _pictures_of(names, pictures: list[str], table: str) -> list[str]:
    """Return the pictures meant by names, with or without their extension."""
    stems, places = {}, {}
    for file in pictures:
        stem = PurePosixPath(file).stem.casefold()
        _in_one_place(places, (stem,), file)
        stems[stem] = file
    meant, found = meant_files(names, pictures), []
    for name in names:
        file = meant.get(name) or stems.get(name.strip().casefold())
        if file is None:
            raise CollectionError(f"{table}: {why_not_meant(name, pictures)} Expected a picture: unpack the set again.")
        found.append(file)
    return found


def _subject(file: str) -> str:
    match = re.search(_WSEFEP_SUBJECT, PurePosixPath(file).name)
    if not match:
        raise CollectionError(f"Received the picture {file!r}, expected a name that begins with its subject's letters.")
    return match[1].upper()


# ---- FEGA (Ramis et al. 2022), and any corpus brought into its shape


def _fega(folder: Path, frames: int) -> list[tuple]:
    """Return (file, subject, expression) by `labels.csv`, or by folders <subject>/<expression>/ or <expression>/<subject>/.

    How FEGA is laid out is not documented in public.
    """
    if any(entry.name.lower() == "labels.csv" for entry in folder.iterdir()):
        table = labelled_folder(folder, ignore=("contempt",))
        if (table["subject"] == "").any():
            raise CollectionError(f"labels.csv names no subject of {table.loc[table['subject'] == '', 'file'].iloc[0]!r}, expected one for "
                                  "each picture, or people could be in two folds: fill the column.")  # fmt: skip
        return list(table[["file", "subject", "expression"]].itertuples(index=False, name=None))
    return [(file, *_of_folders(file)) for file in list_pictures(folder)]


def _of_folders(file: str) -> tuple[str, str]:
    """Return subject and expression of a picture by the two folders it is in, one of which is named like an expression.

    Just two: in S01/happy/frontal/1.png the folder next to the expression would make one person of everybody, and so would train/happy/.
    """
    parts = PurePosixPath(file).parts[:-1]
    known = [_known(part) for part in parts]
    if len(parts) != 2 or (known[0] is None) == (known[1] is None):
        raise CollectionError(f"Received the picture {file!r}, expected it in a folder of its subject and one of its expression, and no "
                              "others: move it, or write labels.csv (file, subject, expression).")  # fmt: skip
    subject, expression = (parts[1], known[0]) if known[1] is None else (parts[0], known[1])
    if _PARTS.fullmatch(subject):
        raise CollectionError(f"Received the picture {file!r} in {subject!r}, which names a part of a split, expected a subject's folder: "
                              "people could be in two folds. Write labels.csv (file, subject, expression).")  # fmt: skip
    return subject, expression


def _known(text: str) -> str | None:
    try:
        return canonical("happy" if text.strip().lower() == "joy" else text)
    except CompendiumError:
        return None


def _named(text: str, file: str) -> str:
    """Return the expression a folder or cell names. Raises CollectionError naming the picture."""
    if (name := _known(text)) is None:
        raise CollectionError(f"Received the expression {text!r} of {file!r}, expected one of {', '.join(EMOTIONS)} or neutral.")
    return name


READERS: dict[str, Callable] = {"ck_plus": _ck_plus, "bu_4dfe": _bu_4dfe, "jaffe": _jaffe, "wsefep": _wsefep, "fega": _fega}
