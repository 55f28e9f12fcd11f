"""Paintings hold planted cues in the asked proportion: palettes that leave grey values alone, expressions that show, scenes with nobody."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lib.collections.atelier import paintings
from lib.collections.atelier.paintings import plan, portraits, repaint, scenery
from lib.compendium import kept as kept_module
from lib.compendium.errors import ParameterError
from lib.published.tables import table as published


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True)
def elsewhere(folder, monkeypatch):
    """Keep what is painted in the tests' own folder, painted in this process."""
    monkeypatch.setattr(kept_module, "FOLDER", folder)
    monkeypatch.setenv("COMPENDIUM_JOBS", "1")


@pytest.fixture
def works():
    return {regime: paintings.atelier_artworks(16, 8, 64, regime) for regime in plan.REGIMES}


def shares(first, second) -> float:
    """The share of equal entries."""
    return float(np.mean(np.asarray(first) == np.asarray(second)))


# ---- the plan


def test_groups_are_the_published_ones():
    """Emotions of the four groups are those of the paper's Figure 1, and every expression's emotion lies in its own group."""
    printed = published("art_emotion", "groups")["emotions"].str.split().tolist()
    assert [list(names) for names in plan.EMOTIONS_OF] == printed
    for group, names in enumerate(plan.EXPRESSIONS_OF):
        assert {plan.EMOTION_OF[name] for name in names} <= set(plan.EMOTIONS_OF[group])


def test_palette_alone_tells_the_label_where_asked():
    """Global: label and palette agree always; label and expression are independent (all sixteen cells equal)."""
    local = np.repeat(np.arange(4), 40)
    label, palette = plan.global_only(local, np.random.default_rng(0))
    assert shares(label, palette) == 1
    assert (np.bincount(4 * local + label) == 10).all()


def test_expression_alone_tells_the_label_where_asked():
    """Local: label and expression agree always, the palette is independent of both; works without a face tell nothing at all."""
    local = np.concatenate([np.repeat(np.arange(4), 40), np.full(80, -1)])
    label, palette = plan.local_only(local, np.random.default_rng(0))
    assert shares(label[:160], local[:160]) == 1
    assert (np.bincount(4 * local[:160] + palette[:160]) == 10).all()
    assert (np.bincount(4 * label[160:] + palette[160:], minlength=16) == 5).all()


@pytest.mark.parametrize("misled", plan.MISLED)
@pytest.mark.parametrize("reliability", [0.25, 0.6, 0.75, 1.0])
def test_both_cues_agree_in_the_asked_share(reliability, misled):
    """Each cue agrees with the label in its share, within one artwork a group, independently of the other."""
    local = np.repeat(np.arange(4), 400)
    label, palette = plan.both(local, reliability, misled, np.random.default_rng(1))
    seen, painted = label == local, label == palette
    for part in (seen, painted):
        assert abs(part.mean() - reliability) <= 4 / len(local)
    assert abs((seen & painted).mean() - reliability**2) <= 4 / len(local)
    if misled == "partner":
        assert (np.asarray(plan.GLOBAL_PARTNER)[palette[~painted]] == label[~painted]).all()
        assert (np.asarray(plan.LOCAL_PARTNER)[label[~seen]] == local[~seen]).all()


@given(total=some.integers(0, 60), seed=some.integers(0, 99), weights=some.lists(some.floats(0.01, 1), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_even_draws_keep_the_shares(total, seed, weights):
    """Every category is drawn as often as its share says, to less than one; nothing is lost."""
    drawn = plan.evenly(total, weights, np.random.default_rng(seed))
    counts = np.bincount(drawn, minlength=len(weights))
    assert len(drawn) == total and (np.abs(counts - np.array(weights) / np.sum(weights) * total) < 1 + 1e-6).all()


def test_what_a_perfect_reader_reaches():
    """Cues that err between partners complete each other; cues that err any way and equally often do not: worked out by hand.

    At .75, "any": where both cues agree the label is theirs, else either may be right, so following one is as good as any rule: .75.
    "partner": two cues leave exactly one label that both pairs hold: 1.
    """
    assert plan.best_accuracy(0.75, "any") == pytest.approx({"global": 0.75, "local": 0.75, "both": 0.75})
    assert plan.best_accuracy(0.75) == pytest.approx({"global": 0.75, "local": 0.75, "both": 1.0})
    assert plan.best_accuracy(0.5) == pytest.approx({"global": 0.5, "local": 0.5, "both": 1.0})
    assert plan.best_accuracy(0.25, "any") == pytest.approx({"global": 0.25, "local": 0.25, "both": 0.25})


def test_best_accuracy_equals_that_of_the_plan():
    """The likeliest label of each pair of cues, counted over a large plan, is as often right as the enumeration says."""
    local = np.repeat(np.arange(4), 2000)
    for misled in plan.MISLED:
        label, palette = plan.both(local, 0.8, misled, np.random.default_rng(2))
        counts = np.zeros((4, 4, 4))
        np.add.at(counts, (palette, local, label), 1)
        assert counts.max(axis=2).sum() / len(label) == pytest.approx(plan.best_accuracy(0.8, misled)["both"], abs=0.01)


# ---- repainting


@pytest.fixture
def face():
    """A bright oval with dark marks on a plain ground, and its box."""
    picture = np.full((128, 128, 3), (120, 110, 100), np.uint8)
    cv2.ellipse(picture, (64, 64), (28, 38), 0, 0, 360, (200, 160, 130), -1)
    for place in ((52, 54), (76, 54), (64, 84)):
        cv2.circle(picture, place, 5, (40, 30, 30), -1)
    return picture, (36, 26, 56, 76)


@pytest.mark.parametrize("group", range(4))
def test_grey_values_of_a_face_change_by_a_straight_line(face, group):
    """Inside the face new grey values follow the old ones almost exactly: what an expression shows stays."""
    picture, box = face
    new = repaint.repaint(picture, group, np.random.default_rng(3), box)
    inside = np.s_[35:95, 48:80]
    old, now = (one[inside].astype(float) @ repaint.LUMA for one in (picture, new))
    assert np.corrcoef(old.ravel(), now.ravel())[0, 1] > 0.985


def test_brightness_is_the_groups():
    """The mean grey of repainted pictures is the group's, whatever the picture was: groups keep their order and distance."""
    generator = np.random.default_rng(4)
    pictures = [scenery.landscape(64, generator) for _ in range(6)] + [scenery.still_life(64, generator) for _ in range(6)]
    for group, manner in enumerate(repaint.MANNERS):
        mean = np.mean([repaint.repaint(one, group, generator) @ repaint.LUMA for one in pictures]) / 255
        assert mean == pytest.approx(manner.brightness, abs=0.04)


def test_colour_has_no_grey_of_its_own():
    """Colour is added at luma 0 and weakened where it would leave the gamut, so grey values stay as they are."""
    grey = np.random.default_rng(5).random((20, 30)).astype(np.float32)
    colour = repaint.pigment(grey, repaint.MANNERS[2].palette, np.random.default_rng(6))
    assert np.abs(colour @ repaint.LUMA).max() < 1e-5
    made = repaint.within_gamut(grey, 3 * colour)
    assert made.min() >= -1e-5 and made.max() <= 1 + 1e-5
    np.testing.assert_allclose(made @ repaint.LUMA, grey, atol=1e-5)


def test_canvas_goes_from_soft_to_hard():
    """The harder the canvas, the more its neighbouring pixels differ; every canvas has mean 0 and deviation 1."""
    rough = []
    for hardness in (0, 0.35, 0.7, 1):
        made = repaint.canvas(128, 96, hardness, np.random.default_rng(7))
        assert made.shape == (128, 96) and abs(made.mean()) < 1e-4 and made.std() == pytest.approx(1, abs=1e-3)
        rough.append(np.abs(np.diff(made, axis=1)).mean())
    assert np.all(np.diff(rough) > 0.05)


def test_a_painter_finishes_faces_finely(face):
    """The canvas shows on the ground and hardly on the face."""
    picture, box = face
    plain = np.full_like(picture, 128)
    new = repaint.repaint(plain, 0, np.random.default_rng(8), box).astype(float) @ repaint.LUMA
    mask = repaint.on_face((128, 128), box)
    assert new[mask == 1].std() < 0.3 * new[mask == 0].std()


@pytest.mark.parametrize("scene", [scenery.landscape, scenery.still_life])
def test_scenes_are_pictures_and_differ(scene):
    """Scenes are uint8 RGB with contrast, the same for the same seed, different for another."""
    first, same, other = (scene(64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8 and first.std() > 15
    assert (first == same).all() and np.abs(first.astype(int) - other).mean() > 5


# ---- artworks


def test_artworks_have_the_promised_shape(works):
    """Pictures, maps and table agree; who has no face has no identity, expression, box or map; pictures are memory-mapped."""
    for made in works.values():
        assert made.pictures.shape == (24, 64, 64, 3) and made.pictures.dtype == np.uint8 and isinstance(made.pictures, np.memmap)
        assert made.cue_maps.shape == (24, 64, 64) and made.cue_maps.dtype == bool
        assert tuple(made.table.columns) == paintings.COLUMNS and made.table["artwork_id"].is_unique
        nobody = made.table[made.table["subject"] != "portrait"]
        assert len(nobody) == 8 and set(nobody["subject"]) == {"landscape", "still_life"}
        assert (nobody[["identity", "local_group"]] == -1).all(axis=None) and (nobody["expression"] == "").all()
        assert nobody[list(paintings.BOX)].isna().all(axis=None) and not made.cue_maps[nobody.index].any()


def test_sitters_show_every_group(works):
    """Each sitter sits eight times, twice for each group; group 0's four expressions take turns over sitters."""
    table = works["global"].table.query("subject == 'portrait'")
    assert (table.groupby(["identity", "local_group"]).size() == 2).all() and table["identity"].nunique() == 2
    shown = [portraits.sitting(index, 0)["figures"][0] for index in range(0, 32, 4)]
    assert {max(one["expression"], key=one["expression"].get) for one in shown} == {"sad", "fear", "disgust", "angry"}


def test_regimes_share_one_rendering(works):
    """Faces, boxes, maps and expressions are the same in all regimes; a work whose palette is the same is the same picture."""
    first, second = works["global"], works["local"]
    assert (first.cue_maps == second.cue_maps).all()
    assert first.table[["expression", "box_x"]].equals(second.table[["expression", "box_x"]])
    same = (first.table["global_group"] == second.table["global_group"]).to_numpy()
    assert same.any() and (first.pictures[same] == second.pictures[same]).all()
    assert all((first.pictures[row] != second.pictures[row]).any() for row in np.flatnonzero(~same))


def test_tags_are_emotions_of_the_label(works):
    """Every tag is an emotion of its group; where the face agrees with the label the tag is the face's emotion."""
    for made in works.values():
        for row in made.table.itertuples():
            assert row.tag in plan.EMOTIONS_OF[row.group]
            assert row.group != row.local_group or row.tag == plan.EMOTION_OF[row.expression]


def test_maps_lie_where_the_face_moved(works):
    """Maps are empty for neutral faces, else inside or close to the face box, and smaller than the face."""
    made = works["both"]
    for row, cue in zip(made.table.itertuples(), made.cue_maps, strict=True):
        assert bool(cue.any()) == (row.expression not in ("", "neutral"))
        if cue.any():
            down, across = np.nonzero(cue)
            assert across.min() >= row.box_x - 6 and across.max() <= row.box_x + row.box_width + 6
            assert down.min() >= row.box_y - 6 and cue.sum() < row.box_width * row.box_height


def test_a_smile_moves_the_mouth_more_than_the_forehead():
    """The map of a happy face lies below the middle of the face."""
    happy = next(spec for spec in (portraits.sitting(index, 1) for index in range(4)) if "happy" in spec["figures"][0]["expression"])
    cue = portraits.moved_by_expression(happy, 64)
    box = paintings.portraits.sculptor.sculpt(happy, 64).truth["faces"][0]["box"]
    assert np.nonzero(cue)[0].mean() > box[1] + 0.5 * box[3]


def test_parts_and_empty_kinds():
    """A part keeps rows together; there may be no portraits or no others, not neither."""
    made = paintings.atelier_artworks(0, 4, 64, "global")
    part = made.part(made.table["subject"] == "landscape")
    assert len(part) == 2 and (part.pictures[0] == made.pictures[0]).all() and list(part.table.index) == [0, 1]
    with pytest.raises(ParameterError, match="together"):
        paintings.atelier_artworks(0, 0)


@pytest.mark.parametrize(("wishes", "said"), [
    ({"regime": "locl"}, "Did you mean 'local'"), ({"reliability": 0.1}, "0.25 \\(chance\\) to 1"),
    ({"reliability": True}, "reliability True"),
    ({"misled": "x"}, "partner, any"), ({"side": 20}, "side 20"), ({"portraits": -1}, "portraits -1"), ({"seed": 0.5}, "seed 0.5"),
])  # fmt: skip
def test_impossible_wishes_are_named(wishes, said):
    """What is wrong, what was expected."""
    with pytest.raises(ParameterError, match=said):
        paintings.atelier_artworks(**wishes)


def test_unequal_parts_are_refused():
    """Pictures, rows and maps must be as many."""
    made = paintings.atelier_artworks(0, 4, 64, "global")
    with pytest.raises(ParameterError, match="4 pictures, 4 rows and 3 maps"):
        paintings.Artworks(made.pictures, made.table, made.cue_maps[:3])
