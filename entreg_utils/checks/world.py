"""Feedback on the exercises of the notebook on the embedded world. Prints, never raises."""

from __future__ import annotations

import math

import numpy as np

from entreg_utils.checks.answers import number

# Boxes with their IoU worked out by hand, both ends of a side included.
_IOU_CASES = (
    ([0, 0, 9, 9], [0, 0, 9, 9], 1.0, "a box with itself"),
    ([0, 0, 9, 9], [0, 0, 4, 9], 0.5, "a box with its left half"),
    ([0, 0, 9, 9], [9, 9, 18, 18], 1 / 199, "two boxes that share one pixel"),
    ([0, 0, 4, 4], [20, 20, 24, 24], 0.0, "two boxes far apart"),
    ([0, 0, 4, 4], [0, 20, 4, 24], 0.0, "two boxes one above the other"),
)


def iou(answer) -> None:
    """Exercise: a function of two boxes that gives their intersection over union."""
    if answer is None:
        print("IoU: no answer yet. Write a function of two boxes and hand it to the check.")
        return
    for first, second, expected, words in _IOU_CASES:
        try:
            value = float(answer(first, second))
        except Exception as error:  # a check reports whatever the student's function does
            print(f"IoU: your function stopped on {words} with {type(error).__name__}: {error}")
            return
        if not math.isclose(value, expected, abs_tol=1e-9):
            print(
                f"IoU: for {words}, {first} and {second}, it is {expected:.3f}; yours: {value:.3f}."
            )
            if expected == 0:
                print("Hint: a negative width times a negative height is positive. Clip each at 0.")
            elif expected < 1:
                print("Hint: both ends belong to the box, so a side is x1 - x0 + 1 pixels long.")
            else:
                print("Hint: the union is area A + area B - intersection.")
            return
    print(f"IoU: right on all {len(_IOU_CASES)} cases, the far-apart boxes included.")


def expected_accuracy(answer, reliability: float, num_classes: int) -> None:
    """Exercise: best accuracy from one cue, ``max(r, (1 - r) / (C - 1))``."""
    value = number(answer, "Accuracy")
    if value is None:
        return
    right = max(reliability, (1 - reliability) / (num_classes - 1))
    if math.isclose(value, right, abs_tol=5e-3):
        print(f"Accuracy: right, {right:.3f}.")
        if right > reliability:
            print("A cue that is wrong more often than chance says which class it is not.")
    elif math.isclose(value, reliability, abs_tol=5e-3):
        print(
            f"Accuracy: {reliability:.3f} is what trusting the cue gives. Is there a better "
            "bet than the class that it names?"
        )
    else:
        print(
            f"Accuracy: not {value:.3f}. When the cue shows v, how probable is class v, and how "
            "probable is each of the others?"
        )


def blanked(answer, dataset) -> None:
    """Exercise: accuracy of "mark if painted, else body" on ``dataset``, a share in 0..1."""
    value = number(answer, "Hidden mark")
    if value is None:
        return
    cues, labels = np.asarray(dataset.cues), np.asarray(dataset.labels)
    hidden = cues[:, 0] < 0
    right = float((np.where(hidden, cues[:, 1], cues[:, 0]) == labels).mean())
    part_only = float((cues[:, 0] == labels).mean())
    if math.isclose(value, right, abs_tol=5e-3):
        print(f"Hidden mark: right, {right:.3f}; from the mark alone it is {part_only:.3f}.")
        print("Here the label itself pays for looking at the body.")
    elif math.isclose(value, part_only, abs_tol=5e-3):
        print(f"Hidden mark: {part_only:.3f} ignores the body where the mark is missing. Use it.")
    elif value > 1:
        print("Hidden mark: a share lies in 0..1. Did you count pictures, or per cent?")
    else:
        print(
            f"Hidden mark: not {value:.3f}. Where cues[:, 0] is -1 take cues[:, 1], elsewhere "
            "cues[:, 0]; then compare with the labels."
        )
