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
        StorageError: it is not there, is damaged, or holds no weights.
    """
    path = expand(path)
    check_name(path)
    content = read_bytes(path) if path.is_file() else None
    if content is None:
        raise StorageError(f"there is no file {path}: give the path of a file of weights")
    if content[:64] == sha256(content[64:]).encode():  # a checkpoint of a run
        content = content[64:]
    try:
        state, which = _opened(found := _parsed(content))
        if not state:
            kind = f"{type(found).__module__}.{type(found).__qualname__}"
            raise ValueError(f"no tensors by their names in {kind}")
    except Exception as error:  # each format has its own kinds for what is not whole
        # of PyTorch what follows its advice to load the file with less care
        why = re.sub(r"(?s).*(WeightsUnpickler error:|trusted source\.)", "", str(error))
        raise StorageError(
            f"{path} is damaged, holds no weights, or more than weights ({type(error).__name__}: "
            f"{' '.join(why.split()):.80}): fetch the file itself again, or save a plain state "
            "dict, model.state_dict()"
        ) from error
    return {str(name): value.detach() for name, value in state.items()}, f"{path}{which}"


def _parsed(content: bytes):
    """What a file holds, by its first bytes."""
    zipped = zipfile.is_zipfile(io.BytesIO(content))
    inside = zipfile.ZipFile(io.BytesIO(content)).namelist() if zipped else []
    if zipped and all(name.endswith(".npy") for name in inside):
        with np.load(io.BytesIO(content)) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        return {
            name: torch.from_numpy(own.astype(own.dtype.newbyteorder("=")))
            for name, own in found.items()
            if own.dtype.kind not in "US"  # words beside the weights
        }
    if content[8:9] == b"{":
        return safetensors.torch.load(content)
    if content[:4] == b"PK\x03\x04" or content[:1] == b"\x80":  # PyTorch's since 1.6, and before
        return _unpickled(content)
    raise ValueError(f"it begins with {content[:20]!r}")


class _StandIn:
    """Stands for an object of a class, or what a function gives, whatever the file says of it."""

    kind = None  # what it has to be where it is filled: an OrderedDict, or a list

    def __new__(cls, *given, **named):
        return super().__new__(cls) if cls.kind is None else cls.kind()

    def __setstate__(self, state):
        pass


def _unpickled(content: bytes):
    """What PyTorch finds, with stand-ins; each try names one more that is needed."""
    known: dict[str, type[_StandIn]] = {}
    while True:
        pairs = [(one, name) for name, one in known.items()]
        try:
            with torch.serialization.safe_globals(pairs), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other protocols: refused anyway
                return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            new = re.search(r"Unsupported global: GLOBAL (\S+) was", str(error))
            name = new and (new[1] if "." in new[1] else f"builtins.{new[1]}")
            filled = re.search(r"Can only (SETITEM|append|extend).* got <class '(.+)'>", str(error))
            if name and name not in known:
                package, _, last = name.rpartition(".")
                known[name] = type(last, (_StandIn,), {"__module__": package})
            elif filled and filled[2] in known and known[filled[2]].kind is None:
                known[filled[2]].kind = OrderedDict if filled[1] == "SETITEM" else list
            else:
                raise


def _opened(found) -> tuple[Mapping, str]:
    """The tensors by name in what was loaded; and which envelope they were in, of several."""
    if not isinstance(found, Mapping):
        return {}, ""
    inside = {key: _opened(value) for key, value in found.items() if isinstance(key, str)}
    full = [key for key, (state, _) in inside.items() if state]
    known = [key for key in ENVELOPES if key in full]
    tensors = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    if not full or (tensors and not known):
        return tensors, ""
    if not known and len(full) > 1:
        raise ValueError(f"it has weights under {', '.join(full)}")
    key, *others = known or full
    state, which = inside[key]
    return state, which or (f" (its {key}, not {', '.join(others)})" if others else "")
