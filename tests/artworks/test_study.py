"""Notebook 09: parameters are refused early, sources and masks are what they should be, figures and sentences hold what they say."""

import cv2
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from lib.artworks import classifiers, people, report, study
from lib.artworks.parameters import ArtEmotionParameters
from lib.compendium.errors import CollectionError, ParameterError


def table(count=16, portraits=12):
    """Artworks whose group goes round, the first ones portraits of four sitters with a box in the middle."""
    place = np.arange(count)
    known = np.where(place < portraits, 20.0, np.nan)
    return pd.DataFrame({
        "artwork_id": [f"work-{number}" for number in place], "subject": np.where(place < portraits, "portrait", "landscape"),
        "identity": np.where(place < portraits, place // 3, -1), "group": place % 4,
        "tag": np.array(["Sadness", "NA", "Lust", "Joy"])[place % 4],
        "local_group": np.where(place < portraits, place % 4, -1), "global_group": (place + 1) % 4, "box_x": known, "box_y": known,
        "box_width": known, "box_height": known})  # fmt: skip


def pictures(count=16, side=64):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def faces(rows=12):
    return pd.DataFrame({"artwork_id": [f"work-{number}" for number in range(rows)], "x": 20.0, "y": 20.0, "width": 20.0, "height": 20.0,
                         "confidence": 1.0, "detector": "hand", "roll": 0.0, "view": "colour"})  # fmt: skip


def works():
    cues = np.zeros((16, 64, 64), bool)
    cues[:12, 28:36, 24:40] = True
    return study.Works(pictures(), table(), cues)


# ---- parameters


@pytest.mark.parametrize(("changes", "said"), [
    ({"gans": ["dcgann"]}, "Did you mean 'dcgan'"), ({"gans": []}, "one or more"), ({"weights": "imagnet"}, "imagenet"),
    ({"width": 0.5}, "weights=atelier"), ({"gan_side": 40}, "multiple of 16"), ({"without_remedy": True}, "remedy=true"),
    ({"shallnet_folds": 9}, "at most as many"), ({"folder": "a", "wikiart": "b"}, "one of them"),
])  # fmt: skip
def test_values_that_do_not_fit_are_refused(changes, said):
    """Each refusal says what to give instead."""
    with pytest.raises(ValidationError, match=said):
        ArtEmotionParameters(**changes)


@pytest.mark.parametrize("changes", [{"folder": "no/such"}, {"wikiart": "no/such"}, {"weights": "none.weights.h5"},
                                     {"yolo_weights": "no.weights.h5"}])  # fmt: skip
def test_missing_inputs_are_named(changes):
    """A folder or a file that is not there is refused before a kernel starts."""
    with pytest.raises(CollectionError, match="Received"):
        ArtEmotionParameters(**changes).check_inputs()


# ---- where artworks come from


def folder_of(tmp_path, groups=("sad", "neutral", "lust", "joy"), each=10, more=()):
    lines = ["file,emotion"]
    for number in range(each * len(groups)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((20 + number, 700, 3), number, np.uint8))
        lines.append(f"{number}.png,{groups[number % len(groups)]}")
    (tmp_path / "tags.csv").write_text("\n".join([*lines, *more]) + "\n")
    return ArtEmotionParameters(folder=str(tmp_path))


def test_own_artworks_are_read_with_their_groups(tmp_path):
    """A folder with a table of tags becomes one set of artworks of any sizes, the large ones made smaller, unknown tags listed."""
    wanted = folder_of(tmp_path, more=["extra.png,awe"])
    cv2.imwrite(str(tmp_path / "extra.png"), np.zeros((30, 30, 3), np.uint8))
    source = study.artworks_of(wanted)
    assert not source.synthetic and list(source.works) == [source.main] and source.named == "your artworks"
    assert len(source.works[source.main].table) == 40 and max(source.works[source.main].pictures[0].shape[:2]) == study.LONGEST
    assert source.unknown["tag"].tolist() == ["awe"] and "awe" in source.left_out["reason"].iloc[0]


def test_a_class_too_small_to_split_is_named(tmp_path):
    """Two works of a group cannot be split."""
    with pytest.raises(CollectionError, match="fewer than"):
        study.artworks_of(folder_of(tmp_path, each=2))


def test_the_largest_face_of_an_artwork_counts():
    """Of two finds in one work the larger is kept, and the order of the works stays."""
    found = pd.concat([faces(3), faces(1).assign(width=40.0)], ignore_index=True)
    kept = study.faces_of(ArtEmotionParameters(person_filter="faces"), None, found)
    assert sorted(kept["artwork_id"]) == ["work-0", "work-1", "work-2"]
    assert kept.set_index("artwork_id").loc["work-0", "width"] == 40


# ---- where networks look


def done(rows=12):
    """What `classifiers.study` leaves, as far as places need it."""
    settings = classifiers.Settings(folds=2, side=32, weights="none", width=0.05)
    crops = np.zeros((rows, 32, 32, 3), np.uint8)
    return classifiers.Study(pd.DataFrame(), np.zeros((16, 13)), np.array([""] * 16), np.arange(rows), crops,
                             np.zeros((2, 4, 1, 5, 3)), np.arange(16) % 2, settings, None)  # fmt: skip


def test_cues_lie_in_the_crop_where_the_crop_shows_them():
    """The planted place, cut as the face is cut, is where the face's own crop shows it: marked white in the picture, it is white there."""
    marked = works()
    marked.pictures[:12, 28:36, 24:40] = 255
    shown = study.cue_crops(marked, done(), faces())
    for row in range(3):
        crop = classifiers.face(marked.pictures[row], faces().iloc[row], 32)[0]
        assert shown[row].any() and crop[shown[row]].mean() > 235


def test_maps_on_the_cue_are_counted_against_its_area():
    """A map that lies wholly on the cue gets one over the cue's area; an even one gets one."""
    one = works()
    cues = study._masks(one.cue_maps, 32)[:12]
    answers = np.eye(4)[np.arange(12) % 4]
    for maps, ratio in ((cues.astype(float), 1 / cues[0].mean()), (np.ones(cues.shape), 1.0)):
        found = study.on_places({"own": study.Looked(np.zeros((12, 32, 32, 3), np.uint8), answers, maps, np.arange(12), cues, None)},
                                {"own": one})  # fmt: skip
        assert found["ratio"].tolist() == pytest.approx([ratio])
        assert report.places_sentence(found).startswith("* own: ")


def test_hiding_the_cue_hurts_a_network_that_reads_it(monkeypatch):
    """A network that goes by the brightness of one place loses it there, and keeps it when as much is hidden elsewhere."""
    pictures, cues = np.full((12, 32, 32, 3), 128, np.uint8), np.zeros((12, 32, 32), bool)
    cues[:, 12:20, 12:20] = True
    for row in range(12):
        pictures[row, 14:18, 14:18] = 60 * (row % 4) + 20

    class Reader:
        def predict(self, shown, **_):
            return -np.abs(shown[:, 14:18, 14:18, 0].mean(axis=(1, 2))[:, None] - (60 * np.arange(4) + 20))

    monkeypatch.setattr(classifiers, "network", lambda *_: Reader())
    one = study.Looked(pictures, np.eye(4)[np.arange(12) % 4], np.ones((12, 32, 32)), np.arange(12), cues, None)
    found = study.hidden(one, works(), done()).set_index("hidden")["accuracy"]
    assert found["nothing"] == 1 and found["as much elsewhere"] == 1 and found["what the expression moved"] < 0.8
    assert "hangs on the cue" in report.hidden_sentence(study.hidden(one, works(), done()))
    assert study.hidden(one._replace(cues=np.zeros_like(cues)), works(), done()).empty


def test_works_to_show_are_right_ones_first():
    """Of each group the surest right answer comes first."""
    answers = np.full((16, 4), 0.1)
    answers[np.arange(16), np.arange(16) % 4] = 0.7
    answers[4] = [0.97, 0.01, 0.01, 0.01]
    answers[0] = [0.0, 1.0, 0.0, 0.0]
    one = study.Looked(pictures(), answers, np.ones((16, 64, 64)), np.arange(16), np.zeros((16, 64, 64), bool), None)
    shown = study.chosen_rows(one, works(), each=1)
    assert shown["label"].tolist() == [0, 1, 2, 3] and shown["row"].iloc[0] == 4
    assert report.cam_figure(one.pictures, one.maps, one.cues, shown).axes


def test_no_portraits_cannot_be_classified():
    """An empty stack is named."""
    with pytest.raises(ParameterError, match="no portraits"):
        study.called(done(), np.zeros((0, 16, 16, 3), np.uint8))


# ---- Table 1


def accuracy():
    rows = [(name, classifiers.TITLES[name], 0.5, 0.4, 0.3, 0.5, 12) for name in classifiers.CLASSIFIERS]
    return pd.DataFrame(rows, columns=["classifier", "title", "train", "test", "low", "high", "artworks"])


def test_table_one_stands_beside_this_run():
    """Every printed cell has ours beside it, in percent, and made-up paintings judge nothing."""
    beside = study.table_one(accuracy())
    assert beside["model"].tolist() == ["ShallNet", "VGG16+TLv1", "VGG16+TLv2", "CV+FC"] and (beside["our_test"] == 40).all()
    values = study.verdict_values(beside, synthetic=True)
    assert len(values) == 8 and values["table_one_cv_fc_test"] == (40.0, "synthetic")
    assert study.verdict_values(beside, synthetic=False)["table_one_cv_fc_test"] == (40.0, "real")
    assert report.table_one_figure(beside).axes


def test_the_pairs_follow_their_schedule():
    """The remedy is DCGAN's alone; without_remedy trains it once more without."""
    wanted = ArtEmotionParameters(gan_schedule="demo", remedy=True, without_remedy=True, gan_epochs=3)
    found = study.gan_settings(wanted)
    assert list(found) == ["baseline", "complex", "dcgan", "dcgan_plain"]
    assert found["dcgan"].augmentation and not found["dcgan_plain"].augmentation and found["complex"].epochs == 3
    assert study.gan_settings(ArtEmotionParameters())["dcgan"].width == 64  # as published
    assert report.pair_title("dcgan_plain") == "DCGAN without the remedy"
    assert "coloured and moved" in report.remedy_sentence(("colour", "translation")) and "without" in report.remedy_sentence(())


# ---- figures and sentences


def test_tables_of_artworks_add_up():
    """Counts add up to the works, tags to their groups, cues to their planted shares."""
    counts, tagged = report.counts_table(table()), report.tags_table(table())
    assert counts["artworks"].tolist() == [4, 4, 4, 4] and counts["share"].sum() == 1
    assert tagged["artworks"].sum() == 16 and len(tagged) == 12
    cues = report.cues_table({"local": table(), "both": table()}, 0.75, "partner")
    assert cues["local_agrees"].tolist() == [1, 1] and cues["global_agrees"].tolist() == [0, 0]
    assert "perfect reader" in report.cues_sentence(cues)


def test_the_filter_is_summed_up():
    """Twelve of sixteen pass, all of them portraits."""
    passed = people.passed(table(), faces())
    said = report.filter_sentence(table(), passed)
    assert "**12 of 16**" in said and "portraits 100%" in said and "0.0%" in said
    assert len(report.filter_figure(pictures(), table(), faces()).axes) == 12  # two rows: portraits that pass, others left out


def test_a_feature_that_is_the_group_is_explained_wholly():
    """Eta squared is 1 for a feature that is the group and small for noise."""
    groups = np.repeat(np.arange(4), 50)
    values = pd.DataFrame({"same": groups * 2.0, "noise": np.random.default_rng(0).normal(size=200), "flat": 1.0})
    found = report.separation(values, groups).set_index("feature")["explained"]
    assert found["same"] == pytest.approx(1) and found["noise"] < 0.1 and found["flat"] == 0
    assert "*same*" in report.separation_sentence(report.separation(values, groups), "global")
    assert report.features_figure(values, groups).axes


def test_figures_of_regimes_confusion_and_answers():
    """Figures take what the study's tables hold, and sentences their numbers."""
    regimes = pd.concat([accuracy().assign(regime=name) for name in ("global", "local", "both")])
    figure = report.regimes_figure(regimes, {"both": {"local": 0.75, "global": 0.75, "both": 0.9}})
    assert [axis.get_title() for axis in figure.axes] == list(report.REGIME_TITLES.values())
    assert "CV+FC 0.40 [0.30, 0.50]" in report.regimes_sentence(regimes)
    compared = pd.DataFrame([("concatenated", "cv_fc", 0.1, 0.02, 0.2, 12), ("concatenated", "ensemble", 0.0, -0.1, 0.1, 12)],
                            columns=["classifier", "other", "difference", "low", "high", "artworks"])  # fmt: skip
    said = report.joined_sentence(compared)
    assert "+10.0 [+2.0, +20.0] points (more)" in said and "cannot be told apart" in said
    assert "the paper's is VGG16+TLv2" in report.table_one_sentence(accuracy(), compared)
    assert len(report.confusion_figure({"one": np.eye(4), "two": np.ones((4, 4))}).axes) == 2
    answers = {"real": np.eye(4), "made": np.full((3, 4), 0.25)}
    called = report.called_table(answers)
    assert called["certainty"].tolist() == [1, 0.25] and "real: 25%" in report.called_sentence(called)
    assert report.called_figure({"real": pictures(4), "made": pictures(3)}, answers).axes
