"""Pictures on axes: a grid of them with words, boxes drawn on them, a loss over three classes."""

import math
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from entreg_utils.cam.scaling import as_array
from entreg_utils.fields import plain_numbers
from entreg_utils.figures.style import MAP_CMAP, TRUE, picture_axes

WIDTH = 9  # of a figure, inches


def as_picture(image) -> np.ndarray:
    """An image as float64 (H, W, 3) in 0..1, a copy; ValueError for another shape.

    Args:
        image: (3, H, W) or (H, W, 3), uint8 or float in 0..1.

    Raises:
        ValueError: an image of another shape, or none.
    """
    picture = as_array(image, "image")
    picture = picture / 255.0 if picture.dtype == np.uint8 else picture.astype(np.float64)
    picture = picture.transpose(1, 2, 0) if picture.ndim == 3 and len(picture) == 3 else picture
    if picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"image has shape {picture.shape}, but must be (3, H, W)")
    return picture


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
    shown = [None if image is None else _as_shown(image) for image in images]
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


def colour_bar(figure: Figure, shown: AxesImage, ticks: Sequence[float], **place) -> None:
    """The bar of a shown map, without a frame; ``place`` as ``Figure.colorbar`` has it."""
    bar = figure.colorbar(shown, **place)
    bar.outline.set_visible(False)
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])


def draw_box(axes, box, colour: str, dashed: bool | None = None) -> None:
    """Outline one box x0, y0, x1, y1 on axes that show a picture; dashed, unless told otherwise,
    in the colour of true boxes, ``style.TRUE``. ValueError: other than four finite numbers."""
    box = as_array(box, "box").astype(float)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ValueError(f"a box is four finite numbers, x0, y0, x1, y1, not {box.tolist()}")
    x0, y0, x1, y1 = box.tolist()
    # pixel i covers i - 0.5 .. i + 0.5 on matplotlib's axes, and x1 is the first pixel outside
    corner, size = (x0 - 0.5, y0 - 0.5), (x1 - x0, y1 - y0)
    dashed = colour == TRUE if dashed is None else dashed
    style = (0, (3, 1.5)) if dashed else "-"
    rim = Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=2, linestyle=style)
    solid = {"dash_offset": 0, "dash_list": None}  # the white line under the dashes has no gaps
    rim.set_path_effects([withStroke(linewidth=4, foreground="white", dashes=solid)])
    axes.add_patch(rim)


@plain_numbers
def triangle(
    axes,
    value: Callable[[Tensor], Tensor],
    most: float,
    levels: Sequence[float],
    cells: int = 300,
) -> AxesImage:
    """Heat map of ``value`` over all predictions of three classes, class 0 in the upper corner.

    A prediction p stands at height p_0 * sqrt(3) / 2. Colours are on a square-root scale, since the
    regularisers differ at small values.

    Args:
        value: logits (N, 3) -> (N,).
        most: the value of the brightest colour.
        levels: where white lines are drawn.
        cells: along a side; fewer are faster.
    """
    height = math.sqrt(3) / 2
    steps = torch.linspace(0, 1, cells + 1, dtype=torch.float64)
    x, top = torch.meshgrid(steps, steps, indexing="xy")
    p = torch.stack([top, 1 - x - top / 2, x - top / 2], -1).reshape(-1, 3)
    field = value(p.clamp_min(1e-4).log()).reshape(x.shape).numpy()
    norm = PowerNorm(0.5, vmin=0, vmax=most)
    image = axes.imshow(
        field, MAP_CMAP, norm, origin="lower", extent=(0, 1, 0, height), interpolation="bilinear"
    )
    lines = axes.contour(x, top * height, field, levels=levels, colors="white", linewidths=0.7)
    corners = [(0, 0), (1, 0), (0.5, height)]
    for artist in (image, lines):
        artist.set_clip_path(Polygon(corners, transform=axes.transData))
    axes.add_patch(Polygon(corners, fill=False, lw=1))
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 0.9), aspect="equal")
    axes.axis("off")
    return image


def _as_shown(image) -> np.ndarray:
    values = as_array(image)
    return values if values.ndim == 2 else as_picture(values)
