"""The cost of painting, of a training step and its parts, of a run, and of loading stored ones."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional

from benchmarks.timing import Row, in_turns, paired_ratio, threads
from entreg_utils import experiments, losses, models
from entreg_utils.data import World
from entreg_utils.data.toy import generate
from entreg_utils.data.world import SPLITS
from entreg_utils.experiments import grids, store

STEPS = 3  # training steps timed as one, so that changing the number of threads weighs little
_CALLS = 10  # losses timed as one
OWN = "  its loss alone, as a share of a step"
NAMES = tuple(losses.REGULARIZERS)


def painting(counts: dict[str, int] | None = None, repeats: int = 3) -> list[Row]:
    """Seconds to paint every split of the default world, without the cache."""
    counts = counts or SPLITS

    def paint():
        for split, count in counts.items():
            generate(World(), split, count)

    seconds = float(np.median(in_turns({"paint": paint}, repeats, warmup=1)["paint"]))
    total = sum(counts.values())
    return [Row(f"painting {total:,} images", seconds, "s", repeats, "<= 3 s", seconds <= 3)]


def stepper(
    loss: Callable, batch: int = 50, side: int = 48, width: int = 16, channels_last: bool = True
) -> Callable[[], None]:
    """One training step of the toy network on fixed random images, ready to be called."""
    generator = torch.Generator().manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    images = torch.rand(batch, 3, side, side, generator=generator).contiguous(memory_format=layout)
    target = torch.randint(8, (batch,), generator=generator)
    model = models.build("toy", 8, width=width).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, 0.9, nesterov=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(images), target).backward()
        optimizer.step()

    return step


def training_steps(repeats: int = 20, **sizes) -> list[Row]:
    """Images a second in training: one and two threads, both memory layouts."""
    batch = sizes.get("batch", 50)

    def on(count: int, channels_last: bool) -> Callable[[], None]:
        step = stepper(losses.objective, channels_last=channels_last, **sizes)

        def call():
            with threads(count):
                for _ in range(STEPS):
                    step()

        return call

    kinds = {True: "channels_last", False: "contiguous"}
    names = {(n, last): f"{kinds[last]}, threads: {n}" for n in (1, 2) for last in kinds}
    seconds = in_turns({name: on(*key) for key, name in names.items()}, repeats)
    rows = [
        Row(f"training, {name}", STEPS * batch / float(np.median(values)), "images/s", repeats)
        for name, values in seconds.items()
    ]
    for count in (1, 2):
        ratio = paired_ratio(seconds, names[count, False], names[count, True])
        title = f"contiguous against channels_last, threads: {count}"
        rows.append(Row(title, ratio, "x", repeats))
    ratio = paired_ratio(seconds, names[1, True], names[2, True])
    return [*rows, Row("one thread against two, channels_last", ratio, "x", repeats)]


def regularisers(repeats: int = 60, **sizes) -> list[Row]:
    """Time of a training step with each regulariser, in per cent beyond plain cross-entropy.

    Two ways: whole steps in turns, as a reader would feel it; and, with less noise, the loss alone
    (forward and backward on logits) as a share of a step.
    """
    kinds = {"plain": functional.cross_entropy} | {name: _objective(name) for name in NAMES}
    logits = torch.randn(sizes.get("batch", 50), 8, requires_grad=True)
    target = torch.arange(len(logits)) % 8
    alone = {name: _alone(loss, logits, target) for name, loss in kinds.items()}
    with threads(1):
        steps = in_turns({name: stepper(loss, **sizes) for name, loss in kinds.items()}, repeats)
        seconds = in_turns(alone, repeats)
    step, rows = float(np.median(steps["plain"])), []
    for name in NAMES:
        beyond = 100 * (paired_ratio(steps, name, "plain") - 1)
        share = 100 * float(np.median(seconds[name] - seconds["plain"])) / _CALLS / step
        for title, extra in ((f"step with {name}, beyond cross_entropy", beyond), (OWN, share)):
            goal = ("<= 2 %", extra <= 2) if name == "kl_uniform" else ("", None)
            rows.append(Row(title, extra, "%", repeats, *goal))
    return rows


def _objective(name: str) -> Callable:
    strength = 0.0 if name == "none" else 0.5
    return lambda logits, target: losses.objective(logits, target, name, strength)


def _alone(loss: Callable, logits: torch.Tensor, target: torch.Tensor) -> Callable[[], None]:
    def call():
        for _ in range(_CALLS):
            loss(logits, target).backward()

    return call


def fresh_run(config: experiments.Config | None = None) -> list[Row]:
    """Seconds of one run, trained in a store of its own (its data come from the cache)."""
    config = config or experiments.Config()
    with tempfile.TemporaryDirectory() as folder, _environment(folder):
        start = time.perf_counter()
        experiments.run(config, progress=False)
        seconds = time.perf_counter() - start
    name = f"one run, {config.epochs} epochs, {torch.get_num_threads()} threads"
    return [Row(name, seconds, "s", 1, "<= 15 s", seconds <= 15)]


def stored_sweep(configs=grids.SWEEP, repeats: int = 3) -> list[Row]:
    """Seconds to load those of ``configs`` that are stored; no row when none is."""
    stored = [config for config in configs if store.find(config) is not None]
    if not stored:
        return []
    seconds = in_turns({"load": lambda: experiments.sweep(stored)}, repeats, warmup=1)["load"]
    return [Row(f"loading {len(stored)} stored runs", float(np.median(seconds)), "s", repeats)]


@contextlib.contextmanager
def _environment(results: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ("ENTREG_RESULTS", "ENTREG_FRESH")}
    os.environ.update(ENTREG_RESULTS=results, ENTREG_FRESH="1")
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})
