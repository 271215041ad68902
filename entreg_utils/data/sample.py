"""What every data set of the course gives, and how somebody's own is brought to it."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data._utils.collate import default_collate_fn_map

from entreg_utils.cam.scaling import rescale_boxes, resize_mask

FRAME = 224  # side at which the maps of photographs are scored
_REGIONS = ("mask", "ignore", "part", "context")


class Sample(NamedTuple):
    """One image with its label and, for evaluation only, what is known about where the object is.

    Attributes:
        image: float32 (3, H, W) in 0..1.
        label: class index; for multi-label data float32 (C,), 1 for the classes present.
        boxes: int64 (n, 4), rows ``x0, y0, x1, y1`` in pixels with ``x1 = min(x0 + w, W - 1)``, the
            convention of the field's CUB lists; (0, 4) where no box is known.
        mask: bool (H, W), True on the object, or None. For multi-label data (n, H, W), a mask for
            each of the n classes present, in the order of the classes.
        ignore: bool (H, W), True on pixels that no score may count, or None.
        image_id: name that stays the same over versions of the data set.
        part, context: bool (H, W), exact regions of the drawn world; None on photographs.
    """

    image: torch.Tensor
    label: int | torch.Tensor
    boxes: torch.Tensor
    mask: torch.Tensor | None
    ignore: torch.Tensor | None
    image_id: str
    part: torch.Tensor | None = None
    context: torch.Tensor | None = None


def collate(samples: list[Sample], *, collate_fn_map=None) -> Sample:
    """A batch of B samples as one: what ``torch.utils.data.DataLoader`` makes of them by itself.

    Returns:
        Images (B, 3, H, W), labels (B,) or (B, C), masks and regions (B, H, W) where every sample
        has one of that shape and None where none has any. Boxes, names, and masks that differ in
        number are lists of B.

    Raises:
        ValueError: images of several sizes, or no samples.
    """
    if not samples or not all(isinstance(one, Sample) for one in samples):
        raise ValueError("a batch is made of one Sample or more: give a list of them")
    columns = Sample(*map(list, zip(*samples, strict=True)))
    shapes = {tuple(image.shape) for image in columns.image}
    if len(shapes) > 1:
        raise ValueError(
            f"images of {len(shapes)} sizes make no batch: photographs come at their own sizes; "
            "take rows of dataset.images, which have one, or give the DataLoader a collate_fn"
        )

    def together(values: list):
        alike = all(value is not None and value.ndim == 2 for value in values)
        if alike:
            return torch.stack(values)
        return None if all(value is None for value in values) else values

    regions = {name: together(getattr(columns, name)) for name in _REGIONS}
    labels = torch.stack([torch.as_tensor(label) for label in columns.label])
    return columns._replace(image=torch.stack(columns.image), label=labels, **regions)


default_collate_fn_map[Sample] = collate  # the way that torch's documentation gives


def pairs_of(labels: torch.Tensor) -> torch.Tensor:
    """int64 (P, 2), rows (image, class): one an image, or one for every class present in it."""
    if labels.ndim == 2:
        return labels.nonzero()
    return torch.stack([torch.arange(len(labels)), labels], dim=1)


def usual_ids(split: str, count: int) -> list[str]:
    """Names for images that have none: ``val/00012``."""
    return [f"{split}/{index:05d}" for index in range(count)]


def fingerprint_of(rows) -> str:
    """Hex SHA-256 of what images show and what is said about them; no bytes or paths of files.

    A row holds an image's arrays and numbers: pixels, label, boxes, masks.
    """
    whole = hashlib.sha256()
    for row in rows:
        for value in row:
            array = np.ascontiguousarray([] if value is None else value)
            kind = "b" if array.dtype == bool else "u" if array.dtype == np.uint8 else "n"
            array = array.astype(np.float64) if kind == "n" else array
            whole.update(f"{kind}{array.shape}".encode() + array.tobytes())
    return whole.hexdigest()


class Images(torch.utils.data.Dataset):
    """Labelled images: item i is the :class:`Sample` of what ``_shown`` gives for i.

    A subclass has ``labels``, ``multilabel``, ``image_ids`` and ``_shown``: index -> pixels uint8
    (3, H, W), boxes (n, 4), mask and ignore bool (H, W), or None.
    """

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]  # counts from the end too, and refuses what is not there
        pixels, *places = self._shown(index)
        tensors = [None if place is None else torch.as_tensor(place) for place in places]
        label = self.labels[index] if self.multilabel else int(self.labels[index])
        return Sample(torch.as_tensor(pixels) / 255, label, *tensors, self.image_ids[index])


class OwnDataset(Images):
    """Somebody's own data with everything that the course asks of a data set.

    Taken are objects with ``images`` uint8 (N, 3, S, S) and ``labels``, int (N,) or 0 and 1
    (N, C), and, where they have them, ``boxes``, N arrays (n, 4) in pixels of the images, ``masks``
    bool (N, S, S) (of labels (N, C) one a row of ``pairs``, not N), ``boxes_at``, ``masks_at``,
    ``class_names``, ``image_ids``, ``frame``, ``fingerprint``; and data sets of torch that give
    pairs (image, label), read whole.

    Raises:
        ValueError: what is missing or of another shape, in one sentence.
    """

    def __init__(self, found, split: str, name: str):
        self.found, self.split, self.name = found, split, str(getattr(found, "name", name))
        images, labels = _images_and_labels(found, name)
        squares = images.ndim == 4 and images.shape[1:] == (3, images.shape[3], images.shape[3])
        if images.dtype != torch.uint8 or not squares or not len(images):
            raise ValueError(
                f"{name}: images are {images.dtype} of shape {tuple(images.shape)}: give uint8 "
                "(N, 3, S, S), 0..255"
            )
        if len(labels) != len(images) or labels.ndim not in (1, 2):
            raise ValueError(
                f"{name}: labels of shape {tuple(labels.shape)} do not fit {len(images)} images: "
                "give class indices (N,), or 0 and 1 (N, C)"
            )
        self.images, self.multilabel = images, labels.ndim == 2
        self.labels = labels.float() if self.multilabel else labels.long()
        most = labels.shape[1] if self.multilabel else int(labels.max()) + 1
        names = getattr(found, "class_names", getattr(found, "classes", None))
        self.num_classes = int(getattr(found, "num_classes", len(names) if names else most))
        self.class_names = tuple(names or (f"class {index}" for index in range(self.num_classes)))
        if self.labels.min() < 0 or most > self.num_classes:
            raise ValueError(f"{name}: labels go beyond its {self.num_classes} classes")
        self.image_ids = list(getattr(found, "image_ids", usual_ids(split, len(images))))
        self.pairs = pairs_of(self.labels)
        self.source = str(getattr(found, "source", "own"))
        self.frame = int(getattr(found, "frame", FRAME))

    def _shown(self, index: int) -> tuple:
        boxes, masks = self._places
        rows = (self.pairs[:, 0] == index).nonzero().flatten() if self.multilabel else [index]
        own = [np.zeros((0, 4), np.int64), *(() if boxes is None else (boxes[row] for row in rows))]
        mask = (None, None) if masks is None or self.multilabel else masks[index]
        return self.images[index], np.concatenate(own), *mask

    @cached_property
    def _places(self) -> tuple:
        return self.boxes_at(self.images.shape[-1]), self.masks_at(self.images.shape[-1])

    def boxes_at(self, size: int) -> list[np.ndarray] | None:
        """N int64 arrays (n, 4) in an image of side ``size``, or of labels (N, C) P; or None."""
        if hasattr(self.found, "boxes_at"):
            return self.found.boxes_at(size)
        boxes, side = getattr(self.found, "boxes", None), self.images.shape[-1]
        return None if boxes is None else [rescale_boxes(own, (side, side), size) for own in boxes]

    def masks_at(self, size: int):
        """Pairs (mask bool (size, size), ignore or None), one a row of ``pairs``, or None."""
        if hasattr(self.found, "masks_at"):
            return self.found.masks_at(size)
        masks = getattr(self.found, "masks", None)
        return None if masks is None else [(resize_mask(mask, size), None) for mask in masks]

    @cached_property
    def fingerprint(self) -> str:
        """That of the own data set, or :func:`fingerprint_of` images, labels, boxes and masks."""
        if hasattr(self.found, "fingerprint"):
            return str(self.found.fingerprint)
        boxes, masks = self._places
        rows = zip(self.images.numpy(), self.labels.numpy(), strict=True)
        return fingerprint_of([*rows, *([own] for own in boxes or ()), *(masks or ())])


def _images_and_labels(found, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    if hasattr(found, "images") and hasattr(found, "labels"):
        return torch.as_tensor(found.images), torch.as_tensor(found.labels)
    pairs = hasattr(found, "__len__") and hasattr(found, "__getitem__")
    if hasattr(found, "images") or not pairs or isinstance(found, Mapping):
        raise ValueError(
            f"{name} gives {type(found).__name__}: give an object with images, uint8 (N, 3, S, S), "
            "and labels, ints (N,), or a data set of pairs (image, label)"
        )
    images, labels = [], []
    for index in range(len(found)):
        pair = found[index]
        if not isinstance(pair, (tuple, list)) or len(pair) < 2:
            raise ValueError(
                f"{name} gives no pair (image, label) at {index}: give a data set of them"
            )
        image = torch.as_tensor(np.array(pair[0]) if not torch.is_tensor(pair[0]) else pair[0])
        if image.ndim == 3 and image.shape[-1] == 3 and image.shape[0] != 3:
            image = image.permute(2, 0, 1)  # of Pillow
        if image.is_floating_point():
            if not 0 <= image.min() <= image.max() <= 1:
                raise ValueError(f"{name}: image {index} is not in 0..1: leave normalisation out")
            image = (image * 255).round().byte()
        images.append(image)
        labels.append(torch.as_tensor(pair[1]))
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) != 1:
        raise ValueError(f"{name} gives images of {len(shapes)} shapes: bring them to one square")
    return torch.stack(images), torch.stack(labels)
