"""Boxes and masks moved from one frame of pixels to another, as the field's evaluation code does.

A box is ``x0, y0, x1, y1`` in whole pixels with ``x1 = min(x0 + w, W - 1)``, the convention of the
lists of Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020.
"""

from __future__ import annotations

import cv2
import numpy as np


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
    """Boxes (n, 4) of a frame (W, H) in pixels of another: ``coordinate * new / old``, truncated.

    Returns:
        int64 (n, 4). Between equal frames, the boxes themselves.
    """
    new, old = np.array([*target] * 2, float), np.array([*frame] * 2, float)
    return (np.asarray(boxes, float).reshape(-1, 4) * new / old).astype(np.int64)


def rescale_mask(mask: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    """Nearest-neighbour resize of a mask (H, W) (non-zero: inside) to ``target = (W', H')``.

    Returns:
        bool (H', W').
    """
    inside = np.ascontiguousarray(mask != 0, dtype=np.uint8)
    if inside.shape == (target[1], target[0]):
        return inside.astype(bool)
    return cv2.resize(inside, tuple(target), interpolation=cv2.INTER_NEAREST).astype(bool)
