"""Average precision and entropy of several classes an image, by hand."""

import math

import numpy as np
import pytest
import torch

from entreg_utils.training.evaluate import (
    average_precision,
    mean_average_precision,
    multilabel_entropy,
)


@pytest.mark.parametrize(
    ("scores", "present", "expected"),
    [
        # falling: yes, no, yes, no -> precision 1 at recall 1/2, 2/3 at recall 1
        ([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0], (1 + 2 / 3) / 2),
        ([0.1, 0.2, 0.9], [0, 0, 1], 1),
        ([0.9, 0.2, 0.1], [0, 0, 1], 1 / 3),
        # equals enter together, whichever stands first
        *(([0.5, 0.5, 0.5], present, 1 / 3) for present in ([1, 0, 0], [0, 1, 0], [0, 0, 1])),
        # 1 right of 1, then 1 more right among 2 equals: recall 1/2 -> 1 at precision 2/3
        ([0.9, 0.5, 0.5], [1, 0, 1], 0.5 + 0.5 * 2 / 3),
    ],
)
def test_average_precision_by_hand(scores, present, expected):
    assert average_precision(scores, present) == pytest.approx(expected)


def test_the_mean_leaves_out_classes_that_no_image_shows():
    logits = torch.tensor([[3.0, 0.0, 9.0], [1.0, 2.0, 9.0], [2.0, 1.0, 9.0]])
    labels = torch.tensor([[0, 0, 0], [1, 1, 0], [0, 0, 0]])
    # by sigmoids: class 0 ranks it last (1/3), class 1 first (1)
    assert mean_average_precision(logits, labels, "sigmoid") == pytest.approx((1 / 3 + 1) / 2)
    with pytest.raises(ValueError, match="no image shows any class"):
        mean_average_precision(logits, labels * 0, "sigmoid")


def test_softmax_ranks_by_probability_and_not_by_logit():
    logits, labels = torch.tensor([[5.0, 9.0], [4.0, 0.0]]), torch.tensor([[0, 1], [1, 0]])
    assert mean_average_precision(logits, labels, "softmax") == 1.0
    assert mean_average_precision(logits, labels, "sigmoid") == pytest.approx((0.5 + 1) / 2)


def test_entropies():
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    binary = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert multilabel_entropy(logits, "softmax") == pytest.approx((math.log(2) + binary) / 2)
    assert multilabel_entropy(logits, "sigmoid") == pytest.approx((3 * math.log(2) + binary) / 4)
    assert multilabel_entropy(torch.tensor([[800.0, -800.0]]), "sigmoid") == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_logits_that_are_no_numbers_are_refused(value, loss):
    logits, labels = torch.tensor([[0.0, value], [1.0, 2.0]]), np.eye(2)
    for call in (
        lambda: mean_average_precision(logits, labels, loss),
        lambda: multilabel_entropy(logits, loss),
    ):
        with pytest.raises(ValueError, match="logits .*(NaN|finite)"):
            call()
