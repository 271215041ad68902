"""Scores of maps and classifiers, by the protocol of the field, to the last pixel.

Boxes (:mod:`.contours`, :mod:`.boxes`; fast by :mod:`.trees`), pixels, class and box together, by
the size of the object, step by step, what a score is worth, and, where the world is drawn, where
the evidence lies. Scores are in 0..1; papers print them times 100. No torch is imported, but by
:mod:`.torch`, the scores as ``torchmetrics.Metric``, which is imported by its own name.
"""

from entreg_utils.cam.scaling import rescale_boxes
from entreg_utils.metrics.baselines import (
    centre_box_baseline,
    constant_map_baseline,
    full_box_baseline,
)
from entreg_utils.metrics.boxes import BoxAccuracy, box_accuracy, iou_curves
from entreg_utils.metrics.contours import Explanation, boxes_at, explain
from entreg_utils.metrics.evidence import EvidenceShares, energy_shares, evidence_shares
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
)
from entreg_utils.metrics.maps import ScoreMap, score_map
from entreg_utils.metrics.overlap import box_iou
from entreg_utils.metrics.pixels import (
    Lit,
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
    size_groups,
)
