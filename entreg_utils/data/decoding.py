"""Photographs from their files, and arrays of many of them, decoded once and kept on the disk.

Decoding a JPEG and resizing it costs more than a small network's forward pass. So the first use of
a split writes all its photographs, decoded and resized, into one ``.npy`` file, which later epochs
and later programs map into memory.

A photograph is read as the field's code reads it: by Pillow, converted to RGB (grey is repeated,
palettes are looked up, CMYK is converted, transparency is dropped), in the orientation in which the
file stores its pixels. An EXIF tag that asks viewers to turn the picture is *not* followed, because
boxes and masks were drawn on the stored pixels.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image
from tqdm.auto import tqdm

from entreg_utils.files import StorageError

RULE = "Pillow RGB, stored orientation, bilinear with antialiasing, squashed; 1"
_CHUNK = 128  # rows decoded between two writes: bounds the memory
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


class UnreadableImage(StorageError):
    """A file is not an image, or is cut short; ``args`` holds its path and what is wrong."""

    def __str__(self) -> str:
        return f"{self.args[0]} cannot be read as an image: delete it and fetch the data set again"


def _unreadable(path: Path, error: Exception) -> UnreadableImage:
    return UnreadableImage(f"{path} ({str(error) or type(error).__name__})")


def read_image(path: Path, mode: str | None = "RGB") -> Image.Image:
    """The whole image of a file, converted to a Pillow ``mode``; None keeps the file's own.

    Raises:
        UnreadableImage: the file is missing, truncated or no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image.convert(mode) if mode and image.mode != mode else image.copy()
    except _BROKEN as error:
        raise _unreadable(path, error) from error


def read_pixels(path: Path, side: int | None = None) -> np.ndarray:
    """A photograph as uint8 (3, H, W), or (3, side, side) with ``side`` given.

    The resize changes the aspect (the whole image is squashed into the square) and is bilinear with
    antialiasing, what ``torchvision.transforms.Resize((side, side))`` does to a Pillow image.
    """
    image = read_image(path)
    if side is not None and image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def read_sizes(paths: list[Path]) -> np.ndarray:
    """(N, 2) int64 of (width, height) in pixels, from the headers of the files.

    Raises:
        StorageError: files that cannot be read, all of them named.
    """

    def size_of(path: Path) -> tuple[int, int]:
        try:
            with Image.open(path) as image:
                return image.size
        except _BROKEN as error:
            raise _unreadable(path, error) from error

    return np.array(read_all(paths, size_of), np.int64)


def read_all(items: Sequence, read: Callable) -> list:
    """``[read(item) for item in items]`` on a pool of threads.

    Raises:
        StorageError: files that cannot be read, all of them named.
    """
    failures: list[str] = []
    chunks = [rows for _, rows in _decoded(len(items), lambda i: read(items[i]), failures)]
    _refuse(failures)
    return [row for rows in chunks for row in rows]


def array_of(
    count: int, shape: tuple[int, ...], read: Callable[[int], np.ndarray], title: str
) -> np.ndarray:
    """uint8 (count, *shape) in memory whose row ``i`` is ``read(i)``, read on a pool of threads.

    Raises:
        StorageError: rows that cannot be read, all of them named.
    """
    array, failures = np.empty((count, *shape), np.uint8), []
    with tqdm(total=count, desc=title, unit="image", leave=False) as bar:
        for start, rows in _decoded(count, read, failures):
            if not failures:
                array[start : start + len(rows)] = rows
            bar.update(min(_CHUNK, count - start))
    _refuse(failures)
    return array


def cached_array(
    path: Path,
    count: int,
    shape: tuple[int, ...],
    read: Callable[[int], np.ndarray],
    title: str,
) -> np.ndarray:
    """The array of :func:`array_of` from a file, made first when it is not there.

    The file appears in one rename when it is whole; of several processes that want it at once, one
    makes it and the others wait. Its name must say what is in it. Changes to the array that comes
    back stay in this process.

    Raises:
        StorageError: rows that cannot be read, all of them named; no room or no right to write.
    """
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, *shape), np.uint8)
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
        array = None
    if array is None or array.shape != shape or array.dtype != np.uint8:
        return None
    return array


def _write(path: Path, count: int, shape: tuple[int, ...], read, title: str) -> None:
    needed = count * int(np.prod(shape))
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise StorageError(
            f"no room for {path.name}: it takes {needed / 1e6:,.0f} MB and {path.parent} has "
            f"{free / 1e6:,.0f} MB left; free some space, take a smaller size, or name another "
            "folder with cache=FOLDER"
        )
    failures: list[str] = []
    with _whole(path) as file, tqdm(total=count, desc=title, unit="image", leave=False) as bar:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for start, rows in _decoded(count, read, failures):
            if not failures:  # after a failure only to name the others
                file.write(np.stack(rows).tobytes())
            bar.update(min(_CHUNK, count - start))
        _refuse(failures)


def _decoded(count: int, read: Callable, failures: list[str]) -> Iterator[tuple[int, list]]:
    """(first index, rows) chunk by chunk; what cannot be read is named in ``failures``."""

    def guarded(index: int):
        try:
            return read(index)
        except UnreadableImage as error:
            failures.append(error.args[0])  # list.append is atomic
            return None

    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        for start in range(0, count, _CHUNK):
            rows = list(pool.map(guarded, range(start, min(start + _CHUNK, count))))
            yield start, [row for row in rows if row is not None]


def _refuse(failures: list[str]) -> None:
    if failures:
        many = f"{len(failures)} files" if len(failures) > 1 else "a file"
        raise StorageError(
            f"{many} cannot be read as images: {', '.join(sorted(failures))}; delete them and "
            "fetch the data set again"
        )


@contextlib.contextmanager
def _whole(path: Path) -> Iterator:
    """A new file that takes the name ``path`` when the block ends, and vanishes when it fails.

    For content too large for :func:`entreg_utils.files.atomic_write`, which wants all of it in
    memory.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    done = False
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        done = True
    finally:  # also after Ctrl-C
        if not done:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
