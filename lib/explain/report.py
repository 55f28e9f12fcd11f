"""Explanations: what notebook 06 shows: where a network looks, beside where evidence was planted, and whether its maps can be believed.

Tables are made from maps, figures and sentences from tables. `heat` is float32 (n, side, side): of each question (a face and an expression
it shows) the Grad-CAM map of that expression. Intervals are 95 % bootstrap percentiles over objects.
"""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import f1_score

from lib.compendium.errors import CompendiumError, ParameterError, did_you_mean
from lib.compendium.figures import INK, LINES, plain, sentence
from lib.explain import cam
from lib.explain.planted import SIDE
from lib.expressions import EXPRESSIONS
from lib.labellers.agreement import drawn, interval, object_of, summed
from lib.training import study
from lib.training.metrics import decided
from lib.training.report import QUIET, colours
from lib.training.study import Trained

ALL = "all"
FEATURES = "eyes, nose and mouth"  # where the study sees its networks look (section IX)
ELSEWHERE = "elsewhere"
PLACES = (*cam.REGIONS, FEATURES, ELSEWHERE)
THRESHOLD = 0.5  # score from which an expression is told
CONTOUR = "#35e0ff"  # where evidence was planted, on top of everything else
FEW = 5  # faces of an expression below which nothing is said about it
ORDERS = {"map": "#b5482a", "planted": "#2b6f8f", "random": QUIET}
CHANCE_COLUMNS = ["faces", "energy", "area", "ratio", "low", "high", "hits"]
PLANTED_COLUMNS = ["network", "expression", *CHANCE_COLUMNS, "others", "over_others", "over_others_low", "over_others_high"]
REGION_COLUMNS = ["network", "expression", "region", *CHANCE_COLUMNS]
AREA_COLUMNS = ["network", "kind", "order", "faces", "area", "low", "high", "below_random", "below_low", "below_high", "below_map",
                "below_map_low", "below_map_high"]  # fmt: skip


# ---- what is asked, and the maps


def questions(faces: pd.DataFrame, images: pd.DataFrame, truth: pd.DataFrame, target: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what to explain, one row a question: row (place in `faces`), face_id, crop_index, object, expression, known.

    faces: face_id, image_id, crop_index, those to explain (faces without a crop are left out). truth: `lib.labellers.truth.planted`; a
    face in it is asked for its planted expression (known: True). Where there is no truth at all, each expression that the target (face_id
    and the seven, zeros and ones) gives a face is a question, as the study asks for "any ground truth" (section IX).
    """
    faces = faces.reset_index(drop=True)
    objects = object_of(images.drop_duplicates("image_id")).set_axis(images.drop_duplicates("image_id")["image_id"])
    table = faces[["face_id", "crop_index"]].assign(row=np.arange(len(faces)), object=faces["image_id"].map(objects))
    table = table[table["crop_index"] >= 0]
    if len(truth):
        asked = truth[["face_id", "expression"]].assign(known=True)
    elif target is not None:
        given = target.melt("face_id", list(EXPRESSIONS), "expression", "given").query("given > 0")
        asked = given.drop(columns="given").assign(known=False)
    else:
        raise ParameterError("Received neither truth nor a target; expected one of them: Grad-CAM explains an expression a face shows.")
    merged = table.merge(asked, on="face_id").sort_values(["row", "expression"], kind="stable")  # EXPRESSIONS are in alphabetical order
    return merged[["row", "face_id", "crop_index", "object", "expression", "known"]].reset_index(drop=True)


def drawn_by_lot(faces: pd.DataFrame, most: int, seed: int = 0) -> pd.DataFrame:
    """Return at most `most` faces, drawn by lot, in their old order."""
    if len(faces) <= most:
        return faces.reset_index(drop=True)
    chosen = np.random.default_rng(seed).choice(len(faces), most, replace=False)
    return faces.iloc[np.sort(chosen)].reset_index(drop=True)


def fitted(crops: np.ndarray, model) -> np.ndarray:
    """Return crops uint8 (n, side, side, 3) at the side the network takes, averaged where it is smaller."""
    side = model.inputs[0].shape[1] or crops.shape[1]
    if side == crops.shape[1]:
        return np.asarray(crops)
    how = cv2.INTER_AREA if side < crops.shape[1] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(np.asarray(crop), (side, side), interpolation=how) for crop in crops])


def explained(model, crops: np.ndarray, asked: pd.DataFrame, side: int = SIDE) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the maps of the questions, float32 (n, side, side), and the questions with the network's answer.

    crops: (faces, …), as `asked` counts them in `row`. New columns: score (of the expression asked for), said (the likeliest), right:
    the expression is told, by a score of at least THRESHOLD or because it is the likeliest; empty: the map is all zero, as Grad-CAM's is
    where nothing speaks for the expression. Empty maps lie nowhere and are left out of all that follows.
    """
    maps, answers = cam.gradcam_all(model, fitted(crops, model))
    rows, classes = asked["row"].to_numpy(), numbers(asked)
    best = answers[rows].argmax(axis=1)
    score = answers[rows, classes]
    told = asked.assign(score=score.astype(float), said=np.array(EXPRESSIONS)[best], right=(score >= THRESHOLD) | (best == classes),
                        empty=maps[rows, classes].max(axis=(1, 2)) <= 0)  # fmt: skip
    return cam.resized(maps[rows, classes], side), told


def numbers(asked: pd.DataFrame) -> np.ndarray:
    """Return the number of each question's expression in EXPRESSIONS, int (n,)."""
    return asked["expression"].map({name: place for place, name in enumerate(EXPRESSIONS)}).to_numpy(int)


def networks(folders: dict[str, Path], names: dict[str, str]) -> dict[str, Trained]:
    """Return the trained networks by what people call them; raises CompendiumError for an unfinished training.

    folders, names: by variant, of `lib.training.results.folders` and `names`, so that all notebooks call a network alike.
    """
    found = {variant: study.read(folder) for variant, folder in folders.items()}
    if missing := [variant for variant, one in found.items() if one is None]:
        raise CompendiumError(f"The training {missing[0]!r} is not finished; expected a network, its record and its predictions. Run "
                              f"`make 04 SET=\"backbone={missing[0]}\"`.")  # fmt: skip
    return {names[variant]: one for variant, one in found.items()}


def tested(trained: dict[str, Trained], faces: pd.DataFrame) -> pd.DataFrame:
    """Return the faces that every network was tested on and none has learned from, in the order of the table of faces."""
    for one in trained.values():
        of_test = one.predictions.loc[one.predictions["part"] == "test", "face_id"]
        faces = faces[faces["face_id"].isin(of_test)]
    if faces.empty:
        raise ParameterError(f"The networks {', '.join(trained)} share no test face; expected some: train them on the same split.")
    return faces.reset_index(drop=True)


def validated(trained: dict[str, Trained], target: pd.DataFrame) -> pd.DataFrame:
    """Return how good each network is on the faces that ended its training: network, variant, validation_f1.

    target: face_id and the seven, zeros and ones. validation_f1: macro F1 at THRESHOLD. No test face is looked at.
    """
    rows = []
    for name, one in trained.items():
        both = one.predictions.query("part == 'validation'").merge(target, on="face_id", suffixes=("", " given"))
        told = decided(both[list(EXPRESSIONS)].to_numpy(float), THRESHOLD)
        given = both[[f"{expression} given" for expression in EXPRESSIONS]].to_numpy() > 0
        rows.append((name, one.folder.name, f1_score(given, told, average="macro", zero_division=0) if len(both) else np.nan))
    return pd.DataFrame(rows, columns=["network", "variant", "validation_f1"])


def chosen_network(records: pd.DataFrame, wanted: str = "") -> str:
    """Return the network to look at closely: the one wanted (its variant or its name), or the best on validation.

    records: of `validated`. Raises ParameterError, with the nearest name, for one that is not there.
    """
    if not wanted:
        return str(records.loc[records["validation_f1"].fillna(-1).idxmax(), "network"])
    named = records[(records["variant"] == wanted) | (records["network"] == wanted)]
    if named.empty:
        names = list(records["variant"])
        raise ParameterError(f"There is no trained network {wanted!r}; expected one of {', '.join(names)}.{did_you_mean(wanted, names)}")
    return str(named["network"].iloc[0])


def checked(told: pd.DataFrame, most: int, evident: np.ndarray | None = None, seed: int = 0) -> pd.DataFrame:
    """Return at most `most` questions for the checks, by lot and as many of each expression as there are: told rightly, with a map.

    evident: bool (n,), faces with planted evidence; only these are taken, if there are any. The index is that of `told`.
    """
    good = (told["right"] & ~told["empty"]).to_numpy()
    good &= evident if evident is not None and (good & evident).any() else True
    lots = told[good].assign(lot=np.random.default_rng(seed).permutation(int(good.sum())))
    turn = lots.groupby("expression")["lot"].rank()
    return told.loc[lots.assign(turn=turn).sort_values(["turn", "expression"]).index[:most].sort_values()]


# ---- tables


def _groups(table: pd.DataFrame):
    """Yield (expression, rows) for each expression asked for, in order, then for all."""
    for name in EXPRESSIONS:
        if (inside := (table["expression"] == name).to_numpy()).any():
            yield name, inside
    yield ALL, np.ones(len(table), bool)


def _chance(heat, masks, objects, seed: int, draws: int) -> dict:
    found = cam.against_chance(heat, masks, objects, seed=seed, draws=draws)
    return {"faces": found.pop("pictures"), **found}


def in_planted(network: str, heat: np.ndarray, masks: np.ndarray, asked: pd.DataFrame, *, draws: int = 1000,
               seed: int = 0) -> pd.DataFrame:  # fmt: skip
    """Return how much of the maps lies where evidence was planted, by expression and for all (PLANTED_COLUMNS).

    masks: bool (n, side, side), from `planted.places`; faces with an empty mask, such as neutral ones, are left out. energy: share of a
    map's sum inside its mask; area: the mask's share of the crop, what chance would reach; ratio: of the two; hits: how often the
    map's highest point lies inside. others: share of the maps of *other* expressions' faces inside the same mask: a network that
    always looks at the middle of a face has a high energy, but the same for them. over_others: energy over others, with its interval.
    """
    others, energy, rows = _others(heat, masks, asked["expression"].to_numpy()), cam.energy_inside(heat, masks), []
    usable = np.isfinite(energy) & masks.any(axis=(1, 2))
    for name, inside in _groups(asked):
        if not (inside & usable).any():
            continue
        objects = asked.loc[inside, "object"]
        both = inside & usable & np.isfinite(others)
        over, low, high = _ratio(energy[both], others[both], asked.loc[both, "object"], draws, seed)
        rows.append({"network": network, "expression": name, **_chance(heat[inside], masks[inside], objects, seed, draws),
                     "others": others[both].mean() if both.any() else np.nan, "over_others": over, "over_others_low": low,
                     "over_others_high": high})  # fmt: skip
    return pd.DataFrame(rows, columns=PLANTED_COLUMNS)


def _others(heat: np.ndarray, masks: np.ndarray, expressions: np.ndarray) -> np.ndarray:
    """Return the mean share of other expressions' maps inside each mask (n,); NaN where there are none."""
    flat = np.clip(heat, 0, None).reshape(len(heat), -1).astype(np.float32)
    total = flat.sum(axis=1, keepdims=True)
    shares = np.divide(flat, total, out=np.zeros_like(flat), where=total > 0)
    inside = masks.reshape(len(masks), -1).astype(np.float32) @ shares.T
    differ = (expressions[:, None] != expressions[None]) & (total[:, 0] > 0)
    count = differ.sum(axis=1)
    return np.divide((inside * differ).sum(axis=1), count, out=np.full(len(heat), np.nan), where=count > 0)


def _ratio(top: np.ndarray, bottom: np.ndarray, objects, draws: int, seed: int) -> tuple[float, float, float]:
    """Return the ratio of two means with its interval over objects."""
    if not len(top):
        return (np.nan,) * 3
    groups = pd.factorize(np.asarray(objects))[0]
    sums = summed(np.column_stack([top, bottom]), groups)
    spread = drawn(len(sums), draws, seed) @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(top.sum() / bottom.sum()), *interval(spread[:, 0] / spread[:, 1], len(sums))


def by_right(network: str, heat: np.ndarray, masks: np.ndarray, told: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return `against_chance` of the planted places for the faces told rightly and for those missed: network, told, CHANCE_COLUMNS."""
    rows = []
    for name, inside in (("rightly", told["right"].to_numpy()), ("missed", ~told["right"].to_numpy())):
        if inside.any():
            rows.append({"network": network, "told": name, **_chance(heat[inside], masks[inside], told.loc[inside, "object"], seed, draws)})
    return pd.DataFrame(rows, columns=["network", "told", *CHANCE_COLUMNS])


def in_regions(network: str, heat: np.ndarray, landmarks: np.ndarray, crop_side: int, asked: pd.DataFrame, *, draws: int = 1000,
               seed: int = 0) -> pd.DataFrame:  # fmt: skip
    """Return how much of the maps lies in each region of the face (PLACES), by expression and for all (REGION_COLUMNS).

    landmarks: (n, 68, 2) of the questions' faces in pixels of crops of `crop_side`; faces without landmarks are left out.
    """
    side = heat.shape[-1]
    masks = cam.regions(np.asarray(landmarks, float) * (side / crop_side), side)
    known = np.isfinite(landmarks).all(axis=(1, 2))
    face = np.logical_or.reduce(list(masks.values()))
    masks |= {FEATURES: masks["eyes"] | masks["nose"] | masks["mouth"], ELSEWHERE: ~face & known[:, None, None]}
    rows = [{"network": network, "expression": name, "region": region,
             **_chance(heat[inside], masks[region][inside], asked.loc[inside, "object"], seed, draws)}
            for name, inside in _groups(asked) for region in PLACES]  # fmt: skip
    return pd.DataFrame(rows, columns=REGION_COLUMNS)


def randomised(network: str, model, crops: np.ndarray, asked: pd.DataFrame, steps: int, seed: int = 0) -> pd.DataFrame:
    """Return `cam.randomisation` of the questions, with columns network and destroyed (share of the layers, 0 to 1)."""
    table = cam.randomisation(model, fitted(crops, model)[asked["row"].to_numpy()], numbers(asked), steps=steps, seed=seed)
    return table.assign(network=network, destroyed=table["layers"] / max(int(table["layers"].max()), 1))


def taken_away(network: str, model, crops: np.ndarray, asked: pd.DataFrame, ranks: np.ndarray | None = None, *, steps: int = 16,
               fill: str = "blur", draws: int = 1000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return deletion and insertion curves (network, kind, order, share, score) and the areas under them (AREA_COLUMNS).

    order: pixels taken as the map says, where evidence was planted (ranks: (n, side, side), from `planted.planted`, or None) or at
    random. below_random, below_map: by how much the area lies below that of the random order and that of the map, with intervals: for
    deletion above 0 is good, for insertion below 0.
    """
    pictures, classes = fitted(crops, model)[asked["row"].to_numpy()], numbers(asked)
    maps = cam.gradcam_all(model, pictures)[0][np.arange(len(pictures)), classes]
    curves, areas = cam.deletion_insertion(model, pictures, maps, classes, steps=steps, fill=fill, seed=seed)
    if ranks is not None:  # as coarse as the map, or it would win by detail alone
        coarse = np.stack([cv2.resize(one, maps.shape[:0:-1], interpolation=cv2.INTER_AREA) for one in ranks])
        more, planted = cam.deletion_insertion(model, pictures, coarse, classes, steps=steps, fill=fill, seed=seed)
        curves = pd.concat([curves, more[more["order"] == "map"].assign(order="planted")], ignore_index=True)
        areas = areas.assign(deletion_planted=planted["deletion"], insertion_planted=planted["insertion"])
    return curves.assign(network=network), _areas(network, areas, asked["object"], draws, seed)


def _areas(network: str, areas: pd.DataFrame, objects, draws: int, seed: int) -> pd.DataFrame:
    groups = pd.factorize(np.asarray(objects))[0]
    weights, rows = drawn(int(groups.max()) + 1, draws, seed), []
    for kind in ("deletion", "insertion"):
        for order in ORDERS:
            name = kind if order == "map" else f"{kind}_{order}"
            if name in areas:
                mine = areas[name]
                values = np.column_stack([mine, areas[f"{kind}_random"] - mine, areas[kind] - mine, np.ones(len(mine))])
                sums = weights @ summed(values, groups)
                row = [network, kind, order, len(mine)]
                for place in range(3):
                    row += [values[:, place].mean(), *interval(sums[:, place] / sums[:, 3], weights.shape[1])]
                rows.append(row)
    return pd.DataFrame(rows, columns=AREA_COLUMNS)


def verdict_values(regions: pd.DataFrame, network: str, synthetic: bool) -> dict[str, tuple[float | None, str]]:
    """Return what this run measured of the study's claim about Grad-CAM: how far energy in eyes, nose and mouth exceeds their area."""
    row = regions.query("network == @network and expression == @ALL and region == @FEATURES") if len(regions) else regions
    value = float((row["energy"] - row["area"]).iloc[0]) if len(row) and row["faces"].iloc[0] else None
    return {"gradcam_features": (value, "synthetic" if synthetic else "real")}


# ---- sentences


def told_sentence(told: dict[str, pd.DataFrame]) -> str:
    """Return how many of the expressions asked for each network tells, and how often nothing speaks for one, in words."""
    parts = [f"{name} {table['right'].sum():,} of {len(table):,} ({table['right'].mean():.0%}; {table['empty'].mean():.0%} of maps empty)"
             for name, table in told.items()]  # fmt: skip
    return "Expressions told rightly: " + "; ".join(parts) + ". A map is empty where nothing in the picture speaks for the expression."


def evidence_sentence(places: np.ndarray, asked: pd.DataFrame) -> str:
    """Return how much of the picture was planted with evidence, by expression, in words. places: bool (n, side, side)."""
    area, evident = places.mean(axis=(1, 2)), places.any(axis=(1, 2))
    if not evident.any():
        return "No face asked about has planted evidence: all of them are neutral."
    by = pd.Series(area[evident]).groupby(asked["expression"].to_numpy()[evident]).mean().sort_values()
    ends = f", from {by.iloc[0]:.0%} ({by.index[0]}) to {by.iloc[-1]:.0%} ({by.index[-1]})" if len(by) > 1 else ""
    return f"**{evident.sum():,} of {len(asked):,} questions** have planted evidence, on {area[evident].mean():.0%} of the picture{ends}."


def planted_sentence(table: pd.DataFrame) -> str:
    """Return how much of the maps lies where evidence was planted, in words, a line a network."""
    lines = []
    for row in table[table["expression"] == ALL].itertuples():
        text = (f"**{row.network}**: {row.energy:.0%} of its maps lies where the expression was planted, on {row.area:.0%} of the picture, "
                f"**{row.ratio:.2f} times chance** ({row.low:.2f} to {row.high:.2f}). ")  # fmt: skip
        if np.isfinite(row.over_others):
            own = "its own hold more" if row.over_others_low > 1 else "its own hold less" if row.over_others_high < 1 else (
                "its own hold neither clearly more nor less")  # fmt: skip
            text += (f"Maps of other expressions hold {row.others:.0%} in the same places; {own} ({row.over_others:.2f} times, "
                     f"{row.over_others_low:.2f} to {row.over_others_high:.2f}). ")  # fmt: skip
        of_network = table[(table["network"] == row.network) & (table["expression"] != ALL) & (table["faces"] >= FEW)]
        if len(of_network) > 1:
            best, worst = (of_network.loc[of_network["ratio"].agg(end)] for end in ("idxmax", "idxmin"))
            text += f"Closest for {best['expression']} ({best['ratio']:.2f}), least for {worst['expression']} ({worst['ratio']:.2f})."
        lines.append(f"* {text.strip()}")
    return "\n".join(lines) or "No face has planted evidence to compare with."


def right_sentence(table: pd.DataFrame) -> str:
    """Return whether looking in the right place goes with the right answer, in words."""
    lines = []
    for name, rows in table.groupby("network", sort=False):
        rows = rows[rows["faces"] >= FEW].set_index("told")
        if {"rightly", "missed"} <= set(rows.index):
            good, bad = rows.loc["rightly"], rows.loc["missed"]
            word = "closer to" if good["low"] > bad["high"] else "further from" if good["high"] < bad["low"] else "no closer to"
            lines.append(f"{name}, where it is right, looks {word} the planted places than where it is wrong ({good['ratio']:.2f} against "
                         f"{bad['ratio']:.2f} times chance)")  # fmt: skip
    return "; ".join(lines) + "." if lines else "Too few faces were told rightly or missed to compare the two."


def regions_sentence(table: pd.DataFrame) -> str:
    """Return which regions of the face the networks look at, in words."""
    lines = []
    for name, rows in table[table["expression"] == ALL].groupby("network", sort=False):
        rows = rows[rows["faces"] > 0].set_index("region")
        if not len(rows):
            continue
        single = rows.loc[[region for region in cam.REGIONS if region in rows.index]]
        above = single[single["low"] > 1].sort_values("ratio", ascending=False)
        features = rows.loc[FEATURES]
        told = ", ".join(f"{region} ({row['ratio']:.2f})" for region, row in above.iterrows()) or "no region"
        lines.append(f"* **{name}**: above chance on {told}. Eyes, nose and mouth together have {features['energy']:.0%} of the maps on "
                     f"{features['area']:.0%} of the picture, {features['ratio']:.2f} times chance ({features['low']:.2f} to "
                     f"{features['high']:.2f}).")  # fmt: skip
    return "\n".join(lines) or "No face has landmarks, so its regions are unknown."


def randomised_sentence(table: pd.DataFrame) -> str:
    """Return what destroying the network does to its maps, in words."""
    first, last = table[table["layers"] > 0].iloc[0], table.iloc[-1]
    if not np.isfinite(last["spearman"]):
        return "No map could be compared: all of them are empty."
    kept = "**the maps hardly change**: they show the picture, not what was learned" if last["spearman"] > 0.7 else (
        "part of the map stays: it comes from the picture, not from what was learned" if last["spearman"] > 0.3 else
        "little of them is left: they do show what was learned")  # fmt: skip
    return (f"With its last layer destroyed, the maps of {last['network']} keep a rank correlation of {first['spearman']:.2f} with what "
            f"they were; with all {last['layers']} layers, {last['spearman']:.2f} (structural similarity {last['ssim']:.2f}): "
            f"{kept}.")  # fmt: skip


def _spread(row) -> str:
    """Return the interval of a difference in words, nothing where there are too few faces for one."""
    return f", {row['below_low']:+.3f} to {row['below_high']:+.3f}" if np.isfinite(row["below_low"]) else ""


def taken_sentence(areas: pd.DataFrame) -> str:
    """Return what taking pixels away does to the answer, in words."""
    rows = areas[areas["kind"] == "deletion"].set_index("order")
    lines = []
    for order, words in (("map", "where the map is high"), ("planted", "where evidence was planted")):
        if order in rows.index:
            row = rows.loc[order]
            how = "faster than" if row["below_low"] > 0 else "more slowly than" if row["below_high"] < 0 else "no faster than"
            lines.append(f"{words} first, the answer falls {how} in random order (area {row['area']:.2f} against "
                         f"{rows.loc['random', 'area']:.2f}; difference {row['below_random']:+.3f}{_spread(row)})")  # fmt: skip
    text = "When pixels are taken away " + "; ".join(lines) + "."
    if "planted" in rows.index and rows.loc["planted", "below_map_low"] > 0:
        text += (" **The answer hangs on the planted places more than on those the map shows**: the network uses what was planted, and the "
                 "map does not say so.")  # fmt: skip
    elif "planted" in rows.index and rows.loc["planted", "below_map_high"] < 0:
        text += (" The answer hangs on the places the map shows more than on those planted: the network has found something else to go by, "
                 "and the map tells.")  # fmt: skip
    return text


def missing_sentence(title: str) -> str:
    """Return what cannot be shown for pictures nobody planted anything in, in words."""
    return (f"What moved in the faces of “{title}”, and where, nobody knows, so the maps cannot be compared with the truth here. Maps by "
            "expression, regions of the face and both checks are below; `make 06 COLLECTION=atelier` shows the comparison.")  # fmt: skip


# ---- figures


def examples(told: pd.DataFrame, shown: int) -> pd.DataFrame:
    """Return questions told rightly, at most `shown` an expression and one an object, by face id, a hash: nobody chose them.

    New columns: column (place of the expression) and block (first, second, … of its expression).
    """
    right = told[told["right"]].sort_values("face_id", kind="stable").drop_duplicates(["expression", "object"])
    right = right.assign(block=right.groupby("expression").cumcount(), column=numbers(right))
    return right[right["block"] < shown].sort_values(["block", "column"])


def grid_figure(crops: np.ndarray, heat: np.ndarray, chosen: pd.DataFrame, masks: np.ndarray | None = None) -> Figure:
    """Return original, map and map laid over, a column an expression; lines surround where evidence was planted.

    crops (faces, side, side, 3) and heat (questions, h, w) and masks (questions, h, w) or None, as `chosen` (from `examples`) counts them
    in `row` and in its index. An expression without a face told rightly has an empty column.
    """
    if not len(chosen):
        return sentence("no face was told rightly")
    chosen = chosen[chosen["column"].isin(present := sorted(chosen["column"].unique()))]
    blocks, columns, side = int(chosen["block"].max()) + 1, len(present), crops.shape[1]
    cells = {(row.block, present.index(row.column)): (number, row) for number, row in zip(chosen.index, chosen.itertuples(), strict=True)}
    order = [cells.get((block, column)) for block in range(blocks) for column in range(columns)]
    pictures = np.stack([crops[cell[1].row] if cell else np.full((side, side, 3), 255, np.uint8) for cell in order])
    maps = np.stack([heat[cell[0]] if cell else np.zeros(heat.shape[1:], np.float32) for cell in order])
    figure = cam.gradcam_figure(pictures, maps, [cell[1].expression if cell else "" for cell in order],
                                [f"score {cell[1].score:.2f}" if cell else "" for cell in order], per_row=columns)  # fmt: skip
    for number, cell in enumerate(order):
        block, column = divmod(number, columns)
        # gradcam_figure's axes: four rows a block (original, heat, overlay, gap), from left to right.
        top, middle, bottom = (figure.axes[(4 * block + row) * columns + column] for row in range(3))
        if cell is None:
            for axis in (top, middle, bottom):  # the labels of the first column stay
                axis.images[0].set_visible(False)
        elif masks is not None and masks[cell[0]].any():
            for axis in (middle, bottom):
                _outline(axis, masks[cell[0]], side)
    if masks is not None and any(cell and masks[cell[0]].any() for cell in order):
        figure.legend(handles=[Line2D([], [], color=CONTOUR, lw=2, label="where the expression was planted")],
                      loc="outside lower center", frameon=False, fontsize=10, labelcolor=INK)  # fmt: skip
    return figure


def _outline(axis, mask: np.ndarray, side: int) -> None:
    """Draw the outline of a mask over a picture of `side` pixels, as smooth as the mask allows."""
    smooth = cv2.GaussianBlur(cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR), (0, 0), side / 75)
    axis.contour(smooth, [0.5], colors=CONTOUR, linewidths=1.0)


def averages_figure(crops: np.ndarray, heat: np.ndarray, asked: pd.DataFrame, ranks: np.ndarray | None = None) -> Figure:
    """Return the mean face, the mean map and, with ranks (questions, side, side), the mean of what was planted, a column an expression."""
    names = [name for name in EXPRESSIONS if (asked["expression"] == name).any()]
    if not names:
        return sentence("no face to explain")
    rows = ["mean face", "mean map"] + ["planted"] * (ranks is not None)
    figure = Figure(figsize=(1.45 * len(names) + 0.7, 1.5 * len(rows) + 0.45), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(rows), len(names), squeeze=False)
    shares = cam.normalised(np.asarray(heat, np.float32))
    for column, name in enumerate(names):
        inside = np.flatnonzero(asked["expression"] == name)
        face = np.mean([crops[row] for row in asked["row"].to_numpy()[inside]], axis=0).round().astype(np.uint8)
        layers = [face, _laid(face, shares[inside].mean(axis=0)), *([] if ranks is None else [_laid(face, ranks[inside].mean(axis=0))])]
        for axis, layer in zip(axes[:, column], layers, strict=True):
            axis.imshow(layer)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        axes[0, column].set_title(f"{name} ({len(inside)})", fontsize=11, color=INK, pad=4)
    for axis, label in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(label, fontsize=11, color=INK, labelpad=5)
    return figure


def _laid(face: np.ndarray, values: np.ndarray) -> np.ndarray:
    return cam.overlay(face, cam.normalised(cam.resized(values[None], face.shape[0]))[0])


def planted_figure(table: pd.DataFrame) -> Figure:
    """Return, by expression and network, how many times chance the maps' energy lies where evidence was planted.

    Filled dots with intervals: maps of that expression. Rings: maps of other expressions in the same places. Pale: fewer than FEW faces.
    """
    shown = table[table["faces"] > 0]
    if shown.empty:
        return sentence("no face has planted evidence to compare with")
    names = [name for name in (*EXPRESSIONS, ALL) if name in set(shown["expression"])]
    colour, networks = colours(shown["network"]), list(dict.fromkeys(shown["network"]))
    step = min(0.24, 0.75 / len(networks))
    figure = Figure(figsize=(9.5, 0.9 + (0.3 + 0.24 * len(networks)) * len(names)), dpi=110, layout="constrained")
    axis = figure.subplots()
    axis.axvline(1, color=INK, lw=1, ls=(0, (4, 3)))
    for number, network in enumerate(networks):
        rows = shown[shown["network"] == network].set_index("expression").reindex(names)
        y = np.arange(len(names)) + step * (number - (len(networks) - 1) / 2)
        for place, row in zip(y, rows.itertuples(), strict=True):
            style = {"color": colour[network], "alpha": 1.0 if row.faces >= FEW else 0.3}
            if row.faces > 1:
                axis.plot([row.low, row.high], [place, place], lw=1.8, **style)
            axis.plot(row.others / row.area, place, "o", mfc="white", mec=colour[network], mew=1.4, ms=6, alpha=style["alpha"])
            axis.plot(row.ratio, place, "o", ms=7, **style)
    axis.set_yticks(range(len(names)), [f"{name} ({_range(shown, name)})" for name in names], fontsize=11)
    axis.set_ylim(len(names) - 0.45, -0.55)
    if ALL in names:
        axis.axhspan(len(names) - 1.5, len(names), color="#f5f2ec", zorder=0)
    axis.set_xlabel("energy of the maps in the planted places, times chance", fontsize=12, color=INK)
    handles = [Line2D([], [], color=colour[network], marker="o", lw=1.8, label=network) for network in networks]
    handles += [Line2D([], [], color=QUIET, marker="o", mfc="white", mew=1.4, lw=0, label="maps of other expressions, same places"),
                Line2D([], [], color=INK, lw=1, ls=(0, (4, 3)), label="chance")]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=min(4, len(handles)), frameon=False, fontsize=10, labelcolor=INK)
    plain(axis)
    return figure


def _range(table: pd.DataFrame, name: str) -> str:
    """Return how many faces of an expression were measured: a number, or two where networks differ."""
    faces = table.loc[table["expression"] == name, "faces"]
    return f"{faces.min():,}" if faces.min() == faces.max() else f"{faces.min():,} to {faces.max():,}"


def regions_figure(table: pd.DataFrame) -> Figure:
    """Return a table of colours for each network: energy of the maps by expression and region, times chance.

    Bold: the interval leaves chance out, with at least FEW faces. After an expression, the faces with a map and landmarks.
    """
    table = table[table["faces"] > 0]
    if table.empty:
        return sentence("no face has landmarks, so its regions are unknown")
    networks, names = list(dict.fromkeys(table["network"])), [name for name in (*EXPRESSIONS, ALL) if name in set(table["expression"])]
    figure = Figure(figsize=(9.5, (0.34 * len(names) + 0.45) * len(networks) + 1.1), dpi=110, layout="constrained")
    panels = figure.subplots(len(networks), 1, squeeze=False, sharex=True)[:, 0]
    norm = TwoSlopeNorm(1, 0, max(2.0, float(np.nanquantile(table["ratio"], 0.98))))
    for axis, network in zip(panels, networks, strict=True):
        of_network = table[table["network"] == network]
        values = of_network.pivot(index="expression", columns="region", values="ratio").reindex(index=names, columns=PLACES)
        axis.imshow(values, cmap="PuOr_r", norm=norm, aspect="auto")
        for row in of_network.itertuples():
            y, x = names.index(row.expression), PLACES.index(row.region)
            dark = abs(norm(row.ratio) - 0.5) > 0.27
            sure = row.faces >= FEW and (row.low > 1 or row.high < 1)
            axis.text(x, y, f"{row.ratio:.2f}", ha="center", va="center", fontsize=9.5, color="white" if dark else INK,
                      fontweight="bold" if sure else None)  # fmt: skip
        counts = of_network.groupby("expression")["faces"].max()
        axis.set_yticks(range(len(names)), [f"{name} ({counts.get(name, 0):,})" for name in names], fontsize=10)
        axis.axvline(len(cam.REGIONS) - 0.5, color="white", lw=4)
        axis.axhline(len(names) - 1.5, color="white", lw=4)
        axis.set_title(network, loc="left", fontsize=11, color=INK, fontweight="bold")
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0, colors=INK)
    panels[-1].set_xticks(range(len(PLACES)), [name.replace(", nose", ",\nnose") for name in PLACES], fontsize=10)
    bar = figure.colorbar(ScalarMappable(norm, "PuOr_r"), ax=panels, fraction=0.03, aspect=18 * len(networks), pad=0.015)
    bar.set_label("energy, times chance", fontsize=10, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=9)
    bar.outline.set_visible(False)
    return figure


def randomised_figure(table: pd.DataFrame) -> Figure:
    """Return how alike the maps stay (rank correlation, structural similarity) while layers are destroyed from the top."""
    figure = Figure(figsize=(9, 4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    colour = colours(table["network"])
    for axis, column, title in ((left, "spearman", "rank correlation"), (right, "ssim", "structural similarity")):
        for network, rows in table.groupby("network", sort=False):
            axis.plot(100 * rows["destroyed"], rows[column], "o-", color=colour[network], lw=2, ms=5, label=network)
        axis.axhline(0, color=INK, lw=1)
        axis.set_title(title, loc="left", fontsize=11, color=INK)
        axis.set_xlabel("layers destroyed, from the top (%)", fontsize=11, color=INK)
        axis.grid(axis="y", color=LINES)
        plain(axis)
    left.set_ylim(min(-0.15, table[["spearman", "ssim"]].min().min() - 0.05), 1.05)
    left.set_ylabel("similarity with the intact network's maps", fontsize=11, color=INK)
    right.legend(frameon=False, fontsize=10, labelcolor=INK)
    return figure


def taken_figure(curves: pd.DataFrame, areas: pd.DataFrame) -> Figure:
    """Return the answer while pixels are taken away (left) and put in (right): by the map, by what was planted, at random."""
    figure = Figure(figsize=(9, 4), dpi=110, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    words = {"map": "where the map is high", "planted": "where evidence was planted", "random": "at random"}
    for axis, kind, title in zip(panels, ("deletion", "insertion"), ("pixels taken away", "pixels put in"), strict=True):
        for order, colour in ORDERS.items():
            rows = curves[(curves["kind"] == kind) & (curves["order"] == order)]
            if len(rows):
                area = areas[(areas["kind"] == kind) & (areas["order"] == order)]["area"].mean()
                axis.plot(100 * rows["share"], rows["score"], color=colour, lw=2.2, label=f"{words[order]} (area {area:.2f})")
        axis.set_title(title, loc="left", fontsize=11, color=INK)
        axis.set_xlabel("pixels (%)", fontsize=11, color=INK)
        axis.grid(axis="y", color=LINES)
        axis.legend(frameon=False, fontsize=9.5, labelcolor=INK, loc="upper right" if kind == "deletion" else "lower right")
        plain(axis)
    panels[0].set_ylabel("score of the expression", fontsize=11, color=INK)
    panels[0].set_ylim(0, min(1.0, max(0.1, 1.25 * curves["score"].max())))
    return figure
