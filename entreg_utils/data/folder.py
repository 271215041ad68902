"""A folder of one's own photographs: ``folder:PATH``.

    PATH/train/CLASS/a.jpg, PATH/val/CLASS/b.jpg, PATH/test/CLASS/c.jpg   or   PATH/CLASS/a.jpg
    PATH/labels.csv                       image,class, a line for each class of it: instead of CLASS
    PATH/boxes.csv                        image,x0,y0,x1,y1 in pixels; or COCO's boxes.json,
                                          annotations.json, instances*.json; or VOC's annotations/
    PATH/masks/train/CLASS/a.png          also PATH/train/CLASS/masks/a.png and, beside a.jpg,
                                          a_mask.png; what no score counts: a_ignore.png
    PATH/classes.txt                      value,name: which value of the masks is which class

All but the photographs is optional. What a split has no folder for is held out of the photographs
there are. Those without boxes or masks train like the others and are left out where these are
scored. Classes are the folders; a list of labels takes their place, and so does COCO or VOC beside
photographs in fewer than two folders. Where some photograph then has several classes, or none, the
labels are (N, C) as those of ``voc``, and boxes and masks belong to pairs of image and class. A
mask is non-zero on the object, or has the values of ``classes.txt``; there, and in palettes, 255 is
ignored. Pictures are turned upright as their EXIF tag says; boxes and masks are those of the
upright picture. Nothing is ever written into the folder.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from entreg_utils.data.annotations import Annotation, whole_boxes
from entreg_utils.data.decoding import read_sizes, size_of
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.data.scan import ENDINGS, find_masks, mask_reader, photographs
from entreg_utils.data.sorting import classes_of, draw, said_of
from entreg_utils.data.world import SPLITS, check_split
from entreg_utils.files import StorageError


def folder(
    path: Path | str,
    split: str,
    root=None,
    boxes: Path | str | None = None,
    masks: Path | str | None = None,
    labels: Path | str | None = None,
    hold_out: float = 0.2,
    seed: int = 0,
    **shared,
) -> PhotoDataset:
    """Load one split of a folder of photographs.

    Args:
        path: the folder; a relative one starts at ``root``, or where Python was started.
        boxes: a file or folder that ``annotations.read`` reads; default: what lies in the folder. A
            name in it is a path in the folder, or the end of one that is there only once. Of boxes
            that name a class, those of the photograph's own count.
        masks: folder of masks; default: those in the folder.
        labels: CSV of image,class; default ``labels.csv`` in the folder.
        hold_out: share of each class (of all where photographs show several), at least one, that
            goes to ``val``, and as many to ``test``, where these have no folder. ``.source`` says
            so.
        seed: of that choice, which depends on it and on the photographs' names alone.
        shared: ``size``, ``classes`` and ``cache`` of :class:`PhotoDataset`.

    Raises:
        ValueError: classes, boxes or masks that do not fit the photographs.
        StorageError: files that are missing or unreadable.
    """
    check_split(split)
    found = find(path, root, boxes, masks, labels, hold_out, seed)
    if found.several and shared.get("classes"):
        raise ValueError(f"{found.home} has a column for each class: leave classes out")
    photos, name = found.photos(split), f"folder-{found.home.resolve().name}"
    reader = found.reader if any(photo.mask_files for photo in photos) else None
    more = {"multilabel": found.several, "upright": True} | shared
    return PhotoDataset(name, split, photos, found.names, found.source, reader, **more)


def _refuse(error: Exception) -> None:
    raise error


@dataclass(frozen=True)
class Found:
    """What lies in a folder.

    Attributes:
        names: of the classes.  parts: {split: {name of a photograph: its file}}.
        labels: {photograph: indices of its classes, rising}.  several: not each has just one.
        said, masks: what is known of a photograph by its name.
    """

    home: Path
    names: list[str]
    parts: dict[str, dict[str, Path]]
    labels: dict[str, tuple[int, ...]]
    several: bool
    said: dict[str, Annotation]
    masks: dict[str, tuple[Path, ...]]
    reader: MaskReader | None
    source: str

    def photos(self, split: str, frames=None, refuse: Callable = _refuse) -> list[Photo]:
        """Those of a split with boxes in whole pixels, and with masks of their size.

        ``frames``: {name: (W, H)} where they are known; ``refuse`` gets the errors of boxes, which
        then are left out, and of masks.
        """
        part = self.parts[split]
        if frames is None:
            known = {name: part[name] for name in part if name in self.said or name in self.masks}
            sizes = read_sizes(list(known.values()), upright=True).tolist()
            frames = dict(zip(known, map(tuple, sizes), strict=True))
        photos = []
        for name, file in part.items():
            frame, boxes, masks = frames.get(name), None, self.masks.get(name, ())
            try:
                boxes = self._boxes(name, frame) if frame else None
                for mask in masks if frame else ():
                    if (size := size_of(mask, upright=True)) != frame:
                        raise ValueError(
                            f"{mask} has {size[0]}x{size[1]} pixels and its photograph {frame[0]}x"
                            f"{frame[1]}: draw the mask on the photograph as viewers show it"
                        )
            except (ValueError, StorageError) as error:
                refuse(error)
            label = self.labels[name] if self.several else self.labels[name][0]
            if boxes and self.said[name].size:  # of which the boxes are
                frame = self.said[name].size
            photos.append(Photo(file, name, label, None, boxes, frame, masks))
        return photos

    def _boxes(self, name: str, frame: tuple[int, int]) -> tuple | None:
        """Boxes of a photograph, or with several classes those of each of its classes."""
        said, label = self.said.get(name), [self.names[index] for index in self.labels[name]]
        if said is None or not said.boxes:
            return None
        kinds = said.classes or ("",) * len(said.boxes)
        kinds = [kind or label[0] if len(label) == 1 else kind for kind in kinds]
        if "" in kinds:
            raise ValueError(
                f"{said.where[kinds.index('')]}: {name} shows several classes: say in a column "
                "class whose box this is"
            )
        boxes = list(zip(whole_boxes(said, frame), kinds, strict=True))
        of = tuple(tuple(box for box, kind in boxes if kind == own) for own in label)
        return (of if self.several else of[0]) if any(of) else None


def find(
    path, root=None, boxes=None, masks=None, labels=None, hold_out=0.2, seed=0, refuse=_refuse
) -> Found:
    """What :func:`folder` loads, of all splits; same arguments and errors.

    ``refuse`` gets the ValueError of classes that are not those of training, which then are added.
    """
    home = Path(root or ".", Path(path).expanduser())
    if path == "" or not home.is_dir():
        where = home if path else repr(path)  # which would be where Python was started
        raise StorageError(f"{where} is no folder: give folder:PATH of your photographs")
    given = None if masks is None else Path(masks).expanduser()
    inside = {split: home / split for split in SPLITS if (home / split).is_dir()}
    places, parts, others = {"train": home} | inside, {}, []
    for split, place in places.items():
        without = [*inside.values()] * (place == home) + [given] * (given is not None)
        parts[split], left = photographs(place, home, [own.resolve() for own in without])
        others += left
    every = {name: file for part in parts.values() for name, file in part.items()}
    said = said_of(home, boxes, every)
    kinds = classes_of(home, labels, places, parts, said)
    _tell(others, f"photographs end in {', '.join(ENDINGS)}")
    _tell([name for name in every if name not in kinds], "nothing says their class")
    names = _names(home, parts, kinds, said, refuse)
    several = any(len(own) != 1 for own in kinds.values())
    held = [split for split in ("test", "val") if split not in inside]
    drawn = draw(
        {name: kinds[name] for name in parts["train"] if name in kinds}, held, hold_out, seed
    )
    split_of = {name: split for split in inside for name in parts[split]} | drawn
    order = sorted(kinds, key=lambda name: (kinds[name], every[name]))
    parts = {s: {n: every[n] for n in order if split_of[n] == s} for s in SPLITS}
    label_of = {n: tuple(sorted(map(names.index, own))) for n, own in kinds.items()}
    found = find_masks(home, given, every)
    reader = mask_reader(home, given, names, several) if found else None
    what, which = "all" if several else "each class", " and ".join(sorted(held, reverse=True))
    source = f"{which} held out: {hold_out:g} of {what}, seed {seed}" if held else "own folders"
    return Found(home, names, parts, label_of, several, said, found, reader, source)


def _names(home: Path, parts: dict, kinds: dict[str, tuple], said: dict, refuse) -> list[str]:
    """Classes of training, which the other splits and the boxes must know."""
    own = {
        split: {kind for name in part for kind in kinds.get(name, ())}
        for split, part in parts.items()
    }
    for split, classes in own.items():
        if strange := sorted(classes - own["train"]):
            why = f"{split} has the class {strange[0]!r}, and train has not: remove it"
            refuse(ValueError(why))
    names = sorted(set().union(*own.values()))
    if len(names) < 2:
        raise ValueError(f"{home} has {len(names)} class: give two or more folders of photographs")
    spoken = {kind for one in said.values() for kind in one.classes if kind}
    if spoken and not spoken & own["train"]:
        raise ValueError(
            f"boxes are of the class {min(spoken)!r} and photographs of {', '.join(names)}: give "
            "both the same names"
        )
    return names


def _tell(left_out: list, why: str) -> None:
    if left_out:
        many = f" and {len(left_out) - 1} more are" if len(left_out) > 1 else " is"
        warnings.warn(f"{left_out[0]}{many} left out: {why}", stacklevel=4)
