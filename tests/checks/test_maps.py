"""Checks of notebook 03: right, wrong in the usual ways, absent, and nonsense; none raises."""

import math

import pytest
import torch

from entreg_utils.checks import maps


def said(capsys):
    return capsys.readouterr().out


def right(features, weights, a, b):
    return torch.einsum("k,nkhw->nhw", weights[a] - weights[b], features)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (right, "right, and one vector"),
        (lambda f, w, a, b: right(f, w, a, b).double().numpy(), "right, and one vector"),
        (lambda f, w, a, b: right(f, w, b, a), "sign is the other way"),
        (lambda f, w, a, b: torch.einsum("k,nkhw->nhw", w[a], f), "w_a - w_b"),
        (lambda f, w, a, b: right(f, w, a, b).mean((1, 2)), "(1, 1, 2); yours: (1,)"),
        # equal to the right answer on the check's own weights, and not a difference of classes
        (
            lambda f, w, a, b: right(f, w, a, b) + (w[1].sum() - 10),
            "changes when one vector is added",
        ),
        (lambda f, w: f, "stopped with TypeError"),
        (3, "stopped with TypeError"),
        (None, "no answer yet"),
    ],
)
def test_contrast_map(capsys, answer, words):
    maps.contrast_map(answer)
    assert words in said(capsys)


def test_temperature(capsys):
    # two classes with logits 0 and 1: s = 0+ gives log 2; s = log 3 gives p = 1/4, 3/4
    logits = torch.tensor([[0.0, 1.0]])
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    for answer, words in (
        (math.log(3), f"right. The mean entropy is {quarter:.2f}"),
        (torch.tensor(math.log(3)), "right"),
        (3.0, "try a smaller one"),
        (0.1, "try a larger one"),
        (0, "must be above 0"),
        (-1, "must be above 0"),
        (float("nan"), "must be above 0"),
        ("warm", "expected one number, got str"),
        (torch.ones(2), "expected one number, got Tensor"),
        (None, "no answer yet"),
    ):
        maps.temperature(answer, logits, quarter)
        assert words in said(capsys)


def test_ivr_percentile(capsys):
    for answer, words in ((0, "right"), (40, "not 40"), (None, "no answer"), ([1], "expected one")):
        maps.ivr_percentile(answer)
        assert words in said(capsys)
