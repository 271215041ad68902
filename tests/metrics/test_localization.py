"""GT-known, Top-1 and Top-5 Loc at thresholds of every origin, by hand."""

import numpy as np
import pytest

from entreg_utils.metrics import box_accuracy, gt_known_loc, localisation, top1_loc

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
    assert "threshold 0.15 fixed before the data were seen" in str(result)
    assert result.gt_known == gt_known_loc(MAPS, BOXES, size=20)
    assert result.top1 == top1_loc(MAPS, BOXES, LOGITS, LABELS, size=20)


def test_a_threshold_carried_over_from_other_images():
    val = box_accuracy(MAPS[:1], [CORE], size=20)  # the core is found from 0.4 on
    result = localisation(MAPS, BOXES, LOGITS, LABELS, threshold=val, size=20)
    assert result.rule == "carried" and result.threshold == val.best_threshold[1]
    assert result.threshold == pytest.approx(0.4, abs=0.01)
    assert (result.gt_known, result.top1) == (0.25, 0.25)
    assert "chosen on other images and carried over" in str(result)


def test_the_oracle_is_max_box_acc():
    result = localisation(MAPS, BOXES, threshold="oracle", size=20)
    scored = box_accuracy(MAPS, BOXES, size=20)
    assert result.rule == "oracle" and result.threshold == scored.best_threshold[1] == 0
    assert result.gt_known == scored.max_box_acc == 0.75
    assert result.top1 is None and result.top5 is None and "Top-" not in str(result)
    assert "oracle" in str(result)


def test_with_five_classes_top5_is_gt_known():
    result = localisation(MAPS, BOXES, LOGITS[:, :5], np.array([0, 4, 4, 0]), size=20)
    assert result.top5 == result.gt_known


def test_what_cannot_be_scored():
    with pytest.raises(ValueError, match="give both or neither"):
        localisation(MAPS, BOXES, logits=LOGITS, size=20)
    with pytest.raises(ValueError, match='"oracle", or the BoxAccuracy'):
        localisation(MAPS, BOXES, threshold="best", size=20)
    with pytest.raises(ValueError, match="same rule for both"):
        every = box_accuracy(MAPS, BOXES, "all", size=20)
        localisation(MAPS, BOXES, threshold=every, size=20)
    with pytest.raises(ValueError, match="IoU 0.6 was not scored"):
        localisation(MAPS, BOXES, threshold=box_accuracy(MAPS, BOXES, size=20), iou=0.6, size=20)
    with pytest.raises(ValueError, match="4 maps but 3 rows of logits"):
        localisation(MAPS, BOXES, LOGITS[:3], LABELS[:3], size=20)
