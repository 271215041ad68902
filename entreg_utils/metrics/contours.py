"""From one score map to boxes: the protocol of Choe et al. (CVPR 2020), step by step.

1. :func:`~entreg_utils.metrics.score_map`: resize to ``size``, then min-max to 0..1.
2. Quantise to 8 bits, ``g = uint8(255 s)``, and binarise: pixel on when ``g > int(tau * max g)``.
3. Contours of the mask (holes have contours of their own): the largest, or all of them.
4. Each contour's box ``[x, y, min(x + w, W - 1), min(y + h, H - 1)]``; none: ``[0, 0, 0, 0]``.

One threshold is one call of OpenCV; many come from the component trees of :mod:`.trees` and, where
areas count, :mod:`.largest`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from entreg_utils.cam.scaling import Size, as_array
from entreg_utils.fields import known, plain_numbers, shown
from entreg_utils.metrics.largest import largest_boxes
from entreg_utils.metrics.levels import gray_of
from entreg_utils.metrics.maps import compiled, score_map, to_gray, warn_invalid
from entreg_utils.metrics.trees import all_boxes

CONTOUR_RULES = ("largest", "all")
MOST_THRESHOLDS = 10**6  # maps have 255 levels
_FEW = 2  # so many masks cost OpenCV less than the trees


@plain_numbers
def boxes_at(
    cam, threshold: float = 0.15, contours: str = "largest", size: Size = 224
) -> np.ndarray:
    """Boxes (n, 4) int64, x0 y0 x1 y1 in pixels of ``size``, of one raw map (h, w) at one tau.

    ``[[0, 0, 0, 0]]`` when nothing is above the threshold, and, with a warning, for a map with NaN
    or infinite values. Errors as of :func:`~entreg_utils.metrics.box_accuracy`; the steps between
    are those of :func:`~entreg_utils.metrics.explain`.
    """
    check_rule(contours)
    scores, _, invalid = score_map(cam, size)
    warn_invalid(invalid, 1)
    gray = to_gray(scores)
    return mask_boxes(gray, level_of(threshold_list([threshold]), gray)[0], contours)


def threshold_list(thresholds: int | Sequence[float]) -> np.ndarray:
    """The taus: ``i / n`` for ``i < n`` when an int n is given, else the given ones, checked."""
    taus = as_array(thresholds, "thresholds")
    if taus.ndim == 0:
        if taus.dtype == bool or not 1 <= taus <= MOST_THRESHOLDS or taus % 1:
            raise ValueError(
                f"thresholds must be a whole number in 1..{MOST_THRESHOLDS} or a sequence, got "
                f"{shown(thresholds)}"
            )
        return np.arange(int(taus)) * (1 / int(taus))
    taus = taus.astype(np.float64).reshape(-1)
    if not len(taus) or not ((taus >= 0) & (taus <= 1)).all():
        raise ValueError("thresholds are fractions of the map's maximum: give values in 0..1")
    return taus


def check_rule(contours: str) -> None:
    known("contours", contours, CONTOUR_RULES)


def level_of(taus: np.ndarray, gray: np.ndarray) -> np.ndarray:
    """``int(tau * max g)``, int64 as ``taus``: a pixel is on when its level is above this one."""
    return (taus * gray.max()).astype(np.int64)


def outlines_of(gray: np.ndarray, level: int) -> list[np.ndarray]:
    """Contours of ``gray > level`` in OpenCV's order, each int32 (k, 1, 2); [] when it is empty."""
    mask = cv2.threshold(gray, float(level), 255, cv2.THRESH_BINARY)[1]
    return list(cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0])


def boxes_of(outlines: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """``[x, y, min(x + w, W - 1), min(y + h, H - 1)]`` of contours in a map of (H, W), (n, 4)."""
    rectangles = np.array([cv2.boundingRect(one) for one in outlines] or [[0] * 4], dtype=np.int64)
    rectangles[:, 2:] += rectangles[:, :2]
    return np.minimum(rectangles, [shape[1] - 1, shape[0] - 1] * 2)


def mask_boxes(gray: np.ndarray, level: int, contours: str) -> np.ndarray:
    """Boxes (n, 4) int64 of ``gray > level`` by OpenCV; ``[[0, 0, 0, 0]]`` when it is empty."""
    outlines = outlines_of(gray, level)
    if contours == "largest" and outlines:
        # contourArea is that of the polygon through the pixel centres: a one-pixel line has area 0.
        # Of equal areas, max keeps the first in OpenCV's order.
        outlines = [max(outlines, key=cv2.contourArea)]
    return boxes_of(outlines, gray.shape)


def boxes_of_levels(fine: np.ndarray, levels: np.ndarray, contours: str) -> tuple[np.ndarray, ...]:
    """The boxes of the masks ``gray > L`` for each of ``levels`` (in 0..255).

    ``fine``: the map as of :func:`.levels.framed`. Returns rows (M, 6 or more) int32, in one array
    or several: a box, and the first and last level that it belongs to; other levels may be there.
    """
    if len(levels) <= _FEW:
        gray, levels = gray_of(fine), np.unique(levels)
        found = [mask_boxes(gray, level, contours) for level in levels]
        spans = np.repeat(levels, [len(boxes) for boxes in found])
        return (np.column_stack([np.concatenate(found), spans, spans]).astype(np.int32),)
    return (largest_boxes(fine),) if contours == "largest" else all_boxes(fine)


@compiled
def best_ious(rows, true, out):
    """Raise ``out`` (256,) float64 to the best IoU, as :func:`.box_iou` has it, at each level.

    ``rows``: as of :func:`boxes_of_levels`; ``true``: (t, 4) int64. A row's levels are two
    spans of a power of two, which may overlap; those are handed down to single levels at the end.
    """
    spans, power = np.zeros((9, 256)), np.zeros(257, dtype=np.int64)
    for length in range(2, 257):
        power[length] = power[length // 2] + 1
    for i in range(len(rows)):
        x0, y0 = np.int64(rows[i, 0]), np.int64(rows[i, 1])
        x1, y1 = np.int64(rows[i, 2]), np.int64(rows[i, 3])
        own = (x1 - x0 + 1) * (y1 - y0 + 1)
        best = 0.0
        for j in range(len(true)):
            wide = min(x1, true[j, 2]) - max(x0, true[j, 0]) + 1
            tall = min(y1, true[j, 3]) - max(y0, true[j, 1]) + 1
            if wide > 0 and tall > 0:
                other = (true[j, 2] - true[j, 0] + 1) * (true[j, 3] - true[j, 1] + 1)
                best = max(best, wide * tall / (own + other - wide * tall))
        if best > 0:
            k = power[rows[i, 5] - rows[i, 4] + 1]
            first, last = rows[i, 4], rows[i, 5] - (1 << k) + 1
            spans[k, first] = max(spans[k, first], best)
            spans[k, last] = max(spans[k, last], best)
    for k in range(8, 0, -1):
        for level in range(257 - (1 << k)):
            for half in (level, level + (1 << k - 1)):
                spans[k - 1, half] = max(spans[k - 1, half], spans[k, level])
    for level in range(256):
        out[level] = max(out[level], spans[0, level])
