"""MaxBoxAcc, MaxBoxAccV2, PxAP and mPxAP as ``torchmetrics.Metric``, for training loops.

``update`` takes tensors of any device and scores them on the CPU by the functions of this room; the
states are counts of images and pixels, which add up over batches and processes, so that the numbers
are those of the functions over all images. Scores are float64 scalars in 0..1. torchmetrics is an
extra of the package; ``from entreg_utils.metrics.torch import MaxBoxAcc``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from entreg_utils.cam.scaling import Size, as_array
from entreg_utils.metrics.boxes import BoxAccuracy, box_accuracy
from entreg_utils.metrics.contours import iou_list, threshold_list
from entreg_utils.metrics.pixels import MeanPixelAveragePrecision, PixelAveragePrecision, pooled

try:
    from torchmetrics import Metric
except ImportError as error:
    raise ImportError(
        "entreg_utils.metrics.torch needs torchmetrics: pip install 'torchmetrics>=1.4'"
    ) from error


class MaxBoxAcc(Metric):
    """MaxBoxAcc: :func:`~entreg_utils.metrics.box_accuracy` at its best threshold, largest contour.

    ``iou_thresholds``, ``thresholds``, ``size`` as there; with several IoU thresholds
    the mean of each one's own maximum. Other options are those of ``torchmetrics.Metric``.
    ValueError: as there, and at ``compute`` when no image was seen.
    """

    is_differentiable, higher_is_better, full_state_update = False, True, False
    contours = "largest"

    def __init__(
        self,
        iou_thresholds: Sequence[float] = (0.5,),
        thresholds: int | Sequence[float] = 1000,
        size: Size = 224,
        **options,
    ):
        super().__init__(**options)
        self.deltas, self.taus = iou_list(iou_thresholds), threshold_list(thresholds)
        self.size = size
        counts = torch.zeros(len(self.deltas), len(self.taus), dtype=torch.int64)
        self.add_state("counts", counts, dist_reduce_fx="sum")
        self.add_state("num_images", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, cams, boxes) -> None:
        """Add a batch: raw maps (N, h, w), and (N, 4) boxes or N of (n_i, 4) at ``size``."""
        found = box_accuracy(cams, boxes, self.contours, self.deltas, self.taus, self.size)
        self.counts += torch.from_numpy(found.counts).to(self.counts.device)
        self.num_images += found.num_images

    def compute(self) -> torch.Tensor:
        """The score of all images so far, in 0..1."""
        if not self.num_images:
            raise ValueError("no image was scored: call update before compute")
        counts, images = as_array(self.counts), int(self.num_images)
        score = BoxAccuracy(counts, self.deltas, self.taus, images).max_box_acc_v2
        return torch.tensor(score, dtype=torch.float64)


class MaxBoxAccV2(MaxBoxAcc):
    """MaxBoxAccV2: all contours, mean over IoU 0.3, 0.5 and 0.7; else as :class:`MaxBoxAcc`."""

    contours = "all"

    def __init__(self, iou_thresholds: Sequence[float] = (0.3, 0.5, 0.7), *args, **options):
        super().__init__(iou_thresholds, *args, **options)


class MeanPxAP(Metric):
    """mPxAP: :func:`~entreg_utils.metrics.mean_pixel_average_precision`.

    ``num_classes``: labels are 0..num_classes - 1; those seen without a foreground pixel are left
    out of the mean, with a warning. ``step``, ``size`` as there. ValueError: as there.
    """

    is_differentiable, higher_is_better, full_state_update = False, True, False

    def __init__(self, num_classes: int, step: float = 0.001, size: Size = 224, **options):
        super().__init__(**options)
        if int(num_classes) != num_classes or num_classes < 1:
            raise ValueError(f"num_classes={num_classes!r}: give a whole number above 0")
        self.step, self.size = step, size
        bins = len(PixelAveragePrecision(step, size).foreground)
        empty = torch.zeros(int(num_classes), 2, bins, dtype=torch.int64)
        self.add_state("counts", empty, dist_reduce_fx="sum")  # of foreground and background

    def update(self, cams, masks, classes, ignore=None) -> None:
        """Add (image, class) pairs: raw maps (N, h, w), masks (N, H, W), classes (N,), ignore (N,
        H, W) or None."""
        classes = as_array(classes).reshape(-1)
        if len(classes) and not (0 <= classes.min() and classes.max() < len(self.counts)):
            raise ValueError(
                f"classes must lie in 0..{len(self.counts) - 1}, found "
                f"{classes.min()}..{classes.max()}"
            )
        for label, pool in pooled(cams, masks, classes, ignore, self.step, self.size).pools.items():
            added = np.stack([pool.foreground, pool.background])
            self.counts[label] += torch.from_numpy(added).to(self.counts.device)

    def compute(self) -> torch.Tensor:
        """The score of all pairs so far, in 0..1."""
        streams = MeanPixelAveragePrecision(self.step, self.size)
        for label, counts in enumerate(as_array(self.counts)):
            if counts.any():
                pool = streams.pools[label] = PixelAveragePrecision(self.step, self.size)
                pool.foreground, pool.background = counts
        return torch.tensor(streams.compute(), dtype=torch.float64)


class PxAP(MeanPxAP):
    """PxAP: :func:`~entreg_utils.metrics.pixel_average_precision`, all pixels in one pool."""

    def __init__(self, step: float = 0.001, size: Size = 224, **options):
        super().__init__(1, step, size, **options)

    def update(self, cams, masks, ignore=None) -> None:
        """Add a batch: raw maps (N, h, w), masks (N, H, W), ignore (N, H, W) or None."""
        super().update(cams, masks, np.zeros(len(cams), int), ignore)
