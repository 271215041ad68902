"""Groups of learning rates, frozen stages, and frozen batch-norm inside the convolution."""

import copy

import pytest
import torch
from torch import nn

from entreg_utils import models
from entreg_utils.models.tuning import FoldedConv, PassedNorm, fold


@pytest.mark.parametrize("name", models.MODELS)
def test_every_weight_is_in_one_group_and_the_last_stage_in_the_fast_one(name):
    with torch.device("meta"):
        net = models.MODELS[name](5)
    slow, fast = models.parameter_groups(net, 4)
    assert (slow["factor"], fast["factor"]) == (1.0, 4.0)
    names = {id(p): key for key, p in net.named_parameters()}
    found = [names[id(p)] for group in (slow, fast) for p in group["params"]]
    assert sorted(found) == sorted(names.values())
    prefixes = {
        "toy": ("stages.1.", "norm."),
        "preresnet18": ("body.stages.3.", "body.norm."),
        "mobilenet_v2": tuple(f"body.features.{k}." for k in range(14, 19)),
    }.get(name, ("body.layer4.",))
    expected = {key for key in names.values() if key.startswith((*prefixes, "head."))}
    assert {names[id(p)] for p in fast["params"]} == expected
    stages = [id(p) for parts in net.stage_modules() for part in parts for p in part.parameters()]
    assert sorted([*stages, *map(id, net.head.parameters())]) == sorted(names)  # each once
    slow["params"][0].requires_grad_(False)  # what does not learn is left out
    assert models.parameter_groups(net)[0]["params"] == slow["params"][1:]


@pytest.mark.parametrize("name", ["toy", "preresnet18", "mobilenet_v2"])
def test_frozen_statistics_stay_in_training_while_scale_and_shift_learn(name):
    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    net = copy.deepcopy(models.freeze_batchnorm(models.build(name, 3)).train())
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net(images).square().sum().backward()
    assert net.training and all(not layer.training for layer in net.batchnorms())
    assert all(layer.weight.grad is not None for layer in net.batchnorms())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    trained, evaluated = net(images), net.eval()(images)
    assert torch.equal(trained, evaluated)  # no batch in it


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="factor=0: give a positive number"):
        models.parameter_groups(models.build("toy", 2), 0)
    with pytest.raises(ValueError, match="count=2: this network has 2 stages, so give 0 to 1"):
        models.freeze_stages(models.build("toy", 2), 2)
    for function in (models.parameter_groups, models.freeze_batchnorm):
        with pytest.raises(TypeError, match="Linear is no backbone"):
            function(torch.nn.Linear(1, 1))


def test_frozen_stages_stand_still_and_the_rest_learns():
    torch.manual_seed(0)
    net = models.freeze_stages(models.build("mobilenet_v2", 3), 2).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    net(torch.rand(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {
        key for key, value in net.state_dict().items() if not torch.equal(before[key], value)
    }
    early = tuple(f"body.features.{k}." for k in range(7))
    assert changed and not any(key.startswith(early) for key in changed)  # statistics included
    assert any(key.startswith("body.features.7.") for key in changed)
    models.freeze_stages(net, 0)
    assert all(p.requires_grad for p in net.parameters())
    assert all(layer.training for layer in net.batchnorms())


def pair(bias=False):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1, groups=2, bias=bias), nn.BatchNorm2d(4))
    nn.init.uniform_(layers[1].weight, 0.5, 2)
    nn.init.normal_(layers[1].bias)
    layers[1].running_mean.normal_()
    layers[1].running_var.uniform_(0.5, 2)
    return layers.double().eval()


@pytest.mark.parametrize("bias", [False, True])
def test_outputs_and_gradients_are_those_of_the_two_layers(bias):
    two, one = pair(bias), pair(bias)
    names = list(one.state_dict())
    fold(one)
    assert type(one[0]) is FoldedConv and type(one[1]) is PassedNorm
    assert list(one.state_dict()) == names
    images = torch.rand(3, 2, 7, 7, dtype=torch.float64)
    for net in (two, one):
        net(images).square().sum().backward()
    assert torch.allclose(two(images), one(images), atol=1e-12)
    own, folded = dict(two.named_parameters()), dict(one.named_parameters())
    assert list(own) == list(folded)
    assert all(torch.allclose(own[n].grad, folded[n].grad, atol=1e-10) for n in own)


def test_a_copy_is_independent():
    net = pair()
    fold(net)
    other = copy.deepcopy(net)
    nn.init.zeros_(other[1].weight)
    nn.init.zeros_(other[1].bias)
    images = torch.rand(1, 2, 7, 7, dtype=torch.float64)
    assert other[0].after[0] is other[1] and not torch.equal(net(images), other(images))
    other[1].running_mean.zero_()
    assert not other(images).any()


def test_only_plain_pairs_in_a_sequence_are_folded():
    class Own(nn.BatchNorm2d):
        def forward(self, x):
            return super().forward(x).relu()

    reflect = nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")
    net = nn.ModuleList(
        [
            nn.Sequential(nn.Conv2d(2, 2, 1), Own(2)),
            nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)),
            nn.Sequential(reflect, nn.BatchNorm2d(2)),
            nn.ModuleList([nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)]),
        ]
    )
    fold(net)
    assert not any(isinstance(m, (FoldedConv, PassedNorm)) for m in net.modules())


def test_freezing_folds_mobilenet():
    torch.manual_seed(0)
    net = models.build("mobilenet_v2", 3).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = net(images)
        after = models.freeze_batchnorm(net)(images)
    assert sum(isinstance(m, FoldedConv) for m in net.modules()) == 52  # all of its convolutions
    assert torch.allclose(before, after, atol=1e-5 * before.abs().max())
