"""The drawn world as a data set: painted once in a process, held in memory as tensors."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from entreg_utils.cam.scaling import rescale_boxes, resize_mask
from entreg_utils.data.reef import paint
from entreg_utils.data.sample import Images, Sample, pairs_of, usual_ids
from entreg_utils.data.world import CUES, KNOBS, SPLITS, World, check_split, draw_scene
from entreg_utils.fields import known, plain_numbers, whole

SPECIES = tuple(
    "clown bar, gold spot, reed stripe, royal wave, two-tone rose, ruby lozenge, teal zigzag, "
    "sand bar, pearl spot, violet slant".split(", ")
)
ARRAYS = ("images", "labels", "cues", "boxes", "masks", "parts")
_CHUNK = 128  # images painted at once: the arrays of one chunk stay in the cache of one core
_KEPT = 4  # splits in memory: those of one world and one more, 23 MB for 2,000 images


class DrawnDataset(Images):
    """One split of a drawn world, with the attributes that ``data.load`` lists, and more.

    Attributes:
        boxes: int64 (P, 4), one of each fish, so of each of ``pairs``: ``x0, y0, x1, y1`` with
            ``x1 = min(x0 + w, S - 1)``, exact.
        masks: bool (P, S, S): the fish, its mark included.
        cues: int64 (P, 3): variant shown by part (-1: unpainted), body, context.
        world: its knobs.
    """

    source = "drawn by this package"
    fingerprint = ""  # the knobs say all

    def __init__(self, world: World, split: str, arrays: dict[str, np.ndarray]):
        self.world, self.split = world, split
        for name, array in arrays.items():
            setattr(self, name, torch.tensor(array))
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


class ToyDataset(DrawnDataset):
    """Images of one fish each: its arrays have N rows.

    Attributes:
        parts, contexts: bool (N, S, S): the mark, and all but the fish.
    """

    name, multilabel = "toy", False

    def __init__(self, world: World, split: str, arrays: dict[str, np.ndarray]):
        super().__init__(world, split, arrays)
        self.contexts = ~self.masks

    def __getitem__(self, index: int) -> Sample:
        regions = {"part": self.parts[index], "context": self.contexts[index]}
        return super().__getitem__(index)._replace(**regions)

    def _shown(self, index: int) -> tuple:
        return self.images[index], self.boxes[index][None], self.masks[index], None


@plain_numbers
def toy(split: str, num_images: int | None = None, cache: bool = True, **knobs) -> ToyDataset:
    """Paint a split of the world of one fish an image, a second for 2,000 images.

    Args:
        split: ``train`` (2,000 images by default), ``val`` (200) or ``test`` (400).
        num_images: how many; a larger split begins with the images of a smaller one.
        cache: keep what is painted in memory for the next call; each call gets a copy.
        knobs: fields of :class:`World`; ValueError for an unknown one.
    """
    asked = checked(split, num_images, knobs)
    return ToyDataset(asked[0], split, (_kept if cache else generate)(*asked))


def checked(split: str, num_images: int | None, knobs: dict) -> tuple[World, str, int]:
    """The world, split and number of images that are asked for; errors as of :func:`toy`."""
    if unknown := sorted(set(knobs) - set(KNOBS)):
        raise ValueError(f"unknown knob {unknown[0]!r}: the drawn world has {', '.join(KNOBS)}")
    world = World(**knobs)
    check_split(split)
    count = SPLITS[split] if num_images is None else whole("num_images", num_images, 1, 10**6)
    return world, split, count


def generate(world: World, split: str, count: int) -> dict[str, np.ndarray]:
    """The arrays of ``count`` images; see :class:`ToyDataset`."""
    scene = draw_scene(world, split, count)
    images, masks, parts = in_chunks(
        lambda chunk: paint(scene.rows(chunk), world.image_size), count
    )
    every = images, scene.labels, scene.cues, boxes_of(masks), masks, parts
    return dict(zip(ARRAYS, every, strict=True))


def in_chunks(paint: Callable[[slice], tuple], count: int) -> list[np.ndarray]:
    """What ``paint`` gives of all images, on two threads (NumPy releases the lock).

    The first, the images, are brought from (N, S, S, 3) to (N, 3, S, S).
    """
    chunks = (slice(start, start + _CHUNK) for start in range(0, count, _CHUNK))
    with ThreadPoolExecutor(2) as pool:
        images, *rest = map(np.concatenate, zip(*pool.map(paint, chunks), strict=True))
    return [np.ascontiguousarray(images.transpose(0, 3, 1, 2)), *rest]


_kept = functools.lru_cache(maxsize=_KEPT)(generate)


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
def counterfactual(dataset: ToyDataset, cue: str, count: int | None = None) -> torch.Tensor:
    """The same images with one cue changed: it shows the variant of the class after the label.

    Of the first ``count`` images, by default all: uint8 (count, 3, S, S), in which nothing but the
    cue (``part``, ``body`` or ``context``) differs. An unpainted part stays unpainted. ValueError:
    another cue, a count that there is not, or images of several fish.
    """
    known("cue", cue, CUES)
    if dataset.multilabel:
        raise ValueError(f"{dataset.name} shows several fish an image: give a split of toy")
    count = len(dataset) if count is None else whole("count", count, 1, len(dataset))
    scene = draw_scene(dataset.world, dataset.split, len(dataset)).rows(slice(count))
    column = CUES.index(cue)
    following = (scene.labels + 1) % dataset.num_classes
    scene.cues[:, column] = np.where(scene.cues[:, column] < 0, -1, following)
    images = paint(scene, dataset.world.image_size)[0]
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
