"""The cost of painting, of a training step and its parts, and of a run."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from unittest import mock

import numpy as np
import torch
from torch.nn import functional
from torch.utils.benchmark import Timer

from benchmarks.timing import Row, in_turns, paired_ratio
from entreg_utils import experiments, losses, models
from entreg_utils.data import World
from entreg_utils.data.toy import generate
from entreg_utils.data.world import SPLITS
from entreg_utils.experiments.sweep import keep_memory

OWN = "  its loss alone, as a share of a step"
NAMES = tuple(losses.REGULARIZERS)


def painting(counts: dict[str, int] | None = None, repeats: int = 3) -> list[Row]:
    """Seconds to paint every split of the default world, without the cache."""
    counts = counts or SPLITS

    def paint():
        for split, count in counts.items():
            generate(World(), split, count)

    seconds = float(np.median(in_turns({"paint": paint}, repeats)["paint"]))
    total = sum(counts.values())
    return [Row(f"painting {total:,} images", seconds, "s", repeats, "<= 3 s", seconds <= 3)]


def step_of(model, side: int, batch: int, loss: Callable = functional.cross_entropy) -> Callable:
    """One step of SGD on random images of 8 classes, channels-last, ready to be called."""
    torch.manual_seed(0)
    images = torch.rand(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    target = torch.arange(batch) % 8
    model = model.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, 0.9, nesterov=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(images), target).backward()
        optimizer.step()

    return step


def objective(name: str) -> Callable:
    """The loss with this regulariser at the strength that is timed."""
    return partial(losses.objective, regularizer=name, strength=0.0 if name == "none" else 0.5)


def regularisers(repeats: int = 60, batch: int = 50, side: int = 48, width: int = 16) -> list[Row]:
    """Time of a training step with each regulariser, in per cent beyond plain cross-entropy.

    Two ways: whole steps in turns, as a reader would feel it; and, with less noise, the loss alone
    (forward and backward on logits) as a share of a step.
    """
    kinds = {"plain": functional.cross_entropy} | {name: objective(name) for name in NAMES}
    logits = torch.randn(batch, 8, requires_grad=True)
    target = torch.arange(len(logits)) % 8

    def alone(loss: Callable) -> Callable[[], None]:
        return lambda: loss(logits, target).backward()

    def whole(loss: Callable) -> Callable[[], None]:
        return step_of(models.build("toy", 8, width=width), side, batch, loss)

    steps = in_turns({name: whole(loss) for name, loss in kinds.items()}, repeats)
    seconds = in_turns({name: alone(loss) for name, loss in kinds.items()}, repeats)
    step, rows = float(np.median(steps["plain"])), []
    for name in NAMES:
        beyond = 100 * (paired_ratio(steps, name, "plain") - 1)
        share = 100 * float(np.median(seconds[name] - seconds["plain"])) / step
        for title, extra in ((f"step with {name}, beyond cross_entropy", beyond), (OWN, share)):
            goal = ("<= 2 %", extra <= 2) if name == "kl_uniform" else ("", None)
            rows.append(Row(title, extra, "%", repeats, *goal))
    return rows


def mobile_step(folded: bool, side: int = 160, batch: int = 32) -> Callable[[], None]:
    """A step of MobileNetV2 with frozen batch-norm, as in the recipe `two_cores`."""
    model = models.build("mobilenet_v2", 8)
    if folded:
        models.freeze_batchnorm(model)
    model.batchnorm_frozen = True
    return step_of(model, side, batch)


def folding(repeats: int = 3, **sizes) -> list[Row]:
    """Frozen batch-norm as a layer of its own against one inside its convolution, one thread."""
    calls = {"apart": mobile_step(False, **sizes), "folded": mobile_step(True, **sizes)}
    ratio = paired_ratio(in_turns(calls, repeats), "apart", "folded")
    return [Row("frozen batch-norm as its own layer against folded", ratio, "x", repeats)]


def memory(repeats: int = 3) -> list[Row]:
    """A training step in a process as it comes against one that keeps its memory, one thread.

    Each turn is a process of its own, since the setting lasts as long as its process.
    """

    def seconds(how: str) -> float:
        command = [sys.executable, "-m", "benchmarks.training", how]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    ratios = []
    for turn in range(repeats):
        order = ("returned", "kept") if turn % 2 else ("kept", "returned")
        turns = {how: seconds(how) for how in order}
        ratios.append(turns["returned"] / turns["kept"])
    name = "memory returned to the system against kept, training"
    return [Row(name, float(np.median(ratios)), "x", repeats)]


def main(how: str, **sizes) -> float:
    """Seconds of a training step; ``kept`` keeps the memory of this process from here on."""
    if how == "kept":
        keep_memory()
    return Timer("step()", globals={"step": mobile_step(True, **sizes)}).timeit(2).mean


def fresh_run(config: experiments.Config | None = None) -> list[Row]:
    """Seconds of one run, trained in a store of its own (its data come from the cache)."""
    config = config or experiments.Config()
    with tempfile.TemporaryDirectory() as folder:
        with mock.patch.dict(os.environ, ENTREG_RESULTS=folder, ENTREG_FRESH="1"):
            start = time.perf_counter()
            experiments.run(config, progress=False)
            seconds = time.perf_counter() - start
    name = f"one run, {config.epochs} epochs, {torch.get_num_threads()} threads"
    return [Row(name, seconds, "s", 1, "<= 15 s", seconds <= 15)]


if __name__ == "__main__":
    print(main(sys.argv[1]))
