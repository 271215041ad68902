"""Regularisers at the same entropy of the prediction: scores, paired differences, and in words.

A ``tables`` maps the name of a regulariser to rows of its runs (``tables.final``): ``epsilon``,
``seed``, ``entropy`` and scores. The runs without regularisation belong to each, as strength 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from entreg_utils import metrics
from entreg_utils.analysis import compare as comparisons

ER = "kl_uniform"
NAMES = {
    ER: "ER, label smoothing",  # the same gradients at equal epsilon: training.regularised_loss
    "confidence_penalty": "confidence penalty",
    "jeffreys": "Jeffreys",
    "jsd": "JSD",
}
INSIDE, MISSED = "contains 0", "not reached"


def differences(
    tables: Mapping[str, pd.DataFrame], scores: Sequence[str], entropies: Sequence[float]
) -> pd.DataFrame:
    """Scores at given entropies (nats), and paired differences to ER, seed by seed.

    Returns:
        Indexed by (score, entropy, regularizer), ER first: ``value``, mean over the seeds;
        ``change``, mean of the differences to ER at the same entropy and seed (0 for ER); ``half``,
        half-width of their 95 % Student interval; ``seeds``, in how many both sides reach the
        entropy; ``verdict``: ``higher``, ``lower``, :data:`INSIDE`, or :data:`MISSED` with fewer
        than two such seeds (then the numbers are NaN), and empty for ER.

    Raises:
        KeyError: ER is not among the tables.
    """
    rows = {}
    for score in scores:
        for entropy in entropies:
            own = {n: comparisons.at_entropy(t, score, entropy) for n, t in tables.items()}
            known = own.pop(ER).dropna()
            rows[score, entropy, ER] = known.mean(), 0.0, math.nan, len(known), ""
            for name, values in own.items():
                pair = pd.concat([known, values], axis=1, join="inner").dropna().to_numpy()
                if len(pair) < 2:
                    rows[score, entropy, name] = *[math.nan] * 3, len(pair), MISSED
                    continue
                change, half = metrics.seed_interval(pair[:, 1] - pair[:, 0])
                verdict = INSIDE if abs(change) <= half else ("lower", "higher")[change > 0]
                rows[score, entropy, name] = pair[:, 1].mean(), change, half, len(pair), verdict
    columns = ["value", "change", "half", "seeds", "verdict"]
    table = pd.DataFrame(list(rows.values()), columns=columns)
    table.index = pd.MultiIndex.from_tuples(rows, names=["score", "entropy", "regularizer"])
    return table


def tally(table: pd.DataFrame) -> str:
    """How many intervals of :func:`differences` leave out zero, and how many would by chance."""
    rivals = table.drop(ER, level="regularizer")
    counted = rivals[rivals.verdict != MISSED]
    apart, missed = int((counted.verdict != INSIDE).sum()), len(rivals) - len(counted)
    said = (
        f"Of {len(counted)} paired differences to ER {apart} have an interval without zero; "
        f"without any difference one expects {0.05 * len(counted):.1f}."
    )
    return said + (f" {missed} could not be taken: that entropy was not reached." if missed else "")


def verdicts(table: pd.DataFrame, score: str) -> list[str]:
    """One line a regulariser: at which entropies its interval leaves out zero, and on which side.

    Args:
        table: of :func:`differences`.
    """
    rivals, lines = table.loc[score].drop(ER, level="regularizer"), []
    for name, rows in rivals.groupby(level="regularizer", sort=False):
        said = {side: rows[rows.verdict == side] for side in ("higher", "lower", INSIDE, MISSED)}
        at = {side: ", ".join(f"{h:.2f}" for h, _ in own.index) for side, own in said.items()}
        words = [f"{side} than ER at {at[side]} nats" for side in ("higher", "lower") if at[side]]
        words += [f"interval {INSIDE} at {at[INSIDE]} nats"] if at[INSIDE] else []
        words += [f"{at[MISSED]} nats {MISSED}"] if at[MISSED] else []
        lines.append(f"{NAMES[name]}: {'; '.join(words)}")
    return lines


def readable(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """:func:`differences` as text: the value, in brackets the paired difference and its half-width.

    Args:
        titles: score -> title of its column.

    Returns:
        Indexed by (nats, regulariser).
    """
    cells = {}
    for (score, entropy, name), row in table.loc[list(titles)].iterrows():
        text = f"{row.value:.3f}"
        if name != ER:
            text += f" ({row.change:+.3f} ± {row.half:.3f})"
        if row.verdict == MISSED:
            text = MISSED
        cells.setdefault((f"{entropy:.2f}", NAMES[name]), {})[titles[score]] = text
    return pd.DataFrame.from_dict(cells, orient="index").rename_axis(["nats", "regulariser"])
