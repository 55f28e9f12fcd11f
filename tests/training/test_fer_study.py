"""The LIME study's trainings: folds by subject, trainings that resume and are kept, sweeps, accuracy, and which pictures are explained."""

import math

import numpy as np
import pandas as pd
import pytest

from lib.compendium import kept
from lib.compendium.errors import ParameterError, WeightsError
from lib.networks import fer_nets
from lib.training import fer_study, fitting
from lib.training.fer_study import Wanted
from tests.training.fer import EMOTIONS, posing

SMALL = {"side": 32, "width": 0.25, "epochs": 2, "rate": 1e-3, "batch": 16, "variations": {"copies": 1}}


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "models")
    return posing(tmp_path)


def same(one, other):
    return all(np.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(one.model().get_weights(), other.model().get_weights(), strict=True))


# ---- folds


def test_folds_keep_people_together_and_spread_each_corpus(tmp_path):
    """Every picture is tested once, nobody in two folds, each corpus is in each fold with its share, and so is each expression."""
    table = posing(tmp_path, people=60, corpora=("one", "two", "three")).table
    tested = fer_study.folds(table, seed=3)
    assert set(tested) == set(range(5)) and np.bincount(tested).tolist() == [72] * 5
    assert table.groupby("subject")["expression"].count().eq(6).all() and pd.Series(tested).groupby(table["subject"]).nunique().eq(1).all()
    assert pd.crosstab(table["corpus"], tested).eq(24).all(axis=None) and pd.crosstab(table["expression"], tested).eq(12).all(axis=None)
    assert np.array_equal(tested, fer_study.folds(table, seed=3)) and not np.array_equal(tested, fer_study.folds(table, seed=4))
    order = np.random.default_rng(0).permutation(len(table))
    assert np.array_equal(fer_study.folds(table.iloc[order], seed=3), tested[order])


def test_rare_expressions_and_small_corpora_are_split_too(tmp_path):
    """People who show some expressions only, and a corpus of five beside a large one; what nobody teaches in a fold is refused."""
    table = posing(tmp_path, people=40, corpora=("large", "large", "large", "small")).table
    rng = np.random.default_rng(2)
    table = table[(rng.random(len(table)) < 0.6) | (table["corpus"] == "small")]
    table = table[(table["expression"] != "fear") | table["subject"].isin(["p01", "p09", "p20"])]
    tested = fer_study.folds(table)
    assert pd.Series(tested, table.index).groupby(table["subject"]).nunique().eq(1).all() and set(tested) == set(range(5))
    alone = table[(table["expression"] != "fear") | (table["subject"] == "p01")]
    with pytest.raises(ParameterError, match=r"Fold \d has nobody to learn 'fear' from"):
        fer_study.folds(alone)
    few = table[table["subject"].isin(["p03", "p07", "p11"])]
    with pytest.raises(ParameterError, match="'small' cannot be split into 5 folds by its 3 people"):
        fer_study.folds(few)
    with pytest.raises(ParameterError, match="1 folds"):
        fer_study.folds(table, 1)


# ---- what is wanted


def test_what_is_not_said_is_as_published():
    """Side, epochs, rate, batch and ImageNet's start come from Table 1 and the code; what is said stays."""
    whole = Wanted("mobilenetv3").complete()
    assert (whole.side, whole.epochs, whole.rate, whole.batch, whole.weights) == (224, 10, 1e-6, 128, "imagenet")
    assert Wanted("silnet").complete().weights == "none" and Wanted("silnet", side=64, rate=1e-3).complete().rate == 1e-3
    assert (whole.width, whole.schedule, whole.input_mode, whole.shuffled) == (1.0, "constant", "as_coded", False)
    with pytest.raises(ParameterError, match="Did you mean 'silnet'"):
        Wanted("silnett")
    with pytest.raises(ParameterError, match="schedule 'slow'"):
        Wanted("silnet", schedule="slow")
    with pytest.raises(ParameterError, match="epochs=0"):
        Wanted("silnet", epochs=0)


def test_networks_learn_by_the_published_optimiser_and_loss():
    """RMSprop for three networks, Adam for the others, at the published rate; the categorical cross-entropy of a first answer is ln 6."""
    for name in ("weinet", "silnet"):
        model = fer_nets.build(name, 32, 0.1)
        network = fer_study._compiled(model, Wanted(name, side=32).complete())
        assert type(network.optimizer).__name__ == {"weinet": "RMSprop", "silnet": "Adam"}[name]
        assert float(network.optimizer.learning_rate) == pytest.approx(1e-4)
        values = network.evaluate({"picture": np.zeros((6, 32, 32, 3))}, {"expression": np.eye(6)}, verbose=0, return_dict=True)
        assert values["loss"] == pytest.approx(math.log(6), abs=1e-5)


# ---- training


@pytest.mark.slow
def test_a_training_learns_and_is_read_the_next_time(made):
    """Squares at six places are told apart by people never seen; predictions are the network's; a second call reads them."""
    tested = fer_study.folds(made.table)
    wanted = Wanted("weinet", **SMALL | {"epochs": 12, "schedule": "falling"})
    one = fer_study.train(made, tested, wanted, 1)
    test = one.predictions[one.predictions["part"] == "test"]
    assert len(test) == (tested == 1).sum() == 12 and set(one.predictions["part"]) == {"train", "test"}
    assert (test["predicted"] == test["expression"]).mean() >= 0.8 and one.record["accuracy"] >= 0.8
    assert test[list(EMOTIONS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    said = np.asarray(one.model()(made.at(32, made.rows(test["face_id"]))[0]))
    assert said == pytest.approx(test[list(EMOTIONS)].to_numpy(), abs=1e-5)
    assert len(one.history) == 12 and one.history["loss"].iloc[-1] < one.history["loss"].iloc[0] and "accuracy" in one.history
    assert one.history["rate"].iloc[-1] == pytest.approx(0.02e-3) and one.record["with_variations"] == 96
    assert sorted(path.name for path in one.folder.iterdir()) == ["history.parquet", "model.keras", "predictions.parquet", "record.json"]
    again = fer_study.train(made, tested, wanted, 1, lambda *told: pytest.fail("trained again"))
    assert again.folder == one.folder and again.predictions.equals(one.predictions)
    assert fer_study.train(made, tested, Wanted("weinet", **SMALL), 0).folder != one.folder


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_network(made, tmp_path, monkeypatch):
    """Killed after its first epoch and again in its last: weights and curves of one never killed, dropouts and variations included."""
    tested, wanted = fer_study.folds(made.table), Wanted("songnet", **SMALL | {"epochs": 3})
    whole = fer_study.train(made, tested, wanted, 0)
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "others")

    def die(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fer_study.train(made, tested, wanted, 0, die)
    genuine = fitting.Examples.__getitem__

    def dark(self, number):
        if (self.epoch, number) == (2, 1):
            raise OSError("the lights went out")
        return genuine(self, number)

    monkeypatch.setattr(fitting.Examples, "__getitem__", dark)
    with pytest.raises(Exception, match="the lights went out"):
        fer_study.train(made, tested, wanted, 0)
    monkeypatch.setattr(fitting.Examples, "__getitem__", genuine)
    heard = []
    parts = fer_study.train(made, tested, wanted, 0, lambda *told: heard.append(told))
    assert heard == [(3, 3)] and same(whole, parts)
    pd.testing.assert_frame_equal(whole.history.drop(columns="seconds"), parts.history.drop(columns="seconds"), atol=1e-6)


@pytest.mark.slow
def test_a_sweep_in_processes_equals_one_in_this_process(made, tmp_path, monkeypatch):
    """Two folds by two workers are the networks of this process; an error costs its own training; predictions come together."""
    tested, wanted = fer_study.folds(made.table), [Wanted("songnet", **SMALL), Wanted("vgg16", **SMALL | {"weights": "nowhere.weights.h5"})]
    here = fer_study.sweep(made, tested, wanted, [0, 1], workers=1)
    assert here["error"].str.contains("nowhere.weights.h5").tolist() == [False, False, True, True]
    assert here[["network", "fold"]].values.tolist() == [["songnet", 0], ["songnet", 1], ["vgg16", 0], ["vgg16", 1]]
    trained = [fer_study.read(folder) for folder in here["folder"][:2]]
    both = fer_study.together(trained)
    assert len(both) == 120 and set(both["fold"]) == {0, 1} and here["accuracy"][:2].tolist() == [one.record["accuracy"] for one in trained]
    assert here["seconds"][:2].gt(0).all()


def test_shuffled_labels_are_dealt_out_anew_among_the_training_pictures(made):
    """The same counts in another order, shared by a picture and its variations; unshuffled, each its own."""
    tested = fer_study.folds(made.table)
    learning = np.flatnonzero(tested != 0)
    shown = fer_study.Shown(made, learning, 32, fer_study.Variations(copies=2))
    true, dealt = (fer_study._targets(made.table, learning, shown, Wanted("silnet", shuffled=shuffled), 0) for shuffled in (False, True))
    names = np.array(EMOTIONS)[true.argmax(axis=1)]
    assert names.tolist() == made.table["expression"].to_numpy()[learning].tolist() * 3 and true.sum(axis=1).tolist() == [1] * len(shown)
    assert dealt.sum(axis=0).tolist() == true.sum(axis=0).tolist() and 0.05 < (dealt.argmax(axis=1) == true.argmax(axis=1)).mean() < 0.4
    assert np.array_equal(dealt[:len(learning)], dealt[len(learning):2 * len(learning)])


def test_what_cannot_be_trained_stops_at_once(made):
    """Another fold, folds of other pictures, weights that are not there; the rest is said by the network."""
    tested = fer_study.folds(made.table)
    with pytest.raises(ParameterError, match="and fold 7"):
        fer_study.train(made, tested, Wanted("songnet", **SMALL), 7)
    with pytest.raises(ParameterError, match="59 folds"):
        fer_study.train(made, tested[1:], Wanted("songnet", **SMALL), 0)
    with pytest.raises(WeightsError, match="no file"):
        fer_study.train(made, tested, Wanted("songnet", **SMALL | {"weights": "nowhere.weights.h5"}), 0)
    with pytest.raises(ParameterError, match="no ImageNet weights for SongNet"):
        fer_study.train(made, tested, Wanted("songnet", **SMALL | {"weights": "imagenet"}), 0)


# ---- what comes of them


def said(predicted, expression=None, network="silnet", fold=0, part="test"):
    count = len(predicted)
    expression = predicted if expression is None else expression
    return pd.DataFrame({"network": network, "fold": fold, "part": part, "face_id": [f"{network}{fold}{n:04d}" for n in range(count)],
                         "corpus": "one", "subject": "p", "expression": expression, "predicted": predicted})  # fmt: skip


def test_accuracy_is_of_the_test_pictures_by_fold_and_together():
    """Three of four and one of two right: .75, .5 and 4/6 with Wilson's interval by its formula; training pictures do not count."""
    table = pd.concat([said(["sad"] * 4, ["sad", "sad", "sad", "fear"]), said(["sad"] * 2, ["sad", "fear"], fold=1),
                       said(["sad"] * 9, ["fear"] * 9, part="train")])  # fmt: skip
    found = fer_study.accuracy(table)
    assert found[["fold", "n", "correct"]].values.tolist() == [[0, 4, 3], [1, 2, 1], [-1, 6, 4]]
    p, n, z = 4 / 6, 6, 1.959964
    middle, half = (p + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    assert found.iloc[-1][["accuracy", "low", "high"]].tolist() == pytest.approx([p, middle - half, middle + half], abs=1e-5)


def test_pictures_to_explain_are_drawn_from_what_was_predicted():
    """Of each network, fold and predicted expression as many as asked, or all there are, said in the counts; never of training pictures."""
    predicted = ["angry"] * 50 + ["happy"] * 7 + ["sad"] * 20
    true = ["angry"] * 25 + ["fear"] * 25 + ["happy"] * 7 + ["sad"] * 20
    table = pd.concat([said(predicted, true), said(predicted, true, fold=1), said(predicted, true, "vgg16"),
                       said(["surprise"] * 30, part="train").assign(face_id=[f"t{n}" for n in range(30)])])  # fmt: skip
    picked, counts = fer_study.chosen(table, 10, seed=1)
    counts = counts.set_index(["network", "fold", "expression"])
    assert counts.loc[("silnet", 0)][["predicted", "chosen"]].values.tolist() == [[50, 10], [0, 0], [0, 0], [7, 7], [20, 10], [0, 0]]
    assert len(counts) == 18 and (counts["asked"] == 10).all() and len(picked) == 81 and not picked["face_id"].str.startswith("t").any()
    assert picked.groupby(["network", "fold"])["face_id"].nunique().tolist() == [27] * 3
    mine = picked[(picked["network"] == "silnet") & (picked["fold"] == 0) & (picked["expression"] == "angry")]
    assert 1 <= (mine["true"] == "fear").sum() <= 9  # right and wrong alike
    again = fer_study.chosen(table.sample(frac=1, random_state=3), 10, seed=1).table
    pd.testing.assert_frame_equal(*(one.sort_values(["network", "fold", "face_id"]).reset_index(drop=True) for one in (picked, again)))
    other = fer_study.chosen(table, 10, seed=2).table
    assert set(other["face_id"]) != set(picked["face_id"])
    with pytest.raises(ParameterError, match="0 pictures an expression"):
        fer_study.chosen(table, 0)
