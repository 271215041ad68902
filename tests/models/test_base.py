"""Maps of the stages, seen in passing."""

import torch

from entreg_utils import models


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
    try:
        net.stage_features(torch.rand(2, 1, 48, 48))
    except RuntimeError:
        pass
    else:
        raise AssertionError("one channel went through")
    assert not any(module._forward_hooks for module in net.modules())


def test_zeros_at_an_erasing_point_of_the_toy_cut_every_path():
    torch.manual_seed(0)
    net = models.build("toy", 3, blocks=2).eval()
    images = torch.rand(2, 3, 48, 48)
    assert list(net.erasing_points()) == ["stage1", "last"]
    for module in net.erasing_points().values():
        hook = module.register_forward_hook(lambda module, inputs, output: output * 0)
        logits = net(images)
        hook.remove()
        assert torch.equal(logits[0], logits[1])
    assert not torch.equal(net(images)[0], net(images)[1])
    assert net.mean.tolist() == [0.5] * 3 and "mean" not in net.state_dict()
