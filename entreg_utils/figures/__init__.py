"""Pictures of the course, and one look for every figure.

Curves and bars are drawn in the notebooks; here are the pictures that need care, as functions from
data to ``(Figure, sentence)``, and the style that all share.
"""

from entreg_utils.figures.forest import forest
from entreg_utils.figures.overlays import draw_triptych, invariance, triptych
from entreg_utils.figures.scenes import as_picture, draw_box, picture_grid, triangle
from entreg_utils.figures.style import (
    CUE_COLOURS,
    MAP_CMAP,
    OKABE_ITO,
    TEXT,
    captured,
    entropy_axis,
    ink,
    picture_axes,
    png,
    show,
    student,
    use_style,
)

__all__ = [
    "CUE_COLOURS",
    "MAP_CMAP",
    "OKABE_ITO",
    "TEXT",
    "as_picture",
    "captured",
    "draw_box",
    "draw_triptych",
    "entropy_axis",
    "forest",
    "ink",
    "invariance",
    "picture_axes",
    "picture_grid",
    "png",
    "show",
    "student",
    "triangle",
    "triptych",
    "use_style",
]
