"""Where cells lie: by hand, and against mirrored images through a mirror-symmetric network."""

import pytest
import torch

from entreg_utils import models


@pytest.mark.parametrize("name", models.MODELS)
def test_cells_are_centred_where_the_strides_put_them(name):
    torch.manual_seed(0)
    net = models.build(name, 2)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    x, y = models.cell_centres(net, 64)
    # Padded odd kernels: cell i on pixel 16 i. The toy's 4x4 kernels: on 4 i + 1/2 + 1.
    expected = [4 * i + 1.5 for i in range(16)] if name == "toy" else [0, 16, 32, 48]
    assert torch.allclose(x, torch.tensor(expected, dtype=x.dtype), rtol=0, atol=1e-6)
    assert torch.allclose(x, y, rtol=0, atol=1e-9)
    offset = 0 if name == "toy" else 7.5
    assert models.map_offset(net, 64) == pytest.approx((offset, offset), abs=1e-6)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_the_large_map_lies_half_as_far_off_and_225_pixels_not_at_all():
    net = models.build("resnet18", 2, large_map=True)
    assert models.map_offset(net, 128) == pytest.approx((3.5, 3.5), abs=1e-6)
    assert models.map_offset(models.build("resnet18", 2), 225) == pytest.approx((0, 0), abs=1e-6)


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
