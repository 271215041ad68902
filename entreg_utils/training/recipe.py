"""How to train (:class:`Recipe`), and the loss that one step of it minimises."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from entreg_utils import losses
from entreg_utils.erasing import Erasing

SCHEDULES = ("one_cycle", "step", "cosine")
PRECISIONS = ("fp32", "bf16")
MULTILABEL = ("none", "softmax", "sigmoid")


@dataclass(frozen=True)
class Recipe:
    """How to train. SGD with Nesterov momentum; the defaults are those of the embedded world.

    Attributes:
        regularizer, strength: as in :func:`entreg_utils.losses.objective`.
        epochs, batch_size: passes over the training split, images a step (a shorter last batch is
            left out, so that every step weighs the same).
        learning_rate: the highest of the schedule.  weight_decay: of SGD.
        momentum: 0 is plain SGD. Under one-cycle it is the middle of its cycle, which runs 0.05 to
            either side against the learning rate's.
        flip: mirror each image with probability 1/2.
        seed: of the initial weights, the order, the crops, the flips and what is erased.
        erasing: what is hidden while training.
        schedule: ``one_cycle``; ``step``, the rate times ``decay`` after each epoch of
            ``decay_epochs``; ``cosine``, from the rate down to 0 by half a wave over all steps.
        head_factor: last stage and head learn this many times faster
            (:func:`entreg_utils.models.parameter_groups`).
        grad_clip: largest L2 norm of a step's gradient; 0 leaves it as it is.
        crop: side in pixels of a random crop of each image; 0 takes the whole image.
        epoch_images: images an "epoch" draws, pass after pass; 0 is the training split, once. Codes
            that count epochs otherwise need it.
        precision: ``fp32``, or ``bf16`` for the network's passes in training (autocast; weights,
            loss and evaluation stay in float32).
        compile: run the network through ``torch.compile``.
        multilabel: ``none`` for one class an image. For multi-hot labels ``softmax`` or
            ``sigmoid``, see :func:`regularised_loss`.

    Raises:
        ValueError: an unknown schedule, precision or multi-label loss.
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
    erasing: Erasing = Erasing()
    schedule: str = "one_cycle"
    decay_epochs: tuple[int, ...] = ()
    decay: float = 0.1
    head_factor: float = 1.0
    grad_clip: float = 0.0
    crop: int = 0
    epoch_images: int = 0
    precision: str = "fp32"
    compile: bool = False
    multilabel: str = "none"

    def __post_init__(self):
        for field, known in (
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("multilabel", MULTILABEL),
        ):
            if getattr(self, field) not in known:
                raise ValueError(
                    f"unknown {field} {getattr(self, field)!r}: known are {', '.join(known)}"
                )


def regularised_loss(logits: Tensor, target: Tensor, recipe: Recipe) -> Tensor:
    """``(CE + lambda R) / (1 + lambda)``: the weights of the two terms add up to one.

    Dividing by 1 + lambda changes no direction; it keeps the size of a step the same at every
    strength, so one learning rate serves a whole sweep. For ER (R = KL(u||p)) it is exactly label
    smoothing at eps = lambda / (1 + lambda), up to a constant; label smoothing itself already is
    such an average.

    Multi-hot targets (N, C), two choices that mean different things:

    - ``softmax``: one distribution over the classes, and the target is each row over its sum (k
      present classes share the mass, 1/k each). R draws p to uniform over the C classes.
    - ``sigmoid``: C questions of two answers, present or not, p_c = sigmoid(z_c), CE the mean of
      their binary cross-entropies. R acts on each question's own distribution (p_c, 1 - p_c), whose
      uniform is (1/2, 1/2): ER then says "be unsure whether c is there" and smooths a target t_c to
      (1 - eps) t_c + eps/2. At equal eps it pulls each absent class to 1/2, far harder than 1/C.

    Args:
        logits: (N, C).  target: class indices (N,), or rows (N, C) in 0..1.
    """
    if recipe.multilabel == "sigmoid":
        logits, target = binary_questions(logits, target)
    loss = losses.objective(logits, target, recipe.regularizer, recipe.strength)
    averaged = recipe.regularizer in ("none", "label_smoothing")
    return loss if averaged else loss / (1 + recipe.strength)


def binary_questions(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """N * C softmaxes over (present, absent): logits ``(z, 0)``, targets ``(t, 1 - t)``.

    softmax(z, 0) is (sigmoid(z), 1 - sigmoid(z)), so that every regulariser of distributions serves
    sigmoids too. (N, C) -> two times (N * C, 2).
    """
    if target.shape != logits.shape:
        raise ValueError(
            f"sigmoids need a target of shape {tuple(logits.shape)}, one a class, not "
            f"{tuple(target.shape)}"
        )
    logits, target = logits.reshape(-1), target.reshape(-1).to(logits.dtype)
    return (
        torch.stack([logits, torch.zeros_like(logits)], dim=1),
        torch.stack([target, 1 - target], dim=1),
    )
