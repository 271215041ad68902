"""Strengths that ask for the same entropy: what makes two regularisers comparable."""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq

from entreg_utils.losses.training import REGULARIZERS, objective


def matched_strength(regularizer: str, entropy: float, num_classes: int) -> float:
    """The strength at which the optimum of one sample's loss has this entropy.

    By symmetry the optimum gives all wrong classes the same probability, so it lies on the line of
    logits ``(g, 0, .., 0)``. There the loss ``CE + lambda R`` is stationary in g, whence
    ``lambda = -CE'(g) / R'(g)`` at the g whose prediction has the entropy that is asked for. For
    ``kl_uniform`` it is the lambda of :func:`smoothed_optimum`, for ``label_smoothing`` its eps. A
    trained network comes near the optimum where it fits, and its entropy on test is measured, not
    assumed.

    Args:
        entropy: nats, between 0 and log C, both left out.

    Raises:
        ValueError: no such regulariser, or one without strength; entropy out of range.
    """
    if regularizer not in REGULARIZERS or regularizer == "none":
        known = ", ".join(name for name in REGULARIZERS if name != "none")
        raise ValueError(f"no strength of {regularizer!r}: use one of {known}")
    if num_classes < 2 or not 0 < entropy < math.log(num_classes):
        raise ValueError(
            f"entropy={entropy} of {num_classes} classes: give nats between 0 and log C, both left "
            "out, and at least two classes"
        )
    gap = torch.tensor(_gap(entropy, num_classes), dtype=torch.float64, requires_grad=True)
    logits = torch.cat([gap[None], torch.zeros(num_classes - 1, dtype=torch.float64)])[None]
    target = torch.zeros(1, dtype=torch.int64)
    smoothing = regularizer == "label_smoothing"
    name = "kl_uniform" if smoothing else regularizer
    plain = objective(logits, target, "none", 0.0)
    added = objective(logits, target, name, 1.0) - plain  # the regulariser alone, at strength 1
    down, up = (torch.autograd.grad(part, gap, retain_graph=True)[0] for part in (plain, added))
    strength = float(-down / up)
    return strength / (1 + strength) if smoothing else strength


def _gap(entropy: float, num_classes: int) -> float:
    """The g > 0 at which softmax(g, 0, .., 0) has this entropy; it falls from log C to 0 in g."""

    def excess(gap: float) -> float:
        log_sum = gap + math.log1p((num_classes - 1) * math.exp(-gap))
        return log_sum - gap * math.exp(gap - log_sum) - entropy  # H = log sum exp(z) - sum p z

    return brentq(excess, 1e-12, 700.0, xtol=1e-13)
