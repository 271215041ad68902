"""The map that is scored, the checks that every score shares, and how loops are compiled."""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections.abc import Callable, Mapping, Set
from typing import NamedTuple

import numba
import numpy as np

from entreg_utils.cam.scaling import Size, as_array, check_normalization, normalize_one, resize
from entreg_utils.fields import plain_numbers


class ScoreMap(NamedTuple):
    """A map ready to be thresholded, and whether it said anything."""

    scores: np.ndarray  # (H, W) float64 in 0..1
    constant: bool  # the raw map has no contrast
    invalid: bool  # NaN or infinite values: the scores are all zero


@plain_numbers
def score_map(
    cam, size: Size = 224, normalization: str = "minmax", percentile: float | None = None
) -> ScoreMap:
    """Resize one raw map (h, w) to ``size`` and bring it to 0..1, as Choe et al. (CVPR 2020) do.

    ``s = (r - min r) / (max r - min r)``, with ``r`` the map after a bicubic resize, all in
    float64; the resize overshoots, so it comes first. A map without contrast after the resize, or
    with a NaN or infinite value, becomes all zeros. A trap that the protocol has: a constant map
    whose value float32 cannot hold (0.1, not 0.5) may leave the resize with a contrast of 1e-16,
    which the stretch turns into a pattern of zeros and ones; ``constant`` says that it was blank.

    ``cam``: any number type, array or tensor; ``size``: side in pixels, or ``(height, width)``;
    ``normalization``, ``percentile``: as in :func:`entreg_utils.cam.normalize`. ValueError: no map,
    or none of these.
    """
    check_normalization(normalization, percentile)
    raw = as_array(cam, "a map")
    values = resize(raw, size)
    if not np.isfinite(values).all():
        return ScoreMap(np.zeros(values.shape), constant=False, invalid=True)
    constant = bool(raw.min() == raw.max())
    return ScoreMap(normalize_one(values, normalization, percentile), constant, invalid=False)


def to_gray(scores: np.ndarray) -> np.ndarray:
    return (scores * 255).astype(np.uint8)  # truncated, not rounded, as in the reference


def check_maps(cams, **others) -> None:
    """Refuse anything but N >= 1 maps, (N, h, w) or a sequence, and as many of all the others."""
    shape = getattr(cams, "shape", (0, 0, 0))
    if len(shape) != 3:
        raise ValueError(
            f"cams must have shape (N, h, w), one raw map an image; got {tuple(shape)}"
            + (": add the leading axis with cams[None]" if len(shape) == 2 else "")
        )
    count_of(cams=cams, **others)


def count_of(**entries) -> int:
    """How many images there are, N >= 1, when each argument has one entry for each, in order."""
    for name, values in entries.items():
        if not hasattr(values, "__len__") or isinstance(values, (str, bytes, Mapping, Set)):
            kind = type(values).__name__
            raise ValueError(f"{name} must have an entry for each image, in order; got {kind}")
        if not getattr(values, "ndim", 1) or not len(values):
            raise ValueError(f"{name} is empty: there is no image to score")
    lengths = {name: len(values) for name, values in entries.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"one entry per image is needed in each argument, but {found}")
    return next(iter(lengths.values()))


def class_indices(classes, name: str = "classes") -> np.ndarray:
    """Classes as whole numbers (N,); ValueError for others."""
    indices = as_array(classes, name)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers (N,), not {indices.dtype} {indices.shape}")
    return indices


class Summable:
    """A result that adds up with those of other images, also by ``sum``, which begins with 0.

    A sum leaves its parts as they are; by default it is a copy that the other is merged into."""

    def __add__(self, other):
        return self._plus(other) if isinstance(other, type(self)) else NotImplemented

    def _plus(self, other):
        return copy.deepcopy(self).merge(other)

    def __radd__(self, other):
        return self if isinstance(other, int) and other == 0 else NotImplemented


def warn_invalid(count: int, total: int) -> None:
    """One sentence for all maps with NaN or infinite values, naming what was done with them."""
    if count:
        warnings.warn(
            f"{int(count)} of {total} maps hold NaN or infinite values and were scored as all-zero "
            "maps: look for a diverged training or a division by zero in the normalisation",
            RuntimeWarning,
            stacklevel=4,
        )


def compiled(function: Callable) -> Callable:
    """``numba.njit`` without Python's global lock, kept on disk if possible.

    Where no folder can be written it is compiled anew in each process, and one warning says so. A
    full disk is no error."""
    beside = os.access(os.path.dirname(function.__code__.co_filename), os.W_OK)
    try:
        if os.path.expanduser("~") == "~" and not beside and not numba.config.CACHE_DIR:
            raise RuntimeError("numba would make a folder called ~")
        found = numba.njit(cache=True, nogil=True)(function)
        save = found._cache.save_overload

        def save_if_possible(*args) -> None:
            with contextlib.suppress(OSError):
                save(*args)

        found._cache.save_overload = save_if_possible
        return found
    except RuntimeError:  # numba's own: "no locator available"
        warnings.warn(  # always from here, thus shown once
            "there is no folder to keep compiled code in, so each process compiles it anew (some "
            "seconds): point NUMBA_CACHE_DIR to one that can be written",
            stacklevel=1,
        )
        return numba.njit(nogil=True)(function)
