"""``score(maps, truth)``: the field's numbers for maps that exist, with their baselines and ends.

Protocol: each map is resized to ``size``, then min-max normalised (a map of zeros for NaN); boxes
at IoU 0.5 from the largest contour, V2 from all contours at IoU 0.3, 0.5, 0.7; pixels over all
thresholds, pooled. Maps are read one at a time; what stays is some 10 kB an image.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.data.decoding import read_all
from entreg_utils.files import StorageError, read_bytes
from entreg_utils.metrics.boxes import check_boxes, map_ious
from entreg_utils.metrics.contours import threshold_list
from entreg_utils.score import measures
from entreg_utils.score.pairs import Pair, paired
from entreg_utils.score.predictions import read_right
from entreg_utils.score.truth import Truth, read_truth

RULES, IOUS = ("largest", "all"), (0.3, 0.5, 0.7)
SIGMA = 0.15  # the papers' fixed threshold


@dataclass(frozen=True)
class Scores:
    """Scores of one set of maps.

    ``table``: a row a score, see :data:`.measures.COLUMNS`; values in 0..1; thresholds as shares of
    a map's maximum, of ``centre_box`` the side as a share of the frame. ``notes``: sentences about
    maps and images that are not as others. ``images``: the names of what was scored, in the order
    of the truth. ``curve``: BoxAcc over the thresholds (its index), or None without boxes.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    images: tuple[str, ...]
    curve: pd.DataFrame | None
    boxed: list[measures.Measure] = field(repr=False, default_factory=list)
    masked: list[measures.Measure] = field(repr=False, default_factory=list)

    def __str__(self) -> str:
        return "\n".join([as_text(self.table), *self.notes])

    def to_json(self) -> str:
        return as_json(self.table, self.notes)

    def value(self, score: str, rule: str | None = None) -> float:
        """The value of one row; ``rule`` where a score has several."""
        rows = self.table[self.table.score.eq(score)]
        rows = rows if rule is None else rows[rows.rule.eq(rule)]
        if len(rows) != 1:
            raise ValueError(f"{len(rows)} rows are {score!r} under {rule!r}: see the table")
        return float(rows.value.iloc[0])


def as_text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, na_rep="", float_format="{:.4f}".format)


def as_json(table: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """``{"scores": [row, ..], "notes": [..]}``; NaN is null."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return json.dumps({"scores": rows, "notes": list(notes)}, indent=1) + "\n"


class Outcome(NamedTuple):
    """What one map is worth: ``hits`` (2, 3, T) bool, rule by IoU by threshold, and those (S,) of a
    centred box of each side; ``counts`` (2, B) of fore- and background by score; None without."""

    hits: np.ndarray | None
    centre: np.ndarray | None
    counts: np.ndarray | None
    kind: str | None
    constant: bool
    invalid: bool


def score(
    maps,
    truth,
    masks=None,
    images=None,
    classes=None,
    predictions=None,
    threshold: float = SIGMA,
    carried: float | Path | str | None = None,
    thresholds: int = 1000,
    size: int | tuple[int, int] = 224,
    partial: bool = False,
    samples: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> Scores:
    """Score maps against boxes, masks, or both.

    Args:
        maps: a folder or ``.npz`` as :mod:`.mapfiles` has it, or {name: map (h, w)}. A name is an
            image of the truth by its path or the end of it, with or without the file's ending;
            below a folder with the name of a class, a map of this class.
        truth: boxes (CSV, COCO, VOC XML), a folder of masks, or one of the public evaluation
            code's lists, as :mod:`.truth` has them.
        masks: folder of masks beside boxes, or that of the masks which public lists name.
        images: folder of the pictures, where the boxes do not say how large these are.
        classes: table ``value,name`` of palette masks and of the public lists' class numbers.
        predictions: CSV ``image,class_1,..,class_5`` for the scores that ask for the class; with a
            column ``label`` where the truth does not say it.
        threshold: the fixed one, in 0..1.
        carried: a threshold that other images chose, or the JSON of a ``score`` on those.
        thresholds: how many; PxAP has as many bins.
        size: to which maps, masks and boxes are brought: side, or (H, W).
        partial: score what has both map and truth, where otherwise a map or an image alone is
            refused.
        samples, seed: of the bootstrap over images; 0 for none.

    Raises:
        ValueError: maps, truth and predictions that do not fit each other, or are none.
        StorageError: files that are missing or unreadable.
    """
    if samples < 0:
        raise ValueError(f"samples={samples}: give how many of the bootstrap, 0 for none")
    known = truth if isinstance(truth, Truth) else read_truth(truth, masks, images, classes, size)
    fixed = {"fixed": threshold} | ({} if carried is None else {"carried": threshold_of(carried)})
    threshold_list(list(fixed.values()))
    pairs, notes = paired(maps, known, partial)
    # Maps have 255 levels: of thresholds that cut all maps alike, the smallest stands for them.
    taus = threshold_list(thresholds)
    grid = taus[np.unique((taus * 255).astype(int), return_index=True)[1]]
    every, rows = np.append(grid, list(fixed.values())), []
    title = "maps" if progress else ""
    read_all(pairs, lambda pair: outcome(pair, known, every, 1 / thresholds), title, rows.append)
    boxed = [row for row in rows if row.hits is not None]
    masked = [row for row in rows if row.counts is not None]
    on_boxes, on_masks, curve = [], [], None
    if boxed:
        own = [pair for pair, row in zip(pairs, rows, strict=True) if row.hits is not None]
        shares = metrics.box_shares([known.boxes_of(*pair[:2]) for pair in own], known.size)
        names = [pair.image for pair in own]
        right = {} if predictions is None else read_right(predictions, names, known)
        hits, centre = (np.stack([row[part] for row in boxed]) for part in (0, 1))
        on_boxes = measures.of_boxes(hits, centre, grid, fixed, shares, right)
        curve = _curve(hits[..., : len(grid)], grid)
    elif predictions is not None:
        raise ValueError("predictions are for boxes and classes together, and there are no boxes")
    if masked:
        counts = np.stack([row.counts for row in masked])
        shares = counts[:, 0].sum(axis=1) / np.prod(known.size)
        on_masks = measures.of_pixels(counts, [row.kind for row in masked], shares)
    if not rows or not (boxed or masked):
        raise ValueError("no map is of an image with a box or a mask: there is nothing to score")
    table = [measures.table(own, samples, seed) for own in (on_boxes, on_masks) if own]
    for what, of in {
        "hold NaN or infinite values and are scored as zeros": [row.invalid for row in rows],
        "are the same everywhere": [row.constant for row in rows],
        "are of images without a box or mask and are left out": [
            row.hits is None and row.counts is None for row in rows
        ],
    }.items():
        notes += [f"{sum(of)} of {len(rows)} maps {what}"] if any(of) else []
    images = tuple(pair.image for pair in pairs)
    return Scores(
        pd.concat(table, ignore_index=True), tuple(notes), images, curve, on_boxes, on_masks
    )


def outcome(pair: Pair, truth: Truth, taus: np.ndarray, step: float) -> Outcome:
    """Score one map. ValueError: it is no map; its truth cannot be; the message names the image."""
    cam, hits, centre, counts = pair.read(), None, None, None
    kind = pair.kind or truth.labels.get(pair.image)
    constant, invalid = bool(cam.min() == cam.max()), not np.isfinite(cam).all()
    cam = np.zeros((1, 1)) if invalid else cam
    boxes = truth.boxes_of(pair.image, pair.kind)
    try:
        if len(boxes):
            ious, *_ = map_ious(cam, check_boxes(boxes, truth.size, 0), taus, RULES, truth.size)
            hits = ious[:, None] >= np.array(IOUS)[:, None]
            centre = metrics.centre_box_baseline([boxes], truth.size, [0.5]).counts[0] > 0
        if pair.image in truth.files:
            pool = metrics.PixelAveragePrecision(step, truth.size)
            mask, ignore = truth.mask_of(pair.image, kind)
            pool.update(cam, mask, ignore)
            counts = np.array([pool.foreground, pool.background], np.int32)
    except ValueError as error:
        raise ValueError(f"{pair.image}: {error}") from error
    return Outcome(hits, centre, counts, kind, constant, invalid)


def _curve(hits: np.ndarray, grid: np.ndarray) -> pd.DataFrame:
    """BoxAcc over the thresholds, a column a rule and IoU."""
    curves = {f"largest contour, IoU {IOUS[1]}": hits[:, 0, 1].mean(axis=0)}
    curves |= {f"all contours, IoU {d}": hits[:, 1, i].mean(axis=0) for i, d in enumerate(IOUS)}
    return pd.DataFrame(curves, index=pd.Index(grid, name="threshold"))


def threshold_of(source: float | Path | str) -> float:
    """A threshold, or the one that ``max_box_acc`` has in the JSON of a ``score``."""
    with contextlib.suppress(ValueError, TypeError):
        return float(source)
    content = read_bytes(Path(source).expanduser())
    if content is None:
        raise StorageError(f"{source} is not there: give the JSON of a score on other images")
    try:
        rows = json.loads(content)["scores"]
        return float(next(row["threshold"] for row in rows if row["score"] == "max_box_acc"))
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise ValueError(
            f"{source} says no threshold: give what score --json wrote for boxes of other images"
        ) from error


def compare(first: Scores, second: Scores, samples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Change from ``first`` to ``second``, maps of the same images: both are scored on the same
    draws of images, so that what makes an image easy for both drops out.

    Returns a row a score that both have: score, rule, first, second, change, low, high (95 %
    bootstrap), num_images. Oracles choose anew in each draw. ValueError: other images.
    """
    if first.images != second.images:
        other = sorted(set(first.images) ^ set(second.images))
        raise ValueError(
            f"the two sets are of other images, such as {other[0] if other else first.images[0]}: "
            "give both maps of the same images"
        )
    tables = []
    for own, its in ((first.boxed, second.boxed), (first.masked, second.masked)):
        others = {(one.score, one.rule): one for one in its}
        pairs = [(one, others[key]) for one in own if (key := (one.score, one.rule)) in others]
        tables.append(measures.changes(pairs, samples, seed))
    return pd.concat([one for one in tables if len(one)], ignore_index=True)
