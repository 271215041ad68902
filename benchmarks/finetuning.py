"""A training step of a pretrained network on one core, and what makes it shorter."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from entreg_utils.experiments.memory import keep_memory
from torch.nn import functional

from benchmarks.timing import Row, in_turns, paired_ratio, threads
from entreg_utils import models

SIDE, BATCH, STEPS = 160, 32, 2  # of the recipe `two_cores`


def stepper(folded: bool, side: int = SIDE, batch: int = BATCH) -> Callable[[], None]:
    """Forward and backward of MobileNetV2 with frozen batch-norm, channels-last."""
    torch.manual_seed(0)
    model = models.freeze_batchnorm(models.build("mobilenet_v2", 30)).train()
    if not folded:
        models.tuning.unfold(model)
    model = model.to(memory_format=torch.channels_last)
    images = torch.rand(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    target = torch.arange(batch) % 30

    def step() -> None:
        model.zero_grad(set_to_none=True)
        functional.cross_entropy(model(images), target).backward()

    return step


def folding(repeats: int = 3, **sizes) -> list[Row]:
    """Frozen batch-norm as a layer of its own against one inside its convolution, one thread."""
    with threads(1):
        calls = {"apart": stepper(False, **sizes), "folded": stepper(True, **sizes)}
        seconds = in_turns(calls, repeats, warmup=1)
    name = "frozen batch-norm as its own layer against folded"
    return [Row(name, paired_ratio(seconds, "apart", "folded"), "x", repeats)]


def memory(repeats: int = 3) -> list[Row]:
    """A training step in a process as it comes against one that keeps its memory, one thread.

    Each turn is a process of its own, since the setting lasts as long as its process.
    """
    ratios = []
    for turn in range(repeats):
        order = ("returned", "kept") if turn % 2 else ("kept", "returned")
        seconds = {how: _in_a_process(how) for how in order}
        ratios.append(seconds["returned"] / seconds["kept"])
    name = "memory returned to the system against kept, training"
    return [Row(name, float(np.median(ratios)), "x", repeats)]


def _in_a_process(how: str) -> float:
    command = [sys.executable, "-m", "benchmarks.finetuning", how]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main(how: str, steps: int = STEPS, **sizes) -> float:
    """Seconds of a training step; ``kept`` keeps the memory of this process from here on."""
    if how == "kept":
        keep_memory()
    with threads(1):
        step = stepper(True, **sizes)
        step()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - start) / steps


if __name__ == "__main__":
    print(main(sys.argv[1]))
