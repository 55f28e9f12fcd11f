"""Grad-CAM of all classes in one forward pass against tf-keras-vis, on the same networks and pictures: the same maps, many times faster."""

import warnings

import numpy as np
import pytest

from lib.explain import cam
from lib.networks import backbones
from tests.benchmarks.timing import seconds

CASES = {"custom": (64, 1.0, 48), "mobilenet": (96, 0.25, 48), "vgg16": (64, 1.0, 8)}  # side, width, pictures
FASTER = 20  # times: what is promised


def trained(model, seed: int = 0):
    """Give the normalisations statistics as after training: other than 0 and 1, and so that the maps do not fade to nothing."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if hasattr(layer, "moving_variance"):
            size = layer.gamma.shape
            layer.set_weights([rng.uniform(0.5, 2, size), rng.normal(0, 0.2, size), rng.normal(0, 0.2, size), rng.uniform(0.3, 2, size)])
    return model


@pytest.mark.parametrize("name", CASES)
def test_all_classes_at_once_against_tf_keras_vis(name):
    """tf-keras-vis as its authors recommend: one object, the batch at once, class by class, at the resolution of the maps."""
    pytest.importorskip("tensorflow")
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    side, alpha, count = CASES[name]
    batch = min(16, count)
    model = trained(backbones.build(name, side, alpha=alpha))
    crops = np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    layer = {"custom": "block_4_relu", "mobilenet": "conv_pw_13_relu", "vgg16": "block5_conv3"}[name]
    peer, pictures = Gradcam(model, model_modifier=ReplaceToLinear(), clone=True), crops.astype(np.float32)

    def theirs():
        return np.stack([np.asarray(peer(CategoricalScore([number] * count), pictures, penultimate_layer=layer, expand_cam=False,
                                         seek_penultimate_conv_layer=False, normalize_cam=False)) for number in range(7)], axis=1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs()
        maps, _ = cam.gradcam_all(model, crops, batch=batch)
        assert maps.shape == expected.shape and np.abs(maps - expected).max() <= 1e-5
        assert np.abs(maps - expected).max() <= 1e-3 * expected.max() and expected.max() > 0
        peers, ours = seconds(theirs, 2), seconds(lambda: cam.gradcam_all(model, crops, batch=batch))
    model.compile(jit_compile=False)
    floor = seconds(lambda: [model.predict_on_batch(crops[start:start + batch]) for start in range(0, count, batch)])
    print(f"\n{name}, {count} pictures of {side} pixels, 7 classes: tf-keras-vis {peers:.3f} s, at once {ours:.4f} s, "
          f"{peers / ours:.0f} times faster; greatest difference {np.abs(maps - expected).max():.1e} of {expected.max():.1e}; "
          f"answers alone {floor:.4f} s, {ours / floor:.2f} of it")
    assert peers / ours >= FASTER
