"""Training: one loop, seeded and resumable, with localisation measured at every epoch."""

from entreg_utils.training.evaluation import Prediction, evaluate, predict, reliance, summarise
from entreg_utils.training.loop import Recipe, TrainingError, fit, regularised_loss

__all__ = [
    "Prediction",
    "Recipe",
    "TrainingError",
    "evaluate",
    "fit",
    "predict",
    "regularised_loss",
    "reliance",
    "summarise",
]
