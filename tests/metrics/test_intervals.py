"""Intervals over images and over seeds."""

import numpy as np
import pytest

from entreg_utils.metrics import bootstrap_interval, paired_bootstrap, seed_interval
from entreg_utils.metrics.intervals import resamples

PAIR = np.zeros((2, 1, 2))


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


# ---- pairs


def test_the_change_is_that_of_the_scores_and_its_interval_that_of_pairs():
    generator = np.random.default_rng(0)
    plain = generator.random((1, 600)) < 0.5
    treated = plain.copy()
    treated[0, :60] = True  # helps some of sixty images and hurts none
    gain = (treated.astype(float) - plain)[0]
    found = paired_bootstrap(plain, treated, samples=4000)
    assert found.estimate == pytest.approx(gain.mean())
    normal = 1.96 * gain.std() / np.sqrt(600)
    assert found.high - found.estimate == pytest.approx(normal, rel=0.1)
    assert found.estimate - found.low == pytest.approx(normal, rel=0.1)
    alone = 1.96 * np.sqrt(2 * 0.25 / 600)  # as if the two had seen different images
    assert found.high - found.low < alone


def test_seeds_are_resampled_as_well():
    plain = np.zeros((2, 50))
    treated = np.stack([np.zeros(50), np.ones(50)])  # nothing for one seed, all for the other
    found = paired_bootstrap(plain, treated)
    assert found == pytest.approx((0.5, 0.0, 1.0))


def test_a_threshold_is_chosen_anew_in_every_resample():
    # Each image is right at its own one of two thresholds: the best of them gains by chance alone.
    side = np.arange(40) % 2
    hits = np.stack([side == 0, side == 1], axis=1)[None]  # (1, 40, 2)
    never = np.zeros_like(hits)
    found = paired_bootstrap(never, hits, samples=4000)
    assert found.estimate == 0.5 and found.low >= 0.5 and found.high > 0.6
    fixed = paired_bootstrap(never[..., 0], hits[..., 0], samples=4000)
    assert fixed.low < 0.4


def test_a_paired_interval_depends_on_its_seed_and_sizes_and_on_no_call_before():
    plain, treated = np.random.default_rng(2).random((2, 3, 40)) < 0.5
    first = paired_bootstrap(plain, treated)
    others = [
        paired_bootstrap(plain, treated, seed=1),
        paired_bootstrap(plain[:2], treated[:2]),
        paired_bootstrap(plain[:, :30], treated[:, :30]),
        paired_bootstrap(plain, treated, samples=500),
    ]
    assert all(other[1:] != first[1:] for other in others)
    assert paired_bootstrap(plain, treated) == first


def test_resamples_are_the_same_draws_in_blocks_of_any_size():
    whole = np.concatenate(list(resamples(5, 40)))
    assert whole.shape == (40, 5) and (whole.sum(axis=1) == 5).all() and whole.max() > 1
    blocks = list(resamples(5, 40, block=15))
    assert [len(one) for one in blocks] == [15, 15, 10]
    assert np.array_equal(np.concatenate(blocks), whole)
    assert abs(np.concatenate(list(resamples(5, 4000, seed=1))).mean(axis=0) - 1).max() < 0.05


# ---- refusals


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: seed_interval([0.7]), "at least two seeds"),
        (lambda: seed_interval([[0.7], [0.8]]), "one number a seed"),
        (lambda: seed_interval([0.7, np.nan, 0.7]), "over seeds needs finite values"),
        (lambda: seed_interval([0.7, 0.8], 0), "confidence=0.* must lie"),
        (lambda: seed_interval([0.7, 0.8], 1), "confidence=1.* must lie"),
        (lambda: bootstrap_interval([1.0]), "at least two images"),
        (lambda: bootstrap_interval([1.0, 0.0], confidence=95), "confidence=.* must lie in"),
        (lambda: bootstrap_interval([1.0, 0.0], samples=0), "samples=0"),
        (lambda: paired_bootstrap(*PAIR, samples=10**7), "samples=10000000"),
        (lambda: paired_bootstrap(*PAIR, seed=-1), "seed=-1"),
        (lambda: paired_bootstrap(*PAIR, confidence=95), "confidence=.* must lie"),
        (lambda: paired_bootstrap(PAIR[0], np.zeros((2, 4))), r"not \(1, 2\) and \(2, 4\)"),
        (lambda: paired_bootstrap(*np.zeros((2, 3, 1))), "at least two images"),
        (lambda: paired_bootstrap(PAIR[0], [[0, np.nan]]), "finite values"),
    ],
)
def test_bad_input_is_one_clear_sentence(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()
