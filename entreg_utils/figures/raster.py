"""A photograph with map, outline, box and colour bar as pixels, in milliseconds, for thousands.

The blend is that of :func:`entreg_utils.cam.overlay`. Map and boxes are those that were scored, in
the frame of the score map (S, S), and are stretched to the picture.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from entreg_utils import cam
from entreg_utils.figures.overlays import PREDICTED
from entreg_utils.figures.style import MAP_CMAP
from entreg_utils.metrics.contours import outlines_of

LONGEST, SHORTEST = 1280, 192  # pixels of a drawn picture's longer side
_SUBPIXEL = 4  # bits of a coordinate behind the point, as OpenCV draws lines
# Half the time of the defaults. Numbers for the filter UP: versions before 4.11 lack the names.
_QUICK = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, 2, 19, 32]


def fit(picture: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """A picture (H, W, 3) whose longer side lies in ``SHORTEST..longest``, its shape kept."""
    height, width = picture.shape[:2]
    factor = np.clip(1, SHORTEST / max(height, width), longest / max(height, width))
    if factor == 1:
        return picture
    sides = [max(1, round(side * factor)) for side in (width, height)]
    return cv2.resize(
        picture, sides, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    )


def overlay(
    picture: np.ndarray, gray: np.ndarray, level: int, boxes, threshold: float, caption: str = ""
) -> np.ndarray:
    """The picture under its map, with the outline at the threshold, the boxes, a bar and a caption.

    Args:
        picture: uint8 (H, W, 3); it keeps its size, and is the upper left part of the result.
        gray: uint8 (S, S), the score map of ``metrics.to_gray``; of one value: blank, no outline.
        level: pixels of ``gray`` above it are on.
        boxes: (n, 4), x0 y0 x1 y1 in pixels of ``gray``.
        threshold: what the colour bar marks.
        caption: lines of text, cut in their middle where they do not fit: file names end in what
            tells them apart.

    Returns:
        uint8 (H + h, W + w, 3).
    """
    height, width = picture.shape[:2]
    letter = int(np.clip(0.036 * (height + width) / 2, 11, 30))
    blank = cam.is_blank(gray)
    if blank:
        blend = (cam.overlay(picture, np.zeros((height, width))) * 255).astype(np.uint8)
    else:
        large = cv2.resize(gray, (width, height), interpolation=cv2.INTER_LINEAR)
        blend = cv2.addWeighted(picture, 0.5, cv2.applyColorMap(large, _colours()), 0.5, 0)
        scale = np.array([width, height]) / gray.shape[::-1]
        outlines = [((o + 0.5) * scale - 0.5) for o in outlines_of(gray, level)]
        _lines(blend, outlines, (255, 255, 255), (0, 0, 0), max(1, letter // 10))
        corners = np.array(boxes).reshape(-1, 4)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        green = tuple(round(255 * value) for value in to_rgb(PREDICTED))
        _lines(blend, [one * scale for one in corners], green, (255, 255, 255), letter // 8 + 1)
    lines = caption.splitlines()
    foot = 3 * letter * len(lines) // 2
    tall, gap = max(height, 4 * letter), letter // 2
    canvas = np.full((tall + foot, width + 4 * letter, 3), 255, np.uint8)
    canvas[:height, :width] = blend
    if not blank:
        left, right = width + gap, width + gap + letter
        shades = np.linspace(255, 0, tall).round().astype(np.uint8)
        canvas[:tall, left:right] = cv2.applyColorMap(shades[:, None], _colours())
        mark = round((1 - threshold) * (tall - 1))
        canvas[max(mark - 1, 0) : mark + 1, left : right + gap // 2] = 0 if threshold > 0.5 else 255
        canvas[max(mark - 1, 0) : mark + 1, right : right + gap // 2] = 0
    drawn = Image.fromarray(canvas)
    pen, font = ImageDraw.Draw(drawn), _font(letter)
    for at, line in enumerate(lines):
        row = tall + (at + 0.5) * foot / len(lines)
        pen.text((2, row), _cut(line, font, canvas.shape[1] - 4), 0, font, "lm")
    if not blank:
        free = [
            (row, text) for row, text in ((0, "1"), (tall - 1, "0")) if abs(row - mark) > letter
        ]
        for row, text in [*free, (mark, f"{threshold:.2g}")]:
            row = np.clip(row, letter // 2, tall - letter // 2)
            pen.text((right + gap / 2 + 1, row), text, 0, font, "lm")
    return np.asarray(drawn)


def sheet(tiles: Sequence[np.ndarray], shape: float = 1.4) -> np.ndarray:
    """Pictures (h, w, 3) of any sizes in one of about ``shape`` times as wide as high."""
    heights, widths = zip(*(tile.shape[:2] for tile in tiles), strict=True)
    columns = (len(tiles) * shape * np.mean(heights) / max(widths)) ** 0.5
    columns = int(np.clip(round(columns), 1, len(tiles)))
    rows = []
    for start in range(0, len(tiles), columns):
        own = tiles[start : start + columns]
        row = np.full((max(t.shape[0] for t in own) + 8, columns * (max(widths) + 8), 3), 255)
        for at, tile in enumerate(own):
            left = at * (max(widths) + 8) + 4
            row[4 : 4 + tile.shape[0], left : left + tile.shape[1]] = tile
        rows.append(row.astype(np.uint8))
    return np.concatenate(rows)


def png(picture: np.ndarray) -> bytes:
    """The bytes of a PNG file; fast rather than small."""
    return cv2.imencode(".png", picture[:, :, ::-1], _QUICK)[1].tobytes()


def _lines(picture: np.ndarray, outlines: Sequence, colour, edge, thick: int) -> None:
    """Closed lines of one colour between two of another, so that they show on any ground."""
    points = [np.round(one * 2**_SUBPIXEL).astype(np.int32) for one in outlines]
    for shade, width in ((edge, thick + 2), (colour, thick)):
        cv2.polylines(picture, points, True, shade, width, cv2.LINE_AA, _SUBPIXEL)


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    cut, kept = text, len(text)
    while kept and font.getlength(cut) > width:
        kept -= 1
        cut = f"{text[: kept // 2]}…{text[len(text) - (kept + 1) // 2 :]}"
    return cut


@functools.cache
def _colours() -> np.ndarray:
    table = matplotlib.colormaps[MAP_CMAP](np.arange(256))[:, None, :3]
    return np.round(table * 255).astype(np.uint8)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)
