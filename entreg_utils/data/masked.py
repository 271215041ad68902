"""Photographs with masks: Flowers-102, IIIT-Pet and PASCAL VOC 2012, laid out as torchvision does.

    flowers-102/jpg/image_00001.jpg, imagelabels.mat, setid.mat, segmim/segmim_00001.jpg
    oxford-iiit-pet/images/Abyssinian_1.jpg, annotations/{trainval,test}.txt,
                    annotations/trimaps/Abyssinian_1.png
    VOCdevkit/VOC2012/JPEGImages/2007_000027.jpg, SegmentationClass/2007_000033.png,
                      ImageSets/Main/aeroplane_trainval.txt and 19 more,
                      ImageSets/Segmentation/{train,val}.txt

Sources: Nilsback and Zisserman, "Automated Flower Classification over a Large Number of Classes",
ICVGIP 2008, and "Delving into the Whorl of Flower Segmentation", BMVC 2007; Parkhi et al., "Cats
and Dogs", CVPR 2012; Everingham et al., "The PASCAL Visual Object Classes Challenge: A
Retrospective", IJCV 2015. torchvision reads neither the segmentations of Flowers nor trees that
differ from the published ones in a byte, so only its class names are used.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np

from entreg_utils.data.decoding import read_all, read_image
from entreg_utils.data.frames import rescale_mask
from entreg_utils.data.lists import check_split, find_folder, held_out, read_mapping, read_table
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.files import StorageError, read_bytes

_SETS = {"train": "trnid", "val": "valid", "test": "tstid"}
# The segmentations are JPEGs, so their blue is not exact. On drawn flowers of four colours, saved
# at quality 75 to 95, this tolerance got at most 0.5 % of the pixels wrong, all but a few of them
# within three pixels of the outline.
_BLUE, _TOLERANCE = (0, 0, 254), 48
BORDERS = ("ignore", "object")
CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()
_SEGMENTATION = {"val": "train", "test": "val"}
_VOID = 255  # outlines, and objects too hard to outline


def flowers(split: str, root=None, **shared) -> PhotoDataset:
    """Load one split of Flowers-102, the official one: train 1,020, val 1,020, test 6,149.

    The masks are the owners' automatic segmentations (``segmim``), in which the background is
    painted blue; all else is the flower. No pixel is ignored. Without that folder the data set has
    no masks.
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
    segmented = (home / "segmim").is_dir()
    photos = [
        Photo(
            path=home / "jpg" / f"image_{number:05d}.jpg",
            image_id=f"image_{number:05d}",
            label=int(labels[number - 1]) - 1,
            mask_files=(home / "segmim" / f"segmim_{number:05d}.jpg",) if segmented else (),
        )
        for number in numbers.tolist()
    ]
    reader = MaskReader(read_segmentation, False, f"not {_BLUE} +- {_TOLERANCE}; 1")
    masks = reader if segmented else None
    return PhotoDataset(
        "flowers", split, photos, Flowers102.classes, "official split", masks, **shared
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
    split: str, root=None, val_per_class: int = 10, border: str = "ignore", **shared
) -> PhotoDataset:
    """Load one split of Oxford-IIIT Pet (37 breeds): official test (3,669) and trainval (3,680).

    ``val`` is carved out of the official trainval list, and ``train`` is the rest of it.

    Args:
        val_per_class: validation images of a breed, chosen by their names.
        border: what the third value of a trimap means. ``ignore``, the default, follows its
            owners, who call it "not classified"; ``object`` counts the outline with the animal.
    """
    check_split(split)
    if border not in BORDERS:
        raise ValueError(f"unknown border={border!r}: use one of {', '.join(BORDERS)}")
    home = find_folder("pets", root, ["oxford-iiit-pet"], "annotations")
    path = home / "annotations" / f"{'test' if split == 'test' else 'trainval'}.txt"
    columns = "image, class number, species, breed"
    number_of = {row[0]: row[1] for row in read_table(path, "pets", columns, str, int, int, int)}
    # The breed is the image's name without its number; classes are numbered from 1.
    breeds = {number: image_id.rsplit("_", 1)[0] for image_id, number in number_of.items()}
    numbers = sorted(breeds)
    names = [" ".join(part.title() for part in breeds[n].split("_")) for n in numbers]
    if split != "test":
        out = held_out([*number_of], [*number_of.values()], val_per_class)
        number_of = {i: n for i, n in number_of.items() if (i in out) == (split == "val")}
    photos = [
        Photo(
            path=home / "images" / f"{image_id}.jpg",
            image_id=image_id,
            label=numbers.index(number),
            mask_files=(home / "annotations" / "trimaps" / f"{image_id}.png",),
        )
        for image_id, number in number_of.items()
    ]
    masks = MaskReader(partial(read_trimap, border=border), border == "ignore", f"{border}; 1")
    source = f"official split, {val_per_class} images a class for validation"
    return PhotoDataset("pets", split, photos, names, source, masks, **shared)


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


def voc(
    split: str,
    root=None,
    difficult: bool = True,
    size: int | None = None,
    cache: bool | Path | str = True,
) -> PhotoDataset:
    """Load one split of VOC 2012, with multi-hot labels and a mask for each class present.

    No split shares a photograph with another: test is the official segmentation val list (1,449),
    val the official segmentation train list (1,464), and train all the other photographs of the
    official classification trainval list. In ``train`` a class is present where the classification
    lists say so. In ``val`` and ``test`` it is present where the segmentation shows at least one
    pixel of it, so that no mask is empty; pixels of value 255 are ignored for every class.

    Args:
        difficult: whether, in ``train``, a class of which a photograph has only objects marked as
            difficult counts as present. True: such an object is in the picture, and the
            segmentations paint it too.
        size, cache: of :class:`PhotoDataset`.
    """
    check_split(split)
    home = find_folder("voc", root, ["VOCdevkit/VOC2012", "VOC2012"], "ImageSets")
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
    masks = MaskReader(read_class, True, "class; 255 ignored; 1") if segmented else None
    source = f"official {'segmentation' if segmented else 'classification'} lists"
    return PhotoDataset(
        "voc", split, photos, CLASSES, source, masks, multilabel=True, size=size, cache=cache
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
