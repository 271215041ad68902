"""Entropy regularisation on photographs: over its strength, against entropy, over the epochs.

Tables are those of ``experiments.tables`` (``frame``, ``histories``); scores are shares of images,
0..1, and shown in percent. Each function returns ``(Figure, sentence)``. Bands and bars are 95 %
Student intervals over seeds.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.analysis.tables import over_seeds
from entreg_utils.figures.style import OKABE_ITO

BLUE, RED, GREEN = OKABE_ITO["blue"], OKABE_ITO["vermillion"], OKABE_ITO["green"]
GREY = "#777777"
TITLES = {
    "accuracy": "accuracy",
    "max_box_acc": "MaxBoxAcc (oracle)",
    "max_box_acc_carried": "BoxAcc (carried)",
    "gt_known": "GT-known Loc (0.15)",
    "top1_loc": "Top-1 Loc (0.15)",
    "top1_loc_carried": "Top-1 Loc (carried)",
}
_BOXES = {  # drawn over the strengths: colour and marker
    "max_box_acc": (BLUE, "o"),
    "max_box_acc_carried": (GREEN, "^"),
    "gt_known": (OKABE_ITO["orange"], "s"),
    "top1_loc": (OKABE_ITO["purple"], "D"),
}


def strengths(table: pd.DataFrame, centre_box: float, chosen: float) -> tuple[Figure, str]:
    """Box scores and accuracy over epsilon, beside the centred box; ``chosen`` on validation."""
    summary = over_seeds(table)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.9), width_ratios=[1.5, 1])
    x = summary.index.to_numpy()
    for score, (colour, marker) in _BOXES.items():
        _band(left, x, summary[score], colour, TITLES[score], marker)
    left.set_title("Where: the box")
    left.set_ylim(0, max(100 * centre_box + 12, left.get_ylim()[1]))
    _level(left, 100 * centre_box, "centred box, which sees no image (side: oracle)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4, fontsize=9)
    _band(right, x, summary["accuracy"], RED, "accuracy", "s")
    right.set_title("What: the class")
    for axes, name in ((left, "share of test images, %"), (right, "accuracy, %")):
        axes.axvspan(chosen - 0.02, chosen + 0.02, color="#bbbbbb", alpha=0.4, lw=0, zorder=0)
        axes.set_xticks(x, [f"{value:g}" for value in x])
        axes.set_xlabel("ε, weight of the uniform target")
        axes.set_ylabel(name)
    said = [
        f"{TITLES[score]} {_pm(summary[score].loc[0.0])} and {_pm(summary[score].loc[chosen])}"
        for score in (*_BOXES, "accuracy")
    ]
    sentence = (
        f"Without ER and at ε = {chosen:g} (grey, chosen on validation), in % of the test images: "
        f"{'; '.join(said)}. The centred box has {100 * centre_box:.1f}, and "
        f"{_beaten(summary['max_box_acc']['mean'], centre_box)}."
    )
    return figure, sentence


def plane(
    table: pd.DataFrame, history: pd.DataFrame, score: str = "max_box_acc", first: int = 2
) -> tuple[Figure, str]:
    """A box score and accuracy against entropy: across epsilons, and along the epochs on test.

    Paths are drawn for those epsilons of ``history`` that have ``test_*`` at every epoch; ``table``
    has ``centre_box`` too. They begin at epoch ``first``: the warm-up of one cycle would set the
    scale, and is told by the sentence.
    """
    summary = over_seeds(table)
    watched = history.dropna(subset=[f"test_{score}"])
    paths = {
        e: own.groupby("epoch").mean(numeric_only=True) for e, own in watched.groupby("epsilon")
    }
    colours = dict(zip(paths, (GREY, OKABE_ITO["skyblue"], OKABE_ITO["orange"]), strict=False))
    figure, panels = plt.subplots(1, 2, figsize=(9.6, 4.1))
    for axes, name in zip(panels, (score, "accuracy"), strict=True):
        for epsilon, colour in colours.items():
            own = paths[epsilon].loc[first:]
            axes.plot(
                own.test_entropy, 100 * own[f"test_{name}"], ".-", color=colour, lw=1.3, ms=5,
                label=f"ε = {epsilon:g}, epochs {first} to {own.index[-1]}",
            )  # fmt: skip
            if axes is panels[1]:  # the paths are apart there, and each entropy is the same
                axes.annotate(
                    f"epoch {first}",
                    (own.test_entropy.iloc[0], 100 * own[f"test_{name}"].iloc[0]),
                    (5, -3),
                    textcoords="offset points",
                    color=colour,
                    fontsize=8,
                )
        mean, half = 100 * summary[name]["mean"], 100 * summary[name]["half"]
        entropy = summary["entropy"]["mean"]
        axes.errorbar(
            entropy, mean, half, color=BLUE, marker="o", ms=5, capsize=2, label="last epoch, by ε"
        )
        for epsilon in mean.index:
            axes.annotate(
                f"{epsilon:g}", (entropy[epsilon], mean[epsilon] + half[epsilon]), (0, 4),
                textcoords="offset points", ha="center", color=BLUE, fontsize=9,
            )  # fmt: skip
        axes.set_xlabel("entropy of the prediction on test (nats)")
        axes.set_ylabel(f"{TITLES[name]}, %")
        axes.margins(x=0.1, y=0.14)
    panels[0].set_title("Localisation")
    panels[1].set_title("Classification")
    panels[1].legend(loc="lower left", fontsize=9)
    top = summary[score]["mean"].idxmax()
    said = [
        f"along the epochs of ε = {epsilon:g} it is {100 * own[f'test_{score}'].iloc[0]:.1f} after "
        f"the first, {100 * own[f'test_{score}'].max():.1f} at best (epoch "
        f"{own[f'test_{score}'].idxmax()}, entropy "
        f"{own.test_entropy[own[f'test_{score}'].idxmax()]:.2f}) and "
        f"{100 * own[f'test_{score}'].iloc[-1]:.1f} after the last (entropy "
        f"{own.test_entropy.iloc[-1]:.2f})"
        for epsilon, own in paths.items()
    ]
    sentence = (
        f"Across strengths {TITLES[score]} is highest at ε = {top:g} "
        f"({_pm(summary[score].loc[top])} %, entropy "
        f"{summary['entropy']['mean'][top]:.2f} nats); {'; '.join(said)}. The centred box has "
        f"{100 * table['centre_box'].mean():.1f}."
    )
    return figure, sentence


def epochs(history: pd.DataFrame, score: str = "max_box_acc", first: int = 2) -> tuple[Figure, str]:
    """A box score, accuracy and entropy on validation from epoch ``first`` on, a line an epsilon.

    The sentence looks at all epochs.
    """
    means = history.groupby(["epsilon", "epoch"]).mean(numeric_only=True)
    strengths_here = means.index.levels[0]
    shades = plt.get_cmap("cividis")(np.linspace(0, 0.92, len(strengths_here)))
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.3))
    names = {
        score: (TITLES[score] + ", %", 100),
        "accuracy": ("accuracy, %", 100),
        "entropy": ("entropy, nats", 1),
    }
    for axes, (name, (label, unit)) in zip(panels, names.items(), strict=True):
        for epsilon, shade in zip(strengths_here, shades, strict=True):
            values = unit * means.loc[epsilon][f"val_{name}"].loc[first:]
            axes.plot(values.index, values, color=shade, lw=1.5, label=f"{epsilon:g}")
        axes.set_xlabel("epoch")
        axes.set_title(label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, title="ε", loc="outside right center", fontsize=9)
    column = means[f"val_{score}"]
    fallen = {e: column[e].max() - column[e].iloc[-1] for e in strengths_here}
    least = min(fallen, key=fallen.get)
    sentence = (
        f"On validation, mean over seeds: at ε = {strengths_here[0]:g} {TITLES[score]} is "
        f"{100 * column[strengths_here[0]].max():.1f} % at its best epoch "
        f"({column[strengths_here[0]].idxmax()}) and {100 * fallen[strengths_here[0]]:.1f} points "
        f"lower after the last; ε = {least:g} loses least between best and last epoch, "
        f"{100 * fallen[least]:.1f} points."
    )
    return figure, sentence


def _pm(row: pd.Series) -> str:
    return f"{100 * row['mean']:.1f} ± {100 * row['half']:.1f}"


def _beaten(means: pd.Series, centre_box: float) -> str:
    above = [f"{e:g}" for e in means.index[means > centre_box]]
    return (
        f"MaxBoxAcc lies above it at ε = {', '.join(above)}" if above else "no strength reaches it"
    )


def _level(axes, value: float, title: str) -> None:
    axes.axhline(value, color=GREY, ls="--", lw=1.2)
    axes.annotate(
        title, (0, value), (2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", color=GREY, fontsize=9,
    )  # fmt: skip


def _band(axes, x, columns: pd.DataFrame, colour: str, label: str, marker: str) -> None:
    mean, half = 100 * columns["mean"].to_numpy(), 100 * columns["half"].to_numpy()
    axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, lw=0)
    axes.plot(x, mean, color=colour, marker=marker, ms=5, label=label)
