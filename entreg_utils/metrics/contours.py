"""From one score map to boxes: threshold, contours, bounding rectangles.

The protocol of Choe et al. (CVPR 2020), step by step:

1. :func:`~entreg_utils.metrics.maps.score_map`: resize to ``size``, then min-max to 0..1.
2. Quantise to 8 bits, ``g = uint8(255 s)``, and binarise: pixel on when ``g > int(tau * max g)``.
3. Contours of the mask (holes have contours of their own): the largest, or all of them.
4. Each contour's box ``[x, y, min(x + w, W - 1), min(y + h, H - 1)]``; no contour:
   ``[0, 0, 0, 0]``.

Because of the 8 bits a thousand thresholds give at most 255 different masks: each is worked out
once.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from entreg_utils.metrics.maps import score_map

CONTOUR_RULES = ("largest", "all")


def boxes_at(
    cam, threshold: float = 0.15, contours: str = "largest", size: int | tuple[int, int] = 224
) -> np.ndarray:
    """Boxes (n, 4) int64, x0 y0 x1 y1 in pixels of ``size``, of one raw map (h, w) at one tau.

    ``[[0, 0, 0, 0]]`` when nothing is above the threshold (a constant map, or tau = 1).
    """
    gray = to_gray(score_map(cam, size).scores)
    boxes, _, _ = distinct_boxes(gray, threshold_list([threshold]), contours)
    return boxes


def threshold_list(thresholds: int | Sequence[float]) -> np.ndarray:
    """The taus: ``i / n`` for ``i < n`` when an int n is given, else the given ones, checked."""
    if np.isscalar(thresholds):
        if int(thresholds) != thresholds or thresholds < 1:
            raise ValueError(f"thresholds must be a positive int or a sequence, got {thresholds!r}")
        return np.arange(int(thresholds)) * (1 / int(thresholds))
    taus = np.asarray(thresholds, dtype=np.float64).reshape(-1)
    if not len(taus) or not ((taus >= 0) & (taus <= 1)).all():
        raise ValueError("thresholds are fractions of the map's maximum: give values in 0..1")
    return taus


def to_gray(scores: np.ndarray) -> np.ndarray:
    """8-bit levels of a 0..1 score map; truncated, not rounded, as in the reference."""
    return (scores * 255).astype(np.uint8)


def distinct_boxes(gray: np.ndarray, taus: np.ndarray, contours: str):
    """The boxes of every different mask that ``taus`` cut out of an 8-bit map.

    Returns:
        boxes (P, 4) int64 of all masks one after the other; the index in it where each mask begins;
        and, for every tau, the number of its mask.
    """
    if contours not in CONTOUR_RULES:
        raise ValueError(f"contours must be one of {CONTOUR_RULES}, got {contours!r}")
    present = np.flatnonzero(np.bincount(gray.ravel()))
    levels = (taus * present[-1]).astype(np.int64)  # int(tau * max), truncated
    # Levels between two grey values that occur cut out the same mask: take the lower of the two.
    below = np.searchsorted(present, levels, side="right") - 1
    cuts, mask_of_tau = np.unique(below, return_inverse=True)
    found = [_contour_boxes(gray, present[cut] if cut >= 0 else -1, contours) for cut in cuts]
    starts = np.cumsum([0, *(len(boxes) for boxes in found[:-1])])
    return np.array([box for boxes in found for box in boxes]), starts, mask_of_tau


def _contour_boxes(gray: np.ndarray, level: int, contours: str) -> list[list[int]]:
    height, width = gray.shape
    _, mask = cv2.threshold(gray, float(level), 255, cv2.THRESH_BINARY)
    outlines = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2]
    if not len(outlines):
        return [[0, 0, 0, 0]]
    if contours == "largest":
        # contourArea is that of the polygon through the pixel centres: a one-pixel line has area 0.
        # Of equal areas, max keeps the first in OpenCV's order.
        outlines = [max(outlines, key=cv2.contourArea)] if len(outlines) > 1 else outlines
    rectangles = map(cv2.boundingRect, outlines)
    return [[x, y, min(x + w, width - 1), min(y + h, height - 1)] for x, y, w, h in rectangles]
