"""What a sweep found, as text: the headline of each world, the choice, and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from entreg_utils.analysis import tables
from entreg_utils.experiments.command import rules_of
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.preparation import splits
from entreg_utils.experiments.runs import Run

# Scores of photographs, of which each data set has some; the baselines that see no image come last.
PHOTOGRAPHS = (
    *("accuracy", "mean_ap", "entropy", "pxap", "mpxap", "max_box_acc", "max_box_acc_carried"),
    *("max_box_acc_v2", "gt_known", "top1_loc", "constant_map", "centre_box"),
)


def worlds(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs, each once, grouped by all that a headline keeps fixed: not strength and seed.

    Where several regularisers share the rest, each is a group of its own, and the runs without any
    are in all of them.
    """
    groups: dict[Config, dict[str, list[Run]]] = {}
    for run in {run.config: run for run in runs}.values():
        fixed = replace(run.config, regularizer="none", strength=0.0, seed=0)
        groups.setdefault(fixed, {}).setdefault(run.config.regularizer, []).append(run)
    found = []
    for by_name in groups.values():
        plain = by_name.get("none", [])
        found += [plain + own for name, own in by_name.items() if name != "none"] or [plain]
    return found


def summary(runs: Sequence[Run]) -> str:
    """The headline of one world, the choice made on validation, and the baselines."""
    config = runs[0].config
    names = sorted({run.config.regularizer for run in runs} - {"none"}) or ["no regularizer"]
    changed = [f"{name}={value}" for name, value in _changed(config).items()]
    parts = [f"{', '.join(names)}; {', '.join(changed) or 'default world and recipe'}"]
    seeds: dict[float, set[int]] = {}
    for run in runs:
        seeds.setdefault(run.config.epsilon, set()).add(run.config.seed)
    with_intervals = min(map(len, seeds.values())) > 1
    toy = config.dataset == "toy"
    if with_intervals:
        parts.append((tables.headline(runs) if toy else _photographs(runs)).to_string())
    else:
        columns = tables.HEADLINE if toy else _titles(runs)
        columns = {"epsilon": "ε", "seed": "seed", **columns}
        table = tables.final(runs).sort_values(["epsilon", "seed"])[list(columns)]
        parts.append(table.rename(columns=columns).round(3).to_string(index=False))
        parts.append("One seed has no interval: give at least two --seeds for one.")
    if not toy:  # the baselines are columns of the table
        return "\n".join(parts)
    if len(seeds) > 1 and with_intervals and 0.0 in seeds:
        parts.append(tables.verdict(runs))
    elif len(seeds) > 1:
        parts.append(f"Best on validation (PxAP, mean over seeds): ε = {tables.choose(runs):g}.")
    parts.append("Without any classifier, on the same images:")
    parts.append(tables.baselines(splits(config)[2]).to_string())
    return "\n".join(parts)


def _photographs(runs: Sequence[Run]) -> pd.DataFrame:
    """Per epsilon, each score that the data set has as ``mean ± half-width`` over seeds."""
    scores = tables.over_seeds(tables.final(runs))
    columns = {
        title: [
            f"{mean:.3f} ± {half:.3f}"
            for mean, half in zip(scores[name]["mean"], scores[name]["half"], strict=True)
        ]
        for name, title in _titles(runs).items()
    }
    return pd.DataFrame(columns, index=scores.index.rename("ε"))


def _titles(runs: Sequence[Run]) -> dict[str, str]:
    """Scores that all of the runs have, and what they are called."""
    rules = rules_of(runs[0].config)
    return {
        name: rules[name][0].strip()
        for name in PHOTOGRAPHS
        if all(name in run.metrics for run in runs)
    }


def _changed(config: Config) -> dict:
    """Fields that differ from the default, apart from strength and seed."""
    plain = Config().to_dict()
    decided = ("regularizer", "strength", "seed")
    return {
        name: value
        for name, value in config.to_dict().items()
        if value != plain[name] and name not in decided
    }
