"""Corpora brought by the reader are read exactly, whatever their layout, and every doubt about a label is one clear line."""

import csv
import tracemalloc
from io import StringIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.collections.corpora import accuracy, labelled_folder, meant_files, read_fer2013, select
from lib.compendium.errors import CollectionError, ParameterError
from lib.expressions import EXPRESSIONS

FER2013 = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]  # the competition's own order, typed again
SLOW_DISK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
USAGES = ["Training"] * 4 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
LABELS = [0, 1, 2, 3, 4, 5, 6, 3]


def faces(count=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def kaggle(images, labels=LABELS, usages=USAGES, spaced=False):
    """Write the competition's table by hand: fer2013.csv, or icml_face_data.csv with its blanks and other order."""
    lines = ["emotion, Usage, pixels" if spaced else "emotion,pixels,Usage"]
    for image, label, usage in zip(images, labels, usages, strict=True):
        pixels = " ".join(map(str, image.ravel()))
        lines.append(f"{label},{usage},{pixels}" if spaced else f"{label},{pixels},{usage}")
    return "\n".join(lines) + "\n"


def spoilt(tmp_path, row=3, **cells):
    """Write a table in which some cells of one row (counted from 0) are replaced; return its path."""
    rows = list(csv.DictReader(StringIO(kaggle(faces()))))
    rows[row].update(cells)
    with (tmp_path / "fer2013.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "fer2013.csv"


def pictures(folder, named, side=48, seed=0):
    """Save random grey pictures under relative paths; return {path: pixels}."""
    saved = dict(zip(named, np.random.default_rng(seed).integers(0, 256, (len(named), side, side), dtype=np.uint8), strict=True))
    for name, pixels in saved.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    return saved


@pytest.mark.parametrize("name, spaced", [("fer2013.csv", False), ("icml_face_data.csv", True)])
@pytest.mark.parametrize("by_folder", [False, True])
def test_both_tables_are_read_as_an_independent_reader_reads_them(tmp_path, name, spaced, by_folder):
    """Pixels, labels and splits of both tables equal those of the csv module and numpy, by the file's place or its folder's."""
    path = tmp_path / name
    path.write_text(kaggle(faces(), spaced=spaced))
    corpus = read_fer2013(tmp_path if by_folder else path)
    rows = [{key.strip(): value for key, value in row.items()} for row in csv.DictReader(path.open())]
    truth = np.array([[int(value) for value in row["pixels"].split()] for row in rows]).reshape(-1, 48, 48)
    assert corpus.images.dtype == np.uint8 and np.array_equal(corpus.images, truth) and np.array_equal(truth, faces())
    assert corpus.expression.tolist() == [FER2013[int(row["emotion"])] for row in rows]
    assert corpus.usage.tolist() == [row["Usage"] for row in rows]
    assert corpus.source == name and corpus.left_out.empty


@SLOW_DISK
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["Training", "PublicTest", "PrivateTest"])), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1), st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]), st.permutations(["emotion", " Usage", "pixels "]), st.booleans(),
)  # fmt: skip
def test_a_table_survives_being_written(tmp_path, labels, seed, delimiter, encoding, ending, columns, quoted):
    """Any order of columns, delimiter, encoding, line ending and quotation gives back what was written."""
    images = faces(len(labels), seed)
    cells = [{"emotion": number, "usage": usage, "pixels": " ".join(map(str, image.ravel()))}
             for image, (number, usage) in zip(images, labels, strict=True)]  # fmt: skip
    text = StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerows([columns, *([row[column.strip().lower()] for column in columns] for row in cells)])
    (tmp_path / "x.csv").write_bytes(text.getvalue().encode(encoding))
    corpus = read_fer2013(tmp_path / "x.csv")
    assert np.array_equal(corpus.images, images)
    assert list(zip(corpus.expression, corpus.usage, strict=True)) == [(FER2013[number], usage) for number, usage in labels]


@SLOW_DISK
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_corpus_or_a_clear_line(tmp_path, content, headed):
    """Whatever lies in fer2013.csv, the answer is a CollectionError in one line."""
    (tmp_path / "fer2013.csv").write_bytes((b"emotion,pixels,Usage\n" if headed else b"") + content)
    with pytest.raises(CollectionError) as caught:
        read_fer2013(tmp_path)
    assert "xpected" in str(caught.value) and "\n" not in str(caught.value)


def test_memory_stays_near_the_pictures(tmp_path):
    """A table's text, several times larger than its pictures, is never held as a whole."""
    path = tmp_path / "fer2013.csv"
    path.write_text(kaggle(faces(1200), [3] * 1200, ["Training"] * 1200))
    tracemalloc.start()
    corpus = read_fer2013(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * corpus.images.nbytes < 0.8 * path.stat().st_size


@pytest.mark.parametrize(
    "cells, words",
    [
        ({"emotion": "7"}, ["'7'", "0 to 6", "6 neutral"]), ({"emotion": "contempt"}, ["'contempt'"]), ({"emotion": "happy"}, ["'happy'"]),
        ({"emotion": ""}, ["''"]), ({"emotion": "-1"}, ["'-1'"]), ({"emotion": "3.0"}, ["'3.0'"]),
        ({"pixels": "1 2 3"}, ["3 pixels", "2304"]), ({"pixels": ""}, ["0 pixels"]), ({"pixels": "7 " * 2305}, ["2305 pixels"]),
        ({"pixels": "256 " + "7 " * 2303}, ["'256'", "0 to 255"]), ({"pixels": "7 " * 2303 + "-1"}, ["'-1'"]),
        ({"pixels": "7 " * 2303 + "x"}, ["'x'"]), ({"pixels": "7 " * 2303 + "1.5"}, ["'1.5'"]), ({"pixels": "7 " * 2304 + "y"}, ["'y'"]),
        ({"pixels": "7 " * 2303 + "9" * 30}, ["'9999"]), ({"pixels": "7," * 2303 + "7"}, ["'7,7,"]),
        ({"Usage": "Test"}, ["'Test'", "Training, PublicTest, PrivateTest"]), ({"Usage": "PrivatTest"}, ["Did you mean 'PrivateTest'"]),
        ({"Usage": ""}, ["''"]),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named_with_its_file_and_line(tmp_path, cells, words):
    """A label, pixel or split that must not be is named with the file, the line, what was expected and what to do."""
    with pytest.raises(CollectionError) as caught:
        read_fer2013(spoilt(tmp_path, **cells))
    for word in ("'fer2013.csv', line 5", "xpected", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "lacks the column"), ("emotion,pixels,Usage\n", "no pictures"), ("emotion,pixels\n3,1 2\n", "train.csv"),
        ("pixels\n1 2\n", "train.csv and test.csv"), ("a,b\n1,2\n", "Received a, b"),
        ("emotion,pixels,Usage\n3,1 2\n", "line 2: received 2"),
        ('emotion,pixels,Usage\n3,"' + "1 " * 90000, "line"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_fer2013_is_refused(tmp_path, text, words):
    """No columns, no rows, the competition's other tables, a cut-off line, an open quotation mark."""
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(CollectionError, match=words):
        read_fer2013(tmp_path / "fer2013.csv")


def test_a_place_that_is_not_there_or_an_archive_is_named(tmp_path):
    """A misspelled file gets a suggestion, an archive the advice to unpack it."""
    (tmp_path / "fer2013.csv").touch()
    (tmp_path / "archive.zip").touch()
    with pytest.raises(CollectionError, match="Did you mean 'fer2013.csv'"):
        read_fer2013(tmp_path / "fer2103.csv")
    with pytest.raises(CollectionError, match="unpack"):
        read_fer2013(tmp_path / "archive.zip")
    with pytest.raises(CollectionError, match="no 'b'"):
        read_fer2013(tmp_path / "a" / "b")


FOLDERS = ["train/angry/1.png", "train/disgusted/1.png", "train/Fearful/1.png", "train/happy/1.png", "test/sadness/1.png",
           "test/surprise/1.png", "validation/neutral/1.png", "test/3/x.png"]  # fmt: skip


@pytest.mark.parametrize("above", ["", "archive/"])
def test_the_folder_layout_is_read_with_synonyms(tmp_path, above):
    """Pictures come with the expression of their folder, the split above it, and their own pixels, also one folder deeper."""
    saved = pictures(tmp_path, [above + name for name in FOLDERS])
    corpus = read_fer2013(tmp_path)
    truth = sorted(saved)  # the order of the files' paths
    assert np.array_equal(corpus.images, np.stack([saved[name] for name in truth]))
    meaning = {"disgusted": "disgust", "Fearful": "fear", "sadness": "sad", "3": "happy"}
    names = [name.split("/")[-2] for name in truth]
    assert corpus.expression.tolist() == [meaning.get(name, name) for name in names]
    assert corpus.usage.tolist() == [{"train": "Training"}.get(name.split("/")[-3], name.split("/")[-3]) for name in truth]


def test_split_folders_may_have_the_tables_names(tmp_path):
    """Training, PublicTest and PrivateTest as folders keep their names, however they are spelled."""
    pictures(tmp_path, ["Training/happy/1.png", "Public Test/sad/1.png", "private_test/fear/1.png"])
    corpus = read_fer2013(tmp_path)
    assert dict(zip(corpus.expression, corpus.usage, strict=True)) == {"happy": "Training", "sad": "PublicTest", "fear": "PrivateTest"}


def test_colour_and_other_sizes(tmp_path):
    """A grey picture saved in colour keeps its values; another size is an error that names it, or is resized on request."""
    (tmp_path / "test" / "happy").mkdir(parents=True)
    Image.fromarray(np.repeat(faces(1)[0][..., None], 3, axis=2)).save(tmp_path / "test/happy/a.png")
    assert np.array_equal(read_fer2013(tmp_path).images[0], faces(1)[0])
    large = np.kron(faces(1)[0], np.ones((2, 2), np.uint8))  # every pixel twice as large: resizing gives the small one back
    Image.fromarray(large).save(tmp_path / "test/happy/b.png")
    with pytest.raises(CollectionError, match="'test/happy/b.png' of 96 x 96 pixels, expected 48 x 48.*resize=True"):
        read_fer2013(tmp_path)
    assert np.array_equal(read_fer2013(tmp_path, resize=True).images[1], faces(1)[0])


def test_an_unreadable_picture_is_a_row_with_a_reason(tmp_path):
    """A damaged picture stops nothing; the others keep their own labels. Only where none is readable it is an error."""
    saved = pictures(tmp_path, FOLDERS)
    (tmp_path / "test/sadness/1.png").write_bytes(b"nothing")
    corpus = read_fer2013(tmp_path)
    left = [name for name in sorted(saved) if "sadness" not in name]
    assert corpus.left_out["file"].tolist() == ["test/sadness/1.png"] and corpus.left_out["reason"][0]
    assert np.array_equal(corpus.images, np.stack([saved[name] for name in left]))
    assert len(corpus.expression) == len(corpus.usage) == 7 and "sad" not in corpus.expression
    for name in FOLDERS:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CollectionError, match="None of the 8 pictures"):
        read_fer2013(tmp_path)


@pytest.mark.parametrize(
    "names, words",
    [
        ([], "is empty"), (["happy/1.png"], "folder of its split"), (["train/1.png"], "folder of its split"),
        (["fold1/happy/1.png"], "folder of its split"), (["train/hapy/1.png"], "Did you mean 'happy'"),
        (["train/contempt/1.png"], "'contempt', expected one of the seven"), (["train/7/1.png"], "numbers mean"),
        (["a/train/sad/1.png", "b/train/sad/1.png"], "more than once, in 'a', 'b'"),
    ],
)  # fmt: skip
def test_folders_in_doubt_are_refused(tmp_path, names, words):
    """An empty folder, a missing split or expression, an unknown one, the same corpus twice."""
    pictures(tmp_path, names)
    with pytest.raises(CollectionError, match=words):
        read_fer2013(tmp_path)


def test_a_split_that_is_not_there_is_explained(tmp_path):
    """Asking the folder layout for PrivateTest says that Kaggle merged the tests; another slip gets a suggestion."""
    pictures(tmp_path, FOLDERS)
    corpus = read_fer2013(tmp_path)
    with pytest.raises(CollectionError, match=r"'PrivateTest'. Found test \(3\).*merges the two tests as 'test'.*fer2013.csv"):
        select(corpus, "PrivateTest")
    with pytest.raises(CollectionError, match="Did you mean 'Training'"):
        accuracy(corpus, "Trainin", lambda images: None)
    images, expression = select(corpus, "validation")
    assert len(images) == 1 and expression.tolist() == ["neutral"]


def planted(tmp_path, right, wrong, silent=0):
    """Make happy test pictures whose first pixel says what `predict` answers: happy, sad, or nothing."""
    images = np.zeros((right + wrong + silent, 48, 48), np.uint8)
    images[:, 0, 0] = [1] * right + [2] * wrong + [3] * silent
    path = tmp_path / "fer2013.csv"
    path.write_text(kaggle(images, [3] * len(images), ["PrivateTest"] * len(images)))
    answers = {1: [0.1, 0, 0, 0.8, 0, 0.1, 0], 2: [0.1, 0, 0, 0.1, 0, 0.8, 0], 3: [np.nan] * 7}
    return read_fer2013(path), lambda given: np.array([answers[int(image[0, 0])] for image in given])


@pytest.mark.parametrize("batch", [1, 3, 1024])
def test_accuracy_counts_and_intervals_are_the_formulas(tmp_path, batch):
    """Recall, accuracy and Wilson's interval equal the closed form, for any batch; no answer counts as wrong."""
    corpus, predict = planted(tmp_path, 7, 2, 1)
    table = accuracy(corpus, "PrivateTest", predict, batch=batch).set_index("expression")
    assert list(table.index) == [*EXPRESSIONS, "all"]
    for name in ("happy", "all"):
        assert table.loc[name, ["n", "correct", "unanswered"]].tolist() == [10, 7, 1] and table.loc[name, "recall"] == 0.7
        z, n, p = 1.959963984540054, 10, 0.7
        centre, half = (p + z * z / 2 / n) / (1 + z * z / n), z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
        assert table.loc[name, ["low", "high"]].tolist() == pytest.approx([centre - half, centre + half])
    assert table.loc["sad", "n"] == 0 and table.loc["sad", ["recall", "low", "high"]].isna().all()


def test_scores_of_another_shape_are_refused(tmp_path):
    """A `predict` with another number of classes is named with both shapes."""
    corpus, _ = planted(tmp_path, 2, 0)
    with pytest.raises(ParameterError, match=r"shape \(2, 8\) for 2 pictures, expected \(2, 7\)"):
        accuracy(corpus, "PrivateTest", lambda images: np.zeros((2, 8)))


# Any labelled folder


def touched(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_class_folders_give_expression_split_and_subject(tmp_path):
    """The folder is the expression, a split above it is the split, and the subject comes from the file's name."""
    touched(tmp_path, "train/Happiness/S01_a.jpg", "train/x/sad/S02_b.png", "Public Test/fear/S01_c.jpg", "angry/S10_d.jpg")
    table = labelled_folder(tmp_path, subject_pattern=r"(S\d+)_")
    assert table[["file", "subject", "expression", "split"]].to_numpy().tolist() == [
        ["Public Test/fear/S01_c.jpg", "S01", "fear", "test"], ["angry/S10_d.jpg", "S10", "angry", ""],
        ["train/Happiness/S01_a.jpg", "S01", "happy", "train"], ["train/x/sad/S02_b.png", "S02", "sad", "train"],
    ]  # fmt: skip
    assert table["valence"].isna().all() and table["path"].tolist() == [str(tmp_path / file) for file in table["file"]]
    assert labelled_folder(tmp_path)["subject"].tolist() == [""] * 4


def test_labels_may_be_incomplete(tmp_path):
    """Empty cells and "?" are unknown, spelled columns become ours, presence and intensity stay apart."""
    touched(tmp_path, "a.jpg", "b/1.jpg", "c/1.jpg", "never_named.jpg")
    text = ("\ufeffImage;Emotion;AU1;AU12_r;AU04_c;Valence;arousal;person;Set;remark\n"
            "a.jpg;Happiness;2,5;;1;-0,5;?;P1;Training;x\n"
            "b\\1.JPG;;;5;;;1;P2;test;y\nC:/data/c/1.jpg;?;0;0;0;;;;fold 3;z\n")
    (tmp_path / "labels.csv").write_text(text)
    table = labelled_folder(tmp_path)
    assert list(table.columns) == ["path", "file", "subject", "expression", "split", "AU01", "AU04_c", "AU12", "valence", "arousal"]
    nan = np.nan
    assert table["file"].tolist() == ["a.jpg", "b/1.jpg", "c/1.jpg"] and table["expression"].tolist() == ["happy", "", ""]
    assert table["subject"].tolist() == ["P1", "P2", ""] and table["split"].tolist() == ["train", "test", "fold 3"]
    numbers = table[["AU01", "AU04_c", "AU12", "valence", "arousal"]].to_numpy()
    assert np.array_equal(numbers, [[2.5, 1, nan, -0.5, nan], [nan, nan, 5, nan, 1], [0, 0, 0, nan, nan]], equal_nan=True)


units = st.one_of(st.none(), st.floats(0, 5, allow_nan=False))
affects = st.one_of(st.none(), st.floats(-1, 1, allow_nan=False))


@SLOW_DISK
@given(st.lists(st.tuples(st.sampled_from(["", *EXPRESSIONS]), units, affects, affects), min_size=1, max_size=4))
def test_labels_survive_being_written(tmp_path, rows):
    """Expressions, units, valence and arousal, known or not, are read back as they were written."""
    folder = touched(tmp_path, *(f"{number}.png" for number in range(4)))
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "expression", "AU06", "valence", "arousal"])
        writer.writerows([f"{number}.png", *("" if cell is None else cell for cell in row)] for number, row in enumerate(rows))
    table = labelled_folder(folder)
    assert table["expression"].tolist() == [row[0] for row in rows]
    truth = np.array([[np.nan if cell is None else cell for cell in row[1:]] for row in rows], float)
    assert np.array_equal(table[["AU06", "valence", "arousal"]].to_numpy(), truth, equal_nan=True)


@pytest.mark.parametrize(
    "text, words",
    [
        ("file,valence\na.jpg,1.01\n", "row 2: received valence '1.01', expected a number from -1 to 1"),
        ("file,arousal\na.jpg,-5\n", "leave the cell empty"), ("file,AU12\na.jpg,9\n", "AU12 '9', expected a number from 0 to 5"),
        ("file,AU12\na.jpg,strong\n", "'strong'"), ("file,AU12_c\na.jpg,0.5\n", "expected 0 or 1"), ("file,AU12\na.jpg,-1\n", "'-1'"),
        ("file,expression\na.jpg,hapy\n", "labels.csv, row 2.*Did you mean 'happy'"), ("file,expression\na.jpg,3\n", "numbers mean"),
        ("file,expression\na.jpg,contempt\n", "one of the seven"),
        ("file,expression\na.jpg,sad\nb.jpg,sad\n", "row 3 .*'b.jpg' is not there. Did you mean 'a.jpg'"),
        ("file,expression\n1.jpg,sad\n", "the name of 2 pictures"), ("file,expression\na.txt,sad\n", "extension"),
        ("file,expression\na.jpg,sad\n./A.JPG,sad\n", "'a.jpg' in rows 2 and 3"), ("file,expression\n,sad\n", "row 2"),
        ("file,AU46\na.jpg,1\n", "'AU46', expected Action Units AU01 to AU45"), ("file,AU1,AU01\na.jpg,1,1\n", "AU01 in the columns"),
        ("file,valance\na.jpg,1\n", "Did you mean 'valence'"), ("file,expresion\na.jpg,sad\n", "Did you mean 'expression'"),
        ("file\na.jpg\n", "at least one of"), ("colour,expression\nred,sad\n", "Expected file"), ("", "is empty"),
        ("file,expression\n", "no labelled picture"), ("file,expression\na.jpg,sad,1\n", "row 2: 3 cells"),
    ],
)  # fmt: skip
def test_labels_in_doubt_are_refused(tmp_path, text, words):
    """Ranges, names, files that are not there or come twice, slips in the header and shifted cells are named with their row."""
    touched(tmp_path, "a.jpg", "x/1.jpg", "y/1.jpg")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(CollectionError, match=words):
        labelled_folder(tmp_path)


def test_ignored_expressions_are_left_out(tmp_path):
    """Corpora with an eighth class are used without it, in both layouts."""
    touched(tmp_path, "contempt/1.jpg", "happy/1.jpg", "none of these/1.jpg")
    with pytest.raises(CollectionError, match="contempt"):
        labelled_folder(tmp_path)
    assert labelled_folder(tmp_path, ignore=("Contempt", "None of these"))["file"].tolist() == ["happy/1.jpg"]
    (tmp_path / "labels.csv").write_text("file,expression\ncontempt/1.jpg,contemptuous\nhappy/1.jpg,\n")
    assert labelled_folder(tmp_path, ignore=("contempt",))["file"].tolist() == ["happy/1.jpg"]
    (tmp_path / "labels.csv").write_text("file,expression\ncontempt/1.jpg,contempt\n")
    with pytest.raises(CollectionError, match="no labelled picture left"):
        labelled_folder(tmp_path, ignore=("contempt",))


@pytest.mark.parametrize(
    "pattern, error, words",
    [("(S", ParameterError, "regular expression"), ("S1", ParameterError, "without a group"), (r"(Z)", CollectionError, "no subject in 1")],
)
def test_subject_patterns_in_doubt_are_refused(tmp_path, pattern, error, words):
    """A pattern that is none, catches nothing, or misses a picture: people could end up in two splits."""
    with pytest.raises(error, match=words):
        labelled_folder(touched(tmp_path, "happy/S1.jpg"), subject_pattern=pattern)


def test_pictures_outside_class_folders_are_named(tmp_path):
    """A picture beside the class folders has no expression."""
    with pytest.raises(CollectionError, match="'a.jpg' outside any expression's folder"):
        labelled_folder(touched(tmp_path, "a.jpg", "happy/b.jpg"))


def test_names_mean_one_file_or_none():
    """An exact path comes before any other; the end of a path decides; several candidates are nobody."""
    files = ["A.jpg", "a.jpg", "x/1.jpg", "y/1.jpg", "b.png"]
    names = ["a.jpg", "A.jpg", "D:\\p\\y\\1.JPG", "1.jpg", "c.png", "B.PNG", "", "a.jpg"]
    assert meant_files(names, files) == {"a.jpg": "a.jpg", "A.jpg": "A.jpg", "D:\\p\\y\\1.JPG": "y/1.jpg", "B.PNG": "b.png"}
