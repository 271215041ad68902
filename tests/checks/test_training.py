"""Feedback of the notebook on training: right, wrong in each foreseen way, and anything else."""

import numpy as np
import pandas as pd
import pytest

from entreg_utils.checks import training

# Two seeds, three epochs: on the mean, validation picks epoch 2, test would pick epoch 1.
HISTORY = pd.DataFrame(
    {
        "epsilon": [0.0] * 6 + [0.5],
        "seed": [0, 0, 0, 1, 1, 1, 0],
        "epoch": [1, 2, 3, 1, 2, 3, 2],
        "val_pxap": [0.4, 0.9, 0.5, 0.6, 0.7, 0.5, 0.0],
        "test_pxap": [0.8, 0.7, 0.2, 0.8, 0.6, 0.4, 0.1],
    }
)


def said(capsys, check, *arguments, **options):
    assert check(*arguments, **options) is None
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((0.75, 0.4, 1e-4), "right, eps 0.75, learning rate 0.4, decay 0.0001"),
        (np.array([0.75, 0.4, 1e-4]), "Recipe: right"),
        ((3, 0.4, 1e-4), "eps is not 3"),
        ((0.75, 0.025, 1e-4), "goes the other way"),
        ((0.75, 0.1, 1e-4), "the learning rate is not 0.1"),
        ((0.75, 0.4, 4e-4), "the weight decay is not 0.0004"),
        ((0.75, 0.4), "expected three numbers"),
        ("abc", "expected three numbers"),
        (0.75, "expected three numbers"),
    ],
)
def test_translated_recipe(capsys, answer, words):
    assert words in said(capsys, training.translated_recipe, answer, lam=3, rate=0.1, decay=4e-4)


# C = 2, eps = 1/2: p_y = 3/4, H = 0.56234; minus log(2)/2 = 0.34657 gives 0.21576.
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.21576, "right, 0.216 nats"),
        (0.56234, "is that of label smoothing"),
        (0.43152, "Divide by 1 + lambda"),
        (0, "the KL is infinite"),
        (-1, "never negative"),
        (0.3, "not 0.300"),
    ],
)
def test_lowest_loss(capsys, answer, words):
    assert words in said(capsys, training.lowest_loss, answer, epsilon=0.5, num_classes=2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.65, "right, 0.650 at epoch 2; the last epoch has 0.300"),
        (0.8, "an oracle"),
        (0.3, "is the last epoch"),
        (0.5, "not 0.500"),
    ],
)
def test_early_stopping(capsys, answer, words):
    assert words in said(capsys, training.early_stopping, answer, HISTORY)


def test_early_stopping_tells_the_validation_score_apart(capsys):
    history = HISTORY.assign(val_pxap=HISTORY.val_pxap + 0.15)  # best mean 0.95, no test score
    assert "validation score itself" in said(capsys, training.early_stopping, 0.95, history)


@pytest.mark.parametrize("answer", [None, "many", float("nan"), [1, 2], {}, np.ones(2), object()])
def test_no_answer_or_a_strange_one_is_a_sentence_not_an_exception(capsys, answer):
    for check, rest in (
        (training.translated_recipe, (3, 0.1, 4e-4)),
        (training.lowest_loss, (0.5, 2)),
        (training.early_stopping, (HISTORY,)),
    ):
        words = said(capsys, check, answer, *rest)
        assert words.strip() and ": right" not in words
