"""Collections: the census of a collection: its image table, what it counts, and the figures that show it."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from lib.collections.duplicates import exact_duplicates, hamming_distance, near_duplicate_labels
from lib.collections.folder import UNREAD_PICTURE_SUFFIXES, list_folder, list_pictures
from lib.collections.metadata import join_metadata, parse_boxes
from lib.collections.pictures import inspect_job, read_thumbnail
from lib.collections.registry import Collection
from lib.collections.sources import PRINTED_TOTAL, table_one
from lib.collections.tables import checked
from lib.collections.vott import boxes_by_file, folder_boxes
from lib.compendium.compute import run_all
from lib.compendium.errors import CollectionError, PictureError
from lib.compendium.figures import INK

NOT_STATED = "(not stated)"
SIZE_CLASSES = (  # longest side in pixels: from, name
    (0, "under 200 px"), (200, "200 to 499 px"), (500, "500 to 999 px"), (1000, "1000 to 1999 px"), (2000, "2000 to 3999 px"),
    (4000, "4000 px and more"),
)  # fmt: skip
QUIET, ACCENT, BOX = "#b8c1c8", "#b5482a", "#ffd23f"  # published numbers; this collection; face boxes
FORMAT_COLOURS = {
    "JPEG": "#b5482a", "PNG": "#2b6f8f", "TIFF": "#5b8c3a", "WEBP": "#8a5ba6", "GIF": "#c99a1b", "BMP": "#6b7780",
}  # fmt: skip
MOST_DOTS = 5000
LONGEST_CAPTION = 28  # letters under a thumbnail


def inspect_collection(collection: Collection, maximum_megapixels: float, journal: Path | None = None) -> dict[str, dict]:
    """Return what `pictures.inspect_picture` says of every picture file of a collection, by relative path, sorted.

    Long collections are inspected side by side; journal: finished files, so that a killed census resumes. A file is known in it by
    name, size and time, so a replaced picture is looked at again.
    """
    folder = collection.folder.resolve()
    items = {}
    for file in list_pictures(folder):
        status = (folder / file).stat()
        items[file] = {"folder": str(folder), "file": file, "bytes": status.st_size, "changed": status.st_mtime_ns}
    outcomes = run_all(inspect_job, items, settings=maximum_megapixels, journal=journal)
    for file, outcome in outcomes.items():
        if outcome.error:
            raise CollectionError(f"{file!r} could not be inspected: {outcome.error}. Move it out of the collection and run again.")
    return {file: outcome.value for file, outcome in outcomes.items()}


def image_table(
    collection: Collection,
    inspected: dict[str, dict],
    near_duplicate_distance: int = 4,
    metadata: tuple[pd.DataFrame, dict] | None = None,
    vott: tuple[pd.DataFrame, dict] | None = None,
) -> tuple[pd.DataFrame, dict]:
    """Return the table `images` (schema in `tables`), sorted by file, and a JSON-able report of how it came about.

    `inspected` maps relative paths to `pictures.inspect_picture`'s answers. Metadata and VoTT boxes are read from the collection's
    folder unless given (the answers of `metadata.join_metadata` and `vott.folder_boxes`). VoTT boxes fill in where the metadata
    says nothing about faces; the column `box_source` says "metadata" or "vott". Report: `pictures`, `ok`, `broken`, `exact_duplicates`,
    `near_duplicate_groups`, `pictures_with_boxes`, `faces`, `other_files`, `unreadable`, `metadata` and `vott` (their reports).
    Raises CollectionError for a folder or metadata that cannot be used, CompendiumError if the table is not sound.
    """
    files = sorted(inspected)
    if not files:
        raise CollectionError(f"The collection {collection.name!r} has no pictures. Expected at least one. Give another folder.")
    said, metadata_report = metadata or join_metadata(collection.folder, files)
    boxes, vott_report = vott or folder_boxes(collection.folder, files)
    facts = _facts(collection, files, inspected, near_duplicate_distance)
    new = said[["file", *(name for name in said.columns if name not in facts.columns)]]
    images = facts.merge(new, on="file", how="left")
    images = checked(_with_vott(images, boxes_by_file(boxes)))
    listing = list_folder(collection.folder) if collection.folder.is_dir() else None
    return images, _report(images, listing, metadata_report, vott_report)


def _facts(collection: Collection, files: list[str], inspected: dict, distance: int) -> pd.DataFrame:
    table = pd.DataFrame([{key: value for key, value in inspected[file].items() if key != "file"} for file in files])
    table = table.assign(collection=collection.name, file=files, image_id=table["sha256"].str[:16])
    table["width"], table["height"] = table["width"].astype("Int64"), table["height"].astype("Int64")
    table["bytes"] = table["bytes"].astype("int64")
    table["duplicate_of"] = pd.Series(exact_duplicates(files, list(table["sha256"])), dtype=object)
    labels = near_duplicate_labels(list(table["perceptual_hash"]), distance, list(table["sha256"]))
    shared = np.bincount(labels, minlength=len(labels))[labels] > 1
    ids = table["image_id"].to_numpy()
    groups = [ids[label] if many else None for label, many in zip(labels, shared, strict=True)]
    table["near_duplicate_group"] = pd.Series(groups, dtype=object)
    first = ["image_id", "collection", "file", "status", "reason", "width", "height", "format", "mode", "bytes", "sha256"]
    return table[[*first, "perceptual_hash", "duplicate_of", "near_duplicate_group", "note"]]


def _with_vott(images: pd.DataFrame, boxes: dict[str, str]) -> pd.DataFrame:
    drawn = images["file"].map(boxes)
    known = images["face_boxes"].notna()
    images["box_source"] = np.where(known, "metadata", np.where(drawn.notna(), "vott", None))
    images["face_boxes"] = images["face_boxes"].where(known, drawn).astype(object)
    images["face_boxes"] = images["face_boxes"].where(images["face_boxes"].notna(), None)
    return images


def _report(images: pd.DataFrame, listing, metadata_report: dict, vott_report: dict) -> dict:
    groups = images["near_duplicate_group"].dropna()
    return {
        "pictures": len(images),
        "ok": int((images["status"] == "ok").sum()),
        "broken": int((images["status"] == "broken").sum()),
        "exact_duplicates": int(images["duplicate_of"].notna().sum()),
        "near_duplicate_groups": int(groups.nunique()),
        "pictures_with_boxes": int((images["face_boxes"].fillna("") != "").sum()),
        "faces": int(sum(len(parse_boxes(text)) for text in images["face_boxes"].dropna())),
        "other_files": listing.others if listing else {},
        "unreadable": listing.unreadable if listing else [],
        "metadata": metadata_report,
        "vott": vott_report,
    }


# ---- tables for the notebook


def counts(images: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return how many pictures have each value of a column, most first: columns `column`, `pictures`, `share` (0 to 1).

    Missing and empty values, or a column the table does not have, count as "(not stated)", listed last.
    """
    values = images[column] if column in images else pd.Series([None] * len(images), dtype=object)
    values = values.map(lambda value: NOT_STATED if pd.isna(value) or not str(value).strip() else str(value).strip())
    table = values.value_counts().rename_axis(column).reset_index(name="pictures")
    table["last"] = table[column] == NOT_STATED
    table = table.sort_values(["last", "pictures", column], ascending=[True, False, True], ignore_index=True).drop(columns="last")
    return table.assign(share=table["pictures"] / max(1, len(images)))


def size_counts(images: pd.DataFrame) -> pd.DataFrame:
    """Return how many readable pictures are how large: `longest_side` (class in pixels), `pictures`, `share` (0 to 1)."""
    longest = _readable(images)[["width", "height"]].max(axis=1).astype(float)
    classes = np.searchsorted([start for start, _ in SIZE_CLASSES], longest, side="right") - 1
    numbers = np.bincount(classes, minlength=len(SIZE_CLASSES))
    return pd.DataFrame(
        {"longest_side": [name for _, name in SIZE_CLASSES], "pictures": numbers, "share": numbers / max(1, len(longest))}
    )


def problems_table(images: pd.DataFrame) -> pd.DataFrame:
    """Return the pictures that cannot be used or are not what they seem: `file`, `problem`, `used` ("no" or "yes"), `bytes`."""
    broken = images[images["status"] == "broken"].assign(problem=lambda table: table["reason"], used="no")
    odd = images[(images["status"] == "ok") & (images["note"] != "")].assign(problem=lambda table: table["note"], used="yes")
    return pd.concat([broken, odd])[["file", "problem", "used", "bytes"]].reset_index(drop=True)


def duplicates_table(images: pd.DataFrame) -> pd.DataFrame:
    """Return the pictures that repeat another: `file`, `same_as`, `kind` ("same file" or "nearly the same"), `bits_apart` (0 to 64).

    `same_as` of a near-duplicate is the first picture of its group; in a chain its distance may exceed the chosen one.
    """
    first = images[images["near_duplicate_group"].notna()].drop_duplicates("near_duplicate_group").set_index("near_duplicate_group")
    rows = []
    for row in images.itertuples():
        if isinstance(row.duplicate_of, str):
            rows.append((row.file, row.duplicate_of, "same file", 0))
        elif isinstance(row.near_duplicate_group, str) and first.loc[row.near_duplicate_group, "file"] != row.file:
            original = first.loc[row.near_duplicate_group]
            rows.append((row.file, original["file"], "nearly the same", hamming_distance(row.perceptual_hash, original["perceptual_hash"])))
    return pd.DataFrame(rows, columns=["file", "same_as", "kind", "bits_apart"]).astype({"bits_apart": "Int64"})


def metadata_table(report: dict) -> pd.DataFrame:
    """Return what happened to the metadata as `item`, `value` rows, from `image_table`'s report."""
    metadata, vott = report["metadata"], report["vott"]
    rows = [
        ("metadata files", ", ".join(metadata["metadata_files"]) or "none"),
        ("rows in them", metadata["rows"]),
        ("pictures with metadata", metadata["pictures_with_metadata"]),
        ("pictures without metadata", metadata["pictures_without_metadata"]),
        ("rows that name no picture here", _few(metadata["rows_without_picture"])),
        ("rows with a problem", _few(metadata["problems"])),
        ("VoTT files", ", ".join(vott["vott_files"]) or "none"),
        ("VoTT boxes", vott["boxes"]),
        ("VoTT pictures not found here", _few(vott["unmatched"])),
        ("VoTT files that could not be read", _few(vott["problems"])),
    ]
    return pd.DataFrame(rows, columns=["item", "value"]).astype({"value": str})


def summary(collection: Collection, report: dict) -> str:
    """Return the census in one sentence, Markdown."""
    broken, repeated = report["broken"], report["exact_duplicates"]
    text = f"**{collection.title}** holds **{report['pictures']:,} picture files**; "
    text += f"{broken:,} of them cannot be used, " if broken else "all of them can be read, "
    text += f"{repeated:,} repeat another byte for byte" if repeated else "none repeats another byte for byte"
    boxed = f", and on {report['pictures_with_boxes']:,} somebody has marked {report['faces']:,} faces" if report["faces"] else ""
    return f"{text}{boxed}. {collection.note}".strip()


def census_table(report: dict) -> pd.DataFrame:
    """Return the totals of the census as `item`, `number` rows, from `image_table`'s report."""
    others = report["other_files"]
    rows = [
        ("picture files", report["pictures"]),
        ("readable", report["ok"]),
        ("broken", report["broken"]),
        ("repeat another file byte for byte", report["exact_duplicates"]),
        ("groups of nearly the same picture", report["near_duplicate_groups"]),
        ("pictures with boxed faces", report["pictures_with_boxes"]),
        ("boxed faces", report["faces"]),
        ("pictures of a kind not read here (HEIC, RAW, PDF ...)", sum(others.get(suffix, 0) for suffix in UNREAD_PICTURE_SUFFIXES)),
        ("other files", sum(number for suffix, number in others.items() if suffix not in UNREAD_PICTURE_SUFFIXES)),
        ("places that could not be opened", len(report["unreadable"])),
    ]
    return pd.DataFrame(rows, columns=["item", "number"])


def table_one_beside(images: pd.DataFrame, title: str) -> pd.DataFrame:
    """Return the sources of Table I and this collection as `source`, `pictures`, `published` (bool), in the printed order, ours last."""
    published = table_one()
    table = pd.DataFrame({"source": published["name"], "pictures": published["published_count"], "published": True})
    ours = pd.DataFrame({"source": [f"This collection: {title}"], "pictures": [len(_readable(images))], "published": [False]})
    return pd.concat([table, ours], ignore_index=True)


def evenly(images: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return at most `count` rows of a table, evenly spaced from the first to the last."""
    if len(images) <= count:
        return images
    return images.iloc[np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))]


# ---- figures


def contact_sheet(collection: Collection, images: pd.DataFrame, count: int = 40, columns: int = 6, size: int = 360) -> Figure:
    """Return a grid of at most `count` readable pictures, evenly chosen, boxed faces outlined; `size` is a thumbnail's side in pixels."""
    chosen = evenly(_readable(images), count)
    columns = max(1, min(columns, len(chosen)))
    rows = max(1, -(-len(chosen) // columns))
    cell = 1.9 if columns > 4 else 2.8  # inches
    figure = Figure(figsize=(cell * columns, rows * (cell + 0.32)), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.05, wspace=0.02, hspace=0.02)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    if not len(chosen):
        return _say(figure, axes[0], "no readable picture")
    for axis, row, caption in zip(axes, chosen.to_dict("records"), _short_captions(chosen), strict=False):
        _draw_picture(axis, collection.folder / row["file"], row.get("face_boxes"), size)
        _put_caption(axis, caption)
    return figure


def contact_sheet_caption(images: pd.DataFrame, count: int = 40) -> str:
    """Return the sentence that belongs under `contact_sheet` called with the same arguments."""
    readable = _readable(images)
    shown = len(evenly(readable, count))
    boxed = int((evenly(readable, count)["face_boxes"].fillna("") != "").sum())
    all_shown = shown == len(readable)
    part = f"All {shown:,} readable pictures" if all_shown else f"{shown:,} of {len(readable):,} readable pictures, evenly chosen"
    return part + (f"; yellow outlines are the faces boxed in the metadata or with VoTT (on {boxed} of them)." if boxed else ".")


def table_one_figure(images: pd.DataFrame, title: str) -> Figure:
    """Return a bar chart of the published counts of Table I with this collection's number of readable pictures below them."""
    table = table_one_beside(images, title)
    figure = Figure(figsize=(9, 6.4), dpi=110, layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(table)) + np.where(table["published"], 0, 0.6)  # a gap before our own bar
    axis.barh(places, table["pictures"], color=np.where(table["published"], QUIET, ACCENT), height=0.72)
    for place, number, published in zip(places, table["pictures"], table["published"], strict=True):
        axis.annotate(f"{number:,}", (number, place), (4, 0), textcoords="offset points", va="center", fontsize=11,
                      color=INK if published else ACCENT, fontweight="normal" if published else "bold")  # fmt: skip
    axis.set_yticks(places, [_shorten(name, 42) for name in table["source"]])
    axis.set_ylim(places[-1] + 0.7, -0.7)
    axis.set_xlim(0, max(table["pictures"].max() * 1.1, 1))
    axis.set_xlabel("pictures", fontsize=12)
    _plain_axes(axis)
    axis.tick_params(axis="y", length=0)
    axis.get_yticklabels()[-1].set(color=ACCENT, fontweight="bold")
    return figure


def table_one_caption() -> str:
    """Return the sentence that belongs under `table_one_figure`."""
    total = int(table_one()["published_count"].sum())
    return (
        f"Pictures per source as printed in Table I (grey) and in this collection (red). The fifteen rows add up to {total:,}; "
        f"the printed total is {PRINTED_TOTAL:,}."
    )


def sizes_figure(images: pd.DataFrame) -> Figure:
    """Return a scatter of picture widths and heights in pixels on logarithmic axes, coloured by file format."""
    shown = evenly(_readable(images), MOST_DOTS)
    figure = Figure(figsize=(7.4, 7.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    if not len(shown):
        axis.set_axis_off()
        return _say(figure, axis, "no readable picture")
    width, height = shown["width"].to_numpy(float), shown["height"].to_numpy(float)
    low, high = min(width.min(), height.min()) / 2, max(width.max(), height.max()) * 2
    axis.plot([low, high], [low, high], color=QUIET, linewidth=1.2, zorder=0)
    axis.annotate("square", (high, high), (-14, -34), textcoords="offset points", color="#8a949b", fontsize=11, ha="right", va="bottom",
                  rotation=45)  # fmt: skip
    alpha = float(np.clip(30 / np.sqrt(len(shown)), 0.18, 0.8))
    for name, rows in shown.groupby("format", sort=True):
        axis.scatter(rows["width"].astype(float), rows["height"].astype(float), s=46, alpha=alpha, linewidths=0.4, edgecolors="white",
                     color=FORMAT_COLOURS.get(name, "#111111"), label=f"{name} ({len(rows):,})")  # fmt: skip
    for scale, limits, label in ((axis.set_xscale, axis.set_xlim, axis.set_xlabel), (axis.set_yscale, axis.set_ylim, axis.set_ylabel)):
        scale("log")
        limits(low, high)
        label("width in pixels" if label == axis.set_xlabel else "height in pixels", fontsize=12)
    _pixel_ticks(axis, low, high)
    axis.set_aspect("equal")
    legend = axis.legend(fontsize=11, frameon=False, loc="upper left", handletextpad=0.2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    _plain_axes(axis)
    return figure


def sizes_caption(images: pd.DataFrame) -> str:
    """Return the sentence that belongs under `sizes_figure`."""
    readable = _readable(images)
    shown = len(evenly(readable, MOST_DOTS))
    part = f"{shown:,} pictures" if shown == len(readable) else f"{shown:,} of {len(readable):,} pictures, evenly chosen"
    return f"Width and height of {part}, on logarithmic axes; below the line a picture is wider than high."


def duplicates_figure(collection: Collection, images: pd.DataFrame, groups: int = 6, members: int = 5, size: int = 360) -> Figure:
    """Return the first `groups` groups of repeated pictures, one a row, at most `members` side by side; a sentence if there is none."""
    grouped = _groups(images)[:groups]
    columns = max([2, *(min(len(rows), members) for rows in grouped)])
    if not grouped:
        figure = Figure(figsize=(7, 1.2), dpi=110, layout="constrained")
        axis = figure.subplots()
        axis.set_axis_off()
        return _say(figure, axis, "no picture repeats another")
    figure = Figure(figsize=(2.5 * columns, 2.75 * len(grouped)), dpi=110, layout="constrained")
    axes = figure.subplots(len(grouped), columns, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for line, rows in zip(axes, grouped, strict=True):
        for place, (axis, row) in enumerate(zip(line, rows, strict=False)):
            _draw_picture(axis, collection.folder / row["file"], None, size)
            more = len(rows) - members if place == members - 1 and len(rows) > members else 0
            name = _shorten_middle(row["file"].rsplit("/", 1)[-1], 30)
            _put_caption(axis, f"{name}\n{_likeness(row, rows[0])}" + (f" (+{more} more)" if more else ""))
    return figure


def duplicates_caption(images: pd.DataFrame, groups: int = 6) -> str:
    """Return the sentence that belongs under `duplicates_figure`."""
    number = len(_groups(images))
    if not number:
        return "No picture of this collection repeats another, byte for byte or nearly."
    part = "The one group" if number == 1 else f"The {number} groups" if number <= groups else f"The first {groups} of {number:,} groups"
    return f"{part} of repeated pictures, each beside the first of its group, with the bits (of 64) their perceptual hashes differ in."


def _groups(images: pd.DataFrame) -> list[list[dict]]:
    repeated = _readable(images)
    repeated = repeated[repeated["near_duplicate_group"].notna()]
    return [rows.to_dict("records") for _, rows in repeated.groupby("near_duplicate_group", sort=False) if len(rows) > 1]


def _likeness(row: dict, first: dict) -> str:
    if row["file"] == first["file"]:
        return f"{row['width']} x {row['height']}"
    if row["sha256"] == first["sha256"]:
        return "same file"
    bits = hamming_distance(row["perceptual_hash"], first["perceptual_hash"])
    return f"{row['width']} x {row['height']}, {bits} {'bit' if bits == 1 else 'bits'} apart"


def _readable(images: pd.DataFrame) -> pd.DataFrame:
    return images[images["status"] == "ok"]


def _draw_picture(axis, path: Path, face_boxes: str | None, size: int) -> None:
    """Show a thumbnail, centred in a square so that all rows of a sheet line up, with its face boxes."""
    try:
        small, scale = read_thumbnail(path, size)
    except PictureError as error:  # changed since the census
        axis.text(0.5, 0.5, _shorten(str(error), 26), ha="center", va="center", fontsize=8, color=ACCENT, transform=axis.transAxes)
        return
    height, width = small.shape[:2]
    axis.imshow(small, interpolation="antialiased")
    axis.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, ec=QUIET, lw=0.6))  # white pictures have an edge, too
    side = max(height, width)
    axis.set_xlim((width - side) / 2 - 0.5, (width + side) / 2 - 0.5)
    axis.set_ylim((height + side) / 2 - 0.5, (height - side) / 2 - 0.5)
    for x, y, box_width, box_height in _boxes_or_none(face_boxes):
        for colour, thickness in ((INK, 2.6), (BOX, 1.4)):  # a dark rim keeps the outline visible on white marble
            axis.add_patch(Rectangle((x * scale, y * scale), box_width * scale, box_height * scale, fill=False, ec=colour, lw=thickness))


def _boxes_or_none(text: str | None) -> list:
    try:
        return parse_boxes(text) or []
    except ValueError:
        return []


def _put_caption(axis, text: str) -> None:
    axis.text(0.5, -0.02, text, ha="center", va="top", fontsize=8, color=INK, transform=axis.transAxes, parse_math=False)


def _short_captions(images: pd.DataFrame) -> list[str]:
    """Return one line a picture: its title, or title and object, where that tells most pictures apart; else its file's name."""
    titles = [" ".join(title.split()) if isinstance(title, str) else "" for title in images.get("title", [""] * len(images))]
    stems = [_shorten_middle(Path(file).stem, LONGEST_CAPTION) for file in images["file"]]
    joined = [f"{title}, {name}" for title, name in zip(titles, images["object"], strict=True)]
    for candidates in (titles, joined):
        if len({text for text, title in zip(candidates, titles, strict=True) if title}) >= len(titles) / 2:
            return [_shorten(text, LONGEST_CAPTION) if title else stem for text, title, stem in zip(candidates, titles, stems, strict=True)]
    return stems


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _shorten_middle(text: str, length: int) -> str:
    """Shorten a file name in the middle: its end, often a number, tells one picture from the next."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length // 2 - 1]}…{text[-(length - length // 2) :]}"


def _few(names: list[str], most: int = 3) -> str:
    if not names:
        return "0"
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)}: {'; '.join(names[:most])}{more}"


def _say(figure: Figure, axis, sentence: str) -> Figure:
    axis.text(0.5, 0.5, sentence, ha="center", va="center", fontsize=13, color=INK, transform=axis.transAxes)
    return figure


def _plain_axes(axis) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#8a949b")
    axis.tick_params(colors=INK, labelsize=11)


def _pixel_ticks(axis, low: float, high: float) -> None:
    """Label logarithmic axes with plain pixel numbers instead of powers of ten."""
    steps = [step * 10**power for power in range(0, 6) for step in (1, 2, 5)]
    ticks = [step for step in steps if low <= step <= high]
    for one in (axis.xaxis, axis.yaxis):
        one.set_ticks(ticks, [f"{tick:,}" for tick in ticks])
        one.set_minor_locator(NullLocator())
