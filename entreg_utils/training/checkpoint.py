"""The last whole epoch on disk: written whole, and read only if it belongs to this training."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch import nn

from entreg_utils.files import StorageError, read_checked, write_checked


def save(path: Path, parts: dict, rest: dict) -> None:
    """Write the states of ``parts`` (model, optimiser, scheduler) and ``rest``, or nothing."""
    buffer = io.BytesIO()
    states = {name: part.state_dict() for name, part in parts.items()}
    torch.save(states | rest, buffer)
    write_checked(path, buffer.getvalue())


def restore(path: Path | None, parts: dict, purpose: dict) -> list[dict]:
    """History of the checkpoint after loading all of its states, or [] and nothing loaded."""
    try:
        content = read_checked(path) if path is not None else None
        if content is None:
            return []
        state = unpack(content, path)
        _check_fit(state, parts["model"], purpose, path)
    except StorageError as error:
        aside = _set_aside(path)
        warnings.warn(f"training starts anew: {error}; it is now {aside}", stacklevel=3)
        return []
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["history"]


def unpack(content: bytes, path: Path) -> dict:
    """What :func:`save` wrote; only tensors and plain values are ever unpickled."""
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return {name: state[name] for name in state}
    except Exception as error:  # torch raises many kinds for what is not its own
        raise StorageError(f"{path} is not a checkpoint") from error


def _check_fit(state: dict, model: nn.Module, purpose: dict, path: Path) -> None:
    own = {name: value.shape for name, value in model.state_dict().items()}
    stored = {name: value.shape for name, value in state.get("model", {}).items()}
    if own != stored or any(state.get(name) != value for name, value in purpose.items()):
        raise StorageError(f"{path} belongs to another recipe, model or training split")


def _set_aside(path: Path) -> str:
    aside = path.with_name(path.name + ".damaged")
    try:
        path.replace(aside)
    except OSError:  # it stays, and the first whole epoch replaces it
        return path.name
    return aside.name
