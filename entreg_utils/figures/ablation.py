"""Controls that move the entropy otherwise, and what lambda means on each of its scales.

Both take rows of ER's runs (``experiments.tables.final``), epsilon 0 among them, and give
``(Figure, sentence)``; bars are 95 % Student intervals over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from entreg_utils import losses, metrics
from entreg_utils.analysis.tables import over_seeds
from entreg_utils.figures.regularisers import GREY, entropy_scale
from entreg_utils.figures.style import OKABE_ITO

BLUE, RED = OKABE_ITO["blue"], OKABE_ITO["vermillion"]


def controls(
    table: pd.DataFrame,
    score: str,
    label: str,
    temperatures: Mapping[float, Sequence[float]],
    num_classes: int,
    others: Mapping[str, pd.DataFrame] | None = None,
    baseline: tuple[str, float] | None = None,
) -> tuple[Figure, str]:
    """ER's curve of a score against the entropy, beside what moves the entropy otherwise.

    Args:
        temperatures: epsilon -> entropies (nats) of its networks at several temperatures; their
            maps, and so the score, are the same at each.
        others: name -> rows of further controls at epsilon 0, such as weight decay.
        baseline: name and score of what needs no classifier.
    """
    summary = over_seeds(table)
    figure, axes = plt.subplots(figsize=(7.8, 3.9))
    mean, half = summary[score]["mean"], summary[score]["half"]
    x, said = summary["entropy"]["mean"], []
    axes.errorbar(x, mean, half, color=BLUE, marker="o", ms=5, capsize=2, lw=1.6, label="ER")
    for epsilon in mean.index:
        axes.annotate(
            f"{epsilon:g}",
            (x[epsilon], mean[epsilon]),
            (5, -13),
            textcoords="offset points",
            color=BLUE,
            fontsize=9,
        )
    colours = (OKABE_ITO["orange"], OKABE_ITO["green"])
    for (epsilon, path), colour in zip(temperatures.items(), colours, strict=False):
        level, name = mean[epsilon], f"temperature on ε = {epsilon:g}"
        axes.plot(path, [level] * len(path), color=colour, marker=".", ms=7, lw=1.2, label=name)
        said.append(
            f"temperature takes ε = {epsilon:g} from {min(path):.2f} to {max(path):.2f} nats, and "
            f"leaves it at {level:.3f}"
        )
    for name, rows in (others or {}).items():
        value, around = metrics.seed_interval(rows[score])
        entropy, black = rows["entropy"].mean(), OKABE_ITO["black"]
        axes.errorbar(entropy, value, around, color=black, marker="*", ms=10, capsize=3, label=name)
        said.append(f"{name} gives {value:.3f} ± {around:.3f} at {entropy:.2f} nats")
    if baseline:
        axes.axhline(baseline[1], color=GREY, ls=":", lw=1.2, label=baseline[0])
        said.append(f"{baseline[0]} {baseline[1]:.3f}")
    entropies = [*x, *(h for path in temperatures.values() for h in path)]
    entropy_scale(axes, num_classes, min(entropies), max(entropies))
    axes.set_ylabel(label)
    axes.set_title("The same entropies, by other means")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=9)
    return figure, (
        f"{label}: ER (blue, labelled by ε) goes from {mean.iloc[0]:.3f} to {mean.max():.3f} "
        f"(ε = {mean.idxmax():g}); {'; '.join(said)}."
    )


def lambdas(
    panels: Mapping[str, tuple[pd.DataFrame, Mapping[str, str], int]],
    lam: float = 1e-4,
    classes: Sequence[int] = (8, 30, 200, 1000),
) -> tuple[Figure, str]:
    """Scores against the strength, on every scale it is written in; ``lam`` located on each.

    The curve is drawn once, over lambda of the true KL; eps, and lambda of the plain sum over C
    classes, are further scales of the same axis. Runs without regularisation are the dashed lines.

    Args:
        panels: title -> rows of ER's runs, score -> label, number of classes there; one or two.
        lam: a lambda whose reduction over the classes is not stated.
        classes: numbers of classes at which to read ``lam`` as a class sum.
    """
    figure, rows = plt.subplots(
        1, len(panels), figsize=(5 * len(panels), 5.2), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))  # room for the lowest scale
    readings = {f"C = {c}": lam * c for c in classes}
    said = []
    for axes, (title, (table, scores, own)) in zip(rows[0], panels.items(), strict=True):
        summary = over_seeds(table)
        strengths = [losses.lambda_from_epsilon(e, own) for e in summary.index if e > 0]
        looks = zip(scores.items(), (BLUE, RED), ("o", "s"), strict=False)
        for (score, label), colour, marker in looks:
            mean, half = summary[score]["mean"], summary[score]["half"]
            axes.axhline(mean[0.0], color=colour, lw=1, ls="--")
            axes.errorbar(
                strengths,
                mean[mean.index > 0],
                half[half.index > 0],
                color=colour,
                marker=marker,
                ms=5,
                capsize=2,
                label=label,
            )
        axes.set_xscale("log")
        axes.set_xlim(lam / 2, 2 * max(strengths))
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0), min(high, 1.02))
        for name, effective in {"true KL": lam, **readings}.items():
            axes.axvline(effective, color=GREY, lw=1, ls=":")
            axes.text(
                effective,
                0.02,
                name,
                transform=axes.get_xaxis_transform(),
                rotation=90,
                ha="right",
                fontsize=8,
                color=GREY,
            )
        axes.set_xlabel("λ of the true KL")
        axes.set_title(title)
        axes.legend(loc="center left", bbox_to_anchor=(0, 0.42), fontsize=9)
        upper = axes.secondary_xaxis("top")
        upper.set_xticks(
            strengths, [f"{e:g}" for e in summary.index if e > 0], rotation=45, fontsize=8
        )
        upper.minorticks_off()
        upper.set_xlabel("ε", loc="left", labelpad=-12)
        for place, count in ((-0.21, own), (-0.41, classes[-1])):
            scale = axes.secondary_xaxis(
                place, functions=(lambda x, c=count: x / c, lambda x, c=count: x * c)
            )
            scale.set_xlabel(f"λ of the sum over {count} classes")
        said.append(f"the smallest ε that was run there is {min(e for e in mean.index if e):g}")
    listed = ", ".join(
        f"{losses.epsilon_from_lambda(effective, 2):.2g} ({name})"
        for name, effective in {"true KL": lam, **readings}.items()
    )
    smallest = "; ".join(f"{t}: {s}" for t, s in zip(panels, said, strict=True))
    return figure, f"λ = {lam:g} (dotted lines) is ε = {listed}. {smallest}."


def scales(epsilons: Sequence[float], classes: Sequence[int]) -> pd.DataFrame:
    """What to pass as lambda for each eps: true KL, and the plain sum over each number of classes.

    Args:
        epsilons: in [0, 1), rows.  classes: numbers of classes, columns after ``true KL``.
    """
    columns = {"λ, true KL": [losses.lambda_from_epsilon(e, 2) for e in epsilons]}
    for count in classes:
        columns[f"λ, sum, C = {count}"] = [
            losses.lambda_from_epsilon(e, count, "class_sum") for e in epsilons
        ]
    return pd.DataFrame(columns, index=pd.Index(np.asarray(epsilons), name="ε"))
