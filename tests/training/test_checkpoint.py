"""The best epoch: which one it is, and that its weights stand still. (Files: see test_loop.)"""

import math

import torch
from torch import nn

from entreg_utils.training import Best


def test_the_best_is_the_earliest_of_the_largest_and_never_nan():
    best, model = Best("score"), nn.Linear(1, 1)
    for epoch, score in enumerate((math.nan, 0.3, 0.1, 0.3, 0.2), 1):
        with torch.no_grad():
            model.weight.fill_(epoch)
        best.see({"epoch": epoch, "score": score}, model)
    assert (best.epoch, best.score) == (2, 0.3)
    assert best.weights["weight"].item() == 2  # training went on; the copy did not
