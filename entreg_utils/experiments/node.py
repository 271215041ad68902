"""One run on a node of a cluster: trained in a folder of its own, and handed over as bytes.

The folder lies in ``ENTREG_SCRATCH`` (default: the node's folder for temporary files) under the
run's name. An interrupted training goes on from its last whole epoch where that folder is found
again, so on a disk that the nodes share even the loss of a node costs less than an epoch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import torch

from entreg_utils.experiments.config import Config
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.experiments.runs import train

# The record travels by itself, the others not at all.
_LEFT_BEHIND = (".json", ".lock", ".partial", ".damaged")


def train_here(content: dict, name: str, cpus: int, gpus: float) -> dict:
    """Train one run on this node: its record and files, or the reason of the failure."""
    try:
        config = _same_config(content, name)
        if gpus and pick_device().type == "cpu":
            raise RuntimeError("Ray gives this run a GPU that PyTorch there cannot use")
        torch.set_num_threads(cpus)
        folder = scratch_folder() / name
        record = _train_in(folder, config)
        files = {
            path.name: path.read_bytes()
            for path in folder.iterdir()
            if path.suffix not in _LEFT_BEHIND and not path.name.startswith(".")
        }
    except Exception as error:  # as a sentence: the driver may not have the error's class
        return {"failure": f"{type(error).__name__}: {error} [on {socket.gethostname()}]"}
    shutil.rmtree(folder, ignore_errors=True)
    return {"record": record, "files": files}


def _same_config(content: dict, name: str) -> Config:
    """The config, if this node's package knows it under the driver's name."""
    with contextlib.suppress(TypeError, ValueError):
        config = Config(**content)
        if config.name == name:
            return config
    raise RuntimeError("this node has another version of entreg_utils: install the same everywhere")


def _train_in(folder: Path, config: Config) -> dict:
    before = os.environ.get("ENTREG_RESULTS")
    os.environ["ENTREG_RESULTS"] = str(folder)
    try:
        return train(config, progress=False)
    finally:
        os.environ.pop("ENTREG_RESULTS")
        os.environ.update({} if before is None else {"ENTREG_RESULTS": before})


def scratch_folder() -> Path:
    """Where tasks of this user train on this node: found again by a later attempt."""
    given = os.environ.get("ENTREG_SCRATCH")
    user = os.getuid() if hasattr(os, "getuid") else "runs"
    return Path(given) if given else Path(tempfile.gettempdir()) / f"entreg-{user}"
