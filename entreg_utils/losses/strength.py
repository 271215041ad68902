"""What a strength means: lambda of either convention, eps of label smoothing, and the optimum."""

from __future__ import annotations

import math


def epsilon_from_lambda(lam: float, num_classes: int, reduction: str = "mean") -> float:
    """Label smoothing's eps that gives the same gradient direction as lambda * KL(u||p).

    eps = l/(1 + l), where l is ``lam`` for ``reduction="mean"`` (the true KL, with 1/C) and
    ``lam * num_classes`` for ``"class_sum"`` (the plain sum over classes, without 1/C).

    Raises:
        ValueError: ``lam`` negative or not finite, fewer than two classes, unknown reduction.
    """
    if not (lam >= 0 and math.isfinite(lam)):
        raise ValueError(f"lambda must be finite and >= 0, not {lam}")
    effective = lam * _classes_in_sum(num_classes, reduction)
    return effective / (1 + effective)


def lambda_from_epsilon(epsilon: float, num_classes: int, reduction: str = "mean") -> float:
    """Inverse of :func:`epsilon_from_lambda`: eps/(1 - eps), divided by C for ``"class_sum"``.

    Raises:
        ValueError: ``epsilon`` outside [0, 1), fewer than two classes, unknown reduction.
    """
    _check_epsilon(epsilon)
    return epsilon / (1 - epsilon) / _classes_in_sum(num_classes, reduction)


def smoothed_optimum(epsilon: float, num_classes: int) -> tuple[float, float, float]:
    """Where one sample's label-smoothed loss, and so ER's, is smallest: (p_y, entropy, gap).

    p_y = 1 - eps + eps/C, every other class eps/C; ``entropy`` is that of this distribution in
    nats; ``gap`` is the distance of the true logit from the others, log(1 + C (1 - eps)/eps),
    infinite at eps = 0.

    Raises:
        ValueError: ``epsilon`` outside [0, 1), fewer than two classes.
    """
    _check_epsilon(epsilon)
    classes = _classes_in_sum(num_classes, "class_sum")
    if epsilon == 0:
        return 1.0, 0.0, math.inf
    rest = epsilon / classes
    p_y = 1 - epsilon + rest
    # log1p keeps the digits of -p_y log p_y when eps is tiny
    entropy = -p_y * math.log1p(rest - epsilon) - (classes - 1) * rest * math.log(rest)
    return p_y, entropy, math.log1p(classes * (1 - epsilon) / epsilon)


def _check_epsilon(epsilon: float) -> None:
    if not 0 <= epsilon < 1:
        raise ValueError(
            f"label smoothing's eps must lie in [0, 1), not {epsilon}: at 1 nothing of the label "
            "is left"
        )


def _classes_in_sum(num_classes: int, reduction: str) -> int:
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2, not {num_classes}")
    if reduction not in ("mean", "class_sum"):
        raise ValueError(f"unknown reduction {reduction!r}; choose one of: mean, class_sum")
    return num_classes if reduction == "class_sum" else 1
