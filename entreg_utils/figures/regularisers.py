"""Which regulariser: strengths that ask for the same, and scores at the same entropy.

Figures are ``(Figure, sentence)``; bars are 95 % Student intervals over seeds. A ``tables`` maps
the name of a regulariser to rows of its runs (``experiments.tables.final``): ``epsilon``, ``seed``,
``entropy`` and the scores. The unregularised runs belong to every table, as strength 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from entreg_utils import data, losses
from entreg_utils.analysis.matched import ER, MISSED, NAMES, tally
from entreg_utils.analysis.tables import over_seeds
from entreg_utils.figures.style import OKABE_ITO, entropy_axis

GREY = "#777777"
# name -> (how it is called, colour, marker)
LOOKS = {
    name: (title, OKABE_ITO[colour], marker)
    for (name, title), colour, marker in zip(
        NAMES.items(), ("blue", "vermillion", "green", "purple"), "os^D", strict=True
    )
}


def asked(entropies: Sequence[float], num_classes: int) -> tuple[Figure, str]:
    """What a strength asks for, and how hard.

    Left: entropy of one sample's optimum against strength; dots at ``entropies`` (nats). Right: the
    slope of the averaged loss ``(CE + lambda R)/(1 + lambda)`` along the right logit against p_y,
    at the strengths matched to the middle of ``entropies``: all are zero at the same p_y.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
    grid = np.linspace(0.02, 0.985, 80) * math.log(num_classes)
    middle = sorted(entropies)[len(entropies) // 2]
    p_y = torch.linspace(1 / num_classes, 0.995, 200, dtype=torch.float64)
    slopes, sure = {}, int((p_y - 0.95).abs().argmin())
    for name, (label, colour, marker) in LOOKS.items():
        curve = [losses.matched_strength(name, h, num_classes) for h in grid]
        dots = [losses.matched_strength(name, h, num_classes) for h in entropies]
        left.plot(curve, grid, color=colour)
        left.plot(dots, entropies, marker, color=colour, ms=6, label=label)
        strength = losses.matched_strength(name, middle, num_classes)
        slopes[name] = _slope(name, strength, p_y, num_classes)
        right.plot(p_y, slopes[name], color=colour)
    for entropy in entropies:
        left.axhline(entropy, color="#bbbbbb", lw=0.9, ls=":")
    left.set(xscale="log", xlabel="strength", ylabel="entropy of the optimum (nats)")
    left.set_title("Unequal strengths, equal aims")
    left.legend(loc="upper left", fontsize=9)
    zero = float(p_y[int(slopes[ER].abs().argmin())])
    right.axhline(0, color=GREY, lw=0.9)
    right.annotate(
        "all aim here", (zero, 0), (9, -15), textcoords="offset points", color=GREY, fontsize=9
    )
    right.set(xlabel="$p_y$", ylabel="slope of the averaged loss")
    right.set_title(f"Matched at {middle:.2f} nats: one aim, unequal force")
    listed = ", ".join(f"{LOOKS[name][0]} {float(s[sure]):+.3f}" for name, s in slopes.items())
    return figure, (
        f"{num_classes} classes. Strengths matched to {middle:.2f} nats push towards the same "
        f"p_y = {zero:.2f}, with forces that differ: at p_y = {float(p_y[sure]):.2f} the slope is "
        f"{listed}."
    )


def against_entropy(
    tables: Mapping[str, pd.DataFrame],
    scores: Mapping[str, str],
    baselines: Mapping[str, tuple[str, float]],
    num_classes: int,
) -> tuple[Figure, str]:
    """Scores against the measured entropy, one curve a regulariser.

    Args:
        scores: column -> axis label, one panel each.
        baselines: column -> (name, value) of what needs no classifier.
    """
    figure, panels = plt.subplots(1, len(scores), figsize=(5 * len(scores), 4.0), squeeze=False)
    said, means = [], [t.groupby("epsilon").entropy.mean() for t in tables.values()]
    span = min(map(min, means)), max(map(max, means))
    for axes, (score, label) in zip(panels[0], scores.items(), strict=True):
        for name, table in tables.items():
            summary = over_seeds(table)
            mean, half = summary[score]["mean"], summary[score]["half"]
            title, colour, marker = LOOKS[name]
            x = summary["entropy"]["mean"]
            axes.plot(x, mean, color=colour, marker=marker, ms=5, lw=1.4, label=title)
            axes.errorbar(x, mean, half, color=colour, fmt="none", capsize=2, lw=1, alpha=0.5)
            if score == next(iter(scores)):
                top = mean.idxmax()
                said.append(f"{title} {mean[top]:.3f} ± {half[top]:.3f} at {x[top]:.2f} nats")
        if score in baselines:
            called, value = baselines[score]
            axes.axhline(value, color=GREY, ls=":", lw=1.2)
            above = value < sum(axes.get_ylim()) / 2  # the name stands on the inner side
            axes.annotate(
                f"{called} {value:.2f}",
                (0.02, value),
                (0, 4 if above else -12),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                color=GREY,
                fontsize=9,
            )
        entropy_scale(axes, num_classes, *span)
        axes.set_ylabel(label)
    panels[0][-1].legend(loc="lower left", fontsize=9)
    first = next(iter(scores.values()))
    return figure, f"Best {first}, over the strengths that were run: {'; '.join(said)}."


def differences(table: pd.DataFrame, names: Mapping[str, str]) -> tuple[Figure, str]:
    """The rows of ``experiments.matched.differences`` as intervals around zero, one panel a score.

    Args:
        names: score -> title of its panel.
    """
    rivals = table.drop(ER, level="regularizer")
    figure, panels = plt.subplots(
        1, len(names), figsize=(1 + 3 * len(names), 3.6), sharey=True, squeeze=False
    )
    entropies = list(dict.fromkeys(rivals.index.get_level_values("entropy")))
    kinds = list(dict.fromkeys(rivals.index.get_level_values("regularizer")))
    for axes, (score, title) in zip(panels[0], names.items(), strict=True):
        for i, entropy in enumerate(entropies):
            for j, kind in enumerate(kinds):
                row, y = rivals.loc[(score, entropy, kind)], -i - 0.22 * (j - (len(kinds) - 1) / 2)
                label, colour, marker = LOOKS[kind]
                named = label if i == 0 else None
                axes.errorbar(
                    row.change,
                    y,
                    xerr=row.half,
                    color=colour,
                    marker=marker,
                    capsize=3,
                    label=named,
                )
                if row.verdict == MISSED:
                    axes.text(
                        0.02,
                        y,
                        MISSED,
                        transform=axes.get_yaxis_transform(),
                        color=colour,
                        fontsize=8,
                        va="center",
                    )
        axes.axvline(0, color=GREY, lw=1)
        axes.set_ylim(0.5 - len(entropies), 0.5)
        axes.set_yticks([-i for i in range(len(entropies))], [f"{h:.2f}" for h in entropies])
        axes.set_title(title)
        axes.set_xlabel("change against ER at the same entropy")
        axes.xaxis.set_major_locator(MaxNLocator(5))
    panels[0][0].set_ylabel("entropy (nats)")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure, tally(table)


def _slope(name: str, strength: float, p_y: torch.Tensor, num_classes: int) -> torch.Tensor:
    """d/dz_y of the averaged loss where the wrong classes share 1 - p_y, (M,) -> (M,)."""
    logits = torch.zeros(len(p_y), num_classes, dtype=torch.float64)
    logits[:, 0] = (p_y * (num_classes - 1) / (1 - p_y)).log()
    logits.requires_grad_()
    right = torch.zeros(len(p_y), dtype=torch.int64)
    loss = losses.objective(logits, right, name, strength) * len(p_y) / (1 + strength)
    return torch.autograd.grad(loss, logits)[0][:, 0]


def entropy_scale(axes, num_classes: int, low: float, high: float) -> None:
    """Entropy from ``low`` to ``high`` nats on the horizontal axis, and scores within 0 to 1.

    The embedded world's is stretched at its ends as in the sweep: its networks are nearly sure or
    nearly undecided. Photographs lie in between.
    """
    top = math.log(num_classes)
    entropy_axis(axes, num_classes)
    if num_classes == data.World.num_classes:
        ticks = [0.02, 0.1, 0.5, 1, 1.5, 1.9, 2.03, 2.07]
        axes.set_xlim(0.7 * low, top - 0.6 * (top - high))
        axes.set_xticks([t for t in ticks if 0.7 * low < t < (top + high) / 2])
    else:
        axes.set_xscale("linear")
        axes.set_xlim(0, 1.02 * top)
        axes.set_xticks(np.arange(0, top, 0.5))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    bottom, ceiling = axes.get_ylim()
    axes.set_ylim(max(bottom, 0), min(ceiling, 1.02))
