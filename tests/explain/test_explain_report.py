"""What notebook 06 shows: questions, tables with known answers, checks on a network that is known by heart, figures for every case."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pydantic import ValidationError

from lib.compendium.errors import CompendiumError, ParameterError
from lib.explain import cam, report
from lib.explain.parameters import GradcamParameters
from lib.expressions import EXPRESSIONS
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers

SIDE = 56
NAMES = {"vgg16": "VGG16", "slow": "MobileNet-v1 [slow]", "fast": "MobileNet-v1 [fast]"}  # of variants, as notebook 05 calls them
# A frontal face by hand, on a crop of 112: jaw, brows, nose, eyes, mouth.
JAW = [(16 + 80 * k / 16, 44 + 66 * np.sin(np.pi * k / 16)) for k in range(17)]
BROWS = [(20 + 6 * k, 32 - 3 * np.sin(np.pi * k / 4)) for k in range(5)] + [(66 + 6 * k, 32 - 3 * np.sin(np.pi * k / 4)) for k in range(5)]
NOSE = [(56, 42 + 8 * k) for k in range(4)] + [(48 + 4 * k, 71) for k in range(5)]
EYES = [(36 + 7 * np.cos(a), 43 - 3 * np.sin(a)) for a in np.pi * np.array([1, 0.67, 0.33, 0, -0.33, -0.67])]
EYES += [(76 + 7 * np.cos(a), 43 - 3 * np.sin(a)) for a in np.pi * np.array([1, 0.67, 0.33, 0, -0.33, -0.67])]
MOUTH = [(56 - 16 * np.cos(2 * np.pi * k / 12), 88 - 6 * np.sin(2 * np.pi * k / 12)) for k in range(12)]
MOUTH += [(56 - 10 * np.cos(2 * np.pi * k / 8), 88 - 2 * np.sin(2 * np.pi * k / 8)) for k in range(8)]
FACE = np.array(JAW + BROWS + NOSE + EYES + MOUTH, float)


def asked_of(expressions, objects=None, **more):
    count = len(expressions)
    table = pd.DataFrame({"row": np.arange(count), "face_id": [f"{k:016x}" for k in range(count)], "crop_index": np.arange(count)})
    objects = [f"object {k}" for k in range(count)] if objects is None else objects
    return table.assign(object=objects, expression=expressions, known=True, **more)


def spot(place, side=SIDE, radius=4):
    y, x = np.mgrid[0:side, 0:side] + 0.5
    return (np.hypot(x - place[0], y - place[1]) < radius).astype(np.float32)


# ---- what is asked


@pytest.fixture
def found():
    faces = pd.DataFrame({"face_id": list("abcd"), "image_id": list("1123"), "crop_index": [0, 1, 2, -1]})
    images = pd.DataFrame({"image_id": list("123"), "identity": ["vase", None, "head"], "object": ["x", "bust", "y"]})
    return faces, images


def test_a_face_with_truth_is_asked_for_it_once(found):
    """The planted expression is the question; faces without truth or crop are not asked; objects keep pictures of a piece together."""
    truth = pd.DataFrame({"face_id": ["a", "c", "d"], "expression": ["sad", "happy", "fear"]})
    asked = report.questions(*found, truth)
    assert asked[["row", "face_id", "object", "expression", "known"]].to_numpy().tolist() == [
        [0, "a", "vase", "sad", True], [2, "c", "bust", "happy", True]]  # fmt: skip


def test_without_truth_every_label_is_a_question(found):
    """Where nobody knows the truth, a face is asked for each expression its labellers gave it."""
    target = pd.DataFrame(0, index=range(4), columns=list(EXPRESSIONS)).assign(face_id=list("abcd"))
    target.loc[0, ["happy", "angry"]] = 1
    target.loc[[2, 3], "sad"] = 1
    asked = report.questions(*found, pd.DataFrame(), target)
    assert asked[["face_id", "expression"]].to_numpy().tolist() == [["a", "angry"], ["a", "happy"], ["c", "sad"]]
    assert not asked["known"].any() and report.numbers(asked).tolist() == [0, 3, 5]
    with pytest.raises(ParameterError, match="neither truth nor a target"):
        report.questions(*found, pd.DataFrame())


def test_lots_are_repeatable_and_keep_the_order():
    """At most as many faces as asked for are drawn, the same ones for the same seed, in their old order."""
    faces = pd.DataFrame({"face_id": range(50)})
    first, again, other = (report.drawn_by_lot(faces, 20, seed)["face_id"].tolist() for seed in (1, 1, 2))
    assert first == again == sorted(set(first)) and len(first) == 20 and first != other
    assert len(report.drawn_by_lot(faces, 80)) == 50


@pytest.fixture
def trainings(tmp_path):
    """Three trainings as notebook 04 leaves them: two of one backbone; every network tells happy on validation, one of them rightly."""
    for variant, backbone, score in (("vgg16", "vgg16", 0.2), ("slow", "mobilenet", 0.9), ("fast", "mobilenet", 0.1)):
        folder = tmp_path / variant
        folder.mkdir()
        said = pd.DataFrame(0.0, index=range(4), columns=list(EXPRESSIONS)).assign(happy=score)
        said.insert(0, "face_id", list("abcd"))
        said.insert(1, "part", ["train", "validation", "test", "test" if variant != "fast" else "train"])
        said.to_parquet(folder / "predictions.parquet")
        pd.DataFrame({"epoch": [1]}).to_parquet(folder / "history.parquet")
        (folder / "record.json").write_text(json.dumps({"settings": {"backbone": backbone}}))
        (folder / "model.keras").write_bytes(b"")
    return {variant: tmp_path / variant for variant in ("vgg16", "slow", "fast")}


def test_the_network_to_look_at(trainings):
    """Networks have names for people; the best on validation is looked at, unless one is named; an unknown name has a nearest one."""
    trained = report.networks(trainings, NAMES)
    assert list(trained) == ["VGG16", "MobileNet-v1 [slow]", "MobileNet-v1 [fast]"]
    target = pd.DataFrame(0, index=range(4), columns=list(EXPRESSIONS)).assign(face_id=list("abcd"), happy=1)
    records = report.validated(trained, target)
    assert records["validation_f1"].tolist() == pytest.approx([0, 1 / 7, 0])
    assert report.chosen_network(records) == "MobileNet-v1 [slow]" and report.chosen_network(records, "vgg16") == "VGG16"
    assert report.chosen_network(records, "MobileNet-v1 [fast]") == "MobileNet-v1 [fast]"
    with pytest.raises(ParameterError, match="Did you mean 'vgg16'"):
        report.chosen_network(records, "vgg19")


def test_only_faces_that_no_network_learned_from_are_asked(trainings):
    """A face that is a test face of one network and was learned by another is left out; an unfinished training is named."""
    faces = pd.DataFrame({"face_id": list("edcba")})
    trained = report.networks(trainings, NAMES)
    assert report.tested(trained, faces)["face_id"].tolist() == ["c"]
    with pytest.raises(ParameterError, match="share no test face"):
        report.tested(trained, faces[:2])
    (trainings["vgg16"] / "model.keras").unlink()
    with pytest.raises(CompendiumError, match="'vgg16' is not finished"):
        report.networks(trainings, NAMES)


# ---- energy in planted places


def test_a_map_inside_the_planted_places():
    """A map wholly inside has energy 1 and 1/area times chance; an even map has exactly chance; a map elsewhere none."""
    masks = np.stack([spot((20, 20))] * 3 + [spot((40, 40))] * 3) > 0
    maps = np.stack([spot((20, 20)), np.ones((SIDE, SIDE)), spot((8, 48))] + [spot((40, 40))] * 3)
    asked = asked_of(["happy", "sad", "fear"] + ["angry"] * 3)
    table = report.in_planted("net", maps, masks, asked, draws=50).set_index("expression")
    area = masks[0].mean()
    assert table.loc["happy", "energy"] == 1 and table.loc["happy", "ratio"] == pytest.approx(1 / area)
    assert table.loc["sad", "ratio"] == pytest.approx(1) and table.loc["fear", "energy"] == 0
    assert table.loc["angry", "hits"] == 1 and table.loc["fear", "hits"] == 0
    # In the place of happy, the maps of the five others: one even, the rest beside it.
    assert table.loc["happy", "others"] == pytest.approx(area / 5) and table.loc["happy", "over_others"] == pytest.approx(5 / area)
    assert table.loc["all", "faces"] == 6 and table.columns.tolist() == report.PLANTED_COLUMNS[:1] + report.PLANTED_COLUMNS[2:]


def test_a_network_that_always_looks_at_one_place_follows_no_expression():
    """Above chance everywhere, but no more than maps of other expressions: over_others is 1, with an interval that holds it."""
    masks = np.stack([spot((28, 28), radius=r) for r in (6, 7, 8, 9, 6, 7)]) > 0
    maps = np.stack([spot((28, 28), radius=10)] * 6)
    row = report.in_planted("net", maps, masks, asked_of(["happy", "sad"] * 3), draws=200).query("expression == 'all'").iloc[0]
    assert row["ratio"] > 5 and row["over_others"] == pytest.approx(1)
    assert row["over_others_low"] == pytest.approx(1) and row["over_others_high"] == pytest.approx(1)


def test_neutral_faces_and_empty_maps_are_left_out():
    """Where nothing was planted, or nothing speaks for the expression, there is nothing to compare."""
    masks = np.stack([spot((20, 20)), spot((20, 20)), np.zeros((SIDE, SIDE))]) > 0
    maps = np.stack([spot((20, 20)), np.zeros((SIDE, SIDE)), spot((20, 20))])
    table = report.in_planted("net", maps, masks, asked_of(["happy", "sad", "neutral"]), draws=50)
    assert table["expression"].tolist() == ["happy", "all"] and table["faces"].tolist() == [1, 1]
    nothing = report.in_planted("net", maps[2:], masks[2:], asked_of(["neutral"]), draws=50)
    assert nothing.empty and "No face has planted evidence" in report.planted_sentence(nothing)


def test_planted_places_in_words():
    """The sentence counts faces with evidence and names the expressions with the least and the most of it."""
    places = np.zeros((4, 10, 10), bool)
    places[0, :2], places[1, :4], places[2, :6] = True, True, True
    said = report.evidence_sentence(places, asked_of(["sad", "happy", "happy", "neutral"]))
    assert "3 of 4 questions" in said and "on 40% of the picture, from 20% (sad) to 50% (happy)" in said
    assert "all of them are neutral" in report.evidence_sentence(places[3:], asked_of(["neutral"]))


def test_pictures_of_one_object_count_as_one():
    """Twenty photographs of two objects leave the interval of two, not of twenty."""
    rng = np.random.default_rng(0)
    masks = np.stack([spot((28, 28), radius=10)] * 20) > 0
    maps = rng.random((20, SIDE, SIDE)) + 3 * (np.arange(20) % 2)[:, None, None] * masks
    apart = report.in_planted("net", maps, masks, asked_of(["happy"] * 20), draws=400).iloc[-1]
    together = report.in_planted("net", maps, masks, asked_of(["happy"] * 20, [f"{k % 2}" for k in range(20)]), draws=400).iloc[-1]
    assert apart["ratio"] == together["ratio"] and together["high"] - together["low"] > 2 * (apart["high"] - apart["low"])


def test_right_and_missed_are_told_apart():
    """Faces told rightly and missed are measured by themselves, and the sentence says which look closer."""
    masks = np.stack([spot((20, 20))] * 12) > 0
    maps = np.stack([spot((20, 20), radius=4 + k / 10) for k in range(6)] + [spot((44, 44), radius=20)] * 6) + 0.01
    told = asked_of(["happy"] * 12, right=[True] * 6 + [False] * 6)
    table = report.by_right("net", maps, masks, told, draws=100)
    assert table["told"].tolist() == ["rightly", "missed"] and table["ratio"].iloc[0] > 5 * table["ratio"].iloc[1]
    assert "looks closer to the planted places" in report.right_sentence(table)
    assert "Too few" in report.right_sentence(table.assign(faces=2))


# ---- energy in regions


def test_regions_of_a_face_by_hand():
    """A map on the mouth is in the mouth, whatever the side of crops and maps; all regions and the rest add up to everything."""
    marks = np.stack([FACE, FACE, np.full((68, 2), np.nan)])
    maps = np.stack([spot(np.array((56, 88)) / 2, radius=3)] * 3)
    for crop_side, scale in ((112, 1), (224, 2)):
        table = report.in_regions("net", maps, marks * scale, crop_side, asked_of(["happy"] * 3), draws=50)
        rows = table[table["expression"] == report.ALL].set_index("region")
        assert rows.loc["mouth", "energy"] == 1 and rows.loc[report.FEATURES, "energy"] == 1 and rows.loc["mouth", "faces"] == 2
        assert rows.loc["eyes", "energy"] == rows.loc[report.ELSEWHERE, "energy"] == 0
        assert rows.loc[[*cam.REGIONS, report.ELSEWHERE], "area"].sum() == pytest.approx(1)
    value, evidence = report.verdict_values(table, "net", synthetic=True)["gradcam_features"]
    assert value == pytest.approx(1 - rows.loc[report.FEATURES, "area"]) and evidence == "synthetic"
    assert "above chance on mouth" in report.regions_sentence(table)


def test_faces_without_landmarks_have_no_regions():
    """Without any landmarks the claim needs data, the sentence says why, and the figure is a sentence."""
    table = report.in_regions("net", np.ones((2, SIDE, SIDE)), np.full((2, 68, 2), np.nan), 112, asked_of(["sad"] * 2), draws=50)
    assert report.verdict_values(table, "net", synthetic=False)["gradcam_features"] == (None, "real")
    assert "No face has landmarks" in report.regions_sentence(table) and isinstance(report.regions_figure(table), Figure)


# ---- a network known by heart


@pytest.fixture(scope="module")
def network():
    """A network that sees nothing but brightness above 150: for `happy` it speaks, for all others it keeps silent."""
    picture = layers.Input((32, 32, 3), name="picture")
    x = layers.Conv2D(1, 4, strides=4, use_bias=True, activation="relu", name="bright")(picture)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    model = keras.Model(picture, layers.Dense(7, activation="sigmoid", name="expression")(x))
    model.get_layer("bright").set_weights([np.full((4, 4, 3, 1), 1 / 48, np.float32), np.float32([-150])])
    weights = np.zeros((1, 7), np.float32)
    weights[0, EXPRESSIONS.index("happy")] = 0.8
    model.get_layer("expression").set_weights([weights, np.full(7, -2, np.float32)])
    return model


@pytest.fixture(scope="module")
def bright():
    """Dark crops of twice the network's side with one bright square."""
    crops = np.full((6, 64, 64, 3), 40, np.uint8)
    for k, crop in enumerate(crops):
        crop[8 * (k % 3) : 8 * (k % 3) + 16, 24:40] = 250
    return crops


def test_maps_and_answers_of_the_questions(network, bright):
    """The map of a question lies on what the network sees; an expression is told by its score; silence is an empty map."""
    asked = asked_of(["happy", "happy", "sad", "happy", "happy", "happy"])
    heat, told = report.explained(network, bright, asked, side=64)
    answers = network.predict(report.fitted(bright, network), verbose=0)
    assert np.allclose(told["score"], answers[np.arange(6), report.numbers(asked)], atol=1e-6) and set(told["said"]) == {"happy"}
    assert told["right"].tolist() == [True, True, False, True, True, True] and told["empty"].tolist() == [False, False, True] + [False] * 3
    squares = bright[..., 0] > 150
    assert cam.energy_inside(heat, squares)[told["right"]].min() > 0.6
    sentence = report.told_sentence({"net": told})
    assert "5 of 6 (83%; 17% of maps empty)" in sentence


def test_a_face_with_two_labels_is_two_questions(network, bright):
    """Each label of a face gets its own map and score, and both are measured; an object's faces stay together."""
    asked = asked_of(["happy", "sad", "happy"], ["one", "one", "two"]).assign(row=[0, 0, 1], crop_index=[0, 0, 1])
    heat, told = report.explained(network, bright, asked, side=64)
    assert heat[0].max() > 0 == heat[1].max() and told["empty"].tolist() == [False, True, False]
    assert told["score"].iloc[0] > report.THRESHOLD > told["score"].iloc[1] and told["right"].tolist() == [True, False, True]
    marks = np.stack([FACE * 64 / 112] * 3)
    faces = report.in_regions("net", heat, marks, 64, asked, draws=50).query("region == 'mouth'").set_index("expression")["faces"]
    assert faces.to_dict() == {"happy": 2, "sad": 0, "all": 2}
    assert set(report.checked(told, 9).index) == {0, 2} and report.examples(told, 2)["object"].tolist() == ["one", "two"]


def test_fitted_averages():
    """A crop is made smaller by averaging, and left alone where it fits."""
    crops = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    small, same = (report.fitted(crops, SimpleNamespace(inputs=[SimpleNamespace(shape=(None, side, side, 3))])) for side in (4, 8))
    assert np.abs(small - crops.reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4))).max() <= 0.5
    assert np.array_equal(same, crops)


def test_taking_away_what_the_network_sees(network, bright):
    """Taken away by the map or where it was planted, the answer falls at once; planted beside it, later than at random."""
    asked = asked_of(["happy"] * 6)
    squares = (bright[..., 0] > 150).astype(np.float32)
    for ranks, better in ((squares, True), (1 - squares, False)):
        curves, areas = report.taken_away("net", network, bright, asked, ranks, steps=8, draws=100)
        table = areas[areas["kind"] == "deletion"].set_index("order")
        assert table.loc["map", "below_random"] > 0.1 and table.loc["map", "below_low"] > 0
        assert (table.loc["planted", "below_random"] > 0.05) == better and table.loc["random", "below_random"] == 0
        assert table.loc["map", "below_map"] == 0 and len(curves) == 2 * 3 * 9 and set(curves["order"]) == set(report.ORDERS)
        curve = curves.query("kind == 'deletion' and order == 'planted'")
        assert table.loc["planted", "area"] == pytest.approx(np.trapezoid(curve["score"], curve["share"]), abs=1e-6)
    assert "where evidence was planted" in report.taken_sentence(areas) and "something else" in report.taken_sentence(areas)
    curves, areas = report.taken_away("net", network, bright, asked, steps=4, draws=100)
    assert set(areas["order"]) == {"map", "random"} and "planted" not in report.taken_sentence(areas)
    assert isinstance(report.taken_figure(curves, areas), Figure)


def test_destroyed_layers_are_counted_from_the_top(network, bright):
    """Similarity starts at 1 with nothing destroyed and ends with all layers destroyed; the sentence reads the last row."""
    table = report.randomised("net", network, bright, asked_of(["happy"] * 6), 4)
    assert table["destroyed"].tolist() == [0, 0.5, 1] and table["spearman"].iloc[0] == pytest.approx(1)
    assert isinstance(report.randomised_figure(table), Figure)
    stubborn = table.assign(spearman=0.9)
    assert "the maps hardly change" in report.randomised_sentence(stubborn)
    assert "all of them are empty" in report.randomised_sentence(table.assign(spearman=np.nan))


# ---- faces to show and to check


def test_examples_are_told_rightly_and_of_different_objects():
    """At most so many an expression, one an object, none that was missed."""
    told = asked_of(["happy"] * 5 + ["sad"] * 2, ["a", "a", "b", "c", "d", "e", "f"], right=[True] * 3 + [False, True, True, False])
    chosen = report.examples(told, 2)
    assert chosen["expression"].tolist() == ["happy", "sad", "happy"] and chosen["block"].tolist() == [0, 0, 1]
    assert chosen["object"].tolist() == ["a", "e", "b"]


def test_checks_take_every_expression_in_turn():
    """Rightly told faces with a map, and with evidence where any has it; rare expressions first get their turn."""
    told = asked_of(["happy"] * 10 + ["sad"] * 2, right=[True] * 9 + [False, True, True], empty=[True] + [False] * 11)
    chosen = report.checked(told, 4)
    assert chosen["expression"].tolist() == ["happy", "happy", "sad", "sad"] and not {0, 9} & set(chosen.index)
    evident = np.arange(12) < 5
    assert set(report.checked(told, 10, evident).index) == {1, 2, 3, 4}
    assert len(report.checked(told, 100, np.zeros(12, bool))) == 10


# ---- figures and parameters


def test_the_grid_outlines_what_was_planted():
    """A column an expression; an example that is missing leaves its place empty; nothing told rightly gives a sentence."""
    crops = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    told = asked_of(["happy", "happy", "sad", "neutral"], right=True, score=0.9)
    masks = np.stack([spot((28, 28), radius=9)] * 3 + [np.zeros((SIDE, SIDE))]) > 0
    figure = report.grid_figure(crops, np.random.default_rng(1).random((4, 7, 7)), report.examples(told, 2), masks)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["happy", "neutral", "sad", "happy"]
    outlined = [axis for axis in figure.axes if axis.collections and axis.images]
    assert len(outlined) == 6  # map and overlay of the three faces with evidence
    hidden = [axis for axis in figure.axes if axis.images and not axis.images[0].get_visible()]
    assert len(hidden) == 6 and not any(axis.get_title() for axis in hidden)  # neutral and sad have one example, happy two
    assert isinstance(report.grid_figure(crops, masks, report.examples(told.assign(right=False), 2)), Figure)


def test_figures_of_tables(bright):
    """Every figure can be drawn with several networks, with few faces, and with none."""
    masks = np.stack([spot((28, 28), radius=9)] * 6) > 0
    heat = np.random.default_rng(0).random((6, SIDE, SIDE)).astype(np.float32)
    asked = asked_of(["happy"] * 5 + ["sad"])
    tables = [report.in_planted(name, heat, masks, asked, draws=50) for name in ("one", "two")]
    both = pd.concat(tables, ignore_index=True)
    assert [text.get_text() for text in report.planted_figure(both).axes[0].get_yticklabels()] == ["happy (5)", "sad (1)", "all (6)"]
    assert report.planted_sentence(both).count("times chance") == 2
    regions = report.in_regions("one", heat, np.stack([FACE] * 6), 112, asked, draws=50)
    for figure in (report.planted_figure(both.iloc[:0]), report.regions_figure(regions), report.averages_figure(bright, heat, asked, heat),
                   report.averages_figure(bright, heat, asked), report.averages_figure(bright, heat, asked.iloc[:0])):  # fmt: skip
        assert isinstance(figure, Figure)
        figure.canvas.draw()
    assert "nobody knows" in report.missing_sentence("mine")


@pytest.mark.parametrize("wrong", [{"quantile": 1.0}, {"shown": 0}, {"fill": "black"}, {"networks": "vgg16"}, {"bootstrap": 3}])
def test_parameters_are_checked(wrong):
    """Values out of range and unknown names are refused; the defaults are accepted."""
    assert GradcamParameters().network == ""
    with pytest.raises(ValidationError):
        GradcamParameters(**wrong)
