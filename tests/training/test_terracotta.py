"""Six annotators and their majority; strict and lenient splits and the leak between them; postures, accuracies, similarity; the regime."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from lib.compendium.errors import CollectionError, ParameterError
from lib.expressions import EXPRESSIONS
from lib.networks import arm
from lib.training import terracotta

RNG = np.random.default_rng(5)


def shares(rows) -> pd.DataFrame:
    """Return a table of planted shares from {face: {expression: share}}."""
    table = pd.DataFrame([{name: mixture.get(name, 0.0) for name in EXPRESSIONS} for mixture in rows.values()])
    return table.assign(face_id=list(rows))


def pictures(sources: int, each: int) -> pd.DataFrame:
    """Return a table of pictures: each source shows the seven expressions `each` times."""
    rows = [(f"{source:03d}-{name}-{number}", f"source {source:03d}", name)
            for source in range(sources) for name in EXPRESSIONS for number in range(each)]  # fmt: skip
    return pd.DataFrame(rows, columns=["picture", "source", "expression"])


def nearest(learned, names, tested):
    """Classify by the nearest example learned."""
    return KNeighborsClassifier(1).fit(learned, names).predict(tested)


# ---- annotators


def test_without_doubt_everybody_names_what_was_planted():
    """One expression planted: all six name it alone; three alike: all three; weaker ones than hesitation allows are not named."""
    labels = terracotta.annotators(shares({"a": {"sad": 1.0}, "b": {"fear": 0.34, "sad": 0.33, "angry": 0.33}, "c": {"happy": 0.7,
                                   "neutral": 0.3}}), doubt=0.0)  # fmt: skip
    named = labels[labels["score"] > 0].groupby("face_id")["expression"].agg(set)
    assert named.to_dict() == {"a": {"sad"}, "b": {"angry", "fear", "sad"}, "c": {"happy"}}
    assert labels["labeller"].nunique() == 6 and len(labels) == 3 * 6 * 7
    assert labels.groupby(["face_id", "labeller"])["score"].sum().to_numpy() == pytest.approx(1)
    assert terracotta.agreed(labels).set_index("measure").loc["Krippendorff's alpha", "value"] == pytest.approx(1)


def test_annotators_name_one_to_three_and_disagree_more_the_more_they_doubt():
    """Never none, never four; alpha falls with doubt, to about 0 where nobody looks at the face."""
    table = shares({f"face {number}": {EXPRESSIONS[number % 7]: 0.8, "neutral": 0.2} for number in range(140)})
    found = []
    for doubt in (0.0, 0.5, 1.0):
        labels = terracotta.annotators(table, doubt=doubt, seed=2)
        sizes = (labels["score"] > 0).groupby([labels["face_id"], labels["labeller"]]).sum()
        assert sizes.between(1, 3).all()
        found.append(terracotta.agreed(labels).set_index("measure").loc["Krippendorff's alpha", "value"])
    assert found[0] == pytest.approx(1) and found[0] > found[1] > 0.3 > found[2] and abs(found[2]) < 0.05


def test_annotators_depend_on_seed_and_face_alone():
    """Other faces, another order: the same answers; another seed: others; faces without planted shares are left out."""
    table = shares({f"face {number}": {"sad": 0.5, "fear": 0.5} for number in range(6)})
    whole = terracotta.annotators(table, seed=1).set_index(["face_id", "labeller", "expression"])["score"]
    part = terracotta.annotators(table.iloc[[4, 2]], seed=1).set_index(["face_id", "labeller", "expression"])["score"]
    assert np.array_equal(whole.loc[part.index], part)
    assert not np.array_equal(whole, terracotta.annotators(table, seed=2)["score"])
    table.loc[0, "sad"] = np.nan
    assert terracotta.annotators(table)["face_id"].nunique() == 5


def test_the_majority_is_what_most_annotators_name():
    """Counted by hand: a clear case, a tie broken by how much is seen, an absolute majority or not."""
    said = {"a": ["sad", "sad", "sad", "sad", "fear", "happy"], "b": ["sad", "sad", "fear", "fear", "happy", "angry"]}
    rows = [(face, f"annotator {place}", name, float(name == one)) for face, names in said.items()
            for place, one in enumerate(names) for name in EXPRESSIONS]  # fmt: skip
    labels = pd.DataFrame(rows, columns=["face_id", "labeller", "expression", "score"])
    labels.loc[(labels["face_id"] == "b") & (labels["labeller"] == "annotator 0") & (labels["expression"] == "happy"), "score"] = 0.4
    labels.loc[(labels["face_id"] == "b") & (labels["labeller"] == "annotator 0") & (labels["expression"] == "sad"), "score"] = 0.6
    found = terracotta.majority(labels).set_index("face_id")
    assert found.loc["a"].tolist() == ["sad", 4, 6, False, True]
    assert found.loc["b", ["named", "annotators", "tied", "more_than_half"]].tolist() == [2, 6, True, False]
    assert found.loc["b", "expression"] == "fear"  # sad, fear and happy are named twice; of sad one saw .6 only, of happy one .4


def test_people_answer_for_themselves(tmp_path):
    """A CSV with annotators becomes the same long table; several expressions, contempt, other pictures; nothing usable is refused."""
    path = tmp_path / "answers.csv"
    path.write_text("file,annotator,expression\na.jpg,Li,sad;fear\na.jpg,Wu,Anger\nb.jpg,Li,contempt\nc.jpg,Li,sad\n")
    table = pd.DataFrame({"face_id": ["one", "two"], "file": ["x/a.jpg", "x/b.jpg"]})
    labels = terracotta.people(path, table)
    named = labels[labels["score"] > 0].set_index(["face_id", "labeller", "expression"])["score"].to_dict()
    assert named == {("one", "li", "sad"): 0.5, ("one", "li", "fear"): 0.5, ("one", "wu", "angry"): 1.0}
    assert terracotta.majority(labels)["expression"].tolist() == ["angry"]
    with pytest.raises(CollectionError, match="names no expression of any of the 1 pictures"):
        terracotta.people(path, table.assign(file=["y.jpg", "z.jpg"]).iloc[:1])


# ---- splits


@settings(deadline=None, max_examples=30)
@given(sources=st.integers(10, 40), each=st.integers(1, 3), seed=st.integers(0, 99))
def test_strictly_no_source_is_on_two_sides(sources, each, seed):
    """Whatever the numbers: every part has pictures, no source is in two; leniently almost every tested source is known."""
    table = pictures(sources, each)
    strict, lenient = (terracotta.parted(table, how, seed=seed) for how in terracotta.HOWS)
    assert set(strict) == set(terracotta.PARTS)
    assert (pd.Series(strict).groupby(table["source"]).nunique() == 1).all()
    assert terracotta.leaking(table, strict) == 0 and terracotta.leaking(table, lenient) == 1
    assert abs((lenient == "test").mean() - 0.2) < 0.08 and abs((strict == "train").mean() - 0.7) < 0.1


def test_splits_do_not_depend_on_the_order_of_the_pictures():
    """Shuffled rows get the same part and fold; another seed parts otherwise."""
    table, order = pictures(12, 2), RNG.permutation(12 * 14)
    for how in terracotta.HOWS:
        assert np.array_equal(terracotta.parted(table, how)[order], terracotta.parted(table.iloc[order], how))
        assert np.array_equal(terracotta.folded(table, how)[order], terracotta.folded(table.iloc[order], how))
        assert not np.array_equal(terracotta.parted(table, how), terracotta.parted(table, how, seed=1))


def test_arm_2_is_seventy_to_thirty_within_each_source():
    """As printed: 70 % of the pictures of every source to learn from, the rest tested, none to validate."""
    table = pictures(20, 10)
    parts = pd.Series(terracotta.parted(table, "lenient", terracotta.LENIENT_SHARES))
    assert (parts.eq("train").groupby(table["source"]).sum() == 49).all() and not parts.eq("validation").any()


def test_folds_test_every_picture_once_and_are_even():
    """Five folds of a fifth each in both ways; strictly whole sources."""
    table = pictures(25, 2)
    for how in terracotta.HOWS:
        counts = np.bincount(terracotta.folded(table, how), minlength=5)
        assert len(counts) == 5 and np.abs(counts / len(table) - 0.2).max() < 0.05
    assert (pd.Series(terracotta.folded(table, "strict")).groupby(table["source"]).nunique() == 1).all()


# ---- the leak


def made_up(sources: int, each: int, seed: int) -> np.ndarray:
    """Return features of `pictures`: a face's own look, an expression all show alike but faintly, and its own way of showing it."""
    generator = np.random.default_rng(seed)
    own, common = generator.normal(size=(sources, 1, 1, 12)), generator.normal(size=(1, 7, 1, 12))
    manner, noise = generator.normal(size=(sources, 7, 1, 12)), generator.normal(size=(sources, 7, each, 12))
    return (2 * own + 0.8 * common + manner + 0.4 * noise).reshape(-1, 12)


@pytest.mark.parametrize("seed", range(3))
def test_where_faces_repeat_the_lenient_split_leaks(seed):
    """Six pictures of a source and expression: the nearest neighbour remembers them; the leak's interval lies above 0."""
    table = pictures(20, 6)
    found = terracotta.leakage(terracotta.crossed(table, made_up(20, 6, seed), nearest)).set_index("row")
    leak = found.loc["lenient minus strict"]
    assert leak["low"] > 0.2 and leak["low"] < leak["accuracy"] < leak["high"]
    assert found.loc["lenient", "accuracy"] > 0.9 > 0.7 > found.loc["strict", "accuracy"] > 1 / 7


def test_where_a_face_shows_each_expression_once_the_lenient_split_misleads():
    """The nearest picture learned is the same face with another expression: below chance, and the difference is negative."""
    table = pictures(30, 1)
    found = terracotta.leakage(terracotta.crossed(table, made_up(30, 1, 0), nearest)).set_index("row")
    assert found.loc["lenient", "accuracy"] < 1 / 7 and found.loc["lenient minus strict", "high"] < 0


@pytest.mark.parametrize("seed", range(3))
def test_where_faces_do_not_repeat_nothing_leaks(seed):
    """Every picture of another face (the same numbers, each its own source): the interval contains 0 and the leak is small."""
    generator = np.random.default_rng(seed)
    table = pictures(60, 1).assign(source=lambda rows: rows["picture"])
    common = generator.normal(size=(7, 12))
    features = np.tile(common, (60, 1)) + 1.2 * generator.normal(size=(420, 12))
    leak = terracotta.leakage(terracotta.crossed(table, features, nearest)).set_index("row").loc["lenient minus strict"]
    assert leak["low"] < 0 < leak["high"] and abs(leak["accuracy"]) < 0.06 and leak["sources"] == 420


def test_the_leaks_accuracies_are_counted_right():
    """By hand, with pictures that only one of the splits tested; one source gives no interval."""
    rows = [("a", "sad", "sad", ""), ("a", "sad", "fear", "sad"), ("b", "fear", "fear", None), ("b", "fear", "sad", "fear")]
    predictions = pd.DataFrame(rows, columns=["source", "expression", "strict", "lenient"])
    found = terracotta.leakage(predictions).set_index("row")
    assert found["accuracy"].tolist() == [0.5, 1.0, 0.5] and found["pictures"].tolist() == [4, 2, 4]
    assert found["sources"].tolist() == [2, 2, 2] and found.loc["lenient minus strict", ["low", "high"]].tolist() == [0.5, 0.5]
    alone = terracotta.leakage(predictions.iloc[:2]).set_index("row")
    assert alone[["low", "high"]].isna().all(axis=None) and alone.loc["lenient minus strict", "accuracy"] == 0.5


def test_the_leaks_interval_covers_the_truth_about_as_often_as_it_says():
    """Sources whose own accuracies are drawn about known means: 95 % intervals of the difference hold .3 in most of 200 studies."""
    generator, held = np.random.default_rng(8), 0
    source = np.repeat(np.arange(30), 14)
    for study in range(200):
        lift = generator.normal(0, 0.05, 30)[source]
        right = [generator.random(len(source)) < np.clip(mean + lift, 0, 1) for mean in (0.5, 0.8)]
        said = {how: np.where(hits, "sad", "fear") for how, hits in zip(terracotta.HOWS, right, strict=True)}
        found = terracotta.leakage(pd.DataFrame({"source": source, "expression": "sad", **said}), 300, study).iloc[2]
        held += found["low"] <= 0.3 <= found["high"]
    assert 0.88 <= held / 200 <= 0.99


# ---- tables


def test_accuracies_have_both_averages():
    """By hand: the mean of the classes and the share of pictures differ; a class without pictures is NaN; intervals over sources."""
    truth, said = ["sad"] * 8 + ["fear"] * 2, ["sad"] * 8 + ["sad", "fear"]
    row = terracotta.accuracies({"ARM": (truth, said, list("aabbccddee")), "alone": (["sad"], ["sad"], None)}).set_index("row")
    assert row.loc["ARM", ["sad", "fear", "of_classes", "of_pictures", "pictures"]].tolist() == pytest.approx([1, 0.5, 0.75, 0.9, 10])
    assert row.loc["ARM", "low"] < 0.9 <= row.loc["ARM", "high"] == 1 and np.isnan(row.loc["ARM", "happy"])
    assert np.isnan(row.loc["alone", "low"]) and row.loc["alone", "of_classes"] == 1


def test_postures_are_distributed_as_the_paper_prints_them():
    """From the counts behind section 2.2 come its percentages: kneeling 38.9 and 33.3, cavalries 83.3; shares add up to one."""
    counted = {"kneeling soldiers": {"disgust": 7, "sad": 6, "angry": 5}, "cavalries": {"disgust": 5, "neutral": 1}}
    rows = [(posture, name) for posture, counts in counted.items() for name, count in counts.items() for _ in range(count)]
    found = terracotta.postures(pd.DataFrame([*rows, ("", "sad"), ("cavalries", None)], columns=["posture", "expression"]))
    first = found.groupby("posture", sort=False).head(2)
    assert (100 * first["share"]).round(1).tolist() == [38.9, 33.3, 83.3, 16.7] and first["pictures"].tolist() == [18, 18, 6, 6]
    assert found.groupby("posture")["share"].sum().tolist() == pytest.approx([1, 1]) and len(found) == 14
    assert (found["low"] <= found["share"] + 1e-12).all() and (found["share"] <= found["high"] + 1e-12).all()


# ---- similarity


def test_similarity_is_the_mean_over_pairs_of_different_subjects():
    """By hand on three vectors; pairs of one subject are left out; two sets differ as their means do."""
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]])
    found = terracotta.similarity({"warriors": terracotta.Faces(vectors), "living": terracotta.Faces(np.eye(4))}).set_index("set")
    assert found["similarity"].tolist() == pytest.approx([(0.6 + 0 + 0.8) / 3, 0, (0.6 + 0 + 0.8) / 3])
    assert found["pairs"].tolist() == [3, 6, 0] and "warriors minus living" in found.index
    same = terracotta.similarity({"warriors": terracotta.Faces(vectors, np.array(["a", "a", "b"]))})
    assert same["similarity"].iloc[0] == pytest.approx((0 + 0.8) / 2) and same["pairs"].iloc[0] == 2


def test_faces_that_resemble_each_other_are_more_similar():
    """A common face plus a little of one's own against the same with much of one's own: the difference's interval excludes 0."""
    common = RNG.normal(size=50)
    sets = {name: terracotta.Faces(unit(common + spread * RNG.normal(size=(40, 50)))) for name, spread in (("alike", 1), ("unlike", 3))}
    found = terracotta.similarity(sets).set_index("set").loc["alike minus unlike"]
    assert 0 < found["low"] < found["similarity"] < found["high"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("measure", ["pixels", "gradients"])
def test_measures_of_pictures(measure):
    """A crop resembles itself most (1); brightness and contrast change nothing; a mirrored one and noise are further away."""
    crop = np.linspace(0, 150, 64)[None, :, None] + 60 * np.sin(np.arange(64) / 5)[:, None, None] + np.zeros((64, 64, 3))
    crop = (crop - crop.min()).astype(np.uint8)
    brighter, noise = (0.8 * crop + 30).astype(np.uint8), RNG.integers(0, 256, crop.shape).astype(np.uint8)
    found = terracotta.vectors(np.stack([crop, brighter, crop[:, ::-1], noise]), measure)
    products = found @ found[0]
    assert products[:2] == pytest.approx(1, abs=0.03) and products[2:].max() < 0.9


# ---- the regime


def test_the_focal_loss_is_equation_three():
    """-.25 (1 - p)² log p of the true class, by hand; with gamma 0 and alpha 1 it is the cross-entropy."""
    truth = terracotta.one_hot(["sad", "happy"])
    scores = np.full((2, 7), 0.05, np.float32)
    scores[0, EXPRESSIONS.index("sad")], scores[1, EXPRESSIONS.index("fear")] = 0.7, 0.7
    by_hand = np.mean([0.25 * (1 - p) ** 2 * -np.log(p) for p in (0.7, 0.05)])
    assert float(terracotta.focal_loss()(truth, scores)) == pytest.approx(by_hand, rel=1e-5)
    assert float(terracotta.focal_loss(1.0, 0.0)(truth, scores)) == pytest.approx(-np.mean(np.log([0.7, 0.05])), rel=1e-5)


@pytest.mark.slow
def test_a_network_learns_what_is_easy(tmp_path):
    """Bright against dark pictures: the loss falls; with running means ARM tells them apart; only as coded does the batch matter."""
    truth = np.array(["happy", "sad"] * 8, object)
    crops = [RNG.integers(150 if name == "happy" else 0, 256 if name == "happy" else 100, (80, 80, 3)) for name in truth]
    crops, model = np.stack(crops).astype(np.uint8), arm.arm(80, width=0.125, seed=1)
    curves = terracotta.learn(model, crops, truth, 8, tmp_path, 0, batch=8, rate=1e-2)
    assert curves["loss"].iloc[-1] < curves["loss"].iloc[0] / 5
    assert curves["rate"].tolist() == pytest.approx([1e-2 * 0.9**epoch for epoch in range(8)])
    steady = arm.in_mode(model, "batch_independent")
    assert terracotta.batch_effect(model, crops, (1, 4))["moved"].iloc[1] > 1e-3
    found = terracotta.batch_effect(steady, crops, (1, 4))
    assert found["moved"].max() < 1e-4 and found["changed"].max() == 0
    assert (terracotta.predicted(steady, crops, 16) == truth).mean() >= 0.9
    assert np.linalg.norm(terracotta.vectors(crops[:2], "network", model), axis=1) == pytest.approx(1, abs=1e-5)


# ---- bad input


@pytest.mark.parametrize(("call", "message"), [
    (lambda: terracotta.parted(pictures(9, 1), "strict"), "9 sources, too few for a strict split: expected at least 10"),
    (lambda: terracotta.folded(pictures(3, 1), "strict"), "3 sources, too few"),
    (lambda: terracotta.parted(pictures(12, 1), "strickt"), "Did you mean 'strict'"),
    (lambda: terracotta.parted(pictures(12, 1), "strict", (0.7, 0.1, 0.1)), "add up to 1"),
    (lambda: terracotta.parted(pictures(12, 1), "strict", (0.7, 0.3, 0.0)), "last above 0"),
    (lambda: terracotta.parted(pictures(12, 1).drop(columns="source"), "strict"), "without source"),
    (lambda: terracotta.parted(pd.concat([pictures(12, 1)] * 2), "strict"), "168 pictures, 84 different"),
    (lambda: terracotta.folded(pictures(12, 1), "strict", 1), "1 folds"),
    (lambda: terracotta.crossed(pictures(12, 1), np.zeros((3, 2)), nearest), "3 features for 84"),
    (lambda: terracotta.leakage(pictures(2, 1)), "without strict, lenient"),
    (lambda: terracotta.leakage(pictures(2, 1).assign(strict="sad", lenient="")), "one split only"),
    (lambda: terracotta.annotators(pictures(2, 1)), "without face_id, angry"),
    (lambda: terracotta.annotators(shares({"a": {"sad": 1}}), doubt=2), "doubt 2"),
    (lambda: terracotta.accuracies({"ARM": (["sad"], [], None)}), "1 true and 0 predicted"),
    (lambda: terracotta.postures(pictures(2, 1)), "without posture"),
    (lambda: terracotta.similarity({"one": terracotta.Faces(np.eye(3), np.array(["a"] * 3))}), "1 subjects of 3 faces"),
    (lambda: terracotta.vectors(np.zeros((1, 8, 8, 3), np.uint8), "pixel"), "Did you mean 'pixels'"),
    (lambda: terracotta.vectors(np.zeros((1, 8, 8, 3), np.uint8), "network"), "'network' without a model"),
    (lambda: terracotta.one_hot(["sad", ""]), "Received the expression ''"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(call, message):
    """Too few sources for a strict split and everything else: what was received, what is expected."""
    with pytest.raises(ParameterError, match=message):
        call()
