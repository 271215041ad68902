"""The figures of 30 classes of CUB by name, each drawn from the records of the plans cub30_*."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from entreg_utils.analysis import compare as comparisons
from entreg_utils.analysis import readme as reports
from entreg_utils.analysis import tables
from entreg_utils.figures import effects, photographs, sizes

STRENGTH = 0.3  # of ER beside the erasing methods and over the sizes, fixed in the plans


class Birds:
    """What the figures share, loaded when the first of them asks; nothing is trained.

    Raises (on access):
        ValueError: too few runs are stored; the message names the plan.
    """

    @cached_property
    def sweep(self) -> dict[float, list]:
        """Runs of ``cub30_epsilon`` by epsilon, where all three seeds are there."""
        found, _ = comparisons.complete("cub30_epsilon", "epsilon")
        groups = {epsilon: own for (epsilon,), own in found.items()}
        if not {0.0, STRENGTH} <= set(groups):
            raise _missing("cub30_epsilon")
        return dict(sorted(groups.items()))

    @cached_property
    def runs(self) -> list:
        """All runs of :attr:`sweep`."""
        return [run for group in self.sweep.values() for run in group]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a run of :attr:`sweep`."""
        return tables.final(self.runs)

    @property
    def centre_box(self) -> float:
        """MaxBoxAcc of the centred box on the same images."""
        return self.runs[0].metrics["centre_box"]

    @property
    def chosen(self) -> float:
        """The epsilon above 0 that is best on validation."""
        treated = [run for run in self.runs if run.config.epsilon]
        return tables.choose(treated, reports.CRITERION)


def _forest(birds: Birds) -> tuple[Figure, str]:
    groups = {"ER": birds.sweep[birds.chosen]}
    rows = comparisons.changes(birds.sweep[0.0], groups, [*photographs.TITLES])
    return effects.forest(rows.loc["ER"], f"ER at ε = {birds.chosen:g}")


def _methods(birds: Birds) -> tuple[Figure, str]:
    groups = {("cam", e): birds.sweep[e] for e in (0.0, STRENGTH)}
    groups |= comparisons.complete("cub30_methods", "method", "epsilon")[0]
    names = [m for m in effects.METHODS if {(m, 0.0), (m, STRENGTH)} <= set(groups)]
    table = tables.final([run for m in names for e in (0.0, STRENGTH) for run in groups[m, e]])
    changes = {
        m: comparisons.change(groups[m, 0.0], groups[m, STRENGTH], "max_box_acc") for m in names
    }
    if "method" not in table:
        table.insert(0, "method", "cam")
    return effects.methods(table, pd.DataFrame(changes).T, birds.centre_box)


def _sizes(birds: Birds) -> tuple[Figure, str]:
    groups = {(birds.runs[0].config.crop, e): birds.sweep[e] for e in (0.0, STRENGTH)}
    groups |= comparisons.complete("cub30_sizes", "eval_size", "epsilon")[0]
    sides = sorted({s for s, _ in groups if {(s, 0.0), (s, STRENGTH)} <= set(groups)})
    if len(sides) < 2:
        raise _missing("cub30_sizes")
    columns = ["epsilon", "seed", *sizes.PANELS]
    pairs = [(s, e) for s in sides for e in (0.0, STRENGTH)]
    table = pd.concat([tables.final(groups[p])[columns].assign(size=p[0]) for p in pairs])
    changes = {
        s: comparisons.change(groups[s, 0.0], groups[s, STRENGTH], "max_box_acc") for s in sides
    }
    return sizes.over_sizes(table, pd.DataFrame(changes).T, birds.centre_box, sides[0])


def _missing(plan: str) -> ValueError:
    return ValueError(
        f"the runs of {plan} are not stored: `python -m entreg_utils sweep {plan}` trains them, "
        "with the photographs of CUB"
    )


GALLERY: dict[str, Callable[[Birds], tuple[Figure, str]]] = {
    "birds_strengths": lambda b: photographs.strengths(b.table, b.centre_box, b.chosen),
    "birds_plane": lambda b: photographs.plane(b.table, tables.history(b.runs)),
    "birds_changes": _forest,
    "birds_methods": _methods,
    "birds_sizes": _sizes,
}
TITLES = {
    "birds_strengths": "Photographs: localisation and accuracy over the strength",
    "birds_plane": "Photographs: localisation and accuracy against entropy",
    "birds_changes": "Photographs: what ER changes, beside what was asked for",
    "birds_methods": "Photographs: the erasing methods with and without ER",
    "birds_sizes": "Photographs: the size at which they are shown",
}
