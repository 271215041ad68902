"""Where a record comes from, and the device that it is made on."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch

from entreg_utils import models
from entreg_utils.files import StorageError, project_root


def pick_device() -> torch.device:
    """CUDA, else MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def provenance(config, seconds: float, source: str = "") -> dict:
    """Where a record comes from: commit, device, threads, versions, seed and wall time.

    Where they apply also ``gpu``, its name; ``weights``, what training began with, a file with its
    ``sha256``; ``erasing``, method and hyperparameters; ``source``, whose split the data are.

    Raises:
        StorageError: the file of weights is gone since training began.
    """
    origin = {
        "commit": _commit(),
        "seed": config.seed,
        "device": str(pick_device()),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "seconds": round(seconds, 1),
    }
    if torch.cuda.is_available():
        origin["gpu"] = torch.cuda.get_device_name()
    if config.weights:
        path = weights_file(config.weights)
        with open(path, "rb") as file:
            origin["weights"] = {
                "file": path.name,
                "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
            }
    if config.pretrained:
        origin["weights"] = {"published": models.PUBLISHED[config.model]}
    if config.method != "cam":
        named = config.erasing.to_dict().items()
        origin["erasing"] = {k: list(v) if isinstance(v, tuple) else v for k, v in named}
    if source:
        origin["source"] = source
    return origin


def weights_file(name: str) -> Path:
    """The file that ``Config.weights`` names: a path as it is, else one in ``data/weights``.

    Raises:
        StorageError: neither is there.
    """
    places = [Path(name), project_root() / "data" / "weights" / Path(name).name]
    for path in places:
        if path.is_file():
            return path
    raise StorageError(
        f"weights={name!r}: there is no such file, nor {places[1]}: put it there, or give its path"
    )


def _commit() -> str:
    git = ["git", "-C", str(project_root()), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
