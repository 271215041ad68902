"""The limitation: what a map shows when the context says the label as reliably as the object does.

Runs differ in how often the context agrees with the label; tables have that in ``agrees``, 0..1.
Every function returns ``(Figure, sentence)``. Bars are 95 % Student intervals over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils import metrics
from entreg_utils.analysis.tables import over_seeds
from entreg_utils.experiments import Run
from entreg_utils.figures.style import CUE_COLOURS, MAP_CMAP, OKABE_ITO, picture_axes
from entreg_utils.figures.training import check_panel

COLOURS = (OKABE_ITO["black"], OKABE_ITO["green"])
STYLES = ("-", "--")
WORDS = {"part": "part", "body": "rest of the body", "context": "context"}


def scores(table: pd.DataFrame, constant: float) -> tuple[Figure, str]:
    """PxAP, light on each region, and each cue's share of the worth, against the reliability.

    Args:
        table: rows of ``tables.final`` with ``agrees``; two epsilons.
        constant: PxAP of a constant map.
    """
    cues = [f"reliance_{cue}" for cue in CUE_COLOURS]
    worth = table[cues].clip(lower=0)  # a worth below zero is noise around it
    table = table.assign(**worth.div(worth.sum(axis=1), axis=0).add_prefix("share_"))
    summary = over_seeds(table, by=("epsilon", "agrees"))
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.6))
    epsilons = sorted(set(table.epsilon))
    for epsilon, colour, style in zip(epsilons, COLOURS, STYLES, strict=True):
        own = summary.loc[epsilon]
        _line(panels[0], own["pxap"], colour, style, f"ε = {epsilon:g}")
        for cue, cue_colour in CUE_COLOURS.items():
            _line(panels[1], own[cue], cue_colour, style)
            _line(panels[2], own[f"share_reliance_{cue}"], cue_colour, style)
    panels[0].axhline(constant, color="#777777", ls=":", lw=1.2)
    panels[0].text(table.agrees.min(), constant + 0.015, "constant map", color="#666666")
    panels[0].legend(loc="lower left", bbox_to_anchor=(0, 0.3))
    regions = [plt.Line2D([], [], color=c, label=WORDS[n]) for n, c in CUE_COLOURS.items()]
    panels[1].legend(handles=regions, loc="upper left", fontsize=9)
    titles = ("PxAP", "mean normalised score", "share of the worth in logits")
    for axes, title in zip(panels, titles, strict=True):
        axes.set(title=title, ylim=(0, 1.03), xlabel="context agrees with the label")
        axes.set_xticks(sorted(set(table.agrees)))
    panels[1].set_ylim(0, 1.25)
    panels[1].set_yticks([0, 0.25, 0.5, 0.75, 1])
    said = []
    for epsilon in epsilons:
        own = summary.loc[epsilon]["pxap"]
        values = ", ".join(f"{r['mean']:.2f} ± {r['half']:.2f} ({a:g})" for a, r in own.iterrows())
        said.append(f"ε = {epsilon:g}: {values}")
    last = summary.xs(table.agrees.max(), level="agrees")["share_reliance_context"]["mean"]
    return figure, (
        f"PxAP by how often the context agrees, {'; '.join(said)}; a constant map has "
        f"{constant:.2f}. At {table.agrees.max():g} the context holds "
        + " and ".join(f"{last[e]:.0%} (ε = {e:g})" for e in epsilons)
        + " of the worth. Solid: the smaller ε, dashed: the larger."
    )


def maps(
    worlds: Mapping[str, tuple[object, Sequence[Run]]], images: Sequence[int] = (0, 1, 2)
) -> tuple[Figure, str]:
    """The same fish in several worlds: picture and last maps of the true class, a row an image.

    Args:
        worlds: title -> (test split, runs of that world, one a column).
        images: which of the images whose maps the runs keep.

    Raises:
        ValueError: an image that was not kept, or runs of another world than the split.
    """
    columns = sum(1 + len(runs) for _, runs in worlds.values())
    side = 10 / columns
    figure, grid = plt.subplots(
        len(images), columns, figsize=(10, (side + 0.2) * len(images) + 0.5), squeeze=False
    )
    said, first = [], 0
    for title, (dataset, runs) in worlds.items():
        means = []
        for column, run in enumerate(runs, start=first + 1):
            for axes, image in zip(grid[:, column], images, strict=True):
                check_panel(run, dataset, image)
                index = run.panel[image]
                mask, raw = dataset.masks[index].numpy(), run.maps[-1, image]
                shown = metrics.score_map(raw, mask.shape).scores
                axes.imshow(shown, cmap=MAP_CMAP, vmin=0, vmax=1)
                axes.contour(mask, levels=[0.5], colors="white", linewidths=0.9)
                pixels = metrics.pixel_average_precision([raw], [mask], size=mask.shape)
                axes.set_xlabel(f"{pixels:.2f}", fontsize=8.5, labelpad=2)
                means.append(pixels)
            grid[0, column].set_title(f"\nε = {run.config.epsilon:g}", fontsize=9.5)
        for axes, image in zip(grid[:, first], images, strict=True):
            axes.imshow(dataset.images[runs[0].panel[image]].permute(1, 2, 0).numpy())
        grid[0, first].set_title(f"{title}\n", fontsize=9.5)
        count = len(images)
        own = [sum(means[i : i + count]) / count for i in range(0, len(means), count)]
        said.append(f"{title}: " + " and ".join(f"{value:.2f}" for value in own))
        first += 1 + len(runs)
    for axes in grid.ravel():
        picture_axes(axes)
    names = " and ".join(f"ε = {run.config.epsilon:g}" for run in runs)
    return figure, f"Mean PxAP of these {len(images)} pictures at {names}: {'; '.join(said)}."


def _line(axes, columns: pd.DataFrame, colour: str, style: str, label: str | None = None) -> None:
    axes.errorbar(
        columns.index,
        columns["mean"],
        columns["half"],
        color=colour,
        ls=style,
        marker="o",
        ms=5,
        capsize=2,
        label=label,
    )
