"""Feedback on the exercises of the notebook on which regulariser. Prints, never raises."""

from __future__ import annotations

import math

import numpy as np

from entreg_utils import losses, metrics
from entreg_utils.checks.answers import number


def same_optimum(answer, beta: float, num_classes: int) -> None:
    """Exercise: eps of ER with the optimum of the confidence penalty of strength ``beta``."""
    value = number(answer, "Epsilon")
    if value is None:
        return
    if not 0 < value < 1:
        print(f"Epsilon: it lies between 0 and 1, and {value:g} does not.")
        return
    _, entropy, _ = losses.smoothed_optimum(value, num_classes)
    if not entropy > 0:
        print("Epsilon: too small to have an entropy at all. Use the strength that was given.")
        return
    found = losses.matched_strength("confidence_penalty", entropy, num_classes)
    if math.isclose(found, beta, rel_tol=5e-3):
        print(
            f"Epsilon: right, {value:.2g}. A beta of {beta:g} asks {num_classes} classes for "
            f"{entropy:.3f} nats."
        )
    elif math.isclose(value, beta / (1 + beta), rel_tol=1e-2):
        print("Epsilon: that takes beta for ER's lambda. Equal strengths have unequal aims.")
    else:
        side = "small" if found < beta else "large"
        print(
            f"Epsilon: too {side}. At {value:.3g} the optimum has {entropy:.3f} nats, which the "
            f"confidence penalty reaches at beta = {found:.3g}, not {beta:g}."
        )


def seeds_needed(answer, differences, width: float) -> None:
    """Exercise: fewest seeds whose Student half-width is at most ``width``, at this spread.

    Args:
        differences: the paired differences that are there, one a seed.
    """
    value = number(answer, "Seeds")
    if value is None:
        return
    right = _fewest(np.asarray(differences, float), width)
    if value == right:
        print(f"Seeds: right, {right}: the first number whose half-width is at most {width:g}.")
    elif value != int(value):
        print(f"Seeds: {value:g} is no number of runs. Round up.")
    elif 0 < value < right:
        print("Seeds: too few. Does your quantile have n - 1 degrees of freedom?")
    elif value > right:
        print("Seeds: that is enough, and more than needed. Go up from 2 and stop at the first.")
    else:
        print(f"Seeds: {value:g} makes no interval; two is the least.")


def classes_needed(answer, lam: float, epsilon: float) -> None:
    """Exercise: number of classes at which the class-sum ``lam`` is ``epsilon``."""
    value = number(answer, "Classes")
    if value is None:
        return
    right = losses.lambda_from_epsilon(epsilon, 2) / lam
    if math.isclose(value, right, rel_tol=0.01):
        print(f"Classes: right, about {right:,.0f}: lambda C must equal eps / (1 - eps).")
    elif math.isclose(value, epsilon / lam, rel_tol=0.01):
        print("Classes: that sets lambda C equal to eps. The weights are averaged: eps/(1 - eps).")
    else:
        print(f"Classes: not {value:,.0f}. Which effective lambda gives this eps, and what is C?")


def _fewest(differences: np.ndarray, width: float) -> int:
    """Going up from two runs with the sample's standard deviation."""
    spread = differences.std(ddof=1)
    seeds = 2
    while _half_width(seeds, spread) > width:
        seeds += 1
    return seeds


def _half_width(seeds: int, spread: float) -> float:
    """Student's half-width of ``seeds`` runs of this standard deviation."""
    unit = np.arange(seeds, dtype=float)
    return metrics.seed_interval(unit / unit.std(ddof=1) * spread).half_width
