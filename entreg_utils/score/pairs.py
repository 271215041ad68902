"""Maps and what is true of their images, both as files, and which map is of which image.

Maps are found first and read one at a time::

    maps/a/1.npy     one map (h, w) of any number type; the public evaluation code's layout
    maps/a/1.npz     the same, alone in its archive        maps/a/1.png   grey, of 8 or 16 bits
    maps.npz         many maps, each under the name of its image: "a/1" (or "a/1.jpg")

True boxes are those of :mod:`entreg_utils.data.annotations`, masks PNG files as ``folder:PATH`` has
them (``a.png`` or ``a_mask.png``, ``a_ignore.png``; a table ``classes.txt`` for values of classes).
A folder of the public evaluation code's lists (``metadata/CUB/test``) names its classes, and its
boxes or masks.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from entreg_utils.cam.scaling import as_array, height_width, rescale_boxes
from entreg_utils.data.annotations import Annotation, read, rows_of, whole_boxes
from entreg_utils.data.decoding import read_image, read_sizes
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

ENDINGS = (".npy", ".npz", ".png")


@dataclass(frozen=True)
class Truth:
    """Truth of ``images`` at ``size`` = (H, W), each part where it is known.

    ``boxes``: (n, 4) int64 of an image; ``kinds``: the class of each, or of an image without boxes
    its own; ``classes``: those of a table; ``files`` of masks and how they are read.
    """

    size: tuple[int, int]
    images: tuple[str, ...]
    boxes: dict[str, np.ndarray] = field(default_factory=dict)
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    files: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    read: Callable = read_instances

    def label_of(self, image: str) -> str | None:
        """The class of an image that shows one."""
        kinds = set(self.kinds.get(image, ()))
        return kinds.pop() if len(kinds) == 1 else None

    def boxes_of(self, image: str, kind: str | None) -> np.ndarray:
        """(n, 4) int64: all boxes, or those of one class where boxes say theirs."""
        boxes, kinds = self.boxes.get(image, np.zeros((0, 4), int)), self.kinds.get(image)
        known = kind is not None and kinds and len(boxes)
        return boxes[np.array(kinds) == kind] if known else boxes

    def mask_of(self, image: str, kind: str | None) -> tuple[np.ndarray, np.ndarray]:
        """(mask, ignore), bool (H, W), of one class where masks have values of classes."""
        if self.classes and kind not in self.classes:
            raise ValueError(
                "no class says which value of its mask is meant: put its map into a folder of its "
                "class, CLASS/NAME"
            )
        label = self.classes.index(kind) if self.classes else 0
        return self.read(self.files[image], label, self.size)


def read_truth(path, masks=None, images=None, classes=None, size=224) -> Truth:
    """The truth at ``size``; arguments and errors as of :func:`entreg_utils.score.score`."""
    path, size = path_from(path, "truth"), height_width(size)
    if min(size) < 2:
        raise ValueError("on a side of one pixel no box can be told from another: give size=224")
    masks, classes = (None if one is None else path_from(one, "masks") for one in (masks, classes))
    if (path / "image_ids.txt").exists():
        return _of_lists(path, masks, {} if classes is None else value_table(classes), size)
    endings = {file.suffix.lower() for file in walk(path)} if path.is_dir() else ()
    if ".png" in endings and ".xml" not in endings:
        masks, said = path, {}
    else:
        said = read(path)
    boxes = _boxes({name: one for name, one in said.items() if one.boxes}, path, images, size)
    kinds = {name: one.classes for name, one in said.items()}
    if masks is None:
        if classes is not None:
            raise ValueError(f"{classes} names classes of masks: give --masks, or leave it out")
        return Truth(size, tuple(said), boxes, kinds)
    files, classes = find_masks(masks, masks, said), classes or table_in(masks)
    names = tuple(value_table(classes)) if classes else ()
    if not files:
        raise ValueError(f"{masks} holds no masks: put PNG files there, named as the images")
    if classes and not names:
        raise ValueError(f"{classes} names no class: give each a row value,name, such as 1,cat")
    mask = reader_of(classes, names).read
    return Truth(size, tuple(said) or tuple(files), boxes, kinds, names, files, mask)


def _of_lists(path: Path, masks: Path | None, table: dict[str, int], size) -> Truth:
    first = (read_bytes(path / "localization.txt") or b"").partition(b"\n")[0]
    boxed = first.count(b",") != 2
    if not boxed and masks is None:
        raise ValueError(f"{path} names files of masks: say which folder they are in with --masks")
    rows = read_evaluation_list(path, "cub" if boxed else "openimages")
    name_of = {number: name for name, number in table.items()}
    kinds = {i: (name_of.get(label, str(label)),) * len(own) for i, label, _, own in rows}
    if boxed:
        boxes = {i: rescale_boxes(own, frame, size) for i, _, frame, own in rows}
        return Truth(size, tuple(kinds), boxes, kinds, tuple(table))
    files = {i: tuple(masks / n for pair in own for n in pair if n) for i, _, _, own in rows}
    return Truth(size, tuple(kinds), kinds=kinds, files=files)


def _boxes(said: dict[str, Annotation], path: Path, images, size) -> dict[str, np.ndarray]:
    """Boxes at ``size``, of pictures as large as the file says, or as those in ``images`` are."""
    frames = {name: one.size for name, one in said.items()}
    if unknown := [name for name, frame in frames.items() if frame is None]:
        if images is None:
            raise ValueError(
                f"{path} does not say how large {unknown[0]} is: give --images FOLDER, or add "
                "columns width,height"
            )
        places, _ = photographs(expand(images))
        paths = [places[image] for image in match(unknown, places).values()]
        frames |= zip(unknown, map(tuple, read_sizes(paths, upright=True).tolist()), strict=True)
    return {
        name: rescale_boxes(whole_boxes(one, frames[name]), frames[name], size)
        for name, one in said.items()
    }


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
    labels = {i: truth.label_of(i) or own[i].get("label") for i in images if i in own}
    if bare := [image for image in images if not labels.get(image)]:
        raise ValueError(
            f"{path} has no row for {bare[0]} ({len(bare)} of {len(images)} images), or nothing "
            "says its class: a column class of the boxes, or label beside the predictions"
        )
    ranks = [name for name in (f"class_{rank}" for rank in range(1, 6)) if name in own[images[0]]]
    said = {image: [own[image][rank] or "" for rank in ranks] for image in images}
    named, classes = {*sum(said.values(), [])}, {*truth.classes} or {*labels.values()}
    strange = sorted(named - classes)
    if strange and (truth.classes or not named & classes):
        raise ValueError(
            f"{path}: the class {strange[0]!r} is none of the true ones, such as "
            f"{min(classes)!r}: --classes TABLE, value,name, names those of numbers"
        )
    hits = np.array([[name == labels[image] for name in said[image]] for image in images])
    return {"top1": hits[:, 0]} | ({"top5": hits.any(axis=1)} if len(ranks) > 1 else {})


def find(maps: Mapping | Path | str) -> dict[str, Callable[[], np.ndarray]]:
    """{name: function that reads this map (h, w)} of a folder, an ``.npz``, or {name: array}.

    A name is the path in the folder without its ending, or the name in the archive, NFC and "/"
    between folders. Nothing is unpickled. Both this and the reading raise ValueError: no map there,
    two of one name, or an array that is none; StorageError: missing or unreadable files.
    """
    if isinstance(maps, Mapping):
        return {str(name): functools.partial(_checked, maps[name], name) for name in maps}
    path = path_from(maps, "maps")
    if path.is_dir():
        files = [file for file in walk(path) if file.suffix.lower() in ENDINGS]
        places = [(file.relative_to(path).with_suffix("").as_posix(), file) for file in files]
    elif path.suffix.lower() == ".npz":
        places = _archive(path)
    else:
        raise StorageError(f"{path} is no folder of maps and no .npz of them: give one that is")
    if not places:
        raise ValueError(f"{path} holds no maps: put {', '.join(ENDINGS)} files there")
    found: dict[str, Path | zipfile.Path] = {}
    for name, place in places:
        if (other := found.setdefault(plain(name), place)) is not place:
            raise ValueError(f"{other} and {place} are both maps of {plain(name)}: keep one")
    return {name: functools.partial(_read, place) for name, place in found.items()}


def _archive(path: Path) -> list[tuple[str, zipfile.Path]]:
    try:
        archive = zipfile.Path(path).root
    except (OSError, zipfile.BadZipFile) as error:
        raise StorageError(f"{path} cannot be read as .npz ({error}): write it again") from error
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    return [(name.removesuffix(".npy"), zipfile.Path(archive, name)) for name in names]


def _read(file: Path | zipfile.Path) -> np.ndarray:
    if file.suffix.lower() == ".png":
        picture = read_image(file, None)  # a palette's numbers are no values
        return _checked(picture.convert("RGB") if picture.mode == "P" else picture, file)
    if file.suffix.lower() == ".npz":
        inside = _archive(file)
        if len(inside) != 1:
            raise ValueError(
                f"{file} holds {len(inside)} arrays ({', '.join(n for n, _ in inside[:3])}): give "
                "one map a file, or the archive itself with maps named as their images"
            )
        ((_, file),) = inside
    try:
        with file.open("rb") as content:
            array = np.lib.format.read_array(content, allow_pickle=False)
    except Exception as error:  # NumPy, zipfile and zlib have kinds of their own
        raise StorageError(f"{file} cannot be read as a map ({error}): write it again") from error
    return _checked(array, file)


def _checked(array, file) -> np.ndarray:
    array = as_array(array, str(file))
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{file} is {array.dtype} of shape {array.shape}: a map is an array of numbers (h, w), "
            "or a grey picture"
        )
    return array


class Pair(NamedTuple):
    """One map and its truth: the image, its class where one is known, how the map is read, boxes
    (n, 4), and how mask and ignore mask are read, or None."""

    image: str
    kind: str | None
    read: Callable[[], np.ndarray]
    boxes: np.ndarray
    mask: Callable[[], tuple[np.ndarray, np.ndarray]] | None


def paired(
    maps: Mapping | Path | str, truth: Truth, partial: bool = False, more: bool = False
) -> tuple[list[Pair], list[str]]:
    """The pairs in the order of the truth, and notes of what is left out.

    ``maps``, ``partial``: as in :func:`entreg_utils.score.score`; ``more``: maps of other images
    are no reason to refuse. ValueError: maps without truth, truth without maps, or no pair.
    """
    found, by_class = find(maps), {}
    for name in found:
        head, _, rest = name.partition("/")
        kind, own = (head, rest) if rest and head in truth.classes else (None, name)
        by_class.setdefault(kind, {})[own] = name
    pairs, strangers = [], []
    for kind, names in by_class.items():
        alone: list[str] = []
        for own, image in match(names, truth.images, alone).items():
            one = image, kind or truth.label_of(image)
            mask = functools.partial(truth.mask_of, *one) if image in truth.files else None
            pairs.append(Pair(*one, found[names[own]], truth.boxes_of(*one), mask))
        strangers += [names[own] for own in alone]
    told = {image for image, boxes in truth.boxes.items() if len(boxes)} | {*truth.files}
    lonely = {
        "maps without truth": [] if more else strangers,
        "images of the truth without map": sorted(told - {pair.image for pair in pairs}),
    }
    notes = [
        f"{what}: {len(names)} ({', '.join(names[:3])}{', ..' * (len(names) > 3)})"
        for what, names in lonely.items()
        if names
    ]
    if notes and not partial:
        way = "write those" if more else "--partial scores the images that have both"
        raise ValueError(f"{'; '.join(notes)}: {way}")
    kept = [pair for pair in pairs if len(pair.boxes) or pair.mask]
    if not kept:
        raise ValueError("no map is of an image with a box or a mask: there is nothing to score")
    notes = [f"left out, {note}" for note in notes]
    if empty := len(pairs) - len(kept):
        what = "are of images without a box or mask and are left out"
        notes.append(f"{empty} of {len(pairs)} maps {what}")
    place = {image: index for index, image in enumerate(truth.images)}
    return sorted(kept, key=lambda pair: (place[pair.image], pair.kind or "")), notes
