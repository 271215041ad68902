"""What is measured, on maps small enough to count the pixels by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils import data, metrics, models
from entreg_utils.training import evaluate, predict, summarise
from entreg_utils.training.evaluation import SIGMA, as_input, reliance


class Channels(nn.Module):
    """The feature map is the image and the head the identity: channel c is the map of class c."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 3)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(3))
            self.head.bias.zero_()

    def forward_features(self, images):
        return images


def two_images():
    """Red on its object, right; green away from its object, and blue is brighter."""
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    masks, parts = torch.zeros(2, 4, 4, dtype=torch.bool), torch.zeros(2, 4, 4, dtype=torch.bool)
    images[0, 0, 1:3, 1:3] = 255
    masks[0, 1:3, 1:3] = True
    parts[0, 1, 1] = True
    images[1, 1, 2:, 2:] = 255
    images[1, 2] = 102  # 0.4 everywhere
    masks[1, :2, :2] = True
    boxes = torch.tensor([[1, 1, 3, 3], [0, 0, 2, 2]])
    return SimpleNamespace(
        images=images,
        labels=torch.tensor([0, 1]),
        boxes=boxes,
        masks=masks,
        parts=parts,
        contexts=~masks,
    )


class Dataset:
    def __init__(self, fields):
        self.__dict__.update(fields.__dict__)

    def __len__(self):
        return len(self.labels)


@pytest.fixture
def pair():
    return Dataset(two_images())


def test_predictions_are_maps_of_the_true_classes_and_logits(pair):
    prediction = predict(Channels(), pair)
    assert prediction.maps.shape == (2, 4, 4) and prediction.maps.dtype == np.float32
    assert np.array_equal(prediction.maps[0], pair.masks[0].numpy())
    assert np.array_equal(prediction.maps[1], pair.images[1, 1].numpy() / 255)
    # Logits are means over 16 pixels: 4/16 where a colour fills a quarter.
    assert prediction.logits == pytest.approx(np.array([[0.25, 0, 0], [0, 0.25, 0.4]]), abs=1e-7)


def test_every_score_by_hand(pair):
    scores = evaluate(predict(Channels(), pair), pair)

    def entropy(logits):
        p = np.exp(logits) / np.exp(logits).sum()
        return -(p * np.log(p)).sum()

    assert scores["accuracy"] == 0.5
    assert scores["entropy"] == pytest.approx(
        (entropy(np.array([0.25, 0, 0])) + entropy(np.array([0, 0.25, 0.4]))) / 2, abs=1e-6
    )
    # The second map's box 2,2,3,3 meets 0,0,2,2 in one pixel of 4 + 9 - 1.
    assert scores["gt_known"] == 0.5 and scores["top1_loc"] == 0.5
    # Score 1 on 8 pixels, 4 of them among the 8 of the objects; 0 on the other 24:
    # precision 1/2 up to recall 1/2, then 8/32.
    assert scores["pxap"] == pytest.approx(0.5 * 0.5 + 0.5 * 0.25)
    # The second image shows no part; its score lies on 4 of 12 context pixels.
    assert scores["part"] == 1.0
    assert scores["body"] == pytest.approx((1 + 0) / 2)
    assert scores["context"] == pytest.approx((0 + 1 / 3) / 2)


@pytest.mark.parametrize("share, hit", [(0.10, True), (0.20, False)])
def test_the_box_is_cut_at_the_fixed_share_of_the_maximum(pair, share, hit):
    pair.images[0, 0, 0] = pair.images[0, 0, :, 0] = round(255 * share)  # a halo up and to the left
    pair.images[0, 0, 0, 3] = 0  # the minimum, so that min-max leaves the shares as they are
    pair.masks[0] = False
    pair.boxes[0] = torch.tensor([1, 1, 2, 2])  # tight: a box of 9 or of 16 pixels holds these 4
    pair.images[0, 0, 1:, 1:] = 0
    pair.images[0, 0, 1, 1] = 255  # predicted: 1,1,2,2 without the halo, 0,0,... with it
    scores = evaluate(predict(Channels(), pair), pair)
    assert SIGMA == 0.15 and scores["gt_known"] == (0.5 if hit else 0.0)


def test_right_box_and_right_class_are_needed_together(pair):
    pair.images[0, 2] = 128  # blue everywhere: the box of red stays right, the class does not
    scores = evaluate(predict(Channels(), pair), pair)
    assert (scores["accuracy"], scores["gt_known"], scores["top1_loc"]) == (0.0, 0.5, 0.0)


def test_batches_and_limits_change_nothing():
    test = data.load("toy", "test", num_images=7, image_size=32, cache=False)
    model = models.build("toy", 8, width=4)
    model.train()
    whole, parts = predict(model, test), predict(model, test, batch=3)
    assert model.training  # evaluation leaves the mode, and the running averages, as they were
    np.testing.assert_allclose(whole.maps, parts.maps, rtol=0, atol=1e-6)
    first = predict(model, test, limit=2)
    assert len(first.maps) == len(first.logits) == 2
    np.testing.assert_allclose(first.logits, whole.logits[:2], rtol=0, atol=1e-6)
    assert len(predict(model, test, limit=100).maps) == 7
    assert evaluate(first, test)["accuracy"] in (0.0, 0.5, 1.0)


def test_inputs_are_floats_between_nought_and_one():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 2, 2)
    batch = as_input(images, torch.device("cpu"))
    assert batch.dtype == torch.float32
    assert batch[1, :, 1, 0].tolist() == pytest.approx([0, 0.2, 1])
    assert batch.is_contiguous(memory_format=torch.channels_last)


# ---- final scores on the embedded world


@pytest.fixture(scope="module")
def world():
    options = {"image_size": 32, "cache": False}
    torch.manual_seed(0)
    model = models.build("toy", 8, width=4)
    val, test = (data.load("toy", split, num_images=40, **options) for split in ("val", "test"))
    return model, val, test, summarise(model, val, test)


def test_the_summary_names_its_threshold_rules(world):
    model, val, test, scores = world
    on_val, on_test = predict(model, val), predict(model, test)
    expected = evaluate(on_test, test)
    assert {name: scores[name] for name in expected} == expected
    largest = metrics.box_accuracy(on_test.maps, test.boxes, size=32)
    assert scores["max_box_acc"] == largest.max_box_acc  # oracle: chosen on test
    tuned = metrics.box_accuracy(on_val.maps, val.boxes, size=32)
    assert scores["box_threshold"] == tuned.best_threshold[1]  # chosen on validation, at IoU 0.5
    assert scores["max_box_acc_carried"] == largest.at(scores["box_threshold"])
    assert scores["max_box_acc_carried"] <= scores["max_box_acc"]
    every = metrics.box_accuracy(on_test.maps, test.boxes, contours="all", size=32)
    assert scores["max_box_acc_v2"] == every.max.mean()
    hits = metrics.gt_known_correct(on_test.maps, test.boxes, scores["box_threshold"], size=32)
    right = on_test.logits.argmax(1) == test.labels.numpy()
    assert scores["top1_loc_carried"] == (hits & right).mean()
    chosen = evaluate(on_val, val)
    assert (scores["val_pxap"], scores["val_accuracy"]) == (chosen["pxap"], chosen["accuracy"])
    assert all(math.isfinite(value) for value in scores.values())


def test_reliance_is_half_the_margin_that_a_wrong_cue_costs(world):
    model, _, test, scores = world
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


def test_reliance_on_nothing_is_zero_and_of_a_cue_that_never_agrees_unknown():
    test = data.load("toy", "test", num_images=10, image_size=32, cache=False, context=0.0)
    blind = Channels()
    blind.head = nn.Linear(3, 8)
    nn.init.zeros_(blind.head.weight)
    worth = reliance(blind, test)
    assert worth["reliance_part"] == worth["reliance_body"] == 0.0
    assert math.isnan(worth["reliance_context"])
