"""Why a classifier's shortcut costs the map: cues as accuracies, as evidence, as boxes.

Every function takes plain numbers and returns ``(Figure, sentence)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from entreg_utils.figures.style import OKABE_ITO
from entreg_utils.figures.world import CUE_COLOURS, CUES


def reliabilities(
    knobs: Sequence[float], measured: Sequence[float], half_widths: Sequence[float], chance: float
) -> tuple[Figure, str]:
    """Share of pictures in which part, body, context show the label's variant, beside the knobs.

    Args:
        knobs, measured: three shares in 0..1.  half_widths: of the 95 % intervals.
        chance: 1 / number of classes.
    """
    figure, axes = plt.subplots(figsize=(9, 2.5))
    for row, name in enumerate(CUES):
        colour = CUE_COLOURS[name]
        axes.plot(knobs[row], row, "|", color="black", markersize=26, markeredgewidth=1.5)
        axes.errorbar(
            measured[row], row, xerr=half_widths[row], fmt="o", color=colour, capsize=4, zorder=3
        )
        left = min(knobs[row], measured[row] - half_widths[row])
        axes.annotate(
            f"{measured[row]:.3f}",
            (left, row),
            (-10, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=colour,
        )
    axes.axvline(chance, color="grey", linewidth=1, linestyle="--", zorder=0)
    axes.text(chance + 0.008, 2.55, f"chance {chance:.3f}", color="dimgrey", va="bottom")
    axes.set_yticks(range(3), CUES)
    axes.set_ylim(2.6, -0.6)
    axes.set_xlim(0, 1.04)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("share of pictures in which the cue agrees with the label")
    axes.set_title("black bar: the knob     dot: measured, with 95 % interval")
    rows = zip(knobs, measured, half_widths, strict=True)
    # 1e-12: a reliability of exactly 1 has an interval of width 0
    inside = sum(abs(knob - share) <= width + 1e-12 for knob, share, width in rows)
    sentence = (
        "Measured agreement with the label: "
        + ", ".join(f"{name} {share:.3f}" for name, share in zip(CUES, measured, strict=True))
        + f"; {inside} of 3 intervals hold the knob; guessing would give {chance:.3f}."
    )
    return figure, sentence


def cue_accuracies(rows: Mapping[str, Sequence[float]], chance: float) -> tuple[Figure, str]:
    """Test accuracy from each cue alone, for several ways to read it.

    Args:
        rows: name of the way -> three accuracies in 0..1 (part, body, context).
        chance: 1 / number of classes.
    """
    if not rows:
        raise ValueError("rows is empty: give at least one name with its three accuracies")
    figure, axes = plt.subplots(figsize=(9, 3.0))
    height = 0.78 / len(rows)
    shades = np.linspace(1.0, 0.45, len(rows))
    for way, (label, values) in enumerate(rows.items()):
        for row, name in enumerate(CUES):
            y = row - 0.39 + height * (way + 0.5)
            axes.barh(y, values[row], height * 0.92, color=CUE_COLOURS[name], alpha=shades[way])
            inside = values[row] > 0.45
            axes.text(
                values[row] + (-0.008 if inside else 0.008),
                y,
                f"{label}  {values[row]:.3f}",
                ha="right" if inside else "left",
                va="center",
                color="white" if inside and shades[way] > 0.6 else "black",
                fontsize=9,
            )
    axes.axvline(chance, color="black", linewidth=1, linestyle="--")
    axes.text(chance + 0.005, -0.62, "chance", fontsize=9, va="center")
    axes.set_yticks(range(3), CUES)
    axes.set_ylim(2.5, -0.78)
    axes.set_xlim(0, 1.0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("test accuracy from this cue alone")
    first = next(iter(rows))
    values = ", ".join(f"{n} {v:.3f}" for n, v in zip(CUES, rows[first], strict=True))
    spread = max(
        abs(a - b) for values_ in rows.values() for a, b in zip(values_, rows[first], strict=True)
    )
    sentence = (
        f"Test accuracy from one cue alone, {first}: {values}; the other ways differ from it by "
        f"{spread:.3f} at most."
    )
    return figure, sentence


def evidence_over_steps(
    steps: Sequence[int], gaps: Sequence[Sequence[float]], entropies: Sequence[float]
) -> tuple[Figure, str]:
    """How much each cue adds to the right class's logit while a classifier trains.

    Args:
        steps: (T,) gradient steps, at least 1.  gaps: (T, 3) logit units, part, body, context.
        entropies: (T,) mean entropy of the predictions, nats.
    """
    gaps = np.asarray(gaps, dtype=float)
    share = gaps / gaps.sum(axis=1, keepdims=True)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    for column, name in enumerate(CUES):
        colour = CUE_COLOURS[name]
        for panel, values, form in ((axes[0], gaps, "{:.1f}"), (axes[1], share, "{:.0%}")):
            panel.plot(steps, values[:, column], color=colour, marker="o", markersize=3)
            panel.annotate(
                f"{name} " + form.format(values[-1, column]),
                (steps[-1], values[-1, column]),
                (5, 0),
                textcoords="offset points",
                color=colour,
                va="center",
            )
    for panel in axes:
        panel.set_xscale("log")
        panel.set_xlim(steps[0], steps[-1] * (steps[-1] / steps[0]) ** 0.32)
        panel.set_xlabel("gradient steps")
        panel.set_ylim(0, None)
    axes[0].set_title("logit gap from each cue")
    axes[0].set_ylabel("logit units")
    axes[1].set_title("the same as a share of all evidence")
    axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    sentence = (
        f"From step {steps[0]} to step {steps[-1]} the mean entropy falls from "
        f"{entropies[0]:.2f} to {entropies[-1]:.2f} nats, the part's share of the evidence goes "
        f"from {share[0, 0]:.0%} to {share[-1, 0]:.0%} and the body's from {share[0, 1]:.0%} to "
        f"{share[-1, 1]:.0%}."
    )
    return figure, sentence


def share_above(ious: Mapping[str, Sequence[float]]) -> tuple[Figure, str]:
    """Share of pictures whose box reaches each IoU: the higher, the better.

    Args:
        ious: name of the box -> (N,) IoU with the true box, 0..1.
    """
    grid = np.linspace(0, 1, 201)
    figure, axes = plt.subplots(figsize=(9, 3.4))
    colours = [OKABE_ITO[name] for name in ("vermillion", "blue", "green", "purple")]
    rank = {name: row for row, name in enumerate(sorted(ious, key=lambda key: np.mean(ious[key])))}
    said = []
    for (name, values), colour in zip(ious.items(), colours, strict=False):
        values = np.asarray(values, dtype=float)
        curve = (values[:, None] >= grid).mean(axis=0)
        axes.plot(grid, curve, color=colour)
        # names at different heights, each just right of its curve, so that they touch no other one
        height = (0.12, 0.2, 0.75, 0.5)[rank[name]]
        beside = grid[np.flatnonzero(curve >= height)[-1]]
        axes.text(beside + 0.014, height, name, color=colour, va="center")
        said.append(f"{name} {(values >= 0.5).mean():.3f} (mean IoU {values.mean():.2f})")
    for level in (0.3, 0.5, 0.7):
        axes.axvline(level, color="grey", linewidth=0.8, linestyle=":", zorder=0)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("IoU that is asked for (dotted: 0.3, 0.5, 0.7)")
    axes.set_ylabel("share of pictures")
    sentence = f"Share of pictures with an IoU of at least 0.5: {', '.join(said)}."
    return figure, sentence


def chosen_side(
    sides: Sequence[float], curves: Mapping[str, Sequence[float]], chosen: Mapping[str, int]
) -> tuple[Figure, str]:
    """Accuracy of one centred box against its side, on several sets, and the side each would pick.

    Args:
        sides: (S,) side as a share of the picture's.
        curves: name of the set -> (S,) share of pictures with IoU >= 0.5; the last is the test set.
        chosen: name of the set -> index of the side that it picks.
    """
    figure, axes = plt.subplots(figsize=(9, 3.4))
    colours = [OKABE_ITO[name] for name in ("orange", "blue", "black")]
    test_name = list(curves)[-1]
    said = []
    for (name, values), colour in zip(curves.items(), colours, strict=False):
        pick = chosen[name]
        axes.plot(sides, values, color=colour, alpha=1.0 if name == test_name else 0.55)
        axes.axvline(sides[pick], color=colour, linewidth=1, linestyle=":")
        score = curves[test_name][pick]
        # smaller dots on top: two sets that pick the same side stay visible
        axes.plot(sides[pick], score, "o", color=colour, markersize=14 - 4 * len(said), zorder=4)
        said.append(f"{name}: side {sides[pick]:.3f}, {score:.3f} on the test set")
    top = max(max(values) for values in curves.values())
    for row, (name, colour) in enumerate(zip(curves, colours, strict=False)):
        axes.text(sides[0], top * (1 - 0.11 * row), name, color=colour, va="top")
    axes.set_ylim(0, top * 1.08)
    axes.set_xlabel("side of the centred box, share of the picture's side")
    axes.set_ylabel("share of pictures, IoU >= 0.5")
    axes.set_title("dots: what each choice scores on the test pictures")
    return figure, "Best side by each set, and its score: " + "; ".join(said) + "."
