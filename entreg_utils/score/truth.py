"""What is true of the images whose maps are scored: boxes, masks, classes, at one size.

Boxes are read by :mod:`entreg_utils.data.annotations`. Masks are a folder of PNG named as the
images (``a.png`` or ``a_mask.png``): non-zero, or a palette or table of classes, is the object, and
255 there or in ``a_ignore.png`` is not counted. A folder of the public evaluation code's lists
(``metadata/CUB/test``) names its classes, and its boxes or masks.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from entreg_utils.cam.scaling import height_width, rescale_boxes, resize_mask
from entreg_utils.data.annotations import read, whole_boxes
from entreg_utils.data.decoding import read_image, read_sizes
from entreg_utils.data.evaluated import read_evaluation_list, read_instances
from entreg_utils.data.folder import ENDINGS
from entreg_utils.data.lists import match, plain
from entreg_utils.files import StorageError, read_bytes

VOID = 255  # of a mask of classes: not counted


@dataclass(frozen=True)
class Truth:
    """Truth of ``images`` at ``size`` = (H, W), each part where it is known.

    ``boxes``: (n, 4) int64 of an image, ``kinds`` the class of each; ``labels``: the class of an
    image that shows one; ``files`` of its masks; ``table``: {value in a mask: class}.
    """

    size: tuple[int, int]
    images: tuple[str, ...]
    boxes: dict[str, np.ndarray]
    kinds: dict[str, tuple[str, ...]]
    labels: dict[str, str]
    files: dict[str, tuple[Path, ...]]
    table: dict[int, str]
    instances: bool = False  # the files are the public lists': instances and ignore

    def boxes_of(self, image: str, kind: str | None) -> np.ndarray:
        """(n, 4) int64: all boxes, or those of one class where boxes say theirs."""
        boxes, kinds = self.boxes.get(image, np.zeros((0, 4), int)), self.kinds.get(image)
        return boxes if kind is None or not kinds else boxes[np.array(kinds) == kind]

    def mask_of(self, image: str, kind: str | None) -> tuple[np.ndarray, np.ndarray, str | None]:
        """(mask, ignore, class), bool (H, W); of a mask of classes the one asked for or shown."""
        files = self.files[image]
        if self.instances:
            return *read_instances(files, 0, self.size), kind
        picture, several = read_image(files[0], None), bool(self.table)
        codes = np.asarray(picture.convert("L") if len(picture.getbands()) > 1 else picture)
        void = (codes == VOID) & (several or picture.mode == "P")
        inside = (codes != 0) & ~void
        if several:
            shown = np.unique(codes[inside]).tolist()
            if strange := [value for value in shown if value not in self.table]:
                raise ValueError(
                    f"{files[0]} has the value {strange[0]}, which the table of classes does not "
                    "name: correct the table"
                )
            if kind is None and len(shown) != 1:
                raise ValueError(
                    f"{files[0]} shows {len(shown)} classes: put the maps of each into a folder "
                    "of its name, CLASS/NAME"
                )
            kind = self.table[shown[0]] if kind is None else kind
            inside &= np.isin(codes, [value for value, name in self.table.items() if name == kind])
        mask, ignore = resize_mask(inside, self.size), resize_mask(void, self.size)
        for file in files[1:]:
            ignore |= resize_mask(read_image(file, "L"), self.size)
        return mask, ignore & ~mask, kind


def read_truth(path, masks=None, images=None, classes=None, size=224) -> Truth:
    """The truth at ``size``; arguments as in :func:`entreg_utils.score.score`."""
    path, size = Path(path).expanduser(), height_width(size)
    table = read_classes(Path(classes).expanduser()) if classes is not None else {}
    if (path / "image_ids.txt").exists():
        return _of_lists(path, masks, table, size)
    files: dict[str, tuple[Path, ...]] = {}
    if path.is_dir() and masks is None and not any(path.rglob("*.[xX][mM][lL]")):
        files = _mask_files(path)
        return Truth(size, tuple(files), {}, {}, {}, files, table)
    said = read(path)
    if masks is not None:
        found = _mask_files(Path(masks).expanduser())
        files = {image: found[name] for name, image in match(found, said).items()}
    frames = _frames(path, [one for one in said.values() if one.boxes], images)
    boxes = {
        name: rescale_boxes(whole_boxes(said[name], frame), frame, size)
        for name, frame in frames.items()
    }
    kinds = {name: one.classes for name, one in said.items() if one.classes}
    labels = {name: own[0] for name, own in kinds.items() if len(set(own)) == 1}
    return Truth(size, tuple(said), boxes, kinds, labels, files, table)


def _of_lists(path: Path, masks, table: dict[int, str], size) -> Truth:
    first = (read_bytes(path / "localization.txt") or b"").partition(b"\n")[0]
    boxed = first.count(b",") != 2
    rows = read_evaluation_list(path, "cub" if boxed else "openimages")
    images = tuple(row[0] for row in rows)
    labels = {image: table.get(label, str(label)) for image, label, _, _ in rows}
    if boxed:
        boxes = {image: rescale_boxes(own, frame, size) for image, _, frame, own in rows}
        return Truth(size, images, boxes, {}, labels, {}, table)
    if masks is None:
        raise ValueError(f"{path} names files of masks: say which folder they are in with --masks")
    home = Path(masks).expanduser()
    files = {
        i: tuple(home / name for pair in own for name in pair if name) for i, _, _, own in rows
    }
    return Truth(size, images, {}, {}, labels, files, table, instances=True)


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
        files = [file for file in sorted(home.rglob("*")) if file.suffix.lower() in ENDINGS]
        places = {plain(file.relative_to(home).as_posix()): file for file in files}
        paths = [places[image] for image in match(unknown, places).values()]
        found = read_sizes(paths, upright=True).tolist()
        sizes |= {name: tuple(size) for name, size in zip(unknown, found, strict=True)}
    return sizes


def _mask_files(home: Path) -> dict[str, tuple[Path, ...]]:
    """{name of an image without ending: (mask,) or (mask, ignore)}."""
    if not home.is_dir():
        raise StorageError(f"{home} is no folder of masks: give one of PNG named as the images")
    masks: dict[str, Path] = {}
    ignores: dict[str, Path] = {}
    for file in sorted(home.rglob("*.[pP][nN][gG]")):
        name = plain(file.relative_to(home).with_suffix("").as_posix())
        kept = ignores if name.endswith("_ignore") else masks
        name = name.removesuffix("_ignore").removesuffix("_mask")
        if name in kept:
            raise ValueError(f"{kept[name]} and {file} are both masks of {name}: keep one")
        kept[name] = file
    if not masks:
        raise ValueError(f"{home} holds no masks: put PNG files there, named as the images")
    if lonely := sorted(set(ignores) - set(masks)):
        raise ValueError(f"{ignores[lonely[0]]} has no mask beside it: add {lonely[0]}.png")
    return {n: (file, ignores[n]) if n in ignores else (file,) for n, file in masks.items()}


def read_classes(path: Path) -> dict[int, str]:
    """{value: class} of a table ``value,name``, a row a class."""
    content = read_bytes(path)
    if content is None:
        raise StorageError(f"{path} is not there: give a table of classes, value,name")
    table: dict[int, str] = {}
    try:
        for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"))):
            value, name = int(row["value"]), row["name"].strip()
            if not name or not 0 <= value < VOID or value in table:
                raise ValueError(value)
            table[value] = name
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is no table of classes ({error}): begin it with value,name and give each "
            f"class a row, with a value of 0 to {VOID - 1} of its own"
        ) from error
    return table
