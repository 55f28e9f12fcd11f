"""Machinery: the parameters of each notebook: one pydantic model, layered values, clear refusals.

Values are layered, later wins: the model's defaults (the paper's values), the profile's file under `params/`, the collection of the
command line, `SET="key=value"`. Nothing here imports a heavy library, so a wrong parameter is refused in well under a second.
"""

import importlib
import shlex
from pathlib import Path
from typing import ClassVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from lib.compendium import places
from lib.compendium.errors import ParameterError, did_you_mean

# The notebook and where its model lives. A name, not an import: the machinery knows no science.
SCHEMAS = {
    "00_start_here": "lib.compendium.parameters:StartHereParameters",
    "01_dataset_census": "lib.collections.parameters:CensusParameters",
    "02_face_detection": "lib.faces.parameters:FaceDetectionParameters",
    "03_labeller_agreement": "lib.labellers.parameters:LabellerParameters",
    "04_training": "lib.training.parameters:TrainingParameters",
    "05_metrics": "lib.training.metrics_parameters:MetricsParameters",
    "06_gradcam": "lib.explain.parameters:GradcamParameters",
    "07_terracotta_gan_augmentation": "lib.explain.terracotta_parameters:TerracottaParameters",
    "08_lime_ekman": "lib.explain.lime_parameters:LimeEkmanParameters",
    "09_art_emotion": "lib.artworks.parameters:ArtEmotionParameters",
    "10_published_numbers": "lib.published.parameters:PublishedNumbersParameters",
}


class NotebookParameters(BaseModel):
    """Base of every notebook's parameters: unknown keys are refused, values cannot change during a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    variant_key: ClassVar[str] = ""  # the parameter that names a variant: `make 04 SET="backbone=vgg16"` runs the variant `vgg16`

    def input_files(self) -> list[Path]:
        """Return the files outside the repository this notebook reads; they enter its fingerprint."""
        return []

    def check_inputs(self) -> None:
        """Raise a CompendiumError where the inputs cannot be used; called once, before a kernel starts."""


class StartHereParameters(NotebookParameters):
    """Notebook 00 has nothing to set: it gathers what the other runs of the profile recorded."""


def schema(notebook: str) -> type[NotebookParameters]:
    """Return the parameter model of a notebook given by its whole name."""
    module, name = SCHEMAS[notebook].split(":")
    return getattr(importlib.import_module(module), name)


def notebook_named(text: str) -> str:
    """Return the whole name for `02`, `02_face_detection` or `notebooks/02_face_detection.ipynb`."""
    stem = Path(text).name.removesuffix(".ipynb")
    matches = [name for name in SCHEMAS if stem and (name == stem or name.split("_")[0] == stem.zfill(2))]
    if len(matches) != 1:
        raise ParameterError(
            f"No notebook is called {text!r}.{did_you_mean(stem, SCHEMAS)} There are: {', '.join(SCHEMAS)}. Say for example NB=02."
        )
    return matches[0]


def profiles() -> list[str]:
    """Return the names of the profiles: the folders of `params/` that hold parameter files."""
    return sorted(folder.name for folder in places.PARAMETERS.iterdir() if folder.is_dir() and folder != places.CLAIMS)


def runs_of(profile: str, settings: list | None = None, goals: set[str] | None = None) -> list[str]:
    """Return the runs of a profile in story order: `notebook`, or `notebook/variant` for each variant's parameter file.

    A variant the command line asks for is among them, whether the profile has a file for it or not.
    """
    if profile not in profiles():
        raise ParameterError(
            f"There is no profile {profile!r}.{did_you_mean(profile, profiles())} Say PROFILE= one of: {', '.join(profiles())}."
        )
    runs = []
    for notebook in SCHEMAS:
        variants = {file.stem for file in (places.PARAMETERS / profile / notebook).glob("*.yaml")}
        variants |= set(filter(None, [variant_asked(notebook, settings or [], goals or set())]))
        runs += [f"{notebook}/{variant}" for variant in sorted(variants)] or [notebook]
    return runs


def variant_asked(notebook: str, settings: list, goals: set[str]) -> str:
    """Return the variant of a notebook that the command line names, or ""."""
    key = schema(notebook).variant_key
    return str(settings_for(notebook, settings, goals).get(key, "")) if key else ""


def profile_values(profile: str, run: str) -> dict:
    """Return what the profile sets for a run: the notebook's parameter file, then, for `notebook/variant`, the variant's name and file."""
    notebook, _, variant = run.partition("/")
    values = _file_values(places.PARAMETERS / profile / f"{notebook}.yaml")
    if variant and (key := schema(notebook).variant_key):
        values[key] = variant
    return values | (_file_values(places.PARAMETERS / profile / f"{run}.yaml") if variant else {})


def _file_values(file: Path) -> dict:
    if not file.exists():
        return {}
    try:
        values = yaml.safe_load(file.read_text()) or {}
    except yaml.YAMLError as error:
        raise ParameterError(f"{places.relative(file)} is not YAML: {' '.join(str(error).split())}. Mend that line.") from error
    if not isinstance(values, dict):
        raise ParameterError(f"{places.relative(file)} holds a {type(values).__name__}; expected lines of `name: value`.")
    return values


def parse_settings(text: str) -> list[tuple[str | None, str, str]]:
    """Split `SET="02.minimum_size=24 seed=3"` into (notebook or None, key, value as text)."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ParameterError(f"SET={text!r} has an open quote ({error}). Write SET=\"key=value other=value\".") from error
    settings = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ParameterError(f"SET holds {word!r}; expected key=value, for example SET=\"minimum_confidence=0.9\".")
        notebook, dot, key = name.rpartition(".")
        settings.append((notebook_named(notebook) if dot else None, key, value))
    return settings


def _typed(model: type[NotebookParameters], key: str, value: str):
    """Read a value of the command line: as it is for text, as YAML (numbers, yes/no, lists) for anything else."""
    if model.model_fields[key].annotation is str:
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def settings_for(notebook: str, settings: list, goals: set[str]) -> dict:
    """Return the command line's settings that concern a notebook.

    `02.key=value` concerns notebook 02. A bare `key=value` concerns the notebooks named as goals (`make 02 SET=…`), or, where
    none is named (`make reproduce SET=…`), every notebook that has such a parameter.
    """
    model = schema(notebook)
    chosen = {}
    for target, key, value in settings:
        named = target == notebook or (target is None and notebook in goals)
        if named and key not in model.model_fields:
            raise unknown_parameter(notebook, key)
        if named or (target is None and not goals and key in model.model_fields):
            chosen[key] = _typed(model, key, value)
    return chosen


def check_settings_land(settings: list, goals: set[str]) -> None:
    """Refuse a bare setting that no notebook has."""
    for target, key, _ in settings:
        if target is None and not goals and not any(key in schema(notebook).model_fields for notebook in SCHEMAS):
            known = sorted({name for notebook in SCHEMAS for name in schema(notebook).model_fields})
            raise ParameterError(f"No notebook has a parameter {key!r}.{did_you_mean(key, known)} Known: {', '.join(known)}.")


def unknown_parameter(notebook: str, key: str) -> ParameterError:
    """Return the error for a parameter that a notebook does not have."""
    known = list(schema(notebook).model_fields)
    return ParameterError(
        f"{notebook} has no parameter {key!r}.{did_you_mean(key, known)} It has: {', '.join(known) or 'none'}."
    )


def validated(notebook: str, values: dict) -> NotebookParameters:
    """Return the checked parameters of a notebook, or raise a ParameterError naming the value, what was expected and a cure."""
    model = schema(notebook)
    for key in values:
        if key not in model.model_fields:
            raise unknown_parameter(notebook, key)
    try:
        return model(**values)
    except ValidationError as error:
        raise ParameterError("; ".join(_explained(notebook, model, problem) for problem in error.errors())) from error


def _explained(notebook: str, model: type[NotebookParameters], problem: dict) -> str:
    """Turn one pydantic problem into a sentence."""
    expected = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should", 1)
    if not problem["loc"]:  # of several parameters together
        return f"{notebook}: {expected}."
    key = str(problem["loc"][0])
    default = model.model_fields[key].get_default(call_default_factory=True) if key in model.model_fields else None
    return f"{notebook}: {key} = {problem['input']!r} is not accepted: {expected} (the default is {default!r})."


def effective(run: str, profile: str, collection: str = "", settings: list | None = None, goals: set[str] | None = None):
    """Return the checked parameters of a run after all layers."""
    notebook = run.split("/")[0]
    values = profile_values(profile, run)
    if collection and "collection" in schema(notebook).model_fields:
        values["collection"] = collection
    values |= _settings_for_run(run, settings or [], goals or set())
    return validated(notebook, values)


def _settings_for_run(run: str, settings: list, goals: set[str]) -> dict:
    """Return the command line's settings for a run: where they name a variant, they concern that one and no other."""
    notebook, _, variant = run.partition("/")
    asked = variant_asked(notebook, settings, goals)
    return {} if variant and asked not in ("", variant) else settings_for(notebook, settings, goals)
