"""Where cells lie: by hand, and against mirrored images through a mirror-symmetric network."""

import pytest
import torch

from entreg_utils import models


@pytest.mark.parametrize("name", models.MODELS)
def test_cells_are_centred_where_the_strides_put_them(name):
    # Padded odd kernels put cell i on pixel 16 i and resizing on 16 i + 7.5, but 225 pixels have 15
    # cells, the last on the last pixel. The toy's 4x4 kernels: both on 4 i + 1/2 + 1.
    net = models.build(name, 2).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert models.map_offset(net, 64) == ((0, 0) if name == "toy" else (7.5, 7.5))
    assert name == "toy" or models.map_offset(net, 225) == (0, 0)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules()) and net.training


def test_the_large_map_lies_half_as_far_off():
    assert models.map_offset(models.build("resnet18", 2, large_map=True), 128) == (3.5, 3.5)


def test_mirrored_images_give_mirrored_maps_at_16_m_plus_1_pixels_only():
    # An oracle that knows nothing of ramps: kernels made symmetric, so the grid alone decides.
    torch.manual_seed(0)
    net = models.build("resnet18", 2).eval().double()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data = (layer.weight + layer.weight.flip(3)) / 2
    gaps = []
    with torch.no_grad():
        for side in (65, 64):
            image = torch.rand(1, 3, side, side, dtype=torch.float64)
            there = net.forward_features(image.flip(3)).flip(3)
            gaps.append((net.forward_features(image) - there).abs().max().item())
    assert gaps[0] < 1e-10 and gaps[1] > 1e-3


def test_other_modules_are_refused():
    with pytest.raises(TypeError, match="Linear is no backbone: make one with models.build"):
        models.map_offset(torch.nn.Linear(1, 1))
