"""What every data set of the course gives: one :class:`Sample` per index."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Sample:
    """One image with its label and, for evaluation only, what is known about where the object is.

    Attributes:
        image: float32 (3, H, W) in 0..1.
        label: class index; for multi-label data float32 (C,), 1 for the classes present.
        boxes: int64 (n, 4), rows ``x0, y0, x1, y1`` in pixels with ``x1 = min(x0 + w, W - 1)``, the
            convention of the field's CUB lists; (0, 4) when the data set has masks only.
        mask: bool (H, W), True on the object, or None. For multi-label data (n, H, W), a mask for
            each of the n classes present, in the order of the classes.
        ignore: bool (H, W), True on pixels that no score may count, or None.
        image_id: name that stays the same over versions of the data set.
        part, context: bool (H, W), exact regions of the embedded world; None on photographs.
    """

    image: torch.Tensor
    label: int | torch.Tensor
    boxes: torch.Tensor
    mask: torch.Tensor | None
    ignore: torch.Tensor | None
    image_id: str
    part: torch.Tensor | None = None
    context: torch.Tensor | None = None
