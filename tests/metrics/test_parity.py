"""Equal to the public evaluation code, on maps of our own that every clone has.

``data/parity.npz``: 24 maps of networks on the drawn world, 16 generated and 3 constant ones, and
what that code answers: the best IoU at 1,000 thresholds under both contour rules, and PxAP.
"""

from pathlib import Path

import numpy as np
import pytest

from entreg_utils import metrics

FILE = Path(__file__).parent / "data" / "parity.npz"


@pytest.fixture(scope="module")
def parity():
    with np.load(FILE) as stored:
        return dict(stored)


def listed(parity, name):
    return [parity[f"{name}_{index:02d}"] for index in range(43)]


@pytest.mark.parametrize("contours", ["largest", "all"])
def test_every_iou_at_every_threshold(parity, contours):
    cams, boxes = listed(parity, "cam"), listed(parity, "boxes")
    curves = metrics.iou_curves(cams, boxes, contours)
    assert curves.shape == (43, 1000)
    assert np.array_equal(curves, parity[f"iou_{contours}"])
    result = metrics.box_accuracy(cams, boxes, contours)
    for delta, counts in zip((0.3, 0.5, 0.7), result.counts, strict=True):
        assert np.array_equal(counts, (parity[f"iou_{contours}"] >= delta).sum(axis=0))
    assert result.num_constant == (parity["kinds"] == "constant").sum() == 3


@pytest.mark.parametrize("contours", ["largest", "all"])
def test_single_boxes_give_the_same_ious(parity, contours):
    cams, boxes = listed(parity, "cam"), listed(parity, "boxes")
    for column in (0, 150, 500, 999):
        found = [
            metrics.box_iou(metrics.boxes_at(cam, column / 1000, contours), own).max()
            for cam, own in zip(cams, boxes, strict=True)
        ]
        assert found == parity[f"iou_{contours}"][:, column].tolist()


@pytest.mark.parametrize(("column", "step"), [(0, 0.001), (1, 0.01)])
def test_pxap_at_both_steps(parity, column, step):
    masks, ignore = (np.unpackbits(parity[name], axis=-1) for name in ("masks", "ignore"))
    score = metrics.pixel_average_precision(listed(parity, "cam"), masks, ignore, step)
    assert score == pytest.approx(parity["pxap"][column], abs=1e-15)
