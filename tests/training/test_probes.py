"""Where the evidence lies, and what each cue is worth: by hand on the drawn world."""

import math

import numpy as np
import pytest
import stage_energy
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


class Stages(nn.Module):
    """Three stages of a network whose maps are known: the image, its left half, and nothing."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 4)

    def stage_features(self, images):
        assert not self.training and images.max() <= 1
        left = nn.functional.avg_pool2d(images, 8)
        left[..., left.shape[-1] // 2 :] = -1  # below zero is no energy
        return {"fine": images, "coarse": left, "none": torch.zeros_like(left)}


@pytest.mark.parametrize("several_classes", [False, True])
def test_energy_inside_the_masks_is_that_of_each_pair(photographs, several_classes):
    labels = torch.tensor([0, 1, 2, 3, 0])
    if several_classes:
        labels = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]]).float()
    dataset = photographs(labels)
    # 24 is no multiple of the 32 columns of the fine map
    view = View(dataset, size=24)
    maps = np.full((len(view.pairs), 2, 2), -1, np.float32)
    maps[:, 0, 0], maps[:, 1, 1] = 3, 1
    model = Stages().train()
    small = stage_energy.inside(model, view, Prediction(maps, None), batch=2)
    found = stage_energy.inside(model, view, Prediction(maps, None))
    assert model.training and small == pytest.approx(found, abs=1e-12)
    energy = dataset.images.float().mean(1)
    parts = [dataset._quadrant(c, 32) for c in dataset.pairs[:, 1].tolist()]
    owners = dataset.pairs[:, 0].tolist()
    fine = [energy[i][part].sum() / energy[i].sum() for i, part in zip(owners, parts, strict=True)]
    half = [
        energy[i][part].sum() / energy[i][:, :16].sum() if part[1].start == 0 else 0.0
        for i, part in zip(owners, parts, strict=True)
    ]
    on_map = [{0: 0.75, 3: 0.25}.get(c, 0.0) for c in dataset.pairs[:, 1].tolist()]
    assert found == {
        "inside_fine": pytest.approx(np.mean(fine), abs=1e-5),
        "inside_coarse": pytest.approx(np.mean(half), abs=1e-5),
        "inside_class_map": pytest.approx(np.mean(on_map)),
        "inside_even": pytest.approx(0.25),
    }


def test_energy_counts_no_ignored_pixel_and_no_pair_without_an_object(photographs):
    dataset = photographs(torch.tensor([0, 0, 3]), side=8)
    mask, none = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    mask[:4, :4] = True
    ignore = ~mask
    ignore[:, :2] = False  # the upper left quadrant counts, and two columns below it
    dataset.masks_at = lambda size: [(mask, ignore), (none, None), (mask, mask)]
    maps = np.ones((3, 8, 8), np.float32)
    found = stage_energy.inside(Stages(), View(dataset, size=8), Prediction(maps, None))
    assert found["inside_even"] == found["inside_class_map"] == pytest.approx(16 / 24)
    whole = photographs(torch.tensor([0, 0, 3]), side=8, masks=False)
    assert stage_energy.inside(Stages(), View(whole, size=8), None) == {}
