"""Pixels: PxAP and mPxAP, the average precision of the map as a foreground score; and what a
threshold lights of the object.

Histograms of the scores over object and over background are summed over the data set. With ``O``
the object pixels and ``L`` those that a threshold t lights (score >= t), t falling bin by bin,

    precision = |O & L| / |L|,  recall = |O & L| / |O|,  area = |L| / |O|,  IoU = |O & L| / |O | L|,

    PxAP = sum_n precision_n * (recall_n - recall_{n-1}),    no interpolation, in 0..1

(Choe et al., CVPR 2020; mPxAP: mean over classes, VOC).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from entreg_utils.ahead import ahead
from entreg_utils.cam.scaling import Size, height_width, resize_mask
from entreg_utils.fields import plain, plain_numbers
from entreg_utils.metrics.maps import (
    Summable,
    check_maps,
    class_indices,
    count_of,
    score_map,
    warn_invalid,
)


class Lit(NamedTuple):
    """What lit pixels and object pixels have in common, at one threshold.

    A map too small for its object has precision near 1 and low recall, one that spills the other
    way round; of the two, ``area`` is ``recall / precision``.
    """

    precision: float  # share in 0..1 of the lit pixels that are object; NaN: nothing is lit
    recall: float  # share in 0..1 of the object pixels that are lit
    area: float  # lit pixels over object pixels: 0 or more, 1 for as many
    iou: float  # in 0..1; lit by chance, too, it is high where the object fills the frame


def curves(foreground: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall (..., B) of counts (..., B) by rising score, with the threshold falling;
    NaN where nothing is lit, or there is no foreground."""
    hits = foreground[..., ::-1].cumsum(axis=-1)
    taken = hits + background[..., ::-1].cumsum(axis=-1)
    with np.errstate(invalid="ignore"):
        return hits / taken, hits / hits[..., -1:]


def average_precision(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """PxAP (...) of counts (..., B), the last bin empty; NaN without foreground."""
    precision, recall = curves(foreground, background)
    area = np.nansum(precision[..., 1:] * np.diff(recall), axis=-1)
    return np.where(foreground.any(axis=-1), area, np.nan)


class PixelAveragePrecision(Summable):
    """Accumulates score histograms image by image; :meth:`compute` reads off the PxAP.

    ``step``: width of a bin of the score, 1e-6..1; the edges are 0, step, .., 1 - step, 1.
    ``size``: side in pixels that maps and masks are brought to, or ``(height, width)``. ValueError
    for others."""

    @plain_numbers
    def __init__(self, step: float = 0.001, size: Size = 224):
        if not 1e-6 <= step <= 1:
            raise ValueError(f"step is the width of a score bin, in 1e-6..1; got {step}")
        self.step, self.size = step, height_width(size)
        # The score 1 itself has the bin [1, 2); [2, 3] stays empty and anchors recall at 0.
        self.edges = np.append(np.arange(0, 1, step), [1.0, 2.0, 3.0])
        self.foreground, self.background = np.zeros((2, len(self.edges) - 1), dtype=np.int64)
        self.num_images = self.num_constant = self.num_invalid = 0

    def update(self, cam, mask, ignore=None) -> None:
        """Add one image: raw map (h, w), mask (H, W), ignore (H, W) or None (non-zero = inside).

        Pixels to ignore count on neither side, except where the mask says foreground. An empty mask
        is all background. A map with NaN or infinite values counts as an all-zero map, with a
        warning, and in :attr:`num_invalid`.
        """
        own = pool_of(cam, mask, ignore, self.step, self.size)
        warn_invalid(own.num_invalid, 1)
        self.merge(own)

    def merge(self, other: PixelAveragePrecision) -> PixelAveragePrecision:
        """Add the images that another process has seen (same step and size); returns self."""
        if self.size != other.size or not np.array_equal(self.edges, other.edges):
            raise ValueError(
                "two streams merge only when step and size are the same: "
                f"{self.size} pixels and {len(self.edges) - 3} bins against {other.size} and "
                f"{len(other.edges) - 3}"
            )
        for name in ("foreground", "background", "num_images", "num_constant", "num_invalid"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def precision_recall(self) -> tuple[np.ndarray, np.ndarray]:
        """Precision and recall (B,) with the score threshold falling; precision is NaN while no
        pixel is above it. ValueError: no foreground pixel so far, so that recall is undefined."""
        return curves(*self._counts())

    def compute(self) -> float:
        """PxAP in 0..1 of the images so far. ValueError: as :meth:`precision_recall`."""
        return float(average_precision(*self._counts()))

    @plain_numbers
    def lit(self, threshold: float) -> Lit:
        """What pixels with a score >= ``threshold``, in 0..1, and the object's have in common,
        pooled over the images. The threshold is taken at the nearest edge of a bin.

        At 0 every pixel is lit; a constant map, all zeros, lights nothing above that: precision is
        NaN, the rest 0. ValueError: another threshold; as :meth:`precision_recall`.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold={threshold} is no share of a map's maximum: give 0..1")
        edge = int(np.abs(self.edges[:-2] - threshold).argmin())
        hits, spilled = (own[edge:].sum() for own in self._counts())
        lit, whole = hits + spilled, self.foreground.sum()
        precision = hits / lit if lit else np.nan
        return Lit(*map(float, (precision, hits / whole, lit / whole, hits / (whole + spilled))))

    def ious(self) -> np.ndarray:
        """(B,) pooled IoU with the threshold at each bin's lower edge. ValueError: as
        :meth:`precision_recall`."""
        hits, spilled = (own[::-1].cumsum()[::-1] for own in self._counts())
        return hits / (hits[0] + spilled)

    def best_threshold(self) -> float:
        """The edge of a bin, in 0..1, at which the pooled IoU of :meth:`lit` is highest, the lowest
        of equals: for carrying over to other images. ValueError: as :meth:`precision_recall`."""
        return float(self.edges[self.ious().argmax()])

    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.foreground.any():
            message = "no foreground pixel in any mask: PxAP is undefined; check the masks"
            raise ValueError(f"{message}, or leave this class out")
        return self.foreground, self.background


def pool_of(cam, mask, ignore, step: float, size: Size) -> PixelAveragePrecision:
    """The pool of one image alone, without a warning; arguments as above."""
    pool = PixelAveragePrecision(step, size)
    scores, pool.num_constant, pool.num_invalid = score_map(cam, pool.size)
    inside = resize_mask(mask, size)  # also a pixel to ignore; of the others, what is left
    outside = ~inside if ignore is None else ~(inside | resize_mask(ignore, size))
    bins = (scores / pool.edges[1]).astype(np.intp)  # rounded: at most one from the right one
    bins -= scores < pool.edges[bins]
    bins += scores >= pool.edges[bins + 1]
    pool.foreground = np.bincount(bins[inside], minlength=len(pool.foreground))
    pool.background = np.bincount(bins[outside], minlength=len(pool.background))
    pool.num_images = 1
    return pool


class MeanPixelAveragePrecision(Summable):
    """A :class:`PixelAveragePrecision` for each class, for images that hold several (VOC).

    One entry is one (image, class) pair: the raw map of that class, and its mask. Arguments and
    errors as of :class:`PixelAveragePrecision`."""

    @plain_numbers
    def __init__(self, step: float = 0.001, size: Size = 224):
        self.step, self.size = step, height_width(size)
        PixelAveragePrecision(step, size)  # refuses a step that cannot work, now and not later
        self.pools: dict[int, PixelAveragePrecision] = {}

    @plain_numbers
    def update(self, cam, mask, label: int, ignore=None) -> None:
        """Add one pair; arguments as in :meth:`PixelAveragePrecision.update`."""
        own = pool_of(cam, mask, ignore, self.step, self.size)
        warn_invalid(own.num_invalid, 1)
        self.add(own, label)

    def add(self, pool: PixelAveragePrecision, label: int) -> None:
        """Add what another pool has seen of one class."""
        label = plain("label", int, label)
        empty = PixelAveragePrecision(self.step, self.size)
        self.pools.setdefault(label, empty).merge(pool)

    def merge(self, other: MeanPixelAveragePrecision) -> MeanPixelAveragePrecision:
        """Add the pairs that another process has seen; returns self."""
        for label, pool in other.pools.items():
            self.add(pool, label)
        return self

    @property
    def seen(self) -> dict[int, PixelAveragePrecision]:
        """The pool of each class that has a foreground pixel."""
        return {c: pool for c, pool in sorted(self.pools.items()) if pool.foreground.any()}

    @property
    def per_class(self) -> dict[int, float]:
        """PxAP in 0..1 of each class in :attr:`seen`."""
        return {c: pool.compute() for c, pool in self.seen.items()}

    def compute(self) -> float:
        """mPxAP in 0..1: the mean of :attr:`per_class`; classes left out are named in a warning.
        ValueError: no foreground pixel in any class."""
        scores = [pool.compute() for pool in self._checked()]
        if left_out := sorted(self.pools.keys() - self.seen):  # undefined, not 0
            kept = f"mPxAP averages {len(scores)} of {len(self.pools)} classes"
            message = f"left out, because no mask shows them: {', '.join(map(str, left_out))}"
            warnings.warn(f"{kept}; {message}", RuntimeWarning, stacklevel=2)
        return float(np.mean(scores))

    def lit(self, threshold: float) -> Lit:
        """Means over classes with foreground of :meth:`PixelAveragePrecision.lit`; of precision,
        over those that light something, NaN where none does. ValueError: as there."""
        found = np.array([pool.lit(threshold) for pool in self._checked()])
        precise = found[np.isfinite(found[:, 0]), 0]
        precision = precise.mean() if len(precise) else np.nan
        return Lit(float(precision), *found[:, 1:].mean(axis=0).tolist())

    def best_threshold(self) -> float:
        """One for all classes: that at which the mean of their IoU is highest; as of
        :meth:`PixelAveragePrecision.best_threshold`."""
        pools = self._checked()
        return float(pools[0].edges[np.mean([pool.ious() for pool in pools], axis=0).argmax()])

    def _checked(self) -> list[PixelAveragePrecision]:
        if not self.seen:
            raise ValueError("no foreground pixel in any mask: mPxAP is undefined; check the masks")
        return [*self.seen.values()]


@plain_numbers
def pixel_average_precision(
    cams, masks, ignore=None, step: float = 0.001, size: Size = 224, threads: int | None = None
) -> float:
    """PxAP in 0..1 over a data set.

    Args:
        cams: (N, h, w) raw maps, array or tensor, or a sequence of N maps. Those with NaN or
            infinite values count as all-zero maps, with one warning.
        masks: N object masks (H, W), non-zero = foreground; nearest-resized to ``size``.
        ignore: N masks of pixels to leave out, or None; single entries may be None too.
        step, size: as in :class:`PixelAveragePrecision`.
        threads: as in :func:`~entreg_utils.metrics.box_accuracy`.

    ValueError: lengths or shapes that disagree; no foreground in any mask.
    """
    return pooled(cams, masks, None, ignore, step, size, threads).pools[0].compute()


@plain_numbers
def class_pixel_average_precision(
    cams, masks, classes, ignore=None, step=0.001, size: Size = 224, threads: int | None = None
) -> dict[int, float]:
    """PxAP of each class that has foreground, ``{class: 0..1}``; an entry is one (image, class)
    pair, and pixels are pooled within a class. ValueError: shapes that disagree."""
    return pooled(cams, masks, classes, ignore, step, size, threads).per_class


@plain_numbers
def mean_pixel_average_precision(
    cams, masks, classes, ignore=None, step=0.001, size: Size = 224, threads: int | None = None
) -> float:
    """mPxAP in 0..1: mean of :func:`class_pixel_average_precision`; classes without a foreground
    pixel are left out and named in a warning. ValueError: shapes that disagree; no foreground."""
    return pooled(cams, masks, classes, ignore, step, size, threads).compute()


def pooled(cams, masks, classes, ignore, step, size, threads=None) -> MeanPixelAveragePrecision:
    count = count_of(cams=cams)
    ignore = [None] * count if ignore is None else ignore
    classes = np.zeros(count, int) if classes is None else class_indices(classes)
    check_maps(cams, masks=masks, ignore=ignore, classes=classes)
    streams = MeanPixelAveragePrecision(step, size)

    def one(image) -> PixelAveragePrecision:
        return pool_of(*image, step, size)

    images = zip(cams, masks, ignore, strict=True)
    found = ahead(one, images, threads, "scoring pixels", total=len(cams))
    for pool, label in zip(found, classes, strict=True):
        streams.add(pool, label)
    warn_invalid(sum(pool.num_invalid for pool in streams.pools.values()), len(cams))
    return streams
