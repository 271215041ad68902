"""What this machine has and lacks, and the exact command that mends each lack.

Only the standard library is imported at the top, so the doctor works where the packages do not:
on an old Python, in a half-finished installation, beside a torch that its torchvision does not fit.
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

from entreg_utils.files import checkout, own, shipped

OK, NOTE, FAIL = "ok", "note", "FAIL"
# Builds of one module, cv2: any of them will do.
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")


class Finding(NamedTuple):
    """A line of the report; ``state`` is OK, NOTE or FAIL, ``mend`` a shell command or nothing."""

    name: str
    state: str
    detail: str
    mend: str = ""


def requirements() -> dict[str, str]:
    """Package name -> lower bound ("" for none), from ``requirements.txt``."""
    text = shipped("requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)(?:>=([\d.]+))?", text, re.MULTILINE))


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, four at least; local and pre-release marks are left aside."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)[0].split(".")
    return (*map(int, numbers), *[0] * (4 - len(numbers)))


def pip_install(*arguments: str) -> str:
    """The shell command that installs ``arguments`` into the Python that runs now."""
    pins = ["-c", str(shipped("constraints.txt"))]
    return shlex.join([sys.executable, "-m", "pip", "install", *pins, *arguments])


def installed_version(package: str) -> str | None:
    """Version of ``package`` or of another build of the same module; None where there is none."""
    return next(filter(None, map(_version, OPENCV if package in OPENCV else (package,))), None)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


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
    version = _version("opencv-python")
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


def check_package(package: str, bound: str, load=importlib.import_module) -> Finding:
    """Is it there, new enough, and does it import? ``load`` is there for the tests."""
    # torch and torchvision fit each other only when they come together, from one place.
    together = ("torch", "torchvision") if package in ("torch", "torchvision") else (package,)
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
            if _version("opencv-python"):  # not the headless build already
                mend = shlex.join([sys.executable, "-m", "entreg_utils", "doctor", "--mend"])
                reason += "; the build without windows (opencv-python-headless) does without it"
        elif "torchvision::nms" in str(error):
            mend = pip_install("--force-reinstall", "--no-cache-dir", *wanted)
            reason += f"; torch {installed_version('torch')} and torchvision {version} do not fit"
        elif isinstance(error, ModuleNotFoundError) and package not in str(error):
            mend = pip_install(str(error.name).split(".")[0])
        return Finding(package, FAIL, f"{version} does not import: {reason}", mend)
    return Finding(package, OK, version)


def check_packages() -> list[Finding]:
    return [check_package(name, bound) for name, bound in requirements().items()]


def check_project() -> Finding:
    """Does ``import entreg_utils`` work from another folder, as a notebook's kernel does it?"""
    command = [sys.executable, "-c", "import entreg_utils; print(entreg_utils.__path__[0])"]
    answer = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True)
    place, here = answer.stdout.strip(), Path(__file__).resolve().parent
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
    except (ImportError, KeyError) as error:  # a package is missing, or no kernel has that name
        start = shlex.join([sys.executable, "-m", "ipykernel", "install", "--sys-prefix"])
        mend = f"{pip_install('ipykernel')} && {start}"
        return Finding("jupyter kernel", FAIL, str(error), mend)
    return Finding("jupyter kernel", OK, f"python3 (ipykernel {version})")


def check_device() -> Finding:
    """The device that training takes when it is not told otherwise: CUDA, then MPS, then CPU.

    A CPU's capability (such as AVX2 or AVX512) decides which kernels run, and thus the last bits.
    """
    try:
        import torch
    except Exception:  # check_package says why
        return Finding("device", NOTE, "unknown, since torch does not import")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Finding("device", OK, f"cuda: {torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
    if torch.backends.mps.is_available():
        return Finding("device", OK, f"mps: {platform.machine()}")
    kind = torch.backends.cpu.get_cpu_capability()
    return Finding("device", OK, f"cpu: {kind} ({torch.get_num_threads()} threads)")


def check_machine() -> list[Finding]:
    """Cores, memory and disk; a note where they are short for `make tutorial`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    there = next(folder for folder in (own(), *own().parents) if folder.exists())
    amounts = {"disk": (shutil.disk_usage(there).free, 1, "that records and caches may take")}
    if hasattr(os, "sysconf"):  # not on Windows
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        amounts["memory"] = (memory, 4, "that `make tutorial` may take")
    findings = [Finding("cores", OK, str(cores))]
    for name, (amount, least, use) in amounts.items():
        short = f", less than the {least} GiB {use}" if amount < least * 2**30 else ""
        state = NOTE if short else OK
        findings.append(Finding(name, state, f"{amount / 2**30:.1f} GiB{short}"))
    return findings


CHECKS = (check_python, check_packages, check_project, check_kernel, check_device, check_machine)


def examine() -> list[Finding]:
    """Every finding, in the order of the report; a check that fails to run is a finding too."""
    findings = []
    for check in CHECKS:
        try:
            found = check()
        except Exception as error:  # such as a folder that may not be read
            name = check.__name__.removeprefix("check_")
            found = Finding(name, FAIL, f"not examined, {type(error).__name__}: {error}")
        findings += [found] if isinstance(found, Finding) else found
    return findings


def doctor(mend: bool = False, quiet: bool = False) -> int:
    """Print the report; 1 when something that the course needs is missing, too old or broken.

    Args:
        mend: first swap in opencv-python-headless where libGL is missing.
        quiet: print only what needs attention.
    """
    if mend:
        try:
            print(swap_in_headless(), end="", flush=True)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    findings = examine()
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
    unknown = set(argv) - {"--mend", "--quiet"}
    if unknown:
        print(__doc__ + "\nusage: python -m entreg_utils doctor [--mend] [--quiet]")
        return 0 if unknown <= {"-h", "--help"} else 2
    return doctor("--mend" in argv, "--quiet" in argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
