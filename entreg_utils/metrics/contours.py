"""From one score map to boxes: the protocol of Choe et al. (CVPR 2020), step by step.

1. :func:`~entreg_utils.metrics.score_map`: resize to ``size``, then min-max to 0..1.
2. Quantise to 8 bits, ``g = uint8(255 s)``, and binarise: pixel on when ``g > int(tau * max g)``.
3. Contours of the mask (holes have contours of their own): the largest, or all of them.
4. Each contour's box ``[x, y, min(x + w, W - 1), min(y + h, H - 1)]``; none: ``[0, 0, 0, 0]``.

Here one threshold is one call of OpenCV; all of them at once come from the :mod:`.trees`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from entreg_utils.cam.scaling import Size, as_array
from entreg_utils.fields import known, plain_numbers, shown
from entreg_utils.metrics.maps import score_map, to_gray, warn_invalid
from entreg_utils.metrics.overlap import box_iou, check_boxes

CONTOUR_RULES = ("largest", "all")
MOST_THRESHOLDS = 10**6  # maps have 255 levels


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


def mask_boxes(gray: np.ndarray, level: int, contours: str) -> np.ndarray:
    """Boxes (n, 4) int64 of ``gray > level`` by OpenCV; ``[[0, 0, 0, 0]]`` when it is empty."""
    outlines = outlines_of(gray, level)
    return _boxes_of(outlines, gray.shape)[_admitted(outlines, contours)]


def _boxes_of(outlines: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    rectangles = np.array([cv2.boundingRect(one) for one in outlines] or [[0] * 4], dtype=np.int64)
    rectangles[:, 2:] += rectangles[:, :2]
    return np.minimum(rectangles, [shape[1] - 1, shape[0] - 1] * 2)


def _admitted(outlines: Sequence[np.ndarray], contours: str) -> np.ndarray:
    """Rows of :func:`_boxes_of` that the contour rule admits."""
    if contours == "largest" and outlines:
        # contourArea is that of the polygon through the pixel centres: a one-pixel line has area 0.
        # Of equal areas the first in OpenCV's order counts.
        return np.array([np.argmax([cv2.contourArea(one) for one in outlines])])
    return np.arange(max(len(outlines), 1))


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


@dataclass(frozen=True)
class Explanation:
    """What :func:`~entreg_utils.metrics.box_accuracy` does with one image at one threshold."""

    raw_range: tuple[float, float]  # lowest and highest value of the raw map
    scores: np.ndarray  # (H, W) float64 in 0..1, resized, then min-maxed
    gray: np.ndarray  # (H, W) uint8, uint8(255 scores)
    level: int  # int(threshold * max gray)
    mask: np.ndarray  # (H, W) bool, gray > level
    contours: tuple[np.ndarray, ...]  # outlines (k, 2) int32 in OpenCV's order, x and y of centres
    areas: np.ndarray  # (n,) float64, contourArea of each, in pixels between centres
    holes: np.ndarray  # (n,) bool, the contour runs around a hole
    boxes: np.ndarray  # (n, 4) int64 of the contours, or [[0, 0, 0, 0]] when there is none
    chosen: np.ndarray  # rows of boxes that the contour rule admits
    ious: np.ndarray  # (n, t) float64 with the true boxes
    best: int  # row of boxes whose IoU counts: the best of the chosen
    iou: float  # that IoU
    threshold: float
    rule: str
    true_boxes: np.ndarray
    constant: bool  # the raw map had no contrast
    invalid: bool  # NaN or infinite values: the scores are all zero

    @property
    def box(self) -> np.ndarray:  # (4,) int64: the predicted box whose IoU counts
        return self.boxes[self.best]

    def __str__(self) -> str:
        height, width = self.gray.shape
        low, high = self.raw_range
        state = f"raw values {low:.4g} to {high:.4g}"
        if self.constant:
            state += ", no contrast" + (": rounding noise was stretched" if self.gray.any() else "")
        if self.invalid:
            state = "NaN or infinite values: all zero"
        lines = [
            f"map        resized to {width}x{height}, min-max to 0..1 ({state})",
            f"threshold  {self.threshold:g} of the maximum {self.gray.max()}: on above level "
            f"{self.level}, {self.mask.mean():.1%} of the pixels",
            f"contours   {len(self.contours)}, of which {int(self.holes.sum())} around holes; "
            f"rule: {self.rule}",
        ]
        for index in self.chosen[:10]:
            area = f"area {self.areas[index]:g}" if len(self.areas) else "nothing on"
            counts = " <- counts" if index == self.best else ""
            iou = f"IoU {self.ious[index].max():.4f}{counts}"
            lines.append(f"box        {self.boxes[index].tolist()} ({area}): {iou}")
        if len(self.chosen) > 10:
            lines.append(f"           and {len(self.chosen) - 10} more boxes")
        lines.append(f"true       {self.true_boxes.tolist()}; best IoU {self.iou:.4f}")
        return "\n".join(lines)


@plain_numbers
def explain(
    cam, boxes, threshold: float = 0.15, contours: str = "largest", size: Size = 224
) -> Explanation:
    """Every step from one raw map (h, w) to its IoU, by plain OpenCV, printable and plottable.

    ``boxes``: true ones (n, 4) or (4,), in pixels of ``size``; ``threshold``: a share of the map's
    maximum, 0..1; the rest, and errors, as :func:`~entreg_utils.metrics.box_accuracy`.
    """
    check_rule(contours)
    true, raw = check_boxes(boxes, size, 0), as_array(cam).astype(np.float64)
    scores, constant, invalid = score_map(cam, size)
    warn_invalid(invalid, 1)
    gray = to_gray(scores)
    level = int(level_of(threshold_list([threshold]), gray)[0])
    outlines = outlines_of(gray, level)
    predicted, chosen = _boxes_of(outlines, gray.shape), _admitted(outlines, contours)
    ious = box_iou(predicted, true)
    best = int(chosen[ious[chosen].max(axis=1).argmax()])
    return Explanation(
        raw_range=(float(raw.min()), float(raw.max())),
        scores=scores,
        gray=gray,
        level=level,
        mask=gray > level,
        contours=tuple(outline[:, 0] for outline in outlines),
        areas=np.array([cv2.contourArea(outline) for outline in outlines]),
        # OpenCV runs around objects and around holes in opposite senses (y points down).
        holes=np.array([cv2.contourArea(one, oriented=True) > 0 for one in outlines], dtype=bool),
        boxes=predicted,
        chosen=chosen,
        ious=ious,
        best=best,
        iou=float(ious[best].max()),
        threshold=threshold,
        rule=contours,
        true_boxes=true,
        constant=constant,
        invalid=invalid,
    )
