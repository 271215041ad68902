"""CUB-200-2011 and OpenImages30k, and the lists that the public evaluation code has for both.

CUB: 11,788 photographs of 200 species of birds, one box each; Wah et al., "The Caltech-UCSD
Birds-200-2011 Dataset", 2011. A tree that holds some of the classes is loaded as what its lists
say. OpenImages30k: 37,319 photographs of 100 classes, with masks for validation and test; its lists
(clovaai/wsolevaluation; Choe et al., "Evaluating Weakly Supervised Object Localization Methods
Right", CVPR 2020) are its only split. ``data/README.md`` says how both lie; beside a photograph
0bt_c3/1cd9ac0169ec7df0.jpg of OpenImages lie 1cd9ac0169ec7df0_m0bt_c3_6932e993.png, an instance,
and 1cd9ac0169ec7df0_ignore.png.
"""

from pathlib import Path

import numpy as np

from entreg_utils.cam.scaling import resize_mask
from entreg_utils.data.decoding import read_image
from entreg_utils.data.lists import Column, find_folder, held_out
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.fields import known, plain_numbers
from entreg_utils.files import StorageError

LISTS = ("official", "evaluation")
PUBLIC = "lists of the public evaluation code"
_BINARY = {"0": 0, "1": 1}.__getitem__


@plain_numbers
def cub(
    split: str, root=None, lists: str = "official", val_per_class: int = 5, **shared
) -> PhotoDataset:
    """Load one split of CUB; test is the same 5,794 images under both lists.

    Args:
        lists: ``official`` takes the split of CUB itself and carves ``val`` out of its training
            part, which then is smaller by it; ``evaluation`` takes the lists of the public
            evaluation code, whose ``val`` are the 1,000 photographs of CUBV2.
        val_per_class: validation images of a class (official only). They are chosen by their names,
            so every call chooses the same.
    """
    home = find_folder("cub", split, root, ["CUB_200_2011"], "images.txt")
    numbers = Column(home / "classes.txt", "cub", "class number, name", int, str)
    names = [name.split(".", 1)[-1].replace("_", " ") for name in numbers.values()]
    class_of = {number: index for index, number in enumerate(numbers)}
    if known("lists", lists, LISTS) == "official":
        source = f"official split, {val_per_class} images a class for validation"
        photos = _official(home, split, class_of, val_per_class)
        return PhotoDataset("cub", split, photos, names, source, **shared)
    base = home / "images"
    if split == "val":
        base = home / "CUBV2" if (home / "CUBV2").is_dir() else home.parent / "CUBV2"
        if not base.is_dir():
            raise StorageError(
                f"the photographs of CUBV2 are not in {base}: python -m entreg_utils data cub says "
                'where they come from, or take lists="official" (--lists official)'
            )
    rows = read_evaluation_list(_lists_of("CUB", home) / split, "cub")
    photos = [
        Photo(base / image_id, image_id, class_of[label + 1], tuple(boxes), frame)
        for image_id, label, frame, boxes in rows
        if label + 1 in class_of
    ]
    return PhotoDataset("cub", split, photos, names, PUBLIC, **shared)


def _official(home: Path, split: str, class_of: dict, val_per_class: int) -> list[Photo]:
    def column(name: str, what: str, *types) -> Column:
        return Column(home / f"{name}.txt", "cub", f"image number, {what}", int, *types)

    classes = column("image_class_labels", "class number", int)
    training = column("train_test_split", "0 or 1", _BINARY)
    boxes = column("bounding_boxes", "x, y, width, height", *[float] * 4)
    rows = [
        (path, class_of[classes[number]], training[number], boxes[number])
        for number, path in column("images", "path", str).items()
        if classes[number] in class_of
    ]
    val = set()
    if split != "test":
        val = held_out({path: label for path, label, train, _ in rows if train}, val_per_class)
    return [
        Photo(home / "images" / path, path, label, ((x, y, x + w, y + h),))
        for path, label, train, (x, y, w, h) in rows
        if split == (("val" if path in val else "train") if train else "test")
    ]


def openimages(split: str, root=None, **shared) -> PhotoDataset:
    """Load one split of OpenImages30k: train (29,819, no masks), val (2,500) or test (5,000).

    Names of classes are the identifiers of OpenImages, ``/m/0bt_c3``: the lists give no others.
    """
    home = find_folder("openimages", split, root, ["OpenImages"], split)
    folder = _lists_of("OpenImages", home)
    photos = []
    for image_id, label, _, rows in read_evaluation_list(folder / split, "openimages"):
        masks = tuple(home / name for row in rows for name in row if name)
        photos.append(Photo(home / image_id, image_id, label, mask_files=masks))
    names: dict[int, str] = {}  # from the folders in the lists of all splits
    for path in folder.glob("*/class_labels.txt"):
        label_of = Column(path, "openimages", "path,class", str, int, separator=",")
        names |= {label: f"/m/{Path(i).parent.name}" for i, label in label_of.items()}
    every = [names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1)]
    masks = MaskReader(read_instances, "union of instances, ignore; 1")
    return PhotoDataset("openimages", split, photos, every, PUBLIC, masks, **shared)


def read_instances(files: tuple[Path, ...], label: int, size) -> tuple[np.ndarray, np.ndarray]:
    """Union of instance masks, and outside it the ignore region, each file resized by itself.

    ``_ignore.png`` marks groups and instances without a mask; bool (H, W), nearest neighbour.
    """
    mask, ignore = np.zeros((2, *size), bool)
    for path in files:
        region = ignore if path.name.endswith("_ignore.png") else mask
        region |= resize_mask(read_image(path, "L"), size)
    return mask, ignore & ~mask


def _lists_of(name: str, home: Path) -> Path:
    """Folder of the evaluation code's lists of a data set, beside it or in it."""
    beside, inside = (place / "metadata" / name for place in (home.parent, home))
    return inside if inside.is_dir() else beside


def read_evaluation_list(folder: Path, name: str) -> list[tuple]:
    """One split (``metadata/CUB/test``) in the lists of the public evaluation code, in their order.

    Rows (image id, label, size (W, H), its rows of ``localization.txt``): of CUB boxes, of
    OpenImages, whose size is None, pairs of mask and ignore.
    """

    def column(file: str, columns: str, *types, several: bool = False) -> Column:
        path, columns = folder / f"{file}.txt", f"path,{columns}"
        return Column(path, name, columns, str, *types, separator=",", several=several)

    ids = Column(folder / "image_ids.txt", name, "one image", str)
    labels = column("class_labels", "class", int)
    sizes, places = dict.fromkeys(ids), dict.fromkeys(ids, ())
    if name == "cub":
        sizes = column("image_sizes", "width,height", int, int)
        places = column("localization", "x0,y0,x1,y1", *[int] * 4, several=True)
    elif (folder / "localization.txt").exists():  # not of training
        places = column("localization", "mask,ignore", str, str, several=True)
    return [(i, labels[i], sizes[i], places[i]) for i in ids]
