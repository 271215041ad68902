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


def batches(
    dataset, recipe: Recipe, epoch: int, device: torch.device, crop: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch: (images float 0..1, targets), on the device.

    ``dataset``: ``images`` uint8 (N, 3, H, W), ``labels`` (N,) or (N, C). ``epoch``: from 0.
    ``crop``: side in pixels of a random crop of each image; 0 takes the whole. ValueError: a crop
    larger than the images.
    """
    count, size, sides = len(dataset), recipe.batch_size, dataset.images.shape[-2:]
    if crop > min(sides):
        raise ValueError(f"crop={crop} is larger than the images, whose side is {min(sides)}")
    steps, generator = steps_of(count, recipe), generator_of(recipe, epoch)
    orders, flips = [], []
    for _ in range(-(-steps * size // count)):  # passes, the last perhaps in part
        orders.append(torch.randperm(count, generator=generator))
        mirrored = torch.rand(count, generator=generator) < (0.5 if recipe.flip else 0.0)
        flips.append(mirrored[orders[-1]])
    order, cropped = torch.cat(orders), crop not in (0, max(sides))
    if cropped:
        drawn = torch.rand(len(order), 2, generator=generator, dtype=torch.float64)
        corners = (drawn * (torch.tensor(sides) - crop + 1)).long()  # (n, 2): top, left
        corners = corners.to(device, non_blocking=True)
    flipped = torch.cat(flips)[:, None, None, None].to(device, non_blocking=True)
    targets = dataset.labels[order].to(device, non_blocking=True)

    def gather(step: int) -> Tensor:
        images = dataset.images[order[step * size : (step + 1) * size]]
        # only from pinned memory does a copy to the GPU overlap with what it computes
        return images.pin_memory() if device.type == "cuda" else images

    slow = dataset.images.nbytes >= _READ_AHEAD or device.type != "cpu"
    for step, images in enumerate(ahead(gather, range(steps), 2 if slow else 1, window=1)):
        rows = slice(step * size, (step + 1) * size)
        images = images.to(device, non_blocking=True)
        if cropped:
            images = crop_at(images, corners[rows], crop)
        images = torch.where(flipped[rows], images.flip(3), images)
        yield as_input(images, device), targets[rows]


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
