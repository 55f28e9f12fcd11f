"""The engine: what a run is doing and how long it will still take."""

import json
import time

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from lib.compendium import engine

CODE = ["# papermill_description=Load\nx = 1", "# Fit\ny = 2", "show(y)"]
CELLS = [new_markdown_cell("# A"), *map(new_code_cell, CODE)]
for number, cell in enumerate(CELLS):
    cell.id = str(number)


@pytest.mark.parametrize(("index", "title"), [(0, "A"), (1, "Load"), (2, "A"), (3, "A")])
def test_a_cell_is_called_by_its_description_or_its_heading(index, title):
    """papermill's own mark first, else the last heading above."""
    assert engine.title_of(CELLS, index) == title
    assert engine.title_of(CELLS[3:], 0) == "beginning"


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3540, "59 min"), (7500, "2 h 05 min")])
def test_lengths_of_time_are_said_as_people_say_them(seconds, said):
    """Seconds, then minutes, then hours."""
    assert engine.duration(seconds) == said


def test_the_last_run_tells_how_long_this_one_will_take(tmp_path):
    """Time left is what is left of this cell in the last run, plus the later cells."""
    watch = engine.Watch("02", CELLS, tmp_path / "none", {"1": 10.0, "2": 60.0, "3": 5.0})
    watch.cell_started(1)
    assert watch.seconds_left() == pytest.approx(75, abs=1)
    assert "about 75 s left" in watch.line() and "Load (cell 2 of 4)" in watch.line()


def test_a_heartbeat_gives_the_pace_of_a_long_step(tmp_path):
    """A quarter done after thirty seconds leaves ninety; a heartbeat from an earlier cell is ignored."""
    heartbeat = tmp_path / "beat.json"
    watch = engine.Watch("02", CELLS, heartbeat, {})
    assert watch.seconds_left() is None
    now = time.time()
    watch.cell_started(2)
    heartbeat.write_text(json.dumps({"what": "pictures", "done": 25, "total": 100, "started": now - 30, "at": now + 0.1}))
    assert watch.seconds_left() == pytest.approx(90, abs=2)
    assert "25 of 100 pictures" in watch.line()
    heartbeat.write_text(json.dumps({"what": "pictures", "done": 25, "total": 100, "started": now - 90, "at": now - 60}))
    assert watch.seconds_left() is None


def test_a_cut_heartbeat_is_no_heartbeat(tmp_path):
    """A file that is not JSON (yet) does not stop the progress line."""
    (tmp_path / "beat.json").write_text('{"what": "pic')
    assert engine.Watch("02", CELLS, tmp_path / "beat.json", {}).beat() is None


def test_a_log_gets_few_lines(tmp_path, monkeypatch, capsys):
    """Where there is no terminal, progress is a line per interval, not per step."""
    monkeypatch.setattr(engine, "LOG_EVERY", 0.05)
    watch = engine.Watch("02", CELLS, tmp_path / "none", {})
    import threading

    thread = threading.Thread(target=watch.show)
    thread.start()
    time.sleep(0.3)
    watch.stopped.set()
    thread.join()
    assert 1 <= len(capsys.readouterr().err.splitlines()) <= 8
