"""Scores as functions of how often each image is drawn: the estimate and its bootstrap alike.

A weight ``w`` (b, N) holds in each of b rows how many times each of N images is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.metrics.intervals import central, resamples
from entreg_utils.metrics.pixels import average_precision
from entreg_utils.metrics.sizes import GROUPS

COLUMNS = ("score", "value", "low", "high", "threshold", "rule", "num_images")


class Row(NamedTuple):
    """One score: ``value`` (b,) in 0..1, of ``images`` (b,). ``threshold`` (b,): of the maps, or
    the side of the centred box; NaN where there are several or none."""

    value: np.ndarray
    images: np.ndarray
    threshold: np.ndarray | float = np.nan


Rows = dict[tuple[str, str], Row]  # by score, and rule as in metrics.localization.RULES


def of_boxes(
    w: np.ndarray,
    hits: np.ndarray,
    centre: np.ndarray,
    taus: np.ndarray,
    rules: Sequence[str],
    shares: np.ndarray,
    right: dict[str, np.ndarray],
) -> Rows:
    """Scores of ``hits`` (N, 2, 3, T + F) bool: largest and all contours at IoU 0.3, 0.5, 0.7, at
    ``taus``, of which T are tried and F those of ``rules``; ``centre`` (N, S) bool: the centred box
    of each side; ``shares`` (N,) of the frame that the object covers; ``right``: as of
    :func:`.read_right`, or {}."""
    draws, images, tried = np.arange(len(w)), w.sum(axis=1), len(taus) - len(rules)
    largest = hits[:, 0, 1]

    def at(counts, columns, images=images, taus=taus) -> Row:
        return Row(counts[draws, columns] / images, images, taus[columns])

    curve = _sums(w, largest)
    oracle = curve[:, :tried].argmax(axis=1)
    columns = {rule: np.full(len(w), tried + i) for i, rule in enumerate(rules)}
    columns["oracle"] = oracle
    every = _sums(w, hits[:, 1, :, :tried]).max(axis=2) / images[:, None]
    rows = {
        ("max_box_acc", "oracle"): at(curve, oracle),
        ("max_box_acc_v2", "oracle"): Row(every.mean(axis=1), images),
    }
    rows |= {("gt_known", rule): at(curve, own) for rule, own in columns.items()}
    for name, own in right.items():
        named = "accuracy" if name == "top1" else f"{name}_accuracy"
        rows[named, "none"] = Row(_sums(w, own) / images, images)
        both = _sums(w, largest & own[:, None])
        rows |= {(f"{name}_loc", rule): at(both, own) for rule, own in columns.items()}
    for name, own in _groups(shares):
        inside, counts = _sums(w, own), _sums(w, largest & own[:, None])
        rows[f"box_acc_{name}", "oracle"] = at(counts, oracle, inside)
        best = counts[:, :tried].argmax(axis=1)
        rows[f"max_box_acc_{name}", "oracle"] = at(counts, best, inside)
    counts, sides = _sums(w, centre), np.arange(1, centre.shape[1] + 1) / centre.shape[1]
    rows["centre_box", "oracle"] = at(counts, counts.argmax(axis=1), taus=sides)
    return rows


def of_pixels(
    w: np.ndarray, counts: np.ndarray, classes: Sequence[str | None], shares: np.ndarray
) -> Rows:
    """Scores of ``counts`` (N, 2, B) of foreground and background pixels by score bin; ``classes``
    of the maps (N,); ``shares`` (N,) of the frame that the masks cover. PxAP pools the pixels of
    all images; mPxAP, of several classes, is the mean over those that have foreground."""
    kinds, rows = np.array(classes), {}

    def pooled(own) -> np.ndarray:  # (2, b, B)
        return _sums(w[:, own], counts[own]).swapaxes(0, 1)

    groups = {"": np.full(len(kinds), True)} | {f"_{name}": own for name, own in _groups(shares)}
    for end, own in groups.items():
        if counts[own, 0].any():
            sums, images = pooled(own), w[:, own].sum(axis=1)
            inside, outside = sums.sum(axis=2)
            rows[f"pxap{end}", "none"] = Row(average_precision(*sums), images)
            if not end and len(set(classes)) > 1 and None not in classes:
                each = [average_precision(*pooled(kinds == kind)) for kind in np.unique(kinds)]
                seen = np.isfinite(each)
                mean = np.where(seen, each, 0).sum(axis=0) / seen.sum(axis=0)
                rows["mpxap", "none"] = Row(mean, images)
            rows[f"constant_map{end}", "none"] = Row(inside / (inside + outside), images)
    return rows


def table(parts: Sequence[tuple], number: int, samples: int, seed: int) -> tuple:
    """:data:`COLUMNS`, a row a score, with the ends of a 95 % bootstrap over ``number`` images, and
    {(score, rule): its value in each draw}; none for a single image.

    ``parts``: (which images, one of the functions above, its arguments behind ``w``).
    """

    def rows(w: np.ndarray) -> Rows:
        return {k: row for own, of, given in parts for k, row in of(w[:, own], *given).items()}

    found = rows(np.ones((1, number)))
    with np.errstate(invalid="ignore", divide="ignore"):  # a group that a draw leaves out
        drawn = [rows(w) for w in resamples(number, samples if number > 1 else 0, seed)]
    draws = {key: np.array([v for own in drawn for v in own[key].value]) for key in found}
    lines = [
        (key[0], row.value[0], *ends(draws[key]), np.ravel(row.threshold)[0], key[1], row.images[0])
        for key, row in found.items()
    ]
    made = pd.DataFrame(lines, columns=list(COLUMNS))
    return made.astype({"num_images": int}), draws


def ends(draws: np.ndarray) -> tuple[float, float]:
    """Of the central 95 % of the values; NaN without any."""
    kept = draws[np.isfinite(draws)]
    return central(0, kept, 0.95)[1:] if len(kept) else (np.nan, np.nan)


def _sums(w: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums over the images, (b, ...) float64, of values (N, ...)."""
    flat = values.reshape(len(values), -1).astype(w.dtype, copy=False)
    return (w @ flat).astype(np.float64).reshape(len(w), *values.shape[1:])


def _groups(shares: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The size groups that occur, and which images (N,) are in each."""
    groups = metrics.size_groups(shares)
    yield from ((name, groups == name) for name in GROUPS if (groups == name).any())
