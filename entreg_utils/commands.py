"""``run`` and ``sweep`` on the command line: one training or many, loaded or done now."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from entreg_utils.analysis import reports
from entreg_utils.experiments import cost, grids, plans, presets, store
from entreg_utils.experiments import run as load_or_train
from entreg_utils.experiments import sweep as train_all
from entreg_utils.experiments.config import Config, own_code
from entreg_utils.files import StorageError, results, variable
from entreg_utils.options import (
    CONFIG,
    AllowCode,
    Flag,
    Fresh,
    Settings,
    Sweepable,
    allow,
    given_of,
    quiet,
    spoken,
)

_PICTURES = "maps, boxes and overlays of the test photographs, beside the record"
_WAY = f"a way to train photographs, {presets.DEFAULT} where none is named; options win"
Preset = Annotated[
    Literal[tuple(presets.PRESETS)] | None, quiet(help=_WAY, metavar="|".join(presets.PRESETS))
]
GRIDS = ("SWEEP", "HURTS", "METHODS", "REGULARISERS", "COOCCURRING", "ALL")


def run_command(argv: list[str]) -> int:
    """``python -m entreg_utils run``."""

    def run(
        settings: Annotated[Settings, arg(name="")],
        epsilon: Annotated[float | None, quiet(metavar="E")] = None,
        preset: Preset = None,
        pictures: Annotated[
            bool, arg(help=_PICTURES, help_behavior_hint="(default: of folder:)")
        ] = True,
        json: Annotated[Flag, quiet()] = False,
        fresh: Fresh = False,
        allow_code: AllowCode = False,
    ) -> int:
        """One training, loaded or done now, with its scores and their rules.

        A run that is stored is loaded; one that was interrupted goes on from its last
        whole epoch. Results are written to results/, or where ENTREG_RESULTS points.
        Example: run --epsilon 0.85 --seed 1

        Args:
            epsilon: weight of --regularizer (kl_uniform) beside cross-entropy: lambda = E/(1 - E)
            json: print one JSON object, nothing else
        """
        given = given_of(settings, argv)
        with spoken():
            config = presets.config_of(preset, epsilon, **given)
            allow(own_code(config), allow_code)
            said = {"--pictures", "--no-pictures"} & set(argv)
            pictures = pictures if said else config.data.is_folder
            return _run(*_filled([config], preset, given), json, fresh, pictures)

    return tyro.cli(run, prog="python -m entreg_utils run", args=argv, config=CONFIG)


def _run(config: Config, as_json: bool, fresh: bool, pictures: bool) -> int:
    with variable("ENTREG_FRESH", "1" if fresh else None):
        was_there = store.find(config) is not None
        result = load_or_train(config, progress=not as_json)
        path, _ = store.locate(config)
        made = _predictions(result, path.stem, not as_json) if pictures else None
    origin = result.provenance
    if as_json:
        rules = {name: ": ".join(rule) for name, rule in reports.rules_of(result).items()}
        content = {
            "config": config.to_dict(),
            "epsilon": config.epsilon,
            "split": "test",
            "checkpoint": "last",
            "loaded": was_there,
            "metrics": result.metrics,
            "rules": rules,
            "record": str(path),
            "predictions": made and str(made),
            "weights_sha256": result.weights_sha256,
            "selection": result.selection,
            "provenance": origin,
        }
        print(json.dumps(content, indent=1))
        return 0
    print(
        f"{reports.scores_of(result, was_there)}\n\nrecord: {path}\ntrained in "
        f"{origin['seconds']:g} s on {origin['device']} ({origin['threads']} threads), torch "
        f"{origin['torch']}, commit {origin['commit']}"
    )
    if made:
        print(
            f"test photographs: {made}\n  table: predictions.csv; boxes: boxes.csv, "
            "boxes.coco.json; overlays: overlays/, contact_sheet.png\n  maps of the predicted "
            "classes: maps/"
        )
    return 0


def _predictions(result, name: str, shown: bool) -> Path:
    """The folder of what ``predict`` says of a run's test photographs, boxes at the threshold of
    validation where it chose one. ValueError: images that are no files."""
    from entreg_utils.predict import predict  # late: timm takes seconds

    test = result.config.data.load("test")
    if not hasattr(test, "paths"):
        raise ValueError(f"{test.name} has no files of photographs: leave --pictures out")
    threshold = "carried" if "box_threshold" in result.metrics else result.config.sigma
    out = results(f"{name}.predictions")
    photographs = dict(zip(test.image_ids, test.paths, strict=True))
    predict(photographs, result, out, threshold, progress=shown)
    return out


def sweep_command(argv: list[str]) -> int:
    """``python -m entreg_utils sweep``."""

    def sweep(
        settings: Annotated[Sweepable, arg(name="")],
        plan: Positional[str] = "",
        list: Flag = False,
        grid: Annotated[Literal[GRIDS] | None, quiet()] = None,
        epsilons: Annotated[tuple[float, ...], quiet()] = (),
        seeds: Annotated[tuple[int, ...], arg(help_behavior_hint="(default: 0 1 2)")] = (),
        preset: Preset = None,
        jobs: Annotated[int | None, arg(help_behavior_hint="(default: one a usable core)")] = None,
        cluster: Annotated[str | None, quiet()] = None,
        gpus_per_run: Annotated[float | None, arg(help_behavior_hint="(default: one)")] = None,
        cpus_per_run: int = 1,
        dry_run: Flag = False,
        fresh: Fresh = False,
        allow_code: AllowCode = False,
    ) -> int:
        """Many runs, loaded or trained, and the table they make.

        What is stored is loaded; the same command tries again only what is missing.
        Give one of PLAN, --grid, --epsilons. Examples: sweep --grid SWEEP --dry-run;
        sweep --epsilons 0 0.5 0.85 --seeds 0 1 2 --part-visibility 0.9;
        sweep table_main --cluster auto

        Args:
            plan: a plan of --list, or a file that ends in .toml
            list: the plans, their runs, and what of the paper they are
            grid: a grid of the course, see experiments.grids
            epsilons: strengths in [0, 1), each with every seed; of --regularizer, else of ER
            seeds: seeds of --epsilons
            jobs: processes side by side
            cluster: a Ray cluster: auto, local or host:port
            gpus_per_run: on a cluster: share of a GPU a run
            cpus_per_run: on a cluster: cores of each run
            dry_run: list what is stored, and what the rest costs
        """
        if list:
            print(listing())
            return 0
        given = given_of(settings, argv)
        share = {"gpus": gpus_per_run, "cpus": cpus_per_run}
        # a plan has settings by their own names
        with (
            contextlib.nullcontext() if plan else spoken(),
            variable("ENTREG_FRESH", "1" if fresh else None),
        ):
            configs, files = _configs(plan, grid, epsilons, seeds, preset, given)
            allow((code for config in configs for code in own_code(config)), allow_code)
            configs = _filled(configs, preset, given) if epsilons else configs
            if dry_run:
                print(cost.outline(configs, jobs))
                return 0
            _check_files(configs, files)
            runs = train_all(configs, cluster=cluster, jobs=jobs, **share)
        rule = "test split, last checkpoint, maps of the true class"
        print(f"{rule}; mean ± 95 % interval over seeds")
        for group in reports.groups(runs):
            print("\n" + reports.summary(group))
        return 0

    return tyro.cli(sweep, prog="python -m entreg_utils sweep", args=argv, config=CONFIG)


def _configs(
    plan: str, grid: str | None, epsilons, seeds, preset: str | None, given: dict
) -> tuple[list[Config], store.Files]:
    """The configs that the options of ``sweep`` describe; settings given change all of a grid."""
    if sum(map(bool, (plan, grid, epsilons))) != 1:
        raise ValueError("give one of PLAN, --grid and --epsilons: they say which runs")
    if epsilons:
        pairs = itertools.product(epsilons, seeds or grids.SEEDS)
        configs = [presets.config_of(preset, e, seed=s, **given) for e, s in pairs]
        return configs, store.Files()
    fixed = {"--seeds": seeds, "--regularizer": given.get("regularizer"), "--preset": preset}
    for option in (name for name, value in fixed.items() if value):
        what = "plan" if plan else "grid"
        raise ValueError(f"a {what} fixes its own {option}: use --epsilons, or a plan of your own")
    found = plans.load(plan) if plan else None
    configs = [replace(c, **given) for c in (found.configs if found else getattr(grids, grid))]
    return list(dict.fromkeys(configs)), found.files if found else store.Files()


def _filled(configs: list[Config], preset: str | None, given: dict) -> list[Config]:
    """Small folders of photographs work, unless somebody said how large a batch or an epoch is."""
    said = preset or {"batch_size", "epoch_images"} & set(given)
    return configs if said else presets.filled(configs)


def _check_files(configs: list[Config], wanted: store.Files) -> None:
    """Refuse other files than those that a plan says it is meant for."""
    for config in configs if wanted else []:
        # where none lie, what is stored is loaded, and a training will say so
        with contextlib.suppress(StorageError):
            here = store.files_of(config)
            for what in ("weights", "photographs"):
                mine, its = getattr(here, what), getattr(wanted, what)
                if its and mine and mine != its:
                    raise ValueError(
                        f"the plan is meant for other {what} ({its[:12]}) than those that lie here "
                        f"({mine[:12]}): put the right ones there, or take its [files] out"
                    )


def listing() -> str:
    """The plans that come with the package: name, number of runs, title, and the paper's part."""
    lines = []
    for name in plans.names():
        one = plans.load(name)
        lines.append(f"{name:18}{len(one.configs):4} runs  {one.title}")
        lines += [f"{'':29}{one.paper}"] if one.paper else []
    return "\n".join(lines)
