"""The front page: aims of the notebooks, verdicts gathered from the runs."""

import json

import pandas as pd

from lib.compendium import claims, overview, parameters, places


def write_claims(runs, run, table):
    (runs / run).mkdir(parents=True)
    (runs / run / "claims.json").write_text(table.to_json(orient="records"))


def test_every_notebook_says_its_aim():
    """Title and first paragraph are there for each notebook, and end as sentences do."""
    for notebook in parameters.SCHEMAS:
        title, aim = overview.title_and_aim(places.NOTEBOOKS / f"{notebook}.ipynb")
        assert title and "\n" not in aim and aim.endswith((".", "?")), notebook


def test_contents_say_what_has_run(tmp_path):
    """A notebook that ran shows its seconds, another the command that runs it."""
    (tmp_path / "01_dataset_census").mkdir()
    (tmp_path / "01_dataset_census" / "run.json").write_text(json.dumps({"seconds": 7.2}))
    table = overview.contents(tmp_path).set_index("notebook")
    assert table.loc["01", "last run"] == "7 s" and table.loc["02", "last run"] == "not run yet: make 02"


def test_verdicts_are_gathered_from_notebooks_and_variants(tmp_path):
    """Claims of a notebook and of a variant stand in one table; the front page's own are left out."""
    table = claims.compare("sculpture", {"table_one_total": (1797, "published")})
    for run in ("01_dataset_census", "04_training/vgg16", "00_start_here"):
        write_claims(tmp_path, run, table)
    gathered = overview.verdicts(tmp_path)
    assert list(gathered["notebook"]) == ["01", "04"]
    assert set(gathered["verdict"]) == {"paper inconsistent"}


def test_a_claim_file_that_appears_later_is_expected(tmp_path):
    """Files that are not there yet are named too, so that their appearing is a reason to gather again."""
    assert tmp_path / "02_face_detection" / "claims.json" in overview.claim_files(tmp_path)


def test_the_chart_counts_what_the_table_holds(tmp_path):
    """Bar data equals the verdict counts; no claims at all still give a figure."""
    table = pd.DataFrame({"notebook": ["01", "01", "02"], "verdict": ["needs data", "reproduced", "direction"]})
    _, counts = overview.verdict_chart(table)
    assert counts.set_index("notebook").loc["01", "needs data"] == 1 and counts.drop(columns="notebook").to_numpy().sum() == 3
    figure, counts = overview.verdict_chart(overview.verdicts(tmp_path))
    assert counts.empty and figure.axes
