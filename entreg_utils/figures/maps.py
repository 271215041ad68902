"""Attention maps on paper: where they come from, how they are scaled, what leaves them alone.

Every picture of a map says which scale it has. Every function returns ``(Figure, sentence)``; raw
maps are (h, w) in logit units, images (3, H, W) float in 0..1 or uint8, square.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import cam, metrics
from entreg_utils.figures.style import MAP_CMAP, OKABE_ITO, picture_axes
from entreg_utils.figures.world import draw_box


def triptych(image, raw_map, true_boxes=(), threshold: float = 0.15) -> tuple[Figure, str]:
    """Picture with true (red) and predicted (green) box | map | overlay with the threshold's line.

    The map is upsampled, then min-maxed by itself; its raw range stands under it. The predicted box
    is that of the largest contour above ``threshold`` times the maximum.
    """
    figure, axes = plt.subplots(1, 4, figsize=(9, 3.3), width_ratios=[1, 1, 0.05, 1])
    read = draw_triptych(axes[[0, 1, 3]], as_picture(image), raw_map, true_boxes, threshold)
    axes[0].set_title("green: predicted" + "     red: true box" * bool(len(true_boxes)))
    bar = figure.colorbar(axes[1].images[0], cax=axes[2], ticks=[0, threshold, 1])
    bar.outline.set_visible(False)
    axes[2].set_box_aspect(20)
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
        draw_box(panels[0], box, OKABE_ITO["vermillion"])
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


def anatomy(image, features, weights, bias: float, top: int = 4) -> tuple[Figure, str]:
    """The ``top`` channels that add most to the logit, each times its weight, and the whole sum.

    Args:
        features: (K, h, w) feature map.  weights: (K,) of one class.  bias: of that class.
    """
    picture = as_picture(image)
    terms = as_array(weights)[:, None, None] * as_array(features)  # (K, h, w)
    if terms.ndim != 3 or not 1 <= top <= len(terms):
        raise ValueError(f"top is {top}, but must be 1 to the number of channels, {len(terms)}")
    total, shares = terms.sum(axis=0), terms.mean(axis=(1, 2))
    order = np.argsort(-shares)[:top]
    figure, axes = plt.subplots(1, top + 2, figsize=(9, 2.3))
    axes[0].imshow(picture)
    axes[0].set_title("picture")
    high = float(terms[order].max())
    for panel, channel in zip(axes[1:-1], order, strict=True):
        panel.imshow(terms[channel], cmap=MAP_CMAP, vmin=0, vmax=high)
        panel.set_title(f"channel {channel}")
        panel.set_xlabel(f"weight {as_array(weights)[channel]:+.2f}\nadds {shares[channel]:+.2f}")
    axes[-1].imshow(total, cmap=MAP_CMAP)
    axes[-1].set_title(f"sum of all {len(terms)}")
    axes[-1].set_xlabel(f"bias {bias:+.2f}\nlogit {shares.sum() + bias:.2f}")
    for panel in axes:
        picture_axes(panel)
    sentence = (
        f"The {top} strongest of {len(terms)} channels add {shares[order].sum():.2f} to a logit of "
        f"{shares.sum() + bias:.2f}; the map on the right is the sum of all of them before the "
        "mean is taken (channels share a scale, the sum has its own)."
    )
    return figure, sentence


def normalisations(image, raw_map, percentile: float = 40.0) -> tuple[Figure, str]:
    """One map under the four rules, on one colour scale; each rule as a curve of the raw value."""
    picture, raw = as_picture(image), as_array(raw_map)
    large = cam.upsample(raw[None], len(picture))
    rules = {
        "minmax": ("min-max", "black", None),
        "max": ("max", "blue", None),
        "pas": ("PaS", "vermillion", None),
        "ivr": (f"IVR, P = {percentile:g}", "green", percentile),
    }
    figure = plt.figure(figsize=(9, 5.2))
    grid = figure.add_gridspec(2, 5, height_ratios=[1, 1.5])
    first = figure.add_subplot(grid[0, 0])
    first.imshow(picture)
    first.set_title("picture")
    picture_axes(first)
    curve = figure.add_subplot(grid[1, :])
    order, said = np.argsort(large, axis=None), []
    for column, (method, (name, colour, percent)) in enumerate(rules.items(), start=1):
        scaled = cam.normalize(large, method, percent)[0]
        panel = figure.add_subplot(grid[0, column])
        panel.imshow(scaled, cmap=MAP_CMAP, vmin=0, vmax=1)
        picture_axes(panel)
        panel.set_title(name, color=OKABE_ITO[colour])
        saturated = (scaled == 1).mean()
        ones = f", {saturated:.0%} one" if saturated >= 0.005 else ""
        panel.set_xlabel(f"{(scaled == 0).mean():.0%} zero{ones}")
        style = ("-", "--", "-", "-.")[column - 1]
        curve.plot(
            large.ravel()[order],
            scaled.ravel()[order],
            style,
            color=OKABE_ITO[colour],
            label=name,
        )
        said.append(f"{name} {(scaled == 0).mean():.0%}")
    curve.axvline(0, color="grey", linewidth=0.8, linestyle=":")
    curve.set_xlabel("raw value of the map, logit units (dotted: zero)")
    curve.set_ylabel("normalised value")
    curve.legend(loc="lower right")
    negative = float((large < 0).mean())
    sentence = (
        f"{negative:.0%} of this map is negative; set to exactly zero: {', '.join(said)} of the "
        "pixels."
    )
    return figure, sentence


def invariance(image, maps: Mapping[str, np.ndarray], probabilities, entropies):
    """Min-max maps of several heads on the same features, with what the reader of ``p`` would see.

    Args:
        maps: name of the head -> raw map (h, w); the first is the reference.
        probabilities: of the class shown, one a head.  entropies: of the prediction, nats.
    """
    picture = as_picture(image)
    figure, axes = plt.subplots(1, 1 + len(maps), figsize=(9, 2.9))
    axes[0].imshow(picture)
    axes[0].set_title("picture")
    reference, said = None, []
    rows = zip(axes[1:], maps.items(), probabilities, entropies, strict=True)
    for panel, (name, raw), probability, entropy in rows:
        scaled = scale_to(as_array(raw), picture)
        reference = scaled if reference is None else reference
        panel.imshow(scaled, cmap=MAP_CMAP, vmin=0, vmax=1)
        panel.set_title(name)
        panel.set_xlabel(f"p {float(probability):.3f}\nentropy {float(entropy):.3f} nats")
        same = np.corrcoef(scaled.ravel(), reference.ravel())[0, 1]
        said.append(
            f"{name}: p {float(probability):.3f}, entropy {float(entropy):.3f}, correlation with "
            f"the first map {same:.2f}"
        )
    for panel in axes:
        picture_axes(panel)
    return figure, "; ".join(said) + "."


def shift_curve(
    strengths: Sequence[float], scores: Sequence[float], change_of_p: float, baseline: float
) -> tuple[Figure, str]:
    """PxAP of one classifier under shifts of its class weights that leave every prediction alone.

    Args:
        strengths: (T,) length of the shift in mean lengths of a class weight.
        scores: (T,) PxAP in 0..1.  change_of_p: largest change of any probability.
        baseline: PxAP of a constant map.
    """
    figure, axes = plt.subplots(figsize=(9, 3.2))
    axes.plot(strengths, scores, "o-", color=OKABE_ITO["blue"])
    axes.axhline(baseline, color="grey", linewidth=1, linestyle="--")
    axes.text(strengths[0], baseline + 0.03, "constant map", color="dimgrey")
    as_trained = int(np.argmin(np.abs(np.asarray(strengths))))
    axes.annotate(
        f"as trained {scores[as_trained]:.3f}",
        (strengths[as_trained], scores[as_trained]),
        (0, -18),
        textcoords="offset points",
        ha="center",
    )
    axes.set_ylim(0, 1)
    axes.set_xlabel("shift of all class weights towards the habitat, in lengths of a class weight")
    axes.set_ylabel("PxAP on the test set")
    sentence = (
        f"The same classifier scores between {min(scores):.3f} and {max(scores):.3f} PxAP, while "
        f"no probability moves by more than {change_of_p:.0e}; a constant map scores "
        f"{baseline:.3f}."
    )
    return figure, sentence


def as_array(values) -> np.ndarray:
    """Numpy array of a tensor on any device, or of anything array-like."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def as_picture(image, square: bool = True) -> np.ndarray:
    """An image as float64 (H, W, 3) in 0..1; one that is not square is refused if ``square``."""
    picture = as_array(image)
    picture = picture / 255.0 if picture.dtype == np.uint8 else picture.astype(np.float64)
    picture = picture.transpose(1, 2, 0) if picture.shape[0] == 3 else picture
    whole = picture.ndim == 3 and picture.shape[2] == 3
    if not whole or (square and picture.shape[0] != picture.shape[1]):
        wanted = "square, (3, S, S)" if square else "(3, H, W)"
        raise ValueError(f"image has shape {picture.shape}, but must be {wanted}")
    return picture


def scale_to(raw: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The protocol's map of a picture: raw (h, w) upsampled to (S, S), then min-maxed."""
    if raw.ndim != 2:
        raise ValueError(f"the raw map has shape {raw.shape}, but must be one map, (h, w)")
    return cam.normalize(cam.upsample(raw[None], len(picture)))[0]
