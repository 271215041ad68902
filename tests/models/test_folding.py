"""Frozen batch-norm inside the convolution: the same numbers, the same gradients, and back."""

import copy

import pytest
import torch
from torch import nn

from entreg_utils import models
from entreg_utils.models.tuning import FoldedConv, PassedNorm, fold, unfold


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
    assert fold(one) == 1
    images = torch.rand(3, 2, 7, 7, dtype=torch.float64)
    for net in (two, one):
        net(images).square().sum().backward()
    assert torch.allclose(two(images), one(images), atol=1e-12)
    own, folded = dict(two.named_parameters()), dict(one.named_parameters())
    assert list(own) == list(folded)
    assert all(torch.allclose(own[n].grad, folded[n].grad, atol=1e-10) for n in own)


def test_it_is_undone_and_keeps_its_state_dict():
    net, before = pair(), pair().state_dict()
    fold(net)
    assert type(net[0]) is FoldedConv and type(net[1]) is PassedNorm
    assert list(net.state_dict()) == list(before)
    unfold(net)
    assert type(net[0]) is nn.Conv2d and type(net[1]) is nn.BatchNorm2d
    assert not hasattr(net[0], "after")
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


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
    assert fold(net) == 0


def test_freezing_folds_mobilenet_and_thawing_unfolds_it():
    torch.manual_seed(0)
    net = models.build("mobilenet_v2", 3).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = net(images)
        after = models.freeze_batchnorm(net)(images)
    assert sum(isinstance(m, FoldedConv) for m in net.modules()) == 52  # all of its convolutions
    assert torch.allclose(before, after, atol=1e-5 * before.abs().max())
    models.freeze_batchnorm(net, frozen=False)
    assert not any(isinstance(m, (FoldedConv, PassedNorm)) for m in net.modules())
