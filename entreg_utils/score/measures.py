"""Scores as functions of how often each image is drawn: the estimate and its bootstrap alike.

A weight ``w`` is float32 (b, N), row by row the times that each image is drawn, or None for each
image once; a measure turns it into (b,) float64 scores in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.metrics.intervals import central, resamples
from entreg_utils.metrics.sizes import GROUPS

COLUMNS = ("score", "value", "low", "high", "threshold", "rule", "num_images")


class Measure(NamedTuple):
    """One row of the table. ``threshold``: of the maps, or the side of the centred box; NaN where
    there are several or none. ``rule``: where it comes from, as in ``metrics.localization.RULES``.
    """

    score: str
    of: Callable[[np.ndarray | None], np.ndarray]
    threshold: float
    rule: str
    num_images: int


def best(hits: np.ndarray) -> Callable:
    """The maximum over the thresholds, mean over the IoU thresholds; hits (N, D, T) bool."""
    return lambda w: (_counts(w, hits).max(axis=2) / _images(w, len(hits))).mean(axis=1)


def at_best(hits: np.ndarray, right: np.ndarray) -> Callable:
    """Share also ``right`` (N,), at the threshold that is best for hits (N, T) of all images."""
    both = hits & right[:, None]

    def of(w):
        chosen = _counts(w, hits).argmax(axis=1)[:, None]
        return (np.take_along_axis(_counts(w, both), chosen, 1) / _images(w, len(hits)))[:, 0]

    return of


def share(right: np.ndarray) -> Callable:
    """Share of the images that are right (N,)."""
    return lambda w: (_counts(w, right)[:, None] / _images(w, len(right)))[:, 0]


def ratio(part: Callable, whole: Callable) -> Callable:
    """A share of all images as a share of those in ``whole``."""
    return lambda w: part(w) / whole(w)


def within(group: np.ndarray, inner: Callable) -> Callable:
    """``inner``, made of the images of a group (N,) bool alone."""
    return lambda w: inner(w if w is None else w[:, group])


def pixel_ap(counts: np.ndarray, groups: np.ndarray) -> Callable:
    """Mean over the groups (N,) of their PxAP, pooled; counts (N, 2, B) of foreground and
    background by score bin. Groups without foreground are left out."""
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]

    def of(w):
        rows = [_pooled_ap(_counts(w if w is None else w[:, m], counts[m])) for m in members]
        seen = np.isfinite(rows)
        return np.where(seen, rows, 0).sum(axis=0) / seen.sum(axis=0)

    return of


def prevalence(counts: np.ndarray) -> Callable:
    """The PxAP of a constant map: foreground among the counted pixels."""
    sums = counts.sum(axis=2)

    def of(w):
        inside, outside = _counts(w, sums).T
        return inside / (inside + outside)

    return of


def _pooled_ap(sums: np.ndarray) -> np.ndarray:
    """(b,) PxAP of (b, 2, B) counts, as ``metrics.PixelAveragePrecision`` has it; NaN for none."""
    inside, outside = sums[:, :, ::-1].cumsum(axis=2).swapaxes(0, 1)
    taken, total = inside + outside, inside[:, -1:]
    precision = np.divide(inside, taken, out=np.zeros_like(inside), where=taken > 0)
    recall = np.divide(inside, total, out=np.full_like(inside, np.nan), where=total > 0)
    return (precision[:, 1:] * np.diff(recall, axis=1)).sum(axis=1)


def _counts(w, values: np.ndarray) -> np.ndarray:
    """Sums over the images, (b, ...) float64, of values (N, ...)."""
    if w is None:
        return values.sum(axis=0, dtype=np.float64)[None]
    flat = values.reshape(len(values), -1).astype(np.float32)
    return (w @ flat).astype(np.float64).reshape(len(w), *values.shape[1:])


def _images(w, number: int):
    """(b, 1): how many images are drawn."""
    return np.float64(number) if w is None else w.sum(axis=1, keepdims=True, dtype=np.float64)


def table(measures: Sequence[Measure], samples: int, seed: int = 0) -> pd.DataFrame:
    """:data:`COLUMNS`, a row a measure of the same images: 95 % bootstrap over the images.

    The ends are NaN for a single image, or without samples."""
    rows = []
    for one, (low, high) in zip(measures, _ends(measures, samples, seed), strict=True):
        value = float(one.of(None)[0])
        rows.append((one.score, value, low, high, one.threshold, one.rule, one.num_images))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def changes(pairs: Sequence[tuple[Measure, Measure]], samples: int, seed: int = 0) -> pd.DataFrame:
    """score, rule, first, second, change, low, high, num_images: both scored on the same draws."""
    gaps = [b._replace(of=lambda w, a=a, b=b: b.of(w) - a.of(w)) for a, b in pairs]
    rows = []
    for (a, b), (low, high) in zip(pairs, _ends(gaps, samples, seed), strict=True):
        first, second = float(a.of(None)[0]), float(b.of(None)[0])
        rows.append((a.score, a.rule, first, second, second - first, low, high, a.num_images))
    names = ("score", "rule", "first", "second", "change", "low", "high", "num_images")
    return pd.DataFrame(rows, columns=list(names))


def _ends(measures: Sequence[Measure], samples: int, seed: int) -> list[tuple[float, float]]:
    if not measures:
        return []
    images = max(one.num_images for one in measures)
    draws: list[list] = [[] for _ in measures]
    with np.errstate(invalid="ignore", divide="ignore"):  # a group that a draw leaves out
        for w in resamples(images, samples if images > 1 else 0, seed):
            for own, one in zip(draws, measures, strict=True):
                own.append(one.of(w))
    ends = []
    for own in draws:
        kept = np.concatenate(own) if own else np.zeros(0)
        kept = kept[np.isfinite(kept)]
        ends.append(central(0, kept, 0.95)[1:] if len(kept) else (np.nan, np.nan))
    return ends


def of_boxes(hits, centre, grid, fixed: dict[str, float], shares, right) -> list[Measure]:
    """Measures of boxes.

    ``hits``: (N, 2, 3, T + F) bool, largest and all contours at IoU 0.3, 0.5, 0.7, at thresholds
    ``grid`` (T,) and those of ``fixed`` (F,), {rule: threshold}; ``centre`` (N, S) bool, the
    centred box of each side; ``shares`` (N,) of the frame that the object covers; ``right``: {},
    or {"top1": (N,) bool, "top5"}, whether the class is right.
    """
    number, steps = len(shares), len(grid)
    largest, everything = hits[:, 0, 1], hits[:, 1, :, :steps]
    curve, nan = largest[:, :steps], np.nan
    oracle = float(grid[curve.sum(axis=0).argmax()])
    found = [
        Measure("max_box_acc", best(curve[:, None]), oracle, "oracle", number),
        Measure("max_box_acc_v2", best(everything), nan, "oracle", number),
    ]
    at = {rule: (tau, share(largest[:, steps + i])) for i, (rule, tau) in enumerate(fixed.items())}
    at["oracle"] = oracle, best(curve[:, None])
    found += [Measure("gt_known", of, tau, rule, number) for rule, (tau, of) in at.items()]
    for name, own in right.items():
        named = {"top1": "accuracy"}.get(name, f"{name}_accuracy")
        found.append(Measure(named, share(own), nan, "none", number))
        for i, (rule, tau) in enumerate(fixed.items()):
            of = share(largest[:, steps + i] & own)
            found.append(Measure(f"{name}_loc", of, tau, rule, number))
        found.append(Measure(f"{name}_loc", at_best(curve, own), oracle, "oracle", number))
    for name, own in _groups(shares):
        of = ratio(at_best(curve, own), share(own))
        found.append(Measure(f"box_acc_{name}", of, oracle, "oracle", int(own.sum())))
        tau = float(grid[curve[own].sum(axis=0).argmax()])
        of = within(own, best(curve[own][:, None]))
        found.append(Measure(f"max_box_acc_{name}", of, tau, "oracle", int(own.sum())))
    side = (1 + float(centre.sum(axis=0).argmax())) / centre.shape[1]
    found.append(Measure("centre_box", best(centre[:, None]), side, "oracle", number))
    return found


def of_pixels(counts: np.ndarray, classes: Sequence[str | None], shares) -> list[Measure]:
    """Measures of masks: counts (N, 2, B) as of :func:`pixel_ap`, classes of the maps (N,), shares
    (N,) of the frame that the masks cover."""
    if not counts[:, 0].any():
        raise ValueError("no foreground pixel in any mask: PxAP is undefined; check the masks")
    number, nan, every = len(counts), np.nan, np.zeros(len(counts))
    found = [Measure("pxap", pixel_ap(counts, every), nan, "none", number)]
    if len(set(classes)) > 1 and None not in classes:
        found.append(Measure("mpxap", pixel_ap(counts, np.array(classes)), nan, "none", number))
    found.append(Measure("constant_map", prevalence(counts), nan, "none", number))
    for name, own in _groups(shares):
        if not counts[own, 0].any():
            continue
        for kind, of in (
            ("pxap", pixel_ap(counts[own], every[own])),
            ("constant_map", prevalence(counts[own])),
        ):
            found.append(Measure(f"{kind}_{name}", within(own, of), nan, "none", int(own.sum())))
    return found


def _groups(shares) -> list[tuple[str, np.ndarray]]:
    """The size groups that occur, and which images (N,) are in each."""
    groups = metrics.size_groups(shares)
    return [(name, groups == name) for name in GROUPS if (groups == name).any()]
