"""The component trees against OpenCV, mask by mask, on thousands of generated maps."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entreg_utils.metrics.largest import by_sums, by_walks, largest_boxes
from entreg_utils.metrics.levels import neighbour_codes
from entreg_utils.metrics.trees import all_boxes, objects

SETTINGS = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def framed_levels(gray):
    return np.ascontiguousarray(np.pad(gray, 1).astype(np.uint16) << 8)


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


def stamps(draw, rng, height, width):
    """One shape again and again, turned and mirrored: contours of equal area."""
    side = draw(st.integers(1, 4))
    shape = rng.random((side, side)) < 0.7
    scene = np.zeros((height + 8, width + 8))
    for _ in range(draw(st.integers(2, 12))):
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


KINDS = (rough, plateaus, smooth, lines, specks, rings, checkerboard, flat)
KINDS += (stamps, threads, combs, mirrored)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@SETTINGS
@given(draw=st.data(), seed=st.integers(0, 2**32 - 1), lower=st.booleans())
def test_every_box_of_every_mask_is_opencvs(kind, draw, seed, lower, plain_boxes):
    rng = np.random.default_rng(seed)
    height, width = draw.draw(st.integers(1, 24)), draw.draw(st.integers(1, 24))
    gray = kind(draw.draw, rng, height, width).astype(np.uint8)
    fine = framed_levels(gray)
    if lower:  # whatever orders the pixels of one level, the masks are the same
        fine[1:-1, 1:-1] |= rng.integers(0, 256, gray.shape).astype(np.uint16)
    rows = np.concatenate([rows[:, :6] for rows in all_boxes(fine)])
    walked = by_walks(fine, objects(fine, neighbour_codes(fine)), 10**6)
    largest = np.stack([largest_boxes(fine), walked, by_sums(fine)])
    assert (largest[:, :, 4:] == np.arange(256)[:, None]).all()
    for level in np.unique(np.append(gray, [0, 255])):  # between two grey values nothing changes
        belongs = (rows[:, 4] <= level) & (level <= rows[:, 5])
        assert sorted(rows[belongs, :4].tolist()) == sorted(plain_boxes(gray, level, "all"))
        assert largest[:, level, :4].tolist() == 3 * plain_boxes(gray, level, "largest")


def test_of_equally_large_contours_the_one_begun_last_counts():
    gray = np.zeros((9, 12), np.uint8)
    # Two loops of four pixels, each around a hole of the same area; the left one has a tail, and
    # the right one begins a row further down.
    for y, x in ((2, 2), (3, 8)):
        gray[y - 1, x] = gray[y, x - 1] = gray[y, x + 1] = gray[y + 1, x] = 200
    gray[4:7, 2] = 200
    fine = framed_levels(gray)
    assert largest_boxes(fine)[100, :4].tolist() == [7, 2, 10, 5]
    gray[:2, 8] = 150  # below 150 the right one begins above the other
    rows = largest_boxes(framed_levels(gray))
    assert rows[[0, 149, 150], :4].tolist() == [[1, 1, 4, 7], [1, 1, 4, 7], [7, 2, 10, 5]]


@pytest.mark.parametrize(("patience", "enough"), [(0, False), (30, False), (1000, True)])
def test_walks_end_when_patience_does(patience, enough):
    gray = np.zeros((20, 20), np.uint8)
    gray[2:6, 2:8] = gray[12:17, 3:9] = 99  # some 20 steps around each
    fine = framed_levels(gray)
    boxes = by_walks(fine, objects(fine, neighbour_codes(fine)), patience)
    assert boxes[50:51, :4].tolist() == [[3, 12, 9, 17]] * enough


def test_spans_say_for_which_levels_a_box_stands():
    gray = np.zeros((5, 7), np.uint8)
    gray[2, 1], gray[2, 2], gray[2, 5] = 200, 100, 150
    outer, holes = all_boxes(framed_levels(gray))
    # A lone pixel has the box x, y, x + 1, y + 1; two side by side end one further.
    assert sorted(outer[:, :6].tolist()) == [
        [0, 0, 0, 0, 200, 255],
        [1, 2, 2, 3, 100, 199],
        [1, 2, 3, 3, 0, 99],
        [5, 2, 6, 3, 0, 149],
    ]
    assert not len(holes)


def test_no_loop_leaves_its_arrays(tmp_path):
    """Compiled loops read and write past an array's end without a word, unless asked to check."""
    code = (
        "import numpy as np; from entreg_utils.metrics import largest, levels, trees\n"
        "rng = np.random.default_rng(0)\n"
        "for levels_, side in [(2, 30), (4, 17), (256, 30), (1, 5), (3, 1)] * 4:\n"
        "    fine = np.pad(rng.integers(0, levels_, (side, side + 3)) * 257, 1).astype(np.uint16)\n"
        "    fine = fine << 8 if rng.random() < 0.5 else fine\n"
        "    rows = trees.objects(fine, levels.neighbour_codes(fine)), trees.holes(fine)\n"
        "    largest.by_walks(fine, rows[0], 10**6), largest.by_sums(fine)\n"
        "try: trees.find(np.zeros(2, np.int32), 5)\n"
        "except IndexError: print('checked')"
    )
    options = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | options, capture_output=True, text=True)
    assert done.stdout == "checked\n", done.stderr
