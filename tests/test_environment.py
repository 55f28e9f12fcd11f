"""The environment: two lock files, the conda file with the same pins, every dependency with its reason."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from lib.compendium import conda, environment, places

PROJECT = tomllib.loads((places.ROOT / "pyproject.toml").read_text())
LOCKS = {device: (places.ROOT / f"requirements-{device}.lock").read_text() for device in ("cpu", "gpu")}


def names(lock):
    return {re.split(r"[=\[ ]", pin)[0].lower() for pin in conda.pins(lock)}


def test_conda_users_get_the_same_pins():
    """environment.yml lists exactly the CPU lock's packages, versions and markers."""
    file = yaml.safe_load((places.ROOT / "environment.yml").read_text())
    listed = next(entry for entry in file["dependencies"] if isinstance(entry, dict))["pip"]
    assert listed == conda.pins(LOCKS["cpu"])


@pytest.mark.parametrize("device", LOCKS)
def test_every_locked_package_is_pinned_by_hash_and_no_address(device):
    """Each package of the closure has a version and at least one SHA-256; no index address or local path."""
    entries = re.split(r"\n(?=\S)", LOCKS[device].strip())
    assert len(entries) > 100
    assert all(re.match(r"^[A-Za-z0-9_.-]+(\[.*\])?==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in LOCKS[device] and "--index" not in LOCKS[device]


def test_the_locks_hold_every_direct_dependency():
    """Whatever pyproject.toml asks for is in both locks; each with the TensorFlow of its device."""
    direct = {re.split(r"[<>=\[; ]", line)[0].lower() for line in PROJECT["project"]["dependencies"]}
    for device in LOCKS:
        assert direct <= names(LOCKS[device])
    assert "tensorflow-cpu" in names(LOCKS["cpu"]) and "tensorflow-cpu" not in names(LOCKS["gpu"])
    cuda = {device: [name for name in names(LOCKS[device]) if name.startswith("nvidia-")] for device in LOCKS}
    assert cuda["gpu"] and not cuda["cpu"]


def test_opencv_stays_below_five():
    """OpenCV 5 has no Haar cascades."""
    assert re.search(r"^opencv-python-headless==4\.", LOCKS["cpu"], re.M)


def test_every_dependency_has_its_reason():
    """A line of dependencies without a comment has not been justified."""
    text = (places.ROOT / "pyproject.toml").read_text().partition("[tool.")[0]
    for line in (line for line in text.splitlines() if re.match(r'^  "[a-z]', line)):
        assert "#" in line or line.strip().startswith('"tensorflow'), line


def test_setting_up_says_in_one_line_what_is_missing(monkeypatch):
    """Without the venv module, or with an old Python, the message names the cure."""
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None if name == "venv" else True)
    with pytest.raises(SystemExit, match="apt-get install python3.*-venv"):
        environment.check_interpreter()
    monkeypatch.setattr(environment.sys, "version_info", type("V", (tuple,), {"major": 3, "minor": 9})((3, 9, 1)))
    with pytest.raises(SystemExit, match="3.11, 3.12 or 3.13 is needed"):
        environment.check_interpreter()


def test_an_unknown_device_is_refused(tmp_path):
    """DEVICE=tpu names the two there are, and makes nothing."""
    script = places.ROOT / "lib" / "compendium" / "environment.py"
    done = subprocess.run([sys.executable, script, tmp_path / "venv", "tpu"], capture_output=True, text=True)
    assert done.returncode != 0 and "DEVICE=cpu or DEVICE=gpu" in done.stderr and not (tmp_path / "venv").exists()


def test_the_first_modules_need_nothing_installed():
    """places.py and environment.py run with the standard library alone (`python3 -S`: no site-packages)."""
    for module in ("places", "environment"):
        command = [sys.executable, "-S", "-c", f"import lib.compendium.{module}"]
        done = subprocess.run(command, cwd=places.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
