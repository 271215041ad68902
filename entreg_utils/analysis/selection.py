"""What choosing the checkpoint does to a score that is reported on the images it was chosen by.

The largest of several noisy numbers is too large, on average: it is chosen for its luck as well.
"""

from __future__ import annotations

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

    def kept(own: pd.DataFrame) -> pd.Series:
        own = own.sort_values("epoch", ignore_index=True)
        epochs = [len(own) - 1, own[needed[0]].idxmax(), own[needed[1]].idxmax()]
        return pd.Series(own[needed[2]].to_numpy()[epochs], list(RULES))

    return history.groupby(["epsilon", "seed"])[[*dict.fromkeys(needed), "epoch"]].apply(kept)


def optimism(rules: pd.DataFrame) -> pd.DataFrame:
    """What choosing the checkpoint on test adds, seed by seed, per epsilon.

    Args:
        rules: of :func:`by_checkpoint`.

    Returns:
        Indexed by (epsilon, against), ``against`` being ``last`` or ``validation``: ``mean`` and
        ``half``, the half-width of the 95 % Student interval over seeds.
    """
    rows = {
        (epsilon, against): metrics.seed_interval(own["test"] - own[against])
        for epsilon, own in rules.groupby(level="epsilon")
        for against in RULES[:2]
    }
    index = pd.MultiIndex.from_tuples(rows, names=["epsilon", "against"])
    return pd.DataFrame(list(rows.values()), index).set_axis(["mean", "half"], axis=1)
