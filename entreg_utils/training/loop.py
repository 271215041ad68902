"""The training loop: seeded, resumable to the bit on a CPU, stopped by a loss that is no number.

The state after an epoch is a function of the recipe and the epoch alone: order, crops and flips of
epoch e come from a generator seeded with (seed, e), what is erased from another, so nothing random
has to be stored, and a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from entreg_utils import erasing
from entreg_utils.training.batches import Epoch, check_labels, generator_of, steps_of
from entreg_utils.training.checkpoint import Best, restore, save
from entreg_utils.training.guard import Guard, enough_memory, kept
from entreg_utils.training.recipe import Recipe, regularised_loss
from entreg_utils.training.schedule import make_optimizer, make_scheduler


def fit(
    model: nn.Module,
    train,
    recipe: Recipe,
    after_epoch: Callable[[int, nn.Module], dict] | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[dict], None] | None = None,
    best: Best | None = None,
) -> list[dict]:
    """Train ``model`` in place and return its history, one dictionary an epoch.

    Args:
        train: data set with ``images`` uint8 (memory-mapped is fine) and ``labels``, class indices
            (N,) or multi-hot (N, C).
        after_epoch: called with (epoch, model); what it returns joins the history.
        checkpoint: file of the last whole epoch; when it is there, training goes on from it.
            One that is damaged, or of another recipe, model or data, is set aside with a warning.
        progress: called with the row of each finished epoch.
        best: keeps the weights of the best epoch by one column of the history.

    Raises:
        TrainingError: the loss or the weights are NaN or infinite, or the device has too little
            memory; the last checkpoint stays.
        ValueError: fewer images than one batch, a crop larger than the images, a label that the
            model or the loss has no place for, or an erasing point that the model lacks.
        StorageError: the checkpoint cannot be written; the one before stays.
    """
    steps = steps_of(len(train), recipe)
    check_labels(train.labels, model.head.out_features, recipe.multilabel)
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, recipe)
    scheduler = make_scheduler(optimizer, recipe, steps)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    purpose = {"recipe": asdict(recipe), "images": len(train)}
    if best is not None:
        parts, purpose = parts | {"best": best}, purpose | {"best_by": best.criterion}
    history = restore(checkpoint, parts, purpose)
    with _network(model, recipe) as (network, draws):
        for epoch in range(len(history), recipe.epochs):
            model.train()
            draws.set_state(generator_of(recipe, epoch, stream=1).get_state())
            guard = Guard(epoch, steps, device, checkpoint)
            with enough_memory("a training step", kept(epoch, checkpoint)):
                for images, target in Epoch(train, recipe, epoch, device):
                    images, target = _erase(model, images, target, recipe, draws)
                    with torch.autocast(
                        device.type, torch.bfloat16, enabled=recipe.precision == "bf16"
                    ):
                        logits = network(images)
                    with guard.step(scheduler.get_last_lr()[0], logits, target):
                        loss = regularised_loss(logits, target, recipe)
                        guard.look(loss)
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    if recipe.grad_clip:
                        nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
                    optimizer.step()
                    scheduler.step()
            guard.look_at_weights(model)
            row = {"epoch": epoch + 1, "loss": guard.mean()}
            row |= after_epoch(epoch + 1, model) if after_epoch else {}
            history.append(row)
            if best is not None:
                best.see(row, model)
            if checkpoint is not None:
                save(checkpoint, parts, purpose | {"history": history})
            if progress:
                progress(row)
    return history


@contextlib.contextmanager
def _network(model: nn.Module, recipe: Recipe) -> Iterator[tuple[Callable, torch.Generator]]:
    """What a step calls: the model with its erasing layers, perhaps compiled; and their draws."""
    draws = torch.Generator()
    with erasing.attach(model, recipe.erasing, draws):
        if not recipe.compile:
            yield model, draws
            return
        # Compiled code is kept by class and does not look for hooks: what was compiled for a
        # network without layers would run here as well, and erase nothing; and the other way round.
        torch.compiler.reset()
        try:
            yield torch.compile(model), draws
        finally:
            torch.compiler.reset()


def _erase(model, images, target, recipe: Recipe, draws: torch.Generator):
    return recipe.erasing.apply_to_batch(
        images,
        target,
        draws,
        fill=getattr(model, "mean", None),
        num_classes=model.head.out_features,
        normalise=recipe.multilabel != "sigmoid",
    )
