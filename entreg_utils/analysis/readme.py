"""The results on photographs as README shows them: a table, baselines, and sentences computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from entreg_utils.analysis import compare as comparisons
from entreg_utils.analysis.tables import choose, headline, markdown
from entreg_utils.experiments import Run

CRITERION = "val_max_box_acc"  # every choice on photographs with boxes is made by it
# What the claim is about, and how a reader calls it with its rules.
CLAIM = {
    "max_box_acc": "MaxBoxAcc (oracle)",
    "max_box_acc_carried": "BoxAcc (carried)",
    "gt_known": "GT-known Loc (0.15)",
    "top1_loc": "Top-1 Loc (0.15)",
    "accuracy": "accuracy",
}


def readme_block() -> str:
    """What README says of photographs, from the stored runs of the plans."""
    sweep, _ = comparisons.complete("cub30_epsilon", "epsilon")
    shown, _ = comparisons.complete("cub30_sizes", "eval_size", "epsilon")
    return f"{photographs(sum(sweep.values(), []))}\n\n{at_other_sizes(shown)}"


def photographs(runs: Sequence[Run]) -> str:
    """Markdown: scores by epsilon, the centred box, and the change at the epsilon of validation.

    Args:
        runs: of one sweep over epsilon on photographs with boxes, the same seeds at each.

    Raises:
        ValueError: no runs at epsilon 0, or at no other.
    """
    groups = {epsilon: own for (epsilon,), own in comparisons.by(runs, "epsilon").items()}
    if 0.0 not in groups or len(groups) < 2:
        raise ValueError("a change needs runs at epsilon 0 and at another: train both")
    scores = headline(runs)
    title = CLAIM["max_box_acc"]
    blind = pd.DataFrame({title: [f"{runs[0].metrics['centre_box']:.3f}"]}, ["centred box"])
    blind = blind.reindex(columns=scores.columns, fill_value="-")
    table = pd.concat([scores.set_axis([f"{e:g}" for e in scores.index]), blind])
    return f"{markdown(table.rename_axis('ε'))}\n\n{sentence(groups)}"


def sentence(groups: dict[float, Sequence[Run]]) -> str:
    """The change of each score from epsilon 0 to the epsilon that validation chose, and the box."""
    treated = {epsilon: runs for epsilon, runs in groups.items() if epsilon}
    best = choose([run for runs in treated.values() for run in runs], CRITERION)
    parts = []
    for score, name in CLAIM.items():
        found = comparisons.change(groups[0.0], groups[best], score)
        low, high = 100 * found["low"], 100 * found["high"]
        parts.append(f"{name} {100 * found['change']:+.1f} ({low:+.1f} to {high:+.1f})")
    box = comparisons.change(groups[best], groups[best], "max_box_acc", against="centre_box")
    word = "above" if box["change"] > 0 else "below"
    return (
        f"From ε = 0 to ε = {best:g}, chosen on validation, in points, with 95 % intervals of a "
        f"paired bootstrap over images and seeds: {'; '.join(parts)}. MaxBoxAcc at ε = {best:g} "
        f"lies {abs(100 * box['change']):.1f} points {word} a centred box on the same images "
        f"({100 * box['low']:+.1f} to {100 * box['high']:+.1f})."
    )


def at_other_sizes(groups: dict[tuple[int, float], Sequence[Run]]) -> str:
    """What the finished networks show on photographs of the size that validation likes best.

    Args:
        groups: runs by (side of the photographs in evaluation, epsilon), two epsilons, one of them
            0, as of the plan ``cub30_sizes``.

    Raises:
        ValueError: no size at which both epsilons are there.
    """
    treated = max((epsilon for _, epsilon in groups), default=0.0)
    sides = {side for side, _ in groups if {(side, 0.0), (side, treated)} <= set(groups)}
    if not sides or not treated:
        raise ValueError("a comparison over sizes needs one size with epsilon 0 and another")
    best = max(sorted(sides), key=lambda s: np.mean([r.metrics[CRITERION] for r in groups[s, 0.0]]))
    plain, er = groups[best, 0.0], groups[best, treated]
    box = comparisons.change(plain, plain, "max_box_acc", against="centre_box")
    found = comparisons.change(plain, er, "max_box_acc")
    return (
        f"The same networks, shown photographs of {best} pixels (validation's choice at ε = 0): "
        f"MaxBoxAcc {box['treated']:.3f} at ε = 0, {100 * box['change']:+.1f} points against the "
        f"centred box ({100 * box['low']:+.1f} to {100 * box['high']:+.1f}); from ε = 0 to "
        f"ε = {treated:g} it changes by {100 * found['change']:+.1f} ({100 * found['low']:+.1f} to "
        f"{100 * found['high']:+.1f})."
    )
