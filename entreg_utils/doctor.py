"""What this machine has and lacks, and the exact command that mends each lack.

Only the standard library is imported, so the doctor works where the packages do not: on an old
Python, in a half-finished installation, beside a torch that its torchvision does not fit. It is
quick since it reads versions, and of torch opens the compiled part alone; ``--imports``, and
``--mend``, import every package.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from entreg_utils.files import checkout, shipped

# Builds of one module, cv2: any of them will do.
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
TORCH = ("torch", "torchvision")  # they fit each other only when they come together, from one place
OK, NOTE, FAIL = "ok", "note", "FAIL"
_PYTHON = [sys.executable, "-m"]
_OPEN = "import ctypes, sys; [ctypes.CDLL(file) for file in sys.argv[1:]]"
_WHERE = "import os, entreg_utils; os.write(1, os.fsencode(entreg_utils.__path__[0]))"


class Finding(NamedTuple):
    """A line of the report; ``state`` is OK, NOTE or FAIL, ``mend`` a shell command or nothing."""

    name: str
    state: str
    detail: str
    mend: str = ""


def requirements() -> dict[str, str]:
    """Package -> lower bound ("" for none), from ``requirements.txt``."""
    text = shipped("requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)(?:>=([\d.]+))?", text, re.MULTILINE))


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, four at least; local and pre-release marks are left aside."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)[0].split(".")
    return (*map(int, numbers), *[0] * (4 - len(numbers)))


def version_of(package: str) -> str | None:
    """Version of exactly this package; None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed_version(package: str) -> str | None:
    """Version of ``package`` or of another build of the same module; None where there is none."""
    return next(filter(None, map(version_of, OPENCV if package in OPENCV else (package,))), None)


def folder_of(module: str) -> Path:
    """The folder that a module lies in, which is not imported; ModuleNotFoundError for none."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder that an installation left without its files
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    return Path(spec.origin).parent


def opens(module: str) -> None:
    """Raise what importing a module would, as far as that is known without the seconds it takes.

    Of torch and torchvision the compiled parts are opened, in a process of their own, which finds
    libraries that are missing or do not fit; cv2 is imported, the others are looked for.
    """
    if module == "cv2":
        importlib.import_module(module)
    elif module in TORCH:  # torchvision's part needs that of torch
        names = TORCH[: TORCH.index(module) + 1]
        files = [str(file) for name in names for file in sorted(folder_of(name).glob("_C*.so"))]
        answer = subprocess.run([sys.executable, "-c", _OPEN, *files], capture_output=True)
        if answer.returncode:
            said = answer.stderr.decode(errors="replace").splitlines() or ["it crashes"]
            raise OSError(said[-1].removeprefix("OSError: "))
    else:
        folder_of(module)


def nvidia_gpu() -> str:
    """Name and memory of the first GPU that NVIDIA's driver offers; "" where there is none."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return ""
    gpu, size, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(100)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(gpu), 0):
        return ""
    driver.cuDeviceGetName(name, len(name), gpu)
    driver.cuDeviceTotalMem_v2(ctypes.byref(size), gpu)
    return f"{name.value.decode()}, {size.value / 2**30:.0f} GiB"


def pip_install(*arguments: str) -> str:
    """The shell command that installs ``arguments`` into the Python that runs now."""
    pins = ["-c", str(shipped("constraints.txt"))]
    return shlex.join([*_PYTHON, "pip", "install", *pins, *arguments])


def missing_library(message: str) -> str:
    """Name of the shared library that an import's error message misses; "" for another error."""
    match = re.search(r"(\S+): cannot open shared object file", message)
    return match[1] if match else ""


def swap_in_headless(run=subprocess.run) -> str:
    """Put opencv-python's headless build in its place if ``import cv2`` misses a shared library.

    Bare servers lack libGL and glib, which opencv-python loads for windows that nobody here opens.
    Both builds own the files of ``cv2/``: the one that is installed last is there. ``run`` stands
    for :func:`subprocess.run`.

    Returns:
        One line that says what was done, with its line end; "" when nothing had to be done.

    Raises:
        RuntimeError: pip could not fetch or install the headless build; nothing is changed.
    """
    probe = run([sys.executable, "-c", "import cv2"], capture_output=True, text=True)
    library, version = missing_library(probe.stderr), version_of("opencv-python")
    if not library or not version:
        return ""  # any other fault is for the report, which names its own remedy
    wanted = f"opencv-python-headless=={version}"
    command = [*_PYTHON, "pip", "install", "-qq", "--force-reinstall", "--no-deps", wanted]
    if run(command).returncode:
        raise RuntimeError(
            f"could not swap in {wanted}, which this system needs as it has no {library}: see "
            f"pip's message, then run {shlex.join(command)}"
        )
    return f"This system has no {library}, which opencv-python loads: took {wanted} instead.\n"


def check_python(version: tuple[int, ...] = sys.version_info) -> Finding:
    text = ".".join(map(str, version[:3]))
    if tuple(version[:2]) < (3, 11):
        mend = "make clean && make setup PYTHON=/path/to/python3.12"
        return Finding("python", FAIL, f"{text}, older than 3.11", mend)
    return Finding("python", OK, f"{text} ({sys.executable})")


def check_package(package: str, load=opens) -> Finding:
    """Is it there, new enough, and does ``load`` load its module?"""
    together = TORCH if package in TORCH else (package,)
    wanted = [f"{name}>={bound}" for name, bound in requirements().items() if name in together]
    version, bound = installed_version(package), requirements()[package]
    if version is None:
        return Finding(package, FAIL, "not installed", pip_install(*wanted))
    if bound and release(version) < release(bound):
        return Finding(package, FAIL, f"{version}, older than {bound}", pip_install(*wanted))
    try:
        load("cv2" if package in OPENCV else package.replace("-", "_"))
    except Exception as error:  # a broken wheel may raise anything while it loads
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        mend = pip_install("--force-reinstall", "--no-deps", *wanted)
        if package == "opencv-python" and missing_library(str(error)):
            mend = "sudo apt-get install libgl1 libglib2.0-0"
            if version_of("opencv-python-headless") is None:
                mend = shlex.join([*_PYTHON, "entreg_utils", "doctor", "--mend"])
                reason += "; the build without windows (opencv-python-headless) does without it"
        elif "torchvision::nms" in str(error) or "undefined symbol" in str(error):
            mend = pip_install("--force-reinstall", "--no-cache-dir", *wanted)
            reason += f"; torch {installed_version('torch')} and torchvision {version} do not fit"
        elif isinstance(error, ModuleNotFoundError) and package not in str(error):
            mend = pip_install(str(error.name).split(".")[0])
        return Finding(package, FAIL, f"{version} does not import: {reason}", mend)
    return Finding(package, OK, version)


def check_project() -> Finding:
    """Does ``import entreg_utils`` work from another folder, as a notebook's kernel does it?"""
    command, elsewhere = [sys.executable, "-c", _WHERE], tempfile.gettempdir()
    place = os.fsdecode(subprocess.run(command, cwd=elsewhere, capture_output=True).stdout)
    here = Path(__file__).resolve().parent
    if place and Path(place).resolve() == here:
        return Finding("entreg_utils", OK, f"imports from {here}")
    detail = f"imports from {place}, not {here}" if place else "not importable from notebooks"
    mend = pip_install("--no-deps", "-e", str(checkout())) if checkout() else ""
    return Finding("entreg_utils", FAIL, detail, mend)


def check_kernel() -> Finding:
    """Is there a kernel that starts this Python?"""
    try:
        from jupyter_client.kernelspec import KernelSpecManager

        version = importlib.metadata.version("ipykernel")
        KernelSpecManager().get_kernel_spec("python3")
    except (ImportError, KeyError) as error:  # a package is missing, or no kernel has that name
        start = shlex.join([*_PYTHON, "ipykernel", "install", "--sys-prefix"])
        mend = f"{pip_install('ipykernel')} && {start}"
        return Finding("jupyter kernel", FAIL, str(error), mend)
    return Finding("jupyter kernel", OK, f"python3 (ipykernel {version})")


def check_device() -> Finding:
    """The device that training takes when it is not told otherwise: CUDA, then MPS, then CPU."""
    try:
        built = any((folder_of("torch") / "lib").glob("*torch_cuda.*"))
    except ModuleNotFoundError:
        return Finding("device", NOTE, "unknown, since torch is not there")
    gpu, torch = nvidia_gpu(), sys.modules.get("torch")  # imported, it knows itself
    if gpu and (torch.cuda.is_available() if torch else built):
        return Finding("device", OK, f"cuda: {gpu}")
    if gpu:
        why = "this torch is built without CUDA" if not built else "its driver is too old for torch"
        return Finding("device", NOTE, f"cpu, beside {gpu}: {why}")
    mac = (platform.system(), platform.machine()) == ("Darwin", "arm64")
    return Finding("device", OK, f"{'mps' if mac else 'cpu'}: {platform.machine()}")


def examine(load=opens) -> list[Finding]:
    """Every finding, in the order of the report; a check that fails to run is a finding too."""
    packages = {name: lambda own=name: check_package(own, load) for name in requirements()}
    checks = {"python": check_python, **packages, "entreg_utils": check_project}
    checks |= {"jupyter kernel": check_kernel, "device": check_device}
    findings = []
    for name, check in checks.items():
        try:
            findings.append(check())
        except Exception as error:  # such as a folder that may not be read
            said = f"not examined, {type(error).__name__}: {error}"
            findings.append(Finding(name, FAIL, said))
    return findings


def main(argv: list[str]) -> int:
    """``python -m entreg_utils doctor``: print the report; 1 when something that the course needs
    is missing, too old or broken. Read by hand, for it must run where tyro is missing."""
    options = "--mend", "--quiet", "--imports"
    if unknown := set(argv).difference(options):
        shown = " ".join(f"[{option}]" for option in options)
        print(f"{__doc__}\nusage: python -m entreg_utils doctor {shown}")
        return 0 if unknown <= {"-h", "--help"} else 2
    mend, quiet, imports = (option in argv for option in options)
    if mend:
        try:
            print(swap_in_headless(), end="", flush=True)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    findings = examine(importlib.import_module if imports or mend else opens)
    for finding in findings:
        if finding.state != OK or not quiet:
            print(f"{finding.state:5} {finding.name:18} {finding.detail}")
        if finding.mend:
            print(f"      mend: {finding.mend}")
    failed = sum(finding.state == FAIL for finding in findings)
    if failed:
        print(f"{failed} of {len(findings)} checks failed; run the commands above in turn.")
    elif not quiet:
        print("Everything that the course needs is here.")
    return 1 if failed else 0
