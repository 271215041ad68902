"""Backbones: sizes, strides taken out, what is handed on, and where erasing may sit."""

import copy

import pytest
import timm
import torch
import torchvision

from entreg_utils import models

NAMES = [name for name in models.MODELS if name != "toy"]


def randomise(module, seed=0):
    """Batch-norm and biases away from their start values, so that no equality holds by zeros."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            for value, low in ((layer.weight, 0.5), (layer.bias, -0.2), (layer.running_mean, -0.2)):
                value.data.copy_(low + torch.rand(value.shape, generator=generator))
            layer.running_var.copy_(0.5 + torch.rand(layer.running_var.shape, generator=generator))
    return module.eval()


@pytest.fixture(scope="module")
def nets():
    torch.manual_seed(0)
    return {name: randomise(models.build(name, 7)) for name in NAMES}


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18", 11_689_512),
        ("resnet50", 25_557_032),
        ("seresnet50", 28_088_024),
        ("mobilenet_v2", 3_504_872),
        # ResNet-18 less the batch-norm of three shortcuts, 2 x (128 + 256 + 512); that of the stem
        # and the widths 64, 64, 128, 128, 256, 256, 512 before blocks, with the closing 512, are
        # as many as ResNet-18 has after them.
        ("preresnet18", 11_687_720),
    ],
)
def test_parameter_counts_are_the_published_ones(name, published):
    with torch.device("meta"):
        net = models.MODELS[name](1000)
    assert sum(p.numel() for p in net.parameters()) == published


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_the_head_on_the_mean_and_the_map_is_not_negative(nets, images, name):
    net = nets[name]
    with torch.no_grad():
        features = net.forward_features(images)
        assert features.shape == (2, net.head.in_features, 4, 6)
        assert torch.equal(net(images), net.head(features.mean((2, 3))))
    assert (features >= 0).all() and features.std() > 0
    assert net.head.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert (net.head.bias == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_224_pixels_give_14_cells_and_28_with_the_large_map(name):
    with torch.device("meta"):
        image = torch.zeros(1, 3, 224, 224)
        assert models.MODELS[name](2).forward_features(image).shape[2:] == (14, 14)
        large = models.MODELS[name](2, large_map=True)
        assert large.forward_features(image).shape[2:] == (28, 28)


PRISTINE = {
    "preresnet18": lambda: timm.create_model("resnetv2_18", num_classes=0),
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(weights=None),
}
BLOCKS = {
    "preresnet18": ("stages.2.blocks.0", "stages.3.blocks.0"),
    "mobilenet_v2": ("features.7", "features.14"),
}


def strided_twin(net, name):
    """The library's own network with the same weights and all of its strides."""
    body = PRISTINE.get(name, lambda: timm.create_model(name, num_classes=0))()
    body.classifier = torch.nn.Identity()
    body.load_state_dict(net.body.state_dict())
    return body.eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("large_map", [False, True])
def test_the_changed_block_has_the_strided_features_where_the_grids_meet(name, large_map):
    torch.manual_seed(0)
    net = randomise(models.build(name, 2, large_map=large_map)).double()
    twin = strided_twin(net, name).double()
    path = BLOCKS.get(name, ("layer3.0", "layer4.0"))[0 if large_map else 1]
    fine, coarse = net.body.get_submodule(path), twin.get_submodule(path)
    inputs = next(m for m in fine.modules() if isinstance(m, torch.nn.Conv2d)).in_channels
    x = torch.randn(1, inputs, 9, 8, dtype=torch.float64)
    with torch.no_grad():
        different = (fine(x)[:, :, ::2, ::2] - coarse(x)).abs().max()
        if name == "seresnet50":  # the gate is a mean over the map, finer now: not the same
            assert different > 1e-4
            fine.se = coarse.se = torch.nn.Identity()
        pairs = [(fine, coarse)]
        if name.endswith("18"):  # a second 3x3 follows in basic blocks, with nearer neighbours
            assert different > 0.1
            pairs = [(fine.conv1, coarse.conv1), (fine.downsample, coarse.downsample)]
        for ours, theirs in pairs:
            assert ours(x).shape[2:] == (9, 8) and theirs(x).std() > 0
            assert torch.allclose(ours(x)[:, :, ::2, ::2], theirs(x), rtol=0, atol=1e-10)


def test_up_to_the_changed_block_the_network_is_the_published_one(images):
    torch.manual_seed(0)
    net = randomise(models.build("resnet18", 2))
    twin = strided_twin(net, "resnet18")
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)  # normalised inside
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        expected = twin.forward_intermediates((images - mean) / std, intermediates_only=True)
        found = net.stage_features(images)
    for k in (1, 2, 3):
        assert torch.allclose(found[f"stage{k}"], expected[k], rtol=1e-4, atol=1e-4)
    assert found["stage4"].shape[2:] == (4, 6) and expected[4].shape[2:] == (2, 3)


@pytest.mark.parametrize("name", ["preresnet18", "mobilenet_v2"])
def test_half_maps_0_and_1_to_minus_and_plus_one(name):
    net, seen = models.build(name, 2, statistics="half").eval(), []
    first = next(m for m in net.body.modules() if isinstance(m, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)]))
    assert (seen[0][0] == -1).all() and (seen[0][1] == 1).all()
    assert net.mean.tolist() == [0.5] * 3
    assert not any(key in ("mean", "std") for key in net.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_zeroed_at_an_erasing_point_reaches_nothing_behind_it(nets, images, name):
    # Zeros in place of the output must cut every path: the logits then no longer see the image.
    net = nets[name]
    points = net.erasing_points()
    assert list(points) == ["stage3.0", "stage4.0", "last"]
    sides = []
    for module in points.values():
        seen = []

        def cut(module, inputs, output, seen=seen):
            seen.append(output.clone())
            return torch.zeros_like(output)

        hook = module.register_forward_hook(cut)
        with torch.no_grad():
            logits = net(images)
        hook.remove()
        assert (seen[0] >= 0).all() and (seen[0][0] != seen[0][1]).any()
        assert torch.equal(logits[0], logits[1])
        sides.append(tuple(seen[0].shape[2:]))
    opening = name == "preresnet18"  # the points are at the entrance of the blocks
    assert sides == [(8, 12) if opening else (4, 6), (4, 6), (4, 6)]
    with torch.no_grad():
        logits = net(images)
    assert not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_gives_the_same_logits_and_bf16_nearly(nets, images, name):
    net = copy.deepcopy(nets[name])
    with torch.no_grad():
        expected = net(images)
        net.to(memory_format=torch.channels_last)
        found = net(images.to(memory_format=torch.channels_last))
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
        with torch.autocast("cpu", torch.bfloat16):
            half = net(images)
    assert half.dtype == torch.bfloat16
    assert (half.float() - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize(
    ("images", "kind", "sentence"),
    [
        (
            torch.zeros(1, 3, 15, 64),
            ValueError,
            "64x15 pixels are smaller than one cell",
        ),
        (torch.zeros(1, 1, 64, 64), ValueError, r"must be \(N, 3, H, W\)"),
        (torch.zeros(3, 64, 64), ValueError, r"shape \(3, 64, 64\)"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TypeError, "torch.uint8, but must be float"),
    ],
)
def test_bad_images_are_refused(nets, images, kind, sentence):
    with pytest.raises(kind, match=sentence):
        nets["resnet18"](images)


def test_a_block_without_stride_is_refused():
    with pytest.raises(ValueError, match="Conv2d has no strided convolution to change"):
        models.remove_stride(torch.nn.Conv2d(1, 1, 3))
