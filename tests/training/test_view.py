"""What is shown, what it is scored against, and what a network says of it."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils import data, models
from entreg_utils.training import TrainingError, View, predict
from entreg_utils.training.batches import as_input

LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


class Channels(nn.Module):
    """The feature map is the image, and class c the map of channel c."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 3)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(3))
            self.head.bias.copy_(torch.tensor([0.0, 1.0, 2.0]))

    def forward_features(self, images):
        return images


class Several:
    """Five images: of two classes, none, one, three, none."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (5, 3, 4, 4), generator=generator).to(torch.uint8)
        self.labels = torch.tensor(
            [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 0]], dtype=torch.float32
        )

    def __len__(self):
        return 5


def test_a_crop_cuts_images_boxes_and_masks_alike(photographs):
    dataset = photographs(LABELS, side=64, boxes=True)
    view = View(dataset, crop=32)
    assert torch.equal(view.images(0, 6), dataset.images[:, :, 16:48, 16:48])
    # The whole image is 448 wide where its middle half is 224; a quadrant ends in the centre.
    assert view.boxes[0].tolist() == [[0, 0, 112, 112]]
    assert view.boxes[3].tolist() == [[112, 112, 223, 223]]
    mask, ignore = view.mask(0)
    assert mask.shape == (224, 224) and ignore is None
    assert mask[:112, :112].all() and mask.sum() == 112 * 112
    with pytest.raises(ValueError, match="crop=65 is larger than the images, whose side is 64"):
        View(dataset, crop=65)
    with pytest.raises(ValueError, match="crop=-1: give a whole number of at least 0"):
        View(dataset, crop=-1)


def test_maps_are_scored_in_the_frame_of_the_data_or_in_the_one_given(photographs):
    world = data.load("toy", "test", num_images=2, image_size=32, cache=False)
    assert View(world).size == 32 and View(world, size=64).size == 64
    assert View(world).boxes[0].tolist() == world.boxes[:1].tolist()
    assert np.array_equal(View(world).mask(0)[0], world.masks[0].numpy())
    assert View(photographs(LABELS)).size == 224
    assert View(photographs(LABELS), size=50).mask(0)[0].shape == (50, 50)


def test_rows_are_some_images_without_their_places(photographs, several):
    view = View(photographs(LABELS, boxes=True), rows=[1, 4])
    assert len(view) == 2 and view.labels.tolist() == [1, 0]
    assert view.pairs.tolist() == [[0, 1], [1, 0]]
    assert torch.equal(view.images(0, 2), view.dataset.images[[1, 4]])
    assert torch.equal(view.images(1, 2), view.dataset.images[[4]])
    assert view.boxes is None and not view.has_masks and not len(view.boxed)
    part = View(several, rows=[3, 7], multilabel="softmax")
    assert part.pairs.tolist() == several.labels[[3, 7]].nonzero().tolist()


@pytest.mark.parametrize(
    ("boxes", "masks", "criterion"),
    [(True, False, "max_box_acc"), (True, True, "pxap"), (False, False, "accuracy")],
)
def test_a_checkpoint_is_chosen_by_localisation_where_there_is_some(
    photographs, several, boxes, masks, criterion
):
    assert View(photographs(LABELS, boxes=boxes, masks=masks)).criterion == criterion
    assert View(several, multilabel="sigmoid").criterion == "mpxap"


# ---- predictions


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_each_pair_has_the_map_of_its_class_and_each_image_its_logits(batch):
    view = View(Several(), multilabel="softmax")
    prediction = predict(Channels(), view, batch=batch)
    pixels = view.dataset.images.float() / 255
    expected = [pixels[image, c] for image, c in view.pairs.tolist()]
    np.testing.assert_allclose(prediction.maps, torch.stack(expected), atol=1e-6)
    logits = pixels.mean((2, 3)) + torch.tensor([0.0, 1.0, 2.0])
    np.testing.assert_allclose(prediction.logits, logits, atol=1e-6)


def test_batches_change_nothing_and_neither_does_evaluation():
    test = data.load("toy", "test", num_images=7, image_size=32, cache=False)
    model = models.build("toy", 8, width=4)
    model.train()
    whole, parts = predict(model, test), predict(model, test, batch=3)
    assert model.training  # evaluation leaves the mode, and the running averages, as they were
    np.testing.assert_allclose(whole.maps, parts.maps, rtol=0, atol=1e-6)
    some = predict(model, View(test, rows=[2, 5]))
    np.testing.assert_allclose(some.logits, whole.logits[[2, 5]], rtol=0, atol=1e-6)


def test_maps_are_scored_while_the_network_is_at_the_next_batch(one_thread):
    torch.set_num_threads(2)
    begun, passed, most, given = threading.Event(), [], [], []

    class Counted(Channels):
        def forward_features(self, images):
            passed.append(len(images))
            if len(passed) == 2:
                begun.set()
            return super().forward_features(images)

    def score(pair, raw):
        assert pair or begun.wait(30)  # the first map is being scored when the next batch begins
        return pair, float(raw.sum())

    def use(found):
        most.append(sum(passed) - len(given))
        given.append(found)

    view = View(Many(40))
    prediction = predict(Counted(), view, batch=5, score=score, use=use)
    assert [pair for pair, _ in given] == list(range(40))
    assert [total for _, total in given] == [float(raw.sum()) for raw in prediction.maps]
    assert max(most) <= 10  # those of the batch that is made, and of the one before
    with pytest.raises(ZeroDivisionError):
        predict(Counted(), view, batch=5, score=lambda pair, raw: 1 / (7 - pair), use=use)


class Many:
    def __init__(self, count):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (count, 3, 4, 4), generator=generator).to(torch.uint8)
        self.labels = torch.arange(count) % 3


def test_boxes_and_masks_are_those_of_pairs(photographs, several):
    dataset = photographs(LABELS)
    masks_at = dataset.masks_at
    dataset.masks_at = lambda size: (own for own in masks_at(size))  # need not be a list
    assert View(dataset).mask(5)[0].tolist() == masks_at(224)[5][0].tolist()
    dataset.masks_at = lambda size: masks_at(size)[:5]
    with pytest.raises(ValueError, match="masks for 5 maps of 6: masks_at gives those of each"):
        View(dataset).mask(0)
    several.boxes_at = lambda size: [np.zeros((0, 4), np.int64)] * len(several.labels)
    with pytest.raises(ValueError, match=r"boxes for 16 maps of \d+: boxes_at gives those of each"):
        View(several).boxes  # noqa: B018


def test_inputs_are_floats_between_nought_and_one():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 2, 2)
    batch = as_input(images, torch.device("cpu"))
    assert batch.dtype == torch.float32
    assert batch[1, :, 1, 0].tolist() == pytest.approx([0, 0.2, 1])
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_no_memory_is_one_sentence():
    class Large(Channels):
        def forward_features(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(TrainingError, match="too little memory for a pass in evaluation: lower"):
        predict(Large(), View(Several()))
