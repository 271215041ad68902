"""What the loaders of photographs share: photographs as lists say them, folders, text lists, names.

A loader says in a list of :class:`Photo` what its files hold, and how a mask is read.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from entreg_utils.cam.scaling import rescale_boxes
from entreg_utils.data.world import check_split
from entreg_utils.files import StorageError, expand, own, read_bytes, text_of


@dataclass(frozen=True)
class Photo:
    """What a data set says about one photograph.

    Attributes:
        path: the image file.  image_id: its name in the data set's own lists.
        label: class index; for multi-label data the indices of the classes present, rising.
        xywh: ``x, y, w, h`` of the object in pixels of the file, or None.
        boxes: rows ``x0, y0, x1, y1`` in an image of ``frame = (W, H)``, or None; for multi-label
            data such rows for each class of ``label``.
        mask_files: files from which the mask is read; empty when there is none.
    """

    path: Path
    image_id: str
    label: int | tuple[int, ...]
    xywh: tuple[float, ...] | None = None
    boxes: tuple[tuple[int, ...], ...] | None = None
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
        boxes, frame = self.boxes, self.frame or frame or (1, 1)
        if self.xywh:
            boxes = (corner_box(self.xywh, frame, self.image_id),)
        if not isinstance(self.label, tuple):
            boxes = (boxes or (),)
        return [rescale_boxes(own, frame, size) for own in boxes or ((),) * len(self.classes)]


def corner_box(xywh, frame: tuple[int, int], where: str = "") -> tuple[int, ...]:
    """A box ``x, y, w, h`` as ``(x, y, min(x + w, W - 1), min(y + h, H - 1))``, truncated.

    The convention of the lists of Choe et al. (see ``evaluated.py``), in pixels of an image of
    ``frame = (W, H)``. ValueError: it begins outside the frame or has no area.
    """
    (x, y, w, h), (right, bottom) = xywh, (side - 1 for side in frame)
    if not (0 <= x <= right and 0 <= y <= bottom and w > 0 and h > 0):
        raise ValueError(
            f"{where}: the box x, y, w, h = {[*xywh]} does not fit an image of {frame[0]}x"
            f"{frame[1]}: the photographs and the list of boxes do not belong together"
        )
    return tuple(map(int, (x, y, min(x + w, right), min(y + h, bottom))))


class MaskReader(NamedTuple):
    """How the masks of a data set are read."""

    read: Callable  # (mask files, class index, (H, W)) -> (mask, ignore or None), bool (H, W)
    rule: str  # what ``read`` does, in words that change with it: part of the cache's name


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


class Column(dict):
    """Lines of a text file by their first cell; a missing key names the file.

    ``columns`` says in words what a line holds and ``types`` converts each of its cells. A value is
    the one other cell of the line, or the tuple of them; with ``several`` lines a key, their list.
    Blank lines are left out. A line that does not fit is a ValueError, a file that is missing or no
    text a StorageError.
    """

    def __init__(self, path: Path, name: str, columns: str, *types, separator=None, several=False):
        self.path, self.name = path, name
        for number, line in enumerate(text_of(read_list(path, name), path).split("\n"), 1):
            if not line.strip():
                continue
            try:
                cells = [cell.strip() for cell in line.split(separator)]
                key, *rest = (kind(cell) for kind, cell in zip(types, cells, strict=True))
            except (ValueError, KeyError):
                raise ValueError(
                    f"{path}, line {number}: {line!r} is not {columns}: correct it; {anew(name)}"
                ) from None
            row = rest[0] if len(rest) == 1 else tuple(rest)
            self[key] = [*self.get(key, []), row] if several else row

    def __missing__(self, key):
        raise ValueError(f"{self.path} says nothing about {key}: add it; {anew(self.name)}")


def read_ids(path: Path, name: str) -> list[str]:
    """The names of images in a text file, one a line, each once."""
    return list(Column(path, name, "one image", str))


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


def ranked(names: Iterable[str], salt: str = "") -> list[str]:
    """Names in the order of their SHA-256: the same draw on every platform."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt}{name}".encode()).digest())


def held_out(label_of: dict[str, int], per_class: int) -> set[str]:
    """A validation part of a training list {image: class}: ``per_class`` images of every class.

    Within a class they are the first ones :func:`ranked`, so that the choice does not change when
    other classes are added or left out. ValueError where a class would have none or all.
    """
    if per_class < 1:
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
