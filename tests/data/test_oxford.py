"""Flowers-102 and Oxford-IIIT Pet on small trees in their layouts."""

import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision.datasets import OxfordIIITPet

from entreg_utils import data
from entreg_utils.data.masked import read_segmentation
from entreg_utils.files import StorageError

BLUE = (0, 0, 254)


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


def test_a_violet_or_dark_flower_is_no_background(tmp_path):
    colours = [BLUE, (0, 0, 0), (60, 0, 220), (255, 255, 255), (20, 10, 240), (0, 0, 200)]
    Image.fromarray(np.array([colours], np.uint8)).save(tmp_path / "a.png")
    mask, ignore = read_segmentation((tmp_path / "a.png",), 0, (1, 6))
    assert mask.tolist() == [[False, True, True, True, False, True]] and ignore is None


def test_flowers_without_segmentations_have_no_masks(flowers):
    shutil.rmtree(flowers / "flowers-102" / "segmim")
    test = data.load("flowers", "test", root=flowers)
    assert test.masks_at(8) is None and test[0].mask is None


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


def test_the_border_of_a_trimap_is_ignored(pets):
    test = data.load("pets", "test", root=pets, cache=pets / "cache")
    sample = test[1]  # number 6: no shift
    assert sample.mask.int().tolist() == [[0] * 6, [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0] * 6]
    border = [[1, 1, 1, 1, 0, 0], [1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0], [1, 1, 1, 1, 0, 0]]
    assert sample.ignore.int().tolist() == border
    # 4x6 to 2x2: rows 0 and 2, columns 0 and 3
    mask, ignore = test.masks_at(2)[1]
    assert not mask.any() and ignore.all()


def test_damaged_pets(pets):
    annotations = pets / "oxford-iiit-pet" / "annotations"
    with pytest.raises(ValueError, match="val_per_class=10: give a whole number in 1..3"):
        data.load("pets", "val", root=pets)
    Image.new("L", (6, 4), 7).save(annotations / "trimaps" / "Abyssinian_5.png")
    with pytest.raises(StorageError, match="Abyssinian_5.png is not a trimap"):
        data.load("pets", "test", root=pets, cache=False).masks_at(8)
