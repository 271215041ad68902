"""OpenImages30k: 37,319 photographs of 100 classes, with masks for validation and test.

Source: Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020,
whose lists (clovaai/wsolevaluation) are the only split. Layout:

    metadata/OpenImages/{train,val,test}/{image_ids,class_labels}.txt, and localization.txt for
        val and test
    OpenImages/{train,val,test}/0bt_c3/1cd9ac0169ec7df0.jpg and, for val and test, beside it
        1cd9ac0169ec7df0_m0bt_c3_6932e993.png (an instance), 1cd9ac0169ec7df0_ignore.png

The mask of a photograph is the union of its instances. Ignored are the pixels of the ignore regions
(groups and instances without a mask) that are not object. Every file is resized by itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from entreg_utils.data.decoding import read_image
from entreg_utils.data.frames import rescale_mask
from entreg_utils.data.lists import (
    check_split,
    choose_classes,
    find_folder,
    read_evaluation_list,
    read_mapping,
)
from entreg_utils.data.photo import MaskReader, Photo
from entreg_utils.data.photos import PhotoDataset
from entreg_utils.data.world import SPLITS


def openimages(
    split: str,
    root=None,
    size: int | None = None,
    classes=None,
    metadata=None,
    cache: bool | Path | str = True,
) -> PhotoDataset:
    """Load one split of OpenImages30k: train (29,819, no masks), val (2,500) or test (5,000).

    Args:
        split: ``train``, ``val`` or ``test``.
        root: folder of all data sets, or ``OpenImages`` itself; default ``data/`` of the project.
        size: side of the squares in ``images``; default 256 for train and 224 otherwise.
        classes: None for all, the first so many, or a list of names. Names are the identifiers of
            OpenImages, ``/m/0bt_c3``: the lists give no others.
        metadata: folder that holds ``OpenImages/train`` and so on; default ``metadata`` beside or
            in the data set's folder.
        cache: folder of the decoded images; True is ``data/cache`` of the project, False none.

    Raises:
        ValueError: an unknown split or class; a line of a list that does not fit.
        StorageError: files that are missing or unreadable.
    """
    check_split(split)
    home = find_folder("openimages", root, ["OpenImages"], split)
    places = [home.parent / "metadata", home / "metadata"]
    places = places if metadata is None else [Path(metadata)]
    found = [p / "OpenImages" for p in places if (p / "OpenImages" / split).is_dir()]
    folder = found[0] if found else places[0] / "OpenImages"
    listed = read_evaluation_list(folder / split, "openimages", str, str)
    names = _names(folder)
    chosen = choose_classes(classes, names)
    class_of = {index: new for new, index in enumerate(chosen)}
    photos = [
        Photo(
            path=home / image_id,
            image_id=image_id,
            label=class_of[listed.labels[image_id]],
            mask_files=_mask_files(home, listed.places.get(image_id, [])),
        )
        for image_id in listed.image_ids
        if listed.labels[image_id] in class_of
    ]
    reader = MaskReader(read_instances, True, "union of instances, ignore; 1")
    return PhotoDataset(
        "openimages",
        split,
        photos,
        [names[index] for index in chosen],
        size,
        cache,
        masks=reader if listed.places else None,
        source="lists of the public evaluation code",
    )


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


def _mask_files(home: Path, rows: list[tuple[str, str]]) -> tuple[Path, ...]:
    return tuple(home / name for row in rows for name in row if name)


def _names(folder: Path) -> list[str]:
    """Names of all classes in the order of their indices, from the folders in the lists."""
    names: dict[int, str] = {}
    for split in SPLITS:
        path = folder / split / "class_labels.txt"
        if path.exists():
            rows = read_mapping(path, "openimages", "path,class", str, int, separator=",")
            names |= {label: f"/m/{Path(image).parent.name}" for image, label in rows.items()}
    return [names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1)]
