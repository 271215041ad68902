"""Codes, tables and filled holes, by hand and against OpenCV and SciPy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from entreg_utils.metrics.levels import (
    by_level,
    framed,
    neighbour_codes,
    without_holes,
)


def test_codes_and_order_by_hand():
    gray = np.pad(np.array([[5, 5], [9, 0]], np.uint8), 1)
    codes = neighbour_codes(gray)
    # Upper left 5: the 9 below (bit 5). Upper right 5: its equal to the left, which is earlier
    # (bit 7), and the 9 to the lower left (bit 6). The 9: nothing is on before it.
    assert codes[1:3, 1:3].tolist()[0] == [1 << 5, 1 << 7 | 1 << 6]
    assert codes[2, 1] == 0
    order, starts = by_level(gray, codes, np.ones(256, bool))
    assert order.tolist() == [2 * 4 + 1, 1 * 4 + 1, 1 * 4 + 2]  # the 9, the 5s in raster order
    assert starts[255 - 9] == 0 and starts[255 - 5] == 1 and starts[255] == 3


def test_levels_are_truncated_and_framed_by_zeros():
    gray = framed(np.array([[0.0, 0.9999, 1.0], [0.5, 1 / 255, 2e-3]]))
    assert gray[1:-1, 1:-1].tolist() == [[0, 254, 255], [127, 1, 0]]
    assert gray.shape == (4, 5) and gray.sum() == 254 + 255 + 127 + 1


@settings(max_examples=200, deadline=None)
@given(arrays(np.uint8, (11, 13), elements=st.integers(0, 255)), st.integers(0, 3))
def test_filled_masks_are_the_masks_filled(gray, blur):
    gray = ndimage.uniform_filter(gray, 2 * blur + 1) if blur else gray
    filled = without_holes(np.pad(gray, 1))[1:-1, 1:-1]
    for level in np.unique(gray):
        assert np.array_equal(filled > level, ndimage.binary_fill_holes(gray > level))


def test_filling_goes_through_a_spiral():
    # The lowest way out of the middle turns with the corridor; only its end is open.
    scene = np.full((15, 15), 9, np.uint8)
    y, x, direction = 7, 7, 0
    for length in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 14):
        for _ in range(2 * length if length < 7 else length):
            scene[y, x] = 3
            step = ((0, 1), (1, 0), (0, -1), (-1, 0))[direction]
            if not (0 <= y + step[0] < 15 and 0 <= x + step[1] < 15):
                break
            y, x = y + step[0], x + step[1]
        direction = (direction + 1) % 4
    filled = without_holes(np.pad(scene, 1))[1:-1, 1:-1]
    for level in (0, 3, 8):
        assert np.array_equal(filled > level, ndimage.binary_fill_holes(scene > level))
