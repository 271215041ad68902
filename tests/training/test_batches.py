"""Batches: order, flips and crops of an epoch, and labels that no loss has a place for."""

from dataclasses import replace

import pytest
import torch

from entreg_utils.training import Recipe
from entreg_utils.training.batches import batches, check_labels, crop_at, generator_of, steps_of

CPU = torch.device("cpu")
RECIPE = Recipe(batch_size=4, flip=False)


class Numbered:
    """Image i shows the number i everywhere, or ``images``."""

    def __init__(self, count=12, images=None):
        numbers = torch.arange(count, dtype=torch.uint8)[:, None, None, None]
        self.images = numbers.expand(count, 3, 4, 4) if images is None else images
        self.labels = torch.arange(len(self.images)) % 3

    def __len__(self):
        return len(self.labels)


def numbers(dataset, recipe, epoch=0, crop=0):
    """The images of each batch as bytes again, with their targets."""
    return [
        ((images * 255).round().to(torch.uint8), target)
        for images, target in batches(dataset, recipe, epoch, CPU, crop)
    ]


def order(dataset, recipe, epoch=0):
    return [images[:, 0, 0, 0].tolist() for images, _ in numbers(dataset, recipe, epoch)]


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own():
    first, second = (sum(order(Numbered(), RECIPE, epoch), []) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(12)) and first != second
    fives = order(Numbered(), replace(RECIPE, batch_size=5))
    assert [len(batch) for batch in fives] == [5, 5]  # the shorter last batch is left out
    assert sum(fives, []) == first[:10]  # the order depends on seed and epoch alone
    assert sum(order(Numbered(), replace(RECIPE, seed=1)), []) != first
    for images, target in numbers(Numbered(), RECIPE):
        assert target.tolist() == [number % 3 for number in images[:, 0, 0, 0].tolist()]


def test_the_seed_of_an_epoch_is_that_of_the_records():
    seeds = [generator_of(Recipe(seed=3), 2, stream).initial_seed() for stream in (0, 1)]
    assert seeds == [300_011, 300_011 + 2**40]


def test_an_epoch_of_other_length_draws_pass_after_pass():
    seen = order(Numbered(), replace(RECIPE, epoch_images=28))
    assert len(seen) == 7
    flat = sum(seen, [])
    assert sorted(flat[:12]) == sorted(flat[12:24]) == list(range(12)) and flat[:12] != flat[12:24]
    assert len(set(flat[24:])) == 4
    assert flat[:12] == sum(order(Numbered(), RECIPE), [])  # the first pass is as without it


def test_flips_mirror_half_of_the_images_and_nothing_else():
    images = torch.zeros(400, 3, 4, 4, dtype=torch.uint8)
    images[..., 0] = 200  # the left column is bright
    recipe = replace(RECIPE, batch_size=400, flip=True)
    ((seen, _),) = numbers(Numbered(images=images), recipe)
    flipped = (seen == images[0].flip(2)).flatten(1).all(1)
    assert torch.equal(flipped, ~(seen == images[0]).flatten(1).all(1))
    assert 150 < flipped.sum() < 250  # five standard deviations
    ((seen, _),) = numbers(Numbered(images=images), replace(recipe, flip=False))
    assert torch.equal(seen, images)


# ---- crops


def coordinates(side):
    """(3, side, side): row in channel 0, column in channel 1."""
    rows = torch.arange(side, dtype=torch.uint8)
    zeros = torch.zeros(side, side, dtype=torch.uint8)
    return torch.stack([rows[:, None].expand(side, side), rows.expand(side, side), zeros])


def test_a_crop_is_the_slice_at_its_corner():
    images = torch.stack([coordinates(9), coordinates(9) + 100])
    cropped = crop_at(images, torch.tensor([[0, 5], [3, 2]]), 4)
    assert torch.equal(cropped[0], images[0, :, 0:4, 5:9])
    assert torch.equal(cropped[1], images[1, :, 3:7, 2:6])


def test_crops_are_squares_of_the_image_from_every_corner_alike():
    images = coordinates(6).expand(3000, 3, 6, 6)
    recipe = replace(RECIPE, batch_size=3000)
    ((seen, _),) = numbers(Numbered(images=images), recipe, crop=4)
    corners = seen[:, :2, 0, 0].long()
    whole = crop_at(images, corners, 4)
    assert torch.equal(seen, whole)
    counts = torch.bincount(corners[:, 0] * 3 + corners[:, 1], minlength=9)
    assert len(counts) == 9 and (counts - 3000 / 9).abs().max() < 5 * (3000 / 9) ** 0.5
    again = numbers(Numbered(images=images), recipe, crop=4)[0][0]
    assert torch.equal(seen, again)
    assert not torch.equal(seen, numbers(Numbered(images=images), recipe, 1, 4)[0][0])


def test_a_crop_of_the_whole_image_is_no_crop_and_a_larger_one_is_refused():
    images = coordinates(6).expand(4, 3, 6, 6)
    ((seen, _),) = numbers(Numbered(images=images), RECIPE, crop=6)
    assert torch.equal(seen, images)
    with pytest.raises(ValueError, match="crop=7 is larger than the images, whose side is 6"):
        next(batches(Numbered(images=images), RECIPE, 0, CPU, 7))


def test_reading_ahead_gives_the_same_batches(monkeypatch):
    recipe = replace(RECIPE, flip=True)
    plain = numbers(Numbered(), recipe, crop=3)
    monkeypatch.setattr("entreg_utils.training.batches._READ_AHEAD", 0)
    torch.testing.assert_close(numbers(Numbered(), recipe, crop=3), plain, rtol=0, atol=0)


# ---- refused


def test_an_epoch_shorter_than_a_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size=4 is larger than the 3 training images"):
        steps_of(3, RECIPE)
    assert steps_of(3, replace(RECIPE, epoch_images=9)) == 2


HOT = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("labels", "kind", "sentence"),
    [
        (torch.tensor([0, 2]), "none", "label 2 of training image 1 is outside 0..1"),
        (torch.tensor([0, 1]), "sigmoid", "one class an image: train it with multilabel='none'"),
        (HOT, "none", "several classes an image: train it with multilabel='softmax' or"),
        (HOT * 0.5, "sigmoid", "label of training image 0 has other values than 0 and 1"),
        (torch.tensor([[1.0, 0.0], [2.0, 0.0]]), "sigmoid", "image 1 has other values than 0 and"),
        (HOT[:, :1], "sigmoid", "labels have 1 columns, and the head 2 classes"),
        (torch.eye(3), "sigmoid", "labels have 3 columns, and the head 2 classes"),
        (HOT * torch.tensor([[1.0], [0.0]]), "softmax", "training image 1 names no class"),
    ],
)
def test_labels_without_a_place_are_refused(labels, kind, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_labels(labels, 2, kind)


def test_an_image_without_any_class_is_an_answer_to_sigmoids():
    check_labels(HOT * 0, 2, "sigmoid")
    check_labels(HOT, 2, "softmax")
