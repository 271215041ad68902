"""Attention maps over their pictures: the triptych of the course, and one map under several heads.

Every picture of a map says which scale it has. Raw maps are (h, w) in logit units.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import cam, metrics
from entreg_utils.figures.scenes import as_array, as_picture, draw_box, picture_grid
from entreg_utils.figures.style import MAP_CMAP, OKABE_ITO, picture_axes


def triptych(image, raw_map, true_boxes=(), threshold: float = 0.15) -> tuple[Figure, str]:
    """Picture with the predicted (green) and true (red, dashed) box | map | overlay with the line.

    The map is upsampled, then min-maxed by itself; its raw range stands under it. The predicted box
    is that of the largest contour above ``threshold`` times the maximum.

    Args:
        image: square, (3, S, S), uint8 or float in 0..1.
        true_boxes: (n, 4), rows x0, y0, x1, y1 in pixels; none when left out.
    """
    figure, axes = plt.subplots(1, 4, figsize=(9, 3.3), width_ratios=[1, 1, 0.05, 1])
    read = draw_triptych(axes[[0, 1, 3]], as_picture(image), raw_map, true_boxes, threshold)
    axes[0].set_title("green: predicted" + ", red dashes: true" * bool(len(true_boxes)))
    bar = figure.colorbar(axes[1].images[0], cax=axes[2], ticks=[0, threshold, 1])
    bar.outline.set_visible(False)
    axes[2].set_box_aspect(20)
    axes[1].set_title("blank map" if read["blank"] else "map, min-max")
    axes[3].set_title("nothing to overlay" if read["blank"] else "overlay, line at the threshold")
    if read["blank"]:
        return figure, (
            "The map is blank: it has one value everywhere, and no box can be read from it."
        )
    sentence = (
        f"Raw values from {read['low']:.2f} to {read['high']:.2f}; {read['above']:.0%} of the "
        f"picture lie above {threshold:g} of the maximum"
    )
    if len(true_boxes):
        sentence += f", and the box drawn there has IoU {read['iou']:.2f} with the true one"
    return figure, sentence + "."


def draw_triptych(panels, image, raw_map, true_boxes=(), threshold: float = 0.15) -> dict:
    """Picture and boxes, map, and plain blend with the threshold's line, on three axes.

    The map is scored at the picture's own size, whatever its shape; the raw range stands under it.
    A blank map is drawn black, its overlay grey and striped, and no box is read from it.

    Returns:
        ``blank``; ``low``, ``high``: the raw range; ``above``: share of the picture above the
        threshold; ``iou``: best IoU of the predicted box with a true one. NaN where there is none.
    """
    picture, raw = as_picture(image, square=False), as_array(raw_map)
    if raw.ndim != 2:
        raise ValueError(f"the raw map has shape {raw.shape}, but must be one map, (h, w)")
    blank = cam.is_blank(raw)
    scores = metrics.score_map(np.zeros_like(raw) if blank else raw, picture.shape[:2]).scores
    predicted = metrics.boxes_at(raw, threshold, size=picture.shape[:2])
    for panel in panels:
        picture_axes(panel)
    panels[0].imshow(picture)
    for box in true_boxes:
        draw_box(panels[0], box, OKABE_ITO["vermillion"], dashed=True)
    panels[1].imshow(scores, cmap=MAP_CMAP, vmin=0, vmax=1)
    panels[1].set_xlabel(f"raw range {raw.min():.2f} to {raw.max():.2f}")
    panels[2].imshow(cam.overlay(picture, scores))
    read = {"blank": blank, "low": float(raw.min()), "high": float(raw.max())}
    if blank:
        return read | {"above": np.nan, "iou": np.nan}
    draw_box(panels[0], predicted[0], OKABE_ITO["green"])
    panels[2].contour(scores, levels=[threshold], colors="white", linewidths=1.4)
    best = metrics.box_iou(predicted, as_array(true_boxes)).max() if len(true_boxes) else np.nan
    return read | {"above": float((scores > threshold).mean()), "iou": float(best)}


def invariance(image, maps: Mapping[str, np.ndarray], probabilities, entropies):
    """Min-max maps of several heads on the same features, with what the reader of ``p`` would see.

    Args:
        maps: name of the head -> raw map (h, w); the first is the reference.
        probabilities: of the class shown, one a head.  entropies: of the prediction, nats.
    """
    picture = as_picture(image)
    raw = np.stack([as_array(one) for one in maps.values()])
    scaled = cam.normalize(cam.upsample(raw, len(picture)))
    same = np.corrcoef(scaled.reshape(len(scaled), -1))[0]  # with the first map
    captions, said = [""], []
    for name, p, h, r in zip(maps, probabilities, entropies, same, strict=True):
        captions.append(f"p {float(p):.3f}\nentropy {float(h):.3f} nats")
        said.append(
            f"{name}: p {float(p):.3f}, entropy {float(h):.3f}, correlation with the first map "
            f"{r:.2f}"
        )
    figure, _ = picture_grid([picture, *scaled], ["picture", *maps], captions, vmin=0, vmax=1)
    return figure, "; ".join(said) + "."
