"""What files lie in a folder of photographs, and what each of them is: photograph or mask."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from entreg_utils.cam.scaling import resize_mask
from entreg_utils.data.annotations import rows_of
from entreg_utils.data.decoding import read_image
from entreg_utils.data.lists import match, plain
from entreg_utils.data.photos import MaskReader
from entreg_utils.files import StorageError

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MASKS, IGNORED = "masks", "_ignore"
SPOKEN = (".csv", ".json", ".txt", ".xml")  # annotations, which may lie beside the photographs
_HIDDEN, _VOID = (".", "__"), 255


def walk(place: Path, without: Iterable[Path] = ()) -> Iterator[Path]:
    """All files below a folder in the order of their names; links are followed, circles are not.

    What begins with "." or "__" is left out, and folders ``without``, as ``Path.resolve`` gives
    them. StorageError: a folder that cannot be read.
    """
    try:
        inside = sorted(place.iterdir())
    except OSError as error:
        raise StorageError(f"cannot read {place}: {error.strerror}; make it readable") from error
    without = (*without, place.resolve())
    for own in inside:
        if own.name.startswith(_HIDDEN):
            continue
        if not own.is_dir():
            yield own
        elif own.suffix.lower() in ENDINGS:
            raise ValueError(f"{own} is a folder and is named as a photograph: rename it")
        elif own.resolve() not in without:
            yield from walk(own, without)


def photographs(home: Path, without: Path | None = None) -> tuple[dict[str, Path], list[str]]:
    """{name: photograph} below ``home``, and names of the other files in its folders.

    A name is the path in ``home``, in the one form that all systems share; the folder ``without``
    is left out.
    """
    found, others = {}, []
    for file in walk(home, () if without is None else (without.resolve(),)):
        inner, ending = file.relative_to(home), file.suffix.lower()
        name = plain(inner.as_posix())
        if MASKS in inner.parts[:-1] or _kind(file):
            continue
        if ending not in ENDINGS:
            others += [name] if "/" in name and ending not in SPOKEN else []
        elif not file.is_file():
            raise ValueError(f"{file} is no file, or a link that leads nowhere: remove it")
        elif found.setdefault(name, file) != file:
            raise ValueError(f"{file} and {found[name]} have one name: rename one")
    return found, others


def empty_folders(home: Path, splits: Iterable[str]) -> list[str]:
    """Names of the folders in ``home`` and in its ``splits`` below which there is no file."""
    inside = [own for place in ("", *splits) for own in sorted((home / place).iterdir())]
    kept = (own for own in inside if own.is_dir() and not own.name.startswith(_HIDDEN))
    return [own.relative_to(home).as_posix() for own in kept if not any(walk(own))]


def find_masks(home: Path, given: Path | None, known: dict) -> dict[str, tuple[Path, ...]]:
    """{photograph: its mask, and an ignore mask where there is one}, all PNG.

    They lie in ``given``, else in folders ``masks`` and, as ``a_mask.png`` and ``a_ignore.png``,
    beside the photographs. Where no photograph is ``known``, names are those of the masks.
    ValueError: one without a photograph, and two of one.
    """
    place, found = given or home, {}
    if not place.is_dir():
        raise StorageError(f"{place} is no folder: give masks, a folder of PNG files")
    for file in walk(place):
        inner = file.relative_to(place)
        if file.suffix.lower() != ".png" or not (given or _kind(file) or MASKS in inner.parts[:-1]):
            continue
        folders = [name for name in inner.parts[:-1] if given or name != MASKS]
        own = found.setdefault(plain("/".join([*folders, file.stem.removesuffix(_kind(file))])), {})
        if (other := own.setdefault(_kind(file) == IGNORED, file)) != file:
            raise ValueError(f"{file} and {other} are masks of one photograph: keep one")
    if alone := [own[True] for own in found.values() if False not in own]:
        raise ValueError(f"{alone[0]} says what a mask ignores, and there is no mask: add it")
    try:
        owner = match(found, known or found)
    except ValueError as error:
        raise ValueError(f"{place} has a mask without a photograph: {error}") from None
    return {owner[bare]: tuple(own[key] for key in sorted(own)) for bare, own in found.items()}


def _kind(file: Path) -> str:
    ends = ("_mask", IGNORED) if file.suffix.lower() == ".png" else ()
    return next((end for end in ends if file.stem.endswith(end)), "")


def table_in(*places: Path) -> Path | None:
    """The first table ``value,name`` in one of these folders."""
    paths = (place / name for place in places for name in ("classes.txt", "classes.csv"))
    return next(filter(Path.exists, paths), None)


def reader_of(path: Path | None, names: Sequence[str]) -> MaskReader:
    """How masks are read: as values of the classes ``names`` by a table, without one as non-zero.

    ValueError: the table is none, or lacks a class.
    """
    values, known = [], []
    if path:
        table = value_table(path, names[0] if names else "cat")
        for name in names:
            if not 0 < table.get(name, 0) < _VOID:
                raise ValueError(f"{path} has no value in 1..254 of the class {name!r}: add it")
        values, known = [table[name] for name in names], sorted({0, _VOID, *table.values()})
    rule = f"non-zero, or values {values}; 255 of these and palettes ignored; all where none; 2"
    return MaskReader(partial(_read, values=values, known=known), rule)


def value_table(path: Path, example: str = "cat") -> dict[str, int]:
    """{class: its number} of a list ``value,name``, with that header or without."""
    table = {}
    for where, row in rows_of(path, (), ("value", "name")):
        if (cell := (row["value"] or "").strip().lower()) != "value":
            if not cell.isdecimal() or not row["name"]:
                raise ValueError(f"{where}: give value,name, such as 1,{example}")
            table[plain(row["name"]).strip()] = int(cell)
    return table


def _read(files: tuple[Path, ...], label: int, size, values: list, known: list) -> tuple:
    """Mask, and what is ignored; of a photograph whose mask is not there, or has a table and does
    not show the class, every pixel, so that none counts."""
    if files:
        image = read_image(files[0], None, upright=True)
        codes = np.asarray(image if values or image.mode == "P" else image.convert("L"))
        if values and (codes.ndim != 2 or not np.isin(codes, known).all()):
            raise ValueError(
                f"{files[0]} is no grey or palette image of the values "
                f"{', '.join(map(str, known))}: correct it or the table of classes"
            )
        void = (codes == _VOID) & bool(values or image.mode == "P")
        inside = codes == values[label] if values else (codes != 0) & ~void
        if not values and void.any() and not inside.any():
            raise ValueError(
                f"{files[0]} is a palette of 0 and 255, which is ignored: save it grey"
            )
    if not files or (values and not inside.any()):
        return np.zeros(size, bool), np.ones(size, bool)
    others = [resize_mask(read_image(own, "L", upright=True), size) for own in files[1:]]
    return resize_mask(inside, size), np.any([resize_mask(void, size), *others], axis=0)
