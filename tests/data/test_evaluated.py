"""CUB: on a small tree in its layout, and on thirty real classes where they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from entreg_utils import data
from entreg_utils.data.evaluated import read_evaluation_list
from entreg_utils.files import StorageError

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
REFERENCE = "../reference/box_reference.npz"
needs_birds = pytest.mark.skipif(
    not all((SHARED / name).exists() for name in ("CUB_200_2011", "wsol_metadata")),
    reason="real photographs and lists not here",
)
CLASSES = ["001.Grey_bird", "002.Red_bird", "003.Old_bird"]


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def picture(path, size=(40, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 9, 9)).save(path)


@pytest.fixture
def root(tmp_path):
    """Three classes of five photographs of 40x20: the first three for training."""
    home = tmp_path / "CUB_200_2011"
    paths = [f"{name}/{name[4:]}_{i}.jpg" for name in CLASSES for i in range(5)]
    numbers = range(1, 16)
    for path in paths:
        picture(home / "images" / path)
    write(
        home,
        classes=[f"{i + 1} {name}" for i, name in enumerate(CLASSES)],
        images=[f"{n} {path}" for n, path in zip(numbers, paths, strict=True)],
        image_class_labels=[f"{n} {(n - 1) // 5 + 1}" for n in numbers],
        train_test_split=[f"{n} {int((n - 1) % 5 < 3)}" for n in numbers],
        bounding_boxes=[f"{n} {n}.0 2.0 10.0 18.0" for n in numbers],
    )
    return tmp_path


def add_lists(root, photographs=True):
    """The lists of the evaluation code, with two photographs of CUBV2; sizes are doubled."""
    folder = root / "metadata" / "CUB"
    for split, ids in {
        "train": [f"{n}/{n[4:]}_{i}.jpg" for n in CLASSES for i in (2, 0, 1)],
        "val": [f"{CLASSES[2]}/77.jpg", f"{CLASSES[0]}/55.jpg"],
        "test": [f"{n}/{n[4:]}_{i}.jpg" for n in CLASSES for i in (4, 3)],
    }.items():
        write(
            folder / split,
            image_ids=ids,
            class_labels=[f"{i},{CLASSES.index(i.split('/')[0])}" for i in ids],
            image_sizes=[f"{i},80,40" for i in ids],
            localization=[f"{i},8,4,79,39" for i in ids],
        )
        if split == "val" and photographs:
            for image_id in ids:
                picture(root / "CUBV2" / image_id, (60, 60))


def test_the_official_split_and_the_part_for_validation(root):
    splits = {s: data.load("cub", s, root=root, val_per_class=1) for s in ("train", "val", "test")}
    assert {s: len(d) for s, d in splits.items()} == {"train": 6, "val": 3, "test": 6}
    assert [i[-5] for i in splits["test"].image_ids] == ["3", "4"] * 3
    assert splits["val"].labels.tolist() == [0, 1, 2]
    assert len({image for own in splits.values() for image in own.image_ids}) == 15
    assert splits["train"].class_names == ("Grey bird", "Red bird", "Old bird")
    assert splits["val"].source == "official split, 1 images a class for validation"
    own = data.load("cub", "train", root=root / "CUB_200_2011", val_per_class=2)
    assert own.labels.tolist() == [0, 1, 2]
    test = splits["test"]
    # numbers 4, 5, 9, ..: x, min(x + 10, 39), 2, min(2 + 18, 19)
    assert test[0].boxes.tolist() == [[4, 2, 14, 19]]
    assert test[1].boxes.tolist() == [[5, 2, 15, 19]]
    # to 80x80: x doubled, y four times
    assert test.boxes_at(80)[0].tolist() == [[8, 8, 28, 76]]


def test_classes_are_renumbered_and_keep_their_names(root):
    few = data.load("cub", "test", root=root, classes=["Old bird", "Red bird"])
    assert few.class_names == ("Red bird", "Old bird")
    assert few.labels.tolist() == [0, 0, 1, 1] and few.num_classes == 2
    assert few.image_ids[0].startswith("002.Red_bird/")
    val = data.load("cub", "val", root=root, classes=2, val_per_class=1).image_ids
    assert val == data.load("cub", "val", root=root, val_per_class=1).image_ids[:2]
    # a tree with gaps in the numbers of its classes
    write(root / "CUB_200_2011", classes=["1 001.Grey_bird", "3 003.Old_bird"])
    test = data.load("cub", "test", root=root)
    assert test.class_names == ("Grey bird", "Old bird") and test.labels.tolist() == [0, 0, 1, 1]


def test_the_lists_of_the_evaluation_code(root):
    add_lists(root)
    splits = {
        s: data.load("cub", s, root=root, lists="evaluation") for s in ("train", "val", "test")
    }
    assert {d.source for d in splits.values()} == {"lists of the public evaluation code"}
    assert [i[-5] for i in splits["train"].image_ids] == ["2", "0", "1"] * 3
    assert splits["val"].image_ids == ["003.Old_bird/77.jpg", "001.Grey_bird/55.jpg"]
    assert splits["val"].labels.tolist() == [2, 0]
    assert splits["val"][0].image.shape == (3, 60, 60)
    # stated as 8, 4, 79, 39 of 80x40; the photographs are 60x60 and 40x20
    assert splits["val"][0].boxes.tolist() == [[6, 6, 59, 58]]
    assert splits["test"][0].boxes.tolist() == [[4, 2, 39, 19]]
    assert splits["test"].boxes_at(40)[0].tolist() == [[4, 4, 39, 39]]
    few = data.load("cub", "val", root=root, lists="evaluation", classes=["Old bird", "Red bird"])
    assert few.labels.tolist() == [1]


def test_lists_of_the_evaluation_code_need_its_photographs_for_validation_alone(root):
    add_lists(root, photographs=False)
    assert len(data.load("cub", "train", root=root, val_per_class=1)) == 6
    assert len(data.load("cub", "train", root=root, lists="evaluation")) == 9
    with pytest.raises(StorageError, match='photographs of CUBV2 are not in .*lists="official"'):
        data.load("cub", "val", root=root, lists="evaluation")


def test_what_is_not_there_is_named(root):
    with pytest.raises(StorageError, match="metadata/CUB/test/image_ids.txt is not there"):
        data.load("cub", "test", root=root, lists="evaluation")
    with pytest.raises(ValueError, match="unknown lists 'mine': known are official, evaluation"):
        data.load("cub", "test", root=root, lists="mine")
    (root / "CUB_200_2011" / "images" / CLASSES[0] / "Grey_bird_3.jpg").unlink()
    with pytest.raises(StorageError, match="Grey_bird_3.jpg is not there"):
        data.load("cub", "test", root=root)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("train_test_split", "16 2", r"train_test_split.txt, line 16: .* image number, 0 or 1"),
        ("images", "16 a.jpg", r"image_class_labels.txt says nothing about 16"),
    ],
)
def test_lists_that_are_damaged(root, name, line, message):
    with (root / "CUB_200_2011" / f"{name}.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=message):
        data.load("cub", "test", root=root)


@needs_birds
def test_thirty_real_classes(tmp_path):
    root = SHARED / "CUB_200_2011"
    sizes = {s: len(data.load("cub", s, root=root)) for s in ("train", "val", "test")}
    assert sizes == {"train": 750, "val": 150, "test": 801}
    val = data.load("cub", "val", root=root)
    assert val.labels.bincount().tolist() == [5] * 30 and val.num_classes == 30
    few = data.load("cub", "val", root=root, classes=3, size=32, cache=tmp_path)
    assert few.images.shape == (15, 3, 32, 32)


@needs_birds
def test_real_boxes_at_224_equal_the_reference_and_nearly_those_of_the_official_file(tmp_path):
    for name, real in (("CUB_200_2011", "CUB_200_2011"), ("metadata", "wsol_metadata")):
        (tmp_path / name).symlink_to((SHARED / real).resolve())
    listed = data.load("cub", "test", root=tmp_path, lists="evaluation")
    official = data.load("cub", "test", root=tmp_path)
    assert len(listed) == len(official) == 801
    assert len(data.load("cub", "train", root=tmp_path, lists="evaluation")) == 900
    order = [official.image_ids.index(image_id) for image_id in listed.image_ids]
    assert listed.labels.tolist() == official.labels[order].tolist()
    theirs, ours = listed.boxes_at(224), official.boxes_at(224)
    # The photographs here were reduced: one of their pixels is up to 224 / side pixels at 224, and
    # each of the two ways truncates.
    for index, row in enumerate(order):
        away = np.abs(theirs[index] - ours[row]).max()
        assert away <= 1 + 224 / official.sizes[row].min()
    # the boxes on which the evaluation code was run
    reference = np.load(SHARED / REFERENCE)["boxes_224"]
    assert np.array_equal(np.concatenate(theirs), reference)


def test_an_evaluation_list_that_leaves_an_image_out(tmp_path):
    write(tmp_path, image_ids=["b.jpg", "a.jpg"], class_labels=["b.jpg,1"])
    with pytest.raises(ValueError, match="class_labels.txt says nothing about a.jpg"):
        read_evaluation_list(tmp_path, "openimages")
    write(tmp_path, class_labels=["b.jpg,1", "a.jpg,0"], localization=["a.jpg,m.png,"])
    with pytest.raises(ValueError, match="localization.txt says nothing about b.jpg"):
        read_evaluation_list(tmp_path, "openimages")
    write(tmp_path, localization=["a.jpg,m.png"])
    with pytest.raises(ValueError, match="line 1: 'a.jpg,m.png' is not path,mask,ignore"):
        read_evaluation_list(tmp_path, "openimages")
