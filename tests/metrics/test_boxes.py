"""How often boxes are right, by hand, and against the public evaluation code on real maps."""

import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from entreg_utils.cam import normalize, upsample
from entreg_utils.metrics import (
    box_accuracy,
    box_accuracy_by_size,
    box_iou,
    boxes_at,
    iou_curves,
    localisation,
    rescale_boxes,
)
from entreg_utils.metrics.contours import mask_boxes

SHARED = Path(__file__).parents[2] / ".." / "shared"
needs_reference = pytest.mark.skipif(
    not (SHARED / "reference" / "box_reference.npz").exists(), reason="reference maps not here"
)

# A map of 4 columns and 3 rows: a plateau at the top left, and its maximum alone at bottom right.
MAP = np.array([[0.6, 0.6, 0.2, 0.0], [0.6, 0.8, 0.2, 0.0], [0.0, 0.0, 0.0, 1.0]])


def test_a_perfect_blob_does_not_score_one_under_the_inclusive_convention():
    scene = np.zeros((40, 40))
    scene[15:25, 15:25] = 1
    (box,) = boxes_at(scene, 0.5, size=40).tolist()
    assert box == [15, 15, 25, 25]  # ten wide, and counted as eleven: 25 - 15 + 1
    assert box_iou([box], [[15, 15, 24, 24]]).item() == 100 / 121  # truth with its last pixel
    assert box_iou([box], [[15, 15, 25, 25]]).item() == 1.0  # truth as x0 + w


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 1], 1.0),
        ([0, 0, 1, 1], [1, 1, 2, 2], 1 / 7),  # the shared corner pixel counts
        ([0, 0, 1, 1], [2, 2, 3, 3], 0.0),
        ([0, 0, 9, 0], [0, 0, 4, 0], 0.5),  # lines have area, one pixel a step
        ([5, 5, 5, 5], [5, 5, 5, 5], 1.0),
    ],
)
def test_iou_by_hand(first, second, expected):
    assert box_iou([first], [second]).item() == expected


def test_counts_curve_and_maxima_by_hand():
    # Two images, MAP and its mirror image; true boxes: the plateau (found for tau in 0.2..0.6 as
    # [0,0,2,2], exactly), and the whole frame (found exactly below 0.2).
    maps = np.stack([MAP, MAP[:, ::-1]])
    result = box_accuracy(
        maps, [[[0, 0, 2, 2]], [[0, 0, 3, 2]]], thresholds=10, size=(3, 4), iou_thresholds=(0.5, 1)
    )
    # IoU of frame (12 pixels) and plateau (9): 0.75. Mirrored plateau [2,0,3,2]: 6 of 12.
    # From tau 0.6 on the 0.6s are off and two specks are left: too small for either box.
    assert result.counts.tolist() == [[2] * 6 + [0] * 4, [1] * 6 + [0] * 4]
    assert result.curve[0, 0] == 1.0
    assert result.max.tolist() == [1.0, 0.5]
    assert result.best_threshold.tolist() == [0.0, 0.0]
    assert result.max_box_acc == 1.0
    assert result.max_box_acc_v2 == 0.75
    assert result.at(0.31, iou=1) == 0.5
    with pytest.raises(ValueError, match="IoU 0.7 was not scored"):
        result.at(0.5, iou=0.7)


def test_the_threshold_is_one_for_all_images():
    # Each image alone has a threshold that finds its object; no single threshold finds both.
    bright, faint = np.zeros((2, 30, 30))
    bright[0:28, 0:28] = 0.5
    bright[10:20, 10:20] = 1
    faint[5:25, 5:25], faint[14:16, 14:16] = 0.4, 1
    boxes = [[[10, 10, 20, 20]], [[5, 5, 25, 25]]]
    ious = iou_curves([bright, faint], boxes, thresholds=100, size=30)
    assert (ious.max(axis=1) >= 0.5).all()
    assert box_accuracy([bright, faint], boxes, thresholds=100, size=30).max_box_acc == 0.5


SPECIAL = [
    np.zeros((4, 4)),
    np.full((3, 5), -7.5),
    -np.arange(20.0).reshape(4, 5),
    np.eye(6),
    np.ones((1, 1)),
    np.array([[0.0, 1.0]]),
    np.pad(np.ones((2, 2)), ((0, 3), (0, 3))),
    np.indices((8, 8)).sum(axis=0) % 2,
]


@st.composite
def raw_maps(draw):
    if draw(st.booleans()):
        return draw(st.sampled_from(SPECIAL)).astype(np.float32)
    shape = draw(st.integers(1, 37)), draw(st.integers(1, 53))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["rough", "steps", "walk"]))
    if kind == "rough":
        return rng.normal(size=shape).astype(np.float32)
    if kind == "steps":
        return rng.choice([-2.0, -0.5, 0.0, 0.25, 3.0], size=shape).astype(np.float32)
    return rng.normal(size=shape).cumsum(axis=0).cumsum(axis=1).astype(np.float32)


@settings(max_examples=200, deadline=None)
@given(
    cam=raw_maps(),
    contours=st.sampled_from(["largest", "all"]),
    size=st.sampled_from([16, 30, (9, 40), (50, 21), 64]),
    count=st.sampled_from([1, 7, 100]),
)
def test_scores_are_those_of_one_opencv_pass_a_threshold(cam, contours, size, count, plain_ious):
    height, width = size if isinstance(size, tuple) else (size, size)
    true = [[3, 2, 8, 7], [0, 0, width - 1, height - 1]]
    taus = np.append(np.arange(count) / count, 1.0)
    fast = iou_curves([cam], [true], contours, taus, size=size)[0]
    assert fast.tolist() == plain_ious(cam, true, contours, taus, size)


@pytest.mark.parametrize("contours", ["largest", "all"])
def test_threads_change_nothing_and_parts_add_up_to_the_whole(contours):
    cams, boxes = np.random.default_rng(1).normal(size=(9, 5, 6)), [[[2, 3, 20, 25]]] * 9
    cams[3], cams[8] = 0, np.nan

    def scored(first=0, last=9, rule=contours, **options):
        return box_accuracy(cams[first:last], boxes[first:last], rule, size=32, **options)

    with pytest.warns(RuntimeWarning, match="1 of"):
        whole, two, ious = scored(), scored(threads=2), iou_curves(cams, boxes, contours, size=32)
        added = sum([scored(0, 4), scored(4, 5), scored(5, 9)])
    for other in (two, added):
        assert np.array_equal(whole.counts, other.counts) and other.contours == contours
        assert (other.num_images, other.num_constant, other.num_invalid) == (9, 1, 1)
    assert np.array_equal((ious[None] >= whole.iou_thresholds[:, None, None]).sum(1), whole.counts)
    assert 0 < added.max_box_acc == whole.max_box_acc < 1
    with pytest.raises(ValueError, match="threads=0"):
        scored(threads=0)
    for other in (1, 0.0, None, whole.counts):
        with pytest.raises(TypeError):
            other + whole
        with pytest.raises(TypeError):
            whole + other
    different = {"rule": {"largest": "all", "all": "largest"}[contours]}
    for name, changed in (
        ("contours", different),
        ("thresholds", {"thresholds": 10}),
        ("iou_thresholds", {"iou_thresholds": (0.5,)}),
    ):
        with pytest.raises(ValueError, match=f"their {name} are the same"):
            whole + scored(0, 2, **changed)


class Lazy(Sequence):
    """Maps that are made as they are asked for; ``here`` are in memory, at most ``most`` were."""

    def __init__(self, count, error_at=None):
        self.count, self.error_at, self.most, self.here = count, error_at, 0, weakref.WeakSet()

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError
        if index == self.error_at:
            raise OSError("a file is gone")
        cam = np.random.default_rng(index).normal(size=(4, 4)).view(Map)
        self.here.add(cam)
        self.most = max(self.most, len(self.here))
        return cam


class Map(np.ndarray):
    __hash__ = object.__hash__


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("score", [box_accuracy, iou_curves, box_accuracy_by_size, localisation])
def test_maps_that_are_read_one_by_one_are_never_all_in_memory(score, threads):
    maps, boxes = Lazy(120), [[2, 3, 20, 25]] * 120
    options = {"thresholds": 5} if score is not localisation else {"threshold": "oracle"}
    score(maps, boxes, size=32, threads=threads, **options)
    assert maps.most <= 2 * threads + 3 and len(maps.here) == 0  # one waited for, one at hand
    broken = Lazy(120, error_at=30)
    with pytest.raises(OSError, match="a file is gone"):
        score(broken, boxes, size=32, threads=threads, **options)


@needs_reference
@pytest.mark.parametrize("contours", ["largest", "all"])
def test_counts_equal_the_public_evaluation_code_on_all_maps_and_thresholds(contours):
    reference = np.load(SHARED / "reference" / "box_reference.npz")
    result = box_accuracy(reference["cams"], reference["boxes_224"], contours)
    assert np.array_equal(result.thresholds, reference["thresholds"])
    assert np.array_equal(result.counts, reference[f"num_correct_{contours}"])
    assert result.num_images == 801 and result.num_constant == result.num_invalid == 0


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ([5, 0, 1, 1], "predicted boxes must be x0, y0, x1, y1 with x0 <= x1"),
        ([0, 5, 1, 1], "y0 <= y1"),
        ([0, 0, 1.5, 1], "predicted boxes must be whole pixels"),
        ([0, 0, np.nan, 1], "whole pixels"),
        ([0, 0, 2**40, 1], "whole pixels"),
        (["a", "b", "c", "d"], "real numbers"),
        ([0, 0, 1, 1, 0.9], r"predicted boxes must have shape \(n, 4\), got \(1, 5\)"),
    ],
)
def test_iou_refuses_what_is_no_box(bad, sentence):
    with pytest.raises(ValueError, match=sentence):
        box_iou([bad], [[0, 0, 1, 1]])
    with pytest.raises(ValueError, match=sentence.replace("predicted", "true")):
        box_iou([0.0, 0.0, 1.0, 1.0], [bad])


def test_iou_takes_none_and_unsigned_bytes():
    assert box_iou([], np.zeros((2, 4))).shape == (0, 2)
    bright = np.array([[200, 200, 250, 250]], np.uint8)  # whose sides do not wrap around
    assert box_iou(bright, bright).item() == 1


def test_rescaling_truncates():
    assert rescale_boxes([[10, 10, 99, 49]], (100, 50), 24).tolist() == [[2, 4, 23, 23]]
    assert rescale_boxes([[10, 10, 99, 49]], (100, 50), (50, 10)).tolist() == [[1, 10, 9, 49]]


def test_arrays_tensors_and_lists_score_alike():
    generator = np.random.default_rng(0)
    cams = generator.normal(size=(3, 6, 6)).astype(np.float32)
    boxes = np.array([[2, 2, 12, 14], [0, 0, 20, 20], [5, 6, 7, 8]])
    expected = box_accuracy(cams, boxes, size=24).counts
    for same_cams in (torch.from_numpy(cams), torch.from_numpy(cams).requires_grad_(), list(cams)):
        for same_boxes in (torch.from_numpy(boxes), [box[None] for box in boxes], boxes.tolist()):
            assert np.array_equal(box_accuracy(same_cams, same_boxes, size=24).counts, expected)
    half = torch.from_numpy(cams).bfloat16()
    rounded = box_accuracy(half.float(), boxes, size=24).counts
    assert np.array_equal(box_accuracy(half, boxes, size=24).counts, rounded)


def test_constant_maps_are_counted_and_their_box_is_the_corner_pixel():
    result = box_accuracy(np.full((2, 4, 4), 7.0), [[[0, 0, 0, 0]], [[1, 1, 3, 3]]], size=4)
    assert (result.num_constant, result.num_invalid) == (2, 0)
    assert (result.counts == 1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_maps_with_nan_or_infinity_score_as_zero_maps_with_one_warning(value):
    cams = np.random.default_rng(0).normal(size=(3, 4, 4))
    cams[0, 1, 2] = cams[2, 0, 0] = value
    with pytest.warns(RuntimeWarning, match="2 of 3 maps hold NaN or infinite") as caught:
        result = box_accuracy(cams, np.array([[1, 1, 3, 3]] * 3), size=4)
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match="1 of 1 maps hold NaN"):
        assert boxes_at(cams[0], size=4).tolist() == [[0, 0, 0, 0]]
    assert (result.num_constant, result.num_invalid) == (0, 2)
    assert result.counts.max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boxes": np.array([[1, 1, 3, 3]])}, "cams has 2, boxes has 1"),
        (
            {"boxes": [[[1, 1, 3, 3]], [[3, 1, 1, 3]]]},
            "image 1 must be x0, y0, x1, y1 with x0 <= x1",
        ),
        ({"boxes": [[[1, 1, 3, 3]], [[1, 1, 3, 8]]]}, "image 1 reach outside the 8x8 map"),
        ({"boxes": [[[-1, 1, 3, 3]], [[1, 1, 3, 3]]]}, "image 0 reach outside.*rescale_boxes"),
        ({"boxes": [[[1, 1, 8, 3]], [[1, 1, 3, 3]]]}, "its last pixel: x1 is at most 7, y1 7"),
        ({"boxes": [np.zeros((0, 4)), [[1, 1, 3, 3]]]}, r"image 0 must have shape \(n, 4\)"),
        ({"boxes": [[[0.5, 1, 3, 3]], [[1, 1, 3, 3]]]}, "image 0 must be whole pixels"),
        ({"cams": np.zeros((8, 8))}, r"shape \(N, h, w\).*cams\[None\]"),
        ({"cams": np.zeros((0, 8, 8)), "boxes": []}, "cams is empty"),
        ({"contours": "biggest"}, "unknown contours"),
        ({"thresholds": 0}, "thresholds must be a whole number"),
        ({"thresholds": [0.5, 1.5]}, "give values in 0..1"),
        ({"size": 0}, "size must be a positive int"),
        ({"iou_thresholds": [0.5, 50]}, r"IoU thresholds are shares in 0..1, got \[0.5, 50\]"),
        ({"iou_thresholds": np.nan}, "IoU thresholds are shares in 0..1"),
        ({"iou_thresholds": ()}, "IoU thresholds are shares in 0..1"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, message):
    good = {"cams": np.ones((2, 8, 8)), "boxes": [[[1, 1, 3, 3]]] * 2, "size": 8}
    with pytest.raises(ValueError, match=message):
        box_accuracy(**(good | arguments))


# ---- other normalizations


def test_the_normalization_of_a_map_at_its_size_is_the_protocols_order():
    rng = np.random.default_rng(3)
    maps = rng.normal(size=(5, 7, 7)).astype(np.float32)
    boxes = np.tile([10, 10, 40, 50], (5, 1))
    for rule, percentile in (("max", None), ("pas", 80), ("ivr", 30)):
        ready = normalize(upsample(maps, 64), rule, percentile)
        gray = (ready * 255).astype(np.uint8)
        expected = [
            box_iou(mask_boxes(one, int(0.4 * one.max()), "largest"), boxes[:1]).max()
            for one in gray
        ]
        found = iou_curves(
            maps, boxes, thresholds=[0.4], size=64, normalization=rule, percentile=percentile
        )
        assert found[:, 0].tolist() == expected
