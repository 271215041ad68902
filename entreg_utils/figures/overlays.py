"""Overlays: what a scale hides, and the tricks that flatter a map.

Every function returns ``(Figure, sentence)``; images are (3, S, S), raw maps (h, w) in logit units.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import cam
from entreg_utils.figures.maps import as_array, as_picture, scale_to
from entreg_utils.figures.style import picture_axes


def shared_scale(image, maps: Mapping[str, np.ndarray]) -> tuple[Figure, str]:
    """Overlays of several classes' maps: above each stretched by itself, below on one scale.

    The common scale runs from 0 to the highest raw value of all maps; negatives count as 0.

    Raises:
        ValueError: no map has a positive value, so that there is no common scale.
    """
    picture = as_picture(image)
    large = {name: cam.upsample(as_array(raw)[None], len(picture))[0] for name, raw in maps.items()}
    high = max((float(one.max()) for one in large.values()), default=0.0)
    if high <= 0:
        raise ValueError("no map has a positive value: there is no common scale from 0 upwards")
    figure, axes = plt.subplots(2, 1 + len(maps), figsize=(9, 4.9))
    for panel in axes.ravel():
        picture_axes(panel)
    axes[0, 0].imshow(picture)
    axes[0, 0].set_title("picture")
    axes[1, 0].set_visible(False)
    for column, (name, one) in enumerate(large.items(), start=1):
        axes[0, column].imshow(cam.overlay(picture, cam.normalize(one[None])[0], alpha=0.7))
        axes[0, column].set_title(name)
        axes[0, column].set_xlabel(f"by itself, {one.min():.1f} to {one.max():.1f}")
        common = np.clip(one.astype(np.float64) / high, 0, 1)
        axes[1, column].imshow(cam.overlay(picture, common, alpha=0.7))
        flag = "nothing above 0" if cam.is_blank(common) else f"scale 0 to {high:.1f}"
        axes[1, column].set_xlabel(flag)
    tops = ", ".join(f"{name} {one.max():.1f}" for name, one in large.items())
    sentence = (
        f"Highest raw value: {tops}. Stretched by itself each map reaches the brightest colour; on "
        "one scale only the one with the most evidence does."
    )
    return figure, sentence


def tricks(image, raw_map) -> tuple[Figure, str]:
    """The plain blend, the same with the map squared, and a blank map brightened and flagged."""
    picture = as_picture(image)
    scaled = scale_to(as_array(raw_map), picture)
    dark = 0.5 * picture  # half picture, half black: the plain blend of a map that is zero
    factor = 1 / dark.max()
    shown = {
        "plain blend": cam.overlay(picture, scaled),
        "map squared": cam.overlay(picture, scaled**2),
        "blank, brightened": dark * factor,
        "blank, flagged": cam.overlay(picture, np.zeros_like(scaled)),
    }
    areas = [float((values > 0.5).mean()) for values in (scaled, scaled**2)]
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.7))
    for panel, (name, blend) in zip(axes, shown.items(), strict=True):
        panel.imshow(blend)
        picture_axes(panel)
        panel.set_title(name)
    axes[0].set_xlabel(f"{areas[0]:.1%} above half")
    axes[1].set_xlabel(f"{areas[1]:.1%} above half")
    axes[2].set_xlabel(f"colours x {factor:.2f}")
    axes[3].set_xlabel("grey, striped")
    sentence = (
        f"Share of the picture above half of the maximum: {areas[0]:.1%}, squared {areas[1]:.1%}; "
        f"dividing a blank overlay by its maximum makes it {factor:.2f} times brighter, and looks "
        "like a clean picture."
    )
    return figure, sentence
