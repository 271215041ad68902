"""What a grid of photographs costs: hours of one named device, from throughput measured on it.

Each measurement stands in ``data/throughput.json`` with its device, versions and date. Nothing is
scaled from one device, network or image side to another: what was not timed has no hours.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch

from entreg_utils import losses, models
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.provenance import device_name, pick_device
from entreg_utils.files import StorageError, atomic_write, project_root, read_bytes, shipped

# Images of the training splits, and classes. Where a validation split is carved out of the training
# part (data.cub, data.pets), it is left out.
TRAIN_IMAGES = {
    "cub": (4_994, 200),
    "openimages": (29_819, 100),
    "flowers": (1_020, 102),
    "pets": (3_310, 37),
    "voc": (5_717, 20),
}
EVALUATION_CUB = 5_994  # by the lists of the evaluation code


class Step(NamedTuple):
    """What decides the throughput of a training step, apart from the device.

    Regularisers and erasing methods are left out: they cost little beside the network.
    """

    model: str
    crop: int
    batch_size: int
    precision: str
    large_map: bool
    compile: bool

    def __str__(self) -> str:
        extra = ", large map" * self.large_map + ", compiled" * self.compile
        return f"{self.model} at {self.crop}, batch {self.batch_size}, {self.precision}{extra}"


class Measured(NamedTuple):
    """Throughput of one kind of step on one device, as the median of ``steps`` timed ones.

    ``date`` is UTC. ``load`` is the system's load average, None where it does not tell: far above
    the number of threads, others were working and the device can do more.
    """

    device: str
    step: Step
    images_per_second: float
    steps: int
    torch: str
    date: str
    load: float | None


class Estimate(NamedTuple):
    """Hours of the ``counted`` runs that were timed on a device, and the others by their steps."""

    device: str
    dates: list[str]
    versions: list[str]
    hours: float
    counted: int
    unmeasured: dict[Step, int]


def step_of(config: Config) -> Step:
    return Step(*(config.to_dict()[name] for name in Step._fields))


def images_of(config: Config) -> int:
    """Images that the training of a photographic ``config`` sees; of ``classes``, their share.

    Raises:
        ValueError: a data set whose size is not known here: the drawn world, or an own one.
    """
    if config.dataset not in TRAIN_IMAGES:
        raise ValueError(f"how many photographs {config.dataset} has is not known here")
    images, classes = TRAIN_IMAGES[config.dataset]
    if config.dataset == "cub" and config.lists == "evaluation":
        images = EVALUATION_CUB
    images = images * min(config.classes or classes, classes) // classes
    images = config.epoch_images or images
    return config.epochs * (images // config.batch_size) * config.batch_size


def estimate(configs: Iterable[Config], table: Sequence[Measured]) -> list[Estimate]:
    """Hours of training steps of photographic ``configs`` on each device of ``table``.

    Evaluation, decoding and start-up come on top. A later measurement of the same counts.
    """
    configs = list(configs)
    rates = {(row.device, row.step): row for row in table}
    estimates = []
    for device in dict.fromkeys(row.device for row in table):
        known = {step: row for (name, step), row in rates.items() if name == device}
        timed = [(config, known[step_of(config)]) for config in configs if step_of(config) in known]
        estimates.append(
            Estimate(
                device,
                sorted({row.date for _, row in timed}),
                sorted({row.torch for _, row in timed}),
                sum(images_of(config) / row.images_per_second for config, row in timed) / 3600,
                len(timed),
                dict(Counter(step for step in map(step_of, configs) if step not in known)),
            )
        )
    return estimates


def report(configs: Iterable[Config], table: Sequence[Measured], here: str) -> str:
    """The estimates as sentences; ``here`` is the device of this machine, measured or not."""
    configs = list(configs)
    lines = []
    for one in estimate(configs, table):
        if one.counted:
            lines.append(
                f"{one.device}: {one.hours:,.1f} hours of training steps for {one.counted} of the "
                f"{len(configs)} runs, on one such device without a break (measured "
                f"{', '.join(one.dates)} with torch {', '.join(one.versions)}; evaluation and "
                "decoding come on top)."
            )
            rest = one.unmeasured.items()
            lines += [f"  not measured there: {step} ({n} runs)" for step, n in rest]
    if here not in {row.device for row in table}:
        lines.append(f"{here}: not measured here: run `make bench` on that machine.")
    return "\n".join(lines)


def measure(
    step: Step, steps: int = 10, warmup: int = 3, device: torch.device | None = None
) -> Measured:
    """Time training steps (forward, loss, backward, update) on random images on the device.

    Raises:
        ValueError: fewer than one step.
    """
    if steps < 1 or warmup < 0:
        raise ValueError(f"steps={steps}, warmup={warmup}: give at least 1 and 0")
    device = device or pick_device()
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    options = {"large_map": True} if step.large_map else {}
    model = models.build(step.model, 200, **options)
    model = model.to(device, memory_format=torch.channels_last).train()
    network = torch.compile(model) if step.compile else model
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, 0.9, nesterov=True)
    images = torch.rand(step.batch_size, 3, step.crop, step.crop, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    target = torch.arange(step.batch_size, device=device) % 200
    seconds = []
    for turn in range(-warmup, steps):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=step.precision == "bf16"):
            logits = network(images)
        loss = losses.objective(logits.float(), target, "kl_uniform", 0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if device.type != "cpu":
            getattr(torch, device.type).synchronize()
        if turn >= 0:
            seconds.append(time.perf_counter() - start)
    rate = float(f"{step.batch_size / statistics.median(seconds):.4g}")
    date = datetime.now(UTC).date().isoformat()
    return Measured(device_name(device), step, rate, steps, torch.__version__, date, load)


def load(path: Path | None = None) -> list[Measured]:
    """The table in a file, default the one that comes with the project; empty when there is none.

    Raises:
        StorageError: the file is no such table.
    """
    path = path or shipped("data", "throughput.json")
    content = read_bytes(path)
    if content is None:
        return []
    try:
        rows = json.loads(content)["measured"]
        return [Measured(**(row | {"step": Step(**row["step"])})) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} is no table of throughput: put it back, or delete it and measure anew"
        ) from error


def save(rows: Sequence[Measured], path: Path | None = None) -> Path:
    """Add measurements to the file; one of the same step on the same device is replaced.

    Raises:
        StorageError: the file is no such table, or cannot be written.
    """
    path = path or project_root() / "data" / "throughput.json"
    table = {(row.device, row.step): row for row in [*load(path), *rows]}
    ordered = sorted(table.values(), key=lambda row: (row.device, str(row.step)))
    content = {"measured": [row._asdict() | {"step": row.step._asdict()} for row in ordered]}
    return atomic_write(path, json.dumps(content, indent=1) + "\n")
