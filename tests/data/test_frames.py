"""Boxes and masks in other frames, by hand, by the real lists, and as the metrics do it."""

from pathlib import Path

import numpy as np
import pytest

from entreg_utils import metrics
from entreg_utils.cam.scaling import resize_mask
from entreg_utils.data.frames import corner_boxes, rescale_boxes, rescale_mask

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


def test_corners_by_hand():
    # ends inside; ends on the frame's edge (last column 99, last row 49); ends beyond; fractions
    xywh = [[10, 20, 30, 10], [40, 30, 60, 20], [90, 0, 30, 80], [1.9, 2.5, 3.2, 4.6]]
    assert corner_boxes(xywh, (100, 50)).tolist() == [
        [10, 20, 40, 30],
        [40, 30, 99, 49],
        [90, 0, 99, 49],
        [1, 2, 5, 7],  # 1.9 + 3.2 = 5.1 and 2.5 + 4.6 = 7.1
    ]


@pytest.mark.parametrize("box", [[100, 0, 5, 5], [0, 50, 5, 5], [-1, 0, 5, 5], [0, 0, 0, 5]])
def test_a_box_that_does_not_fit_is_refused(box):
    with pytest.raises(ValueError, match="does not fit an image of 100x50"):
        corner_boxes([[1, 1, 2, 2], box], (100, 50))


@pytest.mark.skipif(not (SHARED / "wsol_metadata").exists(), reason="real lists not here")
def test_corners_equal_the_lists_of_the_evaluation_code_on_thirty_classes():
    def rows(path, separator=None):
        cells = (line.split(separator) for line in path.read_text().splitlines())
        return {key: tuple(map(float, rest)) for key, *rest in cells}

    lists = SHARED / "wsol_metadata" / "CUB"
    sizes = rows(lists / "train/image_sizes.txt", ",") | rows(lists / "test/image_sizes.txt", ",")
    boxes = rows(lists / "train/localization.txt", ",") | rows(lists / "test/localization.txt", ",")
    home = SHARED / "CUB_200_2011"
    stated = rows(home / "bounding_boxes.txt")
    pairs = [line.split() for line in (home / "images.txt").read_text().splitlines()]
    assert len(pairs) == 1701
    for number, path in pairs:
        # These photographs were reduced to at most 320 pixels, each side by its own
        # factor; whole pixels of the original come back by rounding.
        width, height = map(int, sizes[path])
        scale = min(1, 320 / max(width, height))
        x, y, w, h = stated[number]
        kx, ky = round(width * scale) / width, round(height * scale) / height
        original = [round(x / kx), round(y / ky), round(w / kx), round(h / ky)]
        assert tuple(corner_boxes([original], (width, height))[0]) == boxes[path]


def test_rescaling_by_hand_and_as_the_metrics_do_it():
    assert rescale_boxes([[10, 10, 99, 49]], (100, 50), (24, 24)).tolist() == [[2, 4, 23, 23]]
    assert rescale_boxes([[3, 4, 5, 6]], (10, 7), (10, 7)).tolist() == [[3, 4, 5, 6]]
    generator = np.random.default_rng(0)
    for _ in range(50):
        width, height = generator.integers(30, 700, 2)
        box = [*generator.integers(0, 15, 2), *generator.integers(15, 30, 2)]
        ours = rescale_boxes([box], (width, height), (224, 224))
        assert np.array_equal(ours, metrics.rescale_boxes([box], (width, height), 224))


def test_masks_are_resized_by_nearest_neighbour():
    mask = np.array([[1, 0, 0, 7], [0, 0, 0, 0]])
    # rows 0 and 1 twice; columns 0 and 2 of 0..3
    assert rescale_mask(mask, (2, 4)).tolist() == [[True, False]] * 2 + [[False, False]] * 2
    same = rescale_mask(mask, (4, 2))
    assert same.dtype == bool and same.tolist() == (mask != 0).tolist()
    random = np.random.default_rng(0).random((37, 53)) < 0.3
    assert np.array_equal(rescale_mask(random, (24, 24)), resize_mask(random, 24))
