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

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from entreg_utils.data import scan
from entreg_utils.data.annotations import LABELS, Annotation, read_of, whole_boxes
from entreg_utils.data.decoding import read_all, size_of
from entreg_utils.data.lists import ranked, some
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.data.world import SPLITS, check_split
from entreg_utils.fields import plain_numbers
from entreg_utils.files import StorageError, expand, path_from

_LISTS = ("[aA]nnotations/instances*.json", "instances*.json")
_SPEAKING = ("annotations.json", "boxes.csv", "boxes.json", "[aA]nnotations", *_LISTS)


@plain_numbers
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
        boxes, masks, labels: in place of those in the folder: a file or folder that
            ``annotations.read`` reads, a folder, a CSV of image,class. A name in them is a path in
            the folder, or the end of one that is there only once.
        hold_out: share of each class (of all where photographs show several), at least one, that
            goes to each of ``val`` and ``test`` that has no folder, as ``.source`` says.
        seed: of that choice, which depends on it and on the photographs' names alone.
        shared: ``size``, ``classes`` and ``cache`` of :class:`PhotoDataset`.

    Raises:
        ValueError: classes, boxes or masks that do not fit the photographs.
        StorageError: files that are missing or unreadable.
    """
    check_split(split)
    found = find(path, root, boxes, masks, labels, hold_out, seed)
    if found.strange:
        raise ValueError(f"train has no class {found.strange[0]!r}, and val or test has: remove it")
    if found.several and shared.get("classes"):
        raise ValueError(f"{found.home} has a column for each class: leave classes out")
    photos = read_all(list(found.parts[split].items()), lambda item: found.photo(*item))
    name, reader = f"folder-{found.home.resolve().name}", found.reader
    what = name, split, photos, found.names, found.source, reader, found.several
    return PhotoDataset(*what, upright=True, **shared)


@dataclass(frozen=True)
class Found:
    """What lies in a folder.

    Attributes:
        names: of the classes.  strange: those that no photograph of training shows.
        parts: {split: {name of a photograph: its file}}.
        labels: {photograph: indices of its classes, rising}.  several: not each has just one.
        said, masks: what is known of a photograph by its name.
    """

    home: Path
    names: list[str]
    strange: list[str]
    parts: dict[str, dict[str, Path]]
    labels: dict[str, tuple[int, ...]]
    several: bool
    said: dict[str, Annotation]
    masks: dict[str, tuple[Path, ...]]
    reader: MaskReader | None
    source: str

    def photo(self, name: str, file: Path) -> Photo:
        """A photograph with its boxes in whole pixels, and with masks of its size.

        ValueError: they do not fit it.
        """
        label, said, masks = self.labels[name], self.said.get(name), self.masks.get(name, ())
        frame = size_of(file, upright=True) if said or masks else None
        boxes = self._boxes(said, name, frame) if said and said.boxes else None
        for mask in masks:
            if (size := size_of(mask, upright=True)) != frame:
                raise ValueError(
                    f"{mask} has {size[0]}x{size[1]} pixels and its photograph {frame[0]}x"
                    f"{frame[1]}: draw the mask on the photograph as viewers show it"
                )
        frame = said.size or frame if boxes else frame  # of which the boxes are
        return Photo(file, name, label if self.several else label[0], boxes, frame, masks)

    def _boxes(self, said: Annotation, name: str, frame: tuple[int, int]) -> tuple | None:
        """Boxes of a photograph, or with several classes those of each of its classes."""
        label = [self.names[index] for index in self.labels[name]]
        usual = label[0] if len(label) == 1 else ""
        kinds = [kind or usual for kind in said.classes or ("",) * len(said.boxes)]
        if "" in kinds:
            raise ValueError(
                f"{said.where[kinds.index('')]}: {name} shows several classes: say in a column "
                "class whose box this is"
            )
        boxes = list(zip(whole_boxes(said, frame), kinds, strict=True))
        of = tuple(tuple(box for box, kind in boxes if kind == own) for own in label)
        return (of if self.several else of[0]) if any(of) else None


def find(path, root=None, boxes=None, masks=None, labels=None, hold_out=0.2, seed=0) -> Found:
    """What :func:`folder` loads, of all splits; same arguments and errors."""
    home = expand(root or ".") / path_from(path, "folder")
    if not path or not home.is_dir():
        raise StorageError(f"{home} is no folder: give folder:PATH of your photographs")
    given = None if masks is None else expand(masks)
    every, others = scan.photographs(home, given)
    inside = [split for split in SPLITS if (home / split).is_dir()]
    placed = {name: place for name in every if (place := _place(name, inside))[0]}
    every = {name: every[name] for name in placed}
    others = [name for name in others if _place(name, inside)[0]]
    _tell(others, f"photographs end in {', '.join(scan.ENDINGS)}")
    _tell(scan.empty_folders(home, inside), "nothing lies there")
    said = _said(home, boxes, every)
    kinds = _classes(home, labels, placed, said)
    _tell([name for name in every if name not in kinds], "nothing says their class")
    names = sorted({kind for own in kinds.values() for kind in own})
    if len(names) < 2:
        raise ValueError(f"{home} has {len(names)} class: give two or more folders of photographs")
    spoken = {kind for one in said.values() for kind in one.classes} - {""}
    if spoken and not spoken & set(names):
        raise ValueError(
            f"boxes are of the class {min(spoken)!r} and photographs of {', '.join(names)}: give "
            "both the same names"
        )
    training = {name: own for name, own in kinds.items() if placed[name][0] == "train"}
    strange = sorted({*names}.difference(*training.values()))
    several = any(len(own) != 1 for own in kinds.values())
    held = [split for split in ("test", "val") if split not in inside]
    drawn = _draw(training, held, hold_out, seed)
    order = sorted(kinds, key=lambda name: (kinds[name], every[name]))
    parts = {s: {n: every[n] for n in order if drawn.get(n, placed[n][0]) == s} for s in SPLITS}
    label_of = {n: tuple(sorted(map(names.index, own))) for n, own in kinds.items()}
    found = scan.find_masks(home, given, every)
    table = scan.table_in(given or home / scan.MASKS, home)
    if found and several and table is None:
        raise ValueError(
            f"{home} has masks and photographs of several classes: say in {home / 'classes.txt'} "
            "which value of the masks is which class, value,name"
        )
    reader = scan.reader_of(table, names) if found else None
    what, which = "all" if several else "each class", " and ".join(sorted(held, reverse=True))
    source = f"{which} held out: {hold_out:g} of {what}, seed {seed}" if held else "own folders"
    return Found(home, names, strange, parts, label_of, several, said, found, reader, source)


def _place(name: str, inside: Collection[str]) -> tuple[str, str]:
    """(split, class) that the folders in a name say; "" for none."""
    first, second = (*name.split("/")[:-1], "", "")[:2]
    return (first, second) if first in inside else ("" if "train" in inside else "train", first)


def _said(home: Path, boxes: Path | str | None, known: Collection[str]) -> dict[str, Annotation]:
    """{photograph: its annotation} of ``boxes``, or of the files of the usual names in ``home``."""
    files = [boxes]
    if boxes is None:
        files = [own for pattern in _SPEAKING for own in sorted(home.glob(pattern))]
        files = [own for own in files if own.is_file() or any(own.rglob("*.[xX][mM][lL]"))]
    said: dict[str, Annotation] = {}
    for file in files:
        own = read_of(known, file)
        if twice := sorted(set(own) & set(said)):
            raise ValueError(f"{file} and {files[0]} speak of {twice[0]}: name one with boxes")
        said |= own
    return said


def _classes(home: Path, labels, placed: dict[str, tuple[str, str]], said: dict) -> dict:
    """{photograph: names of its classes} where a list, folders, or annotations say any."""
    trained = {kind for split, kind in placed.values() if split == "train" and kind}
    if labels is not None or (home / "labels.csv").exists():
        said = read_of(placed, home / "labels.csv" if labels is None else labels, LABELS)
    elif len(trained) > 1 or not any(own.classes for own in said.values()):
        if not trained:
            raise ValueError(
                f"{home} has no class folders with photographs: put them in CLASS/ or train/CLASS/ "
                "there, or say their classes in labels.csv"
            )
        return {name: (kind,) for name, (_, kind) in placed.items() if kind}
    return {name: tuple(sorted(set(own.classes) - {""})) for name, own in said.items()}


def _draw(kinds: dict[str, tuple], held: list[str], share: float, seed: int) -> dict[str, str]:
    """{photograph: its split} of those of training, of which ``held`` are held out.

    ``kinds`` are the classes: a share of each, and of all where some photograph has not just one.
    """
    if not 0 < share < 0.5:
        raise ValueError(f"hold_out={share!r}: give a share of each class between 0 and 0.5")
    groups: dict[tuple, list[str]] = {}
    alike = all(len(own) == 1 for own in kinds.values())
    for name, own in kinds.items():
        groups.setdefault(own if alike else (), []).append(name)
    found = dict.fromkeys(kinds, "train")
    for kind, own in groups.items():
        if len(own) <= len(held):
            few = f"{len(own)} photograph{'s' * (len(own) != 1)}"
            raise ValueError(
                f"{f'class {kind[0]!r}' if kind else 'the folder'} has {few}, too few to hold out "
                f"{' and '.join(held)}: add some, or make folders train, val and test"
            )
        order = ranked(own, f"{seed} ")
        count = max(1, min(round(share * len(own)), (len(own) - 1) // max(1, len(held))))
        for index, part in enumerate(held):
            found |= dict.fromkeys(order[index * count : (index + 1) * count], part)
    return found


def _tell(left_out: list[str], why: str) -> None:
    if left_out:
        warnings.warn(f"{some(left_out)} left out: {why}", stacklevel=5)
