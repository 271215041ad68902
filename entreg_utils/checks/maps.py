"""Feedback on the exercises of the notebook on class activation maps. Prints, never raises."""

from __future__ import annotations

import math

import torch

from entreg_utils.losses import entropy

# A feature map of two channels and two pixels, three classes, small enough to check by hand:
# CAM_0 - CAM_2 = (2 - (-1)) A_1 + (0 - 1) A_2 = 3 A_1 - A_2
_FEATURES = torch.tensor([[[[1.0, 0.0]], [[2.0, 4.0]]]])  # (1, 2, 1, 2)
_WEIGHTS = torch.tensor([[2.0, 0.0], [5.0, 5.0], [-1.0, 1.0]])
_CONTRAST = torch.tensor([[[1.0, -4.0]]])


def contrast_map(answer) -> None:
    """Exercise: ``f(features, weights, a, b) -> (N, h, w)``, the map of ``z_a - z_b``."""
    if answer is None:
        print("Contrast map: no answer yet. Write the function and hand it to the check.")
        return
    try:
        found = torch.as_tensor(answer(_FEATURES, _WEIGHTS, 0, 2))
        moved = torch.as_tensor(answer(_FEATURES, _WEIGHTS + torch.tensor([7.0, -3.0]), 0, 2))
    except Exception as error:  # a check reports whatever the student's function does
        print(f"Contrast map: your function stopped with {type(error).__name__}: {error}")
        return
    if found.shape != _CONTRAST.shape:
        print(
            f"Contrast map: features (1, 2, 1, 2) must give (1, 1, 2); yours: "
            f"{tuple(found.shape)}. Sum over the channels, and over nothing else."
        )
    elif torch.allclose(found.double(), -_CONTRAST.double()):
        print("Contrast map: the sign is the other way round. It explains z_a - z_b.")
    elif not torch.allclose(found.double(), _CONTRAST.double()):
        print(
            f"Contrast map: by hand {_CONTRAST.flatten().tolist()}, yours "
            f"{[round(float(value), 3) for value in found.flatten()]}. Weigh the channels with "
            "w_a - w_b."
        )
    elif not torch.allclose(moved.double(), found.double(), atol=1e-5):
        print("Contrast map: right here, but it changes when one vector is added to all weights.")
    else:
        print("Contrast map: right, and one vector added to all class weights leaves it alone.")


def temperature(answer, logits, target: float) -> None:
    """Exercise: a factor ``s`` such that the mean entropy of ``s * logits`` is ``target`` nats."""
    if answer is None:
        print("Factor: no answer yet. Put a number in its place and run the cell again.")
        return
    try:
        factor = float(answer)
    except (TypeError, ValueError, RuntimeError):
        print(f"Factor: expected one number, got {type(answer).__name__}.")
        return
    if not math.isfinite(factor) or factor <= 0:
        print(f"Factor: {factor} would turn the maps over or blank them. It must be above 0.")
        return
    found = float(entropy(factor * torch.as_tensor(logits).detach().float()).mean())
    if abs(found - target) <= 0.01:
        print(f"Factor: right. The mean entropy is {found:.2f} nats, and no min-max map has moved.")
    else:
        way = "a smaller" if found < target else "a larger"
        print(
            f"Factor: the mean entropy is {found:.2f} nats, asked for is {target:.2f}: try "
            f"{way} one."
        )


def ivr_percentile(answer) -> None:
    """Exercise: the percentile at which IVR is min-max, which is 0."""
    if answer is None:
        print("Percentile: no answer yet. Put a number in its place and run the cell again.")
        return
    try:
        value = float(answer)
    except (TypeError, ValueError, RuntimeError):
        print(f"Percentile: expected one number, got {type(answer).__name__}.")
        return
    if value == 0:
        print("Percentile: right. The order statistic at 0 per cent is the minimum.")
    else:
        print(f"Percentile: not {value:g}. What must be subtracted for the two rules to agree?")
