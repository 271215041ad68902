"""How to train (:class:`Recipe`), and the loss that one step of it minimises."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from entreg_utils import losses, names
from entreg_utils.fields import known, settle, whole


@dataclass(frozen=True)
class Recipe:
    """Training: SGD with Nesterov momentum; the defaults are those of the drawn world.

    Raises:
        ValueError: an unknown name, or a number that cannot work.
    """

    regularizer: str | Callable = "none"
    """none, label_smoothing, confidence_penalty, jeffreys, jsd, kl_uniform, or own code"""
    strength: float = 0.0
    """lambda >= 0 of the regularizer (eps in [0, 1) for label_smoothing)"""
    seed: int = 0
    """of initial weights, order, crops, flips and erasing"""
    epochs: int = 12
    """passes over the training images"""
    batch_size: int = 50
    """images a step; a shorter last batch is left out"""
    learning_rate: float = 0.1
    """highest of the schedule"""
    momentum: float = 0.9
    """of SGD; one_cycle runs it 0.05 to either side, against the rate"""
    weight_decay: float = 1e-3
    """of SGD"""
    flip: bool = True
    """mirror half of the images, at random"""
    schedule: Literal["one_cycle", "step", "cosine"] = "one_cycle"
    """of the learning rate"""
    decay_epochs: tuple[int, ...] = ()
    """schedule step: epochs after which the rate falls"""
    decay: float = 0.1
    """schedule step: factor of each fall"""
    head_factor: float = 1.0
    """last stage and head learn so many times faster"""
    grad_clip: float = 0.0
    """largest L2 norm of a step's gradient; 0: any"""
    epoch_images: int = 0
    """images an epoch draws, pass after pass; 0: the training split, once"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the network's passes in training; the rest stays float32"""
    compile: bool = False
    """run the network through torch.compile"""
    multilabel: Literal["none", "softmax", "sigmoid"] = "none"
    """loss of images that show several classes"""

    def __post_init__(self):
        settle(self)
        if not names.is_own(self.regularizer):
            known("regularizer", self.regularizer, (*losses.REGULARIZERS, "module:function"))
        for field in ("epochs", "batch_size"):
            whole(field, getattr(self, field), 1)
        for field in ("strength", "learning_rate", "momentum", "weight_decay", "grad_clip"):
            if not 0 <= (value := getattr(self, field)) < math.inf:
                raise ValueError(f"{field}={value}: give a finite number of at least 0")
        smoothing, none = (self.regularizer == name for name in ("label_smoothing", "none"))
        stepped, images, momentum = self.schedule == "step", self.epoch_images, self.momentum
        alone = "it belongs to schedule='step': leave it out"
        least = f"give 0, one pass, or at least batch_size={self.batch_size}"
        low, high = (0.05, 0.95) if self.schedule == "one_cycle" else (0, 1)
        between = f"give 0, or a number in [{low}, {high})"
        rising = sorted({epoch for epoch in self.decay_epochs if epoch >= 1})
        for field, fits, way in (
            ("strength", not smoothing or self.strength < 1, "label smoothing wants eps in [0, 1)"),
            ("strength", not (none and self.strength), "name its regularizer, or leave it 0"),
            # seed * 100_003 + epoch has to fit PyTorch's 63 bits
            ("seed", 0 <= self.seed < 2**46, "give a whole number in 0..2**46 - 1"),
            ("epoch_images", images == 0 or images >= self.batch_size, least),
            ("momentum", not momentum or low <= momentum < high, between),
            ("decay_epochs", stepped or not self.decay_epochs, alone),
            ("decay", stepped or self.decay == Recipe.decay, alone),
            ("head_factor", 0 < self.head_factor < math.inf, "give a positive number, 1 for none"),
            ("decay", 0 < self.decay <= 1, "give a factor in (0, 1]"),
            ("decay_epochs", list(self.decay_epochs) == rising, "give rising epochs from 1 on"),
        ):
            if not fits:
                raise ValueError(f"{field}={getattr(self, field)}: {way}")

    @property
    def epsilon(self) -> float:
        """Weight of the regulariser in the average of the two terms, 0..1: lambda/(1 + lambda)."""
        return weight_of(self.regularizer, self.strength)


def weight_of(regularizer, strength: float) -> float:
    """Epsilon of a strength: label smoothing's own, else lambda/(1 + lambda), to nine digits."""
    return strength if regularizer == "label_smoothing" else round(strength / (1 + strength), 9)


def regularised_loss(logits: Tensor, target: Tensor, recipe: Recipe) -> Tensor:
    """``(CE + lambda R) / (1 + lambda)``: the weights of the two terms add up to one.

    Dividing by 1 + lambda changes no direction; it keeps the size of a step the same at every
    strength, so one learning rate serves a whole sweep. For ER (R = KL(u||p)) it is exactly label
    smoothing at eps = lambda / (1 + lambda), up to a constant; label smoothing already is averaged.

    ``logits`` (N, C); ``target``: class indices (N,), or multi-hot rows (N, C) in 0..1. Errors
    as of :func:`entreg_utils.losses.objective`.

    - ``softmax``: the target is each row over its sum; R draws p to uniform over the C classes.
    - ``sigmoid``: C questions, present or not, p_c = sigmoid(z_c), CE the mean of their binary
      cross-entropies. R acts on each (p_c, 1 - p_c), whose uniform is (1/2, 1/2): ER smooths a
      target t_c to (1 - eps) t_c + eps/2, and so pulls each absent class far harder than to 1/C.
    """
    if recipe.multilabel == "sigmoid":
        logits, target = binary_questions(logits, target)
    loss = losses.objective(logits, target, recipe.regularizer, recipe.strength)
    averaged = recipe.regularizer in ("none", "label_smoothing")
    return loss if averaged else loss / (1 + recipe.strength)


def loss_of_chance(recipe: Recipe, classes: int) -> float:
    """The loss of a network that gives all ``classes`` the same logit, whatever it is shown.

    Cross-entropy alone, and label smoothing: log C. With a divergence, 0 there: log C / (1 +
    lambda). Sigmoids: log 2 for log C, which a network beats that only knows how rare classes are.
    """
    target = torch.zeros(2, dtype=torch.int64)
    if recipe.multilabel != "none":
        target = functional.one_hot(target, classes)
    return float(regularised_loss(torch.zeros(2, classes), target, recipe))


def binary_questions(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """N * C softmaxes over (present, absent), so that every regulariser of distributions serves
    sigmoids too: logits ``(z, 0)``, targets ``(t, 1 - t)``; (N, C) -> two times (N * C, 2), in
    float32 at least: 1 - t of a mixed target is not a number of bfloat16."""
    if target.shape != logits.shape:
        wanted, found = tuple(logits.shape), tuple(target.shape)
        raise ValueError(f"sigmoids need a target of shape {wanted}, one a class, not {found}")
    logits = logits.reshape(-1).to(torch.promote_types(logits.dtype, torch.float32))
    target = target.reshape(-1).to(logits.dtype)
    questions = torch.stack([logits, torch.zeros_like(logits)], dim=1)
    return questions, torch.stack([target, 1 - target], dim=1)
