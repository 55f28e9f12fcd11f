"""Functions that worker processes of the tests import by name."""

import os
import subprocess
import sys
import time
from pathlib import Path


def square(item, settings):
    if isinstance(item, str):
        raise ValueError(f"{item} is no number")
    return {"square": item**2, "plus": (settings or {}).get("plus", 0)}


def lists(item, settings):
    return [type(item).__name__, (1, item)]


def note_and_square(item, settings):
    """Square, after adding one line to a file: how often was each item computed?"""
    with Path(settings["notes"]).open("a") as file:
        file.write(f"{item}\n")
    return item**2


def die_once(item, settings):
    """Kill the own process at the first visit of item 3."""
    visited = Path(settings["folder"]) / "visited"
    if item == 3 and not visited.exists():
        visited.touch()
        os.kill(os.getpid(), 9)
    return item


def die_always(item, settings):
    if item == 3:
        os.kill(os.getpid(), 9)
    time.sleep(0.01)
    return item


def slow(item, settings):
    """Note the process number, then work for a while."""
    (Path(settings["folder"]) / f"{item}-{os.getpid()}").touch()
    time.sleep(settings["seconds"])
    return item


def import_in_a_child(item, settings):
    """Import the library in a child process from another working directory."""
    code = "import lib.compendium.compute as module; print(module.__name__)"
    return subprocess.run([sys.executable, "-c", code], cwd=item, capture_output=True, text=True, check=True).stdout.strip()


def exits(item, settings):
    sys.exit("leaving")


def not_json(item, settings):
    return {1, 2}
