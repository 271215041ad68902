"""Networks of any make behind the contract: hand-made ones with exact values, timm, torchvision."""

import copy

import numpy as np
import pytest
import torch
import torchvision
from timm.models.swin_transformer import SwinTransformer as swin_of_timm
from torch import nn
from torch.nn import functional

from entreg_utils import cam, models
from entreg_utils.erasing import Erasing, attach
from entreg_utils.models.places import layout_of

RED = [[1.0, 0.0], [0.0, 0.0]]
GREEN = [[0.0, 3.0], [0.0, 1.0]]
IMAGE = torch.tensor([[RED, GREEN, [[9.0, 9.0], [9.0, 9.0]]]])
PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}


class Picked(nn.Module):
    """A_1 = red, A_2 = green, both after a ReLU; what follows is given."""

    def __init__(self, *tail):
        super().__init__()
        self.pick = nn.Conv2d(3, 2, 1, bias=False)
        self.relu = nn.ReLU()
        self.tail = nn.Sequential(*tail)
        with torch.no_grad():
            self.pick.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]])[:, :, None, None])

    def forward(self, images):
        return self.tail(self.relu(self.pick(images)))


def linear():
    head = nn.Linear(2, 3)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 0.5], [0.0, 0.0]]))
        head.bias.copy_(torch.tensor([10.0, -3.0, 1.0]))
    return head


def one_by_one():
    head = nn.Conv2d(2, 3, 1)
    head.weight.data, head.bias.data = linear().weight.data[:, :, None, None], linear().bias.data
    return head


GAP = nn.AdaptiveAvgPool2d(1)
TAILS = {
    "linear": lambda: (GAP, nn.Flatten(), linear()),
    "convolution behind GAP": lambda: (GAP, one_by_one(), nn.Flatten()),
    "convolution before GAP": lambda: (one_by_one(), GAP, nn.Flatten()),
}


@pytest.mark.parametrize("tail", TAILS)
def test_gap_and_a_linear_head_give_cams_by_hand(tail):
    network = Picked(*TAILS[tail]())
    before = copy.deepcopy(network.state_dict())
    model = models.adapt(network, **PLAIN)
    assert model.linear_head and model.num_classes == 3 and model.layer == "relu"
    assert model.forward_features(IMAGE).tolist() == [[RED, GREEN]]
    maps, logits = cam.class_activation_map(model, IMAGE, [1])
    assert maps.tolist() == [[[2.0, 1.5], [0.0, 0.5]]]  # 2 red + green / 2
    assert logits.tolist() == [[10 - 3 / 4, -3 + 4 / 4, 1.0]] == model(IMAGE).tolist()
    graded, _ = cam.grad_cam(model, IMAGE, [1])
    torch.testing.assert_close(4 * graded, maps)
    assert isinstance(model.head, nn.Linear) and model.head.weight.tolist()[1] == [2.0, 0.5]
    # as it was, and reloadable
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert list(model.state_dict()) == [f"network.{key}" for key in before]
    model.load_state_dict(model.state_dict())
    assert network.training and model.stage_features(IMAGE)["last"].tolist() == [[RED, GREEN]]


class Square(nn.Module):
    def forward(self, pooled):
        return pooled.mean((2, 3)) ** 2


def test_another_head_gives_grad_cam_by_hand():
    # s_1 = (mean A_1)^2, so d s_1 / d A_1(x) = 2 mean(A_1) / HW = 2 * 0.25 / 4
    model = models.adapt(Picked(Square()), **PLAIN)
    assert not model.linear_head and model.head is None and model.num_classes == 2
    with torch.no_grad():
        maps, logits = cam.class_activation_map(model, IMAGE, [0])
    assert maps.tolist() == [[[0.125, 0.0], [0.0, 0.0]]] and logits.tolist() == [[0.0625, 1.0]]
    assert not any(part._forward_hooks for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_norm_that_begins_as_the_identity_and_a_head_of_zeros_are_seen_through():
    assert not models.adapt(
        Picked(GAP, nn.Flatten(), nn.BatchNorm1d(2, eps=1e-30), linear())
    ).linear_head
    network = Picked(*TAILS["linear"]())
    nn.init.zeros_(network.tail[2].weight)
    assert models.adapt(network).linear_head and not network.tail[2].weight.any()


def test_what_is_changed_in_place_behind_the_layer_is_the_map():
    class Late(Picked):
        def forward(self, images):
            features = self.pick(images - 1)
            return self.tail(functional.relu(features, inplace=True))

    model = models.adapt(Late(GAP, nn.Flatten(), linear()), **PLAIN)
    assert model.layer == "pick" and model.linear_head
    assert model.forward_features(IMAGE).amin() == 0
    assert model.erasing_points() == {}  # its own output is of any sign


class Tokens(nn.Module):
    """Patches of 8 pixels behind two tokens; only the first one, the patches' mean, is read."""

    class Mix(nn.Module):
        def forward(self, tokens):
            return torch.cat([tokens[:, 2:].mean(1, keepdim=True), tokens[:, 1:]], 1)

    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Conv2d(3, 4, 8, 8), nn.LayerNorm(4)
        self.query, self.mix, self.act = nn.Linear(4, 12), self.Mix(), nn.GELU()
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        tokens = self.embed(images).flatten(2).transpose(1, 2)
        tokens = self.norm(torch.cat([torch.zeros_like(tokens[:, :2]), tokens], 1))
        return self.head(self.mix(tokens + self.query(tokens)[..., :4])[:, 0].tanh())


def test_tokens_become_a_grid_and_the_layer_is_where_patches_still_count():
    torch.manual_seed(0)
    network = Tokens().eval()
    model = models.adapt(network)
    assert (model.layer, model.layout.kind, model.layout.prefix) == ("norm", "tokens", 2)
    images = torch.rand(2, 3, 16, 24)  # no square: the grid has the images' aspect
    features = model.forward_features(images)
    assert features.shape == (2, 4, 2, 3)
    patches = network.embed(model.normalized(images)).permute(0, 2, 3, 1)
    assert torch.equal(features, network.norm(patches).permute(0, 3, 1, 2))
    check_grad_cam(model, images)
    assert model.erasing_points() == {}
    with pytest.raises(ValueError, match="5 tokens of 24x16 pixels make no grid"):
        model.layout.to_map(torch.zeros(1, 7, 4), 16, 24)


def check_grad_cam(model, images):
    """Grad-CAM against the whole graph of a plain pass, with ``backward``."""
    seen = {}
    layer = model.network.get_submodule(model.layer)
    hook = layer.register_forward_hook(
        lambda module, inputs, output: (output.retain_grad(), seen.update(output=output))[0]
    )
    images = images.clone().requires_grad_()
    logits = model.eval()(images)
    logits[:, 1].sum().backward()
    hook.remove()
    size = images.shape[2:]
    gradient, features = (
        model.layout.to_map(value, *size).detach()
        for value in (seen["output"].grad, seen["output"])
    )
    expected = (gradient.mean((2, 3), keepdim=True) * features).sum(1)
    model.zero_grad()
    maps, same = cam.class_activation_map(model, images.detach(), [1] * len(images))
    assert expected.abs().max() > 0
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    torch.testing.assert_close(same, logits.detach())


tv = torchvision.models
NETWORKS = {  # (layer, kind, class and register tokens, CAM, shape of the map, ADL behind it)
    "timm:resnet18": ("layer4", "map", 0, True, (512, 14, 14), True),
    "timm:convnext_atto": ("norm_pre", "map", 0, False, (320, 14, 14), False),
    "timm:regnetx_002": ("final_conv", "map", 0, True, (368, 14, 14), True),
    "timm:vit_tiny_patch16_224": ("blocks.11.norm1", "tokens", 1, False, (192, 14, 14), False),
    "timm:efficientnet_lite0": ("bn2", "map", 0, True, (1280, 14, 14), True),
    "timm:mobilenetv3_small_050": ("blocks", "map", 0, False, (288, 14, 14), False),
    swin_of_timm: ("norm", "channels_last", 0, True, (24, 28, 28), False),
    tv.squeezenet1_1: ("classifier.0", "map", 0, False, (512, 13, 13), True),
}
SMALL = {swin_of_timm: {"embed_dim": 12, "depths": (1, 1), "num_heads": (1, 2)}}


@pytest.mark.parametrize("make", NETWORKS)
def test_networks_of_the_libraries(make):
    layer, kind, prefix, linear_head, shape, erasable = NETWORKS[make]
    torch.manual_seed(0)
    if isinstance(make, str):
        model = models.build(make, 3)
    else:
        model = models.build(lambda c: make(num_classes=c, **SMALL.get(make, {})), 3)
    assert (model.layer, model.layout.kind, model.layout.prefix) == (layer, kind, prefix)
    assert model.linear_head == linear_head and model.num_classes == 3
    assert model.stride == round(224 / shape[1])
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = model.eval().forward_features(images)
    assert tuple(features.shape[1:]) == shape
    assert (list(model.erasing_points()) == ["last"]) == erasable
    if linear_head:
        maps, logits = cam.class_activation_map(model, images, [1, 1])
        torch.testing.assert_close(maps.mean((1, 2)) + model.head.bias[1], logits[:, 1])
        torch.testing.assert_close(logits, model(images), rtol=1e-4, atol=1e-4)
    else:
        check_grad_cam(model, images)


def test_class_and_register_tokens_are_what_is_no_square_and_what_is_no_map():
    for count, prefix in ((196, 0), (197, 1), (198, 2), (201, 5), (50, 1)):
        assert layout_of(torch.zeros(2, count, 8)).prefix == prefix
    for shape in ((2, 8), (2, 8, 1, 1), (4, 49, 8), (2, 8, 4, 6)):
        assert layout_of(torch.zeros(shape)) is None


def test_statistics_are_given_found_or_imagenets():
    network = Picked(*TAILS["linear"]())
    assert models.adapt(network).mean.tolist() == pytest.approx([0.485, 0.456, 0.406])
    given = {"mean": np.full(3, 0.5), "std": torch.full((3,), 0.25)}
    assert models.adapt(network, **given).std.tolist() == [0.25] * 3
    own = nn.Sequential(torchvision.transforms.Normalize([0.1, 0.2, 0.3], [1, 1, 2]), network)
    model = models.adapt(own)
    assert model.mean.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert torch.equal(model(IMAGE), own(IMAGE))  # once, not twice
    timm = models.build("timm:vit_tiny_patch16_224", 3)
    assert timm.mean.tolist() == timm.std.tolist() == [0.5] * 3
    assert models.build("timm:resnet10t", 3, statistics="half").mean.tolist() == [0.5] * 3
    for given in ({"mean": (0, 0, 0)}, {"mean": 0.5, "std": 0.5}):
        with pytest.raises(ValueError, match="mean and std are three numbers each: give both"):
            models.adapt(network, **given)


def test_nothing_of_the_network_or_of_chance_changes():
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), GAP, nn.Flatten(), nn.Linear(4, 3)
    network = nn.Sequential(*layers)
    network[1].eval()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    with torch.inference_mode():
        models.adapt(network)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training and not network[1].training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(part._forward_hooks for part in network.modules())


def test_layer_and_head_may_be_named_or_given():
    network = Picked(*TAILS["linear"]())
    for layer in ("pick", network.pick):
        model = models.adapt(network, layer=layer, head="tail.2")
        assert model.layer == "pick" and model.classifier == "tail.2"
        assert not model.linear_head  # a ReLU follows
    inner = models.adapt(nn.Sequential(nn.Sequential(network.pick), *network.tail), layer="0.0")
    assert inner.layer == "0.0" and inner.linear_head


class Detached(Picked):
    def forward(self, images):
        return self.tail[0](self.pick(images).mean((2, 3)).detach())


FLAT = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))


class Pair(nn.Module):
    def forward(self, images):
        return images, images


@pytest.mark.parametrize(
    ("network", "options", "kind", "sentence"),
    [
        (FLAT, {}, ValueError, "neither CAM nor Grad-CAM"),
        (Detached(linear()), {}, ValueError, "has neither CAM nor Grad-CAM: no layer before its"),
        (nn.Conv2d(1, 2, 1), {}, ValueError, "Conv2d runs on images of no usual side .Ru"),
        (Pair(), {}, TypeError, "Pair gives tuple, but must give logits .N, C.: wrap it so"),
        (nn.Conv2d(3, 2, 1), {}, TypeError, r"gives \(2, 2, 224, 224\), but must give logits"),
        ("resnet18", {}, TypeError, "str is no network"),
        (Picked(*TAILS["linear"]()), {"layer": "last"}, ValueError, "'last' is no part of Picked"),
        (Picked(*TAILS["linear"]()), {"layer": "tail.0"}, ValueError, "gives no map, once, before"),
        (models.build("toy", 3), {"layer": "stem"}, ValueError, "ToyNet is a backbone already"),
    ],
)
def test_what_cannot_be_adapted_is_one_clear_sentence(network, options, kind, sentence):
    with pytest.raises(kind, match=sentence):
        models.adapt(network, **options)


def test_body_and_head_are_the_stages():
    model = models.adapt(Picked(*TAILS["linear"]()))
    slow, fast = models.parameter_groups(model, 10)
    head = model.network.tail[2]
    assert {id(p) for p in fast["params"]} == {id(p) for p in head.parameters()}
    assert [id(p) for p in slow["params"]] == [id(model.network.pick.weight)]
    models.freeze_stages(model, 1)
    assert not model.network.pick.weight.requires_grad and head.weight.requires_grad
    without = models.adapt(Picked(Square()))
    assert models.freeze_stages(without, 0) is without is models.adapt(without)
    with pytest.raises(ValueError, match="no head is known that could learn faster"):
        models.parameter_groups(without)


def test_adl_behind_the_last_layer():
    model = models.adapt(Picked(*TAILS["linear"]()), **PLAIN).train()
    adl = Erasing("adl", gamma=0.5, rate=1.0, points=("last",))
    with attach(model, adl, torch.Generator()):
        erased = model.forward_features(IMAGE)
    assert erased.tolist() == [[RED, [[0.0, 0.0], [0.0, 1.0]]]]  # A = (red + green) / 2
