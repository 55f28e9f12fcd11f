"""Tags become the four published groups; folders and WikiArt-Emotions are read as they are laid out; what is unknown or wrong is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from lib.artworks import tags
from lib.compendium.errors import CollectionError, ParameterError
from lib.published.tables import table as published


def picture(path, colour=(200, 60, 30), size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Six pictures, five rows: one tagged twice in a group, one in two groups, one with a word nobody knows, one without a tag."""
    for name in "abcdef":
        picture(tmp_path / "pictures" / f"{name}.png")
    (tmp_path / "tags.csv").write_text(
        "File,Emotion,Subject,Artist\na.png,sadness; fear,portrait,Ana\nb.png,Joy,landscape,Bo\nc.png,joy|anger,portrait,Ana\n"
        "d.png,Melancholy,,\ne.png,,,\nghost.png,Love,,\n"
    )
    return tmp_path


# ---- tags


def test_groups_are_published():
    """The twelve printed emotions are known in their groups, in any case."""
    for group, row in enumerate(published("art_emotion", "groups").itertuples()):
        for name in row.emotions.split():
            assert tags.group_of([name]) == (group, "") == tags.group_of([name.lower()]) == tags.group_of([name.upper()])


def test_other_words_mean_the_same():
    """Forms of the words lie in the group of the emotion they mean."""
    assert [tags.group_of([word])[0] for word in ("afraid", "n/a", "surprised", "happiness", " Happy ")] == [0, 1, 2, 3, 3]


def test_most_tags_decide_and_ties_do_not():
    """Two against one decide, one against one is a reason, so are no tag and no known tag."""
    assert tags.group_of(["Fear", "Sadness", "Joy"]) == (0, "")
    assert tags.group_of(["Joy", "Fear"]) == (None, "tags of several groups (Joy, Fear)")
    assert tags.group_of([]) == (None, "no tag") and tags.group_of(["Blorp"])[1] == "no known tag (Blorp)"


def test_unknown_tags_are_listed_with_the_nearest():
    """Often first, then by name; "" where nothing is near; the reader's own tags are near as well, and no longer unknown."""
    found = tags.unknown_tags(["Sadnes", "Xyzzy", "Xyzzy", "Joy", "Optimsm"])
    assert found.to_dict("list") == {"tag": ["Xyzzy", "Optimsm", "Sadnes"], "pictures": [2, 1, 1], "nearest": ["", "Optimism", "Sadness"]}
    assert tags.unknown_tags(["Awe"], {"awe": 2}).empty
    assert tags.unknown_tags(["Nostalgi"], {"Nostalgia": 0})["nearest"].item() == "Nostalgia"


def test_own_tags_may_not_contradict_the_study():
    """A tag of one's own gets a group; the study's own keep theirs; groups are 0 to 3."""
    assert tags.group_of(["Awe"], {"Awe": 2}) == (2, "")
    with pytest.raises(ParameterError, match="puts into group 3"):
        tags.known({"joy": 0})
    with pytest.raises(ParameterError, match="expected 0, 1, 2 or 3"):
        tags.known({"Awe": 4})


@given(some.lists(some.sampled_from(["Joy", "Fear", "Love", "NA", "Blorp"]), max_size=6), some.sampled_from(["; ", ",", " | ", " / "]))
def test_cells_are_split_as_they_were_joined(names, between):
    """Whatever joins the tags, the same tags come out; "n/a" is not split."""
    assert tags.split_tags(between.join(names)) == names
    assert tags.split_tags("n/a") == ["n/a"] and tags.split_tags(np.nan) == [] == tags.split_tags(None)


def test_classes_missing_or_too_small_are_named():
    """A missing class is a warning; one too small to split, one class alone and a number that is no class are errors."""
    assert tags.check_groups([0] * 10 + [1] * 10 + [2] * 10 + [3] * 10) == []
    (said,) = tags.check_groups([0] * 12 + [3] * 11)
    assert "only 2 occur" in said and "classes 1 and 2" in said and "lust, envy, surprise" in said
    with pytest.raises(CollectionError, match="class 2 with fewer than 10 artworks"):
        tags.check_groups([0] * 10 + [2] * 3)
    with pytest.raises(CollectionError, match="of 1 class"):
        tags.check_groups([3] * 50)
    with pytest.raises(CollectionError, match="group 7"):
        tags.check_groups([7] * 50)


# ---- a folder


def test_a_folder_is_read(folder):
    """Rows are matched to pictures in subfolders; artists become numbers; what is left out has its reason."""
    made = tags.read_folder(folder)
    assert made.table["file"].tolist() == ["pictures/a.png", "pictures/b.png"] and made.table["group"].tolist() == [0, 3]
    assert made.table["tag"].tolist() == ["sadness;fear", "Joy"] and made.table["subject"].tolist() == ["portrait", "landscape"]
    assert made.table["identity"].tolist() == [0, 1] and list(made.table.columns) == tags.COLUMNS
    left = dict(made.left_out.itertuples(index=False))
    assert left["pictures/c.png"].startswith("tags of several groups") and left["pictures/e.png"] == "no tag" == left["pictures/f.png"]
    assert "ghost.png" in left and "not there" in left["ghost.png"] and left["pictures/d.png"] == "no known tag (Melancholy)"
    assert made.unknown["tag"].tolist() == ["Melancholy"]


def test_own_tags_widen_a_folder(folder):
    """A group for a word of one's own lets its picture in."""
    made = tags.read_folder(folder, {"melancholy": 0})
    assert len(made.table) == 3 and made.unknown.empty


def test_folders_that_cannot_be_used(folder, tmp_path):
    """No table, no column, a picture twice with other tags, no known tag at all: each is said, with what to do."""
    bare = tmp_path / "bare"
    picture(bare / "x.png")
    with pytest.raises(CollectionError, match="holds none of tags.csv"):
        tags.read_folder(bare)
    (bare / "tags.csv").write_text("file,mood\nx.png,Joy\n")
    with pytest.raises(CollectionError, match="no column tag"):
        tags.read_folder(bare)
    (bare / "tags.csv").write_text("file,tag\nx.png,Joyy\n")
    with pytest.raises(CollectionError, match="did you mean 'Joy'"):
        tags.read_folder(bare)
    (folder / "tags.csv").write_text("file,tag\na.png,Joy\na.png,Fear\n")
    with pytest.raises(CollectionError, match="row 3.*again with other tags"):
        tags.read_folder(folder)


# ---- WikiArt-Emotions


def wikiart(folder, rows, name="WikiArt-Emotions-All.tsv"):
    """Write a table in the published layout; rows: (ID, artist, face/body, {emotion: share})."""
    head = ["ID", "Style", "Category", "Artist", "Title", "Year", "Image URL", "Painting Info URL", "Artist Info URL", "Is painting",
            "Face/body", "Ave. art rating"]  # fmt: skip
    head += [f"{scenario}: {emotion}" for scenario in ("Art (image+title)", "ImageOnly", "TitleOnly") for emotion in tags.WIKIART]
    lines = ["\t".join(head)]
    for number, artist, shown, felt in rows:
        image = [str(felt.get(emotion, 0)) for emotion in tags.WIKIART]
        nothing = ["0"] * len(tags.WIKIART)
        lines.append("\t".join([number, "Modern Art", "Cubism, Pop Art", artist, 'A "title", with a comma', "1912", "https://x", "", "",
                                "yes", shown, "0.6", *nothing, *image, *nothing]))  # fmt: skip
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def corpus(tmp_path):
    wikiart(tmp_path, [("57727f", "Ana", "face", {"sadness": 0.7, "fear": 0.4, "trust": 0.5}), ("58c6c2", "Bo", "body", {"love": 0.5}),
                       ("99aaaa", "Ana", "none", {"trust": 0.9}), ("nopic", "Bo", "none", {"love": 0.9})])  # fmt: skip
    for number in ("57727f", "58c6c2", "99aaaa", "other"):
        picture(tmp_path / "images" / f"{number}.jpg")
    return tmp_path


def test_wikiart_is_read_as_published(corpus):
    """Emotions above the share count, faces are portraits, artists stay together, pictures not fetched and unknown ones have reasons."""
    made = tags.read_wikiart(corpus)
    assert made.table[["artwork_id", "subject", "who", "tag", "group"]].values.tolist() == [
        ["images/57727f.jpg", "portrait", "Ana", "fear;sadness", 0], ["images/58c6c2.jpg", "body", "Bo", "love", 3]]  # fmt: skip
    assert dict(made.left_out.itertuples(index=False)) == {
        "images/99aaaa.jpg": "no known tag (trust)", "nopic.jpg": "picture not fetched",
        "images/other.jpg": "not in WikiArt-Emotions-All.tsv"}  # fmt: skip
    assert made.unknown.iloc[0].tolist()[:2] == ["trust", 2]


def test_wikiart_counts_from_the_asked_share_and_scenario(corpus):
    """A higher share drops emotions; titles alone were given none here."""
    assert tags.read_wikiart(corpus, agreed=0.6).table["tag"].tolist() == ["sadness"]
    with pytest.raises(CollectionError, match="no picture with a known tag"):
        tags.read_wikiart(corpus, "TitleOnly")


def test_wikiart_that_cannot_be_used(corpus, tmp_path):
    """No table, a cut table, a share beyond 1, an ID twice, no picture: each is named, with how to get the corpus."""
    with pytest.raises(ParameterError, match="Did you mean 'ImageOnly'"):
        tags.read_wikiart(corpus, "ImageOnl")
    with pytest.raises(ParameterError, match="agreed=0"):
        tags.read_wikiart(corpus, agreed=0)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CollectionError, match="wikiartemotions"):
        tags.read_wikiart(empty)
    wikiart(empty, [("1", "A", "face", {"love": 1})])
    with pytest.raises(CollectionError, match="none of the 1 pictures"):
        tags.read_wikiart(empty)
    picture(empty / "1.jpg")
    wikiart(empty, [("1", "A", "face", {"love": 3})])
    with pytest.raises(CollectionError, match="row 2.*'3'"):
        tags.read_wikiart(empty)
    wikiart(empty, [("1", "A", "face", {"love": 1}), ("1", "B", "face", {"love": 1})])
    with pytest.raises(CollectionError, match="'1' twice"):
        tags.read_wikiart(empty)
    (empty / "WikiArt-Emotions-All.tsv").write_text("ID\tArtist\n1\tA\n")
    with pytest.raises(CollectionError, match="lacks 'Face/body'"):
        tags.read_wikiart(empty)


def test_shares_add_up(folder):
    """Counts and shares of the four classes, those without artworks too."""
    made = tags.shares(tags.read_folder(folder).table)
    assert made["artworks"].tolist() == [1, 0, 0, 1] and made["share"].sum() == 1
    assert tags.emotions_table().shape == (12, 3)
