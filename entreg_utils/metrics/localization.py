"""Is the class right, is the box, are both? Under a threshold whose origin is always said."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

import numpy as np

from entreg_utils.cam.scaling import Size, as_array
from entreg_utils.fields import plain, plain_numbers, shown, whole
from entreg_utils.metrics.boxes import BoxAccuracy, iou_rows
from entreg_utils.metrics.contours import threshold_list
from entreg_utils.metrics.maps import Summable, class_indices, count_of
from entreg_utils.metrics.overlap import iou_list

# where a threshold may come from, and how a table should say it
RULES = {
    "fixed": "fixed before the data were seen",
    "carried": "chosen on other images and carried over",
    "oracle": "oracle: chosen on the images that are scored",
}


def accuracy(logits, labels) -> float:
    """Share of images in 0..1 whose largest logit is the label. logits (N, C), labels (N,); errors
    as of :func:`correct_classes`."""
    return float(correct_classes(logits, labels).mean())


@plain_numbers
def correct_classes(logits, labels, top: int = 1) -> np.ndarray:
    """(N,) bool: the label is among the ``top`` largest logits (of equal ones the first count).

    ``logits`` (N, C), ``labels`` (N,) in 0..C-1, ``top`` at least 1. ValueError: shapes that
    disagree, NaN logits, a label outside 0..C-1, ``top`` below 1.
    """
    return _ranks(logits, labels) < whole("top", top, 1)


def _ranks(logits, labels) -> np.ndarray:
    """(N,) how many logits come before that of the label."""
    logits, labels = as_array(logits, "logits"), class_indices(labels, "labels")
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ValueError(
            f"logits must be (N, C) and labels (N,) with N >= 1, got {logits.shape} and "
            f"{labels.shape}"
        )
    if np.isnan(logits).any():
        raise ValueError("logits hold NaN: the training has diverged, or an input image is NaN")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must lie in 0..{logits.shape[1] - 1}, found {labels.min()}..{labels.max()}"
        )
    own = logits[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(logits.shape[1]) < labels[:, None]
    return ((logits > own) | ((logits == own) & earlier)).sum(axis=1)


def mean_entropy(logits) -> float:
    """Mean entropy of the predictions in nats, 0..log C; logits (N, C). The course's x axis.
    ValueError: logits that are not (N, C) with N >= 1, or not finite."""
    logits = as_array(logits, "logits").astype(np.float64)
    if logits.ndim != 2 or not logits.size or not np.isfinite(logits).all():
        raise ValueError(f"logits must be finite and (N, C) with N >= 1, got {logits.shape}")
    log_p = logits - logits.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    return float((np.exp(log_p) * -log_p).sum(axis=1).mean())


@dataclass(frozen=True)
class Localisation(Summable):
    """Scores of one set of maps at one threshold.

    ``located`` (N,) bool: the box is right; ``ranks`` (N,) of the label among the logits, 0 for the
    largest, or None. ``threshold``: share of the map's maximum; ``rule``: a key of :data:`RULES`,
    its origin.
    """

    located: np.ndarray
    ranks: np.ndarray | None
    threshold: float
    rule: str
    iou: float
    contours: str

    @property
    def num_images(self) -> int:
        return len(self.located)

    @property
    def gt_known(self) -> float:
        """GT-known Loc in 0..1: the share of images whose box is right."""
        return float(self.located.mean())

    @property
    def top1(self) -> float | None:
        """Of these, also the label has the largest logit; None without logits."""
        return self._named(1)

    @property
    def top5(self) -> float | None:
        """As :attr:`top1`, for the five largest."""
        return self._named(5)

    def _named(self, top: int) -> float | None:
        return None if self.ranks is None else float((self.located & (self.ranks < top)).mean())

    def _plus(self, other: Localisation) -> Localisation:
        """The scores over both sets of images.

        ValueError: another threshold, origin, IoU or contour rule; logits on one side alone; or
        oracles, since the best threshold of all images is that of neither part."""
        for name in ("threshold", "rule", "iou", "contours"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(f"two results add up only when their {name} is the same")
        if self.rule == "oracle":
            raise ValueError(
                "an oracle chooses on all images at once: score them together, or add up their "
                "BoxAccuracy"
            )
        if (self.ranks is None) != (other.ranks is None):
            raise ValueError("two results add up only when both or neither have logits")
        ranks = None if self.ranks is None else np.concatenate([self.ranks, other.ranks])
        return replace(self, located=np.concatenate([self.located, other.located]), ranks=ranks)

    def __str__(self) -> str:
        scores = {"GT-known Loc": self.gt_known, "Top-1 Loc": self.top1, "Top-5 Loc": self.top5}
        said = ", ".join(f"{name} {one:.3f}" for name, one in scores.items() if one is not None)
        said += (
            f" ({self.num_images} images, IoU >= {self.iou:g}, {self.contours} contour"
            f"{'s' if self.contours == 'all' else ''}, threshold {self.threshold:g} "
            f"{RULES[self.rule]})"
        )
        return textwrap.fill(said, 76, break_on_hyphens=False)


@plain_numbers
def localisation(
    cams,
    boxes,
    logits=None,
    labels=None,
    threshold: float | BoxAccuracy | str = 0.15,
    iou: float = 0.5,
    contours: str = "largest",
    size: Size = 224,
    threads: int | None = None,
) -> Localisation:
    """GT-known Loc, and with logits Top-1 and Top-5 Loc, at a threshold with a named origin.

    Args:
        cams, boxes, contours, size, threads: as in :func:`~entreg_utils.metrics.box_accuracy`. The
            maps may be those of the predicted classes for Top-1 Loc: where the two differ the image
            is wrong anyway.
        logits: (N, C).  labels: (N,). Both or neither.
        threshold: a number in 0..1, fixed beforehand (0.15 in most papers); or the result of
            ``box_accuracy`` on other images, whose best threshold at ``iou`` is carried over; or
            ``"oracle"``, the threshold of 1,000 that is best for GT-known Loc on these very images.
        iou: the box is right from here on, in 0..1.

    ValueError: an unknown origin, a result that was not scored at ``iou`` or under another contour
    rule, logits without labels, an ``iou`` outside 0..1, or shapes that disagree.
    """
    if (logits is None) != (labels is None):
        raise ValueError("Top-1 and Top-5 Loc need logits and labels: give both or neither")
    if logits is not None:
        count_of(cams=cams, logits=logits, labels=labels)
    iou = float(iou_list(plain("iou", float, iou))[0])
    if isinstance(threshold, BoxAccuracy):
        if threshold.contours not in (None, contours):
            raise ValueError(
                f"the threshold was chosen for {threshold.contours} contours, and {contours} are "
                "scored: use the same rule for both"
            )
        rule, tau = "carried", threshold.threshold_at(iou)
    elif isinstance(threshold, str) and threshold == "oracle":
        rule, tau = "oracle", None
    elif isinstance(threshold, str):
        raise ValueError(
            f'threshold={shown(threshold)}: give a number in 0..1, "oracle", or the BoxAccuracy of '
            "validation images"
        )
    else:
        rule, tau = "fixed", plain("threshold", float, threshold)
    taus = threshold_list(1000 if tau is None else [tau])
    rows = iou_rows(cams, boxes, taus, contours, size, threads)
    hits = np.stack([ious[0] >= iou for ious, _, _ in rows])
    best = hits.sum(axis=0).argmax()
    ranks = None if logits is None else _ranks(logits, labels)
    return Localisation(hits[:, best], ranks, float(taus[best]), rule, iou, contours)


@plain_numbers
def gt_known_correct(
    cams, boxes, threshold: float = 0.15, iou: float = 0.5, contours: str = "largest", size=224
) -> np.ndarray:
    """(N,) bool: the box of the map at ``threshold`` is right; as :func:`localisation`."""
    fixed = plain("threshold", float, threshold)
    return localisation(cams, boxes, None, None, fixed, iou, contours, size).located


@plain_numbers
def gt_known_loc(
    cams, boxes, threshold: float = 0.15, iou: float = 0.5, contours: str = "largest", size=224
) -> float:
    """GT-known Loc in 0..1, the mean of :func:`gt_known_correct`: BoxAcc at a fixed threshold."""
    return float(gt_known_correct(cams, boxes, threshold, iou, contours, size).mean())
