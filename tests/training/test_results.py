import json

import numpy as np
import pandas as pd
import pytest

from lib.compendium import claims
from lib.compendium.errors import ParameterError
from lib.compendium.runs import Run
from lib.expressions import EXPRESSIONS
from lib.labellers.target import hardened
from lib.published import tables as printed
from lib.training import metrics, results
from lib.training.parameters import TrainingParameters
from lib.training.results import Network


def target_of(names, scores: float = 1.0) -> pd.DataFrame:
    """Return a target with one expression a face."""
    table = pd.DataFrame(0.0, index=range(len(names)), columns=list(EXPRESSIONS))
    for row, name in enumerate(names):
        if name:
            table.loc[row, name] = scores
    table.insert(0, "face_id", [f"{row:016x}" for row in range(len(names))])
    return table


def network(name: str, target: pd.DataFrame, wrong: int = 0, labels: str = "labellers", parameters: int = 10, folds: int = 1) -> Network:
    """Return a network that answers the target, but for the first `wrong` test faces; every third face is tested in each fold."""
    parts = np.array(["train", "validation", "test"])[np.arange(len(target)) % 3]
    predictions, trainings = [], []
    for fold in range(folds):
        said = target[["face_id"]].assign(part=parts, fold=fold, seed=0)
        scores = np.clip(target[list(EXPRESSIONS)].to_numpy(), 0.1, 0.9)
        for row in np.flatnonzero(parts == "test")[:wrong]:
            scores[row] = 0.1
        predictions.append(said.assign(**dict(zip(EXPRESSIONS, scores.T, strict=True))))
        trainings.append({"fold": fold, "seed": 0, "labels": labels, "parameters": parameters, "epochs": 2, "seconds": 4.0,
                          "pictures_a_second": 50.0, "peak_memory_mib": 100})  # fmt: skip
    splits = target[["face_id"]].assign(fold=0, part=parts, group=target["face_id"])
    history = pd.DataFrame({"epoch": [1], "loss": [1.0], "val_loss": [1.0], "fold": 0, "seed": 0})
    return Network(name, name.lower(), "mobilenet", labels, pd.concat(predictions), history, pd.DataFrame(trainings), splits)


NAMES = [*EXPRESSIONS] * 9  # 63 faces: 21 in each part, three of each expression


def test_scores_become_labels():
    """The largest score is a label even below one half, others from one half on; a face without scores or with none has no label."""
    table = target_of(["sad", "", "fear"], 0.3)
    table.loc[0, "fear"] = 0.6
    table.loc[1, "happy"] = np.nan
    hard = results.zeros_and_ones(table)
    assert hard[list(EXPRESSIONS)].to_numpy().sum(axis=1).tolist() == [1, 0, 1] and hard.loc[0, "fear"] == 1 and hard.loc[2, "fear"] == 1


def test_several_labels_stay_several():
    """Zeros and ones stay as they are, and a second score from one half on is a label too; `hardened` leaves a face one of them."""
    union = target_of(["sad", "fear"])
    union.loc[0, "happy"] = 1
    assert results.zeros_and_ones(union)[list(EXPRESSIONS)].to_numpy().sum(axis=1).tolist() == [2, 1]
    assert hardened(union)[list(EXPRESSIONS)].to_numpy().sum(axis=1).tolist() == [1, 1]
    scores = target_of(["sad"], 0.5).assign(happy=0.6, fear=0.4)
    assert results.zeros_and_ones(scores).query("sad == 1 and happy == 1 and fear == 0").shape[0] == 1
    assert hardened(scores)[list(EXPRESSIONS)].to_numpy().sum() == 1 == hardened(scores)["happy"].iloc[0]


def test_what_is_learned():
    """The labellers' target is taken as it is; the truth is one expression a face, NaN where unknown; without any truth that is said."""
    target = target_of(["sad", "sad"])
    planted = pd.DataFrame({"face_id": [target["face_id"][1]], "expression": ["happy"]})
    assert results.aim(target, planted, "labellers").equals(target)
    truth = results.aim(target, planted, "truth")
    assert truth.loc[1, "happy"] == 1 and truth.loc[1, list(EXPRESSIONS)].sum() == 1 and truth.loc[0, list(EXPRESSIONS)].isna().all()
    with pytest.raises(ParameterError, match="labels=labellers"):
        results.aim(target, planted.iloc[:0], "truth")


def test_too_few_faces_are_a_finding():
    """A handful of faces, or an expression too rare to be in every part, gives no split and the reason."""
    target = target_of(["sad"] * 70)
    faces = pd.DataFrame({"face_id": target["face_id"], "image_id": target["face_id"], "crop_index": range(70)})
    images = pd.DataFrame({"image_id": target["face_id"], "object": target["face_id"], "near_duplicate_group": None, "duplicate_of": None})
    few = results.split_of(faces.head(5), images, target, TrainingParameters())
    assert few[0] is None and "too few" in few[3]
    lacking = results.split_of(faces, images, target, TrainingParameters())
    assert lacking[0] is None and "angry" in lacking[3]
    parts, table, hard, reason = results.split_of(faces, images, target, TrainingParameters(lacking=[n for n in EXPRESSIONS if n != "sad"]))
    assert reason == "" and len(table) == len(hard) == 70 and set(parts["part"]) == {"train", "validation", "test"}


def test_networks_are_compared_on_the_same_faces():
    """Only faces tested by all count; scores of several folds are averaged; networks without a common test face are refused."""
    target = target_of(NAMES)
    one, two = network("One", target), network("Two", target, folds=2)
    faces = results.tested([one, two])
    assert len(faces) == 21 and results.scores_on(two, faces["face_id"]).shape == (21, 7)
    other = one._replace(predictions=one.predictions.assign(part="train"))
    with pytest.raises(ParameterError, match="make 04"):
        results.tested([one, other])


def test_tables_follow_the_answers():
    """Who answers as labelled has F1 1 everywhere; who misses a third of the faces has less, and the claims' cells say so."""
    target = target_of(NAMES)
    networks = [network("MobileNet-v1", target), network("VGG16", target, wrong=7)]
    faces = results.tested(networks)
    limits = {one.name: results.thresholds_of(one, target, "fixed", 0.5) for one in networks}
    tables, decisions = results.classified(networks, target, faces, limits, 50, 0)
    assert (tables["MobileNet-v1"]["f1"] == 1).all() and decisions["VGG16"].sum() == 14
    recall = tables["VGG16"].set_index("row").loc["Micro Avg.", "recall"]
    values = results.verdict_values(tables, synthetic=False)
    assert recall == pytest.approx(14 / 21) and values["table_two_vgg16_micro_recall"] == (recall, "real")
    assert values["table_two_efficientnet_b6_sad_f1"] == (None, "real") and set(values) <= set(claims.load("sculpture"))


def test_tuned_thresholds_look_at_validation_only():
    """Wrong test scores do not move the thresholds tuned on the validation part."""
    target = target_of(NAMES * 2)
    tuned = [results.thresholds_of(network("A", target, wrong=wrong), target, "tuned", 0.5)["threshold"].to_list() for wrong in (0, 40)]
    assert tuned[0] == tuned[1]


def test_overfitting_has_a_row_a_training():
    """Each fold gives its macro F1 on what it learned, validated and was tested on, and what an epoch cost."""
    target = target_of(NAMES)
    rows = results.learned([network("One", target, wrong=21, folds=2)], target, 0.5)
    assert rows["train_f1"].tolist() == [1, 1] and rows["test_f1"].tolist() == [0, 0] and rows["seconds"].tolist() == [2, 2]


@pytest.fixture
def run(tmp_path):
    """A run of a profile with finished variants of notebook 04; `untrained` had too few faces for a network."""
    variants = {"mobilenet": "labellers", "vgg16": "labellers", "vgg16_truth": "truth", "slow": "labellers", "untrained": "labellers"}
    for number, (variant, labels) in enumerate(variants.items()):
        folder = tmp_path / "04_training" / variant
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        if variant == "untrained":
            continue
        (folder / results.MODEL).write_bytes(b"")
        backbone = {"slow": "efficientnet_b0", "vgg16_truth": "vgg16"}.get(variant, variant)
        (folder / results.study.RECORD).write_text(json.dumps({"settings": {"backbone": backbone}}))
        made = network("", target_of(NAMES), labels=labels, parameters=100 - number)
        for name in ("predictions", "history", "trainings", "splits"):
            getattr(made, name).to_parquet(folder / f"{name}.parquet")
    return Run("05_metrics", None, tmp_path / "05_metrics", tmp_path, tmp_path / "work", "demo")


def test_all_notebooks_call_a_network_alike(run):
    """Table II's name where it has one; a network taught the truth says so; notebook 05 gathers the same names, from the smallest."""
    said = {"mobilenet": "MobileNet-v1", "slow": "EfficientNet-B0", "vgg16": "VGG16", "vgg16_truth": "VGG16 (taught the truth)"}
    assert results.names(run) == said and list(results.folders(run)) == list(said)
    assert [one.name for one in results.gather(run)] == [said[name] for name in ("slow", "vgg16", "mobilenet", "vgg16_truth")]
    assert [(one.variant, one.backbone, one.labels) for one in results.gather(run)][3] == ("vgg16_truth", "vgg16", "truth")


def test_networks_of_one_name_are_told_apart(run):
    """Two variants of one backbone, taught alike, carry the variants' names; the others do not."""
    (run.upstream / "04_training" / "slow" / results.study.RECORD).write_text('{"settings": {"backbone": "mobilenet"}}')
    names = results.names(run)
    assert (names["mobilenet"], names["slow"], names["vgg16"]) == ("MobileNet-v1 [mobilenet]", "MobileNet-v1 [slow]", "VGG16")
    assert {one.variant: one.name for one in results.gather(run)} == names


def test_the_papers_table_has_the_rows_of_ours():
    """Table II as printed comes with the rows and columns of the measured one."""
    paper = results.paper_table(printed.table("sculpture", "table_two"))
    assert list(paper) == list(results.PAPER.values())
    for table in paper.values():
        assert set(table["row"]) == set(metrics.ROWS) and table[["precision", "recall", "f1"]].notna().all(axis=None)
