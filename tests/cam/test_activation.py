"""CAM and Grad-CAM on nets of a few hand-set weights, with values worked out by hand."""

import pytest
import torch
from torch import nn

from entreg_utils import cam, models


class HandNet(nn.Module):
    """Two channels read from red and green; A_1 = red, A_2 = green; three classes."""

    def __init__(self, head=None):
        super().__init__()
        self.pick = nn.Conv2d(3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(2)  # identity in eval mode up to its eps
        self.norm.eps = 1e-30  # vanishes beside 1; older torch refuses 0
        self.head = nn.Linear(2, 3) if head is None else head
        with torch.no_grad():
            self.pick.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]])[:, :, None, None])
            if head is None:
                self.head.weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 0.5], [0.0, 0.0]]))
                self.head.bias.copy_(torch.tensor([10.0, -3.0, 1.0]))

    def forward_features(self, images):
        return self.norm(self.pick(images))

    def forward(self, images):
        return self.head(self.forward_features(images).mean(dim=(2, 3)))


RED = [[1.0, 0.0], [0.0, 0.0]]
GREEN = [[0.0, 3.0], [0.0, 1.0]]
IMAGE = torch.tensor([[RED, GREEN, [[9.0, 9.0], [9.0, 9.0]]]])  # (1, 3, 2, 2); blue is not read
# CAM_0 = red - green, CAM_1 = 2 red + green / 2, CAM_2 = 0
CAM_BY_HAND = {
    0: [[1.0, -3.0], [0.0, -1.0]],
    1: [[2.0, 1.5], [0.0, 0.5]],
    2: [[0.0, 0.0], [0.0, 0.0]],
}
LOGITS_BY_HAND = [10 - 3 / 4, -3 + 4 / 4, 1.0]  # bias plus the mean of each map


@pytest.fixture
def net():
    return HandNet().eval()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_cam_is_the_weighted_sum_of_feature_maps_and_grad_cam_that_over_their_size(net, which):
    maps, logits = cam.class_activation_map(net, IMAGE, [which])
    assert maps.tolist() == [CAM_BY_HAND[which]] and maps.dtype == torch.float32
    graded, same = cam.grad_cam(net, IMAGE, [which])
    assert graded.tolist() == [[[value / 4 for value in row] for row in CAM_BY_HAND[which]]]
    assert logits.tolist() == same.tolist() == [LOGITS_BY_HAND]
    kept, _ = cam.grad_cam(net, IMAGE, [which], relu=True)
    assert kept.tolist() == [[[max(value, 0) / 4 for value in row] for row in CAM_BY_HAND[which]]]


@pytest.mark.parametrize("of", [cam.class_activation_map, cam.grad_cam])
def test_a_batch_of_no_images_has_no_maps(net, of):
    maps, logits = of(net, IMAGE[:0], torch.zeros(0, dtype=torch.long))
    assert maps.shape == (0, 2, 2) and logits.shape == (0, 3)


def test_none_takes_the_predicted_class(net):
    dark = torch.zeros_like(IMAGE)
    with torch.no_grad():
        net.head.bias.copy_(torch.tensor([0.0, 0.0, 0.4]))
    # IMAGE: logits -0.75, 1, 0.4 -> class 1;  dark: 0, 0, 0.4 -> class 2
    maps, logits = cam.class_activation_map(net, torch.cat([IMAGE, dark]), None)
    assert maps.tolist() == [CAM_BY_HAND[1], CAM_BY_HAND[2]]
    assert logits.argmax(dim=1).tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(5, 48, 48), (2, 24, 48)])
def test_grad_cam_identity_on_the_toy_net(shape):
    torch.manual_seed(0)
    toy = models.build("toy", 8).eval()
    images = torch.rand(shape[0], 3, *shape[1:])
    classes = torch.arange(shape[0]) % 8
    plain, logits = cam.class_activation_map(toy, images, classes)
    graded, _ = cam.grad_cam(toy, images, classes)
    positions = plain.shape[1] * plain.shape[2]
    assert plain.abs().max() > 0.01
    torch.testing.assert_close(graded * positions, plain, rtol=1e-6, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(logits, toy(images), rtol=1e-5, atol=1e-5)


def test_grad_cam_through_a_head_that_is_not_linear(net):
    """s = (mean of A_1)^2, so alpha_1 = 2 mean(A_1) / HW = 2 * 0.25 / 4 at the red pixel."""

    class Square(nn.Module):
        def forward(self, pooled):
            return pooled**2

    squared = HandNet(Square()).eval()
    maps, logits = cam.grad_cam(squared, IMAGE, [0])
    assert logits.tolist() == [[0.0625, 1.0]]
    assert maps.tolist() == [[[0.125, 0.0], [0.0, 0.0]]]
    with pytest.raises(TypeError, match="Square.*use grad_cam"):
        cam.class_activation_map(squared, IMAGE, [0])


def test_a_model_with_another_head_gets_its_grad_cam():
    net = HandNet(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))).eval()
    expected, logits = cam.grad_cam(net, IMAGE, [1])
    net.linear_head = False
    maps, same = cam.class_activation_map(net, IMAGE, [1])
    assert torch.equal(maps, expected) and torch.equal(same, logits) and maps.any()
    # What lies between map and logits may be more than a head on the mean: here 5 logits a map.

    def map_and_logits(images):
        features = net.forward_features(images).detach().requires_grad_()
        return features, 5 * features.sum(dim=(2, 3))

    net.map_and_logits = map_and_logits
    maps, logits = cam.class_activation_map(net, IMAGE, [1])
    assert logits.tolist() == [[5.0, 20.0]]  # and d s_1 / d A_2 = 5, all the others 0
    assert maps.tolist() == [[[0.0, 15.0], [0.0, 5.0]]]
    linear = HandNet().eval()
    linear.linear_head = True
    assert cam.class_activation_map(linear, IMAGE, [1])[0].tolist() == [CAM_BY_HAND[1]]


@pytest.mark.parametrize("function", [cam.class_activation_map, cam.grad_cam])
def test_modes_come_back_and_no_gradient_is_left_behind(net, function):
    net.train()
    net.norm.eval()  # a frozen batch-norm in a model that trains
    before = net.norm.running_mean.clone()
    maps, logits = function(net, IMAGE, [0])
    assert not maps.requires_grad and not logits.requires_grad
    assert all(parameter.grad is None for parameter in net.parameters())
    assert (net.training, net.pick.training, net.norm.training) == (True, True, False)
    net.norm.train()
    again, _ = function(net, IMAGE, [0])
    assert net.norm.training and torch.equal(maps, again)
    assert torch.equal(net.norm.running_mean, before)  # eval inside: no statistics were updated

    def broken(images):
        assert not net.training
        raise RuntimeError("out of memory")

    net.norm.eval()
    net.forward_features = broken
    with pytest.raises(RuntimeError, match="out of memory"):
        function(net, IMAGE, [0])
    assert (net.training, net.pick.training, net.norm.training) == (True, True, False)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_under_bfloat16_autocast_the_sum_is_float32(net):
    with torch.no_grad():
        net.head.weight.copy_(torch.tensor([[256.0, 1.0], [0, 0], [0, 0]]))
    # 256 red + green has 257 at one pixel if green is 1 there: bfloat16 would round it to 256
    image = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps, logits = cam.class_activation_map(net, image, [0])
    assert maps.tolist() == [[[257.0, 0.0]]]
    assert logits[0, 0].item() == 138.5 and logits.dtype == torch.float32


def test_one_vector_added_to_all_weights_moves_the_map_but_not_the_probabilities(net):
    """FACTS 1.10: p does not see the shift; CAM_c gains sum_k v_k A_k, the same for all classes."""
    plain, logits = cam.class_activation_map(net, IMAGE, [1])
    with torch.no_grad():
        net.head.weight.add_(torch.tensor([-3.0, 2.0]))
    moved, shifted = cam.class_activation_map(net, IMAGE, [1])
    torch.testing.assert_close(shifted.softmax(1), logits.softmax(1), rtol=1e-6, atol=1e-7)
    assert (moved - plain).tolist() == [[[-3.0, 6.0], [0.0, 2.0]]]  # -3 red + 2 green
    # the place of the maximum has moved from the red pixel to the green one
    assert plain.flatten().argmax() == 0 and moved.flatten().argmax() == 1


def with_nan():
    images = IMAGE.repeat(3, 1, 1, 1)
    images[1, 0, 0, 0] = float("nan")
    return images


@pytest.mark.parametrize("function", [cam.class_activation_map, cam.grad_cam])
@pytest.mark.parametrize(
    ("images", "classes", "sentence"),
    [
        (IMAGE, [3], r"class 3 is out of range.*3 classes, 0\.\.2"),
        (IMAGE, [-1], r"class -1 is out of range.*3 classes, 0\.\.2"),
        (IMAGE, [0, 1], r"of shape \(2,\): give whole-number class indices \(1,\), one an image"),
        (IMAGE, [0.5], "classes are torch.float64 of shape .*: give whole-number"),
        (IMAGE, [True], "classes are torch.bool of shape"),
        (IMAGE[0], [0], r"images are torch.float32 of shape \(3, 2, 2\): .* image\[None\]"),
        (IMAGE[..., :0], [0], r"of shape \(1, 3, 2, 0\): give floats"),
        (IMAGE.to(torch.uint8), [0], r"images are torch.uint8 .* images.float\(\) / 255"),
        (IMAGE.tolist(), [0], "images are list: give floats"),
        (with_nan(), [0, 0, 0], "map of image 1 holds NaN or infinite"),
    ],
)
def test_bad_input_is_one_clear_sentence(net, function, images, classes, sentence):
    with pytest.raises(ValueError, match=sentence):
        function(net, images, classes)


@pytest.mark.parametrize("function", [cam.class_activation_map, cam.grad_cam])
def test_a_model_without_feature_map_or_head_is_named(net, function):
    with pytest.raises(TypeError, match="Flatten has no forward_features"):
        function(nn.Flatten(), IMAGE, [0])
    net.forward_features = lambda images: images[:0]
    with pytest.raises(ValueError, match=r"gave \(0, 3, 2, 2\), but must give"):
        function(net, IMAGE, [0])
    net.forward_features = lambda images: images.mean(dim=(2, 3))
    with pytest.raises(ValueError, match=r"gave \(1, 3\), but must give \(N, K, h, w\)"):
        function(net, IMAGE, [0])
    del net.head
    with pytest.raises(TypeError, match="HandNet has no head"):
        function(net, IMAGE, [0])
