"""Feedback on the comparison of regularisers: right, the usual slips, anything else."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import t

from entreg_utils import losses
from entreg_utils.checks import regularisers as checks

EPSILON = partial(checks.same_optimum, beta=0.1, num_classes=200)
DIFFERENCES = np.array([-0.02, 0.0, 0.01])
SEEDS = partial(checks.seeds_needed, differences=DIFFERENCES, width=0.01)
CLASSES = partial(checks.classes_needed, lam=1e-4, epsilon=0.8)


def right_seeds():
    n = 2
    while t.ppf(0.975, n - 1) * DIFFERENCES.std(ddof=1) / n**0.5 > 0.01:
        n += 1
    return n


@pytest.mark.parametrize(
    ("check", "answer", "says"),
    [
        (EPSILON, 0.00829, "right"),
        (EPSILON, 0.1 / 1.1, "takes beta for ER's lambda"),
        (EPSILON, 0.004, "too small"),
        (EPSILON, 0.3, "too large"),
        (EPSILON, 1.5, "between 0 and 1"),
        (EPSILON, 1e-300, "too small"),
        (SEEDS, right_seeds(), "right"),
        (SEEDS, right_seeds() - 1, "too few"),
        (SEEDS, right_seeds() + 1, "more than needed"),
        (SEEDS, 4.5, "no number of runs"),
        (SEEDS, -2, "two is the least"),
        (CLASSES, 40_000, "right"),
        (CLASSES, 8_000, "sets lambda C equal to eps"),
        (CLASSES, 200, "Which effective lambda"),
        (EPSILON, None, "no answer yet"),
        (SEEDS, "many", "expected one number"),
        (CLASSES, float("inf"), "finite"),
    ],
)
def test_feedback(check, answer, says, capsys):
    check(answer)
    assert says in capsys.readouterr().out


def test_the_matched_epsilon_has_the_entropy_of_the_penalty():
    entropy = losses.smoothed_optimum(0.00829, 200)[1]
    assert losses.matched_strength("confidence_penalty", entropy, 200) == pytest.approx(0.1, 5e-3)
