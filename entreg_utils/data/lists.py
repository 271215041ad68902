"""What the loaders of photographs share: where a data set lies, its text lists, names of images."""

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from entreg_utils.data.world import check_split
from entreg_utils.fields import whole
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


def absent(paths: Sequence, name: str) -> StorageError:
    """The error that says how to get files that the data set ``name`` lacks."""
    return StorageError(f"{some(paths)} not there: {anew(name)}")


def anew(name: str) -> str:
    """How files of the data set ``name`` are had that are missing or wrong."""
    how = "fetches what is missing, and all of it once its folder is moved away"
    return f"python -m entreg_utils data {name} {how}"


def some(things: Sequence) -> str:
    """The first of several things and their number, with the verb."""
    return f"{things[0]} and {len(things) - 1} more are" if len(things) > 1 else f"{things[0]} is"


class Column(dict):
    """Lines of a text file of the data set ``name`` by their first cell.

    ``columns`` says in words what a line holds and ``types`` converts each of its cells. A value is
    the one other cell of the line, or the tuple of them; with ``several`` lines a key, their list.
    A line that does not fit and a missing key are a ValueError, a missing file a StorageError.
    """

    def __init__(self, path: Path, name: str, columns: str, *types, separator=None, several=False):
        self.path, self.name = path, name
        content = read_bytes(path)
        if content is None:
            raise absent([path], name)
        for number, line in enumerate(text_of(content, path).split("\n"), 1):
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


def ranked(names: Iterable[str], salt: str = "") -> list[str]:
    """Names in the order of their SHA-256: the same draw on every platform."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{salt}{name}".encode()).digest())


def held_out(label_of: dict[str, int], per_class: int) -> set[str]:
    """A validation part of a training list {image: class}: ``per_class`` images of every class.

    Within a class they are the first ones :func:`ranked`, so that the choice does not change when
    other classes are added or left out. ValueError where a class would have none or all.
    """
    members: dict[int, list[str]] = {}
    for image_id, label in label_of.items():
        members.setdefault(label, []).append(image_id)
    whole("val_per_class", per_class, 1, min(map(len, members.values()), default=2) - 1)
    return {image for images in members.values() for image in ranked(images)[:per_class]}


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
    whole_of: dict[str, list[str]] = {}
    ends: dict[str, list[str]] = {}
    known = dict.fromkeys(known)
    for path in known:
        for form in _forms(path):
            whole_of.setdefault(form, []).append(path)
            for tail in _tails(form):
                ends.setdefault(tail, []).append(path)
    found, owner = {}, {}
    for name in names:
        forms = _forms(name)
        tried = [(whole_of, form) for form in forms] + [(ends, form) for form in forms]
        tried += [(whole_of, tail) for form in forms for tail in _tails(form)]
        fits = [name] if name in known else next((of[key] for of, key in tried if key in of), [])
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


def _forms(path: str) -> list[str]:
    """A path, and the same without its ending."""
    bare = str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).name else path
    return list(dict.fromkeys((path, bare)))


def _tails(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]
