"""Is the class right, how sure is the classifier, and are class and box right together?"""

from __future__ import annotations

import numpy as np
import torch

from entreg_utils.losses import entropy
from entreg_utils.metrics.boxes import iou_curves
from entreg_utils.metrics.maps import as_array


def accuracy(logits, labels) -> float:
    """Share of images in 0..1 whose largest logit is the label. logits (N, C), labels (N,)."""
    return float(correct_classes(logits, labels).mean())


def correct_classes(logits, labels, top: int = 1) -> np.ndarray:
    """(N,) bool: the label is among the ``top`` largest logits (of equal ones the first count).

    Args:
        logits: (N, C).  labels: (N,) in 0..C-1.  top: at least 1; C or more is always right.

    Raises:
        ValueError: shapes that disagree, NaN logits, a label outside 0..C-1, ``top`` below 1.
    """
    if top < 1:
        raise ValueError(f"top={top}: give at least 1")
    logits, labels = as_array(logits), as_array(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ValueError(
            f"logits must be (N, C) and labels (N,) with N >= 1, got {logits.shape} and "
            f"{labels.shape}"
        )
    if np.isnan(logits).any():
        raise ValueError("logits hold NaN: the training has diverged, or an input image is NaN")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must lie in 0..{logits.shape[1] - 1}, found {labels.min()}..{labels.max()}"
        )
    own = logits[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(logits.shape[1]) < labels[:, None]
    return ((logits > own) | ((logits == own) & earlier)).sum(axis=1) < top


def mean_entropy(logits) -> float:
    """Mean entropy of the predictions in nats, 0..log C; logits (N, C). The course's x axis."""
    return float(entropy(torch.tensor(as_array(logits))).double().mean())


def gt_known_correct(
    cams, boxes, threshold: float = 0.15, iou: float = 0.5, contours: str = "largest", size=224
) -> np.ndarray:
    """(N,) bool: the box of the map at ``threshold`` (a share of its maximum) has IoU >= ``iou``.

    Arguments as in :func:`~entreg_utils.metrics.boxes.box_accuracy`.
    """
    return iou_curves(cams, boxes, contours, [threshold], size)[:, 0] >= iou


def gt_known_loc(
    cams, boxes, threshold: float = 0.15, iou: float = 0.5, contours: str = "largest", size=224
) -> float:
    """GT-known Loc in 0..1: BoxAcc at one fixed threshold, on the maps of the true classes.

    The threshold is fixed before the data are seen (0.15 of the map's maximum in most papers),
    where MaxBoxAcc picks it on the very images that it scores.
    """
    return float(gt_known_correct(cams, boxes, threshold, iou, contours, size).mean())


def top1_loc(
    cams,
    boxes,
    logits,
    labels,
    threshold: float = 0.15,
    iou: float = 0.5,
    contours: str = "largest",
    size=224,
) -> float:
    """Top-1 Loc in 0..1: the box is right **and** the predicted class is right.

    ``cams`` may be those of the true or of the predicted classes: where the two differ the image
    is wrong anyway. So Top-1 Loc <= min(accuracy, GT-known Loc).
    """
    classes = correct_classes(logits, labels)
    located = gt_known_correct(cams, boxes, threshold, iou, contours, size)
    if len(classes) != len(located):
        raise ValueError(f"{len(located)} maps but {len(classes)} rows of logits: give one each")
    return float((classes & located).mean())
