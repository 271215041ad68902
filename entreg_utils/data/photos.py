"""Photographic data sets: one class for all of them, whatever layout their files have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from entreg_utils.data.decoding import RULE, array_of, cached_array, read_pixels, read_sizes
from entreg_utils.data.frames import corner_boxes, rescale_boxes
from entreg_utils.data.photo import IGNORE, MaskReader, Masks, Photo
from entreg_utils.data.sample import Sample
from entreg_utils.files import StorageError, project_root, sha256

TRAIN_SIZE, EVALUATION_SIZE = 256, 224  # resize in training (a crop follows) and in evaluation


class PhotoDataset(torch.utils.data.Dataset):
    """One split of a photographic data set.

    Attributes:
        name, split, source: what was loaded, and whose split it is.
        labels: int64 (N,); for multi-label data float32 (N, C), 1 for the classes present.
        multilabel, num_classes, class_names, image_ids: what the names say.
        pairs: int64 (P, 2), rows (image index, class): one a photograph, or for multi-label data
            one for every class present in it.
        size: side S of ``images``, in pixels.
        paths: the files.
    """

    def __init__(
        self,
        name: str,
        split: str,
        photos: Sequence[Photo],
        class_names: Sequence[str],
        size: int | None = None,
        cache: bool | Path | str = True,
        masks: MaskReader | None = None,
        multilabel: bool = False,
        source: str = "",
    ):
        if not photos:
            raise ValueError(f"the {split} split of {name} is empty: choose other classes")
        self.name, self.split, self.source = name, split, source
        self.frame, self.fingerprint = 224, "x" * 64
        self.photos, self.multilabel, self._masks = list(photos), multilabel, masks
        self.class_names, self.num_classes = tuple(class_names), len(class_names)
        self.image_ids = [photo.image_id for photo in photos]
        self.paths = [photo.path for photo in photos]
        self.size = _checked_size(size, split)
        if multilabel:
            self.labels = torch.zeros(len(photos), self.num_classes)
            for row, photo in zip(self.labels, photos, strict=True):
                row[list(photo.label)] = 1
            self.pairs = self.labels.nonzero()
        else:
            self.labels = torch.tensor([photo.label for photo in photos], dtype=torch.int64)
            self.pairs = torch.stack([torch.arange(len(photos)), self.labels], dim=1)
        self._cache = _cache_folder(cache)
        self._about = _about(self.paths, name)
        self._images = self._sizes = None

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        """The photograph at its own size, with boxes and masks in its own pixels."""
        index = range(len(self))[index]  # counts from the end too, and refuses what is not there
        photo = self.photos[index]
        pixels = read_pixels(photo.path)
        frame = pixels.shape[2], pixels.shape[1]
        boxes = _boxes(photo, frame, frame)
        mask, ignore = self._own_masks(photo, frame)
        return Sample(
            image=torch.from_numpy(pixels).float() / 255,
            label=self.labels[index] if self.multilabel else int(self.labels[index]),
            boxes=torch.from_numpy(boxes if boxes is not None else np.zeros((0, 4), np.int64)),
            mask=mask,
            ignore=ignore,
            image_id=photo.image_id,
        )

    def __getstate__(self) -> dict:
        # Workers map the file themselves: a mapped array would travel as its bytes.
        images = None if self._cache is not None else self._images
        return self.__dict__ | {"_images": images}

    @property
    def images(self) -> torch.Tensor:
        """uint8 (N, 3, S, S), decoded on first use; then mapped from the cache.

        Raises:
            StorageError: photographs that cannot be read, all named; no room for the cache.
        """
        if self._images is None:
            key = [RULE, self._about, self.image_ids]
            array = self._array(
                "images", key, len(self), (3, self.size, self.size), self._read_small
            )
            self._images = torch.from_numpy(array)
        return self._images

    @property
    def sizes(self) -> np.ndarray:
        """int64 (N, 2), (width, height) of the files in pixels, read on first use."""
        if self._sizes is None:
            self._sizes = read_sizes(self.paths)
        return self._sizes

    def boxes_at(self, size: int) -> list[np.ndarray] | None:
        """P int64 arrays (n_i, 4), the boxes of every pair in a square image of side ``size``.

        Coordinates are scaled by ``size / side`` and truncated, as in the field's evaluation code.
        None when the data set has no boxes.

        Raises:
            ValueError: a box lies outside its photograph.
        """
        if any(photo.xywh is None and photo.boxes is None for photo in self.photos):
            return None
        stated = all(photo.frame is not None for photo in self.photos)
        frames = [photo.frame for photo in self.photos] if stated else self.sizes.tolist()
        target = (int(size), int(size))
        return [_boxes(p, tuple(f), target) for p, f in zip(self.photos, frames, strict=True)]

    def masks_at(self, size: int) -> Masks | None:
        """The masks of all P pairs, nearest-resized to a square of side ``size``; None without.

        They are resized on first use and then mapped from the cache, as ``images`` are.

        Raises:
            StorageError: mask files that are missing or unreadable, all named.
        """
        if self._masks is None:
            return None
        files = [path for photo in self.photos for path in photo.mask_files]
        key = [self._masks.rule, _about(files, self.name), self.image_ids, self.pairs.tolist()]

        def read(index: int) -> np.ndarray:
            image, label = self.pairs[index].tolist()
            mask, ignore = self._masks.read(self.photos[image].mask_files, label, (size, size))
            codes = mask.astype(np.uint8)
            if ignore is not None:
                codes[ignore] = IGNORE
            return codes

        shape = (int(size), int(size))
        return Masks(
            self._array("masks", key, len(self.pairs), shape, read), self._masks.has_ignore
        )

    def _read_small(self, index: int) -> np.ndarray:
        return read_pixels(self.paths[index], self.size)

    def _own_masks(self, photo: Photo, frame: tuple[int, int]):
        if self._masks is None:
            return None, None
        classes = photo.label if self.multilabel else (photo.label,)
        read = [self._masks.read(photo.mask_files, label, frame) for label in classes]
        empty = np.zeros((0, frame[1], frame[0]), bool)
        mask = torch.from_numpy(np.stack([mask for mask, _ in read]) if read else empty)
        ignore = torch.from_numpy(read[0][1]) if read and self._masks.has_ignore else None
        return (mask if self.multilabel else mask[0]), ignore

    def _array(self, kind: str, key: list, count: int, shape, read) -> np.ndarray:
        title = f"{self.name} {self.split}: {kind}"
        if self._cache is None:
            return array_of(count, shape, read, title)
        digest = sha256(json.dumps([shape, *key]).encode())[:16]
        name = f"{self.name}-{self.split}-{kind}-{shape[-1]}-{digest}.npy"
        return cached_array(self._cache / name, count, shape, read, title)


def _boxes(photo: Photo, frame: tuple[int, int], target: tuple[int, int]) -> np.ndarray | None:
    """Boxes of a photograph in pixels of ``target``; ``frame`` is the size of its file."""
    if photo.boxes is not None:
        return rescale_boxes(photo.boxes, photo.frame or frame, target)
    if photo.xywh is None:
        return None
    try:
        return rescale_boxes(corner_boxes([photo.xywh], frame), frame, target)
    except ValueError as error:
        raise ValueError(
            f"{photo.image_id}: {error}: the photographs and the list of boxes do not belong "
            "together"
        ) from error


def _about(paths: Sequence[Path], name: str) -> list[list]:
    """[bytes, time of the last change] of every file: what a cache was made from."""
    about, missing = [], []
    for path in paths:
        try:
            facts = path.stat()
            about.append([facts.st_size, facts.st_mtime_ns])
        except OSError:
            missing.append(path)
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        verb = "are" if len(missing) > 1 else "is"
        raise StorageError(
            f"{missing[0]}{others} {verb} not there: python -m entreg_utils data {name} fetches "
            "what is missing"
        )
    return about


def _checked_size(size: int | None, split: str) -> int:
    if size is None:
        return TRAIN_SIZE if split == "train" else EVALUATION_SIZE
    if not isinstance(size, int) or isinstance(size, bool) or not 8 <= size <= 2048:
        raise ValueError(f"size={size!r} is not a side in pixels: give a whole number in 8..2048")
    return size


def _cache_folder(cache: bool | Path | str) -> Path | None:
    if cache is False:
        return None
    return project_root() / "data" / "cache" if cache is True else Path(cache)
