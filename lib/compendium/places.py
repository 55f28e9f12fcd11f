"""Machinery: where things are. Standard library only, so Make can ask before the environment exists.

`python3 -m lib.compendium.places COLLECTION` prints the suffix of a collection's run folder.
"""

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes at once do the same work, and the second rename wins
    fcntl = None

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
PARAMETERS = ROOT / "params"
CLAIMS = ROOT / "params" / "claims"
DATA = ROOT / "data"  # downloads and caches, git-ignored


def run_folder_suffix(collection: str) -> str:
    """Return what the run folder's name carries for a collection given on the command line ("" is the profile's default).

    A named collection keeps its name. A folder gets its own name and six hexadecimal digits of its address, so that two folders
    called `photographs` do not overwrite each other's runs: `runs/demo--photographs-3fa2c1/`.
    """
    if not collection:
        return ""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", collection) and not Path(collection).exists():
        return f"--{collection}"
    address = Path(collection).expanduser().resolve()
    slug = re.sub(r"[^A-Za-z0-9_]+", "_", address.name).strip("_")[:40] or "folder"
    return f"--{slug}-{hashlib.sha256(str(address).encode()).hexdigest()[:6]}"


def relative(path: Path) -> str:
    """Return a path as text relative to the repository, so that no record carries an absolute path of a machine."""
    return Path(os.path.relpath(Path(path).resolve(), ROOT)).as_posix()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name beside its place and rename it: a killed run leaves the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(path: Path):
    """Let one process at a time do what follows; the others wait. The file is made where it is missing and its content left alone.

    The system itself ends the lock with the process, however that dies.
    """
    with Path(path).open("a") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(run_folder_suffix(sys.argv[1] if len(sys.argv) > 1 else ""))
