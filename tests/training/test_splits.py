"""Splits: nobody on two sides, sizes and classes as asked, sound errors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.training import splits as s


def made(objects: int, seed: int = 0, most: int = 3, rare: float = 0.06) -> tuple[pd.DataFrame, np.ndarray]:
    """Return faces of objects with 1 to `most` faces each, in four traditions, and labels in which fear is rare."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, most + 1, objects)
    owner = np.repeat(np.arange(objects), sizes)
    n = len(owner)
    table = pd.DataFrame({
        "face_id": [f"{number:016x}" for number in random.permutation(n)],
        "image_id": [f"image{number}" for number in range(n)],
        "file": [f"{number}.png" for number in range(n)],
        "object": [f"object{number}" for number in owner],
        "identity": None,
        "near_duplicate_group": None,
        "duplicate_of": None,
        "tradition": [f"tradition{number % 4}" for number in owner],
    })  # fmt: skip
    chances = np.array([0.3, 0.12, rare, 0.3, 0.5, 0.25, 0.12])
    return table, (random.random((n, 7)) < chances).astype(np.uint8)


@pytest.fixture
def faces():
    return made(200)


# ---- groups


def test_groups_are_chained_through_every_column():
    """Identity, object, picture and near-duplicates tie faces together, also in a chain; missing values tie nothing."""
    table = pd.DataFrame({
        "face_id": list("abcdefgh"),
        "image_id": ["1", "1", "2", "3", "4", "5", "6", "7"],
        "object": ["x", "y", "y", "z", "", None, "w", "v"],
        "identity": [None, None, "who", "who", "", " ", None, None],
        "near_duplicate_group": [None, None, None, None, None, None, "7", "7"],
    })  # fmt: skip
    assert s.groups(table).tolist() == ["a", "a", "a", "a", "e", "f", "g", "g"]
    first = table.assign(near_duplicate_group=[None] * 6 + ["7", None])
    assert s.groups(first)[6:].tolist() == ["g", "g"], "a group is named by its first picture, which may not carry the name"
    copies = table.assign(file=[f"{name}.png" for name in "abcdefgh"], duplicate_of=[None] * 4 + ["a.png", None, None, None])
    assert s.groups(copies)[4] == "a"


def test_groups_equal_those_of_a_search(faces):
    """The connected components are those a naive flood over equal values finds."""
    table, _ = faces
    random = np.random.default_rng(1)
    table = table.assign(
        identity=[f"i{number}" if number < 60 else None for number in random.integers(0, 200, len(table))],
        near_duplicate_group=[f"image{number}" if number < 30 else None for number in random.integers(0, 300, len(table))],
    )
    names = pd.Series(s.groups(table))
    links = [(row.image_id, row.near_duplicate_group, "o" + row.object, row.identity and "i" + row.identity) for row in table.itertuples()]
    labels = list(range(len(links)))
    changed = True
    while changed:
        changed, best = False, {}
        for row, values in enumerate(links):
            for value in filter(None, values):
                best[value] = min(best.get(value, labels[row]), labels[row])
        for row, values in enumerate(links):
            low = min([labels[row], *(best[value] for value in filter(None, values))])
            changed |= low != labels[row]
            labels[row] = low
    assert (pd.factorize(names)[0] == pd.factorize(np.array(labels))[0]).all()
    assert names.nunique() < table["object"].nunique()


@pytest.mark.parametrize("change, said", [
    (lambda table: table.drop(columns="object"), "without object"),
    (lambda table: table.iloc[:0], "no faces"),
    (lambda table: pd.concat([table, table.iloc[:1]]), "twice"),
])  # fmt: skip
def test_tables_that_cannot_be_grouped(faces, change, said):
    """A table without what ties faces together is refused: a forgotten join would leak without a sign."""
    with pytest.raises(ParameterError, match=said):
        s.groups(change(faces[0]))


def test_faces_are_joined_to_their_pictures():
    """The table of images gives faces their object and groupings; a strange picture is refused; a copy's row is not the one kept."""
    images = pd.DataFrame({"image_id": ["1", "1", "2"], "file": ["copy.png", "a.png", "b.png"], "duplicate_of": ["a.png", None, None],
                           "object": ["x", "x", "y"], "near_duplicate_group": None, "tradition": "t", "other": 1})  # fmt: skip
    faces = pd.DataFrame({"face_id": ["f", "g"], "image_id": ["2", "1"], "x": 1.0})
    table = s.described(faces, images)
    assert table["object"].tolist() == ["y", "x"] and table["file"].tolist() == ["b.png", "a.png"] and "other" not in table
    with pytest.raises(ParameterError, match="'3'"):
        s.described(faces.assign(image_id="3"), images)


# ---- splits


def test_a_split_has_the_shares_and_frequencies_asked_for(faces):
    """Parts have their shares of faces to 2 points, and every class its frequency to a few faces; each face is in one part."""
    table, target = faces
    splits = s.split(table, target, seed=3)
    assert splits["face_id"].tolist() == table["face_id"].tolist() and (splits["fold"] == 0).all()
    balance = s.balance(splits, table, target).set_index("part")
    assert np.allclose(balance.loc[list(s.PARTS), "share"], s.SHARES, atol=0.02)
    for part in s.PARTS:
        faces_here = balance.loc[part, "faces"]
        off = (balance.loc[part, list(EXPRESSIONS)] - balance.loc["all", list(EXPRESSIONS)]).abs().astype(float) * faces_here
        assert off.max() <= 2.0, (part, off.max())
    assert balance.loc["all", "faces"] == len(table) and balance.loc["all", "groups"] == 200


def test_stratifying_is_better_than_chance(faces):
    """The class frequencies of the parts are nearer to those of all faces than in random splits of groups."""
    table, target = faces
    ours = s.balance(s.split(table, target, seed=1), table, target)["furthest"].max()
    random, worst = np.random.default_rng(0), []
    names = s.groups(table)
    for _ in range(20):
        parts = dict(zip(np.unique(names), random.choice(s.PARTS, 200, p=s.SHARES), strict=True))
        splits = pd.DataFrame({"face_id": table["face_id"], "fold": 0, "part": [parts[name] for name in names], "group": names})
        worst.append(s.balance(splits, table, target)["furthest"].max())
    assert ours < min(worst)


def test_a_split_depends_on_the_seed_and_not_on_the_order_of_rows(faces):
    """Rows in another order give each face the same part; another seed gives another split; the same seed the same."""
    table, target = faces
    order = np.random.default_rng(5).permutation(len(table))
    first = s.split(table, target, seed=2).set_index("face_id")["part"]
    again = s.split(table.iloc[order].reset_index(drop=True), target[order], seed=2).set_index("face_id")["part"]
    assert first.equals(again.loc[first.index])
    assert not first.equals(s.split(table, target, seed=4).set_index("face_id")["part"])


@settings(max_examples=25, deadline=None)
@given(objects=st.integers(12, 60), most=st.integers(1, 6), seed=st.integers(0, 10**6), ties=st.integers(0, 30))
def test_nobody_is_ever_on_two_sides(objects, most, seed, ties):
    """Whatever ties the faces, no object, identity, picture or near-duplicate is in two parts."""
    table, target = made(objects, seed, most)
    random = np.random.default_rng(seed)
    table["identity"] = [f"i{number}" if number < ties // 6 else None for number in random.integers(0, 40, len(table))]
    near = random.integers(0, 200, len(table))
    table["near_duplicate_group"] = [f"image{number % len(table)}" if number < ties else None for number in near]
    try:
        splits = s.split(table, target, seed=seed, lacking=EXPRESSIONS)
    except ParameterError as error:
        assert "belong together" in str(error) or "any label" in str(error) or "groups" in str(error)
        return
    part = splits["part"].to_numpy()
    for column in ("object", "identity", "image_id", "near_duplicate_group"):
        known = table[column].notna().to_numpy()
        assert pd.Series(part[known]).groupby(table[column][known].to_numpy()).nunique().le(1).all()


def test_large_groups_are_balanced_in_faces_not_in_groups():
    """Where a few objects have many faces, the parts have their shares of faces all the same."""
    sizes = [60, 40, 30, 20] + [1] * 200
    owner = np.repeat(np.arange(len(sizes)), sizes)
    table = pd.DataFrame({"face_id": [f"{n:04d}" for n in range(len(owner))], "image_id": range(len(owner)), "object": owner.astype(str),
                          "near_duplicate_group": None}).astype({"image_id": str})  # fmt: skip
    target = (np.random.default_rng(0).random((len(owner), 7)) < 0.2).astype(int)
    balance = s.balance(s.split(table, target), table, target).set_index("part")
    assert np.allclose(balance.loc[list(s.PARTS), "share"], s.SHARES, atol=0.03)


def test_a_class_of_three_groups_reaches_every_part():
    """A class that just three objects show is put into each part once."""
    table, target = made(90, 2)
    target[:, 2] = 0
    places = [int(np.flatnonzero(table["object"] == f"object{number}")[0]) for number in (5, 40, 70)]
    target[places, 2] = 1
    for seed in range(5):
        splits = s.split(table, target, seed=seed)
        assert sorted(splits["part"].iloc[places]) == sorted(s.PARTS)


def test_folds_test_everybody_once(faces):
    """Each face is tested in exactly one fold; every fold has all parts, apart, with sizes near 1/k and the validation share."""
    table, target = faces
    splits = s.folds(table, target, k=4, seed=1, validation=0.15)
    tested = splits[splits["part"] == "test"]
    assert sorted(tested["face_id"]) == sorted(table["face_id"]) and len(splits) == 4 * len(table)
    balance = s.balance(splits, table, target)
    assert np.allclose(balance.loc[balance["part"] == "test", "share"], 0.25, atol=0.02)
    assert np.allclose(balance.loc[balance["part"] == "validation", "share"], 0.15, atol=0.02)
    s.check(splits, table, target)
    assert len(s.folds(table, target, k=2)) == 2 * len(table)


def test_leave_one_out_tests_a_tradition_nobody_learnt_from(faces):
    """One fold a tradition: it is the whole test part and in no other; faces tied to it from elsewhere are in no part."""
    table, target = faces
    tied = table["object"].eq("object1")  # of tradition 1 ...
    table.loc[np.flatnonzero(table["object"] == "object2")[0], "identity"] = "same"  # ... and one of tradition 2 is the same person
    table.loc[np.flatnonzero(tied)[0], "identity"] = "same"
    splits = s.leave_one_out(table, target, "tradition", seed=1)
    assert splits.groupby("fold")["held_out"].first().tolist() == [f"tradition{number}" for number in range(4)]
    tradition = table.set_index("face_id")["tradition"]
    for _, of_fold in splits.groupby("fold"):
        held = of_fold["held_out"].iloc[0]
        test = of_fold["part"].eq("test").to_numpy()
        assert (tradition.loc[of_fold["face_id"]].eq(held).to_numpy() == test).all()
    absent = len(table) - splits.groupby("fold").size()
    assert absent.tolist() == [0, table["object"].eq("object2").sum(), tied.sum(), 0]


def test_leave_one_out_needs_values_worth_testing(faces):
    """Unknown columns, a single value and values with few faces are refused or only train."""
    table, target = faces
    with pytest.raises(ParameterError, match="Did you mean 'tradition'"):
        s.leave_one_out(table, target, "traditon")
    with pytest.raises(ParameterError, match="1 values"):
        s.leave_one_out(table.assign(tradition="all the same"), target)
    small = table.assign(tradition=np.where(np.arange(len(table)) < 5, "tiny", table["tradition"]))
    assert "tiny" not in set(s.leave_one_out(small, target, lacking=EXPRESSIONS)["held_out"])


# ---- refusals


@pytest.mark.parametrize("arguments, said", [
    ({"shares": (0.7, 0.3)}, "shares"),
    ({"shares": (0.7, 0.2, 0.2)}, "add up to 1"),
    ({"shares": (1.0, 0.0, 0.0)}, "above 0"),
    ({"lacking": ("fears",)}, "Did you mean 'fear'"),
])  # fmt: skip
def test_wrong_parameters_of_a_split(faces, arguments, said):
    """Shares that are no shares and unknown classes are refused."""
    with pytest.raises(ParameterError, match=said):
        s.split(*faces, **arguments)


def test_targets_that_cannot_be_stratified(faces):
    """Soft, missing, misshapen and misordered targets are refused with what to do."""
    table, target = faces
    missing = np.where(target, np.nan, 0)
    for wrong, said in [(target * 0.5, "harden"), (missing, "missing"), (target[:5], "shape"), (target[:, :6], "shape")]:
        with pytest.raises(ParameterError, match=said):
            s.split(table, wrong)
    named = pd.DataFrame(target, columns=list(EXPRESSIONS)).assign(face_id=table["face_id"])
    assert s.split(table, named).equals(s.split(table, target))
    assert s.split(table.join(named[list(EXPRESSIONS)])).equals(s.split(table, target))
    with pytest.raises(ParameterError, match="another order"):
        s.split(table, named.iloc[::-1])
    with pytest.raises(ParameterError, match="without fear"):
        s.split(table, named.drop(columns="fear"))


def test_an_empty_class_is_refused_unless_named(faces):
    """A class nobody shows, or fewer groups show than there are parts, stops early; named in `lacking` it may be missing."""
    table, target = faces
    target[:, 2] = 0
    with pytest.raises(ParameterError, match="no 'fear', which 0 groups"):
        s.split(table, target)
    target[table["object"].isin(["object1", "object2"]), 2] = 1
    with pytest.raises(ParameterError, match="no 'fear', which 2 groups"):
        s.split(table, target)
    assert set(s.split(table, target, lacking=("fear",))["part"]) == set(s.PARTS)
    with pytest.raises(ParameterError, match="Fold 0.*fear"):
        s.folds(table, target, k=3)


def test_parts_without_positives_are_refused(faces):
    """A part in which no face has any label cannot be learnt from or tested, even if every class may lack."""
    table, target = faces
    splits = s.split(table, target)
    blank = target.copy()
    blank[splits["part"].eq("test")] = 0
    with pytest.raises(ParameterError, match="test has no face with any label"):
        s.check(splits, table, blank, lacking=EXPRESSIONS)


def test_too_few_groups_are_refused():
    """Fewer groups than folds, and one name that ties everything together, are refused."""
    table, target = made(4)
    with pytest.raises(ParameterError, match="4 groups.*expected at least 5"):
        s.folds(table, target, k=5)
    with pytest.raises(ParameterError, match="1 groups"):
        s.split(table.assign(object="unknown"), target)
    table, target = made(40)
    many = table.assign(object=np.where(np.arange(len(table)) % 5, "unknown", table["object"]))
    with pytest.raises(ParameterError, match="'unknown'"):
        s.split(many, target)
    with pytest.raises(ParameterError, match="validation share"):
        s.folds(table, target, k=3, validation=0.7)


def test_a_tampered_split_is_refused(faces):
    """Moving one face of a group, an identity or a near-duplicate to another side is found and named."""
    table, target = faces
    splits = s.split(table, target)
    owner = table["object"][table["object"].duplicated()].iloc[0]
    place = np.flatnonzero(table["object"] == owner)[0]
    moved = splits.copy()
    moved.loc[place, "part"] = "test" if splits["part"][place] != "test" else "train"
    with pytest.raises(ParameterError, match=f"the object '{owner}' is in"):
        s.check(moved, table, target)
    here, there = (splits.index[splits["part"] == part][0] for part in ("train", "test"))
    for column, said in [("identity", "identity"), ("near_duplicate_group", "near duplicate group")]:
        tied = table.copy()
        tied.loc[[here, there], column] = "shared"
        with pytest.raises(ParameterError, match=f"the {said} 'shared' is in train and in test"):
            s.check(splits, tied, target)
    with pytest.raises(ParameterError, match="'stranger'"):
        s.check(splits.assign(face_id=["stranger", *splits["face_id"][1:]]), table, target)
    with pytest.raises(ParameterError, match="not as expected"):
        s.check(splits.assign(part="exam"), table, target)
    with pytest.raises(ParameterError, match="test has no faces"):
        s.check(splits[splits["part"] != "test"], table, target)


# ---- the guard


def test_the_test_part_never_validates(faces):
    """Asking for the test part as validation, or handing over its faces, is refused; the validation part is given."""
    table, target = faces
    splits, ids = s.split(table, target), table["face_id"].tolist()
    rows = s.validation_of(splits, ids)
    assert set(splits["part"].iloc[rows]) == {"validation"} and len(rows) == splits["part"].eq("validation").sum()
    for part in ("test", "train"):
        with pytest.raises(ParameterError, match=f"{part!r} for validation"):
            s.validation_of(splits, ids, part=part)
    s.check_validation(splits, [ids[row] for row in rows])
    tested = [ids[row] for row in s.rows_of(splits, ids, "test")]
    with pytest.raises(ParameterError, match="which is in 'test'"):
        s.check_validation(splits, [ids[rows[0]], tested[0]])
    with pytest.raises(ParameterError, match="'no part'"):
        s.check_validation(splits, ["stranger"])


def test_rows_of_parts_are_places_in_arrays(faces):
    """The three parts are disjoint places that cover all faces; unknown parts, folds and partial arrays are refused."""
    table, target = faces
    splits, ids = s.split(table, target), table["face_id"].tolist()
    places = [s.training_of(splits, ids), s.validation_of(splits, ids), s.rows_of(splits, ids, "test")]
    assert sorted(np.concatenate(places)) == list(range(len(ids)))
    for arguments, said in [((ids, "tests"), "Did you mean 'test'"), ((ids, "test", 3), "fold 3"), ((ids[:9], "train"), "expected all")]:
        with pytest.raises(ParameterError, match=said):
            s.rows_of(splits, *arguments)
