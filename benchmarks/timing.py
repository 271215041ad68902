"""How things are timed: ``torch.utils.benchmark.Timer``, in turns, medians of paired ratios.

What is compared is run in turns (A B, B A, A B, ..), and a ratio is the median of the ratios within
the turns: a neighbour that takes the CPU for a while slows both sides alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from torch.utils.benchmark import Timer


@dataclass(frozen=True)
class Row:
    """A measurement: ``value`` in ``unit`` over ``repeats`` turns, and what it stands beside."""

    name: str
    value: float
    unit: str
    repeats: int
    target: str = ""
    met: bool | None = None


def in_turns(
    calls: dict[str, Callable], repeats: int, threads: int = 1, least: float = 1e-3
) -> dict[str, np.ndarray]:
    """Seconds (repeats,) of each call: every turn runs all of them, in alternating order.

    A turn of a call is warmed up once and lasts at least ``least`` seconds, PyTorch on ``threads``
    threads and OpenCV on one; on a GPU it is waited for.
    """
    timers = {
        name: Timer("call()", globals={"call": call}, num_threads=threads)
        for name, call in calls.items()
    }
    seconds, before = {name: np.zeros(repeats) for name in calls}, cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for turn in range(repeats):
            for name in list(calls)[:: -1 if turn % 2 else 1]:
                measured = timers[name].blocked_autorange(min_run_time=least)
                seconds[name][turn] = measured.median
    finally:
        cv2.setNumThreads(before)
    return seconds


def paired_ratio(seconds: dict[str, np.ndarray], this: str, other: str) -> float:
    """Median over the turns of the seconds of ``this`` divided by those of ``other``."""
    return float(np.median(seconds[this] / seconds[other]))


def table(rows: list[Row]) -> str:
    """The rows as text."""
    verdict = {True: "met", False: "MISSED", None: ""}

    def line(r: Row) -> str:
        text = f"{r.name:48}{r.value:10.4g} {r.unit:10} n={r.repeats:<4}{r.target:9}"
        return (text + verdict[r.met]).rstrip()

    return "\n".join(map(line, rows))
