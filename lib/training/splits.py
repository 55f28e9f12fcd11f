"""Training: who learns, who validates, who is tested: splits by groups of faces, stratified for several labels a face.

Nobody is on two sides. Faces are of one group when they share an object, an identity, a picture, a duplicate or a near-duplicate
picture, directly or through others; a group goes to one part as a whole. Shares and stratification are not stated in the paper.
"""

import numpy as np
import pandas as pd
import pandera.pandas as pa
from iterstrat.ml_stratifiers import IterativeStratification
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lib.compendium.errors import ParameterError, did_you_mean
from lib.expressions import EXPRESSIONS

PARTS = ("train", "validation", "test")
SHARES = (0.7, 0.15, 0.15)
SPLITS = pa.DataFrameSchema(
    {
        "face_id": pa.Column(str, pa.Check.str_length(min_value=1)),
        "fold": pa.Column(int, pa.Check.ge(0)),
        "part": pa.Column(str, pa.Check.isin(PARTS)),
        "group": pa.Column(str, pa.Check.str_length(min_value=1), description="the smallest face_id of the faces that belong together"),
        "held_out": pa.Column(str, required=False, description="what a leave-one-out fold tests on"),
    },
    strict=True, coerce=True, unique=["face_id", "fold"], name="splits",
)  # fmt: skip
NEEDED = ("face_id", "image_id", "object", "near_duplicate_group")
# Columns whose values tie faces together, and the namespace of their values: a near-duplicate group is named by a picture, a duplicate
# by the file it copies.
LINKS = {"image_id": "image", "near_duplicate_group": "image", "object": "object", "identity": "identity", "file": "file",
         "duplicate_of": "file"}  # fmt: skip
KEPT = (*LINKS, "collection", "tradition", "culture", "material", "expression", "intensity", "yaw", "damage", "style", "posture")
LACKING = 1e4  # worth of a class that a part lacks, against chi-square distances: it comes first
DRAWS = 5  # stratifications tried before a class is said to be impossible to spread
OFF = 0.05  # how far a part may be from its share, unless single groups are larger


# ---- who belongs together


def described(faces: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Return the faces, one row each in their order, with what the table of images knows about their pictures: the `table` asked for here.

    Columns: face_id, image_id and those of KEPT that there are. Raises ParameterError where a face's picture is not in the images.
    """
    pictures = images.sort_values("duplicate_of", na_position="first", kind="stable").drop_duplicates("image_id")
    if unknown := sorted(set(faces["image_id"]) - set(pictures["image_id"])):
        raise ParameterError(f"Received a face of the picture {unknown[0]!r}, expected only pictures of the table of images: give the "
                             "images the faces were found in.")  # fmt: skip
    known = [name for name in dict.fromkeys(("image_id", *KEPT)) if name in pictures]
    return faces[["face_id", "image_id"]].merge(pictures[known], on="image_id", how="left", validate="many_to_one")


def groups(table: pd.DataFrame) -> np.ndarray:
    """Return the name of the group of each face, object (n,): the smallest face_id of all faces it is tied to.

    table: one row a face with the columns NEEDED, and identity, file, duplicate_of where known (see LINKS); an empty value ties nothing.
    Raises ParameterError for missing columns, no faces, or a face that comes twice.
    """
    _check_table(table)
    faces = table["face_id"].astype(str).to_numpy()
    labels = _components(np.stack([_values(table, name) for name in LINKS if name in table], axis=1))
    order = np.argsort(faces, kind="stable")
    first = pd.Series(faces[order]).groupby(labels[order]).first()
    return first.loc[labels].to_numpy(object)


def _check_table(table: pd.DataFrame) -> None:
    if missing := [name for name in NEEDED if name not in table]:
        raise ParameterError(f"Received faces without {', '.join(missing)}, expected {', '.join(NEEDED)}: join the table of images to the "
                             "faces (`splits.described`).")  # fmt: skip
    if not len(table):
        raise ParameterError("Received no faces, expected a row for each: look at the runs of the notebooks before this one.")
    twice = table.loc[table["face_id"].duplicated(), "face_id"]
    if len(twice):
        raise ParameterError(f"Received the face {twice.iloc[0]!r} twice, expected each once: drop the copies.")


def _values(table: pd.DataFrame, column: str) -> np.ndarray:
    """Return the values of a linking column as "namespace:value", object (n,), None where there is none."""
    said = table[column].fillna("").astype(str).str.strip()
    return np.where(said.eq(""), None, LINKS[column] + ":" + said)


def _components(values: np.ndarray) -> np.ndarray:
    """Return the number of the connected component of each row (n, links): rows are tied by equal values, None ties nothing."""
    rows = np.repeat(np.arange(len(values)), values.shape[1])
    codes, names = pd.factorize(values.ravel())
    known = codes >= 0
    size = len(values) + len(names)
    graph = coo_matrix((np.ones(known.sum(), bool), (rows[known], len(values) + codes[known])), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(values)]


# ---- making splits


def split(table: pd.DataFrame, target=None, shares: tuple = SHARES, seed: int = 0, lacking: tuple = ()) -> pd.DataFrame:
    """Return one split into train, validation and test (fold 0) as a table SPLITS in the order of `table`.

    table: see `groups`. target: zeros and ones (n, 7) in the order of EXPRESSIONS, or a table with these columns (default: `table` itself).
    shares: of the faces, adding up to 1. lacking: expressions so rare that a part may lack them. The same faces in another order are
    split alike. Raises ParameterError for what `check` refuses and where no split comes near the shares.
    """
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ParameterError(f"Received the shares {shares}, expected three numbers above 0 that add up to 1 (train, validation, test).")
    names, counts, target = _counted(table, target)
    parts = dict(zip(counts.index, np.array(PARTS)[_assigned(counts, shares, [seed], lacking)], strict=True))
    splits = _table(table, names, 0, parts)
    check(splits, table, target, lacking)
    _check_shares(splits, shares)
    return splits


def folds(table: pd.DataFrame, target=None, k: int = 5, seed: int = 0, validation: float = 0.15, lacking: tuple = ()) -> pd.DataFrame:
    """Return k folds as one table SPLITS: every face is tested in one fold, and trains or validates in the others.

    validation: the share of all faces that validates, taken anew in each fold from the faces that are not tested. Else as `split`.
    """
    names, counts, target = _counted(table, target)
    if k < 2 or not 0 < validation < 1 - 1 / k:
        raise ParameterError(f"Received {k} folds and a validation share of {validation}, expected 2 folds or more and a share above 0 and "
                             "below 1 - 1/k: change the parameters.")  # fmt: skip
    tested = _assigned(counts, (1 / k,) * k, [seed], lacking)
    held_out = [(fold, counts.index[tested == fold], validation / (1 - 1 / k)) for fold in range(k)]
    splits = pd.concat([_fold(table, names, counts, fold, test, share, seed, lacking) for fold, test, share in held_out], ignore_index=True)
    check(splits, table, target, lacking)
    return splits


def leave_one_out(table: pd.DataFrame, target=None, by: str = "tradition", seed: int = 0, validation: float = 0.15, fewest: int = 10,
                  lacking: tuple = ()) -> pd.DataFrame:  # fmt: skip
    """Return one fold for each value of a column (collection, tradition, material): tested on it, trained on all others.

    A column `held_out` names the value. Values with fewer than `fewest` faces only train, as do faces without a value. A face of another
    value that is tied to a tested one (the same object in two collections) is in no part of that fold. A test part may lack expressions.
    validation: the share of the faces that are not tested. target, seed, lacking: see `split`.
    """
    names, counts, target = _counted(table, target)
    if by not in table:
        raise ParameterError(f"Received the column {by!r}, expected one of {', '.join(map(str, table.columns))}: name another."
                             f"{did_you_mean(by, table.columns)}")  # fmt: skip
    values = table[by].fillna("").astype(str).str.strip()
    sizes = values[values.ne("")].value_counts()
    chosen = sorted(sizes.index[sizes >= fewest])
    if len(chosen) < 2:
        raise ParameterError(f"Received {len(chosen)} values of {by!r} with {fewest} faces or more, expected at least two: choose another "
                             "column, a smaller `fewest`, or a larger collection.")  # fmt: skip
    parts = []
    for fold, value in enumerate(chosen):
        test = pd.Index(np.unique(names[values == value]))
        one = _fold(table, names, counts, fold, test, validation, seed, lacking).assign(held_out=value)
        parts.append(one[(one["part"] != "test") | (values == value).to_numpy()])
    splits = pd.concat(parts, ignore_index=True)
    check(splits, table, target, lacking, complete=PARTS[:2])
    return splits


def _fold(table, names, counts, fold: int, test, share: float, seed: int, lacking: tuple) -> pd.DataFrame:
    """Return a fold: groups `test` are tested, and of the others a `share` of the faces validates."""
    others = counts.drop(index=test)
    _check_groups(len(others), 2)
    parts = np.array(PARTS)[_assigned(others, (1 - share, share), [seed, 1 + fold], lacking)]
    return _table(table, names, fold, {**dict.fromkeys(test, "test"), **dict(zip(others.index, parts, strict=True))})


def _table(table: pd.DataFrame, names: np.ndarray, fold: int, parts: dict) -> pd.DataFrame:
    rows = {"face_id": table["face_id"].astype(str).to_numpy(), "fold": fold, "part": [parts[name] for name in names], "group": names}
    return SPLITS.validate(pd.DataFrame(rows))


def _counted(table: pd.DataFrame, target) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Return the group of each face, a table of counts (group × faces and the seven expressions) in the order of names, and the target."""
    names, target = groups(table), multi_hot(table, target)
    counts = pd.DataFrame(np.column_stack([np.ones(len(target)), target]), columns=["faces", *EXPRESSIONS]).groupby(names).sum()
    return names, counts, target


def multi_hot(table: pd.DataFrame, target=None) -> np.ndarray:
    """Return the target as zeros and ones, uint8 (n, 7). Raises ParameterError for another shape, missing columns, NaN, or soft scores."""
    target = table if target is None else target
    if isinstance(target, pd.DataFrame):
        if missing := [name for name in EXPRESSIONS if name not in target]:
            raise ParameterError(f"Received a target without {', '.join(missing)}, expected {', '.join(EXPRESSIONS)}: name the columns.")
        if "face_id" in target and "face_id" in table and target["face_id"].tolist() != table["face_id"].tolist():
            raise ParameterError("Received a target of other faces than the table, or in another order; expected the same: reindex it by "
                                 "face_id.")  # fmt: skip
        target = target[list(EXPRESSIONS)].to_numpy(float)
    target = np.asarray(target)
    if target.shape != (len(table), len(EXPRESSIONS)):
        raise ParameterError(f"Received a target of shape {target.shape}, expected {(len(table), len(EXPRESSIONS))}: one row a face.")
    if not np.isin(target, (0, 1)).all():
        raise ParameterError("Received a target of scores or missing values, expected zeros and ones: harden it before splitting.")
    return target.astype(np.uint8)


# ---- stratifying


def _assigned(counts: pd.DataFrame, shares, seed: list[int], lacking: tuple) -> np.ndarray:
    """Return the number of the part of each group, int (groups,), parts as large and as mixed as the shares say.

    Sechidis, Tsoumakas and Vlahavas (2011) by the library, which counts groups; then single groups move while that brings the counts of
    faces nearer (chi-square). Several draws are tried where one leaves a part without a class.
    """
    _check_groups(len(counts), len(shares))
    _check_largest(counts, max(shares))
    values, shares = counts.to_numpy(float), np.asarray(shares, float)
    needed = np.array([True, *(name not in lacking for name in EXPRESSIONS)]) & (values.sum(axis=0) > 0)
    best = None
    for draw in range(DRAWS):
        random = np.random.RandomState([*seed, draw])
        order = random.permutation(len(values))
        parts = np.empty(len(values), int)
        parts[order] = IterativeStratification(_thermometer(values[order]), shares.copy(), random)
        parts, distance = _evened(parts, values, shares, needed)
        if best is None or distance < best[1]:
            best = parts, distance
        if distance < LACKING:
            break
    return best[0]


def _thermometer(values: np.ndarray) -> np.ndarray:
    """Return counts (groups, m) as bool columns "at least 1, 2, 4, 8 …": what the library, which knows yes and no only, can spread."""
    steps = 2 ** np.arange(1 + int(np.log2(max(1, values.max()))))
    columns = (values[:, :, None] >= steps).reshape(len(values), -1)
    return columns[:, columns.any(axis=0)]


def _evened(parts: np.ndarray, values: np.ndarray, shares: np.ndarray, needed: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the parts after the single moves that reduce the distance most, one after the other, and the distance that remains."""
    expected = np.outer(shares, values.sum(axis=0))
    weight = np.divide(1.0, expected, out=np.zeros_like(expected), where=expected > 0)
    weight[:, 0] *= len(EXPRESSIONS)  # the size of a part counts as much as its classes together
    counts = np.stack([values[parts == part].sum(axis=0) for part in range(len(shares))])

    def distance(held: np.ndarray, part) -> np.ndarray:
        lacks = ((held < 0.5) & needed).sum(axis=-1)
        return ((held - expected[part]) ** 2 * weight[part]).sum(axis=-1) + LACKING * lacks

    everywhere = np.arange(len(shares))
    for _ in range(len(parts)):
        now = distance(counts, everywhere)
        given = distance(counts[parts] - values, parts) - now[parts]
        taken = distance(counts[None] + values[:, None], everywhere[None]) - now
        change = given[:, None] + taken
        change[np.arange(len(parts)), parts] = 0
        group, part = np.unravel_index(change.argmin(), change.shape)
        if change[group, part] > -1e-9:
            break
        counts[parts[group]] -= values[group]
        counts[part] += values[group]
        parts[group] = part
    return parts, float(distance(counts, everywhere).sum())


def _check_groups(count: int, parts: int) -> None:
    if count < parts:
        raise ParameterError(f"Received {count} groups of faces that belong together, expected at least {parts}, one for each part or "
                             "fold: ask for fewer folds, or look whether one name ('unknown') ties everything together.")  # fmt: skip


def _check_largest(counts: pd.DataFrame, share: float) -> None:
    largest, faces = counts["faces"].max(), counts["faces"].sum()
    if largest > max(share, 0.5) * faces:
        raise ParameterError(f"Received a group of {largest:.0f} of {faces:.0f} faces that belong together (with the face "
                             f"{counts['faces'].idxmax()}), expected none larger than a part: look at the columns {', '.join(LINKS)} for a "
                             "name that many pictures share ('unknown').")  # fmt: skip


def _check_shares(splits: pd.DataFrame, shares) -> None:
    achieved = splits["part"].value_counts(normalize=True).reindex(PARTS, fill_value=0)
    allowed = max(OFF, splits["group"].value_counts(normalize=True).max())
    far = [(name, got, asked) for name, got, asked in zip(PARTS, achieved, shares, strict=True) if abs(got - asked) > allowed]
    if far:
        name, got, asked = far[0]
        raise ParameterError(f"Received faces in groups that cannot be split as asked: {name} gets {got:.0%}, expected {asked:.0%}. Change "
                             "the shares, or name rare expressions in `lacking`.")  # fmt: skip


# ---- checking and reporting


def check(splits: pd.DataFrame, table: pd.DataFrame, target=None, lacking: tuple = (), complete: tuple = PARTS) -> None:
    """Raise ParameterError, in one clear line, for a split nobody should train with; return nothing for a sound one.

    Refused: a table that is not SPLITS; faces that are not in `table`; a group (object, identity, picture, near-duplicate) in two parts
    of a fold; a fold without one of the parts; a part without any positive; in the parts of `complete` an expression without a positive,
    unless it is in `lacking`.
    """
    splits, target = _checked(splits), multi_hot(table, target)
    if unknown := sorted(set(lacking) - set(EXPRESSIONS)):
        raise ParameterError(f"Received the lacking expression {unknown[0]!r}, expected some of {', '.join(EXPRESSIONS)}."
                             f"{did_you_mean(str(unknown[0]), EXPRESSIONS)}")  # fmt: skip
    where = pd.Series(np.arange(len(table)), index=table["face_id"].astype(str))
    if strange := sorted(set(splits["face_id"]) - set(where.index)):
        raise ParameterError(f"Received a split with the face {strange[0]!r}, expected only faces of the table: make the split again.")
    rows = where.loc[splits["face_id"]].to_numpy()
    names = groups(table)
    _check_apart(splits, table, names[rows], rows)
    _check_classes(splits, target, rows, names, lacking, complete)


def _checked(splits: pd.DataFrame) -> pd.DataFrame:
    try:
        return SPLITS.validate(splits).reset_index(drop=True)
    except (pa.errors.SchemaError, pa.errors.SchemaErrors) as error:
        first = str(error).splitlines()[0][:200]
        raise ParameterError(f"Received a table of splits that is not as expected ({first}): make the split again.") from None


def _check_apart(splits: pd.DataFrame, table: pd.DataFrame, names: np.ndarray, rows: np.ndarray) -> None:
    parts = splits.assign(group=names).groupby(["fold", "group"])["part"].nunique()
    if (parts > 1).any():
        fold, group = parts.index[parts > 1][0]
        inside = ((splits["fold"] == fold) & (names == group)).to_numpy()
        raise ParameterError(f"Fold {fold}: {_tie(table.iloc[rows[inside]], splits['part'][inside].to_numpy())}; expected all faces that "
                             "belong together in one part: make the split again.")  # fmt: skip


def _tie(faces: pd.DataFrame, parts: np.ndarray) -> str:
    """Say what ties faces of one group that lie in several parts: a value they share, or the chain of them."""
    for column in ("identity", "object", "near_duplicate_group", "image_id", "file", "duplicate_of"):
        if column not in faces:
            continue
        values = _values(faces, column)
        for value in dict.fromkeys(value for value in values if value is not None):
            found = sorted(set(parts[values == value]), key=PARTS.index)
            if len(found) > 1:
                return f"the {column.replace('_', ' ')} {value.partition(':')[2]!r} is in {' and in '.join(found)}"
    return f"the faces {', '.join(faces['face_id'].astype(str).head(2))} belong together through other pictures and are in different parts"


def _check_classes(splits, target, rows, names, lacking: tuple, complete: tuple) -> None:
    for fold, of_fold in splits.groupby("fold"):
        for part in PARTS:
            inside = (of_fold["part"] == part).to_numpy()
            label = f"Fold {fold}: the part {part}"
            if not inside.any():
                raise ParameterError(f"{label} has no faces, expected some: make the split again with more faces or another share.")
            counts = target[rows[of_fold.index[inside]]].sum(axis=0)
            if not counts.any():
                raise ParameterError(f"{label} has no face with any label, expected positives: give it labelled faces.")
            for name, count in zip(EXPRESSIONS, counts, strict=True):
                if not count and part in complete and name not in lacking:
                    of_class = len(set(names[target[:, EXPRESSIONS.index(name)] == 1]))
                    raise ParameterError(f"{label} has no {name!r}, which {of_class} groups of faces show in all; expected it in each "
                                         f"part: get more such pictures, ask for fewer parts, or pass lacking=({name!r},).")  # fmt: skip


def balance(splits: pd.DataFrame, table: pd.DataFrame, target=None) -> pd.DataFrame:
    """Return what was achieved, one row a fold and part, then one for all faces (fold -1, part "all").

    Columns: fold, part, faces, groups, share (of the fold's faces), the seven EXPRESSIONS (share of the part's faces that show it), and
    `furthest`: the largest difference of these from the shares over all faces of the table.
    """
    target = pd.DataFrame(multi_hot(table, target), columns=list(EXPRESSIONS), index=table["face_id"].astype(str))
    overall = target.mean()
    rows = []
    for (fold, part), inside in splits.groupby(["fold", "part"], sort=False):
        shares = target.loc[inside["face_id"]].mean()
        share = len(inside) / (splits["fold"] == fold).sum()
        rows.append({"fold": fold, "part": part, "faces": len(inside), "groups": inside["group"].nunique(), "share": share,
                     **shares, "furthest": (shares - overall).abs().max()})  # fmt: skip
    rows.sort(key=lambda row: (row["fold"], PARTS.index(row["part"])))
    rows.append({"fold": -1, "part": "all", "faces": len(table), "groups": len(set(groups(table))), "share": 1.0, **overall,
                 "furthest": 0.0})  # fmt: skip
    return pd.DataFrame(rows)


# ---- parts for fitting and for reporting


def rows_of(splits: pd.DataFrame, face_ids, part: str, fold: int = 0) -> np.ndarray:
    """Return the places in `face_ids` of the faces in a part of a fold, int (m,), in their order: for arrays kept by face.

    Raises ParameterError for an unknown part or fold, or where faces of the part are not in `face_ids`. For validation while fitting use
    `validation_of`.
    """
    if part not in PARTS:
        raise ParameterError(f"Received the part {part!r}, expected one of {', '.join(PARTS)}.{did_you_mean(str(part), PARTS)}")
    if fold not in set(splits["fold"]):
        raise ParameterError(f"Received fold {fold}, expected one of {sorted(set(splits['fold']))}: change the parameter.")
    wanted = set(splits.loc[(splits["fold"] == fold) & (splits["part"] == part), "face_id"])
    rows = np.flatnonzero([face in wanted for face in face_ids])
    if len(rows) != len(wanted):
        raise ParameterError(f"Received {len(rows)} of the {len(wanted)} faces of the part {part!r}, expected all, each once: give the "
                             "arrays the split was made for.")  # fmt: skip
    return rows


def training_of(splits: pd.DataFrame, face_ids, fold: int = 0) -> np.ndarray:
    """Return the places of the faces to learn from: see `rows_of`."""
    return rows_of(splits, face_ids, "train", fold)


def validation_of(splits: pd.DataFrame, face_ids, fold: int = 0, part: str = "validation") -> np.ndarray:
    """Return the places of the faces for validation, early stopping and thresholds: see `rows_of`.

    Raises ParameterError for part="test" (and "train"): what is chosen on the test part is not tested any more.
    """
    if part != "validation":
        why = "choosing on the test part would make its figures worthless" if part == "test" else "only the part 'validation' validates"
        raise ParameterError(f"Received the part {part!r} for validation, expected 'validation': {why}. Leave the parameter out.")
    return rows_of(splits, face_ids, part, fold)


def check_validation(splits: pd.DataFrame, face_ids, fold: int = 0) -> None:
    """Raise ParameterError where faces that are meant to validate lie in another part of the fold than "validation"."""
    parts = splits[splits["fold"] == fold].set_index("face_id")["part"]
    wrong = [(face, parts.get(face, "no part")) for face in face_ids if parts.get(face) != "validation"]
    if wrong:
        face, part = max(wrong, key=lambda one: one[1] == "test")
        raise ParameterError(f"Received the face '{face}' for validation, which is in '{part}' of fold {fold}; expected faces of "
                             "'validation' only: take them from `splits.validation_of`.")  # fmt: skip
