"""``python -m entreg_utils sweep``: many runs, loaded or trained, and the table they make."""

from __future__ import annotations

import argparse
import os
import statistics
from dataclasses import replace

from entreg_utils.experiments import grids, store, tables
from entreg_utils.experiments.command import add_fresh, freshly, record_path
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.options import add_config_arguments, at_epsilon, given_fields
from entreg_utils.experiments.runs import Run, splits
from entreg_utils.experiments.sweep import sweep
from entreg_utils.files import StorageError

GRIDS = ("SWEEP", "HURTS", "ALL")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples: sweep --grid SWEEP --dry-run; sweep --epsilons 0,0.5,0.85 --seeds 0,1,2 "
        "--part-visibility 0.9. What is stored is loaded; the same command tries again only what "
        "is missing."
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--grid",
        choices=GRIDS,
        help="a grid of the course: SWEEP (strengths by seeds), HURTS (two worlds in "
        "which regularisation hurts), ALL (both)",
    )
    which.add_argument(
        "--epsilons",
        type=_floats,
        metavar="E,E,..",
        help="strengths in [0, 1), each with every seed; of --regularizer, else of kl_uniform",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        metavar="S,S,..",
        help="seeds of --epsilons (the grids have their own): "
        f"{','.join(map(str, grids.SEEDS))} when left out",
    )
    parser.add_argument("--jobs", type=int, help="processes side by side; one per core on a CPU")
    parser.add_argument(
        "--dry-run", action="store_true", help="list what is stored and what would be trained"
    )
    add_fresh(parser)
    add_config_arguments(parser, leave_out=("seed", "strength"))


def configs_of(args: argparse.Namespace) -> list[Config]:
    """The configs that the options of ``sweep`` describe; fields given change all of a grid.

    Raises:
        ValueError: seeds or a regularizer beside a grid, or a value that cannot work.
    """
    given = given_fields(args)
    if args.grid is None:
        seeds = grids.SEEDS if args.seeds is None else args.seeds
        return [at_epsilon(epsilon, seed=s, **given) for epsilon in args.epsilons for s in seeds]
    fixed = {"--seeds": args.seeds is not None, "--regularizer": "regularizer" in given}
    for option in (name for name, is_given in fixed.items() if is_given):
        raise ValueError(f"a grid fixes its own {option}: use --epsilons instead of --grid")
    return [replace(config, **given) for config in getattr(grids, args.grid)]


def main(args: argparse.Namespace) -> int:
    """Load or train the runs and print the headline of each world; 0."""
    configs = configs_of(args)
    with freshly(args.fresh):
        if args.dry_run:
            print(plan(configs, args.jobs))
            return 0
        runs = sweep(configs, jobs=args.jobs)
    print("test split, last checkpoint, maps of the true class; mean ± 95 % interval over seeds")
    for group in worlds(runs):
        print("\n" + summary(group))
    return 0


def plan(configs: list[Config], jobs: int | None = None) -> str:
    """What is stored, what would be trained, and about how long that takes."""
    where = {config: record_path(config) for config in dict.fromkeys(configs)}
    lines = [f"{'stored' if path else 'train':7} {config.name}" for config, path in where.items()]
    missing = [config for config, path in where.items() if path is None]
    lines.append(f"{len(where) - len(missing)} of {len(where)} runs are stored.")
    if missing:
        lines.append(f"{len(missing)} would be trained, " + _duration(missing, jobs))
    return "\n".join(lines)


def seconds_per_work(records: list[dict]) -> float | None:
    """Median wall seconds of the records per unit of :func:`work`; None without records."""
    rates = [r["provenance"]["seconds"] / work(Config(**r["config"])) for r in records]
    return statistics.median(rates) if rates else None


def work(config: Config) -> float:
    """Pixels that the training of ``config`` sees, times its width: what its time goes with."""
    return config.epochs * config.num_train * config.image_size**2 * config.width


def worlds(runs: list[Run]) -> list[list[Run]]:
    """The runs, each once, grouped by all that a headline keeps fixed: not strength and seed."""
    groups: dict[Config, list[Run]] = {}
    for run in {run.config: run for run in runs}.values():
        fixed = replace(run.config, regularizer="none", strength=0.0, seed=0)
        groups.setdefault(fixed, []).append(run)
    return list(groups.values())


def summary(runs: list[Run]) -> str:
    """The headline of one world, the choice made on validation, and the baselines."""
    config = runs[0].config
    changed = [f"{name}={value}" for name, value in _changed(config).items()]
    names = sorted({run.config.regularizer for run in runs} - {"none"}) or ["no regularizer"]
    parts = [f"{', '.join(names)}; {', '.join(changed) or 'default world and recipe'}"]
    seeds = {}
    for run in runs:
        seeds.setdefault(run.config.epsilon, set()).add(run.config.seed)
    with_intervals = min(map(len, seeds.values())) > 1
    if with_intervals:
        parts.append(tables.headline(runs).to_string())
    else:
        columns = {"epsilon": "ε", "seed": "seed", **tables.HEADLINE}
        table = tables.frame(runs).sort_values(["epsilon", "seed"])[list(columns)]
        parts.append(table.rename(columns=columns).round(3).to_string(index=False))
        parts.append("One seed has no interval: give at least two --seeds for one.")
    if len(seeds) > 1 and with_intervals and 0.0 in seeds:
        parts.append(tables.verdict(runs))
    elif len(seeds) > 1:
        parts.append(f"Best on validation (PxAP, mean over seeds): ε = {tables.choose(runs):g}.")
    parts.append("Without any classifier, on the same images:")
    parts.append(tables.baselines(splits(config)[2]).to_string())
    return "\n".join(parts)


def _changed(config: Config) -> dict:
    """Fields that differ from the default, apart from strength and seed."""
    plain = Config().to_dict()
    decided = ("regularizer", "strength", "seed")
    return {
        name: value
        for name, value in config.to_dict().items()
        if value != plain[name] and name not in decided
    }


def _duration(missing: list[Config], jobs: int | None) -> str:
    records = _stored_records()
    rate = seconds_per_work(records)
    if rate is None:
        return "for how long, no stored record tells."
    jobs = min(jobs or os.cpu_count() or 1, len(missing))
    minutes = sum(map(work, missing)) * rate / jobs / 60
    return (
        f"in about {max(minutes, 0.1):.1f} minutes with {jobs} side by side (by the wall time of "
        f"{len(records)} stored records, wherever they were trained)."
    )


def _stored_records() -> list[dict]:
    records = []
    for path in (path for folder in store.folders() for path in sorted(folder.glob("*.json"))):
        try:
            records.append(store.read(path))
        except StorageError:  # damaged or another version's: it says nothing about time
            continue
    return records


def _floats(text: str) -> list[float]:
    return _numbers(text, float, "numbers like 0,0.5,0.85")


def _seeds(text: str) -> list[int]:
    return _numbers(text, int, "whole numbers like 0,1,2")


def _numbers(text: str, kind: type, wanted: str) -> list:
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: give {wanted}") from error
