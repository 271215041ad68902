"""From whatever the caller holds to checked arrays: raw maps, the resized score map, masks.

Everything downstream (boxes, pixels, evidence) reads a map through :func:`score_map`, so all
numbers of the course share one preparation, the one of Choe et al., "Evaluating Weakly Supervised
Object Localization Methods Right", CVPR 2020: resize first, min-max second.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import cv2
import numpy as np

from entreg_utils.cam import normalize


class ScoreMap(NamedTuple):
    """A map ready to be thresholded, and whether it said anything."""

    scores: np.ndarray  # (H, W) float64 in 0..1
    constant: bool  # the raw map has no contrast
    invalid: bool  # NaN or infinite values: the scores are all zero


class ResizedMap(NamedTuple):
    """A map at its final size and its extremes, not yet stretched."""

    values: np.ndarray  # (H, W) float32, C-contiguous
    low: np.float32
    high: np.float32
    constant: bool
    invalid: bool


def score_map(cam, size: int | tuple[int, int] = 224) -> ScoreMap:
    """Resize one raw map (h, w) to ``size`` and stretch it to 0..1.

    ``s = (r - min r) / (max r - min r)``, with ``r`` the map after a bicubic resize in float32 and
    the division in float64. The order matters: bicubic interpolation overshoots, so a map that was
    min-maxed before the resize would leave 0..1. A map without contrast after the resize, or with a
    NaN or infinite value, becomes all zeros, as in the reference code.

    A trap that the protocol has: the weights of the bicubic resize add up to 1 only nearly, so a
    constant map may come out with a contrast of 1e-7, and the stretch turns this into a pattern of
    zeros and ones. It is scored so here as there; ``constant`` says that the raw map was blank.

    Args:
        cam: (h, w) raw scores, any float or integer type, array or tensor.
        size: side of the square score map in pixels, or ``(height, width)``.
    """
    resized = resize_map(cam, size)
    if resized.invalid or resized.low == resized.high:
        zeros = np.zeros(resized.values.shape)
        return ScoreMap(zeros, resized.constant, resized.invalid)
    # Subtract, then divide by the new maximum: the same two roundings as the reference.
    scores = resized.values.astype(np.float64)
    scores -= resized.low
    scores /= scores.max()
    return ScoreMap(scores, resized.constant, invalid=False)


def resize_map(cam, size: int | tuple[int, int]) -> ResizedMap:
    """One raw map (h, w), any type, resized bicubically in float32 to ``size``."""
    height, width = height_width(size)
    raw = as_array(cam)
    if raw.ndim != 2 or raw.size == 0:
        raise ValueError(f"a map must have shape (h, w) with h, w >= 1; this one has {raw.shape}")
    raw = np.ascontiguousarray(raw, dtype=np.float32)
    values = cv2.resize(raw, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = values.min(), values.max()
    invalid = not (np.isfinite(low) and np.isfinite(high))
    return ResizedMap(values, low, high, not invalid and raw.min() == raw.max(), invalid)


def renormalise(resized: ResizedMap, method: str, percentile: float | None = None) -> ResizedMap:
    """A resized map under another rule of :func:`entreg_utils.cam.normalize`, then in 0..1.

    Its extremes are 0 and 1 (0 and 0 where nothing is left), so that no min-max follows: under
    ``max`` a map whose lowest value is positive keeps its floor.
    """
    if method == "minmax" or resized.invalid:
        return resized
    values = normalize(resized.values[None], method, percentile)[0]
    return resized._replace(values=values, low=np.float64(0), high=np.float64(values.max() > 0))


def resize_mask(mask, size: int | tuple[int, int]) -> np.ndarray:
    """Nearest-neighbour resize of a mask (H, W) (non-zero = inside) to ``size``; bool."""
    height, width = height_width(size)
    inside = np.ascontiguousarray(as_array(mask) != 0, dtype=np.uint8)
    if inside.ndim != 2:
        raise ValueError(f"a mask must have shape (H, W); this one has {inside.shape}")
    if inside.shape == (height, width):
        return inside.astype(bool)
    return cv2.resize(inside, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def as_array(values) -> np.ndarray:
    """NumPy view of an array, a nested list or a tensor of any device and precision."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if values.is_floating_point():
            values = values.float() if values.element_size() < 4 else values  # bfloat16
        return values.numpy()
    return np.asarray(values)


def height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    """``(height, width)`` from an int (square) or a pair; both at least 1."""
    pair = (size, size) if np.isscalar(size) else tuple(size)
    if len(pair) != 2 or any(int(side) != side or side < 1 for side in pair):
        raise ValueError(f"size must be a positive int or (height, width), got {size!r}")
    return int(pair[0]), int(pair[1])


def check_maps(cams) -> None:
    """Refuse anything but a stack (N, h, w) or a sequence of N maps, N >= 1."""
    shape = getattr(cams, "shape", None)
    if shape is not None and len(shape) != 3:
        raise ValueError(
            f"cams must have shape (N, h, w), one raw map an image; got {tuple(shape)}"
            + (": add the leading axis with cams[None]" if len(shape) == 2 else "")
        )
    if len(cams) == 0:
        raise ValueError("cams is empty: there is no image to score")


def check_same_length(**named) -> None:
    """Refuse sequences of different lengths, naming each."""
    lengths = {name: len(values) for name, values in named.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"one entry per image is needed in each argument, but {found}")


def warn_invalid(count: int, total: int) -> None:
    """One sentence for all maps with NaN or infinite values, naming what was done with them."""
    if count:
        warnings.warn(
            f"{count} of {total} maps hold NaN or infinite values and were scored as all-zero "
            "maps: look for a diverged training or a division by zero in the normalisation",
            RuntimeWarning,
            stacklevel=3,
        )
