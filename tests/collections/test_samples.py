"""The samples are built once from installed packages, whole or not at all, with boxes that lie inside their pictures."""

import pytest

from lib.collections import samples
from lib.collections.folder import list_pictures
from lib.collections.metadata import join_metadata, parse_boxes
from lib.collections.pictures import inspect_picture
from lib.compendium.errors import CollectionError


def test_samples_are_whole_and_boxed(tmp_path):
    """At least eight readable photographs, each with title and licence; boxes inside; some without a face, one not known."""
    folder = samples.samples_folder(tmp_path / "samples")
    files = list_pictures(folder)
    joined, report = join_metadata(folder, files)
    assert len(files) >= 8 and report["pictures_without_metadata"] == 0 and report["rows_without_picture"] == [] and not report["problems"]
    assert joined["title"].notna().all() and joined["licence"].notna().all() and joined["source_package"].notna().all()
    for row in joined.itertuples():
        facts = inspect_picture(folder / row.file)
        assert facts["status"] == "ok"
        for x, y, width, height in parse_boxes(row.face_boxes) or []:
            assert 0 <= x < x + width <= facts["width"] and 0 <= y < y + height <= facts["height"]
    assert (joined["face_boxes"] == "").sum() >= 3 and joined["face_boxes"].isna().sum() == 1
    assert sum(len(parse_boxes(text) or []) for text in joined["face_boxes"]) >= 3


def test_building_twice_changes_nothing_and_damage_is_mended(tmp_path):
    """A second call writes nothing; a lost or changed file comes back; nothing temporary stays."""
    folder = samples.samples_folder(tmp_path / "samples")
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert samples.samples_folder(folder) == folder and {file: file.stat().st_mtime_ns for file in folder.iterdir()} == times
    (folder / "astronaut.png").unlink()
    (folder / "metadata.csv").write_text("broken")
    samples.samples_folder(folder)
    assert (folder / "astronaut.png").stat().st_size > 1000 and "Eileen" in (folder / "metadata.csv").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["samples"] and not list(folder.glob(".*"))


def test_missing_packages_are_one_clear_line(tmp_path, monkeypatch):
    """If the packages no longer ship the photographs, one line says so."""
    monkeypatch.setattr(samples, "PHOTOGRAPHS", (samples.Sample("no_such_package", "a.png", "", "", ""),) * 12)
    with pytest.raises(CollectionError, match="0 of 12"):
        samples.samples_folder(tmp_path / "samples")
