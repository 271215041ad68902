"""What a grid of photographs costs: hours of one named device, from throughput measured on it.

What was not timed has no hours (:mod:`entreg_utils.experiments.throughput`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from entreg_utils.experiments.config import Config
from entreg_utils.experiments.throughput import Measured, Step

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
    """What decides the time of a training step of ``config``, apart from the device.

    Regularisers and erasing methods are left out: they cost little beside the network.
    """
    return Step(*(getattr(config, name) for name in Step.__dataclass_fields__))


def images_of(config: Config) -> int:
    """Images that the training of a photographic ``config`` sees.

    With ``classes`` given it is their share of the training split, which is about right.

    Raises:
        ValueError: the embedded world, whose time stored records tell.
    """
    if config.dataset not in TRAIN_IMAGES:
        raise ValueError(f"{config.dataset} is no data set of photographs")
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
        estimates.append(
            Estimate(
                device,
                tuple(sorted({row.date for row in used})),
                tuple(sorted({row.torch for row in used})),
                seconds / 3600,
                len(there),
                dict(rest),
            )
        )
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
