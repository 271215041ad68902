"""The course's networks: sizes, strides taken out, what is handed on, where erasing may sit, and
where the map lies."""

import pytest
import timm
import torch
import torchvision

from entreg_utils import models
from entreg_utils.models.backbones import PreActBlock

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
    return {name: randomise(models.build(name, 7)) for name in models.MODELS}


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


@pytest.mark.parametrize("name", models.MODELS)
def test_logits_are_the_head_on_the_mean_and_the_map_is_not_negative(nets, images, name):
    net = nets[name]
    with torch.no_grad():
        features, stages = net.forward_features(images), net.stage_features(images)
        assert features.shape == (2, net.head.in_features, 64 // net.stride, 96 // net.stride)
        assert torch.equal(net(images), net.head(features.mean((2, 3))))
    assert (features >= 0).all() and features.std() > 0
    assert net.head.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert (net.head.bias == 0).all()
    assert torch.equal([*stages.values()][-1], features)
    assert len(stages) == (2 if name == "toy" else 4)
    with pytest.raises(ValueError, match="but must be"):  # one channel
        net.stage_features(images[:, :1])
    assert not any(module._forward_hooks for module in net.modules())


def test_the_toy_by_hand():
    net, images = models.build("toy", 3, width=4).eval(), torch.rand(2, 3, 48, 48)
    # (x - 1/2) / (1/4)
    first = net.stages[0](net.stem((images - 0.5) / 0.25))
    expected = torch.relu(net.stages[1][0].bn1(first))
    assert torch.equal(net.stage_features(images)["stage1"], expected)
    assert expected.shape[1:] == (8, 12, 12) and net.head.in_features == 12
    assert net.mean.tolist() == [0.5] * 3 and net.std.tolist() == [0.25] * 3
    assert "mean" not in net.state_dict()


def test_a_block_by_hand():
    block = PreActBlock(1, 1, 1).eval()
    assert block.shortcut is None
    with torch.no_grad():
        for convolution in (block.conv1, block.conv2):
            convolution.weight.zero_()
            convolution.weight[0, 0, 1, 1] = 2  # multiplies by two
    for norm in (block.bn1, block.bn2):
        norm.eps = 1e-30  # vanishes beside 1; older torch refuses 0
    x = torch.tensor([-1.0, 3.0]).view(1, 1, 1, 2)
    # relu, times 2, relu, times 2, plus x: -1 stays, 3 becomes 3 + 12.
    assert block(x).flatten().tolist() == [-1.0, 15.0]


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


def test_half_maps_0_and_1_to_minus_and_plus_one():
    net = models.build("mobilenet_v2", 2, statistics="half")
    found = net.normalized(torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)]))
    assert (found[0] == -1).all() and (found[1] == 1).all()
    assert models.build("preresnet18", 2).mean.tolist() == [0.5] * 3  # as published
    assert not any(key in ("mean", "std") for key in net.state_dict())


@pytest.mark.parametrize("name", models.MODELS)
def test_what_is_zeroed_at_an_erasing_point_reaches_nothing_behind_it(nets, images, name):
    # Zeros in place of the output must cut every path: the logits then no longer see the image.
    net = nets[name]
    points, sides = net.erasing_points(), []
    toy = name == "toy"
    assert list(points) == (["stage1", "last"] if toy else ["stage3.0", "stage4.0", "last"])
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
    assert sides == ([(16, 24)] * 2 if toy else [(8, 12) if opening else (4, 6), (4, 6), (4, 6)])
    with torch.no_grad():
        logits = net(images)
    assert not torch.equal(logits[0], logits[1])


@pytest.mark.parametrize(
    ("images", "kind", "sentence"),
    [
        (torch.zeros(1, 3, 15, 64), ValueError, "64x15 pixels are smaller than one cell"),
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


# ---- where the map lies


@pytest.mark.parametrize("name", models.MODELS)
def test_cells_are_centred_where_the_strides_put_them(name):
    # Padded odd kernels put cell i on pixel 16 i and resizing on 16 i + 7.5, but 225 pixels have 15
    # cells, the last on the last pixel. The toy's 4x4 kernels: both on 4 i + 1/2 + 1.
    net = models.build(name, 2).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert models.map_offset(net, 64) == ((0, 0) if name == "toy" else (7.5, 7.5))
    if name != "toy":
        assert models.map_offset(net, 225) == (0, 0)
        large = models.build(name, 2, large_map=True)
        assert models.map_offset(large, 128) == (3.5, 3.5)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules()) and net.training


def test_other_modules_have_no_places():
    for other in (torch.nn.Linear(1, 1), models.build("timm:test_resnet", 3)):
        with pytest.raises(TypeError, match="the course's own networks only, not in"):
            models.map_offset(other)
