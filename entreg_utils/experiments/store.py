"""The store: one small JSON record a run, found by the hash of its config, whole or not there.

Reading looks in the reader's own results first, then in the records that come with the project
(``data/runs``). Writing goes to the results only. Two environment variables move it:
``ENTREG_RESULTS`` is the folder of the results (default ``results/``); ``ENTREG_FRESH=1`` leaves
the committed records out, so that everything is trained anew.
"""

from __future__ import annotations

import base64
import json
import os
import warnings
from pathlib import Path

import numpy as np

from entreg_utils.experiments.config import Config
from entreg_utils.files import StorageError, atomic_write, project_root, sha256

MAX_RECORD_BYTES = 30_000


def results_folder() -> Path:
    """Where this machine's own records, checkpoints and unfinished runs are written."""
    return Path(os.environ.get("ENTREG_RESULTS") or project_root() / "results")


def folders() -> list[Path]:
    """Folders that are searched for records, in order."""
    committed = [] if os.environ.get("ENTREG_FRESH") == "1" else [project_root() / "data" / "runs"]
    return [results_folder(), *committed]


def find(config: Config) -> dict | None:
    """The record of ``config``, or None; a damaged record is named in a warning and passed over."""
    for folder in folders():
        try:
            record = read(folder / f"{config.name}.json")
        except StorageError as error:
            warnings.warn(str(error), stacklevel=3)
            continue
        if record is not None:
            return record
    return None


def write(record: dict, folder: Path | None = None) -> Path:
    """Write a record behind the hash of its content; the file appears whole or not at all.

    Raises:
        StorageError: no room or no permission, or a record beyond 30 KB.
    """
    content = {name: value for name, value in record.items() if name != "sha256"}
    text = json.dumps(content | {"sha256": _digest(content)}, separators=(",", ":"))
    name = f"{Config(**record['config']).name}.json"
    if len(text) > MAX_RECORD_BYTES:
        raise StorageError(f"record {name} has {len(text)} bytes: more than {MAX_RECORD_BYTES}")
    return atomic_write((folder or results_folder()) / name, text + "\n")


def read(path: Path) -> dict | None:
    """A whole record, or None when there is no such file.

    Raises:
        StorageError: not JSON, or its hash does not fit its content.
    """
    try:
        record = json.loads(path.read_text())
        stated = record.pop("sha256")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, OSError):
        record, stated = None, ""
    if record is None or _digest(record) != stated:
        raise StorageError(
            f"record {path} is damaged and was not read: delete it to have the run trained again"
        )
    return record


def _digest(content: dict) -> str:
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def pack_maps(maps: np.ndarray) -> dict:
    """Maps (E, n, h, w) as bytes between each map's own lowest and highest value.

    Eight bits are enough for a picture (the protocol itself binarises at eight bits); ``low`` and
    ``high`` keep the raw range.
    """
    low, high = maps.min(axis=(2, 3)), maps.max(axis=(2, 3))
    span = np.where(high > low, high - low, 1)[..., None, None]
    steps = np.round((maps - low[..., None, None]) / span * 255).astype(np.uint8)
    return {
        "shape": list(maps.shape),
        "low": [[float(f"{value:.4g}") for value in row] for row in low],
        "high": [[float(f"{value:.4g}") for value in row] for row in high],
        "uint8": base64.b64encode(steps.tobytes()).decode(),
    }


def unpack_maps(packed: dict) -> np.ndarray:
    """Inverse of :func:`pack_maps`: float32 (E, n, h, w) in raw units, to 1/255 of their range."""
    steps = np.frombuffer(base64.b64decode(packed["uint8"]), np.uint8).reshape(packed["shape"])
    low, high = (np.array(packed[name])[..., None, None] for name in ("low", "high"))
    return (low + steps / 255 * (high - low)).astype(np.float32)
