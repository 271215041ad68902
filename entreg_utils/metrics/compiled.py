"""Compiled loops, whose machine code the next process finds where there is a place to keep it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numba


def compiled(function: Callable) -> Callable:
    """``numba.njit`` without Python's global lock, kept on disk if possible.

    numba refuses a function where neither the module's folder nor the user's cache can be written;
    it is then compiled anew in each process, and one warning says so.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # "no locator available"
        warnings.warn(  # always from here, thus shown once
            "there is no folder to keep compiled code in, so each process compiles it anew (some "
            "seconds): point NUMBA_CACHE_DIR to one that can be written",
            stacklevel=1,
        )
        return numba.njit(nogil=True)(function)
