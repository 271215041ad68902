"""Strengths at matched entropy: against closed forms, and against the optimum found by descent."""

import math

import pytest
import torch

from entreg_utils import losses
from entreg_utils.losses.matching import matched_strength


@pytest.mark.parametrize("classes", [2, 8, 200])
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 0.9])
def test_er_and_label_smoothing_by_their_closed_form(classes, epsilon):
    entropy = losses.smoothed_optimum(epsilon, classes)[1]
    lam = matched_strength("kl_uniform", entropy, classes)
    assert lam == pytest.approx(losses.lambda_from_epsilon(epsilon, classes), rel=1e-8)
    assert matched_strength("label_smoothing", entropy, classes) == pytest.approx(epsilon, rel=1e-8)


@pytest.mark.parametrize("name", ["confidence_penalty", "jeffreys", "jsd"])
def test_the_optimum_has_the_entropy_that_was_asked_for(name):
    entropy, classes = 1.2, 6
    strength = matched_strength(name, entropy, classes)
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


def test_more_entropy_takes_more_strength():
    for name in ("confidence_penalty", "jeffreys", "jsd", "kl_uniform", "label_smoothing"):
        strengths = [matched_strength(name, entropy, 10) for entropy in (0.2, 0.8, 1.6, 2.2)]
        assert strengths == sorted(strengths) and strengths[0] > 0


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(ValueError, match="no strength of 'none'"):
        matched_strength("none", 1.0, 8)
    for entropy in (0.0, math.log(8), 3.0, math.nan):
        with pytest.raises(ValueError, match="between 0 and log C"):
            matched_strength("jsd", entropy, 8)
