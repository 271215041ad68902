"""Batches of samples, and somebody's own data sets behind the same door."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from entreg_utils import data
from entreg_utils.data.photos import Photo, PhotoDataset

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 8), np.uint8)


def test_a_plain_loader_makes_batches_of_the_drawn_world():
    world = data.load("toy", "test", num_images=6, image_size=32, cache=False)
    first, second = DataLoader(world, batch_size=4)
    assert isinstance(first, data.Sample)
    assert torch.equal(first.image, world.images[:4].float() / 255)
    assert torch.equal(first.label, world.labels[:4]) and second.image.shape[0] == 2
    assert torch.equal(first.mask, world.masks[:4]) and torch.equal(first.part, world.parts[:4])
    assert first.ignore is None and first.image_id == world.image_ids[:4]
    assert torch.equal(torch.cat(first.boxes), world.boxes[:4])


def test_a_plain_loader_makes_batches_of_photographs_of_one_size(tmp_path):
    for index in range(5):
        shape = (8, 8, 3) if index < 4 else (9, 8, 3)
        Image.fromarray(np.full(shape, index, np.uint8)).save(tmp_path / f"{index}.png")
    boxes = [((0, 0, 1, 1),), ((0, 0, 1, 1), (1, 1, 2, 2)), None, None, None]
    rows = [Photo(tmp_path / f"{i}.png", str(i), i % 2, boxes[i], (8, 8)) for i in range(5)]
    photos = PhotoDataset("p", "val", rows[:4], "ab", cache=False)
    (batch,) = DataLoader(photos, batch_size=4, num_workers=1)
    assert batch.image.shape == (4, 3, 8, 8) and batch.label.tolist() == [0, 1, 0, 1]
    assert [len(own) for own in batch.boxes] == [1, 2, 0, 0] and batch.mask is None
    with pytest.raises(ValueError, match="images of 2 sizes make no batch: .*dataset.images"):
        next(iter(DataLoader(PhotoDataset("p", "val", rows, "ab", cache=False), batch_size=5)))
    # labels of several classes, and masks that differ in number
    mask, one = torch.zeros(2, 8, 8, dtype=torch.bool), photos[0]._replace(label=torch.ones(2))
    batch = data.collate([one._replace(mask=own) for own in (mask, mask[:1], None)])
    assert batch.label.tolist() == [[1, 1]] * 3
    assert [own if own is None else len(own) for own in batch.mask] == [2, 1, None]


class Own:
    """The least that is asked for."""

    def __init__(self, **more):
        self.images, self.labels = PIXELS, [0, 1, 2, 0, 1, 2]
        self.__dict__.update(more)


class Pairs(Dataset):
    def __init__(self, images, labels=(0, 1, 2, 0, 1, 2)):
        self.data, self.classes = list(zip(images, labels, strict=True)), ["a", "b", "c"]

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def load(found, split="val"):
    return data.load(lambda split: found, split)


def test_what_is_missing_is_filled_in():
    own = load(Own())
    assert own.images.dtype == torch.uint8 and np.array_equal(own.images, PIXELS)
    assert own.pairs.tolist() == [[i, i % 3] for i in range(6)]
    assert (own.num_classes, own.class_names[2], own.multilabel) == (3, "class 2", False)
    assert (own.split, own.frame, own.image_ids[5]) == ("val", 224, "val/00005")
    assert own.boxes_at(8) is None and own.masks_at(8) is None and len(own) == 6
    assert own[-1].label == 2 and own[-1].boxes.shape == (0, 4)
    several = load(Own(labels=np.eye(6, 2), frame=8, image_ids="abcdef"))
    assert several.multilabel and several.num_classes == 2 and several.frame == 8
    assert several.pairs.tolist() == [[0, 0], [1, 1]] and several.image_ids == list("abcdef")


def test_boxes_and_masks_of_the_images_are_scaled():
    masks = np.zeros((6, 8, 8), bool)
    masks[:, :4] = True
    own = load(Own(boxes=[[[0, 2, 4, 7]]] * 5 + [[]], masks=masks))
    assert own.boxes_at(16)[0].tolist() == [[0, 4, 8, 14]] and own.boxes_at(16)[5].shape == (0, 4)
    assert own.masks_at(2)[0][0].tolist() == [[True, True], [False, False]]
    assert own[0].boxes.tolist() == [[0, 2, 4, 7]] and own[0].mask.sum() == 32


def test_fingerprints_follow_what_is_seen_and_said():
    plain = load(Own()).fingerprint
    assert len(plain) == 64 and load(Own()).fingerprint == plain
    changed = PIXELS.copy()
    changed[5, 2, 7, 7] ^= 1
    boxes = [[[0, 2, 4, 7]]] * 6
    others = [{"images": changed}, {"labels": [0, 1, 2, 0, 2, 1]}, {"boxes": boxes}]
    others += [{"boxes": boxes[:5] + [[]]}, {"masks": np.zeros((6, 8, 8), bool)}]
    assert len({plain, *(load(Own(**changes)).fingerprint for changes in others)}) == 6
    assert load(Own(fingerprint="mine")).fingerprint == "mine"


@pytest.mark.parametrize(
    "images",
    [
        torch.from_numpy(PIXELS),
        torch.from_numpy(PIXELS).float() / 255,
        [Image.fromarray(one.transpose(1, 2, 0)) for one in PIXELS],
    ],
    ids=["bytes", "floats", "pillow"],
)
def test_pairs_of_torch_are_taken(images):
    own = load(Pairs(images))
    assert np.array_equal(own.images, PIXELS) and own.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert own.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (3, "gives int: give an object with images, uint8"),
        (type("Some", (), {"images": PIXELS})(), "gives Some: give an object with images"),
        (Own(images=PIXELS / 255), "images are torch.float64 of shape .*: give uint8"),
        (Own(images=PIXELS[0]), "give uint8 .N, 3, S, S."),
        (Own(images=PIXELS[:, :, :4]), "of shape .6, 3, 4, 8.: give uint8 .N, 3, S, S."),
        (Own(labels=[0, 1]), "labels of shape .2,. do not fit 6 images"),
        (Own(labels=[0, 1, 2, 3, -1, 0]), "labels go beyond its 4 classes"),
        (Own(num_classes=2), "labels go beyond its 2 classes"),
        (Pairs(torch.randn(6, 3, 8, 8) - 9), "image 0 is not in 0..1: leave normalisation out"),
        (Pairs([torch.zeros(3, i + 8, 8) for i in range(6)]), "images of 6 shapes: bring them to"),
    ],
)
def test_what_does_not_fit_is_one_sentence(found, message):
    with pytest.raises(ValueError, match=message):
        load(found)


def test_own_functions_are_found_by_their_name(tmp_path, monkeypatch):
    (tmp_path / "my_birds.py").write_text(
        "from entreg_utils import data\n"
        "def birds(split, size=4, root='here'):\n"
        "    if size == 'toy':\n"
        "        return data.load('toy', split, num_images=3, cache=False)\n"
        "    import numpy as np\n"
        "    class Own: images, labels = np.zeros((2, 3, size, size), np.uint8), [0, 1]\n"
        "    Own.image_ids = [str(root), split]\n"
        "    return Own\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = data.load("my_birds:birds", "test", size=6)
    assert own.images.shape == (2, 3, 6, 6) and own.image_ids == ["here", "test"]
    assert own.name == "my_birds:birds"
    assert data.load("my_birds:birds", "test", root="r").image_ids[0] == "r"
    assert isinstance(data.load("my_birds:birds", "val", size="toy"), data.DrawnDataset)
    for name, message in (("my_birds:fish", "has no 'fish'"), ("no_such:f", "cannot be imported")):
        with pytest.raises(ValueError, match=message):
            data.load(name, "test")
    with pytest.raises(ValueError, match="data set 3 is int: give a name or a function"):
        data.load(3, "test")
    chosen = data.Data(dataset="my_birds:birds", resize=12, crop=8)
    sides = [own.images.shape[-1] for own in (chosen.load("train"), chosen.load("val", 9))]
    assert sides == [12, 9]
    with pytest.raises(ValueError, match="my_birds:birds takes no classes: leave it out"):
        data.Data(dataset="my_birds:birds", classes=2).load("train")
