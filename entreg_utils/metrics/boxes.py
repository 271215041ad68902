"""How often the boxes are right: BoxAcc, MaxBoxAcc, MaxBoxAccV2 (Choe et al., CVPR 2020; V2 in
the journal version, TPAMI 2022).

    BoxAcc(tau, delta) = share of images in which some box at tau meets some true box, IoU >= delta,

``tau`` is one threshold of the maps for the whole data set, and sides count as ``x1 - x0 + 1``.
MaxBoxAcc is the maximum over tau at delta 0.5 with largest contours; MaxBoxAccV2 the mean over
delta 0.3, 0.5, 0.7 of each one's own maximum, with all contours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from entreg_utils.ahead import ahead
from entreg_utils.cam.scaling import Size, check_normalization
from entreg_utils.fields import plain_numbers
from entreg_utils.metrics.contours import check_rule, level_of, threshold_list
from entreg_utils.metrics.maps import Summable, check_maps, score_map, warn_invalid
from entreg_utils.metrics.overlap import check_boxes, iou_list, iou_matrix
from entreg_utils.metrics.trees import all_boxes, framed, highest, largest_boxes


@dataclass(frozen=True)
class BoxAccuracy(Summable):
    """BoxAcc at every IoU threshold (rows) and score threshold (columns), and its maxima.

    ``counts`` (D, T) int64: images correct at each of ``iou_thresholds`` (D,) and of ``thresholds``
    (T,), the score thresholds tau as fractions of the map's maximum. ``num_images``: scored;
    ``num_constant`` maps without contrast (see :func:`.score_map`); ``num_invalid`` with NaN or
    infinite values, scored as zeros. ``contours``: ``"largest"``, ``"all"``; None without maps.
    """

    counts: np.ndarray
    iou_thresholds: np.ndarray
    thresholds: np.ndarray
    num_images: int
    num_constant: int = 0
    num_invalid: int = 0
    contours: str | None = None

    def _plus(self, other: BoxAccuracy) -> BoxAccuracy:
        """Counts of both sets of images add up, maxima are taken of the sum.
        ValueError: the two were scored at different thresholds or contours."""
        for name in ("iou_thresholds", "thresholds", "contours"):
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                raise ValueError(f"two results add up only when their {name} are the same")
        added = ("counts", "num_images", "num_constant", "num_invalid")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in added})

    @property
    def curve(self) -> np.ndarray:
        """(D, T) BoxAcc(tau, delta) in 0..1."""
        return self.counts / self.num_images

    @property
    def max(self) -> np.ndarray:
        """(D,) maximum of each curve over tau, in 0..1, chosen on these images."""
        return self.curve.max(axis=1)

    @property
    def best_threshold(self) -> np.ndarray:
        """(D,) the smallest tau that reaches :attr:`max`."""
        return self.thresholds[self.counts.argmax(axis=1)]

    @property
    def max_box_acc(self) -> float:
        """MaxBoxAcc: the maximum over tau at IoU 0.5 (the paper takes largest contours here)."""
        return float(self.max[self._row(0.5)])

    @property
    def max_box_acc_v2(self) -> float:
        """MaxBoxAccV2: mean over the IoU thresholds of each one's own maximum over tau."""
        return float(self.max.mean())

    def at(self, threshold: float, iou: float = 0.5) -> float:
        """BoxAcc in 0..1 at the listed score threshold nearest to ``threshold``."""
        column = np.abs(self.thresholds - threshold).argmin()
        return float(self.curve[self._row(iou), column])

    def threshold_at(self, iou: float = 0.5) -> float:
        """The smallest tau that is best for this IoU: what a validation set carries over."""
        return float(self.best_threshold[self._row(iou)])

    def _row(self, iou: float) -> int:
        rows = np.flatnonzero(np.isclose(self.iou_thresholds, iou))
        if not len(rows):
            raise ValueError(f"IoU {iou} was not scored; add it to iou_thresholds")
        return int(rows[0])


@plain_numbers
def box_accuracy(
    cams,
    boxes,
    contours: str = "largest",
    iou_thresholds: Sequence[float] = (0.3, 0.5, 0.7),
    thresholds: int | Sequence[float] = 1000,
    size: Size = 224,
    threads: int | None = None,
    normalization: str = "minmax",
    percentile: float | None = None,
) -> BoxAccuracy:
    """Share of images whose box is right, for every threshold of the map and of the IoU.

    Args:
        cams: (N, h, w) raw maps, array or tensor (or a sequence of N maps of any shape). One with
            NaN or infinite values counts as an all-zero map, with one warning for all of them.
        boxes: true boxes in pixels of ``size``, x0, y0, x1, y1: an (N, 4) array or tensor, or a
            sequence of N arrays (n_i, 4). See :func:`rescale_boxes` for boxes at another size.
        contours: ``"largest"`` (MaxBoxAcc) or ``"all"``, hole contours included (MaxBoxAccV2).
        iou_thresholds: the deltas, in 0..1.
        thresholds: how many, ``tau_i = i / thresholds``, or the taus themselves, in 0..1.
        size: side of the square the maps are resized to, or ``(height, width)``.
        threads: images scored side by side; default: a thread for each core that the process may
            use, no more than ``OMP_NUM_THREADS``. Of maps that are read as they are asked for, two
            a thread are in memory.
        normalization, percentile: as in :func:`entreg_utils.cam.normalize`; the protocol's is
            ``minmax``.

    ValueError: shapes that disagree; a box with x1 < x0, or outside the map; an image without a
    box; an unknown contour rule or normalization; thresholds of either kind outside 0..1.
    """
    taus, deltas = threshold_list(thresholds), iou_list(iou_thresholds)
    rows = iou_rows(cams, boxes, taus, contours, size, threads, (normalization, percentile))
    return count_by_group(rows, [""] * len(cams), deltas, taus, contours)[""]


def count_by_group(
    rows: Iterator[tuple[np.ndarray, bool, bool]], groups: Sequence[str], deltas, taus, contours
) -> dict[str, BoxAccuracy]:
    """A result a group, of ``rows`` as :func:`iou_rows` gives them; ``groups``: that of each."""
    found = {}
    for group, (ious, is_flat, is_invalid) in zip(groups, rows, strict=True):
        if group not in found:
            found[group] = [np.zeros((len(deltas), len(taus)), dtype=np.int64), 0, 0, 0]
        own = found[group]
        own[0] += ious >= deltas[:, None]
        own[1:] = own[1] + 1, own[2] + is_flat, own[3] + is_invalid
    return {
        group: BoxAccuracy(counts, deltas, taus, *numbers, contours)
        for group, (counts, *numbers) in found.items()
    }


@plain_numbers
def iou_curves(
    cams,
    boxes,
    contours: str = "largest",
    thresholds: int | Sequence[float] = 1000,
    size: Size = 224,
    threads: int | None = None,
    normalization: str = "minmax",
    percentile: float | None = None,
) -> np.ndarray:
    """(N, T) float64: each image's best IoU at each score threshold; arguments as above.

    What :func:`box_accuracy` counts, image by image, for intervals over images. 8 N T bytes."""
    taus = threshold_list(thresholds)
    rows = iou_rows(cams, boxes, taus, contours, size, threads, (normalization, percentile))
    found = np.empty((len(cams), len(taus)))
    for own, (ious, _, _) in zip(found, rows, strict=True):
        own[:] = ious[0]
    return found


def iou_rows(
    cams, boxes, taus, contours, size, threads, normalization=("minmax", None)
) -> Iterator[tuple[np.ndarray, bool, bool]]:
    """What :func:`map_ious` gives of each map, in their order; all is checked before the first, and
    what was invalid is said behind the last."""
    check_rule(contours)
    check_normalization(*normalization)
    check_maps(cams, boxes=boxes)
    true_boxes = [check_boxes(own, size, index) for index, own in enumerate(boxes)]

    def row(pair) -> tuple[np.ndarray, bool, bool]:
        return map_ious(*pair, taus, [contours], size, normalization)

    # Threads suffice: OpenCV and the compiled loops let go of the interpreter.
    pairs = zip(cams, true_boxes, strict=True)
    rows = ahead(row, pairs, threads, "scoring boxes", total=len(true_boxes))

    def said() -> Iterator[tuple[np.ndarray, bool, bool]]:
        invalid = 0
        for found in rows:
            invalid += found[2]
            yield found
        warn_invalid(invalid, len(true_boxes))

    return said()


def map_ious(
    cam, true, taus, rules: Sequence[str], size: Size, normalization=("minmax", None)
) -> tuple[np.ndarray, bool, bool]:
    """The row of :func:`iou_curves` of one map under each contour rule, (R, T) float64, and whether
    the map is constant and invalid, see :func:`.score_map`; ``true`` as of :func:`.check_boxes`.

    Of its time for a usual map of 224x224 under the largest contour about a third goes into resize,
    stretch and levels, two fifths into the tree; under all contours there are two trees, of objects
    and of holes. Each tree looks at every pixel's neighbours, which no preparation does.
    """
    rows, levels, constant, invalid = map_boxes(cam, taus, rules, size, normalization)
    return level_ious(rows, true)[:, levels], constant, invalid


def map_boxes(
    cam, taus, rules: Sequence[str], size: Size, normalization=("minmax", None)
) -> tuple[list[np.ndarray], np.ndarray, bool, bool]:
    """The rows of :func:`.largest_boxes` or :func:`.all_boxes` of one map under each rule, the
    level of each of ``taus``, and whether the map is constant and invalid."""
    scores, constant, invalid = score_map(cam, size, *normalization)
    fine = framed(scores)
    rows = [largest_boxes(fine) if rule == "largest" else all_boxes(fine) for rule in rules]
    return rows, level_of(taus, fine.max() >> 8), constant, invalid


def level_ious(rows: list[np.ndarray], true: np.ndarray) -> np.ndarray:
    """The best IoU at each level, (R, 256) float64, of what :func:`map_boxes` found."""
    return np.stack([highest(own, iou_matrix(own[:, :4], true).max(axis=1)) for own in rows])
