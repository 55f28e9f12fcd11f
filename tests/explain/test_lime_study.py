"""The LIME study from parameters to maps: what is trained, explained, averaged and left out, in a world where all answers are known."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from lib.collections import fer_corpora
from lib.compendium import claims, kept
from lib.compendium.errors import CollectionError, ParameterError, PictureError
from lib.explain import cam, ekman, lime, lime_study, published_maps, similarity, standardise
from lib.explain.lime_study import SHUFFLED
from lib.networks import fer_nets
from lib.published import tables
from lib.training import fer_pictures, fer_study
from tests.compendium.test_compute import cluster, kill_one_later, plain_environment  # noqa: F401 (fixtures)
from tests.explain import lime_world, published
from tests.explain.lime_world import BROKEN, EMOTIONS, HALF

CONTROL = "weinet" + SHUFFLED
UNMARKED = 9  # a row of the world's pictures without landmarks


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A world with one face without landmarks; two networks known by heart on two folds, one of them also turned: settings, networks,
    what was chosen and explained, and the folder of explanations."""
    folder = tmp_path_factory.mktemp("study")
    wanted, work = lime_world.wanted(networks=["weinet", "silnet"]), folder / "work"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fer_study, "train_job", lime_world.job)
        networks = lime_study.trained(wanted, lime_world.pictures(folder, unmarked=UNMARKED))
    chosen = fer_study.chosen(networks.predictions, wanted.per_expression, wanted.seed)
    return wanted, networks, chosen.table, lime_study.explained(wanted, networks, chosen.table, work), work


# ---- pictures and networks


def test_pictures_come_from_corpora_or_from_the_atelier(tmp_path, monkeypatch):
    """Corpora that are given are read, at the side of the finest network; without any the atelier's people stand in."""
    asked = []
    monkeypatch.setattr(fer_corpora, "gather", lambda folders, frames: (folders, frames))
    monkeypatch.setattr(fer_pictures, "corpus_pictures", lambda table, side: asked.append((table, side)))
    monkeypatch.setattr(fer_pictures, "atelier_pictures", lambda people, seed: asked.append((people, seed)))
    lime_study.pictures_of(lime_world.wanted(people=12, people_seed=5))
    assert asked.pop() == (12, 5)
    given = {"jaffe": str(tmp_path), "fega": str(tmp_path / "fega")}
    for networks, side, finest in ((["silnet", "vgg16"], 0, 224), (["silnet", "weinet"], 0, 150), (["weinet", "xception"], 64, 71)):
        lime_study.pictures_of(lime_world.wanted(networks=networks, side=side, **given))
        assert asked.pop() == (({name: Path(folder) for name, folder in given.items()}, 3), finest)
    lime_study.pictures_of(lime_world.wanted(frames=7, **given))
    assert asked.pop()[0][1] == 7


def test_each_network_is_trained_as_it_says(tmp_path, monkeypatch):
    """Settings reach the training; zeros mean as published; a side too small for a network becomes its smallest."""
    asked = []
    monkeypatch.setattr(fer_study, "train_job", lime_world.job)
    sweep = fer_study.sweep
    monkeypatch.setattr(fer_study, "sweep", lambda *args, **more: asked.extend(args[2]) or sweep(*args, **more))
    made = lime_world.pictures(tmp_path)
    lime_study.trained(lime_world.wanted(networks=["inceptionv3", "silnet"], copies=3, seed=4, momentum=0.9), made)
    first, second, control = asked
    assert (first.side, second.side) == (75, 32) and (first.network, control.network, control.shuffled) == ("inceptionv3",) * 2 + (True,)
    assert (second.epochs, second.rate, second.batch, second.width, second.momentum) == (12, 1e-3, 16, 0.25, 0.9)
    assert second.variations == {"copies": 3} and (second.seed, second.schedule, second.weights) == (4, "falling", "none")
    lime_study.trained(lime_world.wanted(networks=["silnet"], side=0, epochs=0, rate=0, controls=False), made)
    whole = asked[3].complete()
    assert len(asked) == 4 and (whole.side, whole.epochs, whole.rate, whole.momentum) == (150, 10, 1e-4, None)


@pytest.mark.parametrize(("jobs", "scheduler", "workers"), [("0", "", 1), ("2", "", None), ("0", "tcp://127.0.0.1:9", None)])
def test_trainings_go_where_the_user_sends_them(tmp_path, monkeypatch, jobs, scheduler, workers):
    """One after the other where nobody asks for more; JOBS and SCHEDULER reach every training, twins and control too."""
    asked = []
    sweep = fer_study.sweep
    monkeypatch.setattr(fer_study, "train_job", lime_world.job)
    monkeypatch.setattr(fer_study, "sweep", lambda *args, workers: asked.append(workers) or sweep(*args, workers=1))
    monkeypatch.setenv("COMPENDIUM_JOBS", jobs)
    monkeypatch.setenv("COMPENDIUM_SCHEDULER", scheduler)
    lime_study.trained(lime_world.wanted(twins=1), lime_world.pictures(tmp_path))
    assert asked == [workers] * 3


def test_networks_and_their_control_are_told_apart(study):
    """Each network has a model on each fold, the first also a control on the first fold; predictions carry these names."""
    _, networks, chosen, _, _ = study
    assert set(networks.folders) == {("weinet", 0), ("weinet", 1), ("silnet", 0), ("silnet", 1), (CONTROL, 0)}
    assert networks.trainings["name"].tolist() == ["weinet", "weinet", "silnet", "silnet", CONTROL]
    accuracy = fer_study.accuracy(networks.predictions).query("fold == -1").set_index("network")["accuracy"]
    assert accuracy.to_dict() == {"weinet": 1, "silnet": 1, CONTROL: 0}
    assert chosen.groupby(["network", "fold", "expression"]).size().eq(3).all() and len(chosen) == 5 * 6 * 3
    assert (lime_study.title("silnet"), lime_study.title(CONTROL)) == ("SilNet", "WeiNet (shuffled)")


def test_a_twin_differs_in_its_seed_alone(tmp_path, monkeypatch):
    """As many of the networks as asked for are trained again on the first fold, from the next seed, under a name of their own."""
    asked = []
    monkeypatch.setattr(fer_study, "train_job", lime_world.job)
    sweep = fer_study.sweep
    monkeypatch.setattr(fer_study, "sweep", lambda *args, **more: asked.extend(args[2]) or sweep(*args, **more))
    networks = lime_study.trained(lime_world.wanted(networks=["weinet", "silnet"], twins=1, controls=False, seed=4),
                                  lime_world.pictures(tmp_path))  # fmt: skip
    assert [fold for name, fold in networks.folders if name == "weinet" + lime_study.TWIN] == [0] and len(networks.folders) == 5
    assert (asked[0].seed, asked[2].seed) == (4, 5) and replace(asked[2], seed=4) == asked[0]
    assert lime_study.title("weinet" + lime_study.TWIN) == "WeiNet (another seed)"


def test_a_failed_training_costs_its_own_rows(tmp_path, monkeypatch):
    """The others go on; where nothing but the control was trained, or nothing at all, the study stops with the reason."""
    monkeypatch.setattr(fer_study, "train_job", lime_world.job)
    made = lime_world.pictures(tmp_path)
    networks = lime_study.trained(lime_world.wanted(networks=["silnet", BROKEN]), made)
    assert {name for name, _ in networks.folders} == {"silnet", "silnet" + SHUFFLED}
    failed = networks.trainings[networks.trainings["error"] != ""]
    assert failed["name"].tolist() == [BROKEN] * 2 and failed["error"].str.contains("no weights to be had").all()
    for name in (BROKEN, HALF):
        with pytest.raises(ParameterError, match="None of the networks could be trained; the first reason: ValueError: no weights"):
            lime_study.trained(lime_world.wanted(networks=[name]), made)


# ---- explanations


def test_explanations_find_the_square(study):
    """Each chosen picture has an explanation of its own network, whose strongest segment is the square that says the expression."""
    _, networks, chosen, explained, _ = study
    table = networks.pictures.table.set_index("face_id")
    assert explained["picture"].tolist() == table.loc[explained["face_id"], "file"].tolist()
    assert explained["landmarks"].eq(explained["face_id"] != networks.pictures.table["face_id"][UNMARKED]).all()
    assert explained[chosen.columns.tolist()].equals(chosen) and (explained["error"] == "").all() and (explained["samples"] == 80).all()
    for _, row in explained.iterrows():
        found, parts = lime.read(Path(row["path"]))
        turned = row["network"] == CONTROL
        down, across = lime_world.CELLS[lime_world.TELLING[(EMOTIONS.index(row["expression"]) - turned) % 6]]
        heat = lime.heat(found.coefficients, parts, row["expression"])
        assert heat[down + 4, across + 4] == heat.max() > 0.1
        assert EMOTIONS[found.answer.argmax()] == row["expression"] and row["segments"] == len(found.coefficients)
    assert (explained["true"] == explained["expression"]).eq(explained["network"] != CONTROL).all()


def test_nothing_is_explained_twice(study, monkeypatch):
    """The same call reads what it made; other samples are other explanations."""
    wanted, networks, chosen, explained, work = study
    monkeypatch.setattr(lime, "explain", lambda *args, **more: pytest.fail("explained again"))
    again = lime_study.explained(wanted, networks, chosen, work)
    pd.testing.assert_frame_equal(again, explained)
    with pytest.raises(pytest.fail.Exception, match="explained again"):
        lime_study.explained(wanted.model_copy(update={"samples": 90}), networks, chosen[:1], work)


def test_segments_are_hidden_as_asked(study, tmp_path):
    """Each occlusion is that of an explanation made by hand: black, as published, or the segment's mean colour."""
    wanted, networks, chosen, _, _ = study
    (number,) = networks.pictures.rows([chosen["face_id"][0]])
    picture = networks.pictures.at(lime_world.SIDE, [number])[0][0]
    parts, found = lime.segments(picture, 16, 20.0), {}
    for name, occlusion in (("black", 0), ("mean", "mean")):
        row = lime_study.explained(wanted.model_copy(update={"occlusion": name}), networks, chosen[:1], tmp_path).iloc[0]
        found[name] = lime.read(Path(row["path"]))[0].coefficients
        options = {"count": 80, "kind": "sobol", "seed": lime.seed_of(0, number), "occlusion": occlusion}
        expected = lime.explain(lime_world.network(), picture, parts, **options)
        assert found[name] == pytest.approx(expected.coefficients, abs=1e-5)
    assert np.abs(found["black"] - found["mean"]).max() > 0.01


def test_a_picture_that_cannot_be_explained_is_a_row_with_its_reason(study, tmp_path, monkeypatch):
    """A picture with one segment costs its own row, and neither maps nor second explanations have it."""
    wanted, networks, chosen, _, _ = study
    bad = chosen["face_id"][4]
    picture = networks.pictures.at(lime_world.SIDE, networks.pictures.rows([bad]))[0][0]
    cut = lime.segments
    monkeypatch.setattr(lime, "segments", lambda given, *args: np.zeros(given.shape[:2], int) if (given == picture).all() else
                        cut(given, *args))  # fmt: skip
    chosen = chosen[chosen["network"] == "weinet"][:8]
    explained = lime_study.explained(wanted, networks, chosen, tmp_path)
    failed = explained[explained["error"] != ""]
    assert failed["face_id"].tolist() == [bad] and "PictureError: The picture has one segment" in failed["error"].iloc[0]
    assert failed["path"].tolist() == [""] and explained.index.equals(chosen.index)
    assert bad not in set(lime_study.lime_maps(wanted, networks, explained)[1]["face_id"])
    twice = explained.assign(error="")  # as if it had been explained once, and fails the second time
    again = lime_study.explained_again(wanted.model_copy(update={"again": 8}), networks, twice, tmp_path)
    assert sorted(again["face_id"]) == sorted(set(chosen["face_id"]) - {bad})


def test_a_study_without_any_map_stops_with_the_reason(study, tmp_path, monkeypatch):
    """Faces without landmarks, failures, or a control alone leave nothing to show: how many of each there are, and why the first failed."""
    wanted, networks, chosen, explained, _ = study
    unmarked = networks.pictures.table["face_id"][UNMARKED]
    only = chosen[chosen["face_id"] == unmarked][:1]
    with pytest.raises(PictureError, match="Of 1 explanations 0 failed and 1 are of faces without landmarks"):
        lime_study.explained(wanted, networks, only, tmp_path)
    with pytest.raises(PictureError, match="Of 0 explanations"):
        lime_study.explained(wanted, networks, chosen[chosen["network"] == CONTROL][:3], tmp_path)
    monkeypatch.setattr(lime, "segments", lambda given, *args: np.zeros(given.shape[:2], int))
    with pytest.raises(PictureError, match="Of 2 explanations 2 failed and 0 are .* that failed: PictureError: The picture has one"):
        lime_study.explained(wanted, networks, chosen[chosen["face_id"] != unmarked][:2], tmp_path)


def test_no_pictures_are_no_maps(study, tmp_path):
    """Of no explanation there is no map, and tables have their columns."""
    wanted, networks, _, explained, _ = study
    maps, inside = lime_study.lime_maps(wanted, networks, explained[:0])
    assert maps == {} and len(inside) == 0 and "face_id" in inside and lime_study.stacks({}) == ({}, [])
    assert len(lime_study.explained_again(wanted, networks, explained[:0], tmp_path)) == 0
    assert lime_study.evidence({"LIME": {}}, lime_world.masks(), wanted).empty


def test_explained_again_compares_each_picture_with_itself(study):
    """Pictures of both folds, at most as many as asked; each number is that of two explanations made by hand; networks known by heart
    are explained alike."""
    wanted, networks, _, explained, work = study
    again = lime_study.explained_again(wanted, networks, explained, work)
    assert again.groupby("network").size().to_dict() == {"weinet": 4, "silnet": 4, CONTROL: 4}
    few = explained.sort_values("face_id").groupby("network").head(4)
    assert set(few.loc[few["network"] == "weinet", "fold"]) == {0, 1}
    for _, row in again.iterrows():
        number = networks.pictures.rows([row["face_id"]])[0]
        picture = networks.pictures.at(lime_world.SIDE, [number])[0][0]
        kind = few[(few["network"] == row["network"]) & (few["face_id"] == row["face_id"])]["expression"].iloc[0]
        model, parts = lime_world.network(int(row["network"] == CONTROL)), lime.segments(picture, 16, 20.0)
        one, two = (lime.explain(model, picture, parts, count=80, kind="sobol", seed=lime.seed_of(seed, number)) for seed in (0, 1))
        ours, theirs = one.coefficients[:, EMOTIONS.index(kind)], two.coefficients[:, EMOTIONS.index(kind)]
        assert row["correlation"] == pytest.approx(np.corrcoef(ours, theirs)[0, 1], abs=1e-4) and row["correlation"] > 0.9
        assert row["error"] == pytest.approx(one.errors[:, EMOTIONS.index(kind)].mean() / ours.std(), rel=1e-3)
    assert len(lime_study.explained_again(wanted.model_copy(update={"again": 0}), networks, explained, work)) == 0


def tables_of(wanted, folder, made):
    """Return all tables of a study from its trainings to its evidence, without where things lie."""
    networks = lime_study.trained(wanted, made)
    chosen = fer_study.chosen(networks.predictions, wanted.per_expression, wanted.seed).table
    explained = lime_study.explained(wanted, networks, chosen, folder)
    maps, used = lime_study.lime_maps(wanted, networks, explained)
    planted = {name: mask.astype(np.float32) for name, mask in lime_world.masks().items()}
    return {
        "trainings": networks.trainings.drop(columns="folder"), "predictions": networks.predictions,
        "explained": explained.drop(columns="path"), "again": lime_study.explained_again(wanted, networks, explained, folder),
        "alignment": ekman.alignment(lime_study.over_folds(maps, used), lime_world.masks(), draws=wanted.draws),
        "evidence": lime_study.evidence({"LIME": maps}, planted, wanted), "likeness": lime_study.likeness(maps, "as_coded"),
    }  # fmt: skip


@pytest.mark.slow
def test_a_dask_cluster_that_loses_a_worker_gives_the_same_tables(tmp_path, monkeypatch, cluster):  # noqa: F811
    """Two workers train and explain, one of them is killed midway: every table is that of one process, whole numbers and words exactly."""
    monkeypatch.setattr(fer_study, "train_job", lime_world.job)
    made, wanted = lime_world.pictures(tmp_path), lime_world.wanted(networks=["weinet", "silnet"])
    alone = tables_of(wanted, tmp_path / "alone", made)
    address, workers, _ = cluster
    monkeypatch.setenv("COMPENDIUM_SCHEDULER", address)
    killed = kill_one_later(workers, tmp_path / "dask" / "explanations")
    elsewhere = tables_of(wanted, tmp_path / "dask", made)
    killed.join()
    assert workers[0].poll() is not None
    for name, table in alone.items():
        pd.testing.assert_frame_equal(elsewhere[name], table, rtol=0, atol=1e-3 if name in ("explained", "again") else 1e-6)


# ---- maps on the standard face


def test_maps_are_means_of_faces_with_landmarks(study):
    """A map of each network, fold and expression: the mean of its faces brought to the standard face, without the one that has none."""
    wanted, networks, _, explained, _ = study
    maps, inside = lime_study.lime_maps(wanted, networks, explained)
    assert set(maps) == set(explained[["network", "fold", "expression"]].itertuples(index=False, name=None))
    without = networks.pictures.table["face_id"][UNMARKED]
    assert without in set(explained["face_id"]) and inside.equals(explained[explained["face_id"] != without])
    key = next(explained.loc[explained["face_id"] == without, ["network", "fold", "expression"]].itertuples(index=False, name=None))
    mine = inside[(inside[["network", "fold", "expression"]] == key).all(axis=1)]
    assert len(mine) == 2
    # Landmarks lie on a crop as they do on the canvas, so the way there is only a change of size.
    heats = [lime.heat(found.coefficients, parts, key[2]) for found, parts in (lime.read(Path(path)) for path in mine["path"])]
    expected = np.mean([cv2.resize(heat, (224, 275), interpolation=cv2.INTER_NEAREST_EXACT) for heat in heats], axis=0)
    assert maps[key].shape == (275, 224) and maps[key].dtype == np.float32
    assert np.mean(np.abs(maps[key] - expected) < 1e-6) > 0.99  # but for pixels half-way


def test_pictures_count_alike_and_the_control_is_left_out(study):
    """The map of a network is the mean over the pictures of its folds (Eq. 2); networks without a map of some expression, or with an empty
    one, are left out."""
    wanted, networks, _, explained, _ = study
    maps, used = lime_study.lime_maps(wanted, networks, explained)
    whole = lime_study.over_folds(maps, used)
    assert len(whole) == 18 and np.array_equal(whole[CONTROL, "sad"], maps[CONTROL, 0, "sad"])
    assert whole["silnet", "fear"] == pytest.approx((maps["silnet", 0, "fear"] + maps["silnet", 1, "fear"]) / 2, abs=1e-7)
    fold, expression = used.loc[used["network"] == "weinet", ["fold", "expression"]].iloc[0]
    fewer = explained.drop(used.query("network == 'weinet' and fold == @fold and expression == @expression").index[:2])
    maps, used = lime_study.lime_maps(wanted, networks, fewer)
    counts = used.query("network == 'weinet' and expression == @expression").groupby("fold").size()
    assert sorted(counts) == [1, 3]
    pooled = sum(maps["weinet", number, expression] * count for number, count in counts.items()) / 4
    assert lime_study.over_folds(maps, used)["weinet", expression] == pytest.approx(pooled, abs=1e-6)
    found, names = lime_study.stacks(whole)
    assert names == ["weinet", "silnet"] and list(found) == list(EMOTIONS) and found["sad"].shape == (2, 275, 224)
    assert np.array_equal(found["sad"][1], whole["silnet", "sad"])
    assert lime_study.stacks({key: heat for key, heat in whole.items() if key != ("weinet", "fear")})[1] == ["silnet"]
    assert lime_study.stacks(whole | {("silnet", "fear"): np.zeros((275, 224), np.float32)})[1] == ["weinet"]


def test_folds_can_be_drawn_again_where_there_are_three():
    """Maps of single folds, scaled by their pictures: their means are the maps of all folds; with two folds, or a map missing, nothing."""
    generator = np.random.default_rng(2)
    maps = {(name, fold, expression): generator.random((275, 224)).astype(np.float32)
            for name in ("weinet", "silnet") for fold in range(3) for expression in EMOTIONS}  # fmt: skip
    used = pd.DataFrame([key for key in maps for _ in range(1 + key[1])], columns=["network", "fold", "expression"])
    found, whole = lime_study.fold_stacks(maps, used, ["weinet", "silnet"]), lime_study.over_folds(maps, used)
    assert list(found) == list(EMOTIONS) and found["sad"].shape == (2, 3, 275, 224)
    assert found["sad"].mean(axis=1)[1] == pytest.approx(whole["silnet", "sad"], abs=1e-6)
    assert len(similarity.stability(np.concatenate([found["sad"]] * 2), "as_coded", resamples=3)) == 2
    two = {key: heat for key, heat in maps.items() if key[1] < 2}
    assert lime_study.fold_stacks(two, used, ["weinet", "silnet"]) == {}
    del maps["silnet", 1, "fear"]
    assert lime_study.fold_stacks(maps, used, ["weinet", "silnet"]) == {} != lime_study.fold_stacks(maps, used, ["weinet"])


def test_evidence_is_by_method_network_and_fold(study):
    """Networks that know the squares are beyond chance on each fold, the control, which takes each for the next, is not; beside it stand
    plain overlap and random segments; a method without maps has no row."""
    wanted, networks, _, explained, _ = study
    maps, _ = lime_study.lime_maps(wanted, networks, explained)
    planted = {name: mask.astype(np.float32) for name, mask in lime_world.masks().items()}
    found = lime_study.evidence({"LIME": maps, "Grad-CAM": {}}, planted, wanted)
    assert set(found["method"]) == {"LIME"} and len(found) == 5
    rows = found.set_index(["network", "fold"])
    assert rows.loc[["weinet", "silnet"], "p"].max() == pytest.approx(1 / 720) and rows.loc[["weinet", "silnet"], "specific"].min() > 0.5
    assert rows.loc[(CONTROL, 0), "p"] > 0.5 and rows.loc[(CONTROL, 0), "own"] < 0.1 < rows.loc[("weinet", 1), "corrected"]
    plain = ekman.alignment(maps, lime_world.masks(), draws=wanted.draws).query("network == 'silnet' and fold == 1")
    assert rows.loc[("silnet", 1), "own"] == pytest.approx(plain["iou"].mean())
    assert rows.loc[("silnet", 1), "chance"] == pytest.approx(plain["chance_segments"].mean())


def test_alignment_knows_who_looks_at_the_square(study):
    """The network that knows the squares agrees with them; one that takes each for another looks where chance seldom does."""
    wanted, networks, _, explained, _ = study
    table = ekman.alignment(lime_study.over_folds(*lime_study.lime_maps(wanted, networks, explained)), lime_world.masks(),
                            draws=wanted.draws).groupby("network")["corrected"]  # fmt: skip
    assert table.min()["weinet"] > 0.8 and table.min()["silnet"] > 0.8 and table.max()[CONTROL] < 0.01


# ---- Grad-CAM


def test_gradcam_maps_are_of_the_same_pictures(study):
    """Same pictures, same standard face: bright cells, as the network sees them, and nothing of pictures that have no explanation."""
    wanted, networks, _, explained, _ = study
    explained = explained[explained["network"] == "silnet"]
    explained = explained.assign(error=np.where(explained["expression"] == "sad", "failed", ""))
    maps, inside = lime_study.gradcam_maps(wanted, networks, explained)
    assert set(maps) == {("silnet", fold, name) for fold in (0, 1) for name in EMOTIONS if name != "sad"}
    assert inside["face_id"].isin(explained.loc[explained["error"] == "", "face_id"]).all() and len(inside) == 29
    mine = inside[(inside["fold"] == 1) & (inside["expression"] == "happy")]
    rows = networks.pictures.rows(mine["face_id"])
    bright = (networks.pictures.at(lime_world.SIDE, rows)[0][..., 0] > 150).mean(axis=0)
    down, across = lime_world.CELLS[lime_world.TELLING[3]]
    heat = maps["silnet", 1, "happy"]
    middles = np.array([[heat[int((y + 0.5) * 275 / 4), int((x + 0.5) * 224 / 4)] for x in range(4)] for y in range(4)])
    assert middles[down // 8, across // 8] == pytest.approx(middles.max(), rel=0.01)  # the square is there in every picture
    assert np.corrcoef(middles.ravel(), bright.reshape(4, 8, 4, 8).mean(axis=(1, 3)).ravel())[0, 1] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), [("songnet", 8), ("weinet", 64), ("mobilenetv3", 2), ("efficientnetv2", 2)])
def test_networks_of_the_study_have_gradcam_maps(tmp_path, monkeypatch, name, side):
    """On pictures of 64 pixels at a quarter of the filters: not all maps are empty, and the copy that is asked answers as the network."""
    model = fer_nets.build(name, 64, 0.25, seed=3)
    folder = tmp_path / "network"
    folder.mkdir()
    model.save(folder / fer_study.MODEL)
    for file in (fer_study.PREDICTIONS, fer_study.HISTORY):
        pd.DataFrame({"epoch": [1]}).to_parquet(folder / file)
    (folder / "record.json").write_text("{}")
    made = lime_world.pictures(tmp_path)
    table = made.table.assign(network=name, fold=0, error="")
    networks = lime_study.Networks(made, np.zeros(len(made)), pd.DataFrame(), pd.DataFrame(), {(name, 0): folder})
    maps, inside = lime_study.gradcam_maps(lime_world.wanted(side=64), networks, table)
    assert len(inside) == len(made) and set(maps) == {(name, 0, expression) for expression in EMOTIONS}
    assert sum(heat.any() for heat in maps.values()) >= 2 and all(np.isfinite(heat).all() for heat in maps.values())
    crops = made.at(64)[0].astype(np.float32)
    assert np.asarray(cam._clone(model)(crops[:4])) == pytest.approx(np.asarray(model(crops[:4])), abs=1e-5)
    assert cam.gradcam(model, crops[:1], 0).shape == (1, side, side)


def test_networks_without_places_have_no_gradcam(study, monkeypatch):
    """Where a network's last maps are of a single place it is left out, and the table of faces still has its columns."""
    wanted, networks, _, explained, _ = study

    def refuse(*args, **more):
        raise ParameterError("The maps are 1 x 1")

    monkeypatch.setattr(cam, "gradcam", refuse)
    maps, inside = lime_study.gradcam_maps(wanted, networks, explained)
    assert maps == {} and len(inside) == 0 and set(inside) == set(explained)


# ---- what moved


@pytest.mark.slow
def test_what_the_atelier_planted_lies_on_the_standard_face(tmp_path, monkeypatch):
    """Of heads of the atelier: a smile moves the mouth and not the brows, surprise both; finished heads are kept in the journal."""
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "models")
    made = fer_pictures.atelier_pictures(2, seed=90_100)
    maps = lime_study.planted_maps(lime_world.wanted(heads=1), made, tmp_path / "journal.jsonl")
    assert set(maps) == set(EMOTIONS) and all(heat.shape == (275, 224) and 0.3 < heat.max() <= 1 for heat in maps.values())
    marks = standardise.STANDARD.astype(int)
    mouth, brows = (np.s_[marks[part, 1].min():marks[part, 1].max(), marks[part, 0].min():marks[part, 0].max()] for part in
                    (slice(48, 60), slice(17, 27)))  # fmt: skip
    assert maps["happy"][mouth].mean() > 5 * maps["happy"][brows].mean()
    assert maps["surprise"][brows].mean() > 0.2 < maps["surprise"][mouth].mean()
    assert len((tmp_path / "journal.jsonl").read_text().splitlines()) == 7  # a header and six heads


def test_in_real_people_nobody_knows_what_moved(tmp_path):
    """Pictures that are not the atelier's have no planted maps."""
    assert lime_study.planted_maps(lime_world.wanted(), lime_world.pictures(tmp_path)) == {}


# ---- the authors' maps


@pytest.fixture
def authors(tmp_path, monkeypatch):
    """The authors' folder, made up, with the digests of what was made up."""
    made = published.made(tmp_path / "authors")
    monkeypatch.setattr(published_maps, "pinned", lambda: made)
    monkeypatch.setattr(published_maps, "FOLDER", tmp_path / "fetched")
    monkeypatch.setattr(published_maps, "PAUSE", 0)
    monkeypatch.setattr(published_maps, "ARCHIVE", (tmp_path / "nowhere.tar.gz").as_uri())
    return tmp_path / "authors"


def test_the_authors_maps_come_from_a_folder_or_are_fetched(authors, tmp_path):
    """A folder that is given, what was fetched before, not asked for, and no network: maps, or the reason why there are none."""
    found, reason = lime_study.published(lime_world.wanted(maps=str(authors)))
    assert len(found.maps) == 432 and reason == ""
    assert lime_study.published(lime_world.wanted(maps="none")) == (None, "they were not asked for (maps=none)")
    none, reason = lime_study.published(lime_world.wanted(maps="fetch"))
    assert none is None and "could not be fetched from" in reason
    authors.rename(tmp_path / "fetched")
    found, reason = lime_study.published(lime_world.wanted(maps="fetch"))
    assert found.folder == tmp_path / "fetched" / "heatmaps" and reason == ""


def test_a_folder_that_was_given_must_hold_the_maps(authors, tmp_path):
    """Nothing is fetched in place of a folder that is empty or lacks a file: it is named."""
    with pytest.raises(CollectionError, match="does not hold the published heat maps"):
        lime_study.published(lime_world.wanted(maps=str(tmp_path)))
    next((authors / "heatmaps" / "GROUND_TRUTH").glob("Anger*")).unlink()
    with pytest.raises(CollectionError, match=r"Anger_gt.png \(missing\)"):
        lime_study.published(lime_world.wanted(maps=str(authors)))


def test_what_the_maps_decide_gets_its_verdicts(authors):
    """Each printed cell has a claim; with maps it is measured, to four decimals, without them it says that they are lacking."""
    lacking = lime_study.verdict_values(None)
    printed = tables.table("lime_ekman", "table_three")
    assert sum(name.startswith("table_three_") for name in lacking) == printed.shape[0] * (printed.shape[1] - 1) == 91
    assert len(lacking) == 2 * 91 + 8 + 1 and set(lacking.values()) == {(None, "published")}
    waiting = claims.compare("lime_ekman", lacking)
    assert set(waiting["verdict"]) == {"needs data"} and waiting["note"].str.contains("maps=folder").all()
    measured = lime_study.verdict_values(lime_study.published(lime_world.wanted(maps=str(authors)))[0])
    assert set(measured) == set(lacking)
    names, value = list(published_maps.NETWORKS), published.iou_of
    for network, expression in ((0, 0), (3, 4), (11, 5)):
        cell = measured[f"table_three_{names[network]}_{EMOTIONS[expression]}"]
        assert cell == (round(value(network, 0, expression), 4), "published")
    whole = np.mean([value(network, 0, expression) for network in range(12) for expression in range(6)])
    assert measured["table_three_average_average"][0] == pytest.approx(whole, abs=1e-4)
    single = np.mean([value(3, fold, 4) for fold in published_maps.FOLDS])
    assert measured["fold_mean_songnet_sad"] == (round(single, 4), "published")
    sad = lime_study.published(lime_world.wanted(maps=str(authors)))[0].stack("sad")
    links = similarity.tree(similarity.correlations(sad, "as_coded"))  # the first four networks are not pre-trained
    assert measured["dendrogram_sad_pretrained"][0] == pytest.approx(similarity.joined_at(links, range(4, 12)), abs=1e-3)
    assert measured["dendrogram_sad_not_pretrained"][0] == pytest.approx(similarity.joined_at(links, range(4)), abs=1e-3)


# ---- the whole, trained


@pytest.mark.slow
def test_a_network_taught_shuffled_labels_scores_at_chance(tmp_path, monkeypatch):
    """Taught rightly, a network's maps agree with the telling squares of their own expression; taught shuffled labels, no better with these
    than with the others'."""
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "models")
    wanted = lime_world.wanted(per_expression=8)
    networks = lime_study.trained(wanted, lime_world.pictures(tmp_path, people=20))
    accuracy = fer_study.accuracy(networks.predictions).query("fold == -1").set_index("network")
    assert accuracy.loc["weinet", "accuracy"] > 0.85 and accuracy.loc[CONTROL, "low"] < 1 / 6 < accuracy.loc[CONTROL, "high"]
    chosen = fer_study.chosen(networks.predictions, wanted.per_expression, wanted.seed).table
    explained = lime_study.explained(wanted, networks, chosen, tmp_path / "work")
    assert (explained["error"] == "").all()
    maps, _ = lime_study.lime_maps(wanted, networks, explained)
    planted = {name: mask.astype(np.float32) for name, mask in lime_world.masks().items()}
    rows = lime_study.evidence({"LIME": maps}, planted, wanted).query("fold == 0").set_index("network")
    assert rows.loc["weinet", "specific"] > 0.5 and rows.loc["weinet", "p"] == pytest.approx(1 / 720)
    assert abs(rows.loc[CONTROL, "specific"]) < 0.1 and rows.loc[CONTROL, "p"] > 0.05
    again = lime_study.trained(wanted, networks.pictures)
    assert again.folders == networks.folders and again.predictions.equals(networks.predictions)


def test_what_sets_two_maps_apart_is_told_from_seed_fold_network_and_labels():
    """Of six trainings each pair that differs in one thing has its correlation; pairs that differ in more have none."""
    generator = np.random.default_rng(5)
    places = [("weinet", 0), ("weinet", 1), ("silnet", 0), ("weinet" + lime_study.TWIN, 0), (CONTROL, 0), ("silnet", 1)]
    maps = {(*place, name): generator.random((275, 224)) for place in places for name in EMOTIONS}
    for name in EMOTIONS:  # another seed gives the same maps, shuffled labels their negative
        maps["weinet" + lime_study.TWIN, 0, name] = 3 * maps["weinet", 0, name]
        maps[CONTROL, 0, name] = 1 - maps["weinet", 0, name]
    found = lime_study.likeness(maps, "as_coded").set_index("differs")["correlation"]
    assert found["seed"] == pytest.approx(1) and found["labels"] == pytest.approx(-1)
    assert len(found.loc[["fold"]]) == 2 and np.abs(found.loc["fold"]).max() < 0.05
    assert list(found.index).count("network") == 1 and len(found) == 5
    assert lime_study.likeness({}, "as_coded").empty
