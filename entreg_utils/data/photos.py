"""Photographic data sets: one class for all of them, whatever layout their files have."""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import astuple
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from entreg_utils import files
from entreg_utils.data import decoding
from entreg_utils.data.lists import MaskReader, Photo, absent
from entreg_utils.data.sample import FRAME, Images, fingerprint_of, pairs_of
from entreg_utils.fields import plain_numbers
from entreg_utils.files import StorageError, sha256

TRAIN_SIZE = 256  # side to which training photographs are squashed; crops follow
LARGEST_SIDE = 2048
IGNORE = 2  # in a cached mask: 0 background, 1 object, 2 ignore


class Masks(Sequence):
    """P masks of one square size: item p is (mask, ignore), bool (S, S)."""

    def __init__(self, codes: np.ndarray):
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        code = np.asarray(self.codes[index])
        return code == 1, code == IGNORE


class PhotoDataset(Images):
    """One split of a photographic data set, with the attributes that ``data.load`` lists.

    Args:
        photos: those of all classes, labelled by their index in ``names``.
        names: of all classes.
        size: side of the squares in ``images``, 8..2048; default 256 for train and 224 otherwise.
        classes: None for all, the first so many, or a list of names; they are renumbered.
        cache: folder of the decoded images; True is ``data/cache`` of the project, False none.
        upright: whether EXIF orientations are followed.
    """

    frame = FRAME

    @plain_numbers
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
        self.size = (TRAIN_SIZE if split == "train" else FRAME) if size is None else size
        if not 8 <= self.size <= LARGEST_SIDE:
            raise ValueError(
                f"size={size!r} is not a side in pixels: give a whole number in 8..{LARGEST_SIDE}"
            )
        if multilabel:
            self.labels = torch.zeros(len(self.photos), self.num_classes)
            for row, photo in zip(self.labels, self.photos, strict=True):
                row[[*photo.classes]] = 1
        else:
            self.labels = torch.tensor([chosen.index(photo.label) for photo in self.photos])
        self.pairs = pairs_of(self.labels)
        self._masks, self._upright = masks, upright
        self._cache = files.own("data", "cache") if cache is True else cache and files.expand(cache)
        self._made_from = [
            decoding.RULE + (decoding.UPRIGHT if upright else ""),
            _about(self.paths, name),
        ]

    def __getstate__(self) -> dict:
        # Workers map the file themselves: a mapped array would travel as its bytes.
        return {k: v for k, v in self.__dict__.items() if k != "images" or not self._cache}

    @cached_property
    def images(self) -> torch.Tensor:
        """uint8 (N, 3, S, S), decoded on first use; then mapped from the cache."""

        def read(index: int) -> np.ndarray:
            return decoding.read_pixels(self.paths[index], self.size, self._upright)

        key, shape = [*self._made_from, self.image_ids], (3, self.size, self.size)
        return torch.from_numpy(self._array("images", key, len(self), shape, read))

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64 (N, 2), (width, height) of the photographs in pixels, read on first use."""
        return decoding.read_sizes(self.paths, self._upright)

    def boxes_at(self, size: int) -> list[np.ndarray] | None:
        """N int64 arrays (n_i, 4), the boxes of every photograph in a square of side ``size``; for
        multi-label data P, of every pair.

        Coordinates are scaled by ``size / side`` and truncated, as in the field's evaluation code.
        Without boxes it is (0, 4); None when no photograph has any. ValueError for a box outside
        its photograph.
        """
        boxed = [photo for photo in self.photos if photo.xywh or photo.boxes]
        if not boxed:
            return None
        stated = all(photo.frame for photo in boxed)
        frames = [photo.frame for photo in self.photos] if stated else self.sizes.tolist()
        boxes = [p.boxes_in(frame, size) for p, frame in zip(self.photos, frames, strict=True)]
        return [own for each in boxes for own in each]

    def masks_at(self, size: int) -> Masks | None:
        """The masks of all P pairs, nearest-resized to a square of side ``size``; None without.

        They are resized on first use and then mapped from the cache, as ``images`` are.
        """
        if self._masks is None:
            return None

        # classes by their numbers before some were chosen
        pairs = [(photo, label) for photo in self.photos for label in photo.classes]

        def read(index: int) -> np.ndarray:
            photo, label = pairs[index]
            mask, ignore = self._masks.read(photo.mask_files, label, (size, size))
            codes = mask.astype(np.uint8)
            if ignore is not None:
                codes[ignore] = IGNORE
            return codes

        key = [*self._masks_made_from, self.image_ids, self.pairs.tolist()]
        return Masks(self._array("masks", key, len(self.pairs), (size, size), read))

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of pixels at the files' own sizes, labels, boxes and masks.

        Bytes and places of files do not enter it. It is kept beside the decoded images under what
        the system says of the files, so that the second look costs a look at each file.
        """
        said = [astuple(photo)[1:-1] for photo in self.photos]
        key = [*self._made_from, said, self.labels.tolist()]
        key += self._masks_made_from if self._masks else []

        def print_of(index: int) -> np.ndarray:
            pixels, *places = self._shown(index)
            own = fingerprint_of([[pixels, self.labels[index], *places]])
            return np.frombuffer(bytes.fromhex(own), np.uint8)

        path = self._path("fingerprint", key, "txt")
        with contextlib.suppress(StorageError):  # damaged: it is computed again
            if path and (kept := files.read_checked(path)):
                return kept.decode()
        title = f"{self.name} {self.split}: fingerprint"
        digest = fingerprint_of([decoding.read_all(range(len(self)), print_of, title)])
        if path:
            files.write_checked(path, digest.encode())
        return digest

    @property
    def _masks_made_from(self) -> list:
        paths = [path for photo in self.photos for path in photo.mask_files]
        return [self._masks.rule, _about(paths, self.name)]

    def _shown(self, index: int) -> tuple:
        """The photograph at its own size, with boxes and masks in its own pixels."""
        photo = self.photos[index]
        pixels = decoding.read_pixels(photo.path, None, self._upright)
        shape = pixels.shape[1:]
        boxes = np.concatenate([np.zeros((0, 4), int), *photo.boxes_in(shape[::-1], shape)])
        if self._masks is None or not (photo.mask_files or self.multilabel):
            return pixels, boxes, None, None
        read = [self._masks.read(photo.mask_files, label, shape) for label in photo.classes]
        masks = np.array([mask for mask, _ in read], bool).reshape(-1, *shape)
        return pixels, boxes, masks if self.multilabel else masks[0], read[0][1] if read else None

    def _path(self, kind: str, key: list, ending: str) -> Path | None:
        name = f"{self.name}-{self.split}-{kind}-{sha256(json.dumps(key).encode())[:16]}.{ending}"
        return self._cache / name if self._cache else None

    def _array(self, kind: str, key: list, count: int, shape, read) -> np.ndarray:
        path = self._path(f"{kind}-{shape[-1]}", [shape, *key], "npy")
        return decoding.cached_array(path, count, shape, read, f"{self.name} {self.split}: {kind}")


def _about(paths: Sequence[Path], name: str) -> list[list]:
    """[bytes, time of the last change] of every file: what a cache was made from."""
    if missing := [path for path in paths if not os.path.exists(path)]:
        raise absent(missing, name)
    return [[facts.st_size, facts.st_mtime_ns] for facts in map(Path.stat, paths)]


def choose_classes(classes, names: Sequence[str]) -> list[int]:
    """Indices of the classes asked for, in the data set's order: all, the first so many, or some.

    At least two that there are; anything else is a ValueError.
    """
    if classes is None:
        return list(range(len(names)))
    if isinstance(classes, int):
        if not 2 <= classes <= len(names):
            raise ValueError(f"classes={classes} is outside 2..{len(names)}")
        return list(range(classes))
    if isinstance(classes, str):
        raise ValueError(f"classes={classes!r} is one name: give a list of two or more")
    classes = list(classes)
    for wanted in classes:
        if wanted not in names:
            raise ValueError(f"unknown class {wanted!r}: known are {', '.join(names)}")
    if len(set(classes)) < 2:
        raise ValueError("classes must name two or more classes")
    return [index for index, known in enumerate(names) if known in classes]
