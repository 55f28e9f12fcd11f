"""Machinery: the papermill engine: what a run is doing, how long it will still take, how long each cell took."""

import json
import os
import sys
import threading
import time
from pathlib import Path

from papermill.engines import NBClientEngine, papermill_engines
from rich.console import Console

NAME = "compendium"
LOG_EVERY = 60.0  # seconds between lines where there is no terminal


def title_of(cells: list, index: int) -> str:
    """Return a cell's name for the progress line: its `# papermill_description=`, else the heading it stands under."""
    first = cells[index].source.partition("\n")[0]
    if first.startswith("# papermill_description="):
        return first.removeprefix("# papermill_description=").strip()
    prose = [line for cell in cells[: index + 1] if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    return next((line.lstrip("# ") for line in reversed(prose) if line.startswith("#")), "beginning")


def duration(seconds: float) -> str:
    """Return a length of time as people say it: `40 s`, `3 min`, `2 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Watch:
    """Follows one execution: which cell, since when, and what its heartbeat file says."""

    def __init__(self, label: str, cells: list, heartbeat: Path, earlier: dict[str, float]):
        self.label, self.cells, self.heartbeat, self.earlier = label, cells, heartbeat, earlier
        self.index, self.since, self.stopped = 0, time.time(), threading.Event()

    def cell_started(self, index: int) -> None:
        self.index, self.since = index, time.time()

    def beat(self) -> dict | None:
        """Return the long step's last heartbeat if it belongs to the current cell."""
        try:
            beat = json.loads(self.heartbeat.read_text())
        except (OSError, ValueError):
            return None
        return beat if beat["at"] >= self.since else None

    def seconds_left(self) -> float | None:
        """Return the expected remaining seconds: the pace of the current step, else the last run's cell times."""
        beat, spent = self.beat(), time.time() - self.since
        later = [self.earlier.get(cell.id) for cell in self.cells[self.index + 1 :] if cell.cell_type == "code"]
        if beat and beat["done"]:
            here = (beat["at"] - beat["started"]) / beat["done"] * (beat["total"] - beat["done"])
        elif self.cells[self.index].id in self.earlier:
            here = max(0.0, self.earlier[self.cells[self.index].id] - spent)
        else:
            return None
        return here + sum(seconds or 0.0 for seconds in later)

    def line(self) -> str:
        """Return the progress line."""
        parts = [self.label, f"{title_of(self.cells, self.index)} (cell {self.index + 1} of {len(self.cells)})"]
        if beat := self.beat():
            parts.append(f"{beat['done']} of {beat['total']} {beat['what']}")
        if (left := self.seconds_left()) is not None:
            parts.append(f"about {duration(left)} left")
        return " · ".join(parts)

    def show(self) -> None:
        """Show progress until stopped: one living line on a terminal, one line a minute in a log or beside another notebook."""
        beside = any(word.startswith("-j") for word in os.environ.get("MAKEFLAGS", "").split(" -- ")[0].split())
        if sys.stderr.isatty() and not beside:
            with Console(stderr=True).status(self.line()) as status:
                while not self.stopped.wait(0.5):
                    status.update(self.line())
        else:
            while not self.stopped.wait(LOG_EVERY):
                print(self.line(), file=sys.stderr, flush=True)


class CompendiumEngine(NBClientEngine):
    """papermill over nbclient, watched."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, label, heartbeat, earlier, **kwargs):
        """Execute the notebook while a thread shows progress. label, heartbeat, earlier (seconds by cell id): see `Watch`."""
        watch = Watch(label, nb_man.nb.cells, heartbeat, earlier)
        started = nb_man.cell_start

        def cell_start(cell, cell_index=None, **more):
            watch.cell_started(cell_index or 0)
            return started(cell, cell_index, **more)

        nb_man.cell_start = cell_start
        thread = threading.Thread(target=watch.show, daemon=True)
        thread.start()
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            watch.stopped.set()
            thread.join()


papermill_engines.register(NAME, CompendiumEngine)
