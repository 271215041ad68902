"""Pictures on axes: a grid of them with words, maps with an outline and a bar, boxes."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from entreg_utils.cam.scaling import as_array, as_picture
from entreg_utils.fields import plain_numbers
from entreg_utils.figures.style import MAP_CMAP, TRUE, picture_axes

WIDTH = 9  # of a figure, inches


@plain_numbers
def picture_grid(
    images: Sequence,
    titles: Sequence[str] = (),
    captions: Sequence[str] = (),
    columns: int | None = None,
    **look,
) -> tuple[Figure, np.ndarray]:
    """Images and maps side by side, with a title over and a caption under each.

    Args:
        images: pictures (3, H, W) or (H, W, 3), maps (h, w), or None for an empty place.
        titles, captions: one for each image from the first on; there may be fewer.
        columns: images in a row; all when left out.
        look: handed to ``imshow``, such as the ``vmin`` and ``vmax`` of the maps.

    Returns:
        The figure and its axes in the order of ``images``, (n,).
    """
    shown = [None if image is None else as_array(image) for image in images]
    shown = [one if one is None or one.ndim == 2 else as_picture(one) for one in shown]
    columns = columns or len(shown)
    rows = math.ceil(len(shown) / columns)
    shapes = [one.shape[:2] for one in shown if one is not None]
    side = WIDTH / columns * max(height / width for height, width in shapes)
    lines = max((text.count("\n") + 1 for text in captions), default=0)
    words = 0.28 * math.ceil(len(titles) / columns)  # inches
    words += 0.19 * lines * math.ceil(len(captions) / columns)
    size = (WIDTH, rows * side + words)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
    panels = grid.ravel()[: len(shown)]
    for panel in grid.ravel():
        picture_axes(panel)
    for panel, one in zip(panels, shown, strict=True):
        if one is not None:
            panel.imshow(one, **look)
    for panel, title in zip(panels, titles, strict=False):
        panel.set_title(title, fontsize=11 if columns <= 5 else 9)
    for panel, caption in zip(panels, captions, strict=False):
        panel.set_xlabel(caption)
    return figure, panels


def draw_picture(axes, image) -> None:
    """One image on axes without ticks or frame."""
    axes.imshow(as_picture(image))
    picture_axes(axes)


def draw_cells(axes, values: np.ndarray, side: int, high: float, mask=None) -> AxesImage:
    """A map of any size over the area of a picture, from 0 to ``high``, with a mask's outline."""
    extent = (-0.5, side - 0.5, side - 0.5, -0.5)
    shown = axes.imshow(values, cmap=MAP_CMAP, vmin=0, vmax=high, extent=extent)
    if mask is not None:
        axes.contour(as_array(mask), levels=[0.5], colors="white", linewidths=0.9)
    picture_axes(axes)
    return shown


def colour_bar(figure: Figure, shown: AxesImage, ticks: Sequence[float], **place) -> None:
    """The bar of a shown map, without a frame; ``place`` as ``Figure.colorbar`` has it."""
    bar = figure.colorbar(shown, **place)
    bar.outline.set_visible(False)
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])


def draw_box(axes, box, colour: str) -> None:
    """Outline one box x0, y0, x1, y1 on axes that show a picture, dashed in the colour of true
    boxes, ``style.TRUE``. ValueError: other than four finite numbers."""
    box = as_array(box, "box").astype(float)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ValueError(f"a box is four finite numbers, x0, y0, x1, y1, not {box.tolist()}")
    x0, y0, x1, y1 = box.tolist()
    # pixel i covers i - 0.5 .. i + 0.5 on matplotlib's axes, and x1 is the first pixel outside
    corner, size = (x0 - 0.5, y0 - 0.5), (x1 - x0, y1 - y0)
    style = (0, (3, 1.5)) if colour == TRUE else "-"
    rim = Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=2, linestyle=style)
    solid = {"dash_offset": 0, "dash_list": None}  # the white line under the dashes has no gaps
    rim.set_path_effects([withStroke(linewidth=4, foreground="white", dashes=solid)])
    axes.add_patch(rim)
