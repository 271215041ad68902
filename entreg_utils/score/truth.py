"""What is true of the images whose maps are scored: boxes, masks, classes, at one size.

Boxes are those of :mod:`entreg_utils.data.annotations`, masks PNG files as ``folder:PATH`` has them
(``a.png`` or ``a_mask.png``, ``a_ignore.png``; a table ``classes.txt`` for values of classes). A
folder of the public evaluation code's lists (``metadata/CUB/test``) names its classes, and its
boxes or masks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from entreg_utils.cam.scaling import height_width, rescale_boxes
from entreg_utils.data.annotations import read, whole_boxes
from entreg_utils.data.decoding import read_sizes
from entreg_utils.data.evaluated import read_evaluation_list, read_instances
from entreg_utils.data.lists import match, plain
from entreg_utils.data.photos import MaskReader
from entreg_utils.data.scan import (
    IGNORED,
    TABLES,
    find_masks,
    photographs,
    reader_of,
    value_table,
    walk,
)
from entreg_utils.files import read_bytes

_INSTANCES = MaskReader(read_instances, True, "")


@dataclass(frozen=True)
class Truth:
    """Truth of ``images`` at ``size`` = (H, W), each part where it is known.

    ``boxes``: (n, 4) int64 of an image, ``kinds`` the class of each; ``labels``: the class of an
    image that shows one; ``classes``: those of a table; ``files`` of masks and how they are read.
    """

    size: tuple[int, int]
    images: tuple[str, ...]
    boxes: dict[str, np.ndarray] = field(default_factory=dict)
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    reader: MaskReader = _INSTANCES

    def boxes_of(self, image: str, kind: str | None) -> np.ndarray:
        """(n, 4) int64: all boxes, or those of one class where boxes say theirs."""
        boxes, kinds = self.boxes.get(image, np.zeros((0, 4), int)), self.kinds.get(image)
        return boxes if kind is None or not kinds else boxes[np.array(kinds) == kind]

    def mask_of(self, image: str, kind: str | None) -> tuple[np.ndarray, np.ndarray]:
        """(mask, ignore), bool (H, W), of one class where masks have values of classes."""
        label = 0
        if self.classes and self.reader is not _INSTANCES:
            if kind not in self.classes:
                raise ValueError(
                    "no class says which value of its mask is meant: put its map into a folder of "
                    "its class, CLASS/NAME"
                )
            label = self.classes.index(kind)
        return self.reader.read(self.files[image], label, self.size)


def read_truth(path, masks=None, images=None, classes=None, size=224) -> Truth:
    """The truth at ``size``; arguments as in :func:`entreg_utils.score.score`."""
    path, size = Path(path).expanduser(), height_width(size)
    masks, classes = (None if one is None else Path(one).expanduser() for one in (masks, classes))
    if (path / "image_ids.txt").exists():
        return _of_lists(path, masks, {} if classes is None else value_table(classes), size)
    endings = {file.suffix.lower() for file in walk(path)} if path.is_dir() else ()
    if ".png" in endings and ".xml" not in endings:
        masks, said = path, {}
    else:
        said = read(path)
    frames = _frames(path, [one for one in said.values() if one.boxes], images)
    boxes = {
        name: rescale_boxes(whole_boxes(said[name], frame), frame, size)
        for name, frame in frames.items()
    }
    kinds = {name: one.classes for name, one in said.items() if one.classes}
    labels = {name: own[0] for name, own in kinds.items() if len(set(own)) == 1}
    if masks is None and classes is not None:
        raise ValueError(f"{classes} names classes of masks, and there are no masks: leave it out")
    if masks is None:
        return Truth(size, tuple(said), boxes, kinds, labels)
    if masks.is_dir() and not said:
        pictures = [
            file.relative_to(masks) for file in walk(masks) if file.suffix.lower() == ".png"
        ]
        names = [plain(file.with_suffix("").as_posix()) for file in pictures]
        said = dict.fromkeys(n.removesuffix("_mask") for n in names if not n.endswith(IGNORED))
    files = find_masks(masks, masks, said)
    if not files:
        raise ValueError(f"{masks} holds no masks: put PNG files there, named as the images")
    classes = classes or next(filter(Path.exists, (masks / name for name in TABLES)), None)
    names = tuple(value_table(classes)) if classes else ()
    if classes and not names:
        raise ValueError(f"{classes} names no class: give each a row value,name, such as 1,cat")
    reader = reader_of(classes, names)
    return Truth(size, tuple(said), boxes, kinds, labels, names, files, reader)


def _of_lists(path: Path, masks: Path | None, table: dict[str, int], size) -> Truth:
    first = (read_bytes(path / "localization.txt") or b"").partition(b"\n")[0]
    boxed = first.count(b",") != 2
    rows = read_evaluation_list(path, "cub" if boxed else "openimages")
    images, name_of = (
        tuple(row[0] for row in rows),
        {number: name for name, number in table.items()},
    )
    labels = {image: name_of.get(label, str(label)) for image, label, _, _ in rows}
    if boxed:
        boxes = {image: rescale_boxes(own, frame, size) for image, _, frame, own in rows}
        return Truth(size, images, boxes, labels=labels, classes=tuple(table))
    if masks is None:
        raise ValueError(f"{path} names files of masks: say which folder they are in with --masks")
    files = {
        i: tuple(masks / name for pair in own for name in pair if name) for i, _, _, own in rows
    }
    return Truth(size, images, labels=labels, classes=tuple(table), files=files)


def _frames(path: Path, boxed: Iterable, images) -> dict[str, tuple[int, int]]:
    """(W, H) of every image that has boxes, as its file says it or as the picture has it."""
    sizes = {one.image: one.size for one in boxed}
    if unknown := [name for name, size in sizes.items() if size is None]:
        if images is None:
            raise ValueError(
                f"{path} does not say how large {unknown[0]} is: give --images FOLDER, or add "
                "columns width,height"
            )
        home = Path(images).expanduser()
        places, _ = photographs(home, home)
        paths = [places[image] for image in match(unknown, places).values()]
        found = read_sizes(paths, upright=True).tolist()
        sizes |= {name: tuple(size) for name, size in zip(unknown, found, strict=True)}
    return sizes
