"""The component trees against OpenCV, mask by mask, on thousands of generated maps."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entreg_utils.metrics.trees import _uphill, all_boxes, framed, largest_boxes


def framed_levels(gray):
    return np.pad(gray, 1).astype(np.uint16) << 8


def plateaus(draw, rng, height, width):
    """From two levels to white noise."""
    levels = draw(st.sampled_from([2, 3, 5, 256]))
    return rng.integers(0, levels, (height, width)) * (255 // (levels - 1))


def smooth(draw, rng, height, width):
    y, x = np.mgrid[:height, :width]
    total = np.zeros((height, width))
    for _ in range(draw(st.integers(1, 6))):
        at, spread = rng.random(2) * (height, width), rng.uniform(0.7, 6)
        total += rng.uniform(-1, 2) * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / spread**2)
    total -= total.min()
    return total / max(total.max(), 1e-9) * 255


def rings(draw, rng, height, width):
    """Rectangles inside one another, so that there are holes with islands with holes."""
    scene = np.full((height, width), rng.integers(0, 50))
    for inset in range(0, min(height, width) // 2, draw(st.integers(1, 2))):
        level = rng.integers(0, 256)
        scene[inset : height - inset, inset : width - inset] = level
    dents = rng.random((height, width)) < 0.1
    return np.where(dents, rng.integers(0, 256, (height, width)), scene)


def stamps(draw, rng, height, width):
    """One shape, from a speck on, again and again, turned and mirrored: contours of equal area."""
    side = draw(st.integers(1, 4))
    shape = rng.random((side, side)) < 0.7
    scene = np.zeros((height + 8, width + 8))
    for _ in range(draw(st.integers(0, 12))):
        y, x = rng.integers(height), rng.integers(width)
        turned = np.rot90(shape, rng.integers(4))[:: rng.choice([-1, 1])]
        part = scene[y : y + side, x : x + side]
        part[turned] = np.maximum(part[turned], rng.choice([60, 60, 61, 200]))
    return scene[:height, :width]


def threads(draw, rng, height, width):
    """Walks one pixel wide that close now and then: areas of zero, loops, interlocked shapes."""
    scene = np.zeros((height, width))
    for _ in range(draw(st.integers(1, 5))):
        y, x, value = rng.integers(height), rng.integers(width), rng.choice([90, 90, 180, 250])
        for _ in range(rng.integers(2, 30)):
            scene[y, x] = value
            y = np.clip(y + rng.integers(-1, 2), 0, height - 1)
            x = np.clip(x + rng.integers(-1, 2), 0, width - 1)
    return scene


def combs(draw, rng, height, width):
    """Teeth of few heights, up or down: shapes that share their uppermost row."""
    tall = rng.integers(0, height + 1, width) if rng.random() < 0.5 else rng.integers(0, 3, width)
    scene = np.arange(height)[:, None] < np.minimum(tall, height)
    scene[rng.integers(height)] |= rng.random(width) < 0.7
    scene = scene[:: rng.choice([-1, 1])] * rng.choice([50, 51], width)
    return scene if rng.random() < 0.5 else scene.T[:height, :width]


def mirrored(draw, rng, height, width):
    """The same on both sides, or on all four."""
    scene = rng.choice([0, 0, 80, 81, 160], (height, width))
    scene = np.maximum(scene, scene[:, ::-1])
    return np.maximum(scene, scene[::-1]) if rng.random() < 0.5 else scene


KINDS = (plateaus, smooth, rings, stamps, threads, combs, mirrored)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(draw=st.data(), seed=st.integers(0, 2**32 - 1), lower=st.booleans())
def test_every_box_of_every_mask_is_opencvs(kind, draw, seed, lower, plain_boxes):
    rng = np.random.default_rng(seed)
    height, width = draw.draw(st.integers(1, 24)), draw.draw(st.integers(1, 24))
    gray = kind(draw.draw, rng, height, width).astype(np.uint8)
    fine = framed_levels(gray)
    if lower:  # whatever orders the pixels of one level, the masks are the same
        fine[1:-1, 1:-1] |= rng.integers(0, 256, gray.shape).astype(np.uint16)
    rows, largest = all_boxes(fine), largest_boxes(fine)
    assert (largest[:, 4:] == np.arange(256)[:, None]).all()
    for level in np.unique(np.append(gray, [0, 255])):  # between two grey values nothing changes
        belongs = (rows[:, 4] <= level) & (level <= rows[:, 5])
        assert sorted(rows[belongs, :4].tolist()) == sorted(plain_boxes(gray, level, "all"))
        assert [largest[level, :4].tolist()] == plain_boxes(gray, level, "largest")


def test_of_equally_large_contours_the_one_begun_last_counts():
    gray = np.zeros((9, 12), np.uint8)
    # Two loops of four pixels, each around a hole of the same area; the left one has a tail, and
    # the right one begins a row further down.
    for y, x in ((2, 2), (3, 8)):
        gray[y - 1, x] = gray[y, x - 1] = gray[y, x + 1] = gray[y + 1, x] = 200
    gray[4:7, 2] = 200
    assert largest_boxes(framed_levels(gray))[100, :4].tolist() == [7, 2, 10, 5]
    gray[:2, 8] = 150  # below 150 the right one begins above the other
    rows = largest_boxes(framed_levels(gray))
    assert rows[[0, 149, 150], :4].tolist() == [[1, 1, 4, 7], [1, 1, 4, 7], [7, 2, 10, 5]]


def test_spans_say_for_which_levels_a_box_stands():
    gray = np.zeros((5, 7), np.uint8)
    gray[2, 1], gray[2, 2], gray[2, 5] = 200, 100, 150
    # A lone pixel has the box x, y, x + 1, y + 1; two side by side end one further.
    assert sorted(all_boxes(framed_levels(gray)).tolist()) == [
        [0, 0, 0, 0, 200, 255],
        [1, 2, 2, 3, 100, 199],
        [1, 2, 3, 3, 0, 99],
        [5, 2, 6, 3, 0, 149],
    ]


def test_levels_are_truncated_to_sixteen_bits_and_framed_by_zeros():
    fine = framed(np.array([[0.0, 0.9999, 1.0], [0.5, 1 / 255, 2e-3]]))
    assert (fine[1:-1, 1:-1] >> 8).tolist() == [[0, 254, 255], [127, 1, 0]]
    assert fine.shape == (4, 5) and fine[2, 1] == 127 << 8 | 128  # 255 / 2 is 127 1/2
    assert not fine[0].any() and not fine[-1].any() and not fine[:, [0, -1]].any()


@pytest.mark.parametrize(("connectivity", "quiet"), [(8, 112), (4, 53)])
def test_what_continues_one_component_within_its_box_is_never_sorted(connectivity, quiet):
    uphill = _uphill(connectivity, 10)
    assert np.count_nonzero(uphill) == quiet  # one less costs time, and no box


def test_no_loop_leaves_its_arrays(tmp_path):
    """Compiled loops read and write past an array's end without a word, unless asked to check."""
    code = (
        "import numpy as np; from entreg_utils.metrics import trees\n"
        "rng = np.random.default_rng(0)\n"
        "for levels, side in [(2, 30), (4, 17), (256, 30), (1, 5), (3, 1)] * 4:\n"
        "    fine = np.pad(rng.integers(0, levels, (side, side + 3)) * 257, 1).astype(np.uint16)\n"
        "    fine = fine << 8 if rng.random() < 0.5 else fine\n"
        "    trees.all_boxes(fine), trees.largest_boxes(fine)\n"
        "try: trees._find(np.zeros(2, np.int32), 5)\n"
        "except IndexError: print('checked')"
    )
    options = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | options, capture_output=True, text=True)
    assert done.stdout == "checked\n", done.stderr
