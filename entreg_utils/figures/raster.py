"""A photograph with map, outline, box and colour bar as pixels, in milliseconds, for thousands.

The blend is that of :func:`entreg_utils.cam.overlay`. Map and boxes are those that were scored, in
the frame of the score map (S, S), and are stretched to the picture.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from entreg_utils import cam
from entreg_utils.figures.style import MAP_CMAP, PREDICTED
from entreg_utils.metrics.contours import outlines_of

LONGEST, SHORTEST = 1280, 192  # pixels of a drawn picture's longer side
_COLOURS = (matplotlib.colormaps[MAP_CMAP](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
_FONT = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
_SUBPIXEL = 4  # bits of a coordinate behind the point, as OpenCV draws lines


def fit(picture: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """A picture (H, W, 3) whose longer side lies in ``SHORTEST..longest``, its shape kept."""
    height, width = picture.shape[:2]
    side = max(height, width)
    wanted = min(max(side, SHORTEST), longest)
    sides = [max(1, round(own * wanted / side)) for own in (width, height)]
    how = cv2.INTER_AREA if wanted < side else cv2.INTER_CUBIC
    return picture if wanted == side else cv2.resize(picture, sides, interpolation=how)


def overlay(
    picture: np.ndarray, gray: np.ndarray, level: int, boxes, threshold: float, caption: str = ""
) -> np.ndarray:
    """The picture under its map, with the outline at the threshold, the boxes, a bar and a caption.

    Args:
        picture: uint8 (H, W, 3); it keeps its size, and is the upper left part of the result.
        gray: uint8 (S, S), the score map of ``metrics.to_gray``; of one value: blank, and nothing
            is drawn of it.
        level: pixels of ``gray`` above it are on.
        boxes: (n, 4), x0 y0 x1 y1 in pixels of ``gray``.
        threshold: what the colour bar marks.
        caption: lines of text, cut in their middle where they do not fit: file names end in what
            tells them apart.

    Returns:
        uint8 (H + h, W + w, 3).
    """
    height, width = picture.shape[:2]
    letter = int(np.clip(0.018 * (height + width), 11, 30))
    tall, line, font = max(height, 4 * letter), 3 * letter // 2, ImageFont.truetype(_FONT, letter)
    lines = [_cut(text, font, width + 4 * letter - 4) for text in caption.splitlines()]
    canvas = np.full((tall + line * len(lines), width + 4 * letter, 3), 255, np.uint8)
    labels = [(2, tall + int((at + 0.5) * line), text) for at, text in enumerate(lines)]
    if cam.is_blank(gray):
        canvas[:height, :width] = cam.overlay(picture, np.zeros((height, width))) * 255
    else:
        canvas[:height, :width] = _blend(picture, gray, level, boxes, letter)
        left, right = width + letter // 2, width + letter // 2 + letter
        canvas[:tall, left:right] = _COLOURS[np.linspace(255, 0, tall).round().astype(int)][:, None]
        mark = round((1 - threshold) * (tall - 1))
        canvas[max(mark - 1, 0) : mark + 1, left:right] = 0 if threshold > 0.5 else 255
        canvas[max(mark - 1, 0) : mark + 1, right : right + letter // 4] = 0
        ends = [(row, text) for row, text in ((0, "1"), (tall, "0")) if abs(row - mark) > letter]
        for row, text in [*ends, (mark, f"{threshold:.2g}")]:
            place = np.clip(row, letter // 2, tall - letter // 2)
            labels.append((right + letter // 4 + 1, place, text))
    drawn = Image.fromarray(canvas)
    pen = ImageDraw.Draw(drawn)
    for *place, text in labels:
        pen.text(place, text, 0, font, "lm")
    return np.asarray(drawn)


def _blend(picture: np.ndarray, gray: np.ndarray, level: int, boxes, letter: int) -> np.ndarray:
    height, width = picture.shape[:2]
    large = cv2.resize(gray, (width, height), interpolation=cv2.INTER_LINEAR)
    blend = cv2.addWeighted(picture, 0.5, _COLOURS[large], 0.5, 0)
    scale = np.array([width, height]) / gray.shape[::-1]
    outlines = [(one + 0.5) * scale - 0.5 for one in outlines_of(gray, level)]
    _lines(blend, outlines, (255, 255, 255), (0, 0, 0), max(1, letter // 10))
    corners = np.array(boxes).reshape(-1, 4)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    green = tuple(round(255 * value) for value in to_rgb(PREDICTED))
    _lines(blend, corners * scale, green, (255, 255, 255), letter // 8 + 1)
    return blend


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


def sheet(tiles: Sequence[np.ndarray], shape: float = 1.4) -> np.ndarray:
    """Pictures (h, w, 3) of any sizes in one of about ``shape`` times as wide as high."""
    tall, wide = np.max([tile.shape[:2] for tile in tiles], axis=0) + 8
    columns = int(np.clip(round((len(tiles) * shape * tall / wide) ** 0.5), 1, len(tiles)))
    rows = -(-len(tiles) // columns)
    canvas = np.full((rows, tall, columns, wide, 3), 255, np.uint8)
    for at, tile in enumerate(tiles):
        row, column = divmod(at, columns)
        canvas[row, 4 : 4 + tile.shape[0], column, 4 : 4 + tile.shape[1]] = tile
    return canvas.reshape(rows * tall, columns * wide, 3)


def png(picture: np.ndarray) -> bytes:
    """The bytes of a PNG file."""
    return cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
