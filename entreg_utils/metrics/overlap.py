"""How far boxes overlap, and which boxes and IoU thresholds can be scored at all."""

from __future__ import annotations

import numpy as np

from entreg_utils.cam.scaling import Size, as_array, height_width
from entreg_utils.fields import shown

_FAR = 2**30  # pixels: products of two sides stay within int64


def box_iou(predicted, true) -> np.ndarray:
    """IoU matrix (p, t) float64 of boxes (p, 4) and (t, 4): ``I / (A + B - I)`` with every side as
    ``x1 - x0 + 1``, the field's convention. A single box may be (4,).

    ValueError: other shapes; a box with x1 < x0 or y1 < y0, or one that is not in whole pixels.
    """
    return iou_matrix(_boxes(predicted, "predicted boxes"), _boxes(true, "true boxes"))


def iou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """:func:`box_iou` of boxes (p, 4) and (t, 4) int64, without its checks."""
    first, second = first[:, None], second[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    overlap = np.maximum(high - low + 1, 0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2] + 1).prod(axis=-1) for box in (first, second)]
    return overlap / (areas[0] + areas[1] - overlap)


def check_boxes(boxes, size: Size, index: int) -> np.ndarray:
    """(n, 4) int64 boxes of image ``index``, n >= 1, in a map of ``size``; or a ValueError that
    says what is wrong."""
    height, width = height_width(size)
    whose = f"boxes of image {index}"
    found = _boxes(boxes, whose)
    if not len(found):
        raise ValueError(f"{whose} must have shape (n, 4) with n >= 1, got {np.shape(boxes)}")
    ends = found[:, 2:].max(axis=0) - (width, height)
    if found.min() < 0 or ends.max() >= 0:
        way = "rescale_boxes brings boxes of the original image to the size of the map"
        if found.min() >= 0 and ends.max() == 0:
            way = f"a box ends on its last pixel: x1 is at most {width - 1}, y1 {height - 1}"
        raise ValueError(f"{whose} reach outside the {width}x{height} map: {found.tolist()}; {way}")
    return found


def iou_list(iou_thresholds) -> np.ndarray:
    """IoU thresholds as (D,) float64; ValueError: none, or not in 0..1."""
    deltas = np.atleast_1d(as_array(iou_thresholds, "iou_thresholds"))
    shares = deltas.dtype != bool and ((deltas >= 0) & (deltas <= 1)).all()
    if deltas.ndim != 1 or not len(deltas) or not shares:
        raise ValueError(
            f"IoU thresholds are shares in 0..1, got {shown(iou_thresholds)}: write 0.5"
        )
    return deltas.astype(np.float64)


def _boxes(boxes, whose: str) -> np.ndarray:
    boxes = as_array(boxes, whose)
    boxes = boxes if boxes.size else boxes.reshape(0, 4)
    boxes = boxes.reshape(1, 4) if boxes.shape == (4,) else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{whose} must have shape (n, 4), got {boxes.shape}")
    if boxes.dtype.kind == "f":  # float16 ends below _FAR
        boxes = boxes.astype(np.float64)
    if not ((-_FAR < boxes) & (boxes < _FAR)).all() or not np.array_equal(boxes, np.trunc(boxes)):
        raise ValueError(f"{whose} must be whole pixels, got {boxes.tolist()}")
    boxes = boxes.astype(np.int64)
    if (boxes[:, 2:] < boxes[:, :2]).any():
        raise ValueError(
            f"{whose} must be x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, got "
            f"{boxes.tolist()}; is this x, y, width, height?"
        )
    return boxes
