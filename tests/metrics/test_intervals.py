"""Intervals over images and over seeds."""

import numpy as np
import pytest

from entreg_utils.metrics import bootstrap_interval, seed_interval


def test_three_seeds_by_hand():
    # Mean 2, s = 1. With two degrees of freedom t has a closed form: c sqrt(2 / (1 - c^2)).
    quantile = 0.95 * np.sqrt(2 / (1 - 0.95**2))
    assert quantile == pytest.approx(4.30265, abs=1e-5)
    mean, half_width = seed_interval([1, 2, 3])
    assert mean == 2
    assert half_width == pytest.approx(quantile / np.sqrt(3), rel=1e-9)
    assert seed_interval([1, 2, 3], confidence=0.5).half_width < half_width
    assert seed_interval([0.5, 0.5, 0.5]) == (0.5, 0)


def test_the_bootstrap_of_a_mean_agrees_with_the_normal_interval():
    hits = np.random.default_rng(0).random(400) < 0.6
    estimate, low, high = bootstrap_interval(hits, samples=4000)
    assert estimate == hits.mean()
    normal = 1.96 * hits.std() / np.sqrt(len(hits))
    assert estimate - low == pytest.approx(normal, rel=0.1)
    assert high - estimate == pytest.approx(normal, rel=0.1)


def test_the_bootstrap_repeats_from_its_seed_and_narrows_with_confidence():
    hits = np.random.default_rng(1).random(50) < 0.5
    assert bootstrap_interval(hits, seed=3) == bootstrap_interval(hits, seed=3)
    assert bootstrap_interval(hits, seed=3) != bootstrap_interval(hits, seed=4)
    wide, narrow = (bootstrap_interval(hits, confidence=c) for c in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_rows_are_resampled_whole():
    # Both columns are each other's complement, so their sum is 1 in every resample.
    hits = np.array([[0, 1], [1, 0], [0, 1], [1, 0], [1, 0]])
    low_high = bootstrap_interval(hits, statistic=lambda rows: rows.mean(axis=0).sum())
    assert low_high == pytest.approx((1, 1, 1))


def test_bad_input_is_one_clear_sentence():
    with pytest.raises(ValueError, match="at least two seeds"):
        seed_interval([0.7])
    with pytest.raises(ValueError, match="over seeds needs finite values"):
        seed_interval([0.7, np.nan, 0.7])
    with pytest.raises(ValueError, match="at least two images"):
        bootstrap_interval([1.0])
    with pytest.raises(ValueError, match="confidence must lie in"):
        bootstrap_interval([1.0, 0.0], confidence=95)
