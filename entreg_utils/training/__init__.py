"""Training: one loop, seeded and resumable, with localisation measured at every epoch."""

from entreg_utils.training.evaluate import SIGMA, evaluate, evidence, reliance
from entreg_utils.training.guard import Best, TrainingError
from entreg_utils.training.loop import fit
from entreg_utils.training.recipe import Recipe, regularised_loss
from entreg_utils.training.summary import summarise
from entreg_utils.training.view import Prediction, View, predict
