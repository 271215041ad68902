"""Scores by the size of the object: groups by hand, and the groups add up to the whole."""

import numpy as np
import pytest

from entreg_utils.metrics import (
    box_accuracy,
    box_accuracy_by_size,
    box_shares,
    size_groups,
)


def test_shares_and_groups_by_hand():
    boxes = [[[0, 0, 9, 9]], [[0, 0, 4, 9], [0, 0, 0, 0]], [3, 3, 3, 3]]
    assert box_shares(boxes, 10).tolist() == [1.0, 0.5, 0.01]
    assert box_shares([[0, 0, 4, 1]], (2, 10)).tolist() == [0.5]
    groups = size_groups([0.0, 0.19, 0.2, 0.39, 0.4, 1.0])
    assert groups.tolist() == ["small"] * 2 + ["medium"] * 2 + ["large"] * 2
    assert size_groups([0.3], edges=(0.01, 0.1)).tolist() == ["large"]
    for edges in ((0.4, 0.2), (0.2,), (0, 0.5), (0.5, 1)):
        with pytest.raises(ValueError, match="two rising shares"):
            size_groups([0.3], edges)
    with pytest.raises(ValueError, match=r"values in 0\.\.1"):
        size_groups([30])


def scene(side, peak):
    """An object of ``side`` pixels at the upper left of 20 x 20, its brightest part a corner."""
    cam = np.zeros((20, 20))
    cam[:side, :side] = 0.3
    cam[:peak, :peak] = 1
    return cam


def test_an_average_hides_the_small_objects():
    # Large objects want a low threshold, small ones (with a halo) a high one; most are large.
    cams = [scene(18, 6)] * 3 + [scene(14, 5)]
    boxes = [[0, 0, 18, 18]] * 3 + [[0, 0, 5, 5]]
    result = box_accuracy_by_size(cams, boxes, size=20)
    assert list(result.groups) == ["small", "large"]
    table = result.table()
    assert table.loc["all", ["images", "share"]].tolist() == [4, 1]
    assert table.loc["small"].tolist() == [1, 0.25, 0.0, 1.0]
    assert table.loc["large"].tolist() == [3, 0.75, 1.0, 1.0]
    assert table.loc["all", "box_acc"] == table.loc["all", "own_max"] == 0.75
    whole = box_accuracy(cams, boxes, size=20)
    assert np.array_equal(result.overall.counts, whole.counts)


def test_results_of_parts_add_up_to_that_of_the_whole():
    cams = [scene(18, 6), scene(14, 5), scene(18, 6), np.full((20, 20), np.nan)]
    boxes = [[0, 0, 18, 18], [0, 0, 5, 5], [0, 0, 18, 18], [0, 0, 10, 9]]
    with pytest.warns(RuntimeWarning, match="1 of 4 maps hold NaN") as caught:
        whole = box_accuracy_by_size(cams, boxes, size=20)
    assert len(caught) == 1  # not once a group
    with pytest.warns(RuntimeWarning, match="1 of 1"):
        parts = [box_accuracy_by_size([c], [b], size=20) for c, b in zip(cams, boxes, strict=True)]
    added = sum(parts)
    assert list(added.groups) == list(whole.groups) == ["small", "medium", "large"]
    for name in whole.groups:
        assert np.array_equal(added.groups[name].counts, whole.groups[name].counts)
    assert added.table().equals(whole.table()) and added.overall.num_invalid == 1
    with pytest.raises(ValueError, match="their edges are the same"):
        whole + box_accuracy_by_size(cams[:1], boxes[:1], size=20, edges=(0.1, 0.2))
