"""The five corpora of the LIME study in their published layouts: files, people, expressions; what is wrong is named, and how to get it."""

from pathlib import Path

import pytest

from lib.collections import fer_corpora
from lib.compendium.errors import CollectionError, ParameterError
from tests.collections.making import save


def lines(table):
    return sorted(table[["file", "subject", "expression"]].itertuples(index=False, name=None))


def ck_plus(folder, codes):
    """Write sequences of four frames and their labels as CK+ does; codes: {(subject, sequence): text of the label, None: no label}."""
    for (subject, sequence), code in codes.items():
        for frame in range(1, 5):
            save(folder / "cohn-kanade-images" / subject / sequence / f"{subject}_{sequence}_{frame:08d}.png")
        label = folder / "Emotion" / subject / sequence / f"{subject}_{sequence}_00000004_emotion.txt"
        label.parent.mkdir(parents=True)
        if code is not None:
            label.write_text(code)
    return folder


def test_ck_plus_is_read_by_its_labels_last_frame_first(tmp_path):
    """Labels are numbers; the last frames of a labelled sequence are taken; contempt and sequences without a label are left out."""
    ck_plus(tmp_path, {("S005", "001"): "   3.0000000e+00\n", ("S005", "002"): None, ("S010", "001"): "   2.0000000e+00",
                       ("S010", "002"): "   5.0000000e+00", ("S010", "004"): "1", ("S011", "001"): "7.0"})  # fmt: skip
    (tmp_path / "cohn-kanade-images" / "S005" / ".DS_Store").write_bytes(b"")
    table = fer_corpora.read("ck_plus", tmp_path)
    place = "cohn-kanade-images/{0}/{1}/{0}_{1}_{2:08d}.png".format
    assert lines(table) == [(place("S005", "001", 4), "ck_plus:S005", "disgust"), (place("S010", "002", 4), "ck_plus:S010", "happy"),
                            (place("S010", "004", 4), "ck_plus:S010", "angry"), (place("S011", "001", 4), "ck_plus:S011", "surprise")]
    assert list(table.columns) == fer_corpora.COLUMNS and all(Path(path).is_file() for path in table["path"])
    three = fer_corpora.read("ck_plus", tmp_path, frames=3)
    assert [file[-5] for file in three["file"][:3]] == ["2", "3", "4"] and len(three) == 12


@pytest.mark.parametrize(("text", "message"), [("8.0", "'8.0', expected one number"), ("", "received the label ''"), ("1.5", "'1.5'"),
                                               ("-1", "'-1'"), ("nan", "'nan'"), ("happy", "'happy'")])  # fmt: skip
def test_a_label_of_ck_plus_that_means_nothing_is_named(tmp_path, text, message):
    """The file, its text, and the meaning of the numbers are said."""
    ck_plus(tmp_path, {("S005", "001"): text})
    with pytest.raises(CollectionError, match=message) as error:
        fer_corpora.read("ck_plus", tmp_path)
    assert "S005_001_00000004_emotion.txt" in str(error.value) and "2 contempt" in str(error.value)


def test_ck_plus_without_its_labels_or_pictures_is_refused(tmp_path):
    """Images without the labels' archive, and a label whose images were not unpacked."""
    ck_plus(tmp_path / "a", {("S005", "001"): None})
    with pytest.raises(CollectionError, match=r"1 sequences and 0 emotion labels.*Emotion/S005"):
        fer_corpora.read("ck_plus", tmp_path / "a")
    ck_plus(tmp_path / "b", {("S005", "001"): "1", ("S006", "001"): "1"})
    for file in (tmp_path / "b" / "cohn-kanade-images" / "S006" / "001").iterdir():
        file.unlink()
    with pytest.raises(CollectionError, match="S006_001_00000004_emotion.txt' but no picture of its sequence"):
        fer_corpora.read("ck_plus", tmp_path / "b")


def test_sets_unpacked_twice_are_refused(tmp_path):
    """A sequence, a label or a picture that lies in two folders is named with both, in each corpus: nothing is taken twice."""
    ck_plus(tmp_path / "ck", {("S005", "001"): "3"})
    for again, name in (("cohn-kanade-images", "S005_001_00000003.png"), ("Emotion", "S005_001_00000004_emotion.txt")):
        place = tmp_path / "ck" / again / "S005" / "001"
        twice = tmp_path / "ck" / "again" / again / "S005" / "001"
        twice.mkdir(parents=True)
        (twice / name).write_bytes((place / name).read_bytes())
        with pytest.raises(CollectionError, match=f"S005 001 is there twice, in .*again/{again}/S005/001.*Delete one"):
            fer_corpora.read("ck_plus", tmp_path / "ck", frames=3)
        (twice / name).unlink()
    assert len(fer_corpora.read("ck_plus", tmp_path / "ck", frames=3)) == 3
    for place in ("F001/Angry", "F001/Anger"):
        save(tmp_path / "bu" / place / "000.jpg")
    with pytest.raises(CollectionError, match="F001 angry is there twice, in 'F001/Anger' and in 'F001/Angry'"):
        fer_corpora.read("bu_4dfe", tmp_path / "bu")
    for place in ("jaffe", "copy"):
        save(tmp_path / "jaffe" / place / "KA.AN1.39.tiff")
    with pytest.raises(CollectionError, match="ka.an1.39.tiff is there twice, in 'copy' and in 'jaffe'"):
        fer_corpora.read("jaffe", tmp_path / "jaffe")
    wsefep(tmp_path / "wsefep", [("AD_1034", "joy")])
    save(tmp_path / "wsefep" / "copy" / "AD_1034.jpg")
    with pytest.raises(CollectionError, match="ad_1034 is there twice"):
        fer_corpora.read("wsefep", tmp_path / "wsefep")


@pytest.mark.parametrize(("name", "file", "message"), [
    ("bu_4dfe", "BU_4DFE/F001/Angry/000.jpg", "give the folder that holds the subjects"), ("bu_4dfe", "Angry/000.jpg", "of its subject"),
    ("fega", "S01/happy/frontal/1.png", "and no others: move it, or write labels.csv"), ("fega", "all/S01/happy/1.png", "and no others"),
    ("fega", "happy/1.png", "and no others"), ("fega", "happy/sad/1.png", "and no others"),
    ("fega", "train/happy/1.png", "'train', which names a part of a split"), ("fega", "happy/Validation/1.png", "'Validation', which"),
    ("fega", "test_2/happy/1.png", "'test_2', which names a part"),
])  # fmt: skip
def test_pictures_in_other_folders_than_expected_are_refused(tmp_path, name, file, message):
    """Too deep, not deep enough, or in a part of a split: nobody's name would be read off the wrong folder, so that people leak across."""
    save(tmp_path / file)
    with pytest.raises(CollectionError, match=message) as error:
        fer_corpora.read(name, tmp_path)
    assert file in str(error.value)


def test_bu_4dfe_gives_the_middle_of_each_sequence(tmp_path):
    """Of frames 000 to 010 the middle one, or three about it, in numerical order; meshes beside them are passed over."""
    for subject, expression in (("F001", "Angry"), ("M043", "Happy")):
        for frame in range(11):
            save(tmp_path / subject / expression / f"{frame:03d}.jpg")
        (tmp_path / subject / expression / "000.wrl").write_text("#VRML")
    assert lines(fer_corpora.read("bu_4dfe", tmp_path)) == [("F001/Angry/005.jpg", "bu_4dfe:F001", "angry"),
                                                            ("M043/Happy/005.jpg", "bu_4dfe:M043", "happy")]  # fmt: skip
    assert fer_corpora.read("bu_4dfe", tmp_path, 3)["file"].tolist()[:3] == [f"F001/Angry/{frame:03d}.jpg" for frame in (4, 5, 6)]
    assert len(fer_corpora.read("bu_4dfe", tmp_path, 50)) == 22
    save(tmp_path / "F002" / "Bored" / "000.jpg")
    with pytest.raises(CollectionError, match="'Bored' of 'F002/Bored/000.jpg'"):
        fer_corpora.read("bu_4dfe", tmp_path)


def test_jaffe_is_read_by_its_file_names(tmp_path):
    """Initials and code; neutral is left out; a file with another name is named."""
    for name in ("KA.AN1.39.tiff", "KA.NE1.26.tiff", "YM.SU3.60.tiff", "TM.HA2.181.tiff"):
        save(tmp_path / "jaffe" / name)
    (tmp_path / "jaffe" / "README").write_text("…")
    assert lines(fer_corpora.read("jaffe", tmp_path)) == [("jaffe/KA.AN1.39.tiff", "jaffe:KA", "angry"),
                                                          ("jaffe/TM.HA2.181.tiff", "jaffe:TM", "happy"),
                                                          ("jaffe/YM.SU3.60.tiff", "jaffe:YM", "surprise")]  # fmt: skip
    save(tmp_path / "jaffe" / "KA.XX1.40.tiff")
    with pytest.raises(CollectionError, match=r"'jaffe/KA.XX1.40.tiff', whose name does not say model and expression"):
        fer_corpora.read("jaffe", tmp_path)


def wsefep(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    for name, _ in rows:
        save(folder / "pictures" / f"{name}.jpg")
    text = "\n".join(["No;Picture ID;Sex;Display", *(f"{n};{name};f;{shown}" for n, (name, shown) in enumerate(rows))])
    (folder / "WSEFEP - norms & FACS.csv").write_text(text)
    return folder


def test_wsefep_is_read_by_its_table_of_norms(tmp_path):
    """Joy is happy, neutral is left out, ids come with or without extension; who shows an expression twice is not one person."""
    wsefep(tmp_path / "a", [("AD_1034", "joy"), ("AD_1112", "neutral"), ("MK_2001", "Anger ")])
    assert lines(fer_corpora.read("wsefep", tmp_path / "a")) == [("pictures/AD_1034.jpg", "wsefep:AD", "happy"),
                                                                 ("pictures/MK_2001.jpg", "wsefep:MK", "angry")]  # fmt: skip
    wsefep(tmp_path / "b", [("IMG_1034", "joy"), ("IMG_1035", "joy")])
    with pytest.raises(CollectionError, match="'IMG' would show 'happy' twice.*named otherwise than expected"):
        fer_corpora.read("wsefep", tmp_path / "b")
    (wsefep(tmp_path / "c", [("AD_1", "joy")]) / "pictures" / "AD_1.jpg").unlink()
    save(tmp_path / "c" / "pictures" / "AD_2.jpg")
    with pytest.raises(CollectionError, match="'AD_1' is not there"):
        fer_corpora.read("wsefep", tmp_path / "c")
    (tmp_path / "c" / "WSEFEP - norms & FACS.csv").rename(tmp_path / "c" / "WSEFEP - norms & FACS.xlsx")
    with pytest.raises(CollectionError, match="Save the table of norms .* as CSV"):
        fer_corpora.read("wsefep", tmp_path / "c")


def test_fega_is_read_by_labels_or_by_folders(tmp_path):
    """A table with subjects, or folders of subject and expression in either order; a picture without one of them is named."""
    for number, place in enumerate(("07/Happiness", "07/Neutral", "sadness/12")):
        save(tmp_path / "a" / place / f"{number}.png")
    assert lines(fer_corpora.read("fega", tmp_path / "a")) == [("07/Happiness/0.png", "fega:07", "happy"),
                                                               ("sadness/12/2.png", "fega:12", "sad")]  # fmt: skip
    save(tmp_path / "a" / "happy" / "1.png")
    with pytest.raises(CollectionError, match="'happy/1.png', expected it in a folder of its subject"):
        fer_corpora.read("fega", tmp_path / "a")
    save(tmp_path / "b" / "1.png")
    (tmp_path / "b" / "labels.csv").write_text("file,subject,expression\n1.png,P1,fear\n")
    assert lines(fer_corpora.read("fega", tmp_path / "b")) == [("1.png", "fega:P1", "fear")]
    (tmp_path / "b" / "labels.csv").write_text("file,subject,expression\n1.png,,fear\n")
    with pytest.raises(CollectionError, match="names no subject of '1.png'"):
        fer_corpora.read("fega", tmp_path / "b")


def test_corpora_are_gathered_and_counted_and_people_kept_apart(tmp_path):
    """S005 of one corpus is not S005 of another; counts by corpus and expression stand beside the published number of people."""
    ck_plus(tmp_path / "ck", {("S005", "001"): "1", ("S006", "001"): "6"})
    save(tmp_path / "fega" / "S005" / "angry" / "1.png")
    table = fer_corpora.gather({"ck_plus": tmp_path / "ck", "fega": str(tmp_path / "fega"), "jaffe": "", "wsefep": None})
    assert table["subject"].tolist() == ["ck_plus:S005", "ck_plus:S006", "fega:S005"]
    counted = fer_corpora.counts(table)
    assert counted[["title", "people", "pictures", "angry", "sad", "people_published"]].values.tolist() == [["CK+", 2, 2, 1, 1, 123],
                                                                                                            ["FEGA", 1, 1, 1, 0, 51]]


@pytest.mark.parametrize("name", fer_corpora.CORPORA)
def test_a_corpus_that_is_not_there_says_how_to_get_it(tmp_path, name):
    """No folder, a missing one and an empty one: each names the corpus, its layout and its source."""
    (tmp_path / "empty").mkdir()
    about = fer_corpora.CORPORA[name]
    for folder in ("", tmp_path / "missing", tmp_path / "empty"):
        with pytest.raises(CollectionError) as error:
            fer_corpora.read(name, folder)
        assert about.title in str(error.value) and about.get in str(error.value)


def test_what_is_asked_for_wrongly_is_refused(tmp_path):
    """An unknown corpus, no frames, no corpus at all."""
    with pytest.raises(ParameterError, match="Did you mean 'jaffe'"):
        fer_corpora.read("jafe", tmp_path)
    with pytest.raises(ParameterError, match="0 frames"):
        fer_corpora.read("jaffe", tmp_path, 0)
    with pytest.raises(CollectionError, match=r"no corpus.*CK\+.*FEGA: ask its authors"):
        fer_corpora.gather({"jaffe": ""})
