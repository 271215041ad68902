"""What became of each test photograph: for intervals over images, which sums cannot give."""

from __future__ import annotations

import numpy as np

from entreg_utils import metrics
from entreg_utils.cam import NORMALIZATIONS
from entreg_utils.training.photographs import IOU, SIZE, View, threads_here
from entreg_utils.training.prediction import Prediction

THRESHOLDS = 1000  # of ``hits``; column k stands for the threshold k / THRESHOLDS
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.3, 16.0)
IVR_PERCENTILES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # validation chooses one


def outcomes_of(
    on_val: Prediction, val: View, on_test: Prediction, test: View
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Each test image's own results, and the scores of the normalisations that they are part of.

    For data with one class and boxes. Maps of the true class, largest contour, IoU >= 0.5.

    Returns:
        outcomes: ``right`` (N,) bool, the class; ``hits`` (N, :data:`THRESHOLDS`) bool, the box at
        each threshold, min-max; ``hits_max``, ``hits_pas``, ``hits_ivr`` (N,) bool, the box under
        these normalisations at the threshold that validation chose; ``centre_box`` (N,) bool, the
        centred box of the side that is best on test; ``share`` (N,) float16, share of the frame
        that the true box covers; ``entropies`` (K,) float32, mean over test of the entropy (nats)
        of ``softmax(logits / T)`` at each T of :data:`TEMPERATURES`: maps and classes are the same
        at all of them.
        scores: for each of these normalisations ``max_box_acc_max`` and so on (oracle) and
        ``max_box_acc_max_carried``; ``ivr_percentile``, chosen on validation too.
    """
    boxes, scores = test.boxes, {}
    best = metrics.centre_box_baseline(boxes, SIZE).threshold_at(IOU)
    centred = [metrics.centre_box_baseline([own], SIZE, [IOU], [best]).max[0] for own in boxes]
    outcomes = {
        "right": metrics.correct_classes(on_test.logits, test.labels),
        "hits": _curves(on_test.maps, test, "minmax", None) >= IOU,
        "centre_box": np.array(centred, bool),
        "share": metrics.box_shares(boxes, SIZE).astype(np.float16),
        "entropies": np.array(
            [metrics.mean_entropy(on_test.logits / t) for t in TEMPERATURES], np.float32
        ),
    }
    for rule in NORMALIZATIONS[1:]:
        percentile, tau = _choose(on_val.maps, val, rule)
        if rule == "ivr":
            scores["ivr_percentile"] = percentile
        hits = _curves(on_test.maps, test, rule, percentile) >= IOU
        carried = hits[:, round(tau * THRESHOLDS)]
        outcomes[f"hits_{rule}"] = carried
        scores[f"max_box_acc_{rule}"] = float(hits.mean(axis=0).max())
        scores[f"max_box_acc_{rule}_carried"] = float(carried.mean())
    return outcomes, scores


def _choose(maps: np.ndarray, view: View, rule: str) -> tuple[float | None, float]:
    """The percentile (ivr alone has one to choose) and the threshold that are best on ``view``."""
    tried = {}
    for percentile in IVR_PERCENTILES if rule == "ivr" else (None,):
        curve = (_curves(maps, view, rule, percentile) >= IOU).mean(axis=0)
        tried[percentile] = curve.max(), curve.argmax() / THRESHOLDS
    percentile = max(tried, key=lambda one: tried[one][0])
    return percentile, tried[percentile][1]


def _curves(maps: np.ndarray, view: View, rule: str, percentile: float | None) -> np.ndarray:
    return metrics.iou_curves(
        maps,
        view.boxes,
        thresholds=THRESHOLDS,
        size=SIZE,
        threads=threads_here(),
        normalization=rule,
        percentile=percentile,
    )
