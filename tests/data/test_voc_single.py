"""notebooks/voc_single.py: VOC's photographs of one class alone, as a folder with masks."""

import numpy as np
import pytest
import voc_single
from PIL import Image

from entreg_utils import data
from tests.data.test_voc import root, segmentation  # noqa: F401  a fixture

LISTS = ("train", "val")  # of the segmentation: val and test


@pytest.fixture
def devkit(root):  # noqa: F811
    """More photographs: three of a dog alone to train on, one each in val and test, one of two."""
    home = root / "VOCdevkit" / "VOC2012"
    alone, both = ["3001", "3002", "3003", "3004", "3005"], "3006"
    for name in (*alone, both):
        Image.new("RGB", (4, 2), (9, int(name) % 200, 9)).save(home / f"JPEGImages/{name}.jpg")
    for path in (home / "ImageSets/Main").iterdir():
        dog, cat = (path.stem.startswith(name) for name in ("dog", "cat"))
        lines = [f"{name} {1 if dog or cat and name == both else -1}\n" for name in (*alone, both)]
        path.write_text(path.read_text() + "".join(lines))
    for part, name in zip(LISTS, alone[3:], strict=True):
        path = home / f"ImageSets/Segmentation/{part}.txt"
        path.write_text(path.read_text() + f"{name}\n")
        segmentation(home / f"SegmentationClass/{name}.png", [[0, 12, 12, 255], [0, 0, 0, 0]])
    return root


def test_one_class_alone_becomes_a_folder_with_its_masks(devkit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(voc_single, "LEAST", 1)  # bus, alone in val, has none to train on
    target = tmp_path / "own" / "voc_single"
    for _ in range(2):  # again over what is there
        assert voc_single.main(str(devkit), str(target)) == 0
    assert "train: 4 photographs of 2 classes" in capsys.readouterr().out
    files = sorted(str(p.relative_to(target)) for p in target.rglob("*.*"))
    assert files == [
        *("masks/test/dog/3005.png", "masks/val/dog/3004.png", "test/dog/3005.jpg"),
        *("train/dog/3001.jpg", "train/dog/3002.jpg", "train/dog/3003.jpg"),
        *("train/person/2007_3.jpg", "val/dog/3004.jpg"),
    ]
    test = data.load("folder:voc_single", "test", root=target.parent, cache=tmp_path / "cache")
    ((mask, ignore),) = test.masks_at(4)
    assert np.array_equal(mask[::2].astype(int), [[0, 1, 1, 0], [0, 0, 0, 0]])
    assert np.array_equal(ignore[::2].astype(int), [[0, 0, 0, 1], [0, 0, 0, 0]])
