"""How sure is the number? Intervals over images (bootstrap) and over seeds (Student t).

They answer different questions. The bootstrap says how far the score of *this* network would move
on other test images; the interval over seeds how far it would move if the network were trained
again. A claim about a method needs the second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit


class Interval(NamedTuple):
    """An estimate and the two ends of its interval, all in the unit of the values."""

    estimate: float
    low: float
    high: float


class SeedInterval(NamedTuple):
    """``mean - half_width .. mean + half_width``, in the unit of the values."""

    mean: float
    half_width: float


def bootstrap_interval(
    values,
    statistic: Callable[[np.ndarray], float] = np.mean,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over images (Efron, 1979).

    N images are drawn with replacement ``samples`` times; the interval holds the central
    ``confidence`` of the statistics.

    Args:
        values: (N, ...) one row an image, for example hits (N,), or hits at each threshold (N, T)
            with ``statistic=lambda hits: hits.mean(axis=0).max()`` for a MaxBoxAcc.
        statistic: from rows (N, ...) to a number.

    Raises:
        ValueError: fewer than two rows, NaN, a confidence outside (0, 1), no samples.
    """
    values = _finite(values, "images")
    if not 0 < confidence < 1 or samples < 1:
        raise ValueError("confidence must lie in (0, 1) and samples be at least 1")
    generator = np.random.default_rng(seed)
    draws = [
        statistic(values[generator.integers(len(values), size=len(values))]) for _ in range(samples)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(float(statistic(values)), float(low), float(high))


def seed_interval(values, confidence: float = 0.95) -> SeedInterval:
    """Mean over seeds and the half-width of its Student t interval.

    ``half_width = t_{n-1, (1 + confidence) / 2} * s / sqrt(n)``, ``s`` over ``n - 1``.
    With three seeds the factor ``t / sqrt(n)`` is 2.48: three runs say little, and this shows it.

    Raises:
        ValueError: fewer than two values (one run has no interval), NaN, or a confidence that
            does not lie in (0, 1).
    """
    values = _finite(values, "seeds").astype(np.float64)
    if values.ndim != 1 or not 0 < confidence < 1:
        raise ValueError("seed_interval wants one number a seed and a confidence in (0, 1)")
    quantile = stdtrit(len(values) - 1, (1 + confidence) / 2)
    half_width = quantile * values.std(ddof=1) / np.sqrt(len(values))
    return SeedInterval(float(values.mean()), float(half_width))


def _finite(values, what: str) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"an interval needs at least two {what}")
    if not np.isfinite(values).all():
        raise ValueError(f"an interval over {what} needs finite values; found NaN or infinity")
    return values
