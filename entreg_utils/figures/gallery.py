"""The figures of the sweep by name, each drawn from the same stored runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from matplotlib.figure import Figure

from entreg_utils import data, experiments, metrics, theory
from entreg_utils.analysis import tables
from entreg_utils.experiments import Config, Run, grids, store
from entreg_utils.figures import curves, mechanism, training

PRICES = np.geomspace(1e-5, 1e-2, 61)  # candidates of the theory's one constant


class Story:
    """What the figures share, loaded when the first of them asks: runs, tables, test split.

    Raises (on access):
        ValueError: runs of the grids are not stored; nothing is trained here.
    """

    @cached_property
    def runs(self) -> list[Run]:
        """Those of ``grids.SWEEP``."""
        return _stored("SWEEP", grids.SWEEP)

    @cached_property
    def hurts(self) -> list[Run]:
        """Those of ``grids.HURTS``."""
        return _stored("HURTS", grids.HURTS)

    @cached_property
    def table(self):
        """One row a run of the sweep."""
        return tables.final(self.runs)

    @cached_property
    def history(self):
        """One row a run and epoch of the sweep."""
        return tables.history(self.runs)

    @cached_property
    def test(self):
        """The test split of the sweep."""
        config = self.runs[0].config
        return data.load(config.dataset, "test", **config.knobs)

    @property
    def chosen(self) -> float:
        """The epsilon that is best on validation."""
        return tables.choose(self.runs)

    @cached_property
    def world(self) -> theory.ThreeCues:
        """The theory's world: reliabilities of the config, measured areas, fitted price."""
        config, test = self.runs[0].config, self.test
        regions = (test.parts, test.masks & ~test.parts, test.contexts)
        areas = tuple(float(region.float().mean()) for region in regions)
        cues = (config.part, config.body, config.context)
        world = theory.ThreeCues(cues, areas, config.num_classes)
        return mechanism.fit_price(self.table, world, PRICES)


def _strengths(story: Story) -> tuple[Figure, str]:
    size = tuple(story.test.images.shape[-2:])
    constant = metrics.constant_map_baseline(story.test.masks.numpy(), size=size)
    return curves.strengths(story.table, constant, story.chosen)


def _regimes(story: Story) -> tuple[Figure, str]:
    worlds: dict[str, list[Run]] = {}
    for run in story.hurts:
        title = f"body {run.config.body:g}, context {run.config.context:g}"
        worlds.setdefault(title, []).append(run)
    strengths = {run.config.epsilon for run in story.hurts}
    same = story.table[story.table.epsilon.isin(strengths)]
    hurt = {title: tables.final(runs) for title, runs in worlds.items()}
    return mechanism.regimes({"default world": same} | hurt)


def _over_epochs(story: Story) -> tuple[Figure, str]:
    last = float(story.table.epsilon.max())
    return training.over_epochs(story.history, sorted({0.0, 0.5, story.chosen, last}))


def _map_grid(story: Story) -> tuple[Figure, str]:
    seed = story.runs[0].config.seed
    return training.map_grid([run for run in story.runs if run.config.seed == seed], story.test)


GALLERY: dict[str, Callable[[Story], tuple[Figure, str]]] = {
    "strengths": _strengths,
    "plane": lambda story: curves.plane(
        story.table, story.history, story.runs[0].config.num_classes
    ),
    "evidence": lambda story: curves.evidence(story.table),
    "overlay": lambda story: mechanism.overlay(story.table, story.world),
    "regimes": _regimes,
    "over_epochs": _over_epochs,
    "map_grid": _map_grid,
}
TITLES = {
    "strengths": "Localisation and accuracy over the strength",
    "plane": "Localisation and accuracy against entropy",
    "evidence": "Where the map lights up",
    "overlay": "What each cue is worth: measured, and by the theory",
    "regimes": "Three worlds: where regularisation helps and where it hurts",
    "over_epochs": "What happens while the network trains",
    "map_grid": "The maps themselves",
}


def _stored(name: str, configs: tuple[Config, ...]) -> list[Run]:
    missing = sum(store.find(config) is None for config in configs)
    if missing:
        raise ValueError(
            f"{missing} of the {len(configs)} runs of {name} are not stored: "
            f"`python -m entreg_utils sweep --grid {name}` trains them"
        )
    return [experiments.run(config) for config in configs]
