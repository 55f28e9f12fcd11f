"""Sets of warriors: published counts and postures, planted mixtures, cut as at test time; a user's folder; what is wrong is named."""

import numpy as np
import pytest
from PIL import Image

from lib.collections import atelier
from lib.compendium import kept as kept_module
from lib.compendium.errors import CollectionError, ParameterError
from lib.expressions import EXPRESSIONS
from lib.faces.landmarks import eye_centres
from lib.published.tables import table as published
from lib.training import terracotta, warriors
from lib.training.faces import UNIT_COLUMNS


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Keep what is made in the test's own folder, made in this process."""
    monkeypatch.setattr(kept_module, "FOLDER", tmp_path / ".models")
    monkeypatch.setenv("COMPENDIUM_JOBS", "1")


def test_sets_and_postures_have_the_published_counts():
    """58, 85 = 18 + 25 + 17 + 6 + 19 and 43; names and counts are those of the claims; the 85 come in that order."""
    printed = published("terracotta", "postures").groupby("posture", sort=False)["pictures"].first().astype(int)
    assert {name: posture.pictures for name, posture in warriors.POSTURES.items()} == printed.to_dict()
    assert warriors.SETS == {"tw58": 58, "postures": 85, "han": 43} and printed.sum() == 85
    order = [warriors.posture_of(index) for index in range(85)]
    assert {name: order.count(name) for name in order} == printed.to_dict() and list(dict.fromkeys(order)) == list(printed.index)


def test_every_warrior_is_another_and_is_dressed_as_its_set_says():
    """Specs only: no identity or seed comes twice; postures have their headgear, Han ones their clay; the same seed gives the same."""
    made = {which: [warriors.specification(which, 0, index) for index in range(count)] for which, count in warriors.SETS.items()}
    every = [spec for specs in made.values() for spec in specs]
    assert len({spec["figures"][0]["identity"] for spec in every}) == len({spec["noise"] for spec in every}) == 186
    for index, spec in enumerate(made["postures"]):
        wanted, one = warriors.POSTURES[warriors.posture_of(index)], spec["figures"][0]
        assert (one["headgear"], one["garment"], one["posture"]) == (wanted.headgear, wanted.garment, wanted.body)
    assert {spec["material"]["name"] for spec in made["han"]} == {"grey clay"}
    assert warriors.specification("tw58", 0, 5) == made["tw58"][5] != warriors.specification("tw58", 1, 5)


@pytest.mark.slow
def test_the_ateliers_warriors_carry_their_planted_mixture():
    """Crops aligned by the eyes, mixtures that sum to one and whose largest is the expression, units on their scale; made once."""
    few = warriors.atelier_warriors("postures", 64, 3, 5)
    table = few.table
    assert few.crops.shape == (5, 64, 64, 3) and few.crops.dtype == np.uint8 and tuple(table.columns) == warriors.COLUMNS
    assert table[list(EXPRESSIONS)].sum(axis=1).to_numpy() == pytest.approx(1)
    assert (table[list(EXPRESSIONS)].idxmax(axis=1) == table["expression"]).all() and set(table["posture"]) == {"kneeling soldiers"}
    assert table[list(UNIT_COLUMNS)].to_numpy().min() >= 0 and table[list(UNIT_COLUMNS)].to_numpy().max() <= 5
    eyes = np.stack([eye_centres(marks) for marks in few.landmarks]) / 64
    assert np.median(np.abs(eyes.mean(axis=1) - (0.5, 0.38))) < 0.02
    again = warriors.atelier_warriors("postures", 64, 3, 5)
    assert np.array_equal(few.crops, again.crops) and table["face_id"].is_unique


def test_a_rendered_warrior_moves_step_by_step_and_nothing_else_changes():
    """From its own Action Units to the expression's along a straight line; light, pose, head and grain stay; 21 pictures a source."""
    own, steps = warriors.specification("tw58", 0, 2), 3
    first = [warriors.moved(0, 2 * 7 * steps + number, steps) for number in range(7 * steps)]
    happy = [spec["figures"][0] for spec in first[3 * steps : 4 * steps]]
    start, end = own["figures"][0]["units"], happy[-1]["units"]
    for number, one in enumerate(happy, 1):
        assert one["expression"] == {"happy": 1.0} and one["intensity"] == pytest.approx(number / steps, abs=1e-3)
        assert all(one["units"][unit] == pytest.approx(start[unit] + number / steps * (end[unit] - start[unit]), abs=2e-3) for unit in end)
    assert end["12"] > 2.4 and end["6"] > 2.4 and end["4"] == 0
    for spec in first:
        assert {**spec, "figures": 0} == {**own, "figures": 0} and spec["figures"][0]["pose"] == own["figures"][0]["pose"]


@pytest.mark.slow
def test_rendered_warriors_are_pictures_with_their_source():
    """Rows in order of source, expression, step; every picture named once, every source under one name; faces of a path differ."""
    made = warriors.rendered_warriors(1, 2, 48, 4)
    assert made.table["subject"].nunique() == 1 and made.table["face_id"].is_unique and len(made) == 14
    assert made.table["expression"].tolist() == [name for name in EXPRESSIONS for _ in range(2)]
    assert made.table["intensity"].tolist() == [0.5, 1.0] * 7
    assert np.abs(made.crops[6].astype(int) - made.crops[7]).mean() > 0.2
    pictures = terracotta.as_pictures(made.table)
    assert list(pictures) == ["picture", "source", "expression"] and len(terracotta.parted(pictures, "lenient")) == 14


@pytest.mark.slow
def test_a_folder_of_ones_own(tmp_path):
    """With labels.csv: subject, posture, expression; a picture without a face is left out and counted. Without it: folders are postures."""
    folder = tmp_path / "warriors"
    for number, name in enumerate(("a", "b")):
        piece = atelier.sculpt(number, 128, tradition="humans", material="terracotta", damaged={}, yaw=0.0)
        (folder / "Generals").mkdir(parents=True, exist_ok=True)
        Image.fromarray(piece.picture).save(folder / "Generals" / f"{name}.png")
    plain = warriors.folder_warriors(folder, 64)
    assert plain.table["posture"].tolist() == ["Generals"] * 2 and plain.table["expression"].tolist() == ["", ""]
    assert plain.table["subject"].is_unique and plain.crops.shape == (2, 64, 64, 3)
    assert plain.table[[*EXPRESSIONS, *UNIT_COLUMNS]].isna().all(axis=None)
    Image.new("RGB", (200, 200), "grey").save(folder / "wall.png")
    (folder / "labels.csv").write_text("file,warrior,posture,expression\na.png,W1,civil servants,Sadness\nb.png,W1,,\nwall.png,,,\n")
    told = warriors.folder_warriors(folder, 64)
    assert told.table[["subject", "posture", "expression"]].values.tolist() == [["W1", "civil servants", "sad"], ["W1", "", ""]]
    assert told.table["sad"].tolist()[0] == 1 and np.isnan(told.table["sad"].iloc[1])


@pytest.mark.parametrize(("labels", "message"), [
    ("name,posture\na.png,Generals\n", "expected file"),
    ("file,expression\nz.png,sad\n", "row 2: 'z.png' is not there"),
    ("file,expression\na.png,sat\n", "row 2: Unknown expression 'sat'"),
    ("file,expression\na.png,contempt\n", "row 2: received the expression 'contempt'"),
    ("file,expression\na.png,sad\na.png,fear\n", "names 'a.png' twice"),
])  # fmt: skip
def test_labels_in_doubt_are_named(tmp_path, labels, message):
    """Before any picture is opened: the file, the row and what to do."""
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(labels)
    with pytest.raises(CollectionError, match=message):
        warriors.folder_warriors(tmp_path)


def test_what_cannot_be_made_is_refused(tmp_path):
    """An unknown set, more warriors than the study has, an empty folder, a missing one."""
    with pytest.raises(ParameterError, match="Did you mean 'tw58'"):
        warriors.atelier_warriors("tw85")
    with pytest.raises(ParameterError, match="count of warriors 44"):
        warriors.atelier_warriors("han", count=44)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CollectionError, match="holds no pictures"):
        warriors.folder_warriors(tmp_path / "empty")
    with pytest.raises(CollectionError, match="no folder"):
        warriors.folder_warriors(tmp_path / "nowhere")
