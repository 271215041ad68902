"""Triptychs of several pictures and networks: boxes | map with its range | overlay with the line.

Nothing is brightened, squared or left out: maps are min-maxed by themselves with the raw range
under each, overlays are plain blends, blank maps are flagged, and pictures keep their own shape.
:func:`entreg_utils.figures.overlays.draw_triptych` draws each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils.figures.overlays import draw_triptych


@dataclass(frozen=True)
class Example:
    """One picture under one network.

    Attributes:
        network: its name, such as ``ε = 0``.
        image: (3, H, W), float in 0..1 or uint8, of any shape.
        raw: (h, w) map in logit units, covering the whole picture.
        boxes: true boxes (n, 4), rows x0, y0, x1, y1 in pixels of the picture.
        threshold: share of the map's maximum at which the box is read, 0..1.
    """

    network: str
    image: object
    raw: np.ndarray
    boxes: object
    threshold: float


def triptychs(rows: Sequence[Sequence[Example]]) -> tuple[Figure, str]:
    """A row a picture, a triptych for each network, with the colour bar and its threshold.

    Args:
        rows: for each picture one example a network, the networks in the same order, each with one
            threshold.

    Raises:
        ValueError: rows of different networks or thresholds, or none.
    """
    heads = [[(one.network, one.threshold) for one in row] for row in rows]
    if not rows or not rows[0] or any(head != heads[0] for head in heads):
        raise ValueError("every picture needs the same networks at the same thresholds")
    shapes = [np.shape(row[0].image)[-2:] for row in rows]
    heights = [height / width for height, width in shapes]
    width = 9.6 / (3.35 * len(heads[0]))  # of a panel in inches; bars and gaps take the rest
    figure, grid = plt.subplots(
        len(rows),
        4 * len(heads[0]),
        figsize=(10, sum(width * h + 0.24 for h in heights) + 0.55),
        width_ratios=[1, 1, 0.05, 1] * len(heads[0]),
        height_ratios=heights,
        squeeze=False,
    )
    reads = []
    for row, panels in zip(rows, grid, strict=True):
        reads.append([])
        for example, four in zip(row, panels.reshape(-1, 4), strict=True):
            read = draw_triptych(
                four[[0, 1, 3]], example.image, example.raw, example.boxes, example.threshold
            )
            _under(four, read)
            bar = figure.colorbar(four[1].images[0], cax=four[2], ticks=[0, example.threshold, 1])
            bar.ax.set_yticklabels(["0", f"{example.threshold:.2g}", "1"], fontsize=7)
            bar.outline.set_visible(False)
            four[2].set_box_aspect(18)
            reads[-1].append(read)
    for (network, threshold), four in zip(heads[0], grid[0].reshape(-1, 4), strict=True):
        four[0].set_title(f"{network}: boxes", fontsize=9.5)
        four[1].set_title("map", fontsize=9.5)
        four[3].set_title(f"line at {threshold:.2f}", fontsize=9.5)
    return figure, _sentence(heads[0], reads)


def _under(four, read: dict) -> None:
    """Numbers under the panels, in the little room that six of them leave."""
    four[1].set_xlabel(f"{read['low']:z.2f} to {read['high']:z.2f}", fontsize=8, labelpad=2)
    if read["blank"]:
        four[1].set_xlabel(f"blank: {read['low']:z.2f} everywhere", fontsize=8, labelpad=2)
        four[3].set_xlabel("nothing to overlay", fontsize=8, labelpad=2)
        return
    four[3].set_xlabel(f"{read['above']:.0%} above", fontsize=8, labelpad=2)
    if np.isfinite(read["iou"]):
        four[0].set_xlabel(f"IoU {read['iou']:.2f}", fontsize=8, labelpad=2)


def _sentence(heads: Sequence[tuple[str, float]], reads: Sequence[Sequence[dict]]) -> str:
    said = []
    for column, (network, threshold) in enumerate(heads):
        own = [row[column] for row in reads]
        blank = sum(r["blank"] for r in own)
        words = ["none" if r["blank"] else f"{r['iou']:.2f}" for r in own]
        known = any(np.isfinite(r["iou"]) for r in own)
        ious = ", ".join(words) if known else "no true box"
        flag = f" ({blank} blank)" if blank else ""
        said.append(f"{network} at threshold {threshold:.2f}: {ious}{flag}")
    return f"Green: predicted box, red: true box. IoU, row by row, of {'; '.join(said)}."
