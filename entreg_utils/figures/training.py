"""What regularisation does while a network trains: curves over epochs, and the maps themselves."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils import cam
from entreg_utils.experiments import Run
from entreg_utils.figures.style import MAP_CMAP, OKABE_ITO, picture_axes

COLOURS = [OKABE_ITO[name] for name in ("black", "blue", "green", "orange", "vermillion")]


def over_epochs(history: pd.DataFrame, epsilons: Sequence[float]) -> tuple[Figure, str]:
    """Entropy on train and test, accuracy, PxAP over epochs: seed means, a line an epsilon."""
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.3))
    titles = {"entropy": "entropy (nats)", "accuracy": "accuracy", "pxap": "PxAP (0 to 1)"}
    means = history.groupby(["epsilon", "epoch"]).mean(numeric_only=True)
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for epsilon, colour in zip(epsilons, COLOURS, strict=False):
            path = means.loc[epsilon]
            axes.plot(path.index, path[f"test_{name}"], color=colour, label=f"ε = {epsilon:g}")
            if name == "entropy":
                axes.plot(path.index, path.train_entropy, color=colour, ls=":", lw=1.2)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_ylim(bottom=0)
    panels[0].annotate("dotted: on train", (0.98, 0.5), xycoords="axes fraction", ha="right")
    panels[1].legend(loc="lower right")
    first, last = (means.loc[value] for value in (epsilons[0], epsilons[-1]))
    top = first.test_pxap.idxmax()
    sentence = (
        f"At ε = {epsilons[0]:g} the test entropy falls to {first.test_entropy.iloc[-1]:.2f} nats, "
        f"and PxAP with it, from {first.test_pxap[top]:.2f} at epoch {top} to "
        f"{first.test_pxap.iloc[-1]:.2f}; at ε = {epsilons[-1]:g} the entropy stays at "
        f"{last.test_entropy.iloc[-1]:.2f} nats and PxAP ends at {last.test_pxap.iloc[-1]:.2f}."
    )
    return figure, sentence


def map_strip(runs: Sequence[Run], dataset, epochs: Sequence[int], image: int = 0):
    """The map of one test image at several epochs (columns), one row a run."""
    figure, grid = plt.subplots(
        len(runs), len(epochs) + 1, figsize=(1.45 * (len(epochs) + 1), 1.62 * len(runs))
    )
    grid = np.atleast_2d(grid)
    spread = []
    for row, run in zip(grid, runs, strict=True):
        picture, mask = _panel(run, dataset, image)
        row[0].imshow(picture)
        picture_axes(row[0])
        row[0].set_ylabel(f"ε = {run.config.epsilon:g}")
        for axes, epoch in zip(row[1:], epochs, strict=True):
            scores = _scores(run.maps[epoch - 1, image], mask.shape)
            axes.imshow(scores, cmap=MAP_CMAP, vmin=0, vmax=1)
            axes.contour(mask, levels=[0.5], colors="white", linewidths=0.9)
            picture_axes(axes)
        spread.append((scores[mask].mean(), run.config.epsilon))
    for axes, epoch in zip(grid[0, 1:], epochs, strict=True):
        axes.set_title(f"epoch {epoch}", fontsize=10)
    text = " and ".join(f"{value:.2f} at ε = {epsilon:g}" for value, epsilon in spread)
    sentence = (
        f"At epoch {epochs[-1]} the mean normalised score inside the object (white outline) is "
        f"{text}."
    )
    return figure, sentence


def map_grid(runs: Sequence[Run], dataset) -> tuple[Figure, str]:
    """Final maps of the kept test images (rows), one column a run, with the object's outline."""
    images = runs[0].maps.shape[1]
    figure, grid = plt.subplots(
        images, len(runs) + 1, figsize=(1.12 * (len(runs) + 1), 1.24 * images + 0.2)
    )
    covered = []
    for run, column in zip(runs, grid[:, 1:].T, strict=True):
        column[0].set_title(f"{run.config.epsilon:g}", fontsize=10)
        inside = []
        for image, axes in enumerate(column):
            picture, mask = _panel(run, dataset, image)
            scores = _scores(run.maps[-1, image], mask.shape)
            axes.imshow(scores, cmap=MAP_CMAP, vmin=0, vmax=1)
            axes.contour(mask, levels=[0.5], colors="white", linewidths=0.8)
            picture_axes(axes)
            inside.append(scores[mask].mean() - scores[~mask].mean())
        covered.append(np.mean(inside))
    for image, axes in enumerate(grid[:, 0]):
        axes.imshow(_panel(runs[0], dataset, image)[0])
        picture_axes(axes)
    grid[0, 0].set_title("ε:", fontsize=10, loc="right")
    best = int(np.argmax(covered))
    sentence = (
        f"On these {images} images the maps separate object from rest best at "
        f"ε = {runs[best].config.epsilon:g} (mean score inside minus outside {covered[best]:.2f}; "
        f"{covered[0]:.2f} at ε = {runs[0].config.epsilon:g}, {covered[-1]:.2f} at "
        f"ε = {runs[-1].config.epsilon:g})."
    )
    return figure, sentence


def dashboard(run: Run, dataset, image: int = 0) -> tuple[Figure, str]:
    """One run at a glance: image with its map, entropy over epochs, loss over epochs."""
    picture, mask = _panel(run, dataset, image)
    scores = _scores(run.maps[-1, image], mask.shape)
    figure, (left, map_axes, middle, right) = plt.subplots(
        1, 4, figsize=(10, 2.7), width_ratios=(1, 1, 1.5, 1.5)
    )
    left.imshow(picture)
    left.set_title(dataset.class_names[int(dataset.labels[run.panel[image]])])
    map_axes.imshow(scores, cmap=MAP_CMAP, vmin=0, vmax=1)
    map_axes.contour(mask, levels=[0.5], colors="white", linewidths=1)
    map_axes.set_title(f"map at ε = {run.config.epsilon:g}")
    for axes in (left, map_axes):
        picture_axes(axes)
    history = run.history
    middle.plot(history.epoch, history.test_entropy, color=OKABE_ITO["blue"], label="test")
    middle.plot(
        history.epoch, history.train_entropy, color=OKABE_ITO["blue"], ls=":", label="train"
    )
    middle.set_ylim(0, np.log(dataset.num_classes) * 1.05)
    middle.set_title("entropy (nats)")
    middle.legend()
    right.plot(history.epoch, history.loss, color=OKABE_ITO["vermillion"])
    right.set_ylim(0)
    right.set_title("training loss (nats)")
    for axes in (middle, right):
        axes.set_xlabel("epoch")
    sentence = (
        f"ε = {run.config.epsilon:g}: entropy {run.metrics['entropy']:.2f} nats, accuracy "
        f"{run.metrics['accuracy']:.3f}, PxAP {run.metrics['pxap']:.2f} (test, last checkpoint, "
        f"seed {run.config.seed})."
    )
    return figure, sentence


def _panel(run: Run, dataset, image: int) -> tuple[np.ndarray, np.ndarray]:
    index = run.panel[image]
    return dataset.images[index].permute(1, 2, 0).numpy(), dataset.masks[index].numpy()


def _scores(raw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cam.normalize(cam.upsample(raw[None], shape[0]))[0]
