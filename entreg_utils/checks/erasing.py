"""Feedback on the exercises of the notebook on CAM baselines. Prints, never raises."""

from __future__ import annotations

import math

from entreg_utils.checks.answers import number


def hidden_share(answer) -> None:
    """Exercise: expected share of hidden pixels, sides {none, 16, 32, 44, 56}, rate 1/2: 0.4."""
    value = number(answer, "Hidden share")
    if value is None:
        return
    if math.isclose(value, 0.4, abs_tol=1e-6):
        print("Hidden share: right, 4/5 x 0.5 = 0.4. The size of the squares does not matter.")
    elif math.isclose(value, 0.5, abs_tol=1e-6):
        print(
            "Hidden share: that is for pictures that are cut at all. One choice of five hides none."
        )
    else:
        print(f"Hidden share: not {value:g}. How many of the five choices cut, and at which rate?")


def clipped_weight(answer) -> None:
    """Exercise: weight of the own label with 20x20 of 48x48 pixels pasted: 1 - 400/2304."""
    value = number(answer, "Weight")
    if value is None:
        return
    right = 1 - 400 / 2304
    if math.isclose(value, right, abs_tol=1e-3):
        print(f"Weight: right, 1 - 20 x 20 / (48 x 48) = {right:.3f}.")
    elif math.isclose(value, 1 - 1600 / 2304, abs_tol=1e-3):
        print("Weight: that counts the whole box. Only a quarter of it lies inside the picture.")
    elif math.isclose(value, 1 - right, abs_tol=1e-3):
        print("Weight: that is the weight of the other picture's label.")
    else:
        print(f"Weight: not {value:g}. Count the pixels that were pasted, then those that stay.")


def square_share(answer) -> None:
    """Exercise: share of a 12x12 map under RDAP's square of 4x4 cells: 1/9."""
    value = number(answer, "Square")
    if value is None:
        return
    if math.isclose(value, 1 / 9, abs_tol=1e-3):
        print("Square: right, 4 x 4 of 12 x 12 cells are one ninth.")
    elif math.isclose(value, 0.35**2, abs_tol=1e-3):
        print("Square: cells are whole. How many does the square have on a side?")
    elif math.isclose(value, 1 / 3, abs_tol=1e-3):
        print("Square: that is the share of a side. A square has two.")
    else:
        print(f"Square: not {value:g}. Round the side to whole cells, square it, divide by 144.")
