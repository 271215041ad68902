"""What a data set says about one photograph, and how its masks are read and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IGNORE = 2  # in a cached mask: 0 background, 1 object, 2 ignore


@dataclass(frozen=True)
class Photo:
    """What a data set says about one photograph.

    Attributes:
        path: the image file.  image_id: its name in the data set's own lists.
        label: class index; for multi-label data the indices of the classes present, rising.
        xywh: ``x, y, w, h`` of the object in pixels of the file, or None.
        boxes: rows ``x0, y0, x1, y1`` in an image of ``frame = (W, H)``, or None.
        mask_files: files from which the mask is read; empty when there is none.
    """

    path: Path
    image_id: str
    label: int | tuple[int, ...]
    xywh: tuple[float, ...] | None = None
    boxes: tuple[tuple[int, ...], ...] | None = None
    frame: tuple[int, int] | None = None
    mask_files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class MaskReader:
    """How the masks of a data set are read.

    Attributes:
        read: (mask files, class index, (width, height)) -> (mask, ignore or None), bool (H, W).
        has_ignore: whether ``read`` gives ignore masks.
        rule: says what ``read`` does, in words that change with it: part of the cache's name.
    """

    read: Callable
    has_ignore: bool
    rule: str


class Masks(Sequence):
    """P masks of one square size: item p is (mask bool (S, S), ignore bool (S, S) or None)."""

    def __init__(self, codes: np.ndarray, has_ignore: bool):
        self.codes, self.has_ignore = codes, has_ignore

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        code = np.asarray(self.codes[index])
        return code == 1, (code == IGNORE if self.has_ignore else None)
