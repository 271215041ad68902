"""A pre-activation residual network small enough to train in seconds on two CPU cores."""

import torch
from torch import nn

from entreg_utils.fields import plain_numbers, whole
from entreg_utils.models.base import Backbone


class PreActBlock(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv plus a shortcut (He et al., 2016, identity mappings).

    Where it halves the side, the kernel is 4x4 instead of 3x3 (and 2x2 in the shortcut): output i
    is then centred on pixel 2i + 1/2 of the input, where resizing the map puts it back. A padded
    3x3 with stride 2 centres it on 2i, and every map comes out shifted to the right and down.
    """

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 2 + stride, stride, 1, bias=False)
        self.relu = nn.ReLU()  # a module, so that its output can be seen and erased
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, stride, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pre = self.relu(self.bn1(x))
        skip = x if self.shortcut is None else self.shortcut(pre)
        return skip + self.conv2(torch.relu(self.bn2(self.conv1(pre))))


class ToyNet(Backbone):
    """Stem of width w, two stages of widths 2w and 3w, then BN-ReLU, GAP and a linear head.

    The stem and the first stage halve the side: a 48x48 image gives a 12x12 map. The body is this
    small because a course trains dozens of them on two cores.

    Between blocks the state is a plain sum of any sign. The first block of a stage projects its
    shortcut, so its opening BN-ReLU feeds both paths and is all that flows on: that of stage 2 is
    the erasing point ``stage1`` (what stage 1 hands on), and the closing BN-ReLU, which is what
    stage 2 hands on, is ``last``.

    ``num_classes``: C; ``width``: w, channels of the stem; ValueError for others than whole
    numbers.
    """

    points = {"stage1": "stages.1.0.relu", "last": "relu"}
    ends = {"stage1": "stages.1.0.relu", "stage2": "relu"}
    parts = ("stem", "stages.0"), ("stages.1", "norm")

    @plain_numbers
    def __init__(self, num_classes: int, width: int = 16):
        super().__init__()
        width = whole("width", width, 1, 10**4)
        self.stem = nn.Conv2d(3, width, 4, 2, 1, bias=False)
        self.stages = nn.ModuleList(
            nn.Sequential(PreActBlock(inputs, outputs, stride))
            for inputs, outputs, stride in ((width, 2 * width, 2), (2 * width, 3 * width, 1))
        )
        self.norm = nn.BatchNorm2d(3 * width)
        self.relu = nn.ReLU()
        self.add_head(3 * width, num_classes)
        self.add_statistics((0.5,) * 3, (0.25,) * 3)
        self.stride = self.smallest = 4

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Feature map (N, 3w, H/4, W/4), non-negative, of images float32 (N, 3, H, W) in 0..1."""
        self.check_images(images)
        x = self.stem((images - 0.5) / 0.25)
        for stage in self.stages:
            x = stage(x)
        return self.relu(self.norm(x))
