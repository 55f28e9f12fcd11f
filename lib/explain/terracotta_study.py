"""Explanations: the terracotta study from its parameters to its tables (notebook 07).

Living faces teach a classifier, which fails on warriors; GANimation makes more of each warrior; classifiers learn from what it made, under
a strict and a lenient split (Tian, Xie, Ma and Zhang). What the study had not: how true the generated faces are, how much of the lenient
accuracy is memory, and whether other ways of making more pictures do as well.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from lib.collections import rafdb
from lib.collections.atelier.expression import UNITS
from lib.compendium import claims, compute, fingerprints
from lib.compendium.errors import ParameterError
from lib.compendium.kept import kept
from lib.explain import displacements
from lib.explain.terracotta_parameters import TerracottaParameters
from lib.expressions import EXPRESSIONS
from lib.faces.landmarks import landmarks
from lib.labellers import action_units, agreement, appearance
from lib.networks import arm
from lib.published.tables import table as printed
from lib.training import animated, animation, corpus, faces, ganimation, terracotta, warriors
from lib.training import terracotta_networks as networks
from lib.training.faces import UNIT_COLUMNS, TrainingFaces

CUT = 112  # pixels of a crop before it is brought to a network's side
JUDGED = 112  # pixels at which Action Units are read
COMPONENTS = 16  # of the features behind a Fréchet distance, at most: a covariance needs several pictures for each
WARRIORS = {"tw58": "warriors", "postures": "postured", "han": "han"}  # set: the parameter with a user's folder of it


class Data(NamedTuple):
    """The study's pictures: living faces to learn from and to be tested on, and warriors by set of `warriors.SETS`.

    real: which of "living" and the sets are photographs of the user's; told: what the living faces are, in words.
    """

    living: TrainingFaces
    tested: TrainingFaces
    warriors: dict[str, TrainingFaces]
    real: frozenset
    told: str


# ---- pictures and annotators


def pictures(wanted: TerracottaParameters) -> Data:
    """Return the study's pictures: of the user's folders where given, else the atelier's; made once."""
    living, tested, told = _living(wanted)
    sets = {}
    for name, parameter in WARRIORS.items():
        folder = getattr(wanted, parameter)
        count = min(wanted.each, warriors.SETS[name]) or None
        sets[name] = warriors.folder_warriors(folder, CUT, name) if folder else (
            warriors.atelier_warriors(name, CUT, wanted.warriors_seed, count))  # fmt: skip
    real = {"living"} & ({"living"} if wanted.raf_db else set()) | {name for name, one in WARRIORS.items() if getattr(wanted, one)}
    return Data(living, tested, sets, frozenset(real), told)


def _living(wanted: TerracottaParameters) -> tuple[TrainingFaces, TrainingFaces, str]:
    if wanted.raf_db:
        found = raf_db_faces(wanted.raf_db)
        test = found.table["subject"].str.contains("test_").to_numpy()
        return found.part(~test), found.part(test), "RAF-DB"
    learned = faces.atelier_faces(wanted.living, wanted.living_seed, CUT)
    # At the side at which notebook 03 examines its labellers, so that both look at the same kept faces.
    tested = faces.atelier_faces(wanted.tested, wanted.tested_seed, 2 * CUT, prototypes=True)
    return learned, tested, "the atelier's people (synthetic)"


def raf_db_faces(folder: Path | str, side: int = CUT) -> TrainingFaces:
    """Return RAF-DB's faces, cut, aligned and kept; `subject` is the picture ("raf_db:train_00001"), whose name says its part."""
    table = rafdb.read(Path(folder).expanduser())
    stamps = [[Path(path).name, Path(path).stat().st_size] for path in table["path"]]
    settings = {"kind": "raf_db", "side": side, "of": fingerprints.digest(json.dumps(stamps) + table["expression"].str.cat())}
    sources = (*corpus.SOURCES, "lib.collections.rafdb")
    made = kept("raf_db", settings, sources, lambda making: corpus.make(making, table, side))
    table = pd.read_parquet(made / "table.parquet")
    return TrainingFaces(np.load(made / "crops.npy", mmap_mode="r"), np.load(made / "landmarks.npy"), table)


def at(crops: np.ndarray, side: int) -> np.ndarray:
    """Return crops uint8 (n, s, s, 3) at another side (`animated.reduced`)."""
    return animated.reduced(crops, side)


def named(some: TrainingFaces) -> TrainingFaces:
    """Return the faces whose expression is known."""
    return some.part(some.table["expression"].isin(EXPRESSIONS).to_numpy())


def annotated(wanted: TerracottaParameters, data: Data, which: str = "tw58") -> pd.DataFrame:
    """Return annotators' answers about a set of warriors (long: face_id, labeller, expression, score): the user's, or simulated.

    Where photographs come with neither votes nor expressions there is nothing to learn: ParameterError.
    """
    table = data.warriors[which].table
    if which == "tw58" and wanted.votes:
        return terracotta.people(wanted.votes, table)
    if table[list(EXPRESSIONS)].isna().all(axis=None):
        raise ParameterError(f"Received pictures of warriors ({which}) without expressions; expected some: give `votes`, or a labels.csv "
                             "with a column expression in their folder.")  # fmt: skip
    doubt = 0.0 if which in data.real else wanted.doubt
    return terracotta.annotators(table, wanted.annotators, doubt, seed=wanted.seed)


def truth_of(labels: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return the majority's expression of each face of a table, object (n,); "" where nobody answered."""
    said = terracotta.majority(labels).set_index("face_id")["expression"]
    return table["face_id"].map(said).fillna("").to_numpy(object)


# ---- GANimation


def references(wanted: TerracottaParameters, data: Data) -> dict[str, np.ndarray]:
    """Return the Action Units by which each expression is asked for: of a living reference face, as in the study.

    RAF-DB has no Action Units; then the atelier's people are the references.
    """
    table = data.living.table
    if table[list(UNIT_COLUMNS)].isna().any(axis=None):
        table = faces.atelier_faces(wanted.living, wanted.living_seed, CUT).table
    return animation.references(table, wanted.reference == "strongest")


def learned(wanted: TerracottaParameters) -> ganimation.Trained:
    """Return GANimation, trained once on this machine on the atelier's people, whose Action Units are known; RAF-DB has none."""
    base = ganimation.DEMO if wanted.gan == "small" else {}
    settings = animated.Learning(count=wanted.living, seed=wanted.living_seed, network=ganimation.Settings(**base | wanted.gan_changes))
    return animated.trained_ganimation(settings, progress=compute.progress("epochs of GANimation"))


def side_of(generator) -> int:
    """Return the side of a generator's pictures in pixels."""
    return int(generator.input["picture"].shape[1])


def sheets(wanted: TerracottaParameters, generator, some: TrainingFaces, targets: Mapping) -> np.ndarray:
    """Return every face on its way to every expression, uint8 (n, expressions, columns, S, S, 3)."""
    return animation.sheets(generator, at(some.crops, side_of(generator)), targets, wanted.columns)


class Generated(NamedTuple):
    """Generated faces at a classifier's side, uint8 (m, side, side, 3), and their table: picture, source, expression, column, share."""

    crops: np.ndarray
    table: pd.DataFrame


def generated(wanted: TerracottaParameters, made: np.ndarray, sources, targets: Mapping) -> Generated:
    """Return the columns kept of `sheets` as faces to learn from."""
    chosen = np.argwhere(animation.keep_before_too_human(made, wanted.dropped))
    names = list(targets)
    rows = [(f"{sources[n]}/{names[e]}/{c}", sources[n], names[e], int(c), (c + 1) / wanted.columns) for n, e, c in chosen]
    table = pd.DataFrame(rows, columns=["picture", "source", "expression", "column", "share"])
    return Generated(at(made[tuple(chosen.T)], wanted.side), table)


class Judge(NamedTuple):
    """Reads Action Units off pictures with the compendium's own models, which know nothing of the generator."""

    models: action_units.Models

    def features(self, pictures: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Return appearance and geometry of faces, float32 (n, 4600), with landmarks found in boxes (n, 4) of the pictures' pixels."""
        large, scale = at(pictures, JUDGED), JUDGED / pictures.shape[1]
        found = np.stack([landmarks(one, tuple(box * scale), "hand") for one, box in zip(large, np.asarray(boxes, float), strict=True)])
        return appearance.features(large, found)

    def __call__(self, pictures: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Return intensities 0 to 5, float64 (n, 16), NaN for a unit without a model."""
        said = np.full((len(pictures), len(UNITS)), np.nan)
        said[:, [UNITS.index(unit) for unit in self.models.units]] = action_units.predict(self.models, self.features(pictures, boxes))[1]
        return said


def judge(wanted: TerracottaParameters) -> Judge:
    """Return the judge, fitted now if this machine has not kept it; notebook 03 uses the same models."""
    return Judge(action_units.load(action_units.trained({"count": wanted.judge_faces, "seed": 100_000})))


class Examined(NamedTuple):
    """What a generator made of unknown heads at rest, and what a perfect one would have made.

    heads: crops and boxes. before uint8 (n, S, S, 3): each answer's head. again: answers and readings. carved: the same requests carved.
    fidelity: a row a unit, `ceiling` what the judge reads off the carved ones. places: a row an answer (`animation.places_changed`).
    """

    heads: animated.Heads
    before: np.ndarray
    again: animated.Remeasured
    carved: displacements.Carved
    fidelity: pd.DataFrame
    places: pd.DataFrame


def examined(wanted: TerracottaParameters, generator, judge: Judge) -> Examined:
    """Ask a generator for Action Units on heads it never saw; read them again, and see where it changed what."""
    heads = animated.heads(wanted.heads, wanted.heads_seed, side_of(generator))
    wishes = animated.wishes(wanted.wishes, wanted.free_wishes, wanted.seed)
    again = animated.remeasured(generator, heads.crops, wishes, judge, heads.boxes)
    carved = displacements.requested(heads.pieces, heads.matrices, wishes, side_of(generator))
    ceiling = animation.fidelity(again.requested, judge(carved.pictures, heads.boxes[again.head]))["correlation"]
    before = heads.crops[again.head]
    return Examined(heads, before, again, carved, again.fidelity.assign(ceiling=ceiling),
                    animation.places_changed(before, again.made, carved.displacements))  # fmt: skip


def distances(seen: Examined, judge: Judge) -> tuple[pd.DataFrame, dict[str, float], dict[str, float]]:
    """Return Fréchet distances of the answers, of heads at rest and of other carved ones; identity; and the variety of the answers.

    Features: the first principal components of the judge's appearance (histograms of gradients) of the carved faces, as many as a few
    pictures can carry. All distances are to the carved answers to the same requests: what a perfect generator would have painted.
    """
    boxes = seen.heads.boxes[seen.again.head]
    found = [np.nan_to_num(judge.features(one, boxes)) for one in (seen.carved.pictures, seen.again.made.pictures, seen.before)]
    mean = found[0].mean(axis=0)
    axes = np.linalg.svd(found[0] - mean, full_matrices=False)[2][:max(2, min(COMPONENTS, len(found[0]) // 3))]
    carved, made, rest = ((one - mean) @ axes.T for one in found)
    rows = [("GANimation's answers", animated.frechet(made, carved)), ("heads at rest, unchanged", animated.frechet(rest, carved)),
            ("half of the carved against the other half", animated.frechet(carved[::2], carved[1::2]))]  # fmt: skip
    heads = rest[np.unique(seen.again.head, return_index=True)[1]]
    table = pd.DataFrame(rows, columns=["pictures", "Fréchet distance"])
    return table, animated.identity_kept(heads, made, seen.again.head), animated.variety(seen.heads.crops, seen.again.made.pictures,
                                                                                        seen.again.head)  # fmt: skip


# ---- classifiers


def settings(wanted: TerracottaParameters, network: str, **changes) -> networks.Wanted:
    """Return a training of a classifier as the parameters have it."""
    return networks.Wanted(**{"network": network, "side": wanted.side, "width": wanted.width, "mode": wanted.mode, "epochs": wanted.epochs,
                              "batch": wanted.batch, "rate": wanted.rate, "schedule": wanted.schedule, "seed": wanted.seed} | changes)


def on_living(wanted: TerracottaParameters, data: Data, network: str) -> networks.Trained:
    """Return a classifier that learned from the living faces whose expression is known (experiments 1 to 3 and 7).

    With `start` "living" ARM begins with the trunk of the ResNet-18 that learned from the same faces: its authors begin with ImageNet's.
    """
    known, start = named(data.living), None
    if network == "arm" and wanted.start == "living":
        start = on_living(wanted, data, "resnet18").folder
    return networks.trained(settings(wanted, network), at(known.crops, wanted.side), known.table["expression"], start,
                            compute.progress(f"epochs of {network} on living faces"))  # fmt: skip


def said_of(trained: networks.Trained, wanted: TerracottaParameters, crops: np.ndarray) -> np.ndarray:
    """Return what a classifier says of crops at its side, object (n,), shown in a random order drawn from the seed.

    ARM as coded goes by the others in a batch too: in the order of a table these would be the same person, or the same expression.
    """
    order, found = np.random.default_rng([wanted.seed, 11]).permutation(len(crops)), np.full(len(crops), "", object)
    found[order] = trained.says(crops[order], wanted.batch)
    return found


def answers(trained: networks.Trained, wanted: TerracottaParameters, some: TrainingFaces, truth=None) -> tuple:
    """Return (true expressions, predicted ones, subjects) of faces, as `terracotta.accuracies` wants them; unknown ones are left out."""
    truth = some.table["expression"].to_numpy(object) if truth is None else np.asarray(truth, object)
    known = np.isin(truth.astype(str), EXPRESSIONS)
    return truth[known], said_of(trained, wanted, at(some.crops[known], wanted.side)), some.table["subject"].to_numpy()[known]


CLASSIFIERS = {"ResNet-18": ("resnet18", "strict", terracotta.SHARES), "ARM-1": ("arm", "strict", terracotta.SHARES),
               "ARM-2": ("arm", "lenient", terracotta.LENIENT_SHARES)}  # fmt: skip


class Split(NamedTuple):
    """A classifier trained on generated faces under one split: its name in the paper, the split, the parts, and what it says of all."""

    name: str
    how: str
    parts: np.ndarray
    said: np.ndarray
    trained: networks.Trained


def experiments(wanted: TerracottaParameters, faces_made: Generated, start: Path | None) -> dict[str, Split]:
    """Train ResNet-18 and ARM on generated faces, by source (ARM-1), and ARM leniently (ARM-2): experiments 4 to 6."""
    found = {}
    for name, (network, how, shares) in CLASSIFIERS.items():
        parts = terracotta.parted(faces_made.table, how, shares, wanted.seed)
        learned = parts == "train"
        made = networks.trained(settings(wanted, network), faces_made.crops[learned], faces_made.table["expression"][learned],
                                start if wanted.start == "living" else None, compute.progress(f"epochs of {name}"))  # fmt: skip
        said = np.full(len(parts), "", object)
        for part in set(parts):  # one after the other: company in a batch is of the same part
            said[parts == part] = said_of(made, wanted, faces_made.crops[parts == part])
        found[name] = Split(name, how, parts, said, made)
    return found


def parts_table(wanted: TerracottaParameters, faces_made: Generated, found: Mapping[str, Split], part: str) -> pd.DataFrame:
    """Return the accuracies of the classifiers on a part of `terracotta.PARTS`, those without such a part left out."""
    table, said = faces_made.table, {}
    for name, one in found.items():
        mine = one.parts == part
        if mine.any():
            said[name] = table["expression"][mine].to_numpy(object), one.said[mine], table["source"][mine].to_numpy()
    return terracotta.accuracies(said, wanted.bootstrap, wanted.seed)


def networks_leak(wanted: TerracottaParameters, faces_made: Generated, found: Mapping[str, Split]) -> pd.DataFrame:
    """Return the leak between ARM-1 and ARM-2 (`terracotta.leakage`), each on the pictures its split tests."""
    said = {how: np.where(one.parts == "test", one.said, "") for how, one in (("strict", found["ARM-1"]), ("lenient", found["ARM-2"]))}
    return terracotta.leakage(faces_made.table[["picture", "source", "expression"]].assign(**said), wanted.bootstrap, wanted.seed)


QUICK = {"nearest picture": lambda: KNeighborsClassifier(1), "linear": lambda: RidgeClassifier(1.0)}


def quick_leak(wanted: TerracottaParameters, faces_made: Generated) -> pd.DataFrame:
    """Return the leak of two quick classifiers on gradients, every picture tested both ways, by how many columns a source shows.

    Columns of `terracotta.leakage`, classifier, and columns (of each source and expression). With one column the nearest picture of a
    tested one is the same warrior with another expression: the leak's mirror image.
    """
    features, rows = terracotta.vectors(faces_made.crops, "gradients"), []
    last = faces_made.table["column"].max()
    for count in sorted({1, 2, int(last) + 1} & set(range(1, int(last) + 2))):
        # The strongest columns: there the expression shows most, and adjacent ones are nearly the same picture.
        mine = (faces_made.table["column"] > last - count).to_numpy()
        for name, make in QUICK.items():
            classify = _classifier(make)
            said = terracotta.crossed(faces_made.table[mine].reset_index(drop=True), features[mine], classify, wanted.folds, wanted.seed)
            rows.append(terracotta.leakage(said, wanted.bootstrap, wanted.seed).assign(classifier=name, columns=count))
    return pd.concat(rows, ignore_index=True)


def _classifier(make: Callable) -> Callable:
    return lambda learned, names, tested: make().fit(learned, names.astype(str)).predict(tested)


def real_and_generated(wanted: TerracottaParameters, data: Data, classifier: networks.Trained, generator,
                       targets: Mapping) -> tuple[pd.DataFrame, np.ndarray]:  # fmt: skip
    """Return Table 7 (a classifier on real faces, and on what GANimation makes of the neutral ones) and some of the generated faces.

    As in section 3.3 each neutral picture becomes six others and stays itself; all the way to the reference.
    """
    truth, said, who = answers(classifier, wanted, data.tested)
    rest = data.tested.part((data.tested.table["expression"] == "neutral").to_numpy())
    small = at(rest.crops, side_of(generator))
    goals = {name: units for name, units in targets.items() if name != "neutral"}
    made = np.concatenate([animation.animate(generator, small, np.tile(units, (len(small), 1))).pictures for units in goals.values()])
    shown = np.concatenate([at(rest.crops, wanted.side), at(made, wanted.side)])
    meant = np.repeat(np.array(["neutral", *goals], object), len(small))
    people = np.tile(rest.table["subject"].to_numpy(), 1 + len(goals))
    found = {"RAFDB": (truth, said, who), "GANimation": (meant, said_of(classifier, wanted, shown), people)}
    return terracotta.accuracies(found, wanted.bootstrap, wanted.seed), made.reshape(len(goals), len(small), *small.shape[1:])


# ---- what else is asked


def posture_tables(wanted: TerracottaParameters, data: Data, classifier: networks.Trained) -> pd.DataFrame:
    """Return the distribution of expressions within each posture, as planted or labelled, and as a classifier says: column `source`."""
    some = data.warriors["postures"]
    said = some.table.assign(expression=said_of(classifier, wanted, at(some.crops, wanted.side)))
    tables = {"shown": some.table, "ARM-1": said}
    found = [terracotta.postures(one).assign(source=name) for name, one in tables.items() if one["expression"].isin(EXPRESSIONS).any()]
    return pd.concat(found, ignore_index=True)


def similarities(wanted: TerracottaParameters, data: Data, classifier: networks.Trained) -> pd.DataFrame:
    """Return how alike warriors are, and living faces, by each of `terracotta.MEASURES`: SIMILARITY_COLUMNS and `measure`."""
    drawn = np.random.default_rng([wanted.seed, 7]).permutation(len(data.tested))[:wanted.similar]
    some, rows = data.tested.part(np.sort(drawn)), []
    for measure in terracotta.MEASURES:
        model, side = (classifier.model, wanted.side) if measure == "network" else (None, CUT)
        sets = {name: terracotta.Faces(terracotta.vectors(at(one.crops, side), measure, model), one.table["subject"].to_numpy())
                for name, one in (("warriors", data.warriors["tw58"]), ("living", some))}  # fmt: skip
        rows.append(terracotta.similarity(sets, wanted.bootstrap, wanted.seed).assign(measure=measure))
    return pd.concat(rows, ignore_index=True)


CHANGES = {"none": {}, "changes": {"changes": True}, "mixup": {"mixup": 0.4}, "cutmix": {"cutmix": 1.0}, "gan": {}, "rendered": {}}


def compared(wanted: TerracottaParameters, data: Data, labels: pd.DataFrame, made: Generated, start: Path) -> pd.DataFrame:
    """Return how well ResNet-18 tells the expressions of other warriors, by how its few pictures were made more: `accuracies` and `way`.

    classes_low, classes_high: the interval of `of_classes`, by which ways are compared: as most warriors are neutral, calling all of them
    so is often right.
    All begin with the trunk trained on living faces and learn for the same number of steps from TW58 and what was made of it; tested on
    warriors of the two other sets, none of which is among them. "gan" has the last kept column of each source and expression, "rendered"
    the same expressions of the same warriors carved: as many pictures.
    """
    mine, other = data.warriors["tw58"], [data.warriors[name] for name in ("postures", "han")]
    truth = truth_of(labels, mine.table)
    told = np.isin(truth.astype(str), EXPRESSIONS)
    base = at(mine.crops, wanted.side)[told], truth[told]
    meant, who = (np.concatenate([one.table[name].to_numpy(object) for one in other]) for name in ("expression", "subject"))
    known = np.isin(meant.astype(str), EXPRESSIONS)
    if not known.any():
        return pd.DataFrame()
    crops, meant, who = np.concatenate([at(one.crops, wanted.side) for one in other])[known], meant[known], who[known]
    said = {}
    for way in wanted.ways:
        more = _more(wanted, data, made, way)
        if more is None:
            continue
        shown, names = (np.concatenate(parts) for parts in zip(base, more, strict=True))
        trained = networks.trained(settings(wanted, "resnet18", steps=wanted.steps, **CHANGES[way]), shown, names, start,
                                   compute.progress(f"epochs with {way}"))  # fmt: skip
        said[way] = meant, said_of(trained, wanted, crops), who
    table = terracotta.accuracies(said, wanted.bootstrap, wanted.seed).rename(columns={"row": "way"})
    ends = [_of_classes(*said[way], wanted.bootstrap, wanted.seed) for way in table["way"]]
    return table.assign(classes_low=[low for low, _ in ends], classes_high=[high for _, high in ends])


def _of_classes(truth: np.ndarray, said: np.ndarray, who: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """Return the bootstrap's interval, over people, of the mean of the classes' accuracies; a class that is not drawn is left out."""
    shown = (truth[:, None] == np.array(EXPRESSIONS, object)).astype(float)
    codes = pd.factorize(pd.Series(who).astype(str))[0]
    sums = agreement.summed(np.stack([shown * (truth == said)[:, None], shown], axis=1), codes)
    drawn = np.tensordot(agreement.drawn(len(sums), resamples, seed), sums, 1)
    each = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(drawn[:, 0].shape, np.nan), where=drawn[:, 1] > 0)
    return agreement.interval(np.nanmean(each, axis=1), len(sums))


def _more(wanted: TerracottaParameters, data: Data, made: Generated, way: str) -> tuple | None:
    """Return further pictures and expressions of a way, none for those that change pictures; None: it needs the atelier's warriors."""
    if way == "gan":
        last = (made.table["column"] == made.table["column"].max()).to_numpy()
        return made.crops[last], made.table["expression"][last].to_numpy(object)
    if way == "rendered":
        if "tw58" in data.real:
            return None
        carved = warriors.rendered_warriors(len(data.warriors["tw58"]), 1, CUT, wanted.warriors_seed)
        return at(carved.crops, wanted.side), carved.table["expression"].to_numpy(object)
    return np.zeros((0, wanted.side, wanted.side, 3), np.uint8), np.zeros(0, object)


# ---- beside the paper


def beside(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return accuracies of this run under those of a printed table, a row each: row, whose, the seven expressions, average."""
    theirs, rows = printed("terracotta", name).set_index("row"), []
    for row, cells in theirs.iterrows():
        rows.append({"row": row, "whose": "paper", **{each: float(cells[each]) for each in (*EXPRESSIONS, "average")}})
        mine = table[table["row"] == row]
        if len(mine):
            one = mine.iloc[0]
            rows.append({"row": row, "whose": "this run", **{each: one[each] for each in EXPRESSIONS}, "average": one["of_pictures"]})
    return pd.DataFrame(rows)


def measured_tables(tables: Mapping[str, pd.DataFrame], real: Mapping[str, bool]) -> dict:
    """Return {claim: (number or None, evidence)} of every cell of the printed tables.

    tables: {"table_one": of `terracotta.accuracies`}; rows named as in the paper. real: whether a table's pictures are photographs.
    The average is the share of all pictures, but in Table 7 the mean of the classes, as the paper's own numbers have it (notebook 10).
    """
    found = {}
    known = claims.load("terracotta")
    for name, table in tables.items():
        mine, evidence = table.set_index("row"), "real" if real[name] else "synthetic"
        average = "of_classes" if name == "table_seven" else "of_pictures"
        for row in printed("terracotta", name)["row"]:
            for cell in (*EXPRESSIONS, "average"):
                claim = f"{name}_{row.lower().replace('-', '_')}_{cell}"
                if claim in known:
                    value = mine.loc[row, average if cell == "average" else cell] if row in mine.index else np.nan
                    found[claim] = (float(value) if np.isfinite(value) else None, evidence)
    return found


def measured_findings(tables: Mapping[str, pd.DataFrame], postures: pd.DataFrame, alike: pd.DataFrame, data: Data) -> dict:
    """Return {claim: (number or None, evidence)} of what the paper says its tables show, of postures and of similarities (pixels)."""
    rows = {name: table.set_index("row") for name, table in tables.items()}
    both = {"living", "tw58"} <= data.real
    test = rows["table_six"]["of_pictures"]
    seven, pixels = rows["table_seven"]["of_classes"], alike[alike["measure"] == "pixels"].set_index("set")["similarity"]
    found = {
        "transfer_fails": (rows["table_two"].loc["ARM", "of_pictures"] - rows["table_three"].loc["ARM", "of_pictures"], both),
        "generated_as_real": (seven["RAFDB"] - seven["GANimation"], "living" in data.real),
        "arm_above_resnet": (test["ARM-1"] - test["ResNet-18"], "tw58" in data.real),
        "lenient_above_strict": (test["ARM-2"] - test["ARM-1"], "tw58" in data.real),
        "similarity_tw58": (pixels["warriors"], "tw58" in data.real), "similarity_rafdb": (pixels["living"], "living" in data.real),
        "warriors_more_alike": (pixels["warriors"] - pixels["living"], both),
    }  # fmt: skip
    said = postures[postures["source"] == "ARM-1"].set_index(["posture", "expression"])["share"]
    for claim in claims.load("terracotta"):
        for posture in warriors.POSTURES:
            start = f"posture_{posture.lower().replace(' ', '_')}_"
            if claim.startswith(start):
                found[claim] = (100 * said.get((posture, claim.removeprefix(start)), np.nan), "postures" in data.real)
    words = {True: "real", False: "synthetic"}
    return {claim: (float(value) if np.isfinite(value) else None, words[real]) for claim, (value, real) in found.items()}


def real_tables(data: Data) -> dict[str, bool]:
    """Return whether each of the paper's tables rests on photographs of the user's alone here."""
    living, stone = "living" in data.real, "tw58" in data.real
    made = dict.fromkeys(("table_four", "table_five", "table_six"), stone)
    return {"table_one": living, "table_two": living, "table_three": living and stone, **made, "table_seven": living}


def in_mode(one: Split, mode: str):
    """Return a split's ARM with another mean at test time, of `arm.MODES`."""
    return arm.in_mode(one.trained.model, mode)
