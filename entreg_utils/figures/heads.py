"""Features or head: localisation against entropy when the two are taken from different networks."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.figures.style import OKABE_ITO, entropy_axis

COLOURS = (OKABE_ITO["black"], OKABE_ITO["green"])
MARKERS = ("o", "X", "s", "^", "D", "v", "P")


def exchange(
    table: pd.DataFrame,
    constant: float,
    seeds: dict[float, tuple[float, float]] | None = None,
    num_classes: int = 8,
) -> tuple[Figure, str]:
    """PxAP against entropy: colour says whose features, shape says which head reads them.

    Args:
        table: columns ``features`` (epsilon of the network that gave them, two of these), ``head``
            (a name), ``entropy`` in nats, ``pxap`` in 0..1; a row a combination.
        constant: PxAP of a constant map.
        seeds: epsilon -> (mean, half-width over seeds) of whole networks' PxAP, drawn as bands.
        num_classes: C; the entropy axis ends at log C.

    Raises:
        ValueError: not two kinds of features, or more heads than there are shapes.
    """
    owners, heads = sorted(set(table.features)), list(dict.fromkeys(table["head"]))
    if len(owners) != 2 or len(heads) > len(MARKERS):
        raise ValueError(
            f"features of two networks and at most {len(MARKERS)} heads, not {len(owners)} and "
            f"{len(heads)}"
        )
    figure, axes = plt.subplots(figsize=(9, 3.9))
    for owner, colour in zip(owners, COLOURS, strict=True):
        rows = table[table.features == owner]
        if seeds:
            mean, half = seeds[owner]
            axes.axhspan(mean - half, mean + half, color=colour, alpha=0.10, lw=0)
            axes.text(
                0.99,
                mean,
                f"whole networks\nε = {owner:g}, seeds",
                transform=axes.get_yaxis_transform(),
                color=colour,
                ha="right",
                va="center",
                fontsize=9,
            )
        for head, marker in zip(heads, MARKERS, strict=False):
            own = rows[rows["head"] == head]
            axes.plot(own.entropy, own.pxap, marker, color=colour, ms=8, mec="white", mew=0.8)
    axes.axhline(constant, color="#777777", ls=":", lw=1.2)
    axes.text(table.entropy.min(), constant + 0.012, "constant map", color="#666666")
    shapes = [
        plt.Line2D([], [], ls="", marker=m, color="#777777", ms=8, label=h)
        for h, m in zip(heads, MARKERS, strict=False)
    ]
    colours = [
        plt.Line2D([], [], ls="", marker="o", color=c, ms=9, label=f"features of ε = {o:g}")
        for o, c in zip(owners, COLOURS, strict=True)
    ]
    axes.legend(handles=colours + shapes, loc="center left", bbox_to_anchor=(1.0, 0.5))
    entropy_axis(axes, num_classes)
    top = math.log(num_classes)  # the room to the right is for the bands' names
    axes.set_xlim(table.entropy.min() / 2, top - (top - table.entropy.max()) / 25)
    axes.set(ylabel="PxAP (0 to 1)", ylim=(0, 1))
    said = []
    for owner in owners:
        rows = table[table.features == owner]
        said.append(
            f"on the features of ε = {owner:g} from {rows.pxap.min():.3f} to "
            f"{rows.pxap.max():.3f} while the entropy runs from {rows.entropy.min():.2f} to "
            f"{rows.entropy.max():.2f} nats"
        )
    lower, upper = (table[table.features == owner].pxap for owner in owners)
    apart = upper.min() > lower.max()
    return figure, (
        f"PxAP lies {', '.join(said)}: the two ranges {'do not meet' if apart else 'overlap'}."
    )
