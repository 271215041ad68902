"""Attention maps over their pictures: the steps to a box, triptychs, one map under several heads.

Every picture of a map says which scale it has: maps are min-maxed by themselves with the raw range
under each, overlays are plain blends, blank maps are flagged, pictures keep their shape. Raw maps
are (h, w) in logit units, boxes rows x0, y0, x1, y1 in pixels of the picture.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import cam, metrics
from entreg_utils.fields import plain_numbers
from entreg_utils.figures.scenes import as_array, as_picture, colour_bar, draw_box, picture_grid
from entreg_utils.figures.style import MAP_CMAP, PREDICTED, TRUE, picture_axes


@plain_numbers
def steps(image, raw, true_box, threshold: float = 0.15) -> tuple[Figure, str]:
    """Raw map, score map, mask and box of one image, side by side.

    Args:
        image: float (H, W, 3) in 0..1.  raw: map (h, w).
        threshold: share of the map's maximum.
    """
    size = image.shape[:2]
    true_box = [int(value) for value in true_box]
    told = metrics.explain(raw, true_box, threshold, size=size)
    share, low, high = told.mask.mean(), raw.min(), raw.max()
    words = {
        f"1  raw map, {raw.shape[0]} x {raw.shape[1]}": f"values {low:.1f} to {high:.1f}",
        f"2  resized to {size[0]} x {size[1]}": "stretched to 0..1",
        f"3  above {threshold:.2f}": f"{share:.0%} of the pixels",
        f"4  its box: IoU {told.iou:.2f}": "green: box, red dashes: true",
    }
    mask = np.repeat(told.mask[..., None].astype(float), 3, axis=2)  # black and white
    shown = [raw, told.scores, mask, image]
    figure, panels = picture_grid(shown, list(words), list(words.values()))
    draw_box(panels[3], true_box, TRUE)
    draw_box(panels[3], told.box, PREDICTED)
    return figure, (
        f"At threshold {threshold:.2f}, {share:.0%} of the pixels are on; the box of the largest "
        f"object is {told.box.tolist()}, the true one {true_box}, their IoU {told.iou:.2f}."
    )


@plain_numbers
def triptych(image, raw_map, true_boxes=(), threshold: float = 0.15) -> tuple[Figure, str]:
    """Picture with the predicted (green) and true (red, dashed) box | map | overlay with the line.

    The predicted box is that of the largest contour above ``threshold`` times the maximum.

    Args:
        image: (3, H, W), uint8 or float in 0..1.
        true_boxes: (n, 4); none when left out.
    """
    figure, axes = plt.subplots(1, 4, figsize=(9, 3.3), width_ratios=[1, 1, 0.05, 1])
    read = _draw_triptych(figure, axes, image, raw_map, true_boxes, threshold)
    axes[0].set_title("green: predicted" + ", red dashes: true" * bool(len(true_boxes)))
    axes[1].set_xlabel(f"raw range {read['low']:.2f} to {read['high']:.2f}")
    axes[1].set_title("blank map" if read["blank"] else "map, min-max")
    axes[3].set_title("nothing to overlay" if read["blank"] else "overlay, line at the threshold")
    if read["blank"]:
        return (
            figure,
            "The map is blank: it has one value everywhere, and no box can be read from it.",
        )
    sentence = (
        f"Raw values from {read['low']:.2f} to {read['high']:.2f}; {read['above']:.0%} of the "
        f"picture lie above {threshold:g} of the maximum"
    )
    if len(true_boxes):
        sentence += f", and the box drawn there has IoU {read['iou']:.2f} with the true one"
    return figure, sentence + "."


class Example(NamedTuple):
    """One picture under one network, for :func:`triptychs`.

    Attributes:
        network: its name, such as ``ε = 0``.
        image: (3, H, W), float in 0..1 or uint8, of any shape.
        raw: (h, w) map, covering the whole picture.
        boxes: true boxes (n, 4).
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
    said = []
    for column, (network, threshold) in enumerate(heads[0]):
        block = grid[:, 4 * column : 4 * column + 4]
        titles = f"{network}: boxes", "map", "", f"line at {threshold:.2f}"
        for axes, title in zip(block[0], titles, strict=True):
            axes.set_title(title, fontsize=9.5)
        ious, blank = [], 0
        for row, four in zip(rows, block, strict=True):
            _, image, raw, boxes, _ = row[column]
            read = _draw_triptych(figure, four, image, raw, boxes, threshold)
            low, high = (f"{read[end]:z.2f}" for end in ("low", "high"))
            iou = "none" if read["blank"] else f"{read['iou']:.2f}"  # nan without a true box
            words = f"IoU {iou}", f"{low} to {high}", f"{read['above']:.0%} above"
            if read["blank"]:
                words = "", f"blank: {low} everywhere", "nothing to overlay"
            for axes, text in zip(four[[0, 1, 3]], words, strict=True):
                axes.set_xlabel(text if text != "IoU nan" else "", fontsize=8, labelpad=2)
            blank += read["blank"]
            ious.append(iou)
        known = {*ious} - {"none", "nan"}
        listed = ", ".join(ious) if known else "no true box"
        blanks = f" ({blank} blank)" * bool(blank)
        said.append(f"{network} at threshold {threshold:.2f}: {listed}{blanks}")
    boxes = "Green: predicted box, red dashes: true box."
    return figure, f"{boxes} IoU, row by row, of {'; '.join(said)}."


def invariance(image, maps: Mapping[str, np.ndarray], probabilities, entropies):
    """Min-max maps of several heads on the same features, with what the reader of ``p`` would see.

    Args:
        maps: name of the head -> raw map (h, w); the first is the reference.
        probabilities: of the class shown, one a head.  entropies: of the prediction, nats.
    """
    picture = as_picture(image)
    raw = np.stack([as_array(one) for one in maps.values()])
    scaled = cam.normalize(cam.upsample(raw, picture.shape[:2]))
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


def _draw_triptych(figure, panels, image, raw_map, true_boxes, threshold: float) -> dict:
    """Picture and boxes, map, its bar, and plain blend with the threshold's line, on four axes.

    The map is scored at the picture's own size, whatever its shape. A blank map is drawn black, its
    overlay grey and striped, and no box is read from it.

    Returns:
        ``blank``; ``low``, ``high``: the raw range; ``above``: share of the picture above the
        threshold; ``iou``: best IoU of the predicted box with a true one. NaN where there is none.
    """
    picture, raw = as_picture(image), as_array(raw_map)
    if raw.ndim != 2:
        raise ValueError(f"the raw map has shape {raw.shape}, but must be one map, (h, w)")
    blank = cam.is_blank(raw)
    scores = metrics.score_map(np.zeros_like(raw) if blank else raw, picture.shape[:2]).scores
    left, middle, bar, right = panels
    for panel in (left, middle, right):
        picture_axes(panel)
    left.imshow(picture)
    for box in true_boxes:
        draw_box(left, box, TRUE)
    heat = middle.imshow(scores, cmap=MAP_CMAP, vmin=0, vmax=1)
    colour_bar(figure, heat, [0, threshold, 1], cax=bar)
    bar.tick_params(labelsize=7)
    bar.set_box_aspect(18)
    right.imshow(cam.overlay(picture, scores))
    read = {"blank": blank, "low": float(raw.min()), "high": float(raw.max())}
    if blank:
        return read | {"above": np.nan, "iou": np.nan}
    predicted = metrics.boxes_at(raw, threshold, size=picture.shape[:2])
    draw_box(left, predicted[0], PREDICTED)
    right.contour(scores, levels=[threshold], colors="white", linewidths=1.4)
    best = metrics.box_iou(predicted, as_array(true_boxes)).max() if len(true_boxes) else np.nan
    return read | {"above": float((scores > threshold).mean()), "iou": float(best)}
