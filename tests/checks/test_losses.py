"""Checks of notebook 02: right, wrong in the usual ways, absent, and nonsense; none raises."""

import math

import pytest
import torch

from entreg_utils.checks import losses as checks


def said(capsys):
    return capsys.readouterr().out


def right_gradient(logits):
    log_p = logits.log_softmax(1)
    return log_p.exp() * (log_p - (log_p.exp() * log_p).sum(1, keepdim=True))


def through_softmax(logits):
    p = logits.softmax(1)
    return p * (p.log() - (p * p.log()).sum(1, keepdim=True))


def without_chain_rule(logits):  # derivative with respect to log p, not to the logits
    log_p = logits.log_softmax(1)
    return log_p.exp() * (log_p + 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (right_gradient, "right, and finite at logits of ten thousand"),
        (through_softmax, "right, but not finite"),
        (lambda z: -right_gradient(z), "the sign is turned"),
        (without_chain_rule, "lose its -p_k"),
        (lambda z: 2 * right_gradient(z), "adds up to 0 as it must"),
        (lambda z: right_gradient(z).sum(1), "yours has (4,)"),
        (lambda z: z / 0 * math.nan, "each row must add"),
        (lambda z: z.nonsense, "stopped with AttributeError"),
        (lambda z: "p", "stopped with"),
        (0.5, "not callable"),
        (None, "no answer yet"),
    ],
)
def test_penalty_gradient(capsys, answer, words):
    checks.penalty_gradient(answer)
    assert words in said(capsys)


def test_penalty_gradient_may_change_its_argument(capsys):
    def in_place(logits):
        result = right_gradient(logits)
        logits.zero_()
        return result

    checks.penalty_gradient(in_place)
    assert "right, and finite" in said(capsys)


# C = 2, eps = 1/2: p = (3/4, 1/4), H = 2 log 2 - 3/4 log 3, beta = 1/(log 4 - H) = 4/(3 log 3)
BETA = 4 / (3 * math.log(3))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (BETA, "right, 1.2137"),
        (torch.tensor(BETA), "right"),
        (0.8, "too low"),
        (2.0, "too high"),
        (1.0, "lambda of KL(u||p)"),
        (-BETA, "positive"),
        (math.nan, "finite number"),
        ("much", "expected one number, got str"),
        (None, "no answer yet"),
    ],
)
def test_matched_beta(capsys, answer, words):
    checks.matched_beta(answer, 0.5, 2)
    assert words in said(capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (5e-4, "right, 5.0e-04; eps is 0.0909"),
        (1e-4, "weaker"),
        (2e-5, "upside down"),
        (0.1, "effective strength"),
        (3.0, "must stay the same"),
        ([1, 2], "expected one number, got list"),
        (None, "no answer yet"),
    ],
)
def test_transferred_lambda(capsys, answer, words):
    checks.transferred_lambda(answer, 1e-4, 1000, 200)
    assert words in said(capsys)
