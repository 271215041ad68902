"""Conversions between lambda and eps, and the optimum that a strength aims at."""

import math

import pytest
import torch

from entreg_utils import losses


def test_conversions_by_hand():
    assert losses.epsilon_from_lambda(0.25, 200) == pytest.approx(0.2, rel=1e-15)
    # 1e-4 summed over 200 classes is 0.02; 0.02/1.02 = 1/51
    assert losses.epsilon_from_lambda(1e-4, 200, "class_sum") == pytest.approx(1 / 51, rel=1e-14)
    assert losses.epsilon_from_lambda(1e-4, 1000, "class_sum") == pytest.approx(1 / 11, rel=1e-14)
    assert losses.lambda_from_epsilon(0.2, 200) == pytest.approx(0.25, rel=1e-15)
    assert losses.lambda_from_epsilon(1 / 11, 1000, "class_sum") == pytest.approx(1e-4, rel=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "class_sum"])
@pytest.mark.parametrize("lam", [0.0, 1e-6, 0.1, 7.0])
def test_conversions_are_inverse(lam, reduction):
    epsilon = losses.epsilon_from_lambda(lam, 50, reduction)
    assert losses.lambda_from_epsilon(epsilon, 50, reduction) == pytest.approx(lam, rel=1e-12)


def test_optimum_by_hand():
    # C = 2, eps = 1/2: p = (3/4, 1/4), gap log 3
    p_y, entropy, gap = losses.smoothed_optimum(0.5, 2)
    assert p_y == 0.75
    assert entropy == pytest.approx(2 * math.log(2) - 0.75 * math.log(3))
    assert gap == pytest.approx(math.log(3))
    assert losses.smoothed_optimum(0, 9) == (1.0, 0.0, math.inf)


def test_optimum_of_the_conventions_in_the_literature():
    # lambda = 1e-4 on CUB's 200 classes: true KL, then the class sum
    assert losses.smoothed_optimum(1e-4 / 1.0001, 200)[1:] == pytest.approx(
        (0.00154296, 14.50866), rel=1e-5
    )
    assert losses.smoothed_optimum(1 / 51, 200)[1:] == pytest.approx((0.199397, 9.21044), rel=1e-5)


@pytest.mark.parametrize(("name", "strength"), [("label_smoothing", 0.2), ("kl_uniform", 0.25)])
def test_the_gradient_vanishes_at_the_optimum_of_both_losses(name, strength):
    p_y, entropy, gap = losses.smoothed_optimum(0.2, 6)
    logits = torch.zeros(1, 6, dtype=torch.float64)
    logits[0, 4] = gap
    logits.requires_grad_()
    losses.objective(logits, torch.tensor([4]), name, strength).backward()
    assert logits.grad.abs().max().item() < 1e-15
    assert logits.softmax(1)[0, 4].item() == pytest.approx(p_y, abs=1e-15)
    assert losses.entropy(logits).item() == pytest.approx(entropy, abs=1e-14)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: losses.epsilon_from_lambda(-0.1, 5), "lambda must be finite and >= 0, not -0.1"),
        (lambda: losses.epsilon_from_lambda(math.inf, 5), "lambda must be finite"),
        (lambda: losses.epsilon_from_lambda(0.1, 1), "num_classes must be at least 2, not 1"),
        (lambda: losses.epsilon_from_lambda(0.1, 5, "sum"), "'sum'; choose one of: mean, class_s"),
        (lambda: losses.lambda_from_epsilon(1.0, 5), r"eps must lie in \[0, 1\), not 1.0"),
        (lambda: losses.smoothed_optimum(-0.5, 5), r"eps must lie in \[0, 1\), not -0.5"),
        (lambda: losses.smoothed_optimum(0.5, 1), "num_classes must be at least 2, not 1"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
