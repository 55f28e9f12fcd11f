"""Labellers: against planted truth: what each labeller gets right, what it mistakes, and whether uniting them helps or hurts.

Truth is what the metadata says about the largest face of a picture (the first of its `face_boxes`): on the atelier what was planted, on a
face-expression corpus what its makers wrote down. Intervals are 95 % bootstrap percentiles over objects (identities), not faces.
"""

import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError, did_you_mean
from lib.expressions import EXPRESSIONS, canonical, circumplex
from lib.faces import evaluate
from lib.labellers import agreement
from lib.labellers.agreement import RESAMPLES, drawn, interval, summed
from lib.labellers.target import Votes, hardened, multi_hot, target

MINIMUM_OVERLAP = 0.3  # of a found face with the planted one
CLEAR = 0.6  # intensity from which an expression can hardly be missed
LEAST_SHARE = 0.3  # share of a mixture from which an expression belongs to the planted set
PRESENT = 1.0  # intensity from which a planted Action Unit is there; not stated in the paper: OpenFace's scale calls 1 a trace
PLANTED = "planted"
NO_FACE = "no face was found where it is"
NEUTRAL = EXPRESSIONS.index("neutral")
FAINT, MIDDLE, STRONG = "under 0.3", "0.3 to 0.6", "0.6 and more"
MEASURES = ("accuracy", "balanced accuracy", "macro F1", "micro F1", "weighted F1")
COMPARED = ("Jaccard", "micro F1", "macro F1", "precision", "recall", "labels")
# The ways of uniting: name for readers, kind of target. Only the first is the sculpture study's.
WAYS = {"union": "union", "majority": "majority", "most votes": "plurality", "soft mean": "soft_mean",
        "agreement-weighted": "agreement_weighted"}  # fmt: skip
QUALITY_COLUMNS = ["labeller", "measure", "faces", "objects", "value", "low", "high"]
EXPRESSION_COLUMNS = ["labeller", "expression", "faces", "said", "precision", "recall", "f1", "low", "high"]
GROUP_COLUMNS = ["labeller", "by", "group", "faces", "objects", "accuracy", "low", "high", "macro_f1"]
COMPARISON_COLUMNS = ["way", "kind", "measure", "faces", "objects", "value", "low", "high"]
DIFFERENCE_COLUMNS = ["way", "measure", "best", "faces", "objects", "difference", "low", "high"]
BIAS_COLUMNS = ["labeller", "expression", "faces", "said", "share", "against", "reference", "ratio"]
CALIBRATION_COLUMNS = ["labeller", "bin", "from", "to", "faces", "confidence", "accuracy"]
UNIT_COLUMNS = ["labeller", "unit", "faces", "present", "auc", "low", "high", "f1", "correlation", "mean_error", "reason"]
AFFECT_COLUMNS = ["labeller", "dimension", "faces", "objects", "ccc", "low", "high", "correlation", "mean_error"]


# ---- the planted truth of found faces


def planted(faces: pd.DataFrame, images: pd.DataFrame, minimum_overlap: float = MINIMUM_OVERLAP) -> pd.DataFrame:
    """Return the truth of those found faces that have one, one row a face; empty where the metadata names no expression.

    faces: face_id, image_id, x, y, width, height. images: image_id, `expression` and, as far as known, `face_boxes`, `soft_label`
    ("happy=0.6;sad=0.4"), `intensity` (0 to 1), `AU01` … (0 to 5), `identity`. Found and planted boxes are paired one to one; only the face
    that meets a picture's first box by `minimum_overlap` has truth. Where nobody drew boxes, a picture's only face has it.

    Columns: those of `agreement.described`, overlap (NaN without a box), expression, intensity, `by intensity`, the seven EXPRESSIONS
    (shares of the mixture, summing to 1), valence and arousal (the circumplex, -1 to 1; NaN without intensity), and the images' AU columns.
    """
    return _sorted_out(faces, images, minimum_overlap)[0]


def unused(faces: pd.DataFrame, images: pd.DataFrame, minimum_overlap: float = MINIMUM_OVERLAP) -> pd.DataFrame:
    """Return the pictures whose `expression` says something that no found face takes for its truth: file, expression, reason."""
    return _sorted_out(faces, images, minimum_overlap)[1]


def _sorted_out(faces: pd.DataFrame, images: pd.DataFrame, minimum_overlap: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    units = sorted(name for name in images if str(name).startswith("AU") and str(name)[2:].isdigit())
    columns = ["overlap", "expression", "intensity", "by intensity", *EXPRESSIONS, "valence", "arousal", *units]
    of_picture, rows, left = dict(tuple(faces.groupby("image_id", sort=False))), [], []
    named = images[[bool(_text(value)) for value in images["expression"]]] if "expression" in images else images.iloc[:0]
    for picture in named.drop_duplicates("image_id").to_dict("records"):
        place, found = None, of_picture.get(picture["image_id"], faces.iloc[:0])
        meant, reason = _meant(picture, units)
        if meant:
            place, overlap, reason = _the_face(found, picture.get("face_boxes"), minimum_overlap)
        if place is None:
            left.append((picture.get("file", picture["image_id"]), _text(picture["expression"]), reason))
        else:
            rows.append({"face_id": found["face_id"].iloc[place], "overlap": overlap, **meant})
    truth = pd.DataFrame(rows, columns=["face_id", *columns]).astype({"face_id": str})
    truth = agreement.described(faces, images).merge(truth, on="face_id", validate="one_to_one")
    return truth, pd.DataFrame(left, columns=["file", "expression", "reason"])


def _the_face(found: pd.DataFrame, boxes, minimum_overlap: float) -> tuple[int | None, float, str]:
    """Return the place of a picture's face that its metadata speaks of and the overlap with its first box, or None and the reason."""
    if not len(found):
        return None, np.nan, NO_FACE
    if boxes is None or pd.isna(boxes):
        return (0, np.nan, "") if len(found) == 1 else (None, np.nan, "several faces were found, and no face_boxes say which is meant")
    pairs = evaluate.match(found[evaluate.BOX].to_numpy(float), evaluate.parse_boxes(boxes), minimum_overlap)
    return next(((place, overlap, "") for place, box, overlap in pairs if box == 0), (None, np.nan, NO_FACE))


def _text(value) -> str:
    return "" if value is None or pd.isna(value) else str(value).strip()


def _meant(picture: dict, units: list) -> tuple[dict, str]:
    """Return what the metadata says about a picture's largest face, or {} and why it cannot be used."""
    try:
        expression, mixture = canonical(_text(picture["expression"])), parse_mixture(picture.get("soft_label"))
    except ParameterError as error:
        return {}, str(error)
    if expression not in EXPRESSIONS:
        return {}, f"{expression} is none of the seven expressions"
    mixture = mixture or {expression: 1.0}
    intensity = float(pd.to_numeric(picture.get("intensity"), errors="coerce"))
    valence, arousal = circumplex(mixture, intensity) if 0 <= intensity <= 1 else (np.nan, np.nan)
    return {"expression": expression, "intensity": intensity, "by intensity": _strength(expression, intensity),
            **{name: mixture.get(name, 0.0) for name in EXPRESSIONS}, "valence": valence, "arousal": arousal,
            **{unit: pd.to_numeric(picture[unit], errors="coerce") for unit in units}}, ""  # fmt: skip


def _strength(expression: str, intensity: float) -> str | None:
    if expression == "neutral":
        return "neutral"
    return None if not np.isfinite(intensity) else FAINT if intensity < 0.3 else MIDDLE if intensity < CLEAR else STRONG


def parse_mixture(text) -> dict[str, float]:
    """Parse "happy=0.6;sad=0.4" into {expression: share}, shares summing to 1; nothing gives {}. Raises ParameterError for another form."""
    parts = [part.partition("=") for part in _text(text).split(";") if part.strip()]
    try:
        mixture = {canonical(name): float(share) for name, _, share in parts}
    except ValueError:
        mixture = {"": -1.0}
    if mixture and (not set(mixture) <= set(EXPRESSIONS) or min(mixture.values()) < 0 or not 0 < sum(mixture.values()) < np.inf):
        raise ParameterError(f"Received the soft label {text!r}, expected shares such as 'happy=0.6;sad=0.4': correct the metadata.")
    return {name: share / sum(mixture.values()) for name, share in mixture.items()}


def clear(truth: pd.DataFrame, least: float = CLEAR) -> pd.DataFrame:
    """Return the rows whose expression is planted at an intensity of at least `least`, and all neutral ones (they have no intensity)."""
    return truth[(truth["expression"] == "neutral") | (truth["intensity"] >= least)]


def planted_sets(truth: pd.DataFrame, least_share: float = LEAST_SHARE) -> np.ndarray:
    """Return the planted set of each row, uint8 (n, 7): the expression and whatever is at least `least_share` of the mixture."""
    return ((truth[list(EXPRESSIONS)].to_numpy(float) >= least_share) | _planted_one(truth).astype(bool)).astype(np.uint8)


def _planted_one(truth: pd.DataFrame) -> np.ndarray:
    return (truth["expression"].to_numpy()[:, None] == np.array(EXPRESSIONS)).astype(np.uint8).reshape(-1, len(EXPRESSIONS))


def aligned(votes: Votes, truth: pd.DataFrame) -> tuple[Votes, pd.DataFrame]:
    """Return the votes and the truth of the faces that have both, in the order of the truth."""
    truth = truth[truth["face_id"].isin(votes.faces)].reset_index(drop=True)
    return votes.of(list(truth["face_id"])), truth


def _sampled(truth: pd.DataFrame, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the object number of each row and the drawn objects of each resample."""
    groups = pd.factorize(truth["object"])[0]
    return groups, drawn(int(groups.max(initial=-1)) + 1, resamples, seed)


# ---- right and wrong


def parts(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return what the measures are made of, one row a face, float64 (n, 24): all of it adds up over faces.

    predicted, true: zeros and ones (n, 7). Per expression true positives, false positives, misses (21 columns); then the Jaccard overlap
    (shared over united; 1 for two empty sets), the number of predicted expressions, and 1.
    """
    predicted, true = np.asarray(predicted, bool), np.asarray(true, bool)
    shared, united = (predicted & true).sum(axis=1), (predicted | true).sum(axis=1)
    overlap = np.divide(shared, united, out=np.ones(len(true)), where=united > 0)
    tallies = np.stack([predicted & true, predicted & ~true, ~predicted & true], axis=2).reshape(len(true), 21)
    return np.column_stack([tallies, overlap, predicted.sum(axis=1), np.ones(len(true))]).astype(float)


def by_expression(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return precision, recall, F1 and support, each (…, 7), of sums of `parts` (…, 24). Precision is NaN where it was never said."""
    hits, wrong, missed = np.moveaxis(sums[..., :21].reshape(*sums.shape[:-1], 7, 3), -1, 0)
    return _ratio(hits, hits + wrong), _ratio(hits, hits + missed), _ratio(2 * hits, 2 * hits + wrong + missed), hits + missed


def _ratio(top, bottom) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=np.asarray(bottom) > 0)


def measures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return every measure (MEASURES and COMPARED), each (…), of sums of `parts` (…, 24).

    Means over expressions are over those that are planted at all. With one prediction a face, accuracy is the share of right ones;
    balanced accuracy is the mean recall.
    """
    hits, wrong, missed = np.moveaxis(sums[..., :21].reshape(*sums.shape[:-1], 7, 3), -1, 0).sum(axis=-1)
    _, recalls, f1, support = by_expression(sums)
    there = support > 0
    count = there.sum(axis=-1)
    f1, recalls = np.where(there, np.nan_to_num(f1), 0), np.where(there, recalls, 0)
    return {
        "accuracy": _ratio(hits, hits + missed), "balanced accuracy": _ratio(recalls.sum(axis=-1), count),
        "macro F1": _ratio(f1.sum(axis=-1), count), "micro F1": _ratio(2 * hits, 2 * hits + wrong + missed),
        "weighted F1": _ratio((f1 * support).sum(axis=-1), support.sum(axis=-1)),
        "Jaccard": _ratio(sums[..., 21], sums[..., 23]), "precision": _ratio(hits, hits + wrong), "recall": _ratio(hits, hits + missed),
        "labels": _ratio(sums[..., 22], sums[..., 23]),
    }  # fmt: skip


def _answers(votes: Votes, place: int) -> np.ndarray:
    """Return a labeller's one expression a face as zeros and ones (n, 7)."""
    return (votes.choice[:, place, None] == np.arange(len(EXPRESSIONS))).astype(np.uint8)


def _each(votes: Votes, truth: pd.DataFrame):
    """Yield each labeller with the truth of the faces it answered, its choices and its scores, all in one order."""
    votes, truth = aligned(votes, truth)
    for place, name in enumerate(votes.labellers):
        known = votes.answered[:, place]
        yield name, truth[known].reset_index(drop=True), _answers(votes, place)[known], votes.scores[known, place]


def quality(votes: Votes, truth: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return each labeller's MEASURES with intervals (QUALITY_COLUMNS): its largest score against the planted expression.

    Faces a labeller did not answer do not count against it; `faces` says how many it answered.
    """
    rows = []
    for name, of_labeller, choices, _ in _each(votes, truth):
        groups, weights = _sampled(of_labeller, resamples, seed)
        values = parts(choices, _planted_one(of_labeller))
        spread = measures(weights @ summed(values, groups))
        for measure, value in ((measure, value) for measure, value in measures(values.sum(axis=0)).items() if measure in MEASURES):
            rows.append((name, measure, len(values), weights.shape[1], float(value), *interval(spread[measure], weights.shape[1])))
    return pd.DataFrame(rows, columns=QUALITY_COLUMNS)


def per_expression(votes: Votes, truth: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return precision, recall and F1 of each labeller on each expression, F1 with its interval (EXPRESSION_COLUMNS).

    faces: on which it is planted; said: on which the labeller says it. What is neither planted nor said has no F1.
    """
    rows = []
    for name, of_labeller, choices, _ in _each(votes, truth):
        groups, weights = _sampled(of_labeller, resamples, seed)
        values = parts(choices, _planted_one(of_labeller))
        precision, recall, f1, support = by_expression(values.sum(axis=0))
        spread = by_expression(weights @ summed(values, groups))[2]
        for place, expression in enumerate(EXPRESSIONS):
            rows.append((name, expression, int(support[place]), int(choices[:, place].sum()), precision[place], recall[place], f1[place],
                         *interval(spread[:, place], weights.shape[1])))  # fmt: skip
    return pd.DataFrame(rows, columns=EXPRESSION_COLUMNS)


def by_group(votes: Votes, truth: pd.DataFrame, minimum: int = 20, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return each labeller's accuracy within the truth's groups (GROUP_COLUMNS): `by intensity`, `by material` and the others.

    Groups in which a labeller answered fewer than `minimum` faces are left out.
    """
    rows = []
    for name, of_labeller, choices, _ in _each(votes, truth):
        values = parts(choices, _planted_one(of_labeller))
        for by in (column for column in of_labeller if column.startswith("by ")):
            for group, members in of_labeller.groupby(by, sort=True):
                if len(members) < minimum:
                    continue
                groups, weights = _sampled(members, resamples, seed)
                mine = values[members.index]
                measured, spread = measures(mine.sum(axis=0)), measures(weights @ summed(mine, groups))["accuracy"]
                rows.append((name, by.removeprefix("by "), group, len(members), weights.shape[1], float(measured["accuracy"]),
                             *interval(spread, weights.shape[1]), float(measured["macro F1"])))  # fmt: skip
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def confusion(votes: Votes, truth: pd.DataFrame) -> pd.DataFrame:
    """Return what each labeller calls what was planted: labeller, planted, called, faces, share (of the faces planted so)."""
    tables = [agreement.matrix_table(_planted_one(of_labeller).astype(int).T @ choices.astype(int), PLANTED, "called").assign(labeller=name)
              for name, of_labeller, choices, _ in _each(votes, truth)]  # fmt: skip
    columns = ["labeller", PLANTED, "called", "faces", "share"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


# ---- why "always sad"


def distribution(votes: Votes, truth: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how often each labeller says each expression: labeller, expression, faces (it answered), said, share.

    With truth only faces that have one count, and the planted frequencies come first, under the labeller's name "planted".
    """
    tables = []
    if truth is not None:
        votes, truth = aligned(votes, truth)
        tables.append((PLANTED, _planted_one(truth)))
    tables += [(name, _answers(votes, place)[votes.answered[:, place]]) for place, name in enumerate(votes.labellers)]
    rows = [(name, expression, len(said), int(said[:, place].sum()), float(said[:, place].mean()) if len(said) else np.nan)
            for name, said in tables for place, expression in enumerate(EXPRESSIONS)]  # fmt: skip
    return pd.DataFrame(rows, columns=["labeller", "expression", "faces", "said", "share"])


def bias(votes: Votes, truth: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how many times too often each labeller says each expression (BIAS_COLUMNS).

    ratio: its share over the reference: with truth the planted share on the same faces, without it the mean share of the other labellers.
    A ratio of 1 is unbiased; NaN where the reference is 0.
    """
    rows = []
    if truth is not None:
        for name, of_labeller, choices, _ in _each(votes, truth):
            rows += _biases(name, choices, _planted_one(of_labeller).mean(axis=0) if len(choices) else np.full(7, np.nan), PLANTED)
    else:
        said = [_answers(votes, place)[votes.answered[:, place]] for place in range(len(votes.labellers))]
        shares = np.array([one.mean(axis=0) if len(one) else np.full(7, np.nan) for one in said]).reshape(-1, 7)
        for place, name in enumerate(votes.labellers):
            rows += _biases(name, said[place], agreement.mean_known(np.delete(shares, place, axis=0).T), "the others")
    return pd.DataFrame(rows, columns=BIAS_COLUMNS)


def _biases(name: str, choices: np.ndarray, reference: np.ndarray, against: str) -> list[tuple]:
    share = choices.mean(axis=0) if len(choices) else np.full(7, np.nan)
    ratio = _ratio(share, reference)
    return [(name, expression, len(choices), int(choices[:, place].sum()), share[place], against, reference[place], ratio[place])
            for place, expression in enumerate(EXPRESSIONS)]  # fmt: skip


def called(votes: Votes, truth: pd.DataFrame, expression: str = "neutral") -> pd.DataFrame:
    """Return what each labeller calls the faces planted as one expression: labeller, called, faces, share; the commonest first."""
    if expression not in EXPRESSIONS:
        raise ParameterError(f"Received the expression {expression!r}, expected one of {', '.join(EXPRESSIONS)}."
                             f"{did_you_mean(str(expression), EXPRESSIONS)}")  # fmt: skip
    table = confusion(votes, truth)
    table = table[(table[PLANTED] == expression) & (table["faces"] > 0)].drop(columns=PLANTED)
    place = {name: number for number, name in enumerate(votes.labellers)}
    return table.sort_values(["labeller", "faces"], key=lambda values: values.map(place) if values.name == "labeller" else -values,
                             kind="stable", ignore_index=True)  # fmt: skip


# ---- does uniting help?


def united(votes: Votes, weights: dict[str, float] | None = None) -> dict[str, np.ndarray]:
    """Return what each labeller alone and each of WAYS says, {name: zeros and ones (n, 7)}; the labellers come first.

    A labeller alone says its votes by the rule of `votes`; the means say the expression with the largest score.
    weights: of the way "agreement-weighted", from `agreement.weights`; measured on these votes where none are given.
    """
    weights = agreement.weights(votes) if weights is None else weights
    said = {name: votes.given[:, place] for place, name in enumerate(votes.labellers)}
    for way, kind in WAYS.items():
        labels = target(votes, kind, weights=weights)
        said[way] = multi_hot(labels if kind in ("union", "majority", "plurality") else hardened(labels))
    return said


def compare(votes: Votes, truth: pd.DataFrame, least_share: float = LEAST_SHARE, weights: dict | None = None, common: bool = True,
            resamples: int = RESAMPLES, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return the headline: each labeller and each way of uniting against the planted sets, and the differences from the best labeller.

    First table (COMPARISON_COLUMNS): COMPARED with intervals; `labels` is how many expressions a face gets; kind: "labeller", "united", or
    "baseline": saying the commonest planted expression of every face, the least that a labeller must beat.
    Second (DIFFERENCE_COLUMNS): each way of uniting minus the labeller that is best by that measure on these faces, intervals from the same
    resamples (paired). The best is chosen on the faces it is measured on, which favours it a little.
    common: only faces that every labeller answered, so that all are compared on the same; else no answer counts as an empty set. Leave out
    a labeller that answered few faces (`votes.of(labellers=…)`), or the comparison is about those few.
    """
    votes, truth = aligned(votes, truth)
    if common:
        chosen = votes.answered.all(axis=1)
        votes, truth = votes.of(chosen), truth[chosen].reset_index(drop=True)
    groups, drawn_objects = _sampled(truth, resamples, seed)
    sets, said = planted_sets(truth, least_share), united(votes, weights)
    always = _always(truth)
    said |= always
    values = {name: parts(labels, sets) for name, labels in said.items()}
    point = {name: measures(part.sum(axis=0)) for name, part in values.items()}
    spread = {name: measures(drawn_objects @ summed(part, groups)) for name, part in values.items()}
    size = (len(truth), drawn_objects.shape[1])
    kinds = {**dict.fromkeys(votes.labellers, "labeller"), **dict.fromkeys(always, "baseline")}
    table = [(name, kinds.get(name, "united"), measure, *size, float(point[name][measure]),
              *interval(spread[name][measure], size[1])) for name in said for measure in COMPARED]  # fmt: skip
    return pd.DataFrame(table, columns=COMPARISON_COLUMNS), _differences(votes.labellers, point, spread, size)


def _always(truth: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return {"always neutral": zeros and ones (n, 7)} for the commonest planted expression; {} without truth."""
    if truth.empty:
        return {}
    place = int(_planted_one(truth).sum(axis=0).argmax())
    return {f"always {EXPRESSIONS[place]}": np.tile(np.eye(len(EXPRESSIONS), dtype=np.uint8)[place], (len(truth), 1))}


def _differences(labellers: tuple, point: dict, spread: dict, size: tuple) -> pd.DataFrame:
    rows = []
    for measure in (name for name in COMPARED if name != "labels" and labellers and size[0]):
        best = max(labellers, key=lambda name: point[name][measure] if np.isfinite(point[name][measure]) else -1)
        for way in WAYS:
            rows.append((way, measure, best, *size, float(point[way][measure] - point[best][measure]),
                         *interval(spread[way][measure] - spread[best][measure], size[1])))  # fmt: skip
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


# ---- calibration


def calibration(votes: Votes, truth: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Return each labeller's reliability (CALIBRATION_COLUMNS): how sure it is of its choice, and how often it is right.

    Equal bins of the largest score from 0 to 1, as Guo et al. (2017); bins without a face are left out.
    """
    if not isinstance(bins, int) or bins < 1:
        raise ParameterError(f"Received {bins!r} bins, expected a whole number of 1 or more: change the parameter.")
    rows, edges = [], np.linspace(0, 1, bins + 1)
    for name, of_labeller, choices, scores in _each(votes, truth):
        right, sure = _right_and_sure(of_labeller, choices, scores)
        place = np.clip(np.digitize(sure, edges[1:-1], right=True), 0, bins - 1)
        for number in np.unique(place):
            inside = place == number
            rows.append((name, int(number), edges[number], edges[number + 1], int(inside.sum()), sure[inside].mean(), right[inside].mean()))
    return pd.DataFrame(rows, columns=CALIBRATION_COLUMNS)


def _right_and_sure(truth: pd.DataFrame, choices: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (choices & _planted_one(truth)).any(axis=1).astype(float), scores.max(axis=1, initial=0)


def calibration_summary(votes: Votes, truth: pd.DataFrame, bins: int = 10, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return, a row a labeller: labeller, faces, confidence, accuracy, ece, brier, low, high.

    ece: expected calibration error, the mean distance of confidence and accuracy over the bins, by faces. brier: the squared distance of
    the seven scores from the planted expression, summed over the seven (0 to 2), with its interval. A rule that always says 1 for what it
    says is sure, not calibrated.
    """
    reliability, rows = calibration(votes, truth, bins), []
    for name, of_labeller, choices, scores in _each(votes, truth):
        right, sure = _right_and_sure(of_labeller, choices, scores)
        of_bins = reliability[reliability["labeller"] == name]
        error = (of_bins["faces"] * (of_bins["confidence"] - of_bins["accuracy"]).abs()).sum() / max(1, len(right))
        squared = ((scores - _planted_one(of_labeller)) ** 2).sum(axis=1)
        groups, weights = _sampled(of_labeller, resamples, seed)
        sums = weights @ summed(np.column_stack([squared, np.ones(len(squared))]), groups)
        spread = interval(_ratio(sums[:, 0], sums[:, 1]), weights.shape[1])
        empty = not len(right)
        rows.append((name, len(right), *((np.nan,) * 4 if empty else (sure.mean(), right.mean(), error, squared.mean())), *spread))
    return pd.DataFrame(rows, columns=["labeller", "faces", "confidence", "accuracy", "ece", "brier", "low", "high"])


# ---- Action Units, valence and arousal


def units(action_units: pd.DataFrame, truth: pd.DataFrame, present: float = PRESENT, resamples: int = RESAMPLES,
          seed: int = 0) -> pd.DataFrame:  # fmt: skip
    """Return how well each labeller sees each planted Action Unit (UNIT_COLUMNS).

    action_units: long table face_id, labeller, unit, presence (0 to 1), intensity (0 to 5), either may be NaN. present: planted intensity
    from which a unit is there. auc: area under the ROC curve of the intensity (else the presence), with its interval; f1: of presence at
    .5 (else of intensity at `present`); correlation and mean_error (absolute) of the intensity.
    """
    rows, truth = [], truth.set_index("face_id")
    for (name, unit), table in action_units.groupby(["labeller", "unit"], sort=False):
        column = f"AU{int(unit):02d}"
        if column not in truth:
            continue
        table = table.set_index("face_id")[["presence", "intensity"]].astype(float)
        table = table.join(truth[[column, "object"]], how="inner").rename(columns={column: PLANTED})
        table = table[table[PLANTED].notna() & table[["presence", "intensity"]].notna().any(axis=1)]
        rows.append({"labeller": name, "unit": int(unit), **_unit(table, present, resamples, seed)})
    return pd.DataFrame(rows, columns=UNIT_COLUMNS)


def _unit(table: pd.DataFrame, present: float, resamples: int, seed: int) -> dict:
    there = (table[PLANTED] >= present).to_numpy()
    ranking = table["intensity"] if table["intensity"].notna().all() else table["presence"].fillna(table["intensity"] / 5)
    seen = np.where(table["presence"].notna(), table["presence"] >= 0.5, table["intensity"] >= present)
    row = {"faces": len(table), "present": int(there.sum()), "f1": float(_ratio(2 * (seen & there).sum(), seen.sum() + there.sum()))}
    rated = table[table["intensity"].notna()]
    if len(rated):
        moves = len(rated) > 2 and rated[["intensity", PLANTED]].std().min() > 0
        row["correlation"] = rated["intensity"].corr(rated[PLANTED]) if moves else np.nan
        row["mean_error"] = (rated["intensity"] - rated[PLANTED]).abs().mean()
    if there.all() or not there.any():
        return {**row, "reason": "planted on no face" if not there.any() else "planted on every face"}
    groups, weights = _sampled(table, resamples, seed)
    row["low"], row["high"] = interval(weighted_auc(ranking.to_numpy(), there, weights[:, groups]), weights.shape[1])
    return {**row, "auc": float(weighted_auc(ranking.to_numpy(), there, np.ones((1, len(there))))[0]), "reason": ""}


def weighted_auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve for each row of weights (r, n), float64 (r,): ties count half; NaN without both kinds."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])
    yes, no = (np.add.reduceat(weights[:, order] * kind[order], starts, axis=1) for kind in (positive, ~positive))
    below = np.cumsum(no, axis=1) - no / 2
    return _ratio((yes * below).sum(axis=1), yes.sum(axis=1) * no.sum(axis=1))


def affect(table: pd.DataFrame, truth: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return how well each labeller's valence and arousal follow the planted ones (AFFECT_COLUMNS): Lin's concordance (1989).

    table: face_id, labeller, valence, arousal (-1 to 1). ccc = 2 cov / (var + var + (difference of means) squared).
    """
    rows = []
    for name, mine in table.groupby("labeller", sort=False):
        both = mine.merge(truth[["face_id", "object", "valence", "arousal"]], on="face_id", suffixes=("", " planted"))
        for dimension in ("valence", "arousal"):
            known = both[[dimension, f"{dimension} planted", "object"]].dropna()
            said, true = known[dimension].to_numpy(float), known[f"{dimension} planted"].to_numpy(float)
            moments = np.column_stack([np.ones(len(said)), said, true, said**2, true**2, said * true])
            groups, weights = _sampled(known, resamples, seed)
            ccc, correlation = concordance(moments.sum(axis=0))
            spread = concordance(weights @ summed(moments, groups))[0]
            error = float(np.abs(said - true).mean()) if len(said) else np.nan
            low, high = interval(spread, weights.shape[1])
            rows.append((name, dimension, len(said), weights.shape[1], float(ccc), low, high, float(correlation), error))
    return pd.DataFrame(rows, columns=AFFECT_COLUMNS)


def concordance(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Lin's concordance and Pearson's correlation of sums (…, 6): count, x, y, x², y², x·y. NaN where nothing varies."""
    means = moments[..., 1:] / np.maximum(moments[..., :1], 1)
    x, y = means[..., 0], means[..., 1]
    spread_x, spread_y, covariance = np.maximum(means[..., 2] - x**2, 0), np.maximum(means[..., 3] - y**2, 0), means[..., 4] - x * y
    tiny = 1e-12
    both = spread_x * spread_y
    return (_ratio(2 * covariance, np.where(spread_x + spread_y > tiny, spread_x + spread_y + (x - y) ** 2, 0)),
            _ratio(covariance, np.where(both > tiny**2, np.sqrt(both), 0)))  # fmt: skip
