"""How things are timed: wall time, in turns, medians of paired ratios.

What is compared is run in turns (A B, B A, A B, ..), and a ratio is the median of the ratios within
the turns: a neighbour that takes the CPU for a while slows both sides alike.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Row:
    """A measurement: ``value`` in ``unit`` over ``repeats`` turns, and what it stands beside."""

    name: str
    value: float
    unit: str
    repeats: int
    target: str = ""
    met: bool | None = None


def in_turns(calls: dict[str, Callable], repeats: int, warmup: int = 2) -> dict[str, np.ndarray]:
    """Seconds (repeats,) of each call: every turn runs all of them, in alternating order."""
    seconds = {name: [] for name in calls}
    for turn in range(-warmup, repeats):
        for name in list(calls)[:: 1 if turn % 2 else -1]:
            start = time.perf_counter()
            calls[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def paired_ratio(seconds: dict[str, np.ndarray], this: str, other: str) -> float:
    """Median over the turns of the seconds of ``this`` divided by those of ``other``."""
    return float(np.median(seconds[this] / seconds[other]))


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch on ``count`` threads within it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def table(rows: list[Row]) -> str:
    """The rows as text."""
    verdict = {True: "met", False: "MISSED", None: ""}

    def line(r: Row) -> str:
        text = f"{r.name:48}{r.value:10.4g} {r.unit:10} n={r.repeats:<4}{r.target:9}"
        return (text + verdict[r.met]).rstrip()

    return "\n".join(map(line, rows))
