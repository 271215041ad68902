"""What is measured on a split: the classifier, and the maps of the true classes."""

from __future__ import annotations

import torch
from torch import nn

from entreg_utils import cam, data, metrics
from entreg_utils.training.batches import as_input
from entreg_utils.training.photographs import (
    IOU,
    SIGMA,
    View,
    evaluate_view,
    summarise_views,
)
from entreg_utils.training.prediction import Prediction, predict


def evaluate(prediction: Prediction, dataset, sigma: float = SIGMA) -> dict[str, float]:
    """The quantities of one epoch, cheap enough to measure at each.

    For a :class:`~entreg_utils.training.View` of photographs see
    :func:`entreg_utils.training.photographs.evaluate_view`; on the embedded world:

    Protocol: maps of the true class, min-max per image, at the data set's own resolution; boxes
    from the largest contour at the fixed ``sigma``, IoU >= 0.5; PxAP over all thresholds.

    Returns:
        ``accuracy``, ``pxap``, ``gt_known``, ``top1_loc`` in 0..1; ``entropy`` in nats; on the
        embedded world ``part``, ``body``, ``context``: mean normalised score in each region.
    """
    if isinstance(dataset, View):
        return evaluate_view(prediction, dataset, sigma)
    count, size = len(prediction.maps), tuple(dataset.images.shape[-2:])
    boxes, labels = dataset.boxes[:count, None].numpy(), dataset.labels[:count].numpy()
    masks = dataset.masks[:count].numpy()
    hits = metrics.gt_known_correct(prediction.maps, boxes, sigma, IOU, size=size)
    right = metrics.correct_classes(prediction.logits, labels)
    shares = metrics.evidence_shares(
        prediction.maps, dataset.parts[:count].numpy(), masks, dataset.contexts[:count].numpy()
    )
    return {
        "accuracy": float(right.mean()),
        "entropy": metrics.mean_entropy(prediction.logits),
        "pxap": metrics.pixel_average_precision(prediction.maps, masks, size=size),
        "gt_known": float(hits.mean()),
        "top1_loc": float((hits & right).mean()),
        "part": shares.part,
        "body": shares.body,
        "context": shares.context,
    }


def reliance(model: nn.Module, dataset, count: int = 200) -> dict[str, float]:
    """How many logits each cue of the embedded world is worth: repaint it wrong, and look.

    For the images whose cue shows the label y, the cue is changed to the next class n, everything
    else stays, and half the loss of margin is averaged: ``((z_y - z_n) - (z'_y - z'_n)) / 2``. In a
    classifier that adds up its cues this is the cue's own term in the logit of y.

    Returns:
        ``reliance_part``, ``reliance_body``, ``reliance_context``, in logits; NaN for a cue that
        never shows the label. Measured on the first ``count`` images.
    """
    device = next(model.parameters()).device
    count = min(count, len(dataset))
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


def summarise(model: nn.Module, val, test, sigma: float = SIGMA) -> dict[str, float]:
    """Final scores on test, with every threshold rule named.

    For views of photographs see :func:`entreg_utils.training.photographs.summarise_views`; on the
    embedded world:

    Keys as in :func:`evaluate`, and ``max_box_acc`` (oracle: threshold chosen on test),
    ``max_box_acc_carried`` (chosen on validation, ``box_threshold``), ``max_box_acc_v2`` (all
    contours, one oracle threshold per IoU 0.3/0.5/0.7), ``top1_loc_carried``, the cues' worth of
    :func:`reliance`, and ``val_pxap``, ``val_accuracy`` for choices.
    """
    if isinstance(test, View):
        return summarise_views(model, val, test, sigma)
    size = tuple(test.images.shape[-2:])
    on_val, on_test = predict(model, val), predict(model, test)
    scores = evaluate(on_test, test, sigma)
    chosen = evaluate(on_val, val, sigma)
    boxes = test.boxes[:, None].numpy()
    largest = metrics.box_accuracy(on_test.maps, boxes, size=size)
    every = metrics.box_accuracy(on_test.maps, boxes, contours="all", size=size)
    tuned = metrics.box_accuracy(on_val.maps, val.boxes[:, None].numpy(), size=size)
    carried = float(tuned.best_threshold[1])
    hits = metrics.gt_known_correct(on_test.maps, boxes, carried, IOU, size=size)
    right = metrics.correct_classes(on_test.logits, test.labels.numpy())
    return (
        scores
        | reliance(model, test)
        | {
            "max_box_acc": largest.max_box_acc,
            "max_box_acc_carried": float(hits.mean()),
            "box_threshold": carried,
            "max_box_acc_v2": every.max_box_acc_v2,
            "top1_loc_carried": float((hits & right).mean()),
            "val_pxap": chosen["pxap"],
            "val_accuracy": chosen["accuracy"],
        }
    )
