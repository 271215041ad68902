"""The doctor finds what is missing, too old or broken, and names the command that mends it."""

import importlib.metadata
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from entreg_utils import doctor
from entreg_utils.doctor import FAIL, NOTE, OK, Finding

ROOT = Path(__file__).resolve().parents[1]
PYTHON = shlex.quote(sys.executable)
INSTALL = f"{PYTHON} -m pip install -c {shlex.quote(str(ROOT / 'constraints.txt'))}"
NMS = RuntimeError("operator torchvision::nms does not exist")
SYMBOL = OSError("/v/_C.so: undefined symbol: _ZN3c106detail14torchCheckFailE")
LIBGL = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")


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


def test_the_projects_own_list_holds_lower_bounds_alone_each_below_its_pin():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    bounds = doctor.requirements()
    listed = [line for line in lines if not line.startswith("#")]
    assert [f"{name}>={bound}" for name, bound in bounds.items()] == listed
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    for name, bound in bounds.items():
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
def test_an_older_package_is_told(versions, monkeypatch, version, bound, older):
    versions["timm"] = version
    monkeypatch.setattr(doctor, "requirements", lambda: {"timm": bound})
    finding = doctor.check_package("timm", lambda name: None)
    told = (FAIL, f"{version}, older than {bound}") if older else (OK, version)
    assert finding[:3] == ("timm", *told)


TORCH = "'torch>=2.11' 'torchvision>=0.26'"
UNFIT = {"torch": "2.13.0+cpu", "torchvision": "0.29.2"}
DO_NOT_FIT = "torch 2.13.0+cpu and torchvision 0.29.2 do not fit"
ABSENT = ModuleNotFoundError("No module named 'pandas'", name="pandas")
MEND, APT = f"{PYTHON} -m entreg_utils doctor --mend", "sudo apt-get install libgl1 libglib2.0-0"


@pytest.mark.parametrize(
    ("package", "installed", "error", "detail", "mend"),
    [
        ("timm", {}, None, "not installed", f"{INSTALL} 'timm>=1.0.15'"),
        ("torch", {"torch": "2.9.1"}, None, "2.9.1, older than 2.11", TORCH),
        ("torchvision", UNFIT, NMS, DO_NOT_FIT, TORCH),
        ("torchvision", UNFIT, SYMBOL, DO_NOT_FIT, TORCH),
        ("opencv-python", {"opencv-python": "5.0"}, LIBGL, "libGL.so.1", MEND),
        ("opencv-python", {"opencv-python-headless": "5.0"}, LIBGL, "libGL.so.1", APT),
        ("seaborn", {"seaborn": "1.13.2"}, ABSENT, "pandas", f"{INSTALL} pandas"),
    ],
)
def test_a_broken_package_and_what_mends_it(versions, package, installed, error, detail, mend):
    def load(name):
        if error:
            raise error

    versions.update(installed)
    finding = doctor.check_package(package, load)
    assert finding.state == FAIL and detail in finding.detail and finding.mend.endswith(mend)
    assert ("--force-reinstall" in finding.mend) == (error in (NMS, SYMBOL))


def test_an_old_python_a_missing_kernel_and_opencv_without_a_screen(versions):
    old = doctor.check_python((3, 10, 13))
    assert (old.state, old.detail) == (FAIL, "3.10.13, older than 3.11")
    assert doctor.check_python((3, 11, 0)).state == OK
    kernel = doctor.check_kernel()
    assert (kernel.state, kernel.detail[-9:]) == (FAIL, "ipykernel")
    assert kernel.mend.endswith("-m ipykernel install --sys-prefix")
    versions["opencv-python-headless"] = "5.0.0.93"
    assert doctor.check_package("opencv-python", lambda name: None).state == OK


def test_the_device_is_that_which_torch_takes():
    import torch

    said = doctor.check_device().detail
    if torch.cuda.is_available():
        assert said.startswith(f"cuda: {torch.cuda.get_device_name(0)}, ")
    elif not torch.backends.mps.is_available():
        assert said.startswith("cpu: ")


@pytest.mark.parametrize(
    ("gpu", "built", "torch", "state", "said"),
    [
        ("H100, 80 GiB", True, None, OK, "cuda: H100, 80 GiB"),
        ("H100, 80 GiB", True, False, NOTE, "cpu, beside H100, 80 GiB: its driver is too old"),
        ("H100, 80 GiB", False, None, NOTE, "cpu, beside H100, 80 GiB: this torch is built with"),
        ("", True, False, OK, "cpu: "),
    ],
)
def test_a_gpu_counts_where_its_driver_and_torch_have_it(
    monkeypatch, tmp_path, gpu, built, torch, state, said
):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / f"libtorch_{'cuda' if built else 'cpu'}.so").touch()
    known = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: torch))
    monkeypatch.setitem(sys.modules, "torch", None if torch is None else known)
    monkeypatch.setattr(doctor, "nvidia_gpu", lambda: gpu)
    monkeypatch.setattr(doctor, "folder_of", lambda name: tmp_path)
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    found = doctor.check_device()
    assert found.state == state and found.detail.startswith(said)


@pytest.mark.parametrize(
    ("fails", "gpu"), [("", "H100, 80 GiB"), ("cuInit", ""), ("cuDeviceGet", "")]
)
def test_the_driver_is_asked_for_the_first_gpu(monkeypatch, fails, gpu):
    class Driver:
        """NVIDIA's, with one GPU of 80 GiB, which refuses the call ``fails``."""

        def __getattr__(self, call):
            def answer(out, *_):
                if call == "cuDeviceGetName":
                    out.value = b"H100"
                elif call == "cuDeviceTotalMem_v2":
                    out._obj.value = 80 * 2**30
                return 100 * (call == fails)

            return answer

    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda name: Driver())
    assert doctor.nvidia_gpu() == gpu


def test_what_a_package_would_raise_is_known_without_importing_it(monkeypatch, tmp_path):
    for name in ("torch", "torchvision", "timm", "cv2"):
        doctor.opens(name)
    (tmp_path / "torch").mkdir()
    (tmp_path / "nothing").mkdir()  # a folder without its files
    (tmp_path / "torch" / "__init__.py").touch()
    (tmp_path / "torch" / "_C.so").write_bytes(b"torn")
    for name in ("torch", "timm", "nothing"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(OSError, match="_C.so"):
        doctor.opens("torch")
    for name in ("timm", "nothing"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'"):
            doctor.opens(name)


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def breaks():
        raise PermissionError("no")

    monkeypatch.setattr(doctor, "check_device", breaks)
    found = {finding.name: finding for finding in doctor.examine(lambda name: None)}
    assert found["device"] == ("device", FAIL, "not examined, PermissionError: no", "")
    assert found["python"].state == OK


@pytest.mark.parametrize(("state", "code"), [(OK, 0), (NOTE, 0), (FAIL, 1)])
def test_exit_code_and_report(monkeypatch, capsys, state, code):
    finding = Finding("timm", state, "detail", "the command" if state == FAIL else "")
    monkeypatch.setattr(doctor, "examine", lambda load: [finding])
    assert doctor.main([]) == code
    printed = capsys.readouterr().out
    assert printed.startswith(f"{state:5} timm")
    assert ("mend: the command" in printed) is (state == FAIL)
    assert doctor.main(["--quiet"]) == code
    assert (capsys.readouterr().out == "") is (state == OK)
    assert doctor.main(["--help"]) == 0 and doctor.main(["--fix"]) == 2


def test_runs_where_no_package_is_installed():
    """A bare Python (no site-packages) reports every lack and does not fall over."""
    command = [sys.executable, "-S", "-m", "entreg_utils", "doctor"]
    environment = {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (1, "")
    for package in doctor.requirements():
        assert f"FAIL  {package:18} not installed" in answer.stdout
    assert "FAIL  jupyter kernel" in answer.stdout
    assert "unknown, since torch is not there" in answer.stdout


NO_LIBGL = f"ImportError: {LIBGL}\n"


@pytest.mark.parametrize(
    ("package", "error", "pip", "said"),
    [
        ("opencv-python", NO_LIBGL, 0, "This system has no libGL.so.1, which .*: took opencv-"),
        ("opencv-python", NO_LIBGL, 1, r"could not swap in .*no libGL.so.1.*then run .*0\.93$"),
        ("opencv-python", "", None, "$"),
        ("opencv-python", "ModuleNotFoundError: No module named 'numpy'", None, "$"),
        ("opencv-python-headless", NO_LIBGL, None, "$"),
    ],
)
def test_swaps_at_the_same_version_where_a_swap_mends_it(versions, package, error, pip, said):
    asked, versions[package] = [], "5.0.0.93"

    def run(command, **options):
        if command[1] == "-c":
            return SimpleNamespace(stderr=error)
        asked.append(command[-1])
        return SimpleNamespace(returncode=pip)

    try:
        answer = doctor.swap_in_headless(run)
    except RuntimeError as failure:
        answer = str(failure)
    assert re.match(said, answer)
    assert asked == ["opencv-python-headless==5.0.0.93"] * (pip is not None)
