"""The component trees against OpenCV, mask by mask, on thousands of generated maps."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entreg_utils.metrics.trees import all_boxes, largest_boxes

SETTINGS = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def rough(draw, rng, height, width):
    return rng.integers(0, 256, (height, width))


def plateaus(draw, rng, height, width):
    levels = draw(st.sampled_from([2, 3, 5]))
    return rng.integers(0, levels, (height, width)) * (255 // (levels - 1))


def smooth(draw, rng, height, width):
    y, x = np.mgrid[:height, :width]
    total = np.zeros((height, width))
    for _ in range(draw(st.integers(1, 6))):
        at, spread = rng.random(2) * (height, width), rng.uniform(0.7, 6)
        total += rng.uniform(-1, 2) * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / spread**2)
    total -= total.min()
    return total / max(total.max(), 1e-9) * 255


def lines(draw, rng, height, width):
    scene = np.zeros((height, width))
    for _ in range(draw(st.integers(1, 6))):
        value = rng.integers(1, 256)
        if rng.random() < 0.5:
            scene[rng.integers(height), rng.integers(width) :] = value
        else:
            scene[: rng.integers(1, height + 1), rng.integers(width)] = value
    return scene


def specks(draw, rng, height, width):
    scene = np.zeros((height, width))
    for _ in range(draw(st.integers(0, 8))):
        scene[rng.integers(height), rng.integers(width)] = rng.integers(1, 256)
    return scene


def rings(draw, rng, height, width):
    """Rectangles inside one another, so that there are holes with islands with holes."""
    scene = np.full((height, width), rng.integers(0, 50))
    for inset in range(0, min(height, width) // 2, draw(st.integers(1, 2))):
        level = rng.integers(0, 256)
        scene[inset : height - inset, inset : width - inset] = level
    dents = rng.random((height, width)) < 0.1
    return np.where(dents, rng.integers(0, 256, (height, width)), scene)


def checkerboard(draw, rng, height, width):
    cell = draw(st.integers(1, 3))
    y, x = np.mgrid[:height, :width] // cell
    return np.where((x + y) % 2, rng.integers(1, 256), rng.integers(0, 256))


def flat(draw, rng, height, width):
    return np.full((height, width), draw(st.sampled_from([0, 1, 254, 255])))


KINDS = (rough, plateaus, smooth, lines, specks, rings, checkerboard, flat)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@SETTINGS
@given(draw=st.data(), seed=st.integers(0, 2**32 - 1))
def test_every_box_of_every_mask_is_opencvs(kind, draw, seed, plain_boxes):
    rng = np.random.default_rng(seed)
    height, width = draw.draw(st.integers(1, 24)), draw.draw(st.integers(1, 24))
    gray = kind(draw.draw, rng, height, width).astype(np.uint8)
    framed = np.pad(gray, 1)
    boxes, spans = all_boxes(framed)
    largest, number = largest_boxes(framed)
    for level in np.unique(np.append(gray, [0, 255])):  # between two grey values nothing changes
        belongs = (spans[:, 0] <= level) & (level <= spans[:, 1])
        expected = plain_boxes(gray, level, "all")
        if level >= gray.max():
            assert not belongs.any() and number[level] == 0 and not largest[level].any()
            continue
        assert sorted(boxes[belongs].tolist()) == sorted(expected)
        if number[level] == 1:
            assert [largest[level].tolist()] == plain_boxes(gray, level, "largest")
        else:  # a tie: the box is one of the contours', which one is not the tree's to say
            assert largest[level].tolist() in expected


def test_spans_say_for_which_levels_a_box_stands():
    gray = np.zeros((5, 7), np.uint8)
    gray[2, 1], gray[2, 2], gray[2, 5] = 200, 100, 150
    boxes, spans = all_boxes(np.pad(gray, 1))
    stands = sorted(zip(boxes.tolist(), spans.tolist(), strict=True))
    # A lone pixel has the box x, y, x + 1, y + 1; two side by side end one further.
    assert stands == [([1, 2, 2, 3], [100, 199]), ([1, 2, 3, 3], [0, 99]), ([5, 2, 6, 3], [0, 149])]
