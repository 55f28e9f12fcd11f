"""What notebook 03 shows: figures for every case, drawn from their tables; sentences that say the tables' numbers."""

import numpy as np
import pandas as pd
import pytest

from lib.expressions import EXPRESSIONS
from lib.labellers import agreement, report, target, truth

LABELLERS = ("action_units", "multitask", "realtime_xception")
UNITS = (1, 4, 12)


def scene(count: int = 60, seed: int = 0):
    """Return labels, faces, images, units, and crops: three labellers, the last calls neutral faces sad; a tenth of answers is missing."""
    generator = np.random.default_rng(seed)
    planted = generator.choice(7, count, p=[0.1, 0.1, 0.1, 0.2, 0.3, 0.1, 0.1])
    rows = []
    for face in range(count):
        for labeller, accuracy in zip(LABELLERS, (0.9, 0.6, 0.5), strict=True):
            choice = planted[face] if generator.random() < accuracy else int(generator.integers(7))
            choice = 5 if labeller == "realtime_xception" and choice == 4 else choice
            scores = np.full(7, 0.05)
            scores[choice] = 0.7
            if generator.random() > 0.1:
                rows += [(f"f{face}", labeller, name, score) for name, score in zip(EXPRESSIONS, scores, strict=True)]
    labels = pd.DataFrame(rows, columns=target.COLUMNS)
    faces = pd.DataFrame({"face_id": [f"f{k}" for k in range(count)], "image_id": [f"i{k}" for k in range(count)], "x": 0.0, "y": 0.0,
                          "width": 10.0, "height": 10.0, "crop_index": np.arange(count)})  # fmt: skip
    images = pd.DataFrame({"image_id": faces["image_id"], "face_boxes": "0,0,10,10", "expression": [EXPRESSIONS[k] for k in planted],
                           "intensity": "0.8", "material": np.where(np.arange(count) % 2, "wood", "marble"), "identity": faces["face_id"],
                           **{f"AU{unit:02d}": generator.choice(["0", "3"], count) for unit in UNITS}})  # fmt: skip
    units = pd.DataFrame([(face, name, unit, float(generator.random()), value) for face in faces["face_id"]
                          for name, value in (("action_units", float(generator.uniform(0, 5))), ("multitask", np.nan)) for unit in UNITS],
                         columns=["face_id", "labeller", "unit", "presence", "intensity"])  # fmt: skip
    return labels, faces, images, units, generator.integers(0, 255, (count, 24, 24, 3), np.uint8)


def measured(count: int = 60) -> dict:
    """Return every table of the notebook."""
    labels, faces, images, units, crops = scene(count)
    votes, planted = target.votes(labels, faces=faces["face_id"]), truth.planted(faces, images)
    described = agreement.described(faces, images)
    few = {"resamples": 40}
    comparison, differences = truth.compare(votes, planted, **few)
    labelled = target.target(votes)
    affect = planted[["face_id", "valence", "arousal"]].assign(labeller="multitask", arousal=0.0)
    return {
        "votes": votes, "faces": faces, "units": units, "crops": crops, "planted": planted, "pairs": agreement.pairwise(votes, **few),
        "overall": agreement.overall(votes, **few), "between": agreement.confusion(votes),
        "expressions": agreement.per_expression(votes, **few),
        "groups": agreement.by_group(votes, described, 5, **few), "accuracy": truth.by_group(votes, planted, 5, **few),
        "distribution": truth.distribution(votes, planted), "confusion": truth.confusion(votes, planted),
        "comparison": comparison, "differences": differences, "calibration": truth.calibration(votes, planted),
        "calibrated": truth.calibration_summary(votes, planted, **few), "quality": truth.quality(votes, planted, **few),
        "each": truth.per_expression(votes, planted, **few), "auc": truth.units(units, planted, **few),
        "affect": truth.affect(affect, planted, **few),
        "bias": truth.bias(votes, planted), "others": truth.bias(votes), "called": truth.called(votes, planted),
        "statistics": target.statistics(labelled), "sizes": target.sizes(labelled), "frequencies": target.frequencies(labelled),
        "together": target.co_occurrence(labelled),
    }  # fmt: skip


def faces_figure(found: dict, with_truth: bool):
    chosen, more = report.chosen_faces(found["votes"], found["faces"], 3), (found["units"], found["planted"]) if with_truth else ()
    return report.faces_figure(found["crops"], report.faces_table(chosen, found["faces"], found["votes"], *more))


FIGURES = {
    "faces": lambda found: faces_figure(found, True),
    "faces without truth": lambda found: faces_figure(found, False),
    "agreement": lambda found: report.agreement_figure(found["pairs"], found["overall"]),
    "expressions": lambda found: report.expressions_figure(found["expressions"]),
    "groups": lambda found: report.groups_figure(found["groups"]),
    "accuracy": lambda found: report.accuracy_figure(found["accuracy"]),
    "distribution": lambda found: report.distribution_figure(found["distribution"]),
    "confusions": lambda found: report.confusions_figure(found["confusion"]),
    "quality": lambda found: report.quality_figure(found["each"]),
    "headline": lambda found: report.headline_figure(found["comparison"]),
    "calibration": lambda found: report.calibration_figure(found["calibration"], found["calibrated"]),
    "units": lambda found: report.units_figure(found["auc"]),
    "target": lambda found: report.target_figure(found["sizes"], found["frequencies"], found["together"]),
}


@pytest.fixture(scope="module")
def tables():
    return measured()


@pytest.fixture(scope="module")
def nothing():
    """The same tables where there is no face at all."""
    return measured(0)


def texts(figure) -> str:
    return " | ".join(text.get_text() for axis in figure.axes for text in (*axis.texts, *axis.get_yticklabels(), axis.title))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn(name, tables, nothing, tmp_path):
    """Each figure saves, with everything and with no face at all."""
    for found in (tables, nothing):
        figure = FIGURES[name](found)
        assert figure.axes
        figure.set_layout_engine("none")  # the engine takes most of the time, and nothing here looks at places
        figure.savefig(tmp_path / "figure.png", dpi=30)


def test_figures_say_what_is_missing(tables, nothing):
    """Without a face there is a sentence; with faces, labellers go by the names people use."""
    assert "no planted truth" in texts(report.headline_figure(nothing["comparison"]))
    empty = report.faces_table([], nothing["faces"], nothing["votes"])
    assert "no face has two answers" in texts(report.faces_figure(nothing["crops"], empty))
    assert "mini_XCEPTION" in texts(report.distribution_figure(tables["distribution"]))


def test_one_labeller_alone_has_figures(tmp_path):
    """With one labeller there is no pair; the figures say why."""
    labels, faces, images, *_ = scene(20)
    votes = target.votes(labels[labels["labeller"] == "multitask"], faces=faces["face_id"])
    report.agreement_figure(agreement.pairwise(votes), agreement.overall(votes)).savefig(tmp_path / "figure.png", dpi=30)
    report.expressions_figure(agreement.per_expression(votes, resamples=5)).savefig(tmp_path / "figure.png", dpi=30)
    said = report.agreement_sentence(agreement.overall(votes), agreement.pairwise(votes))
    assert said == "The agreement of the labellers cannot be measured: one labeller only."
    planted = truth.planted(faces, images)
    report.headline_figure(truth.compare(votes, planted, resamples=20)[0]).savefig(tmp_path / "figure.png", dpi=30)


def test_shown_faces_spread_over_expressions_and_agreement(tables):
    """Twelve faces: at least five expressions, unanimous ones and split ones, none without a crop, the most agreed on first."""
    votes, faces = tables["votes"], tables["faces"].copy()
    faces.loc[0, "crop_index"] = -1
    chosen = report.chosen_faces(votes, faces, 12)
    table = agreement.unanimity(votes).set_index("face_id").loc[chosen]
    assert len(set(chosen)) == 12 and "f0" not in chosen and table["plurality"].nunique() >= 5
    assert table["agreement"].max() == 1 and table["agreement"].min() < 0.5 and table["agreement"].is_monotonic_decreasing
    assert len(report.chosen_faces(votes, faces.head(3), 12)) <= 2


def test_the_faces_table_holds_every_drawn_number(tables):
    """Seven scores of each labeller and of the truth; presence is kept apart from intensity; votes are marked; no answer is NaN."""
    votes = tables["votes"]
    silent = next(face for face, known in zip(votes.faces, votes.answered, strict=True) if not known.all())
    table = report.faces_table([silent], tables["faces"], votes, tables["units"], tables["planted"])
    scores = table[table["kind"] == "score"]
    assert len(scores) == 7 * 4 and scores["value"].isna().sum() % 7 == 0 and scores["value"].isna().any()
    presence = tables["units"].query("face_id == @silent and labeller == 'multitask' and unit == 12")["presence"].iloc[0]
    assert table.query("labeller == 'multitask' and name == 'AU12'")["value"].iloc[0] == pytest.approx(presence)
    meant = tables["planted"].set_index("face_id").loc[silent, "expression"]
    assert scores.query("labeller == 'planted' and chosen")["name"].tolist() == [meant]
    answered = votes.of([silent]).answered.sum()
    assert scores["chosen"].sum() == answered + 1


@pytest.mark.parametrize(("choices", "heading"), [
    ([3, 3, 3], "3 of 3: happy"), ([3, 3, 5], "2 of 3: happy"), ([3, 4, 5], "all differ"), ([3, -1, -1], "1 of 1: happy"),
    ([-1, -1, -1], "no vote"),
])  # fmt: skip
def test_a_face_is_headed_by_its_votes(choices, heading):
    """The heading counts the labellers that answered and say the same."""
    rows = [(labeller, name, np.nan if choice < 0 else float(place == choice), place == choice)
            for labeller, choice in enumerate(choices) for place, name in enumerate(EXPRESSIONS)]  # fmt: skip
    assert report._said_of(pd.DataFrame(rows, columns=["labeller", "name", "value", "chosen"])) == heading


# ---- sentences


def test_sentences_say_the_tables_numbers(tables):
    """Alpha, the most and least agreed expression, the best labeller and the sad bias are those of the tables."""
    alpha = tables["overall"].set_index("measure").loc["Krippendorff's alpha"]
    said = report.agreement_sentence(tables["overall"], tables["pairs"])
    assert f"**{alpha['value']:.2f} [{alpha['low']:.2f}, {alpha['high']:.2f}]**" in said and "**not reached**" in said
    each = tables["expressions"].set_index("expression")["alpha"]
    said = report.expressions_sentence(tables["expressions"])
    assert f"most on {each.idxmax()}" in said and f"least on {each.idxmin()} ({each.min():.2f}" in said
    assert report.quality_sentence(tables["quality"]).startswith("Against what was planted, macro F1 is: Action Units 0.")
    row = tables["bias"].set_index(["labeller", "expression"]).loc[("realtime_xception", "sad")]
    said = report.bias_sentence(tables["bias"])
    assert f"mini_XCEPTION says sad of {row['share']:.0%} of the faces instead of {row['reference']:.0%}, {row['ratio']:.1f} times" in said
    assert said.startswith("Measured against what was planted") and "other labellers" in report.bias_sentence(tables["others"])
    assert "mini_XCEPTION calls 0% of them neutral, sad" in report.called_sentence(tables["called"])
    value = tables["statistics"].set_index("statistic")["value"]
    assert f"{value['cardinality']:.2f} expressions each" in report.target_sentence(tables["statistics"], tables["frequencies"])
    row = tables["pairs"].loc[(tables["pairs"]["ac1"] - tables["pairs"]["kappa"]).idxmax()]
    assert f"{row['observed']:.0%} of the faces, yet their kappa is {row['kappa']:.2f}" in report.prevalence_sentence(tables["pairs"])


def test_units_and_affect_in_words(tables):
    """The mean AUC and the least; concordance 1 where valence is repeated, and 0 where arousal never moves."""
    said = report.units_sentence(tables["auc"], tables["affect"])
    mine = tables["auc"].query("labeller == 'multitask'")
    assert f"multi-task CNN ranks 3 Action Units with a mean AUC of {mine['auc'].mean():.2f} (least for" in said
    assert f"AU{mine.loc[mine['auc'].idxmin(), 'unit']}, {mine['auc'].min():.2f})" in said
    assert "concordance of valence 1.00 [1.00, 1.00] and arousal" in said


def test_what_the_others_say_is_drawn_like_what_was_planted(tables, nothing):
    """The same figure shows each pair of labellers once: down what one says, across what the other answers."""
    labellers = tables["votes"].labellers
    table = report.between_table(tables["between"])
    assert table["labeller"].nunique() == len(labellers) * (len(labellers) - 1) / 2
    figure = report.confusions_figure(table, "said", "answered")
    drawn = [axis for axis in figure.axes if axis.images]
    assert len(drawn) == table["labeller"].nunique() and drawn[0].get_ylabel() == "said (faces)"
    first, second = table[["first", "second"]].iloc[0]
    again = tables["between"].query("first == @first and second == @second")
    assert drawn[0].images[0].get_array().filled(0).ravel() == pytest.approx(again["share"].fillna(0).to_numpy())
    assert report.confusions_figure(report.between_table(nothing["between"]), "said", "answered").axes


def test_the_verdict_follows_the_interval(tables):
    """Hurts below 0, helps above 0, else no clear difference; the numbers are those of the tables."""
    comparison, differences = tables["comparison"], tables["differences"]
    union = (differences["way"] == "union") & (differences["measure"] == "Jaccard")

    def of(low, high):
        moved = differences.assign(low=differences["low"].where(~union, low), high=differences["high"].where(~union, high))
        return report.verdict(comparison, moved)

    assert "union of all votes **hurts**" in of(-0.2, -0.1) and "union of all votes **helps**" in of(0.1, 0.2)
    assert "union of all votes **makes no clear difference**" in of(-0.1, 0.1)
    said, value = report.verdict(comparison, differences), comparison.set_index(["way", "measure"])["value"]
    assert f"{value['union', 'recall']:.0%} of what was planted" in said and f"{value['union', 'labels']:.2f} expressions a face" in said
    assert "but only" in said
    alike = differences[(differences["way"] == "union") & (differences["measure"] == "macro F1")]["difference"].item()
    assert "(macro F1), the union" in said and f"{alike:+.3f}".replace("-", "−") in said
    habit = comparison[(comparison["kind"] == "baseline") & (comparison["measure"] == "Jaccard")].iloc[0]
    assert f"Whoever says {habit['way'].split()[1]} of every face overlaps by {habit['value']:.2f}" in said
    below = comparison.assign(value=comparison["value"].where(comparison["kind"] != "baseline", 0.99))
    assert "more than" in report.verdict(below, differences) and "union" in report.verdict(below, differences).split("more than")[1]


def test_people_who_labelled_three_faces_are_not_compared_on_three(tables):
    """A labeller with few answers is left out where all have to answer, and the sentence says how few."""
    labels, faces, *_ = scene()
    labels = labels[(labels["labeller"] != "multitask") | labels["face_id"].isin(faces["face_id"][:3])]
    said = target.votes(labels, faces=faces["face_id"])
    heard = said.heard()
    assert "multitask" not in heard.labellers and "multi-task CNN answered 3 of 60 faces" in report.unheard_sentence(said, heard)
    assert report.unheard_sentence(heard, heard) == ""
    fleiss = agreement.overall(said, resamples=5).set_index("measure").loc["Fleiss' kappa", "faces"]
    assert fleiss == heard.answered.all(axis=1).sum() > 3


def test_neutral_stone_is_put_beside_neutral_people(tables):
    """What a labeller calls neutral sculpture is said beside how many living people it calls neutral."""
    people = tables["called"].assign(share=0.87)
    assert "(of living people 87%)" in report.called_sentence(tables["called"], people=people)


def test_the_gender_network_in_words():
    """Two of three faces above one half; nothing is said where it was not asked."""
    assert "finds 67% of 3 faces" in report.gender_sentence(pd.DataFrame({"woman": [0.9, 0.6, 0.2]}))
    assert report.gender_sentence(pd.DataFrame({"woman": []})) == ""


def test_chances_are_drawn_as_chances(tables):
    """Intensities are bars on a scale to 5; a labeller without them has rings, its chance of 1 at the top."""
    chosen = report.chosen_faces(tables["votes"], tables["faces"], 1)
    drawn = report.faces_table(chosen, tables["faces"], tables["votes"], tables["units"])
    assert drawn.loc[drawn["labeller"] == "multitask", "kind"].isin(["score", "presence"]).all()
    figure = report.faces_figure(tables["crops"], drawn)
    chances = drawn[drawn["kind"] == "presence"].sort_values("name")["value"].to_numpy()
    assert figure.axes[2].lines[0].get_ydata() == pytest.approx(5 * chances)
    assert any("chance of AU, 0 to 1" in text.get_text() for text in figure.legends[0].get_texts())


def test_sentences_where_there_is_nothing(nothing):
    """No face: every sentence still says something true."""
    assert "cannot be said" in report.verdict(nothing["comparison"], nothing["differences"])
    assert "cannot be measured" in report.agreement_sentence(nothing["overall"], nothing["pairs"])
    assert report.prevalence_sentence(nothing["pairs"]) == "No pair of labellers has a kappa."
    assert "cannot be measured" in report.expressions_sentence(nothing["expressions"])
    assert report.quality_sentence(nothing["quality"]) == "No labeller can be compared with planted truth."
    assert report.called_sentence(nothing["called"]) == "No face was planted as neutral."
    assert report.target_sentence(nothing["statistics"], nothing["frequencies"]) == "None of the 0 faces has a label."
    assert report.bias_sentence(nothing["bias"]) == "There are no votes."
    assert report.units_sentence(nothing["auc"], nothing["affect"]).startswith("No Action Unit")


def test_labellers_nobody_named_have_colours():
    """Two unknown labellers get different colours, known ones keep theirs."""
    colours = report._colours(["multitask", "mine", "yours"])
    assert len(set(colours.values())) == 3 and colours["multitask"] == report.LABELLER_COLOURS["multitask"]
