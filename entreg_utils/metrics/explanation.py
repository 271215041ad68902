"""The steps from one map to one IoU, as data: for whoever disagrees with a number."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from entreg_utils.cam.scaling import Size, as_array
from entreg_utils.fields import plain_numbers
from entreg_utils.metrics import contours as steps
from entreg_utils.metrics.maps import score_map, to_gray, warn_invalid
from entreg_utils.metrics.overlap import box_iou, check_boxes


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
    steps.check_rule(contours)
    true, raw = check_boxes(boxes, size, 0), as_array(cam).astype(np.float64)
    scores, constant, invalid = score_map(cam, size)
    warn_invalid(invalid, 1)
    gray = to_gray(scores)
    level = int(steps.level_of(steps.threshold_list([threshold]), gray)[0])
    outlines = steps.outlines_of(gray, level)
    areas = np.array([cv2.contourArea(outline) for outline in outlines])
    predicted = steps.boxes_of(outlines, gray.shape)
    chosen = np.arange(len(predicted))
    if contours == "largest" and outlines:
        chosen = chosen[areas.argmax()][None]  # the first of equally large ones
    ious = box_iou(predicted, true)
    best = int(chosen[ious[chosen].max(axis=1).argmax()])
    return Explanation(
        (float(raw.min()), float(raw.max())),
        scores,
        gray,
        level,
        gray > level,
        tuple(outline[:, 0] for outline in outlines),
        areas,
        # OpenCV runs around objects and around holes in opposite senses (y points down).
        np.array([cv2.contourArea(one, oriented=True) > 0 for one in outlines], dtype=bool),
        predicted,
        *(chosen, ious, best, float(ious[best].max())),
        *(threshold, contours, true, constant, invalid),
    )
