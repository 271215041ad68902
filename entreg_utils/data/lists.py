"""What the loaders of photographs share: photographs, folders, lists, classes, held-out parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError, project_root, read_bytes


@dataclass(frozen=True)
class Photo:
    """What a data set says about one photograph.

    Attributes:
        path: the image file.  image_id: its name in the data set's own lists.
        label: class index; for multi-label data the indices of the classes present, rising.
        xywh: ``x, y, w, h`` of the object in pixels of the file, or None.
        boxes: rows ``x0, y0, x1, y1`` in an image of ``frame = (W, H)``, or None.
        mask_files: files from which the mask is read; empty when there is none.
    """

    path: Path
    image_id: str
    label: int | tuple[int, ...]
    xywh: tuple[float, ...] | None = None
    boxes: tuple[tuple[int, ...], ...] | None = None
    frame: tuple[int, int] | None = None
    mask_files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class MaskReader:
    """How the masks of a data set are read.

    Attributes:
        read: (mask files, class index, (width, height)) -> (mask, ignore or None), bool (H, W).
        has_ignore: whether ``read`` gives ignore masks.
        rule: says what ``read`` does, in words that change with it: part of the cache's name.
    """

    read: Callable
    has_ignore: bool
    rule: str


def check_split(split: str) -> None:
    """ValueError with the known splits when ``split`` is none of them."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")


def find_folder(name: str, root, places: Sequence[str], probe: str) -> Path:
    """The folder of a data set under ``root``, or ``root`` itself when it is that folder.

    Args:
        name: of the data set, for the message.
        root: folder of all data sets, or this one's own; None is the project's ``data/``.
        places: where the folder may lie under ``root``, the usual place first.
        probe: a path that the folder must hold.

    Raises:
        StorageError: no such folder; the message names the path expected and how to get it.
    """
    root = Path(root) if root is not None else project_root() / "data"
    for folder in [root / place for place in places] + [root]:
        if (folder / probe).exists():
            return folder
    raise StorageError(
        f"{root / places[0] / probe} is not there: python -m entreg_utils data {name} fetches the "
        "data set, or name the folder that holds it with root"
    )


def read_table(path: Path, name: str, columns: str, *types: Callable, separator=None) -> list:
    """Rows of a text file, one a line, blank lines left out.

    Args:
        path: the file.  name: of the data set, for the message.
        columns: what a line holds, in words: ``"image id, path"``.
        types: one converter per column.
        separator: between columns; None is white space.

    Returns:
        A list of tuples.

    Raises:
        StorageError: the file is not there, or not text.
        ValueError: a line that does not fit; the message names file and line.
    """
    content = read_bytes(path)
    if content is None:
        raise StorageError(
            f"{path} is not there: python -m entreg_utils data {name} fetches what is missing"
        )
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is not a text file: delete it and fetch it again") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            cells = [cell.strip() for cell in line.split(separator)]
            rows.append(tuple(kind(cell) for kind, cell in zip(types, cells, strict=True)))
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: {line!r} is not {columns}: fetch the file again"
            ) from None
    return rows


def read_mapping(path: Path, name: str, columns: str, *types: Callable, separator=None) -> dict:
    """:func:`read_table` of two or more columns as a dictionary, the first column being the key."""
    rows = read_table(path, name, columns, *types, separator=separator)
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in rows}


def of_each(mapping: dict, key, path: Path):
    """``mapping[key]``, or a ValueError that names the list in which ``key`` is missing."""
    if key not in mapping:
        raise ValueError(f"{path} says nothing about {key}: fetch the file again")
    return mapping[key]


def choose_classes(classes, names: Sequence[str]) -> list[int]:
    """Indices of the classes asked for, in the data set's order.

    Args:
        classes: None for all, a number for the first so many, or names.
        names: of all classes.

    Raises:
        ValueError: more classes than there are, fewer than two, or an unknown name.
    """
    if classes is None:
        return list(range(len(names)))
    if isinstance(classes, int) and not isinstance(classes, bool):
        if not 2 <= classes <= len(names):
            raise ValueError(f"classes={classes} is outside 2..{len(names)}")
        return list(range(classes))
    if isinstance(classes, str):
        raise ValueError(f"classes={classes!r} is one name: give a list of two or more")
    for wanted in classes:
        if wanted not in names:
            raise ValueError(f"unknown class {wanted!r}: known are {', '.join(names)}")
    if len(set(classes)) < 2:
        raise ValueError("classes must name two or more classes")
    return [index for index, known in enumerate(names) if known in set(classes)]


def held_out(image_ids: Sequence[str], labels: Sequence[int], per_class: int) -> set[str]:
    """A validation part of a training list: ``per_class`` images of every class.

    Within a class, images are ranked by the SHA-256 of their names, so the choice is the same on
    every platform and does not change when other classes are added or left out.

    Raises:
        ValueError: ``per_class`` is below 1, or would leave a class without training images.
    """
    if not isinstance(per_class, int) or isinstance(per_class, bool) or per_class < 1:
        raise ValueError(f"val_per_class={per_class!r} is not a whole number above 0")
    members: dict[int, list[str]] = {}
    for image_id, label in zip(image_ids, labels, strict=True):
        members.setdefault(label, []).append(image_id)
    least = min(map(len, members.values()), default=0)
    if per_class >= least:
        raise ValueError(
            f"val_per_class={per_class} leaves a class of {least} images nothing to train on: "
            f"give 1..{least - 1}"
        )
    return {image_id for own in members.values() for image_id in sorted(own, key=_rank)[:per_class]}


def _rank(image_id: str) -> bytes:
    return hashlib.sha256(image_id.encode()).digest()
