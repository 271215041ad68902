"""What the maps of a split are worth, map by map, while the network makes the next ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from torch import nn

from entreg_utils import metrics
from entreg_utils.metrics.boxes import level_ious, map_boxes, map_ious
from entreg_utils.metrics.contours import threshold_list
from entreg_utils.metrics.overlap import check_boxes
from entreg_utils.metrics.pixels import pool_of
from entreg_utils.training.view import Prediction, View, predict

IOU = 0.5
THRESHOLDS = 1000  # of ``hits``; column k stands for the threshold k / THRESHOLDS
IOUS = (0.3, 0.5, 0.7)  # of MaxBoxAccV2
Normalization = tuple[str, float | None]  # rule and percentile, as in cam.normalize
_TAUS = threshold_list(THRESHOLDS)
_STEP = 0.001  # width of a bin of PxAP


class Cuts(NamedTuple):
    """Where the final scores cut single maps: at the fixed threshold, and at that of validation
    where it chose one."""

    pixels: Sequence[float]  # thresholds in 0..1
    box: Sequence[int]  # columns of ``hits``


class Tally:
    """Counts over the maps of a view; what stays of a map is a row of ``hits`` and a number or two.

    ``others``: further normalisations whose boxes are counted, each with the column of thresholds
    at which the hits of single images are kept (None: at none). ``final``: also all contours, and
    of each map the PxAP and what these cuts light.

    Attributes:
        hits: (B, 1000) bool over the pairs with boxes, largest contour, min-max; None without.
        curves: (1000,) int64 of each of ``others``: right boxes.
        kept: (B,) bool of each of them at its column.
        every: (3, 1000) int64, right boxes of all contours at ``IOUS``, where it is ``final``.
        pool, pixel_ap, num_masked: of pixels: over all maps; (P,) float16, NaN where a mask has no
            object; masks of which some pixel counts.
        lit: (P, 2, 2) float16, precision and recall (last axis) at the cuts of ``final``; NaN where
            validation chose none, or there is no object or nothing lit.
        box_area: (B, 2) float16, area of the box at the cuts over that of the object; likewise.
    """

    def __init__(
        self,
        view: View,
        others: Mapping[Normalization, int | None] | None = None,
        final: Cuts | None = None,
    ):
        self.view, self.others, self.final = view, dict(others or {}), final
        boxes = {pair: view.boxes[pair] for pair in view.boxed.tolist()}
        self.boxes = {pair: check_boxes(own, view.size, pair) for pair, own in boxes.items()}
        self.hits = np.zeros((len(boxes), THRESHOLDS), bool) if boxes else None
        self.curves = {rule: np.zeros(THRESHOLDS, np.int64) for rule in self.others}
        self.kept = {rule: np.zeros(len(boxes), bool) for rule in self.others}
        self.every = np.zeros((len(IOUS), THRESHOLDS), np.int64)
        several = metrics.MeanPixelAveragePrecision
        self.pool = (several if view.several else metrics.PixelAveragePrecision)(_STEP, view.size)
        self.pixel_ap = np.full(len(view.pairs), np.nan, np.float16)
        self.lit = np.full((len(view.pairs), 2, 2), np.nan, np.float16)
        self.box_area = np.full((len(boxes), 2), np.nan, np.float16)
        self.num_masked = self._boxed = self._done = 0

    def measure(self, pair: int, raw: np.ndarray) -> dict:
        """What one map is worth, where there is something to score it by: by threads, so that
        nothing here is changed."""
        found, size = {}, self.view.size
        if pair in self.boxes:
            contours, true = ("largest", "all") if self.final else ("largest",), self.boxes[pair]
            rows, levels, *_ = map_boxes(raw, _TAUS, contours, size)
            ious = level_ious(rows, true)[:, levels]
            found["hits"] = ious[0] >= IOU
            others = (map_ious(raw, true, _TAUS, ["largest"], size, rule) for rule in self.others)
            found["others"] = [own[0] >= IOU for own, _, _ in others]
            if self.final:
                found["every"] = ious[1] >= np.array(IOUS)[:, None]
                found["box_area"] = _box_areas(rows[0][levels[self.final.box], :4], true)
        if self.view.has_masks:
            mask, ignore = self.view.mask(pair)
            pool = pool_of(raw, mask, ignore, _STEP, size)
            shown = self.final and (mask if ignore is None else mask & ~ignore).any()
            found |= {"pool": pool, "counted": ignore is None or not ignore.all()}
            if shown:
                found["pixel_ap"] = pool.compute()
                found["lit"] = np.array([pool.lit(cut)[:2] for cut in self.final.pixels])
        return found

    def add(self, found: dict) -> None:
        """Count one map, in the order of ``view.pairs``."""
        pair, self._done = self._done, self._done + 1
        if "hits" in found:
            self.hits[self._boxed] = found["hits"]
            for (rule, column), hits in zip(self.others.items(), found["others"], strict=True):
                self.curves[rule] += hits
                self.kept[rule][self._boxed] = column is not None and hits[column]
            if self.final:
                self.every += found["every"]
                self.box_area[self._boxed, : len(self.final.box)] = found["box_area"]
            self._boxed += 1
        if "pool" in found:
            label = [int(self.view.pairs[pair, 1])] if self.view.several else []
            (self.pool.add if label else self.pool.merge)(found["pool"], *label)
            self.num_masked += found["counted"]
        if "lit" in found:
            self.pixel_ap[pair] = found["pixel_ap"]
            self.lit[pair, : len(self.final.pixels)] = found["lit"]

    def constant_maps(self):
        """``pool`` as maps that say nothing would fill it: every pixel has the score zero."""
        flat = copy.deepcopy(self.pool)
        for pool in flat.pools.values() if self.view.several else [flat]:
            for counts in (pool.foreground, pool.background):
                counts[0], counts[1:] = counts.sum(), 0
        return flat


def tallied(model: nn.Module, view: View, *options, **named) -> tuple[Prediction, Tally]:
    """A pass over a view, its maps scored meanwhile; options as of :class:`Tally`."""
    tally = Tally(view, *options, **named)
    return predict(model, view, score=tally.measure, use=tally.add), tally


def _box_areas(boxes: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Areas of ``boxes`` (L, 4) over that of the box around all true ones, (L,)."""
    around = np.append(true[:, :2].min(axis=0), true[:, 2:].max(axis=0))
    x0, y0, x1, y1 = np.vstack([boxes, around]).T
    areas = (x1 - x0 + 1) * (y1 - y0 + 1)
    return np.minimum(areas[:-1] / areas[-1], np.finfo(np.float16).max)
