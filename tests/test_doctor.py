"""The doctor finds what is missing, too old or broken, and names the command that mends it."""

import importlib.metadata
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from entreg_utils import doctor
from entreg_utils.doctor import FAIL, NOTE, OK, Finding

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements.txt"
PYTHON = shlex.quote(sys.executable)
INSTALL = f"{PYTHON} -m pip install -c {shlex.quote(str(ROOT / 'constraints.txt'))}"
NMS = RuntimeError("operator torchvision::nms does not exist")
LIBGL = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")


def raises(error):
    def load(name):
        raise error

    return load


@pytest.fixture
def versions(monkeypatch):
    """Stands for the installed packages: a dict that a test fills."""
    table = {}

    def version(name):
        if name not in table:
            raise importlib.metadata.PackageNotFoundError(name)
        return table[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return table


def test_the_projects_own_list_holds_lower_bounds_only_and_each_package_once():
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    assert [f"{name}>={bound}" for name, bound in doctor.requirements().items()] == lines
    assert doctor.requirements()["torch"] == "2.11"


def test_every_requirement_is_pinned_at_or_above_its_bound():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    for name, bound in doctor.requirements().items():
        assert doctor.release(pins[name]) >= doctor.release(bound), name
    assert pins["opencv-python"] == pins["opencv-python-headless"]


@pytest.mark.parametrize(
    ("version", "bound", "older"),
    [
        ("2.10.1", "2.11", True),
        ("2.11", "2.11.0", False),
        ("2.9", "2.11", True),
        ("2.15.0+cpu", "2.15", False),
        ("3.0rc1", "3", False),
    ],
)
def test_an_older_package_is_told(versions, version, bound, older):
    versions["timm"] = version
    finding = doctor.check_package("timm", bound, lambda name: None)
    assert finding[:3] == (
        "timm",
        *((FAIL, f"{version}, older than {bound}") if older else (OK, version)),
    )


def test_python():
    assert doctor.check_python((3, 11, 0)).state == OK
    old = doctor.check_python((3, 10, 13))
    assert (old.state, old.detail) == (FAIL, "3.10.13, older than 3.11")
    assert old.mend == "make clean && make setup PYTHON=/path/to/python3.12"


def test_a_missing_package(versions):
    finding = doctor.check_package("timm", "1.0.15")
    assert (finding.state, finding.detail) == (FAIL, "not installed")
    assert finding.mend == f"{INSTALL} 'timm>=1.0.15'"


def test_an_old_torch_is_mended_together_with_torchvision(versions):
    versions["torch"] = "2.9.1"
    finding = doctor.check_package("torch", "2.11")
    assert finding.detail == "2.9.1, older than 2.11"
    assert finding.mend.endswith("'torch>=2.11' 'torchvision>=0.26'")


def test_a_torch_that_torchvision_does_not_fit(versions):
    versions.update({"torch": "2.13.0+cpu", "torchvision": "0.29.2"})
    finding = doctor.check_package("torchvision", "0.26", raises(NMS))
    assert finding.state == FAIL
    assert "torch 2.13.0+cpu and torchvision 0.29.2 do not fit" in finding.detail
    assert "--force-reinstall" in finding.mend
    assert finding.mend.endswith("'torch>=2.11' 'torchvision>=0.26'")


def test_opencv_without_libgl(versions):
    versions["opencv-python"] = "5.0.0.93"
    finding = doctor.check_package("opencv-python", "4.10", raises(LIBGL))
    assert "libGL.so.1" in finding.detail
    assert finding.mend == f"{PYTHON} -m entreg_utils doctor --mend"


def test_headless_opencv_will_do_and_is_not_swapped_for_itself(versions):
    versions["opencv-python-headless"] = "5.0.0.93"
    assert doctor.check_package("opencv-python", "4.10", lambda name: None).state == OK
    finding = doctor.check_package("opencv-python", "4.10", raises(LIBGL))
    assert finding.mend == "sudo apt-get install libgl1 libglib2.0-0"


def test_a_package_whose_own_requirement_is_missing(versions):
    versions["seaborn"] = "0.13.2"
    absent = ModuleNotFoundError("No module named 'pandas'", name="pandas")
    finding = doctor.check_package("seaborn", "0.13", raises(absent))
    assert finding.mend == f"{INSTALL} pandas"


def test_a_missing_kernel(versions):
    finding = doctor.check_kernel()
    assert (finding.state, finding.detail[-9:]) == (FAIL, "ipykernel")
    assert finding.mend.endswith("-m ipykernel install --sys-prefix")


def test_short_memory_and_disk_are_notes_not_failures(monkeypatch, tmp_path):
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: 2**18 if "PAGE_" in name else 2**13)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**29))
    assert [finding[:3] for finding in doctor.check_machine()[1:]] == [
        ("disk", NOTE, "0.5 GiB, less than the 1 GiB that records and caches may take"),
        ("memory", NOTE, "2.0 GiB, less than the 4 GiB that `make tutorial` may take"),
    ]


def test_stores_counts_files_and_bytes(monkeypatch, tmp_path):
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "mine"))
    (tmp_path / "data" / "runs").mkdir(parents=True)
    (tmp_path / "data" / "runs" / "a.json").write_bytes(b"x" * 1_500_000)
    (tmp_path / "data" / "cub").mkdir()
    assert [(line.name, line.detail) for line in doctor.check_stores()] == [
        ("committed records", f"1 files, 1.5 MB in {tmp_path}/data/runs"),
        ("your results", f"none in {tmp_path}/mine"),
        ("data/cub", f"none in {tmp_path}/data/cub"),
    ]


def test_the_device_says_what_the_cpu_can_do():
    import torch

    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert torch.backends.cpu.get_cpu_capability() in doctor.check_device().detail


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def check_stores():
        raise PermissionError("no")

    monkeypatch.setattr(doctor, "CHECKS", (check_stores, doctor.check_python))
    first, second = doctor.examine()
    assert first == ("stores", FAIL, "not examined, PermissionError: no", "")
    assert second.name == "python"


@pytest.mark.parametrize(("state", "code"), [(OK, 0), (NOTE, 0), (FAIL, 1)])
def test_exit_code_and_report(monkeypatch, capsys, state, code):
    finding = Finding("timm", state, "detail", "the command" if state == FAIL else "")
    monkeypatch.setattr(doctor, "examine", lambda: [finding])
    assert doctor.doctor() == code
    printed = capsys.readouterr().out
    assert printed.startswith(f"{state:5} timm")
    assert ("mend: the command" in printed) is (state == FAIL)
    assert doctor.doctor(quiet=True) == code
    assert (capsys.readouterr().out == "") is (state == OK)


def test_runs_where_no_package_is_installed():
    """A bare Python (no site-packages) reports every lack and does not fall over."""
    answer = subprocess.run(
        [sys.executable, "-S", "-m", "entreg_utils", "doctor"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 1, answer.stderr
    assert answer.stderr == ""
    for package in doctor.requirements():
        assert f"FAIL  {package:18} not installed" in answer.stdout
    assert "FAIL  jupyter kernel" in answer.stdout
    assert "unknown, since torch does not import" in answer.stdout


NO_LIBGL = f"ImportError: {LIBGL}\n"


class Pip:
    """Answers `import cv2` with an error text and notes what pip is asked to do."""

    def __init__(self, error, failing=None):
        self.error, self.failing, self.calls = error, failing, []

    def __call__(self, command, **options):
        if command[1] == "-c":
            return SimpleNamespace(returncode=1 if self.error else 0, stderr=self.error)
        verb = next(word for word in command if word in ("download", "uninstall", "install"))
        self.calls.append((verb, command[-1]))
        return subprocess.CompletedProcess(command, 1 if verb == self.failing else 0)


@pytest.fixture
def opencv(versions):
    versions["opencv-python"] = "5.0.0.93"


def test_missing_library():
    assert doctor.missing_library(NO_LIBGL) == "libGL.so.1"
    assert doctor.missing_library("ModuleNotFoundError: No module named 'cv2'") == ""


def test_swaps_at_the_same_version_after_fetching(opencv):
    pip = Pip(NO_LIBGL)
    line = doctor.swap_in_headless(pip)
    wanted = "opencv-python-headless==5.0.0.93"
    assert pip.calls == [
        ("download", wanted),
        ("uninstall", "opencv-python-headless"),
        ("install", wanted),
    ]
    assert line == (
        f"This system has no libGL.so.1, which opencv-python loads: took {wanted} instead.\n"
    )


@pytest.mark.parametrize("error", ["", "ModuleNotFoundError: No module named 'numpy'"])
def test_leaves_a_working_or_otherwise_broken_opencv_alone(opencv, error):
    pip = Pip(error)
    assert doctor.swap_in_headless(pip) == ""
    assert pip.calls == []


def test_does_not_swap_the_headless_build_for_itself(versions):
    versions["opencv-python-headless"] = "5.0.0.93"
    pip = Pip(NO_LIBGL)
    assert doctor.swap_in_headless(pip) == ""
    assert pip.calls == []


def test_a_failing_download_removes_nothing(opencv):
    pip = Pip(NO_LIBGL, failing="download")
    with pytest.raises(RuntimeError, match=r"could not swap in .*no libGL.so.1.*then run "):
        doctor.swap_in_headless(pip)
    assert [verb for verb, _ in pip.calls] == ["download"]
