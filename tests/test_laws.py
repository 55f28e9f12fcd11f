"""The laws of DESIGN hold for every notebook, reading copy, figure and table shown; one fixture notebook a way of breaking them."""

import hashlib
import json
from pathlib import Path

import nbformat
import pytest

from lib.compendium import fingerprints, parameters, places, publish
from tests import laws

SOURCES = sorted(places.NOTEBOOKS.glob("*.ipynb"))
COPIES = sorted(publish.EXECUTED.rglob("*.ipynb"))
FIGURES = sorted(publish.FIGURES.rglob("*.png"))
BROKEN = Path(__file__).parent / "fixtures" / "notebooks"


def read(path):
    return nbformat.read(path, as_version=4)


def name_of(path):
    return path.stem


def run_of(copy):
    """Return `notebook` or `notebook/variant` for a reading copy's path."""
    return copy.relative_to(publish.EXECUTED).with_suffix("").as_posix()


@pytest.mark.parametrize(
    ("fixture", "law", "said"),
    [
        ("defines_function", laws.code_style, "defines a function"),
        ("defines_class", laws.code_style, "defines a function"),
        ("hides_function_in_lambda", laws.code_style, "defines a function"),
        ("shell_command", laws.code_style, "shell command"),
        ("pip_magic", laws.code_style, "shell command"),
        ("long_cell", laws.code_style, "16 lines"),
        ("syntax_error", laws.code_style, "does not parse"),
        ("with_outputs", laws.clean_source, "carries outputs"),
        ("executed_out_of_order", laws.clean_run, "execution counts are [7]"),
        ("not_executed", laws.clean_run, "execution counts are [None]"),
        ("ended_with_error", laws.clean_run, "ended with an error"),
        ("absolute_path", laws.clean_run, "an absolute path"),
        ("absolute_path_in_metadata", laws.clean_run, "an absolute path"),
        ("no_title", laws.shape, "no title and aim"),
        ("no_title", laws.shape, "0 parameters cells"),
        ("no_title", laws.shape, "Try it yourself"),
        ("no_title", laws.shape, "Paper and this run"),
        ("no_title", laws.shape, "never concluded"),
    ],
)
def test_each_way_of_breaking_a_law_is_noticed(fixture, law, said):
    """A one-cell notebook that breaks a law is reported in words."""
    assert any(said in line for line in law(read(BROKEN / f"{fixture}.ipynb")))


@pytest.mark.parametrize("fixture", ["parameter_not_literal", "parameter_imports"])
def test_only_literals_are_parameters(fixture):
    """A derived or imported value in the parameters cell would go stale under papermill, so it is refused."""
    with pytest.raises(ValueError):
        laws.literals(read(BROKEN / f"{fixture}.ipynb"))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_sources_obey_the_laws(path):
    """Shape, style and cleanness of every source notebook."""
    book = read(path)
    assert laws.shape(book) + laws.code_style(book) + laws.clean_source(book) == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_parameters_cell_equals_the_schema(path):
    """Names and defaults in the notebook are those of its pydantic model."""
    model = parameters.schema(path.stem)
    assert laws.literals(read(path)) == model().model_dump(mode="json")


def test_notebooks_and_schemas_are_the_same_set():
    """No notebook without a schema, no schema without a notebook, no parameter file without either."""
    assert [path.stem for path in SOURCES] == sorted(parameters.SCHEMAS)
    for file in places.PARAMETERS.glob("*/**/*.yaml"):
        if places.CLAIMS not in file.parents:
            assert file.relative_to(places.PARAMETERS).parts[1].removesuffix(".yaml") in parameters.SCHEMAS, file


def test_every_notebook_has_a_reading_copy():
    """Someone who only reads finds every notebook executed."""
    assert [path.stem for path in SOURCES] == sorted({run_of(path).split("/")[0] for path in COPIES})


@pytest.mark.parametrize("path", COPIES, ids=name_of)
def test_reading_copies_carry_one_clean_run(path):
    """Counts 1 to n, no error, no absolute path, under two megabytes."""
    assert laws.clean_run(read(path)) == []
    assert path.stat().st_size < publish.LARGEST


@pytest.mark.parametrize("path", COPIES, ids=name_of)
def test_reading_copies_are_sealed(path):
    """The seal, computed again from the notebook's source and the profile's parameters today, is the one in the copy."""
    run = run_of(path)
    now = parameters.effective(run, publish.PROFILE).model_dump(mode="json")
    assert publish.stamp(run)["seal"] == fingerprints.seal(places.NOTEBOOKS / f"{run.split('/')[0]}.ipynb", now)


@pytest.mark.parametrize("path", FIGURES, ids=name_of)
def test_every_figure_has_its_sidecar_and_numbers(path):
    """PNG, JSON and CSV belong together: the sidecar's hashes are those of the two files beside it."""
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["png_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sidecar["data_sha256"] == hashlib.sha256(path.with_suffix(".csv").read_bytes()).hexdigest()
    assert sidecar["alt"] and sidecar["caption"]


def test_no_sidecar_without_its_figure():
    """A sidecar or table whose picture is gone is a leftover."""
    left = {path.with_suffix("") for path in publish.FIGURES.rglob("*.*")} - {path.with_suffix("") for path in FIGURES}
    assert left == set()


def test_the_readme_shows_the_generated_numbers():
    """The README's results table is the one made from the reading copies, to the letter."""
    text = publish.README.read_text()
    assert publish.with_generated_tables(text) == text
    assert "<!-- generated: claims -->" in text


def test_synthetic_runs_never_claim_reproduction():
    """In the committed verdicts a synthetic collection never earned `reproduced`."""
    for run in map(run_of, COPIES):
        stamp = publish.stamp(run)
        if stamp["parameters"].get("collection") == "atelier":
            assert all(claim["verdict"] != "reproduced" for claim in stamp["claims"]), run
