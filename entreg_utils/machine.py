"""This machine, asked with the standard library alone: its packages, cores, processor and GPU."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import importlib.util
import math
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from entreg_utils.files import shipped

# Builds of one module, cv2: any of them will do.
OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
TORCH = ("torch", "torchvision")  # they fit each other only when they come together, from one place
_CGROUP = Path("/sys/fs/cgroup")
_OPEN = "import ctypes, sys; [ctypes.CDLL(file) for file in sys.argv[1:]]"


def requirements() -> dict[str, str]:
    """Package name -> lower bound ("" for none), from ``requirements.txt``."""
    text = shipped("requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)(?:>=([\d.]+))?", text, re.MULTILINE))


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, four at least; local and pre-release marks are left aside."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)[0].split(".")
    return (*map(int, numbers), *[0] * (4 - len(numbers)))


def installed_version(package: str) -> str | None:
    """Version of ``package`` or of another build of the same module; None where there is none."""
    return next(filter(None, map(version_of, OPENCV if package in OPENCV else (package,))), None)


def version_of(name: str) -> str | None:
    """Version of exactly this package; None where there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


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


def usable_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has: those that it is
    bound to, and no more than the share of a container (``docker run --cpus 1.5``: two)."""
    bound = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if bound else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _share())))


def _share() -> float:
    """Cores' worth of time that the control group grants; infinite where it sets no limit."""
    with contextlib.suppress(OSError, ValueError):  # "max 100000" is no limit
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return float(quota) / float(period)
    with contextlib.suppress(OSError, ValueError):  # version 1, where -1 is none
        files = [_CGROUP / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
        quota, period = (float(file.read_text()) for file in files)
        return quota / period if quota > 0 else math.inf
    return math.inf


def _cpu_info() -> str:
    """What Linux says of its processors; empty elsewhere."""
    place = Path("/proc/cpuinfo")
    return place.read_text(errors="replace") if place.exists() else ""


def cpu_name() -> str:
    """The processor by its name, else its kind."""
    lines = (line.partition(":") for line in _cpu_info().splitlines())
    names = (value.strip() for key, _, value in lines if key.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def cpu_capability() -> str:
    """What decides which of torch's kernels run, and thus the last bits, by Linux's word."""
    flags = set(_cpu_info().split())
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"} <= flags:
        return "AVX512"
    return "AVX2" if {"avx2", "fma"} <= flags else platform.machine()


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
