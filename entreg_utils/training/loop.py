"""The training loop: seeded, resumable to the bit on a CPU, stopped by a loss that is no number.

The state after an epoch is a function of the recipe and the epoch alone: the order of the images
and the flips of epoch e come from a generator seeded with (seed, e), so nothing random has to be
stored, and a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from entreg_utils import losses
from entreg_utils.training.checkpoint import restore, save
from entreg_utils.training.evaluation import as_input

_CHECK_EVERY = 25  # steps between looks at the loss on an accelerator, where each look waits


class TrainingError(RuntimeError):
    """Training cannot go on; the message names step, learning rate and the checkpoint kept."""


@dataclass(frozen=True)
class Recipe:
    """How to train. SGD with Nesterov momentum under a one-cycle learning rate.

    Attributes:
        regularizer, strength: as in :func:`entreg_utils.losses.objective`.
        epochs, batch_size: passes over the training split, images a step (a shorter last batch is
            left out, so that every step weighs the same).
        learning_rate: the peak of the cycle.  weight_decay: of SGD.
        momentum: middle of its cycle, which runs 0.05 to either side against the learning rate's;
            0 is plain SGD.
        flip: mirror each image with probability 1/2.
        seed: of the initial weights, the order and the flips.
    """

    regularizer: str = "none"
    strength: float = 0.0
    epochs: int = 12
    batch_size: int = 50
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-3
    flip: bool = True
    seed: int = 0


def regularised_loss(logits, target, recipe: Recipe) -> torch.Tensor:
    """``(CE + lambda R) / (1 + lambda)``: the weights of the two terms add up to one.

    Dividing by 1 + lambda changes no direction; it keeps the size of a step the same at every
    strength, so one learning rate serves a whole sweep. For ER (R = KL(u||p)) it is exactly label
    smoothing at eps = lambda / (1 + lambda), up to a constant; label smoothing itself already is
    such an average.
    """
    loss = losses.objective(logits, target, recipe.regularizer, recipe.strength)
    averaged = recipe.regularizer in ("none", "label_smoothing")
    return loss if averaged else loss / (1 + recipe.strength)


def fit(
    model: nn.Module,
    train,
    recipe: Recipe,
    after_epoch: Callable[[int, nn.Module], dict] | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[dict], None] | None = None,
) -> list[dict]:
    """Train ``model`` in place and return its history, one dictionary an epoch.

    Args:
        train: in-memory data set with ``images`` uint8 and ``labels``.
        after_epoch: called with (epoch, model); what it returns joins the history.
        checkpoint: file of the last whole epoch; when it is there, training goes on from it.
            One that is damaged, or of another recipe, model or data, is set aside with a warning.
        progress: called with the row of each finished epoch.

    Raises:
        TrainingError: the loss or the weights are NaN or infinite; the last checkpoint stays.
        ValueError: fewer images than one batch, or a label that the model has no class for.
        StorageError: the checkpoint cannot be written; the one before stays.
    """
    steps = len(train) // recipe.batch_size
    if steps == 0:
        raise ValueError(
            f"batch_size={recipe.batch_size} is larger than the {len(train)} training images"
        )
    _check_labels(train.labels, model.head.out_features)
    device = next(model.parameters()).device
    optimizer = torch.optim.SGD(
        model.parameters(),
        recipe.learning_rate,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=recipe.epochs * steps,
        cycle_momentum=recipe.momentum > 0,
        base_momentum=round(recipe.momentum - 0.05, 9),
        max_momentum=round(recipe.momentum + 0.05, 9),
    )
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    purpose = {"recipe": asdict(recipe), "images": len(train)}
    history = restore(checkpoint, parts, purpose)
    for epoch in range(len(history), recipe.epochs):
        model.train()
        guard = _Guard(epoch, steps, device, checkpoint)
        order = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        shuffled = torch.randperm(len(train), generator=order)
        mirrored = torch.rand(len(train), generator=order) < (0.5 if recipe.flip else 0.0)
        for step in range(steps):
            rows = shuffled[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            images, flips = train.images[rows], mirrored[rows, None, None, None]
            images = as_input(torch.where(flips, images.flip(3), images), device)
            logits, target = model(images), train.labels[rows].to(device)
            with guard.step(scheduler.get_last_lr()[0], logits, target):
                loss = regularised_loss(logits, target, recipe)
                guard.look(loss)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
        guard.look_at_weights(model)
        row = {"epoch": epoch + 1, "loss": guard.mean()}
        row |= after_epoch(epoch + 1, model) if after_epoch else {}
        history.append(row)
        if checkpoint is not None:
            save(checkpoint, parts, purpose | {"history": history})
        if progress:
            progress(row)
    return history


def _check_labels(labels: torch.Tensor, classes: int) -> None:
    bad = ((labels < 0) | (labels >= classes)).nonzero()
    if len(bad):
        index = int(bad[0])
        raise ValueError(
            f"label {int(labels[index])} of training image {index} is outside 0..{classes - 1}: "
            "renumber the labels or build the model with more classes"
        )


class _Guard:
    """Watches the loss of an epoch and turns what is not finite into a sentence."""

    def __init__(self, epoch: int, steps: int, device, checkpoint: Path | None):
        self.epoch, self.steps, self.checkpoint = epoch, steps, checkpoint
        self.every = 1 if device.type == "cpu" else _CHECK_EVERY
        self.losses: list[torch.Tensor] = []
        self.rates: list[float] = []

    def step(self, rate: float, logits: torch.Tensor, target: torch.Tensor) -> _Guard:
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
        recent = torch.stack(self.losses[-self.every :]).isfinite()
        if not bool(recent.all()):
            good = len(self.losses) - len(recent) + int((~recent).nonzero()[0])
            self.rates = self.rates[: good + 1]  # the step where it began
            losses.validate(*self.seen)  # leaves through __exit__ with what is wrong
            raise TrainingError(self._sentence("the loss is not finite; lower the learning_rate"))

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
        if self.epoch == 0:
            kept = "no epoch was finished, so there is nothing to keep"
        elif self.checkpoint is None:
            kept = f"{self.epoch} epochs were finished, none was kept (fit was given no checkpoint)"
        else:
            kept = f"epoch {self.epoch} is kept in {self.checkpoint}"
        return (
            f"training stopped at step {number} (epoch {self.epoch + 1}, learning rate "
            f"{self.rates[-1]:.3g}): {what}; {kept}"
        )
