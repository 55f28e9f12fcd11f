"""Machinery: one way to run a function over many items: in this process, on local processes or on a Dask scheduler.

The result is the same whichever it is, because the function, its item and its result travel as text in all three. A lost worker
costs its item, not the run, and a journal lets a killed run go on where it was.
"""

import contextlib
import hashlib
import importlib
import json
import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from lib.compendium.errors import CompendiumError, ParameterError
from lib.compendium.places import ROOT, write_atomically

WORKER_DIED = "the worker process died (out of memory?)"
ANSWER_WITHIN = 5  # seconds a Dask scheduler has to answer, and then to show a worker
WORKERS_BACK_WITHIN = 60  # seconds without any Dask worker after which a run stops
BEAT_EVERY = 0.2  # seconds between two heartbeats


class Outcome(NamedTuple):
    """What became of one item: its value, or the text of its error ("TypeName: message")."""

    value: Any = None
    error: str | None = None


def run_all(function, items, *, settings=None, journal=None, workers=None, scheduler=None, what="pictures") -> dict[Any, Outcome]:
    """Return the outcome of `function(item, settings)` for every item, in the order of `items`.

    function: a top-level function of a module; what it returns must be JSON-able. An exception costs its own item only.
    items: a mapping from key to JSON-able item; settings: one JSON-able value given to every call.
    journal: a file that keeps finished values, so that the same call after a kill computes only what is missing. A value counts
        only for the same function, settings and item; errors are tried again.
    workers: 1 is this process; more are local processes. Default: COMPENDIUM_JOBS, and where that is 0 or unset one for each core.
    scheduler: address of a Dask scheduler, used instead of local processes. Default: COMPENDIUM_SCHEDULER, unless `workers` is given.
    what: the plural noun for progress; written to the file named by COMPENDIUM_HEARTBEAT, if set.
    Raises ParameterError for a function or item that cannot travel, CompendiumError where the scheduler does not answer.
    """
    if scheduler is None and workers is None:  # a caller who asks for this process or for local ones gets them
        scheduler = os.environ.get("COMPENDIUM_SCHEDULER")
    workers = _workers(workers, len(items))
    call = (_address(function), _text(settings, "settings"))
    tasks = {key: (*call, _text(item, f"item {key!r}")) for key, item in items.items()}
    found = _read_journal(journal, tasks) if journal else {}
    left = {key: task for key, task in tasks.items() if key not in found}
    if scheduler and left:
        finished = _on_dask(left, scheduler)
    elif workers > 1:
        finished = _in_processes(left, workers)
    else:
        finished = ((key, _attempt(*task)) for key, task in left.items())
    earlier, started, last = len(found), time.time(), 0.0
    # Closing both on the way out ends pools and connections at once when the caller interrupts.
    with contextlib.closing(finished), _appending(journal, what) as append:
        for key, text in finished:
            append(key, tasks[key], text)
            found[key] = Outcome(**json.loads(text))
            if time.time() - last >= BEAT_EVERY or len(found) == len(items):
                last = time.time()
                _beat(what, len(found), len(items), started, earlier)
    return {key: found[key] for key in items}


def alone_unless_asked() -> int | None:
    """Return the `workers` of a `run_all` whose items use all cores, or the graphics card's memory, by themselves.

    1, this process alone, where nobody asked for processes (COMPENDIUM_JOBS: 0 and unset ask for none) or a scheduler, else None.
    """
    return None if _asked(os.environ.get("COMPENDIUM_JOBS") or "0") or os.environ.get("COMPENDIUM_SCHEDULER") else 1


def _asked(count: str | int) -> int:
    try:
        number = int(count)
    except ValueError:
        number = -1
    if number < 0:
        raise ParameterError(f"Received {count!r} processes; expected a whole number, 0 for one a core. Give JOBS=2, for example.")
    return number


def _workers(workers: int | None, items: int) -> int:
    count = _asked(os.environ.get("COMPENDIUM_JOBS") or "0" if workers is None else workers)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return count or min(cores, items)


def _address(function) -> str:
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", "__main__") == "__main__" or not name.isidentifier():
        raise ParameterError(f"Received the function {name!r}; expected a top-level function of a module, to be imported by name.")
    return f"{function.__module__}:{name}"


def _text(value, name: str) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"The {name} cannot be written as JSON ({error}); give it as numbers, text, lists and dictionaries.") from None


def _attempt(address: str, settings: str, item: str) -> str:
    """Call the function and return its outcome as text. Runs in the worker, wherever that is."""
    try:
        module, name = address.split(":")
        value = getattr(importlib.import_module(module), name)(json.loads(item), json.loads(settings))
        return json.dumps({"value": value})
    except (Exception, SystemExit) as error:
        return json.dumps({"error": f"{type(error).__name__}: {error}"})


def _beat(what: str, done: int, total: int, started: float, earlier: int) -> None:
    """Write the heartbeat. `started` is moved back for items of an earlier session, so that (at - started) / done is today's pace."""
    if path := os.environ.get("COMPENDIUM_HEARTBEAT"):
        at = time.time()
        began = at - (at - started) * done / (done - earlier)
        with contextlib.suppress(OSError):  # progress is a courtesy: a full disk must not stop the run because of it
            write_atomically(Path(path), json.dumps({"what": what, "done": done, "total": total, "started": began, "at": at}))


def progress(what: str):
    """Return a function (done, total) that reports progress of work which is not a `run_all`: epochs of a training, say."""
    started = time.time()
    return lambda done, total: _beat(what, done, total, started, 0) if done else None


# The journal: one JSON object a line. Lines are only ever added, each by a single write, so processes may share the file.


def _fingerprint(task: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(task).encode()).hexdigest()[:16]


def _read_journal(path, tasks: dict) -> dict:
    wanted = {(_text(key, "key"), _fingerprint(task)): key for key, task in tasks.items()}
    found = {}
    if not Path(path).exists():
        return found
    for line in Path(path).read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # the header, a line cut by a kill, a line of another call
            entry = json.loads(line)
            found[wanted[json.dumps(entry["key"]), entry["of"]]] = Outcome(value=entry["value"])
    return found


@contextlib.contextmanager
def _appending(path, what: str):
    """Yield a function that adds one finished item to the journal; it does nothing where there is no journal."""
    if not path:
        yield lambda *entry: None
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)

    def write(line: str) -> None:
        data = line.encode() + b"\n"
        if os.write(handle, data) != len(data):
            raise CompendiumError(f"The journal {path.name} could not be written in full: the disk is full. Free some space and run again.")

    try:
        size = os.fstat(handle).st_size
        if size == 0:
            write(json.dumps({"journal": 1, "what": what}))
        elif os.pread(handle, 1, size - 1) != b"\n":
            write("")  # ends the line a kill has cut, so that the next one starts afresh
        yield lambda key, task, text: write(json.dumps({"key": key, "of": _fingerprint(task), **json.loads(text)}))
    finally:
        os.close(handle)


# Local processes.


def _start_worker(parent: int) -> None:
    """Prepare a worker: its own children can import `lib`, and it ends with its parent, which after a kill -9 cannot tell it to."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _pool(workers: int) -> ProcessPoolExecutor:
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # workers take over sys.path, and so import `lib` from any working directory
    # Spawned, not forked: a fork of a process with running threads (a kernel, TensorFlow) can hang.
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(os.getpid(),))


def _in_processes(tasks: dict, workers: int):
    """Yield (key, outcome text) as they finish, with at most two items a worker submitted, so that memory stays flat."""
    waiting, flying, pool = deque(tasks), {}, None
    workers = min(workers, len(tasks))
    try:
        while waiting or flying:
            pool, suspects = pool or _pool(workers), []
            with contextlib.suppress(BrokenProcessPool):  # the items in flight will say so too
                while waiting and len(flying) < 2 * workers:
                    flying[pool.submit(_attempt, *tasks[waiting[0]])] = waiting[0]
                    waiting.popleft()
            done = wait(flying, return_when=FIRST_COMPLETED).done
            if any(map(_broken, done)):
                done = wait(flying).done  # a broken pool gives everything in flight back at once
            for future in done:
                key = flying.pop(future)
                if _broken(future):
                    suspects.append(key)
                else:
                    yield key, future.result()
            if suspects or not done:
                pool = pool.shutdown()
                for key in suspects:
                    yield key, _alone(tasks[key])
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def _broken(future) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _alone(task: tuple[str, ...]) -> str:
    """Retry one item by itself, up to twice: nobody knows which item broke the pool, and alone the innocent ones pass."""
    for _ in range(2):
        with contextlib.suppress(BrokenProcessPool), _pool(1) as pool:
            return pool.submit(_attempt, *task).result()
    return json.dumps({"error": WORKER_DIED})


# A Dask scheduler.


def _on_dask(tasks: dict, scheduler: str):
    """Yield (key, outcome text) as they finish on the workers of a Dask scheduler, a bounded number at a time."""
    from distributed import KilledWorker

    def attempt(root: str, task: tuple[str, ...]) -> str:  # nested, so that Dask sends its code: a worker may not know `lib` yet
        sys.path.extend([root] if root not in sys.path else [])
        return importlib.import_module("lib.compendium.compute")._attempt(*task)

    with _connect(scheduler) as client:
        window = max(32, 4 * sum(client.nthreads().values()))
        waiting, flying, again, retried, finished = deque(tasks), {}, deque(), set(), SimpleQueue()
        while waiting or flying or again:
            if not waiting and not flying:  # items that lost several workers: each again by itself, for a neighbour may be guilty
                waiting.append(again.popleft())
                retried.add(waiting[0])
            while waiting and len(flying) < window:
                key = waiting.popleft()
                future = client.submit(attempt, str(ROOT), tasks[key], pure=False)
                flying[future] = key
                future.add_done_callback(finished.put)
            future = _next_finished(client, finished)
            if future.cancelled():
                raise CompendiumError("The Dask scheduler is gone. What is done is kept; start it and run the same command again.")
            key, error = flying.pop(future), future.exception()
            if error is None:
                yield key, future.result()
            elif not isinstance(error, KilledWorker):
                yield key, json.dumps({"error": f"{type(error).__name__}: {error}"})
            elif key in retried:
                yield key, json.dumps({"error": WORKER_DIED})
            else:
                again.append(key)


def _connect(scheduler: str):
    from distributed import Client

    try:
        client = Client(scheduler, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise CompendiumError(
            f"No Dask scheduler answers at {scheduler!r} ({type(error).__name__}); expected an address such as tcp://name:8786. "
            "Start one there with `dask scheduler`, or leave SCHEDULER empty to use this machine."
        ) from None
    try:
        client.wait_for_workers(1, timeout=ANSWER_WITHIN)
    except TimeoutError:
        client.close()
        raise CompendiumError(f"The Dask scheduler at {scheduler!r} has no worker. Start one with `dask worker {scheduler}`.") from None
    return client


def _next_finished(client, finished: SimpleQueue):
    """Return the next finished future. Raises CompendiumError when all workers stay away."""
    seen = time.monotonic()
    while time.monotonic() - seen < WORKERS_BACK_WITHIN:
        with contextlib.suppress(Empty):
            return finished.get(timeout=2)
        with contextlib.suppress(OSError):  # a scheduler that is going cancels its futures, which come through the queue
            seen = time.monotonic() if client.nthreads() else seen
    raise CompendiumError("All Dask workers are gone. What is done is kept; start workers and run the same command again.")
