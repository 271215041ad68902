"""What a sweep shows while it works: how many runs are done, running, failed and left.

On a terminal the table is drawn over itself, in a notebook it is a bar, and in a log each change is
one line, for a file of carriage returns cannot be read.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from tqdm.auto import tqdm

from entreg_utils.experiments.config import Config

STATES = ("done", "running", "failed", "left")
_REDRAW = "\x1b[{}F\x1b[J"  # to the start of the line so many lines up, and clear from there


class Board:
    """The states of the runs of one sweep; a context manager.

    Attributes:
        failures: reasons of the failed runs, in the order in which they failed.

    Args:
        configs: the runs to be trained, each once.
        stream: where to; default the standard error.
        clock: seconds, for the estimate of what is left.
    """

    def __init__(
        self, configs: Iterable[Config], stream=None, clock: Callable[[], float] = time.monotonic
    ):
        self.failures: dict[Config, str] = {}
        self._state = dict.fromkeys(configs, "left")
        self._places: dict[Config, str] = {}
        self._stream = sys.stderr if stream is None else stream
        self._clock, self._start = clock, clock()
        self._drawn = 0  # lines of the table on the terminal
        self._terminal = self._stream.isatty()
        self._bar = None
        if not self._terminal and _in_notebook():
            self._bar = tqdm(total=len(self._state), desc="training", unit="run")

    def __enter__(self) -> Board:
        self._show()
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def running(self, places: Mapping[Config, str]) -> None:
        """Say which runs train now, and where ("" for nowhere in particular)."""
        changes = []
        for config, state in self._state.items():
            if state in ("done", "failed"):
                continue
            before, now = self._places.get(config), places.get(config)
            self._state[config] = "left" if now is None else "running"
            if now is None and before is not None:
                changes.append(f"lost {config.name}: it will be started again")
            elif now != before:
                changes.append(f"started {config.name}" + (f" on {now}" if now else ""))
        self._places = dict(places)
        self._show(*changes)

    def done(self, config: Config) -> None:
        """Say that a run is stored."""
        self._state[config] = "done"
        self._show(f"done {config.name}")

    def failed(self, config: Config, reason: str) -> None:
        """Say that a run failed, and why; it stays on the screen."""
        self._state[config] = "failed"
        self.failures[config] = reason
        line = f"failed {config.name}: {reason}"
        if self._terminal:
            self._erase()
            print(line, file=self._stream)
        self._show(line)

    def unfinished(self) -> list[Config]:
        """Runs that are neither done nor failed, in order."""
        return [config for config, state in self._state.items() if state in ("left", "running")]

    def summary(self) -> str:
        """The counts of all runs in one line, and about how long the rest takes."""
        counts = Counter(self._state.values())
        total = ", ".join(f"{counts[state]} {state}" for state in STATES)
        return f"{total} of {len(self._state)}{self._estimate(counts)}"

    def table(self) -> str:
        """Counts by data set, model and method; then those of all runs."""
        groups: dict[str, Counter] = {}
        for config, state in self._state.items():
            groups.setdefault(group_of(config), Counter())[state] += 1
        width = max(map(len, [*groups, "all runs"]))
        lines = ["".join([" " * width, *(f"{state:>9}" for state in STATES)])]
        if len(groups) > 1:
            lines += [_line(name, counts, width) for name, counts in groups.items()]
        counts = Counter(self._state.values())
        lines.append(_line("all runs", counts, width) + self._estimate(counts))
        return "\n".join(lines)

    def _estimate(self, counts: Counter) -> str:
        finished = counts["done"] + counts["failed"]
        rest = len(self._state) - finished
        if not finished or not rest:
            return ""
        return f", about {duration((self._clock() - self._start) / finished * rest)} left"

    def _show(self, *changes: str) -> None:
        if self._bar is not None:
            counts = Counter(self._state.values())
            self._bar.n = counts["done"] + counts["failed"]
            self._bar.set_postfix({s: counts[s] for s in ("running", "failed") if counts[s]})
        elif self._terminal:
            self._erase()
            size = shutil.get_terminal_size()
            lines = self.table().splitlines()
            # What is wider or taller than the terminal could not be drawn over. The last line
            # counts, so it stays.
            hidden = max(len(lines) - (size.lines - 2), 0)
            lines = lines[: len(lines) - 1 - hidden] + lines[-1:]
            print("\n".join(line[: size.columns - 1] for line in lines), file=self._stream)
            self._drawn = len(lines)
            self._stream.flush()
        else:
            for change in changes:
                stamp = time.strftime("%H:%M:%S")
                print(f"{stamp} {change} ({self.summary()})", file=self._stream, flush=True)

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(_REDRAW.format(self._drawn))
            self._drawn = 0


def group_of(config: Config) -> str:
    """Data set, model and method of a run: what tables count it under."""
    names = ("dataset", "model", "method")
    return " ".join(getattr(config, name) for name in names if hasattr(config, name))


def duration(seconds: float) -> str:
    """Seconds as a reader says them: ``40 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.{0 if unit < 3600 else 1}f} {name}"
    return f"{seconds / 86400:.1f} days"


def _line(name: str, counts: Counter, width: int) -> str:
    return f"{name:{width}}" + "".join(f"{counts[state]:>9}" for state in STATES)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config
