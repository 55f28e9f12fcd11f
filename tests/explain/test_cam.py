"""Grad-CAM: the same maps in three ways, the traps of tf-keras-vis, checks with known answers, regions, figures."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from lib.compendium.errors import ParameterError
from lib.explain import cam
from lib.faces.detectors import silent
from lib.networks import backbones

with silent():
    import keras
    from keras import layers

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf-keras-vis and the tape need TensorFlow")
RNG = np.random.default_rng(0)


def pictures(side=64, count=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def lived(model, seed=0, prefix=""):
    """Give normalisations statistics as after training, so that no factor of the Jacobian is one by chance."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization) and layer.name.startswith(prefix):
            size = layer.gamma.shape
            layer.set_weights([rng.uniform(0.5, 2, size), rng.normal(0, 0.2, size), rng.normal(0, 0.2, size), rng.uniform(0.3, 2, size)])
    return model


@pytest.fixture(scope="module")
def custom():
    return lived(backbones.build("custom", 64, alpha=0.25, hidden=24, dropout=0.2))


def by_tape(model, crops, number, name, linear=True):
    """Grad-CAM after the paper's equations 1 and 2, with TensorFlow's own gradients."""
    import tensorflow as tf

    graph = keras.Model(model.input, [model.get_layer(name).output, model.output])
    with tf.GradientTape() as tape:
        maps, answer = graph(tf.constant(crops, tf.float32))
        score = tf.math.log(answer / (1 - answer))[:, number] if linear else answer[:, number]
    weights = np.asarray(tape.gradient(score, maps)).mean(axis=(1, 2))
    return np.maximum(np.einsum("nhwk,nk->nhw", np.asarray(maps), weights), 0)


def close(ours, theirs, within=1e-5, empty=False):
    assert ours.shape == theirs.shape and (empty or theirs.max() > 0)
    assert np.abs(ours - theirs).max() <= within * max(1, theirs.max())
    assert np.abs(ours - theirs).max() <= 1e-3 * theirs.max()  # small maps are compared too


# ---- maps


@tensorflow_only
@pytest.mark.parametrize("linear", [True, False])
def test_all_classes_at_once_are_the_maps_of_tf_keras_vis_and_of_a_tape(custom, linear):
    """The head's Jacobian gives every class the map that gradients give it, before the sigmoid and after it."""
    crops = pictures()
    maps, answers = cam.gradcam_all(custom, crops, linear=linear, batch=2)
    assert maps.shape == (5, 7, 4, 4) and maps.dtype == np.float32 and maps.min() >= 0
    assert answers == pytest.approx(np.asarray(custom(crops)), abs=1e-6)
    for number in range(7):
        close(maps[:, number], cam.gradcam(custom, crops, number, linear=linear), empty=True)
        close(maps[:, number], by_tape(custom, crops, number, "block_4_relu", linear), empty=True)
    assert (maps.max(axis=(0, 2, 3)) > 1e-4).sum() >= 3  # of the seven classes; the others have no evidence for them anywhere


@tensorflow_only
@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), [
    ("mobilenet", "conv_pw_13_relu"), ("vgg16", "block5_conv3"), ("efficientnet_b0", "top_activation"),
])  # fmt: skip
def test_the_studys_backbones_are_explained_exactly(name, layer):
    """MobileNet, VGG16 (maps before its last pooling, twice as fine) and EfficientNet: the three ways agree."""
    small = name == "mobilenet"
    model = lived(backbones.build(name, 64, alpha=0.25 if small else 1, hidden=16), prefix="" if small else "hidden")
    crops = pictures(count=3)
    maps, _ = cam.gradcam_all(model, crops, batch=3)
    assert maps.shape[2:] == ((4, 4) if name == "vgg16" else (2, 2))
    chosen = np.array([1, 4, 6])
    theirs = cam.gradcam(model, crops, chosen)
    close(maps[np.arange(3), chosen], theirs, empty=True)
    close(maps[:, 4], by_tape(model, crops, 4, layer), empty=True)
    assert maps.max() > 1e-5


@tensorflow_only
@pytest.mark.parametrize("end", ["softmax layer", "softmax", "tanh and softmax", "no dense layer"])
def test_other_heads_after_an_average_are_explained_too(end):
    """Heads that end in a softmax, have a tanh or no dense layer at all; the answer itself is explained too."""
    x = picture = layers.Input((16, 16, 3))
    x = layers.Conv2D(5, 3, strides=2, activation="relu", name="maps")(layers.Rescaling(1 / 255)(x))
    x = layers.GlobalAveragePooling2D()(x)
    if end == "tanh and softmax":
        x = layers.ReLU()(layers.BatchNormalization(scale=False, center=False)(layers.Dense(6, activation="tanh")(x)))
    if end != "no dense layer":
        x = layers.Dense(4, activation="softmax" if end == "softmax" else None)(x)
    model = keras.Model(picture, x if end == "softmax" else layers.Softmax()(x))
    crops = pictures(16, 3)
    for linear in (True, False):
        maps, _ = cam.gradcam_all(model, crops, linear=linear)
        for number in range(maps.shape[1]):
            assert np.abs(maps[:, number] - cam.gradcam(model, crops, number, "maps", linear=linear)).max() < 1e-6
        assert maps.max() > 1e-4


def test_a_map_worked_out_by_hand():
    """Maps of two channels, head with weights (2, -1): the map is ReLU(2·first - second) over the number of places."""
    picture = layers.Input((2, 2, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1, use_bias=False, name="maps")(picture))
    model = keras.Model(picture, layers.Dense(1, activation="sigmoid", name="head")(x))
    model.get_layer("maps").set_weights([np.array([[[[1, 0], [0, 1], [0, 0]]]], np.float32)])
    model.get_layer("head").set_weights([np.array([[2], [-1]], np.float32), np.zeros(1)])
    crop = np.array([[[[1, 0, 9], [0, 1, 9]], [[3, 2, 9], [1, 2, 9]]]], np.float32)
    maps, answers = cam.gradcam_all(model, crop)
    assert maps[0, 0] == pytest.approx(np.array([[2, 0], [4, 0]]) / 4)
    assert answers[0, 0] == pytest.approx(1 / (1 + np.exp(-(2 * 5 - 5) / 4)))
    scaled, _ = cam.gradcam_all(model, crop, normalise=True, side=4)
    assert scaled[0, 0, -1, 0] == 1 and scaled.shape == (1, 1, 4, 4)


def test_maps_do_not_depend_on_the_batch(custom):
    """Five pictures alone, in twos and all at once give the same maps: the filling of the last batch leaves no trace."""
    crops = pictures()
    whole, _ = cam.gradcam_all(custom, crops, batch=8)
    for batch in (1, 2, 5):
        assert cam.gradcam_all(custom, crops, batch=batch)[0] == pytest.approx(whole, abs=1e-6)


def test_maps_follow_the_weights_of_the_network(custom):
    """The compiled function is kept, the weights are not: after a change the maps are those of the new weights; then all is let go."""
    model = lived(backbones.build("custom", 32, alpha=0.25, hidden=8))
    crops = pictures(32, 2)
    before, _ = cam.gradcam_all(model, crops)
    kernel, bias = model.get_layer("expression").get_weights()
    model.get_layer("expression").set_weights([3 * kernel, bias])
    assert cam.gradcam_all(model, crops)[0] == pytest.approx(3 * before, rel=1e-4, abs=1e-9)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_half_precision_networks_are_explained(custom):
    """A network of bfloat16 layers gives the maps of its float32 twin to bfloat16's precision, without failing."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = backbones.build("custom", 64, alpha=0.25, hidden=24, dropout=0.2)
    finally:
        keras.config.set_dtype_policy(before)
    half.set_weights(custom.get_weights())
    crops = pictures()
    whole, _ = cam.gradcam_all(custom, crops)
    maps, _ = cam.gradcam_all(half, crops)
    assert np.corrcoef(maps.ravel(), whole.ravel())[0, 1] > 0.99
    if keras.backend.backend() == "tensorflow":
        close(cam.gradcam(half, crops, 3), whole[:, 3])


# ---- the traps of tf-keras-vis


@tensorflow_only
def test_the_layer_named_is_the_layer_explained(custom):
    """tf-keras-vis takes the convolution before the ReLU that was named; ours explains the ReLU, as the tape does."""
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    crops = pictures()
    theirs = np.asarray(Gradcam(custom)(CategoricalScore([2] * 5), crops.astype(np.float32), penultimate_layer="block_4_relu",
                                        expand_cam=False, normalize_cam=False))
    ours = cam.gradcam(custom, crops, 2, "block_4_relu", linear=False)
    close(ours, by_tape(custom, crops, 2, "block_4_relu", linear=False))
    assert np.abs(ours - theirs).max() > 0.05 * ours.max()
    earlier = [cam.gradcam(custom, crops, number, "block_3_relu") for number in range(7)]
    assert np.max(earlier) > 1e-4
    for number in range(7):
        close(earlier[number], by_tape(custom, crops, number, "block_3_relu"), empty=True)


@tensorflow_only
def test_a_sequential_network_is_explained_and_left_as_it_was():
    """Sequential networks work in both ways, and the network keeps its sigmoid and its weights."""
    model = keras.Sequential([layers.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3, activation="relu"),
                              layers.GlobalAveragePooling2D(), layers.Dense(3, activation="sigmoid")])
    crops, before = pictures(16), [weight.copy() for weight in model.get_weights()]
    maps, _ = cam.gradcam_all(model, crops)
    for number in range(3):
        close(maps[:, number], cam.gradcam(model, crops, number), 1e-6, empty=True)
    assert maps.max() > 1e-3
    assert model.layers[-1].activation is keras.activations.sigmoid
    assert all(np.array_equal(one, two) for one, two in zip(before, model.get_weights(), strict=True))


@tensorflow_only
def test_networks_without_an_average_go_through_tf_keras_vis():
    """A flattened head has no closed form: that is said, and tf-keras-vis explains the last maps, not the pooling after them."""
    x = picture = layers.Input((12, 12, 3))
    x = layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="relu", name="maps")(layers.Rescaling(1 / 255)(x)))
    model = keras.Model(picture, layers.Dense(3, activation="sigmoid")(layers.Flatten()(x)))
    crops = pictures(12)
    with pytest.raises(ParameterError, match="does not follow a global average.*Use `gradcam`"):
        cam.gradcam_all(model, crops)
    close(cam.gradcam(model, crops, 1), by_tape(model, crops, 1, "maps"))


@tensorflow_only
def test_a_classifier_of_1_x_1_convolutions_is_explained_by_its_real_maps():
    """MobileNet with ImageNet's top ends in a convolution of 1 x 1: the maps before its average are taken."""
    model = keras.applications.MobileNet(weights=None, alpha=0.25, input_shape=(64, 64, 3), classes=7)
    assert cam.gradcam(model, pictures(count=2).astype(np.float32) / 255, 1).shape == (2, 2, 2)


@tensorflow_only
def test_statistics_of_a_normalisation_are_not_lost():
    """A network with an adapted Normalization, which a clone forgets, is explained as it is."""
    norm = layers.Normalization()
    norm.adapt(pictures(16).astype(np.float32))
    x = picture = layers.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu", name="maps")(norm(x)))
    model = keras.Model(picture, layers.Dense(3, activation="sigmoid")(x))
    close(cam.gradcam(model, pictures(16), 0), by_tape(model, pictures(16), 0, "maps"))


def test_nested_networks_are_refused_in_both_ways():
    """A backbone called as a layer hides its maps: which layer, and to build on its output, is said."""
    inside = layers.Input((32, 32, 3))
    inner = keras.Model(inside, layers.Conv2D(4, 3)(inside), name="trunk")
    picture = layers.Input((32, 32, 3))
    model = keras.Model(picture, layers.Dense(7)(layers.GlobalAveragePooling2D()(inner(picture))))
    with pytest.raises(ParameterError, match=r"trunk is itself a network.*`trunk\.output`"):
        cam.gradcam_all(model, pictures(32))
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ParameterError, match="trunk is itself a network"):
            cam.gradcam(model, pictures(32), 0)


def test_maps_of_one_pixel_are_refused():
    """A network whose last convolution is 1 x 1 explains nothing: both ways say so, and how large the picture should be."""
    model = backbones.build("mobilenet", 32, alpha=0.25)
    with pytest.raises(ParameterError, match="conv_pw_13_relu are 1 x 1.*64 pixels or more"):
        cam.gradcam_all(model, pictures(32))
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ParameterError, match="1 x 1"):
            cam.gradcam(model, pictures(32), 0)
        assert cam.gradcam(model, pictures(32), 0, "conv_pw_5_relu").shape == (5, 4, 4)


@tensorflow_only
def test_unknown_layers_classes_and_pictures_are_refused(custom):
    """A layer that is not there, a class above the last, too few classes, and pictures of another size are each named."""
    with pytest.raises(ParameterError, match="Did you mean 'block_4_relu'"):
        cam.gradcam(custom, pictures(), 0, "block_4_rel")
    with pytest.raises(ParameterError, match="reaches block_4_relu"):
        cam.gradcam_all(custom, pictures(), layer="block_2")
    for classes in (7, [0, 1], -1, 0.5):
        with pytest.raises(ParameterError, match="from 0 to 6"):
            cam.gradcam(custom, pictures(), classes)
    for crops in (pictures(32), pictures()[0], pictures()[:0]):
        with pytest.raises(ParameterError, match=r"expected \(n, 64, 64, 3\)"):
            cam.gradcam_all(custom, crops)


def test_without_tensorflow_tf_keras_vis_is_refused(custom, monkeypatch):
    """On another backend the way through tf-keras-vis says what it needs and what goes without."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ParameterError, match="needs the TensorFlow backend; Keras runs on jax. Use `gradcam_all`"):
        cam.gradcam(custom, pictures(), 0)


# ---- a network that looks only at one corner


@pytest.fixture(scope="module")
def corner():
    """A network whose first answer is the mean brightness of the upper left quarter, its second a constant."""
    picture = layers.Input((16, 16, 3))
    x = layers.ZeroPadding2D(((0, 8), (0, 8)))(layers.Cropping2D(((0, 8), (0, 8)))(picture))
    x = layers.Conv2D(1, 1, use_bias=False, name="grey")(x)
    model = keras.Model(picture, layers.Dense(2, name="answer")(layers.GlobalAveragePooling2D()(x)))
    model.get_layer("grey").set_weights([np.full((1, 1, 3, 1), 1 / 3, np.float32)])
    model.get_layer("answer").set_weights([np.array([[4, 0]], np.float32), np.array([0, 1], np.float32)])
    return model


def quarter(count, side=16):
    masks = np.zeros((count, side, side), bool)
    masks[:, :side // 2, :side // 2] = True
    return masks


def test_a_network_that_looks_at_one_corner_has_its_energy_there(corner):
    """All of the map and its maximum lie in the upper left quarter, four times chance; the rest has nothing."""
    maps = cam.gradcam_all(corner, pictures(16))[0][:, 0]
    found = cam.against_chance(maps, quarter(5))
    assert found == {"pictures": 5, "energy": 1, "area": 0.25, "ratio": 4, "low": 4, "high": 4, "hits": 1}
    assert cam.energy_inside(maps, ~quarter(5)).tolist() == [0] * 5 and cam.pointing(maps, ~quarter(5)).tolist() == [0] * 5


def test_a_random_map_has_its_area_of_energy():
    """Random maps give every mask about its share of the picture, in energy and in hits, and the interval holds chance."""
    rng = np.random.default_rng(5)
    found = cam.against_chance(rng.random((800, 12, 12)), rng.random((800, 12, 12)) < 0.3, seed=1)
    assert found["energy"] == pytest.approx(found["area"], abs=0.005) and found["hits"] == pytest.approx(0.3, abs=0.06)
    assert found["low"] < 1 < found["high"] and found["high"] - found["low"] < 0.02


def test_flat_and_empty_maps():
    """A flat map scores exactly what chance does; a map without anything above zero has no answer and is not counted."""
    masks = quarter(3)
    maps = np.stack([np.ones((16, 16)), np.zeros((16, 16)), -np.ones((16, 16))])
    assert cam.energy_inside(maps, masks)[0] == cam.pointing(maps, masks)[0] == 0.25
    assert np.isnan(cam.energy_inside(maps, masks)[1:]).all() and np.isnan(cam.pointing(maps, masks)[1:]).all()
    assert cam.against_chance(maps, masks)["pictures"] == 1
    assert cam.against_chance(maps[1:], masks[1:])["pictures"] == 0 and np.isnan(cam.against_chance(maps[1:], masks[1:])["ratio"])


def test_intervals_are_over_objects():
    """Ten copies of each picture tell no more than one: the interval over objects is as wide, that over pictures narrower."""
    rng = np.random.default_rng(6)
    maps, masks = rng.random((20, 8, 8)) ** 4, rng.random((20, 8, 8)) < 0.4
    alone = cam.against_chance(maps, masks)
    copies = cam.against_chance(np.repeat(maps, 10, axis=0), np.repeat(masks, 10, axis=0), np.repeat(np.arange(20), 10))
    narrow = cam.against_chance(np.repeat(maps, 10, axis=0), np.repeat(masks, 10, axis=0))
    assert copies["low"] == pytest.approx(alone["low"]) and copies["high"] == pytest.approx(alone["high"])
    assert narrow["high"] - narrow["low"] < 0.5 * (alone["high"] - alone["low"])


def test_maps_and_masks_of_different_sizes_are_refused():
    """Masks at crop resolution do not meet maps of the network's: resizing is named; so for masks that are not boolean."""
    for maps, masks in ((np.ones((2, 7, 7)), quarter(2)), (np.ones((2, 16, 16)), quarter(2).astype(int))):
        with pytest.raises(ParameterError, match="Resize the maps with `resized`"):
            cam.energy_inside(maps, masks)


@pytest.mark.parametrize(("fill", "rest"), [("mean", 50.0), ("blur", None)])
def test_deletion_and_insertion_by_the_right_map(corner, fill, rest):
    """Brightness 200 in the corner, 0 elsewhere: by the true map the answer falls within the first quarter, in a known area."""
    crops = np.zeros((3, 16, 16, 3), np.uint8)
    crops[:, :8, :8] = 200
    maps = cam.gradcam_all(corner, crops)[0][:, 0]
    curves, areas = cam.deletion_insertion(corner, crops, maps, 0, steps=16, fill=fill, batch=7)
    by_map = curves[(curves["order"] == "map") & (curves["kind"] == "deletion")].set_index("share")["score"]
    end = by_map.iloc[-1]
    assert by_map.iloc[0] == pytest.approx(200) and (rest is None or end == pytest.approx(rest))
    if fill == "mean":
        assert by_map[0.125] == pytest.approx(125) and by_map[0.25] == pytest.approx(50)
        assert areas["deletion"].tolist() == pytest.approx([50 + 150 * 0.125] * 3)
        assert areas["insertion"].tolist() == pytest.approx([200 - 150 * 0.125] * 3)
    assert by_map[by_map.index >= 0.25].tolist() == pytest.approx([end] * 13) and end < 170
    assert (areas["deletion"] < areas["deletion_random"]).all() and (areas["insertion"] > areas["insertion_random"]).all()


def test_a_class_that_does_not_see_has_flat_curves(corner):
    """The constant answer stays one whatever is taken away, and its areas are one."""
    _, areas = cam.deletion_insertion(corner, pictures(16), np.zeros((5, 4, 4)), [1] * 5, steps=4)
    assert areas[["deletion", "deletion_random", "insertion", "insertion_random"]].to_numpy() == pytest.approx(1)


def test_wrong_deletions_are_refused(corner):
    """An unknown filling and maps for other pictures are refused."""
    with pytest.raises(ParameterError, match="'blur' or 'mean'"):
        cam.deletion_insertion(corner, pictures(16), np.ones((5, 4, 4)), 0, fill="grey")
    with pytest.raises(ParameterError, match="one map a picture"):
        cam.deletion_insertion(corner, pictures(16), np.ones((4, 4, 4)), 0)


# ---- randomisation


def test_destroying_what_was_learned_changes_the_maps(custom):
    """The intact network is at 1; with its top layer destroyed the maps are no longer the same; the network itself is untouched."""
    crops, before = pictures(count=12), [weight.copy() for weight in custom.get_weights()]
    table = cam.randomisation(custom, crops, 3, steps=3, seed=1)
    assert table["layer"].tolist() == ["none", "expression", "block_4", "block_1"] and table["layers"].tolist() == [0, 1, 3, 6]
    assert table["spearman"][0] == pytest.approx(1) and table["ssim"][0] == pytest.approx(1)
    assert table["spearman"][1:].max() < 0.9 and table["ssim"][1:].max() < 0.95
    assert all(np.array_equal(one, two) for one, two in zip(before, custom.get_weights(), strict=True))
    assert table.equals(cam.randomisation(custom, crops, 3, steps=3, seed=1))


def test_maps_that_were_empty_before_are_not_compared():
    """Two of three maps are all zero in the intact network: only the third counts, and it is itself; without any there is no number."""
    maps = np.zeros((3, 4, 4))
    maps[1] = np.arange(16).reshape(4, 4)
    row = cam._compared("top", 1, maps, maps)
    assert row["pictures"] == 1 and row["spearman"] == pytest.approx(1) and row["ssim"] == pytest.approx(1) and row["empty"] == 0
    gone = cam._compared("top", 1, maps, 0 * maps)
    assert gone["spearman"] == gone["ssim"] == 0 and gone["empty"] == 1
    nothing = cam._compared("top", 1, 0 * maps, maps)
    assert nothing["pictures"] == 0 and np.isnan(nothing["spearman"])


def test_a_map_that_does_not_depend_on_weights_is_caught(corner):
    """A network whose place is fixed by its structure keeps its map's place whatever is destroyed: the rank correlation stays high."""
    table = cam.randomisation(corner, np.full((4, 16, 16, 3), 200, np.uint8), 0, steps=2, seed=3)
    lasting = table[table["empty"] == 0]
    assert len(lasting) > 1 and lasting["spearman"].min() > 0.99


def test_structural_similarity_is_scikit_images():
    """Of maps from 0 to 1 it is scikit-image's with its default window, map by map."""
    maps, others = RNG.random((2, 4, 56, 56))
    expected = [structural_similarity(one / one.max(), two / two.max(), data_range=1) for one, two in zip(maps, others, strict=True)]
    assert cam.ssim(maps, others) == pytest.approx(expected, abs=1e-6)
    assert cam.ssim(maps, 3 * maps) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_rank_correlation_is_scipys_and_sees_order_only(seed):
    """It equals SciPy's with ties, is 1 for any rising function of a map, -1 for the map turned round, 0 for a flat one."""
    from scipy.stats import spearmanr

    maps, others = np.random.default_rng(seed).integers(0, 6, (2, 3, 5, 5)).astype(float)
    expected = [spearmanr(one.ravel(), two.ravel()).statistic for one, two in zip(maps, others, strict=True)]
    assert cam.spearman(maps, others) == pytest.approx(expected)
    assert cam.spearman(maps, np.exp(maps)) == pytest.approx(1) and cam.spearman(maps, -maps) == pytest.approx(-1)
    assert cam.spearman(maps, np.ones_like(maps)) == pytest.approx(0)


# ---- sizes


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(1, 6))
def test_resizing_keeps_the_middle_of_the_mass(cells, times):
    """A constant stays constant, and a map that is symmetric stays so: nothing is shifted by half a cell."""
    rng = np.random.default_rng(cells)
    maps = rng.random((2, cells, cells))
    maps = maps + maps[:, ::-1, ::-1]
    large = cam.resized(maps, cells * times)
    assert large == pytest.approx(large[:, ::-1, ::-1], abs=1e-5)
    assert cam.resized(np.full((1, 3, cells, cells), 0.4), 31) == pytest.approx(0.4)


def test_normalised_maps_reach_one_and_zeros_stay_zeros():
    """Each map is divided by its own maximum; a map of zeros gives zeros, not NaN."""
    maps = np.array([[[0, 2], [1, 4]], [[0, 0], [0, 0]]], np.float32)
    assert cam.normalised(maps).tolist() == [[[0, 0.5], [0.25, 1]], [[0, 0], [0, 0]]]


# ---- regions


def face(side=112, turn=0.0, size=1.0):
    """Return 68 landmarks of a plain face: eyes at .38 of the height, .36 of the side apart."""
    t = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.36 * np.cos(t), 0.38 + 0.56 * np.sin(t)], axis=1)
    brow = np.stack([np.linspace(0, 1, 5), -0.3 * np.sin(np.linspace(0.3, np.pi - 0.3, 5))], axis=1)
    eye = np.array([[-1, 0], [-0.4, -0.6], [0.4, -0.6], [1, 0], [0.4, 0.6], [-0.4, 0.6]]) * [0.08, 0.045]
    bridge = np.stack([np.full(4, 0.5), np.linspace(0.4, 0.58, 4)], axis=1)
    wings = np.stack([np.linspace(0.43, 0.57, 5), [0.62, 0.63, 0.64, 0.63, 0.62]], axis=1)
    around = lambda count, w, h: np.stack([0.5 - w * np.cos(np.linspace(0, 2 * np.pi, count, endpoint=False)),  # noqa: E731
                                           0.77 - h * np.sin(np.linspace(0, 2 * np.pi, count, endpoint=False))], axis=1)
    points = np.concatenate([jaw, [0.2, 0.29] + brow * [0.24, 0.1], [0.56, 0.29] + brow * [0.24, 0.1], bridge, wings,
                             [0.32, 0.38] + eye, [0.68, 0.38] + eye, around(12, 0.13, 0.06), around(8, 0.09, 0.02)])
    angle = np.radians(turn)
    matrix = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((points - 0.5) @ matrix.T + 0.5) * side


def test_regions_hold_their_landmarks_and_do_not_overlap():
    """Each region covers the middle of its part of the face; no pixel belongs to two; left and right are alike."""
    masks = cam.regions(face(), 112)
    assert tuple(masks) == cam.REGIONS and all(mask.shape == (112, 112) and mask.dtype == bool for mask in masks.values())
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    for name, (x, y) in {"eyes": (0.32, 0.38), "brows": (0.32, 0.265), "nose": (0.5, 0.55), "mouth": (0.5, 0.77), "cheeks": (0.27, 0.58),
                         "forehead": (0.5, 0.1)}.items():  # fmt: skip
        assert masks[name][round(y * 112), round(x * 112)], name
        assert (masks[name] ^ masks[name][:, ::-1]).mean() < 0.01, name
    areas = {name: mask.mean() for name, mask in masks.items()}
    assert min(areas.values()) > 0.015 and max(areas, key=areas.get) in ("cheeks", "forehead")


@settings(max_examples=20, deadline=None)
@given(st.floats(-40, 40), st.floats(0.5, 0.9))
def test_regions_turn_and_grow_with_the_face(turn, size):
    """A turned, smaller face has the same regions turned and smaller: their areas go with the square of the size."""
    upright, turned = cam.regions(face(160, 0, 0.5), 160), cam.regions(face(160, turn, size), 160)
    for name in ("brows", "eyes", "nose", "mouth", "cheeks"):
        assert turned[name].sum() / upright[name].sum() == pytest.approx((size / 0.5) ** 2, rel=0.12), name


def test_regions_of_many_faces_and_of_none():
    """A stack gives stacks; a face without landmarks gives empty masks; other shapes are refused."""
    both = cam.regions(np.stack([face(), np.full((68, 2), np.nan)]), 112)
    one = cam.regions(face(), 112)
    assert all(np.array_equal(both[name][0], one[name]) and not both[name][1].any() for name in cam.REGIONS)
    assert all(mask.shape == (0, 56, 56) for mask in cam.regions(np.empty((0, 68, 2)), 56).values())
    with pytest.raises(ParameterError, match=r"expected \(68, 2\)"):
        cam.regions(np.zeros((5, 2)), 112)


def test_energy_by_region():
    """A map that is the mouth itself lies in the mouth; faces without landmarks are not counted; face and elsewhere make the whole."""
    points = np.stack([face(), face(turn=10), np.full((68, 2), np.nan)])
    maps = cam.regions(points, 112)["mouth"].astype(float) + 1e-9
    table = cam.region_energy(maps, points).set_index("region")
    assert table.index.tolist() == [*cam.REGIONS, "face", "elsewhere"] and set(table["pictures"]) == {2}
    assert table.loc["mouth", "energy"] == pytest.approx(1, abs=1e-5) and table.loc["eyes", "energy"] == pytest.approx(0, abs=1e-5)
    assert table.loc["face", "area"] + table.loc["elsewhere", "area"] == pytest.approx(1)
    assert table.loc[list(cam.REGIONS), "area"].sum() == pytest.approx(table.loc["face", "area"])


# ---- figures


def test_the_figure_shows_each_picture_three_times():
    """Nine pictures in rows of four make three blocks; each column is the picture, its map and both; headings and notes are there."""
    crops, maps = pictures(16, 9), RNG.random((9, 4, 4))
    names, notes = ([f"{word}{number}" for number in range(9)] for word in ("face ", "p = ."))
    figure = cam.gradcam_figure(crops, maps, names, notes, per_row=4)
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == 27 and np.array_equal(shown[0].images[0].get_array(), crops[0])
    assert [axis.get_title() for axis in shown if axis.get_title()] == names
    assert sum(axis.get_xlabel().startswith("p = .") for axis in shown) == 9
    assert [axis.get_ylabel() for axis in shown if axis.get_ylabel()] == ["original", "heat", "overlay"] * 3
    with pytest.raises(ParameterError, match="as many of each"):
        cam.gradcam_figure(crops, maps[:3], ["a"] * 9)


def test_an_overlay_is_the_grey_picture_where_the_map_is_zero():
    """Without heat the overlay is grey and a little darker; with heat it has the map's colour."""
    crop = pictures(8, 1)[0]
    heat = np.zeros((8, 8), np.float32)
    heat[2, 3] = 1
    laid = cam.overlay(crop, heat)
    assert laid.dtype == np.uint8 and np.ptp(laid[0], axis=-1).max() == 0
    assert laid[0, 0, 0] == pytest.approx(0.92 * crop[0, 0].mean(), abs=1)
    assert np.ptp(laid[2, 3].astype(int)) > 50
