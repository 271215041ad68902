"""Where the evidence lies, and what each cue is worth: by hand on the drawn world."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils import data, models
from entreg_utils.training import Prediction, View, evaluate, evidence, reliance


@pytest.fixture(scope="module")
def world():
    options = {"image_size": 32, "cache": False}
    torch.manual_seed(0)
    return models.build("toy", 8, width=4), data.load("toy", "test", num_images=40, **options)


def test_evidence_is_the_mean_score_of_each_region(world):
    _, test = world
    maps = np.zeros((40, 32, 32), np.float32)
    maps[test.parts.numpy()] = 1.0  # light on the marks alone
    scores = evidence(None, View(test), Prediction(maps, np.zeros((40, 8))))
    assert scores == {"part": 1.0, "body": 0.0, "context": 0.0}
    maps[(test.masks & ~test.parts).numpy()] = 0.5
    scores = evidence(None, View(test), Prediction(maps, np.zeros((40, 8))))
    assert scores == {"part": 1.0, "body": 0.5, "context": 0.0}
    assert evidence(None, View(test, rows=[1]), None) == {}  # rows have no regions


def test_reliance_is_half_the_margin_that_a_wrong_cue_costs(world):
    model, test = world
    scores = evaluate(model, test, probes=[reliance, evidence])
    model.eval()
    labels, following = test.labels, (test.labels + 1) % 8
    for column, cue in enumerate(("part", "body", "context")):
        changed = data.counterfactual(test, cue)
        costs = []
        for i in range(len(test)):
            if test.cues[i, column] == labels[i]:
                with torch.no_grad():
                    z = model(torch.stack([test.images[i], changed[i]]).float() / 255)
                margin = z[:, labels[i]] - z[:, following[i]]
                costs.append((margin[0] - margin[1]).item() / 2)
        assert scores[f"reliance_{cue}"] == pytest.approx(np.mean(costs), abs=1e-5)


class Blind(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 8)
        nn.init.zeros_(self.head.weight)

    def forward_features(self, images):
        return images


def test_reliance_on_nothing_is_zero_and_of_a_cue_that_never_agrees_unknown():
    test = data.load("toy", "test", num_images=10, image_size=32, cache=False, context=0.0)
    worth = reliance(Blind(), test)
    assert worth["reliance_part"] == worth["reliance_body"] == 0.0
    assert math.isnan(worth["reliance_context"])
