"""A folder of one's own photographs: ``folder:PATH``.

    PATH/train/CLASS/a.jpg, PATH/val/CLASS/b.jpg, PATH/test/CLASS/c.jpg   or   PATH/CLASS/a.jpg
    PATH/boxes.csv                        image,x0,y0,x1,y1 in pixels (optional)
    PATH/masks/train/CLASS/a.png          non-zero on the object; also PATH/train/CLASS/masks/a.png

What a split has no folder for is held out of the photographs there are. Photographs without boxes
or masks train like the others and are left out where those are scored. Pictures are turned upright
as their EXIF tag says, and boxes and masks are those of the upright picture.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import unicodedata
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from entreg_utils.data.decoding import read_image, read_sizes
from entreg_utils.data.frames import rescale_mask
from entreg_utils.data.lists import check_split
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.files import StorageError, read_bytes

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
COLUMNS = ("image", "x0", "y0", "x1", "y1")


def folder(
    path: Path | str,
    split: str,
    root=None,
    boxes: Path | str | None = None,
    hold_out: float = 0.2,
    seed: int = 0,
    **shared,
) -> PhotoDataset:
    """Load one split of a folder of photographs in class folders.

    Args:
        path: the folder; a relative one starts at ``root``, or where Python was started.
        boxes: the CSV of boxes; default ``boxes.csv`` in the folder, where there is one. A name in
            its column ``image`` is a path in the folder, or a file name that is there only once.
        hold_out: share of each class, at least one photograph, that goes to ``val``, and as many to
            ``test``, where these have no folder. ``.source`` says so.
        seed: of that choice, which depends on it and on the photographs' names alone.
        shared: ``size``, ``classes`` and ``cache`` of :class:`PhotoDataset`.

    Raises:
        ValueError: classes, boxes or masks that do not fit the photographs.
        StorageError: files that are missing or unreadable.
    """
    check_split(split)
    home = Path(root or ".", Path(path).expanduser())
    if not home.is_dir():
        raise StorageError(f"{home} is no folder: give folder:PATH of your photographs")
    inside = {name: home / name for name in ("train", "val", "test") if (home / name).is_dir()}
    pool = _classes(inside.get("train", home), home, [*inside, "masks"])
    parts = {name: _classes(inside[name], home, ["masks"]) for name in inside if name != "train"}
    names = sorted(pool)
    for name, classes in parts.items():
        if strange := sorted(set(classes) - set(names)):
            raise ValueError(
                f"{inside[name] / strange[0]} is a class that training has not: remove it"
            )
    if len(names) < 2:
        raise ValueError(f"{home} has {len(names)} class: give two or more folders of photographs")
    held = [name for name in ("test", "val") if name not in inside]
    parts = _hold_out(pool, held, hold_out, seed, home) | parts
    every = {_name(p, home) for part in parts.values() for own in part.values() for p in own}
    given = Path(boxes).expanduser() if boxes is not None else home / "boxes.csv"
    boxed = read_boxes(given, every) if boxes is not None or given.exists() else {}
    photos = [
        Photo(
            path=place,
            image_id=_name(place, home),
            label=names.index(name),
            mask_files=_mask_of(place, home),
        )
        for name, own in sorted(parts[split].items())
        for place in own
    ]
    photos = _with_boxes(photos, boxed, given)
    masked = any(photo.mask_files for photo in photos)
    reader = MaskReader(_read_mask, True, "non-zero; ignored where there is none; 1")
    source = "own folders"
    if held:
        names_held = " and ".join(sorted(held, reverse=True))
        source = f"{names_held} held out: {hold_out:g} of each class, seed {seed}"
    return PhotoDataset(
        f"folder-{home.resolve().name}",
        split,
        photos,
        names,
        source,
        reader if masked else None,
        upright=True,
        **shared,
    )


def _classes(place: Path, home: Path, without: list[str]) -> dict[str, list[Path]]:
    """{class: its photographs} of a folder of class folders, in the order of their names."""
    found, left_out = {}, []
    for own in sorted(place.iterdir()):
        if not own.is_dir() or own.name.startswith((".", "__")) or own.name in without:
            continue
        files = [
            file
            for file in sorted(own.rglob("*"))
            if file.is_file()
            and not any(p.startswith(".") or p == "masks" for p in file.relative_to(own).parts)
        ]
        pictures = [file for file in files if file.suffix.lower() in ENDINGS]
        left_out += [file for file in files if file not in pictures]
        if pictures:
            found[unicodedata.normalize("NFC", own.name)] = pictures
    if left_out:
        warnings.warn(
            f"{left_out[0]} and {len(left_out) - 1} more files are left out: photographs end in "
            f"{', '.join(ENDINGS)}",
            stacklevel=4,
        )
    if not found:
        raise ValueError(
            f"{place} has no class folders with photographs: put them in {place}/CLASS/"
        )
    return found


def _hold_out(pool: dict, held: list[str], share: float, seed: int, home: Path) -> dict:
    """{split: {class: photographs}} of train and the splits that are held out of it."""
    if not 0 < share < 0.5:
        raise ValueError(f"hold_out={share!r}: give a share of each class between 0 and 0.5")
    parts = {name: {} for name in (*held, "train")}
    for name, own in pool.items():
        if len(own) <= len(held):
            raise ValueError(
                f"class {name!r} has {len(own)} photographs, too few to hold out "
                f"{' and '.join(held)}: add some, or make folders train, val and test"
            )
        ranked = sorted(
            own, key=lambda p: hashlib.sha256(f"{seed} {_name(p, home)}".encode()).digest()
        )
        count = max(1, min(round(share * len(own)), (len(own) - 1) // max(1, len(held))))
        for split in held:
            parts[split][name], ranked = sorted(ranked[:count]), ranked[count:]
        parts["train"][name] = sorted(ranked)
    return parts


def _name(path: Path, home: Path) -> str:
    """A photograph's name: its path in the folder, in the one form that all systems share."""
    return unicodedata.normalize("NFC", path.relative_to(home).as_posix())


def read_boxes(path: Path, images: set[str]) -> dict[str, list[tuple[int, list[float]]]]:
    """{name of a photograph: [(line of the file, [x0, y0, x1, y1])]} of a CSV file.

    Args:
        images: names of all photographs that it may speak of.

    Raises:
        ValueError: a line that does not fit, a photograph that is not there or not the only one.
        StorageError: the file is not there, or no text.
    """
    content = read_bytes(path)
    if content is None:
        raise StorageError(f"{path} is not there: give boxes, a CSV of {','.join(COLUMNS)}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is no UTF-8 text: save it as CSV UTF-8") from error
    first = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in first else ",")
    rows.fieldnames = [cell.strip().lower() for cell in rows.fieldnames or ()]
    if missing := [column for column in COLUMNS if column not in rows.fieldnames]:
        raise ValueError(f"{path} has no column {missing[0]!r}: begin it with {','.join(COLUMNS)}")
    files: dict[str, list[str]] = {}
    for name in images:
        files.setdefault(name.rpartition("/")[2], []).append(name)
    found: dict[str, list] = {}
    for row in rows:
        line = f"{path}, line {rows.line_num}"
        given = unicodedata.normalize("NFC", (row["image"] or "").strip().replace("\\", "/"))
        names = [given] if given in images else files.get(given, [])
        if len(names) != 1:
            raise ValueError(
                f"{line}: {'several photographs are' if names else 'no photograph is'} named "
                f"{given!r}: give its path in the folder, such as {min(images)}"
            )
        try:
            box = [float(row[column]) for column in COLUMNS[1:]]
        except (TypeError, ValueError):
            box = [math.nan]
        if not all(map(math.isfinite, box)):
            raise ValueError(f"{line}: give four numbers x0,y0,x1,y1 in pixels")
        found.setdefault(names[0], []).append((rows.line_num, box))
    return found


def _with_boxes(photos: list[Photo], boxed: dict, path: Path) -> list[Photo]:
    """The photographs with their boxes in whole pixels; those with masks are checked as well."""
    chosen = [photo for photo in photos if photo.image_id in boxed or photo.mask_files]
    sizes = read_sizes([photo.path for photo in chosen], upright=True).tolist()
    frames = {photo.image_id: tuple(size) for photo, size in zip(chosen, sizes, strict=True)}
    for photo in chosen:
        if photo.mask_files:
            mask, frame = read_sizes(photo.mask_files, upright=True)[0], frames[photo.image_id]
            if tuple(mask) != frame:
                raise ValueError(
                    f"{photo.mask_files[0]} has {mask[0]}x{mask[1]} pixels and its photograph "
                    f"{frame[0]}x{frame[1]}: draw the mask on the photograph as viewers show it"
                )
    result = []
    for photo in photos:
        own, frame = [], frames.get(photo.image_id)
        for line, (x0, y0, x1, y1) in boxed.get(photo.image_id, ()):
            width, height = frame
            box = tuple(map(int, (x0, y0, min(x1, width - 1), min(y1, height - 1))))
            if min(x0, y0) < 0 or x1 > width or y1 > height or box[0] >= box[2] or box[1] >= box[3]:
                raise ValueError(
                    f"{path}, line {line}: the box {x0:g},{y0:g},{x1:g},{y1:g} does not fit "
                    f"{photo.image_id} of {width}x{height} pixels: give 0 <= x0 < x1 <= {width}, "
                    f"0 <= y0 < y1 <= {height}"
                )
            own.append(box)
        result.append(replace(photo, boxes=tuple(own) or None, frame=frame))
    return result


def _mask_of(image: Path, home: Path) -> tuple[Path, ...]:
    """The mask of a photograph: in the folder ``masks`` beside it, or at its path in one above."""
    for place in (image.parent, *image.parent.parents):
        if not place.is_relative_to(home):
            break
        below = image.relative_to(place).with_suffix("")
        for mask in (place / "masks" / f"{below}{ending}" for ending in (".png", ".PNG")):
            if mask.exists():
                return (mask,)
    return ()


def _read_mask(files: tuple[Path, ...], label: int, target: tuple[int, int]):
    """Mask, and what is ignored: of a photograph without mask every pixel, so that none counts."""
    if not files:
        return np.zeros(target[::-1], bool), np.ones(target[::-1], bool)
    mask = np.asarray(read_image(files[0], "L", upright=True))
    return rescale_mask(mask, target), np.zeros(target[::-1], bool)
