"""Labellers: the multi-task network of Deng, Chen and Shi (FG 2020), trained here: expression, eight Action Units, valence and arousal.

A teacher learns from faces that carry the labels of one task only, as the study's do; a chain of students then learns from the labels
and from the network before, and the students' mean answers. The study's CNN-RNN reads the last student's features of a sequence.
"""

import hashlib
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lib.compendium.compute import progress
from lib.compendium.errors import ParameterError, WeightsError
from lib.compendium.fingerprints import digest, sha256_of
from lib.compendium.kept import kept, record_of
from lib.compendium.places import relative
from lib.expressions import EXPRESSIONS, MULTITASK_UNITS, ORDERS, reorder
from lib.labellers.settings import checked

NAME, NAME_RNN = "multitask", "cnn_rnn"
TITLE, TITLE_RNN = "Multi-task CNN", "Multi-task CNN-RNN"
NEEDS = "training, once: minutes on two processor cores with the small trunk, hours on a GPU with ResNet-50."
NEEDS_RNN = "the multi-task network, and a minute's training on sequences."
BATCH = 64  # faces sent through a network at once: always this many, so that it is compiled once
PRESENT = 1.0  # intensity from which a unit counts as present: the trace that FACS scores as A; not stated in the paper
FAINT = 0.35  # strength from which a frame shows its expression; between 0 and this nobody could say what it shows
UNIT_COLUMNS = tuple(f"AU{unit:02d}_c" for unit in MULTITASK_UNITS)
COLUMNS = (*EXPRESSIONS, *UNIT_COLUMNS, "valence", "arousal", "reason")
# From which probability on a unit is present, in the order of MULTITASK_UNITS, as published for the authors' own weights: the
# networks and the CNN-RNN over 32 frames. Networks trained here get thresholds of their own.
PUBLISHED = (0.1449, 0.0392, 0.1377, 0.0265, 0.4059, 0.1557, 0.0481, 0.1085)
PUBLISHED_RNN = (0.4254, 0.0264, 0.1120, 0.0298, 0.1726, 0.0637, 0.0743, 0.1383)
SOURCES = ("lib.labellers.multitask", "lib.networks.multitask", "lib.training.augmentation", "lib.training.fitting", "lib.training.losses")


class TrainingSettings(BaseModel):
    """What the network is, what it learns from and how; defaults are the study's where it states one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(2500, ge=60, description="faces of the atelier. The paper: Aff-Wild2, DISFA, ExpW, AFEW-VA")
    seed: int = Field(100_000, ge=0, le=2**31 - 1, description="another seed, other people")
    material: str = Field("skin", description="of the atelier's heads, or mixed")
    corpus: str = Field("", description="a folder instead of the atelier; see lib.training.corpus")
    trunk: Literal["resnet50", "small"] = Field("resnet50", description="as published, or small enough for two processor cores")
    side: int = Field(112, ge=48, le=448, description="pixels; the paper's command line: 112")
    width: int = Field(16, ge=4, le=128, description="of the small trunk")
    students: int = Field(5, ge=1, le=20, description="as published")
    teacher_epochs: int = Field(8, ge=1, description="as published")
    student_epochs: int = Field(3, ge=1, description="as published")
    rate: float = Field(1e-4, gt=0, le=1, description="as published, for a trunk that knew faces; from nothing 2e-3 does better")
    schedule: Literal["steps", "falling"] = Field("steps", description="as published a tenth after every third epoch, or half a cosine")
    batch: int = Field(60, ge=2, description="faces; the paper: 20 of each of three tasks")
    complete_labels: bool = Field(False, description="learn from all labels of a face; as published a face has those of one task")
    held_out: float = Field(0.12, gt=0, lt=0.9, description="share of people on whom thresholds are tuned; not stated in the paper")
    start: int = Field(0, ge=0, description="seed of the first weights, the order, the changes of pictures and whose labels are kept")


class RecurrentSettings(BaseModel):
    """How the recurrent half is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequences: int = Field(700, ge=7, description="of the atelier, each rising to an expression's full strength; not of the paper")
    frames: int = Field(12, ge=1, description="pictures drawn of each")
    length: int = Field(32, ge=1, description="frames the network reads at once. The released model: 32")
    windows: int = Field(8, ge=1, description="stretches of that length taken from a sequence; not of the paper")
    seed: int = Field(110_000, ge=0, le=2**31 - 1, description="another seed, other people")
    epochs: int = Field(3, ge=1, description="as published")
    rate: float = Field(1e-4, gt=0, le=1, description="as published; 2e-3 for few sequences")
    batch: int = Field(20, ge=1, description="sequences; as published")
    start: int = Field(0, ge=0, description="seed of the first weights and the order")


class LabelSettings(BaseModel):
    """What `label_batch` needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(min_length=1, description="what `trained` returned")
    recurrent: str = Field("", description="what `trained_recurrent` returned; then the CNN-RNN answers")
    thresholds: Literal["tuned", "published"] = Field("tuned", description="on held-out people, or the authors' for their own weights")


# ---- labelling


def label_batch(crops: np.ndarray, landmarks: np.ndarray, settings: dict) -> pd.DataFrame:
    """Return one row a crop (COLUMNS): seven probabilities, eight presences (0 to 1), `valence`, `arousal` (-1 to 1), `reason` ("").

    `crops`: uint8 RGB (n, side, side, 3), aligned; `landmarks` are not used; `settings`: some of LabelSettings. A presence is the
    unit's probability on a scale where its threshold lies at .5. The networks' raw outputs are averaged, as published, not their
    probabilities. Raises ParameterError for unknown settings, WeightsError where the folder holds no trained networks.
    """
    asked = checked(settings, LabelSettings)
    pictures = resized(np.asarray(crops), record_of(Path(asked.folder))["settings"]["side"])
    if asked.recurrent:
        raw = _recurrent_logits(pictures, asked)
        tuned, published = record_of(Path(asked.recurrent)).get("thresholds"), PUBLISHED_RNN
    else:
        raw = ensemble([logits(network, pictures) for network in _students(asked.folder)])
        tuned, published = record_of(Path(asked.folder)).get("thresholds"), PUBLISHED
    return answers(raw, published if asked.thresholds == "published" else tuned)


def label_batch_recurrent(crops: np.ndarray, landmarks: np.ndarray, settings: dict) -> pd.DataFrame:
    """Return the CNN-RNN's answers; a still is a sequence of one. `settings` name both folders; see `label_batch`."""
    if not checked(settings, LabelSettings).recurrent:
        raise ParameterError("The CNN-RNN was asked without its folder; give the setting `recurrent` what `trained_recurrent` returned.")
    return label_batch(crops, landmarks, settings)


def resized(crops: np.ndarray, side: int) -> np.ndarray:
    """Return crops uint8 (n, S, S, 3) as (n, side, side, 3): averaged over area when reduced, bilinear when enlarged.

    differs from the paper: its code takes the middle 112 of 134 pixels of a loosely cut face; our crops are cut tight by alignment.
    """
    if not len(crops) or crops.shape[1] == side:
        return crops.reshape(len(crops), side, side, 3)
    way = cv2.INTER_AREA if crops.shape[1] > side else cv2.INTER_LINEAR
    return np.stack([cv2.resize(crop, (side, side), interpolation=way) for crop in crops])


def logits(network, pictures) -> dict[str, np.ndarray]:
    """Return a network's raw outputs by name for pictures (n, …), or for a dictionary of arrays, BATCH at a time."""
    several = isinstance(pictures, dict)
    given = pictures if several else {"": pictures}
    count = len(next(iter(given.values())))
    parts = []
    for start in range(0, max(count, 1), BATCH):  # no pictures: one empty batch, cut to nothing, tells the shapes
        batch = {name: _filled(array[start:start + BATCH]) for name, array in given.items()}
        said = network.predict_on_batch(batch if several else batch[""])
        parts.append({name: np.asarray(value)[: min(BATCH, count - start)] for name, value in said.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _filled(batch: np.ndarray) -> np.ndarray:
    return np.concatenate([batch, np.zeros((BATCH - len(batch), *batch.shape[1:]), batch.dtype)])


def ensemble(said: list[dict]) -> dict[str, np.ndarray]:
    """Return the mean of several networks' raw outputs, by name."""
    return {name: np.mean([one[name] for one in said], axis=0) for name in said[0]}


def answers(raw: dict, thresholds=None) -> pd.DataFrame:
    """Return raw outputs (n, 7), (n, 8), (n, 40) as COLUMNS. `thresholds`: eight probabilities; None: .5 each."""
    scores = reorder(_softmax(raw["expression"]), "multitask", "sculpture")
    limits = np.asarray(thresholds if thresholds is not None else [0.5] * len(MULTITASK_UNITS), float)
    # Shifting the logit moves the threshold to one half and leaves the order of faces as it is.
    presence = _sigmoid(raw["action_units"] - np.log(limits / (1 - limits)))
    feeling = affect(raw["affect"])
    table = pd.DataFrame(np.concatenate([scores, presence, feeling], axis=1), columns=list(COLUMNS[:-1]))
    return table.astype(float).assign(reason="")


def affect(raw: np.ndarray) -> np.ndarray:
    """Return valence and arousal (n, 2): each the mean of `linspace(-1, 1, bins)` under its half of the bins' softmax."""
    bins = raw.shape[-1] // 2
    return np.clip(_softmax(raw.reshape(-1, 2, bins)) @ np.linspace(-1, 1, bins), -1, 1)


def _softmax(raw: np.ndarray) -> np.ndarray:
    raised = np.exp(np.asarray(raw, float) - np.max(raw, axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _sigmoid(raw: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(np.asarray(raw, float), -60, 60)))


# ---- labels of training faces


def targets(table: pd.DataFrame, keep: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the labels of training faces: `expression` (n, 1), `action_units` (n, 8), `affect` (n, 2), float32, NaN unknown.

    `table`: of `lib.training.faces`; a unit is present from PRESENT on. `keep`: for each face the number of the one task (0 expression,
    1 Action Units, 2 affect) whose labels it keeps; None keeps all.
    """
    order = ORDERS["multitask"]
    numbers = [order.index(name) if name else np.nan for name in table["expression"]]
    units = table[[f"AU{unit:02d}" for unit in MULTITASK_UNITS]].to_numpy(float)
    labels = {
        "expression": np.array(numbers, float)[:, None],
        "action_units": np.where(np.isnan(units), np.nan, units >= PRESENT),
        "affect": table[["valence", "arousal"]].to_numpy(float),
    }
    if keep is not None:
        labels = {task: np.where((keep == number)[:, None], values, np.nan) for number, (task, values) in enumerate(labels.items())}
    return {task: values.astype(np.float32) for task, values in labels.items()}


def one_task_each(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Return for each face the number of the task whose labels it keeps, drawn among those it has, a third each where it has all.

    The study's corpora have the labels of one task each; here it is drawn face by face, so that the three sets show the same people.
    """
    known = np.stack([~np.isnan(values).all(axis=1) for values in targets(table).values()], axis=1)
    chance = np.random.default_rng([seed, 2]).random(known.shape)
    return np.where(known.any(axis=1), np.where(known, chance, -1).argmax(axis=1), -1)


def tuned_thresholds(raw: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return for each unit the probability with the best F1 on labelled faces: raw (n, 8), labels (n, 8) of 0, 1, NaN; .5 without both.

    Tried are .02 to .98; of equally good ones the middle is taken, which is safest.
    """
    grid, found = np.arange(0.02, 0.985, 0.01), []
    for said, truth in zip(_sigmoid(raw).T, labels.T, strict=True):
        said, truth = said[~np.isnan(truth)], truth[~np.isnan(truth)] > 0
        if not truth.any() or truth.all():
            found.append(0.5)
            continue
        hits = ((said > grid[:, None]) & truth).sum(axis=1)
        f1 = 2 * hits / ((said > grid[:, None]).sum(axis=1) + truth.sum())
        found.append(round(float(np.median(grid[f1 >= f1.max() - 1e-9])), 4))
    return found


# ---- training


def lesson(asked) -> tuple[dict, Callable, tuple]:
    """Return what decides the faces that settings name, a function that makes them, and the modules that decide how.

    `asked`: settings with `count`, `seed`, `material`, `corpus` and `side`.
    """
    if asked.corpus:  # which pictures there are decides, not what their folder is called
        from lib.training import corpus

        faces = corpus.corpus_faces(asked.corpus, asked.side)
        content = hashlib.sha256(np.ascontiguousarray(faces.crops)).hexdigest() + faces.table.to_csv(index=False)
        return {"of": digest(content)}, lambda: faces, corpus.SOURCES
    from lib.training import faces as atelier

    decided = {"count": asked.count, "seed": asked.seed, "material": asked.material}
    return decided, lambda: atelier.atelier_faces(asked.count, asked.seed, asked.side, asked.material), atelier.SOURCES


def trained(settings: dict | None = None) -> Path:
    """Return the folder of the students (and their teacher), trained now if this machine has not kept them.

    `settings`: some of TrainingSettings. The folder holds `<network>.weights.h5`, history.csv and record.json with the thresholds. A
    killed training goes on with the epoch it was in.
    """
    asked = checked(settings, TrainingSettings)
    faces_are, faces, sources = lesson(asked)
    made_of = asked.model_dump(mode="json", exclude={"count", "seed", "material", "corpus"}) | {"faces": faces_are}
    return kept(NAME, made_of, (*SOURCES, *sources), lambda folder: _train(folder, asked, faces()))


def _train(folder: Path, asked: TrainingSettings, faces) -> dict:
    learn, held = parted(faces.table["subject"].to_numpy(), asked.held_out, asked.start)
    keep = None if asked.complete_labels else one_task_each(faces.table.iloc[learn], asked.start)
    labels, pictures = targets(faces.table.iloc[learn], keep), np.asarray(faces.crops)[learn]
    networks, curves, before = [], [], None
    for number in range(asked.students + 1):
        name = f"student_{number}" if number else "teacher"
        before, curve = _one(folder, name, number, asked, pictures, labels, before)
        networks.append(before)
        curves.append(curve.assign(network=name))
    said = ensemble([logits(network, np.asarray(faces.crops)[held]) for network in networks[1:]])
    history = pd.concat(curves, ignore_index=True)
    history.to_csv(folder / "history.csv", index=False)
    for path in folder.glob(".*.csv"):
        path.unlink()
    truth = targets(faces.table.iloc[held])
    right = said["expression"].argmax(axis=1) == truth["expression"][:, 0]
    return {
        "thresholds": tuned_thresholds(said["action_units"], truth["action_units"]), "faces": len(learn), "held_out": len(held),
        "accuracy_held_out": round(float(right[~np.isnan(truth["expression"][:, 0])].mean()), 4),
        "seconds": round(float(history["seconds"].sum()), 1),
        "weights": {path.name: sha256_of(path) for path in sorted(folder.glob("*.h5"))},
    }  # fmt: skip


def parted(subjects: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to learn from and those of the people held out (at least one person on either side), nobody in both."""
    people = np.unique(subjects)
    if len(people) < 2:
        raise ParameterError(f"Received faces of {len(people)} person; expected two or more, so that somebody can be held out.")
    count = min(max(1, round(share * len(people))), len(people) - 1)
    mask = np.isin(subjects, np.random.default_rng([seed, 1]).permutation(people)[:count])
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _one(folder: Path, name: str, number: int, asked: TrainingSettings, pictures, labels, teacher) -> tuple:
    """Return one trained network of the chain and its learning curve; from its file where an earlier, killed call finished it."""
    from lib.training import augmentation, fitting

    network, file, making = _network(asked.trunk, asked.side, asked.width, name), folder / f"{name}.weights.h5", folder / f".{name}"
    epochs = asked.student_epochs if number else asked.teacher_epochs
    if not file.exists():
        fitting.initialised(network, asked.start + number)
        rate = fitting.steps(asked.rate) if asked.schedule == "steps" else fitting.falling(asked.rate, epochs)
        seed = asked.start * 100 + number  # each network of the chain sees the faces in its own order and with its own changes

        def draws(epoch, indices):
            return augmentation.draw(augmentation.FACES, asked.side, seed, epoch, indices)

        fitting.fit(_for_training(network, teacher, asked.side), {"picture": pictures}, labels, epochs, making, seed, batch=asked.batch,
                    rate=rate, draws=draws, progress=progress(f"epochs of {name.replace('_', ' ')}"))  # fmt: skip
        network.save_weights(folder / f".{name}.weights.h5")
        (making / fitting.HISTORY).replace(folder / f".{name}.csv")
        (folder / f".{name}.weights.h5").replace(file)
        shutil.rmtree(making)
    network.load_weights(file)
    return network, pd.read_csv(folder / f".{name}.csv")


def _for_training(network, teacher, side: int):
    """Return the compiled graph for fitting: changed pictures through the network, and beside its outputs the teacher's where there is one.

    differs from the paper: besides a random flip and a random part, pictures are turned, zoomed and lit at random.
    """
    import keras

    from lib.training import augmentation, fitting, losses

    inputs, pictures = augmentation.augmented(side)
    said = network(pictures)
    if teacher is None:
        return fitting.compiled(keras.Model(inputs, said), dict(losses.TASKS), losses.WEIGHTS, betas=(0.5, 0.999))
    teacher.trainable = False
    taught = teacher(pictures, training=False)
    both = {task: keras.layers.Concatenate(name=f"{task}_beside_teacher")([said[task], taught[task]]) for task in said}
    return fitting.compiled(keras.Model(inputs, both), {task: losses.distillation_loss(task) for task in both}, betas=(0.5, 0.999))


def _network(trunk: str, side: int, width: int, name: str):
    from lib.networks import multitask

    return multitask.multitask(trunk, side, width, name=name)


@lru_cache(maxsize=2)
def _students(folder: str) -> tuple:
    """Return the trained students of a folder."""
    record = record_of(Path(folder))
    asked = record["settings"]
    return tuple(_loaded(Path(folder), f"student_{number}", asked, record) for number in range(1, asked["students"] + 1))


def _loaded(folder: Path, name: str, asked: dict, record: dict):
    file = folder / f"{name}.weights.h5"
    if not file.exists() or sha256_of(file) != record.get("weights", {}).get(file.name):
        raise WeightsError(f"{relative(file)} is missing or was changed since it was trained. Delete its folder to train again.")
    network = _network(asked["trunk"], asked["side"], asked["width"], name)
    try:
        network.load_weights(file)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{relative(file)} does not fit the network its record names ({error}). Delete its folder.") from None
    return network


# ---- the recurrent half

RECURRENT_FILE = "cnn_rnn.weights.h5"


def trained_recurrent(settings: dict | None, folder: Path | str) -> Path:
    """Return the folder of the recurrent half for the network in `folder` (of `trained`), trained now if it is not kept.

    `settings`: some of RecurrentSettings. It reads the frozen features of the last student.
    """
    from lib.training import faces as atelier

    asked, base = checked(settings, RecurrentSettings), record_of(Path(folder))
    made_of = {**asked.model_dump(mode="json"), "network": base["weights"]}
    return kept(NAME_RNN, made_of, (*SOURCES, *atelier.SOURCES), lambda making: _train_recurrent(making, asked, str(folder)))


def _train_recurrent(folder: Path, asked: RecurrentSettings, base: str) -> dict:
    from lib.networks import multitask
    from lib.training import fitting, losses
    from lib.training.faces import atelier_sequences

    side = record_of(Path(base))["settings"]["side"]
    faces = atelier_sequences(asked.sequences, asked.frames, asked.seed, side)
    features, labels = _features(base, np.asarray(faces.crops)), targets(_as_seen(faces.table))
    learn, held = parted(faces.table["sequence"].to_numpy(), 0.12, asked.start)
    runs = windows(faces.table.iloc[learn], asked.length, asked.windows, asked.start)
    network = fitting.initialised(multitask.cnn_rnn(), asked.start)
    fitting.compiled(network, {task: losses.flattened(loss) for task, loss in losses.TASKS.items()}, losses.WEIGHTS, betas=(0.5, 0.999))
    inputs, wanted = ({name: values[learn][runs] for name, values in part.items()} for part in (features, labels))
    curves = fitting.fit(network, inputs, wanted, asked.epochs, folder, asked.start, batch=asked.batch,
                         rate=fitting.falling(asked.rate, asked.epochs), progress=progress("epochs of the CNN-RNN"))  # fmt: skip
    network.save_weights(folder / RECURRENT_FILE)
    (folder / fitting.CHECKPOINT).unlink()
    stills = {name: values[held][:, None] for name, values in features.items()}
    said = {task: values[:, 0] for task, values in logits(network, stills).items()}
    return {"thresholds": tuned_thresholds(said["action_units"], labels["action_units"][held]), "sequences": asked.sequences,
            "seconds": round(float(curves["seconds"].sum()), 1), "weights": {RECURRENT_FILE: sha256_of(folder / RECURRENT_FILE)}}


def _as_seen(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with each frame's expression as it can be seen: neutral at no strength, unknown below FAINT."""
    strength, name = table["intensity"].to_numpy(float), table["expression"].to_numpy(object)
    seen = np.where(strength <= 0, "neutral", np.where(strength < FAINT, "", name))
    return table.assign(expression=np.where(name == "neutral", "neutral", seen))


def windows(table: pd.DataFrame, length: int, count: int, seed: int) -> np.ndarray:
    """Return rows (count · sequences, length): each sequence played up and down again, from places and in directions drawn from the seed.

    So that neither the first frame is always at rest nor the last always at full strength: a network would learn the place instead.
    """
    generator, rows = np.random.default_rng([seed, 3]), []
    for members in pd.Series(np.arange(len(table))).groupby(table["sequence"].to_numpy(), sort=False):
        there_and_back = np.concatenate([members[1], members[1][-2:0:-1]])
        starts, ways = generator.integers(len(there_and_back), size=count), generator.choice((-1, 1), size=count)
        rows.append(there_and_back[(starts[:, None] + ways[:, None] * np.arange(length)) % len(there_and_back)])
    return np.concatenate(rows)


def _features(folder: str, pictures: np.ndarray) -> dict[str, np.ndarray]:
    return logits(_feature_network(folder), pictures)


@lru_cache(maxsize=2)
def _feature_network(folder: str):
    from lib.networks import multitask

    return multitask.features_of(_students(folder)[-1])


def _recurrent_logits(pictures: np.ndarray, asked: LabelSettings) -> dict[str, np.ndarray]:
    frames = {name: values[:, None] for name, values in _features(asked.folder, pictures).items()}
    return {task: values[:, 0] for task, values in logits(_recurrent(asked.recurrent), frames).items()}


@lru_cache(maxsize=2)
def _recurrent(folder: str):
    from lib.networks import multitask

    file = Path(folder) / RECURRENT_FILE
    if not file.exists() or sha256_of(file) != record_of(Path(folder)).get("weights", {}).get(RECURRENT_FILE):
        raise WeightsError(f"{relative(file)} is missing or was changed since it was trained. Delete its folder to train again.")
    network = multitask.cnn_rnn()
    network.load_weights(file)
    return network
