"""Threads that work a few items ahead, in order, under a bar; and how many cores there are."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm.auto import tqdm

_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # microseconds in a period, of the control group
_SOON = 2  # seconds before there is a bar
_MOST = 32  # threads: more wait for each other, for the interpreter or for the disk


def usable_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has: those that it is
    bound to, and no more than the share of a container (``docker run --cpus 1.5``: two)."""
    bound = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if bound else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # "max 100000" is no limit
        quota, period = _LIMIT.read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return cores


def usable_threads() -> int:
    """:func:`usable_cores`, 32 at most, and no more than ``OMP_NUM_THREADS``: who sets it to 1 runs
    several processes side by side, as ``make test`` does, and each is meant to stay at one."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    most = int(asked) if asked.isdecimal() and int(asked) else _MOST
    return min(usable_cores(), most, _MOST)


def ahead(
    function: Callable,
    items: Iterable,
    threads: int | None = None,
    title: str = "",
    unit: str = "image",
    window: int | None = None,
    total: int | None = None,
) -> Iterator:
    """``function(item)`` of each item, in the order of the items, by threads.

    Items are taken here, not in the threads, and not all at once: besides the one whose result is
    waited for, ``window`` are taken at most (default: two a thread). So items that are read as they
    are asked for need the memory of so many, and while a slow iterator makes the next one, the
    threads are at those before it. One thread is none: each item in its turn, here.

    What ``function`` or ``items`` raises leaves at once, and what has not begun then never does;
    so it is when the caller stops early. ``threads``: default :func:`usable_threads`. ``title``: of
    a bar on stderr once it takes two seconds, ``total`` results long (default: ``len(items)``), in
    ``unit``; no bar without a title or under ``TQDM_DISABLE``. ValueError: fewer than one thread.
    """
    count = usable_threads() if threads is None else threads
    if count < 1:
        raise ValueError(f"threads={threads}: give at least 1")
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    results = map(function, items)
    if count > 1 and total != 1:
        results = _by_threads(function, items, count, 2 * count if window is None else window)
    return _shown(results, title, unit, total)


def _by_threads(function, items: Iterable, count: int, window: int) -> Iterator:
    pool, waiting = ThreadPoolExecutor(count), deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(items, Generator):  # which may have threads of its own
            items.close()


def _shown(results: Iterator, title: str, unit: str, total: int | None) -> Iterator:
    # tqdm's own ``delay`` makes a notebook's widget at once, which then stays in the file, and
    # heeds TQDM_DISABLE, which the processes of a sweep have, in a terminal alone.
    may = title and os.environ.get("TQDM_DISABLE", "") in ("", "0")
    begun, bar = time.monotonic(), None
    try:
        for count, result in enumerate(results, 1):
            yield result
            if bar is not None:
                bar.update()
            elif may and time.monotonic() - begun > _SOON:
                bar = tqdm(desc=title, unit=unit, total=total, initial=count, leave=False)
    finally:
        if bar is not None:
            bar.close()
        if isinstance(results, Generator):
            results.close()
