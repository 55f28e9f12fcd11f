"""The terracotta study: pictures and answers, what is learned from and tested on, the leak, Table 7, and numbers beside the paper's."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.compendium import claims, kept
from lib.compendium.errors import ParameterError
from lib.explain import terracotta_study as study
from lib.expressions import EXPRESSIONS
from lib.training import animation, faces, terracotta, warriors
from lib.training import terracotta_networks as networks
from tests.explain import terracotta_world as world


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Nothing is read from or written to this machine's kept trainings."""
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "models")


def generated(wanted, **changes):
    made = world.sheets(**changes)
    return study.generated(wanted, made, [f"source {number:02d}" for number in range(len(made))], dict.fromkeys(EXPRESSIONS))


# ---- pictures and annotators


def test_pictures_are_the_user_s_or_the_atelier_s(monkeypatch):
    """A folder is read where given; else the atelier carves as many as asked, at most as many as published; RAF-DB divides itself."""
    asked = []
    monkeypatch.setattr(warriors, "atelier_warriors", lambda *args: asked.append(args) or world.people(10, args[0]))
    monkeypatch.setattr(warriors, "folder_warriors", lambda *args: asked.append(args) or world.people(10, args[2]))
    monkeypatch.setattr(faces, "atelier_faces", lambda *args, **_: world.people(28, "living"))
    data = study.pictures(world.wanted(each=50, warriors="mine"))
    assert asked == [("mine", 112, "tw58"), ("postures", 112, 0, 50), ("han", 112, 0, 43)]
    assert data.real == {"tw58"} and "synthetic" in data.told
    raf = world.people(28, "living")
    raf.table["subject"] = [f"raf_db:{'test' if number % 2 else 'train'}_{number:05d}" for number in range(28)]
    monkeypatch.setattr(study, "raf_db_faces", lambda folder: raf)
    data = study.pictures(world.wanted(raf_db="basic"))
    assert data.real == {"living"} and data.told == "RAF-DB" and len(data.living) == len(data.tested) == 14
    assert data.tested.table["subject"].str.contains("test_").all()


def test_pictures_without_expressions_or_votes_are_refused():
    """Photographs that nobody labelled cannot be learned from; with expressions in their table annotators repeat them."""
    data = world.data({"tw58"})
    labels = study.annotated(world.wanted(), data)
    truth = study.truth_of(labels, data.warriors["tw58"].table)
    assert list(truth) == list(data.warriors["tw58"].table["expression"])
    data.warriors["tw58"].table[list(EXPRESSIONS)] = np.nan
    with pytest.raises(ParameterError, match="without expressions.*give `votes`"):
        study.annotated(world.wanted(), data)


def test_whom_nobody_labelled_has_no_truth():
    """A face without an answer is "" and left out of accuracies."""
    table = pd.DataFrame({"face_id": ["a", "b"]})
    labels = terracotta._long(["a"], ["x"], np.eye(7)[None, None, 3])
    assert list(study.truth_of(labels, table)) == [EXPRESSIONS[3], ""]
    some = world.people(2, "two")
    truth, said, who = study.answers(world.Grey(), world.wanted(), some, ["angry", ""])
    assert list(truth) == list(said) == ["angry"] and list(who) == ["two person 0"]


# ---- GANimation


def test_references_come_from_faces_with_units():
    """The strongest face of each expression, or their mean."""
    data = world.data()
    strongest, mean = (study.references(world.wanted(reference=which), data) for which in ("strongest", "mean"))
    table = data.living.table[data.living.table["expression"] == "sad"]
    units = table[list(faces.UNIT_COLUMNS)].to_numpy(np.float32)
    assert strongest["sad"] == pytest.approx(units[units.sum(axis=1).argmax()]) and mean["sad"] == pytest.approx(units.mean(axis=0))


def test_generated_faces_leave_the_last_columns_out():
    """Fourteen warriors, seven expressions, two of three columns; the name says all three, the pictures are those of their places."""
    made = generated(world.wanted(dropped=1))
    assert len(made.table) == len(made.crops) == 14 * 7 * 2 and made.table["picture"].is_unique
    assert made.table["share"].max() == pytest.approx(2 / 3) and set(made.table["column"]) == {0, 1}
    row = made.table[(made.table["source"] == "source 03") & (made.table["expression"] == "sad") & (made.table["column"] == 1)].index[0]
    assert np.array_equal(made.crops[row], world.sheets()[3, EXPRESSIONS.index("sad"), 1])


# ---- classifiers


def test_faces_are_shown_in_mixed_company_and_answered_in_order():
    """Batches hold other faces than their neighbours of the table; every answer stands at its own face."""
    shown = []

    class Watched(world.Grey):
        def says(self, crops, batch=32):
            shown.extend(super().says(crops))
            return super().says(crops)

    some = world.people(70, "many", 34)
    said = study.said_of(Watched(), world.wanted(), some.crops)
    assert list(said) == list(some.table["expression"]) and shown != list(said)


def test_training_settings_are_the_parameters():
    """What the notebook's reader sets is what is trained; a change of one training leaves the rest."""
    one = study.settings(world.wanted(mode="batch_independent", seed=4), "arm", steps=7)
    assert (one.network, one.side, one.width, one.mode, one.steps, one.seed) == ("arm", 34, 0.125, "batch_independent", 7, 4)


def test_arm_begins_with_the_trunk_of_living_faces_where_asked(monkeypatch):
    """In the place of ImageNet's weights: ResNet-18 learns from nothing, ARM from its trunk; by default both from nothing."""
    asked = []

    def trained(wanted, crops, names, start, progress):
        asked.append((wanted.network, start))
        return SimpleNamespace(folder=f"kept {wanted.network}")

    monkeypatch.setattr(networks, "trained", trained)
    study.on_living(world.wanted(), world.data(), "arm")
    study.on_living(world.wanted(start="living"), world.data(), "arm")
    assert asked == [("arm", None), ("resnet18", None), ("arm", "kept resnet18")]


def test_experiments_split_by_source_and_within_sources(monkeypatch):
    """ResNet-18 and ARM-1 never test a source they learned from, ARM-2 always does; each learns from its own training part alone."""
    asked = []

    def trained(wanted, crops, names, start, progress):
        asked.append((wanted.network, len(crops), start))
        return world.Grey()

    monkeypatch.setattr(networks, "trained", trained)
    wanted = world.wanted()
    made = generated(wanted)
    found = study.experiments(wanted, made, "a folder")
    shares = {name: terracotta.leaking(made.table, one.parts) for name, one in found.items()}
    assert shares == {"ResNet-18": 0, "ARM-1": 0, "ARM-2": 1}
    assert asked == [(network, int((found[name].parts == "train").sum()), None)
                     for name, network in (("ResNet-18", "resnet18"), ("ARM-1", "arm"), ("ARM-2", "arm"))]  # fmt: skip
    assert list(study.parts_table(wanted, made, found, "validation")["row"]) == ["ResNet-18", "ARM-1"]
    study.experiments(world.wanted(start="living"), made, "a folder")
    assert {start for *_, start in asked[3:]} == {"a folder"}


def test_the_leak_of_memory_shows_with_several_pictures_and_mirrors_with_one():
    """Sources of noise: the nearest picture is the same source's. Shown twice, it gives the expression away; once, it misleads."""
    wanted = world.wanted(folds=2)
    made = generated(wanted)
    table = study.quick_leak(wanted, made)
    nearest = table[(table["classifier"] == "nearest picture") & (table["row"] == "lenient minus strict")].set_index("columns")
    assert set(table["columns"]) == {1, 2} and set(table["classifier"]) == set(study.QUICK)
    assert nearest.loc[2, "accuracy"] > nearest.loc[1, "accuracy"]


def test_the_networks_leak_is_that_of_what_each_split_tests():
    """ARM-1 all wrong and ARM-2 all right on their tests: the leak is 1, whatever they say of other pictures."""
    wanted = world.wanted()
    made = generated(wanted)
    truth = made.table["expression"].to_numpy(object)
    found = {}
    for name, how, said in (("ARM-1", "strict", np.full(len(truth), "nothing", object)), ("ARM-2", "lenient", truth)):
        parts = terracotta.parted(made.table, how, terracotta.SHARES)
        found[name] = study.Split(name, how, parts, np.where(parts == "test", said, "sad"), None)
    table = study.networks_leak(wanted, made, found).set_index("row")
    assert table["accuracy"].tolist() == [0, 1, 1]


def test_table_seven_shows_neutral_faces_as_they_are(monkeypatch):
    """Six expressions are generated of each neutral face, all the way; the neutral row is the face itself."""
    asked = []

    def animate(generator, pictures, units):
        asked.append(units)
        return animation.Animated(np.asarray(pictures), None, None)

    monkeypatch.setattr(animation, "animate", animate)
    monkeypatch.setattr(study, "side_of", lambda generator: 34)
    targets = {name: np.full(16, float(number)) for number, name in enumerate(EXPRESSIONS)}
    table, made = study.real_and_generated(world.wanted(), world.data(), world.Grey(), None, targets)
    rows = table.set_index("row")
    assert rows.loc["RAFDB", "of_pictures"] == 1 and rows.loc["GANimation", "pictures"] == 14
    assert rows.loc["GANimation", "neutral"] == 1 and rows.loc["GANimation", "happy"] == 0  # this generator changes nothing
    assert made.shape == (6, 2, 34, 34, 3) and [units[0, 0] for units in asked] == [0, 1, 2, 3, 5, 6]


def test_ways_are_compared_on_warriors_of_other_sets(monkeypatch):
    """Each way learns from TW58 and what it adds, for the same steps, from the same start; none of the tested is among them."""
    asked = {}

    def trained(wanted, crops, names, start, progress):
        asked[(wanted.changes, wanted.mixup, wanted.cutmix, len(crops))] = wanted.steps, start
        return world.Grey()

    monkeypatch.setattr(networks, "trained", trained)
    monkeypatch.setattr(warriors, "rendered_warriors", lambda count, steps, side, seed: world.people(7 * count, "rendered"))
    data, wanted = world.data(), world.wanted(ways=["none", "changes", "mixup", "cutmix", "gan", "rendered"])
    labels = study.annotated(world.wanted(doubt=0), data)
    table = study.compared(wanted, data, labels, generated(wanted), "start")
    assert list(table["way"]) == list(wanted.ways) and set(table["pictures"]) == {28} and set(asked.values()) == {(2, "start")}
    assert sorted(asked) == [(False, 0, 0, 14), (False, 0, 0, 14 + 98), (False, 0, 1.0, 14), (False, 0.4, 0, 14), (True, 0, 0, 14)]
    assert (table["of_classes"] == 1).all() and (table[["classes_low", "classes_high"]] == 1).all(axis=None)
    real = study.compared(wanted, world.data({"tw58"}), labels, generated(wanted), "start")
    assert "rendered" not in set(real["way"])  # a photograph cannot be carved again


def test_calling_everybody_neutral_is_no_knowledge():
    """Nine of ten neutral faces: the share of all is .9, the mean of the two classes one half, and its interval holds it."""
    truth = np.array(["neutral"] * 90 + ["sad"] * 10, object)
    low, high = study._of_classes(truth, np.full(100, "neutral", object), np.arange(100), 200, 0)
    assert low == high == 0.5


# ---- what else is asked


def test_postures_as_planted_and_as_said():
    """A classifier that is always right gives the distribution that was planted."""
    table = study.posture_tables(world.wanted(), world.data(), world.Grey())
    shown, said = (part.drop(columns="source").reset_index(drop=True) for _, part in table.groupby("source", sort=False))
    pd.testing.assert_frame_equal(shown, said)


def test_similarity_of_warriors_and_living_faces(monkeypatch):
    """Three measures, two sets and their difference each; as many living faces as asked."""
    monkeypatch.setattr(terracotta, "vectors", lambda crops, measure, model: np.ones((len(crops), 3)) / np.sqrt(3))
    table = study.similarities(world.wanted(similar=10), world.data(), SimpleNamespace(model=None))
    assert len(table) == 9 and table.set_index("set").loc["living", "faces"].tolist() == [10, 10, 10]
    assert table.loc[table["set"] == "warriors minus living", "similarity"].to_numpy() == pytest.approx(0)


# ---- beside the paper


def tables() -> dict[str, pd.DataFrame]:
    """Return accuracies of a classifier that is always right, under the rows of each printed table."""
    truth = np.array(EXPRESSIONS * 2, object)
    rows = {**dict.fromkeys(("table_one", "table_two", "table_three"), ["ARM"]),
            **dict.fromkeys(("table_four", "table_five"), ["ResNet-18", "ARM"]),
            "table_six": ["ResNet-18", "ARM-1", "ARM-2"], "table_seven": ["RAFDB", "GANimation"]}  # fmt: skip
    return {name: terracotta.accuracies({row: (truth, truth, None) for row in those}, 20) for name, those in rows.items()}


def test_every_cell_of_the_seven_tables_is_a_claim_of_this_run():
    """All 96 cells are measured, none judged on synthetic pictures; cells without a picture are nobody's."""
    found = study.measured_tables(tables(), study.real_tables(world.data()))
    cells = [claim for claim in claims.load("terracotta") if claim.startswith("table_")]
    assert set(cells) - set(found) == {"table_one_fear", "table_two_counts", "table_three_overall"} and len(found) == 96
    assert set(found.values()) == {(1.0, "synthetic")}
    less = tables()
    less["table_one"]["fear"] = np.nan
    assert study.measured_tables(less, study.real_tables(world.data()))["table_one_arm_fear"] == (None, "synthetic")


def test_photographs_judge_only_what_rests_on_them():
    """With RAF-DB alone Tables 1, 2 and 7; with warriors alone 4 to 6; the transfer needs both."""
    living, stone = (study.real_tables(world.data({name})) for name in ("living", "tw58"))
    assert [name for name, real in living.items() if real] == ["table_one", "table_two", "table_seven"]
    assert [name for name, real in stone.items() if real] == ["table_four", "table_five", "table_six"]
    assert all(study.real_tables(world.data({"living", "tw58"})).values())


def test_findings_are_differences_and_shares():
    """Directions are differences of rows, postures shares in per cent, similarities by pixels; all of them known claims."""
    data = world.data()
    alike = pd.DataFrame({"set": ["warriors", "living"], "similarity": [0.5, 0.3], "measure": "pixels"})
    postures = study.posture_tables(world.wanted(), data, world.Grey())
    found = study.measured_findings(tables(), postures, alike, data)
    assert set(found) <= set(claims.load("terracotta")) and len(found) == 7 + 10
    assert found["warriors_more_alike"] == (pytest.approx(0.2), "synthetic") and found["transfer_fails"] == (0, "synthetic")
    share = postures[(postures["posture"] == "Generals") & (postures["expression"] == "disgust") & (postures["source"] == "ARM-1")]["share"]
    assert found["posture_generals_disgust"][0] == pytest.approx(100 * share.iloc[0])


def test_rows_stand_under_the_paper_s():
    """Each printed row is followed by this run's of the same name."""
    shown = study.beside(tables()["table_six"], "table_six")
    assert list(shown["whose"]) == ["paper", "this run"] * 3 and shown.iloc[4]["average"] == 0.776 and shown.iloc[5]["average"] == 1
