"""How a training shows where it is: a bar, and for long ones a log of one JSON line an epoch."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tqdm.auto import tqdm

from entreg_utils.files import atomic_write, read_bytes


class Progress:
    """The bar of a run, and its log; called with the row of each finished epoch.

    The log is a file rather than standard error, so that it is there for every process of a sweep,
    and after it. A line holds the numbers of the row and ``seconds``, of the epoch with its
    measurements. The file is replaced as a whole: a reader never meets half a line, and an epoch
    that is trained again after a kill stands there once.

    Args:
        title: of the bar.  epochs: how many there will be.
        shown: names on the bar and their columns of the history.
        bar: whether there is one.
        log: path of the log, or None.
    """

    def __init__(self, title: str, epochs: int, shown: dict[str, str], bar: bool, log: Path | None):
        self.shown, self.log, self.before = shown, log, time.perf_counter()
        self.bar = tqdm(total=epochs, desc=title, unit="epoch", disable=not bar, leave=False)

    def __call__(self, row: dict) -> None:
        self.bar.update(row["epoch"] - self.bar.n)
        self.bar.set_postfix({name: row[column] for name, column in self.shown.items()})
        if self.log is not None:
            now = time.perf_counter()
            self._write(row | {"seconds": round(now - self.before, 1)})
            self.before = now

    def _write(self, row: dict) -> None:
        numbers = {name: value for name, value in row.items() if isinstance(value, (int, float))}
        lines = [line for line in _lines(self.log) if line["epoch"] < row["epoch"]]
        text = "".join(json.dumps(line) + "\n" for line in [*lines, numbers])
        atomic_write(self.log, text)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()


def _lines(path: Path) -> list[dict]:
    """What a log says so far; one that is no log is begun anew."""
    try:
        lines = [json.loads(line) for line in (read_bytes(path) or b"").splitlines()]
        return lines if all("epoch" in line for line in lines) else []
    except (ValueError, TypeError):
        return []
