"""One classifier, many maps: what a softmax's outputs leave open about its class weights.

All give ``(Figure, sentence)``.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.figures.style import OKABE_ITO, entropy_axis

GREY = "#777777"
COLOURS = tuple(OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple"))


def shifts(
    families: Mapping[str, pd.DataFrame], constant_map: float, largest_change: float
) -> tuple[Figure, str]:
    """Maps and their score when one random vector is added to the weights of every class.

    Args:
        families: name of a model -> one row a vector: ``length`` (in mean lengths of a class
            weight; 0 for the model as trained), ``correlation`` of its maps with those as trained
            (mean over images), ``pxap`` in 0..1.
        constant_map: PxAP of a constant map.
        largest_change: of any probability under any of the vectors.
    """
    figure, panels = plt.subplots(1, 2, figsize=(9.6, 3.5))
    titles = {
        "correlation": "Correlation with the map as trained",
        "pxap": "PxAP (dots: one vector each)",
    }
    said = []
    for colour, (name, table) in zip(COLOURS, families.items(), strict=False):
        steps = sorted(set(table.length))
        place = {length: x for x, length in enumerate(steps)}
        x = table.length.map(place)
        spread = 0.12 * (COLOURS.index(colour) - 0.5)  # two models side by side
        for axes, score in zip(panels, titles, strict=True):
            axes.plot(x + spread, table[score], "o", color=colour, ms=4, alpha=0.55)
            middle = table.groupby("length")[score].median()
            axes.plot(np.arange(len(middle)) + spread, middle.to_numpy(), color=colour, label=name)
        zero, last = (table[table.length == steps[end]].pxap for end in (0, -1))
        said.append(
            f"{name}: PxAP {zero.iloc[0]:.3f} as trained, {last.min():.3f} to {last.max():.3f} at "
            f"{steps[-1]:g} lengths"
        )
    panels[1].axhline(constant_map, color=GREY, ls="--", lw=1.2)
    panels[1].text(0, constant_map + 0.02, "constant map", color=GREY)
    for axes, (score, title) in zip(panels, titles.items(), strict=True):
        axes.set_title(title)
        axes.set_ylabel({"correlation": "mean over images", "pxap": "PxAP (0 to 1)"}[score])
        axes.set_xticks(range(len(steps)), [f"{length:g}" for length in steps])
        axes.set_xlabel("length of the vector, in mean class weights")
        axes.set_ylim(min(0.0, *(t[score].min() - 0.05 for t in families.values())), 1.05)
    panels[0].legend(loc="lower left")
    return figure, (
        f"{'; '.join(said)}. No probability moves by more than {largest_change:.0e}; a constant "
        f"map scores {constant_map:.3f}."
    )


def reachable(
    sweep: pd.DataFrame, start: tuple[float, float], low: float, high: float, num_classes: int = 8
) -> tuple[Figure, str]:
    """The plane of entropy and PxAP, with all that one network reaches without a wrong class more.

    Args:
        sweep: mean over seeds, indexed by epsilon: ``entropy`` in nats, ``pxap`` in 0..1.
        start: entropy and PxAP of the network as trained.
        low, high: PxAP of two opposite shifts of its class weights, fitted to masks.
    """
    figure, axes = plt.subplots(figsize=(8.6, 4.0))
    entropy_axis(axes, num_classes)
    ends = np.array([0.005, np.log(num_classes) - 2e-4])
    axes.fill_between(ends, low, high, color=COLOURS[0], alpha=0.10, lw=0)
    axes.plot(ends, [start[1]] * 2, color=COLOURS[0], lw=1.6, ls="--")
    axes.plot([start[0]] * 2, [low, high], color=COLOURS[0], lw=1.6, ls=":")
    axes.plot(*start, "o", color=COLOURS[0], ms=10)
    axes.annotate(
        "scale the weights: entropy moves, map stays",
        (1.0, start[1]),
        (0, -12),
        textcoords="offset points",
        ha="center",
        color=COLOURS[0],
        bbox={"fc": "white", "ec": "none", "alpha": 0.7, "pad": 1},
    )
    axes.annotate(
        "shift them: map moves,\nprediction stays",
        (start[0], (low + start[1]) / 2),
        (8, 0),
        textcoords="offset points",
        va="center",
        color=COLOURS[0],
    )
    axes.plot(sweep.entropy, sweep.pxap, color="black", marker="o", ms=4, lw=1.4)
    for epsilon, row in sweep.iterrows():
        axes.annotate(
            f"{epsilon:g}", (row.entropy, row.pxap), (5, 6), textcoords="offset points", ha="center"
        )
    axes.set_xlim(*ends)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("PxAP (0 to 1)")
    axes.set_title(
        "Black: networks trained at each ε.  Blue: one network, other weights in its head"
    )
    inside = ((sweep.pxap >= low) & (sweep.pxap <= high)).mean()
    return figure, (
        f"With its features and every predicted class fixed, the network trained at ε = 0 reaches "
        f"any entropy up to log {num_classes} and any PxAP from {low:.2f} to {high:.2f} (as "
        f"trained: {start[0]:.2f} nats and {start[1]:.2f}); {inside:.0%} of the points of the "
        "sweep lie in that area."
    )
