"""What a score is worth: the baselines that never look at the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from entreg_utils.ahead import ahead
from entreg_utils.cam.scaling import Size, as_array, height_width
from entreg_utils.fields import plain_numbers
from entreg_utils.metrics.boxes import BoxAccuracy
from entreg_utils.metrics.maps import count_of
from entreg_utils.metrics.overlap import check_boxes, iou_list, iou_matrix
from entreg_utils.metrics.pixels import pixel_average_precision


@plain_numbers
def centre_box_baseline(
    boxes,
    size: Size = 224,
    iou_thresholds: Sequence[float] = (0.3, 0.5, 0.7),
    sides: Sequence[float] | None = None,
) -> BoxAccuracy:
    """BoxAcc of one centred box for all images, for every side of the box.

    The field's conventions: width ``w = round(side * W)``, left edge ``(W - w) // 2``, right edge
    ``min(x0 + w, W - 1)``, the same vertically. Like the threshold of a CAM, the best side is
    chosen on the images that are scored, for each IoU anew; ``thresholds`` of the result are the
    sides. On the CUB test split at 224: 93.91 / 59.67 / 17.00 % at IoU 0.3 / 0.5 / 0.7.

    ``boxes``: true ones in pixels of ``size``, as for :func:`box_accuracy`. ``sides``: fractions of
    the frame, in (0, 1]; by default every whole pixel. ValueError: as there.
    """
    height, width = height_width(size)
    longest = max(height, width)
    given = np.arange(1, longest + 1) / longest if sides is None else sides
    fractions = as_array(given, "sides").astype(float)
    if fractions.ndim != 1 or not len(fractions) or not ((fractions > 0) & (fractions <= 1)).all():
        raise ValueError("sides are fractions of the frame: give values in (0, 1]")
    count = count_of(boxes=boxes)
    frame = np.array([width, height])
    sides = np.round(fractions[:, None] * frame).astype(np.int64)  # (S, 2), w and h
    corners = (frame - sides) // 2
    centred = np.concatenate([corners, np.minimum(corners + sides, frame - 1)], axis=1)
    deltas = iou_list(iou_thresholds)
    counts = np.zeros((len(deltas), len(fractions)), dtype=np.int64)

    def best_of(pair) -> np.ndarray:
        return iou_matrix(centred, check_boxes(pair[1], size, pair[0])).max(axis=1)

    # one thread: what is done for an image is too little to be shared out
    for best in ahead(best_of, enumerate(boxes), 1, "centred boxes", total=count):
        counts += best >= deltas[:, None]
    return BoxAccuracy(counts, deltas, fractions, count)


@plain_numbers
def full_box_baseline(
    boxes, size: Size = 224, iou_thresholds: Sequence[float] = (0.3, 0.5, 0.7)
) -> BoxAccuracy:
    """BoxAcc of the whole frame as the box of every image: the centred box of side 1.

    It chooses nothing, and is right wherever the object fills the share ``iou`` of the frame.
    Arguments and errors as of :func:`centre_box_baseline`."""
    return centre_box_baseline(boxes, size, iou_thresholds, sides=(1.0,))


@plain_numbers
def constant_map_baseline(
    masks, ignore=None, size: Size = 224, threads: int | None = None
) -> float:
    """PxAP in 0..1 of a map that says nothing: the share of foreground among the counted pixels.

    With one score for every pixel recall jumps from 0 to 1, where precision is the prevalence.
    Arguments and errors as in :func:`pixel_average_precision`.
    """
    blank = np.zeros((count_of(masks=masks), 1, 1))
    return pixel_average_precision(blank, masks, ignore, 1.0, size, threads)
