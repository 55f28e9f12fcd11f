"""Training: the pictures of the LIME study (Gaya-Morey et al. 2024, section 3.2): grey faces, level by their eyes, and variations of them.

They come from the study's corpora, or from the atelier's humans, and are kept under `data/models/`. Landmarks travel with them, in pixels
of the stored pictures, for the standardisation of explanations.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lib.compendium import fingerprints
from lib.compendium.errors import CollectionError, ParameterError
from lib.compendium.kept import kept, record_of
from lib.expressions import EXPRESSIONS, ORDERS
from lib.faces import transforms
from lib.faces.align import EYE_DISTANCE, EYE_HEIGHT, alignment
from lib.faces.landmarks import landmarks
from lib.training import corpus, faces

EMOTIONS = ORDERS["lime_ekman"]
GREY, LANDMARKS, TABLE, LEFT_OUT = "pictures.npy", "landmarks.npy", "table.parquet", "left_out.parquet"
KEEPING = slice(27, 68)  # landmarks a crop always preserves: nose, eyes, mouth (section 3.2)
# Where the eyes lie in a picture: how far apart and how high, as shares of its side; not stated in the paper. The alignment of the other
# notebooks cuts chins off, where two of the study's Action Units show (15 and 26): here 97 in 100 of the atelier's lie inside.
FRAME = {"eye_distance": 0.30, "eye_height": 0.23}
FEATURES = (0.28, 0.20, 0.72, 0.79)  # left, top, right, bottom of these as shares of a picture, where there are no landmarks
PEOPLE = 6  # of the atelier that a job makes
SOURCES = ("lib.training.fer_pictures", "lib.training.corpus", "lib.faces.align", "lib.faces.landmarks", "lib.faces.ladder",
           "lib.faces.transforms")  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """Grey faces of the study: pictures uint8 (n, side, side), landmarks float32 (n, 68, 2) in their pixels, a table of n rows.

    table: face_id (digest of the picture), file, subject, expression (one of EMOTIONS), corpus, and of the atelier's what else is known.
    about: settings they were made by, synthetic (bool), digest of their content. left_out: file and reason of pictures not among them.
    """

    folder: Path
    pictures: np.ndarray
    landmarks: np.ndarray
    table: pd.DataFrame
    about: dict
    left_out: pd.DataFrame

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def side(self) -> int:
        return int(self.pictures.shape[1])

    def rows(self, face_ids) -> np.ndarray:
        """Return the row numbers of faces by id. Raises ParameterError for an id that is not here."""
        places = pd.Series(np.arange(len(self.table)), index=self.table["face_id"])
        if missing := [one for one in face_ids if one not in places.index]:
            raise ParameterError(f"Received the face {missing[0]!r}, which is not among these {len(self)} pictures; expected one of them.")
        return places.loc[list(face_ids)].to_numpy(np.int64)

    def at(self, side: int, rows=None) -> tuple[np.ndarray, np.ndarray]:
        """Return pictures uint8 (m, side, side, 3), three equal channels, and landmarks (m, 68, 2) in their pixels; rows: default all."""
        rows = np.arange(len(self)) if rows is None else np.asarray(rows, np.int64)
        shown = Shown(self, rows, side)
        return shown[np.arange(len(rows))], self.landmarks[rows] * np.float32(side / self.side)


def opened(folder: Path) -> Pictures:
    """Return what `corpus_pictures` or `atelier_pictures` wrote into a folder. Raises CollectionError where it is not all there."""
    folder = Path(folder)
    try:
        tables = [pd.read_parquet(folder / name) for name in (TABLE, LEFT_OUT)]
        arrays = np.load(folder / GREY, mmap_mode="r"), np.load(folder / LANDMARKS)
        return Pictures(folder, *arrays, tables[0], record_of(folder), tables[1])
    except (OSError, ValueError) as error:
        raise CollectionError(f"{folder.name} does not hold the study's pictures ({error}); delete it, and they are made again.") from None


def corpus_pictures(table: pd.DataFrame, side: int = 224) -> Pictures:
    """Return the faces of corpora as the study prepares them (section 3.2): found, turned level by the eyes, cut out, grey; kept.

    table: of `lib.collections.fer_corpora.gather`: path, file, subject, expression, corpus. side: pixels of a picture as stored; networks
    get theirs from it. Pictures without a face or that cannot be read, and copies of others, are left out with their reasons.
    Differs from the paper: faces are found by the detection ladder (Lisani et al.'s detector is not public); where eyes lie and how much
    is cut is not stated there (`FRAME`). Raises CollectionError where no face is found at all.
    """
    missing = [name for name in ("path", "file", "subject", "expression", "corpus") if name not in table]
    if missing or not len(table):
        raise ParameterError(f"Received {len(table)} pictures without {', '.join(missing) or 'any row'}; expected a table of "
                             "`fer_corpora.gather`.")  # fmt: skip
    if gone := [path for path in table["path"] if not Path(path).is_file()]:
        raise CollectionError(f"The picture {Path(gone[0]).name!r} (and {len(gone) - 1} more) is gone; expected all of the table: read the "
                              "corpora again.")  # fmt: skip
    settings = {"kind": "corpora", "side": side, "frame": FRAME, "of": corpus.contents(table)}
    return opened(kept("fer-pictures", settings, SOURCES, lambda making: _cut_corpora(making, table, side)))


def _cut_corpora(folder: Path, table: pd.DataFrame, side: int) -> dict:
    with corpus.cut(folder, list(table["path"]), side, "pictures of the corpora", corpus_job) as faces_of:
        left_out = [(row.file, faces_of.reasons[row.path]) for row in table[~faces_of.found].itertuples()]
        made = _write(folder, faces_of.crops, faces_of.landmarks, table[faces_of.found].drop(columns="path").reset_index(drop=True),
                      pd.DataFrame(left_out, columns=["file", "reason"]))  # fmt: skip
    return {**made, "synthetic": False}


def corpus_job(path: str, settings: dict) -> str:
    """Cut the largest face of one picture of a corpus, in a worker process; returns the name of the file it is written to."""
    face = corpus.located(path)
    return corpus.written(settings["folder"], path, *_cut(face.picture, framed(settings["side"], *face[1:]), face.landmarks))


def framed(side: int, box, marks: np.ndarray, points=None, roll: float = 0.0) -> transforms.Transform:
    """Return the transform from a picture to the square that the study's networks see, `side` pixels: level eyes, and the chin in it.

    box, marks (68, 2), points, roll: of the face, as `lib.faces.align.alignment` takes them; it is seen from further off and higher up.
    """
    near, _ = alignment(box, side, marks, points, roll)
    factor = FRAME["eye_distance"] / EYE_DISTANCE
    left, top = side * (0.5 - factor * 0.5), side * (FRAME["eye_height"] - factor * EYE_HEIGHT)
    return transforms.compose(near, transforms.Transform("frame", ((factor, 0.0, left), (0.0, factor, top), (0.0, 0.0, 1.0)), side, side))


def _cut(picture: np.ndarray, transform: transforms.Transform, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a face's square in grey, uint8 (side, side), and the landmarks in its pixels."""
    return cv2.cvtColor(transforms.apply(picture, transform), cv2.COLOR_RGB2GRAY), transforms.map_points(marks, transform)


def atelier_pictures(people: int, side: int = 112, seed: int = 0, material: str = "skin") -> Pictures:
    """Return the embedded stand-in for the corpora: people of the atelier's humans, each posing the six expressions at full strength; kept.

    people: how many. side: pixels; finer than 112 shows nothing more. material: see `lib.training.faces.atelier_faces`. Heads are turned
    by at most 12°. The table also has what was planted: intensity, Action Units AU01 … (0 to 5), and `number`, which `atelier_piece` needs.
    """
    settings = {"kind": "atelier", "people": people, "side": side, "frame": FRAME, "seed": seed, "material": material}
    sources = (*SOURCES, *faces.SOURCES)
    return opened(kept("fer-pictures", settings, sources, lambda making: _sit(making, settings)))


def _sit(folder: Path, settings: dict) -> dict:
    count, step = settings["people"] * len(EXPRESSIONS), PEOPLE * len(EXPRESSIONS)
    batches = [[settings, start, min(start + step, count)] for start in range(0, count, step)]
    faces.made_in_batches(folder, atelier_job, batches, ("number", "subject", "expression", "intensity", *faces.UNIT_COLUMNS),
                          "pictures of the atelier's people")  # fmt: skip
    table = pd.read_parquet(folder / TABLE)
    table = table.assign(file=[f"atelier {number}" for number in table["number"]], corpus="atelier")
    made = _write(folder, np.load(folder / "crops.npy"), np.load(folder / LANDMARKS), table,
                  pd.DataFrame(columns=["file", "reason"], dtype=str))  # fmt: skip
    (folder / "crops.npy").unlink()
    return {**made, "synthetic": True}


def atelier_job(item: list, settings) -> list[list]:
    """Make the pictures of some people, all numbers of `faces.prototype` but the neutral ones, in a worker process; returns their rows."""
    folder, made, start, stop = item
    shown = [number for number in range(start, stop) if EXPRESSIONS[number % len(EXPRESSIONS)] in EMOTIONS]
    return faces.written(folder, start, [_posed(made, number) for number in shown])


def _posed(made: dict, number: int) -> tuple[np.ndarray, np.ndarray, list]:
    piece, name, strength, transform, marks = _sat(made, number)
    face = piece.truth["faces"][0]
    units = [face["action_units"][int(unit[2:])] for unit in faces.UNIT_COLUMNS]
    return *_cut(piece.picture, transform, marks), [number, face["identity"], name, strength, *units]


def _sat(made: dict, number: int) -> tuple:
    """Return one sitting: (piece, expression, its strength, transform from the piece's picture to the stored one, landmarks)."""
    piece, name, strength = faces.prototype({"seed": made["seed"], "material": made["material"], "kind": "prototypes"}, number)
    box = piece.truth["faces"][0]["box"]
    marks = landmarks(piece.picture, box, "hand")
    return piece, name, strength, framed(made["side"], box, marks), marks


def atelier_piece(pictures: Pictures, face_id: str) -> tuple:
    """Return the piece behind a picture of the atelier, carved again, and the transform from its picture to the stored one.

    For what was planted: `piece.evidence` is {Action Unit: displacement (h, w)}. Raises ParameterError for pictures of real people.
    """
    if not pictures.about["synthetic"]:
        raise ParameterError("Received pictures of real people, in whose faces nobody knows what moved; expected the atelier's.")
    row = pictures.table.iloc[pictures.rows([face_id])[0]]
    piece, _, _, transform, _ = _sat(pictures.about["settings"], int(row["number"]))
    return piece, transform


def _write(folder: Path, grey: np.ndarray, marks: np.ndarray, table: pd.DataFrame, left_out: pd.DataFrame) -> dict:
    """Write pictures without copies of a picture (one face, one row); returns what the record says of them."""
    ids = [fingerprints.digest(picture.tobytes()) for picture in grey]
    table = table.assign(face_id=ids)[["face_id", *table.columns]]
    twice = table["face_id"].duplicated().to_numpy()
    copies = table.loc[twice, ["file"]].assign(reason="the same picture as another one")
    table = table[~twice].reset_index(drop=True)
    np.save(folder / GREY, grey[~twice])
    np.save(folder / LANDMARKS, marks[~twice].astype(np.float32))
    table.to_parquet(folder / TABLE, index=False)
    pd.concat([left_out, copies], ignore_index=True).to_parquet(folder / LEFT_OUT, index=False)
    return {"pictures": len(table), "left_out": len(left_out) + len(copies), "digest": fingerprints.digest(table.to_csv(index=False))}


# ---- what a network sees


@dataclass(frozen=True)
class Variations:
    """How the training pictures are multiplied (section 3.2): `copies` of each besides itself; amounts are not stated in the paper.

    gamma: light v (0 to 1) becomes v^g, g from 1/gamma to gamma. shift: in both axes, as a share of the side. crop: by how much of the
    side the cut may be smaller. mirror: chance of a mirror image. Nose, eyes and mouth always stay inside.
    """

    copies: int = 7
    gamma: float = 2.0
    shift: float = 0.05
    crop: float = 0.2
    mirror: float = 0.5

    def __post_init__(self):
        shares = (self.shift, self.crop, self.mirror)
        if self.copies < 0 or not 1 <= self.gamma <= 10 or min(shares) < 0 or max(shares) > 1 or self.crop > 0.9:
            raise ParameterError(f"Received {self}; expected copies from 0, gamma from 1 to 10, shift and mirror from 0 to 1, crop from 0 "
                                 "to .9.")  # fmt: skip


class Shown:
    """Pictures as a network of a side sees them: `len`, and `shown[numbers]` as uint8 (k, side, side, 3), three equal channels.

    With variations, number v · m + i is variation v of the i-th of m rows (v = 0: as it is). Variations are drawn from (seed, row, v)
    alone, so they are the same in every epoch, as if they had been written to disk before (as published), without the disk.
    """

    def __init__(self, pictures: Pictures, rows, side: int, variations: Variations | None = None, seed: int = 0):
        self.source, self.base, self.side, self.seed = pictures, np.asarray(rows, np.int64), side, seed
        self.variations = variations
        count = len(self.base) * (1 + (variations.copies if variations else 0))
        self.shape, self.dtype = (count, side, side, 3), np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, numbers) -> np.ndarray:
        grey = [self._one(*divmod(int(number), len(self.base))) for number in numbers]
        stack = np.stack(grey) if grey else np.empty((0, self.side, self.side), np.uint8)
        return np.repeat(stack[..., None], 3, axis=-1)

    def _one(self, variation: int, place: int) -> np.ndarray:
        row = self.base[place]
        picture, stored = np.asarray(self.source.pictures[row]), self.source.side
        if variation:
            drawn = np.random.default_rng([self.seed, int(row), variation])
            return varied(picture, self.source.landmarks[row], self.variations, self.side, drawn)
        if stored == self.side:
            return picture
        # Differs from the paper: its code takes the nearest pixel, which breaks fine lines where a picture shrinks.
        return cv2.resize(picture, (self.side, self.side), interpolation=cv2.INTER_AREA if self.side < stored else cv2.INTER_LINEAR)


def varied(picture: np.ndarray, marks: np.ndarray, wanted: Variations, side: int, drawn: np.random.Generator) -> np.ndarray:
    """Return one variation of a grey picture uint8 (s, s) at another side, uint8 (side, side): cut, shifted, perhaps mirrored, relit.

    marks: landmarks (68, 2) in its pixels, NaN where there are none. One interpolation for all of it.
    """
    stored, draws = picture.shape[0], drawn.random(6)
    low, high = _kept_inside(marks, stored)
    size = max(stored * (1 - wanted.crop * draws[0]), (high - low).max())
    first, last = np.clip(high - size, 0, None), np.clip(low, None, stored - size)
    corner = first + (np.maximum(last, first) - first) * draws[1:3] + wanted.shift * stored * (2 * draws[3:5] - 1)
    corner = np.clip(corner, high - size, low)  # shifted beyond the picture if need be, but never past a feature
    factor = side / size
    matrix = np.array([[factor, 0, -factor * corner[0]], [0, factor, -factor * corner[1]], [0, 0, 1.0]])
    if draws[5] < wanted.mirror:
        matrix = np.array([[-1, 0, side], [0, 1, 0], [0, 0, 1.0]]) @ matrix
    change = transforms.Transform("variation", tuple(map(tuple, matrix)), side, side)
    moved = transforms.apply(np.ascontiguousarray(picture)[..., None], change).reshape(side, side)
    power = wanted.gamma ** (2 * drawn.random() - 1)
    return np.round(255 * (np.arange(256) / 255) ** power).astype(np.uint8)[moved]


def _kept_inside(marks: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the top left and bottom right corner of what a crop has to preserve, each (2,), within the picture."""
    points = np.asarray(marks, float)[KEEPING]
    if not np.isfinite(points).all():
        return side * np.array(FEATURES[:2]), side * np.array(FEATURES[2:])
    return np.clip(points.min(axis=0), 0, side), np.clip(points.max(axis=0), 0, side)
