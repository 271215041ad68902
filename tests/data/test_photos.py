"""The data set that all photographs share: labels, pairs, images, boxes and masks."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from entreg_utils import data
from entreg_utils.data import decoding
from entreg_utils.data.photos import MaskReader, Photo, PhotoDataset, inner_box
from entreg_utils.files import StorageError

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"

# four photographs, (height, width)
SHAPES = [(20, 30), (40, 40), (16, 64), (50, 10)]
BOXES = [((1, 2, 4, 6),), ((0, 0, 40, 40),), ((10, 5, 109, 104),), ((0, 0, 1, 1),)]


def left_half(files, label, size):
    """Stands for a reader: the object is the left half, or the right one for odd classes."""
    mask = np.zeros(size, bool)
    mask[:, : size[1] // 2] = True
    ignore = np.zeros_like(mask)
    ignore[0] = True
    mask = mask if label % 2 == 0 else ~mask
    return mask & ~ignore, ignore


@pytest.fixture
def folder(tmp_path):
    for index, shape in enumerate(SHAPES):
        pixels = np.random.default_rng(index).integers(0, 256, (*shape, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    return tmp_path


def photos(folder, **changes):
    return [
        Photo(
            *(folder / f"{i}.png", f"photo {i}", i % 2),
            **{"mask_files": (folder / f"{i}.png",)} | {k: v[i] for k, v in changes.items()},
        )
        for i in range(4)
    ]


def dataset(folder, size=16, **options):
    rows = options.pop("rows", None) or photos(folder)
    options = {"cache": folder / "cache"} | options
    return PhotoDataset("birds", "train", rows, ["even", "odd"], size=size, **options)


def test_multi_hot_labels_and_a_pair_for_every_class_present(folder):
    classes = [(0, 2), (), (1,), (0, 1, 2)]
    rows = [
        Photo(folder / f"{i}.png", str(i), own, mask_files=(folder / f"{i}.png",))
        for i, own in enumerate(classes)
    ]
    reader = MaskReader(left_half, "halves")
    many = PhotoDataset("m", "val", rows, "abc", "", reader, True, size=8, cache=folder / "cache")
    assert many.labels.dtype == torch.float32
    assert many.labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]]
    assert many.pairs.tolist() == [[0, 0], [0, 2], [2, 1], [3, 0], [3, 1], [3, 2]]
    masks = many.masks_at(8)
    assert len(masks) == 6
    assert [bool(mask[1, 0]) for mask, _ in masks] == [True, True, False, True, False, True]
    sample = many[3]
    assert sample.label.tolist() == [1, 1, 1] and sample.mask.shape == (3, 50, 10)
    assert sample.mask[:, 1, 0].tolist() == [True, False, True]
    assert sample.ignore.shape == (50, 10) and int(sample.ignore.sum()) == 10
    assert many[1].mask.shape == (0, 40, 40) and many[1].ignore is None


def test_images_are_decoded_once_for_each_size_order_and_file(folder):
    def caches(birds):
        assert len(birds.images) == len(birds)
        return len(list((folder / "cache").glob("birds-train-images-*.npy")))

    birds = dataset(folder)
    for index in range(4):
        with Image.open(folder / f"{index}.png") as image:
            expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR))
        assert np.array_equal(birds.images[index].permute(1, 2, 0), expected)
    assert birds.images.dtype == torch.uint8 and birds.images.shape == (4, 3, 16, 16)
    assert torch.equal(dataset(folder, cache=False).images, birds.images)
    assert caches(dataset(folder)) == 1 and caches(dataset(folder, size=24)) == 2
    turned = dataset(folder, rows=photos(folder)[::-1])
    assert caches(turned) == 3 == caches(dataset(folder))
    assert torch.equal(turned.images, birds.images.flip(0))
    os.utime(folder / "2.png", ns=(1, 1))
    assert caches(dataset(folder)) == 4
    Image.new("RGB", (9, 9)).save(folder / "2.png")
    assert dataset(folder).images[2].max() == 0


def test_a_sample_keeps_its_own_size(folder):
    birds = dataset(folder, rows=photos(folder, boxes=BOXES))
    sample = birds[2]
    with Image.open(folder / "2.png") as image:
        expected = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    assert torch.equal(sample.image, expected)
    assert (sample.label, sample.image_id) == (0, "photo 2")
    assert sample.boxes.tolist() == [[10, 5, 63, 15]]
    assert sample.mask is None and sample.ignore is None
    assert birds[-1].image_id == "photo 3"
    with pytest.raises(IndexError):
        birds[4]
    assert [item.label for item in birds] == birds.labels.tolist() == [0, 1, 0, 1]
    assert birds.pairs.tolist() == [[0, 0], [1, 1], [2, 0], [3, 1]]
    assert dataset(folder)[0].boxes.shape == (0, 4)


def test_boxes_at_a_size_by_hand(folder):
    boxes = dataset(folder, rows=photos(folder, boxes=BOXES)).boxes_at(20)
    # 30x20: 1, 4 times 20/30 and 2, 6 as they are; 40x40: 39 / 2; 64x16: 63 * 20 / 64 = 19.69 and
    # 15 * 20 / 16 = 18.75; 10x50: 1 * 2 and 1 * 20 / 50
    expected = [[0, 2, 2, 6], [0, 0, 19, 19], [3, 6, 19, 18], [0, 0, 2, 0]]
    assert [box.tolist() for box in boxes] == [[own] for own in expected]
    assert all(box.dtype == np.int64 for box in boxes)
    assert dataset(folder).boxes_at(20) is None
    rows = photos(folder, boxes=[None, None, ((64, 1, 65, 2),), None])
    with pytest.raises(ValueError, match="photo 2: .* image of 64x16: .* do not belong together"):
        dataset(folder, rows=rows).boxes_at(10)


def test_masks_are_read_once_for_every_size(folder):
    calls = []

    def read(files, label, target):
        calls.append(target)
        return left_half(files, label, target)

    birds = dataset(folder, masks=MaskReader(read, "halves"))
    masks = birds.masks_at(10)
    assert len(masks) == 4 and calls == [(10, 10)] * 4
    mask, ignore = masks[1]
    assert mask.dtype == ignore.dtype == bool
    assert not mask[:, :5].any() and mask[1:, 5:].all() and not mask[0].any()
    assert ignore[0].all() and not ignore[1:].any()
    assert np.array_equal(birds.masks_at(10)[1][0], mask) and len(calls) == 4
    birds.masks_at(6)
    assert len(calls) == 8
    plain = dataset(folder, masks=MaskReader(lambda *a: (read(*a)[0], None), "plain"))
    assert not plain.masks_at(10)[0][1].any() and len(calls) == 12
    assert dataset(folder).masks_at(10) is None
    assert [item[0].shape for item in masks] == [(10, 10)] * 4
    with pytest.raises(IndexError):
        masks[4]


def test_workers_get_the_data_set_without_its_pixels(folder):
    birds = dataset(folder, size=64, masks=MaskReader(left_half, "halves"))
    assert birds.images.numel() > 40_000
    sent = pickle.dumps(birds)
    assert len(sent) < 10_000
    assert torch.equal(pickle.loads(sent).images, birds.images)
    in_memory = dataset(folder, cache=False)
    kept = in_memory.images
    assert torch.equal(pickle.loads(pickle.dumps(in_memory)).__dict__["images"], kept)


def test_missing_and_damaged_photographs(folder):
    (folder / "1.png").unlink()
    with pytest.raises(StorageError, match=r"1\.png is not there: .* data birds fetches"):
        dataset(folder)
    (folder / "3.png").unlink()
    with pytest.raises(StorageError, match=r"1\.png and 1 more are not there"):
        dataset(folder)
    for name in ("1.png", "3.png"):
        (folder / name).write_text("no image")
    with pytest.raises(StorageError, match=r"1\.png .*3\.png .* images: .*take out"):
        _ = dataset(folder).images
    assert not list((folder / "cache").glob("*.npy"))


def test_usual_sizes_and_bad_ones(folder):
    assert PhotoDataset("x", "train", photos(folder), "ab").size == 256
    assert PhotoDataset("x", "val", photos(folder), "ab").size == 224
    for size in (0, 7, 4096, 22.4, True, "224"):
        with pytest.raises(ValueError, match="size=.* give a whole number"):
            dataset(folder, size=size)
    with pytest.raises(ValueError, match="the train split of birds is empty"):
        PhotoDataset("birds", "train", [], "ab")


@pytest.mark.parametrize("name", data.PHOTOGRAPHS)
def test_a_split_or_data_set_that_is_not_there(name, tmp_path):
    with pytest.raises(ValueError, match="unknown split 'all': known are train, val, test"):
        data.load(name, "all")
    with pytest.raises(StorageError, match=f"is not there: python -m entreg_utils data {name} fet"):
        data.load(name, "test", root=tmp_path)


def test_the_fingerprint_follows_pixels_and_what_is_said_of_them(folder, monkeypatch):
    plain = dataset(folder).fingerprint
    assert len(plain) == 64 and dataset(folder, size=24, cache=False).fingerprint == plain
    moved = folder / "elsewhere"
    moved.mkdir()
    for index in range(4):  # other files with the same pixels
        Image.open(folder / f"{index}.png").save(moved / f"{index}.bmp")
    rows = [Photo(moved / f"{i}.bmp", str(i), i % 2) for i in range(4)]
    assert dataset(folder, rows=rows).fingerprint == plain
    boxes = [BOXES[0], None, None, None]
    reader = MaskReader(left_half, "halves")
    own = photos(folder)
    other = [*own[:3], Photo(own[3].path, "", 0)]
    changed = (own[::-1], own[:3], photos(folder, boxes=boxes), other)
    many = [Photo(photo.path, "", (0, 1), mask_files=photo.mask_files) for photo in own]
    seen = {plain, *(dataset(folder, rows=rows).fingerprint for rows in changed)}
    seen.add(PhotoDataset("m", "val", many, "ab", "", reader, True).fingerprint)
    assert len(seen) == 6
    with monkeypatch.context() as patch:  # the second look decodes nothing
        patch.setattr(decoding, "read_pixels", lambda *_: pytest.fail("decoded again"))
        assert dataset(folder).fingerprint == plain
    Image.new("RGB", (30, 20)).save(folder / "0.png")
    assert dataset(folder).fingerprint not in seen


def test_one_photograph_without_a_box_keeps_the_boxes_of_the_others(folder):
    boxes = [((10, 20, 99, 199), (0, 0, 5, 5)), None, None, None]
    birds = dataset(folder, rows=photos(folder, boxes=boxes, frame=[(100, 200), *[None] * 3]))
    assert birds.boxes_at(50)[0].tolist() == [[5, 5, 49, 49], [0, 0, 2, 1]]
    assert [box.shape for box in birds.boxes_at(50)] == [(2, 4), (0, 4), (0, 4), (0, 4)]
    birds = dataset(folder, rows=photos(folder, boxes=[BOXES[0], None, ((0, 0, 9, 9),), None]))
    assert [len(box) for box in birds.boxes_at(20)] == [1, 0, 1, 0]
    assert birds[1].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ([10, 20, 40, 30], (10, 20, 40, 30)),  # ends inside
        ([40, 30, 100, 50], (40, 30, 99, 49)),  # on the edge: last column 99, last row 49
        ([90, 0, 120, 80], (90, 0, 99, 49)),  # beyond
        ([1.9, 2.5, 5.1, 7.1], (1, 2, 5, 7)),
        ([100, 0, 105, 5], None),
        ([0, 50, 5, 55], None),
        ([-1, 0, 4, 5], None),
        ([0, 0, 0, 5], None),
    ],
)
def test_corners_by_hand(box, corners):
    if corners:
        assert inner_box(box, (100, 50)) == corners
    else:
        with pytest.raises(ValueError, match="7.jpg: the box .* does not fit an image of 100x50"):
            inner_box(box, (100, 50), "7.jpg")


@pytest.mark.skipif(not (SHARED / "wsol_metadata").exists(), reason="real lists not here")
def test_corners_equal_the_lists_of_the_evaluation_code_on_thirty_classes():
    def rows(path, separator=None):
        cells = (line.split(separator) for line in path.read_text().splitlines())
        return {key: tuple(map(float, rest)) for key, *rest in cells}

    lists = SHARED / "wsol_metadata" / "CUB"
    sizes = rows(lists / "train/image_sizes.txt", ",") | rows(lists / "test/image_sizes.txt", ",")
    boxes = rows(lists / "train/localization.txt", ",") | rows(lists / "test/localization.txt", ",")
    home = SHARED / "CUB_200_2011"
    stated = rows(home / "bounding_boxes.txt")
    pairs = [line.split() for line in (home / "images.txt").read_text().splitlines()]
    assert len(pairs) == 1701
    for number, path in pairs:
        # These photographs were reduced to at most 320 pixels, each side by its own
        # factor; whole pixels of the original come back by rounding.
        width, height = map(int, sizes[path])
        scale = min(1, 320 / max(width, height))
        x, y, w, h = stated[number]
        kx, ky = round(width * scale) / width, round(height * scale) / height
        x, y, w, h = round(x / kx), round(y / ky), round(w / kx), round(h / ky)
        assert inner_box((x, y, x + w, y + h), (width, height)) == boxes[path]
