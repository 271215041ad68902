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
        (
            lambda: losses.epsilon_from_lambda(0.1, 1),
            "num_classes=1: give a whole number in 2..1000000",
        ),
        (lambda: losses.epsilon_from_lambda(0.1, 5, "sum"), "'sum': known are mean, class_sum"),
        (lambda: losses.lambda_from_epsilon(1.0, 5), r"eps must lie in \[0, 1\), not 1.0"),
        (lambda: losses.smoothed_optimum(-0.5, 5), r"eps must lie in \[0, 1\), not -0.5"),
        (
            lambda: losses.smoothed_optimum(0.5, 1),
            "num_classes=1: give a whole number in 2..1000000",
        ),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


# ---- matched entropy


@pytest.mark.parametrize("classes", [2, 8, 200])
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 0.9])
def test_er_and_label_smoothing_by_their_closed_form(classes, epsilon):
    entropy = losses.smoothed_optimum(epsilon, classes)[1]
    lam = losses.matched_strength("kl_uniform", entropy, classes)
    assert lam == pytest.approx(losses.lambda_from_epsilon(epsilon, classes), rel=1e-8)
    assert losses.matched_strength("label_smoothing", entropy, classes) == pytest.approx(
        epsilon, rel=1e-8
    )


@pytest.mark.parametrize("name", ["confidence_penalty", "jeffreys", "jsd"])
def test_the_optimum_has_the_entropy_that_was_asked_for(name):
    entropy, classes = 1.2, 6
    strength = losses.matched_strength(name, entropy, classes)
    torch.manual_seed(0)
    logits = torch.randn(1, classes, dtype=torch.float64, requires_grad=True)  # off the line
    search = torch.optim.LBFGS(
        [logits], max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def loss():
        search.zero_grad()
        value = losses.objective(logits, torch.tensor([2]), name, strength)
        value.backward()
        return value

    search.step(loss)
    assert losses.entropy(logits).item() == pytest.approx(entropy, abs=1e-4)
    assert logits.argmax().item() == 2


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(ValueError, match="unknown regularizer 'none': known are label_sm"):
        losses.matched_strength("none", 1.0, 8)
    for entropy in (0.0, math.log(8), 3.0, math.nan):
        with pytest.raises(ValueError, match="between 0 and log C"):
            losses.matched_strength("jsd", entropy, 8)
