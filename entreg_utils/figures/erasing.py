"""What erasing methods hide, and what they do to map and class.

Pictures take what ``erasing.hidden`` returns; score figures take tables of ``experiments.tables``
with the columns ``method`` and ``epsilon``. Each function returns ``(Figure, sentence)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch.nn import functional

from entreg_utils.analysis.tables import over_seeds, paired
from entreg_utils.erasing import Hidden
from entreg_utils.figures.style import CUE_COLOURS, OKABE_ITO, picture_axes

TITLES = {
    "cam": "CAM",
    "has": "HaS",
    "cutmix": "CutMix",
    "adl": "ADL",
    "rdap": "RDAP (our reading)",
}
WITHOUT, WITH, GREY = OKABE_ITO["blue"], OKABE_ITO["vermillion"], "#777777"


def what_is_hidden(shown: Sequence[Hidden], count: int = 6) -> tuple[Figure, str]:
    """A row a method, a column an image: what the network gets to see.

    HaS and CutMix change the image; the cells of the feature map that ADL and RDAP hide are drawn
    dark on it, at the map's own resolution.
    """
    figure, axes = plt.subplots(
        len(shown), count, figsize=(1.45 * count + 0.9, 1.5 * len(shown)), squeeze=False
    )
    said = []
    for row, one in zip(axes, shown, strict=True):
        images = one.images.float()
        images = images / 255 if float(images.max()) > 1 else images
        for name, mask in one.masks.items():
            if name != "image":
                size = images.shape[-2:]
                large = functional.interpolate(mask[:, None].float(), size=size, mode="nearest")
                images = images * (1 - 0.85 * large)
        for panel, picture in zip(row, images[:count], strict=True):
            panel.imshow(picture.permute(1, 2, 0).clamp(0, 1).numpy())
            picture_axes(panel)
        row[0].set_ylabel(TITLES[one.method].replace(" (", "\n("), fontsize=10)
        for name, share in one.share().items():
            place = "the image" if name == "image" else f"the map at {name!r}"
            low, high = float(share.min()), float(share.max())
            said.append(f"{TITLES[one.method]} {low:.0%} to {high:.0%} of {place}")
    return figure, f"Hidden on this batch: {'; '.join(said)}."


def methods(table: pd.DataFrame, constant_map: float, centred_box: float) -> tuple[Figure, str]:
    """PxAP, box score and accuracy of every method, without and with entropy regularisation.

    ``table``: two strengths, of which 0 is one; the same seeds in both. Bars: 95 % Student
    intervals over seeds. The sentence is on the paired differences.
    """
    summary, strength = over_seeds(table, ("method", "epsilon")), float(table.epsilon.max())
    names = [name for name in TITLES if name in set(table.method)]
    panels = {
        "pxap": ("PxAP (0 to 1)", constant_map, "constant map"),
        "max_box_acc_carried": ("BoxAcc, carried threshold", centred_box, "centred box"),
        "accuracy": ("accuracy", None, ""),
    }
    figure, axes = plt.subplots(1, 3, figsize=(10, 0.55 * len(names) + 1.5), sharey=True)
    y = np.arange(len(names))[::-1]
    for panel, (score, (label, floor, title)) in zip(axes, panels.items(), strict=True):
        for epsilon, colour, shift, marker in (
            (0.0, WITHOUT, 0.13, "o"),
            (strength, WITH, -0.13, "s"),
        ):
            rows = summary[score].loc[[(name, epsilon) for name in names]]
            panel.errorbar(
                rows["mean"],
                y + shift,
                xerr=rows["half"],
                fmt=marker,
                ms=5,
                capsize=2,
                color=colour,
                label="without" if epsilon == 0 else f"with ER, ε = {strength:g}",
            )
        if floor is not None:
            panel.axvline(floor, color=GREY, ls=":", lw=1.2)
            panel.annotate(
                title,
                (floor, 0),
                (3, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=GREY,
                fontsize=8,
            )
        panel.set_xlabel(label)
        panel.set_xlim(0, 1.03)
        if floor is None:  # accuracies lie close together: look closer
            panel.set_xlim(table[score].min() - 0.03, 1.005)
    axes[0].set_yticks(y, [TITLES[name] for name in names])
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, 1.15), ncols=2, fontsize=9)
    change = paired(table, "pxap", 0.0, strength, "method")
    said = [
        f"{TITLES[name]} {change.loc[name, 'mean']:+.2f} ± {change.loc[name, 'half']:.2f}"
        for name in names
    ]
    clear = [TITLES[name] for name in names if _apart(change.loc[name])]
    sentence = (
        f"What ER at ε = {strength:g} changes in PxAP, seed by seed: {', '.join(said)}. The "
        f"interval leaves zero out for {', '.join(clear) if clear else 'none of them'}."
    )
    return figure, sentence


def evidence(table: pd.DataFrame) -> tuple[Figure, str]:
    """Mean normalised score on part, rest of the body and context, by method and strength."""
    summary, strength = over_seeds(table, ("method", "epsilon")), float(table.epsilon.max())
    names = [name for name in TITLES if name in set(table.method)]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.1), sharey=True)
    x = np.arange(len(names))
    for panel, epsilon in zip(axes, (0.0, strength), strict=True):
        for offset, (cue, colour) in zip((-0.25, 0, 0.25), CUE_COLOURS.items(), strict=True):
            rows = summary[cue].loc[[(name, epsilon) for name in names]]
            panel.bar(
                x + offset, rows["mean"], 0.23, yerr=rows["half"], color=colour, label=cue,
                error_kw={"lw": 1, "capsize": 2},
            )  # fmt: skip
        panel.set_xticks(x, [TITLES[name].replace(" (", "\n(") for name in names])
        panel.set_title("without" if epsilon == 0 else f"with ER, ε = {strength:g}")
    axes[0].set_ylabel("mean normalised score")
    axes[0].set_ylim(0, 1)
    axes[1].legend(["mark", "rest of the body", "context"], loc="upper right", ncols=3, fontsize=9)
    ratio = summary["body"]["mean"] / summary["part"]["mean"]
    said = [
        f"{TITLES[name]} {ratio[name, 0.0]:.2f} and {ratio[name, strength]:.2f}" for name in names
    ]
    sentence = (
        "Light on the rest of the body for each unit of light on the mark, without and with ER: "
        f"{', '.join(said)}."
    )
    return figure, sentence


def _apart(row: pd.Series) -> bool:
    return abs(row["mean"]) > row["half"]
