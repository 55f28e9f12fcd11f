"""Labellers: votes of several labellers, and the multi-label target made of them.

The sculpture study (Khan, Janik, Gunes, section VI-E) gives a picture every expression that at least one of four methods predicts: the
union. The other ways of uniting here are not in the paper. A labeller that gave no answer for a face is missing there, never a zero.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError, did_you_mean
from lib.expressions import EXPRESSIONS, from_multi_hot, union

RULES = ("argmax", "threshold")
SETS = ("union", "majority", "plurality", "threshold")  # targets of zeros and ones
SOFT = ("soft_mean", "agreement_weighted")  # targets of scores
KINDS = SETS + SOFT
COLUMNS = ["face_id", "labeller", "expression", "score"]
EQUAL = 1e-9  # scores this close are equal: people's are sums of fractions


@dataclass(frozen=True)
class Votes:
    """What every labeller says about every face: n faces, m labellers, the seven EXPRESSIONS in their order.

    scores: float64 (n, m, 7), NaN where a labeller gave no answer. given: uint8 (n, m, 7), the votes by the rule, 0 where there is no
    answer (see answered). answered: bool (n, m). choice: int (n, m), the place of the largest score in EXPRESSIONS, -1 without an answer.
    """

    faces: tuple[str, ...]
    labellers: tuple[str, ...]
    scores: np.ndarray
    given: np.ndarray
    answered: np.ndarray
    choice: np.ndarray

    def of(self, faces=None, labellers=None) -> "Votes":
        """Return the votes on some faces (ids, or a bool array (n,)) by some labellers, in the order asked for."""
        rows = _places(self.faces, faces, "face")
        columns = _places(self.labellers, labellers, "labeller")
        arrays = (array[rows][:, columns] for array in (self.scores, self.given, self.answered, self.choice))
        return Votes(tuple(self.faces[row] for row in rows), tuple(self.labellers[column] for column in columns), *arrays)


    def heard(self, least: float = 0.5) -> "Votes":
        """Return the votes of the labellers that answered at least the part `least` of the faces that the busiest of them answered.

        What counts only the faces that everybody answered would else be about the few that one of them saw.
        """
        counts = self.answered.sum(axis=0)
        return self.of(labellers=counts >= least * counts.max(initial=0))


def _places(names: tuple, wanted, what: str) -> np.ndarray:
    if wanted is None:
        return np.arange(len(names))
    if isinstance(wanted, np.ndarray) and wanted.dtype == bool:
        return np.flatnonzero(wanted)
    places = {name: place for place, name in enumerate(names)}
    if unknown := [name for name in wanted if name not in places]:
        hint = did_you_mean(str(unknown[0]), names)
        raise ParameterError(f"Received the {what} {unknown[0]!r}, expected one that is in the labels: name another.{hint}")
    return np.array([places[name] for name in wanted], int)


# ---- votes


def votes(labels: pd.DataFrame, rule: str = "argmax", threshold: float = 0.5, faces=None, labellers=None) -> Votes:
    """Return the votes of a long table of labels (face_id, labeller, expression, score 0 to 1).

    rule: "argmax" (as published: each method predicts one label) or "threshold" (every expression whose score is at least `threshold`, so
    a labeller may say several or none). Equal largest scores are a vote each, as of people who name two expressions; the choice is the
    first of them in EXPRESSIONS (not stated in the paper). Scores that are all 0 are an answer that votes for nothing. faces: ids to keep
    as rows even when nobody answered (default: those in the table).
    labellers: their order (default: as they come). Raises ParameterError for a table that is not as stated or a wrong rule.
    """
    if rule not in RULES:
        raise ParameterError(f"Received the rule {rule!r}, expected one of {', '.join(RULES)}.{did_you_mean(str(rule), RULES)}")
    _check_threshold(threshold)
    labels = _checked(labels)
    faces = tuple(dict.fromkeys(labels["face_id"] if faces is None else faces))
    labellers = tuple(dict.fromkeys(labels["labeller"] if labellers is None else labellers))
    labels = labels[labels["face_id"].isin(faces) & labels["labeller"].isin(labellers)]
    scores = np.full((len(faces), len(labellers), len(EXPRESSIONS)), np.nan)
    places = [pd.Categorical(labels[name], known).codes
              for name, known in (("face_id", faces), ("labeller", labellers), ("expression", EXPRESSIONS))]  # fmt: skip
    scores[tuple(places)] = labels["score"].to_numpy(float)
    _check_complete(scores, faces, labellers)
    return _voted(faces, labellers, scores, rule, threshold)


def _voted(faces: tuple, labellers: tuple, scores: np.ndarray, rule: str, threshold: float) -> Votes:
    answered = np.isfinite(scores).all(axis=2)
    known = np.nan_to_num(scores)
    most = known.max(axis=2, initial=0)[..., None]
    choice = np.where(answered & (most[..., 0] > 0), known.argmax(axis=2), -1)
    given = (known >= most - EQUAL) & (most > 0) if rule == "argmax" else known >= threshold
    return Votes(faces, labellers, scores, (given & answered[..., None]).astype(np.uint8), answered, choice)


def _checked(labels: pd.DataFrame) -> pd.DataFrame:
    if missing := [name for name in COLUMNS if name not in labels]:
        raise ParameterError(f"Received labels without {', '.join(missing)}, expected {', '.join(COLUMNS)}: name the columns.")
    unknown = labels.loc[~labels["expression"].isin(EXPRESSIONS), "expression"]
    if len(unknown):
        name = unknown.iloc[0]
        raise ParameterError(f"Received the expression {name!r}, expected one of {', '.join(EXPRESSIONS)}: rename it."
                          f"{did_you_mean(str(name), EXPRESSIONS)}")  # fmt: skip
    twice = labels[labels.duplicated(COLUMNS[:3])]
    if len(twice):
        row = twice.iloc[0]
        received = f"{row['labeller']!r} on {row['expression']!r} of the face {row['face_id']!r} twice"
        raise ParameterError(f"Received {received}, expected one score: drop the copies.")
    scores = pd.to_numeric(labels["score"], errors="coerce")
    wrong = labels["score"][(labels["score"].notna() & scores.isna()) | (scores < 0) | (scores > 1)]
    if len(wrong):
        raise ParameterError(f"Received the score {wrong.iloc[0]!r}, expected a number from 0 to 1, or nothing: rescale the scores.")
    return labels.assign(score=scores)


def _check_complete(scores: np.ndarray, faces: tuple, labellers: tuple) -> None:
    known = np.isfinite(scores).sum(axis=2)
    rows, columns = np.nonzero((known > 0) & (known < len(EXPRESSIONS)))
    if len(rows):
        received = f"{known[rows[0], columns[0]]} scores of {labellers[columns[0]]!r} for the face {faces[rows[0]]!r}"
        raise ParameterError(f"Received {received}, expected all {len(EXPRESSIONS)} or none: give the others a score, 0 if need be.")


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ParameterError(f"Received the threshold {threshold}, expected above 0 and at most 1: change the parameter.")


# ---- the target


def target(said: Votes, kind: str = "union", threshold: float = 0.5, weights: dict[str, float] | None = None) -> pd.DataFrame:
    """Return the target: face_id and the seven EXPRESSIONS, one row a face, in the order of `said.faces`.

    Zeros and ones (uint8), all zeros for a face without a label:
    "union" (as published): at least one labeller votes for it; "majority": more than half of the labellers that answered vote for it;
    "plurality": the one expression with the most votes, ties broken by the mean score; "threshold": the mean score is at least `threshold`.
    Scores (float64, 0 to 1), NaN for a face nobody answered: "soft_mean": the mean over the labellers that answered;
    "agreement_weighted": that mean weighted by `weights` {labeller: 0 or more}, from `agreement.weights`: a labeller counts as much as it
    agrees with the others. Where the weights of all that answered are 0, they count equally.
    """
    if kind not in KINDS:
        raise ParameterError(f"Received the kind of target {kind!r}, expected one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    _check_threshold(threshold)
    if kind == "agreement_weighted" and weights is None:
        raise ParameterError("Received no weights, expected one for each labeller: pass weights=agreement.weights(votes).")
    if kind == "union":
        values = union(*said.given.transpose(1, 0, 2)) if said.labellers else np.zeros((len(said.faces), len(EXPRESSIONS)), np.uint8)
    elif kind == "majority":
        values = 2 * said.given.sum(axis=1, dtype=int) > said.answered.sum(axis=1)[:, None]
    elif kind == "plurality":
        count = said.given.sum(axis=1, dtype=int)
        values = _one_hot((count + np.nan_to_num(mean_scores(said)) / 2) * count.any(axis=1)[:, None])  # a mean is half a vote at most
    elif kind == "threshold":
        values = np.nan_to_num(mean_scores(said)) >= threshold
    else:
        values = mean_scores(said, weights if kind == "agreement_weighted" else None)
    return _table(said.faces, values if kind in SOFT else values.astype(np.uint8))


def mean_scores(said: Votes, weights: dict[str, float] | None = None) -> np.ndarray:
    """Return the (weighted) mean of the scores over the labellers that answered, float64 (n, 7), NaN for a face nobody answered."""
    share = _shares(said, weights)
    sums = (np.nan_to_num(said.scores) * share[..., None]).sum(axis=1)
    total = share.sum(axis=1, keepdims=True)
    return np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)


def _shares(said: Votes, weights: dict | None) -> np.ndarray:
    """Return the weight of every labeller on every face, float64 (n, m), 0 where it gave no answer."""
    answered = said.answered.astype(float)
    if weights is None:
        return answered
    if wrong := [name for name in said.labellers if not (name in weights and 0 <= weights[name] < np.inf)]:
        received = f"the weight {weights.get(wrong[0])!r} for the labeller {wrong[0]!r}"
        raise ParameterError(f"Received {received}, expected a number of 0 or more: pass weights=agreement.weights(votes).")
    weighted = answered * np.array([weights[name] for name in said.labellers], float).reshape(1, -1)
    return np.where(weighted.sum(axis=1, keepdims=True) > 0, weighted, answered)


def hardened(soft: pd.DataFrame) -> pd.DataFrame:
    """Return a soft target as the one expression with the largest score (zeros and ones); a face nobody answered stays without a label."""
    return _table(tuple(soft["face_id"]), _one_hot(np.nan_to_num(soft[list(EXPRESSIONS)].to_numpy(float))))


def _one_hot(worth: np.ndarray) -> np.ndarray:
    best = worth.argmax(axis=1) if len(worth) else np.zeros(0, int)
    return ((np.arange(len(EXPRESSIONS)) == best[:, None]) & (worth.max(axis=1, initial=0) > 0)[:, None]).astype(np.uint8)


def _table(faces: tuple, values: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(values, columns=list(EXPRESSIONS))
    table.insert(0, "face_id", list(faces))
    return table


# ---- what a target looks like


def multi_hot(labels: pd.DataFrame) -> np.ndarray:
    """Return the zeros and ones of a target, uint8 (n, 7). Raises ParameterError for a soft target or missing columns."""
    missing = [name for name in EXPRESSIONS if name not in labels]
    if missing:
        raise ParameterError(f"Received a target without {', '.join(missing)}, expected {', '.join(EXPRESSIONS)}: name the columns.")
    values = labels[list(EXPRESSIONS)].to_numpy(float)
    if not np.isin(values, (0, 1)).all():
        raise ParameterError("Received a target of scores, expected zeros and ones: harden it (`hardened`, or the kind 'threshold').")
    return values.astype(np.uint8)


def statistics(labels: pd.DataFrame) -> pd.DataFrame:
    """Return numbers about a target of zeros and ones: statistic, value, meaning.

    Cardinality and density after Tsoumakas and Katakis (2007), imbalance after Charte et al. (2015): the mean over expressions of the
    commonest one's count over its own. All over the faces that have a label; NaN where none has.
    """
    values = multi_hot(labels)
    labelled = values[values.any(axis=1)]
    counts = labelled.sum(axis=0, dtype=int)
    cardinality = labelled.sum(axis=1).mean() if len(labelled) else np.nan
    imbalance = (counts.max() / counts[counts > 0]).mean() if len(labelled) else np.nan
    rows = [
        ("faces", len(values), "rows of the target"),
        ("without a label", len(values) - len(labelled), "faces nobody answered, or on which no vote reached the rule"),
        ("cardinality", cardinality, "expressions a labelled face, on average"),
        ("density", cardinality / len(EXPRESSIONS), "cardinality over the seven expressions"),
        ("several labels", (labelled.sum(axis=1) > 1).mean() if len(labelled) else np.nan, "share of labelled faces with more than one"),
        ("distinct sets", len(np.unique(labelled, axis=0)), "different sets of expressions, of 127 possible"),
        ("mean imbalance", imbalance, "the commonest expression's count over each expression's own, averaged"),
    ]
    return pd.DataFrame(rows, columns=["statistic", "value", "meaning"])


def frequencies(labels: pd.DataFrame) -> pd.DataFrame:
    """Return, for each expression: expression, faces, share (of the faces with a label), imbalance (commonest count over this one)."""
    values = multi_hot(labels)
    counts = values.sum(axis=0, dtype=int)
    faces = max(1, int(values.any(axis=1).sum()))
    imbalance = np.divide(counts.max(), counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return pd.DataFrame({"expression": EXPRESSIONS, "faces": counts, "share": counts / faces, "imbalance": imbalance})


def sizes(labels: pd.DataFrame) -> pd.DataFrame:
    """Return how many faces have 0, 1, 2, … labels: labels, faces, share of all faces. Rows up to the largest size."""
    size = multi_hot(labels).sum(axis=1)
    counts = np.bincount(size, minlength=1)
    return pd.DataFrame({"labels": np.arange(len(counts)), "faces": counts, "share": counts / max(1, len(size))})


def sets(labels: pd.DataFrame, most: int | None = None) -> pd.DataFrame:
    """Return the label sets, the commonest first: labels (names joined by " + ", "none"), size, faces, share. most: rows to keep."""
    names = pd.Series([" + ".join(sorted(one, key=EXPRESSIONS.index)) or "none" for one in from_multi_hot(multi_hot(labels))], dtype=object)
    table = names.value_counts(sort=False).rename_axis("labels").reset_index(name="faces")
    table.insert(1, "size", table["labels"].map(lambda text: 0 if text == "none" else text.count("+") + 1).astype(int))
    table["share"] = table["faces"] / max(1, len(names))
    return table.sort_values(["faces", "labels"], ascending=[False, True], ignore_index=True).head(len(table) if most is None else most)


def co_occurrence(labels: pd.DataFrame) -> pd.DataFrame:
    """Return every ordered pair of expressions: first, second, faces (with both), share (of the faces with the first; NaN without any).

    Where both are the same expression, faces is its count and share 1.
    """
    values = multi_hot(labels).astype(int)
    both = values.T @ values
    counts = np.diag(both)[:, None]
    share = np.divide(both, counts, out=np.full(both.shape, np.nan), where=counts > 0)
    pairs = pd.DataFrame(product(EXPRESSIONS, repeat=2), columns=["first", "second"])
    return pairs.assign(faces=both.ravel(), share=share.ravel())
