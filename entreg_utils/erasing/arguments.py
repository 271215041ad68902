"""What every erasing method asks of its arguments, said in one sentence when it is not met."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

import torch
from torch import Tensor


def share(name: str, value: float) -> float:
    """``value`` as a float in 0..1.

    Raises:
        TypeError: not a number.  ValueError: outside 0..1.
    """
    value = number(name, value)
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value:g} must lie in 0..1")
    return value


def number(name: str, value: float) -> float:
    """``value`` as a finite float.

    Raises:
        TypeError: not a number.  ValueError: NaN or infinite.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} must be a number")
    if not math.isfinite(value):
        raise ValueError(f"{name}={value} must be finite")
    return float(value)


def open_share(name: str, value: float) -> float:
    """``value`` as a float above 0 and below 1.

    Raises:
        TypeError: not a number.  ValueError: outside.
    """
    value = number(name, value)
    if not 0 < value < 1:
        raise ValueError(f"{name}={value:g} must lie above 0 and below 1")
    return value


def square_sides(sides: int | Sequence[int | None]) -> tuple[int, ...]:
    """Sides in pixels as a tuple of ints >= 0; None becomes 0 (hide nothing).

    Raises:
        TypeError: a side is no whole number.  ValueError: a negative side, or none given.
    """
    if isinstance(sides, Integral):
        sides = (sides,)
    if isinstance(sides, str) or not isinstance(sides, Sequence):
        raise TypeError(f"sides={sides!r} must be whole numbers of pixels, such as (0, 16, 32)")
    if not sides:
        raise ValueError("sides is empty: give at least one side, 0 for hiding nothing")
    result = []
    for side in sides:
        side = 0 if side is None else side
        if isinstance(side, bool) or not isinstance(side, Integral):
            raise TypeError(f"side {side!r} must be a whole number of pixels, 0 to hide nothing")
        if side < 0:
            raise ValueError(f"side {side} must be at least 1 pixel, or 0 to hide nothing")
        result.append(int(side))
    return tuple(result)


def image_batch(images: Tensor) -> Tensor:
    """The batch itself: (N, channels, H, W), floats in 0..1 or uint8 in 0..255.

    Raises:
        TypeError: another type.  ValueError: another shape, or no pixels.
    """
    if not isinstance(images, Tensor) or not (
        images.is_floating_point() or images.dtype == torch.uint8
    ):
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images are {kind}, but must be floats in 0..1 or uint8 in 0..255")
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, but must be (N, 3, H, W), none of them 0"
        )
    return images


def cpu_generator(generator: torch.Generator) -> torch.Generator:
    """The generator itself. It lives on the CPU so that a seed draws alike on every device.

    Raises:
        TypeError: no generator, or one of another device.
    """
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator is {type(generator).__name__}, but must be a torch.Generator: "
            "torch.Generator().manual_seed(seed)"
        )
    if generator.device.type != "cpu":
        raise TypeError(
            f"generator lives on {generator.device}, but must live on the CPU, so that a seed "
            "draws the same on every device: torch.Generator().manual_seed(seed)"
        )
    return generator


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """A small CPU tensor on ``device``, without waiting for what the device is doing."""
    return tensor if device.type == "cpu" else tensor.to(device, non_blocking=True)
