"""The toy network: its map, its head, and where the map lies."""

import pytest
import torch

from entreg_utils import models


@pytest.fixture
def net():
    torch.manual_seed(0)
    return models.build("toy", 8).eval()


@pytest.fixture
def images():
    return torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))


def test_48_pixels_give_a_map_of_12(net, images):
    features, logits = net.forward_features(images), net(images)
    assert features.shape == (3, 48, 12, 12) and logits.shape == (3, 8)
    assert net.forward_features(torch.rand(1, 3, 32, 64)).shape == (1, 48, 8, 16)
    assert models.build("toy", 5, width=4, blocks=2).forward_features(images).shape[1] == 12


def test_logits_are_the_head_on_the_mean_and_features_are_not_negative(net, images):
    features = net.forward_features(images)
    assert torch.equal(net(images), net.head(features.mean((2, 3))))
    assert (features >= 0).all() and (features > 0).any()


def test_the_seed_decides_the_weights():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([value.flatten() for value in models.build("toy", 8).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_the_head_starts_near_uniform_predictions(net, images):
    assert (net.head.bias == 0).all()
    assert net.head.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert net(images).softmax(1).max() < 0.2


def test_the_model_normalises_by_itself(images):
    # (x - 1/2) / (1/4): a grey image is zero, so the stem, which has no bias, gives zero.
    net, seen = models.build("toy", 2), []
    net.stem.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    net(torch.full((1, 3, 32, 32), 0.5))
    net(torch.ones(1, 3, 32, 32))
    assert (seen[0][1] == 0).all() and (seen[1][0] == 2).all()


def test_the_map_lies_where_the_object_is():
    # With every weight equal the network is symmetric: mirrored images give mirrored maps, which a
    # shifted grid (3x3 kernels of stride 2 with padding 1) would not.
    net = models.build("toy", 2, width=2).eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.fill_(0.1)
    images = torch.rand(2, 3, 48, 48)
    features = net.forward_features(images)
    for axis in (2, 3):
        mirrored = net.forward_features(images.flip(axis)).flip(axis)
        assert torch.allclose(features, mirrored, rtol=1e-4, atol=1e-5)
    assert features.std() > 0


def test_a_block_by_hand():
    from entreg_utils.models.toy import PreActBlock

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
    "arguments, options, sentence",
    [
        (("vgg", 8), {}, "unknown model 'vgg': known are toy"),
        (("toy", 1), {}, "num_classes=1: a classifier needs at least 2"),
        (("toy", 2.5), {}, "num_classes=2.5: a classifier needs at least 2"),
        (("toy", 8), {"pretrained": True}, "no published weights for 'toy': use pretrained=False"),
        (("toy", 8), {"width": 0}, "width=0: give a whole number of at least 1"),
        (("toy", 8), {"blocks": 1.5}, "blocks=1.5: give a whole number of at least 1"),
    ],
)
def test_bad_input_is_refused(arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        models.build(*arguments, **options)
