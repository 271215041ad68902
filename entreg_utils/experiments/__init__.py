"""Configs, runs and the store: ``run(config)`` loads what is known and trains what is not."""

from entreg_utils.experiments import grids, plans, store
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.grids import er, sweep_epsilon
from entreg_utils.experiments.rescoring import rescore
from entreg_utils.experiments.runs import Run, build, run, splits
from entreg_utils.experiments.sweep import SweepError, sweep

__all__ = [
    "Config",
    "Run",
    "SweepError",
    "build",
    "er",
    "grids",
    "plans",
    "rescore",
    "run",
    "splits",
    "store",
    "sweep",
    "sweep_epsilon",
]
