"""What is measured on a split: the classifier, the maps of the true classes, and probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from entreg_utils import cam, data, metrics, names
from entreg_utils.cam.scaling import as_array
from entreg_utils.fields import plain, plain_numbers, whole
from entreg_utils.training.batches import as_input
from entreg_utils.training.tally import THRESHOLDS, Tally, tallied
from entreg_utils.training.view import Prediction, View, as_view

SIGMA = 0.15  # the papers' fixed threshold for GT-known Loc and Top-1 Loc, a share of the maximum
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.3, 16.0)  # of final entropies
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
    return scores_of(model, view, *tallied(model, view), probes, sigma)


def scores_of(
    model, view: View, prediction: Prediction, tally: Tally, probes, sigma: float
) -> dict[str, float]:
    """The scores of :func:`evaluate` from a pass that was made."""
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
            scores["top1_loc"] = float((fixed & is_right(prediction, view)[view.boxed]).mean())
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


def column_of(threshold: float) -> int:
    """The column of ``hits`` that cuts a map as ``threshold`` does: at the same of 255 levels,
    ``int(threshold * 255)``. Each threshold in 0..1 has one among the thousand."""
    if not 0 <= plain("sigma", float, threshold) <= 1:
        raise ValueError(f"sigma={threshold} is no share of a map's maximum: give 0..1")
    levels = (np.arange(THRESHOLDS) / THRESHOLDS * 255).astype(int)
    return int(np.abs(levels - int(threshold * 255)).argmin())


def is_right(prediction: Prediction, view: View) -> np.ndarray:
    return metrics.correct_classes(prediction.logits, view.labels)


# ---- several classes an image


def average_precision(scores, present) -> float:
    """AP = sum_n precision_n (recall_n - recall_{n-1}) over falling scores, in 0..1; no
    interpolation, as in PxAP; images of equal scores enter together. ``scores`` (N,); ``present``
    (N,) true where the class is there, at least once."""
    scores, present = as_array(scores), as_array(present).astype(bool)
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
    ValueError: no image shows any class, or logits that are not finite.
    """
    found = class_average_precision(logits, labels, loss)
    if np.isnan(found).all():
        raise ValueError("no image shows any class: mean average precision is undefined")
    return float(np.nanmean(found))


def class_average_precision(logits, labels, loss: str) -> np.ndarray:
    """:func:`average_precision` of each class, float64 (C,), NaN of one that no image shows;
    arguments as in :func:`mean_average_precision`."""
    logits, labels = _finite(logits), as_array(labels) > 0
    scores = (logits.log_softmax(1) if loss == "softmax" else logits).numpy()
    found = np.full(labels.shape[1], np.nan)
    for c in np.flatnonzero(labels.any(axis=0)):
        found[c] = average_precision(scores[:, c], labels[:, c])
    return found


def multilabel_entropy(logits, loss: str) -> float:
    """Mean entropy in nats: of the softmax, 0..log C; of the sigmoids, mean over classes, 0..log 2:
    softplus(z) - z p is the entropy of (p, 1 - p) with p = sigmoid(z). ValueError: logits that are
    not finite."""
    if loss == "softmax":
        return metrics.mean_entropy(logits)
    z = _finite(logits)
    return float((functional.softplus(z) - z * z.sigmoid()).mean())


def _finite(logits) -> torch.Tensor:
    logits = torch.from_numpy(as_array(logits).astype(np.float64))
    if not bool(logits.isfinite().all()):
        raise ValueError("logits hold NaN or infinity: the training has diverged")
    return logits


# ---- probes: what only the drawn world can say


def evidence(model: nn.Module, view, prediction) -> dict[str, float]:
    """Mean normalised score of the maps on each region: ``part``, ``body``, ``context``, 0..1.
    A view of some rows (training images in a history) gives nothing."""
    if view.rows is not None:
        return {}
    regions = [own.numpy() for own in (view.dataset.parts, view.dataset.masks)]
    shares = metrics.evidence_shares(prediction.maps, *regions, view.dataset.contexts.numpy())
    return {"part": shares.part, "body": shares.body, "context": shares.context}


@plain_numbers
def reliance(model: nn.Module, view, prediction=None, count: int = 200) -> dict[str, float]:
    """How many logits each cue is worth: repaint it wrong, and look.

    For the images whose cue shows the label y, the cue is changed to the next class n, everything
    else stays, and half the loss of margin is averaged: ``((z_y - z_n) - (z'_y - z'_n)) / 2``. In a
    classifier that adds up its cues this is the cue's own term in the logit of y.

    ``view``: of the drawn world, or the data set itself. Returns ``reliance_part``, ``_body``,
    ``_context``, in logits, over the first ``count`` images; NaN for a cue that never shows the
    label. ValueError: ``count`` below 1.
    """
    dataset = getattr(view, "dataset", view)
    device = next(model.parameters()).device
    count = min(whole("count", count, 1), len(dataset))
    labels = dataset.labels[:count]
    rows, following = torch.arange(count), (labels + 1) % dataset.num_classes

    def margin(images):
        logits = cam.class_activation_map(model, as_input(images, device), None)[1].cpu()
        return logits[rows, labels] - logits[rows, following]

    before, result = margin(dataset.images[:count]), {}
    for column, cue in enumerate(data.CUES):
        shows = dataset.cues[:count, column] == labels
        change = before - margin(data.counterfactual(dataset, cue, count))
        result[f"reliance_{cue}"] = float(change[shows].mean() / 2)
    return result
