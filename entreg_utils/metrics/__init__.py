"""Scores of maps and classifiers, by the protocol of the field, to the last pixel.

Boxes (:mod:`.contours`, :mod:`.boxes`), pixels (:mod:`.pixels`), class and box together
(:mod:`.classification`), what a score is worth (:mod:`.baselines`, :mod:`.intervals`), and, where
the world is drawn, where the evidence lies (:mod:`.evidence`). Scores are in 0..1; papers print
them times 100.
"""

from entreg_utils.metrics.baselines import centre_box_baseline, constant_map_baseline
from entreg_utils.metrics.boxes import (
    BoxAccuracy,
    box_accuracy,
    box_iou,
    iou_curves,
    rescale_boxes,
)
from entreg_utils.metrics.classification import (
    accuracy,
    correct_classes,
    gt_known_correct,
    gt_known_loc,
    mean_entropy,
    top1_loc,
)
from entreg_utils.metrics.contours import boxes_at
from entreg_utils.metrics.evidence import EvidenceShares, evidence_shares
from entreg_utils.metrics.intervals import (
    Interval,
    SeedInterval,
    bootstrap_interval,
    seed_interval,
)
from entreg_utils.metrics.maps import ScoreMap, score_map
from entreg_utils.metrics.pixels import (
    PixelAveragePrecision,
    class_pixel_average_precision,
    mean_pixel_average_precision,
    pixel_average_precision,
)

__all__ = [
    "BoxAccuracy",
    "EvidenceShares",
    "Interval",
    "PixelAveragePrecision",
    "ScoreMap",
    "SeedInterval",
    "accuracy",
    "bootstrap_interval",
    "box_accuracy",
    "box_iou",
    "boxes_at",
    "centre_box_baseline",
    "class_pixel_average_precision",
    "constant_map_baseline",
    "correct_classes",
    "evidence_shares",
    "gt_known_correct",
    "gt_known_loc",
    "iou_curves",
    "mean_entropy",
    "mean_pixel_average_precision",
    "pixel_average_precision",
    "rescale_boxes",
    "score_map",
    "seed_interval",
    "top1_loc",
]
