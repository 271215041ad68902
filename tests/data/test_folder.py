"""``folder:PATH``: splits, names, boxes and masks of somebody's own photographs."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from entreg_utils import data
from entreg_utils.files import StorageError

SPLITS = ("train", "val", "test")


def picture(path, shade=90, **options):
    """A photograph of 40x20; its left half is darker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((20, 40, 3), shade, np.uint8)
    pixels[:, :20] //= 2
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def home(tmp_path):
    """Two classes of ten, in no split."""
    for name in ("cat", "Hündin und Welpe"):
        for index in range(10):
            picture(tmp_path / "own" / name / f"{index}.jpg", shade=20 * index + 9)
    return tmp_path / "own"


def load(home, split, **options):
    return data.load(f"folder:{home}", split, **({"cache": False, "size": 32} | options))


def test_what_has_no_split_is_held_out_by_names_alone(home):
    splits = {split: load(home, split) for split in SPLITS}
    assert {name: len(own) for name, own in splits.items()} == {"train": 12, "val": 4, "test": 4}
    assert len({image for own in splits.values() for image in own.image_ids}) == 20
    assert splits["val"].labels.tolist() == [0, 0, 1, 1]
    assert splits["val"].class_names == ("Hündin und Welpe", "cat")
    assert splits["val"].source == "val and test held out: 0.2 of each class, seed 0"
    assert splits["val"].image_ids == load(home, "val").image_ids
    assert splits["val"].image_ids != load(home, "val", seed=1).image_ids
    assert len(load(home, "train", hold_out=0.1)) == 16
    moved = home.rename(home.with_name("elsewhere"))
    assert load(moved, "val").image_ids == splits["val"].image_ids
    assert load("elsewhere", "val", root=moved.parent).image_ids == splits["val"].image_ids


def test_split_folders_are_taken_as_they_are(tmp_path):
    for split, count in (("train", 4), ("test", 2)):
        for name in "ab":
            for index in range(count):
                picture(tmp_path / split / name / f"{split}{index}.PNG")
    assert [len(load(tmp_path, split)) for split in SPLITS] == [6, 2, 4]
    assert load(tmp_path, "train").source == "val held out: 0.2 of each class, seed 0"
    picture(tmp_path / "val" / "b" / "v.jpeg")
    assert [len(load(tmp_path, split)) for split in SPLITS] == [8, 1, 4]
    assert load(tmp_path, "val").labels.tolist() == [1]
    assert load(tmp_path, "val").source == "own folders"
    picture(tmp_path / "val" / "c" / "v.jpeg")
    with pytest.raises(ValueError, match="val has the class 'c', and train has not: remove it"):
        load(tmp_path, "train")


def test_boxes_are_read_as_spreadsheets_write_them(home):
    lines = ["image;x0;y0;x1;y1;by", "cat\\6.jpg;1;2;20.9;20;me", "cat/6.jpg;0;0;40;5;me", ""]
    (home / "boxes.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    own = load(home, "train", hold_out=0.1)
    row = own.image_ids.index("cat/6.jpg")
    assert own[row].boxes.tolist() == [[1, 2, 20, 19], [0, 0, 39, 5]]
    assert own.boxes_at(20)[row].tolist() == [[0, 2, 10, 19], [0, 0, 19, 5]]
    # the others have none, and keep their place
    others = [boxes for index, boxes in enumerate(own.boxes_at(20)) if index != row]
    assert len(others) == 15 and {boxes.shape for boxes in others} == {(0, 4)}
    (home / "boxes.csv").unlink()
    assert load(home, "train").boxes_at(20) is None


def test_a_bare_name_will_do_where_it_is_the_only_one(home):
    picture(home / "cat" / "solo.jpg")
    boxes = home.parent / "b.csv"
    boxes.write_text("image,x0,y0,x1,y1\nsolo.jpg,1,2,3,4\n")
    assert sum(load(home, split, boxes=boxes).boxes_at(20) is not None for split in SPLITS) == 1
    boxes.write_text("image,x0,y0,x1,y1\n3.jpg,1,2,3,4\n")
    with pytest.raises(ValueError, match=r"several images \(.*/3.jpg.*\) are named '3.jpg'"):
        load(home, "train", boxes=boxes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IMAGE\ncat/77.jpg,1,2,3,4\n", "boxes.csv: no image is named 'cat/77.jpg'"),
        ("IMAGE\ncat/1.jpg,1,2,3\n", "line 2: give four numbers"),
        ("IMAGE\ncat/1.jpg,9,2,41,4\n", "the box 9,2,41,4 does not fit cat/1.jpg of 40x20"),
        ("IMAGE\ncat/1.jpg,0.1,0.2,0.3,0.4\n", "give 0 <= x0 < x1 <= 40"),
    ],
)
def test_lines_that_do_not_fit_are_named(home, text, message):
    (home / "boxes.csv").write_text(text.replace("IMAGE", "image,x0,y0,x1,y1"))
    with pytest.raises(ValueError, match=re.escape(message)):
        for split in SPLITS:
            load(home, split)


def test_masks_beside_the_photographs_or_in_one_tree(home):
    mask = np.zeros((20, 40), np.uint8)
    mask[:10, :20] = 255
    for path in (home / "cat" / "masks" / "1.png", home / "masks" / "cat" / "2.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    found = []
    for split in SPLITS:
        own = load(home, split)
        masks = own.masks_at(4)
        for row, image in enumerate(own.image_ids):
            if image in ("cat/1.jpg", "cat/2.jpg"):
                inside, ignore = masks[row]
                assert inside.astype(int).tolist() == [[1, 1, 0, 0]] * 2 + [[0] * 4] * 2
                assert not ignore.any() and own[row].mask.sum() == 200
                found.append(image)
            elif masks is not None:  # no mask: no pixel counts
                assert not masks[row][0].any() and masks[row][1].all() and own[row].mask is None
    assert sorted(found) == ["cat/1.jpg", "cat/2.jpg"]
    assert load(home, "val").class_names == ("Hündin und Welpe", "cat")  # masks is no class
    Image.fromarray(mask[:, :30]).save(home / "cat" / "masks" / "1.png")
    with pytest.raises(ValueError, match="masks/1.png has 30x20 pixels and its photograph 40x20"):
        for split in SPLITS:
            load(home, split)


def test_photographs_are_turned_upright_and_boxes_are_of_what_viewers_show(home):
    exif = Image.Exif()
    exif[274] = 6  # viewers turn it by a quarter, clockwise: the left half comes to the top
    for name in SPLITS:
        for own in "ab":
            picture(home / "turned" / name / own / "1.jpg", exif=exif, quality=95)
    (home / "turned" / "boxes.csv").write_text("image,x0,y0,x1,y1\ntest/a/1.jpg,0,0,20,20\n")
    test = load(home / "turned", "test")
    assert test.sizes.tolist() == [[20, 40]] * 2
    assert test[0].image.shape == (3, 40, 20) and test[0].boxes.tolist() == [[0, 0, 19, 20]]
    assert test[0].image[:, :18].max() < 0.25 < test[0].image[:, 22:].min()
    assert test.images[0, :, :14].max() < 64 < test.images[0, :, 18:].min()


def test_what_is_no_photograph(home):
    (home / "cat" / "Thumbs.db").write_text("")
    (home / "cat" / ".hidden.jpg").write_text("")
    with pytest.warns(UserWarning, match="Thumbs.db is left out: photographs end in"):
        assert len(load(home, "train")) == 12
    (home / "cat" / "Thumbs.db").unlink()
    (home / "cat" / "3.jpg").write_text("no image")
    with pytest.raises(StorageError, match="cannot be read as images: .*3.jpg"):
        for split in SPLITS:
            load(home, split).images  # noqa: B018


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(StorageError, match="none is no folder: give folder:PATH"):
        load(tmp_path / "none", "train")
    with pytest.raises(ValueError, match="has no class folders with photographs: put them in"):
        load(tmp_path, "train")
    picture(tmp_path / "a" / "1.jpg")
    with pytest.raises(ValueError, match="has 1 class: give two or more"):
        load(tmp_path, "train")
    picture(tmp_path / "b" / "1.jpg")
    with pytest.raises(
        ValueError, match="class 'a' has 1 photograph, too few to hold out test and val"
    ):
        load(tmp_path, "train")
    for share in (0, 0.5, -1):
        with pytest.raises(ValueError, match="hold_out=.*: give a share of each class"):
            load(tmp_path, "train", hold_out=share)
    with pytest.raises(ValueError, match="'sizes': folder:.* has size, classes, cache, boxes"):
        load(tmp_path, "train", sizes=3)


def test_an_accent_is_the_same_in_every_spelling(tmp_path):
    composed, apart = "caf\u00e9", "cafe\u0301"  # as a Mac's file system spells it
    for name in SPLITS:
        picture(tmp_path / name / "a" / f"{apart}.jpg")
        picture(tmp_path / name / "b" / "1.jpg")
    (tmp_path / "boxes.csv").write_text(f"image,x0,y0,x1,y1\ntrain/a/{composed}.jpg,1,2,3,4\n")
    train = load(tmp_path, "train")
    assert train.image_ids[0] == f"train/a/{composed}.jpg" and os.path.exists(train.paths[0])
    assert train[0].boxes.tolist() == [[1, 2, 3, 4]]
