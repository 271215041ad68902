"""What the loaders of photographs share: folders, text lists, names, classes, held-out parts."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from entreg_utils.data.world import check_split
from entreg_utils.files import StorageError, expand, own, read_bytes, text_of


def find_folder(name: str, split: str, root, places: Sequence[str], probe: str) -> Path:
    """The folder of a data set that holds ``probe``: one of ``places`` in ``root``, or ``root``.

    An unknown split is refused first; without ``root`` it is the project's ``data/``.
    """
    check_split(split)
    root = own("data") if root is None else expand(root)
    for folder in [root / place for place in places] + [root]:
        if (folder / probe).exists():
            return folder
    raise StorageError(
        f"{root / places[0] / probe} is not there: python -m entreg_utils data {name} fetches the "
        "data set, or name the folder that holds it with root (--root)"
    )


def read_list(path: Path, name: str) -> bytes:
    """Bytes of a list of the data set ``name``, which the error says how to get."""
    content = read_bytes(path)
    if content is None:
        raise absent([path], name)
    return content


def absent(paths: Sequence, name: str) -> StorageError:
    """The error that says how to get what the data set ``name`` lacks."""
    fetched = f"python -m entreg_utils data {name} fetches a file or folder that is missing"
    return StorageError(f"{some(paths)} not there: {fetched}; {anew(name)}")


def anew(name: str) -> str:
    """How the whole of the data set ``name`` is had, where a file in its folders is wrong."""
    return (
        f"else move the data set's folder away, and python -m entreg_utils data {name} fetches it"
    )


def some(things: Sequence) -> str:
    """The first of several things and their number, with the verb."""
    return f"{things[0]} and {len(things) - 1} more are" if len(things) > 1 else f"{things[0]} is"


def read_table(path: Path, name: str, columns: str, *types: Callable, separator=None) -> list:
    """Rows of a text file as tuples, one a line, blank lines left out.

    ``columns`` says in words what a line holds and ``types`` converts each of its cells. A line
    that does not fit is a ValueError, a file that is missing or no text a StorageError.
    """
    rows = []
    for number, line in enumerate(text_of(read_list(path, name), path).split("\n"), 1):
        if line.strip():
            try:
                cells = [cell.strip() for cell in line.split(separator)]
                rows.append(tuple(kind(cell) for kind, cell in zip(types, cells, strict=True)))
            except (ValueError, KeyError):
                raise ValueError(
                    f"{path}, line {number}: {line!r} is not {columns}: correct it; {anew(name)}"
                ) from None
    return rows


def read_ids(path: Path, name: str) -> list[str]:
    """The names of images in a text file, one a line."""
    return [row[0] for row in read_table(path, name, "one image", str)]


class Column(dict):
    """:func:`read_table` of two or more columns by the first one; a missing key names the file.

    With ``several`` rows a key, their lists.
    """

    def __init__(self, path: Path, name: str, columns: str, *types, separator=None, several=False):
        self.path, self.name = path, name
        for key, *rest in read_table(path, name, columns, *types, separator=separator):
            row = rest[0] if len(rest) == 1 else tuple(rest)
            self[key] = [*self.get(key, []), row] if several else row

    def __missing__(self, key):
        raise ValueError(f"{self.path} says nothing about {key}: add it; {anew(self.name)}")


def plain(name: str) -> str:
    """A path in the one spelling that all systems share: NFC, "/" between folders."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def match(
    names: Iterable[str], known: Collection[str], strangers: list[str] | None = None
) -> dict[str, str]:
    """{name: the one of ``known`` that it means}, both paths with "/" between folders.

    It is the path itself, else the one that ends as the name does (``1.jpg`` is ``cat/1.jpg``),
    else the longest that the name ends in (``all/cat/1.jpg``); each also without the file's ending
    (``cat/1.npy``). Names that fit none are added to ``strangers``, where it is given. ValueError
    for other names that fit none or several, and for two names of one path.
    """
    whole: dict[str, list[str]] = {}
    ends: dict[str, list[str]] = {}
    known = dict.fromkeys(known)
    for path in known:
        for form in dict.fromkeys((path, _bare(path))):
            whole.setdefault(form, []).append(path)
            for tail in _tails(form):
                ends.setdefault(tail, []).append(path)
    found, owner = {}, {}
    for name in names:
        forms = dict.fromkeys((name, _bare(name)))
        tried = [whole.get(form) for form in forms] + [ends.get(form) for form in forms]
        tried += [whole.get(tail) for form in forms for tail in _tails(form)]
        fits = [name] if name in known else next(filter(None, tried), [])
        if not fits and strangers is not None:
            strangers.append(name)
            continue
        if len(fits) != 1:
            what = f"several images ({', '.join(sorted(fits)[:3])}) are" if fits else "no image is"
            such = f", such as {min(known)}" if known else ""
            raise ValueError(f"{what} named {name!r}: give its path in the folder{such}")
        found[name] = fits[0]
        if (other := owner.setdefault(fits[0], name)) != name:
            raise ValueError(
                f"{other!r} and {name!r} are both {fits[0]}: write its name in one way"
            )
    return found


def _bare(path: str) -> str:
    return str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).name else path


def _tails(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


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
    other classes are added or left out. ValueError where a class would have none or all.
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
