"""The state dict in a file, as training programs write it; nothing in the file is ever run.

PyTorch reads with ``weights_only``: of what it does not know (the ``argparse.Namespace`` of a
training, NumPy's numbers, somebody's own classes) each class and function is replaced by an empty
stand-in under its name, which takes what the file says of it and does nothing.
"""

from __future__ import annotations

import io
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from entreg_utils.files import StorageError, expand, read_bytes, sha256

SUFFIXES = (".pth", ".pt", ".pth.tar", ".safetensors", ".npz", ".ckpt", ".bin")
# Keys that stand around weights, the first one that does is opened.
ENVELOPES = ("model_state_dict", "state_dict", "model", "net", "network", "module", "params")
ENVELOPES += ("weights", "ema", "model_ema", "ema_state_dict", "state_dict_ema", "params_ema")
_DAMAGES = (ValueError, TypeError, RuntimeError, LookupError, EOFError, OSError, AttributeError)
_DAMAGES += (pickle.UnpicklingError, zipfile.BadZipFile, safetensors.SafetensorError)
_SAVE = "save a state dict, model.state_dict()"
_AGAIN = "fetch or copy it again"


class _Refused(Exception):
    """What a file is instead of weights, and the way out."""


def check_name(path: Path | str) -> None:
    """ValueError for a file that ends in none of ``SUFFIXES``."""
    if not str(path).lower().endswith(SUFFIXES):
        raise ValueError(f"weights={str(path)!r}: use a file that ends in {', '.join(SUFFIXES)}")


def read(path: Path | str) -> tuple[dict[str, Tensor], str]:
    """The state dict in a file, on the CPU, and what it is called.

    The file may be PyTorch's, of safetensors or of NumPy (a matter of its content, not its name),
    or a checkpoint of a run. Numbers, optimisers and other things beside the weights are passed
    over, envelopes (``ENVELOPES``) opened: the name is the file's, with the key that was taken.

    Raises:
        ValueError: its name ends in none of ``SUFFIXES``.
        StorageError: it is not there, or holds no weights; the message says what it is instead.
    """
    path = expand(path)
    if path.is_dir():
        raise StorageError(f"{path} is a folder: give the file of weights in it")
    check_name(path)
    content = read_bytes(path)
    if content is None:
        raise StorageError(f"there is no file {path}: give the path of a file of weights")
    if content[:64] == sha256(content[64:]).encode():  # a checkpoint of a run
        content = content[64:]
    try:
        found = _parsed(content)
        state, which = _opened(found)
        if not state:
            raise _Refused(f"holds {_called(found)}: {_SAVE}")
    except _Refused as refused:
        raise StorageError(f"{path} {refused}") from refused
    except _DAMAGES as error:
        why = str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0]
        raise StorageError(
            f"{path} is damaged or holds more than weights ({type(error).__name__}: {why:.80}): "
            f"{_AGAIN}, or save a plain state dict"
        ) from error
    return {str(name): value.detach() for name, value in state.items()}, f"{path}{which}"


def _parsed(content: bytes):
    """What a file holds, by its first bytes."""
    start = content[:200].lstrip().lower()
    if not content:
        raise _Refused(f"is empty: {_AGAIN}")
    if start.startswith(b"version https://git-lfs"):
        raise _Refused("is a pointer of Git LFS, not the file itself: run `git lfs pull` beside it")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise _Refused("is a web page, not weights: fetch the file itself, not the page about it")
    if content[:2] == b"\x1f\x8b" or content[257:262] == b"ustar":
        raise _Refused("is an archive: unpack it, and give the file of weights in it")
    if content[:4] == b"PK\x03\x04":
        return _of_zip(content)
    if content[:1] == b"\x80":  # PyTorch's format before 1.6
        return _unpickled(content)
    if content[8:9] == b"{":
        if len(content) < 8 + int.from_bytes(content[:8], "little"):
            raise _Refused(f"ends too early, after {len(content)} bytes: {_AGAIN}")
        return safetensors.torch.load(content)
    raise _Refused(f"is no file of weights, it begins with {bytes(content[:20])!r}: {_AGAIN}")


def _of_zip(content: bytes):
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise _Refused(f"ends too early, after {len(content)} bytes: {_AGAIN}")
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    ends = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in ends:
        raise _Refused("is a TorchScript archive: save torch.jit.load(PATH).state_dict() instead")
    if "data.pkl" in ends:
        return _unpickled(content)
    if not all(name.endswith(".npy") for name in names):
        raise _Refused(f"is a ZIP archive without weights: unpack it (it holds {names[0]})")
    found = {}
    with np.load(io.BytesIO(content)) as arrays:
        for name in arrays.files:
            try:
                array = arrays[name]
                if array.dtype.kind not in "USM":  # words beside the weights
                    found[name] = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
            except (TypeError, ValueError) as error:
                raise _Refused(
                    f"has {name}, which is no array of numbers that PyTorch knows: save one array "
                    "for each name, np.savez(PATH, **arrays), or use .safetensors"
                ) from error
    return found


class _StandIn:
    """Stands for an object of a class, or what a function gives, whatever the file says of it."""

    kind = None  # what it has to be where it is filled: an OrderedDict, or a list
    state = None

    def __new__(cls, *given, **named):
        return super().__new__(cls) if cls.kind is None else cls.kind()

    def __setstate__(self, state):
        self.state = state


def _unpickled(content: bytes):
    """What PyTorch finds, with stand-ins; each try names one more that is needed."""
    known: dict[str, type[_StandIn]] = {}
    while True:
        pairs = [(one, name) for name, one in known.items()]
        try:
            with torch.serialization.safe_globals(pairs), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other protocols: refused below
                return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            said = str(error)
            if new := re.search(r"Unsupported global: GLOBAL (\S+) was", said):
                name = new[1] if "." in new[1] else f"builtins.{new[1]}"
                package, _, last = name.rpartition(".")
                if name not in known:
                    known[name] = type(last, (_StandIn,), {"__module__": package})
                    continue
            filled = re.search(r"Can only (SETITEM|append|extend).* got <class '(.+)'>", said)
            if filled and filled[2] in known and known[filled[2]].kind is None:
                known[filled[2]].kind = OrderedDict if filled[1] == "SETITEM" else list
                continue
            if blocked := re.search(r"unsupported GLOBAL (\S+)", said):
                raise _Refused(
                    f"wants to call {blocked[1]}, which no file of weights does"
                ) from error
            if "Only persistent_load of storage" in said:  # the format before 1.6 tells modules so
                raise _Refused(f"holds a whole pickled module: {_SAVE}") from error
            if "Unsupported operand" in said:
                raise _Refused(
                    "is of a pickle protocol that only a full unpickler reads: write it again, "
                    "torch.save(state, PATH)"
                ) from error
            raise


def _opened(found) -> tuple[Mapping, str]:
    """The tensors by name in what was loaded; and which envelope they were in, of several."""
    if not isinstance(found, Mapping):
        return {}, ""
    inside = [key for key, value in found.items() if isinstance(value, Mapping)]
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    opened = _all_opened(found, [key for key in ENVELOPES if key in inside])
    if not opened and not tensors:
        opened = _all_opened(found, [key for key in inside if isinstance(key, str)])
        if len(opened) > 1:
            raise _Refused(f"holds weights under {', '.join(opened)}: save the ones that are meant")
    if not opened:
        return tensors, ""
    key, *others = opened
    state, which = opened[key]
    return state, which or (f" (its {key}, not {', '.join(others)})" if others else "")


def _called(found) -> str:
    """What is in a file without tensors by their names."""
    parts = [found, *(found.values() if isinstance(found, Mapping) else ())]
    for part in (part for part in parts if isinstance(part, _StandIn)):
        name = f"{type(part).__module__}.{type(part).__qualname__}"
        whole = isinstance(part.state, dict) and "_modules" in part.state
        return f"a whole pickled module ({name})" if whole else f"an object ({name}) and no tensors"
    return f"no tensors by their names ({type(found).__name__})"


def _all_opened(found: Mapping, keys: list[str]) -> dict[str, tuple[Mapping, str]]:
    return {key: inner for key in keys if (inner := _opened(found[key]))[0]}
