"""The two Oxford data sets with masks: Flowers-102 and IIIT-Pet, unpacked as torchvision does.

    flowers-102/jpg/image_00001.jpg, imagelabels.mat, setid.mat, segmim/segmim_00001.jpg
    oxford-iiit-pet/images/Abyssinian_1.jpg, annotations/{trainval,test}.txt,
                    annotations/trimaps/Abyssinian_1.png

Sources: Nilsback and Zisserman, "Automated Flower Classification over a Large Number of Classes",
ICVGIP 2008, and "Delving into the Whorl of Flower Segmentation", BMVC 2007; Parkhi et al., "Cats
and Dogs", CVPR 2012. torchvision reads neither the segmentations of Flowers nor trees that differ
from the published ones in a byte, so only its class names are used.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np

from entreg_utils.data.decoding import read_image
from entreg_utils.data.frames import rescale_mask
from entreg_utils.data.lists import (
    check_split,
    choose_classes,
    find_folder,
    held_out,
    read_table,
)
from entreg_utils.data.photo import MaskReader, Photo
from entreg_utils.data.photos import PhotoDataset
from entreg_utils.files import StorageError, read_bytes

_SETS = {"train": "trnid", "val": "valid", "test": "tstid"}
# The segmentations are JPEGs, so their blue is not exact. On drawn flowers of four colours, saved
# at quality 75 to 95, this tolerance got at most 0.5 % of the pixels wrong, all but a few of them
# within three pixels of the outline.
_BLUE, _TOLERANCE = (0, 0, 254), 48
BORDERS = ("ignore", "object")


def flowers(
    split: str,
    root=None,
    size: int | None = None,
    classes=None,
    cache: bool | Path | str = True,
) -> PhotoDataset:
    """Load one split of Flowers-102, the official one: train 1,020, val 1,020, test 6,149.

    The masks are the owners' automatic segmentations (``segmim``), in which the background is
    painted blue; all else is the flower. No pixel is ignored. Without that folder the data set has
    no masks.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: folder of all data sets, or ``flowers-102`` itself; default ``data/`` of the project.
        size: side of the squares in ``images``; default 256 for train and 224 otherwise.
        classes: None for all, the first so many, or a list of names.
        cache: folder of the decoded images; True is ``data/cache`` of the project, False none.

    Raises:
        ValueError: an unknown split or class.
        StorageError: files that are missing or unreadable.
    """
    from torchvision.datasets import Flowers102  # takes a second: not for who loads the toy world

    check_split(split)
    home = find_folder("flowers", root, ["flowers-102"], "jpg")
    numbers = _read_mat(home / "setid.mat", _SETS[split])
    labels = _read_mat(home / "imagelabels.mat", "labels")
    if numbers.size and not 1 <= numbers.min() <= numbers.max() <= len(labels):
        raise StorageError(
            f"{home / 'setid.mat'} names image {numbers.max()} and imagelabels.mat has "
            f"{len(labels)} labels: delete both and fetch the data set again"
        )
    names = Flowers102.classes
    chosen = choose_classes(classes, names)
    class_of = {index + 1: new for new, index in enumerate(chosen)}
    segmented = (home / "segmim").is_dir()
    photos = [
        Photo(
            path=home / "jpg" / f"image_{number:05d}.jpg",
            image_id=f"image_{number:05d}",
            label=class_of[int(labels[number - 1])],
            mask_files=(home / "segmim" / f"segmim_{number:05d}.jpg",) if segmented else (),
        )
        for number in numbers.tolist()
        if int(labels[number - 1]) in class_of
    ]
    reader = MaskReader(read_segmentation, False, f"not {_BLUE} +- {_TOLERANCE}; 1")
    return PhotoDataset(
        "flowers",
        split,
        photos,
        [names[index] for index in chosen],
        size,
        cache,
        masks=reader if segmented else None,
        source="official split",
    )


def read_segmentation(
    files: tuple[Path, ...], label: int, target: tuple[int, int]
) -> tuple[np.ndarray, None]:
    """Flower mask bool (H, W): pixels more than 48 of 255 from blue (0, 0, 254) in some channel.

    Args:
        files: one segmentation, a JPEG with its background painted blue.
        label: unused.
        target: (W, H), reached by nearest neighbour after the mask is made.
    """
    pixels = np.asarray(read_image(files[0])).astype(np.int16)
    far = (np.abs(pixels - np.array(_BLUE, np.int16)) > _TOLERANCE).any(axis=2)
    return rescale_mask(far, target), None


def pets(
    split: str,
    root=None,
    size: int | None = None,
    classes=None,
    val_per_class: int = 10,
    border: str = "ignore",
    cache: bool | Path | str = True,
) -> PhotoDataset:
    """Load one split of Oxford-IIIT Pet (37 breeds): official test (3,669) and trainval (3,680).

    ``val`` is carved out of the official trainval list, and ``train`` is the rest of it.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: folder of all data sets, or ``oxford-iiit-pet`` itself; default ``data/`` of the
            project.
        size: side of the squares in ``images``; default 256 for train and 224 otherwise.
        classes: None for all, the first so many, or a list of names.
        val_per_class: validation images of a breed, chosen by their names.
        border: what the third value of a trimap means. ``ignore``, the default, follows its
            owners, who call it "not classified"; ``object`` counts the outline with the animal.
        cache: folder of the decoded images; True is ``data/cache`` of the project, False none.

    Raises:
        ValueError: an unknown split, class or border; a line of a list that does not fit.
        StorageError: files that are missing or unreadable.
    """
    check_split(split)
    if border not in BORDERS:
        raise ValueError(f"unknown border={border!r}: use one of {', '.join(BORDERS)}")
    home = find_folder("pets", root, ["oxford-iiit-pet"], "annotations")
    rows = _pet_rows(home, "test" if split == "test" else "trainval")
    # The breed is the image's name without its number; classes are numbered from 1.
    breeds = {number: image_id.rsplit("_", 1)[0] for image_id, number in rows}
    numbers = sorted(breeds)
    names = [" ".join(part.title() for part in breeds[n].split("_")) for n in numbers]
    chosen = choose_classes(classes, names)
    class_of = {numbers[index]: new for new, index in enumerate(chosen)}
    rows = [(image_id, class_of[n]) for image_id, n in rows if n in class_of]
    if split != "test":
        out = held_out([row[0] for row in rows], [row[1] for row in rows], val_per_class)
        rows = [row for row in rows if (row[0] in out) == (split == "val")]
    photos = [
        Photo(
            path=home / "images" / f"{image_id}.jpg",
            image_id=image_id,
            label=label,
            mask_files=(home / "annotations" / "trimaps" / f"{image_id}.png",),
        )
        for image_id, label in rows
    ]
    reader = MaskReader(partial(read_trimap, border=border), border == "ignore", f"{border}; 1")
    return PhotoDataset(
        "pets",
        split,
        photos,
        [names[index] for index in chosen],
        size,
        cache,
        masks=reader,
        source=f"official split, {val_per_class} images a class for validation",
    )


def read_trimap(
    files: tuple[Path, ...], label: int, target: tuple[int, int], border: str = "ignore"
) -> tuple[np.ndarray, np.ndarray | None]:
    """Mask and ignore mask, bool (H, W), of a trimap: 1 animal, 2 background, 3 border.

    Args:
        files: one trimap.
        label: unused.
        target: (W, H), reached by nearest neighbour.
        border: ``ignore`` or ``object``, what the border is; with ``object`` nothing is ignored.
    """
    codes = np.asarray(read_image(files[0], None))
    if codes.ndim != 2 or not np.isin(codes, (1, 2, 3)).all():
        raise StorageError(f"{files[0]} is not a trimap of 1, 2 and 3: fetch the data set again")
    outline = codes == 3
    if border == "object":
        return rescale_mask((codes == 1) | outline, target), None
    return rescale_mask(codes == 1, target), rescale_mask(outline, target)


def _pet_rows(home: Path, part: str) -> list[tuple[str, int]]:
    columns = "image, class number, species, breed"
    path = home / "annotations" / f"{part}.txt"
    return [row[:2] for row in read_table(path, "pets", columns, str, int, int, int)]


def _read_mat(path: Path, name: str) -> np.ndarray:
    """A vector of integers from a MATLAB file."""
    import scipy.io

    content = read_bytes(path)
    if content is None:
        raise StorageError(
            f"{path} is not there: python -m entreg_utils data flowers fetches what is missing"
        )
    try:
        values = scipy.io.loadmat(io.BytesIO(content), squeeze_me=True)[name]
        return np.asarray(values).reshape(-1).astype(int)
    except Exception as error:  # scipy lets whatever its parser stumbles on through
        raise StorageError(
            f"{path} holds no list {name!r} that can be read: delete it and fetch it again"
        ) from error
