"""Texts that can be read: colours dark enough for them, and a look for those that are too faint."""

from unittest import mock

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import is_color_like, to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "skyblue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
READABLE = 4.5  # contrast of text, WCAG 2, AA: (lighter + 0.05) / (darker + 0.05) in luminance


def ink(colour) -> str:
    """A colour of the palette, or any of matplotlib's, darkened until text in it can be read.

    Returns:
        The nearest darker shade, as hex, whose contrast to white is at least 5.6: it keeps the 4.5
        of WCAG 2, AA on a band of 15 % of the palette's colours.

    Raises:
        ValueError: no such colour.
    """
    named = OKABE_ITO.get(colour, colour) if isinstance(colour, str) else colour
    if not is_color_like(named):
        raise ValueError(f"there is no colour {colour!r}: give one of {', '.join(OKABE_ITO)}")
    rgb = np.array(to_rgb(named))
    while 1.05 / (_luminance(to_rgb(to_hex(rgb))) + 0.05) < 5.6:
        rgb *= 0.99
    return to_hex(rgb)


def _luminance(rgb) -> np.ndarray:
    """Relative luminance of sRGB (..., 3) in 0..1, 0 (black) to 1 (white)."""
    rgb = np.asarray(rgb)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def faint(figure: Figure) -> list[str]:
    """The texts of a figure whose contrast to what is drawn under them is below :data:`READABLE`.

    The figure is drawn without its texts, but with their boxes (``bbox=``). A text is faint where
    more than a fifth of the pixels below it are too near in luminance: one line may cross it.
    """
    drawn, draw = [], Text.draw

    def without(own, renderer):  # ticks that lie outside their axes have texts, too: not drawn
        alpha = own.get_alpha()
        own.set_alpha(0)
        draw(own, renderer)
        own.set_alpha(alpha)
        drawn.append(own)

    with mock.patch.object(Text, "draw", without):
        page = pixels(figure) / 255
    found, height = [], len(page)
    for own in drawn:
        if not own.get_visible() or not own.get_text().strip():
            continue
        (x0, y0), (x1, y1) = Text.get_window_extent(own).get_points().round().astype(int)
        below = page[max(height - y1, 0) : max(height - y0, 0), max(x0, 0) : max(x1, 0)]
        *rgb, alpha = to_rgba(own.get_color(), own.get_alpha())
        inks = _luminance(alpha * np.array(rgb) + (1 - alpha) * below) + 0.05
        papers = _luminance(below) + 0.05
        near = np.maximum(inks / papers, papers / inks) < READABLE
        if near.size and near.mean() > 0.2:
            found.append(own.get_text())
    return found


def pixels(figure: Figure) -> np.ndarray:
    """The figure drawn once (``savefig`` draws twice, first to see how much room it takes)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
