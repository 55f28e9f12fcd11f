"""Artworks: the study's four classifiers, the two it wished for and three baselines, trained and tested fold by fold on the same artworks.

ShallNet, VGG16+TLv1 (all artworks, whole), VGG16+TLv2 (those that pass the person filter, cut to the face), CV+FC (hand-made features of
the whole), their ensemble, the concatenated network; chance, majority and a colour histogram. Nobody's portraits are on both sides of a
fold. Section numbers are those of Charkhabi and Garrido's paper.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lib.artworks import features as hand_made
from lib.artworks import heads
from lib.compendium import fingerprints
from lib.compendium.errors import ParameterError, WeightsError, did_you_mean
from lib.compendium.kept import kept
from lib.faces import transforms
from lib.faces.align import align
from lib.faces.detectors import silent
from lib.networks import art_nets
from lib.training import fitting
from lib.training.data import Rows

with silent():
    import keras

TITLES = {
    "shallnet": "ShallNet", "vgg16_tlv1": "VGG16+TLv1", "vgg16_tlv2": "VGG16+TLv2", "cv_fc": "CV+FC", "ensemble": "ensemble",
    "concatenated": "concatenated", "chance": "chance", "majority": "majority", "colour_histogram": "colour histogram",
}  # fmt: skip
CLASSIFIERS = tuple(TITLES)
OF_FACES = ("vgg16_tlv2", "ensemble", "concatenated")  # answer for artworks that pass the person filter, and for no others
GROUPS = (0, 1, 2, 3)
PROBABILITIES = tuple(f"p{group}" for group in GROUPS)
COLUMNS = ("artwork_id", "fold", "part", "classifier", "group", "predicted", *PROBABILITIES, "passed", "unit")
FACE_COLUMNS = ("artwork_id", "x", "y", "width", "height")
GREY, CONTRAST = 128.0, 45.0  # mean and deviation of grey levels to which a face is brought
OVAL = (0.5, 0.53, 0.40, 0.50)  # of an aligned crop: centre (x, y) and half axes of the face, as shares of the side
SOFT = 0.12  # width of the oval's soft edge, as a share of its axes
MAPS = "maps.npy"
RESAMPLES = 2000
SOURCES = ("lib.artworks.classifiers", "lib.artworks.heads", "lib.artworks.features", "lib.artworks.palettes", "lib.artworks.texture",
           "lib.networks.art_nets", "lib.networks.backbones", "lib.training.fitting", "lib.faces.align", "lib.faces.landmarks",
           "lib.faces.transforms")  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How the classifiers learn. Defaults are the paper's where it states them.

    folds: every artwork is tested once; the paper has one split, whose sizes it does not state. weights, width: of VGG16's trunk:
    "imagenet" at width 1 (the paper), "none", or a file of `backbones.build("vgg16", …)` (see `atelier_trunk`). side: pixels of the
    pictures a network sees; not stated in the paper. epochs: 50 for VGG16 (Table 1). batch, rate: Adam's; not stated in the paper.
    decay: of the dense layers' kernels; not in the paper. hidden: of a dense layer before the softmax of CV+FC and of the concatenated
    network, 0: none; trunk_hidden: of one between VGG16's average and its softmax (see `art_nets.vgg16_transfer`). layout: of the
    features. turn: degrees of the rotated copies to learn from (paper: flips and rotations, no blur; 500 portraits became 2k: four
    copies each). prepare: of a face, "grey" (levelled, its surroundings faded out) or "colour" (as it is).
    fine, fine_epochs, fine_rate: which of the trunk's blocks learn too in VGG16+TLv2; "none" is the paper's. shallnet_…: ShallNet's
    share of filters, epochs (not stated), and how many folds it is trained for, as it is dear. combine: of the ensemble, "product" or
    "mean" of probabilities; not stated in the paper. seed: of folds, fresh weights and order.
    """

    folds: int = 5
    weights: str = "imagenet"
    width: float = 1.0
    side: int = 224
    epochs: int = 50
    batch: int = 32
    rate: float = 1e-3
    decay: float = 0.0
    hidden: int = 0
    trunk_hidden: int = 0
    layout: hand_made.Layout = field(default_factory=hand_made.Layout)
    turn: float = 8.0
    prepare: str = "grey"
    fine: str = "none"
    fine_epochs: int = 10
    fine_rate: float = 1e-3
    shallnet_side: int = 64
    shallnet_width: float = 1.0
    shallnet_epochs: int = 50
    shallnet_folds: int = 1
    combine: str = "product"
    seed: int = 0

    def __post_init__(self):
        for name, known in (("prepare", ("grey", "colour")), ("combine", ("product", "mean")), ("fine", tuple(art_nets.FINE_FROM))):
            if getattr(self, name) not in known:
                raise ParameterError(f"Received {name}={getattr(self, name)!r} for the classifiers, expected one of {', '.join(known)}."
                                     f"{did_you_mean(str(getattr(self, name)), known)}")  # fmt: skip
        least = {"folds": 2, "side": 32, "epochs": 1, "batch": 1, "hidden": 0, "trunk_hidden": 0,
                 "fine_epochs": 1, "shallnet_epochs": 1, "shallnet_folds": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ParameterError(f"Received {name}={getattr(self, name)} for the classifiers, expected at least {low}.")

    def settings(self) -> dict:
        """Return the settings as JSON-able values, the file of weights by its content."""
        said = asdict(self)
        if Path(self.weights).is_file():
            said["weights"] = fingerprints.sha256_of(Path(self.weights))
        return said


@dataclass(frozen=True)
class Study:
    """What came out for one set of artworks.

    predictions: COLUMNS, a row for each artwork, fold and classifier that answers; `part` train or test; `unit`: who or what is resampled.
    features: float32 (n, d), each artwork's as measured when it was tested. crops: faces as VGG16+TLv2 sees them, uint8 (m, side, side,
    3), of the artworks at `rows` (m,). palettes: (folds, 4, each, colours, 3) L*a*b*. folder: where all of it is kept.
    """

    predictions: pd.DataFrame
    features: np.ndarray
    notes: np.ndarray
    rows: np.ndarray
    crops: np.ndarray
    palettes: np.ndarray
    fold_of: np.ndarray
    settings: Settings
    folder: Path


# ---- one study


def study(artworks, faces: pd.DataFrame, settings: Settings = Settings(), progress: Callable | None = None) -> Study:  # noqa: B008
    """Train and test every classifier on artworks, once for the same ones; a killed call goes on where it was.

    artworks: `pictures` uint8 (n, side, side, 3) or a list of pictures of any sizes, and `table` with artwork_id, group (0 to 3) and,
    where known, identity (-1: nobody). faces: the person filter's answer, FACE_COLUMNS and, where known, roll, detector: a box in pixels
    for each artwork that passes; of several the largest counts. progress(done, total): stages. Raises ParameterError for classes too
    small to split, for faces of unknown artworks and for a filter that lets too few pass. Classes may be missing.
    """
    table, label = _checked(artworks, settings)
    rows, boxes = _passing(faces, table, label, settings)
    about = {"artworks": _digest(artworks, label), "faces": _text_digest(boxes), "settings": settings.settings()}
    folder = kept("art-classifiers", about, SOURCES, lambda making: _make(making, artworks, label, rows, boxes, settings, progress))
    return _read(folder, rows, settings)


def _checked(artworks, settings: Settings) -> tuple[pd.DataFrame, np.ndarray]:
    table = artworks.table.reset_index(drop=True)
    if missing := [name for name in ("artwork_id", "group") if name not in table]:
        raise ParameterError(f"Received artworks without {', '.join(missing)}, expected artwork_id and group: read the tags first.")
    label = table["group"].to_numpy(int)
    folds_of(table, settings.folds, settings.seed)  # names classes that are too small
    return table, label


def folds_of(table: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    """Return the fold in which each artwork is tested, int (n,): a sitter's portraits together, labels as even as that allows.

    Groups that no artwork has are left out. Raises ParameterError where a group of emotions has artworks of fewer sitters (or works
    without one) than there are folds, and where there are fewer than two groups.
    """
    label, units = table["group"].to_numpy(int), units_of(table)
    if (wrong := sorted(set(label) - set(GROUPS))) or len(set(label)) < 2:
        raise ParameterError(f"Received the groups {sorted(set(label))}, expected at least two of {', '.join(map(str, GROUPS))}"
                             f"{f', and none like {wrong[0]}' if wrong else ''}: look at the tags.")  # fmt: skip
    counts = pd.crosstab(units, label).reindex(columns=GROUPS, fill_value=0)
    for group in GROUPS:
        if 0 < (counts[group] > 0).sum() < folds:
            raise ParameterError(f"Received {(counts[group] > 0).sum()} sitters or works of group {group}, too few to split into {folds} "
                                 f"folds: expected at least {folds}. Tag more artworks, or give fewer folds.")  # fmt: skip
    generator = np.random.default_rng([seed, 7])
    order = counts.index[generator.permutation(len(counts))]
    order = order[np.argsort(-counts.loc[order].sum(axis=1).to_numpy(), kind="stable")]  # large ones first, while there is room
    held, place = np.zeros((folds, len(GROUPS))), {}
    for unit in order:
        new = counts.loc[unit].to_numpy()
        # The fold whose counts of these labels are smallest; of equal ones the smaller fold.
        best = int(np.lexsort((held.sum(axis=1), held @ new))[0])
        held[best] += new
        place[unit] = best
    return np.array([place[unit] for unit in units])


def units_of(table: pd.DataFrame) -> np.ndarray:
    """Return what belongs together, object (n,): a sitter's portraits, else each work for itself."""
    identity = table["identity"].to_numpy() if "identity" in table else np.full(len(table), -1)
    own = table["artwork_id"].astype(str)
    return np.array([f"sitter {who}" if who >= 0 else work for who, work in zip(identity, own, strict=True)], object)


def truth_faces(table: pd.DataFrame) -> pd.DataFrame:
    """Return the planted face boxes of a table of artworks as FACE_COLUMNS: a person filter that is always right."""
    known = table.loc[table["box_x"].notna(), ["artwork_id", "box_x", "box_y", "box_width", "box_height"]]
    return known.set_axis(FACE_COLUMNS, axis=1).assign(detector="hand").reset_index(drop=True)


def _passing(faces: pd.DataFrame, table: pd.DataFrame, label: np.ndarray, settings: Settings) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the row numbers of the artworks that pass the filter, in order, and their boxes."""
    if missing := [name for name in FACE_COLUMNS if name not in faces]:
        raise ParameterError(f"Received faces without {', '.join(missing)}, expected {', '.join(FACE_COLUMNS)}: run the person filter.")
    place = {name: number for number, name in enumerate(table["artwork_id"])}
    if unknown := [name for name in faces["artwork_id"] if name not in place]:
        raise ParameterError(f"Received a face of the artwork {unknown[0]!r}, which is not among the artworks; filter these artworks.")
    faces = faces.assign(row=faces["artwork_id"].map(place), area=faces["width"] * faces["height"])
    boxes = faces.sort_values(["row", "area"], ascending=[True, False], kind="stable").drop_duplicates("row").reset_index(drop=True)
    rows = boxes["row"].to_numpy(int)
    fold = folds_of(table, settings.folds, settings.seed)[rows]
    for number in range(settings.folds):
        learning = set(label[rows[fold != number]])
        if lacking := [group for group in sorted(set(label)) if group not in learning]:
            raise ParameterError(f"Received {len(rows)} artworks that pass the person filter, of which none of group {lacking[0]} is left "
                                 f"to learn from in fold {number}: expected some. Tag more portraits or set a milder filter.")  # fmt: skip
    return rows, boxes.drop(columns=["area"])


def _digest(artworks, label: np.ndarray) -> str:
    made = hashlib.sha256(json.dumps([artworks.table["artwork_id"].astype(str).tolist(), label.tolist(),
                                      units_of(artworks.table).tolist()]).encode())  # fmt: skip
    for number in range(len(artworks.pictures)):
        made.update(np.ascontiguousarray(artworks.pictures[number]).tobytes())
    return made.hexdigest()


def _text_digest(boxes: pd.DataFrame) -> str:
    return hashlib.sha256(boxes.round(3).to_csv(index=False).encode()).hexdigest()


def _make(folder: Path, artworks, label: np.ndarray, rows: np.ndarray, boxes: pd.DataFrame, settings: Settings, progress) -> dict:
    total = 4 + (settings.folds if settings.fine != "none" else 0) + min(settings.shallnet_folds, settings.folds)
    done = iter(range(1, total + 1))

    def say() -> None:
        if progress:
            progress(next(done), total)

    table = artworks.table.reset_index(drop=True)
    fold_of = folds_of(table, settings.folds, settings.seed)
    found = _once(folder / "measured.npz", lambda: hand_made.measured(artworks.pictures, settings.layout)._asdict() | {
        "histograms": np.stack([hand_made.histogram(np.asarray(picture)) for picture in artworks.pictures])})  # fmt: skip
    histograms = found.pop("histograms")
    found["notes"] = found["notes"].astype(object)
    found = hand_made.Measured(**found)
    say()
    pictures = _once(folder / "pictures.npz", lambda: _pictures(artworks, boxes, settings))
    say()
    whole, local = (_once(folder / f"{kind}.npz", lambda kind=kind: {"values": _averages(pictures[kind], settings)})["values"]
                    for kind in ("whole", "faces"))  # fmt: skip
    say()
    learned = np.stack([hand_made.learn_palettes(found, label, np.flatnonzero(fold_of != fold), settings.layout, settings.seed)
                        for fold in range(settings.folds)])  # fmt: skip
    values = np.stack([hand_made.features(found, palettes, settings.layout) for palettes in learned])
    answers = _answers(folder, label, fold_of, rows, values, histograms, whole, local, pictures, settings, say)
    say()
    answers |= _shallnet_answers(folder, pictures["shallnet"], label, fold_of, settings, say)
    predictions = _table(answers, table, label, fold_of, rows, settings)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    np.savez(folder / "study.npz", features=values[fold_of, np.arange(len(label))], notes=found.notes.astype(str),
             crops=pictures["faces"][:, 0], palettes=learned, fold_of=fold_of)  # fmt: skip
    for name in ("measured", "pictures", "whole", "faces"):
        (folder / f"{name}.npz").unlink()
    return {"artworks": len(table), "passed": len(rows)}


def _once(path: Path, make: Callable[[], Mapping]) -> dict:
    """Return arrays by name, made now or, after a kill, read from the file."""
    if not path.exists():
        part = path.with_name(f".{path.stem}.part.npz")
        made = make()
        np.savez(part, **{name: array.astype(str) if array.dtype == object else array for name, array in made.items()})
        part.replace(path)
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _read(folder: Path, rows: np.ndarray, settings: Settings) -> Study:
    with np.load(folder / "study.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    predictions = pd.read_parquet(folder / "predictions.parquet")
    said = {name: arrays[name] for name in ("features", "notes", "crops", "palettes", "fold_of")}
    return Study(predictions=predictions, rows=rows, settings=settings, folder=folder, **said)


# ---- what the networks see


def _pictures(artworks, boxes: pd.DataFrame, settings: Settings) -> dict:
    """Return whole pictures (n, 2, side, side, 3), faces (m, 4, side, side, 3): each with its copies to learn from; and ShallNet's."""
    side = settings.side
    whole = np.stack([squared(np.asarray(picture), side) for picture in artworks.pictures])
    small = np.stack([squared(np.asarray(picture), settings.shallnet_side) for picture in artworks.pictures])
    faces = np.stack([_copies(face(np.asarray(artworks.pictures[box.row]), box, side)[0], settings) for box in boxes.itertuples()])
    return {"whole": np.stack([whole, whole[:, :, ::-1]], axis=1), "faces": faces, "shallnet": small}


def squared(picture: np.ndarray, side: int) -> np.ndarray:
    """Return a picture uint8 RGB (h, w, 3) brought to (side, side, 3); its proportions are not kept, nothing is cut off."""
    shrinks = min(picture.shape[:2]) > side
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def face(picture: np.ndarray, box, side: int) -> tuple[np.ndarray, transforms.Transform]:
    """Return a face cut out and aligned as in training (`lib.faces.align`), uint8 (side, side, 3), and the transform to this crop.

    box: a row with x, y, width, height and, where known, roll and detector. Eyes come from dlib's landmarks; without its weights the box
    alone decides. differs from the paper, which feeds VGG16 whole portraits.
    """
    from lib.faces.landmarks import landmarks

    place, roll = (box.x, box.y, box.width, box.height), float(getattr(box, "roll", 0.0) or 0.0)
    try:
        found = landmarks(picture, place, getattr(box, "detector", "mtcnn"), roll)
    except WeightsError:
        found = None
    return align(picture, place, side, found, roll=roll)[:2]


def prepared(crop: np.ndarray, how: str = "grey") -> np.ndarray:
    """Return a face crop as VGG16+TLv2 sees it, uint8 (side, side, 3).

    "grey": grey levels of the face brought to mean GREY and deviation CONTRAST, its surroundings faded to GREY: palette, brightness and
    most of the canvas are gone, the expression is left. differs from the paper, which does not say so; "colour": as it is.
    """
    if how == "colour":
        return crop
    levels, weight = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32), _oval(len(crop))
    mean = float((levels * weight).sum() / weight.sum())
    spread = max(1.0, float(np.sqrt((weight * (levels - mean) ** 2).sum() / weight.sum())))
    even = GREY + weight * (levels - mean) * (CONTRAST / spread)
    return np.repeat(np.clip(even, 0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


def _oval(side: int) -> np.ndarray:
    """Return the weight of each pixel of an aligned crop, float32 (side, side): 1 on the face, falling softly to 0 around it."""
    y, x = (np.mgrid[:side, :side].astype(np.float32) + 0.5) / side
    away = np.hypot((x - OVAL[0]) / OVAL[2], (y - OVAL[1]) / OVAL[3])
    return np.clip((1 + SOFT - away) / (2 * SOFT), 0, 1).astype(np.float32)


def _copies(crop: np.ndarray, settings: Settings) -> np.ndarray:
    """Return a face and three copies to learn from (4, side, side, 3): its mirror image, and both turned, one to each side."""
    turned = [crop, crop[:, ::-1], _turned(crop, settings.turn), _turned(crop[:, ::-1], -settings.turn)]
    return np.stack([prepared(np.ascontiguousarray(one), settings.prepare) for one in turned])


def _turned(crop: np.ndarray, degrees: float) -> np.ndarray:
    side = len(crop)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2,) * 2, degrees, 1.0)
    return cv2.warpAffine(np.ascontiguousarray(crop), matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def trunk(settings: Settings) -> keras.Model:
    """Return VGG16's frozen trunk with the settings' weights. Raises WeightsError where they cannot be had."""
    return art_nets.vgg16_trunk(settings.side, settings.width, settings.weights, settings.seed)


def _averages(pictures: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the trunk's averages of pictures (n, copies, side, side, 3), float32 (n, copies, channels)."""
    said = trunk(settings).predict(pictures.reshape(-1, *pictures.shape[2:]), batch_size=64, verbose=0)
    return said.reshape(*pictures.shape[:2], -1)


# ---- fold by fold


def _answers(folder, label, fold_of, rows, values, histograms, whole, local, pictures, settings, say) -> dict:
    """Return {(classifier, fold): probabilities (n or m, 4)} of all but ShallNet; the dense layers are kept by name and fold."""
    answers, layers, mine = {}, {}, fold_of[rows]
    for fold in range(settings.folds):
        learning, seed = fold_of != fold, [settings.seed, fold]
        told, hand = values[fold], dict(learning=learning, label=label, settings=settings)
        near = dict(learning=mine != fold, label=label[rows], settings=settings)
        trained = {
            "vgg16_tlv1": _head(whole, seed=[*seed, 1], hidden=settings.trunk_hidden, **hand),
            "vgg16_tlv2": _head(local, seed=[*seed, 2], hidden=settings.trunk_hidden, **near),
            "cv_fc": _head(told[:, None], seed=[*seed, 3], hidden=settings.hidden, **hand),
            "concatenated": _head(_beside(local, told[rows]), seed=[*seed, 4], hidden=settings.hidden, **near),
            "colour_histogram": _head(histograms[:, None], seed=[*seed, 5], **hand),
        }
        given = {"vgg16_tlv1": whole[:, 0], "vgg16_tlv2": local[:, 0], "cv_fc": told, "concatenated": _beside(local, told[rows])[:, 0],
                 "colour_histogram": histograms}  # fmt: skip
        for name, head in trained.items():
            answers[name, fold] = heads.answer(head, given[name])
            layers |= {f"{name}/{fold}/{part}": array for part, array in head.items()}
        if settings.fine != "none":
            answers["vgg16_tlv2", fold] = _fine(folder, pictures["faces"], label[rows], mine, fold, trained["vgg16_tlv2"], settings)
            say()
        answers["ensemble", fold] = together(answers["vgg16_tlv2", fold], answers["cv_fc", fold][rows], settings.combine)
        answers["chance", fold] = np.full((len(label), len(GROUPS)), 1 / len(GROUPS))
        shares = np.bincount(label[learning], minlength=len(GROUPS)) / learning.sum()
        answers["majority", fold] = np.repeat(shares[None], len(label), axis=0)
    np.savez(folder / "heads.npz", **layers)
    (folder / MAPS).unlink(missing_ok=True)
    return answers


def _head(values: np.ndarray, learning, label, seed, settings: Settings, hidden: int = 0) -> dict:
    """Return dense layers learned from values (n, copies, d) of the artworks that learn."""
    x, copies = values[learning], values.shape[1]
    return heads.learn(x.reshape(-1, x.shape[-1]), np.repeat(label[learning], copies), hidden, settings.epochs, settings.batch,
                       settings.rate, settings.decay, seed)  # fmt: skip


def _beside(local: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Return averages (m, copies, channels) with the features (m, d) of the whole beside those of each copy: turning changes them not."""
    return np.concatenate([local, np.repeat(told[:, None], local.shape[1], axis=1)], axis=2)


def together(one: np.ndarray, other: np.ndarray, combine: str = "product") -> np.ndarray:
    """Return the ensemble's probabilities (n, 4) of two classifiers': their mean, or their product, normalised."""
    if combine == "mean":
        return (one + other) / 2
    both = np.clip(one, 1e-6, 1) * np.clip(other, 1e-6, 1)
    return both / both.sum(axis=1, keepdims=True)


def _fine(folder: Path, faces: np.ndarray, label, mine, fold: int, head: dict, settings: Settings) -> np.ndarray:
    """Return VGG16+TLv2's probabilities (m, 4) after its last blocks have learned too, from the frozen trunk's dense layer on."""
    model, path = _fine_model(head, settings), folder / f"vgg16_tlv2-{fold}.weights.h5"
    still, learner = art_nets.halves(model, settings.fine)
    maps = _maps(folder / MAPS, still, faces)  # of all copies of all faces, the same in every fold
    if not path.exists():
        learning = np.flatnonzero(np.repeat(mine != fold, faces.shape[1]))
        target = np.eye(len(GROUPS), dtype=np.float32)[np.repeat(label, faces.shape[1])]
        fitting.compiled(learner, {art_nets.OUTPUT: keras.losses.CategoricalCrossentropy()})
        rate = fitting.falling(settings.fine_rate, settings.fine_epochs)
        fitting.fit(learner, {"maps": Rows(maps, learning)}, {art_nets.OUTPUT: target[learning]}, settings.fine_epochs,
                    folder / f"fine-{fold}", settings.seed + fold, batch=settings.batch, rate=rate)  # fmt: skip
        _saved(model, path)
        (folder / f"fine-{fold}" / fitting.CHECKPOINT).unlink(missing_ok=True)
    else:
        model.load_weights(path)
    return learner.predict({"maps": np.asarray(maps[::faces.shape[1]])}, batch_size=64, verbose=0)[art_nets.OUTPUT]


def _maps(path: Path, still: keras.Model, faces: np.ndarray) -> np.ndarray:
    """Return what comes out of the blocks that stay as they are, float32 (m · copies, h, w, channels), memory-mapped."""
    if not path.exists():
        part = path.with_suffix(".part.npy")
        np.save(part, still.predict(faces.reshape(-1, *faces.shape[2:]), batch_size=64, verbose=0).astype(np.float32))
        part.replace(path)
    return np.load(path, mmap_mode="r")


def _saved(model: keras.Model, path: Path) -> None:
    part = path.with_name(f".part-{path.name}")
    model.save_weights(part)
    part.replace(path)


def _fine_model(head: dict, settings: Settings) -> keras.Model:
    model = art_nets.vgg16_transfer(trunk(settings), seed=settings.seed, fine=settings.fine, hidden=settings.trunk_hidden)
    return _with_head(model, heads.plain(head))


def _named(model: keras.Model) -> keras.Model:
    named = keras.Model({"picture": model.input}, {art_nets.OUTPUT: model.output}, name=model.name)
    return fitting.compiled(named, {art_nets.OUTPUT: keras.losses.CategoricalCrossentropy()})


def _shallnet_answers(folder: Path, pictures: np.ndarray, label, fold_of, settings: Settings, say: Callable) -> dict:
    answers = {}
    for fold in range(min(settings.shallnet_folds, settings.folds)):
        model = art_nets.shallnet(settings.shallnet_side, settings.shallnet_width, seed=settings.seed + fold)
        learning = fold_of != fold
        shown = np.concatenate([pictures[learning], pictures[learning][:, :, ::-1]])
        target = np.eye(len(GROUPS), dtype=np.float32)[np.tile(label[learning], 2)]
        rate = fitting.falling(settings.rate, settings.shallnet_epochs)
        fitting.fit(_named(model), {"picture": shown}, {art_nets.OUTPUT: target}, settings.shallnet_epochs, folder / f"shallnet-{fold}",
                    settings.seed + fold, batch=settings.batch, rate=rate)  # fmt: skip
        (folder / f"shallnet-{fold}" / fitting.CHECKPOINT).unlink(missing_ok=True)
        _saved(model, folder / f"shallnet-{fold}.weights.h5")
        answers["shallnet", fold] = model.predict(pictures, batch_size=64, verbose=0)
        say()
    return answers


def _table(answers: dict, table: pd.DataFrame, label, fold_of, rows, settings: Settings) -> pd.DataFrame:
    passed, units, parts = np.isin(np.arange(len(label)), rows), units_of(table), []
    generator = np.random.default_rng([settings.seed, 11])
    for (name, fold), said in answers.items():
        mine = rows if name in OF_FACES else np.arange(len(label))
        predicted = generator.integers(0, len(GROUPS), len(mine)) if name == "chance" else said.argmax(axis=1)
        parts.append(pd.DataFrame({
            "artwork_id": table["artwork_id"].to_numpy()[mine], "fold": fold, "part": np.where(fold_of[mine] == fold, "test", "train"),
            "classifier": name, "group": label[mine], "predicted": predicted,
            **{column: said[:, group].astype(np.float32) for group, column in enumerate(PROBABILITIES)},
            "passed": passed[mine], "unit": units[mine],
        })[list(COLUMNS)])  # fmt: skip
    return pd.concat(parts, ignore_index=True)


# ---- networks for explanations


def network(done: Study, classifier: str, fold: int = 0) -> keras.Model:
    """Return a trained classifier of a fold as one flat Keras network, for maps and class visualisations.

    classifier: shallnet, vgg16_tlv1 (pictures as `squared` gives them), vgg16_tlv2 (as `prepared(face(…))` does), cv_fc (features) or
    concatenated ({"picture", "features"}). Answers are those of the predictions. Raises ParameterError for others and for a fold it was
    not trained for.
    """
    settings = done.settings
    if classifier == "shallnet" and fold < settings.shallnet_folds:
        model = art_nets.shallnet(settings.shallnet_side, settings.shallnet_width)
        model.load_weights(done.folder / f"shallnet-{fold}.weights.h5")
        return model
    makers = {"vgg16_tlv1": _transfer, "vgg16_tlv2": _transfer, "cv_fc": _dense, "concatenated": _both}
    if classifier not in makers or not 0 <= fold < settings.folds:
        raise ParameterError(f"Received the classifier {classifier!r} of fold {fold}, expected one of shallnet (folds 0 to "
                             f"{settings.shallnet_folds - 1}), {', '.join(makers)} (folds 0 to {settings.folds - 1}).")  # fmt: skip
    with np.load(done.folder / "heads.npz", allow_pickle=False) as file:
        start = f"{classifier}/{fold}/"
        head = {name.removeprefix(start): file[name] for name in file.files if name.startswith(start)}
    return makers[classifier](done, classifier, fold, head)


def _transfer(done: Study, classifier: str, fold: int, head: dict) -> keras.Model:
    if classifier == "vgg16_tlv2" and done.settings.fine != "none":
        model = _fine_model(head, done.settings)
        model.load_weights(done.folder / f"vgg16_tlv2-{fold}.weights.h5")
        return model
    model = art_nets.vgg16_transfer(trunk(done.settings), seed=done.settings.seed, hidden=done.settings.trunk_hidden)
    return _with_head(model, heads.plain(head))


def _dense(done: Study, classifier: str, fold: int, head: dict) -> keras.Model:
    model = art_nets.features_net(len(head["mean"]), done.settings.hidden)
    _fill(model, head, {"standard": slice(None)})
    return model


def _both(done: Study, classifier: str, fold: int, head: dict) -> keras.Model:
    told = done.features.shape[1]
    model = art_nets.concatenated(trunk(done.settings), told, done.settings.hidden)
    _fill(model, head, {"local_standard": slice(None, -told), "standard": slice(-told, None)})
    return model


def _fill(model: keras.Model, head: dict, standards: dict) -> None:
    """Put what a head learned into a network's standardising and dense layers."""
    for name, part in standards.items():
        mean, deviation = head["mean"][part], head["deviation"][part]
        model.get_layer(name).set_weights([mean, deviation**2, np.array(0)])
        model.get_layer(name).finalize_state()
    _with_head(model, [head[name] for name in ("kernel_0", "bias_0", "kernel_1", "bias_1") if name in head])


def _with_head(model: keras.Model, layers: list) -> keras.Model:
    """Put [kernel, bias] of one or two dense layers into a network and return it."""
    for number, name in enumerate(("hidden", art_nets.OUTPUT) if len(layers) == 4 else (art_nets.OUTPUT,)):
        model.get_layer(name).set_weights(layers[2 * number:2 * number + 2])
    return model


# ---- what came out


def accuracies(predictions: pd.DataFrame, only_passed: bool = False, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return a row a classifier: classifier, title, train, test (shares of right answers), low, high (of test, 95 %), artworks (tested).

    Intervals are bootstraps over sitters (works without one for themselves). only_passed: artworks that pass the person filter, so that
    all classifiers answer for the same ones.
    """
    if only_passed:
        predictions = predictions[predictions["passed"]]
    rows = []
    for name in [one for one in CLASSIFIERS if (predictions["classifier"] == one).any()]:
        mine = predictions[predictions["classifier"] == name]
        right = mine["predicted"] == mine["group"]
        tested = mine["part"] == "test"
        test, low, high = _interval(right[tested].to_numpy(float), mine.loc[tested, "unit"].to_numpy(), resamples, seed)
        rows.append((name, TITLES[name], float(right[~tested].mean()), test, low, high, int(tested.sum())))
    return pd.DataFrame(rows, columns=["classifier", "title", "train", "test", "low", "high", "artworks"])


def compared(predictions: pd.DataFrame, one: str, others, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return how much more often a classifier is right than others on the artworks both are tested on: other, difference, low, high."""
    tested = predictions[predictions["part"] == "test"].assign(right=lambda rows: rows["predicted"] == rows["group"])
    wide = tested.pivot(index=["artwork_id", "unit"], columns="classifier", values="right")
    if missing := [name for name in (one, *others) if name not in wide]:
        raise ParameterError(f"Received no predictions of {', '.join(missing)}, expected some of {', '.join(wide.columns)}.")
    rows = []
    for other in others:
        pair = wide[[one, other]].dropna().astype(float)
        units = pair.index.get_level_values("unit").to_numpy()
        rows.append((one, other, *_interval((pair[one] - pair[other]).to_numpy(), units, resamples, seed), len(pair)))
    return pd.DataFrame(rows, columns=["classifier", "other", "difference", "low", "high", "artworks"])


def _interval(values: np.ndarray, units: np.ndarray, resamples: int, seed: int) -> tuple[float, float, float]:
    """Return the mean of values (n,) and its 95 % interval when units are drawn anew."""
    codes = pd.factorize(units)[0]
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), resamples)
    low, high = np.quantile(drawn @ sums / np.maximum(drawn @ counts, 1), (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def meaning(studies: Mapping[str, Study], resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return every classifier's accuracy in every regime on the artworks that pass the filter: regime and the columns of `accuracies`."""
    parts = [accuracies(done.predictions, True, resamples, seed).assign(regime=regime) for regime, done in studies.items()]
    together_ = pd.concat(parts, ignore_index=True)
    return together_[["regime", *[name for name in together_ if name != "regime"]]]


def confusion(predictions: pd.DataFrame, classifier: str) -> pd.DataFrame:
    """Return how often each group (rows) is answered by each (columns) where a classifier is tested, int (4, 4)."""
    mine = predictions[(predictions["classifier"] == classifier) & (predictions["part"] == "test")]
    return pd.crosstab(mine["group"], mine["predicted"]).reindex(index=GROUPS, columns=GROUPS, fill_value=0)


# ---- the trunk that needs no network


def atelier_trunk(side: int = 64, width: float = 0.25, pretraining_faces: int = 2520, pretraining_epochs: int = 22,
                  progress: Callable | None = None, **others) -> Path:  # fmt: skip
    """Return a file of VGG16 weights learned from the atelier's people, for `Settings.weights`; learned now if never before.

    With the default values it is the very file that notebook 04's demo uses for VGG16: trained once for both. others: further parameters
    of `lib.training.parameters` that start with pretraining_. differs from the paper, whose trunk has seen ImageNet.
    """
    from lib.training import pretraining
    from lib.training.parameters import TrainingParameters

    wanted = TrainingParameters(backbone="vgg16", weights="atelier", side=side, width=width, pretraining_faces=pretraining_faces,
                                pretraining_epochs=pretraining_epochs, **others)  # fmt: skip
    return pretraining.pretrained(wanted, progress)
