"""CUB-200-2011 and OpenImages30k, and the lists that the public evaluation code has for both.

CUB: 11,788 photographs of 200 species of birds, one box each; Wah et al., "The Caltech-UCSD
Birds-200-2011 Dataset", 2011. Layout, as its archive unpacks:

    CUB_200_2011/images.txt, classes.txt, image_class_labels.txt, train_test_split.txt,
                 bounding_boxes.txt, images/001.Black_footed_Albatross/....jpg
    metadata/CUB/{train,val,test}/{image_ids,class_labels,image_sizes,localization}.txt  (optional)
    CUBV2/001.Black_footed_Albatross/30107316117.jpg and so on                            (optional)

A tree that holds some of the classes is loaded as what its ``classes.txt`` and ``images.txt`` list.

OpenImages30k: 37,319 photographs of 100 classes, with masks for validation and test; its lists
(clovaai/wsolevaluation; Choe et al., "Evaluating Weakly Supervised Object Localization Methods
Right", CVPR 2020) are its only split. Layout:

    metadata/OpenImages/{train,val,test}/{image_ids,class_labels}.txt, and localization.txt for
        val and test
    OpenImages/{train,val,test}/0bt_c3/1cd9ac0169ec7df0.jpg and, for val and test, beside it
        1cd9ac0169ec7df0_m0bt_c3_6932e993.png (an instance), 1cd9ac0169ec7df0_ignore.png

The mask of a photograph is the union of its instances. Ignored are the pixels of the ignore regions
(groups and instances without a mask) that are not object. Every file is resized by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from entreg_utils.data.decoding import read_image
from entreg_utils.data.frames import rescale_mask
from entreg_utils.data.lists import (
    check_split,
    find_folder,
    held_out,
    of_each,
    read_mapping,
    read_table,
)
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError

LISTS = ("auto", "official", "evaluation")
PUBLIC = "lists of the public evaluation code"


def cub(
    split: str, root=None, lists: str = "auto", val_per_class: int = 5, metadata=None, **shared
) -> PhotoDataset:
    """Load one split of CUB; test is the same 5,794 images under both lists.

    Args:
        lists: ``official`` takes the split of CUB itself and carves ``val`` out of its training
            part, which then is smaller by it; ``evaluation`` takes the lists of the public
            evaluation code, whose ``val`` are the 1,000 photographs of CUBV2; ``auto`` is
            ``evaluation`` where both those lists and CUBV2 are there. ``.source`` says which.
        val_per_class: validation images of a class (official only). They are chosen by their names,
            so every call chooses the same.
        metadata: folder that holds ``CUB/train`` and so on; default ``metadata`` beside or in the
            data set's folder.
    """
    check_split(split)
    if lists not in LISTS:
        raise ValueError(f"unknown lists={lists!r}: use one of {', '.join(LISTS)}")
    home = find_folder("cub", root, ["CUB_200_2011"], "images.txt")
    numbers = read_mapping(home / "classes.txt", "cub", "class number, name", int, str)
    names = [name.split(".", 1)[-1].replace("_", " ") for name in numbers.values()]
    class_of = {number: index for index, number in enumerate(numbers)}
    folder, photographs = _evaluation_folders(home, metadata)
    if lists == "evaluation" or (lists == "auto" and folder and photographs):
        source, photos = PUBLIC, _evaluation(home, split, folder, photographs, class_of)
    else:
        source = f"official split, {val_per_class} images a class for validation"
        photos = _official(home, split, class_of, val_per_class)
    return PhotoDataset("cub", split, photos, names, source, **shared)


def _official(home: Path, split: str, class_of: dict, val_per_class: int) -> list[Photo]:
    def column(name: str, columns: str, *types) -> tuple[dict, Path]:
        return read_mapping(home / name, "cub", columns, int, *types), home / name

    paths, _ = column("images.txt", "image number, path", str)
    classes, of_classes = column("image_class_labels.txt", "image number, class number", int)
    training, of_training = column("train_test_split.txt", "image number, 0 or 1", _zero_or_one)
    boxes, of_boxes = column(
        "bounding_boxes.txt", "image number, x, y, width, height", *[float] * 4
    )
    kept = {n: path for n, path in paths.items() if of_each(classes, n, of_classes) in class_of}
    photos, part = [], {}
    for number, path in kept.items():
        part[path] = "train" if of_each(training, number, of_training) else "test"
        photos.append(
            Photo(
                path=home / "images" / path,
                image_id=path,
                label=class_of[classes[number]],
                xywh=of_each(boxes, number, of_boxes),
            )
        )
    if split != "test":
        train = [photo for photo in photos if part[photo.image_id] == "train"]
        ids, labels = [p.image_id for p in train], [p.label for p in train]
        part |= dict.fromkeys(held_out(ids, labels, val_per_class), "val")
    return [photo for photo in photos if part[photo.image_id] == split]


def _evaluation(home: Path, split: str, folder, photographs, class_of: dict) -> list[Photo]:
    if folder is None:
        raise StorageError(
            f"{home.parent / 'metadata' / 'CUB' / split / 'image_ids.txt'} is not there: "
            'python -m entreg_utils data cub fetches it, or take lists="official"'
        )
    if split == "val" and photographs is None:
        raise StorageError(
            f"the photographs of CUBV2 are not in {home.parent / 'CUBV2'}: python -m entreg_utils "
            'data cub says where they come from, or take lists="official"'
        )
    listed = read_evaluation_list(folder / split, "cub", int, int, int, int)
    base = photographs if split == "val" else home / "images"
    ids = [image_id for image_id in listed.image_ids if listed.labels[image_id] + 1 in class_of]
    return [
        Photo(
            path=base / image_id,
            image_id=image_id,
            label=class_of[listed.labels[image_id] + 1],
            boxes=tuple(of_each(listed.places, image_id, folder / split / "localization.txt")),
            frame=of_each(listed.sizes, image_id, folder / split / "image_sizes.txt"),
        )
        for image_id in ids
    ]


def _evaluation_folders(home: Path, metadata) -> tuple[Path | None, Path | None]:
    """Folder of the lists and folder of the CUBV2 photographs, None for what is not there.

    Depends on no split, so that train, val and test always follow the same lists.
    """
    places = [home.parent / "metadata", home / "metadata"]
    places = places if metadata is None else [Path(metadata)]
    found = [p / "CUB" for p in places if (p / "CUB" / "val" / "image_ids.txt").exists()]
    if not found:
        return None, None
    ids = read_evaluation_list(found[0] / "val", "cub", int, int, int, int).image_ids
    for base in (home.parent / "CUBV2", home / "CUBV2", home / "images"):
        if ids and (base / ids[0]).exists():
            return found[0], base
    return found[0], None


def _zero_or_one(cell: str) -> bool:
    if cell not in ("0", "1"):
        raise ValueError(cell)
    return cell == "1"


def openimages(split: str, root=None, metadata=None, **shared) -> PhotoDataset:
    """Load one split of OpenImages30k: train (29,819, no masks), val (2,500) or test (5,000).

    Args:
        metadata: folder that holds ``OpenImages/train`` and so on; default ``metadata`` beside or
            in the data set's folder.
        shared: ``size``, ``classes`` and ``cache`` of :class:`PhotoDataset`. Names of classes are
            the identifiers of OpenImages, ``/m/0bt_c3``: the lists give no others.
    """
    check_split(split)
    home = find_folder("openimages", root, ["OpenImages"], split)
    places = [home.parent / "metadata", home / "metadata"]
    places = places if metadata is None else [Path(metadata)]
    found = [p / "OpenImages" for p in places if (p / "OpenImages" / split).is_dir()]
    folder = found[0] if found else places[0] / "OpenImages"
    listed = read_evaluation_list(folder / split, "openimages", str, str)
    photos = [
        Photo(
            path=home / image_id,
            image_id=image_id,
            label=listed.labels[image_id],
            mask_files=tuple(
                home / name for row in listed.places.get(image_id, []) for name in row if name
            ),
        )
        for image_id in listed.image_ids
    ]
    reader = MaskReader(read_instances, True, "union of instances, ignore; 1")
    masks = reader if listed.places else None
    return PhotoDataset("openimages", split, photos, _names(folder), PUBLIC, masks, **shared)


def read_instances(
    files: tuple[Path, ...], label: int, target: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Union of instance masks, and the ignore region outside it, as bool arrays (H, W).

    Args:
        files: masks of the instances; a name that ends in ``_ignore.png`` is the ignore region.
        label: unused, since a photograph has one class.
        target: (W, H); every file is brought to it by nearest neighbour first.
    """
    mask = np.zeros(target[::-1], bool)
    ignore = np.zeros(target[::-1], bool)
    for path in files:
        region = ignore if path.name.endswith("_ignore.png") else mask
        region |= rescale_mask(np.asarray(read_image(path, "L")), target)
    return mask, ignore & ~mask


def _names(folder: Path) -> list[str]:
    """Names of all classes in the order of their indices, from the folders in the lists."""
    names: dict[int, str] = {}
    for split in SPLITS:
        path = folder / split / "class_labels.txt"
        if path.exists():
            rows = read_mapping(path, "openimages", "path,class", str, int, separator=",")
            names |= {label: f"/m/{Path(image).parent.name}" for image, label in rows.items()}
    return [names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1)]


@dataclass(frozen=True)
class EvaluationList:
    """One split in the lists of the public evaluation code (clovaai/wsolevaluation).

    Attributes:
        image_ids: paths of the photographs, in the order of the list.
        labels: {image id: class index}.
        sizes: {image id: (width, height)}; empty for OpenImages.
        places: {image id: rows of ``localization.txt`` without the id}; empty when there is none.
    """

    image_ids: list[str]
    labels: dict[str, int]
    sizes: dict[str, tuple[int, int]]
    places: dict[str, list[tuple]]


def read_evaluation_list(folder: Path, name: str, *types: Callable) -> EvaluationList:
    """Read ``image_ids``, ``class_labels``, ``image_sizes`` and ``localization`` of one split.

    Args:
        folder: ``metadata/CUB/test`` and the like.
        name: of the data set.
        types: of the columns of ``localization.txt`` after the image id.

    Raises:
        StorageError, ValueError: as :func:`read_table`.
    """
    ids = [row[0] for row in read_table(folder / "image_ids.txt", name, "a path", str)]
    path = folder / "class_labels.txt"
    labels = read_mapping(path, name, "path,class", str, int, separator=",")
    for image_id in ids:
        of_each(labels, image_id, path)
    sizes, places = {}, {}
    if (folder / "image_sizes.txt").exists():
        path = folder / "image_sizes.txt"
        sizes = read_mapping(path, name, "path,width,height", str, int, int, separator=",")
    path = folder / "localization.txt"
    if path.exists():
        columns = "path," + ("x0,y0,x1,y1" if len(types) == 4 else "mask,ignore")
        for image_id, *row in read_table(path, name, columns, str, *types, separator=","):
            places.setdefault(image_id, []).append(tuple(row))
        for image_id in ids:
            of_each(places, image_id, path)
    return EvaluationList(ids, labels, sizes, places)
