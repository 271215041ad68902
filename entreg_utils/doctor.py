"""What this machine has and lacks, and the exact command that mends each lack.

Only the standard library is imported at the top, so the doctor works where the packages do not:
on an old Python, in a half-finished installation, beside a torch that its torchvision does not fit.
"""

from __future__ import annotations

import argparse
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

from entreg_utils.files import project_root
from entreg_utils.headless import missing_library, swap_in_headless, swappable

OK, NOTE, FAIL = "ok", "note", "FAIL"
# The module to import, where it is not called as its package is.
MODULES = {"opencv-python": "cv2"}
# Other builds of one module: any of them will do.
BUILDS = {"opencv-python": ("opencv-python", "opencv-python-headless", "opencv-contrib-python")}


class Finding(NamedTuple):
    """A line of the report; ``state`` is OK, NOTE or FAIL, ``mend`` a shell command or nothing."""

    name: str
    state: str
    detail: str
    mend: str = ""


def requirements(path: Path | None = None) -> dict[str, str]:
    """Package name -> lower bound ("" for none), from ``requirements.txt``.

    Raises:
        ValueError: a line is neither a comment nor ``name`` nor ``name>=version`` or comes twice.
    """
    path = path or project_root() / "requirements.txt"
    bounds = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"([A-Za-z0-9_.-]+?)(?:>=([0-9][0-9.]*))?", line)
        if match is None:
            raise ValueError(f"{path.name}: {line!r} is not `name` or `name>=version`; write it so")
        if match[1] in bounds:
            raise ValueError(f"{path.name}: {match[1]} is listed twice; keep one line")
        bounds[match[1]] = match[2] or ""
    return bounds


def older(version: str, bound: str) -> bool:
    """Whether ``version`` comes before ``bound``; local and pre-release marks are left aside."""

    def release(text: str) -> list[int]:
        numbers = [int(part) for part in re.match(r"\d+(?:\.\d+)*", text)[0].split(".")]
        while numbers and numbers[-1] == 0:
            numbers.pop()  # 3.0 and 3 are the same release
        return numbers

    return bool(bound) and release(version) < release(bound)


def pip_install(*arguments: str) -> str:
    """The shell command that installs ``arguments`` into the Python that runs now."""
    pins = ["-c", "constraints.txt"] if (project_root() / "constraints.txt").exists() else []
    return shlex.join([sys.executable, "-m", "pip", "install", *pins, *arguments])


def installed_version(package: str) -> str | None:
    """Version of ``package`` or of another build of the same module; None where there is none."""
    for name in BUILDS.get(package, (package,)):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


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
    mend = pip_install(*(wanted or together))
    version = installed_version(package)
    if version is None:
        return Finding(package, FAIL, "not installed", mend)
    if older(version, bound):
        return Finding(package, FAIL, f"{version}, older than {bound}", mend)
    try:
        load(MODULES.get(package, package.replace("-", "_")))
    except Exception as error:  # a broken wheel may raise anything while it loads
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if package == "opencv-python" and missing_library(str(error)):
            mend = "sudo apt-get install libgl1 libglib2.0-0"
            if swappable():
                mend = shlex.join([sys.executable, "-m", "entreg_utils", "doctor", "--mend"])
                reason += "; the build without windows (opencv-python-headless) does without it"
        elif "torchvision::nms" in str(error):
            mend = pip_install("--force-reinstall", "--no-cache-dir", *wanted)
            reason += f"; torch {installed_version('torch')} and torchvision {version} do not fit"
        elif isinstance(error, ModuleNotFoundError) and package not in str(error):
            mend = pip_install(str(error.name).split(".")[0])
        else:
            mend = pip_install("--force-reinstall", "--no-deps", *(wanted or together))
        return Finding(package, FAIL, f"{version} does not import: {reason}", mend)
    return Finding(package, OK, version)


def check_project() -> Finding:
    """Does ``import entreg_utils`` work from another folder, as a notebook's kernel does it?"""
    probe = "import entreg_utils, pathlib; print(pathlib.Path(entreg_utils.__file__).parents[1])"
    with tempfile.TemporaryDirectory() as elsewhere:
        answer = subprocess.run(
            [sys.executable, "-c", probe], cwd=elsewhere, capture_output=True, text=True
        )
    place, here = answer.stdout.strip(), Path(__file__).resolve().parents[1]
    if answer.returncode == 0 and Path(place).resolve() == here:
        return Finding("entreg_utils", OK, f"installed from {here}")
    detail = f"imports from {place}, not from {here}" if place else "not importable from notebooks"
    return Finding("entreg_utils", FAIL, detail, pip_install("--no-deps", "-e", str(here)))


def check_kernel() -> Finding:
    """Is there a kernel that starts this Python?"""
    mend = pip_install("ipykernel") + " && "
    mend += shlex.join([sys.executable, "-m", "ipykernel", "install", "--sys-prefix"])
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        return Finding("jupyter kernel", FAIL, "jupyter_client is missing", mend)
    version = installed_version("ipykernel")
    if version is None:
        return Finding("jupyter kernel", FAIL, "ipykernel is not installed", mend)
    try:
        KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding("jupyter kernel", FAIL, "no kernel is called python3", mend)
    return Finding("jupyter kernel", OK, f"python3 (ipykernel {version})")


def check_device() -> Finding:
    """The device that training takes when it is not told otherwise: CUDA, then MPS, then CPU."""
    try:
        import torch
    except Exception:
        return Finding("device", NOTE, "unknown, since torch does not import")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Finding("device", OK, f"cuda: {torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
    if torch.backends.mps.is_available():
        return Finding("device", OK, f"mps: {platform.machine()}")
    return Finding("device", OK, f"cpu ({torch.get_num_threads()} threads)")


def check_machine(root: Path) -> list[Finding]:
    """Cores, memory and disk; a note where they are short for `make tutorial`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    findings = [Finding("cores", OK, str(cores))]
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        findings.append(Finding("memory", NOTE, "this system does not tell"))
    else:
        short = "" if memory >= 4 else ", less than the 4 GiB that `make tutorial` may take"
        findings.append(Finding("memory", NOTE if short else OK, f"{memory:.1f} GiB{short}"))
    free = shutil.disk_usage(root).free / 2**30
    short = "" if free >= 1 else ", less than the 1 GiB that records and caches may take"
    findings.append(Finding("disk", NOTE if short else OK, f"{free:.1f} GiB free{short}"))
    return findings


def check_stores(root: Path) -> list[Finding]:
    """What is stored: committed records, the reader's own results, downloads and caches."""
    places = [("committed records", root / "data" / "runs")]
    places.append(("your results", Path(os.environ.get("ENTREG_RESULTS") or root / "results")))
    if (root / "data").is_dir():
        for folder in sorted((root / "data").iterdir()):
            if folder.is_dir() and folder.name != "runs":
                places.append((f"data/{folder.name}", folder))
    findings = []
    for name, folder in places:
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        detail = f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB" if sizes else "none"
        findings.append(Finding(name, OK, detail))
    return findings


def examine() -> list[Finding]:
    """Every finding, in the order of the report."""
    root = project_root()
    findings = [check_python()]
    findings += [check_package(name, bound) for name, bound in requirements().items()]
    findings += [check_project(), check_kernel(), check_device()]
    return findings + check_machine(root) + check_stores(root)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mend", action="store_true", help="swap in opencv-python-headless where libGL is missing"
    )
    parser.add_argument("--quiet", action="store_true", help="print only what needs attention")


def main(args: argparse.Namespace) -> int:
    """Print the report; 1 when something that the course needs is missing, too old or broken."""
    if args.mend:
        try:
            print(swap_in_headless(), end="", flush=True)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    findings = examine()
    failed = [finding for finding in findings if finding.state == FAIL]
    for finding in findings:
        if finding.state == OK and args.quiet:
            continue
        print(f"{finding.state:5} {finding.name:18} {finding.detail}")
        if finding.mend:
            print(f"      mend: {finding.mend}")
    if failed:
        print(f"{len(failed)} of {len(findings)} checks failed; run the commands above in turn.")
    elif not args.quiet:
        print("Everything that the course needs is here.")
    return 1 if failed else 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="python -m entreg_utils.doctor")
    add_arguments(_parser)
    sys.exit(main(_parser.parse_args()))
