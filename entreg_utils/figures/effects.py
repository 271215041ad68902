"""Effect sizes on photographs: against what was asked for, by method, against the centred box.

Changes are those of ``experiments.comparisons``. Scores are shares of images, 0..1, and shown in
percent or points. Each figure is ``(Figure, sentence)``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.analysis.tables import over_seeds
from entreg_utils.figures.erasing import TITLES as METHODS
from entreg_utils.figures.photographs import TITLES
from entreg_utils.figures.style import OKABE_ITO

BLUE, RED, GREY = OKABE_ITO["blue"], OKABE_ITO["vermillion"], "#777777"
SHOWN = ("max_box_acc", "top1_loc_carried", "accuracy")
# Normalisation: title, colour, marker. The first is the protocol's, at the oracle threshold too.
RULES = {
    "max_box_acc": ("min-max, oracle threshold", "black", "d"),
    "max_box_acc_carried": ("min-max, carried", "blue", "o"),
    "max_box_acc_max_carried": ("max, carried", "orange", "s"),
    "max_box_acc_pas_carried": ("PaS, carried", "green", "^"),
    "max_box_acc_ivr_carried": ("IVR, carried", "vermillion", "v"),
}
# What was asked for before the runs: by how much a score must change, 0..1.
BAR = {"max_box_acc": 0.03, "top1_loc": 0.03, "accuracy": -0.01}


def against_the_bar(changes: pd.DataFrame, bar: dict[str, float] = BAR) -> pd.DataFrame:
    """Which parts of what was asked for beforehand hold.

    Args:
        changes: rows of ``comparisons.changes`` of one group, indexed by score.
        bar: the change asked for, 0..1, by score. A positive one also wants the interval (over
            images and seeds) above 0; of a negative one, the most that may be lost, it is said too
            whether the whole interval lies above it.

    Returns:
        One row a part: ``part``, ``measured`` (points) and ``holds``.
    """
    rows = []
    for score, wanted in bar.items():
        own, title = changes.loc[score], TITLES[score]
        interval = f"{100 * own['low']:+.1f} to {100 * own['high']:+.1f}"
        gain = wanted > 0
        asked = "at least" if gain else "not below"
        end = 0.0 if gain else wanted
        rows += [
            (f"{title}: {asked} {100 * wanted:+.0f} points", f"{100 * own['change']:+.1f}",
             own["change"] >= wanted),
            (f"{title}: interval above {100 * end:g}", interval, own["low"] > end),
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=["part", "measured", "holds"])


def forest(changes: pd.DataFrame, label: str, bar: dict[str, float] = BAR) -> tuple[Figure, str]:
    """Changes of scores with both intervals, beside what was asked for.

    Args:
        changes: rows of ``comparisons.changes`` of one group, indexed by score; ``label``: of it.
        bar: as in :func:`against_the_bar`; the sentence is the verdict.
    """
    figure, axes = plt.subplots(figsize=(9.4, 0.5 * len(changes) + 1.5))
    for y, (score, own) in enumerate(changes.iloc[::-1].iterrows()):
        change, low, high, half = (100 * own[name] for name in ("change", "low", "high", "half"))
        axes.plot([low, high], [y + 0.1] * 2, color=BLUE, lw=5, solid_capstyle="butt", alpha=0.55)
        axes.errorbar(change, y - 0.17, xerr=half, color=GREY, capsize=3, lw=1.2)
        axes.plot(change, y + 0.1, "o", color=BLUE, ms=7)
        if score in bar:
            axes.plot([100 * bar[score]] * 2, [y - 0.38, y + 0.38], color=RED, lw=2.5)
        axes.annotate(
            f"{change:+.1f}   {low:+.1f} to {high:+.1f}   (± {half:.1f})", (1.01, y),
            xycoords=("axes fraction", "data"), va="center", fontsize=9,
        )  # fmt: skip
    axes.annotate(
        "points, images and seeds (seeds)",
        (1.01, len(changes) - 0.45),
        xycoords=("axes fraction", "data"),
        color=GREY,
        fontsize=9,
    )
    axes.axvline(0, color="black", lw=1)
    axes.set_yticks(range(len(changes)), [TITLES[score] for score in changes.index[::-1]])
    axes.set_ylim(-0.6, len(changes) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("change in points, treated minus plain, same seeds and same images")
    keys = [
        axes.plot([], [], color=BLUE, lw=5, alpha=0.55)[0],
        axes.plot([], [], color=GREY, lw=1.2)[0],
        axes.plot([], [], color=RED, lw=2.5)[0],
    ]
    names = ["95 %, images and seeds", "95 %, seeds alone (Student)", "asked for beforehand"]
    figure.legend(keys, names, loc="outside upper left", ncols=3, fontsize=9)
    parts = against_the_bar(changes, bar)
    held, missed = (parts.part[parts.holds == one].tolist() for one in (True, False))
    sure = [TITLES[s] for s, own in changes.iterrows() if abs(own["change"]) > own["half"]]
    sentence = (
        f"{label}: of {len(parts)} parts of what was asked for, {len(held)} hold"
        f"{_listed(held)}; {len(missed)} "
        f"{'does' if len(missed) == 1 else 'do'} not{_listed(missed)}. The seeds alone, "
        f"{int(changes['seeds'].iloc[0])} of them, leave zero out for "
        f"{', '.join(sure) if sure else 'none of the scores'}."
    )
    return figure, sentence


def _listed(parts: list[str]) -> str:
    return f" ({'; '.join(part.replace(': ', ', ') for part in parts)})" if parts else ""


def methods(table: pd.DataFrame, changes: pd.DataFrame, centre_box: float) -> tuple[Figure, str]:
    """Box scores and accuracy of every method without and with ER, beside the centred box.

    Args:
        table: runs with ``method``, ``seed`` and two values of ``epsilon``, one of them 0.
        changes: of ``max_box_acc`` by ER, rows of ``comparisons.change``, by method.
        centre_box: 0..1, on the same images.
    """
    summary, strength = over_seeds(table, ("method", "epsilon")), float(table.epsilon.max())
    names = [name for name in METHODS if name in set(table.method)]
    y = np.arange(len(names))[::-1]
    figure, axes = plt.subplots(1, 3, figsize=(9.6, 0.5 * len(names) + 1.6), sharey=True)
    for panel, score in zip(axes, SHOWN, strict=True):
        for epsilon, colour, shift, marker in (
            (0.0, BLUE, 0.14, "o"),
            (strength, RED, -0.14, "s"),
        ):
            rows = 100 * summary[score].loc[[(name, epsilon) for name in names]]
            panel.errorbar(
                rows["mean"], y + shift, xerr=rows["half"], fmt=marker, ms=5, capsize=2,
                color=colour, label="without" if epsilon == 0 else f"with ER, ε = {strength:g}",
            )  # fmt: skip
        panel.set_xlabel(f"{TITLES[score]}, %")
        # one collapsed run of three makes Student's interval leave what shares can be
        panel.set_xlim(max(panel.get_xlim()[0], 0), min(panel.get_xlim()[1], 100))
    axes[0].axvline(100 * centre_box, color=GREY, ls="--", lw=1.2)
    axes[0].annotate(
        "centred box ", (100 * centre_box, 0), (0, 3), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=GREY, fontsize=9, ha="right",
    )  # fmt: skip
    axes[0].set_yticks(y, [METHODS[name].replace(" (", "\n(") for name in names])
    axes[0].set_ylim(-0.7, len(names) - 0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=9)
    said = [
        f"{METHODS[name]} {100 * changes.loc[name, 'change']:+.1f} "
        f"({100 * changes.loc[name, 'low']:+.1f} to {100 * changes.loc[name, 'high']:+.1f})"
        for name in names
    ]
    clear = [METHODS[name] for name in names if changes.loc[name, "low"] > 0]
    best = summary["max_box_acc"]["mean"].max()
    sentence = (
        f"What ER at ε = {strength:g} changes in MaxBoxAcc (oracle), in points, with the interval "
        f"over images and seeds: {', '.join(said)}; the interval lies above zero for "
        f"{', '.join(clear) if clear else 'none'}. The best row has {100 * best:.1f} %, the "
        f"centred box {100 * centre_box:.1f} %."
    )
    return figure, sentence


def ladder(changes: pd.DataFrame) -> tuple[Figure, str]:
    """Distance of each configuration to the centred box of the same images, by normalisation.

    Args:
        changes: of ``comparisons.change(runs, runs, score, against="centre_box")``, indexed by
            (configuration, score), scores of :data:`RULES`.
    """
    names = list(dict.fromkeys(changes.index.get_level_values(0)))
    figure, axes = plt.subplots(figsize=(9.6, 0.8 * len(names) + 1.5))
    offsets = np.linspace(0.3, -0.3, len(RULES))
    for (score, (title, colour, marker)), offset in zip(RULES.items(), offsets, strict=True):
        rows = [100 * changes.loc[(name, score)] for name in names]
        change, low, high = (np.array([row[k] for row in rows]) for k in ("change", "low", "high"))
        axes.errorbar(
            change, np.arange(len(names))[::-1] + offset, xerr=[change - low, high - change],
            fmt=marker, ms=6, capsize=2, lw=1.3, color=OKABE_ITO[colour], label=title,
            mfc="white" if score == "max_box_acc" else OKABE_ITO[colour],
        )  # fmt: skip
    axes.axvline(0, color=GREY, ls="--", lw=1.4)
    axes.annotate(
        "centred box", (0, 1), (0, 3), xycoords=("data", "axes fraction"),
        textcoords="offset points", color=GREY, fontsize=9, ha="center",
    )  # fmt: skip
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("BoxAcc minus that of the centred box, in points (95 %, images and seeds)")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    carried = changes[changes.index.get_level_values(1) != "max_box_acc"]
    top = carried["change"].idxmax()
    row, title = carried.loc[top], RULES[top[1]][0]
    verdict = (
        "beats it"
        if row["low"] > 0
        else "stays below it"
        if row["high"] < 0
        else "cannot be told from it"
    )
    sentence = (
        f"The nearest to the centred box ({100 * row['plain']:.1f} %) is {top[0]} with {title}: "
        f"{100 * row['treated']:.1f} %, {100 * row['change']:+.1f} points "
        f"({100 * row['low']:+.1f} to {100 * row['high']:+.1f}); it {verdict}, and it is the best "
        f"of {len(carried)} as seen on test, which flatters it."
    )
    return figure, sentence
