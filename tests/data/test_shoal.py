"""Several fish in one image: whole, apart, of different species, and labelled as VOC is."""

import numpy as np
import pytest
import torch

from entreg_utils import data, training
from entreg_utils.data.reef import MARK
from entreg_utils.data.toy import boxes_of
from entreg_utils.data.toy import generate as generate_world
from entreg_utils.data.world import MOST, World, draw_shoal
from entreg_utils.training.tally import Tally


def generate(world, split, count):
    return generate_world(world, split, count, several=True)


@pytest.fixture(scope="module")
def shoal():
    return data.load("shoal", "train", num_images=300, cache=False, part_visibility=0.8)


def owners(dataset):
    return dataset.pairs[:, 0].numpy()


# ---- the pictures


@pytest.mark.parametrize("size, classes", [(32, 2), (33, 3), (48, 8), (128, 10)])
def test_fish_of_different_species_are_whole_and_apart(size, classes):
    world = World(image_size=size, num_classes=classes, seed=size)
    found = generate(world, "test", 200)
    image, label = np.nonzero(found["labels"])
    scenes, shown = draw_shoal(world, "test", 200)
    number = shown.sum(1)
    assert np.array_equal(found["labels"].sum(1), number)  # none is twice there
    assert set(number) == set(range(1, min(MOST, classes) + 1))
    cover = np.zeros((200, size, size), int)
    np.add.at(cover, image, found["masks"].astype(int))
    assert cover.max() == 1
    # Each within one quadrant; of an odd side the middle belongs to either.
    half = size // 2
    for mask in found["masks"]:
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        assert all(own[-1] <= size - half - 1 or own[0] >= half for own in (rows, columns))
    # Whole: as large as the same fish is in a world of its own, of which nothing is cut off.
    areas = found["masks"].mean((1, 2))
    lengths = np.stack([scene.half_length for scene in scenes], 1)
    plump = np.stack([scene.plumpness for scene in scenes], 1)
    species = np.stack([scene.labels for scene in scenes], 1)
    own = species[image] == label[:, None]
    own &= shown[image]
    ellipses = np.pi * (lengths**2 * plump)[image][own]
    assert np.all((areas > 1.05 * ellipses) & (areas < 1.8 * ellipses)), (areas / ellipses).min()


def test_fish_and_cues_are_as_many_as_they_should_be():
    world = World(part=0.9, body=0.6, context=0.4, part_visibility=0.5, image_size=32)
    found = generate(world, "train", 1500)
    image, label = np.nonzero(found["labels"])
    counts = np.bincount(found["labels"].sum(1).astype(int), minlength=4)
    # four standard deviations of binomial counts
    assert counts[0] == 0 and np.all(np.abs(counts[1:] - 500) < 4 * np.sqrt(1500 * 2 / 9))
    each = found["labels"].mean(0)  # 2 of 8 on average
    assert np.all(np.abs(each - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1500))
    part, body, habitat = found["cues"].T
    shown = part >= 0

    def near(hits, share):
        return abs(hits.mean() - share) < 4 * np.sqrt(share * (1 - share) / len(hits))

    assert near(shown, 0.5) and near(part[shown] == label[shown], 0.9) and near(body == label, 0.6)
    first = np.flatnonzero(np.diff(image, prepend=-1))
    assert np.array_equal(habitat, habitat[first][image])  # there is one an image
    tells = found["labels"][np.arange(1500), habitat[first]] > 0
    for fish in (1, 2, 3):
        own = tells[found["labels"].sum(1) == fish]
        assert near(own, 0.4 + 0.6 * (fish - 1) / 7)
    loud = generate(World(context=1.0, image_size=32), "val", 100)
    image, habitat = np.nonzero(loud["labels"])[0], loud["cues"][:, 2]
    assert loud["labels"][image, habitat].all()


def test_bodies_are_repainted_within_the_fish_alone():
    plain, other = (generate(World(body=own, seed=3), "val", 60) for own in (1.0, 0.0))
    assert np.array_equal(plain["masks"], other["masks"])
    different = (plain["images"] != other["images"]).any(1)
    fish = np.zeros_like(different)
    np.logical_or.at(fish, np.nonzero(plain["labels"])[0], plain["masks"])
    grown = torch.nn.functional.max_pool2d(torch.tensor(fish[:, None]).float(), 5, 1, 2)[:, 0] > 0
    assert different.any() and not (different & ~grown.numpy()).any()


# ---- the data set


def test_labels_pairs_boxes_and_masks_agree(shoal):
    assert (shoal.name, shoal.multilabel, shoal.split) == ("shoal", True, "train")
    assert (shoal.frame, shoal.num_classes, shoal.fingerprint) == (48, 8, "")
    assert shoal.images.shape == (300, 3, 48, 48) and shoal.images.dtype == torch.uint8
    assert shoal.labels.shape == (300, 8) and shoal.labels.dtype == torch.float32
    assert torch.equal(shoal.pairs, shoal.labels.nonzero()) and len(shoal.class_names) == 8
    assert len(shoal.masks) == len(shoal.boxes) == len(shoal.cues) == len(shoal.pairs)
    assert np.array_equal(shoal.boxes, boxes_of(shoal.masks.numpy()))
    own = shoal.boxes_at(48)
    assert len(own) == len(shoal.pairs) and np.array_equal(np.concatenate(own), shoal.boxes)
    assert np.array_equal(np.concatenate(shoal.boxes_at(24)), shoal.boxes.numpy() // 2)
    masks = shoal.masks_at(96)
    assert len(masks) == len(own) and masks[5][1] is None
    assert np.array_equal(masks[5][0], shoal.masks[5].numpy().repeat(2, 0).repeat(2, 1))


def test_the_mask_of_a_pair_lies_on_the_fish_that_wears_the_mark_of_its_class():
    world = World(image_size=128)
    found = generate(world, "val", 40)
    scenes, shown = draw_shoal(world, "val", 40)
    image, label = np.nonzero(found["labels"])
    images, pairs = np.arange(40), np.arange(len(image))
    for k, fish in enumerate(scenes):
        facing, slope = fish.facing, fish.slope / np.hypot(1, fish.slope)
        ahead = 0.33 * fish.half_length * facing  # on the mark, and off the eye
        x = (128 * (fish.centre_x + ahead * np.sqrt(1 - slope**2))).astype(int)
        y = (128 * (fish.centre_y + ahead * slope)).astype(int)
        pixels = found["images"][images, :, y, x] / 255 / scenes[0].light[:, :1]
        own = shown[:, k]
        assert np.abs(pixels - MARK[fish.labels])[own].max() < 0.15
        inside = found["masks"][pairs, y[image], x[image]]
        assert np.array_equal(inside, own[image] & (label == fish.labels[image]))


def test_a_sample_and_a_batch_are_as_those_of_several_classes(shoal):
    sample = shoal[-1]
    own = owners(shoal) == 299
    assert torch.equal(sample.label, shoal.labels[299]) and sample.image_id == "train/00299"
    assert torch.equal((sample.image * 255).round().byte(), shoal.images[299])
    assert torch.equal(sample.boxes, shoal.boxes[own])
    assert torch.equal(sample.mask, shoal.masks[own]) and sample.mask.ndim == 3
    assert sample.ignore is sample.part is sample.context is None
    batch = data.collate([shoal[index] for index in range(12)])
    assert torch.equal(batch.label, shoal.labels[:12]) and batch.image.shape == (12, 3, 48, 48)
    counts = shoal.labels[:12].sum(1).int().tolist()
    assert set(counts) == {1, 2, 3}
    assert [len(own) for own in batch.mask] == [len(own) for own in batch.boxes] == counts
    with pytest.raises(IndexError):
        shoal[300]


# ---- what maps of it are worth


def test_perfect_maps_score_one_and_constant_ones_the_share_of_the_object(shoal):
    view = training.View(shoal, multilabel="softmax")
    assert view.criterion == "mpxap" and view.size == 48
    perfect, constant = Tally(view), Tally(view)
    for pair, mask in enumerate(shoal.masks.numpy().astype(np.float32)):
        perfect.add(perfect.measure(pair, mask))
        constant.add(constant.measure(pair, np.zeros((12, 12), np.float32)))
    assert perfect.pool.compute() == 1
    assert perfect.hits[:, 500].mean() > 0.95  # tips of fins may be contours of their own
    shares = [shoal.masks[shoal.pairs[:, 1] == c].float().mean() for c in range(8)]
    assert constant.pool.compute() == pytest.approx(np.mean(shares), abs=1e-6)
    assert constant.pool.compute() == perfect.constant_maps().compute()
