"""Feedback on the exercises of the notebook on scores. Prints, never raises."""

from __future__ import annotations

import math

from entreg_utils.checks.answers import number


def smallest_side(answer, iou: float = 0.7) -> None:
    """Exercise: smallest k with ``k^2 / (k + 1)^2 >= iou``: a perfect k x k object, one pixel more.

    Args:
        answer: a whole number of pixels.
    """
    value = number(answer, "Smallest side")
    if value is None:
        return
    right = next(k for k in range(1, 10**6) if k**2 / (k + 1) ** 2 >= iou)
    if value == right:
        print(
            f"Smallest side: right, {right} pixels: {right}^2 / {right + 1}^2 is "
            f"{right**2 / (right + 1) ** 2:.3f}, and at {right - 1} it is only "
            f"{(right - 1) ** 2 / right**2:.3f}."
        )
    elif value != int(value):
        print("Smallest side: a side is a whole number of pixels. Round, and mind which way.")
    elif 1 <= value < right:
        print(
            f"Smallest side: too small; {value:.0f}^2 / {value + 1:.0f}^2 is "
            f"{value**2 / (value + 1) ** 2:.3f}, which is below {iou:g}."
        )
    else:
        print(
            f"Smallest side: not {value:.0f}. Write the IoU of a k x k object with a box of k + 1 "
            f"by k + 1 pixels around it, and try k from 1 until it reaches {iou:g}."
        )


def shared_threshold(answer, result) -> None:
    """Exercise: mean over the IoU levels at one common threshold, the best one.

    Args:
        answer: a share in 0..1.
        result: the :class:`~entreg_utils.metrics.BoxAccuracy` that the exercise uses.
    """
    value = number(answer, "Shared threshold")
    if value is None:
        return
    right, own = float(result.curve.mean(axis=0).max()), result.max_box_acc_v2
    if math.isclose(value, right, abs_tol=5e-4):
        print(
            f"Shared threshold: right, {right:.3f}; with a threshold for each IoU it was {own:.3f}."
        )
    elif math.isclose(value, own, abs_tol=5e-4):
        print(
            f"Shared threshold: {own:.3f} still lets each IoU choose its own. Take the mean over "
            "the IoU levels first, then the maximum over thresholds."
        )
    elif value > 1:
        print("Shared threshold: a share lies in 0..1. Divide by the number of images, or by 100.")
    else:
        print(
            f"Shared threshold: not {value:.3f}. result.curve has a row for each IoU and a column "
            "for each threshold: average one way, maximise the other."
        )


def top1_bounds(answer, accuracy: float, gt_known: float) -> None:
    """Exercise: the range that Top-1 Loc must lie in, given accuracy and GT-known Loc.

    Args:
        answer: ``(lowest, highest)``, shares in 0..1.
    """
    if answer is None:
        print("Top-1 bounds: no answer yet. Give two numbers, (lowest, highest).")
        return
    try:
        low, high = (float(value) for value in answer)
    except (TypeError, ValueError):
        print("Top-1 bounds: expected two numbers, (lowest, highest).")
        return
    right_low, right_high = max(0.0, accuracy + gt_known - 1), min(accuracy, gt_known)
    if not math.isclose(high, right_high, abs_tol=5e-4):
        print(
            f"Top-1 bounds: the highest is not {high:.3f}. An image counts only when class and box "
            "are both right, so it cannot count more often than either."
        )
    elif not math.isclose(low, right_low, abs_tol=5e-4):
        print(
            f"Top-1 bounds: the highest is right; the lowest is not {low:.3f}. The two kinds of "
            "failure fill at most 1 - accuracy and 1 - GT-known Loc of the images: what is left?"
        )
    else:
        print(f"Top-1 bounds: right, from {right_low:.3f} to {right_high:.3f}.")
