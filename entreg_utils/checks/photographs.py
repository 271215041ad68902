"""Feedback on the exercises of the notebook on real photographs. Prints, never raises."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit

from entreg_utils.checks.answers import number


def unpaired_half_width(answer, images: int, share: float) -> None:
    """Exercise: half-width of a 95 % interval of the difference of two independent shares, points.

    ``100 * 1.96 * sqrt(2 p (1 - p) / N)``, N ``images`` and p the ``share``, 0..1.
    """
    value = number(answer, "Half-width")
    if value is None:
        return
    one = 100 * 1.96 * math.sqrt(share * (1 - share) / images)
    right = math.sqrt(2) * one
    if abs(value - right) < 0.06:
        print(f"Half-width: right, {right:.1f} points. Smaller effects need pairs, or more images.")
    elif abs(value - one) < 0.06:
        print("Half-width: that is for one share. The difference of two has twice the variance.")
    elif abs(value - right / 100) < 6e-4:
        print("Half-width: right as a share; in points it is a hundred times that.")
    elif abs(value - right / 1.96) < 0.06:
        print("Half-width: that is one standard error. The interval of 95 % is 1.96 of them.")
    else:
        print(f"Half-width: not {value:.1f}. A share p of N images has the variance p (1 - p) / N.")


def located_when_right(answer, hits, right) -> None:
    """Exercise: how much more often a box is right where the class is, in points.

    Mean over seeds of ``P(hit | class right) - P(hit | class wrong)``; both arrays (S, N) bool.
    """
    value = number(answer, "Difference")
    if value is None:
        return
    pairs = list(zip(np.asarray(hits), np.asarray(right), strict=True))
    shares = [(hit[ok].mean(), hit[~ok].mean(), hit.mean()) for hit, ok in pairs]
    given, otherwise, all_images = (100 * np.mean(column) for column in zip(*shares, strict=True))
    difference = given - otherwise
    if abs(value - difference) < 0.06:
        print(
            f"Difference: right, {difference:+.1f} points: {given:.1f} % where the class is right, "
            f"{otherwise:.1f} % where it is wrong."
        )
    elif abs(value - difference / 100) < 6e-4:
        print("Difference: right as a share; in points it is a hundred times that.")
    elif abs(value + difference) < 0.06:
        print("Difference: the other way round: right minus wrong.")
    elif abs(value - (given - all_images)) < 0.06:
        print("Difference: that is against all images. Compare with those whose class is wrong.")
    else:
        print(
            f"Difference: not {value:+.1f}. Of each seed hits[right].mean() - hits[~right].mean(); "
            "then the mean over seeds, times 100."
        )


def seeds_needed(answer, spread: float, margin: float) -> None:
    """Exercise: fewest seeds whose Student interval is no wider than ``margin`` on either side.

    The smallest n >= 2 with ``t_{n-1, 0.975} * spread / sqrt(n) <= margin``; ``spread`` is the
    standard deviation of the paired differences, in the unit of ``margin``.
    """
    value = number(answer, "Seeds")
    if value is None:
        return
    right = next(n for n in range(2, 10_000) if _half(n, spread) <= margin)
    normal = next(n for n in range(1, 10_000) if 1.96 * spread / math.sqrt(n) <= margin)
    if value == right:
        print(f"Seeds: right, {right}: the half-width is {_half(right, spread):.2f} then.")
    elif value == normal:
        print("Seeds: that is with 1.96. So few seeds want Student's quantile, which is larger.")
    elif 2 <= value < right and value == int(value):
        print(f"Seeds: with {int(value)} the half-width is still {_half(int(value), spread):.2f}.")
    elif value > right:
        print(f"Seeds: {value:g} are enough, but fewer are, too. Look for the smallest number.")
    else:
        print("Seeds: a whole number, at least 2: one run has no spread.")


def _half(seeds: int, spread: float) -> float:
    return float(stdtrit(seeds - 1, 0.975)) * spread / math.sqrt(seeds)
