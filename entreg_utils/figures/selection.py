"""What choosing does to a score: thresholds, checkpoints, seeds, and a gain made of nothing.

All give ``(Figure, sentence)``. Scores come in 0..1 and are drawn in points, that is, times 100.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.analysis.choose import RULES, optimism
from entreg_utils.figures.style import OKABE_ITO

GREY = "#777777"
BEFORE_AFTER = (OKABE_ITO["blue"], OKABE_ITO["vermillion"])  # without, with the method


def thresholds(
    curves: Mapping[str, np.ndarray],
    carried: Mapping[str, np.ndarray],
    gains: pd.DataFrame,
    centre: float,
    fixed: float = 0.15,
) -> tuple[Figure, str]:
    """BoxAcc against the threshold, without and with a method; the gain under each threshold rule.

    Args:
        curves: name -> (S, T), BoxAcc of each seed at thresholds k / T; two names, plain first.
        carried: the same names -> (S,), the thresholds that validation chose.
        gains: a row a rule; ``change``, ``low``, ``high``.
        centre: BoxAcc of the best centred box.  fixed: the papers' threshold, marked.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), width_ratios=[1.5, 1])
    tops = {}
    for colour, (name, each) in zip(BEFORE_AFTER, curves.items(), strict=True):
        x = np.arange(each.shape[1]) / each.shape[1]
        left.plot(x, 100 * each.T, color=colour, lw=0.7, alpha=0.4)
        mean = each.mean(axis=0)
        left.plot(x, 100 * mean, color=colour, label=name)
        at = np.round(carried[name] * len(x)).astype(int)
        left.plot(carried[name], 100 * each[np.arange(len(each)), at], "^", color=colour, ms=7)
        best = each.argmax(axis=1)
        left.plot(x[best], 100 * each.max(axis=1), "o", color=colour, ms=6, mfc="white")
        tops[name] = x[mean.argmax()]
    left.axhline(100 * centre, color=GREY, ls="--", lw=1.2)
    left.text(0.99, 100 * centre + 1, "centred box", color=GREY, ha="right")
    left.axvline(fixed, color=GREY, ls=":", lw=1.2)
    left.text(fixed + 0.01, 2, f"fixed {fixed:g}", color=GREY)
    left.set(xlim=(0, 1), ylim=(0, 100 * max(centre, *(c.max() for c in curves.values())) + 9))
    left.set_xlabel("threshold, share of the map's maximum")
    left.set_ylabel("BoxAcc, % of images")
    left.set_title("circles: best on test; triangles: carried")
    left.legend(loc="center right", bbox_to_anchor=(1, 0.72))
    rows = np.arange(len(gains))
    _intervals(right, rows, gains["change"], gains["low"], gains["high"])
    right.axvline(0, color="black", lw=0.8)
    right.set_yticks(rows, list(gains.index))
    right.set_ylim(len(rows) - 0.5, -0.6)
    right.grid(axis="y", visible=False)
    right.set_xlabel("gain in points, 95 % interval")
    right.set_title("One pair of models, three gains")
    said = ", ".join(
        f"{100 * row.change:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f}) {rule}"
        for rule, row in gains.iterrows()
    )
    places = " and ".join(f"{tau:.2f} ({name})" for name, tau in tops.items())
    return figure, (
        f"Gain in points by threshold rule: {said}. The mean curves top at the thresholds "
        f"{places}; the centred box has {100 * centre:.1f}."
    )


def checkpoints(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """A score under the three checkpoint rules: a line a seed, a colour a strength.

    Args:
        panels: title -> table of ``selection.by_checkpoint``, with two strengths each.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(9.6, 3.6), squeeze=False)
    x, said = np.arange(len(RULES)), []
    for panel, (title, rules) in zip(axes[0], panels.items(), strict=True):
        parts = []
        extra = optimism(rules)
        for colour, (epsilon, own) in zip(
            BEFORE_AFTER, rules.groupby(level="epsilon"), strict=True
        ):
            values = 100 * own[list(RULES)].to_numpy()
            panel.plot(x, values.T, color=colour, lw=0.8, alpha=0.5, marker="o", ms=3)
            panel.plot(x, values.mean(axis=0), color=colour, marker="o", ms=7)
            panel.annotate(
                f"ε = {epsilon:g}",
                (x[0], values[:, 0].mean()),
                (-8, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                color=colour,
            )
            more = 100 * extra.loc[(epsilon, "last")]
            parts.append(f"{more['mean']:+.1f} ± {more['half']:.1f} at ε = {epsilon:g}")
        panel.set_xticks(x, ["last", "best on\nvalidation", "best on\ntest"])
        panel.set_xlim(-1.05, len(x) - 0.75)
        panel.set_title(title)
        panel.set_ylabel("points")
        said.append(f"{title}: {' and '.join(parts)}")
    return figure, (
        "Choosing the epoch on test instead of keeping the last adds, in points, 95 % interval "
        f"over seeds: {'; '.join(said)}."
    )


def ladder(
    panels: Mapping[str, Mapping[str, float]],
    method: Mapping[str, tuple[float, float, float]],
    published: Mapping[str, float] = (),
) -> tuple[Figure, str]:
    """A gain made of nothing: the plain models against themselves, one choice after another.

    Args:
        panels: title -> {choice: score}, in order; the first is the honest score, and each further
            choice comes on top of those before.
        method: title -> (change, low, high) of the real method, honestly compared.
        published: name -> a gain in points, drawn in the first panel as a ruler.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(9.6, 3.3), squeeze=False)
    said = []
    for index, (panel, (title, steps)) in enumerate(zip(axes[0], panels.items(), strict=True)):
        names, values = list(steps)[1:], 100 * np.array(list(steps.values()))
        total = values[1:] - values[0]
        rows = np.arange(len(names) + 1)
        panel.barh(rows[:-1], total, color="#bbbbbb", height=0.6)
        for row, value in zip(rows, total, strict=False):
            panel.text(value / 2, row, f"{value:+.1f}", ha="center", va="center")
        change, low, high = method[title]
        _intervals(panel, rows[-1:], [change], [low], [high])
        panel.set_yticks(rows, [*names, "ER, nothing\nchosen on test"])
        top = len(rows) - 0.45
        for name, points in dict(published).items() if index == 0 else ():
            panel.axvline(points, color=OKABE_ITO["purple"], ls=":", lw=1.3)
            panel.text(
                points + 0.08, -0.5, name, color=OKABE_ITO["purple"], va="bottom", fontsize=9
            )
        panel.axvline(0, color="black", lw=0.8)
        panel.set_ylim(top, -0.9 if len(published) else -0.5)
        panel.grid(axis="y", visible=False)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("gain in points over the plain models")
        said.append(
            f"{title}: choosing alone {total[-1]:+.1f} points, ER without such choices "
            f"{100 * change:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        )
    return figure, f"{'; '.join(said)}."


def one_seed(panels: Mapping[str, Mapping[str, dict]]) -> tuple[Figure, str]:
    """Every gain that a comparison of one run with one run could have reported.

    Args:
        panels: title -> {row: result of ``selection.one_seed``}.
    """
    heights = max(len(rows) for rows in panels.values())
    figure, axes = plt.subplots(
        1, len(panels), figsize=(9.6, 0.52 * heights + 1.2), squeeze=False, sharey=False
    )
    said = []
    for panel, (title, rows) in zip(axes[0], panels.items(), strict=True):
        parts = []
        for row, (name, found) in enumerate(rows.items()):
            change, same = 100 * found["change"], found["matched"]
            wrong = change * np.sign(found["mean"]) <= 0
            for picked, marker in ((same, "o"), (~same, "D")):
                for bad, colour in ((False, BEFORE_AFTER[0]), (True, BEFORE_AFTER[1])):
                    values = change[picked & (wrong == bad)]
                    size = 6 if marker == "o" else 4
                    face = colour if marker == "o" else "white"
                    height = np.full(len(values), row)
                    panel.plot(values, height, marker, color=colour, ms=size, mfc=face)
            panel.plot([100 * found["mean"]] * 2, [row - 0.32, row + 0.32], color="black", lw=1.6)
            parts.append(
                f"{name} {found['opposite']:.0%} and {found['exaggerated']:.0%} of "
                f"{change.size} pairs"
            )
        panel.axvline(0, color="black", lw=0.8)
        panel.set_yticks(range(len(rows)), list(rows))
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.grid(axis="y", visible=False)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("gain in points")
        said.append(f"{title}: {', '.join(parts)}")
    return figure, (
        "Wrong sign (red), and more than one and a half times the mean gain (black bar): "
        f"{'; '.join(said)}. Discs: the same seed on both sides."
    )


def _intervals(axes, rows, change, low, high) -> None:
    """Dots with horizontal bars, in points, each with its number above."""
    for row, value, start, end in zip(rows, change, low, high, strict=True):
        clear = start > 0 or end < 0
        colour = OKABE_ITO["green"] if clear else GREY
        axes.plot([100 * start, 100 * end], [row, row], color=colour, lw=3, alpha=0.4)
        axes.plot(100 * value, row, "o", color=colour, ms=7)
        box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.5}  # over a ruler's line
        words = f"{100 * value:+.1f}"
        axes.text(100 * value, row - 0.16, words, ha="center", va="bottom", bbox=box)
