"""PASCAL VOC 2012 on a small tree in its layout."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import VOCSegmentation

from entreg_utils import data
from entreg_utils.data.masked import CLASSES
from entreg_utils.files import StorageError

MAIN = {  # states of a few classes; all others are -1
    "2007_1": {"dog": 1, "person": 0},
    "2007_2": {"cat": 1, "dog": 1},
    "2007_3": {"person": 0},
    "2008_1": {"bus": 1},
    "2008_2": {"aeroplane": 1},
    "2009_1": {"tvmonitor": 1},
}
DOG, PERSON, CAT, BUS = (CLASSES.index(name) for name in ("dog", "person", "cat", "bus"))


def segmentation(path, codes):
    image = Image.fromarray(np.array(codes, np.uint8), "P")
    image.putpalette([min(255, 7 * i) for i in range(256) for _ in range(3)])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def root(tmp_path):
    home = tmp_path / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "ImageSets/Main", "ImageSets/Segmentation"):
        (home / folder).mkdir(parents=True)
    for name in MAIN:
        Image.new("RGB", (4, 2), (9, 9, 9)).save(home / "JPEGImages" / f"{name}.jpg")
    for name in CLASSES:
        lines = [f"{image} {states.get(name, -1):2d}\n" for image, states in MAIN.items()]
        (home / "ImageSets" / "Main" / f"{name}_trainval.txt").write_text("".join(lines))
    for part, names in {"train": "2008_1\n", "val": "2009_1\n2008_2\n"}.items():
        (home / "ImageSets" / "Segmentation" / f"{part}.txt").write_text(names)
    segmentation(home / "SegmentationClass" / "2008_1.png", [[0, 6, 6, 255], [0, 0, 0, 0]])
    segmentation(home / "SegmentationClass" / "2009_1.png", [[0, 20, 15, 15], [255, 20, 0, 15]])
    segmentation(home / "SegmentationClass" / "2008_2.png", [[0, 0, 0, 0], [255, 255, 0, 0]])
    return tmp_path


def test_training_labels_and_difficult_objects(root):
    train = data.load("voc", "train", root=root)
    assert train.image_ids == ["2007_1", "2007_2", "2007_3"]  # the others are for evaluation
    assert train.labels.shape == (3, 20) and train.labels.dtype == torch.float32
    assert train.pairs.tolist() == [[0, DOG], [0, PERSON], [1, CAT], [1, DOG], [2, PERSON]]
    assert train.multilabel and train.num_classes == 20 and train.masks_at(4) is None


def test_evaluation_classes_are_those_of_the_segmentation(root):
    val = data.load("voc", "val", root=root / "VOCdevkit", cache=root / "cache")
    assert val.image_ids == ["2008_1"] and val.pairs.tolist() == [[0, BUS]]
    test = data.load("voc", "test", root=root, cache=root / "cache")
    assert test.image_ids == ["2009_1", "2008_2"]
    assert test.pairs.tolist() == [[0, PERSON], [0, 19]]  # nothing but void in the second
    theirs = VOCSegmentation(root, "2012", "val")
    assert [str(path) for path in test.paths] == theirs.images


def test_a_mask_for_every_class_and_the_void_is_ignored(root):
    test = data.load("voc", "test", root=root / "VOCdevkit" / "VOC2012", cache=root / "cache")
    # codes 15 (person) and 20 (tvmonitor) in [[0, 20, 15, 15], [255, 20, 0, 15]]
    sample = test[0]
    assert sample.mask.int().tolist() == [
        [[0, 0, 1, 1], [0, 0, 0, 1]],
        [[0, 1, 0, 0], [0, 1, 0, 0]],
    ]
    assert sample.ignore.int().tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    assert sample.label.nonzero().flatten().tolist() == [PERSON, 19]
    masks = test.masks_at(2)  # columns 0 and 2
    assert [mask.astype(int).tolist() for mask, _ in masks] == [[[0, 1], [0, 0]], [[0, 0], [0, 0]]]
    assert [ignore.astype(int).tolist() for _, ignore in masks] == [[[0, 0], [1, 0]]] * 2
    assert test[1].mask.shape == (0, 2, 4)


def test_missing_and_damaged_files(root):
    home = root / "VOCdevkit" / "VOC2012"
    Image.new("RGB", (4, 2)).save(home / "SegmentationClass" / "2008_1.png")
    with pytest.raises(StorageError, match="2008_1.png is not a palette image"):
        data.load("voc", "val", root=root)
    for name in ("2009_1", "2008_2"):
        (home / "SegmentationClass" / f"{name}.png").unlink()
    with pytest.raises(StorageError, match=r"2008_2.png .*2009_1.png .* images"):
        data.load("voc", "test", root=root)
    (home / "ImageSets" / "Main" / "cat_trainval.txt").write_text("2007_1 1\n2007_2 2\n")
    with pytest.raises(ValueError, match="cat_trainval.txt, line 2: '2007_2 2' is not image, 1, 0"):
        data.load("voc", "train", root=root)
