"""The results on photographs as README shows them: a table, baselines, and sentences computed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from entreg_utils.analysis.compare import by, change, complete, points
from entreg_utils.analysis.tables import HEADLINE, choose, final, headline, markdown
from entreg_utils.experiments import Run

CRITERION = "val_max_box_acc"  # every choice on photographs with boxes is made by it
CLAIM = ("max_box_acc", "max_box_acc_carried", "gt_known", "top1_loc", "accuracy")  # is about these


def readme_block() -> str:
    """What README says of photographs, from the stored runs of the plans."""
    sweep, _ = complete("cub30_epsilon", "epsilon")
    shown, _ = complete("cub30_sizes", "eval_size", "epsilon")
    return f"{photographs(sum(sweep.values(), []))}\n\n{at_other_sizes(shown)}"


def photographs(runs: Sequence[Run]) -> str:
    """Markdown: scores by epsilon, the centred box, and the change at the epsilon of validation.

    Raises:
        ValueError: no runs at epsilon 0, or at no other.
    """
    groups = {epsilon: own for (epsilon,), own in by(runs, "epsilon").items()}
    if 0.0 not in groups or len(groups) < 2:
        raise ValueError("a change needs runs at epsilon 0 and at another: train both")
    scores = headline(runs)
    blind = pd.DataFrame("-", ["centred box"], scores.columns)
    blind[HEADLINE["max_box_acc"]] = f"{runs[0].metrics['centre_box']:.3f}"
    table = pd.concat([scores.set_axis([f"{e:g}" for e in scores.index]), blind])
    best = choose([run for run in runs if run.config.epsilon], CRITERION)
    said = [f"{HEADLINE[s]} {points(change(groups[0.0], groups[best], s))}" for s in CLAIM]
    box = change(groups[best], groups[best], "max_box_acc", against="centre_box")
    return (
        f"{markdown(table.rename_axis('ε'))}\n\nFrom ε = 0 to ε = {best:g}, chosen on validation, "
        "in points, with 95 % intervals of a paired bootstrap over images and seeds: "
        f"{'; '.join(said)}. MaxBoxAcc at ε = {best:g} lies {abs(100 * box['change']):.1f} points "
        f"{'above' if box['change'] > 0 else 'below'} a centred box on the same images "
        f"({100 * box['low']:+.1f} to {100 * box['high']:+.1f})."
    )


def at_other_sizes(groups: dict[tuple[int, float], Sequence[Run]]) -> str:
    """What the finished networks show on photographs of the size that validation likes best.

    ``groups``: runs by (side in evaluation, epsilon), of which there are two, one of them 0.

    Raises:
        ValueError: no size at which both epsilons are there.
    """
    treated = max((epsilon for _, epsilon in groups), default=0.0)
    sides = {side for side, _ in groups if {(side, 0.0), (side, treated)} <= set(groups)}
    if not sides or not treated:
        raise ValueError("a comparison over sizes needs one size with epsilon 0 and another")
    best = max(sorted(sides), key=lambda side: final(groups[side, 0.0])[CRITERION].mean())
    plain, er = groups[best, 0.0], groups[best, treated]
    box = change(plain, plain, "max_box_acc", against="centre_box")
    return (
        f"The same networks, shown photographs of {best} pixels (validation's choice at ε = 0): "
        f"MaxBoxAcc {box['treated']:.3f} at ε = 0, {100 * box['change']:+.1f} points against the "
        f"centred box ({100 * box['low']:+.1f} to {100 * box['high']:+.1f}); from ε = 0 to "
        f"ε = {treated:g} it changes by {points(change(plain, er, 'max_box_acc'))}."
    )
