"""The embedded world as a data set: painted once, cached whole, held in memory as tensors."""

from __future__ import annotations

import io
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from entreg_utils.data.frames import rescale_boxes, rescale_mask
from entreg_utils.data.reef import paint
from entreg_utils.data.sample import Sample
from entreg_utils.data.world import SPLITS, World, draw_scene
from entreg_utils.files import StorageError, project_root, read_checked, sha256, write_checked

SPECIES = (
    "clown bar",
    "gold spot",
    "reed stripe",
    "royal wave",
    "two-tone rose",
    "ruby lozenge",
    "teal zigzag",
    "sand bar",
    "pearl spot",
    "violet slant",
)
ARRAYS = ("images", "labels", "cues", "boxes", "masks", "parts")
CUES = ("part", "body", "context")  # the columns of ``cues``
_CHUNK = 128  # images painted at once: the arrays of one chunk stay in the cache of one core
# The painter's own source is part of a cache's name, so that another painter's pictures are never
# read, whoever forgot to say that it changed.
_PAINTER = sha256(
    b"".join(Path(__file__).with_name(name).read_bytes() for name in ("reef.py", "world.py"))
)


class ToyDataset(torch.utils.data.Dataset):
    """One split of the embedded world.

    Attributes:
        images: uint8 (N, 3, S, S).  labels: int64 (N,).
        boxes: int64 (N, 4), ``x0, y0, x1, y1`` with ``x1 = min(x0 + w, S - 1)``, exact.
        masks, parts, contexts: bool (N, S, S): the object (mark included), the mark, the rest.
        cues: int64 (N, 3): variant shown by part (-1: unpainted), body, context.
        pairs: int64 (N, 2), rows (image index, class).
        class_names, num_classes, image_ids, world, split, name, source: what the names say.
        frame: side S, at which maps are scored.  fingerprint: empty, since the knobs say all.
    """

    name, multilabel, source = "toy", False, "drawn by this package"
    fingerprint = ""  # the knobs say all

    def __init__(self, world: World, split: str, arrays: dict[str, np.ndarray]):
        self.world, self.split = world, split
        self.frame, self.fingerprint = world.image_size, ""
        self.images = torch.from_numpy(arrays["images"])
        self.labels = torch.from_numpy(arrays["labels"])
        self.cues = torch.from_numpy(arrays["cues"])
        self.boxes = torch.from_numpy(arrays["boxes"])
        self.masks = torch.from_numpy(arrays["masks"])
        self.parts = torch.from_numpy(arrays["parts"])
        self.contexts = ~self.masks
        self.pairs = torch.stack([torch.arange(len(self.labels)), self.labels], dim=1)
        self.num_classes, self.frame = world.num_classes, world.image_size
        self.class_names = SPECIES[: world.num_classes]
        self.image_ids = [f"{split}/{index:05d}" for index in range(len(self.labels))]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What was painted, as :func:`generate` gives it."""
        return {name: getattr(self, name).numpy() for name in ARRAYS}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]  # counts from the end too, and refuses what is not there
        return Sample(
            image=self.images[index].float() / 255,
            label=int(self.labels[index]),
            boxes=self.boxes[index : index + 1],
            mask=self.masks[index],
            ignore=None,
            image_id=self.image_ids[index],
            part=self.parts[index],
            context=self.contexts[index],
        )

    def boxes_at(self, size: int) -> list[np.ndarray]:
        """N int64 arrays (1, 4): the boxes in an image of side ``size``, scaled and truncated."""
        side = self.images.shape[-1]
        return list(rescale_boxes(self.boxes, (side, side), (size, size))[:, None])

    def masks_at(self, size: int) -> list[tuple[np.ndarray, None]]:
        """N pairs (mask bool (size, size) by nearest neighbour, None): no pixel is ignored."""
        return [(rescale_mask(mask, (size, size)), None) for mask in self.masks.numpy()]


def toy(split: str, num_images: int | None = None, root=None, cache: bool = True, **knobs):
    """Load a split of the embedded world, painting it when the cache does not hold it.

    Args:
        split: ``train`` (2,000 images by default), ``val`` (200) or ``test`` (400).
        num_images: how many; a larger split begins with the images of a smaller one.
        root: folder of the cache; default ``data/cache`` of the project.
        cache: False neither reads nor writes files.
        knobs: fields of :class:`~entreg_utils.data.world.World`.

    Raises:
        ValueError: unknown split or knob, or a knob out of its range.
    """
    unknown = set(knobs) - set(World.__dataclass_fields__)
    if unknown:
        raise ValueError(
            f"unknown knob {sorted(unknown)[0]!r}: the embedded world has "
            f"{', '.join(World.__dataclass_fields__)}"
        )
    world = World(**knobs)
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
    count = SPLITS[split] if num_images is None else num_images
    if not cache:
        return ToyDataset(world, split, generate(world, split, count))
    name = json.dumps([_PAINTER, world.to_dict(), split, count], default=int)
    folder = Path(root) if root is not None else project_root() / "data" / "cache"
    path = folder / f"toy-{split}-{sha256(name.encode())[:16]}.npz"
    arrays = _read_cache(path)
    if arrays is None:
        arrays = generate(world, split, count)
        _write_cache(path, arrays)
    return ToyDataset(world, split, arrays)


def generate(world: World, split: str, count: int) -> dict[str, np.ndarray]:
    """Paint ``count`` images on two threads (NumPy releases the lock); see :class:`ToyDataset`."""
    scene = draw_scene(world, split, count)
    starts = range(0, count, _CHUNK)
    with ThreadPoolExecutor(2) as pool:
        painted = pool.map(lambda i: paint(scene.rows(i, i + _CHUNK), world.image_size), starts)
        images, masks, parts = (np.concatenate(chunks) for chunks in zip(*painted, strict=True))
    return {
        "images": np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        "labels": scene.labels,
        "cues": scene.cues,
        "boxes": boxes_of(masks),
        "masks": masks,
        "parts": parts,
    }


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Tight boxes int64 (N, 4) of non-empty masks (N, H, W), ``x1 = min(x0 + w, W - 1)``."""
    columns, rows = masks.any(axis=1), masks.any(axis=2)
    width, height = columns.shape[1], rows.shape[1]
    x0, y0 = columns.argmax(axis=1), rows.argmax(axis=1)
    x1 = width - columns[:, ::-1].argmax(axis=1)
    y1 = height - rows[:, ::-1].argmax(axis=1)
    ends = np.minimum(x1, width - 1), np.minimum(y1, height - 1)
    return np.stack([x0, y0, *ends], axis=1).astype(np.int64)


def counterfactual(dataset: ToyDataset, cue: str, count: int | None = None) -> torch.Tensor:
    """The same images with one cue changed: it shows the variant of the class after the label.

    Args:
        cue: ``part``, ``body`` or ``context``; an unpainted part stays unpainted.
        count: the first ``count`` images; all by default.

    Returns:
        uint8 (count, 3, S, S). Nothing but the cue differs from ``dataset.images``.
    """
    if cue not in CUES:
        raise ValueError(f"unknown cue {cue!r}: use one of {', '.join(CUES)}")
    scene = draw_scene(dataset.world, dataset.split, len(dataset)).rows(0, count or len(dataset))
    column = CUES.index(cue)
    scene.cues[:, column] = np.where(
        scene.cues[:, column] < 0, -1, (scene.labels + 1) % dataset.num_classes
    )
    images = paint(scene, dataset.world.image_size)[0]
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def digest(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over every array's bytes, in the order of the names: the fingerprint of a split."""
    return sha256(b"".join(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays)))


def _write_cache(path: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    try:
        write_checked(path, buffer.getvalue())
    except StorageError as error:  # the pictures are in memory: go on, painting again next time
        warnings.warn(f"the embedded world is not cached: {error}", stacklevel=3)


def _read_cache(path: Path) -> dict[str, np.ndarray] | None:
    """Arrays of a whole cache file, or None when there is none or it is not what was written."""
    try:
        content = read_checked(path)
    except StorageError as error:
        warnings.warn(f"painting the embedded world again: {error}", stacklevel=3)
        return None
    if content is None:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
