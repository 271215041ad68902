"""What all checks share: reading an answer that may be anything. Prints, never raises."""

from __future__ import annotations

import math


def number(answer, name: str) -> float | None:
    """The answer as a number; otherwise a printed sentence and None."""
    if answer is None:
        print(f"{name}: no answer yet. Put a number in its place and run the cell again.")
        return None
    try:
        value = float(answer)
    except (TypeError, ValueError, RuntimeError):
        print(f"{name}: expected one number, got {type(answer).__name__}.")
        return None
    if not math.isfinite(value):
        print(f"{name}: expected a finite number, got {value}.")
        return None
    return value
