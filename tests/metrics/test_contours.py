"""From one map to boxes, worked out by hand."""

import numpy as np
import pytest

from entreg_utils.metrics import boxes_at, iou_curves

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
