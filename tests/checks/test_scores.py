"""Feedback of the notebook on scores: right, wrong in each foreseen way, and anything else."""

import numpy as np
import pytest

from entreg_utils.checks import scores
from entreg_utils.metrics import BoxAccuracy

# Rows peak at different thresholds: own maxima 0.8 and 0.6 (mean 0.7), shared best 0.55.
RESULT = BoxAccuracy(np.array([[8, 5, 0], [2, 6, 0]]), np.array([0.3, 0.5]), np.arange(3) / 3, 10)


def said(capsys, check, *arguments, **options):
    assert check(*arguments, **options) is None
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (6, "right, 6 pixels"),
        (np.int64(6), "right, 6 pixels"),
        (5, "too small; 5^2 / 6^2 is 0.694"),
        (5.12, "whole number"),
        (7, "not 7"),
        (-1, "not -1"),
    ],
)
def test_smallest_side(capsys, answer, words):
    assert words in said(capsys, scores.smallest_side, answer)


def test_smallest_side_at_another_iou(capsys):
    assert "right, 1 pixels" in said(capsys, scores.smallest_side, 1, iou=0.25)
    assert "right, 19 pixels" in said(capsys, scores.smallest_side, 19, iou=0.9)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.55, "right, 0.550; with a threshold for each IoU it was 0.700"),
        (0.7, "still lets each IoU choose its own"),
        (55, "a share lies in 0..1"),
        (0.8, "not 0.800"),
    ],
)
def test_shared_threshold(capsys, answer, words):
    assert words in said(capsys, scores.shared_threshold, answer, RESULT)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((0.5, 0.7), "right, from 0.500 to 0.700"),
        ([0.5, 0.8], "the highest is not 0.800"),
        ((0.0, 0.7), "the lowest is not 0.000"),
        ((0.56, 0.7), "the lowest is not 0.560"),
        (0.6, "expected two numbers"),
        ((0.5, 0.6, 0.7), "expected two numbers"),
        ("ab", "expected two numbers"),
    ],
)
def test_top1_bounds(capsys, answer, words):
    assert words in said(capsys, scores.top1_bounds, answer, accuracy=0.8, gt_known=0.7)


def test_top1_bounds_never_fall_below_zero(capsys):
    words = said(capsys, scores.top1_bounds, (0, 0.3), accuracy=0.3, gt_known=0.4)
    assert "right, from 0.000 to 0.300" in words


@pytest.mark.parametrize("answer", [None, "many", float("nan"), [1, 2], {}, np.ones(3), object()])
def test_no_answer_or_a_strange_one_is_a_sentence_not_an_exception(capsys, answer):
    for check, rest in (
        (scores.smallest_side, ()),
        (scores.shared_threshold, (RESULT,)),
        (scores.top1_bounds, (0.8, 0.7)),
    ):
        words = said(capsys, check, answer, *rest)
        assert words.strip() and ": right" not in words
