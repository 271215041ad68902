"""Baselines that never look at the image."""

from pathlib import Path

import numpy as np
import pytest

from entreg_utils.metrics import (
    centre_box_baseline,
    constant_map_baseline,
    full_box_baseline,
    rescale_boxes,
)

CUB_TEST = Path(__file__).parents[2] / ".." / "shared" / "data" / "wsol_metadata" / "CUB" / "test"


def test_the_centred_boxes_of_a_small_frame_by_hand():
    # Frame of 4 pixels: sides 1..4 give [1,1,2,2], [1,1,3,3], [0,0,3,3], [0,0,3,3] (cut at 3).
    result = centre_box_baseline([[[1, 1, 2, 2]], [[0, 0, 3, 3]]], size=4, iou_thresholds=(0.4, 1))
    assert result.thresholds.tolist() == [0.25, 0.5, 0.75, 1.0]
    # IoU with [1,1,2,2]: 1, 4/9, 4/16, 4/16; with the frame: 4/16, 9/16, 1, 1.
    assert result.counts.tolist() == [[1, 2, 1, 1], [1, 0, 1, 1]]
    assert result.max.tolist() == [1.0, 0.5]


def test_a_frame_that_is_not_square_keeps_the_shape_of_the_frame():
    # 8 wide, 4 high, half of each side: 4 by 2, at x 2..6 and y 1..3.
    assert centre_box_baseline([[2, 1, 6, 3]], (4, 8), (1.0,), sides=[0.5]).max.tolist() == [1.0]


@pytest.fixture(scope="module")
def cub_boxes():
    if not CUB_TEST.exists():
        pytest.skip("the CUB lists are not here")
    sizes, boxes = (
        [line.split(",") for line in (CUB_TEST / f"{name}.txt").read_text().split()]
        for name in ("image_sizes", "localization")
    )
    size_of = {name: (int(w), int(h)) for name, w, h in sizes}
    return [rescale_boxes(np.array([box], dtype=int), size_of[name]) for name, *box in boxes]


def test_the_centred_box_on_the_cub_test_split(cub_boxes):
    result = centre_box_baseline(cub_boxes)
    assert result.num_images == 5794
    assert (100 * result.max).round(2).tolist() == [93.91, 59.67, 17.0]
    assert round(100 * result.max_box_acc_v2, 2) == 56.86
    assert (224 * result.best_threshold).round().tolist() == [122, 143, 166]


def test_the_whole_frame_is_right_where_the_object_fills_it():
    boxes = [[0, 0, 9, 9], [0, 0, 9, 4], [0, 0, 9, 3]]  # 100 %, 50 % and 40 % of 10 x 10
    result = full_box_baseline(boxes, 10)
    assert result.curve[:, 0].tolist() == [1.0, 2 / 3, 1 / 3]
    assert result.contours is None and result.thresholds.tolist() == [1.0]


def test_the_constant_map_scores_the_prevalence():
    assert constant_map_baseline([[[1, 1], [0, 0]], [[1, 0], [0, 0]]], size=2) == 3 / 8
    ignore = [[[1, 0], [1, 0]], None]  # of image 1 the foreground pixel stays, one pixel goes
    assert constant_map_baseline([[[1, 1], [0, 0]], [[1, 0], [0, 0]]], ignore, 2) == 3 / 7


def test_bad_input_is_one_clear_sentence():
    with pytest.raises(ValueError, match="sides are fractions of the frame"):
        centre_box_baseline([[[0, 0, 1, 1]]], sides=[20])
    with pytest.raises(ValueError, match="image 0 reach outside"):
        centre_box_baseline([[[0, 0, 300, 1]]])
    with pytest.raises(ValueError, match="boxes is empty"):
        centre_box_baseline([])
    with pytest.raises(ValueError, match="no foreground pixel"):
        constant_map_baseline([np.zeros((2, 2))], size=2)
    with pytest.raises(ValueError, match="masks is empty"):
        constant_map_baseline([])
