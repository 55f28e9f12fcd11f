"""Explanations: the LIME study from its parameters to heat maps on the standard face (notebook 08).

Networks are trained without a person they are tested on, pictures are drawn from those a network calls by an expression, each is explained
by LIME, and the maps are brought to the standard face and averaged: one map a network, fold and expression (Gaya-Morey et al., section 4).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.collections import fer_corpora
from lib.compendium import claims, compute
from lib.compendium.errors import CollectionError, ParameterError, PictureError
from lib.explain import cam, ekman, lime, planted, published_maps, similarity, standardise
from lib.explain.lime_parameters import LimeEkmanParameters
from lib.networks import fer_nets
from lib.training import fer_pictures, fer_study

EMOTIONS = ekman.EMOTIONS
SHUFFLED = " (shuffled)"  # ends the name of the network taught shuffled labels
TWIN = " (another seed)"  # ends the name of a network trained a second time
HEIGHTS_READ = ("disgust", "happy", "sad", "surprise")  # expressions whose dendrograms section 5.4 gives numbers of
OCCLUSIONS = {"black": 0, "mean": "mean"}  # as `lime.explain` calls them
FEWEST = 3  # folds that can be drawn again: of two there are three ways, two of which are a single fold
MAP_SIDE = 112  # pixels of a Grad-CAM map's side before it is brought to the standard face
Maps = dict[tuple[str, int, str], np.ndarray]


class Networks(NamedTuple):
    """What was trained: pictures, the fold that tests each, all predictions, a table of trainings, and {(network, fold): its folder}."""

    pictures: fer_pictures.Pictures
    tested: np.ndarray
    predictions: pd.DataFrame
    trainings: pd.DataFrame
    folders: dict[tuple[str, int], Path]


# ---- pictures and networks


def pictures_of(wanted: LimeEkmanParameters) -> fer_pictures.Pictures:
    """Return the study's pictures: of the corpora whose folders are given, else the atelier's people; made once."""
    if folders := wanted.folders():
        side = max(_side(wanted, name) for name in wanted.networks)
        places = {name: Path(folder).expanduser() for name, folder in folders.items()}
        return fer_pictures.corpus_pictures(fer_corpora.gather(places, wanted.frames), side)
    return fer_pictures.atelier_pictures(wanted.people, seed=wanted.people_seed)


def trained(wanted: LimeEkmanParameters, pictures: fer_pictures.Pictures) -> Networks:
    """Train each network on each fold, and control and twins on the first; what was trained before is read.

    Raises ParameterError where nothing could be trained, with the reason; a single failed training is a row with its error.
    """
    tested = fer_study.folds(pictures.table, wanted.folds, wanted.seed)
    asked = [_wanted(wanted, name) for name in wanted.networks]
    # A network in training uses all cores, so trainings go side by side only where somebody asks for it.
    workers = compute.alone_unless_asked()
    table = fer_study.sweep(pictures, tested, asked, workers=workers)
    table["name"] = table["network"]
    extras = {TWIN: [_wanted(wanted, name, seed=wanted.seed + 1) for name in wanted.networks[:wanted.twins]],
              SHUFFLED: [_wanted(wanted, wanted.networks[0], shuffled=True)] * wanted.controls}  # fmt: skip
    for ending, mine in extras.items():
        if mine:
            more = fer_study.sweep(pictures, tested, mine, [0], workers=workers)
            table = pd.concat([table, more.assign(name=more["network"] + ending)], ignore_index=True)
    done = table[table["error"] == ""]
    if done["shuffled"].all():
        raise ParameterError(f"None of the networks could be trained; the first reason: {table['error'].iloc[0]}")
    folders = {(row.name, row.fold): Path(row.folder) for row in done[["name", "fold", "folder"]].itertuples(index=False, name="Row")}
    said = [fer_study.read(folder).predictions.assign(network=name) for (name, _), folder in folders.items()]
    return Networks(pictures, tested, pd.concat(said, ignore_index=True), table, folders)


def _wanted(wanted: LimeEkmanParameters, name: str, **changes) -> fer_study.Wanted:
    settings = {
        "side": _side(wanted, name), "width": wanted.width, "epochs": wanted.epochs or None, "rate": wanted.rate or None,
        "batch": wanted.batch, "schedule": wanted.schedule, "input_mode": wanted.input_mode, "weights": wanted.weights,
        "momentum": wanted.momentum or None, "variations": {"copies": wanted.copies}, "seed": wanted.seed,
    }  # fmt: skip
    return fer_study.Wanted(name, **settings | changes)


def _side(wanted: LimeEkmanParameters, name: str) -> int:
    return max(wanted.side or fer_nets.REGIME[name].side, fer_nets.SMALLEST.get(name, 0))


def title(name: str) -> str:
    """Return the name of a network for readers, of the control and of twins too."""
    plain = plain_name(name)
    return fer_nets.TITLES[plain] + name[len(plain):]


def plain_name(name: str) -> str:
    """Return which of the twelve networks it is, without what sets the control or a twin apart."""
    return name.removesuffix(SHUFFLED).removesuffix(TWIN)


# ---- explanations


def explained(wanted: LimeEkmanParameters, networks: Networks, chosen: pd.DataFrame, work: Path) -> pd.DataFrame:
    """Explain the chosen pictures by LIME and return them with what became of each: path, segments, samples, agreement, error.

    chosen: network, fold, expression, face_id. Added are also `picture`, its file, and `landmarks`, whether it has any: only then it has a
    place on the standard face. A finished explanation is never made again; one that fails is a row with its reason. Raises PictureError
    where none of the networks, control and twins apart, is left with a map.
    """
    done = _explained(wanted, networks, chosen, work, wanted.seed)
    rows = networks.pictures.rows(done["face_id"])
    done["picture"] = networks.pictures.table["file"].to_numpy()[rows]
    done["landmarks"] = np.isfinite(networks.pictures.landmarks[rows]).all(axis=(1, 2))
    _check_some_left(done[done["network"] == done["network"].map(plain_name)])
    return done


def _check_some_left(done: pd.DataFrame) -> None:
    failed = done[done["error"] != ""]
    if not (done["landmarks"] & (done["error"] == "")).any():
        reason = f"; the first that failed: {failed['error'].iloc[0]}" if len(failed) else ""
        raise PictureError(f"Of {len(done)} explanations {len(failed)} failed and {int((~done['landmarks']).sum())} are of faces without "
                           f"landmarks; expected one at least to bring to the standard face{reason}. Give other pictures.")  # fmt: skip


def explained_again(wanted: LimeEkmanParameters, networks: Networks, explained: pd.DataFrame, work: Path) -> pd.DataFrame:
    """Return how alike two explanations of one picture are that differ in their samples alone: network, face_id, correlation, error.

    `correlation`: Pearson's, of the segments' coefficients for the expression. `error`: the mean standard error over the standard
    deviation of the coefficients. At most `again` pictures of each network, in the order of their ids.
    """
    usable = explained[explained["error"] == ""].sort_values("face_id", kind="stable")
    few = usable.groupby("network", sort=False).head(wanted.again)
    other = _explained(wanted, networks, few[["network", "fold", "expression", "face_id"]], work, wanted.seed + 1)
    rows = []
    for place, row in other[other["error"] == ""].iterrows():
        number = EMOTIONS.index(row["expression"])
        one, two = (lime.read(Path(path))[0] for path in (few.loc[place, "path"], row["path"]))
        ours, theirs = one.coefficients[:, number], two.coefficients[:, number]
        spread = float(ours.std())
        alike = float(np.corrcoef(ours, theirs)[0, 1]) if spread > 0 and theirs.std() > 0 else np.nan
        rows.append((row["network"], row["face_id"], alike, float(one.errors[:, number].mean()) / spread if spread else np.nan))
    return pd.DataFrame(rows, columns=["network", "face_id", "correlation", "error"])


def _explained(wanted: LimeEkmanParameters, networks: Networks, chosen: pd.DataFrame, work: Path, seed: int) -> pd.DataFrame:
    done, told = [], compute.progress("networks explained")
    groups = list(chosen.groupby(["network", "fold"], sort=False))
    for number, ((name, fold), mine) in enumerate(groups):
        told(number, len(groups))
        folder = networks.folders[name, fold]
        stack = _stack(wanted, networks.pictures, name, work)
        rows = networks.pictures.rows(mine["face_id"])
        found = lime.explain_all(
            folder / fer_study.MODEL, {f"{row}": [str(stack), int(row)] for row in rows}, work / "explanations", seed=seed,
            wanted=wanted.segments, compactness=wanted.compactness, journal=work / f"{folder.name}-{seed}.jsonl", count=wanted.samples,
            kind=wanted.stream, settled=wanted.settled or None, occlusion=OCCLUSIONS[wanted.occlusion],
        )  # fmt: skip
        found["path"] = [str(work / "explanations" / file) if file else "" for file in found["file"]]
        found.index = mine.index
        done.append(mine.join(found[["path", "segments", "samples", "agreement", "error"]]))
    return pd.concat(done) if done else chosen.assign(path="", segments=0, samples=0, agreement=np.nan, error="")


def _stack(wanted: LimeEkmanParameters, pictures: fer_pictures.Pictures, name: str, work: Path) -> Path:
    """Return a file with all pictures as a network sees them; made once for each side."""
    side = _side(wanted, plain_name(name))
    path = work / f"pictures-{pictures.about['digest']}-{side}.npy"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part.npy")
        np.save(part, pictures.at(side)[0])
        part.replace(path)
    return path


# ---- maps on the standard face


def lime_maps(wanted: LimeEkmanParameters, networks: Networks, explained: pd.DataFrame) -> tuple[Maps, pd.DataFrame]:
    """Return the mean standardised map of each (network, fold, expression), and the faces whose maps are in it, one row each.

    Faces without an explanation or without landmarks are left out.
    """
    return _mean_maps(wanted, networks, explained, lambda folder, mine: np.stack([_lime_heat(row) for _, row in mine.iterrows()]))


def _lime_heat(row: pd.Series) -> np.ndarray:
    found, parts = lime.read(Path(row["path"]))
    return lime.heat(found.coefficients, parts, row["expression"])


def gradcam_maps(wanted: LimeEkmanParameters, networks: Networks, explained: pd.DataFrame) -> tuple[Maps, pd.DataFrame]:
    """Return the same for Grad-CAM on the same pictures, as far as a network has feature maps to show."""

    def heats(folder: Path, mine: pd.DataFrame) -> np.ndarray | None:
        model = fer_study.read(folder).model()
        crops = networks.pictures.at(model.input.shape[1], networks.pictures.rows(mine["face_id"]))[0]
        numbers = np.array([EMOTIONS.index(expression) for expression in mine["expression"]])
        try:
            return cam.gradcam(model, crops, numbers, side=MAP_SIDE)
        except ParameterError:  # maps of a single place, in a small network on small pictures
            return None

    return _mean_maps(wanted, networks, explained, heats)


def _mean_maps(wanted: LimeEkmanParameters, networks: Networks, explained: pd.DataFrame, heats) -> tuple[Maps, pd.DataFrame]:
    """Return the mean maps of what heats(folder, rows of one network and fold) gives, one group in memory at a time."""
    usable = explained[explained["error"] == ""]
    maps, inside = {}, [usable.iloc[:0]]
    for (name, fold), mine in usable.groupby(["network", "fold"], sort=False):
        heat = heats(networks.folders[name, fold], mine)
        if heat is not None:
            moved, known = _to_standard(wanted, networks.pictures, mine["face_id"], heat)
            inside.append(mine.iloc[known])
            maps |= standardise.heat_maps(moved, [(name, int(fold), expression) for expression in inside[-1]["expression"]])
    return maps, pd.concat(inside)


def _to_standard(wanted: LimeEkmanParameters, pictures: fer_pictures.Pictures, face_ids, heats) -> tuple[np.ndarray, np.ndarray]:
    return standardise.standardised(np.asarray(heats), pictures.landmarks[pictures.rows(face_ids)], pictures.side, wanted.triangulation)


def over_folds(maps: Maps, used: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Return one map a network and expression: the mean over the pictures of all folds (Eq. 2), {(network, expression): (275, 224)}.

    used: the faces whose maps are in `maps` (`lime_maps`), so that a fold counts by its pictures.
    """
    counts, folds = used.groupby(["network", "fold", "expression"]).size(), {}
    for key in maps:
        folds.setdefault((key[0], key[2]), []).append(key)
    return {whole: np.average([maps[key] for key in keys], axis=0, weights=[counts[key] for key in keys]).astype(np.float32)
            for whole, keys in folds.items()}  # fmt: skip


def stacks(maps: Mapping[tuple[str, str], np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return {expression: maps (networks, 275, 224)} of the networks that have a map of every expression, and these networks.

    Control and twins are left out. Expressions come in the study's order.
    """
    names = [name for name in dict.fromkeys(key[0] for key in maps) if name == plain_name(name)]
    names = [name for name in names if all((name, expression) in maps and maps[name, expression].any() for expression in EMOTIONS)]
    return {expression: np.stack([maps[name, expression] for name in names]) for expression in EMOTIONS} if names else {}, names


def fold_stacks(maps: Maps, used: pd.DataFrame, names: list[str]) -> dict[str, np.ndarray]:
    """Return {expression: maps (networks, folds, 275, 224)} of these networks for `similarity.stability`, {} with fewer than FEWEST folds.

    maps, used: of `lime_maps`. Each is scaled by the pictures in it, so that means over folds are the maps of `over_folds`. {} as well
    where a network lacks a fold's map.
    """
    folds = sorted({fold for _, fold, _ in maps})
    if len(folds) < FEWEST or any((name, fold, expression) not in maps for name in names for fold in folds for expression in EMOTIONS):
        return {}
    counts = used.groupby(["network", "fold", "expression"]).size()
    found = {}
    for expression in EMOTIONS:
        shares = np.array([[counts[name, fold, expression] for fold in folds] for name in names], np.float32)
        shares /= shares.mean(axis=1, keepdims=True)
        stack = np.stack([[maps[name, fold, expression] for fold in folds] for name in names])
        found[expression] = stack * shares[:, :, None, None]
    return found


def likeness(maps: Maps, kind: str) -> pd.DataFrame:
    """Return how alike the maps of two trainings are, by what differs between them: differs, first, second, correlation.

    differs: "seed" alone, "fold" (and the pictures explained), "network", or "labels" (shuffled or not); but for "fold", of the first
    fold. correlation: mean over the expressions both have (`similarity.correlations` of that kind).
    """
    places = list(dict.fromkeys((network, fold) for network, fold, _ in maps))
    rows = []
    for number, (one, fold) in enumerate(places):
        for other, second in places[number + 1:]:
            differs = _what_differs(one, fold, other, second)
            shared = [name for name in EMOTIONS if all((*place, name) in maps and maps[(*place, name)].any()
                                                       for place in ((one, fold), (other, second)))]  # fmt: skip
            if differs and shared:
                pairs = [np.stack([maps[one, fold, name], maps[other, second, name]]) for name in shared]
                rows.append((differs, one, other, float(np.mean([similarity.correlations(pair, kind)[0, 1] for pair in pairs]))))
    return pd.DataFrame(rows, columns=["differs", "first", "second", "correlation"])


def _what_differs(one: str, fold: int, other: str, second: int) -> str:
    """Return the one thing in which two trainings differ, "" where they differ in more."""
    if fold != second:
        return "fold" if one == other else ""
    endings = {name.removeprefix(plain_name(name)) for name in (one, other)}
    if plain_name(one) != plain_name(other):
        return "network" if fold == 0 and endings == {""} else ""
    return {frozenset({"", TWIN}): "seed", frozenset({"", SHUFFLED}): "labels"}.get(frozenset(endings), "")


# ---- what moved


def planted_maps(wanted: LimeEkmanParameters, pictures: fer_pictures.Pictures, journal: Path | None = None) -> dict[str, np.ndarray]:
    """Return where the atelier planted each expression, on the standard face: mean ranks, {expression: float32 (275, 224)}.

    {} for pictures of real people, in whom nobody knows what moved. Drawn from `heads` people each. journal: keeps
    finished heads.
    """
    if not pictures.about["synthetic"]:
        return {}
    table = pictures.table.groupby("expression", sort=False).head(wanted.heads)
    items = {row.face_id: {"face_id": row.face_id, "expression": row.expression} for row in table.itertuples()}
    settings = {"pictures": str(pictures.folder.resolve())}
    done = compute.run_all(planted_job, items, settings=settings, journal=journal, what="planted maps")
    found = {name: [] for name in EMOTIONS}
    for face_id, outcome in done.items():
        if outcome.error is None:
            moved, _ = _to_standard(wanted, pictures, [face_id], [np.asarray(outcome.value, np.float32) / planted.STEPS])
            found[items[face_id]["expression"]] += list(moved)
    return {name: np.mean(maps, axis=0) for name, maps in found.items() if maps}


def evidence(methods: Mapping[str, Maps], planted: Mapping[str, np.ndarray], wanted: LimeEkmanParameters) -> pd.DataFrame:
    """Return how far maps agree with what moved, one row a method, network and fold: means over expressions.

    methods: {"LIME": maps of single folds, …}; planted: of `planted_maps`. Columns: method, then those of `ekman.specific`, and chance (of
    random segments), corrected (`ekman.corrected`). A control and a twin have the first fold alone, and a mean over folds is sharper than
    one of them: networks are to be compared on that fold.
    """
    moved = {name: ekman.threshold(heat) for name, heat in planted.items()}
    tables = []
    for method, maps in methods.items():
        maps = {key: heat for key, heat in maps.items() if key[2] in moved}
        if maps:
            plain = ekman.alignment(maps, moved, draws=wanted.draws, seed=wanted.seed).dropna(subset="corrected")
            plain = plain.groupby(["network", "fold"])[["chance_segments", "corrected"]].mean().reset_index()
            plain = plain.rename(columns={"chance_segments": "chance"})
            tables.append(ekman.specific(maps, moved).merge(plain, on=["network", "fold"], how="left").assign(method=method))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["network", "fold", "method"])


def planted_job(item: dict, settings: dict) -> list[list[int]]:
    """Return where one head's expression was planted in its crop: ranks in steps of 1 / planted.STEPS, in a worker process."""
    pictures = fer_pictures.opened(Path(settings["pictures"]))
    piece, transform = fer_pictures.atelier_piece(pictures, item["face_id"])
    ranks = planted.of_piece(piece, item["expression"], transform, pictures.side)
    return np.round(ranks * planted.STEPS).astype(int).tolist()


# ---- the authors' maps


def published(wanted: LimeEkmanParameters) -> tuple[published_maps.Published | None, str]:
    """Return the authors' maps and "", or None and why they are not at hand. A folder that was given must hold them (CollectionError)."""
    if wanted.maps == "none":
        return None, "they were not asked for (maps=none)"
    if wanted.maps != "fetch":
        return published_maps.load(Path(wanted.maps).expanduser()), ""
    try:
        return published_maps.load(), ""
    except CollectionError as error:
        return None, str(error)


def published_split(authors: published_maps.Published, kind: str = "as_coded", seed: int = 0) -> pd.DataFrame:
    """Return `similarity.split_table` of the authors' maps of all folds: networks trained on ImageNet before, and the others."""
    before = [name in published_maps.PRETRAINED for name in published_maps.NETWORKS]
    return similarity.split_table({name: authors.stack(name) for name in EMOTIONS}, before, kind, seed)


def verdict_values(authors: published_maps.Published | None) -> dict[str, tuple[float | None, str]]:
    """Return what the authors' maps say, by claim, None for each where they are not at hand: Table 3, section 5.4, their README's table."""
    if authors is None:
        return dict.fromkeys((name for name in claims.load("lime_ekman") if name.startswith(("table_three_", "dendrogram_", "fold_mean_"))
                              and not name.endswith("_averages")), (None, "published"))  # fmt: skip
    split = published_split(authors).set_index("expression")
    found = published_maps.claims_measured(published_maps.table_three(authors.maps, authors.masks))
    for name in HEIGHTS_READ:
        for group, column in (("pretrained", "height_first"), ("not_pretrained", "height_second")):
            found[f"dendrogram_{name}_{group}"] = round(float(split.at[name, column]), 3)
    found["dendrogram_two_clusters"] = float(split["cut_agrees"].mean() - 0.5)
    found |= published_maps.claims_measured(published_maps.fold_means(authors.maps, authors.masks), "fold_mean")
    return {name: (value, "published") for name, value in found.items()}
