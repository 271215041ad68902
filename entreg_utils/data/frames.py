"""Boxes and masks moved from one frame of pixels to another, as the field's evaluation code does.

A box is ``x0, y0, x1, y1`` in whole pixels with ``x1 = min(x0 + w, W - 1)``, the convention of the
lists of Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020.
"""

from __future__ import annotations

import numpy as np

from entreg_utils.cam import scaling


def corner_boxes(xywh, frame: tuple[int, int]) -> np.ndarray:
    """Boxes ``x, y, w, h`` as ``(x, y, min(x + w, W - 1), min(y + h, H - 1))``, truncated.

    Args:
        xywh: (n, 4) numbers in pixels.
        frame: (W, H) of the image in pixels.

    Returns:
        int64 (n, 4).

    Raises:
        ValueError: a box begins outside the frame or has no area.
    """
    x, y, w, h = np.asarray(xywh, float).reshape(-1, 4).T
    right, bottom = frame[0] - 1, frame[1] - 1
    bad = ~((0 <= x) & (x <= right) & (0 <= y) & (y <= bottom) & (w > 0) & (h > 0))
    if bad.any():
        box = np.asarray(xywh).reshape(-1, 4)[bad][0].tolist()
        raise ValueError(
            f"the box x, y, w, h = {box} does not fit an image of {frame[0]}x{frame[1]}"
        )
    return np.stack([x, y, np.minimum(x + w, right), np.minimum(y + h, bottom)], 1).astype(np.int64)


def rescale_boxes(boxes, frame: tuple[int, int], target: tuple[int, int]) -> np.ndarray:
    """:func:`~entreg_utils.cam.scaling.rescale_boxes`, (n, 4), to a frame ``target = (W, H)``."""
    return scaling.rescale_boxes(np.asarray(boxes, float).reshape(-1, 4), frame, target[::-1])


def rescale_mask(mask: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    """:func:`~entreg_utils.cam.scaling.resize_mask` to a frame of ``target = (W, H)``."""
    return scaling.resize_mask(mask, target[::-1])
