"""Score maps as files, found first and read one at a time, and which image each is of.

maps/a/1.npy     one map (h, w) of any number type; the public evaluation code's layout
maps/a/1.npz     the same, alone in its archive        maps/a/1.png   grey, of 8 or 16 bits
maps.npz         many maps, each under the name of its image: "a/1" (or "a/1.jpg")
"""

from __future__ import annotations

import functools
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from entreg_utils.cam.scaling import as_array
from entreg_utils.data.decoding import read_image
from entreg_utils.data.lists import match, plain
from entreg_utils.data.scan import walk
from entreg_utils.files import StorageError, path_from
from entreg_utils.score.truth import Truth

ENDINGS = (".npy", ".npz", ".png")
_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")  # Pillow's modes of one value a pixel


class Pair(NamedTuple):
    """One map: its image, its class where its name says one, and how it is read."""

    image: str
    kind: str | None
    read: Callable[[], np.ndarray]


def paired(
    maps: Mapping | Path | str, truth: Truth, partial: bool = False, more: bool = False
) -> tuple[list[Pair], list[str]]:
    """A :class:`Pair` for each map of an image with a box or mask, in the order of the truth, and
    notes of what is left out.

    ``maps``, ``partial``: as in :func:`entreg_utils.score.score`; ``more``: maps of other images
    are no reason to refuse. ValueError: maps without truth, truth without maps, or no pair.
    """
    if isinstance(maps, Mapping):
        found = {name: functools.partial(_checked, array, name) for name, array in maps.items()}
        if odd := [name for name in found if not isinstance(name, str)]:
            raise ValueError(f"maps are named as their images, by texts: not {odd[0]!r}")
    else:
        found = find(maps)
    of_class: dict[str | None, dict[str, str]] = {}
    for name in found:
        head, _, rest = name.partition("/")
        kind, own = (head, rest) if rest and head in truth.classes else (None, name)
        of_class.setdefault(kind, {})[own] = name
    pairs, alone = [], []
    for kind, names in of_class.items():
        strangers: list[str] = []
        for own, image in match(names, truth.images, strangers).items():
            pairs.append(Pair(image, kind or truth.labels.get(image), found[names[own]]))
        alone += [names[own] for own in strangers]
    told = {image for image, boxes in truth.boxes.items() if len(boxes)} | {*truth.files}
    bare = sorted(told - {pair.image for pair in pairs})
    notes = [
        f"{what}: {len(names)} ({', '.join(names[:3])}{', ..' if len(names) > 3 else ''})"
        for what, names in (
            ("maps without truth", [] if more else alone),
            ("images of the truth without map", bare),
        )
        if names
    ]
    if notes and not partial:
        way = "write those" if more else "--partial scores the images that have both"
        raise ValueError(f"{'; '.join(notes)}: {way}")
    kept = [p for p in pairs if p.image in truth.files or len(truth.boxes_of(p.image, p.kind))]
    if not kept:
        raise ValueError("no map is of an image with a box or a mask: there is nothing to score")
    notes = [f"left out, {note}" for note in notes]
    if empty := len(pairs) - len(kept):
        what = "are of images without a box or mask and are left out"
        notes.append(f"{empty} of {len(pairs)} maps {what}")
    place = {image: index for index, image in enumerate(truth.images)}
    return sorted(kept, key=lambda pair: (place[pair.image], pair.kind or "")), notes


def find(path: Path | str) -> dict[str, Callable[[], np.ndarray]]:
    """{name: function that reads this map} of a folder or an ``.npz``; (h, w), never unpickled.

    A name is the path in the folder without its ending, or the name in the archive, NFC and "/"
    between folders. Both this and the reading raise:

        ValueError: no map there; two files of one name; an array that is no map.
        StorageError: missing or unreadable files.
    """
    path = path_from(path, "maps")
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
    ending = file.suffix.lower()
    if ending == ".png":
        picture = read_image(file, None)
        if picture.mode not in _GREY:
            raise ValueError(
                f"{file} is a picture of mode {picture.mode}, not a map: save one value a pixel, "
                "as grey of 8 or 16 bits"
            )
        return np.asarray(picture)
    if ending == ".npz":
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
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise ValueError(
                f"{file} holds Python objects, which are never unpickled: save the map as numbers"
            ) from error
        raise StorageError(f"{file} cannot be read as a map ({error}): write it again") from error
    return _checked(array, file)


def _checked(array, file) -> np.ndarray:
    array = array if isinstance(array, np.ndarray) else as_array(array, str(file))
    if array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{file} is {array.dtype} of shape {array.shape}: a map is an array of numbers (h, w)"
        )
    return array
