"""Scores by the size of the object: an average over all images hides what happens to small ones.

An object's size is the share of the frame that its true box (or its mask) covers. The default
edges, 0.2 and 0.4, split the CUB test list into about a quarter, two fifths and a third. A group is
scored at the threshold that is best for all images, and its own maximum stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entreg_utils.cam.scaling import Size, as_array, height_width
from entreg_utils.fields import plain_numbers
from entreg_utils.metrics.boxes import BoxAccuracy, count_by_group, iou_rows
from entreg_utils.metrics.contours import threshold_list
from entreg_utils.metrics.maps import Summable, check_maps, count_of
from entreg_utils.metrics.overlap import check_boxes, iou_list

GROUPS = ("small", "medium", "large")
EDGES = (0.2, 0.4)


@dataclass(frozen=True)
class SizeAccuracy(Summable):
    """Box accuracy of each size group that occurs, ``groups[name]``, and of all images together.
    ``edges``: shares of the frame where a group ends and the next begins."""

    groups: dict[str, BoxAccuracy]
    overall: BoxAccuracy
    edges: tuple[float, float] = EDGES

    def _plus(self, other: SizeAccuracy) -> SizeAccuracy:
        """Over both sets of images. ValueError: other edges, thresholds or contours."""
        if not np.array_equal(self.edges, other.edges):
            raise ValueError("two results add up only when their edges are the same")
        groups = {
            name: sum(own.groups[name] for own in (self, other) if name in own.groups)
            for name in GROUPS
            if name in self.groups | other.groups
        }
        return SizeAccuracy(groups, self.overall + other.overall, self.edges)

    def table(self, iou: float = 0.5):
        """DataFrame, a row a group and one for all: ``images``, ``share`` of them, ``box_acc`` at
        the common threshold (best for all images, an oracle), ``own_max`` at the group's own, both
        in 0..1."""
        common = self.overall.threshold_at(iou)
        rows = {
            name: {
                "images": result.num_images,
                "share": result.num_images / self.overall.num_images,
                "box_acc": result.at(common, iou),
                "own_max": result.at(result.threshold_at(iou), iou),
            }
            for name, result in (self.groups | {"all": self.overall}).items()
        }
        import pandas as pd  # half the time of importing this room

        return pd.DataFrame.from_dict(rows, orient="index")


@plain_numbers
def box_shares(boxes, size: Size = 224) -> np.ndarray:
    """(N,) share of the frame, 0..1, that the largest true box of each image covers.

    Sides count both ends. ``boxes`` and errors as in :func:`~entreg_utils.metrics.box_accuracy`.
    """
    count_of(boxes=boxes)
    height, width = height_width(size)
    shares = []
    for index, own in enumerate(boxes):
        checked = check_boxes(own, size, index)
        shares.append((checked[:, 2:] - checked[:, :2] + 1).prod(axis=1).max() / (height * width))
    return np.array(shares)


def size_groups(shares, edges: Sequence[float] = EDGES) -> np.ndarray:
    """(N,) of ``"small"``, ``"medium"``, ``"large"``: below, between, from the two edges on.
    ValueError: edges that are not two rising shares in (0, 1), or shares outside 0..1."""
    shares = as_array(shares, "shares").astype(np.float64)
    edges = as_array(edges, "edges").astype(np.float64)
    if edges.shape != (2,) or not 0 < edges[0] < edges[1] < 1:
        raise ValueError(f"edges must be two rising shares of the frame in (0, 1), got {edges}")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("sizes are shares of the frame: give values in 0..1")
    return np.array(GROUPS)[np.searchsorted(edges, shares, side="right")]


@plain_numbers
def box_accuracy_by_size(
    cams,
    boxes,
    contours: str = "largest",
    size: Size = 224,
    edges: Sequence[float] = EDGES,
    iou_thresholds: Sequence[float] = (0.3, 0.5, 0.7),
    thresholds: int | Sequence[float] = 1000,
    threads: int | None = None,
) -> SizeAccuracy:
    """:func:`~entreg_utils.metrics.box_accuracy` for small, medium and large objects, in one pass.

    ``edges`` as in :func:`size_groups`, of the largest true box of an image; the rest as there.
    """
    check_maps(cams, boxes=boxes)
    groups = size_groups(box_shares(boxes, size), edges).tolist()
    taus, deltas = threshold_list(thresholds), iou_list(iou_thresholds)
    rows = iou_rows(cams, boxes, taus, contours, size, threads)
    found = count_by_group(rows, groups, deltas, taus, contours)
    found = {name: found[name] for name in GROUPS if name in found}
    return SizeAccuracy(found, sum(found.values()), tuple(map(float, edges)))
