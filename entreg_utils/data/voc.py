"""PASCAL VOC 2012: 20 classes, several in a photograph, with a mask for each of them.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.
Layout, as torchvision unpacks it:

    VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg, SegmentationClass/2007_000033.png,
                      ImageSets/Main/aeroplane_trainval.txt and 19 more,
                      ImageSets/Segmentation/{train,val}.txt

Splits, none of which shares a photograph with another: test is the official segmentation val list
(1,449), val the official segmentation train list (1,464), and train all the other photographs of
the official classification trainval list.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from entreg_utils.data.decoding import read_all, read_image
from entreg_utils.data.frames import rescale_mask
from entreg_utils.data.lists import check_split, find_folder, read_mapping, read_table
from entreg_utils.data.photo import MaskReader, Photo
from entreg_utils.data.photos import PhotoDataset
from entreg_utils.files import StorageError

CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()
_SEGMENTATION = {"val": "train", "test": "val"}
_VOID = 255  # outlines, and objects too hard to outline


def voc(
    split: str,
    root=None,
    size: int | None = None,
    difficult: bool = True,
    cache: bool | Path | str = True,
) -> PhotoDataset:
    """Load one split of VOC 2012, with multi-hot labels.

    In ``train`` a class is present where the classification lists say so. In ``val`` and ``test``
    it is present where the segmentation shows at least one pixel of it, so that every pair of image
    and class has a mask that is not empty; pixels of value 255 are ignored for every class.

    Args:
        split: ``train``, ``val`` or ``test``.
        root: folder of all data sets, ``VOCdevkit``, or ``VOC2012``; default ``data/`` of the
            project.
        size: side of the squares in ``images``; default 256 for train and 224 otherwise.
        difficult: whether, in ``train``, a class of which a photograph has only objects marked as
            difficult counts as present. True: such an object is in the picture, and the
            segmentations paint it too.
        cache: folder of the decoded images; True is ``data/cache`` of the project, False none.

    Raises:
        ValueError: an unknown split; a line of a list that does not fit.
        StorageError: files that are missing or unreadable.
    """
    check_split(split)
    places = ["VOCdevkit/VOC2012", "VOC2012"]
    home = find_folder("voc", root, places, "ImageSets")
    segmented = split in _SEGMENTATION
    present = _segmented(home, split) if segmented else _classified(home, difficult)
    photos = [
        Photo(
            path=home / "JPEGImages" / f"{image_id}.jpg",
            image_id=image_id,
            label=classes,
            mask_files=(_mask_path(home, image_id),) if segmented else (),
        )
        for image_id, classes in present.items()
    ]
    return PhotoDataset(
        "voc",
        split,
        photos,
        CLASSES,
        size,
        cache,
        masks=MaskReader(read_class, True, "class; 255 ignored; 1") if segmented else None,
        multilabel=True,
        source="official segmentation lists" if segmented else "official classification lists",
    )


def read_class(
    files: tuple[Path, ...], label: int, target: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Mask of one class, and the void pixels, as bool arrays (H, W).

    Args:
        files: one class segmentation: 0 background, 1..20 the classes, 255 void.
        label: class index 0..19.
        target: (W, H), reached by nearest neighbour.
    """
    codes = _codes(files[0])
    return rescale_mask(codes == label + 1, target), rescale_mask(codes == _VOID, target)


def _segmented(home: Path, split: str) -> dict[str, tuple[int, ...]]:
    ids = _segmentation_ids(home, _SEGMENTATION[split])

    def classes(image_id: str) -> tuple[int, ...]:
        values = np.unique(_codes(_mask_path(home, image_id))).tolist()
        return tuple(value - 1 for value in values if 1 <= value <= len(CLASSES))

    return dict(zip(ids, read_all(ids, classes), strict=True))


def _classified(home: Path, difficult: bool) -> dict[str, tuple[int, ...]]:
    """{image id: classes present} of the photographs of trainval that no other split has."""
    present: dict[str, list[int]] = {}
    wanted = (1, 0) if difficult else (1,)  # 1 present, 0 only difficult ones, -1 absent
    for index, name in enumerate(CLASSES):
        path = home / "ImageSets" / "Main" / f"{name}_trainval.txt"
        for image_id, state in read_mapping(path, "voc", "image, 1, 0 or -1", str, _state).items():
            present.setdefault(image_id, []).extend([index] if state in wanted else [])
    for part in _SEGMENTATION.values():
        for image_id in _segmentation_ids(home, part):
            present.pop(image_id, None)
    return {image_id: tuple(classes) for image_id, classes in present.items()}


def _segmentation_ids(home: Path, part: str) -> list[str]:
    path = home / "ImageSets" / "Segmentation" / f"{part}.txt"
    return [row[0] for row in read_table(path, "voc", "one image", str)]


def _mask_path(home: Path, image_id: str) -> Path:
    return home / "SegmentationClass" / f"{image_id}.png"


def _codes(path: Path) -> np.ndarray:
    codes = np.asarray(read_image(path, None))  # a palette image: its pixels are class numbers
    if codes.ndim != 2:
        raise StorageError(f"{path} is not a palette image of classes: fetch the data set again")
    return codes


def _state(cell: str) -> int:
    if cell not in ("1", "0", "-1"):
        raise ValueError(cell)
    return int(cell)
