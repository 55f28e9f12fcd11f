"""Heat maps against masks: overlaps counted by hand, chance against its own average, planted evidence, and what cannot be measured."""

from itertools import permutations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_otsu
from sklearn.metrics import precision_recall_fscore_support

from lib.compendium.errors import ParameterError
from lib.explain import ekman
from lib.explain.ekman import EMOTIONS, SHAPE
from lib.explain.standardise import STANDARD
from lib.expressions import ACTION_UNIT_TABLES
from tests.explain import published


def box(rows, columns):
    """Return a mask of the standard face with a rectangle, as slices."""
    mask = np.zeros(SHAPE, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def bump(x, y, width=20.0):
    """Return a smooth heat map with its maximum at a point of the standard face."""
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)).astype(np.float32)


# ---- masks


def test_every_expression_has_a_mask_on_both_sides():
    """Six masks, each the regions of the study's units, between a tenth and a half of the canvas, and alike on both sides."""
    masks = ekman.masks()
    assert list(masks) == list(EMOTIONS)
    for name, mask in masks.items():
        assert mask.shape == SHAPE and mask.dtype == bool and 0.1 < mask.mean() < 0.5
        units = [ekman.unit_mask(unit) for unit in ACTION_UNIT_TABLES["lime_ekman"][name]]
        assert np.array_equal(mask, np.any(units, axis=0))
        middle = round(STANDARD[27:31, 0].mean())
        assert mask[:, :middle].sum() == pytest.approx(mask[:, middle:].sum(), rel=0.15)


@pytest.mark.parametrize(("unit", "inside", "outside"), [
    (1, (22, 23), (18, 31, 9)), (2, (19, 26), (31, 9)), (4, (20, 22, 28), (31, 49)), (5, (38, 45), (31, 49)), (6, (42, 47), (31, 52, 22)),
    (7, (38, 42), (31, 20)), (9, (30, 31, 28), (49, 20)), (12, (49, 55), (31, 9, 38)), (15, (49, 55, 60), (31, 52)),
    (20, (49, 55), (31, 9)), (23, (52, 58, 49), (9, 31)), (26, (58, 9), (31, 38)),
])  # fmt: skip
def test_a_unit_shows_where_its_muscle_is(unit, inside, outside):
    """The landmarks that a unit moves lie in its region, others do not: brows, nose, corners of the mouth, chin."""
    def at(landmark):
        x, y = STANDARD[landmark - 1].astype(int)
        return ekman.unit_mask(unit)[y, x]

    assert all(map(at, inside)) and not any(map(at, outside))


def test_the_mirror_is_one():
    """Twice mirrored is where it was, and on the standard face the mirror image lies on the other side at the same height."""
    assert sorted(ekman.MIRROR) == sorted(ekman.MIRROR.values()) == list(range(1, 69))
    for number, other in ekman.MIRROR.items():
        assert ekman.MIRROR[other] == number
        first, second = STANDARD[number - 1], STANDARD[other - 1]
        assert abs(first[1] - second[1]) < 7 and abs((first[0] + second[0]) / 2 - 111.5) < 4


def test_units_and_tables_without_regions():
    """A unit without a region and an unknown table are named; a mask cannot be changed by its user."""
    with pytest.raises(ParameterError, match="Action Unit 99"):
        ekman.unit_mask(99)
    with pytest.raises(ParameterError, match="[16].*no region"):
        ekman.masks("emfacs")
    with pytest.raises(ValueError):
        ekman.unit_mask(1)[0, 0] = True


def test_our_masks_lie_where_the_authors_do():
    """Over all six, our masks agree with the authors' better than chance would: they share no drawing, but they share the face."""
    theirs, ours = published.real().masks, ekman.masks()
    overlaps = {name: ekman.iou(theirs[name], ours[name]) for name in EMOTIONS}
    chance = {name: ekman.iou_of_random_pixels(theirs[name], int(ours[name].sum())) for name in EMOTIONS}
    assert all(overlaps[name] > chance[name] for name in EMOTIONS) and np.mean(list(overlaps.values())) > 0.4
    assert {name: round(float(theirs[name].mean()), 4) for name in EMOTIONS} == dict(
        zip(EMOTIONS, (0.2496, 0.2345, 0.3000, 0.2144, 0.3091, 0.2372), strict=True))  # fmt: skip


# ---- overlaps and thresholds


def test_overlaps_counted_by_hand():
    """Of two rectangles with a third of both in common: IoU 1/3, and the others by their definitions."""
    assert ekman.overlap(box((0, 20), (0, 10)), box((10, 30), (0, 10))) == pytest.approx(
        {"iou": 1 / 3, "f1": 1 / 2, "precision": 1 / 2, "recall": 1 / 2})  # fmt: skip
    same = box((3, 9), (4, 50))
    assert ekman.overlap(same, same) == dict.fromkeys(ekman.MEASURES, 1.0) and ekman.iou(same, ~same) == ekman.f1(same, ~same) == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
@settings(max_examples=20, deadline=None)
def test_overlaps_are_scikit_learns(seed, first, second):
    """F1, precision and recall are scikit-learn's, IoU follows from F1, and the order of the two masks is all that precision notices."""
    generator = np.random.default_rng(seed)
    mask, found = generator.random((12, 15)) < first, generator.random((12, 15)) < second
    mask[0, 0] = found[0, 0] = True
    precision, recall, f1, _ = precision_recall_fscore_support(mask.ravel(), found.ravel(), average="binary")
    measured, turned = ekman.overlap(mask, found), ekman.overlap(found, mask)
    assert measured == pytest.approx({"iou": f1 / (2 - f1), "f1": f1, "precision": precision, "recall": recall})
    assert (turned["iou"], turned["precision"], turned["recall"]) == (measured["iou"], measured["recall"], measured["precision"])


def test_nothing_to_divide_by():
    """Two empty masks have no overlap to speak of; an empty map has no precision but an overlap of 0."""
    nothing, something = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    assert all(np.isnan(value) for value in ekman.overlap(nothing, nothing).values())
    measured = ekman.overlap(something, nothing)
    assert measured["iou"] == measured["f1"] == measured["recall"] == 0 and np.isnan(measured["precision"])


@pytest.mark.parametrize(("mask", "found"), [(np.zeros((275, 224), bool), np.zeros((224, 275), bool)),
                                             (np.zeros((5, 5), bool), np.zeros((5, 5), np.uint8))])  # fmt: skip
def test_masks_of_another_size_or_type(mask, found):
    """Masks of two sizes, and what is no mask, are refused with both shapes."""
    with pytest.raises(ParameterError, match=r"one of size|of one size, bool") as caught:
        ekman.iou(mask, found)
    assert str(found.shape) in str(caught.value) and str(found.dtype) in str(caught.value)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_otsu_is_scikit_images(seed):
    """The threshold divides the map as well as scikit-image's; numbers of any range are first stretched."""
    generator = np.random.default_rng(seed)
    grey = np.concatenate([generator.normal(70, 20, 900), generator.normal(170, 25, 600)]).clip(0, 255).astype(np.uint8).reshape(30, 50)

    def between(level):  # the variance between the two classes, which Otsu's threshold makes as large as can be
        low, high = grey[grey <= level], grey[grey > level]
        return low.size * high.size * (low.mean() - high.mean()) ** 2

    assert between(ekman.otsu(grey)) == pytest.approx(between(threshold_otsu(grey)), rel=1e-6)
    assert np.array_equal(ekman.threshold(grey), grey > ekman.otsu(grey))
    numbers = grey.astype(np.float64) / 51 - 3
    assert np.array_equal(ekman.threshold(numbers), ekman.threshold(ekman.stretched(numbers)))


def test_a_flat_map_finds_nothing():
    """A map that is all one value has no evidence anywhere, however high it is."""
    for flat in (np.full((4, 5), 200, np.uint8), np.full((4, 5), 0.3), np.zeros((4, 5))):
        assert not ekman.threshold(flat).any() and not ekman.stretched(flat).any()


def test_stretching_cuts_off():
    """The lowest value becomes 0, the highest 255, and what lies between is cut off, not rounded."""
    assert ekman.stretched(np.array([[-1.0, 0.0, 1.0]])).tolist() == [[0, 127, 255]]


@pytest.mark.parametrize("heat", [np.full((3, 3), np.nan), np.zeros((2, 3, 3)), np.zeros((0, 4))])
def test_what_is_no_heat_map(heat):
    """Numbers that are not finite, a stack and nothing at all are refused."""
    with pytest.raises(ParameterError, match="heat map"):
        ekman.threshold(heat)


# ---- chance, and exact maps


def test_random_pixels_have_the_expected_overlap():
    """The formula is what scattered pixels really reach on average."""
    mask = box((50, 150), (20, 120))
    generator, drawn = np.random.default_rng(0), []
    for _ in range(40):
        found = np.zeros(mask.size, bool)
        found[generator.permutation(mask.size)[:12_000]] = True
        drawn.append(ekman.iou(mask, found.reshape(SHAPE)))
    assert ekman.iou_of_random_pixels(mask, 12_000) == pytest.approx(np.mean(drawn), abs=0.002)
    assert ekman.iou_of_random_pixels(np.zeros((2, 2), bool), 0) != ekman.iou_of_random_pixels(np.zeros((2, 2), bool), 0)  # NaN


def test_random_segments_counted_pixel_by_pixel():
    """The overlap of random maps is that of the mask of their best segments; a segment that fits in part counts in part."""
    mask, scores = box((50, 150), (20, 120)), ekman.random_scores(6, 30, 3)
    assert scores.shape == (6, *SHAPE) and not scores.flags.writeable
    assert [len(np.unique(score)) for score in scores] == [30] * 6
    for draw, score in enumerate(scores):
        found = score > 245  # the ten best
        assert ekman.iou_of_random_segments(mask, int(found.sum()), scores)[draw] == pytest.approx(ekman.iou(mask, found))
        larger = score > 244
        between = (found.sum() + larger.sum()) // 2
        low, high = ((mask & part).sum() for part in (found, larger))
        both = low + (high - low) * (between - found.sum()) / (larger.sum() - found.sum())
        assert ekman.iou_of_random_segments(mask, int(between), scores)[draw] == pytest.approx(both / (between + mask.sum() - both))
    assert np.all(ekman.iou_of_random_segments(mask, 0, scores) == 0)
    assert ekman.iou_of_random_segments(mask, mask.size, scores) == pytest.approx(np.full(6, mask.mean()))
    assert ekman.random_scores(6, 30, 4).tobytes() != scores.tobytes() == ekman.random_scores(6, 30, 3).tobytes()


def test_random_segments_are_where_random_pixels_are():
    """On average random segments meet a mask as often as random pixels do, but with far more spread."""
    mask = box((60, 200), (40, 180))
    drawn = ekman.iou_of_random_segments(mask, 15_000, ekman.random_scores(60, 30, 0))
    assert drawn.mean() == pytest.approx(ekman.iou_of_random_pixels(mask, 15_000), abs=0.03) and drawn.std() > 0.03


def test_area_matched_takes_the_highest():
    """Exactly as many pixels as asked, the highest ones; none and all are allowed, more are not."""
    score = np.array([[3, 1, 2], [2, 5, 2]])
    assert ekman.area_matched(score, 3).tolist() == [[True, False, True], [False, True, False]]
    assert not ekman.area_matched(score, 0).any() and ekman.area_matched(score, 6).all()
    with pytest.raises(ParameterError, match="area 7"):
        ekman.area_matched(score, 7)
    centre = ekman.area_matched(ekman.centre_prior(), 20_000)
    assert centre[137, 112] and np.array_equal(centre, centre[::-1, ::-1]) and not centre[0].any()


def test_the_face_prior_leaves_the_expression_out():
    """What is looked at whatever the expression is the mean of the other expressions' maps; of one expression alone, its own."""
    heats = {("a", "fear"): bump(50, 50), ("a", "sad"): bump(150, 200), ("b", "sad"): 7 * bump(150, 200)}
    assert ekman.face_prior(heats, "fear") == pytest.approx(ekman.stretched(bump(150, 200)).astype(float), abs=1)
    assert np.unravel_index(ekman.face_prior({("a", "fear"): bump(50, 60)}, "fear").argmax(), SHAPE) == pytest.approx((60, 50), abs=1)


@pytest.mark.parametrize(("observed", "chance", "expected"), [(0.2, 0.2, 0), (1, 0.2, 1), (0.6, 0.2, 0.5), (0.1, 0.2, -0.125)])
def test_correction_for_chance(observed, chance, expected):
    """0 at chance, 1 for the same places, straight between, negative below; NaN where chance leaves no room."""
    assert ekman.corrected(observed, chance) == pytest.approx(expected)
    assert np.isnan(ekman.corrected(0.5, 1.0))
    assert ekman.corrected(np.array([0.2, 1]), np.array([0.2, 0.2])).tolist() == pytest.approx([0, 1])


def test_overlaps_of_what_moved():
    """An exact map is the mean planted map, thresholded; where nothing moved there is none."""
    masks = {"fear": box((50, 100), (50, 100)), "sad": box((0, 10), (0, 10))}
    planted = {"fear": np.stack([box((50, 100), (50, 75)), box((50, 100), (75, 100))]).astype(float), "sad": np.zeros((2, *SHAPE))}
    found = ekman.exact_overlaps(planted, masks)
    assert found["fear"] == 1 and np.isnan(found["sad"])
    assert np.isnan(ekman.exact_overlaps({"sad": np.zeros((0, *SHAPE))}, masks)["sad"])
    assert ekman.exact_overlaps({"fear": planted["fear"][0]}, masks)["fear"] == 0.5 and ekman.exact_overlaps({}, masks) == {}


def test_alignment_of_a_network_that_looks_there_and_of_one_that_does_not():
    """A map of the mask itself is far beyond chance, one of the opposite corner below it; area, p and the exact map's overlap are told."""
    masks = {"fear": box((150, 230), (30, 110)), "sad": box((20, 100), (120, 200))}
    heats = {("good", name): cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3) for name, mask in masks.items()}
    heats |= {("bad", "fear"): heats["good", "sad"], ("bad", "sad"): heats["good", "fear"]}
    table = ekman.alignment(heats, masks, {"fear": 0.95}, draws=60).set_index(["network", "expression"])
    good, bad = table.loc["good", "fear"], table.loc["bad", "fear"]
    assert good["iou"] > 0.9 and good["p"] == pytest.approx(1 / 61) and good["corrected"] > 0.9 and good["exact"] == 0.95
    assert bad["iou"] == 0 and bad["p"] == 1 and bad["corrected"] < 0
    assert good["area"] == pytest.approx(good["mask_area"], abs=0.01) and np.isnan(table.loc["good", "sad"]["exact"])
    assert good["chance_segments"] == pytest.approx(good["chance_pixels"], abs=0.06)


def test_a_map_that_finds_nothing_is_not_at_chance():
    """An empty map and a flat one have no p and no corrected agreement; others in the table keep theirs."""
    mask = {"fear": box((50, 120), (50, 120))}
    heats = {("empty", "fear"): np.zeros(SHAPE), ("flat", "fear"): np.full(SHAPE, 0.4), ("there", "fear"): bump(80, 80)}
    table = ekman.alignment(heats, mask, draws=20).set_index("network")
    assert table.loc[["empty", "flat"], ["p", "corrected"]].isna().all(axis=None) and (table.loc[["empty", "flat"], "area"] == 0).all()
    assert table.loc["there", ["p", "corrected"]].notna().all()


def test_alignment_by_fold_and_against_another_chance():
    """Keys with a fold keep it, and the chance that is corrected for can be chosen."""
    heats = {("a", fold, "fear"): bump(60 + 40 * fold, 140) for fold in (1, 2)}
    table = ekman.alignment(heats, {"fear": box((100, 180), (60, 140))}, against="centre", draws=5)
    assert table["fold"].tolist() == [1, 2] and table["exact"].isna().all()
    assert table["corrected"].to_numpy() == pytest.approx(ekman.corrected(table["iou"], table["chance_centre"]))


# ---- what is the expression's own


def face_masks():
    """Return planted places as the atelier's are: our masks of the six expressions, which have much of the face in common."""
    return ekman.masks()


def noisy(mask, generator, share=0.5):
    """Return a blurred map of a mask mixed with as many random segments, as LIME's mean maps are."""
    noise = ekman.random_scores(1, 30, int(generator.integers(2**31)))[0] / 255
    return cv2.GaussianBlur(((1 - share) * mask + share * noise).astype(np.float32), (0, 0), 8)


def test_maps_of_their_own_expression_are_told_from_maps_of_the_face():
    """A network that follows its own expression is beyond all but a few of the 720 deals; a face prior, however well it meets the masks,
    has exactly nothing of its own; maps dealt out wrongly have less than nothing."""
    masks, generator = face_masks(), np.random.default_rng(3)
    prior = cv2.GaussianBlur(np.mean(list(masks.values()), axis=0), (0, 0), 5)
    heats = {("own", name): noisy(mask, generator) for name, mask in masks.items()} | {("prior", name): prior for name in EMOTIONS}
    heats |= {("wrong", name): heats["own", EMOTIONS[(place + 1) % 6]] for place, name in enumerate(EMOTIONS)}
    table = ekman.specific(heats, masks).set_index("network")
    assert table.loc["own", "p"] <= 3 / 720 and table.loc["own", "specific"] > 0.15 and (table["expressions"] == 6).all()
    assert table.loc["prior", "specific"] == pytest.approx(0, abs=1e-12) and table.loc["prior", "p"] == 1
    assert table.loc["prior", "own"] > 0.4 and np.abs(table.loc["prior", list(EMOTIONS)].astype(float)).max() < 1e-12
    assert table.loc["wrong", "specific"] < 0 and table.loc["wrong", "p"] > 0.5


def test_own_and_others_counted_by_hand():
    """Own is the mean overlap with the expression's mask, others that with all other masks; parts of expressions have specific as mean."""
    masks, generator = face_masks(), np.random.default_rng(5)
    heats = {("a", 2, name): noisy(mask, generator, 0.7) for name, mask in masks.items()}
    row = ekman.specific(heats, masks).iloc[0]
    overlaps = [[ekman.iou(masks[one], ekman.threshold(heats["a", 2, other])) for one in EMOTIONS] for other in EMOTIONS]
    own = [overlaps[place][place] for place in range(6)]
    assert row["fold"] == 2 and row["own"] == pytest.approx(np.mean(own))
    assert row["others"] == pytest.approx((np.sum(overlaps) - np.sum(own)) / 30)
    assert row["specific"] == pytest.approx(row["own"] - row["others"])
    assert row[list(EMOTIONS)].mean() == pytest.approx(row["specific"])
    dealt = [np.mean([overlaps[order[place]][place] for place in range(6)]) for order in permutations(range(6))]
    assert row["p"] == pytest.approx(np.mean(np.array(dealt) >= row["own"] - 1e-12)) and np.mean(dealt) == pytest.approx(np.mean(overlaps))


def test_maps_that_know_nothing_are_at_chance():
    """Random maps, and good maps dealt out at random as shuffled labels are: on average nothing is their own, and p is even."""
    masks, generator = face_masks(), np.random.default_rng(7)
    heats = {}
    for draw in range(60):
        order = generator.permutation(6)
        for place, name in enumerate(EMOTIONS):
            heats[f"random {draw}", name] = noisy(masks[name], generator, 1.0)
            heats[f"dealt {draw}", name] = noisy(masks[EMOTIONS[order[place]]], generator)
    table = ekman.specific(heats, masks)
    for kind in ("random", "dealt"):
        mine = table[table["network"].str.startswith(kind)]
        assert abs(mine["specific"].mean()) < 2.6 * mine["specific"].std() / np.sqrt(60)
        assert 0.4 < mine["p"].mean() < 0.62 and (mine["p"] < 0.05).mean() <= 0.13


def test_expressions_without_a_map_are_left_out():
    """Those that find nothing do not count; with fewer than four left nothing is said."""
    masks, generator = face_masks(), np.random.default_rng(9)
    heats = {("a", name): noisy(mask, generator) for name, mask in masks.items()} | {("a", "sad"): np.zeros(SHAPE)}
    five = ekman.specific(heats, masks).iloc[0]
    assert five["expressions"] == 5 and five["p"] <= 5 / 120 and np.isnan(five["sad"])
    few = ekman.specific({key: heat for key, heat in heats.items() if key[1] in EMOTIONS[:3]}, masks).iloc[0]
    assert few["expressions"] == 3 and few[["own", "others", "specific", "p"]].isna().all()
    with pytest.raises(ParameterError, match="no mask"):
        ekman.specific({("a", "joy"): bump(9, 9)}, masks)


def test_the_published_overlaps_are_hardly_the_expressions_own():
    """Laid over the masks of other expressions, the authors' maps overlap nearly as much; no network is beyond a twentieth of deals."""
    found = published.real()
    table = ekman.specific(found.of_networks(), found.masks)
    assert table["own"].mean() == pytest.approx(0.2689, abs=1e-4) and table["others"].mean() == pytest.approx(0.2614, abs=1e-3)
    assert (table["p"] > 0.05).all()


def test_noise_is_at_chance():
    """Maps of random segments, as a network without knowledge would give, are at chance on average, and p is even."""
    scores = ekman.random_scores(40, 30, 99)
    table = ekman.alignment({(draw, "fear"): score for draw, score in enumerate(scores)}, {"fear": ekman.masks()["fear"]}, draws=100)
    assert abs(table["corrected"].mean()) < 0.06 and 0.3 < table["p"].mean() < 0.7


def test_what_alignment_cannot_do():
    """An expression without a mask, another size and an unknown chance are named."""
    mask = {"fear": box((0, 9), (0, 9))}
    with pytest.raises(ParameterError, match="no mask.*fear"):
        ekman.alignment({("a", "joy"): bump(9, 9)}, mask, draws=2)
    with pytest.raises(ParameterError, match=r"\(224, 224\)"):
        ekman.alignment({("a", "fear"): np.eye(224)}, mask, draws=2)
    with pytest.raises(ParameterError, match="'luck'.*pixels, segments"):
        ekman.alignment({("a", "fear"): bump(9, 9)}, mask, against="luck")
    with pytest.raises(ParameterError, match="0 draws"):
        ekman.random_scores(0)
    with pytest.raises(ParameterError, match="random maps"):
        ekman.iou_of_random_segments(np.zeros((3, 3), bool), 2)


def test_the_middle_of_the_canvas_beats_the_networks():
    """On the authors' maps and masks an ellipse in the middle overlaps more than the networks do, and the other expressions' maps nearly as
    much: the published .27 owes most of itself to where a face lies."""
    found = published.real()
    table = ekman.alignment(found.of_networks(), found.masks)
    means = table.mean(numeric_only=True)
    assert means["iou"] == pytest.approx(0.2689, abs=1e-4)
    assert means["chance_segments"] < means["chance_face"] < means["iou"] < means["chance_centre"]


# ---- figures


def test_figures_are_drawn():
    """A panel an expression, a row a network; a network without a map of an expression leaves its place empty."""
    masks = ekman.masks()
    figure = ekman.masks_figure(masks, masks)
    assert [axes.get_title() for axes in figure.axes] == list(EMOTIONS) and "IoU 1.00" in figure.axes[0].get_xlabel()
    heats = {("a", "fear"): bump(9, 9), ("a", "sad"): bump(9, 99), ("b", "sad"): bump(99, 9)}
    grid = ekman.grid_figure(heats, {"a": "Network A"}, masks)
    with pytest.raises(ParameterError, match="no heat maps"):
        ekman.grid_figure({})
    assert len(grid.axes) == 4 and grid.axes[0].get_ylabel() == "Network A" and [len(axes.images) for axes in grid.axes] == [1, 1, 0, 1]
