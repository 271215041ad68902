"""Maps of networks beside each other after each stage, and one stage's channels.

A stage's map is drawn as its **energy**, the mean over channels, on one colour scale for all
networks and images of a figure, from 0 to the highest value among them; cells are not smoothed.
Features are those of ``model.stage_features(images)``, stage -> (N, K, h, w), not negative. Class
maps have no common scale: each is min-maxed by itself. Functions return ``(Figure, sentence)``.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from entreg_utils import metrics
from entreg_utils.cam.scaling import as_array
from entreg_utils.figures.scenes import colour_bar, draw_picture
from entreg_utils.figures.style import MAP_CMAP, picture_axes


def beside(
    images, features: Mapping[str, Mapping], cams: Mapping[str, object] | None = None, masks=None
) -> tuple[Figure, str]:
    """Energy after each stage, the networks beside each other; last their class maps.

    Args:
        images: (n, 3, S, S), a row each.
        features: network -> stage -> (n, K, h, w); two networks or more, of the same stages.
        cams: network -> raw class maps (n, h, w), each with its raw range under it.
        masks: (n, S, S) of the object, drawn as an outline.

    Raises:
        ValueError: one network, networks with other stages, or not one map an image.
    """
    if len(features) < 2:
        raise ValueError(f"{len(features)} network: give two or more to put beside each other")
    names, stages, rows = list(features), same_stages(features), len(images)
    masks = [None] * rows if masks is None else masks
    groups = len(stages) + bool(cams)  # of columns, one a network
    columns = 1 + len(names) * groups
    side = min(10 / columns, 1.5)
    size = side * columns, (side + 0.16) * rows + 0.75
    ratios = [1] * rows + [0.07]  # the last row is for the colour bars
    figure, grid = plt.subplots(rows + 1, columns, figsize=size, height_ratios=ratios)
    grid, last = grid[:rows], grid[rows]
    for axes in last:
        axes.set_visible(False)
    for axes, image in zip(grid[:, 0], images, strict=True):
        draw_picture(axes, image)
    grid[0, 0].set_title("picture", fontsize=9.5)
    blocks, unders = np.split(grid[:, 1:], groups, axis=1), np.split(last[1:], groups)
    said = []
    for stage, block, under in zip(stages, blocks, unders, strict=False):
        energy = {name: _energy(features[name][stage], rows) for name in names}
        high = float(np.max(list(energy.values())))
        for column, name in zip(block.T, names, strict=True):
            column[0].set_title(f"{stage}\n{name}", fontsize=9.5)
            for axes, cells, mask in zip(column, energy[name], masks, strict=True):
                shown = _cells(axes, cells, images.shape[-1], high, mask)
        place = {"orientation": "horizontal", "fraction": 1, "aspect": 24, "pad": 0}
        colour_bar(figure, shown, [0, high], ax=list(under), **place)
        means = " and ".join(f"{own.mean():.2f} ({name})" for name, own in energy.items())
        said.append(f"{stage} {means}, likeness {_likeness(energy):.2f}")
    if cams:
        raw = {name: as_array(cams[name]) for name in names}
        for column, name in zip(blocks[-1].T, names, strict=True):
            column[0].set_title(f"class map\n{name}", fontsize=9.5)
            for axes, own, mask in zip(column, raw[name], masks, strict=True):
                scores = metrics.score_map(own, images.shape[-2:]).scores
                _cells(axes, scores, images.shape[-1], 1.0, mask)
                axes.set_xlabel(f"{own.min():z.1f} to {own.max():z.1f}", fontsize=8, labelpad=2)
        said.append(f"likeness of the class maps {_likeness(raw):.2f}")
    return figure, (
        f"Mean energy in these {rows} pictures: {'; '.join(said)}. Likeness: correlation of the "
        "cells, mean over pictures."
    )


def one_stage(image, features: Mapping[str, Mapping], stage: str, mask=None) -> tuple[Figure, str]:
    """One stage of one picture: energy and the four strongest channels, a row for each network.

    All energies share a colour scale, and all channels share another.

    Args:
        image: (3, S, S).  features: network -> stage -> (1, K, h, w), of this picture.
        mask: (S, S) of the object, drawn as an outline.

    Raises:
        ValueError: a stage that is not there.
    """
    if stage not in (known := same_stages(features)):
        raise ValueError(f"no stage {stage!r}: there are {', '.join(known)}")
    tensors = {name: as_array(maps[stage])[0] for name, maps in features.items()}  # (K, h, w)
    top = min(4, *map(len, tensors.values()))
    energy = {name: tensor.mean(axis=0) for name, tensor in tensors.items()}
    order = {name: np.argsort(-t.mean(axis=(1, 2)))[:top] for name, t in tensors.items()}
    high = max(one.max() for one in energy.values())
    loudest = max(tensors[name][order[name]].max() for name in tensors)
    size = 9, 1.78 * len(tensors)
    figure, grid = plt.subplots(len(tensors), top + 2, figsize=size, squeeze=False)
    said = []
    for row, (name, tensor) in zip(grid, tensors.items(), strict=True):
        draw_picture(row[0], image)
        row[0].set_ylabel(name)
        left = _cells(row[1], energy[name], image.shape[-1], high, mask)
        row[1].set_title(f"{stage}: energy", fontsize=9)
        for axes, channel in zip(row[2:], order[name], strict=True):
            right = _cells(axes, tensor[channel], image.shape[-1], loudest, mask)
            axes.set_title(f"channel {channel}", fontsize=9)
        share = tensor[order[name]].sum() / max(tensor.sum(), 1e-12)
        said.append(
            f"{name}: mean energy {energy[name].mean():.2f}, {share:.0%} of it in the {top} "
            f"strongest of {len(tensor)} channels"
        )
    place = {"fraction": 0.06, "aspect": 30, "pad": 0.03}
    colour_bar(figure, left, [0, high], ax=list(grid[:, 1]), **place)
    colour_bar(figure, right, [0, loudest], ax=list(grid[:, -1]), **place)
    return figure, f"{stage}: {'; '.join(said)}."


def same_stages(features: Mapping[str, Mapping]) -> list[str]:
    """Names of the stages, refused where the networks do not have the same."""
    found = [list(maps) for maps in features.values()]
    if not found or any(own != found[0] for own in found):
        raise ValueError(f"the networks must have the same stages, and these have {found}")
    return found[0]


def _energy(features, count: int) -> np.ndarray:
    array = as_array(features)
    if len(array) != count:
        raise ValueError(
            f"features have shape {array.shape}, but {count} pictures need (n, K, h, w)"
        )
    return array.mean(axis=1)


def _likeness(maps: Mapping[str, np.ndarray]) -> float:
    """Correlation of the cells of the first and the last network's maps, mean over pictures."""
    first, *_, last = maps.values()
    pairs = zip(first, last, strict=True)
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))


def _cells(axes, values: np.ndarray, side: int, high: float, mask):
    """Values of any size over the area of the picture, from 0 to ``high``, with the outline."""
    extent = (-0.5, side - 0.5, side - 0.5, -0.5)
    shown = axes.imshow(values, cmap=MAP_CMAP, vmin=0, vmax=high, extent=extent)
    if mask is not None:
        axes.contour(as_array(mask), levels=[0.5], colors="white", linewidths=0.9)
    picture_axes(axes)
    return shown
