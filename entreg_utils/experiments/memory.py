"""Memory that a training process on a CPU keeps instead of asking the system for it anew."""

from __future__ import annotations

import ctypes
import sys

# Of mallopt(3), in glibc: blocks may not be mapped one by one, and freed memory stays.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_SETTINGS = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28))


def keep_memory() -> bool:
    """Let this process keep freed memory for its next tensors, where the system is glibc's.

    By default glibc maps every large block from the system and returns it when it is freed. A
    training step on a CPU frees and asks for the same activations again and again, and each time
    the system clears every page; ``python -m benchmarks --only memory`` measures what that
    costs. For processes that only train and then end, since what they freed is theirs until then.

    Returns:
        Whether the setting took; elsewhere (macOS, Windows, musl) nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(name, value) == 1 for name, value in _SETTINGS])
