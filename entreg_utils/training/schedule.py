"""SGD and its learning rate: groups, and how the rate goes over the steps."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import lr_scheduler

from entreg_utils import models
from entreg_utils.training.recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD over all weights; with a ``head_factor``, last stage and head in a group of their own.

    Raises:
        TypeError: a ``head_factor`` other than 1, and the model is not one of ``models.build``.
    """
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
    it (Smith & Topin, 2019; PyTorch's defaults); the momentum runs against it.
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
