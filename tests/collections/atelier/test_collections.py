"""Collections come in Table I's proportions, neutral leads, subjects pose all seven, and a folder can be built and gone on with."""

import csv
import json
from collections import Counter

import pytest

from lib.collections import atelier
from lib.collections.atelier import specs, traditions
from lib.collections.metadata import parse_boxes
from lib.collections.sources import table_one
from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS


def test_published_counts_are_those_of_the_sources():
    """The fifteen and their counts equal the study's table."""
    table = table_one()
    assert {int(row.number): int(row.published_count) for row in table.itertuples()} == traditions.PUBLISHED
    assert {int(row.number): row.name for row in table.itertuples(index=False)} == traditions.TITLES


@pytest.mark.parametrize("total", [1, 15, 100, 1797, 5000])
def test_shares_add_up(total):
    """Counts sum to the total, stay within one of the exact share, and are Table I's own at its total."""
    counts = traditions.shares(total)
    assert sum(counts.values()) == total
    for name, count in counts.items():
        assert abs(count - total * traditions.PUBLISHED[traditions.MANNERS[name]["number"]] / 1797) < 1


def test_specs_are_json_and_independent_of_the_total():
    """A spec survives JSON unchanged, and a longer collection begins with the shorter one."""
    short, long = atelier.collection("rubin", 5, 2), atelier.collection("rubin", 9, 2)
    assert short == long[:5] and json.loads(json.dumps(short)) == short
    assert atelier.collection("rubin", 5, 3) != short


def test_neutral_leads_and_every_expression_occurs():
    """Over the fifteen, neutral is the most frequent expression and none is missing; some faces are compound."""
    faces = [one for spec in atelier.collection("sculpture", 900, 0) for one in spec["figures"]]
    leading = Counter(max(one["expression"], key=one["expression"].get) for one in faces)
    assert leading.most_common(1)[0][0] == "neutral" and set(leading) == set(EXPRESSIONS)
    assert sum(len(one["expression"]) > 1 for one in faces) > 60


def test_some_pictures_have_several_faces_and_some_none():
    """Recall and false alarms can both be measured."""
    counts = Counter(len(spec["figures"]) for spec in atelier.collection("sculpture", 900, 1))
    assert counts[0] >= 9 and counts[2] + counts[3] >= 20 and counts[1] > 700


def test_subjects_pose_the_seven():
    """Each subject of `humans` shows the seven expressions with one head."""
    made = atelier.collection("humans", 21, 0)
    for subject in range(3):
        seven = [spec["figures"][0] for spec in made[7 * subject:7 * subject + 7]]
        assert [next(iter(one["expression"])) for one in seven] == list(EXPRESSIONS)
        assert len({one["identity"] for one in seven}) == 1 and all(one["shape"] == seven[0]["shape"] for one in seven)


def test_warriors_take_five_postures():
    """All five postures occur about equally often."""
    postures = Counter(one["posture"] for spec in atelier.collection("warriors", 200, 0) for one in spec["figures"])
    assert len(postures) == 5 and min(postures.values()) > 20


def test_an_object_may_be_shown_twice():
    """Some pictures show an earlier object from another side: same identity and material, another pose."""
    made = [spec for spec in atelier.collection("met", 120, 0) if len(spec["figures"]) == 1]
    seen = Counter(spec["figures"][0]["identity"] for spec in made)
    assert 1 < sum(count > 1 for count in seen.values()) < 40


@pytest.mark.parametrize(("arguments", "says"), [(("hanniwa", 5, 0), "haniwa"), (("haniwa", 0, 0), "from 1"),
                                                 (("haniwa", 5, -1), "from 0"), (("haniwa", 2.5, 0), "whole number")])
def test_impossible_collections_are_refused(arguments, says):
    """Unknown names, no pictures and negative seeds are refused with the range."""
    with pytest.raises(ParameterError, match=says):
        atelier.collection(*arguments)


def test_names_are_complete():
    """Fifteen traditions, three more, and all together."""
    assert len(specs.names()) == 19


def test_folder_is_built_whole_and_gone_on_with(tmp_path):
    """A folder has one row a picture; a lost picture comes back with the same bytes; another build into it is refused."""
    folder = atelier.build(tmp_path / "atelier", 6, seed=4, size=64, workers=1)
    rows = list(csv.DictReader((folder / "metadata.csv").open()))
    assert len(rows) == 6 and all((folder / row["file"]).exists() for row in rows) and all("synthetic" in row["title"] for row in rows)
    for row in rows:
        boxes = parse_boxes(row["face_boxes"])
        assert len(boxes) == int(row["faces"]) and (row["face_views"].count(";") + 1 == len(boxes) or not boxes)
    first = folder / rows[0]["file"]
    before = first.read_bytes()
    first.unlink()
    (folder / ".rows.jsonl").unlink()
    atelier.build(folder, 6, seed=4, size=64, workers=1)
    assert first.read_bytes() == before
    with pytest.raises(ParameterError, match="another build"):
        atelier.build(folder, 7, seed=4, size=64)


def test_other_peoples_folders_are_left_alone(tmp_path):
    """A folder with other files is refused, as is an unknown kind of file."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ParameterError, match="other files"):
        atelier.build(tmp_path, 3, size=64)
    with pytest.raises(ParameterError, match="jpg or png"):
        atelier.build(tmp_path / "new", 3, size=64, kind="gif")
