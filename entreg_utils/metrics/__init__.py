"""Scores of maps and classifiers, by the protocol of the field, to the last pixel.

Boxes (:mod:`.contours`, :mod:`.boxes`; fast by :mod:`.trees`), pixels (:mod:`.pixels`), class and
box together (:mod:`.localization`), by the size of the object (:mod:`.sizes`), step by step
(:mod:`.explanation`), what a score is worth (:mod:`.baselines`, :mod:`.intervals`), and, where the
world is drawn, where the evidence lies (:mod:`.evidence`). Scores are in 0..1; papers print them
times 100. NumPy, OpenCV and numba alone: no torch is imported.
"""

from entreg_utils.cam.scaling import rescale_boxes
from entreg_utils.metrics.baselines import (
    centre_box_baseline,
    constant_map_baseline,
    full_box_baseline,
)
from entreg_utils.metrics.boxes import (
    BoxAccuracy,
    box_accuracy,
    iou_curves,
)
from entreg_utils.metrics.contours import boxes_at
from entreg_utils.metrics.evidence import EvidenceShares, energy_shares, evidence_shares
from entreg_utils.metrics.explanation import Explanation, explain
from entreg_utils.metrics.intervals import (
    Interval,
    SeedInterval,
    bootstrap_interval,
    paired_bootstrap,
    seed_interval,
)
from entreg_utils.metrics.localization import (
    Localisation,
    accuracy,
    correct_classes,
    gt_known_correct,
    gt_known_loc,
    localisation,
    mean_entropy,
    top1_loc,
)
from entreg_utils.metrics.maps import ScoreMap, score_map
from entreg_utils.metrics.overlap import box_iou
from entreg_utils.metrics.pixels import (
    MeanPixelAveragePrecision,
    PixelAveragePrecision,
    class_pixel_average_precision,
    mean_pixel_average_precision,
    pixel_average_precision,
)
from entreg_utils.metrics.sizes import (
    SizeAccuracy,
    box_accuracy_by_size,
    box_shares,
    mask_shares,
    pixel_average_precision_by_size,
    size_groups,
)

__all__ = [
    "BoxAccuracy",
    "EvidenceShares",
    "Explanation",
    "Interval",
    "Localisation",
    "MeanPixelAveragePrecision",
    "PixelAveragePrecision",
    "ScoreMap",
    "SeedInterval",
    "SizeAccuracy",
    "accuracy",
    "bootstrap_interval",
    "box_accuracy",
    "box_accuracy_by_size",
    "box_iou",
    "box_shares",
    "boxes_at",
    "centre_box_baseline",
    "class_pixel_average_precision",
    "constant_map_baseline",
    "correct_classes",
    "energy_shares",
    "evidence_shares",
    "explain",
    "full_box_baseline",
    "gt_known_correct",
    "gt_known_loc",
    "iou_curves",
    "localisation",
    "mask_shares",
    "mean_entropy",
    "mean_pixel_average_precision",
    "paired_bootstrap",
    "pixel_average_precision",
    "pixel_average_precision_by_size",
    "rescale_boxes",
    "score_map",
    "seed_interval",
    "size_groups",
    "top1_loc",
]
