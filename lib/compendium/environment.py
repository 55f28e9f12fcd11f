"""Machinery: makes the environment from the lock file. Standard library only: it runs before anything is installed.

`python3 lib/compendium/environment.py VENV DEVICE` (DEVICE: cpu or gpu)
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def stop(message: str) -> None:
    """End with one line that says what is missing and what to do."""
    raise SystemExit(f"error: {message}")


def check_interpreter() -> None:
    """Stop where this Python cannot make the environment."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        stop(f"python3 is Python {here}; 3.11, 3.12 or 3.13 is needed. Install one and say: make setup PYTHON3=python3.12")
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            stop(f"this Python {here} has no {module!r} module. On Debian or Ubuntu: apt-get install python{here}-venv")


def usable(python: Path) -> bool:
    """Return whether an environment is there and whole enough to install into: a stopped set-up may have left it without pip."""
    return python.exists() and subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True).returncode == 0


def make(environment: Path, device: str) -> None:
    """Create the environment where it is missing and install the lock file's packages, each checked by its hash."""
    lock = ROOT / f"requirements-{device}.lock"
    if not lock.exists():
        stop(f"DEVICE={device} has no lock file {lock.name}; expected DEVICE=cpu or DEVICE=gpu.")
    marker = environment / ".device"
    if marker.exists() and marker.read_text().strip() != device:
        shutil.rmtree(environment)  # the two TensorFlow builds would overwrite each other's files
    python = environment / "bin" / "python"
    if not usable(python):
        check_interpreter()
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
    print(f"Installing the packages of {lock.name} into {environment} (about two minutes, 1 GB to fetch on a first run) ...", flush=True)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        print("\n".join(said[-6:]), file=sys.stderr)
        stop("pip could not install the lock file (see above). With a network, the same command goes on where it stopped.")
    marker.write_text(device + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2])
