"""Overlays as pixels: the blend of ``cam.overlay``, lines where the map is cut, words that fit."""

import cv2
import numpy as np
import pytest
from PIL import ImageFont

from entreg_utils import cam
from entreg_utils.figures import raster

GREEN = [0, 158, 115]  # figures.overlays.PREDICTED
PICTURE = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
GRAY = np.tile(np.linspace(0, 255, 100).astype(np.uint8), (80, 1))


def count(picture, colour):
    return int((picture == colour).all(axis=2).sum())


def test_the_blend_is_that_of_cam_overlay_and_nothing_is_drawn_where_nothing_is_above():
    drawn = raster.overlay(PICTURE, GRAY, 255, [], 0.5)
    wanted = cam.overlay(PICTURE, GRAY / 255) * 255
    assert np.abs(drawn[:80, :100] - wanted).max() <= 1.5


def test_box_and_outline_lie_where_the_map_says_whatever_the_pictures_size():
    gray = np.zeros((50, 50), np.uint8)
    gray[10:20, 20:40] = 200
    black = np.zeros((200, 400, 3), np.uint8)
    drawn = raster.overlay(black, gray, 100, [[20, 10, 40, 20]], 0.5)[:200, :400]
    rows, columns = np.nonzero((drawn == GREEN).all(axis=2))
    for found, wanted in zip(
        (columns.min(), rows.min(), columns.max(), rows.max()), (160, 40, 320, 80), strict=True
    ):
        assert abs(found - wanted) <= 2
    drawn = raster.overlay(black, np.zeros_like(gray) + (gray > 0), 0, [], 0.5)[:200, :400]
    rows, columns = np.nonzero(drawn.min(axis=2) > 150)  # white, at pixel centres of the map
    found = columns.min(), rows.min(), columns.max(), rows.max()
    assert np.abs(np.subtract(found, (163.5, 41.5, 315.5, 77.5))).max() <= 2


def test_a_blank_map_is_grey_stripes_without_bar_or_lines():
    drawn = raster.overlay(PICTURE, np.zeros((5, 5), np.uint8), 0, [], 0.15)
    assert np.ptp(drawn.astype(int), axis=2).max() == 0 and count(drawn[:, 100:], [255] * 3) == (
        drawn[:, 100:].shape[0] * drawn[:, 100:].shape[1]
    )


@pytest.mark.parametrize(("threshold", "row"), [(0.0, 79), (0.25, 59), (1.0, 0)])
def test_the_bar_goes_from_0_to_1_and_marks_the_threshold(threshold, row):
    bar = raster.overlay(PICTURE, GRAY, 255, [], threshold)[:80, 100:]
    dark, bright = bar[76, 6:16].mean(), bar[3, 6:16].mean()
    assert dark < 40 < 200 < bright
    ticks = np.flatnonzero((bar[:, 17] == 0).all(axis=1))
    assert len(ticks) and abs(ticks - row).max() <= 1


def test_captions_do_not_widen_a_picture_and_may_be_in_other_letters():
    short, long = (raster.overlay(PICTURE, GRAY, 255, [], 0.5, text) for text in ("кот", "w" * 99))
    assert short.shape == long.shape and (short[80:] < 128).any()
    two = raster.overlay(PICTURE, GRAY, 255, [], 0.5, "one\ntwo")
    assert two.shape[0] - 80 >= 2 * (short.shape[0] - 80) - 1


def test_a_long_name_keeps_both_ends():
    font = ImageFont.truetype(raster._FONT, 11)
    name = "Groove_billed_Ani/Groove_Billed_Ani_0055_1501.jpg"
    assert raster._cut(name, font, 400) == name and raster._cut("", font, 0) == ""
    assert raster._cut(name, font, 0) == "…"
    head, tail = raster._cut(name, font, 100).split("…")
    assert len(head) in (len(tail) - 1, len(tail)) and len(head) > 5
    assert name.startswith(head) and name.endswith(tail)
    longer = f"{name[: len(head) + 1]}…{tail}"
    assert font.getlength(f"{head}…{tail}") <= 100 < font.getlength(longer)


def test_pictures_keep_their_shape_and_bits_alone_and_on_a_sheet():
    for sides, wanted in (
        ((3000, 2000), (1280, 853)),
        ((48, 48), (192, 192)),
        ((640, 480), (640, 480)),
        ((2000, 1), (1280, 1)),
    ):
        assert raster.fit(np.zeros((*sides, 3), np.uint8)).shape[:2] == wanted
    tiles = [np.full((20 + k, 30 - k, 3), 10 * k, np.uint8) for k in range(7)]
    sheet = raster.sheet(tiles)
    assert [count(sheet, [10 * k] * 3) for k in range(7)] == [(20 + k) * (30 - k) for k in range(7)]
    assert raster.sheet(tiles[:1]).shape == (28, 38, 3)
    data = np.frombuffer(raster.png(PICTURE), np.uint8)
    np.testing.assert_array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1], PICTURE)
