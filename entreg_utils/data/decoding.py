"""Photographs from their files, and arrays of many of them, decoded once and kept on the disk.

Decoding a JPEG and resizing it costs more than a small network's forward pass. So the first use of
a split writes all its photographs, decoded and resized, into one ``.npy`` file, which later epochs
and later programs map into memory.

A photograph is read as the field's code reads it: by Pillow, converted to RGB (grey is repeated,
palettes are looked up, CMYK is converted, transparency is dropped), in the orientation in which the
file stores its pixels. An EXIF tag that asks viewers to turn the picture is followed (``upright``)
only in folders of one's own: boxes and masks of the published sets were drawn on stored pixels.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from entreg_utils.files import StorageError

RULE = "Pillow RGB, stored orientation, bilinear with antialiasing, squashed; 1"
_CHUNK = 128  # rows decoded between two writes: bounds the memory
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap the sides


class UnreadableImage(StorageError):
    """A file is not an image, or is cut short; ``args`` holds its path and what is wrong."""

    def __str__(self) -> str:
        return f"{self.args[0]} cannot be read as an image: delete it and fetch or copy it again"


def _unreadable(path: Path, error: Exception) -> UnreadableImage:
    return UnreadableImage(f"{path} ({str(error) or type(error).__name__})")


def read_image(path: Path, mode: str | None = "RGB", upright: bool = False) -> Image.Image:
    """The whole image of a file, converted to a Pillow ``mode``; None keeps the file's own.

    Raises:
        UnreadableImage: the file is missing, truncated or no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            whole = ImageOps.exif_transpose(image) if upright else image
            return whole.convert(mode) if mode and whole.mode != mode else whole.copy()
    except _BROKEN as error:
        raise _unreadable(path, error) from error


def read_pixels(path: Path, side: int | None = None, upright: bool = False) -> np.ndarray:
    """A photograph as uint8 (3, H, W), or (3, side, side) with ``side`` given.

    The resize changes the aspect (the whole image is squashed into the square) and is bilinear with
    antialiasing, what ``torchvision.transforms.Resize((side, side))`` does to a Pillow image.
    """
    image = read_image(path, "RGB", upright)
    if side is not None and image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def read_sizes(paths: Sequence[Path], upright: bool = False) -> np.ndarray:
    """(N, 2) int64 of (width, height) in pixels, from the headers of the files.

    Raises:
        StorageError: files that cannot be read, all of them named.
    """

    def size_of(path: Path) -> tuple[int, int]:
        try:
            with Image.open(path) as image:
                turned = upright and image.getexif().get(_ORIENTATION) in _TURNED
                return image.size[::-1] if turned else image.size
        except _BROKEN as error:
            raise _unreadable(path, error) from error

    return np.array(read_all(paths, size_of), np.int64).reshape(-1, 2)


def read_all(items: Sequence, read: Callable, title: str | None = None) -> list:
    """``[read(item) for item in items]`` on a pool of threads.

    Raises:
        StorageError: files that cannot be read, all of them named.
    """
    chunks = list(_chunks(len(items), lambda index: read(items[index]), title))
    return [row for rows in chunks for row in rows]


def cached_array(
    path: Path | None, count: int, shape: tuple[int, ...], read: Callable, title: str
) -> np.ndarray:
    """uint8 (count, *shape) whose row ``i`` is ``read(i)``, from a file that is made first.

    The file appears in one rename when it is whole; of several processes that want it at once, one
    makes it and the others wait. Its name must say what is in it. Changes to the array that comes
    back stay in this process. Without a path the array is made in memory.

    Raises:
        StorageError: rows that cannot be read, all of them named; no room or no right to write.
    """
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, *shape), np.uint8)
    if path is None:
        return np.stack(read_all(range(count), read, title))
    try:
        array = _mapped(path, (count, *shape))
        if array is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                array = _mapped(path, (count, *shape))  # another process may have made it
                if array is None:
                    if path.exists():
                        warnings.warn(f"{path} is damaged: making it anew", stacklevel=3)
                    _write(path, count, shape, read, title)
                    array = _mapped(path, (count, *shape))
    except OSError as error:
        raise StorageError(
            f"cannot read or write {path}: {error.strerror or error}; make room or make the folder "
            "writable, or name another one with cache=FOLDER (cache=False keeps the images in "
            "memory only)"
        ) from error
    return array


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array of a whole file; None when there is none or it is not one of this shape."""
    if not path.exists():
        return None
    try:
        # "c": writing to a row changes a private copy, and neither the file nor other processes
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None


def _write(path: Path, count: int, shape: tuple[int, ...], read: Callable, title: str) -> None:
    needed, free = count * int(np.prod(shape)), shutil.disk_usage(path.parent).free
    if needed > free:
        raise StorageError(
            f"no room for {path.name}: it takes {needed / 1e6:,.0f} MB and {path.parent} has "
            f"{free / 1e6:,.0f} MB left; free some space, take a smaller size, or name another "
            "folder with cache=FOLDER"
        )
    part = path.with_name(f".{path.name}.part")  # one writer at a time holds the lock
    try:
        with part.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for rows in _chunks(count, read, title):
                file.write(np.stack(rows).tobytes())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:  # also after Ctrl-C
        part.unlink(missing_ok=True)


def _chunks(count: int, read: Callable, title: str | None) -> Iterator[list]:
    """``read(i)`` for 0..count-1, a list for each chunk; then one error for all unreadable files.

    After the first failure nothing more is given, only the others are looked for.
    """
    failures: list[str] = []

    def guarded(index: int):
        try:
            return read(index)
        except UnreadableImage as error:
            failures.append(error.args[0])  # list.append is atomic

    with (
        ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool,
        tqdm(total=count, desc=title, unit="image", leave=False, disable=title is None) as bar,
    ):
        for start in range(0, count, _CHUNK):
            rows = list(pool.map(guarded, range(start, min(start + _CHUNK, count))))
            if not failures:
                yield rows
            bar.update(len(rows))
    if failures:
        many = f"{len(failures)} files" if len(failures) > 1 else "a file"
        raise StorageError(
            f"{many} cannot be read as images: {', '.join(sorted(failures))}; delete them and "
            "fetch or copy them again"
        )
