"""Training: the LIME study's sixty trainings (Gaya-Morey et al. 2024, sections 3.3 and 3.4): twelve networks, five folds by subject.

Each training is kept under `data/models/`, so that whatever run asks for the same network, pictures and settings reads it; a killed one
goes on after its last epoch.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lib.compendium import compute, fingerprints
from lib.compendium.errors import ParameterError, did_you_mean
from lib.compendium.kept import kept, record_of
from lib.expressions import EXPRESSIONS
from lib.faces.detectors import silent
from lib.networks import fer_nets
from lib.networks.fer_nets import EMOTIONS, REGIME, TITLES
from lib.training import fitting, splits
from lib.training.fer_pictures import Pictures, Shown, Variations, opened

with silent():
    import keras

MODEL, PREDICTIONS, HISTORY = "model.keras", "predictions.parquet", "history.parquet"
OUTPUT = "expression"
FOLDS = 5  # section 3.4
WORK = "training"  # folder of checkpoints while it lasts
SOURCES = ("lib.training.fer_study", "lib.training.fer_pictures", "lib.training.fitting", "lib.networks.fer_nets", "lib.networks.backbones",
           "lib.faces.transforms")  # fmt: skip


# ---- folds


def folds(table: pd.DataFrame, k: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Return the fold each picture is tested in, int (n,), 0 to k-1: nobody is in two folds, and each corpus is spread over all.

    table: face_id, subject, expression, corpus. As published (section 3.4) the people of each corpus are split in k on their own; differs
    from the paper: not by chance alone, but so that expressions are spread evenly too (`lib.training.splits`). Raises ParameterError for
    a corpus with fewer than k people, and for an expression that the other folds of one do not show.
    """
    tested = np.empty(len(table), int)
    for name in sorted(set(table["corpus"])):
        inside = (table["corpus"] == name).to_numpy()
        try:
            tested[inside] = _folds_of(table[inside], k, seed)
        except ParameterError as error:
            raise ParameterError(f"The corpus {name!r} cannot be split into {k} folds by its {table.loc[inside, 'subject'].nunique()} "
                                 f"people: {error}") from None  # fmt: skip
    for fold in range(k):
        if lacking := [name for name in EMOTIONS if name not in set(table.loc[tested != fold, "expression"])]:
            raise ParameterError(f"Fold {fold} has nobody to learn {lacking[0]!r} from; expected each expression outside each fold: give "
                                 "more pictures or fewer folds.")  # fmt: skip
    return tested


def _folds_of(table: pd.DataFrame, k: int, seed: int) -> np.ndarray:
    described = pd.DataFrame({"face_id": table["face_id"], "image_id": table["face_id"], "object": "", "near_duplicate_group": "",
                              "identity": table["subject"]}).reset_index(drop=True)  # fmt: skip
    target = (table["expression"].to_numpy()[:, None] == np.array(EXPRESSIONS)).astype(np.uint8)
    # Each part has to show an expression only where enough people do: the study asks for nothing of the kind.
    shown = table.groupby("expression")["subject"].nunique()
    lacking = tuple(name for name in EXPRESSIONS if shown.get(name, 0) < 4 * k)
    # The study has no validation part: what is set aside for one here learns with the others.
    made = splits.folds(described, target, k, seed, validation=0.5 * (1 - 1 / k), lacking=lacking)
    tested = made[made["part"] == "test"].set_index("face_id")["fold"]
    return tested.loc[table["face_id"]].to_numpy()


# ---- one training


@dataclass(frozen=True)
class Wanted:
    """How a network learns; what is None is as published (`fer_nets.REGIME`), and smaller settings are for small computers.

    weights: "published" (ImageNet where Table 1 says so), "none", "imagenet" or a file. schedule: "constant" (as published) or "falling"
    along half a cosine. momentum: see `fer_nets.build`. variations: {copies, gamma, shift, crop, mirror}, see Variations. shuffled: the
    training pictures' labels are dealt out at random: such a network has learned nothing, and its maps show what that looks like.
    """

    network: str
    side: int | None = None
    width: float = 1.0
    epochs: int | None = None
    rate: float | None = None
    batch: int | None = None
    schedule: str = "constant"
    input_mode: str = "as_coded"
    weights: str = "published"
    momentum: float | None = None
    variations: Mapping | None = None
    seed: int = 0
    shuffled: bool = False

    def __post_init__(self):
        if self.network not in TITLES:
            raise ParameterError(f"Unknown network {self.network!r}; expected one of {', '.join(TITLES)}."
                                 f"{did_you_mean(str(self.network), TITLES)}")  # fmt: skip
        if self.schedule not in ("constant", "falling"):
            raise ParameterError(f"Received schedule {self.schedule!r}; expected constant or falling.")
        for name in ("epochs", "batch", "rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ParameterError(f"Received {name}={value}; expected above 0.")

    def complete(self) -> "Wanted":
        """Return the same with every None filled in as published."""
        regime = REGIME[self.network]
        weights = ("imagenet" if regime.pretrained else "none") if self.weights == "published" else str(Path(self.weights).expanduser())
        filled = {name: getattr(regime, name) for name in ("side", "epochs", "rate", "batch") if getattr(self, name) is None}
        return replace(self, weights=weights, variations=asdict(Variations(**(self.variations or {}))), **filled)


@dataclass(frozen=True)
class Trained:
    """What became of a training: predictions, history (a row an epoch: loss, accuracy, …), record, and the folder it is kept in.

    predictions: network, fold, part (train or test), face_id, corpus, subject, expression (true), EMOTIONS (probabilities), predicted.
    """

    predictions: pd.DataFrame
    history: pd.DataFrame
    record: dict
    folder: Path

    def model(self) -> keras.Model:
        """Return the network, ready to answer: pictures (n, side, side, 3), 0 to 255, to probabilities (n, 6)."""
        return keras.models.load_model(self.folder / MODEL, compile=False)


def train(pictures: Pictures, tested: np.ndarray, wanted: Wanted, fold: int, progress: Callable | None = None) -> Trained:
    """Train one network on all pictures that a fold does not test, and return what became of it; read where it was trained before.

    tested: of `folds`. Loss, optimiser, rate, batch and epochs as published unless `wanted` says otherwise; nothing validates and nothing
    stops early, as published. progress(done, total): after each epoch; default: the run's heartbeat. Raises ParameterError for an unknown
    fold, for a training that becomes NaN; WeightsError for weights that cannot be had.
    """
    tested, wanted = np.asarray(tested), wanted.complete()
    if len(tested) != len(pictures) or fold not in set(tested.tolist()):
        raise ParameterError(f"Received {len(tested)} folds ({sorted(set(tested.tolist()))}) for {len(pictures)} pictures and fold {fold}; "
                             "expected one a picture, and one of these.")  # fmt: skip
    settings = {**asdict(wanted), "weights": _of_file(wanted.weights), "fold": int(fold), "pictures": pictures.about["digest"],
                "folds": fingerprints.digest(json.dumps(tested.tolist()))}  # fmt: skip
    progress = progress or compute.progress(f"epochs of {TITLES[wanted.network]}, fold {fold}")
    return read(kept(f"fer-{wanted.network}", settings, SOURCES, lambda making: _learn(making, pictures, tested, wanted, fold, progress)))


def _of_file(weights: str) -> str:
    return fingerprints.file_digest(Path(weights)) if Path(weights).is_file() else weights


def read(folder: Path) -> Trained:
    """Return a kept training."""
    folder = Path(folder)
    tables = [pd.read_parquet(folder / name) for name in (PREDICTIONS, HISTORY)]
    return Trained(*tables, record_of(folder), folder)


def _learn(folder: Path, pictures: Pictures, tested: np.ndarray, wanted: Wanted, fold: int, progress: Callable | None) -> dict:
    seed = wanted.seed * 1000 + fold  # another start for each fold, as published: trainings were not seeded
    model = fer_nets.build(wanted.network, wanted.side, wanted.width, input_mode=wanted.input_mode, weights=wanted.weights, seed=seed,
                           momentum=wanted.momentum)  # fmt: skip
    learning = np.flatnonzero(tested != fold)
    shown = Shown(pictures, learning, wanted.side, Variations(**wanted.variations), wanted.seed)
    targets = _targets(pictures.table, learning, shown, wanted, seed)
    history = fitting.fit(_compiled(model, wanted), {"picture": shown}, {OUTPUT: targets}, wanted.epochs, folder / WORK, seed,
                          batch=wanted.batch, rate=_rate(wanted), progress=progress)  # fmt: skip
    said = _predicted(model, pictures, tested, wanted, fold)
    model.save(folder / MODEL)
    history.to_parquet(folder / HISTORY, index=False)
    said.to_parquet(folder / PREDICTIONS, index=False)
    shutil.rmtree(folder / WORK)
    hits = (said["predicted"] == said["expression"]).groupby(said["part"]).mean()
    return {"parameters": model.count_params(), "learned_from": len(learning), "with_variations": len(shown),
            "tested_on": int((tested == fold).sum()), "epochs": len(history), "loss": float(history["loss"].iloc[-1]),
            "accuracy": float(hits["test"]), "accuracy_train": float(hits["train"]), "seconds": round(float(history["seconds"].sum()), 1),
            "synthetic": pictures.about["synthetic"], "backend": keras.backend.backend()}  # fmt: skip


def _compiled(model: keras.Model, wanted: Wanted) -> keras.Model:
    optimiser = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}[REGIME[wanted.network].optimiser]
    network = keras.Model({"picture": model.input}, {OUTPUT: model.output})
    network.compile(optimiser(wanted.rate), loss={OUTPUT: "categorical_crossentropy"}, metrics={OUTPUT: ["accuracy"]}, jit_compile=False)
    return network


def _rate(wanted: Wanted):
    return fitting.falling(wanted.rate, wanted.epochs) if wanted.schedule == "falling" else wanted.rate


def _targets(table: pd.DataFrame, learning: np.ndarray, shown: Shown, wanted: Wanted, seed: int) -> np.ndarray:
    """Return the targets float32 (pictures and their variations, 6); variations share their picture's label, dealt out anew or not."""
    names = table["expression"].to_numpy()[learning]
    if wanted.shuffled:
        names = np.random.default_rng([seed, 1]).permutation(names)
    target = (names[:, None] == np.array(EMOTIONS)).astype(np.float32)
    return np.tile(target, (len(shown) // len(learning), 1))


def _predicted(model: keras.Model, pictures: Pictures, tested: np.ndarray, wanted: Wanted, fold: int) -> pd.DataFrame:
    answering = keras.Model({"picture": model.input}, model.output)
    answering.compile(jit_compile=False)
    shown = Shown(pictures, np.arange(len(pictures)), wanted.side)
    scores = np.asarray(answering.predict(fitting.InOrder({"picture": shown}, None, min(wanted.batch, 64)), verbose=0), np.float32)
    table = pictures.table[["face_id", "corpus", "subject", "expression"]].reset_index(drop=True)
    table = table.assign(**dict(zip(EMOTIONS, scores.T, strict=True)), predicted=np.array(EMOTIONS)[scores.argmax(axis=1)])
    table.insert(0, "network", wanted.network)
    table.insert(1, "fold", int(fold))
    table.insert(2, "part", np.where(tested == fold, "test", "train"))
    return table


# ---- many trainings


def sweep(pictures: Pictures, tested: np.ndarray, wanted: Iterable[Wanted], which: Iterable[int] | None = None,
          workers: int | None = None, scheduler: str | None = None) -> pd.DataFrame:  # fmt: skip
    """Train networks × folds side by side and return one row each: network, fold, seed, error, folder, and the record's numbers.

    which: folds; default all. What was trained before is read; an error costs its own training. The same results in this process
    (workers=1), in local processes, and on the machines of a Dask scheduler that see the same disk. `read(Path(row.folder))` gives each.
    """
    which = sorted(set(np.asarray(tested).tolist())) if which is None else list(which)
    jobs = {}
    for one in wanted:
        for fold in which:
            jobs[f"{one.network} fold {fold} #{len(jobs)}"] = {**asdict(one), "fold": int(fold)}
    settings = {"pictures": str(pictures.folder.resolve()), "tested": np.asarray(tested).tolist()}
    done = compute.run_all(train_job, jobs, settings=settings, workers=workers, scheduler=scheduler, what="networks")
    rows = [{**{name: jobs[key][name] for name in ("network", "fold", "seed", "shuffled")}, "error": outcome.error or "",
             **(outcome.value or {})} for key, outcome in done.items()]  # fmt: skip
    return pd.DataFrame(rows)


def train_job(item: dict, settings: dict) -> dict:
    """Train one network of a sweep, in a worker process; returns the plain numbers of its record and its folder."""
    wanted = Wanted(**{name: value for name, value in item.items() if name != "fold"})
    made = train(opened(Path(settings["pictures"])), np.array(settings["tested"]), wanted, item["fold"], _silent)
    return {"folder": str(made.folder), **{name: value for name, value in made.record.items() if isinstance(value, (int, float, str))}}


def _silent(done: int, total: int) -> None:
    """Report nothing: a sweep counts its networks, not their epochs."""


def together(trained: Iterable[Trained]) -> pd.DataFrame:
    """Return the predictions of several trainings as one table."""
    return pd.concat([one.predictions for one in trained], ignore_index=True)


def accuracy(predictions: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return how often each network is right on the pictures its folds test: network, fold, n, correct, accuracy, low, high.

    One row a fold and one for all of a network's folds together (fold -1). low, high: Wilson's interval (Wilson 1927).
    """
    test = predictions[predictions["part"] == "test"].assign(right=lambda table: table["predicted"] == table["expression"])
    rows = []
    for name, part in test.groupby("network", sort=False):
        for fold, inside in [*part.groupby("fold"), (-1, part)]:
            n, correct = len(inside), int(inside["right"].sum())
            low, high = binomtest(correct, n).proportion_ci(level, "wilson")
            rows.append((name, int(fold), n, correct, correct / n, float(low), float(high)))
    return pd.DataFrame(rows, columns=["network", "fold", "n", "correct", "accuracy", "low", "high"])


class Chosen(NamedTuple):
    """Which pictures are explained (network, fold, expression, face_id, true), and how many there were to choose from."""

    table: pd.DataFrame
    counts: pd.DataFrame


def chosen(predictions: pd.DataFrame, per_expression: int = 100, seed: int = 0) -> Chosen:
    """Return the pictures to explain: of each network, test fold and predicted expression `per_expression` at random (section 4.3).

    Right and wrong predictions alike, as published. Where fewer were predicted all are taken, and counts (network, fold, expression,
    predicted, chosen, asked) say so, also of an expression that a network never predicts.
    """
    if per_expression < 1:
        raise ParameterError(f"Received {per_expression} pictures an expression, expected 1 or more.")
    test = predictions[predictions["part"] == "test"].sort_values("face_id", kind="stable")
    parts, counts = [], []
    for (network, fold), inside in test.groupby(["network", "fold"], sort=False):
        for place, name in enumerate(EMOTIONS):
            there = inside[inside["predicted"] == name]
            order = np.random.default_rng([seed, int(fold), place]).permutation(len(there))[:per_expression]
            parts.append(there.iloc[np.sort(order)])
            counts.append((network, int(fold), name, len(there), len(order), per_expression))
    table = pd.concat(parts, ignore_index=True) if parts else test
    table = table.rename(columns={"expression": "true"}).rename(columns={"predicted": "expression"})
    columns = ["network", "fold", "expression", "predicted", "chosen", "asked"]
    return Chosen(table[["network", "fold", "expression", "face_id", "true"]], pd.DataFrame(counts, columns=columns))
