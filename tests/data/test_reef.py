"""The painter: exact regions, where a pixel belongs to what covers at least half of it."""

from dataclasses import fields, replace

import numpy as np
import pytest

from entreg_utils.data import reef
from entreg_utils.data.reef import BODY, MARK
from entreg_utils.data.world import Scene, World, draw_toy

SIDE = 64  # a power of two: pixel centres are exact, mirrored ones too


def fish(**changes):
    """One fish in the middle, half length 16 pixels, no tilt, no tint, even light."""
    one = np.float32([1])
    scene = Scene(
        labels=np.array([2]),
        cues=np.array([[2, 2, 2]]),
        centre_x=one / 2,
        centre_y=one / 2,
        half_length=one / 4,
        plumpness=one / 2,
        facing=one,
        slope=0 * one,
        light=np.float32([[1, 1]]),
        tint=np.zeros((1, 6), np.float32),
        pattern_phase=0 * one,
        habitat_phase=np.zeros((1, 2), np.float32),
        noise_offset=np.array([[0, 0]]),
    )
    return replace(scene, **changes)


def paint(scene, side):
    """Images, masks and marks of one fish each."""
    images, masks, parts = reef.paint([scene], np.ones((len(scene), 1), bool), side)
    return images, masks[:, 0], parts[:, 0]


def column_ends(mask):
    columns = np.flatnonzero(mask.any(0))
    return int(columns[0]), int(columns[-1])


def test_nose_and_mark_are_where_the_formulas_say():
    images, masks, parts = paint(fish(), SIDE)
    assert images.shape == (1, SIDE, SIDE, 3) and images.dtype == np.uint8
    # u = (x - 32) / 16: the nose, u = 1, ends with column 47 (centre 47.5, u = 0.97).
    assert column_ends(masks[0])[1] == 47
    # The ring: radius 0.40 * 16 = 6.4 pixels about x = 32 + 0.40 * 16 = 38.4, y = 32.64.
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    assert np.array_equal(parts[0], np.hypot(x - 38.4, y - 32.64) <= 6.4)
    inside = images[0, 32, 37] / 255  # well inside the disc, off the eye
    assert inside == pytest.approx(MARK[2], abs=0.06)
    # The body, an ellipse that widens to the nose: e <= 1 with half height 0.5 (1 + 0.18 u).
    u, v = (x - 32) / 16, (y - 32) / 16
    body = np.hypot(u, v / (0.5 * (1 + 0.18 * u))) <= 1
    assert (masks[0] >= body).all() and (masks[0] & ~body).sum() > 50  # tail and fins besides


def test_a_fish_that_turns_round_is_mirrored():
    right, left = paint(fish(), SIDE), paint(fish(facing=np.float32([-1])), SIDE)
    for ours, theirs in zip(right[1:], left[1:], strict=True):
        assert np.array_equal(ours, theirs[:, :, ::-1])
        assert not np.array_equal(ours, theirs)


def test_a_fish_that_moves_takes_its_regions_along():
    moved = fish(centre_x=np.float32([0.5 + 5 / SIDE]), centre_y=np.float32([0.5 - 3 / SIDE]))
    for ours, theirs in zip(paint(fish(), SIDE)[1:], paint(moved, SIDE)[1:], strict=True):
        assert np.array_equal(np.roll(ours, (-3, 5), axis=(1, 2)), theirs)


def test_a_hidden_mark_leaves_the_object_and_takes_the_part():
    shown, hidden = paint(fish(), SIDE), paint(fish(cues=np.array([[-1, 2, 2]])), SIDE)
    assert not hidden[2].any()
    assert np.array_equal(shown[1], hidden[1])  # the ring lies on the fish here
    different = (shown[0] != hidden[0]).any(-1)
    ring = np.hypot(*(np.mgrid[:SIDE, :SIDE] + 0.5 - [[[32.64]], [[38.4]]])) <= 6.4 + 1
    assert different.sum() > 60 and not (different[0] & ~ring).any()


def test_each_cue_paints_its_own_region_and_no_other():
    before, mask, part = (array[0] for array in paint(fish(), SIDE))
    inside = np.ones_like(mask)  # pixels away from an edge, where two regions share a pixel
    for shift in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        for region in (mask, part):
            inside &= np.roll(region, shift, (0, 1)) == region
    for cue, region in enumerate((part, mask & ~part, ~mask)):
        cues = np.array([[2, 2, 2]])
        cues[0, cue] = 5
        changed = (paint(fish(cues=cues), SIDE)[0][0] != before).any(-1) & inside
        assert changed.sum() > 20 and not (changed & ~region).any()


def test_painting_leaves_its_scene_and_tables_as_they_were():
    ((scene,), _) = draw_toy(World(part_visibility=0.5), "train", 6)
    kept = {field.name: getattr(scene, field.name).copy() for field in fields(Scene)}
    tables = BODY.copy(), MARK.copy()
    first, second = paint(scene, 32), paint(scene, 32)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(getattr(scene, name), value) for name, value in kept.items())
    assert np.array_equal(tables[0], BODY) and np.array_equal(tables[1], MARK)


def test_everything_is_computed_in_float32():
    # A float64 on the way would round otherwise where the C library differs.
    ((scene,), _) = draw_toy(World(), "train", 2)
    x, y = reef.grid(32)
    water = reef.habitat(scene, x, y)
    assert water.dtype == reef.fish(water, scene, x, y)[0].dtype == np.float32
    assert reef._NOISE.dtype == np.float32
    assert all(
        getattr(scene, name).dtype == np.float32
        for name in ("centre_x", "centre_y", "half_length", "slope", "light", "tint")
    )
