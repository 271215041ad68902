"""How often the boxes are right: BoxAcc, MaxBoxAcc, MaxBoxAccV2.

The protocol of Choe et al. (CVPR 2020; V2 in the journal version, TPAMI 2022): for a threshold tau
of the map and a delta of the IoU,

    BoxAcc(tau, delta) = share of images in which some box at tau meets some true box, IoU >= delta,

with boxes as :mod:`.contours` makes them and sides counted as ``x1 - x0 + 1``. ``tau`` is one
number for the whole data set. MaxBoxAcc is the maximum over tau at delta 0.5 with largest contours;
MaxBoxAccV2 the mean over delta 0.3, 0.5, 0.7 of each one's own maximum, with all contours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from entreg_utils.metrics.contours import distinct_boxes, threshold_list, to_gray
from entreg_utils.metrics.maps import (
    as_array,
    check_maps,
    check_same_length,
    height_width,
    score_map,
    warn_invalid,
)


@dataclass(frozen=True)
class BoxAccuracy:
    """BoxAcc at every IoU threshold (rows) and score threshold (columns), and its maxima.

    Attributes:
        counts: (D, T) int64, images correct at each IoU threshold and score threshold.
        iou_thresholds: (D,) float64.
        thresholds: (T,) float64, the score thresholds tau as fractions of the map's maximum.
        num_images: images scored.
        num_constant, num_invalid: maps without contrast, and maps with NaN or infinite values; both
            were scored as all-zero maps, whose box is ``[0, 0, 0, 0]``.
    """

    counts: np.ndarray
    iou_thresholds: np.ndarray
    thresholds: np.ndarray
    num_images: int
    num_constant: int = 0
    num_invalid: int = 0

    @property
    def curve(self) -> np.ndarray:
        """(D, T) BoxAcc(tau, delta) in 0..1."""
        return self.counts / self.num_images

    @property
    def max(self) -> np.ndarray:
        """(D,) maximum of each curve over tau, in 0..1. The threshold is chosen on these images."""
        return self.curve.max(axis=1)

    @property
    def best_threshold(self) -> np.ndarray:
        """(D,) the smallest tau that reaches :attr:`max`."""
        return self.thresholds[self.counts.argmax(axis=1)]

    @property
    def max_box_acc(self) -> float:
        """MaxBoxAcc: the maximum over tau at IoU 0.5 (the paper takes largest contours here)."""
        return float(self.max[self._row(0.5)])

    @property
    def max_box_acc_v2(self) -> float:
        """MaxBoxAccV2: mean over the IoU thresholds of each one's own maximum over tau."""
        return float(self.max.mean())

    def at(self, threshold: float, iou: float = 0.5) -> float:
        """BoxAcc in 0..1 at the listed score threshold nearest to ``threshold``."""
        column = np.abs(self.thresholds - threshold).argmin()
        return float(self.curve[self._row(iou), column])

    def _row(self, iou: float) -> int:
        rows = np.flatnonzero(np.isclose(self.iou_thresholds, iou))
        if not len(rows):
            raise ValueError(f"IoU {iou} was not scored; add it to iou_thresholds")
        return int(rows[0])


def box_accuracy(
    cams,
    boxes,
    contours: str = "largest",
    iou_thresholds: Sequence[float] = (0.3, 0.5, 0.7),
    thresholds: int | Sequence[float] = 1000,
    size: int | tuple[int, int] = 224,
) -> BoxAccuracy:
    """Share of images whose box is right, for every threshold of the map and of the IoU.

    Args:
        cams: (N, h, w) raw maps, array or tensor (or a sequence of N maps of any shape).
        boxes: true boxes in pixels of ``size``, x0, y0, x1, y1: an (N, 4) array or tensor, or a
            sequence of N arrays (n_i, 4). See :func:`rescale_boxes` for boxes at another size.
        contours: ``"largest"`` (MaxBoxAcc) or ``"all"``, hole contours included (MaxBoxAccV2).
        iou_thresholds: the deltas, in 0..1.
        thresholds: how many, ``tau_i = i / thresholds``, or the taus themselves, in 0..1.
        size: side of the square the maps are resized to, or ``(height, width)``.

    Raises:
        ValueError: shapes that disagree; a box with x1 < x0, or outside the map; an image without
            a box; an unknown contour rule; thresholds outside 0..1.

    A map with NaN or infinite values counts as an all-zero map, with one warning for all of them.
    """
    taus = threshold_list(thresholds)
    deltas = np.atleast_1d(np.asarray(iou_thresholds, dtype=np.float64))
    counts = np.zeros((len(deltas), len(taus)), dtype=np.int64)
    constant = invalid = 0
    for ious, flat, broken in _iou_rows(cams, boxes, taus, contours, size):
        counts += ious >= deltas[:, None]
        constant, invalid = constant + flat, invalid + broken
    warn_invalid(invalid, len(cams))
    return BoxAccuracy(counts, deltas, taus, len(cams), constant, invalid)


def iou_curves(
    cams, boxes, contours: str = "largest", thresholds: int | Sequence[float] = 1000, size=224
) -> np.ndarray:
    """(N, T) float64: each image's best IoU at each score threshold; arguments as above.

    What :func:`box_accuracy` counts, image by image: for intervals over images, and for looking at
    single ones. Memory: 8 N T bytes.
    """
    taus = threshold_list(thresholds)
    rows = list(_iou_rows(cams, boxes, taus, contours, size))
    warn_invalid(sum(broken for _, _, broken in rows), len(cams))
    return np.stack([ious for ious, _, _ in rows])


def box_iou(predicted, true) -> np.ndarray:
    """IoU matrix (p, t) float64 of boxes (p, 4) and (t, 4), both ends of a side included.

    ``IoU = I / (A + B - I)`` with every side as ``x1 - x0 + 1``, the field's convention.
    """
    first = as_array(predicted).reshape(-1, 1, 4).astype(np.int64)
    second = as_array(true).reshape(1, -1, 4).astype(np.int64)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    overlap = np.maximum(high - low + 1, 0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2] + 1).prod(axis=-1) for box in (first, second)]
    return overlap / (areas[0] + areas[1] - overlap)


def rescale_boxes(boxes, image_size: tuple[int, int], size: int | tuple[int, int] = 224):
    """Boxes (n, 4) of an image of ``image_size = (width, height)``, in pixels of ``size``.

    ``coordinate * new / old``, truncated to int64, as the reference code does.
    """
    height, width = height_width(size)
    new, old = np.array([width, height] * 2, float), np.array([*image_size] * 2, float)
    return (as_array(boxes).astype(float) * new / old).astype(np.int64)


def _iou_rows(cams, boxes, taus, contours, size) -> Iterator[tuple[np.ndarray, bool, bool]]:
    check_maps(cams)
    check_same_length(cams=cams, boxes=boxes)
    true_boxes = [check_boxes(as_array(own), size, index) for index, own in enumerate(boxes)]
    for cam, true in zip(cams, true_boxes, strict=True):
        scores, constant, invalid = score_map(cam, size)
        predicted, starts, mask_of_tau = distinct_boxes(to_gray(scores), taus, contours)
        best = box_iou(predicted, true).max(axis=1)
        yield np.maximum.reduceat(best, starts)[mask_of_tau], constant, invalid


def check_boxes(boxes: np.ndarray, size: int | tuple[int, int], index: int) -> np.ndarray:
    """(n, 4) int64 boxes of image ``index``, or a ValueError that says what is wrong."""
    height, width = height_width(size)
    boxes = boxes.reshape(1, 4) if boxes.shape == (4,) else boxes
    if boxes.ndim != 2 or boxes.shape[1:] != (4,) or not len(boxes):
        raise ValueError(
            f"boxes of image {index} must have shape (n, 4) with n >= 1, got {boxes.shape}"
        )
    if not np.array_equal(boxes, np.trunc(boxes)):
        raise ValueError(f"boxes of image {index} must be whole pixels, got {boxes.tolist()}")
    x0, y0, x1, y1 = boxes.T
    if (x1 < x0).any() or (y1 < y0).any():
        raise ValueError(
            f"boxes of image {index} must be x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, got "
            f"{boxes.tolist()}; is this x, y, width, height?"
        )
    if boxes.min() < 0 or x1.max() >= width or y1.max() >= height:
        raise ValueError(
            f"boxes of image {index} reach outside the {width}x{height} map: {boxes.tolist()}; "
            "rescale_boxes brings boxes of the original image to the size of the map"
        )
    return boxes.astype(np.int64)
