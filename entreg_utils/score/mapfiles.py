"""Score maps as files, found first and read one at a time.

maps/a/1.npy     one map (h, w) of any number type; the public evaluation code's layout
maps/a/1.npz     the same, alone in its archive        maps/a/1.png   grey, of 8 or 16 bits
maps.npz         many maps, each under the name of its image: "a/1" (or "a/1.jpg")
"""

from __future__ import annotations

import functools
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from entreg_utils.data.decoding import read_image
from entreg_utils.data.lists import plain
from entreg_utils.files import StorageError

ENDINGS = (".npy", ".npz", ".png")
_GREY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")  # Pillow's modes of one value a pixel
_BROKEN = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def find(path: Path | str) -> dict[str, Callable[[], np.ndarray]]:
    """{name: function that reads this map} of a folder or an ``.npz``; (h, w), never unpickled.

    A name is the path in the folder without its ending, or the name in the archive, NFC and "/"
    between folders. Both this and the reading raise:

        ValueError: no map there; two files of one name; an array that is no map.
        StorageError: missing or unreadable files.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        files = [f for f in sorted(path.rglob("*")) if f.suffix.lower() in ENDINGS and f.is_file()]
        inner = [(file.relative_to(path).with_suffix("").as_posix(), file) for file in files]
        found = [(n, file, functools.partial(_read, file)) for n, file in inner if n[0] != "."]
    elif path.suffix.lower() == ".npz":
        archive, names = _archive(path)
        found = [(n, f"{path}: {n}", functools.partial(_member, archive, path, n)) for n in names]
    else:
        raise StorageError(f"{path} is no folder of maps and no .npz of them: give one that is")
    if not found:
        raise ValueError(f"{path} holds no maps: put {', '.join(ENDINGS)} files there")
    readers, places = {}, {}
    for name, place, read in found:
        if (name := plain(name)) in places:
            raise ValueError(f"{places[name]} and {place} are both maps of {name}: keep one")
        places[name], readers[name] = place, read
    return readers


def _archive(path: Path) -> tuple[zipfile.ZipFile, list[str]]:
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise StorageError(f"{path} cannot be read as .npz ({error}): write it again") from error
    return archive, [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> np.ndarray:
    where = f"{path}: {name}"

    def load() -> np.ndarray:
        with archive.open(f"{name}.npy") as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    return _checked(load, where)


def _read(file: Path) -> np.ndarray:
    if file.suffix.lower() == ".npz":
        archive, names = _archive(file)
        with archive:
            if len(names) != 1:
                raise ValueError(
                    f"{file} holds {len(names)} arrays ({', '.join(names[:3])}): give one map a "
                    "file, or the archive itself with maps named as their images"
                )
            return _member(archive, file, names[0])
    if file.suffix.lower() == ".npy":
        return _checked(lambda: np.load(file, allow_pickle=False), str(file))
    picture = read_image(file, None)
    if picture.mode not in _GREY:
        raise ValueError(
            f"{file} is a picture of mode {picture.mode}, not a map: save one value a pixel, as "
            "grey of 8 or 16 bits"
        )
    return _checked(lambda: np.asarray(picture), str(file))


def _checked(load: Callable[[], np.ndarray], where: str) -> np.ndarray:
    try:
        array = load()
    except _BROKEN as error:
        if "allow_pickle" in str(error):
            raise ValueError(
                f"{where} holds Python objects, which are never unpickled: save the map as numbers"
            ) from error
        raise StorageError(f"{where} cannot be read as a map ({error}): write it again") from error
    if array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{where} is {array.dtype} of shape {array.shape}: a map is an array of numbers (h, w)"
        )
    return array
