"""What this machine has and lacks, and the exact command that mends each lack.

Only the standard library is imported, so the doctor works where the packages do not: on an old
Python, in a half-finished installation, beside a torch that its torchvision does not fit. It is
quick since it reads versions, and of torch opens the compiled part alone; ``--imports``, and
``--mend``, import every package.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from entreg_utils import machine
from entreg_utils.files import checkout, own, shipped
from entreg_utils.machine import OPENCV, TORCH, installed_version, opens, release, requirements

OK, NOTE, FAIL = "ok", "note", "FAIL"


class Finding(NamedTuple):
    """A line of the report; ``state`` is OK, NOTE or FAIL, ``mend`` a shell command or nothing."""

    name: str
    state: str
    detail: str
    mend: str = ""


def pip_install(*arguments: str) -> str:
    """The shell command that installs ``arguments`` into the Python that runs now."""
    pins = ["-c", str(shipped("constraints.txt"))]
    return shlex.join([sys.executable, "-m", "pip", "install", *pins, *arguments])


def missing_library(message: str) -> str:
    """Name of the shared library that an import's error message misses; "" for another error."""
    match = re.search(r"(\S+): cannot open shared object file", message)
    return match[1] if match else ""


def swap_in_headless(run=subprocess.run) -> str:
    """Swap opencv-python for its headless build if ``import cv2`` fails for a missing library.

    Bare servers lack libGL and glib, which opencv-python loads for windows that nobody here opens.
    Both builds own the files of ``cv2/``, so both are taken out before the headless one goes in,
    which is fetched first: a failing network changes nothing. ``pip check`` then misses
    ``opencv-python``, which is harmless.

    Args:
        run: stands for :func:`subprocess.run`; the tests pass their own.

    Returns:
        One line that says what was done, with its line end; "" when nothing had to be done.

    Raises:
        RuntimeError: pip could not fetch or install the headless build.
    """
    probe = run([sys.executable, "-c", "import cv2"], capture_output=True, text=True)
    library = missing_library(probe.stderr) if probe.returncode else ""
    version = machine.version_of("opencv-python")
    if not library or not version:
        return ""  # any other fault is for the report, which names its own remedy
    wanted = f"opencv-python-headless=={version}"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]
    with tempfile.TemporaryDirectory() as folder:
        for step in (
            [*pip, "download", "--no-deps", "--dest", folder, wanted],
            [*pip, "uninstall", "--yes", "opencv-python", "opencv-python-headless"],
            [*pip, "install", "--no-deps", "--no-index", "--find-links", folder, wanted],
        ):
            if run(step).returncode != 0:
                again = [*pip[:3], "install", "--force-reinstall", "--no-deps", wanted]
                raise RuntimeError(
                    f"could not swap in {wanted}, which this system needs as it has no {library}: "
                    f"see pip's message, then run {shlex.join(again)}"
                )
    return f"This system has no {library}, which opencv-python loads: took {wanted} instead.\n"


def check_python(version: tuple[int, ...] = sys.version_info) -> Finding:
    text = ".".join(str(part) for part in version[:3])
    if tuple(version[:2]) < (3, 11):
        mend = "make clean && make setup PYTHON=/path/to/python3.12"
        return Finding("python", FAIL, f"{text}, older than 3.11", mend)
    return Finding("python", OK, f"{text} ({sys.executable})")


def check_package(package: str, bound: str, load=opens) -> Finding:
    """Is it there, new enough, and does ``load`` load its module?"""
    together = TORCH if package in TORCH else (package,)
    wanted = [f"{name}>={bounds}" for name, bounds in requirements().items() if name in together]
    version = installed_version(package)
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
            if machine.version_of("opencv-python"):  # not the headless build already
                mend = shlex.join([sys.executable, "-m", "entreg_utils", "doctor", "--mend"])
                reason += "; the build without windows (opencv-python-headless) does without it"
        elif "torchvision::nms" in str(error) or "undefined symbol" in str(error):
            mend = pip_install("--force-reinstall", "--no-cache-dir", *wanted)
            reason += f"; torch {installed_version('torch')} and torchvision {version} do not fit"
        elif isinstance(error, ModuleNotFoundError) and package not in str(error):
            mend = pip_install(str(error.name).split(".")[0])
        return Finding(package, FAIL, f"{version} does not import: {reason}", mend)
    return Finding(package, OK, version)


def check_packages(load=opens) -> list[Finding]:
    return [check_package(name, bound, load) for name, bound in requirements().items()]


def check_project() -> Finding:
    """Does ``import entreg_utils`` work from another folder, as a notebook's kernel does it?"""
    code = "import os, entreg_utils; os.write(1, os.fsencode(entreg_utils.__path__[0]))"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True)
    place, here = os.fsdecode(answer.stdout), Path(__file__).resolve().parent
    if answer.returncode == 0 and Path(place).resolve() == here:
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
    except RuntimeError as error:  # Jupyter wants a home, and there is none
        return Finding("jupyter kernel", FAIL, str(error), "export HOME=/a/folder/of/yours")
    except (ImportError, KeyError) as error:  # a package is missing, or no kernel has that name
        start = shlex.join([sys.executable, "-m", "ipykernel", "install", "--sys-prefix"])
        mend = f"{pip_install('ipykernel')} && {start}"
        return Finding("jupyter kernel", FAIL, str(error), mend)
    return Finding("jupyter kernel", OK, f"python3 (ipykernel {version})")


def check_device() -> Finding:
    """The device that training takes when it is not told otherwise: CUDA, then MPS, then CPU."""
    try:
        built = any((machine.folder_of("torch") / "lib").glob("*torch_cuda.*"))
    except ModuleNotFoundError:
        return Finding("device", NOTE, "unknown, since torch is not there")
    gpu, torch = machine.nvidia_gpu(), sys.modules.get("torch")  # imported, it knows itself
    if gpu and (torch.cuda.is_available() if torch else built):
        return Finding("device", OK, f"cuda: {gpu}")
    if gpu:
        why = "this torch is built without CUDA" if not built else "its driver is too old for torch"
        return Finding("device", NOTE, f"cpu, beside {gpu}: {why}")
    if (platform.system(), platform.machine()) == ("Darwin", "arm64"):
        return Finding("device", OK, "mps: arm64")
    return Finding("device", OK, f"cpu: {machine.cpu_capability()}")


def check_machine() -> list[Finding]:
    """Cores, memory and disk; a note where they are short for `make tutorial`."""
    there = next(folder for folder in (own(), *own().parents) if folder.exists())
    amounts = {"disk": (shutil.disk_usage(there).free, 1, "that records and caches may take")}
    if hasattr(os, "sysconf"):  # not on Windows
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        amounts["memory"] = (memory, 4, "that `make tutorial` may take")
    findings = [Finding("cores", OK, str(machine.usable_cores()))]
    for name, (amount, least, use) in amounts.items():
        short = f", less than the {least} GiB {use}" if amount < least * 2**30 else ""
        state = NOTE if short else OK
        findings.append(Finding(name, state, f"{amount / 2**30:.1f} GiB{short}"))
    return findings


CHECKS = (check_python, check_packages, check_project, check_kernel, check_device, check_machine)


def examine(load=opens) -> list[Finding]:
    """Every finding, in the order of the report; a check that fails to run is a finding too."""
    findings = []
    for check in CHECKS:
        try:
            found = check(load) if check is check_packages else check()
        except Exception as error:  # such as a folder that may not be read
            name = check.__name__.removeprefix("check_")
            found = Finding(name, FAIL, f"not examined, {type(error).__name__}: {error}")
        findings += [found] if isinstance(found, Finding) else found
    return findings


def doctor(mend: bool = False, quiet: bool = False, imports: bool = False) -> int:
    """Print the report; 1 when something that the course needs is missing, too old or broken.

    Args:
        mend: first swap in opencv-python-headless where libGL is missing, and import all.
        quiet: print only what needs attention.
        imports: import every package.
    """
    if mend:
        try:
            print(swap_in_headless(), end="", flush=True)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    findings = examine(importlib.import_module if imports or mend else opens)
    failed = [finding for finding in findings if finding.state == FAIL]
    for finding in findings:
        if finding.state != OK or not quiet:
            print(f"{finding.state:5} {finding.name:18} {finding.detail}")
        if finding.mend:
            print(f"      mend: {finding.mend}")
    if failed:
        print(f"{len(failed)} of {len(findings)} checks failed; run the commands above in turn.")
    elif not quiet:
        print("Everything that the course needs is here.")
    return 1 if failed else 0


def main(argv: list[str]) -> int:
    """``python -m entreg_utils doctor``; read by hand, for it must run where tyro is missing."""
    options = "--mend", "--quiet", "--imports"
    if unknown := set(argv).difference(options):
        shown = " ".join(f"[{option}]" for option in options)
        print(f"{__doc__}\nusage: python -m entreg_utils doctor {shown}")
        return 0 if unknown <= {"-h", "--help"} else 2
    return doctor(*(option in argv for option in options))
