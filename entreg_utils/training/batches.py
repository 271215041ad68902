"""The batches of an epoch: which images, in which order, cropped and mirrored on the device.

All of it is drawn from one generator of (seed, epoch): a batch does not depend on what was before.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from entreg_utils.ahead import ahead
from entreg_utils.training.recipe import Recipe

# Larger arrays are read ahead in threads: they are memory-mapped, and a page may be on the disk.
_READ_AHEAD = 2**28  # bytes


def as_input(images: Tensor, device) -> Tensor:
    """uint8 (N, 3, H, W) to float32 0..1 on a device, in the layout that convolutions like."""
    images = images.to(device, non_blocking=True)
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)


def generator_of(recipe: Recipe, epoch: int, stream: int = 0) -> torch.Generator:
    """The CPU generator of one epoch; ``stream`` 0 draws the batches, 1 what is erased."""
    return torch.Generator().manual_seed(recipe.seed * 100_003 + epoch + (stream << 40))


def steps_of(count: int, recipe: Recipe) -> int:
    """Steps of an epoch over ``count`` images; ValueError: not even one."""
    images, size = recipe.epoch_images or count, recipe.batch_size
    if images < size:
        raise ValueError(
            f"fewer images than one batch: batch_size={size} is larger than the {images} training "
            "images; lower it, or let epoch_images pass over them several times"
        )
    return images // size


class Epoch:
    """The batches of one epoch; iterating gives (images float 0..1, targets), on the device.

    ``dataset``: ``images`` uint8 (N, 3, H, W), ``labels`` (N,) or (N, C). ``epoch``: from 0.
    ``crop``: side in pixels of a random crop of each image; 0 takes the whole. ValueError: a crop
    larger than the images.
    """

    def __init__(self, dataset, recipe: Recipe, epoch: int, device: torch.device, crop: int = 0):
        self.images, self.device, self.size = dataset.images, device, recipe.batch_size
        count, side = len(dataset), min(dataset.images.shape[-2:])
        if crop > side:
            raise ValueError(f"crop={crop} is larger than the images, whose side is {side}")
        self.steps = steps_of(count, recipe)
        generator = generator_of(recipe, epoch)
        orders, flips = [], []
        for _ in range(-(-self.steps * self.size // count)):  # passes, the last perhaps in part
            orders.append(torch.randperm(count, generator=generator))
            mirrored = torch.rand(count, generator=generator) < (0.5 if recipe.flip else 0.0)
            flips.append(mirrored[orders[-1]])
        self.order = torch.cat(orders)
        self.crop = crop if crop != max(dataset.images.shape[-2:]) else 0
        if self.crop:
            free = torch.tensor(dataset.images.shape[-2:]) - self.crop + 1
            drawn = torch.rand(len(self.order), 2, generator=generator, dtype=torch.float64)
            self.corners = (drawn * free).long().to(device, non_blocking=True)  # (n, 2): top, left
        self.flips = torch.cat(flips)[:, None, None, None].to(device, non_blocking=True)
        self.targets = dataset.labels[self.order].to(device, non_blocking=True)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        slow = self.images.nbytes >= _READ_AHEAD or self.device.type != "cpu"
        batches = ahead(self._gather, range(self.steps), 2 if slow else 1, window=1)
        for step, images in enumerate(batches):
            rows = slice(step * self.size, (step + 1) * self.size)
            images = images.to(self.device, non_blocking=True)
            if self.crop:
                images = crop_at(images, self.corners[rows], self.crop)
            images = torch.where(self.flips[rows], images.flip(3), images)
            yield as_input(images, self.device), self.targets[rows]

    def _gather(self, step: int) -> Tensor:
        images = self.images[self.order[step * self.size : (step + 1) * self.size]]
        # only from pinned memory does a copy to the GPU overlap with what it computes
        return images.pin_memory() if self.device.type == "cuda" else images


def crop_at(images: Tensor, corners: Tensor, side: int) -> Tensor:
    """Of each image the square of ``side`` pixels at its own corner (top, left), in one gather:
    (N, 3, H, W) and (N, 2) -> (N, 3, side, side)."""
    offsets = torch.arange(side, device=images.device)
    rows = (corners[:, 0, None] + offsets)[:, :, None]  # (N, side, 1)
    columns = (corners[:, 1, None] + offsets)[:, None, :]
    first = torch.arange(len(images), device=images.device)[:, None, None]
    return images[first, :, rows, columns].permute(0, 3, 1, 2)


def check_kind(labels: Tensor, multilabel: str) -> None:
    """ValueError: labels (N,) for ``multilabel``, or (N, C) without it."""
    one = "one class an image: train it with multilabel='none'"
    more = "several classes an image: train it with multilabel='softmax' or 'sigmoid'"
    if (labels.ndim == 2) != (multilabel != "none"):
        raise ValueError(f"this data set has {more if labels.ndim == 2 else one}")


def check_labels(labels: Tensor, classes: int, multilabel: str) -> None:
    """ValueError for labels that the loss or the head has no place for: of a kind that does not fit
    ``multilabel``; outside 0..classes-1; multi-hot rows of other values than 0 and 1, of another
    length, or without a class where a softmax needs one."""
    check_kind(labels, multilabel)
    if labels.ndim == 1:
        outside = f"is outside 0..{classes - 1}: renumber the labels or build the model with more"
        found = {f"{outside} classes": (labels < 0) | (labels >= classes)}
    elif labels.shape[1] != classes:
        raise ValueError(f"labels have {labels.shape[1]} columns, and the head {classes} classes")
    else:
        found = {"has other values than 0 and 1": ((labels != 0) & (labels != 1)).any(1)}
        if multilabel == "softmax":
            empty = "names no class, and a softmax needs one: leave the image out, or use 'sigmoid'"
            found[empty] = labels.sum(1) == 0
    for what, bad in found.items():
        if bad.any():
            image = int(bad.nonzero()[0])
            value = f" {int(labels[image])}" if labels.ndim == 1 else ""
            raise ValueError(f"the label{value} of training image {image} {what}")
