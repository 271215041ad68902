"""The training loop: seeded, resumable to the bit on a CPU, stopped by a loss that is no number.

The state after an epoch is a function of the recipe and the epoch alone: order, crops and flips of
epoch e come from a generator seeded with (seed, e), what is erased from another. Nothing random has
to be stored, and a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from entreg_utils import models, names
from entreg_utils.erasing import Erasing, attach
from entreg_utils.fields import plain_numbers
from entreg_utils.training.batches import batches, check_labels, generator_of, steps_of
from entreg_utils.training.guard import Best, Guard, enough_memory, kept, restore, save
from entreg_utils.training.recipe import Recipe, regularised_loss


@plain_numbers
def fit(
    model: nn.Module,
    train,
    recipe: Recipe | None = None,
    erasing: Erasing | None = None,
    crop: int = 0,
    after_epoch: Callable[[int, nn.Module], dict] | None = None,
    checkpoint: Path | str | None = None,
    progress: Callable[[dict], None] | None = None,
    best: Best | None = None,
    after_step: Callable[[int, int, float], None] | None = None,
) -> list[dict]:
    """Train ``model`` in place and return its history, one dictionary an epoch.

    Args:
        model: of ``models.build`` or ``models.adapt``.
        train: data set with ``images`` uint8 (memory-mapped is fine) and ``labels``, class indices
            (N,) or multi-hot (N, C).
        recipe: default ``Recipe()``.  erasing: what is hidden while training; default nothing.
        crop: side in pixels of a random crop of each image; 0 takes the whole image.
        after_epoch: called with (epoch, model); what it returns joins the history.
        checkpoint: file of the last whole epoch; when it is there, training goes on from it. One
            that is damaged, or of another recipe, model or data, is set aside with a warning.
        progress: called with the row of each finished epoch.
        best: keeps the weights of the best epoch by one column of the history.
        after_step: called with the steps done, those of the whole training, and a recent loss
            (NaN before the first look at it; an accelerator is not made to wait for one).

    TrainingError: loss or weights are not finite, or the device has too little memory; the last
    checkpoint stays. ValueError: fewer images than one batch, a crop larger than the images, a
    label without a place, a missing erasing point, weights that are not float32. StorageError: the
    checkpoint cannot be written.
    """
    recipe, erasing = recipe or Recipe(), erasing or Erasing()
    checkpoint = None if checkpoint is None else Path(checkpoint)
    steps = steps_of(len(train), recipe)
    check_labels(train.labels, classes_of(model), recipe.multilabel)
    device, kind = next((p.device, p.dtype) for p in model.parameters())
    if kind != torch.float32:
        raise ValueError(
            f"the weights are {kind}, but are trained in float32: give model.float(); the passes "
            "alone can be in half precision, Recipe(precision='bf16')"
        )
    optimizer = make_optimizer(model, recipe)
    scheduler = make_scheduler(optimizer, recipe, steps)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    parts |= {} if best is None else {"best": best}
    purpose = {} if checkpoint is None else _purpose(train, recipe, erasing, crop, best)
    history, half = restore(checkpoint, parts, purpose), recipe.precision == "bf16"
    options = {"fill": getattr(model, "mean", None), "num_classes": classes_of(model)}
    options["as_distribution"] = recipe.multilabel != "sigmoid"
    with _network(model, recipe, erasing) as (network, draws):
        for epoch in range(len(history), recipe.epochs):
            model.train()
            draws.set_state(generator_of(recipe, epoch, stream=1).get_state())
            guard = Guard(epoch, steps, device, checkpoint)
            with enough_memory("a training step", kept(epoch, checkpoint)):
                for images, target in batches(train, recipe, epoch, device, crop):
                    images, target = erasing.apply_to_batch(images, target, draws, **options)
                    with torch.autocast(device.type, torch.bfloat16, half):
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
                    if after_step:
                        done = epoch * steps + len(guard.losses)
                        after_step(done, recipe.epochs * steps, guard.recent)
            guard.look_at_weights(model)
            row = {"epoch": epoch + 1, "loss": guard.mean()}
            row |= after_epoch(epoch + 1, model) if after_epoch else {}
            history.append({name: _plain(value) for name, value in row.items()})
            if best is not None:
                best.see(history[-1], model)
            if checkpoint is not None:
                save(checkpoint, parts, purpose | {"history": history})
            if progress:
                progress(history[-1])
    return history


def classes_of(model: nn.Module) -> int:
    return getattr(model, "num_classes", None) or model.head.out_features


def _purpose(train, recipe: Recipe, erasing: Erasing, crop: int, best: Best | None) -> dict:
    """What a checkpoint is of, as text and numbers: with any other the training starts anew."""
    own = {recipe.regularizer, erasing.method}
    settings = asdict(recipe) | {"regularizer": names.text_of(recipe.regularizer)}
    settings["erasing"] = asdict(erasing) | {"method": names.text_of(erasing.method)}
    code = {names.text_of(v): names.digest(v) for v in own if names.is_own(v)}
    return {
        "recipe": settings,
        "code": code,
        "crop": crop,
        "images": len(train),
        "data": getattr(train, "fingerprint", "") or _digest(train),
        "best_by": None if best is None else best.criterion,
    }


def _digest(train) -> str:
    """SHA-256 of images and labels, for data that have no fingerprint of their own."""
    digest = hashlib.sha256()
    for tensor in (train.images, train.labels):
        digest.update(np.ascontiguousarray(tensor))
    return digest.hexdigest()


def _plain(value):
    """NumPy's and PyTorch's numbers as Python's: a checkpoint is read back without pickles."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic, Tensor)) else value


@contextlib.contextmanager
def _network(model, recipe: Recipe, erasing: Erasing) -> Iterator[tuple[Callable, torch.Generator]]:
    """What a step calls: the model with its erasing layers, perhaps compiled; and their draws."""
    draws = torch.Generator()
    with attach(model, erasing, draws):
        if not recipe.compile:
            yield model, draws
            return
        # Compiled code is kept by class and does not look for hooks: what was compiled without
        # erasing layers would run here as well, and erase nothing; and the other way round.
        torch.compiler.reset()
        try:
            yield torch.compile(model), draws
        finally:
            torch.compiler.reset()


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD over all weights; with a ``head_factor``, last stage and head in a group of their own
    (TypeError: the model is not one of ``models.build``)."""
    groups = [{"params": [p for p in model.parameters() if p.requires_grad]}]
    if recipe.head_factor != 1:
        groups = [
            {"params": group["params"], "lr": recipe.learning_rate * group["factor"]}
            for group in models.parameter_groups(model, recipe.head_factor)
            if group["params"]
        ]
    return torch.optim.SGD(
        groups,
        recipe.learning_rate,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )


def make_scheduler(optimizer: torch.optim.SGD, recipe: Recipe, steps: int):
    """The schedule of the recipe over ``steps`` an epoch; its ``step()`` follows each step.

    ``one_cycle`` rises from 1/25 of the rate over the first 30 % of the steps and falls to 4e-6 of
    it (Smith & Topin, 2019); the momentum runs against it. ``cosine`` falls to 0 by half a wave.
    """
    total = recipe.epochs * steps
    if recipe.schedule == "step":
        milestones = [epoch * steps for epoch in recipe.decay_epochs]
        return lr_scheduler.MultiStepLR(optimizer, milestones, recipe.decay)
    if recipe.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, total)
    return lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=total,
        cycle_momentum=recipe.momentum > 0,
        base_momentum=round(recipe.momentum - 0.05, 9),
        max_momentum=round(recipe.momentum + 0.05, 9),
    )
