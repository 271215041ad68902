"""The store: one small JSON record a run, found by the hash of its config, whole or not there.

Reading looks in the reader's own results first, then in the records that come with the project
(``data/runs``). Writing goes to the results only. Two environment variables move it:
``ENTREG_RESULTS`` is the folder of the results (default ``results/``); ``ENTREG_FRESH=1`` leaves
the committed records of the embedded world out, so that all of it is trained anew. Those of
photographs stay: most readers have none to train on.
"""

from __future__ import annotations

import base64
import json
import os
import warnings
import zlib
from pathlib import Path

import numpy as np

from entreg_utils.experiments.config import Config
from entreg_utils.files import StorageError, atomic_write, project_root, read_bytes, sha256

MAX_RECORD_BYTES = 30_000  # of a committed record; a reader's own may be larger


def results_folder() -> Path:
    """Where this machine's own records, checkpoints and unfinished runs are written."""
    return Path(os.environ.get("ENTREG_RESULTS") or project_root() / "results")


def committed_folder() -> Path:
    """Where the records that come with the project lie."""
    return project_root() / "data" / "runs"


def folders(config: Config | None = None) -> list[Path]:
    """Folders that are searched, in order, for the record of ``config`` (None: of the world)."""
    world = config is None or config.dataset == "toy"
    fresh = world and os.environ.get("ENTREG_FRESH") == "1"
    return [results_folder()] if fresh else [results_folder(), committed_folder()]


def find(config: Config) -> dict | None:
    """The record of ``config``, or None; a damaged record is named in a warning and passed over."""
    for folder in folders(config):
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
        StorageError: no room or no permission, or a committed record beyond 30 KB.
    """
    folder = folder or results_folder()
    content = {name: value for name, value in record.items() if name != "sha256"}
    text = json.dumps(content | {"sha256": _digest(content)}, separators=(",", ":"))
    name = f"{Config(**record['config']).name}.json"
    size = len(text) + 1
    if size > MAX_RECORD_BYTES and folder.resolve() == committed_folder().resolve():
        raise StorageError(
            f"record {name} has {size} bytes, and {folder} takes {MAX_RECORD_BYTES} at most: keep "
            "runs of many epochs or large images in the results"
        )
    return atomic_write(folder / name, text + "\n")


def read(path: Path) -> dict | None:
    """A whole record, or None when there is no such file.

    Raises:
        StorageError: not JSON, its hash does not fit its content, or it is another config's.
    """
    raw = read_bytes(path)
    if raw is None:
        return None
    try:
        record = json.loads(raw)
        stated = record.pop("sha256")
        whole = _digest(record) == stated
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise StorageError(
            f"record {path} is damaged and was not read: delete it to have the run trained again"
        )
    try:
        name = Config(**record["config"]).name
    except (KeyError, TypeError, ValueError):
        name = "one that this version does not know"
    if name != path.stem:
        raise StorageError(f"record {path} holds another run ({name}) and was not read: delete it")
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


def pack_arrays(arrays: dict[str, np.ndarray]) -> dict:
    """Arrays as text, exactly: bools as bits, all compressed (hits over thresholds shrink most)."""
    packed = {}
    for name, array in arrays.items():
        raw = np.packbits(array) if array.dtype == bool else array
        packed[name] = {
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "zlib": base64.b64encode(zlib.compress(raw.tobytes(), 9)).decode(),
        }
    return packed


def unpack_arrays(packed: dict) -> dict[str, np.ndarray]:
    """Inverse of :func:`pack_arrays`."""
    arrays = {}
    for name, one in packed.items():
        raw = zlib.decompress(base64.b64decode(one["zlib"]))
        if one["dtype"] == "bool":
            count = int(np.prod(one["shape"]))
            flat = np.unpackbits(np.frombuffer(raw, np.uint8), count=count).astype(bool)
        else:
            flat = np.frombuffer(raw, one["dtype"])
        arrays[name] = flat.reshape(one["shape"])
    return arrays
