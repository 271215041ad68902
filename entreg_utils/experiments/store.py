"""The store: one small JSON record a run, found by the hash of its config, whole or not there.

Read are the reader's own results first (``ENTREG_RESULTS``, default ``results/``), then the records
that come with the project (``data/runs``), but with ``ENTREG_FRESH=1`` none of drawn worlds: all of
them are trained anew. The digests of photographs and weights (``provenance.Files``) are a part of
the name of an own record, so other files give another run; a committed record counts wherever its
config is asked for, and one line says so where other files lie.
"""

import base64
import contextlib
import functools
import json
import os
import sys
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from entreg_utils.experiments.config import PROTOCOL, Config, name_of
from entreg_utils.experiments.provenance import Files, files_of
from entreg_utils.files import (
    StorageError,
    atomic_write,
    parsed,
    read_bytes,
    read_checked,
    refusal,
    results,
    sha256,
    shipped,
)

# Scores of photographs that no reader can take again stay as they were taken; on 801 real maps the
# resize in float32 changed no count.
PROTOCOLS = (PROTOCOL, 4)
SUFFIXES = {"last": ".pt", "best": ".best.pt"}  # of the files of a run's checkpoints


# ---- where records lie


def committed_folder() -> Path:
    """Where the records that come with the project lie."""
    return shipped("data", "runs")


def path_of(config: Config) -> Path:
    """The file of the own record of ``config``, whether it is there or not.

    Raises:
        StorageError: photographs or weights that a new run would need are not there.
    """
    return results() / f"{config.name}{files_of(config).suffix}.json"


def find(config: Config) -> dict | None:
    """The record of ``config``, or None; a damaged record is named in a warning and passed over."""
    return (locate(config) or (None, None))[1]


def locate(config: Config) -> tuple[Path, dict] | None:
    """The record of ``config`` and the file that it was read from, as :func:`find`."""
    for path in candidates(config):
        try:
            record = read(path)
        except StorageError as error:
            warnings.warn(str(error), stacklevel=4)
            continue
        if record is not None:
            if "files" in record:
                _compare(config, Files(**record["files"]))
            return path, record
    return None


def candidates(config: Config) -> Iterator[Path]:
    """Files that may hold the record of ``config``, or its checkpoints under other suffixes."""
    if any(results().glob(f"{config.name}*.json")):
        with contextlib.suppress(StorageError):  # no files: no own record is known to be of them
            yield path_of(config)
    if config.data.is_drawn and os.environ.get("ENTREG_FRESH") == "1":
        return
    settings, code, folder = config.to_dict(), config.code, committed_folder()
    there = _listed(folder, folder.stat().st_mtime_ns) if folder.is_dir() else []
    for protocol in PROTOCOLS:
        name = name_of(settings, code, protocol)
        yield from (folder / file for file in there if file.startswith(name))


@functools.lru_cache(maxsize=4)
def _listed(folder: Path, changed: int) -> list[str]:
    return sorted(path.name for path in folder.glob("*.json"))


_files_once = functools.lru_cache(maxsize=64)(files_of)  # for a remark that is made once
_said: set[str] = set()


def _compare(config: Config, recorded: Files) -> None:
    """Say once where a record was made from other photographs or weights than lie here."""
    here = Files()
    with contextlib.suppress(StorageError):  # none are here: nothing to compare
        here = _files_once(replace(config, seed=0, regularizer="none", strength=0.0))
    for what in ("weights", "photographs"):
        mine, its = getattr(here, what), getattr(recorded, what)
        if mine and its and mine != its and its not in _said:
            _said.add(its)
            print(
                f"note: the stored runs on {config.dataset} were made from other {what} "
                f"({its[:8]}) than those that lie here ({mine[:8]})",
                file=sys.stderr,
            )


@contextlib.contextmanager
def only_one(path: Path, wait: bool = True) -> Iterator[None]:
    """Lock of one run; the system frees it when its process ends, however it ends.

    Raises:
        StorageError: the folder cannot be written.  Timeout: it is taken, and not to be waited for.
    """
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise
        print(f"another process trains {path.stem}: waiting for its record", file=sys.stderr)
        lock.acquire()
    except OSError as error:
        raise StorageError(refusal(error, path, 0)) from error
    try:
        yield
    finally:
        lock.release()


# ---- a record, and the checkpoints beside it


def write(record: dict, path: Path) -> Path:
    """Write a record behind the hash of its content; the file appears whole or not at all.

    Raises:
        StorageError: no room or no permission.
    """
    content = {name: value for name, value in record.items() if name != "sha256"}
    text = json.dumps(content | {"sha256": _digest(content)}, separators=(",", ":"))
    return atomic_write(path, text + "\n")


def read(path: Path) -> dict | None:
    """A whole record, or None when there is no such file. Nothing that it names is imported.

    Raises:
        StorageError: not JSON, its hash does not fit its content, or it is another config's.
    """
    raw = read_bytes(path)
    if raw is None:
        return None
    try:
        record = parsed(raw)
        whole = record.pop("sha256") == _digest(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise StorageError(
            f"record {path} is damaged and was not read: delete it to have the run trained again"
        )
    try:
        name = name_of(record["config"], record.get("code", {}), record["protocol"])
        name += Files(**record.get("files", {})).suffix
    except (KeyError, TypeError, ValueError):
        name = "one that this version does not know"
    if name != path.stem:
        raise StorageError(f"record {path} holds another run ({name}) and was not read: delete it")
    return record


def _digest(content: dict) -> str:
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def own_record(path: Path) -> dict | None:
    """The record at ``path`` if its checkpoints lie beside it, all of them whole."""
    with contextlib.suppress(StorageError):  # damaged: it is trained again and replaced
        record = read(path)
        if record and all(checkpoint(path, *one) for one in digests(record).items()):
            return record
    return None


def digests(run: dict) -> dict[str, str]:
    """SHA-256 of the checkpoints of a run or record by their names."""
    best = run.get("selection")
    return {"last": run["weights_sha256"]} | ({"best": best["weights_sha256"]} if best else {})


def checkpoint(record: Path, which: str, digest: str) -> bytes | None:
    """Content of a checkpoint beside ``record``, if it is the one of that digest; a damaged one is
    named in a warning."""
    try:
        content = read_checked(record.with_suffix(SUFFIXES[which]))
    except StorageError as error:
        warnings.warn(f"passed over: {error}", stacklevel=4)
        return None
    return content if content is not None and sha256(content) == digest else None


# ---- arrays as text


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
        flat = np.frombuffer(zlib.decompress(base64.b64decode(one["zlib"])), np.uint8)
        if one["dtype"] == "bool":
            flat = np.unpackbits(flat, count=int(np.prod(one["shape"])))
        arrays[name] = flat.view(one["dtype"]).reshape(one["shape"])
    return arrays
