"""A small network with two erasing points, and images for it."""

import pytest
import torch
from torch import nn


class Net(nn.Module):
    """Two convolutions with BN-ReLU, which halve the side twice; GAP and a linear head."""

    def __init__(self):
        super().__init__()
        self.first, self.last = (
            nn.Sequential(nn.Conv2d(c, 4, 2, 2), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
            for c in (3, 4)
        )
        self.head = nn.Linear(4, 2)
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]), persistent=False)

    def erasing_points(self):
        return {"first": self.first, "last": self.last}

    def forward_features(self, images):
        return self.last(self.first(images))

    def forward(self, images):
        return self.head(self.forward_features(images).mean(dim=(2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def images():
    return torch.rand(4, 3, 16, 12, generator=torch.Generator().manual_seed(1))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)
