"""Images a second of each kind of training step in the plans, for ``data/throughput.json``.

    python -m benchmarks.throughput FILE.json       (adds this device's rows to the file)

``sweep --dry-run`` prices the paper's grids by that table, hence one device alone, and idle.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from benchmarks.photographs import Decoded
from entreg_utils import models
from entreg_utils.experiments import plans
from entreg_utils.experiments.cost import TRAIN_IMAGES, Measured, Step, step_of
from entreg_utils.experiments.provenance import device_name, pick_device
from entreg_utils.files import atomic_write, expand
from entreg_utils.training import Recipe, fit

EPOCHS = 3  # of which the first, with the choice of kernels, is not counted


@dataclass
class Clock:
    """Called after each epoch, whose end waits for the device; ``seconds`` of each."""

    def __post_init__(self):
        self.before, self.seconds = time.perf_counter(), []

    def __call__(self, epoch: int, model) -> dict:
        now = time.perf_counter()
        self.seconds.append(now - self.before)
        self.before = now
        return {}


def steps_of_plans() -> list[Step]:
    """Each kind of step on photographs whose number is known, once."""
    configs = (config for name in plans.names() for config in plans.load(name).configs)
    return list(dict.fromkeys(step_of(c) for c in configs if c.dataset in TRAIN_IMAGES))


def measure(step: Step, steps: int) -> Measured:
    """Median over the epochs of ``steps`` batches of random images, from memory, as ``fit`` takes
    them."""
    device, side = pick_device(), step.crop + 32
    images = torch.randint(0, 256, (4 * step.batch_size, 3, side, side), dtype=torch.uint8)
    large = {"large_map": True} if step.large_map else {}
    model = models.build(step.model, 20, **large).to(device, memory_format=torch.channels_last)
    settings = {name: getattr(step, name) for name in ("batch_size", "precision", "compile")}
    recipe = Recipe(
        epochs=EPOCHS, epoch_images=steps * step.batch_size, learning_rate=1e-4, **settings
    )
    clock, load = Clock(), os.getloadavg()[0]
    data = Decoded(images, torch.arange(len(images)) % 20)
    fit(model, data, recipe, crop=step.crop, after_epoch=clock)
    speed = steps * step.batch_size / float(np.median(clock.seconds[1:]))
    date = datetime.now(UTC).date().isoformat()
    return Measured(
        device_name(), step, round(speed, 2), steps, torch.__version__, date, round(load, 1)
    )


def main(file: str) -> int:
    path, steps = Path(expand(file)), 20 if torch.cuda.is_available() else 3
    table = json.loads(path.read_text(encoding="utf-8"))
    for step in steps_of_plans():
        found = measure(step, steps)
        print(f"{found.device}: {step}: {found.images_per_second:,.0f} images/s", flush=True)
        same = {"device": found.device, "step": step._asdict()}
        table["measured"] = [
            row for row in table["measured"] if {name: row[name] for name in same} != same
        ]
        table["measured"].append(found._asdict() | {"step": step._asdict()})
        atomic_write(path, json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
