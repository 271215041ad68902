"""How photographs are shown and scored: no exact world here, but boxes, or masks, or neither."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from entreg_utils import metrics
from entreg_utils.training.multilabel import mean_average_precision, multilabel_entropy
from entreg_utils.training.prediction import Prediction, predict

SIGMA = 0.15  # the papers' fixed threshold for GT-known Loc and Top-1 Loc, a share of the maximum
IOU = 0.5
SIZE = 224  # side in pixels at which maps, boxes and masks meet, whatever the network was shown
BASELINES = ("centre_box", "constant_map")  # scores that see no image
_BATCH = 64


class View:
    """A split as the network is shown it in evaluation, and what its maps are scored against.

    Args:
        dataset: a ``PhotoDataset``, or anything with its ``images``, ``labels``, ``pairs``,
            ``boxes_at`` and ``masks_at``.
        crop: side of the middle square that is shown, in pixels of ``dataset.images``; 0 shows all.
            Boxes are clipped to it, and masks cut.
        rows: only these images, rising; such a view has no boxes and masks.
        multilabel: for multi-hot labels, the loss that the network was trained with.

    Attributes:
        images, labels, pairs: of the images that are there.

    Raises:
        ValueError: a crop larger than the images.
    """

    def __init__(self, dataset, crop: int = 0, rows=None, multilabel: str = "none"):
        self.dataset, self.crop, self.multilabel = dataset, crop, multilabel
        self.rows = None if rows is None else torch.as_tensor(rows)
        self.labels = dataset.labels if rows is None else dataset.labels[self.rows]
        if crop:
            _margin(min(dataset.images.shape[-2:]), crop)  # refuses what does not fit

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def images(self) -> Tensor:
        return self.dataset.images if self.rows is None else self.dataset.images[self.rows]

    @cached_property
    def pairs(self) -> Tensor:
        if self.rows is None:
            return self.dataset.pairs
        if self.labels.ndim == 2:
            return self.labels.nonzero()
        return torch.stack([torch.arange(len(self)), self.labels], dim=1)

    def show(self, images: Tensor) -> Tensor:
        """The middle of a batch (N, 3, H, W)."""
        if not self.crop:
            return images
        top, left = (_margin(side, self.crop) for side in images.shape[-2:])
        return images[..., top : top + self.crop, left : left + self.crop]

    @cached_property
    def boxes(self) -> list[np.ndarray] | None:
        """A list (P) of int64 (n, 4) in a frame of :data:`SIZE`, or None."""
        if self.rows is not None:
            return None
        full, margin = self._frame()
        boxes = self.dataset.boxes_at(full)
        if boxes is None or not margin:
            return boxes
        return [np.clip(own - margin, 0, SIZE - 1) for own in boxes]

    @cached_property
    def _masks(self) -> Sequence | None:
        return None if self.rows is not None else self.dataset.masks_at(self._frame()[0])

    @property
    def has_masks(self) -> bool:
        return self._masks is not None

    def masks(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """(mask, ignore or None) of each pair, bool (SIZE, SIZE)."""
        margin = self._frame()[1]
        part = slice(margin, margin + SIZE)
        for mask, ignore in self._masks:
            yield mask[part, part], None if ignore is None else ignore[part, part]

    def _frame(self) -> tuple[int, int]:
        """Side of the whole photograph where the part that is shown has SIZE, and its margin."""
        if not self.crop:
            return SIZE, 0
        full = round(SIZE * self.dataset.images.shape[-1] / self.crop)
        return full, (full - SIZE) // 2

    @property
    def criterion(self) -> str:
        """The score by which a checkpoint is chosen on this split: localisation where it can."""
        several = self.labels.ndim == 2
        if self.has_masks:
            return "mpxap" if several else "pxap"
        if self.boxes is not None:
            return "max_box_acc"
        return "mean_ap" if several else "accuracy"


def predict_view(model: nn.Module, view: View) -> Prediction:
    """:func:`predict`, in batches that photographs leave memory for."""
    return predict(model, view, batch=_BATCH)


def evaluate_view(prediction: Prediction, view: View, sigma: float = SIGMA) -> dict[str, float]:
    """The quantities of one epoch on photographs.

    Maps of the true classes, min-max per image, at 224 pixels; boxes from the largest contour,
    IoU >= 0.5.

    Returns:
        ``accuracy`` (several classes: ``mean_ap``) in 0..1 and ``entropy`` in nats; with boxes
        ``gt_known``, ``top1_loc`` at ``sigma`` and ``max_box_acc``, the threshold chosen on this
        split; with masks ``pxap``, or ``mpxap`` with several classes an image.
    """
    several = view.labels.ndim == 2
    scores = _classified(prediction, view)
    if view.boxes is not None:
        kwargs = {} if several else {"logits": prediction.logits, "labels": view.labels}
        fixed = metrics.localisation(
            prediction.maps, view.boxes, threshold=sigma, iou=IOU, size=SIZE, **kwargs
        )
        scores["gt_known"] = fixed.gt_known
        if not several:
            scores["top1_loc"] = fixed.top1
        scores["max_box_acc"] = _largest(prediction.maps, view).max_box_acc
    if view.has_masks:
        scores["mpxap" if several else "pxap"] = _pixels(prediction.maps, view)
    return scores


def summarise_views(model: nn.Module, val: View, test: View, sigma: float = SIGMA) -> dict:
    """Final scores on the test photographs, with every threshold rule named.

    Keys as in :func:`evaluate_view`. With boxes also ``top5_loc`` at ``sigma``,
    ``max_box_acc_v2``, ``top1_loc_oracle`` (threshold chosen on test), and where validation has
    boxes ``box_threshold``, ``max_box_acc_carried``, ``top1_loc_carried`` (chosen there). The
    baselines that see no image: ``centre_box`` (its side an oracle on test) beside MaxBoxAcc,
    ``constant_map`` beside (m)PxAP. ``val_*``: the scores of validation.
    """
    return summarise_predictions(
        predict_view(model, val), val, predict_view(model, test), test, sigma
    )


def summarise_predictions(
    on_val: Prediction, val: View, on_test: Prediction, test: View, sigma: float = SIGMA
) -> dict:
    """:func:`summarise_views` of a model whose predictions are known already."""
    scores = evaluate_view(on_test, test, sigma)
    if test.boxes is not None:
        scores |= _boxes_of_test(on_val, val, on_test, test, sigma)
    if test.has_masks:
        flat = np.zeros((len(on_test.maps), 1, 1), np.float32)
        scores["constant_map"] = _pixels(flat, test)
    return scores | {f"val_{k}": v for k, v in evaluate_view(on_val, val, sigma).items()}


def _boxes_of_test(
    on_val: Prediction, val: View, on_test: Prediction, test: View, sigma: float
) -> dict[str, float]:
    maps, boxes, several = on_test.maps, test.boxes, test.labels.ndim == 2
    classes = {} if several else {"logits": on_test.logits, "labels": test.labels}
    every = metrics.box_accuracy(maps, boxes, contours="all", size=SIZE, threads=threads_here())
    scores = {
        "max_box_acc_v2": every.max_box_acc_v2,
        "centre_box": metrics.centre_box_baseline(boxes, SIZE).max_box_acc,
    }
    rules = {"oracle": _largest(maps, test).threshold_at(IOU)}
    if val.boxes is not None:
        rules["carried"] = _largest(on_val.maps, val).threshold_at(IOU)
        scores["box_threshold"] = rules["carried"]
    for rule, tau in rules.items():
        found = metrics.localisation(maps, boxes, threshold=tau, iou=IOU, size=SIZE, **classes)
        if rule == "carried":
            scores["max_box_acc_carried"] = found.gt_known
        if not several:
            scores[f"top1_loc_{rule}"] = found.top1
    if not several:
        fixed = metrics.localisation(maps, boxes, threshold=sigma, iou=IOU, size=SIZE, **classes)
        scores["top5_loc"] = fixed.top5
    return scores


def _classified(prediction: Prediction, view: View) -> dict[str, float]:
    if view.labels.ndim == 1:
        right = metrics.accuracy(prediction.logits, view.labels)
        return {"accuracy": right, "entropy": metrics.mean_entropy(prediction.logits)}
    return {
        "mean_ap": mean_average_precision(prediction.logits, view.labels, view.multilabel),
        "entropy": multilabel_entropy(prediction.logits, view.multilabel),
    }


def _largest(maps: np.ndarray, view: View) -> metrics.BoxAccuracy:
    return metrics.box_accuracy(maps, view.boxes, size=SIZE, threads=threads_here())


def _pixels(maps: np.ndarray, view: View) -> float:
    """PxAP, or with several classes an image mPxAP, one mask in memory at a time."""
    if view.labels.ndim == 1:
        pool = metrics.PixelAveragePrecision(size=SIZE)
        for own, (mask, ignore) in zip(maps, view.masks(), strict=True):
            pool.update(own, mask, ignore)
    else:
        pool = metrics.MeanPixelAveragePrecision(size=SIZE)
        classes = view.pairs[:, 1].tolist()
        for own, (mask, ignore), c in zip(maps, view.masks(), classes, strict=True):
            pool.update(own, mask, c, ignore)
    return pool.compute()


def threads_here() -> int:
    """Threads for scoring: as many as torch takes in this process."""
    return max(1, torch.get_num_threads())


def _margin(side: int, crop: int) -> int:
    if crop > side:
        raise ValueError(f"crop={crop} is larger than the images, whose side is {side}")
    return (side - crop) // 2
