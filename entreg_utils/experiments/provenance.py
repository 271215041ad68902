"""Where a record comes from, and the device that it is made on."""

from __future__ import annotations

import platform
import subprocess

import numpy as np
import torch

from entreg_utils.files import project_root


def pick_device() -> torch.device:
    """CUDA, else MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def provenance(seed: int, seconds: float) -> dict:
    """Where a record comes from: commit, device, threads, versions, seed and wall time."""
    return {
        "commit": _commit(),
        "seed": seed,
        "device": str(pick_device()),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "seconds": round(seconds, 1),
    }


def _commit() -> str:
    git = ["git", "-C", str(project_root()), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
