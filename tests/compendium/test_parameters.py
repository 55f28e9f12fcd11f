"""Parameters: layers, the command line's settings, and refusals that help."""

import subprocess
import sys
import time

import pytest

from lib.compendium import parameters, places
from lib.compendium.errors import ParameterError

DETECTION = "02_face_detection"


@pytest.mark.parametrize("text", ["02", "2", DETECTION, f"notebooks/{DETECTION}.ipynb"])
def test_a_notebook_is_found_by_number_or_name(text):
    """`NB=02` and the file's name mean the same notebook."""
    assert parameters.notebook_named(text) == DETECTION


@pytest.mark.parametrize("text", ["", "99", "face"])
def test_an_unknown_notebook_is_refused_with_the_list(text):
    """The refusal names what was received and what there is."""
    with pytest.raises(ParameterError, match="01_dataset_census"):
        parameters.notebook_named(text)


def test_settings_are_split_like_a_shell_does():
    """Quotes keep spaces together; a notebook's number may stand before the key."""
    assert parameters.parse_settings("02.seed=3 collection='my photos' name=a=b") == [
        (DETECTION, "seed", "3"), (None, "collection", "my photos"), (None, "name", "a=b")]


@pytest.mark.parametrize("text", ["seed", "=3", "a='b"])
def test_malformed_settings_are_refused(text):
    """A word without key=value, or an open quote, is refused with an example."""
    with pytest.raises(ParameterError, match="key"):
        parameters.parse_settings(text)


def test_later_layers_win():
    """Command line over collection over profile over default."""
    default = parameters.effective("01_dataset_census", "paper")
    chosen = parameters.effective("01_dataset_census", "paper", "elsewhere", parameters.parse_settings("maximum_megapixels=7"))
    assert chosen.maximum_megapixels == 7 and chosen.collection == "elsewhere"
    assert default.maximum_megapixels != 7


def test_a_bare_setting_concerns_only_the_notebooks_asked_for():
    """`make 02 SET="seed=5"` is for 02; `make reproduce SET="seed=5"` for every notebook that has a seed; `02.seed=5` for 02 alone."""
    bare, named = parameters.parse_settings("seed=5"), parameters.parse_settings("02.seed=5")
    assert parameters.settings_for("01_dataset_census", bare, {DETECTION}) == {}
    assert parameters.settings_for(DETECTION, bare, {DETECTION}) == {"seed": 5}
    assert parameters.settings_for(DETECTION, bare, set()) == {"seed": 5}
    assert parameters.settings_for("01_dataset_census", bare, set()) == {}
    assert parameters.settings_for("01_dataset_census", named, {DETECTION}) == {}
    with pytest.raises(ParameterError, match="01_dataset_census has no parameter 'seed'"):
        parameters.settings_for("01_dataset_census", bare, {"01_dataset_census"})


def test_an_unknown_parameter_is_refused_with_a_suggestion():
    """A misspelt key names the notebook, the key and the nearest known one."""
    with pytest.raises(ParameterError, match="02_face_detection has no parameter 'minimum_confidance'. Did you mean 'minimum_confidence'"):
        parameters.effective(DETECTION, "demo", "", parameters.parse_settings("minimum_confidance=.9"), {DETECTION})
    with pytest.raises(ParameterError, match="No notebook has a parameter 'epohcs'"):
        parameters.check_settings_land(parameters.parse_settings("epohcs=3"), set())


@pytest.mark.parametrize("text", ["minimum_confidence=high", "minimum_confidence=1.5", "crop_size=-1", "crop_size=12.5", "crop_size="])
def test_a_wrong_type_or_range_is_refused_naming_value_and_expectation(text):
    """The message names the parameter, what was received, and what was expected."""
    key, _, _ = text.partition("=")
    with pytest.raises(ParameterError, match=rf"{DETECTION}: {key} = .* is not accepted: it should .*default"):
        parameters.effective(DETECTION, "demo", "", parameters.parse_settings(text), {DETECTION})


def test_a_refusal_takes_less_than_a_second():
    """No heavy library is imported before a parameter is checked."""
    command = [sys.executable, "-m", "lib.compendium", "request", "--goals", "02", "--set", "minimum_confidance=1"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=places.ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Did you mean" in done.stderr and "Traceback" not in done.stderr
    heavy = subprocess.run([sys.executable, "-c", "import sys, lib.compendium.__main__\n"
                            "from lib.compendium.parameters import SCHEMAS, schema\n"
                            "[schema(name) for name in SCHEMAS]\n"
                            "print({'numpy', 'pandas', 'cv2', 'tensorflow', 'papermill'} & set(sys.modules))"],
                           cwd=places.ROOT, capture_output=True, text=True)
    assert heavy.stdout.strip() == "set()", heavy.stdout + heavy.stderr
    assert time.perf_counter() - started < 20  # a hang, not a timing: what keeps it quick is asserted above


def test_an_unknown_profile_is_refused_with_the_list():
    """PROFILE=demmo names the three there are."""
    with pytest.raises(ParameterError, match="Did you mean 'demo'"):
        parameters.runs_of("demmo")


def test_every_field_has_a_description():
    """`make parameters` has a meaning to show for each parameter."""
    for notebook in parameters.SCHEMAS:
        for name, field in parameters.schema(notebook).model_fields.items():
            assert field.description and len(field.description) > 15, f"{notebook}.{name}"


def test_every_parameter_file_is_accepted():
    """Each file under params/ fits its notebook's schema."""
    for profile in parameters.profiles():
        for run in parameters.runs_of(profile):
            parameters.effective(run, profile)


def test_a_broken_parameter_file_is_named(tmp_path, monkeypatch):
    """YAML that does not parse, or is no mapping, names its file."""
    monkeypatch.setattr(places, "PARAMETERS", tmp_path)
    (tmp_path / "demo").mkdir()
    for text in ("a: [1", "- 1"):
        (tmp_path / "demo" / f"{DETECTION}.yaml").write_text(text)
        with pytest.raises(ParameterError, match=DETECTION):
            parameters.profile_values("demo", DETECTION)


class Trained(parameters.NotebookParameters):
    """Parameters of a made-up notebook whose variants are named by their backbone."""

    variant_key = "backbone"
    backbone: str = "mobilenet"
    epochs: int = 100
    side: int = 224


@pytest.fixture
def variants(tmp_path, monkeypatch):
    """A profile in which one notebook has a common file and two variants, one of them with a file that says more."""
    folder = tmp_path / "demo" / "04_training"
    folder.mkdir(parents=True)
    (tmp_path / "demo" / "04_training.yaml").write_text("epochs: 5\nside: 96\n")
    (folder / "vgg16.yaml").write_text("side: 64\n")
    (folder / "mobilenet.yaml").write_text("# as the common file\n")
    monkeypatch.setattr(places, "PARAMETERS", tmp_path)
    monkeypatch.setattr(places, "CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(parameters, "SCHEMAS", {"04_training": f"{__name__}:Trained"})


def test_a_variant_takes_the_common_file_then_its_own(variants):
    """Variants share what the notebook's file says; a variant's file comes later; its name is the parameter that names variants."""
    assert parameters.runs_of("demo") == ["04_training/mobilenet", "04_training/vgg16"]
    values = [parameters.effective(run, "demo").model_dump() for run in parameters.runs_of("demo")]
    assert values == [{"backbone": "mobilenet", "epochs": 5, "side": 96}, {"backbone": "vgg16", "epochs": 5, "side": 64}]


def test_the_command_line_can_ask_for_one_more_variant(variants):
    """`make 04 SET="backbone=b0 epochs=2"` adds a variant with the common file's values; the settings concern it and no other."""
    settings, goals = parameters.parse_settings("backbone=b0 epochs=2"), {"04_training"}
    assert parameters.runs_of("demo", settings, goals) == ["04_training/b0", "04_training/mobilenet", "04_training/vgg16"]
    b0, other = (parameters.effective(f"04_training/{name}", "demo", "", settings, goals) for name in ("b0", "mobilenet"))
    assert (b0.backbone, b0.epochs, b0.side) == ("b0", 2, 96) and (other.backbone, other.epochs) == ("mobilenet", 5)
    without = parameters.effective("04_training/mobilenet", "demo", "", parameters.parse_settings("epochs=3"), goals)
    assert without.epochs == 3
