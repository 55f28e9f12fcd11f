"""What notebook 08 shows: figures that can be drawn and sentences that say the numbers of their tables, in every case there is."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.explain import ekman, lime, lime_report, published_maps, similarity
from lib.explain.lime_report import EMOTIONS, GUESSING, LEVELS
from lib.explain.lime_study import SHUFFLED, TWIN
from lib.networks.fer_nets import TITLES
from tests.explain import lime_world

CONTROL = "songnet" + SHUFFLED


def drawn(figure):
    """Draw a figure for good and return its panels; every label, tick and title is finite and in sight."""
    figure.canvas.draw()
    for axis in figure.axes:
        assert np.isfinite([*axis.get_xlim(), *axis.get_ylim()]).all() and not any("nan" in text.get_text() for text in axis.texts)
    return figure.axes


def said(text, *words):
    """Every word is in the text, which has no number that is none, and ends as a sentence does."""
    for word in words:
        assert word in text, (word, text)
    assert not re.search(r"\bnan\b|\binf\b|None", text, re.IGNORECASE) and text.endswith(".") and ".." not in text and "  " not in text
    return True


# ---- networks and pictures


def accuracies(**shares):
    """Return a table as of `fer_study.accuracy`: two folds and all for each network."""
    rows = []
    for name, share in shares.items():
        name = CONTROL if name == "control" else name
        for fold, value in ((0, share - 0.02), (1, share + 0.02), (-1, share)):
            rows.append((name, fold, 100, int(100 * value), value, value - 0.05, value + 0.05))
    return pd.DataFrame(rows, columns=["network", "fold", "n", "correct", "accuracy", "low", "high"])


def test_accuracy_in_words():
    """Best and worst with their intervals, who only guesses, and what the control reaches."""
    text = lime_report.accuracy_sentence(accuracies(songnet=0.5, vgg16=0.9, weinet=0.18, control=0.16))
    said(text, "**VGG16** tells 0.90 [0.85, 0.95]", "WeiNet 0.18 [0.13, 0.23]", "WeiNet cannot be told from guessing (0.17)",
         "shuffled labels reaches 0.16 [0.11, 0.21]")  # fmt: skip
    assert "SongNet" not in text
    alone = lime_report.accuracy_sentence(accuracies(songnet=0.5))
    assert alone == "**SongNet** tells 0.50 [0.45, 0.55] of the test pictures rightly."


def test_accuracy_as_a_figure():
    """A row a network with its name, a ring a fold, and guessing as a line."""
    (axis,) = drawn(lime_report.accuracy_figure(accuracies(songnet=0.5, vgg16=0.9, control=0.16)))
    assert [label.get_text() for label in axis.get_yticklabels()] == ["SongNet", "VGG16", "SongNet (shuffled)"]
    rings, interval, whole = axis.lines[:3]
    assert rings.get_xdata() == pytest.approx([0.48, 0.52]) and interval.get_xdata() == pytest.approx([0.45, 0.55])
    assert whole.get_xdata() == [0.5] and axis.lines[-1].get_xdata() == [GUESSING] * 2 and axis.get_xlim()[1] > 1
    assert whole.get_color() != axis.lines[8].get_color()  # the control's
    drawn(lime_report.accuracy_figure(accuracies(songnet=0.5)))


def test_trainings_are_means_over_folds():
    """Numbers are means over the folds that were trained; a network without any has its reason, and the column goes where none failed."""
    table = pd.DataFrame({
        "name": ["songnet", "songnet", CONTROL, "vgg16", "vgg16"], "error": ["", "", "", "no memory", "no memory"],
        "parameters": [5, 5, 5, None, None], "epochs": [2, 2, 2, None, None], "learned_from": [10, 20, 10, None, None],
        "tested_on": [20, 10, 20, None, None], "accuracy_train": [1, 0.5, 0.2, None, None], "accuracy": [0.4, 0.6, 0.1, None, None],
        "seconds": [1, 2, 3, None, None],
    })  # fmt: skip
    found = lime_report.trainings_table(table).set_index("network")
    assert found.index.tolist() == ["SongNet", "SongNet (shuffled)", "VGG16"] and found["folds"].tolist() == [2, 1, 0]
    assert found.loc["SongNet", ["parameters", "learned_from", "accuracy", "seconds"]].tolist() == [5, 15, 0.5, 1.5]
    assert found.loc["VGG16", "not trained"] == "no memory" and np.isnan(found.loc["VGG16", "accuracy"])
    assert "not trained" not in lime_report.trainings_table(table[:3])
    assert lime_report.trainings_table(table[3:][["name", "error"]])["not trained"].tolist() == ["no memory"]


def test_chosen_pictures_in_words():
    """Explanations that were made and the pictures they are of; the group that offered least; the first reason of those that failed."""
    counts = pd.DataFrame([("songnet", 0, "fear", 3, 3, 5), ("songnet", 1, "fear", 0, 0, 5), ("songnet", 0, "sad", 9, 5, 5)],
                          columns=["network", "fold", "expression", "predicted", "chosen", "asked"])  # fmt: skip
    explained = pd.DataFrame({"face_id": ["a", "a", "b", "c"], "error": ["", "", "", "PictureError: one segment"], "landmarks": True,
                              "picture": ["a.png", "a.png", "b.png", "c.png"]})  # fmt: skip
    said(lime_report.chosen_sentence(counts, explained), "**3 explanations** of 2 pictures", "2 of 3 groups have fewer than the 5 asked",
         "SongNet in fold 1 says fear of 0 pictures", "1 failed, the first because: PictureError: one segment")  # fmt: skip
    assert lime_report.chosen_sentence(counts[2:], explained[:3]) == "**3 explanations** of 2 pictures."
    unmarked = explained[:3].assign(landmarks=[False, False, True])
    said(lime_report.chosen_sentence(counts[2:], unmarked), "1 of these pictures have no landmarks", "in no mean map: a.png")


def test_pictures_left_out_in_words():
    """Each reason with how many and which files, a few of them by name; nothing where none was left out."""
    table = pd.DataFrame({"file": list("abcdef"), "reason": ["CollectionError: no face found"] * 5 + ["the same picture as another one"]})
    said(lime_report.left_out_sentence(table), "6 pictures were left out: no face found (5: a, b, c and 2 more); the same picture as",
         "another one (1: f).")  # fmt: skip
    assert lime_report.left_out_sentence(table[5:]) == "1 picture was left out: the same picture as another one (1: f)."
    assert lime_report.left_out_sentence(table[:0]) == ""


# ---- single explanations


@pytest.fixture
def explained(tmp_path):
    """Explanations of a world's pictures, written by hand: one of each expression by songnet, of happy and sad alone by vgg16."""
    made = lime_world.pictures(tmp_path, unmarked=5)
    rows = []
    for network, numbers in (("songnet", range(12)), ("vgg16", (3, 4, 9))):
        for number in numbers:
            picture = made.at(lime_world.SIDE, [number])[0][0]
            parts = lime.segments(picture, 16)
            found = np.zeros((parts.max() + 1, 6))
            found[number % 4, number % 6] = 0.5
            path = tmp_path / f"{network}{number}.npz"
            one = lime.Explanation(found, found, found[0], found[0], found[0], 80, 0.9)
            np.savez(path, segments=parts.astype(np.uint16), **one._asdict())
            name = EMOTIONS[number % 6]
            rows.append((network, 0, name, made.table["face_id"][number], "happy" if number == 0 else name, str(path), "", number != 5))
    return made, pd.DataFrame(rows, columns=["network", "fold", "expression", "face_id", "true", "path", "error", "landmarks"])


def test_steps_are_shown_for_one_picture_an_expression(explained):
    """The best network that has all expressions; told rightly where there is one; landmarks and an explanation are needed."""
    made, table = explained
    shown = lime_report.steps(table, accuracies(songnet=0.5, vgg16=0.9, control=0.99))
    assert shown["expression"].tolist() == list(EMOTIONS) and set(shown["network"]) == {"songnet"}
    assert shown["face_id"][0] == made.table["face_id"][6]  # row 0 was told wrongly
    assert shown["face_id"][5] == made.table["face_id"][11]  # row 5 has no landmarks
    failed = table.assign(error=np.where(table["expression"] == "fear", "failed", ""))
    assert lime_report.steps(failed, accuracies(vgg16=0.9, songnet=0.5))["network"].tolist() == ["songnet"] * 5
    two = table[table["expression"].isin(["happy", "sad"])]
    assert set(lime_report.steps(two, accuracies(songnet=0.5, vgg16=0.9))["network"]) == {"vgg16"}


@pytest.mark.parametrize("triangulation", ["as_published", "as_coded"])
def test_steps_as_a_figure(explained, triangulation):
    """A row an expression, six panels each, the last two on the standard face; a picture told wrongly says what it is."""
    made, table = explained
    networks = SimpleNamespace(pictures=made)
    shown = pd.concat([table[:1], table[4:5]])
    axes = drawn(lime_report.steps_figure(networks, shown, triangulation))
    assert len(axes) == 12 and [axis.get_title() for axis in axes[:6]][2:4] == ["segments", "LIME"]
    assert axes[0].get_ylabel() == "angry\n(is happy)" and axes[6].get_ylabel() == "sad"
    shapes = [axis.images[-1].get_array().shape[:2] for axis in axes[:6]]
    assert shapes == [(32, 32)] * 4 + [(275, 224)] * 2 and axes[3].images[1].get_array().max() == 1
    empty = lime_report.steps(table.assign(error="failed"), accuracies(songnet=0.5))
    assert "No picture" in drawn(lime_report.steps_figure(networks, empty, triangulation))[0].texts[0].get_text()


def test_chance_of_an_explanation_in_words():
    """Best and worst network by their means; one network alone; explanations that never change, and none at all, say nothing."""
    again = pd.DataFrame({"network": ["songnet", "songnet", "vgg16"], "face_id": list("aba"), "correlation": [0.8, 0.9, 0.4],
                          "error": [0.1, 0.2, 0.5]})  # fmt: skip
    said(lime_report.again_sentence(again, 1000, "coin"), "1,000 other samples (coin)", "0.85 (SongNet) to 0.40 (VGG16)", "15% to 50% of")
    alone = lime_report.again_sentence(again[:2], 300, "sobol")
    said(alone, "by 0.85 (SongNet) on average", "is 15% of the spread")
    some = again.assign(correlation=[0.8, np.nan, np.nan], error=[0.1, np.nan, np.nan])
    said(lime_report.again_sentence(some, 300, "sobol"), "0.80 (SongNet) on average")
    assert lime_report.again_sentence(again[:0], 300, "sobol") == lime_report.again_sentence(some[1:], 300, "sobol") == ""


# ---- agreement


CANVAS = np.zeros(ekman.SHAPE, np.float32)
MASKS = {name: CANVAS.astype(bool) for name in EMOTIONS}
for place, name in enumerate(EMOTIONS):
    MASKS[name][20 + 40 * place:70 + 40 * place, 20:120] = True


def looking(*networks, folds=None, shift=0):
    """Return made-up maps: a rectangle in the expression's rows that covers more of its mask from network to network; the control's rows
    are those of the next expression but one, and so on."""
    heats = {}
    for place, name in enumerate(EMOTIONS):
        for number, network in enumerate(networks):
            heat = CANVAS + 0.01
            start = 20 + 40 * (place if network != CONTROL else (place * 2 + 1) % 7 % 6)
            heat[start:start + 50, 100 - 20 * number:200 - 20 * number] = 1
            for fold in folds or [None]:
                heats[(network, name) if fold is None else (network, fold, name)] = np.roll(heat, shift + 3 * (fold or 0), axis=1)
    return heats


def aligned(*networks, exact=None):
    """Return a table of `ekman.alignment` for made-up maps."""
    return ekman.alignment(looking(*networks), MASKS, exact, draws=30)


EXACT = dict.fromkeys(EMOTIONS, 0.8)


def test_overlap_as_a_figure():
    """A panel an expression; dots, chance levels and what a map of exactly what moved reaches lie where the table says and within sight."""
    table = aligned("songnet", "vgg16", CONTROL, exact=EXACT)
    figure = lime_report.alignment_figure(table)
    axes = drawn(figure)
    assert [axis.get_title() for axis in axes] == list(EMOTIONS)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["SongNet", "VGG16", "SongNet (shuffled)"]
    first = axes[0].lines[0]
    assert first.get_xdata() == [table["iou"][0]] and first.get_ydata() == [0]
    assert axes[0].get_xlim()[1] > 0.8 and any(list(line.get_xdata()) == pytest.approx([0.8, 0.8]) for line in axes[0].lines)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["LIME", *(f"{word}, same area" for _, word in LEVELS.values()), "exactly what moved"]


def test_a_map_that_finds_nothing_is_no_dot():
    """It is called no map, and has neither overlap nor chance to draw; sentences leave it out."""
    heats = looking("songnet", "vgg16")
    heats["vgg16", "fear"] = CANVAS
    table = ekman.alignment(heats, MASKS, draws=30)
    axes = drawn(lime_report.alignment_figure(table))
    assert [text.get_text() for text in axes[EMOTIONS.index("fear")].texts] == ["no map"]
    assert len(axes[EMOTIONS.index("fear")].lines) == len(axes[0].lines) - 4
    said(lime_report.alignment_sentence(table, "our networks"), f"**{table.loc[table['area'] > 0, 'iou'].mean():.3f}**", "of 11 maps")
    nothing = ekman.alignment({("songnet", "fear"): CANVAS}, MASKS, draws=30)
    assert lime_report.alignment_sentence(nothing, "our networks") == "None of our networks has a map."
    drawn(lime_report.alignment_figure(nothing))


@pytest.mark.parametrize("table", [aligned("songnet"), aligned(CONTROL, "vgg16").iloc[1:],
                                   aligned("vgg16", exact={"sad": 0.5, "fear": np.nan})])  # fmt: skip
def test_overlap_with_gaps_as_a_figure(table):
    """One network, a map that is missing, exact maps of some expressions or none: everything else is drawn."""
    figure = lime_report.alignment_figure(table)
    assert len(drawn(figure)) == 6
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("exactly what moved" in words) == table["exact"].notna().any()


def test_overlap_in_words():
    """Means of the networks that learned, the control's beside them, how many beat an ellipse, and where a prior beats an exact map."""
    table = aligned("songnet", "vgg16", CONTROL, "songnet" + TWIN, exact=EXACT)
    learned = table[table["network"].isin(["songnet", "vgg16"])]
    means = learned[["iou", "chance_segments", "chance_face", "chance_centre"]].mean()
    beaten = int((learned["iou"] > learned["chance_centre"]).sum())
    text = lime_report.alignment_sentence(table, "our networks")
    said(text, "The maps of our networks", f"**{means['iou']:.3f}**", f"reach {means['chance_segments']:.3f}",
         f"maps {means['chance_face']:.3f}", f"canvas {means['chance_centre']:.3f}: {beaten} of 12 maps",
         "would reach 0.800 with these masks.",
         f"shuffled labels by {table.loc[table['network'] == CONTROL, 'iou'].mean():.3f}")  # fmt: skip
    alone = lime_report.alignment_sentence(aligned("songnet"), "the authors")
    said(alone, "of 6 maps beat the ellipse")
    assert "moved" not in alone and "shuffled" not in alone
    passed = lime_report.alignment_sentence(aligned("songnet", exact=EXACT | {"sad": 0.001}), "the authors")
    said(passed, "in sad one that knows nothing of the expression passes even that")


def evidence(*networks, folds=(0, 1), shift=0):
    """Return a table as of `lime_study.evidence` for one method."""
    found = ekman.specific(looking(*networks, folds=folds, shift=shift), MASKS)
    return found.assign(method="LIME", chance=0.1, corrected=0.2)[lambda table: (table["network"] != CONTROL) | (table["fold"] == 0)]


def test_what_is_the_expressions_own_in_words():
    """Own and others' overlap of the networks that learned, best and least with p, how many are beyond chance; of the first fold."""
    found = evidence("songnet", "vgg16", CONTROL, "songnet" + TWIN)
    first = found[found["fold"] == 0].set_index("network")
    learned = first.loc[["songnet", "vgg16"]]
    text = lime_report.specific_sentence(found, "what moved")
    said(text, f"With what moved maps overlap by **{learned['own'].mean():.3f}**", f"by {learned['others'].mean():.3f} where it is another",
         f"VGG16 tells them apart best, {first.loc['vgg16', 'specific']:+.3f} (p = 0.001)",
         f"SongNet least, {first.loc['songnet', 'specific']:+.3f}",
         "2 of 2 networks are beyond", f"shuffled labels gets {first.loc[CONTROL, 'specific']:+.3f} (p = {first.loc[CONTROL, 'p']:.3f})",
         "its maps know nothing of them")  # fmt: skip
    lucky = found.assign(p=np.where(found["network"] == CONTROL, 0.01, 0.5))
    said(lime_report.specific_sentence(lucky, "what moved"), "0 of 2 networks are beyond", "5% of such networks come out so by chance")
    whole = lime_report.specific_sentence(ekman.specific(looking("songnet"), MASKS), "the masks")
    said(whole, "With the masks maps overlap by", "1 of 1 networks is beyond")
    assert "least" not in whole and "shuffled" not in whole
    few = {key: heat for key, heat in looking("songnet").items() if key[1] in EMOTIONS[:3]}
    said(lime_report.specific_sentence(ekman.specific(few, MASKS), "the masks"), "No network has maps of at least 4 expressions")


def test_what_another_method_says_in_words():
    """Of a second method how many networks are beyond chance, and of whom it has no maps."""
    other = ekman.specific({key: heat * (key[0] != "vgg16" or key[2] in EMOTIONS[:3]) * (key[0] != "weinet") for key, heat in
                            looking("songnet", "vgg16", "weinet", folds=[0]).items()}, MASKS).assign(method="Grad-CAM")  # fmt: skip
    found = pd.concat([evidence("songnet", "vgg16", "weinet", CONTROL), other], ignore_index=True)
    said(lime_report.evidence_sentence(found), "By LIME. With what moved maps overlap by", "By Grad-CAM 1 of 1 is beyond that",
         "nothing can be said of VGG16 (maps of 3 expressions only), WeiNet (no map)")  # fmt: skip
    assert lime_report.evidence_sentence(found[:0]) == "No network has a map, so nothing can be said of what moved."


def test_what_is_the_expressions_own_as_a_figure():
    """A panel a method, a row a network: own and others' overlap and chance where the table says, p of the first fold; no map is said."""
    found = pd.concat([evidence("songnet", "vgg16", CONTROL), evidence("songnet").assign(method="Grad-CAM", own=np.nan, expressions=2)])
    axes = drawn(lime_report.specific_figure(found, "what moved"))
    assert [axis.get_title() for axis in axes] == ["LIME", "Grad-CAM"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["SongNet", "VGG16", "SongNet (shuffled)"]
    row, (gap, others, own, chance, *_) = found.iloc[0], axes[0].lines
    assert list(gap.get_xdata()) == [row["others"], row["own"]] and list(gap.get_ydata()) == [0, 0]
    assert (others.get_xdata(), own.get_xdata(), chance.get_xdata()) == ([row["others"]], [row["own"]], [0.1])
    assert [text.get_text() for text in axes[0].texts] == [f"p = {p:.3f}" for p in found[found["fold"] == 0]["p"][:3]]
    assert [text.get_text() for text in axes[1].texts] == ["maps of 2 expressions only"]
    (alone,) = drawn(lime_report.specific_figure(ekman.specific(looking("songnet", "vgg16"), MASKS), "the masks"))
    assert len(alone.texts) == 2 and len(alone.lines) == 6 and alone.get_title() == ""


def test_who_is_compared_in_words():
    """Who lacks a map is named with the expressions; too few networks or folds say what they cannot tell; else nothing is said."""
    maps = looking("songnet", "vgg16", "weinet", CONTROL) | {("vgg16", "fear"): CANVAS}
    del maps["vgg16", "sad"]
    said(lime_report.compared_sentence(maps, ["songnet", "weinet"], 2), "VGG16 is left out: it has no map of fear, sad.",
         "Of 2 networks there is no tree to draw")  # fmt: skip
    said(lime_report.compared_sentence(maps, ["songnet", "weinet", "vgg16"], 2), "With 2 folds it cannot be asked how firm a branch is")
    assert lime_report.compared_sentence(maps, ["songnet", "weinet", "vgg16"], 3) == ""


# ---- the authors' own maps


@pytest.fixture
def cells():
    """Table 3 as printed, and SilNet's sad found .01 higher; as `published_maps.beside` has it."""
    printed = published_maps.printed_table_three()
    found = printed.copy()
    found.loc["silnet", ["sad", "average"]] += [0.06, 0.01]
    return published_maps.beside(found, printed)


def test_table_three_in_words(cells):
    """Rows that follow, both numbers of the one that does not, the mean of all, and how many cells of the README's table follow."""
    text = lime_report.table_three_sentence(cells, cells[:10].assign(same=True))
    row = cells[(cells["network"] == "silnet") & (cells["expression"] == "average")].iloc[0]
    whole = cells[(cells["network"] == "average") & (cells["expression"] == "average")].iloc[0]
    said(text, "**11 of 12 rows**", f"SilNet's does not: the maps give {row['found']:.4f} on average where {row['printed']:.4f} is printed",
         "and 0 of 7 averages over networks differ", f"mean of all is {whole['found']:.4f}, printed {whole['printed']:.4f}",
         "10 of 10 cells follow")  # fmt: skip
    whole = lime_report.table_three_sentence(cells.assign(same=True), cells)
    said(whole, "**12 of 12 rows**", "89 of 91 cells")
    assert "does not" not in whole


def test_table_three_as_a_figure(cells):
    """A cell a number, in the table's order; those that differ show what is printed too."""
    (axis,) = drawn(lime_report.table_three_figure(cells))
    texts = [text.get_text() for text in axis.texts]
    assert len(texts) == 91 and sum("printed" in text for text in texts) == 2
    assert [label.get_text() for label in axis.get_yticklabels()] == [TITLES[name] for name in published_maps.NETWORKS] + ["average"]
    assert [label.get_text() for label in axis.get_xticklabels()] == [*EMOTIONS, "average"]
    first = cells.iloc[0]
    assert texts[0].startswith(f"{first['found']:.4f}") and axis.images[0].get_array()[0, 0] == first["found"]


def test_the_split_in_words():
    """Correlations within and across the groups, how rare such a split is, and where the dendrogram shows it."""
    rng = np.random.default_rng(0)
    kinds = rng.random((2, 12, 12))
    maps = np.stack([kinds[number // 4] + 0.1 * rng.random((12, 12)) for number in range(8)])
    noise = rng.random((8, 12, 12))
    first = [True] * 4 + [False] * 4
    names = list(TITLES)[:8]
    split = similarity.split_table({"angry": maps, "sad": noise}, first, "as_coded")
    said(lime_report.split_sentence(split, names), f"correlate by {split['within'].mean():.2f}", f"by {split['between'].mean():.2f}",
         "the 8 networks", f"{split['p'].min():.3f} to {split['p'].max():.3f} of them", "groups for angry")  # fmt: skip
    same = lime_report.split_sentence(split[:1], names)
    said(same, f"sizes {split['p'][0]:.3f} of them")
    said(lime_report.split_sentence(split[1:], names), "these groups for no expression")


def test_likeness_is_drawn_and_said_by_what_differs():
    """A row of rings for each thing that differs; the sentence says whether the seed matters as much as the network."""
    table = pd.DataFrame([("seed", "vgg16", "b", 0.9), ("network", "a", "c", 0.4), ("network", "b", "c", 0.2), ("labels", "a", "d", 0.1)],
                         columns=["differs", "first", "second", "correlation"])  # fmt: skip
    axis = lime_report.likeness_figure(table).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["the seed alone", "the network", "right or shuffled labels"]
    said = lime_report.likeness_sentence(table)
    assert "0.90 where the seed alone" in said and "0.30 where the network" in said and "VGG16 stays closer to its own map" in said
    table.loc[0, "correlation"] = 0.31
    assert "the map of VGG16 about as much as another network" in lime_report.likeness_sentence(table)
