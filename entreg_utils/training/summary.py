"""The final scores of a run, with every threshold rule named, and each test image's own outcome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from entreg_utils import metrics
from entreg_utils.fields import plain_numbers
from entreg_utils.training.evaluate import (
    SIGMA,
    TEMPERATURES,
    Probe,
    class_average_precision,
    column_of,
    is_right,
    scores_of,
)
from entreg_utils.training.tally import IOU, THRESHOLDS, Cuts, Tally, tallied
from entreg_utils.training.view import Prediction, View, as_view

BASELINES = ("centre_box", "constant_map")  # scores that see no image
IVR_PERCENTILES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # validation chooses one
# beside min-max: rule and percentile
TRIED = [("max", None), ("pas", None), *(("ivr", percentile) for percentile in IVR_PERCENTILES)]


@plain_numbers
def summarise(
    model: nn.Module, val, test, probes: Sequence[str | Probe] = (), sigma: float = SIGMA
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Final scores on test, with every threshold rule named, and each test image's own outcome.

    Scores: as :func:`evaluate`, and ``val_*`` those of validation. With boxes also
    ``max_box_acc_v2`` (all contours, an oracle threshold for each IoU), ``top5_loc`` at ``sigma``,
    ``top1_loc_oracle`` (threshold chosen on test), and where validation has boxes, chosen there,
    ``box_threshold``, ``max_box_acc_carried``, ``top1_loc_carried``; for the normalisations max,
    PaS and IVR ``max_box_acc_max`` (oracle), ``max_box_acc_max_carried`` and so on, and
    ``ivr_percentile``. With masks, of the pixels that a threshold lights, ``lit_precision`` (if any
    is), ``lit_recall`` and ``lit_area`` at ``sigma``, see :class:`metrics.Lit`, and ``pixel_iou``
    (oracle); and where validation has masks, at ``pixel_threshold``, best for the IoU there, these
    with ``_carried``. Baselines that see no image: ``centre_box`` (side an oracle on test) beside
    MaxBoxAcc, ``constant_map`` beside (m)PxAP.

    Outcomes: ``right`` (N,) bool, the class, and ``entropies`` (K,) float32, mean entropy (nats) of
    ``softmax(logits / T)`` at each T of :data:`TEMPERATURES`; or with several classes ``logits``
    (N, C) float16, to 1/8, and of each class, so that means over some can be taken later,
    ``class_images`` (C,) int32, how many test images show it, and ``class_ap`` (C,) float32. Over
    the pairs with boxes: ``hits`` (P, 1000) bool, the box at each threshold, min-max; ``hits_max``,
    ``hits_pas``, ``hits_ivr`` (P,) bool at the thresholds of validation; ``centre_box`` (P,) bool;
    ``share`` (P,) float16, of the frame that the true boxes cover; ``box_area`` (P, 2) float16 to
    2 %, area of the map's box (one pixel where nothing is lit) over that of the box around all true
    ones, at ``sigma`` and at ``box_threshold``, or NaN. With masks ``pixel_ap`` (P,) float16, PxAP
    of each map by itself (with several classes to 2 %), and ``lit`` (P, 2, 2) float16 to 2 %, its
    precision and recall (last axis) at ``sigma`` and at ``pixel_threshold``; NaN without any
    object, lit pixel, or threshold.
    With several classes also ``class_pxap`` and ``class_constant_map`` (C,) float32, of which
    ``mpxap`` and ``constant_map`` are the means, and ``class_lit`` (C, 2, 3) float32, precision,
    recall and area at both thresholds; NaN where no image, or no mask, shows the class.
    """
    val, test = as_view(val), as_view(test)
    carried = len(test.boxed) > 0 and len(val.boxed) > 0
    on_val, val_tally = tallied(model, val, dict.fromkeys(TRIED) if carried else None)
    columns = _chosen(val_tally) if carried else {}
    pixels, box = [sigma], [column_of(sigma)]
    pixels += [val_tally.pool.best_threshold()] if test.has_masks and val.has_masks else []
    box += [_best(val_tally.hits)] if carried else []
    cuts = Cuts(pixels, box)
    on_test, tally = tallied(model, test, columns, final=cuts)
    scores = scores_of(model, test, on_test, tally, probes, sigma)
    if test.several:
        rounded = (on_test.logits * 8).round() / 8  # they are most of a record: half is saved
        outcomes = {"logits": rounded.astype(np.float16)}
        shown = (np.asarray(test.labels) > 0).sum(axis=0)
        outcomes["class_images"] = shown.astype(np.int32)
        ap = class_average_precision(on_test.logits, test.labels, test.multilabel)
        outcomes["class_ap"] = ap.astype(np.float32)
    else:
        entropies = [metrics.mean_entropy(on_test.logits / t) for t in TEMPERATURES]
        right = is_right(on_test, test)
        outcomes = {"right": right, "entropies": np.array(entropies, np.float32)}
    if tally.hits is not None:
        more, own = _boxes(test, on_test, tally, val_tally.hits, columns, sigma)
        scores, outcomes = scores | more, outcomes | own
    if test.has_masks:
        constant = tally.constant_maps()
        scores["constant_map"] = constant.compute()
        scores |= _lit(tally.pool, cuts)
        ap = _short(tally.pixel_ap) if test.several else tally.pixel_ap
        outcomes |= {"pixel_ap": ap, "lit": _short(tally.lit)}
        if test.several:
            classes = range(test.labels.shape[1])
            for name, pool in {"class_pxap": tally.pool, "class_constant_map": constant}.items():
                own = pool.per_class
                outcomes[name] = np.array([own.get(c, np.nan) for c in classes], np.float32)
            outcomes["class_lit"] = np.full((len(classes), 2, 3), np.nan, np.float32)
            for place, threshold in enumerate(cuts.pixels):
                for c, pool in tally.pool.seen.items():
                    outcomes["class_lit"][c, place] = pool.lit(threshold)[:3]
    tuned = scores_of(model, val, on_val, val_tally, (), sigma)
    return scores | {f"val_{name}": value for name, value in tuned.items()}, outcomes


def _chosen(tally: Tally) -> dict[tuple[str, float | None], int]:
    """Of each normalisation the percentile and the column of thresholds that are best here."""
    best: dict[str, tuple] = {}
    for rule, curve in tally.curves.items():
        if rule[0] not in best or curve.max() > best[rule[0]][1].max():
            best[rule[0]] = rule, curve
    return {rule: int(curve.argmax()) for rule, curve in best.values()}


def _best(hits: np.ndarray) -> int:
    return int(hits.sum(axis=0).argmax())


def _lit(pool, cuts: Cuts) -> dict[str, float]:
    """What the cuts light of all objects; a precision that is NaN is no score."""
    scores = {"pixel_iou": pool.lit(pool.best_threshold()).iou}
    for end, threshold in zip(("", "_carried"), cuts.pixels, strict=False):
        lit = pool.lit(threshold)
        own = {"precision": lit.precision, "recall": lit.recall, "area": lit.area}
        scores |= {f"lit_{name}{end}": value for name, value in own.items() if np.isfinite(value)}
        scores |= {"pixel_threshold": threshold, "pixel_iou_carried": lit.iou} if end else {}
    return scores


def _boxes(
    test: View, on_test: Prediction, tally: Tally, val_hits, columns: dict, sigma: float
) -> tuple[dict, dict]:
    boxes, hits = [test.boxes[pair] for pair in test.boxed], tally.hits
    centre = metrics.centre_box_baseline(boxes, test.size)
    best = (tally.every / len(boxes)).max(axis=1)
    scores = {"max_box_acc_v2": float(best.mean()), "centre_box": centre.max_box_acc}
    middle = test.size, [IOU], [centre.threshold_at(IOU)]
    found = [metrics.centre_box_baseline([own], *middle).max[0] for own in boxes]
    shares = metrics.box_shares(boxes, test.size).astype(np.float16)
    outcomes = {"hits": hits, "centre_box": np.array(found, bool), "share": shares}
    outcomes["box_area"] = _short(tally.box_area)
    rules = {"oracle": _best(hits)}
    if val_hits is not None:
        rules["carried"] = column = _best(val_hits)
        scores["box_threshold"] = column / THRESHOLDS
        scores["max_box_acc_carried"] = float(hits[:, column].mean())
    for (rule, percentile), column in columns.items():
        scores |= {"ivr_percentile": percentile} if rule == "ivr" else {}
        curve = tally.curves[rule, percentile] / len(boxes)
        scores[f"max_box_acc_{rule}"] = float(curve.max())
        scores[f"max_box_acc_{rule}_carried"] = float(curve[column])
        outcomes[f"hits_{rule}"] = tally.kept[rule, percentile]
    if not test.several:
        right = is_right(on_test, test)[test.boxed]
        for rule, column in rules.items():
            scores[f"top1_loc_{rule}"] = float((hits[:, column] & right).mean())
        five = metrics.correct_classes(on_test.logits, test.labels, 5)[test.boxed]
        scores["top5_loc"] = float((hits[:, column_of(sigma)] & five).mean())
    return scores, outcomes


def _short(values: np.ndarray) -> np.ndarray:
    """float16 with five bits behind the leading one (2 %): a record of 800 maps stays small."""
    bits = values.astype(np.float16).view(np.uint16)
    return np.where(np.isnan(values), bits, (bits + 16) & 0xFFE0).astype(np.uint16).view(np.float16)
