"""One training, photographs of several sizes: where the map is found depends on what it is shown.

Scores are shares of images, 0..1, shown in percent or points. ``(Figure, sentence)``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.analysis.tables import over_seeds
from entreg_utils.figures.style import OKABE_ITO

COLOURS = (OKABE_ITO["blue"], OKABE_ITO["vermillion"])
GREY = "#777777"
PANELS = {
    "max_box_acc": "MaxBoxAcc (oracle), %",
    "gt_known": "GT-known Loc (0.15), %",
    "accuracy": "accuracy, %",
}


def over_sizes(
    table: pd.DataFrame, changes: pd.DataFrame, centre_box: float, trained: int
) -> tuple[Figure, str]:
    """Box scores and accuracy of finished networks over the side of the photographs shown to them.

    Args:
        table: runs with ``size`` (pixels), ``seed``, two values of ``epsilon``, one of them 0, and
            the scores of :data:`PANELS`.
        changes: of ``max_box_acc`` from epsilon 0 to the other, by size, rows of
            ``comparisons.change``.
        centre_box: of the same images, 0..1.  trained: side in training, pixels.
    """
    summary = over_seeds(table, ("epsilon", "size"))
    strengths = sorted(set(table.epsilon))
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.6), sharex=True)
    for panel, (score, title) in zip(axes, PANELS.items(), strict=True):
        for epsilon, colour, marker in zip(strengths, COLOURS, "os", strict=True):
            own = 100 * summary[score].loc[epsilon]
            panel.errorbar(
                own.index, own["mean"], own["half"], color=colour, marker=marker, ms=5, capsize=2,
                label=f"ε = {epsilon:g}",
            )  # fmt: skip
        panel.axvline(trained, color="#bbbbbb", lw=6, alpha=0.4, zorder=0)
        panel.set_xticks(sorted(set(table["size"])))
        panel.set_xlabel("side of the photograph, pixels")
        panel.set_ylabel(title)
    axes[0].axhline(100 * centre_box, color=GREY, ls="--", lw=1.2)
    axes[0].annotate(
        "centred box", (0, 100 * centre_box), (3, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", color=GREY, fontsize=9,
    )  # fmt: skip
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=9
    )
    return figure, _sentence(summary, changes, centre_box, trained, strengths)


def _sentence(summary, changes, centre_box: float, trained: int, strengths: list) -> str:
    score = summary["max_box_acc"]["mean"]
    plain, treated = strengths
    best = score.idxmax()
    signs = {
        "raises it": changes.index[changes["low"] > 0],
        "lowers it": changes.index[changes["high"] < 0],
    }
    said = [
        f"{word} at {', '.join(f'{size:g}' for size in sizes)} pixels"
        for word, sizes in signs.items()
        if len(sizes)
    ]
    ends = [
        f"{100 * changes.loc[size, 'change']:+.1f} ({100 * changes.loc[size, 'low']:+.1f} to "
        f"{100 * changes.loc[size, 'high']:+.1f}) at {size:g}"
        for size in (trained, changes.index.max())
    ]
    return (
        f"Trained at {trained} pixels (grey), the maps at ε = {plain:g} reach "
        f"{100 * score[plain].max():.1f} % at {score[plain].idxmax():g} pixels, those at "
        f"ε = {treated:g} {100 * score[treated].max():.1f} % at {score[treated].idxmax():g}; the "
        f"centred box has {100 * centre_box:.1f}, and the best point lies "
        f"{abs(100 * (score[best] - centre_box)):.1f} points "
        f"{'above' if score[best] > centre_box else 'below'}. ER changes MaxBoxAcc by "
        f"{' and '.join(ends)} points; with an interval that leaves zero out it "
        f"{' and '.join(said) if said else 'does so nowhere'}."
    )
