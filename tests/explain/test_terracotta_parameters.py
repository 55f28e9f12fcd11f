"""Notebook 07's parameters: the study's settings by default, and settings that cannot work refused before anything heavy loads."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lib.compendium.errors import CollectionError
from lib.explain import terracotta_parameters
from lib.explain.terracotta_parameters import TerracottaParameters


def test_the_defaults_are_the_paper_s():
    """Six annotators, 224 pixels, batch 32, rate 1e-4, from nothing, GANimation as published, the last column left out, 60 living faces."""
    wanted = TerracottaParameters()
    assert (wanted.annotators, wanted.side, wanted.batch, wanted.rate, wanted.start) == (6, 224, 32, 1e-4, "none")
    assert (wanted.gan, wanted.gan_changes, wanted.dropped, wanted.reference, wanted.similar) == ("published", {}, 1, "strongest", 60)
    assert (wanted.width, wanted.mode, wanted.each) == (1, "as_coded", 0) and wanted.folders() == {} and wanted.input_files() == []


def test_the_defaults_and_names_are_those_of_the_library():
    """What notebook and library both set by themselves, copied so that nothing heavy loads, is the same in both."""
    from lib.explain import terracotta_study as study
    from lib.networks import arm
    from lib.training import animation, terracotta, terracotta_networks

    wanted, training = TerracottaParameters(), terracotta_networks.Wanted()
    assert tuple(study.CHANGES) == terracotta_parameters.WAYS and terracotta_parameters.WIDTHS == arm.WIDTHS
    assert set(study.WARRIORS.values()) | {"raf_db"} == set(terracotta_parameters.FOLDERS)
    for name in ("side", "width", "epochs", "rate", "schedule", "batch", "mode"):
        assert getattr(wanted, name) == getattr(training, name), name
    assert (wanted.columns, wanted.annotators, wanted.batch) == (animation.COLUMNS, terracotta.ANNOTATORS, terracotta.BATCH)


@pytest.mark.parametrize(("settings", "message"), [
    ({"ways": ["none", "mixupp"]}, "unknown way 'mixupp'.*Did you mean 'mixup'"),
    ({"ways": ["gan", "gan"]}, "received the ways gan, gan; expected each once"),
    ({"width": 0.3}, "received a width of 0.3; expected one of 1.0, 0.5, 0.25, 0.125"),
    ({"each": 9}, "received 9 warriors of each set; expected at least 10"),
    ({"dropped": 5}, "received 5 of 5 columns to leave out"),
    ({"votes": "votes.csv"}, "received votes without `warriors`"),
    ({"side": 32}, "greater than or equal to 33"),
    ({"gann": "small"}, "Extra inputs"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings, message):
    """Each is named with what was received and expected."""
    with pytest.raises(ValidationError, match=message):
        TerracottaParameters(**settings)


def test_folders_are_looked_for_and_their_pictures_are_inputs(tmp_path):
    """A folder or a file of votes that is not there stops at once; pictures of warriors enter the fingerprint, RAF-DB by its digest."""
    stone, living = tmp_path / "stone", tmp_path / "basic"
    stone.mkdir(), living.mkdir()
    (stone / "one.jpg").write_bytes(b"1"), (living / "many.jpg").write_bytes(b"2"), (tmp_path / "votes.csv").write_text("file")
    wanted = TerracottaParameters(warriors=str(stone), raf_db=str(living), votes=str(tmp_path / "votes.csv"))
    wanted.check_inputs()
    assert [path.name for path in wanted.input_files()] == ["one.jpg", "votes.csv"]
    with pytest.raises(CollectionError, match="postured='nowhere', which is no folder"):
        TerracottaParameters(postured="nowhere").check_inputs()
    with pytest.raises(CollectionError, match="which is no file"):
        TerracottaParameters(warriors=str(stone), votes=str(stone)).check_inputs()


def test_nothing_heavy_is_loaded():
    """Parameters are refused instantly because no NumPy, pandas or Keras is imported."""
    code = "import sys, lib.explain.terracotta_parameters; print(sorted({'numpy', 'pandas', 'keras', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
