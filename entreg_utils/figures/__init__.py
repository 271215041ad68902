"""Figures of the course: pure functions from data to ``(Figure, sentence)``, one module a topic."""

from entreg_utils.figures.style import (
    MAP_CMAP,
    OKABE_ITO,
    TEXT,
    captured,
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
    "TEXT",
    "captured",
    "ink",
    "picture_axes",
    "png",
    "show",
    "student",
    "use_style",
]
