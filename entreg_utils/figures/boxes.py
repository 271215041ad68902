"""From one map to its boxes, as pictures: the steps, the threshold, the oddities of contours.

Images are float (H, W, 3) in 0..1, maps raw (h, w), boxes rows x0, y0, x1, y1 in pixels of the
image; each function returns ``(Figure, sentence)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import metrics
from entreg_utils.figures.scenes import draw_box
from entreg_utils.figures.style import OKABE_ITO, picture_axes

TRUE, PREDICTED = OKABE_ITO["vermillion"], OKABE_ITO["green"]


def steps(image, cam, true_box, threshold: float = 0.15) -> tuple[Figure, str]:
    """Raw map, score map, mask and box of one image, side by side."""
    size = image.shape[:2]
    told = metrics.explain(cam, _plain(true_box), threshold, size=size)
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.9))
    axes[0].imshow(cam)
    axes[1].imshow(told.scores, vmin=0, vmax=1)
    axes[2].imshow(told.mask, cmap="gray", vmin=0, vmax=1)
    axes[3].imshow(image)
    draw_box(axes[3], true_box, TRUE)
    draw_box(axes[3], told.box, PREDICTED)
    share, low, high = told.mask.mean(), cam.min(), cam.max()
    words = {
        f"1  raw map, {cam.shape[0]} x {cam.shape[1]}": f"values {low:.1f} to {high:.1f}",
        f"2  resized to {size[0]} x {size[1]}": "stretched to 0..1",
        f"3  above {threshold:.2f}": f"{share:.0%} of the pixels",
        f"4  its box: IoU {told.iou:.2f}": "green: box, orange: truth",
    }
    for panel, (title, below) in zip(axes, words.items(), strict=True):
        picture_axes(panel)
        panel.set(title=title, xlabel=below)
    sentence = (
        f"At threshold {threshold:.2f}, {share:.0%} of the pixels are on; the box of the largest "
        f"object is {told.box.tolist()}, the true one {_plain(true_box)}, their IoU {told.iou:.2f}."
    )
    return figure, sentence


def threshold_strip(
    image, cam, true_box, thresholds: Sequence[float], others: Sequence[tuple] = ()
) -> tuple[Figure, str]:
    """The box at several thresholds, over the IoU at all of them.

    Args:
        others: (cam, true box) of further images, whose curves are drawn in grey.
    """
    size = image.shape[:2]
    taus = np.linspace(0, 0.999, 1000)
    cams, boxes = zip((cam, true_box), *others, strict=True)
    curve, *grey = metrics.iou_curves(cams, [[_plain(box)] for box in boxes], "largest", taus, size)
    figure = plt.figure(figsize=(9, 4.4))
    grid = figure.add_gridspec(2, len(thresholds), height_ratios=(1, 1.1))
    for column, tau in enumerate(thresholds):
        panel = figure.add_subplot(grid[0, column])
        panel.imshow(image)
        picture_axes(panel)
        draw_box(panel, true_box, TRUE)
        draw_box(panel, metrics.boxes_at(cam, tau, size=size)[0], PREDICTED)
        panel.set_title(f"threshold {tau:g}", fontsize=10)
    below = figure.add_subplot(grid[1, :])
    for other in grey:
        below.plot(taus, other, color="0.7", linewidth=1.2)
    below.plot(taus, curve, color=PREDICTED)
    dots = [curve[np.abs(taus - tau).argmin()] for tau in thresholds]
    below.plot(thresholds, dots, "o", color=PREDICTED)
    below.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    below.text(1, 0.51, "IoU 0.5: found", color="grey", ha="right", va="bottom")
    below.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="threshold, share of the map's maximum")
    below.set_ylabel("IoU with the true box")
    found = taus[curve >= 0.5]
    span = f", between {found[0]:.2f} and {found[-1]:.2f}" if len(found) else ""
    sentence = (
        f"Orange: true box, green: predicted. The IoU peaks at {curve.max():.2f} (threshold "
        f"{taus[curve.argmax()]:.2f}); the image counts as found at {len(found) / len(taus):.0%} "
        f"of the thresholds{span}."
    )
    if grey:
        peaks = ", ".join(f"{taus[other.argmax()]:.2f}" for other in grey)
        sentence += f" Grey: other images, whose best thresholds are {peaks}."
    return figure, sentence


def contour_scenes(scenes: Mapping[str, np.ndarray], threshold: float = 0.5) -> tuple[Figure, str]:
    """Hand-made maps with the box of the largest object (green) and of other contours (dashed).

    Args:
        scenes: title -> map (H, W), taken at its own size.
    """
    figure, panels = plt.subplots(1, len(scenes), figsize=(9, 3.3), squeeze=False)
    said = []
    for panel, (title, scene) in zip(panels[0], scenes.items(), strict=True):
        panel.imshow(scene, cmap="gray", vmin=0, vmax=1.35 * np.max(scene))
        picture_axes(panel)
        every = metrics.boxes_at(scene, threshold, "all", scene.shape)
        largest = metrics.boxes_at(scene, threshold, "largest", scene.shape)[0]
        draw_box(panel, largest, PREDICTED)
        for x0, y0, x1, y1 in every[(every != largest).any(axis=1)] - 0.5:
            outline = ([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0])
            panel.plot(*outline, color=OKABE_ITO["orange"], linestyle=(0, (3, 2)))
        panel.set_title(title)
        panel.set_xlabel(_contours(len(every)))
        said.append(f"{title}: {_contours(len(every))}, largest {largest.tolist()}")
    sentence = f"Green: box of the largest object; dashed: of other contours. {'. '.join(said)}."
    return figure, sentence


def _contours(count: int) -> str:
    return f"{count} contour{'s' if count != 1 else ''}"


def _plain(box) -> list[int]:
    return [int(value) for value in box]
