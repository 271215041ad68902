"""From one map to boxes, worked out by hand, and against the public evaluation code."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from entreg_utils.metrics import boxes_at, iou_curves

REFERENCE = Path(__file__).parents[2] / ".." / "shared" / "reference" / "box_reference.npz"

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


def test_of_equally_large_objects_the_first_in_opencvs_order_is_taken():
    both = boxes_at(MAP, 0.7, "all", size=(3, 4)).tolist()  # two single pixels, 0.8 and 1.0
    assert sorted(both) == sorted([[1, 1, 2, 2], PEAK])
    mask = (MAP > 0.7).astype(np.uint8)
    outlines = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    x, y, w, h = cv2.boundingRect(outlines[0])
    expected = [x, y, min(x + w, 3), min(y + h, 2)]
    assert boxes_at(MAP, 0.7, "largest", size=(3, 4)).tolist() == [expected]


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


@pytest.mark.skipif(not REFERENCE.exists(), reason="reference maps not here")
def test_boxes_equal_the_public_evaluation_code_on_the_first_maps():
    reference = np.load(REFERENCE)
    for cam, expected in zip(reference["cams"], reference["largest_boxes_first"], strict=False):
        for index in range(0, 1000, 41):
            found = boxes_at(cam, reference["thresholds"][index])
            assert found.tolist() == [expected[index].tolist()]
