"""OpenImages30k: on a small tree in its layout, on real masks, and on the real lists."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from entreg_utils import data
from entreg_utils.files import StorageError

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
MASKS = SHARED / "openimages_masks_sample" / "test_masks" / "val"


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def drawing(path, size, *boxes):
    """A mask of ``size = (W, H)`` with filled boxes ``x0, y0, x1, y1``, ends excluded."""
    pixels = np.zeros(size[::-1], np.uint8)
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
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


def test_the_mask_is_the_union_and_the_object_is_never_ignored(root):
    val = data.load("openimages", "val", root=root, cache=root / "cache")
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


def test_training_has_no_masks_and_classes_keep_their_names(root):
    train = data.load("openimages", "train", root=root / "OpenImages", cache=False)
    assert train.class_names == ("/m/0aa", "/m/0bb") and train.labels.tolist() == [1, 0]
    assert train.masks_at(8) is None and train[0].mask is None
    named = data.load("openimages", "val", root=root, classes=["/m/0bb", "/m/0aa"])
    assert named.labels.tolist() == [1, 0]


def test_what_is_damaged_or_missing_is_named(root):
    mask = root / "OpenImages" / "val/0aa/x_m0aa_2.png"
    whole = mask.read_bytes()
    mask.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(StorageError, match="x_m0aa_2.png .* copy it again"):
        data.load("openimages", "val", root=root, cache=root / "cache").masks_at(4)
    assert not list((root / "cache").glob("*.npy"))
    mask.write_bytes(whole)
    (root / "OpenImages" / "val/0aa/x_ignore.png").unlink()
    val = data.load("openimages", "val", root=root, cache=False)
    with pytest.raises(StorageError, match="x_ignore.png is not there"):
        val.masks_at(4)
    with pytest.raises(StorageError, match="OpenImages/test is not there: .* data openimages"):
        data.load("openimages", "test", root=root)


def reference(masks, ignore, size):
    """The protocol read off the page, with OpenCV's own reader."""

    def grey(path):
        pixels = np.float32(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_NEAREST) > 0.5

    union = np.any([grey(path) for path in masks], axis=0)
    return union, grey(ignore) & ~union


@pytest.mark.skipif(not MASKS.exists(), reason="real masks not here")
def test_real_lists_with_the_real_masks(tmp_path):
    """The real validation list, cut down to the photographs whose masks are here."""
    home, lists = tmp_path / "OpenImages", tmp_path / "metadata" / "OpenImages" / "val"
    here = {path.name.split("_")[0] for path in MASKS.glob("*/*_ignore.png")}
    real = SHARED / "wsol_metadata" / "OpenImages" / "val"

    def kept(name):
        lines = (real / f"{name}.txt").read_text().splitlines()
        return [line for line in lines if Path(line.split(",")[0]).stem in here]

    names = ("image_ids", "class_labels", "localization")
    write(lists, **{name: kept(name) for name in names})
    for mask in MASKS.glob("*/*.png"):
        target = home / "val" / mask.parent.name / mask.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(mask.resolve())
    for image_id in kept("image_ids"):
        Image.new("RGB", (32, 24)).save(home / image_id)
    val = data.load("openimages", "val", root=tmp_path, cache=tmp_path / "cache")
    assert len(here) == len(val) == 5
    for size in (224, 100):
        masks = val.masks_at(size)
        for image_id, (mask, ignore) in zip(val.image_ids, masks, strict=True):
            folder, stem = MASKS / Path(image_id).parent.name, Path(image_id).stem
            objects = sorted(folder.glob(f"{stem}_m*.png"))
            expected = reference(objects, folder / f"{stem}_ignore.png", size)
            assert np.array_equal(mask, expected[0]) and np.array_equal(ignore, expected[1])
        assert max(mask.mean() for mask, _ in masks) == 1.0  # one object fills its photograph
        assert max(ignore.mean() for _, ignore in masks) > 0.7
