"""The central figures: localisation, accuracy and evidence against entropy and its regulariser.

All take tables of ``experiments.tables`` and give ``(Figure, sentence)``. Bands and bars are 95 %
Student intervals over seeds.
"""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.analysis.tables import over_seeds
from entreg_utils.figures.style import CUE_COLOURS, OKABE_ITO

BLUE, RED, GREEN = OKABE_ITO["blue"], OKABE_ITO["vermillion"], OKABE_ITO["green"]
GREY = "#777777"


def entropy_axis(axes, num_classes: int) -> None:
    """Entropy in nats, stretched at both ends (logit of H / log C) so that no end is a clump."""
    top = math.log(num_classes)

    def forward(h):
        share = np.clip(np.asarray(h, dtype=float) / top, 1e-3, 1 - 1e-5)
        return np.log(share / (1 - share))

    def inverse(x):
        return top / (1 + np.exp(-np.asarray(x, dtype=float)))

    axes.set_xscale("function", functions=(forward, inverse))
    ticks = [h for h in (0.02, 0.1, 0.5, 1, 1.5, 1.9, 2.02, 2.06, 2.077) if h < top]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"entropy of the prediction on test (nats; at most log {num_classes})")


def strengths(table: pd.DataFrame, constant_map: float, chosen: float) -> tuple[Figure, str]:
    """PxAP, box scores and accuracy against epsilon."""
    summary = over_seeds(table)
    x = np.arange(len(summary))  # even spacing: the grid is denser where the curve bends
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.5))
    _band(left, x, summary["pxap"], BLUE, "PxAP", "o")
    left.axhline(constant_map, color=GREY, ls=":", lw=1.2)
    left.annotate("constant map", (0, constant_map), (0, 4), textcoords="offset points", color=GREY)
    left.set_ylabel("PxAP (0 to 1)")
    left.set_title("Where: pixels of the object")
    _band(right, x, summary["accuracy"], RED, "accuracy", "s")
    _band(right, x, summary["max_box_acc_carried"], GREEN, "BoxAcc, carried threshold", "^")
    right.set_title("What: class; where: box")
    right.set_ylabel("share of test images")
    right.legend(loc="lower left")
    for axes in (left, right):
        axes.set_xticks(x, [f"{value:g}" for value in summary.index])
        axes.set_xlabel("ε, weight of the uniform target")
        axes.axvline(list(summary.index).index(chosen), color="#bbbbbb", lw=6, alpha=0.4, zorder=0)
        axes.set_ylim(0, 1.03)
    first, best, last = (summary["pxap"].loc[value] for value in (0.0, chosen, summary.index[-1]))
    cost = summary["accuracy"]["mean"].loc[0.0] - summary["accuracy"]["mean"].loc[chosen]
    sentence = (
        f"PxAP is {first['mean']:.2f} ± {first['half']:.2f} without regularisation, "
        f"{best['mean']:.2f} ± {best['half']:.2f} at ε = {chosen:g} (chosen on validation, grey "
        f"band) and {last['mean']:.2f} ± {last['half']:.2f} at ε = {summary.index[-1]:g}; accuracy "
        f"changes by {-cost:+.3f} between the first two."
    )
    return figure, sentence


def plane(
    table: pd.DataFrame,
    history: pd.DataFrame,
    num_classes: int = 8,
    score: str = "pxap",
    paths: tuple[float, ...] = (0.0, 0.5),
) -> tuple[Figure, str]:
    """Localisation and accuracy against entropy: across epsilons and along epochs, in one plane."""
    summary = over_seeds(table)
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.1))
    names = {score: "PxAP (0 to 1)", "accuracy": "accuracy"}
    for axes, (name, label) in zip(panels, names.items(), strict=True):
        ends = ((GREY, "right", 14), (OKABE_ITO["skyblue"], "left", -8))
        for epsilon, (colour, side, shift) in zip(paths, ends, strict=False):
            path = history[history.epsilon == epsilon].groupby("epoch").mean(numeric_only=True)
            axes.plot(
                path.test_entropy, path[f"test_{name}"], color=colour, lw=1.2, marker=".", ms=4
            )
            axes.annotate(  # at the first epoch, where the paths are furthest apart
                f"epochs of ε = {epsilon:g}",
                (path.test_entropy.iloc[0], path[f"test_{name}"].iloc[0]),
                (shift, -14),
                textcoords="offset points",
                ha=side,
                color=colour,
                fontsize=9,
            )
        mean, half = summary[name]["mean"], summary[name]["half"]
        entropy = summary["entropy"]["mean"]
        axes.errorbar(entropy, mean, half, color=BLUE, marker="o", ms=5, capsize=2, lw=1.6)
        for epsilon in mean.index:
            axes.annotate(
                f"{epsilon:g}",
                (entropy[epsilon], mean[epsilon] + half[epsilon]),
                (0, 4),
                textcoords="offset points",
                ha="center",
                color=BLUE,
                fontsize=9,
            )
        entropy_axis(axes, num_classes)
        axes.set_ylabel(label)
        axes.set_ylim(0, 1.12)
    panels[0].set_title("Localisation: a hill")
    panels[1].set_title("Accuracy: a plateau, then the cliff")
    best = summary[score]["mean"].idxmax()
    path = history[history.epsilon == paths[0]].groupby("epoch").mean(numeric_only=True)
    peak = path[f"test_{score}"].idxmax()
    sentence = (
        f"Across strengths (blue, labelled by ε) the hill tops at ε = {best:g}, at an entropy of "
        f"{summary['entropy']['mean'][best]:.2f} nats; along the epochs of ε = {paths[0]:g} (grey) "
        f"PxAP is best at epoch {peak} ({path[f'test_{score}'][peak]:.2f}, entropy "
        f"{path.test_entropy[peak]:.2f}) and ends at {path[f'test_{score}'].iloc[-1]:.2f} "
        f"(entropy {path.test_entropy.iloc[-1]:.2f})."
    )
    return figure, sentence


def evidence(table: pd.DataFrame) -> tuple[Figure, str]:
    """Mean normalised score on part, rest of the body and context, against epsilon."""
    summary = over_seeds(table)
    x = np.arange(len(summary))
    figure, axes = plt.subplots(figsize=(6.6, 3.4))
    lowest = 1.0  # labels from the top down, at least a line of text apart
    for cue, colour in CUE_COLOURS.items():
        _band(axes, x, summary[cue], colour, cue, "o")
        lowest = min(summary[cue]["mean"].iloc[-1], lowest - 0.07)
        axes.annotate(
            {"body": "rest of the body"}.get(cue, cue),
            (x[-1], lowest),
            (10, -3),
            textcoords="offset points",
            color=colour,
        )
    axes.set_xlim(-0.3, x[-1] + 1.9)
    axes.set_xticks(x, [f"{value:g}" for value in summary.index])
    axes.set_xlabel("ε, weight of the uniform target")
    axes.set_ylabel("mean normalised score")
    axes.set_ylim(0, 1)
    axes.set_title("Where the map lights up")
    ratio = summary["body"]["mean"] / summary["part"]["mean"]
    context = summary["context"]["mean"]
    sentence = (
        f"For each unit of light on the part, the rest of the body gets {ratio.iloc[0]:.2f} at "
        f"ε = 0 and at most {ratio.max():.2f} (ε = {ratio.idxmax():g}); the context goes from "
        f"{context.iloc[0]:.2f} to {context.min():.2f} at ε = {context.idxmin():g} and "
        f"{context.iloc[-1]:.2f} "
        f"at ε = {summary.index[-1]:g}."
    )
    return figure, sentence


def _band(axes, x, columns: pd.DataFrame, colour: str, label: str, marker: str) -> None:
    mean, half = columns["mean"].to_numpy(), columns["half"].to_numpy()
    axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.18, lw=0)
    axes.plot(x, mean, color=colour, marker=marker, ms=5, label=label)
