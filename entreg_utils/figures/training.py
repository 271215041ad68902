"""What regularisation does while a network trains: curves over epochs, and the maps themselves.

Maps are those that records keep: raw maps of a few test images (``Run.panel``) at every epoch, of
the true class. They are drawn as they are scored: resized bicubically, then min-maxed each by
itself, so that a bright map is not a sure one. The number under a map is its own PxAP: the average
precision of its pixels against the object's mask, 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils import losses, metrics
from entreg_utils.experiments import Run
from entreg_utils.figures.style import MAP_CMAP, OKABE_ITO, picture_axes

COLOURS = [OKABE_ITO[name] for name in ("black", "blue", "green", "orange", "vermillion")]
TEST, TRAIN, FLOOR = OKABE_ITO["blue"], OKABE_ITO["vermillion"], "#777777"


def over_epochs(history: pd.DataFrame, epsilons: Sequence[float]) -> tuple[Figure, str]:
    """Test entropy, accuracy and PxAP over epochs; a line an epsilon, dotted: entropy on train.

    Lines are means over seeds, bands reach from the lowest to the highest seed; a ring marks each
    line's best PxAP.

    Args:
        history: of ``tables.history``.
        epsilons: at most five of those in the history.

    Raises:
        ValueError: none or more than five epsilons, or one that the history does not hold.
    """
    _check_epsilons(history, epsilons)
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.4))
    names = ("entropy", "accuracy", "pxap")
    titles = ("entropy (nats; dotted: train)", "accuracy", "PxAP (0 to 1; ring: best)")
    seeds = history.groupby(["epsilon", "epoch"])
    mean, low, high = (getattr(seeds, name)(numeric_only=True) for name in ("mean", "min", "max"))
    for axes, name, title in zip(panels, names, titles, strict=True):
        column = f"test_{name}"
        for epsilon, colour in zip(epsilons, COLOURS, strict=False):
            path, epochs = mean.loc[epsilon], mean.loc[epsilon].index
            ends = low.loc[epsilon][column], high.loc[epsilon][column]
            axes.fill_between(epochs, *ends, color=colour, alpha=0.15, lw=0)
            axes.plot(epochs, path[column], color=colour, label=f"ε = {epsilon:g}")
            if name == "entropy":
                axes.plot(epochs, path.train_entropy, color=colour, ls=":", lw=1.2)
            if name == "pxap":
                top = path[column].idxmax()
                axes.plot(top, path[column][top], "o", ms=8, mfc="none", color=colour)
        axes.set(title=title, xlabel="epoch", ylim=(0, None))
        axes.locator_params(axis="x", integer=True)
    panels[1].legend(loc="lower right")
    said = []
    for epsilon in epsilons:
        path = mean.loc[epsilon]
        top = path.test_pxap.idxmax()
        said.append(
            f"ε = {epsilon:g}: entropy {path.test_entropy.iloc[0]:.2f} to "
            f"{path.test_entropy.iloc[-1]:.2f} nats, PxAP best at epoch {top} "
            f"({path.test_pxap[top]:.2f}), {path.test_pxap.iloc[-1]:.2f} at the last"
        )
    return figure, "; ".join(said) + "."


def map_strip(
    runs: Sequence[Run], dataset, epochs: Sequence[int], image: int = 0
) -> tuple[Figure, str]:
    """The map of one kept test image at several epochs (columns), one row a run.

    Args:
        image: which of the images that the runs kept.

    Raises:
        ValueError: an epoch or image that the runs do not hold, or another data set than theirs.
    """
    for run in runs:
        check_panel(run, dataset, image)
        for epoch in epochs:
            if not 1 <= epoch <= len(run.maps):
                raise ValueError(
                    f"epoch {epoch} is outside 1..{len(run.maps)} of {run.config.name}"
                )
    figure, grid = _tiles(len(runs), len(epochs) + 1)
    said = []
    for row, run in zip(grid, runs, strict=True):
        _show_picture(row[0], run, dataset, image)
        row[0].set_ylabel(f"ε = {run.config.epsilon:g}")
        columns = zip(row[1:], epochs, strict=True)
        scores = [_show_map(axes, run, dataset, image, epoch) for axes, epoch in columns]
        best = int(np.argmax(scores))
        said.append(
            f"at ε = {run.config.epsilon:g} best at epoch {epochs[best]} ({scores[best]:.2f}), "
            f"{scores[-1]:.2f} at epoch {epochs[-1]}"
        )
    for axes, epoch in zip(grid[0, 1:], epochs, strict=True):
        axes.set_title(f"epoch {epoch}", fontsize=10)
    return figure, f"PxAP of this one image, of the epochs shown: {'; '.join(said)}."


def map_grid(runs: Sequence[Run], dataset) -> tuple[Figure, str]:
    """Final maps of the kept test images (rows), one column a run, with the object's outline."""
    images = len(runs[0].panel)
    for run in runs:
        check_panel(run, dataset, images - 1)
    figure, grid = _tiles(images, len(runs) + 1)
    scores = np.zeros((images, len(runs)))
    for image, row in enumerate(grid):
        _show_picture(row[0], runs[0], dataset, image)
        for index, (axes, run) in enumerate(zip(row[1:], runs, strict=True)):
            scores[image, index] = _show_map(axes, run, dataset, image)
    for axes, run in zip(grid[0, 1:], runs, strict=True):
        axes.set_title(f"ε = {run.config.epsilon:g}", fontsize=10)
    means = zip(scores.mean(axis=0), runs, strict=True)
    said = "; ".join(f"{mean:.2f} at ε = {run.config.epsilon:g}" for mean, run in means)
    return figure, f"Mean PxAP of these {images} images: {said}."


def dashboard(run: Run, dataset, image: int = 0) -> tuple[Figure, str]:
    """One run at a glance: image, its last map, entropy over epochs, loss over epochs."""
    check_panel(run, dataset, image)
    figure, (left, map_axes, middle, right) = plt.subplots(
        1, 4, figsize=(10, 2.8), width_ratios=(1, 1, 1.45, 1.45)
    )
    _show_picture(left, run, dataset, image)
    left.set_title(dataset.class_names[int(dataset.labels[run.panel[image]])])
    pxap = _show_map(map_axes, run, dataset, image, word="PxAP of this map: ")
    map_axes.set_title(f"map at ε = {run.config.epsilon:g}")
    _entropy_panel(middle, run)
    _loss_panel(right, run)
    for axes, title in ((middle, "entropy (nats)"), (right, "training loss (nats)")):
        axes.set(title=title, xlabel="epoch")
        axes.legend(loc="best", fontsize=9)
    sentence = (
        f"ε = {run.config.epsilon:g}: entropy {run.metrics['entropy']:.2f} nats, accuracy "
        f"{run.metrics['accuracy']:.3f}, PxAP {run.metrics['pxap']:.2f} over all test images and "
        f"{pxap:.2f} on this one (last checkpoint, seed {run.config.seed})."
    )
    return figure, sentence


def dashboards(runs: Sequence[Run], dataset, image: int = 0) -> tuple[Figure, str]:
    """What the slider shows, all at once: map, entropy, loss (rows), one column a run."""
    for run in runs:
        check_panel(run, dataset, image)
    width = min(10 / len(runs), 2.5)
    figure, grid = _tiles(3, len(runs), (width * len(runs), width + 3.0), (width, 1, 1))
    said = []
    for column, run in zip(grid.T, runs, strict=True):
        pxap = _show_map(column[0], run, dataset, image)
        column[0].set_title(f"ε = {run.config.epsilon:g}", fontsize=10, loc="center")
        _entropy_panel(column[1], run)
        _loss_panel(column[2], run)
        column[2].set_xlabel("epoch", fontsize=9)
        for axes in column[1:]:
            axes.tick_params(labelsize=8)
        said.append(f"{run.metrics['entropy']:.2f} and {pxap:.2f} at ε = {run.config.epsilon:g}")
    for axes in grid[2]:
        axes.set_ylim(0, max(run.history.loss.max() for run in runs) * 1.06)
    for axes in grid[1:, 1:].flat:
        axes.set_yticklabels([])
    grid[1, 0].set_ylabel("entropy (nats)", fontsize=9)
    grid[2, 0].set_ylabel("loss (nats)", fontsize=9)
    return figure, f"Test entropy in nats, and PxAP of this image: {'; '.join(said)}."


def check_panel(run: Run, dataset, image: int) -> None:
    """Refuse a data set that the run's kept maps do not belong to, or an image it did not keep."""
    if not 0 <= image < len(run.panel):
        raise ValueError(
            f"image {image} is not kept: {run.config.name} holds maps of {len(run.panel)} test "
            f"images, 0..{len(run.panel) - 1}"
        )
    if dataset.split != "test" or dataset.world.to_dict() != run.config.knobs:
        raise ValueError(
            f"the maps of {run.config.name} belong to the test split of its own world: give "
            "experiments.splits(run.config)[2]"
        )


def _check_epsilons(history: pd.DataFrame, epsilons: Sequence[float]) -> None:
    known = sorted(set(history.epsilon))
    missing = [epsilon for epsilon in epsilons if epsilon not in known]
    if missing:
        raise ValueError(
            f"no run at epsilon {missing[0]:g}: there are {', '.join(f'{e:g}' for e in known)}"
        )
    if not 1 <= len(epsilons) <= len(COLOURS):
        raise ValueError(f"{len(epsilons)} epsilons: give 1 to {len(COLOURS)}, each has a colour")


def _tiles(rows: int, columns: int, size=None, ratios=None) -> tuple[Figure, np.ndarray]:
    side = min(10 / columns, 1.7)  # inches: at most the notebook's width, and few stay small
    size = size or (side * columns, (side + 0.2) * rows + 0.25)
    return plt.subplots(rows, columns, figsize=size, height_ratios=ratios, squeeze=False)


def _show_picture(axes, run: Run, dataset, image: int) -> None:
    axes.imshow(dataset.images[run.panel[image]].permute(1, 2, 0).numpy())
    picture_axes(axes)


def _show_map(axes, run: Run, dataset, image: int, epoch: int = 0, word: str = "") -> float:
    """Draw the map of an epoch (0: the last) with the object's outline; return its PxAP."""
    raw, mask = run.maps[epoch - 1, image], dataset.masks[run.panel[image]].numpy()
    axes.imshow(metrics.score_map(raw, mask.shape).scores, cmap=MAP_CMAP, vmin=0, vmax=1)
    axes.contour(mask, levels=[0.5], colors="white", linewidths=0.9)
    picture_axes(axes)
    pxap = metrics.pixel_average_precision([raw], [mask], size=mask.shape)
    axes.set_xlabel(f"{word}{pxap:.2f}", fontsize=9, labelpad=2)
    return pxap


def _entropy_panel(axes, run: Run) -> None:
    history, floor = run.history, _floor(run)
    axes.plot(history.epoch, history.test_entropy, color=TEST, label="on test")
    axes.plot(history.epoch, history.train_entropy, color=TEST, ls=":", lw=1.2, label="on train")
    if floor is not None:
        axes.axhline(floor[0], color=FLOOR, ls="--", lw=1, label="aimed at", zorder=1)
    axes.set_ylim(0, np.log(run.config.num_classes) * 1.06)
    axes.locator_params(axis="x", integer=True)


def _loss_panel(axes, run: Run) -> None:
    axes.plot(run.history.epoch, run.history.loss, color=TRAIN, label="mean of the epoch")
    if (floor := _floor(run)) is not None:
        axes.axhline(floor[1], color=FLOOR, ls="--", lw=1, label="lowest possible", zorder=1)
    axes.set_ylim(0, run.history.loss.max() * 1.06)
    axes.locator_params(axis="x", integer=True)


def _floor(run: Run) -> tuple[float, float] | None:
    """Entropy and loss at the optimum of one sample, in nats; None where no closed form is used.

    The loss ``(CE + lambda KL(u||p)) / (1 + lambda)`` is label smoothing minus ``eps log C``, and
    label smoothing is lowest at the smoothed target, where it is that target's entropy.
    """
    config = run.config
    if config.regularizer not in ("none", "label_smoothing", "kl_uniform"):
        return None
    entropy = losses.smoothed_optimum(config.epsilon, config.num_classes)[1]
    constant = config.epsilon * np.log(config.num_classes)
    return entropy, entropy - (constant if config.regularizer == "kl_uniform" else 0.0)
