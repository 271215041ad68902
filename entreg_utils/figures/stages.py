"""Inside the network: the map that each stage hands on, one network beside another.

A stage's map is drawn as its **energy**, the mean over channels, on one colour scale for all
networks and images of a figure, from 0 to the highest value among them; cells are not smoothed.
Features are those of ``model.stage_features(images)``, stage -> (N, K, h, w), not negative. Every
function returns ``(Figure, sentence)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils import metrics
from entreg_utils.figures.scenes import as_array, as_picture
from entreg_utils.figures.style import CUE_COLOURS, MAP_CMAP, OKABE_ITO, picture_axes

LINES = [OKABE_ITO[name] for name in ("black", "blue", "green", "vermillion", "orange")]
REGIONS = {"part": "on the part", "body": "on the rest of the body", "context": "on the context"}


def beside(
    images, features: Mapping[str, Mapping], cams: Mapping[str, object] | None = None, masks=None
) -> tuple[Figure, str]:
    """Energy after each stage, the networks beside each other; last their class maps.

    Args:
        images: (n, 3, S, S), a row each.
        features: network -> stage -> (n, K, h, w); the same stages for every network.
        cams: network -> raw class maps (n, h, w); each is min-maxed by itself, since logits of two
            networks have no common scale, and has its raw range under it.
        masks: (n, S, S) of the object, drawn as an outline.

    Raises:
        ValueError: networks with other stages, or not one map an image.
    """
    names, stages = list(features), _stages(features)
    energies = {s: {n: _energy(features[n][s], len(images)) for n in names} for s in stages}
    groups = [*stages, *(["class map"] if cams else [])]
    ratios = [1.0] + [1.0] * len(names) * len(groups)
    rows, columns = len(images), len(ratios)
    side = min(10 / columns, 1.5)
    figure, grid = plt.subplots(
        rows + 1,
        columns,
        figsize=(side * columns, (side + 0.16) * rows + 0.75),
        height_ratios=[1] * rows + [0.07],
        squeeze=False,
    )
    for axes in grid[rows]:
        axes.set_visible(False)
    said = []
    for row, image in enumerate(images):
        _picture(grid[row, 0], image)
    grid[0, 0].set_title("picture", fontsize=9.5)
    for g, group in enumerate(groups):
        first = 1 + g * len(names)
        block = grid[:, first : first + len(names)]
        for axes, name in zip(block[0], names, strict=True):
            axes.set_title(f"{group}\n{name}", fontsize=9.5)
        if group == "class map":
            for column, name in zip(block[:rows].T, names, strict=True):
                _class_maps(column, images, as_array(cams[name]), masks)
            continue
        high = max(float(energy.max()) for energy in energies[group].values())
        for column, name in zip(block[:rows].T, names, strict=True):
            for row, axes in enumerate(column):
                shown = _cells(axes, energies[group][name][row], images[row], high, masks, row)
        bar = figure.colorbar(
            shown, ax=list(block[rows]), orientation="horizontal", fraction=1.0, aspect=24, pad=0
        )
        bar.outline.set_visible(False)
        bar.set_ticks([0, high], labels=["0", f"{high:.2g}"])
        means = [f"{energies[group][name].mean():.2f} ({name})" for name in names]
        said.append(f"{group} {' and '.join(means)}, likeness {_likeness(energies[group]):.2f}")
    sentence = f"Mean energy in these {rows} pictures: {'; '.join(said)}"
    if cams:
        likeness = _likeness({name: as_array(cams[name]) for name in names})
        sentence += f"; likeness of the class maps {likeness:.2f}"
    return figure, sentence + ". Likeness: correlation of the cells, mean over pictures."


def one_stage(
    image, features: Mapping[str, Mapping], stage: str, top: int = 4, mask=None
) -> tuple[Figure, str]:
    """One stage of one picture: energy and the strongest channels, a row for each network.

    All energies share a colour scale, and all channels share another.

    Args:
        image: (3, S, S).  features: network -> stage -> (1, K, h, w), of this picture.
        mask: (S, S) of the object, drawn as an outline.

    Raises:
        ValueError: a stage that is not there, or more channels than there are.
    """
    if stage not in _stages(features):
        raise ValueError(f"no stage {stage!r}: there are {', '.join(_stages(features))}")
    tensors = {name: as_array(maps[stage])[0] for name, maps in features.items()}  # (K, h, w)
    channels = min(len(tensor) for tensor in tensors.values())
    if not 1 <= top <= channels:
        raise ValueError(f"top is {top}, but must be 1 to the number of channels, {channels}")
    energy = {name: tensor.mean(axis=0) for name, tensor in tensors.items()}
    order = {name: np.argsort(-t.mean(axis=(1, 2)))[:top] for name, t in tensors.items()}
    high = max(one.max() for one in energy.values())
    loudest = max(tensors[name][order[name]].max() for name in tensors)
    figure, grid = plt.subplots(
        len(tensors), top + 2, figsize=(9, 1.78 * len(tensors)), squeeze=False
    )
    masks, said = None if mask is None else [mask], []
    for row, (name, tensor) in zip(grid, tensors.items(), strict=True):
        _picture(row[0], image)
        row[0].set_ylabel(name)
        left = _cells(row[1], energy[name], image, high, masks, 0)
        for axes, channel in zip(row[2:], order[name], strict=True):
            right = _cells(axes, tensor[channel], image, loudest, masks, 0)
            axes.set_title(f"channel {channel}", fontsize=9)
        row[1].set_title(f"{stage}: energy", fontsize=9)
        share = tensor[order[name]].sum() / max(tensor.sum(), 1e-12)
        said.append(
            f"{name}: mean energy {energy[name].mean():.2f}, {share:.0%} of it in the {top} "
            f"strongest of {len(tensor)} channels"
        )
    for shown, end, axes in ((left, high, grid[:, 1]), (right, loudest, grid[:, -1])):
        bar = figure.colorbar(shown, ax=list(axes), fraction=0.06, aspect=30, pad=0.03)
        bar.outline.set_visible(False)
        bar.set_ticks([0, end], labels=["0", f"{end:.2g}"])
    return figure, f"{stage}: {'; '.join(said)}."


def energy(table: pd.DataFrame, areas: Mapping[str, float]) -> tuple[Figure, str]:
    """Share of the energy on part, rest of the body and context, stage by stage, a line a network.

    Args:
        table: columns ``epsilon``, ``stage`` (in order); ``part``, ``body``, ``context``: shares in
            0..1; ``half_*``: half-widths of their intervals.
        areas: share of the picture that each region covers: what an even map would give.
    """
    stages, epsilons = list(dict.fromkeys(table.stage)), list(dict.fromkeys(table.epsilon))
    x = np.arange(len(stages))
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.4))
    for axes, (region, title) in zip(panels, REGIONS.items(), strict=True):
        axes.axhline(areas[region], color="#777777", ls=":", lw=1.2)
        axes.text(0, areas[region], "its share of the picture ", color="#666666", va="bottom")
        for epsilon, colour in zip(epsilons, LINES, strict=False):
            rows = table[table.epsilon == epsilon].set_index("stage").loc[stages]
            _points(axes, x, rows, region, colour, f"ε = {epsilon:g}")
        highest = max(areas[region], table[region].max())
        axes.set(title=title, ylim=(0, 1.12 * highest), xlim=(-0.2, x[-1] + 0.2))
        axes.set_xticks(x, stages)
    panels[0].set_ylabel("share of the energy")
    panels[2].legend(loc="lower left", fontsize=9, ncols=2)
    fish = (table.part + table.body).set_axis(pd.MultiIndex.from_frame(table[["epsilon", "stage"]]))
    said = [f"ε = {e:g} " + ", ".join(f"{fish[e, s]:.2f}" for s in stages) for e in epsilons]
    return figure, (
        f"Share of the energy on the object, part and rest together, after {', '.join(stages)}: "
        f"{'; '.join(said)}; an even map has {areas['part'] + areas['body']:.2f}."
    )


def listening(table: pd.DataFrame) -> tuple[Figure, str]:
    """How far a stage's pooled features move when one cue is repainted, against epsilon.

    Args:
        table: columns ``epsilon``, ``stage``, and ``part``, ``body``, ``context``: the move, in
            units of the spread between pictures; ``half_*``: half-widths of its intervals.
    """
    stages, epsilons = list(dict.fromkeys(table.stage)), list(dict.fromkeys(table.epsilon))
    x = np.arange(len(epsilons))
    figure, panels = plt.subplots(1, len(stages), figsize=(9, 3.3), sharey=True, squeeze=False)
    said = []
    for axes, stage in zip(panels[0], stages, strict=True):
        rows = table[table.stage == stage].set_index("epsilon").loc[epsilons]
        for cue, colour in CUE_COLOURS.items():
            _points(axes, x, rows, cue, colour, cue)
        axes.set_xticks(x, [f"{e:g}" for e in epsilons])
        axes.set(title=stage, xlabel="ε, weight of the uniform target")
        ratio = rows.part / rows.body
        said.append(f"{stage} " + ", ".join(f"{ratio[e]:.2f} (ε = {e:g})" for e in epsilons))
    panels[0, 0].set_ylabel("move of the pooled features\n(1: spread between pictures)")
    panels[0, 0].set_ylim(0, 1.08 * table[list(CUE_COLOURS)].to_numpy().max())
    panels[0, -1].legend(loc="upper right")
    return figure, (
        f"A repainted mark moves the features this many times as far as a repainted body: "
        f"{'; '.join(said)}."
    )


def _points(axes, x, rows: pd.DataFrame, name: str, colour: str, label: str) -> None:
    half = rows[f"half_{name}"]
    axes.errorbar(x, rows[name], half, color=colour, marker="o", ms=5, capsize=2, label=label)


def _stages(features: Mapping[str, Mapping]) -> list[str]:
    found = [list(maps) for maps in features.values()]
    if not found or any(own != found[0] for own in found):
        raise ValueError(f"the networks must have the same stages, and these have {found}")
    return found[0]


def _energy(features, count: int) -> np.ndarray:
    array = as_array(features)
    if array.ndim != 4 or len(array) != count:
        raise ValueError(
            f"features have shape {array.shape}, but {count} pictures need (n, K, h, w)"
        )
    return array.mean(axis=1)


def _likeness(maps: Mapping[str, np.ndarray]) -> float:
    """Correlation of the cells of the first and the last network's maps, mean over pictures."""
    first, *_, last = maps.values()
    pairs = zip(first, last, strict=True)
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))


def _picture(axes, image) -> None:
    axes.imshow(as_picture(image))
    picture_axes(axes)


def _cells(axes, values: np.ndarray, image, high: float, masks, row: int):
    side = as_picture(image).shape[0]
    extent = (-0.5, side - 0.5, side - 0.5, -0.5)
    shown = axes.imshow(values, cmap=MAP_CMAP, vmin=0, vmax=high, extent=extent)
    if masks is not None:
        axes.contour(as_array(masks[row]), levels=[0.5], colors="white", linewidths=0.9)
    picture_axes(axes)
    return shown


def _class_maps(column: Sequence, images, maps: np.ndarray, masks) -> None:
    for row, axes in enumerate(column):
        scores = metrics.score_map(maps[row], as_picture(images[row]).shape[:2]).scores
        _cells(axes, scores, images[row], 1.0, masks, row)
        low, high = float(maps[row].min()), float(maps[row].max())
        axes.set_xlabel(f"{low:z.1f} to {high:z.1f}", fontsize=8, labelpad=2)
