"""The oracle: the protocol read off the page, one OpenCV pass a threshold, nothing shared."""

import cv2
import numpy as np
import pytest


def _boxes(gray, level, contours):
    height, width = gray.shape
    mask = (gray > level).astype(np.uint8)
    found = list(cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2])
    if contours == "largest" and found:
        found = [max(found, key=cv2.contourArea)]
    rectangles = [cv2.boundingRect(outline) for outline in found]
    boxes = [[x, y, min(x + w, width - 1), min(y + h, height - 1)] for x, y, w, h in rectangles]
    return boxes or [[0, 0, 0, 0]]


def _best_ious(cam, true, contours, taus, size):
    height, width = size if isinstance(size, tuple) else (size, size)
    scores = cv2.resize(cam.astype(np.float64), (width, height), interpolation=cv2.INTER_CUBIC)
    scores = np.zeros_like(scores) if scores.min() == scores.max() else scores - scores.min()
    scores = scores / scores.max() if scores.any() else scores
    gray = (scores * 255).astype(np.uint8)
    row = []
    for tau in taus:
        best = 0
        for a in _boxes(gray, int(tau * gray.max()), contours):
            for b in true:
                wide = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
                tall = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
                area = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
                best = max(best, wide * tall / (sum(area) - wide * tall))
        row.append(best)
    return row


@pytest.fixture(scope="session")
def plain_boxes():
    """(gray (H, W) uint8, level, rule) -> list of boxes."""
    return _boxes


@pytest.fixture(scope="session")
def plain_ious():
    """(cam, true boxes, rule, taus, size) -> best IoU at each tau."""
    return _best_ious
