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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from entreg_utils import losses, models
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.provenance import device_name, pick_device
from entreg_utils.files import StorageError, atomic_write, project_root, read_bytes, shipped

# Images of the training splits, and classes. Where a validation split is carved out of the training
# part (data.cub, data.pets), it is left out.
TRAIN_IMAGES = {
    "cub": (4_994, 200),  # by the lists of the evaluation code 5,994
    "openimages": (29_819, 100),
    "flowers": (1_020, 102),
    "pets": (3_310, 37),
    "voc": (5_717, 20),
}
_EVALUATION_CUB = 5_994


@dataclass(frozen=True)
class Step:
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


@dataclass(frozen=True)
class Measured:
    """Throughput of one kind of step on one device.

    Attributes:
        device: its name, and for a CPU how many threads.  step: what was timed.
        images_per_second: batch size over the median seconds of a step.
        steps: timed.  torch: version.  date: UTC, YYYY-MM-DD.
        load: the system's load average at the time; far above the number of threads, others were
            working and the device can do more. None where the system does not tell.
    """

    device: str
    step: Step
    images_per_second: float
    steps: int
    torch: str
    date: str
    load: float | None


@dataclass(frozen=True)
class Estimate:
    """Hours of training steps on one device.

    Attributes:
        device, dates, versions: of the measurements used.
        hours: of the runs whose step was measured there, one after another.
        counted: how many runs these are.  unmeasured: the steps of the others, with their number.
    """

    device: str
    dates: tuple[str, ...]
    versions: tuple[str, ...]
    hours: float
    counted: int
    unmeasured: dict[Step, int]


def step_of(config: Config) -> Step:
    """The step of ``config``."""
    return Step(*(config.to_dict()[name] for name in Step.__dataclass_fields__))


def images_of(config: Config) -> int:
    """Images that the training of a photographic ``config`` sees.

    With ``classes`` given it is their share of the training split, which is about right.

    Raises:
        ValueError: a data set whose size is not known here: the drawn world, whose time stored
            records tell, or an own one.
    """
    if config.dataset not in TRAIN_IMAGES:
        raise ValueError(f"how many photographs {config.dataset} has is not known here")
    images, classes = TRAIN_IMAGES[config.dataset]
    if config.dataset == "cub" and config.lists == "evaluation":
        images = _EVALUATION_CUB
    if config.classes:
        images = images * min(config.classes, classes) // classes
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
        there = [config for config in configs if step_of(config) in known]
        used = [known[step] for step in dict.fromkeys(map(step_of, there))]
        seconds = sum(images_of(c) / known[step_of(c)].images_per_second for c in there)
        rest = Counter(step_of(config) for config in configs if step_of(config) not in known)
        dates, versions = (
            tuple(sorted({getattr(row, name) for row in used})) for name in ("date", "torch")
        )
        estimates.append(Estimate(device, dates, versions, seconds / 3600, len(there), dict(rest)))
    return estimates


def report(configs: Iterable[Config], table: Sequence[Measured], here: str) -> str:
    """The estimates as sentences; ``here`` is the device of this machine, measured or not."""
    configs = list(configs)
    lines = []
    for one in estimate(configs, table):
        if not one.counted:
            continue
        lines.append(
            f"{one.device}: {one.hours:,.1f} hours of training steps for {one.counted} of the "
            f"{len(configs)} runs, on one such device without a break (measured "
            f"{', '.join(one.dates)} with torch {', '.join(one.versions)}; evaluation and decoding "
            "come on top)."
        )
        lines += [f"  not measured there: {step} ({n} runs)" for step, n in one.unmeasured.items()]
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
    return Measured(
        device=device_name(device),
        step=step,
        images_per_second=float(f"{step.batch_size / statistics.median(seconds):.4g}"),
        steps=steps,
        torch=torch.__version__,
        date=datetime.now(UTC).date().isoformat(),
        load=load,
    )


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
    content = {"measured": [asdict(row) for row in ordered]}
    return atomic_write(path, json.dumps(content, indent=1) + "\n")
