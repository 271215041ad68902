"""What the loaders of photographs share: folders, text lists, classes, held-out parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError, own, read_bytes


def check_split(split: str) -> None:
    """ValueError with the known splits when ``split`` is none of them."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")


def find_folder(name: str, split: str, root, places: Sequence[str], probe: str) -> Path:
    """The folder of a data set under ``root``, or ``root`` itself when it is that folder.

    Args:
        name: of the data set, for the message.
        split: that is wanted; an unknown one is refused first.
        root: folder of all data sets, or this one's own; None is the project's ``data/``.
        places: where the folder may lie under ``root``, the usual place first.
        probe: a path that the folder must hold.

    Raises:
        StorageError: no such folder; the message names the path expected and how to get it.
    """
    check_split(split)
    root = own("data") if root is None else Path(root)
    for folder in [root / place for place in places] + [root]:
        if (folder / probe).exists():
            return folder
    raise StorageError(
        f"{root / places[0] / probe} is not there: python -m entreg_utils data {name} fetches the "
        "data set, or name the folder that holds it with root"
    )


def read_list(path: Path, name: str) -> bytes:
    """Bytes of a data set's list; StorageError with the way to get it where it is not there."""
    content = read_bytes(path)
    if content is None:
        raise StorageError(
            f"{path} is not there: python -m entreg_utils data {name} fetches what is missing"
        )
    return content


def read_table(path: Path, name: str, columns: str, *types: Callable, separator=None) -> list:
    """Rows of a text file as tuples, one a line, blank lines left out.

    Args:
        path: the file.  name: of the data set, for the message.
        columns: what a line holds, in words: ``"image id, path"``.
        types: one converter per column.
        separator: between columns; None is white space.

    Raises:
        StorageError: the file is not there, or not text.
        ValueError: a line that does not fit; the message names file and line.
    """
    try:
        lines = read_list(path, name).decode().splitlines()
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is not a text file: delete it and fetch it again") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                cells = [cell.strip() for cell in line.split(separator)]
                rows.append(tuple(kind(cell) for kind, cell in zip(types, cells, strict=True)))
            except ValueError:
                raise ValueError(
                    f"{path}, line {number}: {line!r} is not {columns}: fetch the file again"
                ) from None
    return rows


class Column(dict):
    """:func:`read_table` of two or more columns by the first one; a missing key names the file.

    With ``several`` rows a key, their lists.
    """

    def __init__(self, path: Path, name: str, columns: str, *types, separator=None, several=False):
        self.path = path
        for key, *rest in read_table(path, name, columns, *types, separator=separator):
            row = rest[0] if len(rest) == 1 else tuple(rest)
            self[key] = [*self.get(key, []), row] if several else row

    def __missing__(self, key):
        raise ValueError(f"{self.path} says nothing about {key}: fetch the file again")


def one_of(*known: str) -> Callable[[str], int]:
    """Converter of a column that holds one of a few whole numbers."""

    def convert(cell: str) -> int:
        if cell not in known:
            raise ValueError(cell)
        return int(cell)

    return convert


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
    if isinstance(classes, int):
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
    return [index for index, known in enumerate(names) if known in classes]


def ranked(names: Iterable[str], salt: str = "") -> list[str]:
    """Names in the order of their SHA-256: the same draw on every platform."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt}{name}".encode()).digest())


def held_out(label_of: dict[str, int], per_class: int) -> set[str]:
    """A validation part of a training list {image: class}: ``per_class`` images of every class.

    Within a class they are the first ones :func:`ranked`, so that the choice does not change when
    other classes are added or left out.

    Raises:
        ValueError: ``per_class`` is below 1, or would leave a class without training images.
    """
    if not isinstance(per_class, int) or isinstance(per_class, bool) or per_class < 1:
        raise ValueError(f"val_per_class={per_class!r} is not a whole number above 0")
    members: dict[int, list[str]] = {}
    for image_id, label in label_of.items():
        members.setdefault(label, []).append(image_id)
    least = min(map(len, members.values()), default=0)
    if per_class >= least:
        raise ValueError(
            f"val_per_class={per_class} leaves a class of {least} images nothing to train on: "
            f"give 1..{least - 1}"
        )
    return {image for images in members.values() for image in ranked(images)[:per_class]}
