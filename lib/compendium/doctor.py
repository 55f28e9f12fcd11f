"""Machinery: examines this machine and this environment. Every finding that is not well ends with the one command that mends it."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
from packaging.markers import Marker
from packaging.utils import canonicalize_name, canonicalize_version
from rich.console import Console
from rich.text import Text

from lib.compendium import weights as registry
from lib.compendium.places import ROOT

GIB = 2**30
SET_UP_AGAIN = "make -B setup"  # plain `make setup` does nothing while the lock file is unchanged
COLOURS = {"well": "green", "warning": "yellow", "ill": "red"}


class Finding(NamedTuple):
    """What the examination found about one thing, and the command that mends it (empty where all is well)."""

    name: str
    state: Literal["well", "warning", "ill"]
    detail: str
    cure: str = ""


def examine(
    *,
    root=ROOT,
    environment=sys.prefix,
    python=sys.version_info[:2],
    installed=None,
    cores=None,
    memory=None,
    disk=None,
    accelerators=None,
    weights=None,
    kernel=None,
) -> list[Finding]:
    """Return the findings about this machine, in the order of the report. Everything looked at can be given instead (for tests).

    root: the repository; environment: folder of the Python environment; python: (major, minor); installed: versions by package name;
    cores: a number; memory, disk: bytes in all, bytes free; accelerators: names of graphics cards; weights: state by registered name
    (see `weights.check`); kernel: a function that returns "" if the Jupyter kernel answers, else what went wrong.
    """
    marker = Path(environment) / ".device"
    device = marker.read_text().strip() if marker.is_file() else "cpu"
    installed = {canonicalize_name(name): version for name, version in (_installed() if installed is None else installed).items()}
    return [
        _python(python),
        _lock(Path(root) / f"requirements-{device}.lock", installed),
        Finding("cores", "well", str(cores or psutil.cpu_count())),
        _memory(psutil.virtual_memory().total if memory is None else memory),
        _disk(shutil.disk_usage(root).free if disk is None else disk),
        _accelerator(_accelerators() if accelerators is None else accelerators, installed),
        *_weights({name: registry.check(name) for name in registry.defaults()} if weights is None else weights),
        _kernel((kernel or kernel_trouble)()),
        *(_writing(Path(root) / name) for name in ("runs", "data")),
    ]


def print_report(findings: list[Finding], as_json: bool = False) -> int:
    """Print the findings, one a line, and what to do next. Returns the exit status: 1 if anything is ill, else 0."""
    ill = any(finding.state == "ill" for finding in findings)
    # What stops a run comes first; a warning's command is named when nothing is ill.
    following = next((finding.cure for state in ("ill", "warning") for finding in findings if finding.state == state), "")
    if as_json:
        print(json.dumps({"well": not ill, "next": following, "findings": [finding._asdict() for finding in findings]}, indent=2))
        return int(ill)
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        line = Text(f"{finding.state:8}", style=COLOURS[finding.state]).append(f"{finding.name:13} {finding.detail}", style="default")
        console.print(line.append(f"  ->  {finding.cure}", style="bold default") if finding.cure else line)
    console.print(f"Next: {following}" if following else "All well.", style="bold", markup=False)
    return int(ill)


def _python(version: tuple[int, int]) -> Finding:
    here = ".".join(map(str, version[:2]))
    if (3, 11) <= tuple(version[:2]) <= (3, 13):
        return Finding("Python", "well", here)
    return Finding("Python", "ill", f"{here}; expected 3.11, 3.12 or 3.13", "rm -r .venv && make setup PYTHON3=python3.12")


def _installed() -> dict[str, str]:
    return {each.metadata["Name"]: each.version for each in importlib.metadata.distributions() if each.metadata["Name"]}


def _locked(lock: Path) -> dict[str, str]:
    """Return the versions by normalised name that a lock file asks for on this machine."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)(?:[ ]*;[ ]*([^\\\n]+))?", lock.read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version, marker in found if not marker or Marker(marker.strip()).evaluate()}


def _lock(lock: Path, installed: dict[str, str]) -> Finding:
    if not lock.is_file():
        return Finding("packages", "ill", f"{lock.name} is missing", f"git checkout {lock.name}")
    locked = _locked(lock)
    missing = [name for name in locked if name not in installed]
    other = [name for name in locked if name in installed and canonicalize_version(installed[name]) != canonicalize_version(locked[name])]
    if not missing and not other:
        return Finding("packages", "well", f"{len(locked)} as in {lock.name}")
    parts = [_some("missing", [f"{name} {locked[name]}" for name in missing])]
    parts += [_some("differing", [f"{name} {installed[name]} (expected {locked[name]})" for name in other])]
    return Finding("packages", "ill", f"unlike {lock.name}: {'; '.join(filter(None, parts))}", SET_UP_AGAIN)


def _some(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"{what} {', '.join(names[:6])}{more}" if names else ""


def _memory(size: int) -> Finding:
    if size >= 4 * GIB:
        return Finding("memory", "well", f"{size / GIB:.0f} GiB")
    return Finding("memory", "warning", f"{size / GIB:.1f} GiB; below 4 GiB use one process", "make reproduce JOBS=1")


def _disk(free: int) -> Finding:
    if free >= 2 * GIB:
        return Finding("disk", "well", f"{free / GIB:.0f} GiB free")
    detail = f"{free / GIB:.1f} GiB free; expected 2 GiB or more. The command deletes finished runs and caches"
    return Finding("disk", "ill", detail, "make clean")


def _accelerators() -> list[str]:
    try:
        command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def _accelerator(cards: list[str], installed: dict[str, str]) -> Finding:
    """Compare the graphics cards with the TensorFlow build, by package names: importing it would take seconds."""
    if {"tensorflow", "tensorflow-cpu"} <= installed.keys():
        detail = "both tensorflow and tensorflow-cpu are installed and overwrite each other's files"
        return Finding("accelerator", "ill", detail, "rm -r .venv && make setup")
    for_gpu = any(name.startswith("nvidia-cudnn") for name in installed)
    if cards and not for_gpu:
        return Finding("accelerator", "warning", f"{', '.join(cards)}, but TensorFlow here is the CPU build", "make setup DEVICE=gpu")
    if for_gpu and not cards:
        detail = "TensorFlow here is the GPU build, but nvidia-smi names no card: it runs on the CPU"
        return Finding("accelerator", "warning", detail, "make setup DEVICE=cpu")
    return Finding("accelerator", "well", ", ".join(cards) or "none: CPU is enough for demo")


def _weights(states: dict[str, str]) -> list[Finding]:
    return [
        Finding("weights", "well", name) if state == "ok" else Finding("weights", "ill", f"{name} {state}", "make weights")
        for name, state in states.items()
    ]


def kernel_trouble(seconds: float = 30) -> str:
    """Start the Jupyter kernel `python3` and ask it for 1+1. Returns "" if it answers from this environment, else what went wrong."""
    from jupyter_client.manager import start_new_kernel

    try:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        manager, client = start_new_kernel(startup_timeout=seconds, kernel_name="python3", **quiet)
    except Exception as error:  # whatever it is, the kernel does not start
        return f"does not start ({type(error).__name__}: {error})"
    try:
        asked = {"sum": "1+1", "home": "__import__('sys').prefix"}
        reply = client.execute("", user_expressions=asked, reply=True, timeout=seconds)["content"]["user_expressions"]
        said = {name: reply[name].get("data", {}).get("text/plain") for name in asked}
    except Exception as error:
        return f"does not answer ({type(error).__name__}: {error})"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return "" if said == {"sum": "2", "home": repr(sys.prefix)} else "runs another Python than this environment's"


def _kernel(trouble: str) -> Finding:
    if not trouble:
        return Finding("kernel", "well", "python3 answers")
    return Finding("kernel", "ill", f"python3 {trouble}", ".venv/bin/python -m ipykernel install --sys-prefix")


def _writing(folder: Path) -> Finding:
    name = folder.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # tried, not asked: permissions alone do not tell
            return Finding("write access", "well", f"{name}/")
    except OSError as error:
        cure = f"chmod -R u+rwX {name}" if folder.is_dir() else f"rm {name}" if folder.exists() else "chmod u+rwx ."
        return Finding("write access", "ill", f"{name}/: {error.strerror}", cure)
