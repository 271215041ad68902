"""``score(maps, truth)``: the field's numbers for maps that exist, with their baselines and ends.

Protocol: each map is resized to ``size``, then min-max normalised (a map of zeros for NaN); boxes
at IoU 0.5 from the largest contour, V2 from all contours at IoU 0.3, 0.5, 0.7; pixels over all
thresholds, pooled. Maps are read one at a time; what stays is some 10 kB an image.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from entreg_utils import metrics
from entreg_utils.data.decoding import read_all
from entreg_utils.fields import plain, plain_numbers, whole
from entreg_utils.files import parsed, read_bytes
from entreg_utils.metrics.boxes import map_ious
from entreg_utils.metrics.contours import MOST_THRESHOLDS, threshold_list
from entreg_utils.metrics.overlap import check_boxes
from entreg_utils.metrics.pixels import pool_of
from entreg_utils.score import measures
from entreg_utils.score.pairs import Pair, Truth, paired, read_right, read_truth

RULES, IOUS = ("largest", "all"), (0.3, 0.5, 0.7)
SIGMA = 0.15  # the papers' fixed threshold


@dataclass(frozen=True)
class Scores:
    """Scores of one set of maps.

    ``table``: a row a score, see :data:`.measures.COLUMNS`; values in 0..1; thresholds as shares of
    a map's maximum, of ``centre_box`` the side as a share of the frame. ``notes``: sentences about
    maps and images that are not as others. ``images``: the names of what was scored, in the order
    of the truth. ``curve``: BoxAcc over the thresholds (its index); None without boxes, and of two
    sets. ``draws``: the values of each score, by name and rule, over the draws of images, of which
    ``drawn`` says samples and seed.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]
    images: tuple[str, ...]
    curve: pd.DataFrame | None
    draws: dict[tuple[str, str], np.ndarray] = field(repr=False)
    drawn: tuple[int, int]

    def __str__(self) -> str:
        table = self.table.to_string(index=False, na_rep="", float_format="{:.4f}".format)
        return "\n".join([table, *self.notes])

    def to_json(self) -> str:
        """``{"scores": [row, ..], "notes": [..]}``; NaN is null."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        return json.dumps({"scores": rows, "notes": self.notes}, indent=1) + "\n"

    def value(self, score: str, rule: str | None = None) -> float:
        """The value of one row; ``rule`` where a score has several."""
        rows = self.table[self.table.score.eq(score)]
        rows = rows if rule is None else rows[rows.rule.eq(rule)]
        if len(rows) != 1:
            raise ValueError(f"{len(rows)} rows are {score!r} under {rule!r}: see the table")
        return float(rows.value.iloc[0])


@plain_numbers
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
) -> Scores:
    """Score maps against boxes, masks, or both.

    Args:
        maps: a folder or ``.npz`` as :mod:`.pairs` has it, or {name: map (h, w)}. A name is an
            image of the truth by its path or the end of it, with or without the file's ending;
            below a folder with the name of a class, a map of this class.
        truth: boxes (CSV, COCO, VOC XML), a folder of masks, or one of the public evaluation
            code's lists, as :mod:`.pairs` has them.
        masks: folder of masks beside boxes, or that of the masks which public lists name.
        images: folder of the pictures, where the boxes do not say how large these are.
        classes: table ``value,name`` of palette masks and of the public lists' class numbers.
        predictions: CSV ``image,class_1,..,class_5`` for the scores that ask for the class; with a
            column ``label`` where the truth does not say it.
        threshold: the fixed one, in 0..1.
        carried: a threshold that other images chose, or the JSON of a ``score`` on those.
        thresholds: how many; PxAP has as many bins.
        size: to which maps, masks and boxes are brought: side, or (H, W), at least 2.
        partial: score what has both map and truth, where otherwise a map or an image alone is
            refused.
        samples, seed: of the bootstrap over images; 0 for none.

    Raises:
        ValueError: maps, truth and predictions that do not fit each other, or are none.
        StorageError: files that are missing or unreadable.
    """
    samples, seed = whole("samples", samples, 0, 10**6), whole("seed", seed, 0)
    thresholds = whole("thresholds", thresholds, 1, MOST_THRESHOLDS)
    known = truth if isinstance(truth, Truth) else read_truth(truth, masks, images, classes, size)
    fixed = {"fixed": plain("threshold", float, threshold)}
    fixed |= {} if carried is None else {"carried": threshold_of(carried)}
    taus = threshold_list(thresholds)
    # Maps have 255 levels: of thresholds that cut all maps alike, the smallest stands for them.
    grid = taus[np.unique((taus * 255).astype(int), return_index=True)[1]]
    taus = np.append(grid, threshold_list(list(fixed.values())))
    pairs, notes = paired(maps, known, partial)
    boxed = [index for index, pair in enumerate(pairs) if len(pair.boxes)]
    masked = [index for index, pair in enumerate(pairs) if pair.mask]
    if predictions is not None and not boxed:
        raise ValueError("predictions are for boxes and classes together, and there are no boxes")
    named = [pairs[index].image for index in boxed]
    right = {} if predictions is None else read_right(predictions, named, known)
    outcomes = read_all(pairs, lambda own: outcome(own, known.size, taus, 1 / thresholds), "maps")
    hits, counts, constant, invalid = zip(*outcomes, strict=True)
    odd = {"hold NaN or infinite values and are scored as zeros": sum(invalid)}
    odd |= {"are the same everywhere": sum(constant)}
    notes += [f"{many} of {len(pairs)} maps {what}" for what, many in odd.items() if many]
    parts, curve = [], None
    if boxed:
        boxes, hits = [pairs[i].boxes for i in boxed], np.stack([hits[i] for i in boxed])
        centre = [metrics.centre_box_baseline([one], known.size, [0.5]).counts[0] for one in boxes]
        shares = metrics.box_shares(boxes, known.size)
        given = hits, np.array(centre, bool), taus, list(fixed), shares, right
        parts.append((boxed, measures.of_boxes, given))
        accuracy = hits[..., : len(grid)].mean(axis=0)
        curves = {f"largest contour, IoU {IOUS[1]}": accuracy[0, 1]}
        curves |= {f"all contours, IoU {iou}": accuracy[1, i] for i, iou in enumerate(IOUS)}
        curve = pd.DataFrame(curves, index=pd.Index(grid, name="threshold"))
    if masked:
        counts = np.stack([counts[i] for i in masked])
        if not counts[:, 0].any():
            raise ValueError("no foreground pixel in any mask: PxAP is undefined; check the masks")
        shares = counts[:, 0].sum(axis=1) / np.prod(known.size)
        given = counts, [pairs[i].kind for i in masked], shares
        parts.append((masked, measures.of_pixels, given))
    names = tuple(pair.image for pair in pairs)
    table, draws = measures.table(parts, len(pairs), samples, seed)
    return Scores(table, tuple(notes), names, curve, draws, (samples, seed))


def outcome(pair: Pair, size, taus: np.ndarray, step: float, rules=RULES, ious=IOUS) -> tuple:
    """What one map is worth: hits (R, D, T) bool, rule by IoU by threshold; counts (2, B) of
    foreground and background pixels by score; None without; whether it is constant, and invalid.

    ValueError, which names the image: it is no map, or its truth cannot be.
    """
    cam, hits, counts = pair.read(), None, None
    try:
        if len(pair.boxes):
            best, *flags = map_ious(cam, check_boxes(pair.boxes, size, 0), taus, rules, size)
            hits = best[:, None] >= np.array(ious)[:, None]
        if pair.mask:
            pool = pool_of(cam, *pair.mask(), step, size)
            counts = np.array([pool.foreground, pool.background], np.float32)  # exact to 2^24
            flags = pool.num_constant, pool.num_invalid
    except ValueError as error:
        raise ValueError(f"{pair.image}: {error}") from error
    return hits, counts, *flags


def threshold_of(source: float | Path | str) -> float:
    """A threshold, or the one that ``max_box_acc`` has in the JSON of a ``score``."""
    if not isinstance(source, str | Path):
        return plain("threshold", float, source)
    try:
        rows = parsed(read_bytes(source) or b"")["scores"]
        return float(next(row["threshold"] for row in rows if row["score"] == "max_box_acc"))
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise ValueError(
            f"{source} says no threshold: give what score --json wrote for boxes of other images"
        ) from error


def compare(first: Scores, second: Scores) -> Scores:
    """Change from ``first`` to ``second``, maps of the same images: both are scored on the same
    draws of images, so that what makes an image easy for both drops out.

    Its table has a row a score that both have: score, rule, first, second, change, low, high (95 %
    bootstrap), num_images. Oracles choose anew in each draw. ValueError: other images, or draws.
    """
    if first.images != second.images or first.drawn != second.drawn:
        strange = sorted(set(first.images) ^ set(second.images)) or first.images
        raise ValueError(
            f"the two sets are of other images or draws, such as {strange[0]}: give both maps of "
            "the same images, the same samples and seed"
        )
    both = first.table.merge(second.table, on=["score", "rule"], suffixes=("", "_after"))
    keys = [*zip(both.score, both.rule, strict=True)]
    draws = {key: second.draws[key] - first.draws[key] for key in keys}
    ends = [measures.ends(own) for own in draws.values()]
    both["low"], both["high"] = [low for low, _ in ends], [high for _, high in ends]
    both = both.rename(columns={"value": "first", "value_after": "second"})
    both["change"] = both["second"] - both["first"]
    names = ["score", "rule", "first", "second", "change", "low", "high", "num_images"]
    notes = tuple(dict.fromkeys(first.notes + second.notes))
    return Scores(both[names], notes, first.images, None, draws, first.drawn)
