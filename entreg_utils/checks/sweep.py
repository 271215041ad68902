"""Feedback on the exercises of the notebook on entropy and localisation. Prints, never raises."""

from __future__ import annotations

from entreg_utils.checks.answers import number


def collapse(answer, world) -> None:
    """Exercise: the epsilon beyond which no cue of a ``theory.ThreeCues`` pays its price.

    ``1 - price / max_k a_k (r_k - 1/C)``.
    """
    value = number(answer, "Collapse")
    if value is None:
        return
    rates = [
        a * (r - 1 / world.num_classes)
        for a, r in zip(world.amplitude, world.reliability, strict=True)
    ]
    right = 1 - world.price / max(rates)
    if abs(value - right) < 1e-3:
        cue = ("part", "body", "context")[rates.index(max(rates))]
        print(f"Collapse: right, ε = {right:.3f}. The last cue that pays is the {cue}.")
    elif abs(value - (1 - world.price / rates[1])) < 1e-3:
        print("Collapse: that is where the body stops paying. Is it the last of the three?")
    elif not 0 <= value <= 1:
        print("Collapse: ε lies between 0 and 1. Solve the inequality for ε.")
    else:
        print(
            f"Collapse: not {value:.3f}. Solve (1 - ε) a (r - 1/C) = price for ε, once for each "
            "cue, and keep the largest."
        )


def optimism(answer, table) -> None:
    """Exercise: how much choosing epsilon on test flatters PxAP; ``table`` of ``tables.final``."""
    value = number(answer, "Optimism")
    if value is None:
        return
    means = table.groupby("epsilon")[["pxap", "val_pxap"]].mean()
    right = means.pxap.max() - means.pxap[means.val_pxap.idxmax()]
    if abs(value - right) < 5e-4:
        print(
            f"Optimism: right, {right:.3f} of PxAP. It is small here because the two splits agree; "
            "it grows with the number of choices and shrinks with the images they are made on."
        )
    elif value < 0:
        print("Optimism: the best on test cannot be worse on test than any other choice.")
    else:
        print(
            f"Optimism: not {value:.3f}. Take the largest mean PxAP on test, minus the mean PxAP "
            "on test at the ε whose mean val_pxap is largest."
        )
