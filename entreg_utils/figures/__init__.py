"""Pictures of the course, and one look for every figure.

Curves and bars are drawn in the notebooks; here are the pictures that need care, as functions from
data to ``(Figure, sentence)``, and the style that all share.
"""

from entreg_utils.figures.overlays import Example, invariance, steps, triptych, triptychs
from entreg_utils.figures.scenes import as_picture, draw_box, draw_picture, picture_grid
from entreg_utils.figures.style import (
    CUE_COLOURS,
    OKABE_ITO,
    PREDICTED,
    TRUE,
    captured,
    entropy_axis,
    forest,
    ink,
    picture_axes,
    png,
    say,
    show,
    student,
    use_style,
)
