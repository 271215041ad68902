"""What is measured while a run trains and at its end, and what is said of it meanwhile."""

from __future__ import annotations

import builtins
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from tqdm.auto import tqdm

from entreg_utils.experiments.config import Config
from entreg_utils.files import atomic_write, read_bytes
from entreg_utils.training import View, evaluate, evidence, predict, reliance, summarise

TRAIN_PROBE = 100  # training images on which each epoch's train accuracy and entropy are measured
_TELLING = 20  # steps after which a loss above chance is no warming up
# Test images whose maps are kept at each epoch: the first of each of the first classes. Of images
# with several classes half as many, since logits and pairs fill their records.
PANEL = 4
POLL = 1.0  # seconds between looks at what trains
_ENDED = (
    "the system ended one of the processes, most often for want of memory, and all stop with it: "
    "give fewer jobs"
)


class Watch:
    """Measurements of a run on its splits.

    At every epoch: class and entropy of an evenly spaced few training images (whose places nobody
    knows in weak supervision), all of validation, and the maps of ``panel``, test images. Test
    itself is measured at the end alone, since looking at it would only tempt to choose by it; the
    drawn worlds and ``watch_test``, for studies of just that, watch it too. ``criterion`` is the
    column of the history by which the best checkpoint is chosen. ``shown``: with bars.
    """

    def __init__(self, config: Config, train, val, test, shown: bool = False):
        data, self.sigma, several = config.data, config.sigma, config.multilabel
        cues = data.is_drawn and not data.several  # one fish an image: its cues can be asked about
        self.each, self.last, self.own = (evidence,) * cues, (reliance,) * cues, config.probes
        for split in (train, val, test):
            split.images  # noqa: B018  decoded now, with a bar of its own, where they were not yet
        rows = np.unique(np.linspace(0, len(train) - 1, TRAIN_PROBE).round().astype(int))
        # its images are cached at the size of training alone, so the middle of them is shown
        self.train = View(train, crop=crop_of(config, train), rows=rows, multilabel=several)
        crop = crop_of(config, test) if config.eval_view == "centre_crop" else 0
        self.val, self.test = (View(own, crop=crop, multilabel=several) for own in (val, test))
        self.watched = {"train": self.train, "val": self.val}
        if config.watch_test or data.is_drawn:
            self.watched["test"] = self.test
        self.criterion = f"val_{self.val.criterion}"
        self.test.criterion  # noqa: B018  its masks, likewise decoded now
        pairs = self.test.pairs.numpy()  # (image, class)
        few = PANEL // 2 if self.test.several else PANEL
        firsts = pairs[np.unique(pairs[:, 1], return_index=True)[1][:few]]
        self.panel = firsts[:, 0].tolist()
        rows = sorted(set(self.panel))
        self.shown = View(test, crop=crop, rows=rows, multilabel=several)
        there = [[rows[place], c] for place, c in self.shown.pairs.tolist()]
        self.places = [there.index(pair) for pair in firsts.tolist()]
        for view in (self.train, self.val, self.test, self.shown):
            own = view.dataset
            view.title = f"{own.name} {own.split}: scoring" if shown else ""

    def after_epoch(self, epoch: int, model: nn.Module) -> dict:
        """``train_*``, ``val_*``, perhaps ``test_*``, and ``maps`` of the panel."""
        row = {}
        for split, view in self.watched.items():
            probes = () if view.rows is not None else self.each + self.own
            scores = evaluate(model, view, probes, self.sigma)
            row |= {f"{split}_{name}": value for name, value in rounded(scores).items()}
        return row | {"maps": self.panel_maps(model)}

    def panel_maps(self, model: nn.Module) -> list:
        """Raw maps of the panel, (n, h, w) as lists."""
        return predict(model, self.shown).maps[self.places].tolist()

    def final(self, model: nn.Module) -> tuple[dict, dict]:
        """Scores of ``training.summarise``, rounded, and the outcomes of the single images."""
        probes = self.each + self.last + self.own
        scores, outcomes = summarise(model, self.val, self.test, probes, self.sigma)
        return rounded(scores), outcomes


@dataclass
class Log:
    """The bar of a run, and its log beside the record: a JSON line of numbers for each epoch.

    The log is a file, so that each process of a sweep has one. It is replaced as a whole: a reader
    never meets half a line, and an epoch that is trained again after a kill stands there once.
    After a third of the epochs and after the last one a warning says if no epoch's loss was below
    ``chance``, once there were steps enough to tell. ``total``: steps of all epochs.
    """

    record: Path
    title: str
    epochs: int
    total: int
    criterion: str
    chance: float
    shown: bool

    def __post_init__(self):
        self.path, self.said = self.record.with_suffix(".jsonl"), {}
        self.before = time.perf_counter()
        bar = {"desc": self.title, "unit": "step", "disable": not self.shown, "leave": False}
        self.bar = tqdm(total=self.total, **bar)

    def step(self, done: int, total: int, loss: float) -> None:
        """Move the bar; ``loss`` may be NaN, not looked at yet."""
        if self.bar.n == 0 and not self.bar.disable:  # what was done before took this call no time
            self.bar.initial = self.bar.n = self.bar.last_print_n = done - 1
        self.said |= {"epoch": f"{(done - 1) * self.epochs // total + 1}/{self.epochs}"}
        self.said |= {"loss": f"{loss:.3g}"} if math.isfinite(loss) else {}
        self.bar.set_postfix(self.said, refresh=False)
        self.bar.update(done - self.bar.n)

    def epoch(self, row: dict) -> None:
        """Write the row of an epoch."""
        self.bar.set_postfix(self.said | {n: f"{row[n]:.3g}" for n in ("loss", self.criterion)})
        seconds, self.before = time.perf_counter() - self.before, time.perf_counter()
        numbers = {name: value for name, value in row.items() if isinstance(value, (int, float))}
        epoch = row["epoch"]
        lines = (read_bytes(self.path) or b"").decode().splitlines()[: epoch - 1]
        lines.append(json.dumps(numbers | {"seconds": round(seconds, 1)}))
        atomic_write(self.path, "\n".join(lines) + "\n")
        # a thousandth of noise is nothing learned; an own regulariser may have NaN as its chance
        limit = self.chance - abs(self.chance) / 1000
        stays = min(json.loads(line)["loss"] for line in lines) >= limit
        telling = epoch in (self.epochs // 3, self.epochs)
        if stays and telling and epoch * self.total >= _TELLING * self.epochs:
            self.bar.clear()
            warnings.warn(
                f"{self.title}: after {epoch} epochs the training loss stays above "
                f"{self.chance:.3g}, what equal probabilities for all classes give (log C, over 1 "
                "+ lambda with a regularizer): nothing is learned; try another --learning-rate, "
                "and see whether the labels fit the images and --statistics the weights",
                stacklevel=3,
            )


class Board:
    """What a sweep of ``total`` runs shows while it works: a bar, or in a log a line for each run
    that ended.

    ``failures`` holds the reasons of the runs that failed. ``stream`` is the standard error where
    none is given.
    """

    def __init__(self, total: int, stream=None):
        self.failures: dict[Config, str] = {}
        self.total, self.done, self.running = total, 0, 0
        self._noted: set[str] = set()
        self._stream = sys.stderr if stream is None else stream
        # a log of carriage returns cannot be read; a notebook draws a bar and is no terminal
        self._lines = not (self._stream.isatty() or hasattr(builtins, "__IPYTHON__"))
        self._bar = tqdm(total=total, desc="training", unit="run", disable=self._lines or not total)

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def follow(self, futures: dict[Future, Config], room: Callable[[], int], keep: Callable):
        """Until all have ended; ``room()`` of them are trained side by side, and ``keep(config,
        result)`` of one that ended may say why it failed after all."""
        while futures:
            self.running = min(room(), len(futures))
            self._bar.set_postfix_str(self.counts)
            for future in wait(futures, POLL, FIRST_COMPLETED).done:
                config, error = futures.pop(future), future.exception()
                self.running = min(room(), len(futures))
                failure = keep(config, future.result()) if error is None else reason_of(error)
                self.ended(config, failure or "")

    def ended(self, config: Config, failure: str = "") -> None:
        """Say that a run is stored, or why it failed; that stays on the screen."""
        self.done += not failure
        line = f"{'failed' if failure else 'done'} {config.title}"
        if failure:
            self.failures[config] = failure
            line += f": {failure}"
        self._bar.update()
        self._bar.set_postfix_str(self.counts)
        if self._lines:
            line = f"{time.strftime('%H:%M:%S')} {line} ({self.counts})"
        if self._lines or failure:
            tqdm.write(line, file=self._stream)

    @property
    def counts(self) -> str:
        failed = len(self.failures)
        left = self.total - self.done - self.running - failed
        said = f"{self.done} done, {self.running} running, {failed} failed, {left} left"
        return f"{said} of {self.total}"

    def noted(self, warnings: Iterable[str]) -> None:
        """Show each warning of the runs once; that stays on the screen."""
        for line in dict.fromkeys(warnings):
            if line not in self._noted:
                self._noted.add(line)
                tqdm.write(f"note: {line}", file=self._stream)


def reason_of(error: BaseException) -> str:
    """An error in a line: those of Ray go on for a page."""
    if isinstance(error, BrokenProcessPool):
        return _ENDED
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


def crop_of(config: Config, dataset) -> int:
    """Side of the crops of a data set; 0, all of it, for the drawn world and own small images."""
    fits = config.crop < min(dataset.images.shape[-2:])
    return config.crop if fits and not config.data.is_drawn else 0


def rounded(scores: dict) -> dict:
    """Five digits: far below what a seed or an image changes."""
    return {name: round(value, 5) for name, value in scores.items()}
