"""Labellers: who sits on the panel of notebook 03, and how each is made ready: trained, fetched, or found on this machine."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lib.collections import corpora
from lib.compendium import compute, weights
from lib.compendium.errors import CompendiumError
from lib.compendium.fingerprints import sha256_of
from lib.compendium.kept import record_of, source_digest
from lib.labellers import action_units, human, multitask, openface, realtime
from lib.labellers.panel import Member, digest_of
from lib.labellers.parameters import LabellerParameters
from lib.labellers.settings import RuleSettings
from lib.labellers.target import multi_hot

GENDER = "mini_xception_gender"
PLACES = ("models", "folder", "recurrent", "weights", "gender_weights")  # settings that say where something is
ANSWERING = ("lib.expressions", "lib.faces.detectors", "lib.labellers.appearance", "lib.labellers.rules", "lib.labellers.settings",
             "lib.networks.multitask", "lib.networks.realtime")  # what labellers answer with, beside their own modules
TITLES = {
    openface.NAME: openface.TITLE, action_units.NAME: action_units.TITLE, multitask.NAME: multitask.TITLE,
    multitask.NAME_RNN: multitask.TITLE_RNN, realtime.NAME_XCEPTION: realtime.TITLE_XCEPTION,
    realtime.NAME_SEQUENTIAL: realtime.TITLE_SEQUENTIAL, human.NAME: human.TITLE,
}  # fmt: skip
NEEDS = {
    openface.NAME: openface.NEEDS, action_units.NAME: action_units.NEEDS, multitask.NAME: multitask.NEEDS,
    multitask.NAME_RNN: multitask.NEEDS_RNN, realtime.NAME_XCEPTION: realtime.NEEDS_XCEPTION,
    realtime.NAME_SEQUENTIAL: realtime.NEEDS_SEQUENTIAL, human.NAME: human.NEEDS,
}  # fmt: skip


def panel_of(parameters: LabellerParameters, faces: pd.DataFrame | None = None, read: Callable | None = None, files=None,
             work: Path | None = None) -> dict[str, Callable]:  # fmt: skip
    """Return for each labeller asked for the function that makes it ready, as `panel.ask` wants it.

    OpenFace and people label pictures, not crops: they join only where `faces` (the table), `read(row)` (its picture) and `files` (all
    files of the collection) are given. Where OpenFace is not here, our own Action Unit models sit in its place, under their own name.
    """
    ready = {
        action_units.NAME: lambda: _action_units(parameters), multitask.NAME: lambda: _multitask(parameters),
        multitask.NAME_RNN: lambda: _recurrent(parameters), realtime.NAME_XCEPTION: lambda: _xception(parameters),
        realtime.NAME_SEQUENTIAL: lambda: _sequential(parameters),
    }  # fmt: skip
    seated = {}
    for name in parameters.labellers:
        if name != openface.NAME:
            seated[name] = ready[name]
        elif faces is not None and not openface.missing(_openface_settings(parameters)):
            seated[name] = lambda: openface.label_faces(faces, read, _openface_settings(parameters, work), files,
                                                        compute.progress("pictures for OpenFace"))  # fmt: skip
        else:
            seated[action_units.NAME] = ready[action_units.NAME]
    if parameters.human_labels and faces is not None:
        seated[human.NAME] = lambda: _people(faces, Path(parameters.human_labels).expanduser())
    return seated


def _people(faces: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return people's answers; what of their file could not be used is among the notes."""
    answers, unused = human.label_faces(faces, path)
    answers.attrs["notes"] = [f"{path.name}{f', row {row}' if row else ''}{f' ({file})' if file else ''}: {reason}"
                              for row, file, reason in unused.itertuples(index=False)]  # fmt: skip
    return answers


def prepared(seated: dict[str, Callable]) -> tuple[dict[str, Callable], pd.DataFrame]:
    """Make ready all that label crops, and return (functions that give what was made ready, table: labeller, status, needs).

    Those that answer by themselves (OpenFace, people) are left for `panel.ask`. What cannot be made ready fails again there.
    """
    made, rows = {}, []
    for name, ready in seated.items():
        status = "answers by itself"
        if name not in (openface.NAME, human.NAME):
            try:
                found, status = ready(), "ready"
            except CompendiumError as error:
                status = f"left out: {error}"
            else:
                ready = _given(found)
        made[name] = ready
        rows.append({"labeller": name, "method": TITLES[name], "status": status, "needs": NEEDS[name]})
    return made, pd.DataFrame(rows)


def _given(found: Member) -> Callable:
    return lambda: found


def fer2013(parameters: LabellerParameters) -> pd.DataFrame:
    """Return mini_XCEPTION's accuracy on the user's FER2013 (see `corpora.accuracy`), an empty table where none was given.

    Column part: PrivateTest, PublicTest, or "test" where a folder has both in one. Raises CollectionError for a file that is not FER2013.
    """
    if not parameters.fer2013:
        return pd.DataFrame()
    corpus = corpora.read_fer2013(parameters.fer2013)
    usages = [usage for usage in ("PrivateTest", "PublicTest", "test") if (corpus.usage == usage).any()]
    if not usages:
        corpora.select(corpus, "PrivateTest")  # raises, saying which parts there are
    tables = [corpora.accuracy(corpus, usage, realtime.predict_grey).assign(part=usage) for usage in usages]
    return pd.concat(tables, ignore_index=True)


def fer2013_sentence(table: pd.DataFrame) -> str:
    """Return how often mini_XCEPTION is right on the parts of FER2013 in a table of `fer2013`, "" without one."""
    if table.empty:
        return ""
    parts = table[table["expression"] == "all"]
    said = "; ".join(f"**{row.recall:.1%}** [{row.low:.1%}, {row.high:.1%}] of {row.n:,} pictures of {row.part}"
                     for row in parts.itertuples())  # fmt: skip
    without = " The claim is about PrivateTest, which fer2013.csv tells apart from the other test and folders often do not."
    return f"mini_XCEPTION names rightly {said}." + ("" if (parts["part"] == "PrivateTest").any() else without)


def truth_sentence(meant: pd.DataFrame, faces: int, unused: pd.DataFrame) -> str:
    """Return how many of the faces have a known expression, and why pictures that name one give none, in words.

    meant, unused: of `truth.planted` and `truth.unused`.
    """
    if not len(meant) and not len(unused):
        return "The metadata of this collection names no expression: there is **no truth** to compare with, so this part stays empty."
    plain = int((meant["expression"] == "neutral").sum())
    said = f"**{len(meant)} of {faces} faces** have a known expression, {plain} of them neutral."
    if len(unused):
        counts = unused["reason"].value_counts()
        why = "; ".join(f"{count} × {reason.rstrip('.')}" for reason, count in counts.head(3).items())
        said += f" {len(unused)} pictures name an expression that no face takes for its own: {why}{'; and others' * (len(counts) > 3)}."
    return said


def verdict_values(target: pd.DataFrame, fer: pd.DataFrame, synthetic: bool) -> dict[str, tuple[float | None, str]]:
    """Return what this run measured of the sculpture study's claims about labels: {claim: (value, evidence)}."""
    sizes = multi_hot(target).sum(axis=1)
    labelled = sizes > 0
    overlap = float((sizes[labelled] > 1).mean() - 0.5) if labelled.any() else None
    private = fer[(fer["part"] == "PrivateTest") & (fer["expression"] == "all")] if len(fer) else fer
    evidence = "synthetic" if synthetic else "real"
    return {"expressions_overlap": (overlap, evidence),
            "realtime_fer2013": (float(private["recall"].iloc[0]) if len(private) else None, "real")}  # fmt: skip


def absence(parameters: LabellerParameters) -> str:
    """Return a sentence on why OpenFace's seat is taken by our own models, "" where it is not."""
    if openface.NAME not in parameters.labellers or not (why := openface.missing(_openface_settings(parameters))):
        return ""
    return f"OpenFace's seat is taken by **{action_units.TITLE}**. {why}"


def _openface_settings(parameters: LabellerParameters, work: Path | None = None) -> dict:
    return {**parameters.openface, "executable": parameters.openface_executable, "output_folder": parameters.openface_output,
            "rule": parameters.rule, "work": str(work) if work else ""}  # fmt: skip


def _lesson(parameters: LabellerParameters) -> dict:
    """Return what all that is trained here learns from."""
    return {"count": parameters.training_faces, "seed": parameters.training_seed, "material": parameters.training_material,
            "corpus": str(Path(parameters.training_corpus).expanduser()) if parameters.training_corpus else ""}  # fmt: skip


def _action_units(parameters: LabellerParameters) -> Member:
    folder = action_units.trained(_lesson(parameters))
    asked = {name: value for name, value in parameters.openface.items() if name in RuleSettings.model_fields and name != "known"}
    settings = {"models": str(folder), "rule": parameters.rule, "rule_settings": asked}
    return _member(action_units, "label_batch", action_units.NAME, settings, record_of(folder))


def _multitask(parameters: LabellerParameters) -> Member:
    folder = _multitask_folder(parameters)
    return _member(multitask, "label_batch", multitask.NAME, {"folder": str(folder)}, record_of(folder))


def _multitask_folder(parameters: LabellerParameters) -> Path:
    return multitask.trained(_lesson(parameters) | {
        "trunk": parameters.multitask_trunk, "side": parameters.multitask_side, "students": parameters.students,
        "teacher_epochs": parameters.teacher_epochs, "student_epochs": parameters.student_epochs, "rate": parameters.multitask_rate,
        "schedule": parameters.multitask_schedule, "complete_labels": parameters.complete_labels, "start": parameters.seed,
    })  # fmt: skip


def _recurrent(parameters: LabellerParameters) -> Member:
    folder = _multitask_folder(parameters)
    recurrent = multitask.trained_recurrent({
        "sequences": parameters.sequences, "frames": min(12, parameters.sequence_length), "length": parameters.sequence_length,
        "epochs": parameters.recurrent_epochs, "rate": parameters.multitask_rate, "start": parameters.seed,
        "seed": parameters.training_seed + 10_000,
    }, folder)  # fmt: skip
    settings = {"folder": str(folder), "recurrent": str(recurrent)}
    return _member(multitask, "label_batch_recurrent", multitask.NAME_RNN, settings, [record_of(folder), record_of(recurrent)])


def _xception(parameters: LabellerParameters) -> Member:
    files = {"weights": weights.path(realtime.WEIGHTS)} | ({"gender_weights": weights.path(GENDER)} if parameters.gender else {})
    settings = {"preprocessing": parameters.preprocessing} | {name: str(path) for name, path in files.items()}
    made_of = {name: sha256_of(path) for name, path in files.items()}
    return _member(realtime, "label_batch_xception", realtime.NAME_XCEPTION, settings, made_of)


def _sequential(parameters: LabellerParameters) -> Member:
    lesson = _lesson(parameters)
    folder = realtime.trained(lesson | {"epochs": parameters.sequential_epochs, "rate": parameters.sequential_rate,
                                        "dropout": parameters.sequential_dropout, "start": parameters.seed})  # fmt: skip
    settings = {"preprocessing": parameters.preprocessing, "folder": str(folder)}
    return _member(realtime, "label_batch_sequential", realtime.NAME_SEQUENTIAL, settings, record_of(folder))


def _member(module, function: str, name: str, settings: dict, made_of) -> Member:
    """Return a Member whose digest follows what its answers depend on, and not where on this machine that lies.

    made_of: JSON-able content of its weights: hashes, or the record of what they were trained from.
    """
    without_places = {key: value for key, value in settings.items() if key not in PLACES}
    code = source_digest([module.__name__, *ANSWERING])
    return Member(name, f"{module.__name__}:{function}", settings, digest_of(code=code, made_of=made_of, settings=without_places))
