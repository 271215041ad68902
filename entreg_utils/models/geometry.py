"""Where the cells of a feature map lie on the image, and where resizing draws them."""

import contextlib

import torch
from torch import nn

from entreg_utils.cam.activation import evaluating
from entreg_utils.fields import plain_numbers, whole
from entreg_utils.models.adapt import Adapted
from entreg_utils.models.base import Backbone, check_backbone


@plain_numbers
def map_offset(module: Backbone, size: int = 224) -> tuple[float, float]:
    """How far a resized map lies beside what its cells saw, in pixels: (right, down).

    A layer with kernel k, stride s and padding p centres its output i on cell s i + (k - 1)/2 - p
    of its input; followed through one pass, this places the cells of the map on the image. Resizing
    a map of w cells to the image's side puts cell i at (i + 1/2) size / w - 1/2 (pixel areas
    aligned, as OpenCV and ``align_corners=False`` do). The offset is this place less that of the
    cell, in the middle of the map: 7.5 at stride 16, 3.5 at 8, 0 for the toy network. TypeError for
    other networks than the course's own, ValueError for no size that they take.
    """
    check_backbone(module)
    size = whole("size", size, 1, 4096)
    if isinstance(module, Adapted):  # its layers may do anything to a map
        raise TypeError("cells can be placed in the course's own networks only, no adapted one")
    grids = {size: (0.0, 1)}  # side of a map: centre of its first cell, and its step, in pixels

    def follow(layer, inputs, output):
        before, after = inputs[0].shape[-1], output.shape[-1]
        if after != before:
            start, step = grids[before]
            one = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding")}
            k, s, p = (value if isinstance(value, int) else value[0] for value in one.values())
            grids[after] = start + step * ((k - 1) / 2 - p), step * s

    with contextlib.ExitStack() as stack, torch.no_grad(), evaluating(module):
        for layer in module.modules():
            if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
                stack.enter_context(layer.register_forward_hook(follow))
        images = torch.zeros(1, 3, size, size).to(next(module.parameters()))
        width = module.forward_features(images).shape[-1]
    start, step = grids[width]
    offset = (size - 1) / 2 - (start + step * (width - 1) / 2)
    return offset, offset  # kernels and images are square
