"""Regularisers at the same entropy of the prediction: scores, paired differences, and in words.

A ``tables`` maps the name of a regulariser to rows of its runs (``tables.final``): ``epsilon``,
``seed``, ``entropy`` and scores. The runs without regularisation belong to each, as strength 0.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from entreg_utils.analysis.compare import at_entropy
from entreg_utils.analysis.tables import intervals

ER = "kl_uniform"
NAMES = {
    ER: "ER, label smoothing",  # the same gradients at equal epsilon: training.regularised_loss
    "confidence_penalty": "confidence penalty",
    "jeffreys": "Jeffreys",
    "jsd": "JSD",
}
INSIDE, MISSED = "contains 0", "not reached"


def differences_by_seed(
    tables: Mapping[str, pd.DataFrame], scores: Iterable[str], entropies: Iterable[float]
) -> pd.DataFrame:
    """Scores at given entropies (nats), seed by seed, beside ER's at the same entropy and seed.

    Returns:
        A row a pair: ``score``, ``entropy``, ``regularizer``, ``seed``, ``value`` and ``change``,
        the difference to ER (0 for ER itself). Only seeds in which both sides reach the entropy;
        with fewer than two of them the regulariser has no row.
    """
    rows, entropies = [], list(entropies)
    for place in ((score, entropy) for score in scores for entropy in entropies):
        known = at_entropy(tables[ER], *place)
        for name in (ER, *(name for name in tables if name != ER)):
            values = at_entropy(tables[name], *place)
            both = pd.DataFrame({"value": values, "change": values - known}).dropna()
            if len(both) > 1:
                rows += [(*place, name, *row) for row in both.itertuples()]
    columns = ["score", "entropy", "regularizer", "seed", "value", "change"]
    return pd.DataFrame(rows, columns=columns)


def differences(
    tables: Mapping[str, pd.DataFrame], scores: Sequence[str], entropies: Sequence[float]
) -> pd.DataFrame:
    """Mean of :func:`differences_by_seed` over the seeds, with its interval and a verdict.

    Returns:
        Indexed by (score, entropy, regularizer), ER first: ``value`` and ``change``, means;
        ``half``, half-width of the change's 95 % Student interval; ``seeds``, how many pairs;
        ``verdict``: ``higher``, ``lower``, :data:`INSIDE`, :data:`MISSED` where there are no pairs
        (the numbers are NaN), and empty for ER.
    """
    place = ["score", "entropy", "regularizer"]
    groups = differences_by_seed(tables, scores, entropies).groupby(place)
    names = [ER, *(name for name in tables if name != ER)]
    found = intervals(groups.change)
    found = {"value": groups.value.mean(), "change": found["mean"], "half": found["half"]}
    index = pd.MultiIndex.from_product([scores, entropies, names], names=place)
    table = pd.DataFrame(found | {"seeds": groups.size()}).reindex(index)
    own = index.get_level_values("regularizer") == ER
    known = [own, table.seeds.isna(), table.change.abs() <= table.half, table.change > 0]
    table["verdict"] = np.select(known, ["", MISSED, INSIDE, "higher"], "lower")
    table.loc[own, "half"] = math.nan
    return table.fillna({"seeds": 0}).astype({"seeds": int})


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


def verdicts(table: pd.DataFrame, score: str, names: Mapping[str, str] = NAMES) -> list[str]:
    """A line a regulariser of :func:`differences`: where its interval leaves out zero, and how.

    ``names``: regulariser -> how it is called; what is not in it keeps its own name.
    """
    rivals, lines = table.loc[score].drop(ER, level="regularizer"), []
    for name, rows in rivals.groupby(level="regularizer", sort=False):
        said = {side: rows[rows.verdict == side] for side in ("higher", "lower", INSIDE, MISSED)}
        at = {side: ", ".join(f"{h:.2f}" for h, _ in own.index) for side, own in said.items()}
        words = [f"{side} than ER at {at[side]} nats" for side in ("higher", "lower") if at[side]]
        words += [f"interval {INSIDE} at {at[INSIDE]} nats"] if at[INSIDE] else []
        words += [f"{at[MISSED]} nats {MISSED}"] if at[MISSED] else []
        lines.append(f"{names.get(name, name)}: {'; '.join(words)}")
    return lines


def readable(
    table: pd.DataFrame, titles: Mapping[str, str], names: Mapping[str, str] = NAMES
) -> pd.DataFrame:
    """:func:`differences` as text, by (nats, regulariser): the value, in brackets the paired
    difference and its half-width. ``titles``: score -> title of its column; ``names`` as of
    :func:`verdicts`.
    """
    cells = {}
    for (score, entropy, name), row in table.loc[list(titles)].iterrows():
        text = f"{row.value:.3f}"
        if name != ER:
            text += f" ({row.change:+.3f} ± {row.half:.3f})"
        if row.verdict == MISSED:
            text = MISSED
        place = f"{entropy:.2f}", names.get(name, name)
        cells.setdefault(place, {})[titles[score]] = text
    return pd.DataFrame.from_dict(cells, orient="index").rename_axis(["nats", "regulariser"])
