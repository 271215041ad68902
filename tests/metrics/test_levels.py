"""Codes, tables and filled holes, by hand and against OpenCV and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from entreg_utils.metrics import score_map
from entreg_utils.metrics.levels import (
    RING,
    by_level,
    decisive,
    fine_map,
    framed,
    gray_of,
    neighbour_codes,
    tables,
    without_holes,
)
from entreg_utils.metrics.maps import to_gray


def test_codes_and_order_by_hand():
    fine = np.pad(np.array([[5, 5], [9, 0]], np.uint16) << 8, 1)
    codes = neighbour_codes(fine)
    # Upper left 5: the 9 below (bit 5). Upper right 5: its equal to the left, which is earlier
    # (bit 7), and the 9 to the lower left (bit 6). The 9: nothing is on before it.
    assert codes[1:3, 1:3].tolist()[0] == [1 << 5, 1 << 7 | 1 << 6]
    assert codes[2, 1] == 0
    order, starts = by_level(fine, codes, fine.ravel() > 0)
    # The 9, then the 5s in raster order, each with its code.
    assert order.tolist() == [9 << 8, 5 << 8 | 1 << 5, 6 << 8 | 1 << 7 | 1 << 6]
    assert starts[255 - 9] == 0 and starts[255 - 5] == 1 and starts[255] == 3
    fine[1, 2] += 1  # of two pixels of one level, the lower byte says which is first
    order, _ = by_level(fine, codes, fine.ravel() > 0)
    assert (order >> 8).tolist() == [9, 6, 5]
    assert neighbour_codes(fine)[1, 1:3].tolist() == [1 << 3 | 1 << 5, 1 << 6]


@pytest.mark.parametrize("connectivity", [8, 4])
def test_every_code_is_decisive_unless_it_joins_one_component_inside_its_box(connectivity):
    fine, codes = np.full((18, 18), 256, np.uint16), np.zeros((18, 18), np.uint8)
    codes[1:-1, 1:-1] = np.arange(256).reshape(16, 16)
    found = decisive(fine, codes, connectivity)[: 18 * 18].reshape(18, 18)[1:-1, 1:-1].ravel()
    assert not decisive(fine - 1, codes, connectivity).any()  # level 0 is on in no mask
    joins, groups, _ = tables(connectivity)
    touching = ndimage.generate_binary_structure(2, 2 if connectivity == 8 else 1)
    for code in range(256):
        around = np.zeros((3, 3), bool)
        for position, (x, y) in enumerate(RING):
            around[y + 1, x + 1] = code >> position & 1
        labels, _ = ndimage.label(around, touching)
        beside = around if connectivity == 8 else around & touching
        assert groups[code] == len(set(labels[beside]))
        assert {labels[RING[p][1] + 1, RING[p][0] + 1] for p in joins[code] if p >= 0} == set(
            labels[beside]
        )
        rows, columns = np.nonzero(beside) if beside.any() else ([9], [9])
        inside = min(rows) <= 1 <= max(rows) and min(columns) <= 1 <= max(columns)
        assert found[code] == (groups[code] != 1 or not inside), code


def test_levels_are_truncated_and_framed_by_zeros():
    fine = framed(np.array([[0.0, 0.9999, 1.0], [0.5, 1 / 255, 2e-3]]))
    assert gray_of(fine).tolist() == [[0, 254, 255], [127, 1, 0]]
    assert fine.shape == (4, 5) and fine[2, 1] == 127 << 8 | 128  # 255 / 2 is 127 1/2
    assert not fine[0].any() and not fine[-1].any() and not fine[:, [0, -1]].any()


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float64, (3, 4), elements=st.floats(-1e300, 1e300) | st.floats(-1, 1)),
    st.sampled_from([("minmax",), ("max",), ("pas", 80), ("ivr", 30)]),
)
def test_the_map_in_one_pass_is_that_of_score_map(raw, rule):
    fine, constant, invalid = fine_map(raw, (7, 9), *rule)
    ready = score_map(raw, (7, 9), *rule)
    assert np.array_equal(gray_of(fine), to_gray(ready.scores))
    assert np.array_equal(fine, framed(ready.scores))
    assert (constant, invalid) == ready[1:]


@settings(max_examples=200, deadline=None)
@given(arrays(np.uint8, (11, 13), elements=st.integers(0, 255)), st.integers(0, 3))
def test_filled_masks_are_the_masks_filled(gray, blur):
    gray = ndimage.uniform_filter(gray, 2 * blur + 1) if blur else gray
    filled = gray_of(without_holes(np.pad(gray, 1).astype(np.uint16) << 8))
    for level in np.unique(gray):
        assert np.array_equal(filled > level, ndimage.binary_fill_holes(gray > level))


def test_filling_goes_through_a_spiral():
    # The lowest way out of the middle turns with the corridor; only its end is open.
    scene = np.full((15, 15), 9, np.uint16)
    y, x, direction = 7, 7, 0
    for length in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 14):
        for _ in range(2 * length if length < 7 else length):
            scene[y, x] = 3
            step = ((0, 1), (1, 0), (0, -1), (-1, 0))[direction]
            if not (0 <= y + step[0] < 15 and 0 <= x + step[1] < 15):
                break
            y, x = y + step[0], x + step[1]
        direction = (direction + 1) % 4
    filled = gray_of(without_holes(np.pad(scene, 1) << 8))
    for level in (0, 3, 8):
        assert np.array_equal(filled > level, ndimage.binary_fill_holes(scene > level))
