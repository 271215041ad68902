"""Preparation of maps and masks."""

import errno

import numpy as np
import pytest
import torch
from numba.core.caching import IndexDataCacheFile

from entreg_utils.cam.scaling import resize_mask
from entreg_utils.metrics import score_map
from entreg_utils.metrics.maps import compiled


def test_min_max_by_hand():
    scores, constant, invalid = score_map([[-1, 0], [1, 3]], size=2)
    assert scores.tolist() == [[0, 0.25], [0.5, 1]]
    assert scores.dtype == np.float64
    assert not constant and not invalid


def test_height_comes_before_width():
    assert score_map(np.eye(3), (4, 6)).scores.shape == (4, 6)
    assert resize_mask(np.eye(3), (4, 6)).shape == (4, 6)


@pytest.mark.parametrize(
    ("raw", "constant", "invalid"),
    [
        (np.zeros((3, 3)), True, False),
        (np.full((3, 3), -4.5), True, False),
        ([[np.nan, 1], [0, 2]], False, True),
        ([[np.inf, 1], [0, 2]], False, True),
    ],
)
def test_maps_that_say_nothing_become_zeros_and_say_so(raw, constant, invalid):
    scores, is_constant, is_invalid = score_map(raw, 4)
    assert not scores.any()
    assert (is_constant, is_invalid) == (constant, invalid)


def test_masks_are_resized_to_the_nearest_pixel_and_stay_binary():
    mask = torch.tensor([[0, 255], [1, 0]])
    expected = [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]
    assert resize_mask(mask, 4).tolist() == np.array(expected, bool).tolist()


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"map must have shape \(h, w\).*\(2, 2, 2\)"):
        score_map(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match=r"mask must have shape \(H, W\)"):
        resize_mask(np.zeros(4), 4)
    with pytest.raises(ValueError, match="size must be a positive int"):
        score_map(np.eye(2), (4, 4, 4))


def test_a_disk_that_takes_no_compiled_code_is_no_error(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)

    def twice(number):
        return 2 * number

    assert compiled(twice)(4) == 8
