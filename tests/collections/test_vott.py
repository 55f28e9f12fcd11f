"""Boxes drawn with VoTT are read from every kind of file it writes, and matched to the pictures they mean."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.collections.vott import COLUMNS, boxes_by_file, find_vott, folder_boxes, match_vott, read_vott
from lib.compendium.errors import CollectionError

HEADER = '"image","xmin","ymin","xmax","ymax","label"\n'
SLOW_DISK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def asset(path, regions, name=None):
    described = {"id": "1", "type": 1, "state": 2, "name": name or path.rsplit("/", 1)[-1], "path": path, "size": {"width": 9, "height": 9}}
    return {"asset": described, "regions": regions, "version": "2.1.0"}


def region(left, top, width, height, *tags):
    return {"id": "r", "type": "RECTANGLE", "tags": list(tags), "boundingBox": {"left": left, "top": top, "width": width, "height": height}}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=4))
    return path


def test_csv_rows_with_two_tags_are_one_box(tmp_path):
    """A region with two tags is two rows in VoTT's CSV and one box here; numbers stay unrounded."""
    first = '"a%20b.jpg",10.25,20,110.75,220.5,"face"\n"a%20b.jpg",10.25,20,110.75,220.5,"happy"\n'
    text = HEADER + first + '"c.jpg",1,2,3,4,"face"\n"c.jpg",5,5,5,9,"point"\n'
    table = read_vott(write(tmp_path / "x-export.csv", text))
    assert list(table.columns) == COLUMNS
    assert table.to_numpy().tolist() == [["a%20b.jpg", 10.25, 20.0, 100.5, 200.5, "face; happy"], ["c.jpg", 1.0, 2.0, 2.0, 2.0, "face"]]
    matched, lost = match_vott(table, ["s/a b.jpg", "c.jpg"])
    assert set(matched["file"]) == {"s/a b.jpg", "c.jpg"} and lost == []


def test_json_export_points_paths_and_tags(tmp_path):
    """Bounding boxes, else the points' extent; `file:` paths with %20; tags joined; pictures without regions give no row."""
    polygon = {"id": "p", "type": "POLYGON", "tags": [], "points": [{"x": 5, "y": 1}, {"x": 2, "y": 9.5}, {"x": 4, "y": 3}]}
    content = {"name": "p", "tags": [], "assets": {
        "1": asset("file:C:/My%20photos/a%20b.jpg", [region(1, 2, 3, 4, "face", "sad")]),
        "2": asset("file:/home/x/c.jpg", [polygon]),
        "3": asset("file:/home/x/empty.jpg", []),
    }}  # fmt: skip
    table = read_vott(write(tmp_path / "p-export.json", content))
    assert table.to_numpy().tolist() == [["C:/My photos/a b.jpg", 1, 2, 3, 4, "face; sad"], ["/home/x/c.jpg", 2, 1, 3, 8.5, ""]]


def test_project_file_reads_the_assets_beside_it(tmp_path):
    """A `.vott` project keeps its boxes in `<id>-asset.json`; each of those can be read alone."""
    entry = asset("file:/p/a.jpg", [region(1, 2, 3, 4, "face")])
    write(tmp_path / "abc-asset.json", entry)
    assets = {"abc": entry["asset"], "def": {"name": "b.jpg", "path": "file:/p/b.jpg"}}
    project = write(tmp_path / "p.vott", {"name": "p", "assets": assets})
    assert read_vott(project).equals(read_vott(tmp_path / "abc-asset.json"))
    assert len(read_vott(project)) == 1


def test_same_name_in_two_folders(tmp_path):
    """The longest common end of the paths decides; a bare name that could mean two pictures means none."""
    content = {"assets": {"1": asset("file:D:/x/a/1.jpg", [region(1, 1, 2, 2)]), "2": asset("file:D:/x/b/1.jpg", [region(3, 3, 4, 4)])}}
    matched, lost = match_vott(read_vott(write(tmp_path / "e.json", content)), ["b/1.jpg", "a/1.jpg", "c/1.jpg"])
    assert boxes_by_file(matched) == {"a/1.jpg": "1,1,2,2", "b/1.jpg": "3,3,4,4"} and lost == []
    matched, lost = match_vott(read_vott(write(tmp_path / "e.csv", HEADER + "1.jpg,1,2,3,4,f\n")), ["a/1.jpg", "b/1.jpg"])
    assert len(matched) == 0 and lost == ["1.jpg"]


def test_a_folder_gathers_its_exports(tmp_path):
    """Exports and projects are found among other tables; an export is believed before its project; damage is reported."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "vott-csv-export").mkdir()
    write(tmp_path / "metadata.csv", "file,image\na.jpg,x\n")
    write(tmp_path / "other.json", '{"assets": 5}')
    write(tmp_path / "vott-csv-export/P-export.csv", HEADER + "a.jpg,1,2,11,22,face\n")
    write(tmp_path / "1-asset.json", asset("file:/p/a.jpg", [region(5, 5, 5, 5)]))
    write(tmp_path / "2-asset.json", asset("file:/p/b.jpg", [region(6, 6, 6, 6)]))
    write(tmp_path / "3-asset.json", "{")
    assert find_vott(tmp_path) == ["1-asset.json", "2-asset.json", "3-asset.json", "vott-csv-export/P-export.csv"]
    boxes, report = folder_boxes(tmp_path, ["a.jpg", "b.jpg"])
    assert boxes_by_file(boxes) == {"a.jpg": "1,2,10,20", "b.jpg": "6,6,6,6"}
    assert report["boxes"] == report["pictures"] == 2 and len(report["problems"]) == 1


def test_no_export_is_no_problem(tmp_path):
    """A folder without VoTT files gives an empty table with the right columns."""
    (tmp_path / "a.jpg").touch()
    boxes, report = folder_boxes(tmp_path, ["a.jpg"])
    assert list(boxes.columns) == COLUMNS and len(boxes) == 0 and report["vott_files"] == [] and boxes_by_file(boxes) == {}


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.csv", ""), ("a.csv", "image,left\n1,2\n"), ("a.csv", HEADER + "a.jpg,1,x,3,4,f\n"), ("a.csv", HEADER + "a.jpg,1,2\n"),
        ("a.csv", HEADER + "a.jpg,1,2,nan,4,f\n"), ("a.json", ""), ("a.json", "[]"), ("a.json", "{}"), ("a.json", '{"assets": {"1": 5}}'),
        ("a.json", '{"assets": {"1": {"asset": {"name": ""}}}}'), ("a.vott", "not json"), ("a.json", "[" * 5000),
        ("a.json", '{"assets": {"1": {"asset": {"name": "a"}, "regions": [{}]}}}'),
        ("a.json", json.dumps({"assets": {"1": asset("a", [region(10**400, 1, 1, 1)])}})),
    ],
)  # fmt: skip
def test_anything_else_is_one_clear_line(tmp_path, name, content):
    """Other tables, other JSON and damaged exports: what was received, what was expected, what to do."""
    with pytest.raises(CollectionError, match="Expected a VoTT") as caught:
        read_vott(write(tmp_path / name, content))
    assert "\n" not in str(caught.value)


BOX_KEYS = ["boundingBox", "points", "left", "top", "width", "height", "x", "y"]
keys = st.sampled_from(["asset", "assets", "regions", "tags", "path", "name", *BOX_KEYS])
plain_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)


@SLOW_DISK
@given(plain_json)
def test_any_json_is_boxes_or_a_clear_line(tmp_path, content):
    """Whatever JSON is given, the answer is a table or a CollectionError."""
    try:
        table = read_vott(write(tmp_path / "a.json", content))
    except CollectionError:
        return
    assert list(table.columns) == COLUMNS and (table[["width", "height"]] > 0).all(axis=None)


coordinates = st.floats(min_value=0, max_value=4000)
extents = st.floats(min_value=0.5, max_value=4000)


@SLOW_DISK
@given(st.lists(st.tuples(coordinates, coordinates, extents, extents), min_size=1, max_size=5))
def test_csv_and_json_agree(tmp_path, boxes):
    """The same boxes exported as CSV and as JSON are the same boxes."""
    lines = [f"a.jpg,{x!r},{y!r},{x + width!r},{y + height!r},face\n" for x, y, width, height in boxes]
    one = read_vott(write(tmp_path / "a.csv", HEADER + "".join(lines)))
    other = read_vott(write(tmp_path / "a.json", {"assets": {"1": asset("a.jpg", [region(*box, "face") for box in boxes])}}))
    assert one.drop(columns=["file", "label"]).to_numpy() == pytest.approx(other.drop(columns=["file", "label"]).to_numpy())
