"""Machinery: the examination of a machine, with every failure faked."""

import json
import subprocess
import sys

import pytest

from lib.compendium import doctor
from lib.compendium.places import ROOT

LOCK = """\
alpha==1.0 \\
    --hash=sha256:00
beta-two==2.1.0 ; python_full_version >= '3.8' \\
    --hash=sha256:00
beta-two==1.9 ; python_full_version < '3.8' \\
    --hash=sha256:00
gamma[extra]==3 ; sys_platform == 'no-such-system' \\
    --hash=sha256:00
tensorflow-cpu==2.21.0
"""
INSTALLED = {"Alpha": "1.0", "beta_two": "2.1", "tensorflow_cpu": "2.21.0", "unlisted": "9"}


@pytest.fixture
def machine(tmp_path):
    """A healthy machine: the words that `examine` takes in place of the real one."""
    (tmp_path / "requirements-cpu.lock").write_text(LOCK)
    (tmp_path / "requirements-gpu.lock").write_text(LOCK.replace("tensorflow-cpu==2.21.0", "nvidia-cudnn-cu12==9\ntensorflow==2.21.0"))
    (tmp_path / "environment").mkdir()
    return {
        "root": tmp_path, "environment": tmp_path / "environment", "python": (3, 12), "installed": INSTALLED, "cores": 2,
        "memory": 8 * 2**30, "disk": 50 * 2**30, "accelerators": [], "weights": {"net": "ok"}, "kernel": lambda: "",
    }  # fmt: skip


def found(machine, name, **changes):
    """Return the finding of one name that is not well, or else the last one of that name."""
    named = [finding for finding in doctor.examine(**{**machine, **changes}) if finding.name == name]
    return next((finding for finding in named if finding.state != "well"), named[-1])


def test_a_healthy_machine_is_all_well(machine, capsys):
    """Where nothing is wrong every line is well, the last one says so and the exit status is 0."""
    assert doctor.print_report(doctor.examine(**machine)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "All well." and all(line.startswith("well") for line in lines[:-1]) and len(lines) >= 10


FAILURES = {
    "old Python": ("Python", {"python": (3, 10)}, "ill", "3.10; expected 3.11", "PYTHON3=python3.12"),
    "new Python": ("Python", {"python": (3, 14)}, "ill", "3.14", "PYTHON3=python3.12"),
    "other version": ("packages", {"installed": INSTALLED | {"Alpha": "1.1"}}, "ill", "differing alpha 1.1 (expected 1.0)", "-B setup"),
    "little memory": ("memory", {"memory": 3 * 2**30}, "warning", "3.0 GiB", "make reproduce JOBS=1"),
    "full disk": ("disk", {"disk": 2**30}, "ill", "1.0 GiB free; expected 2 GiB", "make clean"),
    "unused card": ("accelerator", {"accelerators": ["H200"]}, "warning", "H200, but", "make setup DEVICE=gpu"),
    "both builds": ("accelerator", {"installed": {**INSTALLED, "tensorflow": "2.21.0"}}, "ill", "overwrite", "make setup"),
    "missing weight": ("weights", {"weights": {"net": "missing", "other": "ok"}}, "ill", "net missing", "make weights"),
    "damaged weight": ("weights", {"weights": {"net": "damaged: 3 bytes"}}, "ill", "net damaged: 3 bytes", "make weights"),
    "no kernel": ("kernel", {"kernel": lambda: "does not start"}, "ill", "python3 does not start", "-m ipykernel install --sys-prefix"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_each_failure_is_named_with_its_one_command(machine, capsys, failure):
    """Each failure has its state and detail, its line ends with the command, and so does the report; status 1 only if ill."""
    name, changes, state, detail, cure = FAILURES[failure]
    finding = found(machine, name, **changes)
    assert finding.state == state and detail in finding.detail and finding.cure.endswith(cure)
    assert doctor.print_report(doctor.examine(**{**machine, **changes})) == (state == "ill")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(state)][0].endswith(cure) and lines[-1] == f"Next: {finding.cure}"


def test_what_is_ill_comes_before_a_warning(machine, capsys):
    """With a warning and an illness the command of the illness is the next one."""
    doctor.print_report(doctor.examine(**{**machine, "memory": 2**30, "weights": {"net": "missing"}}))
    assert capsys.readouterr().out.splitlines()[-1] == "Next: make weights"


def test_a_renamed_lock_entry_is_missing(machine):
    """A package that the lock names and the environment lacks is named with its version."""
    lock = machine["root"] / "requirements-cpu.lock"
    lock.write_text(LOCK.replace("alpha==", "alfa=="))
    assert found(machine, "packages").detail == "unlike requirements-cpu.lock: missing alfa 1.0"
    lock.write_text("".join(f"package{number}==1\n" for number in range(40)))
    assert "and 34 more" in found(machine, "packages").detail


def test_the_lock_of_the_environments_device_is_used(machine):
    """An environment made for a GPU is compared with the GPU lock, and warns where there is no card."""
    (machine["environment"] / ".device").write_text("gpu\n")
    assert "requirements-gpu.lock: missing nvidia-cudnn-cu12 9, tensorflow 2.21.0" in found(machine, "packages").detail
    installed = {"alpha": "1.0", "beta.two": "2.1.0", "tensorflow": "2.21.0", "nvidia_cudnn_cu12": "9"}
    assert found(machine, "packages", installed=installed).state == "well"
    assert found(machine, "accelerator", installed=installed).cure == "make setup DEVICE=cpu"
    assert found(machine, "accelerator", installed=installed, accelerators=["H200"]) == ("accelerator", "well", "H200", "")


def test_a_missing_lock_is_ill(machine):
    """Without its lock file the environment cannot be compared; git has it."""
    (machine["root"] / "requirements-cpu.lock").unlink()
    assert found(machine, "packages").cure == "git checkout requirements-cpu.lock"


def test_a_folder_that_cannot_be_written_is_ill(machine):
    """Writing is tried: a file in the place of a folder is found out, whoever asks."""
    (machine["root"] / "runs").touch()
    finding = found(machine, "write access")
    assert finding.state == "ill" and finding.detail.startswith("runs/") and finding.cure == "rm runs"


def test_json_has_the_same(machine, capsys):
    """As JSON the report has every finding, whether all is well and the next command."""
    findings = doctor.examine(**{**machine, "disk": 0})
    assert doctor.print_report(findings, as_json=True) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["well"] is False and said["next"] == "make clean"
    assert said["findings"] == [dict(zip(("name", "state", "detail", "cure"), finding, strict=True)) for finding in findings]


def test_this_environment_is_compared_with_the_real_lock():
    """Every line of the committed lock files is understood, and the installed packages of this environment are listed."""
    for device in ("cpu", "gpu"):
        text = (ROOT / f"requirements-{device}.lock").read_text()
        names = {line.partition("==")[0].partition("[")[0] for line in text.splitlines() if "==" in line and not line.startswith(" ")}
        locked = doctor._locked(ROOT / f"requirements-{device}.lock")
        assert 100 < len(locked) <= len(names) and set(locked) <= names
    assert {"numpy", "pytest"} <= {name.lower() for name in doctor._installed()}


def test_an_nvidia_smi_that_fails_is_no_card(monkeypatch):
    """A driver that hangs, fails or is not there means no card, not an error."""
    for trouble in (FileNotFoundError(), subprocess.TimeoutExpired("nvidia-smi", 1)):
        monkeypatch.setattr(subprocess, "run", lambda *words, trouble=trouble, **more: (_ for _ in ()).throw(trouble))
        assert doctor._accelerators() == []
    monkeypatch.setattr(subprocess, "run", lambda *words, **more: subprocess.CompletedProcess(words, 9, "failed", ""))
    assert doctor._accelerators() == []


@pytest.mark.slow
def test_the_kernel_of_this_environment_answers():
    """The real `python3` kernel starts in this environment and answers."""
    assert doctor.kernel_trouble() == ""


ELSEWHERE = "import sys; sys.prefix = '/elsewhere'; from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [(["false"], "does not start"), (["no-such-program"], "does not start"), ([sys.executable, "-c", ELSEWHERE], "another Python")],
)
def test_a_kernel_that_is_not_this_environments_is_found_out(tmp_path, monkeypatch, command, said):
    """A kernel whose program fails or is missing, or that runs another Python, is reported."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": [*command, "-f", "{connection_file}"], "display_name": "shadow", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert said in doctor.kernel_trouble(15)
