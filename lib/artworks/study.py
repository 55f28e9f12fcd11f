"""Artworks: the art-emotion study from its parameters to classifiers, maps and generated portraits (notebook 09).

Artworks of the reader, or the atelier's paintings in three regimes: only the whole painting tells the emotion, only the face does, or both.
Section numbers are those of Charkhabi and Garrido's paper.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from lib.artworks import classifiers, generation, palettes, people, tags
from lib.artworks.features import Layout
from lib.artworks.parameters import ArtEmotionParameters
from lib.collections.atelier import paintings
from lib.collections.atelier.paintings import plan
from lib.collections.pictures import read_picture
from lib.compendium.errors import ParameterError
from lib.compendium.kept import kept
from lib.explain import cam
from lib.faces import transforms
from lib.published.tables import table
from lib.training import gans

OWN = "own"  # the one regime of a reader's artworks: what tells their emotion is not known
LONGEST = 512  # pixels to which a reader's artworks are brought when they are larger
FILTERED_BY = ("lib.artworks.people", "lib.faces.detectors")
JUDGED_SEED = 1  # of the codes whose portraits are judged: other ones than those watched in training


class Works(NamedTuple):
    """Artworks: pictures, uint8 RGB, one array (n, h, w, 3) or a list; table: artwork_id, subject, group, tag and what else is known;
    cue_maps: bool (n, h, w), where the expression moved the face, or None."""

    pictures: Sequence
    table: pd.DataFrame
    cue_maps: np.ndarray | None = None


class Source(NamedTuple):
    """Where artworks come from: {regime: Works}, the regime of Table 1, whether synthetic, what was left out, unknown tags, warnings."""

    works: dict[str, Works]
    main: str
    synthetic: bool
    left_out: pd.DataFrame
    unknown: pd.DataFrame
    warnings: list[str]

    @property
    def named(self) -> str:
        """What the artworks are called in captions."""
        return "atelier (synthetic)" if self.synthetic else "your artworks"


# ---- artworks and who is on them


def artworks_of(wanted: ArtEmotionParameters) -> Source:
    """Return the artworks: the reader's where a folder is given, else the atelier's in three regimes, rendered once.

    Raises CollectionError for artworks that cannot be used: no known tag, a class too small to split.
    """
    if not (wanted.folder or wanted.wikiart):
        made = {regime: paintings.atelier_artworks(wanted.portraits, wanted.others, wanted.painting_side, regime, wanted.reliability,
                                                   wanted.seed, wanted.misled) for regime in plan.REGIMES}  # fmt: skip
        works = {regime: Works(one.pictures, one.table, one.cue_maps) for regime, one in made.items()}
        nothing = pd.DataFrame(columns=["file", "reason"])
        return Source(works, "both", True, nothing, pd.DataFrame(columns=["tag", "pictures", "nearest"]), [])
    found = tags.read_folder(Path(wanted.folder).expanduser()) if wanted.folder else tags.read_wikiart(Path(wanted.wikiart).expanduser())
    warnings = tags.check_groups(found.table["group"], max(tags.FEWEST, wanted.folds))
    pictures = [_within(read_picture(path)) for path in found.table["path"]]
    return Source({OWN: Works(pictures, found.table)}, OWN, False, found.left_out, found.unknown, warnings)


def _within(picture: np.ndarray) -> np.ndarray:
    scale = LONGEST / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def persons(wanted: ArtEmotionParameters, source: Source, progress: Callable | None = None) -> pd.DataFrame:
    """Return what the person filter finds in the artworks of Table 1, `people.COLUMNS`; looked for once.

    The atelier's other regimes show the same scenes in other colours, and take these boxes too. Raises WeightsError where YOLOv8's weights
    cannot be had.
    """
    works = source.works[source.main]
    settings = {"filter": wanted.person_filter, "weights": Path(wanted.yolo_weights).name, "artworks": _digest(works)}
    folder = kept("persons", settings, FILTERED_BY, lambda making: _look(making, wanted, works, progress))
    return pd.read_parquet(folder / "found.parquet")


def _look(folder: Path, wanted: ArtEmotionParameters, works: Works, progress: Callable | None) -> dict:
    detect = people.by_face
    if wanted.person_filter == "yolo":
        detect = people.yolo(wanted.yolo_weights or None, preset=None if wanted.yolo_weights else people.PRESET)
    found = people.filtered(works, detect, progress)
    found.to_parquet(folder / "found.parquet", index=False)
    return {"finds": len(found)}


def faces_of(wanted: ArtEmotionParameters, source: Source, found: pd.DataFrame) -> pd.DataFrame:
    """Return the largest face of each artwork that passes: `people.COLUMNS`. YOLO finds persons: their faces are sought anew."""
    if wanted.person_filter == "yolo" and len(found):
        works = source.works[source.main]
        rows = np.flatnonzero(people.passed(works.table, found))
        found = people.filtered(Works([works.pictures[row] for row in rows], works.table.iloc[rows].reset_index(drop=True)))
    areas = (found["width"] * found["height"]).to_numpy()
    return found.iloc[np.argsort(-areas, kind="stable")].drop_duplicates("artwork_id").sort_index().reset_index(drop=True)


def known_subjects(table: pd.DataFrame) -> bool:
    """Tell whether it is known of some artworks whether they are portraits."""
    return bool((table["subject"].fillna("") != "").any())


def _digest(works: Works) -> str:
    made = hashlib.sha256("\n".join(works.table["artwork_id"].astype(str)).encode())
    for picture in works.pictures:
        made.update(np.ascontiguousarray(picture).tobytes())
    return made.hexdigest()


# ---- classifiers


def layout_of(wanted: ArtEmotionParameters) -> Layout:
    """Return which hand-made features are taken."""
    return Layout(brightness=wanted.brightness, maps=wanted.texture_maps, measure=wanted.texture_measure, distances=wanted.distances)


def settings_of(wanted: ArtEmotionParameters, progress: Callable | None = None) -> classifiers.Settings:
    """Return the classifiers' settings; the weights `atelier` are learned now if never before (notebook 04's may serve)."""
    weights = wanted.weights
    if weights == "atelier":
        weights = str(classifiers.atelier_trunk(wanted.side, wanted.width, wanted.pretraining_faces, wanted.pretraining_epochs, progress,
                                                pretraining_rate=wanted.pretraining_rate))  # fmt: skip
    names = ("folds", "width", "side", "epochs", "batch", "rate", "decay", "hidden", "trunk_hidden", "turn", "prepare", "fine",
             "fine_epochs", "fine_rate", "combine", "shallnet_width", "shallnet_epochs", "shallnet_folds", "seed")  # fmt: skip
    return classifiers.Settings(weights=weights, layout=layout_of(wanted), **{name: getattr(wanted, name) for name in names})


def studies(wanted: ArtEmotionParameters, source: Source, faces: pd.DataFrame) -> dict[str, classifiers.Study]:
    """Return what the classifiers learned and answer, by regime; trained once."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # many small networks in one process are meant
    settings = settings_of(wanted)
    return {regime: classifiers.study(works, faces, settings) for regime, works in source.works.items()}


def best_readers(wanted: ArtEmotionParameters) -> dict[str, dict[str, float]]:
    """Return what perfect readers of the face, of the palette and of both would reach in the regime `both`."""
    return {"both": plan.best_accuracy(wanted.reliability, wanted.misled)}


def main_colours(works: Works, rows, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return the main colours (m, colours, 3) L*a*b* and their shares (m, colours) of the artworks at `rows`, as the features take them."""
    found = [palettes.main_colours(np.asarray(works.pictures[row]), layout.colours, layout.seed) for row in rows]
    return np.stack([colours for colours, _ in found]), np.stack([shares for _, shares in found])


def table_one(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1 beside this run, in %: model, train, test (printed), our_train, our_test, low, high, artworks (tested).

    accuracy: of `classifiers.accuracies`.
    """
    printed = table("art_emotion", "table_one").astype({"train": float, "test": float})
    ours = accuracy.set_index("title").reindex(printed["model"]).reset_index(drop=True)
    return printed.assign(our_train=100 * ours["train"], our_test=100 * ours["test"], low=100 * ours["low"], high=100 * ours["high"],
                          artworks=ours["artworks"])  # fmt: skip


def verdict_values(beside: pd.DataFrame, synthetic: bool) -> dict[str, tuple[float | None, str]]:
    """Return what this run measured of the claims about Table 1. Made-up paintings judge nothing."""
    names = {"ShallNet": "shallnet", "VGG16+TLv1": "vgg16_tlv1", "VGG16+TLv2": "vgg16_tlv2", "CV+FC": "cv_fc"}
    evidence, values = "synthetic" if synthetic else "real", {}
    for row in beside.itertuples():
        for part, value in (("train", row.our_train), ("test", row.our_test)):
            values[f"table_one_{names[row.model]}_{part}"] = (round(float(value), 1) if np.isfinite(value) else None, evidence)
    return values


# ---- where they look


class Looked(NamedTuple):
    """What a network was shown and where it looked: pictures uint8 (n, side, side, 3), answers (n, 4), maps float (n, side, side) of the
    class answered, rows (n,) of the artworks, cues bool (n, side, side), face bool (n, side, side) or None."""

    pictures: np.ndarray
    answers: np.ndarray
    maps: np.ndarray
    rows: np.ndarray
    cues: np.ndarray
    face: np.ndarray | None


def looked(works: Works, done: classifiers.Study, faces: pd.DataFrame, classifier: str, fold: int = 0) -> Looked:
    """Return the class activation maps of VGG16+TLv1 (whole artworks) or v2 (faces) for the artworks of a fold it was not trained on."""
    pictures, rows, cues, face = _whole(works, done, faces) if classifier == "vgg16_tlv1" else _cut(works, done, faces)
    tested = done.fold_of[rows] == fold
    maps, answers = cam.gradcam_all(classifiers.network(done, classifier, fold), pictures[tested])
    said = maps[np.arange(len(maps)), answers.argmax(axis=1)]
    return Looked(pictures[tested], answers, cam.resized(said, pictures.shape[1]), rows[tested], cues[tested],
                  None if face is None else face[tested])  # fmt: skip


def _whole(works: Works, done: classifiers.Study, faces: pd.DataFrame) -> tuple:
    side = done.settings.side
    pictures = np.stack([classifiers.squared(np.asarray(picture), side) for picture in works.pictures])
    cues = np.zeros((len(pictures), side, side), bool) if works.cue_maps is None else _masks(works.cue_maps, side)
    face = np.zeros((len(pictures), side, side), bool)
    boxes = faces.set_index("artwork_id")
    for row, name in enumerate(works.table["artwork_id"]):
        if name in boxes.index:
            height, width = np.asarray(works.pictures[row]).shape[:2]
            box = boxes.loc[name]
            left, right = (round(max(0.0, value) * side / width) for value in (box["x"], box["x"] + box["width"]))
            top, bottom = (round(max(0.0, value) * side / height) for value in (box["y"], box["y"] + box["height"]))
            face[row, top:bottom, left:right] = True
    return pictures, np.arange(len(pictures)), cues, face


def _masks(masks: np.ndarray, side: int) -> np.ndarray:
    """Return masks (n, h, w) as (n, side, side): where at least half of a pixel's area is inside."""
    return np.stack([cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) >= 0.5 for mask in masks])


def _cut(works: Works, done: classifiers.Study, faces: pd.DataFrame) -> tuple:
    return done.crops, done.rows, cue_crops(works, done, faces), None


def cue_crops(works: Works, done: classifiers.Study, faces: pd.DataFrame) -> np.ndarray:
    """Return the cue maps as VGG16+TLv2's crops show them, bool (m, side, side), for the artworks at `done.rows`."""
    side = done.settings.side
    cues = np.zeros((len(done.rows), side, side), bool)
    if works.cue_maps is None:
        return cues
    boxes = faces.set_index("artwork_id")
    for place, row in enumerate(done.rows):
        cue = np.asarray(works.cue_maps[row])
        if cue.any():
            to_crop = classifiers.face(np.asarray(works.pictures[row]), boxes.loc[works.table["artwork_id"].iat[row]], side)[1]
            shown = transforms.apply(np.repeat((255 * cue.astype(np.uint8))[..., None], 3, axis=2), to_crop)
            cues[place] = shown[..., 0] >= 128
    return cues


def on_places(named: Mapping[str, Looked], works: Mapping[str, Works], seed: int = 0) -> pd.DataFrame:
    """Return how much of each network's maps lies on the face and on what the expression moved, against their areas, by network and place.

    Columns: network, place, and those of `cam.against_chance`; intervals over sitters.
    """
    rows = []
    for name, one in named.items():
        units = classifiers.units_of(works[name].table)[one.rows]
        for place, masks in (("the face", one.face), ("what the expression moved", one.cues)):
            if masks is not None and masks.any():
                rows.append({"network": name, "place": place} | cam.against_chance(one.maps, masks, units, seed=seed))
    return pd.DataFrame(rows, columns=["network", "place", "pictures", "energy", "area", "ratio", "low", "high", "hits"])


def hidden(one: Looked, works: Works, done: classifiers.Study, fold: int = 0, seed: int = 0) -> pd.DataFrame:
    """Return what becomes of VGG16+TLv2's answers when what the expression moved is blurred away: a row for each part that is hidden.

    Columns: hidden ("nothing", "what the expression moved", "as much elsewhere": blots of the same area in the same face's oval), faces,
    accuracy, probability (mean, of the label). Faces without a cue, such as neutral ones, do not count; empty where none has one.
    """
    known = one.cues.any(axis=(1, 2))
    if not known.any():
        return pd.DataFrame(columns=["hidden", "faces", "accuracy", "probability"])
    pictures, cues, label = one.pictures[known], one.cues[known], works.table["group"].to_numpy(int)[one.rows[known]]
    side, generator = pictures.shape[1], np.random.default_rng(seed)
    under = np.stack([cv2.GaussianBlur(picture, (0, 0), side / 8) for picture in pictures])
    masks = {"nothing": np.zeros_like(cues), "what the expression moved": cues,
             "as much elsewhere": np.stack([_elsewhere(cue, generator) for cue in cues])}  # fmt: skip
    model, rows = classifiers.network(done, "vgg16_tlv2", fold), []
    for name, mask in masks.items():
        said = np.asarray(model.predict(np.where(mask[..., None], under, pictures), batch_size=64, verbose=0))
        rows.append((name, len(label), float((said.argmax(axis=1) == label).mean()), float(said[np.arange(len(label)), label].mean())))
    return pd.DataFrame(rows, columns=["hidden", "faces", "accuracy", "probability"])


def _elsewhere(cue: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return blots in the face's oval, as large in all as a cue (side, side) and beside it; smaller where there is no more room."""
    side = len(cue)
    free = (classifiers._oval(side) > 0.5) & ~cue
    noise = cv2.GaussianBlur(generator.normal(size=(side, side)), (0, 0), side / 16)
    order = np.argsort(-np.where(free, noise, -np.inf), axis=None, kind="stable")[:min(int(cue.sum()), int(free.sum()))]
    mask = np.zeros(side * side, bool)
    mask[order] = True
    return mask.reshape(side, side)


def chosen_rows(one: Looked, works: Works, each: int = 2) -> pd.DataFrame:
    """Return works to show: row (of the arrays), label, said; of each group `each` that are told rightly, if there are, else wrongly.

    The surest first.
    """
    label = works.table["group"].to_numpy(int)[one.rows]
    said, sure = one.answers.argmax(axis=1), one.answers.max(axis=1)
    table = pd.DataFrame({"row": np.arange(len(label)), "label": label, "said": said, "wrong": said != label, "sure": sure,
                          "dark": one.maps.max(axis=(1, 2)) <= 0})  # fmt: skip
    table = table.sort_values(["label", "dark", "wrong", "sure"], ascending=[True, True, True, False], kind="stable")
    return table.groupby("label", sort=False).head(each)[["row", "label", "said"]].reset_index(drop=True)


def by_subject(works: Works, done: classifiers.Study, classifier: str = "vgg16_tlv1") -> pd.DataFrame:
    """Return how often a classifier is right on artworks that pass the filter and on the others: passed, artworks, accuracy."""
    mine = done.predictions[(done.predictions["classifier"] == classifier) & (done.predictions["part"] == "test")]
    right = mine.assign(right=mine["predicted"] == mine["group"])
    return right.groupby("passed")["right"].agg(artworks="size", accuracy="mean").reset_index()


# ---- generation


def heads_of(wanted: ArtEmotionParameters, works: Works, faces: pd.DataFrame) -> np.ndarray:
    """Return the portraits the pairs learn from, uint8 (m, side, side, 3): cut around the faces that were found."""
    boxes = works.table[["artwork_id"]].merge(faces[["artwork_id", "x", "y", "width", "height"]], on="artwork_id", how="left")
    return generation.portraits(works, wanted.gan_side, boxes=boxes[["x", "y", "width", "height"]].to_numpy(float))


def gan_settings(wanted: ArtEmotionParameters) -> dict[str, gans.Settings]:
    """Return the settings of the pairs by name; `dcgan_plain`: DCGAN without the remedy, where it is wanted."""
    changes = {"side": wanted.gan_side, "seed": wanted.seed}
    changes |= {"width": wanted.gan_width} if wanted.gan_width else {}
    changes |= {"epochs": wanted.gan_epochs} if wanted.gan_epochs else {}
    make = generation.demo if wanted.gan_schedule == "demo" else lambda kind, **more: gans.Settings(kind=kind, **more)
    remedy = generation.REMEDY if wanted.gan_schedule == "demo" else gans.CHANGES
    found = {kind: make(kind, **changes) for kind in wanted.gans if kind != "dcgan"}
    if "dcgan" in wanted.gans:
        found["dcgan"] = make("dcgan", **changes, augmentation=remedy if wanted.remedy else ())
    if wanted.without_remedy:
        found["dcgan_plain"] = make("dcgan", **changes, augmentation=())
    return found


def generations(wanted: ArtEmotionParameters, pictures: np.ndarray) -> dict[str, generation.Generation]:
    """Return the trained pairs by name; trained once."""
    return {name: generation.generation(pictures, settings) for name, settings in gan_settings(wanted).items()}


def generated(wanted: ArtEmotionParameters, made: generation.Generation, count: int) -> np.ndarray:
    """Return portraits of new codes, uint8 (count, side, side, 3): those that are judged."""
    return gans.sampled(made.generator, gans.codes_of(count, JUDGED_SEED + made.settings.seed + 1000, made.settings.code))


def called(done: classifiers.Study, portraits: np.ndarray, fold: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return portraits as VGG16+TLv2 sees them, uint8 (n, side, side, 3), and its answers (n, 4), as the study planned (section 4.2).

    portraits: heads cut as those learned from, (n, s, s, 3): where the face is, is known from how they were cut.
    """
    if len(portraits) == 0:
        raise ParameterError("Received no portraits to classify; expected one or more.")
    side = portraits.shape[1]
    face = side / generation.MARGIN
    box = pd.Series({"x": (side - face) / 2, "y": (side - face) / 2, "width": face, "height": face, "roll": 0.0, "detector": "mtcnn"})
    faces = [classifiers.face(np.asarray(portrait), box, done.settings.side)[0] for portrait in portraits]
    crops = np.stack([classifiers.prepared(one, done.settings.prepare) for one in faces])
    return crops, np.asarray(classifiers.network(done, "vgg16_tlv2", fold).predict(crops, batch_size=64, verbose=0))
