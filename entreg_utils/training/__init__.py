"""Training: one loop, seeded and resumable, with localisation measured at every epoch."""

from entreg_utils.training.checkpoint import Best
from entreg_utils.training.evaluation import (
    SIGMA,
    evaluate,
    reliance,
    summarise,
)
from entreg_utils.training.guard import TrainingError
from entreg_utils.training.loop import fit
from entreg_utils.training.photographs import View
from entreg_utils.training.prediction import Prediction, predict
from entreg_utils.training.recipe import Recipe, regularised_loss

__all__ = [
    "SIGMA",
    "Best",
    "Prediction",
    "Recipe",
    "TrainingError",
    "View",
    "evaluate",
    "fit",
    "predict",
    "regularised_loss",
    "reliance",
    "summarise",
]
