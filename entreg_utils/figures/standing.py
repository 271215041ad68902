"""Where things stand: scores by the size of the object, and published scores beside a blind box.

All give ``(Figure, sentence)``.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.figures.style import OKABE_ITO

GREY = "#777777"
SERIES = {  # column: (label, colour)
    "centre": ("centred box", GREY),
    "plain": ("ε = 0", OKABE_ITO["blue"]),
    "treated": ("ER", OKABE_ITO["vermillion"]),
}


def sizes(table: pd.DataFrame, edges: tuple[float, float]) -> tuple[Figure, str]:
    """Box accuracy of small, medium and large objects, and the gain in each group.

    Args:
        table: indexed by group, ``all`` last: ``images``, then in 0..1 ``centre``, ``plain``,
            ``treated``, and ``low``, ``high``, the interval of ``treated - plain``.
        edges: the shares of the frame between the groups.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.5), width_ratios=[1.6, 1])
    x = np.arange(len(table))
    for step, (column, (label, colour)) in enumerate(SERIES.items()):
        bars = left.bar(
            x + 0.27 * (step - 1), 100 * table[column], 0.25, color=colour, label=label, alpha=0.85
        )
        left.bar_label(bars, [f"{100 * v:.0f}" for v in table[column]], fontsize=8, padding=1)
    ranges = [f"below {edges[0]:.0%}", f"to {edges[1]:.0%}", f"from {edges[1]:.0%}"]
    names = dict(zip(("small", "medium", "large"), ranges, strict=True)) | {"all": ""}
    labels = [f"{g}\n{names[g]}\nn = {int(n)}" for g, n in table.images.items()]
    left.set_xticks(x, labels)
    left.set_yticks(range(0, 101, 20))
    left.set_ylabel("BoxAcc, % of images")
    left.set_ylim(0, 120)
    left.legend(ncols=3, loc="upper left", fontsize=9)
    left.grid(axis="x", visible=False)
    for row, (_, own) in enumerate(table.iterrows()):
        clear = own.low > 0 or own.high < 0
        colour = OKABE_ITO["green"] if clear else GREY
        right.plot([100 * own.low, 100 * own.high], [row, row], color=colour, lw=3, alpha=0.4)
        right.plot(100 * (own.treated - own.plain), row, "o", color=colour, ms=7)
    right.axvline(0, color="black", lw=0.8)
    right.set_yticks(x, list(table.index))
    right.set_ylim(len(x) - 0.5, -0.5)
    right.grid(axis="y", visible=False)
    right.set_xlabel("gain of ER in points, 95 % interval")
    said = "; ".join(
        f"{group} {100 * own.centre:.1f}, {100 * own.plain:.1f}, {100 * own.treated:.1f}"
        for group, own in table.iterrows()
    )
    return figure, f"Centred box, ε = 0, ER, in % of the images found: {said}."


def above_the_box(
    published: pd.DataFrame, centres: Mapping[str, float], measured: Mapping[str, tuple]
) -> tuple[Figure, str]:
    """How far scores lie above the best centred box of their own metric and test images.

    Args:
        published: columns ``method``, ``metric`` (a key of ``centres``), ``score`` in %.
        centres: metric -> score of the centred box on the same test list, in %.
        measured: name -> (score, score of the centred box on the same images), in %.
    """
    rows = [
        (f"{r.method}: {r.metric} {r.score:.1f}", r.score - centres[r.metric], False)
        for r in published.itertuples()
    ]
    rows += [
        (f"{name} {score:.1f}", score - centre, True) for name, (score, centre) in measured.items()
    ]
    rows.sort(key=lambda row: row[1])
    figure, axes = plt.subplots(figsize=(9.0, 0.3 * len(rows) + 1.1))
    y = np.arange(len(rows))
    colours = [OKABE_ITO["vermillion"] if own else OKABE_ITO["skyblue"] for _, _, own in rows]
    gaps = np.array([gap for _, gap, _ in rows])
    axes.barh(y, gaps, color=colours, height=0.65)
    for at, gap in zip(y, gaps, strict=True):
        side = "left" if gap >= 0 else "right"
        axes.text(gap + (0.5 if gap >= 0 else -0.5), at, f"{gap:+.1f}", va="center", ha=side)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(y, [name for name, _, _ in rows], fontsize=9)
    axes.set_xlim(min(gaps.min() - 6, -6), gaps.max() + 6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("points above the best centred box, same metric and images")
    axes.set_title("light: as published, not run here.  red: measured here", fontsize=10)
    theirs = [gap for _, gap, own in rows if not own]
    ours = [gap for _, gap, own in rows if own]
    return figure, (
        f"Published scores lie {min(theirs):+.1f} to {max(theirs):+.1f} points from the centred "
        f"box of their metric; ours, on fewer classes and with a small network, {min(ours):+.1f} "
        f"to {max(ours):+.1f}."
    )
