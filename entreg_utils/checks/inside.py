"""Feedback on the exercises of the notebook that looks inside. Prints, never raises."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from entreg_utils.checks.answers import number


def loudness(answer, share: float, area: float) -> None:
    """Exercise: a region has ``share`` of the energy, ``area`` of the picture: share / area."""
    value = number(answer, "Loudness")
    if value is None:
        return
    if math.isclose(value, share / area, rel_tol=0.01):
        print(f"Loudness: right, {share:.3f} / {area:.3f} = {share / area:.2f} times an even map.")
    elif math.isclose(value, area / share, rel_tol=0.01):
        print("Loudness: upside down. A loud region has more energy than pixels: above 1.")
    elif math.isclose(value, share - area, rel_tol=0.01):
        print("Loudness: that is a difference. How many *times* its share of the picture?")
    else:
        print(f"Loudness: not {value:g}. Divide the share of the energy by that of the picture.")


def share_of_features(answer, pxap: Mapping[tuple[float, float], float]) -> None:
    """Exercise: share of the gain that the features bring, averaged over the two orders.

    Args:
        pxap: (epsilon of the features, epsilon of the head) -> PxAP, for two epsilons.
    """
    value = number(answer, "Share of the features")
    if value is None:
        return
    low, high = sorted({features for features, _ in pxap})
    gain = pxap[high, high] - pxap[low, low]
    first = (pxap[high, low] - pxap[low, low]) / gain
    second = (pxap[high, high] - pxap[low, high]) / gain
    right = (first + second) / 2
    if math.isclose(value, right, abs_tol=0.005):
        print(f"Share of the features: right, {right:.2f}; the rest belongs to the head.")
    elif math.isclose(value, 1 - right, abs_tol=0.005):
        print("Share of the features: that is the head's share.")
    elif any(math.isclose(value, one, abs_tol=0.005) for one in (first, second)):
        print("Share of the features: that is one order. Exchange them in the other order as well.")
    elif math.isclose(value, right * gain, abs_tol=0.0005):
        print("Share of the features: that is in PxAP. Divide by the whole gain.")
    else:
        print(
            f"Share of the features: not {value:g}. Take the gain by new features under the old "
            "head and under the new head, average, divide by the gain of changing both."
        )


def telling_pictures(answer, dataset) -> None:
    """Exercise: in how many pictures do mark and habitat speak for different species?

    Args:
        dataset: a split of the embedded world.
    """
    value = number(answer, "Telling pictures")
    if value is None:
        return
    cues = np.asarray(dataset.cues)
    right, count = int((cues[:, 0] != cues[:, 2]).sum()), len(cues)
    if value == right:
        print(
            f"Telling pictures: right, {right} of {count}; the knob alone would give "
            f"{(1 - dataset.world.context) * count:.0f} on average."
        )
    elif value == count - right:
        print("Telling pictures: those are the pictures in which the two agree.")
    elif 0 < value < 1 and math.isclose(value, right / count, abs_tol=1e-3):
        print("Telling pictures: that is their share. How many are they?")
    elif value == int((cues[:, 1] != cues[:, 2]).sum()):
        print("Telling pictures: that compares body and habitat. Column 0 is the mark.")
    else:
        print(f"Telling pictures: not {value:g}. Compare columns 0 and 2 of the cues, and count.")
