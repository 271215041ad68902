"""Photographs: what is shown, what it is scored against, and which scores there are."""

import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils import metrics
from entreg_utils.training import Prediction, View, evaluate, summarise
from entreg_utils.training.photographs import SIZE

LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


def perfect(view):
    """Maps 1 on the true quadrant of each pair and 0 elsewhere, at the protocol's own size."""
    maps = np.zeros((len(view.pairs), SIZE, SIZE), np.float32)
    for own, c in zip(maps, view.pairs[:, 1].tolist(), strict=True):
        y, x = divmod(c, 2)
        own[112 * y : 112 * (y + 1), 112 * x : 112 * (x + 1)] = 1
    return maps


def logits_of(labels, wrong=()):
    logits = np.eye(4, dtype=np.float32)[labels] * 5
    logits[list(wrong)] = np.roll(logits[list(wrong)], 1, axis=1)
    return logits


def test_scores_with_boxes_by_hand(photographs):
    view = View(photographs(LABELS, boxes=True, masks=False))
    maps = perfect(view)
    maps[5] = maps[0]  # class 1 drawn where class 0 is: the box is wrong
    scores = evaluate(Prediction(maps, logits_of(LABELS, wrong=[4])), view)
    assert set(scores) == {"accuracy", "entropy", "gt_known", "top1_loc", "max_box_acc"}
    assert scores["accuracy"] == pytest.approx(5 / 6)
    assert scores["gt_known"] == scores["max_box_acc"] == pytest.approx(5 / 6)
    assert scores["top1_loc"] == pytest.approx(4 / 6)
    assert view.criterion == "max_box_acc"


def test_the_fixed_threshold_is_the_one_that_is_given(photographs):
    view = View(photographs(LABELS, boxes=True, masks=False))
    maps = np.maximum(perfect(view), 0.3)  # a floor, and one corner below it for the minimum
    maps[:, 111:113, 111:113] = np.where(maps[:, 111:113, 111:113] == 1, 1, 0)
    prediction = Prediction(maps, logits_of(LABELS))
    assert evaluate(prediction, view, sigma=0.15)["gt_known"] == 0.0  # the box is the whole image
    assert evaluate(prediction, view, sigma=0.5)["gt_known"] == 1.0


def test_scores_with_masks_by_hand(photographs):
    view = View(photographs(LABELS))
    scores = evaluate(Prediction(perfect(view), logits_of(LABELS)), view)
    assert set(scores) == {"accuracy", "entropy", "pxap"} and scores["pxap"] == 1.0
    flat = np.zeros((6, 1, 1), np.float32)
    assert evaluate(Prediction(flat, logits_of(LABELS)), view)["pxap"] == pytest.approx(0.25)
    assert view.criterion == "pxap"


def test_scores_without_any_place_are_those_of_the_classifier(photographs):
    view = View(photographs(LABELS, masks=False))
    scores = evaluate(Prediction(perfect(view), logits_of(LABELS)), view)
    assert set(scores) == {"accuracy", "entropy"} and view.criterion == "accuracy"


def test_several_classes_are_pairs_and_their_scores_means_over_classes(several):
    view = View(several, multilabel="sigmoid")
    maps = perfect(view)
    mixed = several.pairs[:, 1] == 3
    maps[mixed.numpy()] = 0.0  # constant maps of class 3: PxAP is a quarter there, 1 elsewhere
    logits = (several.labels.numpy() * 4 - 2).astype(np.float32)
    scores = evaluate(Prediction(maps, logits), view)
    assert scores["mpxap"] == pytest.approx((1 + 1 + 1 + 0.25) / 4)
    assert scores["mean_ap"] == 1.0 and set(scores) == {"mean_ap", "entropy", "mpxap"}
    p = 1 / (1 + np.exp(-2.0))
    assert scores["entropy"] == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p))
    assert view.criterion == "mpxap"


# ---- the middle of the photograph


def test_a_crop_cuts_images_boxes_and_masks_alike(photographs):
    dataset = photographs(LABELS, side=64, boxes=True)
    view = View(dataset, crop=32)
    assert torch.equal(view.show(dataset.images), dataset.images[:, :, 16:48, 16:48])
    # The whole image is 448 wide where its middle half is 224; a quadrant ends in the centre.
    assert view.boxes[0].tolist() == [[0, 0, 112, 112]]
    assert view.boxes[3].tolist() == [[112, 112, 223, 223]]
    mask, ignore = next(iter(view.masks()))
    assert mask.shape == (224, 224) and ignore is None
    assert mask[:112, :112].all() and mask.sum() == 112 * 112
    with pytest.raises(ValueError, match="crop=65 is larger than the images, whose side is 64"):
        View(dataset, crop=65)


def test_rows_are_some_images_without_their_places(photographs, several):
    view = View(photographs(LABELS, boxes=True), rows=[1, 4])
    assert len(view) == 2 and view.labels.tolist() == [1, 0]
    assert view.pairs.tolist() == [[0, 1], [1, 0]]
    assert torch.equal(view.images, view.dataset.images[[1, 4]])
    assert view.boxes is None and not view.has_masks
    part = View(several, rows=[3, 7], multilabel="softmax")
    assert part.pairs.tolist() == several.labels[[3, 7]].nonzero().tolist()


# ---- the final scores


class Channels(nn.Module):
    """Logits from the brightness of each quadrant; maps from the image's channels."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(3, 4)

    def forward_features(self, images):
        return images


def test_the_summary_names_its_threshold_rules(photographs):
    labels = torch.arange(12) % 4
    val, test = (View(photographs(part, boxes=True)) for part in (labels[:8], labels))
    scores = summarise(Channels(), val, test)
    from entreg_utils.training import predict

    on_val, on_test = predict(Channels(), val), predict(Channels(), test)
    largest = metrics.box_accuracy(on_test.maps, test.boxes)
    tuned = metrics.box_accuracy(on_val.maps, val.boxes)
    assert scores["max_box_acc"] == largest.max_box_acc
    assert scores["box_threshold"] == tuned.best_threshold[1]
    assert scores["max_box_acc_carried"] == largest.at(scores["box_threshold"])
    every = metrics.box_accuracy(on_test.maps, test.boxes, contours="all")
    assert scores["max_box_acc_v2"] == every.max_box_acc_v2
    right = metrics.correct_classes(on_test.logits, labels)
    for rule, tau in (("carried", scores["box_threshold"]), ("oracle", largest.threshold_at(0.5))):
        hits = metrics.gt_known_correct(on_test.maps, test.boxes, tau)
        assert scores[f"top1_loc_{rule}"] == (hits & right).mean()
    assert scores["top5_loc"] == scores["gt_known"]  # four classes
    assert scores["centre_box"] == metrics.centre_box_baseline(test.boxes).max_box_acc
    assert scores["constant_map"] == pytest.approx(0.25)
    expected = evaluate(on_val, val)
    assert {n: scores[f"val_{n}"] for n in expected} == expected
    assert all(0 <= value <= 2 for value in scores.values())


def test_without_boxes_in_validation_nothing_is_carried_over(photographs):
    labels = torch.arange(8) % 4
    val, test = View(photographs(labels, masks=False)), View(photographs(labels, boxes=True))
    scores = summarise(Channels(), val, test)
    assert "max_box_acc" in scores and "top1_loc_oracle" in scores
    assert not {"box_threshold", "max_box_acc_carried", "top1_loc_carried"} & set(scores)
