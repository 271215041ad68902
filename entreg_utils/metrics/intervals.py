"""How sure is the number? The bootstrap says how far the score of *this* network would move on
other test images; the interval over seeds how far it would move if the network were trained again.
A claim about a method needs the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from entreg_utils.cam.scaling import as_array
from entreg_utils.fields import plain as number
from entreg_utils.fields import plain_numbers, whole

_MOST = 10**6  # samples


class Interval(NamedTuple):
    """An estimate and the two ends of its interval, all in the unit of the values."""

    estimate: float
    low: float
    high: float


class SeedInterval(NamedTuple):
    """``mean - half_width .. mean + half_width``, in the unit of the values."""

    mean: float
    half_width: float


@plain_numbers
def bootstrap_interval(
    values,
    statistic: Callable[[np.ndarray], float] = np.mean,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over images (Efron, 1979).

    N images are drawn with replacement ``samples`` times; the interval holds the central
    ``confidence`` of the statistics. ``values``: (N, ...) one row an image, for example hits (N,),
    or hits at each threshold (N, T) with ``statistic=lambda hits: hits.mean(axis=0).max()`` for a
    MaxBoxAcc. ValueError: fewer than two rows, NaN, a confidence outside (0, 1), no samples or more
    than a million, a seed below 0.
    """
    values, samples = _finite(values, "images"), whole("samples", samples, 1, _MOST)
    generator, count = np.random.default_rng(whole("seed", seed, 0)), len(values)
    draws = [statistic(values[generator.integers(count, size=count)]) for _ in range(samples)]
    return central(statistic(values), draws, confidence)


@plain_numbers
def paired_bootstrap(
    plain, treated, confidence: float = 0.95, samples: int = 2000, seed: int = 0
) -> Interval:
    """Change of a score from ``plain`` to ``treated``, with images *and* seeds resampled in pairs.

    A resample draws N images with replacement, the same for both and for all seeds, and S seeds
    with replacement, each with both its runs: what makes an image easy, or a seed lucky, for both
    drops out (the pigeonhole bootstrap: Owen, 2007). With few seeds read it beside
    :func:`seed_interval` of the differences.

    ``plain``, ``treated``: (S, N) outcomes of each seed and image, such as hits; or (S, N, T), hits
    at each of T thresholds: the score of a run is then the maximum over T of its mean over the
    images, as in MaxBoxAcc, chosen anew in every resample. Returns the difference of the mean
    scores and the central ``confidence`` of its resamples. ValueError: shapes that differ, or as of
    :func:`bootstrap_interval`.
    """
    pair = [as_array(plain, "plain"), as_array(treated, "treated")]
    if pair[0].shape != pair[1].shape or pair[0].ndim not in (2, 3) or not len(pair[0]):
        shapes = " and ".join(str(own.shape) for own in pair)
        raise ValueError(f"pairs want equal shapes (S, N) or (S, N, T), not {shapes}")
    pair = [_finite(own.swapaxes(0, 1), "images").swapaxes(0, 1) for own in pair]
    seeds, images = pair[0].shape[:2]
    samples = whole("samples", samples, 1, _MOST)
    weights, picks = _pairs_drawn(images, seeds, samples, whole("seed", seed, 0))

    def scores(own) -> np.ndarray:  # (S, 1 + samples)
        rows = own.reshape(seeds, images, -1).astype(np.float32)
        return np.stack([(weights @ row).max(axis=1) / images for row in rows])

    change = scores(pair[1]).astype(np.float64) - scores(pair[0])
    resampled = change[picks.T, np.arange(1, samples + 1)].mean(axis=0)
    return central(change[:, 0].mean(), resampled, confidence)


@plain_numbers
def seed_interval(values, confidence: float = 0.95) -> SeedInterval:
    """Mean over seeds and the half-width of its Student t interval.

    ``half_width = t_{n-1, (1 + confidence) / 2} * s / sqrt(n)``, ``s`` over ``n - 1``. With three
    seeds the factor ``t / sqrt(n)`` is 2.48. ValueError: fewer than two values (one run has no
    interval), NaN, or a confidence that does not lie in (0, 1).
    """
    values = _finite(values, "seeds").astype(np.float64)
    confidence = _inside(confidence)
    if values.ndim != 1:
        raise ValueError("seed_interval wants one number a seed")
    quantile = stdtrit(len(values) - 1, (1 + confidence) / 2)
    half_width = quantile * values.std(ddof=1) / np.sqrt(len(values))
    return SeedInterval(float(values.mean()), float(half_width))


def resamples(images: int, samples: int, seed: int = 0, block: int = 100) -> Iterator[np.ndarray]:
    """How often each of ``images`` is drawn in each of ``samples`` bootstraps: float32 (b, images),
    at most ``block`` bootstraps at a time. For scores that are functions of sums over images, all
    bootstraps of which are then one product of matrices."""
    generator = np.random.default_rng(seed)
    for start in range(0, samples, block):
        count = min(block, samples - start)
        drawn = generator.multinomial(images, np.full(images, 1 / images), size=count)
        yield drawn.astype(np.float32)


def central(estimate, draws, confidence: float) -> Interval:
    """The estimate and the ends of the central ``confidence`` of its resamples."""
    tail = (1 - _inside(confidence)) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(float(estimate), float(low), float(high))


@lru_cache(maxsize=2)  # many scores of the same images follow each other, and drawing takes longest
def _pairs_drawn(images: int, seeds: int, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each image is drawn, (1 + samples, N), first the data themselves; and which seeds,
    (samples, S)."""
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(images, np.full(images, 1 / images), size=samples)
    weights = np.concatenate([np.ones((1, images)), draws]).astype(np.float32)
    return weights, generator.integers(seeds, size=(samples, seeds))


def _inside(confidence: float) -> float:
    confidence = number("confidence", float, confidence)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must lie in (0, 1)")
    return confidence


def _finite(values, what: str) -> np.ndarray:
    values = as_array(values, f"what an interval over {what} is taken of")
    values = values.astype(np.float32) if values.dtype == np.float16 else values  # means round
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"an interval needs at least two {what}")
    if not (np.abs(values.astype(float)) < 1e38).all():  # float32 goes so far
        raise ValueError(f"an interval over {what} needs finite values; found NaN or infinity")
    return values
