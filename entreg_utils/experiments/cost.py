"""What a grid costs: of drawn worlds by the wall time of stored runs, of photographs in hours of
a named device, from throughput measured on it.

Each measurement stands in ``data/throughput.json`` with its device, versions and date. Nothing is
scaled from one device, network or image side to another: what was not timed has no hours.
"""

import contextlib
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from entreg_utils.ahead import usable_cores
from entreg_utils.data import DRAWN
from entreg_utils.experiments import store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.provenance import device_name
from entreg_utils.files import StorageError, shipped

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
        ValueError: a data set whose size is not known here: a drawn world, or an own one.
    """
    if config.dataset not in TRAIN_IMAGES:
        raise ValueError(f"how many photographs {config.dataset} has is not known here")
    images, classes = TRAIN_IMAGES[config.dataset]
    if config.dataset == "cub" and config.lists == "evaluation":
        images = EVALUATION_CUB
    images = images * min(config.classes or classes, classes) // classes
    images = config.epoch_images or images
    return config.epochs * (images // config.batch_size) * config.batch_size


def estimate(configs: Sequence[Config], table: Sequence[Measured]) -> list[Estimate]:
    """Hours of training steps of photographic ``configs`` on each device of ``table``.

    Evaluation, decoding and start-up come on top. A later measurement of the same counts.
    """
    estimates = []
    for device in dict.fromkeys(row.device for row in table):
        known = {row.step: row for row in table if row.device == device}
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


def load() -> list[Measured]:
    """The table that comes with the project."""
    rows = json.loads(shipped("data", "throughput.json").read_text(encoding="utf-8"))["measured"]
    return [Measured(**(row | {"step": Step(**row["step"])})) for row in rows]


def outline(configs: Sequence[Config], jobs: int | None = None) -> str:
    """The runs by data set, model and method: strengths, seeds, what is stored, what is missing."""
    missing = [config for config in configs if store.find(config) is None]
    groups: dict[str, list[Config]] = {}
    for config in configs:
        kind = " ".join(config.to_dict()[n] for n in ("dataset", "model", "method"))
        groups.setdefault(kind, []).append(config)
    lines, width = [], max(map(len, groups))
    for name, own in groups.items():
        weighed = [c for c in own if c.epsilon]
        kinds = {f"{c.to_dict()['regularizer']} {c.epsilon:.3g}" for c in weighed}
        kinds |= {"none"} if len(weighed) < len(own) else set()
        shown = ", ".join(sorted(kinds)) if len(kinds) < 5 else f"{len(kinds)} regularisations"
        seeds = len({config.seed for config in own})
        stored = sum(config not in missing for config in own)
        lines.append(
            f"{name:{width}}  {len(own):4} runs, {stored} stored: {shown}; {seeds} "
            f"seed{'s' * (seeds > 1)}"
        )
    lines.append(f"{len(configs) - len(missing)} of {len(configs)} runs are stored.")
    drawn = [config for config in missing if config.data.is_drawn]
    photographs = [config for config in missing if config.dataset in TRAIN_IMAGES]
    if drawn:
        lines.append(f"{len(drawn)} would be trained, {_duration(drawn, jobs)}")
    if photographs:
        lines.append(f"{len(photographs)} would be trained on photographs.")
        lines += _hours(photographs, load(), device_name())
    if rest := len(missing) - len(drawn) - len(photographs):
        lines.append(f"{rest} would be trained on own data, whose size is not known before.")
    return "\n".join(lines)


def _hours(configs: list[Config], table: Sequence[Measured], here: str) -> Iterator[str]:
    """The estimates as sentences; ``here`` is the device of this machine, measured or not."""
    for one in estimate(configs, table):
        if one.counted:
            yield (
                f"{one.device}: {one.hours:,.1f} hours of training steps for {one.counted} of the "
                f"{len(configs)} runs, on one such device without a break (measured "
                f"{', '.join(one.dates)} with torch {', '.join(one.versions)}; evaluation and "
                "decoding come on top)."
            )
            for step, count in one.unmeasured.items():
                yield f"  not measured there: {step} ({count} runs)"
    if here not in {row.device for row in table}:
        yield f"{here}: not measured (data/throughput.json has what was)."


def _duration(missing: list[Config], jobs: int | None) -> str:
    """By the wall time that the committed records of drawn worlds took with the same network."""
    wanted = [config.to_dict() for config in missing]
    rates: dict[str, list[float]] = {own["model"]: [] for own in wanted}
    for path in sorted(store.committed_folder().glob("*.json")):
        if path.name.startswith(DRAWN):
            with contextlib.suppress(StorageError):
                record = store.read(path)
                own, seconds = record["config"], record["provenance"]["seconds"]
                rates.get(own["model"], []).append(seconds / work(own))
    if not all(rates.values()):
        return "for how long, no stored record tells."
    jobs = min(jobs or usable_cores(), len(missing))
    seconds = sum(work(own) * statistics.median(rates[own["model"]]) for own in wanted) / jobs
    return (
        f"in about {math.ceil(seconds / 60)} min with {jobs} side by side (by the wall time of "
        f"{sum(map(len, rates.values()))} stored records, wherever they were trained)."
    )


def work(settings: dict) -> float:
    """Pixels that a training sees, times its width: what its time goes with."""
    factors = (settings[name] for name in ("epochs", "num_train", "width"))
    return math.prod(factors) * settings["image_size"] ** 2
