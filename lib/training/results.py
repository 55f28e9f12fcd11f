"""Training: from a target to trained networks (notebook 04), and from trained networks to tables (notebook 05).

Whatever a network learns, all are split alike, by the labellers' target, so that all are tested on the same faces.
"""

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.networks import backbones
from lib.training import data as learning
from lib.training import metrics, splits, study
from lib.training.parameters import TrainingParameters

PAPER = {"mobilenet": "MobileNet-v1", "vgg16": "VGG16", "efficientnet_b6": "EfficientNet-B6"}  # as Table II calls them
TAUGHT_TRUTH = " (taught the truth)"
MODEL = study.MODEL


class Networks(NamedTuple):
    """Trainings of one backbone: predictions and history with columns fold and seed, a row a training, and the first one's folder."""

    predictions: pd.DataFrame
    history: pd.DataFrame
    trainings: pd.DataFrame
    folder: Path


class Network(NamedTuple):
    """What notebook 05 reads of a variant of notebook 04: its name for readers, backbone, what it was taught, and its tables."""

    name: str
    variant: str
    backbone: str
    labels: str
    predictions: pd.DataFrame
    history: pd.DataFrame
    trainings: pd.DataFrame
    splits: pd.DataFrame


def name_of(backbone: str, labels: str = "labellers") -> str:
    """Return what readers call a network: as Table II does where it is there; one that was taught the truth (labels) says so."""
    return PAPER.get(backbone, backbones.TITLES[backbone]) + (TAUGHT_TRUTH if labels == "truth" else "")


# ---- notebook 04


def zeros_and_ones(target: pd.DataFrame) -> pd.DataFrame:
    """Return a target (face_id and the seven EXPRESSIONS) as zeros and ones: of scores, the largest and all from one half on.

    What is zeros and ones already stays as it is. `lib.labellers.target.hardened` differs: it leaves each face the one largest alone.
    """
    values = target[list(EXPRESSIONS)].to_numpy(float)
    known = np.isfinite(values).all(axis=1) & (values.max(axis=1, initial=0) > 0)
    hard = (values >= 0.5) | (values == values.max(axis=1, keepdims=True))
    return target[["face_id"]].assign(**dict(zip(EXPRESSIONS, (hard & known[:, None]).astype(np.uint8).T, strict=True)))


def aim(target: pd.DataFrame, planted: pd.DataFrame, labels: str) -> pd.DataFrame:
    """Return what a network learns, face_id and the seven EXPRESSIONS: the labellers' target, or ("truth") the planted expression.

    planted: face_id and `expression`; faces without it are NaN. Raises ParameterError where the truth is asked for and not known.
    """
    if labels == "labellers":
        return target[["face_id", *EXPRESSIONS]]
    if not len(planted):
        raise ParameterError("labels=truth was asked for, but the metadata of this collection names no expression; give labels=labellers.")
    truth = pd.get_dummies(planted.set_index("face_id")["expression"]).reindex(columns=list(EXPRESSIONS), fill_value=False).astype(float)
    return truth.reindex(target["face_id"]).reset_index(names="face_id")


def split_of(faces: pd.DataFrame, images: pd.DataFrame, target: pd.DataFrame, wanted: TrainingParameters) -> tuple:
    """Return (splits, their table, the hard target of it, ""), or (None, …, why nothing can be trained on so few faces).

    Only faces with a crop and a label are split. Too few faces, or a part without an expression, is a finding about a small collection,
    not a mistake of its owner.
    """
    hard = zeros_and_ones(target)
    labelled = set(hard.loc[hard[list(EXPRESSIONS)].sum(axis=1) > 0, "face_id"])
    usable = faces[(faces["crop_index"] >= 0) & faces["face_id"].isin(labelled)]
    table = splits.described(usable, images)
    chosen = hard.set_index("face_id").loc[table["face_id"]].reset_index()
    if len(usable) < wanted.fewest_faces:
        return None, table, chosen, f"{len(usable)} faces with a label are too few to train on; expected at least {wanted.fewest_faces}"
    try:
        return study.split(table, chosen, wanted), table, chosen, ""
    except ParameterError as error:
        return None, table, chosen, str(error)


def trained(work: Path, crops: Path, faces: pd.DataFrame, wanted_target: pd.DataFrame, parts: pd.DataFrame, wanted: TrainingParameters,
            progress: Callable | None = None) -> Networks:  # fmt: skip
    """Train one backbone, once or once a fold and seed, and return what became of it.

    work: a folder that outlives a killed run; a training goes on there. crops: `crops.npy`. wanted_target: of `aim`. parts: the splits.
    """
    data = learning.prepare(work / "data", crops, faces, wanted_target, parts, wanted.side)
    folds, seeds = sorted(set(parts["fold"])), [wanted.seed + number for number in range(wanted.seeds)]
    places = {(fold, seed): work / f"{wanted.backbone}-fold{fold}-seed{seed}" for fold in folds for seed in seeds}
    if len(places) > 1:  # side by side; what they leave is read below
        failed = study.sweep(data, wanted, work).query("error != ''")
        if len(failed):
            raise ParameterError(f"{len(failed)} of {len(places)} trainings failed, the first: {failed['error'].iloc[0]}")
    made = {key: study.train(data, wanted, place, *key, progress) for key, place in places.items()}
    tables = [pd.concat([getattr(one, name).assign(fold=fold, seed=seed) for (fold, seed), one in made.items()], ignore_index=True)
              for name in ("predictions", "history")]  # fmt: skip
    plain = [{"fold": fold, "seed": seed, **{name: value for name, value in one.record.items() if not isinstance(value, dict)}}
             for (fold, seed), one in made.items()]  # fmt: skip
    return Networks(*tables, pd.DataFrame(plain).assign(keras=version("keras")), next(iter(made.values())).folder)


def curves(name: str, networks: Networks) -> pd.DataFrame:
    """Return the learning curves with a column network and, where there are several folds or seeds, run."""
    table = networks.history.assign(network=name)
    several = len(networks.trainings) > 1
    return table.assign(run="fold " + table["fold"].astype(str) + ", seed " + table["seed"].astype(str)) if several else table


def keep(networks: Networks, folder: Path) -> None:
    """Copy the first training's network and its record into a run's folder, for the notebook that explains it."""
    for name in (MODEL, study.RECORD):
        shutil.copy(networks.folder / name, folder / name)


# ---- notebook 05


def folders(run) -> dict[str, Path]:
    """Return the folders of the variants of notebook 04 in which a network was trained, by variant; they become inputs of the run."""
    found = {variant: run.upstream / variant for variant in run.variants("04_training")}
    return {variant.split("/")[1]: run.file(variant, MODEL).parent for variant, folder in found.items() if (folder / MODEL).exists()}


def names(run) -> dict[str, str]:
    """Return what readers call the trained variants of notebook 04, by variant; the variant is added where two would be called alike."""
    called = {variant: name_of(*_taught(run, variant)) for variant in folders(run)}
    all_names = list(called.values())
    return {variant: f"{name} [{variant}]" if all_names.count(name) > 1 else name for variant, name in called.items()}


def _taught(run, variant: str) -> tuple[str, str]:
    """Return the backbone of a trained variant and what it was taught."""
    settings = json.loads(run.file(f"04_training/{variant}", study.RECORD).read_text())["settings"]
    return settings["backbone"], str(run.table(f"04_training/{variant}", "trainings")["labels"].iloc[0])


def gather(run) -> list[Network]:
    """Return the trained variants of notebook 04 of a run's profile, from the smallest network."""
    found = []
    for variant, name in names(run).items():
        tables = [run.table(f"04_training/{variant}", table) for table in ("predictions", "history", "trainings", "splits")]
        found.append(Network(name, variant, *_taught(run, variant), *tables))
    return sorted(found, key=lambda one: (one.labels, one.trainings["parameters"].iloc[0]))


def part_of(network: Network, part: str) -> pd.DataFrame:
    """Return a network's scores on a part, one row a face (face_id and the seven EXPRESSIONS): the mean over folds and seeds."""
    mine = network.predictions[network.predictions["part"] == part]
    return mine.groupby("face_id", sort=True)[list(EXPRESSIONS)].mean().reset_index()


def tested(networks: list[Network]) -> pd.DataFrame:
    """Return the faces all networks were tested on: face_id and group, in one order.

    Raises ParameterError where they share none: then they were split differently, and cannot be compared.
    """
    common = set.intersection(*(set(part_of(one, "test")["face_id"]) for one in networks))
    if not common:
        raise ParameterError("The networks were tested on different faces; expected the same split: run `make 04` again for all of them.")
    groups = networks[0].splits.drop_duplicates("face_id").set_index("face_id")["group"]
    ids = sorted(common & set(groups.index))
    return pd.DataFrame({"face_id": ids, "group": groups.loc[ids].to_numpy()})


def scores_on(network: Network, face_ids) -> np.ndarray:
    """Return a network's test scores float64 (n, 7) of faces by id."""
    return part_of(network, "test").set_index("face_id").loc[list(face_ids), list(EXPRESSIONS)].to_numpy(float)


def labels_on(target: pd.DataFrame, face_ids) -> np.ndarray:
    """Return a target's zeros and ones (n, 7) of faces by id."""
    return target.set_index("face_id").loc[list(face_ids), list(EXPRESSIONS)].to_numpy(np.uint8)


def thresholds_of(network: Network, target: pd.DataFrame, how: str, fixed: float):
    """Return the threshold (a number), or the table of those tuned on the validation part of the first fold and seed."""
    if how == "fixed":
        return fixed
    said = network.predictions
    first = said[(said["fold"] == said["fold"].min()) & (said["seed"] == said["seed"].min())]
    ids = first["face_id"]
    truth = target.set_index("face_id").reindex(ids)[list(EXPRESSIONS)].fillna(0).to_numpy(np.uint8)
    return metrics.tuned_thresholds(network.splits, ids, truth, first[list(EXPRESSIONS)].to_numpy(float))


def classified(networks: list[Network], target: pd.DataFrame, faces: pd.DataFrame, thresholds: dict, resamples: int, seed: int) -> tuple:
    """Return ({name: Table II of it}, {name: decisions}) on the test faces. faces: of `tested`; thresholds: {name: of `thresholds_of`}."""
    truth = labels_on(target, faces["face_id"])
    decisions = {one.name: metrics.decided(scores_on(one, faces["face_id"]), thresholds[one.name]) for one in networks}
    tables = {name: metrics.classification(truth, said, faces["group"], resamples, seed) for name, said in decisions.items()}
    return tables, decisions


def learned(networks: list[Network], target: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return one row a training for the figure of over-fitting: network, parameters, train_f1, validation_f1, test_f1 (macro), and cost."""
    rows, truth = [], target.set_index("face_id")[list(EXPRESSIONS)]
    for one in networks:
        for record in one.trainings.to_dict("records"):
            mine = one.predictions[(one.predictions["fold"] == record["fold"]) & (one.predictions["seed"] == record["seed"])]
            row = {"network": one.name, "parameters": int(record["parameters"]), "epochs": int(record["epochs"]),
                   "seconds": float(record["seconds"]) / int(record["epochs"]), "images_per_second": float(record["pictures_a_second"]),
                   "memory": float(record["peak_memory_mib"]) * 1.048576}  # fmt: skip
            for part in study.PARTS:
                inside = mine[(mine["part"] == part) & mine["face_id"].isin(truth.index)]
                row[f"{part}_f1"] = _macro(truth.loc[inside["face_id"]].to_numpy(np.uint8), inside[list(EXPRESSIONS)].to_numpy(), threshold)
            rows.append(row)
    return pd.DataFrame(rows)


def _macro(truth: np.ndarray, scores: np.ndarray, threshold: float) -> float:
    labelled = truth.sum(axis=1) > 0
    if not labelled.any():
        return float("nan")
    table = metrics.classification(truth[labelled], metrics.decided(scores[labelled], threshold), resamples=50)
    return float(table.set_index("row").loc["Macro Avg.", "f1"])


def paper_table(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return Table II as printed, {network: row, precision, recall, f1}, from the claims file's table (network, row, three numbers)."""
    rows = {name: name.capitalize() for name in EXPRESSIONS}
    rows |= {name: f"{name.capitalize()} Avg." for name in ("weighted", "macro", "micro")}
    cells = cells.assign(row=cells["row"].map(rows), **{name: cells[name].astype(float) for name in ("precision", "recall", "f1")})
    return {name: table.drop(columns="network").reset_index(drop=True) for name, table in cells.groupby("network", sort=False)}


def verdict_values(tables: dict[str, pd.DataFrame], synthetic: bool) -> dict[str, tuple[float | None, str]]:
    """Return this run's cells of Table II by claim, for the networks of the paper that were trained on the labellers' target."""
    values, evidence = {}, "synthetic" if synthetic else "real"
    for name in PAPER.values():
        key = name.lower().replace("-", "_")
        cells = tables[name].set_index("row") if name in tables else None
        for row in metrics.ROWS:
            for measure in ("precision", "recall", "f1"):
                value = None if cells is None or np.isnan(cells.loc[row, measure]) else float(cells.loc[row, measure])
                values[f"table_two_{key}_{row.lower().removesuffix(' avg.')}_{measure}"] = (value, evidence)
    return values
