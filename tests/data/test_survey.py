"""What ``data folder:PATH`` says of a folder before anything is trained on it."""

import shutil
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from entreg_utils import __main__ as cli
from entreg_utils import data
from entreg_utils.files import StorageError


def picture(path, width=40, height=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), 90, np.uint8)
    pixels[0, 0] = list(sha256("/".join(path.parts[-3:]).encode()).digest()[:3])  # no two are equal
    Image.fromarray(pixels).save(path)


@pytest.fixture
def home(tmp_path):
    """Two classes in three splits, of three sizes in training."""
    for split in ("train", "val", "test"):
        for own in "ab":
            picture(tmp_path / split / own / "1.png")
    picture(tmp_path / "train" / "a" / "2.png", 80, 60)
    picture(tmp_path / "train" / "a" / "3.png", 10, 30)
    lines = ["image,x0,y0,x1,y1", "train/a/1.png,1,2,40,20", "train/a/1.png,1,2,5,5"]
    (tmp_path / "boxes.csv").write_text("\n".join([*lines, "val/a/1.png,0,0,9,9"]))
    picture(tmp_path / "masks" / "test" / "b" / "1.png")
    return tmp_path


def test_what_was_found(home):
    found = data.survey(home)
    assert found.suspects == () and found.source == "own folders"  # a box may end at the width
    assert found.table.loc["train"].tolist() == [4, 2, 1, 2, 0, "10x30", "40x20", "80x60"]
    assert found.table.loc["val"].tolist() == [2, 2, 1, 1, 0] + ["40x20"] * 3
    assert found.table.loc["test"].tolist() == [2, 2, 0, 0, 1] + ["40x20"] * 3
    assert str(found).endswith("own folders\nnothing looks like a mistake")
    assert data.survey(home.name, home.parent).table.equals(found.table)


def test_suspects_are_named_and_the_rest_is_counted(home):
    (home / "boxes.csv").write_text("image,x0,y0,x1,y1\nval/a/1.png,0,0,50,9\ntest/a/1.png,1,1,3,3")
    picture(home / "masks" / "val" / "b" / "1.png", 20, 20)
    picture(home / "val" / "c" / "1.png")
    (home / "masks" / "test" / "b" / "1.png").write_text("no image")
    (home / "train" / "a" / "2.png").write_bytes(b"")
    (home / "train" / "a" / "notes.odt").write_text("")
    found = data.survey(home)
    expected = (
        "notes.odt is left out: photographs end in",
        "2.png (no format that Pillow reads) cannot be read as an image",
        "boxes.csv, line 2: the box 0,0,50,9 does not fit val/a/1.png of 40x20 pixels",
        "masks/val/b/1.png has 20x20 pixels and its photograph 40x20",
        "test/b/1.png (no format that Pillow reads) cannot be read",
        "class 'c' is in val only",
    )
    assert len(found.suspects) == len(expected)
    for said, part in zip(found.suspects, expected, strict=True):
        assert part in said
    assert found.table.loc["val", ["images", "with_boxes", "with_masks"]].tolist() == [3, 0, 1]
    assert found.table.loc["train", ["images", "smallest", "largest"]].tolist() == [
        4,
        "10x30",
        "40x20",
    ]


@pytest.mark.parametrize("ending", ["jpg", "png", "tiff"])
def test_what_is_cut_short_is_named(home, ending):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    for name in ("train/b/7", "train/b/8", "masks/val/b/1"):
        path = home / f"{name}.{'png' if 'masks' in name else ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise[:20, :40] if "masks" in name else noise).save(path)
        if name != "train/b/7":
            path.write_bytes(path.read_bytes()[: int(0.9 * path.stat().st_size)])
    photo, mask = data.survey(home).suspects
    assert f"train/b/8.{ending} (" in photo and "cannot be read as an image" in photo
    assert "masks/val/b/1.png (" in mask and "cannot be read as an image" in mask
    with pytest.raises(StorageError):  # as at a run
        _ = data.load(f"folder:{home}", "train", cache=False).images


def test_values_that_cannot_be_read_are_named(home):
    dark = np.full((8, 8), 4000, np.uint16)  # of 12 bits
    Image.fromarray(dark).save(home / "train" / "b" / "7.png")
    picture(home / "masks" / "val" / "b" / "1.png")
    (home / "classes.txt").write_text("1,a\n2,b\n")
    said = data.survey(home).suspects
    assert len(said) == 3 and "numbers in 4000..4000 where 0..65535" in said[0]
    assert all("no grey or palette image of the values 0, 1, 2, 255" in one for one in said[1:])


def test_empty_folders_are_named(home):
    for name in ("train/c", "val/d/e", "train/.hidden", "f"):
        (home / name).mkdir(parents=True)
    (said,) = data.survey(home).suspects
    assert said == "f and 2 more are left out: nothing lies there"
    for name in ("val/d/e", "val/d", "f"):
        (home / name).rmdir()
    assert data.survey(home).suspects == ("train/c is left out: nothing lies there",)
    with pytest.warns(UserWarning, match="train/c is left out: nothing lies there"):
        data.load(f"folder:{home}", "train", cache=False)


def test_a_file_that_stands_in_two_splits_is_named_and_one_twice_in_one_split_is_not(home):
    for name in ("test/b/7.png", "train/b/9.png"):
        shutil.copy(home / "train" / "a" / "3.png", home / name)
    (said,) = data.survey(home).suspects
    assert said == "test/b/7.png of test and train/a/3.png of train are the same file"


def test_the_command_prints_it(home, capsys):
    assert cli.main(["data", f"folder:{home}"]) == 0
    assert capsys.readouterr().out == f"{data.survey(home)}\n"
    picture(home / "train" / "a" / "4.png")
    for index in range(30):
        picture(home / "val" / f"own{index}" / "1.png")
    assert cli.main(["data", f"folder:{home.name}", "--root", str(home.parent)]) == 0
    assert capsys.readouterr().out.endswith(f"and {30 - 20} more\n")
    assert cli.main(["data", f"folder:{home}/none"]) == 1
    assert "none is no folder: give folder:PATH of your photographs" in capsys.readouterr().err
