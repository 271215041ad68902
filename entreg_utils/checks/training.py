"""Feedback on the exercises of the notebook on training. Prints, never raises."""

from __future__ import annotations

import math

import pandas as pd

from entreg_utils.checks.answers import number
from entreg_utils.losses import smoothed_optimum


def translated_recipe(answer, lam: float, rate: float, decay: float) -> None:
    """Exercise: the same path with label smoothing: (eps, learning rate, weight decay).

    ``CE + lam * KL(u||p)`` under SGD with ``rate`` and ``decay`` moves as label smoothing at
    ``lam/(1 + lam)`` with ``rate * (1 + lam)`` and ``decay / (1 + lam)``.
    """
    if answer is None:
        print("Recipe: no answer yet. Give three numbers, (eps, learning rate, weight decay).")
        return
    try:
        eps, own_rate, own_decay = (float(value) for value in answer)
    except (TypeError, ValueError, RuntimeError):
        print("Recipe: expected three numbers, (eps, learning rate, weight decay).")
        return
    if not math.isclose(eps, lam / (1 + lam), rel_tol=1e-3):
        print(
            f"Recipe: eps is not {eps:.4g}. It is the KL's share of the two weights 1 and lambda."
        )
    elif math.isclose(own_rate, rate / (1 + lam), rel_tol=1e-3):
        print(
            "Recipe: eps is right; the learning rate goes the other way. The paper's gradient is "
            "1 + lambda times yours, so your step has to be that much longer."
        )
    elif not math.isclose(own_rate, rate * (1 + lam), rel_tol=1e-3):
        print(f"Recipe: eps is right; the learning rate is not {own_rate:.4g}.")
    elif not math.isclose(own_decay, decay / (1 + lam), rel_tol=1e-3):
        print(
            f"Recipe: eps and learning rate are right; the weight decay is not {own_decay:.4g}. "
            "What shrinks the weights in a step is learning rate times weight decay: keep it."
        )
    else:
        print(f"Recipe: right, eps {eps:.3g}, learning rate {own_rate:.3g}, decay {own_decay:.3g}.")


def lowest_loss(answer, epsilon: float, num_classes: int) -> None:
    """Exercise: the lowest value of ``(CE + lambda KL(u||p)) / (1 + lambda)`` at ``epsilon``.

    It is the entropy of the smoothed target minus ``epsilon log C``, in nats.
    """
    value = number(answer, "Lowest loss")
    if value is None:
        return
    smoothed = smoothed_optimum(epsilon, num_classes)[1]
    right = smoothed - epsilon * math.log(num_classes)
    if math.isclose(value, right, abs_tol=5e-4):
        print(f"Lowest loss: right, {right:.3f} nats: no training gets below this line.")
    elif math.isclose(value, smoothed, abs_tol=5e-4):
        print(
            f"Lowest loss: {smoothed:.3f} is that of label smoothing. The averaged ER loss differs "
            "from it by a constant: which?"
        )
    elif math.isclose(value, right / (1 - epsilon), abs_tol=5e-4):
        print("Lowest loss: that is CE + lambda KL. Divide by 1 + lambda, as the curve is.")
    elif value <= 0:
        print(
            "Lowest loss: CE and KL are never negative, and they cannot both be 0: at CE = 0 the "
            "KL is infinite."
        )
    else:
        print(
            f"Lowest loss: not {value:.3f}. Put the best p_y and p_k of this eps into CE and KL, "
            "and take their average with weights 1 - eps and eps."
        )


def early_stopping(answer, history: pd.DataFrame, epsilon: float = 0.0) -> None:
    """Exercise: test PxAP, mean over seeds, at the epoch that validation PxAP picks.

    Args:
        history: of ``tables.history``.
    """
    value = number(answer, "Early stopping")
    if value is None:
        return
    path = history[history.epsilon == epsilon].groupby("epoch").mean(numeric_only=True)
    epoch = path.val_pxap.idxmax()
    right, oracle, last = path.test_pxap[epoch], path.test_pxap.max(), path.test_pxap.iloc[-1]
    if math.isclose(value, right, abs_tol=5e-4):
        print(
            f"Early stopping: right, {right:.3f} at epoch {epoch}; the last epoch has {last:.3f}."
        )
    elif math.isclose(value, oracle, abs_tol=5e-4):
        print(
            f"Early stopping: {oracle:.3f} is the best epoch on test, an oracle. Let val_pxap "
            "choose the epoch, and read test_pxap there."
        )
    elif math.isclose(value, path.val_pxap.max(), abs_tol=5e-4):
        print("Early stopping: that is the validation score itself. Read test_pxap at its epoch.")
    elif math.isclose(value, last, abs_tol=5e-4):
        print(f"Early stopping: {last:.3f} is the last epoch. Which one does val_pxap pick?")
    else:
        print(
            f"Early stopping: not {value:.3f}. Take the mean over the seeds for each epoch first, "
            "then the epoch with the highest val_pxap."
        )
