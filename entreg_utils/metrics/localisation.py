"""GT-known, Top-1 and Top-5 Loc under a threshold whose origin is part of the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from entreg_utils.metrics.boxes import BoxAccuracy, box_accuracy, iou_curves
from entreg_utils.metrics.classification import correct_classes

# Where a threshold may come from, and how a table should say it.
RULES = {
    "fixed": "fixed before the data were seen",
    "carried": "chosen on other images and carried over",
    "oracle": "oracle: chosen on the images that are scored",
}


@dataclass(frozen=True)
class Localisation:
    """Scores of one set of maps at one threshold.

    Attributes:
        gt_known: GT-known Loc in 0..1, the share of images whose box is right.
        top1, top5: Top-1 and Top-5 Loc in 0..1: the box is right **and** the label is among the one
            or five largest logits; None without logits.
        threshold: share of the map's maximum.  rule: a key of :data:`RULES`, its origin.
        iou, contours, num_images: what the scores hold for.
        located: (N,) bool, the box is right.
    """

    gt_known: float
    top1: float | None
    top5: float | None
    threshold: float
    rule: str
    iou: float
    contours: str
    num_images: int
    located: np.ndarray

    def __str__(self) -> str:
        scores = {"GT-known Loc": self.gt_known, "Top-1 Loc": self.top1, "Top-5 Loc": self.top5}
        said = ", ".join(
            f"{name} {value:.3f}" for name, value in scores.items() if value is not None
        )
        return (
            f"{said} ({self.num_images} images, IoU >= {self.iou:g}, {self.contours} contour"
            f"{'s' if self.contours == 'all' else ''}, threshold {self.threshold:g} "
            f"{RULES[self.rule]})"
        )


def localisation(
    cams,
    boxes,
    logits=None,
    labels=None,
    threshold: float | BoxAccuracy | str = 0.15,
    iou: float = 0.5,
    contours: str = "largest",
    size: int | tuple[int, int] = 224,
    threads: int = 1,
) -> Localisation:
    """GT-known Loc, and with logits Top-1 and Top-5 Loc, at a threshold with a named origin.

    Args:
        cams, boxes, contours, size, threads: as in :func:`~entreg_utils.metrics.box_accuracy`; maps
            of the true classes.
        logits: (N, C).  labels: (N,). Both or neither.
        threshold: a number in 0..1, fixed beforehand (0.15 in most papers); or the result of
            ``box_accuracy`` on other images, whose best threshold at ``iou`` is carried over; or
            ``"oracle"``, the threshold of 1,000 that is best for GT-known Loc on these very images.
        iou: the box is right from here on, in 0..1.

    With five classes or fewer Top-5 Loc is GT-known Loc. The maps may be those of the predicted
    classes for Top-1 Loc: where the two differ the image is wrong anyway.

    Raises:
        ValueError: an unknown origin, a result that was not scored at ``iou`` or under another
            contour rule, logits without labels, or shapes that disagree.
    """
    if (logits is None) != (labels is None):
        raise ValueError("Top-1 and Top-5 Loc need logits and labels: give both or neither")
    if isinstance(threshold, BoxAccuracy):
        if threshold.contours not in (None, contours):
            raise ValueError(
                f"the threshold was chosen for {threshold.contours} contours, and {contours} are "
                "scored: use the same rule for both"
            )
        rule, tau = "carried", threshold.threshold_at(iou)
    elif threshold == "oracle":
        scored = box_accuracy(cams, boxes, contours, [iou], size=size, threads=threads)
        rule, tau = "oracle", scored.threshold_at(iou)
    elif isinstance(threshold, str):
        raise ValueError(
            f'threshold={threshold!r}: give a number in 0..1, "oracle", or the BoxAccuracy of '
            "validation images"
        )
    else:
        rule, tau = "fixed", float(threshold)
    located = iou_curves(cams, boxes, contours, [tau], size, threads)[:, 0] >= iou
    top1 = top5 = None
    if logits is not None:
        if len(logits) != len(located):
            raise ValueError(f"{len(located)} maps but {len(logits)} rows of logits: one each")
        top1, top5 = (float((correct_classes(logits, labels, k) & located).mean()) for k in (1, 5))
    return Localisation(
        float(located.mean()), top1, top5, tau, rule, float(iou), contours, len(located), located
    )
