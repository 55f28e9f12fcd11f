"""The multi-task network: parameter counts by closed form, the order of its outputs, its own preprocessing, the recurrent half."""

import numpy as np
import pytest

from lib.compendium.errors import ParameterError
from lib.networks import multitask


def of(model, prefix):
    return sum(int(np.prod(weight.shape)) for layer in model.layers if layer.name.startswith(prefix) for weight in layer.weights)


@pytest.mark.parametrize("width", [4, 16])
def test_heads_have_the_parameters_of_their_closed_form(width):
    """A head on f features: 4f (norm) + 128f + 128 (dense) + 512 (norm) + 128n + n (dense)."""
    model, f = multitask.multitask("small", 64, width), 8 * width
    for task, count in {"expression": 7, "action_units": 8, "affect": 40}.items():
        assert of(model, task) == 4 * f + 128 * f + 128 + 512 + 129 * count


def test_the_small_trunk_has_the_parameters_of_its_closed_form():
    """A k x k convolution has k·k·in·out weights and a norm four a map; the first stage has no shortcut of its own."""
    w = 4
    convolutions = [(5, 3, w), (3, w, w), (3, w, w)]
    for small in (w, 2 * w, 4 * w):
        convolutions += [(3, small, 2 * small), (3, 2 * small, 2 * small), (1, small, 2 * small)]
    expected = sum(k * k * i * o + 4 * o for k, i, o in convolutions)
    model = multitask.multitask("small", 64, w)
    assert model.count_params() - sum(of(model, task) for task in multitask.HEADS) == expected


def test_the_recurrent_half_has_the_parameters_of_its_closed_form():
    """Each task: two GRUs of 3(128·64 + 64·64 + 2·64) and a dense layer of 129n."""
    model = multitask.cnn_rnn()
    assert model.count_params() == 3 * 2 * 3 * (128 * 64 + 64 * 64 + 2 * 64) + 129 * (7 + 8 + 40)


@pytest.mark.slow
def test_the_published_trunk_is_a_resnet50():
    """ResNet-50 without its classifier has 23,587,712 parameters and 2,048 features; the graph is flat."""
    model = multitask.multitask("resnet50", 112)
    heads = sum(4 * 2048 + 128 * 2048 + 128 + 512 + 129 * count for count in multitask.HEADS.values())
    assert model.count_params() == 23_587_712 + heads
    assert not any(hasattr(layer, "layers") for layer in model.layers)
    mean = model.get_layer("centred")(np.array([[[[131.0912, 103.8827, 91.4953]]]]))
    assert np.abs(np.array(mean)).max() < 1e-4


def test_outputs_come_by_name_in_the_published_order():
    """Expression, Action Units, affect, with 7, 8 and 40 numbers, from pictures of bytes; no layer is itself a model."""
    model = multitask.multitask("small", 64, 4)
    answer = model(np.zeros((2, 64, 64, 3), np.uint8))
    shapes = [(name, tuple(value.shape)) for name, value in answer.items()]
    assert shapes == [("expression", (2, 7)), ("action_units", (2, 8)), ("affect", (2, 40))]
    assert not any(hasattr(layer, "layers") for layer in model.layers)


def test_features_are_what_the_heads_see():
    """The hidden numbers sent through a head's last two layers give the network's own logits; none is negative."""
    model = multitask.multitask("small", 64, 4)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    features, logits = multitask.features_of(model)(pictures), model(pictures)
    for task in multitask.HEADS:
        hidden = features[f"{task}_features"]
        assert hidden.shape == (3, 128) and np.min(hidden) >= 0
        again = model.get_layer(task)(model.get_layer(f"{task}_norm_2")(hidden))
        assert np.array(again) == pytest.approx(np.array(logits[task]), abs=1e-5)


def test_the_recurrent_half_looks_both_ways():
    """Changing the last frame changes the first frame's answer and the other way round; a sequence of one works too."""
    model = multitask.cnn_rnn()
    rng = np.random.default_rng(1)
    frames = {task: rng.random((1, 5, 128)).astype(np.float32) for task in multitask.FEATURES}
    before = np.array(model(frames)["expression"])
    for changed, seen in ((0, 4), (4, 0)):
        other = {task: value.copy() for task, value in frames.items()}
        other["expression_features"][:, changed] += 3
        after = model(other)
        assert np.abs(np.array(after["expression"])[0, seen] - before[0, seen]).max() > 1e-6
        assert np.array(after["affect"]) == pytest.approx(np.array(model(frames)["affect"]), abs=1e-6)
    assert model({task: value[:, :1] for task, value in frames.items()})["affect"].shape == (1, 1, 40)


def test_unknown_trunks_and_sizes_are_refused():
    """An unknown trunk is answered with the nearest name; a side of 16 pixels with the least."""
    with pytest.raises(ParameterError, match="Did you mean 'resnet50'"):
        multitask.multitask("resnet")
    with pytest.raises(ParameterError, match="side 16"):
        multitask.multitask("small", 16)
