"""Pictures of the course, and one look for every figure.

Curves and bars are drawn in the notebooks; here are the pictures that need care, as functions from
data to ``(Figure, sentence)``, and the style that all share.
"""

from entreg_utils.figures.forest import forest
from entreg_utils.figures.style import (
    MAP_CMAP,
    OKABE_ITO,
    entropy_axis,
    ink,
    picture_axes,
    png,
    show,
    student,
    use_style,
)

__all__ = [
    "MAP_CMAP",
    "OKABE_ITO",
    "entropy_axis",
    "forest",
    "ink",
    "picture_axes",
    "png",
    "show",
    "student",
    "use_style",
]
