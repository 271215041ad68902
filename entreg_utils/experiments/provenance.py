"""Where a record comes from: the files behind it, and the device that it is made on."""

import json
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from entreg_utils import models
from entreg_utils.files import project_root, sha256


@dataclass(frozen=True)
class Files:
    """What a run was made from: SHA-256 of its weights file, fingerprint of its photographs."""

    weights: str = ""
    photographs: str = ""

    def __bool__(self) -> bool:
        return bool(self.weights or self.photographs)

    @property
    def suffix(self) -> str:
        """What it adds to the name of a record."""
        return f"-{sha256(json.dumps(asdict(self)).encode())[:8]}" if self else ""


def files_of(config) -> Files:
    """The digests of the files that ``config`` would train from here and now.

    Raises:
        StorageError: they are not there.
    """
    splits = () if config.data.is_drawn else ("train", "val", "test")
    together = "".join(config.data.load(split).fingerprint for split in splits)
    photographs = sha256(together.encode()) if together else ""
    return Files(config.network.weights_sha256(), photographs)


def pick_device() -> torch.device:
    """CUDA, else MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name() -> str:
    """The device of :func:`pick_device` by its name; a CPU with the number of its threads."""
    device = pick_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"{platform.processor() or platform.machine()} GPU (MPS)"
    threads = torch.get_num_threads()
    return f"{cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"


def cpu_name() -> str:
    """The processor by its name where Linux tells it, else its kind."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else ()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def provenance(config, seconds: float, source: str = "") -> dict:
    """Where a record comes from: commit, device, threads, versions, seed and wall time.

    The last bits of a result depend on ``cpu`` and ``capability`` (instructions of PyTorch's
    kernels) or ``gpu``. ``weights`` say what training began with, ``source`` whose split it is.
    """
    origin = {
        "commit": _commit(),
        "seed": config.seed,
        "device": str(pick_device()),
        "cpu": cpu_name(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "seconds": round(seconds, 1),
    }
    if torch.cuda.is_available():
        origin["gpu"] = torch.cuda.get_device_name()
        origin["tf32"] = torch.backends.cudnn.allow_tf32  # of convolutions: PyTorch's default
    if (weights := config.network.weights_file()) is not None:
        origin["weights"] = weights.name
    if config.pretrained:
        origin["weights"] = models.PUBLISHED.get(config.model, str(config.model))
    if source:
        origin["source"] = source
    return origin


def _commit() -> str:
    git = ["git", "-C", str(project_root()), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
