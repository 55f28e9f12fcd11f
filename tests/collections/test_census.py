"""The census counts what is there, loses no file, and draws its figures for one picture as for five thousand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lib.collections import census
from lib.collections.folder import list_pictures
from lib.collections.pictures import inspect_job
from lib.collections.registry import Collection
from lib.collections.tables import checked
from lib.compendium.errors import CollectionError, CompendiumError
from tests.collections.making import save

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def census_of(folder):
    """Return (collection, images, report) of a folder."""
    inspected = {name: inspect_job({"folder": str(folder), "file": name}) for name in list_pictures(folder)}
    collection = Collection(folder.name, folder.name, folder)
    return collection, *census.image_table(collection, inspected)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder with copies, a smaller copy, blank and broken files, metadata and a VoTT export."""
    folder = tmp_path_factory.mktemp("mixed")
    save(folder / "a.png", 1, 300, 400)
    shutil.copy(folder / "a.png", folder / "b.jpg")
    save(folder / "deep/small.jpg", 1, 150, 200)
    save(folder / "other.jpg", 9, 500, 300)
    Image.new("RGB", (50, 60), "white").save(folder / "blank1.png")
    Image.new("RGB", (70, 60), "white").save(folder / "blank2.png")
    (folder / "zero.jpg").touch()
    (folder / "raw.HEIC").touch()
    (folder / "metadata.csv").write_text('file,culture,Fundort,face_boxes\na.png,Roman,Rom,"10,10,50,60"\nother.jpg,Roman,,\n')
    (folder / "p-export.csv").write_text("image,xmin,ymin,xmax,ymax,label\nsmall.jpg,1,2,11.5,22,face\na.png,1,2,3,4,face\n")
    return census_of(folder)


def figures_of(collection, images):
    """Draw every figure to the end and return them."""
    figures = [
        census.contact_sheet(collection, images),
        census.table_one_figure(images, collection.title),
        census.sizes_figure(images),
        census.duplicates_figure(collection, images),
    ]
    for figure in figures:
        assert isinstance(figure, Figure)
        figure.canvas.draw()
    return figures


def test_every_file_is_a_row_with_its_facts(mixed):
    """Good, broken and repeated files are rows; ids are content hashes; unknown columns are kept; VoTT fills what metadata leaves."""
    _, images, report = mixed
    rows = images.set_index("file")
    assert (rows["image_id"] == rows["sha256"].str[:16]).all()
    assert rows.loc["zero.jpg", "status"] == "broken" and rows.loc["zero.jpg", "reason"]
    assert rows.loc["b.jpg", "duplicate_of"] == "a.png" and "PNG" in rows.loc["b.jpg", "note"]
    assert rows.loc["deep/small.jpg", "near_duplicate_group"] == rows.loc["a.png", "near_duplicate_group"] == rows.loc["a.png", "image_id"]
    assert rows.loc[["blank1.png", "blank2.png", "other.jpg"], "near_duplicate_group"].isna().all()
    assert rows.loc["a.png", "Fundort"] == "Rom"
    assert rows.loc["a.png", "face_boxes"] == "10,10,50,60" and rows.loc["other.jpg", "face_boxes"] == ""
    assert rows.loc["deep/small.jpg", "face_boxes"] == "1,2,10.5,20" and rows.loc["deep/small.jpg", "box_source"] == "vott"
    assert rows.loc["b.jpg", "face_boxes"] is None
    assert {key: report[key] for key in ("pictures", "ok", "broken", "exact_duplicates", "near_duplicate_groups", "faces")} == {
        "pictures": 7, "ok": 6, "broken": 1, "exact_duplicates": 1, "near_duplicate_groups": 1, "faces": 2,
    }  # fmt: skip
    json.dumps(report)


def test_summaries_add_up(mixed):
    """Counts add up to the number of pictures, a missing column counts as not stated, tables name the right files."""
    _, images, report = mixed
    for column in ("culture", "material", "no_such_column"):
        assert census.counts(images, column)["pictures"].sum() == len(images)
    assert census.counts(images, "culture").iloc[-1][["culture", "pictures"]].tolist() == [census.NOT_STATED, 5]
    assert census.size_counts(images)["pictures"].tolist() == [2, 3, 1, 0, 0, 0]
    assert list(census.problems_table(images)["file"]) == ["zero.jpg", "b.jpg", "blank1.png", "blank2.png"]
    assert list(census.duplicates_table(images)["kind"]) == ["same file", "nearly the same"]
    assert census.metadata_table(report).set_index("item").loc["rows in them", "value"] == "2"
    totals = census.census_table(report).set_index("item")["number"]
    assert totals["broken"] == 1 and totals["other files"] == 2 and totals.filter(like="HEIC").tolist() == [1]
    beside = census.table_one_beside(images, "mine")
    assert len(beside) == 16 and beside.iloc[-1].tolist() == ["This collection: mine", 6, False]


def test_the_table_survives_the_disk(mixed, tmp_path):
    """Written as Parquet and read back, the table is equal, with "no face" and "not known" still apart."""
    images = mixed[1]
    images.to_parquet(tmp_path / "images.parquet", index=False)
    pd.testing.assert_frame_equal(checked(pd.read_parquet(tmp_path / "images.parquet")), images)


def test_unsound_tables_are_refused(mixed, tmp_path):
    """Two rows of one file, an unknown status, a missing column: an error naming the column."""
    images = mixed[1]
    for bad, words in (
        (pd.concat([images, images.head(1)]), "file"),
        (images.assign(status="fine"), "status"),
        (images.drop(columns="sha256"), "sha256"),
        (images.assign(image_id="xyz"), "image_id"),
    ):
        with pytest.raises(CompendiumError, match=words):
            checked(bad)


def test_figures_and_captions_of_a_mixed_folder(mixed):
    """All figures are drawn; captions say how many pictures are shown."""
    collection, images, _ = mixed
    figures_of(collection, images)
    assert "All 6 readable" in census.contact_sheet_caption(images) and "2 of 6" in census.contact_sheet_caption(images, 2)
    assert census.duplicates_caption(images).startswith("The one group of")
    assert "1,797" in census.table_one_caption() and "1,855" in census.table_one_caption()


def test_one_picture_without_anything(tmp_path):
    """One picture, no metadata, no duplicate: every table and figure still works."""
    save(tmp_path / "only.png")
    collection, images, _ = census_of(tmp_path)
    figures_of(collection, images)
    assert len(census.duplicates_table(images)) == 0 and len(census.problems_table(images)) == 0
    assert "repeats another" in census.duplicates_caption(images)


def test_only_broken_pictures(tmp_path):
    """A folder of nothing but broken files gives tables and figures that say so."""
    (tmp_path / "a.jpg").write_text("x")
    collection, images, report = census_of(tmp_path)
    figures_of(collection, images)
    assert report["ok"] == 0 and census.counts(images, "format")["pictures"].sum() == 1


def test_no_pictures_is_an_error(tmp_path):
    """An empty census is refused."""
    with pytest.raises(CollectionError, match="no pictures"):
        census.image_table(Collection("x", "x", tmp_path), {})


def test_five_thousand_pictures_are_sampled_evenly(mixed):
    """Of many pictures a sheet shows an even choice from first to last, and says so; a picture lost since leaves its place."""
    _, images, _ = mixed
    row = images[images["file"] == "a.png"]
    many = pd.concat([row] * 6000, ignore_index=True).assign(file=[f"{number:05}.png" for number in range(6000)])
    chosen = census.evenly(many, 40)
    assert len(chosen) == 40 and chosen["file"].iloc[0] == "00000.png" and chosen["file"].iloc[-1] == "05999.png"
    assert np.ptp(np.diff(chosen["file"].str[:5].astype(int))) <= 1
    assert "40 of 6,000" in census.contact_sheet_caption(many) and "5,000 of 6,000" in census.sizes_caption(many)
    figures_of(mixed[0], many)


@pytest.mark.parametrize("name, pictures, faces, objects", [("getty_ambers", 62, 34, 38), ("statues", 180, 180, 9)])
def test_real_collections(name, pictures, faces, objects):
    """The amber and statue photographs, where they are at hand, are counted as their own descriptions say."""
    if not (SHARED / name).is_dir():
        pytest.skip("this collection of photographs is not beside this repository")
    _, images, report = census_of(SHARED / name)
    assert (report["pictures"], report["broken"], report["faces"]) == (pictures, 0, faces)
    assert images["object"].nunique() == objects and (images["sha256"] == images["sha256_metadata"]).all()
    assert report["exact_duplicates"] == 0 and not report["metadata"]["problems"]
