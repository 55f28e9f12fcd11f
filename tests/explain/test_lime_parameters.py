"""Notebook 08's parameters: the study's settings by default, and settings that cannot work refused before anything heavy loads."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lib.compendium.errors import CollectionError
from lib.explain import lime_parameters
from lib.explain.lime_parameters import LimeEkmanParameters


def test_the_defaults_are_the_paper_s():
    """Twelve networks, five folds, 100 pictures, 1000 samples of some 30 segments, widths, sides and epochs as published, no corpus yet."""
    wanted = LimeEkmanParameters()
    assert (len(wanted.networks), wanted.folds, wanted.per_expression, wanted.samples, wanted.segments) == (12, 5, 100, 1000, 30)
    assert (wanted.compactness, wanted.stream, wanted.settled, wanted.batch, wanted.occlusion) == (20, "coin", 0, 128, "black")
    assert (wanted.width, wanted.side, wanted.epochs, wanted.rate, wanted.momentum) == (1, 0, 0, 0, 0)  # 0: as published
    assert (wanted.schedule, wanted.input_mode, wanted.weights) == ("constant", "as_coded", "published")
    assert (wanted.triangulation, wanted.correlation) == ("as_published", "as_coded") and wanted.folders() == {}


def test_the_defaults_are_those_of_the_library():
    """What notebook and library both set by themselves is the same number in both."""
    from lib.explain import ekman, lime
    from lib.networks.fer_nets import REGIME
    from lib.training import fer_study
    from lib.training.fer_pictures import Variations

    wanted = LimeEkmanParameters()
    assert (wanted.samples, wanted.segments, wanted.compactness) == (lime.SAMPLES, lime.SEGMENTS, lime.COMPACTNESS)
    assert (wanted.folds, wanted.copies, wanted.draws) == (fer_study.FOLDS, Variations().copies, ekman.DRAWS)
    assert {regime.batch for regime in REGIME.values()} == {wanted.batch}
    published = fer_study.Wanted("silnet")
    assert (published.schedule, published.input_mode, published.weights) == (wanted.schedule, wanted.input_mode, wanted.weights)


def test_names_are_those_of_the_library():
    """Networks, corpora and limits, copied so that nothing heavy loads, equal their originals; networks come in Table 3's order."""
    from lib.collections import fer_corpora
    from lib.explain import lime, lime_study, published_maps, similarity, standardise
    from lib.networks import backbones, fer_nets

    assert set(lime_parameters.NETWORKS) == set(fer_nets.TITLES) and tuple(published_maps.NETWORKS) == lime_parameters.NETWORKS
    assert set(lime_parameters.FROM_NOTHING) == set(fer_nets.FROM_SCRATCH) == {n for n, r in fer_nets.REGIME.items() if not r.pretrained}
    assert tuple(fer_corpora.CORPORA) == lime_parameters.CORPORA and lime_parameters.SMALLEST == backbones.SMALLEST
    assert lime_parameters.MAPS_FOLDER == published_maps.FOLDER

    def choices(name):
        return set(LimeEkmanParameters.model_fields[name].annotation.__args__)

    assert choices("occlusion") == set(lime_study.OCCLUSIONS)
    assert choices("stream") == set(lime.KINDS) and choices("input_mode") == set(fer_nets.INPUT_MODES)
    assert choices("triangulation") == set(standardise.TRIANGULATIONS) and choices("correlation") == set(similarity.KINDS)


@pytest.mark.parametrize(("settings", "message"), [
    ({"networks": ["vgg16", "silnett"]}, "unknown network 'silnett'.*Did you mean 'silnet'"),
    ({"networks": ["vgg16", "weinet", "vgg16"]}, "received the networks vgg16, weinet, vgg16; expected one or more, each once"),
    ({"networks": []}, "received the networks none"),
    ({"folds": 1}, "greater than or equal to 2"),
    ({"people": 4}, "greater than or equal to 8"),
    ({"width": 2}, "less than or equal to 1"),
    ({"side": 16}, "side of 16 pixels; expected at least 32, or 0"),
    ({"stream": "coins"}, "'coin', 'antithetic', 'sobol' or 'factorial'"),
    ({"settled": 1}, "less than 1"),
    ({"samples": 30}, "30 samples for 30 segments"),
    ({"weights": "imagenet"}, "no ImageNet weights for silnet, weinet, alexnet, songnet; expected weights `published`"),
    ({"width": 0.25, "networks": ["vgg16"]}, "width 0.25 with weights `published`"),
    ({"maps": ""}, "at least 1 character"),
    ({"sample": 300}, "Extra inputs"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings, message):
    """Unknown names, sizes out of range and settings that contradict each other are named, with what to give."""
    with pytest.raises(ValidationError, match=message):
        LimeEkmanParameters(**settings)


def test_settings_at_their_limits_are_taken():
    """Narrow networks without ImageNet's weights, the smallest side, and just enough samples are no mistakes."""
    LimeEkmanParameters(width=0.1, weights="none", side=32, samples=32)
    LimeEkmanParameters(networks=["weinet", "silnet"], width=0.5)
    LimeEkmanParameters(networks=["vgg16", "xception"], weights="imagenet")


@pytest.mark.parametrize("name", [*lime_parameters.CORPORA, "maps"])
def test_folders_must_be_there(tmp_path, name):
    """A folder given is used where it exists, and refused by name before a kernel starts where it does not."""
    wanted = LimeEkmanParameters(**{name: str(tmp_path / "none")})
    with pytest.raises(CollectionError, match=f"{name}='.*none', which is no folder; expected one that exists"):
        wanted.check_inputs()
    (tmp_path / "none").mkdir()
    wanted.check_inputs()
    assert wanted.folders() == ({} if name == "maps" else {name: str(tmp_path / "none")})


def test_published_maps_are_inputs(tmp_path, monkeypatch):
    """The maps of a folder, or those fetched before, enter the notebook's fingerprint; other files and maps not asked for do not."""
    for folder in ("given", "fetched"):
        (tmp_path / folder / "GRAY").mkdir(parents=True)
        (tmp_path / folder / "GRAY" / "one.png").touch()
        (tmp_path / folder / "readme.md").touch()
    monkeypatch.setattr(lime_parameters, "MAPS_FOLDER", tmp_path / "fetched")
    assert LimeEkmanParameters(maps=str(tmp_path / "given")).input_files() == [tmp_path / "given" / "GRAY" / "one.png"]
    assert LimeEkmanParameters().input_files() == [tmp_path / "fetched" / "GRAY" / "one.png"]
    assert LimeEkmanParameters(maps="none").input_files() == []
    monkeypatch.setattr(lime_parameters, "MAPS_FOLDER", tmp_path / "never")
    assert LimeEkmanParameters().input_files() == []
    for words in ("fetch", "none"):
        LimeEkmanParameters(maps=words).check_inputs()


@pytest.mark.slow
def test_parameters_load_nothing_heavy():
    """Whoever mistypes a parameter hears of it without waiting for Keras."""
    script = "import sys, lib.explain.lime_parameters; print(sorted({'numpy', 'pandas', 'matplotlib', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
