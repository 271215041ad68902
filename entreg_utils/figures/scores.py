"""Scores of a data set as pictures: BoxAcc curves, threshold rules, precision, the centred box.

Each function returns ``(Figure, sentence)``; :mod:`.boxes` draws single maps and their boxes.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from entreg_utils import metrics
from entreg_utils.figures.scenes import draw_box
from entreg_utils.figures.style import OKABE_ITO, picture_axes

PREDICTED = OKABE_ITO["green"]
_IOU_COLOURS = [OKABE_ITO[name] for name in ("skyblue", "blue", "black", "purple", "orange")]


def box_accuracy_curves(
    result: metrics.BoxAccuracy, fixed: float = 0.15, centre: metrics.BoxAccuracy | None = None
) -> tuple[Figure, str]:
    """BoxAcc against the threshold at each IoU, with the maxima, and a centred box's as ticks.

    Args:
        result: of :func:`metrics.box_accuracy`.  fixed: a threshold to mark.
        centre: of :func:`metrics.centre_box_baseline` at the same IoU thresholds.
    """
    figure, axes = plt.subplots(figsize=(9, 3.7))
    said = []
    for row, delta in enumerate(result.iou_thresholds):
        colour, top, tau = _IOU_COLOURS[row], result.max[row], result.best_threshold[row]
        axes.plot(result.thresholds, result.curve[row], color=colour)
        axes.plot(tau, top, "o", color=colour)
        label = f"IoU {delta:g}: max {top:.3f} at {tau:.2f}"
        if row > 0 and top > 0.35:  # under its own hill, clear of the curve above
            axes.text(tau - 0.06, 0.6 * top, label, color=colour)
        else:
            axes.annotate(label, (tau, top), (0, 7), textcoords="offset points", color=colour)
        said.append(f"{top:.3f} at threshold {tau:.2f} for IoU {delta:g}")
        if centre is not None:
            axes.plot([0.93, 1.0], [centre.max[row]] * 2, color=colour, linestyle="--")
    axes.axvline(fixed, color="grey", linewidth=0.8, linestyle=":")
    axes.text(fixed - 0.01, 1.11, f"fixed {fixed:g}", color="grey", ha="right", va="top")
    axes.set(xlim=(0, 1), ylim=(0, 1.12), xlabel="threshold, share of the map's maximum")
    axes.set_ylabel("BoxAcc, share of images")
    sentence = f"BoxAcc is highest with {'; '.join(said)}."
    if centre is not None:
        axes.set_title("dashes at the right: the best centred box", color="0.35", fontsize=10)
        values = ", ".join(f"{value:.3f}" for value in centre.max)
        sentence += f" The best centred box reaches {values}."
    return figure, sentence


def choices(rows: Mapping[str, tuple[float, float, float]], xlabel: str) -> tuple[Figure, str]:
    """Estimates with intervals, one row each.

    Args:
        rows: name -> (estimate, low, high), in 0..1.
    """
    figure, axes = plt.subplots(figsize=(9, 0.55 * len(rows) + 1.1))
    for row, (value, low, high) in enumerate(rows.values()):
        colour = _IOU_COLOURS[1]
        axes.plot([low, high], [row, row], color=colour, linewidth=3, alpha=0.35)
        axes.plot(value, row, "o", color=colour, markersize=7)
        axes.text(value, row - 0.24, f"{value:.3f}", ha="center", va="bottom", color=colour)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.75)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(xlabel)
    first, *_, last = rows
    spread = rows[first][0] - rows[last][0]
    sentence = (
        "; ".join(f"{name}: {value:.3f}" for name, (value, _, _) in rows.items())
        + f". First minus last: {spread:+.3f}. Bars: 95 % intervals over images."
    )
    return figure, sentence


def precision_recall(
    precision, recall, pxap: float, prevalence: float, others: Mapping[str, tuple] | None = None
) -> tuple[Figure, str]:
    """Precision of the pixels against their recall, the area under it, and the constant map's line.

    Args:
        precision, recall: (B,) with the threshold falling, as
            :meth:`metrics.PixelAveragePrecision.precision_recall` gives them.
        others: more curves, name -> (precision, recall), drawn thin.
    """
    figure, axes = plt.subplots(figsize=(9, 3.6))
    axes.step(recall, precision, where="pre", color=_IOU_COLOURS[1])
    axes.fill_between(recall, precision, step="pre", color=_IOU_COLOURS[1], alpha=0.15, linewidth=0)
    axes.text(0.45, pxap / 2 + 0.04, f"area: PxAP {pxap:.3f}", ha="center", color=_IOU_COLOURS[1])
    for name, (other_precision, other_recall) in (others or {}).items():
        axes.step(other_recall, other_precision, where="pre", color="grey", linewidth=0.7)
        middle = np.searchsorted(other_recall, 0.5)
        axes.text(0.5, other_precision[middle], name, color="grey", fontsize=8)
    axes.axhline(prevalence, color=PREDICTED, linestyle="--")
    label = f"a constant map: {prevalence:.3f}"
    axes.text(0.01, prevalence - 0.02, label, color=PREDICTED, va="top")
    axes.set(xlim=(0, 1), ylim=(0, 1.03), xlabel="recall: share of the object pixels taken")
    axes.set_ylabel("precision: share of the\ntaken pixels on an object")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    half = np.searchsorted(recall, 0.5)
    sentence = (
        f"PxAP is {pxap:.3f}, against {prevalence:.3f} for a constant map; when half of the object "
        f"pixels are taken, {precision[half]:.0%} of what is taken lies on an object."
    )
    return figure, sentence


def centre_box(
    boxes, size: int, result: metrics.BoxAccuracy, iou: float = 0.5
) -> tuple[Figure, str]:
    """Where the true boxes lie, and how often one centred box of each side finds them.

    Args:
        boxes: (N, 4) true boxes in pixels of ``size``.
        result: of :func:`metrics.centre_box_baseline`.
    """
    cover = np.zeros((size, size))
    for x0, y0, x1, y1 in np.asarray(boxes):
        cover[y0 : y1 + 1, x0 : x1 + 1] += 1 / len(boxes)
    row = int(np.abs(result.iou_thresholds - iou).argmin())
    side, top = result.best_threshold[row], result.max[row]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(1, 1.9))
    shown = axes[0].imshow(cover, vmin=0, vmax=1)
    picture_axes(axes[0])
    figure.colorbar(shown, ax=axes[0], label="share of true boxes", shrink=0.85)
    low = (size - round(side * size)) // 2
    draw_box(axes[0], [low, low, low + round(side * size), low + round(side * size)], PREDICTED)
    axes[0].set_title("all true boxes, stacked")
    for index, delta in enumerate(result.iou_thresholds):
        curve, colour = result.curve[index], _IOU_COLOURS[index]
        axes[1].plot(result.thresholds, curve, color=colour)
        peak = curve.argmax()
        axes[1].annotate(
            f"IoU {delta:g}: {curve[peak]:.3f}",
            (result.thresholds[peak], curve[peak]),
            (0, 5),
            textcoords="offset points",
            color=colour,
            ha="center",
        )
    axes[1].set(xlim=(0, 1), ylim=(0, 1.1), xlabel="side of the centred box, share of the frame")
    axes[1].set_ylabel("BoxAcc, share of images")
    sentence = (
        f"One centred box with {side:.0%} of the frame's side (green), for every image alike, is "
        f"right in {top:.1%} of them at IoU {iou:g}."
    )
    return figure, sentence
