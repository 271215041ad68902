"""Numbers from runs: one row a run or a score, mean and interval over seeds, and choices."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.experiments import Run
from entreg_utils.fields import plain, plain_numbers, shown

SPLITS = ("train", "val", "test")
RULES = ("last", "validation", "test")  # by which an epoch is kept


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
        rows = [_place(name, value, run) for name, value in run.metrics.items()]
        for epoch, name, value in run.history.melt("epoch").itertuples(index=False):
            split, _, score = name.partition("_")
            split, score = (split, score) if split in SPLITS else ("train", name)
            rows.append((split, "each", epoch, score, value))
        own = pd.DataFrame(rows, columns=["split", "checkpoint", "epoch", "score", "value"])
        named = {"epsilon": run.config.epsilon, "seed": run.config.seed}
        named |= {name: config[name] for name in varied}
        parts.append(pd.DataFrame([named] * len(rows)).join(own))
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
    place = ({"epsilon": run.config.epsilon, "seed": run.config.seed} for run in some(runs))
    table = pd.DataFrame([own | run.metrics for own, run in zip(place, runs, strict=True)])
    methods = [run.config.method for run in runs]
    if len(set(methods)) > 1:  # otherwise a table over strengths alone
        table.insert(0, "method", methods)
    return table


def history(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a run and epoch: ``epsilon``, ``seed`` and the columns of ``Run.history``.
    ValueError: no runs."""
    parts = [r.history.assign(epsilon=r.config.epsilon, seed=r.config.seed) for r in some(runs)]
    return pd.concat(parts, ignore_index=True)


def over_seeds(table: pd.DataFrame, by: Sequence[str] = ("epsilon",)) -> pd.DataFrame:
    """Mean and half-width of the 95 % Student interval over seeds, per group of ``by``: columns
    (name, "mean") and (name, "half"). ValueError: no rows, or none of these columns.
    """
    require(table, "seed", *by)
    values = table.drop(columns=["seed"]).groupby(list(by), sort=True)
    return pd.concat(intervals(values), axis=1).swaplevel(axis=1).sort_index(axis=1)


def intervals(values) -> dict:
    """``mean`` of groups, and ``half``, the :func:`half_width` of each."""
    return {"mean": values.mean(), "half": values.agg(half_width)}


def half_width(values) -> float:
    """Half-width of the 95 % Student interval of a value a seed: NaN of one run, and where one
    lacks the score (an older record; a precision of nothing)."""
    whole = len(values) > 1 and np.isfinite(values).all()
    return metrics.seed_interval(values).half_width if whole else np.nan


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


@plain_numbers
def at_entropy(table: pd.DataFrame, score: str, entropy: float) -> pd.Series:
    """A score at a given entropy (nats), seed by seed, linear between the two strengths around it.

    Two regularisers are compared fairly at equal entropy, since their strengths mean different
    things.

    Args:
        table: rows of runs with ``seed``, ``entropy`` and ``score``, such as ``tables.final``.

    Returns:
        Indexed by seed; NaN where the seed's runs lie all on one side: nothing is extrapolated.

    Raises:
        ValueError: no rows, or none of these columns; an entropy that is no number.
    """
    require(table, "seed", "entropy", score)

    def one(rows: pd.DataFrame) -> float:
        rows = rows.sort_values("entropy")
        return float(np.interp(entropy, rows["entropy"], rows[score], left=np.nan, right=np.nan))

    return table.groupby("seed")[["entropy", score]].apply(one)


def by_checkpoint(history: pd.DataFrame, score: str, criterion: str = "") -> pd.DataFrame:
    """A score on test at the epoch that each rule keeps; the earliest where epochs are equal.

    The largest of several noisy numbers is too large, on average: it is chosen for its luck as
    well. So a score should not be reported on the images by which the checkpoint was chosen.

    Args:
        history: of ``tables.history``, with ``val_<criterion>``, ``test_<criterion>`` and
            ``test_<score>`` at every epoch.
        criterion: what the epoch is chosen by; ``score`` itself if empty.

    Returns:
        Indexed by (epsilon, seed): the score at the ``last`` epoch, and at the ones that are best
        on ``validation`` and on ``test``.

    Raises:
        ValueError: some epochs have no test scores: the runs did not watch test.
    """
    criterion = plain("criterion", str, criterion) or score
    require(history, "epsilon", "seed", "epoch")
    needed = [f"val_{criterion}", f"test_{criterion}", f"test_{score}"]
    absent = [name for name in needed if name not in history or history[name].isna().any()]
    if absent:
        raise ValueError(
            f"{', '.join(map(shown, absent))} is not there at every epoch: was test watched?"
        )

    def kept(own: pd.DataFrame) -> pd.Series:
        own = own.sort_values("epoch", ignore_index=True)
        epochs = [len(own) - 1, own[needed[0]].idxmax(), own[needed[1]].idxmax()]
        return pd.Series(own[needed[2]].to_numpy()[epochs], list(RULES))

    return history.groupby(["epsilon", "seed"])[[*dict.fromkeys(needed), "epoch"]].apply(kept)


def optimism(rules: pd.DataFrame) -> pd.DataFrame:
    """What choosing on test adds to a score of :func:`by_checkpoint`, seed by seed.

    Returns:
        Indexed by (epsilon, against), ``against`` being ``last`` or ``validation``: ``mean`` and
        ``half``, the half-width of the 95 % Student interval over seeds.
    """
    gains = {against: rules["test"] - rules[against] for against in RULES[:2]}
    gains = pd.concat(gains, names=["against"])
    return pd.DataFrame(intervals(gains.groupby(level=["epsilon", "against"])))
