"""From runs to tables: one row a run, then mean and interval over seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.experiments import Run
from entreg_utils.fields import plain, plain_numbers, shown

SPLITS = ("train", "val", "test")
# The headline: column of the metrics, and how a reader calls it with its rules.
HEADLINE = {
    "accuracy": "accuracy",
    "entropy": "entropy (nats)",
    "pxap": "PxAP",
    "max_box_acc": "MaxBoxAcc (oracle)",
    "max_box_acc_carried": "BoxAcc (carried)",
    "gt_known": "GT-known Loc (0.15)",
    "top1_loc": "Top-1 Loc (0.15)",
}


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """One long table of runs: a row for each score at each place where it was measured.

    Returns:
        Columns: ``epsilon``, ``seed`` and every setting that the runs differ in; ``split``;
        ``checkpoint``: ``each`` for the rows of an epoch, ``last`` or ``best`` for final scores;
        ``epoch``; ``score``, without its split and checkpoint; ``value``.

    Raises:
        ValueError: no runs.
    """
    configs = [run.config.to_dict() for run in some(runs)]
    varied = [name for name in configs[0] if any(c[name] != configs[0][name] for c in configs)]
    parts = []
    for run, config in zip(runs, configs, strict=True):
        named = {"epsilon": run.config.epsilon, "seed": run.config.seed}
        named |= {name: config[name] for name in varied}
        rows = [_place(name, value, run) for name, value in run.metrics.items()]
        for name in run.history.columns.drop("epoch"):
            split, _, score = name.partition("_")
            split, score = (split, score) if split in SPLITS else ("train", name)
            values = zip(run.history["epoch"], run.history[name], strict=True)
            rows += [(split, "each", epoch, score, value) for epoch, value in values]
        own = pd.DataFrame(rows, columns=["split", "checkpoint", "epoch", "score", "value"])
        for column, (name, value) in enumerate(named.items()):
            own.insert(column, name, [value] * len(own))
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


def some(runs: Sequence[Run]) -> Sequence[Run]:
    """The runs; ValueError for none."""
    if not len(runs):
        raise ValueError("there are no runs: give at least one")
    return runs


def require(table: pd.DataFrame, *columns: str) -> None:
    """ValueError for a table without rows, or without one of these columns."""
    for name in columns:
        if not (isinstance(name, str) and name in table):
            has = ", ".join(map(str, table.columns))
            raise ValueError(f"the table has no column {shown(name)}: it has {has or 'none'}")
    if not len(table):
        raise ValueError("the table has no rows: give one of one run or more")


def _place(name: str, value: float, run: Run) -> tuple:
    """Split, checkpoint, epoch, score and value of a final score."""
    best = name.endswith("_best")
    name = name.removesuffix("_best")
    split = "val" if name.startswith("val_") else "test"
    epoch = run.selection["epoch"] if best and run.selection else int(run.history["epoch"].iloc[-1])
    return split, "best" if best else "last", epoch, name.removeprefix("val_"), value


def final(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a run: ``epsilon``, ``seed`` and every final metric; ``method`` where they differ.
    ValueError: no runs."""
    own = ({"epsilon": run.config.epsilon, "seed": run.config.seed} for run in some(runs))
    rows = [place | run.metrics for place, run in zip(own, runs, strict=True)]
    table = pd.DataFrame(rows)
    methods = [run.config.method for run in runs]
    if len(set(methods)) > 1:  # otherwise a table over strengths alone
        table.insert(0, "method", methods)
    return table


def history(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a run and epoch: ``epsilon``, ``seed`` and the columns of ``Run.history``.
    ValueError: no runs."""
    configs = [run.config for run in some(runs)]
    parts = [
        run.history.assign(epsilon=config.epsilon, seed=config.seed)
        for config, run in zip(configs, runs, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def over_seeds(table: pd.DataFrame, by: Sequence[str] = ("epsilon",)) -> pd.DataFrame:
    """Mean and half-width of the 95 % Student interval over seeds, per group of ``by``: columns
    (name, "mean") and (name, "half"). ValueError: no rows, or none of these columns.
    """
    require(table, "seed", *by)
    values = table.drop(columns=["seed"]).groupby(list(by), sort=True)
    return pd.concat(intervals(values), axis=1).swaplevel(axis=1).sort_index(axis=1)


def intervals(values) -> dict:
    """``mean`` of groups, and ``half``, the half-width of the 95 % Student interval: NaN of one
    run, and where one lacks the score (an older record; a precision of nothing)."""

    def half(column: pd.Series) -> float:
        whole = len(column) > 1 and column.notna().all()
        return metrics.seed_interval(column).half_width if whole else np.nan

    return {"mean": values.mean(), "half": values.agg(half)}


@plain_numbers
def paired(
    table: pd.DataFrame, score: str, plain: float, treated: float, by: str = "method"
) -> pd.DataFrame:
    """Change of a score from one epsilon to another, seed by seed, within each group of ``by``:
    ``mean`` and ``half``, the half-width of the 95 % Student interval.

    A seed fixes initial weights and order of the images in both runs, so their difference varies
    less than the runs do.

    Raises:
        ValueError: a group lacks one of the two epsilons for some seed, or the table a column.
    """
    require(table, by, "seed", "epsilon", score)
    wide = table.pivot(index=[by, "seed"], columns="epsilon", values=score)[[plain, treated]]
    if wide.isna().any().any():
        group, seed = wide[wide.isna().any(axis=1)].index[0]
        raise ValueError(f"{by} {group!r} has no pair of runs at seed {seed}: pairs need both")
    return pd.DataFrame(intervals((wide[treated] - wide[plain]).groupby(level=by)))


def headline(runs: Sequence[Run], titles: dict[str, str] = HEADLINE) -> pd.DataFrame:
    """Per epsilon, each of the scores that the runs have, as ``mean ± half-width`` of the 95 %
    interval over seeds (the mean alone for one seed), under its title. ValueError: no runs.
    """
    summary = over_seeds(final(runs))
    present = set(summary.columns.get_level_values(0))
    columns = {
        title: [_with_half(*row) for row in summary[name][["mean", "half"]].to_numpy()]
        for name, title in titles.items()
        if name in present
    }
    return pd.DataFrame(columns, index=summary.index.rename("ε"))


def _with_half(mean: float, half: float) -> str:
    return f"{mean:.3f}" + (f" ± {half:.3f}" if np.isfinite(half) else "")


def baselines(dataset) -> pd.DataFrame:
    """What needs no classifier: one centred box, and a constant map, on the same images.

    The side of the box is chosen on these images (an oracle, as for MaxBoxAcc); the constant map
    scores the share of object pixels as PxAP. The split has boxes and masks, at its own ``frame``.
    """
    size = dataset.frame
    box = metrics.centre_box_baseline(dataset.boxes_at(size), size).max_box_acc
    masks = [mask for mask, _ in dataset.masks_at(size)]
    pixels = metrics.constant_map_baseline(masks, size=size)
    rows = {
        "centred box": {"PxAP": "-", "MaxBoxAcc (oracle)": f"{box:.3f}"},
        "constant map": {"PxAP": f"{pixels:.3f}", "MaxBoxAcc (oracle)": "-"},
    }
    return pd.DataFrame(rows).T


def criterion(runs: Sequence[Run]) -> str:
    """The score of validation by which choices are made: localisation where it is measured."""
    known = runs[0].metrics
    wanted = ("val_mpxap", "val_pxap", "val_max_box_acc", "val_mean_ap", "val_accuracy")
    return next(name for name in wanted if name in known)


def choose(runs: Sequence[Run], score: str = "val_pxap") -> float:
    """The epsilon with the best mean of a validation score over seeds: how choices are made here.

    Raises:
        ValueError: the score is not one of validation, or there are no runs.
    """
    if not plain("score", str, score).startswith("val_"):
        raise ValueError(f"{score!r} is measured on test: choose by val_pxap or val_accuracy")
    table = final(runs)
    require(table, score)
    return float(table.groupby("epsilon")[score].mean().idxmax())


def verdict(runs: Sequence[Run]) -> str:
    """One sentence on the claim: the best epsilon (chosen on validation) against none, on test.
    ValueError: no runs."""
    best, summary = choose(runs), over_seeds(final(runs))
    pxap, accuracy = summary["pxap"], summary["accuracy"]["mean"]
    plain, chosen = pxap.loc[0.0], pxap.loc[best]
    here, there = (_with_half(row["mean"], row["half"]) for row in (chosen, plain))
    apart = abs(chosen["mean"] - plain["mean"]) > chosen["half"] + plain["half"]
    last = pxap.index[-1]
    return (
        f"At ε = {best:g}, chosen on validation, PxAP is {here} against {there} at ε = 0; the "
        f"intervals {'do not touch' if apart else 'overlap'}; accuracy changes by "
        f"{accuracy[best] - accuracy[0.0]:+.3f}; at ε = {last:g} PxAP is {pxap['mean'][last]:.3f}."
    )


def markdown(table: pd.DataFrame) -> str:
    """A table as GitHub's Markdown, index first."""
    rows = [[table.index.name or "", *table.columns], ["---"] * (table.shape[1] + 1)]
    rows += [[index, *row] for index, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def report(runs: Sequence[Run], dataset) -> str:
    """The headline as Markdown: scores per epsilon, baselines in the same columns, the verdict."""
    scores = headline(runs)
    blind = baselines(dataset).reindex(columns=scores.columns, fill_value="-")
    table = pd.concat([scores.set_axis([f"{e:g}" for e in scores.index]), blind])
    return f"{markdown(table.rename_axis('ε'))}\n\n{verdict(runs)}"
