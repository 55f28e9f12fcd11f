"""A museum's own table is joined to its pictures whatever its columns, encoding and faults; nothing it says is lost."""

import csv
from io import StringIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.collections.metadata import boxes_text, find_metadata, join_metadata, parse_boxes, read_metadata, view_of_yaw
from lib.compendium.errors import CollectionError

SLOW_DISK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def folder_with(tmp_path, files, tables):
    """Make a folder of (empty) picture files and metadata files; return it."""
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, text in tables.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path


def rows(table):
    return table.set_index("file").to_dict("index")


@pytest.mark.parametrize(
    "content",
    [
        "file,Culture,Wert\na.jpg,Römisch,1\n", "\ufefffile,Culture,Wert\r\na.jpg,Römisch,1\r\n", "file;Culture;Wert\na.jpg;Römisch;1",
        "file\tCulture\tWert\na.jpg\tRömisch\t1\n", "sep=;\nfile;Culture;Wert\na.jpg;Römisch;1\n",
        '\n"file","Culture","Wert"\n\n"a.jpg","Römisch","1"\n\n',
        "file,Culture,Wert\na.jpg,Römisch,1\n".encode("cp1252"), "file,Culture,Wert\na.jpg,Römisch,1\n".encode("utf-16"),
    ],
)  # fmt: skip
def test_every_spelling_of_a_table_is_read(tmp_path, content):
    """Byte order marks, semicolons, tabs, Excel's own line, blank lines, Latin-1 and UTF-16 give the same table."""
    joined, report = join_metadata(folder_with(tmp_path, ["a.jpg"], {"metadata.csv": content}), ["a.jpg"])
    assert joined.loc[0, "culture"] == "Römisch" and joined.loc[0, "Wert"] == "1"
    assert report["pictures_with_metadata"] == 1 and not report["problems"] and "Culture" not in joined


@pytest.mark.parametrize("column", ["file", "Filename", "FILE_NAME", "File name", "image", "Image_File", "path", "name", "photo"])
@pytest.mark.parametrize(
    "cell", ["s/a b.jpg", "a b.jpg", "A B.JPG", "a b", "./s/a b.jpg", "C:\\photos\\a b.jpg", "/mnt/x/s/a b.jpg", "a b.tif", "a%20b.jpg"]
)
def test_a_row_finds_its_picture(tmp_path, column, cell):
    """By path, base name or stem, in any case, under any of the usual column names."""
    folder = folder_with(tmp_path, ["s/a b.jpg", "s/other.jpg"], {"metadata.csv": f"id,{column},title\n7,{cell},Head\n"})
    joined, report = join_metadata(folder, ["s/a b.jpg", "s/other.jpg"])
    assert rows(joined)["s/a b.jpg"]["title"] == "Head" and rows(joined)["s/other.jpg"]["title"] is None
    assert report["pictures_with_metadata"] == 1 and report["rows_without_picture"] == []


def test_accents_may_be_composed_or_not(tmp_path):
    """A name typed on a Mac (accents apart) is the name typed elsewhere."""
    folder = folder_with(tmp_path, ["Bu\u0308ste.jpg"], {"metadata.csv": "file,title\nB\u00fcste.jpg,x\n"})
    assert join_metadata(folder, ["Bu\u0308ste.jpg"])[1]["pictures_with_metadata"] == 1


def test_same_names_in_two_folders(tmp_path):
    """A base name found twice is not guessed, the end of a path is understood, and the object is the path."""
    files = ["a/1.jpg", "b/1.jpg", "b/2.jpg"]
    folder = folder_with(tmp_path, files, {"metadata.csv": "file,title\n1.jpg,which\nx/b/1.jpg,B\n2.jpg,two\n"})
    joined, report = join_metadata(folder, files)
    assert [row["title"] for row in rows(joined).values()] == [None, "B", "two"]
    assert report["rows_without_picture"] == ["1.jpg"] and "several" in report["problems"][0]
    assert list(joined["object"]) == ["a/1", "b/1", "2"]


def test_capital_letters_can_tell_files_apart(tmp_path):
    """Where both exist, A.jpg is not a.jpg."""
    folder = folder_with(tmp_path, ["A.jpg", "a.jpg"], {"metadata.csv": "file,title\na.jpg,small\nA.jpg,large\n"})
    joined, _ = join_metadata(folder, ["A.jpg", "a.jpg"])
    assert list(joined["title"]) == ["large", "small"]


def test_deeper_tables_win_and_hold_below_their_own_folder(tmp_path):
    """Each folder may have its own table; what it says about its files goes over what the outer one says."""
    files = ["a/1.jpg", "b/1.jpg"]
    tables = {
        "metadata.csv": "file,title,culture\na/1.jpg,outer,Roman\nb/1.jpg,outer,Roman\n",
        "a/manifest.csv": "file,title\n1.jpg,inner\n",
        "b/metadata.csv": "file,title\n1.jpg,right\n",
        "b/manifest.csv": "file,title\n1.jpg,wrong\n",
    }
    folder = folder_with(tmp_path, files, tables)
    assert find_metadata(folder) == ["metadata.csv", "a/manifest.csv", "b/metadata.csv"]
    joined, _ = join_metadata(folder, files)
    assert list(joined["title"]) == ["inner", "right"]


def test_unknown_columns_are_kept_and_clashes_get_a_suffix(tmp_path):
    """Columns we do not know stay as they are; one named like ours does not overwrite it."""
    text = "file,Fundort,width,note,sha256\na.jpg,Rom,7,hello,abc\n"
    joined, _ = join_metadata(folder_with(tmp_path, ["a.jpg"], {"metadata.csv": text}), ["a.jpg"])
    row = rows(joined)["a.jpg"]
    assert row["Fundort"] == "Rom" and row["width_metadata"] == "7" and row["note_metadata"] == "hello" and "width" not in row


def test_ragged_and_repeated_rows_are_reported_not_fatal(tmp_path):
    """Rows with too few or too many cells and second rows of a picture are sentences in the report."""
    text = "file,title,x\na.jpg,A\nb.jpg,B,1,2,3\na.jpg,again,2\nmissing.jpg,C,3\n"
    joined, report = join_metadata(folder_with(tmp_path, ["a.jpg", "b.jpg"], {"metadata.csv": text}), ["a.jpg", "b.jpg"])
    assert list(joined["title"]) == ["A", "B"] and report["rows_without_picture"] == ["missing.jpg"]
    assert len(report["problems"]) == 3 and any("second row" in sentence for sentence in report["problems"])


def test_absent_and_empty_boxes_are_different(tmp_path):
    """No column or "?": not known (missing). An empty cell: someone looked, no face ("")."""
    text = 'file,face_boxes\na.jpg,"1,2,3,4;5,6,7,8"\nb.jpg,\nc.jpg,?\n'
    files = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    joined, _ = join_metadata(folder_with(tmp_path, files, {"metadata.csv": text}), files)
    assert list(joined["face_boxes"]) == ["1,2,3,4;5,6,7,8", "", None, None]
    joined, _ = join_metadata(folder_with(tmp_path, files, {"metadata.csv": "file\na.jpg\n"}), files)
    assert list(joined["face_boxes"]) == [None] * 4


def test_four_columns_make_boxes_and_yaw_makes_views(tmp_path):
    """face_x ... face_h become a box, a yaw its view; empty cells mean no face; a row per face gives all boxes."""
    text = (
        "file,face_x,face_y,face_w,face_h,yaw\na.jpg,1,2,\"30,5\",40,-45\nb.jpg,,,,,0\nc.jpg,1,2,3,4,10\nc.jpg,9,2,3,4,90\nd.jpg,1,,3,4,0\n"
    )
    files = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    joined, report = join_metadata(folder_with(tmp_path, files, {"manifest.csv": text}), files)
    assert list(joined["face_boxes"]) == ["1,2,30.5,40", "", "1,2,3,4;9,2,3,4", None]
    assert list(joined["face_views"]) == ["three-quarter", "", "frontal;profile", None]
    assert any("not known" in sentence for sentence in report["problems"])


def test_a_single_view_belongs_to_the_largest_box(tmp_path):
    """A column `view` speaks of the largest face; given views must be as many as the boxes."""
    text = 'file,face_boxes,view,face_views\na.jpg,"1,2,3,4;5,6,70,80",profile,\nb.jpg,"1,2,3,4",frontal,frontal;profile\n'
    joined, report = join_metadata(folder_with(tmp_path, ["a.jpg", "b.jpg"], {"metadata.csv": text}), ["a.jpg", "b.jpg"])
    assert list(joined["face_views"]) == [";profile", None] and "2 face views for 1" in report["problems"][0]


@pytest.mark.parametrize(
    "header, expected", [("Accession number", "x1"), ("identity", "x1"), ("statue", "x1"), ("License", None), ("Medium", None)]
)
def test_museum_words_become_ours(tmp_path, header, expected):
    """Object, licence and material are found under the names museums use; without one, the object is the file's stem."""
    joined, _ = join_metadata(folder_with(tmp_path, ["a.jpg"], {"metadata.csv": f"file,{header}\na.jpg,x1\n"}), ["a.jpg"])
    assert joined.loc[0, "object"] == (expected or "a") and joined.loc[0, header] == "x1"
    if expected is None:
        assert joined.loc[0, {"License": "licence", "Medium": "material"}[header]] == "x1"


def test_metadata_is_not_needed(tmp_path):
    """Without metadata every picture has an object and nothing else."""
    joined, report = join_metadata(folder_with(tmp_path, ["a.jpg"], {}), ["a.jpg"])
    assert rows(joined) == {
        "a.jpg": {"face_boxes": None, "face_views": None, "object": "a", "culture": None, "material": None, "licence": None, "date": None,
                  "title": None}
    }  # fmt: skip
    assert report["metadata_files"] == [] and report["pictures_without_metadata"] == 1


@pytest.mark.parametrize(
    "content, words",
    [
        ("file,title\nx.jpg,1\n", "'x.jpg'"), ("", "empty"), ("file,title\n", "0 rows"), ("colour,size\nred,1\n", "'colour'"),
        (b"PK\3\4\0\0\0", "no text"),
    ],
)  # fmt: skip
def test_metadata_that_matches_nothing_is_one_clear_line(tmp_path, content, words):
    """What was received, what was expected, what to do."""
    with pytest.raises(CollectionError, match=words) as caught:
        join_metadata(folder_with(tmp_path, ["a.jpg"], {"metadata.csv": content}), ["a.jpg"])
    assert "Expected" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "yaw, view", [(0, "frontal"), (-25, "frontal"), (26, "three-quarter"), (60, "three-quarter"), (-61, "profile"), (350, "frontal")]
)
def test_views_of_yaw(yaw, view):
    """The stated bins: up to 25 degrees frontal, up to 60 three-quarter, beyond that profile."""
    assert view_of_yaw(yaw) == view


numbers = st.floats(min_value=-5000, max_value=5000, allow_nan=False).map(lambda value: round(value, 2))
sizes = st.floats(min_value=0.01, max_value=5000).map(lambda value: max(0.01, round(value, 2)))


@given(st.lists(st.tuples(numbers, numbers, sizes, sizes), max_size=5))
def test_boxes_survive_being_written(boxes):
    """Boxes written as text are read back the same."""
    assert parse_boxes(boxes_text(boxes)) == [tuple(box) for box in boxes]


@given(st.text(max_size=40))
def test_any_text_is_boxes_or_a_value_error(text):
    """No text makes the box reader do anything but answer or raise ValueError."""
    try:
        boxes = parse_boxes(text)
    except ValueError:
        return
    assert boxes is None or all(len(box) == 4 and box[2] > 0 and box[3] > 0 for box in boxes)


@SLOW_DISK
@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_a_clear_line(tmp_path, content):
    """Whatever lies in metadata.csv, the answer is a table or a CollectionError."""
    (tmp_path / "metadata.csv").write_bytes(content)
    (tmp_path / "a.jpg").touch()
    try:
        joined, report = join_metadata(tmp_path, ["a.jpg"])
    except CollectionError:
        return
    assert len(joined) == 1 and report["pictures_with_metadata"] == 1


cells = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)


@SLOW_DISK
@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from([",", ";", "\t"]))
def test_every_cell_of_a_proper_table_is_read(tmp_path, table, delimiter):
    """Cells with quotes, delimiters and any letters come back as they were, whatever the delimiter."""
    text = StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([["file", "eins", "zwei"], *table])
    (tmp_path / "metadata.csv").write_text(text.getvalue(), encoding="utf-8-sig")
    read, problems = read_metadata(tmp_path / "metadata.csv")
    assert not problems
    assert read.to_numpy().tolist() == [row for row in table if any(cell.strip() for cell in row)]
