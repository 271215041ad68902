"""Accuracy, entropy, and class and box together."""

import math

import numpy as np
import pytest
import torch

from entreg_utils.metrics import (
    accuracy,
    box_accuracy,
    correct_classes,
    gt_known_correct,
    gt_known_loc,
    mean_entropy,
    top1_loc,
)

# Two maps of a 10x10 frame with a bright blob and, on the second, a weak far corner.
MAPS = np.zeros((2, 10, 10))
MAPS[:, 2:6, 2:6] = 1.0
MAPS[1, 6:10, 6:10] = 0.3
BOXES = [[[2, 2, 6, 6]], [[2, 2, 6, 6]]]


def test_accuracy_by_hand():
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]])
    assert accuracy(logits, torch.tensor([0, 1, 1])) == 2 / 3
    assert accuracy(logits.numpy(), [0, 1, 0]) == 1.0


def test_the_label_among_the_first_k_by_hand():
    logits = np.array([[3.0, 1.0, 2.0, 0.0]] * 4)
    for top, expected in ((1, [1, 0, 0, 0]), (2, [1, 0, 1, 0]), (3, [1, 1, 1, 0]), (9, [1] * 4)):
        assert correct_classes(logits, [0, 1, 2, 3], top).tolist() == expected
    # Of equal logits the first count: with all equal, the label is first, second, third.
    assert correct_classes(np.zeros((3, 3)), [0, 1, 2], 2).tolist() == [True, True, False]
    with pytest.raises(ValueError, match="top=0"):
        correct_classes(logits, [0, 1, 2, 3], 0)


def test_mean_entropy_in_nats():
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1e4, 0.0, 0.0, 0.0]])
    assert mean_entropy(logits) == pytest.approx(math.log(4) / 2, abs=1e-6)


def test_gt_known_loc_is_box_accuracy_at_one_fixed_threshold():
    # At 0.15 the weak corner belongs to the object (box 2..9, IoU 25/64); at 0.5 it does not.
    assert gt_known_correct(MAPS, BOXES, size=10).tolist() == [True, False]
    assert gt_known_loc(MAPS, BOXES, size=10) == 0.5
    assert gt_known_loc(MAPS, BOXES, threshold=0.5, size=10) == 1.0
    assert gt_known_loc(MAPS, BOXES, iou=25 / 64, size=10) == 1.0  # "at least", not "more than"


def test_gt_known_loc_is_a_point_of_the_box_accuracy_curve():
    generator = np.random.default_rng(0)
    maps, boxes = generator.normal(size=(30, 4, 4)), np.array([[2, 2, 17, 17]] * 30)
    curve = box_accuracy(maps, boxes, size=20)
    for threshold in (0.15, 0.4, 0.55):
        assert gt_known_loc(maps, boxes, threshold, size=20) == curve.at(threshold)
    assert 0 < curve.at(0.55) < 1


def test_top1_loc_needs_the_class_and_the_box():
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    assert top1_loc(MAPS, BOXES, np.array([right, right]), [0, 0], size=10) == 0.5
    assert top1_loc(MAPS, BOXES, np.array([wrong, right]), [0, 0], size=10) == 0.0
    assert top1_loc(MAPS, BOXES, np.array([right, wrong]), [0, 0], 0.5, size=10) == 0.5


def test_bad_input_is_one_clear_sentence():
    with pytest.raises(ValueError, match=r"labels must lie in 0..1, found 0..2"):
        accuracy(np.zeros((2, 2)), [0, 2])
    with pytest.raises(ValueError, match=r"logits must be \(N, C\) and labels \(N,\)"):
        accuracy(np.zeros((2, 2)), [0, 1, 1])
    with pytest.raises(ValueError, match="logits hold NaN"):
        accuracy(np.full((1, 2), np.nan), [0])
    with pytest.raises(ValueError, match="2 maps but 1 rows of logits"):
        top1_loc(MAPS, BOXES, np.zeros((1, 2)), [0], size=10)
