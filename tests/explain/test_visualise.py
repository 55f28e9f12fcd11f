"""Class model visualisation reaches its class, unit sheets find planted units, and what tf-keras-vis cannot take is refused."""

import numpy as np
import pytest

from lib.compendium.errors import ParameterError
from lib.explain import visualise
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf-keras-vis needs TensorFlow")
COLOURS = ("red", "green", "blue")


def network(side=16, sequential=False):
    """Classes red, green and blue: each unit is a colour's excess over the mean of all, so all is known."""
    kernel = 3 * (np.eye(3) - 1 / 3).reshape(1, 1, 3, 3).astype("float32")
    steps = [layers.Rescaling(1 / 255), layers.Conv2D(3, 1, use_bias=False, activation="relu", name="maps"),
             layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax", use_bias=False)]  # fmt: skip
    picture = keras.Input((side, side, 3))
    model = keras.Sequential([picture, *steps])
    model = model if sequential else keras.Model(model.inputs[0], model.outputs[0])
    model.set_weights([kernel, 4 * np.eye(3, dtype="float32")])
    return model


def coloured(count=30, side=16, seed=0):
    """Grey pictures with a square of one colour in the left or the right half: picture, its colour, where the square lies."""
    rng = np.random.default_rng(seed)
    pictures = np.full((count, side, side, 3), 128, np.uint8)
    colour, cue = np.arange(count) % 3, np.zeros((count, side, side), bool)
    for one in range(count):
        top, left = rng.integers(0, side - 6, 2)
        cue[one, top:top + 6, left:left + 6] = True
        pictures[one][cue[one]] = np.eye(3)[colour[one]] * 255
    return pictures, colour, cue


@tensorflow_only
@pytest.mark.parametrize("sequential", [False, True])
def test_every_class_is_reached_and_has_its_colour(sequential):
    """The ascent on a network that knows colours makes a red, a green and a blue picture; it stays as it was."""
    model = network(sequential=sequential)
    before = model.predict_on_batch(np.full((1, 16, 16, 3), (200, 20, 60), np.float32))
    found = visualise.class_models(model, COLOURS)
    assert found.table["reached"].all() and (found.table["probability"] >= 0.95).all()
    assert [picture.mean(axis=(0, 1)).argmax() for picture in found.pictures] == [0, 1, 2]
    answers = model.predict_on_batch(found.pictures.astype(np.float32))
    # What is claimed holds of the picture that is shown.
    np.testing.assert_allclose(answers[[0, 1, 2], [0, 1, 2]], found.table["probability"], atol=1e-5)
    np.testing.assert_array_equal(before, model.predict_on_batch(np.full((1, 16, 16, 3), (200, 20, 60), np.float32)))


@tensorflow_only
def test_same_seed_same_pictures_and_grey_stays_grey():
    """Pictures follow from the seed; with `grey` the channels are equal, and a network of colours cannot be pleased, which is said."""
    first, again = (visualise.unit_models(network(), [0, 2], seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    grey = visualise.class_models(network(), COLOURS, grey=True, most=80)
    assert np.ptp(grey.pictures, axis=-1).max() == 0 and not grey.table["reached"].any()
    assert "Not reached: red, green, blue" in visualise.class_models_sentence(grey)


@tensorflow_only
def test_what_cannot_be_visualised_is_refused():
    """A nested network, wrong titles, a wrong range and unknown units are named with what was expected."""
    inner = network()
    picture = keras.Input((16, 16, 3))
    with pytest.raises(ParameterError, match="itself a network"):
        visualise.class_models(keras.Model(picture, inner(picture)), COLOURS)
    with pytest.raises(ParameterError, match="2 titles for 3 classes"):
        visualise.class_models(inner, COLOURS[:2])
    with pytest.raises(ParameterError, match="low below high"):
        visualise.class_models(inner, COLOURS, value_range=(1.0, 0.0))
    with pytest.raises(ParameterError, match="from 0 to 2"):
        visualise.unit_models(inner, [5])
    with pytest.raises(ParameterError, match="such as"):
        visualise.unit_models(inner, [0], layer="no_such")


def test_unit_sheets_find_the_planted_units():
    """Of a network whose units are colours, each class's unit is its colour, its top pictures are all of it, and it lies on the square."""
    pictures, colour, cue = coloured()
    units = visualise.unit_sheet(network(), pictures, colour, COLOURS, shares=cue, each=1, top=5)
    assert units.table["unit"].tolist() == [0, 1, 2] and (units.table["purity"] == 1).all()
    np.testing.assert_allclose(units.table["base"], 1 / 3)
    np.testing.assert_allclose(units.table["inside"], 1, atol=1e-6)
    np.testing.assert_allclose(units.table["area"], 36 / 256)
    assert "7.1 times" in visualise.units_sentence(units)
    assert visualise.units_figure(units, pictures, np.zeros((3, 16, 16, 3), np.uint8)).axes


def test_units_without_a_cue_and_without_classes():
    """Without a cue there is nothing to say of places; with one class there is no unit to show, and the figure says so."""
    pictures, colour, _ = coloured(9)
    assert visualise.unit_sheet(network(), pictures, colour, COLOURS, each=1, top=3).table["inside"].isna().all()
    alone = visualise.unit_sheet(network(), pictures, np.zeros(9, int), COLOURS, each=1, top=3)
    assert alone.table.empty and "No unit" in visualise.units_sentence(alone) and visualise.units_figure(alone, pictures).axes
    with pytest.raises(ParameterError, match="9 pictures, 8 answers"):
        visualise.unit_sheet(network(), pictures, colour[:8], COLOURS)


@tensorflow_only
def test_the_figure_shows_both_ascents():
    """Two rows of pictures, a column a class."""
    found = visualise.class_models(network(), COLOURS)
    assert len(visualise.class_models_figure(found).axes) == 6
