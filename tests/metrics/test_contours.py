"""From one map to boxes, worked out by hand; an explanation is what the score does."""

import numpy as np
import pytest
import torch

from entreg_utils.metrics import box_accuracy, boxes_at, explain, iou_curves, score_map

# A map of 4 columns and 3 rows: a plateau at the top left, and its maximum alone at bottom right.
MAP = np.array([[0.6, 0.6, 0.2, 0.0], [0.6, 0.8, 0.2, 0.0], [0.0, 0.0, 0.0, 1.0]])
PLATEAU, PEAK, NOTHING = [0, 0, 2, 2], [3, 2, 3, 2], [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("threshold", "largest", "every"),
    [
        # Everything above 0 hangs together (corners touch), and the box is cut at the frame: 3, 2.
        (0.0, [0, 0, 3, 2], [[0, 0, 3, 2]]),
        (0.1, [0, 0, 3, 2], [[0, 0, 3, 2]]),
        # Without the 0.2 the map falls in two. The plateau encloses 1 unit of area between its four
        # pixel centres, the single pixel 0, so the larger object wins although the maximum is
        # elsewhere. Its box ends one pixel further, at x0 + w = 2.
        (0.3, PLATEAU, [PLATEAU, PEAK]),
        (0.5, PLATEAU, [PLATEAU, PEAK]),
        # Only the maximum is left. At the frame the box cannot end one further.
        (0.9, PEAK, [PEAK]),
        # Nothing is above the maximum itself.
        (1.0, NOTHING, [NOTHING]),
    ],
)
def test_the_box_of_a_hand_written_map_at_each_threshold(threshold, largest, every):
    assert boxes_at(MAP, threshold, "largest", size=(3, 4)).tolist() == [largest]
    assert sorted(boxes_at(MAP, threshold, "all", size=(3, 4)).tolist()) == sorted(every)


def test_a_hole_is_an_object_under_the_rule_of_all_contours():
    ring = np.zeros((12, 12))
    ring[2:10, 2:10] = 1
    ring[4:8, 4:8] = 0
    assert boxes_at(ring, 0.5, "largest", size=12).tolist() == [[2, 2, 10, 10]]
    # The hole's contour runs on the ring's inner rim, pixels 3..8, and its box ends at 9.
    assert sorted(boxes_at(ring, 0.5, "all", size=12).tolist()) == [[2, 2, 10, 10], [3, 3, 9, 9]]
    # A true box inside the ring is found only because of the hole: 6x6 pixels against 7x7.
    inside = [[3, 3, 8, 8]]
    assert iou_curves([ring], [inside], "largest", [0.5], 12).item() == 36 / 81
    assert iou_curves([ring], [inside], "all", [0.5], 12).item() == 36 / 49


def test_a_one_pixel_line_has_no_area_and_loses_to_a_speck():
    scene = np.zeros((20, 20))
    scene[3, 2:18] = 1  # sixteen pixels in a line: contourArea 0
    scene[12:14, 9:11] = 1  # four pixels in a square: contourArea 1
    assert boxes_at(scene, 0.5, "largest", size=20).tolist() == [[9, 12, 11, 14]]


# ---- step by step


@pytest.mark.parametrize("rule", ["largest", "all"])
@pytest.mark.parametrize("threshold", [0.0, 0.15, 0.5, 0.97, 1.0])
def test_it_ends_at_the_iou_that_the_score_counts(rule, threshold):
    true = [[3, 4, 20, 22], [10, 1, 31, 8]]
    for cam in np.random.default_rng(3).normal(size=(12, 5, 6)):
        steps = explain(cam, true, threshold, rule, (24, 32))
        expected = iou_curves([cam], [true], rule, [threshold], (24, 32)).item()
        assert steps.iou == expected == steps.ious[steps.best].max()
        assert steps.best in steps.chosen
        assert np.array_equal(steps.scores, score_map(cam, (24, 32)).scores)
        assert np.array_equal(steps.mask, steps.gray > steps.level)
        predicted = boxes_at(cam, threshold, rule, (24, 32)).tolist()
        assert steps.boxes[steps.chosen].tolist() == predicted


def test_holes_areas_and_the_choice_by_hand():
    ring = np.zeros((24, 24))
    ring[3:21, 3:21] = 1
    ring[8:16, 8:16] = 0
    ring[10, 10] = 0.75
    steps = explain(ring, [8, 8, 15, 15], 0.5, "all", 24)
    # In OpenCV's order: the ring, its hole, the island in it.
    assert steps.holes.tolist() == [False, True, False]
    # Ring 17 x 17. The hole's contour runs around 8 x 8 pixels: 9 x 9, corners cut (4 x 1/2).
    assert steps.areas.tolist() == [17 * 17, 9 * 9 - 2, 0]
    assert steps.boxes.tolist() == [[3, 3, 21, 21], [7, 7, 17, 17], [10, 10, 11, 11]]
    assert steps.box.tolist() == [7, 7, 17, 17]  # a hole finds the object
    assert steps.iou == 64 / 121
    text = str(steps)
    assert "3, of which 1 around holes" in text and "IoU 0.5289 <- counts" in text
    largest = explain(ring, [8, 8, 15, 15], 0.5, "largest", 24)
    assert largest.box.tolist() == [3, 3, 21, 21] and largest.chosen.tolist() == [0]
    assert str(largest).count("box  ") == 1
    specks = np.zeros((20, 20))
    specks[::3, ::3] = 1
    text = str(explain(specks, [0, 0, 5, 5], 0.5, "all", 20))
    assert text.count("box  ") == 10 and "and 39 more boxes" in text


def test_nothing_above_the_threshold_and_broken_maps():
    flat = explain(np.zeros((3, 3)), [0, 0, 3, 3])
    assert flat.constant and not flat.invalid and flat.contours == () and not flat.mask.any()
    assert flat.box.tolist() == [0, 0, 0, 0] and flat.iou == 1 / 16
    assert "no contrast" in str(flat) and "nothing on" in str(flat)
    even = explain(np.ones((3, 3)), [0, 0, 3, 3])
    assert even.constant and not even.gray.any() and "noise" not in str(even)
    noise = explain(np.full((3, 3), 0.1), [0, 0, 3, 3])  # no binary fraction: 1e-17 of contrast
    assert noise.constant and noise.gray.any() and "rounding noise" in str(noise)
    with pytest.warns(RuntimeWarning, match="1 of 1 maps hold NaN"):
        broken = explain(np.full((3, 3), np.nan), [0, 0, 3, 3])
    assert broken.invalid and "NaN or infinite" in str(broken)


def test_it_takes_tensors_and_refuses_what_the_score_refuses():
    cam = torch.arange(12.0).reshape(3, 4)
    steps = explain(cam, torch.tensor([2, 2, 9, 9]), 0.3, size=12)
    assert steps.raw_range == (0.0, 11.0)
    result = box_accuracy(cam[None], [[2, 2, 9, 9]], thresholds=[0.3], size=12)
    assert result.counts[1, 0] == (steps.iou >= 0.5)
    with pytest.raises(ValueError, match="unknown contours"):
        explain(cam, [2, 2, 9, 9], contours="biggest", size=12)
    with pytest.raises(ValueError, match="reach outside the 12x12 map"):
        explain(cam, [2, 2, 12, 9], size=12)
    with pytest.raises(ValueError, match=r"values in 0\.\.1"):
        explain(cam, [2, 2, 9, 9], threshold=1.5, size=12)
