"""Maps of networks beside each other after each stage, and one stage's channels.

A stage's map is drawn as its **energy**, the mean over channels, on one colour scale for all
networks and images of a figure, from 0 to the highest value among them; cells are not smoothed.
Features are those of ``model.stage_features(images)``, stage -> (N, K, h, w), not negative. Class
maps have no common scale: each is min-maxed by itself. Functions return ``(Figure, sentence)``.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from contourpy import contour_generator
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from entreg_utils import metrics
from entreg_utils.cam.scaling import as_array
from entreg_utils.figures.scenes import as_picture, colour_bar, draw_cells, draw_picture
from entreg_utils.figures.style import MAP_CMAP, picture_axes

PITCH = 1.2  # of a row of one_stage: a square and its title, in sides of the square


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
    groups = {s: {name: _energy(features[name][s], rows) for name in names} for s in stages}
    if cams:
        groups["class map"] = {name: as_array(cams[name]) for name in names}
    columns = 1 + len(names) * len(groups)
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
    blocks, unders = np.split(grid[:, 1:], len(groups), axis=1), np.split(last[1:], len(groups))
    said = []
    for (title, maps), block, under in zip(groups.items(), blocks, unders, strict=True):
        scaled = title in stages  # class maps have no common scale
        high = float(np.max(list(maps.values()))) if scaled else 1.0
        for column, (name, own) in zip(block.T, maps.items(), strict=True):
            column[0].set_title(f"{title}\n{name}", fontsize=9.5)
            for axes, cells, mask in zip(column, own, masks, strict=True):
                if not scaled:
                    ends = f"{cells.min():z.1f} to {cells.max():z.1f}"
                    axes.set_xlabel(ends, fontsize=8, labelpad=2)
                    cells = metrics.score_map(cells, images.shape[-2:]).scores
                shown = draw_cells(axes, cells, images.shape[-1], high, mask)
        if not scaled:
            said.append(f"likeness of the class maps {_likeness(maps):.2f}")
            continue
        place = {"orientation": "horizontal", "fraction": 1, "aspect": 24, "pad": 0}
        colour_bar(figure, shown, [0, high], ax=list(under), **place)
        means = " and ".join(f"{own.mean():.2f} ({name})" for name, own in maps.items())
        said.append(f"{title} {means}, likeness {_likeness(maps):.2f}")
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
    # Two axes hold all panels, not an axes each: a slider that is moved waits for each of them.
    size, side, said = (9, 1.5 * len(tensors)), image.shape[-1], []
    figure, (left, right) = plt.subplots(1, 2, figsize=size, width_ratios=(2, top))
    for row, (name, tensor) in enumerate(tensors.items()):
        chosen, y = order[name], PITCH * side * row
        first = {"": as_picture(image), f"{stage}: energy": energy[name]}
        channels = {f"channel {k}": tensor[k] for k in chosen}
        _panels(left, y, side, first, high, mask)
        _panels(right, y, side, channels, loudest, mask)
        left.text(-0.04 * side, y + 0.7 * side, name, rotation=90, ha="right", va="center")
        share = tensor[chosen].sum() / max(tensor.sum(), 1e-12)
        said.append(
            f"{name}: mean energy {energy[name].mean():.2f}, {share:.0%} of it in the {top} "
            f"strongest of {len(tensor)} channels"
        )
    for axes, columns, most in ((left, 2, high), (right, top, loudest)):
        picture_axes(axes)
        axes.set(xlim=(0, 1.06 * side * columns), ylim=(PITCH * side * len(tensors), 0))
        place = {"fraction": 0.03, "aspect": 30, "pad": 0.02, "shrink": 0.9}
        colour_bar(figure, axes.images[-1], [0, most], ax=axes, **place)
    return figure, f"{stage}: {'; '.join(said)}."


def _panels(axes, y: float, side: int, panels: Mapping, high: float, mask) -> None:
    """A row of squares with their titles on one axes, maps from 0 to ``high`` with the outline."""
    lines = []
    outline = [] if mask is None else contour_generator(z=as_array(mask) * 1.0).lines(0.5)
    for column, (title, cells) in enumerate(panels.items()):
        corner = 1.06 * side * column, y + (PITCH - 1) * side  # upper left
        extent = corner[0], corner[0] + side, corner[1] + side, corner[1]
        axes.text(corner[0], corner[1] - 0.04 * side, title, fontsize=9)
        axes.imshow(cells, cmap=MAP_CMAP, vmin=0, vmax=high, extent=extent)
        if cells.ndim == 2:
            lines += [line + 0.5 + corner for line in outline]
    axes.add_collection(LineCollection(lines, colors="white", linewidths=0.9))


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
