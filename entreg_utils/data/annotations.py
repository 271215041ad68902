"""Boxes and classes of images as annotation files of the usual kinds say them.

    boxes.csv            image,x0,y0,x1,y1, also with class, width and height; "," or ";"
    instances.json       COCO: bbox [x, y, w, h] in pixels, crowds left out
    annotations/*.xml    PASCAL VOC: xmin, ymin, xmax, ymax counted from 1, their pixels included
    localization.txt     lists of the public evaluation code: image,x0,y0,x1,y1 and no header

All are brought to one convention, that of the field's CUB lists: ``x0, y0, x1, y1`` in pixels
counted from 0, and ``x1 = min(x0 + w, W - 1)``.
"""

import csv
import io
import math
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from entreg_utils.data.lists import match, plain
from entreg_utils.files import StorageError, parsed, path_from, read_bytes, text_of

BOXES, LABELS = ("image", "x0", "y0", "x1", "y1"), ("image", "class")
KINDS = (
    f"a .csv of {','.join(BOXES)}, a .json of COCO, a folder of VOC .xml, or one of localization."
    "txt as the public evaluation code has it"
)
_VOC = ("xmin", "ymin", "xmax", "ymax")


class Annotation(NamedTuple):
    """What a file says about one image.

    Attributes:
        image: name as the file has it, NFC, "/" between folders.
        boxes: x0, y0, x1, y1 in pixels: finite, x0 < x1 and y0 < y1.
        classes: of each box where the file says it; of a list without boxes, of the image; or ().
        size: (W, H) where the file says it.
        where: of each box, or class: "boxes.csv, line 3", for messages.
    """

    image: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    classes: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    where: tuple[str, ...] = ()


def read(path: Path | str, columns: Collection[str] = BOXES) -> dict[str, Annotation]:
    """{image: what is said of it} of a file or folder, whose kind shows in what it is.

    Args:
        columns: that a CSV must have; :data:`LABELS` for a list of classes without boxes.

    Raises:
        ValueError: content that is not of its kind, or a box that cannot be one, with its place.
        StorageError: a file that is missing, unreadable or no UTF-8 text.
    """
    path = path_from(path, "annotations")
    if not path.exists():
        kinds = KINDS if columns == BOXES else f"a .csv of {','.join(columns)}"
        raise StorageError(f"{path} is not there: give {kinds}")
    if path.is_dir():
        if lists := sorted(path.rglob("localization.txt")):
            return _gathered(row for file in lists for row in _evaluation(file))
        if files := sorted(path.rglob("*.[xX][mM][lL]")):
            return _gathered(row for file in files for row in _voc(file, path))
        raise ValueError(f"{path} holds no .xml and no localization.txt: give {KINDS}")
    if path.suffix.lower() == ".json":
        return _gathered(_coco(path))
    return _gathered(_evaluation(path) if path.suffix == ".txt" else _csv(path, columns))


def read_of(known: Collection[str], path: Path | str, columns=BOXES) -> dict[str, Annotation]:
    """:func:`read` by those of ``known`` that its images :func:`match`; ValueError for others."""
    said = read(path, columns)
    try:
        return {place: said[name] for name, place in match(said, known).items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def whole_boxes(found: Annotation, frame: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    """The boxes truncated to whole pixels of an image of ``found.size``, else ``frame = (W, H)``.

    A box may end at W and H, and then ends at W - 1 and H - 1. ValueError: a box outside the image
    or without a whole pixel, and a size that is not ``frame`` made larger or smaller, within a
    pixel.
    """
    width, height = found.size or frame
    if abs(width * frame[1] - height * frame[0]) > max(width, height, *frame):
        raise ValueError(
            f"{(*found.where, found.image)[0]}: {found.image} is said to have {width}x{height} "
            f"pixels and has {frame[0]}x{frame[1]}: correct the boxes and this size"
        )
    result = []
    for (x0, y0, x1, y1), where in zip(found.boxes, found.where, strict=True):
        box = tuple(map(int, (x0, y0, min(x1, width - 1), min(y1, height - 1))))
        if min(x0, y0) < 0 or x1 > width or y1 > height or box[0] >= box[2] or box[1] >= box[3]:
            raise ValueError(
                f"{where}: the box {x0:g},{y0:g},{x1:g},{y1:g} does not fit {found.image} of "
                f"{width}x{height} pixels: give 0 <= x0 < x1 <= {width}, 0 <= y0 < y1 <= {height}"
            )
        result.append(box)
    return tuple(result)


def _gathered(rows: Iterable[tuple]) -> dict[str, Annotation]:
    """Rows (image, box or None, class, size or None, where), brought together by image."""
    found: dict[str, Annotation] = {}
    for name, box, kind, size, where in rows:
        old = found.get(name := plain(name).strip(), Annotation(name))
        if not name:
            raise ValueError(f"{where}: there is no name of an image")
        if box and (box[0] >= box[2] or box[1] >= box[3]):
            text = ",".join(f"{number:g}" for number in box)
            raise ValueError(f"{where}: the box {text} has no area: give x0 < x1 and y0 < y1")
        found[name] = old._replace(boxes=(*old.boxes, *[box] * bool(box)), size=size or old.size)
        if box or kind:
            classes, places = (*old.classes, kind), (*old.where, where)
            found[name] = found[name]._replace(classes=classes, where=places)
    unnamed = [name for name, own in found.items() if not any(own.classes)]
    return found | {name: found[name]._replace(classes=()) for name in unnamed}


def _four(cells, where) -> tuple[float, ...]:
    """The numbers of a box."""
    try:
        box = tuple(map(float, cells))
    except (TypeError, ValueError):
        box = ()
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise ValueError(f"{where}: give four numbers of a box in pixels")
    return box


def _size(width, height, where: str) -> tuple[int, int] | None:
    """(W, H); None where a file leaves it out or has 0, as some tools write."""
    try:
        size = int(float(width or 0)), int(float(height or 0))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{where}: {width!r} x {height!r} is no size in pixels") from None
    return size if min(size) > 0 else None


def rows_of(path: Path, columns: Collection[str], header=None) -> Iterator[tuple[str, dict]]:
    """(its place, for messages, {column: cell}) of the lines of a CSV that has ``columns``."""
    text = text_of(read_bytes(path) or b"", path)
    first = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), header, delimiter=";" if ";" in first else ",")
    try:
        rows.fieldnames = [cell.strip().lower() for cell in rows.fieldnames or ()]
        if missing := [column for column in columns if column not in rows.fieldnames]:
            begin = f"begin it with {','.join(columns)}"
            raise ValueError(f"{path} has no column {missing[0]!r}: {begin}")
        for row in rows:
            yield f"{path}, line {rows.line_num}", row
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num} is no CSV ({error})") from error


def _csv(path: Path, columns: Collection[str], header=None) -> Iterator[tuple]:
    for where, row in rows_of(path, columns, header):
        kind = plain(row.get("class") or "").strip()
        if columns == LABELS and not kind:
            raise ValueError(f"{where}: there is no class")
        box = _four([row[side] for side in BOXES[1:]], where) if columns == BOXES else None
        size = _size(row.get("width"), row.get("height"), where)
        yield row["image"] or "", box, kind, size, where


def _evaluation(path: Path) -> Iterator[tuple]:
    yield from _csv(path, BOXES, BOXES)
    if (sizes := path.with_name("image_sizes.txt")).exists():
        yield from _csv(sizes, (), ("image", "width", "height"))


def _coco(path: Path) -> Iterator[tuple]:
    try:
        whole = parsed(text_of(read_bytes(path) or b"", path))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error})") from error
    if not isinstance(whole, dict) or not whole.get("images"):
        raise ValueError(f"{path} has no images: give COCO's images and annotations")
    where, known = path, {}
    try:
        kinds = {one["id"]: plain(one["name"]) for one in whole.get("categories", ())}
        for one in whole["images"]:
            where = f"{path}, image {one['id']}"
            if one["id"] in known:
                raise ValueError(f"{where} is there twice: keep one")
            size = _size(one.get("width"), one.get("height"), where)
            known[one["id"]] = one["file_name"], size
            yield one["file_name"], None, "", size, where
        for one in whole.get("annotations", ()):
            where = f"{path}, annotation {one.get('id')}"
            if one["image_id"] not in known or (kinds and one["category_id"] not in kinds):
                raise ValueError(f"{where}: no image, or no category, has the id that it names")
            if not one.get("iscrowd"):
                name, size = known[one["image_id"]]
                right, bottom = (side - 1 for side in size or (math.inf, math.inf))
                x, y, w, h = _four(one.get("bbox"), where)
                box = x, y, min(x + w, right), min(y + h, bottom)
                yield name, box, kinds.get(one.get("category_id"), ""), size, where
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{where}: this is not as COCO has it ({error})") from error


def _voc(path: Path, home: Path) -> Iterator[tuple]:
    try:
        tree = ElementTree.fromstring(read_bytes(path) or b"")
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"{path} is no XML ({error})") from error
    if tree.tag != "annotation":
        raise ValueError(f"{path} is no annotation of VOC: it begins with <{tree.tag}>")
    name = path.relative_to(home).with_suffix("").as_posix()  # <filename> is often an old one
    size = _size(tree.findtext("size/width"), tree.findtext("size/height"), path)
    yield name, None, "", size, path
    for number, thing in enumerate(tree.findall("object"), 1):
        where = f"{path}, object {number}"
        box = _four([thing.findtext(f"bndbox/{side}") for side in _VOC], where)
        box = tuple(number - 1 if number >= 1 else number for number in box)
        yield name, box, plain(thing.findtext("name") or "").strip(), size, where
