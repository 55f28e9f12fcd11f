"""Notebook 04's parameters: the study's regime by default, settings that do not fit together refused before anything heavy loads."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lib.compendium.errors import CollectionError
from lib.expressions import EXPRESSIONS
from lib.training import parameters
from lib.training.parameters import TrainingParameters


def test_the_defaults_are_the_papers_regime_and_everything_else_is_off():
    """Adam 1e-4 with .9 and .99, binary cross-entropy, patience 5, ImageNet; nothing the study had not."""
    wanted = TrainingParameters()
    assert (wanted.rate, wanted.beta_1, wanted.beta_2, wanted.patience, wanted.weights) == (1e-4, 0.9, 0.99, 5, "imagenet")
    assert wanted.loss == "binary_crossentropy" and wanted.augmentation == "none" and wanted.precision == "float32" and wanted.width == 1
    assert not any((wanted.class_weights, wanted.mixup, wanted.cutmix, wanted.randaugment, wanted.frozen_epochs, wanted.dropout,
                    wanted.jit_compile, wanted.all_devices, wanted.leave_out)) and wanted.folds == 1  # fmt: skip


def test_names_are_those_of_the_library():
    """Expressions, backbones and materials, copied so that nothing heavy loads, equal their originals."""
    from lib.collections.atelier import materials
    from lib.networks import backbones

    assert parameters.EXPRESSIONS == EXPRESSIONS and set(parameters.BACKBONES) == set(backbones.BACKBONES)
    assert set(parameters.MATERIALS) - {"mixed"} <= set(materials.MATERIALS)
    assert set(parameters.WEIGHTS) == set(backbones.WEIGHTS)


@pytest.mark.parametrize(("settings", "message"), [
    ({"backbone": "mobilnet"}, "mobilenet"),
    ({"weights": "imagnet"}, "Did you mean 'imagenet'"),
    ({"backbone": "custom"}, "no ImageNet weights for the custom"),
    ({"loss": "focal", "mixup": 0.2}, "zeros and ones"),
    ({"folds": 5, "leave_out": "tradition"}, "two ways to split"),
    ({"lacking": ["hapy"]}, "Did you mean 'happy'"),
    ({"batch": 0}, "greater than or equal to 1"),
    ({"rate": 0}, "greater than 0"),
    ({"epoch": 3}, "Extra inputs"),
])  # fmt: skip
def test_wrong_settings_are_refused(settings, message):
    """Unknown names, sizes out of range and settings that contradict each other are named, with what to give."""
    with pytest.raises(ValidationError, match=message):
        TrainingParameters(**settings)


def test_a_file_of_weights_is_an_input_and_must_be_there(tmp_path):
    """An existing file enters the notebook's fingerprint; one that is missing is refused before a kernel starts."""
    file = tmp_path / "mine.weights.h5"
    wanted = TrainingParameters(weights=str(file))
    with pytest.raises(CollectionError, match="does not exist"):
        wanted.check_inputs()
    file.touch()
    wanted.check_inputs()
    assert wanted.input_files() == [file] and TrainingParameters().input_files() == []


def test_parameters_load_nothing_heavy():
    """Importing them loads neither numpy nor Keras."""
    code = "import sys, lib.training.parameters; print([name for name in ('numpy', 'pandas', 'keras') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
