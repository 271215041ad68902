"""Photographs from their files, and arrays of many of them, decoded once and kept on the disk.

A photograph is read as the field's code reads it: by Pillow, converted to RGB (grey is repeated,
palettes are looked up, CMYK is converted, transparency is dropped), in the orientation in which the
file stores its pixels. Only in folders of one's own (``upright``) a tag that asks viewers to turn
the picture is followed, and what is transparent shows a grey of 128, not the colour that nobody has
seen: boxes and masks of the published sets were drawn on stored pixels.

Deep files, which Pillow would cut off at 255, are brought to 8 bits: whole numbers of 16 bits are
divided by 257, fractions in 0..1 multiplied by 255. Other ranges are refused, and so are 16 bits
that hold numbers of 12 at most, which would be nearly black.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from entreg_utils.ahead import ahead
from entreg_utils.data.download import storing
from entreg_utils.files import StorageError

RULE = "Pillow RGB, stored orientation, bilinear with antialiasing, squashed; 1"
UPRIGHT = "; upright, transparent on grey 128, deep files scaled; 2"  # added for own folders
GREY = 128
_PHOTOMETRIC = ExifTags.Base.PhotometricInterpretation  # 0: white is zero
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


class UnreadableImage(StorageError):
    """Files are no images, or cut short; ``args`` are their paths, each with what is wrong."""

    def __str__(self) -> str:
        what = "an image: fetch or copy it" if len(self.args) == 1 else "images: fetch or copy them"
        return f"{', '.join(sorted(self.args))} cannot be read as {what} again, or take out"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        # by its name Pillow would map a TIFF, and then turn its rows wrongly
        with open(path, "rb") as file, Image.open(file) as image:
            yield image
    except _BROKEN as error:
        strange = isinstance(error, UnidentifiedImageError)  # whose text may hold no name
        why = "no format that Pillow reads" if strange else str(error) or type(error).__name__
        raise UnreadableImage(f"{path} ({why})") from error


def read_image(path: Path, mode: str | None = "RGB", upright: bool = False) -> Image.Image:
    """The whole image of a file, its first frame, converted to a Pillow ``mode``; None keeps the
    file's own. UnreadableImage: it is damaged, or RGB is asked for and its numbers do not say how
    bright they are."""
    with _opened(path) as image:
        if upright and getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            warnings.warn("some photographs have several frames: the first is shown", stacklevel=2)
        image.load()
        whole = ImageOps.exif_transpose(image) if upright else image
        if mode == "RGB" and whole.mode[0] in "IF":
            whole = _eight_bits(whole, inverted=getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0)
        elif mode == "RGB" and upright and whole.has_transparency_data:
            whole = whole.convert("RGBA")
            whole = Image.alpha_composite(
                Image.new("RGBA", whole.size, (GREY,) * 3 + (255,)), whole
            )
        return whole.convert(mode) if mode and whole.mode != mode else whole.copy()


def _eight_bits(image: Image.Image, inverted: bool) -> Image.Image:
    """Of a file of 16 or 32 bits; a ValueError names a range that cannot be read."""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F":
        top, right = 1.0, 0 <= low <= high <= 1  # and no NaN
    else:
        top, right = 65535, 0 <= low <= high <= 65535 and not 0 < high < 4096
    if not right:
        asked = "0..1" if image.mode == "F" else "0..65535 with a largest one above 4095"
        raise ValueError(f"numbers in {low:g}..{high:g} where {asked} can be read: save it anew")
    values = top - values.astype(float) if inverted else values
    return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))


def read_pixels(path: Path, side: int | None = None, upright: bool = False) -> np.ndarray:
    """A photograph as uint8 (3, H, W), or (3, side, side) with ``side`` given.

    The whole image is squashed into the square, bilinear with antialiasing, as by
    ``torchvision.transforms.Resize((side, side))`` on a Pillow image.
    """
    return pixels_of(read_image(path, "RGB", upright), side)


def pixels_of(image: Image.Image, side: int | None = None) -> np.ndarray:
    """An RGB image as :func:`read_pixels` gives it."""
    if side is not None and image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def size_of(path: Path, upright: bool = False, whole: bool = False) -> tuple[int, int]:
    """(width, height) in pixels, from the header of the file.

    With ``whole`` all of it is decoded too, of a JPEG at an eighth of its size, which takes half
    the time or less: UnreadableImage where :func:`read_image` would find the file cut short.
    """
    with _opened(path) as image:
        size = image.size
        turned = upright and image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        turned = turned and image.format != "TIFF"  # which Pillow turns itself
        if whole:
            image.draft(None, (1, 1))
            image.load()
            if image.mode[0] in "IF":
                _eight_bits(image, inverted=False)
        return size[::-1] if turned else size


def read_sizes(paths: Sequence[Path], upright: bool = False) -> np.ndarray:
    """(N, 2) int64 of the :func:`size_of` many files."""
    found = read_all(paths, lambda path: size_of(path, upright))
    return np.array(found, np.int64).reshape(-1, 2)


def read_all(items: Sequence, read: Callable, title: str = "", use: Callable | None = None) -> list:
    """``[read(item) for item in items]`` by threads, or ``use`` gets each result in that order.

    One UnreadableImage names all the files that cannot be read.
    """
    failures, results = [], []
    use = use or results.append

    def guarded(item):
        try:
            return read(item)
        except UnreadableImage as error:
            failures.append(error.args[0])  # list.append is atomic

    for result in ahead(guarded, items, title=title):
        if not failures:  # else only the other failures are looked for
            use(result)
    if failures:
        raise UnreadableImage(*failures)
    return results


def cached_array(
    path: Path | None, count: int, shape: tuple[int, ...], read: Callable, title: str
) -> np.ndarray:
    """uint8 (count, *shape) whose row ``i`` is ``read(i)``, from a file that is made first.

    It appears in one rename when it is whole; of several processes one makes it. Its name must say
    what is in it. Changes to the array stay here. Without a path it is in memory only.
    """
    whole = (count, *shape)
    if path is None or count == 0:  # an empty file cannot be mapped
        return np.array(read_all(range(count), read, title), np.uint8).reshape(whole)
    part = path.with_name(f".{path.name}.part")
    with (
        storing(f"use {path} (cache=FOLDER names another folder)"),
        contextlib.ExitStack() as stack,
    ):
        if _mapped(path, whole) is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(path.with_suffix(".lock")))
        if _mapped(path, whole) is None:  # no other process has made it either
            stack.callback(part.unlink, missing_ok=True)  # also after Ctrl-C
            with part.open("wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": whole}
                np.lib.format.write_array_header_1_0(file, header)
                read_all(range(count), read, title, lambda row: file.write(row.tobytes()))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        return _mapped(path, whole)


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array of a whole file; None when there is none or it is not one of this shape."""
    try:
        array = np.load(path, mmap_mode="c")  # "c": writing to a row changes a private copy
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None
