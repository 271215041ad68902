"""CUB-200-2011: 11,788 photographs of 200 species of birds, one box each.

Source: Wah et al., "The Caltech-UCSD Birds-200-2011 Dataset", 2011. Layout, as its archive unpacks:

    CUB_200_2011/images.txt, classes.txt, image_class_labels.txt, train_test_split.txt,
                 bounding_boxes.txt, images/001.Black_footed_Albatross/....jpg
    metadata/CUB/{train,val,test}/{image_ids,class_labels,image_sizes,localization}.txt  (optional)
    CUBV2/001.Black_footed_Albatross/30107316117.jpg and so on                            (optional)

A tree that holds some of the classes is loaded as what its ``classes.txt`` and ``images.txt`` list.
"""

from __future__ import annotations

from pathlib import Path

from entreg_utils.data.lists import (
    check_split,
    choose_classes,
    find_folder,
    held_out,
    of_each,
    read_evaluation_list,
    read_mapping,
)
from entreg_utils.data.photo import Photo
from entreg_utils.data.photos import PhotoDataset
from entreg_utils.files import StorageError

LISTS = ("auto", "official", "evaluation")


def cub(
    split: str,
    root=None,
    size: int | None = None,
    classes=None,
    lists: str = "auto",
    val_per_class: int = 5,
    metadata=None,
    cache: bool | Path | str = True,
) -> PhotoDataset:
    """Load one split of CUB.

    Args:
        split: ``train``, ``val`` or ``test``; test is the same 5,794 images under both lists.
        root: folder of all data sets, or ``CUB_200_2011`` itself; default ``data/`` of the project.
        size: side of the squares in ``images``; default 256 for train and 224 otherwise.
        classes: None for all, the first so many, or a list of names.
        lists: ``official`` takes the split of CUB itself and carves ``val`` out of its training
            part, which then is smaller by it; ``evaluation`` takes the lists of the public
            evaluation code, whose ``val`` are the 1,000 photographs of CUBV2; ``auto`` is
            ``evaluation`` where both those lists and CUBV2 are there. ``.source`` says which.
        val_per_class: validation images of a class (official only). They are chosen by their names,
            so every call chooses the same.
        metadata: folder that holds ``CUB/train`` and so on; default ``metadata`` beside or in the
            data set's folder.
        cache: folder of the decoded images; True is ``data/cache`` of the project, False none.

    Raises:
        ValueError: an unknown split, class or value; a line of a list that does not fit.
        StorageError: files that are missing or unreadable.
    """
    check_split(split)
    if lists not in LISTS:
        raise ValueError(f"unknown lists={lists!r}: use one of {', '.join(LISTS)}")
    home = find_folder("cub", root, ["CUB_200_2011"], "images.txt")
    numbers = read_mapping(home / "classes.txt", "cub", "class number, name", int, str)
    names = [name.split(".", 1)[-1].replace("_", " ") for name in numbers.values()]
    chosen = choose_classes(classes, names)
    class_of = {list(numbers)[index]: new for new, index in enumerate(chosen)}
    folder, photographs = _evaluation_folders(home, metadata)
    if lists == "evaluation" or (lists == "auto" and folder and photographs):
        source = "lists of the public evaluation code"
        photos = _evaluation(home, split, folder, photographs, class_of)
    else:
        source = f"official split, {val_per_class} images a class for validation"
        photos = _official(home, split, class_of, val_per_class)
    kept = [names[index] for index in chosen]
    return PhotoDataset("cub", split, photos, kept, size, cache, source=source)


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
