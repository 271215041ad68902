"""What the erasing methods ask of numbers, images and generators; each refusal is one sentence."""

import math
from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor

from entreg_utils.fields import plain, scalar

_SHARE = "in 0..1", lambda value: 0 <= value <= 1
RANGES = {  # of the hyperparameters that are numbers: in words, and as a test
    "rate": _SHARE,
    "probability": _SHARE,
    "gamma": _SHARE,
    "square": ("above 0 and below 1", lambda value: 0 < value < 1),
    "beta": ("above 0 and be finite", lambda value: 0 < value < math.inf),
}


def number(name: str, value: float) -> float:
    """``value`` as a float in the range of ``name``; or ValueError."""
    value, (wanted, fits) = plain(name, float, value), RANGES[name]
    if not fits(value):
        raise ValueError(f"{name}={value:g} must lie {wanted}")
    return value


def square_sides(sides: int | Sequence[int]) -> tuple[int, ...]:
    """Sides in pixels, 0 for hiding nothing; ValueError for other than whole numbers >= 0."""
    sides = (sides,) if isinstance(scalar(sides), Integral) else sides
    sides = plain("sides", tuple[int, ...], sides)
    if not sides or min(sides) < 0:
        raise ValueError(f"sides={sides}: give at least one, in pixels, 0 for hiding nothing")
    return sides


def image_batch(images: Tensor) -> Tensor:
    """The batch itself, (N, C, H, W), of floats or uint8; TypeError or ValueError for another."""
    kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
    if not isinstance(images, Tensor) or not (kind.is_floating_point or kind == torch.uint8):
        raise TypeError(f"images are {kind}, but must be floats in 0..1 or uint8 in 0..255")
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, but must be (N, 3, H, W), none of them 0"
        )
    return images


def cpu_generator(generator: torch.Generator) -> torch.Generator:
    """The generator itself, on the CPU so that a seed draws alike on every device; or TypeError."""
    kind = getattr(generator, "device", type(generator).__name__)
    if not isinstance(generator, torch.Generator) or kind.type != "cpu":
        raise TypeError(
            f"generator is {kind}, but must be a torch.Generator of the CPU, so that a seed draws "
            "the same on every device: torch.Generator().manual_seed(seed)"
        )
    return generator
