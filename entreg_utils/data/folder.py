"""A folder of one's own photographs: ``folder:PATH``.

    PATH/train/CLASS/a.jpg, PATH/val/CLASS/b.jpg, PATH/test/CLASS/c.jpg   or   PATH/CLASS/a.jpg
    PATH/boxes.csv                        image,x0,y0,x1,y1 in pixels (optional)
    PATH/masks/train/CLASS/a.png          non-zero on the object; also PATH/train/CLASS/masks/a.png

What a split has no folder for is held out of the photographs there are. Photographs without boxes
or masks train like the others and are left out where those are scored. Pictures are turned upright
as their EXIF tag says, and boxes and masks are those of the upright picture.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from entreg_utils.cam.scaling import resize_mask
from entreg_utils.data.annotations import Annotation, read_of, whole_boxes
from entreg_utils.data.decoding import read_image, read_sizes
from entreg_utils.data.lists import plain, ranked
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.data.world import SPLITS, check_split
from entreg_utils.files import StorageError

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


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
    inside = {name: home / name for name in SPLITS if (home / name).is_dir()}
    pool = _classes(inside.get("train", home), home, [*inside, "masks"])
    parts = {name: _classes(inside[name], home, ["masks"]) for name in inside if name != "train"}
    names = sorted(pool)
    for name, classes in parts.items():
        if strange := sorted(set(classes) - set(names)):
            place = inside[name] / strange[0]
            raise ValueError(f"{place} is a class that training has not: remove it")
    if len(names) < 2:
        raise ValueError(f"{home} has {len(names)} class: give two or more folders of photographs")
    held = [name for name in ("test", "val") if name not in inside]
    parts = _hold_out(pool, held, hold_out, seed) | parts
    every = {name for part in parts.values() for own in part.values() for name in own}
    given = Path(boxes).expanduser() if boxes is not None else home / "boxes.csv"
    boxed = read_of(every, given) if boxes is not None or given.exists() else {}
    photos = [
        Photo(place, image_id, names.index(name), mask_files=_mask_of(place, home))
        for name, own in sorted(parts[split].items())
        for image_id, place in own.items()
    ]
    photos = _with_boxes(photos, boxed)
    reader = MaskReader(_read_mask, True, "non-zero; ignored where there is none; 1")
    masks = reader if any(photo.mask_files for photo in photos) else None
    held_names = " and ".join(sorted(held, reverse=True))
    source = f"{held_names} held out: {hold_out:g} of each class, seed {seed}"
    source, name = source if held else "own folders", f"folder-{home.resolve().name}"
    return PhotoDataset(name, split, photos, names, source, masks, upright=True, **shared)


def _classes(place: Path, home: Path, without: list[str]) -> dict[str, dict[str, Path]]:
    """{class: {name: photograph}} of a folder of class folders, in the order of the files.

    A name is the path in ``home``, in the one form that all systems share.
    """
    found, left_out = {}, []
    for own in sorted(place.iterdir()):
        if not own.is_dir() or own.name.startswith((".", "__")) or own.name in without:
            continue
        pictures = {}
        for file in sorted(own.rglob("*")):
            inner = file.relative_to(own).parts
            if not file.is_file() or any(p.startswith(".") or p == "masks" for p in inner):
                continue
            if file.suffix.lower() in ENDINGS:
                pictures[plain(file.relative_to(home).as_posix())] = file
            else:
                left_out.append(file)
        if pictures:
            found[plain(own.name)] = pictures
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


def _hold_out(pool: dict, held: list[str], share: float, seed: int) -> dict:
    """{split: {class: {name: photograph}}} of train and the splits that are held out of it."""
    if not 0 < share < 0.5:
        raise ValueError(f"hold_out={share!r}: give a share of each class between 0 and 0.5")
    parts = {name: {} for name in (*held, "train")}
    for name, own in pool.items():
        if len(own) <= len(held):
            raise ValueError(
                f"class {name!r} has {len(own)} photographs, too few to hold out "
                f"{' and '.join(held)}: add some, or make folders train, val and test"
            )
        left = ranked(own, f"{seed} ")
        count = max(1, min(round(share * len(own)), (len(own) - 1) // max(1, len(held))))
        for part in (*held, "train"):
            chosen, left = (left, []) if part == "train" else (left[:count], left[count:])
            parts[part][name] = {image: path for image, path in own.items() if image in chosen}
    return parts


def _with_boxes(photos: list[Photo], boxed: dict[str, Annotation]) -> list[Photo]:
    """The photographs with their boxes in whole pixels; those with masks are checked as well."""
    chosen = [photo for photo in photos if photo.image_id in boxed or photo.mask_files]
    sizes = read_sizes([photo.path for photo in chosen], upright=True).tolist()
    frames = {photo.image_id: tuple(size) for photo, size in zip(chosen, sizes, strict=True)}
    result = []
    for photo in photos:
        frame = frames.get(photo.image_id)
        if photo.mask_files:
            mask = read_sizes(photo.mask_files, upright=True)[0]
            if tuple(mask) != frame:
                raise ValueError(
                    f"{photo.mask_files[0]} has {mask[0]}x{mask[1]} pixels and its photograph "
                    f"{frame[0]}x{frame[1]}: draw the mask on the photograph as viewers show it"
                )
        said = boxed.get(photo.image_id)
        boxes = whole_boxes(said, frame) if said else ()
        result.append(replace(photo, boxes=boxes or None, frame=frame))
    return result


def _mask_of(image: Path, home: Path) -> tuple[Path, ...]:
    """The mask of a photograph: in the folder ``masks`` beside it, or at its path in one above."""
    for place in image.parents:
        if not place.is_relative_to(home):
            break
        below = image.relative_to(place).with_suffix("")
        for mask in (place / "masks" / f"{below}{ending}" for ending in (".png", ".PNG")):
            if mask.exists():
                return (mask,)
    return ()


def _read_mask(files: tuple[Path, ...], label: int, size) -> tuple[np.ndarray, np.ndarray]:
    """Mask, and what is ignored: of a photograph without mask every pixel, so that none counts."""
    if not files:
        return np.zeros(size, bool), np.ones(size, bool)
    return resize_mask(read_image(files[0], "L", upright=True), size), np.zeros(size, bool)
