"""Photographs with masks: Flowers-102, IIIT-Pet and PASCAL VOC 2012, laid out as torchvision does.

Sources: Nilsback and Zisserman, "Automated Flower Classification over a Large Number of Classes",
ICVGIP 2008, and "Delving into the Whorl of Flower Segmentation", BMVC 2007; Parkhi et al., "Cats
and Dogs", CVPR 2012; Everingham et al., "The PASCAL Visual Object Classes Challenge: A
Retrospective", IJCV 2015. torchvision reads neither the segmentations of Flowers nor trees that
differ from the published ones in a byte, so only its class names are used.

Every ``read_...`` brings one mask file to ``size`` by nearest neighbour: bool (H, W), and what is
ignored. A ``label`` matters only where a photograph shows several classes.
"""

from pathlib import Path

import numpy as np

from entreg_utils.cam.scaling import resize_mask
from entreg_utils.data.decoding import read_all, read_image
from entreg_utils.data.lists import Column, absent, anew, find_folder, held_out
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset
from entreg_utils.fields import plain_numbers
from entreg_utils.files import StorageError

_SETS = {"train": "trnid", "val": "valid", "test": "tstid"}
# The segmentations are JPEGs, so their blue is not exact. On drawn flowers of four colours, saved
# at quality 75 to 95, this tolerance got at most 0.5 % of the pixels wrong, all but a few of them
# within three pixels of the outline.
_BLUE, _TOLERANCE = (0, 0, 254), 48
CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()
_SEGMENTATION = {"val": "train", "test": "val"}  # which official list of it is which split
_STATES = {"1": 1, "0": 1, "-1": 0}.__getitem__  # present, only difficult ones, absent
_VOID = 255  # outlines, and objects too hard to outline


def flowers(split: str, root=None, **shared) -> PhotoDataset:
    """Load one split of Flowers-102, the official one: train 1,020, val 1,020, test 6,149.

    The masks are the owners' automatic segmentations (``segmim``), in which the background is
    painted blue; all else is the flower. No pixel is ignored. Without that folder the data set has
    no masks.
    """
    from torchvision.datasets import Flowers102  # takes a second: not for who loads the drawn world

    home = find_folder("flowers", split, root, ["flowers-102"], "jpg")
    labels = _read_mat(home / "imagelabels.mat", "labels")
    numbers = _read_mat(home / "setid.mat", _SETS[split])
    if numbers.max(initial=0) > len(labels):
        raise StorageError(f"{home / 'imagelabels.mat'} has too few labels: {anew('flowers')}")
    segmented = (home / "segmim").is_dir()
    photos = []
    for number in numbers.tolist():
        image, mask = home / "jpg" / f"image_{number:05d}.jpg", f"segmim/segmim_{number:05d}.jpg"
        masks = (home / mask,) if segmented else ()
        photos.append(Photo(image, image.stem, int(labels[number - 1]) - 1, mask_files=masks))
    masks = MaskReader(read_segmentation, f"not {_BLUE} +- {_TOLERANCE}; 1")
    names = Flowers102.classes
    return PhotoDataset("flowers", split, photos, names, "official split", masks, **shared)


def read_segmentation(files: tuple[Path, ...], label: int, size) -> tuple[np.ndarray, None]:
    """Flower: pixels more than 48 of 255 from blue (0, 0, 254) in some channel; none ignored."""
    pixels = np.asarray(read_image(files[0])).astype(np.int16)
    far = (np.abs(pixels - np.array(_BLUE, np.int16)) > _TOLERANCE).any(axis=2)
    return resize_mask(far, size), None


@plain_numbers
def pets(split: str, root=None, val_per_class: int = 10, **shared) -> PhotoDataset:
    """Load one split of Oxford-IIIT Pet (37 breeds): official test (3,669) and trainval (3,680).

    ``val`` is carved out of the official trainval list, and ``train`` is the rest of it.

    Args:
        val_per_class: validation images of a breed, chosen by their names.
    """
    home = find_folder("pets", split, root, ["oxford-iiit-pet"], "annotations")
    path = home / "annotations" / f"{'test' if split == 'test' else 'trainval'}.txt"
    columns = "image, class number, species, breed"
    rows = Column(path, "pets", columns, str, int, int, int)
    number_of = {image_id: row[0] for image_id, row in rows.items()}
    # The breed is the image's name without its number; classes are numbered from 1.
    breeds = {number: image_id.rsplit("_", 1)[0] for image_id, number in number_of.items()}
    numbers = sorted(breeds)
    names = [" ".join(part.title() for part in breeds[n].split("_")) for n in numbers]
    val = set() if split == "test" else held_out(number_of, val_per_class)
    photos = []
    for image_id, number in number_of.items():
        if split == "test" or (image_id in val) == (split == "val"):
            image, mask = f"images/{image_id}.jpg", f"annotations/trimaps/{image_id}.png"
            label = numbers.index(number)
            photos.append(Photo(home / image, image_id, label, mask_files=(home / mask,)))
    source = f"official split, {val_per_class} images a class for validation"
    masks = MaskReader(read_trimap, "ignore; 1")
    return PhotoDataset("pets", split, photos, names, source, masks, **shared)


def read_trimap(files: tuple[Path, ...], label: int, size) -> tuple[np.ndarray, np.ndarray]:
    """Of a trimap: 1 animal, 2 background, 3 border, which its owners call "not classified"."""
    codes = _codes(files[0], "pets", "a trimap of 1, 2 and 3", (1, 2, 3))
    return resize_mask(codes == 1, size), resize_mask(codes == 3, size)


@plain_numbers
def voc(split: str, root=None, size: int | None = None, cache=True) -> PhotoDataset:
    """Load one split of VOC 2012, with multi-hot labels and a mask for each class present.

    No split shares a photograph with another: test is the official segmentation val list (1,449),
    val the official segmentation train list (1,464), and train all the other photographs of the
    official classification trainval list. In ``train`` a class is present where the classification
    lists say so, also of difficult objects alone: they are in the picture. In ``val`` and ``test``
    it is present where the segmentation shows at least one pixel of it, so that no mask is empty;
    pixels of value 255 are ignored for every class.
    """
    home = find_folder("voc", split, root, ["VOCdevkit/VOC2012", "VOC2012"], "ImageSets")
    files: dict[str, tuple[Path, ...]] = {}
    classes: dict[str, tuple[int, ...]] = {}
    listed = {
        own: list(Column(home / f"ImageSets/Segmentation/{part}.txt", "voc", "one image", str))
        for own, part in _SEGMENTATION.items()
    }
    if split in listed:
        files = {i: (home / "SegmentationClass" / f"{i}.png",) for i in listed[split]}
        classes = dict(zip(files, read_all([*files.values()], _shown), strict=True))
    else:
        for index, name in enumerate(CLASSES):
            path = home / "ImageSets" / "Main" / f"{name}_trainval.txt"
            states = Column(path, "voc", "image, 1, 0 or -1", str, _STATES)
            for image_id, state in states.items():
                classes[image_id] = classes.get(image_id, ()) + (index,) * state
        evaluated = {image_id for own in listed.values() for image_id in own}
        classes = {i: own for i, own in classes.items() if i not in evaluated}
    photos = [
        Photo(home / "JPEGImages" / f"{i}.jpg", i, own, mask_files=files.get(i, ()))
        for i, own in classes.items()
    ]
    masks = MaskReader(read_class, "class; 255 ignored; 1")
    source = f"official {'segmentation' if files else 'classification'} lists"
    return PhotoDataset("voc", split, photos, CLASSES, source, masks, True, size, cache=cache)


def _shown(files: tuple[Path]) -> tuple[int, ...]:
    """Indices of the classes in a segmentation."""
    codes = np.unique(_codes(files[0], "voc", _PALETTE)).tolist()
    return tuple(code - 1 for code in codes if 1 <= code <= len(CLASSES))


def read_class(files: tuple[Path, ...], label: int, size) -> tuple[np.ndarray, np.ndarray]:
    """One class of a segmentation: 0 background, 1..20 the classes, 255 void, which is ignored."""
    codes = _codes(files[0], "voc", _PALETTE)
    return resize_mask(codes == label + 1, size), resize_mask(codes == _VOID, size)


_PALETTE = "a palette image of classes"  # its pixels are class numbers


def _codes(path: Path, name: str, kind: str, known=range(256)) -> np.ndarray:
    codes = np.asarray(read_image(path, None))
    if codes.ndim != 2 or not np.isin(codes, [*known]).all():
        raise StorageError(f"{path} is not {kind}: {anew(name)}")
    return codes


def _read_mat(path: Path, name: str) -> np.ndarray:
    """A vector of integers from a MATLAB file."""
    import scipy.io

    if not path.exists():
        raise absent([path], "flowers")
    try:
        return scipy.io.loadmat(path)[name].reshape(-1).astype(int)
    except Exception as error:  # scipy lets whatever its parser stumbles on through
        raise StorageError(f"{path} holds no list {name!r}: {anew('flowers')}") from error
