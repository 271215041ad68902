"""The toy network: its map, its head, and where the map lies."""

import pytest
import torch

from entreg_utils import models
from entreg_utils.models.toy import PreActBlock


def test_logits_are_the_head_on_the_mean_of_a_map_that_is_not_negative():
    torch.manual_seed(0)
    net, images = models.build("toy", 8).eval(), torch.rand(3, 3, 48, 48)
    features = net.forward_features(images)
    assert features.shape == (3, 48, 12, 12)
    assert models.build("toy", 5, width=4).forward_features(images).shape[1] == 12
    assert net.head.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert torch.equal(net(images), net.head(features.mean((2, 3))))
    assert (features >= 0).all() and (features > 0).any()


def test_the_model_normalises_by_itself():
    # (x - 1/2) / (1/4): a grey image is zero, so the stem, which has no bias, gives zero.
    net, seen = models.build("toy", 2), []
    net.stem.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    net(torch.full((1, 3, 32, 32), 0.5))
    net(torch.ones(1, 3, 32, 32))
    assert (seen[0][1] == 0).all() and (seen[1][0] == 2).all()


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


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (("vgg", 8), {}, "unknown model 'vgg': known are toy"),
        (("toy", 1), {}, "num_classes=1: give a whole number in 2..1000000"),
        (("toy", 2.5), {}, "num_classes=2.5: give a whole number"),
        (("toy", 8), {"pretrained": True}, "no published weights for 'toy': leave pretrained out"),
        (("toy", 8), {"width": 0}, "width=0: give a whole number in 1..10000"),
    ],
)
def test_bad_input_is_refused(arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        models.build(*arguments, **options)


def test_the_last_stage_is_the_map_and_no_hook_is_left():
    net = models.build("toy", 3).eval()
    images = torch.rand(2, 3, 48, 48)
    maps = net.stage_features(images)
    assert list(maps) == ["stage1", "stage2"]
    assert torch.equal(maps["stage2"], net.forward_features(images))
    first = net.stages[0](net.stem((images - 0.5) / 0.25))  # by hand
    assert torch.equal(maps["stage1"], torch.relu(net.stages[1][0].bn1(first)))
    assert not any(module._forward_hooks for module in net.modules())


def test_hooks_are_removed_after_an_exception():
    net = models.build("toy", 3)
    with pytest.raises(ValueError, match="but must be"):  # one channel
        net.stage_features(torch.rand(2, 1, 48, 48))
    assert not any(module._forward_hooks for module in net.modules())


def test_zeros_at_an_erasing_point_of_the_toy_cut_every_path():
    torch.manual_seed(0)
    net = models.build("toy", 3).eval()
    images = torch.rand(2, 3, 48, 48)
    assert list(net.erasing_points()) == ["stage1", "last"]
    for module in net.erasing_points().values():
        hook = module.register_forward_hook(lambda module, inputs, output: output * 0)
        logits = net(images)
        hook.remove()
        assert torch.equal(logits[0], logits[1])
    assert not torch.equal(net(images)[0], net(images)[1])
    assert net.mean.tolist() == [0.5] * 3 and "mean" not in net.state_dict()
