"""Labellers: how far they agree with each other: kappas, Krippendorff's alpha, Jaccard, confusion, with intervals over objects.

Every interval is a bootstrap of whole objects (several photographs of one object are not independent), percentiles at 95 %. What cannot
be said (one labeller, one expression only) is NaN with the reason in a column, never an error.
"""

from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.faces.report import truth_of
from lib.labellers.target import Votes

CLASSES = len(EXPRESSIONS)
RESAMPLES = 500
LEVEL = 0.95
BITS = 1 << np.arange(CLASSES)  # a set of expressions as a number from 0 to 127
ONE = "one labeller only"
NEVER = "no face two of them answered"
ALWAYS = "only one expression is ever chosen"
PAIR_COLUMNS = ["first", "second", "faces", "objects", "kappa", "low", "high", "observed", "chance", "ac1", "jaccard", "reason"]
OVERALL_COLUMNS = ["measure", "faces", "objects", "value", "low", "high", "observed", "chance", "reason"]
EXPRESSION_COLUMNS = ["expression", "faces", "objects", "share", "alpha", "low", "high", "kappa", "observed", "chance", "reason"]
GROUP_COLUMNS = ["by", "group", "faces", "objects", "alpha", "low", "high", "kappa", "observed", "reason"]


# ---- objects and their resampling


def described(faces: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return, one row a face: face_id, image_id, object, and the groupings notebook 02 uses, as far as the metadata knows them.

    The object is the picture's `identity`, else its `object`, else the picture itself. The groupings are `by tradition`, `by material`,
    `by turn` and `by damage` (see `lib.faces.report.truth_of`). Raises ParameterError where a face's picture is not in the images.
    """
    faces = faces[["face_id", "image_id"]].astype(str)  # a table without rows may have lost its types
    pictures = images.drop_duplicates("image_id").astype({"image_id": str})
    if unknown := sorted(set(faces["image_id"]) - set(pictures["image_id"])):
        raise ParameterError(f"Received faces of the picture {unknown[0]!r}, expected pictures of the table of images: give the images the "
                             "faces were found in.")  # fmt: skip  # fmt: skip
    groupings = truth_of(pictures.assign(face_boxes="", status="ok", duplicate_of=None)).filter(regex="^by ")
    pictures = pictures[["image_id"]].assign(object=object_of(pictures)).join(groupings)
    return faces.merge(pictures, on="image_id", how="left", validate="many_to_one")


def object_of(images: pd.DataFrame) -> pd.Series:
    """Return the name of what each picture shows: `identity`, else `object`, else `image_id`."""
    names = images["image_id"].astype(object)
    for column in ("object", "identity"):
        if column in images:
            said = images[column].fillna("").astype(str).str.strip()
            names = names.where(said.eq(""), said)
    return names


def grouped(faces, objects) -> np.ndarray:
    """Return the number of the object of each face, int (n,). objects: {face_id: name} or a Series by face_id; None: each face its own."""
    if objects is None:
        return np.arange(len(faces))
    names = pd.Series(objects).reindex(list(faces))
    if names.isna().any():
        raise ParameterError(f"Received no object for the face {names.index[names.isna()][0]!r}, expected one each: see `described`.")
    return pd.factorize(names)[0]


def drawn(objects: int, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return how often each object is drawn in each resample, float64 (resamples, objects): whole objects, with replacement."""
    if objects < 1:
        return np.zeros((resamples, 0))
    return np.random.default_rng(seed).multinomial(objects, np.full(objects, 1 / objects), size=resamples).astype(float)


def summed(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return sums by object, float64 (objects, …), of values of faces (n, …). groups: int (n,) from `grouped`."""
    sums = np.zeros((int(groups.max(initial=-1)) + 1, *values.shape[1:]))
    np.add.at(sums, groups, values)
    return sums


def interval(values: np.ndarray, objects: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap values; NaN with fewer than two objects or where most values are undefined."""
    values = values[np.isfinite(values)] if objects > 1 else values[:0]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


# ---- two labellers


def confusions(first: np.ndarray, second: np.ndarray, classes: int = CLASSES) -> np.ndarray:
    """Return one matrix a face, float64 (n, classes, classes), a one where both answered: row first, column second. -1: no answer."""
    return ((first[:, None] == np.arange(classes))[:, :, None] & (second[:, None] == np.arange(classes))[:, None, :]).astype(float)


def kappa_of(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Cohen's kappa (1960), observed and chance agreement of matrices of counts (…, k, k), each of shape (…).

    kappa = (observed - chance) / (1 - chance); NaN where nothing was counted or chance agreement is 1 (both always say the same).
    """
    total = confusion.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(confusion, axis1=-2, axis2=-1) / total
        chance = (confusion.sum(axis=-1) * confusion.sum(axis=-2)).sum(axis=-1) / total**2
        kappa = np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan)
    return kappa, observed, chance


def ac1_of(confusion: np.ndarray) -> np.ndarray:
    """Return Gwet's AC1 (2008) of matrices of counts (…, k, k): kappa with a chance agreement that rare classes do not drive up.

    chance = sum over classes of p (1 - p) / (k - 1), p the mean of the two shares of a class.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = confusion / confusion.sum(axis=(-2, -1), keepdims=True)
        mean = (shares.sum(axis=-1) + shares.sum(axis=-2)) / 2
        chance = (mean * (1 - mean)).sum(axis=-1) / (confusion.shape[-1] - 1)
        return (np.trace(shares, axis1=-2, axis2=-1) - chance) / (1 - chance)


def pairwise(votes: Votes, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return one row a pair of labellers (PAIR_COLUMNS): Cohen's kappa of their largest scores with its interval.

    Beside it what kappa hides where one expression is common: observed and chance agreement and Gwet's AC1. `jaccard` is the mean overlap
    of their sets of votes (shared over united) on faces both answered; two empty sets overlap fully.
    """
    groups, rows = grouped(votes.faces, objects), []
    weights = drawn(int(groups.max(initial=-1)) + 1, resamples, seed)
    for a, b in combinations(range(len(votes.labellers)), 2):
        faces = confusions(votes.choice[:, a], votes.choice[:, b])
        counts = summed(faces, groups)
        total = counts.sum(axis=0)
        kappa, observed, chance = kappa_of(total)
        met = int((counts.sum(axis=(1, 2)) > 0).sum())
        low, high = interval(kappa_of(np.tensordot(weights, counts, 1))[0], met) if np.isfinite(kappa) else (np.nan, np.nan)
        reason = "" if np.isfinite(kappa) else ALWAYS if total.sum() else NEVER
        rows.append((votes.labellers[a], votes.labellers[b], int(total.sum()), met, float(kappa), low, high, float(observed),
                     float(chance), float(ac1_of(total)), _overlap(votes, a, b), reason))  # fmt: skip
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _overlap(votes: Votes, a: int, b: int) -> float:
    both = votes.answered[:, a] & votes.answered[:, b]
    first, second = (votes.given[both, place].astype(bool) for place in (a, b))
    return float(1 - jaccard_distance(_coded(first), _coded(second)).mean()) if both.any() else np.nan


def confusion(votes: Votes) -> pd.DataFrame:
    """Return what the second labeller says where the first says something, for every ordered pair.

    Columns: first, second, said (by the first), answered (by the second), faces, share (of the faces on which the first says so).
    """
    parts = []
    for a, b in ((a, b) for a in range(len(votes.labellers)) for b in range(len(votes.labellers)) if a != b):
        counts = confusions(votes.choice[:, a], votes.choice[:, b]).sum(axis=0)
        parts.append(matrix_table(counts, "said", "answered").assign(first=votes.labellers[a], second=votes.labellers[b]))
    columns = ["first", "second", "said", "answered", "faces", "share"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def matrix_table(counts: np.ndarray, row: str, column: str) -> pd.DataFrame:
    """Return a matrix of counts (7, 7) as a long table: row, column, faces, share of the row (NaN where the row is empty)."""
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    names = pd.MultiIndex.from_product([EXPRESSIONS, EXPRESSIONS], names=[row, column]).to_frame(index=False)
    return names.assign(faces=counts.ravel().astype(int), share=share.ravel())


def weights(votes: Votes) -> dict[str, float]:
    """Return each labeller's mean Cohen's kappa with the others, at least 0: the weights of the target "agreement_weighted".

    Undefined kappas are left out; a labeller without any gets 0. Labellers that share a mistake agree too: the weight is no proof of truth.
    """
    pairs = pairwise(votes, resamples=0)
    means = {name: pairs.loc[(pairs["first"] == name) | (pairs["second"] == name), "kappa"].mean() for name in votes.labellers}
    return {name: float(max(0.0, value)) if np.isfinite(value) else 0.0 for name, value in means.items()}


# ---- all labellers at once


def fleiss_kappa(counts) -> tuple[float, float, float]:
    """Return Fleiss' kappa (1971), observed and chance agreement, of counts (subjects, categories), the same number of raters each.

    kappa is NaN where every rater always chose the same category. Raises ParameterError for unequal or fewer than two raters.
    """
    counts = np.asarray(counts, float)
    raters = np.unique(counts.sum(axis=1)) if counts.ndim == 2 else np.zeros(0)
    if len(raters) != 1 or raters[0] < 2:
        raise ParameterError(f"Received counts of {raters.tolist()} raters a subject, expected the same number, two or more, for each: "
                             "leave out the subjects that some did not rate.")  # fmt: skip
    kappa, observed, chance = _fleiss(*_fleiss_sums(counts))
    return float(kappa), float(observed), float(chance)


def _fleiss_sums(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return each subject's agreement (n,) and category shares (n, k), which add up over subjects, and the number of subjects."""
    raters = counts[0].sum() if len(counts) else 2
    return (counts * (counts - 1)).sum(axis=1).sum() / (raters * (raters - 1)), (counts / raters).sum(axis=0), len(counts)


def _fleiss(agreeing, shares, subjects):
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = agreeing / subjects
        chance = ((shares / np.asarray(subjects)[..., None]) ** 2).sum(axis=-1)
        return np.where(chance < 1 - 1e-12, (observed - chance) / (1 - chance), np.nan), observed, chance


def _coded(sets: np.ndarray) -> np.ndarray:
    return (sets.astype(int) * BITS).sum(axis=-1)


def jaccard_distance(first, second) -> np.ndarray:
    """Return 1 - shared / united of sets of expressions coded as numbers (bit k: EXPRESSIONS[k]). Two empty sets are at distance 0."""
    shared, united = np.bitwise_count(np.bitwise_and(first, second)), np.bitwise_count(np.bitwise_or(first, second))
    return 1 - np.divide(shared, united, out=np.ones(np.shape(united)), where=united > 0)


def masi_distance(first, second) -> np.ndarray:
    """Return Passonneau's (2006) MASI distance of coded sets: 1 - Jaccard · M; M is 1 equal, 2/3 nested, 1/3 overlapping, 0 disjoint."""
    shared = np.bitwise_and(first, second)
    nested = (shared == first) | (shared == second)
    monotone = np.select([np.equal(first, second), nested, shared > 0], [1.0, 2 / 3, 1 / 3], 0.0)
    return 1 - (1 - jaccard_distance(first, second)) * monotone


def nominal_distance(first, second) -> np.ndarray:
    """Return 0 where two values are equal and 1 where they are not."""
    return np.not_equal(first, second).astype(float)


def alpha(values: np.ndarray, known: np.ndarray, distance=nominal_distance) -> float:
    """Return Krippendorff's alpha (the library `krippendorff`) of whole numbers (n faces, m labellers); known: bool, False = missing.

    distance: of two arrays of values. NaN where no face has two answers or only one value ever comes.
    """
    domain = np.unique(values[known])
    counts = ((values[:, :, None] == domain) & known[:, :, None]).sum(axis=1)
    if len(domain) < 2 or not (counts.sum(axis=1) > 1).any() or (counts[counts.sum(axis=1) > 1].sum(axis=0) > 0).sum() < 2:
        return np.nan
    table = distance(domain[:, None], domain[None])
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement=lambda v1, v2, i1, i2, n_v, dtype: table[i1, i2]))


def alpha_parts(values: np.ndarray, known: np.ndarray, distance=nominal_distance) -> tuple[np.ndarray, np.ndarray]:
    """Return what alpha is made of: per face the disagreement and the pairable values (n, 1 + v), and the distances (v, v).

    Both add up over faces, so that resamples cost a product of matrices: see `alpha_of`.
    """
    domain = np.unique(values[known]) if known.any() else np.zeros(1, int)
    counts = ((values[:, :, None] == domain) & known[:, :, None]).sum(axis=1).astype(float)
    counts[counts.sum(axis=1) < 2] = 0
    table = distance(domain[:, None], domain[None])
    others = np.maximum(counts.sum(axis=1) - 1, 1)
    return np.column_stack([np.einsum("nc,ck,nk->n", counts, table, counts, optimize=True) / others, counts]), table


def alpha_of(parts: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return alpha, observed and chance agreement (1 - disagreement) of sums of `alpha_parts` (…, 1 + v). Krippendorff (2011)."""
    counts = parts[..., 1:]
    total = counts.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = parts[..., 0] / total
        chance = np.einsum("...c,ck,...k->...", counts, distances, counts) / (total * (total - 1))
        return np.where(chance > 1e-12, 1 - observed / chance, np.nan), 1 - observed, 1 - chance


def _alpha_row(values, known, groups, weights, distance=nominal_distance) -> dict:
    """Return faces, objects, value, low, high, observed, chance and reason of alpha."""
    parts, distances = alpha_parts(values, known, distance)
    pairable = parts[:, 1:].sum(axis=1) > 0
    sums = summed(parts, groups)
    _, observed, chance = alpha_of(sums.sum(axis=0), distances)
    met = int((sums[:, 1:].sum(axis=1) > 0).sum())
    value = alpha(values, known, distance)
    low, high = interval(alpha_of(weights @ sums, distances)[0], met) if np.isfinite(value) else (np.nan, np.nan)
    reason = "" if np.isfinite(value) else ONE if values.shape[1] < 2 else ALWAYS if pairable.any() else NEVER
    return {"faces": int(pairable.sum()), "objects": met, "value": value, "low": low, "high": high, "observed": float(observed),
            "chance": float(chance), "reason": reason}  # fmt: skip


def overall(votes: Votes, objects=None, resamples: int = RESAMPLES, seed: int = 0, several: Votes | None = None) -> pd.DataFrame:
    """Return the agreement of all labellers in one number each (OVERALL_COLUMNS).

    Fleiss' kappa over the faces that every labeller answered (but for those with few answers, see `Votes.heard`); Krippendorff's alpha of
    the largest scores (missing answers allowed); alpha of sets of votes with Jaccard's and the MASI distance; the mean of the pairs'
    Cohen's kappas. several: votes of the same faces by the rule "threshold", whose sets are compared: with one vote each ("argmax", or
    None) the three alphas are equal.
    """
    groups = grouped(votes.faces, objects)
    weights = drawn(int(groups.max(initial=-1)) + 1, resamples, seed)
    sets, chosen = _coded((several or votes).given), votes.choice >= 0
    rows = [
        {"measure": "Fleiss' kappa", **_fleiss_row(votes.heard(), groups, weights)},
        {"measure": "Krippendorff's alpha", **_alpha_row(votes.choice, chosen, groups, weights)},
        {"measure": "alpha of sets, Jaccard", **_alpha_row(sets, votes.answered, groups, weights, jaccard_distance)},
        {"measure": "alpha of sets, MASI", **_alpha_row(sets, votes.answered, groups, weights, masi_distance)},
        {"measure": "mean Cohen's kappa", **_mean_kappa_row(votes.choice, groups, weights)},
    ]
    return pd.DataFrame(rows, columns=OVERALL_COLUMNS)


def _fleiss_row(votes: Votes, groups: np.ndarray, weights: np.ndarray) -> dict:
    """Return the columns of `_alpha_row` for Fleiss' kappa over the faces that every labeller answered."""
    raters = len(votes.labellers)
    complete = (votes.choice >= 0).all(axis=1)
    if raters < 2 or not complete.any():
        return _nothing(int(complete.sum()), ONE if raters < 2 else "no face all of them answered")
    counts = (votes.choice[:, :, None] == np.arange(CLASSES)).sum(axis=1) * complete[:, None]
    parts = np.column_stack([(counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1)), counts / raters, complete])
    sums = summed(parts, groups)
    met = int((sums[:, -1] > 0).sum())
    value, observed, chance = fleiss_kappa(counts[complete])
    resampled = weights @ sums
    spread = _fleiss(resampled[:, 0], resampled[:, 1:-1], resampled[:, -1])[0]
    low, high = interval(spread, met) if np.isfinite(value) else (np.nan, np.nan)
    return {"faces": int(complete.sum()), "objects": met, "value": value, "low": low, "high": high, "observed": observed, "chance": chance,
            "reason": "" if np.isfinite(value) else ALWAYS}  # fmt: skip


def _mean_kappa_row(choice: np.ndarray, groups: np.ndarray, weights: np.ndarray, classes: int = CLASSES) -> dict:
    """Return the columns of `_alpha_row` for the mean of the pairs' Cohen's kappas; undefined pairs are left out."""
    pairs = list(combinations(range(choice.shape[1]), 2))
    faces = int(((choice >= 0).sum(axis=1) > 1).sum())
    if not pairs or not faces:
        return _nothing(faces, NEVER if pairs else ONE)
    counts = np.stack([summed(confusions(choice[:, a], choice[:, b], classes), groups) for a, b in pairs], axis=1)
    kappa, observed, chance = kappa_of(counts.sum(axis=0))
    met = int((counts.sum(axis=(1, 2, 3)) > 0).sum())
    value = mean_known(kappa)
    spread = mean_known(kappa_of(np.tensordot(weights, counts, 1))[0])
    low, high = interval(spread, met) if np.isfinite(value) else (np.nan, np.nan)
    return {"faces": faces, "objects": met, "value": float(value), "low": low, "high": high, "observed": float(mean_known(observed)),
            "chance": float(mean_known(chance)), "reason": "" if np.isfinite(value) else ALWAYS}  # fmt: skip


def _nothing(faces: int, reason: str) -> dict:
    return {"faces": faces, "objects": 0, **dict.fromkeys(("value", "low", "high", "observed", "chance"), np.nan), "reason": reason}


def mean_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is defined, NaN where nothing is (without numpy's warning)."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    return np.divide(np.where(known, values, 0).sum(axis=-1), count, out=np.full(np.shape(count), np.nan), where=count > 0)


# ---- expression by expression, group by group


def per_expression(votes: Votes, objects=None, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return the agreement on each expression against the rest (EXPRESSION_COLUMNS): does a labeller vote for it or not?

    share: of all votes' answers that name it. alpha: Krippendorff's, with its interval. kappa: the mean of the pairs' Cohen's kappas.
    observed and chance: agreement with and without looking, high for whatever is rare.
    """
    groups, rows = grouped(votes.faces, objects), []
    weights = drawn(int(groups.max(initial=-1)) + 1, resamples, seed)
    for place, name in enumerate(EXPRESSIONS):
        yes = votes.given[:, :, place].astype(int)
        row = _alpha_row(yes, votes.answered, groups, weights)
        kappa = _mean_kappa_row(np.where(votes.answered, yes, -1), groups, weights[:0], 2)["value"]
        share = float(yes[votes.answered].mean()) if votes.answered.any() else np.nan
        reason = "nobody ever votes for it" if row["reason"] == ALWAYS and share == 0 else row["reason"]
        rows.append({**row, "expression": name, "share": share, "alpha": row["value"], "kappa": kappa, "reason": reason})
    return pd.DataFrame(rows, columns=EXPRESSION_COLUMNS)


def by_group(votes: Votes, table: pd.DataFrame, minimum: int = 20, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return the agreement within each group (GROUP_COLUMNS): alpha with its interval, mean Cohen's kappa, observed agreement.

    table: `described`, with the faces' groupings in columns `by …`. Groups with fewer than `minimum` faces are left out.
    """
    rows, table = [], table.set_index("face_id").reindex(votes.faces)
    for by in (name for name in table.columns if name.startswith("by ")):
        for group in sorted(table[by].dropna().unique()):
            chosen = (table[by] == group).to_numpy()
            if chosen.sum() < minimum:
                continue
            of_group = votes.of(chosen)
            groups = grouped(of_group.faces, table["object"])
            weights = drawn(int(groups.max()) + 1, resamples, seed)
            row = _alpha_row(of_group.choice, of_group.choice >= 0, groups, weights)
            kappa = _mean_kappa_row(of_group.choice, groups, weights[:0])["value"]
            named = {"by": by.removeprefix("by "), "group": group, "faces": int(chosen.sum())}
            rows.append({**row, **named, "alpha": row["value"], "kappa": kappa})
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def unanimity(votes: Votes) -> pd.DataFrame:
    """Return, one row a face: face_id, answers (labellers that answered), agreement (share of their pairs that say the same, NaN under
    two answers) and plurality (the expression most of them say, ties broken by the order of EXPRESSIONS, "" without an answer)."""
    counts = (votes.choice[:, :, None] == np.arange(CLASSES)).sum(axis=1)
    answers = counts.sum(axis=1)
    pairs = answers * (answers - 1)
    share = np.divide((counts * (counts - 1)).sum(axis=1), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    most = [EXPRESSIONS[place] if answer else "" for place, answer in zip(counts.argmax(axis=1), answers, strict=True)]
    return pd.DataFrame({"face_id": votes.faces, "answers": answers, "agreement": share, "plurality": most})
