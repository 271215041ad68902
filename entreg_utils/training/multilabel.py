"""How well a classifier of images with several classes ranks them, and how sure it is."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from entreg_utils import metrics
from entreg_utils.cam.scaling import as_array


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
