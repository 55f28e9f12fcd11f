"""The terracotta study's classifiers: what decides a training, a start from another network, equal budgets, and a kill in between."""

from collections import Counter

import numpy as np
import pytest

from lib.compendium import kept
from lib.compendium.errors import ParameterError, WeightsError
from lib.expressions import EXPRESSIONS
from lib.training import fitting
from lib.training import terracotta_networks as networks

SIDE = 34
SMALL = {"network": "resnet18", "side": SIDE, "width": 0.125, "epochs": 2, "batch": 7, "rate": 1e-3}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Nothing is read from or written to this machine's kept trainings."""
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "models")


def faces(count: int = 14, seed: int = 0):
    """Return noise whose grey level is that of its expression, and the expressions."""
    generator = np.random.default_rng(seed)
    names = np.array([EXPRESSIONS[number % 7] for number in range(count)], object)
    level = np.array([EXPRESSIONS.index(name) * 34 for name in names])[:, None, None, None]
    return (level + generator.integers(0, 20, (count, SIDE, SIDE, 3))).astype(np.uint8), names


def weights(trained):
    return [np.array(weight) for weight in trained.model.get_weights()]


def test_defaults_are_the_study_s():
    """Section 3.4: 224 pixels, batch 32, Adam at 1e-4; ARM as coded at full width, for as many epochs as its code."""
    wanted = networks.Wanted()
    assert (wanted.network, wanted.side, wanted.width, wanted.mode) == ("arm", 224, 1.0, "as_coded")
    assert (wanted.batch, wanted.rate, wanted.decay, wanted.epochs, wanted.schedule) == (32, 1e-4, 0.9, 70, "decay")
    assert not wanted.changes and not wanted.mixup and not wanted.cutmix


@pytest.mark.parametrize(("count", "steps", "expected"), [(64, 0, 70), (64, 10, 5), (320, 10, 1), (3200, 250, 2), (5, 6, 6)])
def test_a_budget_of_steps_becomes_epochs(count, steps, expected):
    """Few pictures are seen often and many seldom: the batches in all are about as many; without a budget epochs decide."""
    assert networks.epochs_of(networks.Wanted(steps=steps), count) == expected


def test_a_training_is_made_once_and_read_again_alike(monkeypatch):
    """The second call trains nothing; answers are names of expressions; the record says what it was made of."""
    crops, names = faces()
    first = networks.trained(networks.Wanted(**SMALL), crops, names)
    monkeypatch.setattr(fitting, "fit", None)
    again = networks.trained(networks.Wanted(**SMALL), crops.copy(), list(names))
    assert again.folder == first.folder and all(map(np.array_equal, weights(first), weights(again)))
    assert list(first.says(crops)) == list(again.says(crops)) and set(first.says(crops)) <= set(EXPRESSIONS)
    assert len(first.history) == 2 and kept.record_of(first.folder)["learned_from"] == 14


def test_whatever_decides_a_training_has_a_folder_of_its_own(monkeypatch):
    """Other pictures, other labels, another setting, another start: nobody is served what was trained on something else."""
    monkeypatch.setattr(networks, "_learn", lambda folder, *_: {})
    monkeypatch.setattr(networks, "opened", lambda folder: folder)
    crops, names = faces()
    wanted, turned = networks.Wanted(**SMALL), np.roll(names, 1)
    asked = [networks.trained(wanted, crops, names), networks.trained(wanted, crops[:, ::-1], names),
             networks.trained(wanted, crops, turned),
             networks.trained(networks.Wanted(**SMALL | {"seed": 1}), crops, names),
             networks.trained(wanted, crops, names, asked_start(wanted, crops))]  # fmt: skip
    assert max(Counter(asked).values()) == 1


def asked_start(wanted, crops):
    return networks.trained(networks.Wanted(**SMALL | {"seed": 2}), crops, faces()[1])


def test_a_start_gives_its_trunk_to_arm_and_everything_to_its_own_kind(monkeypatch):
    """At a learning rate of nearly nothing, kernels stay those of the start: all of a ResNet-18's, the trunk's of ARM."""
    crops, names = faces()
    start = networks.trained(networks.Wanted(**SMALL), crops, names)
    for network in ("resnet18", "arm"):
        wanted = networks.Wanted(**SMALL | {"network": network, "rate": 1e-12, "epochs": 1, "seed": 3})
        begun = networks.trained(wanted, crops, names, start.folder)
        kernels = [layer.name for layer in begun.model.layers if layer.name.startswith(("stem", "stage")) and "norm" not in layer.name
                   and layer.weights]  # fmt: skip
        kernels += ["expression"] * (network == "resnet18")
        assert len(kernels) >= 20
        for name in kernels:
            ours, theirs = (np.array(one.model.get_layer(name).get_weights()[0]) for one in (begun, start))
            assert ours == pytest.approx(theirs, abs=1e-6), name


def test_a_start_of_another_width_is_refused():
    """Trunks of two widths do not fit, and the message says so before anything is trained."""
    crops, names = faces()
    start = networks.trained(networks.Wanted(**SMALL | {"epochs": 1}), crops, names)
    with pytest.raises(WeightsError, match="another trunk"):
        networks.trained(networks.Wanted(**SMALL | {"width": 0.25}), crops, names, start.folder)


@pytest.mark.parametrize("way", [{"changes": True}, {"mixup": 0.4}, {"cutmix": 1.0}])
def test_ways_of_making_more_change_what_is_learned(way):
    """With small changes, MixUp or CutMix other weights come out than without, all of them numbers."""
    crops, names = faces()
    plain, other = (networks.trained(networks.Wanted(**SMALL | {"epochs": 1} | more), crops, names) for more in ({}, way))
    pairs = list(zip(weights(plain), weights(other), strict=True))
    assert all(np.isfinite(theirs).all() for _, theirs in pairs)
    assert max(np.abs(ours - theirs).max() for ours, theirs in pairs) > 1e-4


@pytest.mark.slow
def test_it_learns_what_a_grey_level_tells():
    """Seven levels of grey, seven expressions: pictures never seen are told rightly."""
    crops, names = faces(140)
    trained = networks.trained(networks.Wanted(**SMALL | {"epochs": 12, "batch": 14, "rate": 5e-3, "schedule": "falling"}), crops, names)
    seen, truth = faces(70, seed=9)
    assert (trained.says(seen) == truth).mean() > 0.8


@pytest.mark.parametrize(("change", "message"), [
    ({"side": 40}, r"expected uint8 \(n, 40, 40, 3\)"), ({"short": 1}, "13 expressions"),
    ({"name": "joy"}, "Received the expression 'joy'")])
def test_pictures_that_do_not_fit_are_refused(change, message):
    """Another side, fewer labels than pictures, a label that is none: named before a folder is made."""
    crops, names = faces()
    names = names[change.get("short", 0):]
    names[0] = change.get("name", names[0])
    with pytest.raises(ParameterError, match=message):
        networks.trained(networks.Wanted(**SMALL | {"side": change.get("side", SIDE)}), crops, names)
