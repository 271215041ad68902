"""The last whole epoch on disk, and the best one: written whole, read only where they belong."""

import io
import math
import warnings
from pathlib import Path

import torch
from torch import nn

from entreg_utils.files import StorageError, read_checked, write_checked


class Best:
    """The weights of the best epoch by one column of the history, the earliest of equals.

    ``criterion``: the column; larger is better, NaN never is. ``epoch``: from 1, 0 before there is
    one; ``score``: its value; ``weights``: its state dict, on the CPU. Part of the checkpoint.
    """

    def __init__(self, criterion: str):
        self.criterion = criterion
        self.epoch, self.score, self.weights = 0, -math.inf, {}

    def see(self, row: dict, model: nn.Module) -> None:
        """Keep the weights if this row of the history is better than all before."""
        if not row[self.criterion] > self.score:
            return
        self.epoch, self.score = row["epoch"], row[self.criterion]
        # CPU copies: on the CPU `.cpu()` alone would be the living weights themselves
        state = model.state_dict()
        self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    def state_dict(self) -> dict:
        return {"epoch": self.epoch, "score": self.score, "weights": self.weights}

    def load_state_dict(self, state: dict) -> None:
        self.epoch, self.score, self.weights = (state[k] for k in ("epoch", "score", "weights"))


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
        own, stored = (
            {name: value.shape for name, value in weights.items()}
            for weights in (parts["model"].state_dict(), state.get("model", {}))
        )
        if own != stored or any(state.get(name) != value for name, value in purpose.items()):
            raise StorageError(f"{path} belongs to another recipe, model or training data")
    except StorageError as error:
        aside = path.with_name(path.name + ".damaged")
        try:
            path.replace(aside)
        except OSError:  # it stays, and the first whole epoch replaces it
            aside = path
        warnings.warn(f"training starts anew: {error}; it is now {aside.name}", stacklevel=4)
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
