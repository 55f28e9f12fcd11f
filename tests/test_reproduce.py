"""One command, end to end: a folder of pictures goes through the notebooks; killed, resumed, changed, and given bad input.

Everything runs in a copy of the repository's own files, in the environment the tests run in, in the `smoke` profile, on pictures that
installed packages ship or that are made here.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from lib.compendium import places

pytestmark = pytest.mark.slow
TABLES = (".csv", ".parquet", ".npy")
TIMINGS = {"seconds", "pictures_a_second", "images_per_second", "peak_memory_mib", "memory"}  # columns that no two runs share
NOTEBOOKS = ["00_start_here", "01_dataset_census", "02_face_detection", "03_labeller_agreement", "04_training", "05_metrics",
             "06_gradcam"]  # those that look at a collection  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Return a copy of the repository with a folder of six pictures, one of them broken, one a copy of another."""
    root = tmp_path_factory.mktemp("compendium") / "a clone"  # a space in the path must not matter
    shutil.copytree(places.ROOT / "lib", root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(places.PARAMETERS, root / "params")
    (root / "notebooks").mkdir()
    for file in [*places.NOTEBOOKS.glob("*.ipynb"), places.ROOT / "Makefile", *places.ROOT.glob("*.lock")]:
        shutil.copy(file, root / file.relative_to(places.ROOT))
    make_pictures(root / "my photos")
    if (places.DATA / "weights").is_dir():  # what this machine has fetched already
        (root / "data").mkdir()
        (root / "data" / "weights").symlink_to(places.DATA / "weights")
    return root


def make_pictures(folder):
    from matplotlib import cbook
    from skimage import data

    folder.mkdir()
    hopper = Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    hopper.save(folder / "hopper.jpg")
    hopper.resize((256, 300)).rotate(25, expand=True).save(folder / "leaning.png")
    Image.fromarray(data.astronaut()).resize((320, 320)).save(folder / "astronaut.jpg")
    Image.fromarray(data.coffee()).resize((300, 200)).save(folder / "coffee.jpg")
    shutil.copy(folder / "coffee.jpg", folder / "coffee copy.jpg")
    (folder / "broken.jpg").write_bytes((folder / "hopper.jpg").read_bytes()[:2000])
    (folder / "metadata.csv").write_text(
        'file;title;face_boxes\nhopper.jpg;Grace Hopper;"170,60,170,220"\ncoffee.jpg;Cup;\nastronaut.jpg;Eileen Collins;"108,43,75,95"\n')


def make(tree, *words, check=True, **options):
    """Run make in the copy and return what happened."""
    marker = Path(sys.prefix) / ".device"
    device = marker.read_text().strip() if marker.exists() else "cpu"
    command = ["make", "--no-print-directory", f"VENV={sys.prefix}", f"DEVICE={device}", "PROFILE=smoke", *words]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=600, env=plain_environment(), **options)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def plain_environment():
    """Return the environment without what the make that runs these tests wants of makes below it."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


def runs(tree):
    return next(folder for folder in (tree / "runs").iterdir() if "my_photos" in folder.name)


def tables(folder):
    """Return the digest of every table below a run folder, by relative name."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in TABLES and "/." not in path.relative_to(folder.parent).as_posix()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(content(path)).hexdigest() for path in files}


def content(path):
    """Return a table's bytes, without its timings where it has some."""
    import pandas

    table = {".csv": pandas.read_csv, ".parquet": pandas.read_parquet}.get(path.suffix)
    try:
        timed = table is not None and TIMINGS & set((found := table(path)).columns)
    except pandas.errors.EmptyDataError:
        timed = False
    return found.drop(columns=timed).to_csv().encode() if timed else path.read_bytes()


@pytest.fixture(scope="module")
def reference(tree):
    """Return the tables of an uninterrupted run and how long it took."""
    started = time.time()
    done = make(tree, "reproduce", "COLLECTION=my photos")
    return {"tables": tables(runs(tree)), "seconds": time.time() - started, "said": done.stdout}


def test_one_command_names_the_executed_notebooks(tree, reference):
    """`make reproduce COLLECTION=folder` ends by naming the executed notebooks, which exist: those that look at a collection."""
    named = [line.split("   ")[0].strip() for line in reference["said"].splitlines() if line.startswith("  runs/")]
    assert [Path(name).stem for name in named] == NOTEBOOKS
    assert all((tree / name).exists() for name in named)


def test_tables_hold_every_picture_and_the_known_faces(tree, reference):
    """Six pictures give six rows, the broken one with a reason; the two portraits' faces are found, the cup's is not."""
    import pandas

    images = pandas.read_parquet(runs(tree) / "01_dataset_census" / "images.parquet").set_index("file")
    faces = pandas.read_parquet(runs(tree) / "02_face_detection" / "faces.parquet")
    assert len(images) == 6 and images.loc["broken.jpg", "status"] != "ok" and images.loc["broken.jpg", "reason"]
    assert {images.loc["coffee.jpg", "duplicate_of"], images.loc["coffee copy.jpg", "duplicate_of"]} == {None, "coffee copy.jpg"}
    assert {"hopper.jpg", "astronaut.jpg"} <= set(faces["file"]) and not {"coffee.jpg", "broken.jpg"} & set(faces["file"])


def test_the_record_and_dependencies_are_written(tree, reference):
    """run.json names parameters, cell times and used modules; deps.mk is a Make rule with relative names only."""
    folder = runs(tree) / "02_face_detection"
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished" and "lib/faces/ladder.py" in record["used"]
    assert any(name.endswith("01_dataset_census/images.parquet") for name in record["used"])
    assert record["cells"] and all(cell["seconds"] >= 0 for cell in record["cells"])
    assert str(tree) not in (folder / "deps.mk").read_text() + (folder / "run.json").read_text()


def test_a_second_run_does_nothing_and_says_so(tree, reference):
    """Nothing changed: no notebook executes and the answer says so."""
    before = {path: path.stat().st_mtime_ns for path in runs(tree).glob("*/run.json")}
    assert f"Nothing to do: all {len(NOTEBOOKS)} notebooks are up to date" in make(tree, "reproduce", "COLLECTION=my photos").stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_setting_runs_only_its_notebook_and_dependants(tree, reference):
    """After SET on 02, 01 is left alone; `make why` names the parameter; the run without SET goes back."""
    untouched = (runs(tree) / "01_dataset_census" / "run.json").stat().st_mtime_ns
    why = make(tree, "why", "NB=02", "SET=02.crop_size=96", "COLLECTION=my photos").stdout
    assert "parameter crop_size: 64 → 96" in why
    said = make(tree, "reproduce", "SET=02.crop_size=96", "COLLECTION=my photos").stdout
    assert "02_face_detection: running, because parameter crop_size: 64 → 96" in said and "01_dataset_census: running" not in said
    assert (runs(tree) / "01_dataset_census" / "run.json").stat().st_mtime_ns == untouched
    assert "parameter crop_size: 96 → 64" in make(tree, "why", "NB=02", "COLLECTION=my photos").stdout
    assert "01_dataset_census            skip" in make(tree, "plan", "COLLECTION=my photos").stdout
    make(tree, "reproduce", "COLLECTION=my photos")
    assert tables(runs(tree)) == reference["tables"]


def test_a_touched_module_is_skipped_and_an_edited_one_runs(tree, reference):
    """Content decides: touching a used module re-executes nothing, editing it does and `make why` names it."""
    module = tree / "lib" / "faces" / "evaluate.py"
    text = module.read_text()
    os.utime(module)
    assert "02_face_detection: up to date" in make(tree, "reproduce", "COLLECTION=my photos").stdout
    module.write_text(text + "\n# a remark\n")
    assert "lib/faces/evaluate.py: " in make(tree, "why", "NB=02", "COLLECTION=my photos").stdout
    assert "is up to date" in make(tree, "why", "NB=01", "COLLECTION=my photos").stdout
    module.write_text(text)


def test_a_run_killed_at_random_moments_resumes_to_the_same_tables(tree, reference):
    """`kill -9` at five random moments, then one run to the end: every table is byte-identical to the uninterrupted run's."""
    shutil.rmtree(tree / "runs")
    moments = [random.Random(time.time_ns()).uniform(0.5, 0.8 * reference["seconds"]) for _ in range(5)]
    print("killed after", [round(moment, 2) for moment in moments], "seconds")
    for moment in moments:
        command = ["make", f"VENV={sys.prefix}", "PROFILE=smoke", "reproduce", "COLLECTION=my photos"]
        process = subprocess.Popen(command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                   env=plain_environment())  # fmt: skip
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGKILL)  # make and the runner; the notebook's kernel is left behind, as in a real crash
        process.wait()
    make(tree, "reproduce", "COLLECTION=my photos")
    assert tables(runs(tree)) == reference["tables"]


@pytest.mark.parametrize(
    ("prepare", "collection", "said"),
    [
        (lambda folder: folder.mkdir(), "bad", "is empty"),
        (lambda folder: folder.write_text("x"), "bad", "is a file"),
        (lambda folder: None, "my phots", "my photos"),
        (lambda folder: (folder.mkdir(), (folder / "notes.txt").write_text("x")), "bad", "no picture"),
        (lambda folder: (folder.mkdir(), Image.new("RGB", (40, 40)).save(folder / "a.png"),
                         (folder / "metadata.csv").write_text("file,title\nz.png,nothing\n")), "bad", "metadata.csv"),
    ],
    ids=["empty", "a file", "misspelt", "no pictures", "metadata matches nothing"],
)
def test_an_unusable_collection_is_one_clear_line(tree, prepare, collection, said):
    """The error is one line, make's exit status is not 0, and no result is left behind."""
    folder = tree / "bad"
    prepare(folder)
    try:
        done = make(tree, "reproduce", f"COLLECTION={collection}", check=False)
    finally:
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink(missing_ok=True)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0 and len(lines) == 1 and lines[0].startswith("error: ") and said in lines[0], done.stdout + done.stderr
    assert not [path for path in (tree / "runs").glob("smoke--*/*/run.json") if "my_photos" not in path.parts[-3]]


def test_without_a_collection_the_atelier_is_used(tree):
    """`make reproduce` alone makes synthetic sculpture, finds most of its faces and judges no claim by it."""
    import pandas

    make(tree, "reproduce")
    folder = tree / "runs" / "smoke"
    images = pandas.read_parquet(folder / "01_dataset_census" / "images.parquet")
    assert len(images) == 24 and (images["status"] == "ok").all() and images["tradition"].nunique() >= 8
    assert pandas.read_csv(folder / "02_face_detection" / "recall.csv").set_index("method").loc["the ladder", "recall"] > 0.4
    judged = json.loads((folder / "02_face_detection" / "claims.json").read_text())
    assert {claim["verdict"] for claim in judged} <= {"synthetic", "needs data"}
    sidecars = [json.loads(path.read_text()) for path in (folder / "01_dataset_census" / "figures").glob("by_*.json")]
    assert len(sidecars) == 4 and all("synthetic" in sidecar["caption"] for sidecar in sidecars)
    ran = {json.loads(path.read_text())["notebook"] for path in [*folder.glob("*/run.json"), *folder.glob("*/*/run.json")]}
    assert ran == {path.stem for path in places.NOTEBOOKS.glob("*.ipynb")}  # the studies that bring their own material too


def test_a_wrong_parameter_starts_nothing(tree):
    """A misspelt parameter stops make before any notebook, with a suggestion."""
    done = make(tree, "02", "SET=crop_sise=64", "COLLECTION=my photos", check=False)
    assert done.returncode != 0 and "Did you mean 'crop_size'" in done.stderr and "running" not in done.stdout


def test_a_failing_cell_is_reported_and_the_old_result_kept(tree, reference):
    """A cell that raises stops make with the cell, the error and the failed notebook's name; the last good run stays."""
    notebook = tree / "notebooks" / "02_face_detection.ipynb"
    text = notebook.read_text()
    record = (runs(tree) / "02_face_detection" / "run.json").read_text()
    book = json.loads(text)
    next(cell for cell in book["cells"] if cell["cell_type"] == "code" and "begin(" in "".join(cell["source"]))["source"] = "1 / 0"
    notebook.write_text(json.dumps(book))
    try:
        done = make(tree, "02", "COLLECTION=my photos", check=False)
    finally:
        notebook.write_text(text)
    assert done.returncode != 0 and "ZeroDivisionError" in done.stderr and "failed.ipynb" in done.stderr
    assert (runs(tree) / "02_face_detection" / "run.json").read_text() == record
