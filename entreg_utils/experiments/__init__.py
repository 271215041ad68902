"""Configs, runs and the store: ``run(config)`` loads what is known and trains what is not."""

from entreg_utils.experiments import cost, grids, plans, presets, store
from entreg_utils.experiments.config import Config, Evaluation
from entreg_utils.experiments.grids import er, sweep_epsilon
from entreg_utils.experiments.run import Run, build, rescore, run, splits
from entreg_utils.experiments.sweep import SweepError, sweep
