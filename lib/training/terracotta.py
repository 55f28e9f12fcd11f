"""Training: the terracotta study's votes, splits and tables: six annotators, the leak of a lenient split, postures, similarity; its regime.

Tian, Xie, Ma and Zhang. Pictures made from one photograph (the source) show one warrior. The study splits them in two ways (section 2.1.2):
strictly, so that a source is on one side only (ARM-1), and leniently, some pictures of every source on each side (ARM-2). The difference
of the two accuracies is how much of the second is memory of faces. Intervals are 95 % percentiles of a bootstrap of whole sources.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from scipy.stats import binomtest
from skimage.feature import hog

from lib.collections.atelier.specs import generator_of
from lib.collections.corpora import meant_files
from lib.compendium.errors import CollectionError, ParameterError, did_you_mean
from lib.expressions import EXPRESSIONS
from lib.faces.detectors import silent
from lib.labellers import agreement, human
from lib.labellers import target as targets
from lib.labellers.agreement import RESAMPLES
from lib.training import fitting

with silent():
    import keras

PARTS = ("train", "validation", "test")
SHARES = (0.7, 0.1, 0.2)  # section 2.1.2, "roughly"; the 15,730 and 2,960 pictures printed there are 84 and 16 %
LENIENT_SHARES = (0.7, 0.0, 0.3)  # of ARM-2, section 2.1.2
HOWS = ("strict", "lenient")
ANNOTATORS, MOST = 6, 3  # section 2: six team members, "generally 1 to 3 expression categories"
NAMED = 0.01  # score from which an annotator has named an expression; all that are named score far more, the others 0
MEASURES = ("pixels", "gradients", "network")
COMPARED = 32  # pixels of a crop's side where pixels are compared
PREDICTIONS = ["picture", "source", "expression", *HOWS]
LEAK_COLUMNS = ["row", "pictures", "sources", "accuracy", "low", "high"]
POSTURE_COLUMNS = ["posture", "pictures", "expression", "count", "share", "low", "high"]
SIMILARITY_COLUMNS = ["set", "faces", "pairs", "similarity", "low", "high"]
RATE, DECAY, BATCH = 1e-4, 0.9, 32  # section 3.4; "learning rate decay strategy": the factor an epoch is that of ARM's published code
ALPHA, GAMMA = 0.25, 2.0  # section 3.4.3


# ---- annotators (section 2)


def annotators(table: pd.DataFrame, count: int = ANNOTATORS, doubt: float = 0.6, hesitation: float = 0.6, seed: int = 0) -> pd.DataFrame:
    """Return the answers of simulated annotators as a long table of labels: face_id, labeller, expression, score (0: not named).

    table: face_id and the seven EXPRESSIONS, the planted shares (rows without them are left out). Each annotator sees the planted mixture
    blurred by one of their own (Dirichlet's, concentration 1/2), which counts `doubt` (0 to 1), and names what has at least `hesitation`
    (above 0, to 1) of the largest share, one to MOST expressions; scores are the shares among the named. Draws depend on (seed, face_id)
    alone. How the study's six came to their answers, and how far they agreed, is not stated in the paper. Raises ParameterError.
    """
    if missing := [name for name in ("face_id", *EXPRESSIONS) if name not in table]:
        raise ParameterError(f"Received faces without {', '.join(missing)}, expected the planted shares: give the table of "
                             "`warriors.atelier_warriors`.")  # fmt: skip
    if count < 1 or not 0 <= doubt <= 1 or not 0 < hesitation <= 1:
        raise ParameterError(f"Received {count} annotators, doubt {doubt} and hesitation {hesitation}; expected 1 or more, 0 to 1, and "
                             "above 0 to 1: change the parameters.")  # fmt: skip
    known = table[table[list(EXPRESSIONS)].notna().all(axis=1)]
    scores = np.zeros((len(known), count, len(EXPRESSIONS)))
    for row, (face, planted) in enumerate(zip(known["face_id"], known[list(EXPRESSIONS)].to_numpy(float), strict=True)):
        own = generator_of(seed, "annotators", str(face)).dirichlet(np.full(len(EXPRESSIONS), 0.5), size=count)
        scores[row] = _named((1 - doubt) * planted + doubt * own, hesitation)
    return _long(known["face_id"], [f"annotator {number}" for number in range(1, count + 1)], scores)


def _named(seen: np.ndarray, hesitation: float) -> np.ndarray:
    """Return the shares (annotators, 7) of what is named among all that is named, 0 for the rest."""
    place = (-seen).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    kept = seen * ((place < MOST) & (seen >= hesitation * seen.max(axis=1, keepdims=True)))
    return kept / kept.sum(axis=1, keepdims=True)


def _long(faces, people: list[str], scores: np.ndarray) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([list(faces), people, EXPRESSIONS], names=["face_id", "labeller", "expression"])
    return index.to_frame(index=False).assign(score=scores.ravel())


def people(path: Path | str, table: pd.DataFrame) -> pd.DataFrame:
    """Return people's own answers as the long table of `annotators`.

    path: a CSV (file, expression, annotator; several expressions separated by ; or |) or VoTT export, see `lib.labellers.human`.
    table: face_id and file, of `warriors.folder_warriors`. Answers about other files are left out; contempt counts as no answer. Raises
    CollectionError where nothing is left.
    """
    marks, _ = human.read_marks(path)
    files = dict(zip(table["file"], table["face_id"], strict=True))
    meant = meant_files(marks["file"], list(files))
    said = {}
    for mark in marks.to_dict("records"):
        face = files.get(meant.get(mark["file"]))
        if face is not None and (named := set(mark["expressions"]) & set(EXPRESSIONS)):
            said.setdefault((face, mark["annotator"] or "annotator"), set()).update(named)
    if not said:
        raise CollectionError(f"{Path(path).name!r} names no expression of any of the {len(files)} pictures, expected some: correct the "
                              "column of files.")  # fmt: skip
    rows = [(face, who, name, (name in named) / len(named)) for (face, who), named in said.items() for name in EXPRESSIONS]
    return pd.DataFrame(rows, columns=["face_id", "labeller", "expression", "score"])


def votes(labels: pd.DataFrame) -> targets.Votes:
    """Return a long table of answers as votes; whoever names several expressions votes for each of them."""
    return targets.votes(labels, "threshold", NAMED)


def majority(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the majority of the original labels (section 2), one row a face: face_id, expression, named, annotators, tied, more_than_half.

    expression: what most annotators name; of equals, what they see more of on average. named: how many name it, of `annotators` who
    answered. tied: another is named as often. more_than_half: an absolute majority names it; which of the two the paper means by "the
    majority" is not stated in it.
    """
    said = votes(labels)
    counts, answered = said.given.sum(axis=1, dtype=int), said.answered.sum(axis=1)
    chosen = targets.target(said, "plurality")[list(EXPRESSIONS)].to_numpy().argmax(axis=1)
    named = counts[np.arange(len(counts)), chosen]
    return pd.DataFrame({"face_id": said.faces, "expression": np.array(EXPRESSIONS)[chosen], "named": named, "annotators": answered,
                         "tied": (counts == named[:, None]).sum(axis=1) > 1, "more_than_half": 2 * named > answered})  # fmt: skip


def agreed(labels: pd.DataFrame, sources=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return how far the annotators agree: Fleiss' kappa, Krippendorff's alphas, Cohen's kappas; see `agreement.overall`.

    sources: {face_id: source} where a source has several pictures, which are not independent.
    """
    return agreement.overall(votes(labels), sources, resamples, seed)


# ---- splits (section 2.1.2)


def parted(table: pd.DataFrame, how: str, shares: tuple = SHARES, seed: int = 0) -> np.ndarray:
    """Return the part of each picture, one of PARTS, object (n,).

    table: `picture` (its name) and `source` (what it was made from). how: "strict", whole sources go to a part; "lenient", pictures of
    every source go to all parts, by chance. The lenient one is for showing the leak and for nothing else: it is not a table of
    `lib.training.splits`, whose check would refuse it. shares: of train, validation and test, adding up to 1; validation may be 0. The
    same pictures in another order are parted alike. Raises ParameterError for too few sources for a strict split.
    """
    _check_pictures(table)
    _check_how(how)
    shares = np.asarray(shares, float)
    if shares.shape != (3,) or shares.min() < 0 or not shares[0] * shares[2] or abs(shares.sum() - 1) > 1e-6:
        raise ParameterError(f"Received the shares {shares.tolist()}, expected three that add up to 1 (train, validation, test), the first "
                             "and last above 0.")  # fmt: skip
    least = int(np.ceil(1 / shares[shares > 0].min() - 1e-9))
    places = _places(table, how, seed, least)
    return np.array(PARTS, object)[np.searchsorted(np.cumsum(shares)[:2], places, side="right")]


def _places(table: pd.DataFrame, how: str, seed: int, least: int) -> np.ndarray:
    """Return a place from 0 to 1 for each picture: its source's in a random order of sources, or its own within its source."""
    codes, names = pd.factorize(table["source"].astype(str), sort=True)
    if how == "strict":
        if len(names) < least:
            raise ParameterError(f"Received pictures of {len(names)} sources, too few for a strict split: expected at least {least}, so "
                                 "that every part has one. Give more sources or larger shares.")  # fmt: skip
        order = np.random.default_rng([seed, 1]).permutation(len(names))
        return ((order + 0.5) / len(names))[codes]
    places, pictures = np.empty(len(table)), table["picture"].astype(str).to_numpy()
    for code, name in enumerate(names):
        mine = np.flatnonzero(codes == code)
        drawn = generator_of(seed, "lenient", name)
        # Places evenly apart from a random start: a source of one picture falls into each part as often as its share says.
        rank = drawn.permutation(len(mine))[pictures[mine].argsort(kind="stable").argsort(kind="stable")]
        places[mine] = (rank + drawn.random()) / len(mine)
    return places


def folded(table: pd.DataFrame, how: str, k: int = 5, seed: int = 0) -> np.ndarray:
    """Return the fold (0 to k - 1) in which each picture is tested, int (n,): whole sources ("strict") or pictures of each ("lenient")."""
    _check_pictures(table)
    _check_how(how)
    if k < 2:
        raise ParameterError(f"Received {k} folds, expected 2 or more: change the parameter.")
    if how == "strict":
        return np.minimum((_places(table, how, seed, k) * k).astype(int), k - 1)
    shift = np.array([generator_of(seed, "shift", source).integers(k) for source in table["source"].astype(str)])
    return (np.minimum((_places(table, how, seed, k) * k).astype(int), k - 1) + shift) % k


def leaking(table: pd.DataFrame, parts: np.ndarray) -> float:
    """Return the share of tested pictures whose source is also learned from or validated on: 0 strictly, near 1 leniently."""
    tested = np.asarray(parts) == "test"
    return float(table["source"][tested].isin(set(table["source"][~tested])).mean()) if tested.any() else float("nan")


def as_pictures(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of faces (face_id, subject, expression), of `warriors.rendered_warriors`, say, as picture, source, expression."""
    return table[["face_id", "subject", "expression"]].rename(columns={"face_id": "picture", "subject": "source"}).reset_index(drop=True)


def _check_pictures(table: pd.DataFrame) -> None:
    if missing := [name for name in ("picture", "source") if name not in table]:
        raise ParameterError(f"Received pictures without {', '.join(missing)}, expected the columns picture and source: add them.")
    if not len(table) or table["picture"].duplicated().any():
        raise ParameterError(f"Received {len(table)} pictures, {table['picture'].nunique()} different; expected one or more, each once.")


def _check_how(how: str) -> None:
    if how not in HOWS:
        raise ParameterError(f"Received the split {how!r}, expected one of {', '.join(HOWS)}.{did_you_mean(str(how), HOWS)}")


# ---- the leak


def crossed(table: pd.DataFrame, features: np.ndarray, classify: Callable, k: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return PREDICTIONS: what a classifier says of each picture when its source is held out (strict) and when only it is (lenient).

    table: picture, source, expression. features: (n, …). classify(learned features, their expressions, tested features): expressions of
    the tested. Both ways learn from (k - 1) / k of the pictures, so that the amount learned from does not differ.

    The leak shows where a source shows an expression several times, as a generator's columns do. Where it shows each just once, what lies
    nearest to a held-out picture is the same face with another expression, and a classifier that goes by faces falls below chance: the
    difference is then negative. That is no cure of the leak but its mirror image; look at pictures per source and expression first.
    """
    features = np.asarray(features)
    if len(features) != len(table) or "expression" not in table:
        raise ParameterError(f"Received {len(features)} features for {len(table)} pictures with {', '.join(table.columns)}; expected one "
                             "each and a column expression.")  # fmt: skip
    said, truth = {}, table["expression"].to_numpy()
    for how in HOWS:
        folds, said[how] = folded(table, how, k, seed), np.full(len(table), "", object)
        for fold in sorted(set(folds)):
            tested = folds == fold
            said[how][tested] = classify(features[~tested], truth[~tested], features[tested])
    return table[["picture", "source", "expression"]].assign(**said).reset_index(drop=True)


def leakage(predictions: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return LEAK_COLUMNS in three rows: strict, lenient, and "lenient minus strict", the leak.

    predictions: source, expression, strict, lenient (predicted; "" or missing where not tested), of `crossed` or of two trained networks.
    low, high: the bootstrap's interval over sources, NaN with fewer than two. accuracy, low, high: -1 to 1. An interval of the leak above 0
    says that the lenient accuracy is partly memory of faces. Raises ParameterError where one of the splits tested nothing.
    """
    if missing := [name for name in PREDICTIONS[1:] if name not in predictions]:
        raise ParameterError(f"Received predictions without {', '.join(missing)}, expected {', '.join(PREDICTIONS[1:])}: see `crossed`.")
    said = predictions[list(HOWS)].fillna("").astype(str).to_numpy()
    tested = said != ""
    if not tested.any(axis=0).all():
        raise ParameterError("Received predictions of one split only, expected some strict and some lenient ones to compare.")
    right = tested & (said == predictions["expression"].astype(str).to_numpy()[:, None])
    codes, names = pd.factorize(predictions["source"].astype(str))
    sums = agreement.summed(np.stack([right, tested], axis=1).astype(float), codes)
    drawn = np.tensordot(agreement.drawn(len(names), resamples, seed), sums, 1)
    values, spread = (_with_difference(_accuracy(each)) for each in (sums.sum(axis=0)[None], drawn))
    sizes = [tested[:, 0].sum(), tested[:, 1].sum(), tested.any(axis=1).sum()]
    met = [int(each.sum()) for each in (sums[:, 1, 0] > 0, sums[:, 1, 1] > 0, (sums[:, 1] > 0).any(axis=1))]
    rows = [(name, int(sizes[place]), met[place], float(values[0, place]), *agreement.interval(spread[:, place], met[place]))
            for place, name in enumerate((*HOWS, "lenient minus strict"))]  # fmt: skip
    return pd.DataFrame(rows, columns=LEAK_COLUMNS)


def _accuracy(sums: np.ndarray) -> np.ndarray:
    """Return right / tested of sums (r, 2, splits), float64 (r, splits); NaN where nothing was tested."""
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(sums[:, 0].shape, np.nan), where=sums[:, 1] > 0)


def _with_difference(accuracy: np.ndarray) -> np.ndarray:
    """Return accuracies (r, 2) with a third column, lenient minus strict."""
    return np.column_stack([accuracy, accuracy[:, 1] - accuracy[:, 0]])


# ---- tables


def accuracies(answers: Mapping[str, tuple], resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return rows as of Tables 1 to 7: row, pictures, the seven EXPRESSIONS (NaN: no such picture), both averages, low, high.

    answers: {row: (true expressions, predicted ones, sources or None)}. The tables' "Average" is sometimes the mean of the classes and
    sometimes the share of all pictures; the paper does not say which: here `of_classes` and `of_pictures`. low, high: of `of_pictures`.
    """
    rows = []
    for name, (truth, said, sources) in answers.items():
        truth, said = np.asarray(truth, object), np.asarray(said, object)
        if truth.shape != said.shape or not len(truth):
            raise ParameterError(f"Received {len(truth)} true and {len(said)} predicted expressions of {name!r}; expected as many, at "
                                 "least one: look at the split.")  # fmt: skip
        right, codes = truth == said, pd.factorize(pd.Series(range(len(truth)) if sources is None else sources).astype(str))[0]
        each = {one: float(right[truth == one].mean()) if (truth == one).any() else np.nan for one in EXPRESSIONS}
        sums = agreement.summed(np.column_stack([right, np.ones(len(right))]), codes)
        spread = agreement.drawn(len(sums), resamples, seed) @ sums
        low, high = agreement.interval(spread[:, 0] / spread[:, 1], len(sums))
        rows.append({"row": name, "pictures": len(truth), **each, "of_classes": float(np.nanmean(list(each.values()))),
                     "of_pictures": float(right.mean()), "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows)


def postures(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return how the expressions are distributed within each posture (section 2.2), a row each, the commonest first: POSTURE_COLUMNS.

    table: posture and expression (predicted or voted); rows without one are left out. share: of the posture's pictures. low, high: Wilson's
    interval at `level`, wide for the six cavalries. Expressions nobody shows are rows too. Raises ParameterError.
    """
    if missing := [name for name in ("posture", "expression") if name not in table]:
        raise ParameterError(f"Received warriors without {', '.join(missing)}, expected posture and expression: add the column.")
    table, rows = table[table["posture"].fillna("").ne("") & table["expression"].isin(EXPRESSIONS)], []
    for posture, mine in table.groupby("posture", sort=False)["expression"]:
        counts = mine.value_counts().reindex(EXPRESSIONS, fill_value=0).sort_values(ascending=False, kind="stable")
        for name, count in counts.items():
            low, high = binomtest(int(count), len(mine)).proportion_ci(level, "wilson")
            rows.append((posture, len(mine), name, int(count), count / len(mine), float(low), float(high)))
    return pd.DataFrame(rows, columns=POSTURE_COLUMNS)


# ---- similarity (section 4)


class Faces(NamedTuple):
    """Faces as vectors (n, d), and who each shows (or None: everybody once)."""

    vectors: np.ndarray
    subjects: np.ndarray | None = None


def vectors(crops: np.ndarray, measure: str = "pixels", model: keras.Model | None = None, batch: int = 32) -> np.ndarray:
    """Return crops uint8 (n, side, side, 3) as vectors of length 1, float32 (n, d), whose products are similarities of -1 to 1.

    The paper does not name its measure. "pixels": grey at 32 pixels less each crop's mean, so that a product is Pearson's correlation;
    "gradients": histograms of oriented gradients (Dalal and Triggs 2005; 8 pixels a cell, of 64); "network": what `model`, of
    `lib.networks.arm`, makes of a crop just before its last layer. Raises ParameterError.
    """
    if measure not in MEASURES or (measure == "network") == (model is None):
        raise ParameterError(f"Received the measure {measure!r} {'without' if model is None else 'with'} a model; expected one of "
                             f"{', '.join(MEASURES)}, and a model for the last only.{did_you_mean(str(measure), MEASURES)}")  # fmt: skip
    if measure == "network":
        found = keras.Model(model.input, model.get_layer("expression").input).predict(np.asarray(crops), batch_size=batch, verbose=0)
    else:
        side = COMPARED if measure == "pixels" else 2 * COMPARED
        grey = [cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (side, side), interpolation=cv2.INTER_AREA) for crop in crops]
        found = np.stack([hog(one) if measure == "gradients" else (one - one.mean(dtype=np.float64)).ravel() for one in grey])
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0).astype(np.float32)


def similarity(sets: Mapping[str, Faces], resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return the mean similarity of two different faces within each set, and each later set's difference from the first one's.

    sets: {name: Faces}. Pairs of the same subject are left out. Columns SIMILARITY_COLUMNS; low, high: a bootstrap of subjects (pairs are
    not independent). Rows of differences are named "first minus other". Published: .54 within TW58, .28 within 60 pictures of RAF-DB.
    Raises ParameterError for a set without two subjects.
    """
    rows, drawn, first = [], {}, next(iter(sets), None)
    for number, (name, faces) in enumerate(sets.items()):
        sums, counts = _pairs(name, faces)
        weights = agreement.drawn(len(sums), resamples, seed + number)
        spread = _mean_of_pairs(sums, counts, weights)
        value = float(_mean_of_pairs(sums, counts, np.ones((1, len(sums))))[0])
        rows.append((name, len(faces.vectors), int(counts.sum() // 2), value, *agreement.interval(spread, len(sums))))
        drawn[name] = value, spread
    for name in list(sets)[1:]:
        difference = drawn[first][1] - drawn[name][1]
        rows.append((f"{first} minus {name}", 0, 0, drawn[first][0] - drawn[name][0], *agreement.interval(difference, 2)))
    return pd.DataFrame(rows, columns=SIMILARITY_COLUMNS)


def _pairs(name: str, faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of similarities and the numbers of pairs between each two subjects, both (subjects, subjects), 0 on the diagonal."""
    values = np.asarray(faces.vectors, np.float64)
    codes = np.arange(len(values)) if faces.subjects is None else pd.factorize(np.asarray(faces.subjects).astype(str))[0]
    if values.ndim != 2 or len(codes) != len(values) or len(set(codes)) < 2 or not np.isfinite(values).all():
        raise ParameterError(f"Received {len(set(codes))} subjects of {len(values)} faces, vectors {values.shape}, for {name!r}; expected "
                             "two subjects or more, one a face, and finite numbers.")  # fmt: skip
    who = np.eye(codes.max() + 1)[codes]
    sums, counts = who.T @ (values @ values.T) @ who, np.outer(who.sum(axis=0), who.sum(axis=0))
    off = 1 - np.eye(len(sums))
    return sums * off, counts * off


def _mean_of_pairs(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean similarity for each row of weights (r, subjects), float64 (r,); NaN where one subject alone was drawn."""
    top, bottom = (np.einsum("ri,ij,rj->r", weights, each, weights, optimize=True) for each in (sums, counts))
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)


# ---- learning (sections 3.4 and 3.4.3)


def focal_loss(alpha: float = ALPHA, gamma: float = GAMMA) -> keras.losses.Loss:
    """Return Eq. 3 for one-hot expressions and probabilities (n, 7): the mean of -alpha (1 - p)^gamma log p of the true class.

    As alpha is one number, whatever the class, it only scales the loss; how alpha was set for seven classes is not stated in the paper.
    """
    return keras.losses.CategoricalFocalCrossentropy(alpha=alpha, gamma=gamma)


def learn(model: keras.Model, crops: np.ndarray, expressions, epochs: int, folder: Path, seed: int, *, batch: int = BATCH,
          rate: float = RATE, decay: float = DECAY, alpha: float = ALPHA, gamma: float = GAMMA,
          validation: tuple | None = None, **others) -> pd.DataFrame:  # fmt: skip
    """Train a network of `lib.networks.arm` as the study does and return its learning curves; a killed training goes on where it was.

    crops: uint8 (n, side, side, 3), a memory map too. expressions: names (n,). epochs: not stated in the paper (ARM's code: 70). rate: of
    Adam, times `decay` after each epoch. validation: (crops, expressions). folder, seed, others: see `fitting.fit`.
    """
    named = keras.Model({"picture": model.input}, {"expression": model.output}, name=model.name)
    fitting.compiled(named, {"expression": focal_loss(alpha, gamma)})
    shown = None if validation is None else ({"picture": validation[0]}, {"expression": one_hot(validation[1])})
    return fitting.fit(named, {"picture": crops}, {"expression": one_hot(expressions)}, epochs, folder, seed, batch=batch,
                       rate=fitting.steps(rate, 1, decay), validation=shown, **others)  # fmt: skip


def one_hot(expressions) -> np.ndarray:
    """Return names of EXPRESSIONS as zeros and ones, float32 (n, 7). Raises ParameterError for another name."""
    names = np.asarray(expressions, object)
    if wrong := [name for name in names if name not in EXPRESSIONS]:
        raise ParameterError(f"Received the expression {wrong[0]!r}, expected one of {', '.join(EXPRESSIONS)}: leave such pictures out."
                             f"{did_you_mean(str(wrong[0]), EXPRESSIONS)}")  # fmt: skip
    return (names[:, None] == np.array(EXPRESSIONS, object)[None]).astype(np.float32)


def predicted(model: keras.Model, crops: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """Return the expression a network finds most probable for each crop, object (n,). ARM as coded depends on `batch` and on the order."""
    scores = model.predict(np.asarray(crops), batch_size=batch, verbose=0)
    return np.array(EXPRESSIONS, object)[scores.argmax(axis=1)]


def batch_effect(model: keras.Model, crops: np.ndarray, sizes: tuple = (1, 8, 32)) -> pd.DataFrame:
    """Return how far answers depend on their batch: batch, changed (share of crops answered otherwise than in the first size's batches),
    moved (largest change of a probability). For ARM: "as_coded" moves, "batch_independent" does not.
    """
    scores = {size: np.asarray(model.predict(np.asarray(crops), batch_size=size, verbose=0)) for size in sizes}
    base = scores[sizes[0]]
    return pd.DataFrame([{"batch": size, "changed": float((now.argmax(axis=1) != base.argmax(axis=1)).mean()),
                          "moved": float(np.abs(now - base).max())} for size, now in scores.items()])  # fmt: skip
