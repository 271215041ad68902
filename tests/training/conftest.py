"""Small data sets as photographs are: uint8 images, pairs, boxes and masks on demand."""

import numpy as np
import pytest
import torch


class Photographs:
    """N images of side S with a bright square for every class that they show.

    Class c is bright in the quadrant c of the image, so that a network has something to learn.
    """

    multilabel = True

    def __init__(self, labels, side=32, boxes=False, masks=True):
        self.labels, self.side, self.num_classes = labels, side, 4
        generator = torch.Generator().manual_seed(1)
        noise = torch.randint(0, 80, (len(labels), 3, side, side), generator=generator)
        present = labels if labels.ndim == 2 else torch.nn.functional.one_hot(labels, 4)
        self.pairs = present.nonzero()
        for image, c in self.pairs.tolist():
            rows, columns = self._quadrant(c, side)
            noise[image, c % 3, rows, columns] += 150
        self.images = noise.to(torch.uint8)
        self._boxes, self._masks = boxes, masks

    def __len__(self):
        return len(self.labels)

    @staticmethod
    def _quadrant(c, side):
        half = side // 2
        y, x = divmod(c, 2)
        return slice(y * half, (y + 1) * half), slice(x * half, (x + 1) * half)

    def boxes_at(self, size):
        if not self._boxes:
            return None
        found = []
        for c in self.pairs[:, 1].tolist():
            rows, columns = self._quadrant(c, size)
            x1, y1 = min(columns.stop, size - 1), min(rows.stop, size - 1)
            found.append(np.array([[columns.start, rows.start, x1, y1]]))
        return found

    def masks_at(self, size):
        if not self._masks:
            return None
        found = []
        for c in self.pairs[:, 1].tolist():
            mask = np.zeros((size, size), bool)
            mask[self._quadrant(c, size)] = True
            found.append((mask, None))
        return found


@pytest.fixture
def photographs():
    return Photographs


@pytest.fixture
def several():
    """16 images of one to three of four classes."""
    generator = torch.Generator().manual_seed(4)
    labels = (torch.rand(16, 4, generator=generator) < 0.5).float()
    labels[labels.sum(1) == 0, 0] = 1
    return Photographs(labels)
