"""Maps of pairs and logits of images, with one class an image and with several."""

import numpy as np
import pytest
import torch
from torch import nn

from entreg_utils.training import TrainingError, View, predict


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
        self.pairs = self.labels.nonzero()

    def __len__(self):
        return 5


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_each_pair_has_the_map_of_its_class_and_each_image_its_logits(batch):
    dataset = Several()
    prediction = predict(Channels(), dataset, batch=batch)
    pixels = dataset.images.float() / 255
    expected = [pixels[image, c] for image, c in dataset.pairs.tolist()]
    np.testing.assert_allclose(prediction.maps, torch.stack(expected), atol=1e-6)
    logits = pixels.mean((2, 3)) + torch.tensor([0.0, 1.0, 2.0])
    np.testing.assert_allclose(prediction.logits, logits, atol=1e-6)


def test_a_limit_takes_the_pairs_of_the_first_images():
    prediction = predict(Channels(), Several(), limit=3)
    assert len(prediction.maps) == 3 and len(prediction.logits) == 3


def test_a_view_shows_its_middle():
    dataset = Several()
    prediction = predict(Channels(), View(dataset, crop=2, multilabel="softmax"))
    middle = dataset.images[0, 0, 1:3, 1:3].numpy() / 255
    np.testing.assert_allclose(prediction.maps[0], middle, atol=1e-6)


def test_no_memory_is_one_sentence():
    class Large(Channels):
        def forward_features(self, images):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(TrainingError, match="too little memory for a pass in evaluation: lower"):
        predict(Large(), Several())
