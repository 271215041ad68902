"""Flowers-102, Oxford-IIIT Pet and PASCAL VOC 2012 on small trees in their layouts."""

import shutil

import numpy as np
import pytest
import scipy.io
import torch
import voc_single
from PIL import Image
from torchvision.datasets import OxfordIIITPet, VOCSegmentation

from entreg_utils import data
from entreg_utils.data.masked import CLASSES, read_segmentation
from entreg_utils.files import StorageError

BLUE = (0, 0, 254)
DOG, PERSON, CAT, BUS = (CLASSES.index(name) for name in ("dog", "person", "cat", "bus"))


@pytest.fixture
def flowers(tmp_path):
    """Six photographs of 48x32 of classes 1, 2, 1, 102, 2, 1; a red disc is the flower."""
    home = tmp_path / "flowers-102"
    (home / "jpg").mkdir(parents=True)
    (home / "segmim").mkdir()
    rows, columns = np.mgrid[:32, :48]
    for number in range(1, 7):
        inside = (rows - 16) ** 2 + (columns - 8 * number) ** 2 < 100
        painted = np.full((32, 48, 3), BLUE, np.uint8)
        painted[inside] = (200, 40, 30)
        Image.fromarray(painted).save(home / "segmim" / f"segmim_{number:05d}.jpg", quality=85)
        Image.new("RGB", (48, 32), (number, 0, 0)).save(home / "jpg" / f"image_{number:05d}.jpg")
    scipy.io.savemat(home / "imagelabels.mat", {"labels": np.array([[1, 2, 1, 102, 2, 1]])})
    sets = {"trnid": [[6, 2]], "valid": [[3]], "tstid": [[4, 1, 5]]}
    scipy.io.savemat(home / "setid.mat", {k: np.array(v) for k, v in sets.items()})
    return tmp_path


def test_flowers_follow_the_official_split(flowers):
    ids = {s: data.load("flowers", s, root=flowers).image_ids for s in ("train", "val", "test")}
    assert ids["train"] == ["image_00006", "image_00002"] and ids["val"] == ["image_00003"]
    assert ids["test"] == ["image_00004", "image_00001", "image_00005"]
    test = data.load("flowers", "test", root=flowers / "flowers-102")
    assert test.labels.tolist() == [101, 0, 1] and test.num_classes == 102
    assert test.class_names[:2] == ("pink primrose", "hard-leaved pocket orchid")
    few = data.load("flowers", "test", root=flowers, classes=["blackberry lily", "pink primrose"])
    assert few.labels.tolist() == [1, 0]
    assert few.class_names == ("pink primrose", "blackberry lily")


def test_what_is_not_blue_is_the_flower(flowers):
    test = data.load("flowers", "test", root=flowers, cache=flowers / "cache")
    rows, columns = np.mgrid[:32, :48]
    for index, number in enumerate((4, 1, 5)):
        distance = np.hypot(rows - 16, columns - 8 * number)
        mask = test[index].mask.numpy()
        assert mask[distance < 7].all()  # JPEG blurs the outline, three pixels to either side
        assert not mask[distance > 13].any()
        assert np.array_equal(test.masks_at(16)[index][0], mask[::2, ::3])
    assert test[0].ignore is None and not test.masks_at(16)[0][1].any()
    shutil.rmtree(flowers / "flowers-102" / "segmim")  # then there are no masks
    test = data.load("flowers", "test", root=flowers)
    assert test.masks_at(8) is None and test[0].mask is None


def test_a_violet_or_dark_flower_is_no_background(tmp_path):
    colours = [BLUE, (0, 0, 0), (60, 0, 220), (255, 255, 255), (20, 10, 240), (0, 0, 200)]
    Image.fromarray(np.array([colours], np.uint8)).save(tmp_path / "a.png")
    mask, ignore = read_segmentation((tmp_path / "a.png",), 0, (1, 6))
    assert mask.tolist() == [[False, True, True, True, False, True]] and ignore is None


def test_damaged_flowers(flowers):
    home = flowers / "flowers-102"
    scipy.io.savemat(home / "setid.mat", {"tstid": np.array([[4, 7]])})
    with pytest.raises(StorageError, match="imagelabels.mat has too few labels"):
        data.load("flowers", "test", root=flowers)
    with pytest.raises(StorageError, match="setid.mat holds no list 'trnid'"):
        data.load("flowers", "train", root=flowers)
    (home / "imagelabels.mat").write_bytes(b"<html>" * 50)
    with pytest.raises(StorageError, match="imagelabels.mat holds no list 'labels'"):
        data.load("flowers", "test", root=flowers)
    (home / "imagelabels.mat").unlink()
    with pytest.raises(StorageError, match="imagelabels.mat is not there: python -m"):
        data.load("flowers", "test", root=flowers)


@pytest.fixture
def pets(tmp_path):
    """Two breeds; trimaps of 6x4: a border around a 2x2 animal, shifted by the image's number."""
    home = tmp_path / "oxford-iiit-pet"
    (home / "images").mkdir(parents=True)
    (home / "annotations" / "trimaps").mkdir(parents=True)
    lists = {"trainval": range(1, 5), "test": range(5, 7)}
    for part, numbers in lists.items():
        lines = []
        for breed, number in (("saint_bernard", 2), ("Abyssinian", 1)):
            for name, i in ((f"{breed}_{i}", i) for i in numbers):
                lines.append(f"{name} {number} {number} 1\n")
                Image.new("RGB", (6, 4)).save(home / "images" / f"{name}.jpg")
                trimap = np.full((4, 6), 2, np.uint8)
                trimap[:, i % 3 : i % 3 + 4] = 3
                trimap[1:3, i % 3 + 1 : i % 3 + 3] = 1
                Image.fromarray(trimap).save(home / "annotations" / "trimaps" / f"{name}.png")
        (home / "annotations" / f"{part}.txt").write_text("".join(lines))
    return tmp_path


def test_pets_are_split_as_torchvision_splits_them(pets):
    test = data.load("pets", "test", root=pets)
    theirs = OxfordIIITPet(pets, "test")
    assert test.labels.tolist() == theirs._labels == [1, 1, 0, 0]
    assert list(test.class_names) == theirs.classes == ["Abyssinian", "Saint Bernard"]
    assert test.paths == theirs._images
    assert test.image_ids == ["saint_bernard_5", "saint_bernard_6", "Abyssinian_5", "Abyssinian_6"]
    options = {"root": pets / "oxford-iiit-pet", "val_per_class": 1}
    train, val = (data.load("pets", split, **options) for split in ("train", "val"))
    assert val.labels.tolist() == [1, 0] and train.labels.tolist() == [1] * 3 + [0] * 3
    assert len({*train.image_ids, *val.image_ids}) == 8
    with pytest.raises(ValueError, match="val_per_class=10: give a whole number in 1..3"):
        data.load("pets", "val", root=pets)


def test_the_border_of_a_trimap_is_ignored(pets):
    test = data.load("pets", "test", root=pets, cache=pets / "cache")
    sample = test[1]  # number 6: no shift
    assert sample.mask.int().tolist() == [[0] * 6, [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0] * 6]
    border = [[1, 1, 1, 1, 0, 0], [1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0], [1, 1, 1, 1, 0, 0]]
    assert sample.ignore.int().tolist() == border
    # 4x6 to 2x2: rows 0 and 2, columns 0 and 3
    mask, ignore = test.masks_at(2)[1]
    assert not mask.any() and ignore.all()
    trimaps = pets / "oxford-iiit-pet" / "annotations" / "trimaps"
    Image.new("L", (6, 4), 7).save(trimaps / "Abyssinian_5.png")
    with pytest.raises(StorageError, match="Abyssinian_5.png is not a trimap"):
        data.load("pets", "test", root=pets, cache=False).masks_at(8)


MAIN = {  # states of a few classes; all others are -1
    "2007_1": {"dog": 1, "person": 0},
    "2007_2": {"cat": 1, "dog": 1},
    "2007_3": {"person": 0},
    "2008_1": {"bus": 1},
    "2008_2": {"aeroplane": 1},
    "2009_1": {"tvmonitor": 1},
}


def write_voc(root, main, segmentations):
    """``segmentations``: {"train" or "val": {image: codes}}."""
    home = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "ImageSets/Main", "ImageSets/Segmentation", "SegmentationClass"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for name in main:
        Image.new("RGB", (4, 2), (9, 9, 9)).save(home / "JPEGImages" / f"{name}.jpg")
    for name in CLASSES:
        lines = [f"{image} {states.get(name, -1):2d}\n" for image, states in main.items()]
        (home / "ImageSets" / "Main" / f"{name}_trainval.txt").write_text("".join(lines))
    for part, own in segmentations.items():
        (home / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("\n".join(own) + "\n")
        for name, codes in own.items():
            image = Image.fromarray(np.array(codes, np.uint8), "P")
            image.putpalette([min(255, 7 * i) for i in range(256) for _ in range(3)])
            image.save(home / "SegmentationClass" / f"{name}.png")
    return root


@pytest.fixture
def voc(tmp_path):
    segmentations = {
        "train": {"2008_1": [[0, 6, 6, 255], [0, 0, 0, 0]]},
        "val": {
            "2009_1": [[0, 20, 15, 15], [255, 20, 0, 15]],
            "2008_2": [[0, 0, 0, 0], [255, 255, 0, 0]],
        },
    }
    return write_voc(tmp_path, MAIN, segmentations)


def test_voc_has_three_splits_without_a_photograph_in_common(voc):
    train = data.load("voc", "train", root=voc)
    assert train.image_ids == ["2007_1", "2007_2", "2007_3"]  # the others are for evaluation
    assert train.labels.shape == (3, 20) and train.labels.dtype == torch.float32
    # difficult objects are present
    assert train.pairs.tolist() == [[0, DOG], [0, PERSON], [1, CAT], [1, DOG], [2, PERSON]]
    assert train.multilabel and train.num_classes == 20 and train.masks_at(4) is None
    val = data.load("voc", "val", root=voc / "VOCdevkit", cache=voc / "cache")
    assert val.image_ids == ["2008_1"] and val.pairs.tolist() == [[0, BUS]]
    test = data.load("voc", "test", root=voc, cache=voc / "cache")
    assert test.image_ids == ["2009_1", "2008_2"]
    assert test.pairs.tolist() == [[0, PERSON], [0, 19]]  # nothing but void in the second
    theirs = VOCSegmentation(voc, "2012", "val")
    assert [str(path) for path in test.paths] == theirs.images


def test_a_mask_for_every_class_and_the_void_is_ignored(voc):
    test = data.load("voc", "test", root=voc / "VOCdevkit" / "VOC2012", cache=voc / "cache")
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


def test_missing_and_damaged_files_of_voc(voc):
    home = voc / "VOCdevkit" / "VOC2012"
    Image.new("RGB", (4, 2)).save(home / "SegmentationClass" / "2008_1.png")
    with pytest.raises(StorageError, match="2008_1.png is not a palette image"):
        data.load("voc", "val", root=voc)
    for name in ("2009_1", "2008_2"):
        (home / "SegmentationClass" / f"{name}.png").unlink()
    with pytest.raises(StorageError, match=r"2008_2.png .*2009_1.png .* images"):
        data.load("voc", "test", root=voc)
    (home / "ImageSets" / "Main" / "cat_trainval.txt").write_text("2007_1 1\n2007_2 2\n")
    with pytest.raises(ValueError, match="cat_trainval.txt, line 2: '2007_2 2' is not image, 1, 0"):
        data.load("voc", "train", root=voc)


def test_voc_of_one_class_alone_becomes_a_folder_with_its_masks(tmp_path, monkeypatch, capsys):
    """notebooks/voc_single.py; what shows two classes, or none to train on, is left out."""
    monkeypatch.setattr(voc_single, "LEAST", 1)
    main = {f"300{i}": {"dog": 1} for i in range(1, 6)} | MAIN
    dog, bus = [[0, 12, 12, 255], [0, 0, 0, 0]], [[0, 6, 6, 255], [0, 0, 0, 0]]
    root = write_voc(tmp_path, main, {"train": {"3004": dog, "2008_1": bus}, "val": {"3005": dog}})
    target = tmp_path / "own" / "voc_single"
    for _ in range(2):  # again over what is there
        assert voc_single.main(str(root), str(target)) == 0
    assert "train: 6 photographs of 4 classes" in capsys.readouterr().out
    files = sorted(str(p.relative_to(target)) for p in target.rglob("*.*"))
    assert files == [
        *("masks/test/dog/3005.png", "masks/val/dog/3004.png", "test/dog/3005.jpg"),
        *("train/aeroplane/2008_2.jpg", "train/dog/3001.jpg", "train/dog/3002.jpg"),
        *("train/dog/3003.jpg", "train/person/2007_3.jpg", "train/tvmonitor/2009_1.jpg"),
        "val/dog/3004.jpg",
    ]
    test = data.load("folder:voc_single", "test", root=target.parent, cache=tmp_path / "cache")
    ((mask, ignore),) = test.masks_at(4)
    assert np.array_equal(mask[::2].astype(int), [[0, 1, 1, 0], [0, 0, 0, 0]])
    assert np.array_equal(ignore[::2].astype(int), [[0, 0, 0, 1], [0, 0, 0, 0]])
