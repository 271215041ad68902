"""Boxes against boxes: the IoU with the field's inclusive sides, and what a true box must be."""

from __future__ import annotations

import numpy as np

from entreg_utils.cam.scaling import Size, as_array, height_width
from entreg_utils.metrics.compiled import compiled


def box_iou(predicted, true) -> np.ndarray:
    """IoU matrix (p, t) float64 of boxes (p, 4) and (t, 4): ``I / (A + B - I)`` with every side as
    ``x1 - x0 + 1``, the field's convention.

    ValueError: a box with x1 < x0 or y1 < y0, or one that is not in whole pixels.
    """
    first = _whole(as_array(predicted).reshape(-1, 4), "predicted boxes")[:, None]
    second = _whole(as_array(true).reshape(-1, 4), "true boxes")[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    overlap = np.maximum(high - low + 1, 0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2] + 1).prod(axis=-1) for box in (first, second)]
    return overlap / (areas[0] + areas[1] - overlap)


@compiled
def best_ious(boxes, spans, true, out):
    """Raise ``out`` (256,) float64 to the best IoU, as :func:`box_iou` has it, at each level.

    ``boxes``, ``spans``: as of ``contours.boxes_of_levels``; ``true``: (t, 4) int64.
    """
    for i in range(len(boxes)):
        x0, y0, x1, y1 = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        own = (x1 - x0 + 1) * (y1 - y0 + 1)
        best = 0.0
        for j in range(len(true)):
            wide = min(x1, true[j, 2]) - max(x0, true[j, 0]) + 1
            tall = min(y1, true[j, 3]) - max(y0, true[j, 1]) + 1
            if wide > 0 and tall > 0:
                other = (true[j, 2] - true[j, 0] + 1) * (true[j, 3] - true[j, 1] + 1)
                best = max(best, wide * tall / (own + other - wide * tall))
        for level in range(spans[i, 0], spans[i, 1] + 1):
            out[level] = max(out[level], best)


def check_boxes(boxes, size: Size, index: int) -> np.ndarray:
    """(n, 4) int64 boxes of image ``index``, or a ValueError that says what is wrong."""
    height, width = height_width(size)
    boxes, whose = as_array(boxes), f"boxes of image {index}"
    boxes = boxes.reshape(1, 4) if boxes.shape == (4,) else boxes
    if boxes.ndim != 2 or boxes.shape[1:] != (4,) or not len(boxes):
        raise ValueError(f"{whose} must have shape (n, 4) with n >= 1, got {boxes.shape}")
    whole = _whole(boxes, whose)
    if whole.min() < 0 or whole[:, 2].max() >= width or whole[:, 3].max() >= height:
        raise ValueError(
            f"{whose} reach outside the {width}x{height} map: {boxes.tolist()}; "
            "rescale_boxes brings boxes of the original image to the size of the map"
        )
    return whole


def _whole(boxes: np.ndarray, whose: str) -> np.ndarray:
    if not np.array_equal(boxes, np.trunc(boxes)):
        raise ValueError(f"{whose} must be whole pixels, got {boxes.tolist()}")
    x0, y0, x1, y1 = boxes.T
    if (x1 < x0).any() or (y1 < y0).any():
        raise ValueError(
            f"{whose} must be x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, got "
            f"{boxes.tolist()}; is this x, y, width, height?"
        )
    return boxes.astype(np.int64)
