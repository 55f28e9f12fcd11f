"""Labellers: our own Action Unit models, which stand in for OpenFace 2 where it is not installed, under their own name.

OpenFace's recipe (Baltrušaitis, Mahmoud and Robinson, FG 2015): the appearance and geometry of the aligned face, reduced to principal
components, then for each unit a linear support vector machine for its presence and a linear support vector regression for its intensity.
Nobody's faces are on both sides where a penalty is chosen or a probability calibrated. The expression follows from the units by rule.
"""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from lib.collections.atelier.expression import UNITS
from lib.compendium import fingerprints
from lib.compendium.errors import ParameterError, WeightsError
from lib.compendium.places import relative, write_atomically
from lib.expressions import EXPRESSIONS
from lib.labellers import appearance, rules
from lib.labellers.settings import checked

NAME = "action_units"
TITLE = "Action Unit models (our own, in OpenFace's place)"
NEEDS = "nothing to install: they are trained on this machine, on the atelier's faces (a minute or two) or on your own labelled ones."
PRESENCE_COLUMNS = tuple(f"AU{unit:02d}_c" for unit in UNITS)  # named as OpenFace names them
INTENSITY_COLUMNS = tuple(f"AU{unit:02d}_r" for unit in UNITS)
STRONGEST = 5.0
VERSION = 1  # of what is saved
ARRAYS, DESCRIPTION = "models.npz", "models.json"
SOURCES = ("lib.labellers.action_units", "lib.labellers.appearance")
NO_LANDMARKS = "no landmarks: without them the face cannot be laid on the mean face"
EVALUATED = ("unit", "faces", "present", "auc", "f1", "correlation", "icc", "mean_error")


class FitSettings(BaseModel):
    """How the models are fitted. The values are not stated in the paper unless said; they were chosen on people of no reported exam."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    components: int = Field(500, ge=2, le=appearance.FEATURES, description="principal components kept; 1391 in FG 2015, of more data")
    geometry: float = Field(0.5, gt=0, le=100, description="spread of the geometry's features as a part of the appearance's")
    present: float = Field(1.0, gt=0, le=STRONGEST, description="intensity from which a unit counts as present: the trace FACS scores as A")
    presence_penalties: tuple[float, ...] = Field((0.1, 0.3, 1.0), min_length=1, description="C of the machines to choose from, by AUC")
    intensity_penalties: tuple[float, ...] = Field((1.0, 3.0), min_length=1, description="C of the regressions, by squared error")
    folds: int = Field(3, ge=2, le=20, description="parts into which the people are dealt to choose and calibrate")


class TrainingSettings(BaseModel):
    """What the models learn from: the atelier's faces, or a folder of the user's labelled pictures (`corpus`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(2500, ge=100, description="faces of the atelier")
    seed: int = Field(100_000, ge=0, le=2**31 - 1, description="another seed, other people")
    side: int = Field(112, ge=48, le=448, description="pixels of a crop; the aligned picture has 112")
    material: str = Field("skin", description="of the atelier's heads, or mixed")
    corpus: str = Field("", description="a folder instead of the atelier; see lib.training.corpus")
    fit: FitSettings = FitSettings()


class LabelSettings(BaseModel):
    """What `label_batch` needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: str = Field(min_length=1, description="folder of fitted models")
    rule: str = Field("match", description="variant of lib.labellers.rules")
    rule_settings: dict = Field(default_factory=dict, description="other fields of lib.labellers.settings.RuleSettings")


class Models(NamedTuple):
    """Linear models of some units over `appearance.features`, as OpenFace keeps its own: answer = (features - mean) · weights + shift.

    units: numbers, k of them. mean: (4600,); presence, intensity: weights (4600, k); presence_shift, intensity_shift: (k,);
    calibration: (2, k), slope and shift that turn a presence answer into the logit of a probability (Platt). All float32.
    record: JSON-able: settings, what was left out and why, how well each unit did on people it was not fitted on.
    """

    units: tuple
    mean: np.ndarray
    presence: np.ndarray
    presence_shift: np.ndarray
    calibration: np.ndarray
    intensity: np.ndarray
    intensity_shift: np.ndarray
    record: dict


# ---- labelling


def label_batch(crops, landmarks, settings: dict) -> pd.DataFrame:
    """Return one row a crop: the seven EXPRESSIONS (summing to 1), AU01_c … (probability of presence), AU01_r … (0 to 5), `reason`.

    `crops`: uint8 RGB (n, S, S, 3); `landmarks`: (n, 68, 2) in crop pixels. `settings`: "models" (folder), and optionally "rule" and
    "rule_settings" (see `lib.labellers.rules`). A face without landmarks has NaN and a reason; units without a model have NaN.
    Each face's row depends on that face alone. Raises WeightsError for models that cannot be used, ParameterError for wrong settings.
    """
    asked = checked(settings, LabelSettings)
    models = load(asked.models)
    presence, intensity = predict(models, appearance.features(crops, landmarks))
    wide = np.full((2, len(presence), len(UNITS)), np.nan)
    wide[:, :, [UNITS.index(unit) for unit in models.units]] = presence, intensity
    scores = rules.scores(*wide, UNITS, {**asked.rule_settings, "rule": asked.rule})
    columns = (*EXPRESSIONS, *PRESENCE_COLUMNS, *INTENSITY_COLUMNS)
    answers = pd.DataFrame(np.concatenate([scores, *wide], axis=1), columns=columns)
    answers["reason"] = np.where(appearance.usable(landmarks), "", NO_LANDMARKS)
    unsaid = np.isnan(scores).any(axis=1) & (answers["reason"] == "")
    answers.loc[unsaid, "reason"] = "for some expression not one of its Action Units has a model"
    return answers


def predict(models: Models, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of presence and intensities 0 to 5, float64 (n, k) each, from features (n, 4600); NaN where those are NaN."""
    features = np.asarray(features, np.float32)
    if features.ndim != 2 or features.shape[1] != len(models.mean):
        expected = f"(n, {len(models.mean)}), as `appearance.features` gives"
        raise ParameterError(f"Received features of shape {features.shape}; expected {expected}.")
    weights = np.concatenate([models.presence, models.intensity], axis=1)
    # One face at a time: a product of matrices sums in another order for another number of faces, and its last digits change.
    answers = np.array([(row - models.mean) @ weights for row in features], float).reshape(len(features), weights.shape[1])
    presence, intensity = np.split(answers, 2, axis=1)
    logit = (presence + models.presence_shift) * models.calibration[0] + models.calibration[1]
    return 1 / (1 + np.exp(-np.clip(logit, -50, 50))), np.clip(intensity + models.intensity_shift, 0, STRONGEST)


# ---- fitting


def trained(settings: dict | None = None) -> Path:
    """Return the folder of fitted models, fitted now if this machine has not kept them. `settings`: some fields of TrainingSettings."""
    from lib.compendium import kept

    asked = checked(settings, TrainingSettings)
    made_of = asked.model_dump(mode="json")
    if asked.corpus:  # which pictures there are decides, not what their folder is called
        from lib.training import corpus

        faces = corpus.corpus_faces(asked.corpus, asked.side)
        made_of = {"side": asked.side, "fit": made_of["fit"], "of": _digest_of(faces)}
        return kept.kept(NAME, made_of, (*SOURCES, *corpus.SOURCES), lambda folder: save(fit(faces, asked.fit), folder))

    from lib.training import faces as training

    def make(folder: Path) -> dict:
        return save(fit(training.atelier_faces(asked.count, asked.seed, asked.side, asked.material), asked.fit), folder)

    return kept.kept(NAME, made_of, (*SOURCES, *training.SOURCES), make)


def _digest_of(faces) -> str:
    return fingerprints.digest(faces.table.to_csv(index=False) + hashlib.sha256(np.ascontiguousarray(faces.landmarks)).hexdigest()
                               + hashlib.sha256(np.ascontiguousarray(faces.crops)).hexdigest())  # fmt: skip


def fit(faces, settings=None) -> Models:
    """Return models fitted to faces (a `lib.training.faces.TrainingFaces`).

    Of its table are used `subject` and the columns AU01 … (0 to 5, NaN unknown). Faces without landmarks are left out; a unit is left
    out where too few people show it, or too few do not. `settings`: a FitSettings or a dict of some of its fields. Raises ParameterError
    where no unit can be fitted.
    """
    settings = checked(settings, FitSettings)
    features = appearance.features(faces.crops, faces.landmarks)
    good = np.isfinite(features).all(axis=1)
    features, table = features[good], faces.table[good].reset_index(drop=True)
    if table["subject"].nunique() < settings.folds:
        raise ParameterError(
            f"Received {len(table)} usable faces of {table['subject'].nunique()} people; expected at least {settings.folds} people, to "
            "test on some what was learned from others. Give more faces, or a `subject` for each."
        )
    mean, reduced, back = _reduced(features, settings)
    jobs = [(unit, *_learnable(table, unit, settings)) for unit in UNITS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # liblinear lets go of Python's lock
        found = list(pool.map(lambda job: None if job[3] else _fit_unit(reduced, *job[1:3], settings), jobs))
    left_out = {str(unit): reason for unit, _, _, reason in jobs if reason}
    if len(left_out) == len(UNITS):
        first = next(iter(left_out.values()))
        raise ParameterError(f"No Action Unit can be fitted to these {len(table)} faces ({first}). Give faces with known units.")
    record = {"faces": len(table), "people": int(table["subject"].nunique()), "settings": settings.model_dump(mode="json"),
              "left out": left_out}  # fmt: skip
    return _models([job[0] for job, one in zip(jobs, found, strict=True) if one], [one for one in found if one], mean, back, record)


def _reduced(features: np.ndarray, settings: FitSettings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean (4600,), the faces' components (n, k), and what takes weights over components back to features (4600, k).

    Each block is divided by its whole spread, not each feature by its own: cells in which nothing happens stay small.
    The components know the faces of all people but none of their labels, so they are found once and not anew for each fold.
    """
    from sklearn.decomposition import PCA

    mean = features.mean(axis=0)
    centred = features - mean
    split = appearance.HISTOGRAMS
    spread = [np.sqrt(block.var(axis=0).sum()) or 1.0 for block in (centred[:, :split], centred[:, split:])]
    scale = np.repeat(np.float32([1 / spread[0], settings.geometry / spread[1]]), [split, appearance.GEOMETRY])
    count = min(settings.components, len(features) - 1)
    analysis = PCA(count, svd_solver="randomized", iterated_power=4, random_state=0).fit(centred * scale)
    back = (analysis.components_ * scale).T
    return mean, (centred @ back).astype(np.float64), back


def _learnable(table: pd.DataFrame, unit: int, settings: FitSettings) -> tuple[np.ndarray, list, str]:
    """Return a unit's values (n,) with NaN, the folds of the faces where it is known, and why it cannot be fitted ("" if it can)."""
    from sklearn.model_selection import StratifiedGroupKFold

    values = table.get(f"AU{unit:02d}", pd.Series(np.nan, table.index)).to_numpy(float)
    known = np.flatnonzero(np.isfinite(values))
    present, people = values[known] >= settings.present, table["subject"].to_numpy()[known]
    shown, hidden = len(set(people[present])), len(set(people[~present]))
    if min(shown, hidden) < settings.folds:
        return values, [], f"{shown} people show it and {hidden} do not; expected at least {settings.folds} of each"
    dealt = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=0).split(known, present, people)
    folds = [(known[rest], known[part]) for rest, part in dealt]
    if any(len(set(values[rest] >= settings.present)) < 2 for rest, _ in folds):
        return values, [], "the few who show it, or do not, cannot be dealt into parts"
    return values, folds, ""


def _fit_unit(reduced: np.ndarray, values: np.ndarray, folds: list, settings: FitSettings) -> dict:
    """Return the weights, shifts, calibration and cross-validated quality of one unit."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    known = np.isfinite(values)
    present = values >= settings.present
    trials = {c: _out_of_fold(reduced, present, folds, _machine(c)) for c in settings.presence_penalties}
    c = max(trials, key=lambda each: roc_auc_score(present[known], trials[each][known]))
    platt = LogisticRegression(C=1e6).fit(trials[c][known, None], present[known])
    machine = _machine(c)().fit(reduced[known], present[known])
    tries = {p: np.clip(_out_of_fold(reduced, values, folds, _regression(p)), 0, STRONGEST) for p in settings.intensity_penalties}
    p = min(tries, key=lambda each: np.square(tries[each] - values)[known].mean())
    regression = _regression(p)().fit(reduced[known], values[known])
    quality = agreement(values[known], platt.predict_proba(trials[c][known, None])[:, 1], tries[p][known], settings.present)
    return {"presence": (machine.coef_[0], machine.intercept_[0]),
            "intensity": (regression.coef_, float(np.squeeze(regression.intercept_))),
            "calibration": (platt.coef_[0, 0], platt.intercept_[0]), "quality": {"C presence": c, "C intensity": p, **quality}}  # fmt: skip


def _machine(c: float) -> Callable:
    from sklearn.svm import LinearSVC

    return lambda: LinearSVC(C=c, class_weight="balanced", dual=False, tol=1e-3)


def _regression(c: float) -> Callable:
    from sklearn.svm import LinearSVR

    # differs from the paper: squared instead of plain epsilon-insensitive loss, which can be solved without a dual and without chance.
    return lambda: LinearSVR(C=c, epsilon=0.1, loss="squared_epsilon_insensitive", dual=False, tol=1e-3)


def _out_of_fold(reduced: np.ndarray, target: np.ndarray, folds: list, make: Callable) -> np.ndarray:
    """Return what models fitted on the other people say of each face, (n,), NaN where the target is unknown."""
    said = np.full(len(target), np.nan)
    for rest, part in folds:
        model = make().fit(reduced[rest], target[rest])
        said[part] = model.decision_function(reduced[part]) if hasattr(model, "decision_function") else model.predict(reduced[part])
    return said


def _models(units: list, found: list, mean: np.ndarray, back: np.ndarray, record: dict) -> Models:
    parts = {}
    for what in ("presence", "intensity"):
        parts[what] = np.float32(back @ np.stack([one[what][0] for one in found], axis=1))
        parts[f"{what}_shift"] = np.float32([one[what][1] for one in found])
    quality = [{"unit": unit, **one["quality"]} for unit, one in zip(units, found, strict=True)]
    return Models(units=tuple(units), mean=np.float32(mean), calibration=np.float32([one["calibration"] for one in found]).T,
                  record={**record, "on other people": quality}, **parts)  # fmt: skip


# ---- evaluating


def evaluate(answers: pd.DataFrame, table: pd.DataFrame, present: float = 1.0) -> pd.DataFrame:
    """Return how well answers (of `label_batch`) meet planted intensities (columns AU01 … of a table, same rows): one row a unit.

    Columns EVALUATED: unit, faces (with answer and truth), present (of those, at `present` or more: FACS's trace, not stated in the
    paper), auc and f1 (of presence, from .5), correlation (Pearson), icc (ICC(3,1), Shrout and Fleiss 1979) and mean_error (absolute, 0
    to 5) of intensity. NaN where undefined: a unit that all or none of the faces show has no AUC.
    """
    if len(answers) != len(table):
        raise ParameterError(f"Received {len(answers)} answers for {len(table)} faces; expected as many, in the same order.")
    rows = []
    for unit, presence, intensity in zip(UNITS, PRESENCE_COLUMNS, INTENSITY_COLUMNS, strict=True):
        said = answers[[presence, intensity]].to_numpy(float)
        values = table[f"AU{unit:02d}"].to_numpy(float)
        both = np.isfinite(said).all(axis=1) & np.isfinite(values)
        rows.append({"unit": unit, **agreement(values[both], *said[both].T, present)})
    return pd.DataFrame(rows, columns=EVALUATED)


def agreement(values: np.ndarray, presence: np.ndarray, intensity: np.ndarray, present: float) -> dict:
    """Return the measures of `evaluate` for one unit: planted intensities, said probabilities and said intensities, (n,) each."""
    from sklearn.metrics import f1_score, roc_auc_score

    there = values >= present
    mixed, varied = 0 < there.sum() < len(there), len(values) > 1 and values.std() > 0
    return {
        "faces": len(values), "present": int(there.sum()),
        "auc": float(roc_auc_score(there, presence)) if mixed else np.nan,
        "f1": float(f1_score(there, presence >= 0.5, zero_division=0)) if there.any() else np.nan,
        "correlation": float(np.corrcoef(values, intensity)[0, 1]) if varied and intensity.std() > 0 else np.nan,
        "icc": intraclass(values, intensity) if varied else np.nan,
        "mean_error": float(np.abs(values - intensity).mean()) if len(values) else np.nan,
    }  # fmt: skip


def intraclass(first, second) -> float:
    """Return ICC(3,1) of two raters (n,): (rows - rest) / (rows + rest) of the two-way mean squares (Shrout and Fleiss 1979)."""
    ratings = np.stack([first, second], axis=1).astype(float)
    rows, columns, whole = ratings.mean(axis=1, keepdims=True), ratings.mean(axis=0), ratings.mean()
    between = 2 * np.square(rows - whole).sum() / (len(ratings) - 1)
    rest = np.square(ratings - rows - columns + whole).sum() / (len(ratings) - 1)
    return float((between - rest) / (between + rest)) if between + rest > 0 else np.nan


# ---- keeping


def save(models: Models, folder) -> dict:
    """Write models into a folder as numbers (npz, nothing pickled) and a description with their hash (JSON), and return that."""
    folder = Path(folder)
    arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in models._asdict().items() if name not in ("units", "record")}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    description = {"version": VERSION, "name": NAME, "units": list(models.units), "features": _layout(),
                   "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(), "record": models.record}  # fmt: skip
    write_atomically(folder / ARRAYS, buffer.getvalue())
    write_atomically(folder / DESCRIPTION, json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    return description


def load(folder) -> Models:
    """Return the models of a folder. Raises WeightsError where files are missing, damaged, or of another version of the features."""
    place = Path(folder)
    try:
        stamps = tuple((place / name).stat().st_mtime_ns for name in (ARRAYS, DESCRIPTION))
    except OSError:
        raise WeightsError(
            f"Received {relative(place)}, which lacks {ARRAYS} or {DESCRIPTION}; expected a folder of Action Unit models. Train them."
        ) from None
    return _loaded(str(place), stamps)


@lru_cache(maxsize=2)
def _loaded(folder: str, stamps: tuple) -> Models:
    place, again = Path(folder), "Delete the folder, and the next run trains again."
    try:
        description = json.loads((place / DESCRIPTION).read_text())
        version, layout, units = (description[key] for key in ("version", "features", "units"))
        promised, record = description["sha256"], description["record"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"The description {relative(place / DESCRIPTION)} cannot be read ({error!r}); expected what training wrote. "
                           f"{again}") from None  # fmt: skip
    if version != VERSION or layout != _layout():
        raise WeightsError(f"The models in {relative(place)} are of version {version} for the features {layout}; expected version "
                           f"{VERSION} for {_layout()}. {again}")  # fmt: skip
    content = (place / ARRAYS).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != promised:
        raise WeightsError(f"{relative(place / ARRAYS)} has the SHA-256 {found}; expected {promised}. {again}")
    return Models(units=_checked_units(units, again), record=record, **_arrays(content, len(units), again))


def _arrays(content: bytes, count: int, again: str) -> dict[str, np.ndarray]:
    wide = (appearance.FEATURES, count)
    shapes = {"mean": (appearance.FEATURES,), "presence": wide, "presence_shift": (count,), "calibration": (2, count), "intensity": wide,
              "intensity_shift": (count,)}  # fmt: skip
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in shapes}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise WeightsError(f"{ARRAYS} does not hold the arrays {', '.join(shapes)} ({error!r}). {again}") from None
    for name, array in arrays.items():
        if array.shape != shapes[name] or array.dtype != np.float32 or not np.isfinite(array).all():
            raise WeightsError(f"The array {name} is {array.dtype} {array.shape}; expected finite float32 {shapes[name]}. {again}")
    return arrays


def _checked_units(units, again: str) -> tuple:
    if not isinstance(units, list) or not units or len(set(map(str, units))) < len(units) or any(unit not in UNITS for unit in units):
        raise WeightsError(f"Received models of the units {units}; expected some of {', '.join(map(str, UNITS))}, each once. {again}")
    return tuple(units)


def _layout() -> dict:
    """Return what the features are made of: models of other features must not be used."""
    points = np.round(appearance.mean_shape(), 3) + 0.0  # no negative zeros in the text
    return {"side": appearance.SIDE, "cell": appearance.CELL, "bins": appearance.BINS, "numbers": appearance.FEATURES,
            "mean face": hashlib.sha256(points.astype("<f8").tobytes()).hexdigest()[:16]}  # fmt: skip
