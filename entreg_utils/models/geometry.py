"""Where the cells of a feature map lie on the image, and where resizing draws them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from entreg_utils.models.adapt import Adapted
from entreg_utils.models.base import Backbone, check_backbone

_SMALL = 1e-6  # far below the 6 of ReLU6, however often shortcuts double it


def cell_centres(module: Backbone, size: int = 224) -> tuple[Tensor, Tensor]:
    """Pixel coordinates on which the cells of the map are centred, measured.

    A copy of the network gets kernels that read their middle alone (one tap, or the two or four in
    the middle of an even kernel) and average over channels. Shown a ramp, whose value is the
    coordinate, each cell then answers with its own place: x (w,) and y (h,), float64, in pixels
    of an image of ``size`` x ``size``, 0 the centre of the first. TypeError for other networks
    than the course's own; the module is unchanged.
    """
    check_backbone(module)
    if isinstance(module, Adapted):  # its layers may do anything to a ramp
        raise TypeError("cells can be placed in the course's own networks only, no adapted one")
    probe = copy.deepcopy(module).cpu().double().eval()
    _read_middles(probe)
    ramp = torch.arange(size, dtype=torch.float64).expand(size, size)
    pictures = torch.stack([ramp, ramp.T, torch.ones_like(ramp)])[:, None].expand(3, 3, -1, -1)
    mean, std = (value.reshape(1, 3, 1, 1) for value in (probe.mean, probe.std))
    with torch.no_grad():
        answer = probe.forward_features(mean + std * pictures * _SMALL).mean(1)
    answer = answer / answer[2]  # shortcuts add up: the constant picture says by how much
    return answer[0].mean(0), answer[1].mean(1)


def map_offset(module: Backbone, size: int = 224) -> tuple[float, float]:
    """How far a resized map lies beside what its cells saw, in pixels: (right, down).

    Resizing a map of w cells to the image's side puts cell i at (i + 1/2) size / w - 1/2 (pixel
    areas aligned, as OpenCV and ``align_corners=False`` do). The offset is this place less that of
    :func:`cell_centres`, median over cells. 7.5 at stride 16, 3.5 at 8, 0 for the toy network.
    """
    offsets = []
    for centres in cell_centres(module, size):
        cells = torch.arange(len(centres), dtype=torch.float64)
        drawn = (cells + 0.5) * size / len(centres) - 0.5
        offsets.append(float((drawn - centres).quantile(0.5)))
    return offsets[0], offsets[1]


@torch.no_grad()
def _read_middles(probe: nn.Module) -> None:
    from timm.layers import SEModule  # late, as where the bodies are made

    for parent in list(probe.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MaxPool2d):
                cut = (child.kernel_size - 1) // 2  # of each side of the window
                window = child.kernel_size - 2 * cut
                setattr(parent, name, nn.AvgPool2d(window, child.stride, child.padding - cut))
            elif isinstance(child, SEModule):  # one gate for the whole map
                setattr(parent, name, nn.Identity())
    for layer in probe.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.zero_()
            height, width = layer.kernel_size
            rows, columns = (slice((k - 1) // 2, k // 2 + 1) for k in (height, width))
            middle = layer.weight[:, :, rows, columns]
            middle.fill_(1 / middle[0].numel())
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.reset_running_stats()
            layer.weight.fill_(1)
            layer.bias.zero_()
