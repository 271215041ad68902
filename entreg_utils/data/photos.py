"""Photographic data sets: one class for all of them, whatever layout their files have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch

from entreg_utils.data.decoding import RULE, cached_array, read_all, read_pixels, read_sizes
from entreg_utils.data.frames import corner_boxes, rescale_boxes
from entreg_utils.data.lists import MaskReader, Photo, choose_classes
from entreg_utils.data.sample import FRAME, Sample, fingerprint_of
from entreg_utils.files import StorageError, project_root, read_checked, sha256, write_checked

TRAIN_SIZE, EVALUATION_SIZE = 256, FRAME  # resize in training (a crop follows) and in evaluation
IGNORE = 2  # in a cached mask: 0 background, 1 object, 2 ignore


class Masks(Sequence):
    """P masks of one square size: item p is (mask bool (S, S), ignore bool (S, S) or None)."""

    def __init__(self, codes: np.ndarray, has_ignore: bool):
        self.codes, self.has_ignore = codes, has_ignore

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        code = np.asarray(self.codes[index])
        return code == 1, (code == IGNORE if self.has_ignore else None)


class PhotoDataset(torch.utils.data.Dataset):
    """One split of a photographic data set.

    Args:
        photos: those of all classes, labelled by their index in ``names``.
        names: of all classes.
        size: side of the squares in ``images``; default 256 for train and 224 otherwise.
        classes: None for all, the first so many, or a list of names; they are renumbered.
        cache: folder of the decoded images; True is ``data/cache`` of the project, False none.
        upright: whether EXIF orientations are followed.

    Attributes:
        name, split, source: what was loaded, and whose split it is.
        labels: int64 (N,); for multi-label data float32 (N, C), 1 for the classes present.
        multilabel, num_classes, class_names, image_ids: what the names say.
        pairs: int64 (P, 2), rows (image index, class): one a photograph, or for multi-label data
            one for every class present in it.
        size: side S of ``images``, in pixels.  frame: side at which maps are scored, 224.
        paths: the files.
    """

    frame = FRAME

    def __init__(
        self,
        name: str,
        split: str,
        photos: Sequence[Photo],
        names: Sequence[str],
        source: str = "",
        masks: MaskReader | None = None,
        multilabel: bool = False,
        size: int | None = None,
        classes: int | Sequence[str] | None = None,
        cache: bool | Path | str = True,
        upright: bool = False,
    ):
        chosen = choose_classes(classes, names)
        self.name, self.split, self.source, self.multilabel = name, split, source, multilabel
        self.photos = [photo for photo in photos if multilabel or photo.label in chosen]
        if not self.photos:
            raise ValueError(f"the {split} split of {name} is empty: choose other classes")
        self.class_names, self.num_classes = tuple(names[index] for index in chosen), len(chosen)
        self.image_ids = [photo.image_id for photo in self.photos]
        self.paths = [photo.path for photo in self.photos]
        self.size = _checked_size(size, split)
        if multilabel:
            self.labels = torch.zeros(len(self.photos), self.num_classes)
            for row, photo in zip(self.labels, self.photos, strict=True):
                row[list(photo.label)] = 1
            self.pairs = self.labels.nonzero()
        else:
            own = [chosen.index(photo.label) for photo in self.photos]
            self.labels = torch.tensor(own, dtype=torch.int64)
            self.pairs = torch.stack([torch.arange(len(own)), self.labels], dim=1)
        self._masks, self._upright = masks, upright
        self._cache = project_root() / "data" / "cache" if cache is True else cache and Path(cache)
        self._about = _about(self.paths, name)
        self._images = self._sizes = self._fingerprint = None

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        """The photograph at its own size, with boxes and masks in its own pixels."""
        index = range(len(self))[index]  # counts from the end too, and refuses what is not there
        photo = self.photos[index]
        pixels = read_pixels(photo.path, None, self._upright)
        frame = pixels.shape[2], pixels.shape[1]
        mask, ignore = self._own_masks(photo, frame)
        return Sample(
            image=torch.from_numpy(pixels).float() / 255,
            label=self.labels[index] if self.multilabel else int(self.labels[index]),
            boxes=torch.from_numpy(_boxes(photo, frame, frame)),
            mask=mask if mask is None else torch.from_numpy(mask),
            ignore=ignore if ignore is None else torch.from_numpy(ignore),
            image_id=photo.image_id,
        )

    def __getstate__(self) -> dict:
        # Workers map the file themselves: a mapped array would travel as its bytes.
        return self.__dict__ | {"_images": None if self._cache else self._images}

    @property
    def images(self) -> torch.Tensor:
        """uint8 (N, 3, S, S), decoded on first use; then mapped from the cache.

        Raises:
            StorageError: photographs that cannot be read, all named; no room for the cache.
        """
        if self._images is None:
            shape, key = (3, self.size, self.size), [self._rule, self._about, self.image_ids]

            def read(index: int) -> np.ndarray:
                return read_pixels(self.paths[index], self.size, self._upright)

            self._images = torch.from_numpy(self._array("images", key, len(self), shape, read))
        return self._images

    @property
    def sizes(self) -> np.ndarray:
        """int64 (N, 2), (width, height) of the photographs in pixels, read on first use."""
        if self._sizes is None:
            self._sizes = read_sizes(self.paths, self._upright)
        return self._sizes

    def boxes_at(self, size: int) -> list[np.ndarray] | None:
        """N int64 arrays (n_i, 4), the boxes of every photograph in a square of side ``size``.

        Coordinates are scaled by ``size / side`` and truncated, as in the field's evaluation code.
        A photograph without boxes has (0, 4); None when no photograph has any.

        Raises:
            ValueError: a box lies outside its photograph.
        """
        boxed = [photo for photo in self.photos if photo.xywh or photo.boxes]
        if not boxed:
            return None
        stated = all(photo.frame is not None for photo in boxed)
        frames = [photo.frame for photo in self.photos] if stated else self.sizes.tolist()
        target = (int(size), int(size))
        return [_boxes(p, f and tuple(f), target) for p, f in zip(self.photos, frames, strict=True)]

    def masks_at(self, size: int) -> Masks | None:
        """The masks of all P pairs, nearest-resized to a square of side ``size``; None without.

        They are resized on first use and then mapped from the cache, as ``images`` are.

        Raises:
            StorageError: mask files that are missing or unreadable, all named.
        """
        if self._masks is None:
            return None
        key = [self._masks.rule, self._about_masks(), self.image_ids, self.pairs.tolist()]
        shape = (int(size), int(size))

        def read(index: int) -> np.ndarray:
            image, label = self.pairs[index].tolist()
            mask, ignore = self._masks.read(self.photos[image].mask_files, label, shape)
            codes = mask.astype(np.uint8)
            if ignore is not None:
                codes[ignore] = IGNORE
            return codes

        codes = self._array("masks", key, len(self.pairs), shape, read)
        return Masks(codes, self._masks.has_ignore)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of pixels at the files' own sizes, labels, boxes and masks.

        Bytes and places of files do not enter it. It is kept beside the decoded images under what
        the system says of the files, so that the second look costs a look at each file.
        """
        if self._fingerprint is None:
            said = [astuple(photo)[1:-1] for photo in self.photos]
            key = [self._rule, self._about, said, self.labels.tolist()]
            if self._masks is not None:
                key += [self._masks.rule, self._about_masks()]
            name = f"{self.name}-{self.split}-fingerprint-{sha256(json.dumps(key).encode())[:16]}"
            path = self._cache and self._cache / f"{name}.txt"
            self._fingerprint = self._stored_fingerprint(path)
        return self._fingerprint

    def _stored_fingerprint(self, path: Path | bool) -> str:
        try:
            kept = read_checked(path) if path else None
        except StorageError:  # damaged: it is computed again
            kept = None
        if kept is not None:
            return kept.decode()
        title = f"{self.name} {self.split}: fingerprint"
        digest = fingerprint_of([read_all(range(len(self)), self._print_of, title)])
        if path:
            write_checked(path, digest.encode())
        return digest

    def _print_of(self, index: int) -> np.ndarray:
        photo = self.photos[index]
        pixels = read_pixels(photo.path, None, self._upright)
        frame = pixels.shape[2], pixels.shape[1]
        facts = pixels, self.labels[index], _boxes(photo, frame, frame)
        return np.frombuffer(
            bytes.fromhex(fingerprint_of([[*facts, *self._own_masks(photo, frame)]])), np.uint8
        )

    @property
    def _rule(self) -> str:
        return RULE + ("; upright" if self._upright else "")

    def _about_masks(self) -> list:
        return _about([path for photo in self.photos for path in photo.mask_files], self.name)

    def _own_masks(self, photo: Photo, frame: tuple[int, int]):
        """(mask, ignore) of a photograph at its own size, each an array or None."""
        if self._masks is None or not (photo.mask_files or self.multilabel):
            return None, None
        classes = photo.label if self.multilabel else (photo.label,)
        read = [self._masks.read(photo.mask_files, label, frame) for label in classes]
        ignore = read[0][1] if read and self._masks.has_ignore else None
        if not self.multilabel:
            return read[0][0], ignore
        empty = np.zeros((0, frame[1], frame[0]), bool)
        return (np.stack([mask for mask, _ in read]) if read else empty), ignore

    def _array(self, kind: str, key: list, count: int, shape, read) -> np.ndarray:
        digest = sha256(json.dumps([shape, *key]).encode())[:16]
        name = f"{self.name}-{self.split}-{kind}-{shape[-1]}-{digest}.npy"
        path = self._cache / name if self._cache else None
        return cached_array(path, count, shape, read, f"{self.name} {self.split}: {kind}")


def _boxes(photo: Photo, frame: tuple[int, int] | None, target: tuple[int, int]) -> np.ndarray:
    """Boxes (n, 4) of a photograph in pixels of ``target``; ``frame`` is the size of its file."""
    if photo.boxes:
        return rescale_boxes(photo.boxes, photo.frame or frame, target)
    if not photo.xywh:
        return np.zeros((0, 4), np.int64)
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
