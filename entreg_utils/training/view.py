"""How a split is shown and scored (:class:`View`), and what a network says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from entreg_utils import cam
from entreg_utils.ahead import ahead
from entreg_utils.cam.activation import on_cpu
from entreg_utils.cam.scaling import LARGEST_SIDE
from entreg_utils.fields import plain_numbers, whole
from entreg_utils.training.batches import as_input
from entreg_utils.training.guard import enough_memory

_BATCH = 64  # images of a pass in evaluation: large photographs leave memory for so many
_SCORERS = 6  # threads that score maps beside a pass


class View:
    """A split as a network is shown it in evaluation, and what its maps are scored against.

    Args:
        dataset: of ``data.load``, or anything with its ``images``, ``labels``, ``boxes_at`` and
            ``masks_at``.
        size: side in pixels of the square in which maps, boxes and masks meet, whatever the network
            is shown; default ``dataset.frame``, 224 for photographs.
        crop: side of the middle square that is shown, in pixels of ``dataset.images``; 0 shows all.
            Boxes are clipped to it, and masks cut. ValueError: larger than the images, or no
            whole number, as for ``size``.
        rows: only these images, rising, scored for the classifier alone (no boxes, no masks).
        multilabel: for multi-hot labels, the loss that the network was trained with.
    """

    @plain_numbers
    def __init__(
        self, dataset, size: int | None = None, crop: int = 0, rows=None, multilabel: str = "none"
    ):
        self.dataset, self.multilabel = dataset, multilabel
        self.title = "scoring"  # of the bar of a pass of two seconds or more; "" for none
        size = getattr(dataset, "frame", 224) if size is None else size
        self.size, self.crop = whole("size", size, 1, LARGEST_SIDE), whole("crop", crop, 0)
        self.rows = None if rows is None else torch.as_tensor(rows)
        self.labels = dataset.labels if rows is None else dataset.labels[self.rows]
        self.several = self.labels.ndim == 2
        # side of the whole image where the part that is shown has `size`, and its margin
        self._full, self._margin = self.size, 0
        if self.crop:
            sides = dataset.images.shape[-2:]
            if self.crop > (side := min(sides)):
                raise ValueError(f"crop={crop} is larger than the images, whose side is {side}")
            self._full = round(self.size * sides[1] / self.crop)
            self._margin = (self._full - self.size) // 2

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, start: int, stop: int) -> Tensor:
        """The images ``start`` to ``stop`` as they are shown: uint8 (n, 3, h, w)."""
        chosen = slice(start, stop) if self.rows is None else self.rows[start:stop]
        images = self.dataset.images[chosen]
        if not self.crop:
            return images
        top, left = ((side - self.crop) // 2 for side in images.shape[-2:])
        return images[..., top : top + self.crop, left : left + self.crop]

    @cached_property
    def pairs(self) -> Tensor:
        """int64 (P, 2), rows (image, class): each has a map."""
        if self.several:
            return self.labels.nonzero()
        return torch.stack([torch.arange(len(self)), self.labels], dim=1)

    @cached_property
    def boxes(self) -> list[np.ndarray] | None:
        """P int64 arrays (n, 4) in the frame of ``size``, (0, 4) where none is known; or None."""
        boxes = self._of_pairs("boxes")
        if boxes is None or not self._margin:
            return boxes
        return [np.clip(own - self._margin, 0, self.size - 1) for own in boxes]

    @cached_property
    def boxed(self) -> np.ndarray:
        """Indices of the pairs whose boxes are known: those that box scores are taken over."""
        return np.flatnonzero([len(own) > 0 for own in self.boxes or ()])

    @cached_property
    def _masks(self) -> Sequence | None:
        return self._of_pairs("masks")

    def _of_pairs(self, what: str) -> Sequence | None:
        """The data set's boxes or masks of the whole image, for each pair; or None."""
        found = None if self.rows is not None else getattr(self.dataset, f"{what}_at")(self._full)
        if found is None:
            return None
        found = found if hasattr(found, "__getitem__") else [*found]
        if len(found) != len(self.pairs):
            raise ValueError(
                f"there are {what} for {len(found)} maps of {len(self.pairs)}: {what}_at gives "
                "those of each pair of image and class"
            )
        return found

    @property
    def has_masks(self) -> bool:
        return self._masks is not None

    def mask(self, pair: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(mask, ignore or None) of a pair, bool (size, size)."""
        part = slice(self._margin, self._margin + self.size)
        mask, ignore = self._masks[pair]
        return mask[part, part], None if ignore is None else ignore[part, part]

    @property
    def criterion(self) -> str:
        """The score by which a checkpoint is chosen on this split: localisation where it can."""
        if self.has_masks:
            return "mpxap" if self.several else "pxap"
        if len(self.boxed):
            return "max_box_acc"
        return "mean_ap" if self.several else "accuracy"


@dataclass(frozen=True)
class Prediction:
    """Raw outputs on a split: maps float32 (P, h, w) of the true classes, logits float32 (N, C).

    P = N with one class an image; with several, one map for each row of ``View.pairs``.
    """

    maps: np.ndarray
    logits: np.ndarray


@plain_numbers
def predict(
    model: nn.Module,
    view,
    batch: int = _BATCH,
    score: Callable | None = None,
    use: Callable = lambda found: None,
) -> Prediction:
    """Run a model over a view, or over a data set as a whole, on the model's device, in float32.

    One forward pass gives logits and maps together; an image of several classes is passed once for
    each. ``score(pair, map)`` is asked about each map by threads, while the network is at the next
    batch, and ``use`` gets each answer, in the order of ``view.pairs``; no more maps than those of
    a batch wait. TrainingError: the device has too little memory.
    ValueError: ``batch`` below 1.
    """
    view, batch = as_view(view), whole("batch", batch, 1)
    device, made = next(model.parameters()).device, []

    def maps() -> Iterator[np.ndarray]:
        for start in range(0, len(view), batch):
            stop = min(start + batch, len(view))
            images = as_input(view.images(start, stop), device)
            if view.several:
                found = _several(model, images, view.pairs, start, stop)
            else:
                found = cam.class_activation_map(model, images, view.labels[start:stop])
            cams, logits = found
            made.append((on_cpu(cams).numpy(), logits.float().cpu().numpy()))
            yield from made[-1][0]

    # While a GPU computes, all of the CPU's threads are free, and one at the least. A seventh of
    # what scoring takes is Python's: of more than _SCORERS each would wait for the others.
    threads = torch.get_num_threads() + (device.type != "cpu")
    threads = min(threads, _SCORERS) if score else 1
    what = {"title": view.title, "unit": "map", "window": batch, "total": len(view.pairs)}
    with enough_memory("a pass in evaluation"):
        asked = (lambda pair: score(*pair)) if score else (lambda pair: None)
        for found in ahead(asked, enumerate(maps()), threads, **what):
            use(found)
    return Prediction(*map(np.concatenate, zip(*made, strict=True)))


def as_view(view) -> View:
    return view if isinstance(view, View) else View(view)


def _several(model, images: Tensor, pairs: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Maps of the pairs whose image lies in ``start..stop``, and logits of every image there."""
    own = pairs[(pairs[:, 0] >= start) & (pairs[:, 0] < stop)]
    owners, classes = own[:, 0] - start, own[:, 1]
    everyone = torch.arange(len(images))
    bare = everyone[~torch.isin(everyone, owners)]  # shows no class: passed for its logits alone
    passed = torch.cat([owners, bare])
    shown = images[passed.to(images.device, non_blocking=True)]
    a, z = cam.class_activation_map(model, shown, torch.cat([classes, torch.zeros_like(bare)]))
    one_of = torch.empty(len(images), dtype=torch.int64)
    one_of[passed] = torch.arange(len(passed))  # of equal rows any will do
    return a[: len(own)], z[one_of.to(z.device, non_blocking=True)]
