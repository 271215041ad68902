"""Object and background pixels counted by score: what a threshold lights of the object, and PxAP.

Counts (..., B) go by rising score; bin k holds the scores from edge k up to edge k + 1. With ``O``
the object pixels and ``L`` the pixels that a threshold t lights (score >= t),

    precision = |O & L| / |L|,  recall = |O & L| / |O|,  area = |L| / |O|,  IoU = |O & L| / |O | L|.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Lit(NamedTuple):
    """What lit pixels and object pixels have in common, at one threshold.

    A map too small for its object has precision near 1 and low recall, one that spills the other
    way round; of the two, ``area`` is ``recall / precision``.
    """

    precision: float  # share in 0..1 of the lit pixels that are object; NaN: nothing is lit
    recall: float  # share in 0..1 of the object pixels that are lit
    area: float  # lit pixels over object pixels: 0 or more, 1 for as many
    iou: float  # in 0..1; lit by chance, too, it is high where the object fills the frame


def lit_at(foreground: np.ndarray, background: np.ndarray, edge: int) -> Lit:
    """What is lit from bin ``edge`` on, of counts (B,) with some foreground."""
    hits, spilled, whole = foreground[edge:].sum(), background[edge:].sum(), foreground.sum()
    lit = int(hits + spilled)
    precision = hits / lit if lit else np.nan
    return Lit(*map(float, (precision, hits / whole, lit / whole, hits / (whole + spilled))))


def mean_lit(found: Sequence[Lit]) -> Lit:
    """Mean over classes; the precision over those that light something, NaN where none does."""
    kept = [[v for v in values if np.isfinite(v)] for values in zip(*found, strict=True)]
    return Lit(*(float(np.mean(values)) if values else np.nan for values in kept))


def ious(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """IoU (..., B) of lit and object pixels with the threshold at each bin's lower edge, of counts
    with some foreground."""
    hits, spilled = (own[..., ::-1].cumsum(axis=-1)[..., ::-1] for own in (foreground, background))
    return hits / (hits[..., :1] + spilled)


def average_precision(foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """PxAP (...) of counts (..., B), the last bin empty; NaN without foreground."""
    precision, recall = curves(foreground, background)
    area = np.nansum(precision[..., 1:] * np.diff(recall), axis=-1)
    return np.where(foreground.any(axis=-1), area, np.nan)


def curves(foreground: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall (..., B) with the threshold falling; NaN where nothing is lit, or there
    is no foreground."""
    hits = foreground[..., ::-1].cumsum(axis=-1)
    taken = hits + background[..., ::-1].cumsum(axis=-1)
    with np.errstate(invalid="ignore"):
        return hits / taken, hits / hits[..., -1:]
