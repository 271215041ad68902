"""One look for every figure, and one way to show it: the picture, then a sentence that reads it.

Colours are the Okabe-Ito set, told apart with any colour vision; maps use ``magma``, whose
lightness rises with the value, so that they survive a grey printer.
"""

import base64
import contextlib
import io
import os
import textwrap
from collections.abc import Iterator
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import is_color_like, to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from entreg_utils import metrics
from entreg_utils.fields import plain_numbers

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
MAP_CMAP = "magma"
# Boxes: the true one red and dashed, the predicted one green, in every picture of the course.
TRUE, PREDICTED = OKABE_ITO["vermillion"], OKABE_ITO["green"]
# The three regions of a drawn picture, and what speaks for a species in each of them.
CUE_COLOURS = {
    "part": OKABE_ITO["vermillion"],
    "body": OKABE_ITO["blue"],
    "context": OKABE_ITO["green"],
}
_captured: list[tuple[Figure, str]] | None = None  # set inside captured()


def use_style() -> None:
    """Set matplotlib's defaults for the course (call once, in the first cell)."""
    plt.rcParams.update(
        {
            "figure.dpi": 100,
            "savefig.dpi": 100,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#e6e6e6",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "image.cmap": MAP_CMAP,
            "image.interpolation": "nearest",
            "lines.linewidth": 1.8,
            "axes.prop_cycle": plt.cycler(
                color=[OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple")]
                + [OKABE_ITO[name] for name in ("orange", "skyblue", "black")]
            ),
        }
    )


def picture_axes(axes) -> None:
    """Strip ticks, grid and frame from axes that hold a picture rather than a plot."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def student(values) -> tuple[float, float]:
    """Ends of the 95 % Student interval over seeds, as seaborn's ``errorbar=`` wants them.
    Errors as of :func:`entreg_utils.metrics.seed_interval`."""
    mean, half = metrics.seed_interval(values)
    return mean - half, mean + half


def ink(colour) -> str:
    """A colour of the palette, or any of matplotlib's, darkened until text in it can be read.

    The nearest darker shade, as hex, whose contrast to white is at least 5.6: it keeps the 4.5 of
    WCAG 2, AA on a band of 15 % of the palette's colours. ValueError: no such colour.
    """
    named = OKABE_ITO.get(colour, colour) if isinstance(colour, str) else colour
    if not is_color_like(named):
        raise ValueError(f"there is no colour {colour!r}: give one of {', '.join(OKABE_ITO)}")
    rgb = np.array(to_rgb(named))
    while 1.05 / (_luminance(to_rgb(to_hex(rgb))) + 0.05) < 5.6:
        rgb *= 0.99
    return to_hex(rgb)


@plain_numbers
def entropy_axis(axes, num_classes: int) -> None:
    """Entropy in nats along x, stretched at both ends (logit of H / log C): no end is a clump."""
    top = np.log(num_classes)

    def forward(h):
        share = np.clip(np.asarray(h, dtype=float) / top, 1e-3, 1 - 1e-5)
        return np.log(share / (1 - share))

    def inverse(x):
        return top / (1 + np.exp(-np.asarray(x, dtype=float)))

    axes.set_xscale("function", functions=(forward, inverse))
    ticks = [h for h in (0.02, 0.1, 0.5, 1, 1.5, 1.9, 2.02, 2.06, 2.077) if h < top]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    most = f"nats; at most log {num_classes}; axis stretched"
    axes.set_xlabel(f"entropy of the prediction on test\n({most})")


def forest(axes: Axes, changes: pd.DataFrame) -> None:
    """Draw changes in points with their 95 % intervals, a row each from the top; zero is marked.

    Thick: the paired bootstrap over images and seeds, ``low`` to ``high``, green where it leaves
    zero out. Thin, below it: Student's over the seeds alone, ``change`` plus and minus ``half``.
    Both are labelled for a legend.

    Args:
        changes: rows as of ``analysis.change``: ``change``, ``low``, ``high`` and ``half`` in 0..1;
            the index names them.
    """
    points = 100 * changes[["change", "low", "high", "half"]].astype(float)
    labels = ["95 %, images and seeds", "95 %, seeds alone (Student)"]  # once, not in every row
    for row, own in enumerate(points.itertuples()):
        colour = OKABE_ITO["green"] if own.low > 0 or own.high < 0 else "0.45"
        thick, thin = labels if row == 0 else (None, None)
        axes.plot([own.low, own.high], [row] * 2, color=colour, lw=5, alpha=0.5, label=thick)
        axes.plot(own.change, row, "o", color=colour, ms=7)
        ends = [own.change - own.half, own.change + own.half]
        axes.plot(ends, [row + 0.25] * 2, "|-", color="black", lw=1, ms=6, label=thin)
        axes.annotate(
            f"{own.change:+.1f}", (own.change, row), (0, 7), textcoords="offset points",
            ha="center", bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.3},
        )  # fmt: skip
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(points)), points.index)
    axes.set_ylim(len(points) - 0.4, -0.7)
    axes.grid(axis="y", visible=False)


def png(figure: Figure) -> bytes:
    """The figure on white as PNG bytes, without the version that would make equal figures differ.
    ValueError: a text is :func:`faint`, under ENTREG_CONTRAST, with which notebooks are built."""
    if os.environ.get("ENTREG_CONTRAST") and (texts := faint(figure)):
        raise ValueError(f"no contrast in {texts}: give ink(colour), or bbox= on a picture")
    buffer = io.BytesIO()
    Image.fromarray(pixels(figure)).save(buffer, format="png")
    plt.close(figure)
    return buffer.getvalue()


def show(figure: Figure | tuple[Figure, str], sentence: str | None = None) -> None:
    """Display a figure with its sentence as alternative text, and print the sentence under it.

    Args:
        figure: the figure, or the pair ``(figure, sentence)`` that the pictures give.
    """
    if sentence is None:
        figure, sentence = figure
    if _captured is not None:
        _captured.append((figure, sentence))
        return
    bundle = {"image/png": base64.b64encode(png(figure)).decode(), "text/plain": sentence}
    display(bundle, raw=True, metadata={"image/png": {"alt": sentence}})
    say(sentence)


def say(*sentences: str, indent: str = "") -> None:
    """Print sentences as a paragraph of 76 columns, which A4 keeps; no line ends inside a word.
    ``indent`` stands before each line but the first."""
    text, rule = " ".join(sentences), {"break_long_words": False, "break_on_hyphens": False}
    print(textwrap.fill(text, 76, subsequent_indent=indent, **rule))


@contextlib.contextmanager
def captured() -> Iterator[list[tuple[Figure, str]]]:
    """Inside, :func:`show` adds ``(figure, sentence)`` to the list given here and displays nothing.

    The figures are closed at the end.
    """
    global _captured
    before, _captured = _captured, []
    try:
        yield _captured
    finally:
        for figure, _ in _captured:
            plt.close(figure)
        _captured = before


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
