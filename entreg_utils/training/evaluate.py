"""What is measured on a split: the classifier, the maps of the true classes, each single image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from entreg_utils import metrics, names
from entreg_utils.cam import NORMALIZATIONS
from entreg_utils.fields import plain
from entreg_utils.training.view import Prediction, View, as_view, predict

SIGMA = 0.15  # the papers' fixed threshold for GT-known Loc and Top-1 Loc, a share of the maximum
IOU = 0.5
THRESHOLDS = 1000  # of ``hits``; column k stands for the threshold k / THRESHOLDS
BASELINES = ("centre_box", "constant_map")  # scores that see no image
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.3, 16.0)
IVR_PERCENTILES = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0)  # validation chooses one
Probe = Callable[[nn.Module, View, Prediction], dict]


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
    return _scores(model, predict(model, view), view, probes, sigma)


def _scores(model, prediction, view: View, probes=(), sigma: float = SIGMA, hits=None) -> dict:
    logits, labels = prediction.logits, view.labels
    if view.several:
        ap = mean_average_precision(logits, labels, view.multilabel)
        scores = {"mean_ap": ap, "entropy": multilabel_entropy(logits, view.multilabel)}
    else:
        right = metrics.accuracy(logits, labels)
        scores = {"accuracy": right, "entropy": metrics.mean_entropy(logits)}
    if len(view.boxed):
        hits = box_hits(prediction.maps, view) if hits is None else hits
        fixed = hits[:, column_of(sigma)]
        scores["gt_known"] = float(fixed.mean())
        if not view.several:
            scores["top1_loc"] = float((fixed & _right(prediction, view)[view.boxed]).mean())
        scores["max_box_acc"] = float(hits.mean(axis=0).max())
        if len(view.boxed) < len(view.boxes):
            scores["num_boxed"] = len(view.boxed)
    if view.has_masks:
        scores["mpxap" if view.several else "pxap"], count = _pixels(prediction.maps, view)
        if count < len(view.pairs):
            scores["num_masked"] = count
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


def summarise(
    model: nn.Module, val, test, probes: Sequence[str | Probe] = (), sigma: float = SIGMA
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Final scores on test, with every threshold rule named, and each test image's own outcome.

    Scores: as :func:`evaluate`, and ``val_*`` those of validation. With boxes also
    ``max_box_acc_v2`` (all contours, an oracle threshold for each IoU), ``top5_loc`` at ``sigma``,
    ``top1_loc_oracle`` (threshold chosen on test), and where validation has boxes, chosen there,
    ``box_threshold``, ``max_box_acc_carried``, ``top1_loc_carried``; for the normalisations max,
    PaS and IVR ``max_box_acc_max`` (oracle), ``max_box_acc_max_carried`` and so on, and
    ``ivr_percentile``. Baselines that see no image: ``centre_box`` (side an oracle on test) beside
    MaxBoxAcc, ``constant_map`` beside (m)PxAP.

    Outcomes: ``right`` (N,) bool, the class, and ``entropies`` (K,) float32, mean entropy (nats) of
    ``softmax(logits / T)`` at each T of :data:`TEMPERATURES`; or with several classes ``logits``
    (N, C) float16. Over the pairs with boxes: ``hits`` (P, 1000) bool, the box at each threshold,
    min-max; ``hits_max``, ``hits_pas``, ``hits_ivr`` (P,) bool at the thresholds of validation;
    ``centre_box`` (P,) bool; ``share`` (P,) float16, of the frame that the true boxes cover. With
    masks ``pixel_ap`` (P,) float16, PxAP of each map by itself, NaN without any object.
    """
    val, test = as_view(val), as_view(test)
    on_val, on_test = predict(model, val), predict(model, test)
    boxed, chosen = len(test.boxed) > 0, len(val.boxed) > 0
    hits = box_hits(on_test.maps, test) if boxed else None
    val_hits = box_hits(on_val.maps, val) if chosen else None
    scores = _scores(model, on_test, test, probes, sigma, hits)
    if test.several:
        outcomes = {"logits": on_test.logits.astype(np.float16)}
    else:
        entropies = [metrics.mean_entropy(on_test.logits / t) for t in TEMPERATURES]
        right = _right(on_test, test)
        outcomes = {"right": right, "entropies": np.array(entropies, np.float32)}
    if boxed:
        more, own = _boxes(on_val, val, val_hits, on_test, test, hits, sigma)
        scores, outcomes = scores | more, outcomes | own
    if test.has_masks:
        scores["constant_map"] = _pixels(np.zeros((len(test.pairs), 1, 1), np.float32), test)[0]
        outcomes["pixel_ap"] = _pixels_of_images(on_test.maps, test)
    tuned = _scores(model, on_val, val, (), sigma, val_hits)
    return scores | {f"val_{name}": value for name, value in tuned.items()}, outcomes


def box_hits(maps: np.ndarray, view: View, **options) -> np.ndarray:
    """bool (P, 1000): whether a map's box meets a true one at each threshold, pairs with boxes."""
    return _ious(maps, view, **options) >= IOU


def _ious(maps, view: View, **options) -> np.ndarray:
    boxes, threads = [view.boxes[pair] for pair in view.boxed], max(1, torch.get_num_threads())
    same = {"thresholds": THRESHOLDS, "size": view.size, "threads": threads}
    return metrics.iou_curves(maps[view.boxed], boxes, **same, **options)


def column_of(threshold: float) -> int:
    """The column of ``hits`` that cuts a map as ``threshold`` does: at the same of 255 levels,
    ``int(threshold * 255)``. Each threshold in 0..1 has one among the thousand."""
    if not 0 <= plain("sigma", float, threshold) <= 1:
        raise ValueError(f"sigma={threshold} is no share of a map's maximum: give 0..1")
    levels = (np.arange(THRESHOLDS) / THRESHOLDS * 255).astype(int)
    return int(np.abs(levels - int(threshold * 255)).argmin())


def _boxes(on_val, val, val_hits, on_test, test: View, hits, sigma: float) -> tuple[dict, dict]:
    boxes = [test.boxes[pair] for pair in test.boxed]
    every = _ious(on_test.maps, test, contours="all")
    best = [(every >= delta).mean(axis=0).max() for delta in (0.3, 0.5, 0.7)]
    centre = metrics.centre_box_baseline(boxes, test.size)
    scores = {"max_box_acc_v2": float(np.mean(best)), "centre_box": centre.max_box_acc}
    middle = test.size, [IOU], [centre.threshold_at(IOU)]
    found = [metrics.centre_box_baseline([own], *middle).max[0] for own in boxes]
    shares = metrics.box_shares(boxes, test.size).astype(np.float16)
    outcomes = {"hits": hits, "centre_box": np.array(found, bool), "share": shares}
    rules = {"oracle": int(hits.sum(axis=0).argmax())}
    if val_hits is not None:
        rules["carried"] = column = int(val_hits.sum(axis=0).argmax())
        scores["box_threshold"] = column / THRESHOLDS
        scores["max_box_acc_carried"] = float(hits[:, column].mean())
        for rule in NORMALIZATIONS[1:]:
            more, outcomes[f"hits_{rule}"] = _under(rule, on_val, val, on_test, test)
            scores |= more
    if not test.several:
        right = _right(on_test, test)[test.boxed]
        for rule, column in rules.items():
            scores[f"top1_loc_{rule}"] = float((hits[:, column] & right).mean())
        five = metrics.correct_classes(on_test.logits, test.labels, 5)[test.boxed]
        scores["top5_loc"] = float((hits[:, column_of(sigma)] & five).mean())
    return scores, outcomes


def _under(rule: str, on_val, val: View, on_test, test: View) -> tuple[dict, np.ndarray]:
    """Scores and hits under a normalisation; its percentile and threshold are validation's."""
    tried = {}
    for percentile in IVR_PERCENTILES if rule == "ivr" else (None,):
        found = box_hits(on_val.maps, val, normalization=rule, percentile=percentile)
        curve = found.mean(axis=0)
        tried[percentile] = curve.max(), int(curve.argmax())
    percentile = max(tried, key=lambda one: tried[one][0])
    hits = box_hits(on_test.maps, test, normalization=rule, percentile=percentile)
    carried = hits[:, tried[percentile][1]]
    scores = {"ivr_percentile": percentile} if rule == "ivr" else {}
    scores[f"max_box_acc_{rule}"] = float(hits.mean(axis=0).max())
    scores[f"max_box_acc_{rule}_carried"] = float(carried.mean())
    return scores, carried


def _right(prediction: Prediction, view: View) -> np.ndarray:
    return metrics.correct_classes(prediction.logits, view.labels)


def _pixels(maps: np.ndarray, view: View) -> tuple[float, int]:
    """PxAP, or with several classes an image mPxAP, one mask in memory at a time; and the number of
    masks that are not ignored as a whole."""
    several = view.several
    kind = metrics.MeanPixelAveragePrecision if several else metrics.PixelAveragePrecision
    pool, classes, count = kind(size=view.size), view.pairs[:, 1].tolist(), 0
    for own, (mask, ignore), label in zip(maps, view.masks(), classes, strict=True):
        pool.update(own, mask, *([label] if several else []), ignore=ignore)
        count += ignore is None or not ignore.all()
    return pool.compute(), int(count)


def _pixels_of_images(maps: np.ndarray, view: View) -> np.ndarray:
    found = []
    for own, (mask, ignore) in zip(maps, view.masks(), strict=True):
        if not (mask if ignore is None else mask & ~ignore).any():
            found.append(np.nan)
            continue
        pool = metrics.PixelAveragePrecision(size=view.size)
        pool.update(own, mask, ignore)
        found.append(pool.compute())
    return np.array(found, np.float16)


def average_precision(scores, present) -> float:
    """AP = sum_n precision_n (recall_n - recall_{n-1}) over falling scores, in 0..1; no
    interpolation, as in PxAP; images of equal scores enter together. ``scores`` (N,); ``present``
    (N,) true where the class is there, at least once."""
    scores, present = np.asarray(scores), np.asarray(present, bool)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of each group of equal scores
    found = present[order].cumsum()[last]
    taken = np.flatnonzero(last) + 1
    recall = np.concatenate([[0], found / found[-1]])
    return float((found / taken * np.diff(recall)).sum())


def mean_average_precision(logits, labels, loss: str) -> float:
    """Mean over the classes of :func:`average_precision`, in 0..1: "mAP" of VOC classification.

    ``logits``, ``labels``: (N, C), 1 for the classes present; classes that no image shows are left
    out. ``loss``: ``softmax`` or ``sigmoid``: images are ranked by the probability that it makes.
    ValueError: no image shows any class.
    """
    logits, labels = torch.as_tensor(logits).double(), np.asarray(labels) > 0
    scores = (logits.log_softmax(1) if loss == "softmax" else logits).numpy()
    shown = np.flatnonzero(labels.any(0))
    if not len(shown):
        raise ValueError("no image shows any class: mean average precision is undefined")
    return float(np.mean([average_precision(scores[:, c], labels[:, c]) for c in shown]))


def multilabel_entropy(logits, loss: str) -> float:
    """Mean entropy in nats: of the softmax, 0..log C; of the sigmoids, mean over classes, 0..log 2:
    softplus(z) - z p is the entropy of (p, 1 - p) with p = sigmoid(z)."""
    if loss == "softmax":
        return metrics.mean_entropy(logits)
    z = torch.as_tensor(logits).double()
    return float((functional.softplus(z) - z * z.sigmoid()).mean())
