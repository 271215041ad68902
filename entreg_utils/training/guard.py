"""What stops a training, in one sentence: numbers that are none, and memory that is not there."""

import contextlib
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import torch
from torch import nn

from entreg_utils import losses

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

    def step(self, rate: float, logits: torch.Tensor, target: torch.Tensor) -> Self:
        self.rates.append(rate)
        self.seen = logits, target
        return self

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        # On the CPU the loss itself refuses bad values: finite logits mean that the target is bad.
        if kind is ValueError and not self.seen[0].isfinite().all():
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
            losses.validate(*self.seen)  # leaves through __exit__ with what is wrong
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
