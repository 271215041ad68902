"""Training steps timed on a device, and the table of them that is kept in ``data``.

Each measurement stands with its device, versions and date. Nothing is scaled from one device,
network or image side to another.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from entreg_utils import losses, models
from entreg_utils.experiments.provenance import pick_device
from entreg_utils.files import StorageError, atomic_write, project_root, read_bytes


@dataclass(frozen=True)
class Step:
    """What decides the throughput of a training step."""

    model: str
    crop: int
    batch_size: int
    precision: str
    large_map: bool
    compile: bool

    def __str__(self) -> str:
        extra = [", large map"] * self.large_map + [", compiled"] * self.compile
        return f"{self.model} at {self.crop}, batch {self.batch_size}, {self.precision}" + "".join(
            extra
        )


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


def device_name(device: torch.device | None = None) -> str:
    """Name under which throughput of a device is kept; a CPU's with PyTorch's threads."""
    device = device or pick_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"{platform.processor() or platform.machine()} GPU (MPS)"
    threads = torch.get_num_threads()
    return f"{_cpu()}, {threads} thread{'s' if threads > 1 else ''}"


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
    options = {} if step.model == "toy" else {"large_map": step.large_map}
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
        _wait(device)
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


def throughput_file() -> Path:
    """The committed table of measured throughput."""
    return project_root() / "data" / "throughput.json"


def load(path: Path | None = None) -> list[Measured]:
    """The table in a file; empty when there is none.

    Raises:
        StorageError: the file is no such table.
    """
    path = path or throughput_file()
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
    path = path or throughput_file()
    table = {(row.device, row.step): row for row in [*load(path), *rows]}
    ordered = sorted(table.values(), key=lambda row: (row.device, str(row.step)))
    content = {"measured": [asdict(row) for row in ordered]}
    return atomic_write(path, json.dumps(content, indent=1) + "\n")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _cpu() -> str:
    text = read_bytes("/proc/cpuinfo") or b""  # Linux; elsewhere there is no such file
    for line in text.decode(errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
