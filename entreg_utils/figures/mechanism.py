"""Why it works and when it does not: what each cue is worth, in theory and measured; regimes."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils import theory
from entreg_utils.analysis.tables import over_seeds
from entreg_utils.figures.style import CUE_COLOURS, OKABE_ITO, picture_axes


def optima(world: theory.ThreeCues, epsilons) -> tuple[Figure, str]:
    """The theory alone: logits each cue is worth at the optimum, and accuracy, over epsilon."""
    epsilons = np.asarray(epsilons, dtype=float)
    worth = theory.reliance(world, epsilons)
    accuracy = np.array([theory.prediction(world, e)[0] for e in epsilons])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.3))
    for column, (cue, colour) in enumerate(CUE_COLOURS.items()):
        left.plot(epsilons, worth[:, column], color=colour, label=cue)
    left.set_ylabel("worth of the cue (logits)")
    left.legend()
    left.set_title("What the optimum lives on")
    right.plot(epsilons, accuracy, color=OKABE_ITO["vermillion"])
    right.set_ylim(0, 1.03)
    right.set_ylabel("accuracy of the optimum")
    right.set_title("What it costs")
    for axes in (left, right):
        axes.set_xlabel("ε")
    dropped = epsilons[worth[:, 0] < 1e-6]
    gone = epsilons[worth.max(axis=1) < 1e-6]
    sentence = (
        f"At ε = {epsilons[0]:g} the part is worth {worth[0, 0]:.1f} logits and the body "
        f"{worth[0, 1]:.1f}; the part is dropped from "
        f"{f'ε = {dropped.min():.2f}' if len(dropped) else 'no ε of this grid'} on, and everything "
        f"from {f'ε = {gone.min():.3f}' if len(gone) else 'no ε of this grid'} on."
    )
    return figure, sentence


def overlay(table: pd.DataFrame, world: theory.ThreeCues) -> tuple[Figure, str]:
    """Measured worth of the cues over epsilon, with the theory's prediction as lines."""
    summary = over_seeds(table)
    epsilons = summary.index.to_numpy()
    x = np.arange(len(epsilons))
    predicted = theory.reliance(world, epsilons)
    measured = np.stack([summary[f"reliance_{cue}"]["mean"] for cue in theory.CUES], axis=1)
    half = np.stack([summary[f"reliance_{cue}"]["half"] for cue in theory.CUES], axis=1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6))
    for column, (cue, colour) in enumerate(CUE_COLOURS.items()):
        left.errorbar(
            x, measured[:, column], half[:, column], color=colour, fmt="o", ms=5, capsize=2
        )
        left.plot(x, predicted[:, column], color=colour, lw=1.4, label=cue)
        shares = (_share(measured)[:, column], _share(predicted)[:, column])
        right.plot(x, shares[0], color=colour, marker="o", ms=5, ls="")
        right.plot(x, shares[1], color=colour, lw=1.4)
    left.set_yscale("symlog", linthresh=0.1)
    left.set_yticks([-1, -0.1, 0, 0.1, 1, 10], ["-1", "-0.1", "0", "0.1", "1", "10"])
    left.set_ylabel("worth of the cue (logits)")
    left.set_title("Points: measured. Lines: theory")
    left.legend(loc="upper right", ncols=3)
    left.set_ylim(top=30)
    right.set_ylabel("share of the three")
    right.set_ylim(-0.05, 1.05)
    right.set_title("The same, as shares")
    for axes in (left, right):
        axes.set_xticks(x, [f"{value:g}" for value in epsilons])
        axes.set_xlabel("ε, weight of the uniform target")
    share = _share(measured)
    error = np.abs(share - _share(predicted))[predicted.sum(axis=1) > 1e-6]
    sentence = (
        f"Measured, the part's share of the worth goes from {share[0, 0]:.2f} at ε = 0 to "
        f"{share[:, 0].min():.2f} at ε = {epsilons[share[:, 0].argmin()]:g}, "
        f"while the body's goes up to {share[:, 1].max():.2f}; the theory, with one "
        f"constant fitted (price {world.price:.2g}), is off by {error.mean():.2f} in a share on "
        "average."
    )
    return figure, sentence


def fit_price(table: pd.DataFrame, world: theory.ThreeCues, candidates) -> theory.ThreeCues:
    """The world with the price whose predicted worths are nearest to the measured ones.

    Least squares over epsilons and cues of asinh(10 worth), which is about linear below a tenth of
    a logit and logarithmic above, so that neither the large nor the small worths decide alone.
    """
    summary = over_seeds(table)
    measured = np.stack([summary[f"reliance_{cue}"]["mean"] for cue in theory.CUES], axis=1)
    worlds = [
        theory.ThreeCues(world.reliability, world.amplitude, world.num_classes, price)
        for price in candidates
    ]

    def distance(candidate):
        predicted = theory.reliance(candidate, summary.index)
        return ((np.arcsinh(10 * predicted) - np.arcsinh(10 * measured)) ** 2).sum()

    return min(worlds, key=distance)


def regimes(tables: Mapping[str, pd.DataFrame], name: str = "pxap") -> tuple[Figure, str]:
    """One score and accuracy against epsilon in several worlds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.4), sharex=True)
    colours = [OKABE_ITO[colour] for colour in ("blue", "vermillion", "green")]
    parts = []
    for (title, table), colour in zip(tables.items(), colours, strict=False):
        summary = over_seeds(table)
        for axes, column in ((left, name), (right, "accuracy")):
            mean, half = summary[column]["mean"], summary[column]["half"]
            axes.errorbar(
                summary.index, mean, half, color=colour, marker="o", ms=5, capsize=3, label=title
            )
        first, last = summary.iloc[0], summary.iloc[-1]
        parts.append(
            f"{title}: {first[name, 'mean']:.2f} ± {first[name, 'half']:.2f} at ε = 0, "
            f"{last[name, 'mean']:.2f} ± {last[name, 'half']:.2f} at ε = {summary.index[-1]:g} "
            f"(accuracy {first['accuracy', 'mean']:.2f} and {last['accuracy', 'mean']:.2f})"
        )
    left.set_ylabel("PxAP (0 to 1)")
    right.set_ylabel("accuracy")
    for axes in (left, right):
        axes.set_xlabel("ε, weight of the uniform target")
        axes.set_ylim(0, 1.05)
    left.set_title("Localisation")
    right.set_title("Classification")
    left.legend(loc="lower left")
    return figure, "PxAP, " + "; ".join(parts) + "."


def _share(worth: np.ndarray) -> np.ndarray:
    """Shares of the row's sum; negative worths (noise around zero) count as zero."""
    worth = np.clip(worth, 0, None)
    return worth / np.maximum(worth.sum(axis=1, keepdims=True), 1e-9)


def counterfactuals(images, changed: Mapping[str, object]) -> tuple[Figure, str]:
    """Images uint8 (n, 3, S, S) in the first row, and below with one cue changed at a time."""
    figure, grid = plt.subplots(len(changed) + 1, len(images), figsize=(1.5 * len(images) + 1, 6))
    rows = {"as painted": images} | {f"{cue} changed": new for cue, new in changed.items()}
    counts = []
    for row, (title, pictures) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(row, pictures, strict=True):
            axes.imshow(picture.permute(1, 2, 0).numpy())
            picture_axes(axes)
        row[0].set_ylabel(title)
        counts.append((pictures != images).any(dim=1).float().mean().item())
    text = ", ".join(
        f"{share:.0%} by the {cue}" for cue, share in zip(changed, counts[1:], strict=True)
    )
    return figure, f"Pixels that a change touches, mean over these images: {text}."
