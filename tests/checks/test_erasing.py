"""Feedback on the CAM baselines: right, the usual slips, anything else."""

import pytest

from entreg_utils.checks import erasing as checks


@pytest.mark.parametrize(
    ("check", "answer", "says"),
    [
        (checks.hidden_share, 0.4, "right"),
        (checks.hidden_share, 0.5, "One choice of five hides none"),
        (checks.hidden_share, 0.2, "How many of the five"),
        (checks.clipped_weight, 1 - 400 / 48**2, "right"),
        (checks.clipped_weight, 1 - 1600 / 48**2, "whole box"),
        (checks.clipped_weight, 400 / 48**2, "other picture"),
        (checks.clipped_weight, 0.5, "Count the pixels"),
        (checks.square_share, 16 / 144, "right"),
        (checks.square_share, 0.1225, "cells are whole"),
        (checks.square_share, 4 / 12, "A square has two"),
        (checks.square_share, 0.9, "Round the side"),
        (checks.hidden_share, None, "no answer yet"),
        (checks.clipped_weight, "half", "expected one number"),
        (checks.square_share, float("nan"), "finite"),
    ],
)
def test_feedback(check, answer, says, capsys):
    check(answer)
    assert says in capsys.readouterr().out
