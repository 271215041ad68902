"""Photographic data sets: one class for all of them, whatever layout their files have.

A loader says in a list of :class:`Photo` what its files hold, and how a mask is read.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from entreg_utils import files
from entreg_utils.cam.scaling import rescale_boxes
from entreg_utils.data import decoding
from entreg_utils.data.lists import absent
from entreg_utils.data.sample import FRAME, Images, fingerprint_of, pairs_of
from entreg_utils.fields import known, plain, plain_numbers, whole
from entreg_utils.files import sha256

TRAIN_SIZE = 256  # side to which training photographs are squashed; crops follow
LARGEST_SIDE = 2048
IGNORE = 2  # in a cached mask: 0 background, 1 object, 2 ignore


@dataclass(frozen=True)
class Photo:
    """What a data set says about one photograph.

    Attributes:
        path: the image file.  image_id: its name in the data set's own lists.
        label: class index; for multi-label data the indices of the classes present, rising.
        boxes: rows ``x0, y0, x1, y1`` in an image of ``frame = (W, H)``, without it in pixels of
            the file, or None; for multi-label data such rows for each class of ``label``.
        mask_files: files from which the mask is read; empty when there is none.
    """

    path: Path
    image_id: str
    label: int | tuple[int, ...]
    boxes: tuple[tuple, ...] | None = None
    frame: tuple[int, int] | None = None
    mask_files: tuple[Path, ...] = ()

    @property
    def classes(self) -> tuple[int, ...]:
        """Indices of the classes present, one or several."""
        return self.label if isinstance(self.label, tuple) else (self.label,)

    def boxes_in(self, frame, size: int | tuple[int, int]) -> list[np.ndarray]:
        """Boxes int64 (n, 4) of each class at ``size``, a side or (H, W).

        ``frame`` = (W, H) of the file counts where ``self.frame`` is None; without boxes none does.
        """
        frame = self.frame or frame
        groups = self.boxes if isinstance(self.label, tuple) else (self.boxes or (),)
        boxes = (
            [inner_box(box, frame, self.image_id) for box in own]
            for own in groups or ((),) * len(self.classes)
        )
        return [rescale_boxes(own, frame or (1, 1), size) for own in boxes]


def inner_box(box, frame: tuple[int, int], where: str = "") -> tuple[int, ...]:
    """A box ``x0, y0, x1, y1`` as ``(x0, y0, min(x1, W - 1), min(y1, H - 1))``, truncated.

    The convention of the lists of Choe et al. (see ``evaluated.py``), in pixels of an image of
    ``frame = (W, H)``. ValueError: it begins outside the frame or has no area.
    """
    (x0, y0, x1, y1), (right, bottom) = box, (side - 1 for side in frame)
    if not (0 <= x0 <= right and 0 <= y0 <= bottom and x0 < x1 and y0 < y1):
        raise ValueError(
            f"{where}: the box {[*box]} does not fit an image of {frame[0]}x{frame[1]}: the "
            "photographs and the list of boxes do not belong together"
        )
    return tuple(map(int, (x0, y0, min(x1, right), min(y1, bottom))))


class MaskReader(NamedTuple):
    """How the masks of a data set are read."""

    read: Callable  # (mask files, class index, (H, W)) -> (mask, ignore or None), bool (H, W)
    rule: str  # what ``read`` does, in words that change with it: part of the cache's name


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
        usual = TRAIN_SIZE if split == "train" else FRAME
        self.size = whole("size", usual if size is None else size, 8, LARGEST_SIDE)
        if multilabel:
            self.labels = torch.zeros(len(self.photos), self.num_classes)
            for row, photo in zip(self.labels, self.photos, strict=True):
                row[[*photo.classes]] = 1
        else:
            self.labels = torch.tensor([chosen.index(photo.label) for photo in self.photos])
        self.pairs = pairs_of(self.labels)
        self._masks = masks if any(photo.mask_files for photo in self.photos) else None
        self._upright = upright
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
        boxed = [photo for photo in self.photos if photo.boxes]
        if not boxed:
            return None
        stated = all(photo.frame for photo in boxed)
        frames = [None] * len(self) if stated else self.sizes.tolist()
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

        return fingerprint_of([self._array("fingerprint", key, len(self), (32,), print_of)])

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

    def _array(self, kind: str, key: list, count: int, shape, read) -> np.ndarray:
        path = None
        if self._cache:
            digest = sha256(json.dumps([shape, *key]).encode())[:16]
            name = f"{self.name}-{self.split}-{kind}-{shape[-1]}-{digest}.npy"
            path = self._cache / name
        return decoding.cached_array(path, count, shape, read, f"{self.name} {self.split}: {kind}")


def _about(paths: Sequence[Path], name: str) -> list[list]:
    """[bytes, time of the last change] of every file: what a cache was made from."""
    if missing := [path for path in paths if not path.exists()]:
        raise absent(missing, name)
    return [[facts.st_size, facts.st_mtime_ns] for facts in map(Path.stat, paths)]


def choose_classes(classes, names: Sequence[str]) -> list[int]:
    """Indices of the classes asked for, in the data set's order: all, the first so many, or some.

    At least two that there are; anything else is a ValueError.
    """
    if classes is None:
        return list(range(len(names)))
    if isinstance(classes, int):
        return list(range(whole("classes", classes, 2, len(names))))
    wanted = {known("class", one, names) for one in plain("classes", tuple[str, ...], classes)}
    if len(wanted) < 2:
        raise ValueError("classes must name two or more classes")
    return [index for index, name in enumerate(names) if name in wanted]
