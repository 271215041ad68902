"""The drawn worlds as data sets: painted once in a process, held in memory as tensors."""

import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from entreg_utils.cam.scaling import rescale_boxes, resize_mask
from entreg_utils.data.reef import paint
from entreg_utils.data.sample import Images, Sample, pairs_of, usual_ids
from entreg_utils.data.world import (
    CUES,
    KNOBS,
    SPLITS,
    World,
    check_split,
    draw_shoal,
    draw_toy,
)
from entreg_utils.fields import known, plain_numbers, whole

SPECIES = tuple(
    "clown bar, gold spot, reed stripe, royal wave, two-tone rose, ruby lozenge, teal zigzag, "
    "sand bar, pearl spot, violet slant".split(", ")
)
_CHUNK = 128  # images painted at once: the arrays of one chunk stay in the cache of one core
_KEPT = 6  # splits in memory, 23 MB for 2,000 images


class DrawnDataset(Images):
    """One split of a drawn world, with the attributes that ``data.load`` lists, and more.

    There are P = N fish in N images of ``toy``, which have labels (N,), and one to three an image
    of ``shoal``, which have labels float32 (N, C).

    Attributes:
        boxes: int64 (P, 4), one of each fish, so of each of ``pairs``: ``x0, y0, x1, y1`` with
            ``x1 = min(x0 + w, S - 1)``, exact.
        masks: bool (P, S, S): the fish, its mark included.
        parts, contexts: of ``toy`` alone, bool (N, S, S): the mark, and all but the fish.
        cues: int64 (P, 3): variant shown by part (-1: unpainted), body, context.
        world: its knobs.
    """

    source = "drawn by this package"
    fingerprint = ""  # the knobs say all

    def __init__(self, name: str, world: World, split: str, arrays: dict[str, np.ndarray]):
        self.name, self.world, self.split, self.multilabel = name, world, split, name == "shoal"
        for array in arrays:
            setattr(self, array, torch.tensor(arrays[array]))
        if not self.multilabel:
            self.contexts = ~self.masks
        self.pairs = pairs_of(self.labels)
        self.num_classes, self.frame = world.num_classes, world.image_size
        self.class_names = SPECIES[: world.num_classes]
        self.image_ids = usual_ids(split, len(self.labels))

    def boxes_at(self, size: int) -> list[np.ndarray]:
        """P int64 arrays (1, 4): the boxes in an image of side ``size``, scaled and truncated."""
        return list(rescale_boxes(self.boxes, (self.frame, self.frame), size)[:, None])

    def masks_at(self, size: int) -> list[tuple[np.ndarray, None]]:
        """P pairs (mask bool (size, size) by nearest neighbour, None): no pixel is ignored."""
        return [(resize_mask(mask, size), None) for mask in self.masks.numpy()]

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        if self.multilabel:
            return sample
        return sample._replace(part=self.parts[index], context=self.contexts[index])

    def _shown(self, index: int) -> tuple:
        own = self.pairs[:, 0] == index if self.multilabel else slice(index, index + 1)
        masks = self.masks[own] if self.multilabel else self.masks[index]
        return self.images[index], self.boxes[own], masks, None


@plain_numbers
def toy(split: str, num_images: int | None = None, cache: bool = True, **knobs) -> DrawnDataset:
    """Paint a split of the world of one fish an image, a second for 2,000 images.

    Args:
        split: ``train`` (2,000 images by default), ``val`` (200) or ``test`` (400).
        num_images: how many; a larger split begins with the images of a smaller one.
        cache: keep what is painted in memory for the next call; each call gets a copy.
        knobs: fields of :class:`World`; ValueError for an unknown one.
    """
    return _drawn("toy", split, num_images, cache, knobs)


@plain_numbers
def shoal(split: str, num_images: int | None = None, cache: bool = True, **knobs) -> DrawnDataset:
    """Paint a split of images of one to three fish; of two species, of one or two.

    Arguments and errors as of :func:`toy`: ``knobs`` are the fields of :class:`World`.
    """
    return _drawn("shoal", split, num_images, cache, knobs)


def _drawn(name: str, split: str, count: int | None, cache: bool, knobs: dict) -> DrawnDataset:
    if unknown := sorted(set(knobs) - set(KNOBS)):
        raise ValueError(f"unknown knob {unknown[0]!r}: the drawn world has {', '.join(KNOBS)}")
    world = World(**knobs)
    check_split(split)
    count = SPLITS[split] if count is None else whole("num_images", count, 1, 10**6)
    arrays = (_kept if cache else generate)(world, split, count, name == "shoal")
    return DrawnDataset(name, world, split, arrays)


def generate(world: World, split: str, count: int, several: bool = False) -> dict[str, np.ndarray]:
    """The arrays of ``count`` images, of one fish each or of several; see :class:`DrawnDataset`."""
    scenes, shown = (draw_shoal if several else draw_toy)(world, split, count)
    images, masks, parts = _painted(scenes, shown, world.image_size)
    image, k = np.nonzero(shown)
    label = np.stack([scene.labels for scene in scenes], axis=1)[image, k]
    order = np.lexsort((label, image))  # that of ``pairs``
    image, k, label = image[order], k[order], label[order]
    cues = np.stack([scene.cues for scene in scenes], axis=1)[image, k]
    cues[:, 2] = scenes[0].cues[image, 2]
    masks = masks[image, k]
    arrays = dict(images=images, labels=label, cues=cues, boxes=boxes_of(masks), masks=masks)
    if not several:
        return arrays | {"parts": parts[image, k]}
    labels = np.zeros((count, world.num_classes), np.float32)
    labels[image, label] = 1
    return arrays | {"labels": labels}


_kept = functools.lru_cache(maxsize=_KEPT)(generate)


def _painted(scenes: list, shown: np.ndarray, side: int) -> list[np.ndarray]:
    """What ``reef.paint`` gives of all images, on two threads (NumPy releases the lock), with the
    images brought to (N, 3, S, S)."""

    def chunk(start: int):
        rows = slice(start, start + _CHUNK)
        return paint([scene.rows(rows) for scene in scenes], shown[rows], side)

    with ThreadPoolExecutor(2) as pool:
        chunks = pool.map(chunk, range(0, len(shown), _CHUNK))
        images, *rest = map(np.concatenate, zip(*chunks, strict=True))
    return [np.ascontiguousarray(images.transpose(0, 3, 1, 2)), *rest]


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Tight boxes int64 (N, 4) of non-empty masks (N, H, W), ``x1 = min(x0 + w, W - 1)``."""
    columns, rows = masks.any(axis=1), masks.any(axis=2)
    width, height = columns.shape[1], rows.shape[1]
    x0, y0 = columns.argmax(axis=1), rows.argmax(axis=1)
    x1 = width - columns[:, ::-1].argmax(axis=1)
    y1 = height - rows[:, ::-1].argmax(axis=1)
    ends = np.minimum(x1, width - 1), np.minimum(y1, height - 1)
    return np.stack([x0, y0, *ends], axis=1).astype(np.int64)


@plain_numbers
def counterfactual(dataset: DrawnDataset, cue: str, count: int | None = None) -> torch.Tensor:
    """The same images with one cue changed: it shows the variant of the class after the label.

    Of the first ``count`` images, by default all: uint8 (count, 3, S, S), in which nothing but the
    cue (``part``, ``body`` or ``context``) differs. An unpainted part stays unpainted. ValueError:
    another cue, a count that there is not, or images of several fish.
    """
    known("cue", cue, CUES)
    if dataset.multilabel:
        raise ValueError(f"{dataset.name} shows several fish an image: give a split of toy")
    count = len(dataset) if count is None else whole("count", count, 1, len(dataset))
    ((scene,), shown) = draw_toy(dataset.world, dataset.split, len(dataset))
    scene, column = scene.rows(slice(count)), CUES.index(cue)
    following = (scene.labels + 1) % dataset.num_classes
    scene.cues[:, column] = np.where(scene.cues[:, column] < 0, -1, following)
    return torch.from_numpy(_painted([scene], shown[:count], dataset.frame)[0])
