"""CUB and OpenImages30k: on small trees in their layouts, and on real parts where they are."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from entreg_utils import data
from entreg_utils.data.evaluated import read_evaluation_list, read_instances
from entreg_utils.files import StorageError

SPLITS = ("train", "val", "test")
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
REFERENCE = "../reference/box_reference.npz"
needs_birds = pytest.mark.skipif(
    not all((SHARED / name).exists() for name in ("CUB_200_2011", "wsol_metadata")),
    reason="real photographs and lists not here",
)
CLASSES = ["001.Grey_bird", "002.Red_bird", "003.Old_bird"]
LISTED = {"lists": "evaluation"}


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def picture(path, size=(40, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 9, 9)).save(path)


def drawing(path, size, *boxes):
    """A mask of ``size = (W, H)`` with filled boxes ``x0, y0, x1, y1``, ends excluded."""
    pixels = np.zeros(size[::-1], np.uint8)
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def birds(tmp_path):
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


def add_lists(birds, photographs=True):
    """The lists of the evaluation code, with two photographs of CUBV2; sizes are doubled."""
    folder = birds / "metadata" / "CUB"
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
                picture(birds / "CUBV2" / image_id, (60, 60))


def splits_of(birds, **options):
    return {split: data.load("cub", split, root=birds, **options) for split in SPLITS}


def test_the_official_split_and_the_part_for_validation(birds):
    splits = splits_of(birds, val_per_class=1)
    assert {s: len(d) for s, d in splits.items()} == {"train": 6, "val": 3, "test": 6}
    assert [i[-5] for i in splits["test"].image_ids] == ["3", "4"] * 3
    assert splits["val"].labels.tolist() == [0, 1, 2]
    assert len({image for own in splits.values() for image in own.image_ids}) == 15
    assert splits["train"].class_names == ("Grey bird", "Red bird", "Old bird")
    assert splits["val"].source == "official split, 1 images a class for validation"
    own = data.load("cub", "train", root=birds / "CUB_200_2011", val_per_class=2)
    assert own.labels.tolist() == [0, 1, 2]
    # numbers 4, 5, 9, ..: x, min(x + 10, 39), 2, min(2 + 18, 19)
    assert splits["test"][0].boxes.tolist() == [[4, 2, 14, 19]]
    # to 80x80: x doubled, y four times
    assert splits["test"].boxes_at(80)[0].tolist() == [[8, 8, 28, 76]]


def test_classes_are_renumbered_and_keep_their_names(birds):
    few = data.load("cub", "test", root=birds, classes=["Old bird", "Red bird"])
    assert few.class_names == ("Red bird", "Old bird")
    assert few.labels.tolist() == [0, 0, 1, 1] and few.num_classes == 2
    assert few.image_ids[0].startswith("002.Red_bird/")
    val = data.load("cub", "val", root=birds, classes=2, val_per_class=1).image_ids
    assert val == data.load("cub", "val", root=birds, val_per_class=1).image_ids[:2]
    # a tree with gaps in the numbers of its classes
    write(birds / "CUB_200_2011", classes=["1 001.Grey_bird", "3 003.Old_bird"])
    test = data.load("cub", "test", root=birds)
    assert test.class_names == ("Grey bird", "Old bird") and test.labels.tolist() == [0, 0, 1, 1]


def test_the_lists_of_the_evaluation_code(birds):
    add_lists(birds)
    splits = splits_of(birds, **LISTED)
    assert {d.source for d in splits.values()} == {"lists of the public evaluation code"}
    assert [i[-5] for i in splits["train"].image_ids] == ["2", "0", "1"] * 3
    assert splits["val"].image_ids == ["003.Old_bird/77.jpg", "001.Grey_bird/55.jpg"]
    assert splits["val"].labels.tolist() == [2, 0]
    assert splits["val"][0].image.shape == (3, 60, 60)
    # stated as 8, 4, 79, 39 of 80x40; the photographs are 60x60 and 40x20
    assert splits["val"][0].boxes.tolist() == [[6, 6, 59, 58]]
    assert splits["test"][0].boxes.tolist() == [[4, 2, 39, 19]]
    assert splits["test"].boxes_at(40)[0].tolist() == [[4, 4, 39, 39]]
    few = data.load("cub", "val", root=birds, classes=["Old bird", "Red bird"], **LISTED)
    assert few.labels.tolist() == [1]


def test_what_is_missing_or_damaged_is_named(birds):
    with pytest.raises(StorageError, match="metadata/CUB/test/image_ids.txt is not there"):
        data.load("cub", "test", root=birds, **LISTED)
    add_lists(birds, photographs=False)  # which validation alone needs
    assert len(data.load("cub", "train", root=birds, **LISTED)) == 9
    with pytest.raises(StorageError, match='photographs of CUBV2 are not in .*lists="official"'):
        data.load("cub", "val", root=birds, **LISTED)
    with pytest.raises(ValueError, match="unknown lists 'mine': known are official, evaluation"):
        data.load("cub", "test", root=birds, lists="mine")
    (birds / "CUB_200_2011" / "images" / CLASSES[0] / "Grey_bird_3.jpg").unlink()
    with pytest.raises(StorageError, match="Grey_bird_3.jpg is not there"):
        data.load("cub", "test", root=birds)
    for name, line, message in (
        ("images", "16 a.jpg", r"image_class_labels.txt says nothing about 16"),
        ("train_test_split", "16 2", r"train_test_split.txt, line 16: .* image number, 0 or 1"),
    ):
        with (birds / "CUB_200_2011" / f"{name}.txt").open("a") as file:
            file.write(line + "\n")
        with pytest.raises(ValueError, match=message):
            data.load("cub", "test", root=birds)


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


@pytest.fixture
def images(tmp_path):
    """Classes 0aa and 0bb. Of val/0aa/x there are two instances, one drawn at half the size."""
    home, lists = tmp_path / "OpenImages", tmp_path / "metadata" / "OpenImages"
    for name in ("train/0aa/t.jpg", "train/0bb/u.jpg", "val/0bb/y.jpg", "val/0aa/x.jpg"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (1, 2, 3)).save(home / name)
    drawing(home / "val/0aa/x_m0aa_1.png", (8, 6), (0, 0, 2, 3))
    drawing(home / "val/0aa/x_m0aa_2.png", (4, 3), (3, 2, 4, 3))
    drawing(home / "val/0aa/x_ignore.png", (8, 6), (1, 0, 5, 2))
    drawing(home / "val/0bb/y_m0bb_1.png", (8, 6), (0, 0, 8, 3))
    labels = ["train/0aa/t.jpg,0", "train/0bb/u.jpg,1"]
    write(lists / "train", image_ids=["train/0bb/u.jpg", "train/0aa/t.jpg"], class_labels=labels)
    write(
        lists / "val",
        image_ids=["val/0bb/y.jpg", "val/0aa/x.jpg"],
        class_labels=["val/0bb/y.jpg,1", "val/0aa/x.jpg,0"],
        image_sizes=[],
        localization=[
            "val/0aa/x.jpg,val/0aa/x_m0aa_1.png,val/0aa/x_ignore.png",
            "val/0aa/x.jpg,val/0aa/x_m0aa_2.png,",
            "val/0bb/y.jpg,val/0bb/y_m0bb_1.png,",
        ],
    )
    return tmp_path


MASK = [[1, 1, 0, 0, 0, 0, 0, 0]] * 3 + [[0] * 8] + [[0, 0, 0, 0, 0, 0, 1, 1]] * 2
IGNORE = [[0, 0, 1, 1, 1, 0, 0, 0]] * 2 + [[0] * 8] * 4


def test_the_mask_is_the_union_and_the_object_is_never_ignored(images):
    val = data.load("openimages", "val", root=images, cache=images / "cache")
    assert val.image_ids == ["val/0bb/y.jpg", "val/0aa/x.jpg"] and val.labels.tolist() == [1, 0]
    sample = val[1]
    assert sample.mask.int().tolist() == MASK
    assert sample.ignore.int().tolist() == IGNORE
    assert val[0].mask.int().tolist() == [[1] * 8] * 3 + [[0] * 8] * 3
    assert not val[0].ignore.any()  # the list names no ignore region
    mask, ignore = val.masks_at(2)[1]
    # rows 0 and 3, columns 0 and 4 of the big ones; rows 0 and 1, columns 0 and 2 of the small one
    assert mask.astype(int).tolist() == [[1, 0], [0, 0]]
    assert ignore.astype(int).tolist() == [[0, 1], [0, 0]]
    assert val.boxes_at(2) is None and sample.boxes.shape == (0, 4)


def test_training_has_no_masks_and_classes_keep_their_names(images):
    train = data.load("openimages", "train", root=images / "OpenImages", cache=False)
    assert train.class_names == ("/m/0aa", "/m/0bb") and train.labels.tolist() == [1, 0]
    assert train.masks_at(8) is None and train[0].mask is None
    named = data.load("openimages", "val", root=images, classes=["/m/0bb", "/m/0aa"])
    assert named.labels.tolist() == [1, 0]


def test_what_is_damaged_or_missing_is_named(images):
    mask = images / "OpenImages" / "val/0aa/x_m0aa_2.png"
    whole = mask.read_bytes()
    mask.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(StorageError, match="x_m0aa_2.png .* copy it again"):
        data.load("openimages", "val", root=images, cache=images / "cache").masks_at(4)
    assert not list((images / "cache").glob("*.npy"))
    mask.write_bytes(whole)
    (images / "OpenImages" / "val/0aa/x_ignore.png").unlink()
    val = data.load("openimages", "val", root=images, cache=False)
    with pytest.raises(StorageError, match="x_ignore.png is not there"):
        val.masks_at(4)
    with pytest.raises(StorageError, match="OpenImages/test is not there: .* data openimages"):
        data.load("openimages", "test", root=images)


def test_instances_are_those_of_opencvs_reader(tmp_path):
    """The protocol read off the page: union, nearest neighbour each, what is ignored outside it."""
    files = [tmp_path / f"{name}.png" for name in ("m_1", "m_2", "a_ignore")]
    random = np.random.default_rng(0)
    for path, size in zip(files, [(61, 47), (30, 80), (61, 47)], strict=True):
        pixels = random.integers(0, 2, (size[1] // 4, size[0] // 4))
        Image.fromarray(np.uint8(pixels * 255)).resize(size, Image.Resampling.NEAREST).save(path)
    for size in ((224, 224), (50, 100)):
        read = [np.float32(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) for path in files]
        grey = [cv2.resize(own, size[::-1], interpolation=cv2.INTER_NEAREST) > 0.5 for own in read]
        mask, ignore = read_instances(tuple(files), 0, size)
        assert np.array_equal(mask, grey[0] | grey[1]) and 0.2 < mask.mean() < 0.9
        assert np.array_equal(ignore, grey[2] & ~mask) and ignore.mean() > 0.05
