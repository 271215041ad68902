"""What is true of the images whose maps are scored: boxes, masks, classes, at one size.

Boxes are those of :mod:`entreg_utils.data.annotations`, masks PNG files as ``folder:PATH`` has them
(``a.png`` or ``a_mask.png``, ``a_ignore.png``; a table ``classes.txt`` for values of classes). A
folder of the public evaluation code's lists (``metadata/CUB/test``) names its classes, and its
boxes or masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from entreg_utils.cam.scaling import height_width, rescale_boxes
from entreg_utils.data.annotations import read, rows_of, whole_boxes
from entreg_utils.data.decoding import read_sizes
from entreg_utils.data.evaluated import read_evaluation_list, read_instances
from entreg_utils.data.lists import match, plain
from entreg_utils.data.scan import (
    find_masks,
    photographs,
    reader_of,
    table_in,
    value_table,
    walk,
)
from entreg_utils.files import StorageError, expand, path_from, read_bytes


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
    read: Callable = read_instances

    def boxes_of(self, image: str, kind: str | None) -> np.ndarray:
        """(n, 4) int64: all boxes, or those of one class where boxes say theirs."""
        boxes, kinds = self.boxes.get(image, np.zeros((0, 4), int)), self.kinds.get(image)
        return boxes if kind is None or not kinds else boxes[np.array(kinds) == kind]

    def mask_of(self, image: str, kind: str | None) -> tuple[np.ndarray, np.ndarray]:
        """(mask, ignore), bool (H, W), of one class where masks have values of classes."""
        label = 0
        if self.classes and self.read is not read_instances:
            if kind not in self.classes:
                raise ValueError(
                    "no class says which value of its mask is meant: put its map into a folder of "
                    "its class, CLASS/NAME"
                )
            label = self.classes.index(kind)
        return self.read(self.files[image], label, self.size)


def read_truth(path, masks=None, images=None, classes=None, size=224) -> Truth:
    """The truth at ``size``; arguments as in :func:`entreg_utils.score.score`."""
    path, size = path_from(path, "truth"), height_width(size)
    masks, classes = (None if one is None else path_from(one, "masks") for one in (masks, classes))
    if (path / "image_ids.txt").exists():
        return _of_lists(path, masks, {} if classes is None else value_table(classes), size)
    endings = {file.suffix.lower() for file in walk(path)} if path.is_dir() else ()
    if ".png" in endings and ".xml" not in endings:
        masks, said = path, {}
    else:
        said = read(path)
    frames = _frames(path, {name: one.size for name, one in said.items() if one.boxes}, images)
    whole = {name: whole_boxes(said[name], frame) for name, frame in frames.items()}
    boxes = {name: rescale_boxes(own, frames[name], size) for name, own in whole.items()}
    kinds = {name: one.classes for name, one in said.items() if one.classes}
    labels = {name: own[0] for name, own in kinds.items() if len(set(own)) == 1}
    if masks is None and classes is not None:
        raise ValueError(f"{classes} names classes of masks, and there are no masks: leave it out")
    if masks is None:
        return Truth(size, tuple(said), boxes, kinds, labels)
    files = find_masks(masks, masks, said)
    if not files:
        raise ValueError(f"{masks} holds no masks: put PNG files there, named as the images")
    classes = classes or table_in(masks)
    names = tuple(value_table(classes)) if classes else ()
    if classes and not names:
        raise ValueError(f"{classes} names no class: give each a row value,name, such as 1,cat")
    mask = reader_of(classes, names).read
    return Truth(size, tuple(said) or tuple(files), boxes, kinds, labels, names, files, mask)


def _of_lists(path: Path, masks: Path | None, table: dict[str, int], size) -> Truth:
    first = (read_bytes(path / "localization.txt") or b"").partition(b"\n")[0]
    boxed = first.count(b",") != 2
    if not boxed and masks is None:
        raise ValueError(f"{path} names files of masks: say which folder they are in with --masks")
    rows = read_evaluation_list(path, "cub" if boxed else "openimages")
    name_of = {number: name for name, number in table.items()}
    labels = {image: name_of.get(label, str(label)) for image, label, _, _ in rows}
    shared = {"size": size, "images": tuple(labels), "labels": labels, "classes": tuple(table)}
    if boxed:
        return Truth(**shared, boxes={i: rescale_boxes(b, frame, size) for i, _, frame, b in rows})
    files = {i: tuple(masks / n for pair in own for n in pair if n) for i, _, _, own in rows}
    return Truth(**shared, files=files)


def _frames(path: Path, sizes: dict, images) -> dict[str, tuple[int, int]]:
    """``sizes`` with (W, H) of the pictures in the folder ``images`` where the file has None."""
    if unknown := [name for name, size in sizes.items() if size is None]:
        if images is None:
            raise ValueError(
                f"{path} does not say how large {unknown[0]} is: give --images FOLDER, or add "
                "columns width,height"
            )
        home = expand(images)
        places, _ = photographs(home)
        paths = [places[image] for image in match(unknown, places).values()]
        found = read_sizes(paths, upright=True).tolist()
        sizes |= {name: tuple(size) for name, size in zip(unknown, found, strict=True)}
    return sizes


def read_right(path: Path | str, images: Sequence[str], truth: Truth) -> dict[str, np.ndarray]:
    """{"top1": (N,) bool, whether ``class_1`` of an image is its class; "top5": one of them all}.

    ``path``: CSV ``image,class_1,..,class_5``. The true class is the truth's, else that in the
    column ``label``; "top5" is left out where the file has one class an image. ValueError: other
    columns, an image without a row or a class, and classes spelled otherwise than the true ones.
    """
    path = expand(path)
    if not path.exists():
        raise StorageError(f"{path} is not there: give predictions.csv")
    rows = {plain(row["image"] or ""): row for _, row in rows_of(path, ("image", "class_1"))}
    own = {image: rows[name] for name, image in match(rows, images, strangers=[]).items()}
    if lonely := [image for image in images if image not in own]:
        raise ValueError(
            f"{path} has no row for {lonely[0]} ({len(lonely)} of {len(images)} images)"
        )
    labels = [truth.labels.get(image) or own[image].get("label") for image in images]
    if not all(labels):
        raise ValueError(
            f"the true class of {images[[*map(bool, labels)].index(False)]} is not known: give "
            f"boxes with a column class, or {path.name} a column label"
        )
    ranks = [name for name in (f"class_{rank}" for rank in range(1, 6)) if name in own[images[0]]]
    said = [[own[image][rank] or "" for rank in ranks] for image in images]
    named, classes = {kind for row in said for kind in row}, set(truth.classes) or set(labels)
    strange = sorted(named - classes)
    if strange and (truth.classes or not named & classes):
        raise ValueError(
            f"{path}: the class {strange[0]!r} is none of the true ones, such as "
            f"{min(classes)!r}: --classes TABLE, value,name, names those of numbers"
        )
    hits = np.array(said) == np.array(labels)[:, None]
    return {"top1": hits[:, 0]} | ({"top5": hits.any(axis=1)} if len(ranks) > 1 else {})
