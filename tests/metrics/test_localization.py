"""Class, entropy, and class and box together at thresholds of every origin, by hand."""

import math

import numpy as np
import pytest
import torch

from entreg_utils import losses
from entreg_utils.metrics import (
    accuracy,
    box_accuracy,
    correct_classes,
    gt_known_correct,
    gt_known_loc,
    localisation,
    mean_entropy,
)

# Four maps of 20 x 20: a bright core of 5 x 5 (1.0) in a body of 10 x 10 (0.4) from (5, 5).
BODY = np.zeros((20, 20))
BODY[5:15, 5:15] = 0.4
BODY[5:10, 5:10] = 1.0
MAPS = np.stack([BODY] * 4)
WHOLE, CORE = [[5, 5, 15, 15]], [[5, 5, 10, 10]]
BOXES = [WHOLE, WHOLE, WHOLE, CORE]  # below 0.4 three images are right, above it one
LOGITS = np.zeros((4, 7))
LOGITS[:, :6] = np.arange(6, 0, -1)  # class 0 first, 5 sixth, 6 last
LABELS = np.array([0, 4, 5, 0])


def test_a_fixed_threshold():
    result = localisation(MAPS, BOXES, LOGITS, LABELS, threshold=0.15, size=20)
    assert (result.rule, result.threshold) == ("fixed", 0.15)
    assert result.located.tolist() == [True, True, True, False]
    # Labels 0 and 4 are among the first five, 5 is not; the fourth image has no box.
    assert (result.gt_known, result.top1, result.top5) == (0.75, 0.25, 0.5)
    assert "GT-known Loc 0.750, Top-1 Loc 0.250, Top-5 Loc 0.500" in str(result)
    assert "threshold 0.15 fixed before the data were seen" in " ".join(str(result).split())
    assert max(map(len, str(result).splitlines())) <= 76
    assert result.gt_known == gt_known_loc(MAPS, BOXES, size=20)


def test_a_threshold_carried_over_from_other_images():
    val = box_accuracy(MAPS[:1], [CORE], size=20)  # the core is found from 0.4 on
    result = localisation(MAPS, BOXES, LOGITS, LABELS, threshold=val, size=20)
    assert result.rule == "carried" and result.threshold == val.best_threshold[1]
    assert result.threshold == pytest.approx(0.4, abs=0.01)
    assert (result.gt_known, result.top1) == (0.25, 0.25)
    assert "chosen on other images and carried over" in " ".join(str(result).split())


def test_the_oracle_is_max_box_acc():
    result = localisation(MAPS, BOXES, threshold="oracle", size=20)
    scored = box_accuracy(MAPS, BOXES, size=20)
    assert result.rule == "oracle" and result.threshold == scored.best_threshold[1] == 0
    assert result.gt_known == scored.max_box_acc == 0.75
    assert result.top1 is None and result.top5 is None and "Top-" not in str(result)
    assert "oracle" in str(result)


def test_results_of_parts_add_up_to_that_of_the_whole():
    def of(part, threshold=0.15, logits=LOGITS):
        named = [] if logits is None else [logits[part], LABELS[part]]
        return localisation(MAPS[part], BOXES[part], *named, threshold=threshold, size=20)

    whole, parts = of(slice(4)), [of(slice(1)), of(slice(1, 3)), of(slice(3, 4))]
    added = sum(parts)
    assert str(added) == str(whole) and added.located.tolist() == whole.located.tolist()
    assert (added.gt_known, added.top1, added.top5) == (0.75, 0.25, 0.5)
    plain = of(slice(2), logits=None) + of(slice(2, 4), logits=None)
    assert (plain.gt_known, plain.top1) == (0.75, None)
    for other, sentence in (
        (of(slice(4), 0.5), "their threshold is the same"),
        (of(slice(4), logits=None), "both or neither have logits"),
    ):
        with pytest.raises(ValueError, match=sentence):
            whole + other
    with pytest.raises(ValueError, match="an oracle chooses on all images at once"):
        sum([of(slice(4), "oracle"), of(slice(4), "oracle")])


@pytest.mark.parametrize("threshold", [0.15, "oracle"])
def test_maps_without_numbers_are_said_once(threshold):
    maps = MAPS.copy()
    maps[1, 0, 0] = np.nan
    with pytest.warns(RuntimeWarning, match="1 of 4 maps hold NaN") as caught:
        found = localisation(maps, BOXES, threshold=threshold, size=20)
    assert len(caught) == 1 and found.located.tolist() == [True, False, True, False]


OTHER = box_accuracy(MAPS, BOXES, size=20)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"iou": 50}, "IoU thresholds are shares in 0..1, got 50"),
        ({"logits": LOGITS}, "give both or neither"),
        ({"threshold": "best"}, '"oracle", or the BoxAccuracy'),
        ({"threshold": OTHER, "contours": "all"}, "same rule for both"),
        ({"threshold": OTHER, "iou": 0.6}, "IoU 0.6 was not scored"),
        ({"logits": LOGITS[:3], "labels": LABELS[:3]}, "cams has 4, logits has 3"),
        ({"logits": LOGITS, "labels": LABELS + 7}, r"labels must lie in 0..6, found 7..12"),
        ({"logits": LOGITS, "labels": LABELS[:, None]}, r"labels must be whole numbers \(N,\)"),
        ({"logits": LOGITS[0], "labels": LABELS}, "cams has 4, logits has 7"),
        ({"logits": LOGITS[..., None], "labels": LABELS}, r"logits must be \(N, C\) and labels"),
        ({"logits": LOGITS * np.nan, "labels": LABELS}, "logits hold NaN"),
    ],
)
def test_what_cannot_be_scored(given, message):
    with pytest.raises(ValueError, match=message):
        localisation(MAPS, BOXES, size=20, **given)


# ---- the class, and a fixed threshold

# Two maps of a 10x10 frame with a bright blob and, on the second, a weak far corner.
BLOBS = np.zeros((2, 10, 10))
BLOBS[:, 2:6, 2:6] = 1.0
BLOBS[1, 6:10, 6:10] = 0.3
TRUTH = [[[2, 2, 6, 6]], [[2, 2, 6, 6]]]


def test_the_label_among_the_first_k_by_hand():
    assert accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), [0, 1, 1]) == 2 / 3
    logits = np.array([[3.0, 1.0, 2.0, 0.0]] * 4)
    for top, expected in ((1, [1, 0, 0, 0]), (2, [1, 0, 1, 0]), (3, [1, 1, 1, 0]), (9, [1] * 4)):
        assert correct_classes(logits, [0, 1, 2, 3], top).tolist() == expected
    # Of equal logits the first count: with all equal, the label is first, second, third.
    assert correct_classes(np.zeros((3, 3)), [0, 1, 2], 2).tolist() == [True, True, False]
    with pytest.raises(ValueError, match="top=0"):
        correct_classes(logits, [0, 1, 2, 3], 0)


def test_mean_entropy_in_nats():
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1e4, 0.0, 0.0, 0.0]])
    assert mean_entropy(logits) == pytest.approx(math.log(4) / 2, abs=1e-15)
    random = 5 * torch.randn(40, 9, generator=torch.Generator().manual_seed(0))
    expected = losses.entropy(random.double()).mean().item()
    assert mean_entropy(random) == pytest.approx(expected, abs=1e-14)
    for bad in ([[math.nan, 0.0]], [[math.inf, 0.0]], np.zeros((0, 3)), [0.0, 1.0]):
        with pytest.raises(ValueError, match="logits must be finite and"):
            mean_entropy(bad)


def test_gt_known_loc_is_box_accuracy_at_one_fixed_threshold():
    # At 0.15 the weak corner belongs to the object (box 2..9, IoU 25/64); at 0.5 it does not.
    assert gt_known_correct(BLOBS, TRUTH, size=10).tolist() == [True, False]
    assert gt_known_loc(BLOBS, TRUTH, size=10) == 0.5
    assert gt_known_loc(BLOBS, TRUTH, threshold=0.5, size=10) == 1.0
    assert gt_known_loc(BLOBS, TRUTH, iou=25 / 64, size=10) == 1.0  # "at least", not "more than"
