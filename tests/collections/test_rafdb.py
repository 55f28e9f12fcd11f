"""RAF-DB in its published layout: labels 1 to 7 in the corpus's own order, its own division; what is in doubt is named."""

from pathlib import Path

import pytest

from lib.collections import rafdb
from lib.compendium.errors import CollectionError, ParameterError
from lib.expressions import EXPRESSIONS
from lib.published.tables import table as published
from tests.collections.making import save

LINES = ["train_00001.jpg 5", "train_00002.jpg 1", "test_0001.jpg 7", "test_0002.jpg 4"]


def corpus(folder, lines=LINES, kind="aligned", place="EmoLabel"):
    """Write a small corpus as published and return its folder."""
    for line in lines:
        name = line.split(".")[0]
        save(folder / "Image" / kind / f"{name}{rafdb.KINDS[kind]}", height=20, width=20)
    (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / place / rafdb.LIST).write_text("\n".join(lines) + "\n")
    return folder


def test_labels_are_those_of_the_corpus(tmp_path):
    """5 is sad, 1 surprise, 7 neutral, 4 happy; names say the split; every path is a picture; nobody is said to be somebody."""
    table = rafdb.read(corpus(tmp_path / "basic"))
    assert list(table.columns) == rafdb.COLUMNS
    assert table["expression"].tolist() == ["sad", "surprise", "neutral", "happy"]
    assert table["split"].tolist() == ["train", "train", "test", "test"]
    assert table["file"].iloc[0] == "Image/aligned/train_00001_aligned.jpg" and all(Path(path).is_file() for path in table["path"])
    assert table["subject"].is_unique


def test_all_seven_labels_in_order(tmp_path):
    """Surprise, fear, disgust, happiness, sadness, anger, neutral, as the corpus says."""
    table = rafdb.read(corpus(tmp_path, [f"train_{label:05d}.jpg {label}" for label in range(1, 8)]))
    assert table["expression"].tolist() == ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]
    assert sorted(table["expression"]) == sorted(EXPRESSIONS)


@pytest.mark.parametrize("given", ["", "basic", "basic/Image"])
def test_the_folder_may_be_the_corpus_or_one_beside_it(tmp_path, given):
    """The folder that holds "basic", "basic" itself, or one in it; the list may lie beside EmoLabel."""
    corpus(tmp_path / "basic", place="EmoLabel" if given != "basic" else ".")
    table = rafdb.read(tmp_path / given)
    assert len(table) == 4 and all(Path(path).is_file() for path in table["path"])
    assert table["file"].str.endswith("_aligned.jpg").all()


def test_originals_and_a_split_can_be_asked_for(tmp_path):
    """Other names, another folder; one side of the corpus's own division; lines of aligned names mean the same pictures."""
    corpus(tmp_path, kind="original")
    assert rafdb.read(tmp_path, "original", "test")["file"].tolist() == ["Image/original/test_0001.jpg", "Image/original/test_0002.jpg"]
    aligned = corpus(tmp_path / "b")
    (aligned / "EmoLabel" / rafdb.LIST).write_text("\ufefftest_0001_aligned.jpg 7\r\n\r\n")
    assert rafdb.read(aligned)["expression"].tolist() == ["neutral"]


def test_counts_stand_beside_the_published_ones(tmp_path):
    """The constants are those of the claims; they add up to 12,271 and 3,068; a copy's own counts stand beside them."""
    printed = published("terracotta", "raf_db").set_index("expression").astype(int)
    assert printed["whole"].to_dict() == rafdb.WHOLE and printed["test"].to_dict() == rafdb.TEST
    counted = rafdb.counts(rafdb.read(corpus(tmp_path))).set_index("expression")
    assert counted[["train_published", "test_published"]].sum().tolist() == [12_271, 3_068]
    assert counted.loc["sad", ["label", "train", "test"]].tolist() == [5, 1, 0] and counted["label"].tolist() == list(range(1, 8))


@pytest.mark.parametrize(("lines", "message"), [
    (["train_00001.jpg 0"], r"line 1: received 'train_00001.jpg 0'.*1 surprise.*7 neutral"),
    (["train_00001.jpg 8"], "line 1"),
    (["train_00001.jpg 1", "train_00002.jpg 12"], "line 2"),
    (["train_00001.jpg"], "line 1"),
    (["train_00001.jpg happy"], "'train_00001.jpg happy'"),
    (["valid_00001.jpg 1"], "'valid_00001.jpg 1'"),
    (["train_00001.jpg 1", "train_00001.jpg 2"], "line 2: received 'train_00001' twice"),
])  # fmt: skip
def test_a_line_in_doubt_is_named(tmp_path, lines, message):
    """The line, what it says, the meaning of the numbers, and how to get the corpus again."""
    with pytest.raises(CollectionError, match=message) as error:
        rafdb.read(corpus(tmp_path, lines))
    assert rafdb.GET in str(error.value)


def test_a_corpus_that_is_not_all_there_says_what_to_do(tmp_path):
    """No folder, a missing one, one without the list, an empty list, a missing picture, an archive nobody unpacked, a rearrangement."""
    for folder in ("", tmp_path / "nowhere", tmp_path):
        with pytest.raises(CollectionError, match="whdeng"):
            rafdb.read(folder)
    whole = corpus(tmp_path / "a")
    (whole / "Image" / "aligned" / "train_00002_aligned.jpg").unlink()
    with pytest.raises(CollectionError, match=r"3 of the 4 listed .*train_00002_aligned.jpg is missing"):
        rafdb.read(whole)
    (whole / "Image" / "original.zip").write_bytes(b"")
    with pytest.raises(CollectionError, match="Unpack original.zip"):
        rafdb.read(whole, "original")
    (whole / "EmoLabel" / rafdb.LIST).write_text("\n")
    with pytest.raises(CollectionError, match="has no lines"):
        rafdb.read(whole)
    save(tmp_path / "c" / "train" / "1" / "a.jpg")
    with pytest.raises(CollectionError, match="train/1 … are somebody's rearrangement"):
        rafdb.read(tmp_path / "c")


def test_what_is_asked_for_wrongly_is_refused(tmp_path):
    """An unknown kind and an unknown split."""
    with pytest.raises(ParameterError, match="Did you mean 'aligned'"):
        rafdb.read(tmp_path, "alined")
    with pytest.raises(ParameterError, match="split 'validation'"):
        rafdb.read(tmp_path, split="validation")
