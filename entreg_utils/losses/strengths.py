"""What a strength means: lambda of either convention, eps of label smoothing, and the optimum."""

import math

import torch
from scipy.optimize import brentq

from entreg_utils.fields import MOST_CLASSES, known, plain, plain_numbers, whole
from entreg_utils.losses.objectives import REGULARIZERS, check_epsilon, objective


@plain_numbers
def epsilon_from_lambda(lam: float, num_classes: int, reduction: str = "mean") -> float:
    """Label smoothing's eps that gives the same gradient direction as lambda * KL(u||p).

    eps = l/(1 + l), where l is ``lam`` for ``reduction="mean"`` (the true KL, with 1/C) and
    ``lam * num_classes`` for ``"class_sum"`` (the plain sum over classes, without 1/C).
    ValueError: ``lam`` negative or not finite, classes outside 2..10^6, unknown reduction.
    """
    lam = plain("lambda", float, lam)
    if not (lam >= 0 and math.isfinite(lam)):
        raise ValueError(f"lambda must be finite and >= 0, not {lam}")
    effective = lam * _classes_in_sum(num_classes, reduction)
    return effective / (1 + effective)


@plain_numbers
def lambda_from_epsilon(epsilon: float, num_classes: int, reduction: str = "mean") -> float:
    """Inverse of :func:`epsilon_from_lambda`: eps/(1 - eps), divided by C for ``"class_sum"``.

    ValueError: ``epsilon`` outside [0, 1), classes outside 2..10^6, unknown reduction.
    """
    epsilon = check_epsilon(epsilon)
    return epsilon / (1 - epsilon) / _classes_in_sum(num_classes, reduction)


@plain_numbers
def smoothed_optimum(epsilon: float, num_classes: int) -> tuple[float, float, float]:
    """Where one sample's label-smoothed loss, and so ER's, is smallest: (p_y, entropy, gap).

    p_y = 1 - eps + eps/C, every other class eps/C; ``entropy`` is that of this distribution in
    nats; ``gap`` is the distance of the true logit from the others, log(1 + C (1 - eps)/eps),
    infinite at eps = 0. ValueError: ``epsilon`` outside [0, 1), fewer than two classes.
    """
    epsilon = check_epsilon(epsilon)
    classes = _classes_in_sum(num_classes, "class_sum")
    if epsilon == 0:
        return 1.0, 0.0, math.inf
    rest = epsilon / classes
    p_y = 1 - epsilon + rest
    # log1p keeps the digits of -p_y log p_y when eps is tiny
    entropy = -p_y * math.log1p(rest - epsilon) - (classes - 1) * rest * math.log(rest)
    return p_y, entropy, math.log1p(classes * (1 - epsilon) / epsilon)


@plain_numbers
def matched_strength(regularizer: str, entropy: float, num_classes: int) -> float:
    """The strength at which the optimum of one sample's loss has this entropy.

    By symmetry the optimum lies on the line of logits ``(g, 0, .., 0)``, where ``CE + lambda R`` is
    stationary in g: ``lambda = -CE'(g) / R'(g)`` at the g whose prediction has this entropy. For
    ``kl_uniform`` it is the lambda of :func:`smoothed_optimum`, for ``label_smoothing`` its eps.

    ``entropy``: nats, between 0 and log C, both left out. ValueError: no such regulariser, or one
    without strength; entropy out of range.
    """
    known("regularizer", regularizer, [name for name in REGULARIZERS if name != "none"])
    num_classes = _classes_in_sum(num_classes, "class_sum")
    if not 0 < entropy < math.log(num_classes):
        raise ValueError(
            f"entropy={entropy} of {num_classes} classes: give nats between 0 and log C, both left "
            "out"
        )

    def excess(gap: float) -> float:  # H of softmax(gap, 0, .., 0) falls from log C to 0 in gap
        log_sum = gap + math.log1p((num_classes - 1) * math.exp(-gap))
        return log_sum - gap * math.exp(gap - log_sum) - entropy  # H = log sum exp(z) - sum p z

    root = brentq(excess, 1e-12, 700.0, xtol=1e-13)
    gap = torch.tensor(root, dtype=torch.float64, requires_grad=True)
    logits = torch.cat([gap[None], torch.zeros(num_classes - 1, dtype=torch.float64)])[None]
    target = torch.zeros(1, dtype=torch.int64)
    smoothing = regularizer == "label_smoothing"
    name = "kl_uniform" if smoothing else regularizer
    bare = objective(logits, target, "none", 0.0)
    added = objective(logits, target, name, 1.0) - bare  # the regulariser alone, at strength 1
    down, up = (torch.autograd.grad(part, gap, retain_graph=True)[0] for part in (bare, added))
    strength = float(-down / up)
    return strength / (1 + strength) if smoothing else strength


def _classes_in_sum(num_classes: int, reduction: str) -> int:
    num_classes = whole("num_classes", num_classes, 2, MOST_CLASSES)
    known("reduction", reduction, ("mean", "class_sum"))
    return num_classes if reduction == "class_sum" else 1
