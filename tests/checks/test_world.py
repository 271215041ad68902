"""Checks of notebook 01: right, wrong in the usual ways, absent, and nonsense; none raises."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from entreg_utils import metrics
from entreg_utils.checks import world


def said(capsys):
    return capsys.readouterr().out


def right_iou(a, b):
    w = max(min(a[2], b[2]) - max(a[0], b[0]) + 1, 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]) + 1, 0)
    size = lambda c: (c[2] - c[0] + 1) * (c[3] - c[1] + 1)  # noqa: E731
    return w * h / (size(a) + size(b) - w * h)


def exclusive(a, b):
    shift = lambda c: (c[0], c[1], c[2] - 1, c[3] - 1)  # noqa: E731
    return right_iou(shift(a), shift(b))


def unclipped(a, b):
    w, h = (min(a[2 + k], b[2 + k]) - max(a[k], b[k]) + 1 for k in (0, 1))
    size = lambda c: (c[2] - c[0] + 1) * (c[3] - c[1] + 1)  # noqa: E731
    return w * h / (size(a) + size(b) - w * h)


def test_iou_accepts_the_right_function_and_the_package(capsys):
    world.iou(right_iou)
    assert "right on all 5" in said(capsys)
    world.iou(lambda a, b: metrics.box_iou([a], [b])[0, 0])
    assert "right on all 5" in said(capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (exclusive, "x1 - x0 + 1"),
        (unclipped, "Clip each at 0"),
        (lambda a, b: right_iou(a, b) / 2, "union is area A + area B"),
        (lambda a, b: a / b, "stopped on a box with itself with TypeError"),
        (lambda a: 1, "TypeError"),
        (0.5, "not callable"),
        (None, "no answer yet"),
    ],
)
def test_iou_says_what_is_wrong(capsys, answer, words):
    world.iou(answer)
    assert words in said(capsys)


def test_expected_accuracy(capsys):
    world.expected_accuracy(0.6, 0.6, 8)
    assert "right, 0.600" in said(capsys)
    # a cue that never shows the label's variant: (1 - 0) / 7
    world.expected_accuracy(1 / 7, 0.0, 8)
    assert "right, 0.143" in (text := said(capsys)) and "which class it is not" in text
    world.expected_accuracy(0.0, 0.0, 8)
    assert "better bet" in said(capsys)
    world.expected_accuracy(0.9, 0.6, 8)
    assert "not 0.900" in said(capsys)


def hidden_world():
    # labels 0 1 2 3; marks 0 1 - -; bodies 1 1 2 0: mark, mark, body right, body wrong -> 3 of 4
    cues = torch.tensor([[0, 1, 0], [1, 1, 0], [-1, 2, 0], [-1, 0, 0]])
    return SimpleNamespace(cues=cues, labels=torch.arange(4))


def test_blanked(capsys):
    for answer, words in (
        (0.75, "right, 0.750; from the mark alone it is 0.500"),
        (torch.tensor(0.75), "right"),
        (np.float32(0.5), "ignores the body"),
        (3, "a share lies in 0..1"),
        (0.2, "not 0.200"),
    ):
        world.blanked(answer, hidden_world())
        assert words in said(capsys)


@pytest.mark.parametrize("answer", [None, "three", [1, 2], float("nan"), torch.ones(2)])
def test_nonsense_is_answered_and_never_raises(capsys, answer):
    world.expected_accuracy(answer, 0.6, 8)
    world.blanked(answer, hidden_world())
    text = said(capsys)
    assert text.count("no answer yet") + text.count("expected") == 2
