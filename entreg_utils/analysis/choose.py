"""What choosing does to a score: checkpoints, seeds and strengths picked where they are reported.

The largest of several noisy numbers is too large, on average: it is chosen for its luck as well.
Each function puts a size to one kind of choice, from numbers that are there already.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from entreg_utils import metrics

RULES = ("last", "validation", "test")


def by_checkpoint(history: pd.DataFrame, score: str, criterion: str = "") -> pd.DataFrame:
    """A score on test at the epoch that each rule keeps; the earliest where epochs are equal.

    Args:
        history: of ``tables.history``, with ``val_<criterion>``, ``test_<criterion>`` and
            ``test_<score>`` at every epoch.
        score: what is reported.  criterion: what the epoch is chosen by; ``score`` itself if empty.

    Returns:
        Indexed by (epsilon, seed): the score at the ``last`` epoch, at the one that is best on
        ``validation``, and at the one that is best on ``test``.

    Raises:
        ValueError: some epochs have no test scores: the runs did not watch test.
    """
    criterion = criterion or score
    needed = [f"val_{criterion}", f"test_{criterion}", f"test_{score}"]
    absent = [name for name in needed if name not in history or history[name].isna().any()]
    if absent:
        raise ValueError(f"{', '.join(absent)} is not there at every epoch: was test watched?")
    rows = {}
    for key, own in history.groupby(["epsilon", "seed"]):
        own = own.sort_values("epoch").reset_index(drop=True)
        kept = (len(own) - 1, own[needed[0]].idxmax(), own[needed[1]].idxmax())
        rows[key] = [own[f"test_{score}"][epoch] for epoch in kept]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(RULES))
    table.index = pd.MultiIndex.from_tuples(rows, names=["epsilon", "seed"])
    return table


def optimism(rules: pd.DataFrame) -> pd.DataFrame:
    """What choosing the checkpoint on test adds, seed by seed, per epsilon.

    Args:
        rules: of :func:`by_checkpoint`.

    Returns:
        Indexed by (epsilon, against), ``against`` being ``last`` or ``validation``: ``mean`` and
        ``half``, the half-width of the 95 % Student interval over seeds.
    """
    rows = {}
    for epsilon, own in rules.groupby(level="epsilon"):
        for against in RULES[:2]:
            rows[epsilon, against] = metrics.seed_interval(own["test"] - own[against])._asdict()
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(rows, names=["epsilon", "against"])
    return table.set_axis(["mean", "half"], axis=1)


def best_of(scores, count: int) -> float:
    """Expected maximum of ``count`` of the scores, drawn without replacement: all subsets' mean.

    Raises:
        ValueError: ``count`` is not between 1 and the number of scores.
    """
    scores = list(scores)
    if not 1 <= count <= len(scores):
        raise ValueError(f"the best of {count} cannot be had from {len(scores)} scores")
    return float(np.mean([max(chosen) for chosen in itertools.combinations(scores, count)]))


def one_seed(plain: Mapping[int, float], treated: Mapping[int, float], factor: float = 1.5) -> dict:
    """Every comparison that one run of each could have given.

    Args:
        plain, treated: seed -> score.  factor: a gain above ``factor`` times the mean gain counts
            as exaggerated.

    Returns:
        ``change``: (S, S') differences, a row a seed of ``plain``, a column one of ``treated``;
        ``matched``: bool of that shape, the two have one seed; ``mean``: of all pairs;
        ``opposite``: share of pairs whose sign is not that of the mean; ``exaggerated``: share of
        pairs beyond ``factor`` times the mean.
    """
    before, after = pd.Series(plain).sort_index(), pd.Series(treated).sort_index()
    change = after.to_numpy()[None, :] - before.to_numpy()[:, None]
    mean = float(change.mean())
    return {
        "change": change,
        "matched": before.index.to_numpy()[:, None] == after.index.to_numpy()[None, :],
        "mean": mean,
        "opposite": float((change * np.sign(mean) <= 0).mean()),
        "exaggerated": float((change * np.sign(mean) > factor * abs(mean)).mean()),
    }
