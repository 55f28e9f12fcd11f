"""Faces: what notebook 02 shows: the ladder over a whole collection, its tables, and its figures."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from lib.collections.census import evenly
from lib.collections.pictures import read_picture, read_thumbnail
from lib.collections.registry import Collection
from lib.compendium.compute import run_all
from lib.compendium.errors import CollectionError, PictureError
from lib.compendium.figures import INK, LINES, plain, sentence, with_interval
from lib.faces import evaluate
from lib.faces.ladder import detect_picture_job
from lib.faces.tables import RUNGS

METHODS = ("Haar alone", "MTCNN alone", "the ladder")
COLOURS = {"Haar alone": "#b8c1c8", "MTCNN alone": "#2b6f8f", "the ladder": "#b5482a"}
FOUND, TRUE, FALSE = "#ff5a36", "#ffd23f", "#b8c1c8"
ALLOWED = 0.1  # false positives a picture: the bound the ladder is held to
ENOUGH = 20  # boxed faces below which a recall says nothing about a claim
# Groups come in this order, all others after them.
ORDER = ("frontal", "three-quarter", "profile", "clear", "worn", "trace", "under 20°", "20 to 50°", "over 50°")
WITHOUT_TRUTH = (
    "Nobody has marked the faces of this collection, so recall and false positives cannot be measured. Add a `face_boxes` column "
    "(`x,y,width,height;…` in pixels, empty for a picture without a face) to its `metadata.csv`."
)


# ---- the run


def usable(images: pd.DataFrame) -> pd.DataFrame:
    """Return the readable pictures, each content once."""
    return images[(images["status"] == "ok") & images["duplicate_of"].isna()].drop_duplicates("image_id")


def detect_collection(collection: Collection, images: pd.DataFrame, ladder: dict, journal: Path) -> list[dict]:
    """Climb the ladder with every usable picture; results of `detect_picture_job` in the order of the table.

    Boxes drawn in VoTT (`box_source` "vott") are handed over as faces. A picture whose job failed becomes a result with status
    "broken" and its reason. journal: finished pictures, so that a killed run resumes.
    """
    items = {
        row["image_id"]: {
            "path": str((collection.folder / row["file"]).resolve()),
            "image_id": row["image_id"],
            "file": row["file"],
            "hand_boxes": evaluate.parse_boxes(row["face_boxes"]).tolist() if row.get("box_source") == "vott" else [],
            "maximum_megapixels": 2000,  # the census has refused what is too large
        }
        for row in usable(images).to_dict("records")
    }
    outcomes = run_all(detect_picture_job, items, settings=ladder, journal=journal)
    return [outcome.value or _failed(items[key], outcome.error) for key, outcome in outcomes.items()]


def _failed(item: dict, error: str) -> dict:
    return {"image_id": item["image_id"], "file": item["file"], "status": "broken", "reason": error, "faces": [], "attempts": []}


def pictures_table(results: list[dict]) -> pd.DataFrame:
    """Return one row a picture: `image_id`, `file`, `faces`, `rung` (of its first face, "none" without), `status`, `reason`."""
    rows = []
    for result in results:
        rungs = sorted((face["rung"] for face in result["faces"]), key=RUNGS.index)
        rows.append({"image_id": result["image_id"], "file": result["file"], "faces": len(rungs), "rung": rungs[0] if rungs else "none",
                     "status": result["status"], "reason": result["reason"]})
    return pd.DataFrame(rows, columns=["image_id", "file", "faces", "rung", "status", "reason"])


def left_empty(images: pd.DataFrame, faces: pd.DataFrame) -> pd.DataFrame:
    """Return the usable pictures in which no face was found, those with a hand-drawn face first."""
    pictures = usable(images)
    pictures = pictures[~pictures["image_id"].isin(faces["image_id"])]
    return pictures.sort_values("face_boxes", key=lambda boxes: boxes.fillna("").eq(""), kind="stable")


def reader(collection: Collection):
    """Return the function `crops.write_crops` reads pictures with."""
    return lambda row: read_picture(collection.folder / row["file"], 2000)


# ---- against boxes drawn by hand


def truth_of(images: pd.DataFrame) -> pd.DataFrame:
    """Return the usable pictures somebody has looked at for faces: `face_boxes` is a list of boxes, or "" where there are none.

    Columns `by tradition`, `by material`, `by turn` (of the head, from `yaw` in degrees) and `by damage` (the worst kind, "none" without
    any) are added where the metadata knows them, for tables by group; None where a picture's is not known.
    """
    pictures = usable(images)
    pictures = pictures[pictures["face_boxes"].notna()].copy()
    for column, of in {"tradition": str, "material": str, "yaw": _turn, "damage": _worst}.items():
        if column in pictures and pictures[column].fillna("").astype(str).str.strip().ne("").any():
            name, absent = "by turn" if column == "yaw" else f"by {column}", "none" if column == "damage" else None
            groups = [of(value) if pd.notna(value) and str(value).strip() else absent for value in pictures[column]]
            pictures[name] = pd.Series(groups, pictures.index, dtype=object)
    return pictures


def _turn(yaw) -> str | None:
    degrees = abs(pd.to_numeric(yaw, errors="coerce"))
    if pd.isna(degrees):  # the museum's own words
        return None
    return "under 20°" if degrees < 20 else "20 to 50°" if degrees <= 50 else "over 50°"


def _worst(damage: str) -> str:
    """Return the kind with the largest amount of a text such as "chips 0.20; broken nose 0.55"."""
    kinds = [part.strip().rpartition(" ") for part in str(damage).split(";") if part.strip()]
    try:
        return max(kinds, key=lambda kind: float(kind[2]))[0]
    except ValueError:  # no amounts: the museum's own words
        return str(damage).strip()


def groups_of(comparison: dict[str, tuple] | None) -> list[str]:
    """Return the columns a comparison can be grouped by: those with at least two and at most thirty groups."""
    boxes = comparison[METHODS[2]][0] if comparison else pd.DataFrame()
    return [name for name in boxes.columns if name.startswith("by ") and 2 <= boxes[name].nunique() <= 30]


def compared(images: pd.DataFrame, attempts: pd.DataFrame, faces: pd.DataFrame, hit_overlap: float) -> dict[str, tuple]:
    """Return, for each of METHODS, the two tables of `evaluate.compare`: true boxes and pictures.

    Haar and MTCNN alone are the ladder's first two rungs as they come, before any witness. Hand-drawn faces do not count as found.
    """
    truth = truth_of(images)
    names = tuple(name for name in ("face_views", "face_legibility") if _one_name_a_box(truth, name))
    found = {
        METHODS[0]: attempts[attempts["rung"] == "haar"],
        METHODS[1]: attempts[attempts["rung"] == "mtcnn"],
        METHODS[2]: faces[faces["rung"] != "hand"],
    }
    columns = tuple(name for name in truth.columns if name.startswith("by "))
    return {method: evaluate.compare(truth, table, hit_overlap, names=names, columns=columns) for method, table in found.items()}


def _one_name_a_box(truth: pd.DataFrame, column: str) -> bool:
    """Return whether a column of names (`face_views`) fits the boxes of every row and says anything."""
    if column not in truth or not truth[column].fillna("").astype(str).str.strip().any():
        return False
    try:
        for boxes, names in zip(truth["face_boxes"], truth[column], strict=True):
            evaluate.parse_names(names, len(evaluate.parse_boxes(boxes)))
    except CollectionError:
        return False
    return True


def recall_table(comparison: dict[str, tuple], by: str | None = None, seed: int = 0) -> pd.DataFrame:
    """Return recall by method, and by a column such as `view`: method, [by,] objects, faces, hits, recall, low, high."""
    groups = (by,) if by else ()
    parts = [evaluate.recall(boxes, groups, seed=seed).assign(method=method) for method, (boxes, _) in comparison.items()]
    table = pd.concat(parts, ignore_index=True)
    return table[["method", *[name for name in table.columns if name != "method"]]]


def false_positive_table(comparison: dict[str, tuple], seed: int = 0) -> pd.DataFrame:
    """Return false positives a picture by method: method, objects, pictures, false_positives, per_picture, low, high."""
    parts = [evaluate.false_positives(pictures, seed=seed).assign(method=method) for method, (_, pictures) in comparison.items()]
    table = pd.concat(parts, ignore_index=True)
    return table[["method", *[name for name in table.columns if name != "method"]]]


def overall_table(comparison: dict[str, tuple] | None, seed: int = 0) -> pd.DataFrame:
    """Return one row a method: recall with its interval over objects, and false positives a picture with theirs."""
    columns = ["method", "objects", "faces", "hits", "recall", "low", "high", "pictures", "false_positives", "per_picture", "least", "most"]
    if not comparison:
        return pd.DataFrame(columns=columns)
    wrong = false_positive_table(comparison, seed).drop(columns="objects").rename(columns={"low": "least", "high": "most"})
    return recall_table(comparison, seed=seed).merge(wrong, on="method")[columns]


def grouped_table(comparison: dict[str, tuple] | None, by: str, seed: int = 0) -> pd.DataFrame:
    """Return recall by method and by `view` or `legibility`; empty where the collection does not name them for every box."""
    if not comparison or not all(by in boxes for boxes, _ in comparison.values()):
        return pd.DataFrame(columns=["method", by, "objects", "faces", "hits", "recall", "low", "high"])
    table = recall_table(comparison, by, seed)
    return table.sort_values(by, key=lambda names: names.map(_place), kind="stable", ignore_index=True)


def stacked(groups: list[pd.DataFrame]) -> pd.DataFrame:
    """Return grouped tables below each other, with columns grouping and group."""
    named = [table.rename(columns={table.columns[1]: "group"}).assign(grouping=table.columns[1]) for table in groups]
    columns = ["method", "grouping", "group", "objects", "faces", "hits", "recall", "low", "high"]
    return pd.concat(named, ignore_index=True)[columns] if named else pd.DataFrame(columns=columns)


def _place(name: str) -> tuple:
    return (ORDER.index(name), "") if name in ORDER else (len(ORDER), name)


def side_by_side(grouped: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return a grouped table for readers: a row a group, a column a method with its recall and interval as text."""
    rows = []
    for name, group in grouped.groupby(by, sort=False):
        first = group.iloc[0]
        cells = {row.method: with_interval(row.recall, row.low, row.high) for row in group.itertuples()}
        rows.append({by: name or "not stated", "objects": first["objects"], "faces": first["faces"], **cells})
    return pd.DataFrame(rows, columns=[by, "objects", "faces", *METHODS])


def rungs_by_view(comparison: dict[str, tuple] | None) -> pd.DataFrame:
    """Return how many hand-drawn faces each rung was the first to find, by view: columns rung, one a view, all.

    The last rows count the faces no rung found, all faces, and give the recall (0 to 1); all values as text.
    """
    if not comparison:
        return pd.DataFrame(columns=["rung", "all"])
    boxes = comparison[METHODS[2]][0]
    views = boxes["view"].replace("", "not stated") if "view" in boxes else pd.Series("not stated", index=boxes.index)
    first = boxes["rung"].where(boxes["hit"], "not found")
    table = pd.crosstab(first, views).reindex([*(rung for rung in RUNGS if rung != "hand"), "not found"], fill_value=0)
    if len(table.columns) > 1 or table.columns.tolist() != ["not stated"]:
        table["all"] = table.sum(axis=1)
    else:
        table.columns = ["all"]
    table = table[sorted(table.columns, key=lambda name: (name == "all", _place(name)))]
    found = 1 - table.loc["not found"] / table.sum()
    table.loc["faces"] = table.sum()
    table = table.astype(str)
    table.loc["recall"] = found.map("{:.3f}".format)
    return table.rename_axis("rung").rename_axis(None, axis=1).reset_index()


def false_faces(
    images: pd.DataFrame, faces: pd.DataFrame, comparison: dict[str, tuple] | None, hit_overlap: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the ladder's faces that meet no hand-drawn box, and the pictures they are on; empty where nothing can be judged."""
    if not comparison:
        return faces.iloc[:0], images.iloc[:0]
    boxes, pictures = comparison[METHODS[2]]
    wrong = []
    for image_id in pictures.loc[pictures["false_positives"] > 0, "image_id"]:
        of_picture = faces[(faces["image_id"] == image_id) & (faces["rung"] != "hand")]
        true = boxes.loc[boxes["image_id"] == image_id, evaluate.BOX].to_numpy()
        met = {found for found, _, _ in evaluate.match(of_picture[evaluate.BOX].to_numpy(), true, hit_overlap)}
        wrong.append(of_picture.iloc[[index for index in range(len(of_picture)) if index not in met]])
    mistaken = pd.concat(wrong) if wrong else faces.iloc[:0]
    return mistaken, usable(images)[lambda table: table["image_id"].isin(mistaken["image_id"])]


def rung_table(results: list[dict], faces: pd.DataFrame, comparison: dict[str, tuple] | None) -> pd.DataFrame:
    """Return what each rung did: `rung`, `pictures` (tried), `boxes` (proposed), `believed`, `faces` (kept as first found there).

    With a comparison also `true` and `false`: kept faces that do and do not meet a hand-drawn box.
    """
    attempts = pd.DataFrame([one for result in results for one in result["attempts"]], columns=["rung", "accepted"])
    climbed = [{*result.get("seconds", {}), *(one["rung"] for one in result["attempts"])} for result in results]  # hand boxes take no time
    rows = []
    for rung in RUNGS:
        of_rung = attempts[attempts["rung"] == rung]
        tried = sum(rung in rungs for rungs in climbed)
        rows.append({"rung": rung, "pictures": tried, "boxes": len(of_rung), "believed": int(of_rung["accepted"].sum()),
                     "faces": int((faces["rung"] == rung).sum())})
    table = pd.DataFrame(rows)
    if comparison:
        boxes, pictures = comparison[METHODS[2]]
        judged = faces[faces["image_id"].isin(pictures["image_id"])]
        table["true"] = [int(((boxes["rung"] == rung) & boxes["hit"]).sum()) for rung in RUNGS]
        table["false"] = [int((judged["rung"] == rung).sum()) - true if rung != "hand" else 0
                          for rung, true in zip(RUNGS, table["true"], strict=True)]
    return table


def verdict_values(comparison: dict[str, tuple] | None, synthetic: bool = False) -> dict[str, tuple[float | None, str]]:
    """Return the measured values of the study's two claims about detection; None where too few boxed faces can be judged."""
    evidence = "synthetic" if synthetic else "real"
    recall = {}
    for method, (boxes, _) in (comparison or {}).items():
        if len(boxes) >= ENOUGH:
            recall[method] = float(boxes["hit"].mean())
    if len(recall) < len(METHODS):
        return {"haar_often_fails": (None, evidence), "retries_add_faces": (None, evidence)}
    haar, mtcnn, ladder = (recall[method] for method in METHODS)
    return {"haar_often_fails": (ladder - haar, evidence), "retries_add_faces": (ladder - mtcnn, evidence)}


# ---- sentences


def summary(pictures: pd.DataFrame, faces: pd.DataFrame) -> str:
    """Return what the ladder did with the collection, in words."""
    with_face = int((pictures["faces"] > 0).sum())
    broken = int((pictures["status"] != "ok").sum())
    first = int(faces["rung"].isin(["haar", "mtcnn"]).sum())
    hand = int((faces["rung"] == "hand").sum())
    text = f"**{len(faces):,} faces** in {with_face:,} of {len(pictures):,} pictures: {first:,} on the first two rungs, "
    text += f"{len(faces) - first - hand:,} when a picture without a face was tried again"
    text += f", {hand:,} drawn by hand." if hand else "."
    return text + (f" {broken:,} pictures could not be looked at (see the table of pictures)." if broken else "")


def comparison_sentence(comparison: dict[str, tuple]) -> str:
    """Return the comparison of the three methods, in words."""
    recall = {method: boxes["hit"].mean() if len(boxes) else float("nan") for method, (boxes, _) in comparison.items()}
    wrong = {method: pictures["false_positives"].mean() for method, (_, pictures) in comparison.items()}
    best = max(METHODS[:2], key=lambda method: recall[method])
    boxes, pictures = comparison[METHODS[2]]
    more = int(boxes["hit"].sum()) - int(comparison[best][0]["hit"].sum())
    haar, mtcnn, ladder = METHODS
    return (
        f"Of **{len(boxes):,} hand-drawn faces** on {len(pictures):,} pictures, Haar alone finds {recall[haar]:.0%}, MTCNN alone "
        f"{recall[mtcnn]:.0%}, the ladder **{recall[ladder]:.0%}**: {abs(more)} {'more' if more >= 0 else 'fewer'} than {best}. "
        f"It reports {wrong[ladder]:.3f} false faces a picture (Haar alone {wrong[haar]:.3f}, MTCNN alone {wrong[mtcnn]:.3f}); "
        f"the bound is {ALLOWED}: {'kept' if wrong[ladder] <= ALLOWED else '**not kept**'}."
    )


# ---- figures


def rungs_figure(table: pd.DataFrame) -> Figure:
    """Return a bar a rung: faces first found there, split into true and false where hand-drawn boxes allow it."""
    figure = Figure(figsize=(9, 4.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(table))
    if "true" in table:
        unknown = (table["faces"] - table["true"] - table["false"]).clip(lower=0)
        bottom = np.zeros(len(table))
        for label, values, colour in (("meets a hand-drawn box", table["true"], COLOURS["the ladder"]),
                                      ("meets none", table["false"], FALSE), ("not judged", unknown, "#e8d9c5")):
            if values.sum():
                axis.bar(places, values, bottom=bottom, color=colour, label=label, width=0.7)
            bottom = bottom + values.to_numpy()
        axis.legend(frameon=False, fontsize=11)
    else:
        axis.bar(places, table["faces"], color=COLOURS["the ladder"], width=0.7)
    for place, row in zip(places, table.itertuples(), strict=True):
        axis.annotate(f"{row.faces:,}", (place, row.faces), (0, 3), textcoords="offset points", ha="center", fontsize=11, color=INK)
    labels = [f"{row.rung}\n({row.pictures:,} tried)" if row.rung != "hand" else "drawn\nby hand" for row in table.itertuples()]
    axis.set_xticks(places, labels, fontsize=11)
    axis.set_ylabel("faces", fontsize=12)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(0, max(1, table["faces"].max()) * 1.15)
    plain(axis)
    return figure


def recall_figure(by_view: pd.DataFrame, overall: pd.DataFrame, by: str = "view") -> Figure:
    """Return recall by view and over all views (left) and false positives a picture (right), each method with its interval."""
    if overall.empty:
        return sentence("no faces drawn by hand to compare with")
    names = [*by_view[by].astype(str).unique(), "all"]
    figure = Figure(figsize=(12, 4.6), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2.2, 1])
    table = pd.concat([by_view.rename(columns={by: "group"}), overall.assign(group="all")], ignore_index=True)
    table["group"] = table["group"].astype(str)
    for number, method in enumerate(METHODS):
        rows = table[table["method"] == method].set_index("group").reindex(names)
        _bars(left, np.arange(len(names)) + 0.27 * (number - 1), rows["recall"], rows["low"], rows["high"], method)
    counts = table[table["method"] == METHODS[0]].set_index("group")["faces"].reindex(names)
    left.set_xticks(np.arange(len(names)), [f"{name or 'not stated'}\n({count:.0f} faces)" for name, count in counts.items()], fontsize=11)
    left.set(ylim=(0, 1.08))
    left.set_ylabel("recall", fontsize=12)
    left.legend(frameon=False, fontsize=11, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    for number, method in enumerate(METHODS):
        row = overall[overall["method"] == method]
        _bars(right, np.array([number]), row["per_picture"], row["least"], row["most"], method)
    right.axhline(ALLOWED, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    right.annotate("bound", (len(METHODS) - 0.6, ALLOWED), (0, 3), textcoords="offset points", ha="right", fontsize=10, color=INK)
    right.set_xticks(range(len(METHODS)), [method.replace(" ", "\n") for method in METHODS], fontsize=11)
    right.set_ylabel("false positives a picture", fontsize=12)
    right.set_ylim(0, max(ALLOWED * 1.6, float(np.nanmax(overall[["per_picture", "most"]].to_numpy(float))) * 1.15))
    for axis in (left, right):
        plain(axis)
    return figure


def _bars(axis, places, values, low, high, method: str) -> None:
    values = np.asarray(values, float)
    reach = np.nan_to_num([values - np.asarray(low, float), np.asarray(high, float) - values]).clip(min=0)
    axis.bar(places, values, width=0.25 if len(places) > 1 or axis.get_xlim()[1] > 2 else 0.7, color=COLOURS[method], label=method,
             yerr=reach, error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 2.5})
    for place, value, up in zip(places, values, reach[1], strict=True):
        if np.isfinite(value):
            axis.annotate(f"{value:.2f}", (place, value + up), (0, 3), textcoords="offset points", ha="center", fontsize=9, color=INK)


def groups_figure(comparison: dict[str, tuple] | None, seed: int = 0) -> Figure:
    """Return a panel for each grouping the collection knows: recall of the three methods by group, with intervals over objects."""
    groupings = groups_of(comparison)
    if not groupings:
        return sentence("the metadata names no tradition, material, turn or damage to compare")
    tables = [grouped_table(comparison, by, seed) for by in groupings]
    heights = [table[by].nunique() + 1.6 for table, by in zip(tables, groupings, strict=True)]
    figure = Figure(figsize=(9, 0.34 * sum(heights) + 0.8), dpi=110, layout="constrained")
    panels = figure.subplots(len(tables), 1, height_ratios=heights, squeeze=False, sharex=True).ravel()
    for axis, table, by in zip(panels, tables, groupings, strict=True):
        names = list(dict.fromkeys(table[by]))
        faces = table.drop_duplicates(by).set_index(by)["faces"]
        for number, method in enumerate(METHODS):
            rows = table[table["method"] == method].set_index(by).loc[names]
            places = np.arange(len(names)) + 0.24 * (number - 1)
            low, high = (rows[end].fillna(rows["recall"]) for end in ("low", "high"))
            axis.hlines(places, low, high, color=COLOURS[method], linewidth=1.4)
            axis.plot(rows["recall"], places, "o", color=COLOURS[method], markersize=6, label=method)
        axis.set_yticks(range(len(names)), [f"{name} ({faces[name]})" for name in names], fontsize=10)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_title(by.removeprefix("by "), loc="left", fontsize=11, color=INK, fontweight="bold")
        axis.grid(axis="x", color=LINES, linewidth=0.8)
        plain(axis)
    panels[0].legend(frameon=False, fontsize=10, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    panels[-1].set(xlim=(-0.02, 1.02))
    panels[-1].set_xlabel("recall", fontsize=12)
    return figure


def faces_gallery(crops: np.ndarray, faces: pd.DataFrame, count: int = 40, columns: int = 8) -> Figure:
    """Return a grid of aligned crops, evenly chosen, each with its rung and confidence."""
    chosen = evenly(faces[faces["crop_index"] >= 0], count)
    axes, figure = _grid(len(chosen), columns, 1.45)
    for axis, row in zip(axes, chosen.itertuples(), strict=False):
        axis.imshow(crops[row.crop_index])
        axis.set_title(f"{row.rung} {row.confidence:.2f}" if row.rung != "hand" else "hand", fontsize=9, color=INK, pad=2)
    return figure if len(chosen) else sentence("no face was found")


def boxes_gallery(collection: Collection, images: pd.DataFrame, faces: pd.DataFrame, count: int = 24, columns: int = 6) -> Figure:
    """Return pictures with the faces found (red) and the faces drawn by hand (yellow, dashed), evenly chosen."""
    chosen = evenly(images, count)
    axes, figure = _grid(len(chosen), columns, 2.0)
    boxes = dict(tuple(faces.groupby("image_id")))
    for axis, row in zip(axes, chosen.to_dict("records"), strict=False):
        _draw(axis, collection.folder / row["file"], evaluate.parse_boxes(row["face_boxes"]), boxes.get(row["image_id"]))
    return figure if len(chosen) else sentence("no such picture")


def _draw(axis, path: Path, true: np.ndarray, found: pd.DataFrame | None) -> None:
    try:
        picture, scale = read_thumbnail(path, 360)
    except PictureError:
        return
    axis.imshow(picture)
    for x, y, width, height in true * scale:
        axis.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=TRUE, linewidth=1.6, linestyle=(0, (3, 2))))
    for row in [] if found is None else found.itertuples():
        x, y, width, height = (value * scale for value in (row.x, row.y, row.width, row.height))
        axis.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=FOUND, linewidth=1.8))
        axis.annotate(row.rung, (x, y), (1, 2), textcoords="offset points", fontsize=8, color="white",
                      bbox={"boxstyle": "square,pad=0.1", "color": FOUND, "linewidth": 0})
    axis.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))


def _grid(count: int, columns: int, cell: float) -> tuple:
    columns = max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    figure = Figure(figsize=(max(4, cell * columns), (cell + 0.2) * rows), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    return axes, figure
