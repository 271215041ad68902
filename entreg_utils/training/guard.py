"""What stops a training, in one sentence, and what is kept of it: the last whole epoch, the best.

Files are written whole, and read only where they belong.
"""

import contextlib
import io
import math
import statistics
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from entreg_utils import losses
from entreg_utils.files import StorageError, read_checked, write_checked

_CHECK_EVERY = 25  # steps between looks at the loss on an accelerator, where each look waits


class TrainingError(RuntimeError):
    """Training cannot go on; the message names step, learning rate and the checkpoint kept."""


class Guard:
    """Watches the loss of an epoch and turns what is not finite into a sentence."""

    def __init__(self, epoch: int, steps: int, device, checkpoint: Path | None):
        self.epoch, self.steps, self.checkpoint = epoch, steps, checkpoint
        self.every = 1 if device.type == "cpu" else _CHECK_EVERY
        self.losses: list[torch.Tensor] = []
        self.rates: list[float] = []
        self.recent = math.nan  # mean loss of the steps before the last look

    @contextlib.contextmanager
    def step(self, rate: float, logits: torch.Tensor, target: torch.Tensor) -> Iterator[None]:
        """Within it a loss is taken, and looked at with :meth:`look`."""
        self.rates.append(rate)
        self.seen = logits, target
        try:
            yield
        except ValueError as error:  # on the CPU the loss itself refuses bad values
            if logits.isfinite().all():  # then the target is bad
                raise
            raise TrainingError(self._sentence(str(error))) from error

    def look(self, loss: torch.Tensor) -> None:
        self.losses.append(loss.detach())
        if len(self.losses) % self.every and len(self.losses) < self.steps:
            return
        recent = torch.stack(self.losses[-self.every :]).tolist()  # an accelerator waits here
        finite = [math.isfinite(one) for one in recent]
        if not all(finite):
            good = len(self.losses) - len(recent) + finite.index(False)
            self.rates = self.rates[: good + 1]  # the step where it began
            losses.validate(*self.seen)  # leaves through `step` with what is wrong
            raise TrainingError(self._sentence("the loss is not finite; lower the learning_rate"))
        self.recent = statistics.fmean(recent)

    def look_at_weights(self, model: nn.Module) -> None:
        """The loss of a step does not yet see what that step does to the weights."""
        floats = [value for value in model.state_dict().values() if value.is_floating_point()]
        if not bool(torch.stack([value.isfinite().all() for value in floats]).all()):
            what = "it left weights that are not finite; lower the learning_rate"
            raise TrainingError(self._sentence(what))

    def mean(self) -> float:
        return float(torch.stack(self.losses).mean())

    def _sentence(self, what: str) -> str:
        number = self.epoch * self.steps + len(self.rates)
        return (
            f"training stopped at step {number} (epoch {self.epoch + 1}, learning rate "
            f"{self.rates[-1]:.3g}): {what}; {kept(self.epoch, self.checkpoint)}"
        )


def kept(epochs: int, checkpoint: Path | None) -> str:
    """What is left of ``epochs`` whole epochs, in words."""
    if epochs == 0:
        return "no epoch was finished, so there is nothing to keep"
    if checkpoint is None:
        return f"{epochs} epochs were finished, none was kept (fit was given no checkpoint)"
    return f"epoch {epochs} is kept in {checkpoint}"


@contextlib.contextmanager
def enough_memory(what: str, kept: str = "") -> Iterator[None]:
    """Within it a device that runs out of memory is a :class:`TrainingError` with a way out;
    ``what`` was going on, ``kept`` is what is left of it."""
    try:
        yield
    except RuntimeError as error:  # CUDA's own class is one; MPS has none
        if not isinstance(error, torch.OutOfMemoryError) and "out of memory" not in str(error):
            raise
        raise TrainingError(
            f"the device has too little memory for {what}: lower batch_size, crop or eval_size, "
            "use precision='bf16', or leave large_map out" + (f"; {kept}" if kept else "")
        ) from error


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
        vars(self).update(state)


def save(path: Path, parts: dict, rest: dict) -> None:
    """Write the states of ``parts`` (model, optimiser, scheduler) and ``rest``, or nothing."""
    buffer = io.BytesIO()
    torch.save({name: part.state_dict() for name, part in parts.items()} | rest, buffer)
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
