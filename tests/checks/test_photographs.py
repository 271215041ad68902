"""Feedback on real photographs: right, the usual slips, anything else."""

import numpy as np
import pytest

from entreg_utils.checks import photographs as checks

# 200 images, p = 0.5: one share has 1.96 sqrt(0.25 / 200) = 6.930 points, the difference 9.800
HALF = 9.8


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (HALF, "right, 9.8 points"),
        (6.93, "twice the variance"),
        (0.098, "right as a share"),
        (5.0, "one standard error"),
        (3.0, "not 3.0"),
        (None, "no answer yet"),
        ("wide", "expected one number"),
    ],
)
def test_unpaired_half_width(answer, says, capsys):
    checks.unpaired_half_width(answer, 200, 0.5)
    assert says in capsys.readouterr().out


# seed 0: hit in 2 of 2 right ones and 0 of 2 wrong ones; seed 1: 1 of 2 and 1 of 2
HITS = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)
RIGHT = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (50.0, "right, +50.0 points: 75.0 % where the class is right, 25.0 %"),
        (0.5, "right as a share"),
        (-50, "other way round"),
        (25, "against all images"),
        (10, "not +10.0"),
        (float("inf"), "finite"),
    ],
)
def test_located_when_right(answer, says, capsys):
    checks.located_when_right(answer, HITS, RIGHT)
    assert says in capsys.readouterr().out


# spread 1, margin 1: t_4 / sqrt 5 = 1.24, t_5 / sqrt 6 = 1.05, t_6 / sqrt 7 = 0.92; 1.96 needs 4
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (7, "right, 7: the half-width is 0.92"),
        (4, "with 1.96"),
        (6, "still 1.05"),
        (8, "fewer are, too"),
        (0, "whole number"),
        (5.5, "whole number"),
        ([], "expected one number"),
    ],
)
def test_seeds_needed(answer, says, capsys):
    checks.seeds_needed(answer, 1.0, 1.0)
    assert says in capsys.readouterr().out
