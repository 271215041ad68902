"""Feedback on the exercises of the notebook on entropy and its regularisers. Never raises."""

from __future__ import annotations

import math

import torch

from entreg_utils import losses
from entreg_utils.checks.answers import number


def penalty_gradient(answer) -> None:
    """Exercise: a function of logits (N, C) that gives the gradient of KL(p||u), (N, C)."""
    if answer is None:
        print("Gradient: no answer yet. Write a function of logits and hand it to the check.")
        return
    generator = torch.Generator().manual_seed(7)
    logits = 2 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    wanted = logits.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(losses.kl_to_uniform(wanted).sum(), wanted)
    try:
        given = torch.as_tensor(answer(logits.clone())).detach().to(torch.float64)
        extreme = torch.as_tensor(answer(torch.tensor([[1e4, 0.0, -1e4]]))).detach()
    except Exception as error:  # a check reports whatever the student's function does
        print(f"Gradient: your function stopped with {type(error).__name__}: {error}")
        return
    if given.shape != wanted.shape:
        print(
            f"Gradient: {tuple(wanted.shape)} logits need a gradient of the same shape, one number "
            f"for each logit; yours has {tuple(given.shape)}."
        )
    elif torch.allclose(given, wanted, rtol=0, atol=1e-6):
        if not extreme.isfinite().all():
            print("Gradient: right, but not finite at logits of ten thousand. Use log_softmax.")
        else:
            print("Gradient: right, and finite at logits of ten thousand.")
            print(f"Largest distance to automatic differentiation: {_gap(given, wanted)}.")
    elif torch.allclose(given, -wanted, rtol=0, atol=1e-6):
        print(
            "Gradient: the sign is turned: that is the gradient of H(p). KL(p||u) = log C - H(p)."
        )
    elif not given.sum(1).abs().max() < 1e-6:
        print(
            "Gradient: not yet. A common shift of the logits changes nothing, so each row must add "
            "up to 0; yours do not. Did the derivative of log_softmax lose its -p_k?"
        )
    else:
        print("Gradient: not yet, but each row adds up to 0 as it must. Compare one row by hand.")


def matched_beta(answer, epsilon: float, num_classes: int) -> None:
    """Exercise: beta whose confidence penalty has the optimum of label smoothing's eps."""
    value = number(answer, "Beta")
    if value is None:
        return
    _, wanted, _ = losses.smoothed_optimum(epsilon, num_classes)
    right = 1 / (-math.log(epsilon / num_classes) - wanted)
    if math.isclose(value, right, rel_tol=1e-2):
        print(f"Beta: right, {right:.4f}. Both optima have an entropy of {wanted:.3f} nats,")
        print(
            f"while eps itself is {epsilon:g}: the same aim, and strengths that do not look alike."
        )
    elif value <= 0:
        print("Beta: a penalty on confidence needs a positive beta.")
    elif math.isclose(value, epsilon / (1 - epsilon), rel_tol=1e-2):
        print(
            "Beta: that is the lambda of KL(u||p). KL(p||u) pulls with p_k (log p_k + H) instead."
        )
    else:
        side = "low" if value < right else "high"
        print(
            f"Beta: too {side}, so that the entropy of the optimum is too {side} as well. Solve "
            "p_k + beta p_k (log p_k + H) = 0 with p_k = eps / C."
        )


def transferred_lambda(answer, lam: float, source_classes: int, target_classes: int) -> None:
    """Exercise: class-sum lambda for ``target_classes`` with the eps of ``lam`` at the source."""
    value = number(answer, "Lambda")
    if value is None:
        return
    right = lam * source_classes / target_classes
    if math.isclose(value, right, rel_tol=1e-2):
        eps = losses.epsilon_from_lambda(lam, source_classes, "class_sum")
        print(f"Lambda: right, {right:.1e}; eps is {eps:.4f} in both.")
    elif math.isclose(value, lam, rel_tol=1e-2):
        print("Lambda: with a plain sum over classes, the same lambda on fewer classes is weaker.")
    elif math.isclose(value, lam * target_classes / source_classes, rel_tol=1e-2):
        print("Lambda: the factor is upside down. Fewer terms in the sum need a larger lambda.")
    elif math.isclose(value, lam * source_classes, rel_tol=1e-2):
        print("Lambda: that is lambda C, the effective strength. Divide by the new class count.")
    else:
        print(f"Lambda: not {value:.3g}. The product lambda C must stay the same.")


def _gap(given: torch.Tensor, wanted: torch.Tensor) -> str:
    return "below 1e-12" if (given - wanted).abs().max() < 1e-12 else "below 1e-6"
