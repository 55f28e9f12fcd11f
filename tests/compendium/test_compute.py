"""Machinery: one function over many items, in this process, on local processes and on Dask."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # worker processes take over sys.path, and so find `jobs` as this process does

import jobs  # noqa: E402

from lib.compendium import compute  # noqa: E402
from lib.compendium.compute import Outcome, run_all  # noqa: E402
from lib.compendium.errors import CompendiumError, ParameterError  # noqa: E402
from lib.compendium.places import ROOT  # noqa: E402

ITEMS = {f"item {number}": number for number in range(12)} | {"bad": "seven"}
EXPECTED = {f"item {number}": Outcome({"square": number**2, "plus": 1}) for number in range(12)}
EXPECTED["bad"] = Outcome(error="ValueError: seven is no number")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("COMPENDIUM_JOBS", "COMPENDIUM_SCHEDULER", "COMPENDIUM_HEARTBEAT"):
        monkeypatch.delenv(name, raising=False)


def start(*command):
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, *map(str, command)], env={**os.environ, "PYTHONPATH": path}, start_new_session=True, **quiet)


def stop(process):
    for each in [*psutil.Process(process.pid).children(recursive=True), process] if process.poll() is None else []:
        each.kill()
    process.wait()


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Wait long for Dask, whose workers take their time to start again on a machine that is busy with other tests."""
    monkeypatch.setattr(compute, "ANSWER_WITHIN", 120)
    monkeypatch.setattr(compute, "WORKERS_BACK_WITHIN", 120)


def kill_one_later(workers, folder):
    """Kill the first worker's processes once anything (.npz) has been written to the folder; returns the thread that waits for it."""

    def kill():
        end = time.monotonic() + 120
        while not list(folder.glob("*.npz")) and time.monotonic() < end:
            time.sleep(0.02)
        stop(workers[0])

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.fixture
def cluster(tmp_path_factory):
    """A real Dask scheduler and two workers with nannies, fresh for each test; yields (address, worker processes, scheduler process)."""
    folder = tmp_path_factory.mktemp("dask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    scheduler = ["-m", "distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show"]
    worker = ["-m", "distributed.cli.dask_worker", address, "--nthreads", 1, "--no-dashboard", "--local-directory", folder]
    processes = [start(*scheduler), start(*worker, "--name", "one"), start(*worker, "--name", "two")]
    try:
        yield address, processes[1:], processes[0]
    finally:
        for process in reversed(processes):
            stop(process)


# In this process.


def test_results_come_in_the_order_of_the_items():
    """Every item has its outcome, in the order given, and an exception costs its item only."""
    found = run_all(jobs.square, ITEMS, settings={"plus": 1}, workers=1)
    assert found == EXPECTED and list(found) == list(ITEMS)


def test_items_and_values_travel_as_json():
    """A tuple becomes a list for the function and in the result, whatever the backend."""
    assert run_all(jobs.lists, {"pair": (1, 2)}, workers=1) == {"pair": Outcome(["list", [1, [1, 2]]])}


@pytest.mark.parametrize(("function", "error"), [(jobs.exits, "SystemExit: leaving"), (jobs.not_json, "TypeError: .*set.*")])
def test_leaving_and_odd_values_are_errors_of_the_item(function, error):
    """A function that calls sys.exit, or returns something that is not JSON, gives an error outcome."""
    outcome = run_all(function, {"one": 1}, workers=1)["one"]
    assert outcome.value is None
    assert re.fullmatch(error, outcome.error)


def test_no_items_is_no_work():
    """An empty mapping gives an empty result and starts nothing."""
    assert run_all(jobs.square, {}) == {} and run_all(jobs.square, {}, workers=4, scheduler="tcp://127.0.0.1:1") == {}


def test_what_cannot_travel_is_refused():
    """A lambda, an item or settings that are not JSON-able, and a wrong number of workers raise a ParameterError."""
    with pytest.raises(ParameterError, match="top-level function"):
        run_all(lambda item, settings: item, {"one": 1})
    with pytest.raises(ParameterError, match="item 'one'"):
        run_all(jobs.square, {"one": {1}})
    with pytest.raises(ParameterError, match="settings"):
        run_all(jobs.square, {"one": 1}, settings=b"")
    with pytest.raises(ParameterError, match="-2"):
        run_all(jobs.square, {"one": 1}, workers=-2)


def test_the_number_of_workers_comes_from_the_environment(monkeypatch):
    """COMPENDIUM_JOBS is used where no number is given; 0 and unset mean one a core, at most one an item."""
    cores = len(os.sched_getaffinity(0))
    assert compute._workers(None, 1000) == cores and compute._workers(None, 1) == 1 and compute._workers(3, 1) == 3
    monkeypatch.setenv("COMPENDIUM_JOBS", "0")
    assert compute._workers(None, 1000) == cores
    monkeypatch.setenv("COMPENDIUM_JOBS", "5")
    assert compute._workers(None, 1000) == 5
    monkeypatch.setenv("COMPENDIUM_JOBS", "many")
    with pytest.raises(ParameterError, match="'many'"):
        compute._workers(None, 1000)


@pytest.mark.parametrize(("asked", "workers"), [
    ({}, 1), ({"COMPENDIUM_JOBS": "0"}, 1), ({"COMPENDIUM_JOBS": "", "COMPENDIUM_SCHEDULER": ""}, 1), ({"COMPENDIUM_JOBS": "3"}, None),
    ({"COMPENDIUM_JOBS": "0", "COMPENDIUM_SCHEDULER": "tcp://127.0.0.1:9"}, None),
])  # fmt: skip
def test_work_that_takes_all_cores_goes_alone_unless_somebody_asks(monkeypatch, asked, workers):
    """JOBS=0, which make always passes on, asks for nothing; a number of processes or a scheduler does, and then counts."""
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert compute.alone_unless_asked() == workers
    monkeypatch.setenv("COMPENDIUM_JOBS", "many")
    with pytest.raises(ParameterError, match="'many'"):
        compute.alone_unless_asked()


def test_workers_asked_for_beat_the_scheduler_of_the_environment(monkeypatch):
    """A caller who asks for this process is not sent to the scheduler that the environment names."""
    monkeypatch.setenv("COMPENDIUM_SCHEDULER", "tcp://127.0.0.1:9")
    assert run_all(jobs.square, {"a": 2}, workers=1)["a"].value["square"] == 4


# The journal and the heartbeat.


def computed(notes):
    return sorted(map(int, notes.read_text().split())) if notes.exists() else []


def test_a_second_call_computes_nothing_again(tmp_path):
    """What the journal has is not computed again, and the result is the same."""
    call = {"settings": {"notes": str(tmp_path / "notes")}, "journal": tmp_path / "deep" / "journal.jsonl", "workers": 1}
    first = run_all(jobs.note_and_square, {1: 1, 2: 2}, **call)
    assert run_all(jobs.note_and_square, {2: 2, 3: 3, 1: 1}, **call) == {2: Outcome(4), 3: Outcome(9), 1: Outcome(1)}
    assert computed(tmp_path / "notes") == [1, 2, 3] and first == {1: Outcome(1), 2: Outcome(4)}


def test_a_journal_cut_anywhere_costs_at_most_the_last_item(tmp_path):
    """Whatever byte a kill cuts the journal at, the rest is used and the lines added next can be read."""
    journal, notes = tmp_path / "journal", tmp_path / "notes"
    call = {"settings": {"notes": str(notes)}, "journal": journal, "workers": 1}
    expected = run_all(jobs.note_and_square, {1: 1, 2: 2, 3: 3}, **call)
    whole = journal.read_bytes()
    for length in range(len(whole)):
        journal.write_bytes(whole[:length])
        notes.unlink(missing_ok=True)
        lost = 3 - sum(line.endswith(b"}") and b"value" in line for line in whole[:length].split(b"\n"))
        assert run_all(jobs.note_and_square, {1: 1, 2: 2, 3: 3}, **call) == expected
        assert len(computed(notes)) == lost
        assert run_all(jobs.note_and_square, {1: 1, 2: 2, 3: 3}, **call) == expected
        assert len(computed(notes)) == lost


def test_errors_and_changes_are_computed_again(tmp_path):
    """An error outcome, a changed item and changed settings are computed; going back to old settings finds the old values."""
    journal = tmp_path / "journal"
    run_all(jobs.square, {"a": "x", "b": 2}, journal=journal, workers=1)
    assert run_all(jobs.square, {"a": 3, "b": 2}, journal=journal, workers=1)["a"].value["square"] == 9
    assert run_all(jobs.square, {"b": 2}, settings={"plus": 5}, journal=journal, workers=1)["b"].value["plus"] == 5
    before = journal.read_bytes()
    assert run_all(jobs.square, {"a": 3, "b": 2}, journal=journal, workers=1)["b"].value["plus"] == 0
    assert journal.read_bytes() == before


def test_a_journal_of_rubbish_is_tolerated(tmp_path):
    """Damaged lines, lines that are no objects and the same key twice do no harm."""
    journal = tmp_path / "journal"
    run_all(jobs.square, {"a": 1}, journal=journal, workers=1)
    line = journal.read_bytes().splitlines()[1]
    journal.write_bytes(b"\n".join([b"\xff\xfe", b"[1]", b"null", b'{"key": []}', line[:20], line, line, b'{"key"']))
    before = len(journal.read_bytes())
    assert run_all(jobs.square, {"a": 1}, journal=journal, workers=1)["a"].value["square"] == 1
    assert len(journal.read_bytes()) == before + 1  # only the cut line was ended


def test_the_first_line_of_a_journal_is_a_header(tmp_path):
    """A journal says on its first line what it is and of what."""
    run_all(jobs.square, {"a": 1}, journal=tmp_path / "journal", workers=1, what="faces")
    assert json.loads((tmp_path / "journal").read_text().splitlines()[0]) == {"journal": 1, "what": "faces"}


def test_the_heartbeat_counts_and_keeps_pace(tmp_path, monkeypatch):
    """The last heartbeat says all are done; resumed items do not make the pace look faster than it is."""
    beat, journal = tmp_path / "beat.json", tmp_path / "journal"
    monkeypatch.setenv("COMPENDIUM_HEARTBEAT", str(beat))
    call = {"settings": {"folder": str(tmp_path), "seconds": 0.05}, "journal": journal, "workers": 1, "what": "faces"}
    run_all(jobs.slow, {number: number for number in range(3)}, **call)
    said = json.loads(beat.read_text())
    assert (said["what"], said["done"], said["total"]) == ("faces", 3, 3) and said["started"] <= said["at"] <= time.time()
    run_all(jobs.slow, {number: number for number in range(5)}, **call)
    said = json.loads(beat.read_text())
    assert said["done"] == said["total"] == 5 and (said["at"] - said["started"]) / 5 >= 0.045


def test_a_heartbeat_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    """Progress is a courtesy: a heartbeat below a file instead of a folder is given up in silence."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("COMPENDIUM_HEARTBEAT", str(tmp_path / "file" / "beat.json"))
    assert run_all(jobs.square, {"a": 1}, workers=1)["a"].error is None


# Local processes.


@pytest.mark.slow
def test_processes_give_the_same_as_this_process():
    """Results and errors of two local processes equal those of this process."""
    found = run_all(jobs.square, ITEMS, settings={"plus": 1}, workers=2)
    assert found == EXPECTED and list(found) == list(ITEMS)


@pytest.mark.slow
def test_a_worker_that_dies_once_costs_nothing(tmp_path):
    """An item whose worker is killed once is retried, and all results are there."""
    items = {number: number for number in range(12)}
    assert run_all(jobs.die_once, items, settings={"folder": str(tmp_path)}, workers=2) == {key: Outcome(key) for key in items}


@pytest.mark.slow
def test_an_item_that_always_kills_its_worker_is_an_error(tmp_path):
    """An item that kills every worker gets an error outcome, the others their values, and a resumed run is not killed by it."""
    items = {number: number for number in range(12)}
    expected = {key: Outcome(key) for key in items} | {3: Outcome(error=compute.WORKER_DIED)}
    assert run_all(jobs.die_always, items, workers=2, journal=tmp_path / "journal") == expected
    assert run_all(jobs.die_always, items, workers=2, journal=tmp_path / "journal") == expected


@pytest.mark.slow
def test_workers_import_the_library_from_anywhere(tmp_path, monkeypatch):
    """Workers, and the programs they start, import `lib` whatever the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    items = {"here": str(tmp_path), "root": "/"}
    assert run_all(jobs.import_in_a_child, items, workers=2) == {key: Outcome("lib.compendium.compute") for key in items}


@pytest.mark.slow
def test_workers_die_with_a_killed_parent_and_the_next_run_resumes(tmp_path):
    """After kill -9 of the parent no worker goes on, and the same call later computes only what is missing."""
    call = f"settings={{'folder': {str(tmp_path)!r}, 'seconds': 0.2}}, journal={str(tmp_path / 'journal')!r}, workers=2"
    code = f"import jobs; from lib.compendium.compute import run_all; run_all(jobs.slow, {{n: n for n in range(200)}}, {call})"
    parent = start("-c", code)
    try:
        wait_until(lambda: (tmp_path / "journal").exists() and len((tmp_path / "journal").read_text().splitlines()) > 3)
        workers = psutil.Process(parent.pid).children(recursive=True)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert workers
        wait_until(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers), 10)
    finally:
        stop(parent)
    kept = len((tmp_path / "journal").read_text().splitlines()) - 1
    for file in tmp_path.glob("*-*"):
        file.unlink()
    call = {"settings": {"folder": str(tmp_path), "seconds": 0.2}, "journal": tmp_path / "journal", "workers": 1}
    assert run_all(jobs.slow, {number: number for number in range(kept + 1)}, **call) == {n: Outcome(n) for n in range(kept + 1)}
    assert 1 <= len(list(tmp_path.glob("*-*"))) <= 5  # two processes finish out of order, by a few items


@pytest.mark.slow
def test_two_processes_may_share_a_journal(tmp_path):
    """Two runs that append to one journal at once leave only whole lines, and either finds all values there."""
    call = f"settings={{'plus': 1}}, journal={str(tmp_path / 'journal')!r}, workers=1"
    code = f"import jobs; from lib.compendium.compute import run_all; run_all(jobs.square, {{n: n for n in range(3000)}}, {call})"
    runs = [start("-c", code), start("-c", code)]
    assert [run.wait(30) for run in runs] == [0, 0]
    lines = (tmp_path / "journal").read_text().splitlines()
    assert {json.loads(line)["key"] for line in lines if line and "key" in line} == set(range(3000))


# Dask.


@pytest.mark.slow
def test_dask_gives_the_same_as_this_process(cluster, monkeypatch):
    """Results and errors of a Dask scheduler, named by the environment, equal those of this process."""
    monkeypatch.setenv("COMPENDIUM_SCHEDULER", cluster[0])
    found = run_all(jobs.square, ITEMS, settings={"plus": 1})
    assert found == EXPECTED and list(found) == list(ITEMS)


@pytest.mark.slow
def test_a_dask_item_that_kills_its_workers_is_an_error(cluster):
    """An item that kills every Dask worker gets the same error outcome as on local processes; its neighbours have values."""
    items = {number: number for number in range(12)}
    expected = {key: Outcome(key) for key in items} | {3: Outcome(error=compute.WORKER_DIED)}
    assert run_all(jobs.die_always, items, scheduler=cluster[0]) == expected


@pytest.mark.slow
def test_a_dask_worker_killed_midway_costs_nothing(cluster, tmp_path):
    """One of two workers is killed with -9 while it works, nanny and all; every result is there."""
    address, workers, _ = cluster
    items = {number: number for number in range(30)}

    def kill():
        wait_until(lambda: len(list(tmp_path.iterdir())) >= 6)
        stop(workers[0])

    killer = threading.Thread(target=kill)
    killer.start()
    found = run_all(jobs.slow, items, settings={"folder": str(tmp_path), "seconds": 0.1}, scheduler=address)
    killer.join()
    assert found == {key: Outcome(key) for key in items} and workers[0].poll() is not None


@pytest.mark.slow
def test_losing_all_dask_workers_stops_with_a_clear_error(cluster, monkeypatch, tmp_path):
    """When every worker is gone for good the run stops and says what to do, and the same when there is none at the start."""
    address, workers, _ = cluster
    monkeypatch.setattr(compute, "WORKERS_BACK_WITHIN", 3)
    killer = threading.Thread(target=lambda: [wait_until(lambda: any(tmp_path.iterdir())), *map(stop, workers)])
    killer.start()
    with pytest.raises(CompendiumError, match="workers are gone"):
        run_all(jobs.slow, {1: 1}, settings={"folder": str(tmp_path), "seconds": 60}, scheduler=address)
    killer.join()
    monkeypatch.setattr(compute, "ANSWER_WITHIN", 2)
    with pytest.raises(CompendiumError, match="has no worker.*dask worker tcp"):
        run_all(jobs.square, {1: 1}, scheduler=address)


@pytest.mark.slow
def test_losing_the_dask_scheduler_stops_with_a_clear_error(cluster, tmp_path):
    """When the scheduler is killed the run stops at once and says what to do; what was done is in the journal."""
    address, _, scheduler = cluster
    worker = start("-m", "distributed.cli.dask_worker", address, "--nthreads", 1, "--no-dashboard", "--no-nanny")
    try:
        killer = threading.Thread(target=lambda: [wait_until(lambda: any(tmp_path.glob("1-*"))), time.sleep(1), stop(scheduler)])
        killer.start()
        call = {"settings": {"folder": str(tmp_path), "seconds": 0.3}, "journal": tmp_path / "journal", "scheduler": address}
        with pytest.raises(CompendiumError, match="scheduler is gone"):
            run_all(jobs.slow, {number: number for number in range(100)}, **call)
        killer.join()
    finally:
        stop(worker)
    assert len((tmp_path / "journal").read_text().splitlines()) > 1


@pytest.mark.slow
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://here", "127.0.0.1:9"])
def test_a_scheduler_that_does_not_answer_is_a_clear_error(address, monkeypatch):
    """A dead or nonsensical address ends in a few seconds with what to do."""
    monkeypatch.setattr(compute, "ANSWER_WITHIN", 2)
    begun = time.monotonic()
    with pytest.raises(CompendiumError, match="No Dask scheduler answers.*leave SCHEDULER empty"):
        run_all(jobs.square, {1: 1}, scheduler=address)
    assert time.monotonic() - begun < 10


def test_progress_of_other_work(tmp_path, monkeypatch):
    """Work that is not a map over items reports its progress in the same file, and to nobody where there is none."""
    compute.progress("epochs")(1, 2)
    monkeypatch.setenv("COMPENDIUM_HEARTBEAT", str(tmp_path / "beat.json"))
    report = compute.progress("epochs")
    report(0, 8)
    assert not (tmp_path / "beat.json").exists()
    report(3, 8)
    beat = json.loads((tmp_path / "beat.json").read_text())
    assert (beat["what"], beat["done"], beat["total"]) == ("epochs", 3, 8) and beat["at"] >= beat["started"]
