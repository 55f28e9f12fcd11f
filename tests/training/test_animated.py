"""The study's GANimation: learned once and read ever after, judged by functions passed in; Fréchet and identity against closed forms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium import kept
from lib.compendium.errors import ParameterError, WeightsError
from lib.expressions import EXPRESSIONS
from lib.training import animated, faces, fitting, ganimation
from lib.training.faces import UNIT_COLUMNS, TrainingFaces

RNG = np.random.default_rng(11)
K = len(UNIT_COLUMNS)
SMALL = {"side": 16, "width": 4, "blocks": 1, "kernel": 3, "critic_width": 4, "critic_layers": 2, "deviation": None, "batch": 4,
         "rate": 1e-3, "critic_steps": 1, "epochs": 1, "constant": 1, "critic_first": 1, "shift": 1, "grain": 0.1, "tint": 0.1,
         "doubt": 0.1, "resized": True}  # fmt: skip


def some_faces(count: int = 8, unknown: int = 0) -> TrainingFaces:
    """Return made-up faces: noise with units; the first `unknown` without."""
    units = RNG.uniform(0, 5, (count, K))
    units[:unknown, 3] = np.nan
    table = pd.DataFrame({"subject": "one", "expression": "", **dict(zip(UNIT_COLUMNS, units.T, strict=True))})
    return TrainingFaces(RNG.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8), np.zeros((count, 68, 2), np.float32), table)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "models")
    return tmp_path / "models"


# ---- learning


@pytest.mark.slow
def test_a_generator_is_learned_once_and_read_with_the_same_answers(elsewhere, monkeypatch):
    given, wanted = some_faces(9, unknown=1), animated.Learning(network=ganimation.Settings(**SMALL))
    first = animated.trained_ganimation(wanted, given)
    monkeypatch.setattr(ganimation, "train", lambda *a, **k: pytest.fail("trained again"))
    again = animated.trained_ganimation(wanted, given)
    shown, asked = given.crops[:2, ::2, ::2], RNG.uniform(0, 5, (2, K)).astype(np.float32)
    one, other = (animated.animation.animate(trained.generator, shown, asked).pictures for trained in (first, again))
    assert np.array_equal(one, other) and list(again.history["epoch"]) == [1, 2]
    folder = next(elsewhere.glob("ganimation-*"))
    assert kept.record_of(folder)["faces"] == 8 and not kept.record_of(folder)["synthetic"]
    (folder / fitting.CHECKPOINT).unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        animated.trained_ganimation(wanted, given)


@pytest.mark.slow
def test_a_killed_learning_goes_on_where_it_was(elsewhere):
    """Interrupted after its first epoch; the second call makes one more epoch, not two, and the result is kept."""
    given, wanted, seen = some_faces(), animated.Learning(network=ganimation.Settings(**SMALL)), []

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        animated.trained_ganimation(wanted, given, interrupt)
    assert not list(elsewhere.glob("ganimation-*")) and len(list(elsewhere.glob(".ganimation-*.making"))) == 1
    animated.trained_ganimation(wanted, given, lambda done, total: seen.append(done))
    assert seen == [2] and len(list(elsewhere.glob("ganimation-*"))) == 1


def test_other_settings_or_other_faces_are_kept_apart(elsewhere, monkeypatch):
    monkeypatch.setattr(ganimation, "read", lambda folder, *a: folder.name)
    monkeypatch.setattr(ganimation, "train", lambda *a: ganimation.Trained(None, None, pd.DataFrame({"seconds": [1.0]}), None))
    given, wanted = some_faces(), animated.Learning(network=ganimation.Settings(**SMALL))
    other = wanted.model_copy(update={"network": wanted.network.model_copy(update={"seed": 1})})
    names = [animated.trained_ganimation(*asked) for asked in ((wanted, given), (other, given), (wanted, some_faces()), (wanted, given))]
    assert len(set(names)) == 3 and names[0] == names[3]


def test_faces_with_unknown_units_are_left_out_and_too_few_are_refused():
    wanted = animated.Learning(network=ganimation.Settings(**SMALL))
    pictures, units = animated.to_learn_from(wanted, some_faces(6, unknown=2))
    assert pictures.shape == (4, 16, 16, 3) and units.shape == (4, K) and np.isfinite(units).all()
    with pytest.raises(ParameterError, match="6 faces, 1 of which"):
        animated.to_learn_from(wanted, some_faces(6, unknown=5))


def test_the_demo_settings_can_be_changed_and_unknown_ones_are_refused():
    assert animated.demo().network == ganimation.Settings(**ganimation.DEMO) and animated.demo(epochs=2).network.epochs == 2
    with pytest.raises(ValueError, match="epoch_s"):
        animated.demo(epoch_s=2)
    with pytest.raises(ValueError, match="faces"):
        animated.Learning(faces=3)


def test_crops_shrink_by_averaging_areas():
    crops = RNG.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    small = animated.reduced(crops, 16)
    assert np.abs(small - crops.reshape(3, 16, 2, 16, 2, 3).mean(axis=(2, 4))).max() <= 1
    assert animated.reduced(crops, 32) is crops and animated.reduced(crops, 48).shape == (3, 48, 48, 3)
    assert animated.reduced(crops[:0], 16).shape == (0, 16, 16, 3)
    for wrong in (crops[..., :2], crops.astype(float), crops[0], crops[:, :16]):
        with pytest.raises(ParameterError, match="expected uint8"):
            animated.reduced(wrong, 16)


# ---- heads and wishes


def test_wishes_show_each_expression_as_often_as_asked_and_then_units_one_by_one():
    table = animated.wishes(2, 3, seed=4)
    assert list(table["expression"]) == [*EXPRESSIONS] * 2 + [""] * 3
    units = ganimation.check_units(table)
    assert (units[table["expression"] == "neutral"] < 1).all() and (units.max(axis=1)[table["expression"] == "surprise"] > 2).all()
    assert table.equals(animated.wishes(2, 3, seed=4)) and not table.equals(animated.wishes(2, 3, seed=5))
    assert animated.wishes(0, 0).empty
    with pytest.raises(ParameterError, match="free rows"):
        animated.wishes(1, -1)


@pytest.mark.slow
def test_heads_are_at_rest_and_the_matrix_says_where_a_crop_comes_from(elsewhere):
    """The piece is sculpted again and cut by the matrix: the crop; nobody of the faces to learn from sits."""
    from lib.collections import atelier
    from lib.faces import transforms

    found = animated.heads(2, seed=5, side=112)
    piece = atelier.sculpt(found.pieces[1], faces.PICTURE_SIDE)
    cut = transforms.Transform("crop", tuple(map(tuple, found.matrices[1])), 112, 112)
    assert np.abs(transforms.apply(piece.picture, cut).astype(int) - found.crops[1]).mean() < 0.5
    assert piece.truth["faces"][0]["identity"] == "animated-5-00001" and not any(piece.truth["faces"][0]["action_units"].values())
    half = animated.heads(2, seed=5, side=56)
    assert half.crops.shape == (2, 56, 56, 3) and np.allclose(half.boxes * 2, found.boxes)
    assert np.allclose(half.matrices[:, :2] * 2, found.matrices[:, :2])
    x, y, width, height = found.boxes[0]
    assert 20 < width < 140 and x < 56 < x + width and y < 56 < y + height


# ---- how true


@pytest.fixture(scope="module")
def painter():
    """Stand-in of a generator whose pictures show the first two units: as the red and the green of the lower half."""
    import keras

    picture, units = keras.Input((16, 16, 3), name="picture"), keras.Input((K,), name="units")
    keep = np.zeros((1, 16, 16, 1), "float32")
    keep[:, :8] = 1
    attention = picture[..., :1] * 0 + keep
    told = keras.layers.Reshape((16, 16, K))(keras.layers.RepeatVector(256)(units))
    colour = keras.ops.concatenate([told[..., :2] * 50, told[..., :1] * 0], axis=-1)
    made = attention * picture + (1 - attention) * colour
    return keras.Model({"picture": picture, "units": units}, {"picture": made, "attention": attention, "colour": colour})


def test_every_head_is_asked_everything_and_a_judge_who_sees_all_agrees(painter):
    heads = RNG.integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    asked = np.zeros((4, K), np.float32)
    asked[:, :2] = RNG.uniform(0, 5, (4, 2))
    boxes, told = np.arange(12.0).reshape(3, 4), []

    def judge(pictures, where):
        told.append(where)
        read = np.full((len(pictures), K), np.nan)
        read[:, :2] = pictures[:, 12, 8, :2] / 50
        return read

    found = animated.remeasured(painter, heads, asked, judge, boxes)
    assert list(found.head) == [0] * 4 + [1] * 4 + [2] * 4 and np.array_equal(told[0], boxes[found.head])
    assert np.allclose(found.requested, np.tile(asked, (3, 1))) and np.array_equal(found.made.pictures[5, :8], heads[1, :8])
    assert (found.fidelity["correlation"][:2] > 0.999).all() and found.fidelity["correlation"][2:].isna().all()
    assert found.mean == pytest.approx(found.fidelity.set_index("unit").loc[[1, 2], "correlation"].mean())
    assert animated.remeasured(painter, heads, asked, lambda pictures, where: judge(pictures, where)).head.shape == (12,)
    with pytest.raises(ParameterError, match="a judge that gives"):
        animated.remeasured(painter, heads, asked, lambda pictures, where: np.zeros((3, K)))


def test_the_frechet_distance_is_scipys_formula():
    """Against |m1 - m2|² + tr(A + B - 2 sqrtm(A B)) with scipy's matrix root, for full and for missing ranks."""
    from scipy.linalg import sqrtm

    one, other = RNG.normal(0, 1, (40, 6)) @ RNG.normal(0, 1, (6, 6)), RNG.normal(1, 2, (50, 6))
    means, spreads = [part.mean(axis=0) for part in (one, other)], [np.cov(part, rowvar=False) for part in (one, other)]
    expected = np.square(means[0] - means[1]).sum() + np.trace(sum(spreads) - 2 * np.real(sqrtm(spreads[0] @ spreads[1])))
    assert animated.frechet(one, other) == pytest.approx(expected, rel=1e-6)
    assert animated.frechet(other, one) == pytest.approx(expected, rel=1e-6)
    few = RNG.normal(0, 1, (4, 30))
    assert animated.frechet(few, few) == pytest.approx(0, abs=1e-9)
    assert animated.frechet(few, few + 2) == pytest.approx(30 * 4)  # only the means differ


@settings(max_examples=30, deadline=None)
@given(st.floats(-50, 50), st.floats(0.1, 10), st.floats(-50, 50), st.floats(0.1, 10))
def test_in_one_dimension_it_is_the_difference_of_means_and_of_deviations(a, s, b, t):
    base = np.array([-1.0, 0.0, 1.0])[:, None]  # of deviation 1
    assert animated.frechet(a + s * base, b + t * base) == pytest.approx((a - b) ** 2 + (s - t) ** 2, abs=1e-6, rel=1e-6)


def test_identity_is_the_distance_to_the_own_head_against_the_others():
    """On a line: heads at 0, 10 and 20; faces 1 and 4 off their own, and one that lies nearer to another head."""
    found = animated.identity_kept([[0.0], [10.0], [20.0]], [[1.0], [6.0], [12.0]], [0, 1, 2])
    assert found == {"own": pytest.approx((1 + 4 + 8) / 3), "others": pytest.approx((9 + 19 + 6 + 14 + 12 + 2) / 6),
                     "between": pytest.approx((10 + 20 + 10) / 3), "share": pytest.approx(2 / 3)}  # fmt: skip


def test_variety_is_one_for_faces_left_alone_and_nothing_for_a_collapse():
    heads = RNG.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    head = np.repeat(np.arange(3), 2)
    assert animated.variety(heads, heads[head], head) == {"people": pytest.approx(1), "wishes": 0}
    one = np.tile(heads[:2], (3, 1, 1, 1))  # the same two pictures whoever sits: the wishes show, the people do not
    spread = np.abs(heads[0].astype(float) - heads[1]).mean() / 2 / 255
    assert animated.variety(heads, one, head) == {"people": 0, "wishes": pytest.approx(spread)}
    with pytest.raises(ParameterError, match="as many pictures of each head"):
        animated.variety(heads, heads[head], head[::-1])


@pytest.mark.parametrize("first, second", [
    (np.zeros((1, 3)), np.zeros((4, 3))), (np.zeros((4, 3)), np.zeros((4, 2))), (np.zeros(4), np.zeros(4)),
    (np.full((4, 3), np.nan), np.zeros((4, 3))),
])  # fmt: skip
def test_features_that_cannot_be_compared_are_refused(first, second):
    with pytest.raises(ParameterError, match="two rows or more"):
        animated.frechet(first, second)


@pytest.mark.parametrize("head", [[0, 1], [0, 1, 3], [0, -1, 1]])
def test_numbers_of_heads_that_do_not_fit_are_refused(head):
    with pytest.raises(ParameterError, match="numbers of heads"):
        animated.identity_kept(np.zeros((3, 2)), np.zeros((3, 2)), head)
