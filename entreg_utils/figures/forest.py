"""Changes with their intervals, a row each: the plot that effect sizes are read from."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from entreg_utils.figures.style import OKABE_ITO

GREY = "0.45"


def forest(axes: Axes, changes: pd.DataFrame) -> None:
    """Draw changes in points with their 95 % intervals, a row each from the top; zero is marked.

    Thick: the paired bootstrap over images and seeds, ``low`` to ``high``, green where it leaves
    zero out. Thin, below it: Student's over the seeds alone, ``change`` plus and minus ``half``.
    Both are labelled for a legend.

    Args:
        changes: rows as of ``analysis.change``: ``change``, ``low``, ``high`` and ``half`` in 0..1;
            the index names them.
    """
    points = 100 * changes[["change", "low", "high", "half"]].astype(float)
    labels = ["95 %, images and seeds", "95 %, seeds alone (Student)"]  # once, not in every row
    for row, own in enumerate(points.itertuples()):
        colour = OKABE_ITO["green"] if own.low > 0 or own.high < 0 else GREY
        thick, thin = labels if row == 0 else (None, None)
        axes.plot([own.low, own.high], [row] * 2, color=colour, lw=5, alpha=0.5, label=thick)
        axes.plot(own.change, row, "o", color=colour, ms=7)
        ends = [own.change - own.half, own.change + own.half]
        axes.plot(ends, [row + 0.25] * 2, "|-", color="black", lw=1, ms=6, label=thin)
        axes.annotate(
            f"{own.change:+.1f}", (own.change, row), (0, 7), textcoords="offset points",
            ha="center", bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.3},
        )  # fmt: skip
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(points)), points.index)
    axes.set_ylim(len(points) - 0.4, -0.7)
    axes.grid(axis="y", visible=False)
