"""``python -m entreg_utils sweep``: many runs, loaded or trained, and the table they make."""

from __future__ import annotations

import argparse
import os
import statistics
from dataclasses import replace

from entreg_utils.analysis.summaries import summary, worlds
from entreg_utils.experiments import cost, grids, plans, store, throughput
from entreg_utils.experiments.board import group_of
from entreg_utils.experiments.command import add_fresh, freshly, record_path
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.options import add_config_arguments, at_epsilon, given_fields
from entreg_utils.experiments.sweep import sweep
from entreg_utils.files import StorageError

GRIDS = ("SWEEP", "HURTS", "METHODS", "REGULARISERS", "COOCCURRING", "ALL")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples: sweep --grid SWEEP --dry-run; sweep --epsilons 0,0.5,0.85 --seeds 0,1,2 "
        "--part-visibility 0.9; sweep table_main --cluster auto --gpus-per-run 0.5. What is stored "
        "is loaded; the same command tries again only what is missing."
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "plan",
        nargs="?",
        metavar="PLAN",
        help="a plan that comes with the package (see --list), or a file that ends in .toml",
    )
    which.add_argument(
        "--list", action="store_true", help="the plans, their runs, and what of the paper they are"
    )
    which.add_argument(
        "--grid",
        choices=GRIDS,
        help="a grid of the course: SWEEP (strengths by seeds), HURTS (two worlds in "
        "which regularisation hurts), METHODS (erasing methods without and with ER), REGULARISERS "
        "(at matched entropy), COOCCURRING (a context that always agrees), ALL",
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
        "--cluster",
        metavar="WHERE",
        help="train on a Ray cluster: 'auto' (the one this machine belongs to), 'local' (one of "
        "this machine alone) or its address, host:port",
    )
    parser.add_argument(
        "--gpus-per-run",
        type=float,
        metavar="SHARE",
        help="on a cluster: share of a GPU that each run takes, such as 0.25; one where there are "
        "any when left out",
    )
    parser.add_argument(
        "--cpus-per-run", type=int, metavar="N", help="on a cluster: cores of each run; 1"
    )
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
    if args.epsilons is not None:
        seeds = grids.SEEDS if args.seeds is None else args.seeds
        return [at_epsilon(epsilon, seed=s, **given) for epsilon in args.epsilons for s in seeds]
    fixed = {"--seeds": args.seeds is not None, "--regularizer": "regularizer" in given}
    for option in (name for name, is_given in fixed.items() if is_given):
        if args.plan is not None:
            raise ValueError(f"a plan fixes its own {option}: change it in a file of your own")
        raise ValueError(f"a grid fixes its own {option}: use --epsilons instead of --grid")
    configs = plans.load(args.plan).configs if args.plan else getattr(grids, args.grid)
    return list(dict.fromkeys(replace(config, **given) for config in configs))


def main(args: argparse.Namespace) -> int:
    """Load or train the runs and print the headline of each world; 0."""
    if args.list:
        print(listing())
        return 0
    configs = configs_of(args)
    with freshly(args.fresh):
        if args.dry_run:
            print(outline(configs) if args.plan else plan(configs, args.jobs))
            return 0
        cluster = {
            "cluster": args.cluster,
            "gpus": args.gpus_per_run,
            "cpus": args.cpus_per_run,
        }
        given = {name: value for name, value in cluster.items() if value is not None}
        runs = sweep(configs, jobs=args.jobs, **given)
    print("test split, last checkpoint, maps of the true class; mean ± 95 % interval over seeds")
    for group in worlds(runs):
        print("\n" + summary(group))
    return 0


def listing() -> str:
    """The plans that come with the package: name, number of runs, title, and the paper's part."""
    lines = []
    for name in plans.names():
        one = plans.load(name)
        lines.append(f"{name:18}{len(one.configs):4} runs  {one.title}")
        lines += [f"{'':29}{one.paper}"] if one.paper else []
    return "\n".join(lines)


def outline(configs: list[Config]) -> str:
    """The runs of a plan by data set, model and method: strengths, seeds, how many are stored."""
    groups: dict[str, list[Config]] = {}
    for config in configs:
        groups.setdefault(group_of(config), []).append(config)
    width = max(map(len, groups))
    lines, missing = [], []
    for name, own in groups.items():
        absent = [config for config in own if record_path(config) is None]
        missing += absent
        kinds = {f"{c.regularizer} {c.epsilon:.3g}" if c.epsilon else "none" for c in own}
        shown = ", ".join(sorted(kinds)) if len(kinds) < 5 else f"{len(kinds)} regularisations"
        seeds = len({config.seed for config in own})
        lines.append(
            f"{name:{width}}  {len(own):4} runs, {len(own) - len(absent)} stored: {shown}; "
            f"{seeds} seed{'s' if seeds > 1 else ''}"
        )
    lines.append(f"{len(configs) - len(missing)} of {len(configs)} runs are stored.")
    return "\n".join(lines + _what_it_takes(missing, None))


def plan(configs: list[Config], jobs: int | None = None) -> str:
    """What is stored, what would be trained, and about how long that takes."""
    where = {config: record_path(config) for config in dict.fromkeys(configs)}
    lines = [f"{'stored' if path else 'train':7} {config.name}" for config, path in where.items()]
    missing = [config for config, path in where.items() if path is None]
    lines.append(f"{len(where) - len(missing)} of {len(where)} runs are stored.")
    return "\n".join(lines + _what_it_takes(missing, jobs))


def _what_it_takes(missing: list[Config], jobs: int | None) -> list[str]:
    toy = [config for config in missing if config.dataset == "toy"]
    photographs = [config for config in missing if config.dataset != "toy"]
    lines = []
    if toy:
        lines.append(f"{len(toy)} would be trained, " + _duration(toy, jobs))
    if photographs:
        lines.append(f"{len(photographs)} would be trained on photographs.")
        lines.append(cost.report(photographs, throughput.load(), throughput.device_name()))
    return lines


def seconds_per_work(records: list[dict]) -> float | None:
    """Median wall seconds of the records per unit of :func:`work`; None without records."""
    rates = [r["provenance"]["seconds"] / work(Config(**r["config"])) for r in records]
    return statistics.median(rates) if rates else None


def work(config: Config) -> float:
    """Pixels that the training of ``config`` sees, times its width: what its time goes with."""
    return config.epochs * config.num_train * config.image_size**2 * config.width


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
            record = store.read(path)
        except StorageError:  # damaged or another version's: it says nothing about time
            continue
        if record["config"]["dataset"] == "toy":
            records.append(record)
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
