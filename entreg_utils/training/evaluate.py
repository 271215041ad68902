"""What is measured on a split: the classifier, the maps of the true classes, each single image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from entreg_utils import metrics, names
from entreg_utils.fields import plain, plain_numbers
from entreg_utils.training.multilabel import (
    class_average_precision,
    mean_average_precision,
    multilabel_entropy,
)
from entreg_utils.training.tally import IOU, THRESHOLDS, Cuts, Tally, tallied
from entreg_utils.training.view import Prediction, View, as_view

SIGMA = 0.15  # the papers' fixed threshold for GT-known Loc and Top-1 Loc, a share of the maximum
BASELINES = ("centre_box", "constant_map")  # scores that see no image
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.3, 16.0)
IVR_PERCENTILES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # validation chooses one
# beside min-max: rule and percentile
TRIED = [("max", None), ("pas", None), *(("ivr", percentile) for percentile in IVR_PERCENTILES)]
Probe = Callable[[nn.Module, View, Prediction], dict]


@plain_numbers
def evaluate(
    model: nn.Module, view, probes: Sequence[str | Probe] = (), sigma: float = SIGMA
) -> dict[str, float]:
    """The quantities of one split, cheap enough to measure at each epoch.

    Protocol: maps of the true classes, min-max per image, at ``view.size`` pixels; boxes from the
    largest contour, IoU >= 0.5; pixels over all thresholds, pooled over the split.

    ``view``: a :class:`View`, or a data set as a whole. ``probes``: further measurements,
    ``probe(model, view, prediction) -> {name: number}``, or the name ``package.module:function``
    of one. ``sigma``: fixed threshold of ``gt_known`` and ``top1_loc``, a share of the maximum.

    Returns ``accuracy`` (several classes: ``mean_ap``) in 0..1 and ``entropy`` in nats; with boxes
    ``gt_known``, ``top1_loc`` at ``sigma`` and ``max_box_acc``, the threshold chosen on this split;
    with masks ``pxap``, or ``mpxap`` with several classes an image; and what the probes say. Where
    only some images have boxes, box scores are over those, ``num_boxed`` of them; likewise masks of
    which some pixel counts, and ``num_masked``.
    ValueError: a probe that gives no numbers, or one under the name of a score; another ``sigma``.
    """
    view = as_view(view)
    return _scores(model, view, *tallied(model, view), probes, sigma)


def _scores(model, view: View, prediction: Prediction, tally: Tally, probes, sigma: float) -> dict:
    logits, labels, hits = prediction.logits, view.labels, tally.hits
    if view.several:
        ap = mean_average_precision(logits, labels, view.multilabel)
        scores = {"mean_ap": ap, "entropy": multilabel_entropy(logits, view.multilabel)}
    else:
        right = metrics.accuracy(logits, labels)
        scores = {"accuracy": right, "entropy": metrics.mean_entropy(logits)}
    if hits is not None:
        fixed = hits[:, column_of(sigma)]
        scores["gt_known"] = float(fixed.mean())
        if not view.several:
            scores["top1_loc"] = float((fixed & _right(prediction, view)[view.boxed]).mean())
        scores["max_box_acc"] = float(hits.mean(axis=0).max())
        if len(view.boxed) < len(view.boxes):
            scores["num_boxed"] = len(view.boxed)
    if view.has_masks:
        scores["mpxap" if view.several else "pxap"] = tally.pool.compute()
        if tally.num_masked < len(view.pairs):
            scores["num_masked"] = tally.num_masked
    for probe in probes:
        said, name = names.resolve(probe, "probe")(model, view, prediction), names.text_of(probe)
        try:
            numbers = {str(key): float(value) for key, value in said.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(
                f"the probe {name} gave {said!r}: it must give a dictionary of numbers by name"
            ) from error
        for key in numbers:
            if key in scores:
                raise ValueError(f"the probe {name} calls a number {key!r}, as a score is called")
        scores |= numbers
    return scores


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
    scores = _scores(model, test, on_test, tally, probes, sigma)
    if test.several:
        rounded = (on_test.logits * 8).round() / 8  # they are most of a record: half is saved
        outcomes = {"logits": rounded.astype(np.float16)}
        shown = (np.asarray(test.labels) > 0).sum(axis=0)
        outcomes["class_images"] = shown.astype(np.int32)
        ap = class_average_precision(on_test.logits, test.labels, test.multilabel)
        outcomes["class_ap"] = ap.astype(np.float32)
    else:
        entropies = [metrics.mean_entropy(on_test.logits / t) for t in TEMPERATURES]
        right = _right(on_test, test)
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
    tuned = _scores(model, val, on_val, val_tally, (), sigma)
    return scores | {f"val_{name}": value for name, value in tuned.items()}, outcomes


def column_of(threshold: float) -> int:
    """The column of ``hits`` that cuts a map as ``threshold`` does: at the same of 255 levels,
    ``int(threshold * 255)``. Each threshold in 0..1 has one among the thousand."""
    if not 0 <= plain("sigma", float, threshold) <= 1:
        raise ValueError(f"sigma={threshold} is no share of a map's maximum: give 0..1")
    levels = (np.arange(THRESHOLDS) / THRESHOLDS * 255).astype(int)
    return int(np.abs(levels - int(threshold * 255)).argmin())


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
        right = _right(on_test, test)[test.boxed]
        for rule, column in rules.items():
            scores[f"top1_loc_{rule}"] = float((hits[:, column] & right).mean())
        five = metrics.correct_classes(on_test.logits, test.labels, 5)[test.boxed]
        scores["top5_loc"] = float((hits[:, column_of(sigma)] & five).mean())
    return scores, outcomes


def _right(prediction: Prediction, view: View) -> np.ndarray:
    return metrics.correct_classes(prediction.logits, view.labels)


def _short(values: np.ndarray) -> np.ndarray:
    """float16 with five bits behind the leading one (2 %): a record of 800 maps stays small."""
    bits = values.astype(np.float16).view(np.uint16)
    return np.where(np.isnan(values), bits, (bits + 16) & 0xFFE0).astype(np.uint16).view(np.float16)
